//! What is asked for: the published bodies of clusters and jobs, with our own additions plainly ours.
//!
//! Reading a file goes in two steps, both pure: [`doc`] turns JSON, YAML or TOML into one tree that knows the line and
//! column of every value; `JobSpec::read` and `ClusterSpec::read` turn the tree into types and return *all* faults
//! at once.

pub mod cluster;
pub mod doc;
pub mod job;

pub use cluster::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
pub use job::{Demand, JobSpec, Priority, Resources, Toolkit};
