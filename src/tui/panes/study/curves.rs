//! Curves of a metric: of several jobs in one picture, or of one job with all that it reports.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};

use super::options::Options;
use super::summary::{Summary, entry};
use super::table::{parameters, small, trend};
use crate::commands::CommandId;
use crate::model::chart::{Axis, Canvas, DOTS, letter, series};
use crate::model::ids::JobId;
use crate::model::study::short;
use crate::model::units::Millis;
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::picture::{self, Picture};

pub use crate::tui::widgets::picture::LABEL_WIDTH;

/// Curves in one picture: as many as letters and colours tell apart.
pub const CURVES_MAX: usize = 12;
/// Of the best jobs, when nobody marked any.
pub const CURVES_UNASKED: usize = 6;
/// The least lines of a picture.
const LINES_MIN: usize = 3;
/// Cells of a small curve in a list.
const SMALL_CELLS: usize = 12;

/// One curve.
struct Curve {
    name: String,
    note: String,
    points: Vec<(f64, f64)>,
}

/// Returns curves of one metric of several jobs.
pub fn of_jobs(
    jobs: &[JobId],
    metric: Option<String>,
    summary: &Summary,
    options: &Options,
    size: (u16, u16),
    cx: &Cx,
) -> Vec<Line<'static>> {
    let Some(metric) = metric else { return nothing(cx) };
    let mut curves = Vec::new();
    let mut waits = 0;
    for id in jobs {
        let Some(job) = cx.world.job(*id) else { continue };
        let Some(points) = cx.world.metrics.curve(*id, &metric) else {
            waits += 1;
            continue;
        };
        let points = series(points, options.over_time, options.smooth);
        curves.push(Curve {
            name: shown(&job.name),
            note: parameters(&entry(job, cx).parameters, &summary.varying),
            points,
        });
    }
    let marked = jobs.iter().any(|id| cx.marks.contains(id));
    let whose = match (marked, waits) {
        (_, waits) if waits > 0 && curves.is_empty() => "asking …".to_owned(),
        (true, _) => format!("{} marked", curves.len()),
        (false, _) => format!("the best {}; {} in the table marks others", curves.len(), cx.key_of(CommandId::Mark)),
    };
    let head = format!(" {} over {}{}  {whose}", shown(&metric), over(options), manner(options));
    draw(&head, &curves, options, size, cx)
}

/// Returns the curve of one metric of a job, and what all its metrics come to.
pub fn of_job(
    id: JobId,
    metric: Option<String>,
    options: &Options,
    (width, height): (u16, u16),
    cx: &Cx,
) -> Vec<Line<'static>> {
    let Some(metric) = metric else { return nothing(cx) };
    let metrics = &cx.world.metrics;
    let all: Vec<_> = metrics.of(id).collect();
    let listed = all.len().min(usize::from(height) / 3);
    let points = metrics.curve(id, &metric).map(|points| series(points, options.over_time, options.smooth));
    let waits = if points.is_none() { "  asking …" } else { "" };
    let head = format!(" {} over {}{}{waits}", shown(&metric), over(options), manner(options));
    let curve = Curve { name: shown(&metric), note: String::new(), points: points.unwrap_or_default() };
    let mut lines = draw(&head, &[curve], options, (width, height.saturating_sub(listed as u16)), cx);
    let longest = all.iter().map(|(id, _)| metrics.name_of(*id).chars().count()).max().unwrap_or(0).clamp(4, 20);
    // The one that is drawn is always in the list.
    let at = all.iter().position(|(id, _)| metrics.name_of(*id) == metric).unwrap_or(0);
    let first = (at + 1).saturating_sub(listed);
    for (number, numbers) in all.iter().skip(first).take(listed) {
        let name = metrics.name_of(*number);
        let here = name == metric;
        let curve = metrics.curve(id, name);
        let text = format!(
            " {:<longest$}  {:>9} {}  best {:>9}  mean {:>9}  {} readings, the last at {} ",
            crate::tui::widgets::cut(&shown(name), longest, cx.look.ascii),
            short(numbers.last),
            curve.map_or(" ", |points| trend(points, cx)),
            short(numbers.take(crate::model::study::Take::Best, super::options::larger_is_better(name))),
            short(numbers.mean),
            numbers.count,
            short(numbers.step),
        );
        let picture = curve.map(|points| small(points, SMALL_CELLS, cx)).unwrap_or_default();
        lines.push(Line::from(vec![
            Span::styled(text, cx.style(if here { Role::Strong } else { Role::Text })),
            Span::styled(picture, cx.style(Role::Running)),
        ]));
    }
    lines
}

fn nothing(cx: &Cx) -> Vec<Line<'static>> {
    let muted = cx.style(Role::Muted);
    [
        "no metric is known yet",
        "",
        "a job of a sweep has its log read: lines such as `step=100 loss=0.21` or JSON",
        "`ostler metric loss=0.21 step=100` in a script, and `metrics` in a job's file, do the same elsewhere",
    ]
    .map(|text| Line::from(Span::styled(format!(" {text}"), muted)))
    .to_vec()
}

fn over(options: &Options) -> &'static str {
    if options.over_time { "time" } else { "steps" }
}

