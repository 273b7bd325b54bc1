//! EASY backfill: the first job of the queue that could run on what there is gets nodes kept for it, at the time at which
//! the limits of what runs say that they are free at the latest; those behind it may start before it only where that does
//! not make it later. So a large gang is never starved, and small jobs fill the gaps.
//!
//! Decisions (2026-11):
//! - *One reservation a cluster*, for the first job: what is promised is that one's start, and only by time limits. A job
//!   that cannot run on what there is (more nodes than there are, a GPU that nobody has) keeps none and blocks none.
//! - *Bound to nodes.* What is kept are certain nodes, or parts of them, so that "beside it" needs no counting of what
//!   may be left over; a job that would run longer than until then goes to other nodes, or takes a part that is not needed.
//! - *Nodes that come are waited for.* While a node is asked for, prepared or out of sight for a moment and the first job
//!   would have room with it, nobody knows when that will be, so that nothing long is put in its way meanwhile.
//! - *Bounded.* One look at the queue goes over [`LOOK_MAX`] jobs and tries [`TRIES_MAX`] different demands, and there is
//!   none while nothing is left of any node; so an event costs as much with a hundred jobs as with a hundred thousand.

use std::collections::{BTreeMap, BTreeSet};

use super::Sched;
use super::place::need_of;
use super::pool::Ask;
use super::space::Takes;
use crate::model::ids::{ClusterId, JobId, NodeId};
use crate::model::spec::Demand;
use crate::model::state::Job;
use crate::model::units::{Millis, UnixMillis};

/// How many waiting jobs one look goes over: the part of a queue in which somebody would notice (Slurm's default is 100).
pub(super) const LOOK_MAX: usize = 256;
/// How many different demands one look tries; each costs a search over what is left of the nodes.
const TRIES_MAX: usize = 32;

/// What is kept for a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reservation {
    /// When it has room at the latest; the past for any moment, `None` when nobody knows.
    pub(super) at: Option<UnixMillis>,
    /// The nodes, each with the jobs that end on it before then.
    pub(super) nodes: BTreeMap<NodeId, Vec<JobId>>,
}

impl Sched {
    /// Starts what fits, in the order of the queue: beside the first that does not, only what does not make it later.
    pub(super) fn fill(&mut self, id: ClusterId) {
        let Some(pool) = self.pools.get(&id) else { return };
        if pool.space.is_full() {
            return;
        }
        let candidates: Vec<_> = pool.queue.iter().take(LOOK_MAX).map(|(_, job)| job).collect();
        let mut kept: Option<(JobId, Reservation)> = None;
        let mut started = false;
        // What has no room whatever is kept for whom: once that is all that anybody asks for, nobody else has to be looked at.
        let mut hopeless: BTreeSet<Ask> = BTreeSet::new();
        let mut failed: Vec<(usize, Millis, Demand)> = Vec::new();
        for job in candidates {
            let Some(row) = self.jobs.get(&job) else { continue };
            // One that was started for the sake of another step of this very look may have changed the queue.
            let waits = || self.pools.get(&id).is_some_and(|pool| pool.queue.contains(&super::pool::place_of(row)));
            if started && !waits() {
                continue;
            }
            let ask = (need_of(row), row.spec.constraints.max_wall_clock_time, row.spec.demand.clone());
            if failed.contains(&ask) {
                continue;
            }
            match self.room_beside(id, row, kept.as_ref()) {
                Some(nodes) => {
                    self.start_attempt(job, &nodes);
                    (started, hopeless) = (true, BTreeSet::new());
                    if let Some((first, _)) = kept {
                        kept = self.keep_for(id, first).map(|reservation| (first, reservation));
                    }
                    if self.pools.get(&id).is_none_or(|pool| pool.space.is_full()) {
                        return;
                    }
                }
                None => {
                    if self.room_for(id, job).is_none() {
                        hopeless.insert((ask.0, row.spec.demand.part().cloned()));
                        if self.pools.get(&id).is_none_or(|pool| hopeless.len() >= pool.asks.len()) {
                            return;
                        }
                    }
                    if kept.is_none() {
                        kept = self.keep_for(id, job).map(|reservation| (job, reservation));
                    }
                    failed.push(ask);
                    if failed.len() >= TRIES_MAX {
                        return;
                    }
                }
            }
        }
    }

