//! Random event sequences against the model world.

use proptest::prelude::*;

use super::world::{Op, World};

fn run(ops: &[Op]) -> World {
    let mut world = World::new();
    for op in ops {
        world.act(*op);
    }
    world
}

proptest! {
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
