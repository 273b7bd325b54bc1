//! The shell's agent and the native one lead the same node in turn: each takes over what the other left, whatever was
//! killed in between.

use std::time::Duration;

use ostler::model::ids::RankKey;
use ostler::model::state::{Proof, StopWhy};
use ostler::model::units::Millis;
use ostler::transport::Seen;
use rustix::process::Signal;

use crate::node::{Node, Shell, key, kill, kill_if_there, lives, number_of, tuning, until};

crate::in_every_shell!(
    each_takes_over_what_the_other_runs,
    each_settles_what_the_other_left_dead,
    each_keeps_the_others_limits_and_stops,
    a_worker_that_dies_at_its_start_leaves_no_job_behind,
    who_was_about_to_start_is_found_or_lost,
);

const GRACE: Millis = Millis::from_secs(2);

fn exit(code: i32) -> Proof {
    Proof::Exit { code, why: None }
}

/// The other agent. It is brought up by the same shell.
fn other(shell: Shell) -> Shell {
    Shell { native: !shell.native, ..shell }
}

/// Has the other agent lead the node; how the first one goes is said before.
async fn handed_over(mut node: Node, epoch: u64) -> Node {
    node.shell = other(node.shell);
    node.tuning = tuning(node.shell);
    node.again(epoch).await
}

async fn each_takes_over_what_the_other_runs(shell: Shell) {
    let mut node = Node::up(shell).await;
    let go = node.path("go");
    let waits = |n: i32| format!("until [ -e {go}.{n} ]; do sleep 0.02; done; echo done; exit {n}");
    let keys: Vec<RankKey> = (1..=4).map(|n| key(&format!("{n}.1.m0"))).collect();
    for (key, n) in keys.iter().zip(1..) {
        node.start(*key, &waits(n));
        node.started(*key).await;
    }
    kill(node.agent_pid(), Signal::KILL);
    let _ = node.down().await;
    // The first ends while nobody is there to hear it.
    std::fs::write(format!("{go}.1"), "").unwrap();
    until("the exit record", || node.record(keys[0]).iter().any(|line| line[0] == "exit")).await;
    let mut node = handed_over(node, 2).await;
    assert_eq!(node.inventory.get(&keys[0]), Some(&Seen::Gone(exit(1))));
    assert!(keys[1..].iter().all(|key| node.inventory.get(key) == Some(&Seen::Alive)), "{:?}", node.inventory);
    std::fs::write(format!("{go}.2"), "").unwrap();
    assert_eq!(node.gone(keys[1]).await, exit(2));
    node.ack(keys[0]).await;
    let again = node.start(keys[2], "echo ran again");
    assert_eq!(node.started(keys[2]).await, again, "it runs already, and is not started again");
    assert_eq!(node.run(key("9.1.m0"), "exit 9").await, exit(9));
    // And back, in order, with jobs of both.
    node.start(key("5.1.m0"), &waits(5));
    node.started(key("5.1.m0")).await;
    let mut node = handed_over(node, 3).await;
    assert_eq!(node.inventory.get(&key("5.1.m0")), Some(&Seen::Alive));
    assert_eq!(node.inventory.get(&keys[0]), None, "what was acknowledged is done with");
    for (key, n) in [(keys[2], 3), (keys[3], 4), (key("5.1.m0"), 5)] {
        std::fs::write(format!("{go}.{n}"), "").unwrap();
        assert_eq!(node.gone(key).await, exit(n));
        assert_eq!(node.stdout(key), "done\n");
    }
    let late = node.start(keys[0], "echo ran");
    assert_eq!(node.gone_by(keys[0]).await, (exit(1), Some(late)));
}

