//! What the detail pane shows of an experiment: how far it is, and a table of its jobs with one column per parameter.

use std::sync::Arc;

use ratatui::text::{Line, Span};

use super::about::{self, Content, Rows, Tab, TableContent};
use super::about_job::params;
use super::study::Study;
use super::study::table::Metrics;
use super::tree_draw::{job_role, job_symbol};
use super::{failure_word, run_time};
use crate::commands::CommandId;
use crate::model::ids::{ExperimentId, JobId};
use crate::model::state::{ExecutionState, Experiment, Job};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::facts::Facts;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::table::{Column, Row, Width};
use crate::tui::widgets::{Bar, bar};

/// Jobs at each end of the list that are looked at for the names of parameters: all of them would cost a frame too much.
const SAMPLED: usize = 16;
/// Columns of parameters; more than fit on a wide screen.
const PARAMS_MAX: usize = 8;
/// Cells of the bar of progress.
const BAR_CELLS: u16 = 24;

/// A column of the table of jobs.
#[derive(Clone, Debug, PartialEq)]
pub enum JobColumn {
    /// Its name.
    Name,
    /// Its state.
    State,
    /// How long it ran.
    Time,
    /// How it ended.
    Exit,
    /// A small curve of the metric that decides.
    Spark,
    /// A parameter.
    Parameter(String),
    /// A metric.
    Metric(String),
}

/// The columns of the table of jobs.
#[derive(Clone, Debug)]
pub struct JobColumns {
    /// The columns, the most important first.
    pub list: Vec<JobColumn>,
    /// The metrics among them.
    pub metrics: Arc<Metrics>,
}

impl JobColumns {
    fn new(parameters: Vec<String>, metrics: Arc<Metrics>, hides: impl Fn(&str) -> bool) -> (Self, Vec<Column>) {
        use JobColumn as C;
        let mut list = vec![C::Name, C::State];
        let metric = |name: &String| C::Metric(name.clone());
        if metrics.names.is_empty() {
            list.extend([C::Time, C::Exit]);
            list.extend(parameters.iter().cloned().map(C::Parameter));
        } else {
            // The metric that decides and what it may depend on are what one looks for.
            list.push(C::Spark);
            list.extend(metrics.names.first().map(metric));
            list.extend(parameters.iter().cloned().map(C::Parameter));
            list.extend(metrics.names.iter().skip(1).map(metric));
            list.extend([C::Time, C::Exit]);
        }
        let column = |column: &C| match column {
            C::Name => Column::left("job", Width::Between(10, 26)),
            C::State => Column::left("state", Width::Cells(13)),
            C::Time => Column::right("time", 6),
            C::Exit => Column::right("exit", 11),
            C::Spark => metrics.spark_column(),
            C::Parameter(name) => {
                let wide = unicode_width::UnicodeWidthStr::width(name.as_str()).clamp(5, 12) as u16;
                Column::right(name.clone(), wide)
            }
            C::Metric(name) => metrics.column(name, &parameters),
        };
        let mut columns: Vec<(C, Column)> = list.iter().map(|own| (own.clone(), column(own))).collect();
        // The name stays: a row without it is nobody's.
        columns.retain(|(own, column)| *own == C::Name || !hides(&column.title));
        let (list, columns) = columns.into_iter().unzip();
        (Self { list, metrics: metrics.clone() }, columns)
    }

    /// Returns the names of parameters among them.
    pub fn parameters(&self) -> Vec<String> {
        let name = |column: &JobColumn| match column {
            JobColumn::Parameter(name) => Some(name.clone()),
            _ => None,
        };
        self.list.iter().filter_map(name).collect()
    }
}

/// Returns what a tab of an experiment shows.
pub fn content(id: ExperimentId, tab: Tab, study: Option<&Study>, width: u16, cx: &Cx) -> Content {
    let Some(experiment) = cx.world.experiment(id) else { return Content::Lines(Vec::new()) };
    if tab == Tab::Events {
        return Content::Lines(events(experiment, width, cx));
    }
    jobs_tab(experiment, study, width, cx)
}

fn jobs_tab(experiment: &Experiment, study: Option<&Study>, width: u16, cx: &Cx) -> Content {
    let metrics = study.map(|study| study.columns(cx)).unwrap_or_default();
    let hides = |title: &str| study.is_some_and(|study| study.hides(title));
    let (own, columns) = JobColumns::new(param_names(experiment.id, cx), metrics, hides);
    let len = cx.world.jobs_of(experiment.id).len();
    let mut above = vec![progress(experiment, width, cx)];
    if len == 0 {
        let text = format!(" no jobs yet; {} opens the form of a new one", cx.key_of(CommandId::NewJob));
        above.push(Line::from(Span::styled(text, cx.style(Role::Muted))));
    }
    let sweeps = cx.world.snapshot.sweeps.values().filter(|sweep| sweep.experiment == experiment.id);
    for sweep in sweeps.filter(|sweep| !sweep.left.is_empty()) {
        let paused = if sweep.held { ", paused" } else { "" };
        let kind = if sweep.is_array() { "array" } else { "sweep" };
        let text = format!(" {kind} {}: {} members have yet to come up{paused}", shown(&sweep.name), sweep.left.len());
        above.push(Line::from(Span::styled(text, cx.style(Role::Muted))));
    }
    let (best, below) = study.map(|study| study.around(width, cx)).unwrap_or_default();
    above.extend(best);
    let rows = Rows::Jobs(experiment.id, Arc::new(own));
    Content::Table(Box::new(TableContent { above, columns, len, rows, below }))
}

