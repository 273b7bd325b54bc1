//! From effects to orders, and from reports to events. Pure but for what it reads of the engine.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::frameworks;
use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, EffectId, Epoch, FileServerId, NodeId, RankKey, RankRole};
use crate::model::kept::Kept;
use crate::model::launch::{Launch, NodePlace};
use crate::model::resource_id::ResourceId;
use crate::model::spec::mounts::NO_MOUNTS;
use crate::model::spec::{AgentKind, ProviderSpec};
use crate::model::state::file_server::ServerOutcome;
use crate::model::state::{Cluster, Job, Node, NodeState, Proof, Unusable};
use crate::model::volume::Volume;
use crate::providers;
use crate::runtime::engine::{Engine, Out};
use crate::runtime::export::{self, Ask};
use crate::runtime::keep::KeepWork;
use crate::runtime::{among, handover, provide, resolve, secrets, sweeps, volumes};
use crate::sched::{Act, DaemonAnswer, Effect, Event, NO_JOB, Sched, Sighting};
use crate::store::{Store, Witness};
use crate::transport::{Address, NodeLink, Order, Report, Seen};

/// What became of an effect that was to be performed.
pub enum Done {
    /// This is to be done outside.
    Out(Out),
    /// These are.
    Outs([Out; 2]),
    /// It is answered already.
    Fact(Event),
    /// Both.
    OutThenFact(Out, Event),
    /// It stays in the outbox until its node is up.
    Later,
}

/// Performs one effect.
pub fn perform<S: Store>(engine: &Engine<S>, effect: &Effect) -> Done {
    let id = effect.id;
    match &effect.act {
        Act::AcquireNode { cluster, node } => match (engine.sched.clusters().get(cluster), engine.sched.nodes().get(node)) {
            (Some(cluster), Some(node)) => provide::acquire(engine, id, cluster, node),
            (None, _) | (_, None) => {
                let message = "its cluster is gone".into();
                Done::Fact(Event::AcquireFailed { effect: id, code: "ClusterGone".into(), message })
            }
        },
        Act::PrepareNode { node } => match home_of(engine, *node) {
            Some((cluster, node)) => match link_of(engine, node) {
                Some(link) => Done::Out(provide::open(engine, cluster, node, link)),
                None => Done::Later,
            },
            None => Done::Later,
        },
        Act::KeepLogs { node } => match keep_work(engine, *node) {
            Some(work) => Done::Out(Out::Keep(id, work)),
            None => Done::Fact(Event::LogsKept { effect: id, kept: Kept::default() }),
        },
        Act::ReleaseNode { node } => {
            let told = home_of(engine, *node).and_then(|(cluster, node)| provide::release(engine, id, cluster, node));
            match told {
                Some(out) => Done::Outs([Out::Close(*node), out]),
                None => Done::OutThenFact(Out::Close(*node), Event::NodeReleased { effect: id }),
            }
        }
        Act::StartRank { node, boot, key, limit, after } => match launch(engine, *node, *key) {
            Err(why) => {
                Done::Fact(Event::RankGone { key: *key, effect: Some(id), proof: Proof::Refused { why, code: None } })
            }
            Ok(mut launch) => match secrets::fill(engine, &mut launch.secrets) {
                Ok(()) => {
                    let (boot, limit, grace) = (boot.clone(), *limit, engine.settings.kill_grace);
                    let launch = Box::new(launch);
                    order(engine, *node, Order::Start { effect: id, key: *key, boot, limit, grace, launch, after: *after })
                }
                Err(why) => {
                    let code = secrets::UNAVAILABLE.to_owned();
                    order(engine, *node, Order::Refuse { effect: id, key: *key, code, why })
                }
            },
        },
        Act::RecallRank { node, key } => order(engine, *node, Order::Recall { effect: id, key: *key }),
        Act::StopRank { node, key, why, grace } => {
            order(engine, *node, Order::Stop { effect: id, key: *key, why: *why, grace: *grace })
        }
        Act::AckGone { node, key } => order(engine, *node, Order::Ack { effect: id, key: *key }),
        Act::AnswerDaemon { node, by, request, answer } => {
            let answer = match answer {
                DaemonAnswer::Started { .. } => "started".to_owned(),
                DaemonAnswer::Ended { code } => format!("ended {code}"),
            };
            order(engine, *node, Order::AnswerDaemon { effect: id, by: *by, request: *request, answer })
        }
        Act::SetUpServer { file_server } => server(engine, id, *file_server, Ask::Up),
        Act::UndoServer { file_server } => server(engine, id, *file_server, Ask::Down),
        Act::Notify { job } => match (&engine.settings.webhook, engine.job(*job)) {
            (Some(_), Ok(Some(job))) => Done::Out(Out::Notify(id, job)),
            _ => Done::Fact(Event::EffectDone { effect: id }),
        },
        Act::ExpandSweep { sweep, count } => Done::Fact(sweeps::expand(engine, id, *sweep, *count)),
    }
}

