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

#[test]
fn an_array_takes_no_name_that_is_there() {
    use crate::model::spec::sweep::{Part, Search};
    use crate::model::spec::{SweepSpec, sweep_file};
    let mut bench = Bench::new();
    bench.ask(vec![Request::CreateWorkspace { name: "lab".to_owned(), location: None, tags: BTreeMap::new() }]);
    bench.ask(vec![Request::CreateExperiment { workspace: None, name: "e".to_owned() }]);
    let spec = ClusterSpec::new(ProviderSpec::Local, NodeCount(0));
    bench.ask(vec![Request::CreateCluster { workspace: None, name: "c".to_owned(), spec: Box::new(spec) }]);
    let submit = |name: &str, array: Option<&str>| {
        let mut spec = JobSpec::command("true");
        spec.scheduling.array = array.map(|indexes| indexes.parse().unwrap());
        let place = Place::default;
        Request::Submit(Box::new(Submit {
            experiment: place(),
            cluster: place(),
            name: Some(name.to_owned()),
            spec,
            token: None,
        }))
    };
    let parameters = vec![sweep_file::option("seed=1..3").unwrap()];
    let template = serde_json::json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "true PARAM_SEED"}});
    let part = Part { parameters, search: Search::Grid, exclude: Vec::new() };
    let sweep = crate::model::request::SubmitSweep {
        experiment: Place::default(),
        cluster: Place::default(),
        name: Some("W".to_owned()),
        spec: SweepSpec::new(template, vec![part]),
        held: true,
        token: None,
    };
    assert!(matches!(bench.ask(vec![Request::CreateSweep(Box::new(sweep))])[..], [Reply::Sweep(_)]));
    bench.ask(vec![submit("s-2", None), submit("t-x", None)]);
    for (name, taken) in [("S", Some("S-2")), ("w", Some("w-1")), ("t", None), ("u", None), ("u", Some("u-1"))] {
        match (bench.ask(vec![submit(name, Some("1-3"))]).remove(0), taken) {
            (Reply::SubmittedArray { first, jobs }, None) => {
                assert_eq!((first.id, jobs.len()), (jobs[0], 3), "{name}");
                assert_eq!(jobs[2], crate::model::ids::JobId(jobs[0].0 + 2), "{name}");
            }
            (Reply::Refused(fault), Some(taken)) => assert!(fault.message.contains(&format!("`{taken}`")), "{fault:?}"),
            (other, _) => panic!("{name}: {other:?}"),
        }
    }
    // Two of one name in one request.
    let twice = bench.ask(vec![submit("v", Some("1-2")), submit("v", Some("2-3"))]);
    assert!(matches!(&twice[..], [Reply::SubmittedArray { .. }, Reply::Refused(_)]), "{twice:?}");
}
