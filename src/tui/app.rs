//! The screen as a function: `update(now, msg)` changes it and says what is to be done; `draw` makes a picture. No clock,
//! no I/O, no task: the loop in `mod.rs` has those. The same messages give the same screen, which is what `record.rs` and
//! the tests in `tests/screens` live on.
//!
//! Who acts on a command is decided once, in [`handler`]: the app (moving between panes, leaving), `acts.rs` (everything
//! that asks the core for a change, wherever the focus is), or the pane that has the keys.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod beside;
mod input;
mod marked;
mod news;

use std::collections::BTreeMap;

use ratatui::layout::{Position, Rect};

use crate::commands::{Cmd, CommandId, Danger, Key, Scope};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::request::{JobAct, JobRef, Reply, Request};
use crate::model::snapshot::Update;
use crate::model::state::{ExecutionState, Reach};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::acts;
use crate::tui::cx::{Cx, Look, PaneId, SPOKEN_MAX, Spoken};
use crate::tui::equivalent;
use crate::tui::keymap::Keymap;
use crate::tui::layout::{Border, Layout, Logs, Sizes};
use crate::tui::msg::{Asker, Mouse, MouseAct, Msg, Ticket};
use crate::tui::overlays::question::{Answer, Question};
use crate::tui::overlays::{self, Overlay};
use crate::tui::pane::{After, Leave, News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::panes::detail::Detail;
use crate::tui::panes::log::Log;
use crate::tui::panes::tree::Tree;
use crate::tui::proposal::Proposal;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::{Depth, Theme, Themes};
use crate::tui::world::World;

/// How long good news stays on the screen.
const TOAST_SHOWN: Millis = Millis::from_secs(4);
/// How long bad news does: long enough to read two lines.
const TOAST_BAD_SHOWN: Millis = Millis::from_secs(10);
/// More toasts than this would cover the panes; the oldest go.
const TOASTS_MAX: usize = 4;
/// How soon a second `ctrl-c` leaves at once.
const INTERRUPT_TWICE: Millis = Millis::from_secs(2);
/// How long the cursor has to rest on a row before its log is opened, while one runs through many rows.
const SETTLED_AFTER: Millis = Millis(120);
/// How often effects follow from effects, in one message: more is a circle. An act on many is one round of many.
const ROUNDS_MAX: usize = 256;
/// The largest number that can be typed before a key.
const COUNT_MAX: u32 = 99_999;

/// Who acts on a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handler {
    /// The app.
    App,
    /// `acts.rs`.
    Acts,
    /// The pane that has the keys.
    Focused,
    /// The tree, wherever the keys are.
    Tree,
    /// The log, wherever the keys are.
    Log,
    /// The detail pane, wherever the keys are.
    Detail,
    /// The overlay on top, or the pane that is typing a line.
    Overlay,
}

/// What an answer to the app itself is for.
#[derive(Debug)]
enum Purpose {
    /// An order: a refusal or note becomes a toast.
    Order,
    /// What a proposed target would do.
    Preview,
    /// Whether anything is undone, before leaving.
    Leaving,
    /// What marked jobs have reported, before they are written into a file.
    Export(marked::Export),
}

/// The whole screen.
pub struct App {
    pub(super) cx: Cx,
    pub(super) tree: Tree,
    pub(super) detail: Detail,
    pub(super) log: Log,
    pub(super) overlays: Vec<Box<dyn Pane>>,
    pub(super) layout: Layout,
    pub(super) toasts: Vec<(Toast, UnixMillis)>,
    sizes: Sizes,
    zoom: bool,
    screen: Rect,
    drag: Option<Border>,
    trail: Trail,
    front: bool,
    interrupted: Option<UnixMillis>,
    purposes: BTreeMap<u64, Purpose>,
    /// The latest order whose answer said where to go.
    went_for: u64,
    number: u64,
    depth: Depth,
    theme_kept: String,
    selected_at: UnixMillis,
    log_due: Option<UnixMillis>,
}

/// What the app is built from.
#[derive(Debug)]
pub struct Start {
    /// What was decided before.
    pub look: Look,
    /// The keys.
    pub keymap: Keymap,
    /// The themes to choose from.
    pub themes: Themes,
    /// The one to begin with.
    pub theme: Theme,
    /// How many colours the terminal has.
    pub depth: Depth,
    /// The sizes of the panes.
    pub sizes: Sizes,
}

