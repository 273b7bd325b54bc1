//! Screens: lists of messages in, pictures out.

mod beside;
mod filehost;
mod files;
mod forms;
mod keys;
mod load;
mod logs;
mod looks;
mod pictures;
mod played;
mod screen;
mod study;
mod windows;
mod world;
