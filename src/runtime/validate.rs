//! From requests to events: what can be refused is refused here, against the state as it is, so that the core never has to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::cost::AtWork;
use crate::model::fault::{Fault, FaultCode};
use crate::model::ids::{JobId, NodeId, WorkspaceId};
use crate::model::names::check_name;
use crate::model::nearest::nearest;
use crate::model::node_class;
use crate::model::request::{GpuRule, JobAct, JobRef, JobView, NodeAct, Place, Reply, Request, Scale, Status, Submit};
use crate::model::resource_id::{Child, ResourceId};
use crate::model::site::SiteAct;
use crate::model::site_ask::SiteAsk;
use crate::model::snapshot::{Change, RowKey};
use crate::model::spec::cluster::GPU_IDLE_MIN;
use crate::model::spec::secret::sources_of_cluster;
use crate::model::spec::{AutoScale, ClusterSpec, ProviderSpec, ScaleSettings};
use crate::model::state::{Cluster, ExecutionState, Job};
use crate::model::units::{Millis, NodeCount, UnixMillis};
use crate::providers;
use crate::runtime::engine::{Engine, FileWork};
use crate::runtime::{
    depend, handover, listing, locate, perform, places, plan, pools, provide, resolve, secrets, site_acts, submit, sweeps,
    usage, views, volumes,
};
use crate::sched::Event;
use crate::store::{Store, StoreError};

/// What a request comes to.
pub enum Checked {
    /// Answered from what is so.
    Reply(Reply),
    /// These facts, then this answer.
    Do { events: Vec<Event>, then: After },
    /// Answered when the job has ended, or at that time.
    Await { job: JobId, until: Option<UnixMillis> },
    /// Answered with metrics of jobs.
    Metrics { jobs: Vec<JobId>, curves: Vec<String> },
    /// Answered with what was measured on a node.
    History { node: NodeId, since: UnixMillis },
    /// The newest measurements of nodes.
    Loads { nodes: Vec<NodeId> },
    /// Answered with a fresh picture by the dispatcher of this login node.
    Site { node: NodeId },
    /// Answered by this login node.
    SiteAsk { node: NodeId, ask: SiteAsk },
    /// Done by the dispatcher of this login node, which answers.
    SiteAct { node: NodeId, act: SiteAct },
    /// Answered by somebody who looks at a node.
    Outside(FileWork),
}

/// What is answered after the facts are in.
pub enum After {
    /// That it was done.
    Accepted(Option<String>),
    /// The newest workspace, experiment or cluster.
    NewWorkspace,
    /// See above.
    NewExperiment,
    /// See above.
    NewCluster,
    /// See above.
    NewGroup,
    /// See above.
    NewFileServer,
    /// See above.
    NewSweep,
    /// These jobs; `None` stands for the next of the new ones.
    Jobs(Vec<Option<JobId>>),
    /// These members of one array, likewise.
    Array(Vec<Option<JobId>>),
}

/// An answer that can be given once the turn is committed.
pub enum Then {
    /// This.
    Say(Reply),
    /// This row as it is then.
    Row(RowKey),
    /// These jobs as they are then.
    Jobs(Vec<JobId>),
    /// The first of these jobs as it is then, and the numbers of all.
    Array(Vec<JobId>),
}

