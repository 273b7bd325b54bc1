//! What an experiment answers, on the screen: metrics in its table, curves of its jobs, parameters against a metric; and the
//! metrics of one job. The pane has the state ([`Study`]); each view is one file of plain drawing.

mod ask;
mod curves;
mod options;
mod parallel;
mod scatter;
mod summary;
pub mod table;

use std::sync::Arc;

use ratatui::text::Line;

use crate::commands::{Cmd, CommandId};
use crate::model::ids::{ExperimentId, JobId};
use crate::tui::cx::Cx;
use crate::tui::pane::UiEffect;
use crate::tui::panes::about::Tab;
use crate::tui::subject::Subject;
use ask::Ask;
use options::Options;
use summary::Summary;

/// What is shown of metrics, and how.
#[derive(Debug, Default)]
pub struct Study {
    options: Options,
    ask: Ask,
    summary: Summary,
    about: Option<Subject>,
}

impl Study {
    /// Turns to another thing.
    pub fn select(&mut self, about: Option<Subject>, cx: &Cx) {
        let about = about.filter(|about| matches!(about, Subject::Experiment(_) | Subject::Older(_) | Subject::Job(_)));
        if about != self.about {
            self.about = about;
            self.options.turn_away();
            self.ask.select(about);
        }
        self.summary.refresh(self.experiment(cx), &self.options, true, cx);
    }

    /// The experiment that is looked at, or the one of the job.
    fn experiment(&self, cx: &Cx) -> Option<ExperimentId> {
        match self.about? {
            Subject::Experiment(id) | Subject::Older(id) => Some(id),
            Subject::Job(id) => cx.world.job(id).map(|job| job.experiment),
            _ => None,
        }
    }

    /// Asks for what this tab shows and nobody has told; `sight` are the jobs whose rows are seen.
    pub fn look(&mut self, tab: Tab, sight: &[JobId], cx: &Cx) -> Vec<UiEffect> {
        let Some(about) = self.about else { return Vec::new() };
        self.summary.refresh(self.experiment(cx), &self.options, false, cx);
        let mut effects = self.ask.stats(about, cx);
        let Some(metric) = self.metric(cx) else { return effects };
        let jobs: Vec<JobId> = match (tab, about) {
            (_, Subject::Job(id)) => vec![id],
            (Tab::Curves, _) => self.charted(cx),
            (_, _) => sight.to_vec(),
        };
        effects.extend(self.ask.curves(&metric, &jobs, tab == Tab::Jobs, cx));
        effects
    }

    /// Notes jobs that have changed: what they report may too.
    pub fn changed(&mut self, jobs: &[JobId], whole: bool, cx: &Cx) {
        self.ask.changed(jobs, whole, cx);
        self.summary.refresh(self.experiment(cx), &self.options, false, cx);
    }

    /// Returns the metric whose curves were asked for with this number; the inner absence is a question for what readings come to.
    pub fn asked(&self, number: u64) -> Option<Option<&str>> {
        self.ask.asked(number)
    }

    /// Takes note of an answer, whose content the app has kept.
    pub fn answered(&mut self, number: u64, cx: &Cx) {
        // The last page of a round is taken in at once.
        let must = self.ask.answered(number);
        self.summary.refresh(self.experiment(cx), &self.options, must, cx);
    }

    /// Returns the metric that is looked at.
    pub fn metric(&self, cx: &Cx) -> Option<String> {
        match self.about? {
            Subject::Job(id) => self.options.metric_of(id, &self.summary, cx),
            _ => self.summary.metric.clone(),
        }
    }

    /// Returns the columns of metrics and what stands around the table of an experiment.
    pub fn columns(&self, cx: &Cx) -> Arc<table::Metrics> {
        let _ = cx;
        self.summary.columns(&self.options)
    }

    /// Returns the lines above and below the table.
    pub fn around(&self, width: u16, cx: &Cx) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
        table::around(&self.summary, &self.options, width, cx)
    }

    /// Says whether a column is left out.
    pub fn hides(&self, title: &str) -> bool {
        self.options.hidden.contains(title)
    }

    /// The jobs whose curves are drawn: those that are marked, else the best.
    fn charted(&self, cx: &Cx) -> Vec<JobId> {
        let Some(experiment) = self.experiment(cx) else { return Vec::new() };
        let of_it = |id: &&JobId| cx.world.job(**id).is_some_and(|job| job.experiment == experiment);
        let marked: Vec<JobId> = cx.marks.iter().filter(of_it).take(curves::CURVES_MAX).copied().collect();
        match marked.is_empty() {
            false => marked,
            true => self.summary.best.iter().take(curves::CURVES_UNASKED).map(|(id, _)| *id).collect(),
        }
    }

    /// Acts on a command of one of its tabs; `None` when it is another's matter.
    pub fn on(&mut self, cmd: &Cmd, tab: Tab, titles: &[String], cx: &Cx) -> Option<Vec<UiEffect>> {
        let effects = match cmd.id {
            CommandId::Open if matches!(tab, Tab::Scatter | Tab::Parallel) => {
                return self.chosen(tab).map(|id| vec![UiEffect::Go(Subject::Job(id))]);
            }
            CommandId::Mark if matches!(tab, Tab::Scatter | Tab::Parallel) => {
                let id = self.chosen(tab)?;
                return Some(vec![UiEffect::Mark { jobs: vec![id], on: !cx.marks.contains(&id) }]);
            }
            _ => self.options.on(cmd, tab, &self.summary, titles)?,
        };
        self.summary.refresh(self.experiment(cx), &self.options, true, cx);
        Some(effects)
    }

    /// The job under the cursor of a view that has one for jobs.
    fn chosen(&self, tab: Tab) -> Option<JobId> {
        match tab {
            Tab::Scatter => scatter::order(&self.summary, &self.options).get(self.options.at).copied(),
            Tab::Parallel => parallel::order(&self.summary, &self.options).get(self.options.at).copied(),
            _ => None,
        }
    }

    /// Returns what the acts of such a view are about.
    pub fn subject(&self, tab: Tab) -> Option<Subject> {
        self.chosen(tab).map(Subject::Job)
    }

    /// Learns how wide the pane is.
    pub fn arrange(&mut self, width: u16) {
        self.options.parts = curves::parts(width) / 2;
    }

    /// Puts the cursor of the curves at a column of the pane.
    pub fn point(&mut self, column: u16, width: u16) {
        self.options.point(column, width);
    }

    /// Returns the lines of a view.
    pub fn lines(&self, tab: Tab, (width, height): (u16, u16), cx: &Cx) -> Vec<Line<'static>> {
        match (tab, self.about) {
            (Tab::Metrics, Some(Subject::Job(id))) => {
                curves::of_job(id, self.metric(cx), &self.options, (width, height), cx)
            }
            (Tab::Curves, _) => {
                curves::of_jobs(&self.charted(cx), self.metric(cx), &self.summary, &self.options, (width, height), cx)
            }
            (Tab::Scatter, _) => scatter::lines(&self.summary, &self.options, (width, height), cx),
            (Tab::Parallel, _) => parallel::lines(&self.summary, &self.options, (width, height), cx),
            (_, _) => Vec::new(),
        }
    }
}