    /// Returns the first job that nodes are kept for, and what is kept.
    pub(super) fn first_kept(&self, id: ClusterId) -> Option<(JobId, Reservation)> {
        let pool = self.pools.get(&id)?;
        let queue = pool.queue.iter().take(LOOK_MAX);
        queue.map(|(_, job)| job).find_map(|job| Some((job, self.keep_for(id, job)?)))
    }

    /// Finds what is to be kept for a job that has no room now; `None` when it cannot run on what there is.
    pub(super) fn keep_for(&self, id: ClusterId, job: JobId) -> Option<Reservation> {
        let (row, pool) = (self.jobs.get(&job)?, self.pools.get(&id)?);
        let (need, demand) = (need_of(row), &row.spec.demand);
        if need > pool.staying() as usize {
            return None;
        }
        let mut nodes: BTreeMap<NodeId, Vec<JobId>> = match demand.part() {
            None => pool.free.iter().take(need).map(|id| (*id, Vec::new())).collect(),
            Some(_) => pool.space.rooms(demand).take(need).map(|id| (id, Vec::new())).collect(),
        };
        let mut known = true;
        for (id, _) in pool.space.soon().filter(|(_, slot)| slot.has_room(demand)) {
            if nodes.len() == need {
                break;
            }
            nodes.insert(id, Vec::new());
            known = false;
        }
        let mut at = UnixMillis(i64::MIN);
        let mut ends = pool.ends.iter();
        let mut ended: BTreeMap<NodeId, Vec<JobId>> = BTreeMap::new();
        while nodes.len() < need {
            let (end, other) = ends.next()?;
            for id in &self.jobs.get(other)?.last.nodes {
                let Some(slot) = pool.space.slot(*id).filter(|slot| slot.shares().contains_key(other)) else { continue };
                if nodes.contains_key(id) || slot.takes() == Takes::Never || nodes.len() == need {
                    continue;
                }
                let gone = ended.entry(*id).or_default();
                gone.push(*other);
                let left = match demand.part() {
                    None => gone.len() == slot.shares().len(),
                    Some(_) => {
                        let mut later = slot.clone();
                        gone.iter().for_each(|job| later.take_back(*job));
                        later.has_room(demand)
                    }
                };
                if left {
                    known &= slot.takes() == Takes::Now;
                    nodes.insert(*id, std::mem::take(gone));
                    at = at.max(*end);
                }
            }
        }
        Some(Reservation { at: known.then_some(at), nodes })
    }

    /// Returns nodes for a job that do not make the one later for which some are kept.
    fn room_beside(&self, id: ClusterId, row: &Job, kept: Option<&(JobId, Reservation)>) -> Option<Vec<NodeId>> {
        let Some((first, reservation)) = kept else { return self.room_for(id, row.id) };
        let pool = self.pools.get(&id)?;
        let (need, demand) = (need_of(row), &row.spec.demand);
        let ends = self.turn.now + row.spec.constraints.max_wall_clock_time;
        if reservation.at.is_some_and(|at| ends <= at) {
            return self.room_for(id, row.id);
        }
        let first = &self.jobs.get(first)?.spec.demand;
        let spared = |id: &NodeId| match reservation.nodes.get(id) {
            None => true,
            Some(ended) => pool.space.slot(*id).is_some_and(|slot| {
                let (Some(_), Some(share)) = (first.part(), slot.offer(demand)) else { return false };
                let mut then = slot.clone();
                then.give(row.id, share);
                ended.iter().for_each(|job| then.take_back(*job));
                then.has_room(first)
            }),
        };
        let nodes: Vec<_> = match demand.part() {
            None => pool.free.iter().filter(|id| spared(id)).copied().take(need).collect(),
            Some(_) => pool.space.rooms(demand).filter(spared).take(need).collect(),
        };
        (nodes.len() == need).then_some(nodes)
    }
}
