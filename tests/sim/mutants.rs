//! Checks of the core that are taken out, one at a time: without each of them some seed breaks a rule. What nothing misses would be
//! a check without a use, or a rule that nobody looks at.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ostler::model::guard::take_out;

/// Which check the test below takes out.
const WHICH: &str = "OSTLER_TAKE_OUT";
/// Seeds that are tried at most, from the first on; `MUTANT_SEEDS=n` for another number.
const SEEDS: u64 = 400;

/// All checks that can be taken out.
pub const CHECKS: &[&str] = &[
    "ahead.has-nothing-yet",
    "ahead.recall-over",
    "attempt.all-proven-gone",
    "attempt.current",
    "attempt.gives-its-nodes-back",
    "attempt.lost-while-going",
    "attempt.order-over",
    "attempt.put-back-so-often",
    "attempt.tried-so-often",
    "depend.waits-no-more",
    "effect.undone-is-forgotten",
    "engine.answered",
    "engine.sent-again",
    "engine.token",
    "experiment.forgets",
    "gate.running-counts",
    "job.lives-again",
    "job.minds-its-nodes",
    "job.no-deadline-when-over",
    "ledger.paid-no-more",
    "node.acknowledged-once",
    "node.asked-for-again",
    "node.dead-gets-no-orders",
    "node.held-stays",
    "node.host-not-taken",
    "node.leaves-though-seen",
    "node.leaves-when-not-got",
    "node.orders-go-with-it",
    "node.released-again",
    "node.released-when-free",
    "outbox.ack-is-done",
    "outbox.node-is-done",
    "outbox.stop-is-done",
    "place.whole-gang",
    "pool.drained",
    "pool.ends-once",
    "pool.gone-has-no-room",
    "pool.out-of-sight",
    "pool.standing-left",
    "pool.used-is-not-loose",
    "pool.waits-no-more",
    "provide.orphans-go-back",
    "queue.dependencies",
    "queue.held",
    "queue.pause",
    "sweep.member-goes-on",
    "tally.leaves-its-state",
    "timer.one-each",
];

#[test]
fn each_check_is_missed() {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(&str, Option<u64>)>> = Mutex::default();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(check) = CHECKS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seed = missed_at(check);
                    found.lock().expect("no panic while it is held").push((check, seed));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no panic while it was held");
    found.sort();
    for (check, seed) in &found {
        println!("{check:<32} {}", seed.map_or_else(|| "not missed".to_owned(), |seed| format!("seed {seed}")));
    }
    let unseen: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(check, _)| *check).collect();
    assert!(unseen.is_empty(), "nothing misses {unseen:?}");
    let last = found.iter().filter_map(|(_, seed)| *seed).max().unwrap_or_default();
    crate::tables::table(&format!(
        "guard mutants: {} checks taken out, each missed by seed {last} at the latest",
        found.len()
    ));
}

/// Returns the first seed that breaks a rule without a check. A process for each: what is taken out stays out.
fn missed_at(check: &str) -> Option<u64> {
    let mut one = Command::new(std::env::current_exe().expect("this program has a path"));
    one.args(["--exact", "mutants::without_one", "--ignored", "--nocapture"]).env(WHICH, check).env("RUST_BACKTRACE", "0");
    let output = one.stderr(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.split_once("MISSED AT ")?.1.trim().parse().ok())
}

#[test]
#[ignore = "each_check_is_missed runs it"]
fn without_one() {
    let check = std::env::var(WHICH).expect("the name of a check");
    take_out(&check);
    let seeds = crate::number("MUTANT_SEEDS").unwrap_or(SEEDS);
    if let Some((seed, words)) = (1..=seeds).find_map(|seed| Some((seed, crate::run_and_name(seed).err()?))) {
        println!("{words}\nMISSED AT {seed}");
    }
}

#[test]
fn the_list_has_every_check() {
    let mut found = std::collections::BTreeSet::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let names = text.split("guard(\"").skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(names.map(str::to_owned));
            }
        }
    }
    let listed: std::collections::BTreeSet<String> = CHECKS.iter().map(|check| (*check).to_owned()).collect();
    assert_eq!(found, listed);
}
