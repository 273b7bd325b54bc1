//! The program ended by `abort()` at each pass of each named point, then started again: no job is lost, none runs twice,
//! codes are true, and what was stopped stays stopped. Needs the feature `crash-points`; nodes are this machine.
//!
//! The life of a job, from the request to the acknowledged proof, is a row of turns, and each has a moment before its commit,
//! one between commit and act, and one after. So all passes of the points around a turn are all steps of
//! start, kill and adoption at which the controller can die by itself; [`moments`] has those at which its nodes are further on,
//! and what comes when another one dies at them: agent, supervisor, link, node.

mod moments;
mod pools;
#[path = "../tables.rs"]
mod tables;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No wait is longer.
const SOON: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A visit has some thirty turns; one that never ends has a fault.
const PASSES_MAX: u32 = 100;

/// One state directory, and what a person does there.
struct Visit {
    dir: tempfile::TempDir,
    case: String,
}

impl Visit {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        let dir = self.dir.path();
        // No host is ever looked for, wherever its name might lead.
        std::fs::write(dir.join("ssh_config"), "Host *\n  ProxyCommand false\n").unwrap();
        let config = format!("kill_grace = \"1s\"\nssh_config = {:?}\n", dir.join("ssh_config"));
        std::fs::write(dir.join("config.toml"), config).unwrap();
        command.arg("--state-dir").arg(dir.join("state")).arg("--config").arg(dir.join("config.toml")).args(args);
        command.env("HOME", dir).env("XDG_RUNTIME_DIR", dir).env_remove("XDG_STATE_HOME").env_remove("OSTLER_CRASH_AT");
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let out = self.command(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
    }

    /// Does something as a person does whose command was cut off by a crash: again, until it is done.
    fn insist(&self, args: &[&str]) {
        self.until(&format!("{args:?}"), || {
            let (code, out, err) = self.run(args);
            let done = code == 0 || err.contains("already") || (args[1] == "delete" && err.starts_with("error: no "));
            // Out of reach: it died under the command, or what took its place does not listen yet.
            assert!(done || code == 3, "{}: {args:?}: {code} {out} {err}", self.case);
            done.then_some(())
        });
    }

    fn job(&self, name: &str) -> Option<Value> {
        let (code, out, err) = self.run(&["job", "show", name, "-o", "json"]);
        assert!(code == 0 || code == 3, "{}: job {name} is lost: {code} {err}", self.case);
        (code == 0).then(|| serde_json::from_str(&out).unwrap())
    }

    fn in_state(&self, name: &str, states: &[&str]) -> Value {
        self.until(&format!("{name} is {states:?}"), || {
            self.job(name).filter(|job| job["executionState"].as_str().is_some_and(|state| states.contains(&state)))
        })
    }

    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < SOON, "{}: not within {SOON:?}: {what}\n{}", self.case, self.left());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Says how things stand, for who has to find out why one of them never came. It asks nobody: that could set it going.
    fn left(&self) -> String {
        let look = "cd \"$1\" && find . -type f && find . \\( -name '*.log*' -o -path '*/providers/*' -o -name bought \\) -type f -exec tail -n 40 {} + ; ps -eo pid,ppid,etime,args | grep -F \"$1\" | grep -v grep";
        let out = Command::new("sh").args(["-c", look, "sh"]).arg(self.dir.path()).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// How often a job wrote that it started.
    fn starts(&self, name: &str) -> u64 {
        let ledger = std::fs::read_to_string(self.dir.path().join("ledger")).unwrap_or_default();
        ledger.lines().filter(|line| *line == name).count() as u64
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.run(&["serve", "--stop"]);
    }
}

/// A host that ends itself at the given pass of a point.
fn host(visit: &Visit, at: &str) -> Child {
    let mut host = visit.command(&["serve"]);
    host.env("OSTLER_CRASH_AT", at).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs a whole visit with a crash in it; says whether the point was passed that often.
fn crashed(point: &str, pass: u32) -> bool {
    let visit = Visit { dir: tempfile::tempdir().unwrap(), case: format!("{point}:{pass}") };
    let mut host = host(&visit, &visit.case);
    visit.insist(&["workspace", "create", "w"]);
    visit.insist(&["experiment", "create", "e"]);
    visit.insist(&["cluster", "create", "c", "--provider", "local", "--target", "1"]);
    let line = |name: &str, rest: &str| format!("echo {name} >> {}/ledger; {rest}", visit.dir.path().display());
    let submit = |name: &str, rest: &str| {
        visit.insist(&["job", "create", "-c", "c", "--name", name, "--token", name, "--", &line(name, rest)]);
    };
    submit("ends", "exit 3");
    submit("stays", "sleep 1000");
    let job = visit.in_state("ends", &["succeeded", "failed"]);
    assert_eq!(job["executionInfo"]["exitCode"], 3, "{}: {job:#}", visit.case);
    assert_eq!((&job["attempt"], visit.starts("ends")), (&1.into(), 1), "{}: {job:#}", visit.case);

    // Each look starts a host where there is none.
    visit.in_state("stays", &["running"]);
    visit.until("the second runs", || visit.job("stays").and((visit.starts("stays") == 1).then_some(())));
    visit.insist(&["job", "terminate", "stays", "-y"]);
    let job = visit.in_state("stays", &["succeeded", "failed"]);
    assert_eq!(job["executionInfo"]["errors"][0]["code"], "JobTerminated", "{}: {job:#}", visit.case);
    assert_eq!((&job["attempt"], visit.starts("stays")), (&1.into(), 1), "{}: {job:#}", visit.case);
    assert!(!alive("sleep 1000", visit.dir.path()), "{}: it has ended and still runs", visit.case);

    visit.insist(&["cluster", "delete", "c", "-y"]);
    visit.until("the cluster is gone", || {
        let (code, out, _) = visit.run(&["cluster", "list", "-o", "json"]);
        (code == 0 && out.trim() == "[]").then_some(())
    });
    let crashed = host.try_wait().unwrap().is_some();
    visit.run(&["serve", "--stop"]);
    host.wait().unwrap();
    crashed
}

/// Says whether a process with this command line runs whose environment names the directory.
fn alive(what: &str, dir: &Path) -> bool {
    let dir = dir.to_str().unwrap().as_bytes();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        line.trim_end() == what && read("environ").windows(dir.len()).any(|part| part == dir)
    })
}

fn at_every_pass_of(point: &str) {
    let passes = (1..=PASSES_MAX).take_while(|pass| crashed(point, *pass)).count();
    assert!(passes > 8, "{point} was passed {passes} times; a visit has more turns");
    assert!(passes < PASSES_MAX as usize, "{point}: a visit does not come to an end");
    println!("{point}: {passes} crashes");
}

#[test]
fn before_every_commit() {
    at_every_pass_of("turn-before-commit");
}

#[test]
fn between_every_commit_and_its_acts() {
    at_every_pass_of("turn-committed");
}

#[test]
fn within_every_commit() {
    at_every_pass_of("store.commit.before");
}
