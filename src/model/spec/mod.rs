//! What is asked for: the published bodies of clusters and jobs, with our own additions plainly ours.
//!
//! Reading a file goes in two steps, both pure: [`doc`] turns JSON, YAML or TOML into one tree that knows the line and
//! column of every value; [`JobFile`] and [`ClusterFile`] turn the tree into types and note *all* faults
//! at once.

pub mod body;
pub mod budget_file;
pub mod cluster;
pub mod cluster_file;
pub mod code;
mod code_file;
pub mod container;
mod container_file;
pub mod doc;
pub mod fields;
pub mod file_server;
pub mod file_server_file;
pub mod job;
pub mod job_file;
pub mod kept;
pub mod machine;
mod machine_file;
mod metrics_file;
pub mod mounts;
mod mounts_file;
pub mod node_setup;
mod node_setup_file;
pub mod patch;
pub mod pool;
pub mod pool_file;
pub mod report;
pub mod sbatch;
pub mod scale_file;
pub mod scheduling;
mod scheduling_file;
pub mod schema;
pub mod secret;
pub mod secret_file;
pub mod slurm;
mod slurm_file;
pub mod sweep;
pub mod sweep_file;
mod sweep_form;
pub mod token;
pub mod toolkit;
mod toolkit_file;
pub mod tree_file;

pub use cluster::{AutoScale, ClusterSpec, Deallocation, GpuIdle, GpuIdleThen, ProviderSpec, ScaleSettings};
pub use cluster_file::ClusterFile;
pub use code::Code;
pub use container::ContainerSettings;
pub use file_server::{Export, FileServerSpec};
pub use file_server_file::FileServerFile;
pub use job::{Demand, JobSpec, Priority, Resources};
pub use job_file::JobFile;
pub use kept::Kept;
pub use machine::Machines;
pub use mounts::MountVolumes;
pub use node_setup::NodeSetup;
pub use pool::{AgentKind, Api, Hooks, PoolSpec};
pub use report::FileReport;
pub use scheduling::{Begin, Indexes, Retry, RetryOn, Scheduling};
pub use secret::{Secret, SecretSource, SecretText};
pub use slurm::{Rest, SlurmSpec};
pub use sweep::{Point, SweepSpec};
pub use sweep_file::SweepFile;
pub use toolkit::{ToolKind, Toolkit};
