//! A cluster of Slurm whose nodes and controller fail: what ran there is put back, by Slurm or by ostler, and ends once.

use std::time::Duration;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

/// Slurm gives a node up after its `SlurmdTimeout`, and looks some ten seconds apart: twice, and a start.
const GIVEN_UP: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_puts_back_what_ran_on_a_node_that_failed() {
    let lab = Lab::up_slurm(2, &[]);
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"]);
    let line = "hostname >> ~/ran; until [ -e ~/go ]; do sleep 0.2; done; exit 6";
    ostler.ok(&["job", "create", "-c", "c", "-n", "moves", "--", "sh", "-c", line]);
    let first = until("it runs", SOON, || {
        let job = ostler.job("moves");
        (job["executionState"] == "running").then(|| job["nodes"][0].as_str().map(str::to_owned))?
    });
    lab.nslab(&["off", &first]);
    let second = until("it runs on the other node", GIVEN_UP, || {
        let job = ostler.job("moves");
        let on = job["nodes"][0].as_str().unwrap_or_default();
        (job["executionState"] == "running" && on != first && !on.is_empty()).then(|| on.to_owned())
    });
    let nodes = ostler.json(&["cluster", "node", "list", "-c", "c"]);
    let down = nodes.as_array().unwrap().iter().find(|node| node["name"] == first.as_str()).unwrap().clone();
    assert!(down["state"].as_str().unwrap().starts_with("down"), "{down:#}");
    assert!(down["reason"].as_str().unwrap().contains("ot responding"), "why is said: {down:#}");
    lab.on("h1", "touch /home/ci/go");
    let moves = ostler.await_end("moves");
    assert_eq!((exit_code(&moves), &moves["attempt"]), (Some(6), &1.into()), "the same job of Slurm: {moves:#}");
    assert_eq!(lab.on("h1", "cat /home/ci/ran"), format!("{first}\n{second}\n"));
    // A node that comes back is Slurm's to use again.
    lab.nslab(&["on", &first]);
    lab.slurm(&["node", &first]);
    until("it is idle again", GIVEN_UP, || {
        let nodes = ostler.json(&["cluster", "node", "list", "-c", "c"]);
        nodes.as_array()?.iter().any(|node| node["name"] == first.as_str() && node["state"] == "idle").then_some(())
    });
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_may_lose_a_node_of_a_pool_and_its_controller() {
    let lab = Lab::up_slurm(3, &[]);
    let ostler = Ostler::new(&lab);
    let create = ["cluster", "create", "p", "--backend", "slurm", "--login", "ci@h1", "--partition", "all", "--target", "2"];
    ostler.ok(&create);
    let counts = |state: &str| ostler.json(&["cluster", "show", "p"])["nodeStateCounts"][state].as_u64().unwrap_or_default();
    until("both nodes are there", SOON, || (counts("idleNodeCount") == 2).then_some(()));

    // Without its controller nothing comes or goes, and what runs goes on: jobs start and end.
    lab.slurm(&["stop"]);
    ostler.ok(&["job", "create", "-c", "p", "-n", "small", "--array", "1-20", "--cpus", "1", "-q", "--", "true"]);
    for n in 1..=20 {
        assert_eq!(exit_code(&ostler.await_end(&format!("small-{n}"))), Some(0));
    }
    lab.slurm(&["start"]);
    until("the controller answers", SOON, || lab.on("h1", "scontrol ping").contains("UP").then_some(()));

    // A node that fails takes what runs there with it: that runs again on another one, which comes in its place.
    let line = "hostname >> ~/ran; until [ -e ~/go ]; do sleep 0.2; done; exit 7";
    ostler.ok(&["job", "create", "-c", "p", "-n", "lost", "--", "sh", "-c", line]);
    let first = until("it runs", SOON, || {
        let job = ostler.job("lost");
        (job["executionState"] == "running").then(|| job["nodes"][0].as_str().map(str::to_owned))?
    });
    lab.nslab(&["off", &first]);
    until("it runs on another node", GIVEN_UP, || {
        let job = ostler.job("lost");
        (job["executionState"] == "running" && job["nodes"][0] != first.as_str()).then_some(())
    });
    lab.on("h1", "touch /home/ci/go");
    let lost = ostler.await_end("lost");
    assert_eq!((exit_code(&lost), &lost["attempt"]), (Some(7), &2.into()), "{lost:#}");
    until("there are two nodes again", GIVEN_UP, || (counts("idleNodeCount") == 2).then_some(()));
    let names = ostler.json(&["cluster", "show", "p"])["nodes"].clone();
    assert!(!names.to_string().contains(&format!("\"name\":\"{first}\"")), "{names:#}");
    ostler.ok(&["cluster", "delete", "p", "--force", "-y"]);
}
