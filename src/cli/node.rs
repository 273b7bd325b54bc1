//! `ostler cluster node`: single nodes.

use std::sync::Arc;

use clap::Subcommand;

use super::cluster_slurm;
use super::failure::Failure;
use super::forward::{self, Forward};
use super::job_step::Step;
use super::lists::Lists;
use super::names;
use super::node_history;
use super::objects::node as object;
use super::session::{Core, Session};
use crate::model::fault::{Fault, FaultKind};
use crate::model::request::{NodeAct, NodeRef, Request};
use crate::model::site::{SiteAct, SiteNodeAct};
use crate::model::state::{Cluster, Node};
use crate::model::units::Millis;

/// What can be done with nodes.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// List the nodes of a cluster
    #[command(visible_alias = "ls")]
    List,
    /// Run a command on a node, and end with its exit code
    Exec {
        /// Its name, or node-7; the first when absent
        #[arg(add = names::nodes())]
        node: Option<String>,
        /// The same as NODE, as `az batchai` has it
        #[arg(short = 'n', long = "node-id", value_name = "NODE", conflicts_with = "node", add = names::nodes())]
        node_id: Option<String>,
        #[command(flatten)]
        what: What,
    },
    /// Forward ports of a node to this machine, until interrupted
    Forward {
        /// Its name, or node-7
        #[arg(add = names::nodes())]
        node: String,
        /// LOCAL:HOST:PORT, where HOST is as the node sees it; LOCAL 0 takes any free port
        #[arg(value_name = "PORTS", required = true)]
        forwards: Vec<Forward>,
    },
    /// Open a shell on a node
    Shell {
        /// Its name, or node-7; the first when absent
        #[arg(add = names::nodes())]
        node: Option<String>,
    },
    /// Answer what ssh asks for a node: a password, a one-time code, the passphrase of a key
    SignIn {
        /// Its name, or node-7; the first when absent
        #[arg(add = names::nodes())]
        node: Option<String>,
    },
    /// Prepare nodes again
    Prepare {
        /// Names, or node-7
        #[arg(required = true, value_name = "NODE", add = names::nodes())]
        nodes: Vec<String>,
    },
    /// Give nodes back, so that others come in their place; refused while a job has one
    Replace {
        /// Names, or node-7
        #[arg(required = true, value_name = "NODE", add = names::nodes())]
        nodes: Vec<String>,
    },
    /// Show what a node did: CPU, memory, disk, network and GPUs of the last day
    History {
        /// Its name, or node-7; the first when absent
        #[arg(add = names::nodes())]
        node: Option<String>,
        /// How far back
        #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = super::job_wait::span)]
        since: Millis,
    },
    /// Give nodes no new work; what runs there goes on
    Drain {
        /// Names, or node-7
        #[arg(required = true, value_name = "NODE", add = names::nodes())]
        nodes: Vec<String>,
        /// Why, for others who come across a node of Slurm's
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Give drained nodes work again
    Undrain {
        /// Names, or node-7
        #[arg(required = true, value_name = "NODE", add = names::nodes())]
        nodes: Vec<String>,
    },
    /// Start machines of Slurm's that are rented or asleep
    PowerUp {
        /// Their names
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
    },
    /// Let machines of Slurm's go or sleep, once nothing runs there
    PowerDown {
        /// Their names
        #[arg(required = true, value_name = "NODE")]
        nodes: Vec<String>,
    },
    /// Swear that nothing of ours runs on nodes that are out of sight any more; who and when is kept
    ///
    /// Their jobs may start elsewhere then. If the machines do run on, jobs run twice: use it only for machines that are surely off.
    DeclareDead {
        /// Names, or node-7
        #[arg(required = true, value_name = "NODE", add = names::nodes())]
        nodes: Vec<String>,
    },
}

/// What is run on a node, and which ports are forwarded meanwhile.
#[derive(clap::Args, Clone, Debug)]
pub struct What {
    /// Forward a port while it runs, or until interrupted when no command is given: LOCAL:HOST:PORT, where LOCAL 0 takes any
    /// free port
    #[arg(short = 'L', long = "address", value_name = "PORTS")]
    forwards: Vec<Forward>,
    /// The command line, as `az batchai` has it
    #[arg(long, value_name = "CMD", conflicts_with = "command")]
    exec: Option<String>,
    /// The command: one word is run by the node's shell as it is, several are quoted first
    #[arg(last = true, required_unless_present_any = ["exec", "forwards"], value_name = "CMD")]
    command: Vec<String>,
    /// Accepted for scripts written for `az batchai`, and not used: sign-in is ssh's own matter
    #[arg(short, long, value_name = "PASSWORD", hide = true)]
    password: Option<String>,
    /// As `--password`: the key is that of the ssh configuration
    #[arg(short = 'k', long, value_name = "PATH", hide = true)]
    ssh_private_key: Option<String>,
}

