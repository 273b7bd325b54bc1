//! Picks metrics out of what running jobs write: now and then one short look at each node on which such a job runs, for all
//! its files together; a program of ours (`assets/agent/metrics.sh`) sends only lines that may hold some. A job that has
//! ended is looked at once more. Nothing of it passes through the core, and a job whose metrics nobody wants costs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::files::LinkSource;
use crate::frameworks;
use crate::model::ids::{JobId, NodeId, SweepId};
use crate::model::metric::{Form, JobMetrics, LINE_BYTES_MAX, LineReader};
use crate::model::state::{ExecutionState, Job};
use crate::model::stopping::Stopping;
use crate::model::units::UnixMillis;
use crate::runtime::engine::Engine;
use crate::runtime::perform;
use crate::runtime::way::Brief;
use crate::store::{Cursor, MetricBatch, MetricError, MetricStore, Store};
use crate::transport::NodeLink;
use crate::transport::link::Traffic;

/// How often each node is looked at: as often as somebody looks at a curve, and a hundred short programs a minute for ten nodes.
pub const EVERY: Duration = Duration::from_secs(5);
/// How many nodes are looked at at once.
const AT_ONCE: usize = 8;
/// The most bytes of one file that one look takes; a file that has more is looked at again at once.
const BYTES_MAX: u64 = 4 << 20;
/// How often a look goes on at once when there is more.
const ROUNDS_MAX: usize = 16;
/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// How often a node that does not answer is asked for the end of a job: it may be back in some minutes.
const TRIES_MAX: u32 = 60;
const PROGRAM: &str = include_str!("../../assets/agent/metrics.sh");
/// The file that `ostler metric` writes, beside the logs.
const SCRIPT_FILE: &str = frameworks::METRICS_FILE;

/// One file of a job, on its node.
#[derive(Clone, Debug)]
struct Source {
    job: JobId,
    /// The attempt and the file: what its cursor is kept under.
    name: String,
    path: String,
    reader: LineReader,
    /// Whether only lines that look like metrics are sent.
    picks: bool,
    /// Whether nothing is added to it any more.
    whole: bool,
    /// By what its job may be stopped early.
    judged: Option<(SweepId, Arc<Stopping>)>,
}

/// A node and the files to look at there.
#[derive(Debug)]
pub struct Look {
    /// The node.
    pub node: NodeId,
    /// The way there.
    pub link: Box<NodeLink>,
    sources: Vec<Source>,
    /// Jobs that have ended: after this look they are done with.
    ended: Vec<JobId>,
}

/// Looks at jobs and keeps what comes of it.
#[derive(Clone)]
pub struct Gatherer {
    store: MetricStore,
    gate: Arc<Semaphore>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Jobs that are looked at, each with how often its end could not be.
    wanted: BTreeMap<JobId, u32>,
    /// Nodes that are being looked at.
    looking: BTreeSet<NodeId>,
}

impl Gatherer {
    /// Returns one that keeps metrics in this file.
    pub fn new(path: &Path) -> Self {
        Self { store: MetricStore::at(path), gate: Arc::new(Semaphore::new(AT_ONCE)), shared: Arc::default() }
    }

    /// Returns the metrics of some jobs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, jobs: &[JobId], curves: &[String]) -> Result<Vec<(JobId, JobMetrics)>, MetricError> {
        // Asked first, so that what is said to be complete was read after its end.
        let wanted: Vec<bool> = jobs.iter().map(|job| self.shared().wanted.contains_key(job)).collect();
        let mut found = self.store.read(jobs, curves)?;
        found.iter_mut().zip(wanted).for_each(|((_, metrics), wanted)| metrics.complete = !wanted);
        Ok(found)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a job from now on, when it runs and its metrics are wanted.
    pub fn follow(&self, job: &Job) {
        if job.is_measured() && matches!(job.state, ExecutionState::Running | ExecutionState::Terminating) {
            self.shared().wanted.entry(job.id).or_default();
        }
    }

    /// Forgets jobs that were deleted.
    pub fn forget(&self, jobs: Vec<JobId>) {
        self.shared().wanted.retain(|job, _| !jobs.contains(job));
        if let Err(error) = self.store.forget(&jobs) {
            tracing::warn!(%error, "metrics of deleted jobs stay");
        }
    }

