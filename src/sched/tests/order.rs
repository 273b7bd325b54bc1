//! What comes after what: dependencies, times, arrays, caps, retries.

use super::*;
use crate::model::spec::{Begin, Retry, RetryOn, ScaleSettings};
use crate::model::state::{Dependency, DependsOn, Proof, StopWhy};
use crate::model::units::{Millis, NodeCount};

fn after(rig: &mut Rig, name: &str, others: &[(JobId, DependsOn)]) -> JobId {
    let mut new = new_job(name, spec(1), every_node(1));
    let named =
        |(job, on): &(JobId, DependsOn)| Dependency { job: *job, name: rig.job(*job).name.to_string(), on: *on, met: false };
    new.dependencies = others.iter().map(named).collect();
    rig.submit_as(new)
}

fn reason(rig: &Rig, id: JobId) -> String {
    rig.job(id).reason(Some(rig.cluster()))
}

#[test]
fn a_job_comes_after_what_it_names() {
    use DependsOn::{End, Start, Success};
    use ExecutionState::{Failed, Queued, Running};
    // What the other one does; then the states of those that wait for its start, success and end.
    let cases: [(&str, i32, [ExecutionState; 3]); 2] =
        [("ends well", 0, [Running, Running, Running]), ("fails", 1, [Running, Failed, Running])];
    for (name, code, expected) in cases {
        let mut rig = Rig::up(4);
        rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(0), deallocation: None });
        let a = rig.submit("a", 1);
        let waiting = [Start, Success, End].map(|on| after(&mut rig, "b", &[(a, on)]));
        assert_eq!(reason(&rig, waiting[1]), "waits until a succeeds", "{name}");
        rig.release_all();
        rig.on(Event::ScaleAsked { cluster: GPU, target: NodeCount(4), deallocation: None });
        rig.bring_up();
        assert_eq!(waiting.map(|id| rig.state(id)), [Running, Queued, Queued], "{name}: it has started");
        rig.gone(main_of(a.0, 1, 0), exit(code));
        assert_eq!(waiting.map(|id| rig.state(id)), expected, "{name}");
        if code != 0 {
            let failed = rig.job(waiting[1]);
            assert_eq!((rig.error(waiting[1]), failed.last.exit_code), ("DependencyFailed", None));
            assert_eq!(reason(&rig, waiting[1]), "Job a did not succeed, and this one runs only after its success");
        }
    }
}

#[test]
fn a_chain_falls_as_one_and_can_be_tried_again() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    let b = after(&mut rig, "b", &[(a, DependsOn::Success)]);
    let c = after(&mut rig, "c", &[(b, DependsOn::Success), (a, DependsOn::End)]);
    assert_eq!(reason(&rig, c), "waits until b succeeds, and for 1 more");
    rig.on(Event::TerminateAsked { job: a, until: rig.now });
    rig.gone(main_of(a.0, 1, 0), stopped(StopWhy::Terminate));
    for id in [a, b, c] {
        assert_eq!(rig.state(id), ExecutionState::Failed, "{id}");
    }
    for id in [a, b, c] {
        let row = rig.sched.jobs()[&id].clone();
        rig.on(Event::RetryAsked { job: row });
    }
    assert_eq!([a, b, c].map(|id| rig.state(id)), [ExecutionState::Running, ExecutionState::Queued, ExecutionState::Queued]);
    for (id, attempt) in [(a, 2), (b, 1), (c, 1)] {
        assert_eq!(rig.state(id), ExecutionState::Running, "{id}");
        rig.gone(main_of(id.0, attempt, 0), exit(0));
    }
    assert!(rig.sched.dependents.is_empty());
}

