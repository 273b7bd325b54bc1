//! Acts of providers: what takes time or goes outside. Each runs as a task of its own, a few at a time, and comes back as one
//! input; a crash in between loses nothing, since the effect is in the outbox and the machine carries its tag.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::guard::guard;
use crate::model::ids::{ClusterId, EffectId, NodeId};
use crate::model::spec::machine::VmPriority;
use crate::model::spec::pool::Allocation;
use crate::model::spec::{Api, ClusterSpec, Hooks, ProviderSpec, Secret};
use crate::model::state::{Cluster, Node, NodeState, Reach};
use crate::providers::command::Programs;
use crate::providers::hosts::{Book, Hosts};
use crate::providers::http::Interface;
use crate::providers::local::Local;
use crate::providers::power::{self, Switch};
use crate::providers::slurm::Allocations;
use crate::providers::{self, Found, Machine, NoMachine, Provider, READY_WITHIN, Tag, Wanted};
use crate::runtime::engine::{Engine, Input, Out};
use crate::runtime::perform::Done;
use crate::runtime::secrets;
use crate::runtime::secrets::source;
use crate::sched::Event;
use crate::store::{Store, crash_point};
use crate::transport::NodeLink;

/// How many calls of providers may be under way at once: each is a process or a connection, and a cloud rations them.
pub const CALLS_AT_ONCE: usize = 16;
/// How often the machines of a pool are looked at: a machine that somebody took away is noticed within two of these.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often they are looked at while allocations of Slurm are waited for, after something has changed and at most: one question for a
/// whole cluster.
pub const LOOK_EVERY_WAITING: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// How often in a row a machine has to be missing from its provider's list before it is gone: a list may lag behind.
pub const MISSING_TIMES: u32 = 2;

/// What is asked of a provider.
#[derive(Debug)]
pub enum Ask {
    /// A machine for a node.
    Acquire { effect: EffectId, wanted: Wanted },
    /// A machine back, which its node does not need any more.
    Release { effect: EffectId, tag: Tag, machine: Machine },
    /// What there is.
    List { cluster: ClusterId, pool: uuid::Uuid },
    /// A machine back that no node has.
    Orphan { tag: Tag, machine: Machine },
    /// A host awake; then its link is opened.
    Wake { line: String, tag: Tag, link: Box<NodeLink>, host: String },
    /// A host asleep.
    Sleep { effect: EffectId, line: String, tag: Tag, host: String },
}

/// Who is asked.
#[derive(Clone, Debug)]
pub enum Who {
    /// Programs of the user's.
    Programs(Hooks),
    /// An interface, with its token.
    Interface(Api, Option<Secret>),
    /// Slurm, by a login node: what is asked for, and the ssh configuration.
    Slurm(Box<Allocation>, Option<String>),
    /// A command line alone.
    Switch,
}

/// One call of a provider.
#[derive(Debug)]
pub struct Work {
    /// What is asked.
    pub ask: Ask,
    /// Of whom.
    pub who: Who,
    /// The name of the cluster.
    pub cluster: String,
    /// Where complaints and locks of hooks are kept.
    pub folder: PathBuf,
}

impl Work {
    /// Returns the effect that it answers.
    pub fn effect(&self) -> Option<EffectId> {
        match &self.ask {
            Ask::Acquire { effect, .. } | Ask::Release { effect, .. } | Ask::Sleep { effect, .. } => Some(*effect),
            Ask::List { .. } | Ask::Orphan { .. } | Ask::Wake { .. } => None,
        }
    }
}

/// Returns the tag of a node.
pub fn tag_of(cluster: &Cluster, node: NodeId) -> Tag {
    Tag { pool: cluster.uuid, node }
}

