//! Everything but jobs, as the core has it, and finding one thing in it by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::failure::Failure;
use super::session::{Core, unexpected};
use super::workspace::missing;
use crate::model::cost::AtWork;
use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::{ExperimentId, GroupId, WorkspaceId};
use crate::model::names::same_name;
use crate::model::request::{Reply, Request};
use crate::model::resource_id::{Child, ResourceId};
use crate::model::state::{Cluster, DEFAULT_GROUP, Experiment, FileServer, Node, ResourceGroup, Sweep, Workspace};

/// Where a thing is.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The name of the resource group.
    pub group: &'a str,
    /// The name of the workspace.
    pub workspace: &'a str,
}

impl Home<'_> {
    /// Returns the full id of something here, as the published model writes it.
    pub fn id(self, child: Option<Child>) -> serde_json::Value {
        serde_json::Value::String(ResourceId::new(self.group, self.workspace, child).to_string())
    }
}

/// Everything but jobs.
pub struct Lists {
    /// All workspaces.
    pub workspaces: Vec<Arc<Workspace>>,
    /// All clusters.
    pub clusters: Vec<Arc<Cluster>>,
    /// All nodes.
    pub nodes: Vec<Arc<Node>>,
    /// All experiments.
    pub experiments: Vec<Arc<Experiment>>,
    /// All resource groups but the one that is always there.
    pub groups: Vec<Arc<ResourceGroup>>,
    /// All file servers.
    pub file_servers: Vec<Arc<FileServer>>,
    /// All sweeps.
    pub sweeps: Vec<Arc<Sweep>>,
    /// What the jobs of experiments have of nodes now.
    pub at_work: BTreeMap<ExperimentId, AtWork>,
}

