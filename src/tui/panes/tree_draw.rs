//! How a row of the tree looks: a symbol with the state's own shape, the name, and at the right end what one wants to know
//! of it at a glance.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::tree::{Tree, holds};
use crate::model::ids::{ClusterId, ExperimentId, FileServerId, JobId, NodeId};
use crate::model::state::{AllocationState, ExecutionState, Job, NodeState, Provisioning, Reach};
use crate::tui::cx::{Cx, PaneId};
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::{Bar, bar, cut};
use crate::tui::world::CoreLink;

/// Cells of the bar beside an experiment.
const BAR_CELLS: u16 = 6;

/// What a row says.
struct Row {
    depth: u16,
    symbol: Option<(&'static str, Style)>,
    name: String,
    style: Style,
    /// What stands at the right end, with a rank each: where the name has no room, the highest ranks go first.
    right: Vec<(u8, Span<'static>)>,
}

/// Columns that a name gets before the right end does.
const NAME_ROOM: u16 = 14;

/// Leaves out pieces of the right end until a name has room.
fn fit_right(mut pieces: Vec<(u8, Span<'static>)>, room: u16, name: &str) -> Line<'static> {
    let need = (name.width() as u16).min(NAME_ROOM) + 1;
    loop {
        let width: usize = pieces.iter().map(|(_, span)| span.content.width()).sum();
        let last = pieces.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
        if width as u16 + need <= room || last == 0 {
            return pieces.into_iter().map(|(_, span)| span).collect();
        }
        pieces.retain(|(rank, _)| *rank < last);
    }
}

impl Tree {
    /// Draws the rows in sight, and only those.
    pub(super) fn draw_rows(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        for y in 0..area.height {
            let at = self.top + usize::from(y);
            let Some(subject) = self.rows.get(at, &cx.world) else { break };
            let line = Rect { y: area.y + y, height: 1, ..area };
            self.draw_row(subject, at == self.cursor_row(), cx, line, buf);
        }
        if self.rows.len() == 0 && !self.filter.is_empty() {
            buf.set_stringn(area.x + 1, area.y, "nothing passes the filter", area.width.into(), cx.style(Role::Muted));
        }
    }

    fn draw_row(&self, subject: Subject, cursor: bool, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let mut row = row(subject, self.is_open(subject), cx);
        // Everything is one level deeper below groups.
        if cx.world.is_grouped() && !matches!(subject, Subject::Group(_)) {
            row.depth += 1;
        }
        let marked = matches!(subject, Subject::Job(id) if cx.marks.contains(&id));
        if cursor {
            let role = if cx.has_focus(PaneId::Tree) { Role::Cursor } else { Role::CursorIdle };
            buf.set_style(area, cx.style(role));
        }
        if marked {
            buf.set_string(area.x, area.y, cx.glyph(Glyph::Mark), cx.style(Role::Marked));
        }
        let indent = 1 + row.depth * 2 + if holds(subject) { 2 } else { 0 } + if row.symbol.is_some() { 2 } else { 0 };
        let right = fit_right(row.right, area.width.saturating_sub(indent), &row.name);
        let right_width = (right.width() as u16).min(area.width.saturating_sub(1));
        let mut x = area.x + 1 + row.depth * 2;
        let end = area.right().saturating_sub(right_width + u16::from(right_width > 0));
        if x < end && holds(subject) {
            let glyph = if self.is_open(subject) { Glyph::Open } else { Glyph::Closed };
            buf.set_string(x, area.y, cx.glyph(glyph), cx.style(Role::Muted));
            x += 2;
        }
        if let Some((symbol, style)) = row.symbol
            && x < end
        {
            buf.set_string(x, area.y, symbol, style);
            x += symbol.width() as u16 + 1;
        }
        let style = if marked { cx.style(Role::Marked) } else { row.style };
        let name = cut(&row.name, usize::from(end.saturating_sub(x)), cx.look.ascii);
        if x < end {
            buf.set_string(x, area.y, &name, style);
            self.draw_marks(subject, &name, x, cx, area, buf);
        }
        let x = area.right().saturating_sub(right_width);
        buf.set_line(x, area.y, &right, right_width);
    }

    /// Shows which characters the filter matched.
    fn draw_marks(&self, subject: Subject, name: &str, x: u16, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let unnamed =
            matches!(subject, Subject::Clusters(_) | Subject::FileServers(_) | Subject::Experiments(_) | Subject::Older(_));
        if self.filter.is_empty() || unnamed {
            return;
        }
        for mark in self.filter.marks(name) {
            // Names are ASCII (`names::check_name`), so a character is a cell; others are not highlighted.
            if name.is_ascii()
                && let Some(cell) = buf.cell_mut((x + mark as u16, area.y))
            {
                cell.set_style(cx.style(Role::Match));
            }
        }
    }
}

fn row(subject: Subject, open: bool, cx: &Cx) -> Row {
    let world = &cx.world;
    let heading =
        |name: &str| Row { depth: 1, symbol: None, name: name.to_owned(), style: cx.style(Role::Muted), right: Vec::new() };
    match subject {
        Subject::Group(id) => {
            let name = world.group_name(id).map(shown).unwrap_or_default();
            Row { depth: 0, symbol: None, name, style: cx.style(Role::Muted), right: Vec::new() }
        }
        Subject::Workspace(id) => {
            let name = world.workspace(id).map_or_else(String::new, |w| shown(&w.name));
            Row { depth: 0, symbol: None, name, style: cx.style(Role::Strong), right: Vec::new() }
        }
        Subject::Clusters(id) => {
            let mut row = heading("clusters");
            if !open {
                row.right.push((0, Span::styled(world.clusters_of(id).count().to_string(), cx.style(Role::Muted))));
            }
            row
        }
        Subject::Experiments(id) => {
            let mut row = heading("experiments");
            if !open {
                row.right.push((0, Span::styled(world.experiments_of(id).count().to_string(), cx.style(Role::Muted))));
            }
            row
        }
        Subject::FileServers(id) => {
            let mut row = heading("file servers");
            if !open {
                row.right.push((0, Span::styled(world.file_servers_of(id).count().to_string(), cx.style(Role::Muted))));
            }
            row
        }
        Subject::FileServer(id) => file_server_row(id, cx),
        Subject::Cluster(id) => cluster_row(id, cx),
        Subject::Node(id) => node_row(id, cx),
        Subject::Experiment(id) => experiment_row(id, cx),
        Subject::Job(id) => job_row(id, cx),
        Subject::Older(id) => Row {
            depth: 3,
            symbol: None,
            name: format!("{} older {}", world.older_count(id), cx.glyph(Glyph::Cut)),
            style: cx.style(Role::Muted),
            right: Vec::new(),
        },
    }
}

/// The style of data that may no longer be so.
fn fresh(cx: &Cx, role: Role) -> Style {
    match cx.world.link {
        CoreLink::Lost { .. } | CoreLink::Opening => cx.style(Role::Stale),
        CoreLink::Never | CoreLink::Here => cx.style(role),
    }
}

fn cluster_row(id: ClusterId, cx: &Cx) -> Row {
    let Some(cluster) = cx.world.cluster(id) else { return gone(2) };
    let counts = cx.world.counts_of(id);
    let target = cluster.spec.scale_settings.target().0;
    let moving = cluster.allocation == AllocationState::Resizing || counts.on_the_way() > 0;
    let (glyph, role) = match (moving, counts.unusable > 0 || !cluster.errors.is_empty()) {
        (_, true) => (Glyph::Alert, Role::Unusable),
        (true, false) => (Glyph::Half, Role::Preparing),
        (false, false) if counts.ready() == 0 => (Glyph::Hollow, Role::Muted),
        (false, false) => (Glyph::Full, Role::Good),
    };
    let mut right = Vec::new();
    match &cx.proposal {
        Some(p) if p.cluster == id => {
            let text = format!("{}{}{}", p.seen, cx.glyph(Glyph::Arrow), p.target);
            right.push((0, Span::styled(text, cx.style(Role::Proposal))));
        }
        Some(_) | None if cluster.deleting => right.push((0, Span::styled("leaving", cx.style(Role::Leaving)))),
        Some(_) | None if moving => {
            let text = format!("{}{}{}", counts.ready(), cx.glyph(Glyph::Arrow), target);
            right.push((0, Span::styled(text, fresh(cx, Role::Preparing))));
        }
        Some(_) | None => {
            let (ready, all) = cx.world.ready_of(id);
            right.push((0, Span::styled(ready.to_string(), fresh(cx, Role::Text))));
            right.push((0, Span::styled(format!("/{all}"), fresh(cx, Role::Muted))));
        }
    }
    Row {
        depth: 2,
        symbol: Some((cx.glyph(glyph), cx.style(role))),
        name: shown(&cluster.name),
        style: fresh(cx, Role::Text),
        right,
    }
}

fn file_server_row(id: FileServerId, cx: &Cx) -> Row {
    let Some(server) = cx.world.file_server(id) else { return gone(2) };
    let (glyph, role) = match server.provisioning {
        Provisioning::Creating | Provisioning::Updating => (Glyph::Half, Role::Preparing),
        Provisioning::Succeeded => (Glyph::Full, Role::Good),
        Provisioning::Failed => (Glyph::Alert, Role::Unusable),
        Provisioning::Deleting => (Glyph::Half, Role::Leaving),
    };
    Row {
        depth: 2,
        symbol: Some((cx.glyph(glyph), cx.style(role))),
        name: shown(&server.name),
        style: fresh(cx, Role::Text),
        right: vec![(0, Span::styled(server.spec.export.word(), fresh(cx, Role::Muted)))],
    }
}

fn gone(depth: u16) -> Row {
    Row { depth, symbol: None, name: String::new(), style: Style::new(), right: Vec::new() }
}

/// Returns the role of a node's state.
pub(super) fn node_role(state: &NodeState) -> Role {
    match state {
        NodeState::Allocating => Role::Allocating,
        NodeState::Preparing => Role::Preparing,
        NodeState::Idle => Role::Idle,
        NodeState::Running => Role::Running,
        NodeState::Unusable(_) => Role::Unusable,
        NodeState::Leaving => Role::Leaving,
    }
}

fn node_row(id: NodeId, cx: &Cx) -> Row {
    let Some(node) = cx.world.node(id) else { return gone(3) };
    let role = node_role(&node.state);
    let lost = matches!(node.reach, Reach::Lost { .. });
    let word = match (&node.state, node.holders.len(), node.holders.first()) {
        (NodeState::Running, 1, Some((job, _))) => {
            cx.world.job(*job).map_or_else(|| "running".to_owned(), |j| shown(&j.name))
        }
        (NodeState::Running, jobs, Some(_)) => format!("{jobs} jobs"),
        (NodeState::Idle, ..) if node.drained => "drained".to_owned(),
        (state, ..) => state.word().to_owned(),
    };
    let word = if lost { "unreachable".to_owned() } else { word };
    let style = if lost { cx.style(Role::Stale) } else { fresh(cx, Role::Text) };
    let name = if node.name.is_empty() { id.to_string() } else { shown(&node.name) };
    let right = vec![(0, Span::styled(word, if lost { cx.style(Role::Stale) } else { cx.style(role) }))];
    Row { depth: 3, symbol: Some((cx.glyph(Glyph::node(&node.state)), cx.style(role))), name, style, right }
}

fn experiment_row(id: ExperimentId, cx: &Cx) -> Row {
    let Some(experiment) = cx.world.experiment(id) else { return gone(2) };
    let tally = experiment.tally;
    let (done, total) = (tally.succeeded + tally.failed, tally.total());
    let mut right = Vec::new();
    if tally.failed > 0 {
        let text = format!("{}{} ", tally.failed, cx.glyph(Glyph::Failed));
        right.push((2, Span::styled(text, fresh(cx, Role::Failed))));
    }
    right.push((0, Span::styled(done.to_string(), fresh(cx, Role::Text))));
    right.push((0, Span::styled(format!("/{total}"), fresh(cx, Role::Muted))));
    if total > 0 {
        right.push((1, Span::from(" ")));
        right.extend(bar(done, total, BAR_CELLS, Bar::Low, cx, Role::Good).into_iter().map(|span| (1, span)));
    }
    Row { depth: 2, symbol: None, name: shown(&experiment.name), style: fresh(cx, Role::Text), right }
}

/// Returns the role of a job's state.
pub(super) fn job_role(state: ExecutionState) -> Role {
    match state {
        ExecutionState::Queued => Role::Queued,
        ExecutionState::Running => Role::Running,
        ExecutionState::Terminating => Role::Terminating,
        ExecutionState::Succeeded => Role::Succeeded,
        ExecutionState::Failed => Role::Failed,
    }
}

/// Returns the symbol of a job: a spinner while it runs.
pub(super) fn job_symbol(job: &Job, cx: &Cx) -> &'static str {
    let live = cx.world.link == CoreLink::Here;
    match job.state {
        ExecutionState::Queued if job.held => cx.glyph(Glyph::Held),
        ExecutionState::Running if live => cx.spinner(),
        state => cx.glyph(Glyph::job(state)),
    }
}

/// Returns what stands at the right end of a job: how long, or how it ended.
pub(super) fn job_word(job: &Job, cx: &Cx) -> String {
    if let Some(until) = job.last.stop_at.filter(|_| !job.state.ended()) {
        return format!("stop in {}s", until.since(cx.now).0.div_ceil(1000));
    }
    match (job.state, job.last.exit_code) {
        (ExecutionState::Queued, _) if job.held => "held".to_owned(),
        (ExecutionState::Queued, _) => String::new(),
        (ExecutionState::Running, _) => job.last.started.map_or_else(String::new, |at| cx.now.since(at).to_string()),
        (ExecutionState::Terminating, _) => "stopping".to_owned(),
        (ExecutionState::Failed, Some(code)) => format!("exit {code}"),
        (ExecutionState::Failed, None) => super::failure_word(job).to_owned(),
        (ExecutionState::Succeeded, _) => super::run_time(job, cx.now).map_or_else(String::new, |span| span.to_string()),
    }
}

fn job_row(id: JobId, cx: &Cx) -> Row {
    let Some(job) = cx.world.job(id) else { return gone(3) };
    let role = job_role(job.state);
    let style = match job.state {
        ExecutionState::Queued => fresh(cx, Role::Muted),
        ExecutionState::Running | ExecutionState::Terminating => fresh(cx, Role::Text),
        ExecutionState::Succeeded | ExecutionState::Failed => fresh(cx, Role::Text),
    };
    let word_role = if job.last.stop_at.is_some() && !job.state.ended() { Role::Terminating } else { right_role(job.state) };
    Row {
        depth: 3,
        symbol: Some((job_symbol(job, cx), fresh(cx, role))),
        name: shown(&job.name),
        style,
        right: vec![(0, Span::styled(job_word(job, cx), fresh(cx, word_role)))],
    }
}

fn right_role(state: ExecutionState) -> Role {
    match state {
        ExecutionState::Running => Role::Running,
        ExecutionState::Failed => Role::Failed,
        ExecutionState::Terminating => Role::Terminating,
        ExecutionState::Queued | ExecutionState::Succeeded => Role::Muted,
    }
}
