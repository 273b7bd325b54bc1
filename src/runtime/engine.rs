//! The runtime without its tasks: inputs in, one committed turn out. The loop in [`super`] gives it real time and a real
//! store and carries out what it says; the simulation does the same with time, store and nodes of its own.
//!
//! A turn is, in this order and no other: inputs → events → `step` each → **one** commit → snapshot → outs. What is to be
//! done outside leaves this module only after the commit, so a crash can lose an act but never a decision; the outbox has it.

mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use names::JobNames;
use uuid::Uuid;

use crate::model::fault::{Fault, FaultCode};
use crate::model::guard::guard;
use crate::model::ids::{ClusterId, EffectId, Epoch, ExperimentId, JobId, NodeId, Seq};
use crate::model::request::{FileRef, Reply, Request};
use crate::model::rule::{Act as RuleAct, Fired, RULE_ATTEMPTS_MAX};
use crate::model::settings::Settings;
use crate::model::site::{Site, SiteAct};
use crate::model::site_ask::SiteAsk;
use crate::model::snapshot::{Change, ENDED_JOBS_KEPT, RowKey, Snapshot};
use crate::model::spec::code::Digest;
use crate::model::state::{ExecutionState, Job, Unusable};
use crate::model::task::{Copy, Task};
use crate::model::units::{Millis, UnixMillis};
use crate::providers::{Found, NoMachine};
use crate::runtime::export::ServerWork;
use crate::runtime::keep::KeepWork;
use crate::runtime::secrets::Vault;
use crate::runtime::{code, depend, locate, perform, points, pools, provide, sweeps, validate, views};
use crate::sched::{Act, Effect, Event, Sched};
use crate::store::crash_point;
use crate::store::{Batch, Store, StoreError};
use crate::transport::{NodeLink, Order, Report};

/// Names a front end's request within one runtime.
pub type CallId = u64;

/// What a turn is made of.
#[derive(Debug)]
pub enum Input {
    /// A front end asks.
    Request(CallId, Box<Request>),
    /// What a front end asks cannot be done: it was found before the engine had to look at it.
    Refused(CallId, Fault),
    /// What became of a job's code that was to be brought to a node.
    Delivered(NodeId, Digest, code::Delivered),
    /// A node, or the link to it, says something.
    Report(NodeId, Report),
    /// A fact that was found while performing.
    Fact(Box<Event>),
    /// A rule of a job has come true on a node.
    RuleFired(JobId, NodeId, Box<Fired>),
    /// The config was read again.
    Settings(Settings),
    /// A waiting request's time is over: it is answered with what is so.
    AwaitOver(CallId),
    /// A follower wants to know where a file is.
    Locate(CallId, FileRef),
    /// Somebody wants a task done.
    Task(CallId, Box<Task>),
    /// The file that names a cluster's hosts may have changed.
    HostsFile(ClusterId),
    /// What a provider has for a cluster, or why that cannot be said.
    Listed(ClusterId, Result<Vec<Found>, NoMachine>),
    /// The machine of a node is on its way, as a list will show.
    Ordered(NodeId),
    /// A host was woken, or could not be; its link is to be opened all the same.
    Woken(Box<NodeLink>, Option<NoMachine>),
}

