//! The program: started as a user starts it, on a state directory of its own.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, until};
use crate::tmux::Tmux;

/// How long anything may take that the program promises to do soon. Far above what it takes, for a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

/// What a command gave.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// One state directory and the commands on it. Ends its server when dropped.
pub struct Ostler<'a> {
    /// The hosts it uses.
    pub lab: &'a Lab,
    dir: PathBuf,
}

impl<'a> Ostler<'a> {
    /// Makes a workspace, an experiment, and a cluster `c` with all hosts of the lab and a target.
    pub fn with_cluster(lab: &'a Lab, target: u32) -> Self {
        let hosts: Vec<String> = lab.hosts().collect();
        let ostler = Self::new(lab);
        ostler.ok(&["cluster", "create", "c", "--hosts", &hosts.join(","), "--target", &target.to_string()]);
        ostler
    }

    /// Makes a workspace and an experiment.
    pub fn new(lab: &'a Lab) -> Self {
        let dir = lab.dir().join("ostler");
        std::fs::create_dir_all(&dir).unwrap();
        // Short times, so that a test need not wait for what takes a person's patience.
        std::fs::write(dir.join("config.toml"), CONFIG).unwrap();
        let ostler = Self { lab, dir };
        ostler.ok(&["workspace", "create", "lab"]);
        ostler.ok(&["experiment", "create", "first"]);
        ostler
    }

    /// Returns a command on this state, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command.arg("--state-dir").arg(self.dir.join("state"));
        command.arg("--config").arg(self.dir.join("config.toml")).arg("-F").arg(self.lab.ssh_config());
        command.args(args).env("HOME", &self.dir).env("XDG_RUNTIME_DIR", &self.dir).env_remove("XDG_STATE_HOME");
        command
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// Runs a command that has to end well, and returns what it prints.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "ostler {args:?}: {ran:?}");
        ran.out
    }

    /// Runs a command with `-o json`.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["-o", "json"]);
        let out = self.ok(&all);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("ostler {all:?}: {e}: {out}"))
    }

    /// Submits a command line as a job.
    pub fn submit(&self, name: &str, line: &str) {
        self.ok(&["job", "create", "-c", "c", "--name", name, "--", "sh", "-c", line]);
    }

    /// Submits a job file.
    pub fn submit_file(&self, name: &str, properties: Value) {
        let path = self.dir.join(format!("{name}.json"));
        std::fs::write(&path, serde_json::json!({ "properties": properties }).to_string()).unwrap();
        self.ok(&["job", "create", "-c", "c", "--name", name, "-f", path.to_str().unwrap()]);
    }

    /// Starts a command at a terminal.
    pub fn at_terminal(&self, args: &[&str]) -> Tmux {
        let command = self.command(args);
        let set = |(name, value): (&OsStr, Option<&OsStr>)| {
            value.map(|value| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        };
        let words =
            [command.get_program()].into_iter().chain(command.get_args()).map(|word| word.to_string_lossy().into_owned());
        let line: Vec<String> =
            std::iter::once("env".to_owned()).chain(command.get_envs().filter_map(set)).chain(words).collect();
        Tmux::start(self.lab.dir(), 100, 30, &line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Submits a job file that may be refused.
    pub fn run_file(&self, name: &str, properties: Value) -> Ran {
        let path = self.dir.join(format!("{name}.json"));
        std::fs::write(&path, serde_json::json!({ "properties": properties }).to_string()).unwrap();
        self.run(&["job", "create", "-c", "c", "--name", name, "-f", path.to_str().unwrap()])
    }

    /// Adds to the configuration, before the server reads it: ends one that runs.
    pub fn configure(&self, more: &str) {
        self.run(&["serve", "--stop"]);
        std::fs::write(self.dir.join("config.toml"), format!("{CONFIG}\n{more}")).unwrap();
    }

    /// Returns a job as it is.
    pub fn job(&self, name: &str) -> Value {
        self.json(&["job", "show", name])
    }

    /// Returns all jobs, oldest first.
    pub fn jobs(&self) -> Vec<Value> {
        self.json(&["job", "list"]).as_array().cloned().unwrap()
    }

    /// Returns the nodes of the cluster.
    pub fn nodes(&self) -> Vec<Value> {
        self.json(&["cluster", "show", "c"])["nodes"].as_array().cloned().unwrap()
    }

    /// Returns the node with this name.
    pub fn node(&self, name: &str) -> Option<Value> {
        self.nodes().into_iter().find(|node| node["name"] == name)
    }

    /// Waits until a job has ended, and returns it.
    pub fn await_end(&self, name: &str) -> Value {
        until(&format!("{name} has ended"), SOON, || {
            let job = self.job(name);
            matches!(job["executionState"].as_str(), Some("succeeded" | "failed")).then_some(job)
        })
    }

    /// Waits until so many nodes are idle or running.
    pub fn await_ready(&self, count: usize) {
        until(&format!("{count} nodes are ready"), SOON, || {
            let nodes = self.nodes();
            let ready = nodes.iter().filter(|n| matches!(n["state"].as_str(), Some("idle" | "running"))).count();
            (ready == count).then_some(())
        });
    }

    /// Ends the server at once, as a power cut would.
    pub fn kill_server(&self) {
        let status = self.run(&["serve", "--status", "-o", "json"]);
        if status.code == 3 {
            return;
        }
        let status: Value = serde_json::from_str(&status.out).unwrap();
        let pid = i32::try_from(status["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        until("the server is gone", SOON, || rustix::process::test_kill_process(pid).is_err().then_some(()));
    }
}

impl Drop for Ostler<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("nodes: {:?}", self.run(&["cluster", "show", "c", "-o", "json"]));
            eprintln!("jobs: {:?}", self.run(&["job", "list", "-o", "json"]));
        }
        self.run(&["serve", "--stop"]);
    }
}

/// Returns the exit code of a job.
pub fn exit_code(job: &Value) -> Option<i64> {
    job["executionInfo"]["exitCode"].as_i64()
}

const CONFIG: &str = r#"
unreachable_after = "2s"
kill_grace = "1s"
gang_lost_after = "3s"
"#;
