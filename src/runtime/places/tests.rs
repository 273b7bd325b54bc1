//! Places against a real store: many of a kind, and what waits.

use uuid::Uuid;

use super::*;
use crate::model::request::{Reply, Request, Submit};
use crate::model::settings::Settings;
use crate::model::spec::{ClusterSpec, JobSpec, ProviderSpec};
use crate::model::units::{NodeCount, UnixMillis};
use crate::runtime::engine::{Input, Surroundings};
use crate::store::Db;

/// More than a published page holds.
const MANY: usize = 1_100;

struct Bench {
    engine: Engine<Db>,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Db::open(&dir.path().join("state.sqlite")).unwrap();
        let around = Surroundings { state_dir: dir.path().display().to_string(), ..Surroundings::default() };
        let mut drawn = 0;
        let draw = Box::new(move || {
            drawn += 1;
            Uuid::from_u128(drawn)
        });
        let (engine, _) = Engine::open(store, Settings::default(), around, UnixMillis(1), draw).unwrap();
        Self { engine, _dir: dir }
    }

    fn ask(&mut self, requests: Vec<Request>) -> Vec<Reply> {
        let inputs = requests.into_iter().zip(1..).map(|(request, call)| Input::Request(call, Box::new(request)));
        let mut replies = self.engine.turn(UnixMillis(2), inputs.collect()).unwrap().replies;
        replies.sort_by_key(|(call, _)| *call);
        replies.into_iter().map(|(_, reply)| reply).collect()
    }
}

#[test]
fn lists_hold_more_than_a_page() {
    let mut bench = Bench::new();
    bench.ask(vec![Request::CreateWorkspace { name: "lab".to_owned(), location: None, tags: BTreeMap::new() }]);
    let create = |n| Request::CreateExperiment { workspace: None, name: format!("e{n}") };
    let made = bench.ask((0..MANY).map(create).collect());
    assert!(made.iter().all(|reply| matches!(reply, Reply::Experiment(_))));
    let Reply::Lists { experiments, .. } = bench.ask(vec![Request::ListAll { workspace: None }]).remove(0) else {
        panic!("a list was asked for")
    };
    assert_eq!(experiments.len(), MANY);

    let spec = ClusterSpec::new(ProviderSpec::Local, NodeCount(0));
    bench.ask(vec![Request::CreateCluster { workspace: None, name: "c".to_owned(), spec: Box::new(spec) }]);
    let submit = |_| Submit {
        experiment: Place { workspace: None, name: Some("e0".to_owned()) },
        cluster: Place::default(),
        name: None,
        spec: JobSpec::command("true"),
        token: None,
    };
    let made = bench.ask(vec![Request::SubmitAll((0..MANY).map(submit).collect())]).remove(0);
    assert!(matches!(&made, Reply::Submitted(jobs) if jobs.len() == MANY));
    let mut query = crate::model::request::JobQuery::default();
    let mut pages = Vec::new();
    loop {
        let Reply::Jobs { jobs, more } = bench.ask(vec![Request::ListJobs(query.clone())]).remove(0) else {
            panic!("a page was asked for")
        };
        query.after = jobs.last().map(|view| view.job.id);
        pages.push(jobs.len());
        if !more {
            break;
        }
    }
    assert_eq!(pages, [1_000, MANY - 1_000]);
}

#[test]
fn a_workspace_that_goes_says_so_and_takes_nothing_new() {
    let mut bench = Bench::new();
    bench.ask(vec![Request::CreateWorkspace { name: "lab".to_owned(), location: None, tags: BTreeMap::new() }]);
    let spec = ClusterSpec::new(ProviderSpec::Hosts { hosts: vec!["h1".to_owned()] }, NodeCount(1));
    bench.ask(vec![Request::CreateCluster { workspace: None, name: "c".to_owned(), spec: Box::new(spec) }]);
    // The machine is acquired while the order is performed, and is a fact of the next turn.
    bench.ask(Vec::new());
    let replies = bench.ask(vec![
        Request::DeleteWorkspace { workspace: "lab".to_owned(), force: true },
        Request::ListAll { workspace: None },
        Request::CreateExperiment { workspace: None, name: "e".to_owned() },
    ]);
    let [_, Reply::Lists { workspaces, .. }, Reply::Refused(fault)] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!(workspaces.first().and_then(|w| w.deleting_since), Some(UnixMillis(2)), "its node is to be given back");
    assert_eq!(fault.code, Some(FaultCode::ResourceBeingDeleted));
}
