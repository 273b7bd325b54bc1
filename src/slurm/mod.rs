//! Layer 2: a cluster whose jobs Slurm places. To the runtime it is one node, the login node, with the same [`Order`]s and
//! [`Report`]s as any other: a dispatcher stands before that node's agent and takes the orders of jobs. A start becomes one
//! submission, a stop a `scancel`, and what `squeue` says becomes the node's reports; so exactly-once, proofs and recovery are
//! those of every node, and the core knows of Slurm nothing at all.
//!
//! Decisions:
//! - 2026-11: *text, not JSON, from the programs*: one `squeue -o` with a separator of ours costs slurmctld and the wire a tenth of
//!   `--json`, and its letters are the same from version 18 to 25; the JSON changes its shape with each data plugin.
//! - 2026-11: *one look at a time for the whole cluster*, 2 to 30 s apart, and none while nobody looks and nothing runs.
//! - 2026-11: *a submission has a folder* in the login node's spool, made by `mkdir`, and a comment in Slurm with the key of the
//!   process. A try that was cut is looked up by both before there is another; the script itself checks that it is the owner.
//! - 2026-11: *members of an array or a sweep that start together are one array there*, whose script leads each to its own folder, so
//!   that records, exit codes and proofs are those of a single job. Members are no more alike than their words of `sbatch`.
//! - 2026-11: *a cap is the array's `%N`*. What of the same sweep is submitted later (a member that is tried again, the next thousand)
//!   comes after what is there has ended (`afterany`), so that together they never run more than may; it may wait for long.
//! - 2026-11: *an exit code is the record that the script left*; Slurm's word decides only where there is none, or where Slurm ended
//!   the job itself.
//! - 2026-11: *the REST service stands in for the programs* (`rest`), question by question, below the protocol that makes a
//!   submission happen once; so there is one protocol, and one reader.
//! - 2026-11: *what is not needed to run jobs is asked when a person asks* (`inquire`), beside the dispatcher's rounds: what jobs used, parts of
//!   priorities, shares. The database is the slowest part of many sites; nothing looks there by itself.
//!
//! [`Order`]: crate::transport::Order
//! [`Report`]: crate::transport::Report

mod acts;
mod answers;
mod ask;
mod dispatch;
mod inquire;
mod look;
mod parse;
pub mod pilots;
mod rest;
mod script;
mod submit;
pub mod words;

#[cfg(test)]
mod tests;

pub use dispatch::{Handle, spawn};
pub use inquire::Inquirer;
pub use rest::{Service, Token};
pub use script::{array_script, script};

use crate::model::ids::{JobId, RankKey};
use crate::model::launch::{Batch, Launch};
use crate::transport::Order;

/// What the comment of every job of ours begins with.
pub const COMMENT_BEGINS: &str = "ostler-";

/// Returns the comment by which a submission is known: whose it is, and the key of its process.
pub fn comment(cluster: &str, key: RankKey) -> String {
    format!("{COMMENT_BEGINS}{cluster}-{key}")
}

/// Returns the comment of an array, as the login node makes it of the folder's name.
pub fn array_comment(cluster: &str, folder: &str) -> String {
    format!("{COMMENT_BEGINS}{cluster}-{folder}")
}

/// Returns the folder of a submission below the spool of the login node.
pub fn folder(root: &str, key: RankKey) -> String {
    format!("{root}/slurm/{key}")
}

/// Says whether an order is one about a job; what else is ordered is the login node's own agent's, as for any node.
pub fn takes(order: &Order) -> bool {
    let key = match order {
        Order::Start { key, .. }
        | Order::Refuse { key, .. }
        | Order::Recall { key, .. }
        | Order::Stop { key, .. }
        | Order::Ack { key, .. } => key,
        Order::AnswerDaemon { by, .. } => by,
    };
    key.job != JobId(0)
}

/// Returns the text of a launch that is handed over.
///
/// # Errors
/// What no script can carry.
pub fn text(root: &str, key: RankKey, launch: &Launch) -> Result<String, String> {
    let batch: &Batch = launch.batch.as_deref().ok_or("it was not made for a batch system")?;
    script(root, &folder(root, key), batch)
}
