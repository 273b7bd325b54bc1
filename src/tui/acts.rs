//! Everything that asks the core for a change: command + what is selected or marked → requests, questions, proposals.
//! Pure; the app calls it with the row under the cursor of the pane that has the keys.

mod many;
pub mod site;

use std::sync::Arc;

use crate::commands::{Cmd, CommandId};
use crate::model::cost::{BRAKES, Budget, PERIODS};
use crate::model::fault::Fault;
use crate::model::ids::{ClusterId, ExperimentId, FileServerId, GroupId, JobId, NodeId, WorkspaceId};
use crate::model::names;
use crate::model::request::{JobAct, JobRef, NodeAct, NodeRef, Place, Reply, Request, Submit};
use crate::model::spec::{ClusterSpec, Deallocation, Export, FileServerSpec, Priority, ProviderSpec, ScaleSettings};
use crate::model::state::{ExecutionState, Job, NodeState};
use crate::model::units::{Millis, Money, NodeCount};
use crate::tui::app::fault_toast;
use crate::tui::cx::Cx;
use crate::tui::equivalent;
use crate::tui::overlays::question::{Answer, Question};
use crate::tui::overlays::{FormOf, FormSeed, Overlay};
use crate::tui::pane::{Toast, ToastKind, UiEffect};
use crate::tui::panes::about_cluster;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;

/// What an act comes to.
#[derive(Debug)]
pub enum Acted {
    /// Propose this target; the app asks for its preview.
    Propose(ClusterId, u32),
    /// Do this.
    Effects(Vec<UiEffect>),
}

/// Returns what a command comes to for what is selected or marked.
pub fn act(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Acted {
    use CommandId as C;
    let effects = match cmd.id {
        C::ScaleUp | C::ScaleDown => return step_target(cmd, subject, cx),
        C::ScaleIdle => return let_idle_go(subject, cx),
        C::Scale => return scale_named(cmd, subject, cx),
        C::AutoScale => auto_scale(cmd, subject, cx),
        C::Budget => budget(cmd, subject, cx),
        C::SetUpLogs => set_up_logs(subject, cx),
        C::Plan => plan(subject, cx),
        C::Prepare => node_act(subject, cx, &NodeAct::Prepare),
        C::Replace => node_act(subject, cx, &NodeAct::Replace),
        C::KeepAwake => cluster_act(subject, cx, |cluster| Request::KeepAwake { cluster, span: Millis::from_mins(120) }),
        C::ResumeScaling => cluster_act(subject, cx, |cluster| Request::ResumeScaling { cluster }),
        C::Drain => node_act(subject, cx, &NodeAct::Drain),
        C::Undrain => node_act(subject, cx, &NodeAct::Undrain),
        C::DeclareDead => declare_dead(subject, cx),
        C::NewJob => new_here(subject, cx),
        C::Rerun => rerun(subject, cx),
        C::RerunWith => rerun_with(subject, cx),
        C::NewSweep => new_sweep(subject, cx),
        C::Retry => on_jobs(subject, cx, JobAct::Retry, "retry", |job| job.state == ExecutionState::Failed),
        C::Stop => stop(subject, cx),
        C::Undo => undo(subject, cx),
        C::Delete => delete(subject, cx),
        C::Why => why(subject, cx),
        C::Hold => on_jobs(subject, cx, JobAct::Hold, "hold", |job| job.state == ExecutionState::Queued && !job.is_held()),
        C::Release => on_jobs(subject, cx, JobAct::Release, "release", |job| job.is_held()),
        C::Priority => priority(cmd, subject, cx),
        C::Requeue | C::Nice | C::TimeLimit | C::PowerUp | C::PowerDown => {
            say("select a job or a node in the tables of a cluster of Slurm")
        }
        C::Share => site::share(site_of(subject, cx), cx),
        C::Efficiency => efficiency(subject, cx),
        C::SweepStop | C::SweepPause | C::SweepResume | C::SweepTrim | C::SweepPriority => many::sweep(cmd, subject, cx),
        C::Limit => many::limit(cmd, subject, cx),
        C::NewWorkspace => new_workspace(cmd, subject, cx),
        C::NewGroup => new_group(cmd),
        C::NewFileServer => new_file_server(cmd, subject, cx),
        C::NewExperiment => new_experiment(cmd, subject, cx),
        C::NewCluster => new_cluster(cmd, subject, cx),
        _ => Vec::new(),
    };
    Acted::Effects(effects)
}

/// How a budget is typed.
const BUDGET_FORM: &str = "the form is `budget AMOUNT [day|week|month|total [warn|hold|zero]]`, or `budget none`";

fn say(text: impl Into<String>) -> Vec<UiEffect> {
    vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text: text.into() })]
}

fn refuse(text: impl Into<String>) -> Vec<UiEffect> {
    vec![UiEffect::Toast(Toast { kind: ToastKind::Bad, text: text.into() })]
}

