//! What each node of a cluster has to give: its capacity, and what is given to whom. Derived of rows: a node says who
//! holds it, a job says what it asked for and which GPUs it was given.
//!
//! A job has a node for itself unless it asks for a part of it. GPUs are given by their numbers: whole ones, and at most
//! one that is shared; so two halves of different GPUs are never taken for a whole one. Parts go where the least is left
//! over (best fit: GPUs first, then CPUs, then the node's number), which keeps whole nodes free for those that need them.

use std::collections::{BTreeMap, BTreeSet};

use super::Sched;
use super::pool::{Standing, standing};
use crate::model::guard::guard;
use crate::model::ids::{Attempt, JobId, NodeId};
use crate::model::launch::GpuShare;
use crate::model::spec::{Demand, Resources};
use crate::model::state::{Job, Node};

/// Thousandths of one GPU.
const GPU: u64 = 1000;

/// What a job has of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// All of it.
    Whole,
    /// What it asked for, and the GPUs that it was given.
    Part { asked: Resources, gpus: Vec<GpuShare> },
}

/// When a node can take work, as far as the node itself goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Now, as far as there is room.
    Now,
    /// Soon, though nobody knows when: it is asked for, being prepared, or out of sight for a moment.
    Soon,
    /// Not before something else happens to it.
    Never,
}

/// One node: what it has, and what is given of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    takes: Takes,
    /// `None` while the node has not said what it has.
    capacity: Option<Resources>,
    shares: BTreeMap<JobId, Share>,
    used: Resources,
    /// Thousandths given of each GPU.
    gpus: Vec<u64>,
    /// GPUs that somebody else uses: none of them is given.
    taken: BTreeSet<u32>,
}

/// All nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Space {
    slots: BTreeMap<NodeId, Slot>,
    /// Nodes that take work and of which something is left, by what is left: thousandths of GPUs and CPUs.
    open: BTreeSet<(u64, u64, NodeId)>,
    /// Nodes that will take work soon.
    soon: BTreeSet<NodeId>,
}

impl Slot {
    fn new(node: &Node) -> Self {
        let capacity = node.facts.as_ref().map(|facts| facts.capacity.clone());
        let count = capacity.as_ref().map_or(0, |has| has.gpus_milli / GPU) as usize;
        let used = Resources::default();
        let taken = node.observed.strangers.keys().copied().collect();
        Self { takes: takes(node), capacity, shares: BTreeMap::new(), used, gpus: vec![0; count], taken }
    }

    /// Says when it takes work.
    pub(super) fn takes(&self) -> Takes {
        self.takes
    }

    /// Returns what is given of it.
    pub(super) fn shares(&self) -> &BTreeMap<JobId, Share> {
        &self.shares
    }

    /// Says whether it differs from another at most in what is given of it.
    fn is_like(&self, other: &Self) -> bool {
        self.takes == other.takes && self.capacity == other.capacity && self.taken == other.taken
    }

    fn is_whole(&self) -> bool {
        self.shares.values().any(|share| *share == Share::Whole)
    }

    /// Says whether something like this could be given now; of a node that has said nothing yet, whether it may be.
    pub(super) fn has_room(&self, demand: &Demand) -> bool {
        match (demand.part(), &self.capacity) {
            (None, _) => self.shares.is_empty() && self.taken.is_empty(),
            (Some(_), None) => self.takes == Takes::Soon && self.shares.is_empty(),
            (Some(asked), Some(capacity)) => {
                !self.is_whole() && covers(capacity, &self.used, asked) && self.pick(asked.gpus_milli).is_some()
            }
        }
    }

    /// Returns what would be given now; `None` without room.
    pub(super) fn offer(&self, demand: &Demand) -> Option<Share> {
        if !self.has_room(demand) {
            return None;
        }
        match demand.part() {
            None => Some(Share::Whole),
            Some(asked) => Some(Share::Part { asked: asked.clone(), gpus: self.pick(asked.gpus_milli).unwrap_or_default() }),
        }
    }

    /// Chooses GPUs: for a fraction the shared one with the least room that suffices, else those that nobody has, from the
    /// lowest number on.
    fn pick(&self, milli: u64) -> Option<Vec<GpuShare>> {
        let (whole, part) = ((milli / GPU) as usize, milli % GPU);
        let mut picked = Vec::new();
        if part > 0 {
            let fitting = self.gpus.iter().enumerate().filter(|(index, used)| **used + part <= GPU && self.is_ours(*index));
            let (index, _) = fitting.min_by_key(|(index, used)| (std::cmp::Reverse(**used), *index))?;
            picked.push(GpuShare { index: index as u32, milli: part });
        }
        let shared = picked.first().map(|share| share.index);
        let unused = self
            .gpus
            .iter()
            .enumerate()
            .filter(|(index, used)| **used == 0 && Some(*index as u32) != shared && self.is_ours(*index));
        picked.extend(unused.take(whole).map(|(index, _)| GpuShare { index: index as u32, milli: GPU }));
        picked.sort();
        (picked.len() == whole + usize::from(part > 0)).then_some(picked)
    }

