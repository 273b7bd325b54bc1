//! Sweeps and arrays: members come up as the queue has room for them, so that a sweep of any size costs the core what its next few
//! hundred members cost. A member's number is its own from the beginning; the queue therefore has the order that it would
//! have if all were there.
//!
//! Making a member needs its body, which the core does not read: it asks (`Act::ExpandSweep`), and `Event::SweepExpanded`
//! brings the jobs. A member that a person acts on before its turn is brought up by the same event without having been
//! asked for; so every event may bring members that are up already, and those are passed over.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::depend::{Became, Waiter, waited_for_by};
use super::effect::Act;
use super::event::{NewMember, NewSweep};
use super::job::job_error;
use super::{Sched, rows::Record};
use crate::model::guard::guard;
use crate::model::ids::{EffectId, ExperimentId, JobId, NodeId, SweepId, WorkspaceId};
use crate::model::rule::{Act as RuleAct, FIRED_MAX, Fired, RULE_ATTEMPTS_MAX};
use crate::model::snapshot::RowKey;
use crate::model::spec::{Priority, SweepSpec};
use crate::model::state::{AfterStop, Block, ExecutionState, Job, Spans, StopWhy, Sweep};
use crate::model::units::UnixMillis;

/// The error of a member that was stopped early.
const STOPPED_EARLY: &str = "StoppedEarly";

/// How many members of a sweep wait in a queue at once: enough for a fleet to take in one turn, and for auto-scale to see
/// that there is work; and what others who place them take in one array, of which Slurm's default is 1,001 members.
pub const AHEAD: u32 = 1000;

impl NewSweep {
    /// Returns the row that it is from now on: all members are to come up, and have their numbers from `first` on.
    pub fn row(self, id: SweepId, first: JobId, workspace: WorkspaceId, now: UnixMillis) -> Sweep {
        Sweep {
            id,
            workspace,
            experiment: self.experiment,
            cluster: self.cluster,
            name: self.name,
            uuid: self.uuid,
            parts: u32::try_from(self.spec.parts.len()).unwrap_or(u32::MAX),
            parameters: self.spec.names(),
            spec: self.spec,
            indexes: self.indexes,
            blocks: vec![Block { job: first, first: 0, count: self.count }],
            left: Spans::of(0, self.count),
            trimmed: 0,
            failed: 0,
            priority: self.priority,
            held: self.held,
            token: self.token,
            dependencies: self.dependencies,
            expanding: None,
            created: now,
        }
    }
}

impl Sched {
    pub(super) fn on_sweep_created(&mut self, new: NewSweep) {
        let Some(workspace) = self.takes_work(new.experiment, new.cluster) else { return self.ignore() };
        self.counters.sweep = self.counters.sweep.next();
        let (id, count, experiment) = (self.counters.sweep, new.count, new.experiment);
        let first = self.counters.job.next();
        self.counters.job = JobId(self.counters.job.0 + u64::from(count));
        self.put_sweep(Arc::new(new.row(id, first, workspace, self.turn.now)));
        self.count_waiting(experiment, i64::from(count));
    }

    /// Counts members that have not come up into, or out of, an experiment.
    fn count_waiting(&mut self, id: ExperimentId, change: i64) {
        if change != 0 {
            self.edit_experiment(id, |experiment| {
                experiment.tally.queued = experiment.tally.queued.saturating_add_signed(change);
            });
        }
    }

    pub(super) fn on_sweep_expanded(&mut self, effect: Option<EffectId>, id: SweepId, members: Vec<NewMember>) {
        if let Some(effect) = effect {
            match self.outbox.get(effect) {
                Some(Act::ExpandSweep { .. }) => drop(self.close(effect)),
                Some(_) | None => return self.ignore(),
            }
            self.edit_sweep(id, |sweep| sweep.expanding = None);
        }
        for NewMember { index, job, refused } in members {
            let Some(sweep) = self.sweeps.get(&id) else { return self.ignore() };
            let (Some(number), true) = (sweep.job_of(index), sweep.left.contains(index)) else { continue };
            let (workspace, held, now) = (sweep.workspace, sweep.held, self.turn.now);
            // What an array waits for counts from when it was submitted.
            let since = if sweep.is_array() { sweep.created } else { now };
            self.edit_sweep(id, |sweep| {
                sweep.left.remove(index);
            });
            let mut row = job.row(number, workspace, since);
            row.pause = row.pause.filter(|pause| pause.until > now);
            row.held = held;
            self.put_job(Arc::new(row));
            match refused {
                Some(why) => {
                    self.edit_job(number, |job| job.last.errors = vec![job_error("InvalidMember", why)]);
                    self.end_job(number);
                }
                None => self.look_at_dependencies(number),
            }
        }
    }

