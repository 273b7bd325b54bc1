//! Starts that are sent ahead: they wait on the node for the process before them, and can be recalled until their turn has come.

use std::path::Path;

use ostler::model::ids::{EffectId, RankKey};
use ostler::model::spec::{Secret, SecretSource, SecretText};
use ostler::model::state::{Proof, StopWhy};
use ostler::model::units::Millis;
use ostler::transport::{Order, Report};
use rustix::process::Signal;

use crate::node::{Node, Shell, key, kill, until};

crate::in_every_shell!(
    a_line_runs_one_after_another,
    after_one_that_is_over_it_starts_at_once,
    what_waits_is_recalled_and_never_starts,
    what_has_started_is_not_recalled,
    what_waits_is_stopped_without_a_process,
    a_limit_counts_from_the_start,
    a_line_goes_on_without_its_agent,
    a_line_whose_worker_is_killed_never_starts,
    folders_of_a_line_are_as_if_made_one_by_one,
    what_cannot_be_waited_for_is_given_back,
    a_long_line_waits_for_no_pipe,
);

const LIMIT: Millis = Millis::from_secs(600);

fn exit(code: i32) -> Proof {
    Proof::Exit { code, why: None }
}

fn keys(count: usize) -> Vec<RankKey> {
    (1..=count).map(|n| key(&format!("{n}.1.m0"))).collect()
}

/// A command that ends once a file is there.
fn waits(node: &Node) -> (String, String) {
    let go = node.path("go");
    (format!("until [ -e {go} ]; do sleep 0.02; done"), go)
}

fn go(file: &str) {
    std::fs::write(file, "").unwrap();
}

async fn recalled(node: &mut Node, key: RankKey) -> EffectId {
    let effect = node.effect();
    node.agent.send(Order::Recall { effect, key });
    assert!(matches!(node.answered(effect).await, Report::Done { .. }));
    effect
}

async fn a_line_runs_one_after_another(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(9);
    let one = node.path("one at a time");
    // Each says so if another has not ended.
    let command = |n: usize| format!("mkdir '{one}' && sleep 0.05 && rmdir '{one}' && echo {n} >>'{one}.log'; exit {n}");
    node.start(keys[0], &command(0));
    let mut effects = Vec::new();
    for n in 1..9 {
        effects.push(node.start_after(keys[n], &command(n), LIMIT, keys[n - 1]));
    }
    for n in 1..9 {
        assert_eq!(node.started(keys[n]).await, effects[n - 1]);
        assert_eq!(node.gone(keys[n - 1]).await, exit(n as i32 - 1));
    }
    assert_eq!(node.gone(keys[8]).await, exit(8));
    let log = std::fs::read_to_string(format!("{one}.log")).unwrap();
    assert_eq!(log, (0..9).map(|n| format!("{n}\n")).collect::<String>());
    // And the slot is as good as before.
    assert_eq!(node.run(key("20.1.m0"), "exit 7").await, exit(7));
}

async fn after_one_that_is_over_it_starts_at_once(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(3);
    assert_eq!(node.run(keys[0], "exit 1").await, exit(1));
    node.start_after(keys[1], "exit 2", LIMIT, keys[0]);
    assert_eq!(node.gone(keys[1]).await, exit(2));
    node.ack(keys[0]).await;
    node.ack(keys[1]).await;
    node.start_after(keys[2], "exit 3", LIMIT, keys[1]);
    assert_eq!(node.gone(keys[2]).await, exit(3));
}

async fn what_waits_is_recalled_and_never_starts(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(4);
    let (command, file) = waits(&node);
    node.start(keys[0], &command);
    for n in 1..4 {
        node.start_after(keys[n], "echo ran", LIMIT, keys[n - 1]);
    }
    node.started(keys[0]).await;
    recalled(&mut node, keys[2]).await;
    assert_eq!(node.gone(keys[2]).await, Proof::Fenced);
    go(&file);
    for n in [0, 1, 3] {
        assert_eq!(node.gone(keys[n]).await, exit(0), "{n}");
    }
    assert_eq!((node.stdout(keys[1]), node.stdout(keys[2])), ("ran\n".into(), String::new()));
    // Sent again it is what it was.
    node.start_after(keys[2], "echo ran", LIMIT, keys[1]);
    assert_eq!(node.gone(keys[2]).await, Proof::Fenced);
}

