//! A node as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::observed::{Notice, Observed};
use crate::model::cost::Meter;
use crate::model::ids::{Attempt, ClusterId, EffectId, JobId, NodeId};
use crate::model::spec::Resources;
use crate::model::state::job::RankRun;
use crate::model::units::{Bytes, Money, UnixMillis};

/// Names one boot of a machine; another one proves that all processes of the former are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// What a node said of itself when its agent came up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// Its own name for itself.
    pub hostname: String,
    /// An address at which the other nodes of its cluster reach it.
    pub address: String,
    /// The absolute path of this node's spool.
    pub root: String,
    /// The absolute path of the shell that runs job command lines (bash where there is one).
    pub shell: String,
    /// The login name.
    pub user: String,
    /// What it has: CPUs, memory, GPUs.
    pub capacity: Resources,
    /// The names of its GPUs, in the order of their numbers; none when it has none or they do not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpu_names: Vec<String>,
    /// The size of the file system of `/`; zero when it was not said.
    pub disk: Bytes,
    /// The operating system in words.
    pub os: String,
    /// The word in a file beside its spool, of whichever node of its cluster came there first: nodes with the same word have
    /// that folder in common. Empty when it could not be written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub share: String,
    /// Which agent leads it: `native`, or `shell: WHY` where that was asked for and cannot be; empty for the shell's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
    /// What ssh makes of the node's host; nothing for a node that is this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Box<Login>>,
}

/// Where ssh goes for a host, by the whole of its configuration (`ssh -G`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Login {
    /// The name or address that is dialled.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who signs in.
    pub user: String,
}

/// Why a node cannot be used, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unusable {
    /// Stable, for programs: `unreachable`, `auth-refused`, `host-key-changed`, `host-key-unknown`, `no-shell`, `missing-tools`, `spool`, …
    pub code: String,
    /// The step that failed: `connect`, `sign in`, `start agent`, `prepare`, `mount`, `set up`, `clean up`.
    pub step: String,
    /// The node's or ssh's own words.
    pub message: String,
}

/// The life of a node. Published: preparing, idle, running, unusable, leaving; ours: allocating.
///
/// Moves: allocating → preparing → idle ⇄ running; any but allocating → unusable → preparing | idle | running;
/// any → leaving → gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "why")]
pub enum NodeState {
    /// Asked of the provider; not yet counted in currentNodeCount.
    Allocating,
    /// There; link, agent and facts are on the way.
    Preparing,
    /// Ready, no job.
    Idle,
    /// The attempt of a job holds it, or attempts of several hold parts of it.
    Running,
    /// Failed its preparation, or out of sight for too long.
    Unusable(Unusable),
    /// On its way out.
    Leaving,
}

impl NodeState {
    /// Returns the word for this state.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allocating => "allocating",
            Self::Preparing => "preparing",
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Unusable(_) => "unusable",
            Self::Leaving => "leaving",
        }
    }
}

/// Whether a node can be seen. Out of sight is not dead.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "reach")]
pub enum Reach {
    /// Never yet.
    #[default]
    Never,
    /// Its agent answers.
    Seen,
    /// The link is lost.
    #[serde(rename_all = "camelCase")]
    Lost {
        /// Since when.
        since: UnixMillis,
        /// ssh's own last words.
        why: String,
        /// When it is tried again by itself; never, or not known, when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_try: Option<UnixMillis>,
    },
}

/// What was done on a node before it takes jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetUp {
    /// How often it was begun; the attempt in the key of its process.
    pub runs: Attempt,
    /// The process of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<RankRun>,
    /// The boot under which it was done last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<BootId>,
    /// Why the node cannot be used until it is set up again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Unusable>,
    /// It is to be done once more under this boot.
    pub wanted: bool,
    /// The process of the last run undoes what former ones did: the node is given back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub undoing: bool,
    /// How many runs in a row were lost; those are begun again.
    #[serde(skip_serializing_if = "is_zero")]
    pub lost: u32,
}

