//! Several jobs on one node: what each gets, and that none touches another.

use super::*;
use crate::model::spec::{Demand, Resources};
use crate::model::state::{AfterStop, BootId, StopWhy};
use crate::model::units::NodeCount;

/// A cluster of nodes with so many GPUs.
fn with_gpus(nodes: u32, gpus: u64) -> Rig {
    let mut rig = Rig::up(nodes);
    for id in 1..=u64::from(nodes) {
        rig.on(Event::NodeUp {
            node: node(id),
            effect: None,
            boot: BootId("b1".into()),
            facts: Box::new(facts(gpus)),
            inventory: BTreeMap::new(),
        });
    }
    rig
}

fn part(rig: &mut Rig, name: &str, nodes: u32, gpus_milli: u64) -> JobId {
    let mut spec = spec(nodes);
    spec.demand = Demand::Part(Resources { gpus_milli, cpus_milli: 1000, ..Resources::default() });
    rig.submit_as(new_job(name, spec, every_node(nodes)))
}

/// The GPUs that a job has on each of its nodes.
fn gpus(rig: &Rig, id: JobId) -> Vec<Vec<u32>> {
    let places = &rig.job(id).last.places;
    places.iter().map(|place| place.gpu_shares.iter().flatten().map(|share| share.index).collect()).collect()
}

#[test]
fn gpus_are_bound_and_kept_in_the_row() {
    let mut rig = with_gpus(2, 4);
    let a = part(&mut rig, "a", 1, 2000);
    let b = part(&mut rig, "b", 2, 1000);
    let c = part(&mut rig, "c", 1, 500);
    assert_eq!(gpus(&rig, a), [[0, 1]]);
    assert_eq!(gpus(&rig, b), [[2], [0]], "all parts of a gang at once, each on a node of its own");
    assert_eq!(gpus(&rig, c), [[3]], "where the least is left");
    assert_eq!(rig.job(b).last.places[0].gpus, 1);
    let rows = rig.sched.nodes().values().cloned().map(Change::Node);
    let rows = rows.chain(rig.sched.jobs().values().cloned().map(Change::Job));
    let rows: Vec<_> = rows.chain(rig.sched.clusters().values().cloned().map(Change::Cluster)).collect();
    let outbox: Vec<_> = rig.sched.outbox().collect();
    let twin = Sched::restore(rig.sched.settings().clone(), rig.sched.counters(), rows, &outbox);
    assert_eq!(twin.pools[&GPU].space, rig.sched.pools[&GPU].space, "a restart knows what is given");
}

#[test]
fn a_shared_node_runs_until_the_last_has_ended() {
    let mut rig = with_gpus(1, 2);
    let (a, b) = (part(&mut rig, "a", 1, 1000), part(&mut rig, "b", 1, 1000));
    let whole = rig.submit("whole", 1);
    assert_eq!(rig.waits_for(), "needs 1 node, 0 idle, 1 running");
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(
        (rig.state(a), rig.state(b), rig.nodes()),
        (ExecutionState::Succeeded, ExecutionState::Running, "running".into())
    );
    assert_eq!(rig.state(whole), ExecutionState::Queued, "nobody else is beside who has it for himself");
    rig.gone(main_of(2, 1, 0), exit(0));
    assert_eq!(rig.state(whole), ExecutionState::Running);
    let late = part(&mut rig, "late", 1, 500);
    assert_eq!(rig.state(late), ExecutionState::Queued);
}

#[test]
fn the_end_of_a_node_is_the_end_of_all_on_it() {
    let mut rig = with_gpus(1, 2);
    let (a, b) = (part(&mut rig, "a", 1, 1000), part(&mut rig, "b", 1, 1000));
    for id in [1, 2] {
        rig.started(main_of(id, 1, 0));
    }
    rig.on(Event::NodeGone { node: node(1) });
    assert_eq!((rig.state(a), rig.state(b)), (ExecutionState::Queued, ExecutionState::Queued));
    rig.bring_up();
    assert_eq!((rig.job(a).attempt.0, rig.job(b).requeues), (1, 1));
}

#[test]
fn a_smaller_target_stops_all_on_a_node() {
    let mut rig = with_gpus(1, 2);
    let (a, b) = (part(&mut rig, "a", 1, 1000), part(&mut rig, "b", 1, 500));
    let preview = rig.sched.preview_scale(GPU, NodeCount(0), None, None);
    assert_eq!(preview.release_busy, [(node(1), "a".to_owned()), (node(1), "b".to_owned())]);
    assert_eq!(preview.line, "1 → 0: 1 node goes once stopped and put back: a, b");
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(0), deallocation: None });
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Scale), (main_of(2, 1, 0), StopWhy::Scale)]);
    assert_eq!(rig.job(b).last.after_stop, Some(AfterStop::RequeuePlanned));
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Scale));
    assert!(rig.find(|act| matches!(act, Act::KeepLogs { .. })).is_none(), "the other one is still there");
    rig.gone(main_of(2, 1, 0), stopped(StopWhy::Scale));
    assert!(rig.find(|act| matches!(act, Act::KeepLogs { .. })).is_some());
    assert_eq!(rig.state(a), ExecutionState::Queued);
}
