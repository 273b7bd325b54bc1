//! What a node found in its spool against what we believe of it. The inventory is taken after the node knows our epoch,
//! so absence from it means: not there, and never will be, but for a start that is still to be sent again under the
//! same key.

use std::collections::BTreeMap;

use super::Sched;
use super::attempt::Source;
use super::effect::Act;
use super::event::Sighting;
use crate::model::ids::{NodeId, RankKey};
use crate::model::state::{BootId, Proof, RankState, StopWhy};

/// By how many jobs a node can know more than we do: an older copy of the state is not older than that. What a node says beyond it
/// is a lie, and numbers are not wasted on it.
const AHEAD_MAX: u64 = 1_000_000;

impl Sched {
    /// Reconciles a node that has come up.
    pub(super) fn take_inventory(
        &mut self,
        node: NodeId,
        boot: &BootId,
        rebooted: bool,
        inventory: BTreeMap<RankKey, Sighting>,
    ) {
        let holders = self.nodes.get(&node).map(|node| node.holders.clone()).unwrap_or_default();
        let absent: Vec<_> = self.ranks_on(node).into_iter().filter(|key| !inventory.contains_key(key)).collect();
        for (key, sighting) in inventory {
            match self.believed(key, node) {
                Some(_) => self.found(key, sighting),
                None => self.stray(node, key, sighting),
            }
        }
        // After what is known for certain, so that an exit record decides and not the loss of another process.
        for key in absent {
            self.absent(node, boot, key);
        }
        for holder in holders.into_iter().filter(|_| rebooted) {
            if self.nodes.get(&node).is_some_and(|node| node.holders.contains(&holder)) {
                let message = format!("Node {} was rebooted", self.node_name(node));
                self.lose_attempt(holder.0, "AttemptLost", message, StopWhy::Sibling);
            }
        }
    }

    /// A process that we know of is there, or was.
    fn found(&mut self, key: RankKey, sighting: Sighting) {
        match sighting {
            Sighting::Alive => self.rank_runs(key),
            Sighting::Gone(proof) => self.rank_gone(key, proof, Source::Node),
        }
    }

    /// A process that we know of is not there. After another boot it is dead. Under the same one, a start or a stop on
    /// its way will be sent again and answered; only a process that had run is lost.
    fn absent(&mut self, node: NodeId, boot: &BootId, key: RankKey) {
        let Some(run) = self.live_rank(key) else { return };
        if run.boot != *boot {
            return self.rank_gone(key, Proof::Rebooted { boot: boot.clone() }, Source::Concluded);
        }
        match self.believed(key, node) {
            Some(RankState::Running) => {
                let why = "spool gone".to_owned();
                self.rank_gone(key, Proof::Lost { why }, Source::Concluded);
            }
            Some(RankState::Starting { .. } | RankState::Stopping { .. } | RankState::Gone(_)) | None => {}
        }
    }

    /// A process that should not be there: what is over is ended or cleaned up; what this state directory never ordered
    /// (it may be an older copy) is left alone, and its number is not given to anything else.
    fn stray(&mut self, node: NodeId, key: RankKey, sighting: Sighting) {
        if key.job > self.counters.job {
            // Its number is taken on that node: a job of ours with the same one would be taken for that.
            if key.job.0 - self.counters.job.0 <= AHEAD_MAX {
                self.counters = self.counters.without(key.job);
            }
            return self.ignore();
        }
        let known = self.jobs.get(&key.job);
        let ahead = known.is_some_and(|job| key.attempt > job.attempt);
        if ahead || (known.is_none() && self.counters.is_left_out(key.job)) {
            return self.ignore();
        }
        match sighting {
            Sighting::Gone(_) => self.acknowledge(node, key),
            Sighting::Alive if self.outbox.stops(node, key) => {}
            Sighting::Alive => {
                let grace = self.settings.kill_grace;
                self.issue(Act::StopRank { node, key, why: StopWhy::Finished, grace });
            }
        }
    }
}
