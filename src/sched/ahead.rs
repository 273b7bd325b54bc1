//! Jobs that are sent ahead: to a node whose room another job still has, to be started there the moment that one is over.
//! Without it a node waits after each job until its end has come here and is on disk, and the next start has gone back;
//! for jobs of a few milliseconds that is most of the time.
//!
//! A job that was sent ahead is *behind* another of the same demand, in a line whose *front* runs: it is on the node, its
//! start is ordered, and it has nothing of the node until the front is over, whose place it then takes. To the node that
//! is one word more in the order of its start.
//!
//! Decisions (2026-11):
//! - *Only the head of the queue, only behind an equal one*: the same demand, one process on one node, no set-up before and
//!   no clean-up after, and of no higher priority. So no node is given twice, and the order of the queue holds but for what a
//!   recall costs: who comes after a job in a line may start before it where another node is free meanwhile.
//! - *As many as the jobs are short.* Each cluster has a pace: how many went ahead so far without a node running dry, and
//!   how long the last job took. It grows when a node ran dry, and what waits in a line is bounded by time: so a job is
//!   never long behind another while there may be room elsewhere.
//! - *It can be taken back.* A front that runs on for half a second gives up its line: each is recalled, which its node does
//!   unless it has started. Nothing is killed for that, and a job that was recalled waits as it did before.
//! - The pace is memory of this run alone and in no row: a core that comes back finds it out again.

use super::Sched;
use super::effect::Act;
use super::space::Takes;
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, JobId, NodeId, Rank, RankKey};
use crate::model::launch::NodePlace;
use crate::model::state::{ExecutionState, Job, Node, RankState, Reach};
use crate::model::units::{Millis, UnixMillis};

/// The most jobs of one line: with jobs of a millisecond, more than a commit to disk and the way there and back take.
const LINE_MAX: u32 = 32;
/// How many times as many a line may have after the first one, when that was too few: to find out takes the way there and back each
/// time, and what the jobs of a line take together is bounded anyway.
const GROWTH: u32 = 4;
/// How much time the jobs of one line may take together, reckoned by the last one that ended; and from what time on a job is
/// not short any more, so that nothing is sent ahead behind one like it.
const LINE_TIME_MAX: Millis = Millis(250);
/// How long a front may run before its line is recalled: the longest that a job waits behind another for nothing.
const RECALL_AFTER: Millis = Millis(500);

/// How fast the jobs of a cluster go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// How many jobs a line may have.
    depth: u32,
    /// How long the last job took.
    took: Millis,
    /// When the depth grew last: once for all that is found at one time.
    grew: UnixMillis,
}

impl Sched {
    /// Sends jobs from the head of the queue on ahead, behind those that began in this step; says whether there was any.
    pub(super) fn send_ahead(&mut self, id: ClusterId) -> bool {
        let mut sent = false;
        while let Some(front) = self.turn.fronts.range((id, JobId(0))..=(id, JobId(u64::MAX))).next().copied() {
            self.turn.fronts.remove(&front);
            sent |= self.fill_line(id, front.1);
        }
        sent
    }

    fn fill_line(&mut self, id: ClusterId, front: JobId) -> bool {
        let depth = self.depth(id);
        let (mut last, mut length) = (front, 0);
        while let Some(next) = self.follower(id, last) {
            (last, length) = (next, length + 1);
        }
        let mut sent = false;
        while length < depth {
            let Some(next) = self.next_in_line(id) else { break };
            let Some(place) = self.place_behind(front, next) else { break };
            self.follow(next, last, place);
            (last, length, sent) = (next, length + 1, true);
        }
        sent
    }

    /// Returns how many jobs a line may have now; no more than each of those that run gets when the queue is shared out.
    fn depth(&self, id: ClusterId) -> u32 {
        let (Some(pace), Some(pool)) = (self.paces.get(&id), self.pools.get(&id)) else { return 0 };
        let going = pool.live.saturating_sub(pool.waiting).max(1);
        let share = u32::try_from(pool.queue.len() as u64 / going).unwrap_or(u32::MAX);
        let in_time = u32::try_from(LINE_TIME_MAX.0 / pace.took.0.max(1)).unwrap_or(u32::MAX);
        pace.depth.min(in_time).min(share.saturating_add(1))
    }

    /// Returns who is behind a job.
    fn follower(&self, cluster: ClusterId, of: JobId) -> Option<JobId> {
        self.pools.get(&cluster)?.behind.get(&of).copied()
    }