    fn is_ours(&self, index: usize) -> bool {
        !self.taken.contains(&(index as u32))
    }

    /// Returns how many of its GPUs somebody else uses.
    pub(super) fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Gives a job its share.
    pub(super) fn give(&mut self, job: JobId, share: Share) {
        if let Share::Part { asked, gpus } = &share {
            self.used.cpus_milli += asked.cpus_milli;
            self.used.memory.0 += asked.memory.0;
            self.used.gpus_milli += asked.gpus_milli;
            for (name, count) in asked.other.iter().filter(|(_, count)| **count > 0) {
                *self.used.other.entry(name.clone()).or_default() += count;
            }
            for gpu in gpus {
                if let Some(used) = self.gpus.get_mut(gpu.index as usize) {
                    *used += gpu.milli;
                }
            }
        }
        self.shares.insert(job, share);
    }

    /// Takes a job's share back.
    pub(super) fn take_back(&mut self, job: JobId) {
        let Some(Share::Part { asked, gpus }) = self.shares.remove(&job) else { return };
        self.used.cpus_milli -= asked.cpus_milli;
        self.used.memory.0 -= asked.memory.0;
        self.used.gpus_milli -= asked.gpus_milli;
        for (name, count) in &asked.other {
            if let Some(used) = self.used.other.get_mut(name) {
                *used -= count;
            }
        }
        // As if it had never been given any.
        self.used.other.retain(|_, used| *used > 0);
        for gpu in gpus {
            if let Some(used) = self.gpus.get_mut(gpu.index as usize) {
                *used -= gpu.milli;
            }
        }
    }

    /// Returns what is left, as the key of [`Space::open`]; `None` when nothing can be given.
    fn left(&self, id: NodeId) -> Option<(u64, u64, NodeId)> {
        if self.takes != Takes::Now || self.is_whole() {
            return None;
        }
        let Some(capacity) = &self.capacity else { return self.shares.is_empty().then_some((0, 0, id)) };
        let gpus = capacity.gpus_milli.saturating_sub(self.used.gpus_milli);
        Some((gpus, capacity.cpus_milli.saturating_sub(self.used.cpus_milli), id))
    }

    /// Returns what is left of it: nothing of one that somebody has for himself.
    pub(super) fn remaining(&self) -> Resources {
        let Some(capacity) = self.capacity.as_ref().filter(|_| !self.is_whole()) else { return Resources::default() };
        let left = |has: u64, used: u64| has.saturating_sub(used);
        let other = capacity.other.iter().map(|(name, has)| {
            let used = self.used.other.get(name).copied().unwrap_or(0);
            (name.clone(), left(*has, used))
        });
        Resources {
            cpus_milli: left(capacity.cpus_milli, self.used.cpus_milli),
            memory: crate::model::units::Bytes(left(capacity.memory.0, self.used.memory.0)),
            gpus_milli: left(capacity.gpus_milli, self.used.gpus_milli),
            other: other.collect(),
        }
    }

    /// Says whether everything is given at most once: who has a node for himself is alone there, and of no GPU more is
    /// given than there is. CPUs and memory are checked when they are given, since a node may come back with fewer.
    pub(super) fn is_fair(&self) -> bool {
        (self.shares.len() < 2 || !self.is_whole()) && self.gpus.iter().all(|used| *used <= GPU)
    }
}

fn takes(node: &Node) -> Takes {
    match standing(node) {
        Standing::Idle if node.boot.is_some() => Takes::Now,
        Standing::Running if node.is_closed() => Takes::Never,
        Standing::Running if !node.setup.wanted => Takes::Now,
        Standing::Drained | Standing::Unusable | Standing::Leaving => Takes::Never,
        Standing::Preparing | Standing::OutOfSight if node.is_closed() => Takes::Never,
        Standing::Idle | Standing::Running | Standing::Preparing | Standing::OutOfSight | Standing::Allocating => {
            Takes::Soon
        }
    }
}

/// Says whether so much more can be used of a capacity.
fn covers(capacity: &Resources, used: &Resources, asked: &Resources) -> bool {
    let other = |(name, count): (&String, &u64)| {
        let of = |resources: &Resources| resources.other.get(name).copied().unwrap_or(0);
        of(used) + count <= of(capacity)
    };
    used.cpus_milli + asked.cpus_milli <= capacity.cpus_milli
        && used.memory.0 + asked.memory.0 <= capacity.memory.0
        && used.gpus_milli + asked.gpus_milli <= capacity.gpus_milli
        && asked.other.iter().all(other)
}