/// Gets a machine for a node: at once where the core knows all there are, else by a call.
pub(super) fn acquire<S: Store>(engine: &Engine<S>, effect: EffectId, cluster: &Cluster, node: &Node) -> Done {
    let tag = tag_of(cluster, node.id);
    let book = || {
        let mut book = book(engine);
        book.extend(engine.hosts_on_the_way().map(|host| (host.clone(), None)));
        book
    };
    let taken = match &cluster.spec.provider {
        // Clusters of Slurm may have one login node: each is a partition, or an account.
        ProviderSpec::Hosts { hosts } if cluster.spec.hands_over() => Hosts::new(hosts.clone(), Book::new()).take(tag),
        ProviderSpec::Hosts { hosts } => Hosts::new(hosts.clone(), book()).take(tag),
        ProviderSpec::Local => Ok(Local::new(book()).take(tag)),
        ProviderSpec::Class => {
            Err(NoMachine { code: "NoNodeClass", message: "the node class gives no machines".to_owned() })
        }
        ProviderSpec::Command { .. } | ProviderSpec::Http { .. } | ProviderSpec::Slurm { .. } => {
            let ask = Ask::Acquire { effect, wanted: wanted(&cluster.spec, tag, &cluster.name) };
            return Done::Out(call(engine, cluster, ask));
        }
    };
    Done::Fact(match taken {
        // A host of a list is no machine that anybody has to be told of.
        Ok(machine) => acquired(effect, Machine { id: String::new(), ..machine }),
        Err(none) => failed(effect, none),
    })
}

fn wanted(spec: &ClusterSpec, tag: Tag, cluster: &str) -> Wanted {
    let low_priority = spec.machines.vm_priority == VmPriority::LowPriority;
    Wanted { tag, cluster: cluster.to_owned(), class: spec.vm_size.clone(), low_priority }
}

/// Gives a node's machine back; `None` when nobody has to be told.
pub(super) fn release<S: Store>(engine: &Engine<S>, effect: EffectId, cluster: &Cluster, node: &Node) -> Option<Out> {
    let tag = tag_of(cluster, node.id);
    let ask = if cluster.spec.provider.is_asked() {
        let (id, name, host) = (node.machine.clone(), node.name.clone(), node.host.clone());
        Ask::Release { effect, tag, machine: Machine { id, name, host, price: None } }
    } else {
        let line = cluster.spec.pool.power_off.clone().filter(|_| !node.host.starts_with(providers::local::LOCAL_PREFIX))?;
        Ask::Sleep { effect, line, tag, host: node.host.clone() }
    };
    Some(call(engine, cluster, ask))
}

/// Opens the link to a node that may have to be woken first.
pub(super) fn open<S: Store>(engine: &Engine<S>, cluster: &Cluster, node: &Node, link: NodeLink) -> Out {
    let preparing = node.state == NodeState::Preparing;
    match cluster.spec.pool.power_on.clone().filter(|_| preparing && link.local_root.is_none()) {
        None => Out::Open(Box::new(link)),
        Some(line) => {
            let (tag, host) = (tag_of(cluster, node.id), node.host.clone());
            call(engine, cluster, Ask::Wake { line, tag, link: Box::new(link), host })
        }
    }
}

fn call<S: Store>(engine: &Engine<S>, cluster: &Cluster, ask: Ask) -> Out {
    let who = match &cluster.spec.provider {
        ProviderSpec::Command { hooks } => Who::Programs(hooks.clone()),
        ProviderSpec::Http { api } => {
            let mut token = api.token.clone().map(|source| Secret { name: "token".to_owned(), source });
            // One that cannot be found is said when the call is made.
            let _ = secrets::fill(engine, token.as_mut_slice());
            Who::Interface(api.clone(), token)
        }
        ProviderSpec::Slurm { allocation } => Who::Slurm(allocation.clone(), engine.around.ssh_config.clone()),
        ProviderSpec::Hosts { .. } | ProviderSpec::Local | ProviderSpec::Class => Who::Switch,
    };
    let folder = Path::new(&engine.around.state_dir).join("providers");
    Out::Provide(Box::new(Work { ask, who, cluster: cluster.name.clone(), folder }))
}

