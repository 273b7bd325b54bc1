//! `ostler job node`: the nodes that ran a job and still are in its cluster.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::file::{OneJob, node_index, one_job};
use super::forward::{self, Forward};
use super::job_step::{self, Step};
use super::lists::Lists;
use super::names;
use super::node::What;
use super::objects::node as object;
use super::session::{Core, Session};
use super::site_look;
use crate::model::fault::Fault;
use crate::model::request::{JobView, NodeRef};

/// Which node of a job.
#[derive(Args, Clone, Debug)]
pub struct Of {
    /// The node, by its index in the job or its name; the first when absent
    #[arg(short, long, visible_alias = "node-id", value_name = "NODE")]
    node: Option<String>,
}

/// What can be done with the nodes of a job.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// List the nodes that ran a job and are still there
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        job: OneJob,
    },
    /// Open a shell on a node of a job; where Slurm placed it, as a step of the job that takes nothing from it
    Shell {
        #[command(flatten)]
        job: OneJob,
        #[command(flatten)]
        of: Of,
    },
    /// Run a command on a node of a job, and end with its exit code
    Exec {
        #[command(flatten)]
        job: OneJob,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        what: What,
    },
    /// Forward ports of a node of a job to this machine, until interrupted
    Forward {
        /// The job: its name, job-12 or last
        #[arg(short, long, value_name = "JOB", add = names::jobs())]
        job: String,
        #[command(flatten)]
        of: Of,
        /// LOCAL:HOST:PORT, where HOST is as the node sees it; LOCAL 0 takes any free port
        #[arg(value_name = "PORTS", required = true)]
        forwards: Vec<Forward>,
    },
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let core = session.core().await?;
    match verb {
        Verb::List { job } => {
            let view = one_job(session, &core, job.word()).await?;
            if let Some(away) = &view.job.last.away {
                return site_look::nodes_of_job(session, &core, &view, &away.nodes).await;
            }
            let lists = Lists::read(&core, Some(&view.workspace)).await?;
            let mut list = session.out.list(object::COLUMNS);
            let there = view.job.last.nodes.iter().filter_map(|id| lists.nodes.iter().find(|node| node.id == *id));
            list.page(there.map(|node| object::row(node)).collect())?;
            list.end()?;
            Ok(0)
        }
        Verb::Shell { job, of } => match find(session, &core, job.word(), &of).await? {
            Found::Ours(node, name) => forward::shell(&core, node, &name).await,
            Found::Slurm(step) => forward::terminal(&core, step.door.clone(), &step.node, Some(&step.line(None)?)).await,
        },
        Verb::Exec { job, of, what } => match find(session, &core, job.word(), &of).await? {
            Found::Ours(node, name) => what.run(session, &core, node, &name).await,
            Found::Slurm(step) => what.run_in(session, &core, &step).await,
        },
        Verb::Forward { job, of, forwards } => match find(session, &core, &job, &of).await? {
            Found::Ours(node, _) => forward::run(session, &core, node, &forwards).await,
            Found::Slurm(step) => forward::run(session, &core, step.door.clone(), &step.seen(&forwards)).await,
        },
    }
}

/// A node of a job.
enum Found {
    /// One of ours, and its name.
    Ours(NodeRef, String),
    /// One of Slurm's.
    Slurm(Step),
}

async fn find(session: &Session, core: &Core, job: &str, of: &Of) -> Result<Found, Failure> {
    let view: std::sync::Arc<JobView> = one_job(session, core, job).await?;
    if let Some(step) = job_step::of(&view, of.node.as_ref())? {
        return Ok(Found::Slurm(step));
    }
    let index = node_index(&view, of.node.as_ref())?.unwrap_or(0) as usize;
    let name = view.job.last.node_names.get(index).cloned().unwrap_or_default();
    let id = view.job.last.nodes.get(index).copied();
    let id = id.ok_or_else(|| Fault::user(format!("job `{}` has not run on any node", view.job.name)))?;
    let lists = Lists::read(core, Some(&view.workspace)).await?;
    if !lists.nodes.iter().any(|node| node.id == id) {
        let fault = Fault::user(format!("node `{name}`, on which job `{}` ran, has left the cluster", view.job.name));
        return Err(fault.hint("`ostler job node list` shows those that are still there").into());
    }
    Ok(Found::Ours(NodeRef::Id(id), name))
}
