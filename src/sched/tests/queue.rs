//! Waiting jobs: order, holds, stops, reasons, retries, and what is left when all is done.

use super::rig::*;
use super::*;
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{Demand, Priority, Resources};
use crate::model::state::{ExecutionState, Tally};
use crate::model::units::{Bytes, Millis, NodeCount};

fn tally(rig: &Rig) -> Tally {
    rig.sched.experiments()[&EXP].tally
}

fn running(rig: &Rig) -> Vec<u64> {
    let jobs = rig.sched.jobs().values().filter(|job| job.state == ExecutionState::Running);
    jobs.map(|job| job.id.0).collect()
}

#[test]
fn the_head_blocks_those_behind_it() {
    let mut rig = Rig::up(2);
    rig.submit("a", 1);
    rig.submit("big", 2);
    // One that would end after the room for the head is there.
    rig.pass(Millis::from_secs(1));
    rig.submit("small", 1);
    assert_eq!(running(&rig), [1]);
    assert_eq!(rig.waits_for(), "needs 2 nodes, 1 idle, 1 running");
    let why = rig.sched.why(rig.now, job(3)).unwrap();
    assert_eq!(why.reason, "waits behind big of cluster gpu, which needs 2 nodes, 1 idle, 1 running");
    assert_eq!((why.place, why.nodes), (2, vec![("host1".into(), "runs another job".into()), ("host2".into(), "".into())]));
    assert_eq!(
        rig.sched.why(rig.now, job(2)).unwrap().change.as_deref(),
        Some("scale cluster gpu to 3, or wait for running jobs")
    );
    rig.on(Event::HoldAsked { job: job(2) });
    assert_eq!(running(&rig), [1, 3], "a held job does not block");
    assert_eq!(rig.sched.why(rig.now, job(2)).unwrap().change.as_deref(), Some("release job big"));
    rig.on(Event::ReleaseAsked { job: job(2) });
    rig.gone(main_of(1, 1, 0), exit(0));
    rig.gone(main_of(3, 1, 0), exit(0));
    assert_eq!(running(&rig), [2]);
}

#[test]
fn priority_comes_before_submission() {
    let mut rig = Rig::up(1);
    for name in ["a", "b", "c", "d"] {
        rig.submit(name, 1);
    }
    rig.on(Event::PriorityAsked { job: job(4), priority: Priority::High });
    rig.on(Event::PriorityAsked { job: job(2), priority: Priority::Low });
    let mut order = Vec::new();
    while let Some(id) = running(&rig).first().copied() {
        order.push(id);
        rig.gone(main_of(id, 1, 0), exit(0));
        rig.sched.retire();
    }
    assert_eq!(order, [1, 4, 3, 2]);
}

#[test]
fn other_clusters_are_not_blocked() {
    let mut rig = Rig::up(1);
    rig.on(Event::ClusterCreated {
        workspace: WS,
        name: "other".into(),
        uuid: uuid::Uuid::nil(),
        spec: cluster_spec(1, Default::default()),
    });
    rig.bring_up();
    rig.submit("big", 9);
    let mut new = new_job("small", spec(1), every_node(1));
    new.cluster = ClusterId(2);
    let small = rig.submit_as(new);
    assert_eq!(rig.state(small), ExecutionState::Running);
    assert_eq!(rig.waits_for(), "needs 9 nodes, the cluster's target is 1");
}

#[test]
fn every_wait_has_a_true_reason() {
    let part = |gpus: u64, memory: u64| {
        let mut spec = spec(1);
        let memory = Bytes(memory << 30);
        spec.demand = Demand::Part(Resources { gpus_milli: gpus * 1000, memory, ..Resources::default() });
        new_job("part", spec, every_node(1))
    };
    type Before = fn(&mut Rig);
    let cases: [(&str, Before, NewJob, &str); 7] = [
        (
            "no nodes wanted",
            |rig| scale(rig, 0),
            new_job("a", spec(1), every_node(1)),
            "needs 1 node, the cluster's target is 0",
        ),
        ("target too small", |_| {}, new_job("a", spec(3), every_node(3)), "needs 3 nodes, the cluster's target is 2"),
        ("on their way", |rig| scale(rig, 3), new_job("a", spec(3), every_node(3)), "needs 3 nodes, 2 idle, 1 allocating"),
        (
            "drained",
            |rig| {
                rig.on(Event::DrainAsked { node: node(1) });
            },
            new_job("a", spec(2), every_node(2)),
            "needs 2 nodes, 1 idle, 1 drained",
        ),
        ("no such GPU", |_| {}, part(2, 0), "needs 1 node with 2 GPUs, which 0 of 2 have"),
        ("no such memory", |_| {}, part(0, 64), "needs 1 node with 64 GiB of memory, which 0 of 2 have"),
        (
            "busy",
            |rig| {
                rig.submit("x", 1);
                rig.submit("y", 1);
            },
            new_job("a", spec(1), every_node(1)),
            "needs 1 node, 0 idle, 2 running",
        ),
    ];
    for (name, before, new, expected) in cases {
        let mut rig = Rig::up(2);
        before(&mut rig);
        let id = rig.submit_as(new);
        assert_eq!(rig.waits_for(), expected, "{name}");
        assert_eq!(rig.job(id).reason(Some(rig.cluster())), format!("{expected}; next in line"), "{name}");
    }
}

