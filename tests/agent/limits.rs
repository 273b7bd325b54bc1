//! Rows of the table of faults (`assets/FAULTS.md`) about what a node runs out of: processes, memory, and time that goes its
//! own way.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ostler::model::launch::Launch;
use ostler::model::state::{Proof, StopWhy};
use ostler::model::units::Millis;
use ostler::transport::Seen;
use ostler::transport::agent::Tuning;

use crate::group::Group;
use crate::node::{Node, Shell, key, link, lives, tuning, until};

crate::in_every_shell!(
    ten_thousand_processes_are_ended,
    a_clock_that_jumps_moves_no_limit,
    no_more_processes_are_said_and_nothing_is_lost,
    who_takes_every_process_is_stopped,
    who_takes_the_memory_fails_by_it,
    memory_that_costs_the_agent_or_a_supervisor_costs_no_more,
);

const GRACE: Millis = Millis::from_secs(2);

/// Builds a program of the lab beside the test's files.
pub fn built(dir: &Path, name: &str) -> PathBuf {
    let program = dir.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/lab/{name}.c"));
    // Only one of them needs a library.
    let library = if name == "stall" { "$(pkg-config --cflags --libs fuse3)" } else { "" };
    let line = format!("cc -O1 -o {} {} {library}", program.display(), source.display());
    let out = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(out.status.success(), "Debian: libfuse3-dev pkg-config: {}", String::from_utf8_lossy(&out.stderr));
    program
}

/// Returns the processes with this name, the dead that nobody has taken note of among them.
fn named(name: &str) -> Vec<i32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str().and_then(|pid| pid.parse::<i32>().ok()));
    let has_name =
        |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name);
    pids.filter(has_name).collect()
}

fn living(name: &str) -> usize {
    named(name).into_iter().filter(|pid| lives(*pid)).count()
}

