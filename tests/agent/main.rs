//! The node's side, in every shell found here: dash, bash, busybox ash, and mksh where it is.
//!
//! Of other shells: yash 2.52 starts and ends processes well, over a bad line too, which is tested. Of all 57 tests, with it in
//! `in_every_shell`, six fail there, since what it records as the supervisor is not the process that waits: a kill of that one is
//! not noticed, a lack of processes is not told in words, after some cuts nothing more is heard for a minute, and one process stays
//! when the node is given up. Nothing ran twice and no code was made up. posh 0.14 has no `-s`, which the agent is started with and
//! POSIX asks for, so it is refused by name (`no-shell`).

mod ahead;
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
mod takeover;
