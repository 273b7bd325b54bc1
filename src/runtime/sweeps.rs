//! Sweeps and arrays at the edge of the core: what is asked for is checked, members are made as they come up, and those that
//! have not come up are shown as the jobs that they will be. What an array is asked to be is checked where jobs are
//! (`submit`).

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::{ExperimentId, JobId, SweepId};
use crate::model::names::{NAME_CHARS_MAX, check_name, same_name};
use crate::model::request::{Reply, Submit, SubmitSweep, SweepAct, SweepPlan, SweepRef, SweepView};
use crate::model::resource_id::ResourceId;
use crate::model::spec::sweep::{Naming, Part};
use crate::model::spec::{JobSpec, SweepSpec};
use crate::model::state::{ArrayMember, Cluster, Dependency, ExecutionState, Experiment, Job, Spans, Sweep, SweepMember};
use crate::model::units::{Money, UnixMillis};
use crate::runtime::depend::Taken;
use crate::runtime::engine::Engine;
use crate::runtime::submit::LIVE_JOBS_MAX;
use crate::runtime::validate::{After, Checked, Refusal, accepted, refuse_deleting};
use crate::runtime::{depend, resolve, secrets, submit};
use crate::sched::{Event, NewJob, NewMember, NewSweep};
use crate::store::Store;

/// How many members are looked at whole before a sweep is accepted: all values of every parameter of most sweeps, in a few
/// hundredths of a second.
const LOOKED_AT: usize = 256;
/// How many members may be called by their bodies: all of them are made at once, to know their names.
const HASHED_MAX: u32 = 10_000;
/// How many members a plan names.
const NAMED: u32 = 5;

/// A sweep that could be made.
struct Accepted {
    new: NewSweep,
    /// The body of its first member.
    first: JobSpec,
    experiment: Arc<Experiment>,
    cluster: Arc<Cluster>,
    /// With the names of bodies: the members that are new, each with its name.
    hashed: Option<BTreeMap<u32, String>>,
}

/// Checks a sweep that is to be made.
///
/// # Errors
/// What is wrong with it, or with one of its members.
pub fn create<S: Store>(engine: &mut Engine<S>, ask: SubmitSweep) -> Result<Checked, Refusal> {
    if let Some(known) = known(engine, &ask)? {
        return Ok(Checked::Reply(Reply::Sweep(Arc::new(view(engine, known)))));
    }
    let accepted = accept(engine, ask)?;
    let id = engine.sched.counters().sweep.next();
    let hashed = accepted.hashed;
    let (first, now) = (engine.sched.counters().job.next(), UnixMillis(0));
    let sweep = hashed.as_ref().map(|_| accepted.new.clone().row(id, first, accepted.experiment.workspace, now));
    let mut events = vec![Event::SweepCreated { sweep: accepted.new }];
    if let (Some(names), Some(sweep)) = (hashed, sweep) {
        // They are called by their bodies, which are all known by now, so all come up at once.
        let named = names.into_iter().map(|(index, name)| member(engine, &sweep, index, Some(name)));
        events.push(Event::SweepExpanded { effect: None, sweep: id, members: named.collect() });
        events.push(Event::SweepTrimmed { sweep: id, keep: 0 });
    }
    Ok(Checked::Do { events, then: After::NewSweep })
}

/// Says what a sweep would come to.
///
/// # Errors
/// As [`create`].
pub fn plan<S: Store>(engine: &mut Engine<S>, ask: SubmitSweep) -> Result<Checked, Refusal> {
    let Accepted { new, first, experiment, cluster, hashed } = accept(engine, ask)?;
    let sweep = new.clone().row(SweepId(0), JobId(0), experiment.workspace, UnixMillis(0));
    let shown = (0..new.count.min(NAMED)).chain((new.count > NAMED).then(|| new.count - 1));
    let member = |index: u32| {
        let hashed = hashed.as_ref().and_then(|names| names.get(&index).cloned());
        (hashed.unwrap_or_else(|| sweep.member_name(index)), new.spec.point(index).unwrap_or_default())
    };
    let known = hashed.as_ref().map_or(0, |names| new.count - u32::try_from(names.len()).unwrap_or(u32::MAX));
    let each = engine.sched.price(&cluster).over(first.constraints.max_wall_clock_time).0;
    let nodes = i64::from(first.node_count.0) * i64::from(new.count - known);
    let cost_most = Some(Money(each.saturating_mul(nodes))).filter(|cost| cost.0 > 0);
    Ok(Checked::Reply(Reply::SweepPlan(Box::new(SweepPlan {
        name: new.name.clone(),
        experiment: experiment.name.clone(),
        cluster: cluster.name.clone(),
        count: new.count,
        known,
        parameters: new.spec.names(),
        members: shown.map(member).collect(),
        node_count: first.node_count.0,
        cost_most,
    }))))
}

