//! The simulated world: one core on a disk that outlives it, machines behind links, people and faults, all from one seed.
//! Time leaps from one happening to the next. What the world knows of processes is the truth that the rules are checked
//! against.

mod nodes;
mod rules;
mod scaling;
mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ostler::model::ids::{JobId, NodeId, RankKey};
use ostler::model::request::{Reply, Request, Submit};
use ostler::model::settings::Settings;
use ostler::model::spec::code::Digest;
use ostler::model::state::{ExecutionState, StopWhy, Unusable};
use ostler::model::units::{Millis, UnixMillis};
use ostler::runtime::code::Delivered;
use ostler::runtime::engine::{Engine, Input, Out, Surroundings, Turn};
use ostler::transport::{Address, NodeLink, Order, Report};

use crate::cloud::{Cloud, Deed, Word};
use crate::disk::Disk;
use crate::faults::Faults;
use crate::host::Host;
use crate::rng::Rng;

/// How long a message is under way, in milliseconds: least and most.
const LATENCY: (u64, u64) = (1, 80);
/// How long the core's side takes to notice that a link is gone, in milliseconds.
const NOTICE: (u64, u64) = (5, 20_000);
/// How long the copy of a node's logs takes, in milliseconds: least and most.
const KEEPING: (u64, u64) = (1, 60_000);
/// How long a link waits before it tries again.
const RETRY: Millis = Millis(2_000);

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Happening {
    /// An order reaches a node's agent.
    ToNode { node: NodeId, session: u64, order: Box<Order> },
    /// A report reaches the core.
    ToCore { node: NodeId, session: u64, report: Box<Report> },
    /// The core's side of a link says that it is down.
    Notice { node: NodeId, life: u64 },
    /// A link is tried.
    Try { node: NodeId, life: u64 },
    /// A process may end by itself now.
    Ends { host: String, key: RankKey },
    /// A process that was told to stop is gone now.
    Killed { node: NodeId, session: u64, host: String, key: RankKey, effect: ostler::model::ids::EffectId, why: StopWhy },
    /// The core has a deadline.
    Tick { life: u64 },
    /// A provider does something.
    Cloud { life: u64, deed: Deed },
    /// A machine goes that its provider has given notice of.
    Taken { tag: ostler::providers::Tag },
    /// A provider says what it has done.
    Said { life: u64, word: Word },
    /// A core is started.
    Start,
    /// The logs of a node are copied, or it was given up.
    Kept { life: u64, effect: ostler::model::ids::EffectId },
    /// Code has come to a node, or was given up.
    Delivered { life: u64, node: NodeId, digest: Digest },
    /// Somebody does something.
    Person,
    /// Something breaks, or is mended.
    Fault,
    /// Nodes are measured.
    Measure,
}

/// The core's side of a node's link.
#[derive(Clone, Debug)]
struct Wire {
    link: NodeLink,
    host: String,
    session: u64,
    up: bool,
    /// Messages of one session arrive in order.
    last_out: UnixMillis,
    last_in: UnixMillis,
}

/// The world.
pub struct World {
    /// Where chance comes from.
    pub rng: Rng,
    /// The time.
    pub now: UnixMillis,
    /// What breaks how often.
    pub faults: Faults,
    /// People and faults have stopped.
    pub calm: bool,
    /// The controller's disk.
    pub disk: Disk,
    /// The core, while one runs.
    pub engine: Option<Engine<Disk>>,
    /// Counts the cores.
    pub life: u64,
    /// All machines by name.
    pub hosts: BTreeMap<String, Host>,
    /// Machines whose network is cut.
    pub cut: BTreeSet<String>,
    /// What a provider sells; its pool is used by every third seed.
    pub cloud: Cloud,
    /// Whether the pool is the provider's.
    pub cloudy: bool,
    /// Machines that the provider has taken back.
    pub away: BTreeSet<String>,
    wires: BTreeMap<NodeId, Wire>,
    calendar: BTreeMap<(UnixMillis, u64), Happening>,
    count: u64,
    next_tick: Option<UnixMillis>,
    next_call: u64,
    /// Every start there was: on which machine and under which boot.
    pub starts: BTreeMap<RankKey, (String, u64)>,
    /// The newest attempt of each job.
    attempts: BTreeMap<JobId, ostler::model::ids::Attempt>,
    /// Every exit record there was.
    pub exits: BTreeMap<RankKey, i32>,
    /// Jobs as they ended, by attempt: they may never change again but by a retry.
    ended: BTreeMap<JobId, (u32, ExecutionState, Option<i32>)>,
    /// Requests under way and the token they carry.
    asked: BTreeMap<u64, String>,
    /// What was asked for under each token.
    pub said: BTreeMap<String, Submit>,
    /// Tokens that were answered with a job.
    pub accepted: BTreeMap<String, JobId>,
    /// Jobs that a person retried or deleted since they ended.
    pub reopened: BTreeSet<JobId>,
    /// What machines cost and what was decided about them.
    account: scaling::Account,
    /// How machines are used and what was decided about it.
    used: used::Used,
    /// What was reached, for the probes.
    pub reached: BTreeMap<&'static str, u64>,
    trace: DefaultHasher,
    /// Prints what happens.
    pub verbose: bool,
}

