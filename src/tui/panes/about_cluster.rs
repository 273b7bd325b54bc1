//! What the detail pane shows of a cluster.

use std::sync::Arc;

use ratatui::text::{Line, Span};

use super::about::{self, Content, Rows, Tab, TableContent};
use super::tree_draw::node_role;
use super::{about_site, loads};
use crate::commands::CommandId;
use crate::model::alike::strangers;
use crate::model::cost::Standing;
use crate::model::ids::{ClusterId, JobId, NodeId};
use crate::model::spec::{Deallocation, ProviderSpec, ScaleSettings};
use crate::model::state::observed::warnings;
use crate::model::state::{AllocationState, Cluster, Idleness, Node, NodeState, QueueHead, Reach};
use crate::model::units::{Money, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::draw::proposal_line;
use crate::tui::equivalent::priority_word;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::table::{Column, Row, Width};
use crate::tui::world::NodeCounts;

/// More nodes than this are not drawn one by one; the counts say the rest.
const NODES_DRAWN_MAX: usize = 512;
/// Unusable nodes told of in full below the table of nodes.
const UNUSABLE_TOLD_MAX: usize = 8;
/// Nodes that are waited for told of in full there.
const AWAITED_TOLD_MAX: usize = 4;

/// Returns what a tab of a cluster shows.
pub fn content(id: ClusterId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let Some(cluster) = cx.world.cluster(id) else { return Content::Lines(Vec::new()) };
    if cx.world.is_site(id) {
        return Content::Lines(about_site::lines(cluster, tab, width, cx));
    }
    match tab {
        Tab::Nodes => nodes_tab(cluster, width, cx),
        Tab::Queue => queue_tab(cluster, width, cx),
        Tab::Events => Content::Lines(events_tab(cluster, width, cx)),
        // The pane has its cursor.
        Tab::History => Content::Lines(Vec::new()),
        Tab::Welcome
        | Tab::Overview
        | Tab::Partitions
        | Tab::Scaling
        | Tab::Cost
        | Tab::Quota
        | Tab::Params
        | Tab::Files
        | Tab::Jobs
        | Tab::Metrics
        | Tab::Curves
        | Tab::Scatter
        | Tab::Parallel
        | Tab::List => Content::Lines(scaling_tab(cluster, width, cx)),
    }
}

fn scaling_tab(cluster: &Cluster, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let (text, muted, strong) = (cx.style(Role::Text), cx.style(Role::Muted), cx.style(Role::Strong));
    let counts = cx.world.counts_of(cluster.id);
    let mut facts = Facts::new(cx, width);
    target(cluster, counts, &mut facts, cx);
    facts.pieces("nodes", state_pieces(counts, cx), "   ");
    for line in node_map(cluster.id, width, cx) {
        facts.spans("", line);
    }
    // Before whatever may be long: money is to be seen on small screens too.
    cost(cluster, &mut facts, cx);
    errors(cluster, &mut facts, cx);
    for (id, how) in strangers(cx.world.nodes_of(cluster.id).iter().filter_map(|id| cx.world.node(*id)).map(|node| &**node))
    {
        let name = cx.world.node(id).map_or_else(|| id.to_string(), |node| shown(&node.name));
        facts.text("differs", &format!("{name} has {}", shown(&how)), muted);
    }
    facts.gap();
    match &cluster.head {
        None => facts.text("queue", "nothing waits", muted),
        Some(head) => {
            facts.spans("queue", [Span::styled(cluster.waiting.to_string(), strong), Span::styled(" waiting", muted)]);
            facts.text("next", &waiting(head, cx), text);
        }
    }
    scaling(cluster, &mut facts, cx);
    match &cluster.spec.provider {
        ProviderSpec::Local => facts.text("hosts", "this machine", text),
        ProviderSpec::Class => {}
        ProviderSpec::Hosts { hosts } => facts.text("hosts", &shown(&hosts.join(" ")), text),
        ProviderSpec::Command { hooks } => facts.text("hosts", &format!("by `{}`", shown(&hooks.acquire)), text),
        ProviderSpec::Http { api } => facts.text("hosts", &format!("by {}", shown(&api.url)), text),
        ProviderSpec::Slurm { allocation } => {
            let each = allocation.time.map(|time| format!(", each for {time}")).unwrap_or_default();
            facts.text("hosts", &format!("allocations of Slurm, by {}{each}", shown(&allocation.login)), text);
            let waits = |node: &&std::sync::Arc<Node>| node.state == NodeState::Allocating;
            let awaited: Vec<_> =
                cx.world.nodes_of(cluster.id).iter().filter_map(|id| cx.world.node(*id)).filter(waits).collect();
            if let Some(first) = awaited.first() {
                let why = first.awaited.as_deref().map_or_else(|| "asked for".to_owned(), shown);
                let each =
                    if awaited.len() > 1 { format!("{} wait, the first: ", awaited.len()) } else { "1 waits: ".to_owned() };
                facts.text("", &format!("{each}{why}"), muted);
            }
        }
    }
    taken_away(cluster, &mut facts, cx);
    if let Some(size) = &cluster.spec.vm_size {
        facts.text("class", &shown(size), text);
    }
    facts.done()
}

/// What its provider takes away, and has taken.
fn taken_away(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    if cluster.noticed + cluster.lost > 0 {
        let text = format!("{} machines with notice, {} without", cluster.noticed, cluster.lost);
        facts.text("taken away", &text, cx.style(Role::Muted));
    }
}

/// Returns what a cluster has cost and costs.
pub fn standing(cluster: &Cluster, cx: &Cx) -> Standing {
    let nodes = cx.world.nodes_of(cluster.id).iter().filter_map(|id| cx.world.node(*id)).map(|node| &**node);
    Standing::of(cluster, nodes, cx.now)
}

/// Where its cost goes, when its nodes have a price.
fn cost(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    let (muted, text) = (cx.style(Role::Muted), cx.style(Role::Text));
    let standing = standing(cluster, cx);
    let total = standing.spent.total();
    if total <= Money(0) && standing.rate <= Money(0) && cluster.budget.is_none() {
        return;
    }
    let spent = standing.spent;
    facts.text("cost", &format!("{total} so far, {}/h now", standing.rate), text);
    facts.text("", &format!("{} busy, {} idle, {} unusable", spent.busy, spent.idle, spent.unusable), muted);
    if let Some(budget) = &cluster.budget {
        let lasts = budget.left(total).lasts(standing.rate).map(|span| format!("; lasts {span}")).unwrap_or_default();
        facts.text("budget", &format!("{}{lasts}", budget.words(total)), text);
    }
    if standing.hint(cluster).is_some() {
        let (idle, unusable) = (standing.idle_nodes, standing.unusable_nodes);
        let wasted = standing.idle_rate + standing.unusable_rate;
        let key = cx.key_of(CommandId::ScaleIdle);
        facts.text("", &format!("{idle} idle and {unusable} unusable cost {wasted}/h: {key} lets them go"), muted);
    }
}

/// How the number of nodes comes about, and what happens to it next by itself.
fn scaling(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    let muted = cx.style(Role::Muted);
    match &cluster.spec.scale_settings {
        ScaleSettings::Manual { node_deallocation_option, .. } => {
            let option = match node_deallocation_option {
                Deallocation::Requeue => "jobs on nodes that go are put back in the queue",
                Deallocation::Terminate => "jobs on nodes that go are ended",
                Deallocation::WaitForJobCompletion => "nodes go once their jobs have ended",
            };
            facts.text("scaling", option, muted);
        }
        ScaleSettings::AutoScale(auto) => {
            let (least, most, idle) = (auto.minimum_node_count, auto.maximum_node_count, auto.idle);
            facts.text("scaling", &format!("auto, {least} to {most} nodes; one goes after {idle} without use"), muted);
            if let Some(rule) = &auto.gpu_idle {
                facts.text("", &rule.words(), muted);
            }
            if let Some(next) = &cluster.auto.next {
                let left = next.at.since(cx.now);
                facts.text("by itself", &format!("in {left}: {}", shown(&next.what)), cx.style(Role::Text));
            }
        }
    }
}

fn target(cluster: &Cluster, counts: NodeCounts, facts: &mut Facts<'_>, cx: &Cx) {
    let (muted, strong) = (cx.style(Role::Muted), cx.style(Role::Strong));
    let target = cluster.spec.scale_settings.target();
    let mut spans = vec![Span::styled(target.to_string(), strong)];
    match cluster.allocation {
        AllocationState::Steady if counts.on_the_way() > 0 => {
            let text = format!("   {}{}{target}", counts.ready(), cx.glyph(Glyph::Arrow));
            spans.push(Span::styled(text, cx.style(Role::Preparing)));
        }
        AllocationState::Steady => spans.push(Span::styled("   steady", muted)),
        AllocationState::Resizing => {
            let (now, arrow) = (counts.ready(), cx.glyph(Glyph::Arrow));
            let since = cx.now.since(cluster.allocation_since);
            spans.push(Span::styled(format!("   {now}{arrow}{target} resizing for {since}"), cx.style(Role::Preparing)));
        }
    }
    if cluster.deleting {
        spans.push(Span::styled("   being deleted", cx.style(Role::Leaving)));
    }
    facts.spans("target", spans);
    match &cx.proposal {
        Some(proposal) if proposal.cluster == cluster.id => {
            facts.text("proposed", &proposal_line(proposal, cx), cx.style(Role::Proposal));
            let (enter, esc) = (cx.key_of(CommandId::Open), cx.key_of(CommandId::Cancel));
            facts.text("", &format!("{enter} applies it, {esc} leaves it as it is"), muted);
        }
        Some(_) | None if !cx.look.readonly => {
            let (up, down) = (cx.key_of(CommandId::ScaleUp), cx.key_of(CommandId::ScaleDown));
            let back = match cluster.before.as_deref() {
                None => String::new(),
                Some(ScaleSettings::Manual { target_node_count, .. }) => {
                    format!("; {} goes back to {target_node_count}", cx.key_of(CommandId::Undo))
                }
                Some(ScaleSettings::AutoScale(_)) => format!("; {} goes back to auto-scale", cx.key_of(CommandId::Undo)),
            };
            facts.text("", &format!("{up} {down} or a number changes it{back}"), muted);
        }
        Some(_) | None => {}
    }
}

fn state_pieces(counts: NodeCounts, cx: &Cx) -> Vec<Vec<Span<'static>>> {
    let states = [
        (counts.running, "running", Glyph::Full, Role::Running),
        (counts.idle, "idle", Glyph::Hollow, Role::Idle),
        (counts.preparing, "preparing", Glyph::Half, Role::Preparing),
        (counts.allocating, "allocating", Glyph::Queued, Role::Allocating),
        (counts.leaving, "leaving", Glyph::Half, Role::Leaving),
        (counts.unusable, "unusable", Glyph::Alert, Role::Unusable),
    ];
    let piece = |(count, word, glyph, role): (u32, &str, Glyph, Role)| {
        vec![
            Span::styled(format!("{} {count} ", cx.glyph(glyph)), cx.style(role)),
            Span::styled(word.to_owned(), cx.style(Role::Muted)),
        ]
    };
    let some: Vec<_> = states.into_iter().filter(|(count, ..)| *count > 0).map(piece).collect();
    if some.is_empty() { vec![vec![Span::styled("none", cx.style(Role::Muted))]] } else { some }
}