fn accept<S: Store>(engine: &mut Engine<S>, mut ask: SubmitSweep) -> Result<Accepted, Refusal> {
    check_parts(&ask.spec)?;
    let count = ask.spec.count();
    check_room(engine, count)?;
    let experiment = resolve::experiment(&engine.sched, &ask.experiment)?.clone();
    let first = body(&ask.spec, 0).map_err(|why| member_fault(&ask.spec, 0, why))?;
    let submit = Submit {
        experiment: ask.experiment.clone(),
        cluster: ask.cluster.clone(),
        name: None,
        spec: first.clone(),
        token: None,
    };
    let cluster = submit::cluster_of(engine, &submit, &experiment)?;
    refuse_deleting("experiment", &experiment.name, experiment.deleting)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    if first.scheduling.array.is_some() {
        return Err(Fault::user("a job of a sweep cannot be an array")
            .hint("make the index a parameter: -p i=0..99")
            .into());
    }
    for index in ask.spec.samples(LOOKED_AT) {
        let member = body(&ask.spec, index).map_err(|why| member_fault(&ask.spec, index, why))?;
        submit::check_spec(engine, &member, &cluster, experiment.workspace).map_err(|mut fault| {
            fault.message = format!("{}: {}", words(&ask.spec, index), fault.message);
            fault
        })?;
    }
    let is_repeat = known(engine, &ask)?.is_some();
    let name = match ask.name {
        Some(name) => name,
        None => format!("sweep-{}", engine.sched.counters().sweep.next().0),
    };
    // Its name is its own.
    if !is_repeat {
        check_free(engine, &experiment, &name, count, ask.spec.naming)?;
    }
    let dependencies = depend::find(engine, &experiment, &first.scheduling, &Taken::default())?;
    let fields = (0..ask.spec.sources.len()).map(|at| format!("secret {}", at + 1));
    secrets::keep(engine, fields.zip(ask.spec.sources.iter_mut()).collect())?;
    let hashed = match ask.spec.naming {
        Naming::Number => None,
        Naming::Hash => Some(hashed(engine, &experiment, &name, &ask.spec)?),
    };
    let new = NewSweep {
        experiment: experiment.id,
        cluster: cluster.id,
        name,
        uuid: (engine.draw)(),
        count,
        priority: first.scheduling_priority,
        held: ask.held,
        token: ask.token,
        dependencies,
        spec: Arc::new(ask.spec),
        indexes: None,
    };
    Ok(Accepted { new, first, experiment, cluster, hashed })
}

/// Returns the sweep that was made under the token before; its template says whether it was the same.
fn known<'a, S: Store>(engine: &'a Engine<S>, ask: &SubmitSweep) -> Result<Option<&'a Arc<Sweep>>, Fault> {
    let Some(token) = &ask.token else { return Ok(None) };
    let Some(sweep) = engine.sched.sweeps().values().find(|sweep| sweep.token.as_ref() == Some(token)) else {
        return Ok(None);
    };
    let same_name = ask.name.as_ref().is_none_or(|name| same_name(name, &sweep.name));
    if same_name && sweep.spec.template == ask.spec.template {
        return Ok(Some(sweep));
    }
    let (token, name) = (token.escape_debug(), &sweep.name);
    Err(Fault::user(format!("token `{token}` was used for sweep `{name}` with other content; nothing was submitted")))
}

