//! The life of a job outside its attempts: submitted, held, ordered, terminated, ended, retried, deleted.

use std::sync::Arc;

use super::Sched;
use super::effect::Act;
use super::event::NewJob;
use super::rows::Record;
use crate::model::guard::guard;
use crate::model::ids::{Attempt, ClusterId, ExperimentId, JobId, WorkspaceId};
use crate::model::spec::Priority;
use crate::model::state::{AfterStop, ExecutionState, Folder, Job, JobError, Pause, PauseWhy, StopWhy, shared_shape};
use crate::model::units::UnixMillis;

/// Returns an entry of a job's `errors`.
pub(super) fn job_error(code: &str, message: impl Into<String>) -> JobError {
    JobError { code: code.to_owned(), message: message.into(), details: Vec::new() }
}

impl NewJob {
    /// Returns the job that it is from now on: it waits.
    pub fn row(self, id: JobId, workspace: WorkspaceId, now: UnixMillis) -> Job {
        let begin = self.spec.scheduling.begin_time.map(|begin| begin.of(now)).filter(|at| *at > now);
        Job {
            id,
            workspace,
            experiment: self.experiment,
            folder: Folder::of(&self.segment, &self.name, self.uuid),
            name: self.name.into(),
            uuid: self.uuid,
            cluster: self.cluster,
            priority: self.spec.scheduling_priority,
            spec: self.spec,
            shape: shared_shape(self.shape),
            token: self.token.map(Arc::from),
            state: ExecutionState::Queued,
            since: now,
            held: false,
            deleting: false,
            dependencies: self.dependencies,
            pause: begin.map(|until| Box::new(Pause { until, why: PauseWhy::Begin })),
            member: self.member.map(Box::new),
            sweep: self.sweep.map(Box::new),
            retries: 0,
            attempt: Attempt(0),
            requeues: 0,
            created: now,
            spent: Default::default(),
            last: Default::default(),
        }
    }
}

impl Sched {
    pub(super) fn on_submitted(&mut self, jobs: Vec<NewJob>) {
        for job in jobs {
            self.submit(job);
        }
    }

    /// Returns the workspace of an experiment, when it and the cluster are there and take new jobs.
    pub(super) fn takes_work(&self, experiment: ExperimentId, cluster: ClusterId) -> Option<WorkspaceId> {
        let (experiment, cluster) = (self.experiments.get(&experiment)?, self.clusters.get(&cluster)?);
        (!experiment.deleting && !cluster.deleting).then_some(experiment.workspace)
    }

    fn submit(&mut self, new: NewJob) {
        let Some(workspace) = self.takes_work(new.experiment, new.cluster) else { return self.ignore() };
        self.counters.job = self.counters.job.next();
        let (id, experiment) = (self.counters.job, new.experiment);
        self.put_job(Arc::new(new.row(id, workspace, self.turn.now)));
        self.count(experiment, None, Some(ExecutionState::Queued));
        self.look_at_dependencies(id);
    }

    /// Returns a job's state while it lives.
    pub(super) fn live(&self, id: JobId) -> Option<ExecutionState> {
        self.jobs.get(&id).map(|job| job.state).filter(|state| !state.ended())
    }

    pub(super) fn on_terminate(&mut self, id: JobId, until: UnixMillis) {
        match self.live(id) {
            Some(ExecutionState::Queued | ExecutionState::Running) if until > self.turn.now => {
                self.edit_job(id, |job| job.last.stop_at = Some(job.last.stop_at.map_or(until, |at| at.min(until))));
            }
            Some(ExecutionState::Queued | ExecutionState::Running) => self.terminate_now(id, "Job was terminated"),
            Some(ExecutionState::Terminating | ExecutionState::Succeeded | ExecutionState::Failed) | None => self.ignore(),
        }
    }

    pub(super) fn on_taken_back(&mut self, id: JobId) {
        if self.jobs.get(&id).is_none_or(|job| job.last.stop_at.is_none()) {
            return self.ignore();
        }
        self.edit_job(id, |job| job.last.stop_at = None);
    }

    /// Ends a job by a person's wish: a waiting one at once, another one when its processes are proven gone. One whose
    /// own end is already decided ends as decided.
    pub(super) fn terminate_now(&mut self, id: JobId, message: &str) {
        self.terminate_for(id, job_error("JobTerminated", message));
    }

