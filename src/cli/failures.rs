//! `ostler experiment failures`: why jobs failed, by exit code and error; and those of one cause again, elsewhere or with more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::changes::Changes;
use super::failure::Failure;
use super::job_acts;
use super::output::{Column, Look, Row};
use super::session::{Core, Session};
use super::study::{self, Of};
use super::sweep::each_of;
use crate::model::fault::Fault;
use crate::model::request::{FileRef, FileWindow, From, JobAct, JobRef, JobView, NodeAct, NodeRef, Reply, Request};
use crate::model::state::ExecutionState;

/// Options of `failures`.
#[derive(Args, Clone, Debug)]
pub struct Failures {
    #[command(flatten)]
    of: Of,
    /// Run the jobs of a cause again: its number in the list, exit:137, or words of its error or last line
    #[arg(long, value_name = "CAUSE")]
    retry: Option<String>,
    /// With --retry: the nodes on which they failed get no new work until they are given back (cluster node undrain)
    #[arg(long, requires = "retry")]
    exclude_nodes: bool,
    #[command(flatten)]
    changes: Changes,
}

/// Jobs that failed for the same reason.
struct Cause {
    code: Option<i32>,
    why: String,
    line: String,
    jobs: Vec<Arc<JobView>>,
}

/// Prints why jobs failed, or runs those of a cause again.
///
/// # Errors
/// As for every command, and that no cause or several fit.
pub async fn run(session: &Session, failures: Failures) -> Result<i32, Failure> {
    if failures.retry.is_none() && !failures.changes.is_empty() {
        return Err(Fault::config("changes are for those that run again").hint("--retry CAUSE says which").into());
    }
    let core = session.core().await?;
    let causes = causes(session, &core, &failures.of).await?;
    match &failures.retry {
        None => print(session, &causes),
        Some(word) => retry(session, &core, &failures, &causes, word).await,
    }
}

/// Groups the failed jobs: the largest group first.
async fn causes(session: &Session, core: &Core, of: &Of) -> Result<Vec<Cause>, Failure> {
    let found = study::find(session, core, of).await?;
    let mut groups: BTreeMap<(Option<i32>, String), Vec<Arc<JobView>>> = BTreeMap::new();
    for entry in &found.entries {
        let Some(view) = found.views.get(&entry.job).filter(|view| view.job.state == ExecutionState::Failed) else {
            continue;
        };
        let why = view.job.last.errors.first().map(|error| (error.code.clone(), error.message.clone())).unwrap_or_default();
        // What is said of one job alone would part it from the others.
        let why = format!("{}: {}", why.0, why.1.replace(&*view.job.name, "NAME"));
        groups.entry((view.job.last.exit_code, why)).or_default().push(view.clone());
    }
    let mut causes = Vec::new();
    for ((code, why), jobs) in groups {
        let line = match (code, jobs.first()) {
            (Some(code), Some(first)) if code != 0 => last_error(core, first).await,
            _ => String::new(),
        };
        causes.push(Cause { code, why, line, jobs });
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.jobs.len()));
    Ok(causes)
}

fn print(session: &Session, causes: &[Cause]) -> Result<i32, Failure> {
    let row = |(at, cause): (usize, &Cause)| {
        let first = cause.jobs.first().map(|view| view.job.name.to_string()).unwrap_or_default();
        let code = cause.code.map(|code| code.to_string()).unwrap_or_default();
        let names: Vec<&str> = cause.jobs.iter().map(|view| &*view.job.name).collect();
        let cells = vec![
            (at + 1).to_string(),
            cause.jobs.len().to_string(),
            code,
            cause.why.clone(),
            first.clone(),
            cause.line.clone(),
        ];
        let value = json!({
            "cause": at + 1, "jobs": cause.jobs.len(), "exitCode": cause.code, "error": cause.why, "first": first,
            "lastLine": cause.line, "names": names, "nodes": nodes(cause),
        });
        Row { cells, value, name: first }
    };
    let mut list = session.out.list(FAILURES);
    list.page(causes.iter().enumerate().map(row).collect())?;
    list.end()?;
    Ok(0)
}

const FAILURES: &[Column] = &[
    Column { title: "CAUSE", look: Look::Number },
    Column { title: "JOBS", look: Look::Number },
    Column { title: "EXIT", look: Look::Number },
    Column { title: "ERROR", look: Look::Text },
    Column { title: "FIRST", look: Look::Text },
    Column { title: "ITS LAST LINE", look: Look::Text },
];

/// Returns the names of the nodes that the jobs of a cause had at last.
fn nodes(cause: &Cause) -> BTreeSet<&str> {
    cause.jobs.iter().flat_map(|view| &view.job.last.node_names).map(String::as_str).collect()
}

/// Runs the jobs of a cause again: without changes a new attempt of each, with changes a new job for each.
async fn retry(session: &Session, core: &Core, failures: &Failures, causes: &[Cause], word: &str) -> Result<i32, Failure> {
    let lower = word.to_lowercase();
    let fits = |(at, cause): (usize, &Cause)| match word.strip_prefix("exit:") {
        Some(code) => cause.code.is_some_and(|own| own.to_string() == code),
        None if word.parse::<usize>().is_ok_and(|number| number <= causes.len()) => word == (at + 1).to_string(),
        None => cause.why.to_lowercase().contains(&lower) || cause.line.to_lowercase().contains(&lower),
    };
    let meant: Vec<&Cause> = causes.iter().enumerate().filter(|cause| fits(*cause)).map(|(_, cause)| cause).collect();
    if meant.is_empty() {
        let fault = Fault::user(format!("no job failed for `{}`", word.escape_debug()));
        return Err(fault.hint("ostler experiment failures numbers the causes").into());
    }
    let jobs: Vec<Arc<JobView>> = meant.iter().flat_map(|cause| cause.jobs.iter().cloned()).collect();
    if failures.exclude_nodes {
        let nodes: BTreeSet<_> =
            jobs.iter().flat_map(|view| view.job.last.nodes.iter().zip(&view.job.last.node_names)).collect();
        let names: Vec<&str> = nodes.iter().map(|(_, name)| name.as_str()).collect();
        session.confirm(&format!("give no new work to {}", names.join(", ")))?;
        for (id, name) in nodes {
            let request = Request::Node { node: NodeRef::Id(*id), act: NodeAct::Drain };
            if core.act(&format!("drain {name}"), request).await?.is_some() {
                session.out.note(&format!("{name}: no new work; ostler cluster node undrain {name} gives it back"));
            }
        }
    }
    if failures.changes.is_empty() {
        return each_of(session, core, &jobs, "retry", &JobAct::Retry).await;
    }
    job_acts::again(session, core, &jobs, &failures.changes, None).await
}

/// How much of the end of a log is looked at for its last line.
const TAIL_BYTES: u32 = 4 << 10;

/// Reads the last line that a failed job wrote to standard error, else to standard output; nothing when that cannot be read.
async fn last_error(core: &Core, view: &JobView) -> String {
    for stream in ["stderr", "stdout"] {
        let job = JobRef::Id(view.job.id);
        let file = FileRef::log(job, view.job.log_name(stream, 0), view.job.shape.main_nodes.first().copied().unwrap_or(0));
        let window = FileWindow { file, from: From::End, bytes: TAIL_BYTES };
        if let Ok(Reply::Window(window)) = core.ask(Request::ReadFile(window)).await {
            let text = String::from_utf8_lossy(&window.bytes).into_owned();
            if let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) {
                return line.trim().to_owned();
            }
        }
    }
    String::new()
}