fn check_parts(spec: &SweepSpec) -> Result<(), Fault> {
    let mut faults = spec.faults().into_iter();
    let Some(first) = faults.next() else { return Ok(()) };
    let mut fault = Fault::user(format!("sweep: {first}"));
    fault.causes.extend(faults);
    Err(fault)
}

fn check_room<S: Store>(engine: &Engine<S>, count: u32) -> Result<(), Fault> {
    if live(engine) + count as usize > LIVE_JOBS_MAX {
        return Err(
            Fault::user(format!("there would be more than {LIVE_JOBS_MAX} live jobs")).hint("wait until some have ended")
        );
    }
    Ok(())
}

/// Returns how many jobs are live, with the members that have not come up.
pub(super) fn live<S: Store>(engine: &Engine<S>) -> usize {
    let left: usize = engine.sched.sweeps().values().map(|sweep| sweep.left.len() as usize).sum();
    engine.sched.jobs().len() + left
}

/// Makes a member's body as it is stored.
fn body(spec: &SweepSpec, index: u32) -> Result<JobSpec, String> {
    let (mut body, _) = spec.body(index)?;
    body.resolve();
    Ok(body)
}

fn words(spec: &SweepSpec, index: u32) -> String {
    let parameters = spec.point(index).unwrap_or_default();
    let member = SweepMember { of: SweepId(0), name: String::new(), index, parameters, running_max: None };
    format!("member {} ({})", index + 1, member.words())
}

fn member_fault(spec: &SweepSpec, index: u32, why: String) -> Fault {
    Fault::user(format!("{}: {why}", words(spec, index)))
}

/// Refuses a name whose members could not all have theirs.
fn check_free<S: Store>(
    engine: &Engine<S>,
    experiment: &Experiment,
    name: &str,
    count: u32,
    naming: Naming,
) -> Result<(), Refusal> {
    check_name(name).map_err(|why| Fault::user(format!("sweep: {why}")))?;
    let most = match naming {
        Naming::Number => NAME_CHARS_MAX - 1 - count.to_string().len(),
        Naming::Hash => NAME_CHARS_MAX - HASH_CHARS - 1,
    };
    if name.len() > most {
        let fault = Fault::user(format!("sweep: the name `{name}` has {} characters", name.len()));
        return Err(fault.hint(format!("at most {most}, so that the names of its members fit")).into());
    }
    let taken = |what: String| {
        let fault = Fault::user(what).code(FaultCode::ResourceAlreadyExists).target(name);
        Err(fault.hint("choose another name with --name").into())
    };
    let others = engine.sched.sweeps().values().filter(|sweep| sweep.experiment == experiment.id);
    let (arrays, sweeps): (Vec<_>, Vec<_>) =
        others.filter(|sweep| same_name(&sweep.name, name)).partition(|sweep| sweep.is_array());
    if !sweeps.is_empty() {
        return taken(format!("sweep `{name}` already exists in experiment `{}`", experiment.name));
    }
    let to_come = || arrays.iter().find_map(|array| Some(array.member_name(array.left.iter().next()?)));
    if naming == Naming::Number
        && let Some(job) = engine.numbered_job(experiment.id, name)?.or_else(to_come)
    {
        return taken(format!(
            "job `{job}` already exists in experiment `{}`, as a member could be called",
            experiment.name
        ));
    }
    Ok(())
}

/// The published length of the hash in a name.
const HASH_CHARS: usize = 16;

/// Names every member by its body, and leaves out those that are there: in the sweep before, or in the experiment.
fn hashed<S: Store>(
    engine: &Engine<S>,
    experiment: &Experiment,
    name: &str,
    spec: &SweepSpec,
) -> Result<BTreeMap<u32, String>, Refusal> {
    if spec.count() > HASHED_MAX {
        return Err(Fault::user(format!(
            "{} members cannot be named by their bodies, the limit is {HASHED_MAX}",
            spec.count()
        ))
        .hint("let them have numbers")
        .into());
    }
    let (mut names, mut seen) = (BTreeMap::new(), std::collections::BTreeSet::new());
    for index in 0..spec.count() {
        let member = body(spec, index).map_err(|why| member_fault(spec, index, why))?;
        let own = format!("{name}_{}", hash(&member));
        if engine.job_named(experiment.id, &own)?.is_none() && seen.insert(own.clone()) {
            names.insert(index, own);
        }
    }
    if names.is_empty() {
        return Err(Fault::user("all members are there already: there are jobs with the same bodies").into());
    }
    Ok(names)
}

