//! Set-up before an attempt and clean-up after it.

use super::super::*;
use super::rig::*;
use crate::model::ids::RankRole::{Cleanup, Prepare, Setup};
use crate::model::ids::{Attempt, Rank, RankKey};
use crate::model::spec::job::LaunchShape;
use crate::model::spec::{Deallocation, NodeSetup};
use crate::model::state::{BootId, ExecutionState, NodeState, Proof, StopWhy};
use crate::model::units::{Millis, NodeCount};

fn mounting(nodes: u32) -> NewJob {
    let shape = LaunchShape { sets_up: true, prepares: true, main_nodes: vec![0], serving: 0, handed: false };
    new_job("a", spec(nodes), shape)
}

fn told(words: &str) -> Proof {
    Proof::Told { code: 1, words: words.into() }
}

/// A job of two nodes that is set up and runs its main process.
fn running() -> (Rig, JobId) {
    let mut rig = Rig::up(2);
    let a = rig.submit_as(mounting(2));
    for role in [Setup, Prepare] {
        (0..2).for_each(|index| rig.started(rank_of(1, 1, role, index)));
        (0..2).for_each(|index| rig.gone(rank_of(1, 1, role, index), exit(0)));
    }
    rig.started(main_of(1, 1, 0));
    (rig, a)
}

#[test]
fn nodes_are_set_up_first_and_cleaned_up_last() {
    let mut rig = Rig::up(2);
    let a = rig.submit_as(mounting(2));
    let of = |role, index| rank_of(1, 1, role, index);
    assert_eq!(rig.starts(), [of(Setup, 0), of(Setup, 1)]);
    rig.started(of(Setup, 0));
    rig.gone(of(Setup, 0), exit(0));
    assert!(rig.starts().iter().all(|key| *key == of(Setup, 1)), "waits for the other node");
    rig.gone(of(Setup, 1), exit(0));
    assert_eq!(rig.starts(), [of(Prepare, 0), of(Prepare, 1)]);
    (0..2).for_each(|index| rig.gone(of(Prepare, index), exit(0)));
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(rig.starts(), [of(Cleanup, 0), of(Cleanup, 1)]);
    assert_eq!(rig.state(a), ExecutionState::Running, "its nodes are held until they are cleaned up");
    rig.gone(of(Cleanup, 1), exit(0));
    assert!(rig.sched.nodes().values().all(|node| node.is_held()));
    rig.gone(of(Cleanup, 0), exit(0));
    assert_eq!((rig.state(a), rig.job(a).last.exit_code), (ExecutionState::Succeeded, Some(0)));
    assert!(rig.sched.nodes().values().all(|node| node.state == NodeState::Idle));
}

#[test]
fn a_mount_that_fails_fails_the_job_with_its_words() {
    let mut rig = Rig::up(2);
    let a = rig.submit_as(mounting(2));
    (0..2).for_each(|index| rig.started(rank_of(1, 1, Setup, index)));
    rig.gone(rank_of(1, 1, Setup, 1), told("AZFMountError targetPath=/m/a%20b Unable to mount Azure File: denied"));
    assert_eq!(rig.stops(), [(rank_of(1, 1, Setup, 0), StopWhy::Sibling)]);
    rig.gone(rank_of(1, 1, Setup, 0), stopped(StopWhy::Sibling));
    assert_eq!(rig.starts(), [rank_of(1, 1, Cleanup, 0), rank_of(1, 1, Cleanup, 1)], "both may have mounted something");
    (0..2).for_each(|index| rig.gone(rank_of(1, 1, Cleanup, index), exit(0)));
    assert_eq!((rig.state(a), rig.job(a).last.exit_code), (ExecutionState::Failed, Some(-1)));
    let error = &rig.job(a).last.errors[0];
    assert_eq!((error.code.as_str(), error.message.as_str()), ("AZFMountError", "Unable to mount Azure File: denied"));
    assert_eq!(error.details, [("targetPath".into(), "/m/a b".into()), ("node".to_owned(), "host2".to_owned())]);
}

#[test]
fn terminate_cleans_up_too() {
    let (mut rig, a) = running();
    rig.on(Event::TerminateAsked { job: a, until: rig.now });
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Terminate));
    assert_eq!((rig.state(a), rig.starts().len()), (ExecutionState::Terminating, 2));
    // A second wish changes nothing of the clean-up, which ends by itself.
    rig.on(Event::DeleteAsked { job: a });
    assert!(rig.find(|act| matches!(act, Act::StopRank { .. })).is_none());
    (0..2).for_each(|index| rig.gone(rank_of(1, 1, Cleanup, index), exit(0)));
    assert!(!rig.sched.jobs().contains_key(&a));
}

