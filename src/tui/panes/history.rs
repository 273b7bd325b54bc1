//! The History tab: how many jobs waited on a cluster, and how many nodes worked, since the screen was opened.

use ratatui::text::{Line, Span};

use crate::commands::{Cmd, CommandId};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::chart::{Sample, over_time};
use crate::tui::cx::Cx;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::plot::{Plot, parts};

/// The shortest time that fills the curves; less shows nothing but steps.
const SPAN_MIN: Millis = Millis::from_secs(20);
/// Each step halves the time that is shown.
const ZOOM_MAX: u32 = 12;
/// The highest a curve is drawn.
const HEIGHT_MAX: usize = 6;

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

/// Its name, its colour, and what it is of.
type Curve = (&'static str, Role, fn(&Sample) -> u64);

/// Returns the curves of a cluster.
pub fn lines(subject: Option<Subject>, view: TimeView, width: u16, height: u16, cx: &Cx) -> Vec<Line<'static>> {
    let samples = match subject {
        Some(Subject::Cluster(id)) => cx.seen.of(id),
        Some(_) | None => &[],
    };
    let muted = cx.style(Role::Muted);
    let Some(first) = samples.first() else {
        return vec![Line::from(Span::styled(" nothing was seen of it yet", muted))];
    };
    let whole = cx.now.since(first.at);
    let span = Millis((whole.0 >> view.zoom).max(SPAN_MIN.0));
    let from = UnixMillis(cx.now.0 - i64::try_from(span.0).unwrap_or(i64::MAX));
    let count = parts(width);
    let cursor = view.back.map(|back| count.saturating_sub(1 + back));
    // Three curves, each below its name; the axis and the line that is read.
    let each = (usize::from(height).saturating_sub(5) / 3).clamp(1, HEIGHT_MAX);
    let curves: [Curve; 3] = [
        ("jobs that wait", Role::Queued, |sample| sample.waiting),
        ("nodes at work", Role::Running, |sample| u64::from(sample.running)),
        ("nodes that can work", Role::Idle, |sample| u64::from(sample.ready)),
    ];
    let mut lines = Vec::new();
    for (name, role, value) in curves {
        lines.push(Line::from(Span::styled(format!(" {name}"), muted)));
        let values = over_time(samples, value, from, cx.now, count);
        lines.extend(Plot { values: &values, height: each, role, cursor }.lines(cx));
    }
    let (left, right) = (format!("       {span} ago"), "now");
    let gap = usize::from(width).saturating_sub(left.len() + right.len() + 1);
    lines.push(Line::from(Span::styled(format!("{left}{}{right}", " ".repeat(gap)), muted)));
    lines.push(read(samples, cursor, span, count, cx));
    lines
}

/// The values at the cursor; how to move it while nobody reads.
fn read(samples: &[Sample], cursor: Option<usize>, span: Millis, count: usize, cx: &Cx) -> Line<'static> {
    let Some(cursor) = cursor else {
        let (up, zoom) = (cx.key_of(CommandId::Up), cx.key_of(CommandId::HalfDown));
        return Line::from(Span::styled(format!(" {up} reads values, {zoom} looks closer"), cx.style(Role::Muted)));
    };
    let ago = Millis(span.0 * (count.saturating_sub(1 + cursor)) as u64 / count.max(1) as u64);
    let at = UnixMillis(cx.now.0 - i64::try_from(ago.0).unwrap_or(i64::MAX));
    let known = samples.partition_point(|sample| sample.at <= at);
    let Some(sample) = known.checked_sub(1).and_then(|at| samples.get(at)) else {
        return Line::from(Span::styled(format!(" {ago} ago: not seen yet"), cx.style(Role::Muted)));
    };
    let text = format!(
        " {ago} ago: {} waiting, {} of {} nodes at work, target {}",
        sample.waiting, sample.running, sample.ready, sample.target
    );
    Line::from(Span::styled(text, cx.style(Role::Strong)))
}
