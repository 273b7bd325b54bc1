//! How fast jobs are taken in, each on the disk before it is answered: an array, many at once, one process for each.

use std::process::{Child, Stdio};
use std::time::Instant;

use ostler::model::request::{Reply, Request, Submit};
use ostler::model::spec::ProviderSpec;

use crate::figures::{Board, ROUNDS, millis};
use crate::home::{Home, Jobs};
use crate::pool::{Core, submit};

/// How many members an array has, and how many jobs come in bulk.
const MANY: usize = 10_000;
/// How many jobs one request of those in bulk has.
const AT_ONCE: usize = 1_000;
/// How many processes submit one job each.
const SINGLES: usize = 200;
/// How many of them are there at once.
const BESIDE: usize = 8;

/// Prints the rows of submits.
pub fn bench(board: &mut Board) {
    if !board.wants("submit") {
        return;
    }
    let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
    tokio.block_on(async {
        let core = Core::start(ProviderSpec::Local, 0, None).await;
        let (mut arrays, mut bulk) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let mut array: Submit = submit();
            array.name = Some(format!("array{round}"));
            array.spec.scheduling.array = format!("1-{MANY}").parse().ok();
            let start = Instant::now();
            let reply = core.ask(Request::Submit(Box::new(array))).await;
            arrays.push(millis(start.elapsed()));
            assert!(matches!(&reply, Reply::SubmittedArray { jobs, .. } if jobs.len() == MANY));
            let start = Instant::now();
            for _ in 0..MANY / AT_ONCE {
                let submits = (0..AT_ONCE).map(|_| submit()).collect();
                let Reply::Submitted(jobs) = core.ask(Request::SubmitAll(submits)).await else { panic!("no jobs") };
                assert_eq!(jobs.len(), AT_ONCE);
            }
            bulk.push(MANY as f64 / start.elapsed().as_secs_f64());
        }
        core.stop().await;
        board.row("submit: an array of 10,000 accepted", "ms", arrays);
        board.row("submit: in bulk, 1,000 in a request", "jobs/s", bulk);
    });
    for (kept, words) in [(0, "none"), (100_000, "100,000")] {
        let home = Home::new(Jobs::Waiting(kept));
        let server = home.serve();
        let array = |round: usize| {
            let (name, indexes) = (format!("array{round}"), format!("1-{MANY}"));
            let words = ["job", "create", "-c", "pool", "-n", &name, "--array", &indexes, "--", "true"];
            let start = Instant::now();
            home.ostler(&words);
            millis(start.elapsed())
        };
        if kept == 0 {
            board.row("submit: `job create` of an array of 10,000", "ms", (0..ROUNDS).map(array).collect());
        }
        for beside in [1, BESIDE] {
            let rates = (0..ROUNDS).map(|_| singles(&home, beside)).collect();
            board.row(&format!("submit: a process each, {beside} at once, {words} kept"), "jobs/s", rates);
        }
        drop(server);
    }
}

fn singles(home: &Home, beside: usize) -> f64 {
    let start = Instant::now();
    let mut there: Vec<Child> = Vec::new();
    for _ in 0..SINGLES {
        if there.len() == beside {
            end(there.remove(0));
        }
        let mut command = home.command();
        command.args(["--no-server", "job", "create", "-c", "pool", "--", "true"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        there.push(command.spawn().expect("the program starts"));
    }
    there.into_iter().for_each(end);
    SINGLES as f64 / start.elapsed().as_secs_f64()
}

fn end(mut child: Child) {
    assert!(child.wait().expect("it ends").success());
}
