//! Seeded simulation: the real core and runtime against a world of machines, links, people and faults. One number gives
//! the whole run; `SEED=n cargo test --test sim` repeats it exactly. `SEEDS=n` sets how many are run.

#[cfg(feature = "crash-points")]
#[path = "../answering.rs"]
mod answering;
mod cloud;
mod disk;
mod faults;
mod host;
#[cfg(feature = "crash-points")]
mod mutants;
mod people;
mod rng;
#[cfg(feature = "crash-points")]
mod small;
#[cfg(feature = "crash-points")]
#[path = "../tables.rs"]
mod tables;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ostler::model::state::{AllocationState, ExecutionState, NodeState};
use ostler::model::units::Millis;

use world::{Happening, World};

/// How many seeds a run by hand takes; `tests/run` takes more.
const SEEDS_DEFAULT: u64 = 2_000;
/// How long people and faults rage in each run.
const STORM: Millis = Millis::from_mins(4);
/// How long it may take afterwards until all is quiet: the longest job, the back-offs and the time limits of ssh.
const CALM: Millis = Millis::from_mins(40);
/// So many of the seeds that failed are named.
const FAILURES_TOLD_MAX: usize = 10;
/// How many things may happen in one run; more is a loop that does not end.
const HAPPENINGS_MAX: u64 = 400_000;

fn run(seed: u64) -> (u64, BTreeMap<&'static str, u64>) {
    let mut world = World::new(seed);
    world.at(10, Happening::Person);
    world.at(2_000, Happening::Fault);
    let storm_ends = world.now + STORM;
    let mut left = HAPPENINGS_MAX;
    while world.advance(storm_ends) {
        left -= 1;
        assert!(left > 0, "the world does not come to rest");
    }
    calm(&mut world, &mut left);
    (world.trace_hash(), world.reached.clone())
}

/// The faults stop: now everything has to come to an end that can.
fn calm(world: &mut World, left: &mut u64) {
    world.faults.stop();
    world.calm = true;
    faults::heal(world);
    let start = world.now;
    // A core may be down still, and what people undo may be lost with it.
    for pause in [Millis::from_mins(2), Millis::from_mins(2), CALM] {
        people::relent(world);
        let until = world.now + pause;
        while world.advance(until) {
            *left -= 1;
            assert!(*left > 0, "the world does not come to rest");
            if world.now > start + Millis::from_mins(6) && quiet(world) {
                break;
            }
        }
    }
    assert_quiet(world);
}

fn quiet(world: &World) -> bool {
    world.engine.as_ref().is_some_and(|engine| engine.sched().jobs().is_empty() && engine.outbox().is_empty())
        && cloud::amiss(world).is_empty()
        && unsettled(world).is_empty()
}

/// Returns what keeps the cluster from being as people want it: so many nodes, each ready, none on its way.
fn unsettled(world: &World) -> Vec<String> {
    let Some(engine) = world.engine.as_ref() else { return vec!["no core".to_owned()] };
    let Some(cluster) = engine.sched().clusters().values().next() else { return Vec::new() };
    let nodes = engine.sched().nodes().values();
    let odd = nodes.filter(|node| node.state != NodeState::Idle).map(|node| format!("{} is {:?}", node.id, node.state));
    let mut all: Vec<String> = odd.collect();
    let (there, wish) = (engine.sched().nodes().len(), cluster.spec.scale_settings.target());
    if there as u32 != wish.0 {
        all.push(format!("{there} nodes and not {wish}: {:?}", cluster.errors));
    }
    if cluster.allocation != AllocationState::Steady {
        all.push(format!("the cluster is {:?}", cluster.allocation));
    }
    all
}

