//! `ostler cluster`: pools of alike nodes.

use clap::{Args, Subcommand};

use super::args::{Named, spelled};
use super::cluster_create;
use super::cluster_file;
use super::cluster_host as host;
use super::cluster_slurm;
use super::failure::Failure;
use super::leave::{self, NoWait};
use super::lists::Lists;
use super::names;
use super::node;
use super::objects::cluster as object;
use super::objects::site as object_of_site;
use super::session::{Core, Session, unexpected};
use super::{site_job, site_look};
use crate::model::fault::Fault;
use crate::model::request::{GpuRule, Preview, Reply, Request, Scale};
use crate::model::spec::Deallocation;
use crate::model::spec::GpuIdle;
use crate::model::spec::cluster::GPU_IDLE_THEN;
use crate::model::spec::scale_file::DEALLOCATIONS;
use crate::model::units::{Millis, NodeCount};

/// What can be done with clusters.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make a cluster, from options or from a file in the published form
    Create(Box<cluster_create::Create>),
    /// Show one cluster with its nodes
    Show {
        /// Its name; that of the context when absent
        #[arg(add = names::clusters())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    /// List the clusters
    #[command(visible_alias = "ls")]
    List,
    /// Change the number of nodes
    Scale(Resize),
    /// The same as scale, as `az batchai` has it
    Resize(ResizePublished),
    /// Let the number of nodes follow the work, within bounds; `scale` ends it
    #[command(alias = "auto")]
    AutoScale(FollowWork),
    /// Let auto-scale keep all nodes for a while
    KeepAwake {
        /// Its name; that of the context when absent
        #[arg(add = names::clusters())]
        name: Option<String>,
        /// For how long; 0s ends it
        #[arg(long = "for", value_name = "SPAN", default_value = "2h", value_parser = super::job_wait::span)]
        span: Millis,
    },
    /// Let a cluster ask for nodes again that gave up, or paused after failures
    Resume {
        /// Its name; that of the context when absent
        #[arg(add = names::clusters())]
        name: Option<String>,
    },
    /// List the queue of a cluster of Slurm: everybody's jobs, with why they wait
    Queue {
        /// Its name; that of the context when absent
        #[arg(add = names::clusters())]
        name: Option<String>,
        /// Only your own
        #[arg(long)]
        mine: bool,
        /// Those too that have ended lately
        #[arg(long)]
        ended: bool,
    },
    /// List the partitions of a cluster of Slurm
    Partitions {
        /// Its name; that of the context when absent
        #[arg(add = names::clusters())]
        name: Option<String>,
    },
    /// Show your fair share on a cluster of Slurm, and the limits of your accounts and qualities of service
    Share {
        /// Its name; that of the context when absent
        #[arg(add = names::clusters())]
        name: Option<String>,
    },
    /// The hosts of a cluster that has a list of them
    #[command(subcommand)]
    Host(host::Verb),
    /// Delete a cluster; refused while jobs wait or run there, unless --force
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        #[arg(add = names::clusters())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// End the jobs that wait or run there
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        leave: NoWait,
    },
    /// The nodes of a cluster
    #[command(subcommand)]
    Node(node::Verb),
    /// Jobs of Slurm's own queue, whoever submitted them
    #[command(subcommand)]
    Job(site_job::Verb),
    /// The logs of the set-up task of a cluster
    #[command(subcommand)]
    File(cluster_file::Verb),
}

