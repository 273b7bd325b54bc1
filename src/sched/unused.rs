//! GPUs that are held and not used. A rule of an auto-scaled cluster says after which time that is minded: it is said at the
//! node, and where the rule says so the job ends, but never while somebody is attached to one of its nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::Sched;
use crate::model::ids::{ClusterId, JobId, NodeId};
use crate::model::spec::GpuIdleThen;
use crate::model::state::{ExecutionState, Job, NextStep, Observed, Reach};
use crate::model::units::UnixMillis;

/// How a job that uses none of its GPUs stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unused {
    /// Since when it has used none.
    since: UnixMillis,
    /// Whether somebody is attached to one of its nodes.
    attended: bool,
}

impl Sched {
    pub(super) fn on_measured(&mut self, id: NodeId, observed: Observed) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.host.is_empty()) else { return self.ignore() };
        // After a start of the program what is known is told again.
        if node.observed == observed {
            return;
        }
        let cluster = node.cluster;
        self.edit_node(id, |node| {
            if let Some(facts) = &mut node.facts {
                observed.complete(facts);
            }
            node.observed = observed;
        });
        self.disturb(cluster);
    }

    /// Says at nodes that their GPUs are held and not used, and ends jobs where the rule of the cluster wants that.
    pub(super) fn watch_gpus(&mut self, id: ClusterId) {
        let rule = self.auto_of(id).and_then(|auto| auto.gpu_idle);
        let now = self.turn.now;
        let due: BTreeMap<JobId, Unused> = match rule {
            None => BTreeMap::new(),
            Some(rule) => self.unused_jobs(id).into_iter().filter(|(_, one)| one.since + rule.after <= now).collect(),
        };
        // All others stay as they are: without a mark.
        let held = due.keys().filter_map(|job| self.jobs.get(job)).flat_map(|job| &job.last.nodes);
        let minded: BTreeSet<NodeId> =
            self.pools.get(&id).into_iter().flat_map(|pool| &pool.wasted).chain(held).copied().collect();
        let marks: Vec<_> = minded
            .iter()
            .filter_map(|id| self.nodes.get(id))
            .map(|node| (node, node.holders.iter().filter_map(|(job, _)| Some(due.get(job)?.since)).min()))
            .filter(|(node, mark)| node.wasted != *mark)
            .map(|(node, mark)| (node.id, mark))
            .collect();
        for (node, mark) in marks {
            self.edit_node(node, |node| node.wasted = mark);
        }
        if rule.is_some_and(|rule| rule.then == GpuIdleThen::Stop) {
            for (job, one) in due.into_iter().filter(|(_, one)| !one.attended) {
                let idle = now.since(one.since);
                self.terminate_now(job, &format!("Job was terminated because it had not used its GPUs for {idle}"));
            }
        }
    }

    /// Returns what the rule will mind next, and when.
    pub(super) fn next_unused(&self, id: ClusterId) -> Option<NextStep> {
        let rule = self.auto_of(id)?.gpu_idle?;
        let now = self.turn.now;
        let coming = self.unused_jobs(id).into_iter().map(|(job, one)| (one.since + rule.after, job));
        let (at, job) = coming.filter(|(at, _)| *at > now).min()?;
        let name = self.jobs.get(&job).map_or_else(|| job.to_string(), |job| job.name.to_string());
        let what = match rule.then {
            GpuIdleThen::Say => format!("job {name} is reported if it has not used its GPUs by then"),
            GpuIdleThen::Stop => format!("job {name} ends if it has not used its GPUs by then and nobody is attached"),
        };
        Some(NextStep { at, what })
    }

    /// Returns the running jobs of a cluster that hold GPUs and use none.
    fn unused_jobs(&self, id: ClusterId) -> BTreeMap<JobId, Unused> {
        let still = self.pools.get(&id).into_iter().flat_map(|pool| &pool.still).filter_map(|id| self.nodes.get(id));
        let jobs: BTreeSet<JobId> = still.flat_map(|node| node.holders.iter().map(|(job, _)| *job)).collect();
        let found = jobs.into_iter().filter_map(|id| Some((id, self.unused_by(self.jobs.get(&id)?)?)));
        found.collect()
    }

    fn unused_by(&self, job: &Job) -> Option<Unused> {
        if job.course() != ExecutionState::Running || job.last.after_stop.is_some() {
            return None;
        }
        let (mut since, mut held, mut attended) = (job.last.started?, 0_usize, false);
        for (at, id) in job.last.nodes.iter().enumerate() {
            let node = self.nodes.get(id)?;
            if node.reach != Reach::Seen {
                return None;
            }
            attended |= node.observed.left_alone.is_none();
            let shares = job.last.places.get(at).and_then(|place| place.gpu_shares.as_ref());
            let indices: Vec<u32> = match (job.spec.demand.part(), shares) {
                (Some(_), Some(shares)) => shares.iter().map(|share| share.index).collect(),
                (_, _) => {
                    let count = node.facts.as_ref().map_or(0, |facts| facts.capacity.gpus_milli / 1000);
                    (0..u32::try_from(count).unwrap_or(u32::MAX)).collect()
                }
            };
            for index in indices {
                since = since.max(*node.observed.gpus_still.get(&index)?);
                held += 1;
            }
        }
        (held > 0).then_some(Unused { since, attended })
    }
}
