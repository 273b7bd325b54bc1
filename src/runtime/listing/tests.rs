//! Pages against a store with more ended jobs than the picture has.

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::model::ids::{Counters, Seq};
use crate::model::request::Request;
use crate::model::settings::Settings;
use crate::model::snapshot::{Change, ENDED_JOBS_KEPT};
use crate::model::spec::JobSpec;
use crate::runtime::engine::{Input, Surroundings};
use crate::store::{Batch, Db};

/// More ended jobs than are in the picture.
const JOBS: u64 = ENDED_JOBS_KEPT as u64 + 2_500;

/// Every fifth waits; the large experiment has most of them. Those with a higher number have ended before.
fn row(id: u64, spec: &JobSpec) -> Job {
    let ended = !id.is_multiple_of(5);
    let state = match (ended, id.is_multiple_of(3)) {
        (true, true) => "failed",
        (true, false) => "succeeded",
        (false, _) => "queued",
    };
    let mut job: Job = serde_json::from_value(json!({
        "id": id, "workspace": 1, "experiment": if id.is_multiple_of(100) { 2 } else { 1 }, "name": format!("run-{id}"),
        "uuid": Uuid::from_u128(id.into()), "cluster": 1, "segment": "x", "spec": spec, "state": state, "since": 1,
        "shape": {"prepares": false, "mainNodes": [0]}, "priority": "normal", "attempt": 1, "created": 1,
    }))
    .unwrap();
    job.last.ended = ended.then(|| UnixMillis(i64::try_from(2 * JOBS - id).unwrap()));
    job
}

fn engine(dir: &std::path::Path) -> Engine<Db> {
    let mut store = Db::open(&dir.join("state.sqlite")).unwrap();
    let spec = JobSpec::command("true");
    let jobs: Vec<Job> = (1..=JOBS).map(|id| row(id, &spec)).collect();
    let tally = |of: u64| {
        let count = |state: ExecutionState| jobs.iter().filter(|j| j.experiment.0 == of && j.state == state).count();
        let of = [ExecutionState::Queued, ExecutionState::Succeeded, ExecutionState::Failed].map(count);
        json!({"queued": of[0], "running": 0, "terminating": 0, "succeeded": of[1], "failed": of[2]})
    };
    let workspace = serde_json::from_value(json!({"id": 1, "name": "lab", "created": 1})).unwrap();
    let experiment = |id: u64, name: &str| {
        let row = json!({"id": id, "workspace": 1, "name": name, "created": 1, "tally": tally(id)});
        Change::Experiment(serde_json::from_value(row).unwrap())
    };
    let mut rows = vec![Change::Workspace(workspace), experiment(1, "large"), experiment(2, "small")];
    rows.extend(jobs.into_iter().map(|job| Change::Job(Arc::new(job))));
    let epoch = store.next_epoch(UnixMillis(1)).unwrap();
    let counters = Counters { job: JobId(JOBS), ..Counters::default() };
    let (events, issued, answered, sealed) = Default::default();
    let batch = Batch { seq: Seq(1), at: UnixMillis(1), epoch, events, rows, issued, answered, counters, sealed };
    store.commit(&batch).unwrap();
    let around = Surroundings { state_dir: dir.display().to_string(), ..Surroundings::default() };
    Engine::open(store, Settings::default(), around, UnixMillis(1), Box::new(Uuid::nil)).unwrap().0
}

fn ask(engine: &mut Engine<Db>, request: Request) -> Reply {
    let input = Input::Request(1, Box::new(request));
    engine.turn(UnixMillis(2), vec![input]).unwrap().replies.remove(0).1
}

#[test]
fn pages_join_the_picture_and_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = engine(dir.path());
    assert!(!engine.shows_all_ended());
    let spec = JobSpec::command("true");
    let all: Vec<Job> = (1..=JOBS).map(|id| row(id, &spec)).collect();
    let named = |name: &str| Some(name.to_owned());
    use ExecutionState::{Failed, Queued, Succeeded};
    let queries = [
        JobQuery::default(),
        JobQuery { newest_first: true, ..JobQuery::default() },
        JobQuery { limit: 7, ..JobQuery::default() },
        JobQuery { experiment: named("small"), limit: 9, ..JobQuery::default() },
        JobQuery { experiment: named("large"), newest_first: true, ..JobQuery::default() },
        JobQuery { states: vec![Queued], ..JobQuery::default() },
        JobQuery { states: vec![Failed], newest_first: true, ..JobQuery::default() },
        JobQuery { states: vec![Queued, Succeeded], ..JobQuery::default() },
    ];
    for first in queries {
        let fits = |job: &&Job| {
            let of = if job.experiment.0 == 2 { "small" } else { "large" };
            first.experiment.as_ref().is_none_or(|name| name == of)
                && (first.states.is_empty() || first.states.contains(&job.state))
        };
        let mut wanted: Vec<JobId> = all.iter().filter(fits).map(|job| job.id).collect();
        if first.newest_first {
            wanted.reverse();
        }
        let (mut found, mut tabled) = (Vec::new(), Vec::new());
        let mut query = first.clone();
        loop {
            let columns = vec![JobColumn::Name, JobColumn::State, JobColumn::Id];
            let table = match ask(&mut engine, Request::TabulateJobs { query: query.clone(), columns }) {
                Reply::JobTable(table) => table,
                other => panic!("{other:?}"),
            };
            let Reply::Jobs { jobs, more } = ask(&mut engine, Request::ListJobs(query.clone())) else { panic!("no page") };
            assert_eq!((table.count, table.more), (jobs.len(), more), "{query:?}");
            for (at, view) in jobs.iter().enumerate() {
                let said = [0, 1, 2].map(|column: usize| table.columns[column].get(at));
                let id = view.job.id.to_string();
                assert_eq!(said, [&*view.job.name, view.job.state.word(), id.as_str()], "{query:?}");
            }
            found.extend(jobs.iter().map(|view| view.job.id));
            tabled.extend(table.last);
            query.after = table.last;
            // The first pages of short ones tell as much as all.
            if !more || (query.limit > 0 && found.len() > 60) {
                break;
            }
        }
        assert_eq!(found[..], wanted[..found.len()], "{first:?}");
        assert!(first.limit > 0 || found.len() == wanted.len(), "{first:?}: {} of {}", found.len(), wanted.len());
    }
}
