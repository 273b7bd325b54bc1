//! Submission of jobs: all of a request are accepted or none, and a repeat with the same token gives the same jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::frameworks;
use crate::model::fault::Fault;
use crate::model::ids::{ExperimentId, JobId, WorkspaceId};
use crate::model::names::{NAME_CHARS_MAX, check_name, same_name};
use crate::model::request::{Place, Submit};
use crate::model::resource_id::ResourceId;
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{Indexes, JobSpec, secret};
use crate::model::state::{ArrayMember, Cluster, Experiment, Job, Sweep};
use crate::runtime::engine::Engine;
use crate::runtime::validate::{After, Checked, Refusal, refuse_deleting};
use crate::runtime::{depend, handover, resolve, secrets, volumes};
use crate::sched::{Event, NewJob, Sched};
use crate::store::Store;

/// The most jobs that may be live at once: what the core's memory is measured for.
pub const LIVE_JOBS_MAX: usize = 1_000_000;

/// Checks a list of jobs.
///
/// # Errors
/// The first thing that is wrong, with the place of its job in the list when there are several.
pub fn check<S: Store>(engine: &mut Engine<S>, submits: Vec<Submit>) -> Result<Checked, Refusal> {
    check_all(engine, submits, Names::default())
}

/// Checks one job as if others were gone already, whose names it may have.
///
/// # Errors
/// As [`check`].
pub fn check_without<S: Store>(engine: &mut Engine<S>, submit: Submit, gone: BTreeSet<JobId>) -> Result<Checked, Refusal> {
    check_all(engine, vec![submit], Names { gone, ..Names::default() })
}

fn check_all<S: Store>(engine: &mut Engine<S>, submits: Vec<Submit>, mut batch: Names) -> Result<Checked, Refusal> {
    if engine.sched.jobs().len() + submits.len() > LIVE_JOBS_MAX {
        return Err(Fault::user(format!("there would be more than {LIVE_JOBS_MAX} live jobs"))
            .hint("wait until some have ended")
            .into());
    }
    let many = submits.len() > 1;
    let mut jobs = Vec::new();
    let mut ids = Vec::new();
    for (at, submit) in submits.into_iter().enumerate() {
        match check_one(engine, submit, &mut batch) {
            Ok(One::Known(known)) => ids.extend(known.into_iter().map(Some)),
            Ok(One::New(new)) => {
                ids.extend(new.iter().map(|_| None));
                jobs.extend(new);
            }
            Err(Refusal::Fault(mut fault)) if many => {
                fault.message = format!("job {} of the list: {}", at + 1, fault.message);
                return Err(Refusal::Fault(fault));
            }
            Err(refusal) => return Err(refusal),
        }
    }
    let events = if jobs.is_empty() { Vec::new() } else { vec![Event::JobsSubmitted { jobs }] };
    // Many jobs of one submission are an array.
    let then = if !many && ids.len() > 1 { After::Array(ids) } else { After::Jobs(ids) };
    Ok(Checked::Do { events, then })
}

impl Names {
    /// Says whether the request itself has given the name away.
    fn holds(&self, experiment: &Experiment, name: &str) -> bool {
        self.taken.contains_key(&(experiment.id, name.to_ascii_lowercase()))
    }
}

enum One {
    Known(Vec<JobId>),
    /// One, or all members of an array.
    New(Vec<NewJob>),
}

/// Names that the request itself takes, and where the numbering of unnamed jobs stands.
#[derive(Default)]
struct Names {
    taken: BTreeMap<(ExperimentId, String), JobId>,
    /// How many jobs are new so far; the core numbers them in order.
    count: u64,
    next: BTreeMap<ExperimentId, u64>,
    /// Jobs whose names are free.
    gone: BTreeSet<JobId>,
}

