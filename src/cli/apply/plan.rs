//! What has to be done so that things are as files wish: a pure comparison of the wish with what is so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::cli::export::{cluster_body, forget};
use crate::cli::lists::Lists;
use crate::cli::output::Row;
use crate::model::cost::Budget;
use crate::model::names::same_name;
use crate::model::request::{GpuRule, JobAct, JobRef, JobView, Place, Request, Scale, Submit};
use crate::model::spec::budget_file;
use crate::model::spec::secret::{sources_of_cluster, sources_of_job};
use crate::model::spec::tree_file::WorkspaceTree;
use crate::model::spec::{ClusterSpec, FileServerSpec, JobSpec, ProviderSpec, ScaleSettings};
use crate::model::state::Job;
use crate::model::state::{DEFAULT_GROUP, Workspace};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is not there and is made.
    Create,
    /// It is there and is changed.
    Change,
    /// It is as wished.
    Unchanged,
    /// It differs in what cannot be changed.
    Refused,
    /// No file has it, and it is deleted (`--prune`).
    Delete,
}

impl Action {
    /// Returns the word for a list, with the sign of a diff.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "+ create",
            Self::Change => "~ change",
            Self::Unchanged => "= unchanged",
            Self::Refused => "! refused",
            Self::Delete => "- delete",
        }
    }
}

/// One thing and what becomes of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// `cluster`, …
    pub kind: &'static str,
    /// Its name with what it is in: `lab/gpu`.
    pub name: String,
    /// What differs, one sentence part each.
    pub changes: Vec<String>,
    /// What to ask the core for, in this order.
    pub requests: Vec<Request>,
}

impl Step {
    fn new(action: Action, kind: &'static str, name: String) -> Self {
        Self { action, kind, name, changes: Vec::new(), requests: Vec::new() }
    }

    fn asks(mut self, request: Request) -> Self {
        self.requests.push(request);
        self
    }

    fn because(mut self, changes: Vec<String>) -> Self {
        self.changes = changes;
        self
    }

    /// Returns the line of the plan.
    pub fn row(&self) -> Row {
        let word = self.action.word();
        Row {
            cells: vec![word.to_owned(), self.kind.to_owned(), self.name.clone(), self.changes.join("; ")],
            value: json!({
                "action": word.split(' ').next_back(),
                "kind": self.kind,
                "name": self.name,
                "changes": self.changes,
            }),
            name: format!("{}/{}", self.kind, self.name),
        }
    }
}

/// What a plan may do beside making things.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// Things of the same workspace that no file has are deleted.
    pub prune: bool,
    /// A job that has ended and whose body is another now is deleted and submitted again.
    pub rerun: bool,
}

/// What is so.
pub struct Now<'a> {
    /// Everything but jobs.
    pub lists: &'a Lists,
    /// The jobs of the experiments that files have, by workspace and experiment in lower case.
    pub jobs: &'a BTreeMap<(String, String), Vec<Arc<JobView>>>,
}

/// Returns the steps for one workspace. `full` names it with its group.
pub fn steps(wish: &WorkspaceTree, full: &str, now: &Now<'_>, allowed: Allowed) -> Vec<Step> {
    let there = now.lists.workspace(Some(&full.to_owned())).ok().cloned();
    let mut steps: Vec<Step> = group(full, now.lists).into_iter().collect();
    let request = |budget| Request::SetBudget { cluster: None, workspace: Some(full.to_owned()), budget };
    let own = there.as_ref().and_then(|workspace| workspace.budget.as_ref());
    steps.push(limited(workspace(wish, full, there.as_deref()), wish.budget.as_ref(), own, request));
    let id = there.as_ref().map(|workspace| workspace.id);
    for (name, spec) in &wish.file_servers {
        let found = now.lists.file_servers.iter().find(|s| Some(s.workspace) == id && same_name(&s.name, name));
        steps.push(file_server(wish, full, name, spec, found.map(|s| &s.spec)));
    }
    for (name, spec) in &wish.clusters {
        let found = now.lists.clusters.iter().find(|c| Some(c.workspace) == id && same_name(&c.name, name));
        let step = cluster(wish, full, name, spec, found.map(|c| &c.spec));
        let place = Place { workspace: Some(full.to_owned()), name: Some(name.clone()) };
        let request = |budget| Request::SetBudget { cluster: Some(place), workspace: None, budget };
        steps.push(limited(step, wish.budgets.get(name), found.and_then(|c| c.budget.as_ref()), request));
    }
    for (name, jobs) in &wish.experiments {
        let there = now.lists.experiments.iter().any(|e| Some(e.workspace) == id && same_name(&e.name, name));
        let label = format!("{}/{name}", wish.name);
        steps.push(match there {
            true => Step::new(Action::Unchanged, "experiment", label),
            false => Step::new(Action::Create, "experiment", label)
                .asks(Request::CreateExperiment { workspace: Some(full.to_owned()), name: name.clone() }),
        });
        let known = now.jobs.get(&(full.to_ascii_lowercase(), name.to_ascii_lowercase()));
        let known = known.map(Vec::as_slice).unwrap_or_default();
        for (job_name, spec) in jobs {
            let home = Place { workspace: Some(full.to_owned()), name: Some(name.clone()) };
            let found = Found::of(known, job_name, spec);
            steps.push(job(format!("{}/{name}/{job_name}", wish.name), home, job_name, spec, found, allowed));
        }
    }
    if allowed.prune {
        steps.extend(prune(wish, full, now));
    }
    steps
}

