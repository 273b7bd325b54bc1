//! What does the same work beside us, in the same run: as far as it is installed. `apt-get install task-spooler parallel` and
//! `pip install hyperqueue` for the Python that `OSTLER_BENCH_PYTHON` names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// How many trivial jobs a round of a quick peer runs.
const JOBS: usize = 5_000;
/// How many one of those runs that have some hundred a second.
const FEWER: usize = 1_000;

/// HyperQueue's server and a worker with two slots, in one process as its Python package starts them. For each line of input it
/// runs so many `true` and says how many a second those were.
const HYPERQUEUE: &str = "
import os, sys, tempfile, time
from hyperqueue.cluster import LocalCluster, WorkerConfig
from hyperqueue.job import Job
count = int(sys.argv[1])
with tempfile.TemporaryDirectory() as place, LocalCluster() as cluster:
    os.chdir(place)
    cluster.start_worker(WorkerConfig(cores=2))
    client = cluster.client()
    print('ready', flush=True)
    for line in sys.stdin:
        job = Job()
        for _ in range(count):
            job.program(['/bin/true'])
        begin = time.monotonic()
        client.wait_for_jobs([client.submit(job)])
        print('rate', count / (time.monotonic() - begin), flush=True)
";

/// A program that runs trivial jobs on this machine, two at once.
pub enum Peer {
    /// `xargs -P2`: no logs, nothing kept.
    Xargs,
    /// GNU parallel with a log of exit codes.
    Parallel,
    /// task-spooler, one client for each job, no logs.
    TaskSpooler,
    /// HyperQueue, one log each for output and errors.
    HyperQueue(Box<Service>),
}

/// A peer that runs as long as this.
pub struct Service {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Returns those that are here, and says which are not.
    pub fn here() -> (Vec<Self>, Vec<&'static str>) {
        let mut missing = Vec::new();
        let mut peers = vec![Self::Xargs];
        for (peer, program) in [(Self::Parallel, "parallel"), (Self::TaskSpooler, "tsp")] {
            match on_path(program) {
                true => peers.push(peer),
                false => missing.push(program),
            }
        }
        match std::env::var("OSTLER_BENCH_PYTHON").ok().and_then(|python| Service::start(&python)) {
            Some(service) => peers.push(Self::HyperQueue(Box::new(service))),
            None => missing.push("hyperqueue"),
        }
        (peers, missing)
    }

    /// Returns what a row calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Xargs => "xargs -P2, no logs",
            Self::Parallel => "GNU parallel -j2 --joblog",
            Self::TaskSpooler => "task-spooler -n, 2 slots",
            Self::HyperQueue(_) => "HyperQueue, worker with 2 slots",
        }
    }

    /// Says whether its jobs have no files.
    pub fn keeps_no_files(&self) -> bool {
        matches!(self, Self::Xargs)
    }

    /// Returns the jobs per second of one round.
    pub fn rate(&mut self) -> f64 {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let lines = |count: usize| (0..count).map(|n| format!("{n}\n")).collect::<String>();
        match self {
            Self::Xargs => fed(Command::new("xargs").args(["-n1", "-P2", "/bin/true"]), &lines(JOBS), JOBS),
            Self::Parallel => {
                let mut program = Command::new("parallel");
                program.args(["-j2", "--joblog"]).arg(dir.path().join("log")).arg("true {}");
                fed(program.env("HOME", dir.path()), &lines(FEWER), FEWER)
            }
            Self::TaskSpooler => spooled(dir.path()),
            Self::HyperQueue(service) => service.rate().expect("HyperQueue runs its jobs"),
        }
    }
}

/// Returns how many arguments a second a program goes through that takes them from its input.
fn fed(program: &mut Command, input: &str, count: usize) -> f64 {
    let start = Instant::now();
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{program:?}");
    count as f64 / start.elapsed().as_secs_f64()
}

fn spooled(dir: &Path) -> f64 {
    let tsp = |words: &[&str]| {
        let mut program = Command::new("tsp");
        program.args(words).env("TS_SOCKET", dir.join("socket")).env("TMPDIR", dir).env("TS_MAXFINISHED", "10");
        assert!(program.stdout(Stdio::null()).status().expect("it starts").success(), "tsp {words:?}");
    };
    tsp(&["-S", "2"]);
    let start = Instant::now();
    (0..FEWER).for_each(|_| tsp(&["-n", "true"]));
    tsp(&["-w"]);
    let rate = FEWER as f64 / start.elapsed().as_secs_f64();
    tsp(&["-K"]);
    rate
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

impl Service {
    fn start(python: &str) -> Option<Self> {
        let mut program = Command::new(python);
        program.args(["-c", HYPERQUEUE, &FEWER.to_string()]);
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take()?));
        let mut service = Self { child, to, from };
        service.line("ready").is_some().then_some(service)
    }

    /// Returns what stands behind a word at the beginning of a line; it says other things too.
    fn line(&mut self, word: &str) -> Option<String> {
        let mut line = String::new();
        while self.from.read_line(&mut line).ok()? > 0 {
            if let Some(rest) = line.strip_prefix(word) {
                return Some(rest.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    fn rate(&mut self) -> Option<f64> {
        self.to.as_mut()?.write_all(b"\n").ok()?;
        self.line("rate")?.parse().ok()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Without input it ends by itself.
        self.to = None;
        let _ = self.child.wait();
    }
}
