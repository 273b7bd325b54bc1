//! Finds the jobs that another one comes after, by what people type: a name in its experiment, `EXPERIMENT/JOB` in its
//! workspace, or an id. What can never be is refused here: success of a job that has failed already.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::{ExperimentId, JobId};
use crate::model::names::same_name;
use crate::model::request::{JobRef, Place};
use crate::model::spec::Scheduling;
use crate::model::state::{Dependency, DependsOn, ExecutionState, Experiment, Job, Sweep};
use crate::runtime::engine::Engine;
use crate::runtime::resolve;
use crate::runtime::validate::{Refusal, find_job};
use crate::store::Store;

/// Names that the same request takes, with the numbers that their jobs will have.
#[derive(Default)]
pub struct Taken {
    jobs: BTreeMap<(ExperimentId, String), JobId>,
    /// As their rows will be.
    arrays: Vec<Sweep>,
}

impl Taken {
    /// Adds the name of a job.
    pub fn add(&mut self, experiment: ExperimentId, name: &str, job: JobId) {
        self.jobs.insert((experiment, name.to_ascii_lowercase()), job);
    }

    /// Adds the names of all members of an array.
    pub fn add_array(&mut self, array: Sweep) {
        self.arrays.push(array);
    }

    /// Returns the job of this name.
    pub fn job(&self, experiment: ExperimentId, name: &str) -> Option<JobId> {
        let member = |array: &Sweep| array.job_of(array.named(name)?);
        let arrays = || self.arrays.iter().filter(|array| array.experiment == experiment).find_map(member);
        self.jobs.get(&(experiment, name.to_ascii_lowercase())).copied().or_else(arrays)
    }

    /// Returns a name that a member of an array would have and that is taken.
    pub fn one_of(&self, array: &Sweep) -> Option<String> {
        let jobs = self.jobs.keys().filter(|(experiment, _)| *experiment == array.experiment).map(|(_, name)| name);
        if let Some(name) = jobs.filter_map(|name| array.named(name)).map(|index| array.member_name(index)).next() {
            return Some(name);
        }
        let alike = |other: &&Sweep| other.experiment == array.experiment && same_name(&other.name, &array.name);
        let names = |other: &Sweep| (0..other.count()).map(|index| other.member_name(index)).collect::<Vec<_>>();
        let both = self.arrays.iter().filter(alike).flat_map(names).find_map(|name| array.named(&name));
        both.map(|index| array.member_name(index))
    }
}

/// Returns what a new job comes after. `taken`: the jobs that stand before it in the same request.
///
/// # Errors
/// No such job, or its success can no longer be.
pub fn find<S: Store>(
    engine: &Engine<S>,
    experiment: &Experiment,
    scheduling: &Scheduling,
    taken: &Taken,
) -> Result<Vec<Dependency>, Refusal> {
    let lists = [
        ("after", DependsOn::Start, &scheduling.after),
        ("afterOk", DependsOn::Success, &scheduling.after_ok),
        ("afterAny", DependsOn::End, &scheduling.after_any),
    ];
    let mut found = Vec::new();
    for (field, on, names) in lists {
        for name in names {
            if let Some(job) = taken.job(experiment.id, name) {
                found.push(Dependency { job, name: name.clone(), on, met: false });
                continue;
            }
            let job = named(engine, experiment, name).map_err(|refusal| match refusal {
                Refusal::Fault(mut fault) => {
                    fault.message = format!("{field}: {}", fault.message);
                    Refusal::Fault(fault)
                }
                store @ Refusal::Store(_) => store,
            })?;
            found.push(Dependency { met: is_met(&job, on, field)?, job: job.id, name: job.name.to_string(), on });
        }
    }
    Ok(found)
}

fn named<S: Store>(engine: &Engine<S>, experiment: &Experiment, text: &str) -> Result<Arc<Job>, Refusal> {
    if let Some(job) = engine.job_named(experiment.id, text)? {
        return Ok(job);
    }
    if let Some(id) = text.strip_prefix("job-").and_then(|number| number.parse().ok()) {
        return find_job(engine, &JobRef::Id(JobId(id)));
    }
    let workspace = Some(resolve::workspace_name(&engine.sched, experiment.workspace).to_owned());
    let (name, job) = match text.split_once('/') {
        Some((other, job)) => (other.to_owned(), job.to_owned()),
        None => (experiment.name.clone(), text.to_owned()),
    };
    find_job(engine, &JobRef::Named { experiment: Place { workspace, name: Some(name) }, job })
}

fn is_met(job: &Job, on: DependsOn, field: &str) -> Result<bool, Fault> {
    match (job.state, on) {
        (ExecutionState::Queued, _) => Ok(false),
        (ExecutionState::Running | ExecutionState::Terminating, on) => Ok(on == DependsOn::Start),
        (ExecutionState::Succeeded, _) | (ExecutionState::Failed, DependsOn::Start | DependsOn::End) => Ok(true),
        (ExecutionState::Failed, DependsOn::Success) => {
            Err(Fault::user(format!("{field}: job `{}` has failed already", job.name))
                .target(&*job.name)
                .hint("retry that one first, or name another one"))
        }
    }
}

/// Returns a failed job as it is to be tried again: it waits once more for what it comes after.
///
/// # Errors
/// The success that it needs can no longer be.
pub fn again<S: Store>(engine: &Engine<S>, job: &Arc<Job>) -> Result<Arc<Job>, Refusal> {
    if job.dependencies.iter().all(|dependency| dependency.met) {
        return Ok(job.clone());
    }
    let mut again = (**job).clone();
    for dependency in again.dependencies.iter_mut().filter(|dependency| !dependency.met) {
        dependency.met = match engine.job(dependency.job)? {
            Some(other) => is_met(&other, dependency.on, "afterOk")?,
            None if dependency.on == DependsOn::Success => {
                let fault =
                    Fault::user(format!("job `{}` came after job `{}`, which is deleted", job.name, dependency.name));
                let fault = fault.code(FaultCode::ResourceNotFound).target(&dependency.name);
                return Err(fault.hint("ostler job rerun makes a new job, which may name another one").into());
            }
            None => true,
        };
    }
    Ok(Arc::new(again))
}
