//! The order of an experiment's table of jobs, and which of them it shows. Made once when something changes, not for each frame;
//! of very many jobs at most once a second while things change by themselves.

use std::cmp::Ordering;
use std::sync::Arc;

use super::run_time;
use super::study::table::Metrics;
use crate::model::ids::{ExperimentId, JobId};
use crate::model::spec::token;
use crate::model::state::{Job, SweepMember};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::filter::Filter;

/// Of more jobs than this the order is made anew at most every [`EVERY`].
const MANY: usize = 5_000;
/// A second more is not seen in a table of thousands.
const EVERY: Millis = Millis::from_secs(1);

/// Which order, and the jobs in it.
#[derive(Debug, Default)]
pub struct Sorting {
    /// The title of the column.
    column: Option<String>,
    turned: bool,
    of: Option<ExperimentId>,
    /// What the jobs have to fit.
    filter: Filter,
    made: Option<UnixMillis>,
    jobs: Option<Arc<[JobId]>>,
}

/// What the titles of columns mean.
#[derive(Debug)]
pub struct Titles<'a> {
    /// The columns of metrics.
    pub metrics: &'a Metrics,
    /// The names of parameters that have a column.
    pub parameters: &'a [String],
}

/// Where a parameter stood among those of the job before, and mostly stands among those of the next.
#[derive(Debug, Default)]
struct Place(usize);

impl Place {
    fn find<'a>(&mut self, member: &'a SweepMember, name: &str) -> Option<&'a serde_json::Value> {
        let parameters = &member.parameters;
        if parameters.get(self.0).is_none_or(|(own, _)| own != name) {
            self.0 = parameters.iter().position(|(own, _)| own == name)?;
        }
        Some(&parameters[self.0].1)
    }
}

/// What is compared: numbers before words, and what is not there last.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(f64),
    Words(String),
    Nothing,
}

impl Value {
    fn of(job: &Job, column: &str, place: &mut Place, cx: &Cx) -> Self {
        let words = |text: &str| match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Number(number),
            Ok(_) | Err(_) => Self::Words(text.to_lowercase()),
        };
        match column {
            "job" => Self::Words(job.name.to_string()),
            "state" => Self::Words(job.state.word().to_owned()),
            "time" => run_time(job, cx.now).map_or(Self::Nothing, |span| Self::Number(span.0 as f64)),
            "exit" => job.last.exit_code.map_or(Self::Nothing, |code| Self::Number(f64::from(code))),
            name => {
                if let Some(value) = job.sweep.as_ref().and_then(|member| place.find(member, name)) {
                    return value.as_f64().map_or_else(|| words(&token::text(value)), Self::Number);
                }
                let own = super::params(job).into_iter().find(|(own, _)| own == name);
                own.map_or(Self::Nothing, |(_, value)| words(&value))
            }
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Words(a), Self::Words(b)) => a.cmp(b),
            (Self::Nothing, Self::Nothing) => Ordering::Equal,
            (Self::Number(_), Self::Words(_) | Self::Nothing) | (Self::Words(_), Self::Nothing) => Ordering::Less,
            (Self::Words(_) | Self::Nothing, Self::Number(_)) | (Self::Nothing, Self::Words(_)) => Ordering::Greater,
        }
    }
}

impl Sorting {
    /// Goes to the next of these columns; after the last one the jobs stand as they were submitted.
    pub fn next(&mut self, columns: &[String]) {
        let at = self.column.as_ref().and_then(|column| columns.iter().position(|title| title == column));
        self.column = match at {
            None => columns.first().cloned(),
            Some(at) => columns.get(at + 1).cloned(),
        };
        self.turned = false;
    }

    /// Takes a column by its title.
    pub fn by(&mut self, column: &str) {
        self.column = Some(column.to_owned());
        self.turned = false;
    }

    /// Turns the order round.
    pub fn turn(&mut self) {
        self.turned = !self.turned;
    }

    /// Returns the column and whether the order is turned round, when there is one.
    pub fn order(&self) -> Option<(&str, bool)> {
        Some((self.column.as_deref()?, self.turned))
    }

    /// Shows only jobs that fit.
    pub fn set_filter(&mut self, text: &str) {
        self.filter = Filter::new(text);
    }

