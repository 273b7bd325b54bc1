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
use crate::model::events_file;
use crate::model::ids::{JobId, NodeId, SweepId};
use crate::model::metric::{Form, JobMetrics, LINE_BYTES_MAX, LineReader, Metrics, Reading};
use crate::model::rule::{Fired, Rule};
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
/// How many looks at a job wait for one at its former attempt.
const FORMER_TRIES_MAX: u32 = 2;
const PROGRAM: &str = include_str!("../../assets/agent/metrics.sh");
/// How often nodes are looked at on which no first process of a job runs, counted in looks at those on which one does.
const OTHERS_EVERY: u64 = 6;
/// How many files fit one pattern at most: those of a job's restarts.
const FILES_MAX: usize = 64;
/// The longest answer that names them.
const NAMES_BYTES_MAX: u64 = 256 << 10;

/// How a file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// All its lines.
    Lines,
    /// Only lines that look like metrics.
    Picked,
    /// Its bytes: an event file.
    Bytes,
    /// Which files fit its path: a pattern.
    Names,
}

impl Sent {
    /// Returns its word in a question.
    fn word(self) -> u8 {
        match self {
            Self::Lines => 0,
            Self::Picked => 1,
            Self::Bytes => 2,
            Self::Names => 3,
        }
    }
}

/// One file of a job, on its node.
#[derive(Clone, Debug)]
struct Source {
    job: JobId,
    /// The attempt and the file: what its cursor is kept under.
    name: String,
    path: String,
    /// Where it is while the folder of its path is not there.
    otherwise: Option<String>,
    reader: LineReader,
    sent: Sent,
    /// What stands before and behind the names of its metrics.
    around: (String, String),
    /// Whether nothing is added to it any more.
    whole: bool,
    attempt: u32,
    rules: Arc<[Rule]>,
    /// By what its job may be stopped early.
    judged: Option<(SweepId, Arc<Stopping>)>,
}

/// What is to be done with a job by what was read of it.
#[derive(Debug)]
pub enum Verdict {
    /// It is not worth its nodes any more.
    Stop(JobId, String),
    /// A rule of it has come true on a node.
    Fired(JobId, NodeId, Fired),
}

/// A node and the files to look at there.
#[derive(Debug)]
pub struct Look {
    /// The node.
    pub node: NodeId,
    /// The way there.
    pub link: Box<NodeLink>,
    sources: Vec<Source>,
    /// Jobs that have ended, each with the number of its nodes: after a look at all of them they are done with.
    ended: Vec<(JobId, usize)>,
    /// The same for attempts that were followed by another one.
    former: Vec<(JobId, u32)>,
}

impl Look {
    fn at(node: NodeId, link: NodeLink) -> Self {
        Self { node, link: Box::new(link), sources: Vec::new(), ended: Vec::new(), former: Vec::new() }
    }
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
    /// Of jobs that have ended, the nodes that were looked at since.
    over: BTreeMap<JobId, BTreeSet<NodeId>>,
    /// Attempts that run, as they were last seen: a job that is tried again does not say where it was before.
    running: BTreeMap<JobId, Arc<Job>>,
    /// Attempts that have ended, and whose job has not: what they wrote last was not read yet.
    former: BTreeMap<(JobId, u32), Former>,
    /// Rules that have come true, by job, attempt and rule, so that each does so once.
    fired: BTreeSet<(JobId, u32, String)>,
    /// How many turns there were.
    turns: u64,
}

/// An attempt that was followed by another one.
struct Former {
    job: Arc<Job>,
    /// The nodes that were looked at since it ended.
    over: BTreeSet<NodeId>,
    /// How often a node could not be.
    tries: u32,
}

impl Shared {
    fn done_with(&mut self, job: JobId) {
        self.wanted.remove(&job);
        self.over.remove(&job);
        self.running.remove(&job);
        let former: Vec<_> = self.former.range((job, 0)..=(job, u32::MAX)).map(|(key, _)| *key).collect();
        former.iter().for_each(|key| drop(self.former.remove(key)));
        let own: Vec<_> = self.fired.range((job, 0, String::new())..(JobId(job.0 + 1), 0, String::new())).cloned().collect();
        self.fired.retain(|one| !own.contains(one));
    }

