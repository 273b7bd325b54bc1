#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

pub mod agent;
pub mod api;
pub mod cli;
pub mod code;
pub mod commands;
pub mod config;
pub mod files;
pub mod frameworks;
pub mod model;
pub mod providers;
pub mod runtime;
pub mod sched;
pub mod slurm;
pub mod store;
pub mod transport;
pub mod tui;
