//! Jobs that are sent ahead.

use super::rig::{Rig, every_node, exit, job, main_of, new_job, node, spec};
use crate::model::ids::JobId;
use crate::model::spec::{JobSpec, Priority};
use crate::model::state::{ExecutionState, Proof, RankState, StopWhy};
use crate::model::units::Millis;
use crate::sched::{Act, Event};

/// One node, whose first job was short: the second runs, and as many of the rest are behind it as went ahead so far.
fn short(jobs: usize) -> Rig {
    let mut rig = Rig::up(1);
    for n in 1..=jobs {
        rig.submit(&format!("j{n}"), 1);
    }
    rig.started(main_of(1, 1, 0));
    rig.pass(Millis(2));
    rig.gone(main_of(1, 1, 0), exit(0));
    rig
}

fn behind(rig: &Rig) -> Vec<(u64, u64)> {
    let all = rig.sched.jobs().values().filter_map(|job| Some((job.id.0, job.last.behind?.0)));
    all.collect()
}

fn after(rig: &Rig, of: u64) -> Option<JobId> {
    let start = rig.find(|act| matches!(act, Act::StartRank { key, .. } if key.job == job(of)));
    match start.map(|effect| effect.act) {
        Some(Act::StartRank { after, .. }) => after.map(|after| after.job),
        _ => None,
    }
}

fn recalls(rig: &Rig) -> Vec<u64> {
    let all = rig.open.iter().filter_map(|effect| match &effect.act {
        Act::RecallRank { key, .. } => Some(key.job.0),
        _ => None,
    });
    all.collect()
}

#[test]
fn behind_a_short_job_the_next_is_sent_ahead() {
    let mut rig = short(6);
    assert_eq!(behind(&rig), [(3, 2)]);
    assert_eq!((rig.state(job(2)), rig.state(job(3))), (ExecutionState::Running, ExecutionState::Queued));
    assert_eq!((after(&rig, 2), after(&rig, 3)), (None, Some(job(2))));
    assert!(rig.sched.why(rig.now, job(3)).unwrap().reason.contains("next on"));
    rig.started(main_of(2, 1, 0));
    rig.pass(Millis(2));
    rig.gone(main_of(2, 1, 0), exit(0));
    assert_eq!(behind(&rig), [(4, 3)], "its node had the next one, so one is enough");
    assert_eq!(rig.state(job(3)), ExecutionState::Running);
    // All at once, as after a commit that took longer than the job.
    rig.gone(main_of(3, 1, 0), exit(0));
    rig.gone(main_of(4, 1, 0), exit(0));
    assert_eq!(behind(&rig), [(6, 5)], "no more than there are");
}

#[test]
fn a_line_grows_when_its_node_runs_dry() {
    let mut rig = short(80);
    let mut longest = 0;
    for n in 2..60 {
        // Each ends with nothing behind it that was there before this moment.
        rig.gone(main_of(n, 1, 0), exit(0));
        if rig.state(job(n + 1)) == ExecutionState::Running && behind(&rig).len() > longest {
            longest = behind(&rig).len();
            rig.pass(Millis(2));
        }
        if n % 7 == 0 {
            rig.pass(Millis(2));
        }
    }
    assert!((2..=32).contains(&longest), "{longest}");
}

#[test]
fn behind_a_long_job_nothing_is() {
    let mut rig = Rig::up(1);
    for n in 1..=3 {
        rig.submit(&format!("j{n}"), 1);
    }
    rig.started(main_of(1, 1, 0));
    rig.pass(Millis(300));
    rig.gone(main_of(1, 1, 0), exit(0));
    assert!(behind(&rig).is_empty());
}

#[test]
fn only_what_is_alike_and_next_goes_ahead() {
    let other = || new_job("other", spec(1), every_node(1));
    let (mut wide, mut prepared) = (other(), other());
    wide.spec = std::sync::Arc::new(spec(2));
    prepared.shape.prepares = true;
    for (what, new) in [("two nodes", wide), ("a preparation", prepared)] {
        let mut rig = Rig::up(1);
        for n in 1..=2 {
            rig.submit(&format!("j{n}"), 1);
        }
        rig.started(main_of(1, 1, 0));
        rig.submit_as(new);
        rig.gone(main_of(1, 1, 0), exit(0));
        assert!(behind(&rig).is_empty(), "{what}");
    }
}

