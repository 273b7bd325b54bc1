//! Links over a real sshd on the loopback, and the data plane of files over links.

mod ssh;
mod sshd;