/// Why a request comes to nothing.
pub enum Refusal {
    /// Told to who asked.
    Fault(Fault),
    /// The store cannot be read: the runtime stops.
    Store(StoreError),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl After {
    /// Finds what the facts have made; called right after they were stepped.
    pub fn settle<S: Store>(self, engine: &Engine<S>) -> Then {
        let last = engine.sched.counters();
        match self {
            Self::Accepted(note) => Then::Say(Reply::Accepted { note }),
            Self::NewWorkspace => Then::Row(RowKey::Workspace(last.workspace)),
            Self::NewExperiment => Then::Row(RowKey::Experiment(last.experiment)),
            Self::NewCluster => Then::Row(RowKey::Cluster(last.cluster)),
            Self::NewGroup => Then::Row(RowKey::Group(last.group)),
            Self::NewSweep => Then::Row(RowKey::Sweep(last.sweep)),
            Self::NewFileServer => Then::Row(RowKey::FileServer(last.file_server)),
            Self::Jobs(jobs) => Then::Jobs(numbered(jobs, last.job)),
            Self::Array(jobs) => Then::Array(numbered(jobs, last.job)),
        }
    }
}

impl Then {
    /// Makes the answer.
    pub fn reply<S: Store>(self, engine: &Engine<S>) -> Reply {
        match self {
            Self::Say(reply) => reply,
            Self::Row(key) => match engine.sched.row(key) {
                Some(Change::Workspace(row)) => Reply::Workspace(row),
                Some(Change::Experiment(row)) => Reply::Experiment(row),
                Some(Change::Cluster(row)) => Reply::Cluster(row),
                Some(Change::Group(row)) => Reply::Group(row),
                Some(Change::Sweep(row)) => Reply::Sweep(Arc::new(sweeps::view(engine, &row))),
                Some(Change::FileServer(row)) => Reply::FileServer(Arc::new(views::file_server(&engine.sched, &row))),
                Some(Change::Node(_) | Change::Job(_) | Change::Site(_) | Change::Gone(_)) | None => {
                    Reply::Accepted { note: None }
                }
            },
            Self::Jobs(ids) => match ids.iter().map(|id| engine.job(*id)).collect::<Result<Option<Vec<_>>, _>>() {
                Ok(Some(jobs)) => Reply::Submitted(jobs),
                Ok(None) => Reply::Refused(Fault::internal("a job that was just submitted is gone")),
                Err(error) => Reply::Refused(error.into()),
            },
            Self::Array(jobs) => match jobs.first().map(|id| engine.job(*id)).transpose().map(Option::flatten) {
                Ok(Some(first)) => Reply::SubmittedArray { first, jobs },
                Ok(None) => Reply::Refused(Fault::internal("an array that was just submitted is gone")),
                Err(error) => Reply::Refused(error.into()),
            },
        }
    }
}

/// Gives the new ones among some jobs the numbers that they were given, up to the last one.
fn numbered(jobs: Vec<Option<JobId>>, last: JobId) -> Vec<JobId> {
    let new = jobs.iter().filter(|job| job.is_none()).count() as u64;
    let mut next = last.0 - new;
    let number = |job: Option<JobId>| {
        job.unwrap_or_else(|| {
            next += 1;
            JobId(next)
        })
    };
    jobs.into_iter().map(number).collect()
}

/// Checks a request against the state as it is.
///
/// # Errors
/// Why it cannot be done.
pub fn check<S: Store>(engine: &mut Engine<S>, now: UnixMillis, request: Request) -> Result<Checked, Refusal> {
    match request {
        Request::Status => Ok(Checked::Reply(Reply::Status(status(engine)))),
        Request::CreateGroup { name } => places::create_group(engine, name),
        Request::DeleteGroup { group, force } => places::delete_group(engine, &group, force),
        Request::CreateWorkspace { name, location, tags } => places::create_workspace(engine, &name, location, tags),
        Request::CreateFileServer { workspace, name, spec } => places::create_file_server(engine, workspace, name, *spec),
        Request::DeleteFileServer { file_server, force } => places::delete_file_server(engine, &file_server, force),
        Request::ShowFileServer(place) => {
            let server = resolve::file_server(&engine.sched, &place)?;
            Ok(Checked::Reply(Reply::FileServer(Arc::new(views::file_server(&engine.sched, server)))))
        }
        Request::FileServerSpace(place) => {
            let located = locate::of_file_server(engine, &place)?;
            let command = format!("df -kP -- {}", crate::transport::frame::quote(&located.folder));
            Ok(Checked::Outside(FileWork::Exec { link: located.link, command }))
        }
        Request::TagWorkspace { workspace, tags } => {
            let workspace = resolve::workspace(&engine.sched, workspace.as_deref())?.id;
            accepted(Event::WorkspaceTagged { workspace, tags })
        }
        Request::DeleteWorkspace { workspace, force } => places::delete_workspace(engine, &workspace, force),
        Request::CreateExperiment { workspace, name } => create_experiment(engine, workspace, name),
        Request::CapExperiment { experiment, running_max } => {
            let experiment = resolve::experiment(&engine.sched, &experiment)?;
            refuse_deleting("experiment", &experiment.name, experiment.deleting)?;
            if running_max == Some(0) {
                return Err(Fault::user("0 jobs may run at once: nothing would ever run")
                    .hint("hold the jobs instead, or leave the number out to lift the limit")
                    .into());
            }
            match experiment.running_max == running_max {
                true => noted("that is so already"),
                false => accepted(Event::ExperimentCapped { experiment: experiment.id, running_max }),
            }
        }
        Request::DeleteExperiment(place) => {
            let experiment = resolve::experiment(&engine.sched, &place)?;
            let note = match experiment.tally.live() {
                0 => None,
                live => Some(format!("{live} jobs are stopped first")),
            };
            let event = Event::ExperimentDeleteAsked { experiment: experiment.id };
            done(event, After::Accepted(note))
        }
        Request::CreateCluster { workspace, name, spec } => create_cluster(engine, workspace, name, *spec),
        Request::DeleteCluster { cluster, force } => delete_cluster(engine, &cluster, force),
        Request::Scale(scale) => rescale(engine, &scale),
        Request::TakeScaleBack { cluster } => pools::take_scale_back(engine, &cluster),
        Request::KeepAwake { cluster, span } => pools::keep_awake(engine, now, &cluster, span),
        Request::ResumeScaling { cluster } => pools::resume(engine, &cluster),
        Request::SetBudget { cluster, workspace, budget } => pools::set_budget(engine, cluster, workspace, budget),
        Request::ChangeHosts { cluster, add, remove } => pools::change(engine, &cluster, &add, &remove),
        Request::AutoScale { cluster, minimum, maximum, idle, gpu_idle } => {
            auto_scale(engine, &cluster, minimum, maximum, idle, gpu_idle)
        }
        Request::PreviewScale(scale) => preview(engine, &scale),
        Request::Node { node, act } => act_on_node(engine, &node, act),
        Request::Submit(submit) => submit::check(engine, vec![*submit]),
        Request::PlanJob { submit, stand_ins } => plan::check(engine, now, *submit, stand_ins),
        Request::SubmitAll(submits) => submit::check(engine, submits),
        Request::Replace { job, submit } => replace(engine, now, &job, *submit),
        Request::CreateSweep(ask) => sweeps::create(engine, *ask),
        Request::PlanSweep(ask) => sweeps::plan(engine, *ask),
        Request::ShowSweep(sweep) => {
            let sweep = sweeps::resolve_sweep(engine, &sweep)?;
            Ok(Checked::Reply(Reply::Sweep(Arc::new(sweeps::view(engine, &sweep)))))
        }
        Request::Sweep { sweep, act } => sweeps::act(engine, &sweep, act),
        Request::Job { job, act } => act_on_job(engine, now, &job, act),
        Request::ShowJob(job) => {
            let job = find_job(engine, &job)?;
            let logs = locate::note(engine, &job);
            let starts = engine.sched.forecast(now, job.cluster).get(&job.id).copied();
            Ok(Checked::Reply(Reply::Job(Arc::new(JobView { logs, starts, ..views::job(&engine.sched, job) }))))
        }
        Request::WhyJob(job) => why(engine, now, &job),
        Request::AwaitJob { job, timeout } => {
            let job = find_job(engine, &job)?;
            if job.state.ended() {
                return Ok(Checked::Reply(Reply::Job(Arc::new(views::job(&engine.sched, job)))));
            }
            Ok(Checked::Await { job: job.id, until: timeout.map(|span| now + span) })
        }
        Request::ListJobs(query) => listing::jobs(engine, now, &query),
        Request::TabulateJobs { query, columns } => listing::table(engine, now, &query, &columns),
        Request::ListAll { workspace } => list_all(engine, now, workspace.as_deref()),
        Request::ReadFile(window) => {
            let located = locate::file(engine, &window.file)?;
            Ok(Checked::Outside(FileWork::Read { located, from: window.from, bytes: window.bytes }))
        }
        Request::SearchFile(search) => {
            let located = locate::file(engine, &search.file)?;
            let (text, from, backwards) = (search.text, search.from, search.backwards);
            Ok(Checked::Outside(FileWork::Search { located, text, from, backwards }))
        }
        Request::ListLogs(job) => Ok(Checked::Outside(FileWork::List { folders: locate::logs(engine, &job)? })),
        Request::ListFiles(folder) => {
            let folders = locate::folders(engine, &folder)?;
            Ok(Checked::Outside(FileWork::Entries { folders }))
        }
        Request::Metrics { jobs, curves } => {
            if jobs.len() > crate::model::request::PAGE_MAX as usize {
                return Err(Fault::user("metrics of more jobs than a page has are asked for").into());
            }
            Ok(Checked::Metrics { jobs, curves })
        }
        Request::NodeHistory { node, span } => {
            let node = resolve::node(&engine.sched, &node)?.id;
            Ok(Checked::History { node, since: now - span })
        }
        Request::NodeLoads(cluster) => {
            let cluster = resolve::cluster(&engine.sched, &cluster)?.id;
            Ok(Checked::Loads { nodes: engine.sched.nodes_of(cluster).map(|node| node.id).collect() })
        }
        Request::NodeWay { node, sign_in } => {
            let node = resolve::node(&engine.sched, &node)?;
            let link = perform::link_of(engine, node)
                .ok_or_else(|| Fault::user(format!("node `{}` has no machine yet", node.name)))?;
            Ok(Checked::Outside(FileWork::Way { link: Box::new(link), sign_in }))
        }
        Request::Exec { node, command } => {
            let node = resolve::node(&engine.sched, &node)?;
            let link = perform::link_of(engine, node)
                .ok_or_else(|| Fault::user(format!("node `{}` has no machine yet", node.name)))?;
            Ok(Checked::Outside(FileWork::Exec { link: Box::new(link), command }))
        }
        Request::ShowSite(place) => {
            let cluster = resolve::cluster(&engine.sched, &place)?;
            Ok(Checked::Site { node: site_acts::door(&engine.sched, cluster, &engine.up)? })
        }
        Request::AskSite { cluster, ask } => {
            let cluster = resolve::cluster(&engine.sched, &cluster)?;
            site_acts::check_ask(&ask)?;
            Ok(Checked::SiteAsk { node: site_acts::door(&engine.sched, cluster, &engine.up)?, ask })
        }
        Request::ActAtSite { cluster, act } => {
            let cluster = resolve::cluster(&engine.sched, &cluster)?;
            let node = site_acts::door(&engine.sched, cluster, &engine.up)?;
            site_acts::check(&act)?;
            Ok(Checked::SiteAct { node, act })
        }
        Request::Usage => Ok(Checked::Reply(Reply::Usages(usage::usages(engine)))),
        Request::Stop => Ok(Checked::Reply(Reply::Accepted { note: None })),
    }
}

pub(super) fn done(event: Event, then: After) -> Result<Checked, Refusal> {
    Ok(Checked::Do { events: vec![event], then })
}

pub(super) fn accepted(event: Event) -> Result<Checked, Refusal> {
    done(event, After::Accepted(None))
}

fn noted(note: impl Into<String>) -> Result<Checked, Refusal> {
    Ok(Checked::Reply(Reply::Accepted { note: Some(note.into()) }))
}

pub(super) fn named(name: &str, kind: &str, taken: bool) -> Result<(), Fault> {
    let bad = |why| Fault::user(format!("{kind}: {why}")).code(FaultCode::InvalidName).target(name);
    check_name(name).map_err(bad)?;
    if taken {
        return Err(Fault::user(format!("{kind} `{name}` already exists"))
            .code(FaultCode::ResourceAlreadyExists)
            .target(name)
            .hint("choose another name, or delete it first"));
    }
    Ok(())
}

fn status<S: Store>(engine: &Engine<S>) -> Status {
    Status {
        pid: engine.around.pid,
        epoch: engine.epoch,
        socket: engine.around.socket.clone(),
        started_at: engine.started_at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        undone: engine.sched.undone(),
    }
}

fn create_experiment<S: Store>(engine: &Engine<S>, workspace: Option<String>, name: String) -> Result<Checked, Refusal> {
    let workspace = resolve::workspace(&engine.sched, workspace.as_deref())?;
    let place = Place { workspace: Some(workspace.name.clone()), name: Some(name.clone()) };
    named(&name, "experiment", resolve::experiment(&engine.sched, &place).is_ok())?;
    refuse_deleting("workspace", &workspace.name, workspace.deleting)?;
    done(Event::ExperimentCreated { workspace: workspace.id, name }, After::NewExperiment)
}

/// Refuses work for something that is on its way out.
///
/// # Errors
/// When `deleting`.
pub fn refuse_deleting(kind: &str, name: &str, deleting: bool) -> Result<(), Fault> {
    if !deleting {
        return Ok(());
    }
    Err(Fault::user(format!("{kind} `{name}` is being deleted")).code(FaultCode::ResourceBeingDeleted).target(name))
}

fn create_cluster<S: Store>(
    engine: &mut Engine<S>,
    workspace: Option<String>,
    name: String,
    mut spec: ClusterSpec,
) -> Result<Checked, Refusal> {
    let workspace = resolve::workspace(&engine.sched, workspace.as_deref())?.clone();
    let place = Place { workspace: Some(workspace.name.clone()), name: Some(name.clone()) };
    named(&name, "cluster", resolve::cluster(&engine.sched, &place).is_ok())?;
    refuse_deleting("workspace", &workspace.name, workspace.deleting)?;
    usage::check_clusters(engine)?;
    check_scaling(engine, &spec.scale_settings)?;
    find_class(engine, &mut spec)?;
    pools::fill_hosts(&mut spec)?;
    if let ProviderSpec::Hosts { hosts } = &spec.provider {
        check_hosts(hosts)?;
    }
    check_node_setup(engine, workspace.id, &spec)?;
    secrets::keep(engine, sources_of_cluster(&mut spec))?;
    let uuid = (engine.draw)();
    done(Event::ClusterCreated { workspace: workspace.id, name, uuid, spec }, After::NewCluster)
}

fn check_scaling<S: Store>(engine: &Engine<S>, settings: &ScaleSettings) -> Result<(), Fault> {
    match settings {
        ScaleSettings::Manual { target_node_count, .. } => usage::check_target(engine, *target_node_count),
        ScaleSettings::AutoScale(auto) => {
            usage::check_target(engine, auto.maximum_node_count)?;
            let (least, most) = (auto.minimum_node_count, auto.maximum_node_count);
            if most == NodeCount(0) || least > most {
                return Err(Fault::user(format!("auto-scale from {least} to {most} nodes is no range"))
                    .hint("the maximum is at least 1 and not below the minimum"));
            }
            Ok(())
        }
    }
}

fn auto_scale<S: Store>(
    engine: &Engine<S>,
    place: &Place,
    minimum: NodeCount,
    maximum: NodeCount,
    idle: Option<Millis>,
    gpu_idle: Option<GpuRule>,
) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, place)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    handover::check_ours(cluster)?;
    let before = match cluster.spec.scale_settings {
        ScaleSettings::AutoScale(before) => before,
        ScaleSettings::Manual { target_node_count, .. } => AutoScale::new(minimum, maximum, target_node_count),
    };
    let gpu_idle = match gpu_idle {
        None => before.gpu_idle,
        Some(GpuRule::Off) => None,
        Some(GpuRule::On(rule)) if rule.after < GPU_IDLE_MIN => {
            return Err(Fault::user(format!("what GPUs are not used for is minded after {GPU_IDLE_MIN} at least")).into());
        }
        Some(GpuRule::On(rule)) => Some(rule),
    };
    let (minimum_node_count, maximum_node_count) = (minimum, maximum);
    let idle = idle.unwrap_or(before.idle);
    let auto = AutoScale { minimum_node_count, maximum_node_count, idle, gpu_idle, ..before };
    check_scaling(engine, &ScaleSettings::AutoScale(auto))?;
    let mut note =
        format!("{minimum} to {maximum} nodes as the work needs; one goes when nothing has used it for {}", auto.idle);
    if let Some(rule) = &auto.gpu_idle {
        note.push_str(&format!("; {}", rule.words()));
    }
    done(Event::AutoScaleAsked { cluster: cluster.id, auto }, After::Accepted(Some(note)))
}