#[test]
fn what_is_more_urgent_waits_behind_nothing() {
    let mut rig = short(8);
    let spec = JobSpec { scheduling_priority: Priority::High, ..spec(1) };
    let urgent = rig.submit_as(new_job("urgent", spec, every_node(1)));
    rig.pass(Millis(2));
    // Those that went ahead are few and short; it is the next of those that did not.
    rig.gone(main_of(2, 1, 0), exit(0));
    assert!(behind(&rig).is_empty());
    rig.gone(main_of(3, 1, 0), exit(0));
    assert_eq!(rig.state(urgent), ExecutionState::Running);
}

#[test]
fn a_front_that_runs_on_gives_up_its_line() {
    let mut rig = short(6);
    rig.started(main_of(2, 1, 0));
    rig.pass(Millis(499));
    assert!(recalls(&rig).is_empty());
    rig.pass(Millis(1));
    assert_eq!(recalls(&rig), [3]);
    rig.gone(main_of(3, 1, 0), Proof::Fenced);
    assert_eq!((rig.state(job(3)), rig.job(job(3)).requeues), (ExecutionState::Queued, 0));
    assert_eq!((behind(&rig), recalls(&rig)), (vec![], vec![]), "and the recall is over");
    rig.gone(main_of(2, 1, 0), exit(0));
    assert_eq!(rig.state(job(3)), ExecutionState::Running);
    assert_eq!(rig.job(job(3)).attempt.0, 2);
}

#[test]
fn what_has_started_is_not_recalled() {
    let mut rig = short(6);
    rig.started(main_of(2, 1, 0));
    rig.pass(Millis(500));
    let recall = rig.find(|act| matches!(act, Act::RecallRank { .. })).unwrap().id;
    rig.started(main_of(3, 1, 0));
    rig.on(Event::EffectDone { effect: recall });
    assert_eq!(rig.state(job(3)), ExecutionState::Queued, "the end of the other one is not known yet");
    rig.gone(main_of(2, 1, 0), exit(0));
    assert_eq!(rig.state(job(3)), ExecutionState::Running);
    assert_eq!(*rig.rank(main_of(3, 1, 0)), RankState::Running);
    rig.gone(main_of(3, 1, 0), exit(0));
    assert_eq!(rig.state(job(3)), ExecutionState::Succeeded);
}

#[test]
fn a_node_that_is_drained_gets_its_line_recalled() {
    let mut rig = short(4);
    rig.on(Event::DrainAsked { node: node(1) });
    assert_eq!(recalls(&rig), [3]);
}

#[test]
fn who_is_stopped_in_a_line_leaves_it() {
    let mut rig = short(4);
    rig.started(main_of(2, 1, 0));
    let now = rig.now;
    rig.on(Event::TerminateAsked { job: job(3), until: now });
    assert_eq!(rig.stops(), [(main_of(3, 1, 0), StopWhy::Terminate)]);
    rig.gone(main_of(3, 1, 0), Proof::Fenced);
    assert_eq!(rig.state(job(3)), ExecutionState::Failed);
    assert!(behind(&rig).is_empty());
    rig.gone(main_of(2, 1, 0), exit(0));
    assert_eq!(rig.state(job(4)), ExecutionState::Running);
}

#[test]
fn the_middle_of_a_line_closes_up() {
    let mut rig = short(12);
    // The line grows to two and more.
    rig.gone(main_of(2, 1, 0), exit(0));
    rig.pass(Millis(1));
    rig.gone(main_of(3, 1, 0), exit(0));
    rig.gone(main_of(4, 1, 0), exit(0));
    let line = behind(&rig);
    assert!(line.len() > 1, "{line:?}");
    let (gone, front) = line[0];
    let now = rig.now;
    rig.on(Event::TerminateAsked { job: job(gone), until: now });
    rig.gone(main_of(gone, 1, 0), Proof::Fenced);
    assert_eq!(behind(&rig)[0], (line[1].0, front));
}
