//! Acts on jobs: stop, retry, rerun, hold, release, priority, delete; on one or on many.

use std::pin::pin;
use std::sync::Arc;

use clap::Args;
use futures_util::stream::{self, StreamExt};

use super::changes::Changes;
use super::failure::Failure;
use super::job::Which;
use super::job_create::by_id;
use super::leave::{self, NoWait};
use super::node::partly;
use super::select;
use super::session::{Core, Session, unexpected};
use crate::model::fault::Fault;
use crate::model::request::{JobAct, JobView, Place, Reply, Request, Submit};

/// Does the same to all jobs that are meant.
///
/// # Errors
/// The core's refusal; of several jobs, all refusals.
pub async fn run(session: &Session, which: Which, verb: &str, act: JobAct) -> Result<i32, Failure> {
    run_and_wait(session, which, verb, act, NoWait { no_wait: true }).await
}

/// Does the same to all jobs that are meant and waits until those that end have ended.
///
/// # Errors
/// As [`run`].
pub async fn run_and_wait(session: &Session, which: Which, verb: &str, act: JobAct, leave: NoWait) -> Result<i32, Failure> {
    let picks = select::picks(&which.jobs, which.all)?;
    let core = session.core().await?;
    let jobs = select::many(session, &core, picks).await?;
    let jobs = concerned(jobs, &act, &which);
    if jobs.is_empty() {
        session.out.note(&format!("nothing to {verb}"));
        return Ok(0);
    }
    let ends = matches!(act, JobAct::Terminate { .. } | JobAct::Delete);
    let named_one = jobs.len() == 1 && which.jobs.len() == 1;
    // One job that was named is what was meant; many, or a record that goes for good, are asked about.
    if ends && !(named_one && matches!(act, JobAct::Terminate { .. })) {
        let what = match jobs.as_slice() {
            [one] => format!("job {}", one.job.name),
            many => format!("{} jobs", many.len()),
        };
        session.confirm(&format!("{verb} {what}"))?;
    }
    // Not an error: what was wanted is so (reliability B62).
    let (over, asked): (Vec<_>, Vec<_>) = jobs.iter().partition(|view| is_over(view, &act));
    for view in over {
        let code = view.job.last.exit_code.map(|code| format!(" (exit {code})")).unwrap_or_default();
        session.out.note(&format!("{} already {}{code}; nothing to stop", view.job.name, view.job.state.word()));
    }
    let requests = asked.iter().map(|view| {
        let request = Request::Job { job: by_id(view), act: act.clone() };
        (format!("{verb} {}", view.job.name), request)
    });
    let mut answers = pin!(core.act_on_all(requests).zip(stream::iter(&asked)));
    let mut failed = Vec::new();
    while let Some((answer, view)) = answers.next().await {
        match answer {
            Ok(None) => {}
            Ok(Some(_)) => session.out.note(&format!("{}: {verb}: accepted", view.job.name)),
            Err(Failure::Fault(fault)) => failed.push(fault),
            Err(other) => return Err(other),
        }
    }
    if ends && !leave.no_wait && !session.globals.dry_run {
        wait_for(session, &core, &jobs).await?;
    }
    partly(failed, jobs.len())
}

/// Waits for jobs that were told to end, and says how each did.
async fn wait_for(session: &Session, core: &Core, jobs: &[Arc<JobView>]) -> Result<(), Failure> {
    for view in jobs.iter().filter(|view| !view.job.state.ended()) {
        if let Some(ended) = leave::until_ended(session, core, view.job.id).await? {
            session.out.note(&super::job_wait::standing(&ended));
        }
    }
    Ok(())
}

