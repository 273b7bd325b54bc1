//! What is killed beside the program, in the PID namespace that the test has for itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use super::CONTAINED;
use super::node::roots;
use super::ostler::Ostler;

/// What the kernel says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Who takes part in a process's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struck {
    /// The program, with its scheduler.
    Core,
    /// The agents of the nodes.
    Agent,
    /// Whoever waits for the process, and so for its exit code.
    Supervisor,
    /// The ssh connections to the nodes.
    Link,
    /// The nodes: all that runs there ends, and another boot begins.
    Node,
}

impl Struck {
    /// Returns who it is, in words.
    pub fn who(self) -> &'static str {
        match self {
            Self::Core => "the core",
            Self::Agent => "the agent",
            Self::Supervisor => "the supervisor",
            Self::Link => "the link",
            Self::Node => "the node",
        }
    }

    /// Returns what happens to it.
    pub fn what(self) -> &'static str {
        match self {
            Self::Core | Self::Agent | Self::Supervisor => "killed",
            Self::Link => "cut",
            Self::Node => "booted",
        }
    }
}

/// Lets this namespace have a boot id that [`strike`] can change.
pub fn own_boot_id(dir: &Path) {
    let own = dir.join("boot_id");
    fs::write(&own, boot(1)).unwrap();
    let mounted = Command::new("mount").arg("--bind").args([own.as_os_str(), BOOT_ID.as_ref()]).status().unwrap();
    assert!(mounted.success(), "a boot id of our own");
}

fn boot(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000\n")
}

/// Does it.
pub fn strike(ostler: &Ostler, struck: Struck) {
    match struck {
        Struck::Core => unreachable!("the program is the test's own child"),
        Struck::Agent => {
            for root in roots(ostler.nodes()) {
                let text = fs::read_to_string(root.join("run/agent")).unwrap_or_default();
                text.split_ascii_whitespace().next().and_then(|word| word.parse().ok()).into_iter().for_each(kill);
            }
        }
        Struck::Supervisor => supervisors(ostler.nodes()).into_iter().for_each(kill),
        Struck::Link => named("ssh").into_iter().for_each(kill),
        Struck::Node => {
            // As when the power goes: nobody is left to do anything, and then there is another boot.
            let home = format!("HOME={}", ostler.home().display());
            let of_node = |process: &PathBuf| {
                let environment = fs::read(process.join("environ")).unwrap_or_default();
                environment.split(|&byte| byte == 0).any(|word| word == home.as_bytes())
            };
            // What is started while we look is found by the next look.
            loop {
                let all: Vec<PathBuf> = processes().into_iter().filter(of_node).filter(|process| lives(process)).collect();
                if all.is_empty() {
                    break;
                }
                all.iter().for_each(|process| kill(number(process)));
            }
            named("sshd").into_iter().filter(|pid| Some(*pid) != ostler.listener()).for_each(kill);
            let before = fs::read_to_string(BOOT_ID).unwrap();
            let number = u32::from_str_radix(&before[..8], 16).unwrap();
            fs::write(BOOT_ID, boot(number + 1)).unwrap();
        }
    }
}

/// Returns those whom the records of processes name, and those who wait for work.
fn supervisors(nodes: &Path) -> Vec<i32> {
    let mut all = Vec::new();
    for root in roots(nodes) {
        let records = fs::read_dir(root.join("jobs")).unwrap().map(|entry| entry.unwrap().path());
        for text in records.map(|record| fs::read_to_string(record).unwrap_or_default()) {
            let named = text.lines().filter_map(|line| line.strip_prefix("sup ")?.split(' ').next()?.parse().ok());
            all.extend(named.collect::<Vec<i32>>());
        }
    }
    // Of the processes that run its script those are meant that another one did not fork.
    let runs = |process: &PathBuf| {
        String::from_utf8_lossy(&fs::read(process.join("cmdline")).unwrap_or_default()).contains("bin/supervisor-")
    };
    let running: Vec<PathBuf> = processes().into_iter().filter(runs).collect();
    let numbers: Vec<i32> = running.iter().map(|process| number(process)).collect();
    all.extend(running.iter().filter(|process| !numbers.contains(&parent(process))).map(|process| number(process)));
    all.sort_unstable();
    all.dedup();
    all
}

fn processes() -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().parse::<i32>().is_ok())).collect()
}

fn number(process: &Path) -> i32 {
    process.file_name().unwrap().to_string_lossy().parse().unwrap()
}

fn named(comm: &str) -> Vec<i32> {
    let is = |process: &PathBuf| fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == comm);
    processes().into_iter().filter(is).map(|process| number(&process)).collect()
}

/// Returns the fields of `/proc/PID/stat` after the name: state, parent, …
fn stat(process: &Path) -> Vec<String> {
    let text = fs::read_to_string(process.join("stat")).unwrap_or_default();
    text.rsplit_once(") ").map(|(_, rest)| rest.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

fn parent(process: &Path) -> i32 {
    stat(process).get(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn lives(process: &Path) -> bool {
    stat(process).first().is_some_and(|state| state != "Z" && state != "X")
}

/// Ends a process of this namespace. It may have ended meanwhile.
fn kill(pid: i32) {
    assert!(std::env::var_os(CONTAINED).is_some() && pid > 1);
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}
