//! Nodes that are allocations of Slurm: each is a job there, the pilot, that holds a node and starts the shells that it is asked for.
//! The agent in one of them is the same as on any host; jobs are its children and stay when a link breaks.
//!
//! Decisions:
//! - 2026-11: *one pilot for each node*: nodes come and go one by one as the work does, and one that fails takes no other with it.
//! - 2026-11: *shells run below the pilot and not in a step of their own*: Slurm ends what a step leaves behind, and a step ends with its
//!   link. A step carries the three streams, and nothing else.
//! - 2026-11: *files are read on the login node*, which sees the same homes: no look at a log costs the controller a step.

use std::collections::BTreeMap;

use crate::model::spec::pool::Allocation;
use crate::model::units::UnixMillis;
use crate::slurm::ask::{Calls, ask};
use crate::slurm::parse::Answer;
use crate::slurm::script::directive;
use crate::slurm::words::{State, reason, state};
use crate::transport::link::{Link, LinkError};

/// The functions, beside those of every question.
const FUNCTIONS: &str = include_str!("../../assets/slurm/pool.sh");
/// What a pilot runs.
const PILOT: &str = include_str!("../../assets/slurm/pilot.sh");

/// A pilot that waits or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pilot {
    /// Its comment.
    pub comment: String,
    /// Its number.
    pub id: String,
    /// The node that it holds; nothing while it waits, or is not to be talked to yet.
    pub at: Option<String>,
    /// Why it waits, in words.
    pub why: String,
    /// When it began and when it ends at the latest, once it runs.
    pub time: Option<(UnixMillis, UnixMillis)>,
}

/// Names what is asked for: the number of a node, and the comment by which its pilot is known.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The uuid of the cluster, as spools have it.
    pub pool: &'a str,
    /// The number of the node.
    pub key: &'a str,
    /// The comment.
    pub comment: &'a str,
}

/// Asks for a node. Asked again, it is the same one.
///
/// # Errors
/// The login node is out of sight, or Slurm does not take it: `Ok(Err(why))` when it never will.
pub async fn acquire(
    link: &Link,
    named: Named<'_>,
    cluster: &str,
    asked: &Allocation,
) -> Result<Result<(), String>, LinkError> {
    let name = format!("--job-name=ostler-{cluster}");
    let words = asked.words();
    let lines = std::iter::once(&name).chain(&words).map(|word| format!("#SBATCH {}\n", directive(word)));
    let mut calls = Calls::behind(FUNCTIONS);
    calls.call("pool", &[named.pool]);
    calls.call("pilot", &[named.key, named.comment, &lines.collect::<String>(), PILOT]);
    let heard = ask(link, &calls, None).await?;
    match heard.submitted.get(named.key) {
        Some(Answer::Id(_)) => Ok(Ok(())),
        Some(Answer::Refused(why)) => Ok(Err(format!("Slurm refused the allocation: {why}"))),
        Some(Answer::Fenced) => Ok(Err("it was given back before".to_owned())),
        Some(Answer::Later(why)) => Err(LinkError::soft("slurm-silent", "ask slurm", why.clone())),
        None => Err(LinkError::soft("slurm-silent", "ask slurm", "Slurm's answer is missing")),
    }
}

/// Gives a node back.
///
/// # Errors
/// It may still be there.
pub async fn release(link: &Link, named: Named<'_>) -> Result<(), LinkError> {
    let mut calls = Calls::behind(FUNCTIONS);
    calls.call("pool", &[named.pool]);
    calls.call("end_pilot", &[named.key, named.comment]);
    let heard = ask(link, &calls, None).await?;
    match heard.stopped.get(named.key) {
        Some(Answer::Later(why)) => Err(LinkError::soft("slurm-silent", "ask slurm", why.clone())),
        Some(Answer::Id(_) | Answer::Refused(_) | Answer::Fenced) => Ok(()),
        None => Err(LinkError::soft("slurm-silent", "ask slurm", "Slurm's answer is missing")),
    }
}

/// Says which pilots of a cluster there are; those that are over are not.
///
/// # Errors
/// The login node is out of sight, or Slurm does not answer.
pub async fn list(link: &Link, pool: &str, begins: &str) -> Result<Vec<Pilot>, LinkError> {
    let mut calls = Calls::behind(FUNCTIONS);
    calls.call("pool", &[pool]);
    calls.call("pilots", &[begins]);
    let heard = ask(link, &calls, None).await?;
    if let Some(why) = heard.queue_failed {
        return Err(LinkError::soft("slurm-silent", "ask slurm", format!("squeue: {why}")));
    }
    for note in &heard.notes {
        tracing::warn!(note, "Slurm's answer");
    }
    let places: BTreeMap<&str, &str> =
        heard.pilots.values().filter_map(|r| Some((r.id.as_deref()?, r.at.as_deref()?))).collect();
    let there = heard.pilot_jobs.iter().filter(|job| !matches!(state(&job.state), Some(State::Over(_) | State::Completes)));
    Ok(there
        .map(|job| {
            let runs = state(&job.state) == Some(State::Runs);
            Pilot {
                comment: job.comment.clone(),
                id: job.id.clone(),
                at: places.get(job.id.as_str()).filter(|_| runs).map(|at| (*at).to_owned()),
                why: if runs { String::new() } else { reason(&job.reason) },
                time: job.began.zip(job.ends).filter(|_| runs),
            }
        })
        .collect())
}