    /// Returns what is to be looked at now, by node.
    pub fn looks<S: Store>(&self, engine: &Engine<S>) -> Vec<Look> {
        let mut shared = self.shared();
        let mut looks: BTreeMap<NodeId, Look> = BTreeMap::new();
        let jobs: Vec<JobId> = shared.wanted.keys().copied().collect();
        for id in jobs {
            let Ok(Some(job)) = engine.job(id) else {
                shared.wanted.remove(&id);
                continue;
            };
            let index = job.shape.main_nodes.first().copied().unwrap_or_default();
            let link = perform::link_for(engine, &job, index as usize);
            let (Some(node), Some(link)) = (job.nodes.get(index as usize).copied(), link) else {
                if job.state.ended() {
                    shared.wanted.remove(&id);
                }
                continue;
            };
            if shared.looking.contains(&node) || !engine.up.contains(&node) {
                if job.state.ended() {
                    give_up_in_time(&mut shared, id);
                }
                continue;
            }
            if job.state == ExecutionState::Queued {
                continue;
            }
            let look = looks.entry(node).or_insert_with(|| Look {
                node,
                link: Box::new(link),
                sources: Vec::new(),
                ended: Vec::new(),
            });
            look.sources.extend(sources(engine, &job, index));
            if job.state.ended() {
                look.ended.push(id);
            }
        }
        shared.looking.extend(looks.keys());
        looks.into_values().collect()
    }

    /// Looks at a node once, and again while there is more. Returns the jobs that are to be stopped early, and why.
    pub async fn look(&self, look: Look, way: Brief, now: impl Fn() -> UnixMillis) -> Vec<(JobId, String)> {
        // The gate is never closed; without it there would only be more at once.
        let _turn = self.gate.acquire().await;
        let mut done = false;
        let mut stopped = Vec::new();
        for _ in 0..ROUNDS_MAX {
            match timeout(LOOK_MAX, self.round(&look.sources, &way, now(), &mut stopped)).await {
                Ok(Some(more)) if more => {}
                Ok(Some(_)) => {
                    done = true;
                    break;
                }
                Ok(None) | Err(_) => break,
            }
        }
        let mut shared = self.shared();
        shared.looking.remove(&look.node);
        for job in &look.ended {
            if done {
                shared.wanted.remove(job);
            } else {
                give_up_in_time(&mut shared, *job);
            }
        }
        stopped
    }

    /// One question to the node; says whether there is more to read. `None` when it was not answered.
    async fn round(
        &self,
        sources: &[Source],
        way: &Brief,
        at: UnixMillis,
        stopped: &mut Vec<(JobId, String)>,
    ) -> Option<bool> {
        let named: Vec<(JobId, String)> = sources.iter().map(|source| (source.job, source.name.clone())).collect();
        let store = self.store.clone();
        let read = move || store.cursors(&named).map(|cursors| (named, cursors));
        let found = tokio::task::spawn_blocking(read).await.ok()?;
        let (named, cursors) = found.inspect_err(|error| tracing::warn!(%error, "metrics cannot be read")).ok()?;
        let batch = |((job, source), cursor)| MetricBatch { job, source, cursor, readings: Vec::new(), at };
        let mut batches: Vec<MetricBatch> = named.into_iter().zip(cursors).map(batch).collect();
        let before: Vec<u64> = batches.iter().map(|batch| batch.cursor.offset).collect();
        let link = way.link().await?;
        let mut channel = link.open_data(Traffic::Look, PROGRAM).await.ok()?;
        let mut told = format!("{BYTES_MAX}\n");
        for (at, (source, batch)) in sources.iter().zip(&batches).enumerate() {
            let (offset, whole, picks) = (batch.cursor.offset, u8::from(source.whole), u8::from(source.picks));
            told.push_str(&format!("{at}\t{offset}\t{whole}\t{picks}\t{}\n", source.path));
        }
        told.push('\n');
        channel.stdin.write_all(told.as_bytes()).await.ok()?;
        channel.stdin.flush().await.ok()?;
        let most = (BYTES_MAX + 4096) * sources.len() as u64;
        let mut lines = BufReader::new((&mut channel.stdout).take(most));
        let (mut begun, mut more, mut ended) = (false, false, BTreeSet::new());
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut lines).take(LINE_BYTES_MAX as u64 + 64).read_until(b'\n', &mut line).await.ok()?;
            if read == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches('\n');
            if !begun {
                begun = text == "OSTLER-DATA 1";
                continue;
            }
            let mut words = text.splitn(3, ' ');
            let (Some(kind), Some(at)) = (words.next(), words.next().and_then(|word| word.parse::<usize>().ok())) else {
                continue;
            };
            let (Some(source), Some(batch)) = (sources.get(at), batches.get_mut(at)) else { continue };
            match (kind, words.next()) {
                ("R", _) => batch.cursor = Cursor::default(),
                ("L", Some(rest)) => batch.readings.extend(source.reader.read(rest, &mut batch.cursor.memory)),
                ("O", Some(rest)) => {
                    let mut numbers = rest.split(' ').filter_map(|word| word.parse::<u64>().ok());
                    let (Some(offset), Some(size)) = (numbers.next(), numbers.next()) else { continue };
                    more |= offset < size && offset - before[at].min(offset) >= BYTES_MAX / 2;
                    batch.cursor.offset = offset;
                    ended.insert(at);
                }
                (_, _) => {}
            }
        }
        if !begun {
            return None;
        }
        // What has no end behind it was cut off, and is read again.
        let whole: Vec<MetricBatch> =
            batches.into_iter().enumerate().filter(|(at, _)| ended.contains(at)).map(|(_, batch)| batch).collect();
        if whole.is_empty() {
            return Some(false);
        }
        let store = self.store.clone();
        let judged: BTreeMap<JobId, (SweepId, Arc<Stopping>)> =
            sources.iter().filter_map(|source| Some((source.job, source.judged.clone()?))).collect();
        let keep = move || {
            store.add(&whole)?;
            let mut verdicts = Vec::new();
            for batch in whole.iter().filter(|batch| !batch.readings.is_empty()) {
                let Some((sweep, stopping)) = judged.get(&batch.job) else { continue };
                let verdict = store.judge(*sweep, batch.job, stopping, &batch.readings)?;
                verdicts.extend(verdict.map(|why| (batch.job, why)));
            }
            Ok::<_, MetricError>(verdicts)
        };
        let kept = tokio::task::spawn_blocking(keep).await.ok()?;
        stopped.extend(kept.inspect_err(|error| tracing::warn!(%error, "metrics are not kept")).ok()?);
        Some(more)
    }
}

