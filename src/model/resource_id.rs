//! The full hierarchical ids of the published model (reference §1.3): written and read. They are accepted wherever a
//! name is, so that something of another workspace can be meant:
//!
//! `/subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.BatchAI/workspaces/{ws}[/clusters/{c} | /fileServers/{f}
//! | /experiments/{e}[/jobs/{j}]]`
//!
//! Our short form leaves out what comes before `workspaces` (`workspaces/lab/clusters/gpu`), or only the subscription and the
//! provider (`resourceGroups/default/workspaces/lab`). Words of the form are read in any case, as the samples mix them.
//!
//! Decision 2026-11: a subscription is not looked up: there is one controller here, and files name subscriptions of a
//! cloud that it knows nothing of. Ids that are written name it [`SUBSCRIPTION`].

use std::fmt;

use crate::model::names::{check_name, shown_char};

/// The subscription in the ids that we write.
pub const SUBSCRIPTION: &str = "ostler";
/// The provider in the ids that we write.
pub const PROVIDER: &str = "Microsoft.BatchAI";
/// The longest id that is read, in bytes: six names of the longest kind with their words, twice over.
const ID_BYTES_MAX: usize = 2048;

/// The words that have a name of ours behind them, in lower case.
const WORDS: &[&str] = &["subscriptions", "resourcegroups", "workspaces", "clusters", "fileservers", "experiments", "jobs"];

/// A resource and all that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId {
    /// As the id names it; not looked up.
    pub subscription: Option<String>,
    /// The resource group, when the id names one.
    pub group: Option<String>,
    /// The workspace.
    pub workspace: String,
    /// What in the workspace; the workspace itself when absent.
    pub child: Option<Child>,
}

/// What a workspace holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    /// A cluster.
    Cluster(String),
    /// A file server.
    FileServer(String),
    /// An experiment.
    Experiment(String),
    /// A job.
    Job {
        /// The experiment it is in.
        experiment: String,
        /// Its name.
        job: String,
    },
}

impl Child {
    /// Returns what kind of thing it is, as messages name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cluster(_) => "cluster",
            Self::FileServer(_) => "file server",
            Self::Experiment(_) => "experiment",
            Self::Job { .. } => "job",
        }
    }
}

impl ResourceId {
    /// Returns the id of something in the default group, as we write it.
    pub fn new(group: &str, workspace: &str, child: Option<Child>) -> Self {
        Self {
            subscription: Some(SUBSCRIPTION.to_owned()),
            group: Some(group.to_owned()),
            workspace: workspace.to_owned(),
            child,
        }
    }

