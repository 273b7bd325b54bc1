//! Many small jobs on two nodes of Slurm: placed by ostler in allocations that it holds, and submitted to Slurm one by one. The nodes are
//! those of `tests/lab/slurm`, whose ssh configuration `OSTLER_BENCH_SLURM_CONFIG` names.

use std::process::Command;
use std::time::Instant;

use ostler::model::request::Submit;
use ostler::model::spec::pool::Allocation;
use ostler::model::spec::{Demand, ProviderSpec, Resources, SlurmSpec};

use crate::figures::{Board, ROUNDS};
use crate::pool::{self, Core};

/// How many jobs a round runs in the pool.
const JOBS: usize = 1_000;
/// How many it submits to Slurm, which is slower.
const SUBMITTED: usize = 100;
/// The login node of the lab.
const LOGIN: &str = "ci@h1";
/// Submits `$1` jobs, and waits until none is left.
const SBATCH: &str = "set -e; cd; n=0; while [ $n -lt NUMBER ]; do sbatch --parsable -Q -o /dev/null -J bench --wrap true >/dev/null; n=$((n + 1)); done
    while [ -n \"$(squeue -h -n bench -o %i)\" ]; do sleep 0.05; done";

/// Prints the rows of Slurm.
pub fn bench(board: &mut Board) {
    let name = "slurm: 2 nodes of 2 CPUs";
    if !board.wants(name) {
        return;
    }
    let Ok(config) = std::env::var("OSTLER_BENCH_SLURM_CONFIG") else {
        return board.skip(name, "no Slurm; see tests/bench/README.md");
    };
    let mut submitted = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let line = SBATCH.replace("NUMBER", &SUBMITTED.to_string());
        let done = Command::new("ssh").args(["-F", &config, LOGIN, &line]).status().expect("ssh runs");
        assert!(done.success(), "sbatch: {done:?}");
        submitted.push(SUBMITTED as f64 / start.elapsed().as_secs_f64());
    }
    board.row(&format!("{name}: {SUBMITTED} x sbatch"), "jobs/s", submitted);
    let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
    tokio.block_on(async {
        let allocation = Allocation { login: LOGIN.to_owned(), slurm: SlurmSpec::default(), time: None };
        let provider = ProviderSpec::Slurm { allocation: Box::new(allocation) };
        let core = Core::start(provider, 2, Some(config.clone())).await;
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            rates.push(core.rate(JOBS, of_one_cpu).await.0);
        }
        board.row(&format!("{name}: {JOBS} in a pool"), "jobs/s", rates);
        core.stop().await;
    });
    // Its allocations are nobody's now.
    let done = Command::new("ssh").args(["-F", &config, LOGIN, "scancel -u \"$(id -un)\""]).status().expect("ssh runs");
    assert!(done.success(), "scancel: {done:?}");
}

fn of_one_cpu() -> Submit {
    let mut submit = pool::submit();
    submit.spec.demand = Demand::Part(Resources { cpus_milli: 1000, ..Resources::default() });
    submit
}
