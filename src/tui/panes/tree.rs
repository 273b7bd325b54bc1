//! The tree: workspaces, their clusters with nodes, their experiments with jobs. State and keys; `tree_rows.rs` says which
//! rows there are, `tree_draw.rs` how one looks.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::tree_rows::{Openings, Rows};
use crate::commands::{Cmd, CommandId, Key, Scope};
use crate::model::ids::{ExperimentId, JobId};
use crate::model::request::{JobQuery, Request};
use crate::model::state::ExecutionState;
use crate::tui::cx::{Cx, PaneId};
use crate::tui::filter::Filter;
use crate::tui::msg::{Asker, Mouse, MouseAct, Ticket};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::input::Input;
use crate::tui::world::Applied;

/// Lines that one notch of the wheel moves.
const WHEEL: usize = 3;
/// How many older jobs are asked for at once: some screens full.
const OLDER_PAGE: u32 = 500;

/// The tree.
#[derive(Debug, Default)]
pub struct Tree {
    pub(super) rows: Rows,
    openings: Openings,
    cursor: Option<Subject>,
    /// The row the cursor was in last, to stay near when its thing goes.
    at: usize,
    pub(super) top: usize,
    area: Rect,
    pub(super) filter: Filter,
    typing: Option<Input>,
    range: Option<JobId>,
    asked: BTreeSet<ExperimentId>,
    /// What was asked to be selected and is not here yet: an answer may come before the picture it is about.
    wanted: Option<Subject>,
    /// A person has moved the cursor: from then on it stays where they put it.
    moved: bool,
}

impl Tree {
    /// Takes up what an update changed.
    pub fn applied(&mut self, applied: &Applied, cx: &Cx) {
        self.openings.meet(&cx.world);
        if applied.whole {
            self.rows.refilter(&self.filter, &cx.world);
        } else {
            self.rows.applied(applied, &self.filter, &cx.world);
        }
        self.rebuild(cx);
        if let Some(wanted) = self.wanted.filter(|wanted| self.knows(*wanted, cx)) {
            self.go(wanted, cx);
        } else if !self.moved {
            self.show_work(cx);
        }
    }

    /// Puts the cursor on a running job, so that the first screen shows a log; in the demo on the next one when it ends.
    fn show_work(&mut self, cx: &Cx) {
        let job = match self.cursor {
            Some(Subject::Job(id)) => cx.world.job(id),
            _ => None,
        };
        let stays = job.is_some_and(|job| !cx.look.demo || !job.state.ended());
        let running = |job: &&std::sync::Arc<crate::model::state::Job>| job.state == ExecutionState::Running;
        if !stays && let Some(job) = cx.world.live_jobs().find(running) {
            let id = job.id;
            self.go(Subject::Job(id), cx);
        }
    }

    fn rebuild(&mut self, cx: &Cx) {
        self.rows.rebuild(&self.openings, &self.filter, &cx.world);
        let found = self.cursor.and_then(|subject| self.rows.find(subject, &cx.world));
        self.at = found.unwrap_or(self.at).min(self.rows.len().saturating_sub(1));
        self.cursor = self.rows.get(self.at, &cx.world);
        self.scroll_to_cursor();
    }

    fn set_filter(&mut self, text: &str, cx: &Cx) {
        self.filter = Filter::new(text);
        self.rows.refilter(&self.filter, &cx.world);
        self.rebuild(cx);
        // The first match of the deepest kind is what one is after.
        if !self.filter.is_empty()
            && !self.cursor.is_some_and(|c| self.rows.is_match(c, &self.filter, cx))
            && let Some(at) = self.rows.first_match(&self.filter, cx)
        {
            self.move_to(at, cx);
        }
    }

    /// Leaves the cursor where it is from now on.
    pub fn keep(&mut self) {
        self.moved = true;
    }

    /// Selects a thing and opens what it is in.
    pub fn go(&mut self, subject: Subject, cx: &Cx) {
        if self.rows.find(subject, &cx.world).is_none() && !self.filter.is_empty() {
            self.filter = Filter::default();
            self.rows.refilter(&self.filter, &cx.world);
        }
        let mut inner = subject;
        while let Some(outer) = parent(inner, cx) {
            self.openings.set(outer, true);
            inner = outer;
        }
        self.cursor = Some(subject);
        self.rebuild(cx);
        self.wanted = (self.cursor != Some(subject)).then_some(subject);
    }