/// One symbol a node, in the order of the table, so that a picture of the whole cluster fits a few lines.
fn node_map(id: ClusterId, width: u16, cx: &Cx) -> Vec<Vec<Span<'static>>> {
    let nodes = cx.world.nodes_of(id);
    if nodes.len() < 2 {
        return Vec::new();
    }
    let per_line = usize::from((width.saturating_sub(14) / 2).max(4));
    let symbol = |id: &NodeId| {
        let Some(node) = cx.world.node(*id) else { return Span::from("  ") };
        let role = if matches!(node.reach, Reach::Lost { .. }) { Role::Stale } else { node_role(&node.state) };
        Span::styled(format!("{} ", cx.glyph(Glyph::node(&node.state))), cx.style(role))
    };
    let drawn = &nodes[..nodes.len().min(NODES_DRAWN_MAX)];
    drawn.chunks(per_line).map(|line| line.iter().map(symbol).collect()).collect()
}

/// Adds what its provider did not do.
pub fn errors(cluster: &Cluster, facts: &mut Facts<'_>, cx: &Cx) {
    // What a provider did not do counts for the cluster, and what a node met for the node alone.
    let waits = cluster.auto.retry_at.is_some() || cluster.auto.paused;
    if waits && !cx.look.readonly {
        let key = cx.key_of(CommandId::ResumeScaling);
        let when = match cluster.auto.retry_at {
            Some(at) => format!("nodes are asked for again in {}; {key} does it now", at.since(cx.now)),
            None => format!("paused after {} failures in a row: {key} asks for nodes again", cluster.auto.failures),
        };
        facts.text("nodes", &when, cx.style(Role::Warning));
    }
    for error in &cluster.errors {
        facts.text("error", &format!("{}: {}", shown(&error.code), shown(&error.message)), cx.style(Role::Bad));
        for (name, value) in &error.details {
            facts.text("", &format!("{}: {}", shown(name), shown(value)), cx.style(Role::Muted));
        }
    }
}

