//! A provider that sells machines: slow, sometimes failing, sometimes lying, and what it does it does also when nobody
//! waits for the answer any more.

use std::collections::BTreeMap;

use ostler::model::ids::{ClusterId, EffectId};
use ostler::model::state::Notice;
use ostler::model::units::{Millis, UnixMillis};
use ostler::providers::{Found, Machine, NoMachine, Tag};
use ostler::runtime::engine::{Engine, Input};
use ostler::runtime::provide::{Ask, Work};
use ostler::sched::Event;

use crate::host::Host;
use crate::world::{Happening, World};

/// How long it takes to do something, and to say so, in milliseconds: least and most.
const TAKES: (u64, u64) = (10, 90_000);
/// How often it is looked at, in milliseconds.
const LOOK_EVERY: u64 = 60_000;
/// How many machines it has at most; then it has no capacity.
const MACHINES_MAX: usize = 8;

/// What it has sold.
#[derive(Debug, Default)]
pub struct Cloud {
    machines: BTreeMap<Tag, Machine>,
    sold: u64,
    /// When machines are taken away that it has given notice of.
    notices: BTreeMap<Tag, UnixMillis>,
}

/// What it is to do, and then to say.
#[derive(Clone, Debug)]
pub enum Deed {
    Acquire(EffectId, Tag),
    Release(Option<EffectId>, Tag),
    List(ClusterId, uuid::Uuid),
    /// The core looks at it again.
    Look,
}

/// What it says when it is done.
#[derive(Clone, Debug)]
pub enum Word {
    Fact(Box<Event>),
    Has(ClusterId, Vec<Found>),
    Nothing(ClusterId),
}

fn none(message: &str) -> NoMachine {
    NoMachine { code: "HookFailed", message: message.to_owned() }
}

/// Takes a call in.
pub fn call(world: &mut World, work: Work) {
    let deed = match work.ask {
        Ask::Acquire { effect, wanted } => Deed::Acquire(effect, wanted.tag),
        Ask::Release { effect, tag, .. } => Deed::Release(Some(effect), tag),
        Ask::Orphan { tag, .. } => Deed::Release(None, tag),
        Ask::List { cluster, pool } => Deed::List(cluster, pool),
        Ask::Wake { .. } | Ask::Sleep { .. } => unreachable!("no host of the simulation sleeps"),
    };
    let (life, takes) = (world.life, world.rng.range(TAKES.0, TAKES.1));
    world.at(takes, Happening::Cloud { life, deed });
}

/// Begins to look at it, for as long as this core lives.
pub fn watch(world: &mut World) {
    let life = world.life;
    world.at(2_000, Happening::Cloud { life, deed: Deed::Look });
}

/// Does something; who asked may be gone by then.
pub fn act(world: &mut World, life: u64, deed: Deed) {
    let trouble = !world.calm && world.rng.chance(world.faults.provider);
    let mute = !world.calm && world.rng.chance(world.faults.provider);
    let word = match deed {
        Deed::Look => {
            if life != world.life {
                return;
            }
            for out in world.engine.as_mut().map(Engine::looks_at_providers).unwrap_or_default() {
                world.act(out);
            }
            return world.at(LOOK_EVERY, Happening::Cloud { life, deed: Deed::Look });
        }
        Deed::Acquire(effect, tag) => {
            let lie = trouble && world.rng.chance(300);
            let got = if lie { world.cloud.machines.values().next().cloned() } else { acquire(world, tag, trouble) };
            if lie {
                world.reach("a provider gave a machine twice");
            }
            let failed = || Event::AcquireFailed { effect, code: "HookFailed".into(), message: "no capacity".into() };
            Word::Fact(Box::new(match got.filter(|_| !mute) {
                None => failed(),
                Some(Machine { id, name, host, price }) => Event::NodeAcquired { effect, name, host, machine: id, price },
            }))
        }
        Deed::Release(effect, tag) => {
            if !trouble && let Some(machine) = world.cloud.machines.remove(&tag) {
                world.take_away(&machine.host);
                if effect.is_none() {
                    world.reach("a machine that no node had was given back");
                }
            }
            let Some(effect) = effect else { return };
            Word::Fact(Box::new(match trouble || mute {
                true => Event::ReleaseFailed { effect, code: "HookFailed".into(), message: "try again".into() },
                false => Event::NodeReleased { effect },
            }))
        }
        Deed::List(cluster, _) if trouble || mute => Word::Nothing(cluster),
        Deed::List(cluster, pool) => {
            let of_pool = world.cloud.machines.iter().filter(|(tag, _)| tag.pool == pool);
            let found = of_pool.map(|(tag, machine)| {
                let leaves = world.cloud.notices.get(tag).map(|at| Notice { at: *at, why: String::new() });
                Found { tag: *tag, machine: machine.clone(), leaves, ends: None, waits: String::new() }
            });
            Word::Has(cluster, found.collect())
        }
    };
    let takes = world.rng.range(TAKES.0, TAKES.1 / 10);
    world.at(takes, Happening::Said { life, word });
}

