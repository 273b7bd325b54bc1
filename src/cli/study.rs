//! What an experiment answers, for people and programs: its table, the best of its jobs, curves, a report, and why jobs failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::output::{Column, Look, Row};
use super::select;
use super::session::{Core, Session, unexpected};
use super::sweep_where::Where;
use super::{chart, report};
use crate::model::chart::series;
use crate::model::fault::Fault;
use crate::model::metric::{JobMetrics, Point, Stat};
use crate::model::request::{JobQuery, JobView, Reply, Request, SweepView};
use crate::model::sheet::{self, Form, Line, Pick};
use crate::model::spec::token;
use crate::model::study::{self, Entry, Take};
use crate::model::units::UnixMillis;

/// Which jobs, and what is taken of their metrics.
#[derive(Args, Clone, Debug)]
pub struct Of {
    /// The experiment; that of the context when absent
    #[arg(add = super::names::experiments())]
    name: Option<String>,
    /// Only members of this sweep
    #[arg(long, value_name = "SWEEP")]
    sweep: Option<String>,
    /// Only jobs that fit: 'lr<0.01 loss<0.3 state:succeeded'
    #[arg(long = "where", value_name = "CONDITIONS")]
    conditions: Option<Where>,
    /// What is taken of the readings of a metric
    #[arg(long, value_name = "WHICH", default_value = "last", value_parser = ["last", "best", "mean", "min", "max"])]
    take: String,
    /// Larger is better
    #[arg(long)]
    maximize: bool,
}

/// Options of `table`.
#[derive(Args, Clone, Debug)]
pub struct Table {
    #[command(flatten)]
    of: Of,
    /// By this parameter or metric, or by name; with - before it, the largest first
    #[arg(long, value_name = "[-]COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Leave these columns out
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    hide: Vec<String>,
    /// At most so many
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// Write it as CSV, with the columns that `export` has
    #[arg(long)]
    csv: bool,
}

/// Options of `best`.
#[derive(Args, Clone, Debug)]
pub struct Best {
    #[command(flatten)]
    of: Of,
    /// The metric; the goal of the jobs, their only metric or their loss when absent
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5)]
    limit: usize,
}

/// Options of `plot`.
#[derive(Args, Clone, Debug)]
pub struct Plot {
    #[command(flatten)]
    of: Of,
    /// The metric; as for best when absent
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Over steps, or over the time since a job's first reading
    #[arg(long, value_name = "AXIS", default_value = "step", value_parser = ["step", "time"])]
    over: String,
    /// In the place of curves: this parameter against the metric, a dot for each job
    #[arg(long, value_name = "PARAMETER", conflicts_with = "parallel")]
    against: Option<String>,
    /// In the place of curves: parallel coordinates, an axis for each parameter and one for the metric, a line for each job
    #[arg(long)]
    parallel: bool,
    /// Draw the logarithm of the metric
    #[arg(long)]
    log: bool,
    /// Smooth curves: the weight of what came before, from 0 to 1
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0)]
    smooth: f64,
    /// At most so many jobs, the best: 6 curves, or all dots and lines, when absent
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

/// How many curves are told apart.
const CURVES_DRAWN: usize = 6;

/// Options of `report`.
#[derive(Args, Clone, Debug)]
pub struct Report {
    #[command(flatten)]
    of: Of,
    /// The metric; as for best when absent
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// The file to write: one page that needs nothing else
    #[arg(long = "to", value_name = "FILE")]
    file: std::path::PathBuf,
}

/// Options of `export`.
#[derive(Args, Clone, Debug)]
pub struct Export {
    #[command(flatten)]
    of: Of,
    /// The file to write; the end of its name says the form
    #[arg(long = "to", value_name = "FILE.csv|json|yaml|parquet")]
    file: std::path::PathBuf,
}

/// What was found of an experiment.
pub(super) struct Found {
    name: String,
    pub(super) entries: Vec<Entry>,
    pub(super) views: BTreeMap<crate::model::ids::JobId, Arc<JobView>>,
    goal: Option<(String, bool)>,
    take: Take,
    maximize: bool,
}

