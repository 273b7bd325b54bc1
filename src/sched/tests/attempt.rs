//! Attempts: preparation, gangs, exit codes, limits, stops, losses.

use super::rig::*;
use super::*;
use crate::model::ids::RankRole;
use crate::model::spec::job::LaunchShape;
use crate::model::state::{AfterStop, BootId, ExecutionState, Proof, RankState, StopWhy};
use crate::model::units::Millis;

fn two_up() -> Rig {
    let mut rig = Rig::up(2);
    rig.submit("a", 2);
    for index in 0..2 {
        rig.started(main_of(1, 1, index));
    }
    rig
}

#[test]
fn one_process_that_ends_decides() {
    let lost = || Proof::Lost { why: "supervisor killed".into() };
    let (failed, queued) = (ExecutionState::Failed, ExecutionState::Queued);
    // What m0 says, what m1 says after it was stopped; then: state, code, first error.
    let cases = [
        ("both end well", exit(0), exit(0), ExecutionState::Succeeded, Some(0), ""),
        ("the first fails", exit(3), stopped(StopWhy::Sibling), failed, Some(3), "JobFailed"),
        ("both fail by themselves", exit(3), exit(4), failed, Some(3), "JobFailed"),
        ("over its time", stopped(StopWhy::Limit), stopped(StopWhy::Limit), failed, None, "WallClockTimeExceeded"),
        ("its supervisor was killed", lost(), stopped(StopWhy::Sibling), queued, None, ""),
        ("a signal of a stranger", exit(137), exit(0), failed, Some(137), "JobFailed"),
    ];
    for (name, first, second, state, code, error) in cases {
        let mut rig = two_up();
        rig.gone(main_of(1, 1, 0), first);
        assert_eq!(rig.state(job(1)), ExecutionState::Running, "{name}: waits for the other's proof");
        // No node is free for it while it is put back, so that its state can be seen.
        rig.on(Event::HoldAsked { job: job(1) });
        for id in 1..=2 {
            rig.on(Event::DrainAsked { node: node(id) });
        }
        rig.gone(main_of(1, 1, 1), second);
        let row = rig.job(job(1));
        assert_eq!((row.state, row.last.exit_code), (state, code), "{name}");
        assert_eq!(rig.error(job(1)), error, "{name}");
        assert_eq!(rig.nodes(), "idle idle", "{name}: nodes are free");
    }
}

#[test]
fn what_a_node_knows_of_an_exit_is_in_the_error() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), Proof::Told { code: 137, words: "out of memory: the kernel killed".into() });
    let row = rig.job(a);
    assert_eq!((row.state, row.last.exit_code), (ExecutionState::Failed, Some(137)));
    let said = "Job failed with non-zero exit code 137: out of memory: the kernel killed";
    assert_eq!(row.last.errors[0].message, said);
}

#[test]
fn a_failed_process_stops_the_others() {
    let mut rig = two_up();
    rig.gone(main_of(1, 1, 1), exit(7));
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Sibling)]);
    assert!(matches!(rig.last.effects[0].act, Act::AckGone { key, .. } if key == main_of(1, 1, 1)), "{:?}", rig.last);
}

#[test]
fn a_process_that_cannot_be_ended_is_said_and_keeps_its_place() {
    let mut rig = two_up();
    let stuck = Event::RankStuck { key: main_of(1, 1, 0), why: "pid 7 (cat) was killed and is still there".into() };
    rig.gone(main_of(1, 1, 1), exit(7));
    rig.on(stuck.clone());
    assert_eq!(rig.state(job(1)), ExecutionState::Running, "there is no proof");
    let said = "process m0 on host1 cannot be ended and keeps its place there: pid 7 (cat) was killed and is still there";
    assert_eq!(rig.job(job(1)).reason(None), said);
    rig.submit("b", 2);
    assert!(rig.find(|act| matches!(act, Act::StartRank { .. })).is_none(), "its node is not free");
    rig.on(stuck.clone());
    assert!(rig.last.touched.is_empty(), "said again, it changes nothing");
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Sibling));
    let row = rig.job(job(1));
    assert_eq!((row.state, row.reason(None)), (ExecutionState::Failed, row.last.errors[0].message.clone()));
    rig.on(stuck);
    assert_eq!(rig.job(job(1)).state, ExecutionState::Failed, "and later it is about nobody");
}

