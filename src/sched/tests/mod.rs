//! The core's tests: tables per behaviour, and random event sequences against a model world.

mod acts;
mod ahead;
mod arrays;
mod attempt;
mod autoscale;
mod backfill;
mod cluster;
mod handed;
mod money;
mod order;
mod places;
mod queue;
mod random;
mod rig;
mod setup;
mod share;
mod used;
mod world;

use rig::*;

use super::*;
use crate::model::state::ExecutionState;

#[test]
fn a_job_runs_from_submission_to_its_end() {
    let mut rig = Rig::up(2);
    assert_eq!(rig.nodes(), "idle idle");
    let a = rig.submit("a", 2);
    assert_eq!(rig.state(a), ExecutionState::Running);
    for index in 0..2 {
        rig.started(main_of(1, 1, index));
    }
    rig.gone(main_of(1, 1, 0), exit(0));
    assert_eq!(rig.state(a), ExecutionState::Running);
    rig.gone(main_of(1, 1, 1), exit(0));
    assert_eq!((rig.state(a), rig.job(a).last.exit_code), (ExecutionState::Succeeded, Some(0)));
    assert_eq!(rig.nodes(), "idle idle");
    assert_eq!(rig.sched.retire(), [a]);
}
