//! A user of the real program, with a state of so many jobs.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostler::model::ids::{Epoch, Seq};
use ostler::model::snapshot::Change;
use ostler::model::state::{ExecutionState, Experiment, Job};
use ostler::model::units::UnixMillis;
use ostler::store::{Batch, DATABASE_FILE, Db, Store as _};

use crate::core::World;
use crate::pty::Terminal;

/// The size of the terminal.
const SIZE: (u16, u16) = (120, 40);
/// No server takes longer to begin or to end.
const DEADLINE: Duration = Duration::from_secs(60);

/// Of what state all jobs are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// They wait; the cluster has no node.
    Waiting(u32),
    /// They ended well.
    Ended(u32),
}

/// A user of the program.
pub struct Home {
    dir: tempfile::TempDir,
}

/// A core in a process of its own, which ends with this.
pub struct Server {
    child: Child,
}

/// What a client did.
pub struct Seen {
    /// From its start to its end.
    pub wall: Duration,
    /// The bytes that it wrote.
    pub bytes: u64,
    /// The most memory that it had, in MB, as far as was seen.
    pub memory: f64,
}

impl Home {
    /// Makes the state.
    pub fn new(jobs: Jobs) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let state = dir.path().join("state");
        ostler::store::lock::prepare_state_dir(&state).expect("a state directory");
        fill(&state.join(DATABASE_FILE), jobs);
        // A theme that is named is not asked for, so nothing waits for the terminal's answer.
        std::fs::write(dir.path().join("config.toml"), "theme = \"ostler-dark\"\n").expect("a configuration");
        Self { dir }
    }

    /// Returns a file among this user's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Has the program look up hosts in this ssh configuration.
    pub fn name_ssh_config(&self, file: &str) {
        let text = format!("theme = \"ostler-dark\"\nssh_config = \"{file}\"\n");
        std::fs::write(self.dir.path().join("config.toml"), text).expect("a configuration");
    }

    /// Returns the program, to be called by this user.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.arg("--state-dir").arg(self.dir.path().join("state"));
        command.env("OSTLER_CONFIG", self.dir.path().join("config.toml")).env("XDG_RUNTIME_DIR", self.dir.path());
        command
    }

    /// Opens the screen.
    pub fn screen(&self, options: &[&str]) -> Terminal {
        Terminal::start(self.command().args(options), SIZE, None)
    }

    /// Runs a command that has to succeed.
    pub fn ostler(&self, words: &[&str]) {
        let done = self.command().args(words).output().expect("the program starts");
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Starts the core and waits until it answers.
    pub fn serve(&self) -> Server {
        let mut command = self.command();
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server { child: command.spawn().expect("the program starts") };
        let end = Instant::now() + DEADLINE;
        loop {
            let asked = self.command().args(["--no-server", "job", "list", "--limit", "1"]).output().expect("it starts");
            if asked.status.success() {
                return server;
            }
            assert!(Instant::now() < end, "no core: {}", String::from_utf8_lossy(&asked.stderr));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a command that has to succeed and reads what it writes.
    pub fn read(&self, words: &[&str]) -> Seen {
        read(self.command().args(words))
    }
}

/// Runs a program that has to succeed and reads what it writes.
pub fn read(program: &mut Command) -> Seen {
    let start = Instant::now();
    let mut child = program.stdout(Stdio::piped()).spawn().expect("the program starts");
    let (id, mut out) = (child.id(), child.stdout.take().expect("its output"));
    let (mut piece, mut bytes, mut memory) = (vec![0; 256 << 10], 0, 0.0_f64);
    let mut looked = 0;
    while let Ok(count @ 1..) = out.read(&mut piece) {
        bytes += count as u64;
        // A look takes some 20 us, so there is one for each MiB.
        if bytes >> 20 >= looked {
            looked = (bytes >> 20) + 1;
            memory = memory.max(memory_of(id, "VmHWM:"));
        }
    }
    let status = child.wait().expect("it ends");
    let wall = start.elapsed();
    assert!(status.success(), "{program:?}");
    Seen { wall, bytes, memory }
}

/// Returns a figure of a process's memory in MB: `VmRSS:`, `VmHWM:` (the most).
pub fn memory_of(pid: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    kib * 1024.0 / 1e6
}

impl Server {
    /// Returns its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn fill(path: &Path, jobs: Jobs) {
    let mut world = World::without_nodes();
    let (Jobs::Waiting(count) | Jobs::Ended(count)) = jobs;
    if count > 0 {
        world.submit(count);
    }
    let sched = world.sched();
    let over = matches!(jobs, Jobs::Ended(_));
    let rows = sched.workspaces().values().cloned().map(Change::Workspace);
    let rows = rows.chain(sched.clusters().values().cloned().map(Change::Cluster));
    let rows = rows.chain(sched.experiments().values().map(|row| Change::Experiment(experiment(row, over))));
    let rows = rows.chain(sched.jobs().values().map(|row| Change::Job(job(row, over)))).collect();
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

fn experiment(row: &Arc<Experiment>, over: bool) -> Arc<Experiment> {
    let mut row = row.clone();
    if over {
        let tally = &mut Arc::make_mut(&mut row).tally;
        (tally.succeeded, tally.queued) = (tally.queued, 0);
    }
    row
}

fn job(row: &Arc<Job>, over: bool) -> Arc<Job> {
    let mut row = row.clone();
    if over {
        let job = Arc::make_mut(&mut row);
        let at = UnixMillis(1_790_000_000_000);
        (job.state, job.last.exit_code) = (ExecutionState::Succeeded, Some(0));
        (job.last.started, job.last.ended) = (Some(at), Some(at));
    }
    row
}