    /// Says whether a text is meant as an id, and not as a name or as `GROUP/WORKSPACE`.
    pub fn is_meant(text: &str) -> bool {
        let first = text.split('/').next().unwrap_or_default().to_ascii_lowercase();
        text.contains('/') && (first.is_empty() || WORDS[..3].contains(&first.as_str()))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// A sentence that says what does not fit and gives the form.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > ID_BYTES_MAX {
            return Err(format!("an id of {} bytes; the limit is {ID_BYTES_MAX}", text.len()));
        }
        let bad = |why: String| {
            format!("{why}; the form is workspaces/WORKSPACE/clusters/CLUSTER, or all of it from /subscriptions on")
        };
        let mut parts = text.trim_matches('/').split('/').peekable();
        let mut id = Self { subscription: None, group: None, workspace: String::new(), child: None };
        let mut job = None;
        while let Some(word) = parts.next() {
            let lower = word.to_ascii_lowercase();
            let Some(name) = parts.next() else {
                return Err(bad(format!("`{}` without a name behind it", word.escape_debug())));
            };
            if WORDS.contains(&lower.as_str()) {
                check(&lower, name).map_err(|why| bad(format!("{word}: {why}")))?;
            }
            let name = name.to_owned();
            let in_workspace = !id.workspace.is_empty();
            match (lower.as_str(), in_workspace, &id.child) {
                ("subscriptions", false, None) if id.subscription.is_none() => id.subscription = Some(name),
                ("resourcegroups", false, None) if id.group.is_none() => id.group = Some(name),
                ("providers", false, None) => {}
                ("workspaces", false, None) => id.workspace = name,
                ("clusters", true, None) => id.child = Some(Child::Cluster(name)),
                ("fileservers", true, None) => id.child = Some(Child::FileServer(name)),
                ("experiments", true, None) => id.child = Some(Child::Experiment(name)),
                ("jobs", true, Some(Child::Experiment(_))) if job.is_none() => job = Some(name),
                (_, _, _) => return Err(bad(format!("`{}` does not belong there", word.escape_debug()))),
            }
        }
        if id.workspace.is_empty() {
            return Err(bad(format!("`{}` names no workspace", text.escape_debug())));
        }
        id.child = match (id.child, job) {
            (Some(Child::Experiment(experiment)), Some(job)) => Some(Child::Job { experiment, job }),
            (child, _) => child,
        };
        Ok(id)
    }

    /// Reads the id of a cluster.
    ///
    /// # Errors
    /// As [`ResourceId::parse`], or that it is the id of something else.
    pub fn cluster(text: &str) -> Result<(Self, String), String> {
        let id = Self::parse(text)?;
        match &id.child {
            Some(Child::Cluster(name)) => {
                let name = name.clone();
                Ok((id, name))
            }
            other => Err(other_kind(other.as_ref(), "cluster")),
        }
    }

    /// Reads the id of an experiment.
    ///
    /// # Errors
    /// As [`ResourceId::cluster`].
    pub fn experiment(text: &str) -> Result<(Self, String), String> {
        let id = Self::parse(text)?;
        match &id.child {
            Some(Child::Experiment(name)) => {
                let name = name.clone();
                Ok((id, name))
            }
            other => Err(other_kind(other.as_ref(), "experiment")),
        }
    }

    /// Reads the id of a file server.
    ///
    /// # Errors
    /// As [`ResourceId::cluster`].
    pub fn file_server(text: &str) -> Result<(Self, String), String> {
        let id = Self::parse(text)?;
        match &id.child {
            Some(Child::FileServer(name)) => {
                let name = name.clone();
                Ok((id, name))
            }
            other => Err(other_kind(other.as_ref(), "file server")),
        }
    }

    /// Reads the id of a job: its experiment and its name.
    ///
    /// # Errors
    /// As [`ResourceId::cluster`].
    pub fn job(text: &str) -> Result<(Self, String, String), String> {
        let id = Self::parse(text)?;
        match &id.child {
            Some(Child::Job { experiment, job }) => {
                let (experiment, job) = (experiment.clone(), job.clone());
                Ok((id, experiment, job))
            }
            other => Err(other_kind(other.as_ref(), "job")),
        }
    }

    /// Returns the path below a prefix that belongs to one run of a job: the published `jobOutputDirectoryPathSegment`.
    pub fn segment(group: &str, workspace: &str, experiment: &str, job: &str, uuid: uuid::Uuid) -> String {
        format!("{SUBSCRIPTION}/{group}/workspaces/{workspace}/experiments/{experiment}/jobs/{job}/{uuid}")
    }

    /// Returns the path below a prefix that belongs to one cluster: the published `stdOutErrPathSuffix` of its set-up task.
    pub fn setup_segment(group: &str, workspace: &str, cluster: &str, uuid: uuid::Uuid) -> String {
        format!("{SUBSCRIPTION}/{group}/workspaces/{workspace}/clusters/{cluster}/{uuid}")
    }
}

fn other_kind(child: Option<&Child>, wanted: &str) -> String {
    format!("this id names a thing of the kind {}, wanted is the kind {wanted}", child.map_or("workspace", Child::kind))
}

/// Names of ours have their own rule; subscriptions and groups may have dots.
fn check(word: &str, name: &str) -> Result<(), String> {
    match word {
        "subscriptions" | "resourcegroups" => {
            let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '(' | ')');
            match name.chars().find(|c| !fits(*c)) {
                Some(c) => Err(format!("the name has the character {}", shown_char(c))),
                None if name.is_empty() => Err("the name is empty".to_owned()),
                None => Ok(()),
            }
        }
        _ => check_name(name),
    }
}

