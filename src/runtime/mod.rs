//! Layer 3: owns time, randomness and the life of all tasks. One thread runs the loop: it gathers what came in, takes a
//! turn of the [`engine`] (events → steps → one commit → snapshot), then answers, publishes and acts. What arrives while a
//! commit is under way is in the next turn: that is the group commit.

mod among;
pub mod call;
pub mod clock;
pub mod code;
mod depend;
pub mod engine;
pub mod export;
pub mod handover;
pub mod hooks;
pub mod keep;
mod listing;
pub mod locate;
pub mod look;
pub mod metrics;
mod observe;
mod pace;
pub mod perform;
mod places;
mod plan;
pub mod points;
mod pools;
pub mod provide;
pub mod publish;
pub mod resolve;
pub mod retention;
pub mod sampling;
pub mod secrets;
pub mod shelf;
mod site_acts;
pub mod submit;
pub mod sweeps;
pub mod task;
mod usage;
pub mod validate;
pub mod views;
pub mod volumes;
pub mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::files::LinkSource as _;
use crate::model::fault::Fault;
use crate::model::ids::{EffectId, NodeId};
use crate::model::request::{FollowMode, From, LogDelta, Reply, Request};
use crate::model::settings::Settings;
use crate::model::site::SiteAct;
use crate::model::site_ask::SiteAsk;
use crate::model::snapshot::{Change, RowKey};
use crate::model::state::NodeState;
use crate::model::task::TaskNews;
use crate::model::units::{Millis, UnixMillis};
use crate::runtime::call::Call;
use crate::runtime::clock::Clock;
use crate::runtime::engine::{CallId, Engine, Input, Out, Surroundings, Turn};
use crate::runtime::keep::{KeepWork, Keeper};
use crate::runtime::pace::{Pace, Wait};
use crate::runtime::publish::Publisher;
use crate::runtime::secrets::source;
use crate::runtime::shelf::Shelf;
use crate::sched::Event;
use crate::slurm;
use crate::store::{Series, Store};
use crate::transport::agent::{self, AgentHandle};
use crate::transport::{NodeLink, Order, Report};

/// How many reports of nodes may wait for the loop before their senders wait: a busy second of a large fleet.
pub const REPORTS_WAITING_MAX: usize = 16_384;
/// How many inputs one turn takes: bounds the time between two looks at the clock.
pub const INPUTS_PER_TURN_MAX: usize = 1_024;
/// When logs to remove are looked for first: when the nodes are back in sight, and in the shortest visit of a person.
const SWEEP_FIRST: Duration = Duration::from_secs(60);
/// When providers are looked at first: soon, because machines may have gone, or been left behind, while nobody looked.
const PROVIDERS_FIRST: Duration = Duration::from_secs(2);
/// The file of samples in the state directory.
const SERIES_FILE: &str = "series.sqlite";
/// The file of metrics of jobs in the state directory.
const METRICS_FILE: &str = "metrics.sqlite";
/// The most samples of one answer: a day of one node, thinned, has half as many.
const HISTORY_MAX: u32 = 3_000;
/// How long an orderly stop waits for links to close before it ends all the same.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What a runtime is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The state directory.
    pub state_dir: PathBuf,
    /// What the config decides.
    pub settings: Settings,
    /// ssh's configuration file when it is not the user's own.
    pub ssh_config: Option<String>,
    /// The socket that the host serves.
    pub socket: String,
}

/// A running runtime.
pub struct Handle {
    stop: watch::Sender<bool>,
    stopped: oneshot::Receiver<Result<(), Fault>>,
}

impl Handle {
    /// Asks it to stop in order: what is committed stays, jobs on nodes go on.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has stopped, the store closed.
    ///
    /// # Errors
    /// Why it stopped by itself: the store failed, or a mistake of ours.
    pub async fn stopped(self) -> Result<(), Fault> {
        self.stopped.await.unwrap_or_else(|_| Err(Fault::internal("the core ended without a word")))
    }
}

