//! What an experiment comes to: its metrics, the best of its jobs, what goes with the metric. Of many jobs it is made anew at most
//! once a second while things change, because it is a pass over all of them.

use std::sync::Arc;

use super::options::{Options, larger_is_better};
use super::table;
use crate::model::ids::{ExperimentId, JobId};
use crate::model::metric::Stat;
use crate::model::spec::sweep_file;
use crate::model::state::Job;
use crate::model::study::{self, Entry};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::panes::params;

/// Between two passes over more than [`MANY`] jobs.
const EVERY: Millis = Millis::from_secs(1);
/// A pass over fewer is not felt.
const MANY: usize = 2_000;
/// Jobs whose parameters are compared with a metric: more dots than a pane has cells.
const ENTRIES_MAX: usize = 2_000;
/// The best jobs that are remembered.
const BEST_MAX: usize = 64;
/// Jobs at each end of the list that are looked at for the names of metrics: all of them would cost a frame too much.
const SAMPLED: usize = 64;

/// What is known of the experiment that is looked at.
#[derive(Debug, Default)]
pub struct Summary {
    of: Option<ExperimentId>,
    made: Option<(UnixMillis, u64, usize)>,
    /// All metrics, in the order in which they appeared.
    pub metrics: Vec<String>,
    /// The one that decides.
    pub metric: Option<String>,
    /// Whether larger is better.
    pub maximize: bool,
    /// The best jobs by that metric, the best first.
    pub best: Vec<(JobId, f64)>,
    /// Jobs with their parameters and metrics; of very many, some.
    pub entries: Vec<Entry>,
    /// The parameters that differ among them.
    pub varying: Vec<String>,
    /// How strongly the metric goes with each, the strongest first.
    pub matters: Vec<(String, f64, usize)>,
    columns: Arc<table::Metrics>,
}

impl Summary {
    /// Makes it anew, when something has changed and the last time is long enough ago, or when `must` says so.
    pub fn refresh(&mut self, of: Option<ExperimentId>, options: &Options, must: bool, cx: &Cx) {
        let Some(id) = of else {
            *self = Self::default();
            return;
        };
        let version = (cx.world.metrics.version(), cx.world.jobs_of(id).len());
        let same = self.of == of && self.made.is_some_and(|(_, v, jobs)| (v, jobs) == version);
        let fresh = self.of == of && version.1 > MANY && self.made.is_some_and(|(at, ..)| cx.now.since(at) < EVERY);
        if !must && (same || fresh) {
            return;
        }
        *self = Self { of, made: Some((cx.now, version.0, version.1)), ..Self::default() };
        self.name_metrics(id, options, cx);
        let Some(metric) = self.metric.clone() else { return };
        self.rank(id, &metric, options, cx);
        self.sample(id, cx);
        self.matters = study::importance(&self.entries, &metric, options.take, self.maximize);
        self.columns = Arc::new(table::Metrics::new(&self.metrics, &metric, options.take, self.maximize));
    }

    fn name_metrics(&mut self, id: ExperimentId, options: &Options, cx: &Cx) {
        let jobs = cx.world.jobs_of(id);
        let head = jobs.iter().take(SAMPLED);
        let tail = jobs.iter().skip(SAMPLED.max(jobs.len().saturating_sub(SAMPLED)));
        let best = cx.world.metrics.first_of(jobs);
        for job in head.chain(tail).chain(&best) {
            for (metric, _) in cx.world.metrics.of(*job) {
                let name = cx.world.metrics.name_of(metric);
                if !self.metrics.iter().any(|known| known == name) {
                    self.metrics.push(name.to_owned());
                }
            }
        }
        let goal = jobs.first().and_then(|id| cx.world.job(*id)).and_then(|job| job.spec.metrics.as_ref()?.goal.clone());
        let wanted = options.metric.as_deref().filter(|name| self.metrics.iter().any(|known| known == name));
        let decides = study::deciding(wanted, goal.as_ref().map(|goal| goal.metric.as_str()), &self.metrics);
        self.metric = decides.ok().or_else(|| self.metrics.first().cloned());
        let said = goal.filter(|goal| Some(&goal.metric) == self.metric.as_ref()).map(|goal| goal.maximize);
        let usual = || self.metric.as_deref().is_some_and(larger_is_better);
        self.maximize = options.maximize.or(said).unwrap_or_else(usual);
    }

    /// Finds the best jobs in one pass, keeping no more than are remembered.
    fn rank(&mut self, id: ExperimentId, metric: &str, options: &Options, cx: &Cx) {
        let Some(metric) = cx.world.metrics.id(metric) else { return };
        let (take, maximize) = (options.take, self.maximize);
        let mut best: Vec<(f64, JobId)> = Vec::with_capacity(2 * BEST_MAX);
        let keep = |best: &mut Vec<(f64, JobId)>| {
            best.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
            best.truncate(BEST_MAX);
        };
        cx.world.metrics.each(cx.world.jobs_of(id), metric, |job, numbers| {
            let value = numbers.map(|numbers| numbers.take(take, maximize)).filter(|value| value.is_finite());
            if let Some(value) = value {
                best.push((if maximize { -value } else { value }, job));
                if best.len() == 2 * BEST_MAX {
                    keep(&mut best);
                }
            }
        });
        keep(&mut best);
        self.best = best.into_iter().map(|(value, job)| (job, if maximize { -value } else { value })).collect();
    }

    /// Takes entries, evenly from all jobs when they are too many.
    fn sample(&mut self, id: ExperimentId, cx: &Cx) {
        let jobs = cx.world.jobs_of(id);
        let every = jobs.len().div_ceil(ENTRIES_MAX).max(1);
        let some = jobs.iter().step_by(every).filter(|id| cx.world.metrics.reports(**id));
        self.entries = some.filter_map(|id| cx.world.job(*id)).map(|job| entry(job, cx)).collect();
        let (names, _) = study::columns(&self.entries);
        let differs = |name: &String| {
            let mut values = self.entries.iter().filter_map(|entry| entry.parameter(name));
            values.next().is_some_and(|first| values.any(|value| value != first))
        };
        self.varying = names.into_iter().filter(differs).collect();
    }

    /// Returns the columns of metrics.
    pub fn columns(&self, _options: &Options) -> Arc<table::Metrics> {
        self.columns.clone()
    }
}

/// Returns a job as an entry of a study: with the parameters of its sweep, else with what its variables and options say.
pub fn entry(job: &Job, cx: &Cx) -> Entry {
    let parameters = match &job.sweep {
        Some(member) => member.parameters.clone(),
        None => params(job).into_iter().map(|(name, value)| (name, sweep_file::scalar(&value))).collect(),
    };
    let metrics = &cx.world.metrics;
    let stat = |(id, numbers): (crate::tui::metrics::MetricId, crate::tui::metrics::Numbers)| Stat {
        count: numbers.count,
        finite: numbers.count,
        last: numbers.last,
        step: numbers.step,
        min: numbers.min,
        max: numbers.max,
        sum: numbers.mean * numbers.count as f64,
        ..Stat::new(metrics.name_of(id))
    };
    Entry {
        job: job.id,
        name: job.name.to_string(),
        state: job.state.word(),
        parameters,
        stats: metrics.of(job.id).map(stat).collect(),
    }
}
