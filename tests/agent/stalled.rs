//! A file system that stands still under a node, as when its file server is gone (`tests/lab/stall.c`): whoever touches it waits in
//! the kernel, where no signal reaches it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use ostler::model::state::{Proof, StopWhy};
use ostler::model::units::Millis;
use ostler::transport::Report;
use ostler::transport::agent::Tuning;

use crate::limits::built;
use crate::node::{Node, Shell, key, link, lives, root, tuning, until};

crate::in_every_shell!(
    who_cannot_be_killed_is_said_and_keeps_its_place,
    a_spool_that_stands_still_is_said_and_holds_up_nobody
);

/// A folder that can be made to stand still. Nothing of it is left when this value ends, nor does anybody wait for it then.
struct Stall {
    dir: tempfile::TempDir,
    server: Child,
}

impl Stall {
    async fn up() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["behind", "at"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let program = built(dir.path(), "stall");
        let at = |name: &str| dir.path().join(name);
        let server = Command::new(program).args([at("behind"), at("flag"), at("at")]).spawn().unwrap();
        let stall = Self { dir, server };
        std::fs::write(stall.dir.path().join("behind/probe"), "").unwrap();
        until("the mount", || stall.at().join("probe").exists()).await;
        stall
    }

    fn at(&self) -> PathBuf {
        self.dir.path().join("at")
    }

    fn set(&self) {
        std::fs::write(self.dir.path().join("flag"), "").unwrap();
    }

    fn lift(&self) {
        std::fs::remove_file(self.dir.path().join("flag")).unwrap();
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        // With its server all that waits for it is answered.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = Command::new("umount").arg("-l").arg(self.at()).status();
    }
}

/// F67: it is stopped while the kernel holds it.
async fn who_cannot_be_killed_is_said_and_keeps_its_place(shell: Shell) {
    if !root() {
        return println!("did not run: only root mounts it");
    }
    let stall = Stall::up().await;
    std::fs::write(stall.at().join("data"), "x").unwrap();
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    stall.set();
    node.start(one, &format!("exec cat {}", stall.at().join("data").display()));
    node.started(one).await;
    // It is in the kernel's hands from its first signal on.
    let waits = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    until("it waits for its data", || waits(node.pid(one, "pid")).contains("request_wait")).await;
    let effect = node.stop(one, Millis::from_secs(1));
    let report = node.expect("its portrait", |report| matches!(report, Report::Stuck { key, .. } if *key == one)).await;
    let Report::Stuck { why, .. } = report else { unreachable!() };
    let pid = node.pid(one, "pid");
    assert!(why.contains(&format!("pid {pid} (cat) was killed and is still there")), "{why}");
    assert!(why.contains("the kernel holds it"), "{why}");
    // Nothing else waits for it, and it is no more than said: there is no proof, and its key starts nothing.
    assert_eq!(node.run(key("2.1.m0"), "exit 3").await, Proof::Exit { code: 3, why: None });
    node.start(one, "echo second");
    assert_eq!(node.run(key("3.1.m0"), "exit 4").await, Proof::Exit { code: 4, why: None });
    assert!(lives(pid) && !node.record(one).iter().any(|line| line[0] == "exit"), "{}", node.spool());
    stall.lift();
    let (proof, by) = node.gone_by(one).await;
    // TERM was the first to reach it, once anything could.
    assert_eq!(proof, Proof::Exit { code: 143, why: Some(StopWhy::Terminate) });
    assert!(by.is_some() && by >= Some(effect), "the stop is answered: {by:?}");
    assert!(!lives(pid));
    assert_eq!(node.stdout(one), "", "it was killed before it had its data, and never started again");
}

/// F44: the file system below the spools of ten nodes.
async fn a_spool_that_stands_still_is_said_and_holds_up_nobody(shell: Shell) {
    if !root() {
        return println!("did not run: only root mounts it");
    }
    let stall = Stall::up().await;
    let spool = |name: &str| link(&stall.at().join(name), 1);
    let tuned = Tuning { start: Duration::from_secs(3), ..tuning(shell) };
    let mut node = Node::start_task(tempfile::tempdir().unwrap(), shell, spool("first"), tuned.clone()).await;
    let one = key("1.1.m0");
    let go = node.path("go");
    node.start(one, &format!("until [ -e {go} ]; do sleep 0.1; done; exit 5"));
    node.started(one).await;
    stall.set();
    let (why, retry_in) = node.down().await;
    assert!(why.code == "unreachable" && why.message.contains("does not answer") && retry_in.is_some(), "{why:?}");
    let (why, retry_in) = node.down().await;
    assert!(why.code == "spool" && retry_in.is_some(), "it is tried again by itself: {why:?}");
    assert!(why.message.contains("its spool (") && why.message.contains("may stand still"), "{why:?}");
    // More of them than may sign in at once, and then one whose disk is well.
    let patient = tuning(shell);
    let dir = || tempfile::tempdir().unwrap();
    let others: Vec<Node> = (0..9).map(|at| Node::begin(dir(), shell, spool(&at.to_string()), patient.clone())).collect();
    let mut well = tokio::time::timeout(Duration::from_secs(30), Node::up(shell)).await.expect("it waits for the others");
    assert_eq!(well.run(key("1.1.m0"), "exit 3").await, Proof::Exit { code: 3, why: None });
    // It ended while nobody could be told.
    std::fs::write(&go, "").unwrap();
    stall.lift();
    node.agent.wake();
    assert_eq!(node.gone(one).await, Proof::Exit { code: 5, why: None });
    assert_eq!(node.run(key("2.1.m0"), "exit 6").await, Proof::Exit { code: 6, why: None });
    for mut other in others {
        other.wait_up().await;
        other.agent.close(true);
        other.agent.ended().await;
    }
    node.agent.close(true);
    node.agent.ended().await;
    assert!(Path::new(&stall.at()).join("first/jobs").is_dir());
}