/// A cluster whose jobs Slurm places.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Slurm")]
pub struct Slurm {
    /// Who places the jobs: ostler on nodes that ssh reaches, or Slurm
    #[arg(long, value_name = "NAME", value_parser = ["ssh", "slurm"])]
    pub(super) backend: Option<String>,
    /// The login node, on which sbatch is, as `ssh HOST` reaches it
    #[arg(long, value_name = "HOST", conflicts_with = "hosts")]
    pub(super) login: Option<String>,
    /// The partition of its jobs; Slurm's default when absent
    #[arg(long, value_name = "NAME", requires = "login")]
    pub(super) partition: Option<String>,
    /// The account that is charged
    #[arg(long, value_name = "NAME", requires = "login")]
    pub(super) account: Option<String>,
    /// The quality of service
    #[arg(long, value_name = "NAME", requires = "login")]
    pub(super) qos: Option<String>,
    /// One more option of sbatch, for every job or allocation: --sbatch-option=--exclusive
    #[arg(long, value_name = "OPTION", requires = "login", allow_hyphen_values = true)]
    pub(super) sbatch_option: Vec<String>,
    /// Slurm's REST service, asked in place of its programs: https://HOST:PORT, or http://HOST:PORT or unix:/PATH as the login node reaches it
    #[arg(long, value_name = "URL", requires = "login")]
    pub(super) rest: Option<String>,
    /// A command line that prints the token (JWT) for --rest, run by the core whenever it needs it
    #[arg(long, value_name = "CMD", requires = "rest")]
    pub(super) rest_token_command: Option<String>,
    /// Whose the token is; the login node's user when absent
    #[arg(long, value_name = "NAME", requires = "rest")]
    pub(super) rest_user: Option<String>,
    /// Certificates in PEM that are trusted for --rest beside those of the system
    #[arg(long, value_name = "FILE", requires = "rest")]
    pub(super) rest_ca: Option<String>,
    /// The time limit of an allocation, when --target or --max asks for nodes that ostler holds; the partition's when absent
    #[arg(long, value_name = "SPAN", requires = "login", value_parser = super::job_wait::span)]
    pub(super) allocation_time: Option<Millis>,
}

/// Where the nodes of a new cluster come from, and what they cost.
#[derive(Args, Clone, Debug)]
pub struct Pool {
    /// Where nodes come from: hosts of a list, this machine, programs of yours, an interface over https, or allocations of Slurm
    #[arg(long, value_name = "NAME", value_parser = ["hosts", "local", "command", "http", "slurm"])]
    pub(super) provider: Option<String>,
    /// The hosts of a file, which is watched: hosts come and go with its lines
    #[arg(long, value_name = "FILE", conflicts_with = "hosts")]
    pub(super) hosts_file: Option<std::path::PathBuf>,
    /// The hosts that your ssh configuration names: all, or those that fit a pattern with *
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = "*", conflicts_with_all = ["hosts", "hosts_file"])]
    pub(super) hosts_of_ssh_config: Option<String>,
    /// A program that gets and gives back machines: it is run with acquire, release or list as its last word
    #[arg(long, value_name = "PROGRAM")]
    pub(super) hooks: Option<String>,
    /// The address of an interface that does the same
    #[arg(long, value_name = "URL")]
    pub(super) api: Option<String>,
    /// A command line that prints the token for --api, run by the core whenever it needs it
    #[arg(long, value_name = "CMD", requires = "api")]
    pub(super) api_token_command: Option<String>,
    /// A command line that wakes $OSTLER_HOST before it is used
    #[arg(long, value_name = "CMD")]
    pub(super) power_on: Option<String>,
    /// A command line that puts $OSTLER_HOST to sleep when it is given back
    #[arg(long, value_name = "CMD")]
    pub(super) power_off: Option<String>,
    /// What a node costs in an hour
    #[arg(long, value_name = "PRICE")]
    pub(super) price: Option<String>,
    /// After this long an idle node goes, and another comes if it is needed
    #[arg(long, value_name = "SPAN")]
    pub(super) max_node_lifetime: Option<String>,
    /// What leads the nodes: `native`, this program, copied there (default on `local`), or `shell`, scripts (default elsewhere)
    #[arg(long, value_name = "AGENT", value_parser = ["shell", "native"])]
    pub(super) agent: Option<String>,
}

