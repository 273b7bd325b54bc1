//! Links over a real sshd on the loopback, and the data plane of files over links.

mod copies;
mod follows;
mod looks;
mod native;
mod nodes;
mod shells;
mod ships;
mod ssh;
mod sshd;
