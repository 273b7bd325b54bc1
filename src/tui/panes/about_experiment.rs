//! What the detail pane shows of an experiment: how far it is, and a table of its jobs with one column per parameter.

use ratatui::text::{Line, Span};

use super::about::{self, Content, Rows, Tab, TableContent};
use super::about_job::params;
use super::tree_draw::{job_role, job_symbol};
use super::{failure_word, run_time};
use crate::commands::CommandId;
use crate::model::ids::{ExperimentId, JobId};
use crate::model::state::{ExecutionState, Experiment};
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

/// Returns what a tab of an experiment shows.
pub fn content(id: ExperimentId, tab: Tab, width: u16, cx: &Cx) -> Content {
    let Some(experiment) = cx.world.experiment(id) else { return Content::Lines(Vec::new()) };
    if tab == Tab::Events {
        return Content::Lines(events(experiment, width, cx));
    }
    jobs_tab(experiment, width, cx)
}

fn jobs_tab(experiment: &Experiment, width: u16, cx: &Cx) -> Content {
    let params = param_names(experiment.id, cx);
    let mut columns = vec![
        Column::left("job", Width::Between(10, 26)),
        Column::left("state", Width::Cells(13)),
        Column::right("time", 6),
        Column::right("exit", 11),
    ];
    columns.extend(params.iter().map(|name| {
        let wide = unicode_width::UnicodeWidthStr::width(name.as_str()).clamp(5, 12) as u16;
        Column::right(name.clone(), wide)
    }));
    let len = cx.world.jobs_of(experiment.id).len();
    let mut above = vec![progress(experiment, width, cx)];
    if len == 0 {
        let text = format!(" no jobs yet; {} opens the form of a new one", cx.key_of(CommandId::NewJob));
        above.push(Line::from(Span::styled(text, cx.style(Role::Muted))));
    }
    let sweeps = cx.world.snapshot.sweeps.values().filter(|sweep| sweep.experiment == experiment.id);
    for sweep in sweeps.filter(|sweep| !sweep.left.is_empty()) {
        let paused = if sweep.held { ", paused" } else { "" };
        let text = format!(" sweep {}: {} members have yet to come up{paused}", shown(&sweep.name), sweep.left.len());
        above.push(Line::from(Span::styled(text, cx.style(Role::Muted))));
    }
    let rows = Rows::Jobs(experiment.id, params);
    Content::Table(Box::new(TableContent { above, columns, len, rows, below: Vec::new() }))
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
pub fn job_row(id: JobId, names: &[String], cx: &Cx) -> Row {
    let Some(job) = cx.world.job(id) else { return Vec::new() };
    let text = |text: String, role| Span::styled(text, cx.style(role));
    let role = job_role(job.state);
    let time = match job.state {
        ExecutionState::Queued => String::new(),
        _ => run_time(job, cx.now).map_or_else(String::new, |span| span.to_string()),
    };
    let exit = match (job.state, job.exit_code) {
        (ExecutionState::Succeeded | ExecutionState::Failed, Some(code)) => code.to_string(),
        (ExecutionState::Failed, None) => failure_word(job).to_owned(),
        (_, _) => String::new(),
    };
    let word = if job.held && job.state == ExecutionState::Queued { "held" } else { job.state.word() };
    let mut row = vec![
        text(shown(&job.name), Role::Text),
        text(format!("{} {word}", job_symbol(job, cx)), role),
        text(time, Role::Muted),
        text(exit, if job.state == ExecutionState::Failed { Role::Failed } else { Role::Muted }),
    ];
    let own = params(job);
    row.extend(names.iter().map(|name| {
        let value = own.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        text(value.unwrap_or_else(|| cx.glyph(Glyph::Dot).to_owned()), Role::Text)
    }));
    row
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
