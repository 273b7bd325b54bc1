//! A sweep as it is: one row for all its members. A member becomes a job of its own when it comes up; until then its number,
//! its name and its values follow from the row.
//!
//! An array is the same, without parameters. People know it by its members alone, so its row goes when all have come up.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::model::ids::{ClusterId, EffectId, ExperimentId, JobId, SweepId, WorkspaceId};
use crate::model::spec::{Indexes, Priority, SweepSpec};
use crate::model::state::job::Dependency;
use crate::model::units::UnixMillis;

/// A sweep or an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sweep {
    /// Our identity.
    pub id: SweepId,
    /// The workspace it is in.
    pub workspace: WorkspaceId,
    /// The experiment it is in.
    pub experiment: ExperimentId,
    /// The cluster that its members run on.
    pub cluster: ClusterId,
    /// As typed; unique among the sweeps of the experiment, not among its arrays. Members' names begin with it.
    pub name: String,
    /// What the members' own are derived from.
    pub uuid: Uuid,
    /// What was asked for. Kept beside the row, since it may be large and changes only when the sweep is extended; front ends
    /// have an empty one.
    #[serde(skip)]
    pub spec: Arc<SweepSpec>,
    /// How many parts it has: another number means another `spec`.
    pub parts: u32,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// The indexes of the members of an array, by which they are called; a sweep has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Box<Indexes>>,
    /// Which jobs its members are.
    pub blocks: Vec<Block>,
    /// The members that have not come up.
    pub left: Spans,
    /// How many members were taken away before they came up.
    #[serde(default)]
    pub trimmed: u32,
    /// How many members have failed by themselves.
    #[serde(default)]
    pub failed: u32,
    /// The priority of members that come up from now on.
    pub priority: Priority,
    /// Whether no member comes up until a person says so.
    #[serde(default)]
    pub held: bool,
    /// The client's token: a repeated request with the same one gives this sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What its members come after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// The effect that brings members up, while it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expanding: Option<EffectId>,
    /// When it was made.
    pub created: UnixMillis,
}

/// Members that are jobs with numbers in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Block {
    /// The job of the first.
    pub job: JobId,
    /// The index of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Which member of a sweep a job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepMember {
    /// The sweep.
    pub of: SweepId,
    /// Its name.
    pub name: String,
    /// The member's index, from 0.
    pub index: u32,
    /// Its values, in the order of the sweep's parameters.
    pub parameters: Vec<(String, Value)>,
    /// As many members may run at once; any number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_max: Option<u32>,
}

impl SweepMember {
    /// Returns its values as people read them: `lr=0.1 batch=32`.
    pub fn words(&self) -> String {
        let pairs = self.parameters.iter().map(|(name, value)| format!("{name}={}", crate::model::spec::token::text(value)));
        pairs.collect::<Vec<_>>().join(" ")
    }
}

/// Numbers in a few runs: each from its first to before its last, in order, apart from one another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spans(Vec<(u32, u32)>);

impl Spans {
    /// Returns the numbers from `first` to before `end`.
    pub fn of(first: u32, end: u32) -> Self {
        Self(if first < end { vec![(first, end)] } else { Vec::new() })
    }

    /// Returns how many there are.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|(first, end)| end - first).sum()
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether a number is among them.
    pub fn contains(&self, number: u32) -> bool {
        let at = self.0.partition_point(|(_, end)| *end <= number);
        self.0.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// Takes a number out; says whether it was there.
    pub fn remove(&mut self, number: u32) -> bool {
        let at = self.0.partition_point(|(_, end)| *end <= number);
        match self.0.get(at).copied() {
            Some((first, end)) if first <= number => {
                let rest = [(first, number), (number + 1, end)];
                self.0.splice(at..=at, rest.into_iter().filter(|(first, end)| first < end));
                true
            }
            Some(_) | None => false,
        }
    }

    /// Adds a run after all others.
    pub fn append(&mut self, first: u32, end: u32) {
        match self.0.last_mut() {
            Some(last) if last.1 == first => last.1 = end,
            _ if first < end => self.0.push((first, end)),
            _ => {}
        }
    }

    /// Returns the numbers in order; from the back they can be taken too.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, end)| *first..*end)
    }

    /// Returns those from `first` to before `end`, in order; from the back they can be taken too. What is outside costs nothing.
    pub fn within(&self, first: u32, end: u32) -> impl DoubleEndedIterator<Item = u32> + '_ {
        let at = self.0.partition_point(|(_, before)| *before <= first);
        let to = self.0.partition_point(|(begin, _)| *begin < end).max(at);
        self.0[at..to].iter().flat_map(move |(begin, before)| (*begin).max(first)..(*before).min(end))
    }
}

impl Sweep {
    /// Says whether it is an array.
    pub fn is_array(&self) -> bool {
        self.indexes.is_some()
    }

    /// Returns how many members it was ever given.
    pub fn count(&self) -> u32 {
        self.blocks.iter().map(|block| block.count).sum()
    }

    /// Returns the job that a member is.
    pub fn job_of(&self, index: u32) -> Option<JobId> {
        let block = self.blocks.iter().find(|block| (block.first..block.first + block.count).contains(&index))?;
        Some(JobId(block.job.0 + u64::from(index - block.first)))
    }

    /// Returns the member that a job is.
    pub fn index_of(&self, job: JobId) -> Option<u32> {
        let block = self.blocks.iter().find(|block| block.job <= job && job.0 < block.job.0 + u64::from(block.count))?;
        Some(block.first + u32::try_from(job.0 - block.job.0).unwrap_or(u32::MAX))
    }

    /// Returns the name of a member that is called by its number: from 1, as wide as that of the last one of the beginning.
    /// Members of an array are called by their index as it is.
    pub fn member_name(&self, index: u32) -> String {
        if let Some(indexes) = &self.indexes {
            return format!("{}-{}", self.name, indexes.at(index).unwrap_or(u32::MAX));
        }
        let width = self.blocks.first().map_or(0, |block| block.count.to_string().len());
        format!("{}-{:0width$}", self.name, index + 1)
    }

    /// Returns the member that has this name while it is called by its number.
    pub fn named(&self, name: &str) -> Option<u32> {
        let (before, number) = name.rsplit_once('-')?;
        let number = number.parse::<u32>().ok()?;
        let index = match &self.indexes {
            Some(indexes) => indexes.place_of(number)?,
            None => number.checked_sub(1)?,
        };
        let fits = before.eq_ignore_ascii_case(&self.name) && self.member_name(index).eq_ignore_ascii_case(name);
        (fits && index < self.count()).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spans_are_a_set(end in 1_u32..60, out in proptest::collection::vec(0_u32..70, 0..40), part in (0_u32..70, 0_u32..70)) {
            let mut spans = Spans::of(0, end);
            let mut set: std::collections::BTreeSet<u32> = (0..end).collect();
            for number in out {
                prop_assert_eq!(spans.contains(number), set.contains(&number));
                prop_assert_eq!(spans.remove(number), set.remove(&number));
                prop_assert!(spans.iter().eq(set.iter().copied()));
                prop_assert_eq!(spans.len() as usize, set.len());
            }
            spans.append(end, end + 3);
            set.extend(end..end + 3);
            prop_assert!(spans.iter().rev().eq(set.iter().rev().copied()));
            let (first, end) = (part.0.min(part.1), part.0.max(part.1));
            prop_assert!(spans.within(first, end).eq(set.range(first..end).copied()));
            prop_assert!(spans.within(first, end).rev().eq(set.range(first..end).rev().copied()));
        }
    }
}
