//! What a cluster did over time, as the screen itself saw it: jobs that waited, nodes that worked, and the target. Kept in bounded
//! room: when it is full, every second sample goes, and from then on half as many are taken.

use std::collections::BTreeMap;

use crate::model::cost::Use;
use crate::model::ids::ClusterId;
use crate::model::units::{Millis, Money, UnixMillis};
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
    /// What its nodes cost in an hour.
    pub rate: Money,
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
            let paid = world.nodes_of(*id).iter().filter_map(|id| world.node(*id)).filter(|node| Use::of(node) != Use::None);
            let rate = paid.fold(Money(0), |rate, node| rate + node.price);
            let sample = Sample {
                at: now,
                waiting: cluster.waiting,
                running: counts.running,
                ready: counts.ready(),
                target: cluster.spec.scale_settings.target().0,
                rate,
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

/// Something that was seen at a moment.
pub trait Moment {
    /// When.
    fn at(&self) -> UnixMillis;
}

impl Moment for Sample {
    fn at(&self) -> UnixMillis {
        self.at
    }
}

impl Moment for crate::model::sample::Sample {
    fn at(&self) -> UnixMillis {
        self.at
    }
}

/// A time that is drawn from left to right in so many equal parts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Where it begins.
    pub from: UnixMillis,
    /// Where it ends.
    pub upto: UnixMillis,
    /// How many parts it has.
    pub parts: usize,
    /// How long a sample says something of the time after it; for good when absent.
    pub holds: Option<Millis>,
}

impl Window {
    /// Returns where a part ends.
    fn end(&self, part: usize) -> UnixMillis {
        let span = self.upto.since(self.from).0.max(1);
        self.from + Millis(span * (part as u64 + 1) / self.parts.max(1) as u64)
    }

    /// Returns the part that a time lies in; `None` outside.
    pub fn part_of(&self, at: UnixMillis) -> Option<usize> {
        let span = self.upto.since(self.from).0.max(1);
        let inside = self.from <= at && at <= self.upto;
        inside.then(|| ((at.since(self.from).0 * self.parts as u64 / span) as usize).min(self.parts.saturating_sub(1)))
    }

    /// Returns the sample that holds at a time.
    pub fn held<'a, S: Moment>(&self, samples: &'a [S], at: UnixMillis) -> Option<&'a S> {
        let last = samples.partition_point(|sample| sample.at() <= at).checked_sub(1).and_then(|last| samples.get(last))?;
        self.holds.is_none_or(|holds| at.since(last.at()) <= holds).then_some(last)
    }

    /// Returns the value that held in each part: the most of what was known in it, so that no peak is lost.
    pub fn values<S: Moment>(&self, samples: &[S], value: impl Fn(&S) -> Option<u64>) -> Vec<Option<u64>> {
        let held = |part: usize| {
            let (begin, end) = (if part == 0 { self.from } else { self.end(part - 1) }, self.end(part));
            let known = samples.partition_point(|sample| sample.at() <= end);
            let first = samples.partition_point(|sample| sample.at() <= begin).saturating_sub(1);
            let fresh = |sample: &&S| self.holds.is_none_or(|holds| begin.since(sample.at()) <= holds);
            samples[first.min(known)..known].iter().filter(fresh).filter_map(&value).max()
        };
        (0..self.parts).map(held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(secs: i64, waiting: u64) -> Sample {
        Sample { at: UnixMillis(secs * 1000), waiting, running: 0, ready: 0, target: 0, rate: Money(0) }
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
        let window = Window { from: UnixMillis(0), upto: UnixMillis(100_000), parts: 10, holds: None };
        let waiting = |s: &Sample| Some(s.waiting);
        let want = [1, 1, 1, 9, 9, 2, 2, 2, 3, 3].map(Some);
        assert_eq!(window.values(&samples, waiting), want);
        assert_eq!(Window { parts: 2, ..window }.values(&[], waiting), [None, None]);
        // Of a time in which nothing was measured nothing is said.
        let window = Window { holds: Some(Millis::from_secs(15)), ..window };
        let want = [Some(1), Some(1), None, Some(9), Some(9), Some(2), None, None, Some(3), Some(3)];
        assert_eq!(window.values(&samples, waiting), want);
        assert_eq!(window.held(&samples, UnixMillis(50_000)).map(|s| s.waiting), Some(2));
        assert_eq!(window.held(&samples, UnixMillis(70_000)).map(|s| s.waiting), None);
        assert_eq!((window.part_of(UnixMillis(100_000)), window.part_of(UnixMillis(100_001))), (Some(9), None));
    }
}