fn manner(options: &Options) -> String {
    let mut parts = Vec::new();
    if options.log {
        parts.push("log".to_owned());
    }
    if options.log_across {
        parts.push(format!("log {}", over(options)));
    }
    if options.smooth > 0.0 {
        parts.push(format!("smoothed {}", options.smooth));
    }
    if options.zoom > 0 {
        parts.push(format!("{} times closer", 1_u32 << options.zoom));
    }
    parts.into_iter().map(|part| format!(", {part}")).collect()
}

/// Returns what stands across, in words.
fn across_words(value: f64, options: &Options) -> String {
    match options.over_time {
        true => Millis::from_secs(value.max(0.0) as u64).to_string(),
        false => short(value),
    }
}

fn draw(head: &str, curves: &[Curve], options: &Options, (width, height): (u16, u16), cx: &Cx) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(Span::styled(head.to_owned(), cx.style(Role::Muted)))];
    let all = || curves.iter().flat_map(|curve| &curve.points);
    // What has no place on the one axis does not stretch the other.
    let shown = || all().filter(|(x, y)| (!options.log || *y > 0.0) && (!options.log_across || *x > 0.0));
    let Some(across) = Axis::of(shown().map(|point| point.0), options.log_across) else {
        let text = if all().next().is_some() { " nothing of it has a logarithm" } else { "" };
        lines.push(Line::from(Span::styled(text, cx.style(Role::Muted))));
        return lines;
    };
    let around = options.reading.unwrap_or(1.0);
    let seen = across.closer(options.zoom, around);
    let inside = |x: f64| seen.share(x).is_some_and(|share| (0.0..=1.0).contains(&share));
    // The scale is that of what is seen.
    let up = Axis::of(shown().filter(|(x, _)| inside(*x)).map(|point| point.1), options.log)
        .or_else(|| Axis::of(shown().map(|point| point.1), options.log));
    let Some(up) = up else { return lines };
    let columns = usize::from(width).saturating_sub(LABEL_WIDTH + 1).max(1);
    let legend = if curves.len() > 1 { curves.len().min(usize::from(height) / 3) } else { 0 };
    let rest = lines.len() + legend + 2;
    let rows = usize::from(height).saturating_sub(rest).max(LINES_MIN);
    let mut canvas = Canvas::new(columns, rows);
    let mut signs = BTreeMap::new();
    for (number, curve) in curves.iter().enumerate() {
        let places = curve.points.iter().filter_map(|(x, y)| seen.share(*x).zip(up.share(*y)));
        if let Some(end) = canvas.curve(places, number)
            && curves.len() > 1
        {
            signs.insert(end, (letter(number), role(number)));
        }
    }
    let read = options.reading.map(|reading| {
        let x = across.at(reading);
        let share = seen.share(x).unwrap_or(1.0).clamp(0.0, 1.0);
        (x, (share * columns.saturating_sub(1) as f64).round() as usize)
    });
    let cursor = read.map(|(_, column)| column);
    lines.extend(
        Picture { canvas: &canvas, size: (columns, rows), up: Some(up), signs: &signs, cursor, role: &role }.lines(cx),
    );
    lines.push(picture::floor(&across_words(seen.at(0.0), options), "", &across_words(seen.at(1.0), options), columns, cx));
    lines.push(match read {
        Some((x, _)) => {
            let mut text = format!(" at {}", across_words(x, options));
            if let [curve] = curves {
                text = format!("{text}: {}", value_at(curve, x).map_or_else(|| "not yet".to_owned(), short));
            }
            Line::from(Span::styled(text, cx.style(Role::Strong)))
        }
        None => hints(cx),
    });
    for (number, curve) in curves.iter().enumerate().take(legend) {
        let value = match read {
            Some((x, _)) => value_at(curve, x),
            None => curve.points.last().map(|point| point.1),
        };
        lines.push(Line::from(vec![
            Span::styled(format!(" {} {}", letter(number), curve.name), cx.style(role(number))),
            Span::styled(format!("  {:>9}  ", value.map(short).unwrap_or_default()), cx.style(Role::Strong)),
            Span::styled(curve.note.clone(), cx.style(Role::Text)),
        ]));
    }
    lines
}

fn hints(cx: &Cx) -> Line<'static> {
    let of = |id, word: &str| format!("{} {word}", cx.key_of(id));
    let parts = [
        of(CommandId::Up, "reads values"),
        of(CommandId::HalfDown, "looks closer"),
        of(CommandId::Metric, "metric"),
        of(CommandId::Axis, "time"),
        of(CommandId::LogMetric, "log"),
        of(CommandId::Smooth, "smooth"),
    ];
    Line::from(Span::styled(format!(" {}", parts.join("  ")), cx.style(Role::Muted)))
}

/// Returns what a curve had come to at a place; `None` before its first point.
fn value_at(curve: &Curve, x: f64) -> Option<f64> {
    let until = curve.points.partition_point(|point| point.0 <= x + x.abs() * 1e-9);
    curve.points.get(until.checked_sub(1)?).map(|point| point.1)
}

/// The colour of a curve.
pub fn role(number: usize) -> Role {
    Role::RANKS[number % Role::RANKS.len()]
}

/// Returns how many dots a picture is wide.
pub fn parts(width: u16) -> usize {
    usize::from(width).saturating_sub(LABEL_WIDTH + 1).max(1) * DOTS.0
}
