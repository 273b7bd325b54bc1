//! What the detail pane shows of a workspace, of its clusters and experiments, and where there is nothing yet.

use ratatui::text::{Line, Span};

use super::about::{self, Content, Rows, Tab, TableContent};
use super::about_cluster;
use crate::commands::CommandId;
use crate::model::cost::{AtWork, Budget, Spent};
use crate::model::ids::{ClusterId, ExperimentId, WorkspaceId};
use crate::model::request::Usage;
use crate::model::state::{AllocationState, Workspace};
use crate::model::units::Money;
use crate::tui::acts::workspace_of;
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::table::{Column, Row, Width};
use crate::tui::widgets::{Bar, bar};
use crate::tui::world::CoreLink;

/// Cells of the bar of progress in the table of experiments.
const BAR_CELLS: u16 = 10;

/// Returns what stands where nothing is yet: what to do first.
pub fn welcome(width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let (text, muted, strong) = (cx.style(Role::Text), cx.style(Role::Muted), cx.style(Role::Strong));
    let mut facts = Facts::new(cx, width);
    if cx.world.link == CoreLink::Never {
        facts.prose("waiting for the core", muted);
        return facts.done();
    }
    if !cx.world.snapshot.workspaces.is_empty() {
        facts.prose("nothing is selected", muted);
        return facts.done();
    }
    facts.gap();
    facts.prose("Nothing here yet. How do you want to begin?", strong);
    facts.gap();
    let palette = cx.key_of(CommandId::Palette);
    let ways = [
        ("1", "demo", "try it: four nodes on this machine and a dozen real runs; nothing is left behind"),
        ("2", "import-hosts", "hosts of your own ssh configuration, tried while you choose"),
        ("3", "apply FILE", "a file that says it all: clusters, experiments, jobs"),
        ("4", "tour", "a look round first"),
    ];
    for (key, command, what) in ways {
        let spans = vec![
            Span::styled(format!("  {key}  "), cx.style(Role::Key)),
            Span::styled(format!("{palette}{command:<14} "), cx.style(Role::Text)),
        ];
        let indent = 5 + 1 + 15;
        let mut parts =
            crate::tui::overlays::help::wrap(what, usize::from(width.saturating_sub(indent)).max(16)).into_iter();
        let first = Span::styled(parts.next().unwrap_or_default(), muted);
        facts.line(Line::from(spans.into_iter().chain([first]).collect::<Vec<_>>()));
        let rest =
            parts.map(|part| Line::from(Span::styled(format!("{:indent$}{part}", "", indent = usize::from(indent)), muted)));
        rest.for_each(|line| facts.line(line));
    }
    facts.gap();
    facts.prose("Or by hand, in three lines:", text);
    for line in ["new-workspace lab", "new-cluster gpu node[1-4] 2", "new-experiment first"] {
        facts.line(Line::from(Span::styled(format!("     {palette}{line}"), cx.style(Role::Key))));
    }
    facts.gap();
    facts.prose(&format!("{} shows all keys.", cx.key_of(CommandId::Help)), muted);
    facts.done()
}

/// Returns what a tab of a workspace shows.
pub fn content(id: WorkspaceId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let mut facts = Facts::new(cx, width);
    let Some(workspace) = cx.world.workspace(id) else { return Content::Lines(Vec::new()) };
    if tab == Tab::Events {
        facts.text(&format!("{} ago", cx.now.since(workspace.created)), "made", cx.style(Role::Text));
        about::acts(|about| about.is_some() && workspace_of(about, cx) == Some(id), &mut facts, cx);
        return Content::Lines(facts.done());
    }
    if tab == Tab::Cost {
        cost(workspace, &mut facts, cx);
        return Content::Lines(facts.done());
    }
    let (text, muted, strong) = (cx.style(Role::Text), cx.style(Role::Muted), cx.style(Role::Strong));
    let (clusters, experiments) = (cx.world.clusters_of(id).count(), cx.world.experiments_of(id).count());
    facts.text("name", &shown(&workspace.name), strong);
    if let Some(location) = &workspace.location {
        facts.text("location", &shown(location), text);
    }
    let tags = workspace
        .tags
        .iter()
        .map(|(name, value)| vec![Span::styled(format!("{} ", shown(name)), muted), Span::styled(shown(value), text)]);
    facts.pieces("tags", tags, &format!(" {} ", cx.glyph(Glyph::Dot)));
    let (spent, rate) = whole_cost(workspace, cx);
    if spent.total() > Money(0) || rate > Money(0) || workspace.budget.is_some() {
        facts.text("cost", &format!("{} so far, {rate}/h now", spent.total()), text);
        if let Some(budget) = &workspace.budget {
            budget_bar("budget", budget, spent.total(), rate, &mut facts, cx);
        }
    }
    let palette = cx.key_of(CommandId::Palette);
    facts.heading("Clusters");
    for id in cx.world.clusters_of(id) {
        facts.line(Line::from(join(cluster_row(id, cx))));
    }
    if clusters == 0 {
        facts.prose(&format!("none; {palette}new-cluster NAME HOSTS makes one, as in `new-cluster gpu node[1-4] 2`"), muted);
    }
    facts.heading("Experiments");
    for id in cx.world.experiments_of(id) {
        facts.line(Line::from(join(experiment_row(id, cx))));
    }
    if experiments == 0 {
        facts.prose(&format!("none; {palette}new-experiment NAME makes one"), muted);
    }
    Content::Lines(facts.done())
}

