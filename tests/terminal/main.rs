//! The program in a real terminal: tmux draws it, keys are typed, and what is seen is read from the screen. Each test has a
//! tmux server, a home and a state directory of its own.
//!
//! Without tmux the tests end at once and say so; `tests/run` installs it and fails when it is missing as root.

mod crash;
mod far;
mod hostile;
mod life;
mod place;
#[path = "../pty.rs"]
mod pty;
#[path = "../links/sshd.rs"]
mod sshd;
mod tmux;
mod visit;
