//! Machines that their provider takes away with notice, as it does with those of low priority: such a node gets no new work, its
//! jobs get their signal and are put back in the queue in time, and it is given back, so that another one is asked for.

use super::Sched;
use super::pool::Standing;
use crate::model::ids::{ClusterId, NodeId};
use crate::model::settings::Settings;
use crate::model::state::{AfterStop, NodeState, Notice, StopWhy};
use crate::model::units::{Millis, UnixMillis};

/// How long before a machine goes its jobs are told, beside the time that they have to end: to hear of it, to copy logs.
const MARGIN: Millis = Millis::from_secs(60);

/// Returns when the jobs on a node are stopped that goes at some time.
pub(super) fn given_up_at(notice: &Notice, settings: &Settings) -> UnixMillis {
    notice.at - MARGIN - settings.kill_grace
}

impl Sched {
    pub(super) fn on_noticed(&mut self, id: NodeId, notice: Option<Notice>) {
        let Some(node) = self.nodes.get(&id).filter(|node| !node.host.is_empty() && node.notice != notice) else {
            return self.ignore();
        };
        if node.state == NodeState::Leaving {
            return self.ignore();
        }
        let (cluster, first) = (node.cluster, node.notice.is_none());
        self.edit_node(id, |node| node.notice = notice);
        self.recall_on(id);
        if first {
            self.edit_cluster(cluster, |cluster| cluster.noticed = cluster.noticed.saturating_add(1));
        }
        self.disturb(cluster);
    }

    /// Lets nodes go whose provider takes them away: at once those without a job, the others when it is time.
    pub(super) fn give_up_noticed(&mut self, id: ClusterId) {
        let some = self.pools.get(&id).is_some_and(|pool| {
            [Standing::Drained, Standing::Running, Standing::Unusable, Standing::Preparing, Standing::OutOfSight]
                .into_iter()
                .any(|standing| pool.count(standing) > 0)
        });
        if !some || self.clusters.get(&id).is_none_or(|cluster| cluster.noticed == 0) {
            return;
        }
        let (now, settings) = (self.turn.now, &self.settings);
        let noticed = self.pools.get(&id).into_iter().flat_map(|pool| &pool.noticed).filter_map(|id| self.nodes.get(id));
        let noticed = noticed.filter_map(|node| Some((node, node.notice.as_ref()?)));
        let noticed = noticed.filter(|(node, _)| !matches!(node.state, NodeState::Allocating | NodeState::Leaving));
        let due = noticed.filter(|(node, notice)| !node.is_held() || given_up_at(notice, settings) <= now);
        for node in due.map(|(node, _)| node.id).collect::<Vec<_>>() {
            self.give_up_node(node);
        }
    }

    /// Puts the jobs on a node back in the queue and lets it go.
    pub(super) fn give_up_node(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        if !node.is_held() {
            return self.send_away(id);
        }
        let jobs: Vec<_> = node.holders.iter().map(|(job, _)| *job).collect();
        self.edit_node(id, |node| node.state = NodeState::Leaving);
        for job in jobs {
            self.stop_attempt(job, StopWhy::Reclaimed, AfterStop::RequeuePlanned);
        }
    }
}