/// Returns what a workspace has cost and costs: with those of its clusters that are gone, and an hourly rate.
fn whole_cost(workspace: &Workspace, cx: &Cx) -> (Spent, Money) {
    cx.world.clusters_of(workspace.id).filter_map(|id| cx.world.cluster(id)).fold(
        (workspace.spent, Money(0)),
        |(spent, rate), cluster| {
            let standing = about_cluster::standing(cluster, cx);
            (spent.and(standing.spent), rate + standing.rate)
        },
    )
}

/// Where the money goes, and what is set against it.
fn cost(workspace: &Workspace, facts: &mut Facts<'_>, cx: &Cx) {
    let (text, muted, strong) = (cx.style(Role::Text), cx.style(Role::Muted), cx.style(Role::Strong));
    let (spent, rate) = whole_cost(workspace, cx);
    let total = spent.total();
    let palette = cx.key_of(CommandId::Palette);
    facts.text("cost", &format!("{total} so far, {rate}/h now"), strong);
    facts.text("", &format!("{} busy, {} idle, {} unusable", spent.busy, spent.idle, spent.unusable), muted);
    if rate <= Money(0) && total <= Money(0) {
        facts.text("", "nodes cost what `--price` of their cluster or their class in the configuration says", muted);
    }
    match &workspace.budget {
        Some(budget) => budget_bar("budget", budget, total, rate, facts, cx),
        None => facts.text("budget", &format!("none; {} sets one", cx.key_of(CommandId::Budget)), muted),
    }
    facts.heading("Clusters");
    let mut any = false;
    for cluster in cx.world.clusters_of(workspace.id).filter_map(|id| cx.world.cluster(id)) {
        let standing = about_cluster::standing(cluster, cx);
        any = true;
        let words = format!("{} so far, {}/h now", standing.spent.total(), standing.rate);
        facts.text(&shown(&cluster.name), &words, text);
        if let Some(budget) = &cluster.budget {
            budget_bar("", budget, standing.spent.total(), standing.rate, facts, cx);
        }
        if standing.hint(cluster).is_some() {
            let (idle, unusable) = (standing.idle_nodes, standing.unusable_nodes);
            let wasted = standing.idle_rate + standing.unusable_rate;
            let key = cx.key_of(CommandId::ScaleIdle);
            let words = format!("{idle} idle and {unusable} unusable cost {wasted}/h: {key} on it lets them go");
            facts.text("", &words, cx.style(Role::Warning));
        }
    }
    if !any {
        facts.prose(&format!("none; {palette}new-cluster NAME HOSTS makes one"), muted);
    }
    facts.heading("Experiments");
    let nodes = cx.world.snapshot.nodes.values().map(|node| &**node);
    let at_work = AtWork::by_experiment(nodes, |id| cx.world.job(id).map(|job| job.experiment), cx.now);
    for experiment in cx.world.experiments_of(workspace.id).filter_map(|id| cx.world.experiment(id)) {
        let now = at_work.get(&experiment.id).copied().unwrap_or_default();
        let words = format!("{} so far, {}/h now", experiment.spent + now.cost, now.rate);
        facts.text(&shown(&experiment.name), &words, text);
    }
}

/// A limit, how much of it is used, and how long the rest lasts.
fn budget_bar(label: &str, budget: &Budget, total: Money, rate: Money, facts: &mut Facts<'_>, cx: &Cx) {
    let lasts = budget.left(total).lasts(rate).map(|span| format!("; lasts {span}")).unwrap_or_default();
    let (used, limit) = (budget.used(total).0.max(0).unsigned_abs(), budget.limit.0.max(1).unsigned_abs());
    let role = if budget.reached { Role::Bad } else { Role::Good };
    let mut spans = bar(used.min(limit), limit, BAR_CELLS, Bar::Low, cx, role);
    spans.push(Span::styled(format!("  {}{lasts}", budget.words(total)), cx.style(Role::Text)));
    facts.spans(label, spans);
}

