//! Layer 3: owns time, randomness and the life of all tasks. The loop takes events, steps the core, commits, publishes
//! and only then acts.

pub mod call;
