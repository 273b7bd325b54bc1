//! The time of this machine: shows wall-clock time, but never goes backwards and moves with the monotonic clock, so that
//! a clock that is set back ends no wait early or late. A jump forward of the wall clock (the machine slept) is followed.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::units::UnixMillis;

/// A wall clock that is so far ahead of the monotonic one was moved, or the machine slept: longer than any adjustment by
/// NTP, shorter than what a person would notice in a time shown.
const JUMP_MIN: i64 = 2_000;

/// A clock.
#[derive(Debug)]
pub struct Clock {
    base: Cell<(Instant, i64)>,
}

impl Clock {
    /// Starts with the wall clock's time.
    pub fn start() -> Self {
        Self { base: Cell::new((Instant::now(), wall())) }
    }

    /// Returns the time now.
    pub fn now(&self) -> UnixMillis {
        let (instant, millis) = self.base.get();
        let steady = millis + i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        let wall = wall();
        if wall - steady > JUMP_MIN {
            tracing::warn!(ahead_ms = wall - steady, "the wall clock jumped forward; following it");
            self.base.set((Instant::now(), wall));
            return UnixMillis(wall);
        }
        UnixMillis(steady)
    }

    /// Returns when a time comes, as tokio counts.
    pub fn instant_of(&self, at: UnixMillis) -> tokio::time::Instant {
        let left = u64::try_from(at.0.saturating_sub(self.now().0)).unwrap_or(0);
        tokio::time::Instant::now() + Duration::from_millis(left)
    }
}

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