impl What {
    /// Does it on a node.
    ///
    /// # Errors
    /// As for every command.
    pub async fn run(&self, session: &Session, core: &Core, node: NodeRef, shown: &str) -> Result<i32, Failure> {
        let Some(line) = self.line(session)? else { return forward::run(session, core, node, &self.forwards).await };
        forward::around(session, core, node, shown, &self.forwards, line).await
    }

    /// Does it on a node of a job that Slurm runs.
    ///
    /// # Errors
    /// As for every command.
    pub async fn run_in(&self, session: &Session, core: &Core, step: &Step) -> Result<i32, Failure> {
        let (door, forwards) = (step.door.clone(), step.seen(&self.forwards));
        let Some(line) = self.line(session)? else { return forward::run(session, core, door, &forwards).await };
        forward::around(session, core, door, &step.node, &forwards, step.line(Some(&line))?).await
    }

    /// Returns the command line, when there is one.
    fn line(&self, session: &Session) -> Result<Option<String>, Fault> {
        if self.password.is_some() || self.ssh_private_key.is_some() {
            session.out.note("--password and --ssh-private-key are not used: sign-in is ssh's own matter (~/.ssh/config)");
        }
        let words = match &self.exec {
            Some(line) => std::slice::from_ref(line),
            None => self.command.as_slice(),
        };
        if words.is_empty() { Ok(None) } else { command_line(words).map(Some) }
    }
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::List => list(session).await,
        Verb::Exec { node, node_id, what } => {
            let core = session.core().await?;
            let (node, name) = which(session, &core, node.or(node_id).as_ref()).await?;
            what.run(session, &core, node, &name).await
        }
        Verb::Forward { node, forwards } => {
            let core = session.core().await?;
            forward::run(session, &core, node_ref(session, &node), &forwards).await
        }
        Verb::Shell { node } => {
            let core = session.core().await?;
            let (node, name) = which(session, &core, node.as_ref()).await?;
            forward::shell(&core, node, &name).await
        }
        Verb::SignIn { node } => {
            let core = session.core().await?;
            let (node, name) = which(session, &core, node.as_ref()).await?;
            forward::sign_in(session, &core, node, &name).await
        }
        Verb::History { node, since } => {
            let core = session.core().await?;
            let (node, _) = which(session, &core, node.as_ref()).await?;
            node_history::run(session, &core, node, since).await
        }
        Verb::Replace { nodes } => each(session, &nodes, "replace", NodeAct::Replace).await,
        Verb::Prepare { nodes } => each(session, &nodes, "prepare", NodeAct::Prepare).await,
        Verb::Drain { nodes, reason: Some(why) } => at_site(session, nodes, "drain", SiteNodeAct::Drain { why }).await,
        Verb::Drain { nodes, reason: None } => each(session, &nodes, "drain", NodeAct::Drain).await,
        Verb::Undrain { nodes } => each(session, &nodes, "undrain", NodeAct::Undrain).await,
        Verb::PowerUp { nodes } => at_site(session, nodes, "power up", SiteNodeAct::PowerUp).await,
        Verb::PowerDown { nodes } => at_site(session, nodes, "power down", SiteNodeAct::PowerDown).await,
        Verb::DeclareDead { nodes } => {
            session.confirm(&format!("declare {} dead, so that their jobs may start elsewhere", nodes.join(", ")))?;
            each(session, &nodes, "declare dead", NodeAct::DeclareDead { by: crate::config::person::person() }).await
        }
    }
}

/// Asks Slurm for something about its nodes.
async fn at_site(session: &Session, names: Vec<String>, verb: &str, act: SiteNodeAct) -> Result<i32, Failure> {
    let core = session.core().await?;
    let what = format!("{verb} {}", names.join(", "));
    let request = Request::ActAtSite { cluster: session.cluster(None), act: SiteAct::Nodes { names, act } };
    if core.act(&what, request).await?.is_some() {
        session.out.note(&format!("Slurm: {what}: done"));
    }
    Ok(0)
}

fn node_ref(session: &Session, word: &str) -> NodeRef {
    NodeRef::Named { cluster: session.cluster(None), node: word.to_owned() }
}

