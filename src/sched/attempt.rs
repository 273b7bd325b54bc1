//! One attempt: set-up and preparation on every node, then the main ranks, then the clean-up and the end. When an attempt
//! is stopped, and what becomes of the job once every process is proven gone. What a proof means is in `verdict.rs`, how
//! nodes are left in `cleanup.rs`.

use std::sync::Arc;

use super::Sched;
use super::cleanup::CLEANUP_LIMIT;
use super::effect::Act;
use super::job::job_error;
use super::node_setup::NO_JOB;
use super::space::{Share, Takes};
use super::verdict::{Verdict, judge, over_time_error};
use crate::model::guard::guard;
use crate::model::ids::{Attempt, EffectId, JobId, NodeId, Rank, RankKey, RankRole};
use crate::model::launch::NodePlace;
use crate::model::spec::RetryOn;
use crate::model::state::{
    AfterStop, Away, Daemon, ExecutionState, Job, JobError, Node, NodeState, Pause, PauseWhy, Proof, RankRun, RankState,
    StopWhy,
};
use crate::model::units::Millis;

/// Whether the node itself told of a proof, and so waits to hear that it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It did.
    Node,
    /// It was concluded from something else.
    Concluded,
}

impl Sched {
    /// Starts the next attempt of a waiting job on these nodes.
    pub(super) fn start_attempt(&mut self, id: JobId, nodes: &[NodeId]) {
        let Some(job) = self.jobs.get(&id) else { return };
        assert!(job.live_ranks().next().is_none(), "I12 a new attempt only with a proof for the old one: {id}");
        let (now, attempt, sets_up) = (self.turn.now, job.attempt.next(), job.shape.sets_up);
        let names = nodes.iter().map(|node| self.node_name(*node)).collect();
        let places = nodes.iter().filter_map(|node| self.nodes.get(node)).map(|node| self.place_on(node, job)).collect();
        self.edit_job(id, |job| {
            // Those who place it say when it runs.
            match job.shape.handed {
                true => job.last.away = Some(Arc::default()),
                false => (job.state, job.last.away) = (ExecutionState::Running, None),
            }
            job.begin(attempt, nodes.to_vec(), names, places, now);
        });
        for node in nodes {
            self.edit_node(*node, |node| {
                node.holders.insert((id, attempt));
                node.state = NodeState::Running;
            });
        }
        if let Some(cluster) = self.jobs.get(&id).map(|job| job.cluster) {
            self.turn.fronts.insert((cluster, id));
        }
        if sets_up {
            self.start_each(id, RankRole::Setup);
        } else {
            self.start_work(id);
        }
    }

    /// Returns what is so of a node that is given to a job; the GPUs of a part are chosen here, once.
    fn place_on(&self, node: &Node, job: &Job) -> NodePlace {
        let place = NodePlace::of(&node.name, &node.facts.clone().unwrap_or_default());
        if job.shape.handed {
            return place;
        }
        let demand = &job.spec.demand;
        let slot = self.pools.get(&node.cluster).and_then(|pool| pool.space.slot(node.id));
        let share = slot.filter(|slot| slot.takes() == Takes::Now).and_then(|slot| slot.offer(demand));
        assert!(share.is_some(), "I09 no node is given twice: {}", node.id);
        match share {
            Some(Share::Part { asked, gpus }) => place.shared(&asked, gpus),
            Some(Share::Whole) | None => place,
        }
    }

    /// Starts what the user asked for on nodes that are set up: the preparations when there are any, else the mains.
    fn start_work(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        match job.shape.prepares {
            true if self.time_left(job) == Millis(0) => self.over_time(id),
            true => self.start_each(id, RankRole::Prepare),
            false => self.start_mains(id),
        }
    }

    /// Starts a process of this role on every node.
    fn start_each(&mut self, id: JobId, role: RankRole) {
        let count = self.jobs.get(&id).map_or(0, |job| job.last.nodes.len() as u32);
        for index in 0..count {
            self.start_rank(id, Rank { role, index }, index, None);
        }
    }