    /// Keeps the attempt that ran last for one more look, when this row of its job is of a later one.
    fn keep_former(&mut self, row: &Job) {
        let later = |ran: &&Arc<Job>| ran.attempt < row.attempt || row.state == ExecutionState::Queued;
        if self.running.get(&row.id).filter(later).is_some()
            && let Some(job) = self.running.remove(&row.id)
        {
            let former = Former { job: job.clone(), over: BTreeSet::new(), tries: 0 };
            self.former.insert((job.id, job.attempt.0), former);
        }
    }

    /// Says whether a job is looked at only after its former attempt, so that what is read last is what was written last. One
    /// that cannot be reached is not waited for.
    fn waits_for_former(&self, job: JobId) -> bool {
        self.former.range((job, 0)..=(job, u32::MAX)).any(|(_, former)| former.tries < FORMER_TRIES_MAX)
    }

    /// A node of a former attempt was looked at, or can never be.
    fn former_over(&mut self, key: (JobId, u32), node: NodeId) {
        let Some(former) = self.former.get_mut(&key) else { return };
        former.over.insert(node);
        if former.job.last.nodes.iter().all(|node| former.over.contains(node)) {
            self.former.remove(&key);
        }
    }

    /// A node of a former attempt could not be looked at this time.
    fn former_missed(&mut self, key: (JobId, u32)) {
        let Some(former) = self.former.get_mut(&key) else { return };
        former.tries += 1;
        if former.tries > TRIES_MAX {
            self.former.remove(&key);
        }
    }

    /// A node of a job that has ended needs no other look.
    fn over(&mut self, job: JobId, node: NodeId, of: usize) {
        let over = self.over.entry(job).or_default();
        over.insert(node);
        if over.len() >= of {
            self.done_with(job);
        }
    }
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
        let more = |shared: &Shared, job: JobId| {
            shared.wanted.contains_key(&job) || shared.former.range((job, 0)..=(job, u32::MAX)).next().is_some()
        };
        let wanted: Vec<bool> = jobs.iter().map(|job| more(&self.shared(), *job)).collect();
        let mut found = self.store.read(jobs, curves)?;
        found.iter_mut().zip(wanted).for_each(|((_, metrics), wanted)| metrics.complete = !wanted);
        Ok(found)
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a job from now on, when it runs and its metrics are wanted.
    pub fn follow(&self, job: &Arc<Job>) {
        if !job.is_measured() {
            return;
        }
        let mut shared = self.shared();
        shared.keep_former(job);
        if matches!(job.state, ExecutionState::Running | ExecutionState::Terminating) {
            shared.wanted.entry(job.id).or_default();
            shared.running.insert(job.id, job.clone());
        }
    }

    /// Forgets jobs that were deleted.
    pub fn forget(&self, jobs: Vec<JobId>) {
        let mut shared = self.shared();
        jobs.iter().for_each(|job| shared.done_with(*job));
        drop(shared);
        if let Err(error) = self.store.forget(&jobs) {
            tracing::warn!(%error, "metrics of deleted jobs stay");
        }
    }

