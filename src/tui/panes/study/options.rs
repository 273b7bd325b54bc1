//! How metrics are looked at: which one, what is taken of it, over what, how smooth; and the cursor of each view.

use std::collections::BTreeSet;

use super::curves::LABEL_WIDTH;
use super::summary::Summary;
use crate::commands::{Cmd, CommandId};
use crate::model::ids::JobId;
use crate::model::study::{self, Take};
use crate::tui::cx::Cx;
use crate::tui::pane::{Toast, ToastKind, UiEffect};
use crate::tui::panes::about::Tab;

/// The weights of what came before, one for each press of the key.
const SMOOTH: [f64; 4] = [0.0, 0.5, 0.8, 0.95];
/// Each step halves what is shown: then a thousandth is as wide as the pane.
const ZOOM_MAX: u32 = 10;

/// The choices.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The metric that was asked for.
    pub metric: Option<String>,
    /// What is taken of its readings.
    pub take: Take,
    /// Whether larger is better, where a person has said so.
    pub maximize: Option<bool>,
    /// Over the time since the first reading, not over steps.
    pub over_time: bool,
    /// The metric by its logarithm.
    pub log: bool,
    /// What stands across by its logarithm.
    pub log_across: bool,
    /// The weight of what came before.
    pub smooth: f64,
    /// The parameter that is drawn against the metric.
    pub parameter: Option<String>,
    /// Columns that are left out of the table.
    pub hidden: BTreeSet<String>,
    /// Where values of curves are read, from 0 at the left end of all of them to 1.
    pub reading: Option<f64>,
    /// How often what is seen of the curves was halved.
    pub zoom: u32,
    /// The place of the job under the cursor, in views of jobs.
    pub at: usize,
    /// How many columns of dots the curves were last drawn in.
    pub parts: usize,
}

impl Options {
    /// Leaves what belongs to the thing that was looked at.
    pub fn turn_away(&mut self) {
        (self.reading, self.zoom, self.at) = (None, 0, 0);
    }

    /// Returns the metric of a job that is looked at: the chosen one, else the one of its experiment, else its first.
    pub fn metric_of(&self, job: JobId, summary: &Summary, cx: &Cx) -> Option<String> {
        let metrics = &cx.world.metrics;
        let own: Vec<&str> = metrics.of(job).map(|(id, _)| metrics.name_of(id)).collect();
        let has = |name: &&String| own.contains(&name.as_str());
        let chosen = self.metric.as_ref().or(summary.metric.as_ref()).filter(has).cloned();
        chosen.or_else(|| own.first().map(|name| (*name).to_owned()))
    }

