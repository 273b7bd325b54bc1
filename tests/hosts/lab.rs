//! Hosts: a thin layer over `tests/lab/nslab`.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How often a state is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Tags that labs of tests use; those below are for people.
const TAGS: std::ops::Range<u32> = 100..200;

/// Hosts h1, h2, … that end with this value.
pub struct Lab {
    tag: u32,
    dir: PathBuf,
    count: u32,
    /// Held as long as the tag is in use, by any process.
    _claim: File,
}

impl Lab {
    /// Starts `count` hosts with the user `ci` beside root.
    pub fn up(count: u32) -> Self {
        Self::up_with(count, &[])
    }

    /// Starts `count` hosts that all see this folder.
    pub fn up_sharing(count: u32, folder: &Path) -> Self {
        Self::up_with(count, &["-s", folder.to_str().unwrap()])
    }

    /// Starts Slurm: h1 is its controller and login node, the others its nodes, with one home for `ci` on all.
    pub fn up_slurm(nodes: u32, more: &[&str]) -> Self {
        let lab = Self::claimed(nodes + 1);
        let shared = lab.dir.join("shared");
        lab.nslab(&["up", "-n", &lab.count.to_string(), "-u", "ci", "-s", shared.to_str().unwrap()]);
        lab.slurm(&[&["up"], more].concat());
        lab
    }

    /// Does something to Slurm: `stop`, `start`, `node h2`; returns what it prints.
    pub fn slurm(&self, args: &[&str]) -> String {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/slurm"));
        command.args(args).env("NSLAB_TAG", self.tag.to_string()).env("NSLAB_DIR", &self.dir);
        let out = command.output().unwrap();
        assert!(out.status.success(), "slurm {args:?}: {out:?}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    fn claimed(count: u32) -> Self {
        let (tag, claim) = claim();
        let base = std::env::var_os("OSTLER_TEST_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let lab = Self { tag, dir: base.join(format!("nslab{tag}")), count, _claim: claim };
        // What an earlier test left that was killed.
        lab.nslab(&["down"]);
        lab
    }

    fn up_with(count: u32, more: &[&str]) -> Self {
        let lab = Self::claimed(count);
        lab.nslab(&[&["up", "-n", &count.to_string(), "-u", "ci"], more].concat());
        lab
    }

    /// Does something to the lab: `cut h1`, `heal h1`, …
    pub fn nslab(&self, args: &[&str]) -> String {
        let out = self.command(args).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "nslab {args:?}: {text}{}", String::from_utf8_lossy(&out.stderr));
        text
    }

    /// Runs a shell line on a host, as its root, not over ssh; returns what it prints. Its exit status does not matter.
    pub fn on(&self, host: &str, line: &str) -> String {
        let out = self.command(&["exec", host, "sh", "-c", line]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Runs a shell line on every host and returns what all print.
    pub fn on_all(&self, line: &str) -> String {
        self.hosts().map(|host| self.on(&host, line)).collect()
    }

    /// Ends every sshd of a host: the one that listens and those that serve a connection.
    pub fn kill_sshd(&self, host: &str) {
        self.nslab(&["sshd-kill", host]);
        self.on(host, "for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" = sshd ] && kill -9 ${p#/proc/}; done 2>/dev/null");
    }

    /// The names of all hosts.
    pub fn hosts(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.count).map(|i| format!("h{i}"))
    }

    /// The configuration that ssh reaches the hosts with.
    pub fn ssh_config(&self) -> PathBuf {
        self.dir.join("ssh_config")
    }

    /// An address on the hosts' network.
    pub fn address(&self, last: u32) -> String {
        format!("10.77.{}.{last}", self.tag)
    }

    /// A place for files of the test; it ends with the lab.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/nslab"));
        command.args(args).env("NSLAB_TAG", self.tag.to_string()).env("NSLAB_DIR", &self.dir);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = self.command(&["down"]).output();
        if !down.as_ref().is_ok_and(|out| out.status.success()) {
            eprintln!("nslab down: {down:?}");
        }
    }
}

fn claim() -> (u32, File) {
    for tag in TAGS {
        let file = File::create(std::env::temp_dir().join(format!("ostler-nslab-{tag}.lock"))).unwrap();
        match file.try_lock() {
            Ok(()) => return (tag, file),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => panic!("lock of tag {tag}: {e}"),
        }
    }
    panic!("all {TAGS:?} are in use");
}

/// Waits until `look` finds something.
///
/// # Panics
/// After `limit`, with what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
