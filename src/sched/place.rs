//! Gang placement: all nodes of a job at once or none. The head of a cluster's queue blocks those behind it; other
//! clusters are not touched by it. A job that asks for a part of a node gets the node for itself for now, but only one
//! that has what it asks for.

use super::Sched;
use super::cluster::wanted;
use crate::model::ids::{ClusterId, JobId, NodeId};
use crate::model::spec::{Deallocation, Demand, Resources};
use crate::model::state::{Cluster, Job, Node};
use crate::model::units::Bytes;

impl Sched {
    /// Starts jobs from the head of the queue on, as long as there is room.
    pub(super) fn place_all(&mut self, id: ClusterId) {
        loop {
            let Some(head) = self.next_in_line(id) else { return };
            let Some(cluster) = self.clusters.get(&id) else { return };
            let same = cluster.head.as_ref().is_some_and(|shown| shown.job == head);
            if (same && !self.stale.contains(&id)) || self.starts_nothing(cluster) {
                return;
            }
            let Some(nodes) = self.room_for(id, head) else { return };
            self.start_attempt(head, &nodes);
        }
    }

    /// Returns the first job of a cluster's queue.
    pub(super) fn next_in_line(&self, id: ClusterId) -> Option<JobId> {
        self.pools.get(&id)?.queue.first().map(|(_, job)| *job)
    }

    /// Says whether nothing may start: the cluster is going, or waits for running jobs before it shrinks.
    pub(super) fn starts_nothing(&self, cluster: &Cluster) -> bool {
        let (target, option) = wanted(cluster);
        let have = self.pools.get(&cluster.id).map_or(0, |pool| pool.staying());
        cluster.deleting || (option == Deallocation::WaitForJobCompletion && have > target)
    }

    /// Returns the nodes for all of a job, when there are enough.
    pub(super) fn room_for(&self, id: ClusterId, job: JobId) -> Option<Vec<NodeId>> {
        let (job, pool) = (self.jobs.get(&job)?, self.pools.get(&id)?);
        let need = need_of(job);
        if pool.free.len() < need {
            return None;
        }
        let fit = pool.free.iter().filter(|id| self.nodes.get(id).is_some_and(|node| fits(&job.spec.demand, node)));
        let nodes: Vec<_> = fit.copied().take(need).collect();
        (nodes.len() == need).then_some(nodes)
    }
}

/// Returns the number of nodes that a job needs.
pub(super) fn need_of(job: &Job) -> usize {
    job.spec.node_count.0.max(1) as usize
}

/// Says whether a node has what a job asks for.
pub(super) fn fits(demand: &Demand, node: &Node) -> bool {
    match demand {
        Demand::WholeNode => true,
        Demand::Part(asked) => node.facts.as_ref().is_some_and(|facts| lack(asked, &facts.capacity).is_none()),
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

/// Returns a demand in words: `2 GPUs and 4 CPUs`.
pub(super) fn demand_words(asked: &Resources) -> String {
    let mut parts = Vec::new();
    if asked.gpus_milli > 0 {
        parts.push(counted(asked.gpus_milli, "GPU"));
    }
    if asked.cpus_milli > 0 {
        parts.push(counted(asked.cpus_milli, "CPU"));
    }
    if asked.memory > Bytes(0) {
        parts.push(format!("{} of memory", asked.memory));
    }
    parts.extend(asked.other.iter().map(|(name, count)| format!("{count} {name}")));
    parts.join(" and ")
}

fn thousandths(milli: u64) -> String {
    match milli % 1000 {
        0 => (milli / 1000).to_string(),
        rest => format!("{}.{rest:03}", milli / 1000).trim_end_matches('0').to_owned(),
    }
}

fn counted(milli: u64, what: &str) -> String {
    format!("{} {what}{}", thousandths(milli), if milli == 1000 { "" } else { "s" })
}