#[test]
fn a_clean_up_is_bounded_and_its_failure_makes_the_node_unusable() {
    let (mut rig, a) = running();
    rig.gone(main_of(1, 1, 0), exit(0));
    let limits = |rig: &Rig| {
        let starts = rig.open.iter().filter_map(|effect| match &effect.act {
            Act::StartRank { limit, .. } => Some(*limit),
            _ => None,
        });
        starts.collect::<Vec<_>>()
    };
    assert_eq!(limits(&rig), [Millis::from_mins(3); 2]);
    rig.gone(rank_of(1, 1, Cleanup, 0), told("CleanupFailed step=cleanup umount: /m: target is busy"));
    rig.gone(rank_of(1, 1, Cleanup, 1), stopped(StopWhy::Limit));
    assert_eq!(rig.state(a), ExecutionState::Succeeded, "that is not the job's doing");
    let why = |n| match &rig.sched.nodes()[&node(n)].state {
        NodeState::Unusable(why) => (why.step.clone(), why.message.clone()),
        state => panic!("{state:?}"),
    };
    assert_eq!(why(1), ("clean up".into(), "umount: /m: target is busy".into()));
    assert!(why(2).1.contains("did not end within"), "{:?}", why(2));
}

#[test]
fn what_is_gone_needs_no_clean_up() {
    // One node is rebooted, the other is declared dead.
    let (mut rig, a) = running();
    rig.node_down(1);
    let up = Event::NodeUp {
        node: node(1),
        effect: None,
        boot: BootId("another".into()),
        facts: Box::new(facts(1)),
        inventory: Default::default(),
    };
    rig.on(up);
    assert_eq!(rig.starts(), [rank_of(1, 1, Cleanup, 1)]);
    rig.on(Event::DeclaredDead { node: node(2), by: "ada".into() });
    assert_eq!(rig.state(a), ExecutionState::Queued);
}

#[test]
fn a_dead_machine_is_not_waited_for() {
    for event in [Event::DeclaredDead { node: node(1), by: "ada".into() }, Event::NodeGone { node: node(1) }] {
        let (mut rig, a) = running();
        rig.on(event);
        assert_eq!(rig.starts(), [rank_of(1, 1, Cleanup, 1)], "the other one is cleaned up");
        rig.gone(rank_of(1, 1, Cleanup, 1), exit(0));
        assert_eq!(rig.state(a), ExecutionState::Queued);
    }
}

#[test]
fn a_set_up_that_never_ran_left_nothing() {
    let mut rig = Rig::up(1);
    let a = rig.submit_as(mounting(1));
    rig.gone(rank_of(1, 1, Setup, 0), Proof::Refused { why: "no room".into(), code: None });
    assert_eq!((rig.state(a), rig.job(a).requeues), (ExecutionState::Running, 1), "put back, and tried again at once");
    assert_eq!(rig.starts(), [rank_of(1, 2, Setup, 0)]);
}

/// A cluster whose nodes are set up, with two nodes on the way.
fn set_up_cluster() -> Rig {
    let mut rig = Rig::asked(0);
    let mut spec = cluster_spec(2, Deallocation::Requeue);
    spec.node_setup = Some(Default::default());
    rig.on(Event::ClusterCreated { workspace: WS, name: "set".into(), uuid: uuid::Uuid::nil(), spec });
    rig.bring_up();
    rig
}

fn of_node(node: u32, run: u32) -> RankKey {
    RankKey { job: NO_JOB, attempt: Attempt(run), rank: Rank { role: Setup, index: node } }
}

#[test]
fn nodes_are_set_up_before_they_take_jobs() {
    let mut rig = set_up_cluster();
    assert_eq!(rig.nodes(), "preparing preparing");
    assert_eq!(rig.starts(), [of_node(1, 1), of_node(2, 1)]);
    rig.started(of_node(1, 1));
    rig.gone(of_node(1, 1), exit(0));
    rig.gone(of_node(2, 1), told("SetupTaskFailed logs=/l The set-up task failed: exit code 3"));
    assert_eq!(rig.nodes(), "idle unusable");
    let NodeState::Unusable(why) = &rig.sched.nodes()[&node(2)].state else { panic!() };
    assert_eq!((why.step.as_str(), why.message.as_str()), ("set up", "The set-up task failed: exit code 3"));
    // A link that comes back changes nothing; a person who asks for it does.
    rig.node_down(2);
    rig.node_up(2, None, "b1", []);
    assert_eq!(rig.nodes(), "idle unusable");
    rig.on(Event::PrepareAsked { node: node(2) });
    rig.bring_up();
    assert_eq!(rig.starts(), [of_node(2, 2)]);
    rig.gone(of_node(2, 2), exit(0));
    assert_eq!(rig.nodes(), "idle idle");
}