/// Returns the lines of the Quota tab: how much there is of each kind, and how much there may be.
pub fn quota(usages: Option<Result<&Vec<Usage>, &str>>, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    let muted = cx.style(Role::Muted);
    match usages {
        None => facts.prose("asking …", muted),
        Some(Err(trouble)) => facts.prose(&shown(trouble), cx.style(Role::Bad)),
        Some(Ok(usages)) => {
            let names = usages.iter().map(|usage| shown(&usage.name).chars().count()).max().unwrap_or(0).min(40);
            for usage in usages {
                let name = Span::styled(format!(" {:<names$}  ", shown(&usage.name)), muted);
                let mut spans = vec![name];
                match usage.limit {
                    None => spans.push(Span::styled(format!("{:>8}", usage.value), cx.style(Role::Text))),
                    Some(limit) => {
                        let full = usage.value >= limit;
                        let role = if full { Role::Bad } else { Role::Text };
                        spans.push(Span::styled(format!("{:>8} of {limit:<8} ", usage.value), cx.style(role)));
                        let role = if full { Role::Bad } else { Role::Good };
                        spans.extend(bar(usage.value.min(limit), limit.max(1), BAR_CELLS, Bar::Low, cx, role));
                    }
                }
                facts.line(Line::from(spans));
            }
            facts.gap();
            facts.prose("of all workspaces; limits are set in the configuration, as `clusters_max`", muted);
        }
    }
    facts.done()
}

/// Puts the cells of a row on one line: the name in a column, the rest beside it.
fn join(row: Row) -> Vec<Span<'static>> {
    let mut spans = vec![Span::from(" ")];
    for (at, mut span) in row.into_iter().enumerate() {
        if at == 0 {
            span.content = format!("{:<18} ", span.content).into();
        }
        spans.push(span);
        spans.push(Span::from("  "));
    }
    spans
}

/// Returns the table of a workspace's clusters.
pub fn clusters(id: WorkspaceId, cx: &Cx) -> Content {
    let columns = vec![
        Column::left("cluster", Width::Between(12, 24)),
        Column::left("nodes", Width::Cells(9)),
        Column::left("state", Width::Cells(9)),
        Column::left("jobs", Width::AtLeast(16)),
    ];
    let len = cx.world.clusters_of(id).count();
    Content::Table(Box::new(TableContent { above: Vec::new(), columns, len, rows: Rows::Clusters(id), below: Vec::new() }))
}

/// Returns a row of the table of clusters.
pub fn cluster_row(id: ClusterId, cx: &Cx) -> Row {
    let Some(cluster) = cx.world.cluster(id) else { return Vec::new() };
    let counts = cx.world.counts_of(id);
    let (word, role) = match cluster.allocation {
        AllocationState::Steady => ("steady", Role::Muted),
        AllocationState::Resizing => ("resizing", Role::Preparing),
    };
    let mut jobs = match cx.world.site(id).map(|index| index.running_and_waiting) {
        Some([all, own]) => format!("{} waiting, {} of yours", all.1, own.1),
        None => format!("{} waiting", cluster.waiting),
    };
    if counts.unusable > 0 {
        let nodes = if counts.unusable == 1 { "node" } else { "nodes" };
        jobs = format!("{jobs}, {} {nodes} unusable", counts.unusable);
    }
    let (ready, all) = cx.world.ready_of(id);
    vec![
        Span::styled(shown(&cluster.name), cx.style(Role::Text)),
        Span::styled(format!("{ready}/{all}"), cx.style(Role::Text)),
        Span::styled(word, cx.style(role)),
        Span::styled(jobs, cx.style(if counts.unusable > 0 { Role::Unusable } else { Role::Muted })),
    ]
}

/// Returns the table of a workspace's experiments.
pub fn experiments(id: WorkspaceId, cx: &Cx) -> Content {
    let columns = vec![
        Column::left("experiment", Width::Between(12, 24)),
        Column::left("progress", Width::Cells(BAR_CELLS)),
        Column::right("done", 9),
        Column::left("now", Width::AtLeast(22)),
    ];
    let len = cx.world.experiments_of(id).count();
    Content::Table(Box::new(TableContent {
        above: Vec::new(),
        columns,
        len,
        rows: Rows::Experiments(id),
        below: Vec::new(),
    }))
}

/// Returns a row of the table of experiments.
pub fn experiment_row(id: ExperimentId, cx: &Cx) -> Row {
    let Some(experiment) = cx.world.experiment(id) else { return Vec::new() };
    let tally = experiment.tally;
    let done = tally.succeeded + tally.failed;
    let progress: String = bar(done, tally.total(), BAR_CELLS, Bar::Low, cx, Role::Good)
        .into_iter()
        .map(|span| span.content.into_owned())
        .collect();
    let now = format!("{} running, {} queued, {} failed", tally.running, tally.queued, tally.failed);
    vec![
        Span::styled(shown(&experiment.name), cx.style(Role::Text)),
        Span::styled(progress, cx.style(Role::Good)),
        Span::styled(format!("{done}/{}", tally.total()), cx.style(Role::Text)),
        Span::styled(now, cx.style(if tally.failed > 0 { Role::Text } else { Role::Muted })),
    ]
}