    /// Says whether a thing is still there to go to.
    pub fn knows(&self, subject: Subject, cx: &Cx) -> bool {
        let world = &cx.world;
        match subject {
            Subject::Group(id) => world.is_grouped() && world.group_name(id).is_some(),
            Subject::Workspace(id) | Subject::Clusters(id) | Subject::FileServers(id) | Subject::Experiments(id) => {
                world.workspace(id).is_some()
            }
            Subject::FileServer(id) => world.file_server(id).is_some(),
            Subject::Cluster(id) => world.cluster(id).is_some(),
            Subject::Node(id) => world.node(id).is_some(),
            Subject::Experiment(id) | Subject::Older(id) => world.experiment(id).is_some(),
            Subject::Job(id) => world.job(id).is_some(),
        }
    }

    /// Says whether the rows below a thing are shown.
    pub(super) fn is_open(&self, subject: Subject) -> bool {
        !self.filter.is_empty() || self.openings.is_open(subject)
    }

    /// Returns the row of the cursor.
    pub(super) fn cursor_row(&self) -> usize {
        self.at
    }

    fn list_height(&self) -> usize {
        let line = u16::from(self.typing.is_some() || !self.filter.is_empty());
        usize::from(self.area.height.saturating_sub(line))
    }

    fn scroll_to_cursor(&mut self) {
        let height = self.list_height().max(1);
        // Two lines of what comes next stay in sight.
        let margin = if height > 8 { 2 } else { 0 };
        let most = self.rows.len().saturating_sub(height);
        let low = (self.at + margin + 1).saturating_sub(height);
        let high = self.at.saturating_sub(margin);
        self.top = self.top.clamp(low.min(high), high).min(most);
    }

    fn move_to(&mut self, at: usize, cx: &Cx) -> Vec<UiEffect> {
        self.moved = true;
        self.wanted = None;
        self.at = at.min(self.rows.len().saturating_sub(1));
        self.cursor = self.rows.get(self.at, &cx.world);
        self.scroll_to_cursor();
        let mut effects = self.extend_range(cx);
        if let Some(Subject::Older(id)) = self.cursor {
            effects.extend(self.ask_older(id, cx));
        }
        effects
    }

    fn step(&mut self, by: isize, cx: &Cx) -> Vec<UiEffect> {
        self.move_to(self.at.saturating_add_signed(by), cx)
    }

    /// Asks for a page of jobs that are no longer in the picture.
    fn ask_older(&mut self, id: ExperimentId, cx: &Cx) -> Vec<UiEffect> {
        let older = cx.world.older(id);
        let experiment = cx.world.experiment(id).filter(|_| !older.done);
        let Some(experiment) = experiment.filter(|_| self.asked.insert(id)) else { return Vec::new() };
        let query = JobQuery {
            workspace: cx.world.workspace(experiment.workspace).and_then(|w| cx.world.named(w)),
            experiment: Some(experiment.name.clone()),
            after: older.after,
            limit: OLDER_PAGE,
            newest_first: true,
            ..JobQuery::default()
        };
        vec![UiEffect::Ask(Ticket { from: Asker::Tree, number: id.0 }, Request::ListJobs(query))]
    }

    fn toggle(&mut self, cx: &Cx) -> Vec<UiEffect> {
        self.moved = true;
        match self.cursor {
            None => Vec::new(),
            Some(Subject::Older(id)) => self.ask_older(id, cx),
            Some(Subject::Job(_) | Subject::Node(_)) => vec![UiEffect::Focus(PaneId::Detail)],
            Some(subject) => {
                self.openings.set(subject, !self.openings.is_open(subject));
                self.rebuild(cx);
                Vec::new()
            }
        }
    }

    fn left(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let Some(subject) = self.cursor else { return Vec::new() };
        if holds(subject) && self.openings.is_open(subject) && self.filter.is_empty() {
            self.openings.set(subject, false);
            self.rebuild(cx);
            return Vec::new();
        }
        match parent(subject, cx).and_then(|outer| self.rows.find(outer, &cx.world)) {
            Some(at) => self.move_to(at, cx),
            None => Vec::new(),
        }
    }