/// Starts a runtime: restores the state, then serves `calls` until it is stopped or all callers are gone. Must be called
/// inside a tokio runtime.
///
/// # Errors
/// The state cannot be read.
pub fn start(options: Options, store: Box<dyn Store>, calls: mpsc::Receiver<Call>) -> Result<Handle, Fault> {
    let clock = Clock::start();
    let around = Surroundings {
        state_dir: options.state_dir.to_string_lossy().into_owned(),
        ssh_config: options.ssh_config,
        socket: options.socket,
        pid: std::process::id(),
    };
    let draw = Box::new(uuid::Uuid::now_v7);
    let opened = Engine::open(store, options.settings, around, clock.now(), draw);
    let (engine, first) = opened.map_err(Fault::from)?;
    let (stop, stopping) = watch::channel(false);
    let (ended, stopped) = oneshot::channel();
    let (inputs, inputs_in) = mpsc::channel(REPORTS_WAITING_MAX);
    let (reports, reports_in) = mpsc::channel(REPORTS_WAITING_MAX);
    let tokio = tokio::runtime::Handle::current();
    let (state_dir, report_dir) = (options.state_dir.clone(), options.state_dir);
    let doors = Doors { calls, inputs: inputs_in, reports: reports_in, stopping };
    let host_files = pools::HostFiles::new(inputs.clone());
    let sampler = sampling::Sampler::new(Series::at(&state_dir.join(SERIES_FILE)));
    let gatherer = metrics::Gatherer::new(&state_dir.join(METRICS_FILE));
    let run = move || {
        let mut core = Loop {
            engine,
            clock,
            tokio: tokio.clone(),
            agents: BTreeMap::new(),
            dispatchers: BTreeMap::new(),
            inquirer: slurm::Inquirer::default(),
            watched: watch::Sender::new(false),
            desks: way::Desks::default(),
            leaving: TaskTracker::new(),
            inputs,
            reports,
            next_call: 0,
            replies: BTreeMap::new(),
            followers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            ends: BTreeMap::new(),
            publisher: Publisher::new(Instant::now()),
            sweep_at: Instant::now() + SWEEP_FIRST,
            sweeping: None,
            state_dir,
            looks: Arc::new(Semaphore::new(source::LOOKS_AT_ONCE)),
            calls_of_providers: Arc::new(Semaphore::new(provide::CALLS_AT_ONCE)),
            sends_of_code: Arc::new(Semaphore::new(code::SENT_AT_ONCE)),
            look_at: Instant::now() + PROVIDERS_FIRST,
            look_pause: provide::LOOK_EVERY_WAITING.0,
            awaited: 0,
            host_files,
            sampler,
            sample_at: Instant::now() + sampling::FIRST,
            gatherer,
            metrics_at: Instant::now() + metrics::EVERY,
        };
        core.engine.sched().jobs().values().for_each(|job| core.gatherer.follow(job));
        let clusters: Vec<_> = core.engine.sched().clusters().values().cloned().collect();
        clusters.iter().for_each(|cluster| core.host_files.add(cluster));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tokio.block_on(core.run(first, doors))));
        let result = result.unwrap_or_else(|panic| Err(broken(&report_dir, panic.as_ref())));
        // The receiver may be gone: then nobody wants to know.
        let _ = ended.send(result);
    };
    let spawned = std::thread::Builder::new().name("ostler-core".into()).spawn(run);
    spawned.map_err(|error| Fault::internal("cannot start the core's thread").because(&error))?;
    Ok(Handle { stop, stopped })
}

/// A broken rule of ours: nothing of the turn was committed; what is known is written down for replay.
fn broken(state_dir: &std::path::Path, panic: &(dyn std::any::Any + Send)) -> Fault {
    let words = panic.downcast_ref::<String>().cloned();
    let words = words.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
    let path = state_dir.join("crash-report.txt");
    let text =
        format!("ostler {}\n{words}\nThe history of events is in the store beside this file.\n", env!("CARGO_PKG_VERSION"));
    let kept = std::fs::write(&path, text).is_ok();
    let fault = Fault::internal("a rule of the core was broken; nothing of that step was kept").cause(words);
    match kept {
        true => fault.hint(format!("jobs on nodes go on; the report is in {}", path.display())),
        false => fault.hint("jobs on nodes go on"),
    }
}

type Opened = oneshot::Sender<Result<(), Fault>>;
/// How a file is to be followed, where to, and who waits for that.
type AskedFollow = ((From, FollowMode), mpsc::Sender<LogDelta>, Opened);
/// Who hears of a task, and who waits for its beginning.
type AskedTask = (mpsc::Sender<TaskNews>, Opened);

