//! The History tab of a cluster (jobs that waited and nodes that worked since the screen was opened), and how curves over time
//! are looked at there and on the tab of a node ([`super::node_history`]).

use ratatui::text::{Line, Span};

use crate::commands::{Cmd, CommandId};
use crate::model::units::{Millis, Money, UnixMillis};
use crate::tui::chart::{Sample, Window};
use crate::tui::cx::Cx;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::plot::{Plot, Unit, parts};

/// The shortest time that fills the curves; less shows nothing but steps.
const SPAN_MIN: Millis = Millis::from_secs(20);
/// Each step halves the time that is shown.
const ZOOM_MAX: u32 = 12;
/// The highest a curve is drawn.
const HEIGHT_MAX: usize = 6;
/// The lowest.
const HEIGHT_MIN: usize = 1;
/// Lines that are no curve: the axis, the line that is read, and a spare one.
const REST: usize = 3;

/// What of the curves is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeView {
    /// Parts back from now at which values are read; `None` while nobody reads.
    back: Option<usize>,
    /// How often the time is halved.
    zoom: u32,
}

impl TimeView {
    /// Moves the cursor or zooms; `false` when the command is another pane's matter.
    pub fn on(&mut self, cmd: &Cmd, width: u16) -> bool {
        let last = parts(width).saturating_sub(1);
        let times = cmd.times();
        let back = self.back.unwrap_or(0);
        match cmd.id {
            CommandId::Up => self.back = Some((back + times).min(last)),
            CommandId::Down => self.back = back.checked_sub(times),
            CommandId::Top => self.back = Some(last),
            CommandId::Bottom | CommandId::Cancel if self.back.is_some() => self.back = None,
            CommandId::HalfDown | CommandId::PageDown => self.zoom = (self.zoom + 1).min(ZOOM_MAX),
            CommandId::HalfUp | CommandId::PageUp => self.zoom = self.zoom.saturating_sub(1),
            _ => return false,
        }
        true
    }
}

/// A curve below its name.
#[derive(Debug)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Its colour.
    pub role: Role,
    /// What its values are.
    pub unit: Unit,
    /// What its upper edge stands for; the greatest value when absent.
    pub top: Option<u64>,
    /// Its values, one for each part of the time.
    pub values: Vec<Option<u64>>,
}

impl TimeView {
    /// Returns what is seen of the time since `first`, in a pane of that width.
    pub fn window(self, first: UnixMillis, holds: Option<Millis>, width: u16, cx: &Cx) -> Window {
        let whole = cx.now.since(first);
        let span = Millis((whole.0 >> self.zoom).max(SPAN_MIN.0));
        Window { from: cx.now - span, upto: cx.now, parts: parts(width), holds }
    }

    /// Returns the part at the cursor, and the time at its end.
    pub fn cursor(self, window: &Window) -> Option<(usize, UnixMillis)> {
        let part = window.parts.saturating_sub(1 + self.back?);
        let span = window.upto.since(window.from);
        let ago = Millis(span.0 * (window.parts.saturating_sub(1 + part)) as u64 / window.parts.max(1) as u64);
        Some((part, window.upto - ago))
    }

    /// Draws curves above each other, then the axis, then what `read` says of the time at the cursor. As many curves as fit are
    /// drawn with at least one line each. `marks` stands between them and the axis.
    pub fn draw(
        self,
        window: &Window,
        curves: &[Curve],
        marks: Option<Line<'static>>,
        read: impl FnOnce(UnixMillis) -> String,
        (width, height): (u16, u16),
        cx: &Cx,
    ) -> Vec<Line<'static>> {
        let muted = cx.style(Role::Muted);
        let cursor = self.cursor(window);
        let rest = REST + usize::from(marks.is_some());
        let room = usize::from(height).saturating_sub(rest);
        let drawn = curves.len().min(room / (HEIGHT_MIN + 1)).max(1);
        let each = (room / drawn).saturating_sub(1).clamp(HEIGHT_MIN, HEIGHT_MAX);
        let mut lines = Vec::new();
        for curve in curves.iter().take(drawn) {
            lines.push(Line::from(Span::styled(format!(" {}", curve.name), muted)));
            let cursor = cursor.map(|(part, _)| part);
            let (role, unit, top) = (curve.role, curve.unit, curve.top);
            lines.extend(Plot { values: &curve.values, height: each, role, unit, top, cursor }.lines(cx));
        }
        lines.extend(marks);
        let span = window.upto.since(window.from);
        let (left, right) = (format!("       {span} ago"), "now");
        let gap = usize::from(width).saturating_sub(left.len() + right.len() + 1);
        lines.push(Line::from(Span::styled(format!("{left}{}{right}", " ".repeat(gap)), muted)));
        lines.push(match cursor {
            Some((_, at)) => {
                let text = format!(" {} ago: {}", window.upto.since(at), read(at));
                Line::from(Span::styled(text, cx.style(Role::Strong)))
            }
            None => {
                let (up, zoom) = (cx.key_of(CommandId::Up), cx.key_of(CommandId::HalfDown));
                Line::from(Span::styled(format!(" {up} reads values, {zoom} looks closer"), muted))
            }
        });
        lines
    }
}

/// Returns the curves of a cluster.
pub fn lines(subject: Option<Subject>, view: TimeView, width: u16, height: u16, cx: &Cx) -> Vec<Line<'static>> {
    let samples = match subject {
        Some(Subject::Cluster(id)) => cx.seen.of(id),
        Some(_) | None => &[],
    };
    let Some(first) = samples.first() else {
        return vec![Line::from(Span::styled(" nothing was seen of it yet", cx.style(Role::Muted)))];
    };
    let window = view.window(first.at, None, width, cx);
    let curve = |name: &str, role, value: fn(&Sample) -> u64| Curve {
        name: name.to_owned(),
        role,
        unit: Unit::Count,
        top: None,
        values: window.values(samples, |sample| Some(value(sample))),
    };
    let mut curves = vec![
        curve("jobs that wait", Role::Queued, |sample| sample.waiting),
        curve("nodes at work", Role::Running, |sample| u64::from(sample.running)),
        curve("nodes that can work", Role::Idle, |sample| u64::from(sample.ready)),
    ];
    if samples.iter().any(|sample| sample.rate > Money(0)) {
        let rate = |sample: &Sample| sample.rate.0.max(0).unsigned_abs();
        curves.push(Curve { unit: Unit::Money, ..curve("cost an hour", Role::Warning, rate) });
    }
    let read = |at| match window.held(samples, at) {
        None => "not seen yet".to_owned(),
        Some(sample) => {
            let rate = if sample.rate > Money(0) { format!(", {}/h", sample.rate) } else { String::new() };
            let (waiting, running, ready, target) = (sample.waiting, sample.running, sample.ready, sample.target);
            format!("{waiting} waiting, {running} of {ready} nodes at work, target {target}{rate}")
        }
    };
    view.draw(&window, &curves, None, read, (width, height), cx)
}
