//! Clusters and nodes: targets, what goes and what comes back, retries, sight, death.

use super::rig::*;
use super::*;
use crate::model::ids::EffectId;
use crate::model::kept::Kept;
use crate::model::spec::{AutoScale, Deallocation, ScaleSettings};
use crate::model::state::{AllocationState, ExecutionState, NodeState, Proof, Reach, StopWhy, Unusable};
use crate::model::units::{Millis, NodeCount};

fn scale(rig: &mut Rig, target: u32, option: Option<Deallocation>) {
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(target), deallocation: option });
}

fn fail_acquire(rig: &mut Rig) {
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::AcquireFailed { effect: asked.id, code: "no-host".into(), message: "all hosts are taken".into() });
}

#[test]
fn nodes_come_one_by_one() {
    let mut rig = Rig::asked(2);
    assert_eq!((rig.nodes().as_str(), rig.cluster().allocation), ("allocating allocating", AllocationState::Resizing));
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::NodeAcquired {
        effect: asked.id,
        name: "n1".into(),
        host: "n1".into(),
        machine: String::new(),
        price: None,
    });
    assert_eq!(rig.nodes(), "preparing allocating");
    rig.bring_up();
    assert_eq!((rig.nodes().as_str(), rig.cluster().allocation), ("idle idle", AllocationState::Steady));
}

#[test]
fn the_least_useful_nodes_go_first() {
    // Six nodes: 1 runs a, 2 runs b (started later), 3 idle, 4 preparing, 5 unusable, 6 allocating.
    let cases = [
        (6, "running running idle preparing unusable allocating"),
        (5, "running running idle preparing unusable leaving"),
        (4, "running running idle preparing leaving leaving"),
        (3, "running running idle leaving leaving leaving"),
        (2, "running running leaving leaving leaving leaving"),
        (1, "running leaving leaving leaving leaving leaving"),
        (0, "leaving leaving leaving leaving leaving leaving"),
    ];
    for (target, expected) in cases {
        let mut rig = Rig::up(2);
        rig.submit("a", 1);
        rig.pass(Millis::from_secs(1));
        rig.submit("b", 1);
        scale(&mut rig, 3, None);
        rig.bring_up();
        scale(&mut rig, 6, None);
        for n in [4, 5] {
            let ask = rig.find(|act| matches!(act, Act::AcquireNode { node, .. } if node.0 == n)).unwrap();
            rig.on(Event::NodeAcquired {
                effect: ask.id,
                name: format!("n{n}"),
                host: format!("n{n}"),
                machine: String::new(),
                price: None,
            });
        }
        rig.node_down(5);
        let preview = rig.sched.preview_scale(GPU, NodeCount(target), None, None);
        scale(&mut rig, target, None);
        assert_eq!(rig.nodes(), expected, "target {target}");
        let busy: Vec<_> = preview.release_busy.iter().map(|(node, job)| (node.0, job.as_str())).collect();
        let all_busy = [(2, "b"), (1, "a")];
        assert_eq!(busy, all_busy[..2usize.saturating_sub(target as usize)], "target {target}");
        let arriving = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
        rig.on(Event::NodeAcquired {
            effect: arriving.id,
            name: "n6".into(),
            host: "n6".into(),
            machine: String::new(),
            price: None,
        });
        rig.keep_all();
        let released = rig.find(|act| matches!(act, Act::ReleaseNode { node } if node.0 == 6)).is_some();
        assert_eq!(released, target < 6, "target {target}: one that comes too late goes again");
    }
}