#[test]
fn what_is_deleted_never_succeeds() {
    let mut rig = Rig::up(1);
    rig.submit("busy", 1);
    let a = rig.submit("a", 1);
    let (b, c) = (after(&mut rig, "b", &[(a, DependsOn::Success)]), after(&mut rig, "c", &[(a, DependsOn::End)]));
    rig.on(Event::DeleteAsked { job: a });
    assert_eq!((rig.state(b), rig.state(c)), (ExecutionState::Failed, ExecutionState::Queued));
    assert!(reason(&rig, c).starts_with("needs 1 node"), "{}", reason(&rig, c));
}

#[test]
fn a_job_begins_at_its_time() {
    let mut rig = Rig::up(1);
    let mut later = spec(1);
    later.scheduling.begin_time = Some(Begin::In(Millis::from_mins(5)));
    let a = rig.submit_as(new_job("a", later.clone(), every_node(1)));
    assert_eq!(reason(&rig, a), "begins at 1970-01-01T00:21:40.000Z");
    rig.on(Event::HoldAsked { job: a });
    rig.pass(Millis::from_mins(6));
    assert_eq!(reason(&rig, a), "held; release it to let it run");
    rig.on(Event::ReleaseAsked { job: a });
    assert_eq!(rig.state(a), ExecutionState::Running);
    let past = rig.now;
    later.scheduling.begin_time = Some(Begin::At(past));
    let b = rig.submit_as(new_job("b", later, every_node(1)));
    assert!(reason(&rig, b).starts_with("needs 1 node"), "what has passed is no time to wait for");
}

/// Submits an array as the runtime does; all its members come up when they are asked for.
fn array(rig: &mut Rig, count: u32, running_max: u32) -> Vec<JobId> {
    let of = rig.accept(new_array(&format!("0-{}%{running_max}", count - 1)));
    while rig.expand(u32::MAX) {}
    (of.0..of.0 + u64::from(count)).map(JobId).collect()
}

fn running(rig: &Rig) -> usize {
    rig.sched.jobs().values().filter(|job| job.state == ExecutionState::Running).count()
}

#[test]
fn no_more_of_an_array_run_than_may() {
    let mut rig = Rig::up(4);
    let members = array(&mut rig, 6, 2);
    assert_eq!(running(&rig), 2);
    assert_eq!(reason(&rig, members[2]), "2 of array many run, and no more may");
    let other = rig.submit("other", 1);
    assert_eq!(rig.state(other), ExecutionState::Running, "who is not in the array is not kept back by it");
    for id in &members {
        assert_eq!(rig.state(*id), ExecutionState::Running, "in order");
        rig.gone(main_of(id.0, 1, 0), exit(0));
    }
    assert!(rig.sched.gates.is_empty());
}

#[test]
fn a_member_of_higher_priority_goes_first() {
    let mut rig = Rig::up(1);
    let members = array(&mut rig, 4, 2);
    rig.on(Event::PriorityAsked { job: members[3], priority: crate::model::spec::Priority::High });
    rig.gone(main_of(members[0].0, 1, 0), exit(0));
    assert_eq!(rig.state(members[3]), ExecutionState::Running);
}

#[test]
fn an_experiment_can_be_capped_and_let_go() {
    let mut rig = Rig::up(4);
    rig.on(Event::ExperimentCapped { experiment: EXP, running_max: Some(1) });
    let ids: Vec<_> = ["a", "b", "c"].into_iter().map(|name| rig.submit(name, 1)).collect();
    assert_eq!(running(&rig), 1);
    assert_eq!(reason(&rig, ids[1]), "1 jobs of its experiment run, and no more may");
    let change = rig.sched.why(rig.now, ids[1]).and_then(|why| why.change);
    assert_eq!(change.as_deref(), Some("let more jobs of experiment first run at once"));
    let members = array(&mut rig, 3, 2);
    rig.on(Event::ExperimentCapped { experiment: EXP, running_max: Some(3) });
    assert_eq!(running(&rig), 3, "under both caps");
    rig.on(Event::ExperimentCapped { experiment: EXP, running_max: None });
    assert_eq!((running(&rig), rig.state(members[0])), (4, ExecutionState::Running));
    rig.gone(main_of(ids[0].0, 1, 0), exit(0));
    assert_eq!((running(&rig), rig.state(members[2])), (4, ExecutionState::Queued), "the array's own cap holds");
}

