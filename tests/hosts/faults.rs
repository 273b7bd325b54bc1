//! Rows of the table of faults (`assets/FAULTS.md`) that need a host, its sshd or its disk: something stands still, goes away
//! or is full, and afterwards every job has its true code and ran once.

use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};
use crate::queue::ledger;

/// Longer than the configuration lets a silent node count as reachable.
const STILL: Duration = Duration::from_secs(6);

/// Runs until /root/go is there.
fn gated(name: &str) -> String {
    format!("echo {name} >> /root/ledger; until [ -e /root/go-{name} ]; do sleep 0.1; done; echo over; exit 5")
}

fn begin(lab: &Lab, ostler: &Ostler<'_>, name: &str) {
    ostler.submit(name, &gated(name));
    until(&format!("{name} has started"), SOON, || ledger(lab).contains_key(name).then_some(()));
}

/// It ended with its code in its first attempt, having started once.
fn ends_well(lab: &Lab, ostler: &Ostler<'_>, name: &str) {
    lab.on_all(&format!("touch /root/go-{name}"));
    let job = ostler.await_end(name);
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &1.into()), "{job:#}");
    assert_eq!(ostler.ok(&["job", "logs", name]), "over\n");
    assert_eq!(ledger(lab)[name], 1);
}

fn reason(ostler: &Ostler<'_>) -> String {
    let node = ostler.node("h1").unwrap_or_default();
    node["reason"].as_str().unwrap_or_default().to_owned()
}

/// Sends a signal to what sshd started for a session: its shells, or the servers of the sessions themselves.
fn signal_sessions(lab: &Lab, signal: &str, servers: bool) {
    let comm = if servers { "=" } else { "!=" };
    let line = format!(
        "for p in /proc/[0-9]*; do parent=$(awk '/^PPid/ {{print $2}}' $p/status); \
         [ \"$(cat /proc/$parent/comm)\" = sshd ] && [ \"$(cat $p/comm)\" {comm} sshd ] && kill -{signal} ${{p#/proc/}}; done 2>/dev/null"
    );
    lab.on("h1", &line);
}

/// F09, F10, F11: the agent, the server of its session, and the core, each stopped for a while under a job.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn what_stands_still_for_a_while_is_no_proof_of_anything() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    for (name, servers) in [("agent", false), ("session", true)] {
        begin(&lab, &ostler, name);
        signal_sessions(&lab, "STOP", servers);
        until("its silence is noticed", Duration::from_secs(120), || (!reason(&ostler).is_empty()).then_some(()));
        let job = ostler.job(name);
        assert_eq!((&job["executionState"], &job["attempt"]), (&"running".into(), &1.into()), "{job:#}");
        signal_sessions(&lab, "CONT", servers);
        ends_well(&lab, &ostler, name);
        ostler.await_ready(1);
    }
    // While the core stands still one job ends and the time of another is over: the node keeps to the limit by itself.
    begin(&lab, &ostler, "core");
    let status = ostler.json(&["serve", "--status"]);
    let core = Pid::from_raw(i32::try_from(status["pid"].as_i64().unwrap()).unwrap()).unwrap();
    kill_process(core, Signal::STOP).unwrap();
    lab.on("h1", "touch /root/go-core");
    std::thread::sleep(STILL);
    kill_process(core, Signal::CONT).unwrap();
    ends_well(&lab, &ostler, "core");
    assert_eq!(ostler.node("h1").unwrap()["state"], "idle");
}

