//! Layer 2: bytes to and from a node. [`Order`] and [`Report`] are all the runtime knows of it; links, frames, the
//! agents and their spool are inside. Ssh's exit status 255 means three things and proves none, so nothing here derives
//! life or death from it.

pub mod agent;
mod allocation;
pub mod bootstrap;
pub mod frame;
pub mod link;
pub mod local;
pub(crate) mod order;
pub mod program;
mod session;
pub mod ssh;
pub mod web;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClusterId, EffectId, Epoch, NodeId, RankKey};
use crate::model::launch::Launch;
use crate::model::site::Site;
use crate::model::spec::AgentKind;
use crate::model::state::{Away, BootId, Facts, Proof, StopWhy, Unusable};
use crate::model::units::Millis;

/// How a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by")]
pub enum Address {
    /// A host as `ssh HOST` reaches it, with the user's own configuration.
    Ssh {
        /// `[user@]host`, checked by `names::check_host`.
        host: String,
        /// The configuration file to use instead of the user's (`-F`).
        config: Option<String>,
    },
    /// A node that a pilot of ours holds in an allocation of Slurm.
    Allocation {
        /// The login node, as `Ssh`'s host.
        login: String,
        /// As `Ssh`'s.
        config: Option<String>,
        /// The number of the allocation.
        job: String,
    },
    /// This machine.
    Local,
}

/// All that is needed to open and name one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLink {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// How it is reached.
    pub address: Address,
    /// The two folder names of its spool below `ostler-node/` (semantics, Spool): cluster uuid, node uuid.
    pub spool: (String, String),
    /// For a local node the absolute path of the spool itself, below the state directory.
    pub local_root: Option<String>,
    /// The core's epoch: the agent refuses orders of a lower one.
    pub epoch: Epoch,
    /// Which agent is to lead it.
    #[serde(default)]
    pub agent: AgentKind,
}

/// What the core orders a node to do. All are idempotent: a repeat gives the first answer again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Starts one process under its supervisor. → `Started` | `Gone`.
    Start {
        effect: EffectId,
        key: RankKey,
        /// Refused under another boot.
        boot: BootId,
        /// TERM after this, enforced on the node.
        limit: Millis,
        /// KILL so long after TERM.
        grace: Millis,
        launch: Box<Launch>,
        /// Not before this process of the same node is over, which has the place that this one takes over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<RankKey>,
    },
    /// Makes sure that a process whose start was ordered, or was to be, never starts, because of what we found on our
    /// side. → `Gone`, or what is so when it had started before.
    Refuse {
        effect: EffectId,
        key: RankKey,
        /// The code of the job's error.
        code: String,
        /// For people.
        why: String,
    },
    /// Makes sure that a process never starts, unless it has. → `Gone` or `Started`, and then `Done` in any case.
    Recall {
        /// The effect that it answers to.
        effect: EffectId,
        /// The process.
        key: RankKey,
    },
    /// Ends a process, or takes its start lock so that it never starts. → `Gone` once that is proven.
    Stop { effect: EffectId, key: RankKey, why: StopWhy, grace: Millis },
    /// The proof is on our disk; the record may be cleaned up. → `Done`.
    Ack { effect: EffectId, key: RankKey },
    /// An answer to a launcher's request: a line for its shim, `started` or `ended CODE`. → `Done`.
    AnswerDaemon { effect: EffectId, by: RankKey, request: u32, answer: String },
}

/// What a node, or the link to it, says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Report {
    /// The agent runs, has taken our epoch, and this is all there is in its spool.
    Up { boot: BootId, facts: Box<Facts>, inventory: BTreeMap<RankKey, Seen> },
    /// The link is not there. The link task tries again by itself after `retry_in`; `None` means that it waits to be
    /// asked (refused key, changed host key).
    Down { why: Unusable, retry_in: Option<Millis> },
    /// Answers `Start`.
    Started { effect: EffectId, key: RankKey },
    /// A process was killed, and the kernel does not let it end: why. Said again from time to time as long as it is so.
    Stuck { key: RankKey, why: String },
    /// What those who place a process that was handed over say of it.
    Told { key: RankKey, away: Arc<Away> },
    /// A process is over or will never be; `effect` when it answers an order.
    Gone { key: RankKey, effect: Option<EffectId>, proof: Proof },
    /// A launcher's shim asks for a daemon on `host`, a name or address of the attempt's hostfile.
    DaemonAsked { by: RankKey, request: u32, host: String, command: String },
    /// Answers `Ack` and `AnswerDaemon`.
    Done { effect: EffectId },
    /// A picture of those who place the jobs of its cluster.
    Site(Arc<Site>),
}

/// What is found of a process in a spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen {
    /// Its supervisor or its process lives.
    Alive,
    /// It is over.
    Gone(Proof),
}
