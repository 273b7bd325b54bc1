//! Jobs that somebody else places: one process to us, queued as long as it waits with them.

use std::sync::Arc;

use super::rig::*;
use super::*;
use crate::model::state::{Away, ExecutionState, Proof, StopWhy, Tally};
use crate::model::units::UnixMillis;

fn handed(name: &str, nodes: u32) -> NewJob {
    new_job(name, spec(nodes), every_node(nodes).handed_over())
}

fn told(rig: &mut Rig, id: u64, waits: bool, why: &str) {
    let away = Away { theirs: "17".into(), waits, why: why.into(), starts: Some(UnixMillis(9)), ..Away::default() };
    rig.on(Event::JobTold { key: main_of(id, 1, 0), away: Arc::new(away) });
}

fn tally(rig: &Rig) -> Tally {
    rig.sched.experiments()[&EXP].tally
}

#[test]
fn all_are_handed_over_at_once_and_queued_until_they_run() {
    let mut rig = Rig::up(1);
    let [a, b, _] = [("a", 4), ("b", 1), ("c", 9)].map(|(name, nodes)| rig.submit_as(handed(name, nodes)));
    assert_eq!(rig.starts(), [1, 2, 3].map(|id| main_of(id, 1, 0)), "whatever they ask for, each is one process");
    assert_eq!((rig.state(a), tally(&rig).queued, tally(&rig).running), (ExecutionState::Queued, 3, 0));
    told(&mut rig, 1, true, "jobs with a higher priority come first");
    let why = rig.sched.why(rig.now, a).unwrap();
    assert_eq!((why.reason.as_str(), why.starts), ("jobs with a higher priority come first", Some(UnixMillis(9))));
    rig.started(main_of(1, 1, 0));
    assert_eq!((rig.state(a), tally(&rig).queued, tally(&rig).running), (ExecutionState::Running, 2, 1));
    told(&mut rig, 1, true, "its time to begin has not come");
    assert_eq!(rig.state(a), ExecutionState::Queued, "they put it back");
    told(&mut rig, 1, false, "");
    assert_eq!(rig.state(a), ExecutionState::Running);
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!((rig.state(a), rig.job(a).last.away.as_ref().unwrap().theirs.as_str()), (ExecutionState::Succeeded, "17"));
    told(&mut rig, 1, true, "late");
    assert_eq!(rig.state(a), ExecutionState::Succeeded, "an end is final");
    rig.gone(main_of(2, 1, 0), exit(3));
    assert_eq!((rig.state(b), rig.job(b).last.exit_code), (ExecutionState::Failed, Some(3)), "it was too quick to be seen");
}

#[test]
fn one_that_waits_with_them_ends_when_that_is_proven() {
    let mut rig = Rig::up(1);
    let a = rig.submit_as(handed("a", 2));
    told(&mut rig, 1, true, "");
    rig.on(Event::TerminateAsked { job: a, until: rig.now });
    assert_eq!((rig.state(a), rig.stops()), (ExecutionState::Terminating, vec![(main_of(1, 1, 0), StopWhy::Terminate)]));
    told(&mut rig, 1, true, "still");
    assert_eq!(rig.state(a), ExecutionState::Terminating);
    rig.gone(main_of(1, 1, 0), Proof::Fenced);
    assert_eq!((rig.state(a), rig.error(a)), (ExecutionState::Failed, "JobTerminated"));
    assert_eq!(rig.nodes(), "idle");
}

#[test]
fn their_judgement_counts_where_there_is_no_exit_record() {
    let judged = |again: bool| Proof::Judged { code: "OutOfMemory".into(), why: "too much".into(), again };
    let mut rig = Rig::up(1);
    let a = rig.submit_as(handed("a", 1));
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), judged(true));
    assert_eq!((rig.state(a), rig.starts()), (ExecutionState::Queued, vec![main_of(1, 2, 0)]), "it was not the job's doing");
    told(&mut rig, 1, false, "");
    assert_eq!(rig.state(a), ExecutionState::Queued, "of the first attempt nothing counts any more");
    rig.gone(main_of(1, 2, 0), judged(false));
    let job = rig.job(a);
    assert_eq!((job.state, job.last.exit_code, rig.error(a)), (ExecutionState::Failed, None, "OutOfMemory"));
}

#[test]
fn nothing_is_handed_over_while_the_door_is_out_of_sight() {
    let mut rig = Rig::up(1);
    rig.node_down(1);
    let a = rig.submit_as(handed("a", 3));
    assert!(rig.starts().is_empty());
    assert_eq!(rig.job(a).reason(Some(rig.cluster())), "needs 1 node, and its only one is out of sight; next in line");
    rig.node_up(1, None, "b1", []);
    assert_eq!(rig.starts(), [main_of(1, 1, 0)]);
}