#[test]
fn what_becomes_of_running_jobs_is_the_option() {
    let (requeue, terminate, wait) = (Deallocation::Requeue, Deallocation::Terminate, Deallocation::WaitForJobCompletion);
    let cases = [
        (requeue, "leaving", ExecutionState::Running, ExecutionState::Queued, ""),
        (terminate, "leaving", ExecutionState::Terminating, ExecutionState::Failed, "JobTerminated"),
        (wait, "running", ExecutionState::Running, ExecutionState::Succeeded, ""),
    ];
    for (option, nodes, during, after, error) in cases {
        let mut rig = Rig::up(1);
        let a = rig.submit("a", 1);
        let b = rig.submit("b", 1);
        rig.started(main_of(1, 1, 0));
        scale(&mut rig, 0, Some(option));
        assert_eq!((rig.nodes().as_str(), rig.state(a)), (nodes, during), "{option:?}");
        assert!(rig.find(|act| matches!(act, Act::ReleaseNode { .. })).is_none(), "{option:?}: no release yet");
        assert_eq!(rig.cluster().allocation, AllocationState::Resizing, "{option:?}");
        rig.gone(main_of(1, 1, 0), if option == wait { exit(0) } else { stopped(StopWhy::Scale) });
        assert_eq!((rig.state(a), rig.error(a)), (after, error), "{option:?}");
        assert_eq!(rig.job(a).requeues, 0, "{option:?}: a planned stop does not count");
        rig.release_all();
        assert_eq!((rig.nodes().as_str(), rig.cluster().allocation), ("", AllocationState::Steady), "{option:?}");
        assert_eq!(rig.state(b), ExecutionState::Queued, "{option:?}");
    }
}

#[test]
fn a_change_is_taken_back_while_nodes_still_go_or_come() {
    let mut rig = Rig::up(3);
    let a = rig.submit("a", 2);
    scale(&mut rig, 1, Some(Deallocation::Requeue));
    assert_eq!(rig.nodes(), "running leaving leaving", "one of the job's nodes and the idle one go");
    rig.on(Event::ScaleTakenBack { cluster: GPU });
    // The idle one is on its way back to the provider and another one is asked for; the job's own stays.
    assert_eq!(rig.cluster().spec.scale_settings.target(), NodeCount(3));
    assert_eq!(rig.nodes(), "running running leaving allocating");
    for index in 0..2 {
        rig.gone(main_of(a.0, 1, index), stopped(StopWhy::Scale));
    }
    rig.release_all();
    rig.bring_up();
    assert_eq!((rig.state(a), rig.cluster().allocation), (ExecutionState::Running, AllocationState::Steady));
    assert_eq!(rig.cluster().before, None, "what has been done cannot be taken back");
    // From auto-scale to a number and back.
    let auto = AutoScale::new(NodeCount(1), NodeCount(3), NodeCount(1));
    rig.on(Event::AutoScaleAsked { cluster: GPU, auto });
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(1), deallocation: Some(Deallocation::WaitForJobCompletion) });
    rig.on(Event::ScaleTakenBack { cluster: GPU });
    assert!(matches!(rig.cluster().spec.scale_settings, ScaleSettings::AutoScale(_)), "{:?}", rig.cluster().spec);
    // Back and forth.
    let mut rig = Rig::up(1);
    for target in [4, 1, 4] {
        match target {
            4 if rig.cluster().before.is_none() => scale(&mut rig, 4, None),
            _ => drop(rig.on(Event::ScaleTakenBack { cluster: GPU })),
        }
        assert_eq!(rig.cluster().spec.scale_settings.target(), NodeCount(target));
    }
    rig.bring_up();
    assert_eq!(rig.nodes(), "idle idle idle idle");
}

#[test]
fn nothing_starts_while_a_cluster_waits_to_shrink() {
    let mut rig = Rig::up(3);
    rig.submit("a", 1);
    rig.submit("b", 1);
    scale(&mut rig, 1, Some(Deallocation::WaitForJobCompletion));
    assert_eq!(rig.nodes(), "running running leaving", "idle ones go at once");
    let c = rig.submit("c", 1);
    assert_eq!(rig.waits_for(), "waits for running jobs to finish, because cluster gpu shrinks to 1");
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(rig.nodes(), "leaving running leaving", "the first that is free goes");
    assert_eq!(rig.state(c), ExecutionState::Queued);
    rig.gone(main_of(2, 1, 0), exit(0));
    assert_eq!(rig.state(c), ExecutionState::Running);
}

