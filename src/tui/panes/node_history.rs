//! The History tab of a node: what it did in the last day, as the core measured it, with the starts and ends of jobs below.

use std::sync::Arc;

use ratatui::text::{Line, Span};

use super::asked::Asked;
use super::history::{Curve, TimeView};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::request::{NodeRef, Reply, Request};
use crate::model::sample::{GpuSample, Sample};
use crate::model::state::Job;
use crate::model::units::{Bytes, Millis, UnixMillis};
use crate::tui::chart::Window;
use crate::tui::cx::Cx;
use crate::tui::pane::UiEffect;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::plot::Unit;

/// As long as samples are kept.
const SPAN: Millis = Millis::from_days(1);
/// As often as nodes are measured.
const LOOK_AGAIN: Millis = Millis::from_secs(30);
/// A measurement a minute is kept of the time before the last hour; without three in a row the node was out of sight.
const HOLDS: Millis = Millis::from_mins(3);
/// Columns of the scale left of curves.
const INDENT: usize = 7;

/// What is known of a node: its samples, and starts (`true`) and ends of jobs on it.
#[derive(Debug)]
pub struct Known {
    samples: Vec<Sample>,
    marks: Vec<(UnixMillis, bool)>,
}

/// The tab's state.
#[derive(Debug)]
pub struct NodeHistory(pub Asked<NodeId, Known>);

impl NodeHistory {
    /// Asks the core, when what is known is old.
    pub fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let ask = |node| Some(Request::NodeHistory { node: NodeRef::Id(node), span: SPAN });
        self.0.look(LOOK_AGAIN, ask, cx)
    }

    /// Takes an answer.
    pub fn answered(&mut self, number: u64, reply: &Result<Reply, Fault>, cx: &Cx) {
        let node = self.0.about();
        self.0.answered(number, reply, |reply| match reply {
            Reply::History(samples) => {
                let marks = node.map(|node| marks(node, cx)).unwrap_or_default();
                Some(Known { samples: samples.clone(), marks })
            }
            _ => None,
        });
    }

    /// Returns its lines.
    pub fn lines(&self, view: TimeView, width: u16, height: u16, cx: &Cx) -> Vec<Line<'static>> {
        let say = |text: &str, role| vec![Line::from(Span::styled(format!(" {}", shown(text)), cx.style(role)))];
        let known = match self.0.answer() {
            None => return say("asking …", Role::Muted),
            Some(Err(trouble)) => return say(trouble, Role::Bad),
            Some(Ok(known)) => known,
        };
        let samples = &known.samples;
        let Some((first, last)) = samples.first().zip(samples.last()) else {
            return say("nothing was measured yet; a node is measured every 30 s", Role::Muted);
        };
        let window = view.window(first.at, Some(HOLDS), width, cx);
        let curves = curves(samples, last, &window);
        let read = |at| window.held(samples, at).map_or_else(|| "not measured then".to_owned(), words);
        let marks = mark_line(&known.marks, &window, cx);
        view.draw(&window, &curves, marks, read, (width, height), cx)
    }
}

/// The curves of what a node has, the most telling first.
fn curves(samples: &[Sample], last: &Sample, window: &Window) -> Vec<Curve> {
    let curve = |name: String, role, unit, top, value: &dyn Fn(&Sample) -> Option<u64>| Curve {
        name,
        role,
        unit,
        top,
        values: window.values(samples, value),
    };
    let mut curves = Vec::new();
    if !last.gpus.is_empty() {
        let name = match last.gpus.as_slice() {
            [one] => format!("GPU {}", shown(&one.name)),
            gpus => format!("{} GPUs {}", gpus.len(), shown(&gpus[0].name)),
        };
        curves.push(curve(name.trim_end().to_owned(), Role::Running, Unit::Milli, Some(1000), &|s| gpu_busy(&s.gpus)));
        let total: u64 = last.gpus.iter().filter_map(|gpu| gpu.memory).map(|bytes| bytes.0).sum();
        if total > 0 {
            let used = |s: &Sample| s.gpus.iter().filter_map(|gpu| gpu.memory_used).map(|b| b.0).reduce(|a, b| a + b);
            let name = format!("memory of GPUs, of {}", Bytes(total));
            curves.push(curve(name, Role::Queued, Unit::Bytes, Some(total), &used));
        }
    }
    curves.push(curve("CPU".to_owned(), Role::Running, Unit::Milli, Some(1000), &|s| s.cpu_milli.map(u64::from)));
    let memory = format!("memory, of {}", last.memory);
    curves.push(curve(memory, Role::Queued, Unit::Bytes, Some(last.memory.0), &|s| Some(s.memory_used.0)));
    let sum = |a: Option<Bytes>, b: Option<Bytes>| Some(a?.0 + b?.0);
    let network = "network, a second".to_owned();
    curves.push(curve(network, Role::Idle, Unit::Bytes, None, &|s| sum(s.net_received, s.net_sent)));
    let disks = "disks, a second".to_owned();
    curves.push(curve(disks, Role::Idle, Unit::Bytes, None, &|s| sum(s.disk_read, s.disk_written)));
    curves
}