fn home_of<S: Store>(engine: &Engine<S>, node: NodeId) -> Option<(&Cluster, &Node)> {
    let node = engine.sched.nodes().get(&node)?;
    Some((engine.sched.clusters().get(&node.cluster)?, node))
}

fn server<S: Store>(engine: &Engine<S>, effect: EffectId, id: FileServerId, ask: Ask) -> Done {
    let work = engine.sched.file_servers().get(&id).and_then(|row| export::work(engine, &row.spec, ask));
    match work {
        Some(work) => Done::Out(Out::Server(effect, work)),
        None => Done::Fact(Event::FileServerAnswered { effect, outcome: ServerOutcome::Gone }),
    }
}

fn keep_work<S: Store>(engine: &Engine<S>, node: NodeId) -> Option<KeepWork> {
    let node = engine.sched.nodes().get(&node)?;
    let root = node.facts.as_ref()?.root.clone();
    let link = Box::new(link_of(engine, node)?);
    (!root.is_empty()).then(|| KeepWork { link, name: node.name.clone(), root })
}

fn order<S: Store>(engine: &Engine<S>, node: NodeId, order: Order) -> Done {
    if engine.up.contains(&node) { Done::Out(Out::Order(node, order)) } else { Done::Later }
}

/// Returns the links that a start opens: to every node that has a machine.
pub fn open_all<S: Store>(engine: &Engine<S>) -> Vec<Out> {
    let links = engine.sched.nodes().values().filter_map(|node| link_of(engine, node));
    links.map(|link| Out::Open(Box::new(link))).collect()
}

/// Turns what a node says into an event; `resend` gets the nodes that have just come up.
pub fn event_of<S: Store>(
    engine: &mut Engine<S>,
    node: NodeId,
    report: Report,
    resend: &mut BTreeSet<NodeId>,
) -> Option<Event> {
    if !engine.sched.nodes().contains_key(&node) {
        return None;
    }
    match report {
        Report::Up { boot, facts, inventory } => {
            engine.up.insert(node);
            engine.code.forget(node);
            resend.insert(node);
            let effect = engine.outbox().values().find_map(|e| match e.act {
                Act::PrepareNode { node: of } if of == node => Some(e.id),
                _ => None,
            });
            let inventory = inventory.into_iter().map(|(key, seen)| (key, sighting(seen))).collect();
            Some(Event::NodeUp { node, effect, boot, facts, inventory })
        }
        Report::Down { why, retry_in } => {
            engine.up.remove(&node);
            if let Some(seen) = seen_epoch(&why) {
                Witness::note_seen(std::path::Path::new(&engine.around.state_dir), seen);
            }
            Some(Event::NodeDown { node, why, retry_in })
        }
        Report::Started { effect, key } => on_node(engine, node, key).then_some(Event::RankStarted { effect, key }),
        Report::Stuck { key, why } => on_node(engine, node, key).then_some(Event::RankStuck { key, why }),
        Report::Told { key, away } => on_node(engine, node, key).then_some(Event::JobTold { key, away }),
        Report::Gone { key, effect, proof } => on_node(engine, node, key).then_some(Event::RankGone { key, effect, proof }),
        Report::DaemonAsked { by, request, host, command } => {
            if !on_node(engine, node, by) {
                return None;
            }
            let node_index = node_index(engine.sched.jobs().get(&by.job)?, &host);
            Some(Event::DaemonAsked { by, request, node_index: node_index.unwrap_or(u32::MAX), command })
        }
        Report::Done { effect } => Some(Event::EffectDone { effect }),
        // It is for the picture alone.
        Report::Site(_) => None,
    }
}

