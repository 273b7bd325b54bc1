//! A large sweep through the whole core with a store on disk: accepted, and listed like jobs.

use std::time::Instant;

use ostler::model::request::{JobQuery, PAGE_MAX, Place, Reply, Request, SubmitSweep};
use ostler::model::spec::sweep::{Part, Search};
use ostler::model::spec::{ProviderSpec, SweepSpec, sweep_file};

use crate::figures::{Board, ROUNDS};
use crate::pool::Core;

/// How many members a sweep has.
const MEMBERS: u32 = 100_000;

/// Prints the rows of sweeps.
pub fn bench(board: &mut Board) {
    if !board.wants("sweep") {
        return;
    }
    let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
    tokio.block_on(async {
        let (mut accepted, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let core = Core::start(ProviderSpec::Local, 0, None).await;
            let start = Instant::now();
            let Reply::Sweep(view) = core.ask(Request::CreateSweep(Box::new(sweep()))).await else { panic!("no sweep") };
            accepted.push(start.elapsed().as_secs_f64() * 1e3);
            assert_eq!(view.sweep.count(), MEMBERS);
            first.push(page(&core, false).await);
            last.push(page(&core, true).await);
            core.stop().await;
        }
        board.row("sweep: 100,000 members accepted", "ms", accepted);
        board.row("sweep: its first 1,000 members listed", "ms", first);
        board.row("sweep: its last 1,000 members listed", "ms", last);
    });
}

async fn page(core: &Core, newest_first: bool) -> f64 {
    let start = Instant::now();
    let query = JobQuery { newest_first, limit: PAGE_MAX, ..JobQuery::default() };
    let Reply::Jobs { jobs, more } = core.ask(Request::ListJobs(query)).await else { panic!("no list") };
    assert_eq!((jobs.len(), more), (PAGE_MAX as usize, true));
    start.elapsed().as_secs_f64() * 1e3
}

fn sweep() -> SubmitSweep {
    let parameters = ["lr=log:1e-5..1e-1:500", "seed=1..200"].map(|option| sweep_file::option(option).expect("values"));
    let part = Part { parameters: parameters.to_vec(), search: Search::Grid, exclude: Vec::new() };
    let template = serde_json::json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "train --lr PARAM_LR --seed PARAM_SEED"}});
    SubmitSweep {
        experiment: Place::default(),
        cluster: Place::default(),
        name: Some("large".into()),
        spec: SweepSpec::new(template, vec![part]),
        held: false,
        token: None,
    }
}