    fn right(&mut self, cx: &Cx) -> Vec<UiEffect> {
        match self.cursor {
            Some(subject) if holds(subject) && !self.openings.is_open(subject) => {
                self.openings.set(subject, true);
                self.rebuild(cx);
                Vec::new()
            }
            Some(subject) if holds(subject) => self.step(1, cx),
            Some(_) => vec![UiEffect::Focus(PaneId::Detail)],
            None => Vec::new(),
        }
    }

    /// The next of the same kind under the same parent.
    fn sibling(&mut self, forward: bool, times: usize, cx: &Cx) -> Vec<UiEffect> {
        let Some(subject) = self.cursor else { return Vec::new() };
        let outer = parent(subject, cx);
        let like = |other: Subject| {
            std::mem::discriminant(&other) == std::mem::discriminant(&subject) && parent(other, cx) == outer
        };
        let mut found = self.at;
        let mut at = self.at;
        let mut left = times;
        while left > 0 {
            let next = if forward { at + 1 } else { at.wrapping_sub(1) };
            let Some(other) = self.rows.get(next, &cx.world) else { break };
            at = next;
            if like(other) {
                found = at;
                left -= 1;
            }
        }
        self.move_to(found, cx)
    }

    fn mark(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let Some(Subject::Job(id)) = self.cursor else { return Vec::new() };
        let mut effects = vec![UiEffect::Mark { jobs: vec![id], on: !cx.marks.contains(&id) }];
        effects.extend(self.step(1, cx));
        effects
    }

    fn mark_range(&mut self) -> Vec<UiEffect> {
        match (self.range.take(), self.cursor) {
            (None, Some(Subject::Job(id))) => {
                self.range = Some(id);
                vec![UiEffect::Mark { jobs: vec![id], on: true }]
            }
            (_, _) => Vec::new(),
        }
    }

    fn extend_range(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let (Some(anchor), Some(Subject::Job(here))) = (self.range, self.cursor) else { return Vec::new() };
        let from = self.rows.find(Subject::Job(anchor), &cx.world).unwrap_or(self.at);
        let to = self.rows.find(Subject::Job(here), &cx.world).unwrap_or(self.at);
        let job = |at| match self.rows.get(at, &cx.world) {
            Some(Subject::Job(id)) => Some(id),
            _ => None,
        };
        let jobs = (from.min(to)..=from.max(to)).filter_map(job).collect();
        vec![UiEffect::Mark { jobs, on: true }]
    }

    /// All jobs that the filter leaves, or those of the experiment the cursor is in.
    fn mark_all(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if !cx.marks.is_empty() {
            self.range = None;
            return vec![UiEffect::Mark { jobs: cx.marks.iter().copied().collect(), on: false }];
        }
        let experiment = match self.cursor {
            Some(Subject::Experiment(id)) => Some(id),
            Some(Subject::Job(id)) => cx.world.job(id).map(|job| job.experiment),
            _ => None,
        };
        let jobs = match (self.filter.is_empty(), experiment) {
            (false, _) => self.rows.matched(),
            (true, Some(id)) => cx.world.jobs_of(id).to_vec(),
            (true, None) => Vec::new(),
        };
        vec![UiEffect::Mark { jobs, on: true }]
    }

    fn cancel(&mut self, cx: &Cx) -> Vec<UiEffect> {
        self.range = None;
        self.typing = None;
        self.set_filter("", cx);
        Vec::new()
    }

    fn on_typing(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Accept => {
                self.typing = None;
                self.rebuild(cx);
                Vec::new()
            }
            CommandId::LineUp => self.step(-1, cx),
            CommandId::LineDown => self.step(1, cx),
            CommandId::Cancel => self.cancel(cx),
            _ => Vec::new(),
        }
    }
}

/// Says whether rows can be below a thing.
pub(super) fn holds(subject: Subject) -> bool {
    match subject {
        Subject::Group(_) | Subject::Workspace(_) => true,
        Subject::Clusters(_) | Subject::FileServers(_) | Subject::Experiments(_) => true,
        Subject::Cluster(_) | Subject::Experiment(_) => true,
        Subject::FileServer(_) | Subject::Node(_) | Subject::Job(_) | Subject::Older(_) => false,
    }
}

