//! Caps on how many jobs of an array or of an experiment run at once. Behind each cap waits what may not be in the queue
//! yet: of every cluster's waiting jobs as many of the first are let into the queue as could still start. So the queue
//! holds only what may start, a capped array of thousands costs an event nothing, and auto-scale asks for no nodes for it.
//!
//! All of it is derived of rows. Each move costs a few steps in ordered sets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Sched;
use super::place::need_of;
use super::pool::{Ask, QueuePlace};
use super::queue::JobSet;
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, ExperimentId, JobId};
use crate::model::state::{Cap, ExecutionState, Full, Job};

/// All caps that anything is under.
pub(super) type Gates = BTreeMap<Cap, Gate>;

/// One cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gate {
    most: u32,
    /// How many of its jobs are on nodes.
    running: u32,
    lanes: BTreeMap<ClusterId, Lane>,
}

/// What waits for nodes of one cluster under one cap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Lane {
    /// Let through.
    inside: BTreeSet<QueuePlace>,
    /// Not yet.
    behind: BTreeSet<QueuePlace>,
}

impl Lane {
    /// Returns the next change that makes `inside` the first `room` of all, `true` for one that is let in.
    fn step(&mut self, room: usize) -> Option<(QueuePlace, bool)> {
        let out = self.inside.len() > room
            || matches!((self.behind.first(), self.inside.last()), (Some(next), Some(last)) if next < last);
        if out {
            let place = self.inside.pop_last()?;
            self.behind.insert(place);
            return Some((place, false));
        }
        if self.inside.len() == room {
            return None;
        }
        let place = self.behind.pop_first()?;
        self.inside.insert(place);
        Some((place, true))
    }
}

impl Sched {
    /// Returns the caps of a job, the narrowest first. Those who place a job keep the cap of its array or sweep themselves: they
    /// get its members at once.
    fn caps(&self, job: &Job) -> Vec<(Cap, u32)> {
        let member = job.member.as_ref().filter(|_| !job.shape.handed);
        let array = member.and_then(|member| Some((Cap::Array(member.of), member.running_max?)));
        let experiment = self.experiments.get(&job.experiment).and_then(|experiment| experiment.running_max);
        let member = job.sweep.as_ref().filter(|_| !job.shape.handed);
        let sweep = member.and_then(|member| Some((Cap::Sweep(member.of), member.running_max?)));
        array.into_iter().chain(sweep).chain(experiment.map(|most| (Cap::Experiment(job.experiment), most))).collect()
    }

    /// Puts a job that may start into its cluster's queue, or behind the cap that keeps it out.
    pub(super) fn enter(&mut self, cluster: ClusterId, place: QueuePlace) {
        let caps = self.jobs.get(&place.1).map(|job| self.caps(job)).unwrap_or_default();
        self.pass(&caps, cluster, place);
    }

    fn pass(&mut self, caps: &[(Cap, u32)], cluster: ClusterId, place: QueuePlace) {
        let Some(((cap, most), _)) = caps.split_first() else {
            let ask = self.ask_of(place.1);
            self.pools.entry(cluster).or_default().line_up(place, ask);
            self.turn.fresh.insert(cluster);
            self.turn.dirty.insert(cluster);
            return;
        };
        let gate = self.gates.entry(*cap).or_default();
        gate.most = *most;
        gate.lanes.entry(cluster).or_default().behind.insert(place);
        self.balance(*cap, cluster);
    }

    /// Takes a job out of its cluster's queue, or from behind the caps that keep it out of it.
    pub(super) fn leave(&mut self, caps: &[(Cap, u32)], cluster: ClusterId, place: QueuePlace) {
        let Some(((cap, _), rest)) = caps.split_first() else {
            let ask = self.ask_of(place.1);
            if let Some(pool) = self.pools.get_mut(&cluster) {
                pool.step_out(&place, &ask);
            }
            self.turn.fresh.insert(cluster);
            self.turn.dirty.insert(cluster);
            return;
        };
        let Some(lane) = self.gates.get_mut(cap).and_then(|gate| gate.lanes.get_mut(&cluster)) else { return };
        if !lane.behind.remove(&place) && lane.inside.remove(&place) {
            self.leave(rest, cluster, place);
        }
        self.balance(*cap, cluster);
    }

