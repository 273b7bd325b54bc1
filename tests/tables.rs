//! The line that a table of tests comes to: how many rows, how they are shown, what is skipped and why. `tests/run` prints them all at
//! its end; each test binary with a table has this file as a module.

use std::io::Write;

/// Notes a table's line, where somebody collects them (`OSTLER_TABLES` names the file).
pub fn table(line: &str) {
    println!("table {line}");
    let Some(path) = std::env::var_os("OSTLER_TABLES") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // One write a line: several test programs do this at the same time.
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).expect("the file of the tables");
}
