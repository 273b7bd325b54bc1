//! An ended job as a list shows it: what no column says of it is left out, since of a hundred thousand jobs that would take most of
//! the time that it takes to read them.
//!
//! Decision (2026-11): beside the body of an ended job the store keeps a *line*, some 30 bytes that hold what lists show and no
//! column of the row has, as a message of Protocol Buffers (`prost`, which is here for TensorBoard's files). It is written in the
//! statement that writes the body. Not an array of JSON, which is two to three times as long. A row without a line, or with one
//! that cannot be read, is read whole: what ended before schema 6 has none. A column that shows something new needs a
//! migration that takes the lines away.

use prost::Message;

use super::JobLine;
use crate::model::ids::{ClusterId, ExperimentId, JobId};
use crate::model::spec::Priority;
use crate::model::state::{ExecutionState, Job, SweepMember};
use crate::model::units::UnixMillis;

/// An ended job as a list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedJob {
    /// Its identity.
    pub id: JobId,
    /// The experiment it is in.
    pub experiment: ExperimentId,
    /// The cluster it ran on.
    pub cluster: ClusterId,
    name: Box<str>,
    sweep: Option<Box<SweepMember>>,
    priority: Priority,
    line: Line,
}

/// What stands beside the body. Numbers of fields are never used again.
#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(bool, tag = "1")]
    failed: bool,
    #[prost(bool, tag = "2")]
    deleting: bool,
    #[prost(string, tag = "3")]
    tool: String,
    #[prost(uint32, tag = "4")]
    nodes: u32,
    /// -1 is low, 0 normal and 1 high.
    #[prost(sint32, tag = "5")]
    priority: i32,
    #[prost(uint32, tag = "6")]
    attempt: u32,
    /// This and the next two in milliseconds since 1970.
    #[prost(int64, tag = "7")]
    created: i64,
    #[prost(int64, optional, tag = "8")]
    started: Option<i64>,
    #[prost(int64, optional, tag = "9")]
    ended: Option<i64>,
    #[prost(sint32, optional, tag = "10")]
    exit_code: Option<i32>,
    #[prost(string, tag = "11")]
    reason: String,
    /// Which member of a sweep it is, as JSON, since values of parameters are JSON.
    #[prost(string, optional, tag = "12")]
    sweep: Option<String>,
}

impl EndedJob {
    /// Returns the line that is kept of a job, `None` for one that has not ended.
    pub fn line_of(job: &Job) -> Option<Vec<u8>> {
        if !job.state.ended() {
            return None;
        }
        let sweep = match &job.sweep {
            Some(member) => Some(serde_json::to_string(member).ok()?),
            None => None,
        };
        let line = Line {
            failed: job.state == ExecutionState::Failed,
            deleting: job.deleting,
            tool: job.spec.toolkit.tool_type().to_owned(),
            nodes: job.spec.node_count.0,
            priority: rank(job.priority),
            attempt: job.attempt.0,
            created: job.created.0,
            started: job.last.started.map(|at| at.0),
            ended: job.last.ended.map(|at| at.0),
            exit_code: job.last.exit_code,
            reason: job.reason(None),
            sweep,
        };
        Some(line.encode_to_vec())
    }

    /// Makes the job of what its row and its line say; `None` for a line that cannot be read.
    pub fn read(id: JobId, experiment: ExperimentId, cluster: ClusterId, name: &str, line: &[u8]) -> Option<Self> {
        let mut line = Line::decode(line).ok()?;
        let sweep = match line.sweep.take() {
            Some(member) => Some(serde_json::from_str(&member).ok()?),
            None => None,
        };
        let priority =
            [Priority::Low, Priority::Normal, Priority::High].into_iter().find(|of| rank(*of) == line.priority)?;
        Some(Self { id, experiment, cluster, name: name.into(), sweep, priority, line })
    }

    /// Returns why it is where it is, as [`Job::reason`] does.
    pub fn reason(&self) -> &str {
        &self.line.reason
    }

    /// Returns what a list says of it, as [`JobLine::of`] does.
    pub fn line(&self) -> JobLine<'_> {
        JobLine {
            id: self.id,
            name: &self.name,
            tool: &self.line.tool,
            nodes: self.line.nodes,
            state: if self.line.failed { ExecutionState::Failed } else { ExecutionState::Succeeded },
            deleting: self.line.deleting,
            sweep: self.sweep.as_deref(),
            exit_code: self.line.exit_code,
            attempt: self.line.attempt,
            priority: self.priority,
            created: UnixMillis(self.line.created),
            started: self.line.started.map(UnixMillis),
            ended: self.line.ended.map(UnixMillis),
            ..JobLine::BARE
        }
    }
}

fn rank(priority: Priority) -> i32 {
    match priority {
        Priority::Low => -1,
        Priority::Normal => 0,
        Priority::High => 1,
    }
}
