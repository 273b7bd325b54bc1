//! A cluster with its nodes: target against actual.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{cost, error, node, time};
use crate::cli::lists::Home;
use crate::cli::output::{Column, Look, Row};
use crate::model::alike::strangers;
use crate::model::cost::{Brake, Standing};
use crate::model::resource_id::{Child, ResourceId};
use crate::model::spec::{AutoScale, ScaleSettings, body};
use crate::model::state::{AllocationState, Cluster, Node, NodeState};

/// The columns of a list of clusters.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "RESOURCE GROUP", look: Look::Unless("default") },
    Column { title: "WORKSPACE", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "TARGET", look: Look::Number },
    Column { title: "NODES", look: Look::Number },
    Column { title: "IDLE", look: Look::Number },
    Column { title: "RUNNING", look: Look::Number },
    Column { title: "PREPARING", look: Look::Number },
    Column { title: "LEAVING", look: Look::Number },
    Column { title: "UNUSABLE", look: Look::Number },
    Column { title: "QUEUED", look: Look::Number },
    Column { title: "PROVIDER", look: Look::Wide },
    Column { title: "VM SIZE", look: Look::Unless("") },
    Column { title: "ERROR", look: Look::Text },
];

/// How many nodes are in each published state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ready, no job.
    pub idle: u32,
    /// At work.
    pub running: u32,
    /// Being made ready.
    pub preparing: u32,
    /// Not to be used.
    pub unusable: u32,
    /// On the way out.
    pub leaving: u32,
}

impl Counts {
    /// Counts nodes; those that are only asked for are none yet.
    pub fn of(nodes: &[Arc<Node>]) -> Self {
        let mut counts = Self::default();
        for node in nodes {
            match node.state {
                NodeState::Allocating => {}
                NodeState::Preparing => counts.preparing += 1,
                NodeState::Idle => counts.idle += 1,
                NodeState::Running => counts.running += 1,
                NodeState::Unusable(_) => counts.unusable += 1,
                NodeState::Leaving => counts.leaving += 1,
            }
        }
        counts
    }

    /// Returns `currentNodeCount`.
    pub fn total(self) -> u32 {
        self.idle + self.running + self.preparing + self.unusable + self.leaving
    }
}

fn allocation(cluster: &Cluster) -> &'static str {
    match cluster.allocation {
        AllocationState::Steady => "steady",
        AllocationState::Resizing => "resizing",
    }
}

fn state(cluster: &Cluster) -> &'static str {
    if cluster.deleting { "deleting" } else { allocation(cluster) }
}

fn provider(cluster: &Cluster) -> (&'static str, Option<&Vec<String>>) {
    match cluster.spec.slurm {
        Some(_) => ("slurm", None),
        None => (cluster.spec.provider.word(), cluster.spec.provider.hosts()),
    }
}

/// Returns the published form, which also reads back.
pub(in crate::cli) fn scaling(settings: &ScaleSettings) -> Value {
    match settings {
        ScaleSettings::Manual { .. } => json!(settings),
        ScaleSettings::AutoScale(auto) => {
            let bounds = json!({
                "minimumNodeCount": auto.minimum_node_count,
                "maximumNodeCount": auto.maximum_node_count,
                "initialNodeCount": auto.initial_node_count,
                "idleTime": body::iso_span(auto.idle),
            });
            json!({"autoScale": body::with_gpu_idle(bounds, auto)})
        }
    }
}

