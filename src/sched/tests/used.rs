//! What samples of nodes and words of providers change: GPUs that are held and not used, GPUs of others, machines that go.

use std::collections::BTreeMap;

use super::rig::*;
use super::*;
use crate::model::spec::{AutoScale, Demand, GpuIdle, GpuIdleThen, Resources};
use crate::model::state::{BootId, Idleness, NodeState, Notice, Observed, StopWhy};
use crate::model::units::{Millis, NodeCount};

const AFTER: Millis = Millis::from_mins(30);

/// A cluster of up to three nodes with two GPUs each that follows its work, with a rule about GPUs.
fn minded(then: GpuIdleThen) -> Rig {
    let mut rig = Rig::asked(0);
    let auto = AutoScale::new(NodeCount(0), NodeCount(3), NodeCount(0));
    rig.on(Event::AutoScaleAsked {
        cluster: GPU,
        auto: AutoScale { gpu_idle: Some(GpuIdle { after: AFTER, then }), ..auto },
    });
    rig
}

fn bring_up_with_gpus(rig: &mut Rig) {
    while let Some(effect) = rig.find(|act| matches!(act, Act::AcquireNode { .. } | Act::PrepareNode { .. })) {
        match effect.act {
            Act::AcquireNode { node, .. } => {
                let host = format!("host{}", node.0);
                let (name, machine) = (host.clone(), format!("i-{}", node.0));
                rig.on(Event::NodeAcquired { effect: effect.id, name, host, machine, price: None });
            }
            Act::PrepareNode { node } => {
                let (boot, inventory) = (BootId("b1".into()), BTreeMap::new());
                rig.on(Event::NodeUp { node, effect: Some(effect.id), boot, facts: Box::new(facts(2)), inventory });
            }
            _ => unreachable!("looked for these two"),
        }
    }
}

fn seen(rig: &Rig, still: &[u32], alone: bool) -> Observed {
    Observed {
        gpus: 2,
        gpus_still: still.iter().map(|index| (*index, rig.now)).collect(),
        left_alone: alone.then_some(rig.now),
        ..Observed::default()
    }
}

fn measure(rig: &mut Rig, id: u64, observed: Observed) {
    rig.on(Event::NodeMeasured { node: node(id), observed });
}

fn next(rig: &Rig) -> Option<(UnixMillis, &str)> {
    rig.cluster().auto.next.as_ref().map(|next| (next.at, next.what.as_str()))
}

#[test]
fn gpus_that_are_held_and_not_used_are_said() {
    let mut rig = minded(GpuIdleThen::Say);
    let a = rig.submit("a", 2);
    bring_up_with_gpus(&mut rig);
    assert_eq!((rig.nodes().as_str(), next(&rig)), ("running running", None));
    let observed = seen(&rig, &[0, 1], true);
    measure(&mut rig, 1, observed);
    assert_eq!(next(&rig), None, "the other node of the job may work");
    rig.pass(Millis::from_mins(1));
    let (began, observed) = (rig.now, seen(&rig, &[0, 1], false));
    measure(&mut rig, 2, observed);
    let at = began + AFTER;
    assert_eq!(next(&rig), Some((at, "job a is reported if it has not used its GPUs by then")));
    // One GPU that works is enough.
    let observed = seen(&rig, &[0], false);
    measure(&mut rig, 2, observed);
    assert_eq!(next(&rig), None);
    rig.pass(Millis::from_mins(60));
    assert!(rig.sched.nodes().values().all(|node| node.wasted.is_none()));
    let (began, observed) = (rig.now, seen(&rig, &[0, 1], false));
    measure(&mut rig, 2, observed);
    rig.pass(AFTER);
    let marks: Vec<_> = rig.sched.nodes().values().map(|node| node.wasted).collect();
    assert_eq!(marks, [Some(began), Some(began)], "since all of them do nothing");
    assert_eq!((rig.state(a), next(&rig)), (ExecutionState::Running, None), "it is said, and no more");
    measure(&mut rig, 1, Observed { gpus: 2, ..Observed::default() });
    assert!(rig.sched.nodes().values().all(|node| node.wasted.is_none()), "it works again");
}

