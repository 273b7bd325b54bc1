//! `ostler job`: submit, watch, wait, stop.

use clap::{Args, Subcommand};

use super::changes::Changes;
use super::failure::Failure;
use super::leave::NoWait;
use super::objects::job as object;
use super::output::Listing;
use super::select;
use super::session::{Session, unexpected};
use super::{file, job_acts, job_create, job_diff, job_node, job_plan, job_wait, logs, names, site_look};
use crate::model::job_column::{JobColumn, JobTable};
use crate::model::request::{JobAct, JobQuery, PAGE_MAX, Reply, Request};
use crate::model::spec::Priority;
use crate::model::units::Millis;

/// What can be done with jobs.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Submit a job: from a file in the published form, or a command line after --
    #[command(visible_alias = "submit")]
    Create(job_create::Create),
    /// Say what exactly a job would run where, without running it
    Plan(job_create::What),
    /// Show one job, or several
    Show(Which),
    /// List the jobs of the experiment, the workspace, or all
    #[command(visible_alias = "ls")]
    List(List),
    /// Say why a job is where it is, and what would let it run
    Why {
        /// Its name, or job-12
        #[arg(add = names::jobs())]
        job: String,
    },
    /// Say what jobs asked of Slurm and what they used of it, with what would have done
    Efficiency(Which),
    /// Wait until jobs have ended; for one job, end with its exit code
    Wait(job_wait::Wait),
    /// Print what a job has written, or follow it
    #[command(visible_alias = "log")]
    Logs(logs::Logs),
    /// The directories of a job: list, follow, get and put what lies there
    #[command(subcommand)]
    File(file::Verb),
    /// The nodes that ran a job and are still there
    #[command(subcommand)]
    Node(job_node::Verb),
    /// Stop jobs for good
    #[command(visible_alias = "stop")]
    Terminate(Ending),
    /// Run failed jobs again: the same job, a new attempt
    Retry(Which),
    /// Submit new jobs that ask for the same, with changes where some are named
    Rerun(Rerun),
    /// Submit one job again under another name, on another cluster or in another experiment, with changes
    Clone(job_acts::CloneJob),
    /// Show the code that a job ran with: its files, how they differed from git's commit, or unpack them
    Code(super::code::ShowCode),
    /// Say in what two jobs differ: parameters, body, code, image, nodes, metrics, result
    Diff(job_diff::Diff),
    /// Keep waiting jobs from starting
    Hold(Which),
    /// Let held jobs start
    Release(Which),
    /// Change the priority of waiting jobs
    Priority(SetPriority),
    /// Delete the records of jobs, stopping those that live; their files stay
    #[command(visible_alias = "rm")]
    Delete(Ending),
}

/// Which jobs are meant.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// NAME, job-12, 'run-*', a,b, state:failed or last
    #[arg(value_name = "JOB", add = names::jobs())]
    pub jobs: Vec<String>,
    /// The same, as `az batchai` has it
    #[arg(short = 'n', long = "name", value_name = "JOB", add = names::jobs())]
    named: Option<String>,
    /// One or several full resource ids, or names
    #[arg(long, num_args = 1.., value_name = "ID")]
    ids: Vec<String>,
    /// All jobs of the experiment or workspace
    #[arg(long)]
    pub all: bool,
}

impl Which {
    /// Returns the same with all words in `jobs`, however they were given.
    pub fn gathered(mut self) -> Self {
        self.jobs.extend(self.named.take());
        self.jobs.append(&mut self.ids);
        self
    }
}

/// Options of `rerun`.
#[derive(Args, Clone, Debug)]
pub struct Rerun {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    changes: Changes,
}

/// Which jobs are told to end, and whether that is waited for.
#[derive(Args, Clone, Debug)]
pub struct Ending {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    leave: NoWait,
}

/// Options of `list`.
#[derive(Args, Clone, Debug)]
pub struct List {
    /// Only these: NAME, job-12, 'run-*', a,b, state:failed or last
    #[arg(value_name = "JOB", add = names::jobs())]
    jobs: Vec<String>,
    /// Only in one of these states: queued, running, terminating, succeeded, failed
    #[arg(long, value_name = "STATE,…")]
    state: Option<String>,
    /// Only members of this sweep
    #[arg(long, value_name = "SWEEP")]
    sweep: Option<String>,
    /// At most so many; all when absent
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// The newest first
    #[arg(long)]
    newest: bool,
}

/// Options of `priority`.
#[derive(Args, Clone, Debug)]
pub struct SetPriority {
    /// The new priority
    #[arg(value_parser = ["low", "normal", "high"])]
    priority: String,
    #[command(flatten)]
    which: Which,
}

