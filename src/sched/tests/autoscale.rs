//! The number of nodes follows the work: at once upwards, only by unused nodes downwards, never out of its bounds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rig::*;
use super::*;
use crate::model::spec::{AutoScale, ScaleSettings};
use crate::model::state::{ExecutionState, NodeState};
use crate::model::units::{Millis, NodeCount};

const IDLE: Millis = Millis::from_mins(10);

fn follow(rig: &mut Rig, minimum: u32, maximum: u32) {
    let auto = AutoScale::new(NodeCount(minimum), NodeCount(maximum), NodeCount(minimum));
    rig.on(Event::AutoScaleAsked { cluster: GPU, auto: AutoScale { idle: IDLE, ..auto } });
}

fn auto(minimum: u32, maximum: u32) -> Rig {
    let mut rig = Rig::asked(0);
    follow(&mut rig, minimum, maximum);
    rig.bring_up();
    rig
}

fn next(rig: &Rig) -> Option<(UnixMillis, &str)> {
    rig.cluster().auto.next.as_ref().map(|next| (next.at, next.what.as_str()))
}

fn end(rig: &mut Rig, job: u64, nodes: u32) {
    for index in 0..nodes {
        rig.gone(main_of(job, 1, index), exit(0));
    }
}

fn fail_to_get(rig: &mut Rig) {
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::AcquireFailed { effect: asked.id, code: "NoHostFree".into(), message: "all hosts are taken".into() });
}

#[test]
fn it_grows_for_work_and_shrinks_after_the_idle_time() {
    let mut rig = auto(0, 3);
    assert_eq!((rig.nodes().as_str(), next(&rig)), ("", None));
    rig.submit("a", 2);
    rig.submit("b", 1);
    let c = rig.submit("c", 1);
    assert_eq!(rig.nodes(), "allocating allocating allocating", "four are wanted, three may be");
    rig.bring_up();
    assert_eq!((rig.nodes().as_str(), rig.state(c)), ("running running running", ExecutionState::Queued));
    end(&mut rig, 1, 2);
    assert_eq!(rig.nodes(), "running idle running", "c took one of the two");
    let gone_at = rig.now + IDLE;
    assert_eq!(next(&rig), Some((gone_at, "a node goes if it is not needed by then")));
    rig.pass(IDLE.0.checked_sub(1).map(Millis).unwrap());
    assert_eq!(rig.nodes(), "running idle running");
    rig.pass(Millis(1));
    assert_eq!(rig.nodes(), "running leaving running");
    rig.release_all();
    assert_eq!((rig.nodes().as_str(), next(&rig)), ("running running", None));
    // The last one goes as well: nobody asked for a minimum.
    end(&mut rig, 2, 1);
    end(&mut rig, 3, 1);
    rig.pass(IDLE);
    rig.release_all();
    assert_eq!((rig.nodes().as_str(), rig.cluster().allocation), ("", crate::model::state::AllocationState::Steady));
}

#[test]
fn bounds_hold_whatever_is_asked() {
    let mut rig = auto(1, 2);
    assert_eq!(rig.nodes(), "idle");
    rig.pass(Millis::from_days(1));
    assert_eq!((rig.nodes().as_str(), next(&rig)), ("idle", None), "the minimum stays");
    // One that never fits is no reason to grow, and keeps nobody back.
    rig.submit("big", 3);
    assert_eq!(rig.nodes(), "idle");
    rig.submit("behind", 1);
    assert_eq!(rig.nodes(), "running");
    let held = rig.submit("held", 1);
    assert_eq!(rig.nodes(), "running allocating");
    rig.on(Event::HoldAsked { job: held });
    rig.bring_up();
    rig.pass(IDLE);
    rig.release_all();
    assert_eq!(rig.nodes(), "running", "a held job keeps nothing");
    // Lower bounds let jobs finish.
    follow(&mut rig, 0, 1);
    rig.submit("next", 1);
    assert_eq!(rig.nodes(), "running");
}

#[test]
fn a_person_and_the_work_take_turns() {
    let mut rig = Rig::up(3);
    follow(&mut rig, 0, 4);
    assert_eq!((rig.nodes().as_str(), rig.cluster().spec.scale_settings.target()), ("idle idle idle", NodeCount(3)));
    assert_eq!(next(&rig).map(|(_, what)| what), Some("3 nodes go if they are not needed by then"));
    assert!(rig.sched.undone().iter().any(|what| what.contains("auto-scale keeps 3 nodes")), "{:?}", rig.sched.undone());
    let preview = rig.sched.preview_scale(GPU, NodeCount(2), None, None);
    assert!(preview.line.ends_with("auto-scale ends"), "{}", preview.line);
    rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(2), deallocation: None });
    rig.release_all();
    rig.pass(Millis::from_days(1));
    assert_eq!((rig.nodes().as_str(), next(&rig)), ("idle idle", None));
    let by_hand = ScaleSettings::Manual { target_node_count: NodeCount(2), node_deallocation_option: Default::default() };
    assert_eq!(rig.cluster().spec.scale_settings, by_hand);
}