    /// Asks for the next members when few are left of those that wait.
    pub(super) fn settle_sweep(&mut self, id: SweepId) {
        let Some(sweep) = self.sweeps.get(&id) else { return };
        if sweep.is_array() && sweep.left.is_empty() {
            return self.drop_sweep(id);
        }
        let waiting = self.sweep_queues.get(&id).copied().unwrap_or_default();
        if sweep.held || sweep.expanding.is_some() || sweep.left.is_empty() || waiting > AHEAD / 2 {
            return;
        }
        let effect = self.issue(Act::ExpandSweep { sweep: id, count: AHEAD - waiting });
        self.edit_sweep(id, |sweep| sweep.expanding = Some(effect));
    }

    pub(super) fn on_sweep_extended(&mut self, id: SweepId, spec: Arc<SweepSpec>, count: u32) {
        let Some(sweep) = self.sweeps.get(&id).filter(|sweep| !sweep.is_array()) else { return self.ignore() };
        let (experiment, first) = (sweep.experiment, sweep.count());
        if self.takes_work(experiment, sweep.cluster).is_none() {
            return self.ignore();
        }
        let job = self.counters.job.next();
        self.counters.job = JobId(self.counters.job.0 + u64::from(count));
        self.edit_sweep(id, |sweep| {
            sweep.parts = u32::try_from(spec.parts.len()).unwrap_or(u32::MAX);
            sweep.parameters = spec.names();
            sweep.spec = spec;
            sweep.blocks.push(Block { job, first, count });
            sweep.left.append(first, first + count);
        });
        self.count_waiting(experiment, count.into());
    }

    pub(super) fn on_sweep_trimmed(&mut self, id: SweepId, keep: u32) {
        if !self.sweeps.contains_key(&id) {
            return self.ignore();
        }
        self.trim(id, keep);
    }

    /// Takes members away that have not come up, those from the index `keep` on.
    fn trim(&mut self, id: SweepId, keep: u32) {
        let Some(sweep) = self.sweeps.get(&id) else { return };
        let experiment = sweep.experiment;
        let gone: Vec<u32> = sweep.left.iter().rev().take_while(|index| *index >= keep).collect();
        let count = u32::try_from(gone.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return;
        }
        let stays = sweep.left.len() - count;
        self.edit_sweep(id, |sweep| {
            let mut left = Spans::default();
            sweep.left.iter().take(stays as usize).for_each(|index| left.append(index, index + 1));
            sweep.left = left;
            sweep.trimmed += count;
        });
        self.count_waiting(experiment, -i64::from(count));
        // Who waits for one of them learns that it will not be.
        let blocks = self.sweeps.get(&id).map(|sweep| sweep.blocks.clone()).unwrap_or_default();
        let range = |block: &Block| self.dependents.range(block.job..JobId(block.job.0 + u64::from(block.count)));
        let waited: Vec<JobId> = blocks.iter().flat_map(range).map(|(job, _)| *job).collect();
        for job in waited {
            if !self.jobs.contains_key(&job) && !self.is_to_come(job) {
                self.note_became(job, Became::Failed);
            }
        }
    }

    /// Says whether a job is a member that has not come up.
    pub fn is_to_come(&self, job: JobId) -> bool {
        let to_come = |sweep: &Sweep| sweep.index_of(job).is_some_and(|index| sweep.left.contains(index));
        self.sweeps.values().any(|sweep| to_come(sweep))
    }