struct Loop {
    engine: Engine<Box<dyn Store>>,
    clock: Clock,
    tokio: tokio::runtime::Handle,
    agents: BTreeMap<NodeId, AgentHandle>,
    /// What stands before the agents of login nodes and takes the orders of jobs.
    dispatchers: BTreeMap<NodeId, slurm::Handle>,
    inquirer: slurm::Inquirer,
    /// Whether anybody looks at a screen.
    watched: watch::Sender<bool>,
    /// Where their files are looked at.
    desks: way::Desks,
    /// Agents of nodes that were given back, until they have ended.
    leaving: TaskTracker,
    /// Where tasks of ours send what they found.
    inputs: mpsc::Sender<Input>,
    /// Where agents report.
    reports: mpsc::Sender<(NodeId, Report)>,
    next_call: CallId,
    replies: BTreeMap<CallId, oneshot::Sender<Reply>>,
    followers: BTreeMap<CallId, AskedFollow>,
    /// Tasks that are asked for and not yet begun.
    tasks: BTreeMap<CallId, AskedTask>,
    /// Tells followers that their job has ended.
    ends: BTreeMap<RowKey, watch::Sender<bool>>,
    publisher: Publisher,
    /// When logs to remove are looked for next.
    sweep_at: Instant,
    sweeping: Option<tokio::task::JoinHandle<()>>,
    state_dir: PathBuf,
    /// Looks for values outside, a few at a time.
    looks: Arc<Semaphore>,
    /// Calls providers, a few at a time.
    calls_of_providers: Arc<Semaphore>,
    /// Sends code to nodes, a few at a time.
    sends_of_code: Arc<Semaphore>,
    /// When providers are looked at next.
    look_at: Instant,
    /// How long after a look the next one comes while allocations of Slurm are waited for, and how many are.
    look_pause: Duration,
    awaited: usize,
    host_files: pools::HostFiles,
    sampler: sampling::Sampler,
    /// When nodes are measured next.
    sample_at: Instant,
    gatherer: metrics::Gatherer,
    /// When metrics are picked out next.
    metrics_at: Instant,
}

/// Where the loop hears from.
struct Doors {
    calls: mpsc::Receiver<Call>,
    inputs: mpsc::Receiver<Input>,
    reports: mpsc::Receiver<(NodeId, Report)>,
    stopping: watch::Receiver<bool>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    On,
    /// After one more turn.
    Last,
    /// At once: somebody outside wants the end, or nobody is left who could ask for anything.
    Over,
}

impl Loop {
    async fn run(mut self, first: Turn, mut doors: Doors) -> Result<(), Fault> {
        self.carry_out(first);
        let mut taken = Vec::new();
        let mut pace = Pace::new(Instant::now());
        let mut wait = None;
        loop {
            self.sweep_if_due();
            self.look_at_providers_if_due();
            self.sample_if_due();
            self.pick_metrics_if_due();
            let going = self.gather(&mut doors, &mut taken, wait).await;
            if going == Going::Over {
                break;
            }
            let can_wait = going == Going::On && taken.len() < INPUTS_PER_TURN_MAX && !self.is_due();
            let awaited = |job| self.engine.is_awaited(job);
            wait = can_wait.then(|| pace.wait(&taken, awaited, Instant::now())).flatten();
            if wait.is_some() {
                self.publisher.flush(self.engine.snapshot(), Instant::now());
                let watched = self.publisher.is_watched();
                self.watched.send_if_modified(|was| std::mem::replace(was, watched) != watched);
                continue;
            }
            pace.turned(Instant::now());
            let turn = match self.engine.turn(self.clock.now(), std::mem::take(&mut taken)) {
                Ok(turn) => turn,
                Err(error) => return Err(self.give_up(error.into())),
            };
            self.carry_out(turn);
            self.publisher.flush(self.engine.snapshot(), Instant::now());
            if going == Going::Last {
                break;
            }
        }
        self.close().await;
        Ok(())
    }

    /// Says whether a turn is due by itself, whatever has come in.
    fn is_due(&self) -> bool {
        self.engine.has_feedback() || self.engine.next_deadline().is_some_and(|at| at <= self.clock.now())
    }