#[test]
fn a_job_that_wastes_its_gpus_ends_when_nobody_is_attached() {
    let mut rig = minded(GpuIdleThen::Stop);
    let a = rig.submit("a", 1);
    bring_up_with_gpus(&mut rig);
    rig.started(main_of(1, 1, 0));
    let observed = seen(&rig, &[0, 1], false);
    measure(&mut rig, 1, observed.clone());
    let what = "job a ends if it has not used its GPUs by then and nobody is attached";
    assert_eq!(next(&rig), Some((rig.now + AFTER, what)));
    rig.pass(AFTER);
    assert!(rig.state(a) == ExecutionState::Running && rig.sched.nodes()[&node(1)].wasted.is_some(), "somebody looks at it");
    let left_alone = Some(rig.now);
    measure(&mut rig, 1, Observed { left_alone, ..observed });
    assert_eq!(rig.state(a), ExecutionState::Terminating);
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Terminate)]);
    assert_eq!(rig.job(a).last.errors[0].message, "Job was terminated because it had not used its GPUs for 30m00s");
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Terminate));
    assert!(rig.sched.nodes()[&node(1)].wasted.is_none(), "the mark goes with the job");
    // The next job there begins anew, however long the GPUs have done nothing.
    let b = rig.submit("b", 1);
    rig.pass(Millis::from_mins(29));
    assert_eq!(rig.state(b), ExecutionState::Running);
    rig.pass(Millis::from_mins(1));
    assert_eq!(rig.state(b), ExecutionState::Terminating);
}

#[test]
fn where_a_person_scales_no_gpu_is_minded() {
    let mut rig = Rig::asked(1);
    bring_up_with_gpus(&mut rig);
    let a = rig.submit("a", 1);
    let observed = seen(&rig, &[0, 1], true);
    measure(&mut rig, 1, observed);
    rig.pass(Millis::from_mins(50));
    assert_eq!((rig.state(a), rig.sched.nodes()[&node(1)].wasted), (ExecutionState::Running, None));
}

#[test]
fn three_ways_of_being_idle_are_told_apart() {
    let mut rig = Rig::asked(1);
    bring_up_with_gpus(&mut rig);
    let (up, observed) = (rig.now, seen(&rig, &[0, 1], false));
    let idle = |rig: &Rig| Idleness::of(&rig.sched.nodes()[&node(1)]);
    assert_eq!(idle(&rig), Idleness { no_job: Some(up), ..Idleness::default() });
    rig.submit("a", 1);
    assert_eq!(idle(&rig), Idleness::default());
    rig.pass(Millis::from_mins(5));
    measure(&mut rig, 1, observed.clone());
    assert_eq!(idle(&rig), Idleness { no_gpu_use: Some(up), ..Idleness::default() });
    assert_eq!(idle(&rig).words(rig.now, 2), "GPUs unused for 5m00s");
    let (cpus, alone) = (up + Millis::from_mins(1), up + Millis::from_mins(2));
    measure(&mut rig, 1, Observed { cpus_still: Some(cpus), left_alone: Some(alone), ..observed });
    assert_eq!(idle(&rig).words(rig.now, 2), "CPUs and GPUs unused for 4m00s; nobody attached for 3m00s");
    rig.gone(main_of(1, 1, 0), exit(0));
    rig.pass(Millis::from_secs(7));
    let words = "no job for 7s; CPUs and GPUs unused for 4m07s; nobody attached for 3m07s";
    assert_eq!(idle(&rig).words(rig.now, 2), words);
}

fn stranger(rig: &Rig, index: u32) -> Observed {
    let strangers = BTreeMap::from([(index, "python (pid 7)".to_owned())]);
    Observed { strangers, ..seen(rig, &[], false) }
}

