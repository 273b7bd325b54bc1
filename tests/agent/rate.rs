//! What the node's side costs: `cargo test --release --test agent rate -- --ignored --nocapture` prints it.

use std::time::{Duration, Instant};

use ostler::model::ids::{Attempt, JobId, Rank, RankKey};
use ostler::model::units::Millis;
use ostler::transport::agent::Tuning;
use ostler::transport::{Order, Report};

use crate::node::{Node, Shell};

crate::in_every_shell!(
    #[ignore = "a measurement"]
    rate
);

const JOBS: u64 = 1000;
const SINGLE: u64 = 100;

async fn rate(shell: Shell) {
    let mut node = Node::up(shell).await;
    node = node.retuned(Tuning { heartbeat: Duration::from_secs(5), ..crate::node::tuning(shell) }).await;
    let key = |job| RankKey { job: JobId(job), attempt: Attempt(1), rank: Rank::main(0) };
    let (mut to_started, mut to_gone) = (Vec::new(), Vec::new());
    for job in 0..SINGLE {
        let began = Instant::now();
        node.start(key(job), "true");
        node.started(key(job)).await;
        to_started.push(began.elapsed());
        node.gone(key(job)).await;
        to_gone.push(began.elapsed());
    }
    for slots in [1, 2, 4] {
        let began = Instant::now();
        let first = 1000 * slots;
        for job in first..first + slots {
            node.start(key(job), "true");
        }
        let (mut next, mut left) = (first + slots, JOBS);
        while left > 0 {
            let report = node.expect("end", |report| matches!(report, Report::Gone { .. })).await;
            let Report::Gone { key: ended, .. } = report else { unreachable!() };
            let effect = node.effect();
            node.agent.send(Order::Ack { effect, key: ended });
            left -= 1;
            if next < first + JOBS {
                let mut launch = node.launch(key(next), "true");
                launch.env =
                    (0..20).map(|n| (format!("AZ_BATCHAI_VARIABLE_{n}"), "/a/path/of/some/length/".repeat(3))).collect();
                node.start_launch(key(next), launch, Millis::from_secs(600));
                next += 1;
            }
            node.forget();
        }
        let took = began.elapsed();
        println!("{:?}: {slots} at once: {:.0} jobs/s", shell.words, JOBS as f64 / took.as_secs_f64());
    }
    // As the core sends them when jobs are short: each slot has a line.
    const LINE: u64 = 12;
    for slots in [1, 2] {
        let began = Instant::now();
        let first = 100_000 * slots;
        let (mut last, mut next, mut left) = (Vec::new(), first, JOBS);
        let launch = |node: &Node, job| {
            let mut launch = node.launch(key(job), "true");
            launch.env =
                (0..20).map(|n| (format!("AZ_BATCHAI_VARIABLE_{n}"), "/a/path/of/some/length/".repeat(3))).collect();
            launch
        };
        for _ in 0..slots {
            let one = launch(&node, next);
            node.start_launch(key(next), one, Millis::from_secs(600));
            last.push(next);
            next += 1;
        }
        for at in (0..slots as usize).cycle().take((LINE * slots) as usize) {
            let one = launch(&node, next);
            node.send_after(key(next), one, Millis::from_secs(600), key(last[at]));
            last[at] = next;
            next += 1;
        }
        while left > 0 {
            let report = node.expect("end", |report| matches!(report, Report::Gone { .. })).await;
            let Report::Gone { key: ended, .. } = report else { unreachable!() };
            let effect = node.effect();
            node.agent.send(Order::Ack { effect, key: ended });
            left -= 1;
            if next < first + JOBS {
                let at = ((ended.job.0 - first) % slots) as usize;
                let one = launch(&node, next);
                node.send_after(key(next), one, Millis::from_secs(600), key(last[at]));
                last[at] = next;
                next += 1;
            }
            node.forget();
        }
        let took = began.elapsed();
        println!("{:?}: {slots} lines: {:.0} jobs/s", shell.words, JOBS as f64 / took.as_secs_f64());
    }
    for (what, times) in [("order to started", &mut to_started), ("order to known ended", &mut to_gone)] {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!("{:?}: {what}: p50 {:.2} ms, p99 {:.2} ms", shell.words, at(50), at(99));
    }
}
