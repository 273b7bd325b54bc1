//! From the names people type to the identities of the core. Every miss says what was looked for, what there is, and the
//! nearest name.

use std::sync::Arc;

use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::{ClusterId, ExperimentId, GroupId, NodeId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::request::{NodeRef, Place};
use crate::model::resource_id::ResourceId;
use crate::model::state::{Cluster, DEFAULT_GROUP, Experiment, FileServer, Node, Workspace};
use crate::sched::Sched;

/// How many names a message lists before it says how many more there are.
const NAMES_LISTED_MAX: usize = 8;

/// Parts `GROUP/WORKSPACE` and `GROUP/`; a name without `/` has no group.
pub fn parts(text: &str) -> (Option<&str>, Option<&str>) {
    match text.split_once('/') {
        Some((group, name)) => (Some(group), (!name.is_empty()).then_some(name)),
        None => (None, Some(text)),
    }
}

/// Finds a resource group by name.
///
/// # Errors
/// There is none of that name.
pub fn group(sched: &Sched, name: &str) -> Result<GroupId, Fault> {
    if same_name(name, DEFAULT_GROUP) {
        return Ok(GroupId::DEFAULT);
    }
    let found = sched.groups().values().find(|group| same_name(&group.name, name));
    found.map(|group| group.id).ok_or_else(|| {
        let names: Vec<&str> =
            std::iter::once(DEFAULT_GROUP).chain(sched.groups().values().map(|g| g.name.as_str())).collect();
        missing("resource-group", "", name, &names)
    })
}

/// Finds a workspace by `NAME`, `GROUP/NAME`, `GROUP/` or full id; without a name, the only one.
///
/// # Errors
/// There is none of that name, or none is named and there is not exactly one, or several groups have it.
pub fn workspace<'a>(sched: &'a Sched, text: Option<&str>) -> Result<&'a Arc<Workspace>, Fault> {
    if let Some(text) = text.filter(|text| ResourceId::is_meant(text)) {
        let id = ResourceId::parse(text).map_err(|why| no_id("workspace", text, &why))?;
        return match &id.child {
            None => in_id(sched, &id, text),
            Some(child) => Err(no_id("workspace", text, &format!("it names a {}", child.kind()))),
        };
    }
    let (wanted, name) = text.map_or((None, None), parts);
    let all = sched.workspaces().values();
    if let Some(wanted) = wanted {
        let group = group(sched, wanted)?;
        let all = all.filter(move |w| w.group == group);
        return one_of("workspace", wanted, name, all, |w| &w.name, "--workspace");
    }
    if let Some(name) = name {
        let of_name: Vec<_> = all.clone().filter(|w| same_name(&w.name, name)).collect();
        if of_name.len() > 1 {
            let groups: Vec<&str> = of_name.iter().map(|w| sched.group_name(w.group)).collect();
            return Err(Fault::user(format!("several resource groups have a workspace `{name}`: {}", groups.join(", ")))
                .code(FaultCode::AmbiguousName)
                .hint("say which: -g GROUP"));
        }
    }
    one_of("workspace", "", name, all, |w| &w.name, "--workspace")
}

/// Returns the workspaces that a filter of lists means: all, those of a group, or one.
///
/// # Errors
/// As [`workspace`].
pub fn workspaces(sched: &Sched, text: Option<&str>) -> Result<Vec<WorkspaceId>, Fault> {
    if text.is_some_and(ResourceId::is_meant) {
        return Ok(vec![workspace(sched, text)?.id]);
    }
    match text.map_or((None, None), parts) {
        (None, None) => Ok(sched.workspaces().keys().copied().collect()),
        (Some(wanted), None) => {
            let group = group(sched, wanted)?;
            Ok(sched.workspaces().values().filter(|w| w.group == group).map(|w| w.id).collect())
        }
        (_, Some(_)) => Ok(vec![workspace(sched, text)?.id]),
    }
}