/// Options of `scale`.
#[derive(Args, Clone, Debug)]
pub struct Resize {
    /// The cluster, which may be left out, and the number of nodes wanted
    #[arg(value_name = "[NAME] N", num_args = 0..=2, required_unless_present = "undo", add = names::clusters())]
    words: Vec<String>,
    /// Take the last change back, while nodes still come or go for it
    #[arg(long, conflicts_with = "deallocate")]
    undo: bool,
    /// What becomes of jobs on nodes that go; the cluster's own option when absent
    #[arg(long, value_name = "OPTION", value_parser = DEALLOCATIONS.map(|(word, _)| word))]
    deallocate: Option<String>,
}

/// Options of `auto-scale`.
#[derive(Args, Clone, Debug)]
pub struct FollowWork {
    /// Its name; that of the context when absent
    #[arg(add = names::clusters())]
    name: Option<String>,
    #[command(flatten)]
    named: Named,
    /// Never fewer nodes
    #[arg(long, value_name = "N", default_value_t = 0)]
    min: u32,
    /// Never more nodes
    #[arg(long, value_name = "N")]
    max: u32,
    /// A node that nothing has used for so long goes: 10m, or as it was
    #[arg(long, value_name = "SPAN", value_parser = super::job_wait::span)]
    idle: Option<Millis>,
    /// Mind jobs that hold GPUs and have used none of them for so long, 2m at least; 0s ends that
    #[arg(long, value_name = "SPAN", value_parser = super::job_wait::span)]
    gpu_idle: Option<Millis>,
    /// What happens to such a job: it is said; or it is said and the job ends once nobody is attached to its nodes
    #[arg(long, value_name = "WHAT", requires = "gpu_idle", value_parser = GPU_IDLE_THEN.map(|(word, _)| word))]
    gpu_idle_then: Option<String>,
}