/// Adds what may be spent to a step, where a file says so and it is another limit than now.
fn limited(
    mut step: Step,
    wish: Option<&Budget>,
    now: Option<&Budget>,
    request: impl FnOnce(Option<Budget>) -> Request,
) -> Step {
    let Some(wish) = wish.filter(|wish| now.is_none_or(|now| !budget_file::same(wish, now))) else { return step };
    match step.action {
        Action::Refused | Action::Delete => return step,
        Action::Unchanged => step.action = Action::Change,
        Action::Create | Action::Change => {}
    }
    let words = |budget: &Budget| format!("{} {}, then {}", budget.limit, budget.period.word(), budget.then.word());
    step.changes.push(match now {
        Some(now) => format!("budget: {} → {}", words(now), words(wish)),
        None => format!("budget: {}", words(wish)),
    });
    step.asks(request(Some(*wish)))
}

/// A resource group that is not there is made first.
fn group(full: &str, lists: &Lists) -> Option<Step> {
    let (name, _) = full.split_once('/')?;
    let there = same_name(name, DEFAULT_GROUP) || lists.groups.iter().any(|group| same_name(&group.name, name));
    let step = Step::new(Action::Create, "resource group", name.to_owned());
    (!there).then(|| step.asks(Request::CreateGroup { name: name.to_owned() }))
}

fn workspace(wish: &WorkspaceTree, full: &str, there: Option<&Workspace>) -> Step {
    let label = wish.name.clone();
    let Some(there) = there else {
        return Step::new(Action::Create, "workspace", label).asks(Request::CreateWorkspace {
            name: full.to_owned(),
            location: wish.location.clone(),
            tags: wish.tags.clone().unwrap_or_default(),
        });
    };
    if wish.location.is_some() && wish.location != there.location {
        let why = "location: only the tags of a workspace can be changed".to_owned();
        return Step::new(Action::Refused, "workspace", label).because(vec![why]);
    }
    let Some(tags) = wish.tags.as_ref().filter(|tags| **tags != there.tags) else {
        return Step::new(Action::Unchanged, "workspace", label);
    };
    let gone = there.tags.keys().filter(|tag| !tags.contains_key(*tag));
    let set = tags.iter().filter(|(tag, value)| there.tags.get(*tag) != Some(value));
    let mut changes: Vec<String> = gone.clone().map(|tag| format!("tag {tag} goes")).collect();
    changes.extend(set.clone().map(|(tag, value)| match there.tags.get(tag) {
        Some(old) => format!("tag {tag}: {old} → {value}"),
        None => format!("tag {tag}: {value}"),
    }));
    let tags = gone.map(|tag| (tag.clone(), None)).chain(set.map(|(tag, value)| (tag.clone(), Some(value.clone()))));
    let request = Request::TagWorkspace { workspace: Some(full.to_owned()), tags: tags.collect() };
    Step::new(Action::Change, "workspace", label).because(changes).asks(request)
}

fn file_server(wish: &WorkspaceTree, full: &str, name: &str, spec: &FileServerSpec, now: Option<&FileServerSpec>) -> Step {
    let label = format!("{}/{name}", wish.name);
    match now {
        None => Step::new(Action::Create, "file server", label).because(spec.acts()).asks(Request::CreateFileServer {
            workspace: Some(full.to_owned()),
            name: name.to_owned(),
            spec: Box::new(spec.clone()),
        }),
        Some(now) if now == spec => Step::new(Action::Unchanged, "file server", label),
        Some(now) => {
            let changes = differences(&object(now), &object(spec), "a file server cannot be changed once it is made");
            Step::new(Action::Refused, "file server", label).because(changes)
        }
    }
}