    /// Returns the members of a sweep that are in memory.
    fn members_up(&self, id: SweepId) -> Vec<Arc<Job>> {
        let blocks = self.sweeps.get(&id).map(|sweep| sweep.blocks.clone()).unwrap_or_default();
        let range = |block: &Block| self.jobs.range(block.job..JobId(block.job.0 + u64::from(block.count)));
        blocks.iter().flat_map(range).map(|(_, job)| job.clone()).collect()
    }

    pub(super) fn on_sweep_stopped(&mut self, id: SweepId) {
        if !self.sweeps.contains_key(&id) {
            return self.ignore();
        }
        self.trim(id, 0);
        let message = match self.sweeps.get(&id).is_some_and(|sweep| sweep.is_array()) {
            true => "Its array was stopped",
            false => "Its sweep was stopped",
        };
        for job in self.members_up(id) {
            self.terminate_now(job.id, message);
        }
        if let Some(sweep) = self.sweeps.get(&id) {
            self.end_experiment(sweep.experiment);
        }
    }

    pub(super) fn on_stopped_early(&mut self, job: JobId, why: &str) {
        let live = |job: &Arc<Job>| {
            matches!(job.state, ExecutionState::Running | ExecutionState::Queued) && job.last.after_stop.is_none()
        };
        if !self.jobs.get(&job).is_some_and(live) {
            return self.ignore();
        }
        self.terminate_for(job, job_error(STOPPED_EARLY, why));
    }

    /// Does what a rule says to a job that runs, or that is tried again. One that has ended, or is on its way there, is the
    /// runtime's matter.
    pub(super) fn on_rule_fired(&mut self, id: JobId, node: NodeId, fired: Fired) {
        let Some(job) = self.jobs.get(&id).filter(|job| job.last.after_stop.is_none()) else { return self.ignore() };
        // What its last attempt wrote in the end is often read when it is tried again already.
        let former = match job.state {
            ExecutionState::Queued => job.attempt.0 >= fired.attempt,
            ExecutionState::Running => job.attempt.0 > fired.attempt,
            ExecutionState::Terminating | ExecutionState::Succeeded | ExecutionState::Failed => false,
        };
        let runs = job.state == ExecutionState::Running && job.attempt.0 == fired.attempt;
        if !(runs || former) {
            return self.ignore();
        }
        let (act, why, last) = (fired.act, format!("{}: {}", fired.rule, fired.why), fired.attempt >= RULE_ATTEMPTS_MAX);
        self.edit_job(id, |job| {
            job.last.fired.push(fired);
            let over = job.last.fired.len().saturating_sub(FIRED_MAX);
            job.last.fired.drain(..over);
        });
        match act {
            RuleAct::Notify => {}
            RuleAct::Stop => self.on_stopped_early(id, &why),
            // It is tried again anyhow.
            RuleAct::Retry if former => {}
            RuleAct::ExcludeNode if former => self.on_drain(node, true),
            // What comes again on every node is no accident of one.
            RuleAct::Retry | RuleAct::ExcludeNode if last => self.on_stopped_early(id, &why),
            RuleAct::Retry => self.stop_attempt(id, StopWhy::Terminate, AfterStop::Retry),
            RuleAct::ExcludeNode => {
                self.on_drain(node, true);
                self.stop_attempt(id, StopWhy::Terminate, AfterStop::Retry);
            }
        }
    }

    /// Counts a member that has ended; too many that failed by themselves end the sweep.
    pub(super) fn count_failure(&mut self, job: &Job) {
        let planned = |code: &str| code == "JobTerminated" || code == STOPPED_EARLY;
        let own = job.state == ExecutionState::Failed && !job.last.errors.first().is_some_and(|error| planned(&error.code));
        let Some(sweep) = job.sweep.as_ref().filter(|_| own).map(|member| member.of) else { return };
        self.edit_sweep(sweep, |sweep| sweep.failed += 1);
        let too_many = |sweep: &Arc<Sweep>| sweep.spec.failures_max.is_some_and(|most| sweep.failed > most);
        if self.sweeps.get(&sweep).is_some_and(too_many) {
            self.on_sweep_stopped(sweep);
        }
    }

