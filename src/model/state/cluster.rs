//! A cluster as it is: target against actual.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::cost::{Brake, Budget, Spent};
use crate::model::ids::{ClusterId, ExperimentId, JobId, SweepId, WorkspaceId};
use crate::model::spec::{ClusterSpec, Priority, ScaleSettings};
use crate::model::units::UnixMillis;

/// Whether nodes are being added or removed (published names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AllocationState {
    /// None is; also when it was given up, with an entry in `errors`.
    #[default]
    Steady,
    /// Some are.
    Resizing,
}

/// One entry of the published `errors` list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterError {
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

/// The first job of a cluster's queue and what it waits for: from this and its own fields every waiting job's one
/// reason is derived (`Job::reason`), so that a change at the head does not touch all that wait behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueHead {
    /// The job.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// What it waits for, as a sentence part: `needs 4 nodes, 2 idle, 1 preparing`.
    pub waits_for: String,
    /// When there is room for it at the latest, by the time limits of what runs; before 1970 stands for any moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<UnixMillis>,
    /// Its priority, which with its number is its place.
    #[serde(default)]
    pub priority: Priority,
    /// Whether nodes are kept for it. Otherwise it cannot run on what there is, and those behind it pass it.
    #[serde(default)]
    pub kept: bool,
}

/// What may have only so many jobs running at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cap {
    /// A sweep.
    Sweep(SweepId),
    /// An array, by its first member.
    Array(JobId),
    /// An experiment.
    Experiment(ExperimentId),
}

/// A cap that is reached, with jobs waiting for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Full {
    /// Whose.
    pub cap: Cap,
    /// How many may run.
    pub most: u32,
}

/// How auto-scale stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoState {
    /// How often in a row nodes could not be got.
    pub failures: u32,
    /// When they are asked for again, after such a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<UnixMillis>,
    /// Nothing goes before this, by a person's wish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub awake_until: Option<UnixMillis>,
    /// It failed so often that nodes are only asked for again when a person says so.
    pub paused: bool,
    /// What happens next by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStep>,
}

/// What happens by itself at some time, unless something comes before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextStep {
    /// When.
    pub at: UnixMillis,
    /// What, as a sentence part.
    pub what: String,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Our identity.
    pub id: ClusterId,
    /// The workspace it is in.
    pub workspace: WorkspaceId,
    /// As typed; unique in the workspace.
    pub name: String,
    /// Names its folder in the spools of nodes, so that no two controllers collide.
    pub uuid: Uuid,
    /// What was asked for; `scale_settings` is the part that changes.
    pub spec: ClusterSpec,
    /// Whether nodes come or go.
    pub allocation: AllocationState,
    /// Since when.
    pub allocation_since: UnixMillis,
    /// What nodes or the provider met.
    #[serde(default)]
    pub errors: Vec<ClusterError>,
    /// The first of the queue, when anything waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<QueueHead>,
    /// The first that nodes are kept for, when that is not the first of the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_for: Option<QueueHead>,
    /// The caps that keep jobs of this cluster waiting now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<Full>,
    /// How many jobs wait.
    #[serde(default)]
    pub waiting: u64,
    /// How auto-scale stands; nothing where a person scales.
    #[serde(default)]
    pub auto: AutoState,
    /// How it was scaled before somebody changed that, while nodes still come or go for the change: it can be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<ScaleSettings>>,
    /// What its nodes cost that are gone.
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub spent: Spent,
    /// What it may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What its budget, or that of its workspace, does now.
    #[serde(default)]
    pub brake: Brake,
    /// It has fewer nodes than it is to have, because more would take a forecast above a budget.
    #[serde(default)]
    pub short_of_money: bool,
    /// How many machines its provider has taken away.
    #[serde(default)]
    pub lost: u32,
    /// How many of its machines its provider has said that it takes away.
    #[serde(default)]
    pub noticed: u32,
    /// When it was made.
    pub created: UnixMillis,
    /// Set once deletion was asked for; it goes when its last node is gone.
    #[serde(default)]
    pub deleting: bool,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting_since: Option<UnixMillis>,
}
