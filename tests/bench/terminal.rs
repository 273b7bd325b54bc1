//! The real program on a terminal, with 100,000 jobs in its store: from its start to what it draws, what it costs while nothing
//! changes, and a key's effect while a log comes at 50,000 lines a second.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ostler::model::ids::{Epoch, Seq};
use ostler::model::snapshot::Change;
use ostler::model::units::UnixMillis;
use ostler::store::{Batch, DATABASE_FILE, Db, Store as _};

use crate::core::World;
use crate::figures::{Board, ROUNDS, millis};
use crate::pty::Terminal;

/// The size of the terminal.
const SIZE: (u16, u16) = (120, 40);
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
    let home = Home::new();
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

/// A user of the program, with a state of 100,000 waiting jobs.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let state = dir.path().join("state");
        ostler::store::lock::prepare_state_dir(&state).expect("a state directory");
        fill(&state.join(DATABASE_FILE));
        // A theme that is named is not asked for, so nothing waits for the terminal's answer.
        std::fs::write(dir.path().join("config.toml"), "theme = \"ostler-dark\"\n").expect("a configuration");
        Self { dir }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.arg("--state-dir").arg(self.dir.path().join("state"));
        command.env("OSTLER_CONFIG", self.dir.path().join("config.toml")).env("XDG_RUNTIME_DIR", self.dir.path());
        command
    }

    fn screen(&self, options: &[&str]) -> Terminal {
        Terminal::start(self.command().args(options), SIZE, None)
    }

    fn ostler(&self, words: &[&str]) {
        let done = self.command().args(words).output().expect("the program starts");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

fn fill(path: &Path) {
    let mut world = World::without_nodes();
    world.fill();
    let sched = world.sched();
    let rows = sched.workspaces().values().cloned().map(Change::Workspace);
    let rows = rows.chain(sched.clusters().values().cloned().map(Change::Cluster));
    let rows = rows.chain(sched.experiments().values().cloned().map(Change::Experiment));
    let rows = rows.chain(sched.jobs().values().cloned().map(Change::Job)).collect();
    let mut store = Db::open(path).expect("a new store");
    let epoch = store.next_epoch(UnixMillis(1)).expect("an epoch");
    assert_eq!(epoch, Epoch(1));
    let batch = Batch {
        seq: Seq(1),
        at: UnixMillis(1),
        epoch,
        events: Vec::new(),
        rows,
        issued: Vec::new(),
        answered: Vec::new(),
        counters: sched.counters(),
        sealed: Vec::new(),
    };
    store.commit(&batch).expect("room for them");
}
