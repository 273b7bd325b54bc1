//! `ostler job wait`: until jobs have ended. For one job its own exit code, so that a script can go on as if it had run here.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;

use super::failure::{Failure, TIMED_OUT};
use super::job_create::by_id;
use super::objects::job::{self as object, Outcome};
use super::select;
use super::session::{Core, Session, unexpected};
use crate::model::request::{JobView, Reply, Request};
use crate::model::snapshot::Change;
use crate::model::state::Job;
use crate::model::units::Millis;

/// Options of `wait`.
#[derive(Args, Clone, Debug)]
pub struct Wait {
    #[command(flatten)]
    which: super::job::Which,
    /// Give up after this long, with exit code 124; the jobs go on
    #[arg(long, value_name = "SPAN", value_parser = span)]
    timeout: Option<Millis>,
    /// Look at least this often; a change of state that falls between two looks is not printed
    #[arg(long, value_name = "SPAN", value_parser = pause, default_value = "1s")]
    interval: Millis,
}

/// Reads the time between two looks; a plain number is seconds, as `az batchai` has it.
fn pause(text: &str) -> Result<Millis, String> {
    let span = text.parse().map(Millis::from_secs).or_else(|_| Millis::parse(text))?;
    if span.0 == 0 { Err("it must be more than nothing".to_owned()) } else { Ok(span) }
}

/// Reads a span of time.
///
/// # Errors
/// What is wrong with it.
pub fn span(text: &str) -> Result<Millis, String> {
    Millis::parse(text)
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, wait: Wait) -> Result<i32, Failure> {
    let wait = Wait { which: wait.which.gathered(), ..wait };
    let picks = select::picks(&wait.which.jobs, wait.which.all)?;
    let core = session.core().await?;
    let jobs = select::many(session, &core, picks).await?;
    if let [view] = jobs.as_slice() {
        return watch(session, &core, view.clone(), &wait).await;
    }
    until_ended(session, &core, jobs, wait.timeout).await
}

