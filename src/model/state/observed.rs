//! What was seen of how a node is used, as far as anything is decided or said by it. The runtime tells it when it changes, and
//! only once it has held for a while, so that work that comes and goes changes nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::node::{Facts, Node, NodeState};
use crate::model::units::{Millis, UnixMillis};

/// What was seen of a node by its samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Observed {
    /// How many GPUs were seen.
    #[serde(skip_serializing_if = "is_zero")]
    pub gpus: u32,
    /// GPUs that do nothing, by index, with since when.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gpus_still: BTreeMap<u32, UnixMillis>,
    /// Since when its CPUs do nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_still: Option<UnixMillis>,
    /// Since when nobody has used a terminal there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_alone: Option<UnixMillis>,
    /// GPUs with a process that no job of its cluster has begun, by index, with which one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub strangers: BTreeMap<u32, String>,
    /// How far its clock is ahead of the core's, in milliseconds, when that is too far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead: Option<i64>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Observed {
    /// Adds GPUs to what a node said of itself, where only the command of the configuration sees them.
    pub fn complete(&self, facts: &mut Facts) {
        if facts.capacity.gpus_milli == 0 {
            facts.capacity.gpus_milli = u64::from(self.gpus) * 1000;
        }
    }

    /// Says whether nothing was seen yet.
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }
}

/// The three ways in which a node is idle, each with since when; told apart because each asks for something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idleness {
    /// No job has it or a part of it.
    pub no_job: Option<UnixMillis>,
    /// Neither its CPUs nor its GPUs do anything.
    pub no_use: Option<UnixMillis>,
    /// All of its GPUs do nothing, whatever its CPUs do.
    pub no_gpu_use: Option<UnixMillis>,
    /// Nobody has used a terminal there.
    pub nobody: Option<UnixMillis>,
}

impl Idleness {
    /// Returns in which ways a node is idle; in none while it is not up.
    pub fn of(node: &Node) -> Self {
        let up = matches!(node.state, NodeState::Idle | NodeState::Running);
        if !up {
            return Self::default();
        }
        let seen = &node.observed;
        let still = |index| seen.gpus_still.get(&index).copied();
        let gpus: Option<Vec<UnixMillis>> = (0..seen.gpus).map(still).collect();
        let no_gpu_use = gpus.as_ref().and_then(|all| all.iter().max().copied());
        let no_use = gpus.and_then(|all| Some(all.into_iter().fold(seen.cpus_still?, UnixMillis::max)));
        let no_job = (node.state == NodeState::Idle).then_some(node.since);
        Self { no_job, no_use, no_gpu_use, nobody: seen.left_alone }
    }

    /// Returns it in words, when samples say more than the state does.
    pub fn told(&self, now: UnixMillis, gpus: u32) -> String {
        match self.no_use.or(self.no_gpu_use).or(self.nobody) {
            Some(_) => self.words(now, gpus),
            None => String::new(),
        }
    }

    /// Returns it in words: `no job for 12m; CPUs and GPUs unused for 10m; nobody attached for 2h`.
    pub fn words(&self, now: UnixMillis, gpus: u32) -> String {
        let span = |since: UnixMillis| Millis(now.since(since).0 / 1000 * 1000);
        let unused = match (self.no_use, self.no_gpu_use) {
            (Some(since), _) if gpus > 0 => Some(format!("CPUs and GPUs unused for {}", span(since))),
            (Some(since), _) => Some(format!("CPUs unused for {}", span(since))),
            (None, Some(since)) => Some(format!("GPUs unused for {}", span(since))),
            (None, None) => None,
        };
        let job = self.no_job.map(|since| format!("no job for {}", span(since)));
        let nobody = self.nobody.map(|since| format!("nobody attached for {}", span(since)));
        job.into_iter().chain(unused).chain(nobody).collect::<Vec<_>>().join("; ")
    }
}

/// Returns what a person should know of a node beside its state, a sentence part each.
pub fn warnings(node: &Node, now: UnixMillis) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(notice) = &node.notice {
        parts.push(notice.words(now));
    }
    if let Some(since) = node.wasted {
        parts.push(format!("its job has not used its GPUs for {}", Millis(now.since(since).0 / 1000 * 1000)));
    }
    for (index, who) in &node.observed.strangers {
        parts.push(format!("GPU {index} is used by {who}, which is no job of this cluster"));
    }
    if let Some(ahead) = node.observed.clock_ahead {
        let (by, how) = (Millis(ahead.unsigned_abs()), if ahead > 0 { "ahead" } else { "behind" });
        parts.push(format!("its clock is {by} {how}"));
    }
    parts
}

/// A node goes at some time, as its provider has said: low-priority machines are taken away with little notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// When.
    pub at: UnixMillis,
    /// In the provider's words; empty when it says none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Notice {
    /// Returns it in words.
    pub fn words(&self, now: UnixMillis) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(" ({})", self.why) };
        match self.at > now {
            true => format!("its provider takes it away in {}{why}", Millis(self.at.since(now).0 / 1000 * 1000)),
            false => format!("its provider takes it away now{why}"),
        }
    }
}