/// F21, F24, F27, F18: sshd reads its settings again, a key is taken away, the line is slow.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn sessions_outlive_what_happens_to_sshd_and_to_keys() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    begin(&lab, &ostler, "reload");
    lab.on("h1", "kill -HUP $(cat /run/sshd.pid)");
    until("sshd listens again", SOON, || lab.on("h1", "ss -ltn").contains(":22 ").then_some(()));
    assert_eq!(ostler.ok(&["cluster", "node", "exec", "h1", "--", "echo", "there"]), "there\n");
    assert_eq!(reason(&ostler), "", "the session was not touched");
    ends_well(&lab, &ostler, "reload");

    // 64 kbit/s: slower than any line that people work on.
    lab.on("h1", "tc qdisc add dev eth0 root tbf rate 64kbit burst 4k latency 400ms");
    begin(&lab, &ostler, "slow");
    ends_well(&lab, &ostler, "slow");
    lab.on("h1", "tc qdisc del dev eth0 root");

    begin(&lab, &ostler, "keys");
    lab.on("h1", "for f in /root/.ssh/authorized_keys /home/ci/.ssh/authorized_keys; do mv $f $f.gone; done");
    ends_well(&lab, &ostler, "keys");
    begin(&lab, &ostler, "refused");
    signal_sessions(&lab, "KILL", true);
    let said = until("ssh is refused", SOON, || Some(reason(&ostler)).filter(|reason| reason.contains("Permission denied")));
    assert_eq!(ostler.job("refused")["executionState"], "running", "{said}");
    // F24: it knocks no further, or the host would shut us out for a while, and everybody else who comes from here.
    let refusals = || lab.on("h1", "grep -c 'Connection closed by authenticating user' /var/log/sshd.log").trim().to_owned();
    let before = refusals();
    assert_eq!(before, "1", "{}", lab.on("h1", "tail -30 /var/log/sshd.log"));
    std::thread::sleep(STILL * 2);
    assert_eq!(refusals(), before, "it is for a person to say when it is tried again");
    assert!(reason(&ostler).contains("ostler cluster node prepare"), "and what they have to do: {}", reason(&ostler));
    lab.on("h1", "for f in /root/.ssh/authorized_keys /home/ci/.ssh/authorized_keys; do mv $f.gone $f; done");
    let prepared = ostler.run(&["cluster", "node", "prepare", "h1"]);
    assert_eq!(prepared.code, 0, "{prepared:?}");
    ends_well(&lab, &ostler, "refused");
}

/// F34: a node that was booted without its spool has lost what it ran, and says so.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_boot_without_the_spool_loses_its_jobs_and_says_so() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    begin(&lab, &ostler, "lost");
    lab.nslab(&["off", "h1"]);
    let spool = lab.dir().join("hosts/h1/home/root/.local/state/ostler-node");
    assert!(spool.is_dir(), "the spool lies at {}", spool.display());
    std::fs::remove_dir_all(&spool).unwrap();
    lab.nslab(&["on", "h1"]);
    until("it has started again", SOON, || (ledger(&lab)["lost"] == 2).then_some(()));
    lab.on("h1", "touch /root/go-lost");
    let job = ostler.await_end("lost");
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &2.into()), "{job:#}");
    assert_eq!(job["requeues"], 1, "{job:#}");
    assert_eq!(job["requeuedBecause"], "Process m0 on node h1 was lost: spool gone", "{job:#}");
}

