//! Makes of a node's samples what the core is told of how it is used. A pure function of samples: what does nothing is told
//! only once it has done nothing for a while, and what works again is told at once.

use std::collections::BTreeMap;

use crate::model::sample::Sample;
use crate::model::state::Observed;
use crate::model::units::{Millis, UnixMillis};

/// Below this many thousandths nothing works: drivers, desktops and agents use some.
const NOTHING_MILLI: u32 = 50;
/// How long something does nothing before that is told: four samples, so that a pause between two steps is none.
pub const STILL_TOLD: Millis = Millis::from_secs(110);
/// From how far on a clock is wrong: samples say it to two seconds, and make, logs and TLS bear a few.
pub const CLOCK_OFF_MS_MIN: i64 = 5_000;
/// By how much a wrong clock has to change before that is told.
const CLOCK_STEP_MS: i64 = 2_000;

/// What is remembered of the samples of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    gpus: u32,
    gpus_still: BTreeMap<u32, UnixMillis>,
    cpus_still: Option<UnixMillis>,
    left_alone: Option<UnixMillis>,
    strangers: BTreeMap<u32, String>,
    clock_ahead: Option<i64>,
}

impl Watched {
    /// Takes another sample in.
    pub fn see(self, sample: &Sample) -> Self {
        let still = |busy: Option<u32>, since: Option<UnixMillis>| {
            busy.filter(|milli| *milli < NOTHING_MILLI).map(|_| since.unwrap_or(sample.at))
        };
        let each = sample.gpus.iter();
        let gpus_still = each
            .clone()
            .filter_map(|gpu| Some((gpu.index, still(gpu.busy_milli, self.gpus_still.get(&gpu.index).copied())?)))
            .collect();
        let strangers = each.filter_map(|gpu| Some((gpu.index, gpu.strangers.first()?.clone()))).collect();
        let wrong = Some(sample.clock_ahead).filter(|ahead| ahead.abs() >= CLOCK_OFF_MS_MIN);
        let clock_ahead = match (self.clock_ahead, wrong) {
            (Some(told), Some(now)) if (told - now).abs() < CLOCK_STEP_MS => Some(told),
            (_, now) => now,
        };
        Self {
            gpus: sample.gpus.iter().map(|gpu| gpu.index + 1).max().unwrap_or(0),
            gpus_still,
            cpus_still: still(sample.cpu_milli, self.cpus_still),
            left_alone: sample.terminals.filter(|used| *used == 0).map(|_| self.left_alone.unwrap_or(sample.at)),
            strangers,
            clock_ahead,
        }
    }

    /// Returns what the core is told.
    pub fn observed(&self, now: UnixMillis) -> Observed {
        let long = |since: &UnixMillis| now.since(*since) >= STILL_TOLD;
        Observed {
            gpus: self.gpus,
            gpus_still: self.gpus_still.iter().filter(|(_, since)| long(since)).map(|(at, since)| (*at, *since)).collect(),
            cpus_still: self.cpus_still.filter(long),
            left_alone: self.left_alone.filter(long),
            strangers: self.strangers.clone(),
            clock_ahead: self.clock_ahead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::GpuSample;

    fn sample(secs: i64, cpu: u32, gpus: &[u32], terminals: u32, ahead: i64) -> Sample {
        let gpu = |(index, busy): (usize, &u32)| GpuSample {
            index: index as u32,
            busy_milli: Some(*busy),
            ..GpuSample::default()
        };
        Sample {
            at: UnixMillis(secs * 1000),
            cpu_milli: Some(cpu),
            gpus: gpus.iter().enumerate().map(gpu).collect(),
            terminals: Some(terminals),
            clock_ahead: ahead,
            ..Sample::default()
        }
    }

    #[test]
    fn what_is_still_is_told_late_and_what_works_at_once() {
        let mut watched = Watched::default();
        let mut told = Vec::new();
        for secs in (0..=180).step_by(30) {
            let gpu = if secs >= 180 { 900 } else { 0 };
            watched = watched.see(&sample(secs, if secs < 60 { 700 } else { 10 }, &[gpu, 0], u32::from(secs < 30), 0));
            told.push(watched.observed(UnixMillis(secs * 1000)));
        }
        let stills: Vec<usize> = told.iter().map(|one| one.gpus_still.len()).collect();
        assert_eq!(stills, [0, 0, 0, 0, 2, 2, 1], "two minutes of nothing, and the first works again");
        assert_eq!(told[4].gpus_still[&1], UnixMillis(0), "since when is not when it was told");
        assert_eq!(told[6].cpus_still, Some(UnixMillis(60_000)));
        assert_eq!((told[4].left_alone, told[5].left_alone), (None, Some(UnixMillis(30_000))));
        assert!(told.iter().all(|one| one.gpus == 2));
    }

    #[test]
    fn a_clock_is_wrong_from_five_seconds_on() {
        let mut watched = Watched::default();
        let mut told = Vec::new();
        for (at, ahead) in [4_999, -5_000, -6_900, -7_500, 0].into_iter().enumerate() {
            watched = watched.see(&sample(at as i64 * 30, 0, &[], 0, ahead));
            told.push(watched.observed(UnixMillis(0)).clock_ahead);
        }
        assert_eq!(told, [None, Some(-5_000), Some(-5_000), Some(-7_500), None]);
    }
}