fn check_node_setup<S: Store>(engine: &Engine<S>, home: WorkspaceId, spec: &ClusterSpec) -> Result<(), Fault> {
    let Some(setup) = &spec.node_setup else { return Ok(()) };
    let found = volumes::resolve(&engine.sched, &engine.settings, home, &setup.mount_volumes);
    let mut faults = found.err().unwrap_or_default();
    if let Some(task) = &setup.setup_task {
        let place = crate::model::launch::NodePlace { root: "/x".to_owned(), ..Default::default() };
        match crate::frameworks::task_logs(&place, task, "s") {
            Err(fault) => faults.push(fault),
            Ok(logs) => {
                let below = logs.strip_prefix("/x/mounts/cluster");
                if below.is_some_and(|below| !setup.mount_volumes.covers(below)) {
                    faults.push(Fault::user(
                        "nodeSetup.setupTask.stdOutErrPathPrefix: nothing is mounted there by nodeSetup.mountVolumes",
                    ));
                }
            }
        }
    }
    let mut faults = faults.into_iter();
    let Some(mut first) = faults.next() else { return Ok(()) };
    for fault in faults {
        first.causes.push(fault.message);
        first.hints.extend(fault.hints);
    }
    first.message = format!("nodeSetup: {}", first.message);
    Err(first)
}

