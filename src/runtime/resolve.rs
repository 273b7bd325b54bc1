//! From the names people type to the identities of the core. Every miss says what was looked for, what there is, and the
//! nearest name.

use std::sync::Arc;

use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, ExperimentId, NodeId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::request::{NodeRef, Place};
use crate::model::state::{Cluster, Experiment, Node, Workspace};
use crate::sched::Sched;

/// How many names a message lists before it says how many more there are.
const NAMES_LISTED_MAX: usize = 8;

/// Finds a workspace by name; without one, the only one.
///
/// # Errors
/// There is none of that name, or none is named and there is not exactly one.
pub fn workspace<'a>(sched: &'a Sched, name: Option<&str>) -> Result<&'a Arc<Workspace>, Fault> {
    one_of("workspace", "", name, sched.workspaces().values(), |w| &w.name, "--workspace")
}

/// Finds a cluster.
///
/// # Errors
/// As [`workspace`].
pub fn cluster<'a>(sched: &'a Sched, place: &Place) -> Result<&'a Arc<Cluster>, Fault> {
    let workspace = workspace(sched, place.workspace.as_deref())?;
    let all = clusters_in(sched, workspace.id);
    one_of("cluster", &workspace.name, place.name.as_deref(), all, |c| &c.name, "--cluster")
}

/// Finds an experiment.
///
/// # Errors
/// As [`workspace`].
pub fn experiment<'a>(sched: &'a Sched, place: &Place) -> Result<&'a Arc<Experiment>, Fault> {
    let workspace = workspace(sched, place.workspace.as_deref())?;
    let all = experiments_in(sched, workspace.id);
    one_of("experiment", &workspace.name, place.name.as_deref(), all, |e| &e.name, "--experiment")
}

/// Finds a node.
///
/// # Errors
/// There is none of that name or identity.
pub fn node<'a>(sched: &'a Sched, node: &NodeRef) -> Result<&'a Arc<Node>, Fault> {
    match node {
        NodeRef::Id(id) => sched.nodes().get(id).ok_or_else(|| Fault::user(format!("no node `{id}`"))),
        NodeRef::Named { cluster: place, node } => {
            let cluster = cluster(sched, place)?;
            let by_id: Option<NodeId> = node.parse().ok().filter(|_| node.starts_with("node-"));
            let all = sched.nodes().values().filter(|n| n.cluster == cluster.id);
            match all.clone().find(|n| Some(n.id) == by_id || n.name == *node) {
                Some(found) => Ok(found),
                None => Err(missing("node", &cluster.name, node, &all.map(|n| n.name.as_str()).collect::<Vec<_>>())),
            }
        }
    }
}

/// Returns the clusters of a workspace.
pub fn clusters_in(sched: &Sched, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<Cluster>> + Clone {
    sched.clusters().values().filter(move |c| c.workspace == workspace)
}

/// Returns the experiments of a workspace.
pub fn experiments_in(sched: &Sched, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<Experiment>> + Clone {
    sched.experiments().values().filter(move |e| e.workspace == workspace)
}

/// Returns the name of a workspace; empty when it is gone.
pub fn workspace_name(sched: &Sched, id: WorkspaceId) -> &str {
    sched.workspaces().get(&id).map_or("", |w| w.name.as_str())
}

/// Returns the name of an experiment; empty when it is gone.
pub fn experiment_name(sched: &Sched, id: ExperimentId) -> &str {
    sched.experiments().get(&id).map_or("", |e| e.name.as_str())
}

/// Returns the name of a cluster; empty when it is gone.
pub fn cluster_name(sched: &Sched, id: ClusterId) -> &str {
    sched.clusters().get(&id).map_or("", |c| c.name.as_str())
}

fn one_of<'a, T>(
    kind: &str,
    parent: &str,
    name: Option<&str>,
    mut all: impl Iterator<Item = &'a Arc<T>> + Clone,
    name_of: impl Fn(&T) -> &String,
    flag: &str,
) -> Result<&'a Arc<T>, Fault> {
    let names = || all.clone().map(|t| name_of(t).as_str()).collect::<Vec<_>>();
    match name {
        Some(name) => {
            let found = all.clone().find(|t| same_name(name_of(t), name));
            found.ok_or_else(|| missing(kind, parent, name, &names()))
        }
        None => {
            let names = names();
            match (all.next(), names.len()) {
                (Some(only), 1) => Ok(only),
                (_, 0) => Err(Fault::user(format!("there is no {kind} yet{}", within(parent)))
                    .hint(format!("ostler {kind} create NAME"))),
                (_, _) => Err(Fault::user(format!("which {kind}{}? there are {}", within(parent), listed(&names)))
                    .hint(format!("name it with {flag}, or set it once: ostler context set {flag} NAME"))),
            }
        }
    }
}

fn within(parent: &str) -> String {
    if parent.is_empty() { String::new() } else { format!(" in `{parent}`") }
}

/// Returns the fault for a name that nothing has.
pub fn missing(kind: &str, parent: &str, name: &str, names: &[&str]) -> Fault {
    let fault = Fault::user(format!("no {kind} `{}`{}", name.escape_debug(), within(parent)));
    match names.iter().min_by_key(|known| distance(known, name)) {
        Some(near) if distance(near, name) <= 2 => fault.hint(format!("did you mean `{near}`? there are {}", listed(names))),
        Some(_) => fault.hint(format!("there are {}", listed(names))),
        None => fault.hint(format!("there is no {kind} yet: ostler {kind} create NAME")),
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_LISTED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns the number of single changes that turn one name into the other, without case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = if ca == *cb { before } else { 1 + before.min(row[j]).min(row[j + 1]) };
            before = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_names_the_nearest() {
        let fault = missing("cluster", "lab", "gpus", &["gpu", "cpu"]);
        assert_eq!(fault.message, "no cluster `gpus` in `lab`");
        assert_eq!(fault.hints, ["did you mean `gpu`? there are gpu, cpu"]);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
