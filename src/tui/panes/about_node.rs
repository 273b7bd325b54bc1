//! What the detail pane shows of a node.

use ratatui::text::{Line, Span};

use super::about::{self, Content, Tab};
use super::tree_draw::node_role;
use crate::commands::CommandId;
use crate::model::ids::NodeId;
use crate::model::state::observed::warnings;
use crate::model::state::{Idleness, Node, NodeState, Reach};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::glyph::Glyph;

/// Returns what a tab of a node shows.
pub fn content(id: NodeId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let Some(node) = cx.world.node(id) else { return Content::Lines(Vec::new()) };
    Content::Lines(match tab {
        Tab::Events => events(node, width, cx),
        // The pane has its cursor and what was measured.
        Tab::History => Vec::new(),
        _ => overview(node, width, cx),
    })
}

fn overview(node: &Node, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let (text, muted) = (cx.style(Role::Text), cx.style(Role::Muted));
    let mut facts = Facts::new(cx, width);
    let word = format!("{} {}", cx.glyph(Glyph::node(&node.state)), node.state.word());
    let mut state = vec![Span::styled(word, cx.style(node_role(&node.state)))];
    state.push(Span::styled(format!("  for {}", cx.now.since(node.since)), muted));
    if node.drained {
        state.push(Span::styled("   drained: no new work", cx.style(Role::Warning)));
    }
    facts.spans("state", state);
    reach(node, &mut facts, cx);
    if let NodeState::Unusable(why) = &node.state {
        facts.text("failed at", &shown(&why.step), cx.style(Role::Bad));
        facts.text("it said", &shown(&why.message), text);
        let key = cx.key_of(CommandId::Prepare);
        facts.text("", &format!("{key} prepares it again"), muted);
    }
    if let (NodeState::Allocating, Some(why)) = (&node.state, &node.awaited) {
        facts.text("waits", &shown(why), text);
    }
    if let Some(mismatch) = &node.mismatch {
        facts.text("class", &shown(mismatch), cx.style(Role::Warning));
    }
    for (at, warning) in warnings(node, cx.now).into_iter().enumerate() {
        facts.text(if at == 0 { "beware" } else { "" }, &shown(&warning), cx.style(Role::Warning));
    }
    let idle = Idleness::of(node).told(cx.now, node.observed.gpus);
    if !idle.is_empty() {
        facts.text("idle", &idle, muted);
    }
    for (at, (job, attempt)) in node.holders.iter().enumerate() {
        let label = match (at, node.holders.len()) {
            (0, 1) => "job",
            (0, _) => "jobs",
            _ => "",
        };
        let job = *job;
        let name = cx.world.job(job).map_or_else(|| job.to_string(), |job| shown(&job.name));
        facts.text(label, &format!("{name}, attempt {}", attempt.0), text);
    }
    match super::about_cluster::allocation(node, cx) {
        Some(allocation) => facts.text("Slurm", &allocation, text),
        None => facts.text("host", &shown(&node.host), text),
    }
    if let Some(said) = &node.facts {
        facts.heading("What it said of itself");
        facts.text("name", &shown(&said.hostname), text);
        facts.text("address", &shown(&said.address), text);
        facts.text("system", &shown(&said.os), text);
        let capacity = &said.capacity;
        let mut has = vec![format!("{} CPUs", capacity.cpus_milli / 1000), capacity.memory.to_string()];
        if capacity.gpus_milli > 0 {
            has.push(format!("{} GPUs", capacity.gpus_milli / 1000));
        }
        if said.disk.0 > 0 {
            has.push(format!("{} of disk", said.disk));
        }
        facts.text("has", &has.join(", "), text);
        for (name, count) in counted(&said.gpu_names) {
            facts.text("", &shown(&format!("{count} × {name}")), muted);
        }
        facts.text("login", &shown(&said.user), text);
        if let Some(login) = &said.login {
            facts.text("ssh goes to", &shown(&format!("{} port {}", login.host, login.port)), muted);
        }
        facts.text("shell", &shown(&said.shell), muted);
        facts.text("spool", &shown(&said.root), muted);
    }
    if let Some(boot) = &node.boot {
        facts.text("boot", &shown(&boot.0), muted);
    }
    facts.done()
}

/// Returns each name with how often it stands there.
fn counted(names: &[String]) -> std::collections::BTreeMap<&str, usize> {
    names.iter().fold(std::collections::BTreeMap::new(), |mut all, name| {
        *all.entry(name.as_str()).or_default() += 1;
        all
    })
}

fn reach(node: &Node, facts: &mut Facts<'_>, cx: &Cx) {
    match &node.reach {
        Reach::Never => facts.text("reach", "not reached yet", cx.style(Role::Muted)),
        Reach::Seen => facts.text("reach", "its agent answers", cx.style(Role::Good)),
        Reach::Lost { since, why, next_try } => {
            let text = format!("not seen for {}; what is shown is from then", cx.now.since(*since));
            facts.text("reach", &text, cx.style(Role::Stale));
            let key = cx.key_of(CommandId::Prepare);
            let next = match super::about_cluster::countdown(*next_try, cx) {
                Some(next) => format!("{next}; {key} tries now"),
                None => format!("not tried by itself; {key} tries now"),
            };
            facts.text("again", &next, cx.style(Role::Text));
            facts.text("ssh said", &shown(why), cx.style(Role::Text));
        }
    }
}

fn events(node: &Node, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    facts.text(&format!("{} ago", cx.now.since(node.since)), node.state.word(), cx.style(Role::Text));
    about::acts(|about| about == Some(Subject::Node(node.id)), &mut facts, cx);
    facts.done()
}