/// What is to be done outside after a turn.
#[derive(Debug)]
pub enum Out {
    /// Open the link to a node, or open it anew.
    Open(Box<NodeLink>),
    /// Close the link to a node for good and end its agent.
    Close(NodeId),
    /// Send an order.
    Order(NodeId, Order),
    /// Copy a leaving node's logs; `Fact(LogsKept)` comes back.
    Keep(EffectId, KeepWork),
    /// Set up or undo the export of a file server; `Fact(FileServerAnswered)` comes back.
    Server(EffectId, ServerWork),
    /// Tell a hook that a job has ended; `Fact(EffectDone)` comes back.
    Notify(EffectId, Arc<Job>),
    /// Tell a hook that a rule of a job has come true; nobody waits for it.
    TellRule(Arc<Job>, Box<Fired>),
    /// Look at a node and answer the call.
    Look(CallId, FileWork),
    /// Answer the call with a fresh picture of those who place the jobs of this login node's cluster.
    LookAtSite(CallId, NodeId),
    /// Answer the call with what they know besides.
    AskSite(CallId, NodeId, SiteAsk),
    /// Somebody asks something of those who place the jobs of a cluster, by the dispatcher of this login node.
    ActAtSite(CallId, NodeId, SiteAct),
    /// Answer the call with what was measured on a node since then.
    History(CallId, NodeId, UnixMillis),
    /// Answer with the newest measurements of nodes.
    Loads(CallId, Vec<NodeId>),
    /// Answer the call with the metrics of these jobs, and with curves of these metrics.
    Metrics(CallId, Vec<JobId>, Vec<String>),
    /// A place that was asked for by `Input::Locate`.
    Located(CallId, Result<Located, Fault>),
    /// What is to be done for `Input::Task`.
    Task(CallId, Result<TaskWork, Fault>),
    /// Bring a job's code to a node; `Delivered` comes back.
    Deliver(Box<code::Delivery>),
    /// Ask a provider; a `Fact`, `Listed` or `Woken` comes back.
    Provide(Box<provide::Work>),
}

/// Where a file of a job is.
#[derive(Clone, Debug)]
pub struct Located {
    /// The job, if it is a job's.
    pub job: Option<JobId>,
    /// The id of the directory.
    pub directory: String,
    /// The node.
    pub node: NodeId,
    /// The node's name.
    pub node_name: String,
    /// Whether the node is still in the cluster.
    pub ours: bool,
    /// The node's index in the attempt.
    pub index: u32,
    /// The way there.
    pub link: Box<NodeLink>,
    /// The absolute path on the node.
    pub path: String,
    /// The absolute path of the folder that it may not leave.
    pub folder: String,
    /// What the names of its files begin with for who asks: the folder of an earlier attempt whose copy this is.
    pub prefix: String,
    /// Whether what it belongs to has not ended.
    pub live: bool,
}

/// A look at a node that somebody asked for; log bytes never come through the engine.
#[derive(Debug)]
pub enum FileWork {
    /// A part of a file.
    Read { located: Located, from: crate::model::request::From, bytes: u32 },
    /// A search.
    Search { located: Located, text: String, from: u64, backwards: bool },
    /// The log files of these folders.
    List { folders: Vec<Located> },
    /// What lies in these folders, one level.
    Entries { folders: Vec<Located> },
    /// A command.
    Exec { link: Box<NodeLink>, command: String },
    /// How ssh reaches it.
    Way { link: Box<NodeLink>, sign_in: bool },
}

/// A task with its places.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once for each task and moved once")]
pub enum TaskWork {
    /// A copy between a place on a node and a path here.
    Copy { located: Located, copy: Copy },
    /// A command.
    Run { link: Box<NodeLink>, command: String },
}

/// What one turn came to.
#[derive(Debug, Default)]
pub struct Turn {
    /// Answers to requests.
    pub replies: Vec<(CallId, Reply)>,
    /// What is to be done, in order.
    pub outs: Vec<Out>,
    /// What changed, for subscribers.
    pub changes: BTreeMap<RowKey, Change>,
    /// Jobs whose records are gone for good.
    pub deleted: Vec<JobId>,
    /// Requests that wait for a job and want to be asked about again at that time.
    pub awaits: Vec<(CallId, UnixMillis)>,
}

/// Where the runtime stands among its machine's files and other programs.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The absolute path of the state directory; spools of local nodes lie below it.
    pub state_dir: String,
    /// ssh's configuration file when it is not the user's own.
    pub ssh_config: Option<String>,
    /// The socket that the host serves, for `Status`.
    pub socket: String,
    /// Our process.
    pub pid: u32,
}