impl Space {
    /// Returns one node.
    pub(super) fn slot(&self, id: NodeId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// Returns all nodes.
    pub(super) fn slots(&self) -> impl Iterator<Item = (NodeId, &Slot)> {
        self.slots.iter().map(|(id, slot)| (*id, slot))
    }

    /// Says whether nothing at all is left.
    pub(super) fn is_full(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns the nodes that will take work, nobody knows when.
    pub(super) fn soon(&self) -> impl Iterator<Item = (NodeId, &Slot)> {
        self.soon.iter().filter_map(|id| Some((*id, self.slots.get(id)?)))
    }

    /// Returns the nodes on which something like this has room now, the best first.
    pub(super) fn rooms(&self, demand: &Demand) -> impl Iterator<Item = NodeId> {
        let (gpus, cpus) = demand.part().map_or((0, 0), |asked| (asked.gpus_milli, asked.cpus_milli));
        let mut from = (gpus, cpus, NodeId(0));
        // Those with too few CPUs stand before the others that have as many GPUs left, and are passed over at once.
        let open = std::iter::from_fn(move || {
            loop {
                let next = *self.open.range(from..).next()?;
                if next.1 >= cpus {
                    from = (next.0, next.1, NodeId(next.2.0 + 1));
                    return Some(next.2);
                }
                from = (next.0, cpus, NodeId(0));
            }
        });
        open.filter(|id| self.slots.get(id).is_some_and(|slot| slot.has_room(demand)))
    }

    /// Puts a node in the place of what was known of it.
    pub(super) fn put(&mut self, id: NodeId, slot: Slot) {
        self.remove(id);
        self.open.extend(slot.left(id));
        if slot.takes == Takes::Soon {
            self.soon.insert(id);
        }
        self.slots.insert(id, slot);
    }

    /// Changes what is given of a node, and nothing else.
    pub(super) fn change(&mut self, id: NodeId, change: impl FnOnce(&mut Slot)) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let before = slot.left(id);
        change(slot);
        let after = slot.left(id);
        if before != after {
            if let Some(before) = before {
                self.open.remove(&before);
            }
            self.open.extend(after);
        }
    }

    /// Forgets a node.
    pub(super) fn remove(&mut self, id: NodeId) {
        if let Some(slot) = self.slots.remove(&id) {
            if let Some(key) = slot.left(id) {
                self.open.remove(&key);
            }
            self.soon.remove(&id);
        }
    }
}

/// Returns what a job has of a node, as its row says.
pub(super) fn share_of(job: &Job, node: NodeId) -> Share {
    if job.shape.handed {
        return Share::Part { asked: Resources::default(), gpus: Vec::new() };
    }
    let Some(asked) = job.spec.demand.part() else { return Share::Whole };
    let place = job.last.nodes.iter().position(|id| *id == node).and_then(|at| job.last.places.get(at));
    // An attempt that began before nodes were shared has the node for itself.
    match place.and_then(|place| place.gpu_shares.clone()) {
        Some(gpus) => Share::Part { asked: asked.clone(), gpus },
        None => Share::Whole,
    }
}

impl Sched {
    /// Derives anew what a node has to give.
    pub(super) fn respace(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let mut slot = Slot::new(node);
        // Who was sent ahead takes over what another has.
        let has = |job: &&std::sync::Arc<Job>| job.last.behind.is_none() || !guard("ahead.has-nothing-yet");
        let space = &mut self.pools.entry(node.cluster).or_default().space;
        if let Some(known) = space.slot(id).filter(|known| known.is_like(&slot)) {
            // Only who has what of it has changed, as when one of a hundred jobs on it ends.
            let holds = |job: &JobId| node.holders.range((*job, Attempt(0))..).next().is_some_and(|(next, _)| next == job);
            let gone: Vec<JobId> = known.shares.keys().filter(|job| !holds(job)).copied().collect();
            let come = node.holders.iter().filter(|(job, _)| !known.shares.contains_key(job));
            let come = come.filter_map(|(job, _)| self.jobs.get(job)).filter(has);
            let come: Vec<_> = come.map(|job| (job.id, share_of(job, id))).collect();
            space.change(id, |slot| {
                gone.into_iter().for_each(|job| slot.take_back(job));
                come.into_iter().for_each(|(job, share)| slot.give(job, share));
            });
            return;
        }
        for job in node.holders.iter().filter_map(|(job, _)| self.jobs.get(job)).filter(has) {
            slot.give(job.id, share_of(job, id));
        }
        space.put(id, slot);
    }
}

#[cfg(test)]
mod tests;
