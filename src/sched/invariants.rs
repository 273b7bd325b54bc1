//! Named rules over the whole state.

use super::{Sched, Step};

impl Sched {
    pub(super) fn check_step(&self, _step: &Step) {}
    /// Checks.
    pub fn check(&self) {}
}