fn part(rig: &mut Rig, name: &str, gpus_milli: u64) -> JobId {
    let demand = Demand::Part(Resources { gpus_milli, ..Resources::default() });
    rig.submit_as(new_job(name, crate::model::spec::JobSpec { demand, ..spec(1) }, every_node(1)))
}

#[test]
fn gpus_that_others_use_are_given_to_nobody() {
    let mut rig = Rig::asked(1);
    bring_up_with_gpus(&mut rig);
    let observed = stranger(&rig, 0);
    measure(&mut rig, 1, observed);
    let whole = rig.submit("whole", 1);
    assert_eq!(rig.state(whole), ExecutionState::Queued);
    assert_eq!(rig.waits_for(), "needs 1 node, 1 idle, 1 of these with GPUs that others use");
    let why = rig.sched.why(rig.now, whole).unwrap();
    assert_eq!(why.nodes[0].1, "GPU 0 is used by python (pid 7), which is no job of this cluster");
    rig.on(Event::TerminateAsked { job: whole, until: rig.now });
    // A part of the node is to be had, and it is the other GPU.
    let one = part(&mut rig, "one", 1000);
    assert_eq!(rig.job(one).last.places[0].gpu_shares.as_ref().unwrap()[0].index, 1);
    let two = part(&mut rig, "two", 500);
    assert_eq!(rig.state(two), ExecutionState::Queued);
    measure(&mut rig, 1, Observed { gpus: 2, ..Observed::default() });
    assert_eq!(rig.state(two), ExecutionState::Running, "they have gone");
    assert_eq!(rig.job(two).last.places[0].gpu_shares.as_ref().unwrap()[0].index, 0);
    // Who comes when the GPU is given is seen, and changes nothing for the jobs there.
    let observed = stranger(&rig, 1);
    measure(&mut rig, 1, observed);
    assert_eq!((rig.state(one), rig.state(two)), (ExecutionState::Running, ExecutionState::Running));
}

#[test]
fn auto_scale_gets_another_node_where_others_are_on_the_gpus() {
    let mut rig = minded(GpuIdleThen::Say);
    rig.submit("a", 1);
    bring_up_with_gpus(&mut rig);
    rig.gone(main_of(1, 1, 0), exit(0));
    let observed = stranger(&rig, 1);
    measure(&mut rig, 1, observed);
    rig.submit("b", 1);
    assert_eq!(rig.nodes(), "idle allocating");
}

#[test]
fn gpus_that_only_a_command_sees_are_there_all_the_same() {
    let mut rig = Rig::up(1);
    let one = part(&mut rig, "one", 1000);
    assert_eq!(rig.state(one), ExecutionState::Queued);
    measure(&mut rig, 1, Observed { gpus: 1, ..Observed::default() });
    assert_eq!(rig.state(one), ExecutionState::Running);
}

fn notice(rig: &mut Rig, id: u64, at: Option<UnixMillis>) {
    let notice = at.map(|at| Notice { at, why: "spot".into() });
    rig.on(Event::NodeNoticed { node: node(id), notice });
}

