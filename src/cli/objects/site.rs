//! What Slurm says of its own: nodes, partitions and the queue of everybody.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::maybe_time;
use crate::cli::output::{Column, Look, Row};
use crate::model::names::expand_hosts;
use crate::model::site::{Partition, Site, SiteCounts, SiteJob, SiteNode};

/// The columns of a list of nodes.
pub const NODES: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "PARTITIONS", look: Look::Text },
    Column { title: "CPUS", look: Look::Number },
    Column { title: "IN USE", look: Look::Number },
    Column { title: "MEMORY", look: Look::Number },
    Column { title: "GRES", look: Look::Unless("") },
    Column { title: "FEATURES", look: Look::Wide },
    Column { title: "JOBS", look: Look::Text },
    Column { title: "REASON", look: Look::Text },
];

/// The columns of a list of partitions.
pub const PARTITIONS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "TIME LIMIT", look: Look::Text },
    Column { title: "NODES", look: Look::Number },
    Column { title: "AT WORK", look: Look::Number },
    Column { title: "IDLE", look: Look::Number },
    Column { title: "OTHER", look: Look::Number },
    Column { title: "CPUS", look: Look::Number },
    Column { title: "CPUS IDLE", look: Look::Number },
];

/// The columns of the queue.
pub const QUEUE: &[Column] = &[
    Column { title: "JOB", look: Look::Text },
    Column { title: "NAME", look: Look::Text },
    Column { title: "USER", look: Look::Text },
    Column { title: "PARTITION", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "NODES", look: Look::Number },
    Column { title: "CPUS", look: Look::Number },
    Column { title: "GRES", look: Look::Unless("") },
    Column { title: "USED", look: Look::Number },
    Column { title: "LIMIT", look: Look::Number },
    Column { title: "PRIORITY", look: Look::Wide },
    Column { title: "ACCOUNT", look: Look::Wide },
    Column { title: "QOS", look: Look::Wide },
    Column { title: "STARTS", look: Look::Wide },
    Column { title: "ON", look: Look::Text },
    Column { title: "WHY", look: Look::Text },
];

/// Counts the nodes of a cluster as Slurm does: the only one of ours is its login node.
pub fn counted(site: &Site, facts: &mut [(&'static str, String)], value: &mut Value) {
    let counts = SiteCounts::of(&site.nodes);
    let SiteCounts { idle, running, preparing, unusable, leaving } = counts;
    let line = format!(
        "{} nodes of Slurm's: {idle} idle, {running} running, {preparing} preparing, {unusable} unusable, {leaving} leaving",
        counts.total()
    );
    let partition = |p: &Partition| {
        let [busy, idle, other, all] = p.nodes;
        format!("{}  {}  {all} nodes: {busy} at work, {idle} idle, {other} other", p.name, p.state)
    };
    for (name, text) in facts {
        match *name {
            "counts" => text.clone_from(&line),
            "nodes" => *text = site.partitions.iter().map(partition).collect::<Vec<_>>().join("\n"),
            _ => {}
        }
    }
    value["currentNodeCount"] = json!(counts.total());
    value["targetNodeCount"] = json!(counts.total());
    value["nodeStateCounts"] = json!({
        "idleNodeCount": idle,
        "runningNodeCount": running,
        "preparingNodeCount": preparing,
        "unusableNodeCount": unusable,
        "leavingNodeCount": leaving,
    });
}

/// Returns the line of a node, with the jobs that run on it.
pub fn node(holders: &Holders<'_>, node: &SiteNode) -> Row {
    let jobs = holders.get(&node.name).map(Vec::as_slice).unwrap_or_default();
    Row {
        cells: vec![
            node.name.clone(),
            node.state.clone(),
            node.partitions.join(","),
            node.cpus[3].to_string(),
            node.cpus[0].to_string(),
            format!("{} MiB", node.memory_mib),
            node.gres.clone(),
            node.features.clone(),
            jobs.iter().map(|job| format!("{} ({})", job.id, job.user)).collect::<Vec<_>>().join(" "),
            why(node),
        ],
        value: node_value(holders, node),
        name: node.name.clone(),
    }
}

/// Returns the object of a node.
pub fn node_value(holders: &Holders<'_>, node: &SiteNode) -> Value {
    let jobs = holders.get(&node.name).map(Vec::as_slice).unwrap_or_default();
    json!({
        "name": node.name,
        "state": node.state,
        "partitions": node.partitions,
        "cpuCount": node.cpus[3],
        "cpusInUse": node.cpus[0],
        "memoryMib": node.memory_mib,
        "gres": node.gres,
        "features": node.features,
        "reason": node.reason,
        "reasonBy": node.reason_by,
        "jobs": jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>(),
    })
}

fn why(node: &SiteNode) -> String {
    match (node.reason.is_empty(), node.reason_by.is_empty()) {
        (true, _) => String::new(),
        (false, true) => node.reason.clone(),
        (false, false) => format!("{} (by {})", node.reason, node.reason_by),
    }
}

/// The jobs of each node, by its name.
pub type Holders<'a> = BTreeMap<String, Vec<&'a SiteJob>>;

/// Returns who has which node.
pub fn holders(site: &Site) -> Holders<'_> {
    let mut holders = Holders::new();
    for job in &site.jobs {
        let names = job.has_nodes().then(|| expand_hosts(&job.on).ok());
        for name in names.flatten().unwrap_or_default() {
            holders.entry(name).or_default().push(job);
        }
    }
    holders
}

/// Returns the line of a partition.
pub fn partition(partition: &Partition) -> Row {
    let [at_work, idle, other, all] = partition.nodes.map(|count| count.to_string());
    Row {
        cells: vec![
            format!("{}{}", partition.name, if partition.default { "*" } else { "" }),
            partition.state.clone(),
            partition.time_limit.clone(),
            all,
            at_work,
            idle,
            other,
            partition.cpus[3].to_string(),
            partition.cpus[1].to_string(),
        ],
        value: json!({
            "name": partition.name,
            "default": partition.default,
            "state": partition.state,
            "timeLimit": partition.time_limit,
            "nodes": {"atWork": partition.nodes[0], "idle": partition.nodes[1], "other": partition.nodes[2], "all": partition.nodes[3]},
            "cpus": {"atWork": partition.cpus[0], "idle": partition.cpus[1], "other": partition.cpus[2], "all": partition.cpus[3]},
        }),
        name: partition.name.clone(),
    }
}

/// Returns the line of a job of the queue.
pub fn queued(job: &SiteJob) -> Row {
    Row {
        cells: vec![
            job.id.clone(),
            job.name.clone(),
            job.user.clone(),
            job.partition.clone(),
            job.state.to_lowercase(),
            job.nodes.to_string(),
            job.cpus.to_string(),
            job.gres.clone(),
            job.used.clone(),
            job.limit.clone(),
            job.priority.to_string(),
            job.account.clone(),
            job.qos.clone(),
            job.starts.map(|at| at.rfc3339()).unwrap_or_default(),
            job.on.clone(),
            job.why.clone(),
        ],
        value: json!({
            "id": job.id,
            "name": job.name,
            "user": job.user,
            "mine": job.mine,
            "partition": job.partition,
            "account": job.account,
            "qos": job.qos,
            "state": job.state,
            "reason": job.reason,
            "why": job.why,
            "nodeCount": job.nodes,
            "cpuCount": job.cpus,
            "memory": job.memory,
            "gres": job.gres,
            "timeLimit": job.limit,
            "timeUsed": job.used,
            "startTime": maybe_time(job.starts),
            "priority": job.priority,
            "nodes": job.on,
        }),
        name: job.id.clone(),
    }
}
