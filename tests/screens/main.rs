//! Screens: lists of messages in, pictures out.

mod beside;
mod equivalent;
mod filehost;
mod files;
mod forms;
mod hostile;
mod keys;
mod load;
mod logs;
mod looks;
mod making;
mod pictures;
mod played;
mod screen;
mod slurm;
mod small;
mod study;
#[path = "../tables.rs"]
mod tables;
mod windows;
mod world;