/// The cluster that a number would scale.
fn cluster_of(subject: Option<Subject>, cx: &Cx) -> Option<ClusterId> {
    match subject? {
        Subject::Cluster(id) => Some(id),
        Subject::Node(id) => cx.world.node(id).map(|node| node.cluster),
        Subject::Group(_)
        | Subject::Workspace(_)
        | Subject::Clusters(_)
        | Subject::FileServers(_)
        | Subject::FileServer(_)
        | Subject::Experiments(_)
        | Subject::Experiment(_)
        | Subject::Job(_)
        | Subject::Older(_) => None,
    }
}

/// The cluster that something belongs to.
fn site_of(subject: Option<Subject>, cx: &Cx) -> Option<ClusterId> {
    match subject {
        Some(Subject::Job(id)) => cx.world.job(id).map(|job| job.cluster),
        subject => cluster_of(subject, cx),
    }
}

/// What jobs of Slurm asked for and used; those of one cluster at a time.
fn efficiency(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let jobs = jobs(subject, cx);
    let number = |job: &Arc<Job>| {
        let theirs = &job.last.away.as_ref()?.theirs;
        (!theirs.is_empty()).then(|| (job.name.to_string(), theirs.clone()))
    };
    let Some(cluster) = jobs.iter().find(|job| number(job).is_some()).map(|job| job.cluster) else {
        return say("select a job that Slurm runs or ran: only Slurm measures what a job used");
    };
    let named = jobs.iter().filter(|job| job.cluster == cluster).filter_map(number).collect();
    vec![UiEffect::Open(Overlay::Site(cluster, crate::tui::overlays::site::SiteOf::Uses(named)))]
}

