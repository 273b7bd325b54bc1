//! What is given of a node, and which GPUs.

use std::collections::BTreeMap;

use super::*;
use crate::model::ids::{Attempt, ClusterId};
use crate::model::state::{BootId, Facts, NodeState, Reach};
use crate::model::units::{Bytes, UnixMillis};

fn node(id: u64, gpus: u64) -> Node {
    let other = BTreeMap::from([("licences".to_owned(), 2)]);
    let capacity = Resources { cpus_milli: 8000, memory: Bytes(64), gpus_milli: gpus * GPU, other };
    Node {
        id: NodeId(id),
        cluster: ClusterId(1),
        name: format!("n{id}"),
        host: format!("n{id}"),
        state: NodeState::Idle,
        since: UnixMillis(0),
        reach: Reach::Seen,
        holders: Default::default(),
        boot: Some(BootId("b".into())),
        facts: Some(Facts { capacity, ..Facts::default() }),
        drained: false,
        effect: None,
        tries: 0,
        setup: Default::default(),
        mismatch: None,
        awaited: None,
        machine: String::new(),
        price: Default::default(),
        meter: Default::default(),
        shares: Default::default(),
        expires: None,
        observed: Default::default(),
        wasted: None,
        ends: None,
        notice: None,
    }
}

fn ask(gpus_milli: u64, cpus: u64, memory: u64, licences: u64) -> Demand {
    let mut other = BTreeMap::new();
    if licences > 0 {
        other.insert("licences".to_owned(), licences);
    }
    Demand::Part(Resources { cpus_milli: cpus * 1000, memory: Bytes(memory), gpus_milli, other })
}

/// Gives one after the other and says which GPUs each got; `-` for none to be had.
fn given(slot: &mut Slot, asks: &[Demand]) -> Vec<String> {
    let words = asks.iter().enumerate().map(|(job, demand)| match slot.offer(demand) {
        None => "-".to_owned(),
        Some(share) => {
            slot.give(JobId(job as u64), share.clone());
            assert!(slot.is_fair());
            match share {
                Share::Whole => "all".to_owned(),
                Share::Part { gpus, .. } => {
                    gpus.iter().map(|gpu| format!("{}:{}", gpu.index, gpu.milli)).collect::<Vec<_>>().join(" ")
                }
            }
        }
    });
    words.collect()
}

#[test]
fn parts_get_what_is_there_and_no_more() {
    let whole = Demand::WholeNode;
    let cases: [(&str, Vec<Demand>, &[&str]); 8] = [
        ("whole GPUs in order", vec![ask(2000, 0, 0, 0), ask(1000, 0, 0, 0)], &["0:1000 1:1000", "2:1000"]),
        ("fractions share one", vec![ask(500, 0, 0, 0), ask(250, 0, 0, 0), ask(500, 0, 0, 0)], &["0:500", "0:250", "1:500"]),
        (
            "two halves are no whole",
            vec![ask(600, 0, 0, 0), ask(600, 0, 0, 0), ask(600, 0, 0, 0), ask(2000, 0, 0, 0), ask(1000, 0, 0, 0)],
            &["0:600", "1:600", "2:600", "-", "3:1000"],
        ),
        ("one and a half", vec![ask(500, 0, 0, 0), ask(1500, 0, 0, 0)], &["0:500", "0:500 1:1000"]),
        ("CPUs", vec![ask(0, 6, 0, 0), ask(0, 3, 0, 0), ask(0, 2, 0, 0)], &["", "-", ""]),
        ("memory", vec![ask(0, 0, 60, 0), ask(0, 0, 5, 0), ask(0, 0, 4, 0)], &["", "-", ""]),
        ("any count", vec![ask(0, 1, 0, 2), ask(0, 1, 0, 1)], &["", "-"]),
        ("for itself", vec![ask(0, 1, 0, 0), whole.clone()], &["", "-"]),
    ];
    for (name, asks, expected) in cases {
        assert_eq!(given(&mut Slot::new(&node(1, 4)), &asks), expected, "{name}");
    }
    assert_eq!(given(&mut Slot::new(&node(1, 4)), &[whole, ask(0, 1, 0, 0)]), ["all", "-"]);
}

#[test]
fn what_is_taken_back_can_be_given_again() {
    let mut slot = Slot::new(&node(1, 2));
    let before = slot.clone();
    let asks = [ask(1500, 3, 20, 1), ask(500, 3, 20, 1)];
    assert_eq!(given(&mut slot, &asks), ["0:500 1:1000", "0:500"]);
    slot.take_back(JobId(0));
    slot.take_back(JobId(1));
    assert_eq!((slot.remaining(), slot.gpus.clone()), (before.remaining(), before.gpus));
}

#[test]
fn a_part_goes_where_the_least_is_left() {
    let mut space = Space::default();
    for (id, gpus) in [(1, 4), (2, 0), (3, 2)] {
        space.put(NodeId(id), Slot::new(&node(id, gpus)));
    }
    let rooms = |space: &Space, demand: &Demand| space.rooms(demand).map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(rooms(&space, &ask(0, 4, 0, 0)), [2, 3, 1], "GPUs are kept for those that need them");
    assert_eq!(rooms(&space, &ask(1000, 0, 0, 0)), [3, 1]);
    space.change(NodeId(1), |slot| {
        let share = slot.offer(&ask(3000, 1, 0, 0)).expect("there are four");
        slot.give(JobId(9), share);
    });
    assert_eq!(rooms(&space, &ask(1000, 0, 0, 0)), [1, 3], "a node that is used already comes first");
    assert_eq!(rooms(&space, &Demand::WholeNode), [2, 3]);
    assert_eq!(rooms(&space, &ask(3000, 0, 0, 0)), [] as [u64; 0]);
}

#[test]
fn a_node_that_takes_no_work_has_no_room() {
    type Change = fn(&mut Node);
    let cases: [(&str, Change, Takes); 6] = [
        ("idle", |_| {}, Takes::Now),
        ("drained", |node| node.drained = true, Takes::Never),
        ("preparing", |node| node.state = NodeState::Preparing, Takes::Soon),
        ("running", |node| node.state = NodeState::Running, Takes::Now),
        (
            "running and to be set up first",
            |node| {
                node.state = NodeState::Running;
                node.setup.wanted = true;
            },
            Takes::Soon,
        ),
        (
            "running and drained",
            |node| {
                node.state = NodeState::Running;
                node.drained = true;
                node.holders.insert((JobId(1), Attempt(1)));
            },
            Takes::Never,
        ),
    ];
    for (name, change, expected) in cases {
        let mut node = node(1, 1);
        change(&mut node);
        let mut space = Space::default();
        space.put(node.id, Slot::new(&node));
        assert_eq!(space.slot(node.id).map(Slot::takes), Some(expected), "{name}");
        assert_eq!(space.rooms(&ask(0, 1, 0, 0)).count(), usize::from(expected == Takes::Now), "{name}");
    }
}