/// As `skip_serializing_if` wants it.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl SetUp {
    /// Says whether nothing was ever done.
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Our identity.
    pub id: NodeId,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Its name on screens: the host, or `local-1`. Empty while allocating.
    pub name: String,
    /// What ssh is given, or the number of a local node. Empty while allocating.
    pub host: String,
    /// Where it stands.
    pub state: NodeState,
    /// Since when.
    pub since: UnixMillis,
    /// Whether it can be seen.
    #[serde(default)]
    pub reach: Reach,
    /// The attempts that hold it, or a part of it. Each stays until it is proven dead, whatever the state says.
    #[serde(default, rename = "holder", with = "holders", skip_serializing_if = "BTreeSet::is_empty")]
    pub holders: BTreeSet<(JobId, Attempt)>,
    /// The boot under which it was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// What it said of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// No new work, by a person's wish.
    #[serde(default)]
    pub drained: bool,
    /// The effect under way for it (acquire, prepare, release).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectId>,
    /// How often its acquisition has failed in a row; while it is allocating without an effect, the next try follows
    /// after a back-off of this many steps.
    #[serde(default)]
    pub tries: u32,
    /// What was done on it before it takes jobs.
    #[serde(default, skip_serializing_if = "SetUp::is_new")]
    pub setup: SetUp,
    /// How it differs from its cluster's node class, as a sentence part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<String>,
    /// Why it is not there yet, in its provider's words, while it is allocating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<String>,
    /// What its provider calls the machine; empty where it is just a host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// What it costs in an hour.
    #[serde(default)]
    pub price: Money,
    /// How long it was used in which way.
    #[serde(default, skip_serializing_if = "Meter::is_new")]
    pub meter: Meter,
    /// Who pays for it: the jobs that hold it, without those that were sent ahead and wait, each with what `meter.shared` was when it came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<JobId, Money>,
    /// From when on it goes when nothing is on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMillis>,
    /// Until when its provider lends it, as far as that is known from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<UnixMillis>,
    /// What its samples say of how it is used.
    #[serde(default, skip_serializing_if = "Observed::is_new")]
    pub observed: Observed,
    /// Since when its job holds GPUs of it without using any, once the rule of its cluster minds that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wasted: Option<UnixMillis>,
    /// When its provider takes it away, as far as that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

impl Node {
    /// Returns the number of the allocation of Slurm that it is; `None` for any other node.
    pub fn allocation(&self) -> Option<&str> {
        self.host.strip_prefix("allocation/")
    }

    /// Says whether it gets no new work: by a person's wish, or because it is to go.
    pub fn is_closed(&self) -> bool {
        self.drained || self.notice.is_some()
    }

    /// Says whether somebody else uses GPUs of it, so that no job can have it for itself.
    pub fn has_strangers(&self) -> bool {
        !self.is_held() && !self.observed.strangers.is_empty()
    }

    /// Says whether the attempt of any job holds it or a part of it.
    pub fn is_held(&self) -> bool {
        !self.holders.is_empty()
    }
}

/// Until nodes were shared there was at most one holder, kept as a pair; a single one still is.
mod holders {
    use std::collections::BTreeSet;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Attempt, JobId};

    type Holder = (JobId, Attempt);

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Many(BTreeSet<Holder>),
        One(Holder),
        None(()),
    }

    pub fn serialize<S: Serializer>(holders: &BTreeSet<Holder>, s: S) -> Result<S::Ok, S::Error> {
        match holders.first() {
            Some(only) if holders.len() == 1 => only.serialize(s),
            Some(_) | None => holders.serialize(s),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeSet<Holder>, D::Error> {
        Ok(match Form::deserialize(d)? {
            Form::Many(holders) => holders,
            Form::One(holder) => BTreeSet::from([holder]),
            Form::None(()) => BTreeSet::new(),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[derive(Deserialize)]
        struct Row {
            #[serde(with = "super")]
            holder: BTreeSet<Holder>,
        }

        #[test]
        fn one_holder_of_an_older_row_is_read() {
            let pair = (JobId(12), Attempt(2));
            let cases = [
                ("[12,2]", vec![pair]),
                ("null", vec![]),
                ("[]", vec![]),
                ("[[12,2],[13,1]]", vec![pair, (JobId(13), Attempt(1))]),
            ];
            for (text, expected) in cases {
                let row: Row = serde_json::from_str(&format!("{{\"holder\":{text}}}")).expect(text);
                assert_eq!(row.holder.into_iter().collect::<Vec<_>>(), expected, "{text}");
            }
        }
    }
}
