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

/// Where a node of theirs stands, in the states of the published model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// At work, in whole or in part.
    Running,
    /// Nothing runs there.
    Idle,
    /// Being started.
    Preparing,
    /// At work, with no new work to come.
    Leaving,
    /// Down, drained, failed, or switched off.
    Unusable,
}

/// What the marks behind a word for a state mean, the weightiest first (the page `sinfo`, NODE STATE CODES).
const MARKS: &[(char, Standing, &str)] = &[
    ('*', Standing::Unusable, "does not answer"),
    ('~', Standing::Unusable, "switched off"),
    ('%', Standing::Unusable, "being switched off"),
    ('$', Standing::Unusable, "in maintenance"),
    ('#', Standing::Preparing, "being started"),
    ('@', Standing::Leaving, "will be booted anew"),
    ('^', Standing::Preparing, "being booted"),
    ('!', Standing::Leaving, "to be switched off"),
];

/// Their words for states of nodes, with what they mean.
const WORDS: &[(&str, Standing, &str)] = &[
    ("alloc", Standing::Running, "in use"),
    ("allocated", Standing::Running, "in use"),
    ("comp", Standing::Running, "ending a job"),
    ("completing", Standing::Running, "ending a job"),
    ("down", Standing::Unusable, "down"),
    ("drain", Standing::Unusable, "drained"),
    ("drained", Standing::Unusable, "drained"),
    ("draining", Standing::Leaving, "no new work"),
    ("drng", Standing::Leaving, "no new work"),
    ("fail", Standing::Unusable, "failed"),
    ("idle", Standing::Idle, "idle"),
    ("maint", Standing::Unusable, "in maintenance"),
    ("mix", Standing::Running, "partly in use"),
    ("mixed", Standing::Running, "partly in use"),
    ("planned", Standing::Idle, "kept for a job"),
    ("pow_up", Standing::Preparing, "being started"),
    ("powered_down", Standing::Unusable, "switched off"),
    ("powering_down", Standing::Unusable, "being switched off"),
    ("powering_up", Standing::Preparing, "being started"),
    ("reboot", Standing::Preparing, "being booted"),
    ("rebooting", Standing::Preparing, "being booted"),
    ("reserved", Standing::Idle, "reserved"),
    ("unk", Standing::Unusable, "not known"),
    ("unknown", Standing::Unusable, "not known"),
];

impl SiteNode {
    /// Returns where it stands and the same in words. A word that is not known counts as unusable, and is said as it is.
    pub fn standing(&self) -> (Standing, String) {
        let (word, marks) = match self.state.find(|c: char| !c.is_ascii_alphabetic() && c != '_') {
            Some(at) => self.state.split_at(at),
            None => (self.state.as_str(), ""),
        };
        let word = word.to_ascii_lowercase();
        let known = WORDS.iter().find(|(own, ..)| *own == word);
        let (stands, words) = known.map_or((Standing::Unusable, word.as_str()), |(_, stands, words)| (*stands, words));
        match MARKS.iter().find(|(mark, ..)| marks.contains(*mark)) {
            None => (stands, words.to_owned()),
            // What is idle because it is off is off.
            Some((_, marked, said)) if matches!(stands, Standing::Idle) => (*marked, (*said).to_owned()),
            Some((_, marked, said)) => (stands.max(*marked), format!("{words}, {said}")),
        }
    }
}

impl SiteCounts {
    /// Counts nodes by their words for a state: `idle`, `mixed`, `down*`, `drained`. A word that is not known counts as unusable.
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a SiteNode>) -> Self {
        let mut counts = Self::default();
        for node in nodes {
            let count = match node.standing().0 {
                Standing::Idle => &mut counts.idle,
                Standing::Running => &mut counts.running,
                Standing::Preparing => &mut counts.preparing,
                Standing::Leaving => &mut counts.leaving,
                Standing::Unusable => &mut counts.unusable,
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

impl SiteJob {
    /// Says whether it waits.
    pub fn waits(&self) -> bool {
        self.state == "PENDING"
    }

    /// Says whether it waits because somebody holds it.
    pub fn held(&self) -> bool {
        self.waits() && self.reason.trim_start_matches('(').starts_with("JobHeld")
    }

    /// Says whether it has nodes: what is over may still be listed with those it had.
    pub fn has_nodes(&self) -> bool {
        let has = matches!(self.state.as_str(), "RUNNING" | "COMPLETING" | "SUSPENDED" | "CONFIGURING" | "STOPPED");
        has && !self.on.is_empty()
    }
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
        let said = nodes.map(|node| node.standing().1);
        assert_eq!(
            said[3..8],
            ["down, does not answer", "drained", "no new work", "switched off", "partly in use, being started"]
        );
        assert_eq!(said[9], "melting");
    }
}