/// Puts the hosts of the node class that `vmSize` names in the place of none, and the class's name as it is configured.
fn find_class<S: Store>(engine: &Engine<S>, spec: &mut ClusterSpec) -> Result<(), Fault> {
    let classes = &engine.settings.node_classes;
    let size = spec.vm_size.clone().unwrap_or_default();
    let found = node_class::find(classes, &size);
    if let Some((name, _)) = found {
        spec.vm_size = Some(name.clone());
    }
    if spec.provider != ProviderSpec::Class {
        return Ok(());
    }
    let hint =
        format!("give the nodes (--hosts 'node[1-4]'), or configure the class: [node_classes.{size}] hosts = \"node[1-4]\"");
    let fault = |what: String| Fault::user(what).target(&size).hint(hint.clone());
    let Some((name, class)) = found else {
        let near = nearest(&size.to_ascii_uppercase(), classes.keys().map(String::as_str));
        let fault = fault(format!(
            "vmSize: the configuration has no node class `{}`, and the cluster names no hosts",
            size.escape_debug()
        ));
        return Err(match near {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        });
    };
    let Some(provider) = &class.provider else {
        return Err(fault(format!("vmSize: the node class `{name}` says nothing of hosts, and the cluster names none")));
    };
    spec.provider = provider.clone();
    let account = spec.machines.user_account_settings.as_ref().filter(|_| class.admin_user);
    if let (ProviderSpec::Hosts { hosts }, Some(account)) = (&mut spec.provider, account) {
        for host in hosts.iter_mut().filter(|host| !host.contains('@')) {
            *host = format!("{}@{host}", account.admin_user_name);
        }
    }
    Ok(())
}