#[test]
fn leaving_nodes_that_are_not_released_come_back() {
    let mut rig = Rig::up(2);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    scale(&mut rig, 4, None);
    scale(&mut rig, 0, None);
    assert_eq!(rig.nodes(), "leaving leaving leaving leaving");
    let preview = rig.sched.preview_scale(GPU, NodeCount(4), None, Some(NodeCount(0)));
    assert_eq!(preview.line, "0 → 4: 3 nodes stay that would have gone, 1 node wanted, only 0 hosts free");
    scale(&mut rig, 4, None);
    // 1 is still held, 3 and 4 have not arrived; 2 is being released and gone for us.
    assert_eq!(rig.nodes(), "running leaving allocating allocating allocating");
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Scale));
    assert_eq!((rig.state(a), rig.job(a).attempt.0, rig.job(a).requeues), (ExecutionState::Running, 2, 0));
}

#[test]
fn nodes_that_cannot_be_got_are_given_up_and_tried_again_when_capacity_may_be_back() {
    let mut rig = Rig::asked(1);
    rig.submit("a", 1);
    let pauses = [1, 2, 4];
    for seconds in pauses {
        fail_acquire(&mut rig);
        assert_eq!(rig.cluster().allocation, AllocationState::Resizing);
        assert_eq!(rig.sched.next_deadline(), Some(rig.now + Millis::from_secs(seconds)));
        rig.pass(Millis::from_secs(seconds));
    }
    fail_acquire(&mut rig);
    assert_eq!((rig.nodes().as_str(), rig.cluster().allocation), ("", AllocationState::Steady));
    assert_eq!(rig.cluster().errors[0].code, "no-host");
    assert_eq!(rig.waits_for(), "needs 1 node, the cluster has 0 and got no more: all hosts are taken");
    assert_eq!((rig.open.len(), rig.sched.next_deadline()), (0, None), "given up");

    scale(&mut rig, 1, None);
    assert_eq!((rig.nodes().as_str(), rig.cluster().errors.len()), ("allocating", 0), "asked again by a person");
    rig.bring_up();
    assert_eq!(rig.state(job(1)), ExecutionState::Running);
}

#[test]
fn a_machine_that_is_given_twice_stays_with_the_first_and_another_is_asked_for() {
    let mut rig = Rig::asked(2);
    let give = |rig: &mut Rig, asked: EffectId, machine: &str| {
        let (name, host) = ("host1".to_owned(), "host1".to_owned());
        rig.on(Event::NodeAcquired { effect: asked, name, host, machine: machine.to_owned(), price: None });
    };
    let first = rig.open[0].id;
    give(&mut rig, first, "i-1");
    // What was given for the tag of node 2 would be given for it each time.
    for asks_for in 3..=5 {
        let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
        give(&mut rig, asked.id, "i-1");
        assert_eq!(rig.nodes(), "preparing allocating");
        rig.pass(Millis::from_secs(4));
        assert!(rig.find(|act| matches!(act, Act::AcquireNode { node, .. } if node.0 == asks_for)).is_some());
    }
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    give(&mut rig, asked.id, "i-1");
    assert_eq!((rig.nodes().as_str(), rig.cluster().errors[0].code.as_str()), ("preparing", "HostInUse"), "not for ever");
    // Another machine under an address that was another's may be had under it later: the first is gone, and nobody knows yet.
    scale(&mut rig, 2, None);
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    give(&mut rig, asked.id, "i-2");
    let Act::AcquireNode { node: waits, .. } = asked.act else { unreachable!() };
    assert!(rig.sched.nodes()[&waits].effect.is_none(), "asked again after its back-off");
}

#[test]
fn a_host_that_another_cluster_gives_back_is_tried() {
    let settings = Settings { prepare_retries_max: 0, ..Settings::default() };
    let mut rig = Rig::with(settings, 1, Deallocation::Requeue);
    rig.bring_up();
    let spec = cluster_spec(1, Deallocation::Requeue);
    rig.on(Event::ClusterCreated { workspace: WS, name: "other".into(), uuid: uuid::Uuid::nil(), spec });
    fail_acquire(&mut rig);
    assert_eq!(rig.open.len(), 0);
    scale(&mut rig, 0, None);
    rig.release_all();
    assert_eq!(rig.nodes(), "allocating");
}