fn cluster(wish: &WorkspaceTree, full: &str, name: &str, spec: &ClusterSpec, now: Option<&ClusterSpec>) -> Step {
    let label = format!("{}/{name}", wish.name);
    let Some(now) = now else {
        return Step::new(Action::Create, "cluster", label).asks(Request::CreateCluster {
            workspace: Some(full.to_owned()),
            name: name.to_owned(),
            spec: Box::new(spec.clone()),
        });
    };
    let same_class = match (&now.vm_size, &spec.vm_size) {
        (Some(now), Some(wish)) => now.eq_ignore_ascii_case(wish),
        (_, _) => false,
    };
    let plain = |spec: &ClusterSpec| {
        let mut spec = spec.clone();
        if same_class {
            // The class's hosts were taken when the cluster was made, and its name as it is configured.
            spec.vm_size.clone_from(&now.vm_size);
            if spec.provider == ProviderSpec::Class {
                spec.provider = now.provider.clone();
            }
        }
        sources_of_cluster(&mut spec).into_iter().for_each(|(_, source)| forget(source));
        cluster_body(&spec)
    };
    let (mut old, mut new) = (plain(now), plain(spec));
    let scale_of = |body: &mut Map<String, Value>| {
        let mut scale = body.remove("scaleSettings").unwrap_or_default();
        // Used at creation only.
        if let Some(auto) = scale.get_mut("autoScale").and_then(Value::as_object_mut) {
            auto.remove("initialNodeCount");
        }
        scale
    };
    let (old_scale, new_scale) = (scale_of(&mut old), scale_of(&mut new));
    if old != new {
        let changes = differences(&old, &new, "only scaleSettings of a cluster can be changed");
        return Step::new(Action::Refused, "cluster", label).because(changes);
    }
    if old_scale == new_scale {
        return Step::new(Action::Unchanged, "cluster", label);
    }
    let place = Place { workspace: Some(full.to_owned()), name: Some(name.to_owned()) };
    let (changes, request) = rescale(place, &now.scale_settings, &spec.scale_settings);
    Step::new(Action::Change, "cluster", label).because(changes).asks(request)
}

/// By hand or with the work: what is wished counts, and the other form ends.
fn rescale(cluster: Place, now: &ScaleSettings, wish: &ScaleSettings) -> (Vec<String>, Request) {
    match wish {
        ScaleSettings::Manual { target_node_count, node_deallocation_option } => {
            let change = match now {
                ScaleSettings::Manual { target_node_count: old, .. } if old == target_node_count => {
                    "nodeDeallocationOption".to_owned()
                }
                ScaleSettings::Manual { .. } | ScaleSettings::AutoScale(_) => {
                    format!("targetNodeCount: {} → {target_node_count}", now.target())
                }
            };
            let (target, deallocation) = (*target_node_count, Some(*node_deallocation_option));
            (vec![change], Request::Scale(Scale { cluster, target, deallocation, seen: Some(now.target()) }))
        }
        ScaleSettings::AutoScale(auto) => {
            let (minimum, maximum) = (auto.minimum_node_count, auto.maximum_node_count);
            let mut change = format!("autoScale: {minimum} to {maximum}, idle {}", auto.idle);
            if let Some(rule) = &auto.gpu_idle {
                change.push_str(&format!("; {}", rule.words()));
            }
            let gpu_idle = Some(auto.gpu_idle.map_or(GpuRule::Off, GpuRule::On));
            (vec![change], Request::AutoScale { cluster, minimum, maximum, idle: Some(auto.idle), gpu_idle })
        }
    }
}

/// The job that a file means. Of an array each member is a job: the first that is there stands for all.
struct Found<'a> {
    view: &'a JobView,
    ended: bool,
}

impl<'a> Found<'a> {
    fn of(known: &'a [Arc<JobView>], name: &str, spec: &JobSpec) -> Option<Self> {
        let named = || known.iter().filter(|view| same_name(own_name(&view.job), name));
        let alike = |view: &&Arc<JobView>| view.job.member.is_some() == spec.scheduling.array.is_some();
        let view = named().find(alike).or_else(|| named().next())?;
        let array = |job: &Job| job.member.as_ref().map(|member| member.of);
        let with_it = |other: &&Arc<JobView>| match array(&view.job) {
            Some(_) => array(&other.job) == array(&view.job),
            None => other.job.id == view.job.id,
        };
        let ended = known.iter().filter(with_it).all(|other| other.job.state.ended());
        Some(Self { view, ended })
    }
}

/// Jobs are matched by name and body: what was submitted never changes.
fn job(label: String, home: Place, name: &str, spec: &JobSpec, found: Option<Found<'_>>, allowed: Allowed) -> Step {
    let submit = Submit {
        cluster: Place { workspace: home.workspace.clone(), name: None },
        experiment: home,
        name: Some(name.to_owned()),
        spec: spec.clone(),
        token: None,
    };
    let submit = Box::new(submit);
    let Some(Found { view, ended }) = found else {
        return Step::new(Action::Create, "job", label).asks(Request::Submit(submit));
    };
    let changes = job_differences(view, spec);
    if changes.is_empty() {
        return Step::new(Action::Unchanged, "job", label);
    }
    match (allowed.rerun, ended) {
        (true, true) => Step::new(Action::Change, "job", label)
            .because(changes)
            .asks(Request::Replace { job: JobRef::Id(view.job.id), submit }),
        (true, false) => {
            let why = "it has not ended: terminate it first".to_owned();
            Step::new(Action::Refused, "job", label).because([changes, vec![why]].concat())
        }
        (false, _) => {
            let why = "a job cannot be changed once submitted; --rerun deletes its record and submits it again".to_owned();
            Step::new(Action::Refused, "job", label).because([changes, vec![why]].concat())
        }
    }
}

