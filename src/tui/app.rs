//! The screen as a function: `update(now, msg)` changes it and says what is to be done; `draw` makes a picture. No clock,
//! no I/O, no task: the loop in `mod.rs` has those. The same messages give the same screen, which is what `record.rs` and
//! the tests in `tests/screens` live on.
//!
//! Who acts on a command is decided once, in [`handler`]: the app (moving between panes, leaving), `acts.rs` (everything
//! that asks the core for a change, wherever the focus is), or the pane that has the keys.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use ratatui::layout::{Position, Rect};

use crate::commands::{Cmd, CommandId, Danger, Key, Scope};
use crate::model::fault::Fault;
use crate::model::request::{JobAct, JobRef, Reply, Request};
use crate::model::snapshot::Update;
use crate::model::state::ExecutionState;
use crate::model::units::{Millis, UnixMillis};
use crate::tui::acts;
use crate::tui::cx::{Cx, Look, PaneId, SPOKEN_MAX, Spoken};
use crate::tui::equivalent;
use crate::tui::keymap::Keymap;
use crate::tui::layout::{Border, Layout, Logs, Sizes};
use crate::tui::msg::{Asker, Mouse, MouseAct, Msg, Ticket};
use crate::tui::overlays::question::{Answer, Question};
use crate::tui::overlays::{self, Overlay};
use crate::tui::pane::{Leave, News, Pane, Toast, ToastKind, UiEffect};
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
/// Effects that follow from effects, in one message: more is a circle.
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
        C::NextSibling | C::PrevSibling | C::MarkAll | C::Filter | C::MarkRange => Handler::Tree,
        C::ScaleUp | C::ScaleDown | C::Scale | C::Prepare | C::Drain | C::Undrain | C::DeclareDead => Handler::Acts,
        C::NewJob | C::Rerun | C::RerunWith | C::Retry | C::Stop | C::Undo | C::Delete | C::Why => Handler::Acts,
        C::Hold | C::Release | C::Priority | C::NewWorkspace | C::NewExperiment | C::NewCluster => Handler::Acts,
        C::Down | C::Up | C::Left | C::Right | C::Top | C::Bottom => Handler::Focused,
        C::PageDown | C::PageUp | C::HalfDown | C::HalfUp => Handler::Focused,
        C::Mark | C::Copy => Handler::Focused,
        C::LogSearch | C::LogNext | C::LogPrev | C::LogOnly | C::LogFile | C::LogNode | C::LogWrap => Handler::Log,
        C::LogPercent | C::LogFailedRank | C::LogFirstError => Handler::Log,
        C::LogSave | C::LogPager => Handler::Log,
        C::Accept | C::LineComplete | C::LineUp | C::LineDown => Handler::Focused,
        C::QuestionNext | C::QuestionPrev => Handler::Overlay,
        C::FormNext | C::FormPrev | C::FormSubmit | C::FormText | C::FormEditor => Handler::Overlay,
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
            Msg::CoreLost(why) => self.on_core_lost(why),
            Msg::Reply(ticket, reply) => self.on_reply(ticket, *reply),
            Msg::LogDelta(watch, delta) => self.log.hear(&News::Delta(watch, &delta), &self.cx),
            Msg::Edited(ticket, text) => self.tell(ticket, &News::Edited(ticket.number, &text)),
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
        let mut waiting: std::collections::VecDeque<UiEffect> = effects.into();
        for _ in 0..ROUNDS_MAX {
            let Some(effect) = waiting.pop_front() else {
                let more = self.on_selection();
                if more.is_empty() {
                    break;
                }
                waiting.extend(more);
                continue;
            };
            match effect {
                UiEffect::Open(overlay) => waiting.extend(self.open(overlay)),
                UiEffect::Close => self.close(),
                UiEffect::Run(cmd) => waiting.extend(self.on_command(cmd)),
                UiEffect::Go(subject) => self.go(subject),
                UiEffect::Focus(pane) => self.cx.focus = pane,
                UiEffect::Mark { jobs, on: true } => self.cx.marks.extend(jobs),
                UiEffect::Mark { jobs, on: false } => self.cx.marks.retain(|id| !jobs.contains(id)),
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
                UiEffect::SendAs(request, line) => {
                    self.speak(None, line);
                    out.push(self.ask(Purpose::Order, request));
                }
                effect => out.push(effect),
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

    fn on_key(&mut self, key: Key) -> Vec<UiEffect> {
        if let Some(top) = self.overlays.last_mut() {
            if let Some(effects) = top.key(key, &self.cx) {
                return effects;
            }
            let cmd = self.cx.keymap.lookup(top.scope(), key);
            return cmd.map(|cmd| self.on_overlay_command(cmd)).unwrap_or_default();
        }
        let cx = &self.cx;
        let taken = match cx.focus {
            PaneId::Tree => self.tree.key(key, cx),
            PaneId::Detail => self.detail.key(key, cx),
            PaneId::Log => self.log.key(key, cx),
        };
        if let Some(effects) = taken {
            return effects;
        }
        let scope = self.pane(self.cx.focus).scope();
        if scope.falls_through()
            && let Some(effects) = self.on_digit(key)
        {
            return effects;
        }
        let Some(mut cmd) = self.cx.keymap.lookup(scope, key) else { return Vec::new() };
        cmd.count = self.cx.count.take().or(cmd.count);
        self.on_command(cmd)
    }

    /// A digit adds to the number typed; on a cluster the number is a proposed target at once.
    fn on_digit(&mut self, key: Key) -> Option<Vec<UiEffect>> {
        let digit = key.types().and_then(|_| key.digit())?;
        let count = self.cx.count.unwrap_or(0).saturating_mul(10).saturating_add(digit).min(COUNT_MAX);
        self.cx.count = Some(count);
        let Some(Subject::Cluster(cluster)) = self.subject().filter(|_| !self.cx.look.readonly) else {
            return Some(Vec::new());
        };
        Some(self.propose(cluster, count))
    }

    fn propose(&mut self, cluster: crate::model::ids::ClusterId, target: u32) -> Vec<UiEffect> {
        let target = crate::model::units::NodeCount(target);
        let seen = self.cx.proposal.as_ref().filter(|p| p.cluster == cluster).map(|p| p.seen);
        let Some(mut proposal) = Proposal::new(&self.cx.world, cluster, target, self.number + 1) else { return Vec::new() };
        proposal.seen = seen.unwrap_or(proposal.seen);
        let Some(request) = proposal.ask(&self.cx.world) else { return Vec::new() };
        self.cx.proposal = Some(proposal);
        vec![self.ask(Purpose::Preview, request)]
    }

    fn on_overlay_command(&mut self, cmd: Cmd) -> Vec<UiEffect> {
        match (cmd.id, self.overlays.last_mut()) {
            (CommandId::Interrupt, _) => self.interrupt(),
            (_, Some(top)) => top.on(&cmd, &self.cx),
            // A pane that is typing a line.
            (_, None) => self.on_focused(&cmd),
        }
    }

    /// Runs a command as the panes see it: overlays have had their chance.
    fn on_command(&mut self, cmd: Cmd) -> Vec<UiEffect> {
        if self.cx.look.readonly && cmd.id.row().danger != Danger::None {
            let text = format!("`{}` is off: started with --readonly", cmd.id.row().name);
            return vec![UiEffect::Toast(Toast { kind: ToastKind::Bad, text })];
        }
        match handler(cmd.id) {
            Handler::App => self.on_app_command(&cmd),
            Handler::Acts => self.on_act(&cmd),
            Handler::Focused => self.on_focused(&cmd),
            Handler::Tree => {
                let mut effects = self.tree.on(&cmd, &self.cx);
                if cmd.id == CommandId::Filter {
                    effects.push(UiEffect::Focus(PaneId::Tree));
                }
                effects
            }
            Handler::Log => self.log.on(&cmd, &self.cx),
            Handler::Overlay => self.on_overlay_command(cmd),
        }
    }

    fn on_focused(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let cx = &self.cx;
        match cx.focus {
            PaneId::Tree => self.tree.on(cmd, cx),
            PaneId::Detail => self.detail.on(cmd, cx),
            PaneId::Log => self.log.on(cmd, cx),
        }
    }

    fn on_act(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let subject = self.subject();
        match acts::act(cmd, subject, &self.cx) {
            acts::Acted::Propose(cluster, target) => self.propose(cluster, target),
            acts::Acted::Effects(effects) => effects,
        }
    }

    fn on_app_command(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Help => return vec![UiEffect::Open(Overlay::Help(self.pane(self.cx.focus).scope()))],
            CommandId::Palette => return vec![UiEffect::Open(Overlay::Palette(cmd.args.join(" ")))],
            CommandId::Quit => return self.quit(),
            CommandId::Interrupt => return self.interrupt(),
            CommandId::Suspend => return vec![UiEffect::Suspend],
            CommandId::Redraw => return vec![UiEffect::Redraw],
            CommandId::Theme => {
                let name = cmd.args.first().cloned();
                return match name {
                    Some(name) => vec![UiEffect::Theme(name, true)],
                    None => vec![UiEffect::Open(Overlay::Palette("theme ".to_owned()))],
                };
            }
            CommandId::NextPane => self.step_focus(true),
            CommandId::PrevPane => self.step_focus(false),
            CommandId::GoTab => return self.go_tab(cmd),
            CommandId::Back => self.retrace(true),
            CommandId::Forward => self.retrace(false),
            CommandId::Zoom => self.zoom = !self.zoom,
            CommandId::Narrower | CommandId::Wider => {
                self.sizes = Layout::stepped(self.cx.focus, cmd.id == CommandId::Wider, self.sizes);
                return vec![UiEffect::Remember(self.sizes)];
            }
            CommandId::Cancel => return self.cancel(cmd),
            CommandId::Open => return self.open_or_apply(cmd),
            CommandId::CopyCommand => return self.copy_command(),
            _ => {}
        }
        Vec::new()
    }

    fn go_tab(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let typed = cmd.args.first().and_then(|n| n.parse().ok());
        let cmd = Cmd { count: cmd.count.or(typed), ..cmd.clone() };
        self.detail.on(&cmd, &self.cx)
    }

    fn cancel(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        if self.cx.count.take().is_some() | self.cx.proposal.take().is_some() {
            return Vec::new();
        }
        if !self.cx.marks.is_empty() {
            self.cx.marks.clear();
            return Vec::new();
        }
        if self.zoom {
            self.zoom = false;
            return Vec::new();
        }
        self.on_focused(cmd)
    }

    fn open_or_apply(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        self.cx.count = None;
        match self.cx.proposal.take() {
            Some(proposal) if proposal.target == proposal.seen => Vec::new(),
            Some(proposal) => proposal.apply(&self.cx.world).map(UiEffect::Send).into_iter().collect(),
            None => self.on_focused(cmd),
        }
    }

    fn copy_command(&mut self) -> Vec<UiEffect> {
        match self.cx.spoken.last() {
            Some(spoken) => {
                let text = format!("copied: {}", spoken.line);
                vec![UiEffect::Copy(spoken.line.clone()), UiEffect::Toast(Toast { kind: ToastKind::Info, text })]
            }
            None => vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text: "nothing was done yet".to_owned() })],
        }
    }

    fn retrace(&mut self, back: bool) {
        let (from, to) = match back {
            true => (&mut self.trail.back, &mut self.trail.forward),
            false => (&mut self.trail.forward, &mut self.trail.back),
        };
        while let Some(subject) = from.pop() {
            if self.tree.knows(subject, &self.cx) && Some(subject) != self.cx.shown {
                to.extend(self.cx.shown);
                self.tree.go(subject, &self.cx);
                return;
            }
        }
    }

    fn step_focus(&mut self, forward: bool) {
        const ORDER: [PaneId; 3] = [PaneId::Tree, PaneId::Detail, PaneId::Log];
        let at = ORDER.iter().position(|p| *p == self.cx.focus).unwrap_or(0);
        self.cx.focus = ORDER[(at + if forward { 1 } else { 2 }) % 3];
    }

    fn quit(&mut self) -> Vec<UiEffect> {
        if self.cx.world.link != crate::tui::world::CoreLink::Here {
            return vec![UiEffect::Quit(Leave::Quit)];
        }
        vec![self.ask(Purpose::Leaving, Request::Status)]
    }

    fn interrupt(&mut self) -> Vec<UiEffect> {
        if self.interrupted.is_some_and(|at| self.cx.now.since(at) < INTERRUPT_TWICE) {
            return vec![UiEffect::Quit(Leave::Background)];
        }
        self.interrupted = Some(self.cx.now);
        let mut effects = self.quit();
        let text = format!("{} again leaves at once; work goes on", self.cx.key_of(CommandId::Interrupt));
        effects.push(UiEffect::Toast(Toast { kind: ToastKind::Info, text }));
        effects
    }

    fn on_leaving(&mut self, reply: Result<Reply, Fault>) -> Vec<UiEffect> {
        let undone = match reply {
            Ok(Reply::Status(status)) => status.undone,
            Ok(_) | Err(_) => Vec::new(),
        };
        if undone.is_empty() || self.cx.look.demo {
            return vec![UiEffect::Quit(Leave::Quit)];
        }
        vec![UiEffect::Open(Overlay::Question(leaving(&undone)))]
    }

    fn on_paste(&mut self, text: &str) -> Vec<UiEffect> {
        let cx = &self.cx;
        let taken = match (self.overlays.last_mut(), cx.focus) {
            (Some(top), _) => top.paste(text, cx),
            (None, PaneId::Tree) => self.tree.paste(text, cx),
            (None, PaneId::Detail) => self.detail.paste(text, cx),
            (None, PaneId::Log) => self.log.paste(text, cx),
        };
        taken.unwrap_or_default()
    }

    fn on_mouse(&mut self, mouse: Mouse) -> Vec<UiEffect> {
        if let Some(top) = self.overlays.last_mut() {
            return top.mouse(mouse, &self.cx);
        }
        if let Some(effects) = self.on_drag(mouse) {
            return effects;
        }
        let Some(pane) = self.layout.at(mouse.x, mouse.y) else { return Vec::new() };
        if mouse.act == MouseAct::Press && self.cx.focus != pane {
            self.cx.focus = pane;
            self.arrange();
        }
        let cx = &self.cx;
        match pane {
            PaneId::Tree => self.tree.mouse(mouse, cx),
            PaneId::Detail => self.detail.mouse(mouse, cx),
            PaneId::Log => self.log.mouse(mouse, cx),
        }
    }

    /// Drags a border; `None` when the mouse is not about one.
    fn on_drag(&mut self, mouse: Mouse) -> Option<Vec<UiEffect>> {
        let (x, y) = (mouse.x, mouse.y);
        match (mouse.act, self.drag) {
            (MouseAct::Press, _) => {
                self.drag = self.layout.border_at(x, y).or_else(|| self.layout.stack_border_at(x, y));
                self.drag.filter(|border| *border == Border::Tree).map(|_| Vec::new())
            }
            (MouseAct::Drag, Some(border)) => {
                self.sizes = self.layout.dragged(border, x, y, self.sizes);
                Some(Vec::new())
            }
            (MouseAct::Lift, Some(_)) => {
                self.drag = None;
                Some(vec![UiEffect::Remember(self.sizes)])
            }
            (MouseAct::Drag | MouseAct::Lift | MouseAct::WheelDown | MouseAct::WheelUp, _) => None,
        }
    }

    fn on_resize(&mut self, width: u16, height: u16) -> Vec<UiEffect> {
        self.screen = Rect { x: 0, y: 0, width, height };
        Vec::new()
    }

    fn on_front(&mut self, front: bool) -> Vec<UiEffect> {
        self.front = front;
        Vec::new()
    }

    fn on_theme_files(&mut self, own: BTreeMap<String, String>) -> Vec<UiEffect> {
        self.cx.themes = Themes::new(own);
        vec![UiEffect::Theme(self.theme_kept.clone(), true)]
    }

    fn on_update(&mut self, update: &Update) -> Vec<UiEffect> {
        let applied = self.cx.world.apply(update);
        let world = &self.cx.world;
        self.cx.marks.retain(|id| world.job(*id).is_some());
        self.tree.applied(&applied, &self.cx);
        self.detail.applied(&applied, &self.cx);
        let mut effects = self.ended(&applied.ended);
        effects.extend(self.detail.hear(&News::Changed, &self.cx));
        effects.extend(self.log.hear(&News::Changed, &self.cx));
        for overlay in &mut self.overlays {
            effects.extend(overlay.hear(&News::Changed, &self.cx));
        }
        effects
    }

    /// Tells of jobs that ended: one by name, many by number.
    fn ended(&self, jobs: &[std::sync::Arc<crate::model::state::Job>]) -> Vec<UiEffect> {
        let well = jobs.iter().filter(|j| j.state == ExecutionState::Succeeded).count();
        let kind = if well == jobs.len() { ToastKind::Good } else { ToastKind::Bad };
        let text = match jobs {
            [] => return Vec::new(),
            [job] => match (job.state, job.exit_code) {
                (ExecutionState::Succeeded, _) => format!("{} succeeded", shown(&job.name)),
                (_, Some(code)) => format!("{} failed with exit code {code}", shown(&job.name)),
                (_, None) => format!("{} failed: {}", shown(&job.name), shown(&job.reason(None))),
            },
            many => format!("{} jobs ended: {well} succeeded, {} failed", many.len(), many.len() - well),
        };
        let mut effects = vec![UiEffect::Toast(Toast { kind, text: text.clone() })];
        if self.cx.look.bell && !self.front {
            effects.push(UiEffect::Bell(text));
        }
        effects
    }

    fn on_core_lost(&mut self, why: String) -> Vec<UiEffect> {
        let link = &mut self.cx.world.link;
        if !matches!(link, crate::tui::world::CoreLink::Lost { .. }) {
            *link = crate::tui::world::CoreLink::Lost { since: self.cx.now, why };
        }
        Vec::new()
    }

    fn on_reply(&mut self, ticket: Ticket, reply: Result<Reply, Fault>) -> Vec<UiEffect> {
        if ticket.from != Asker::App {
            return self.tell(ticket, &News::Reply(ticket.number, &reply));
        }
        match self.purposes.remove(&ticket.number) {
            Some(Purpose::Leaving) => self.on_leaving(reply),
            Some(Purpose::Preview) => {
                if let Some(proposal) = self.cx.proposal.as_mut().filter(|p| p.number == ticket.number) {
                    proposal.preview = match reply {
                        Ok(Reply::Preview(preview)) => Some(Ok(preview)),
                        Ok(_) => None,
                        Err(fault) => Some(Err(shown(&fault.message))),
                    };
                }
                Vec::new()
            }
            Some(Purpose::Order) | None => acts::answered(reply),
        }
    }

    /// Tells whoever asked.
    fn tell(&mut self, ticket: Ticket, news: &News<'_>) -> Vec<UiEffect> {
        match ticket.from {
            Asker::App => Vec::new(),
            Asker::Tree => {
                if let News::Reply(number, Ok(Reply::Jobs { jobs, more })) = news {
                    let experiment = crate::model::ids::ExperimentId(*number);
                    self.cx.world.add_older(experiment, jobs.iter().map(|view| view.job.clone()), *more);
                    self.tree.applied(&crate::tui::world::Applied { whole: true, ..Default::default() }, &self.cx);
                } else if let News::Reply(number, Err(_)) = news {
                    self.cx.world.ask_older(crate::model::ids::ExperimentId(*number), false);
                }
                self.tree.hear(news, &self.cx)
            }
            Asker::Detail => self.detail.hear(news, &self.cx),
            Asker::Log => self.log.hear(news, &self.cx),
            Asker::Overlay => self.overlays.iter_mut().flat_map(|o| o.hear(news, &self.cx)).collect(),
        }
    }

    fn on_tick(&mut self) -> Vec<UiEffect> {
        let mut effects = Vec::new();
        if self.log_due.is_some_and(|due| due <= self.cx.now) {
            self.log_due = None;
            effects.extend(self.log.hear(&News::Selected(self.cx.shown.as_ref()), &self.cx));
        }
        effects.extend(self.log.hear(&News::Tick, &self.cx));
        effects
    }

    /// Tells detail and log when another row is selected; the log only once the cursor rests.
    fn on_selection(&mut self) -> Vec<UiEffect> {
        let subject = self.tree.subject(&self.cx);
        if subject == self.cx.shown {
            return Vec::new();
        }
        self.cx.shown = subject;
        if self.cx.proposal.as_ref().is_some_and(|p| subject != Some(Subject::Cluster(p.cluster))) {
            self.cx.proposal = None;
        }
        let mut effects = self.detail.hear(&News::Selected(subject.as_ref()), &self.cx);
        if self.cx.now.since(self.selected_at) > SETTLED_AFTER {
            self.log_due = None;
            effects.extend(self.log.hear(&News::Selected(subject.as_ref()), &self.cx));
        } else {
            self.log_due = Some(self.cx.now + SETTLED_AFTER);
        }
        self.selected_at = self.cx.now;
        effects
    }

    /// Returns when the screen has to hear [`Msg::Tick`], if nothing else happens; `None` when nothing on it moves.
    pub fn wake_at(&self) -> Option<UnixMillis> {
        let now = self.cx.now;
        let second = UnixMillis((now.0 / 1000 + 1) * 1000);
        let moving = self.cx.world.moves().then_some(second);
        let toast = self.toasts.iter().map(|(_, until)| *until).min();
        [moving, toast, self.log_due].into_iter().flatten().min()
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
        let logs = if self.cx.world.snapshot.workspaces.is_empty() { Logs::Never } else { Logs::Some };
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

    /// Returns the title of the terminal's window.
    pub fn window_title(&self) -> String {
        let totals = self.cx.world.totals();
        format!("ostler: {} running, {} queued", totals.running, totals.queued)
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

/// The question when something would be left undone.
fn leaving(undone: &[String]) -> Question {
    /// More lines than this say no more.
    const LISTED_MAX: usize = 6;
    let mut text = vec!["Still under way:".to_owned()];
    text.extend(undone.iter().take(LISTED_MAX).map(|line| format!("  {}", shown(line))));
    if undone.len() > LISTED_MAX {
        text.push(format!("  and {} more", undone.len() - LISTED_MAX));
    }
    text.push(String::new());
    text.push(
        "In the background ostler goes on placing what waits. Without it, jobs on nodes go on, and nothing new starts \
               until ostler is opened again."
            .to_owned(),
    );
    let answer = |label: &str, effects| Answer { label: label.to_owned(), effects };
    let answers = vec![
        answer("Go on in the background", vec![UiEffect::Quit(Leave::Background)]),
        answer("Stop ostler", vec![UiEffect::Quit(Leave::Stop)]),
        answer("Stay", Vec::new()),
    ];
    Question::new("Leave", text, answers)
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
