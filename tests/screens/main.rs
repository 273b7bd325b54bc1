//! Screens: lists of messages in, pictures out.

mod keys;
mod looks;
mod pictures;
mod played;
mod screen;
mod world;