fn check_hosts(hosts: &[String]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for host in hosts {
        crate::model::names::check_host(host).map_err(Fault::user)?;
        if !seen.insert(host.to_ascii_lowercase()) {
            return Err(Fault::user(format!("host `{host}` is named twice")));
        }
    }
    if hosts.is_empty() {
        return Err(Fault::user("the cluster has no hosts").hint("name them: --hosts 'node[1-4]'"));
    }
    Ok(())
}

fn delete_cluster<S: Store>(engine: &Engine<S>, place: &Place, force: bool) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, place)?;
    let up = engine.sched.jobs().values().filter(|job| job.cluster == cluster.id && !job.state.ended()).count();
    let of_cluster = engine.sched.sweeps().values().filter(|sweep| sweep.cluster == cluster.id);
    let live = up + of_cluster.map(|sweep| sweep.left.len() as usize).sum::<usize>();
    if live > 0 && !force {
        return Err(Fault::user(format!("{live} jobs wait or run on cluster `{}`", cluster.name))
            .code(FaultCode::ResourceInUse)
            .target(&cluster.name)
            .hint("stop them first, or delete the cluster with --force, which ends them")
            .into());
    }
    accepted(Event::ClusterDeleteAsked { cluster: cluster.id })
}

fn rescale<S: Store>(engine: &Engine<S>, scale: &Scale) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, &scale.cluster)?;
    refuse_deleting("cluster", &cluster.name, cluster.deleting)?;
    handover::check_ours(cluster)?;
    usage::check_target(engine, scale.target)?;
    let now = cluster.spec.scale_settings.target();
    if let Some(seen) = scale.seen
        && seen != now
    {
        return Err(Fault::user(format!("the target of `{}` is {now} by now, not {seen}", cluster.name))
            .code(FaultCode::Conflict)
            .target(&cluster.name)
            .hint("look again and repeat it")
            .into());
    }
    let preview = engine.sched.preview_scale(cluster.id, scale.target, scale.deallocation, free_hosts(engine, cluster));
    let event = Event::ScaleAsked { cluster: cluster.id, target: scale.target, deallocation: scale.deallocation };
    done(event, After::Accepted(Some(preview.line)))
}

