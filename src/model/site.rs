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

/// How many nodes of theirs are in each state of the published model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteCounts {
    /// Nothing runs there.
    pub idle: u32,
    /// At work, in whole or in part.
    pub running: u32,
    /// Being started.
    pub preparing: u32,
    /// Down, drained, failed, or switched off.
    pub unusable: u32,
    /// At work, with no new work to come.
    pub leaving: u32,
}

impl SiteCounts {
    /// Counts nodes by their words for a state: `idle`, `mixed`, `down*`, `drained`. A word that is not known counts as unusable.
    pub fn of(nodes: &[SiteNode]) -> Self {
        let mut counts = Self::default();
        for node in nodes {
            // A mark behind the word says more of it: `*` does not answer, `~` is off, `#` comes up, `%` goes down, `$` is in
            // maintenance, `@` will be booted anew (the page `sinfo`, NODE STATE CODES).
            let (word, mark) = match node.state.find(|c: char| !c.is_ascii_alphabetic() && c != '_') {
                Some(at) => node.state.split_at(at),
                None => (node.state.as_str(), ""),
            };
            let count = match word.to_ascii_lowercase().as_str() {
                _ if mark.contains(['*', '~', '%', '$']) => &mut counts.unusable,
                _ if mark.contains('#') => &mut counts.preparing,
                "idle" | "planned" | "reserved" => &mut counts.idle,
                "allocated" | "alloc" | "mixed" | "mix" | "completing" | "comp" => &mut counts.running,
                "powering_up" | "pow_up" | "reboot" | "rebooting" => &mut counts.preparing,
                "draining" | "drng" => &mut counts.leaving,
                _ => &mut counts.unusable,
            };
            *count += 1;
        }
        counts
    }

    /// Returns how many there are.
    pub fn total(self) -> u32 {
        self.idle + self.running + self.preparing + self.unusable + self.leaving
    }
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
    /// Whether it has ended: they keep such jobs in the queue for some minutes.
    #[serde(default)]
    pub over: bool,
}

/// What a person asks of those who place a cluster's jobs. It is done with the person's own rights there: what those do not allow is
/// refused, in their words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteAct {
    /// Acts on jobs of their queue, by their numbers.
    #[serde(rename_all = "camelCase")]
    Jobs { ids: Vec<String>, act: SiteJobAct },
    /// Acts on nodes of theirs, by name.
    #[serde(rename_all = "camelCase")]
    Nodes { names: Vec<String>, act: SiteNodeAct },
}

impl SiteAct {
    /// Returns how many jobs or nodes it names.
    pub fn count(&self) -> usize {
        match self {
            Self::Jobs { ids: names, .. } | Self::Nodes { names, .. } => names.len(),
        }
    }
}

/// What can be asked for a job of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteJobAct {
    /// Ends it.
    Cancel,
    /// Keeps it from starting.
    Hold,
    /// Lets it start again.
    Release,
    /// Stops it and puts it back into the queue.
    Requeue,
    /// Lets it come later than its turn by so much of their priority; 0 takes that back.
    Nice(u32),
    /// Changes the longest time that it may run, in whole minutes up; who is no operator may only lower it.
    TimeLimit(Millis),
}

/// What can be asked for a node of theirs; only operators may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SiteNodeAct {
    /// No new work, and why, for those who come across it.
    #[serde(rename_all = "camelCase")]
    Drain { why: String },
    /// New work again.
    Resume,
    /// Starts a machine that is rented or asleep.
    PowerUp,
    /// Lets it go or sleep once nothing runs there.
    PowerDown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_counted_once_by_its_word() {
        let words = [
            "idle",
            "mixed",
            "allocated+",
            "down*",
            "drained",
            "draining",
            "idle~",
            "mixed#",
            "powering_up",
            "melting",
            "planned",
        ];
        let nodes = words.map(|word| SiteNode { state: word.into(), ..SiteNode::default() });
        let counts = SiteCounts::of(&nodes);
        let expected = SiteCounts { idle: 2, running: 2, preparing: 2, unusable: 4, leaving: 1 };
        assert_eq!((counts, counts.total()), (expected, 11));
    }
}