    fn start_mains(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if self.time_left(job) == Millis(0) {
            return self.over_time(id);
        }
        let mut places = if job.shape.handed { Vec::new() } else { job.shape.main_nodes.clone() };
        if places.is_empty() {
            places.push(0);
        }
        for (index, node) in places.into_iter().enumerate() {
            self.start_rank(id, Rank::main(index as u32), node, None);
        }
    }

    /// Orders the start of one process on the node with this index in the attempt; the last node, when there is none.
    pub(super) fn start_rank(&mut self, id: JobId, rank: Rank, node_index: u32, daemon: Option<Daemon>) {
        let Some(job) = self.jobs.get(&id) else { return };
        let Some(node) = job.last.nodes.get(node_index as usize).or(job.last.nodes.last()).copied() else { return };
        let boot = self.nodes.get(&node).and_then(|node| node.boot.clone()).unwrap_or_default();
        let key = RankKey { job: id, attempt: job.attempt, rank };
        let limit = if rank.role == RankRole::Cleanup { CLEANUP_LIMIT } else { self.time_left(job) };
        let after = self.starts_after(job);
        let effect = self.issue(Act::StartRank { node, boot: boot.clone(), key, limit, after });
        self.edit_job(id, |job| {
            job.last.ranks.insert(rank, RankRun { node, boot, state: RankState::Starting { effect }, daemon, stuck: None });
        });
    }

    /// Returns what is left of the attempt's time.
    fn time_left(&self, job: &Job) -> Millis {
        let used = job.last.started.map_or(Millis(0), |started| self.turn.now.since(started));
        Millis(job.spec.constraints.max_wall_clock_time.0.saturating_sub(used.0))
    }

    fn over_time(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let error = over_time_error(job);
        self.fail_attempt(id, None, error, StopWhy::Limit);
        self.advance(id);
    }

    /// Returns the state of a process of a current attempt that is believed on this node and not proven gone.
    pub(super) fn live_rank(&self, key: RankKey) -> Option<&RankRun> {
        if key.job == NO_JOB {
            return self.live_setup(key);
        }
        let job = self.jobs.get(&key.job).filter(|job| job.attempt == key.attempt || !guard("attempt.current"))?;
        job.last.ranks.get(&key.rank).filter(|run| !matches!(run.state, RankState::Gone(_)))
    }

    pub(super) fn on_rank_started(&mut self, effect: EffectId, key: RankKey) {
        let starting = self.live_rank(key).is_some_and(|run| run.state == RankState::Starting { effect });
        if !starting {
            return self.ignore();
        }
        self.rank_runs(key);
    }

    /// Records that a process lives; the first one of an attempt starts its clock.
    pub(super) fn rank_runs(&mut self, key: RankKey) {
        let Some(RankRun { state: RankState::Starting { effect }, .. }) = self.live_rank(key) else { return };
        let effect = *effect;
        if key.job == NO_JOB {
            return self.set_up_runs(key, effect);
        }
        self.close(effect);
        let now = self.turn.now;
        self.edit_job(key.job, |job| {
            if job.last.ranks.values().all(|run| matches!(run.state, RankState::Starting { .. })) {
                job.last.started = Some(now);
                if let (ExecutionState::Queued, Some(away)) = (job.state, &mut job.last.away) {
                    Arc::make_mut(away).waits = false;
                    job.state = ExecutionState::Running;
                }
            }
            if let Some(run) = job.last.ranks.get_mut(&key.rank) {
                run.state = RankState::Running;
            }
        });
        self.daemon_started(key);
    }

    /// Takes in what those who place an attempt say of it. Whether it runs or waits is theirs to say, more than once.
    pub(super) fn on_told(&mut self, key: RankKey, away: Arc<Away>) {
        let job = self.jobs.get(&key.job).filter(|job| job.attempt == key.attempt && !job.state.ended());
        if job.is_none_or(|job| job.last.away.is_none() || job.last.away.as_ref() == Some(&away)) {
            return self.ignore();
        }
        self.edit_job(key.job, |job| {
            if job.state != ExecutionState::Terminating {
                job.state = if away.waits { ExecutionState::Queued } else { ExecutionState::Running };
            }
            job.last.away = Some(away);
        });
    }

