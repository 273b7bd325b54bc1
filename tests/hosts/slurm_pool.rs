//! Nodes that are allocations of Slurm: ostler holds them by pilots and places many small jobs there itself.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

/// The pilots that Slurm has: number and state of each that is not over.
fn pilots(lab: &Lab) -> Vec<(String, String)> {
    let text = lab.on("h1", "squeue -h -t pending,running -o '%A %T %j'");
    let line = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    text.lines().filter(|line| line.ends_with(" ostler-p")).filter_map(line).collect()
}

/// Returns how many nodes of the pool are in a state.
fn count(ostler: &Ostler<'_>, state: &str) -> u64 {
    ostler.json(&["cluster", "show", "p"])["nodeStateCounts"][state].as_u64().unwrap_or_default()
}

fn pool<'a>(lab: &'a Lab, more: &[&str]) -> Ostler<'a> {
    let ostler = Ostler::new(lab);
    let create = ["cluster", "create", "p", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"];
    ostler.ok(&[&create[..], more].concat());
    ostler
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_gives_nodes_that_ostler_fills() {
    let lab = Lab::up_slurm(2, &[]);
    let ostler = pool(&lab, &["--target", "2", "--allocation-time", "30m"]);
    until("both nodes are there", SOON, || (count(&ostler, "idleNodeCount") == 2).then_some(()));
    let shown = ostler.json(&["cluster", "show", "p"]);
    let mut names: Vec<&str> = shown["nodes"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!((names, &shown["provider"]), (vec!["h2", "h3"], &"slurm".into()), "{shown:#}");
    assert_eq!(pilots(&lab).len(), 2);

    // Jobs run there, each with what it is promised, and Slurm hears nothing of them.
    let run = |name: &str, more: &[&str], script: &str| {
        ostler.ok(&[&["job", "create", "-c", "p", "-n", name], more, &["--", "sh", "-c", script]].concat());
        ostler.await_end(name)
    };
    let one = run("one", &[], "hostname; echo ${SLURM_JOB_ID-none}; exit 3");
    assert_eq!(exit_code(&one), Some(3), "{one:#}");
    let log = ostler.ok(&["job", "logs", "one"]);
    assert!(["h2\nnone\n", "h3\nnone\n"].contains(&log.as_str()), "{log}");
    let wide = run("wide", &["--nodes", "2"], "echo $AZ_BATCHAI_WORKER_HOSTS $OSTLER_NODES; hostname");
    assert_eq!(wide["nodes"].as_array().map(Vec::len), Some(2), "{wide:#}");
    let array =
        ["job", "create", "-c", "p", "-n", "many", "--array", "1-60", "--cpus", "1", "-q", "--", "sh", "-c", "hostname"];
    ostler.ok(&array);
    until("all have ended", SOON, || {
        let jobs = ostler.json(&["job", "list"]).as_array().cloned().unwrap_or_default();
        let done = |job: &&Value| job["executionState"] == "succeeded";
        (jobs.iter().filter(done).count() >= 61).then_some(())
    });
    assert_eq!(pilots(&lab).len(), 2, "two jobs of Slurm for all of them");

    // A command runs there too; who wants to go by ssh is not led to the login node instead.
    assert_eq!(ostler.ok(&["cluster", "node", "exec", "h2", "-c", "p", "--", "hostname"]), "h2\n");
    let way = ostler.run(&["cluster", "node", "exec", "-L", "0:127.0.0.1:22", "h2", "-c", "p", "--", "true"]);
    assert!(way.code != 0 && way.err.contains("--overlap --pty"), "{way:?}");

    // A link that breaks, and a core that dies, end nothing; what runs goes on below its pilot.
    ostler.ok(&[
        "job",
        "create",
        "-c",
        "p",
        "-n",
        "long",
        "--",
        "sh",
        "-c",
        "until [ -e ~/go ]; do sleep 0.2; done; exit 5",
    ]);
    until("it runs", SOON, || (ostler.job("long")["executionState"] == "running").then_some(()));
    lab.kill_sshd("h1");
    lab.nslab(&["sshd-back", "h1"]);
    ostler.kill_server();
    until("it is seen again", SOON, || {
        let there = ostler.json(&["cluster", "show", "p"]);
        let seen = |node: &Value| node["reach"] == "seen";
        (ostler.job("long")["executionState"] == "running" && there["nodes"].as_array()?.iter().all(seen)).then_some(())
    });
    lab.on("h1", "touch /home/ci/go");
    let long = ostler.await_end("long");
    assert_eq!((exit_code(&long), &long["attempt"]), (Some(5), &1.into()), "{long:#}");

    // A smaller pool gives allocations back; one that somebody cancels is replaced, and its job runs again.
    ostler.ok(&["cluster", "scale", "p", "1", "-y"]);
    until("one is given back", SOON, || (pilots(&lab).len() == 1).then_some(()));
    ostler.ok(&[
        "job",
        "create",
        "-c",
        "p",
        "-n",
        "again",
        "--",
        "sh",
        "-c",
        "echo x >> ~/ran; until [ -e ~/on ]; do sleep 0.2; done",
    ]);
    until("it runs", SOON, || (lab.on("h1", "cat /home/ci/ran 2>/dev/null || true").trim() == "x").then_some(()));
    let before = pilots(&lab)[0].0.clone();
    // It may end by itself only once it runs again.
    lab.on("h1", &format!("scancel {before}"));
    until("it runs again", SOON, || (ostler.job("again")["attempt"] == 2).then_some(()));
    lab.on("h1", "touch /home/ci/on");
    let again = ostler.await_end("again");
    assert_eq!((exit_code(&again), &again["attempt"]), (Some(0), &2.into()), "{again:#}");
    assert_ne!(pilots(&lab)[0].0, before);

    // What it waits for is said; and it goes as it came.
    lab.on("h1", "scontrol update NodeName=h2,h3 State=DRAIN Reason=test");
    ostler.ok(&["cluster", "scale", "p", "2", "-y"]);
    let waits = until("it says why it waits", SOON, || {
        let nodes = ostler.json(&["cluster", "node", "list", "-c", "p"]);
        let waits = nodes.as_array()?.iter().find(|node| node["state"] == "allocating")?.clone();
        (waits["reason"] != "").then_some(waits)
    });
    let why = waits["reason"].as_str().unwrap_or_default();
    assert!(!why.contains("Slurm says"), "in words: {waits:#}");
    ostler.ok(&["cluster", "delete", "p", "--force", "-y"]);
    until("nothing is left", SOON, || pilots(&lab).is_empty().then_some(()));
    until("no folder is left", SOON, || {
        lab.on("h1", "ls /home/ci/.local/state/ostler-node/*/pool/slurm 2>/dev/null || true").trim().is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_allocations_come_and_go_with_the_work() {
    let lab = Lab::up_slurm(2, &[]);
    let ostler = pool(&lab, &["--min", "0", "--max", "2", "--idle", "10s"]);
    ostler.ok(&[
        "job",
        "create",
        "-c",
        "p",
        "-n",
        "many",
        "--array",
        "1-6",
        "-q",
        "--",
        "sh",
        "-c",
        "until [ -e ~/go ]; do sleep 0.2; done",
    ]);
    until("both allocations are there", SOON, || (pilots(&lab).len() == 2).then_some(()));
    lab.on("h1", "touch /home/ci/go");
    for n in 1..=6 {
        assert_eq!(exit_code(&ostler.await_end(&format!("many-{n}"))), Some(0));
    }
    until("none is held without work", SOON, || pilots(&lab).is_empty().then_some(()));
}

#[test]
#[ignore = "takes three minutes: tests/run --long slurm"]
fn soak_of_an_allocation_that_ends() {
    let lab = Lab::up_slurm(2, &[]);
    let ostler = pool(&lab, &["--target", "1", "--allocation-time", "10m"]);
    until("the node is there", SOON, || (count(&ostler, "idleNodeCount") == 1).then_some(()));
    let first = pilots(&lab)[0].0.clone();
    // Work that goes on from what it has saved: each attempt counts further.
    let line = "echo start >> ~/attempts; while :; do n=$(cat ~/saved 2>/dev/null || echo 0); echo $((n + 1)) > ~/saved; [ ! -e ~/enough ] || exit 9; sleep 1; done";
    ostler.ok(&["job", "create", "-c", "p", "-n", "goes-on", "--", "sh", "-c", line]);
    until("it runs", SOON, || (ostler.job("goes-on")["executionState"] == "running").then_some(()));
    // The administrator shortens the allocation: it ends three minutes from its start.
    lab.on("h1", &format!("scontrol update JobId={first} TimeLimit=3"));
    until("it was put back before the end, and runs in another one", Duration::from_secs(300), || {
        let started = lab.on("h1", "wc -l < /home/ci/attempts").trim() == "2";
        (started && ostler.job("goes-on")["executionState"] == "running").then_some(())
    });
    let over = lab.on("h1", &format!("scontrol show job {first}"));
    assert!(
        over.contains("JobState=CANCELLED") || over.contains("JobState=COMPLETED"),
        "given back, and not killed at its limit: {over}"
    );
    let before: u64 = lab.on("h1", "cat /home/ci/saved").trim().parse().unwrap();
    lab.on("h1", "touch /home/ci/enough");
    let ended = ostler.await_end("goes-on");
    assert_eq!((exit_code(&ended), &ended["attempt"]), (Some(9), &2.into()), "{ended:#}");
    let after: u64 = lab.on("h1", "cat /home/ci/saved").trim().parse().unwrap();
    assert!(after >= before && before > 60, "what was saved in the first is gone on from: {before}, {after}");
}
