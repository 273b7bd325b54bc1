//! A parameter against the metric: one dot for each job, one of which is chosen.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};

use super::options::Options;
use super::summary::Summary;
use super::table::{matters, parameters};
use crate::commands::CommandId;
use crate::model::chart::{Axis, Canvas, DOTS};
use crate::model::ids::JobId;
use crate::model::study::{Entry, Places, short};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::picture::{self, LABEL_WIDTH, Picture};

/// The parameter that is drawn.
fn parameter<'a>(summary: &'a Summary, options: &'a Options) -> Option<&'a String> {
    let strongest = summary.matters.first().map(|(name, ..)| name).filter(|name| summary.varying.contains(name));
    let chosen = options.parameter.as_ref().filter(|name| summary.varying.contains(name));
    chosen.or(strongest).or(summary.varying.first())
}

/// Returns the jobs in the order in which the cursor goes through them: from left to right.
pub fn order(summary: &Summary, options: &Options) -> Vec<JobId> {
    let Some((name, places)) =
        parameter(summary, options).and_then(|name| Some((name, Places::of(&summary.entries, name, options.log_across)?)))
    else {
        return Vec::new();
    };
    let mut placed: Vec<(f64, JobId)> =
        summary.entries.iter().filter_map(|entry| Some((places.share(entry, name)?, entry.job))).collect();
    placed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    placed.into_iter().map(|(_, id)| id).collect()
}

/// Returns the lines of the view.
pub fn lines(summary: &Summary, options: &Options, (width, height): (u16, u16), cx: &Cx) -> Vec<Line<'static>> {
    let muted = cx.style(Role::Muted);
    let say = |text: &str| vec![Line::from(Span::styled(format!(" {text}"), muted))];
    let Some(metric) = &summary.metric else { return say("no metric is known yet") };
    let Some(name) = parameter(summary, options) else { return say("no parameter differs among the jobs that report") };
    let Some(places) = Places::of(&summary.entries, name, options.log_across) else {
        return say("nothing of it has a logarithm");
    };
    let value = |entry: &Entry| entry.metric(metric, options.take, summary.maximize);
    let Some(up) = Axis::of(summary.entries.iter().filter_map(value), options.log) else {
        return say("nothing of it has a logarithm");
    };
    let matter = matters(summary, width, cx);
    let columns = usize::from(width).saturating_sub(LABEL_WIDTH + 1).max(1);
    let rows = usize::from(height).saturating_sub(3 + usize::from(matter.is_some())).max(3);
    let canvas = Canvas::new(columns, rows);
    let chosen = order(summary, options).get(options.at).copied();
    let mut counts: BTreeMap<(usize, usize), (usize, Role)> = BTreeMap::new();
    let mut at_chosen = None;
    for entry in &summary.entries {
        let place = places.share(entry, name).zip(value(entry).and_then(|value| up.share(value)));
        let Some((across, down)) = place.and_then(|(across, share)| canvas.place(across, share)) else { continue };
        let cell = (across / DOTS.0, down / DOTS.1);
        let role = if cx.marks.contains(&entry.job) { Role::Marked } else { Role::RankA };
        let here = counts.entry(cell).or_insert((0, role));
        here.0 += 1;
        if role == Role::Marked {
            here.1 = role;
        }
        if Some(entry.job) == chosen {
            at_chosen = Some(cell);
        }
    }
    let sign = |count: usize| match (count, cx.look.ascii) {
        (1, false) => '∘',
        (2..=4, false) => '○',
        (_, false) => '●',
        (1, true) => 'o',
        (2..=4, true) => 'O',
        (_, true) => '@',
    };
    let mut signs: BTreeMap<(usize, usize), (char, Role)> =
        counts.into_iter().map(|(cell, (count, role))| (cell, (sign(count), role))).collect();
    if let Some(cell) = at_chosen {
        signs.insert(cell, (if cx.look.ascii { 'X' } else { '◆' }, Role::Choice));
    }
    let log = |on: bool| if on { ", log" } else { "" };
    let head = format!(
        " {}{} against {}{}  {} jobs  {} another parameter  {} metric",
        shown(metric),
        log(options.log),
        shown(name),
        log(options.log_across),
        summary.entries.len(),
        cx.key_of(CommandId::Parameter),
        cx.key_of(CommandId::Metric),
    );
    let mut lines = vec![Line::from(Span::styled(head, muted))];
    let role = |_: usize| Role::RankA;
    lines.extend(
        Picture { canvas: &canvas, size: (columns, rows), up: Some(up), signs: &signs, cursor: None, role: &role }.lines(cx),
    );
    let (left, right) = places.ends();
    let (left, right) = (shown(&left), shown(&right));
    lines.push(picture::floor(&left, &shown(name), &right, columns, cx));
    lines.push(chosen_line(chosen, summary, options, cx));
    lines.extend(matter);
    lines
}

/// Returns what the job under the cursor is.
pub fn chosen_line(chosen: Option<JobId>, summary: &Summary, options: &Options, cx: &Cx) -> Line<'static> {
    let entry = chosen.and_then(|id| summary.entries.iter().find(|entry| entry.job == id));
    let (Some(entry), Some(metric)) = (entry, &summary.metric) else { return Line::default() };
    let value = entry.metric(metric, options.take, summary.maximize).map(short).unwrap_or_default();
    Line::from(vec![
        Span::styled(format!(" {} ", if cx.look.ascii { 'X' } else { '◆' }), cx.style(Role::Choice)),
        Span::styled(format!(" {}  ", shown(&entry.name)), cx.style(Role::Strong)),
        Span::styled(format!("{} {value}  ", shown(metric)), cx.style(Role::Good)),
        Span::styled(parameters(&entry.parameters, &summary.varying), cx.style(Role::Text)),
    ])
}
