//! Stopping, and everything that can be killed under us.

use std::time::{Duration, Instant};

use ostler::model::ids::RankKey;
use ostler::model::state::{Proof, StopWhy};
use ostler::model::units::Millis;
use ostler::transport::{Report, Seen};
use rustix::process::Signal;

use crate::node::{Node, PATIENCE, Shell, key, kill, kill_if_there, lives, number_of, until};

crate::in_every_shell!(
    a_stop_ends_it,
    the_watch_leaves_a_lock_alone_that_is_not_yet_written,
    a_stop_before_the_start_fences_it,
    a_stop_waits_for_the_grace,
    who_left_the_session_is_found,
    who_cleared_its_environment_is_found,
    what_is_left_behind_goes,
    the_agent_dies_and_the_job_goes_on,
    the_supervisor_dies_and_no_code_is_made_up,
    the_supervisor_dies_before_the_start,
    the_limit_holds_without_an_agent,
    a_stop_is_taken_up_by_the_next_agent,
    exits_are_never_torn,
    a_watch_that_is_killed_comes_back,
    who_is_stopped_while_it_prepares_gives_itself_up,
    a_kill_request_is_never_seen_empty,
    nothing_is_left_on_the_node,
);

const GRACE: Millis = Millis::from_secs(2);

fn stopped(code: i32) -> Proof {
    Proof::Exit { code, why: Some(StopWhy::Terminate) }
}

async fn pid_in(node: &Node, file: &str) -> i32 {
    let path = node.path(file);
    let mut pid = None;
    until("a pid file", || {
        pid = std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n')).and_then(|t| t.trim().parse().ok());
        pid.is_some()
    })
    .await;
    pid.unwrap()
}

async fn a_stop_ends_it(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    node.start(one, "sleep 1000 & sleep 1000");
    node.started(one).await;
    let effect = node.stop(one, GRACE);
    assert_eq!(node.gone_by(one).await, (stopped(143), Some(effect)));
    let again = node.stop(one, GRACE);
    assert_eq!(node.gone_by(one).await, (stopped(143), Some(again)), "a repeat gives the first answer");
}

async fn a_stop_before_the_start_fences_it(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let effect = node.stop(one, GRACE);
    assert_eq!(node.gone_by(one).await, (Proof::Fenced, Some(effect)));
    let late = node.start(one, "echo ran");
    assert_eq!(node.gone_by(one).await, (Proof::Fenced, Some(late)));
    // Right behind one another: it never both runs on and is said to be gone.
    for job in 2..30 {
        let key = key(&format!("{job}.1.m0"));
        let start = node.start(key, "sleep 1000");
        let stop = node.stop(key, GRACE);
        node.answered(start).await;
        let answer = node.answered(stop).await;
        assert!(matches!(answer, Report::Gone { .. }), "{answer:?}");
        let record = node.record(key);
        assert!(record.iter().filter(|line| line[0] == "pid").all(|line| !lives(line[1].parse().unwrap())), "{record:?}");
    }
    assert_eq!(node.stdout(one), "");
}

async fn a_stop_waits_for_the_grace(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (polite, deaf) = (key("1.1.m0"), key("2.1.m0"));
    let ready = node.path("polite");
    node.start(
        polite,
        &format!("trap 'sleep 0.3; echo saved; exit 9' TERM; echo $$ >{ready}; while :; do sleep 0.05; done"),
    );
    let said = node.path("deaf");
    node.start(deaf, &format!("trap '' TERM; echo $$ >{said}; while :; do sleep 0.05; done"));
    pid_in(&node, "polite").await;
    let pid = pid_in(&node, "deaf").await;
    node.stop(polite, Millis::from_secs(30));
    assert_eq!(node.gone(polite).await, stopped(9));
    assert_eq!(node.stdout(polite), "saved\n");
    node.stop(deaf, Millis::from_secs(1));
    assert_eq!(node.gone(deaf).await, stopped(137));
    assert!(!lives(pid));
}