fn check_one<S: Store>(engine: &mut Engine<S>, mut submit: Submit, batch: &mut Names) -> Result<One, Refusal> {
    submit.spec.resolve();
    let experiment = resolve::experiment(&engine.sched, &submit.experiment)?.clone();
    let cluster = cluster_of(engine, &submit, &experiment)?;
    if let Some(token) = &submit.token
        && let Some(job) = engine.job_with_token(token)?
    {
        return known(engine, &job, &submit, token);
    }
    refuse_deleting("experiment", &experiment.name, experiment.deleting)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    check_spec(engine, &submit.spec, &cluster, experiment.workspace)?;
    let array = submit.spec.scheduling.array.clone();
    let dependencies = depend::find(engine, &experiment, &submit.spec.scheduling, &batch.taken)?;
    let name = match submit.name {
        Some(name) => {
            check_name(&name).map_err(|why| Fault::user(format!("job: {why}")))?;
            let free = array.is_some() || !is_taken(engine, &experiment, &name, batch)?;
            if !free {
                return Err(taken(&name, &experiment).into());
            }
            name
        }
        None => next_name(engine, &experiment, batch)?,
    };
    secrets::keep(engine, secret::sources_of_job(&mut submit.spec))?;
    let first = JobId(engine.sched.counters().job.0 + batch.count + 1);
    let members: Vec<(String, Option<ArrayMember>)> = match &array {
        None => vec![(name, None)],
        Some(array) => members_of(&name, array, first).map(|member| (member_name(&member), Some(member))).collect(),
    };
    // One look says of nearly every array that all its names are free; to look for each is most of what it costs.
    let crowded =
        array.is_some() && members.first().map_or(Ok(false), |(_, first)| has_numbered(engine, &experiment, first))?;
    let shape = shape_on(Some(&cluster), &submit.spec);
    let spec = Arc::new(submit.spec);
    let mut token = submit.token;
    let mut jobs = Vec::with_capacity(members.len());
    for (name, member) in members {
        if member.is_some() {
            check_name(&name).map_err(|why| Fault::user(format!("job: {why}")))?;
            let known = crowded && is_taken(engine, &experiment, &name, batch)?;
            if known || batch.holds(&experiment, &name) {
                return Err(taken(&name, &experiment).into());
            }
        }
        batch.count += 1;
        let id = JobId(engine.sched.counters().job.0 + batch.count);
        batch.taken.insert((experiment.id, name.to_ascii_lowercase()), id);
        let uuid = (engine.draw)();
        let workspace = resolve::workspace_name(&engine.sched, experiment.workspace);
        let group = resolve::group_name_of(&engine.sched, experiment.workspace);
        jobs.push(NewJob {
            experiment: experiment.id,
            cluster: cluster.id,
            segment: ResourceId::segment(group, workspace, &experiment.name, &name, uuid),
            name,
            uuid,
            shape: shape.clone(),
            spec: spec.clone(),
            // The first member stands for all.
            token: token.take(),
            dependencies: dependencies.clone(),
            member,
            sweep: None,
        });
    }
    Ok(One::New(jobs))
}

/// Returns the processes of a job on a cluster: one, where somebody else places it.
pub(super) fn shape_on(cluster: Option<&Cluster>, spec: &JobSpec) -> LaunchShape {
    let shape = frameworks::shape(spec);
    match cluster.is_some_and(|cluster| cluster.spec.hands_over()) {
        true => shape.handed_over(),
        false => shape,
    }
}

fn taken(name: &str, experiment: &Experiment) -> Fault {
    Fault::user(format!("job `{name}` already exists in experiment `{}`", experiment.name))
        .hint("choose another name, or leave it out to get the next number")
}

fn members_of(name: &str, array: &Indexes, of: JobId) -> impl Iterator<Item = ArrayMember> {
    let name = name.to_owned();
    let running_max = array.running_max;
    let count = u32::try_from(array.count()).unwrap_or(u32::MAX);
    let member = move |index: u32| ArrayMember { of, name: name.clone(), index, count, running_max };
    array.all().into_iter().map(member)
}

/// Returns the members of an array; some may have been deleted since.
///
/// # Errors
/// They cannot be read.
pub(super) fn members<S: Store>(engine: &Engine<S>, member: &ArrayMember) -> Result<Vec<Arc<Job>>, Refusal> {
    let mut there = Vec::new();
    for id in (member.of.0..member.of.0 + u64::from(member.count)).map(JobId) {
        there.extend(engine.job(id)?);
    }
    Ok(there)
}

fn member_name(member: &ArrayMember) -> String {
    format!("{}-{}", member.name, member.index)
}

/// Finds the cluster of a submission: the one it names, else that of its body.
///
/// # Errors
/// There is none of that name.
pub fn cluster_of<S: Store>(engine: &Engine<S>, submit: &Submit, experiment: &Experiment) -> Result<Arc<Cluster>, Fault> {
    let own = resolve::workspace_name(&engine.sched, experiment.workspace).to_owned();
    let place = Place {
        workspace: submit.cluster.workspace.clone().or(Some(own)),
        name: submit.cluster.name.clone().or_else(|| submit.spec.cluster.clone()),
    };
    resolve::cluster(&engine.sched, &place).cloned()
}