/// Options of `resize`.
#[derive(Args, Clone, Debug)]
pub struct ResizePublished {
    /// Its name; that of the context when absent
    #[arg(add = names::clusters())]
    name: Option<String>,
    #[command(flatten)]
    named: Named,
    /// The number of nodes wanted
    #[arg(short, long, value_name = "N")]
    target: u32,
    /// What becomes of jobs on nodes that go; the cluster's own option when absent
    #[arg(long, value_name = "OPTION", value_parser = DEALLOCATIONS.map(|(word, _)| word))]
    deallocate: Option<String>,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Create(create) => return cluster_create::run(session, *create).await,
        Verb::Scale(resize) => {
            if resize.undo {
                if resize.words.len() > 1 {
                    return Err(Fault::config("--undo takes a cluster and no number").into());
                }
                let request = Request::TakeScaleBack { cluster: session.cluster(resize.words.first()) };
                return simple(session, "take the last scaling back", request).await;
            }
            let (name, target) = match resize.words.as_slice() {
                [name, target] => (Some(name), target),
                [target] => (None, target),
                _ => return Err(Fault::config("scale takes a cluster and a number").into()),
            };
            let target = target.parse().map_err(|_| {
                Fault::config(format!("`{}` is no number of nodes", target.escape_debug()))
                    .hint("ostler cluster scale NAME N")
            })?;
            return scale(session, name, target, resize.deallocate.as_deref()).await;
        }
        Verb::Resize(resize) => {
            let name = resize.named.or(resize.name)?;
            return scale(session, name.as_ref(), resize.target, resize.deallocate.as_deref()).await;
        }
        Verb::AutoScale(follow) => return auto_scale(session, follow).await,
        Verb::KeepAwake { name, span } => {
            let request = Request::KeepAwake { cluster: session.cluster(name.as_ref()), span };
            return simple(session, &format!("keep its nodes for {span}"), request).await;
        }
        Verb::Resume { name } => {
            let request = Request::ResumeScaling { cluster: session.cluster(name.as_ref()) };
            return simple(session, "ask for nodes again", request).await;
        }
        Verb::Queue { name, mine, ended } => {
            let whose = if mine { cluster_slurm::Whose::Mine } else { cluster_slurm::Whose::All };
            return cluster_slurm::queue(session, name.as_ref(), whose, ended).await;
        }
        Verb::Share { name } => return site_look::share(session, name.as_ref()).await,
        Verb::Partitions { name } => return cluster_slurm::partitions(session, name.as_ref()).await,
        Verb::Node(verb) => return node::run(session, verb).await,
        Verb::Host(verb) => return host::run(session, verb).await,
        Verb::Job(verb) => return site_job::run(session, verb).await,
        Verb::File(verb) => return cluster_file::run(session, verb).await,
        Verb::Show { .. } | Verb::List | Verb::Delete { .. } => {}
    }
    let core = session.core().await?;
    match verb {
        Verb::Show { name, named } => {
            let names = named.all(name)?;
            let meant = names.iter().chain(&session.context.cluster);
            let lists = Lists::read(&core, session.workspace_for(meant).as_ref()).await?;
            if names.len() > 1 {
                let mut list = session.out.list(object::COLUMNS);
                for name in &names {
                    let cluster = lists.cluster(Some(name))?;
                    list.page(vec![object::row(cluster, lists.home(cluster.workspace), &lists.nodes_of(cluster))])?;
                }
                list.end()?;
                return Ok(0);
            }
            let cluster = lists.cluster(names.first().or(session.context.cluster.as_ref()))?;
            let (workspace, nodes) = (lists.home(cluster.workspace), lists.nodes_of(cluster));
            let mut facts = object::facts(cluster, workspace, &nodes);
            let mut value = object::value(cluster, workspace, &nodes);
            if cluster.spec.slurm.is_some() {
                let place = session.cluster(Some(&cluster.name));
                match cluster_slurm::look(session, &core, place).await {
                    Ok(site) => object_of_site::counted(&site, &mut facts, &mut value),
                    Err(Failure::Fault(fault)) => {
                        session.out.warn(&format!("Slurm's own nodes are not counted: {}", fault.message))
                    }
                    Err(other) => return Err(other),
                }
            }
            session.out.one(&cluster.name, &facts, &value)?;
        }
        Verb::List => {
            let lists = Lists::read(&core, session.workspace().as_ref()).await?;
            let mut list = session.out.list(object::COLUMNS);
            let row = |c: &std::sync::Arc<_>| object::row(c, lists.home(c.workspace), &lists.nodes_of(c));
            list.page(lists.clusters.iter().map(row).collect())?;
            list.end()?;
        }
        Verb::Delete { name, named, force, leave } => {
            let names = named.some(name)?;
            let more = if force { " and end the jobs on it" } else { "" };
            session.confirm(&format!("delete {}{more}", spelled("cluster", &names)))?;
            let (core, mut failed) = (&core, Vec::new());
            for name in &names {
                failed.extend(node::refusal(delete(session, core, name, force, leave).await)?);
            }
            return node::partly(failed, names.len());
        }
        Verb::Create(_)
        | Verb::Scale(_)
        | Verb::Resize(_)
        | Verb::AutoScale(_)
        | Verb::KeepAwake { .. }
        | Verb::Resume { .. }
        | Verb::Queue { .. }
        | Verb::Partitions { .. }
        | Verb::Share { .. }
        | Verb::Node(_)
        | Verb::Host(_)
        | Verb::Job(_)
        | Verb::File(_) => {}
    }
    Ok(0)
}

async fn delete(session: &Session, core: &Core, name: &String, force: bool, leave: NoWait) -> Result<(), Failure> {
    let more = if force { " and end the jobs on it" } else { "" };
    let lists = Lists::read(core, session.workspace_for([name]).as_ref()).await?;
    let id = lists.cluster(Some(name)).ok().map(|cluster| cluster.id);
    let request = Request::DeleteCluster { cluster: session.cluster(Some(name)), force };
    if core.act(&format!("delete cluster `{name}`{more}"), request).await?.is_some() {
        let still = |lists: &Lists| id.is_some_and(|id| lists.clusters.iter().any(|c| c.id == id));
        leave::until_gone(session, core, &format!("cluster `{name}`"), leave, still).await?;
    }
    Ok(())
}

