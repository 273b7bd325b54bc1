//! The demo: real training runs on four nodes that are this machine, in a directory of its own. `ostler demo` is
//! [`Demo::open`], then the screen on [`Demo::client`], then [`Demo::close`]; without a screen it is [`headless`].
//!
//! Nothing is left behind: [`Demo::close`] ends every attempt and waits for the proof, and only then removes the directory.
//! What a `kill -9` left is found by the next demo; since its processes may still run, that one starts a core on it, ends
//! all as its own, and then removes it. The core is never handed over to a background host.

mod ground;

use ground::{Ground, abandoned};

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use tokio::signal::unix::{SignalKind, signal};

use crate::api::Client;
use crate::api::host::{self, HostOptions, Mode};
use crate::model::fault::{Fault, FaultKind};
use crate::model::ids::{JobId, NodeId};
use crate::model::metric::{Metrics, Pattern};
use crate::model::request::{JobAct, JobRef, Place, Request, Submit};
use crate::model::settings::Settings;
use crate::model::snapshot::{Change, Snapshot, Update};
use crate::model::spec::cluster::{ClusterSpec, ProviderSpec};
use crate::model::spec::job::{Constraints, EnvironmentVariable, InputDirectory, JobSpec};
use crate::model::state::{ExecutionState, Job, Node};
use crate::model::units::{Millis, NodeCount, UnixMillis};

use super::failure::INTERRUPTED;

/// The name of the demo's workspace.
pub const WORKSPACE: &str = "demo";
/// The name of the demo's cluster.
pub const CLUSTER: &str = "local";
/// The name of the demo's experiment.
pub const EXPERIMENT: &str = "penguins";

/// As many nodes as fit beside one another on a small machine; each job is one thread.
const NODES: NodeCount = NodeCount(4);
/// Learning rates from one that learns nothing in time to one that is as fast as it gets.
const LEARNING_RATES: [&str; 6] = ["0.001", "0.003", "0.01", "0.03", "0.1", "1"];
const SEEDS: [u32; 2] = [1, 2];
/// Seconds between two lines of a job's log: slow enough to be read, fast enough to be watched.
const PACE: &str = "0.25";
/// A training run takes some ten seconds; one that takes this long hangs.
const JOB_LIMIT: Millis = Millis::from_mins(5);
/// The whole demo takes under a minute; a machine on which it takes this long does not get it done.
const HEADLESS_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long to wait until all that was stopped is proven gone: the time between TERM and KILL (30 s), and as much again
/// for a busy machine.
const FINISH_LIMIT: Duration = Duration::from_secs(60);

/// Between TERM and KILL here: a training run ends at once when it is told to.
const GRACE: Millis = Millis::from_secs(2);

/// A demo that runs.
pub struct Demo {
    ground: Ground,
    core: host::Session,
}

impl Demo {
    /// Clears what killed demos left, makes a directory, hosts a core there, and submits the jobs.
    ///
    /// # Errors
    /// That the directory cannot be made, or that the core does not start; nothing is left then.
    pub async fn open(settings: &Settings) -> Result<Self, Fault> {
        for ground in abandoned() {
            // Another user's, or one that cannot be read any more: it is in nobody's way here.
            if let Err(fault) = clear(settings, ground).await {
                tracing::warn!("{fault}: {:?}", fault.causes);
            }
        }
        let ground = Ground::create()?;
        let demo = match Self::on(settings, ground.clone()).await {
            Ok(demo) => demo,
            Err(fault) => return ground.remove().and(Err(fault)),
        };
        match fill(&demo.client(), &demo.ground).await {
            Ok(()) => Ok(demo),
            Err(fault) => demo.close().await.and(Err(fault)),
        }
    }

    async fn on(settings: &Settings, ground: Ground) -> Result<Self, Fault> {
        let settings = Settings { kill_grace: GRACE, webhook: None, ..settings.clone() };
        let core = host::open(HostOptions::new(ground.state_dir(), settings, Mode::ForceEmbedded)).await?;
        Ok(Self { ground, core })
    }

    /// Returns a client of the demo's core.
    pub fn client(&self) -> Client {
        self.core.client()
    }

    /// Returns the demo's state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.ground.state_dir()
    }

    /// Ends every attempt, waits for the proof, ends the core, and removes the directory.
    ///
    /// # Errors
    /// What is not proven to have ended, or cannot be removed; the directory then stays for the next demo to clear.
    pub async fn close(self) -> Result<(), Fault> {
        let finished = finish(&self.core.client()).await;
        self.core.close().await?;
        finished.map_err(|fault| fault.hint("start the demo again: it clears what is left"))?;
        self.ground.remove()
    }
}

async fn clear(settings: &Settings, ground: Ground) -> Result<(), Fault> {
    if ground.is_empty() {
        return ground.remove();
    }
    Demo::on(settings, ground).await?.close().await
}