#[test]
fn a_start_that_fails_puts_the_job_back_five_times() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    let proofs = [
        Proof::Refused { why: "no room".into(), code: None },
        Proof::Fenced,
        Proof::Lost { why: "spool gone".into() },
        Proof::Refused { why: "no room".into(), code: None },
        Proof::Fenced,
        Proof::Refused { why: "no room on disk".into(), code: None },
    ];
    for (done, proof) in proofs.into_iter().enumerate() {
        assert_eq!((rig.state(a), rig.job(a).requeues), (ExecutionState::Running, done as u32));
        let start = rig.find(|act| matches!(act, Act::StartRank { .. })).unwrap();
        rig.on(Event::RankGone { key: main_of(1, done as u32 + 1, 0), effect: Some(start.id), proof });
    }
    assert_eq!((rig.state(a), rig.error(a), rig.job(a).last.exit_code), (ExecutionState::Failed, "LaunchFailed", None));
    assert_eq!(rig.job(a).last.errors[0].message, "Process m0 could not be started on node host1: no room on disk");
}

#[test]
fn processes_that_only_serve_end_with_the_others() {
    let shape = LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0, 1, 0], serving: 1, handed: false };
    let main = |index| main_of(1, 1, index);
    let mut rig = Rig::up(2);
    let a = rig.submit_as(new_job("a", spec(2), shape));
    assert_eq!(rig.starts(), [main(0), main(1), main(2)]);
    (0..3).for_each(|index| rig.started(main(index)));
    rig.gone(main(1), exit(0));
    assert_eq!(rig.state(a), ExecutionState::Running);
    assert!(rig.find(|act| matches!(act, Act::StopRank { .. })).is_none(), "a worker still runs");
    rig.gone(main(0), exit(0));
    let stop = rig.find(|act| matches!(act, Act::StopRank { key, .. } if *key == main(2))).map(|effect| effect.act);
    assert!(matches!(stop, Some(Act::StopRank { why: StopWhy::Finished, .. })), "{stop:?}");
    assert_eq!(rig.state(a), ExecutionState::Running, "not before the server is proven gone");
    rig.gone(main(2), exit(143));
    assert_eq!((rig.state(a), rig.job(a).last.exit_code), (ExecutionState::Succeeded, Some(0)));

    // One that ends by itself changes nothing while it ends well, and fails the job while it does not.
    for (code, state) in [(0, ExecutionState::Running), (3, ExecutionState::Failed)] {
        let shape = LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0, 0], serving: 1, handed: false };
        let mut rig = Rig::up(1);
        let a = rig.submit_as(new_job("a", spec(1), shape));
        (0..2).for_each(|index| rig.started(main(index)));
        rig.gone(main(1), exit(code));
        if rig.find(|act| matches!(act, Act::StopRank { .. })).is_some() {
            rig.gone(main(0), exit(143));
        }
        assert_eq!(rig.state(a), state, "{code}");
    }
}

