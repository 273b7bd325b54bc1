//! What is committed is what is found again.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use ostler::model::ids::{Counters, EffectId, Epoch, ExperimentId, JobId, Seq};
use ostler::model::snapshot::{Change, RowKey};
use ostler::model::state::{ExecutionState, Job};
use ostler::model::units::UnixMillis;
use ostler::sched::Effect;
use ostler::store::{Batch, Loaded, Store};
use proptest::prelude::*;

use super::samples::*;

#[test]
fn every_kind_of_row_comes_back_as_it_was() {
    let place = Place::new();
    let rows = vec![
        Change::Group(group(1)),
        Change::Workspace(workspace(1)),
        Change::Workspace(workspace(2)),
        Change::Cluster(cluster(1)),
        Change::FileServer(file_server(1)),
        Change::FileServer(file_server(2)),
        Change::Node(node(1)),
        Change::Node(node(2)),
        Change::Node(node(3)),
        Change::Experiment(experiment(1)),
        queued(1, 1),
        Change::Job(Arc::new(job(2, 1, ExecutionState::Running))),
        Change::Job(Arc::new(job(3, 1, ExecutionState::Terminating))),
    ];
    let counters = Counters { job: JobId(5), effect: EffectId(u64::MAX >> 1), ..Counters::default() };
    let ended = vec![job(5, 1, ExecutionState::Failed), job(4, 1, ExecutionState::Succeeded)];
    let mut batch = rows_turn(7, rows.clone());
    batch.rows.extend(ended.iter().cloned().map(Arc::new).map(Change::Job));
    batch.events = events();
    batch.issued = vec![effect(3), effect(1), effect(2)];
    batch.answered = vec![EffectId(2)];
    batch.counters = counters;

    let mut db = place.open();
    assert_eq!(db.load().unwrap(), Loaded::default());
    db.commit(&batch).unwrap();
    let install = db.install().unwrap();
    drop(db);

    let mut db = place.open();
    let ended = ended.into_iter().map(Arc::new).collect();
    let expected = Loaded { seq: Seq(7), counters, rows, ended, outbox: vec![effect(1), effect(3)] };
    assert_eq!(db.load().unwrap(), expected);
    assert_eq!(db.install().unwrap(), install);
    let past = db.reader().unwrap().events(Seq(0), 100).unwrap();
    assert_eq!(past.iter().map(|p| p.event.clone()).collect::<Vec<_>>(), events());
    assert!(past.iter().all(|p| p.seq == Seq(7) && p.at == batch.at && p.epoch == Epoch(0)));
    assert_eq!(db.reader().unwrap().events(Seq(7), 100).unwrap(), vec![]);
}

#[test]
fn groups_and_file_servers_go_as_they_came() {
    let place = Place::new();
    let mut db = place.open();
    let rows = vec![Change::Group(group(1)), Change::FileServer(file_server(1)), Change::FileServer(file_server(2))];
    db.commit(&rows_turn(1, rows)).unwrap();
    let gone = [RowKey::Group(group(1).id), RowKey::FileServer(file_server(1).id)].map(Change::Gone);
    db.commit(&rows_turn(2, gone.to_vec())).unwrap();
    assert_eq!(db.load().unwrap().rows, vec![Change::FileServer(file_server(2))]);
}

#[test]
fn jobs_are_found_by_identity_name_and_token() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, vec![queued(1, 1), queued(2, 1), queued(3, 2)])).unwrap();
    let id = |found: Option<Arc<Job>>| found.map(|job| job.id.0);
    assert_eq!(id(db.job(JobId(2)).unwrap()), Some(2));
    assert_eq!(id(db.job(JobId(9)).unwrap()), None);
    assert_eq!(id(db.job_named(ExperimentId(1), "rUN-1").unwrap()), Some(1));
    assert_eq!(id(db.job_named(ExperimentId(2), "Run-1").unwrap()), None);
    assert_eq!(id(db.job_with_token("token-2").unwrap()), Some(2));
    assert_eq!(id(db.job_with_token("token-3").unwrap()), None, "job 3 has none");
}