/// Returns who has which host, over all clusters.
pub fn book<S>(engine: &Engine<S>) -> Book {
    let nodes = engine.sched.nodes().values().filter(|node| !node.host.is_empty());
    let entry = |node: &std::sync::Arc<Node>| {
        let tag = engine.sched.clusters().get(&node.cluster).map(|cluster| tag_of(cluster, node.id));
        (node.host.clone(), tag)
    };
    nodes.map(entry).collect()
}

impl<S: Store> Engine<S> {
    /// Returns the calls that look at what every provider has.
    ///
    /// A list may be older than a machine that was got while it was written, so only nodes that had theirs before count as
    /// missing; and there is one look at a time.
    pub fn looks_at_providers(&mut self) -> Vec<Out> {
        let asked = self.sched.clusters().values().filter(|cluster| cluster.spec.provider.is_asked());
        let due: Vec<_> = asked.filter(|cluster| !self.looking.contains_key(&cluster.id)).cloned().collect();
        for cluster in &due {
            let with = self.sched.nodes_of(cluster.id).filter(|node| !node.machine.is_empty()).map(|node| node.id).collect();
            self.looking.insert(cluster.id, with);
            let asked = self.sched.nodes_of(cluster.id).filter(|node| self.ordered.contains(&node.id)).map(|node| node.id);
            self.ordered_before.insert(cluster.id, asked.collect());
        }
        due.iter().map(|cluster| call(self, cluster, Ask::List { cluster: cluster.id, pool: cluster.uuid })).collect()
    }

    /// Returns how many allocations of Slurm are waited for, or are out of sight and perhaps over.
    pub fn allocations_awaited(&self) -> usize {
        let awaited = |node: &&std::sync::Arc<Node>| match (&node.state, &node.reach) {
            (NodeState::Allocating | NodeState::Leaving, _) if node.host.is_empty() => node.effect.is_some(),
            (_, Reach::Lost { .. }) => true,
            (_, Reach::Never | Reach::Seen) => false,
        };
        let slurm = self.sched.clusters().values().filter(|cluster| cluster.spec.provider.is_slurm());
        slurm.map(|cluster| self.sched.nodes_of(cluster.id).filter(awaited).count()).sum()
    }

    /// Tells of allocations that have come, or why they have not, or that they will not. One that was asked for after the list was
    /// begun is not in it.
    fn allocations(&self, cluster: &Cluster, asked_before: &BTreeSet<NodeId>, found: &[Found]) -> Vec<Event> {
        if !cluster.spec.provider.is_slurm() {
            return Vec::new();
        }
        let waiting = self.sched.nodes_of(cluster.id).filter(|node| node.host.is_empty());
        let told = waiting.filter_map(|node| {
            let effect = node.effect?;
            match found.iter().find(|found| found.tag.node == node.id) {
                Some(found) if !found.machine.host.is_empty() => Some(acquired(effect, found.machine.clone())),
                // Not wanted any more: it is given back as one that has come.
                Some(found) if node.state == NodeState::Leaving => {
                    let Machine { id, price, .. } = found.machine.clone();
                    let host = format!("{}{id}", providers::slurm::ALLOCATION_PREFIX);
                    Some(acquired(effect, Machine { name: host.clone(), host, id, price }))
                }
                Some(found) => {
                    let why = Some(found.waits.clone()).filter(|why| !why.is_empty());
                    Some(Event::NodeAwaited { node: node.id, why })
                }
                None if asked_before.contains(&node.id) => {
                    let message =
                        "Slurm does not have the allocation any more: it was cancelled, or its node failed".to_owned();
                    Some(Event::AcquireFailed { effect, code: "AllocationEnded".to_owned(), message })
                }
                None => None,
            }
        });
        told.collect()
    }