/// Where one was, to go back and forward. At most [`Trail::MAX`] places.
#[derive(Debug, Default)]
struct Trail {
    back: Vec<Subject>,
    forward: Vec<Subject>,
}

impl Trail {
    /// More steps back than a person remembers.
    const MAX: usize = 100;

    fn left(&mut self, subject: Subject) {
        self.forward.clear();
        if self.back.last() != Some(&subject) {
            self.back.push(subject);
        }
        if self.back.len() > Self::MAX {
            self.back.remove(0);
        }
    }
}

/// Returns who acts on a command.
pub fn handler(id: CommandId) -> Handler {
    use CommandId as C;
    match id {
        C::Help | C::Palette | C::Quit | C::Interrupt | C::Suspend | C::Redraw | C::Theme => Handler::App,
        C::NextPane | C::PrevPane | C::GoTab | C::Back | C::Forward | C::Zoom | C::Narrower | C::Wider => Handler::App,
        C::Cancel | C::Open | C::CopyCommand => Handler::App,
        C::FollowOutput => Handler::App,
        C::Requeue | C::Nice | C::TimeLimit | C::PowerUp | C::PowerDown | C::Share | C::Efficiency => Handler::Acts,
        C::Failures | C::Edit | C::Shell | C::Port | C::Bookmark | C::Bookmarks => Handler::App,
        C::Menu | C::Doctor | C::Tour | C::ImportHosts | C::Apply | C::Demo | C::Run => Handler::App,
        C::SweepStop | C::SweepPause | C::SweepResume | C::SweepTrim | C::SweepPriority | C::Limit => Handler::Acts,
        C::Compare | C::ExportMarked => Handler::App,
        C::CauseRetry | C::CauseAvoid => Handler::Overlay,
        C::NextSibling | C::PrevSibling | C::MarkAll | C::Filter | C::MarkRange => Handler::Tree,
        C::ScaleUp
        | C::ScaleDown
        | C::ScaleIdle
        | C::Scale
        | C::Prepare
        | C::Replace
        | C::KeepAwake
        | C::ResumeScaling
        | C::Drain
        | C::Undrain
        | C::DeclareDead => Handler::Acts,
        C::AutoScale | C::Budget | C::SetUpLogs | C::Plan => Handler::Acts,
        C::NewJob | C::Rerun | C::RerunWith | C::NewSweep | C::Retry | C::Stop | C::Undo | C::Delete | C::Why => {
            Handler::Acts
        }
        C::Hold
        | C::Release
        | C::Priority
        | C::NewGroup
        | C::NewWorkspace
        | C::NewExperiment
        | C::NewCluster
        | C::NewFileServer => Handler::Acts,
        C::Down | C::Up | C::Left | C::Right | C::Top | C::Bottom => Handler::Focused,
        C::PageDown | C::PageUp | C::HalfDown | C::HalfUp => Handler::Focused,
        C::Mark | C::Copy => Handler::Focused,
        C::FileGet | C::Sort | C::SortTurn => Handler::Detail,
        C::Metric | C::Take | C::Better | C::Hide => Handler::Detail,
        C::Axis | C::LogMetric | C::LogAcross | C::Smooth | C::Parameter => Handler::Detail,
        C::LogSearch | C::LogNext | C::LogPrev | C::LogOnly | C::LogFile | C::LogNode | C::LogWrap => Handler::Log,
        C::LogPercent | C::LogFailedRank | C::LogFirstError => Handler::Log,
        C::LogSave | C::LogPager => Handler::Log,
        C::LogMerge | C::LogTimes | C::LogJson | C::LogMark => Handler::Log,
        C::Accept | C::LineComplete | C::LineUp | C::LineDown => Handler::Focused,
        C::QuestionNext | C::QuestionPrev => Handler::Overlay,
        C::FormNext | C::FormPrev | C::FormSubmit | C::FormText | C::FormEditor | C::FormPlan | C::FormTemplate => {
            Handler::Overlay
        }
    }
}

