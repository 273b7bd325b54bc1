//! Layer 1: what a job's framework comes to: which processes run on which nodes, with every path and variable resolved.
//! One file per framework; pure. The runtime asks [`check`] and [`shape`] at submission and [`launch`] at each start.
//!
//! Decisions:
//! - 2026-11: temp directories lie in `<root>/temp`, all of which the next job's first process on the node empties; mount
//!   points lie in `<root>/mounts` and logs in `<root>/logs`, because nothing that may hold other people's data is
//!   ever below a path that we empty.
//! - 2026-11: a launcher's daemons get the whole environment of the job on their own node, so nothing is passed by
//!   `mpirun -x`: paths differ from node to node.
//! - 2026-11: AZ_BATCHAI_SHARED_JOB_TEMP is not set: nothing proves yet that the nodes of a job share a directory.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod custom;
mod expand;
mod mounts;
mod mpi;
mod plan;
mod setup;

#[cfg(test)]
mod tests;

use crate::model::fault::Fault;
use crate::model::ids::{Rank, RankRole};
use crate::model::launch::{Launch, NodePlace};
use crate::model::spec::JobSpec;
use crate::model::spec::job::LaunchShape;
use crate::model::state::Job;
use crate::model::state::job::Daemon;
use crate::model::volume::Volume;

use plan::Plan;

/// A framework: how the published settings object of one tool type becomes processes.
pub trait Framework: Sync {
    /// Returns the published `toolType` it serves.
    fn tool_type(&self) -> &'static str;

    /// For each main rank, in order, the index of its node.
    fn main_nodes(&self, spec: &JobSpec) -> Vec<u32>;

    /// Returns how many processes of the job each node holds, for the hostfile; at least 1 for every node.
    fn slots(&self, spec: &JobSpec, nodes: &[NodePlace]) -> Vec<u32>;

    /// Returns what main rank `index` runs.
    fn main(&self, spec: &JobSpec, nodes: &[NodePlace], index: u32) -> MainProcess;
}

/// What a framework decides about one main rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainProcess {
    /// The command line for the node's shell.
    pub command: String,
    /// Variables beside those that every process has.
    pub env: Vec<(String, String)>,
    /// What is between `stdout` and `.txt` in the names of its log files.
    pub log_suffix: String,
}

/// All frameworks.
pub const ALL: &[&dyn Framework] = &[&custom::Custom, &mpi::Mpi];

/// The names that a job's paths are made of.
#[derive(Clone, Copy, Debug)]
pub struct JobNames<'a> {
    /// Of its workspace.
    pub workspace: &'a str,
    /// Of its experiment.
    pub experiment: &'a str,
    /// What is mounted for it; only its set-up and clean-up look at it.
    pub volumes: &'a [Volume],
}

/// Returns the processes of a job's launch plan.
pub fn shape(spec: &JobSpec) -> LaunchShape {
    LaunchShape {
        sets_up: setup::needed(spec),
        prepares: spec.job_preparation.is_some(),
        main_nodes: of(spec).map_or_else(Vec::new, |framework| framework.main_nodes(spec)),
        serving: 0,
    }
}

/// Returns everything about a job that can be known before it runs to be impossible to launch; each message names its field.
pub fn check(spec: &JobSpec) -> Vec<Fault> {
    plan::check(spec)
}

/// Returns what exactly runs as `rank` of the job's current attempt. `nodes` are the nodes of the attempt, in order;
/// `daemon` is what a launcher asked for, when the rank is one.
///
/// # Errors
/// A path that cannot be resolved, or a rank that the plan does not have.
pub fn launch(
    job: &Job,
    nodes: &[NodePlace],
    rank: Rank,
    daemon: Option<&Daemon>,
    names: &JobNames<'_>,
) -> Result<Launch, Fault> {
    let framework = of(&job.spec).ok_or_else(|| Fault::internal(format!("no framework serves job `{}`", job.name)))?;
    let node_index = node_of(job, rank).filter(|index| (*index as usize) < nodes.len());
    let node_index = node_index.ok_or_else(|| Fault::internal(format!("job `{}` has no process `{rank}`", job.name)))?;
    let plan = Plan { job, nodes, names, node_index };
    let slots = framework.slots(&job.spec, nodes);
    match rank.role {
        RankRole::Setup => plan.set_up(rank),
        RankRole::Cleanup => plan.clean_up(rank),
        RankRole::Prepare => plan.prepare(&slots, rank),
        RankRole::Main => plan.main(&slots, rank, framework.main(&job.spec, nodes, rank.index)),
        RankRole::Daemon => {
            let daemon = daemon.ok_or_else(|| Fault::internal(format!("nobody asked for process `{rank}`")))?;
            let asker = framework.main(&job.spec, nodes, daemon.asked_by.index);
            plan.daemon(&slots, rank, daemon, asker)
        }
    }
}

/// Returns the absolute path of the folder that holds the logs of a job's current or last attempt on one of its nodes.
///
/// # Errors
/// A path that cannot be resolved.
pub fn log_folder(job: &Job, node_index: u32, names: &JobNames<'_>) -> Result<String, Fault> {
    if node_index as usize >= job.places.len() {
        return Err(Fault::internal(format!("job `{}` has no node {node_index}", job.name)));
    }
    Plan { job, nodes: &job.places, names, node_index }.log_folder()
}

/// Returns the directories of a job on one of its nodes, by id: logs, outputs, inputs, temp.
///
/// # Errors
/// As [`log_folder`].
pub fn directories(job: &Job, node_index: u32, names: &JobNames<'_>) -> Result<Vec<(String, String)>, Fault> {
    if node_index as usize >= job.places.len() {
        return Err(Fault::internal(format!("job `{}` has no node {node_index}", job.name)));
    }
    Plan { job, nodes: &job.places, names, node_index }.by_id()
}

fn of(spec: &JobSpec) -> Option<&'static dyn Framework> {
    ALL.iter().copied().find(|framework| framework.tool_type() == spec.toolkit.tool_type())
}

/// Returns the index of a rank's node within the attempt.
fn node_of(job: &Job, rank: Rank) -> Option<u32> {
    match rank.role {
        RankRole::Setup | RankRole::Cleanup => job.shape.sets_up.then_some(rank.index),
        RankRole::Prepare => job.spec.job_preparation.is_some().then_some(rank.index),
        RankRole::Main => job.shape.main_nodes.get(rank.index as usize).copied(),
        RankRole::Daemon => {
            let run = job.ranks.get(&rank)?;
            let index = job.nodes.iter().position(|node| *node == run.node)?;
            u32::try_from(index).ok()
        }
    }
}
