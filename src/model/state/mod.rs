//! What is so. These types are at once the core's memory, the store's rows and what front ends draw: the core holds
//! each behind an `Arc`, changes a copy, and shares the rest.

pub mod cluster;
pub mod experiment;
pub mod file_server;
pub mod group;
pub mod job;
pub mod node;
pub mod observed;
pub mod sweep;

pub use cluster::{AllocationState, AutoState, Cap, Cluster, ClusterError, Full, NextStep, QueueHead};
pub use experiment::{Experiment, Tally, Workspace};
pub use file_server::{FileServer, Provisioning};
pub use group::{DEFAULT_GROUP, ResourceGroup};
pub use job::{
    AfterStop, ArrayMember, Away, Daemon, Dependency, DependsOn, ExecutionState, Folder, Happened, Job, JobError, Pause,
    PauseWhy, Proof, RankRun, RankState, StopWhy, shared_shape,
};
pub use node::{BootId, Facts, Login, Node, NodeState, Reach, Unusable};
pub use observed::{Idleness, Notice, Observed};
pub use sweep::{Block, Spans, Sweep, SweepMember};