/// Finds a file server.
///
/// # Errors
/// As [`workspace`].
pub fn file_server<'a>(sched: &'a Sched, place: &Place) -> Result<&'a Arc<FileServer>, Fault> {
    if let Some(text) = place.name.as_deref().filter(|text| ResourceId::is_meant(text)) {
        let (id, name) = ResourceId::file_server(text).map_err(|why| no_id("file-server", text, &why))?;
        let workspace = in_id(sched, &id, text)?;
        let place = Place { workspace: Some(qualified(sched, workspace)), name: Some(name) };
        return file_server(sched, &place)
            .map_err(|fault| fault.cause(format!("it was asked for by the id `{}`", text.escape_debug())));
    }
    let workspace = workspace(sched, place.workspace.as_deref())?;
    let all = sched.file_servers().values().filter(|server| server.workspace == workspace.id);
    one_of("file-server", &workspace.name, place.name.as_deref(), all, |s| &s.name, "NAME")
}

/// Finds the workspace that an id names, level by level, so that the fault says at which level the way ends.
fn in_id<'a>(sched: &'a Sched, id: &ResourceId, text: &str) -> Result<&'a Arc<Workspace>, Fault> {
    let within = match &id.group {
        Some(group) => format!("{group}/{}", id.workspace),
        None => id.workspace.clone(),
    };
    workspace(sched, Some(&within))
        .map_err(|fault| fault.cause(format!("it was asked for by the id `{}`", text.escape_debug())))
}

/// Returns what names a workspace among those of all groups.
fn qualified(sched: &Sched, workspace: &Workspace) -> String {
    format!("{}/{}", sched.group_name(workspace.group), workspace.name)
}

fn no_id(kind: &str, text: &str, why: &str) -> Fault {
    Fault::user(format!("`{}` is no id of a {kind}", text.escape_debug())).cause(why)
}

/// Finds a cluster, by name or by id; an id counts over the workspace that the place names.
///
/// # Errors
/// As [`workspace`].
pub fn cluster<'a>(sched: &'a Sched, place: &Place) -> Result<&'a Arc<Cluster>, Fault> {
    if let Some(text) = place.name.as_deref().filter(|text| ResourceId::is_meant(text)) {
        let (id, name) = ResourceId::cluster(text).map_err(|why| no_id("cluster", text, &why))?;
        let workspace = in_id(sched, &id, text)?;
        let place = Place { workspace: Some(qualified(sched, workspace)), name: Some(name) };
        return cluster(sched, &place)
            .map_err(|fault| fault.cause(format!("it was asked for by the id `{}`", text.escape_debug())));
    }
    let workspace = workspace(sched, place.workspace.as_deref())?;
    let all = clusters_in(sched, workspace.id);
    one_of("cluster", &workspace.name, place.name.as_deref(), all, |c| &c.name, "--cluster")
}

/// Finds an experiment, by name or by id; an id counts over the workspace that the place names.
///
/// # Errors
/// As [`workspace`].
pub fn experiment<'a>(sched: &'a Sched, place: &Place) -> Result<&'a Arc<Experiment>, Fault> {
    if let Some(text) = place.name.as_deref().filter(|text| ResourceId::is_meant(text)) {
        let (id, name) = ResourceId::experiment(text).map_err(|why| no_id("experiment", text, &why))?;
        let workspace = in_id(sched, &id, text)?;
        let place = Place { workspace: Some(qualified(sched, workspace)), name: Some(name) };
        return experiment(sched, &place)
            .map_err(|fault| fault.cause(format!("it was asked for by the id `{}`", text.escape_debug())));
    }
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

/// Returns the name of the resource group of a workspace; empty when that is gone.
pub fn group_name_of(sched: &Sched, id: WorkspaceId) -> &str {
    sched.workspaces().get(&id).map_or("", |w| sched.group_name(w.group))
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
                    .code(FaultCode::ResourceNotFound)
                    .hint(format!("ostler {kind} create NAME"))),
                (_, _) => Err(Fault::user(format!("which {kind}{}? there are {}", within(parent), listed(&names)))
                    .code(FaultCode::AmbiguousName)
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
    let fault = Fault::user(format!("no {kind} `{}`{}", name.escape_debug(), within(parent)))
        .code(FaultCode::ResourceNotFound)
        .target(name);
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
