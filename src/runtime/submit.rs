//! Submission of jobs: all of a request are accepted or none, and a repeat with the same token gives the same jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::frameworks;
use crate::model::fault::Fault;
use crate::model::ids::{ExperimentId, JobId, SweepId, WorkspaceId};
use crate::model::names::{NAME_CHARS_MAX, check_name, same_name};
use crate::model::request::{Place, Submit};
use crate::model::resource_id::ResourceId;
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{JobSpec, SweepSpec, secret};
use crate::model::state::{ArrayMember, Cluster, Experiment, Job, Sweep};
use crate::model::units::UnixMillis;
use crate::runtime::depend::Taken;
use crate::runtime::engine::Engine;
use crate::runtime::validate::{After, Checked, Refusal, refuse_deleting};
use crate::runtime::{depend, handover, resolve, secrets, sweeps, volumes};
use crate::sched::{Event, NewJob, NewMember, NewSweep, Sched};
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
    if sweeps::live(engine) + submits.len() > LIVE_JOBS_MAX {
        return Err(Fault::user(format!("there would be more than {LIVE_JOBS_MAX} live jobs"))
            .hint("wait until some have ended")
            .into());
    }
    let many = submits.len() > 1;
    let (mut events, mut jobs, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for (at, submit) in submits.into_iter().enumerate() {
        match check_one(engine, submit, &mut batch) {
            Ok(One::Known(known)) => ids.extend(known.into_iter().map(Some)),
            Ok(One::New(job)) => {
                ids.push(None);
                jobs.push(*job);
            }
            Ok(One::Array(array, first)) => {
                ids.extend((0..array.count).map(|_| None));
                // Numbers are given in the order of the list.
                if !jobs.is_empty() {
                    events.push(Event::JobsSubmitted { jobs: std::mem::take(&mut jobs) });
                }
                // Its first member comes up with it: that stands for all, with their token and their secrets.
                let (sweep, members) = (batch.last_array(engine), vec![*first]);
                events.push(Event::SweepCreated { sweep: *array });
                events.push(Event::SweepExpanded { effect: None, sweep, members });
            }
            Err(Refusal::Fault(mut fault)) if many => {
                fault.message = format!("job {} of the list: {}", at + 1, fault.message);
                return Err(Refusal::Fault(fault));
            }
            Err(refusal) => return Err(refusal),
        }
    }
    if !jobs.is_empty() {
        events.push(Event::JobsSubmitted { jobs });
    }
    // Many jobs of one submission are an array.
    let then = if !many && ids.len() > 1 { After::Array(ids) } else { After::Jobs(ids) };
    Ok(Checked::Do { events, then })
}

impl Names {
    /// Returns the number that the core will give to the last array of the request.
    fn last_array<S: Store>(&self, engine: &Engine<S>) -> SweepId {
        SweepId(engine.sched.counters().sweep.0 + self.arrays)
    }
}

enum One {
    Known(Vec<JobId>),
    New(Box<NewJob>),
    /// An array, and its first member.
    Array(Box<NewSweep>, Box<NewMember>),
}

/// Names that the request itself takes, and where the numbering of unnamed jobs stands.
#[derive(Default)]
struct Names {
    taken: Taken,
    /// How many jobs are new so far; the core numbers them in order.
    count: u64,
    /// How many arrays are.
    arrays: u64,
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
    if let Some(indexes) = array {
        let (spec, token) = (Arc::new(submit.spec), submit.token);
        let new = NewSweep {
            experiment: experiment.id,
            cluster: cluster.id,
            name,
            uuid: (engine.draw)(),
            count: u32::try_from(indexes.count()).unwrap_or(u32::MAX),
            priority: spec.scheduling_priority,
            held: false,
            // The first member has it.
            token: None,
            dependencies,
            spec: Arc::new(SweepSpec::array(spec)),
            indexes: Some(Box::new(indexes)),
        };
        return new_array(engine, batch, &experiment, new, token);
    }
    batch.count += 1;
    batch.taken.add(experiment.id, &name, JobId(engine.sched.counters().job.0 + batch.count));
    let uuid = (engine.draw)();
    let workspace = resolve::workspace_name(&engine.sched, experiment.workspace);
    let group = resolve::group_name_of(&engine.sched, experiment.workspace);
    Ok(One::New(Box::new(NewJob {
        experiment: experiment.id,
        cluster: cluster.id,
        segment: ResourceId::segment(group, workspace, &experiment.name, &name, uuid),
        name,
        uuid,
        shape: shape_on(Some(&cluster), &submit.spec),
        spec: Arc::new(submit.spec),
        token: submit.token,
        dependencies,
        member: None,
        sweep: None,
    })))
}

/// Checks that all names of an array are free.
fn new_array<S: Store>(
    engine: &Engine<S>,
    batch: &mut Names,
    experiment: &Experiment,
    new: NewSweep,
    token: Option<String>,
) -> Result<One, Refusal> {
    let first = JobId(engine.sched.counters().job.0 + batch.count + 1);
    batch.count += u64::from(new.count);
    batch.arrays += 1;
    let row = new.clone().row(batch.last_array(engine), first, experiment.workspace, UnixMillis(0));
    // The last one's is the longest.
    check_name(&row.member_name(new.count.saturating_sub(1))).map_err(|why| Fault::user(format!("job: {why}")))?;
    if let Some(name) = batch.taken.one_of(&row) {
        return Err(taken(&name, experiment).into());
    }
    // One look says of nearly every array that all its names are free; to look for each is most of what it costs.
    if has_numbered(engine, &row)? {
        for name in (0..new.count).map(|index| row.member_name(index)) {
            if is_taken(engine, experiment, &name, batch)? {
                return Err(taken(&name, experiment).into());
            }
        }
    }
    let mut member = sweeps::member(engine, &row, 0, None);
    member.job.token = token;
    batch.taken.add_array(row);
    Ok(One::Array(Box::new(new), Box::new(member)))
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
    let own = job.member.as_ref().map_or(&*job.name, |member| &member.name);
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
    if sweeps::live(engine) + members > LIVE_JOBS_MAX {
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
    let in_batch = batch.taken.job(experiment.id, name).is_some();
    let known = engine.job_named(experiment.id, name)?;
    Ok(in_batch || known.is_some_and(|job| !batch.gone.contains(&job.id)))
}

/// Says whether any job, or member that has not come up, may be called as a member of this array is.
fn has_numbered<S: Store>(engine: &Engine<S>, array: &Sweep) -> Result<bool, Refusal> {
    let alike = |sweep: &Arc<Sweep>| sweep.experiment == array.experiment && same_name(&sweep.name, &array.name);
    Ok(engine.sched.sweeps().values().any(alike) || engine.numbered_job(array.experiment, &array.name)?.is_some())
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

#[cfg(test)]
mod tests;