/// The core with its store and all that stands between them and the world.
pub struct Engine<S> {
    pub(super) sched: Sched,
    pub(super) store: S,
    pub(super) settings: Settings,
    pub(super) around: Surroundings,
    pub(super) epoch: Epoch,
    pub(super) started_at: UnixMillis,
    /// Draws a uuid; randomness is handed in.
    pub(super) draw: Box<dyn FnMut() -> Uuid + Send>,
    /// Values that are never shown.
    pub(super) vault: Vault,
    seq: Seq,
    /// Effects issued and not answered.
    outbox: BTreeMap<EffectId, Effect>,
    /// The same by node, for what is sent again when its link comes up.
    outbox_of: BTreeMap<NodeId, BTreeSet<EffectId>>,
    /// Which code is on which node.
    pub(super) code: code::Places,
    /// Nodes whose agent answers.
    pub(super) up: BTreeSet<NodeId>,
    /// Jobs in memory by what people call them.
    names: JobNames,
    /// Requests that wait for the end of a job.
    waiting: BTreeMap<JobId, Vec<CallId>>,
    snapshot: Snapshot,
    /// Ended jobs in the snapshot, oldest first.
    ended: VecDeque<JobId>,
    /// Facts found while performing; inputs of the next turn.
    feedback: VecDeque<Input>,
    /// Effects that a provider is asked for right now.
    providing: BTreeSet<EffectId>,
    /// How often in a row a node's machine was missing from its provider's list.
    pub(super) missing: BTreeMap<NodeId, u32>,
    /// The clusters whose provider is being looked at, each with the nodes that had a machine when that began.
    pub(super) looking: BTreeMap<ClusterId, BTreeSet<NodeId>>,
    /// Nodes that were ordered and will be there later, as a list will show.
    pub(super) ordered: BTreeSet<NodeId>,
    /// Those of each cluster that were ordered when its provider began to be looked at.
    pub(super) ordered_before: BTreeMap<ClusterId, BTreeSet<NodeId>>,
}

impl<S: Store> Engine<S> {
    /// Opens the state: takes the next epoch, restores the core, and says what is to be done first (links to all nodes).
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn open(
        mut store: S,
        settings: Settings,
        around: Surroundings,
        now: UnixMillis,
        draw: Box<dyn FnMut() -> Uuid + Send>,
    ) -> Result<(Self, Turn), StoreError> {
        let epoch = store.next_epoch(now)?;
        let loaded = store.load()?;
        let mut snapshot = Snapshot { seq: loaded.seq, epoch, at: now, ..Snapshot::default() };
        let ended = loaded.ended.iter().map(|job| job.id).collect();
        loaded.ended.into_iter().for_each(|job| snapshot.put(&Change::Job(job)));
        loaded.rows.iter().for_each(|row| snapshot.put(row));
        let sched = Sched::restore(settings.clone(), loaded.counters, loaded.rows, &loaded.outbox);
        let vault = Vault::new(std::path::Path::new(&around.state_dir));
        let mut engine = Self {
            sched,
            store,
            vault,
            settings: settings.clone(),
            around,
            epoch,
            started_at: now,
            draw,
            seq: loaded.seq,
            outbox: BTreeMap::new(),
            outbox_of: BTreeMap::new(),
            code: code::Places::default(),
            up: BTreeSet::new(),
            names: JobNames::default(),
            waiting: BTreeMap::new(),
            snapshot,
            ended,
            feedback: VecDeque::new(),
            providing: BTreeSet::new(),
            missing: BTreeMap::new(),
            looking: BTreeMap::new(),
            ordered: BTreeSet::new(),
            ordered_before: BTreeMap::new(),
        };
        for effect in loaded.outbox {
            engine.remember(effect);
        }
        engine.names = JobNames::of(engine.sched.jobs().values());
        engine.feedback.push_back(Input::Fact(Box::new(Event::Started)));
        let reissued: Vec<Effect> = engine.outbox.values().cloned().collect();
        let mut turn = engine.turn(now, Vec::new())?;
        let first = perform::open_all(&engine);
        turn.outs.splice(0..0, first);
        for effect in reissued {
            // The links to all nodes are on their way, and with them the answers to `PrepareNode`.
            if engine.outbox.contains_key(&effect.id) && !matches!(effect.act, Act::PrepareNode { .. }) {
                engine.perform(&effect, &mut turn.outs);
            }
        }
        Ok((engine, turn))
    }

    /// Returns the core, to look at.
    pub fn sched(&self) -> &Sched {
        &self.sched
    }