    pub(super) fn on_sweep_held(&mut self, id: SweepId, held: bool) {
        if !self.sweeps.contains_key(&id) {
            return self.ignore();
        }
        self.edit_sweep(id, |sweep| sweep.held = held);
        for job in self.members_up(id) {
            if job.course() == ExecutionState::Queued && job.held != held {
                self.edit_job(job.id, |job| job.held = held);
            }
        }
    }

    pub(super) fn on_sweep_priority(&mut self, id: SweepId, priority: Priority) {
        if !self.sweeps.contains_key(&id) {
            return self.ignore();
        }
        self.edit_sweep(id, |sweep| sweep.priority = priority);
        for job in self.members_up(id) {
            if job.course() == ExecutionState::Queued && job.priority != priority {
                self.edit_job(job.id, |job| job.priority = priority);
            }
        }
    }

    pub(super) fn on_sweep_deleted(&mut self, id: SweepId) {
        let Some(sweep) = self.sweeps.get(&id) else { return self.ignore() };
        let experiment = sweep.experiment;
        self.trim(id, 0);
        for job in self.members_up(id) {
            match job.state.ended() {
                true => self.drop_job(job.id, Record::Removed),
                false => self.delete_job(job.id),
            }
        }
        self.drop_sweep(id);
        self.end_experiment(experiment);
    }

    /// Takes away what has not come up of the sweeps of an experiment or a cluster that is deleted.
    pub(super) fn trim_all(&mut self, of: impl Fn(&Sweep) -> bool) {
        let sweeps: Vec<SweepId> = self.sweeps.values().filter(|sweep| of(sweep)).map(|sweep| sweep.id).collect();
        for id in sweeps {
            self.trim(id, 0);
        }
    }

    /// Changes a sweep.
    pub(super) fn edit_sweep(&mut self, id: SweepId, change: impl FnOnce(&mut Sweep)) {
        let Some(row) = self.sweeps.get_mut(&id) else { return };
        let waited = waited_for_by(row);
        change(Arc::make_mut(row));
        let waits = waited_for_by(row);
        self.key_dependencies(Waiter::Members(id), &waited, &waits);
        self.touch(RowKey::Sweep(id));
        self.turn.sweeps.insert(id);
    }

    /// Adds a sweep, or puts a loaded one back.
    pub(super) fn put_sweep(&mut self, row: Arc<Sweep>) {
        self.touch(RowKey::Sweep(row.id));
        self.turn.sweeps.insert(row.id);
        self.key_dependencies(Waiter::Members(row.id), &BTreeSet::new(), &waited_for_by(&row));
        self.sweeps.insert(row.id, row);
    }

    /// Removes a sweep; its members stay.
    pub(super) fn drop_sweep(&mut self, id: SweepId) {
        let Some(row) = self.sweeps.remove(&id) else { return };
        if let Some(effect) = row.expanding {
            self.close(effect);
        }
        self.key_dependencies(Waiter::Members(id), &waited_for_by(&row), &BTreeSet::new());
        self.touch(RowKey::Sweep(id));
    }

    /// Keeps how many members of a sweep wait.
    pub(super) fn key_sweep(&mut self, before: Option<SweepId>, after: Option<SweepId>) {
        if before == after {
            return;
        }
        if let Some(id) = before
            && let Some(count) = self.sweep_queues.get_mut(&id)
        {
            *count -= u32::from(guard("sweep.member-goes-on"));
            if *count == 0 {
                self.sweep_queues.remove(&id);
            }
            self.turn.sweeps.insert(id);
        }
        if let Some(id) = after {
            *self.sweep_queues.entry(id).or_default() += 1;
        }
    }
}

/// Returns the sweep or array that a job waits for, as one of those that fill the queue. One that a person holds does not.
pub(super) fn waits_of(job: &Job) -> Option<SweepId> {
    let waits = job.state == ExecutionState::Queued && !job.held;
    let of = job.sweep.as_ref().map(|member| member.of).or(job.member.as_ref().and_then(|member| member.row));
    of.filter(|_| waits)
}
