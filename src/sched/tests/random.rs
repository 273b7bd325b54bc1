//! Random event sequences against the model world.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{Op, World};

/// How many worlds are tried until everything has happened; a few dozen are enough.
const WORLDS_MAX: usize = 400;

fn run(ops: &[Op]) -> World {
    let mut world = World::new(ops.len() % 3 == 1);
    for op in ops {
        world.act(*op);
    }
    world
}

/// A random world that never meets a case proves nothing about it.
#[test]
fn everything_happens_sometimes() {
    let expected = "
        AcquireNode PrepareNode KeepLogs ReleaseNode StartRank StopRank AckGone AnswerDaemon Notify ExpandSweep Started Ended
        Exit Told Fenced Refused Rebooted Lost MachineGone DeclaredDead
        JobFailed DependencyFailed JobTerminated WallClockTimeExceeded LaunchFailed PreparationFailed AttemptLost SetupFailed MountError
        allocating preparing idle running unusable leaving
        SettingsChanged ExperimentCapped AutoScaleAsked TerminateTakenBack RetryAsked EndedJobDeleted DaemonAsked AcquireFailed RankGone Deadline
        SweepCreated SweepExpanded SweepExtended SweepTrimmed SweepHeld SweepPriority SweepStopped SweepDeleted StoppedEarly RuleFired InvalidMember
        NodeMeasured NodeEnds NodeNoticed ClusterDeleteAsked ExperimentDeleteAsked WorkspaceDeleteAsked";
    let sentences = [
        "stopped: Terminate",
        "stopped: Limit",
        "stopped: Scale",
        "stopped: Sibling",
        "stopped: GangLost",
        "stopped: Finished",
        "stopped: Preempted",
        "stopped: Reclaimed",
        "a start was settled by an inventory",
        "nodes were given up",
        "nothing changed",
        "a node was shared",
    ];
    let mut missing: BTreeSet<&str> = expected.split_whitespace().chain(sentences).collect();
    let mut seed: u64 = 1;
    for _ in 0..WORLDS_MAX {
        let ops: Vec<Op> = (0..300)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((seed >> 56) as u8, (seed >> 40) as u16)
            })
            .collect();
        let world = run(&ops);
        missing.retain(|name| !world.met.contains(*name));
        if missing.is_empty() {
            return;
        }
    }
    panic!("never met: {missing:?}");
}

/// Found by chance once: a world of this one act was not the same twice.
#[test]
fn one_act_gives_the_same_effects() {
    let ops = [(172, 27636)];
    assert_eq!(run(&ops).trace, run(&ops).trace);
    run(&ops).calm_down();
}

/// How many worlds each property is tried in: some half a minute.
const CASES: u32 = 64;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// After every step all rules hold, in the core and in the world; afterwards all work comes to its end.
    #[test]
    fn rules_hold_and_work_ends(ops in prop::collection::vec(any::<Op>(), 0..300)) {
        run(&ops).calm_down();
    }

    #[test]
    fn the_same_events_give_the_same_effects(ops in prop::collection::vec(any::<Op>(), 0..100)) {
        prop_assert_eq!(run(&ops).trace, run(&ops).trace);
    }
}