    /// Returns the store, to look at.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Ends the engine and gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Returns the picture after the last turn.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Says whether the picture holds all ended jobs that there are; once one was left out, it never does again.
    pub(super) fn shows_all_ended(&self) -> bool {
        self.ended.len() < ENDED_JOBS_KEPT
    }

    /// Returns the effects that are issued and not answered.
    pub fn outbox(&self) -> &BTreeMap<EffectId, Effect> {
        &self.outbox
    }

    /// Returns the hosts of machines that were acquired while performing and are facts of the next turn.
    pub(super) fn hosts_on_the_way(&self) -> impl Iterator<Item = &String> {
        self.feedback.iter().filter_map(|input| match input {
            Input::Fact(event) => match &**event {
                Event::NodeAcquired { host, .. } => Some(host),
                _ => None,
            },
            _ => None,
        })
    }

    /// Says whether anybody waits for the end of this job alone.
    pub fn is_awaited(&self, job: JobId) -> bool {
        self.waiting.contains_key(&job)
    }

    /// Says whether a turn is due although nothing came from outside.
    pub fn has_feedback(&self) -> bool {
        !self.feedback.is_empty()
    }

    /// Returns when a turn is due although nothing comes from outside.
    pub fn next_deadline(&self) -> Option<UnixMillis> {
        self.sched.next_deadline()
    }

    /// Takes one turn.
    ///
    /// # Errors
    /// The store could not commit. The memory is then ahead of the disk: the engine must be dropped, nothing of this turn
    /// may be done or answered.
    pub fn turn(&mut self, now: UnixMillis, inputs: Vec<Input>) -> Result<Turn, StoreError> {
        let mut work = Work { at: now, ..Work::default() };
        let fed: Vec<Input> = self.feedback.drain(..).collect();
        for input in fed.into_iter().chain(inputs) {
            self.take(input, &mut work)?;
        }
        if self.sched.next_deadline().is_some_and(|at| at <= now) {
            self.step(Event::Deadline, &mut work);
        }
        self.commit(now, work)
    }

    fn take(&mut self, input: Input, work: &mut Work) -> Result<(), StoreError> {
        match input {
            Input::Request(call, request) => self.take_request(call, *request, work),
            Input::Refused(call, fault) => {
                work.replies.push((call, validate::Then::Say(Reply::Refused(fault))));
                Ok(())
            }
            Input::Delivered(node, digest, how) => {
                work.told.insert(node);
                work.freed.extend(self.code.delivered(node, digest, how));
                Ok(())
            }
            Input::Report(_, Report::Site(site)) => {
                if self.sched.clusters().contains_key(&site.cluster) {
                    work.sites.push(Site { at: work.at, ..Arc::unwrap_or_clone(site) });
                }
                Ok(())
            }
            Input::Report(node, report) => {
                if let Some(event) = perform::event_of(self, node, report, &mut work.resend) {
                    self.step(event, work);
                }
                Ok(())
            }
            Input::Fact(event) => {
                self.step(*event, work);
                Ok(())
            }
            Input::RuleFired(job, node, fired) => self.rule_fired(job, node, *fired, work),
            Input::Settings(settings) => {
                self.settings = settings.clone();
                self.step(Event::SettingsChanged { settings }, work);
                Ok(())
            }
            Input::HostsFile(cluster) => {
                if let Some(event) = pools::reread(self, cluster) {
                    self.step(event, work);
                }
                Ok(())
            }
            Input::Listed(cluster, Ok(found)) => {
                let (events, outs) = self.compare(cluster, &found);
                for event in events {
                    self.step(event, work);
                }
                work.looks.extend(outs);
                Ok(())
            }
            Input::Ordered(node) => {
                self.ordered.insert(node);
                Ok(())
            }
            Input::Listed(cluster, Err(none)) => {
                self.looking.remove(&cluster);
                self.ordered_before.remove(&cluster);
                tracing::warn!(%cluster, none.code, none.message, "its provider cannot be looked at");
                Ok(())
            }
            Input::Woken(link, failed) => {
                if let Some(none) = failed {
                    let why = Unusable { code: none.code.into(), step: "power on".into(), message: none.message };
                    self.step(Event::NodeDown { node: link.node, why, retry_in: Some(Millis(0)) }, work);
                }
                work.looks.push(Out::Open(link));
                Ok(())
            }
            Input::AwaitOver(call) => {
                work.overdue.push(call);
                Ok(())
            }
            Input::Locate(call, file) => match locate::file(self, &file) {
                Ok(located) => {
                    work.looks.push(Out::Located(call, Ok(located)));
                    Ok(())
                }
                Err(validate::Refusal::Fault(fault)) => {
                    work.looks.push(Out::Located(call, Err(fault)));
                    Ok(())
                }
                Err(validate::Refusal::Store(error)) => Err(error),
            },
            Input::Task(call, task) => {
                let planned = match locate::task(self, *task) {
                    Ok(planned) => Ok(planned),
                    Err(validate::Refusal::Fault(fault)) => Err(fault),
                    Err(validate::Refusal::Store(error)) => return Err(error),
                };
                work.looks.push(Out::Task(call, planned));
                Ok(())
            }
        }
    }