    /// Returns what jobs have to fit.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Makes the order anew after a change that nobody here asked for.
    pub fn again(&mut self, experiment: Option<ExperimentId>, titles: &Titles<'_>, cx: &Cx) {
        let many = experiment.is_some_and(|id| cx.world.jobs_of(id).len() > MANY);
        let fresh = self.made.is_some_and(|at| cx.now.since(at) < EVERY);
        if !(many && fresh && self.of == experiment) {
            self.sort(experiment, titles, cx);
        }
    }

    /// Puts the jobs of an experiment in order.
    pub fn sort(&mut self, experiment: Option<ExperimentId>, titles: &Titles<'_>, cx: &Cx) {
        (self.of, self.made, self.jobs) = (experiment, Some(cx.now), None);
        let Some(id) = experiment else { return };
        let all = cx.world.jobs_of(id);
        let fitting: Vec<JobId>;
        let shown = if self.filter.is_empty() {
            all
        } else {
            let fits = |id: &&JobId| cx.world.job(**id).is_some_and(|job| self.filter.job(job, &cx.world));
            fitting = all.iter().filter(fits).copied().collect();
            fitting.as_slice()
        };
        self.jobs = match &self.column {
            None => (!self.filter.is_empty()).then(|| shown.into()),
            Some(column) => match titles.metrics.of_title(column, titles.parameters) {
                Some(metric) => Some(self.by_metric(shown, metric, titles.metrics, cx)),
                None => Some(self.by_value(shown, column, cx)),
            },
        };
    }

    /// A metric is a number for each job: those are sorted as whole numbers of the same order, which is several times faster.
    fn by_metric(&self, jobs: &[JobId], metric: &str, metrics: &Metrics, cx: &Cx) -> Arc<[JobId]> {
        let Some(id) = cx.world.metrics.id(metric) else { return jobs.into() };
        let mut valued: Vec<(u64, JobId)> = Vec::with_capacity(jobs.len());
        cx.world.metrics.each(jobs, id, |job, numbers| {
            let value = numbers.map(|numbers| numbers.take(metrics.take, metrics.maximize));
            // What has no value stays last, also when turned round; what is no number before it.
            let key = match value {
                None => u64::MAX,
                Some(value) if !value.is_finite() => u64::MAX - 1,
                Some(value) if self.turned => !ordered(value),
                Some(value) => ordered(value),
            };
            valued.push((key, job));
        });
        valued.sort_unstable();
        valued.into_iter().map(|(_, id)| id).collect()
    }

    fn by_value(&self, jobs: &[JobId], column: &str, cx: &Cx) -> Arc<[JobId]> {
        let mut valued: Vec<(Value, JobId)> = Vec::with_capacity(jobs.len());
        let mut place = Place::default();
        cx.world.each_job(jobs, |id, job| {
            valued.push((job.map_or(Value::Nothing, |job| Value::of(job, column, &mut place, cx)), id));
        });
        // Numbers alone are sorted as those of metrics are.
        let number = |value: &Value| match value {
            Value::Number(number) => Some(if self.turned { !ordered(*number) } else { ordered(*number) }),
            Value::Nothing => Some(u64::MAX),
            Value::Words(_) => None,
        };
        let numbers: Option<Vec<(u64, JobId)>> = valued.iter().map(|(value, id)| Some((number(value)?, *id))).collect();
        if let Some(mut numbers) = numbers {
            numbers.sort_unstable();
            return numbers.into_iter().map(|(_, id)| id).collect();
        }
        valued.sort_by(|(a, one), (b, two)| {
            // What has no value stays last, also when turned round.
            let order = match (a, b, self.turned) {
                (Value::Nothing, _, _) | (_, Value::Nothing, _) | (_, _, false) => a.order(b),
                (_, _, true) => b.order(a),
            };
            order.then(one.cmp(two))
        });
        valued.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns the jobs of an experiment in their order, when one was chosen or not all are shown.
    pub fn jobs(&self, experiment: ExperimentId) -> Option<&Arc<[JobId]>> {
        self.jobs.as_ref().filter(|_| self.of == Some(experiment))
    }
}

/// Returns a whole number that is ordered as finite numbers are.
fn ordered(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let values = [-1e300, -2.0, -0.5, -0.0, 0.0, 1e-300, 0.5, 2.0, 1e300];
        assert!(values.windows(2).all(|pair| ordered(pair[0]) <= ordered(pair[1])));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }
}
