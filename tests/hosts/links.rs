//! Links that break under a job: it goes on, and its true code is known afterwards.

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};
use crate::queue::ledger;

const GATED: &str = "echo start >> /root/ledger; until [ -e /root/go ]; do sleep 0.1; done; echo over; exit 5";

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_cut_link_loses_neither_the_job_nor_its_code() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.submit("long", GATED);
    until("it has started", SOON, || (!ledger(&lab).is_empty()).then_some(()));
    lab.nslab(&["cut", "h1"]);
    let node = until("the node is unusable", SOON, || ostler.node("h1").filter(|node| node["state"] == "unusable"));
    assert!(node["reason"].as_str().unwrap().contains("unreachable"), "{node:#}");
    assert_eq!(ostler.job("long")["executionState"], "running", "out of sight is not dead");
    ostler.submit("behind", "true");
    lab.on("h1", "touch /root/go");
    lab.nslab(&["heal", "h1"]);
    let job = ostler.await_end("long");
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &1.into()), "{job:#}");
    assert_eq!(ostler.ok(&["job", "logs", "long"]), "over\n");
    assert_eq!(ostler.await_end("behind")["executionState"], "succeeded");
    assert_eq!(ledger(&lab)["start"], 1);
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_killed_sshd_is_taken_over_from() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.submit("long", GATED);
    until("it has started", SOON, || (!ledger(&lab).is_empty()).then_some(()));
    lab.kill_sshd("h1");
    until("the link is lost", SOON, || ostler.node("h1").filter(|node| !node["reason"].as_str().unwrap_or("").is_empty()));
    lab.on("h1", "touch /root/go");
    until("it has ended on the node", SOON, || {
        (!lab.on("h1", "cat /proc/[0-9]*/cmdline").contains("/root/go")).then_some(())
    });
    assert_eq!(ostler.job("long")["executionState"], "running", "nothing is invented");
    lab.nslab(&["sshd-back", "h1"]);
    let job = ostler.await_end("long");
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &1.into()), "{job:#}");
    assert_eq!(ledger(&lab)["start"], 1);
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_power_cut_requeues_once_the_old_attempt_is_proven_dead() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    ostler.submit("long", GATED);
    until("it has started", SOON, || (!ledger(&lab).is_empty()).then_some(()));
    let first = ostler.job("long")["nodes"][0].as_str().unwrap().to_owned();
    lab.nslab(&["off", &first]);
    until("the node is unusable", SOON, || ostler.node(&first).filter(|node| node["state"] == "unusable"));
    ostler.ok(&["cluster", "scale", "c", "2"]);
    ostler.submit("other", "true");
    ostler.await_end("other");
    assert_eq!(ostler.job("long")["attempt"], 1, "no second attempt without proof");
    lab.nslab(&["on", &first]);
    until("it has started again", SOON, || (ledger(&lab)["start"] == 2).then_some(()));
    lab.on_all("touch /root/go");
    let job = ostler.await_end("long");
    assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &2.into()), "{job:#}");
    assert_eq!(ledger(&lab)["start"], 2);
}
