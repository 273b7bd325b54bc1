//! Pre-emption, where a cluster has it: the first job that nodes are kept for may take those of running jobs of a lower
//! priority. They are stopped and put back like by any planned stop, so nothing starts before the proof that they are gone.
//! As few as needed go: of the lowest priority first, within it who started last.

use std::cmp::Reverse;

use super::Sched;
use super::place::need_of;
use super::space::{Space, Takes};
use crate::model::ids::{ClusterId, JobId};
use crate::model::state::{AfterStop, ExecutionState, Job, StopWhy};

impl Sched {
    /// Stops running jobs for the first that nodes are kept for, when that is allowed and they are in its way.
    pub(super) fn preempt(&mut self, id: ClusterId) {
        let preempts =
            self.clusters.get(&id).is_some_and(|cluster| cluster.spec.machines.preemption && !self.starts_nothing(cluster));
        // For one that nothing is kept for, what is given back would be filled again at once, and taken again.
        let Some((first, _)) = preempts.then(|| self.first_kept(id)).flatten() else { return };
        let victims = self.victims(id, first);
        if !victims.is_empty() {
            self.disturb(id);
        }
        // Whoever is behind one of them would take its place.
        let behind: Vec<JobId> = victims.iter().flat_map(|victim| self.line_of(id, *victim)).collect();
        for victim in behind.into_iter().chain(victims) {
            self.stop_attempt(victim, StopWhy::Preempted, AfterStop::RequeuePlanned);
        }
    }

    /// Returns the running jobs that have to go for a waiting one; none when they would not be enough, or when enough is
    /// being given back anyway.
    fn victims(&self, id: ClusterId, first: JobId) -> Vec<JobId> {
        let (Some(job), Some(pool)) = (self.jobs.get(&first), self.pools.get(&id)) else { return Vec::new() };
        let running = pool.placed.iter().filter_map(|id| self.jobs.get(id));
        let (going, mut lower): (Vec<_>, Vec<_>) = running
            .filter(|other| matches!(other.state, ExecutionState::Running | ExecutionState::Terminating))
            .filter(|other| other.priority < job.priority || stops(other))
            .partition(|other| stops(other));
        if lower.is_empty() {
            return Vec::new();
        }
        let mut space = pool.space.clone();
        going.iter().for_each(|other| take_off(&mut space, other));
        if has_room(&space, job) {
            return Vec::new();
        }
        lower.sort_by_key(|other| (other.priority, Reverse(other.last.started), Reverse(other.id)));
        let mut chosen: Vec<&Job> = Vec::new();
        for other in lower {
            take_off(&mut space, other);
            chosen.push(other);
            if has_room(&space, job) {
                return spared(pool.space.clone(), &going, chosen, job);
            }
        }
        Vec::new()
    }
}

/// Returns whom of the chosen it takes: those whose going makes no difference stay.
fn spared<'a>(mut space: Space, going: &[&'a std::sync::Arc<Job>], chosen: Vec<&'a Job>, job: &Job) -> Vec<JobId> {
    going.iter().for_each(|other| take_off(&mut space, other));
    let mut needed: Vec<&Job> = chosen.clone();
    for other in chosen {
        let rest: Vec<&Job> = needed.iter().copied().filter(|one| one.id != other.id).collect();
        let mut without = space.clone();
        rest.iter().for_each(|one| take_off(&mut without, one));
        if has_room(&without, job) {
            needed = rest;
        }
    }
    needed.into_iter().map(|job| job.id).collect()
}

fn stops(job: &Job) -> bool {
    job.last.after_stop.is_some() || job.state == ExecutionState::Terminating
}

fn take_off(space: &mut Space, job: &Job) {
    for node in &job.last.nodes {
        if space.slot(*node).is_some_and(|slot| slot.shares().contains_key(&job.id)) {
            space.change(*node, |slot| slot.take_back(job.id));
        }
    }
}

/// A node that is being got ready counts, as it does where nodes are kept for the job: who had to go for it in the meantime would
/// be started again beside those that are kept, and have to go again.
fn has_room(space: &Space, job: &Job) -> bool {
    let demand = &job.spec.demand;
    let rooms = space.slots().filter(|(_, slot)| slot.takes() != Takes::Never && slot.has_room(demand));
    rooms.take(need_of(job)).count() == need_of(job)
}
