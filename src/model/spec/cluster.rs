//! What a cluster is asked to be.

use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::machine::Machines;
use super::node_setup::NodeSetup;
use crate::model::units::NodeCount;

/// What becomes of running jobs on the nodes that a smaller target takes away (published names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deallocation {
    /// Stopped and put back in the queue, to run again from the start.
    #[default]
    Requeue,
    /// Stopped for good.
    Terminate,
    /// Allowed to finish; nothing new starts on the cluster meanwhile.
    WaitForJobCompletion,
}

/// How many nodes there should be; exactly one of the published forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ScaleSettings {
    /// A number set by a person.
    #[serde(rename_all = "camelCase")]
    Manual {
        /// The number of nodes wanted.
        target_node_count: NodeCount,
        /// What becomes of jobs on nodes that go.
        #[serde(default)]
        node_deallocation_option: Deallocation,
    },
}

impl ScaleSettings {
    /// Returns the number of nodes wanted now.
    pub fn target(&self) -> NodeCount {
        match self {
            Self::Manual { target_node_count, .. } => *target_node_count,
        }
    }
}

/// Where the nodes of a cluster come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum ProviderSpec {
    /// Hosts that `ssh HOST` reaches, in the order in which they are taken.
    Hosts {
        /// Destinations, each checked by `names::check_host`, no two the same.
        hosts: Vec<String>,
    },
    /// Nodes that are this machine: the same agent over a pipe instead of ssh.
    Local,
}

/// The properties of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Where nodes come from.
    pub provider: ProviderSpec,
    /// How many there should be.
    pub scale_settings: ScaleSettings,
    /// A free label of the node class; the published property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// What is done on each node before it takes jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_setup: Option<NodeSetup>,
    /// What the file said of its machines.
    #[serde(flatten)]
    pub machines: Box<Machines>,
    /// What the file said beside all this.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    pub kept: Kept,
}

impl ClusterSpec {
    /// Returns a cluster of so many nodes, scaled by hand, with every published default.
    pub fn new(provider: ProviderSpec, target: NodeCount) -> Self {
        let scale_settings =
            ScaleSettings::Manual { target_node_count: target, node_deallocation_option: Deallocation::default() };
        Self { provider, scale_settings, vm_size: None, node_setup: None, machines: Box::default(), kept: Kept::default() }
    }
}