/// Returns the name under which a job was submitted.
fn own_name(job: &Job) -> &str {
    job.member.as_ref().map_or(&job.name, |member| &member.name)
}

fn job_differences(view: &JobView, wish: &JobSpec) -> Vec<String> {
    // A file that names a directory means what was taken of it then: code that changes makes no other job.
    let taken = wish.code.as_ref().is_some_and(|code| code.snapshot.is_some());
    let plain = |spec: &JobSpec| {
        let mut spec = spec.clone();
        spec.resolve();
        spec.cluster = None;
        if let Some(code) = spec.code.as_mut().filter(|_| !taken) {
            code.snapshot = None;
        }
        sources_of_job(&mut spec).into_iter().for_each(|(_, source)| forget(source));
        object(&spec)
    };
    let mut changes = differences(&plain(&view.job.spec), &plain(wish), "");
    let near = wish.cluster.as_ref().is_none_or(|cluster| {
        let last = cluster.rsplit('/').next().unwrap_or(cluster);
        same_name(last, &view.cluster)
    });
    if !near {
        changes.push("cluster".to_owned());
    }
    changes
}

fn prune(wish: &WorkspaceTree, full: &str, now: &Now<'_>) -> Vec<Step> {
    let Ok(workspace) = now.lists.workspace(Some(&full.to_owned())) else { return Vec::new() };
    let mut steps = Vec::new();
    let place = |name: &str| Place { workspace: Some(full.to_owned()), name: Some(name.to_owned()) };
    for experiment in now.lists.experiments.iter().filter(|e| e.workspace == workspace.id && !e.deleting) {
        let label = format!("{}/{}", wish.name, experiment.name);
        let Some((_, jobs)) = wish.experiments.iter().find(|(name, _)| same_name(name, &experiment.name)) else {
            let step = Step::new(Action::Delete, "experiment", label);
            steps.push(step.asks(Request::DeleteExperiment(place(&experiment.name))));
            continue;
        };
        let known = now.jobs.get(&(full.to_ascii_lowercase(), experiment.name.to_ascii_lowercase()));
        for view in known.into_iter().flatten() {
            if !jobs.iter().any(|(name, _)| same_name(name, own_name(&view.job))) {
                let step = Step::new(Action::Delete, "job", format!("{label}/{}", view.job.name));
                steps.push(step.asks(Request::Job { job: JobRef::Id(view.job.id), act: JobAct::Delete }));
            }
        }
    }
    for cluster in now.lists.clusters.iter().filter(|c| c.workspace == workspace.id && !c.deleting) {
        if !wish.clusters.iter().any(|(name, _)| same_name(name, &cluster.name)) {
            let step = Step::new(Action::Delete, "cluster", format!("{}/{}", wish.name, cluster.name));
            steps.push(step.asks(Request::DeleteCluster { cluster: place(&cluster.name), force: true }));
        }
    }
    for server in now.lists.file_servers.iter().filter(|s| s.workspace == workspace.id) {
        if !wish.file_servers.iter().any(|(name, _)| same_name(name, &server.name)) {
            let step = Step::new(Action::Delete, "file server", format!("{}/{}", wish.name, server.name));
            steps.push(step.asks(Request::DeleteFileServer { file_server: place(&server.name), force: true }));
        }
    }
    steps
}

fn object(value: &impl serde::Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// The longest value that a difference repeats, in characters.
const VALUE_CHARS_MAX: usize = 40;

/// Names the properties that differ, with both values where those are short.
fn differences(old: &Map<String, Value>, new: &Map<String, Value>, rule: &str) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differ = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    let short = |value: Option<&Value>| match value {
        None => Some("nothing".to_owned()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => Some(value.to_string()),
        Some(Value::Array(_) | Value::Object(_)) => None,
    };
    let mut changes: Vec<String> = differ
        .map(|key| match (short(old.get(key)), short(new.get(key))) {
            (Some(old), Some(new)) if old.chars().count() + new.chars().count() <= VALUE_CHARS_MAX => {
                format!("{key}: {old} → {new}")
            }
            (_, _) => key.clone(),
        })
        .collect();
    if !rule.is_empty() && !changes.is_empty() {
        changes.push(rule.to_owned());
    }
    changes
}