async fn each_settles_what_the_other_left_dead(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (lost, never, fenced) = (key("1.1.m0"), key("2.1.m0"), key("3.1.m0"));
    let (go, fifo) = (node.path("go"), node.path("fifo"));
    node.start(lost, &format!("until [ -e {go} ]; do sleep 0.02; done; exit 11"));
    node.started(lost).await;
    std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    let mut launch = node.launch(never, "echo ran");
    launch.execution_log = Some(fifo);
    node.start_launch(never, launch, Millis::from_secs(600));
    until("its supervisor", || node.record(never).iter().any(|line| line[0] == "sup")).await;
    node.stop(fenced, GRACE);
    assert_eq!(node.gone(fenced).await, Proof::Fenced);
    // Agent first, so that it cannot settle anything.
    kill(node.agent_pid(), Signal::KILL);
    kill(node.pid(lost, "sup"), Signal::KILL);
    kill(node.pid(never, "sup"), Signal::KILL);
    let mut node = handed_over(node, 2).await;
    assert_eq!(node.inventory.get(&lost), Some(&Seen::Alive), "it still runs, so it is not lost yet");
    assert_eq!(node.inventory.get(&never), Some(&Seen::Gone(Proof::Fenced)));
    assert_eq!(node.inventory.get(&fenced), Some(&Seen::Gone(Proof::Fenced)));
    std::fs::write(&go, "").unwrap();
    let proof = node.gone(lost).await;
    assert!(matches!(&proof, Proof::Lost { why } if why.contains("supervisor was killed")), "{proof:?}");
    for (key, proof) in [(lost, proof), (never, Proof::Fenced), (fenced, Proof::Fenced)] {
        let late = node.start(key, "echo ran");
        assert_eq!(node.gone_by(key).await, (proof, Some(late)));
        assert_eq!(node.stdout(key), "");
    }
}

async fn each_keeps_the_others_limits_and_stops(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (limited, stopped, killed) = (key("1.1.m0"), key("2.1.m0"), key("3.1.m0"));
    let launch = node.launch(limited, "setsid sleep 1000 & sleep 1000");
    node.start_launch(limited, launch, Millis::from_secs(8));
    // One that has left its group and cleared its environment, and is found by its mark.
    let far = node.path("far");
    let escape = format!("env -i setsid /bin/sh -c 'echo $$ >{far}; exec sleep 1000' & wait; sleep 1000");
    node.start(stopped, &escape);
    let deaf = node.path("deaf");
    node.start(killed, &format!("trap '' TERM; : >{deaf}; while :; do sleep 0.05; done"));
    for key in [limited, stopped, killed] {
        node.started(key).await;
    }
    until("it hears no TERM", || std::fs::exists(&deaf).unwrap()).await;
    until("who left", || std::fs::read_to_string(&far).is_ok_and(|text| text.ends_with('\n'))).await;
    node.stop(killed, Millis::from_secs(3));
    until("the kill request", || node.root().join("kill/3.1.m0").exists()).await;
    kill(node.agent_pid(), Signal::KILL);
    let mut node = handed_over(node, 2).await;
    let effect = node.stop(stopped, Millis::from_secs(1));
    let (proof, by) = node.gone_by(stopped).await;
    assert!(matches!(proof, Proof::Exit { why: Some(StopWhy::Terminate), .. }) && by == Some(effect), "{proof:?} {by:?}");
    let far = std::fs::read_to_string(&far).unwrap().trim().parse().unwrap();
    assert!(!lives(far) || shell.words[0].ends_with("mksh"), "the proof came while {far} lived");
    assert_eq!(node.gone(killed).await, Proof::Exit { code: 137, why: Some(StopWhy::Terminate) });
    assert_eq!(node.gone(limited).await, Proof::Exit { code: 143, why: Some(StopWhy::Limit) });
}

