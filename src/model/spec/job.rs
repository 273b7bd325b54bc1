//! What a job is asked to do: the published body of API 2018-05-01.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::code::Code;
use super::container::ContainerSettings;
use super::kept::Kept;
use super::mounts::MountVolumes;
use super::scheduling::Scheduling;
use super::schema::{CodeForm, RefForm, ResourcesForm, SecretForm, SpanForm};
use super::secret::Secret;
use super::slurm::SlurmSpec;
use super::toolkit::Toolkit;
use crate::model::metric::Metrics;
use crate::model::rare::Rare;
use crate::model::units::{Bytes, Millis, NodeCount};

/// The time limit of an attempt when the file names none (published default).
pub const WALL_CLOCK_DEFAULT: Millis = Millis::from_days(7);

/// The order of waiting jobs; within a priority, the order of submission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// After all others.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before all others.
    High,
}

/// Amounts of what a node has and a job asks for. A vector from the first migration on, although whole nodes are the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpus_milli: u64,
    /// Main memory.
    pub memory: Bytes,
    /// Thousandths of a GPU.
    pub gpus_milli: u64,
    /// Any other named count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, u64>,
}

impl fmt::Display for Resources {
    /// Prints what there is of each, as people say it: `2 GPUs and 1.5 CPUs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.gpus_milli > 0 {
            parts.push(counted(self.gpus_milli, "GPU"));
        }
        if self.cpus_milli > 0 {
            parts.push(counted(self.cpus_milli, "CPU"));
        }
        if self.memory > Bytes(0) {
            parts.push(format!("{} of memory", self.memory));
        }
        parts.extend(self.other.iter().map(|(name, count)| format!("{count} {name}")));
        f.write_str(&parts.join(" and "))
    }
}

/// Returns thousandths as people write them: `1.5`.
pub fn thousandths(milli: u64) -> String {
    match milli % 1000 {
        0 => (milli / 1000).to_string(),
        rest => format!("{}.{rest:03}", milli / 1000).trim_end_matches('0').to_owned(),
    }
}

/// Returns a count in thousandths with its noun: `1 GPU`, `0.5 GPUs`.
pub fn counted(milli: u64, what: &str) -> String {
    format!("{} {what}{}", thousandths(milli), if milli == 1000 { "" } else { "s" })
}

/// What a job asks of each of its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Demand {
    /// The node for itself (the published model).
    #[default]
    WholeNode,
    /// A part of the node.
    Part(Resources),
}

impl Demand {
    /// Returns what is asked of a node that others may use beside; `None` for the node for itself, which is also what one
    /// who asks for nothing in particular gets.
    pub fn part(&self) -> Option<&Resources> {
        match self {
            Self::WholeNode => None,
            Self::Part(asked) => Some(asked).filter(|asked| **asked != Resources::default()),
        }
    }
}

/// A command that runs on every node of the job before the framework starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobPreparation {
    /// The command line, run by a shell.
    pub command_line: String,
}

/// A directory that is exported as `AZ_BATCHAI_INPUT_{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputDirectory {
    /// The suffix of the variable; unique in the job.
    pub id: String,
    /// The path on the node; may use variables.
    pub path: String,
}

/// A directory that is made before the job starts and exported as `AZ_BATCHAI_OUTPUT_{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputDirectory {
    /// The suffix of the variable; unique in the job.
    pub id: String,
    /// Where it lies; may use variables. The path is `{pathPrefix}/{segment}/outputs[/{pathSuffix}]`.
    pub path_prefix: String,
    /// A folder below `outputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_suffix: Option<String>,
}

/// A variable of the job and its preparation. The value may refer to others as `$NAME` or `${NAME}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentVariable {
    /// Checked by `names::check_variable`.
    pub name: String,
    /// Any text without NUL.
    pub value: String,
}

/// Limits of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Constraints {
    /// The longest time of one attempt, from its first process on, preparation included; in milliseconds when stored.
    #[schemars(with = "SpanForm")]
    pub max_wall_clock_time: Millis,
}

impl Default for Constraints {
    fn default() -> Self {
        Self { max_wall_clock_time: WALL_CLOCK_DEFAULT }
    }
}

