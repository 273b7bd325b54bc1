//! The metrics in the table of an experiment's jobs: their columns and cells, the best so far above, what goes with it below.

use ratatui::text::{Line, Span};

use super::options::{self, Options};
use super::summary::Summary;
use crate::model::chart::spark;
use crate::model::ids::JobId;
use crate::model::metric::Point;
use crate::model::spec::token;
use crate::model::study::{Take, short};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::table::{Column, Width};

/// Cells of the small curve in a row.
const SPARK_CELLS: u16 = 10;
/// Cells of a metric.
const VALUE_CELLS: (u16, u16) = (8, 14);
/// Metrics that have a column; more than fit on a wide screen.
const COLUMNS_MAX: usize = 24;
/// Parameters that are said to go with a metric.
const MATTERS_MAX: usize = 6;

/// The columns of metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// The metrics, the one that decides first.
    pub names: Vec<String>,
    /// What is taken of their readings.
    pub take: Take,
    /// Whether larger is better.
    pub maximize: bool,
}

/// Where the small curve of a job goes.
pub const SPARK_TITLE: &str = "curve";

impl Metrics {
    /// Returns columns for these metrics.
    pub fn new(all: &[String], decides: &str, take: Take, maximize: bool) -> Self {
        let others = all.iter().filter(|name| *name != decides).cloned();
        let names = std::iter::once(decides.to_owned()).chain(others).take(COLUMNS_MAX).collect();
        Self { names, take, maximize }
    }

    /// Returns the title of a metric; a parameter of the same name has the plain one.
    pub fn title(&self, name: &str, parameters: &[String]) -> String {
        match self.take {
            Take::Last if !parameters.iter().any(|parameter| parameter == name) => shown(name),
            take => format!("{} {}", shown(name), options::word(take)),
        }
    }

    /// Returns the metric of a title.
    pub fn of_title(&self, title: &str, parameters: &[String]) -> Option<&str> {
        self.names.iter().find(|name| self.title(name, parameters) == title).map(String::as_str)
    }

    /// Returns a column.
    pub fn column(&self, name: &str, parameters: &[String]) -> Column {
        let title = self.title(name, parameters);
        let wide = (unicode_width::UnicodeWidthStr::width(title.as_str()) as u16 + 1).clamp(VALUE_CELLS.0, VALUE_CELLS.1);
        Column::right(title, wide)
    }

    /// Returns the column of small curves.
    pub fn spark_column(&self) -> Column {
        Column::left(SPARK_TITLE, Width::Cells(SPARK_CELLS))
    }

    /// Returns the small curve of a job by the metric that decides.
    pub fn spark_cell(&self, job: JobId, cx: &Cx) -> Span<'static> {
        let points = self.names.first().and_then(|name| cx.world.metrics.curve(job, name));
        let text = points.map(|points| small(points, usize::from(SPARK_CELLS), cx)).unwrap_or_default();
        Span::styled(text, cx.style(Role::Running))
    }

    /// Returns the cell of a metric.
    pub fn cell(&self, job: JobId, name: &str, cx: &Cx) -> Span<'static> {
        let metrics = &cx.world.metrics;
        let numbers = metrics.id(name).and_then(|id| metrics.numbers(job, id));
        match numbers.map(|numbers| numbers.take(self.take, self.maximize)) {
            Some(value) => Span::styled(short(value), cx.style(if value.is_finite() { Role::Strong } else { Role::Bad })),
            None => Span::styled(cx.glyph(Glyph::Dot), cx.style(Role::Muted)),
        }
    }
}

/// Returns a small curve of points.
pub fn small(points: &[Point], cells: usize, cx: &Cx) -> String {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    spark(&values, cells, cx.look.dots())
}

/// Returns which way the end of a curve goes: the last reading against one some way back.
pub fn trend(points: &[Point], cx: &Cx) -> &'static str {
    let finite = || points.iter().rev().map(|point| point.value).filter(|value| value.is_finite());
    let back = (points.len() / 8).clamp(1, 50);
    match finite().next().zip(finite().nth(back)) {
        Some((last, before)) if last < before => {
            if cx.look.ascii {
                "v"
            } else {
                "▼"
            }
        }
        Some((last, before)) if last > before => {
            if cx.look.ascii {
                "^"
            } else {
                "▲"
            }
        }
        Some(_) | None => " ",
    }
}

/// Returns the parameters of a job in words.
pub fn parameters(pairs: &[(String, serde_json::Value)], only: &[String]) -> String {
    let wanted = pairs.iter().filter(|(name, _)| only.is_empty() || only.contains(name));
    wanted.map(|(name, value)| format!("{}={}", shown(name), shown(&token::text(value)))).collect::<Vec<_>>().join(" ")
}

/// Returns the lines above and below the table.
pub fn around(summary: &Summary, options: &Options, width: u16, cx: &Cx) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let (muted, strong) = (cx.style(Role::Muted), cx.style(Role::Strong));
    let mut above = Vec::new();
    if let (Some(metric), Some((id, value))) = (&summary.metric, summary.best.first()) {
        let name = cx.world.job(*id).map_or_else(|| id.to_string(), |job| shown(&job.name));
        let pairs = summary.entries.iter().find(|entry| entry.job == *id).map(|entry| entry.parameters.clone());
        let pairs = pairs.or_else(|| Some(super::summary::entry(cx.world.job(*id)?, cx).parameters)).unwrap_or_default();
        let what = match options.take {
            Take::Last => format!(" best {} ", shown(metric)),
            take => format!(" best {} ({}) ", shown(metric), options::word(take)),
        };
        above.push(Line::from(vec![
            Span::styled(what, muted),
            Span::styled(short(*value), cx.style(Role::Good)),
            Span::styled(format!("  {name}"), strong),
            Span::styled(format!("  {}", parameters(&pairs, &summary.varying)), cx.style(Role::Text)),
        ]));
    }
    let below = matters(summary, width, cx).into_iter().collect();
    (above, below)
}

/// Returns what goes with the metric, in one line.
pub fn matters(summary: &Summary, width: u16, cx: &Cx) -> Option<Line<'static>> {
    let metric = summary.metric.as_ref().filter(|_| !summary.matters.is_empty())?;
    let mut spans = vec![Span::styled(format!(" goes with {}: ", shown(metric)), cx.style(Role::Muted))];
    let mut used = spans[0].width();
    for (name, strength, jobs) in summary.matters.iter().take(MATTERS_MAX) {
        let cells = (strength.abs() * 8.0).round() as usize;
        let bar = if cx.look.ascii { "#" } else { "▇" }.repeat(cells);
        let text = format!("{} {bar} {strength:+.2}  ", shown(name));
        used += unicode_width::UnicodeWidthStr::width(text.as_str());
        if used > usize::from(width) {
            break;
        }
        let role = if *jobs >= 3 && strength.abs() >= 0.5 { Role::Strong } else { Role::Text };
        spans.push(Span::styled(text, cx.style(role)));
    }
    Some(Line::from(spans))
}
