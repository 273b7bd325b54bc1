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

/// Where the numbers of a job are.
#[derive(Clone, Copy, Debug)]
struct Known {
    block: usize,
    row: usize,
    complete: bool,
}

/// Jobs that report the same metrics in the same order, as those of a sweep do. One metric of them all lies together, because
/// that is what a table is sorted by; a job's own lie apart, because only those in sight are looked at.
#[derive(Clone, Debug)]
struct Block {
    /// In the order in which they were first reported.
    metrics: Box<[MetricId]>,
    /// A column for each metric with a row for each job.
    columns: Vec<Vec<Numbers>>,
    jobs: Vec<JobId>,
}

impl Block {
    fn row(&self, row: usize) -> impl Iterator<Item = (MetricId, Numbers)> {
        self.metrics.iter().copied().zip(self.columns.iter().map(move |column| column[row]))
    }

    fn column(&self, metric: MetricId) -> Option<&[Numbers]> {
        let at = self.metrics.iter().position(|id| *id == metric)?;
        Some(&self.columns[at])
    }
}

/// The metrics that are known.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    names: Vec<String>,
    jobs: BTreeMap<JobId, Known>,
    blocks: Vec<Block>,
    /// The blocks by their metrics.
    shapes: BTreeMap<Box<[MetricId]>, usize>,
    curves: BTreeMap<(JobId, String), Arc<[Point]>>,
    /// The curves by age, the oldest first.
    ages: VecDeque<(JobId, String)>,
    version: u64,
}

impl Metrics {
    /// Takes what jobs' readings come to.
    pub fn learn(&mut self, found: &[(JobId, JobMetrics)]) {
        for (job, metrics) in found {
            let own: Vec<(MetricId, Numbers)> =
                metrics.stats.iter().filter_map(|stat| Some((self.name(&stat.name)?, Numbers::of(stat)))).collect();
            // What is not a number is not the same as itself, and then a version too many is counted.
            self.version += u64::from(!self.jobs.contains_key(job) || !self.of(*job).eq(own.iter().copied()));
            self.place(*job, &own, metrics.complete);
        }
    }

    fn place(&mut self, job: JobId, own: &[(MetricId, Numbers)], complete: bool) {
        let shape: Box<[MetricId]> = own.iter().map(|(id, _)| *id).collect();
        let numbers = own.iter().map(|(_, numbers)| *numbers);
        let before = self.jobs.get(&job).copied();
        if let Some(Known { block, row, .. }) = before.filter(|known| self.blocks[known.block].metrics == shape) {
            self.blocks[block].columns.iter_mut().zip(numbers).for_each(|(column, numbers)| column[row] = numbers);
            self.jobs.insert(job, Known { block, row, complete });
            return;
        }
        self.displace(job);
        let block = *self.shapes.entry(shape).or_insert_with_key(|shape| {
            self.blocks.push(Block { metrics: shape.clone(), columns: vec![Vec::new(); shape.len()], jobs: Vec::new() });
            self.blocks.len() - 1
        });
        let into = &mut self.blocks[block];
        into.columns.iter_mut().zip(numbers).for_each(|(column, numbers)| column.push(numbers));
        into.jobs.push(job);
        self.jobs.insert(job, Known { block, row: into.jobs.len() - 1, complete });
    }