fn acquire(world: &mut World, tag: Tag, trouble: bool) -> Option<Machine> {
    if let Some(machine) = world.cloud.machines.get(&tag).cloned() {
        world.reach("a machine was found by its tag");
        return Some(machine);
    }
    if trouble || world.cloud.machines.len() >= MACHINES_MAX {
        return None;
    }
    world.cloud.sold += 1;
    let host = format!("cloud{}", world.cloud.sold);
    let machine = Machine { id: format!("i-{}", world.cloud.sold), name: host.clone(), host: host.clone(), price: None };
    world.hosts.insert(host, Host::new());
    world.cloud.machines.insert(tag, machine.clone());
    Some(machine)
}

/// Says what was done to the core that asked, if that one still lives.
pub fn say(world: &mut World, life: u64, word: Word) {
    if life != world.life {
        return;
    }
    world.told(match word {
        Word::Fact(event) => Input::Fact(event),
        Word::Has(cluster, found) => Input::Listed(cluster, Ok(found)),
        Word::Nothing(cluster) => Input::Listed(cluster, Err(none("throttled"))),
    });
}

/// Somebody else needs the capacity, and says so: half a minute to some minutes later the machine is gone.
pub fn give_notice(world: &mut World) {
    let tags: Vec<Tag> = world.cloud.machines.keys().copied().collect();
    if tags.is_empty() {
        return;
    }
    let tag = tags[world.rng.range(0, tags.len() as u64) as usize];
    let after = world.rng.range(30_000, 300_000);
    let at = world.now + Millis(after);
    if world.cloud.notices.insert(tag, at).is_none() {
        world.reach("a machine was to be taken away with notice");
        world.at(after, Happening::Taken { tag });
    }
}

/// What was announced comes.
pub fn take(world: &mut World, tag: Tag) {
    world.cloud.notices.remove(&tag);
    if let Some(machine) = world.cloud.machines.remove(&tag) {
        world.take_away(&machine.host);
    }
}

/// Somebody else needs the capacity: a machine is taken away without a word.
pub fn preempt(world: &mut World) {
    let tags: Vec<Tag> = world.cloud.machines.keys().copied().collect();
    if tags.is_empty() {
        return;
    }
    let tag = tags[world.rng.range(0, tags.len() as u64) as usize];
    if let Some(machine) = world.cloud.machines.remove(&tag) {
        world.reach("a machine was taken away");
        world.take_away(&machine.host);
    }
}

/// Returns what is wrong when all is quiet: machines that no node has, and nodes whose machine is not there. A machine is that
/// node's which was given it, whatever tag it carries: a provider that lies gives one node the machine of another's tag.
pub fn amiss(world: &World) -> Vec<String> {
    let Some(engine) = world.engine.as_ref() else { return vec!["no core".to_owned()] };
    let nodes = engine.sched().nodes();
    let has = |id: &str| nodes.values().any(|node| node.machine == id);
    let orphans = world.cloud.machines.iter().filter(|(tag, machine)| !nodes.contains_key(&tag.node) && !has(&machine.id));
    let mut amiss: Vec<String> = orphans.map(|(tag, _)| format!("{tag} is paid for and no node's")).collect();
    let lost = nodes.values().filter(|node| !node.machine.is_empty());
    let lost = lost.filter(|node| !world.cloud.machines.values().any(|machine| machine.id == node.machine));
    amiss.extend(lost.map(|node| format!("{} is there and its machine is not", node.id)));
    amiss
}