    /// Returns the place that a waiting job would take over of a running one; `None` when it is not to go behind that.
    fn place_behind(&self, front: JobId, next: JobId) -> Option<NodePlace> {
        let (front, next) = (self.jobs.get(&front)?, self.jobs.get(&next)?);
        let node = self.nodes.get(front.last.nodes.first()?)?;
        let slot = self.pools.get(&front.cluster)?.space.slot(node.id)?;
        let now = self.turn.now;
        let goes = front.state == ExecutionState::Running && front.last.after_stop.is_none() && front.last.behind.is_none();
        let stays = slot.takes() == Takes::Now && slot.taken() == 0 && node.reach == Reach::Seen;
        let stays = stays && node.expires.is_none_or(|at| at > now);
        let alike = front.spec.demand == next.spec.demand && front.priority >= next.priority;
        let fits = goes && stays && alike && is_plain(front) && is_plain(next);
        fits.then(|| place_of(node, front))
    }

    /// Sends one job ahead, behind another.
    fn follow(&mut self, id: JobId, behind: JobId, place: NodePlace) {
        let Some(node) = self.jobs.get(&behind).and_then(|job| job.last.nodes.first()).copied() else { return };
        let Some(attempt) = self.jobs.get(&id).map(|job| job.attempt.next()) else { return };
        let (now, name) = (self.turn.now, self.node_name(node));
        self.edit_job(id, |job| {
            job.last.behind = Some(behind);
            job.begin(attempt, vec![node], vec![name], vec![place], now);
        });
        self.edit_node(node, |node| node.holders.extend([(id, attempt)]));
        self.start_rank(id, Rank::main(0), 0, None);
    }

    /// Returns the process after which one is to start that is behind another.
    pub(super) fn starts_after(&self, job: &Job) -> Option<RankKey> {
        let before = self.jobs.get(&job.last.behind?)?;
        Some(RankKey { job: before.id, attempt: before.attempt, rank: Rank::main(0) })
    }

    /// A job has left its nodes: who is behind it moves up, and takes its place when it was the front. `behind` is whom it was
    /// behind itself.
    pub(super) fn close_gap(&mut self, cluster: ClusterId, id: JobId, behind: Option<JobId>) {
        let Some(next) = self.follower(cluster, id) else { return behind.into_iter().for_each(|id| self.time_line(id)) };
        if behind.is_some() {
            return self.edit_job(next, |job| job.last.behind = behind);
        }
        let now = self.turn.now;
        let nodes = self.jobs.get(&next).map(|job| job.last.nodes.clone()).unwrap_or_default();
        self.edit_job(next, |job| {
            job.last.behind = None;
            if job.state == ExecutionState::Queued {
                job.state = ExecutionState::Running;
            }
            // Unless it was told before that it runs.
            if job.last.ranks.values().all(|run| matches!(run.state, RankState::Starting { .. })) {
                job.last.started = Some(now);
            }
        });
        // It pays for it from now on.
        nodes.into_iter().for_each(|node| self.edit_node(node, |_| {}));
        self.time_job(next);
        self.turn.fronts.insert((cluster, next));
    }

    /// Takes note of how long a job ran that has ended by itself, and of whether its node had nothing to go on with.
    pub(super) fn keep_pace(&mut self, job: &Job) {
        if !is_plain(job) {
            return;
        }
        let now = self.turn.now;
        let took = job.last.started.map_or(Millis(0), |started| now.since(started));
        if took >= LINE_TIME_MAX {
            self.paces.remove(&job.cluster);
            return;
        }
        let next = self.follower(job.cluster, job.id).and_then(|next| self.jobs.get(&next));
        // What was sent only now was not there when it was due.
        let late = |next: &Job| {
            let starting = next.last.ranks.values().all(|run| matches!(run.state, RankState::Starting { .. }));
            starting && next.last.started == Some(now)
        };
        let dry = next.is_none_or(|next| late(next));
        let waits = self.pools.get(&job.cluster).is_some_and(|pool| !pool.queue.is_empty());
        let pace = self.paces.entry(job.cluster).or_default();
        pace.took = took;
        if dry && waits && pace.grew != now {
            pace.grew = now;
            pace.depth = (pace.depth * GROWTH).clamp(1, LINE_MAX);
        }
    }

    /// Nothing more is sent ahead until jobs have been short again.
    pub(super) fn lose_pace(&mut self, cluster: ClusterId) {
        self.paces.remove(&cluster);
    }