#[test]
fn sight_is_lost_and_found() {
    let hard = Unusable { code: "host-key-changed".into(), step: "connect".into(), message: "REMOTE HOST".into() };
    let mut rig = Rig::up(2);
    rig.node_down(1);
    assert_eq!(rig.nodes(), "idle idle");
    let since = rig.now;
    rig.submit("a", 2);
    assert_eq!(rig.waits_for(), "needs 2 nodes, 1 idle, 1 out of sight", "no new work at once");
    rig.pass(Millis::from_secs(30));
    rig.node_down(1);
    let reach = &rig.sched.nodes()[&node(1)].reach;
    assert_eq!(
        *reach,
        Reach::Lost { since, why: "Connection refused".into(), next_try: Some(rig.now + Millis(2000)) },
        "since it was lost first"
    );
    rig.pass(Millis::from_secs(30));
    assert_eq!(rig.nodes(), "unusable idle");
    assert_eq!(rig.cluster().errors[0].code, "unreachable");
    rig.on(Event::NodeDown { node: node(2), why: hard.clone(), retry_in: None });
    assert_eq!(rig.sched.nodes()[&node(2)].state, NodeState::Unusable(hard), "at once, in ssh's own words");
    assert_eq!(rig.waits_for(), "needs 2 nodes, and all 2 of the cluster are unusable");
    rig.node_up(1, None, "b1", []);
    rig.on(Event::PrepareAsked { node: node(2) });
    assert_eq!((rig.nodes().as_str(), rig.cluster().errors.len()), ("idle preparing", 0));
    rig.bring_up();
    assert_eq!(rig.state(job(1)), ExecutionState::Running);
}

#[test]
fn a_node_that_fails_its_preparation_says_where_and_heals() {
    let mut rig = Rig::asked(1);
    let ask = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::NodeAcquired {
        effect: ask.id,
        name: "n1".into(),
        host: "n1".into(),
        machine: String::new(),
        price: None,
    });
    rig.node_down(1);
    assert_eq!(rig.nodes(), "unusable");
    let error = &rig.cluster().errors[0];
    assert_eq!((error.code.as_str(), error.message.as_str()), ("unreachable", "Connection refused"));
    assert!(error.details.contains(&("step".into(), "connect".into())), "{error:?}");
    let prepare = rig.find(|act| matches!(act, Act::PrepareNode { .. })).unwrap().id;
    rig.on(Event::PrepareAsked { node: node(1) });
    assert_eq!(rig.last.closed, [prepare], "asked anew");
    rig.node_up(1, None, "b1", []);
    assert_eq!((rig.nodes().as_str(), rig.open.len(), rig.cluster().errors.len()), ("idle", 0, 0));
}

#[test]
fn an_old_answer_to_a_preparation_is_not_believed() {
    let mut rig = Rig::asked(1);
    let ask = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::NodeAcquired {
        effect: ask.id,
        name: "n1".into(),
        host: "n1".into(),
        machine: String::new(),
        price: None,
    });
    let prepare = rig.find(|act| matches!(act, Act::PrepareNode { .. })).unwrap().id;
    rig.node_up(1, Some(prepare), "b1", []);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.node_up(1, Some(prepare), "b1", []);
    assert_eq!((rig.state(a), rig.job(a).attempt.0), (ExecutionState::Running, 1), "its inventory is from before the job");
}

#[test]
fn a_node_out_of_sight_is_not_released_without_proof() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.node_down(1);
    scale(&mut rig, 0, None);
    rig.pass(Millis::from_days(30));
    assert_eq!((rig.nodes().as_str(), rig.state(a)), ("leaving", ExecutionState::Running));
    assert!(rig.find(|act| matches!(act, Act::ReleaseNode { .. })).is_none());
    rig.on(Event::DeclaredDead { node: node(1), by: "ada".into() });
    assert_eq!(rig.state(a), ExecutionState::Queued);
    assert_eq!(rig.job(a).last.ranks.values().next().map(|run| &run.state), Some(&dead_by("ada")));
    assert!(rig.find(|act| matches!(act, Act::ReleaseNode { .. })).is_some());
    assert_eq!(rig.open.len(), 1, "no order to the dead: {:?}", rig.open);
}

fn dead_by(who: &str) -> crate::model::state::RankState {
    crate::model::state::RankState::Gone(Proof::DeclaredDead { by: who.into() })
}