fn sighting(seen: Seen) -> Sighting {
    match seen {
        Seen::Alive => Sighting::Alive,
        Seen::Gone(proof) => Sighting::Gone(proof),
    }
}

/// Returns the start of another core that a node has seen, when it refuses ours for being an earlier one (`take_epoch` of the agent).
fn seen_epoch(why: &Unusable) -> Option<Epoch> {
    let (_, rest) = (why.code == "epoch").then(|| why.message.split_once("has seen epoch "))??;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(Epoch)
}

/// A node may speak only of processes that were sent to it: of another's it is not believed.
fn on_node<S: Store>(engine: &Engine<S>, node: NodeId, key: RankKey) -> bool {
    match engine.sched.jobs().get(&key.job) {
        _ if key.job == NO_JOB => u64::from(key.rank.index) == node.0,
        Some(job) if job.attempt == key.attempt => job.last.ranks.get(&key.rank).is_none_or(|run| run.node == node),
        _ => true,
    }
}

fn node_index(job: &Job, host: &str) -> Option<u32> {
    let at = job.last.places.iter().position(|place| place.address == host || place.name == host)?;
    u32::try_from(at).ok()
}

/// Returns how a node is reached; `None` while it has no machine.
pub fn link_of<S: Store>(engine: &Engine<S>, node: &Node) -> Option<NodeLink> {
    if node.host.is_empty() || matches!(node.state, NodeState::Allocating) {
        return None;
    }
    let cluster = engine.sched.clusters().get(&node.cluster)?;
    Some(link_to(engine, cluster, node.id, &node.host))
}

fn link_to<S: Store>(engine: &Engine<S>, cluster: &Cluster, node: NodeId, host: &str) -> NodeLink {
    let uuid = node_uuid(cluster.uuid, node);
    let local = host.starts_with(providers::local::LOCAL_PREFIX);
    let config = engine.around.ssh_config.clone();
    let job = host.strip_prefix(providers::slurm::ALLOCATION_PREFIX);
    NodeLink {
        node,
        cluster: cluster.id,
        address: match (&cluster.spec.provider, job) {
            _ if local => Address::Local,
            (ProviderSpec::Slurm { allocation }, Some(job)) => {
                Address::Allocation { login: allocation.login.clone(), config, job: job.to_owned() }
            }
            // Its files are where they were, in a home that the login node has too.
            (ProviderSpec::Slurm { allocation }, None) => Address::Ssh { host: allocation.login.clone(), config },
            (_, _) => Address::Ssh { host: host.to_owned(), config },
        },
        local_root: local.then(|| format!("{}/nodes/{}/{uuid}", engine.around.state_dir, cluster.uuid)),
        spool: (cluster.uuid.to_string(), uuid.to_string()),
        epoch: engine.epoch,
        agent: cluster.spec.pool.agent.unwrap_or(if local { AgentKind::Native } else { AgentKind::Shell }),
    }
}

/// Returns the way to files of this machine that are no node's.
pub fn link_here<S: Store>(engine: &Engine<S>, cluster: ClusterId) -> NodeLink {
    NodeLink {
        node: NodeId(0),
        cluster,
        address: Address::Local,
        spool: (String::new(), String::new()),
        local_root: None,
        epoch: engine.epoch,
        agent: AgentKind::Shell,
    }
}

/// Names a node's folder in spools: derived from the cluster's uuid and the node's number, so that it can be found again.
pub fn node_uuid(cluster: Uuid, node: NodeId) -> Uuid {
    Uuid::new_v5(&cluster, node.to_string().as_bytes())
}

/// Computes what exactly a rank runs.
fn launch<S: Store>(engine: &Engine<S>, node: NodeId, key: RankKey) -> Result<Launch, String> {
    if key.job == NO_JOB {
        return node_launch(engine, node, key);
    }
    let job = engine.sched.jobs().get(&key.job).ok_or("its job is gone")?;
    if job.shape.handed {
        let cluster = engine.sched.clusters().get(&job.cluster).ok_or("its cluster is gone")?;
        let door = job.last.places.first().ok_or("it was not placed")?;
        return handover::launch(job, cluster, door, &job_names(&engine.sched, job)).map_err(|fault| fault.message);
    }
    let daemon = job.last.ranks.get(&key.rank).and_then(|run| run.daemon.as_ref());
    let found = match key.rank.role {
        RankRole::Setup | RankRole::Cleanup => volumes_of(engine, job)?,
        RankRole::Prepare | RankRole::Main | RankRole::Daemon => Vec::new(),
    };
    let runtimes = &engine.settings.container_runtimes;
    let among = among::key_of(engine, job)?;
    let names = frameworks::JobNames { volumes: &found, runtimes, among: among.as_ref(), ..job_names(&engine.sched, job) };
    frameworks::launch(job, &job.last.places, key.rank, daemon, &names).map_err(|fault| fault.message)
}