/// Of jobs that were meant by a pattern, only those whom the act concerns; those that were named are all tried.
fn concerned(jobs: Vec<Arc<JobView>>, act: &JobAct, which: &Which) -> Vec<Arc<JobView>> {
    let named = |view: &JobView| {
        let words = which.jobs.iter().flat_map(|word| word.split(','));
        words.into_iter().any(|word| word.eq_ignore_ascii_case(&view.job.name) || word == view.job.id.to_string())
    };
    let fits = |view: &JobView| match act {
        JobAct::Terminate { .. } => !view.job.state.ended(),
        JobAct::Retry => view.job.state.ended() && view.job.last.exit_code != Some(0),
        JobAct::Hold => view.job.state == crate::model::state::ExecutionState::Queued && !view.job.is_held(),
        JobAct::Release => view.job.is_held(),
        JobAct::Priority { .. } => view.job.state == crate::model::state::ExecutionState::Queued,
        JobAct::TakeBack | JobAct::Delete => true,
    };
    jobs.into_iter().filter(|view| named(view) || fits(view)).collect()
}

/// Says whether a job that is to be stopped has ended.
fn is_over(view: &JobView, act: &JobAct) -> bool {
    matches!(act, JobAct::Terminate { .. }) && view.job.state.ended()
}

/// Submits new jobs with the specs of those that are meant, changed as is said.
///
/// # Errors
/// As for submissions.
pub async fn rerun(session: &Session, which: Which, changes: &Changes) -> Result<i32, Failure> {
    let picks = select::picks(&which.jobs, which.all)?;
    let core = session.core().await?;
    let jobs = select::many(session, &core, picks).await?;
    again(session, &core, &jobs, changes, None).await
}

/// Options of `clone`.
#[derive(Args, Clone, Debug)]
pub struct CloneJob {
    /// NAME, job-12 or last
    #[arg(value_name = "JOB", add = super::names::jobs())]
    job: String,
    /// The name of the new one; made from the experiment's count when absent
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
    /// The experiment of the new one; that of the job when absent
    #[arg(long, value_name = "EXPERIMENT", add = super::names::experiments())]
    to: Option<String>,
    #[command(flatten)]
    changes: Changes,
}

/// Submits one job again, changed as is said.
///
/// # Errors
/// As for submissions.
pub async fn clone(session: &Session, clone: CloneJob) -> Result<i32, Failure> {
    if let Some(name) = &clone.name {
        crate::model::names::check_name(name).map_err(Fault::config)?;
    }
    let picks = select::picks(std::slice::from_ref(&clone.job), false)?;
    let core = session.core().await?;
    let jobs = select::many(session, &core, picks).await?;
    if jobs.len() != 1 {
        return Err(Fault::config(format!("`{}` means {} jobs", clone.job, jobs.len())).hint("name one").into());
    }
    again(session, &core, &jobs, &clone.changes, Some((clone.name, clone.to))).await
}

/// Submits jobs again: one under its own name, or in another experiment, when that is said.
///
/// # Errors
/// As for submissions.
pub async fn again(
    session: &Session,
    core: &Core,
    jobs: &[Arc<JobView>],
    changes: &Changes,
    as_: Option<(Option<String>, Option<String>)>,
) -> Result<i32, Failure> {
    let (name, experiment) = as_.unwrap_or_default();
    let mut all = Vec::new();
    for view in jobs {
        let within = |name: String| Place { workspace: Some(view.workspace.clone()), name: Some(name) };
        all.push(Submit {
            experiment: within(experiment.clone().unwrap_or(view.experiment.clone())),
            cluster: within(session.globals.cluster.clone().unwrap_or(view.cluster.clone())),
            name: name.clone(),
            spec: changes.apply(view.job.spec_again())?,
            token: None,
        });
    }
    if all.is_empty() {
        return Err(Fault::user("no job fits").into());
    }
    match core.act(&format!("submit {} job(s) again", all.len()), Request::SubmitAll(all)).await? {
        None => Ok(0),
        Some(Reply::Submitted(made)) => {
            for (old, new) in jobs.iter().zip(&made) {
                let view = select::one(session, core, &new.id.to_string()).await?;
                let said = format!("{} ({}) submitted, as {}", new.name, new.id, old.job.name);
                session.out.done(&said, &new.name, &super::objects::job::value(&view))?;
            }
            Ok(0)
        }
        Some(other) => Err(unexpected(&other)),
    }
}
