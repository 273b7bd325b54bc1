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
/// Rounds after which everything is warm.
const WARM: u64 = 40;
/// What the core's memory may grow in an hour, in KiB.
const GROWTH_MAX: f64 = 1024.0;

/// What is measured after a round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    memory_kib: f64,
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
        let sample = look(&lab, core, began);
        if round.is_multiple_of(25) {
            println!("round {round}: {sample:?}");
        }
        samples.push(sample);
    }
    assert_eq!(ostler.json(&["serve", "--status"])["pid"].as_u64(), Some(core), "it is the same core all the time");
    let warm: Vec<Sample> = samples.into_iter().skip(usize::try_from(WARM).expect("few")).collect();
    let (early, late) = warm.split_at(warm.len() / 2);
    assert!(early.len() > 20, "too short to say anything: {round} rounds");
    let growth = slope(&warm) * 3600.0;
    println!(
        "{round} rounds of {JOBS} jobs in {} s: memory grows by {growth:.0} KiB an hour, {:?} to {:?}",
        length.as_secs(),
        warm[0],
        warm[warm.len() - 1]
    );
    // In a short run the allocator's steps are steep.
    assert!(growth < GROWTH_MAX || length < USUAL, "memory grows by {growth:.0} KiB an hour");
    let most = |of: &[Sample], what: fn(&Sample) -> usize| of.iter().map(what).max().unwrap_or_default();
    for (name, what) in [
        ("descriptors", (|sample| sample.descriptors) as fn(&Sample) -> usize),
        ("threads", |sample| sample.threads),
        ("processes on the hosts", |sample| sample.processes),
    ] {
        assert!(most(late, what) <= most(early, what) + 2, "{name}: {} and then {}", most(early, what), most(late, what));
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

fn look(lab: &Lab, core: u64, began: Instant) -> Sample {
    let status = fs::read_to_string(format!("/proc/{core}/status")).expect("the core lives");
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.split_ascii_whitespace().next().expect(name).parse().expect(name)
    };
    let processes = lab.on_all("ls -d /proc/[0-9]* | wc -l");
    Sample {
        seconds: began.elapsed().as_secs_f64(),
        memory_kib: field("VmRSS:"),
        descriptors: fs::read_dir(format!("/proc/{core}/fd")).expect("the core lives").count(),
        threads: field("Threads:") as usize,
        processes: processes.lines().map(|line| line.trim().parse::<usize>().expect("a number")).sum(),
    }
}

/// Returns by how many KiB the memory grows in a second: the line of least squares.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.seconds), mean(|sample| sample.memory_kib));
    let across: f64 = samples.iter().map(|sample| (sample.seconds - x) * (sample.memory_kib - y)).sum();
    across / samples.iter().map(|sample| (sample.seconds - x).powi(2)).sum::<f64>()
}
