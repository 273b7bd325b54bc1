//! A cluster that grows and shrinks under its jobs.

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON};
use crate::queue::ledger;

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn two_then_four_then_one_with_requeue() {
    let lab = Lab::up(4);
    let ostler = Ostler::with_cluster(&lab, 2);
    let count = |state: &str| ostler.jobs().iter().filter(|job| job["executionState"] == state).count();
    for i in 0..4 {
        ostler.submit(
            &format!("j{i}"),
            &format!("echo j{i} >> /root/ledger; until [ -e /root/go ]; do sleep 0.1; done; echo done"),
        );
    }
    until("two run", SOON, || (count("running") == 2 && ledger(&lab).len() == 2).then_some(()));
    let waiting = ostler.job("j3");
    assert!(!waiting["reason"].as_str().unwrap().is_empty(), "a waiting job says why: {waiting:#}");

    ostler.ok(&["cluster", "scale", "c", "4"]);
    until("four run", SOON, || (count("running") == 4 && ledger(&lab).len() == 4).then_some(()));

    ostler.ok(&["cluster", "scale", "c", "1", "--deallocate", "requeue", "-y"]);
    until("one runs", SOON, || (ostler.nodes().len() == 1 && count("running") == 1 && count("queued") == 3).then_some(()));
    let left: usize = lab
        .hosts()
        .filter(|host| lab.on(host, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").contains("/root/go"))
        .count();
    assert_eq!(left, 1, "nothing runs on nodes that were given back");

    lab.on_all("touch /root/go");
    let jobs: Vec<_> = (0..4).map(|i| ostler.await_end(&format!("j{i}"))).collect();
    let ledger = ledger(&lab);
    let mut attempts = Vec::new();
    for job in &jobs {
        assert_eq!(job["executionState"], "succeeded", "{job:#}");
        let starts = ledger[job["name"].as_str().unwrap()];
        assert_eq!(job["attempt"], starts, "as many starts as attempts: {job:#}");
        attempts.push(starts);
        assert_eq!(ostler.ok(&["job", "logs", job["name"].as_str().unwrap()]), "done\n", "of the last attempt only");
    }
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2, 2, 2]);
}