/// How many hosts a pool could still give; `None` when it has no bound that is known here.
fn free_hosts<S: Store>(engine: &Engine<S>, cluster: &Cluster) -> Option<NodeCount> {
    cluster.spec.provider.hosts().map(|hosts| providers::hosts::free(hosts, &provide::book(engine)))
}

fn preview<S: Store>(engine: &Engine<S>, scale: &Scale) -> Result<Checked, Refusal> {
    let cluster = resolve::cluster(&engine.sched, &scale.cluster)?;
    handover::check_ours(cluster)?;
    usage::check_target(engine, scale.target)?;
    let preview = engine.sched.preview_scale(cluster.id, scale.target, scale.deallocation, free_hosts(engine, cluster));
    Ok(Checked::Reply(Reply::Preview(preview)))
}

/// Returns the cluster and the name of a node that is not ours but Slurm's.
fn theirs<'a, S: Store>(engine: &'a Engine<S>, node: &crate::model::request::NodeRef) -> Option<(&'a Cluster, String)> {
    let crate::model::request::NodeRef::Named { cluster, node: name } = node else { return None };
    let cluster = resolve::cluster(&engine.sched, cluster).ok()?;
    let is_door = engine.sched.nodes_of(cluster.id).any(|door| door.name == *name || door.id.to_string() == *name);
    (cluster.spec.slurm.is_some() && !is_door).then(|| (&**cluster, name.clone()))
}

fn act_on_node<S: Store>(
    engine: &Engine<S>,
    node: &crate::model::request::NodeRef,
    act: NodeAct,
) -> Result<Checked, Refusal> {
    if let Some((cluster, name)) = theirs(engine, node) {
        let act = site_acts::of_node(&name, &act)?;
        return Ok(Checked::SiteAct { node: site_acts::door(&engine.sched, cluster, &engine.up)?, act });
    }
    let node = resolve::node(&engine.sched, node)?;
    let id = node.id;
    match act {
        NodeAct::Prepare => accepted(Event::PrepareAsked { node: id }),
        NodeAct::Replace => {
            if let Some((job, _)) = node.holders.first() {
                return Err(Fault::user(format!("{job} has node `{}`", node.name))
                    .hint("drain it and wait, stop the job, or declare the node dead if it is")
                    .into());
            }
            accepted(Event::ReplaceAsked { node: id })
        }
        NodeAct::Drain => accepted(Event::DrainAsked { node: id }),
        NodeAct::Undrain => accepted(Event::UndrainAsked { node: id }),
        NodeAct::DeclareDead { by } => {
            if engine.up.contains(&id) {
                return Err(Fault::user(format!("node `{}` answers; it is not dead", node.name))
                    .hint("stop its job, or drain the node")
                    .into());
            }
            accepted(Event::DeclaredDead { node: id, by })
        }
    }
}