    /// Returns what is to be looked at now, by node.
    pub fn looks<S: Store>(&self, engine: &Engine<S>) -> Vec<Look> {
        let mut shared = self.shared();
        let mut looks: BTreeMap<NodeId, Look> = BTreeMap::new();
        let jobs: Vec<JobId> = shared.wanted.keys().copied().collect();
        shared.turns += 1;
        for id in jobs {
            let Ok(Some(job)) = engine.job(id) else {
                shared.done_with(id);
                continue;
            };
            if job.state == ExecutionState::Queued || shared.waits_for_former(id) {
                continue;
            }
            let (ended, of) = (job.state.ended(), job.last.nodes.len());
            if of == 0 && ended {
                shared.done_with(id);
            }
            let first = job.shape.main_nodes.first().copied().unwrap_or_default() as usize;
            let wide = job.spec.metrics.as_ref().is_some_and(|metrics| metrics.all_processes || has_line_rules(metrics));
            let all = ended || wide || shared.turns.is_multiple_of(OTHERS_EVERY);
            for (index, node) in job.last.nodes.iter().copied().enumerate().filter(|(index, _)| all || *index == first) {
                if shared.over.get(&id).is_some_and(|over| over.contains(&node)) {
                    continue;
                }
                let Some(link) = perform::link_for(engine, &job, index) else {
                    if ended {
                        shared.over(id, node, of);
                    }
                    continue;
                };
                if shared.looking.contains(&node) || !engine.up.contains(&node) {
                    if ended {
                        give_up_in_time(&mut shared, id);
                    }
                    continue;
                }
                let look = looks.entry(node).or_insert_with(|| Look::at(node, link));
                look.sources.extend(sources(engine, &job, index as u32, ended));
                if ended {
                    look.ended.push((id, of));
                }
            }
        }
        let former: Vec<_> = shared.former.iter().map(|(key, former)| (*key, former.job.clone())).collect();
        for (key, job) in former {
            for (index, node) in job.last.nodes.iter().copied().enumerate() {
                if shared.former.get(&key).is_some_and(|former| former.over.contains(&node)) {
                    continue;
                }
                let Some(link) = perform::link_for(engine, &job, index) else {
                    shared.former_over(key, node);
                    continue;
                };
                if shared.looking.contains(&node) || !engine.up.contains(&node) {
                    shared.former_missed(key);
                    continue;
                }
                let look = looks.entry(node).or_insert_with(|| Look::at(node, link));
                look.sources.extend(former_logs(sources(engine, &job, index as u32, true), key.1));
                look.former.push(key);
            }
        }
        shared.looking.extend(looks.keys());
        looks.into_values().collect()
    }