#[test]
fn a_reboot_sets_a_node_up_again() {
    let mut rig = set_up_cluster();
    (1..=2).for_each(|n| rig.gone(of_node(n, 1), exit(0)));
    assert_eq!(rig.nodes(), "idle idle");
    rig.node_down(1);
    rig.node_up(1, None, "b1", []);
    assert!(rig.starts().is_empty(), "not by a lost link");
    rig.node_down(1);
    let (facts, inventory) = (Box::new(facts(1)), Default::default());
    rig.on(Event::NodeUp { node: node(1), effect: None, boot: BootId("another".into()), facts, inventory });
    assert_eq!(rig.starts(), [of_node(1, 2)]);
    assert_eq!(rig.nodes(), "preparing idle");
}

#[test]
fn a_node_that_leaves_is_not_left_with_its_set_up() {
    let mut rig = set_up_cluster();
    rig.started(of_node(2, 1));
    let cluster = ClusterId(2);
    rig.on(Event::ScaleAsked { cluster, target: NodeCount(0), deallocation: None });
    let mut stops = rig.stops();
    stops.sort_by_key(|(key, _)| *key);
    assert_eq!(stops, [(of_node(1, 1), StopWhy::Scale), (of_node(2, 1), StopWhy::Scale)]);
    assert!(rig.find(|act| matches!(act, Act::KeepLogs { .. } | Act::ReleaseNode { .. })).is_none());
    rig.gone(of_node(1, 1), Proof::Fenced);
    rig.gone(of_node(2, 1), stopped(StopWhy::Scale));
    assert!(rig.find(|act| matches!(act, Act::KeepLogs { .. } | Act::ReleaseNode { .. })).is_some());
}

/// A cluster of two nodes that mount something, both set up.
fn mounted_cluster() -> Rig {
    let mut rig = Rig::asked(0);
    let mut spec = cluster_spec(2, Deallocation::Requeue);
    let volume = serde_json::json!({"unmanagedFileSystems": [{"mountCommand": "m", "relativeMountPath": "x"}]});
    let setup = NodeSetup { mount_volumes: serde_json::from_value(volume).unwrap(), ..NodeSetup::default() };
    spec.node_setup = Some(setup);
    rig.on(Event::ClusterCreated { workspace: WS, name: "set".into(), uuid: uuid::Uuid::nil(), spec });
    rig.bring_up();
    (1..=2).for_each(|n| rig.started(of_node(n, 1)));
    (1..=2).for_each(|n| rig.gone(of_node(n, 1), exit(0)));
    assert_eq!(rig.nodes(), "idle idle");
    rig
}

#[test]
fn what_a_node_mounts_is_undone_before_it_is_given_back() {
    let mut rig = mounted_cluster();
    // One is out of sight: nothing can be undone there, and nothing is waited for.
    rig.node_down(2);
    rig.on(Event::ScaleAsked { cluster: ClusterId(2), target: NodeCount(0), deallocation: None });
    assert_eq!(rig.starts(), [of_node(1, 2)]);
    let limit = rig.find(|act| matches!(act, Act::StartRank { limit, .. } if *limit == Millis::from_mins(3)));
    assert!(limit.is_some(), "in bounded time");
    let kept = |rig: &Rig, n| rig.find(|act| *act == Act::KeepLogs { node: node(n) }).is_some();
    assert!(!kept(&rig, 1) && kept(&rig, 2));
    rig.started(of_node(1, 2));
    assert!(rig.stops().is_empty() && !kept(&rig, 1));
    rig.gone(of_node(1, 2), told("CleanupFailed step=cleanup umount: /m: target is busy"));
    assert!(kept(&rig, 1), "however it went");
    rig.release_all();
    assert_eq!(rig.nodes(), "");
}

#[test]
fn a_set_up_that_is_lost_is_begun_again_some_times() {
    let mut rig = set_up_cluster();
    let lost = || Proof::Lost { why: "killed".into() };
    for run in 1..=3 {
        rig.started(of_node(1, run));
        rig.gone(of_node(1, run), lost());
        assert_eq!(rig.nodes(), "preparing preparing", "run {run}");
        assert!(rig.starts().contains(&of_node(1, run + 1)));
    }
    rig.started(of_node(1, 4));
    rig.gone(of_node(1, 4), lost());
    assert_eq!(rig.nodes(), "unusable preparing");
    let NodeState::Unusable(why) = &rig.sched.nodes()[&node(1)].state else { panic!() };
    assert_eq!(why.message, "the set-up of the node was lost: killed");
}