    /// Takes a job out of its block, where the last one takes its row.
    fn displace(&mut self, job: JobId) {
        let Some(Known { block, row, .. }) = self.jobs.remove(&job) else { return };
        let from = &mut self.blocks[block];
        from.jobs.swap_remove(row);
        for column in &mut from.columns {
            column.swap_remove(row);
        }
        if let Some(moved) = from.jobs.get(row).and_then(|moved| self.jobs.get_mut(moved)) {
            moved.row = row;
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
    pub fn of(&self, job: JobId) -> impl Iterator<Item = (MetricId, Numbers)> {
        self.jobs.get(&job).into_iter().flat_map(|known| self.blocks[known.block].row(known.row))
    }

    /// Says whether a job has reported anything.
    pub fn reports(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|known| !self.blocks[known.block].metrics.is_empty())
    }

    /// Returns what the readings of one metric of a job come to.
    pub fn numbers(&self, job: JobId, metric: MetricId) -> Option<&Numbers> {
        let known = self.jobs.get(&job)?;
        self.blocks[known.block].column(metric)?.get(known.row)
    }

    /// Gives what the readings of one metric come to, for each of these jobs, which are in order; that is faster than one by one
    /// when they are many.
    pub fn each(&self, jobs: &[JobId], metric: MetricId, mut found: impl FnMut(JobId, Option<&Numbers>)) {
        let Some((first, last)) = jobs.first().zip(jobs.last()) else { return };
        let mut known = self.jobs.range(first..=last).peekable();
        let columns: Vec<Option<&[Numbers]>> = self.blocks.iter().map(|block| block.column(metric)).collect();
        for job in jobs {
            while known.next_if(|(id, _)| *id < job).is_some() {}
            let place = known.next_if(|(id, _)| *id == job);
            found(*job, place.and_then(|(_, known)| columns[known.block]?.get(known.row)));
        }
    }

    /// Returns the first of these jobs, which are in order, that has reported anything.
    pub fn first_of(&self, jobs: &[JobId]) -> Option<JobId> {
        let (first, last) = jobs.first().zip(jobs.last())?;
        let mut known = self.jobs.range(first..=last).filter(|(id, _)| self.reports(**id));
        known.find(|(id, _)| jobs.binary_search(id).is_ok()).map(|(id, _)| *id)
    }

    /// Returns the last reading of a metric by its name, in whatever case it is written.
    pub fn last(&self, job: JobId, metric: &str) -> Option<f64> {
        let mut all = self.of(job);
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
        self.displace(job);
        self.curves.retain(|(of, _), _| *of != job);
        self.ages.retain(|(of, _)| *of != job);
    }
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

    /// Jobs that report this and that, more of it later, in another order, and that go, stay apart.
    #[test]
    fn jobs_of_all_shapes_are_told_apart() {
        let of = |names: &[(&str, f64)]| {
            let stats = names.iter().map(|(name, value)| {
                let mut stat = Stat::new(name);
                stat.add(None, *value);
                stat
            });
            JobMetrics { stats: stats.collect(), curves: Vec::new(), complete: false }
        };
        let names = ["a", "b", "c", "d"];
        let mut known = Metrics::default();
        let mut model: BTreeMap<JobId, Vec<(&str, f64)>> = BTreeMap::new();
        let mut seed = 7_u64;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        for turn in 0..2_000 {
            let job = JobId(random(40));
            if random(8) == 0 {
                known.forget(job);
                model.remove(&job);
                continue;
            }
            let first = random(4) as usize;
            let own: Vec<_> = (0..random(5) as usize).map(|n| (names[(first + n) % 4], turn as f64 + n as f64)).collect();
            known.learn(&[(job, of(&own))]);
            model.insert(job, own);
        }
        for job in (0..40).map(JobId) {
            let own: Vec<_> = known.of(job).map(|(id, numbers)| (known.name_of(id), numbers.last)).collect();
            assert_eq!(own, model.get(&job).cloned().unwrap_or_default(), "{job}");
        }
        let jobs: Vec<JobId> = (0..40).map(JobId).collect();
        for name in names {
            let id = known.id(name).unwrap();
            known.each(&jobs, id, |job, numbers| {
                let expected = model.get(&job).and_then(|own| own.iter().find(|(other, _)| *other == name));
                assert_eq!(numbers.map(|numbers| numbers.last), expected.map(|(_, value)| *value), "{job} {name}");
                assert_eq!(known.numbers(job, id), numbers);
            });
        }
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
