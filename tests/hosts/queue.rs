//! Many jobs on few nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, exit_code};

/// The lines of all hosts' ledgers, each with how often it is there.
pub fn ledger(lab: &Lab) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in lab.on_all("cat /root/ledger 2>/dev/null").lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn sixty_four_jobs_on_four_nodes_each_once_and_one_at_a_time() {
    let lab = Lab::up(4);
    let ostler = Ostler::with_cluster(&lab, 4);
    // A node that is not free fails the job. Each takes longer than its submission, so that a queue builds up and all nodes
    // have work.
    let line = |i: u32| {
        format!("mkdir /tmp/busy || exit 99; echo j{i} >> /root/ledger; sleep 0.3; rmdir /tmp/busy; exit {}", i % 2)
    };
    for i in 0..64 {
        ostler.submit(&format!("j{i}"), &line(i));
    }
    let jobs = until("all jobs have ended", Duration::from_secs(180), || {
        let jobs = ostler.jobs();
        jobs.iter().all(|job| matches!(job["executionState"].as_str(), Some("succeeded" | "failed"))).then_some(jobs)
    });
    assert_eq!(jobs.len(), 64);
    for (i, job) in (0i64..).zip(&jobs) {
        assert_eq!((job["name"].as_str(), exit_code(job)), (Some(format!("j{i}").as_str()), Some(i % 2)), "{job:#}");
        assert_eq!(job["attempt"], 1, "{job:#}");
    }
    let ledger = ledger(&lab);
    assert_eq!(ledger.len(), 64);
    assert!(ledger.values().all(|count| *count == 1), "{ledger:?}");
    let busy: Vec<u64> = lab.hosts().map(|host| lab.on(&host, "wc -l < /root/ledger").trim().parse().unwrap_or(0)).collect();
    assert!(busy.iter().all(|count| *count > 4), "all nodes had work: {busy:?}");
}
