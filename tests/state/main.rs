//! The store, its lock, and the way from a front end to the core, on real files and sockets.

mod crash;
mod fake;
mod fixture;
mod host;
mod pages;
mod power;
mod refusals;
mod samples;
mod socket;
mod store;
mod strangers;
#[path = "../tables.rs"]
mod tables;
mod torn;