/// Runs the demo without a screen: prints each change of state, and returns the exit code.
///
/// # Errors
/// As [`Demo::open`] and [`Demo::close`], or that it took too long.
pub async fn headless(settings: &Settings, out: &mut (dyn Write + Send)) -> Result<i32, Fault> {
    // Before anything is started, so that from now on a signal ends the demo in order.
    let mut signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Fault::internal("cannot watch for signals").because(&e))?;
    let demo = Demo::open(settings).await?;
    let client = demo.client();
    let signalled = futures_util::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv())));
    let result = tokio::select! {
        watched = watch(&client, out) => watched.map(|all_succeeded| i32::from(!all_succeeded)),
        _ = signalled => Ok(INTERRUPTED),
    };
    demo.close().await?;
    result
}

/// Makes the demo's workspace, cluster and experiment, and submits its jobs.
///
/// # Errors
/// The core's refusal.
async fn fill(client: &Client, ground: &Ground) -> Result<(), Fault> {
    let workspace = Some(WORKSPACE.to_owned());
    let tags = [("purpose".to_owned(), "demo".to_owned())].into();
    client.request(Request::CreateWorkspace { name: WORKSPACE.to_owned(), location: None, tags }).await?;
    let spec = ClusterSpec::new(ProviderSpec::Local, NODES);
    client
        .request(Request::CreateCluster { workspace: workspace.clone(), name: CLUSTER.to_owned(), spec: Box::new(spec) })
        .await?;
    client.request(Request::CreateExperiment { workspace, name: EXPERIMENT.to_owned() }).await?;
    client.request(Request::SubmitAll(jobs(&ground.data_dir()))).await?;
    Ok(())
}

/// Prints each state change of nodes and jobs until all jobs have ended, and returns whether all have succeeded.
///
/// # Errors
/// That the core stopped, that the output is closed, or that it took too long.
async fn watch(client: &Client, out: &mut (dyn Write + Send)) -> Result<bool, Fault> {
    let mut picture = Picture::subscribe(client).await?;
    let ended = async {
        loop {
            let update = picture.next_update().await?;
            for line in picture.take(&update) {
                writeln!(out, "{line}").map_err(|e| Fault::user("standard output is closed").because(&e))?;
            }
            let jobs = &picture.snapshot.jobs;
            if !jobs.is_empty() && jobs.values().all(|job| job.state.ended()) {
                return Ok(jobs.values().all(|job| job.state == ExecutionState::Succeeded));
            }
        }
    };
    match tokio::time::timeout(HEADLESS_LIMIT, ended).await {
        Ok(result) => result,
        Err(_) => Err(Fault::user(format!("the demo's jobs have not ended within {} s", HEADLESS_LIMIT.as_secs()))),
    }
}

/// Ends every job, gives all nodes back, and returns once that is proven.
///
/// # Errors
/// That something could not be proven gone in time; the directory must then be kept.
async fn finish(client: &Client) -> Result<(), Fault> {
    let mut picture = Picture::subscribe(client).await?;
    let first = picture.next_update().await?;
    picture.snapshot.apply(&first);
    let clusters: Vec<String> = picture.snapshot.clusters.values().map(|cluster| cluster.name.clone()).collect();
    for job in picture.snapshot.jobs.values().filter(|job| !job.state.ended()) {
        stop(client, job).await?;
    }
    let gone = async {
        while picture.snapshot.jobs.values().any(|job| !job.state.ended()) {
            let update = picture.next_update().await?;
            picture.snapshot.apply(&update);
        }
        for name in clusters {
            let cluster = Place { workspace: Some(WORKSPACE.to_owned()), name: Some(name) };
            client.request(Request::DeleteCluster { cluster, force: true }).await?;
        }
        while !picture.snapshot.nodes.is_empty() || !picture.snapshot.clusters.is_empty() {
            let update = picture.next_update().await?;
            picture.snapshot.apply(&update);
        }
        Ok(())
    };
    let done = tokio::time::timeout(FINISH_LIMIT, gone).await;
    done.unwrap_or_else(|_| Err(Fault::user("not everything that the demo started is proven to have ended")))
}

/// A job that ends by itself at this moment is no error.
async fn stop(client: &Client, job: &Job) -> Result<(), Fault> {
    let act = JobAct::Terminate { hold: Millis(0) };
    match client.request(Request::Job { job: JobRef::Id(job.id), act }).await {
        Ok(_) => Ok(()),
        Err(fault) if fault.kind == FaultKind::User => Ok(()),
        Err(fault) => Err(fault),
    }
}

fn jobs(data: &Path) -> Vec<Submit> {
    let place = |name: &str| Place { workspace: Some(WORKSPACE.to_owned()), name: Some(name.to_owned()) };
    let runs = SEEDS.iter().flat_map(|seed| LEARNING_RATES.iter().map(move |rate| (*rate, *seed)));
    runs.enumerate()
        .map(|(at, (rate, seed))| Submit {
            experiment: place(EXPERIMENT),
            cluster: place(CLUSTER),
            name: Some(format!("lr-{}-seed-{seed}", rate.replace('.', "_"))),
            // The lengths differ, so that jobs do not all end at once.
            spec: job(data, rate, seed, 30 + 6 * (at as u32 % 4)),
            token: None,
        })
        .collect()
}

