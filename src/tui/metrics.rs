//! The metrics of jobs as far as the screen knows them. They come as answers, not with updates: whoever shows some asks for them
//! ([`crate::tui::panes::study`]), and the app keeps here what is answered, so that tables, filters and windows look at the same.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::model::ids::JobId;
use crate::model::metric::{JobMetrics, Point, Stat};
use crate::model::study::Take;

/// Curves that are kept: of more jobs than a tall screen shows at once. One has some thousand points at most.
const CURVES_MAX: usize = 256;

/// What all readings of one metric of a job come to; 48 bytes, of which a hundred thousand jobs have twenty each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    /// The last reading.
    pub last: f64,
    /// At which step.
    pub step: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// How many readings there were.
    pub count: u64,
}

impl Numbers {
    fn of(stat: &Stat) -> Self {
        let Stat { last, step, min, max, count, .. } = *stat;
        Self { last, step, min, max, mean: stat.mean(), count }
    }

    /// Returns what is taken of them.
    pub fn take(&self, take: Take, maximize: bool) -> f64 {
        match take {
            Take::Last => self.last,
            Take::Best if maximize => self.max,
            Take::Best | Take::Min => self.min,
            Take::Mean => self.mean,
            Take::Max => self.max,
        }
    }
}

/// A metric's number among the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricId(u16);

#[derive(Clone, Debug, Default)]
struct Known {
    numbers: Box<[(MetricId, Numbers)]>,
    complete: bool,
}

/// The metrics that are known.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    names: Vec<String>,
    jobs: BTreeMap<JobId, Known>,
    curves: BTreeMap<(JobId, String), Arc<[Point]>>,
    /// The curves by age, the oldest first.
    ages: VecDeque<(JobId, String)>,
    version: u64,
}

impl Metrics {
    /// Takes what jobs' readings come to.
    pub fn learn(&mut self, found: &[(JobId, JobMetrics)]) {
        for (job, metrics) in found {
            let numbers =
                metrics.stats.iter().filter_map(|stat| Some((self.name(&stat.name)?, Numbers::of(stat)))).collect();
            let known = Known { numbers, complete: metrics.complete };
            let before = self.jobs.insert(*job, known);
            let now = &self.jobs[job];
            // What is not a number is not the same as itself, and then a version too many is counted.
            if before.is_none_or(|before| before.numbers != now.numbers) {
                self.version += 1;
            }
        }
    }

    /// Takes the points of one metric.
    pub fn learn_curves(&mut self, metric: &str, found: &[(JobId, JobMetrics)]) {
        for (job, metrics) in found {
            let points: Arc<[Point]> = metrics.curves.first().map_or(&[][..], Vec::as_slice).into();
            let key = (*job, metric.to_owned());
            if self.curves.insert(key.clone(), points).is_some() {
                self.ages.retain(|other| *other != key);
            }
            self.ages.push_back(key);
        }
        while self.ages.len() > CURVES_MAX {
            if let Some(oldest) = self.ages.pop_front() {
                self.curves.remove(&oldest);
            }
        }
    }

    fn name(&mut self, name: &str) -> Option<MetricId> {
        let at = match self.names.iter().position(|known| known == name) {
            Some(at) => at,
            None => {
                self.names.push(name.to_owned());
                self.names.len() - 1
            }
        };
        u16::try_from(at).ok().map(MetricId)
    }

    /// Returns a number that is another one whenever something has changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the number of a metric.
    pub fn id(&self, name: &str) -> Option<MetricId> {
        let at = self.names.iter().position(|known| known == name)?;
        u16::try_from(at).ok().map(MetricId)
    }

    /// Returns the name of a metric.
    pub fn name_of(&self, id: MetricId) -> &str {
        self.names.get(usize::from(id.0)).map_or("", String::as_str)
    }

    /// Returns what is known of a job, in the order in which it began to report.
    pub fn of(&self, job: JobId) -> &[(MetricId, Numbers)] {
        self.jobs.get(&job).map_or(&[], |known| &known.numbers)
    }

    /// Returns what the readings of one metric of a job come to.
    pub fn numbers(&self, job: JobId, metric: MetricId) -> Option<&Numbers> {
        find(self.of(job), metric)
    }