    /// Only said: what is not gone keeps its place, however long that takes.
    pub(super) fn on_rank_stuck(&mut self, key: RankKey, why: String) {
        if self.live_rank(key).is_none_or(|run| run.stuck.as_ref() == Some(&why)) || key.job == NO_JOB {
            return self.ignore();
        }
        self.edit_job(key.job, |job| {
            if let Some(run) = job.last.ranks.get_mut(&key.rank) {
                run.stuck = Some(why);
            }
        });
    }

    pub(super) fn on_rank_gone(&mut self, key: RankKey, effect: Option<EffectId>, proof: Proof) {
        let known = effect.and_then(|effect| match self.outbox.get(effect) {
            Some(Act::StartRank { node, key: of, .. } | Act::StopRank { node, key: of, .. }) if *of == key => {
                Some((effect, *node))
            }
            _ => None,
        });
        if let Some((effect, _)) = known {
            self.close(effect);
        }
        let there = known.map(|(_, node)| node);
        match self.live_rank(key).map(|run| run.node) {
            Some(node) if there.is_none_or(|there| there == node) => self.rank_gone(key, proof, Source::Node),
            Some(_) | None => match there.or_else(|| self.node_of(key)) {
                Some(node) => {
                    if known.is_none() {
                        self.ignore();
                    }
                    self.acknowledge(node, key);
                }
                None => self.ignore(),
            },
        }
    }

    /// Returns where a process of the current or last attempt of a job in memory is or was.
    fn node_of(&self, key: RankKey) -> Option<NodeId> {
        if key.job == NO_JOB {
            return Some(NodeId(u64::from(key.rank.index))).filter(|node| self.nodes.contains_key(node));
        }
        let job = self.jobs.get(&key.job).filter(|job| job.attempt == key.attempt)?;
        job.last.ranks.get(&key.rank).map(|run| run.node)
    }

    /// Tells a node that the proof of this process is on disk, unless that is on its way.
    pub(super) fn acknowledge(&mut self, node: NodeId, key: RankKey) {
        if self.nodes.get(&node).is_some_and(|n| !n.host.is_empty())
            && !(self.outbox.acks(node, key) && guard("node.acknowledged-once"))
        {
            self.issue(Act::AckGone { node, key });
        }
    }

    /// Records that a process is proven gone, and draws the consequences.
    pub(super) fn rank_gone(&mut self, key: RankKey, proof: Proof, source: Source) {
        if key.job == NO_JOB {
            return self.set_up_gone(key, &proof, source);
        }
        let Some(run) = self.live_rank(key) else { return };
        let (node, was) = (run.node, run.state.clone());
        match was {
            RankState::Starting { effect } | RankState::Stopping { effect, .. } if guard("attempt.order-over") => {
                drop(self.close(effect));
            }
            RankState::Starting { .. } | RankState::Stopping { .. } | RankState::Running | RankState::Gone(_) => {}
        }
        self.edit_job(key.job, |job| {
            if let Some(run) = job.last.ranks.get_mut(&key.rank) {
                run.state = RankState::Gone(proof.clone());
            }
        });
        if source == Source::Node {
            self.acknowledge(node, key);
        }
        let recalled = self.recall_over(node, key);
        self.daemon_ended(key, &proof);
        self.launcher_gone(key, node);
        let Some(job) = self.jobs.get(&key.job) else { return };
        if key.rank.role == RankRole::Cleanup {
            self.cleaned_up(node, &proof);
        } else if job.last.after_stop.is_none() && proof == Proof::Fenced && (recalled || job.last.behind.is_some()) {
            // As we asked, or because the node could not wait with it: it waits here as it did before.
            let cluster = job.cluster;
            self.lose_pace(cluster);
            self.stop_ranks(key.job, StopWhy::Sibling, AfterStop::RequeuePlanned);
        } else if job.last.after_stop.is_none() {
            match judge(job, key.rank, self.nodes.get(&node).map(|node| &**node), &was, &proof) {
                Verdict::GoesOn => {}
                Verdict::Failed(code, error, why) => self.fail_attempt(key.job, code, error, why),
                Verdict::PutBack(error) => self.put_back(key.job, error, StopWhy::Sibling),
            }
        }
        self.advance(key.job);
    }