    /// Compares what a provider has with what is believed: machines of ours that no node has are given back, and nodes whose
    /// machine is gone are gone, unless they answer.
    pub(super) fn compare(&mut self, id: ClusterId, found: &[Found]) -> (Vec<Event>, Vec<Out>) {
        let expected = self.looking.remove(&id).unwrap_or_default();
        let Some(cluster) = self.sched.clusters().get(&id).cloned() else { return (Vec::new(), Vec::new()) };
        let last = self.sched.counters().node;
        // A provider may have given one node the machine of another's tag: it is in use, whatever it is called.
        let held = self.sched.nodes_of(id).map(|node| node.machine.as_str()).filter(|machine| !machine.is_empty());
        let held: BTreeSet<&str> = held.collect();
        // A tag may be carried by a second machine: one that an order got which was taken for lost.
        let orphan = |found: &&Found| match self.sched.nodes().get(&found.tag.node) {
            _ if held.contains(found.machine.id.as_str()) => false,
            None => found.tag.node <= last && guard("provide.orphans-go-back"),
            Some(node) => expected.contains(&node.id) && found.machine.id != node.machine,
        };
        let ask = |found: &Found| Ask::Orphan { tag: found.tag, machine: found.machine.clone() };
        let outs = found.iter().filter(orphan).map(|found| call(self, &cluster, ask(found))).collect();
        let mut gone = Vec::new();
        let nodes: Vec<_> = self.sched.nodes_of(id).filter(|node| expected.contains(&node.id)).cloned().collect();
        for node in nodes {
            if found.iter().any(|found| found.tag.node == node.id && found.machine.id == node.machine) {
                self.missing.remove(&node.id);
                continue;
            }
            let times = self.missing.entry(node.id).or_default();
            *times += 1;
            // Slurm's queue does not lag behind.
            if *times < MISSING_TIMES && !cluster.spec.provider.is_slurm() {
                continue;
            }
            if self.up.contains(&node.id) {
                tracing::warn!(node = %node.name, "its provider does not list it, but it answers");
                continue;
            }
            self.missing.remove(&node.id);
            gone.push(Event::NodeGone { node: node.id });
        }
        gone.extend(self.notices(id, found));
        let asked_before = self.ordered_before.remove(&id).unwrap_or_default();
        let told = self.allocations(&cluster, &asked_before, found);
        for event in &told {
            if let Event::AcquireFailed { effect, .. } | Event::NodeAcquired { effect, .. } = event
                && let Some(node) = self.sched.nodes_of(id).find(|node| node.effect == Some(*effect)).map(|node| node.id)
            {
                self.ordered.remove(&node);
            }
        }
        gone.extend(told);
        (gone, outs)
    }

    /// Returns what is new of when machines are taken away.
    fn notices(&self, id: ClusterId, found: &[Found]) -> Vec<Event> {
        let of = |node: &Node| found.iter().find(|found| found.tag.node == node.id && found.machine.id == node.machine);
        let nodes = self.sched.nodes_of(id).filter(|node| node.state != NodeState::Leaving);
        let changed = nodes.filter_map(|node| {
            let leaves = of(node)?.leaves.clone();
            (leaves != node.notice).then_some(Event::NodeNoticed { node: node.id, notice: leaves })
        });
        let lent = self.sched.nodes_of(id).filter(|node| node.state != NodeState::Leaving && !node.host.is_empty());
        let ends = lent.filter_map(|node| {
            let ends = of(node)?.ends;
            (ends != node.ends).then_some(Event::NodeEnds { node: node.id, ends })
        });
        changed.chain(ends).collect()
    }
}

fn acquired(effect: EffectId, machine: Machine) -> Event {
    let Machine { id, name, host, price } = machine;
    Event::NodeAcquired { effect, name, host, machine: id, price }
}

fn failed(effect: EffectId, none: NoMachine) -> Event {
    Event::AcquireFailed { effect, code: none.code.to_owned(), message: none.message }
}

