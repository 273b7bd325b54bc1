//! Deadlines as data. Every one is derived from a row, so that a restart finds the same; the runtime needs no more
//! than [`Sched::next_deadline`].
//!
//! | row | deadline | at it |
//! |---|---|---|
//! | cluster, workspace | `budget.next` | the budget is looked at |
//! | cluster | `auto.next` | auto-scale lets nodes go, asks for them again, or minds GPUs that are not used |
//! | job | `stop_at` | it is terminated |
//! | job, waiting | `pause` | it may start |
//! | job, running, others sent ahead behind it | `since` + half a second | they are recalled |
//! | job on several nodes | the first of its nodes lost + `gang_lost_after` | its attempt is stopped where it can be |
//! | node, allocating, no effect | `since` + back-off | it is asked for again |
//! | node, leaving, its release failed | `since` + back-off | it is given back again |
//! | node, running or unusable with jobs on it, whose provider takes it away | a while before that | its jobs are put back and it goes |
//! | node, idle or running, lost | lost + `unreachable_after` | it is unusable |

use std::collections::{BTreeMap, BTreeSet};

use super::Sched;
use super::notice::given_up_at;
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, JobId, NodeId, WorkspaceId};
use crate::model::settings::Settings;
use crate::model::state::{ExecutionState, Job, Node, NodeState, Reach, StopWhy, Unusable};
use crate::model::units::{Millis, UnixMillis};

/// The first pause before a node is asked for again: long enough for a provider's passing trouble, short for a person.
const ACQUIRE_PAUSE_FIRST: Millis = Millis::from_secs(1);
/// The longest such pause: the doubling stops here, so that returning capacity is noticed within a minute.
const ACQUIRE_PAUSE_MAX: Millis = Millis::from_mins(1);

/// Whose deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A workspace's.
    Workspace(WorkspaceId),
    /// A cluster's.
    Cluster(ClusterId),
    /// A node's.
    Node(NodeId),
    /// A job's.
    Job(JobId),
}

/// All deadlines: at most one a row, the nearest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timers {
    queue: BTreeSet<(UnixMillis, Timer)>,
    at: BTreeMap<Timer, UnixMillis>,
}

impl Timers {
    /// Sets, moves or removes the deadline of one row.
    pub(super) fn set(&mut self, timer: Timer, at: Option<UnixMillis>) {
        let before = match at {
            Some(at) => self.at.insert(timer, at),
            None => self.at.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before.filter(|_| guard("timer.one-each")) {
            self.queue.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.queue.insert((at, timer));
        }
    }

    /// Returns the nearest deadline.
    pub(super) fn first(&self) -> Option<(UnixMillis, Timer)> {
        self.queue.first().copied()
    }

    /// Returns the deadline of one row.
    pub(super) fn of(&self, timer: Timer) -> Option<UnixMillis> {
        self.at.get(&timer).copied()
    }
}

/// Returns how long to wait after the given number of failed acquisitions in a row.
pub(super) fn acquire_pause(tries: u32) -> Millis {
    doubled(ACQUIRE_PAUSE_FIRST, ACQUIRE_PAUSE_MAX, tries)
}

/// Returns a pause that doubles with every try, up to the longest.
pub(super) fn doubled(first: Millis, longest: Millis, tries: u32) -> Millis {
    let doubled = first.0.checked_shl(tries.saturating_sub(1).min(32)).unwrap_or(u64::MAX);
    Millis(doubled.min(longest.0))
}

/// Says whether a node's machine could not be given back and waits for the next try.
pub(super) fn release_failed(node: &Node) -> bool {
    node.state == NodeState::Leaving && node.tries > 0 && node.effect.is_none() && !node.is_held()
}

/// Returns the deadline of a node.
pub(super) fn node_deadline(node: &Node, settings: &Settings) -> Option<UnixMillis> {
    match (&node.state, &node.reach) {
        (NodeState::Allocating, _) => {
            (node.effect.is_none() && guard("node.asked-for-again")).then(|| node.since + acquire_pause(node.tries))
        }
        (NodeState::Leaving, _) if release_failed(node) && guard("node.released-again") => {
            Some(node.since + acquire_pause(node.tries))
        }
        (NodeState::Idle | NodeState::Running, Reach::Lost { since, .. }) => Some(*since + settings.unreachable_after),
        (NodeState::Idle, Reach::Never | Reach::Seen) => node.expires.filter(|_| !node.is_held()),
        (NodeState::Running, Reach::Never | Reach::Seen) => node.notice.as_ref().map(|notice| given_up_at(notice, settings)),
        (NodeState::Unusable(_), _) => {
            node.notice.as_ref().filter(|_| node.is_held()).map(|notice| given_up_at(notice, settings))
        }
        (NodeState::Preparing | NodeState::Leaving, _) => None,
    }
}

impl Sched {
    /// Returns when [`super::Event::Deadline`] is due next.
    pub fn next_deadline(&self) -> Option<UnixMillis> {
        self.timers.first().map(|(at, _)| at)
    }

