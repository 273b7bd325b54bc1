//! The node's side, in every shell found here: dash, bash, busybox ash, and mksh where it is.

mod cut;
mod kill;
mod life;
mod node;
mod rate;
mod secrets;
mod session;
mod setup;
