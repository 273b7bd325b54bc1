//! What watching the metrics of many nodes costs, and what jobs cost whose metrics nobody wants: the CPU of this process alone, in
//! which the core runs. On real nodes the short program that picks lines out runs there, and so it does not count here either.

use std::time::{Duration, Instant};

use ostler::model::ids::JobId;
use ostler::model::metric::Metrics;
use ostler::model::request::{JobAct, JobRef, Place, Reply, Request, Submit};
use ostler::model::spec::{JobSpec, ProviderSpec};
use ostler::model::units::Millis;

use crate::figures::Board;
use crate::pool::Core;

/// How many nodes, with one job each.
const NODES: u32 = 100;
/// How many lines with a metric each job writes in a second.
const LINES: u32 = 100;
/// How long the first looks and the starts of the jobs are waited for.
const SETTLE: Duration = Duration::from_secs(15);
/// How long it may take until all jobs have reported; what comes later is seen in the rate.
const READY_MAX: Duration = Duration::from_secs(120);
/// One round: several looks at each node.
const ROUND: Duration = Duration::from_secs(15);
const ROUNDS: usize = 3;

/// Prints the rows of metrics.
pub fn bench(board: &mut Board) {
    if !board.wants("metrics") {
        return;
    }
    let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
    tokio.block_on(async {
        let core = Core::start(ProviderSpec::Local, NODES, None).await;
        board.row("metrics: 100 nodes without a job", "% of a core", rounds(&core, &[]).await.0);
        let quiet = core.jobs("exec sleep 1000000", None).await;
        board.row("metrics: 100 jobs that nobody watches", "% of a core", rounds(&core, &quiet).await.0);
        core.end(quiet).await;
        let line = format!(
            "exec awk 'BEGIN {{ for (;;) {{ for (i = 0; i < {LINES}; i++) print \"step=\" ++n \" loss=\" 1 / n; fflush(); system(\"exec sleep 1\") }} }}'"
        );
        let loud = core.jobs(&line, None).await;
        board.row("metrics: 10,000 lines/s that nobody watches", "% of a core", rounds(&core, &loud).await.0);
        core.end(loud).await;
        let watched = core.jobs(&line, Some(Metrics::default())).await;
        // All of them run and were looked at.
        let begin = Instant::now();
        while core.reporting(&watched).await < watched.len() && begin.elapsed() < READY_MAX {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let (cpu, rates) = rounds(&core, &watched).await;
        board.row("metrics: 10,000 lines/s of 100 nodes picked out", "% of a core", cpu);
        board.row("metrics: readings that were kept meanwhile", "a second", rates);
        core.end(watched).await;
        core.stop().await;
    });
}

/// Returns the CPU of this process and the readings that came, for each round.
async fn rounds(core: &Core, jobs: &[JobId]) -> (Vec<f64>, Vec<f64>) {
    tokio::time::sleep(SETTLE).await;
    let (mut cpus, mut rates) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (begin, cpu, count) = (Instant::now(), cpu_seconds(), core.readings(jobs).await);
        tokio::time::sleep(ROUND).await;
        let count = core.readings(jobs).await - count;
        let seconds = begin.elapsed().as_secs_f64();
        cpus.push(100.0 * (cpu_seconds() - cpu) / seconds);
        rates.push(count as f64 / seconds);
    }
    (cpus, rates)
}

/// Returns the CPU seconds of this process so far, those of its children not counted.
fn cpu_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}

impl Core {
    /// Starts one job on each node, and waits until all run.
    async fn jobs(&self, line: &str, metrics: Option<Metrics>) -> Vec<JobId> {
        let spec = JobSpec { metrics: metrics.map(Box::new), ..JobSpec::command(line) };
        let submit = Submit { experiment: Place::default(), cluster: Place::default(), name: None, spec, token: None };
        let Reply::Submitted(jobs) = self.ask(Request::SubmitAll(vec![submit; NODES as usize])).await else {
            panic!("no jobs")
        };
        jobs.iter().map(|job| job.id).collect()
    }

    async fn end(&self, jobs: Vec<JobId>) {
        for job in &jobs {
            self.ask(Request::Job { job: JobRef::Id(*job), act: JobAct::Terminate { hold: Millis(0) } }).await;
        }
        for job in jobs {
            self.ask(Request::AwaitJob { job: JobRef::Id(job), timeout: None }).await;
        }
    }

    async fn reporting(&self, jobs: &[JobId]) -> usize {
        match self.ask(Request::Metrics { jobs: jobs.to_vec(), curves: Vec::new() }).await {
            Reply::Metrics(found) => found.iter().filter(|(_, metrics)| !metrics.stats.is_empty()).count(),
            other => panic!("{other:?}"),
        }
    }

    async fn readings(&self, jobs: &[JobId]) -> u64 {
        match self.ask(Request::Metrics { jobs: jobs.to_vec(), curves: Vec::new() }).await {
            Reply::Metrics(found) => found.iter().flat_map(|(_, metrics)| &metrics.stats).map(|stat| stat.count).sum(),
            other => panic!("{other:?}"),
        }
    }
}