    /// A rule came true: of a job that runs the core knows what to do; one that has failed by then comes back.
    fn rule_fired(&mut self, id: JobId, node: NodeId, fired: Fired, work: &mut Work) -> Result<(), StoreError> {
        let Some(job) = self.job(id)? else { return Ok(()) };
        work.looks.push(Out::TellRule(job.clone(), Box::new(fired.clone())));
        let elsewhere = fired.act == RuleAct::ExcludeNode;
        let again = elsewhere || fired.act == RuleAct::Retry;
        let stopped = job.last.errors.first().is_some_and(|error| error.code == "JobTerminated");
        let same = job.attempt.0 == fired.attempt && fired.attempt < RULE_ATTEMPTS_MAX;
        if elsewhere && job.state.ended() && fired.attempt < job.attempt.0 {
            self.step(Event::DrainAsked { node }, work);
            return Ok(());
        }
        if !(again && same && job.state == ExecutionState::Failed && !stopped) {
            self.step(Event::RuleFired { job: id, node, fired }, work);
            return Ok(());
        }
        let job = match depend::again(self, &job) {
            Ok(job) => job,
            Err(validate::Refusal::Fault(fault)) => {
                tracing::warn!(job = %id, fault.message, "a rule cannot run it again");
                return Ok(());
            }
            Err(validate::Refusal::Store(error)) => return Err(error),
        };
        if elsewhere {
            self.step(Event::DrainAsked { node }, work);
        }
        let mut row = Arc::unwrap_or_clone(job);
        row.last.fired.push(fired);
        self.step(Event::RetryAsked { job: Arc::new(row) }, work);
        Ok(())
    }

    fn take_request(&mut self, call: CallId, request: Request, work: &mut Work) -> Result<(), StoreError> {
        match validate::check(self, work.at, request) {
            Ok(validate::Checked::Reply(reply)) => work.replies.push((call, validate::Then::Say(reply))),
            Ok(validate::Checked::Do { events, then }) => {
                for event in events {
                    self.step(event, work);
                }
                let then = then.settle(self);
                work.replies.push((call, then));
            }
            Ok(validate::Checked::Await { job, until }) => {
                self.waiting.entry(job).or_default().push(call);
                if let Some(until) = until {
                    work.awaits.push((call, until));
                }
            }
            Ok(validate::Checked::Metrics { jobs, curves }) => work.looks.push(Out::Metrics(call, jobs, curves)),
            Ok(validate::Checked::History { node, since }) => work.looks.push(Out::History(call, node, since)),
            Ok(validate::Checked::Loads { nodes }) => work.looks.push(Out::Loads(call, nodes)),
            Ok(validate::Checked::Site { node }) => work.looks.push(Out::LookAtSite(call, node)),
            Ok(validate::Checked::SiteAsk { node, ask }) => work.looks.push(Out::AskSite(call, node, ask)),
            Ok(validate::Checked::SiteAct { node, act }) => work.looks.push(Out::ActAtSite(call, node, act)),
            Ok(validate::Checked::Outside(look)) => work.looks.push(Out::Look(call, look)),
            Err(validate::Refusal::Fault(fault)) => work.replies.push((call, validate::Then::Say(Reply::Refused(fault)))),
            Err(validate::Refusal::Store(error)) => return Err(error),
        }
        Ok(())
    }

