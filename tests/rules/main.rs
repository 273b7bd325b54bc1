//! What the source tree itself has to keep to: the layers of `src/ARCHITECTURE.md`, a head for each module, and nothing that
//! belongs to the machine where it was written.

mod acts;
mod generated;
mod layering;
mod licences;
mod model;
mod safety;
#[path = "../tables.rs"]
mod tables;
mod tree;
mod ux;
mod words;
