//! What a cluster did over time, as the screen itself saw it: jobs that waited, nodes that worked, and the target. Kept in bounded
//! room: when it is full, every second sample goes, and from then on half as many are taken.

use std::collections::BTreeMap;

use crate::model::ids::ClusterId;
use crate::model::units::{Millis, UnixMillis};
use crate::tui::world::World;

/// The most samples of a cluster: more than a wide screen has columns of braille.
const SAMPLES_MAX: usize = 720;
/// Between two samples at first; doubled whenever the room is full. After a day it is some three minutes.
const EVERY_AT_FIRST: Millis = Millis::from_secs(1);

/// One moment of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: UnixMillis,
    /// Jobs that waited.
    pub waiting: u64,
    /// Nodes with a job.
    pub running: u32,
    /// Nodes that could work.
    pub ready: u32,
    /// Nodes wanted.
    pub target: u32,
}

/// The samples of one cluster, the oldest first.
#[derive(Clone, Debug)]
struct Series {
    samples: Vec<Sample>,
    every: Millis,
}

/// What was seen of all clusters since the screen was opened.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    clusters: BTreeMap<ClusterId, Series>,
}

impl Seen {
    /// Takes a sample of each cluster of which the last one is old enough or different.
    pub fn look(&mut self, world: &World, now: UnixMillis) {
        self.clusters.retain(|id, _| world.cluster(*id).is_some());
        for (id, cluster) in &world.snapshot.clusters {
            let counts = world.counts_of(*id);
            let sample = Sample {
                at: now,
                waiting: cluster.waiting,
                running: counts.running,
                ready: counts.ready(),
                target: cluster.spec.scale_settings.target().0,
            };
            let fresh = || Series { samples: Vec::new(), every: EVERY_AT_FIRST };
            self.clusters.entry(*id).or_insert_with(fresh).take(sample);
        }
    }

    /// Returns the samples of a cluster, the oldest first.
    pub fn of(&self, id: ClusterId) -> &[Sample] {
        self.clusters.get(&id).map_or(&[], |series| series.samples.as_slice())
    }
}

impl Series {
    fn take(&mut self, sample: Sample) {
        let several = self.samples.len() > 1;
        match self.samples.last_mut() {
            // What changed within one step is the newest of it.
            Some(last) if sample.at.since(last.at) < self.every && several => {
                *last = Sample { at: last.at, ..sample };
            }
            Some(_) | None => self.samples.push(sample),
        }
        if self.samples.len() > SAMPLES_MAX {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.every = Millis(self.every.0 * 2);
        }
    }
}

/// Returns the value that held in each of so many equal parts of the time from `from` to `upto`: the last one known by then.
pub fn over_time(
    samples: &[Sample],
    value: impl Fn(&Sample) -> u64,
    from: UnixMillis,
    upto: UnixMillis,
    parts: usize,
) -> Vec<Option<u64>> {
    let span = upto.since(from).0.max(1);
    let part_end = |part: usize| from + Millis(span * (part as u64 + 1) / parts.max(1) as u64);
    let held = |part: usize| {
        let end = part_end(part);
        let known = samples.partition_point(|sample| sample.at <= end);
        // A peak within a part is not lost: the most of what it holds counts.
        let begin = if part == 0 { from } else { part_end(part - 1) };
        let first = samples.partition_point(|sample| sample.at <= begin).saturating_sub(1);
        samples[first.min(known)..known].iter().map(&value).max()
    };
    (0..parts).map(held).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(secs: i64, waiting: u64) -> Sample {
        Sample { at: UnixMillis(secs * 1000), waiting, running: 0, ready: 0, target: 0 }
    }

    #[test]
    fn room_is_bounded_and_the_whole_time_stays_in_sight() {
        let mut series = Series { samples: Vec::new(), every: EVERY_AT_FIRST };
        for second in 0..86_400 {
            series.take(sample(second, second as u64));
        }
        assert!(series.samples.len() <= SAMPLES_MAX && series.samples.len() > SAMPLES_MAX / 3, "{}", series.samples.len());
        assert_eq!(series.samples.first().map(|s| s.waiting), Some(0));
        assert!(series.samples.last().is_some_and(|s| s.waiting > 86_000));
    }

    #[test]
    fn a_value_holds_until_the_next_and_peaks_stay() {
        let samples = [sample(0, 1), sample(40, 9), sample(41, 2), sample(90, 3)];
        let values = over_time(&samples, |s| s.waiting, UnixMillis(0), UnixMillis(100_000), 10);
        let want = [1, 1, 1, 9, 9, 2, 2, 2, 3, 3].map(Some);
        assert_eq!(values, want);
        assert_eq!(over_time(&[], |s| s.waiting, UnixMillis(0), UnixMillis(1), 2), [None, None]);
    }
}