/// F40, F41, F42: the disk of a node is full, or out of inodes, before and while a job runs.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_full_disk_of_a_node_is_said_and_no_code_is_lost() {
    let lab = Lab::up(2);
    for host in ["h1", "h2"] {
        lab.on(host, "mkdir -p /root/.local");
        lab.nslab(&["full", host, "/root/.local", "24m"]);
    }
    lab.on(
        "h2",
        "mount -o remount,nr_inodes=40 /root/.local; i=0; while : >/root/.local/f$i; do i=$((i+1)); done 2>/dev/null",
    );
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.await_ready(1);
    let full =
        until("the one without inodes says so", SOON, || ostler.node("h2").filter(|node| node["state"] == "unusable"));
    assert!(full["reason"].as_str().unwrap().contains("No space left on device"), "{full:#}");
    // It fills the disk itself: it sees that, and its code is known.
    ostler.submit("fills", "dd if=/dev/zero of=$AZ_BATCHAI_JOB_TEMP_DIR/x bs=64k 2>&1; echo dd said $?; exit 7");
    let job = ostler.await_end("fills");
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(7), &1.into()), "{job:#}");
    // Full before it starts: refused each time, without a process, and it runs once there is room.
    lab.on("h1", "find /root/.local/state -name x -delete; dd if=/dev/zero of=/root/.local/hog bs=4k 2>/dev/null");
    ostler.submit("next", "echo next >> /root/ledger; exit 3");
    until("it was refused and is tried again", SOON, || (ostler.job("next")["attempt"].as_u64() > Some(1)).then_some(()));
    assert!(!ledger(&lab).contains_key("next"));
    lab.on("h1", "rm -f /root/.local/hog");
    let job = match ostler.await_end("next") {
        // It was tried as often as it may be, and says why.
        job if exit_code(&job) != Some(3) => {
            let said = job["executionInfo"]["errors"].to_string();
            assert!(said.contains("no room"), "{job:#}");
            ostler.ok(&["job", "retry", "next"]);
            until("it has run", SOON, || Some(ostler.job("next")).filter(|job| exit_code(job) == Some(3)))
        }
        job => job,
    };
    assert_eq!(ledger(&lab)["next"], 1, "{job:#}");
}

/// F59: the log of a running job is deleted under its reader.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_log_that_is_deleted_is_said_and_the_job_goes_on() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.submit("talks", "echo one; until [ -e /root/go-talks ]; do sleep 0.1; done; exit 5");
    until("the first line is there", SOON, || (ostler.run(&["job", "logs", "talks"]).out == "one\n").then_some(()));
    lab.on("h1", "find /root/.local/state/ostler-node -name stdout.txt -delete");
    let ran = ostler.run(&["job", "logs", "talks"]);
    assert!(ran.code != 0 && ran.err.contains("stdout.txt"), "{ran:?}");
    lab.on("h1", "touch /root/go-talks");
    let job = ostler.await_end("talks");
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &1.into()), "{job:#}");
}

/// The screen on a terminal of its own.
fn screen(ostler: &Ostler<'_>) -> Child {
    let plain = ostler.command(&[]);
    let words: Vec<String> = std::iter::once(plain.get_program())
        .chain(plain.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut script = std::process::Command::new("script");
    script.args(["-qfc", &format!("stty rows 24 cols 80; exec {}", words.join(" ")), "/dev/null"]);
    script.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm-256color");
    script.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// The screen's own process, below `script`.
fn below(script: &Child) -> Option<Pid> {
    let children = format!("/proc/{0}/task/{0}/children", script.id());
    let child = std::fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()?;
    std::fs::read_to_string(format!("/proc/{child}/comm")).ok().filter(|comm| comm.trim() == "ostler")?;
    Pid::from_raw(child)
}

/// F04, F74: the screen is killed, or its terminal goes away, while a job runs.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_screen_that_ends_in_any_way_takes_nothing_with_it() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    for (name, hang_up) in [("killed", false), ("hung-up", true)] {
        begin(&lab, &ostler, name);
        let mut script = screen(&ostler);
        let pid = until("the screen is up", SOON, || below(&script));
        // It looks at the core by now: that is what it must not disturb.
        std::thread::sleep(Duration::from_secs(1));
        if hang_up {
            // Without `script` nobody holds the other end of its terminal.
            kill_process(Pid::from_child(&script), Signal::KILL).unwrap();
        } else {
            kill_process(pid, Signal::KILL).unwrap();
        }
        until("the screen has ended", SOON, || rustix::process::test_kill_process(pid).is_err().then_some(()));
        let _ = script.wait();
        ends_well(&lab, &ostler, name);
    }
    let jobs: Vec<Value> = ostler.jobs();
    assert_eq!(jobs.len(), 2, "{}", json!(jobs));
}
