//! A long run: for hours jobs come and go, links are cut and nodes reboot, and the core, its agents and the hosts are at the end
//! what they were once all was warm: as much memory, as many descriptors, threads and processes. `SOAK=seconds` says how long;
//! what came of long ones is in `tests/LEDGER.md`.

use std::fs;
use std::time::{Duration, Instant};

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON};

/// How long it takes unless `SOAK` says otherwise.
const USUAL: Duration = Duration::from_secs(2 * 3600);
/// Jobs of a round; each round's are deleted when they have ended.
const JOBS: usize = 12;
/// Between two rounds nothing is asked, as nothing is most of the time.
const PAUSE: Duration = Duration::from_secs(2);
/// In each of so many rounds a link is cut, and in another a node loses its power.
const FAULT_EVERY: u64 = 20;
/// What the core's memory may grow from the third quarter of the time to the last, in KiB. In the first half caches fill, and
/// connections are made that are kept.
const GROWTH_MAX: usize = 1024;
/// A quarter of fewer rounds says nothing.
const ROUNDS_MIN: usize = 10;

/// What is measured after a round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    memory_kib: usize,
    descriptors: usize,
    threads: usize,
    processes: usize,
}

#[test]
#[ignore = "takes hours: tests/run --long"]
fn soak_with_flat_memory_and_descriptors() {
    let length =
        std::env::var("SOAK").ok().map_or(USUAL, |text| Duration::from_secs(text.parse().expect("SOAK in seconds")));
    let lab = Lab::up(4);
    let ostler = Ostler::with_cluster(&lab, 4);
    ostler.await_ready(4);
    let core = ostler.json(&["serve", "--status"])["pid"].as_u64().expect("a core runs");
    let began = Instant::now();
    let mut samples = Vec::new();
    let mut round = 0;
    while began.elapsed() < length {
        round += 1;
        one_round(&lab, &ostler, round);
        std::thread::sleep(PAUSE);
        let sample = look(&lab, core);
        if round.is_multiple_of(25) {
            println!("round {round}, {} s: {sample:?}", began.elapsed().as_secs());
        }
        samples.push(sample);
    }
    assert_eq!(ostler.json(&["serve", "--status"])["pid"].as_u64(), Some(core), "it is the same core all the time");
    let quarter = samples.len() / 4;
    assert!(quarter >= ROUNDS_MIN, "too short to say anything: {round} rounds");
    let (third, last) = (&samples[2 * quarter..3 * quarter], &samples[3 * quarter..]);
    println!(
        "{round} rounds of {JOBS} jobs in {} s, from {:?} to {:?}",
        length.as_secs(),
        samples[0],
        samples[samples.len() - 1]
    );
    for (name, more, what) in [
        ("memory in KiB", GROWTH_MAX, (|sample| sample.memory_kib) as fn(&Sample) -> usize),
        ("descriptors", 2, |sample| sample.descriptors),
        ("threads", 2, |sample| sample.threads),
        ("processes on the hosts", 2, |sample| sample.processes),
    ] {
        let (before, after) = (median(third, what), median(last, what));
        println!("{name}: {before} in the third quarter, {after} in the last");
        assert!(after <= before + more, "{name}: {before} in the third quarter, {after} in the last");
    }
}

/// Jobs that run, one that fails, one that is stopped; its link or its node goes now and then.
fn one_round(lab: &Lab, ostler: &Ostler<'_>, round: u64) {
    let names: Vec<String> = (0..JOBS).map(|number| format!("r{round}-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let line = match number {
            0 => "exit 3",
            1 => "sleep 1000",
            _ => "echo loss=0.5; sleep 0.5",
        };
        ostler.submit(name, line);
    }
    if round.is_multiple_of(FAULT_EVERY) {
        lab.nslab(&["cut", "h1"]);
        std::thread::sleep(Duration::from_secs(3));
        lab.nslab(&["heal", "h1"]);
    }
    if round % FAULT_EVERY == FAULT_EVERY / 2 {
        lab.nslab(&["off", "h2"]);
        lab.nslab(&["on", "h2"]);
    }
    ostler.ok(&["job", "terminate", &names[1], "-y"]);
    let patience = SOON * 3;
    until(&format!("all of round {round} have ended"), patience, || {
        let over = |job: &serde_json::Value| matches!(job["executionState"].as_str(), Some("succeeded" | "failed"));
        ostler.jobs().iter().all(over).then_some(())
    });
    for name in &names[2..] {
        assert_eq!(ostler.job(name)["executionState"], "succeeded", "{:#}", ostler.job(name));
    }
    assert_eq!(ostler.ok(&["job", "logs", &names[2]]), "loss=0.5\n");
    ostler.ok(&["job", "delete", "--all", "-y"]);
    until("all nodes are back", patience, || ostler.nodes().iter().all(|node| node["state"] == "idle").then_some(()));
}

fn look(lab: &Lab, core: u64) -> Sample {
    let status = fs::read_to_string(format!("/proc/{core}/status")).expect("the core lives");
    let field = |name: &str| -> usize {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.split_ascii_whitespace().next().expect(name).parse().expect(name)
    };
    let processes = lab.on_all("ls -d /proc/[0-9]* | wc -l");
    Sample {
        memory_kib: field("VmRSS:"),
        descriptors: fs::read_dir(format!("/proc/{core}/fd")).expect("the core lives").count(),
        threads: field("Threads:"),
        processes: processes.lines().map(|line| line.trim().parse::<usize>().expect("a number")).sum(),
    }
}

fn median(samples: &[Sample], what: fn(&Sample) -> usize) -> usize {
    let mut values: Vec<usize> = samples.iter().map(what).collect();
    values.sort_unstable();
    values[values.len() / 2]
}
