//! A database of every schema that was ever released opens for ever. `UPDATE=1 cargo test --test state fixture` writes
//! the one of the present schema anew, which is only right before its release.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ostler::model::ids::{Counters, Epoch, JobId, Seq};
use ostler::model::snapshot::Change;
use ostler::model::state::ExecutionState;
use ostler::model::units::UnixMillis;
use ostler::store::{Batch, Db, Store};

use super::samples::*;

fn kept(schema: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/schema-{schema}.sqlite"))
}

fn content() -> Batch {
    let mut rows = vec![
        Change::Workspace(workspace(1)),
        Change::Cluster(cluster(1)),
        Change::Node(node(1)),
        Change::Node(node(2)),
        Change::Experiment(experiment(1)),
    ];
    let states = [
        ExecutionState::Queued,
        ExecutionState::Running,
        ExecutionState::Terminating,
        ExecutionState::Succeeded,
        ExecutionState::Failed,
    ];
    rows.extend((1..).zip(states).map(|(id, state)| Change::Job(Arc::new(job(id, 1, state)))));
    let counters = Counters { job: JobId(5), ..Counters::default() };
    Batch { epoch: Epoch(1), events: events(), issued: vec![effect(1)], counters, ..rows_turn(1, rows) }
}

#[test]
fn schema_1_opens() {
    if std::env::var_os("UPDATE").is_some() {
        let place = Place::new();
        let mut db = place.open();
        db.next_epoch(UnixMillis(1)).unwrap();
        db.commit(&content()).unwrap();
        drop(db);
        fs::copy(place.file(), kept(1)).unwrap();
    }
    let place = Place::new();
    fs::copy(kept(1), place.file()).unwrap();
    let mut db = Db::open(&place.file()).unwrap();
    let loaded = db.load().unwrap();
    let content = content();
    assert_eq!(loaded.seq, Seq(1));
    assert_eq!(loaded.counters, content.counters);
    assert_eq!(loaded.outbox, content.issued);
    assert_eq!(loaded.rows, content.rows[..8]);
    assert_eq!(loaded.ended.iter().map(|job| job.id.0).collect::<Vec<_>>(), [5, 4]);
    let past = db.reader().unwrap().events(Seq(0), 10).unwrap();
    assert_eq!(past.into_iter().map(|past| past.event).collect::<Vec<_>>(), content.events);
    assert_eq!(db.next_epoch(UnixMillis(2)).unwrap(), Epoch(2));
    db.commit(&Batch { epoch: Epoch(2), ..rows_turn(2, vec![queued(6, 1)]) }).unwrap();
}