fn scale(rig: &mut Rig, target: u32) {
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(target), deallocation: None });
    rig.release_all();
}

#[test]
fn a_part_of_a_node_is_given_only_where_it_is() {
    let mut rig = Rig::up(2);
    rig.on(Event::NodeUp {
        node: node(2),
        effect: None,
        boot: crate::model::state::BootId("b1".into()),
        facts: Box::new(facts(4)),
        inventory: BTreeMap::new(),
    });
    let mut asks = spec(1);
    asks.demand = Demand::Part(Resources { gpus_milli: 2000, cpus_milli: 1500, ..Resources::default() });
    let a = rig.submit_as(new_job("a", asks.clone(), every_node(1)));
    assert_eq!(rig.job(a).last.nodes, [node(2)]);
    let b = rig.submit_as(new_job("b", asks.clone(), every_node(1)));
    assert_eq!(rig.job(b).last.nodes, [node(2)], "the other half");
    let c = rig.submit_as(new_job("c", asks, every_node(1)));
    assert_eq!(rig.waits_for(), "needs 1 node with 2 GPUs and 1.5 CPUs, 1 has that and all of it is in use");
    let why = rig.sched.why(rig.now, c).unwrap();
    assert_eq!(why.nodes[0], ("host1".into(), "asks 2 GPUs, the node has 0".into()));
    assert_eq!(why.nodes[1], ("host2".into(), "asks 2 GPUs, of which is left 0".into()));
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!((rig.state(c), rig.nodes()), (ExecutionState::Running, "idle running".to_owned()));
}

#[test]
fn a_held_stop_can_be_taken_back() {
    let mut rig = Rig::up(1);
    let (a, b) = (rig.submit("a", 1), rig.submit("b", 1));
    let hold = Settings::default().stop_hold;
    for id in [a, b] {
        rig.on(Event::TerminateAsked { job: id, until: rig.now + hold });
    }
    assert_eq!((rig.state(a), rig.stops().len()), (ExecutionState::Running, 0));
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(
        (rig.state(a), rig.state(b)),
        (ExecutionState::Succeeded, ExecutionState::Queued),
        "nothing starts to be stopped"
    );
    rig.on(Event::TerminateTakenBack { job: b });
    assert_eq!(rig.state(b), ExecutionState::Running);
    rig.on(Event::TerminateAsked { job: b, until: rig.now + hold });
    rig.pass(Millis(hold.0 - 1));
    assert_eq!(rig.state(b), ExecutionState::Running);
    rig.pass(Millis(1));
    assert_eq!((rig.state(b), rig.sched.next_deadline()), (ExecutionState::Terminating, None));
    rig.on(Event::TerminateTakenBack { job: b });
    assert_eq!(rig.state(b), ExecutionState::Terminating, "too late");
}

#[test]
fn a_waiting_job_ends_at_once() {
    let mut rig = Rig::asked(0);
    let a = rig.submit("a", 1);
    rig.on(Event::TerminateAsked { job: a, until: rig.now });
    let row = rig.job(a);
    assert_eq!((row.state, row.last.exit_code, row.attempt.0), (ExecutionState::Failed, None, 0));
    assert_eq!(rig.error(a), "JobTerminated");
    assert_eq!((rig.cluster().waiting, &rig.cluster().head), (0, &None));
}

#[test]
fn a_failed_job_is_retried_as_itself() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.gone(main_of(1, 1, 0), exit(1));
    let record = Arc::new(rig.job(a).clone());
    assert_eq!(rig.sched.retire(), [a]);
    rig.on(Event::RetryAsked { job: record.clone() });
    let row = rig.job(a);
    assert_eq!((row.state, row.attempt.0, row.last.exit_code), (ExecutionState::Running, 2, None));
    assert_eq!((row.last.errors.len(), row.last.ended), (0, None));
    assert_eq!(tally(&rig), Tally { running: 1, ..Tally::default() });
    let ignored = rig.sched.ignored();
    rig.on(Event::RetryAsked { job: record });
    assert_eq!((rig.sched.ignored(), rig.job(a).attempt.0), (ignored + 1, 2), "it lives already");
}