async fn list(session: &Session) -> Result<i32, Failure> {
    let core = session.core().await?;
    let lists = Lists::read(&core, session.workspace_for(&session.context.cluster).as_ref()).await?;
    let cluster = lists.cluster(session.context.cluster.as_ref())?;
    if cluster.spec.slurm.is_some() {
        return cluster_slurm::nodes(session, &core, session.cluster(None)).await;
    }
    let mut list = session.out.list(object::COLUMNS);
    list.page(lists.nodes_of(cluster).iter().map(|node: &Arc<_>| object::row(node)).collect())?;
    list.end()?;
    Ok(0)
}

/// Returns a command line for a shell: one word as it is, several with each quoted.
///
/// # Errors
/// A NUL byte, which no program can receive.
pub fn command_line(words: &[String]) -> Result<String, Fault> {
    if let Some((at, zero)) = words.iter().enumerate().find_map(|(at, word)| Some((at, word.find('\0')?))) {
        let what = format!("argument {} has a NUL byte at {zero}; no program can receive it", at + 1);
        return Err(Fault::config(what));
    }
    match words {
        [one] => Ok(one.clone()),
        many => shlex::try_join(many.iter().map(String::as_str))
            .map_err(|e| Fault::config("the command cannot be quoted").because(&e)),
    }
}

/// Returns the node that a word names, or the first of the cluster, and what to call it.
async fn which(session: &Session, core: &Core, word: Option<&String>) -> Result<(NodeRef, String), Failure> {
    if let Some(word) = word {
        return Ok((node_ref(session, word), word.clone()));
    }
    let lists = Lists::read(core, session.workspace_for(&session.context.cluster).as_ref()).await?;
    let cluster = lists.cluster(session.context.cluster.as_ref())?;
    let node = pick(cluster, &lists.nodes_of(cluster), None)?;
    Ok((NodeRef::Id(node.id), node.name.clone()))
}

/// Returns the node of a cluster that a word names, or the first that has a machine.
///
/// # Errors
/// There is no such node.
pub fn pick(cluster: &Cluster, nodes: &[Arc<Node>], word: Option<&String>) -> Result<Arc<Node>, Fault> {
    let found = match word {
        Some(word) => nodes.iter().find(|node| node.name == *word || node.id.to_string() == *word),
        None => nodes.iter().find(|node| !node.host.is_empty()),
    };
    found.cloned().ok_or_else(|| {
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).filter(|name| !name.is_empty()).collect();
        match (word, names.as_slice()) {
            (_, []) => Fault::user(format!("cluster `{}` has no nodes yet", cluster.name)),
            (None, [_, ..]) => Fault::user(format!("no node of cluster `{}` has a machine yet", cluster.name)),
            (Some(word), names) => {
                let fault = Fault::user(format!("no node `{}` in cluster `{}`", word.escape_debug(), cluster.name));
                fault.hint(format!("it has {}", names.join(", ")))
            }
        }
    })
}

async fn each(session: &Session, nodes: &[String], verb: &str, act: NodeAct) -> Result<i32, Failure> {
    let core = session.core().await?;
    let mut failed = Vec::new();
    for node in nodes {
        failed.extend(refusal(one(session, &core, node, verb, act.clone()).await)?);
    }
    partly(failed, nodes.len())
}

async fn one(session: &Session, core: &Core, node: &str, verb: &str, act: NodeAct) -> Result<(), Failure> {
    let request = Request::Node { node: node_ref(session, node), act };
    if core.act(&format!("{verb} node {node}"), request).await?.is_some() {
        session.out.note(&format!("{node}: {verb}: done"));
    }
    Ok(())
}

/// Takes out of a result what is told together with that of others.
///
/// # Errors
/// What ends the command at once.
pub fn refusal(result: Result<(), Failure>) -> Result<Option<Fault>, Failure> {
    match result {
        Ok(()) => Ok(None),
        Err(Failure::Fault(fault)) => Ok(Some(fault)),
        Err(other) => Err(other),
    }
}

/// Returns how an act on several things ended: well, refused, or partly done.
///
/// # Errors
/// The only fault, or one that lists all.
pub fn partly(mut failed: Vec<Fault>, of: usize) -> Result<i32, Failure> {
    match (failed.len(), of) {
        (0, _) => Ok(0),
        (1, 1) => Err(failed.remove(0).into()),
        (n, of) => {
            let kind = if n == of { failed[0].kind } else { FaultKind::Partly };
            let mut fault = Fault::new(kind, format!("{n} of {of} failed"));
            fault.causes = failed.iter().map(|fault| fault.message.clone()).collect();
            Err(fault.into())
        }
    }
}
