//! Gang placement: all nodes of a job at once or none, each for itself or the part that it asks for. Strict order within a
//! cluster, but for what `backfill.rs` lets pass; other clusters are not touched by it.

use super::Sched;
use super::cluster::wanted;
use super::cost::held;
use super::space::{Share, Takes};
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, JobId, NodeId};
use crate::model::launch::GpuShare;
use crate::model::spec::job::{counted, thousandths};
use crate::model::spec::{Deallocation, Demand, JobSpec, Resources};
use crate::model::state::{Cluster, Job, Node};

impl Sched {
    /// Starts jobs from the head of the queue on, as long as there is room, and others where that delays nobody.
    pub(super) fn place_all(&mut self, id: ClusterId) {
        // When the head was sent ahead, the next one may have room.
        while self.place_some(id) {}
    }

    /// Does so once, and sends ahead what is to be; says whether anything was.
    fn place_some(&mut self, id: ClusterId) -> bool {
        loop {
            let Some(cluster) = self.clusters.get(&id) else { return false };
            if self.starts_nothing(cluster) {
                self.recall_all(id);
                return false;
            }
            let Some(head) = self.next_in_line(id) else { return false };
            let same = cluster.head.as_ref().is_some_and(|shown| shown.job == head);
            if same && !self.stale.contains(&id) {
                break;
            }
            let Some(nodes) = self.room_for(id, head) else { break };
            self.start_attempt(head, &nodes);
        }
        if self.turn.fresh.contains(&id) || self.stale.contains(&id) {
            self.fill(id);
            self.preempt(id);
        }
        self.send_ahead(id)
    }

    /// Returns the first job of a cluster's queue.
    pub(super) fn next_in_line(&self, id: ClusterId) -> Option<JobId> {
        self.pools.get(&id)?.queue.first().map(|(_, job)| job)
    }

    /// Says whether nothing may start: the cluster is going, or waits for running jobs before it shrinks.
    pub(super) fn starts_nothing(&self, cluster: &Cluster) -> bool {
        let (target, option) = wanted(cluster);
        let have = self.pools.get(&cluster.id).map_or(0, |pool| pool.staying());
        cluster.deleting || held(cluster) || (option == Deallocation::WaitForJobCompletion && have > target)
    }

    /// Returns how much of a node each part of a job takes that asks for this, in thousandths: as many such parts as fit on the cluster's
    /// largest node share one. The whole of it while no node has said what it has.
    pub(super) fn part_of_node(&self, id: ClusterId, asked: Option<&Resources>) -> u64 {
        let (Some(asked), Some(pool)) = (asked, self.pools.get(&id)) else { return 1000 };
        let Some(has) = pool.largest() else { return 1000 };
        let fit = |asked: u64, has: u64| has.checked_div(asked).unwrap_or(u64::MAX);
        let gpus = match asked.gpus_milli {
            fraction @ 1..1000 => fit(fraction, 1000).saturating_mul(has.gpus_milli / 1000),
            whole => fit(whole, has.gpus_milli),
        };
        let most = fit(asked.cpus_milli, has.cpus_milli).min(fit(asked.memory.0, has.memory.0)).min(gpus);
        // What fits on none is asked for as if it took one.
        1000_u64.div_ceil(most.clamp(1, 1000))
    }

    /// Returns the nodes that a job like this would be given now, with the GPUs of those of which it takes a part; fewer than it
    /// asks for when there is no room for it.
    pub fn offers(&self, id: ClusterId, spec: &JobSpec) -> Vec<(NodeId, Option<Vec<GpuShare>>)> {
        let Some(pool) = self.pools.get(&id) else { return Vec::new() };
        let need = spec.node_count.0.max(1) as usize;
        let offer = |id: NodeId| match pool.space.slot(id)?.offer(&spec.demand)? {
            Share::Whole => Some((id, None)),
            Share::Part { gpus, .. } => Some((id, Some(gpus))),
        };
        match spec.demand.part() {
            None => pool.free.iter().copied().filter_map(offer).take(need).collect(),
            Some(_) => pool.space.rooms(&spec.demand).filter_map(offer).take(need).collect(),
        }
    }

    /// Returns the nodes for all of a job, when there are enough.
    pub(super) fn room_for(&self, id: ClusterId, job: JobId) -> Option<Vec<NodeId>> {
        let (job, pool) = (self.jobs.get(&job)?, self.pools.get(&id)?);
        let need = need_of(job);
        if job.shape.handed {
            let door = pool.space.slots().find(|(_, slot)| slot.takes() == Takes::Now);
            return door.map(|(id, _)| vec![id]);
        }
        let nodes: Vec<_> = match job.spec.demand.part() {
            None => pool.free.iter().copied().take(need).collect(),
            Some(_) => pool.space.rooms(&job.spec.demand).take(need).collect(),
        };
        (nodes.len() == need || !(nodes.is_empty() || guard("place.whole-gang"))).then_some(nodes)
    }
}

/// Returns the number of nodes of ours that a job needs; of one that is handed over, the one that leads to those who place it.
pub(super) fn need_of(job: &Job) -> usize {
    if job.shape.handed { 1 } else { job.spec.node_count.0.max(1) as usize }
}

/// Says whether a node with this capacity has all that is asked of it.
pub(super) fn has_all(asked: &Resources, has: &Resources) -> bool {
    let other = |(name, count): (&String, &u64)| *count <= has.other.get(name).copied().unwrap_or(0);
    asked.gpus_milli <= has.gpus_milli
        && asked.cpus_milli <= has.cpus_milli
        && asked.memory <= has.memory
        && asked.other.iter().all(other)
}

/// Says whether a node has what a job asks for.
pub(super) fn fits(demand: &Demand, node: &Node) -> bool {
    match demand {
        Demand::WholeNode => true,
        Demand::Part(asked) => node.facts.as_ref().is_some_and(|facts| has_all(asked, &facts.capacity)),
    }
}

/// Returns what a node with this capacity lacks first, as a sentence part: `asks 2 GPUs, the node has 0`.
pub(super) fn lack(asked: &Resources, has: &Resources) -> Option<String> {
    let said = |asked: String, has: String| Some(format!("asks {asked}, the node has {has}"));
    if asked.gpus_milli > has.gpus_milli {
        return said(counted(asked.gpus_milli, "GPU"), thousandths(has.gpus_milli));
    }
    if asked.cpus_milli > has.cpus_milli {
        return said(counted(asked.cpus_milli, "CPU"), thousandths(has.cpus_milli));
    }
    if asked.memory > has.memory {
        return said(format!("{} of memory", asked.memory), has.memory.to_string());
    }
    for (name, count) in &asked.other {
        let there = has.other.get(name).copied().unwrap_or(0);
        if *count > there {
            return said(format!("{count} {name}"), there.to_string());
        }
    }
    None
}