#[test]
fn preparation_runs_first_on_every_node() {
    let shape = LaunchShape { sets_up: false, prepares: true, main_nodes: vec![0], serving: 0, handed: false };
    let prepare = |index| rank_of(1, 1, RankRole::Prepare, index);
    let mut rig = Rig::up(2);
    let a = rig.submit_as(new_job("a", spec(2), shape.clone()));
    assert_eq!(rig.starts(), [prepare(0), prepare(1)]);
    rig.started(prepare(0));
    rig.pass(Millis::from_mins(10));
    rig.started(prepare(1));
    rig.gone(prepare(0), exit(0));
    assert!(rig.starts().is_empty(), "waits for the other preparation");
    rig.gone(prepare(1), exit(0));
    assert_eq!(rig.starts(), [main_of(1, 1, 0)]);
    let limit = rig.find(|act| matches!(act, Act::StartRank { .. })).map(|effect| effect.act);
    assert!(
        matches!(limit, Some(Act::StartRank { limit, .. }) if limit == Millis::from_mins(50)),
        "counts from the first process: {limit:?}"
    );
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(rig.state(a), ExecutionState::Succeeded);

    let b = rig.submit_as(new_job("b", spec(2), shape));
    rig.gone(rank_of(2, 1, RankRole::Prepare, 1), exit(9));
    assert_eq!(rig.stops(), [(rank_of(2, 1, RankRole::Prepare, 0), StopWhy::Sibling)]);
    rig.gone(rank_of(2, 1, RankRole::Prepare, 0), Proof::Fenced);
    assert_eq!(
        (rig.state(b), rig.error(b), rig.job(b).last.exit_code),
        (ExecutionState::Failed, "PreparationFailed", Some(9))
    );
}

#[test]
fn a_preparation_that_used_up_the_time_ends_the_job() {
    let mut rig = Rig::up(1);
    let a = rig.submit_as(new_job(
        "a",
        spec(1),
        LaunchShape { sets_up: false, prepares: true, main_nodes: vec![0], serving: 0, handed: false },
    ));
    rig.started(rank_of(1, 1, RankRole::Prepare, 0));
    rig.pass(Millis::from_mins(61));
    rig.gone(rank_of(1, 1, RankRole::Prepare, 0), exit(0));
    assert_eq!((rig.state(a), rig.error(a)), (ExecutionState::Failed, "WallClockTimeExceeded"));
}

#[test]
fn the_clock_starts_with_the_first_process() {
    let mut rig = Rig::up(2);
    let a = rig.submit("a", 2);
    let placed = rig.now;
    assert_eq!(rig.job(a).last.started, Some(placed));
    rig.pass(Millis::from_secs(5));
    rig.started(main_of(1, 1, 1));
    rig.pass(Millis::from_secs(5));
    rig.started(main_of(1, 1, 0));
    assert_eq!(rig.job(a).last.started, Some(placed + Millis::from_secs(5)));
}

#[test]
fn terminate_waits_for_the_proof() {
    let mut rig = two_up();
    rig.submit("waiting", 1);
    rig.on(Event::TerminateAsked { job: job(1), until: rig.now });
    assert_eq!(rig.state(job(1)), ExecutionState::Terminating);
    let why = StopWhy::Terminate;
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), why), (main_of(1, 1, 1), why)]);
    rig.gone(main_of(1, 1, 0), stopped(why));
    assert_eq!(rig.state(job(1)), ExecutionState::Terminating);
    assert_eq!(rig.state(job(2)), ExecutionState::Queued, "no node is free before the proof");
    rig.gone(main_of(1, 1, 1), exit(0));
    assert_eq!(rig.state(job(1)), ExecutionState::Failed);
    assert_eq!((rig.error(job(1)), rig.job(job(1)).last.exit_code), ("JobTerminated", None));
    assert_eq!(rig.state(job(2)), ExecutionState::Running);
}

#[test]
fn a_start_on_its_way_is_overtaken_by_its_stop() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    let start = rig.find(|act| matches!(act, Act::StartRank { .. })).unwrap().id;
    rig.on(Event::TerminateAsked { job: a, until: rig.now });
    assert_eq!(rig.last.closed, [start]);
    let ignored = rig.sched.ignored();
    rig.on(Event::RankStarted { effect: start, key: main_of(1, 1, 0) });
    assert_eq!(rig.sched.ignored(), ignored + 1, "too late to matter");
    assert!(matches!(rig.rank(main_of(1, 1, 0)), RankState::Stopping { .. }));
    rig.gone(main_of(1, 1, 0), Proof::Fenced);
    assert_eq!((rig.state(a), rig.error(a)), (ExecutionState::Failed, "JobTerminated"));
}

