//! Reads the files that `apply` takes: a whole workspace as one tree (`workspace: {name, clusters, fileServers,
//! experiments: [{name, jobs}]}`), or one thing a document (`kind: cluster`, with its published body and the names of what
//! it is in). Several documents of one or many files become one wish.

use std::collections::BTreeMap;

use crate::model::cost::Budget;
use crate::model::names::{check_name, same_name};
use crate::model::spec::budget_file;
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::{Faults, Field, FileFault};
use crate::model::spec::{ClusterFile, ClusterSpec, FileServerFile, FileServerSpec, JobFile, JobSpec};

/// A workspace as files wish it to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceTree {
    /// Its name.
    pub name: String,
    /// Its resource group, when a file says so.
    pub group: Option<String>,
    /// A free label, when a file says so.
    pub location: Option<String>,
    /// Its tags, when a file says so; others go.
    pub tags: Option<BTreeMap<String, String>>,
    /// Its file servers.
    pub file_servers: Vec<(String, FileServerSpec)>,
    /// What all its clusters may spend together, when a file says so.
    pub budget: Option<Budget>,
    /// Its clusters.
    pub clusters: Vec<(String, ClusterSpec)>,
    /// What each of them may spend, by its name as it is typed, where a file says so.
    pub budgets: BTreeMap<String, Budget>,
    /// Its experiments with their jobs.
    pub experiments: Vec<(String, Vec<(String, JobSpec)>)>,
}

/// All that files wish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The workspaces, in the order in which they are met.
    pub workspaces: Vec<WorkspaceTree>,
}

/// What a document is about.
#[derive(Clone, Copy)]
enum Kind {
    Workspace,
    Cluster,
    FileServer,
    Experiment,
    Job,
}

const KINDS: [(&str, Kind); 6] = [
    ("workspace", Kind::Workspace),
    ("cluster", Kind::Cluster),
    ("fileServer", Kind::FileServer),
    ("file-server", Kind::FileServer),
    ("experiment", Kind::Experiment),
    ("job", Kind::Job),
];

impl Tree {
    /// Adds what a document says. `home` is the workspace of things that name none.
    pub fn add(&mut self, doc: &Doc, home: Option<&str>, faults: &mut Faults) {
        let root = Field::root(doc);
        if let Some(tree) = doc.get("workspace").filter(|inner| matches!(inner.value, Value::Map(_)))
            && doc.get("kind").is_none()
        {
            return self.add_tree(&root.child("workspace", tree), faults);
        }
        let Some(kind) = doc.get("kind") else {
            return root.fault(faults, "has neither `kind` nor `workspace: {name: …}`");
        };
        let Some(kind) = root.child("kind", kind).word(faults, &KINDS) else { return };
        let body = without(doc, &["kind"]);
        match kind {
            Kind::Workspace => self.add_tree(&Field::root(&body), faults),
            Kind::Cluster => self.add_cluster(&body, home, "", faults),
            Kind::FileServer => self.add_file_server(&body, home, "", faults),
            Kind::Experiment => {
                let workspace = name_in(&body, "workspace").or(home.map(str::to_owned));
                match (workspace, name_in(&body, "name")) {
                    (Some(workspace), Some(name)) => self.experiments(&workspace, &name, faults, &root),
                    (_, _) => root.fault(faults, "an experiment wants `workspace` and `name`"),
                }
            }
            Kind::Job => self.add_job(&body, home, None, "", faults),
        }
    }

    fn add_tree(&mut self, field: &Field<'_>, faults: &mut Faults) {
        let Some(mut fields) = field.map(faults) else { return };
        let Some(name) = fields.need(faults, "name").and_then(|field| field.checked(faults, check_name)) else { return };
        let group = fields.take("resourceGroup").and_then(|field| field.checked(faults, check_name));
        let location = fields.take("location").and_then(|field| field.text(faults));
        let tags = fields.take("tags").map(|field| tags(&field, faults));
        let budget = fields.take("budget").and_then(|field| budget_file::read(&field, faults));
        let clusters = fields.take("clusters").map(|field| field.list(faults)).unwrap_or_default();
        let servers = fields.take("fileServers").map(|field| field.list(faults)).unwrap_or_default();
        let experiments = fields.take("experiments").map(|field| field.list(faults)).unwrap_or_default();
        fields.finish(faults);
        let workspace = self.workspace(&name);
        workspace.group = group.or(workspace.group.take());
        workspace.location = location.or(workspace.location.take());
        workspace.tags = tags.or(workspace.tags.take());
        workspace.budget = budget.or(workspace.budget);
        for (at, item) in servers.iter().enumerate() {
            self.add_file_server(&doc_of(item), Some(&name), &format!("fileServers[{at}]"), faults);
        }
        for (at, item) in clusters.iter().enumerate() {
            self.add_cluster(&doc_of(item), Some(&name), &format!("clusters[{at}]"), faults);
        }
        for (at, item) in experiments.iter().enumerate() {
            self.add_experiment(item, &name, &format!("experiments[{at}]"), faults);
        }
    }

    fn add_experiment(&mut self, field: &Field<'_>, workspace: &str, path: &str, faults: &mut Faults) {
        let Some(mut fields) = field.map(faults) else { return };
        let Some(name) = fields.need(faults, "name").and_then(|field| field.checked(faults, check_name)) else { return };
        let jobs = fields.take("jobs").map(|field| field.list(faults)).unwrap_or_default();
        fields.finish(faults);
        self.experiments(workspace, &name, faults, field);
        for (at, item) in jobs.iter().enumerate() {
            self.add_job(&doc_of(item), Some(workspace), Some(&name), &format!("{path}.jobs[{at}]"), faults);
        }
    }

