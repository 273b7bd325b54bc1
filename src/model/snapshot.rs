//! The picture that front ends draw from, and what changed since the last one.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::model::ids::{ClusterId, Epoch, ExperimentId, FileServerId, GroupId, JobId, NodeId, Seq, SweepId, WorkspaceId};
use crate::model::site::Site;
use crate::model::state::{Cluster, Experiment, FileServer, Job, Node, ResourceGroup, Sweep, Workspace};
use crate::model::units::UnixMillis;

/// How many ended jobs a snapshot keeps beside the live ones; older ones are listed by page from the store. Enough
/// to scroll through, small beside the live jobs of a busy core.
pub const ENDED_JOBS_KEPT: usize = 5_000;

/// An immutable picture of everything. Cloning shares all parts.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The turn it shows.
    pub seq: Seq,
    /// The core that made it.
    pub epoch: Epoch,
    /// When it was made.
    pub at: UnixMillis,
    /// All resource groups but the one that is always there.
    pub groups: OrdMap<GroupId, Arc<ResourceGroup>>,
    /// All workspaces.
    pub workspaces: OrdMap<WorkspaceId, Arc<Workspace>>,
    /// All clusters.
    pub clusters: OrdMap<ClusterId, Arc<Cluster>>,
    /// All file servers.
    pub file_servers: OrdMap<FileServerId, Arc<FileServer>>,
    /// All nodes.
    pub nodes: OrdMap<NodeId, Arc<Node>>,
    /// All experiments.
    pub experiments: OrdMap<ExperimentId, Arc<Experiment>>,
    /// All sweeps, and arrays of which not all members have come up; those that have not are in none of the jobs.
    pub sweeps: OrdMap<SweepId, Arc<Sweep>>,
    /// All live jobs and the last [`ENDED_JOBS_KEPT`] ended ones.
    pub jobs: OrdMap<JobId, Arc<Job>>,
    /// What those say who place the jobs of a cluster; only of such clusters, and only once it was asked for.
    pub sites: OrdMap<ClusterId, Arc<Site>>,
}

/// One thing that is so now, or is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A resource group.
    Group(Arc<ResourceGroup>),
    /// A workspace.
    Workspace(Arc<Workspace>),
    /// A cluster.
    Cluster(Arc<Cluster>),
    /// A file server.
    FileServer(Arc<FileServer>),
    /// A node.
    Node(Arc<Node>),
    /// An experiment.
    Experiment(Arc<Experiment>),
    /// A sweep.
    Sweep(Arc<Sweep>),
    /// A job.
    Job(Arc<Job>),
    /// A picture of those who place the jobs of a cluster: told, and never stored.
    Site(Arc<Site>),
    /// Something that is no more, or (for an ended job) no longer kept in the picture.
    Gone(RowKey),
}

/// Names one row of the core's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RowKey {
    /// A resource group.
    Group(GroupId),
    /// A workspace.
    Workspace(WorkspaceId),
    /// A cluster.
    Cluster(ClusterId),
    /// A file server.
    FileServer(FileServerId),
    /// A node.
    Node(NodeId),
    /// An experiment.
    Experiment(ExperimentId),
    /// A sweep.
    Sweep(SweepId),
    /// A job.
    Job(JobId),
    /// A picture of those who place the jobs of this cluster.
    Site(ClusterId),
}

/// What changed between two pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// The turn after it.
    pub seq: Seq,
    /// The core that made it; another one means: start from an empty picture.
    pub epoch: Epoch,
    /// When it was made.
    pub at: UnixMillis,
    /// `true` for the first update of a subscription: it holds everything.
    pub whole: bool,
    /// What is so now.
    pub changes: Vec<Change>,
}

impl Change {
    /// Returns the key of the row that it is about.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Group(row) => RowKey::Group(row.id),
            Self::Workspace(row) => RowKey::Workspace(row.id),
            Self::Cluster(row) => RowKey::Cluster(row.id),
            Self::FileServer(row) => RowKey::FileServer(row.id),
            Self::Node(row) => RowKey::Node(row.id),
            Self::Experiment(row) => RowKey::Experiment(row.id),
            Self::Sweep(row) => RowKey::Sweep(row.id),
            Self::Job(row) => RowKey::Job(row.id),
            Self::Site(site) => RowKey::Site(site.cluster),
            Self::Gone(key) => *key,
        }
    }
}

impl Snapshot {
    /// Changes this picture into the one after `update`.
    pub fn apply(&mut self, update: &Update) {
        if update.whole {
            *self = Self::default();
        }
        self.seq = update.seq;
        self.epoch = update.epoch;
        self.at = update.at;
        for change in &update.changes {
            self.put(change);
        }
    }

    /// Makes one thing so.
    pub fn put(&mut self, change: &Change) {
        match change {
            Change::Group(row) => drop(self.groups.insert(row.id, row.clone())),
            Change::FileServer(row) => drop(self.file_servers.insert(row.id, row.clone())),
            Change::Workspace(row) => drop(self.workspaces.insert(row.id, row.clone())),
            Change::Cluster(row) => drop(self.clusters.insert(row.id, row.clone())),
            Change::Node(row) => drop(self.nodes.insert(row.id, row.clone())),
            Change::Experiment(row) => drop(self.experiments.insert(row.id, row.clone())),
            Change::Sweep(row) => drop(self.sweeps.insert(row.id, row.clone())),
            Change::Job(row) => drop(self.jobs.insert(row.id, row.clone())),
            Change::Site(site) => drop(self.sites.insert(site.cluster, site.clone())),
            Change::Gone(RowKey::Group(id)) => drop(self.groups.remove(id)),
            Change::Gone(RowKey::FileServer(id)) => drop(self.file_servers.remove(id)),
            Change::Gone(RowKey::Workspace(id)) => drop(self.workspaces.remove(id)),
            Change::Gone(RowKey::Cluster(id)) => {
                self.clusters.remove(id);
                self.sites.remove(id);
            }
            Change::Gone(RowKey::Site(id)) => drop(self.sites.remove(id)),
            Change::Gone(RowKey::Node(id)) => drop(self.nodes.remove(id)),
            Change::Gone(RowKey::Experiment(id)) => drop(self.experiments.remove(id)),
            Change::Gone(RowKey::Sweep(id)) => drop(self.sweeps.remove(id)),
            Change::Gone(RowKey::Job(id)) => drop(self.jobs.remove(id)),
        }
    }

    /// Returns the update that makes this picture out of nothing.
    pub fn as_update(&self) -> Update {
        let mut changes = Vec::new();
        changes.extend(self.groups.values().cloned().map(Change::Group));
        changes.extend(self.workspaces.values().cloned().map(Change::Workspace));
        changes.extend(self.clusters.values().cloned().map(Change::Cluster));
        changes.extend(self.file_servers.values().cloned().map(Change::FileServer));
        changes.extend(self.nodes.values().cloned().map(Change::Node));
        changes.extend(self.experiments.values().cloned().map(Change::Experiment));
        changes.extend(self.sweeps.values().cloned().map(Change::Sweep));
        changes.extend(self.jobs.values().cloned().map(Change::Job));
        changes.extend(self.sites.values().cloned().map(Change::Site));
        Update { seq: self.seq, epoch: self.epoch, at: self.at, whole: true, changes }
    }
}