async fn simple(session: &Session, what: &str, request: Request) -> Result<i32, Failure> {
    match session.core().await?.act(what, request).await? {
        None | Some(Reply::Accepted { .. }) => Ok(0),
        Some(other) => Err(unexpected(&other)),
    }
}

async fn auto_scale(session: &Session, follow: FollowWork) -> Result<i32, Failure> {
    let core = session.core().await?;
    let (minimum, maximum) = (NodeCount(follow.min), NodeCount(follow.max));
    let name = follow.named.or(follow.name)?;
    let name = name.as_ref();
    let then = follow.gpu_idle_then.as_deref().and_then(|word| GPU_IDLE_THEN.iter().find(|(known, _)| *known == word));
    let then = then.map(|(_, then)| *then).unwrap_or_default();
    let gpu_idle = follow.gpu_idle.map(|after| match after {
        Millis(0) => GpuRule::Off,
        after => GpuRule::On(GpuIdle { after, then }),
    });
    let request = Request::AutoScale { cluster: session.cluster(name), minimum, maximum, idle: follow.idle, gpu_idle };
    match core.act(&format!("auto-scale from {minimum} to {maximum} nodes"), request).await? {
        None | Some(Reply::Accepted { .. }) => {}
        Some(other) => return Err(unexpected(&other)),
    }
    show_scaled(session, &core, name).await?;
    Ok(0)
}

async fn scale(session: &Session, name: Option<&String>, target: u32, option: Option<&str>) -> Result<i32, Failure> {
    let core = session.core().await?;
    let deallocation = option.and_then(|option| DEALLOCATIONS.iter().find(|(word, _)| *word == option)).map(|(_, d)| *d);
    let mut scale = Scale { cluster: session.cluster(name), target: NodeCount(target), deallocation, seen: None };
    let preview = match core.ask(Request::PreviewScale(scale.clone())).await? {
        Reply::Preview(preview) => preview,
        other => return Err(unexpected(&other)),
    };
    ask_for_jobs(session, &preview)?;
    // What the person was shown is what is changed; a change by another meanwhile is a refusal, not a surprise.
    scale.seen = Some(preview.from);
    match core.act(&format!("scale: {}", preview.line), Request::Scale(scale)).await? {
        None => {}
        // A note was said already.
        Some(Reply::Accepted { note: Some(_) }) => {}
        Some(Reply::Accepted { note: None }) => session.out.note(&preview.line),
        Some(other) => return Err(unexpected(&other)),
    }
    show_scaled(session, &core, name).await?;
    Ok(0)
}

/// A smaller target that stops jobs asks first.
fn ask_for_jobs(session: &Session, preview: &Preview) -> Result<(), Failure> {
    if preview.release_busy.is_empty() || preview.deallocation == Deallocation::WaitForJobCompletion {
        return Ok(());
    }
    let fate = match preview.deallocation {
        Deallocation::Requeue => "stop and queue again",
        Deallocation::Terminate => "end for good",
        Deallocation::WaitForJobCompletion => "wait for",
    };
    let jobs: std::collections::BTreeSet<&str> = preview.release_busy.iter().map(|(_, job)| job.as_str()).collect();
    let jobs: Vec<&str> = jobs.into_iter().collect();
    session.confirm(&format!("{}; {fate} {}", preview.line, jobs.join(", ")))
}

/// Programs get the cluster as it is after the change.
async fn show_scaled(session: &Session, core: &Core, name: Option<&String>) -> Result<(), Failure> {
    if session.out.for_people() || session.globals.dry_run {
        return Ok(());
    }
    let name = name.or(session.context.cluster.as_ref());
    let lists = Lists::read(core, session.workspace_for(name).as_ref()).await?;
    let cluster = lists.cluster(name)?;
    let value = object::value(cluster, lists.home(cluster.workspace), &lists.nodes_of(cluster));
    session.out.done("", &cluster.name, &value)
}
