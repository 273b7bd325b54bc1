//! What is asked for: the published bodies of clusters and jobs, with our own additions plainly ours.
//!
//! Reading a file goes in two steps, both pure: [`doc`] turns JSON, YAML or TOML into one tree that knows the line and
//! column of every value; [`JobFile`] and [`ClusterFile`] turn the tree into types and note *all* faults
//! at once.

pub mod cluster;
pub mod cluster_file;
pub mod container;
pub mod doc;
pub mod fields;
pub mod file_server;
pub mod file_server_file;
pub mod job;
pub mod job_file;
pub mod mounts;
pub mod node_setup;
pub mod report;
pub mod secret;

pub use cluster::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
pub use cluster_file::ClusterFile;
pub use container::ContainerSettings;
pub use file_server::{Export, FileServerSpec};
pub use file_server_file::FileServerFile;
pub use job::{Demand, JobSpec, Priority, Resources, Toolkit};
pub use job_file::JobFile;
pub use mounts::MountVolumes;
pub use node_setup::NodeSetup;
pub use report::FileReport;
pub use secret::{Secret, SecretSource, SecretText};