    fn add_cluster(&mut self, doc: &Doc, home: Option<&str>, path: &str, faults: &mut Faults) {
        let Some(file) = inside(path, faults, |faults| ClusterFile::read(doc, faults)) else { return };
        let root = Field::root(doc);
        let workspace = file.workspace.or(home.map(str::to_owned));
        let (Some(workspace), Some(name)) = (workspace, file.name) else {
            return root.fault(faults, "a cluster wants `name`, and `workspace` outside the tree of one");
        };
        let tree = self.workspace(&workspace);
        match tree.clusters.iter().any(|(other, _)| same_name(other, &name)) {
            true => root.fault(faults, format!("the cluster `{name}` is there twice")),
            false => {
                tree.budgets.extend(file.budget.map(|budget| (name.clone(), budget)));
                tree.clusters.push((name, file.spec));
            }
        }
    }

    fn add_file_server(&mut self, doc: &Doc, home: Option<&str>, path: &str, faults: &mut Faults) {
        let Some(file) = inside(path, faults, |faults| FileServerFile::read(doc, faults)) else { return };
        let root = Field::root(doc);
        let workspace = file.workspace.or(home.map(str::to_owned));
        let (Some(workspace), Some(name)) = (workspace, file.name) else {
            return root.fault(faults, "a file server wants `name`, and `workspace` outside the tree of one");
        };
        let servers = &mut self.workspace(&workspace).file_servers;
        match servers.iter().any(|(other, _)| same_name(other, &name)) {
            true => root.fault(faults, format!("the file server `{name}` is there twice")),
            false => servers.push((name, file.spec)),
        }
    }

    fn add_job(&mut self, doc: &Doc, home: Option<&str>, of: Option<&str>, path: &str, faults: &mut Faults) {
        let Some(file) = inside(path, faults, |faults| JobFile::read(doc, faults)) else { return };
        let root = Field::root(doc);
        let workspace = file.workspace.or(home.map(str::to_owned));
        let experiment = of.map(str::to_owned).or(file.experiment);
        let (Some(workspace), Some(experiment), Some(name)) = (workspace, experiment, file.name) else {
            return root.fault(faults, "a job wants `name`, and `workspace` and `experiment` outside the tree of one");
        };
        let jobs = self.jobs(&workspace, &experiment);
        match jobs.iter().any(|(other, _)| same_name(other, &name)) {
            true => root.fault(faults, format!("the job `{name}` is there twice")),
            false => jobs.push((name, file.spec)),
        }
    }

    fn workspace(&mut self, name: &str) -> &mut WorkspaceTree {
        let at = match self.workspaces.iter().position(|w| same_name(&w.name, name)) {
            Some(at) => at,
            None => {
                self.workspaces.push(WorkspaceTree { name: name.to_owned(), ..WorkspaceTree::default() });
                self.workspaces.len() - 1
            }
        };
        &mut self.workspaces[at]
    }

    fn jobs(&mut self, workspace: &str, experiment: &str) -> &mut Vec<(String, JobSpec)> {
        let experiments = &mut self.workspace(workspace).experiments;
        let at = match experiments.iter().position(|(name, _)| same_name(name, experiment)) {
            Some(at) => at,
            None => {
                experiments.push((experiment.to_owned(), Vec::new()));
                experiments.len() - 1
            }
        };
        &mut experiments[at].1
    }

    fn experiments(&mut self, workspace: &str, name: &str, faults: &mut Faults, field: &Field<'_>) {
        match check_name(name).and_then(|()| check_name(workspace)) {
            Ok(()) => drop(self.jobs(workspace, name)),
            Err(why) => field.fault(faults, why),
        }
    }
}

/// Reads a part with faults of its own, and puts the part's path before theirs.
fn inside<T>(path: &str, faults: &mut Faults, read: impl FnOnce(&mut Faults) -> Option<T>) -> Option<T> {
    let mut own = Faults::default();
    let found = read(&mut own);
    let place = |fault: FileFault| match (path.is_empty(), fault.field.is_empty()) {
        (true, _) => fault,
        (false, true) => FileFault { field: path.to_owned(), ..fault },
        (false, false) => FileFault { field: format!("{path}.{}", fault.field), ..fault },
    };
    faults.errors.extend(own.errors.into_iter().map(place));
    faults.warnings.extend(own.warnings.into_iter().map(place));
    found
}

fn doc_of(field: &Field<'_>) -> Doc {
    Doc { place: field.place(), value: field.value().clone() }
}

fn without(doc: &Doc, keys: &[&str]) -> Doc {
    let mut doc = doc.clone();
    if let Value::Map(entries) = &mut doc.value {
        entries.retain(|entry| !keys.contains(&entry.key.as_str()));
    }
    doc
}

fn name_in(doc: &Doc, key: &str) -> Option<String> {
    match &doc.get(key)?.value {
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
    }
}

fn tags(field: &Field<'_>, faults: &mut Faults) -> BTreeMap<String, String> {
    match field.value() {
        Value::Map(entries) => entries
            .iter()
            .filter_map(|entry| Some((entry.key.clone(), field.child(&entry.key, &entry.value).scalar(faults)?)))
            .collect(),
        Value::Null => BTreeMap::new(),
        Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
            field.fault(faults, "wants a map of tags");
            BTreeMap::new()
        }
    }
}