fn nodes_tab(cluster: &Cluster, width: u16, cx: &Cx) -> Content {
    let mut columns = vec![
        Column::left("node", Width::Between(12, 24)),
        Column::left("state", Width::Cells(12)),
        Column::right("since", 6),
        Column::left("job", Width::Between(10, 20)),
        Column::left("busy", Width::Between(8, 16)),
        Column::left("reason", Width::AtLeast(18)),
        Column::right("memory", 6),
        Column::right("power", 6),
    ];
    if cluster.spec.provider.is_slurm() {
        columns.splice(3..3, [Column::left("allocation", Width::Cells(10)), Column::right("left", 6)]);
        // What is told of a node that is not there stands below in full.
        columns[0].width = Width::Between(8, 24);
    }
    let nodes = cx.world.nodes_of(cluster.id);
    let mut above = Vec::new();
    if nodes.is_empty() {
        let text = format!(" no nodes; {} proposes one", cx.key_of(CommandId::ScaleUp));
        above.push(Line::from(Span::styled(text, cx.style(Role::Muted))));
    }
    let mut facts = Facts::new(cx, width);
    let unusable = nodes.iter().filter_map(|id| cx.world.node(*id)).filter_map(|node| match &node.state {
        NodeState::Unusable(why) => Some((node, why)),
        NodeState::Allocating | NodeState::Preparing | NodeState::Idle | NodeState::Running | NodeState::Leaving => None,
    });
    for (node, why) in unusable.take(UNUSABLE_TOLD_MAX) {
        let head = format!("{} {}: {}", cx.glyph(Glyph::Alert), shown(&node.name), shown(&why.step));
        facts.prose(&head, cx.style(Role::Unusable));
        facts.prose(&shown(&why.message), cx.style(Role::Text));
    }
    let awaited = nodes.iter().filter_map(|id| cx.world.node(*id)).filter(|node| node.state == NodeState::Allocating);
    for (node, why) in awaited.filter_map(|node| Some((node, node.awaited.as_deref()?))).take(AWAITED_TOLD_MAX) {
        facts.prose(&format!("{} {} waits: {}", cx.glyph(Glyph::Queued), node.id, shown(why)), cx.style(Role::Muted));
    }
    let table = TableContent {
        above,
        columns,
        len: nodes.len(),
        rows: Rows::Nodes(cluster.id, Arc::default()),
        below: facts.done(),
    };
    Content::Table(Box::new(table))
}