impl Found {
    fn metric(&self, named: Option<&str>) -> Result<String, Failure> {
        let (_, metrics) = study::columns(&self.entries);
        let goal = self.goal.as_ref().map(|(name, _)| name.as_str());
        study::deciding(named, goal, &metrics).map_err(|there| {
            let fault = match (named, there.is_empty()) {
                (_, true) => Fault::user("none of the jobs has a metric yet")
                    .hint("a job of a sweep has its log read; `metrics` in a job's file says where they are elsewhere"),
                (Some(named), false) => Fault::config(format!("no job has a metric `{}`", named.escape_debug())),
                (None, false) => Fault::config("there are several metrics, and none of them is a loss"),
            };
            if there.is_empty() { fault.into() } else { fault.hint(format!("--metric {}", there.join(" | "))).into() }
        })
    }

    fn sort_by(&mut self, metric: &str) {
        study::sort(&mut self.entries, metric, self.take, self.maximize);
    }
}

/// Reads all jobs of a query.
///
/// # Errors
/// As for every command.
pub(super) async fn jobs(core: &Core, query: JobQuery) -> Result<Vec<Arc<JobView>>, Failure> {
    let mut all: Vec<Arc<JobView>> = Vec::new();
    select::pages(core, query, |jobs| {
        all.extend(jobs);
        Ok(true)
    })
    .await?;
    Ok(all)
}

/// Reads what is compared of jobs: their parameters and metrics.
async fn entries(core: &Core, all: &[Arc<JobView>]) -> Result<Vec<Entry>, Failure> {
    let mut metrics: BTreeMap<_, JobMetrics> = BTreeMap::new();
    // What has never run has none.
    let ran: Vec<_> = all.iter().filter(|view| view.job.last.started.is_some()).map(|view| view.job.id).collect();
    for page in ran.chunks(crate::model::request::PAGE_MAX as usize) {
        match core.ask(Request::Metrics { jobs: page.to_vec(), curves: Vec::new() }).await? {
            Reply::Metrics(found) => metrics.extend(found),
            other => return Err(unexpected(&other)),
        }
    }
    let entry = |view: &Arc<JobView>| Entry {
        job: view.job.id,
        name: view.job.name.to_string(),
        state: view.job.state.word(),
        parameters: view.job.parameters(),
        stats: metrics.remove(&view.job.id).map(|metrics| metrics.stats).unwrap_or_default(),
    };
    Ok(all.iter().map(entry).collect())
}

/// Keeps those of some jobs that fit conditions on their parameters, metrics and states.
///
/// # Errors
/// As for every command.
pub(super) async fn fitting(
    core: &Core,
    all: Vec<Arc<JobView>>,
    conditions: Option<&Where>,
) -> Result<Vec<Arc<JobView>>, Failure> {
    let Some(conditions) = conditions else { return Ok(all) };
    let entries = entries(core, &all).await?;
    Ok(all.into_iter().zip(entries).filter(|(_, entry)| conditions.fits_entry(entry)).map(|(view, _)| view).collect())
}

/// Reads all jobs of an experiment that fit, with their metrics.
///
/// # Errors
/// As for every command.
pub(super) async fn find(session: &Session, core: &Core, of: &Of) -> Result<Found, Failure> {
    let place = session.experiment(of.name.as_ref());
    let query =
        JobQuery { workspace: place.workspace, experiment: place.name, sweep: of.sweep.clone(), ..JobQuery::default() };
    let take = match of.take.as_str() {
        "best" => Take::Best,
        "mean" => Take::Mean,
        "min" => Take::Min,
        "max" => Take::Max,
        _ => Take::Last,
    };
    let mut found = compared(core, jobs(core, query).await?, take, of.maximize).await?;
    if let Some(conditions) = &of.conditions {
        found.entries.retain(|entry| conditions.fits_entry(entry));
    }
    if found.views.is_empty() {
        found.name = of.name.clone().unwrap_or_default();
    }
    Ok(found)
}

/// Reads the metrics of some jobs, and what they aim at.
async fn compared(core: &Core, all: Vec<Arc<JobView>>, take: Take, maximize: bool) -> Result<Found, Failure> {
    let entries = entries(core, &all).await?;
    let goal = all.iter().find_map(|view| view.job.spec.metrics.as_ref()?.goal.clone());
    Ok(Found {
        name: all.first().map(|view| view.experiment.clone()).unwrap_or_default(),
        entries,
        views: all.into_iter().map(|view| (view.job.id, view)).collect(),
        maximize: maximize || goal.as_ref().is_some_and(|goal| goal.maximize),
        goal: goal.map(|goal| (goal.metric, goal.maximize)),
        take,
    })
}