impl World {
    /// Returns the world of a seed, with a core about to start.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let faults = Faults::draw(&mut rng);
        let mut world = Self {
            rng,
            now: UnixMillis(1_000_000),
            faults,
            calm: false,
            disk: Disk::default(),
            engine: None,
            life: 0,
            hosts: BTreeMap::new(),
            cut: BTreeSet::new(),
            cloud: Cloud::default(),
            cloudy: seed.is_multiple_of(3),
            away: BTreeSet::new(),
            wires: BTreeMap::new(),
            calendar: BTreeMap::new(),
            count: 0,
            next_tick: None,
            next_call: 0,
            starts: BTreeMap::new(),
            attempts: BTreeMap::new(),
            exits: BTreeMap::new(),
            ended: BTreeMap::new(),
            asked: BTreeMap::new(),
            said: BTreeMap::new(),
            accepted: BTreeMap::new(),
            reopened: BTreeSet::new(),
            account: scaling::Account::default(),
            used: used::Used::default(),
            reached: BTreeMap::new(),
            trace: DefaultHasher::new(),
            verbose: std::env::var_os("SEED").is_some(),
        };
        world.at(0, Happening::Start);
        world.at(0, Happening::Measure);
        world
    }

    /// Notes that something was reached.
    pub fn reach(&mut self, what: &'static str) {
        *self.reached.entry(what).or_default() += 1;
    }

    /// Returns a number that two runs of the same seed have in common.
    pub fn trace_hash(&self) -> u64 {
        self.trace.finish()
    }

    /// Lets something happen so many milliseconds from now.
    pub fn at(&mut self, millis: u64, happening: Happening) {
        self.when(self.now + Millis(millis), happening);
    }

    fn when(&mut self, at: UnixMillis, happening: Happening) {
        self.count += 1;
        self.calendar.insert((at, self.count), happening);
    }

    /// Lets the next thing happen; says whether there was one before `until`.
    pub fn advance(&mut self, until: UnixMillis) -> bool {
        let Some(entry) = self.calendar.first_entry() else { return false };
        if entry.key().0 > until {
            self.now = until;
            return false;
        }
        let ((at, _), happening) = entry.remove_entry();
        self.now = self.now.max(at);
        if self.verbose {
            println!("{} {happening:?}", self.now.0);
        }
        (self.now.0, format!("{happening:?}")).hash(&mut self.trace);
        self.happen(happening);
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ToNode { node, session, order } => self.reach_node(node, session, *order),
            Happening::ToCore { node, session, report } => {
                if self.wires.get(&node).is_some_and(|wire| wire.session == session && wire.up) {
                    self.turn(vec![Input::Report(node, *report)]);
                }
            }
            Happening::Notice { node, life } => self.notice(node, life),
            Happening::Try { node, life } => self.try_link(node, life),
            Happening::Ends { host, key } => self.process_ends(&host, key),
            Happening::Killed { node, session, host, key, effect, why } => {
                self.process_killed(node, session, &host, key, effect, why);
            }
            Happening::Tick { life } => {
                if life == self.life && self.next_tick.is_some_and(|at| at <= self.now) {
                    self.next_tick = None;
                    self.turn(Vec::new());
                }
            }
            Happening::Cloud { life, deed } => crate::cloud::act(self, life, deed),
            Happening::Taken { tag } => crate::cloud::take(self, tag),
            Happening::Said { life, word } => crate::cloud::say(self, life, word),
            Happening::Start => self.start(),
            Happening::Kept { life, effect } => {
                if life == self.life {
                    let kept = ostler::model::kept::Kept::default();
                    self.turn(vec![Input::Fact(Box::new(ostler::sched::Event::LogsKept { effect, kept }))]);
                }
            }
            Happening::Delivered { life, node, digest } => {
                if life == self.life {
                    let how = self.deliver(node, &digest);
                    self.turn(vec![Input::Delivered(node, digest, how)]);
                }
            }
            Happening::Person if self.calm => {}
            Happening::Fault if self.calm => {}
            Happening::Person => crate::people::act(self),
            Happening::Measure => self.measure(),
            Happening::Fault => crate::faults::strike(self),
        }
    }

    fn start(&mut self) {
        if self.engine.is_some() {
            return;
        }
        self.life += 1;
        let mut drawn = u128::from(self.rng.next()) << 32;
        let draw = Box::new(move || {
            drawn += 1;
            uuid::Uuid::from_u128(drawn)
        });
        let around = Surroundings { state_dir: "/state".into(), pid: 1, ..Surroundings::default() };
        let opened = Engine::open(self.disk.clone(), Settings::default(), around, self.now, draw);
        match opened {
            Ok((engine, turn)) => {
                self.check_decisions(&engine);
                self.engine = Some(engine);
                self.check_durable();
                self.carry_out(turn);
                self.run_feedback();
                crate::cloud::watch(self);
            }
            Err(_) => self.at(1_000, Happening::Start),
        }
    }

    /// The core is gone, with all that is on its links.
    pub fn crash(&mut self) {
        self.engine = None;
        self.wires.clear();
        self.next_tick = None;
        self.asked.clear();
        self.life += 1;
        let pause = self.rng.range(10, 60_000);
        self.at(pause, Happening::Start);
    }

    /// Asks the core for something; with a token when it is a submit.
    pub fn ask(&mut self, request: Request, token: Option<String>) {
        self.next_call += 1;
        if let Some(token) = token {
            self.asked.insert(self.next_call, token);
        }
        self.turn(vec![Input::Request(self.next_call, Box::new(request))]);
    }

    fn turn(&mut self, inputs: Vec<Input>) {
        let Some(mut engine) = self.engine.take() else { return };
        if self.rng.chance(self.faults.crash_before_commit) {
            self.disk.with(|disk| disk.fail_next = true);
        }
        let taken = engine.turn(self.now, inputs);
        self.disk.with(|disk| disk.fail_next = false);
        if taken.is_ok() {
            self.check_decisions(&engine);
        }
        match taken {
            Err(_) => {
                self.reach("crash before commit");
                self.crash();
            }
            Ok(_) if self.rng.chance(self.faults.crash_after_commit) => {
                self.reach("crash after commit");
                self.crash();
            }
            Ok(turn) => {
                self.engine = Some(engine);
                self.carry_out(turn);
                self.run_feedback();
            }
        }
    }

    fn check_decisions(&mut self, engine: &Engine<Disk>) {
        let mut reached = self.account.check(engine.sched(), self.now);
        reached.extend(self.used.check(engine.sched(), self.now));
        for what in reached {
            self.reach(what);
        }
    }

    fn run_feedback(&mut self) {
        if self.engine.as_ref().is_some_and(Engine::has_feedback) {
            self.turn(Vec::new());
        }
    }

    fn carry_out(&mut self, turn: Turn) {
        for (key, change) in &turn.changes {
            self.check_written(*key, change);
            self.check_change(*key, change);
        }
        for (call, reply) in turn.replies {
            self.answered(call, reply);
        }
        for out in turn.outs {
            self.act(out);
        }
        let deadline = self.engine.as_ref().and_then(Engine::next_deadline);
        if let Some(at) = deadline
            && self.next_tick.is_none_or(|before| at < before || before <= self.now)
        {
            self.next_tick = Some(at);
            let life = self.life;
            self.when(at.max(self.now + Millis(1)), Happening::Tick { life });
        }
    }

    fn answered(&mut self, call: u64, reply: Reply) {
        match (self.asked.remove(&call), reply) {
            (Some(token), Reply::Submitted(jobs)) => self.submitted(token, jobs.iter().map(|job| job.id).collect()),
            (Some(token), Reply::SubmittedArray { jobs, .. }) => self.submitted(token, jobs),
            (_, Reply::Refused(fault)) => {
                let internal = fault.kind == ostler::model::fault::FaultKind::Internal;
                assert!(!internal, "a request met a mistake of ours: {fault:?}");
            }
            (_, _) => {}
        }
    }

    fn submitted(&mut self, token: String, jobs: Vec<ostler::model::ids::JobId>) {
        // Of an array the first member stands for all.
        if let Some(job) = jobs.first()
            && let Some(before) = self.accepted.insert(token, *job)
        {
            assert_eq!(before, *job, "I25: one token gave two jobs");
        }
        for job in jobs {
            assert!(self.disk.holds(job), "I04: {job} was answered before it was on the disk");
        }
    }

    /// Something was found out while performing.
    pub fn told(&mut self, input: Input) {
        self.turn(vec![input]);
    }

    /// A machine is the provider's again, with all that was on it.
    pub fn take_away(&mut self, host: &str) {
        self.drop_sessions(host);
        if let Some(machine) = self.hosts.get_mut(host) {
            crate::faults::power_off(machine);
        }
        self.away.insert(host.to_owned());
    }

    pub fn act(&mut self, out: Out) {
        let life = self.life;
        match out {
            Out::Open(link) => {
                let host = match &link.address {
                    Address::Ssh { host, .. } => host.clone(),
                    Address::Allocation { job, .. } => job.clone(),
                    Address::Local => format!("local-{}", link.node),
                };
                self.hosts.entry(host.clone()).or_insert_with(Host::new);
                let node = link.node;
                let other = self.wires.iter().find(|(of, wire)| **of != node && wire.host == host);
                assert!(other.is_none(), "I09: {host} was given to {node} while {:?} has it", other.map(|(of, _)| of));
                self.wires.entry(node).or_insert(Wire {
                    link: *link,
                    host,
                    session: 0,
                    up: false,
                    last_out: UnixMillis(0),
                    last_in: UnixMillis(0),
                });
                let delay = self.rng.range(LATENCY.0, LATENCY.1);
                self.at(delay, Happening::Try { node, life });
            }
            Out::Close(node) => {
                if let Some(wire) = self.wires.remove(&node) {
                    let on = self.hosts.get(&wire.host);
                    let alive: Vec<RankKey> = on.into_iter().flat_map(Host::alive).collect();
                    let of_node = |key: &RankKey| {
                        self.disk.row(key.job).is_some_and(|job| {
                            job.attempt == key.attempt && job.last.ranks.get(&key.rank).is_some_and(|run| run.node == node)
                        })
                    };
                    let left: Vec<_> = alive.iter().filter(|key| of_node(key)).collect();
                    assert!(left.is_empty(), "I14: {node} was released with {left:?} alive on it");
                }
            }
            Out::Order(node, order) => {
                self.check_order(node);
                self.send(node, order);
            }
            Out::Server(effect, _) => {
                let outcome =
                    ostler::model::state::file_server::ServerOutcome::Failed { message: "no host is simulated".to_owned() };
                self.turn(vec![Input::Fact(Box::new(ostler::sched::Event::FileServerAnswered { effect, outcome }))]);
            }
            Out::Notify(effect, _) => {
                self.turn(vec![Input::Fact(Box::new(ostler::sched::Event::EffectDone { effect }))]);
            }
            Out::Keep(effect, _) => {
                let took = self.rng.range(KEEPING.0, KEEPING.1);
                self.at(took, Happening::Kept { life, effect });
            }
            Out::Provide(work) => crate::cloud::call(self, *work),
            Out::Deliver(delivery) => {
                let took = self.rng.range(KEEPING.0, KEEPING.1);
                let (node, digest) = (delivery.link.node, delivery.digest);
                self.at(took, Happening::Delivered { life, node, digest });
            }
            Out::History(..)
            | Out::ActAtSite(..)
            | Out::Loads(..)
            | Out::Metrics(..)
            | Out::Look(..)
            | Out::LookAtSite(..)
            | Out::AskSite(..)
            | Out::Located(..)
            | Out::TellRule(..)
            | Out::Task(..) => {}
        }
    }

    /// A machine has what was sent to it when its link held so long; now and then it has no room.
    fn deliver(&mut self, node: NodeId, digest: &Digest) -> Delivered {
        let full = !self.calm && self.rng.chance(20);
        let host = self.wires.get(&node).filter(|wire| wire.up).map(|wire| wire.host.clone());
        let host = host.filter(|host| self.reachable(host)).and_then(|host| self.hosts.get_mut(&host));
        match host {
            _ if full => Delivered::Failed("no room".to_owned()),
            None => Delivered::Failed("the link was lost".to_owned()),
            Some(host) => {
                host.code.insert((node, digest.clone()));
                Delivered::There(host.code.iter().filter(|(of, _)| *of == node).map(|(_, digest)| digest.clone()).collect())
            }
        }
    }

    fn send(&mut self, node: NodeId, order: Order) {
        let delay = Millis(self.rng.range(LATENCY.0, LATENCY.1));
        let Some(wire) = self.wires.get_mut(&node).filter(|wire| wire.up) else { return };
        wire.last_out = wire.last_out.max(self.now + delay);
        let (at, session) = (wire.last_out, wire.session);
        self.when(at, Happening::ToNode { node, session, order: Box::new(order) });
    }

    fn report(&mut self, node: NodeId, session: u64, report: Report) {
        let delay = Millis(self.rng.range(LATENCY.0, LATENCY.1));
        let Some(wire) = self.wires.get_mut(&node).filter(|wire| wire.up && wire.session == session) else { return };
        wire.last_in = wire.last_in.max(self.now + delay);
        let at = wire.last_in;
        self.when(at, Happening::ToCore { node, session, report: Box::new(report) });
    }

    fn reachable(&self, host: &str) -> bool {
        self.hosts.get(host).is_some_and(|h| h.on) && !self.cut.contains(host) && !self.away.contains(host)
    }

    fn try_link(&mut self, node: NodeId, life: u64) {
        if life != self.life || self.engine.is_none() {
            return;
        }
        let Some(wire) = self.wires.get(&node) else { return };
        if wire.up && self.reachable(&wire.host) {
            // Asked to prepare again: the agent says once more what there is.
            self.say_up(node);
            return;
        }
        if !self.reachable(&wire.host) {
            let why = Unusable { code: "unreachable".into(), step: "connect".into(), message: "timed out".into() };
            self.turn(vec![Input::Report(node, Report::Down { why, retry_in: Some(RETRY) })]);
            self.at(RETRY.0, Happening::Try { node, life });
            return;
        }
        if let Some(wire) = self.wires.get_mut(&node) {
            wire.session += 1;
            wire.up = true;
        }
        self.say_up(node);
    }

    fn say_up(&mut self, node: NodeId) {
        let Some(wire) = self.wires.get(&node) else { return };
        let (name, epoch, session) = (wire.host.clone(), wire.link.epoch, wire.session);
        let Some(host) = self.hosts.get_mut(&name) else { return };
        assert!(epoch >= host.epoch, "I15: a core of {epoch} reached a node that has seen {}", host.epoch);
        host.epoch = epoch;
        let up = Report::Up { boot: host.boot_id(), facts: Box::new(host.facts(&name)), inventory: host.inventory(node) };
        self.report(node, session, up);
    }

    fn notice(&mut self, node: NodeId, life: u64) {
        if life != self.life || self.wires.get(&node).is_none_or(|wire| wire.up) {
            return;
        }
        let why = Unusable { code: "unreachable".into(), step: "connect".into(), message: "connection lost".into() };
        self.turn(vec![Input::Report(node, Report::Down { why, retry_in: Some(RETRY) })]);
        self.at(RETRY.0, Happening::Try { node, life });
    }

    /// Ends all sessions with a machine; the core's side notices later.
    pub fn drop_sessions(&mut self, host: &str) {
        let life = self.life;
        let nodes: Vec<NodeId> =
            self.wires.iter().filter(|(_, wire)| wire.host == host && wire.up).map(|(node, _)| *node).collect();
        for node in nodes {
            if let Some(wire) = self.wires.get_mut(&node) {
                wire.up = false;
                wire.session += 1;
            }
            let delay = self.rng.range(NOTICE.0, NOTICE.1);
            self.at(delay, Happening::Notice { node, life });
        }
    }
}
