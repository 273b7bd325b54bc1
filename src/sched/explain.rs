//! Words: what the head of a queue waits for, why a job is where it is, what a change of target would do, what would be
//! left undone. All of it is read from the state in force, so that it is true.

use std::collections::BTreeSet;

use super::Sched;
use super::backfill::Reservation;
use super::cluster::{gave_up, wanted};
use super::cost::held;
use super::place::{fits, lack, need_of};
use super::pool::{Pool, STANDINGS, Standing};
use super::space::{Slot, Takes};
use crate::model::ids::{ClusterId, JobId};
use crate::model::request::{Preview, Why};
use crate::model::spec::{Deallocation, Demand, ScaleSettings};
use crate::model::state::{
    Cap, Cluster, ExecutionState, Job, Node, NodeState, QueueHead, RankRun, RankState, StopWhy, Tally,
};
use crate::model::units::{Money, NodeCount, UnixMillis};

impl Sched {
    /// Keeps the cluster's row true: who is first in line and what it waits for, and how many wait.
    pub(super) fn show_head(&mut self, id: ClusterId) {
        let (first, changed) = (self.next_in_line(id), self.turn.fresh.remove(&id));
        let (Some(cluster), Some(pool)) = (self.clusters.get(&id), self.pools.get(&id)) else { return };
        let waiting = pool.waiting;
        let shown = cluster.head.as_ref().map(|head| (head.job, head.priority));
        let first = first.and_then(|first| Some((first, self.jobs.get(&first)?.priority)));
        // While nothing is kept for the head, who comes after it may be the one.
        let unkept = cluster.head.as_ref().is_some_and(|head| !head.kept);
        let fresh = self.stale.contains(&id) || shown != first || (unkept && changed);
        let full = || pool.full.iter().copied().collect::<Vec<_>>();
        let same = cluster.waiting == waiting && cluster.full.iter().eq(&pool.full);
        if !fresh && same {
            return;
        }
        let (full, (head, kept_for)) = match fresh {
            true => (full(), self.heads_of(id)),
            false => (full(), (cluster.head.clone(), cluster.kept_for.clone())),
        };
        if !same || cluster.head != head || cluster.kept_for != kept_for {
            self.edit_cluster(id, |cluster| {
                cluster.head = head;
                cluster.kept_for = kept_for;
                cluster.full = full;
                cluster.waiting = waiting;
            });
        }
        self.stale.remove(&id);
    }

    /// Returns the head of a cluster's queue as it is to be shown, and the first that nodes are kept for when that is
    /// another one.
    pub(super) fn heads_of(&self, id: ClusterId) -> (Option<QueueHead>, Option<QueueHead>) {
        let Some(head) = self.next_in_line(id) else { return (None, None) };
        let kept = match self.clusters.get(&id).is_some_and(|cluster| self.starts_nothing(cluster)) {
            true => Some((head, Reservation::default())),
            false => self.first_kept(id),
        };
        let shown = |job: JobId| {
            let (cluster, pool, row) = (self.clusters.get(&id)?, self.pools.get(&id)?, self.jobs.get(&job)?);
            let reservation = kept.as_ref().filter(|(first, _)| *first == job).map(|(_, reservation)| reservation);
            Some(QueueHead {
                job,
                name: row.name.to_string(),
                waits_for: self.waits_for(cluster, pool, row),
                starts: reservation.and_then(|reservation| reservation.at),
                priority: row.priority,
                kept: reservation.is_some(),
            })
        };
        let other = kept.as_ref().map(|(first, _)| *first).filter(|first| *first != head);
        (shown(head), other.and_then(shown))
    }