impl Lists {
    /// Asks the core; for one workspace or for all.
    ///
    /// # Errors
    /// The core's refusal.
    pub async fn read(core: &Core, workspace: Option<&String>) -> Result<Self, Failure> {
        match core.ask(Request::ListAll { workspace: workspace.cloned() }).await? {
            Reply::Lists { workspaces, clusters, nodes, experiments, groups, file_servers, sweeps, at_work } => {
                Ok(Self { workspaces, clusters, nodes, experiments, groups, file_servers, sweeps, at_work })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Returns the workspace of a name, or the only one.
    ///
    /// # Errors
    /// That there is none of that name, or that several could be meant.
    pub fn workspace(&self, name: Option<&String>) -> Result<&Arc<Workspace>, Failure> {
        let by_id = name.filter(|text| ResourceId::is_meant(text)).and_then(|text| ResourceId::parse(text).ok());
        let by_id = by_id.map(|id| format!("{}/{}", id.group.as_deref().unwrap_or(DEFAULT_GROUP), id.workspace));
        let name = by_id.as_ref().or(name);
        let (group, name) = match name.and_then(|text| text.split_once('/')) {
            Some((group, name)) => (Some(group), Some(name.to_owned()).filter(|name| !name.is_empty())),
            None => (None, name.cloned()),
        };
        let fits = |w: &&Arc<Workspace>| group.is_none_or(|group| same_name(self.group_name(w.group), group));
        let of_group: Vec<Arc<Workspace>> = self.workspaces.iter().filter(fits).cloned().collect();
        let id = find("workspace", &of_group, name.as_ref(), |workspace| &workspace.name)?.id;
        let found = self.workspaces.iter().find(|workspace| workspace.id == id);
        found.ok_or_else(|| Fault::internal("a workspace was found and is not there").into())
    }

    /// Reads a full id of something in a workspace: that workspace, when it is there, and the name.
    fn by_id(&self, text: Option<&String>) -> Option<(Option<WorkspaceId>, String)> {
        let id = ResourceId::parse(text.filter(|text| ResourceId::is_meant(text))?).ok()?;
        let name = match id.child? {
            Child::Cluster(name) | Child::FileServer(name) | Child::Experiment(name) => name,
            Child::Job { job, .. } => job,
        };
        let group = id.group.as_deref().unwrap_or(DEFAULT_GROUP);
        let fits = |w: &&Arc<Workspace>| same_name(&w.name, &id.workspace) && same_name(self.group_name(w.group), group);
        Some((self.workspaces.iter().find(fits).map(|w| w.id), name))
    }

    /// Returns the name of a resource group; empty when it is gone.
    pub fn group_name(&self, id: GroupId) -> &str {
        match id {
            GroupId::DEFAULT => DEFAULT_GROUP,
            id => self.groups.iter().find(|group| group.id == id).map_or("", |group| &group.name),
        }
    }

    /// Returns the names of a workspace and its group.
    pub fn home(&self, id: WorkspaceId) -> Home<'_> {
        Home { group: self.group_of(id), workspace: self.workspace_name(id) }
    }

    /// Returns the name of the resource group of a workspace.
    pub fn group_of(&self, id: WorkspaceId) -> &str {
        self.workspaces.iter().find(|w| w.id == id).map_or("", |w| self.group_name(w.group))
    }

    /// Returns the name of a workspace.
    pub fn workspace_name(&self, id: WorkspaceId) -> &str {
        self.workspaces.iter().find(|workspace| workspace.id == id).map_or("", |workspace| &workspace.name)
    }

    /// Returns the cluster of a name, or the only one.
    ///
    /// # Errors
    /// As for workspaces.
    pub fn cluster(&self, name: Option<&String>) -> Result<&Arc<Cluster>, Failure> {
        match self.by_id(name) {
            Some((home, name)) => {
                let of_home: Vec<_> = self.clusters.iter().filter(|c| Some(c.workspace) == home).collect();
                find("cluster", &of_home, Some(&name), |cluster| &cluster.name).copied()
            }
            None => find("cluster", &self.clusters, name, |cluster| &cluster.name),
        }
    }

    /// Returns the experiment of a name, or the only one.
    ///
    /// # Errors
    /// As for workspaces.
    pub fn experiment(&self, name: Option<&String>) -> Result<&Arc<Experiment>, Failure> {
        match self.by_id(name) {
            Some((home, name)) => {
                let of_home: Vec<_> = self.experiments.iter().filter(|e| Some(e.workspace) == home).collect();
                find("experiment", &of_home, Some(&name), |experiment| &experiment.name).copied()
            }
            None => find("experiment", &self.experiments, name, |experiment| &experiment.name),
        }
    }

    /// Returns the nodes of a cluster.
    pub fn nodes_of(&self, cluster: &Cluster) -> Vec<Arc<Node>> {
        self.nodes.iter().filter(|node| node.cluster == cluster.id).cloned().collect()
    }
}

fn find<'a, T>(kind: &str, all: &'a [T], name: Option<&String>, name_of: impl Fn(&T) -> &String) -> Result<&'a T, Failure> {
    let names = || all.iter().map(|item| name_of(item).as_str());
    let fits: Vec<&T> = match name {
        Some(name) => all.iter().filter(|item| same_name(name_of(item), name)).collect(),
        None => all.iter().collect(),
    };
    match (fits.as_slice(), name) {
        ([one], _) => Ok(one),
        ([], Some(name)) => Err(missing(kind, name, names()).into()),
        ([], None) => Err(Fault::user(format!("there is no {kind} yet"))
            .code(FaultCode::ResourceNotFound)
            .hint(format!("`ostler {kind} create NAME` makes one"))
            .into()),
        (_, Some(name)) => Err(Fault::user(format!("several workspaces have a {kind} `{}`", name.escape_debug()))
            .code(FaultCode::AmbiguousName)
            .hint("say which: -w WORKSPACE")
            .into()),
        (_, None) => Err(Fault::user(format!("there are several {kind}s; say which"))
            .code(FaultCode::AmbiguousName)
            .hint(format!("{kind}s: {}", names().collect::<Vec<_>>().join(", ")))
            .into()),
    }
}