    /// Waits until there is something to do, and takes what there is.
    async fn gather(&mut self, doors: &mut Doors, taken: &mut Vec<Input>, wait: Option<Wait>) -> Going {
        let mut going = Going::On;
        if !self.engine.has_feedback() {
            let deaf = wait.is_some_and(|wait| wait.deaf);
            let wake = self.wake_at().into_iter().chain(wait.map(|wait| wait.until)).min();
            tokio::select! {
                biased;
                _ = doors.stopping.wait_for(|stop| *stop) => return Going::Over,
                Some((node, report)) = doors.reports.recv(), if !deaf => taken.push(Input::Report(node, report)),
                Some(input) = doors.inputs.recv() => taken.push(input),
                call = doors.calls.recv() => match call {
                    Some(call) => going = self.take_call(call, taken),
                    None => return Going::Over,
                },
                () = sleep_until(wake) => {}
            }
        }
        while taken.len() < INPUTS_PER_TURN_MAX
            && let Ok((node, report)) = doors.reports.try_recv()
        {
            taken.push(Input::Report(node, report));
        }
        while taken.len() < INPUTS_PER_TURN_MAX
            && let Ok(input) = doors.inputs.try_recv()
        {
            taken.push(input);
        }
        while taken.len() < INPUTS_PER_TURN_MAX
            && going == Going::On
            && let Ok(call) = doors.calls.try_recv()
        {
            going = self.take_call(call, taken);
        }
        going
    }

    /// Returns when a turn or a publication is due by itself.
    fn wake_at(&self) -> Option<Instant> {
        let deadline = self.engine.next_deadline().map(|at| self.clock.instant_of(at));
        deadline
            .into_iter()
            .chain(self.publisher.due())
            .chain([self.sweep_at, self.look_at, self.sample_at, self.metrics_at])
            .min()
    }

    /// Takes a call; says whether it asks for the end.
    fn take_call(&mut self, call: Call, taken: &mut Vec<Input>) -> Going {
        match call {
            Call::Request(request, reply) => {
                let stop = request == Request::Stop;
                self.next_call += 1;
                self.replies.insert(self.next_call, reply);
                match code::is_asked(&request) {
                    true => self.take_code(self.next_call, request),
                    false => taken.push(Input::Request(self.next_call, Box::new(request))),
                }
                if stop { Going::Last } else { Going::On }
            }
            Call::Subscribe(updates) => {
                self.publisher.subscribe(updates, self.engine.snapshot());
                Going::On
            }
            Call::Follow(file, how, deltas, opened) => {
                self.next_call += 1;
                self.followers.insert(self.next_call, (how, deltas, opened));
                taken.push(Input::Locate(self.next_call, file));
                Going::On
            }
            Call::Task(task, news, opened) => {
                self.next_call += 1;
                self.tasks.insert(self.next_call, (news, opened));
                taken.push(Input::Task(self.next_call, task));
                Going::On
            }
            Call::Settings(settings) => {
                self.sweep_at = Instant::now();
                taken.push(Input::Settings(settings));
                Going::On
            }
        }
    }

    /// Takes the code of a request beside the loop; then it comes in.
    fn take_code(&self, call: CallId, request: Request) {
        let (inputs, state_dir) = (self.inputs.clone(), self.state_dir.clone());
        let settings = self.engine.settings.clone();
        self.tokio.spawn_blocking(move || {
            let _ = inputs.blocking_send(match code::take(request, &state_dir, &settings) {
                Ok(request) => Input::Request(call, Box::new(request)),
                Err(fault) => Input::Refused(call, fault),
            });
        });
    }

    /// Tells all who wait why they get no other answer, before the core ends by it.
    fn give_up(&mut self, fault: Fault) -> Fault {
        tracing::error!(error = %fault.chain(), "the state cannot be written; nothing more is accepted");
        for (_, waiting) in std::mem::take(&mut self.replies) {
            // Who asked may have left.
            let _ = waiting.send(Reply::Refused(fault.clone()));
        }
        fault
    }

    fn carry_out(&mut self, turn: Turn) {
        for (call, reply) in turn.replies {
            if let Some(waiting) = self.replies.remove(&call) {
                // Who asked may have left; what was asked is done all the same.
                let _ = waiting.send(reply);
            }
        }
        for (call, until) in turn.awaits {
            let (inputs, at) = (self.inputs.clone(), self.clock.instant_of(until));
            self.tokio.spawn(async move {
                tokio::time::sleep_until(at).await;
                let _ = inputs.send(Input::AwaitOver(call)).await;
            });
        }
        for (key, change) in &turn.changes {
            if let Change::Job(job) = change {
                self.gatherer.follow(job);
            }
            self.end_followers(*key, change);
        }
        if !turn.deleted.is_empty() {
            let (gatherer, deleted) = (self.gatherer.clone(), turn.deleted);
            self.tokio.spawn_blocking(move || gatherer.forget(deleted));
        }
        self.host_files.follow(turn.changes.values());
        self.publisher.add(turn.changes);
        for out in turn.outs {
            self.act(out);
        }
    }

