//! Words: what the head of a queue waits for, why a job is where it is, what a change of target would do, what would be
//! left undone. All of it is read from the state in force, so that it is true.

use super::Sched;
use super::cluster::{gave_up, wanted};
use super::place::{demand_words, fits, lack, need_of};
use super::pool::{Pool, STANDINGS, Standing};
use crate::model::ids::{ClusterId, JobId};
use crate::model::request::{Preview, Why};
use crate::model::spec::{Deallocation, Demand, ScaleSettings};
use crate::model::state::{Cluster, ExecutionState, Job, Node, NodeState, QueueHead, Tally};
use crate::model::units::NodeCount;

impl Sched {
    /// Keeps the cluster's row true: who is first in line and what it waits for, and how many wait.
    pub(super) fn show_head(&mut self, id: ClusterId) {
        let first = self.next_in_line(id);
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return };
        let waiting = pool.waiting;
        let shown = cluster.head.as_ref().map(|head| head.job);
        let fresh = self.stale.contains(&id) || shown != first;
        if !fresh && cluster.waiting == waiting {
            return;
        }
        let head = if fresh { self.head_of(id) } else { cluster.head.clone() };
        if cluster.head != head || cluster.waiting != waiting {
            self.edit_cluster(id, |cluster| {
                cluster.head = head;
                cluster.waiting = waiting;
            });
        }
        self.stale.remove(&id);
    }

    /// Returns the head of a cluster's queue as it is to be shown.
    pub(super) fn head_of(&self, id: ClusterId) -> Option<QueueHead> {
        let (cluster, pool) = (self.clusters.get(&id)?, self.pools.get(&id)?);
        let job = self.jobs.get(&self.next_in_line(id)?)?;
        Some(QueueHead { job: job.id, name: job.name.clone(), waits_for: self.waits_for(cluster, pool, job) })
    }

    fn waits_for(&self, cluster: &Cluster, pool: &Pool, job: &Job) -> String {
        let (target, _) = wanted(cluster);
        let need = need_of(job);
        let needs = format!("needs {}", nodes(need));
        if self.starts_nothing(cluster) {
            return format!("waits for running jobs to finish, because cluster {} shrinks to {target}", cluster.name);
        }
        if need > target as usize {
            return format!("{needs}, the cluster's target is {target}");
        }
        if let Demand::Part(asked) = &job.spec.demand {
            let known = || self.nodes_of(cluster.id).filter(|node| node.facts.is_some());
            let lacking = known().filter(|node| !fits(&job.spec.demand, node)).count();
            if lacking > 0 && pool.nodes.len() - lacking < need {
                let all = pool.nodes.len();
                return format!("{needs} with {}, which {} of {all} have", demand_words(asked), all - lacking);
            }
        }
        let there = pool.nodes.len() as u32 - pool.count(Standing::Leaving) - pool.count(Standing::Allocating);
        if let Some(error) = gave_up(cluster).filter(|_| (there as usize) < need) {
            return format!("{needs}, the cluster has {there} and got no more: {}", error.message);
        }
        if there > 0 && pool.count(Standing::OutOfSight) == there {
            return format!("{needs}, and {}", all_of(there as usize, "out of sight"));
        }
        if there > 0 && pool.count(Standing::Unusable) == there {
            return format!("{needs}, and {}", all_of(there as usize, "unusable"));
        }
        let mut parts = vec![needs];
        for standing in STANDINGS {
            match pool.count(standing) {
                0 if standing != Standing::Idle => {}
                count => parts.push(format!("{count} {}", word(standing))),
            }
        }
        if let Demand::Part(asked) = &job.spec.demand {
            let fit = pool.free.iter().filter_map(|id| self.nodes.get(id)).filter(|n| fits(&job.spec.demand, n)).count();
            if fit < pool.free.len() {
                parts.insert(2, format!("{fit} of these with {}", demand_words(asked)));
            }
        }
        parts.join(", ")
    }

    /// Says why a job is where it is, and what would let it run; `None` when it is not in memory.
    pub fn why(&self, id: JobId) -> Option<Why> {
        let job = self.jobs.get(&id)?;
        let cluster = self.clusters.get(&job.cluster).map(|cluster| &**cluster);
        let reason = job.reason(cluster);
        if job.state != ExecutionState::Queued {
            return Some(Why { reason, place: 0, nodes: Vec::new(), change: None });
        }
        let queue = self.pools.get(&job.cluster).map(|pool| &pool.queue);
        let at = queue.and_then(|queue| queue.iter().position(|(_, other)| *other == id));
        let nodes = self.nodes_of(job.cluster).map(|node| (self.node_name(node.id), not_given(node, job))).collect();
        let change = cluster.and_then(|cluster| self.smallest_change(cluster, job, at));
        Some(Why { reason, place: at.map_or(0, |at| at as u64 + 1), nodes, change })
    }

    fn smallest_change(&self, cluster: &Cluster, job: &Job, at: Option<usize>) -> Option<String> {
        if job.stop_at.is_some() {
            return Some(format!("take back the stop of job {}", job.name));
        }
        if job.held {
            return Some(format!("release job {}", job.name));
        }
        let (target, _) = wanted(cluster);
        let need = need_of(job) as u32;
        if need > target {
            return Some(format!("scale cluster {} to {need}", cluster.name));
        }
        let pool = self.pools.get(&cluster.id)?;
        if at == Some(0) && !self.starts_nothing(cluster) {
            let free = pool.free.len() as u32;
            let drained = pool.count(Standing::Drained);
            if drained > 0 && free + drained >= need {
                let mut names = self.nodes_of(cluster.id).filter(|node| node.drained && node.state == NodeState::Idle);
                return names.next().map(|node| format!("undrain node {}", self.node_name(node.id)));
            }
            if pool.count(Standing::Unusable) > 0 && free + pool.count(Standing::Unusable) >= need {
                return Some("prepare the unusable nodes again, or declare dead those that are gone".to_owned());
            }
            let more = target + need.saturating_sub(free);
            return Some(format!("scale cluster {} to {more}, or wait for running jobs", cluster.name));
        }
        None
    }

    /// Says what would be left undone if the program ended now, one sentence each; empty when nothing would.
    pub fn undone(&self) -> Vec<String> {
        let mut undone = Vec::new();
        let tally = |of: fn(&Tally) -> u64| self.experiments.values().map(|e| of(&e.tally)).sum::<u64>() as usize;
        let live = [
            (tally(|t| t.running), "running"),
            (tally(|t| t.terminating), "being stopped"),
            (tally(|t| t.queued), "waiting"),
        ];
        for (count, what) in live.into_iter().filter(|(count, _)| *count > 0) {
            undone.push(format!("{} {what}", things(count, "job is", "jobs are")));
        }
        for (id, pool) in &self.pools {
            let Some(cluster) = self.clusters.get(id) else { continue };
            if let ScaleSettings::AutoScale(auto) = &cluster.spec.scale_settings
                && auto.current > auto.minimum_node_count
            {
                let (name, least) = (&cluster.name, auto.minimum_node_count);
                undone.push(format!(
                    "auto-scale keeps {} nodes of cluster {name}, above its minimum of {least}",
                    auto.current
                ));
            }
            for standing in [Standing::Allocating, Standing::Preparing, Standing::Leaving] {
                let count = pool.count(standing) as usize;
                if count > 0 {
                    let what = word(standing);
                    undone.push(format!("{} of cluster {} {what}", things(count, "node", "nodes"), cluster.name));
                }
            }
        }
        let notices = self.outbox.iter().filter(|(_, act)| matches!(act, super::Act::Notify { .. })).count();
        if notices > 0 {
            undone.push(format!("{} still to be sent", things(notices, "notice is", "notices are")));
        }
        undone
    }
}

