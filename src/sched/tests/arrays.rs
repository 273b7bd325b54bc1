//! Arrays: one row until all members have come up.

use super::*;
use crate::model::spec::{Begin, Priority, SweepSpec};
use crate::model::state::{Dependency, DependsOn};
use crate::model::units::Millis;

/// Jobs `of`, `of + 1`, … in words.
fn states(rig: &Rig, of: JobId, count: u64) -> String {
    let word = |id: JobId| rig.sched.jobs().get(&id).map_or("to come", |job| job.state.word());
    (of.0..of.0 + count).map(|id| word(JobId(id))).collect::<Vec<_>>().join(" ")
}

fn after(job: JobId, on: DependsOn) -> Dependency {
    Dependency { job, name: "other".into(), on, met: false }
}

/// The scheduler that a restart makes of what was committed.
fn restart(rig: &Rig) -> Sched {
    let sched = &rig.sched;
    let rows = sched.workspaces().values().cloned().map(Change::Workspace);
    let rows = rows.chain(sched.clusters().values().cloned().map(Change::Cluster));
    let rows = rows.chain(sched.nodes().values().cloned().map(Change::Node));
    let rows = rows.chain(sched.experiments().values().cloned().map(Change::Experiment));
    let rows = rows.chain(sched.sweeps().values().cloned().map(Change::Sweep));
    let rows = rows.chain(sched.jobs().values().cloned().map(Change::Job)).collect();
    let outbox: Vec<_> = sched.outbox().collect();
    Sched::restore(sched.settings().clone(), sched.counters(), rows, &outbox)
}

#[test]
fn members_come_up_as_there_is_room_and_the_row_goes() {
    let mut rig = Rig::up(2);
    let of = rig.accept(new_array("5,10-5000:10"));
    let other = rig.submit("other", 1);
    assert_eq!(other.0, of.0 + 501, "its members have their numbers from the beginning");
    assert_eq!(states(&rig, of, 3), "running to come to come");
    assert_eq!(rig.sched.experiments()[&EXP].tally.live(), 502, "all are counted");
    assert!(rig.expand(200) && rig.expand(200), "few of those that are asked for are right too");
    assert_eq!(rig.sched.sweeps().len(), 1);
    assert_eq!((&*rig.job(of).name, &*rig.job(JobId(of.0 + 1)).name), ("many-5", "many-10"));
    assert!(rig.expand(200) && !rig.expand(200));
    assert!(rig.sched.sweeps().is_empty(), "people know an array by its members alone");
    let last = rig.job(JobId(of.0 + 500));
    assert_eq!((&*last.name, last.member.as_ref().map(|member| member.count)), ("many-5000", Some(501)));
    rig.on(Event::TerminateAsked { job: last.id, until: rig.now });
    assert!(rig.sched.retire().len() == 1 && !rig.sched.is_to_come(last_of(of)));
}

fn last_of(of: JobId) -> JobId {
    JobId(of.0 + 500)
}

#[test]
fn a_large_array_waits_a_few_hundred_at_a_time() {
    let mut rig = Rig::up(0);
    let of = rig.accept(new_array("1-10000"));
    while rig.expand(u32::MAX) {}
    let up = rig.sched.jobs().len();
    assert!(up <= AHEAD as usize + 1, "{up}");
    for job in (of.0..of.0 + u64::from(AHEAD / 2) + 1).map(JobId) {
        rig.on(Event::TerminateAsked { job, until: rig.now });
    }
    assert!(rig.expand(u32::MAX), "as many more come up as have gone");
}

#[test]
fn what_is_done_to_all_reaches_those_that_have_not_come_up() {
    let row = |rig: &Rig| rig.sched.sweeps()[&SweepId(1)].clone();
    let mut rig = Rig::up(1);
    let of = rig.accept(new_array("0-5"));
    rig.on(Event::SweepPriority { sweep: SweepId(1), priority: Priority::High });
    rig.on(Event::SweepHeld { sweep: SweepId(1), held: true });
    assert_eq!(row(&rig).priority, Priority::High);
    // What was asked for before comes up held.
    assert!(rig.expand(2) && !rig.expand(2), "no more are asked for");
    assert!(rig.job(JobId(of.0 + 1)).held);
    rig.on(Event::SweepHeld { sweep: SweepId(1), held: false });
    assert!(!rig.job(JobId(of.0 + 1)).held);
    assert!(rig.expand(1), "they go on");
    rig.on(Event::SweepStopped { sweep: SweepId(1) });
    assert_eq!(states(&rig, of, 6), "terminating failed failed failed to come to come");
    assert!(rig.sched.sweeps().is_empty(), "the others never come");
    assert_eq!(rig.job(JobId(of.0 + 3)).last.errors[0].message, "Its array was stopped");
    assert_eq!(rig.sched.experiments()[&EXP].tally.live(), 1);

    let mut rig = Rig::up(1);
    rig.accept(new_array("0-5"));
    rig.on(Event::ExperimentDeleteAsked { experiment: EXP });
    assert!(rig.sched.sweeps().is_empty());
    rig.gone(main_of(1, 1, 0), exit(0));
    assert!(rig.sched.experiments().is_empty());

    let mut rig = Rig::up(1);
    rig.accept(new_array("0-5"));
    rig.on(Event::ClusterDeleteAsked { cluster: GPU });
    assert!(rig.sched.sweeps().is_empty() && !rig.expand(1));
}

