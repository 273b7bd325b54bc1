//! Links over a real sshd on the loopback, and the data plane of files over links.

mod copies;
mod follows;
mod looks;
mod shells;
mod ssh;
mod sshd;