/// Returns how a cluster is scaled, and what comes next by itself, as a person reads it.
fn scaling_line(cluster: &Cluster) -> String {
    let mut line = match &cluster.spec.scale_settings {
        ScaleSettings::Manual { .. } => "by hand".to_owned(),
        ScaleSettings::AutoScale(auto) => format!(
            "auto-scale, {} to {} nodes, a node goes after {} without use",
            auto.minimum_node_count, auto.maximum_node_count, auto.idle
        ),
    };
    if let ScaleSettings::AutoScale(AutoScale { gpu_idle: Some(rule), .. }) = &cluster.spec.scale_settings {
        line.push_str(&format!("; {}", rule.words()));
    }
    if let Some(until) = cluster.auto.awake_until {
        line.push_str(&format!("; none before {}", until.rfc3339()));
    }
    if let Some(next) = &cluster.auto.next {
        line.push_str(&format!("; {} at {}", next.what, next.at.rfc3339()));
    }
    if cluster.auto.paused {
        line.push_str(&format!(
            "; paused after {} failures, `ostler cluster resume {}` goes on",
            cluster.auto.failures, cluster.name
        ));
    }
    if cluster.brake > Brake::None {
        line.push_str(&format!("; a budget is used up: {}", cluster.brake.word()));
    }
    if cluster.short_of_money {
        line.push_str("; more nodes would take the forecast above the budget");
    }
    if cluster.noticed > 0 {
        line.push_str(&format!("; {} machines were taken away by the provider with notice", cluster.noticed));
    }
    if cluster.lost > 0 {
        line.push_str(&format!("; {} machines were taken away by the provider", cluster.lost));
    }
    line
}

/// Returns a number of nodes, where they are ours to count: of a cluster of Slurm the only one is its login node, and how many Slurm has
/// is asked by `show`.
fn ours(cluster: &Cluster, count: u32) -> Option<u32> {
    cluster.spec.slurm.is_none().then_some(count)
}

/// Returns the object.
pub fn value(cluster: &Cluster, home: Home<'_>, nodes: &[Arc<Node>]) -> Value {
    let counts = Counts::of(nodes);
    let (provider, _) = provider(cluster);
    let standing = Standing::of(cluster, nodes.iter().map(|node| &**node), cost::now());
    let hint = standing.hint(cluster);
    let errors: Vec<Value> = cluster.errors.iter().map(|e| error(&e.code, &e.message, &e.details)).collect();
    let strange = strangers(nodes.iter().map(|node| &**node));
    let one = |node: &Arc<Node>| {
        let mut value = node::value(node);
        value["differs"] = json!(strange.get(&node.id));
        value
    };
    let nodes: Vec<Value> = nodes.iter().map(one).collect();
    let target_node_count = cluster.spec.scale_settings.target();
    let ours = |count: u32| ours(cluster, count);
    let mut value = json!({
        "name": cluster.name,
        "id": cluster.id.to_string(),
        "resourceId": home.id(Some(Child::Cluster(cluster.name.clone()))),
        "resourceGroup": home.group,
        "workspace": home.workspace,
        "provisioningState": super::workspace::provisioning(cluster.deleting),
        "provisioningStateTransitionTime": time(cluster.deleting_since.unwrap_or(cluster.created)),
        "allocationState": allocation(cluster),
        "allocationStateTransitionTime": time(cluster.allocation_since),
        "creationTime": time(cluster.created),
        "currentNodeCount": ours(counts.total()),
        "targetNodeCount": ours(target_node_count.0),
        "scaleSettings": scaling(&cluster.spec.scale_settings),
        "nextScaling": cluster.auto.next.as_ref().map(|next| json!({"time": time(next.at), "what": next.what})),
        "nodeStateCounts": {
            "idleNodeCount": ours(counts.idle),
            "runningNodeCount": ours(counts.running),
            "preparingNodeCount": ours(counts.preparing),
            "unusableNodeCount": ours(counts.unusable),
            "leavingNodeCount": ours(counts.leaving),
        },
        "errors": errors,
        "vmSize": cluster.spec.vm_size,
        "provider": provider,
        "queuedJobCount": cluster.waiting,
        "lostNodeCount": cluster.lost,
        "noticedNodeCount": cluster.noticed,
        "cost": cost::value(standing.spent, standing.rate, cluster.budget.as_ref(), hint.as_deref()),
        "nodes": nodes,
    });
    if let (Some(hosts), None) = (cluster.spec.provider.hosts(), &cluster.spec.slurm) {
        value["hosts"] = json!(hosts);
    }
    if let Some(map) = value.as_object_mut() {
        for (key, asked) in body::cluster(&cluster.spec) {
            map.entry(key).or_insert(asked);
        }
        if let Some(task) = map.get_mut("nodeSetup").and_then(|setup| setup.get_mut("setupTask")) {
            let suffix = ResourceId::setup_segment(home.group, home.workspace, &cluster.name, cluster.uuid);
            task["stdOutErrPathSuffix"] = json!(suffix);
        }
    }
    value
}