    fn end_followers(&mut self, key: RowKey, change: &Change) {
        let over = match change {
            Change::Job(job) => job.state.ended(),
            Change::Node(node) => !matches!(node.state, NodeState::Preparing),
            Change::Gone(_) => true,
            Change::Group(_)
            | Change::Workspace(_)
            | Change::Cluster(_)
            | Change::FileServer(_)
            | Change::Experiment(_)
            | Change::Sweep(_)
            | Change::Site(_) => false,
        };
        if over && let Some(end) = self.ends.remove(&key) {
            end.send_replace(true);
        }
    }

    fn act(&mut self, out: Out) {
        match out {
            Out::Open(link) => self.open(*link),
            Out::Close(node) => {
                self.desks.forget(node);
                self.dispatchers.remove(&node);
                if let Some(agent) = self.agents.remove(&node) {
                    agent.close(true);
                    // Its task ends when its last handle is gone, so this one stays until the goodbye is said.
                    self.leaving.spawn_on(async move { agent.ended().await }, &self.tokio);
                }
            }
            Out::Order(node, order) => {
                let Some(agent) = self.agents.get(&node) else { return };
                let to = match self.dispatchers.get(&node).filter(|_| slurm::takes(&order)) {
                    Some(dispatcher) => Receiver::Dispatcher(dispatcher.clone()),
                    None => Receiver::Agent(agent.clone()),
                };
                if !source::is_wanted(&order) {
                    return to.send(order);
                }
                // What is ordered meanwhile may overtake it: a stop then takes the start lock. Should the link be lost
                // meanwhile, the order is in the outbox and comes again.
                let gate = self.looks.clone();
                self.tokio.spawn(async move {
                    let order = source::settled(order, &gate).await;
                    to.send(order);
                });
            }
            Out::Keep(effect, work) => self.keep(effect, work),
            Out::Server(effect, work) => {
                let inputs = self.inputs.clone();
                self.tokio.spawn(async move {
                    let _ = inputs.send(Input::Fact(Box::new(export::perform(work, effect).await))).await;
                });
            }
            Out::Notify(effect, job) => self.notify(effect, job),
            Out::TellRule(job, fired) => {
                let (view, url) = (views::job(self.engine.sched(), job), self.engine.webhook());
                let shape = self.engine.settings.webhook_shape;
                if !url.is_empty() {
                    self.tokio.spawn(async move { hooks::rule_fired(&url, shape, &view, &fired).await });
                }
            }
            Out::Look(call, work) => {
                let Some(reply) = self.replies.remove(&call) else { return };
                let look = look::Look::new(work, &self.agents, &mut self.desks);
                self.tokio.spawn(async move {
                    // Who asked may have left.
                    let _ = reply.send(look.answer().await);
                });
            }
            Out::Located(call, located) => self.follow(call, located),
            Out::LookAtSite(call, node) => self.look_at_site(call, node),
            Out::AskSite(call, node, ask) => self.ask_site(call, node, ask),
            Out::ActAtSite(call, node, act) => self.act_at_site(call, node, act),
            Out::History(call, node, since) => self.history(call, node, since),
            Out::Loads(call, nodes) => {
                if let Some(reply) = self.replies.remove(&call) {
                    // Who asked may have left.
                    let _ = reply.send(Reply::Loads(self.sampler.latest(&nodes)));
                }
            }
            Out::Metrics(call, jobs, curves) => self.metrics(call, jobs, curves),
            Out::Provide(work) => self.provide(*work),
            Out::Deliver(delivery) => self.deliver(*delivery),
            Out::Task(call, work) => self.begin_task(call, work),
        }
    }

    /// Opens a link. One that is up is opened anew, so that its agent says again what there is; one that waits tries now.
    fn open(&mut self, link: NodeLink) {
        let node = link.node;
        match self.agents.get(&node) {
            Some(agent) if agent.link().is_none() => agent.wake(),
            before => {
                if let Some(before) = before {
                    before.close(false);
                }
                self.desks.forget(node);
                let _inside = self.tokio.enter();
                let cluster = self.engine.sched().clusters().get(&link.cluster).filter(|c| c.spec.slurm.is_some());
                if let Some(cluster) = cluster {
                    let service = cluster.spec.rest.as_deref().map(|rest| handover::service(&self.engine, rest));
                    let (says, said) = mpsc::channel(REPORTS_WAITING_MAX);
                    let agent = agent::spawn(link.clone(), says);
                    let (reports, watched) = (self.reports.clone(), self.watched.subscribe());
                    self.dispatchers.insert(node, slurm::spawn(&link, agent.clone(), said, reports, watched, service));
                    self.agents.insert(node, agent);
                } else {
                    self.agents.insert(node, agent::spawn(link, self.reports.clone()));
                }
            }
        }
    }

