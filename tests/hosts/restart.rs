//! The program killed at any moment, and started again: no job lost, none run twice, exit codes true.

use std::time::Duration;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, exit_code};
use crate::queue::ledger;

/// How often the program is killed. Each time a little later after a submit than the last, so that submit, placement,
/// start, running and end of jobs are all met.
const KILLS: u32 = 16;

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn killed_again_and_again_it_loses_and_repeats_nothing() {
    let lab = Lab::up(4);
    let ostler = Ostler::with_cluster(&lab, 4);
    ostler.await_ready(4);
    let mut submitted = Vec::new();
    for kill in 0..KILLS {
        for part in 0..3 {
            let name = format!("k{kill}-{part}");
            let line = format!("echo {name} >> /root/ledger; sleep 0.{}; exit {}", part * 3, part);
            ostler.submit(&name, &line);
            submitted.push((name, i64::from(part)));
        }
        // Not a wait for a state: the moment of the kill is what is tried out.
        std::thread::sleep(Duration::from_millis(u64::from(kill) * 40));
        ostler.kill_server();
    }
    let jobs = until("all jobs have ended", Duration::from_secs(180), || {
        let jobs = ostler.jobs();
        jobs.iter().all(|job| matches!(job["executionState"].as_str(), Some("succeeded" | "failed"))).then_some(jobs)
    });
    let names: Vec<(String, i64)> =
        jobs.iter().map(|job| (job["name"].as_str().unwrap().to_owned(), exit_code(job).unwrap_or(-1))).collect();
    assert_eq!(names, submitted, "none is lost and each has its true code");
    let ledger = ledger(&lab);
    for job in &jobs {
        let name = job["name"].as_str().unwrap();
        assert_eq!(ledger.get(name).copied(), job["attempt"].as_u64(), "started once for each attempt: {job:#}");
    }
    assert_eq!(ostler.nodes().len(), 4);
    assert!(ostler.nodes().iter().all(|node| node["state"] == "idle"), "{:#?}", ostler.nodes());
}
