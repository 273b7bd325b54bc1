//! Layer 3: owns time, randomness and the life of all tasks.
pub mod call;
pub mod clock;
pub mod engine;
pub mod hooks;
pub mod perform;
pub mod publish;
pub mod resolve;
pub mod submit;
pub mod validate;
pub mod views;
