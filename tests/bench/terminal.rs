//! The real program on a terminal, with 100,000 jobs in its store: from its start to what it draws, what it costs while nothing
//! changes, and a key's effect while a log comes at 50,000 lines a second.

use std::time::Duration;

use crate::figures::{Board, ROUNDS, millis};
use crate::home::{Home, Jobs};

/// How long it is left alone.
const IDLE: Duration = Duration::from_secs(10);
/// How often a key is pressed.
const KEYS: usize = 200;
/// Some 50,000 lines a second; `seq` writes faster than one looks.
const FLOOD: &str = "while :; do seq -f 'step %g loss=0.2131 lr=0.003 batch 64' 2500; sleep 0.05; done";

/// Prints the rows of the program on a terminal.
pub fn bench(board: &mut Board) {
    if !board.wants("terminal") {
        return;
    }
    let few = Home::new(Jobs::Waiting(10_000));
    let mut first = Vec::new();
    for _ in 0..ROUNDS {
        let mut terminal = few.screen(&["--no-server"]);
        let at = terminal.until("first frame", |screen| screen.contains("run-"));
        first.push(millis(terminal.since_start(at)));
        terminal.end();
    }
    board.row("terminal: start to rows of 10,000 jobs", "ms", first);
    let home = Home::new(Jobs::Waiting(100_000));
    let (mut first, mut live, mut cpu, mut drawn) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut terminal = home.screen(&["--no-server"]);
        let at = terminal.until("first frame", |screen| screen.contains("run-"));
        first.push(millis(terminal.since_start(at)));
        let at = terminal.until("numbers of the core", answers);
        live.push(millis(terminal.since_start(at)));
        if round == 0 {
            // What follows a start: files are looked at, old logs are looked for.
            std::thread::sleep(IDLE);
            for _ in 0..ROUNDS {
                let (before, _) = terminal.used();
                std::thread::sleep(IDLE);
                let (after, bytes) = terminal.used();
                cpu.push((after - before) / IDLE.as_secs_f64() * 100.0);
                drawn.push(bytes as f64 / IDLE.as_secs_f64());
            }
        }
        terminal.end();
    }
    board.row("terminal: start to rows of 100,000 jobs", "ms", first);
    board.row("terminal: start to the running core", "ms", live);
    board.row("terminal: CPU while nothing changes", "%", cpu);
    board.row("terminal: drawn while nothing changes", "B/s", drawn);
    flood(board, &home);
}

/// The core answers: its numbers stand where `opening` stood.
fn answers(screen: &str) -> bool {
    screen.contains(" running ") && !screen.contains("opening the state")
}

fn flood(board: &mut Board, home: &Home) {
    home.ostler(&["cluster", "create", "here", "--provider", "local", "--target", "1"]);
    home.ostler(&["job", "create", "--cluster", "here", "--name", "flood", "--", "sh", "-c", FLOOD]);
    let mut terminal = home.screen(&[]);
    terminal.until("numbers of the core", answers);
    terminal.press(":flood\r");
    terminal.until("the log", |screen| screen.contains("step ") && screen.contains("following"));
    let mut keys = Vec::new();
    for _ in 0..KEYS {
        let pressed = terminal.press("?");
        keys.push(millis(terminal.until("help", |screen| screen.contains("In the tree")) - pressed));
        terminal.press("\x1b");
        terminal.until("no help", |screen| !screen.contains("In the tree"));
    }
    board.percentiles("terminal: key to screen beside 50,000 lines/s", "ms", keys);
    terminal.end();
    home.ostler(&["cluster", "delete", "here", "--force", "-y"]);
    home.ostler(&["serve", "--stop"]);
}