async fn who_left_the_session_is_found(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let file = node.path("far");
    node.start(one, &format!("setsid sh -c 'trap \"\" TERM; setsid sleep 1000 & echo $! >{file}.2; echo $$ >{file}; while :; do sleep 0.1; done' & wait"));
    let (far, farther) = (pid_in(&node, "far").await, pid_in(&node, "far.2").await);
    node.stop(one, Millis::from_secs(1));
    assert!(matches!(node.gone(one).await, Proof::Exit { why: Some(StopWhy::Terminate), .. }));
    assert!(!lives(far) && !lives(farther), "the proof came while {far} or {farther} lived");
}

/// F66: nothing of ours is in its environment, its session is its own, and its parent is gone.
async fn who_cleared_its_environment_is_found(shell: Shell) {
    if shell.words[0].ends_with("mksh") {
        return println!("did not run: mksh has no marks");
    }
    let mut node = Node::up(shell).await;
    let (one, two, other) = (key("1.1.m0"), key("2.1.m0"), key("3.1.m0"));
    let escape = |file: &str| {
        format!(
            "env -i setsid /bin/sh -c '(echo $$ >{file}; exec sleep 1000) & wait' & until [ -s {file} ]; do sleep 0.02; done"
        )
    };
    let file = node.path("other");
    node.start(other, &format!("{}; wait", escape(&file)));
    let bystander = pid_in(&node, "other").await;
    let file = node.path("stopped");
    node.start(one, &format!("{}; wait", escape(&file)));
    let far = pid_in(&node, "stopped").await;
    let clean = std::fs::read(format!("/proc/{far}/environ")).unwrap();
    assert!(!String::from_utf8_lossy(&clean).contains("OSTLER"), "it has cleared it");
    node.stop(one, Millis::from_secs(1));
    assert!(matches!(node.gone(one).await, Proof::Exit { why: Some(StopWhy::Terminate), .. }));
    assert!(!lives(far), "the proof came while {far} lived");
    // And when its job ends by itself, with the rest of what it left behind.
    let file = node.path("left");
    assert_eq!(node.run(two, &escape(&file)).await, Proof::Exit { code: 0, why: None });
    let far = pid_in(&node, "left").await;
    node.ack(two).await;
    until("what it left is gone", || !lives(far)).await;
    assert!(lives(bystander), "that of another job is left alone");
}

async fn what_is_left_behind_goes(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let file = node.path("left");
    node.start(one, &format!("sleep 1000 & echo $! >{file}; setsid sh -c 'echo $$ >{file}.2; exec sleep 1000' & until [ -s {file}.2 ]; do sleep 0.02; done"));
    assert_eq!(node.gone(one).await, Proof::Exit { code: 0, why: None });
    let (near, far) = (pid_in(&node, "left").await, pid_in(&node, "left.2").await);
    until("its group is gone", || !lives(near)).await;
    node.ack(one).await;
    until("what left its group is gone", || !lives(far)).await;
}

async fn the_agent_dies_and_the_job_goes_on(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (short, long, after) = (key("1.1.m0"), key("2.1.m0"), key("3.1.m0"));
    let go = node.path("go");
    node.start(short, &format!("until [ -e {go} ]; do sleep 0.02; done; exit 11"));
    node.start(long, &format!("until [ -e {go}.2 ]; do sleep 0.02; done; exit 12"));
    node.started(short).await;
    node.started(long).await;
    kill(node.agent_pid(), Signal::KILL);
    let (why, retry_in) = node.down().await;
    assert_eq!(why.code, "unreachable");
    assert!(retry_in.is_some());
    // Ends while nobody is there to hear it.
    std::fs::write(&go, "").unwrap();
    until("the exit record", || node.record(short).iter().any(|line| line[0] == "exit")).await;
    node.agent.wake();
    node.wait_up().await;
    assert_eq!(node.inventory.get(&short), Some(&Seen::Gone(Proof::Exit { code: 11, why: None })));
    assert_eq!(node.inventory.get(&long), Some(&Seen::Alive));
    std::fs::write(format!("{go}.2"), "").unwrap();
    assert_eq!(node.gone(long).await, Proof::Exit { code: 12, why: None });
    assert_eq!(node.run(after, "exit 13").await, Proof::Exit { code: 13, why: None });
}