impl App {
    /// Returns a screen with nothing on it yet.
    pub fn new(start: Start) -> Self {
        let cx = Cx {
            now: UnixMillis::default(),
            world: World::default(),
            theme: start.theme.at_depth(start.depth),
            themes: start.themes,
            look: start.look,
            keymap: start.keymap,
            focus: PaneId::Tree,
            shown: None,
            marks: Default::default(),
            proposal: None,
            count: None,
            stop_asked: None,
            pace: Default::default(),
            sizes: Default::default(),
            columns: BTreeMap::new(),
            pending: None,
            bookmarks: Vec::new(),
            seen: Default::default(),
            ports: Vec::new(),
            spoken: Vec::new(),
        };
        Self {
            theme_kept: start.theme.name,
            cx,
            tree: Tree::default(),
            detail: Detail::default(),
            log: Log::default(),
            overlays: Vec::new(),
            layout: Layout::default(),
            toasts: Vec::new(),
            sizes: start.sizes,
            zoom: false,
            screen: Rect::default(),
            drag: None,
            trail: Trail::default(),
            front: true,
            interrupted: None,
            purposes: BTreeMap::new(),
            went_for: 0,
            number: 0,
            depth: start.depth,
            selected_at: UnixMillis::default(),
            log_due: None,
        }
    }

    /// Acts on one message and returns what the loop is to do; the app's own effects are already done.
    pub fn update(&mut self, now: UnixMillis, msg: Msg) -> Vec<UiEffect> {
        self.cx.now = now;
        self.toasts.retain(|(_, until)| *until > now);
        let effects = match msg {
            Msg::Key(key) => {
                self.tree.keep();
                self.on_key(key)
            }
            Msg::Cmd(cmd) => self.on_command(cmd),
            Msg::Paste(text) => self.on_paste(&text),
            Msg::Mouse(mouse) => self.on_mouse(mouse),
            Msg::Resize(width, height) => self.on_resize(width, height),
            Msg::Front(front) => self.on_front(front),
            Msg::Update(update) => self.on_update(&update),
            Msg::Glance(stored) => self.on_glance(&stored),
            Msg::CoreLost(why) => self.on_core_lost(why),
            Msg::Reply(ticket, reply) => self.on_reply(ticket, *reply),
            Msg::Task(number, news) => self.detail.hear(&News::Task(number, &news), &self.cx),
            Msg::LogDelta(watch, delta) => self.log.hear(&News::Delta(watch, &delta), &self.cx),
            Msg::Configured(Ok(ui)) => self.on_configured(ui),
            Msg::Configured(Err(fault)) => vec![UiEffect::Toast(fault_toast(&fault))],
            Msg::Called(number, called) => self.on_called(number, &called),
            Msg::Bookmarks(bookmarks) => self.on_bookmarks(bookmarks),
            Msg::Edited(ticket, text) => self.tell(ticket, &News::Edited(ticket.number, &text)),
            Msg::Here(ticket, found) => self.tell(ticket, &News::Here(ticket.number, &found)),
            Msg::Tick => self.on_tick(),
            Msg::Theme(name) => vec![UiEffect::Theme(name, true)],
            Msg::ThemeFiles(own) => self.on_theme_files(own),
            Msg::Note(note) => vec![UiEffect::Toast(note_toast(note))],
        };
        let out = self.settle(effects);
        self.arrange();
        out
    }