    /// The same, for another cause.
    pub(super) fn terminate_for(&mut self, id: JobId, cause: JobError) {
        let Some(job) = self.jobs.get(&id) else { return };
        match job.course() {
            ExecutionState::Queued => {
                self.edit_job(id, |job| job.last.errors = vec![cause]);
                self.end_job(id);
            }
            ExecutionState::Running if job.last.after_stop == Some(AfterStop::End) => {
                self.edit_job(id, |job| job.last.stop_at = None);
            }
            ExecutionState::Running => {
                self.edit_job(id, |job| {
                    job.state = ExecutionState::Terminating;
                    job.last.stop_at = None;
                    job.last.exit_code = None;
                    job.last.errors = vec![cause];
                });
                self.stop_attempt(id, StopWhy::Terminate, AfterStop::End);
            }
            ExecutionState::Terminating | ExecutionState::Succeeded | ExecutionState::Failed => {}
        }
    }

    /// Records the end of a job without processes: succeeded when its exit code is 0 and nothing went wrong.
    pub(super) fn end_job(&mut self, id: JobId) {
        let now = self.turn.now;
        self.edit_job(id, |job| {
            let well = job.last.exit_code == Some(0) && job.last.errors.is_empty();
            job.state = if well { ExecutionState::Succeeded } else { ExecutionState::Failed };
            job.last.ended = Some(now);
            job.last.stop_at = job.last.stop_at.filter(|_| !guard("job.no-deadline-when-over"));
            job.last.after_stop = None;
            job.last.behind = None;
            job.held = false;
            job.pause = None;
        });
        let Some(job) = self.jobs.get(&id).cloned() else { return };
        let experiment = job.experiment;
        if job.deleting {
            self.drop_job(id, Record::Removed);
        } else if self.settings.webhook.is_some() {
            self.issue(Act::Notify { job: id });
        }
        self.count_failure(&job);
        self.end_experiment(experiment);
    }

    pub(super) fn on_delete(&mut self, id: JobId) {
        if self.jobs.get(&id).is_none_or(|job| job.deleting) {
            return self.ignore();
        }
        self.delete_job(id);
    }

    /// Removes a job, after its end when it lives.
    pub(super) fn delete_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if job.state.ended() {
            let experiment = job.experiment;
            self.drop_job(id, Record::Removed);
            return self.end_experiment(experiment);
        }
        let now = self.turn.now;
        self.edit_job(id, |job| (job.deleting, job.last.deleting_since) = (true, Some(now)));
        self.terminate_now(id, "Job was deleted");
    }

    pub(super) fn on_ended_deleted(&mut self, job: &Job) {
        match self.jobs.get(&job.id) {
            Some(here) if here.state.ended() => self.delete_job(job.id),
            Some(_) => self.ignore(),
            None if job.id > self.counters.job || !job.state.ended() => self.ignore(),
            None => {
                self.turn.step.touched.insert(crate::model::snapshot::RowKey::Job(job.id));
                self.count(job.experiment, Some(job.state), None);
            }
        }
    }

    pub(super) fn on_retry(&mut self, job: Arc<Job>) {
        let dependencies = job.dependencies.clone();
        let job = match self.jobs.get(&job.id) {
            Some(here) => here.clone(),
            None => job,
        };
        let there = |deleting: Option<bool>| deleting == Some(false);
        if job.state != ExecutionState::Failed
            || job.id > self.counters.job
            || !there(self.experiments.get(&job.experiment).map(|e| e.deleting))
            || !there(self.clusters.get(&job.cluster).map(|c| c.deleting))
        {
            return self.ignore();
        }
        let id = job.id;
        if !self.jobs.contains_key(&id) {
            self.put_job(job);
        }
        self.edit_job(id, |job| {
            job.state = ExecutionState::Queued;
            job.last.away = None;
            job.requeues = 0;
            job.last.requeued_because = None;
            job.retries = 0;
            job.pause = None;
            job.dependencies = dependencies;
            job.last.ended = None;
            job.last.exit_code = None;
            job.last.errors = Vec::new();
            job.last.stop_at = None;
            job.held = false;
        });
        self.look_at_dependencies(id);
    }

    pub(super) fn on_hold(&mut self, id: JobId, held: bool) {
        match self.jobs.get(&id) {
            Some(job) if job.course() == ExecutionState::Queued && job.held != held => {
                self.edit_job(id, |job| job.held = held);
            }
            Some(_) | None => self.ignore(),
        }
    }

    pub(super) fn on_priority(&mut self, id: JobId, priority: Priority) {
        match self.jobs.get(&id) {
            Some(job) if job.course() == ExecutionState::Queued && job.priority != priority => {
                self.edit_job(id, |job| job.priority = priority);
            }
            Some(_) | None => self.ignore(),
        }
    }
}