async fn the_supervisor_dies_and_no_code_is_made_up(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let go = node.path("go");
    node.start(one, &format!("until [ -e {go} ]; do sleep 0.02; done; exit 11"));
    node.started(one).await;
    until("its pid", || node.record(one).iter().any(|line| line[0] == "pid")).await;
    kill(node.pid(one, "sup"), Signal::KILL);
    let mut node = node.again(2).await;
    assert_eq!(node.inventory.get(&one), Some(&Seen::Alive), "it still runs, so it is not lost yet");
    std::fs::write(&go, "").unwrap();
    let proof = node.gone(one).await;
    assert!(matches!(&proof, Proof::Lost { why } if why.contains("supervisor was killed")), "{proof:?}");
    let stop = node.stop(one, GRACE);
    assert_eq!(node.gone_by(one).await, (proof, Some(stop)), "a settled answer stays");
    assert_eq!(node.run(key("2.1.m0"), "exit 3").await, Proof::Exit { code: 3, why: None });
}

async fn the_supervisor_dies_before_the_start(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    // It hangs in its preparation: the log is a fifo that nobody reads.
    let fifo = node.path("fifo");
    std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    let mut launch = node.launch(one, "echo ran");
    launch.execution_log = Some(fifo);
    node.start_launch(one, launch, Millis::from_secs(60));
    until("its supervisor", || node.record(one).iter().any(|line| line[0] == "sup")).await;
    kill(node.pid(one, "sup"), Signal::KILL);
    assert_eq!(node.gone(one).await, Proof::Fenced);
    assert_eq!(node.stdout(one), "");
}

async fn the_limit_holds_without_an_agent(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let file = node.path("pid");
    let launch = node.launch(one, &format!("setsid sleep 1000 & echo $! >{file}; sleep 1000"));
    node.start_launch(one, launch, Millis(1));
    let far = pid_in(&node, "pid").await;
    let agent = node.agent_pid();
    node.agent.close(false);
    node.agent.ended().await;
    until("the agent is gone", || !lives(agent)).await;
    until("the time limit", || node.record(one).iter().any(|line| line[0] == "exit") && !lives(far)).await;
    let node = node.again(2).await;
    let mut node = node;
    let proof = match node.inventory.get(&one) {
        Some(Seen::Gone(proof)) => proof.clone(),
        // Its killer was still looking whether anything is left.
        _ => node.gone(one).await,
    };
    assert_eq!(proof, Proof::Exit { code: 143, why: Some(StopWhy::Limit) });
}

async fn a_stop_is_taken_up_by_the_next_agent(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let file = node.path("pid");
    node.start(one, &format!("trap '' TERM; echo $$ >{file}; while :; do sleep 0.05; done"));
    pid_in(&node, "pid").await;
    node.stop(one, Millis::from_secs(2));
    let mark = node.root().join("kill/1.1.m0");
    let mut killer = 0;
    until("its killer", || {
        let text = std::fs::read_to_string(&mark).unwrap_or_default();
        killer = text.split(' ').nth(2).and_then(|pid| pid.parse().ok()).unwrap_or(0);
        killer > 1
    })
    .await;
    kill(killer, Signal::KILL);
    let mut node = node.again(2).await;
    assert_eq!(node.inventory.get(&one), Some(&Seen::Alive));
    assert_eq!(node.gone(one).await, stopped(137));
}