#[test]
fn a_job_waits_for_a_member_that_has_not_come_up() {
    for (name, code) in [("it ends well", 0), ("it fails", 1)] {
        let mut rig = Rig::up(1);
        let of = rig.accept(new_array("0-2"));
        rig.sched = restart(&rig);
        let last = JobId(of.0 + 2);
        let waiting = [DependsOn::Success, DependsOn::End].map(|on| {
            rig.submit_as(NewJob { dependencies: vec![after(last, on)], ..new_job("after", spec(1), every_node(1)) })
        });
        assert_eq!(states(&rig, waiting[0], 2), "queued queued", "{name}");
        rig.gone(main_of(of.0, 1, 0), exit(0));
        assert_eq!(states(&rig, of, 5), "succeeded to come to come queued queued", "{name}: nobody is before its turn");
        while rig.expand(1) {}
        for job in [of.0 + 1, of.0 + 2] {
            rig.gone(main_of(job, 1, 0), exit(if job == last.0 { code } else { 0 }));
        }
        assert_eq!(rig.state(waiting[0]) == ExecutionState::Failed, code != 0, "{name}");
        let ran = if code == 0 { waiting[0] } else { waiting[1] };
        assert_eq!(rig.state(ran), ExecutionState::Running, "{name}");
    }
    // One that will never come up never succeeds.
    let mut rig = Rig::up(1);
    let of = rig.accept(new_array("0-2"));
    let waiting = [DependsOn::Success, DependsOn::End].map(|on| {
        let dependencies = vec![after(JobId(of.0 + 2), on)];
        rig.submit_as(NewJob { dependencies, ..new_job("after", spec(1), every_node(1)) })
    });
    rig.on(Event::SweepStopped { sweep: SweepId(1) });
    assert_eq!(rig.error(waiting[0]), "DependencyFailed");
    assert!(rig.job(waiting[1]).dependencies[0].met);
    assert!(rig.sched.dependents.is_empty());
}

#[test]
fn an_array_knows_what_became_of_what_it_comes_after() {
    let cases = [
        ("well", 0, DependsOn::Success, "running queued"),
        ("badly", 1, DependsOn::Success, "failed failed"),
        ("badly", 1, DependsOn::End, "running queued"),
    ];
    for (how, code, on, expected) in cases {
        let mut rig = Rig::up(1);
        let other = rig.submit("other", 1);
        let of = rig.accept(NewSweep { dependencies: vec![after(other, on)], ..new_array("0-2") });
        rig.on(Event::DeleteAsked { job: of });
        assert_eq!(rig.sched.dependents.len(), 1, "{how}: those to come wait for it by themselves");
        rig.sched = restart(&rig);
        rig.gone(main_of(other.0, 1, 0), exit(code));
        let ended = rig.job(other).clone();
        rig.sched.retire();
        rig.on(Event::EndedJobDeleted { job: Arc::new(ended) });
        while rig.expand(1) {}
        assert_eq!(states(&rig, JobId(of.0 + 1), 2), expected, "{how}");
    }
}

#[test]
fn its_time_counts_from_when_it_was_submitted() {
    let mut rig = Rig::up(0);
    let mut later = spec(1);
    later.scheduling.begin_time = Some(Begin::In(Millis::from_mins(5)));
    let array = NewSweep { spec: Arc::new(SweepSpec::array(Arc::new(later))), ..new_array("0-2") };
    let of = rig.accept(array);
    let until = rig.job(of).pause.as_ref().map(|pause| pause.until);
    rig.pass(Millis::from_mins(2));
    rig.expand(1);
    assert_eq!(rig.job(JobId(of.0 + 1)).pause.as_ref().map(|pause| pause.until), until);
    assert_eq!(rig.job(JobId(of.0 + 1)).created, rig.job(of).created);
    rig.pass(Millis::from_mins(4));
    rig.expand(1);
    assert_eq!(rig.job(JobId(of.0 + 2)).pause, None, "it is over");
}

#[test]
fn arrays_of_before_have_no_row() {
    let mut rig = Rig::up(2);
    let of = rig.sched.counters().job.next();
    let member = |index: u32| {
        let old = serde_json::json!({"of": of, "name": "old", "index": index, "count": 3, "runningMax": 1});
        let member = serde_json::from_value(old).expect("as it was written");
        NewJob { member: Some(member), ..new_job(&format!("old-{index}"), spec(1), every_node(1)) }
    };
    rig.on(Event::JobsSubmitted { jobs: (0..3).map(member).collect() });
    for at in 0..3 {
        rig.sched = restart(&rig);
        assert_eq!(rig.state(JobId(of.0 + at)), ExecutionState::Running);
        rig.gone(main_of(of.0 + at, 1, 0), exit(0));
    }
    assert_eq!(states(&rig, of, 3), "succeeded succeeded succeeded");
}
