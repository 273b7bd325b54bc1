//! When waiting jobs start at the latest, by the limits of what runs and of what waits before them: the queue is played
//! through in its order, each job starting once there is room. Backfill only makes some of them earlier. Nobody can tell
//! while nodes come or go, what is submitted later with a higher priority, or when somebody holds what waits.

use std::collections::{BTreeMap, BTreeSet};

use super::Sched;
use super::place::need_of;
use super::pool::place_of;
use super::space::Space;
use crate::model::ids::{ClusterId, JobId, NodeId};
use crate::model::state::Job;
use crate::model::units::UnixMillis;

/// How many jobs of a queue are played through; beyond that a guess is worth nothing.
pub const FORECAST_MAX: usize = 500;

impl Sched {
    /// Returns when the first [`FORECAST_MAX`] jobs of a cluster's queue start at the latest. A job that cannot run on
    /// what there is, and all of a cluster on which nothing may start, have no time.
    pub fn forecast(&self, now: UnixMillis, id: ClusterId) -> BTreeMap<JobId, UnixMillis> {
        self.play_through(now, id, None)
    }

    /// Returns when a job that is not submitted would start at the latest, and what it would wait for now. It would stand
    /// behind all that wait and have its priority or a higher one.
    pub fn what_if(&self, now: UnixMillis, id: ClusterId, job: &Job) -> (Option<UnixMillis>, String) {
        let Some(cluster) = self.clusters.get(&id) else { return (None, String::new()) };
        // Whatever is submitted next has the largest number.
        let job = Job { id: JobId(u64::MAX), ..job.clone() };
        let starts = self.play_through(now, id, Some(&job)).get(&job.id).copied();
        let waits = self.pools.get(&id).map(|pool| self.waits_for(cluster, pool, &job)).unwrap_or_default();
        (starts, waits)
    }

    fn play_through(&self, now: UnixMillis, id: ClusterId, more: Option<&Job>) -> BTreeMap<JobId, UnixMillis> {
        let mut times = BTreeMap::new();
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return times };
        if self.starts_nothing(cluster) {
            return times;
        }
        let (mut space, empty) = (pool.space.clone(), emptied(pool.space.clone()));
        let mut ends: BTreeSet<(UnixMillis, JobId)> = pool.ends.iter().map(|(end, job)| ((*end).max(now), *job)).collect();
        let mut on: BTreeMap<JobId, Vec<NodeId>> = BTreeMap::new();
        let mut clock = now;
        let place = more.map(place_of);
        let before = pool.queue.iter().filter(|at| place.is_none_or(|place| *at < place));
        let after = pool.queue.iter().filter(|at| place.is_some_and(|place| *at > place));
        let known = |(_, job): super::pool::QueuePlace| self.jobs.get(&job).map(AsRef::as_ref);
        let queue = before.filter_map(known).chain(more).chain(after.filter_map(known));
        for job in queue.take(FORECAST_MAX) {
            if room(&empty, job).is_none() {
                continue;
            }
            let nodes = loop {
                if let Some(nodes) = room(&space, job) {
                    break Some(nodes);
                }
                let Some((end, over)) = ends.pop_first() else { break None };
                clock = clock.max(end);
                let held = on.remove(&over).or_else(|| self.jobs.get(&over).map(|job| job.last.nodes.clone()));
                for node in held.unwrap_or_default() {
                    space.change(node, |slot| slot.take_back(over));
                }
            };
            let Some(nodes) = nodes else { break };
            for node in &nodes {
                space.change(*node, |slot| {
                    if let Some(share) = slot.offer(&job.spec.demand) {
                        slot.give(job.id, share);
                    }
                });
            }
            ends.insert((clock + job.spec.constraints.max_wall_clock_time, job.id));
            on.insert(job.id, nodes);
            times.insert(job.id, clock);
        }
        times
    }
}

fn room(space: &Space, job: &Job) -> Option<Vec<NodeId>> {
    let nodes: Vec<_> = space.rooms(&job.spec.demand).take(need_of(job)).collect();
    (nodes.len() == need_of(job)).then_some(nodes)
}

/// Returns what there would be if nothing ran.
fn emptied(mut space: Space) -> Space {
    let held: Vec<_> = space.slots().map(|(id, slot)| (id, slot.shares().keys().copied().collect::<Vec<_>>())).collect();
    for (node, jobs) in held {
        for other in jobs {
            space.change(node, |slot| slot.take_back(other));
        }
    }
    space
}