impl fmt::Display for ResourceId {
    /// As published when it names a group; otherwise from the workspace on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(group) = &self.group {
            let subscription = self.subscription.as_deref().unwrap_or(SUBSCRIPTION);
            write!(f, "/subscriptions/{subscription}/resourceGroups/{group}/providers/{PROVIDER}")?;
        }
        write!(f, "/workspaces/{}", self.workspace)?;
        match &self.child {
            None => Ok(()),
            Some(Child::Cluster(name)) => write!(f, "/clusters/{name}"),
            Some(Child::FileServer(name)) => write!(f, "/fileServers/{name}"),
            Some(Child::Experiment(name)) => write!(f, "/experiments/{name}"),
            Some(Child::Job { experiment, job }) => write!(f, "/experiments/{experiment}/jobs/{job}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::DEFAULT_GROUP;

    const FULL: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/batchai.recipes/providers/Microsoft.BatchAI/workspaces/recipe_workspace";

    #[test]
    fn ids_of_every_kind_read_back() {
        for (tail, child) in [
            ("", None),
            ("/clusters/nc6", Some(Child::Cluster("nc6".into()))),
            ("/fileServers/nfs", Some(Child::FileServer("nfs".into()))),
            ("/experiments/e", Some(Child::Experiment("e".into()))),
            ("/experiments/e/jobs/j-1", Some(Child::Job { experiment: "e".into(), job: "j-1".into() })),
        ] {
            let text = format!("{FULL}{tail}");
            let id = ResourceId::parse(&text).unwrap();
            assert_eq!(
                (id.group.as_deref(), id.workspace.as_str(), &id.child),
                (Some("batchai.recipes"), "recipe_workspace", &child)
            );
            assert_eq!(id.to_string(), text);
            let mixed = text
                .replace("fileServers", "fileservers")
                .replace("resourceGroups", "resourcegroups")
                .replace("workspaces", "Workspaces");
            assert_eq!(ResourceId::parse(&mixed), Ok(id), "{mixed}");
        }
    }

    #[test]
    fn short_forms_leave_out_what_is_above() {
        for text in ["workspaces/lab/clusters/gpu", "/workspaces/lab/clusters/gpu/"] {
            let (id, name) = ResourceId::cluster(text).unwrap();
            assert_eq!(id.to_string(), "/workspaces/lab/clusters/gpu");
            assert_eq!((id.group, id.workspace.as_str(), name.as_str()), (None, "lab", "gpu"), "{text}");
        }
        let id = ResourceId::parse("resourceGroups/team/workspaces/lab").unwrap();
        assert_eq!((id.group.as_deref(), id.workspace.as_str(), id.child), (Some("team"), "lab", None));
        let id = ResourceId::new(DEFAULT_GROUP, "lab", None).to_string();
        assert_eq!(id, "/subscriptions/ostler/resourceGroups/default/providers/Microsoft.BatchAI/workspaces/lab");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (text, expected) in [
            ("", "without a name behind it"),
            ("/clusters/gpu", "`clusters` does not belong there"),
            ("/subscriptions/s/resourceGroups/g", "names no workspace"),
            ("workspaces/lab/clusters", "`clusters` without a name behind it"),
            ("workspaces/lab/jobs/j", "`jobs` does not belong there"),
            ("workspaces/lab/clusters/a/clusters/b", "`clusters` does not belong there"),
            ("workspaces/lab/clusters/a b", "the name has the character U+0020"),
            ("workspaces/lab/clusters/\u{1b}[2J", "the name has the character U+001B"),
            ("workspaces/l$b", "the name has the character `$`"),
            ("a/b", "`a` does not belong there"),
        ] {
            let why = ResourceId::parse(text).unwrap_err();
            assert!(why.contains(expected), "{text:?}: {why}");
        }
        assert!(ResourceId::parse(&"workspaces/a/".repeat(400)).unwrap_err().contains("the limit is"));
        let why = ResourceId::cluster("workspaces/lab/experiments/e").unwrap_err();
        assert_eq!(why, "this id names a thing of the kind experiment, wanted is the kind cluster");
    }
}
