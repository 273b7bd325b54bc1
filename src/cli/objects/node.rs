//! A node of a cluster.

use serde_json::{Value, json};

use super::{maybe_time, time};
use crate::cli::output::{Column, Look, Row};
use crate::model::state::observed::warnings;
use crate::model::state::{Idleness, Node, NodeState, Reach};

/// The columns of a list of nodes.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "ADDRESS", look: Look::Text },
    Column { title: "PORT", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "JOB", look: Look::Text },
    Column { title: "ID", look: Look::Wide },
    Column { title: "CPUS", look: Look::Wide },
    Column { title: "MEMORY", look: Look::Wide },
    Column { title: "GPUS", look: Look::Wide },
    Column { title: "SINCE", look: Look::Wide },
    Column { title: "IDLE", look: Look::Wide },
    Column { title: "REASON", look: Look::Text },
];

/// Returns why the node is where it is, in words; empty when there is nothing to say.
pub fn reason(node: &Node) -> String {
    let mut parts = Vec::new();
    if let NodeState::Unusable(why) = &node.state {
        parts.push(format!("{}: {}", why.step, why.message));
    }
    if let Reach::Lost { since, why, next_try } = &node.reach {
        // A node that became unusable because of its link has said why already.
        let by_link = matches!(&node.state, NodeState::Unusable(unusable) if unusable.message == *why);
        let why = if by_link || why.is_empty() { String::new() } else { format!(" ({why})") };
        parts.push(format!("unreachable since {}{why}", since.rfc3339()));
        // What a second try would not change: a refused sign-in, another host key.
        if by_link && next_try.is_none() {
            parts.push(format!("not tried by itself: `ostler cluster node prepare {}` tries now", name(node)));
        }
    }
    if let (NodeState::Allocating, Some(why)) = (&node.state, &node.awaited) {
        parts.push(why.clone());
    }
    if let Some(lent) = lent(node) {
        parts.push(lent);
    }
    if let Some(mismatch) = &node.mismatch {
        parts.push(mismatch.clone());
    }
    if node.drained {
        parts.push("drained: gets no new work".to_owned());
    }
    parts.extend(warnings(node, super::cost::now()));
    parts.join("; ")
}

/// Returns which allocation of Slurm a node is, and how much of it is left.
fn lent(node: &Node) -> Option<String> {
    let now = super::cost::now();
    node.allocation().map(|allocation| match node.ends {
        Some(at) if at > now => format!("allocation {allocation}, {} left", at.since(now)),
        Some(_) | None => format!("allocation {allocation}"),
    })
}

/// Returns in which of the three ways the node is idle, in words.
pub fn idleness(node: &Node) -> String {
    Idleness::of(node).told(super::cost::now(), node.observed.gpus)
}

/// Returns the name, as far as the provider has given one.
pub fn name(node: &Node) -> String {
    if node.name.is_empty() { node.id.to_string() } else { node.name.clone() }
}

/// Returns the object.
pub fn value(node: &Node) -> Value {
    let facts = node.facts.as_ref();
    let login = facts.and_then(|facts| facts.login.as_ref());
    let (reached, lost_since) = match &node.reach {
        Reach::Never => ("never", None),
        Reach::Seen => ("seen", None),
        Reach::Lost { since, .. } => ("lost", Some(*since)),
    };
    let idle = Idleness::of(node);
    json!({
        "name": name(node),
        "id": node.id.to_string(),
        "address": node.host,
        "nodeId": name(node),
        "ipAddress": login.map(|login| login.host.clone()),
        "port": login.map(|login| login.port),
        "adminUserName": login.map(|login| login.user.clone()),
        "internalAddress": facts.map(|facts| facts.address.clone()),
        "state": node.state.word(),
        "stateTransitionTime": time(node.since),
        "reason": reason(node),
        "reach": reached,
        "lostSince": maybe_time(lost_since),
        "drained": node.drained,
        "job": node.holders.first().map(|(job, _)| job.to_string()),
        "jobs": node.holders.iter().map(|(job, _)| job.to_string()).collect::<Vec<_>>(),
        "operatingSystem": facts.map(|facts| facts.os.clone()),
        "cpuCount": facts.map(|facts| facts.capacity.cpus_milli as f64 / 1000.0),
        "memoryBytes": facts.map(|facts| facts.capacity.memory.0),
        "gpuCount": facts.map(|facts| facts.capacity.gpus_milli as f64 / 1000.0),
        "gpuNames": facts.map(|facts| facts.gpu_names.clone()),
        "agent": facts.map(|facts| if facts.agent.is_empty() { "shell" } else { facts.agent.as_str() }),
        "diskBytes": facts.map(|facts| facts.disk.0).filter(|bytes| *bytes > 0),
        "mismatch": node.mismatch,
        "clockAheadMs": node.observed.clock_ahead,
        "idle": {
            "noJobSince": maybe_time(idle.no_job),
            "noUseSince": maybe_time(idle.no_use),
            "noGpuUseSince": maybe_time(idle.no_gpu_use),
            "nobodyAttachedSince": maybe_time(idle.nobody),
        },
        "gpusNotUsedSince": maybe_time(node.wasted),
        "strangersOnGpus": node.observed.strangers,
        "leavesAt": maybe_time(node.notice.as_ref().map(|notice| notice.at)),
    })
}

/// Returns the line of a list.
pub fn row(node: &Node) -> Row {
    let login = node.facts.as_ref().and_then(|facts| facts.login.as_ref());
    let capacity = node.facts.as_ref().map(|facts| &facts.capacity);
    let thousandths = |n: u64| (n as f64 / 1000.0).to_string();
    Row {
        cells: vec![
            name(node),
            node.host.clone(),
            login.map(|login| login.port.to_string()).unwrap_or_default(),
            node.state.word().to_owned(),
            node.holders.iter().map(|(job, _)| job.to_string()).collect::<Vec<_>>().join(" "),
            node.id.to_string(),
            capacity.map(|c| thousandths(c.cpus_milli)).unwrap_or_default(),
            capacity.map(|c| c.memory.to_string()).unwrap_or_default(),
            capacity.map(|c| thousandths(c.gpus_milli)).unwrap_or_default(),
            node.since.rfc3339(),
            Idleness::of(node).words(super::cost::now(), node.observed.gpus),
            reason(node),
        ],
        value: value(node),
        name: name(node),
    }
}
