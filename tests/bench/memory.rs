//! The memory of a core in a process of its own, with an empty state, with many jobs that wait or have ended, and with nodes.

use std::time::{Duration, Instant};

use crate::figures::{Board, ROUNDS};
use crate::home::{Home, Jobs, Server, memory_of};

/// How many nodes are there before memory is looked at.
const FIRST_NODES: u32 = 20;
/// How many more are made.
const NODES: u32 = 40;
/// No node takes longer to be there.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long memory is looked at after a start: what a start took is given back by then.
const SETTLED: Duration = Duration::from_secs(2);

/// Prints the rows of memory.
pub fn bench(board: &mut Board) {
    if !board.wants("memory") {
        return;
    }
    let empty = core(Jobs::Waiting(0), ROUNDS);
    let start = empty.own.iter().copied().fold(f64::INFINITY, f64::min);
    board.row("memory: core at start", "MB", empty.all);
    board.row("memory: core at start, without its program", "MB", empty.own);
    for (count, words) in [(10_000, "10,000"), (100_000, "100,000")] {
        for (jobs, state) in [(Jobs::Waiting(count), "waiting"), (Jobs::Ended(count), "ended")] {
            let seen = core(jobs, 3);
            let each = seen.own.iter().map(|mb| (mb - start) * 1e6 / f64::from(count)).collect();
            board.row(&format!("memory: core with {words} {state} jobs"), "MB", seen.all);
            board.row(&format!("memory: for each of {words} {state} jobs"), "B", each);
        }
    }
    nodes(board);
}

/// Memory in MB, once for each round.
#[derive(Default)]
struct Seen {
    /// All of it (RSS).
    all: Vec<f64>,
    /// Without what is a copy of a file: the program itself.
    own: Vec<f64>,
}

fn core(jobs: Jobs, rounds: usize) -> Seen {
    let home = Home::new(jobs);
    let mut seen = Seen::default();
    for _ in 0..rounds {
        let server = home.serve();
        seen.all.push(settled(&server));
        seen.own.push(memory_of(server.pid(), "RssAnon:"));
    }
    seen
}

fn settled(server: &Server) -> f64 {
    std::thread::sleep(SETTLED);
    memory_of(server.pid(), "VmRSS:")
}

/// What the first nodes take is also code and threads that are there once; so what more of them take is measured.
fn nodes(board: &mut Board) {
    let home = Home::new(Jobs::Waiting(0));
    let server = home.serve();
    home.ostler(&["cluster", "create", "here", "--provider", "local", "--target", &FIRST_NODES.to_string()]);
    until_idle(&home, FIRST_NODES);
    settled(&server);
    let before = memory_of(server.pid(), "RssAnon:");
    home.ostler(&["cluster", "scale", "here", &(FIRST_NODES + NODES).to_string()]);
    until_idle(&home, FIRST_NODES + NODES);
    settled(&server);
    let each = (memory_of(server.pid(), "RssAnon:") - before) * 1e3 / f64::from(NODES);
    board.row("memory: for each more local node, without its agent", "kB", vec![each]);
    home.ostler(&["cluster", "delete", "here", "--force", "-y"]);
    drop(server);
}

fn until_idle(home: &Home, count: u32) {
    let end = Instant::now() + DEADLINE;
    loop {
        let listed =
            home.command().args(["cluster", "node", "list", "-c", "here", "-o", "json"]).output().expect("it starts").stdout;
        if String::from_utf8_lossy(&listed).matches("\"idle\"").count() >= count as usize {
            return;
        }
        assert!(Instant::now() < end, "{}", String::from_utf8_lossy(&listed));
        std::thread::sleep(Duration::from_millis(200));
    }
}