#[test]
fn a_job_whose_end_is_decided_ends_as_decided() {
    let mut rig = two_up();
    rig.gone(main_of(1, 1, 0), exit(3));
    rig.on(Event::TerminateAsked { job: job(1), until: rig.now });
    rig.gone(main_of(1, 1, 1), stopped(StopWhy::Sibling));
    assert_eq!((rig.error(job(1)), rig.job(job(1)).last.exit_code), ("JobFailed", Some(3)));
}

#[test]
fn a_late_word_of_an_earlier_attempt_changes_nothing() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), Proof::Lost { why: "supervisor killed".into() });
    assert_eq!((rig.job(a).attempt.0, rig.job(a).requeues), (2, 1));
    let before = rig.job(a).clone();
    rig.on(Event::RankGone { key: main_of(1, 1, 0), effect: None, proof: exit(1) });
    assert_eq!(*rig.job(a), before);
    rig.on(Event::RankGone { key: main_of(9, 1, 0), effect: None, proof: exit(1) });
    assert_eq!(*rig.job(a), before);
}

#[test]
fn proof_is_acknowledged_and_repeated_when_asked_again() {
    let mut rig = two_up();
    let acks = |rig: &Rig| rig.open.iter().filter(|e| matches!(e.act, Act::AckGone { .. })).count();
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(acks(&rig), 1);
    rig.on(Event::RankGone { key: main_of(1, 1, 0), effect: None, proof: exit(0) });
    assert_eq!(acks(&rig), 1, "one is on its way");
    let ack = rig.find(|act| matches!(act, Act::AckGone { .. })).unwrap().id;
    rig.on(Event::EffectDone { effect: ack });
    rig.on(Event::RankGone { key: main_of(1, 1, 0), effect: None, proof: exit(0) });
    assert_eq!(acks(&rig), 1, "the node has not heard it");
}

#[test]
fn a_gang_with_a_lost_node_is_stopped_and_put_back_after_proof() {
    let mut rig = two_up();
    rig.node_down(2);
    rig.pass(Millis::from_mins(9));
    assert_eq!(rig.nodes(), "running unusable");
    assert!(rig.stops().is_empty(), "not before gang_lost_after");
    rig.pass(Millis::from_mins(2));
    let why = StopWhy::GangLost;
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), why), (main_of(1, 1, 1), why)]);
    rig.gone(main_of(1, 1, 0), stopped(why));
    rig.pass(Millis::from_mins(600));
    let row = rig.job(job(1));
    assert_eq!((row.state, row.last.after_stop), (ExecutionState::Running, Some(AfterStop::Requeue)), "time is no proof");
    assert_eq!(rig.nodes(), "running unusable", "its nodes stay its own");
    rig.node_up(2, None, "b2", []);
    let row = rig.job(job(1));
    assert_eq!((row.state, row.attempt.0, row.requeues), (ExecutionState::Running, 2, 1));
}

#[test]
fn a_single_process_out_of_sight_is_left_alone_and_taken_over() {
    let cases: [(&str, &str, Option<Sighting>, ExecutionState, u32); 5] = [
        ("it lives", "b1", Some(Sighting::Alive), ExecutionState::Running, 1),
        ("it has ended meanwhile", "b1", Some(Sighting::Gone(exit(0))), ExecutionState::Succeeded, 1),
        ("its record was lost", "b1", None, ExecutionState::Running, 2),
        ("its node was rebooted", "b2", None, ExecutionState::Running, 2),
        ("it had ended before the reboot", "b2", Some(Sighting::Gone(exit(0))), ExecutionState::Succeeded, 1),
    ];
    for (name, boot, sighting, state, attempt) in cases {
        let mut rig = Rig::up(1);
        let a = rig.submit("a", 1);
        let key = main_of(1, 1, 0);
        rig.started(key);
        rig.node_down(1);
        rig.pass(Millis::from_mins(600));
        assert_eq!((rig.state(a), rig.nodes().as_str()), (ExecutionState::Running, "unusable"), "{name}");
        match sighting {
            Some(sighting) => rig.node_up(1, None, boot, [(key, sighting)]),
            None => rig.node_up(1, None, boot, []),
        }
        assert_eq!((rig.state(a), rig.job(a).attempt.0), (state, attempt), "{name}");
        if attempt == 2 {
            let why = rig.job(a).last.requeued_because.clone().unwrap_or_default();
            assert_eq!(why.contains("was rebooted"), boot == "b2", "{name}: {why}");
            assert_eq!(rig.sched.nodes()[&node(1)].boot, Some(BootId(boot.into())), "{name}");
        }
    }
}