/// Finds a job by what people type.
///
/// # Errors
/// There is none, or several of that name in the workspace.
pub fn find_job<S: Store>(engine: &Engine<S>, job: &JobRef) -> Result<Arc<Job>, Refusal> {
    match job {
        JobRef::Id(id) => engine.job(*id)?.ok_or_else(|| {
            Fault::user(format!("no job `{id}`")).code(FaultCode::ResourceNotFound).target(id.to_string()).into()
        }),
        JobRef::Named { job, .. } if ResourceId::is_meant(job) => {
            let wrong = |why: String| Fault::user(format!("`{}` is no id of a job", job.escape_debug())).cause(why);
            let (id, experiment, name) = ResourceId::job(job).map_err(wrong)?;
            let experiment = ResourceId { child: Some(Child::Experiment(experiment)), ..id };
            let experiment = Place { name: Some(experiment.to_string()), ..Place::default() };
            find_job(engine, &JobRef::Named { experiment, job: name })
        }
        JobRef::Named { experiment, job } if experiment.name.is_some() => {
            let experiment = resolve::experiment(&engine.sched, experiment)?;
            let found = engine.job_named(experiment.id, job)?;
            found.ok_or_else(|| no_job(job, &format!("experiment `{}`", experiment.name)).into())
        }
        JobRef::Named { experiment, job } => {
            let workspace = resolve::workspace(&engine.sched, experiment.workspace.as_deref())?;
            let mut found = Vec::new();
            for experiment in resolve::experiments_in(&engine.sched, workspace.id) {
                found.extend(engine.job_named(experiment.id, job)?);
            }
            match (found.pop(), found.len()) {
                (Some(job), 0) => Ok(job),
                (Some(_), more) => Err(Fault::user(format!("`{job}` matches {} jobs", more + 1))
                    .hint("name the experiment with --experiment, or use the job's id")
                    .into()),
                (None, _) => Err(no_job(job, &format!("workspace `{}`", workspace.name)).into()),
            }
        }
    }
}

fn no_job(name: &str, place: &str) -> Fault {
    Fault::user(format!("no job `{}` in {place}", name.escape_debug()))
        .code(FaultCode::ResourceNotFound)
        .target(name)
        .hint("ostler job list shows what there is")
}

fn act_on_job<S: Store>(engine: &Engine<S>, now: UnixMillis, job: &JobRef, act: JobAct) -> Result<Checked, Refusal> {
    let job = find_job(engine, job)?;
    // A member that has not come up comes up before its turn.
    let up = sweeps::bring_up(engine, job.id);
    let checked = act_on(engine, now, &job, act, up.is_some())?;
    Ok(match (up, checked) {
        (Some(up), Checked::Do { mut events, then }) => {
            events.insert(0, up);
            Checked::Do { events, then }
        }
        (_, checked) => checked,
    })
}

fn act_on<S: Store>(
    engine: &Engine<S>,
    now: UnixMillis,
    job: &Arc<Job>,
    act: JobAct,
    comes_up: bool,
) -> Result<Checked, Refusal> {
    let name = &job.name;
    let ended = || format!("job `{name}` has already {}", job.state.word());
    let waits = job.state == ExecutionState::Queued;
    match act {
        JobAct::Terminate { .. } if job.state.ended() => noted(format!("{}; nothing to stop", ended())),
        JobAct::Terminate { hold } => accepted(Event::TerminateAsked { job: job.id, until: now + hold }),
        JobAct::TakeBack => match job.last.stop_at {
            Some(_) => accepted(Event::TerminateTakenBack { job: job.id }),
            None => Err(Fault::user(format!("job `{name}` has no stop that can be taken back")).into()),
        },
        JobAct::Retry if job.state == ExecutionState::Failed => {
            accepted(Event::RetryAsked { job: depend::again(engine, job)? })
        }
        JobAct::Retry => Err(Fault::user(format!("job `{name}` is {}; only failed jobs are retried", job.state.word()))
            .hint("ostler job rerun makes a new job with the same spec")
            .into()),
        JobAct::Delete if comes_up || engine.sched.jobs().contains_key(&job.id) => {
            accepted(Event::DeleteAsked { job: job.id })
        }
        JobAct::Delete => accepted(Event::EndedJobDeleted { job: job.clone() }),
        JobAct::Hold | JobAct::Release | JobAct::Priority { .. } if !waits => {
            Err(Fault::user(format!("job `{name}` is {}; this is for waiting jobs", job.state.word())).into())
        }
        // It was given away to another scheduler, so the word goes there, and what that says of the job is what counts.
        JobAct::Hold | JobAct::Release | JobAct::Priority { .. } if job.last.away.is_some() => {
            let cluster = engine.sched.clusters().get(&job.cluster);
            let cluster = cluster.ok_or_else(|| Fault::internal(format!("job `{name}` is on no cluster")))?;
            let node = site_acts::door(&engine.sched, cluster, &engine.up)?;
            Ok(Checked::SiteAct { node, act: site_acts::of_job(job, &act)? })
        }
        JobAct::Hold | JobAct::Release | JobAct::Priority { .. } if job.last.behind.is_some() => {
            let node = job.last.node_names.first().map_or("its node", String::as_str);
            Err(Fault::user(format!("job `{name}` is next on {node} and may start any moment"))
                .hint("ostler job terminate stops it, whether it has started or not")
                .into())
        }
        JobAct::Hold => accepted(Event::HoldAsked { job: job.id }),
        JobAct::Release => accepted(Event::ReleaseAsked { job: job.id }),
        JobAct::Priority { priority } => accepted(Event::PriorityAsked { job: job.id, priority }),
    }
}

