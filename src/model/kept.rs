//! What became of the logs of a node that was given back.

use serde::{Deserialize, Serialize};

use crate::model::ids::{Attempt, JobId};
use crate::model::units::{Bytes, UnixMillis};

/// How many jobs with logs left behind are named in one event; the count has them all.
pub const LEFT_NAMED_MAX: usize = 100;

/// What one release of a node kept of the logs in its spool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Kept {
    /// How many jobs have a copy now.
    pub jobs: u64,
    /// How many bytes were copied.
    pub bytes: Bytes,
    /// Jobs of which something stayed behind, at most [`LEFT_NAMED_MAX`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftBehind>,
    /// How many jobs that are in all.
    pub left_count: u64,
    /// Why not even a look was possible, when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The logs of one job that stayed behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBehind {
    /// Whose.
    pub job: JobId,
    /// Which attempt ran there last.
    pub attempt: Attempt,
    /// What, and why, as a sentence part.
    pub what: String,
}

/// What is known of the copy of one job's logs on one node; lies beside the copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The node's name.
    pub node: String,
    /// When it was copied.
    pub at: UnixMillis,
    /// How much was copied.
    pub bytes: Bytes,
    /// What stayed behind, and why, as a sentence part; empty when all of it was copied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub left: String,
}
