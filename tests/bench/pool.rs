//! Jobs per second and latencies through the whole core with a store on disk: nodes of this machine.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ostler::api::Client;
use ostler::model::ids::JobId;
use ostler::model::request::{JobQuery, JobRef, Place, Reply, Request, Submit};
use ostler::model::settings::Settings;
use ostler::model::snapshot::Change;
use ostler::model::spec::{
    AgentKind, ClusterSpec, Deallocation, Demand, JobSpec, PoolSpec, ProviderSpec, Resources, ScaleSettings, Toolkit,
};
use ostler::model::state::ExecutionState::{self, Failed, Queued, Running, Terminating};
use ostler::model::state::{Job, NodeState};
use ostler::model::units::NodeCount;
use ostler::runtime::{Handle, Options, start};
use ostler::store::{DATABASE_FILE, Db};
use tokio::sync::mpsc;

use crate::figures::{Board, ROUNDS};
use crate::peers::Peer;

/// How many trivial jobs a round runs.
pub const JOBS: usize = 10_000;
/// How many single jobs the latencies are taken from.
const SINGLES: usize = 100;
/// No wait is longer.
const DEADLINE: Duration = Duration::from_secs(300);

/// A pool to be measured.
pub struct Pool {
    /// What its rows are called.
    pub name: &'static str,
    /// Where its nodes come from.
    pub provider: ProviderSpec,
    /// How many nodes it has.
    pub nodes: u32,
    /// The ssh configuration that names them.
    pub ssh_config: Option<String>,
    /// How many jobs a round has.
    pub jobs: usize,
    /// One of them.
    pub submit: fn() -> Submit,
}

/// Prints the rows of the local pool, and of what does the same on this machine.
pub fn bench(board: &mut Board) {
    let name = "local pool, one node with 2 slots";
    if !board.wants(name) {
        return;
    }
    let (mut peers, missing) = Peer::here();
    let pool = Pool { name, provider: ProviderSpec::Local, nodes: 1, ssh_config: None, jobs: JOBS, submit };
    run(board, &[pool], &mut peers);
    if !missing.is_empty() {
        board.skip("peers", &format!("not installed: {}", missing.join(", ")));
    }
}

/// Measures pools with each kind of agent, those and the limit in turn, and then the peers.
pub fn run(board: &mut Board, pools: &[Pool], peers: &mut [Peer]) {
    let tokio = tokio::runtime::Runtime::new().expect("a tokio runtime");
    tokio.block_on(async {
        let mut cores = Vec::new();
        for pool in pools {
            for (agent, word) in [(AgentKind::Shell, "shell"), (AgentKind::Native, "native")] {
                let core = Core::started(pool.provider.clone(), pool.nodes, pool.ssh_config.clone(), Some(agent)).await;
                cores.push((core, pool, format!("{}, {word}", pool.name)));
            }
        }
        let (mut rates, mut others) = (vec![Vec::new(); cores.len()], vec![Vec::new(); peers.len()]);
        let mut cpu = vec![Vec::new(); cores.len()];
        for _ in 0..ROUNDS {
            for ((core, pool, _), (rates, cpu)) in cores.iter().zip(rates.iter_mut().zip(&mut cpu)) {
                let (rate, cost) = core.rate(pool.jobs, pool.submit).await;
                rates.push(rate);
                cpu.push(cost);
            }
            for (peer, rates) in peers.iter_mut().zip(&mut others).filter(|(peer, _)| peer.keeps_no_files()) {
                rates.push(peer.rate());
            }
        }
        for (core, pool, name) in &cores {
            core.singles(board, name, pool).await;
        }
        // They delete what their jobs had, and on an ext4 without a journal whoever makes a file passes over each that was deleted in the
        // last minutes: single jobs of the shell agent took up to 33 ms after them.
        for _ in 0..ROUNDS {
            for (peer, rates) in peers.iter_mut().zip(&mut others).filter(|(peer, _)| !peer.keeps_no_files()) {
                rates.push(peer.rate());
            }
        }
        for ((_, pool, name), (rates, cpu)) in cores.iter().zip(rates.into_iter().zip(cpu)) {
            board.row(&format!("{name}: {} x true", pool.jobs), "jobs/s", rates);
            board.row(&format!("{name}: CPU of core and driver a job"), "ms", cpu);
        }
        for (peer, rates) in peers.iter().zip(others) {
            board.row(peer.name(), "jobs/s", rates);
        }
        for (core, ..) in cores {
            core.stop().await;
        }
    });
}

