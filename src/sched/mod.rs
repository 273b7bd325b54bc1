//! Layer 1: the scheduler core, a function from (state, time, event) to (state, effects). It does no I/O, knows no
//! clock, no randomness, no hash-map order and no async; it never fails: what could be refused was refused before it
//! became an event.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod effect;
pub mod event;

pub use effect::{Act, DaemonAnswer, Effect};
pub use event::{Event, NewJob, Sighting};

use std::collections::BTreeSet;

use crate::model::ids::EffectId;
use crate::model::snapshot::RowKey;

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// To be performed after the commit, in this order.
    pub effects: Vec<Effect>,
    /// Effects that leave the outbox: answered by this event, or overtaken, so that no answer is waited for any more.
    pub closed: Vec<EffectId>,
    /// Rows that changed or are gone.
    pub touched: BTreeSet<RowKey>,
}
