//! What breaks, and how often: each seed draws its own subset (swarm testing).

use std::collections::BTreeSet;

use ostler::model::ids::JobId;

use crate::host::{Folder, Host};
use crate::rng::Rng;
use crate::world::{Happening, World};

/// The rates of one seed, in thousandths of the occasions.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The core dies before a turn is on the disk.
    pub crash_before_commit: u64,
    /// The core dies after the commit, before anything is sent or answered.
    pub crash_after_commit: u64,
    /// A node cannot start a process.
    pub start_refused: u64,
    /// Weights of what strikes at machines.
    pub cut: u64,
    pub reboot: u64,
    pub kill_supervisor: u64,
    pub power_off: u64,
    /// A provider fails, or does what it should and says otherwise.
    pub provider: u64,
    /// A provider takes a machine away.
    pub preempt: u64,
    /// The time between two strikes, in milliseconds.
    pub every: u64,
    /// Jobs that people deleted: they may be gone.
    pub deleted: BTreeSet<JobId>,
}

impl Faults {
    /// Draws the faults of a seed.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut some = |most: u64| if rng.chance(500) { rng.range(1, most) } else { 0 };
        Self {
            crash_before_commit: some(12),
            crash_after_commit: some(12),
            start_refused: some(60),
            cut: some(100),
            reboot: some(60),
            kill_supervisor: some(60),
            power_off: some(40),
            provider: some(300),
            preempt: some(80),
            every: 500 + some(20_000),
            deleted: BTreeSet::new(),
        }
    }

    /// Nothing breaks any more.
    pub fn stop(&mut self) {
        *self = Self { deleted: std::mem::take(&mut self.deleted), ..Self::default() };
    }
}

/// Something strikes.
pub fn strike(world: &mut World) {
    if world.rng.chance(world.faults.preempt) {
        match world.rng.chance(500) {
            true => crate::cloud::preempt(world),
            false => crate::cloud::give_notice(world),
        }
    }
    let names: Vec<String> = world.hosts.keys().cloned().collect();
    if let Some(name) = world.rng.pick(&names).cloned() {
        let faults = world.faults.clone();
        if world.rng.chance(faults.cut) {
            world.reach("a link was cut");
            world.cut.insert(name.clone());
            world.drop_sessions(&name);
        } else if world.cut.contains(&name) && world.rng.chance(400) {
            world.cut.remove(&name);
        }
        if world.rng.chance(faults.kill_supervisor) {
            kill_supervisor(world, &name);
        }
        if world.rng.chance(faults.reboot) {
            world.reach("a machine rebooted");
            reboot(world, &name);
        }
        if world.rng.chance(faults.power_off) {
            world.reach("a machine lost power");
            world.drop_sessions(&name);
            if let Some(host) = world.hosts.get_mut(&name) {
                power_off(host);
            }
        } else if world.hosts.get(&name).is_some_and(|h| !h.on) && world.rng.chance(300) {
            reboot(world, &name);
        }
    }
    if world.faults.every > 0 {
        let next = world.rng.range(world.faults.every / 2, world.faults.every * 2);
        world.at(next, Happening::Fault);
    }
}

/// Heals everything.
pub fn heal(world: &mut World) {
    world.cut.clear();
    let off: Vec<String> = world.hosts.iter().filter(|(_, h)| !h.on).map(|(name, _)| name.clone()).collect();
    for name in off {
        reboot(world, &name);
    }
}

pub fn power_off(host: &mut Host) {
    host.on = false;
    lose_processes(host);
}

fn reboot(world: &mut World, name: &str) {
    world.drop_sessions(name);
    if let Some(host) = world.hosts.get_mut(name) {
        lose_processes(host);
        host.boot += 1;
        host.on = true;
    }
}

fn lose_processes(host: &mut Host) {
    let boot = host.boot;
    host.lines.clear();
    for folder in host.spool.values_mut() {
        if matches!(folder, Folder::Alive { boot: of, .. } if *of == boot) {
            *folder = Folder::Dead { boot };
        }
    }
}

fn kill_supervisor(world: &mut World, name: &str) {
    let alive: Vec<_> = world.hosts.get(name).into_iter().flat_map(Host::alive).collect();
    let Some(key) = world.rng.pick(&alive).copied() else { return };
    if let Some(host) = world.hosts.get_mut(name) {
        let boot = host.boot;
        host.spool.insert(key, Folder::Dead { boot });
    }
    world.reach("a supervisor was killed");
    world.tell_gone(name, key);
    // What it had still to start never will be, and the agent finds that.
    let line = world.hosts.get_mut(name).and_then(|host| host.lines.remove(&key)).unwrap_or_default();
    for next in line {
        if let Some(host) = world.hosts.get_mut(name).filter(|host| !host.spool.contains_key(&next.key)) {
            host.spool.insert(next.key, Folder::Fenced);
            world.tell_gone(name, next.key);
        }
    }
}
