//! kill -9 of a writer at any moment: what it was told is committed is there, and no batch is there in part.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ostler::model::ids::Seq;
use ostler::model::snapshot::Change;
use ostler::model::state::ExecutionState;
use ostler::store::{Batch, Db, Store};

use super::samples::*;

/// Where the child writes; its presence is what makes it one.
pub const CHILD: &str = "OSTLER_TEST_CRASH_CHILD";
/// How many turns it is to write at most.
pub const TURNS: &str = "OSTLER_TEST_CRASH_TURNS";
const ROUNDS: u64 = 20;
/// Rows of each turn: more than fit a page, so that a torn turn would show.
const JOBS_A_TURN: u64 = 20;

fn child(place: &Path, crash_at: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_for_ever", "--ignored", "--nocapture"])
        .env(CHILD, place)
        .env("OSTLER_CRASH_AT", crash_at)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the other side of the tests below; it writes until it is killed"]
fn writes_for_ever() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut db = Db::open(Path::new(&path)).unwrap();
    let from = db.load().unwrap().seq.0 + 1;
    let mut out = std::io::stdout();
    for seq in from.. {
        db.commit(&batch(seq)).unwrap();
        writeln!(out, "acked {seq}").unwrap();
    }
}

#[test]
#[ignore = "the other side of the tests of `power`; it writes so many turns, or says why it cannot"]
fn writes_for_a_while() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let turns: u64 = std::env::var(TURNS).unwrap().parse().unwrap();
    let mut out = std::io::stdout();
    let mut write = || {
        let mut db = Db::open(Path::new(&path))?;
        for seq in 1..=turns {
            db.commit(&batch(seq))?;
            writeln!(out, "acked {seq}").unwrap();
        }
        Ok::<_, ostler::store::StoreError>(())
    };
    if let Err(error) = write() {
        println!("stopped: {error}");
    }
}

/// Turn n: its jobs in, those of the turn before ended, one effect issued and the one before answered, one event.
fn batch(seq: u64) -> Batch {
    let ids = |seq: u64| seq * JOBS_A_TURN..(seq + 1) * JOBS_A_TURN;
    let mut rows: Vec<Change> = ids(seq).map(|id| queued(id, 1)).collect();
    if seq > 1 {
        rows.extend(ids(seq - 1).map(|id| Change::Job(job(id, 1, ExecutionState::Succeeded).into())));
    }
    Batch {
        issued: vec![effect(seq)],
        answered: vec![ostler::model::ids::EffectId(seq.saturating_sub(1))],
        events: events(),
        ..rows_turn(seq, rows)
    }
}

/// Checks that the file holds exactly the turns up to its last one, which is at least `acked`.
pub fn check(path: &Path, acked: u64, case: &str) -> u64 {
    let mut db = Db::open(path).unwrap();
    let loaded = db.load().unwrap();
    let seq = loaded.seq.0;
    assert!(seq >= acked, "{case}: {acked} was acknowledged, {seq} is there");
    if seq == 0 {
        return 0;
    }
    assert_eq!(loaded.rows.len() as u64, JOBS_A_TURN, "{case}: live jobs");
    assert_eq!(loaded.ended.len() as u64, ((seq - 1) * JOBS_A_TURN).min(5000), "{case}: ended jobs");
    assert_eq!(loaded.outbox, vec![effect(seq)], "{case}");
    let last = db.reader().unwrap().events(Seq(seq - 1), 100).unwrap();
    assert_eq!(last.into_iter().map(|past| past.event).collect::<Vec<_>>(), events(), "{case}");
    seq
}

#[test]
fn kill_9_loses_no_acknowledged_turn_and_tears_none() {
    let place = Place::new();
    let mut last = 0;
    for round in 0..ROUNDS {
        let mut child = child(&place.file(), "");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A different moment each round, and within a turn wherever the child then is.
        let mut wanted = 1 + round * 7 % 13;
        let mut acked = last;
        for line in lines.by_ref() {
            if let Some(seq) = line.unwrap().strip_prefix("acked ") {
                acked = seq.parse().unwrap();
                wanted -= 1;
            }
            if wanted == 0 {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it could still say before it died counts too.
        acked = lines.map_while(Result::ok).filter_map(|l| l.strip_prefix("acked ")?.parse().ok()).last().unwrap_or(acked);
        let now = check(&place.file(), acked, &format!("round {round}"));
        assert!(now > last, "round {round}: it wrote something");
        last = now;
    }
}

#[cfg(feature = "crash-points")]
#[test]
fn each_crash_point_of_a_commit() {
    for (point, whole) in [("store.commit.begin", 2), ("store.commit.before", 2), ("store.commit.after", 3)] {
        let place = Place::new();
        let child = child(&place.file(), &format!("{point}:3"));
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{point}");
        let acked = String::from_utf8(output.stdout).unwrap().matches("acked ").count() as u64;
        assert_eq!(acked, 2, "{point}");
        assert_eq!(check(&place.file(), acked, point), whole, "{point}");
    }
}