/// Returns the first digits of the SHA-1 of a body as JSON with sorted keys, as the published tools name jobs.
fn hash(spec: &JobSpec) -> String {
    let mut value = serde_json::Value::Object(crate::model::spec::body::job(spec));
    value.sort_all_objects();
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, value.to_string().as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex[..HASH_CHARS].to_owned()
}

/// Makes the next members of a sweep, as the core asks.
pub fn expand<S: Store>(engine: &Engine<S>, effect: crate::model::ids::EffectId, id: SweepId, count: u32) -> Event {
    let members = match engine.sched.sweeps().get(&id) {
        Some(sweep) => sweep.left.iter().take(count as usize).map(|index| member(engine, sweep, index, None)).collect(),
        None => Vec::new(),
    };
    Event::SweepExpanded { effect: Some(effect), sweep: id, members }
}

/// Returns the fact that brings up a member before its turn; `None` when it is no member that waits for that.
pub fn bring_up<S: Store>(engine: &Engine<S>, job: JobId) -> Option<Event> {
    let (sweep, index) = find(engine, job)?;
    let members = vec![member(engine, sweep, index, None)];
    Some(Event::SweepExpanded { effect: None, sweep: sweep.id, members })
}

/// Makes one member.
pub(super) fn member<S: Store>(engine: &Engine<S>, sweep: &Sweep, index: u32, name: Option<String>) -> NewMember {
    let name = name.unwrap_or_else(|| sweep.member_name(index));
    let Body { spec, dependencies, refused } = match &sweep.spec.array_of {
        Some(spec) => Body::of_array(sweep, spec),
        None => Body::of_sweep(engine, sweep, index),
    };
    let uuid = Uuid::new_v5(&sweep.uuid, &index.to_be_bytes());
    let workspace = resolve::workspace_name(&engine.sched, sweep.workspace);
    let group = resolve::group_name_of(&engine.sched, sweep.workspace);
    let experiment = resolve::experiment_name(&engine.sched, sweep.experiment);
    let (member, of) = places_of(sweep, index);
    let job = NewJob {
        experiment: sweep.experiment,
        cluster: sweep.cluster,
        segment: ResourceId::segment(group, workspace, experiment, &name, uuid),
        name,
        uuid,
        shape: submit::shape_on(engine.sched.clusters().get(&sweep.cluster).map(|cluster| &**cluster), &spec),
        spec,
        token: None,
        dependencies,
        member,
        sweep: of,
    };
    NewMember { index, job, refused }
}

/// Returns which member of an array, or of a sweep, a job is.
fn places_of(sweep: &Sweep, index: u32) -> (Option<ArrayMember>, Option<SweepMember>) {
    let name = sweep.name.clone();
    let Some(indexes) = &sweep.indexes else {
        let parameters = sweep.spec.point(index).unwrap_or_default();
        let of = SweepMember { of: sweep.id, name, index, parameters, running_max: sweep.spec.running_max };
        return (None, Some(of));
    };
    let member = ArrayMember {
        of: sweep.job_of(0).unwrap_or_default(),
        name,
        index: indexes.at(index).unwrap_or(u32::MAX),
        count: sweep.count(),
        running_max: indexes.running_max,
        row: Some(sweep.id),
    };
    (Some(member), None)
}

/// What a member is asked to do, and after what.
struct Body {
    spec: Arc<JobSpec>,
    dependencies: Vec<Dependency>,
    /// Why it cannot be a job.
    refused: Option<String>,
}

impl Body {
    /// All members of an array have one, which is shared; the core keeps what they still come after.
    fn of_array(sweep: &Sweep, spec: &Arc<JobSpec>) -> Self {
        let mut spec = spec.clone();
        if spec.scheduling_priority != sweep.priority {
            Arc::make_mut(&mut spec).scheduling_priority = sweep.priority;
        }
        Self { spec, dependencies: sweep.dependencies.clone(), refused: None }
    }

