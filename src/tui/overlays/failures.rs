//! Failed jobs by cause. The last lines of their logs are read from the nodes while it is open, a few at a time; until then,
//! and for the jobs beyond [`READ_MAX`], the recorded error stands for them. Jobs that fail while it is open join.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::pick::Pick;
use super::question::{Answer, Question};
use super::{FormOf, Overlay, panel, panel_inside};
use crate::commands::{Cmd, CommandId, Scope};
use crate::model::ids::{Attempt, JobId};
use crate::model::request::{FileRef, FileWindow, From, JobAct, JobRef, NodeAct, NodeRef, Reply, Request};
use crate::model::state::ExecutionState;
use crate::model::units::{Millis, UnixMillis};
use crate::tui::acts;
use crate::tui::causes::{Cause, causes, last_words};
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Mouse, MouseAct, Ticket};
use crate::tui::pane::{News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::panes::log::failed_rank;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::cut;
use crate::tui::widgets::glyph::Glyph;

/// Logs that are read at most: a second on any link, and enough to tell the causes apart.
const READ_MAX: usize = 64;
/// Logs that are read at once.
const AT_ONCE: usize = 4;
/// The end of a log that is read.
const TAIL_BYTES: u32 = 4096;
/// How long what failed meanwhile waits: all jobs are looked through for it.
const LOOK_EVERY: Millis = Millis::from_secs(1);
/// The widest it gets.
const WIDTH_MAX: u16 = 110;
/// Rows of one cause: how they ended, and what they said.
const ROWS_EACH: usize = 2;

/// The window.
#[derive(Debug)]
pub struct Failures {
    subject: Option<Subject>,
    place: String,
    jobs: Vec<JobId>,
    looked_at: UnixMillis,
    /// Something has changed since.
    stale: bool,
    said: BTreeMap<JobId, String>,
    causes: Vec<Cause>,
    pick: Pick,
    number: u64,
    /// Logs still to be read: the job, and whether its errors or its output.
    waiting: VecDeque<(JobId, &'static str)>,
    /// What is or was read.
    to_read: BTreeSet<(JobId, Attempt)>,
    asked: BTreeMap<u64, (JobId, &'static str)>,
    asked_before: u64,
    rows: usize,
    screen: Rect,
}

impl Failures {
    /// Returns the window for what is selected and the first questions to the nodes.
    pub fn new(subject: Option<Subject>, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let mut view = Self {
            subject,
            place: String::new(),
            jobs: Vec::new(),
            looked_at: cx.now,
            stale: false,
            said: BTreeMap::new(),
            causes: Vec::new(),
            pick: Pick::default(),
            number,
            waiting: VecDeque::new(),
            to_read: BTreeSet::new(),
            asked: BTreeMap::new(),
            asked_before: 0,
            rows: 0,
            screen: Rect::default(),
        };
        let effects = view.look(cx);
        (view, effects)
    }

    /// Looks for failed jobs, and asks for the logs of the latest that were not there before.
    fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        (self.looked_at, self.stale) = (cx.now, false);
        (self.place, self.jobs) = failed(self.subject, cx);
        let room = READ_MAX - self.to_read.len();
        let attempts = self.jobs.iter().rev().filter_map(|id| cx.world.job(*id)).map(|job| (job.id, job.attempt));
        let new: Vec<_> = attempts.filter(|attempt| !self.to_read.contains(attempt)).take(room).collect();
        self.waiting.extend(new.iter().map(|(id, _)| (*id, "stderr")));
        self.to_read.extend(new);
        self.group(cx);
        self.read(cx)
    }

    fn group(&mut self, cx: &Cx) {
        let chosen = self.causes.get(self.pick.at).and_then(|cause| cause.jobs.first().copied());
        self.causes = causes(self.jobs.iter().filter_map(|id| cx.world.job(*id)), &self.said);
        let same = chosen.and_then(|job| self.causes.iter().position(|cause| cause.jobs.contains(&job)));
        self.pick.at = same.unwrap_or(self.pick.at);
    }

    /// Asks for the ends of the next logs.
    fn read(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let mut effects = Vec::new();
        while self.asked.len() < AT_ONCE {
            let Some((id, stream)) = self.waiting.pop_front() else { break };
            let Some(job) = cx.world.job(id).filter(|job| job.attempt.0 > 0) else { continue };
            let (node, output) =
                failed_rank(job).map_or_else(|| (0, job.log_name("stdout", 0)), |(node, file, _)| (node, file));
            let file = output.replacen("stdout", stream, 1);
            self.asked_before += 1;
            // The window's own number in front: no other window's answers are taken for ours.
            let number = (self.number << 20) | self.asked_before;
            self.asked.insert(number, (id, stream));
            let window = FileWindow { file: FileRef::log(JobRef::Id(id), file, node), from: From::End, bytes: TAIL_BYTES };
            effects.push(UiEffect::Ask(Ticket { from: Asker::Overlay, number }, Request::ReadFile(window)));
        }
        effects
    }

    fn cause(&self) -> Option<&Cause> {
        self.causes.get(self.pick.at)
    }

    fn retry(&self, avoid: bool, cx: &Cx) -> Vec<UiEffect> {
        let Some(cause) = self.cause() else { return Vec::new() };
        let jobs = cause.jobs.iter().filter(|id| cx.world.job(**id).is_some_and(|job| job.state == ExecutionState::Failed));
        let retries: Vec<UiEffect> =
            jobs.map(|id| UiEffect::Send(Request::Job { job: JobRef::Id(*id), act: JobAct::Retry })).collect();
        let count = retries.len();
        let mut effects = Vec::new();
        let mut text = vec![format!("{} that ended with `{}`: a new attempt for each.", counted(count, "job"), cause.end)];
        if avoid {
            let there: Vec<_> = cause.nodes.iter().filter_map(|id| cx.world.node(*id)).collect();
            let names: Vec<String> = there.iter().map(|node| shown(&node.name)).collect();
            text.push(format!("These nodes get no new work until you give it back (undrain): {}.", names.join(", ")));
            effects.extend(
                there.iter().map(|node| UiEffect::Send(Request::Node { node: NodeRef::Id(node.id), act: NodeAct::Drain })),
            );
        }
        effects.extend(retries);
        let label = format!("Retry {count}");
        let cancel = Answer { label: "Cancel".to_owned(), effects: Vec::new() };
        let go = Answer { label: label.clone(), effects };
        vec![
            UiEffect::Close,
            UiEffect::Open(Overlay::Question(Question::new(format!("{label} jobs"), text, vec![cancel, go]))),
        ]
    }

    fn lines(&self, at: usize, cx: &Cx, width: usize) -> [Line<'static>; ROWS_EACH] {
        let cause = &self.causes[at];
        let count = format!("{:>5} ", cause.jobs.len());
        let nodes: Vec<String> =
            cause.nodes.iter().take(3).filter_map(|id| cx.world.node(*id)).map(|n| shown(&n.name)).collect();
        let more = if cause.nodes.len() > 3 { format!(" and {} more", cause.nodes.len() - 3) } else { String::new() };
        let on = if nodes.is_empty() { String::new() } else { format!("  on {}{more}", nodes.join(", ")) };
        let plain = |role| ratatui::style::Style { bg: None, ..cx.style(role) };
        [
            Line::from(vec![
                Span::styled(count, plain(Role::Strong)),
                Span::styled(format!("{} {}", cx.glyph(Glyph::Failed), cause.end), plain(Role::Failed)),
                Span::styled(on, plain(Role::Muted)),
            ]),
            Line::from(Span::styled(
                format!("      {}", cut(&cause.said, width.saturating_sub(7), cx.look.ascii)),
                plain(Role::Text),
            )),
        ]
    }

    fn size(&self, screen: Rect) -> (u16, u16) {
        let rows = (self.causes.len() * ROWS_EACH).max(1) + 2;
        (WIDTH_MAX.min(screen.width.saturating_sub(6)), (rows as u16).min(screen.height.saturating_sub(6)))
    }
}

/// Returns the failed jobs of what is selected, and what that is.
fn failed(subject: Option<Subject>, cx: &Cx) -> (String, Vec<JobId>) {
    let world = &cx.world;
    let is_failed = |id: &JobId| world.job(*id).is_some_and(|job| job.state == ExecutionState::Failed);
    if !cx.marks.is_empty() {
        return ("the marked jobs".to_owned(), cx.marks.iter().copied().filter(is_failed).collect());
    }
    let experiment = match subject {
        Some(Subject::Experiment(id) | Subject::Older(id)) => Some(id),
        Some(Subject::Job(id)) => world.job(id).map(|job| job.experiment),
        Some(_) | None => None,
    };
    if let Some(id) = experiment {
        let name = world.experiment(id).map(|e| shown(&e.name)).unwrap_or_default();
        return (name, world.jobs_of(id).iter().copied().filter(is_failed).collect());
    }
    if let Some(Subject::Cluster(id)) = subject {
        let name = world.cluster(id).map(|c| shown(&c.name)).unwrap_or_default();
        let on_it = world.snapshot.jobs.values().filter(|job| job.cluster == id).map(|job| job.id);
        return (name, on_it.filter(is_failed).collect());
    }
    let workspace = acts::workspace_of(subject, cx);
    let in_it = world.snapshot.jobs.values().filter(|job| workspace.is_none_or(|id| job.workspace == id)).map(|job| job.id);
    let name = workspace.and_then(|id| world.workspace(id)).map_or_else(|| "everywhere".to_owned(), |w| shown(&w.name));
    (name, in_it.filter(is_failed).collect())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

impl Pane for Failures {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        let jobs = self.cause().map(|cause| cause.jobs.clone()).unwrap_or_default();
        match cmd.id {
            CommandId::Cancel => vec![UiEffect::Close],
            CommandId::Accept => {
                let first = jobs.first().map(|id| UiEffect::Go(Subject::Job(*id)));
                std::iter::once(UiEffect::Close).chain(first).collect()
            }
            CommandId::CauseRetry => self.retry(false, cx),
            CommandId::CauseAvoid => self.retry(true, cx),
            CommandId::RerunWith => {
                let seed = jobs.first().and_then(|id| cx.world.job(*id)).map(|job| acts::seed_of(job, cx));
                let form = seed.map(|seed| UiEffect::Open(Overlay::Form(Box::new(FormOf::Job(seed)))));
                std::iter::once(UiEffect::Close).chain(form).collect()
            }
            CommandId::Mark | CommandId::MarkAll => {
                let text = format!("{} jobs are marked", jobs.len());
                let toast = UiEffect::Toast(Toast { kind: ToastKind::Info, text });
                vec![UiEffect::Close, UiEffect::Mark { jobs, on: true }, toast]
            }
            _ => {
                self.pick.on(cmd);
                Vec::new()
            }
        }
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        let (number, reply) = match news {
            News::Changed | News::Tick => {
                self.stale |= matches!(news, News::Changed);
                if !self.stale || cx.now.since(self.looked_at) < LOOK_EVERY {
                    return Vec::new();
                }
                let effects = self.look(cx);
                self.arrange(self.screen, cx);
                return effects;
            }
            News::Reply(number, reply) => (number, reply),
            _ => return Vec::new(),
        };
        let Some((job, stream)) = self.asked.remove(number) else { return Vec::new() };
        let words = match reply {
            Ok(Reply::Window(window)) => last_words(&window.bytes),
            Ok(_) | Err(_) => None,
        };
        match words {
            Some(words) => {
                self.said.insert(job, words);
                self.group(cx);
            }
            // Nothing on the errors' side: then what it printed.
            None if stream == "stderr" => self.waiting.push_front((job, "stdout")),
            None => {}
        }
        let effects = self.read(cx);
        self.arrange(self.screen, cx);
        effects
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => drop(self.pick.on(&Cmd::new(CommandId::Down))),
            MouseAct::WheelUp => drop(self.pick.on(&Cmd::new(CommandId::Up))),
            MouseAct::Press => {
                let inside = panel_inside(self.size(self.screen), self.screen);
                if let Some(row) = mouse.y.checked_sub(inside.y) {
                    self.pick.choose(usize::from(row) / ROWS_EACH);
                }
            }
            MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, screen: Rect, _cx: &Cx) {
        self.screen = screen;
        let (_, height) = self.size(screen);
        self.rows = usize::from(height).saturating_sub(2) / ROWS_EACH;
        self.pick.fit(self.causes.len(), self.rows);
    }

    fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let reading = if self.asked.is_empty() { String::new() } else { format!(" {} reading logs ", cx.spinner()) };
        let title = Line::from(format!(" Failures: {}, {} {reading}", self.place, counted(self.jobs.len(), "job")));
        let inside = panel(title, self.size(screen), screen, cx, buf);
        if self.causes.is_empty() {
            buf.set_stringn(inside.x, inside.y, "no job has failed here", inside.width.into(), cx.style(Role::Muted));
            return;
        }
        for (row, at) in self.pick.shown().enumerate() {
            let y = inside.y + (row * ROWS_EACH) as u16;
            let area = Rect { y, height: (ROWS_EACH as u16).min(inside.bottom().saturating_sub(y)), ..inside };
            if at == self.pick.at {
                buf.set_style(area, cx.style(Role::Choice));
            }
            for (y, line) in (area.y..area.bottom()).zip(self.lines(at, cx, usize::from(inside.width))) {
                buf.set_line(inside.x, y, &line, inside.width);
            }
        }
        let y = inside.bottom().saturating_sub(1);
        let mut x = inside.x;
        for id in self.commands(cx).into_iter().skip(1) {
            let spans = vec![
                Span::styled(cx.key_of(id), cx.style(Role::Key)),
                Span::styled(format!(" {}   ", id.row().hint), cx.style(Role::Muted)),
            ];
            (x, _) = buf.set_line(x, y, &Line::from(spans), inside.right().saturating_sub(x));
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        use CommandId as C;
        vec![C::Accept, C::CauseRetry, C::CauseAvoid, C::RerunWith, C::Mark, C::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::List
    }
}