/// Returns what a thing is in.
pub(in crate::tui) fn parent(subject: Subject, cx: &Cx) -> Option<Subject> {
    let world = &cx.world;
    match subject {
        Subject::Group(_) => None,
        Subject::Workspace(id) if world.is_grouped() => world.workspace(id).map(|w| Subject::Group(w.group)),
        Subject::Workspace(_) => None,
        Subject::Clusters(id) | Subject::FileServers(id) | Subject::Experiments(id) => Some(Subject::Workspace(id)),
        Subject::FileServer(id) => world.file_server(id).map(|s| Subject::FileServers(s.workspace)),
        Subject::Cluster(id) => world.cluster(id).map(|c| Subject::Clusters(c.workspace)),
        Subject::Node(id) => world.node(id).map(|n| Subject::Cluster(n.cluster)),
        Subject::Experiment(id) => world.experiment(id).map(|e| Subject::Experiments(e.workspace)),
        Subject::Job(id) => world.job(id).map(|j| Subject::Experiment(j.experiment)),
        Subject::Older(id) => Some(Subject::Experiment(id)),
    }
}

impl Pane for Tree {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        if self.typing.is_some() {
            return self.on_typing(cmd, cx);
        }
        let page = self.list_height().saturating_sub(1).max(1) as isize;
        let times = cmd.times() as isize;
        match cmd.id {
            CommandId::Down => self.step(times, cx),
            CommandId::Up => self.step(-times, cx),
            CommandId::PageDown => self.step(page * times, cx),
            CommandId::PageUp => self.step(-page * times, cx),
            CommandId::HalfDown => self.step((page / 2 * times).max(1), cx),
            CommandId::HalfUp => self.step((-page / 2 * times).min(-1), cx),
            CommandId::Top => self.move_to(0, cx),
            CommandId::Bottom => self.move_to(usize::MAX, cx),
            CommandId::Left => self.left(cx),
            CommandId::Right => self.right(cx),
            CommandId::Open => self.toggle(cx),
            CommandId::NextSibling => self.sibling(true, cmd.times(), cx),
            CommandId::PrevSibling => self.sibling(false, cmd.times(), cx),
            CommandId::Mark => self.mark(cx),
            CommandId::MarkRange => self.mark_range(),
            CommandId::MarkAll => self.mark_all(cx),
            CommandId::Cancel => self.cancel(cx),
            CommandId::Copy => self.copy(cx),
            CommandId::Filter if cmd.args.is_empty() => {
                self.typing = Some(Input::new(self.filter.text()));
                Vec::new()
            }
            CommandId::Filter => {
                self.set_filter(&cmd.args.join(" "), cx);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn key(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let typing = self.typing.as_mut()?;
        if !typing.key(key) {
            return None;
        }
        let text = typing.text().to_owned();
        self.set_filter(&text, cx);
        Some(Vec::new())
    }

    fn paste(&mut self, text: &str, cx: &Cx) -> Option<Vec<UiEffect>> {
        let typing = self.typing.as_mut()?;
        typing.insert(text);
        let text = typing.text().to_owned();
        self.set_filter(&text, cx);
        Some(Vec::new())
    }

    fn hear(&mut self, news: &News<'_>, _cx: &Cx) -> Vec<UiEffect> {
        if let News::Reply(number, _) = news {
            self.asked.remove(&ExperimentId(*number));
        }
        Vec::new()
    }

    fn mouse(&mut self, mouse: Mouse, cx: &Cx) -> Vec<UiEffect> {
        let inside = self.area.contains(Position { x: mouse.x, y: mouse.y });
        match mouse.act {
            MouseAct::WheelDown => {
                self.top = (self.top + WHEEL).min(self.rows.len().saturating_sub(self.list_height()));
            }
            MouseAct::WheelUp => self.top = self.top.saturating_sub(WHEEL),
            MouseAct::Press if inside => {
                let at = self.top + usize::from(mouse.y - self.area.y);
                if at >= self.rows.len() {
                    return Vec::new();
                }
                let again = at == self.at;
                let effects = self.move_to(at, cx);
                return match self.cursor {
                    Some(subject) if again && holds(subject) => self.toggle(cx),
                    Some(_) | None => effects,
                };
            }
            MouseAct::Press | MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        if self.area != area {
            self.area = area;
            self.scroll_to_cursor();
        }
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let list = Rect { height: (self.list_height() as u16).min(area.height), ..area };
        self.draw_rows(cx, list, buf);
        if list.height < area.height {
            let line = Rect { y: list.bottom(), height: 1, ..area };
            buf.set_string(line.x, line.y, "/", cx.style(Role::Key));
            let rest = Rect { x: line.x + 2, width: line.width.saturating_sub(2), ..line };
            match &self.typing {
                Some(typing) => typing.draw(cx, rest, buf),
                None => {
                    let spans = vec![
                        Span::styled(self.filter.text().to_owned(), cx.style(Role::Match)),
                        Span::styled(format!("  {} clears", cx.key_of(CommandId::Cancel)), cx.style(Role::Muted)),
                    ];
                    buf.set_line(rest.x, rest.y, &Line::from(spans), rest.width);
                }
            }
        }
    }

    fn caret(&self, _cx: &Cx, area: Rect) -> Option<Position> {
        let line =
            Rect { x: area.x + 2, y: area.bottom().saturating_sub(1), width: area.width.saturating_sub(2), height: 1 };
        self.typing.as_ref().map(|typing| typing.caret(line))
    }

    fn commands(&self, cx: &Cx) -> Vec<CommandId> {
        use CommandId as C;
        if self.typing.is_some() {
            return vec![C::Accept, C::Cancel];
        }
        let mut commands = vec![C::Help, C::Palette, C::Filter];
        match self.cursor {
            Some(Subject::Cluster(_)) => commands.extend([C::ScaleUp, C::ScaleDown, C::NewJob, C::Why, C::Delete]),
            Some(Subject::Node(_)) => commands.extend([C::Prepare, C::ScaleUp]),
            Some(Subject::Experiment(_) | Subject::Older(_)) => commands.extend([C::NewJob, C::Stop, C::MarkAll, C::Delete]),
            Some(Subject::Job(id)) => {
                let state = cx.world.job(id).map(|j| j.state);
                commands.push(C::Rerun);
                if state.is_some_and(|s| !s.ended()) {
                    commands.push(C::Stop);
                }
                if state == Some(ExecutionState::Queued) {
                    commands.push(C::Why);
                }
                commands.extend([C::RerunWith, C::NewJob, C::Mark]);
            }
            Some(Subject::Group(_) | Subject::FileServer(_)) => commands.push(C::Delete),
            Some(Subject::Workspace(_) | Subject::Clusters(_) | Subject::FileServers(_) | Subject::Experiments(_))
            | None => {
                commands.push(C::NewJob);
            }
        }
        commands.extend([C::NextPane, C::Zoom, C::Quit]);
        commands
    }

    fn scope(&self) -> Scope {
        if self.typing.is_some() { Scope::Line } else { Scope::Tree }
    }

    fn title(&self, _cx: &Cx) -> Line<'static> {
        Line::from("Workspaces")
    }

    fn status(&self, cx: &Cx) -> Line<'static> {
        match cx.marks.len() {
            0 => Line::default(),
            marked => Line::from(Span::styled(format!("{marked} marked"), cx.style(Role::Marked))),
        }
    }

    fn subject(&self, _cx: &Cx) -> Option<Subject> {
        self.cursor
    }
}

impl Tree {
    /// Puts the cursor where the mouse is.
    pub fn point(&mut self, mouse: Mouse, cx: &Cx) -> Vec<UiEffect> {
        let inside = self.area.contains(Position { x: mouse.x, y: mouse.y });
        let at = self.top + usize::from(mouse.y.saturating_sub(self.area.y));
        if inside && at < self.rows.len() { self.move_to(at, cx) } else { Vec::new() }
    }

    fn copy(&self, cx: &Cx) -> Vec<UiEffect> {
        let Some(subject) = self.cursor else { return Vec::new() };
        super::copy_name(subject, cx)
    }
}