    fn look_at_site(&mut self, call: CallId, node: NodeId) {
        let Some(reply) = self.replies.remove(&call) else { return };
        let looked = self.dispatchers.get(&node).map(slurm::Handle::look);
        self.tokio.spawn(async move {
            let site = match looked {
                Some(looked) => looked.await.ok(),
                None => None,
            };
            // Who asked may have left.
            let _ = reply.send(match site {
                Some(Ok(site)) => Reply::Site(site),
                Some(Err(why)) => Reply::Refused(Fault::remote(format!("Slurm does not answer: {}", why.message))),
                None => Reply::Refused(Fault::remote("the login node was given back meanwhile")),
            });
        });
    }

    fn ask_site(&mut self, call: CallId, node: NodeId, ask: SiteAsk) {
        let Some(reply) = self.replies.remove(&call) else { return };
        let (agent, inquirer) = (self.agents.get(&node).cloned(), self.inquirer.clone());
        self.tokio.spawn(async move {
            let said = match agent {
                Some(agent) => inquirer.inquire(node, &agent, &ask).await.map_err(|why| why.message),
                None => Err("the login node was given back meanwhile".to_owned()),
            };
            // Who asked may have left.
            let _ = reply.send(match said {
                Ok(said) => Reply::SiteSaid(Box::new(said)),
                Err(why) => Reply::Refused(Fault::remote(format!("Slurm does not answer: {why}"))),
            });
        });
    }

