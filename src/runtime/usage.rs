//! How much there is of each kind, how much there may be, and the refusal when that would be exceeded. Capacity is no
//! limit of this kind: a cluster that cannot get its nodes is short of them, with an error entry, and nothing is refused.

use std::collections::BTreeMap;

use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::GroupId;
use crate::model::request::Usage;
use crate::model::units::NodeCount;
use crate::runtime::engine::Engine;
use crate::runtime::submit::LIVE_JOBS_MAX;
use crate::store::Store;

/// Returns the present number and the limit of each kind.
pub(super) fn usages<S: Store>(engine: &Engine<S>) -> Vec<Usage> {
    let (sched, settings) = (&engine.sched, &engine.settings);
    let mut groups: BTreeMap<GroupId, u64> = BTreeMap::from([(GroupId::DEFAULT, 0)]);
    for workspace in sched.workspaces().values() {
        *groups.entry(workspace.group).or_default() += 1;
    }
    let usage = |name: String, value: usize, limit: Option<u64>| Usage { name, value: value as u64, limit };
    let mut all: Vec<Usage> = groups
        .into_iter()
        .map(|(group, count)| {
            let name = format!("workspaces of resource group {}", sched.group_name(group));
            usage(name, count as usize, Some(settings.workspaces_per_group_max.into()))
        })
        .collect();
    all.push(usage("clusters".to_owned(), sched.clusters().len(), Some(settings.clusters_max.into())));
    all.push(usage("nodes".to_owned(), sched.nodes().len(), None));
    // Per class of nodes, as the published usages are per family of machines.
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for cluster in sched.clusters().values() {
        let count = sched.nodes_of(cluster.id).count();
        let name = format!("nodes of cluster {}", cluster.name);
        all.push(usage(name, count, Some(settings.nodes_per_cluster_max.into())));
        *classes.entry(cluster.spec.vm_size.as_deref().unwrap_or("(none)")).or_default() += count;
    }
    all.extend(classes.into_iter().map(|(class, count)| usage(format!("nodes of size {class}"), count, None)));
    all.push(usage("file servers".to_owned(), sched.file_servers().len(), None));
    all.push(usage("experiments".to_owned(), sched.experiments().len(), None));
    let live = sched.jobs().values().filter(|job| !job.state.ended()).count();
    all.push(usage("jobs that have not ended".to_owned(), live, Some(LIVE_JOBS_MAX as u64)));
    all
}

/// Refuses one cluster too many, with the published code and both numbers.
///
/// # Errors
/// When as many as are allowed are there.
pub(super) fn check_clusters<S: Store>(engine: &Engine<S>) -> Result<(), Fault> {
    let (used, most) = (engine.sched.clusters().len(), engine.settings.clusters_max);
    if used < most as usize {
        return Ok(());
    }
    let message = format!("one more cluster exceeds the limit: maximum allowed: {most}, current in use: {used}");
    Err(Fault::user(message)
        .code(FaultCode::ClusterQuotaReached)
        .target("clusters")
        .hint("delete one, or raise `clusters_max` in the configuration"))
}

/// Refuses more nodes than one cluster may have.
///
/// # Errors
/// When more are asked for than are allowed.
pub(super) fn check_target<S: Store>(engine: &Engine<S>, target: NodeCount) -> Result<(), Fault> {
    let most = engine.settings.nodes_per_cluster_max;
    if target.0 <= most {
        return Ok(());
    }
    Err(Fault::user(format!("a cluster has at most {most} nodes, asked for {target}"))
        .code(FaultCode::QuotaReached)
        .target("nodes")
        .hint("make a second cluster, or raise `nodes_per_cluster_max` in the configuration"))
}

/// Refuses one workspace too many in a group.
///
/// # Errors
/// When as many as are allowed are there.
pub(super) fn check_workspaces<S: Store>(engine: &Engine<S>, group: GroupId) -> Result<(), Fault> {
    let used = engine.sched.workspaces().values().filter(|w| w.group == group).count();
    let most = engine.settings.workspaces_per_group_max;
    if used < most as usize {
        return Ok(());
    }
    let name = engine.sched.group_name(group);
    let message = format!(
        "one more workspace in resource group `{name}` exceeds the limit: maximum allowed: {most}, current in use: {used}"
    );
    Err(Fault::user(message)
        .code(FaultCode::QuotaReached)
        .target("workspaces")
        .hint("use another resource group, or raise `workspaces_per_group_max` in the configuration"))
}