async fn what_has_started_is_not_recalled(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let (command, file) = waits(&node);
    node.start(one, &command);
    node.started(one).await;
    recalled(&mut node, one).await;
    go(&file);
    assert_eq!(node.gone(one).await, exit(0));
    recalled(&mut node, one).await;
}

async fn what_waits_is_stopped_without_a_process(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(3);
    let (command, file) = waits(&node);
    node.start(keys[0], &command);
    node.start_after(keys[1], "echo ran", LIMIT, keys[0]);
    node.start_after(keys[2], "echo ran", LIMIT, keys[1]);
    node.started(keys[0]).await;
    let stop = node.stop(keys[1], Millis::from_secs(2));
    assert!(matches!(node.answered(stop).await, Report::Gone { proof: Proof::Fenced, .. }));
    go(&file);
    assert_eq!(node.gone(keys[2]).await, exit(0));
    assert_eq!(node.stdout(keys[1]), "");
}

async fn a_limit_counts_from_the_start(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(3);
    node.start(keys[0], "sleep 2.5");
    // Each would be over its limit, were it counted from the order.
    node.start_after(keys[1], "sleep 0.1; exit 5", Millis::from_secs(1), keys[0]);
    node.start_after(keys[2], "sleep 100", Millis::from_secs(1), keys[1]);
    assert_eq!(node.gone(keys[0]).await, exit(0));
    assert_eq!(node.gone(keys[1]).await, exit(5));
    node.started(keys[2]).await;
    let proof = node.gone(keys[2]).await;
    assert!(matches!(proof, Proof::Exit { why: Some(StopWhy::Limit), .. }), "{proof:?}");
}

async fn a_line_goes_on_without_its_agent(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(3);
    let (command, file) = waits(&node);
    node.start(keys[0], &command);
    node.start_after(keys[1], "echo ran; exit 5", LIMIT, keys[0]);
    node.started(keys[0]).await;
    // What is answered comes after what was ordered before.
    recalled(&mut node, keys[0]).await;
    kill(node.agent_pid(), Signal::KILL);
    let _ = node.down().await;
    go(&file);
    until("the second one's end", || node.record(keys[1]).iter().any(|line| line[0] == "exit")).await;
    node.wait_up().await;
    node.start_after(keys[1], "echo ran; exit 5", LIMIT, keys[0]);
    assert_eq!(node.gone(keys[1]).await, exit(5));
    assert_eq!(node.stdout(keys[1]), "ran\n", "once");
    assert_eq!(node.run(keys[2], "exit 6").await, exit(6));
}

async fn a_line_whose_worker_is_killed_never_starts(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(3);
    let (command, file) = waits(&node);
    node.start(keys[0], &command);
    node.start_after(keys[1], "echo ran", LIMIT, keys[0]);
    node.start_after(keys[2], "echo ran", LIMIT, keys[1]);
    node.started(keys[0]).await;
    recalled(&mut node, keys[0]).await;
    kill(node.pid(keys[0], "sup"), Signal::KILL);
    // The next ping finds it.
    for key in &keys[1..] {
        assert_eq!(node.gone(*key).await, Proof::Fenced);
    }
    go(&file);
    assert!(matches!(node.gone(keys[0]).await, Proof::Lost { .. }));
    assert_eq!(node.run(key("9.1.m0"), "exit 6").await, exit(6));
    assert_eq!((node.stdout(keys[1]), node.stdout(keys[2])), (String::new(), String::new()));
}