/// Says why a node is not given to a waiting job; empty when it could be.
fn not_given(node: &Node, job: &Job) -> String {
    if let (Demand::Part(asked), Some(facts)) = (&job.spec.demand, &node.facts)
        && let Some(lack) = lack(asked, &facts.capacity)
    {
        return lack;
    }
    match super::pool::standing(node) {
        Standing::Idle => String::new(),
        Standing::Drained => "drained".to_owned(),
        Standing::Preparing => "still being prepared".to_owned(),
        Standing::Running => "runs another job".to_owned(),
        Standing::OutOfSight => "out of sight".to_owned(),
        Standing::Unusable => match &node.state {
            NodeState::Unusable(why) => format!("unusable: {}: {}", why.step, why.message),
            _ => "unusable".to_owned(),
        },
        Standing::Allocating => "asked for, not there yet".to_owned(),
        Standing::Leaving => "on its way out".to_owned(),
    }
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Idle => "idle",
        Standing::Drained => "drained",
        Standing::Preparing => "preparing",
        Standing::Running => "running",
        Standing::OutOfSight => "out of sight",
        Standing::Unusable => "unusable",
        Standing::Allocating => "allocating",
        Standing::Leaving => "leaving",
    }
}

fn things(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn nodes(count: usize) -> String {
    things(count, "node", "nodes")
}

fn all_of(count: usize, what: &str) -> String {
    match count {
        1 => format!("its only one is {what}"),
        _ => format!("all {count} of the cluster are {what}"),
    }
}

/// Returns a preview as one line for a person.
pub(super) fn preview_line(preview: &Preview, come_back: usize) -> String {
    let mut parts = Vec::new();
    if come_back > 0 {
        parts.push(format!("{} that would have gone", things(come_back, "node stays", "nodes stay")));
    }
    if preview.acquire > NodeCount(0) {
        let wanted = preview.acquire.0 as usize;
        parts.push(match preview.free_hosts {
            None => format!("{} asked for", things(wanted, "node is", "nodes are")),
            Some(free) if free < preview.acquire => {
                format!("{} wanted, only {}", nodes(wanted), things(free.0 as usize, "host free", "hosts free"))
            }
            Some(free) => things(free.0 as usize, "host free", "hosts free"),
        });
    }
    if !preview.release_now.is_empty() {
        parts.push(format!("{} at once", things(preview.release_now.len(), "node goes", "nodes go")));
    }
    if !preview.release_busy.is_empty() {
        parts.push(busy_words(preview));
    }
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    format!("{} → {}: {}", preview.from, preview.to, parts.join(", "))
}

fn busy_words(preview: &Preview) -> String {
    /// How many jobs are named in the line before it says only how many more.
    const NAMED_MAX: usize = 3;
    let count = preview.release_busy.len();
    let mut names: Vec<&str> = preview.release_busy.iter().map(|(_, job)| job.as_str()).collect();
    names.dedup();
    let more = names.len().saturating_sub(NAMED_MAX);
    let mut jobs = names[..names.len() - more].join(", ");
    if more > 0 {
        jobs.push_str(&format!(" and {more} more"));
    }
    match preview.deallocation {
        Deallocation::Requeue => format!("{} once stopped and put back: {jobs}", things(count, "node goes", "nodes go")),
        Deallocation::Terminate => format!("{} once stopped for good: {jobs}", things(count, "node goes", "nodes go")),
        Deallocation::WaitForJobCompletion => {
            format!("{} when jobs finish, nothing new starts until then", things(count, "node goes", "nodes go"))
        }
    }
}
