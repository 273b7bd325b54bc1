//! `ostler job list` of many jobs: how long it takes from its start to its end, and what memory it has, beside `squeue` where that is
//! there, and beside `cat` of the same text, which is what no list can be faster than.

use std::process::Command;

use crate::figures::{Board, ROUNDS, millis};
use crate::home::{Home, Jobs, Seen, read};

/// Prints the rows of lists.
pub fn bench(board: &mut Board) {
    if !board.wants("list") {
        return;
    }
    for (count, words) in [(10_000, "10,000"), (100_000, "100,000")] {
        for (jobs, state) in [(Jobs::Waiting(count), "waiting"), (Jobs::Ended(count), "ended")] {
            let home = Home::new(jobs);
            let server = home.serve();
            let name = format!("list: {words} {state} jobs");
            let list = ["--no-server", "job", "list"];
            let first = rounds(board, &name, || home.read(&list));
            assert!(first.bytes > u64::from(count) * 40, "a list of {} bytes", first.bytes);
            board.row(&format!("{name}, memory of the client"), "MB", vec![first.memory]);
            let json = [&list[..], &["-o", "json"]].concat();
            rounds(board, &format!("{name}, as JSON"), || home.read(&json));
            if state == "waiting" {
                let text = home.command().args(list).output().expect("the program starts").stdout;
                std::fs::write(home.file("list"), text).expect("room for it");
                rounds(board, &format!("{name}: limit, cat of it"), || read(Command::new("cat").arg(home.file("list"))));
                rounds(board, &format!("{name}: limit, start alone"), || home.read(&["--version"]));
            }
            drop(server);
        }
    }
    match Command::new("squeue").arg("--version").output() {
        Ok(_) => board.skip("list: squeue -r", "see tests/lab/slurm for a controller with jobs"),
        Err(_) => board.skip("list: squeue -r", "squeue is not installed"),
    }
}

fn rounds(board: &mut Board, name: &str, run: impl Fn() -> Seen) -> Seen {
    let mut seen: Vec<Seen> = (0..ROUNDS).map(|_| run()).collect();
    board.row(name, "ms", seen.iter().map(|seen| millis(seen.wall)).collect());
    seen.swap_remove(0)
}