    /// Does what is the app's own to do, and returns the rest.
    fn settle(&mut self, effects: Vec<UiEffect>) -> Vec<UiEffect> {
        let mut out = Vec::new();
        let mut waiting = effects;
        for _ in 0..ROUNDS_MAX {
            if waiting.is_empty() {
                waiting = self.on_selection();
            }
            if waiting.is_empty() {
                break;
            }
            for effect in std::mem::take(&mut waiting) {
                match effect {
                    UiEffect::Open(overlay) => waiting.extend(self.open(overlay)),
                    UiEffect::Close => self.close(),
                    UiEffect::Run(cmd) => waiting.extend(self.on_command(cmd)),
                    UiEffect::Go(subject) => self.go(subject),
                    UiEffect::Focus(pane) => self.cx.focus = pane,
                    UiEffect::ShowFile(file) => {
                        self.cx.focus = PaneId::Log;
                        self.log_due = None;
                        waiting.extend(self.log.show_file(&file));
                    }
                    UiEffect::Begin(number, task) => {
                        if let Some(line) = equivalent::task_line(&task, &self.cx.world) {
                            self.speak(None, line);
                        }
                        out.push(UiEffect::Begin(number, task));
                    }
                    UiEffect::Mark { jobs, on: true } => self.cx.marks.extend(jobs),
                    UiEffect::Mark { jobs, on: false } => self.cx.marks.retain(|id| !jobs.contains(id)),
                    UiEffect::EndCall(number) => {
                        self.cx.ports.retain(|port| port.number != number);
                        out.push(UiEffect::EndCall(number));
                    }
                    UiEffect::Toast(toast) => self.toast(toast),
                    UiEffect::Theme(name, keep) => self.set_theme(&name, keep),
                    UiEffect::Send(request) => {
                        if let Some(line) = equivalent::line(&request, &self.cx.world) {
                            let about = equivalent::about(&request, &self.cx.world);
                            self.speak(about, line);
                        }
                        self.note_stop(&request);
                        out.push(self.ask(Purpose::Order, request));
                    }
                    UiEffect::Speak(line) => self.speak(None, line),
                    UiEffect::SendAs(request, line) => {
                        self.speak(None, line);
                        out.push(self.ask(Purpose::Order, request));
                    }
                    effect => out.push(effect),
                }
            }
        }
        out
    }

    fn ask(&mut self, purpose: Purpose, request: Request) -> UiEffect {
        self.number += 1;
        self.purposes.insert(self.number, purpose);
        UiEffect::Ask(Ticket { from: Asker::App, number: self.number }, request)
    }

    /// Keeps the command line of an act for the events tab.
    fn speak(&mut self, about: Option<Subject>, line: String) {
        let about = about.or(self.cx.shown);
        self.cx.spoken.push(Spoken { at: self.cx.now, about, line });
        let over = self.cx.spoken.len().saturating_sub(SPOKEN_MAX);
        self.cx.spoken.drain(..over);
    }

    fn note_stop(&mut self, request: &Request) {
        if let Request::Job { job: JobRef::Id(id), act } = request {
            match act {
                JobAct::Terminate { hold } => self.cx.stop_asked = Some((*id, self.cx.now + *hold)),
                JobAct::TakeBack => self.cx.stop_asked = None,
                JobAct::Retry | JobAct::Delete | JobAct::Hold | JobAct::Release | JobAct::Priority { .. } => {}
            }
        }
    }

    fn open(&mut self, overlay: Overlay) -> Vec<UiEffect> {
        self.number += 1;
        let (pane, effects) = overlays::open(overlay, self.number, &self.cx);
        self.overlays.push(pane);
        effects
    }

    fn close(&mut self) {
        self.overlays.pop();
        let kept = self.theme_kept.clone();
        if self.cx.theme.name != kept {
            self.set_theme(&kept, true);
        }
    }

    fn go(&mut self, subject: Subject) {
        if let Some(from) = self.cx.shown.filter(|from| *from != subject) {
            self.trail.left(from);
        }
        self.tree.go(subject, &self.cx);
    }

    pub(super) fn toast(&mut self, toast: Toast) {
        let span = match toast.kind {
            ToastKind::Info | ToastKind::Good => TOAST_SHOWN,
            ToastKind::Bad => TOAST_BAD_SHOWN,
        };
        self.toasts.retain(|(old, _)| *old != toast);
        self.toasts.push((toast, self.cx.now + span));
        let over = self.toasts.len().saturating_sub(TOASTS_MAX);
        self.toasts.drain(..over);
    }

    fn set_theme(&mut self, name: &str, keep: bool) {
        match self.cx.themes.load(name) {
            Ok(theme) => {
                self.cx.theme = theme.at_depth(self.depth);
                if keep {
                    self.theme_kept = name.to_owned();
                }
            }
            // A theme that is only tried is a name half typed.
            Err(fault) if keep => self.toast(fault_toast(&fault)),
            Err(_) => {}
        }
    }