#[test]
fn a_dead_node_is_replaced() {
    for gone in [false, true] {
        let mut rig = Rig::up(2);
        rig.submit("a", 2);
        rig.started(main_of(1, 1, 0));
        rig.node_down(2);
        match gone {
            true => rig.on(Event::NodeGone { node: node(2) }),
            false => rig.on(Event::DeclaredDead { node: node(2), by: "ada".into() }),
        };
        assert_eq!(rig.nodes(), if gone { "running allocating" } else { "running leaving allocating" });
        assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Sibling)], "the rest of its gang is stopped");
        rig.gone(main_of(1, 1, 0), stopped(StopWhy::Sibling));
        let row = rig.job(job(1));
        assert_eq!((row.state, row.requeues), (ExecutionState::Queued, 1));
        rig.bring_up();
        assert_eq!((rig.state(job(1)), rig.job(job(1)).attempt.0), (ExecutionState::Running, 2));
    }
}

#[test]
fn a_node_that_dies_on_its_way_in_or_out_is_replaced_or_gone() {
    // While it prepares: another one is asked for, and nobody waits for the answer any more.
    let mut rig = Rig::asked(1);
    let (effect, name, host) = (rig.open[0].id, "host1".to_owned(), "host1".to_owned());
    rig.on(Event::NodeAcquired { effect, name, host, machine: "i-1".to_owned(), price: None });
    assert_eq!(rig.nodes(), "preparing");
    rig.on(Event::NodeGone { node: node(1) });
    assert_eq!((rig.nodes().as_str(), rig.cluster().lost), ("allocating", 1));
    assert!(!rig.sched.nodes().contains_key(&node(1)));
    rig.bring_up();
    // While it leaves with a job on it: the proof is there, the job is put back and nothing is given back twice.
    let a = rig.submit("a", 1);
    rig.started(main_of(a.0, 1, 0));
    scale(&mut rig, 0, Some(Deallocation::Requeue));
    assert_eq!((rig.nodes().as_str(), rig.stops().len()), ("leaving", 1));
    rig.on(Event::NodeGone { node: node(2) });
    assert_eq!((rig.nodes().as_str(), rig.state(a)), ("", ExecutionState::Queued));
    assert!(rig.open.is_empty(), "{:?}", rig.open);
    // While its logs are copied, and while it is given back.
    for copied in [false, true] {
        scale(&mut rig, 1, None);
        rig.bring_up();
        let id = *rig.sched.nodes().keys().next_back().unwrap();
        let attempt = rig.job(a).attempt.0;
        rig.started(main_of(a.0, attempt, 0));
        scale(&mut rig, 0, Some(Deallocation::Requeue));
        rig.gone(main_of(a.0, attempt, 0), stopped(StopWhy::Scale));
        if copied {
            rig.keep_all();
        }
        let leaves = |act: &Act| match act {
            Act::KeepLogs { node } => *node == id && !copied,
            Act::ReleaseNode { node } => *node == id && copied,
            _ => false,
        };
        assert!(rig.find(leaves).is_some(), "{copied}: {:?}", rig.open);
        rig.on(Event::NodeGone { node: id });
        rig.release_all();
        assert_eq!((rig.nodes().as_str(), rig.state(a)), ("", ExecutionState::Queued), "{copied}");
        assert!(rig.open.is_empty(), "{copied}: {:?}", rig.open);
    }
}

#[test]
fn a_restart_looks_for_every_node() {
    let mut rig = Rig::up(2);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.on(Event::Started);
    let asked = rig.open.iter().filter(|e| matches!(e.act, Act::PrepareNode { .. })).count();
    assert_eq!((asked, rig.nodes().as_str()), (2, "running idle"));
    rig.submit("b", 1);
    assert_eq!(rig.waits_for(), "needs 1 node, and all 2 of the cluster are out of sight");
    let first = rig.find(|act| matches!(act, Act::PrepareNode { .. })).unwrap().id;
    rig.node_up(1, Some(first), "b1", [(main_of(1, 1, 0), Sighting::Alive)]);
    rig.bring_up();
    assert_eq!((rig.nodes().as_str(), rig.job(a).attempt.0), ("running running", 1));
}