    /// One whose body is wrong becomes a job all the same, and fails with what is wrong.
    fn of_sweep<S: Store>(engine: &Engine<S>, sweep: &Sweep, index: u32) -> Self {
        let experiment = experiment_of(engine, sweep);
        let (mut spec, refused) = match body(&sweep.spec, index) {
            Ok(spec) => {
                let now = experiment.map(|of| depend::find(engine, of, &spec.scheduling, &Taken::default()));
                let why = match now {
                    Some(Err(Refusal::Fault(fault))) => Some(fault.message),
                    Some(Ok(_) | Err(Refusal::Store(_))) | None => None,
                };
                (spec, why)
            }
            Err(why) => (JobSpec::command("false"), Some(why)),
        };
        spec.scheduling_priority = sweep.priority;
        // What has happened by now of what it comes after is known here; the core no longer knows jobs that have ended.
        let dependencies = match experiment.filter(|_| !sweep.dependencies.is_empty()) {
            Some(of) => depend::find(engine, of, &spec.scheduling, &Taken::default()).unwrap_or_default(),
            None => Vec::new(),
        };
        Self { spec: Arc::new(spec), dependencies, refused }
    }
}

fn experiment_of<'a, S: Store>(engine: &'a Engine<S>, sweep: &Sweep) -> Option<&'a Experiment> {
    engine.sched.experiments().get(&sweep.experiment).map(|experiment| &**experiment)
}

/// Returns the job that a member will be.
fn job<S: Store>(engine: &Engine<S>, sweep: &Sweep, index: u32) -> Option<Arc<Job>> {
    let id = sweep.job_of(index)?;
    let NewMember { job, .. } = member(engine, sweep, index, None);
    let mut row = job.row(id, sweep.workspace, sweep.created);
    row.held = sweep.held;
    Some(Arc::new(row))
}

/// Returns the sweep and the index of a member that has not come up.
fn find<S: Store>(engine: &Engine<S>, job: JobId) -> Option<(&Arc<Sweep>, u32)> {
    engine.sched.sweeps().values().find_map(|sweep| {
        let index = sweep.index_of(job)?;
        sweep.left.contains(index).then_some((sweep, index))
    })
}

/// Returns a member that has not come up, by the number of its job.
pub fn by_id<S: Store>(engine: &Engine<S>, id: JobId) -> Option<Arc<Job>> {
    let (sweep, index) = find(engine, id)?;
    job(engine, sweep, index)
}

/// Returns a member that has not come up, by its name.
pub fn by_name<S: Store>(engine: &Engine<S>, experiment: ExperimentId, name: &str) -> Option<Arc<Job>> {
    let mut sweeps = engine.sched.sweeps().values().filter(|sweep| sweep.experiment == experiment);
    sweeps.find_map(|sweep| {
        let index = sweep.named(name)?;
        if sweep.left.contains(index) { job(engine, sweep, index) } else { None }
    })
}

/// Which jobs of sweeps are wanted beside those of the store.
pub struct Wanted<'a> {
    /// Of these experiments.
    pub experiments: Option<&'a [ExperimentId]>,
    /// On this cluster.
    pub cluster: Option<crate::model::ids::ClusterId>,
    /// Beyond this one.
    pub after: Option<JobId>,
    /// At most so many.
    pub limit: usize,
    /// From the newest down.
    pub newest_first: bool,
    /// In one of these states; any when empty.
    pub states: &'a [ExecutionState],
}