/// What the log of a job says, which is drawn; its lines stand in columns, which no usual form has.
const METRICS: [(&str, &str); 2] =
    [("loss", r"step +(?<step>\d+) +loss (?<value>\S+)"), ("accuracy", r"step +(?<step>\d+) .*accuracy (?<value>\S+)")];

fn job(data: &Path, rate: &str, seed: u32, epochs: u32) -> JobSpec {
    let variable = |name: &str, value: String| EnvironmentVariable { name: name.to_owned(), value };
    JobSpec {
        input_directories: vec![InputDirectory { id: "DATA".to_owned(), path: data.to_string_lossy().into_owned() }],
        environment_variables: vec![
            variable("LR", rate.to_owned()),
            variable("SEED", seed.to_string()),
            variable("EPOCHS", epochs.to_string()),
            variable("PACE", PACE.to_owned()),
        ],
        constraints: Constraints { max_wall_clock_time: JOB_LIMIT },
        metrics: Some(Box::new(Metrics {
            patterns: METRICS.map(|(name, regex)| Pattern { name: Some(name.to_owned()), regex: regex.to_owned() }).to_vec(),
            ..Metrics::default()
        })),
        ..JobSpec::command("sh \"$AZ_BATCHAI_INPUT_DATA/train.sh\"")
    }
}

/// What is so, kept current.
struct Picture {
    updates: mpsc::Receiver<Arc<Update>>,
    snapshot: Snapshot,
}

impl Picture {
    async fn subscribe(client: &Client) -> Result<Self, Fault> {
        Ok(Self { updates: client.subscribe().await?, snapshot: Snapshot::default() })
    }

    async fn next_update(&mut self) -> Result<Arc<Update>, Fault> {
        let stopped = || Fault::internal("the core has stopped").hint("start the demo again: it clears what is left");
        self.updates.recv().await.ok_or_else(stopped)
    }

    /// Applies an update and returns a line for each change of a state.
    fn take(&mut self, update: &Update) -> Vec<String> {
        let before = self.snapshot.clone();
        self.snapshot.apply(update);
        let mut lines = Vec::new();
        for change in &update.changes {
            match change {
                Change::Node(node) => lines.extend(node_line(update.at, before.nodes.get(&node.id), node)),
                Change::Job(job) => lines.extend(job_line(update.at, before.jobs.get(&job.id), job)),
                Change::Group(_)
                | Change::Workspace(_)
                | Change::Cluster(_)
                | Change::FileServer(_)
                | Change::Experiment(_)
                | Change::Sweep(_)
                | Change::Site(_)
                | Change::Gone(_) => {}
            }
        }
        lines
    }
}

fn node_line(at: UnixMillis, before: Option<&Arc<Node>>, now: &Node) -> Option<String> {
    let former = before.map_or("new", |node| node.state.word());
    let name = if now.name.is_empty() { NodeId::to_string(&now.id) } else { now.name.clone() };
    (former != now.state.word()).then(|| format!("{}  node {name}  {former} -> {}", at.rfc3339(), now.state.word()))
}

fn job_line(at: UnixMillis, before: Option<&Arc<Job>>, now: &Job) -> Option<String> {
    let former = before.map_or("new", |job| job.state.word());
    if former == now.state.word() {
        return None;
    }
    let more = match now.state {
        ExecutionState::Queued | ExecutionState::Terminating => String::new(),
        ExecutionState::Running => format!(" on {}", now.last.node_names.join(", ")),
        ExecutionState::Succeeded | ExecutionState::Failed => {
            let code = now.last.exit_code.map_or_else(|| "none".to_owned(), |code| code.to_string());
            let why = now.last.errors.first().map(|e| format!(": {}", e.message)).unwrap_or_default();
            format!(", exit code {code}{why}")
        }
    };
    Some(format!("{}  job {} {}  {former} -> {}{more}", at.rfc3339(), JobId::to_string(&now.id), now.name, now.state.word()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::names::{check_name, check_variable};

    #[test]
    fn a_dozen_jobs_with_names_that_may_be_used() {
        let jobs = jobs(Path::new("/demo/data"));
        assert_eq!(jobs.len(), 12);
        let names: BTreeSet<_> = jobs.iter().filter_map(|job| job.name.clone()).collect();
        assert_eq!(names.len(), jobs.len());
        for job in &jobs {
            assert_eq!(check_name(job.name.as_deref().unwrap()), Ok(()));
            assert!(job.spec.environment_variables.iter().all(|v| check_variable(&v.name).is_ok()));
            assert_eq!(job.spec.input_directories[0].path, "/demo/data");
        }
        assert!(names.contains("lr-0_001-seed-1"), "{names:?}");
    }
}
