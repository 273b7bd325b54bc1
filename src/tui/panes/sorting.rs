//! The order of an experiment's table of jobs. Sorted once when something changes, not for each frame.

use std::cmp::Ordering;

use super::run_time;
use crate::model::ids::{ExperimentId, JobId};
use crate::model::state::Job;
use crate::tui::cx::Cx;

/// More jobs than this are left as they were submitted: sorting more would be felt with each change.
pub const SORTED_MAX: usize = 20_000;

/// Which order, and the jobs in it.
#[derive(Debug, Default)]
pub struct Sorting {
    /// The title of the column.
    column: Option<String>,
    turned: bool,
    of: Option<ExperimentId>,
    jobs: Vec<JobId>,
}

/// What is compared: numbers before words, and what is not there last.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(f64),
    Words(String),
    Nothing,
}

impl Value {
    fn of(job: &Job, column: &str, cx: &Cx) -> Self {
        let words = |text: &str| match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Self::Number(number),
            Ok(_) | Err(_) => Self::Words(text.to_lowercase()),
        };
        match column {
            "job" => Self::Words(job.name.clone()),
            "state" => Self::Words(job.state.word().to_owned()),
            "time" => run_time(job, cx.now).map_or(Self::Nothing, |span| Self::Number(span.0 as f64)),
            "exit" => job.exit_code.map_or(Self::Nothing, |code| Self::Number(f64::from(code))),
            name => {
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

    /// Puts the jobs of an experiment in order.
    pub fn sort(&mut self, experiment: Option<ExperimentId>, cx: &Cx) {
        self.of = experiment;
        self.jobs.clear();
        let (Some(id), Some(column)) = (experiment, &self.column) else { return };
        let all = cx.world.jobs_of(id);
        if all.len() > SORTED_MAX {
            return;
        }
        let value = |id: &JobId| cx.world.job(*id).map_or(Value::Nothing, |job| Value::of(job, column, cx));
        let mut valued: Vec<(Value, JobId)> = all.iter().map(|id| (value(id), *id)).collect();
        valued.sort_by(|(a, one), (b, two)| {
            // What has no value stays last, also when turned round.
            let order = match (a, b, self.turned) {
                (Value::Nothing, _, _) | (_, Value::Nothing, _) | (_, _, false) => a.order(b),
                (_, _, true) => b.order(a),
            };
            order.then(one.cmp(two))
        });
        self.jobs = valued.into_iter().map(|(_, id)| id).collect();
    }

    /// Returns the jobs of an experiment in their order, when one was chosen.
    pub fn jobs(&self, experiment: ExperimentId) -> Option<&[JobId]> {
        (self.of == Some(experiment) && !self.jobs.is_empty()).then_some(self.jobs.as_slice())
    }
}