/// Does one call; returns what the engine is told.
pub async fn run(work: Work) -> Option<Input> {
    let Work { ask, who, cluster, folder } = work;
    let comes_later = matches!(who, Who::Slurm(..));
    let provider = match who {
        Who::Programs(hooks) => Ok(Some(Box::new(Programs { hooks, cluster, folder: folder.clone() }) as Box<dyn Provider>)),
        Who::Interface(api, token) => {
            let found = match &token {
                None => Ok(None),
                Some(secret) => source::look_up(&secret.source).await.map(Some),
            };
            found.map(|token| {
                Some(Box::new(Interface { ca_file: api.ca_file, ..Interface::new(api.url, token, cluster) })
                    as Box<dyn Provider>)
            })
        }
        Who::Slurm(asked, config) => Ok(Some(Box::new(Allocations { asked: *asked, config, cluster }) as Box<dyn Provider>)),
        Who::Switch => Ok(None),
    };
    let provider = provider.map_err(|why| NoMachine { code: "TokenUnavailable", message: format!("the token: {why}") });
    let nobody = || NoMachine { code: "NoProvider", message: "the cluster has no provider that can be asked".to_owned() };
    let asked = provider.and_then(|provider| match (&ask, provider) {
        (Ask::Wake { .. } | Ask::Sleep { .. }, _) => Ok(None),
        (_, Some(provider)) => Ok(Some(provider)),
        (_, None) => Err(nobody()),
    });
    match (ask, asked) {
        (Ask::Acquire { effect, wanted }, asked) => {
            crash_point("acquire.due");
            let got = match asked {
                // It may wait for days: the next looks at what there is say when it has come.
                Ok(Some(provider)) if comes_later => match provider.acquire(&wanted).await {
                    Ok(_) => return Some(Input::Ordered(wanted.tag.node)),
                    Err(none) => Err(none),
                },
                Ok(Some(provider)) => providers::get(&*provider, &wanted, READY_WITHIN).await,
                Ok(None) => Err(nobody()),
                Err(none) => Err(none),
            };
            crash_point("acquire.done");
            Some(Input::Fact(Box::new(match got {
                Ok(machine) => acquired(effect, machine),
                Err(none) => failed(effect, none),
            })))
        }
        (Ask::Release { effect, tag, machine }, asked) => {
            crash_point("release.due");
            let done = match asked {
                Ok(Some(provider)) => provider.release(tag, &machine).await,
                Ok(None) => Err(nobody()),
                Err(none) => Err(none),
            };
            crash_point("release.done");
            Some(Input::Fact(Box::new(released(effect, done))))
        }
        (Ask::List { cluster, pool }, asked) => {
            let found = match asked {
                Ok(Some(provider)) => provider.list(pool).await,
                Ok(None) => Err(nobody()),
                Err(none) => Err(none),
            };
            Some(Input::Listed(cluster, found))
        }
        (Ask::Orphan { tag, machine }, asked) => {
            let done = match asked {
                Ok(Some(provider)) => provider.release(tag, &machine).await,
                Ok(None) => Err(nobody()),
                Err(none) => Err(none),
            };
            match done {
                Ok(()) => tracing::info!(%tag, machine = %machine.id, "a machine that no node has is given back"),
                Err(none) => tracing::warn!(%tag, machine = %machine.id, none.message, "a machine that no node has stays"),
            }
            None
        }
        (Ask::Wake { line, tag, link, host }, _) => {
            let woken = power::switch(&line, Switch::On, tag, &host, &folder).await;
            Some(Input::Woken(link, woken.err()))
        }
        (Ask::Sleep { effect, line, tag, host }, _) => {
            let done = power::switch(&line, Switch::Off, tag, &host, &folder).await;
            Some(Input::Fact(Box::new(released(effect, done))))
        }
    }
}

fn released(effect: EffectId, done: Result<(), NoMachine>) -> Event {
    match done {
        Ok(()) => Event::NodeReleased { effect },
        Err(none) => Event::ReleaseFailed { effect, code: none.code.to_owned(), message: none.message },
    }
}
