//! Pages of jobs: every filter, both directions, and the same answer whichever way the store finds it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ostler::model::ids::{Attempt, ClusterId, ExperimentId, JobId, SweepId};
use ostler::model::job_column::{JobColumn, JobLine, Listed};
use ostler::model::snapshot::Change;
use ostler::model::spec::{JobSpec, Priority};
use ostler::model::state::ExecutionState::{self, Failed, Queued, Running, Succeeded, Terminating};
use ostler::model::state::{Job, JobError, SweepMember};
use ostler::model::units::{NodeCount, UnixMillis};
use ostler::store::{JobPage, Store};
use proptest::prelude::*;

use super::samples::*;

const JOBS: u64 = 300;
const STATES: [ExecutionState; 5] = [Queued, Running, Terminating, Succeeded, Failed];

fn all() -> Vec<Job> {
    (1..=JOBS).map(|id| job(id, 1 + id % 40, STATES[(id % 5) as usize])).collect()
}

fn filled(place: &Place) -> ostler::store::Db {
    let mut db = place.open();
    db.commit(&rows_turn(1, all().into_iter().map(Arc::new).map(Change::Job).collect())).unwrap();
    db
}

/// The same, without SQL.
fn expected(page: &JobPage) -> Vec<u64> {
    let fits = |job: &Job| {
        page.experiments.as_ref().is_none_or(|list| list.contains(&job.experiment))
            && page.cluster.is_none_or(|cluster| job.cluster == cluster)
            && (page.states.is_empty() || page.states.contains(&job.state))
            && page.after.is_none_or(|after| if page.newest_first { job.id < after } else { job.id > after })
    };
    let mut ids: Vec<u64> = all().iter().filter(|job| fits(job)).map(|job| job.id.0).collect();
    if page.newest_first {
        ids.reverse();
    }
    ids
}