/// Returns a row of the table of nodes.
pub fn node_row(id: NodeId, samples: &loads::Samples, cx: &Cx) -> Row {
    let Some(node) = cx.world.node(id) else { return Vec::new() };
    let lost = matches!(node.reach, Reach::Lost { .. });
    let style = |role| cx.style(if lost { Role::Stale } else { role });
    let name = |id| cx.world.job(id).map_or_else(|| id.to_string(), |job| shown(&job.name));
    let jobs = node.holders.iter().map(|(id, _)| name(*id)).collect::<Vec<_>>().join(" ");
    let name = if node.name.is_empty() { node.id.to_string() } else { shown(&node.name) };
    let word = format!("{} {}", cx.glyph(Glyph::node(&node.state)), node.state.word());
    let (memory, power) = loads::memory_and_power(node, samples, cx);
    let reason = node_reason(node, cx);
    let mut row = vec![
        Span::styled(name, style(Role::Text)),
        Span::styled(word, style(node_role(&node.state))),
        Span::styled(cx.now.since(node.since).to_string(), style(Role::Muted)),
        Span::styled(jobs, style(Role::Text)),
        Span::styled(loads::cell(node, samples, cx), style(Role::Running)),
        Span::styled(reason, style(Role::Muted)),
        Span::styled(memory, style(Role::Muted)),
        Span::styled(power, style(Role::Muted)),
    ];
    if cx.world.cluster(node.cluster).is_some_and(|cluster| cluster.spec.provider.is_slurm()) {
        let left = node.ends.map(|at| if at > cx.now { at.since(cx.now).to_string() } else { "none".to_owned() });
        let number = Span::styled(shown(node.allocation().unwrap_or_default()), style(Role::Text));
        row.splice(3..3, [number, Span::styled(left.unwrap_or_default(), style(Role::Muted))]);
    }
    row
}

/// Returns in how long a node that is out of sight is tried again; nothing when that is not known.
pub fn countdown(next_try: Option<UnixMillis>, cx: &Cx) -> Option<String> {
    let at = next_try?;
    Some(if at > cx.now { format!("next try in {}", at.since(cx.now)) } else { "being tried now".to_owned() })
}

