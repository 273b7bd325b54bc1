//! Keeps apart what comes thick: to be woken by each of a thousand lines a second costs more than to take them in.

use std::time::{Duration, Instant};

/// Spreads doings that each take all that has come until then: a few may follow one another at once, more are a gap apart.
#[derive(Clone, Copy, Debug)]
pub struct Spacing {
    gap: Duration,
    burst: u32,
    /// When the next would be if they were all a gap apart.
    even: Instant,
}

impl Spacing {
    /// Returns one after a quiet time: `burst` doings come as they please, and then one in each `gap`.
    pub fn new(gap: Duration, burst: u32, now: Instant) -> Self {
        Self { gap, burst, even: now }
    }

    /// Returns when the next may be; `None` for at once.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.even.checked_sub(self.gap * self.burst)?;
        (now < due).then_some(due)
    }

    /// Notes that one begins.
    pub fn begun(&mut self, now: Instant) {
        self.even = self.even.max(now) + self.gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_at_once_and_many_a_gap_apart() {
        let (start, gap) = (Instant::now(), Duration::from_millis(5));
        let mut spacing = Spacing::new(gap, 4, start);
        let mut begun = Vec::new();
        for milli in 0..100 {
            let now = start + Duration::from_millis(milli);
            if spacing.due(now).is_none() {
                spacing.begun(now);
                begun.push(milli);
            }
        }
        assert_eq!(begun[..5], [0, 1, 2, 3, 4], "after a quiet time");
        assert!(begun[6..].windows(2).all(|pair| pair[1] - pair[0] == 5), "{begun:?}");
        let quiet = start + Duration::from_secs(1);
        assert_eq!(spacing.due(quiet), None, "and again after a quiet time");
        // What is late does not come sooner for it.
        spacing.begun(quiet);
        assert_eq!(spacing.due(quiet + gap / 2), None);
    }
}
