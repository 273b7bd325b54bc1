//! The columns of a list of jobs: what each says of a job. The core fills them, so that a list of many jobs carries what is shown of
//! them and not the jobs (a row of ten columns is some 100 bytes, a job more than a thousand).

mod ended;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::cells::Cells;
use crate::model::ids::{ClusterId, ExperimentId, JobId};
use crate::model::spec::{Priority, body};
use crate::model::state::{Cluster, ExecutionState, Job, SweepMember};
use crate::model::units::UnixMillis;
pub use ended::EndedJob;

/// A column of a list of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobColumn {
    /// The job's name.
    Name,
    /// `job-12`.
    Id,
    /// The name of its experiment.
    Experiment,
    /// The name of its workspace.
    Workspace,
    /// The name of its cluster.
    Cluster,
    /// The resource group of the cluster.
    ClusterGroup,
    /// The workspace of the cluster.
    ClusterWorkspace,
    /// What runs it: `custom`, `pytorch`, …
    Tool,
    /// How many nodes it needs.
    Nodes,
    /// Its state as people read it.
    State,
    /// Its values in its sweep: `lr=0.1 batch=32`.
    Parameters,
    /// Its exit code.
    Exit,
    /// The number of its current or last attempt.
    Attempt,
    /// `low`, `normal`, `high`.
    Priority,
    /// When it was submitted.
    Created,
    /// When it starts at the latest.
    Starts,
    /// When its last attempt started.
    Started,
    /// When it ended.
    Ended,
    /// Why it is where it is.
    Reason,
}

impl JobColumn {
    /// All of them, in the order of the list.
    pub const ALL: [Self; 19] = [
        Self::Name,
        Self::Id,
        Self::Experiment,
        Self::Workspace,
        Self::Cluster,
        Self::ClusterGroup,
        Self::ClusterWorkspace,
        Self::Tool,
        Self::Nodes,
        Self::State,
        Self::Parameters,
        Self::Exit,
        Self::Attempt,
        Self::Priority,
        Self::Created,
        Self::Starts,
        Self::Started,
        Self::Ended,
        Self::Reason,
    ];

    /// Adds what the column says of a job to `text`.
    pub fn write(self, line: &JobLine<'_>, text: &mut String) {
        let time =
            |at: Option<UnixMillis>, text: &mut String| text.push_str(&at.map(UnixMillis::rfc3339).unwrap_or_default());
        match self {
            Self::Name => text.push_str(line.name),
            Self::Id => number(text, line.id),
            Self::Experiment => text.push_str(line.experiment),
            Self::Workspace => text.push_str(line.workspace),
            Self::Cluster => text.push_str(line.cluster),
            Self::ClusterGroup => text.push_str(line.cluster_group),
            Self::ClusterWorkspace => text.push_str(line.cluster_workspace),
            Self::Tool => text.push_str(line.tool),
            Self::Nodes => number(text, line.nodes),
            Self::State => text.push_str(if line.deleting { "deleting" } else { line.state.word() }),
            Self::Parameters => text.push_str(&line.sweep.map(SweepMember::words).unwrap_or_default()),
            Self::Exit => line.exit_code.into_iter().for_each(|code| number(text, code)),
            Self::Attempt => number(text, line.attempt),
            Self::Priority => text.push_str(body::priority_word(line.priority)),
            Self::Created => time(Some(line.created), text),
            Self::Starts => time(line.starts, text),
            Self::Started => time(line.started, text),
            Self::Ended => time(line.ended, text),
            Self::Reason => text.push_str(line.reason),
        }
    }
}

fn number(text: &mut String, number: impl std::fmt::Display) {
    // A string takes whatever is written to it.
    let _ = write!(text, "{number}");
}