fn progress(experiment: &Experiment, width: u16, cx: &Cx) -> Line<'static> {
    let tally = experiment.tally;
    let done = tally.succeeded + tally.failed;
    let muted = cx.style(Role::Muted);
    let cells = BAR_CELLS.min(width / 4);
    let mut spans = vec![Span::styled(format!(" {done} of {} ", tally.total()), cx.style(Role::Strong))];
    spans.extend(bar(done, tally.total(), cells, Bar::Low, cx, Role::Good));
    for (count, word, role) in [
        (tally.running + tally.terminating, "running", Role::Running),
        (tally.queued, "queued", Role::Queued),
        (tally.failed, "failed", Role::Failed),
    ] {
        if count > 0 {
            spans.push(Span::styled(format!("  {count}"), cx.style(role)));
            spans.push(Span::styled(format!(" {word}"), muted));
        }
    }
    Line::from(spans)
}

/// The names of parameters, those that differ among the jobs first.
fn param_names(id: ExperimentId, cx: &Cx) -> Vec<String> {
    let jobs = cx.world.jobs_of(id);
    let head = jobs.iter().take(SAMPLED);
    let tail = jobs.iter().skip(SAMPLED.max(jobs.len().saturating_sub(SAMPLED)));
    let mut names: Vec<(String, String, bool)> = Vec::new();
    for job in head.chain(tail).filter_map(|id| cx.world.job(*id)) {
        for (name, value) in params(job) {
            match names.iter_mut().find(|(n, ..)| *n == name) {
                Some((_, first, differs)) => *differs |= *first != value,
                None => names.push((name, value, false)),
            }
        }
    }
    names.sort_by_key(|(.., differs)| !differs);
    names.into_iter().take(PARAMS_MAX).map(|(name, ..)| name).collect()
}

/// Returns a row of the table of jobs.
pub fn job_row(id: JobId, columns: &JobColumns, cx: &Cx) -> Row {
    let Some(job) = cx.world.job(id) else { return Vec::new() };
    let own = std::cell::OnceCell::new();
    columns.list.iter().map(|column| cell(job, column, columns, &own, cx)).collect()
}

/// Returns a cell; `own` keeps what the job's parameters are.
fn cell(
    job: &Job,
    column: &JobColumn,
    columns: &JobColumns,
    own: &std::cell::OnceCell<Vec<(String, String)>>,
    cx: &Cx,
) -> Span<'static> {
    let text = |text: String, role| Span::styled(text, cx.style(role));
    match column {
        JobColumn::Name => text(shown(&job.name), Role::Text),
        JobColumn::State => {
            let word = if job.held && job.state == ExecutionState::Queued { "held" } else { job.state.word() };
            text(format!("{} {word}", job_symbol(job, cx)), job_role(job.state))
        }
        JobColumn::Time => {
            let time = match job.state {
                ExecutionState::Queued => String::new(),
                _ => run_time(job, cx.now).map_or_else(String::new, |span| span.to_string()),
            };
            text(time, Role::Muted)
        }
        JobColumn::Exit => {
            let exit = match (job.state, job.last.exit_code) {
                (ExecutionState::Succeeded | ExecutionState::Failed, Some(code)) => code.to_string(),
                (ExecutionState::Failed, None) => failure_word(job).to_owned(),
                (_, _) => String::new(),
            };
            text(exit, if job.state == ExecutionState::Failed { Role::Failed } else { Role::Muted })
        }
        JobColumn::Spark => columns.metrics.spark_cell(job.id, cx),
        JobColumn::Parameter(name) => {
            let own = own.get_or_init(|| params(job));
            let value = own.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
            text(value.unwrap_or_else(|| cx.glyph(Glyph::Dot).to_owned()), Role::Text)
        }
        JobColumn::Metric(name) => columns.metrics.cell(job.id, name, cx),
    }
}

fn events(experiment: &Experiment, width: u16, cx: &Cx) -> Vec<Line<'static>> {
    let mut facts = Facts::new(cx, width);
    facts.text(&format!("{} ago", cx.now.since(experiment.created)), "made", cx.style(Role::Text));
    let id = experiment.id;
    let of_it = |about: Option<Subject>| match about {
        Some(Subject::Experiment(other)) => other == id,
        Some(Subject::Job(job)) => cx.world.job(job).is_some_and(|job| job.experiment == id),
        Some(_) | None => false,
    };
    about::acts(of_it, &mut facts, cx);
    facts.done()
}
