//! Files that are not as they were written: a write-ahead log that ends anywhere, and bytes that have changed. What opens is a state
//! that some commit left; what does not is refused; nothing panics, and nothing is written over.

use std::fs;
use std::path::Path;

use ostler::model::snapshot::Change;
use ostler::model::units::UnixMillis;
use ostler::store::{Batch, Db, Store, StoreError, WITNESS_FILE, salvage};

use super::samples::*;

/// Where the log is cut: at every sector of the smallest disks, and a byte beside it.
const SECTOR: usize = 512;
/// Jobs of each commit: several pages, so that a torn one would show.
const JOBS_A_TURN: u64 = 20;
const TURNS: u64 = 6;
/// How many files with changed bytes are tried; `tests/run --long` tries as many as the issue asks for.
const FLIPS_DEFAULT: u64 = 600;

/// Makes a database whose commits are in the write-ahead log alone, and returns both files.
fn with_a_log() -> (Vec<u8>, Vec<u8>) {
    let place = Place::new();
    let mut db = place.open();
    for seq in 1..=TURNS {
        let ids = seq * JOBS_A_TURN..(seq + 1) * JOBS_A_TURN;
        db.commit(&rows_turn(seq, ids.map(|id| queued(id, 1)).collect())).unwrap();
    }
    let wal = place.dir.path().join("ostler.sqlite-wal");
    (fs::read(place.file()).unwrap(), fs::read(wal).unwrap())
}

/// Opens what lies there; `None` when it is refused.
fn opened(path: &Path, case: &str) -> Option<(u64, usize)> {
    match Db::open(path) {
        Ok(mut db) => match db.load() {
            Ok(loaded) => Some((loaded.seq.0, loaded.rows.len())),
            Err(StoreError::Refused { .. } | StoreError::Row { .. } | StoreError::Sql { .. }) => None,
        },
        Err(StoreError::Refused { .. }) => None,
        Err(other) => panic!("{case}: not a refusal: {other:?}"),
    }
}

#[test]
fn a_log_cut_anywhere_opens_as_some_commit_left_it() {
    let (database, wal) = with_a_log();
    let mut found = Vec::new();
    let cuts = (0..wal.len())
        .step_by(SECTOR)
        .flat_map(|at| if at % (16 * SECTOR) == 0 { vec![at, at + 1] } else { vec![at] })
        .filter(|at| *at <= wal.len());
    for cut in cuts {
        let place = Place::new();
        fs::write(place.file(), &database).unwrap();
        fs::write(place.dir.path().join("ostler.sqlite-wal"), &wal[..cut]).unwrap();
        let (seq, rows) = opened(&place.file(), &format!("cut at {cut}")).unwrap_or_else(|| panic!("cut at {cut}: refused"));
        assert_eq!(rows as u64, seq * JOBS_A_TURN, "cut at {cut}: a commit is there in part");
        found.push(seq);
    }
    assert!(found.is_sorted(), "more of the log is never less of the state: {found:?}");
    assert_eq!((found.first(), found.last()), (Some(&0), Some(&(TURNS - 1))), "the last one is cut by a byte at least");
}