/// How busy GPUs are together, in thousandths.
pub fn gpu_busy(gpus: &[GpuSample]) -> Option<u64> {
    let busy: Vec<u64> = gpus.iter().filter_map(|gpu| gpu.busy_milli).map(u64::from).collect();
    busy.iter().sum::<u64>().checked_div(busy.len() as u64)
}

/// A sample in words.
fn words(sample: &Sample) -> String {
    let rate = |bytes: Option<Bytes>| bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{bytes}/s"));
    let mut parts = Vec::new();
    if let Some(busy) = gpu_busy(&sample.gpus) {
        parts.push(format!("GPU {} %", busy / 10));
    }
    let watts: u64 = sample.gpus.iter().filter_map(|gpu| gpu.power_milliwatt).map(u64::from).sum();
    if watts > 0 {
        parts.push(format!("{} W", watts / 1000));
    }
    if let Some(cpu) = sample.cpu_milli {
        parts.push(format!("CPU {} %", cpu / 10));
    }
    parts.push(format!("memory {}", sample.memory_used));
    parts.push(format!("net in {} out {}", rate(sample.net_received), rate(sample.net_sent)));
    parts.push(format!("disk read {} written {}", rate(sample.disk_read), rate(sample.disk_written)));
    parts.push(format!("/ holds {} of {}", sample.disk_used, sample.disk));
    parts.join(", ")
}

/// When jobs that the screen knows of started on a node, and when they ended.
fn marks(node: NodeId, cx: &Cx) -> Vec<(UnixMillis, bool)> {
    let mut marks = Vec::new();
    let Some(node) = cx.world.node(node) else { return marks };
    let here = |job: &&Arc<Job>| {
        job.last.nodes.contains(&node.id) || (job.cluster == node.cluster && job.last.node_names.contains(&node.name))
    };
    for job in cx.world.snapshot.jobs.values().filter(here) {
        marks.extend(job.last.started.map(|at| (at, true)));
        if job.state.ended() && job.last.started.is_some() {
            marks.push((job.since, false));
        }
    }
    marks
}

/// A line with a mark where a job started, and another where one ended and none started.
fn mark_line(marks: &[(UnixMillis, bool)], window: &Window, cx: &Cx) -> Option<Line<'static>> {
    // Two parts are one column.
    let columns = window.parts / 2;
    let mut cells = vec![(false, false); columns];
    for (at, start) in marks {
        if let Some(cell) = window.part_of(*at).and_then(|part| cells.get_mut(part / 2)) {
            if *start { cell.0 = true } else { cell.1 = true }
        }
    }
    if cells.iter().all(|cell| *cell == (false, false)) {
        return None;
    }
    let mut spans = vec![Span::styled(format!("{:<INDENT$}", " jobs"), cx.style(Role::Muted))];
    spans.extend(cells.into_iter().map(|cell| {
        let (glyph, role) = match cell {
            (false, false) => return Span::from(" "),
            (true, _) => (Glyph::Running, Role::Running),
            (false, true) => (Glyph::Terminating, Role::Muted),
        };
        Span::styled(cx.glyph(glyph), cx.style(role))
    }));
    Some(Line::from(spans))
}
