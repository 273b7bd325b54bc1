//! `ostler cluster job`: jobs of Slurm's own queue, whoever submitted them and however. It is Slurm that does it, with the person's rights
//! there; of other people's jobs the person is asked first.

use std::collections::BTreeMap;

use clap::Subcommand;

use super::cluster_slurm::look;
use super::failure::Failure;
use super::session::Session;
use super::site_step;
use crate::model::request::Request;
use crate::model::site::{Site, SiteAct, SiteJobAct};
use crate::model::units::Millis;

/// The verbs.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Say why jobs wait, and of what their priorities are made
    Why(Which),
    /// End jobs
    Cancel(Which),
    /// Keep jobs that wait from starting
    Hold(Which),
    /// Let held jobs start again
    Release(Which),
    /// Stop jobs and put them back into the queue
    Requeue(Which),
    /// Let jobs come later than their turn
    Nice {
        /// By how much of Slurm's priority; 0 takes it back
        amount: u32,
        #[command(flatten)]
        which: Which,
    },
    /// Open a shell on a node of a job of yours that runs, as a step of the job that takes nothing from it
    Shell {
        /// Slurm's number of it
        job: String,
        /// The node, by its index in the job or its name; the first when absent
        #[arg(short, long, value_name = "NODE")]
        node: Option<String>,
    },
    /// Follow what a job of yours writes, from its end on, until interrupted
    Logs {
        /// Slurm's number of it
        job: String,
        /// Its errors, where it writes them elsewhere
        #[arg(long)]
        stderr: bool,
    },
    /// Change the longest time that jobs may run; who is no operator may only lower it
    Time {
        /// The new limit: 90m, 2h
        #[arg(value_name = "SPAN", value_parser = super::job_wait::span)]
        limit: Millis,
        #[command(flatten)]
        which: Which,
    },
}

/// Which jobs.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// Slurm's numbers of them, as `cluster queue` lists them: 4711, or 4711_3 for a member of an array
    #[arg(required = true, value_name = "JOB", value_delimiter = ',')]
    jobs: Vec<String>,
}

/// Does it.
///
/// # Errors
/// As for every command; Slurm's refusal, in its words.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let (word, which, act) = match verb {
        Verb::Shell { job, node } => return site_step::shell(session, &job, node.as_ref()).await,
        Verb::Logs { job, stderr } => {
            return site_step::follow(session, &job, if stderr { "StdErr" } else { "StdOut" }).await;
        }
        Verb::Why(which) => return super::site_look::why(session, &which.jobs).await,
        Verb::Cancel(which) => ("cancel", which, SiteJobAct::Cancel),
        Verb::Hold(which) => ("hold", which, SiteJobAct::Hold),
        Verb::Release(which) => ("release", which, SiteJobAct::Release),
        Verb::Requeue(which) => ("requeue", which, SiteJobAct::Requeue),
        Verb::Nice { amount, which } => ("change the turn of", which, SiteJobAct::Nice(amount)),
        Verb::Time { limit, which } => ("change the time limit of", which, SiteJobAct::TimeLimit(limit)),
    };
    let core = session.core().await?;
    let site = look(session, &core, session.cluster(None)).await?;
    let strangers = strangers(&site, &which.jobs);
    let takes_work = matches!(act, SiteJobAct::Cancel | SiteJobAct::Requeue);
    if !strangers.is_empty() || takes_work {
        session.confirm(&question(word, &which.jobs, &strangers))?;
    }
    let what = format!("{word} {}", which.jobs.join(", "));
    let request = Request::ActAtSite { cluster: session.cluster(None), act: SiteAct::Jobs { ids: which.jobs, act } };
    if core.act(&what, request).await?.is_some() {
        session.out.note(&format!("Slurm: {what}: done"));
    }
    Ok(0)
}

/// Returns the jobs that are not the person's own, with whose they are; one that is not in the queue may be anybody's.
fn strangers(site: &Site, jobs: &[String]) -> BTreeMap<String, String> {
    let of = |id: &String| match site.jobs.iter().find(|job| job.id == *id) {
        Some(job) if job.mine => None,
        Some(job) => Some((id.clone(), job.user.clone())),
        None => Some((id.clone(), "somebody".to_owned())),
    };
    jobs.iter().filter_map(of).collect()
}

fn question(word: &str, jobs: &[String], strangers: &BTreeMap<String, String>) -> String {
    let what = format!("{word} {}", jobs.join(", "));
    let whose: Vec<String> = strangers.iter().map(|(id, user)| format!("{id} is {user}'s")).collect();
    if whose.is_empty() { what } else { format!("{what}, though {},", whose.join(", ")) }
}