    fn step(&mut self, event: Event, work: &mut Work) {
        if let Some(effect) = event.answers() {
            self.providing.remove(&effect);
        }
        let step = self.sched.step(work.at, event.clone());
        work.events.push(event);
        for key in step.touched {
            if let (RowKey::Job(id), Some(job)) = (key, self.job_row(key)) {
                debug_assert_eq!(id, job.id);
                self.names.add(&job);
            }
            work.touched.insert(key);
        }
        for closed in step.closed {
            if self.forget(closed) && !work.issued.remove(&closed) && guard("engine.answered") {
                work.answered.push(closed);
            }
        }
        for effect in step.effects {
            work.issued.insert(effect.id);
            work.order.push(effect.id);
            self.remember(effect);
        }
    }

    fn job_row(&self, key: RowKey) -> Option<Arc<Job>> {
        match self.sched.row(key) {
            Some(Change::Job(job)) => Some(job),
            _ => None,
        }
    }

    fn commit(&mut self, now: UnixMillis, work: Work) -> Result<Turn, StoreError> {
        let mut turn = Turn { awaits: work.awaits, ..Turn::default() };
        for key in &work.touched {
            turn.changes.insert(*key, self.sched.row(*key).unwrap_or(Change::Gone(*key)));
        }
        turn.deleted.extend(turn.changes.values().filter_map(|change| match change {
            Change::Gone(RowKey::Job(id)) => Some(*id),
            _ => None,
        }));
        let sealed = self.vault.take(&turn.changes);
        if !work.events.is_empty() {
            self.seq = self.seq.next();
            let batch = Batch {
                seq: self.seq,
                at: now,
                epoch: self.epoch,
                events: work.events,
                rows: turn.changes.values().cloned().collect(),
                issued: work.issued.iter().filter_map(|id| self.outbox.get(id).cloned()).collect(),
                answered: work.answered,
                counters: self.sched.counters(),
                sealed,
            };
            crash_point("turn-before-commit");
            points::deciding(&batch);
            self.store.commit(&batch)?;
            crash_point("turn-committed");
            points::committed(&batch);
        }
        // After the commit: a picture is told and not kept.
        for site in work.sites {
            turn.changes.insert(RowKey::Site(site.cluster), Change::Site(Arc::new(site)));
        }
        self.publish(now, &mut turn.changes);
        self.answer_waiting(&work.overdue, &turn.changes, &mut turn.replies);
        for (call, then) in work.replies {
            turn.replies.push((call, then.reply(self)));
        }
        for id in work.order.iter().filter(|id| work.issued.contains(id)) {
            if let Some(effect) = self.outbox.get(id).cloned() {
                self.perform(&effect, &mut turn.outs);
            }
        }
        self.resend(&work.resend, &work.issued, &mut turn.outs);
        for id in work.freed.iter().filter(|id| !work.issued.contains(id)) {
            if let Some(effect) = self.outbox.get(id).cloned() {
                self.perform(&effect, &mut turn.outs);
            }
        }
        work.told.iter().for_each(|node| self.code.told(*node));
        turn.outs.extend(work.looks);
        for id in self.sched.retire() {
            self.waiting.remove(&id);
            if let Some(Change::Job(job)) = turn.changes.get(&RowKey::Job(id)) {
                self.names.forget(job);
            }
        }
        Ok(turn)
    }

    /// Sends again what is in the outbox for nodes that have just come up; what was issued in this turn is on its way.
    fn resend(&mut self, nodes: &BTreeSet<NodeId>, fresh: &BTreeSet<EffectId>, outs: &mut Vec<Out>) {
        for node in nodes {
            let ids: Vec<EffectId> = self.outbox_of.get(node).into_iter().flatten().copied().collect();
            for id in ids.into_iter().filter(|id| !fresh.contains(id) && guard("engine.sent-again")) {
                if let Some(effect) = self.outbox.get(&id).cloned()
                    && !matches!(effect.act, Act::PrepareNode { .. } | Act::KeepLogs { .. })
                {
                    self.perform(&effect, outs);
                }
            }
        }
    }

