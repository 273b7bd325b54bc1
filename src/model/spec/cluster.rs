//! What a cluster is asked to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kept::Kept;
use super::machine::Machines;
use super::node_setup::NodeSetup;
use super::pool::{Allocation, Api, Hooks, PoolSpec};
use super::schema::SpanForm;
use super::slurm::{Rest, SlurmSpec};
use crate::model::spec::mounts::{MountVolumes, NO_MOUNTS};
use crate::model::units::{Millis, NodeCount};

/// What becomes of running jobs on the nodes that a smaller target takes away (published names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// A number that follows the work.
    AutoScale(AutoScale),
}

/// Bounds and pace of a number of nodes that follows the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoScale {
    /// Never fewer.
    pub minimum_node_count: NodeCount,
    /// Never more.
    pub maximum_node_count: NodeCount,
    /// So many at first.
    #[serde(default)]
    pub initial_node_count: NodeCount,
    /// After this long without use a node goes; ours.
    #[serde(default = "AutoScale::idle_default")]
    #[schemars(rename = "idleTime", with = "Option<SpanForm>", default)]
    pub idle: Millis,
    /// What becomes of jobs that hold GPUs without using them; ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_idle: Option<GpuIdle>,
    /// The number wanted now, which the core decides.
    #[serde(default)]
    #[schemars(skip)]
    pub current: NodeCount,
}

/// Minds jobs that hold GPUs without using them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpuIdle {
    /// After this long without any use of any GPU that a job has, 2 minutes at least.
    #[schemars(with = "SpanForm")]
    pub after: Millis,
    /// What happens then.
    #[serde(default)]
    pub then: GpuIdleThen,
}

/// What happens to a job that does not use its GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GpuIdleThen {
    /// It is said, at its nodes and wherever these are shown.
    #[default]
    Say,
    /// It is said, and the job ends once nobody is attached to its nodes.
    Stop,
}

/// The words for [`GpuIdleThen`].
pub const GPU_IDLE_THEN: [(&str, GpuIdleThen); 2] = [("say", GpuIdleThen::Say), ("stop", GpuIdleThen::Stop)];

/// The shortest time that may be minded: samples are taken twice a minute, and what is still for less than two is not told.
pub const GPU_IDLE_MIN: Millis = Millis::from_mins(2);

impl GpuIdle {
    /// Returns it in words: `a job that has not used its GPUs for 30m ends`.
    pub fn words(&self) -> String {
        let end = match self.then {
            GpuIdleThen::Say => "is reported",
            GpuIdleThen::Stop => "ends when nobody is attached",
        };
        format!("a job that has not used its GPUs for {} {end}", self.after)
    }
}

impl AutoScale {
    /// Returns bounds with the usual idle time, and the number to begin with.
    pub fn new(minimum: NodeCount, maximum: NodeCount, initial: NodeCount) -> Self {
        let idle = Self::idle_default();
        let auto = Self {
            minimum_node_count: minimum,
            maximum_node_count: maximum,
            initial_node_count: initial,
            idle,
            gpu_idle: None,
            current: initial,
        };
        Self { current: auto.clamp(initial), ..auto }
    }

    /// How long a node stays unused: longer than a person needs to look at a result and submit again, and cheap beside the
    /// minutes that most nodes take to come.
    pub fn idle_default() -> Millis {
        Millis::from_mins(10)
    }

    /// Returns the number nearest to this one within the bounds.
    pub fn clamp(&self, count: NodeCount) -> NodeCount {
        count.max(self.minimum_node_count).min(self.maximum_node_count.max(self.minimum_node_count))
    }
}

