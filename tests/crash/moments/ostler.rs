//! The program: its host as a child of the test, and commands that use the host that runs and start none; and its two nodes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::SOON;
use super::sshd;

/// How often a state is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Short times, so that a test need not wait for what takes a person's patience.
const CONFIG: &str = "unreachable_after = \"2s\"\nkill_grace = \"1s\"\n";
/// The home of whoever signs in to the nodes behind sshd, below the test's directory.
const HOME: &str = "home";

/// What a host does at a moment of its own.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    /// It ends as a crash ends it.
    DieAt(&'a str),
    /// It stands still until the test has struck.
    HoldAt(&'a str),
}

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

/// One state directory with its host, and where its nodes' spools are.
pub struct Ostler {
    dir: PathBuf,
    host: Option<Child>,
    sshd: Option<sshd::Host>,
    nodes: PathBuf,
}

impl Ostler {
    /// Makes a cluster of two nodes of this machine, which need no ssh, waits until they are ready, and ends the host in order.
    pub fn with_local_nodes(dir: &Path, agent: &str) -> Self {
        std::fs::write(dir.join("config.toml"), CONFIG).unwrap();
        let ostler = Self { dir: dir.to_owned(), host: None, sshd: None, nodes: dir.join("state/nodes") };
        ostler.prepared(&["--provider", "local", "--agent", agent])
    }

    /// The same with two nodes behind an sshd of this machine; `None` where there is none.
    pub fn with_sshd(dir: &Path) -> Option<Self> {
        let home = dir.join(HOME);
        std::fs::create_dir(&home).unwrap();
        let sshd = sshd::Host::start(&format!("SetEnv HOME={}", home.display()))?;
        let ssh = sshd.write_config("ssh_config", "Host n1 n2");
        std::fs::write(dir.join("config.toml"), format!("{CONFIG}ssh_config = {ssh:?}\n")).unwrap();
        let nodes = home.join(".local/state/ostler-node");
        let ostler = Self { dir: dir.to_owned(), host: None, sshd: Some(sshd), nodes };
        Some(ostler.prepared(&["--hosts", "n1,n2"]))
    }

    fn prepared(mut self, provider: &[&str]) -> Self {
        let ostler = &mut self;
        ostler.spawn(None);
        ostler.await_answer();
        ostler.ok(&["workspace", "create", "lab"]);
        ostler.ok(&["experiment", "create", "first"]);
        ostler.ok(&[&["cluster", "create", "c", "--target", "2"], provider].concat());
        ostler.await_idle();
        ostler.ok(&["serve", "--stop"]);
        assert!(ostler.await_death().success());
        self
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns where the spools of the nodes are.
    pub fn nodes(&self) -> &Path {
        &self.nodes
    }

    /// Returns the home of whoever signs in to the nodes behind sshd.
    pub fn home(&self) -> PathBuf {
        self.dir.join(HOME)
    }

    /// Returns the process that takes connections to the nodes.
    pub fn listener(&self) -> Option<i32> {
        self.sshd.as_ref().map(|sshd| sshd.listener().as_raw_nonzero().get())
    }

    pub fn pid(&self) -> u32 {
        self.host.as_ref().expect("a host runs").id()
    }

    /// Has a host run whose nodes are ready. One that is to die or to stand still at a moment of its own is always a new one:
    /// the former is killed, with nothing to do.
    pub fn start(&mut self, moment: Option<Moment<'_>>) {
        if moment.is_some() {
            self.kill_if_any();
        }
        if self.host.is_none() {
            self.spawn(moment);
            self.await_answer();
        }
        until("the nodes are ready", || self.ready());
    }

    /// Kills the host, if one runs.
    pub fn kill_if_any(&mut self) {
        if let Some(mut former) = self.host.take() {
            former.kill().unwrap();
            former.wait().unwrap();
        }
    }

    fn spawn(&mut self, moment: Option<Moment<'_>>) {
        let log = File::options().create(true).append(true).open(self.dir.join("serve.log")).unwrap();
        let mut command = self.command(&["serve"]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        match moment {
            None => {}
            Some(Moment::DieAt(name)) => _ = command.env("OSTLER_CRASH_AT", name),
            Some(Moment::HoldAt(name)) => {
                command.env("OSTLER_CRASH_AT", name).env("OSTLER_CRASH_HOLD", &self.dir);
            }
        }
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
        let file = self.dir.join("state").join(::ostler::store::DATABASE_FILE);
        let store = rusqlite::Connection::open_with_flags(file, flags).unwrap();
        until("the outbox is empty", || {
            let owed = store.query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0)).unwrap();
            (owed == 0).then_some(())
        });
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command
            .arg("--no-server")
            .arg("--state-dir")
            .arg(self.dir.join("state"))
            .arg("--config")
            .arg(self.dir.join("config.toml"));
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
            let spools = "tail -n 20 serve.log state/*.log; cd \"$1\" && tail -n 20 */*/jobs/* */*/done/* */*/run/agent */*/run/watch; ls -l */*/*; ps -ef";
            let shown = Command::new("sh")
                .args(["-c", spools, "-"])
                .arg(&self.nodes)
                .current_dir(&self.dir)
                .stdin(Stdio::null())
                .output();
            eprintln!("{}", shown.map(|shown| String::from_utf8_lossy(&shown.stdout).into_owned()).unwrap_or_default());
        }
        if let Some(mut host) = self.host.take() {
            // It ends with the PID namespace at the latest.
            let _ = host.kill();
            let _ = host.wait();
        }
    }
}