#[test]
fn what_is_saved_of_flipped_bytes_is_a_state_that_opens() {
    let place = Place::new();
    let mut db = place.open();
    let mut rows = vec![Change::Workspace(workspace(1)), Change::Cluster(cluster(1)), Change::Experiment(experiment(1))];
    rows.extend((1..=TURNS * JOBS_A_TURN).map(|id| queued(id, 1)));
    db.commit(&rows_turn(1, rows)).unwrap();
    drop(db);
    let whole = fs::read(place.file()).unwrap();
    let (mut saved, mut nothing) = (0, 0);
    for seed in 1..=FLIPS_DEFAULT / 10 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        let mut bytes = whole.clone();
        for _ in 0..=next(6) {
            let at = if next(2) == 0 { next(bytes.len()) } else { next(bytes.len() / 4096) * 4096 + next(112) };
            bytes[at] ^= 1 << next(8);
        }
        let place = Place::new();
        fs::write(place.file(), &bytes).unwrap();
        let to = place.dir.path().join("saved");
        match salvage::recover(&place.file(), Some(&to), UnixMillis(1)) {
            Ok(recovered) => {
                let mut db = Db::open(&to).unwrap();
                let loaded = db.load().unwrap_or_else(|e| panic!("SEED={seed}: {e}"));
                let waiting = loaded.rows.iter().filter(|row| matches!(row, Change::Job(_))).count();
                assert!(
                    loaded.rows.iter().all(|row| !matches!(row, Change::Job(job) if !job.held)),
                    "SEED={seed}: not held"
                );
                let jobs = (waiting + loaded.ended.len()) as u64;
                let class = recovered.classes.iter().find(|class| class.class == "jobs").unwrap();
                assert_eq!(jobs, class.saved, "SEED={seed}");
                assert!(class.saved <= TURNS * JOBS_A_TURN, "SEED={seed}");
                saved += u64::from(jobs > 0);
            }
            Err(StoreError::Refused { .. }) => nothing += 1,
            Err(other) => panic!("SEED={seed}: not a refusal: {other:?}"),
        }
        assert_eq!(fs::read(place.file()).unwrap(), bytes, "SEED={seed}: the damaged one was written");
        let left = fs::read_dir(place.dir.path()).unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let left: Vec<String> = left.filter(|name| name.contains("recover")).collect();
        assert!(left.is_empty(), "SEED={seed}: {left:?}");
    }
    crate::tables::table(&format!(
        "recovery: {} damaged files, {saved} with jobs saved, {nothing} refused",
        FLIPS_DEFAULT / 10
    ));
    assert!(saved > FLIPS_DEFAULT / 20, "{saved} saved, {nothing} refused");
}

#[test]
fn a_database_that_lost_its_log_is_noticed() {
    let place = Place::new();
    let mut db = place.open();
    let epoch = db.next_epoch(UnixMillis(1)).unwrap();
    db.commit(&Batch { epoch, ..rows_turn(1, vec![queued(1, 1)]) }).unwrap();
    // What a crash leaves, once with its log and once without.
    for (log, noticed) in [(true, false), (false, true)] {
        let after = Place::new();
        fs::copy(place.file(), after.file()).unwrap();
        fs::copy(place.dir.path().join(WITNESS_FILE), after.dir.path().join(WITNESS_FILE)).unwrap();
        if log {
            fs::copy(place.dir.path().join("ostler.sqlite-wal"), after.dir.path().join("ostler.sqlite-wal")).unwrap();
        }
        // Without its log the file is as it was made: whose it is, is lost too; so it is given that again.
        let mut opened = after.open();
        if !log {
            let install = db.install().unwrap().to_string();
            drop(opened);
            let conn = rusqlite::Connection::open(after.file()).unwrap();
            conn.execute("UPDATE meta SET install = ?1", [install]).unwrap();
            drop(conn);
            opened = after.open();
        }
        let taken = opened.next_epoch(UnixMillis(2));
        assert_eq!(taken.is_err(), noticed, "{taken:?}");
        if let Err(error) = taken {
            assert!(error.to_string().contains("or its write-ahead log is lost"), "{error}");
        }
    }
}

#[test]
fn flipped_bytes_are_refused_or_harmless_and_stay() {
    let place = Place::new();
    let mut db = place.open();
    for seq in 1..=TURNS {
        let ids = seq * JOBS_A_TURN..(seq + 1) * JOBS_A_TURN;
        db.commit(&rows_turn(seq, ids.map(|id| queued(id, 1)).collect())).unwrap();
    }
    drop(db);
    let whole = fs::read(place.file()).unwrap();
    let count = std::env::var("FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(FLIPS_DEFAULT);
    let first: u64 = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (mut refused, mut read) = (0, 0);
    for seed in first..first + count {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        let mut bytes = whole.clone();
        for _ in 0..=next(4) {
            // Half of them where the structure is: heads of the file and of pages.
            let at = if next(2) == 0 { next(bytes.len()) } else { next(bytes.len() / 4096) * 4096 + next(112) };
            bytes[at] ^= 1 << next(8);
        }
        let place = Place::new();
        fs::write(place.file(), &bytes).unwrap();
        match opened(&place.file(), &format!("SEED={seed}")) {
            Some(_) => read += 1,
            None => {
                refused += 1;
                assert_eq!(fs::read(place.file()).unwrap(), bytes, "SEED={seed}: what is refused was written over");
            }
        }
    }
    crate::tables::table(&format!(
        "flipped bytes: {count} files from seed {first}, {refused} refused, {read} read, 0 panics"
    ));
    assert!(refused > 0 && (read > 0 || count < 100), "{refused} refused, {read} read");
}
