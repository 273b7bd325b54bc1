//! What one turn answers about what it has itself just changed.

use std::collections::BTreeMap;

use super::*;
use crate::model::request::{JobAct, JobRef, Place, Submit};
use crate::model::spec::job::JobSpec;
use crate::model::spec::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
use crate::model::units::{Millis, NodeCount};
use crate::store::Db;

fn submit(token: Option<&str>) -> Submit {
    let spec = JobSpec::command("true");
    let place = Place::default;
    Submit { experiment: place(), cluster: place(), name: Some("j".to_owned()), spec, token: token.map(str::to_owned) }
}

#[test]
fn a_job_that_ends_in_a_turn_is_known_in_that_turn() {
    let dir = tempfile::tempdir().unwrap();
    let store = Db::open(&dir.path().join("state.sqlite")).unwrap();
    let mut drawn = 0;
    let draw = Box::new(move || {
        drawn += 1;
        Uuid::from_u128(drawn)
    });
    let around = Surroundings { state_dir: dir.path().display().to_string(), ..Surroundings::default() };
    let (mut engine, _) = Engine::open(store, Settings::default(), around, UnixMillis(1), draw).unwrap();
    let mut ask = |requests: Vec<Request>| {
        let inputs = requests.into_iter().zip(1..).map(|(request, call)| Input::Request(call, Box::new(request)));
        let mut replies = engine.turn(UnixMillis(2), inputs.collect()).unwrap().replies;
        replies.sort_by_key(|(call, _)| *call);
        replies.into_iter().map(|(_, reply)| reply).collect::<Vec<_>>()
    };
    // No node, so that the job waits.
    let scale = ScaleSettings::Manual { target_node_count: NodeCount(0), node_deallocation_option: Deallocation::Requeue };
    let spec = ClusterSpec {
        provider: ProviderSpec::Local,
        scale_settings: scale,
        vm_size: None,
        node_setup: None,
        machines: Default::default(),
        pool: Default::default(),
        slurm: None,
        rest: None,
        kept: Default::default(),
    };
    ask(vec![Request::CreateWorkspace { name: "w".to_owned(), location: None, tags: BTreeMap::new() }]);
    ask(vec![Request::CreateExperiment { workspace: None, name: "e".to_owned() }]);
    ask(vec![Request::CreateCluster { workspace: None, name: "c".to_owned(), spec: Box::new(spec) }]);
    let first = ask(vec![Request::Submit(Box::new(submit(Some("t"))))]);
    let Reply::Submitted(jobs) = &first[0] else { panic!("{first:?}") };

    let named = JobRef::Named { experiment: Place::default(), job: "J".to_owned() };
    let act = JobAct::Terminate { hold: Millis(0) };
    let replies = ask(vec![
        Request::Job { job: named.clone(), act },
        Request::ShowJob(named.clone()),
        Request::Submit(Box::new(submit(Some("t")))),
        Request::Submit(Box::new(submit(None))),
    ]);
    assert!(matches!(&replies[0], Reply::Accepted { .. }), "{replies:?}");
    assert!(matches!(&replies[1], Reply::Job(view) if view.job.state.ended()), "{:?}", replies[1]);
    assert!(matches!(&replies[2], Reply::Submitted(again) if again[0].id == jobs[0].id), "{:?}", replies[2]);
    assert!(matches!(&replies[3], Reply::Refused(_)), "the name is taken: {:?}", replies[3]);
    assert!(matches!(&ask(vec![Request::ShowJob(named)])[0], Reply::Job(view) if view.job.state.ended()));
}
