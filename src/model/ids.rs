//! Identities of everything the core keeps, as newtypes, so that a job can never be taken for a node.
//!
//! Numbers are handed out by the core from counters, are never reused on one state directory, and
//! print with the prefix of their kind (`job-12`). They are for us; people use names.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// Returns the identity that follows this one.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;
            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.strip_prefix($prefix).unwrap_or(text).parse().map(Self)
            }
        }
    };
}

id!(/// A workspace.
    WorkspaceId(u64), "ws-");
id!(/// A resource group.
    GroupId(u64), "group-");
id!(/// A file server.
    FileServerId(u64), "fs-");
id!(/// A cluster: a pool of alike nodes.
    ClusterId(u64), "cluster-");
id!(/// A node: one machine as one cluster sees it. A host that leaves and comes back is a new node.
    NodeId(u64), "node-");
id!(/// An experiment: a named group of jobs.
    ExperimentId(u64), "exp-");
id!(/// A sweep: one body, many values.
    SweepId(u64), "sweep-");
id!(/// A job. Its attempts share this identity.
    JobId(u64), "job-");
id!(/// The count of a job's attempts; the first is 1, and 0 means "never started". The fencing token.
    Attempt(u32), "attempt-");
id!(/// One act asked of the world by the core. It goes outside with the act, so that recovery can ask whether it was done.
    EffectId(u64), "e");
id!(/// The number of a committed turn of the runtime; a snapshot and its updates are ordered by it.
    Seq(u64), "seq-");
id!(/// The number of starts of a core on one state directory. A node refuses orders of a lower one.
    Epoch(u64), "epoch-");

impl GroupId {
    /// The group that is always there.
    pub const DEFAULT: Self = Self(0);
}

/// The last number handed out for each kind of identity; part of the core's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counters {
    /// Of resource groups.
    pub group: GroupId,
    /// Of workspaces.
    pub workspace: WorkspaceId,
    /// Of clusters.
    pub cluster: ClusterId,
    /// Of file servers.
    pub file_server: FileServerId,
    /// Of nodes.
    pub node: NodeId,
    /// Of experiments.
    pub experiment: ExperimentId,
    /// Of jobs; members of sweeps that have not come up are counted.
    pub job: JobId,
    /// Of sweeps.
    pub sweep: SweepId,
    /// Of effects.
    pub effect: EffectId,
    /// Jobs with numbers above this one …
    #[serde(skip_serializing_if = "is_none_yet")]
    pub left_out_above: JobId,
    /// … and up to this one may be those of a newer state that was lost: who is not known here is left alone.
    #[serde(skip_serializing_if = "is_none_yet")]
    pub left_out_to: JobId,
}

fn is_none_yet(id: &JobId) -> bool {
    id.0 == 0
}

impl Counters {
    /// Returns the counters after which no job gets a number up to `job`: it may have been given out by a newer state that is lost.
    pub fn without(self, job: JobId) -> Self {
        let above = if self.left_out_to.0 == 0 { self.job } else { self.left_out_above.min(self.job) };
        Self { job: self.job.max(job), left_out_above: above, left_out_to: self.left_out_to.max(job), ..self }
    }

    /// Says whether a number was left out, so that a job of it may be somebody's.
    pub fn is_left_out(&self, job: JobId) -> bool {
        job > self.left_out_above && job <= self.left_out_to
    }
}

/// What a process of an attempt is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RankRole {
    /// What makes one node fit for the attempt before anything else of it runs there (mounts, container); the index is
    /// that of the node in the attempt.
    Setup,
    /// The job preparation on one node; the index is that of the node in the attempt.
    Prepare,
    /// A process of the framework's launch plan; the index is the rank.
    Main,
    /// A daemon that a launcher (mpirun) of a main rank asked for on another node; the index counts the requests.
    Daemon,
    /// What undoes the set-up of one node after everything else of the attempt is proven gone; the index is that of the
    /// node in the attempt.
    Cleanup,
}

/// One supervised process of an attempt: prints as `m0`, `p2`, `d1`, `s0`, `c0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// What it is there for.
    pub role: RankRole,
    /// Its number within the role, from 0.
    pub index: u32,
}

impl Rank {
    /// Returns main rank `index`.
    pub fn main(index: u32) -> Self {
        Self { role: RankRole::Main, index }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            RankRole::Setup => 's',
            RankRole::Prepare => 'p',
            RankRole::Main => 'm',
            RankRole::Daemon => 'd',
            RankRole::Cleanup => 'c',
        };
        write!(f, "{role}{}", self.index)
    }
}

impl FromStr for Rank {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no rank; forms: m0, p0, d0, s0, c0");
        let mut chars = text.chars();
        let role = match chars.next() {
            Some('s') => RankRole::Setup,
            Some('c') => RankRole::Cleanup,
            Some('p') => RankRole::Prepare,
            Some('m') => RankRole::Main,
            Some('d') => RankRole::Daemon,
            _ => return Err(bad()),
        };
        let index = chars.as_str().parse().map_err(|_| bad())?;
        Ok(Self { role, index })
    }
}

impl Serialize for Rank {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Names one process over all jobs and attempts: prints as `12.1.m0`, which is also its record file in a node's spool,
/// and what it is in JSON: a map there may have no other keys than texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RankKey {
    /// The job.
    pub job: JobId,
    /// The attempt of that job.
    pub attempt: Attempt,
    /// The process within the attempt.
    pub rank: Rank,
}

impl fmt::Display for RankKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.job.0, self.attempt.0, self.rank)
    }
}

impl FromStr for RankKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` names no process; the form is JOB.ATTEMPT.RANK, as 12.1.m0");
        let mut parts = text.split('.');
        let job = parts.next().and_then(|p| p.parse().ok()).map(JobId).ok_or_else(bad)?;
        let attempt = parts.next().and_then(|p| p.parse().ok()).map(Attempt).ok_or_else(bad)?;
        let rank = parts.next().ok_or_else(bad)?.parse()?;
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self { job, attempt, rank })
    }
}

impl Serialize for RankKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RankKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_texts_in_json() {
        let key: RankKey = "12.1.m0".parse().unwrap();
        let map = std::collections::BTreeMap::from([(key, 1)]);
        let text = serde_json::to_string(&map).unwrap();
        assert_eq!(text, r#"{"12.1.m0":1}"#);
        assert_eq!(serde_json::from_str::<std::collections::BTreeMap<RankKey, i32>>(&text).unwrap(), map);
    }

    #[test]
    fn keys_print_and_parse() {
        for text in ["12.1.m0", "7.3.p2", "1.1.d11", "4.1.s0", "4.1.c1"] {
            assert_eq!(text.parse::<RankKey>().unwrap().to_string(), text);
        }
        for text in ["", "12", "12.1", "12.1.x0", "12.1.m", "12.1.m0.4", "a.1.m0"] {
            assert!(text.parse::<RankKey>().is_err(), "{text}");
        }
        assert_eq!("job-4".parse::<JobId>(), Ok(JobId(4)));
        assert_eq!(JobId(4).to_string(), "job-4");
    }
}
