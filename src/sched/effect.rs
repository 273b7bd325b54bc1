//! Every act asked of the world. Each carries its identity outside and is answered by exactly one event; until then it
//! stands in the outbox. Performing one again is harmless: nodes and providers know it by its identity or key.

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClusterId, EffectId, FileServerId, JobId, NodeId, Rank, RankKey, SweepId};
use crate::model::state::{BootId, StopWhy};
use crate::model::units::Millis;

/// An act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Its identity.
    pub id: EffectId,
    /// What to do.
    pub act: Act,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// Get a machine for this node. → `NodeAcquired` | `AcquireFailed`.
    AcquireNode { cluster: ClusterId, node: NodeId },
    /// Bring link and agent up. → `NodeUp`; while it cannot be, `NodeDown` says why and it stays in the outbox.
    PrepareNode { node: NodeId },
    /// Copy the logs of the jobs that ran on a leaving node, before it is released; in bounded time. → `LogsKept`.
    KeepLogs { node: NodeId },
    /// Give the machine back. Only of a node without holders. → `NodeReleased`.
    ReleaseNode { node: NodeId },
    /// Start one process, not before another one is over there where there is one to wait for. `limit`: what is left of the
    /// attempt's time. → `RankStarted` | `RankGone`.
    StartRank {
        node: NodeId,
        boot: BootId,
        key: RankKey,
        limit: Millis,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<RankKey>,
    },
    /// Make sure that a process never starts, if it has not yet. → `EffectDone`; `RankGone` says before that it was not.
    RecallRank { node: NodeId, key: RankKey },
    /// End one process, or make sure that it never starts. → `RankGone`.
    StopRank { node: NodeId, key: RankKey, why: StopWhy, grace: Millis },
    /// Tell the node that we have the proof on disk; it may clean up. → `EffectDone`.
    AckGone { node: NodeId, key: RankKey },
    /// Tell a launcher what became of the daemon that it asked for. → `EffectDone`.
    AnswerDaemon { node: NodeId, by: RankKey, request: u32, answer: DaemonAnswer },
    /// Set up the export of a file server on its host. → `FileServerAnswered`.
    SetUpServer { file_server: FileServerId },
    /// Undo that. → `FileServerAnswered`.
    UndoServer { file_server: FileServerId },
    /// Tell hooks that a job ended. → `EffectDone`, also when the hook fails.
    Notify { job: JobId },
    /// Make jobs of the next members of a sweep. → `SweepExpanded`.
    ExpandSweep { sweep: SweepId, count: u32 },
}

/// What a launcher is told of its daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DaemonAnswer {
    /// It runs as this rank.
    Started { rank: Rank },
    /// It has ended with this code; 255 when it could not start, as ssh would say.
    Ended { code: i32 },
}

impl Act {
    /// Returns the node that has to do it, when a node has to.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::AcquireNode { node, .. }
            | Self::PrepareNode { node }
            | Self::KeepLogs { node }
            | Self::ReleaseNode { node }
            | Self::StartRank { node, .. }
            | Self::RecallRank { node, .. }
            | Self::StopRank { node, .. }
            | Self::AckGone { node, .. }
            | Self::AnswerDaemon { node, .. } => Some(*node),
            Self::Notify { .. } | Self::ExpandSweep { .. } | Self::SetUpServer { .. } | Self::UndoServer { .. } => None,
        }
    }
}