/// All that a list says of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JobLine<'a> {
    /// Its identity.
    pub id: JobId,
    /// Its name.
    pub name: &'a str,
    /// The name of its experiment.
    pub experiment: &'a str,
    /// The name of its workspace.
    pub workspace: &'a str,
    /// The name of its cluster.
    pub cluster: &'a str,
    /// The name of the cluster's resource group.
    pub cluster_group: &'a str,
    /// The name of the cluster's workspace.
    pub cluster_workspace: &'a str,
    /// What runs it.
    pub tool: &'a str,
    /// How many nodes it needs.
    pub nodes: u32,
    /// Its state.
    pub state: ExecutionState,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Which member of a sweep it is.
    pub sweep: Option<&'a SweepMember>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The number of its attempt.
    pub attempt: u32,
    /// Its priority.
    pub priority: Priority,
    /// When it was submitted.
    pub created: UnixMillis,
    /// When it starts at the latest.
    pub starts: Option<UnixMillis>,
    /// When its last attempt started.
    pub started: Option<UnixMillis>,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// Why it is where it is.
    pub reason: &'a str,
}

/// A job as a list shows it.
#[derive(Clone, Debug)]
pub enum Listed {
    /// All of it: it is in memory, or the store has no line of it.
    Whole(Arc<Job>),
    /// Its line in the store.
    Ended(Box<EndedJob>),
}

impl Listed {
    /// Returns its identity.
    pub fn id(&self) -> JobId {
        match self {
            Self::Whole(job) => job.id,
            Self::Ended(job) => job.id,
        }
    }

    /// Returns all of it, if that was read.
    pub fn whole(&self) -> Option<&Arc<Job>> {
        match self {
            Self::Whole(job) => Some(job),
            Self::Ended(_) => None,
        }
    }

    /// Returns its experiment.
    pub fn experiment(&self) -> ExperimentId {
        match self {
            Self::Whole(job) => job.experiment,
            Self::Ended(job) => job.experiment,
        }
    }

    /// Returns its cluster.
    pub fn cluster(&self) -> ClusterId {
        match self {
            Self::Whole(job) => job.cluster,
            Self::Ended(job) => job.cluster,
        }
    }

    /// Returns why it is where it is, as [`Job::reason`] does.
    pub fn reason(&self, cluster: Option<&Cluster>) -> Cow<'_, str> {
        match self {
            Self::Whole(job) => job.reason(cluster).into(),
            Self::Ended(job) => job.reason().into(),
        }
    }

    /// Returns what a list says of it, as [`JobLine::of`] does.
    pub fn line(&self) -> JobLine<'_> {
        match self {
            Self::Whole(job) => JobLine::of(job),
            Self::Ended(job) => job.line(),
        }
    }
}

impl From<Arc<Job>> for Listed {
    fn from(job: Arc<Job>) -> Self {
        Self::Whole(job)
    }
}

impl<'a> JobLine<'a> {
    /// A line of which nothing is known.
    const BARE: Self = Self {
        id: JobId(0),
        name: "",
        experiment: "",
        workspace: "",
        cluster: "",
        cluster_group: "",
        cluster_workspace: "",
        tool: "",
        nodes: 0,
        state: ExecutionState::Queued,
        deleting: false,
        sweep: None,
        exit_code: None,
        attempt: 0,
        priority: Priority::Normal,
        created: UnixMillis(0),
        starts: None,
        started: None,
        ended: None,
        reason: "",
    };

    /// Returns what a list says of a job of which only the names of what it belongs to and its reason are still to be said.
    pub fn of(job: &'a Job) -> Self {
        Self {
            id: job.id,
            name: &job.name,
            tool: job.spec.toolkit.tool_type(),
            nodes: job.spec.node_count.0,
            state: job.state,
            deleting: job.deleting,
            sweep: job.sweep.as_deref(),
            exit_code: job.last.exit_code,
            attempt: job.attempt.0,
            priority: job.priority,
            created: job.created,
            started: job.last.started,
            ended: job.last.ended,
            ..Self::BARE
        }
    }
}

/// A page of a list of jobs, by columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobTable {
    /// How many jobs it has.
    pub count: usize,
    /// What was asked for, in the order asked: for each column the texts of all jobs.
    pub columns: Vec<Cells>,
    /// The last job of the page: the next one is of those after it.
    pub last: Option<JobId>,
    /// Whether there are others after it.
    pub more: bool,
}