/// Waits for one job and prints its times, each change of its state, and its errors when it failed.
async fn watch(session: &Session, core: &Core, first: Arc<JobView>, wait: &Wait) -> Result<i32, Failure> {
    let deadline = wait.timeout.map(|span| tokio::time::Instant::now() + span.to_std());
    let mut told = Told::default();
    told.news(session, &first);
    let mut view = first;
    while !view.job.state.ended() {
        let left = deadline.map(|at| at.saturating_duration_since(tokio::time::Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            break;
        }
        let look = left.map_or(wait.interval.to_std(), |left| left.min(wait.interval.to_std()));
        // At least a millisecond, so that a deadline that is near is not mistaken for none.
        let timeout = Some(Millis(u64::try_from(look.as_millis()).unwrap_or(u64::MAX).max(1)));
        view = match core.ask(Request::AwaitJob { job: by_id(&view), timeout }).await? {
            Reply::Job(view) => view,
            other => return Err(unexpected(&other)),
        };
        told.news(session, &view);
    }
    session.out.note(&standing(&view));
    let ended = [view];
    write(session, &ended)?;
    Ok(code(&ended))
}

/// What was said of a job already.
#[derive(Default)]
struct Told {
    submitted: bool,
    started: Option<crate::model::ids::Attempt>,
    state: Option<crate::model::state::ExecutionState>,
}

impl Told {
    /// Says what is new.
    fn news(&mut self, session: &Session, view: &JobView) {
        let job = &view.job;
        if !std::mem::replace(&mut self.submitted, true) {
            session.out.note(&format!("{}: submitted {}", job.name, job.created.rfc3339()));
        }
        // The start of an attempt becomes that of its first process; it is said once.
        if let Some(at) = job.last.started
            && self.started != Some(job.attempt)
        {
            self.started = Some(job.attempt);
            session.out.note(&format!("{}: started {} (attempt {})", job.name, at.rfc3339(), job.attempt.0));
        }
        if self.state != Some(job.state) {
            self.state = Some(job.state);
            // The last state is said with how it came out.
            if !job.state.ended() {
                let reason = if view.reason.is_empty() { String::new() } else { format!(": {}", view.reason) };
                session.out.note(&format!("{}{reason}", since(job)));
            } else if job.state == crate::model::state::ExecutionState::Failed {
                for error in &job.last.errors {
                    session.out.note(&format!("{}: {}: {}", job.name, error.code, error.message));
                    for (name, value) in &error.details {
                        session.out.note(&format!("  {name}: {value}"));
                    }
                }
            }
        }
    }
}

/// Waits for all of them, writes them, and returns the exit code.
///
/// # Errors
/// The core's refusal.
pub async fn until_ended(
    session: &Session,
    core: &Core,
    jobs: Vec<Arc<JobView>>,
    timeout: Option<Millis>,
) -> Result<i32, Failure> {
    let told = tell_changes(session, core, jobs.clone());
    tokio::select! {
        code = all_ended(session, core, jobs, timeout) => code,
        failed = told => Err(failed),
    }
}

/// Says in what state a job is and since when.
fn since(job: &Job) -> String {
    format!("{}: {} since {}", job.name, job.state.word(), job.since.rfc3339())
}

/// Says every change of a job's state but the last with its time, until nobody waits any more; returns why it cannot.
async fn tell_changes(session: &Session, core: &Core, jobs: Vec<Arc<JobView>>) -> Failure {
    let mut states: BTreeMap<_, _> = jobs.iter().map(|view| (view.job.id, view.job.state)).collect();
    let mut updates = match core.client().subscribe().await {
        Ok(updates) => updates,
        Err(fault) => return fault.into(),
    };
    while let Some(update) = updates.recv().await {
        for change in &update.changes {
            if let Change::Job(job) = change
                && let Some(before) = states.get_mut(&job.id)
                && *before != job.state
            {
                *before = job.state;
                // The last state is said with how it came out.
                if !job.state.ended() {
                    session.out.note(&since(job));
                }
            }
        }
    }
    // Without updates the answers alone are waited for.
    std::future::pending().await
}

async fn all_ended(
    session: &Session,
    core: &Core,
    jobs: Vec<Arc<JobView>>,
    timeout: Option<Millis>,
) -> Result<i32, Failure> {
    let deadline = timeout.map(|span| tokio::time::Instant::now() + span.to_std());
    let mut ended = Vec::with_capacity(jobs.len());
    for view in jobs {
        let left = deadline.map(|at| {
            let left = at.saturating_duration_since(tokio::time::Instant::now());
            Millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
        });
        let view = match core.ask(Request::AwaitJob { job: by_id(&view), timeout: left }).await? {
            Reply::Job(view) => view,
            other => return Err(unexpected(&other)),
        };
        session.out.note(&standing(&view));
        ended.push(view);
    }
    write(session, &ended)?;
    Ok(code(&ended))
}

/// Returns the exit code: of one job its own; of several 0 when all have succeeded, 4 when some, 1 when none.
pub fn code(jobs: &[Arc<JobView>]) -> i32 {
    let outcomes: Vec<Outcome> = jobs.iter().map(|view| Outcome::of(&view.job)).collect();
    if outcomes.contains(&Outcome::Unfinished) {
        return TIMED_OUT;
    }
    match outcomes.as_slice() {
        [one] => one.code(),
        many => match many.iter().filter(|outcome| **outcome == Outcome::Exited(0)).count() {
            n if n == many.len() => 0,
            0 => 1,
            _ => 4,
        },
    }
}

fn write(session: &Session, jobs: &[Arc<JobView>]) -> Result<(), Failure> {
    if session.out.for_people() {
        return Ok(());
    }
    if let [view] = jobs {
        return session.out.one(&view.job.name, &object::facts(view), &object::awaited(view));
    }
    let mut list = session.out.list(object::COLUMNS);
    list.page(jobs.iter().map(|view| super::output::Row { value: object::awaited(view), ..object::row(view) }).collect())?;
    list.end()
}

/// Returns one line that says where a job stands.
pub fn standing(view: &JobView) -> String {
    let job = &view.job;
    let state = match Outcome::of(job) {
        Outcome::Exited(code) if code > 128 => format!("failed by signal {} (exit {code})", code - 128),
        Outcome::Exited(code) => format!("{} (exit {code})", job.state.word()),
        Outcome::Terminated => "terminated".to_owned(),
        Outcome::TimeLimit => "ended by its time limit".to_owned(),
        Outcome::NeverLaunched => "could not be started".to_owned(),
        Outcome::Lost => "lost".to_owned(),
        Outcome::Failed => "failed".to_owned(),
        Outcome::Unfinished => job.state.word().to_owned(),
    };
    let took = match (job.last.started, job.last.ended) {
        (Some(from), Some(to)) => format!(" after {}", to.since(from)),
        (_, _) => String::new(),
    };
    let reason = if view.reason.is_empty() { String::new() } else { format!(": {}", view.reason) };
    format!("{}: {state}{took}{reason}", job.name)
}
