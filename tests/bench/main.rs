//! The benchmarks: `cargo bench` prints one row each, `cargo bench -- NAME` those whose name holds NAME. Ratios and counts
//! are what to look at; seconds are of this machine at this moment. What limits a row stands in `README.md` beside it.

#[path = "../answering.rs"]
mod answering;
mod core;
mod figures;
mod growth;
mod hosts;
mod metrics;
mod picture;
mod pool;
#[path = "../pty.rs"]
mod pty;
mod recovery;
mod screen;
mod slurm;
mod sweep;
mod table;
mod terminal;

use figures::Board;

fn main() {
    if let Some(jobs) = std::env::var(growth::MEMORY_OF).ok().and_then(|jobs| jobs.parse().ok()) {
        return growth::print_memory(jobs);
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let mut board = Board::new(wanted);
    // Local nodes and hosts may be led by the native agent, as those of the program itself are.
    ostler::transport::program::offer(std::path::Path::new(env!("CARGO_BIN_EXE_ostler")));
    core::bench(&mut board);
    pool::bench(&mut board);
    growth::bench(&mut board);
    hosts::bench(&mut board);
    metrics::bench(&mut board);
    recovery::bench(&mut board);
    screen::bench(&mut board);
    slurm::bench(&mut board);
    sweep::bench(&mut board);
    table::bench(&mut board);
    terminal::bench(&mut board);
}
