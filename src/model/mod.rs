//! Layer 0: plain data shared by all. No I/O, no async, no clock, no randomness.

pub mod alike;
pub mod condition;
pub mod cost;
pub mod fault;
pub mod ids;
pub mod kept;
pub mod launch;
pub mod metric;
pub mod names;
pub mod nearest;
pub mod node_class;
pub mod plan;
pub mod plan_text;
pub mod request;
pub mod resource_id;
pub mod sample;
pub mod settings;
pub mod shown;
pub mod snapshot;
pub mod spec;
pub mod state;
pub mod storage;
pub mod study;
pub mod task;
pub mod units;
pub mod volume;