    /// Looks at a node once, and again while there is more. Returns what is to be done with its jobs.
    pub async fn look(&self, look: Look, way: Brief, now: impl Fn() -> UnixMillis) -> Vec<Verdict> {
        // The gate is never closed; without it there would only be more at once.
        let _turn = self.gate.acquire().await;
        let mut done = false;
        let mut verdicts = Vec::new();
        if let Ok(Some(sources)) = timeout(LOOK_MAX, named(&look.sources, &way)).await {
            for _ in 0..ROUNDS_MAX {
                match timeout(LOOK_MAX, self.round(look.node, &sources, &way, now(), &mut verdicts)).await {
                    Ok(Some(more)) if more => {}
                    Ok(Some(_)) => {
                        done = true;
                        break;
                    }
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let mut shared = self.shared();
        shared.looking.remove(&look.node);
        for (job, of) in &look.ended {
            if done {
                shared.over(*job, look.node, *of);
            } else {
                give_up_in_time(&mut shared, *job);
            }
        }
        for key in look.former {
            if done { shared.former_over(key, look.node) } else { shared.former_missed(key) }
        }
        verdicts
    }

    /// Says that a rule has come true, unless it has in this attempt.
    fn fire(&self, verdicts: &mut Vec<Verdict>, node: NodeId, source: &Source, rule: &Rule, why: String, at: UnixMillis) {
        let key = (source.job, source.attempt, rule.to_string());
        if self.shared().fired.insert(key) {
            let fired = Fired { at, rule: rule.to_string(), why, act: rule.act, attempt: source.attempt };
            verdicts.push(Verdict::Fired(source.job, node, fired));
        }
    }

    /// One question to the node; says whether there is more to read. `None` when it was not answered.
    async fn round(
        &self,
        node: NodeId,
        sources: &[Source],
        way: &Brief,
        at: UnixMillis,
        verdicts: &mut Vec<Verdict>,
    ) -> Option<bool> {
        let seen_at = at;
        if sources.is_empty() {
            return Some(false);
        }
        let named: Vec<(JobId, String)> = sources.iter().map(|source| (source.job, source.name.clone())).collect();
        let store = self.store.clone();
        let read = move || store.cursors(&named).map(|cursors| (named, cursors));
        let found = tokio::task::spawn_blocking(read).await.ok()?;
        let (named, cursors) = found.inspect_err(|error| tracing::warn!(%error, "metrics cannot be read")).ok()?;
        let batch = |((job, source), cursor)| MetricBatch { job, source, cursor, readings: Vec::new(), at };
        let mut batches: Vec<MetricBatch> = named.into_iter().zip(cursors).map(batch).collect();
        let before: Vec<u64> = batches.iter().map(|batch| batch.cursor.offset).collect();
        let mut bytes: Vec<Vec<u8>> = vec![Vec::new(); sources.len()];
        let link = way.link().await?;
        let mut channel = link.open_data(Traffic::Look, PROGRAM).await.ok()?;
        let told = question(sources.iter().zip(batches.iter().map(|batch| batch.cursor.offset)));
        channel.stdin.write_all(told.as_bytes()).await.ok()?;
        channel.stdin.flush().await.ok()?;
        // An event file comes as two digits for each byte, with a word before every sixteen of them.
        let most = (3 * BYTES_MAX + 4096) * sources.len() as u64;
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
                ("L", Some(rest)) => {
                    for rule in source.rules.iter().filter(|rule| rule.is_of_lines()) {
                        if let Some(why) = rule.by_line(rest) {
                            self.fire(verdicts, node, source, rule, why, seen_at);
                        }
                    }
                    let found = source.reader.read(rest, &mut batch.cursor.memory);
                    batch.readings.extend(found.into_iter().map(|reading| source.own(reading)));
                }
                ("B", Some(rest)) => bytes[at].extend(hexadecimal(rest)),
                ("O", Some(rest)) => {
                    let mut numbers = rest.split(' ').filter_map(|word| word.parse::<u64>().ok());
                    let (Some(mut offset), Some(size)) = (numbers.next(), numbers.next()) else { continue };
                    if source.sent == Sent::Bytes {
                        let found = events_file::read(&bytes[at], size.saturating_sub(offset));
                        if found.broken {
                            tracing::warn!(path = %source.path, "an event file is damaged and is not read any further");
                        }
                        batch.readings.extend(found.readings.into_iter().map(|reading| source.own(reading)));
                        offset = if found.broken { size } else { offset + found.used };
                    }
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
        for batch in &whole {
            let Some(source) = sources.iter().find(|source| source.job == batch.job && source.name == batch.source) else {
                continue;
            };
            for rule in source.rules.iter() {
                if let Some(why) = batch.readings.iter().find_map(|reading| rule.by_reading(reading)) {
                    self.fire(verdicts, node, source, rule, why, seen_at);
                }
            }
        }
        let store = self.store.clone();
        let judged: BTreeMap<JobId, (SweepId, Arc<Stopping>)> =
            sources.iter().filter_map(|source| Some((source.job, source.judged.clone()?))).collect();
        let keep = move || {
            store.add(&whole)?;
            let mut stopped = Vec::new();
            for batch in whole.iter().filter(|batch| !batch.readings.is_empty()) {
                let Some((sweep, stopping)) = judged.get(&batch.job) else { continue };
                let verdict = store.judge(*sweep, batch.job, stopping, &batch.readings)?;
                stopped.extend(verdict.map(|why| Verdict::Stop(batch.job, why)));
            }
            Ok::<_, MetricError>(stopped)
        };
        let kept = tokio::task::spawn_blocking(keep).await.ok()?;
        verdicts.extend(kept.inspect_err(|error| tracing::warn!(%error, "metrics are not kept")).ok()?);
        Some(more)
    }
}

impl Source {
    /// Returns a reading under the name that it has in this source.
    fn own(&self, mut reading: Reading) -> Reading {
        if !self.around.0.is_empty() || !self.around.1.is_empty() {
            reading.name = format!("{}{}{}", self.around.0, reading.name, self.around.1);
        }
        reading
    }

    /// Returns the source that one of the files is which fit its pattern.
    fn found(&self, path: &str) -> Self {
        let folder = |path: &str| path.rsplit('/').nth(1).unwrap_or_default().to_owned();
        let mut own = Self { path: path.to_owned(), sent: Sent::Bytes, ..self.clone() };
        // Files of several folders have the same tags: `train` and `validation` of Keras.
        if folder(&self.path).contains(['*', '?', '[']) {
            own.around.0 = format!("{}.", folder(path));
        }
        let file = path.rsplit('/').take(2).collect::<Vec<_>>();
        own.name = format!("{} {}", self.name, file.into_iter().rev().collect::<Vec<_>>().join("/"));
        own
    }
}

/// Returns the question for some sources, each with the offset to read it from.
fn question<'a>(sources: impl Iterator<Item = (&'a Source, u64)>) -> String {
    let mut told = format!("{BYTES_MAX}\n");
    for (at, (source, offset)) in sources.enumerate() {
        let (whole, sent) = (u8::from(source.whole), source.sent.word());
        let other = source.otherwise.as_deref().unwrap_or_default();
        told.push_str(&format!("{at}\t{offset}\t{whole}\t{sent}\t{}\t{other}\n", source.path));
    }
    told.push('\n');
    told
}

/// Puts the files that fit them in the place of patterns; asks the node only when there are some.
async fn named(sources: &[Source], way: &Brief) -> Option<Vec<Source>> {
    let patterns: Vec<&Source> = sources.iter().filter(|source| source.sent == Sent::Names).collect();
    let mut all: Vec<Source> = sources.iter().filter(|source| source.sent != Sent::Names).cloned().collect();
    if patterns.is_empty() {
        return Some(all);
    }
    let link = way.link().await?;
    let mut channel = link.open_data(Traffic::Look, PROGRAM).await.ok()?;
    let told = question(patterns.iter().map(|source| (*source, 0)));
    channel.stdin.write_all(told.as_bytes()).await.ok()?;
    channel.stdin.flush().await.ok()?;
    let mut text = String::new();
    (&mut channel.stdout).take(NAMES_BYTES_MAX).read_to_string(&mut text).await.ok()?;
    let (_, text) = text.split_once("OSTLER-DATA 1\n")?;
    let file = |line: &str| {
        let (at, path) = line.strip_prefix("F ")?.split_once(' ')?;
        Some(patterns.get(at.parse::<usize>().ok()?)?.found(path))
    };
    all.extend(text.lines().filter_map(file).take(FILES_MAX));
    Some(all)
}

/// Reads bytes that are written as two digits each.
fn hexadecimal(text: &str) -> impl Iterator<Item = u8> + '_ {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default() as u8;
    text.trim().as_bytes().chunks_exact(2).map(move |pair| digit(pair[0]) << 4 | digit(pair[1]))
}

fn has_line_rules(metrics: &Metrics) -> bool {
    metrics.rules.iter().any(Rule::is_of_lines)
}

fn give_up_in_time(shared: &mut Shared, job: JobId) {
    if let Some(tries) = shared.wanted.get_mut(&job) {
        *tries += 1;
        if *tries > TRIES_MAX {
            shared.done_with(job);
        }
    }
}

/// Returns the logs of an attempt that another one followed: it moves them when it begins on the same node. What lies in other
/// directories is the next attempt's to go on with, and is read with that.
fn former_logs(sources: Vec<Source>, attempt: u32) -> impl Iterator<Item = Source> {
    let moved = move |source: Source| {
        let (folder, file) = source.path.rsplit_once('/')?;
        let path = format!("{folder}/attempt-{attempt}/{file}");
        // A log is called by its file alone.
        let is_log = source.name.strip_prefix(&format!("{attempt} ")) == Some(file);
        is_log.then(|| Source { otherwise: Some(source.path.clone()), path, ..source.clone() })
    };
    sources.into_iter().filter_map(moved)
}

/// Returns the files of a job that may hold metrics, as they are on one of its nodes; `whole`: nothing is added to them any more.
fn sources<S: Store>(engine: &Engine<S>, job: &Job, index: u32, whole: bool) -> Vec<Source> {
    let names = perform::job_names(&engine.sched, job);
    let Ok(directories) = frameworks::directories(job, index, &names) else { return Vec::new() };
    let folder = |id: &str| directories.iter().find(|(of, _)| of == id).map(|(_, path)| path.clone());
    let Some(logs) = folder(crate::model::request::STDOUTERR) else { return Vec::new() };
    let wanted = job.spec.metrics.as_deref().cloned().unwrap_or_default();
    let sweep = job.sweep.as_ref().and_then(|member| engine.sched.sweeps().get(&member.of)).filter(|_| !whole);
    let judged = sweep.and_then(|sweep| Some((sweep.id, Arc::new(sweep.spec.stopping.clone()?))));
    let of_lines = has_line_rules(&wanted);
    let rules: Arc<[Rule]> = wanted.rules.clone().into();
    let source = |file: String, path: String, reader: LineReader, sent: Sent, behind: &str| Source {
        job: job.id,
        name: format!("{} {file}", job.attempt.0),
        path,
        otherwise: None,
        reader,
        sent,
        around: (String::new(), behind.to_owned()),
        whole,
        attempt: job.attempt.0,
        rules: rules.clone(),
        judged: judged.clone(),
    };
    let script = frameworks::metrics_file(index);
    let reader = LineReader::new(Form::NameValue, &[]);
    let mut found = vec![source(script.clone(), format!("{logs}/{script}"), reader, Sent::Picked, "")];
    let first = job.shape.main_nodes.first().copied().unwrap_or_default();
    let form = wanted.log.unwrap_or_default();
    for (rank, _) in job.shape.main_nodes.iter().enumerate().filter(|(_, node)| **node == index) {
        let measured = rank == 0 || wanted.all_processes;
        let behind = if rank == 0 { String::new() } else { format!("@{rank}") };
        let reads = measured && (form != Form::Off || !wanted.patterns.is_empty());
        if reads || of_lines {
            let file = job.log_name("stdout", rank);
            let reader = match measured {
                true => LineReader::new(form, &wanted.patterns),
                false => LineReader::new(Form::Off, &[]),
            };
            let sent = if wanted.patterns.is_empty() && !of_lines { Sent::Picked } else { Sent::Lines };
            found.push(source(file.clone(), format!("{logs}/{file}"), reader, sent, &behind));
        }
        if of_lines {
            let file = job.log_name("stderr", rank);
            found.push(source(
                file.clone(),
                format!("{logs}/{file}"),
                LineReader::new(Form::Off, &[]),
                Sent::Lines,
                &behind,
            ));
        }
    }
    let behind = if index == first { String::new() } else { format!("@{index}") };
    for file in wanted.files.iter().filter(|_| index == first || wanted.all_processes) {
        let Some(directory) = folder(&file.directory) else { continue };
        let by_name = match &file.file {
            name if name.ends_with(".csv") => Form::Csv,
            name if name.contains("tfevents") => Form::TensorBoard,
            _ => Form::Usual,
        };
        let form = file.form.unwrap_or(if file.pattern.is_some() { Form::Off } else { by_name });
        let reader = LineReader::new(form, file.pattern.as_slice());
        let sent = if form == Form::TensorBoard { Sent::Names } else { Sent::Lines };
        let name = format!("{}/{}", file.directory, file.file);
        found.push(source(name, format!("{directory}/{}", file.file), reader, sent, &behind));
    }
    // A path that a line of the question cannot hold is none of a job's own.
    found.retain(|source| !source.path.contains(['\t', '\n']));
    found
}
