//! The program as a user has it, against real sshd on hosts in namespaces (`tests/lab/nslab`): each test has a lab and a
//! state directory of its own. They need root and are therefore ignored by `cargo test`; `tests/run` runs them.

mod among;
mod code;
mod containers;
mod crowd;
mod faults;
mod files;
mod frameworks;
mod frameworks_real;
mod jobs;
mod kept;
mod kinds;
mod lab;
mod links;
mod mounts;
mod mpi;
mod nfs;
mod ostler;
mod providers;
mod queue;
mod refused;
mod restart;
mod scale;
mod screen_slurm;
mod setup;
mod shared;
mod sign_in;
mod slurm;
mod slurm_arrays;
mod slurm_contain;
mod slurm_faults;
mod slurm_look;
mod slurm_mpi;
mod slurm_pool;
mod slurm_rest;
mod smb;
mod soak;
mod study;
#[path = "../tables.rs"]
mod tables;
#[path = "../terminal/tmux.rs"]
mod tmux;
mod visit;