#[test]
fn code_that_no_job_and_no_sweep_refers_to_goes_and_other_code_stays() {
    use ostler::model::spec::code::{Code, Digest, Taken};
    let place = Place::new();
    let mut db = place.open();
    let digest = |byte: u8| Digest::of(&[byte; 32]);
    let code = |byte| Code {
        snapshot: Some(Taken { digest: digest(byte), files: 1, bytes: ostler::model::units::Bytes(1), git: None }),
        ..Code::of("/code")
    };
    let mut of_job = job(4, 1, ExecutionState::Succeeded);
    Arc::make_mut(&mut of_job.spec).code = Some(Box::new(code(1)));
    let mut of_sweep = Arc::unwrap_or_clone(sweep(1));
    Arc::make_mut(&mut of_sweep.spec).template = serde_json::json!({"nodeCount": 1, "code": code(2)});
    db.commit(&rows_turn(1, vec![Change::Job(Arc::new(of_job)), Change::Sweep(Arc::new(of_sweep))])).unwrap();
    let state = place.file().parent().unwrap().to_owned();
    std::fs::create_dir_all(state.join("code")).unwrap();
    let file = |byte: u8| state.join(format!("code/{}.tar", digest(byte)));
    (1..=3).for_each(|byte| std::fs::write(file(byte), "x").unwrap());
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(7200);
    let reader = db.reader().unwrap();
    assert_eq!(ostler::runtime::code::sweep(&state, None, later), 0, "without knowing whose it is none goes");
    assert_eq!(ostler::runtime::code::sweep(&state, Some(&reader), later), 1);
    assert!(file(1).exists() && file(2).exists() && !file(3).exists());
    db.commit(&rows_turn(2, vec![Change::Gone(RowKey::Job(JobId(4)))])).unwrap();
    assert_eq!(ostler::runtime::code::sweep(&state, Some(&reader), later), 1);
    assert!(!file(1).exists() && file(2).exists());
}

#[test]
fn a_batch_is_taken_as_a_whole_or_not_at_all() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&Batch { issued: vec![effect(1)], ..rows_turn(1, vec![queued(1, 1)]) }).unwrap();
    let before = db.load().unwrap();

    let mut other = job(2, 1, ExecutionState::Queued);
    other.name = "RUN-1".into();
    let mut token = job(5, 1, ExecutionState::Queued);
    token.token = Some("token-1".into());
    let bad: [(&str, Batch); 5] = [
        ("name taken, in another case", rows_turn(2, vec![Change::Node(node(1)), Change::Job(Arc::new(other))])),
        ("token taken", rows_turn(2, vec![Change::Node(node(1)), Change::Job(Arc::new(token))])),
        ("effect issued twice", Batch { issued: vec![effect(1)], events: events(), ..turn(2) }),
        ("turn already taken", rows_turn(1, vec![Change::Node(node(1))])),
        ("another core's turn", Batch { epoch: Epoch(3), ..rows_turn(2, vec![Change::Node(node(1))]) }),
    ];
    for (case, batch) in bad {
        assert!(db.commit(&batch).is_err(), "{case}");
        assert_eq!(db.load().unwrap(), before, "{case}");
        assert_eq!(db.reader().unwrap().events(Seq(0), 9).unwrap(), vec![], "{case}");
    }
    db.commit(&rows_turn(2, vec![Change::Node(node(1))])).unwrap();
}

#[test]
fn a_name_is_free_again_in_the_turn_in_which_its_job_goes() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, vec![queued(1, 1)])).unwrap();
    let mut again = job(2, 1, ExecutionState::Queued);
    again.name = "run-1".into();
    db.commit(&rows_turn(2, vec![Change::Job(Arc::new(again.clone())), gone(1)])).unwrap();
    assert_eq!(db.load().unwrap().rows, vec![Change::Job(Arc::new(again))]);
}

#[test]
fn an_experiment_takes_its_ended_jobs_along() {
    let place = Place::new();
    let mut db = place.open();
    let ended = Change::Job(Arc::new(job(1, 1, ExecutionState::Failed)));
    db.commit(&rows_turn(1, vec![Change::Experiment(experiment(1)), ended, queued(2, 2)])).unwrap();
    db.commit(&rows_turn(2, vec![Change::Gone(RowKey::Experiment(ExperimentId(1)))])).unwrap();
    assert!(db.job(JobId(1)).unwrap().is_none());
    assert!(db.job(JobId(2)).unwrap().is_some());
}

#[test]
fn epochs_only_grow_and_shut_out_the_former_core() {
    let place = Place::new();
    let mut db = place.open();
    assert_eq!(db.next_epoch(UnixMillis(1)).unwrap(), Epoch(1));
    db.commit(&Batch { epoch: Epoch(1), ..turn(1) }).unwrap();
    let mut second = place.open();
    assert_eq!(second.next_epoch(UnixMillis(2)).unwrap(), Epoch(2));
    let error = db.commit(&Batch { epoch: Epoch(1), ..turn(2) }).unwrap_err();
    assert!(error.to_string().contains("turn 2 of core 1 cannot follow turn 1 of core 2"), "{error}");
    second.commit(&Batch { epoch: Epoch(2), ..turn(2) }).unwrap();
}

#[test]
fn files_are_for_our_eyes_only() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, vec![queued(1, 1)])).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(place.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{:?}", entry.path());
        seen += 1;
    }
    assert!(seen >= 3, "the database, its log and the log's index");
}

#[test]
fn settings_are_those_that_keep_the_promise() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&turn(1)).unwrap();
    let bytes = std::fs::read(place.file()).unwrap();
    assert_eq!(&bytes[..16], b"SQLite format 3\0");
    assert_eq!(bytes[18..20], [2, 2], "WAL");
    drop(db);
    let bytes = std::fs::read(place.file()).unwrap();
    assert_eq!(&bytes[68..72], b"ostl");
    assert!(!place.dir.path().join("ostler.sqlite-wal").exists(), "a store closed in order leaves one file");
}