/// A native worker was killed between `try` and `pid`: what it may have started has neither environment nor record, only the
/// mark. It can be stopped, and is never said to be fenced.
async fn who_was_about_to_start_is_found_or_lost(shell: Shell) {
    let node = Node::up(shell).await;
    let (boot, root) = (node.boot.0.clone(), node.root());
    node.agent.close(false);
    node.agent.ended().await;
    let marks = [5_000_000_000_000_000_001_u64, 5_000_000_000_000_000_002];
    let mut there = std::process::Command::new("sleep").arg("1000").env_clear().spawn().unwrap();
    let pid = i32::try_from(there.id()).unwrap();
    let limit = rustix::process::Rlimit { current: Some(marks[0]), maximum: None };
    rustix::process::prlimit(rustix::process::Pid::from_raw(pid), rustix::process::Resource::Locks, limit).unwrap();
    let keys = [key("1.1.m0"), key("2.1.m0")];
    for (key, mark) in keys.iter().zip(marks) {
        let record = format!("own 1 {boot} 2000000000 2 end\nsup 999999 5 end\ntry {mark} end\n");
        std::fs::write(root.join(format!("jobs/{key}")), record).unwrap();
    }
    let mut node = node.again(2).await;
    assert_eq!(node.inventory.get(&keys[0]), Some(&Seen::Alive));
    assert!(matches!(node.inventory.get(&keys[1]), Some(Seen::Gone(Proof::Lost { .. }))), "{:?}", node.inventory);
    node.stop(keys[0], Millis::from_secs(1));
    // Until its parent has taken note of its end it is there.
    let ended = tokio::task::spawn_blocking(move || there.wait().unwrap());
    assert!(matches!(node.gone(keys[0]).await, Proof::Lost { .. }));
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.await.unwrap()), Some(9));
    for key in keys {
        let late = node.start(key, "echo ran");
        let (proof, by) = node.gone_by(key).await;
        assert!(matches!(proof, Proof::Lost { .. }) && by == Some(late), "{proof:?}");
        assert_eq!(node.stdout(key), "");
    }
}

/// How many workers are killed.
const KILLS: u64 = 40;

/// At every moment of the start, agent and worker, and then the other agent says what there is: no job runs that is said to
/// be over or never to have been, and none runs twice.
async fn a_worker_that_dies_at_its_start_leaves_no_job_behind(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (mut ran, mut not) = (0, 0);
    let mut to_started = Duration::ZERO;
    for job in 0..number_of("KILLS", KILLS) {
        let key: RankKey = key(&format!("{}.1.m0", job + 1));
        let count = node.path(&format!("count.{job}"));
        let seen = std::time::Instant::now();
        node.start(key, &format!("echo $$ >>{count}; exec sleep 1000"));
        until("its supervisor", || node.record(key).iter().any(|line| line[0] == "sup")).await;
        if job == 0 {
            node.started(key).await;
            to_started = seen.elapsed();
        }
        tokio::time::sleep(to_started * u32::try_from(job % 20).unwrap() / 20).await;
        kill_if_there(node.pid(key, "sup"), Signal::KILL);
        kill_if_there(node.agent_pid(), Signal::KILL);
        node = handed_over(node, job + 2).await;
        let stop = node.stop(key, Millis::from_secs(1));
        let (proof, _) = node.gone_by(key).await;
        let text = std::fs::read_to_string(&count).unwrap_or_default();
        let pids: Vec<i32> = text.lines().map(|pid| pid.parse().unwrap()).collect();
        assert!(
            pids.len() <= 1 && !pids.iter().any(|pid| lives(*pid)),
            "{key} {proof:?} {pids:?} {stop:?}\n{}",
            node.spool()
        );
        match proof {
            Proof::Fenced => {
                assert!(pids.is_empty(), "{key} was said to be fenced, and ran");
                not += 1;
            }
            Proof::Lost { .. } => ran += 1,
            other => panic!("{key}: {other:?}"),
        }
        // Nothing that was on its way comes after that.
        assert_eq!(std::fs::read_to_string(&count).unwrap_or_default(), text, "{key}");
        node.ack(key).await;
        node.forget();
    }
    println!("{}: {ran} ran, {not} did not", shell.words[0]);
    assert!(ran > 0, "{ran} {not}");
}
