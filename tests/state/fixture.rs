//! A database of every schema that was ever written opens for ever. Each was written by the program of its time and is
//! never written anew.

use std::fs;
use std::path::PathBuf;

use ostler::model::ids::{Epoch, JobId, Seq};
use ostler::model::job_column::JobLine;
use ostler::model::snapshot::Change;
use ostler::model::units::UnixMillis;
use ostler::store::{Batch, Db, JobPage, Store};
use serde_json::Value;

use super::samples::*;

fn kept(schema: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/schema-{schema}.sqlite"))
}

#[test]
fn schema_1_opens() {
    let place = Place::new();
    fs::copy(kept(1), place.file()).unwrap();
    let old = rusqlite::Connection::open(kept(1)).unwrap();
    let bodies = |table: &str| -> Vec<Value> {
        let mut select = old.prepare(&format!("SELECT body FROM {table}")).unwrap();
        let texts = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        texts.map(|text| serde_json::from_str(&text.unwrap()).unwrap()).collect()
    };

    let mut db = Db::open(&place.file()).unwrap();
    let loaded = db.load().unwrap();
    let now = |row: &Change| serde_json::to_value(row).unwrap();
    let rows: Vec<Value> = loaded.rows.iter().map(now).collect();
    for (table, kind, count) in
        [("workspace", "workspace", 1), ("cluster", "cluster", 1), ("node", "node", 2), ("experiment", "experiment", 1)]
    {
        let old = bodies(table);
        let new: Vec<Value> = rows.iter().filter_map(|row| row.get(kind)).cloned().collect();
        assert_eq!((old.len(), new.len()), (count, count), "{table}");
        new.iter().zip(&old).for_each(|(new, old)| assert_covers(new, old, table));
    }
    let old_jobs = bodies("job");
    assert_eq!(old_jobs.len(), 5);
    for (id, old) in (1..).zip(&old_jobs) {
        let job = db.job(JobId(id)).unwrap().unwrap();
        assert_covers(&serde_json::to_value(&job).unwrap(), old, "job");
    }
    assert_eq!(loaded.seq, Seq(1));
    assert_eq!(loaded.counters.job, JobId(5));
    assert_eq!(loaded.ended.iter().map(|job| job.id.0).collect::<Vec<_>>(), [5, 4]);
    assert_covers(&serde_json::to_value(&loaded.outbox).unwrap(), &Value::from(bodies("outbox")), "outbox");
    let past = db.reader().unwrap().events(Seq(0), 10).unwrap();
    let past: Vec<Value> = past.iter().map(|past| serde_json::to_value(&past.event).unwrap()).collect();
    assert_covers(&Value::from(past), &Value::from(bodies("event")), "event");

    assert_eq!(db.next_epoch(UnixMillis(2)).unwrap(), Epoch(2));
    db.commit(&Batch { epoch: Epoch(2), ..rows_turn(2, vec![queued(6, 1)]) }).unwrap();
}

#[test]
fn schema_3_opens() {
    let place = Place::new();
    fs::copy(kept(3), place.file()).unwrap();
    let old = rusqlite::Connection::open(kept(3)).unwrap();
    let mut select = old.prepare("SELECT body FROM job ORDER BY id").unwrap();
    let old_jobs: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut db = Db::open(&place.file()).unwrap();
    let loaded = db.load().unwrap();
    assert_eq!((old_jobs.len(), loaded.counters.job, loaded.counters.sweep.0), (6, JobId(6), 0));
    for (id, old) in (1..).zip(&old_jobs) {
        let job = db.job(JobId(id)).unwrap().unwrap();
        assert_covers(&serde_json::to_value(&job).unwrap(), &serde_json::from_str(old).unwrap(), "job");
    }
    // What came with schema 4 can be written and is read again, with what was asked for.
    let epoch = db.next_epoch(UnixMillis(2)).unwrap();
    let sweep = sweep(1);
    let batch = |seq: u64, row: Change| Batch { epoch, ..rows_turn(seq, vec![row]) };
    let first = loaded.seq.0 + 1;
    db.commit(&batch(first, Change::Sweep(sweep.clone()))).unwrap();
    let mut held = (*sweep).clone();
    held.held = true;
    db.commit(&batch(first + 1, Change::Sweep(std::sync::Arc::new(held.clone())))).unwrap();
    let found = db.load().unwrap().rows.into_iter().find_map(|row| match row {
        Change::Sweep(row) => Some(row),
        _ => None,
    });
    assert_eq!(found.as_deref(), Some(&held));
    assert_eq!(db.numbered_job(ostler::model::ids::ExperimentId(1), "S").unwrap().as_deref(), Some("s-0"));
    assert_eq!(db.numbered_job(ostler::model::ids::ExperimentId(1), "a").unwrap(), None);
    db.commit(&batch(first + 2, Change::Gone(ostler::model::snapshot::RowKey::Sweep(sweep.id)))).unwrap();
    assert!(!db.load().unwrap().rows.iter().any(|row| matches!(row, Change::Sweep(_))));
}

/// Its jobs have no lines: they are listed by their bodies, and get a line when they are written again.
#[test]
fn schema_5_opens_and_lists_as_before() {
    let place = Place::new();
    fs::copy(kept(5), place.file()).unwrap();
    let mut db = Db::open(&place.file()).unwrap();
    let lines = || -> Vec<i64> {
        let file = rusqlite::Connection::open(place.file()).unwrap();
        let mut select = file.prepare("SELECT id FROM job WHERE line IS NOT NULL ORDER BY id").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let check = |db: &Db| {
        let (listed, more) = db.listed(&JobPage::default(), &|_| None).unwrap();
        assert_eq!((listed.len(), more), (5, false));
        for (id, listed) in (1..).zip(&listed) {
            let job = db.job(listed.id()).unwrap().unwrap();
            assert_eq!(listed.whole().is_none(), lines().contains(&id), "{id}");
            assert_eq!((listed.line(), &*listed.reason(None)), (JobLine::of(&job), &*job.reason(None)));
        }
    };
    assert!(lines().is_empty());
    check(&db);
    let loaded = db.load().unwrap();
    assert_eq!((loaded.rows.len(), loaded.ended.len(), loaded.outbox.len()), (13, 2, 2));
    let epoch = db.next_epoch(UnixMillis(2)).unwrap();
    let again = Change::Job(loaded.ended[0].clone());
    db.commit(&Batch { epoch, ..rows_turn(loaded.seq.0 + 1, vec![again]) }).unwrap();
    assert_eq!(lines(), [5]);
    check(&db);
}

/// Everything that the old text said is said by the new one; fields that came later may be there too.
fn assert_covers(new: &Value, old: &Value, place: &str) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, value) in old {
                let place = format!("{place}.{key}");
                assert_covers(new.get(key).unwrap_or_else(|| panic!("{place} is lost")), value, &place);
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            assert_eq!(new.len(), old.len(), "{place}");
            new.iter().zip(old).for_each(|(new, old)| assert_covers(new, old, place));
        }
        (new, old) => assert_eq!(new, old, "{place}"),
    }
}