    fn ask_of(&self, job: JobId) -> Ask {
        let ask = |job: &Arc<Job>| (need_of(job), job.spec.demand.part().cloned());
        self.jobs.get(&job).map(ask).unwrap_or_default()
    }

    /// Returns the caps of a job in memory.
    pub(super) fn caps_of(&self, job: JobId) -> Vec<(Cap, u32)> {
        self.jobs.get(&job).map(|job| self.caps(job)).unwrap_or_default()
    }

    /// Counts a job that takes nodes, or gives them back.
    pub(super) fn count_running(&mut self, caps: &[(Cap, u32)], before: bool, after: bool) {
        if before == after {
            return;
        }
        for (cap, most) in caps {
            let gate = self.gates.entry(*cap).or_default();
            gate.most = *most;
            gate.running = if after { gate.running + 1 } else { gate.running.saturating_sub(1) };
            let lanes: Vec<_> = gate.lanes.keys().copied().collect();
            for cluster in lanes {
                self.balance(*cap, cluster);
            }
            self.forget_gate(*cap);
        }
    }

    /// Lets as many of one cluster's jobs through a cap as could still start, the first ones.
    fn balance(&mut self, cap: Cap, cluster: ClusterId) {
        loop {
            let Some(gate) = self.gates.get_mut(&cap) else { return };
            let (most, running) = (gate.most, gate.running);
            let room = most.saturating_sub(if guard("gate.running-counts") { running } else { 0 }) as usize;
            let Some(lane) = gate.lanes.get_mut(&cluster) else { return };
            let Some((place, lets_in)) = lane.step(room) else {
                let (waits, empty) = (!lane.behind.is_empty(), lane.inside.is_empty() && lane.behind.is_empty());
                if empty {
                    gate.lanes.remove(&cluster);
                }
                let full = Full { cap, most };
                let pool = self.pools.entry(cluster).or_default();
                let changed = match waits && room == 0 {
                    true => pool.full.insert(full),
                    false => pool.full.remove(&full),
                };
                if changed {
                    self.turn.dirty.insert(cluster);
                }
                return self.forget_gate(cap);
            };
            let caps = self.caps_of(place.1);
            let at = caps.iter().position(|(other, _)| *other == cap).map_or(caps.len(), |at| at + 1);
            match lets_in {
                true => self.pass(&caps[at..], cluster, place),
                false => self.leave(&caps[at..], cluster, place),
            }
        }
    }

    fn forget_gate(&mut self, cap: Cap) {
        if self.gates.get(&cap).is_some_and(|gate| gate.running == 0 && gate.lanes.is_empty()) {
            self.gates.remove(&cap);
        }
    }

    pub(super) fn on_experiment_capped(&mut self, id: ExperimentId, running_max: Option<u32>) {
        let before = self.experiments.get(&id).map(|experiment| experiment.running_max);
        if before.is_none_or(|before| before == running_max) {
            return self.ignore();
        }
        self.recap(id, |sched| sched.edit_experiment(id, |experiment| experiment.running_max = running_max));
    }

    /// Changes an experiment's cap: its jobs leave their places under the old one and enter under the new one.
    pub(super) fn recap(&mut self, id: ExperimentId, change: impl FnOnce(&mut Self)) {
        let jobs: Vec<_> = self.members.get(&id).into_iter().flat_map(JobSet::iter).collect();
        let moves: Vec<_> = jobs
            .iter()
            .filter_map(|job| self.jobs.get(job))
            .filter(|job| !job.state.ended())
            .map(|job| (job.id, job.cluster, super::pool::ready_place(job), on_nodes(job.course())))
            .collect();
        for (job, cluster, place, running) in &moves {
            let caps = self.caps_of(*job);
            if let Some(place) = place {
                self.leave(&caps, *cluster, *place);
            }
            self.count_running(&caps, *running, false);
        }
        change(self);
        for (job, cluster, place, running) in moves {
            let caps = self.caps_of(job);
            self.count_running(&caps, false, running);
            if let Some(place) = place {
                self.enter(cluster, place);
            }
        }
    }
}

/// Says whether a job in this state is on nodes.
pub(super) fn on_nodes(state: ExecutionState) -> bool {
    match state {
        ExecutionState::Running | ExecutionState::Terminating => true,
        ExecutionState::Queued | ExecutionState::Succeeded | ExecutionState::Failed => false,
    }
}
