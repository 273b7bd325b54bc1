//! Finds the jobs that another one comes after, by what people type: a name in its experiment, `EXPERIMENT/JOB` in its
//! workspace, or an id. What can never be is refused here: success of a job that has failed already.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::{ExperimentId, JobId};
use crate::model::request::{JobRef, Place};
use crate::model::spec::Scheduling;
use crate::model::state::{Dependency, DependsOn, ExecutionState, Experiment, Job};
use crate::runtime::engine::Engine;
use crate::runtime::resolve;
use crate::runtime::validate::{Refusal, find_job};
use crate::store::Store;

/// Names that the same request takes, with the numbers that their jobs will have.
pub type Taken = BTreeMap<(ExperimentId, String), JobId>;

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
            if let Some(job) = taken.get(&(experiment.id, name.to_ascii_lowercase())) {
                found.push(Dependency { job: *job, name: name.clone(), on, met: false });
                continue;
            }
            let job = named(engine, experiment, name).map_err(|refusal| match refusal {
                Refusal::Fault(mut fault) => {
                    fault.message = format!("{field}: {}", fault.message);
                    Refusal::Fault(fault)
                }
                store @ Refusal::Store(_) => store,
            })?;
            found.push(Dependency { met: is_met(&job, on, field)?, job: job.id, name: job.name.clone(), on });
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
                .target(&job.name)
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