    fn perform(&mut self, effect: &Effect, outs: &mut Vec<Out>) {
        match code::gate(self, effect) {
            code::Gate::Open => {}
            code::Gate::Shut => return self.code.holds(effect, false),
            code::Gate::Bring(delivery) => {
                self.code.holds(effect, true);
                outs.push(Out::Deliver(delivery));
                return;
            }
            code::Gate::Failed(order) => {
                outs.push(*order);
                return;
            }
        }
        match perform::perform(self, effect) {
            // A provider that is asked already is not asked a second time.
            perform::Done::Out(Out::Provide(work)) => {
                if work.effect().is_none_or(|effect| self.providing.insert(effect)) {
                    outs.push(Out::Provide(work));
                }
            }
            perform::Done::Out(out) => outs.push(out),
            perform::Done::Outs([first, Out::Provide(work)]) => {
                outs.push(first);
                if work.effect().is_none_or(|effect| self.providing.insert(effect)) {
                    outs.push(Out::Provide(work));
                }
            }
            perform::Done::Outs(both) => outs.extend(both),
            perform::Done::Fact(event) => self.feedback.push_back(Input::Fact(Box::new(event))),
            perform::Done::OutThenFact(out, event) => {
                outs.push(out);
                self.feedback.push_back(Input::Fact(Box::new(event)));
            }
            perform::Done::Later => {}
        }
    }

    fn publish(&mut self, now: UnixMillis, changes: &mut BTreeMap<RowKey, Change>) {
        let emptied: Vec<ExperimentId> = changes
            .values()
            .filter_map(|change| match change {
                Change::Gone(RowKey::Experiment(id)) => Some(*id),
                _ => None,
            })
            .collect();
        if !emptied.is_empty() {
            let with_it = self.snapshot.jobs.values().filter(|job| emptied.contains(&job.experiment)).map(|job| job.id);
            for key in with_it.map(RowKey::Job).collect::<Vec<_>>() {
                changes.insert(key, Change::Gone(key));
            }
        }
        for change in changes.values() {
            if let Change::Job(job) = change
                && job.state.ended()
                && !self.snapshot.jobs.get(&job.id).is_some_and(|before| before.state.ended())
            {
                self.ended.push_back(job.id);
            }
        }
        while self.ended.len() > ENDED_JOBS_KEPT {
            let Some(oldest) = self.ended.pop_front() else { break };
            let key = RowKey::Job(oldest);
            let still_ended = self.snapshot.jobs.get(&oldest).is_some_and(|job| job.state.ended());
            if still_ended && !changes.contains_key(&key) {
                changes.insert(key, Change::Gone(key));
            }
        }
        let update = crate::model::snapshot::Update {
            seq: self.seq,
            epoch: self.epoch,
            at: now,
            whole: false,
            changes: changes.values().cloned().collect(),
        };
        self.snapshot.apply(&update);
    }

    fn answer_waiting(
        &mut self,
        overdue: &[CallId],
        changes: &BTreeMap<RowKey, Change>,
        replies: &mut Vec<(CallId, Reply)>,
    ) {
        for (key, change) in changes {
            let RowKey::Job(id) = key else { continue };
            match change {
                Change::Job(job) if job.state.ended() => {
                    for call in self.waiting.remove(id).unwrap_or_default() {
                        replies.push((call, Reply::Job(Arc::new(views::job(&self.sched, job.clone())))));
                    }
                }
                Change::Gone(_) => {
                    for call in self.waiting.remove(id).unwrap_or_default() {
                        replies.push((call, Reply::Refused(gone(*id))));
                    }
                }
                _ => {}
            }
        }
        // A member that was taken away before it came up was never a row, so nothing says that it is gone.
        if changes.keys().any(|key| matches!(key, RowKey::Sweep(_))) {
            let there = |id: &JobId| self.sched.jobs().contains_key(id) || self.sched.is_to_come(*id);
            let lost: Vec<JobId> = self.waiting.keys().filter(|id| !there(id)).copied().collect();
            for id in lost {
                for call in self.waiting.remove(&id).unwrap_or_default() {
                    replies.push((call, Reply::Refused(gone(id))));
                }
            }
        }
        for call in overdue {
            let job = self.waiting.iter().find(|(_, calls)| calls.contains(call)).map(|(job, _)| *job);
            let Some(id) = job else { continue };
            if let Some(calls) = self.waiting.get_mut(&id) {
                calls.retain(|c| c != call);
            }
            if let Some(job) = self.sched.jobs().get(&id).cloned().or_else(|| sweeps::by_id(self, id)) {
                replies.push((*call, Reply::Job(Arc::new(views::job(&self.sched, job)))));
            }
        }
    }

