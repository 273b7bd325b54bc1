//! What a job would come to: which processes would run on which nodes, with everything resolved. Asked for by
//! `Request::PlanJob`, made by the runtime from the same launch plan that a start uses; nothing of it is run or kept.

use serde::{Deserialize, Serialize};

use crate::model::launch::Launch;
use crate::model::units::{Money, UnixMillis};

/// A job that is not submitted, as it would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobPlan {
    /// The name that it would have; made from the experiment's count when the file gives none.
    pub name: String,
    /// Its workspace.
    pub workspace: String,
    /// Its experiment.
    pub experiment: String,
    /// Its cluster; `None` when there is none yet.
    pub cluster: Option<String>,
    /// The published `toolType`.
    pub tool_type: String,
    /// How many nodes it asks for.
    pub node_count: u32,
    /// The nodes of the plan, in order.
    pub nodes: Vec<PlanNode>,
    /// What is mounted for it, by its cluster and by itself.
    pub mounts: Vec<PlanMount>,
    /// Its processes, in the order in which they start; at most `PLAN_PROCESSES_MAX`.
    pub processes: Vec<PlanProcess>,
    /// How many processes there are altogether.
    pub process_count: u32,
    /// The script that `sbatch` gets, when Slurm places it; then there are no processes here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    /// When it would start; `None` when no cluster is known, or another scheduler decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What a person should know, a sentence each.
    pub notes: Vec<String>,
}

/// When a job would start if it were submitted now, and what it would cost at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Whether there is room for it at once.
    pub starts_now: bool,
    /// When it starts at the latest, by the time limits of what runs and waits before it; `None` when nobody can tell.
    pub starts: Option<UnixMillis>,
    /// What it would wait for.
    pub waits_for: String,
    /// What it costs at most: on its nodes for as long as it may run; nothing when nodes have no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_most: Option<Money>,
}

impl Estimate {
    /// Returns it as a person reads it.
    pub fn words(&self, now: UnixMillis) -> String {
        let start = match (self.starts_now, self.starts) {
            (true, _) => "starts at once".to_owned(),
            (false, Some(at)) => format!("starts in {} at the latest: {}", at.since(now), self.waits_for),
            (false, None) => format!("waits: {}", self.waits_for),
        };
        match &self.cost_most {
            Some(cost) => format!("{start} · costs {cost} at most"),
            None => start,
        }
    }
}

/// One node of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanNode {
    /// Its name.
    pub name: String,
    /// The address at which the job's other nodes reach it.
    pub address: String,
    /// Whether it stands for a node that is not there: its name, address and paths are examples.
    pub stand_in: bool,
    /// What the job would have of it: `all of it`, or `2 CPUs, 1 GPU: GPU 1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gives: String,
}

/// One thing that is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanMount {
    /// Whose it is: `cluster` or `job`.
    pub level: String,
    /// The published list it stands in: `azureFileShares`, ….
    pub kind: String,
    /// What is mounted, as the file says it.
    pub source: String,
    /// The path on the first node.
    pub path: String,
    /// Its options, when the file gives some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// One process of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanProcess {
    /// `p0` for the preparation of the first node, `m1` for the second main rank, `s0` and `c0` for set-up and clean-up.
    pub rank: String,
    /// The index of its node.
    pub node: u32,
    /// The names of its secret variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// What exactly would be started.
    pub launch: Launch,
}

/// The most processes that a plan lists: what a person reads, and an answer of a few megabytes at most.
pub const PLAN_PROCESSES_MAX: usize = 512;