fn known<S: Store>(engine: &Engine<S>, job: &Job, submit: &Submit, token: &str) -> Result<One, Refusal> {
    let own = job.member.as_ref().map_or(&job.name, |member| &member.name);
    let same_name = submit.name.as_ref().is_none_or(|name| name == own);
    if same_name && secrets::same_but_for_keeping(engine, &job.spec, &submit.spec) {
        let there = match &job.member {
            Some(member) => members(engine, member)?.iter().map(|job| job.id).collect(),
            None => vec![job.id],
        };
        return Ok(One::Known(there));
    }
    let token = token.escape_debug();
    Err(Fault::user(format!("token `{token}` was used for {} with other content; nothing was submitted", job.id)).into())
}

/// Checks what a job is asked to do against its cluster and what is mounted.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_spec<S: Store>(engine: &Engine<S>, spec: &JobSpec, cluster: &Cluster, home: WorkspaceId) -> Result<(), Fault> {
    let members = spec.scheduling.array.as_ref().map_or(0, |array| array.count());
    if engine.sched.jobs().len() + members > LIVE_JOBS_MAX {
        return Err(Fault::user(format!("array: there would be more than {LIVE_JOBS_MAX} live jobs")));
    }
    if spec.node_count.0 == 0 {
        return Err(Fault::user("nodeCount: a job has at least 1 node"));
    }
    if let Some(code) = spec.code.as_ref().filter(|code| code.snapshot.is_none()) {
        return Err(Fault::user(format!("code: nothing was kept of `{}`", code.directory)));
    }
    let mounted = cluster.spec.mounts();
    let mut faults = frameworks::check(spec, shares(&engine.sched, cluster, spec));
    if cluster.spec.slurm.is_some() {
        faults.extend(handover::check(spec));
    } else if let Some(slurm) = &spec.slurm {
        let words = slurm.words().join(" ");
        let fault = format!("slurm: `{words}` means nothing to cluster `{}`, whose jobs ostler places", cluster.name);
        faults.push(Fault::user(fault).hint("choose a cluster with `backend: slurm` by -c, or leave it out"));
    }
    faults.extend(frameworks::check_mounts(spec, mounted));
    faults.extend(volumes::resolve(&engine.sched, &engine.settings, home, &spec.mount_volumes).err().unwrap_or_default());
    let mut faults = faults.into_iter();
    let Some(mut first) = faults.next() else { return Ok(()) };
    for fault in faults {
        first.causes.push(fault.message);
        first.hints.extend(fault.hints);
    }
    Err(first)
}

/// Says whether the nodes of a job would have a directory in common: any of the cluster's nodes may be given to it, so all
/// that are known have to share one.
pub(super) fn shares(sched: &Sched, cluster: &Cluster, spec: &JobSpec) -> bool {
    let nodes = sched.nodes().values().filter(|node| node.cluster == cluster.id);
    let words = nodes.filter_map(|node| Some(node.facts.as_ref()?.share.as_str()));
    frameworks::is_shared(spec, cluster.spec.mounts(), words)
}

fn is_taken<S: Store>(engine: &Engine<S>, experiment: &Experiment, name: &str, batch: &Names) -> Result<bool, Refusal> {
    let in_batch = batch.holds(experiment, name);
    let known = engine.job_named(experiment.id, name)?;
    Ok(in_batch || known.is_some_and(|job| !batch.gone.contains(&job.id)))
}

/// Says whether any job, or member of a sweep that has not come up, may be called as a member of this array is.
fn has_numbered<S: Store>(
    engine: &Engine<S>,
    experiment: &Experiment,
    member: &Option<ArrayMember>,
) -> Result<bool, Refusal> {
    let Some(member) = member else { return Ok(false) };
    let of_name = |sweep: &Arc<Sweep>| sweep.experiment == experiment.id && same_name(&sweep.name, &member.name);
    Ok(engine.sched.sweeps().values().any(of_name) || engine.numbered_job(experiment.id, &member.name)?.is_some())
}

/// Returns the first free `run-N`, counting on from the number of jobs of the experiment.
fn next_name<S: Store>(engine: &Engine<S>, experiment: &Experiment, batch: &mut Names) -> Result<String, Refusal> {
    let mut number = batch.next.get(&experiment.id).copied().unwrap_or(experiment.tally.total() + 1);
    loop {
        let name = format!("run-{number:03}");
        debug_assert!(name.len() <= NAME_CHARS_MAX);
        if !is_taken(engine, experiment, &name, batch)? {
            batch.next.insert(experiment.id, number + 1);
            return Ok(name);
        }
        number += 1;
    }
}