/// A shell makes them for all of a line at once.
async fn folders_of_a_line_are_as_if_made_one_by_one(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(5);
    let root = node.root().to_str().unwrap().to_owned();
    let (wait, file) = waits(&node);
    let folders = |n: usize| {
        let of = |place: &str, below: &str| format!("{root}/{place}/w/e/job {n}{below}");
        [of("temp", ""), of("mounts/jobs", ""), of("logs", "/id/stdouterr")]
    };
    let launch = |node: &Node, n: usize| {
        let [temp, mount, logs] = folders(n);
        let look = format!("ls -A; stat -c %a . '{mount}' '{logs}'; {wait}");
        let mut launch = node.launch(keys[n], &look);
        // On a mount of the job, which may have yet to come; and one that is not below the spool.
        launch.dirs = vec![mount.clone(), format!("{mount}/share/out"), node.path(&format!("out {n}"))];
        (launch.wipe, launch.workdir) = (vec![temp.clone()], temp.clone());
        launch.files = vec![(format!("{temp}/hostfile"), "x".into(), false)];
        launch.stdout = format!("{logs}/stdout.txt");
        (launch.stderr, launch.execution_log) = (format!("{logs}/stderr.txt"), Some(format!("{logs}/execution.log")));
        launch
    };
    // What a former attempt left is wiped.
    std::fs::create_dir_all(&folders(3)[0]).unwrap();
    std::fs::write(format!("{}/left", folders(3)[0]), "").unwrap();
    let first = launch(&node, 0);
    node.start_launch(keys[0], first, LIMIT);
    for n in 1..5 {
        let next = launch(&node, n);
        node.send_after(keys[n], next, LIMIT, keys[n - 1]);
    }
    node.started(keys[0]).await;
    recalled(&mut node, keys[2]).await;
    go(&file);
    for n in [0, 1, 3, 4] {
        assert_eq!(node.gone(keys[n]).await, exit(0), "{n}: {}", node.spool());
    }
    let said = |n: usize| std::fs::read_to_string(format!("{}/stdout.txt", folders(n)[2])).unwrap();
    assert!(said(0).starts_with("hostfile\n"), "{}", said(0));
    for n in [1, 3, 4] {
        assert_eq!(said(n), said(0), "{n}");
        assert!(Path::new(&format!("{}/share/out", folders(n)[1])).is_dir());
        assert!(Path::new(&node.path(&format!("out {n}"))).is_dir());
    }
    for folder in folders(2).into_iter().chain([format!("{root}/logs/w/e/job 2")]) {
        assert!(!Path::new(&folder).exists(), "{folder}");
    }
    assert!(!Path::new(&node.path("out 2")).exists());
}

async fn what_cannot_be_waited_for_is_given_back(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(3);
    let (command, file) = waits(&node);
    node.start(keys[0], &command);
    node.started(keys[0]).await;
    if !shell.native {
        // A shell keeps no secret for somebody who waits.
        let mut launch = node.launch(keys[1], "echo ran");
        launch.secrets = vec![Secret { name: "S".into(), source: SecretSource::Given(SecretText::new("x")) }];
        node.send_after(keys[1], launch, LIMIT, keys[0]);
        assert_eq!(node.gone(keys[1]).await, Proof::Fenced);
    }
    // Whom another agent started has no worker here.
    kill(node.agent_pid(), Signal::KILL);
    let _ = node.down().await;
    node.wait_up().await;
    node.start_after(keys[2], "echo ran", LIMIT, keys[0]);
    assert_eq!(node.gone(keys[2]).await, Proof::Fenced);
    go(&file);
    assert_eq!(node.gone(keys[0]).await, exit(0));
    assert_eq!(node.stdout(keys[2]), "");
}

/// More than a pipe takes.
async fn a_long_line_waits_for_no_pipe(shell: Shell) {
    let mut node = Node::up(shell).await;
    let keys = keys(33);
    let (command, file) = waits(&node);
    node.start(keys[0], &command);
    let long = format!("true {}; exit 3", "x".repeat(8_000));
    for n in 1..33 {
        node.start_after(keys[n], &long, LIMIT, keys[n - 1]);
    }
    node.started(keys[0]).await;
    // The agent still does what it is told.
    assert_eq!(node.run(key("90.1.m0"), "exit 4").await, exit(4));
    go(&file);
    for key in &keys[1..] {
        assert_eq!(node.gone(*key).await, exit(3), "{key}");
    }
}
