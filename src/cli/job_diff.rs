//! `ostler job diff`: in what two jobs or more differ.

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::session::{Session, unexpected};
use super::{code, select};
use crate::model::compare;
use crate::model::fault::Fault;
use crate::model::metric::Stat;
use crate::model::request::{Reply, Request};
use crate::model::state::Job;

/// The most jobs that stand beside each other: what a screen has columns for.
const JOBS_MAX: usize = 20;

/// Options of `diff`.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// Two jobs or more: NAME, job-12, 'run-*', a,b or last
    #[arg(value_name = "JOB", num_args = 1.., required = true, add = super::names::jobs())]
    jobs: Vec<String>,
    /// Also that in which they are the same
    #[arg(long)]
    same: bool,
    /// End with 1 when they differ
    #[arg(long)]
    exit_code: bool,
}

/// Prints what jobs differ in.
///
/// # Errors
/// As for every command, and that fewer than two are meant.
pub async fn run(session: &Session, diff: Diff) -> Result<i32, Failure> {
    let picks = select::picks(&diff.jobs, false)?;
    let core = session.core().await?;
    let views = select::many(session, &core, picks).await?;
    if views.len() < 2 || views.len() > JOBS_MAX {
        let fault = Fault::config(format!("{} jobs are meant", views.len()));
        return Err(fault.hint(format!("name 2 to {JOBS_MAX}: ostler job diff run-001 run-002")).into());
    }
    let ids = views.iter().map(|view| view.job.id).collect();
    let metrics = match core.ask(Request::Metrics { jobs: ids, curves: Vec::new() }).await? {
        Reply::Metrics(metrics) => metrics,
        other => return Err(unexpected(&other)),
    };
    let jobs: Vec<(&Job, &[Stat])> =
        views.iter().zip(&metrics).map(|(view, (_, metrics))| (&*view.job, metrics.stats.as_slice())).collect();
    let mut found = if diff.same { compare::rows(&jobs) } else { compare::differences(&jobs) };
    let rows: Vec<&Job> = views.iter().map(|view| &*view.job).collect();
    found.extend(code::differences(session, &rows));
    found.sort_by_key(|row| row.part);
    let differ = found.iter().any(compare::Row::differs);
    if found.is_empty() {
        session.out.note("they are the same in everything that is known of them");
    }
    let mut columns = vec![Column { title: "PART", look: Look::Text }, Column { title: "WHAT", look: Look::Text }];
    for view in &views {
        // Columns live as long as the program, which ends with this list.
        columns.push(Column { title: Box::leak(view.job.name.to_string().into_boxed_str()), look: Look::Text });
    }
    let row = |row: &compare::Row| {
        let mut cells = vec![row.part.word().to_owned(), row.name.clone()];
        cells.extend(row.values.iter().map(|value| value.clone().unwrap_or_default()));
        let values: serde_json::Map<String, serde_json::Value> =
            views.iter().zip(&row.values).map(|(view, value)| (view.job.name.to_string(), json!(value))).collect();
        let value = json!({"part": row.part.word(), "what": row.name, "differs": row.differs(), "values": values});
        Row { cells, value, name: row.name.clone() }
    };
    let mut list = session.out.list(Box::leak(columns.into_boxed_slice()));
    list.page(found.iter().map(row).collect())?;
    list.end()?;
    Ok(i32::from(diff.exit_code && differ))
}
