//! Layer 1: what a job's framework comes to: which processes run on which nodes, with every path and variable resolved.
//! One file per framework; pure. The runtime asks [`check`] and [`shape`] at submission and [`launch`] at each start.
//!
//! Decisions:
//! - 2026-11: temp directories lie in `<root>/temp`, all of which the next job's first process on the node empties; mount
//!   points lie in `<root>/mounts` and logs in `<root>/logs`, because nothing that may hold other people's data is
//!   ever below a path that we empty.
//! - 2026-11: a launcher's daemons get the whole environment of the job on their own node, so nothing is passed by
//!   `mpirun -x`: paths differ from node to node.
//! - 2026-11: what users write (scripts, arguments, command lines) is pasted unquoted and read by the shell of each process,
//!   so variables are expanded per process (reference §6.3).
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod accelerate;
mod among;
mod caffe;
mod caffe2;
mod chainer;
mod cntk;
mod container;
mod custom;
mod cx;
mod dask;
mod deepspeed;
mod expand;
mod horovod;
mod jax;
mod mounts;
mod mpi;
mod mpirun;
mod node_setup;
mod plan;
mod python;
mod pytorch;
mod ranks;
mod ray;
mod setup;
mod sharing;
mod shell;
mod tensorflow;
mod torchrun;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::fault::Fault;
use crate::model::ids::{Rank, RankRole};
use crate::model::launch::{BatchContainer, Launch, NodePlace};
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{JobSpec, MountVolumes, Secret, Toolkit};
use crate::model::state::Job;
use crate::model::state::job::Daemon;
use crate::model::volume::Volume;

pub use among::{AmongKey, has_among_key};
pub use cx::Cx;
use cx::{interpreter, line};
pub use node_setup::{set_up_node, task_logs, undo_node_setup};
use plan::Plan;
pub use setup::MOUNTS_SH;
pub use sharing::is_shared;

/// The file beside the logs that `ostler metric` writes.
const METRICS_FILE: &str = "metrics.txt";

/// Returns the name of the file beside the logs that `ostler metric` writes on a node of a job, each its own: the logs of several
/// nodes may lie in one directory.
pub fn metrics_file(node_index: u32) -> String {
    match node_index {
        0 => METRICS_FILE.to_owned(),
        index => format!("metrics-{index}.txt"),
    }
}

/// A framework: how the settings object of one kind becomes processes. Each has a file; [`of`] knows them all.
pub trait Framework {
    /// Returns which main ranks there are, and on which nodes.
    fn mains(&self, spec: &JobSpec) -> Mains;

    /// Returns how many processes of the job each node holds, for the hostfile; at least 1 for every node. Unless a
    /// framework knows better: one for each GPU, else one, which is what those who call `mpirun` themselves want.
    fn slots(&self, cx: &Cx<'_>) -> Vec<u32> {
        cx.nodes.iter().map(|node| node.gpus.max(1)).collect()
    }

    /// Returns what main rank `index` runs.
    ///
    /// # Errors
    /// What only the nodes tell to be impossible.
    fn main(&self, cx: &Cx<'_>, index: u32) -> Result<MainProcess, Fault>;
}

/// The main ranks of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mains {
    /// For each rank, in order, the index of its node.
    pub nodes: Vec<u32>,
    /// How many of the last ones only serve the others.
    pub serving: u32,
}

impl Mains {
    /// Returns one rank on the first node.
    fn first() -> Self {
        Self::on(vec![0])
    }

    /// Returns ranks that all decide.
    fn on(nodes: Vec<u32>) -> Self {
        Self { nodes, serving: 0 }
    }
}

/// What a framework decides about one main rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MainProcess {
    /// The command line for the node's shell.
    pub command: String,
    /// Variables beside those that every process has.
    pub env: Vec<(String, String)>,
}

/// Returns the framework of a job.
fn of(toolkit: &Toolkit) -> Box<dyn Framework + '_> {
    match toolkit {
        Toolkit::Custom { command_line } => Box::new(custom::Custom(command_line)),
        Toolkit::Mpi { command_line, process_count } => Box::new(mpi::Mpi { command_line, process_count: *process_count }),
        Toolkit::TensorFlow(settings) => Box::new(tensorflow::TensorFlow(settings)),
        Toolkit::Horovod(settings) => Box::new(horovod::Horovod(settings)),
        Toolkit::Cntk(settings) => Box::new(cntk::Cntk(settings)),
        Toolkit::Caffe(settings) => Box::new(caffe::Caffe(settings)),
        Toolkit::Caffe2(settings) => Box::new(caffe2::Caffe2(settings)),
        Toolkit::PyTorch(settings) => Box::new(pytorch::PyTorch(settings)),
        Toolkit::Chainer(settings) => Box::new(chainer::Chainer(settings)),
        Toolkit::Torchrun(settings) => Box::new(torchrun::Torchrun(settings)),
        Toolkit::DeepSpeed(settings) => Box::new(deepspeed::DeepSpeed(settings)),
        Toolkit::Accelerate(settings) => Box::new(accelerate::Accelerate(settings)),
        Toolkit::Jax(settings) => Box::new(jax::Jax(settings)),
        Toolkit::Ray(settings) => Box::new(ray::Ray(settings)),
        Toolkit::Dask(settings) => Box::new(dask::Dask(settings)),
    }
}