#[test]
fn a_lock_that_another_program_holds_is_waited_for_and_then_said() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&turn(1)).unwrap();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = db.commit(&turn(2)).unwrap_err().to_string();
    assert!(refused.contains("another program has held its lock for 5 s"), "{refused}");
    // One that holds it for less is not noticed.
    let shorter = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        other.execute_batch("ROLLBACK").unwrap();
    });
    db.commit(&turn(2)).unwrap();
    shorter.join().unwrap();
    assert_eq!(db.load().unwrap().seq, Seq(2));
}

#[test]
fn readers_do_not_wait_for_a_writer() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, vec![queued(1, 1)])).unwrap();
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM job;").unwrap();
    assert!(db.job(JobId(1)).unwrap().is_some());
    other.execute_batch("ROLLBACK").unwrap();
}

/// What a turn of the property does.
#[derive(Clone, Debug)]
enum Move {
    Put(u64, ExecutionState, i64),
    Gone(u64),
    Node(u64),
    NodeGone(u64),
    Issue,
    Answer(usize),
}

fn moves() -> impl Strategy<Value = Vec<Vec<Move>>> {
    let state = prop_oneof![
        Just(ExecutionState::Queued),
        Just(ExecutionState::Running),
        Just(ExecutionState::Terminating),
        Just(ExecutionState::Succeeded),
        Just(ExecutionState::Failed),
    ];
    let one = prop_oneof![
        4 => (1..20u64, state, 0..50i64).prop_map(|(id, state, at)| Move::Put(id, state, at)),
        1 => (1..20u64).prop_map(Move::Gone),
        1 => (1..5u64).prop_map(Move::Node),
        1 => (1..5u64).prop_map(Move::NodeGone),
        2 => Just(Move::Issue),
        2 => any::<usize>().prop_map(Move::Answer),
    ];
    prop::collection::vec(prop::collection::vec(one, 0..6), 1..12)
}

/// The store in memory: what `load` has to give.
#[derive(Default)]
struct Fold {
    rows: BTreeMap<RowKey, Change>,
    outbox: BTreeMap<EffectId, Effect>,
    effects: u64,
}

impl Fold {
    fn batch(&mut self, seq: u64, moves: &[Move]) -> Batch {
        let mut batch = turn(seq);
        for step in moves {
            let change = match step {
                Move::Put(id, state, at) => {
                    let mut job = job(*id, 1 + id % 3, *state);
                    job.last.ended = state.ended().then_some(UnixMillis(*at));
                    Change::Job(Arc::new(job))
                }
                Move::Gone(id) => gone(*id),
                Move::Node(id) => Change::Node(node(*id)),
                Move::NodeGone(id) => Change::Gone(RowKey::Node(ostler::model::ids::NodeId(*id))),
                Move::Issue => {
                    self.effects += 1;
                    batch.issued.push(effect(self.effects));
                    self.outbox.insert(EffectId(self.effects), effect(self.effects));
                    continue;
                }
                Move::Answer(which) => {
                    let ids: Vec<EffectId> = self.outbox.keys().copied().collect();
                    if let Some(id) = ids.get(which % ids.len().max(1)) {
                        self.outbox.remove(id);
                        batch.answered.push(*id);
                    }
                    continue;
                }
            };
            match &change {
                Change::Job(row) => drop(self.rows.insert(RowKey::Job(row.id), change.clone())),
                Change::Node(row) => drop(self.rows.insert(RowKey::Node(row.id), change.clone())),
                Change::Gone(key) => drop(self.rows.remove(key)),
                Change::Group(_)
                | Change::Workspace(_)
                | Change::Cluster(_)
                | Change::FileServer(_)
                | Change::Experiment(_)
                | Change::Sweep(_)
                | Change::Site(_) => {}
            }
            batch.rows.push(change);
        }
        batch
    }

    fn loaded(&self, seq: u64) -> Loaded {
        let ended = |change: &Change| match change {
            Change::Job(job) if job.state.ended() => Some(job.clone()),
            _ => None,
        };
        let mut newest: Vec<Arc<Job>> = self.rows.values().filter_map(ended).collect();
        newest.sort_by_key(|job| (job.last.ended, job.id));
        Loaded {
            seq: Seq(seq),
            counters: Counters::default(),
            rows: self.rows.values().filter(|change| ended(change).is_none()).cloned().collect(),
            ended: newest,
            outbox: self.outbox.values().cloned().collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_loaded_is_the_sum_of_what_was_committed(turns in moves()) {
        let place = Place::new();
        let mut fold = Fold::default();
        let mut db = place.open();
        let mut seq = 0;
        for moves in &turns {
            seq += 1;
            db.commit(&fold.batch(seq, moves)).unwrap();
        }
        prop_assert_eq!(db.load().unwrap(), fold.loaded(seq));
        drop(db);
        prop_assert_eq!(place.open().load().unwrap(), fold.loaded(seq));
    }
}