#[test]
fn a_machine_that_is_taken_away_with_notice_loses_no_work_that_could_be_saved() {
    let mut rig = Rig::asked(2);
    bring_up_with_gpus(&mut rig);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    let grace = rig.sched.settings.kill_grace;
    let goes = rig.now + Millis::from_mins(10);
    notice(&mut rig, 1, Some(goes));
    let b = rig.submit("b", 2);
    assert_eq!((rig.state(a), rig.state(b)), (ExecutionState::Running, ExecutionState::Queued));
    assert_eq!(rig.cluster().noticed, 1);
    let why = rig.sched.why(rig.now, b).unwrap();
    assert_eq!(why.nodes[0].1, "its provider takes it away");
    // A minute before it goes, beside the time that a job has to end, its job gets its signal.
    rig.pass(Millis(Millis::from_mins(9).0 - grace.0 - 1));
    assert!(rig.stops().is_empty());
    rig.pass(Millis(1));
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Reclaimed)]);
    assert_eq!(rig.nodes(), "leaving idle allocating", "another one is asked for, and this one does not come back");
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Reclaimed));
    assert_eq!((rig.job(a).attempt.0, rig.job(a).requeues), (2, 0), "put back, and that counts as no failure");
    assert_eq!(rig.state(a), ExecutionState::Running, "on the other node");
    rig.release_all();
    bring_up_with_gpus(&mut rig);
    assert_eq!(rig.nodes(), "running idle");
    // One without a job goes at once; one that is taken away unannounced is counted apart.
    notice(&mut rig, 3, Some(goes));
    rig.release_all();
    rig.on(Event::NodeGone { node: node(2) });
    assert_eq!((rig.cluster().noticed, rig.cluster().lost), (2, 1));
}

#[test]
fn a_notice_may_be_taken_back_and_may_come_late() {
    let mut rig = Rig::asked(1);
    bring_up_with_gpus(&mut rig);
    let a = rig.submit("a", 1);
    let goes = rig.now + Millis::from_mins(10);
    notice(&mut rig, 1, Some(goes));
    notice(&mut rig, 1, None);
    rig.pass(Millis::from_mins(20));
    assert_eq!((rig.state(a), rig.nodes().as_str()), (ExecutionState::Running, "running"));
    let goes = rig.now + Millis::from_secs(20);
    notice(&mut rig, 1, Some(goes));
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Reclaimed)], "there is no time to lose");
    assert_eq!(rig.sched.nodes()[&node(1)].state, NodeState::Leaving);
}

#[test]
fn a_machine_that_is_out_of_sight_when_its_time_comes_is_given_up_once_it_is_unusable() {
    let mut rig = Rig::asked(1);
    bring_up_with_gpus(&mut rig);
    rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    let unreachable_after = rig.sched.settings.unreachable_after;
    let goes = rig.now + Millis::from_mins(2);
    notice(&mut rig, 1, Some(goes));
    rig.node_down(1);
    rig.pass(unreachable_after);
    assert_eq!(rig.sched.nodes()[&node(1)].state, NodeState::Leaving);
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Reclaimed)]);
}

#[test]
fn a_plan_says_which_gpus_would_be_given() {
    let mut rig = Rig::asked(2);
    bring_up_with_gpus(&mut rig);
    part(&mut rig, "one", 1000);
    let of = |nodes: u32, gpus_milli: u64| crate::model::spec::JobSpec {
        demand: Demand::Part(Resources { gpus_milli, ..Resources::default() }),
        ..spec(nodes)
    };
    let offers = |rig: &Rig, spec: &crate::model::spec::JobSpec| -> Vec<(u64, Vec<u32>)> {
        let offers = rig.sched.offers(GPU, spec).into_iter();
        offers.map(|(id, gpus)| (id.0, gpus.unwrap_or_default().iter().map(|gpu| gpu.index).collect())).collect()
    };
    assert_eq!(offers(&rig, &of(2, 1000)), [(1, vec![1]), (2, vec![0])]);
    assert_eq!(offers(&rig, &of(1, 2000)), [(2, vec![0, 1])]);
    assert_eq!(offers(&rig, &spec(2)), [(2, vec![])], "one of two nodes is free as a whole");
    let observed = stranger(&rig, 0);
    measure(&mut rig, 2, observed);
    assert_eq!(offers(&rig, &of(2, 1000)), [(1, vec![1]), (2, vec![1])]);
    // What is offered is what is given.
    let job = rig.submit_as(new_job("two", of(2, 1000), every_node(2)));
    let given: Vec<_> = rig.job(job).last.places.iter().map(|place| place.gpu_shares.as_ref().unwrap()[0].index).collect();
    assert_eq!(given, [1, 1]);
}