/// The names that a job's paths are made of.
#[derive(Clone, Copy, Debug)]
pub struct JobNames<'a> {
    /// Of its workspace.
    pub workspace: &'a str,
    /// Of its experiment.
    pub experiment: &'a str,
    /// What its cluster mounts on all its nodes.
    pub cluster_mounts: &'a MountVolumes,
    /// What is mounted for it; only its set-up and clean-up look at it.
    pub volumes: &'a [Volume],
    /// The container runtimes to look for, in order; only its set-up and clean-up look at it.
    pub runtimes: &'a [String],
    /// The key by which its nodes come to one another; only its set-up and clean-up look at it.
    pub among: Option<&'a AmongKey>,
}

/// Returns the processes of a job's launch plan.
pub fn shape(spec: &JobSpec) -> LaunchShape {
    let Mains { nodes, serving } = of(&spec.toolkit).mains(spec);
    let prepares = spec.job_preparation.is_some();
    // The first process on a node empties the temp directory. Where several start at once, that has to be one before them.
    let sets_up = setup::needed(spec) || (meet(&nodes) && !prepares);
    LaunchShape { sets_up, prepares, main_nodes: nodes, serving, handed: false }
}

/// Says whether two main ranks start on one node.
fn meet(nodes: &[u32]) -> bool {
    let mut seen = BTreeSet::new();
    !nodes.iter().all(|node| seen.insert(*node))
}

/// Returns everything about a job that can be known before it runs to be impossible to launch; each message names its field.
/// `shared`: its nodes have a directory in common ([`is_shared`]).
pub fn check(spec: &JobSpec, shared: bool) -> Vec<Fault> {
    plan::check(spec, shared)
}

/// Returns what is wrong with paths below the mount roots; `cluster` is what the job's cluster mounts on its nodes.
pub fn check_mounts(spec: &JobSpec, cluster: &MountVolumes) -> Vec<Fault> {
    mounts::check_paths(spec, cluster)
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
    let framework = of(&job.spec.toolkit);
    let node_index = node_of(job, rank).filter(|index| (*index as usize) < nodes.len());
    let node_index = node_index.ok_or_else(|| Fault::internal(format!("job `{}` has no process `{rank}`", job.name)))?;
    let plan = Plan { job, nodes, names, node_index };
    // Several nodes meet by an address: files on a network file system have locks that not every one keeps.
    let shared = plan.shared(&plan.paths()).filter(|_| nodes.len() == 1);
    let shared = shared.as_ref().map(|shared| shared.path.as_str());
    let cx = Cx { spec: &job.spec, nodes, job: job.id, attempt: job.attempt, shared };
    let slots = framework.slots(&cx);
    match rank.role {
        RankRole::Setup => plan.set_up(rank),
        RankRole::Cleanup => plan.clean_up(rank),
        RankRole::Prepare => plan.prepare(&slots, rank),
        RankRole::Main => plan.main(&slots, rank, framework.main(&cx, rank.index)?),
        RankRole::Daemon => {
            let daemon = daemon.ok_or_else(|| Fault::internal(format!("nobody asked for process `{rank}`")))?;
            let asker = framework.main(&cx, daemon.asked_by.index)?;
            plan.daemon(&slots, rank, daemon, asker)
        }
    }
}

/// Returns the absolute path of the folder that holds the logs of a job's current or last attempt on one of its nodes.
///
/// # Errors
/// A path that cannot be resolved.
pub fn log_folder(job: &Job, node_index: u32, names: &JobNames<'_>) -> Result<String, Fault> {
    if node_index as usize >= job.last.places.len() {
        return Err(Fault::internal(format!("job `{}` has no node {node_index}", job.name)));
    }
    Plan { job, nodes: &job.last.places, names, node_index }.log_folder()
}

/// Returns the container of a job that is handed over, and the password for its registry, as a secret of its first process.
///
/// # Errors
/// A path that cannot be resolved.
pub fn handed_container(
    job: &Job,
    nodes: &[NodePlace],
    names: &JobNames<'_>,
) -> Result<Option<(BatchContainer, Option<Secret>)>, Fault> {
    Plan { job, nodes, names, node_index: 0 }.handed_container()
}

/// Returns the directories of a job on one of its nodes, by id: logs, outputs, inputs, temp.
///
/// # Errors
/// As [`log_folder`].
pub fn directories(job: &Job, node_index: u32, names: &JobNames<'_>) -> Result<Vec<(String, String)>, Fault> {
    if node_index as usize >= job.last.places.len() {
        return Err(Fault::internal(format!("job `{}` has no node {node_index}", job.name)));
    }
    Plan { job, nodes: &job.last.places, names, node_index }.by_id()
}

/// Returns the index of a rank's node within the attempt.
fn node_of(job: &Job, rank: Rank) -> Option<u32> {
    match rank.role {
        RankRole::Setup | RankRole::Cleanup => job.shape.sets_up.then_some(rank.index),
        RankRole::Prepare => job.spec.job_preparation.is_some().then_some(rank.index),
        RankRole::Main => job.shape.main_nodes.get(rank.index as usize).copied(),
        RankRole::Daemon => {
            let run = job.last.ranks.get(&rank)?;
            let index = job.last.nodes.iter().position(|node| *node == run.node)?;
            u32::try_from(index).ok()
        }
    }
}