#[test]
fn an_attempt_is_lost_with_any_of_its_nodes() {
    type Loss = fn(&mut Rig);
    let cases: [(&str, Loss); 3] = [
        ("rebooted", |rig| rig.node_up(2, None, "b2", [])),
        ("gone", |rig| {
            rig.on(Event::NodeGone { node: node(2) });
        }),
        ("declared dead", |rig| {
            rig.on(Event::DeclaredDead { node: node(2), by: "ada".into() });
        }),
    ];
    for (name, lose) in cases {
        let mut rig = Rig::up(2);
        // Only the first node runs a process; what its command needs of the second one, nobody knows.
        let a = rig.submit_as(new_job(
            "a",
            spec(2),
            LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0], serving: 0, handed: false },
        ));
        rig.started(main_of(1, 1, 0));
        rig.node_down(2);
        lose(&mut rig);
        assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Sibling)], "{name}");
        rig.gone(main_of(1, 1, 0), stopped(StopWhy::Sibling));
        assert_eq!(rig.job(a).requeues, 1, "{name}");
    }
}

#[test]
fn an_unanswered_start_is_never_guessed() {
    let key = main_of(1, 1, 0);
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.node_down(1);
    rig.pass(Millis::from_mins(600));
    assert_eq!((rig.state(a), rig.job(a).attempt.0), (ExecutionState::Running, 1));
    rig.node_up(1, None, "b1", []);
    assert_eq!(rig.starts(), [key], "not there yet: the same start is sent again");
    rig.node_down(1);
    rig.node_up(1, None, "b1", [(key, Sighting::Alive)]);
    assert_eq!((rig.starts(), rig.rank(key)), (Vec::new(), &RankState::Running), "there: taken over");

    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.node_down(1);
    rig.node_up(1, None, "b2", []);
    assert_eq!((rig.job(a).attempt.0, rig.starts()), (2, vec![main_of(1, 2, 0)]), "another boot: never started");
}

#[test]
fn an_order_to_stop_reaches_the_node_when_it_is_back() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.node_down(1);
    rig.on(Event::TerminateAsked { job: a, until: rig.now });
    rig.pass(Millis::from_mins(600));
    assert_eq!(rig.state(a), ExecutionState::Terminating);
    rig.node_up(1, None, "b1", [(main_of(1, 1, 0), Sighting::Alive)]);
    assert_eq!(rig.stops(), [(main_of(1, 1, 0), StopWhy::Terminate)]);
    rig.gone(main_of(1, 1, 0), stopped(StopWhy::Terminate));
    assert_eq!(rig.state(a), ExecutionState::Failed);
}

#[test]
fn what_should_not_be_on_a_node_is_ended_or_left_to_its_owner() {
    let mut rig = Rig::up(1);
    let a = rig.submit("a", 1);
    rig.started(main_of(1, 1, 0));
    rig.gone(main_of(1, 1, 0), Proof::Lost { why: "supervisor killed".into() });
    rig.started(main_of(1, 2, 0));
    rig.node_down(1);
    let ignored = rig.sched.ignored();
    let (old, daemon) = (main_of(1, 1, 0), rank_of(1, 2, RankRole::Daemon, 7));
    let found = [
        (old, Sighting::Alive),
        (main_of(1, 2, 0), Sighting::Alive),
        (daemon, Sighting::Alive),
        (main_of(1, 1, 3), Sighting::Gone(exit(0))),
        (main_of(1, 3, 0), Sighting::Alive),
        (main_of(7, 1, 0), Sighting::Alive),
        (main_of(8, 1, 0), Sighting::Gone(exit(0))),
    ];
    rig.node_up(1, None, "b1", found.clone());
    assert_eq!(rig.stops(), [(old, StopWhy::Finished), (daemon, StopWhy::Finished)]);
    let acked = rig.find(|act| matches!(act, Act::AckGone { key, .. } if *key == main_of(1, 1, 3)));
    assert!(acked.is_some(), "a record of something that is over is taken");
    assert_eq!(rig.sched.ignored(), ignored + 3, "what was never ordered here is left alone");
    assert_eq!(rig.state(a), ExecutionState::Running);
    rig.node_up(1, None, "b1", found);
    assert_eq!(rig.stops().len(), 2, "no order is given twice");
    assert_eq!(rig.submit("b", 1).0, 9, "no job gets a number that a node has seen");
    rig.gone(old, stopped(StopWhy::Finished));
    assert_eq!((rig.state(a), rig.job(a).attempt.0, rig.stops().len()), (ExecutionState::Running, 2, 1));
}

