//! The command line from outside: arguments in, standard output, standard error and exit code out, against the real program.

mod bad_input;
mod classes;
mod code;
mod containers;
mod db;
mod declare;
mod files;
mod gpus;
mod guarded;
mod hard;
mod job_files;
mod lab;
mod places;
mod plan;
mod pools;
mod published;
mod queue;
mod refused;
mod rig;
mod rules;
mod sbatch;
mod secrets;
mod settings;
mod sweeps;
#[path = "../tables.rs"]
mod tables;
mod visit;
mod web;
mod words;