#[test]
fn filters_agree_with_a_plain_search() {
    let place = Place::new();
    let db = filled(&place);
    let some = |ids: &[u64]| Some(ids.iter().copied().map(ExperimentId).collect::<Vec<_>>());
    let experiments = [None, some(&[]), some(&[1]), some(&[1, 7, 7, 99]), some(&(1..=40).collect::<Vec<_>>())];
    let states: [&[ExecutionState]; 4] = [&[], &[Failed], &[Queued, Running], &STATES];
    let mut cases = 0;
    for experiments in &experiments {
        for cluster in [None, Some(ClusterId(1)), Some(ClusterId(9))] {
            for states in states {
                for (after, newest_first) in [(None, false), (None, true), (Some(150), false), (Some(150), true)] {
                    let page = JobPage {
                        experiments: experiments.clone(),
                        cluster,
                        states: states.to_vec(),
                        after: after.map(JobId),
                        limit: 7,
                        newest_first,
                    };
                    let all = expected(&page);
                    let (jobs, more) = db.jobs(&page, &|_| None).unwrap();
                    let ids: Vec<u64> = jobs.iter().map(|job| job.id.0).collect();
                    assert_eq!(ids, all[..all.len().min(7)], "{page:?}");
                    assert_eq!(more, all.len() > 7, "{page:?}");
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 240);
}

#[test]
fn pages_join_without_gap_or_repeat() {
    let place = Place::new();
    let db = filled(&place);
    for newest_first in [false, true] {
        let mut page = JobPage { limit: 33, newest_first, ..JobPage::default() };
        let mut seen = Vec::new();
        loop {
            let (jobs, more) = db.jobs(&page, &|_| None).unwrap();
            seen.extend(jobs.iter().map(|job| job.id.0));
            page.after = jobs.last().map(|job| job.id);
            if !more {
                break;
            }
        }
        assert_eq!(seen.len() as u64, JOBS);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len() as u64, JOBS);
        assert_eq!(seen[0], if newest_first { JOBS } else { 1 });
    }
}

/// Checks that what is listed from the store is what the whole jobs say, text by text; `by_line` says whether it is made of lines.
fn assert_listed(db: &ostler::store::Db, by_line: bool, of: &str) {
    let page = JobPage { limit: 1000, ..JobPage::default() };
    let (whole, _) = db.jobs(&page, &|_| None).unwrap();
    let (listed, more) = db.listed(&page, &|_| None).unwrap();
    assert!(!more && listed.len() == whole.len(), "{of}");
    let known = |id: JobId| whole.iter().find(|job| job.id == id).cloned();
    let (known, _) = db.listed(&page, &known).unwrap();
    let cluster = cluster(1);
    let texts = |listed: &Listed| {
        let line = JobLine { reason: &listed.reason(Some(&*cluster)), ..listed.line() };
        JobColumn::ALL.map(|column| {
            let mut text = String::new();
            column.write(&line, &mut text);
            text
        })
    };
    for ((listed, known), job) in listed.iter().zip(&known).zip(&whole) {
        assert_eq!(listed.whole().is_none(), by_line && job.state.ended(), "{of}: {}", job.id);
        assert_eq!(listed.line(), JobLine::of(job), "{of}");
        assert_eq!(listed.reason(Some(&*cluster)), job.reason(Some(&*cluster)), "{of}: {}", job.id);
        assert_eq!((listed.id(), listed.experiment(), listed.cluster()), (job.id, job.experiment, job.cluster), "{of}");
        // What is in memory is taken from there, and says the same.
        assert!(known.whole().is_some_and(|known| Arc::ptr_eq(known, job)), "{of}");
        assert_eq!(texts(listed), texts(known), "{of}: {}", job.id);
    }
}

/// Says how many jobs have a line in the store.
fn lines(place: &Place) -> u64 {
    let file = rusqlite::Connection::open(place.file()).unwrap();
    file.query_row("SELECT count(line) FROM job", [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
}

fn change(place: &Place, sql: &str) {
    rusqlite::Connection::open(place.file()).unwrap().execute_batch(sql).unwrap();
}

/// A list of ended jobs is made of their lines, or of their bodies; it says what it would of those.
#[test]
fn what_is_listed_is_what_the_whole_job_says() {
    let place = Place::new();
    let mut db = place.open();
    let mut jobs = all();
    jobs[3].deleting = true;
    jobs[3].name = "a \"name\"\n\u{e9}".into();
    jobs[3].last.errors[0].message = "it \\ ended with code 3".into();
    jobs[4].last.errors.clear();
    let member = SweepMember { of: SweepId(1), name: "s".into(), index: 4, parameters: vec![], running_max: None };
    jobs[8].sweep = Some(Box::new(member));
    let ended = jobs.iter().filter(|job| job.state.ended()).count() as u64;
    db.commit(&rows_turn(1, jobs.into_iter().map(Arc::new).map(Change::Job).collect())).unwrap();
    assert_eq!(lines(&place), ended);
    assert_listed(&db, true, "lines");
    // A line is what is read, not the bodies.
    change(&place, "UPDATE job SET line = (SELECT line FROM job WHERE id = 4) WHERE id = 3");
    let (listed, _) = db.listed(&JobPage { limit: 4, ..JobPage::default() }, &|_| None).unwrap();
    assert!(listed[2].line() == JobLine { id: JobId(3), name: listed[2].line().name, ..listed[3].line() });
    for (of, sql) in [
        ("bodies", "UPDATE job SET line = NULL"),
        ("lines that are cut", "UPDATE job SET line = x'1a0663757374' WHERE ended IS NOT NULL"),
        ("lines of no known priority", "UPDATE job SET line = x'2812' WHERE ended IS NOT NULL"),
    ] {
        change(&place, sql);
        assert_listed(&db, false, of);
    }
}

/// Whatever becomes of a job, its line says what its body says.
#[test]
fn a_job_that_waits_again_has_no_line() {
    let place = Place::new();
    let mut db = place.open();
    for (seq, (state, count)) in (1..).zip([(Running, 0), (Failed, 1), (Queued, 0), (Succeeded, 1), (Failed, 1)]) {
        db.commit(&rows_turn(seq, vec![Change::Job(Arc::new(job(1, 1, state)))])).unwrap();
        assert_eq!(lines(&place), count, "{state:?}");
        assert_listed(&db, true, state.word());
    }
    db.commit(&rows_turn(9, vec![gone(1)])).unwrap();
    assert!(db.listed(&JobPage::default(), &|_| None).unwrap().0.is_empty());
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
        proptest::collection::vec(any::<u8>(), 0..3).prop_map(Into::into),
    ]
}

fn member() -> impl Strategy<Value = SweepMember> {
    let parameters = proptest::collection::vec((".{0,6}", value()), 0..4);
    (any::<u32>(), ".{0,9}", any::<u32>(), parameters, any::<Option<u32>>()).prop_map(
        |(of, name, index, parameters, running_max)| SweepMember {
            of: SweepId(of.into()),
            name,
            index,
            parameters,
            running_max,
        },
    )
}

fn time() -> impl Strategy<Value = UnixMillis> {
    // Up to the year 9999, as texts of times go.
    (-62_000_000_000_000..253_000_000_000_000i64).prop_map(UnixMillis)
}

fn any_job() -> impl Strategy<Value = Job> {
    let which = (".{0,40}", 0..STATES.len(), 0..3usize, any::<bool>(), any::<bool>(), 1..100_000u32);
    let when = (time(), proptest::option::of(time()), proptest::option::of(time()));
    let how =
        (any::<Option<i32>>(), proptest::collection::vec(".{0,200}", 0..3), any::<u32>(), proptest::option::of(member()));
    (which, when, how).prop_map(
        |(
            (name, state, priority, deleting, custom, nodes),
            (created, started, ended),
            (exit_code, errors, attempt, sweep),
        )| {
            let mut job = job(1, 1, STATES[state]);
            let mut spec = (*job.spec).clone();
            if custom {
                spec = JobSpec::command("true");
            }
            spec.node_count = NodeCount(nodes);
            job.name = name.into();
            job.spec = Arc::new(spec);
            job.priority = [Priority::Low, Priority::Normal, Priority::High][priority];
            job.deleting = deleting;
            job.sweep = sweep.map(Box::new);
            job.attempt = Attempt(attempt);
            job.created = created;
            job.last.started = started;
            job.last.ended = ended;
            job.last.exit_code = exit_code;
            let error = |message| JobError { code: "JobFailed".to_owned(), message, details: Vec::new() };
            job.last.errors = errors.into_iter().map(error).collect();
            job
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_job_is_listed_alike_from_memory_and_from_the_store(mut jobs in proptest::collection::vec(any_job(), 1..30)) {
        let place = Place::new();
        let mut db = place.open();
        for (id, job) in (1..).zip(&mut jobs) {
            job.id = JobId(id);
            job.token = None;
            // Names are unique in an experiment.
            job.experiment = ExperimentId(id);
        }
        let ended = jobs.iter().filter(|job| job.state.ended()).count() as u64;
        db.commit(&rows_turn(1, jobs.into_iter().map(Arc::new).map(Change::Job).collect())).unwrap();
        prop_assert_eq!(lines(&place), ended);
        assert_listed(&db, true, "lines");
        change(&place, "UPDATE job SET line = NULL");
        assert_listed(&db, false, "bodies");
    }
}

#[test]
fn a_page_has_a_bound() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, (1..=1100).map(|id| queued(id, 1)).collect())).unwrap();
    for limit in [0, 5000] {
        let (jobs, more) = db.jobs(&JobPage { limit, ..JobPage::default() }, &|_| None).unwrap();
        assert_eq!((jobs.len(), more), (1000, true));
    }
}

/// A first look is taken beside whoever writes, and takes of jobs the newest alone.
#[test]
fn a_first_look_has_everything_but_jobs_and_the_newest_of_those() {
    let place = Place::new();
    let mut db = place.open();
    assert!(ostler::store::glance(&place.file(), UnixMillis(1)).is_some_and(|look| look.changes.is_empty()));
    let mut rows = vec![
        Change::Group(group(1)),
        Change::Workspace(workspace(1)),
        Change::Cluster(cluster(1)),
        Change::FileServer(file_server(1)),
        Change::Node(node(1)),
        Change::Experiment(experiment(1)),
        Change::Sweep(sweep(1)),
    ];
    let kept = rows.len();
    rows.extend((1..=1_400).map(|id| Change::Job(Arc::new(job(id, 1, if id % 2 == 0 { Queued } else { Succeeded })))));
    db.commit(&rows_turn(1, rows)).unwrap();
    let look = ostler::store::glance(&place.file(), UnixMillis(1)).unwrap();
    assert!(look.whole && look.at == UnixMillis(1));
    let jobs: BTreeSet<u64> =
        look.changes.iter().filter_map(|row| if let Change::Job(job) = row { Some(job.id.0) } else { None }).collect();
    assert_eq!(jobs, (401..=1_400).collect());
    assert_eq!(look.changes.len() - jobs.len(), kept);
}

#[test]
fn a_start_reads_many_jobs_in_their_order_and_names_one_that_it_cannot() {
    let place = Place::new();
    let mut db = place.open();
    let rows = (1..=3_000).map(|id| Change::Job(Arc::new(job(id, 1, if id % 3 == 0 { Failed } else { Queued })))).collect();
    db.commit(&rows_turn(1, rows)).unwrap();
    let loaded = db.load().unwrap();
    let live: Vec<&Arc<Job>> =
        loaded.rows.iter().filter_map(|row| if let Change::Job(job) = row { Some(job) } else { None }).collect();
    assert!(live.iter().map(|job| job.id.0).eq((1..=3_000).filter(|id| id % 3 != 0)), "the live ones, in order");
    let ended: Vec<_> = loaded.ended.iter().map(|job| (job.last.ended, job.id)).collect();
    assert!(ended.len() == 1_000 && ended.is_sorted(), "the ended ones, oldest first");
    let sample = job(1, 1, Queued);
    assert!(live.iter().all(|job| *job.spec == *sample.spec), "each has what was asked for");
    let shared: BTreeSet<*const _> = live.iter().map(|job| Arc::as_ptr(&job.spec)).collect();
    assert_eq!(shared.len(), 1, "what is the same is there once");
    rusqlite::Connection::open(place.file()).unwrap().execute_batch("UPDATE job SET body = '{' WHERE id = 1777").unwrap();
    let error = db.load().unwrap_err().to_string();
    assert!(error.contains("table job, row 1777"), "{error}");
}