/// Kills supervisors at any moment; the proof is the true code, or says that there is none.
async fn exits_are_never_torn(shell: Shell) {
    let mut node = Node::up(shell).await;
    let (mut whole, mut lost) = (0, 0);
    // From where its number is known to where its end is, as long as that is here and now.
    let mut life = Duration::ZERO;
    for job in 0..number_of("KILLS", 60) {
        let key: RankKey = key(&format!("{job}.1.m0"));
        let code = i32::try_from(job % 200 + 1).unwrap();
        // A session that breaks off, as on a machine that stands still for a second, takes its orders along; as the core
        // does, they are given again.
        for _ in 0..12 {
            // It lives for long enough that the first moments come before its end, however quick the shell is.
            node.start(key, &format!("sleep 0.01; exit {code}"));
            let there = async {
                while !node.record(key).iter().any(|line| line[0] == "sup") {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            if tokio::time::timeout(Duration::from_secs(5), there).await.is_ok() {
                break;
            }
        }
        // A different moment each time, from before the start to after the end; when that is, one shows whose supervisor has yet to
        // come up, as those of all that follow. (One that is given to a supervisor killed a moment ago has only a fence.)
        let seen = Instant::now();
        tokio::time::sleep(life / 40 * u32::try_from(job % 60).unwrap()).await;
        if life.is_zero() {
            let has = |word: &str| node.record(key).iter().any(|line| line[0] == word);
            until("its end is written", || has("exit") || has("fence")).await;
            life = if job > 0 && has("exit") { seen.elapsed() } else { life };
        }
        kill_if_there(node.pid(key, "sup"), Signal::KILL);
        match node.gone(key).await {
            Proof::Exit { code: said, why: None } if said == code => whole += 1,
            Proof::Lost { .. } | Proof::Fenced => lost += 1,
            proof => panic!("{key}: {proof:?} where the code is {code}\n{}", node.spool()),
        }
        node.forget();
    }
    assert!(lost > 0 && whole > 2, "the moments are on both sides of the end: {whole} whole, {lost} lost, {life:?}");
}

async fn nothing_is_left_on_the_node(shell: Shell) {
    let mut node = Node::up(shell).await;
    assert_eq!(node.run(key("1.1.m0"), "true").await, Proof::Exit { code: 0, why: None });
    node.ack(key("1.1.m0")).await;
    node.agent.close(true);
    node.agent.ended().await;
    let me = i32::try_from(std::process::id()).unwrap();
    let left = || {
        let pids = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
        pids.filter(|pid| *pid != me && lives(*pid)).collect::<Vec<_>>()
    };
    let gone = async {
        while !left().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        let left: String = left().into_iter().map(portrait).collect();
        panic!("still there after {PATIENCE:?}:\n{left}{}", node.spool());
    }
}

/// What can be said of a process that should be gone.
fn portrait(pid: i32) -> String {
    let file = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default().replace('\0', " ");
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let fds = fds.map(|fd| format!("{:?} {:?}\n", fd.file_name(), std::fs::read_link(fd.path())));
    format!(
        "== {pid} {}\n{}{}\n{}\n{}",
        file("cmdline"),
        file("stat"),
        file("wchan"),
        file("status"),
        fds.collect::<String>()
    )
}

/// The agent makes a record and then writes its first lines; the watch may look in between.
async fn the_watch_leaves_a_lock_alone_that_is_not_yet_written(shell: Shell) {
    let node = Node::up(shell).await;
    let mut scripts = std::fs::read_dir(node.root().join("bin")).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("supervisor-");
    let script = scripts.find(is_ours).unwrap();
    // A spool without an agent, which would settle it at its next ping, since it is not writing then.
    let spool = tempfile::tempdir().unwrap();
    for dir in ["jobs", "kill", "run", "done"] {
        std::fs::create_dir(spool.path().join(dir)).unwrap();
    }
    let record = spool.path().join("jobs/1.1.m0");
    std::fs::write(&record, "").unwrap();
    let mut watch = std::process::Command::new(shell.words[0]);
    watch.args(&shell.words[1..]).arg(script).arg("watch").arg(spool.path()).args([node.boot.0.as_str(), "setsid"]);
    assert!(watch.status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&record).unwrap(), "", "still nobody's");
    assert!(!spool.path().join("kill/1.1.m0").exists(), "and not given up");
}

/// Nobody is there but the node's own processes, and one of them is killed.
async fn a_watch_that_is_killed_comes_back(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let launch = node.launch(one, "sleep 1000");
    // Long enough for all that is done below on a busy machine.
    node.start_launch(one, launch, Millis::from_secs(25));
    node.started(one).await;
    let pid = |file: &str| {
        let text = std::fs::read_to_string(node.root().join(file)).unwrap_or_default();
        text.split(' ').next().and_then(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 1 && lives(*pid))
    };
    until("the watch and its partner", || pid("run/watch").is_some() && pid("run/partner").is_some()).await;
    let agent = node.agent_pid();
    node.agent.close(false);
    node.agent.ended().await;
    until("the agent is gone", || !lives(agent)).await;
    // A file that is just written anew is empty for a moment.
    let (mut watch, mut partner) = (0, 0);
    until("the watch and its partner, both written down", || {
        (watch, partner) = (pid("run/watch").unwrap_or(0), pid("run/partner").unwrap_or(0));
        watch > 1 && partner > 1
    })
    .await;
    kill(watch, Signal::KILL);
    until("another watch", || pid("run/watch").is_some_and(|now| now != watch)).await;
    // And the other way round.
    until("another partner", || pid("run/partner").is_some_and(|now| now != partner)).await;
    until("the new partner, written down", || {
        partner = pid("run/partner").unwrap_or(0);
        partner > 1
    })
    .await;
    kill(partner, Signal::KILL);
    until("the time limit", || node.record(one).iter().any(|line| line[0] == "exit" && line[2] == "limit")).await;
    until("the watch leaves, and its partner with it", || pid("run/watch").is_none() && pid("run/partner").is_none()).await;
}

/// Its supervisor is still in its preparation when it is to be stopped: it never becomes the job, and says so itself.
async fn who_is_stopped_while_it_prepares_gives_itself_up(shell: Shell) {
    let mut node = Node::up(shell).await;
    let one = key("1.1.m0");
    let fifo = node.path("fifo");
    std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
    let mut launch = node.launch(one, "echo ran");
    launch.execution_log = Some(fifo.clone());
    node.start_launch(one, launch, Millis::from_secs(600));
    until("its supervisor", || node.record(one).iter().any(|line| line[0] == "sup")).await;
    node.stop(one, Millis::from_secs(600));
    let request = node.root().join("kill/1.1.m0");
    until("the kill request", || request.exists()).await;
    // Now its log takes lines, and it goes on.
    std::thread::spawn(move || {
        while let Ok(mut log) = std::fs::File::open(&fifo) {
            let _ = std::io::copy(&mut log, &mut std::io::sink());
        }
    });
    assert_eq!(node.gone(one).await, Proof::Fenced);
    let record = node.record(one);
    assert!(record.iter().any(|line| line[..] == ["fence", "self", "end"]), "{record:?}");
    assert_eq!(node.stdout(one), "");
}

async fn a_kill_request_is_never_seen_empty(shell: Shell) {
    let mut node = Node::up(shell).await;
    let folder = node.root().join("kill");
    let (stop, stopping) = std::sync::mpsc::channel::<()>();
    let looker = std::thread::spawn(move || {
        let mut seen = 0;
        while stopping.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            for entry in std::fs::read_dir(&folder).unwrap().flatten() {
                let name = entry.file_name().into_string().unwrap();
                if name.starts_with('.') {
                    continue;
                }
                // It may be cleaned away in between.
                if let Ok(text) = std::fs::read_to_string(entry.path()) {
                    assert!(text.ends_with("end\n"), "{name}: {text:?}");
                    seen += 1;
                }
            }
            // Four shells' tests look at the same time, and the machine is not theirs alone.
            std::thread::sleep(Duration::from_micros(50));
        }
        seen
    });
    for job in 1..15 {
        let key = key(&format!("{job}.1.m0"));
        node.start(key, "sleep 1000");
        node.started(key).await;
        node.stop(key, GRACE);
        node.gone(key).await;
    }
    stop.send(()).unwrap();
    assert!(looker.join().unwrap() > 0);
}
