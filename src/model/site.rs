//! What those who place a cluster's jobs say of their own: partitions, nodes and the queue of everybody. It is a picture, told
//! again and again and never stored; nothing is decided by it. All texts are theirs: data, to be cleaned where they are shown.

use serde::{Deserialize, Serialize};

use crate::model::ids::ClusterId;
use crate::model::units::{Millis, UnixMillis};

/// How many jobs of a queue are kept in the picture; the others are only counted.
pub const SITE_JOBS_MAX: usize = 5_000;
/// How many nodes are.
pub const SITE_NODES_MAX: usize = 20_000;

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// When it was taken.
    pub at: UnixMillis,
    /// How long after it the next one is due.
    pub every: Millis,
    /// What they are: `slurm 22.05.8`.
    pub version: String,
    /// Their partitions.
    pub partitions: Vec<Partition>,
    /// Their nodes, each once.
    pub nodes: Vec<SiteNode>,
    /// The queue of everybody, as they order it.
    pub jobs: Vec<SiteJob>,
    /// How many jobs more there are.
    pub more_jobs: u64,
    /// What could not be read or is not known: said aloud, so that nothing is taken for empty.
    pub notes: Vec<String>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// Whether it is the one that jobs go to which name none.
    pub default: bool,
    /// `up`, `down`, `drain`, `inact`.
    pub state: String,
    /// The longest time of a job, in their words.
    pub time_limit: String,
    /// Nodes: at work, idle, other, all.
    pub nodes: [u32; 4],
    /// CPUs: at work, idle, other, all.
    pub cpus: [u32; 4],
}

/// A node of theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteNode {
    /// Its name.
    pub name: String,
    /// The partitions that it is in.
    pub partitions: Vec<String>,
    /// Their word for its state: `idle`, `mixed`, `drained*`.
    pub state: String,
    /// CPUs: at work, idle, other, all.
    pub cpus: [u32; 4],
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// What else it has: `gpu:a100:4`.
    pub gres: String,
    /// Its features.
    pub features: String,
    /// Why it is down or drained; empty when it is not.
    pub reason: String,
    /// Who said so.
    pub reason_by: String,
}

/// A job of somebody's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SiteJob {
    /// Its number, `12_3` for a member of an array.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whose.
    pub user: String,
    /// Its partition.
    pub partition: String,
    /// The account that pays.
    pub account: String,
    /// Its quality of service.
    pub qos: String,
    /// Their word for its state.
    pub state: String,
    /// Their word for why it waits.
    pub reason: String,
    /// The same as a sentence part.
    pub why: String,
    /// How many nodes.
    pub nodes: u32,
    /// How many CPUs.
    pub cpus: u32,
    /// Memory, in their words.
    pub memory: String,
    /// What else: `gres:gpu:1`.
    pub gres: String,
    /// The longest time, in their words.
    pub limit: String,
    /// The time it has run, in their words.
    pub used: String,
    /// When it started, or is expected to.
    pub starts: Option<UnixMillis>,
    /// Its priority.
    pub priority: u64,
    /// The nodes it has, in their short form.
    pub on: String,
    /// Whether it is the person's own.
    pub mine: bool,
}
