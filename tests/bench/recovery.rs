//! What a core that was killed needs to take its jobs over again: up to 100,000 running jobs on 1,000 nodes, with the store on
//! disk and nodes that answer at once. Nothing of it is started a second time. And how many jobs go through such a core.

use std::time::Instant;

use ostler::model::units::Millis;
use ostler::store::DATABASE_FILE;

use crate::answering::{Spools, World};
use crate::figures::{Board, ROUNDS, millis};

/// How many jobs run on a node, each on one of its CPUs.
const JOBS_A_NODE: u32 = 100;

/// How many jobs end at a time where the flow of jobs is measured, each on a node of its own, and how often.
const ENDS: (u32, u32) = (200, 50);

/// Prints the rows of recovery, and of the flow of jobs.
pub fn bench(board: &mut Board) {
    if board.wants("flow") {
        flow(board);
    }
    if board.wants("recovery") {
        recovery(board);
    }
}

fn flow(board: &mut Board) {
    for waiting in [1_000, 10_000, 100_000] {
        let dir = tempfile::tempdir().expect("a directory for the store");
        let mut world = World::open(&dir.path().join(DATABASE_FILE), Spools::new(), 1);
        world.set_up(ENDS.0);
        world.submit(waiting + ENDS.0);
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..ENDS.1 {
                world.pass(Millis(1), ENDS.0 as usize);
                world.submit(ENDS.0);
            }
            rates.push(f64::from(ENDS.0 * ENDS.1) / start.elapsed().as_secs_f64());
        }
        world.assert_all(ENDS.0 as usize, waiting as usize);
        board.row(&format!("flow: jobs through core and store, {waiting} wait"), "jobs/s", rates);
    }
}

fn recovery(board: &mut Board) {
    for nodes in [10, 100, 1_000] {
        let dir = tempfile::tempdir().expect("a directory for the store");
        let path = dir.path().join(DATABASE_FILE);
        let jobs = nodes * JOBS_A_NODE;
        let mut world = World::open(&path, Spools::new(), JOBS_A_NODE);
        world.set_up(nodes);
        for _ in 0..nodes {
            world.submit(JOBS_A_NODE);
        }
        world.assert_all(jobs as usize, 0);
        let mut spools = world.killed();
        let (mut opened, mut taken_over) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let mut world = World::open(&path, spools, JOBS_A_NODE);
            opened.push(millis(start.elapsed()));
            world.run();
            taken_over.push(millis(start.elapsed()));
            assert_eq!(world.started, 0, "nothing is started again");
            world.assert_all(jobs as usize, 0);
            spools = world.killed();
        }
        board.row(&format!("recovery: {jobs} jobs, {nodes} nodes: store to core"), "ms", opened);
        board.row(&format!("recovery: {jobs} jobs, {nodes} nodes: all taken over"), "ms", taken_over);
    }
}