impl ProviderSpec {
    /// Returns the word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Hosts { .. } => "hosts",
            Self::Local => "local",
            Self::Class => "class",
            Self::Command { .. } => "command",
            Self::Http { .. } => "http",
            Self::Slurm { .. } => "slurm",
        }
    }

    /// Returns the hosts of a list.
    pub fn hosts(&self) -> Option<&Vec<String>> {
        match self {
            Self::Hosts { hosts } => Some(hosts),
            Self::Local | Self::Class | Self::Command { .. } | Self::Http { .. } | Self::Slurm { .. } => None,
        }
    }

    /// Says whether nodes are allocations of Slurm.
    pub fn is_slurm(&self) -> bool {
        matches!(self, Self::Slurm { .. })
    }

    /// Says whether machines are got and given back by somebody else, who has to be asked.
    pub fn is_asked(&self) -> bool {
        match self {
            Self::Hosts { .. } | Self::Local | Self::Class => false,
            Self::Command { .. } | Self::Http { .. } | Self::Slurm { .. } => true,
        }
    }
}

impl ScaleSettings {
    /// Returns the number of nodes wanted now.
    pub fn target(&self) -> NodeCount {
        match self {
            Self::Manual { target_node_count, .. } => *target_node_count,
            Self::AutoScale(auto) => auto.current,
        }
    }
}

fn is_plain(pool: &PoolSpec) -> bool {
    pool.is_empty()
}

/// Where the nodes of a cluster come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum ProviderSpec {
    /// Hosts that `ssh HOST` reaches, in the order in which they are taken; none yet when a file names them.
    Hosts {
        /// Destinations, each checked by `names::check_host`, no two the same.
        hosts: Vec<String>,
    },
    /// Nodes that are this machine: the same agent over a pipe instead of ssh.
    Local,
    /// As the node class says that `vmSize` names. Only in what is asked for: a cluster that was made has its class's hosts.
    Class,
    /// Machines that programs of the user's get and give back.
    Command {
        /// The programs.
        hooks: Hooks,
    },
    /// Machines that an interface over https gets and gives back.
    Http {
        /// The interface.
        api: Api,
    },
    /// Allocations of Slurm.
    Slurm {
        /// How they are asked for.
        allocation: Box<Allocation>,
    },
}

/// The properties of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Where nodes come from.
    #[schemars(skip)]
    pub provider: ProviderSpec,
    /// How many there should be.
    pub scale_settings: ScaleSettings,
    /// The node class; the published property. A free label where the configuration has no class of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_size: Option<String>,
    /// What is done on each node before it takes jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_setup: Option<NodeSetup>,
    /// What the file said of its machines.
    #[serde(flatten)]
    pub machines: Box<Machines>,
    /// What ostler adds about the nodes.
    #[serde(default, skip_serializing_if = "is_plain")]
    #[schemars(skip)]
    pub pool: Box<PoolSpec>,
    /// What is asked of Slurm, when it places the jobs; the cluster's one host is then the login node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub slurm: Option<Box<SlurmSpec>>,
    /// The service by which Slurm is asked in place of its programs on the login node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub rest: Option<Box<Rest>>,
    /// What the file said beside all this.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    #[schemars(skip)]
    pub kept: Kept,
}

impl ClusterSpec {
    /// Returns what is mounted on each node.
    pub fn mounts(&self) -> &MountVolumes {
        self.node_setup.as_ref().map_or(&NO_MOUNTS, |setup| &setup.mount_volumes)
    }

    /// Says whether somebody else places its jobs: its one node is then a door, which other clusters may have too.
    pub fn hands_over(&self) -> bool {
        self.slurm.is_some()
    }

    /// Returns a cluster of so many nodes, scaled by hand, with every published default.
    pub fn new(provider: ProviderSpec, target: NodeCount) -> Self {
        let scale_settings =
            ScaleSettings::Manual { target_node_count: target, node_deallocation_option: Deallocation::default() };
        Self {
            provider,
            scale_settings,
            vm_size: None,
            node_setup: None,
            machines: Box::default(),
            pool: Box::default(),
            slurm: None,
            rest: None,
            kept: Kept::default(),
        }
    }
}