#[test]
fn deleting_takes_all_that_is_inside() {
    let cases: [(&str, Event); 2] = [
        ("cluster", Event::ClusterDeleteAsked { cluster: GPU }),
        ("workspace", Event::WorkspaceDeleteAsked { workspace: WS }),
    ];
    for (name, event) in cases {
        let mut rig = Rig::up(2);
        let a = rig.submit("a", 2);
        let b = rig.submit("b", 1);
        rig.started(main_of(1, 1, 0));
        rig.on(event);
        assert_eq!(rig.state(a), ExecutionState::Terminating, "{name}");
        assert!(rig.sched.jobs().get(&b).is_none_or(|b| b.state == ExecutionState::Failed), "{name}");
        assert_eq!(rig.nodes(), "leaving leaving", "{name}");
        rig.gone(main_of(1, 1, 0), stopped(StopWhy::Terminate));
        rig.gone(main_of(1, 1, 1), Proof::Fenced);
        rig.release_all();
        assert!(rig.sched.clusters().is_empty(), "{name}");
        assert_eq!(rig.sched.workspaces().is_empty(), name == "workspace");
        assert_eq!(rig.sched.experiments().is_empty(), name == "workspace");
    }
}

#[test]
fn a_preview_says_in_one_line_what_will_be() {
    let mut rig = Rig::up(3);
    rig.submit("a", 1);
    rig.submit("b", 1);
    let line = |target, option, free: Option<u32>| {
        rig.sched.preview_scale(GPU, NodeCount(target), option, free.map(NodeCount)).line
    };
    let (terminate, wait) = (Some(Deallocation::Terminate), Some(Deallocation::WaitForJobCompletion));
    let cases = [
        (line(3, None, None), "3 → 3: nothing to do"),
        (line(5, None, Some(2)), "3 → 5: 2 hosts free"),
        (line(5, None, Some(1)), "3 → 5: 2 nodes wanted, only 1 host free"),
        (line(4, None, None), "3 → 4: 1 node is asked for"),
        (line(2, None, None), "3 → 2: 1 node goes at once"),
        (line(0, None, None), "3 → 0: 1 node goes at once, 2 nodes go once stopped and put back: b, a"),
        (line(1, terminate, None), "3 → 1: 1 node goes at once, 1 node goes once stopped for good: b"),
        (line(1, wait, None), "3 → 1: 1 node goes at once, 1 node goes when jobs finish, nothing new starts until then"),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn logs_are_kept_before_a_node_is_released_and_never_for_ever() {
    let mut rig = Rig::up(1);
    let keep = |rig: &Rig| rig.find(|act| matches!(act, Act::KeepLogs { .. }));
    let release = |rig: &Rig| rig.find(|act| matches!(act, Act::ReleaseNode { .. }));
    scale(&mut rig, 0, None);
    let effect = keep(&rig).expect("first a copy").id;
    assert!(release(&rig).is_none());
    // The same while it is out of sight: whoever copies answers in bounded time.
    rig.node_down(1);
    scale(&mut rig, 1, None);
    assert_eq!((rig.nodes().as_str(), keep(&rig).map(|effect| effect.id)), ("leaving allocating", Some(effect)));
    let kept = Kept { failed: Some("out of reach".into()), ..Kept::default() };
    rig.on(Event::LogsKept { effect, kept: kept.clone() });
    assert!(release(&rig).is_some() && keep(&rig).is_none());
    rig.on(Event::LogsKept { effect, kept });
    assert_eq!(rig.sched.ignored(), 1, "a second answer says nothing");
    rig.release_all();
    assert_eq!(rig.nodes(), "allocating");
}

#[test]
fn nobody_waits_for_the_logs_of_a_node_that_was_never_up() {
    let mut rig = Rig::asked(1);
    let ask = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::NodeAcquired { effect: ask.id, name: "n".into(), host: "n".into(), machine: String::new(), price: None });
    scale(&mut rig, 0, None);
    assert!(rig.find(|act| matches!(act, Act::ReleaseNode { .. })).is_some(), "{:?}", rig.open);
}
