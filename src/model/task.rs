//! What takes longer than an answer: copies of files and commands on nodes. A task is told about while it goes on and ends
//! when whoever asked goes away. What a copy has done is kept then, and the next one goes on from there.
//!
//! Decision (2026-11): a copy is between a node and a path of this machine, and the process that hosts the core does it. A
//! front end is a process of the same user on the same machine (the socket lets nobody else in), so bytes need not
//! pass through it as well: raw from the node's channel to the disk, and only news on the socket.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::request::{FolderRef, NodeRef, base64_bytes};

/// How many news of a task may wait for its reader before the task itself waits.
pub const NEWS_WAITING_MAX: usize = 16;
/// How many things that were left out are named; more are counted.
pub const LEFT_OUT_NAMED_MAX: u64 = 100;

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Copies files.
    Copy(Copy),
    /// Runs a command on a node.
    Run(Run),
}

/// Which way files are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CopyWay {
    /// From the node, into a directory here.
    Get,
    /// To the node, into its directory.
    Put,
}

/// What is done where a file is there already and differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Existing {
    /// It stays, and that is said.
    #[default]
    Keep,
    /// It is replaced.
    Replace,
}

/// Files to copy: one regular file, or a directory with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// Which way.
    pub way: CopyWay,
    /// On the node: what to get, or the directory to put into. One node: the first when none is named.
    pub remote: FolderRef,
    /// Here, absolute: the directory to get into, or what to put.
    pub local: String,
    /// What becomes of files that are there.
    #[serde(default)]
    pub existing: Existing,
}

/// A command to run on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The node.
    pub node: NodeRef,
    /// A command line for its shell.
    pub command: String,
}

/// How far a copy is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The file that is being copied, as it may be shown.
    pub file: String,
    /// Files done, and all.
    pub files: (u64, u64),
    /// Bytes that are where they belong, and all.
    pub bytes: (u64, u64),
    /// Of those, bytes that were there before this copy began.
    pub kept: u64,
    /// Files and directories that were left out.
    pub left_out: u64,
}

/// A stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What is told of a task. `Copied`, `Exited` and `Failed` are the last of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskNews {
    /// How far it is.
    Progress(Progress),
    /// Something is not copied: its name as it may be shown, and why.
    #[serde(rename_all = "camelCase")]
    LeftOut { name: String, why: String },
    /// The link is lost; it goes on where it was.
    #[serde(rename_all = "camelCase")]
    Interrupted { why: String },
    /// All is copied but what was left out.
    Copied(Progress),
    /// What the command wrote: raw bytes, not yet fit to be shown.
    #[serde(rename_all = "camelCase")]
    Output {
        stream: Stream,
        #[serde(with = "base64_bytes")]
        bytes: Vec<u8>,
    },
    /// The command has ended with this code, 128+n for signal n.
    #[serde(rename_all = "camelCase")]
    Exited { code: i32 },
    /// It cannot go on.
    Failed(Fault),
}

impl TaskNews {
    /// Says whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Copied(_) | Self::Exited { .. } | Self::Failed(_) => true,
            Self::Progress(_) | Self::LeftOut { .. } | Self::Interrupted { .. } | Self::Output { .. } => false,
        }
    }
}
