//! Parallel coordinates: one axis for each parameter and one for the metric, one line for each job through its values. The best
//! tenth is told from the others, and one job is chosen.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::options::Options;
use super::scatter::chosen_line;
use super::summary::Summary;
use crate::model::chart::{Axis, Canvas};
use crate::model::ids::JobId;
use crate::model::study::{Entry, Places, short, spreads};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::picture::Picture;

/// Lines in one picture: more are a grey field.
const LINES_MAX: usize = 400;
/// An axis needs so many columns for its numbers.
const AXIS_WIDTH: usize = 11;

/// The numbers of the curves: what is drawn later lies above.
const REST: usize = 0;
const BEST: usize = 1;
const CHOSEN: usize = 2;

/// Returns the jobs in the order in which the cursor goes through them: the best first, those without a value last.
pub fn order(summary: &Summary, options: &Options) -> Vec<JobId> {
    ranked(summary, options).into_iter().map(|entry| entry.job).collect()
}

fn ranked<'a>(summary: &'a Summary, options: &Options) -> Vec<&'a Entry> {
    let Some(metric) = &summary.metric else { return Vec::new() };
    let key = |entry: &Entry| {
        let value = entry.metric(metric, options.take, summary.maximize).filter(|value| value.is_finite());
        value.map_or(f64::INFINITY, |value| if summary.maximize { -value } else { value })
    };
    let mut ranked: Vec<&Entry> = summary.entries.iter().collect();
    ranked.sort_by(|one, other| key(one).total_cmp(&key(other)).then(one.job.cmp(&other.job)));
    ranked
}

/// Returns the lines of the view.
pub fn lines(summary: &Summary, options: &Options, (width, height): (u16, u16), cx: &Cx) -> Vec<Line<'static>> {
    let muted = cx.style(Role::Muted);
    let say = |text: &str| vec![Line::from(Span::styled(format!(" {text}"), muted))];
    let Some(metric) = &summary.metric else { return say("no metric is known yet") };
    let ranked = ranked(summary, options);
    let value = |entry: &Entry| entry.metric(metric, options.take, summary.maximize);
    let Some(up) = Axis::of(ranked.iter().filter_map(|entry| value(entry)), options.log) else {
        return say("no job has a value that can be drawn");
    };
    // The strongest parameters first, as many as there is room for.
    let strong = summary.matters.iter().map(|(name, ..)| name).filter(|name| summary.varying.contains(name));
    let mut names: Vec<&String> = strong.collect();
    names.extend(summary.varying.iter().filter(|name| !summary.matters.iter().any(|(of, ..)| of == *name)));
    names.truncate((usize::from(width) / AXIS_WIDTH).saturating_sub(1));
    let axes: Vec<(&String, Places)> = names
        .into_iter()
        .filter_map(|name| Some((name, Places::of(&summary.entries, name, spreads(&summary.entries, name))?)))
        .collect();
    if axes.is_empty() {
        return say("no parameter differs among the jobs that report");
    }
    let columns = usize::from(width).saturating_sub(2).max(1);
    let rows = usize::from(height).saturating_sub(4).max(3);
    let mut canvas = Canvas::new(columns, rows);
    let places = |entry: &Entry| -> Vec<(f64, f64)> {
        let across = |at: usize| at as f64 / axes.len() as f64;
        let own = axes.iter().enumerate().filter_map(|(at, (name, places))| Some((across(at), places.share(entry, name)?)));
        own.chain(value(entry).and_then(|value| Some((1.0, up.share(value)?)))).collect()
    };
    let best = ranked.len().div_ceil(10);
    let drawn = ranked.len().min(LINES_MAX);
    for (rank, entry) in ranked.iter().take(drawn).enumerate().rev() {
        canvas.curve(places(entry).into_iter(), if rank < best { BEST } else { REST });
    }
    let chosen = ranked.get(options.at).copied();
    if let Some(entry) = chosen {
        canvas.curve(places(entry).into_iter(), CHOSEN);
    }
    let role = |curve: usize| match curve {
        CHOSEN => Role::Choice,
        BEST => Role::Good,
        _ => Role::Line,
    };
    let indent = |mut line: Line<'static>| {
        line.spans.insert(0, Span::from(" "));
        line
    };
    let titles: Vec<String> = axes.iter().map(|(name, _)| shown(name)).chain([shown(metric)]).collect();
    let ends: Vec<(String, String)> = axes
        .iter()
        .map(|(_, places)| {
            let (low, high) = places.ends();
            (shown(&low), shown(&high))
        })
        .chain([(short(up.at(0.0)), short(up.at(1.0)))])
        .collect();
    let mut lines = vec![spread(&titles, columns, Role::Head, cx)];
    lines.push(spread(&ends.iter().map(|(_, high)| high.clone()).collect::<Vec<_>>(), columns, Role::Muted, cx));
    let picture =
        Picture { canvas: &canvas, size: (columns, rows), up: None, signs: &BTreeMap::new(), cursor: None, role: &role };
    lines.extend(picture.lines(cx).into_iter().map(indent));
    lines.push(spread(&ends.iter().map(|(low, _)| low.clone()).collect::<Vec<_>>(), columns, Role::Muted, cx));
    lines.push(chosen_line(chosen.map(|entry| entry.job), summary, options, cx));
    lines
}

/// Returns texts at the places of the axes: the first from the left end, the last up to the right one, others around theirs.
fn spread(texts: &[String], columns: usize, role: Role, cx: &Cx) -> Line<'static> {
    let mut line = String::from(" ");
    let last = texts.len().saturating_sub(1).max(1);
    for (at, text) in texts.iter().enumerate() {
        let text = crate::tui::widgets::cut(text, AXIS_WIDTH - 1, cx.look.ascii);
        let middle = 1 + at * columns.saturating_sub(1) / last;
        let begin = match at {
            0 => 1,
            at if at == last => (columns + 1).saturating_sub(text.width()),
            _ => middle.saturating_sub(text.width() / 2),
        };
        let gap = begin.saturating_sub(line.width());
        line.push_str(&" ".repeat(gap));
        line.push_str(&text);
    }
    Line::from(Span::styled(line, cx.style(role)))
}