/// One turn takes the old record and makes the new job, so that neither is ever without the other.
/// Puts a job in the place of one that has ended; of a whole array, when it has the array's name.
fn replace<S: Store>(engine: &mut Engine<S>, now: UnixMillis, job: &JobRef, submit: Submit) -> Result<Checked, Refusal> {
    let old = find_job(engine, job)?;
    let gone = match &old.member {
        Some(member) if submit.name.as_ref() == Some(&member.name) => submit::members(engine, member)?,
        Some(_) | None => vec![old],
    };
    if let Some(live) = gone.iter().find(|job| !job.state.ended()) {
        return Err(Fault::user(format!(
            "job `{}` is {}; only a job that has ended is replaced",
            live.name,
            live.state.word()
        ))
        .target(&*live.name)
        .hint("ostler job terminate ends it")
        .into());
    }
    let ids: BTreeSet<JobId> = gone.iter().map(|job| job.id).collect();
    let Checked::Do { events: new, then } = submit::check_without(engine, submit, ids.clone())? else {
        return Err(Fault::internal("a submission is no order").into());
    };
    // A repeat with the same token finds its job there, and nothing goes.
    let mut events = Vec::new();
    if !new.is_empty() {
        for id in ids {
            if let Checked::Do { events: all, .. } = act_on_job(engine, now, &JobRef::Id(id), JobAct::Delete)? {
                events.extend(all);
            }
        }
    }
    events.extend(new);
    Ok(Checked::Do { events, then })
}

fn why<S: Store>(engine: &Engine<S>, now: UnixMillis, job: &JobRef) -> Result<Checked, Refusal> {
    let job = find_job(engine, job)?;
    // A member that has not come up is none that the core can speak of.
    let cluster = engine.sched.clusters().get(&job.cluster);
    let why = engine.sched.why(now, job.id).unwrap_or_else(|| crate::model::request::Why {
        reason: match job.reason(cluster.map(|cluster| &**cluster)) {
            reason if reason.is_empty() => job.state.word().to_owned(),
            reason => reason,
        },
        place: 0,
        nodes: Vec::new(),
        change: None,
        starts: None,
    });
    Ok(Checked::Reply(Reply::Why(why)))
}

fn list_all<S: Store>(engine: &Engine<S>, now: UnixMillis, workspace: Option<&str>) -> Result<Checked, Refusal> {
    let sched = &engine.sched;
    let only: BTreeSet<_> = resolve::workspaces(sched, workspace)?.into_iter().collect();
    let fits = |id| only.contains(&id);
    let clusters: Vec<_> = sched.clusters().values().filter(|c| fits(c.workspace)).cloned().collect();
    let experiment_of = |job| sched.jobs().get(&job).map(|job| job.experiment);
    Ok(Checked::Reply(Reply::Lists {
        workspaces: sched.workspaces().values().filter(|w| fits(w.id)).cloned().collect(),
        nodes: sched.nodes().values().filter(|n| clusters.iter().any(|c| c.id == n.cluster)).cloned().collect(),
        experiments: sched.experiments().values().filter(|e| fits(e.workspace)).cloned().collect(),
        groups: sched.groups().values().cloned().collect(),
        file_servers: sched.file_servers().values().filter(|s| fits(s.workspace)).cloned().collect(),
        sweeps: sched.sweeps().values().filter(|s| fits(s.workspace) && !s.is_array()).cloned().collect(),
        at_work: AtWork::by_experiment(sched.nodes().values().map(|node| &**node), experiment_of, now),
        clusters,
    }))
}