/// Returns which allocation of Slurm a node is, and how much of it is left.
pub fn allocation(node: &Node, cx: &Cx) -> Option<String> {
    let number = shown(node.allocation()?);
    Some(match node.ends {
        Some(at) if at > cx.now => format!("allocation {number}, {} left", at.since(cx.now)),
        Some(_) => format!("allocation {number}, at its end"),
        None => format!("allocation {number}"),
    })
}

/// Returns why a node is as it is, in a few words.
pub fn node_reason(node: &Node, cx: &Cx) -> String {
    match (&node.state, &node.reach) {
        (NodeState::Unusable(why), _) => format!("{}: {}", shown(&why.step), shown(&why.message)),
        (_, Reach::Lost { since, why, next_try }) => {
            let next = countdown(*next_try, cx).map(|next| format!(" · {next}")).unwrap_or_default();
            format!("not seen for {}{next}: {}", cx.now.since(*since), shown(why))
        }
        (NodeState::Allocating, Reach::Never | Reach::Seen) if node.awaited.is_some() => {
            shown(node.awaited.as_deref().unwrap_or_default())
        }
        (_, Reach::Never | Reach::Seen) if node.drained => "drained: no new work".to_owned(),
        (_, Reach::Never | Reach::Seen) => match warnings(node, cx.now).into_iter().next() {
            Some(warning) => shown(&warning),
            None => Idleness::of(node).told(cx.now, node.observed.gpus),
        },
    }
}

/// Returns what a job waits for, and until when at the latest.
fn waiting(head: &QueueHead, cx: &Cx) -> String {
    let starts = match head.starts {
        Some(at) if at > cx.now => format!("; starts in {} at the latest", at.since(cx.now)),
        Some(_) => "; starts at any moment".to_owned(),
        None => String::new(),
    };
    format!("{}: {}{starts}", shown(&head.name), shown(&head.waits_for))
}

fn queue_tab(cluster: &Cluster, width: u16, cx: &Cx) -> Content {
    let mut facts = Facts::new(cx, width);
    match &cluster.head {
        Some(head) => {
            facts.text("next", &waiting(head, cx), cx.style(Role::Text));
            if let Some(kept_for) = &cluster.kept_for {
                facts.text("kept for", &waiting(kept_for, cx), cx.style(Role::Text));
            }
        }
        None => facts.prose("nothing waits", cx.style(Role::Muted)),
    }
    let columns = vec![
        Column::right("#", 5),
        Column::left("job", Width::Between(12, 28)),
        Column::left("priority", Width::Cells(8)),
        Column::right("nodes", 5),
        Column::right("waits", 6),
        Column::left("experiment", Width::AtLeast(10)),
    ];
    let len = cx.world.queue_len(cluster.id);
    let table = TableContent { above: facts.done(), columns, len, rows: Rows::Queue(cluster.id), below: Vec::new() };
    Content::Table(Box::new(table))
}

/// Returns a row of the table of waiting jobs.
pub fn queue_row(at: usize, id: JobId, cx: &Cx) -> Row {
    let Some(job) = cx.world.job(id) else { return Vec::new() };
    let experiment = cx.world.experiment(job.experiment).map(|e| shown(&e.name)).unwrap_or_default();
    let text = |text: String, role| Span::styled(text, cx.style(role));
    let name = if job.held { format!("{} {}", cx.glyph(Glyph::Held), shown(&job.name)) } else { shown(&job.name) };
    vec![
        text((at + 1).to_string(), Role::Muted),
        text(name, Role::Text),
        text(priority_word(job.priority).to_owned(), Role::Muted),
        text(job.spec.node_count.to_string(), Role::Text),
        text(cx.now.since(job.since).to_string(), Role::Muted),
        text(experiment, Role::Muted),
    ]
}

/// Returns what happened to a cluster and what was done here.
pub fn events_tab(cluster: &Cluster, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    let text = cx.style(Role::Text);
    facts.text(&format!("{} ago", cx.now.since(cluster.created)), "made", text);
    let word = match cluster.allocation {
        AllocationState::Steady => "steady",
        AllocationState::Resizing => "resizing",
    };
    facts.text(&format!("{} ago", cx.now.since(cluster.allocation_since)), word, text);
    errors(cluster, &mut facts, cx);
    about::acts(|about| about == Some(Subject::Cluster(cluster.id)), &mut facts, cx);
    facts.done()
}