    pub(super) fn waits_for(&self, cluster: &Cluster, pool: &Pool, job: &Job) -> String {
        let (target, _) = wanted(cluster);
        let need = need_of(job);
        let needs = format!("needs {}", nodes(need));
        if held(cluster) {
            return "waits because a budget is used up: no job starts and no node comes until its period ends, or a larger one is set".to_owned();
        }
        if self.starts_nothing(cluster) {
            return format!("waits for running jobs to finish, because cluster {} shrinks to {target}", cluster.name);
        }
        if need > target as usize {
            return format!("{needs}, the cluster's target is {target}");
        }
        if let Demand::Part(asked) = &job.spec.demand {
            let (known, fitting) = (pool.capacities.values().map(|one| one.all).sum::<usize>(), pool.fitting(asked));
            let lacking = known - fitting.all;
            if lacking > 0 && pool.nodes.len() - lacking < need {
                let all = pool.nodes.len();
                return format!("{needs} with {}, which {} of {all} have", asked, all - lacking);
            }
            let have = pool.nodes.len() - lacking;
            if fitting.held == have && pool.space.rooms(&job.spec.demand).next().is_none() {
                let have = match have {
                    1 => "1 has that and all of it is in use".to_owned(),
                    _ => format!("{have} have that and too little of each is left"),
                };
                return format!("{needs} with {asked}, {have}");
            }
        }
        let there = pool.nodes.len() as u32 - pool.count(Standing::Leaving) - pool.count(Standing::Allocating);
        if let Some(error) = gave_up(cluster).filter(|_| (there as usize) < need) {
            return format!("{needs}, the cluster has {there} and got no more: {}", error.message);
        }
        if cluster.short_of_money && (there as usize) < need {
            return format!("{needs}, the cluster has {there} and more would take the forecast above the budget");
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
        let taken = pool.strange.len();
        if taken > 0 && job.spec.demand.part().is_none() {
            parts.insert(2, format!("{taken} of these with GPUs that others use"));
        }
        if let Demand::Part(asked) = &job.spec.demand {
            let fit = pool.space.rooms(&job.spec.demand).count();
            if fit < pool.free.len() {
                parts.insert(2, format!("{fit} of these with {}", asked));
            }
        }
        parts.join(", ")
    }

    /// Says whether running jobs are being stopped so that this one may run.
    fn gives_way(&self, cluster: &Cluster, job: &Job) -> bool {
        let preempts = cluster.spec.machines.preemption && self.next_in_line(cluster.id) == Some(job.id);
        let stopped = |job: &Job| {
            let stops = |run: &RankRun| matches!(run.state, RankState::Stopping { why: StopWhy::Preempted, .. });
            job.last.ranks.values().any(stops)
        };
        let jobs = self.pools.get(&cluster.id).map(|pool| &pool.placed);
        preempts && jobs.into_iter().flatten().filter_map(|id| self.jobs.get(id)).any(|job| stopped(job))
    }

    /// Says why a job is where it is, and what would let it run; `None` when it is not in memory.
    pub fn why(&self, now: UnixMillis, id: JobId) -> Option<Why> {
        let job = self.jobs.get(&id)?;
        let cluster = self.clusters.get(&job.cluster).map(|cluster| &**cluster);
        let reason = job.reason(cluster);
        if job.course() != ExecutionState::Queued {
            let starts = cluster.and_then(|cluster| job.starts(cluster));
            return Some(Why { reason, place: 0, nodes: Vec::new(), change: None, starts });
        }
        let queue = self.pools.get(&job.cluster).map(|pool| &pool.queue);
        let at = queue.and_then(|queue| queue.iter().position(|(_, other)| other == id));
        let nodes = self.nodes_of(job.cluster).map(|node| {
            let slot = self.pools.get(&job.cluster).and_then(|pool| pool.space.slot(node.id));
            (self.node_name(node.id), not_given(node, slot, job))
        });
        let nodes = nodes.collect();
        let change = cluster.and_then(|cluster| self.smallest_change(cluster, job, at));
        let starts = self.forecast(now, job.cluster).get(&id).copied();
        Some(Why { reason, place: at.map_or(0, |at| at as u64 + 1), nodes, change, starts })
    }

    fn smallest_change(&self, cluster: &Cluster, job: &Job, at: Option<usize>) -> Option<String> {
        if job.last.stop_at.is_some() {
            return Some(format!("take back the stop of job {}", job.name));
        }
        if job.held {
            return Some(format!("release job {}", job.name));
        }
        if at.is_none() {
            return self.what_lets_in(job);
        }
        let (target, _) = wanted(cluster);
        let need = need_of(job) as u32;
        if need > target {
            return Some(format!("scale cluster {} to {need}", cluster.name));
        }
        let pool = self.pools.get(&cluster.id)?;
        if let Demand::Part(asked) = &job.spec.demand
            && self.nodes_of(cluster.id).filter(|node| node.facts.is_none() || fits(&job.spec.demand, node)).count()
                < need as usize
        {
            return Some(format!("ask for less, or give cluster {} nodes that have {asked}", cluster.name));
        }
        if at == Some(0) && !self.starts_nothing(cluster) {
            if self.gives_way(cluster, job) {
                return Some("nothing more: running jobs of a lower priority are being stopped for it".to_owned());
            }
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

    /// Returns what would let a job into the queue that is not held.
    fn what_lets_in(&self, job: &Job) -> Option<String> {
        if let Some(open) = job.dependencies.iter().find(|dependency| !dependency.met) {
            let other = self.jobs.get(&open.job)?;
            return (other.held).then(|| format!("release job {}", other.name));
        }
        let experiment = self.experiments.get(&job.experiment)?;
        let capped = self.pools.get(&job.cluster)?.full.iter().any(|full| full.cap == Cap::Experiment(job.experiment));
        capped.then(|| format!("let more jobs of experiment {} run at once", experiment.name))
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
fn not_given(node: &Node, slot: Option<&Slot>, job: &Job) -> String {
    if let (Demand::Part(asked), Some(facts)) = (&job.spec.demand, &node.facts)
        && let Some(lack) = lack(asked, &facts.capacity)
    {
        return lack;
    }
    let standing = super::pool::standing(node);
    if let (Some(asked), Some(slot)) = (job.spec.demand.part(), slot)
        && matches!(standing, Standing::Idle | Standing::Running)
        && slot.takes() == Takes::Now
    {
        return match lack(asked, &slot.remaining()) {
            Some(lack) => lack.replace("the node has", "of which is left"),
            None if slot.has_room(&job.spec.demand) => String::new(),
            None if slot.taken() > 0 => strangers_on(node),
            None => "no GPU of it is free for that".to_owned(),
        };
    }
    match standing {
        Standing::Idle => strangers_on(node),
        Standing::Drained if node.notice.is_some() => "its provider takes it away".to_owned(),
        Standing::Drained => "drained".to_owned(),
        Standing::Preparing => "still being prepared".to_owned(),
        Standing::Running if node.notice.is_some() => "its provider takes it away".to_owned(),
        Standing::Running if node.drained => "drained".to_owned(),
        Standing::Running => "runs another job".to_owned(),
        Standing::OutOfSight => "out of sight".to_owned(),
        Standing::Unusable => match &node.state {
            NodeState::Unusable(why) => format!("unusable: {}: {}", why.step, why.message),
            _ => "unusable".to_owned(),
        },
        Standing::Allocating => match &node.awaited {
            Some(why) => format!("asked for, not there yet: {why}"),
            None => "asked for, not there yet".to_owned(),
        },
        Standing::Leaving => "on its way out".to_owned(),
    }
}

/// Says who else uses GPUs of a node; empty when nobody does.
fn strangers_on(node: &Node) -> String {
    let each = node.observed.strangers.iter().map(|(index, who)| format!("GPU {index} is used by {who}"));
    let all: Vec<_> = each.collect();
    if all.is_empty() { String::new() } else { format!("{}, which is no job of this cluster", all.join(", ")) }
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
    if let Some(affordable) = preview.affordable {
        parts.push(format!("the budget allows {affordable} more"));
    }
    if preview.rate_after != preview.rate_before {
        let change = preview.rate_after - preview.rate_before;
        let sign = if change > Money(0) { "+" } else { "" };
        parts.push(format!("{sign}{change}/h"));
    }
    if let Some(lasts) = preview.budget_lasts.filter(|_| preview.rate_after != preview.rate_before) {
        parts.push(format!("budget lasts {lasts}"));
    }
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    format!("{} → {}: {}", preview.from, preview.to, parts.join(", "))
}

fn busy_words(preview: &Preview) -> String {
    /// How many jobs are named in the line before it says only how many more.
    const NAMED_MAX: usize = 3;
    let count = preview.release_busy.iter().map(|(node, _)| node).collect::<BTreeSet<_>>().len();
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
