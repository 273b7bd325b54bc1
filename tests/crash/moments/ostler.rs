//! The program: its host as a child of the test, and commands that use the host that runs and start none.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::SOON;

/// How often a state is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Short times, so that a test need not wait for what takes a person's patience.
const CONFIG: &str = "unreachable_after = \"2s\"\nkill_grace = \"1s\"\n";

/// Waits until `look` finds something.
///
/// # Panics
/// After a minute, with what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < SOON, "not within {SOON:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What a command gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// One state directory with its host.
pub struct Ostler {
    dir: PathBuf,
    host: Option<Child>,
}

impl Ostler {
    /// Makes a cluster of two nodes of this machine, waits until they are ready, and ends the host in order.
    pub fn with_nodes(dir: &Path) -> Self {
        std::fs::write(dir.join("config.toml"), CONFIG).unwrap();
        let mut ostler = Self { dir: dir.to_owned(), host: None };
        ostler.spawn(None);
        ostler.await_answer();
        ostler.ok(&["workspace", "create", "lab"]);
        ostler.ok(&["experiment", "create", "first"]);
        ostler.ok(&["cluster", "create", "c", "--provider", "local", "--target", "2"]);
        ostler.await_idle();
        ostler.ok(&["serve", "--stop"]);
        assert!(ostler.await_death().success());
        ostler
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub fn pid(&self) -> u32 {
        self.host.as_ref().expect("a host runs").id()
    }

    /// Has a host run whose nodes are ready. One that is to die at a moment of its own is always a new one: the former is
    /// killed, with nothing to do.
    pub fn start(&mut self, crash_at: Option<&str>) {
        if crash_at.is_some()
            && let Some(mut former) = self.host.take()
        {
            former.kill().unwrap();
            former.wait().unwrap();
        }
        if self.host.is_none() {
            self.spawn(crash_at);
            self.await_answer();
        }
        until("the nodes are ready", || self.ready());
    }

    fn spawn(&mut self, crash_at: Option<&str>) {
        let log = File::options().create(true).append(true).open(self.dir.join("serve.log")).unwrap();
        let mut command = self.command(&["serve"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.env("OSTLER_CRASH_AT", crash_at.unwrap_or_default());
        self.host = Some(command.spawn().unwrap());
    }

    fn await_answer(&self) {
        until("the host answers", || (self.run(&["serve", "--status"]).code == 0).then_some(()));
    }

    fn ready(&self) -> Option<()> {
        let nodes = self.json(&["cluster", "show", "c"])["nodes"].as_array().cloned()?;
        let ready = nodes.iter().filter(|node| matches!(node["state"].as_str(), Some("idle" | "running"))).count();
        (ready == 2 && nodes.len() == 2).then_some(())
    }

    /// Waits until both nodes have nothing to do.
    pub fn await_idle(&self) {
        until("both nodes are idle", || {
            let nodes = self.json(&["cluster", "show", "c"])["nodes"].as_array().cloned()?;
            (nodes.len() == 2 && nodes.iter().all(|node| node["state"] == "idle")).then_some(())
        });
    }

    /// Waits until the host has ended, and says how.
    pub fn await_death(&mut self) -> ExitStatus {
        let mut host = self.host.take().expect("a host runs");
        until("the host ends", || host.try_wait().unwrap())
    }

    /// Waits until a job has ended, and returns it.
    pub fn await_end(&self, name: &str) -> Value {
        until(&format!("{name} has ended"), || {
            let job = self.json(&["job", "show", name]);
            matches!(job["executionState"].as_str(), Some("succeeded" | "failed")).then_some(job)
        })
    }

    /// Waits until every act that was asked of nodes is answered: whoever starts next has none to begin with.
    pub fn await_nothing_owed(&self) {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = self.state().join(::ostler::store::DATABASE_FILE);
        let store = rusqlite::Connection::open_with_flags(file, flags).unwrap();
        until("the outbox is empty", || {
            let owed = store.query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0)).unwrap();
            (owed == 0).then_some(())
        });
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.arg("--no-server").arg("--state-dir").arg(self.state()).arg("--config").arg(self.dir.join("config.toml"));
        command.args(args).env("HOME", &self.dir).env("XDG_RUNTIME_DIR", &self.dir).env_remove("XDG_STATE_HOME");
        command.current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "ostler {args:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// Runs a command that has to end well, with `-o json`.
    pub fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("ostler {args:?}: {error}: {out}"))
    }
}

impl Drop for Ostler {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nodes: {}", self.run(&["cluster", "show", "c"]).out);
            eprintln!("jobs: {}", self.run(&["job", "list", "-o", "wide"]).out);
            let spools = "tail -n 20 serve.log state/*.log state/nodes/*/*/jobs/* state/nodes/*/*/run/agent state/nodes/*/*/run/watch; ls -l state/nodes/*/*/*; ps -ef";
            let shown = Command::new("sh").args(["-c", spools]).current_dir(&self.dir).stdin(Stdio::null()).output();
            eprintln!("{}", shown.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default());
        }
        if let Some(mut host) = self.host.take() {
            // It ends with the PID namespace at the latest.
            let _ = host.kill();
            let _ = host.wait();
        }
    }
}