/// Computes what sets a node up.
fn node_launch<S: Store>(engine: &Engine<S>, id: NodeId, key: RankKey) -> Result<Launch, String> {
    let node = engine.sched.nodes().get(&id).ok_or("its node is gone")?;
    let cluster = engine.sched.clusters().get(&node.cluster).ok_or("its cluster is gone")?;
    let setup = cluster.spec.node_setup.as_ref();
    let found = match setup {
        None => Vec::new(),
        Some(setup) => {
            volumes::resolve(&engine.sched, &engine.settings, cluster.workspace, &setup.mount_volumes).map_err(said)?
        }
    };
    let place = NodePlace::of(&node.name, &node.facts.clone().unwrap_or_default());
    if node.setup.undoing {
        return Ok(frameworks::undo_node_setup(&place, key));
    }
    let suffix = setup_suffix(&engine.sched, cluster);
    frameworks::set_up_node(&place, key, setup, &found, &suffix).map_err(|fault| fault.message)
}

/// Returns the published `stdOutErrPathSuffix` of a cluster's set-up task.
pub fn setup_suffix(sched: &Sched, cluster: &Cluster) -> String {
    let group = resolve::group_name_of(sched, cluster.workspace);
    ResourceId::setup_segment(group, resolve::workspace_name(sched, cluster.workspace), &cluster.name, cluster.uuid)
}

fn said(faults: Vec<Fault>) -> String {
    faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
}

/// What a job mounts, as accounts and file servers are now.
fn volumes_of<S: Store>(engine: &Engine<S>, job: &Job) -> Result<Vec<Volume>, String> {
    let found = volumes::resolve(&engine.sched, &engine.settings, job.workspace, &job.spec.mount_volumes);
    found.map_err(said)
}

/// Returns the names that a job's folders are called by.
pub fn job_names<'a>(sched: &'a Sched, job: &Job) -> frameworks::JobNames<'a> {
    frameworks::JobNames {
        workspace: resolve::workspace_name(sched, job.workspace),
        experiment: resolve::experiment_name(sched, job.experiment),
        cluster_mounts: sched.clusters().get(&job.cluster).map_or(&NO_MOUNTS, |cluster| cluster.spec.mounts()),
        volumes: &[],
        runtimes: &[],
        among: None,
    }
}

/// Returns the way to a node of a job's last attempt, also when the node is no longer ours but its cluster is.
pub fn link_for<S: Store>(engine: &Engine<S>, job: &Job, index: usize) -> Option<NodeLink> {
    let id = job.last.nodes.get(index)?;
    if let Some(node) = engine.sched.nodes().get(id) {
        return link_of(engine, node);
    }
    let name = job.last.node_names.get(index)?;
    let host = match name.strip_prefix("local-") {
        Some(number) => format!("{}{number}", providers::local::LOCAL_PREFIX),
        None => name.clone(),
    };
    let cluster = engine.sched.clusters().get(&job.cluster)?;
    Some(link_to(engine, cluster, *id, &host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_has_seen_a_later_start_is_noted() {
        let why =
            |code: &str, message: &str| Unusable { code: code.into(), step: "start agent".into(), message: message.into() };
        let words = "this node has seen epoch 12, and this controller is at 9";
        let agent = include_str!("../../assets/agent/agent.sh");
        assert!(agent.contains("this node has seen epoch $TE_SEEN, and this controller is at $EPOCH"), "the agent's words");
        assert_eq!(seen_epoch(&why("epoch", words)), Some(Epoch(12)));
        assert_eq!(seen_epoch(&why("spool", words)), None);
        assert_eq!(seen_epoch(&why("epoch", "this node has seen epoch")), None);
    }
}