fn give_up_in_time(shared: &mut Shared, job: JobId) {
    if let Some(tries) = shared.wanted.get_mut(&job) {
        *tries += 1;
        if *tries > TRIES_MAX {
            shared.wanted.remove(&job);
        }
    }
}

/// Returns the files of a job that may hold metrics, as they are on the node of its first process.
fn sources<S: Store>(engine: &Engine<S>, job: &Job, index: u32) -> Vec<Source> {
    let names = perform::job_names(&engine.sched, job);
    let Ok(directories) = frameworks::directories(job, index, &names) else { return Vec::new() };
    let folder = |id: &str| directories.iter().find(|(of, _)| of == id).map(|(_, path)| path.clone());
    let Some(logs) = folder(crate::model::request::STDOUTERR) else { return Vec::new() };
    let wanted = job.spec.metrics.as_deref().cloned().unwrap_or_default();
    let whole = job.state.ended();
    let sweep = job.sweep.as_ref().and_then(|member| engine.sched.sweeps().get(&member.of)).filter(|_| !whole);
    let judged = sweep.and_then(|sweep| Some((sweep.id, Arc::new(sweep.spec.stopping.clone()?))));
    let source = |file: String, path: String, reader: LineReader, picks: bool| Source {
        job: job.id,
        name: format!("{} {file}", job.attempt.0),
        path,
        reader,
        picks,
        whole,
        judged: judged.clone(),
    };
    let mut found =
        vec![source(SCRIPT_FILE.to_owned(), format!("{logs}/{SCRIPT_FILE}"), LineReader::new(Form::NameValue, &[]), true)];
    let form = wanted.log.unwrap_or_default();
    if form != Form::Off || !wanted.patterns.is_empty() {
        let file = job.log_name("stdout", 0);
        let reader = LineReader::new(form, &wanted.patterns);
        found.push(source(file.clone(), format!("{logs}/{file}"), reader, wanted.patterns.is_empty()));
    }
    for file in &wanted.files {
        let Some(directory) = folder(&file.directory) else { continue };
        let by_name = if file.file.ends_with(".csv") { Form::Csv } else { Form::Usual };
        let reader = match &file.pattern {
            Some(pattern) => LineReader::new(file.form.unwrap_or(Form::Off), std::slice::from_ref(pattern)),
            None => LineReader::new(file.form.unwrap_or(by_name), &[]),
        };
        let name = format!("{}/{}", file.directory, file.file);
        found.push(source(name, format!("{directory}/{}", file.file), reader, false));
    }
    // A path that a line of the question cannot hold is none of a job's own.
    found.retain(|source| !source.path.contains(['\t', '\n']));
    found
}