/// The properties of a job. Immutable once submitted, but for priority and hold, which live in the job's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSpec {
    /// The name (or published id) of the cluster, when the file says so; the command line may override it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RefForm>")]
    pub cluster: Option<String>,
    /// Priority at submission.
    #[serde(default)]
    pub scheduling_priority: Priority,
    /// The number of nodes; all are given at once or none.
    #[schemars(range(min = 1, max = 10000))]
    pub node_count: NodeCount,
    /// The code that goes with it, as it is at submission; ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CodeForm>")]
    pub code: Option<Box<Code>>,
    /// What is mounted on the job's nodes before it, and unmounted after it.
    #[serde(default, skip_serializing_if = "Rare::is_nothing")]
    pub mount_volumes: Rare<MountVolumes>,
    /// What its processes run in; the host itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_settings: Option<Box<ContainerSettings>>,
    /// What runs.
    #[serde(flatten)]
    pub toolkit: Toolkit,
    /// What runs before, on every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_preparation: Option<JobPreparation>,
    /// Where logs go; in the node's own spool when absent (semantics, "Where logs live").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std_out_err_path_prefix: Option<String>,
    /// Directories to read from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_directories: Vec<InputDirectory>,
    /// Directories to write to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_directories: Vec<OutputDirectory>,
    /// Variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_variables: Vec<EnvironmentVariable>,
    /// Variables whose values are never shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<SecretForm>")]
    pub secrets: Vec<Secret>,
    /// Limits.
    #[serde(default)]
    pub constraints: Constraints,
    /// What each node has to give.
    #[serde(default)]
    #[schemars(rename = "resources", with = "Option<ResourcesForm>")]
    pub demand: Demand,
    /// Whether its nodes can come to one another by ssh without a password; ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ssh_among_nodes: bool,
    /// What is asked of Slurm for this job, over what its cluster asks for all; ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm: Option<Box<SlurmSpec>>,
    /// When it may run and how often.
    #[serde(flatten)]
    pub scheduling: Rare<Scheduling>,
    /// Where its metrics are; ours. A job of a sweep has its log read in the usual forms when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Box<Metrics>>,
    /// What the file said beside all this.
    #[serde(default, skip_serializing_if = "Kept::is_empty")]
    #[schemars(skip)]
    pub kept: Kept,
}

impl JobSpec {
    /// Returns a job of one node with this toolkit and every published default.
    pub fn new(toolkit: Toolkit) -> Self {
        Self {
            cluster: None,
            scheduling_priority: Priority::Normal,
            node_count: NodeCount(1),
            code: None,
            mount_volumes: Rare::default(),
            container_settings: None,
            toolkit,
            job_preparation: None,
            std_out_err_path_prefix: None,
            input_directories: Vec::new(),
            output_directories: Vec::new(),
            environment_variables: Vec::new(),
            secrets: Vec::new(),
            constraints: Constraints::default(),
            demand: Demand::WholeNode,
            ssh_among_nodes: false,
            slurm: None,
            scheduling: Rare::default(),
            metrics: None,
            kept: Kept::default(),
        }
    }

    /// Returns a job of one node that runs a command line, with every published default.
    pub fn command(command_line: impl Into<String>) -> Self {
        Self::new(Toolkit::Custom { command_line: command_line.into() })
    }

    /// Fills in the published defaults that depend on other properties, so that what is stored says them.
    pub fn resolve(&mut self) {
        self.toolkit.resolve(self.node_count.0);
    }
}

/// What the core has to know of a launch plan without knowing frameworks; computed once, by `frameworks`, at submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchShape {
    /// Whether every node is set up first, and cleaned up at the end.
    #[serde(default)]
    pub sets_up: bool,
    /// Whether every node runs a preparation first.
    pub prepares: bool,
    /// For each main rank, in order, the index of its node within the attempt.
    pub main_nodes: Vec<u32>,
    /// How many of the last main ranks only serve the others (parameter servers): the attempt ends with the last of the
    /// others, and these are stopped then.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub serving: u32,
    /// Whether somebody else places it: whatever it asks for, it is one process to us, on the node of those who do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed: bool,
}

impl LaunchShape {
    /// Returns it for a cluster on which somebody else places: what is set up and prepared is a part of the one process.
    pub fn handed_over(self) -> Self {
        Self { sets_up: false, prepares: false, handed: true, ..self }
    }

    /// Says whether the end of the attempt waits for this main rank.
    pub fn decides(&self, index: u32) -> bool {
        let deciding = u32::try_from(self.main_nodes.len()).unwrap_or(u32::MAX).saturating_sub(self.serving);
        index < deciding.max(1)
    }
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