/// Returns the seconds of CPU that this process had, without what it started.
fn own_cpu() -> f64 {
    let times = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    times.tv_sec as f64 + times.tv_nsec as f64 / 1e9
}

/// A whole core with a pool.
pub struct Core {
    client: Client,
    handle: Handle,
    dir: tempfile::TempDir,
}

impl Core {
    pub async fn start(provider: ProviderSpec, nodes: u32, ssh_config: Option<String>) -> Self {
        Self::started(provider, nodes, ssh_config, None).await
    }

    async fn started(provider: ProviderSpec, nodes: u32, ssh_config: Option<String>, agent: Option<AgentKind>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (calls, receiver) = mpsc::channel(64);
        let options =
            Options { state_dir: dir.path().to_owned(), settings: Settings::default(), ssh_config, socket: String::new() };
        let store = Db::open(&dir.path().join(DATABASE_FILE)).expect("a new store");
        let handle = start(options, Box::new(store), receiver).expect("a core");
        let core = Self { client: Client::embedded(calls), handle, dir };
        core.ask(Request::CreateWorkspace { name: "lab".into(), location: None, tags: BTreeMap::new() }).await;
        core.ask(Request::CreateExperiment { workspace: None, name: "first".into() }).await;
        let scale_settings =
            ScaleSettings::Manual { target_node_count: NodeCount(nodes), node_deallocation_option: Deallocation::Requeue };
        let spec = ClusterSpec {
            provider,
            scale_settings,
            vm_size: None,
            node_setup: None,
            machines: Default::default(),
            pool: Box::new(PoolSpec { agent, ..PoolSpec::default() }),
            slurm: None,
            rest: None,
            kept: Default::default(),
        };
        core.ask(Request::CreateCluster { workspace: None, name: "pool".into(), spec: Box::new(spec) }).await;
        core.until_idle(nodes, agent).await;
        core
    }

    pub async fn ask(&self, request: Request) -> Reply {
        let answer = tokio::time::timeout(DEADLINE, self.client.request(request)).await;
        answer.expect("an answer in time").expect("no refusal")
    }

    pub async fn stop(self) {
        self.handle.stop();
        self.handle.stopped().await.expect("it stops in order");
    }

    /// Waits for so many idle nodes, led by an agent of this kind.
    pub async fn until_idle(&self, nodes: u32, agent: Option<AgentKind>) {
        let mut updates = self.client.subscribe().await.expect("a subscription");
        let mut picture = ostler::model::snapshot::Snapshot::default();
        while picture.nodes.values().filter(|node| node.state == NodeState::Idle).count() < nodes as usize {
            let update = tokio::time::timeout(DEADLINE, updates.recv()).await.expect("nodes in time").expect("updates");
            picture.apply(&update);
            for change in &update.changes {
                if let Change::Node(node) = change
                    && let NodeState::Unusable(why) = &node.state
                {
                    panic!("{}: {why:?}", node.name);
                }
            }
        }
        for facts in picture.nodes.values().filter_map(|node| node.facts.as_ref()) {
            let expected = if agent == Some(AgentKind::Shell) { "" } else { "native" };
            assert!(agent.is_none() || facts.agent == expected, "another agent leads: {}", facts.agent);
        }
    }

