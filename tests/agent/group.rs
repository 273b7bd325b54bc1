//! A control group of one test, which limits what the node's processes may have: their number, or their memory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ostler::transport::agent::Tuning;
use rustix::process::Signal;

use crate::node::{Shell, kill, lives, tuning};

/// How long the processes of a group may take to end with it.
const END_MAX: Duration = Duration::from_secs(20);

/// A group that ends with this value, and all of its processes before it.
pub struct Group {
    dir: PathBuf,
    /// Of version 1 of the kernel's interface, whose files have other names.
    first: bool,
}

impl Group {
    /// Makes a group with this controller, `pids` or `memory`; says so when none can be made here.
    pub fn new(controller: &str) -> Option<Self> {
        let all = Path::new("/sys/fs/cgroup");
        let name = format!("ostler-test-{}", uuid::Uuid::new_v4().simple());
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        // Below our own where there is one tree a controller, so that its limits hold too; a group with processes has no
        // groups with limits below it where there is one tree for all.
        let own = own.lines().find_map(|line| line.split_once(&format!(":{controller}:/")).map(|(_, path)| path.to_owned()));
        let (dir, first) = match own {
            Some(path) => (all.join(controller).join(path).join(name), true),
            None => (all.join(name), false),
        };
        let made = std::fs::create_dir(&dir);
        let group = Self { dir, first };
        if made.is_ok() && group.file(controller).exists() {
            return Some(group);
        }
        println!("did not run: no group for {controller} can be made here: {made:?}");
        None
    }

    fn file(&self, controller: &str) -> PathBuf {
        self.dir.join(match (controller, self.first) {
            ("memory", true) => "memory.limit_in_bytes",
            ("memory", false) => "memory.max",
            _ => "pids.max",
        })
    }

    /// Limits what they may have.
    pub fn limit(&self, controller: &str, most: u64) {
        std::fs::write(self.file(controller), most.to_string()).unwrap();
    }

    /// Lets them have no process more, however many there are and whatever ends.
    pub fn close(&self) {
        self.limit("pids", 1);
    }

    /// Lets them have as many processes as they like.
    pub fn open(&self) {
        std::fs::write(self.file("pids"), "max").unwrap();
    }

    /// Takes this process into the group and leaves it no memory to get, so that the kernel kills it for the next page it wants.
    pub fn starve(&self, pid: i32) {
        std::fs::write(self.dir.join("cgroup.procs"), pid.to_string()).unwrap();
        self.limit("memory", 0);
    }

    /// Returns how many processes of the group the kernel has killed for want of memory.
    pub fn killed(&self) -> u64 {
        let file = if self.first { "memory.oom_control" } else { "memory.events" };
        let text = std::fs::read_to_string(self.dir.join(file)).unwrap();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).unwrap().parse().unwrap()
    }

    /// Returns how a node is started whose agent and whose jobs are all in this group.
    pub fn tuning(&self, shell: Shell, dir: &Path) -> Tuning {
        let program = dir.join("grouped");
        let script =
            format!("#!/bin/sh\necho $$ >{}/cgroup.procs\nexec {} \"$@\"\n", self.dir.display(), shell.words.join(" "));
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Tuning { shell: program.to_str().unwrap().to_owned(), ..tuning(shell) }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let began = Instant::now();
        while std::fs::remove_dir(&self.dir).is_err() && began.elapsed() < END_MAX {
            let pids = std::fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
            let pids = pids.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid > 1 && lives(*pid));
            pids.for_each(|pid| kill(pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
