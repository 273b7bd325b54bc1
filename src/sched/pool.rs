//! What is derived of rows, so that no event looks at all jobs or nodes: the queue and the nodes of each cluster, and the
//! few facts of a job and a node that these depend on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Account, Ledger};
use super::place::has_all;
use super::queue::Queue;
use super::space::Space;
use super::timers::node_deadline;
use crate::model::guard::guard;
use crate::model::ids::{Attempt, ClusterId, JobId, NodeId};
use crate::model::settings::Settings;
use crate::model::spec::{Priority, Resources};
use crate::model::state::{ExecutionState, Full, Job, Node, NodeState, Reach};
use crate::model::units::UnixMillis;

/// Pools by cluster.
pub(super) type Pools = BTreeMap<ClusterId, Pool>;

/// A job's place in its cluster's queue: priority, then submission.
pub(super) type QueuePlace = (Reverse<Priority>, JobId);

/// What a job asks for: so many nodes, each for itself or a part of it.
pub(super) type Ask = (usize, Option<Resources>);

/// How many nodes there are of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// All of them.
    pub(super) all: usize,
    /// Those that a job holds, or has a part of.
    pub(super) held: usize,
}

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

/// A node that nothing uses: whether it could take a job, since when it is so, and which it is. The first is worth least.
pub(super) type Loose = (bool, UnixMillis, Reverse<NodeId>);

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
        NodeState::Idle | NodeState::Running if lost && guard("pool.out-of-sight") => Standing::OutOfSight,
        NodeState::Running => Standing::Running,
        NodeState::Idle if node.is_closed() && guard("pool.drained") => Standing::Drained,
        NodeState::Idle => Standing::Idle,
    }
}

/// What is derived of a cluster, so that no event looks at all jobs or nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pool {
    /// Jobs that may be placed, in order.
    pub(super) queue: Queue,
    /// What these ask for, and how many ask for the same.
    pub(super) asks: BTreeMap<Ask, u64>,
    /// When the jobs that run end at the latest, by their limits; the earliest of all times for those being stopped.
    pub(super) ends: BTreeSet<(UnixMillis, JobId)>,
    /// The caps that keep jobs out of the queue now.
    pub(super) full: BTreeSet<Full>,
    /// How many jobs wait, held ones included.
    pub(super) waiting: u64,
    /// How many jobs have not ended.
    pub(super) live: u64,
    /// Those that are on nodes, or with those who place them.
    pub(super) placed: BTreeSet<JobId>,
    /// Who was sent ahead behind whom: by the one that is before.
    pub(super) behind: BTreeMap<JobId, JobId>,
    /// Its nodes.
    pub(super) nodes: BTreeSet<NodeId>,
    /// Those that could be given to a job for itself now.
    pub(super) free: BTreeSet<NodeId>,
    /// Those of them that are sent away at some age, by when that is.
    pub(super) aging: BTreeSet<(UnixMillis, NodeId)>,
    /// Those that nothing uses.
    pub(super) loose: BTreeSet<Loose>,
    /// Those with GPUs that stand still.
    pub(super) still: BTreeSet<NodeId>,
    /// Those at which it is said that their GPUs are held and not used.
    pub(super) wasted: BTreeSet<NodeId>,
    /// Those that their provider takes away.
    pub(super) noticed: BTreeSet<NodeId>,
    /// Those that would be idle, did not others use their GPUs.
    pub(super) strange: BTreeSet<NodeId>,
    /// What those have that have said it, and how many have the same.
    pub(super) capacities: BTreeMap<Resources, Counted>,
    /// What they have cost, and cost now.
    pub(super) ledger: Ledger,
    /// What each node has to give.
    pub(super) space: Space,
    /// Which nodes count in which way.
    standings: [BTreeSet<NodeId>; STANDINGS.len()],
}

impl Pool {
    /// Returns how many nodes count in this way.
    pub(super) fn count(&self, standing: Standing) -> u32 {
        self.these(standing).len() as u32
    }

    /// Returns the nodes that count in this way.
    pub(super) fn these(&self, standing: Standing) -> &BTreeSet<NodeId> {
        &self.standings[standing as usize]
    }

    /// Returns how many nodes are not on their way out.
    pub(super) fn staying(&self) -> u32 {
        self.nodes.len() as u32 - self.count(Standing::Leaving)
    }

    /// Puts a job into the queue.
    pub(super) fn line_up(&mut self, place: QueuePlace, ask: Ask) {
        if self.queue.insert(place) {
            *self.asks.entry(ask).or_default() += 1;
        }
    }

    /// Takes a job out of the queue.
    pub(super) fn step_out(&mut self, place: &QueuePlace, ask: &Ask) {
        if !self.queue.remove(place) {
            return;
        }
        if let Some(count) = self.asks.get_mut(ask) {
            *count -= 1;
            if *count == 0 {
                self.asks.remove(ask);
            }
        }
    }

    /// Returns how many of the nodes that have said what they have could have this.
    pub(super) fn fitting(&self, asked: &Resources) -> Counted {
        let fitting = self.capacities.iter().filter(|(has, _)| has_all(asked, has));
        fitting.fold(Counted::default(), |sum, (_, one)| Counted { all: sum.all + one.all, held: sum.held + one.held })
    }

    /// Returns what the node has that has most, by GPUs, then CPUs, then memory.
    pub(super) fn largest(&self) -> Option<&Resources> {
        self.capacities.keys().max_by_key(|has| (has.gpus_milli, has.cpus_milli, has.memory))
    }