    fn remember(&mut self, effect: Effect) {
        if let Some(node) = effect.act.node() {
            self.outbox_of.entry(node).or_default().insert(effect.id);
        }
        self.outbox.insert(effect.id, effect);
    }

    /// Takes an answered effect out of the outbox; says whether it was there.
    fn forget(&mut self, id: EffectId) -> bool {
        let Some(effect) = self.outbox.remove(&id) else { return false };
        if let Some(node) = effect.act.node()
            && let Some(ids) = self.outbox_of.get_mut(&node)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.outbox_of.remove(&node);
            }
        }
        true
    }

    /// Finds a job of an experiment by name, live or ended.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn job_named(&self, experiment: ExperimentId, name: &str) -> Result<Option<Arc<Job>>, StoreError> {
        let live = self.names.named(experiment, name).and_then(|id| self.sched.jobs().get(&id));
        match live {
            Some(job) => Ok(Some(job.clone())),
            None => {
                let ended = self.ended_only(self.store.job_named(experiment, name)?)?;
                Ok(ended.or_else(|| sweeps::by_name(self, experiment, name)))
            }
        }
    }

    /// Returns the name of a job of an experiment that is called as a member of a sweep of that name would be.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn numbered_job(&self, experiment: ExperimentId, sweep: &str) -> Result<Option<String>, StoreError> {
        match self.names.numbered(experiment, sweep) {
            Some(name) => Ok(Some(name.to_owned())),
            None => self.store.numbered_job(experiment, sweep),
        }
    }

    /// Finds a job by its client's token, live or ended.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn job_with_token(&self, token: &str) -> Result<Option<Arc<Job>>, StoreError> {
        if !guard("engine.token") {
            return Ok(None);
        }
        match self.names.with_token(token).and_then(|id| self.sched.jobs().get(&id)) {
            Some(job) => Ok(Some(job.clone())),
            None => self.ended_only(self.store.job_with_token(token)?),
        }
    }

    /// Finds a job by identity, live or ended.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        match self.sched.jobs().get(&id) {
            Some(job) => Ok(Some(job.clone())),
            None => Ok(self.ended_only(self.store.job(id)?)?.or_else(|| sweeps::by_id(self, id))),
        }
    }

    /// A row of the store that says "live" although the core does not have the job belongs to a turn that is not yet
    /// committed (it was deleted in it): it is no longer there.
    fn ended_only(&self, row: Option<Arc<Job>>) -> Result<Option<Arc<Job>>, StoreError> {
        Ok(row.filter(|job| job.state.ended()))
    }
}

fn gone(id: JobId) -> Fault {
    Fault::user(format!("{id} was deleted")).code(FaultCode::ResourceNotFound).target(id.to_string())
}

/// What a turn gathers before its commit.
#[derive(Default)]
struct Work {
    at: UnixMillis,
    events: Vec<Event>,
    touched: BTreeSet<RowKey>,
    issued: BTreeSet<EffectId>,
    order: Vec<EffectId>,
    answered: Vec<EffectId>,
    replies: Vec<(CallId, validate::Then)>,
    awaits: Vec<(CallId, UnixMillis)>,
    overdue: Vec<CallId>,
    resend: BTreeSet<NodeId>,
    looks: Vec<Out>,
    sites: Vec<Site>,
    /// Starts whose code is on its node now, or will not come.
    freed: Vec<EffectId>,
    /// The nodes that they are for.
    told: BTreeSet<NodeId>,
}