#[test]
fn auto_scale_asks_for_what_could_run_only() {
    use crate::model::spec::AutoScale;
    let mut rig = Rig::asked(0);
    let auto = AutoScale::new(NodeCount(0), NodeCount(9), NodeCount(0));
    rig.on(Event::AutoScaleAsked { cluster: GPU, auto });
    array(&mut rig, 8, 2);
    let current = |rig: &Rig| match &rig.cluster().spec.scale_settings {
        ScaleSettings::AutoScale(auto) => auto.current.0,
        ScaleSettings::Manual { .. } => 0,
    };
    assert_eq!(current(&rig), 2);
    let mut later = spec(1);
    later.scheduling.begin_time = Some(Begin::In(Millis::from_mins(5)));
    rig.submit_as(new_job("later", later, every_node(1)));
    after(&mut rig, "after", &[(job(1), DependsOn::End)]);
    assert_eq!(current(&rig), 2, "no node for what waits for a time or for another job");
    rig.pass(Millis::from_mins(6));
    assert_eq!(current(&rig), 3);
}

#[test]
fn a_failure_is_tried_again_as_its_retries_say() {
    let with = |retry: Retry| {
        let mut rig = Rig::up(1);
        let mut spec = spec(1);
        spec.scheduling.retry = Some(retry);
        let id = rig.submit_as(new_job("a", spec, every_node(1)));
        (rig, id)
    };
    let cases: [(&str, Retry, Proof, bool); 5] = [
        ("any code", Retry::attempts(3), exit(1), true),
        ("another code", Retry { exit_codes: vec![75], ..Retry::attempts(3) }, exit(1), false),
        ("this code", Retry { exit_codes: vec![75], ..Retry::attempts(3) }, exit(75), true),
        ("over time, not asked for", Retry::attempts(3), stopped(StopWhy::Limit), false),
        ("over time", Retry { on: vec![RetryOn::TimeLimit], ..Retry::attempts(3) }, stopped(StopWhy::Limit), true),
    ];
    for (name, retry, proof, again) in cases {
        let (mut rig, id) = with(retry);
        rig.gone(main_of(1, 1, 0), proof);
        assert_eq!(rig.state(id) == ExecutionState::Running, again, "{name}");
        assert_eq!((rig.job(id).attempt.0, rig.job(id).requeues), (1 + u32::from(again), 0), "{name}");
    }
    let (mut rig, id) = with(Retry { delay: Millis::from_secs(30), ..Retry::attempts(3) });
    for (attempt, pause) in [(1, 30), (2, 60)] {
        rig.gone(main_of(1, attempt, 0), exit(7));
        assert_eq!(rig.state(id), ExecutionState::Queued);
        let said = reason(&rig, id);
        assert!(said.starts_with("is tried again at") && said.ends_with("Job failed with non-zero exit code 7"), "{said}");
        rig.pass(Millis::from_secs(pause - 1));
        assert_eq!(rig.state(id), ExecutionState::Queued, "twice as long each time");
        rig.pass(Millis::from_secs(1));
        assert_eq!(rig.state(id), ExecutionState::Running);
    }
    rig.gone(main_of(1, 3, 0), exit(7));
    assert_eq!((rig.state(id), rig.job(id).last.exit_code), (ExecutionState::Failed, Some(7)), "three attempts altogether");
    let (mut rig, id) = with(Retry::attempts(9));
    rig.on(Event::TerminateAsked { job: id, until: rig.now });
    rig.gone(main_of(1, 1, 0), exit(1));
    assert_eq!(rig.state(id), ExecutionState::Failed, "who is ended by a person is not tried again");
}