    /// Returns the deadline of a job.
    pub(super) fn job_deadline(&self, job: &Job) -> Option<UnixMillis> {
        let gang = self.gang_lost(job).map(|(since, _)| since + self.settings.gang_lost_after);
        let pause = job.pause.as_ref().filter(|_| job.state == ExecutionState::Queued).map(|pause| pause.until);
        job.last.stop_at.into_iter().chain(gang).chain(pause).chain(self.line_deadline(job)).min()
    }

    /// Returns since when a node of a going attempt on several nodes is out of sight, and which.
    fn gang_lost(&self, job: &Job) -> Option<(UnixMillis, NodeId)> {
        if job.state != ExecutionState::Running || job.last.after_stop.is_some() || job.last.nodes.len() < 2 {
            return None;
        }
        let lost = job.last.nodes.iter().filter_map(|id| match &self.nodes.get(id)?.reach {
            Reach::Lost { since, .. } => Some((*since, *id)),
            Reach::Never | Reach::Seen => None,
        });
        lost.min()
    }

    /// Does what is due.
    pub(super) fn on_deadline(&mut self) {
        while let Some((at, timer)) = self.timers.first() {
            if at > self.turn.now {
                break;
            }
            match timer {
                Timer::Workspace(workspace) => self.workspace_due(workspace),
                Timer::Cluster(cluster) => self.cluster_due(cluster),
                Timer::Node(node) => self.node_due(node),
                Timer::Job(job) => self.job_due(job),
            }
            let next = self.timers.of(timer);
            assert!(next.is_none_or(|next| next > at), "I21 a deadline that came is gone: {timer:?}");
        }
    }

    fn node_due(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        match (&node.state, &node.reach) {
            (NodeState::Allocating, _) => self.acquire_again(id),
            (NodeState::Leaving, _) => self.release_again(id),
            (NodeState::Unusable(_), _) => self.give_up_node(id),
            (_, Reach::Lost { why, .. }) => {
                let why = Unusable { code: "unreachable".into(), step: "connect".into(), message: why.clone() };
                self.make_unusable(id, why);
                // It was to be given up while nobody saw it, because its provider takes it away.
                if self.timers.of(Timer::Node(id)).is_some_and(|at| at <= self.turn.now) {
                    self.give_up_node(id);
                }
            }
            (NodeState::Idle, Reach::Never | Reach::Seen) => self.send_away(id),
            (NodeState::Running, Reach::Never | Reach::Seen) => self.give_up_node(id),
            (_, Reach::Never | Reach::Seen) => {}
        }
    }

    fn job_due(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if job.last.stop_at.is_some_and(|at| at <= self.turn.now) {
            self.terminate_now(id, "Job was terminated");
            return;
        }
        if job.pause.as_ref().is_some_and(|pause| pause.until <= self.turn.now) {
            return self.edit_job(id, |job| job.pause = None);
        }
        if self.line_deadline(job).is_some_and(|at| at <= self.turn.now) {
            let cluster = job.cluster;
            return self.recall_line(cluster, id);
        }
        let Some((since, node)) = self.gang_lost(job) else { return };
        let message = format!(
            "Node {} was out of sight for {} and the job runs on several",
            self.node_name(node),
            self.turn.now.since(since)
        );
        self.lose_attempt(id, "AttemptLost", message, StopWhy::GangLost);
    }
}