    fn act_at_site(&mut self, call: CallId, node: NodeId, act: SiteAct) {
        let Some(reply) = self.replies.remove(&call) else { return };
        let count = act.count();
        let asked = self.dispatchers.get(&node).map(|dispatcher| dispatcher.act(act));
        self.tokio.spawn(async move {
            let done = match asked {
                Some(asked) => asked.await.ok(),
                None => None,
            };
            // Who asked may have left.
            let _ = reply.send(match done {
                Some(Ok(refused)) => site_acts::answer(count, &refused),
                Some(Err(why)) => Reply::Refused(
                    Fault::remote(format!("Slurm does not answer: {}", why.message))
                        .hint("whether it was done is not known; look at `ostler cluster queue` before you ask again"),
                ),
                None => Reply::Refused(Fault::remote("the login node was given back meanwhile")),
            });
        });
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            shelf: Shelf::of(&self.state_dir),
            reader: self.engine.store().reader(),
            settings: self.engine.sched().settings().clone(),
        }
    }

    fn keep(&mut self, effect: EffectId, work: KeepWork) {
        let way = way::Waiting(way::Way::to(&work.link, &self.agents), keep::LINK_TIME_MAX);
        let desk = self.desks.at(&work.link, &self.agents);
        let (keeper, inputs, now) = (self.keeper(), self.inputs.clone(), self.clock.now());
        self.tokio.spawn(async move {
            // Looks give a link up sooner than a release should.
            let _ = way.link().await;
            let kept = keep::keep(&work, &desk, &keeper, now).await;
            if kept.failed.is_some() || kept.left_count > 0 {
                tracing::warn!(node = %work.name, ?kept, "logs stayed behind on a node that is given back");
            }
            retention::sweep_copies(&keeper, now).await;
            let _ = inputs.send(Input::Fact(Box::new(Event::LogsKept { effect, kept }))).await;
        });
    }

    /// Looks for logs to remove, when that is due and the last look is over.
    fn sweep_if_due(&mut self) {
        if Instant::now() < self.sweep_at {
            return;
        }
        let (keeper, now, state_dir) = (self.keeper(), self.clock.now(), self.state_dir.clone());
        self.sweep_at = Instant::now() + retention::every(&keeper.settings);
        if self.sweeping.as_ref().is_some_and(|sweeping| !sweeping.is_finished()) {
            return;
        }
        let nodes: Vec<_> = self.engine.sched().nodes().values().cloned().collect();
        let clusters = self.engine.sched().clusters();
        let live = nodes.iter().filter_map(|node| Some(perform::node_uuid(clusters.get(&node.cluster)?.uuid, node.id)));
        let live: BTreeSet<String> = live.map(|uuid| uuid.to_string()).collect();
        let roots = nodes.iter().filter_map(|node| {
            let root = node.facts.as_ref().map(|facts| facts.root.clone()).filter(|root| !root.is_empty())?;
            Some((root, way::Waiting(way::Way::Agent(self.agents.get(&node.id)?.clone()), Duration::ZERO)))
        });
        let roots: Vec<_> = roots.collect();
        self.sweeping = Some(self.tokio.spawn(async move {
            retention::sweep_copies(&keeper, now).await;
            let settings = keeper.settings.clone();
            let reader = keeper.reader.clone();
            let spools = move || {
                let now = std::time::SystemTime::now();
                retention::sweep_spools(&state_dir, &live, &settings, now);
                code::sweep(&state_dir, reader.as_ref(), now)
            };
            let _ = tokio::task::spawn_blocking(spools).await;
            for (root, way) in roots {
                // A node that does not answer is looked at the next time.
                let desk = crate::files::Desk::new(way);
                let _ = retention::sweep_node(&desk, &root, &keeper, now).await;
                let _ = retention::sweep_shared(&desk, &root, &keeper, now).await;
            }
        }));
    }

    fn history(&mut self, call: CallId, node: NodeId, since: UnixMillis) {
        let Some(reply) = self.replies.remove(&call) else { return };
        let series = self.sampler.series().clone();
        self.tokio.spawn_blocking(move || {
            let found = series.history(node, since, HISTORY_MAX);
            // Who asked may have left.
            let _ = reply.send(match found {
                Ok(samples) => Reply::History(samples),
                Err(error) => Reply::Refused(Fault::internal("the measurements cannot be read").because(&error)),
            });
        });
    }

    fn metrics(&mut self, call: CallId, jobs: Vec<crate::model::ids::JobId>, curves: Vec<String>) {
        let Some(reply) = self.replies.remove(&call) else { return };
        let gatherer = self.gatherer.clone();
        self.tokio.spawn_blocking(move || {
            // Who asked may have left.
            let _ = reply.send(match gatherer.read(&jobs, &curves) {
                Ok(found) => Reply::Metrics(found),
                Err(error) => Reply::Refused(Fault::internal("the metrics cannot be read").because(&error)),
            });
        });
    }

    /// Looks at what jobs have written whose metrics are wanted, when that is due.
    fn pick_metrics_if_due(&mut self) {
        if Instant::now() < self.metrics_at {
            return;
        }
        self.metrics_at = Instant::now() + metrics::EVERY;
        let (base, began) = (self.clock.now(), Instant::now());
        for look in self.gatherer.looks(&self.engine) {
            let way = way::Brief(way::Way::to(&look.link, &self.agents));
            let gatherer = self.gatherer.clone();
            let now = move || base + Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            let inputs = self.inputs.clone();
            self.tokio.spawn(async move {
                for verdict in gatherer.look(look, way, now).await {
                    let input = match verdict {
                        metrics::Verdict::Stop(job, why) => Input::Fact(Box::new(Event::StoppedEarly { job, why })),
                        metrics::Verdict::Fired(job, node, fired) => Input::RuleFired(job, node, Box::new(fired)),
                    };
                    let _ = inputs.send(input).await;
                }
            });
        }
    }

    /// Measures all nodes that answer, when that is due.
    fn sample_if_due(&mut self) {
        if Instant::now() < self.sample_at {
            return;
        }
        self.sample_at = Instant::now() + sampling::EVERY;
        self.sampler.keep_only(&self.engine.up);
        let (base, began) = (self.clock.now(), Instant::now());
        for node in self.engine.up.clone() {
            let Some(agent) = self.agents.get(&node) else { continue };
            let way = way::Brief(way::Way::Agent(agent.clone()));
            let (sampler, plugin) = (self.sampler.clone(), self.engine.settings.gpu_command.clone());
            let now = move || base + Millis(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            let facts = self.engine.sched().nodes().get(&node).and_then(|node| node.facts.as_ref());
            let root = facts.map(|facts| facts.root.clone()).unwrap_or_default();
            let inputs = self.inputs.clone();
            self.tokio.spawn(async move {
                if let Some(observed) = sampler.measure(node, way, plugin, root, now).await {
                    let _ = inputs.send(Input::Fact(Box::new(Event::NodeMeasured { node, observed }))).await;
                }
            });
        }
    }

    fn provide(&mut self, work: provide::Work) {
        let (inputs, gate) = (self.inputs.clone(), self.calls_of_providers.clone());
        self.tokio.spawn(async move {
            // The gate is never closed; without it there would only be more at once.
            let _turn = gate.acquire().await;
            if let Some(input) = provide::run(work).await {
                let _ = inputs.send(input).await;
            }
        });
    }

    fn deliver(&mut self, delivery: code::Delivery) {
        let (node, way) = (delivery.link.node, way::Way::to(&delivery.link, &self.agents));
        let (inputs, state_dir, turns) = (self.inputs.clone(), self.state_dir.clone(), self.sends_of_code.clone());
        self.tokio.spawn(async move {
            let (digest, how) = code::deliver(delivery, way, state_dir, turns).await;
            let _ = inputs.send(Input::Delivered(node, digest, how)).await;
        });
    }

    /// Looks at what providers have, when that is due.
    fn look_at_providers_if_due(&mut self) {
        let waiting = self.engine.allocations_awaited();
        let (first, longest) = provide::LOOK_EVERY_WAITING;
        if waiting != self.awaited {
            (self.awaited, self.look_pause) = (waiting, first);
            self.look_at = self.look_at.min(Instant::now() + if waiting > 0 { first } else { provide::LOOK_EVERY });
        }
        if Instant::now() < self.look_at {
            return;
        }
        self.look_at = Instant::now() + if waiting > 0 { self.look_pause } else { provide::LOOK_EVERY };
        self.look_pause = (self.look_pause * 3 / 2).min(longest);
        for out in self.engine.looks_at_providers() {
            self.act(out);
        }
    }

    fn notify(&mut self, effect: EffectId, job: Arc<crate::model::state::Job>) {
        let view = views::job(self.engine.sched(), job);
        let (inputs, url) = (self.inputs.clone(), self.engine.webhook());
        let shape = self.engine.settings.webhook_shape;
        self.tokio.spawn(async move {
            hooks::job_ended(&url, shape, &view).await;
            let _ = inputs.send(Input::Fact(Box::new(Event::EffectDone { effect }))).await;
        });
    }

    fn follow(&mut self, call: CallId, located: Result<engine::Located, Fault>) {
        let Some((how, deltas, opened)) = self.followers.remove(&call) else { return };
        match located {
            Err(fault) => {
                let _ = opened.send(Err(fault));
            }
            Ok(located) => {
                let key = located.job.map_or(RowKey::Node(located.node), RowKey::Job);
                let ended = match located.live {
                    true => self.ends.entry(key).or_insert_with(|| watch::channel(false).0).subscribe(),
                    false => watch::channel(true).1,
                };
                let way = way::Way::to(&located.link, &self.agents);
                // Who asked may have left; then the follower ends at its first delta.
                let _ = opened.send(Ok(()));
                self.tokio.spawn(look::follow(located, way, how, deltas, ended));
            }
        }
    }

    fn begin_task(&mut self, call: CallId, work: Result<engine::TaskWork, Fault>) {
        let Some((news, opened)) = self.tasks.remove(&call) else { return };
        // Who asked may have left; then the task ends by itself.
        match work {
            Err(fault) => drop(opened.send(Err(fault))),
            Ok(work) => {
                let _ = opened.send(Ok(()));
                self.tokio.spawn(task::run(work, &self.agents, news));
            }
        }
    }

    async fn close(mut self) {
        self.publisher.flush_now(self.engine.snapshot());
        let agents = std::mem::take(&mut self.agents);
        for agent in agents.values() {
            agent.close(false);
        }
        let all = async {
            for agent in agents.values() {
                agent.ended().await;
            }
            self.leaving.close();
            self.leaving.wait().await;
        };
        // A link that does not close in time is closed by the end of the process.
        let _ = tokio::time::timeout(CLOSE_WAIT, all).await;
    }
}

/// Who gets an order.
enum Receiver {
    /// A node's agent.
    Agent(AgentHandle),
    /// Who stands before a login node's agent.
    Dispatcher(slurm::Handle),
}

impl Receiver {
    fn send(&self, order: Order) {
        let moment = points::due(&order);
        match self {
            Self::Agent(agent) => agent.send(order),
            Self::Dispatcher(dispatcher) => dispatcher.send(order),
        }
        points::handed(moment);
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Engine<Box<dyn Store>> {
    fn webhook(&self) -> String {
        self.settings.webhook.clone().unwrap_or_default()
    }
}