/// What the members of a sweep have come to.
pub(super) struct Reported {
    /// The metric that was looked at.
    pub metric: String,
    /// Whether larger is better.
    pub maximize: bool,
    /// The values of each member, and the best that it has reported.
    pub members: Vec<(crate::model::spec::sweep::Point, Option<f64>)>,
}

/// Reads what the members of a sweep have come to: the metric that is named, or the one that decides otherwise. Who still runs
/// has said nothing yet.
///
/// # Errors
/// As for every command; no member has the metric.
pub(super) async fn reported(
    core: &Core,
    view: &SweepView,
    metric: Option<&str>,
    maximize: bool,
) -> Result<Reported, Failure> {
    let query = JobQuery {
        workspace: Some(view.workspace.clone()),
        experiment: Some(view.experiment.clone()),
        sweep: Some(view.sweep.name.clone()),
        ..JobQuery::default()
    };
    let found = compared(core, jobs(core, query).await?, Take::Best, maximize).await?;
    let metric = found.metric(metric)?;
    let members = found.entries.iter().map(|entry| {
        let ended = found.views.get(&entry.job).is_some_and(|view| view.job.state.ended());
        (entry.parameters.clone(), entry.metric(&metric, Take::Best, found.maximize).filter(|_| ended))
    });
    Ok(Reported { members: members.collect(), maximize: found.maximize, metric })
}

/// Prints one line for each job, with a column for each parameter and metric.
///
/// # Errors
/// As for every command.
pub async fn table(session: &Session, table: Table) -> Result<i32, Failure> {
    let core = session.core().await?;
    let mut found = find(session, &core, &table.of).await?;
    if let Some(sort) = &table.sort {
        let (by, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |by| (by, true));
        let (parameters, metrics) = study::columns(&found.entries);
        if by != "name" && !parameters.iter().chain(&metrics).any(|column| column == by) {
            let fault = Fault::config(format!("there is no column `{}`", by.escape_debug()));
            return Err(fault.hint(format!("columns: name, {}", [parameters, metrics].concat().join(", "))).into());
        }
        study::sort(&mut found.entries, by, found.take, descending);
    }
    found.entries.truncate(table.limit.unwrap_or(usize::MAX));
    let (mut parameters, mut metrics) = study::columns(&found.entries);
    parameters.retain(|name| !table.hide.contains(name));
    metrics.retain(|name| !table.hide.contains(name));
    if table.csv {
        let pick = Pick { take: found.take, maximize: found.maximize, hide: table.hide };
        let bytes = sheet::write(&lines(&found), Form::Csv, &pick)
            .map_err(|why| Fault::internal(format!("the jobs cannot be written: {why}")))?;
        std::io::Write::write_all(&mut std::io::stdout().lock(), &bytes)?;
        return Ok(0);
    }
    let mut columns = vec![Column { title: "NAME", look: Look::Text }, Column { title: "STATE", look: Look::State }];
    for name in parameters.iter().chain(&metrics) {
        // Columns live as long as the program, which ends with this list.
        columns.push(Column { title: Box::leak(name.clone().into_boxed_str()), look: Look::Number });
    }
    let mut list = session.out.list(Box::leak(columns.into_boxed_slice()));
    list.page(found.entries.iter().map(|entry| row(entry, &found, &parameters, &metrics)).collect())?;
    list.end()?;
    Ok(0)
}

fn row(entry: &Entry, found: &Found, parameters: &[String], metrics: &[String]) -> Row {
    let mut cells = vec![entry.name.clone(), entry.state.to_owned()];
    cells.extend(parameters.iter().map(|name| entry.parameter(name).map(token::text).unwrap_or_default()));
    let metric = |name: &String| entry.metric(name, found.take, found.maximize).map(study::short).unwrap_or_default();
    cells.extend(metrics.iter().map(metric));
    Row { cells, value: value_of(entry), name: entry.name.clone() }
}

fn value_of(entry: &Entry) -> Value {
    let parameters: Map<String, Value> = entry.parameters.iter().cloned().collect();
    let stat = |stat: &Stat| (stat.name.clone(), stat.value());
    let metrics: Map<String, Value> = entry.stats.iter().map(stat).collect();
    json!({"name": entry.name, "id": entry.job.to_string(), "executionState": entry.state, "parameters": parameters, "metrics": metrics})
}

/// Returns the jobs of what was found as lines of a sheet.
fn lines(found: &Found) -> Vec<Line<'_>> {
    let now = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let views = found.entries.iter().filter_map(|entry| Some((entry, found.views.get(&entry.job)?)));
    views
        .map(|(entry, view)| Line {
            job: &view.job,
            experiment: view.experiment.clone(),
            cluster: view.cluster.clone(),
            parameters: entry.parameters.clone(),
            stats: &entry.stats,
            now,
        })
        .collect()
}