    /// Takes a node up.
    pub(super) fn enter(&mut self, id: NodeId, keys: &NodeKeys) {
        self.nodes.insert(id);
        self.standings[keys.standing as usize].insert(id);
        self.ledger.enter(&keys.account);
        for (set, is) in self.marks(keys) {
            if is {
                set.insert(id);
            }
        }
        if let Some(has) = &keys.capacity {
            let counted = self.capacities.entry(has.clone()).or_default();
            counted.all += 1;
            counted.held += usize::from(keys.is_held());
        }
        self.aging.extend(keys.expires.map(|at| (at, id)));
        self.loose.extend(keys.loose.map(|(worth, since)| (worth, since, Reverse(id))));
    }

    /// Forgets a node, which was taken up with these keys.
    pub(super) fn leave(&mut self, id: NodeId, keys: &NodeKeys) {
        self.nodes.remove(&id);
        if guard("pool.standing-left") {
            self.standings[keys.standing as usize].remove(&id);
        }
        self.ledger.leave(&keys.account);
        for (set, _) in self.marks(keys) {
            set.remove(&id);
        }
        if let Some(has) = &keys.capacity
            && let Some(counted) = self.capacities.get_mut(has)
        {
            counted.all -= 1;
            counted.held -= usize::from(keys.is_held());
            if counted.all == 0 {
                self.capacities.remove(has);
            }
        }
        if let Some(at) = keys.expires {
            self.aging.remove(&(at, id));
        }
        if let Some((worth, since)) = keys.loose.filter(|_| guard("pool.used-is-not-loose")) {
            self.loose.remove(&(worth, since, Reverse(id)));
        }
    }

    fn marks(&mut self, keys: &NodeKeys) -> [(&mut BTreeSet<NodeId>, bool); 5] {
        [
            (&mut self.free, keys.free),
            (&mut self.still, keys.still),
            (&mut self.wasted, keys.wasted),
            (&mut self.noticed, keys.noticed),
            (&mut self.strange, keys.strange),
        ]
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
    pub(super) behind: Option<JobId>,
    pub(super) pause: Option<UnixMillis>,
    pub(super) ends: Option<UnixMillis>,
}

impl JobKeys {
    pub(super) fn of(job: &Job) -> Self {
        let queued = job.state == ExecutionState::Queued;
        let going = job.course() == ExecutionState::Running && job.last.after_stop.is_none();
        Self {
            cluster: job.cluster,
            state: job.course(),
            queued,
            place: ready_place(job),
            stop_at: job.last.stop_at,
            going: going.then_some(job.attempt),
            behind: job.last.behind,
            pause: job.pause.as_ref().filter(|_| queued).map(|pause| pause.until),
            ends: ends(job),
        }
    }
}

/// Returns the place that a job has, or would have, in its cluster's queue.
pub(super) fn place_of(job: &Job) -> QueuePlace {
    (Reverse(job.priority), job.id)
}

/// Returns the place of a job that may start as far as it is concerned itself.
pub(super) fn ready_place(job: &Job) -> Option<QueuePlace> {
    let ready = job.course() == ExecutionState::Queued
        && !(job.held && guard("queue.held"))
        && job.last.stop_at.is_none()
        && !(job.pause.is_some() && guard("queue.pause"))
        && (job.dependencies.iter().all(|dependency| dependency.met) || !guard("queue.dependencies"));
    ready.then(|| place_of(job))
}

/// Returns when a job that is on nodes leaves them at the latest.
fn ends(job: &Job) -> Option<UnixMillis> {
    match (job.state, job.last.after_stop) {
        (ExecutionState::Terminating, _) | (ExecutionState::Running, Some(_)) => Some(UnixMillis(i64::MIN)),
        (ExecutionState::Running, None) => Some(job.last.started? + job.spec.constraints.max_wall_clock_time),
        (ExecutionState::Queued | ExecutionState::Succeeded | ExecutionState::Failed, _) => None,
    }
}

/// What the indices know of a node.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NodeKeys {
    pub(super) cluster: ClusterId,
    pub(super) standing: Standing,
    pub(super) free: bool,
    /// When it is to be sent away, should it be free then.
    pub(super) expires: Option<UnixMillis>,
    /// Of one that nothing uses, whether it could take a job and since when it is so.
    pub(super) loose: Option<(bool, UnixMillis)>,
    pub(super) still: bool,
    pub(super) wasted: bool,
    pub(super) noticed: bool,
    /// Would be idle, did not others use its GPUs.
    pub(super) strange: bool,
    pub(super) capacity: Option<Resources>,
    pub(super) account: Account,
    pub(super) holders: BTreeSet<(JobId, Attempt)>,
    /// Has to be set up before it takes another job.
    pub(super) set_up_first: bool,
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
        let free = standing == Standing::Idle && !node.is_held() && node.boot.is_some() && !node.has_strangers();
        let stuck = matches!(standing, Standing::Drained | Standing::Unusable | Standing::OutOfSight);
        let loose = !node.is_held() && standing != Standing::Leaving;
        Self {
            cluster: node.cluster,
            standing,
            free,
            expires: node.expires.filter(|_| free),
            loose: loose.then(|| (!stuck && !node.has_strangers(), node.since)),
            still: !node.observed.gpus_still.is_empty(),
            wasted: node.wasted.is_some(),
            noticed: node.notice.is_some(),
            strange: standing == Standing::Idle && node.has_strangers(),
            capacity: node.facts.as_ref().map(|facts| facts.capacity.clone()),
            account: Account::of(node),
            holders: node.holders.clone(),
            set_up_first: node.setup.wanted,
            lost_since,
            deadline: node_deadline(node, settings),
        }
    }

    /// Says whether a job holds it, or has a part of it.
    fn is_held(&self) -> bool {
        !self.holders.is_empty()
    }
}