    /// Returns when the line behind a job is recalled, unless that was done.
    pub(super) fn line_deadline(&self, job: &Job) -> Option<UnixMillis> {
        let is_front = job.last.behind.is_none() && job.state == ExecutionState::Running;
        let recalls = is_front && self.line_of(job.cluster, job.id).any(|next| self.may_be_recalled(next).is_some());
        recalls.then(|| job.since + RECALL_AFTER)
    }

    /// Returns all that is behind a job, in order.
    pub(super) fn line_of(&self, cluster: ClusterId, front: JobId) -> impl Iterator<Item = JobId> {
        std::iter::successors(self.follower(cluster, front), move |last| self.follower(cluster, *last))
    }

    /// Returns where a job behind another was sent, when it is not known to have started and was not recalled.
    fn may_be_recalled(&self, id: JobId) -> Option<(NodeId, RankKey)> {
        let job = self.jobs.get(&id)?;
        let key = RankKey { job: id, attempt: job.attempt, rank: Rank::main(0) };
        let run = job.last.ranks.get(&key.rank).filter(|run| matches!(run.state, RankState::Starting { .. }))?;
        self.outbox.recall(run.node, key).is_none().then_some((run.node, key))
    }

    /// Recalls all that is behind a job.
    pub(super) fn recall_line(&mut self, cluster: ClusterId, front: JobId) {
        self.paces.remove(&cluster);
        for id in self.line_of(cluster, front).collect::<Vec<_>>() {
            self.recall(id);
        }
        self.time_job(front);
    }

    fn recall(&mut self, id: JobId) {
        if let Some((node, key)) = self.may_be_recalled(id) {
            self.issue(Act::RecallRank { node, key });
        }
    }

    /// Recalls what is behind others on one node, which is to take nothing more.
    pub(super) fn recall_on(&mut self, node: NodeId) {
        let Some(row) = self.nodes.get(&node) else { return };
        let (cluster, holders) = (row.cluster, row.holders.clone());
        let is_front = |job: &JobId| self.jobs.get(job).is_some_and(|job| job.last.behind.is_none());
        for front in holders.into_iter().map(|(job, _)| job).filter(is_front).collect::<Vec<_>>() {
            self.recall_line(cluster, front);
        }
    }

    /// Recalls all of a cluster that starts nothing more.
    pub(super) fn recall_all(&mut self, id: ClusterId) {
        let Some(pool) = self.pools.get(&id).filter(|pool| !pool.behind.is_empty()) else { return };
        let is_front = |job: &JobId| self.jobs.get(job).is_some_and(|job| job.last.behind.is_none());
        for front in pool.behind.keys().copied().filter(is_front).collect::<Vec<_>>() {
            self.recall_line(id, front);
        }
    }

    /// Sets the deadline of the line that a job is in, which is its front's.
    pub(super) fn time_line(&mut self, id: JobId) {
        let mut front = id;
        while let Some(before) = self.jobs.get(&front).and_then(|job| job.last.behind) {
            front = before;
        }
        self.time_job(front);
    }

    /// Closes the recall of a process that is proven gone; says whether there was one.
    pub(super) fn recall_over(&mut self, node: NodeId, key: RankKey) -> bool {
        let recall = self.outbox.recall(node, key).filter(|_| guard("ahead.recall-over"));
        recall.and_then(|effect| self.close(effect)).is_some()
    }

    /// Whoever a line's front was is not in the store any more: nobody is behind it.
    pub(super) fn close_lost_gaps(&mut self) {
        let behind = self.jobs.values().filter_map(|job| Some((job.cluster, job.last.behind?)));
        let lost: Vec<_> = behind.filter(|(_, before)| !self.jobs.contains_key(before)).collect();
        for (cluster, before) in lost {
            self.close_gap(cluster, before, None);
        }
    }
}

/// Says whether an attempt of a job is one process on one node and nothing else, so that its end is that of the attempt.
fn is_plain(job: &Job) -> bool {
    let shape = &job.shape;
    let one = !shape.handed && !shape.sets_up && !shape.prepares && shape.main_nodes.len() < 2;
    one && job.spec.node_count.0 < 2 && job.spec.secrets.is_empty()
}

/// The place of a running job as the next one has it.
fn place_of(node: &Node, front: &Job) -> NodePlace {
    let place = NodePlace::of(&node.name, &node.facts.clone().unwrap_or_default());
    let gpus = front.last.places.first().and_then(|place| place.gpu_shares.clone());
    match (front.spec.demand.part(), gpus) {
        (Some(asked), Some(gpus)) => place.shared(asked, gpus),
        (_, _) => place,
    }
}