    /// Gives what the readings of one metric come to, for each of these jobs, which are in order; that is faster than one by one
    /// when they are many.
    pub fn each(&self, jobs: &[JobId], metric: MetricId, mut found: impl FnMut(JobId, Option<&Numbers>)) {
        let Some((first, last)) = jobs.first().zip(jobs.last()) else { return };
        let mut known = self.jobs.range(first..=last).peekable();
        // Jobs that are alike report in the same order, so it mostly stands where it stood with the one before: a look at one
        // place of memory for each job in the stead of ten.
        let mut place = 0;
        let mut in_place = |numbers: &'_ [(MetricId, Numbers)]| -> Option<usize> {
            if numbers.get(place).is_none_or(|(id, _)| *id != metric) {
                place = numbers.iter().position(|(id, _)| *id == metric)?;
            }
            Some(place)
        };
        for job in jobs {
            while known.next_if(|(id, _)| *id < job).is_some() {}
            let row = known.next_if(|(id, _)| *id == job).map(|(_, known)| &known.numbers);
            let numbers = row.and_then(|numbers| Some(&numbers[in_place(numbers)?].1));
            found(*job, numbers);
        }
    }

    /// Returns the first of these jobs, which are in order, that has reported anything.
    pub fn first_of(&self, jobs: &[JobId]) -> Option<JobId> {
        let (first, last) = jobs.first().zip(jobs.last())?;
        let mut known = self.jobs.range(first..=last).filter(|(_, known)| !known.numbers.is_empty());
        known.find(|(id, _)| jobs.binary_search(id).is_ok()).map(|(id, _)| *id)
    }

    /// Returns the last reading of a metric by its name, in whatever case it is written.
    pub fn last(&self, job: JobId, metric: &str) -> Option<f64> {
        let mut all = self.of(job).iter();
        all.find(|(id, _)| self.name_of(*id).eq_ignore_ascii_case(metric)).map(|(_, numbers)| numbers.last)
    }

    /// Says whether all that a job will ever report is known.
    pub fn is_complete(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|known| known.complete)
    }

    /// Returns the points of a metric of a job, when they were asked for.
    pub fn curve(&self, job: JobId, metric: &str) -> Option<&Arc<[Point]>> {
        self.curves.get(&(job, metric.to_owned()))
    }

    /// Forgets jobs that are no more.
    pub fn forget(&mut self, job: JobId) {
        self.jobs.remove(&job);
        self.curves.retain(|(of, _), _| *of != job);
        self.ages.retain(|(of, _)| *of != job);
    }
}

fn find(numbers: &[(MetricId, Numbers)], metric: MetricId) -> Option<&Numbers> {
    numbers.iter().find(|(id, _)| *id == metric).map(|(_, numbers)| numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::UnixMillis;

    fn metrics(values: &[f64]) -> JobMetrics {
        let mut stat = Stat::new("loss");
        values.iter().for_each(|value| {
            stat.add(None, *value);
        });
        JobMetrics { stats: vec![stat], curves: Vec::new(), complete: true }
    }

    #[test]
    fn what_is_learned_is_found() {
        let mut known = Metrics::default();
        known.learn(&[(JobId(2), metrics(&[3.0, 1.0, 2.0])), (JobId(5), metrics(&[9.0]))]);
        let loss = known.id("loss").unwrap();
        let numbers = known.numbers(JobId(2), loss).unwrap();
        let taken = [Take::Last, Take::Best, Take::Mean, Take::Max].map(|take| numbers.take(take, false));
        assert_eq!((taken, numbers.count), ([2.0, 1.0, 2.0, 3.0], 3));
        assert_eq!((known.last(JobId(5), "Loss"), known.last(JobId(4), "loss")), (Some(9.0), None));
        let mut each = Vec::new();
        known.each(&[1, 2, 4, 5, 9].map(JobId), loss, |job, numbers| each.push((job.0, numbers.map(|n| n.last))));
        assert_eq!(each, [(1, None), (2, Some(2.0)), (4, None), (5, Some(9.0)), (9, None)]);
        let version = known.version();
        known.learn(&[(JobId(5), metrics(&[9.0]))]);
        assert_eq!(known.version(), version, "nothing is new");
        assert!(known.is_complete(JobId(5)) && !known.is_complete(JobId(6)));
    }

    #[test]
    fn curves_have_a_limit() {
        let mut known = Metrics::default();
        let point = Point { at: UnixMillis(0), step: 1.0, value: 2.0 };
        let found = JobMetrics { curves: vec![vec![point]], ..metrics(&[2.0]) };
        for job in 0..300 {
            known.learn_curves("loss", &[(JobId(job), found.clone())]);
        }
        assert_eq!((known.curves.len(), known.ages.len()), (CURVES_MAX, CURVES_MAX));
        assert!(known.curve(JobId(299), "loss").is_some() && known.curve(JobId(0), "loss").is_none());
        known.learn_curves("acc", &[(JobId(7), metrics(&[]))]);
        assert_eq!(known.curve(JobId(7), "acc").map(|points| points.len()), Some(0), "asked for, and there are none");
    }
}