/// Writes jobs into a file.
///
/// # Errors
/// As for every command, and that the name says no form, or the file cannot be written.
pub async fn export(session: &Session, export: Export) -> Result<i32, Failure> {
    let name = export.file.display().to_string();
    let Some(form) = Form::of(&name) else {
        let fault = Fault::config(format!("--to: `{}` says no form", name.escape_debug()));
        return Err(fault.hint(format!("its name ends in {}", Form::ENDS)).into());
    };
    let core = session.core().await?;
    let found = find(session, &core, &export.of).await?;
    let lines = lines(&found);
    let pick = Pick { take: found.take, maximize: found.maximize, hide: Vec::new() };
    let bytes =
        sheet::write(&lines, form, &pick).map_err(|why| Fault::internal(format!("the jobs cannot be written: {why}")))?;
    if !core.may(&format!("write `{name}`"))? {
        return Ok(0);
    }
    std::fs::write(&export.file, bytes).map_err(|error| Fault::user(format!("cannot write `{name}`")).because(&error))?;
    session.out.note(&format!("{} jobs written to {name}", lines.len()));
    Ok(0)
}

/// Prints the best jobs by one metric, and which parameters matter for it.
///
/// # Errors
/// As for every command, and that no metric decides.
pub async fn best(session: &Session, best: Best) -> Result<i32, Failure> {
    let core = session.core().await?;
    let mut found = find(session, &core, &best.of).await?;
    let metric = found.metric(best.metric.as_deref())?;
    found.sort_by(&metric);
    let matters = study::importance(&found.entries, &metric, found.take, found.maximize);
    found.entries.retain(|entry| entry.metric(&metric, found.take, found.maximize).is_some_and(f64::is_finite));
    found.entries.truncate(best.limit);
    let words = |entry: &Entry| {
        let pairs = entry.parameters.iter().map(|(name, value)| format!("{name}={}", token::text(value)));
        let value = entry.metric(&metric, found.take, found.maximize).map(study::short).unwrap_or_default();
        format!("{}  {metric} {value}  {}", entry.name, pairs.collect::<Vec<_>>().join(" "))
    };
    let matter = |(name, strength, jobs): &(String, f64, usize)| format!("{name}  {strength:+.2} over {jobs} jobs");
    let facts = [
        ("best", found.entries.iter().map(words).collect::<Vec<_>>().join("\n")),
        ("goes with", matters.iter().map(matter).collect::<Vec<_>>().join("\n")),
    ];
    let parameters: Vec<Value> = matters
        .iter()
        .map(|(name, strength, jobs)| json!({"parameter": name, "strength": strength, "jobs": jobs}))
        .collect();
    let name = found.entries.first().map(|entry| entry.name.clone()).unwrap_or_default();
    let value = json!({
        "metric": metric,
        "maximize": found.maximize,
        "jobs": found.entries.iter().map(value_of).collect::<Vec<_>>(),
        "parameters": parameters,
    });
    session.out.one(&name, &facts, &value)?;
    Ok(0)
}

/// Reads the curves of one metric, in the order of the entries.
async fn curves(core: &Core, entries: &[Entry], metric: &str) -> Result<Vec<(String, Vec<Point>)>, Failure> {
    let mut found = Vec::new();
    for page in entries.chunks(crate::model::request::PAGE_MAX as usize) {
        let jobs = page.iter().map(|entry| entry.job).collect();
        match core.ask(Request::Metrics { jobs, curves: vec![metric.to_owned()] }).await? {
            Reply::Metrics(metrics) => {
                for (entry, (_, metrics)) in page.iter().zip(metrics) {
                    found.extend(metrics.curves.into_iter().next().map(|curve| (entry.name.clone(), curve)));
                }
            }
            other => return Err(unexpected(&other)),
        }
    }
    Ok(found)
}