    /// Returns when the screen has to hear [`Msg::Tick`], if nothing else happens: at the next second while something
    /// moves, and now and then when nothing does, because what is `12s ago` does not stay so.
    pub fn wake_at(&self) -> UnixMillis {
        let pace = self.cx.pace;
        let every = if self.cx.world.moves() || self.counts_down() { pace.moving } else { pace.resting };
        let redraw = self.cx.now + Millis(every.0 - self.cx.now.0.unsigned_abs() % every.0);
        let toast = self.toasts.iter().map(|(_, until)| *until).min();
        [toast, self.log_due].into_iter().flatten().fold(redraw, UnixMillis::min)
    }

    /// Says whether a node is in sight whose link is about to be tried again.
    fn counts_down(&self) -> bool {
        let world = &self.cx.world;
        let waits = |id: &NodeId| {
            let reach = world.node(*id).map(|node| &node.reach);
            matches!(reach, Some(Reach::Lost { next_try: Some(at), .. }) if *at >= self.cx.now)
        };
        match self.cx.shown {
            Some(Subject::Node(id)) => waits(&id),
            Some(Subject::Cluster(id)) => world.nodes_of(id).iter().any(waits),
            _ => false,
        }
    }

    /// Returns the marked jobs.
    pub fn marks(&self) -> &std::collections::BTreeSet<crate::model::ids::JobId> {
        &self.cx.marks
    }

    /// Returns how often news may redraw the screen in a second.
    pub fn frames(&self) -> u32 {
        self.cx.pace.frames.max(1)
    }

    /// Returns how many colours the terminal has.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    pub(super) fn pane(&self, pane: PaneId) -> &dyn Pane {
        match pane {
            PaneId::Tree => &self.tree,
            PaneId::Detail => &self.detail,
            PaneId::Log => &self.log,
        }
    }

    /// Returns what an act is about: the row under the cursor of the pane that has the keys.
    pub(super) fn subject(&self) -> Option<Subject> {
        self.pane(self.cx.focus).subject(&self.cx).or(self.cx.shown)
    }

    /// Tells each pane its rectangle.
    fn arrange(&mut self) {
        let logs = match () {
            () if self.cx.world.snapshot.workspaces.is_empty() => Logs::Never,
            () if self.log.has_none() => Logs::None,
            () => Logs::Some,
        };
        self.layout = Layout::new(self.screen, self.sizes, self.cx.focus, self.zoom, logs);
        let cx = &self.cx;
        let inside = |area: Option<Rect>| area.map(inner);
        if let Some(area) = inside(self.layout.tree) {
            self.tree.arrange(area, cx);
        }
        if let Some(area) = inside(self.layout.detail) {
            self.detail.arrange(area, cx);
        }
        if let Some(area) = inside(self.layout.log) {
            self.log.arrange(area, cx);
        }
        for overlay in &mut self.overlays {
            overlay.arrange(self.screen, cx);
        }
    }

    /// Returns where the terminal's cursor belongs, while a text is typed.
    pub fn caret(&self) -> Option<Position> {
        if self.layout.too_small {
            return None;
        }
        match self.overlays.last() {
            Some(top) => top.caret(&self.cx, self.screen),
            None => {
                let area = self.layout.pane(self.cx.focus)?;
                self.pane(self.cx.focus).caret(&self.cx, inner(area))
            }
        }
    }

    /// Returns the scope of whatever has the keys.
    pub fn scope(&self) -> Scope {
        self.overlays.last().map_or_else(|| self.pane(self.cx.focus).scope(), |top| top.scope())
    }
}

/// Returns the inside of a frame.
pub(super) fn inner(area: Rect) -> Rect {
    Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) }
}

fn note_toast(note: Result<String, Fault>) -> Toast {
    match note {
        Ok(text) => Toast { kind: ToastKind::Info, text: shown(&text) },
        Err(fault) => fault_toast(&fault),
    }
}

/// Returns what a fault says in a toast: the message, its nearest cause, the first hint.
pub(super) fn fault_toast(fault: &Fault) -> Toast {
    let mut text = shown(&fault.message);
    if let Some(cause) = fault.causes.first() {
        text = format!("{text}: {}", shown(cause));
    }
    if let Some(hint) = fault.hints.first() {
        text = format!("{text} · {}", shown(hint));
    }
    Toast { kind: ToastKind::Bad, text }
}