/// Reads a priority's word; anything else is the default.
pub fn priority(word: &str) -> Priority {
    match word {
        "low" => Priority::Low,
        "high" => Priority::High,
        _ => Priority::Normal,
    }
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Create(create) => job_create::run(session, create).await,
        Verb::Plan(what) => job_plan::run(session, &what).await,
        Verb::Show(which) => show(session, which.gathered()).await,
        Verb::List(list) => self::list(session, list).await,
        Verb::Why { job } => why(session, &job).await,
        Verb::Efficiency(which) => site_look::efficiency(session, &which.gathered()).await,
        Verb::Wait(wait) => job_wait::run(session, wait).await,
        Verb::Logs(logs) => logs::run(session, logs).await,
        Verb::File(verb) => file::run(session, verb).await,
        Verb::Node(verb) => job_node::run(session, verb).await,
        Verb::Terminate(end) => {
            let act = JobAct::Terminate { hold: Millis(0) };
            job_acts::run_and_wait(session, end.which.gathered(), "terminate", act, end.leave).await
        }
        Verb::Retry(which) => job_acts::run(session, which.gathered(), "retry", JobAct::Retry).await,
        Verb::Rerun(rerun) => job_acts::rerun(session, rerun.which.gathered(), &rerun.changes).await,
        Verb::Code(show) => super::code::show(session, show).await,
        Verb::Clone(clone) => job_acts::clone(session, clone).await,
        Verb::Diff(diff) => job_diff::run(session, diff).await,
        Verb::Hold(which) => job_acts::run(session, which.gathered(), "hold", JobAct::Hold).await,
        Verb::Release(which) => job_acts::run(session, which.gathered(), "release", JobAct::Release).await,
        Verb::Priority(set) => {
            let priority = priority(&set.priority);
            job_acts::run(session, set.which.gathered(), "change the priority of", JobAct::Priority { priority }).await
        }
        Verb::Delete(end) => {
            job_acts::run_and_wait(session, end.which.gathered(), "delete", JobAct::Delete, end.leave).await
        }
    }
}

async fn show(session: &Session, which: Which) -> Result<i32, Failure> {
    let picks = select::picks(&which.jobs, which.all)?;
    let core = session.core().await?;
    let jobs = select::many(session, &core, picks).await?;
    if let [view] = jobs.as_slice() {
        let view = select::whole(&core, view).await?;
        let view = &*view;
        let (mut facts, mut value) = (object::facts(view), object::value(view));
        site_look::add_use(&core, view, &mut facts, &mut value).await?;
        session.out.one(&view.job.name, &facts, &value)?;
        return Ok(0);
    }
    let mut list = session.out.list(object::COLUMNS);
    list.page(jobs.iter().map(|view| object::row(view)).collect())?;
    list.end()?;
    Ok(0)
}

async fn list(session: &Session, list: List) -> Result<i32, Failure> {
    let states = list.state.as_deref().map(select::parse_states).transpose()?.unwrap_or_default();
    let picks = if list.jobs.is_empty() { Vec::new() } else { select::picks(&list.jobs, false)? };
    let core = session.core().await?;
    let mut writer = session.out.list(object::COLUMNS);
    let mut left = list.limit.unwrap_or(usize::MAX);
    if picks.is_empty() {
        let cluster = session.context.cluster.clone();
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(PAGE_MAX);
        let query = JobQuery { cluster, states, sweep: list.sweep, newest_first: list.newest, limit, ..session.query() };
        if writer.wanted().is_some() {
            let columns = |writer: &Listing| {
                writer.wanted().unwrap_or_default().into_iter().filter_map(|at| JobColumn::ALL.get(at).copied()).collect()
            };
            let page = |writer: &mut Listing, table: JobTable| {
                let count = table.count.min(left);
                left -= count;
                writer.cells(count, &table.columns)?;
                Ok(left > 0)
            };
            select::tables(&core, query, &mut writer, columns, page).await?;
            writer.end()?;
            return Ok(0);
        }
        select::pages(&core, query, |jobs| {
            let rows: Vec<_> = jobs.iter().take(left).map(|view| object::row(view)).collect();
            left -= rows.len();
            writer.page(rows)?;
            Ok(left > 0)
        })
        .await?;
    } else {
        let mut jobs = select::many(session, &core, picks).await?;
        jobs.retain(|view| states.is_empty() || states.contains(&view.job.state));
        jobs.sort_by_key(|view| view.job.id);
        if list.newest {
            jobs.reverse();
        }
        writer.page(jobs.iter().take(left).map(|view| object::row(view)).collect())?;
    }
    writer.end()?;
    Ok(0)
}

async fn why(session: &Session, job: &str) -> Result<i32, Failure> {
    let core = session.core().await?;
    let why = match core.ask(Request::WhyJob(session.job(job))).await? {
        Reply::Why(why) => why,
        other => return Err(unexpected(&other)),
    };
    let nodes: Vec<String> = why
        .nodes
        .iter()
        .map(|(node, reason)| format!("{node}: {}", if reason.is_empty() { "could be given" } else { reason }))
        .collect();
    let priority = site_look::priority_of(session, &core, job).await?;
    let facts = [
        ("reason", why.reason.clone()),
        ("priority", priority.as_ref().map(site_look::Found::words).unwrap_or_default()),
        ("place in the queue", if why.place > 0 { why.place.to_string() } else { String::new() }),
        ("starts", why.starts.map(|at| format!("{} at the latest", at.rfc3339())).unwrap_or_default()),
        ("nodes", nodes.join("\n")),
        ("would help", why.change.clone().unwrap_or_default()),
    ];
    let nodes: Vec<_> = why.nodes.iter().map(|(name, reason)| serde_json::json!({"name": name, "reason": reason})).collect();
    let starts = super::objects::maybe_time(why.starts);
    let value = serde_json::json!({
        "reason": why.reason,
        "place": why.place,
        "estimatedStartTime": starts,
        "nodes": nodes,
        "change": why.change,
        "priority": priority.as_ref().map(site_look::Found::value),
    });
    session.out.one(job, &facts, &value)?;
    Ok(0)
}