/// Takes note of the dead of this name, as a node's first process does: until then they count as processes.
fn reap(name: &'static str) {
    std::thread::spawn(move || {
        loop {
            for pid in named(name).into_iter().filter(|pid| !lives(*pid)) {
                let pid = rustix::process::Pid::from_raw(pid);
                let _ = rustix::process::waitpid(pid, rustix::process::WaitOptions::NOHANG);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

/// F64: half of them in sessions of their own, a tenth deaf to TERM.
async fn ten_thousand_processes_are_ended(shell: Shell) {
    const PROCESSES: usize = 10_000;
    /// Three times what it is meant to take: the machine is not this test's alone.
    const END_MAX: Duration = Duration::from_secs(15);
    // One shell at a time: the machine may have no more than 32768 processes in all.
    let lock = File::create(std::env::temp_dir().join("ostler-test-many.lock")).unwrap();
    lock.lock().unwrap();
    let mut node = Node::up(shell).await;
    let many = built(node.dir.path(), "many");
    let one = key("1.1.m0");
    let all = node.path("all");
    node.start(one, &format!("exec {} {PROCESSES} {all}", many.display()));
    until("all of them", || Path::new(&all).exists()).await;
    assert_eq!(living("many"), PROCESSES + 1);
    let began = Instant::now();
    node.stop(one, Millis::from_secs(1));
    assert!(matches!(node.gone(one).await, Proof::Exit { why: Some(StopWhy::Terminate), .. }));
    let took = began.elapsed();
    assert_eq!(living("many"), 0, "the proof came before their end");
    println!("{}: {PROCESSES} processes, a second of grace: p50 {took:?}", shell.words[0]);
    assert!(took < END_MAX, "{took:?}");
    assert_eq!(node.run(key("2.1.m0"), "exit 3").await, Proof::Exit { code: 3, why: None });
}

/// F37: what the node's own clock says is of no matter to a limit or a code; it only stamps what its log says.
async fn a_clock_that_jumps_moves_no_limit(shell: Shell) {
    let dir = tempfile::tempdir().unwrap();
    let tools = dir.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    // The shells have no clock of their own: `date` is all that the scripts ask.
    let (date, said) = (tools.join("date"), dir.path().join("said"));
    std::fs::write(&date, format!("#!/bin/sh\necho asked >>{0}.asked\nexec cat {0}\n", said.display())).unwrap();
    let program = dir.path().join("sh");
    let script = format!("#!/bin/sh\nPATH={}:$PATH\nexport PATH\nexec {} \"$@\"\n", tools.display(), shell.words.join(" "));
    std::fs::write(&program, script).unwrap();
    for file in [&date, &program] {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let tuned = Tuning { shell: program.to_str().unwrap().to_owned(), ..tuning(shell) };
    let link = link(&dir.path().join("spool"), 1);
    std::fs::write(&said, now.to_string()).unwrap();
    let mut node = Node::start_task(dir, shell, link, tuned).await;
    for (at, clock) in [now + 3600, now - 3600, 0].into_iter().enumerate() {
        let (limited, long) = (key(&format!("{at}1.1.m0")), key(&format!("{at}2.1.m0")));
        let launch = node.launch(limited, "sleep 1000");
        let began = Instant::now();
        node.start_launch(limited, launch, Millis::from_secs(2));
        node.start(long, "sleep 4; exit 7");
        node.started(limited).await;
        std::fs::write(&said, clock.to_string()).unwrap();
        assert_eq!(node.gone(limited).await, Proof::Exit { code: 143, why: Some(StopWhy::Limit) }, "{clock}");
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(20), "{clock}: {took:?}");
        assert_eq!(node.gone(long).await, Proof::Exit { code: 7, why: None }, "{clock}");
        // The next agent's workers know the new time only.
        node = node.again(2 + at as u64).await;
        let after = key(&format!("{at}3.1.m0"));
        assert_eq!(node.run(after, "exit 3").await, Proof::Exit { code: 3, why: None });
        let log = std::fs::read_to_string(node.path(&format!("logs/{after}/execution.log"))).unwrap();
        // Busybox has a `date` inside, and takes that; the native agent's clock is the kernel's.
        if clock == 0 && !shell.words[0].ends_with("busybox") && !shell.native {
            assert!(log.starts_with("1970-01-01T00:"), "it was the node's clock that jumped: {log}");
        }
    }
}

/// A node whose agent and jobs are in a group that limits processes. None where that cannot be made, and in shells that ask for each
/// process again and again before they give up (bash for 15 s, mksh for 31): what follows is the same, and takes minutes.
async fn grouped(shell: Shell) -> Option<(Node, Group)> {
    if ["bash", "mksh"].iter().any(|name| shell.words[0].ends_with(name)) {
        return None;
    }
    let group = Group::new("pids")?;
    let dir = tempfile::tempdir().unwrap();
    let tuned = group.tuning(shell, dir.path());
    let link = link(&dir.path().join("spool"), 1);
    Some((Node::start_task(dir, shell, link, tuned).await, group))
}

/// F72: a node that gives no process any more refuses in words, comes back by itself, and has lost nothing.
async fn no_more_processes_are_said_and_nothing_is_lost(shell: Shell) {
    let Some((mut node, group)) = grouped(shell).await else { return };
    let (full, long, late) = (key("1.1.m0"), key("2.1.m0"), key("3.1.m0"));
    // Its supervisor is there already, and hangs in its preparation until the node is full: the log is a fifo.
    let (log, go) = (node.path("log"), node.path("go"));
    Command::new("mkfifo").args([&log, &go]).status().unwrap();
    let launch = Launch { execution_log: Some(log.clone()), ..node.launch(full, "echo ran") };
    node.start_launch(full, launch, Millis::from_secs(600));
    // This one needs no process: `read` is the shell's own.
    node.start(long, &format!("read line <{go}; exit 11"));
    node.started(long).await;
    until("the watch and its partner", || {
        let has_line =
            |file: &str| std::fs::read_to_string(node.root().join(file)).is_ok_and(|text| text.ends_with("end\n"));
        has_line("run/watch") && has_line("run/partner")
    })
    .await;
    group.close();
    let mut log = File::open(&log).unwrap();
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let proof = node.gone(full).await;
    assert!(
        matches!(&proof, Proof::Refused { why, .. } if why.contains("no more processes")),
        "{proof:?}\n{}",
        node.spool()
    );
    // The next needs a supervisor as well, so the agent itself cannot go on.
    node.start(late, "echo ran");
    let (why, retry_in) = node.down().await;
    assert!(why.code == "no-processes" && retry_in.is_some(), "{why:?}");
    node.agent.wake();
    let (why, retry_in) = node.down().await;
    assert!(why.code == "no-processes" && why.message.contains("no more processes"), "{why:?}");
    assert!(retry_in.is_some(), "nobody has to ask it to try again");
    group.open();
    node.agent.wake();
    node.wait_up().await;
    assert_eq!(node.inventory.get(&full), Some(&Seen::Gone(proof)));
    assert_eq!(node.inventory.get(&long), Some(&Seen::Alive));
    assert_eq!(node.run(late, "exit 3").await, Proof::Exit { code: 3, why: None });
    assert_eq!(node.stdout(full), "", "a lock that was refused is never started");
    std::fs::write(&go, "go\n").unwrap();
    assert_eq!(node.gone(long).await, Proof::Exit { code: 11, why: None });
    drop(node);
}

/// F64 and F72: it takes what there is, asks for more, and is deaf. Whoever stops it has no process left to do that with.
async fn who_takes_every_process_is_stopped(shell: Shell) {
    let Some((mut node, group)) = grouped(shell).await else { return };
    let many = built(node.dir.path(), "many");
    let one = key("1.1.m0");
    let all = node.path("all");
    group.limit("pids", 300);
    reap("many");
    node.start(one, &format!("exec {} 0 {all} deaf", many.display()));
    until("it has all", || Path::new(&all).exists()).await;
    let began = Instant::now();
    node.stop(one, GRACE);
    let proof = loop {
        // An agent that could not go on comes back, and is told again, as the core does.
        let told = tokio::time::timeout(Duration::from_secs(5), node.gone(one)).await;
        match told {
            Ok(proof) => break proof,
            Err(_) => drop(node.stop(one, GRACE)),
        }
        assert!(began.elapsed() < crate::node::PATIENCE, "{}", node.spool());
    };
    println!("{}: stopped after p50 {:?}", shell.words[0], began.elapsed());
    assert!(matches!(proof, Proof::Exit { why: Some(StopWhy::Terminate), .. }), "{proof:?}");
    assert_eq!(living("many"), 0, "the proof came before their end");
    drop(node);
}

/// Takes memory without end.
const HOG: &str = "exec tail /dev/zero";

/// A node whose agent and jobs have so little memory between them.
async fn cramped(shell: Shell) -> Option<(Node, Group)> {
    const MEMORY: u64 = 128 << 20;
    let group = Group::new("memory")?;
    group.limit("memory", MEMORY);
    let dir = tempfile::tempdir().unwrap();
    let tuned = group.tuning(shell, dir.path());
    let link = link(&dir.path().join("spool"), 1);
    Some((Node::start_task(dir, shell, link, tuned).await, group))
}

fn out_of_memory(proof: &Proof) -> bool {
    matches!(proof, Proof::Told { code: 137, words } if words.starts_with("out of memory"))
}

/// F68
async fn who_takes_the_memory_fails_by_it(shell: Shell) {
    let Some((mut node, _group)) = cramped(shell).await else { return };
    let proof = node.run(key("1.1.m0"), HOG).await;
    assert!(out_of_memory(&proof), "{proof:?}");
    // The same signal from anybody else is no want of memory, although the kernel has killed for it before.
    assert_eq!(node.run(key("2.1.m0"), "kill -s KILL $$").await, Proof::Exit { code: 137, why: None });
    assert_eq!(node.run(key("3.1.m0"), "exit 3").await, Proof::Exit { code: 3, why: None });
    drop(node);
}

/// F69: the kernel takes the agent for want of memory, and then a supervisor: each alone in a group that has none to give.
async fn memory_that_costs_the_agent_or_a_supervisor_costs_no_more(shell: Shell) {
    let Some(group) = Group::new("memory") else { return };
    let mut node = Node::up(shell).await;
    let (long, other, after) = (key("1.1.m0"), key("2.1.m0"), key("3.1.m0"));
    let go = node.path("go");
    let long_command = format!("until [ -e {go} ]; do sleep 0.1; done; exit 11");
    node.start(long, &long_command);
    node.start(other, &long_command);
    node.started(long).await;
    node.started(other).await;
    let agent = node.agent_pid();
    group.starve(agent);
    node.stop(after, Millis::from_secs(1));
    let (why, retry_in) = node.down().await;
    assert!(why.code == "unreachable" && retry_in.is_some(), "{why:?}");
    until("the agent is gone", || !lives(agent)).await;
    node.agent.wake();
    node.wait_up().await;
    assert_eq!(node.inventory.get(&long), Some(&Seen::Alive));
    let supervisor = node.pid(long, "sup");
    group.starve(supervisor);
    std::fs::write(&go, "").unwrap();
    // One that has open what it needs may come to its end without more memory; then the code is the true one.
    let proof = node.gone(long).await;
    let lost = matches!(&proof, Proof::Lost { why } if why.contains("supervisor was killed"));
    assert!(lost || proof == Proof::Exit { code: 11, why: None }, "no code is made up: {proof:?}");
    assert_eq!(node.gone(other).await, Proof::Exit { code: 11, why: None }, "the other is as it was");
    assert!(group.killed() > u64::from(lost), "the kernel did it");
}