/// Draws the curves of a metric.
///
/// # Errors
/// As for [`best`].
pub async fn plot(session: &Session, plot: Plot) -> Result<i32, Failure> {
    if !(0.0..1.0).contains(&plot.smooth) {
        return Err(Fault::config("--smooth: the weight is from 0 to below 1").into());
    }
    let core = session.core().await?;
    let mut found = find(session, &core, &plot.of).await?;
    let metric = found.metric(plot.metric.as_deref())?;
    found.sort_by(&metric);
    found.entries.retain(|entry| entry.stats.iter().any(|stat| stat.name == metric));
    if plot.parallel || plot.against.is_some() {
        found.entries.truncate(plot.limit.unwrap_or(usize::MAX));
        return plot_parameters(session, &plot, &found, &metric);
    }
    found.entries.truncate(plot.limit.unwrap_or(CURVES_DRAWN));
    let curves = curves(&core, &found.entries, &metric).await?;
    let over_time = plot.over == "time";
    let drawn: Vec<(String, Vec<(f64, f64)>)> =
        curves.iter().map(|(name, points)| (name.clone(), series(points, over_time, plot.smooth))).collect();
    let value: Vec<Value> = curves.iter().map(|(name, points)| json!({"name": name, "points": points})).collect();
    let size = size_of(session);
    let picture = chart::draw(&drawn, size, plot.log);
    let head = format!("{metric} over {}{}", plot.over, if plot.log { ", log" } else { "" });
    session.out.one(&metric, &[("curves", head), ("", picture)], &json!({"metric": metric, "curves": value}))?;
    Ok(0)
}

fn size_of(session: &Session) -> chart::Size {
    chart::Size { width: session.out.columns.unwrap_or(100).clamp(40, 200), height: 20 }
}

/// Draws what parameters have to do with a metric: one of them, or all.
fn plot_parameters(session: &Session, plot: &Plot, found: &Found, metric: &str) -> Result<i32, Failure> {
    let value = |entry: &Entry| entry.metric(metric, found.take, found.maximize).filter(|value| value.is_finite());
    let log = if plot.log { ", log" } else { "" };
    let Some(parameter) = &plot.against else {
        let names = study::varying(&found.entries);
        let picture = chart::parallel(&found.entries, &names, (metric, value), size_of(session), plot.log);
        let jobs: Vec<Value> = found.entries.iter().map(value_of).collect();
        let all = json!({"metric": metric, "parameters": names, "jobs": jobs});
        session.out.one(metric, &[("parallel", format!("{} jobs{log}", jobs.len())), ("", picture)], &all)?;
        return Ok(0);
    };
    let (parameters, _) = study::columns(&found.entries);
    if !parameters.contains(parameter) {
        let fault = Fault::config(format!("no job has a parameter `{}`", parameter.escape_debug()));
        return Err(fault.hint(format!("--against {}", parameters.join(" | "))).into());
    }
    let picture = chart::scatter(&found.entries, parameter, value, size_of(session), plot.log);
    let point = |entry: &Entry| json!({"name": entry.name, "parameter": entry.parameter(parameter), "metric": value(entry)});
    let all: Vec<Value> = found.entries.iter().map(point).collect();
    let head = format!("{metric} against {parameter}{log}");
    session.out.one(
        metric,
        &[("dots", head), ("", picture)],
        &json!({"metric": metric, "parameter": parameter, "points": all}),
    )?;
    Ok(0)
}

/// Writes a page with the table, the curves and what matters.
///
/// # Errors
/// As for [`best`], and that the file cannot be written.
pub async fn report(session: &Session, report: Report) -> Result<i32, Failure> {
    let core = session.core().await?;
    let mut found = find(session, &core, &report.of).await?;
    let metric = found.metric(report.metric.as_deref())?;
    found.sort_by(&metric);
    let with: Vec<Entry> = found
        .entries
        .iter()
        .filter(|e| e.stats.iter().any(|s| s.name == metric))
        .take(report::CURVES_MAX)
        .cloned()
        .collect();
    let curves = curves(&core, &with, &metric).await?;
    let drawn: Vec<_> = curves.iter().map(|(name, points)| (name.clone(), series(points, false, 0.0))).collect();
    let matters = study::importance(&found.entries, &metric, found.take, found.maximize);
    let page = report::page(&report::Study {
        name: &found.name,
        metric: &metric,
        entries: &found.entries,
        take: found.take,
        maximize: found.maximize,
        curves: &drawn,
        matters: &matters,
    });
    if !core.may(&format!("write `{}`", report.file.display()))? {
        return Ok(0);
    }
    std::fs::write(&report.file, page)
        .map_err(|error| Fault::user(format!("cannot write `{}`", report.file.display())).because(&error))?;
    session.out.note(&format!(
        "{}: {} jobs, {} curves of {metric}",
        report.file.display(),
        found.entries.len(),
        curves.len()
    ));
    Ok(0)
}