#[test]
fn deleted_jobs_leave_no_trace_in_the_tally() {
    let mut rig = Rig::up(1);
    for name in ["ended", "runs", "waits"] {
        rig.submit(name, 1);
    }
    // Long enough that nothing is sent ahead.
    rig.pass(Millis::from_secs(1));
    rig.gone(main_of(1, 1, 0), exit(0));
    let record = Arc::new(rig.job(job(1)).clone());
    rig.sched.retire();
    assert_eq!(tally(&rig), Tally { succeeded: 1, running: 1, queued: 1, ..Tally::default() });
    rig.on(Event::DeleteAsked { job: job(3) });
    rig.on(Event::DeleteAsked { job: job(2) });
    assert_eq!(tally(&rig), Tally { succeeded: 1, terminating: 1, ..Tally::default() });
    rig.on(Event::EndedJobDeleted { job: record });
    assert!(rig.last.touched.contains(&RowKey::Job(job(1))) && rig.sched.row(RowKey::Job(job(1))).is_none());
    rig.gone(main_of(2, 1, 0), stopped(crate::model::state::StopWhy::Terminate));
    assert_eq!(tally(&rig), Tally::default());
    assert!(rig.sched.jobs().is_empty());
}

#[test]
fn an_experiment_goes_with_its_jobs() {
    let mut rig = Rig::up(1);
    rig.submit("runs", 1);
    rig.submit("waits", 1);
    rig.on(Event::ExperimentDeleteAsked { experiment: EXP });
    assert_eq!(rig.sched.jobs().len(), 1);
    rig.gone(main_of(1, 1, 0), stopped(crate::model::state::StopWhy::Terminate));
    assert!(rig.sched.experiments().is_empty() && rig.sched.jobs().is_empty());
    assert_eq!((rig.nodes().as_str(), rig.sched.undone().len()), ("idle", 0));
}

#[test]
fn hooks_hear_of_an_end_when_there_are_any() {
    for webhook in [None, Some("https://example.org".to_owned())] {
        let settings = Settings { webhook: webhook.clone(), ..Settings::default() };
        let mut rig = Rig::with(settings, 1, Default::default());
        rig.bring_up();
        let a = rig.submit("a", 1);
        rig.gone(main_of(1, 1, 0), exit(0));
        let notice = rig.find(|act| *act == Act::Notify { job: a });
        assert_eq!(notice.is_some(), webhook.is_some());
        if let Some(notice) = notice {
            assert_eq!(rig.sched.undone(), ["1 notice is still to be sent"]);
            rig.on(Event::EffectDone { effect: notice.id });
            assert!(rig.sched.undone().is_empty());
        }
    }
}

#[test]
fn what_is_undone_is_said() {
    let mut rig = Rig::asked(2);
    assert_eq!(rig.sched.undone(), ["2 nodes of cluster gpu allocating"]);
    rig.bring_up();
    assert!(rig.sched.undone().is_empty());
    rig.submit("a", 1);
    rig.submit_as(new_job(
        "b",
        spec(2),
        LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0], serving: 0, handed: false },
    ));
    assert_eq!(rig.sched.undone(), ["1 job is running", "1 job is waiting"]);
}

#[test]
fn facts_that_fit_nothing_are_counted_and_change_nothing() {
    let mut rig = Rig::up(1);
    rig.submit("a", 1);
    let unknown = EffectId(99);
    let proof = exit(0);
    let events = [
        Event::WorkspaceDeleteAsked { workspace: WorkspaceId(9) },
        Event::ExperimentDeleteAsked { experiment: ExperimentId(9) },
        Event::ClusterDeleteAsked { cluster: ClusterId(9) },
        Event::ScaleAsked { cluster: ClusterId(9), target: NodeCount(1), deallocation: None },
        Event::TerminateAsked { job: job(9), until: UnixMillis(0) },
        Event::TerminateTakenBack { job: job(1) },
        Event::DeleteAsked { job: job(9) },
        Event::HoldAsked { job: job(1) },
        Event::PriorityAsked { job: job(1), priority: Priority::Low },
        Event::PrepareAsked { node: node(9) },
        Event::UndrainAsked { node: node(1) },
        Event::DeclaredDead { node: node(9), by: "ada".into() },
        Event::NodeAcquired { effect: unknown, name: "x".into(), host: "x".into(), machine: String::new(), price: None },
        Event::AcquireFailed { effect: unknown, code: "x".into(), message: "x".into() },
        Event::NodeDown { node: node(9), why: refused(), retry_in: None },
        Event::NodeReleased { effect: unknown },
        Event::NodeGone { node: node(9) },
        Event::RankStarted { effect: unknown, key: main_of(1, 1, 0) },
        Event::RankGone { key: main_of(1, 2, 0), effect: Some(unknown), proof },
        Event::DaemonAsked { by: main_of(9, 1, 0), request: 0, node_index: 0, command: "x".into() },
        Event::EffectDone { effect: unknown },
    ];
    for event in events {
        let ignored = rig.sched.ignored();
        let name = format!("{event:?}");
        assert_eq!(*rig.on(event), Step::default(), "{name}");
        assert_eq!(rig.sched.ignored(), ignored + 1, "{name}");
    }
}
