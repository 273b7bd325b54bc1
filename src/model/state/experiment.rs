//! Workspaces and experiments: names that hold other things.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::cost::{Budget, Spent};
use crate::model::ids::{ExperimentId, GroupId, WorkspaceId};
use crate::model::state::job::ExecutionState;
use crate::model::units::{Money, UnixMillis};

/// A workspace: clusters and experiments under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Our identity.
    pub id: WorkspaceId,
    /// As typed; compared without case, unique in its group.
    pub name: String,
    /// The resource group it is in.
    #[serde(default)]
    pub group: GroupId,
    /// A free label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Free labels; all that can be changed later.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What its clusters cost that are gone.
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub spent: Spent,
    /// What its clusters may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// When it was made.
    pub created: UnixMillis,
    /// Set once deletion was asked for; it goes when the last thing in it is gone.
    #[serde(default)]
    pub deleting: bool,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting_since: Option<UnixMillis>,
}

/// How many jobs of an experiment are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Waiting.
    pub queued: u64,
    /// On nodes.
    pub running: u64,
    /// Being stopped.
    pub terminating: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended otherwise.
    pub failed: u64,
}

impl Tally {
    /// Returns the counter of one state.
    pub fn of(&mut self, state: ExecutionState) -> &mut u64 {
        match state {
            ExecutionState::Queued => &mut self.queued,
            ExecutionState::Running => &mut self.running,
            ExecutionState::Terminating => &mut self.terminating,
            ExecutionState::Succeeded => &mut self.succeeded,
            ExecutionState::Failed => &mut self.failed,
        }
    }

    /// Returns the number of all jobs.
    pub fn total(&self) -> u64 {
        self.live() + self.succeeded + self.failed
    }

    /// Returns the number of jobs that have not ended.
    pub fn live(&self) -> u64 {
        self.queued + self.running + self.terminating
    }
}

/// An experiment: a named group of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Experiment {
    /// Our identity.
    pub id: ExperimentId,
    /// The workspace it is in.
    pub workspace: WorkspaceId,
    /// As typed; unique in the workspace.
    pub name: String,
    /// When it was made.
    pub created: UnixMillis,
    /// Its jobs by state.
    #[serde(default)]
    pub tally: Tally,
    /// As many of its jobs may run at once; any number when absent. Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_max: Option<u32>,
    /// What the nodes cost while its jobs had them.
    #[serde(default)]
    pub spent: Money,
    /// Set once deletion was asked for.
    #[serde(default)]
    pub deleting: bool,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting_since: Option<UnixMillis>,
}