    fn fail_attempt(&mut self, id: JobId, code: Option<i32>, error: JobError, why: StopWhy) {
        let after = match self.jobs.get(&id).is_some_and(|job| tries_again(job, code, why)) {
            true => AfterStop::Retry,
            false => AfterStop::End,
        };
        self.edit_job(id, |job| {
            job.last.exit_code = code;
            job.last.errors.push(error);
        });
        self.stop_ranks(id, why, after);
    }

    /// Stops an attempt that failed through no fault of its job: back to the queue, or failed when it was put back as
    /// often as settings allow.
    fn put_back(&mut self, id: JobId, error: JobError, why: StopWhy) {
        let Some(job) = self.jobs.get(&id) else { return };
        if job.requeues < self.settings.requeues_max || !guard("attempt.put-back-so-often") {
            self.edit_job(id, |job| job.last.requeued_because = Some(error.message));
            self.stop_ranks(id, why, AfterStop::Requeue);
        } else {
            self.fail_attempt(id, None, error, why);
        }
    }

    /// Ends a going attempt because of one of its nodes.
    pub(super) fn lose_attempt(&mut self, id: JobId, code: &str, message: String, why: StopWhy) {
        let going = self.jobs.get(&id).is_some_and(|job| {
            job.last.after_stop.is_none() && matches!(job.course(), ExecutionState::Running | ExecutionState::Terminating)
        });
        if going || !guard("attempt.lost-while-going") {
            self.put_back(id, job_error(code, message), why);
            self.advance(id);
        }
    }

    /// Stops an attempt from outside. One whose end is decided goes on to it.
    pub(super) fn stop_attempt(&mut self, id: JobId, why: StopWhy, after: AfterStop) {
        let Some(job) = self.jobs.get(&id) else { return };
        let after = match (job.last.after_stop, after) {
            (None, after) => after,
            (Some(_), AfterStop::End) => AfterStop::End,
            (Some(decided), AfterStop::Requeue | AfterStop::RequeuePlanned | AfterStop::Retry) => decided,
        };
        self.stop_ranks(id, why, after);
        self.advance(id);
    }