/// Returns the first members that have not come up and those that came up in this very turn, in the order of a page.
pub fn waiting<S: Store>(engine: &Engine<S>, wanted: &Wanted<'_>) -> Vec<Arc<Job>> {
    let mut ids: Vec<(JobId, &Arc<Sweep>, u32)> = Vec::new();
    let mut fresh: Vec<Arc<Job>> = Vec::new();
    let meant = |state: ExecutionState| wanted.states.is_empty() || wanted.states.contains(&state);
    let now = engine.sched.sweeps();
    // Of an array whose last members came up in this turn only the picture has the row.
    let gone = engine.snapshot().sweeps.values().filter(|array| array.is_array() && !now.contains_key(&array.id));
    let nothing = Spans::default();
    for (sweep, left) in now.values().map(|sweep| (sweep, &sweep.left)).chain(gone.map(|array| (array, &nothing))) {
        let there = wanted.experiments.is_none_or(|all| all.contains(&sweep.experiment))
            && wanted.cluster.is_none_or(|cluster| cluster == sweep.cluster);
        if !there {
            continue;
        }
        for block in &sweep.blocks {
            // The ids of a block grow with the index, so what the page is of stands together.
            let (begin, end) = (block.job.0, block.job.0 + u64::from(block.count));
            let (first, last) = match (wanted.after, wanted.newest_first) {
                (None, _) => (begin, end),
                (Some(after), false) => ((after.0 + 1).clamp(begin, end), end),
                (Some(after), true) => (begin, after.0.clamp(begin, end)),
            };
            // One may have come up and be on its way in the turn that is not in the store yet.
            let now = engine.sched.jobs().range(JobId(first)..JobId(last)).map(|(_, job)| job);
            fresh.extend(now.filter(|job| meant(job.state)).cloned());
            if !meant(ExecutionState::Queued) {
                continue;
            }
            let index_of = |id: u64| block.first + u32::try_from(id - begin).unwrap_or(block.count);
            let with_id = |index: u32| (JobId(begin + u64::from(index - block.first)), sweep, index);
            let left = left.within(index_of(first), index_of(last));
            match wanted.newest_first {
                true => ids.extend(left.rev().map(with_id).take(wanted.limit)),
                false => ids.extend(left.map(with_id).take(wanted.limit)),
            }
        }
    }
    ids.sort_by_key(|(id, ..)| *id);
    if wanted.newest_first {
        ids.reverse();
    }
    ids.truncate(wanted.limit);
    let mut jobs: Vec<Arc<Job>> = ids.into_iter().filter_map(|(_, sweep, index)| job(engine, sweep, index)).collect();
    jobs.extend(fresh);
    jobs
}

/// Finds a sweep by what people type.
///
/// # Errors
/// There is none, or several of that name in the workspace.
pub fn resolve_sweep<S: Store>(engine: &Engine<S>, sweep: &SweepRef) -> Result<Arc<Sweep>, Refusal> {
    let none = |name: &str| Fault::user(format!("no sweep `{}`", name.escape_debug())).code(FaultCode::ResourceNotFound);
    let sweeps = engine.sched.sweeps();
    match sweep {
        SweepRef::Id(id) => {
            let found = sweeps.get(id).filter(|sweep| !sweep.is_array());
            Ok(found.cloned().ok_or_else(|| none(&id.to_string()))?)
        }
        SweepRef::Named { experiment, sweep: name } => {
            let of: Vec<ExperimentId> = match &experiment.name {
                Some(_) => vec![resolve::experiment(&engine.sched, experiment)?.id],
                None => {
                    let workspace = resolve::workspace(&engine.sched, experiment.workspace.as_deref())?;
                    resolve::experiments_in(&engine.sched, workspace.id).map(|e| e.id).collect()
                }
            };
            let fits =
                |sweep: &&Arc<Sweep>| of.contains(&sweep.experiment) && !sweep.is_array() && same_name(&sweep.name, name);
            let mut found = sweeps.values().filter(fits);
            match (found.next(), found.next()) {
                (Some(sweep), None) => Ok(sweep.clone()),
                (Some(_), Some(_)) => Err(Fault::user(format!("several sweeps are called `{name}`"))
                    .hint("name the experiment with --experiment, or use the sweep's id")
                    .into()),
                (None, _) => Err(none(name).hint("ostler sweep list shows what there is").into()),
            }
        }
    }
}

/// Returns a sweep with the names of what belongs to it.
pub fn view<S: Store>(engine: &Engine<S>, sweep: &Arc<Sweep>) -> SweepView {
    SweepView {
        sweep: sweep.clone(),
        spec: sweep.spec.clone(),
        workspace: resolve::workspace_name(&engine.sched, sweep.workspace).to_owned(),
        experiment: resolve::experiment_name(&engine.sched, sweep.experiment).to_owned(),
        cluster: resolve::cluster_name(&engine.sched, sweep.cluster).to_owned(),
    }
}

