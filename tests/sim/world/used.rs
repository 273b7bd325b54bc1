//! How machines are used, as samples of them would say: GPUs that do nothing, people at terminals, processes of strangers; and
//! the rules of what the core makes of it. What a machine is like is the world's truth; the core knows what it was told.

use std::collections::{BTreeMap, BTreeSet};

use ostler::model::ids::{Attempt, JobId, NodeId};
use ostler::model::spec::{GpuIdle, ScaleSettings};
use ostler::model::state::{ExecutionState, Job, Node, Observed};
use ostler::model::units::UnixMillis;
use ostler::runtime::engine::Input;
use ostler::sched::{Event, Sched};

use super::{Happening, World};

/// How often nodes are measured, in milliseconds.
const EVERY: u64 = 30_000;
/// How many GPUs a machine has.
pub const GPUS: u32 = 2;
/// How often in a thousand looks GPUs fall asleep or wake, somebody comes or goes, a stranger's process begins or ends.
const SLEEPS: u64 = 25;
const VISITED: u64 = 20;
const STRANGER: u64 = 60;
/// What the core says of a job that it ends for its GPUs.
const WORDS: &str = "had not used its GPUs";

/// How one machine is used.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    /// Since when its GPUs do nothing.
    still: Option<UnixMillis>,
    /// Since when nobody is at a terminal.
    alone: Option<UnixMillis>,
    /// A GPU on which somebody else computes.
    stranger: Option<u32>,
}

/// What the world and the core know of how machines are used.
#[derive(Debug, Default)]
pub struct Used {
    machines: BTreeMap<String, Use>,
    /// What the core that lives now was told.
    told: BTreeMap<NodeId, Observed>,
    life: u64,
    begun: BTreeMap<JobId, Attempt>,
    /// Attempts that were ended for their GPUs.
    ended: BTreeSet<(JobId, Attempt)>,
}

impl World {
    /// Machines are measured for the first time, and again and again after it.
    pub(super) fn measure(&mut self) {
        self.at(EVERY, Happening::Measure);
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        for name in names {
            let now = self.now;
            let before = self.used.machines.get(&name).copied();
            // Most machines are left to themselves, and most have nothing for their GPUs to do.
            let fresh = Use { still: self.rng.chance(700).then_some(now), alone: Some(now), stranger: None };
            let mut one = before.unwrap_or(fresh);
            let turned = |since: Option<UnixMillis>| if since.is_some() { None } else { Some(now) };
            if self.rng.chance(SLEEPS) {
                one.still = turned(one.still);
            }
            if self.rng.chance(VISITED) {
                one.alone = turned(one.alone);
            }
            if self.rng.chance(STRANGER) {
                let index = self.rng.range(0, u64::from(GPUS)) as u32;
                one.stranger = if one.stranger.is_some() { None } else { Some(index) };
            }
            // Whoever computes uses a GPU; when all is to come to an end, nobody stays on one.
            one.stranger = one.stranger.filter(|_| !self.calm);
            self.used.machines.insert(name, one);
        }
        if self.used.life != self.life {
            (self.used.life, self.used.told) = (self.life, BTreeMap::new());
        }
        let up: Vec<(NodeId, String)> =
            self.wires.iter().filter(|(_, wire)| wire.up).map(|(node, wire)| (*node, wire.host.clone())).collect();
        for (node, host) in up {
            let observed = self.used.observed(&host);
            if self.engine.is_none() || self.used.told.get(&node) == Some(&observed) {
                continue;
            }
            self.used.told.insert(node, observed.clone());
            self.turn(vec![Input::Fact(Box::new(Event::NodeMeasured { node, observed }))]);
        }
    }
}

impl Used {
    fn observed(&self, host: &str) -> Observed {
        let one = self.machines.get(host).copied().unwrap_or_default();
        let still = |index: &u32| one.stranger != Some(*index);
        Observed {
            gpus: GPUS,
            gpus_still: one.still.map(|at| (0..GPUS).filter(still).map(|index| (index, at)).collect()).unwrap_or_default(),
            left_alone: one.alone,
            strangers: one.stranger.map(|index| (index, "somebody's work".to_owned())).into_iter().collect(),
            ..Observed::default()
        }
    }

    /// Checks what was committed; returns what was reached.
    pub fn check(&mut self, sched: &Sched, now: UnixMillis) -> Vec<&'static str> {
        let mut reached = Vec::new();
        let began = |job: &&Job| job.course() == ExecutionState::Running;
        let begun: BTreeMap<JobId, Attempt> =
            sched.jobs().values().map(|job| &**job).filter(began).map(|job| (job.id, job.attempt)).collect();
        for (id, _) in begun.iter().filter(|(id, attempt)| self.begun.get(id) != Some(attempt)) {
            reached.extend(self.starts(sched, &sched.jobs()[id]));
        }
        self.begun = begun;
        let rule = sched.clusters().values().next().and_then(|cluster| match &cluster.spec.scale_settings {
            ScaleSettings::AutoScale(auto) => auto.gpu_idle,
            ScaleSettings::Manual { .. } => None,
        });
        for job in sched.jobs().values().filter(|job| job.state == ExecutionState::Terminating) {
            let ended = job.last.errors.iter().any(|error| error.message.contains(WORDS));
            // Looked at when it is decided: later on, people may look, GPUs may work again, and the rule may go.
            if ended && self.ended.insert((job.id, job.attempt)) {
                reached.push(ended_rightly(sched, job, rule, now));
            }
        }
        reached
    }

    /// No job begins on a GPU that somebody else was seen on.
    fn starts(&self, sched: &Sched, job: &Job) -> Option<&'static str> {
        let mut beside = None;
        for (at, id) in job.last.nodes.iter().enumerate() {
            let taken = |node: &&std::sync::Arc<Node>| !node.observed.strangers.is_empty();
            let Some(node) = sched.nodes().get(id).filter(taken) else { continue };
            let shares = job.last.places.get(at).and_then(|place| place.gpu_shares.as_ref());
            let free = match (job.spec.demand.part(), shares) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(_), Some(shares)) => shares.iter().all(|share| !node.observed.strangers.contains_key(&share.index)),
            };
            assert!(free, "never on a GPU that a stranger has: {} began on {node:#?}", job.id);
            beside = Some("a job began beside a stranger's");
        }
        beside
    }
}

/// Jobs end for their GPUs only where the rule says so, none was used for so long, and nobody was there.
fn ended_rightly(sched: &Sched, job: &Job, rule: Option<GpuIdle>, now: UnixMillis) -> &'static str {
    let rule = rule.expect("only a rule ends a job for its GPUs");
    for id in &job.last.nodes {
        let observed = &sched.nodes()[id].observed;
        let idle = observed.gpus_still.values().all(|since| *since + rule.after <= now);
        let started = job.last.started.is_some_and(|at| at + rule.after <= now);
        let right = idle && started && !observed.gpus_still.is_empty() && observed.left_alone.is_some();
        assert!(right, "never ends a job that used its GPUs or was looked at: {} on {observed:#?}", job.id);
    }
    "a job ended because it used none of its GPUs"
}