fn assert_quiet(world: &World) {
    let engine = world.engine.as_ref().expect("the core runs at the end");
    let waiting: Vec<String> = engine
        .sched()
        .jobs()
        .values()
        .map(|job| {
            let cluster = engine.sched().clusters().get(&job.cluster);
            format!("{} {:?} {} {:?}", job.id, job.state, job.reason(cluster.map(|c| &**c)), job.last.ranks)
        })
        .collect();
    let nodes = engine.sched().nodes();
    assert!(waiting.is_empty(), "I29: these jobs never end: {waiting:#?} on {nodes:#?}");
    let amiss = cloud::amiss(world);
    assert!(amiss.is_empty(), "I33: nothing is bought twice and nothing forgotten: {amiss:#?}");
    let unsettled = unsettled(world);
    assert!(unsettled.is_empty(), "converges once faults stop: {unsettled:#?}");
    assert!(engine.outbox().is_empty(), "I30: never answered: {:#?}", engine.outbox());
    for (name, host) in &world.hosts {
        let alive: Vec<_> = host.alive().collect();
        assert!(alive.is_empty(), "I30: left running on {name}: {alive:?}");
    }
    let holders: Vec<_> = engine.sched().nodes().values().filter(|node| node.is_held()).collect();
    assert!(holders.is_empty(), "I31: capacity that nobody gave back: {holders:#?}");
    for id in world.accepted.values() {
        if let Some(job) = world.disk.row(*id) {
            let ended = matches!(job.state, ExecutionState::Succeeded | ExecutionState::Failed);
            assert!(ended, "I29: {id} is {:?} on the disk", job.state);
            world.check_ends(&job);
        }
    }
}

fn run_and_name(seed: u64) -> Result<(u64, BTreeMap<&'static str, u64>), String> {
    catch_unwind(AssertUnwindSafe(|| run(seed))).map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        format!("seed {seed}: {words}\nrepeat it: SEED={seed} cargo test --test sim")
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn no_seed_breaks_a_rule() {
    if let Some(seed) = number("SEED") {
        let (hash, reached) = run(seed);
        println!("seed {seed}: trace {hash:016x}\n{reached:#?}");
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS_DEFAULT);
    let first = number("SEED_FROM").unwrap_or(1);
    let next = AtomicU64::new(first);
    let found: Mutex<(Vec<String>, BTreeMap<&'static str, u64>)> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let result = run_and_name(seed);
                    let mut found = found.lock().expect("no panic while it is held");
                    match result {
                        Ok((_, reached)) => {
                            for (what, count) in reached {
                                *found.1.entry(what).or_default() += count;
                            }
                        }
                        Err(words) => found.0.push(words),
                    }
                }
            });
        }
    });
    let (failures, reached) = found.into_inner().expect("no panic while it was held");
    println!("{seeds} seeds from {first}; reached: {reached:#?}");
    let some = failures.iter().take(FAILURES_TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {seeds} seeds failed, among them:\n{some}", failures.len());
    for probe in PROBES.iter().filter(|_| seeds >= SEEDS_DEFAULT) {
        assert!(reached.contains_key(probe), "never reached: {probe}");
    }
}

/// What must happen at least once in a full run, or it proves less than it says.
const PROBES: &[&str] = &[
    "a job was sent ahead",
    "what was sent ahead was started",
    "what was sent ahead was recalled",
    "a recall came too late",
    "crash before commit",
    "crash after commit",
    "a start was repeated",
    "a start was fenced",
    "a link was cut",
    "a machine rebooted",
    "a machine lost power",
    "a machine was declared dead",
    "a supervisor was killed",
    "a failed job was retried",
    "a provider gave a machine twice",
    "a machine was found by its tag",
    "a machine was taken away",
    "a machine that no node had was given back",
    "a machine was to be taken away with notice",
    "a budget kept nodes from being asked for",
    "a budget was used up",
    "auto-scale sent an idle node away",
    "nodes with work stayed although fewer were wanted",
    "a job ended because it used none of its GPUs",
    "a job began beside a stranger's",
    "a token was said again",
    "a sweep was submitted",
    "something was done to a whole sweep",
    "a process was started with its code",
    "a start was refused for its code",
];

#[test]
fn the_same_seed_gives_the_same_run() {
    // The last three broke a rule once.
    for seed in [3, 77, 1234, 6300, 7299, 85_074] {
        let trace = || run_and_name(seed).map(|(trace, _)| trace).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