/// Finds what is to be acted on: a sweep, or by its number an array, as far as that goes by members that have not come up.
fn resolve_for<S: Store>(engine: &Engine<S>, sweep: &SweepRef, act: &SweepAct) -> Result<Arc<Sweep>, Refusal> {
    match (sweep, act) {
        (SweepRef::Id(id), SweepAct::Stop | SweepAct::Pause | SweepAct::Resume | SweepAct::Priority { .. }) => {
            let array = engine.sched.sweeps().get(id).filter(|row| row.is_array()).cloned();
            array.map_or_else(|| resolve_sweep(engine, sweep), Ok)
        }
        (_, _) => resolve_sweep(engine, sweep),
    }
}

/// Checks an act on a whole sweep.
///
/// # Errors
/// Why it cannot be done.
pub fn act<S: Store>(engine: &Engine<S>, sweep: &SweepRef, act: SweepAct) -> Result<Checked, Refusal> {
    let sweep = resolve_for(engine, sweep, &act)?;
    let id = sweep.id;
    match act {
        SweepAct::Stop => accepted(Event::SweepStopped { sweep: id }),
        SweepAct::Pause => accepted(Event::SweepHeld { sweep: id, held: true }),
        SweepAct::Resume => accepted(Event::SweepHeld { sweep: id, held: false }),
        SweepAct::Priority { priority } => accepted(Event::SweepPriority { sweep: id, priority }),
        SweepAct::Delete => accepted(Event::SweepDeleted { sweep: id }),
        SweepAct::Trim { keep } => {
            let gone = sweep.left.iter().rev().take_while(|index| *index >= keep).count();
            let note = match gone {
                0 => "no member goes: what has come up is stopped or deleted as a job".to_owned(),
                gone => format!("{gone} members go that have not come up"),
            };
            let event = Event::SweepTrimmed { sweep: id, keep };
            Ok(Checked::Do { events: vec![event], then: After::Accepted(Some(note)) })
        }
        SweepAct::Extend { part } => extend(engine, &sweep, part),
    }
}

fn extend<S: Store>(engine: &Engine<S>, sweep: &Sweep, part: Part) -> Result<Checked, Refusal> {
    let experiment = experiment_of(engine, sweep).cloned().ok_or_else(|| Fault::user("its experiment is gone"))?;
    refuse_deleting("experiment", &experiment.name, experiment.deleting)?;
    let before = sweep.spec.count();
    let spec = sweep.spec.extended(part);
    check_parts(&spec)?;
    let count = spec.count() - before;
    check_room(engine, count)?;
    if count == 0 {
        return Err(Fault::user("that makes no member more").into());
    }
    for index in spec.samples(LOOKED_AT).into_iter().filter(|index| *index >= before) {
        body(&spec, index).map_err(|why| member_fault(&spec, index, why))?;
    }
    let extended = Event::SweepExtended { sweep: sweep.id, spec: Arc::new(spec.clone()), count };
    if sweep.spec.naming == Naming::Number {
        let note = format!("{count} members more: {} in all", before + count);
        return Ok(Checked::Do { events: vec![extended], then: After::Accepted(Some(note)) });
    }
    // They are called by their bodies, which are all known by now, so all that are new come up at once.
    let names = hashed(engine, &experiment, &sweep.name, &spec)?;
    let names: BTreeMap<u32, String> = names.into_iter().filter(|(index, _)| *index >= before).collect();
    let note = format!("{} members more, {} are there already", names.len(), count as usize - names.len());
    let longer = Sweep { spec: Arc::new(spec), ..sweep.clone() };
    let members = names.into_iter().map(|(index, name)| member(engine, &longer, index, Some(name))).collect();
    let events = vec![
        extended,
        Event::SweepExpanded { effect: None, sweep: sweep.id, members },
        Event::SweepTrimmed { sweep: sweep.id, keep: before },
    ];
    Ok(Checked::Do { events, then: After::Accepted(Some(note)) })
}
