//! The node's side, in every shell found here: dash, bash, busybox ash, and mksh where it is.
//!
//! Of other shells: yash 2.52 starts and ends processes well, which is tested; of all tests, with it in `in_every_shell`, two fail
//! there (a killed supervisor is not seen to be dead, and one process stays when the node is given up). posh 0.14 has no `-s`,
//! which the agent is started with and POSIX asks for, so it is refused by name (`no-shell`).

mod cut;
mod group;
mod kill;
mod life;
mod limits;
mod node;
mod older;
mod rate;
mod secrets;
mod session;
mod setup;
mod stalled;