#[test]
fn a_proof_counts_only_for_the_node_it_is_about() {
    let mut rig = Rig::up(2);
    let a = rig.submit("a", 1);
    let key = main_of(1, 1, 0);
    rig.started(key);
    assert_eq!(rig.job(a).last.nodes, [node(1)]);
    rig.node_down(2);
    rig.node_up(2, None, "b1", [(key, Sighting::Alive)]);
    assert!(rig.find(|act| matches!(act, Act::StopRank { node, .. } if node.0 == 2)).is_some(), "not where it belongs");
    rig.gone(key, stopped(StopWhy::Finished));
    assert_eq!((rig.state(a), rig.rank(key)), (ExecutionState::Running, &RankState::Running));
    assert!(rig.find(|act| matches!(act, Act::AckGone { node, .. } if node.0 == 2)).is_some());
}

#[test]
fn a_launcher_gets_daemons_and_hears_of_them() {
    let mut rig = Rig::up(2);
    let a = rig.submit_as(new_job(
        "a",
        spec(2),
        LaunchShape { sets_up: false, prepares: false, main_nodes: vec![0], serving: 0, handed: false },
    ));
    let (by, daemon) = (main_of(1, 1, 0), rank_of(1, 1, RankRole::Daemon, 0));
    rig.started(by);
    let ask = |node_index, request| Event::DaemonAsked { by, request, node_index, command: "orted".into() };
    let answers = |rig: &Rig| {
        let answers = rig.open.iter().filter_map(|effect| match &effect.act {
            Act::AnswerDaemon { request, answer, .. } => Some((*request, answer.clone())),
            _ => None,
        });
        answers.collect::<Vec<_>>()
    };
    rig.on(ask(1, 0));
    assert_eq!(rig.starts(), [daemon]);
    assert_eq!(rig.job(a).last.ranks[&daemon.rank].node, node(2));
    rig.on(ask(1, 0));
    assert_eq!(rig.starts(), [daemon], "asked again, started once");
    rig.started(daemon);
    assert_eq!(answers(&rig), [(0, DaemonAnswer::Started { rank: daemon.rank })]);
    rig.on(ask(7, 1));
    assert_eq!(answers(&rig).last(), Some(&(1, DaemonAnswer::Ended { code: 255 })), "no such node");
    rig.on(ask(1, 2));
    rig.gone(rank_of(1, 1, RankRole::Daemon, 1), Proof::Refused { why: "no room".into(), code: None });
    assert_eq!(answers(&rig).last(), Some(&(2, DaemonAnswer::Ended { code: 255 })));
    assert_eq!(rig.state(a), ExecutionState::Running, "the launcher decides what that means");
    rig.gone(by, exit(0));
    assert_eq!(rig.stops(), [(daemon, StopWhy::Finished)], "what is left goes");
    assert_eq!(answers(&rig), [], "nobody is there to hear");
    rig.gone(daemon, stopped(StopWhy::Finished));
    assert_eq!((rig.state(a), rig.job(a).last.exit_code), (ExecutionState::Succeeded, Some(0)));
    assert_eq!(rig.nodes(), "idle idle");
}