    /// Acts on a command; `None` when it is none of these.
    pub fn on(&mut self, cmd: &Cmd, tab: Tab, summary: &Summary, titles: &[String]) -> Option<Vec<UiEffect>> {
        let named = cmd.args.first().map(String::as_str);
        let say = |text: String| Some(vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]);
        match cmd.id {
            CommandId::Metric => return self.choose_metric(named, summary),
            CommandId::Take => {
                self.take = match (named, self.take) {
                    (Some("last"), _) | (None, Take::Mean) => Take::Last,
                    (Some("best"), _) | (None, Take::Last) => Take::Best,
                    (Some("mean"), _) | (None, Take::Best | Take::Min | Take::Max) => Take::Mean,
                    (Some(_), _) => return say("the forms are `take last`, `take best` and `take mean`".to_owned()),
                };
                return say(format!("of each metric the {} is shown", word(self.take)));
            }
            CommandId::Better => {
                let now = match named {
                    Some("larger") => true,
                    Some("smaller") => false,
                    Some(_) => return say("the forms are `better larger` and `better smaller`".to_owned()),
                    None => !summary.maximize,
                };
                self.maximize = Some(now);
                return say(format!("{} is better", if now { "larger" } else { "smaller" }));
            }
            CommandId::Hide => return self.hide(named, titles),
            _ => {}
        }
        match tab {
            Tab::Curves | Tab::Metrics => self.on_curves(cmd, named),
            Tab::Scatter | Tab::Parallel => self.on_jobs(cmd, named, summary),
            _ => None,
        }
    }

    fn choose_metric(&mut self, named: Option<&str>, summary: &Summary) -> Option<Vec<UiEffect>> {
        let say = |text: String| Some(vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]);
        if summary.metrics.is_empty() {
            return say("no metric is known yet".to_owned());
        }
        self.metric = Some(match named {
            Some(name) => match summary.metrics.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                Some(name) => name.clone(),
                None => return say(format!("no job has a metric `{name}`: {}", summary.metrics.join(", "))),
            },
            None => {
                let now = self.metric.as_ref().or(summary.metric.as_ref());
                let at = summary.metrics.iter().position(|known| Some(known) == now).map_or(0, |at| at + 1);
                summary.metrics[at % summary.metrics.len()].clone()
            }
        });
        self.zoom = 0;
        Some(Vec::new())
    }

    fn hide(&mut self, named: Option<&str>, titles: &[String]) -> Option<Vec<UiEffect>> {
        let say = |text: String| Some(vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]);
        match named {
            None if self.hidden.is_empty() => say("`:hide COLUMN` leaves a column out; again brings it back".to_owned()),
            None => {
                self.hidden.clear();
                say("all columns are shown".to_owned())
            }
            Some(title) if self.hidden.remove(title) => Some(Vec::new()),
            Some(title) if titles.iter().any(|known| known == title) => {
                self.hidden.insert(title.to_owned());
                Some(Vec::new())
            }
            Some(title) => say(format!("there is no column `{title}`: {}", titles.join(", "))),
        }
    }

    fn on_curves(&mut self, cmd: &Cmd, named: Option<&str>) -> Option<Vec<UiEffect>> {
        let step = cmd.times() as f64 / (self.parts.max(2) as f64 * 2_f64.powi(self.zoom as i32));
        match cmd.id {
            CommandId::Up => self.reading = Some((self.reading.unwrap_or(1.0 + step) - step).max(0.0)),
            CommandId::Down => self.reading = self.reading.map(|at| at + step).filter(|at| *at <= 1.0),
            CommandId::Top => self.reading = Some(0.0),
            CommandId::Bottom | CommandId::Cancel if self.reading.is_some() => self.reading = None,
            CommandId::Cancel if self.zoom > 0 => self.zoom = 0,
            CommandId::HalfDown | CommandId::PageDown => self.zoom = (self.zoom + 1).min(ZOOM_MAX),
            CommandId::HalfUp | CommandId::PageUp => self.zoom = self.zoom.saturating_sub(1),
            CommandId::Axis => self.over_time = named.map_or(!self.over_time, |named| named == "time"),
            CommandId::LogMetric => self.log = !self.log,
            CommandId::LogAcross => self.log_across = !self.log_across,
            CommandId::Smooth => {
                let next = SMOOTH.iter().find(|weight| **weight > self.smooth).copied().unwrap_or(0.0);
                let weight = named.map_or(Ok(next), str::parse::<f64>);
                match weight.ok().filter(|weight| (0.0..1.0).contains(weight)) {
                    Some(weight) => self.smooth = weight,
                    None => {
                        let text = "the weight is from 0 to below 1".to_owned();
                        return Some(vec![UiEffect::Toast(Toast { kind: ToastKind::Bad, text })]);
                    }
                }
            }
            _ => return None,
        }
        Some(Vec::new())
    }

    fn on_jobs(&mut self, cmd: &Cmd, named: Option<&str>, summary: &Summary) -> Option<Vec<UiEffect>> {
        let last = summary.entries.len().saturating_sub(1);
        match cmd.id {
            CommandId::Down => self.at = (self.at + cmd.times()).min(last),
            CommandId::Up => self.at = self.at.saturating_sub(cmd.times()),
            CommandId::Top => self.at = 0,
            CommandId::Bottom => self.at = last,
            CommandId::LogMetric => self.log = !self.log,
            CommandId::LogAcross => self.log_across = !self.log_across,
            CommandId::Parameter if summary.varying.is_empty() => {
                let text = "no parameter differs among these jobs".to_owned();
                return Some(vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]);
            }
            CommandId::Parameter => {
                let now = self.parameter.as_ref().or(summary.varying.first());
                let at = summary.varying.iter().position(|name| Some(name) == now).unwrap_or(0);
                let next = named.map(str::to_owned).filter(|name| summary.varying.contains(name));
                self.parameter = Some(next.unwrap_or_else(|| summary.varying[(at + 1) % summary.varying.len()].clone()));
            }
            _ => return None,
        }
        Some(Vec::new())
    }

    /// Reads values at a column of a pane of that width.
    pub fn point(&mut self, column: u16, width: u16) {
        let cells = usize::from(width).saturating_sub(LABEL_WIDTH + 1);
        let Some(cell) = usize::from(column).checked_sub(LABEL_WIDTH).filter(|cell| *cell < cells) else { return };
        let share = cell as f64 / cells.saturating_sub(1).max(1) as f64;
        let part = 0.5_f64.powi(self.zoom as i32);
        let around = self.reading.unwrap_or(1.0);
        self.reading = Some((around - part / 2.0).clamp(0.0, 1.0 - part) + part * share);
    }
}

/// Returns the word of what is taken.
pub fn word(take: Take) -> &'static str {
    match take {
        Take::Last => "last",
        Take::Best => "best",
        Take::Mean => "mean",
        Take::Min => "min",
        Take::Max => "max",
    }
}

/// Says whether larger is better, by what metrics are called.
pub fn larger_is_better(metric: &str) -> bool {
    study::larger_is_better(metric)
}
