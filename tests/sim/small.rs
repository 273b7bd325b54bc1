//! A core with little memory and many jobs.

use std::path::Path;
use std::process::Command;

use ostler::model::units::Millis;
use ostler::store::DATABASE_FILE;

use crate::answering::{Spools, World};

/// What the core may have of memory of its own, in KiB: `ulimit -d` counts what is written to and is no file's.
const MEMORY_KIB: u32 = 256 << 10;
/// How many jobs wait.
const WAITING: u32 = 100_000;
/// How many nodes there are, each with so many CPUs.
const NODES: (u32, u32) = (200, 4);
/// How many jobs come and go in a minute.
const JOBS_A_MINUTE: u32 = 20;
/// How much the core may grow in the second half of the day, in KiB. In the first it comes to hold as many ended jobs as it ever does.
const GROWTH_MAX: u64 = 2 << 10;

/// F70: in a program of its own, since the limit is a program's.
#[test]
fn a_hundred_thousand_jobs_fit_into_a_quarter_of_a_gigabyte_for_a_day() {
    if std::env::var_os("OSTLER_TEST_SMALL").is_some() {
        return a_day();
    }
    let name = "small::a_hundred_thousand_jobs_fit_into_a_quarter_of_a_gigabyte_for_a_day";
    let mut small = Command::new("/bin/sh");
    small.args(["-c", &format!("ulimit -d {MEMORY_KIB} && exec \"$0\" --exact {name} --nocapture --test-threads 1")]);
    small.arg(std::env::current_exe().unwrap()).env("OSTLER_TEST_SMALL", "1");
    let out = small.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{:?}: {text}{}", out.status, String::from_utf8_lossy(&out.stderr));
    crate::tables::table(text.lines().find_map(|line| Some(line.split_once("small: ")?.1)).expect("what it came to"));
}

fn a_day() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DATABASE_FILE);
    let mut world = World::open(&path, Spools::new(), NODES.1);
    world.set_up(NODES.0);
    let running = NODES.0 * NODES.1;
    for _ in 0..10 {
        world.submit((WAITING + running) / 10);
    }
    let mut at_noon = 0;
    for minute in 1..=24 * 60 {
        world.pass(Millis::from_mins(1), JOBS_A_MINUTE as usize);
        world.submit(JOBS_A_MINUTE);
        if minute == 12 * 60 {
            at_noon = memory();
        }
    }
    let at_the_end = memory();
    world.assert_all(running as usize, WAITING as usize);
    let spools = world.killed();
    let mut world = World::open(&path, spools, NODES.1);
    world.run();
    world.assert_all(running as usize, WAITING as usize);
    assert_eq!(world.started, 0, "what ran is taken over");
    println!(
        "small: memory for {WAITING} waiting jobs and {} nodes: {} MiB after half a day, {} after a day, {} after a restart",
        NODES.0,
        at_noon >> 10,
        at_the_end >> 10,
        memory() >> 10
    );
    assert!(at_the_end <= at_noon + GROWTH_MAX, "{at_noon} KiB and then {at_the_end} KiB");
}

/// What this process has of memory of its own, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    own.trim().trim_end_matches(" kB").parse().unwrap()
}
