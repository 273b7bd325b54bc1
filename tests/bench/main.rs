//! The benchmarks: `cargo bench` prints one row each, `cargo bench -- NAME` those whose name holds NAME. Ratios and counts
//! are what to look at; seconds are of this machine at this moment. What limits a row stands in `README.md` beside it.

#[path = "../answering.rs"]
mod answering;
mod core;
mod figures;
mod growth;
mod home;
mod hosts;
mod listing;
mod logins;
mod logs;
mod memory;
mod metrics;
mod peers;
mod picture;
mod pool;
#[path = "../pty.rs"]
mod pty;
mod recovery;
mod screen;
mod slurm;
mod submits;
mod sweep;
mod table;
mod terminal;

use figures::Board;

/// Set once the home is an empty one.
const HOME_IS_EMPTY: &str = "OSTLER_BENCH_HOME";

/// Runs the benchmarks with an empty home: jobs read `~/.bashrc`, and one that sets up pyenv or conda costs 100 ms a job.
fn in_an_empty_home() {
    let home = tempfile::tempdir().expect("an empty home");
    let program = std::env::current_exe().expect("this program");
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).env("HOME", home.path()).env(HOME_IS_EMPTY, "1");
    let status = again.status().expect("the benchmarks run");
    drop(home);
    std::process::exit(status.code().unwrap_or(1));
}

fn main() {
    if let Some(jobs) = std::env::var(growth::MEMORY_OF).ok().and_then(|jobs| jobs.parse().ok()) {
        return growth::print_memory(jobs);
    }
    if let Some(delay) = std::env::var(hosts::WIRE).ok().and_then(|delay| delay.parse().ok()) {
        return hosts::wire(delay);
    }
    if std::env::var_os(HOME_IS_EMPTY).is_none() {
        return in_an_empty_home();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let mut board = Board::new(wanted);
    // Local nodes and hosts may be led by the native agent, as those of the program itself are.
    ostler::transport::program::offer(std::path::Path::new(env!("CARGO_BIN_EXE_ostler")));
    core::bench(&mut board);
    pool::bench(&mut board);
    growth::bench(&mut board);
    hosts::bench(&mut board);
    listing::bench(&mut board);
    logins::bench(&mut board);
    logs::bench(&mut board);
    memory::bench(&mut board);
    metrics::bench(&mut board);
    recovery::bench(&mut board);
    screen::bench(&mut board);
    slurm::bench(&mut board);
    submits::bench(&mut board);
    sweep::bench(&mut board);
    table::bench(&mut board);
    terminal::bench(&mut board);
}
