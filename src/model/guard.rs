//! Checks that a test can take out, one at a time, to see that something notices (`tests/sim/mutants.rs`). Only with the feature
//! `crash-points`; without it each check is in force and costs nothing.

#[cfg(feature = "crash-points")]
static OUT: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Says whether the check of this name is in force.
#[cfg(feature = "crash-points")]
pub fn guard(name: &'static str) -> bool {
    OUT.get().is_none_or(|out| out != name)
}

/// Takes the check of this name out, for as long as this process lives.
///
/// # Panics
/// When one was taken out before.
#[cfg(feature = "crash-points")]
pub fn take_out(name: &str) {
    OUT.set(name.to_owned()).expect("one check is taken out at a time");
}

/// Says whether the check of this name is in force: each is.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn guard(_name: &'static str) -> bool {
    true
}