    /// Returns the jobs per second from the first submit until all are known to have ended, and the milliseconds of CPU that this
    /// process had for each.
    pub async fn rate(&self, count: usize, submit: fn() -> Submit) -> (f64, f64) {
        let (start, before) = (Instant::now(), own_cpu());
        let submits = (0..count).map(|_| submit()).collect();
        let Reply::Submitted(_) = self.ask(Request::SubmitAll(submits)).await else { panic!("no jobs") };
        // The last of those that have not ended is waited for, until none is left.
        while let Some(last) = self.newest(vec![Queued, Running, Terminating]).await {
            self.ended(JobRef::Id(last)).await;
        }
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), own_cpu() - before);
        assert_eq!(self.newest(vec![Failed]).await, None, "a job failed");
        (count as f64 / seconds, cpu * 1e3 / count as f64)
    }

    /// Returns the newest job in one of these states.
    async fn newest(&self, states: Vec<ExecutionState>) -> Option<JobId> {
        let query = JobQuery { states, limit: 1, newest_first: true, ..JobQuery::default() };
        let Reply::Jobs { jobs, .. } = self.ask(Request::ListJobs(query)).await else { panic!("no jobs") };
        jobs.first().map(|view| view.job.id)
    }

    /// Prints the latencies of single jobs.
    async fn singles(&self, board: &mut Board, name: &str, pool: &Pool) {
        let (mut started, mut known) = (Vec::new(), Vec::new());
        for _ in 0..SINGLES {
            let (start, end) = self.single(pool.submit).await;
            started.push(start);
            known.push(end);
        }
        board.percentiles(&format!("{name}: submit to started"), "ms", started);
        board.percentiles(&format!("{name}: submit to end known (true)"), "ms", known);
        // The end can be told to the nanosecond where its clock is ours.
        if pool.provider == ProviderSpec::Local {
            let mut lags = Vec::new();
            for _ in 0..SINGLES {
                lags.push(self.lag().await);
            }
            board.percentiles(&format!("{name}: ended to known"), "ms", lags);
        }
    }

    /// Returns the milliseconds from submit to started, by the core's own times, and to the end being known.
    async fn single(&self, submit: fn() -> Submit) -> (f64, f64) {
        let start = Instant::now();
        let Reply::Submitted(jobs) = self.ask(Request::Submit(Box::new(submit()))).await else { panic!("no job") };
        let job = self.ended(JobRef::Id(jobs[0].id)).await;
        let known = start.elapsed().as_secs_f64() * 1e3;
        let started = job.last.started.map_or(f64::NAN, |at| at.since(job.created).0 as f64);
        (started, known)
    }

    /// Returns the milliseconds from a job's last act, which is to write down the time, to its end being known.
    async fn lag(&self) -> f64 {
        let file = self.dir.path().join("ended");
        let mut submit = submit();
        submit.spec.toolkit = Toolkit::Custom { command_line: format!("exec date +%s%N >'{}'", file.display()) };
        let Reply::Submitted(jobs) = self.ask(Request::Submit(Box::new(submit))).await else { panic!("no job") };
        self.ended(JobRef::Id(jobs[0].id)).await;
        let known = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_nanos() as f64;
        let ended: f64 = std::fs::read_to_string(&file).expect("the time").trim().parse().expect("nanoseconds");
        (known - ended) / 1e6
    }

    async fn ended(&self, job: JobRef) -> std::sync::Arc<Job> {
        match self.ask(Request::AwaitJob { job, timeout: None }).await {
            Reply::Job(view) => {
                assert_eq!(view.job.last.exit_code, Some(0), "{:?}", view.job.last.errors);
                view.job.clone()
            }
            other => panic!("{other:?}"),
        }
    }
}

pub fn submit() -> Submit {
    let demand = Demand::Part(Resources { cpus_milli: 1_000, ..Resources::default() });
    let spec = JobSpec { demand, ..JobSpec::command("true") };
    Submit { experiment: Place::default(), cluster: Place::default(), name: None, spec, token: None }
}
