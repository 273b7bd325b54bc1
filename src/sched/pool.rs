//! What is derived of rows, so that no event looks at all jobs or nodes: the queue and the nodes of each cluster, and the
//! few facts of a job and a node that these depend on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::timers::node_deadline;
use crate::model::ids::{Attempt, ClusterId, JobId, NodeId};
use crate::model::settings::Settings;
use crate::model::spec::Priority;
use crate::model::state::{ExecutionState, Job, Node, NodeState, Reach};
use crate::model::units::UnixMillis;

/// Pools by cluster.
pub(super) type Pools = BTreeMap<ClusterId, Pool>;

/// A job's place in its cluster's queue: priority, then submission.
pub(super) type QueuePlace = (Reverse<Priority>, JobId);

/// In which one way a node counts for the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Idle,
    Drained,
    Preparing,
    Running,
    OutOfSight,
    Unusable,
    Allocating,
    Leaving,
}

/// How many ways there are.
pub(super) const STANDINGS: [Standing; 8] = [
    Standing::Idle,
    Standing::Drained,
    Standing::Preparing,
    Standing::Running,
    Standing::OutOfSight,
    Standing::Unusable,
    Standing::Allocating,
    Standing::Leaving,
];

/// Returns in which way a node counts.
pub(super) fn standing(node: &Node) -> Standing {
    let lost = matches!(node.reach, Reach::Lost { .. });
    match &node.state {
        NodeState::Allocating => Standing::Allocating,
        NodeState::Leaving => Standing::Leaving,
        NodeState::Unusable(_) => Standing::Unusable,
        NodeState::Preparing => Standing::Preparing,
        NodeState::Idle | NodeState::Running if lost => Standing::OutOfSight,
        NodeState::Running => Standing::Running,
        NodeState::Idle if node.drained => Standing::Drained,
        NodeState::Idle => Standing::Idle,
    }
}

/// What is derived of a cluster, so that no event looks at all jobs or nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pool {
    /// Jobs that may be placed, in order.
    pub(super) queue: BTreeSet<QueuePlace>,
    /// How many jobs wait, held ones included.
    pub(super) waiting: u64,
    /// Jobs that have not ended.
    pub(super) jobs: BTreeSet<JobId>,
    /// Its nodes.
    pub(super) nodes: BTreeSet<NodeId>,
    /// Those that could be given to a job now.
    pub(super) free: BTreeSet<NodeId>,
    /// How many nodes count in which way.
    pub(super) counts: [u32; STANDINGS.len()],
}

impl Pool {
    /// Returns how many nodes count in this way.
    pub(super) fn count(&self, standing: Standing) -> u32 {
        self.counts[standing as usize]
    }

    /// Returns how many nodes are not on their way out.
    pub(super) fn staying(&self) -> u32 {
        self.counts.iter().sum::<u32>() - self.count(Standing::Leaving)
    }
}

/// What the indices know of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct JobKeys {
    pub(super) cluster: ClusterId,
    pub(super) state: ExecutionState,
    pub(super) queued: bool,
    pub(super) place: Option<QueuePlace>,
    pub(super) stop_at: Option<UnixMillis>,
    pub(super) going: Option<Attempt>,
}

impl JobKeys {
    pub(super) fn of(job: &Job) -> Self {
        let queued = job.state == ExecutionState::Queued;
        let may_start = queued && !job.held && job.stop_at.is_none();
        let going = job.state == ExecutionState::Running && job.after_stop.is_none();
        Self {
            cluster: job.cluster,
            state: job.state,
            queued,
            place: may_start.then_some((Reverse(job.priority), job.id)),
            stop_at: job.stop_at,
            going: going.then_some(job.attempt),
        }
    }
}

/// What the indices know of a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeKeys {
    pub(super) cluster: ClusterId,
    pub(super) standing: Standing,
    pub(super) free: bool,
    pub(super) holder: Option<(JobId, Attempt)>,
    pub(super) lost_since: Option<UnixMillis>,
    pub(super) deadline: Option<UnixMillis>,
}

impl NodeKeys {
    pub(super) fn of(node: &Node, settings: &Settings) -> Self {
        let lost_since = match node.reach {
            Reach::Lost { since, .. } => Some(since),
            Reach::Never | Reach::Seen => None,
        };
        let standing = standing(node);
        Self {
            cluster: node.cluster,
            standing,
            free: standing == Standing::Idle && node.holder.is_none() && node.boot.is_some(),
            holder: node.holder,
            lost_since,
            deadline: node_deadline(node, settings),
        }
    }
}