/// Returns the line of a list.
pub fn row(cluster: &Cluster, home: Home<'_>, nodes: &[Arc<Node>]) -> Row {
    let counts = Counts::of(nodes);
    let ours = |count: u32| ours(cluster, count).map_or_else(|| "-".to_owned(), |count| count.to_string());
    Row {
        cells: vec![
            cluster.name.clone(),
            home.group.to_owned(),
            home.workspace.to_owned(),
            state(cluster).to_owned(),
            ours(cluster.spec.scale_settings.target().0),
            ours(counts.total()),
            ours(counts.idle),
            ours(counts.running),
            ours(counts.preparing),
            ours(counts.leaving),
            ours(counts.unusable),
            cluster.waiting.to_string(),
            provider(cluster).0.to_owned(),
            cluster.spec.vm_size.clone().unwrap_or_default(),
            cluster.errors.first().map(|e| e.message.clone()).unwrap_or_default(),
        ],
        value: value(cluster, home, nodes),
        name: cluster.name.clone(),
    }
}

/// Returns the login node of a cluster of Slurm.
fn login(cluster: &Cluster) -> String {
    let host = cluster.spec.slurm.as_ref().and(cluster.spec.provider.hosts()).and_then(|hosts| hosts.first());
    host.cloned().unwrap_or_default()
}

/// Returns which nodes are not like most of the others.
fn differs(nodes: &[Arc<Node>]) -> String {
    let strange = strangers(nodes.iter().map(|node| &**node));
    let line = |node: &Arc<Node>| Some(format!("{} has {}", node::name(node), strange.get(&node.id)?));
    nodes.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// Returns what a person is told.
pub fn facts(cluster: &Cluster, home: Home<'_>, nodes: &[Arc<Node>]) -> Vec<(&'static str, String)> {
    let counts = Counts::of(nodes);
    let (provider, hosts) = provider(cluster);
    let account = cluster.spec.machines.user_account_settings.as_ref();
    let line = |node: &Arc<Node>| {
        let reason = node::reason(node);
        let more = if reason.is_empty() { String::new() } else { format!("  {reason}") };
        let idle = node::idleness(node);
        let idle = if idle.is_empty() { String::new() } else { format!("  ({idle})") };
        format!("{}  {}{idle}{more}", node::name(node), node.state.word())
    };
    vec![
        ("name", cluster.name.clone()),
        ("id", cluster.id.to_string()),
        ("workspace", home.workspace.to_owned()),
        ("state", state(cluster).to_owned()),
        ("target", cluster.spec.scale_settings.target().to_string()),
        ("scaling", scaling_line(cluster)),
        (
            "counts",
            format!(
                "{} nodes: {} idle, {} running, {} preparing, {} unusable, {} leaving",
                counts.total(),
                counts.idle,
                counts.running,
                counts.preparing,
                counts.unusable,
                counts.leaving
            ),
        ),
        ("queued", cluster.waiting.to_string()),
        ("node class", cluster.spec.vm_size.clone().unwrap_or_default()),
        ("provider", provider.to_owned()),
        ("hosts", hosts.map(|hosts| hosts.join(" ")).unwrap_or_default()),
        ("login node", login(cluster)),
        ("asks by", cluster.spec.rest.as_ref().map(|rest| format!("REST, {}", rest.url)).unwrap_or_default()),
        ("asks slurm for", cluster.spec.slurm.as_ref().map(|slurm| slurm.words().join(" ")).unwrap_or_default()),
        ("account", account.map(|account| account.admin_user_name.clone()).unwrap_or_default()),
        ("cost", cost::line(cluster, &Standing::of(cluster, nodes.iter().map(|node| &**node), cost::now()))),
        ("differs", differs(nodes)),
        ("created", cluster.created.rfc3339()),
        ("errors", cluster.errors.iter().map(|e| format!("{}: {}", e.code, e.message)).collect::<Vec<_>>().join("\n")),
        ("nodes", nodes.iter().map(line).collect::<Vec<_>>().join("\n")),
    ]
}