fn step_target(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Acted {
    let Some(id) = cluster_of(subject, cx) else {
        return Acted::Effects(say("select a cluster to scale it"));
    };
    let proposed = cx.proposal.as_ref().filter(|p| p.cluster == id).map(|p| p.target);
    let now = cx.world.cluster(id).map(|c| c.spec.scale_settings.target());
    let NodeCount(base) = proposed.or(now).unwrap_or_default();
    let by = cmd.count.unwrap_or(1);
    let target = if cmd.id == CommandId::ScaleUp { base.saturating_add(by) } else { base.saturating_sub(by) };
    Acted::Propose(id, target)
}

/// Proposes the target at which all that cost and do nothing go.
fn let_idle_go(subject: Option<Subject>, cx: &Cx) -> Acted {
    let Some(cluster) = cluster_of(subject, cx).and_then(|id| cx.world.cluster(id)) else {
        return Acted::Effects(say("select a cluster to let its idle nodes go"));
    };
    let standing = about_cluster::standing(cluster, cx);
    match standing.idle_nodes + standing.unusable_nodes {
        0 => Acted::Effects(say("all of its nodes have work")),
        _ => Acted::Propose(cluster.id, standing.without_waste(cluster).0),
    }
}

/// `:scale NAME N` from anywhere, `:scale N` on a cluster; the cluster is shown and the target proposed.
fn scale_named(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Acted {
    let (name, number) = match cmd.args.as_slice() {
        [number] => (None, number),
        [name, number] => (Some(name), number),
        _ => return Acted::Effects(refuse("the form is `scale CLUSTER NODES`")),
    };
    let Ok(target) = number.parse::<u32>() else {
        return Acted::Effects(refuse(format!("`{}` is no number of nodes", shown(number))));
    };
    let found = match name {
        Some(name) => cx.world.snapshot.clusters.values().find(|c| c.name.eq_ignore_ascii_case(name)).map(|c| c.id),
        None => cluster_of(subject, cx),
    };
    match found {
        Some(id) => Acted::Propose(id, target),
        None => Acted::Effects(refuse(format!("there is no cluster `{}`", shown(name.map_or("", |n| n))))),
    }
}

/// Without arguments in a window; `:auto-scale MINIMUM MAXIMUM [IDLE-MINUTES]` at once.
fn auto_scale(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let Some(cluster) = cluster_of(subject, cx) else { return say("select a cluster to let it follow the work") };
    let place = cluster_place(cluster, cx);
    let numbers: Option<Vec<u32>> = cmd.args.iter().map(|word| word.parse().ok()).collect();
    match numbers.as_deref() {
        Some([]) => vec![UiEffect::Open(Overlay::AutoScale(cluster, place))],
        Some([minimum, maximum, idle @ ..]) if idle.len() < 2 => vec![UiEffect::Send(Request::AutoScale {
            cluster: place,
            minimum: NodeCount(*minimum),
            maximum: NodeCount(*maximum),
            idle: idle.first().map(|minutes| Millis::from_mins(u64::from(*minutes))),
            gpu_idle: None,
        })],
        Some(_) | None => refuse("the form is `auto-scale MINIMUM MAXIMUM [IDLE-MINUTES]`"),
    }
}

/// Without arguments in a window; `:budget AMOUNT [PERIOD [WHAT]]` at once, of the cluster or the workspace that is selected.
fn budget(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let of_workspace = |id| (Subject::Workspace(id), None, workspace_name(id, cx));
    let (subject, cluster, workspace) = match (cluster_of(subject, cx), subject) {
        (Some(id), _) => (Subject::Cluster(id), Some(cluster_place(id, cx)), None),
        (None, Some(Subject::Workspace(id) | Subject::Clusters(id))) => of_workspace(id),
        (None, _) => return say("select a cluster or a workspace to say what it may spend"),
    };
    let words: Vec<&str> = cmd.args.iter().map(String::as_str).collect();
    let budget = match words.as_slice() {
        [] => return vec![UiEffect::Open(Overlay::Budget(subject, cluster, workspace))],
        ["none"] => None,
        [amount, rest @ ..] if rest.len() < 3 => {
            let period = PERIODS.iter().find(|(word, _)| *word == rest.first().copied().unwrap_or("month"));
            let then = BRAKES.iter().find(|(word, _)| *word == rest.get(1).copied().unwrap_or("hold"));
            match (Money::parse(amount), period, then) {
                (Ok(limit), Some((_, period)), Some((_, then))) => Some(Budget::new(limit, *period, *then)),
                (Err(why), ..) => return refuse(why),
                (Ok(_), ..) => return refuse(BUDGET_FORM),
            }
        }
        _ => return refuse(BUDGET_FORM),
    };
    vec![UiEffect::Send(Request::SetBudget { cluster, workspace, budget })]
}

/// Of the node that is selected; of a cluster, its first unusable node, else its first.
fn set_up_logs(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let node = match subject {
        Some(Subject::Node(id)) => Some(id),
        Some(Subject::Cluster(id)) => {
            let nodes = cx.world.nodes_of(id);
            let failed = |id: &&NodeId| cx.world.node(**id).is_some_and(|n| matches!(n.state, NodeState::Unusable(_)));
            nodes.iter().find(failed).or(nodes.first()).copied()
        }
        _ => None,
    };
    let Some(node) = node else { return say("select a node to see the logs of its set-up") };
    let cluster = cx.world.node(node).and_then(|node| cx.world.cluster(node.cluster));
    let setup = cluster.and_then(|cluster| cluster.spec.node_setup.as_ref());
    match setup.is_some_and(|setup| setup.setup_task.is_some()) {
        true => vec![UiEffect::Open(Overlay::SetUpLogs(node))],
        false => say("its cluster has no set-up task, so there are no logs of one"),
    }
}

/// What a job would come to now, were it submitted again.
fn plan(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    match jobs(subject, cx).as_slice() {
        [job] => vec![UiEffect::Open(Overlay::Plan(Box::new(again(job, cx))))],
        [] => say("select a job to see what it would run where"),
        _ => say("one job at a time"),
    }
}

/// A new job with the parameters of one that there is.
fn again(job: &Job, cx: &Cx) -> Submit {
    Submit {
        experiment: experiment_place(job.experiment, cx),
        cluster: cluster_place(job.cluster, cx),
        name: None,
        spec: job.spec_again(),
        token: None,
    }
}

fn node_request(id: NodeId, act: NodeAct) -> UiEffect {
    UiEffect::Send(Request::Node { node: NodeRef::Id(id), act })
}

/// On a node; on a cluster, `prepare` means all its unusable nodes.
fn node_act(subject: Option<Subject>, cx: &Cx, act: &NodeAct) -> Vec<UiEffect> {
    match subject {
        Some(Subject::Node(id)) => vec![node_request(id, act.clone())],
        Some(Subject::Cluster(id)) if *act == NodeAct::Prepare => {
            let unusable = |id: &&NodeId| cx.world.node(**id).is_some_and(|n| matches!(n.state, NodeState::Unusable(_)));
            let nodes: Vec<NodeId> = cx.world.nodes_of(id).iter().filter(unusable).copied().collect();
            if nodes.is_empty() {
                return say("no node of this cluster is unusable");
            }
            nodes.into_iter().map(|id| node_request(id, act.clone())).collect()
        }
        _ => say("select a node"),
    }
}

/// On a cluster, or on that of a node.
fn cluster_act(subject: Option<Subject>, cx: &Cx, request: impl FnOnce(Place) -> Request) -> Vec<UiEffect> {
    let id = match subject {
        Some(Subject::Cluster(id)) => Some(id),
        Some(Subject::Node(id)) => cx.world.node(id).map(|node| node.cluster),
        _ => None,
    };
    let Some(cluster) = id.and_then(|id| cx.world.cluster(id)) else { return say("select a cluster") };
    let place = Place { workspace: workspace_name(cluster.workspace, cx), name: Some(cluster.name.clone()) };
    vec![UiEffect::Send(request(place))]
}

fn declare_dead(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let Some(Subject::Node(id)) = subject else { return say("select a node") };
    let name = cx.world.node(id).map_or_else(|| id.to_string(), |n| shown(&n.name));
    let text = vec![
        format!("You say that nothing of ostler's runs on {name} any more, and that it will not come back by itself."),
        "Its jobs may then start again elsewhere. If it does still run them, they run twice.".to_owned(),
    ];
    let act = NodeAct::DeclareDead { by: crate::config::person::person() };
    ask(format!("Declare {name} dead"), text, "Declare dead", vec![node_request(id, act)], Some(name))
}

fn ask(title: String, text: Vec<String>, label: &str, effects: Vec<UiEffect>, type_name: Option<String>) -> Vec<UiEffect> {
    let cancel = Answer { label: "Cancel".to_owned(), effects: Vec::new() };
    let go = Answer { label: label.to_owned(), effects };
    let question = Question::new(title, text, vec![cancel, go]);
    let question = match type_name {
        Some(name) => question.type_name(name),
        None => question,
    };
    vec![UiEffect::Open(Overlay::Question(question))]
}

/// Returns what names a workspace in a request: with its group, when there is more than one.
pub fn workspace_name(id: WorkspaceId, cx: &Cx) -> Option<String> {
    cx.world.named(cx.world.workspace(id)?)
}

/// Returns the workspace that the selected thing is in; the only one, when nothing is selected.
pub fn workspace_of(subject: Option<Subject>, cx: &Cx) -> Option<WorkspaceId> {
    let world = &cx.world;
    match subject {
        Some(Subject::Workspace(id) | Subject::Clusters(id) | Subject::FileServers(id) | Subject::Experiments(id)) => {
            Some(id)
        }
        Some(Subject::FileServer(id)) => world.file_server(id).map(|s| s.workspace),
        Some(Subject::Group(id)) => {
            let mut of_it = world.snapshot.workspaces.values().filter(|w| w.group == id);
            of_it.next().filter(|_| of_it.next().is_none()).map(|w| w.id)
        }
        Some(Subject::Cluster(id)) => world.cluster(id).map(|c| c.workspace),
        Some(Subject::Node(id)) => world.node(id).and_then(|n| world.cluster(n.cluster)).map(|c| c.workspace),
        Some(Subject::Experiment(id) | Subject::Older(id)) => world.experiment(id).map(|e| e.workspace),
        Some(Subject::Job(id)) => world.job(id).map(|j| j.workspace),
        None if world.snapshot.workspaces.len() == 1 => world.snapshot.workspaces.keys().next().copied(),
        None => None,
    }
}

fn experiment_place(id: ExperimentId, cx: &Cx) -> Place {
    let experiment = cx.world.experiment(id);
    let workspace = experiment.and_then(|e| workspace_name(e.workspace, cx));
    Place { workspace, name: experiment.map(|e| e.name.clone()) }
}

/// Returns what names a cluster in a request.
pub fn cluster_place(id: ClusterId, cx: &Cx) -> Place {
    let cluster = cx.world.cluster(id);
    let workspace = cluster.and_then(|c| workspace_name(c.workspace, cx));
    Place { workspace, name: cluster.map(|c| c.name.clone()) }
}

/// Returns what the form of a new job like this one is filled with.
pub fn seed_of(job: &Job, cx: &Cx) -> FormSeed {
    FormSeed {
        experiment: experiment_place(job.experiment, cx),
        cluster: cluster_place(job.cluster, cx),
        spec: Some(Arc::new(job.spec_again())),
    }
}

fn form(of: FormOf) -> Vec<UiEffect> {
    vec![UiEffect::Open(Overlay::Form(Box::new(of)))]
}

/// The form of what is made in this place: a cluster among clusters, a file server among those, else a job.
fn new_here(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let group = |id| cx.world.group_name(id).filter(|_| cx.world.is_grouped()).map(str::to_owned);
    match subject {
        Some(Subject::Clusters(workspace)) => form(FormOf::Cluster { workspace: Some(workspace), edited: None }),
        Some(Subject::FileServers(workspace)) => form(FormOf::FileServer { workspace: Some(workspace), like: None }),
        Some(Subject::FileServer(id)) => {
            let workspace = cx.world.file_server(id).map(|server| server.workspace);
            form(FormOf::FileServer { workspace, like: Some(id) })
        }
        Some(Subject::Group(id)) => form(FormOf::Workspace { group: group(id), edited: None }),
        _ if cx.world.snapshot.workspaces.is_empty() => form(FormOf::Workspace { group: None, edited: None }),
        _ => form(FormOf::Job(seed_here(subject, cx))),
    }
}

/// A sweep over the parameters of the selected job, or of the last one of the experiment.
fn new_sweep(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let seed = match jobs(subject, cx).as_slice() {
        [job] => seed_of(job, cx),
        [] => seed_here(subject, cx),
        _ => return say("one job at a time"),
    };
    match seed.spec {
        Some(_) => form(FormOf::Sweep(seed)),
        None => say("select a job, or an experiment with jobs, to sweep over its parameters"),
    }
}

/// What the form of a job is filled with: the last job of the experiment; the job itself when one is selected.
fn seed_here(subject: Option<Subject>, cx: &Cx) -> FormSeed {
    let world = &cx.world;
    let last = |id: ExperimentId| world.jobs_of(id).last().and_then(|id| world.job(*id));
    let workspace = workspace_of(subject, cx);
    let experiment = match subject {
        Some(Subject::Experiment(id) | Subject::Older(id)) => Some(id),
        Some(Subject::Job(id)) => world.job(id).map(|j| j.experiment),
        _ => workspace.and_then(|id| world.experiments_of(id).next()),
    };
    match (experiment, experiment.and_then(last)) {
        (_, Some(job)) => seed_of(job, cx),
        (experiment, None) => {
            let fallback = Place { workspace: workspace.and_then(|id| workspace_name(id, cx)), name: None };
            let cluster = match subject {
                Some(Subject::Cluster(id)) => Some(id),
                _ => workspace.and_then(|id| world.clusters_of(id).next()),
            };
            FormSeed {
                experiment: experiment.map_or_else(|| fallback.clone(), |id| experiment_place(id, cx)),
                cluster: cluster.map_or(fallback, |id| cluster_place(id, cx)),
                spec: None,
            }
        }
    }
}

fn rerun_with(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    match jobs(subject, cx).as_slice() {
        [job] => form(FormOf::Job(seed_of(job, cx))),
        [] => say("select a job to run it again"),
        _ => say("one job at a time; `r` runs all marked ones again"),
    }
}

/// What an act on jobs is about: the marked ones, else the selected one.
fn jobs(subject: Option<Subject>, cx: &Cx) -> Vec<Arc<Job>> {
    if !cx.marks.is_empty() {
        return cx.marks.iter().filter_map(|id| cx.world.job(*id)).cloned().collect();
    }
    match subject {
        Some(Subject::Job(id)) => cx.world.job(id).into_iter().cloned().collect(),
        _ => Vec::new(),
    }
}

fn job_request(id: JobId, act: JobAct) -> UiEffect {
    UiEffect::Send(Request::Job { job: JobRef::Id(id), act })
}

fn rerun(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let jobs = jobs(subject, cx);
    let submit = |job: &Arc<Job>| again(job, cx);
    match jobs.as_slice() {
        [] => say("select a job to run it again"),
        [job] => {
            let request = Request::Submit(Box::new(submit(job)));
            match equivalent::rerun_line(job.id, &cx.world) {
                Some(line) => vec![UiEffect::SendAs(request, line)],
                None => vec![UiEffect::Send(request)],
            }
        }
        many => {
            let effects = vec![UiEffect::Send(Request::SubmitAll(many.iter().map(submit).collect()))];
            let text = vec![format!("{} new jobs with the parameters of the marked ones are queued.", many.len())];
            ask(format!("Run {} jobs again", many.len()), text, &format!("Run {}", many.len()), effects, None)
        }
    }
}

fn on_jobs(subject: Option<Subject>, cx: &Cx, act: JobAct, verb: &str, fits: impl Fn(&Job) -> bool) -> Vec<UiEffect> {
    let all = jobs(subject, cx);
    let fitting: Vec<JobId> = all.iter().filter(|job| fits(job)).map(|job| job.id).collect();
    match (all.len(), fitting.len()) {
        (0, _) => say(format!("select a job to {verb} it")),
        (1, 0) => say(format!("{} is {}: nothing to {verb}", shown(&all[0].name), all[0].state.word())),
        (_, 0) => say(format!("none of the marked jobs is one to {verb}")),
        (_, 1) => vec![job_request(fitting[0], act)],
        (all, many) => {
            let text = vec![format!("{many} of {all} marked jobs are such that it makes sense.")];
            let effects = fitting.into_iter().map(|id| job_request(id, act.clone())).collect();
            ask(format!("{verb} {many} jobs"), text, &format!("{verb} {many}"), effects, None)
        }
    }
}

fn priority(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let priority = match cmd.args.first().map(String::as_str) {
        Some("low") => Priority::Low,
        Some("normal") => Priority::Normal,
        Some("high") => Priority::High,
        _ => return refuse("the form is `priority low|normal|high`"),
    };
    on_jobs(subject, cx, JobAct::Priority { priority }, "re-order", |job| job.state == ExecutionState::Queued)
}

/// One job: a held stop, or at once when it is held already. Many: a question with the numbers.
fn stop(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let mut all = jobs(subject, cx);
    if let (Some(Subject::Experiment(id)), true) = (subject, cx.marks.is_empty()) {
        all = cx.world.live_jobs().filter(|job| job.experiment == id).cloned().collect();
        if let [only] = all.as_slice() {
            let only = only.clone();
            return stop_many(&[only]);
        }
    }
    let live: Vec<_> = all.iter().filter(|job| !job.state.ended()).cloned().collect();
    match (all.as_slice(), live.as_slice()) {
        ([], _) => say("select a job to stop it"),
        ([job], []) => say(format!("{} has ended already", shown(&job.name))),
        (_, []) => say("all of them have ended already"),
        ([_], [job]) => {
            let hold = if job.last.stop_at.is_some() { Millis(0) } else { cx.look.stop_hold };
            vec![job_request(job.id, JobAct::Terminate { hold })]
        }
        (_, many) => stop_many(many),
    }
}

fn stop_many(jobs: &[Arc<Job>]) -> Vec<UiEffect> {
    let count = |state| jobs.iter().filter(|job| job.state == state).count();
    let (running, queued) = (count(ExecutionState::Running), count(ExecutionState::Queued));
    let text = vec![
        format!("{running} running: their processes get TERM, then KILL; what they have not saved is lost."),
        format!("{queued} queued: they never start."),
    ];
    let effects = jobs.iter().map(|job| job_request(job.id, JobAct::Terminate { hold: Millis(0) })).collect();
    let number = jobs.len();
    ask(format!("Stop {number} jobs"), text, &format!("Stop {number}"), effects, None)
}

/// Takes back the latest held stop; one that was asked for a moment ago counts even before the picture shows it.
/// A stop that waits comes first, since it does not wait for long; then the scaling of the cluster that is selected, or of the only
/// one that is being scaled.
fn undo(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let asked = cx.stop_asked.filter(|(_, until)| *until > cx.now).map(|(job, until)| (until, job));
    let held = cx.world.stopping().filter_map(|job| job.last.stop_at.map(|until| (until, job.id))).max();
    match asked.max(held) {
        Some((_, job)) => vec![job_request(job, JobAct::TakeBack)],
        None => match scaled(subject, cx) {
            Some(id) => vec![UiEffect::Send(Request::TakeScaleBack { cluster: cluster_place(id, cx) })],
            None => say("no stop waits and no scaling is under way that could be taken back"),
        },
    }
}

fn scaled(subject: Option<Subject>, cx: &Cx) -> Option<ClusterId> {
    let mut all = cx.world.snapshot.clusters.values().filter(|cluster| cluster.before.is_some()).map(|cluster| cluster.id);
    let selected =
        cluster_of(subject, cx).filter(|id| cx.world.cluster(*id).is_some_and(|cluster| cluster.before.is_some()));
    let only = all.next().filter(|_| all.next().is_none());
    selected.or(only)
}

fn why(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    match subject {
        Some(Subject::Job(id)) => vec![UiEffect::Open(Overlay::Why(id))],
        Some(Subject::Cluster(id)) => match cx.world.cluster(id).and_then(|c| c.head.as_ref()) {
            Some(head) => vec![UiEffect::Open(Overlay::Why(head.job))],
            None => say("nothing waits on this cluster"),
        },
        _ => say("select a job that waits"),
    }
}

fn delete(subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let marked = jobs(subject, cx);
    match (marked.as_slice(), subject) {
        ([], Some(Subject::Experiment(id))) => delete_experiment(id, cx),
        ([], Some(Subject::Cluster(id))) => delete_cluster(id, cx),
        ([], Some(Subject::Workspace(id))) => delete_workspace(id, cx),
        ([], Some(Subject::FileServer(id))) => delete_file_server(id, cx),
        ([], Some(Subject::Group(id))) => delete_group(id, cx),
        ([], _) => say("select a job, an experiment, a cluster or a workspace to delete it"),
        (jobs, _) => delete_jobs(jobs),
    }
}

fn delete_jobs(jobs: &[Arc<Job>]) -> Vec<UiEffect> {
    let live = jobs.iter().filter(|job| !job.state.ended()).count();
    let what = match jobs {
        [job] => shown(&job.name),
        many => format!("{} jobs", many.len()),
    };
    let mut text = vec!["The record goes; files on nodes stay.".to_owned()];
    if live > 0 {
        text.push(format!("{live} of {} not ended: stopped first.", jobs.len()));
    }
    let name = match jobs {
        [job] if live > 0 => Some(job.name.to_string()),
        many if live > 0 => Some(many.len().to_string()),
        _ => None,
    };
    let effects = jobs.iter().map(|job| job_request(job.id, JobAct::Delete)).collect();
    ask(format!("Delete {what}"), text, "Delete", effects, name)
}

fn delete_experiment(id: ExperimentId, cx: &Cx) -> Vec<UiEffect> {
    let Some(experiment) = cx.world.experiment(id) else { return Vec::new() };
    let live = experiment.tally.live();
    let text = vec![
        format!("{} jobs go with it; {live} of them have not ended and are stopped first.", experiment.tally.total()),
        "Files on nodes stay.".to_owned(),
    ];
    let effects = vec![UiEffect::Send(Request::DeleteExperiment(experiment_place(id, cx)))];
    let name = (live > 0).then(|| experiment.name.clone());
    ask(format!("Delete experiment {}", shown(&experiment.name)), text, "Delete", effects, name)
}

fn delete_cluster(id: ClusterId, cx: &Cx) -> Vec<UiEffect> {
    let Some(cluster) = cx.world.cluster(id) else { return Vec::new() };
    let counts = cx.world.counts_of(id);
    let busy = u64::from(counts.running) + cluster.waiting;
    let mut text = vec![format!("{} nodes are given back; {} run a job.", counts.current(), counts.running)];
    if busy > 0 {
        text.push(format!("Its running jobs are stopped, and {} that wait for it end.", cluster.waiting));
    }
    let request = Request::DeleteCluster { cluster: cluster_place(id, cx), force: busy > 0 };
    let name = (busy > 0).then(|| cluster.name.clone());
    ask(format!("Delete cluster {}", shown(&cluster.name)), text, "Delete", vec![UiEffect::Send(request)], name)
}

fn delete_workspace(id: WorkspaceId, cx: &Cx) -> Vec<UiEffect> {
    let Some(workspace) = cx.world.workspace(id) else { return Vec::new() };
    let clusters = cx.world.clusters_of(id).count();
    let experiments = cx.world.experiments_of(id).count();
    let full = clusters + experiments + cx.world.file_servers_of(id).count() > 0;
    let text =
        vec![format!("It holds {clusters} clusters and {experiments} experiments; they go with it, and their jobs end.")];
    let named = workspace_name(id, cx).unwrap_or_else(|| workspace.name.clone());
    let request = Request::DeleteWorkspace { workspace: named, force: full };
    let name = full.then(|| workspace.name.clone());
    ask(format!("Delete workspace {}", shown(&workspace.name)), text, "Delete", vec![UiEffect::Send(request)], name)
}

fn delete_file_server(id: FileServerId, cx: &Cx) -> Vec<UiEffect> {
    let Some(server) = cx.world.file_server(id) else { return Vec::new() };
    let (clusters, jobs) = cx.world.mounters(server);
    let used = !clusters.is_empty() || !jobs.is_empty();
    let text = match used {
        true => {
            format!("{} clusters and {} jobs mount it; what is mounted stays so until it ends.", clusters.len(), jobs.len())
        }
        false => "Nobody mounts it. The files on it stay.".to_owned(),
    };
    let place = Place { workspace: workspace_name(server.workspace, cx), name: Some(server.name.clone()) };
    let request = Request::DeleteFileServer { file_server: place, force: used };
    let name = used.then(|| server.name.clone());
    ask(format!("Delete file server {}", shown(&server.name)), vec![text], "Delete", vec![UiEffect::Send(request)], name)
}

fn delete_group(id: GroupId, cx: &Cx) -> Vec<UiEffect> {
    let Some(group) = cx.world.snapshot.groups.get(&id) else {
        return refuse("this group is always there; delete its workspaces one by one");
    };
    let inside = cx.world.snapshot.workspaces.values().filter(|w| w.group == id).count();
    let text = vec![format!("It holds {inside} workspaces; they go with it and with everything in them.")];
    let request = Request::DeleteGroup { group: group.name.clone(), force: inside > 0 };
    let name = (inside > 0).then(|| group.name.clone());
    ask(format!("Delete resource group {}", shown(&group.name)), text, "Delete", vec![UiEffect::Send(request)], name)
}

/// `new-file-server NAME HOST PATH [nfs|sshfs]`, or `NAME dir PATH` for a directory of the nodes.
fn new_file_server(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let (name, host, path, kind) = match cmd.args.as_slice() {
        [name, host, path] => (name, host, path, "nfs"),
        [name, host, path, kind] => (name, host, path, kind.as_str()),
        [] => return form(FormOf::FileServer { workspace: workspace_of(subject, cx), like: None }),
        _ => return refuse("the form is `new-file-server NAME HOST|dir PATH [nfs|sshfs]`"),
    };
    let (host, path) = (host.clone(), path.clone());
    let export = match (host.as_str(), kind) {
        ("dir", _) => Export::Dir { path },
        (_, "nfs") => Export::Nfs { host, path },
        (_, "sshfs") => Export::Sshfs { host, path },
        (_, other) => return refuse(format!("`{}` is none of nfs, sshfs", shown(other))),
    };
    let workspace = workspace_of(subject, cx).and_then(|id| workspace_name(id, cx));
    let spec = Box::new(FileServerSpec::new(export));
    vec![UiEffect::Send(Request::CreateFileServer { workspace, name: name.clone(), spec })]
}

fn new_group(cmd: &Cmd) -> Vec<UiEffect> {
    match cmd.args.as_slice() {
        [name] => vec![UiEffect::Send(Request::CreateGroup { name: name.clone() })],
        _ => refuse("the form is `new-group NAME`"),
    }
}

/// In the group that is selected, when there are several.
fn new_workspace(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    match cmd.args.as_slice() {
        [name] => {
            let group = match subject {
                Some(Subject::Group(id)) => Some(id),
                subject => workspace_of(subject, cx).and_then(|id| cx.world.workspace(id)).map(|w| w.group),
            };
            let group = group.filter(|_| cx.world.is_grouped()).and_then(|id| cx.world.group_name(id));
            let name = group.map_or_else(|| name.clone(), |group| format!("{group}/{name}"));
            vec![UiEffect::Send(Request::CreateWorkspace { name, location: None, tags: Default::default() })]
        }
        [] => form(FormOf::Workspace { group: None, edited: None }),
        _ => refuse("the form is `new-workspace NAME`"),
    }
}

fn new_experiment(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    match cmd.args.as_slice() {
        [name] => {
            let workspace = workspace_of(subject, cx).and_then(|id| workspace_name(id, cx));
            vec![UiEffect::Send(Request::CreateExperiment { workspace, name: name.clone() })]
        }
        _ => refuse("the form is `new-experiment NAME`"),
    }
}

fn new_cluster(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let (name, hosts, target) = match cmd.args.as_slice() {
        [name, hosts] => (name, hosts, None),
        [name, hosts, target] => (name, hosts, Some(target)),
        [] => return form(FormOf::Cluster { workspace: workspace_of(subject, cx), edited: None }),
        _ => {
            return refuse(
                "the form is `new-cluster NAME HOSTS|class=CLASS|local [TARGET]`, as in `new-cluster gpu node[1-4] 2`",
            );
        }
    };
    let target = match target.map(|t| t.parse::<u32>()) {
        None => NodeCount(0),
        Some(Ok(target)) => NodeCount(target),
        Some(Err(_)) => return refuse("the target is a number of nodes"),
    };
    let class = hosts.strip_prefix("class=").map(str::to_owned);
    let provider = if hosts == "local" {
        ProviderSpec::Local
    } else if class.is_some() {
        ProviderSpec::Class
    } else {
        match names::expand_hosts(hosts) {
            Ok(hosts) => ProviderSpec::Hosts { hosts },
            Err(why) => return refuse(shown(&why)),
        }
    };
    let scale_settings =
        ScaleSettings::Manual { target_node_count: target, node_deallocation_option: Deallocation::default() };
    let workspace = workspace_of(subject, cx).and_then(|id| workspace_name(id, cx));
    let spec = ClusterSpec {
        provider,
        scale_settings,
        vm_size: class,
        node_setup: None,
        machines: Default::default(),
        pool: Default::default(),
        slurm: None,
        rest: None,
        kept: Default::default(),
    };
    vec![UiEffect::Send(Request::CreateCluster { workspace, name: name.clone(), spec: Box::new(spec) })]
}

/// Returns what the answer to an order says on the screen.
pub fn answered(reply: Result<Reply, Fault>) -> Vec<UiEffect> {
    match reply {
        Err(fault) | Ok(Reply::Refused(fault)) => vec![UiEffect::Toast(fault_toast(&fault))],
        Ok(Reply::Accepted { note }) => note.map(|note| say(shown(&note))).unwrap_or_default(),
        Ok(Reply::Submitted(jobs)) => match jobs.as_slice() {
            [job] => {
                let mut effects = say(format!("{} is queued", shown(&job.name)));
                effects.push(UiEffect::Go(Subject::Job(job.id)));
                effects
            }
            many => say(format!("{} jobs are queued", many.len())),
        },
        Ok(Reply::SubmittedArray { jobs, .. }) => say(format!("{} jobs are queued", jobs.len())),
        Ok(Reply::Workspace(row)) => vec![UiEffect::Go(Subject::Workspace(row.id))],
        Ok(Reply::Experiment(row)) => vec![UiEffect::Go(Subject::Experiment(row.id))],
        Ok(Reply::Cluster(row)) => vec![UiEffect::Go(Subject::Cluster(row.id))],
        Ok(Reply::Group(row)) => vec![UiEffect::Go(Subject::Group(row.id))],
        Ok(Reply::Sweep(view)) => say(format!("sweep {} of {} jobs", shown(&view.sweep.name), view.sweep.count())),
        Ok(Reply::FileServer(view)) => vec![UiEffect::Go(Subject::FileServer(view.file_server.id))],
        Ok(
            Reply::Status(_)
            | Reply::Job(_)
            | Reply::Jobs { .. }
            | Reply::JobTable(_)
            | Reply::Why(_)
            | Reply::Lists { .. }
            | Reply::Site(_)
            | Reply::SiteSaid(_)
            | Reply::Usages(_)
            | Reply::Preview(_)
            | Reply::Plan(_)
            | Reply::SweepPlan(_)
            | Reply::Window(_)
            | Reply::Found { .. }
            | Reply::Files(_)
            | Reply::Listing(_)
            | Reply::History(_)
            | Reply::Loads(_)
            | Reply::Metrics(_)
            | Reply::Way(_)
            | Reply::Ran { .. },
        ) => Vec::new(),
    }
}
