//! What can be selected.

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClusterId, ExperimentId, FileServerId, GroupId, JobId, NodeId, WorkspaceId};

/// One thing on the screen, by identity: it stays the same thing while rows come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A resource group; a row only when there is a second.
    Group(GroupId),
    /// A workspace.
    Workspace(WorkspaceId),
    /// The heading above a workspace's clusters.
    Clusters(WorkspaceId),
    /// A cluster.
    Cluster(ClusterId),
    /// A node.
    Node(NodeId),
    /// The heading above a workspace's file servers.
    FileServers(WorkspaceId),
    /// A file server.
    FileServer(FileServerId),
    /// The heading above a workspace's experiments.
    Experiments(WorkspaceId),
    /// An experiment.
    Experiment(ExperimentId),
    /// A job.
    Job(JobId),
    /// The row that stands for the older jobs of an experiment, which are asked for by page.
    Older(ExperimentId),
}