#[test]
fn nodes_that_cannot_be_got_are_asked_for_again_later_and_later() {
    let mut rig = auto(0, 2);
    rig.submit("a", 1);
    for minutes in [1, 2, 4] {
        for _ in 0..=Settings::default().prepare_retries_max {
            rig.pass(Millis::from_secs(30));
            fail_to_get(&mut rig);
        }
        let cluster = rig.cluster();
        assert_eq!((rig.nodes().as_str(), cluster.errors[0].code.as_str()), ("", "NoHostFree"));
        assert_eq!(next(&rig), Some((rig.now + Millis::from_mins(minutes), "nodes are asked for again")));
        rig.pass(Millis::from_mins(minutes));
        assert_eq!(rig.nodes(), "allocating");
    }
    rig.bring_up();
    assert_eq!((rig.nodes().as_str(), rig.cluster().auto.failures), ("running", 0));
}

#[test]
fn a_node_that_can_take_no_job_is_replaced_and_goes() {
    let mut rig = auto(0, 2);
    rig.submit("a", 1);
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::NodeAcquired {
        effect: asked.id,
        name: "n1".into(),
        host: "n1".into(),
        machine: String::new(),
        price: None,
    });
    rig.on(Event::NodeDown { node: node(1), why: refused(), retry_in: None });
    assert_eq!(rig.nodes(), "unusable allocating");
    let asked = rig.find(|act| matches!(act, Act::AcquireNode { .. })).unwrap();
    rig.on(Event::NodeAcquired {
        effect: asked.id,
        name: "n2".into(),
        host: "n2".into(),
        machine: String::new(),
        price: None,
    });
    let prepare = rig.find(|act| matches!(act, Act::PrepareNode { node } if node.0 == 2)).unwrap().id;
    rig.node_up(2, Some(prepare), "b1", []);
    assert_eq!(rig.nodes(), "unusable running");
    rig.pass(IDLE);
    rig.release_all();
    assert_eq!(rig.nodes(), "running");
    rig.pass(Millis::from_days(1));
    assert_eq!(rig.nodes(), "running");
}

/// One step, and what it did to the number of nodes: how many came, and how many were sent away. None goes that was used
/// within the idle time, and none comes in the same breath.
fn step(rig: &mut Rig, event: Event) -> (usize, usize) {
    let before: BTreeMap<_, _> = rig.sched.nodes().clone();
    let now = rig.now;
    rig.on(event);
    let came = rig.sched.nodes().keys().filter(|id| !before.contains_key(id)).count();
    let is_leaving = |id| rig.sched.nodes().get(id).is_some_and(|node: &std::sync::Arc<_>| node.state == NodeState::Leaving);
    let sent = before.iter().filter(|(id, was)| was.state != NodeState::Leaving && is_leaving(id));
    let sent: Vec<_> = sent.collect();
    for (id, was) in &sent {
        assert!(!was.is_held() && now.since(was.since) >= IDLE, "{id} was in use: {was:?}");
    }
    (came, sent.len())
}

proptest! {
    /// Random loads: nodes come only with work, and go only after the idle time; so nothing ever flaps.
    #[test]
    fn it_never_flaps(minimum in 0u32..3, more in 1u32..4, load in prop::collection::vec((0u64..900, 0u8..4, 1u32..4), 1..60)) {
        let maximum = minimum + more;
        let mut rig = auto(minimum, maximum);
        let mut last_gone: Option<UnixMillis> = None;
        for (wait, what, nodes) in load {
            let end_at = rig.now + Millis::from_secs(wait);
            while let Some(at) = rig.sched.next_deadline().filter(|at| *at <= end_at) {
                rig.now = rig.now.max(at);
                let (came, sent) = step(&mut rig, Event::Deadline);
                prop_assert_eq!(came, 0, "time alone brings no node");
                if sent > 0 {
                    last_gone = Some(rig.now);
                }
                rig.release_all();
            }
            rig.now = end_at;
            if what < 2 {
                let new = new_job(&format!("job{}", rig.sched.counters().job.0), spec(nodes), every_node(nodes));
                let (_, sent) = step(&mut rig, Event::JobsSubmitted { jobs: vec![new] });
                prop_assert_eq!(sent, 0);
            } else {
                let going = rig.sched.jobs().values().find(|job| job.state == ExecutionState::Running).map(|job| job.id);
                if let Some(job) = going {
                    let count = rig.job(job).last.nodes.len() as u32;
                    for index in 0..count {
                        let (came, _) =
                            step(&mut rig, Event::RankGone { key: main_of(job.0, 1, index), effect: None, proof: exit(0) });
                        prop_assert_eq!(came, 0, "an end brings no node");
                    }
                }
            }
            rig.release_all();
            let brought = rig.sched.nodes().len();
            rig.bring_up();
            prop_assert_eq!(rig.sched.nodes().len(), brought);
            prop_assert!((minimum as usize..=maximum as usize).contains(&brought));
        }
        // Without work it comes to its minimum and stays there.
        for job in rig.sched.jobs().keys().copied().collect::<Vec<_>>() {
            rig.on(Event::TerminateAsked { job, until: rig.now });
            for (key, _) in rig.stops() {
                rig.gone(key, stopped(crate::model::state::StopWhy::Terminate));
            }
        }
        // The end of one that never fitted lets the next one ask for nodes.
        rig.bring_up();
        rig.pass(IDLE);
        rig.release_all();
        prop_assert_eq!(rig.sched.nodes().len(), minimum as usize, "{:?}", last_gone);
        prop_assert_eq!(rig.sched.next_deadline(), None);
    }
}