    /// Orders the end of every process that is not being stopped, but never of a clean-up, which ends by itself; a start on its way is overtaken by its stop.
    fn stop_ranks(&mut self, id: JobId, why: StopWhy, after: AfterStop) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (attempt, grace) = (job.attempt, self.settings.kill_grace);
        let live: Vec<_> = job
            .live_ranks()
            .filter(|(rank, run)| rank.role != RankRole::Cleanup && !matches!(run.state, RankState::Stopping { .. }))
            .map(|(rank, run)| (*rank, run.node, run.state.clone()))
            .collect();
        let mut stops = Vec::with_capacity(live.len());
        for (rank, node, state) in live {
            if let RankState::Starting { effect } = state {
                self.close(effect);
            }
            let key = RankKey { job: id, attempt, rank };
            stops.push((rank, self.issue(Act::StopRank { node, key, why, grace })));
        }
        self.edit_job(id, |job| {
            job.last.after_stop = Some(after);
            for (rank, effect) in stops {
                if let Some(run) = job.last.ranks.get_mut(&rank) {
                    run.state = RankState::Stopping { effect, why };
                }
            }
        });
    }

    /// Goes on with an attempt as far as its processes allow.
    pub(super) fn advance(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if !matches!(job.course(), ExecutionState::Running | ExecutionState::Terminating) {
            return;
        }
        if job.last.after_stop.is_some() {
            let working = job.live_ranks().any(|(rank, _)| rank.role != RankRole::Cleanup);
            if !guard("attempt.all-proven-gone") || (!working && !self.cleans_up(id)) {
                self.conclude(id);
            }
            return;
        }
        let counts = |rank: &Rank| rank.role != RankRole::Main || job.shape.decides(rank.index);
        let open = |role: RankRole| {
            let ranks = job.last.ranks.iter().filter(|(rank, _)| rank.role == role && counts(rank));
            ranks.filter(|(_, run)| !matches!(run.state, RankState::Gone(_))).count()
        };
        let begun = |role: RankRole| job.last.ranks.keys().any(|rank| rank.role == role);
        if !begun(RankRole::Main) {
            if open(RankRole::Setup) > 0 || open(RankRole::Prepare) > 0 {
                return;
            }
            match begun(RankRole::Prepare) {
                true => self.start_mains(id),
                false => self.start_work(id),
            }
        } else if open(RankRole::Main) == 0 {
            self.edit_job(id, |job| job.last.exit_code = Some(0));
            self.stop_ranks(id, StopWhy::Finished, AfterStop::End);
            self.advance(id);
        }
    }

    /// Puts a job back that failed by itself, after a pause when its retries say so.
    fn try_again(&mut self, id: JobId) {
        let now = self.turn.now;
        self.edit_job(id, |job| {
            job.retries += 1;
            job.requeues = 0;
            let delay = job.spec.scheduling.retry.as_ref().map_or(Millis(0), |retry| retry.pause(job.retries));
            let failed = job.last.errors.first().map(|error| error.message.clone()).unwrap_or_default();
            job.pause = (delay > Millis(0)).then(|| Box::new(Pause { until: now + delay, why: PauseWhy::Retry { failed } }));
            to_queue(job);
        });
    }

    /// Every process is proven gone: the nodes are free and the job goes where its stop was to lead.
    fn conclude(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let Some(after) = job.last.after_stop else { return };
        let (nodes, attempt, cluster, behind) = (job.last.nodes.clone(), job.attempt, job.cluster, job.last.behind);
        if after == AfterStop::End && behind.is_none() {
            let job = job.clone();
            self.keep_pace(&job);
        }
        match after {
            AfterStop::End => self.end_job(id),
            AfterStop::Requeue => self.edit_job(id, |job| {
                job.requeues += 1;
                to_queue(job);
            }),
            AfterStop::RequeuePlanned => self.edit_job(id, to_queue),
            AfterStop::Retry => self.try_again(id),
        }
        for node in nodes.into_iter().filter(|_| guard("attempt.gives-its-nodes-back")) {
            if self.nodes.get(&node).is_some_and(|node| node.holders.contains(&(id, attempt))) {
                self.edit_node(node, |node| let_go(node, (id, attempt)));
                self.set_up_if_due(node);
                if guard("node.released-when-free") {
                    self.release_if_free(node);
                }
            }
        }
        self.close_gap(cluster, id, behind);
    }
}

/// Says whether a job that has failed by itself is to be tried again. Of those that a person ends, none is.
fn tries_again(job: &Job, code: Option<i32>, why: StopWhy) -> bool {
    let Some(retry) = &job.spec.scheduling.retry else { return false };
    let on = match (code, why) {
        (_, StopWhy::Limit) => RetryOn::TimeLimit,
        (Some(_), _) => RetryOn::ExitCode,
        (None, _) => RetryOn::NodeLost,
    };
    let going = job.course() == ExecutionState::Running && !job.deleting;
    going && (job.retries + 1 < retry.max_attempts || !guard("attempt.tried-so-often")) && retry.covers(on, code)
}

fn to_queue(job: &mut Job) {
    job.state = ExecutionState::Queued;
    job.last.away = None;
    job.last.behind = None;
    job.last.after_stop = None;
    job.last.exit_code = None;
    job.last.errors.clear();
}

fn let_go(node: &mut Node, holder: (JobId, Attempt)) {
    node.holders.remove(&holder);
    if node.state == NodeState::Running && !node.is_held() {
        node.state = NodeState::Idle;
    }
}
