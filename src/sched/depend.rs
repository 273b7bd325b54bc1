//! Jobs that come after others. What a waiting job waits for stands in its row; who waits for whom is derived.
//!
//! Decision (2026-11): a job that was to run only after another's success *fails* when that other one has failed or was
//! deleted, with `DependencyFailed` and the name in its error, as does in turn what comes after it. It is not kept waiting
//! for something that will never be (Slurm's default): people look at failures, not at a queue that never moves. Retrying
//! the other job does not bring it back; retrying this one makes it wait again.

use std::collections::BTreeSet;

use super::Sched;
use super::job::job_error;
use crate::model::guard::guard;
use crate::model::ids::{JobId, SweepId};
use crate::model::state::{DependsOn, ExecutionState, Job, Sweep};

/// Who waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Waiter {
    /// Another one.
    Job(JobId),
    /// The members of this sweep or array that have not come up.
    Members(SweepId),
}

/// What has become of a job that others may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Became {
    /// It has begun.
    Started,
    /// It has ended well.
    Succeeded,
    /// It has ended otherwise, or is deleted.
    Failed,
}

impl Became {
    /// Returns what a state is to those that wait.
    pub(super) fn of(state: ExecutionState) -> Option<Self> {
        match state {
            ExecutionState::Queued => None,
            ExecutionState::Running | ExecutionState::Terminating => Some(Self::Started),
            ExecutionState::Succeeded => Some(Self::Succeeded),
            ExecutionState::Failed => Some(Self::Failed),
        }
    }
}

/// Says whether this is what was waited for; `None` when it still may come.
pub(super) fn answers(on: DependsOn, became: Became) -> Option<bool> {
    match (on, became) {
        (DependsOn::Start, Became::Started | Became::Succeeded | Became::Failed) => Some(true),
        (DependsOn::Success | DependsOn::End, Became::Started) => None,
        (DependsOn::Success | DependsOn::End, Became::Succeeded) => Some(true),
        (DependsOn::End, Became::Failed) => Some(true),
        (DependsOn::Success, Became::Failed) => Some(false),
    }
}

/// Returns the jobs that a waiting job still waits for.
pub(super) fn waited_for(job: &Job) -> BTreeSet<JobId> {
    if job.dependencies.is_empty() || job.course() != ExecutionState::Queued {
        return BTreeSet::new();
    }
    job.dependencies.iter().filter(|dependency| !dependency.met).map(|dependency| dependency.job).collect()
}

/// Returns the jobs that members which have not come up still wait for.
pub(super) fn waited_for_by(sweep: &Sweep) -> BTreeSet<JobId> {
    if sweep.dependencies.is_empty() || sweep.left.is_empty() {
        return BTreeSet::new();
    }
    sweep.dependencies.iter().filter(|dependency| !dependency.met).map(|dependency| dependency.job).collect()
}

impl Sched {
    /// Keeps who waits for whom.
    pub(super) fn key_dependencies(&mut self, id: Waiter, before: &BTreeSet<JobId>, after: &BTreeSet<JobId>) {
        for other in before.difference(after) {
            if let Some(waiting) = self.dependents.get_mut(other) {
                if guard("depend.waits-no-more") {
                    waiting.remove(&id);
                }
                if waiting.is_empty() {
                    self.dependents.remove(other);
                }
            }
        }
        for other in after.difference(before) {
            self.dependents.entry(*other).or_default().insert(id);
        }
    }

    /// Notes what became of a job, for those that wait for it; they are told when the event itself is done with.
    pub(super) fn note_became(&mut self, id: JobId, became: Became) {
        if self.dependents.contains_key(&id) {
            self.turn.became.insert(id, became);
        }
    }

    /// Tells all that wait for this job what became of it.
    pub(super) fn tell_dependents(&mut self, id: JobId, became: Became) {
        for waiting in self.dependents.get(&id).cloned().unwrap_or_default() {
            match waiting {
                Waiter::Job(waiting) => self.take_answer(waiting, id, became),
                // What was met stays so when the job is forgotten; of the rest each member learns when it comes up.
                Waiter::Members(sweep) => self.edit_sweep(sweep, |sweep| {
                    for dependency in sweep.dependencies.iter_mut().filter(|d| d.job == id) {
                        dependency.met |= answers(dependency.on, became) == Some(true);
                    }
                }),
            }
        }
    }

    fn take_answer(&mut self, waiting: JobId, other: JobId, became: Became) {
        let Some(row) = self.jobs.get(&waiting) else { return };
        let open = row.dependencies.iter().filter(|d| d.job == other && !d.met);
        let answers: Vec<_> = open.filter_map(|d| Some((answers(d.on, became)?, d.name.clone()))).collect();
        if let Some((_, name)) = answers.iter().find(|(well, _)| !well) {
            let message = format!("Job {name} did not succeed, and this one runs only after its success");
            self.edit_job(waiting, |job| job.last.errors = vec![job_error("DependencyFailed", message)]);
            return self.end_job(waiting);
        }
        if !answers.is_empty() {
            self.edit_job(waiting, |job| {
                for dependency in job.dependencies.iter_mut().filter(|d| d.job == other) {
                    dependency.met |= self::answers(dependency.on, became) == Some(true);
                }
            });
        }
    }

    /// Looks at what has become of all that a new job waits for: some of it may have happened already.
    pub(super) fn look_at_dependencies(&mut self, id: JobId) {
        for other in self.jobs.get(&id).map(|job| waited_for(job)).unwrap_or_default() {
            let became = match self.jobs.get(&other) {
                Some(job) => Became::of(job.state),
                None if self.is_to_come(other) => None,
                // It has ended and left, and nothing was said of how.
                None => Some(Became::Failed),
            };
            if let Some(became) = became {
                self.take_answer(id, other, became);
            }
        }
    }
}
