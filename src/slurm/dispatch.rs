//! The dispatcher: one task for each login node, between its agent and the runtime. It gathers orders, makes one round of calls of
//! them, and tells what it saw. What a round did not hear the answer of is asked again: every call is idempotent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::model::ids::{ClusterId, EffectId, NodeId, RankKey};
use crate::model::launch::{BatchArray, Launch};
use crate::model::site::{Site, SiteAct};
use crate::model::state::{Away, BootId, Facts, Proof, StopWhy, Unusable};
use crate::model::units::{Millis, UnixMillis};
use crate::slurm::acts;
use crate::slurm::ask::{Calls, ask};
use crate::slurm::look::{Queue, Sight, away_of, refused, same, sight};
use crate::slurm::parse::{Answer, Heard, Queued, Record};
use crate::slurm::rest::Service;
use crate::slurm::submit::{Due, Submission, submission, submissions};
use crate::slurm::{COMMENT_BEGINS, array_script, comment};
use crate::transport::agent::AgentHandle;
use crate::transport::link::LinkError;
use crate::transport::{NodeLink, Order, Report, Seen};

/// How far apart looks are: after something happened, and when nothing has for long. Sites ask for no less than a few seconds, and
/// slurmctld takes a lock for each.
const EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// The longest pause while somebody looks.
const EVERY_WATCHED_MAX: Duration = Duration::from_secs(10);
/// The most looks in a minute, whatever people and jobs do; those who ask more often see the last picture.
const LOOKS_A_MINUTE: usize = 40;
const MINUTE: Duration = Duration::from_secs(60);
/// A look takes at most this part of the time: a controller that is slow is asked less often.
const PART_OF_TIME: u32 = 10;
/// How many stops go in one round: at some 0.05 s each they end well within the time of an answer.
const STOPS_AT_ONCE: usize = 64;
/// How many members an array may have where Slurm does not say: its default, of indexes from 0 on.
const ARRAY_MAX: u32 = 1001;
/// How long the first member of an array waits for the others, whose starts are on their way.
const GATHER: Duration = Duration::from_millis(300);
/// Failures of `squeue` in a row after which the cluster is out of sight.
const FAILURES_MAX: u32 = 3;
/// How long a submission waits that Slurm did not take, at first and at most.
const LATER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Looks in a row at which a job that has a number is nowhere, before it is lost.
const MISSING_MAX: u32 = 3;
/// How many orders may wait: as for any node.
const ORDERS_MAX: usize = 16_384;

/// What the login node says of an array that was not taken because of its size.
const ARRAY_TOO_LARGE: &str = "an array of this size is not taken";

/// The runtime's end of a dispatcher. Dropping it changes nothing: the task ends with its agent.
#[derive(Clone, Debug)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    asked: mpsc::Sender<Question>,
}

/// The answer to an act: of each job or node for which Slurm refused it, its words.
pub type Acted = Result<Vec<(String, String)>, Unusable>;

/// What people want of the dispatcher.
#[derive(Debug)]
enum Question {
    /// A fresh picture.
    Look(oneshot::Sender<Result<Arc<Site>, Unusable>>),
    /// Something done.
    Act(SiteAct, oneshot::Sender<Acted>),
}

impl Handle {
    /// Gives an order. It may be lost: after the next `Report::Up` the caller issues it again.
    pub fn send(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::warn!("more orders than a login node takes; they are given again when it comes up");
        }
    }

    /// Asks for a fresh picture; the answer never comes when the login node is given back meanwhile.
    pub fn look(&self) -> oneshot::Receiver<Result<Arc<Site>, Unusable>> {
        let (answer, answered) = oneshot::channel();
        // Who is not asked drops the sender, and the receiver says so.
        let _ = self.asked.try_send(Question::Look(answer));
        answered
    }

    /// Has something done; the answer never comes when the login node is given back meanwhile. After an error it is not known
    /// whether it was done.
    pub fn act(&self, act: SiteAct) -> oneshot::Receiver<Acted> {
        let (answer, answered) = oneshot::channel();
        // As above.
        let _ = self.asked.try_send(Question::Act(act, answer));
        answered
    }
}

/// Starts the dispatcher of one login node. `service` is asked in place of its programs. `said` is what its agent reports; `watched` says whether anybody looks at a screen.
pub fn spawn(
    link: &NodeLink,
    agent: AgentHandle,
    said: mpsc::Receiver<(NodeId, Report)>,
    reports: mpsc::Sender<(NodeId, Report)>,
    watched: watch::Receiver<bool>,
    service: Option<Service>,
) -> Handle {
    let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
    let (asked_in, asked) = mpsc::channel(64);
    let task = Dispatch {
        node: link.node,
        cluster: link.cluster,
        whose: link.spool.0.chars().filter(char::is_ascii_alphanumeric).collect(),
        agent,
        service,
        reports,
        watched,
        root: String::new(),
        facts: None,
        up: false,
        version: String::new(),
        array_max: (ARRAY_MAX, ARRAY_MAX),
        flights: BTreeMap::new(),
        starts: BTreeMap::new(),
        acks: BTreeMap::new(),
        asking: Vec::new(),
        ended: BTreeSet::new(),
        failures: 0,
        looks: VecDeque::new(),
        last: None,
        pace: EVERY.0,
        next: None,
    };
    tokio::spawn(task.run(said, orders, asked));
    Handle { orders: orders_in, asked: asked_in }
}

/// One process that was handed over.
#[derive(Debug, Default)]
struct Flight {
    /// Of which array or sweep it is a member.
    of: Option<String>,
    /// Whether it was found in an array of which it is not known whether Slurm has it.
    tried: bool,
    /// The start that is to be answered.
    start: Option<EffectId>,
    /// The stop that is.
    stop: Option<(EffectId, StopWhy)>,
    /// Whether `scancel` was heard.
    stop_heard: bool,
    /// Whether the start was told.
    told_started: bool,
    /// Its end, once told; it stays until the core has it on disk.
    gone: Option<Proof>,
    away: Arc<Away>,
    missing: u32,
}

/// A submission that waits to be made.
struct Waiting {
    effect: EffectId,
    launch: Box<Launch>,
    tries: u32,
    at: Instant,
}

struct Dispatch {
    node: NodeId,
    cluster: ClusterId,
    /// The cluster's uuid, as comments have it.
    whose: String,
    agent: AgentHandle,
    /// What is asked in place of Slurm's programs.
    service: Option<Service>,
    reports: mpsc::Sender<(NodeId, Report)>,
    watched: watch::Receiver<bool>,
    /// The login node's spool.
    root: String,
    /// What the agent said when it came up.
    facts: Option<(Facts, BTreeMap<RankKey, Seen>)>,
    up: bool,
    version: String,
    /// How many members an array may have: now, and at most. It is lowered where a site takes no such array.
    array_max: (u32, u32),
    flights: BTreeMap<RankKey, Flight>,
    starts: BTreeMap<RankKey, Waiting>,
    acks: BTreeMap<RankKey, EffectId>,
    asking: Vec<oneshot::Sender<Result<Arc<Site>, Unusable>>>,
    /// Numbers of jobs of which Slurm is asked how they ended.
    ended: BTreeSet<String>,
    failures: u32,
    /// When looks were, in the last minute.
    looks: VecDeque<Instant>,
    /// The last picture of everything.
    last: Option<Arc<Site>>,
    pace: Duration,
    /// When the next look is due.
    next: Option<Instant>,
}

impl Dispatch {
    async fn run(
        mut self,
        mut said: mpsc::Receiver<(NodeId, Report)>,
        mut orders: mpsc::Receiver<Order>,
        mut asked: mpsc::Receiver<Question>,
    ) {
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                report = said.recv() => match report {
                    None => return,
                    Some((_, report)) => if self.heard_agent(report).await.is_err() { return },
                },
                Some(order) = orders.recv() => {
                    self.take(order).await;
                    while let Ok(order) = orders.try_recv() {
                        self.take(order).await;
                    }
                }
                Some(question) = asked.recv() => match question {
                    Question::Look(answer) => self.asking.push(answer),
                    Question::Act(act, answer) => {
                        // Who asked may have left.
                        let _ = answer.send(self.act(&act).await);
                        self.soon();
                    }
                },
                Ok(()) = self.watched.changed() => {
                    if *self.watched.borrow_and_update() {
                        self.soon();
                    }
                }
                () = sleep_until(wake) => {}
            }
            if self.round().await.is_err() {
                return;
            }
        }
    }

    /// Returns when something is due by itself.
    fn wake(&self) -> Option<Instant> {
        self.facts.as_ref()?;
        self.starts.values().map(|waiting| waiting.at).chain(self.next).min()
    }

    fn soon(&mut self) {
        self.pace = EVERY.0;
        self.next = Some(Instant::now());
    }

    async fn heard_agent(&mut self, report: Report) -> Result<(), ()> {
        match report {
            Report::Up { facts, inventory, .. } => {
                self.root.clone_from(&facts.root);
                self.facts = Some((*facts, inventory));
                (self.up, self.failures) = (false, 0);
                if let Some(service) = &mut self.service {
                    service.lose();
                }
                self.starts.clear();
                self.acks.clear();
                self.soon();
                Ok(())
            }
            Report::Down { .. } => {
                (self.up, self.facts) = (false, None);
                for answer in self.asking.drain(..) {
                    // Who asked may have left.
                    let _ = answer.send(Err(silent("the login node is out of sight")));
                }
                self.report(report).await
            }
            other => self.report(other).await,
        }
    }

    async fn take(&mut self, order: Order) {
        match order {
            Order::Start { effect, key, launch, .. } => {
                let flight = self.flights.entry(key).or_default();
                flight.start = Some(effect);
                let array = launch.batch.as_ref().and_then(|batch| batch.array.as_ref());
                flight.of = array.map(|array| array.of.clone());
                let gather = if array.is_some() { GATHER } else { Duration::ZERO };
                if let Some(proof) = flight.gone.clone() {
                    let _ = self.report(Report::Gone { key, effect: Some(effect), proof }).await;
                } else if flight.told_started {
                    let _ = self.report(Report::Started { effect, key }).await;
                } else {
                    self.starts.insert(key, Waiting { effect, launch, tries: 0, at: Instant::now() + gather });
                }
            }
            Order::Refuse { effect, key, code, why } => {
                self.flights.entry(key).or_default().stop = Some((effect, StopWhy::Finished));
                self.starts.remove(&key);
                let proof = Proof::Refused { why, code: Some(code) };
                let _ = self.report(Report::Gone { key, effect: Some(effect), proof }).await;
            }
            Order::Stop { effect, key, why, .. } => {
                self.starts.remove(&key);
                let flight = self.flights.entry(key).or_default();
                (flight.stop, flight.stop_heard) = (Some((effect, why)), false);
                if let Some(proof) = flight.gone.clone() {
                    let _ = self.report(Report::Gone { key, effect: Some(effect), proof }).await;
                }
            }
            Order::Ack { effect, key } => drop(self.acks.insert(key, effect)),
            // Launchers have Slurm's own way to their daemons, and nothing is sent ahead to it.
            Order::AnswerDaemon { effect, .. } | Order::Recall { effect, .. } => {
                let _ = self.report(Report::Done { effect }).await;
            }
        }
    }

    /// Makes the calls that are due.
    async fn round(&mut self) -> Result<(), ()> {
        if self.facts.is_none() {
            return Ok(());
        }
        let now = Instant::now();
        if !self.up {
            return match self.next.is_some_and(|at| at <= now) {
                true => self.come_up().await,
                false => Ok(()),
            };
        }
        let mut calls = Calls::default();
        self.call_orders(&mut calls, now).await;
        let acts = !calls.is_empty();
        let all = !self.asking.is_empty() || *self.watched.borrow();
        let looks = acts || !self.asking.is_empty() || self.next.is_some_and(|at| at <= now);
        if !looks {
            return Ok(());
        }
        if let Some(from) = self.may_look_from(now) {
            return self.round_without_look(&calls, now, from).await;
        }
        self.looks.push_back(now);
        calls.call("queue", &[if all { "all" } else { "mine" }]);
        let keys: Vec<String> =
            self.flights.iter().filter(|(_, f)| f.gone.is_none()).map(|(key, _)| key.to_string()).collect();
        if !keys.is_empty() {
            let mut words = vec![self.root.as_str()];
            words.extend(keys.iter().map(String::as_str));
            calls.call("records", &words);
        }
        if !self.ended.is_empty() {
            calls.call("ended", &self.ended.iter().map(String::as_str).collect::<Vec<_>>());
        }
        match self.ask(&calls).await {
            Ok(heard) => {
                let changed = self.hear(&heard, now).await?;
                self.told_all(&heard, all);
                self.pause(now.elapsed(), changed || acts);
                Ok(())
            }
            Err(error) => self.failed(&error.chain()).await,
        }
    }

    /// Returns when there may be a look again, if not now.
    fn may_look_from(&mut self, now: Instant) -> Option<Instant> {
        while self.looks.front().is_some_and(|at| *at + MINUTE <= now) {
            self.looks.pop_front();
        }
        (self.looks.len() >= LOOKS_A_MINUTE).then(|| self.looks.front().map(|at| *at + MINUTE)).flatten()
    }

    /// Does what is ordered, and leaves the look for later; who asked has the last picture.
    async fn round_without_look(&mut self, calls: &Calls, now: Instant, from: Instant) -> Result<(), ()> {
        self.next = Some(from);
        if let Some(site) = &self.last {
            for answer in self.asking.drain(..) {
                // Who asked may have left.
                let _ = answer.send(Ok(site.clone()));
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        match self.ask(calls).await {
            Ok(heard) => self.hear_orders(&heard, now).await.map(|_| ()),
            Err(error) => self.failed(&error.chain()).await,
        }
    }

    async fn call_orders(&mut self, calls: &mut Calls, now: Instant) {
        let (mut impossible, mut due) = (Vec::new(), Vec::new());
        let array = |waiting: &Waiting| Some(waiting.launch.batch.as_ref()?.array.as_ref()?.of.clone());
        let is_due = |waiting: &&Waiting| waiting.at <= now;
        let arrays: BTreeSet<String> = self.starts.values().filter(is_due).filter_map(array).collect();
        // Members that came while the first one waited go with it.
        let goes = |waiting: &Waiting| {
            is_due(&waiting) || (waiting.tries == 0 && array(waiting).is_some_and(|of| arrays.contains(&of)))
        };
        for (key, waiting) in self.starts.iter().filter(|(_, waiting)| goes(waiting)) {
            let tried = self.flights.get(key).is_some_and(|flight| flight.tried);
            match waiting.launch.batch.as_deref() {
                Some(batch) => due.push(Due { key: *key, batch, tried }),
                None => impossible.push((*key, waiting.effect, "it was not made for Slurm".to_owned())),
            }
        }
        for one in submissions(&due, self.array_max.0) {
            impossible.extend(self.call_submission(calls, &one));
        }
        for (key, effect, why) in impossible {
            self.starts.remove(&key);
            self.gone(key, Some(effect), refused(why)).await;
        }
        let stops: Vec<RankKey> = self
            .flights
            .iter()
            .filter(|(_, f)| f.stop.is_some() && !f.stop_heard && f.gone.is_none())
            .map(|(k, _)| *k)
            .collect();
        for key in stops.into_iter().take(STOPS_AT_ONCE) {
            calls.call("stop", &[&self.root, &key.to_string(), &comment(&self.whose, key)]);
        }
        if !self.acks.is_empty() {
            let keys: Vec<String> = self.acks.keys().map(ToString::to_string).collect();
            let mut words = vec![self.root.as_str()];
            words.extend(keys.iter().map(String::as_str));
            calls.call("forget", &words);
        }
    }

    /// Adds the calls of one submission; returns those of which there can be none, and why.
    fn call_submission(&self, calls: &mut Calls, one: &Submission) -> Vec<(RankKey, EffectId, String)> {
        let (keys, array) = match one {
            Submission::One(key) => (std::slice::from_ref(key), None),
            Submission::Array(keys) => {
                let of = |key: &RankKey| self.starts.get(key).and_then(|waiting| waiting.launch.batch.as_deref());
                (keys.as_slice(), keys.first().and_then(of).and_then(|batch| Some((batch, batch.array.as_ref()?))))
            }
        };
        let mut impossible = Vec::new();
        if let Some((_, array)) = array {
            calls.call("array", &[&self.root, &array.of, &format!("{COMMENT_BEGINS}{}", self.whose)]);
        }
        for key in keys {
            let Some(waiting) = self.starts.get(key) else { continue };
            let made = submission(&self.root, *key, &waiting.launch);
            match (made, array) {
                (Ok((script, secrets, dirs)), None) => {
                    let comment = comment(&self.whose, *key);
                    calls.call("submit", &[&self.root, &key.to_string(), &comment, &script, &secrets, &dirs]);
                }
                (Ok((script, secrets, dirs)), Some(_)) => {
                    let (comment, key) = (comment(&self.whose, *key), key.to_string());
                    let log = waiting.launch.batch.as_ref().map_or("", |batch| &batch.log);
                    calls.call("member", &[&self.root, &key, &comment, &script, &secrets, &dirs, log]);
                }
                (Err(why), _) => impossible.push((*key, waiting.effect, why)),
            }
        }
        if let Some((batch, array)) = array {
            match array_script(batch, array) {
                Ok(script) => {
                    let throttle = array.running_max.map(|most| format!("%{most}")).unwrap_or_default();
                    calls.call("send", &[&script, &throttle, &self.comes_after(array, keys)]);
                }
                Err(why) => {
                    impossible.extend(keys.iter().filter_map(|key| Some((*key, self.starts.get(key)?.effect, why.clone()))))
                }
            }
        }
        impossible
    }

    /// Returns the word of `sbatch` that keeps an array's cap together with what was submitted of it before: what comes later waits
    /// until that is over.
    fn comes_after(&self, array: &BatchArray, keys: &[RankKey]) -> String {
        if array.running_max.is_none() {
            return String::new();
        }
        let live = self
            .flights
            .iter()
            .filter(|(key, flight)| flight.of.as_ref() == Some(&array.of) && flight.gone.is_none() && !keys.contains(key));
        let number = |theirs: &str| theirs.split('_').next().filter(|number| !number.is_empty()).map(str::to_owned);
        let numbers: BTreeSet<String> = live.filter_map(|(_, flight)| number(&flight.away.theirs)).collect();
        match numbers.is_empty() {
            true => String::new(),
            false => format!("--dependency=afterany:{}", numbers.into_iter().collect::<Vec<_>>().join(":")),
        }
    }

    async fn ask(&mut self, calls: &Calls) -> Result<Heard, LinkError> {
        let Some(link) = self.agent.link() else {
            return Err(LinkError::soft("unreachable", "ask slurm", "the login node is out of sight"));
        };
        if let Some(service) = &mut self.service {
            let user = self.facts.as_ref().map_or("", |(facts, _)| &facts.user);
            service.reach(&link, user).await?;
        }
        ask(&link, calls, self.service.as_mut()).await
    }

    /// Does what a person asked for.
    async fn act(&mut self, act: &SiteAct) -> Acted {
        let mut calls = Calls::default();
        let commands = acts::commands(act);
        for (name, command) in &commands {
            let mut words = vec![name.as_str()];
            words.extend(command.iter().map(String::as_str));
            calls.call("act", &words);
        }
        let heard = self.ask(&calls).await.map_err(|error| silent(&error.chain()))?;
        let said = |(name, _): &(&String, Vec<String>)| match heard.acted.get(*name) {
            Some(None) => None,
            Some(Some(why)) => Some(((*name).clone(), why.clone())),
            None => Some(((*name).clone(), "Slurm's answer is missing".to_owned())),
        };
        Ok(commands.iter().filter_map(said).collect())
    }

    /// Sets when the next look is due.
    fn pause(&mut self, took: Duration, changed: bool) {
        let watched = *self.watched.borrow();
        let flying = self.flights.values().any(|flight| flight.gone.is_none()) || !self.starts.is_empty();
        let longest = if watched { EVERY_WATCHED_MAX } else { EVERY.1 };
        self.pace = if changed { EVERY.0 } else { (self.pace * 3 / 2).min(longest) };
        let pause = self.pace.max(took * PART_OF_TIME).min(EVERY.1.max(took * PART_OF_TIME));
        self.next = (flying || watched).then(|| Instant::now() + pause);
    }

    /// Takes in a failure of a whole round.
    async fn failed(&mut self, why: &str) -> Result<(), ()> {
        self.failures += 1;
        let pause = EVERY.0 * 2_u32.saturating_pow(self.failures.min(4));
        self.next = Some(Instant::now() + pause.min(EVERY.1));
        for answer in self.asking.drain(..) {
            // Who asked may have left.
            let _ = answer.send(Err(silent(why)));
        }
        if self.up && self.failures < FAILURES_MAX {
            return Ok(());
        }
        self.up = false;
        let retry_in = Some(Millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)));
        self.report(Report::Down { why: silent(why), retry_in }).await
    }

    /// Looks at everything that there is, and says that the cluster is there.
    async fn come_up(&mut self) -> Result<(), ()> {
        let began = Instant::now();
        let mut calls = Calls::default();
        calls.call("version", &[]);
        calls.call("records", &[&self.root.clone()]);
        calls.call("queue", &["all"]);
        let heard = match self.ask(&calls).await {
            Err(error) => return self.failed(&error.chain()).await,
            Ok(heard) => match &heard.queue_failed {
                Some(why) => return self.failed(&format!("squeue: {why}")).await,
                None => heard,
            },
        };
        if let Some(version) = &heard.version {
            self.version.clone_from(version);
        }
        let most = heard.array_max.unwrap_or(ARRAY_MAX);
        self.array_max = (most, most);
        let queue = Queue::of(&heard);
        let mut inventory = BTreeMap::new();
        let records: Vec<(RankKey, &Record)> =
            heard.records.iter().filter_map(|(key, r)| Some((key.parse().ok()?, r))).collect();
        let sights: Vec<(RankKey, Sight)> = records
            .iter()
            .map(|(key, record)| (*key, sight(record, queue.find(record, &self.whose, *key), None, None)))
            .collect();
        let numbers: BTreeSet<String> = sights
            .iter()
            .filter_map(|(_, sight)| if let Sight::AskHow(number) = sight { Some(number.clone()) } else { None })
            .collect();
        let ended = match numbers.is_empty() {
            true => BTreeMap::new(),
            false => {
                let mut calls = Calls::default();
                calls.call("ended", &numbers.iter().map(String::as_str).collect::<Vec<_>>());
                match self.ask(&calls).await {
                    Ok(heard) => heard.ended,
                    Err(error) => return self.failed(&error.chain()).await,
                }
            }
        };
        self.flights.clear();
        for ((key, record), (_, sight_of)) in records.iter().zip(sights) {
            let queued = queue.find(record, &self.whose, *key);
            let sight_of = match sight_of {
                Sight::AskHow(number) => sight(record, queued, None, Some(ended.get(&number))),
                other => other,
            };
            let of = record.array.as_ref().and_then(|folder| folder.split_once('.')).map(|(of, _)| of.to_owned());
            let tried = of.is_some() && record.id.is_none();
            let mut flight = Flight { away: away_of(record, queued, &sight_of), of, tried, ..Flight::default() };
            match sight_of {
                Sight::Gone(proof) => {
                    inventory.insert(*key, Seen::Gone(proof.clone()));
                    flight.gone = Some(proof);
                }
                Sight::Runs => {
                    flight.told_started = true;
                    inventory.insert(*key, Seen::Alive);
                }
                // It has run before, and Slurm put it back.
                Sight::Waits if record.owner.is_some() => {
                    flight.told_started = true;
                    inventory.insert(*key, Seen::Alive);
                }
                Sight::Waits | Sight::Nothing | Sight::AskHow(_) => {}
            }
            self.flights.insert(*key, flight);
        }
        let Some((facts, own)) = self.facts.clone() else { return Ok(()) };
        inventory.extend(own);
        (self.up, self.failures) = (true, 0);
        // Before the ends, which make it final.
        for (key, flight) in &self.flights {
            self.report(Report::Told { key: *key, away: flight.away.clone() }).await?;
        }
        self.report(Report::Up { boot: BootId(format!("slurm-{}", self.whose)), facts: Box::new(facts), inventory }).await?;
        self.told_all(&heard, true);
        self.pause(began.elapsed(), true);
        Ok(())
    }

    /// Takes in what became of orders; says whether there were any.
    async fn hear_orders(&mut self, heard: &Heard, now: Instant) -> Result<bool, ()> {
        let mut changed = false;
        self.learn_array_max(heard);
        for (key, answer) in &heard.submitted {
            let Ok(key) = key.parse::<RankKey>() else { continue };
            changed = true;
            self.submitted(key, answer, now).await;
        }
        for (key, answer) in &heard.stopped {
            let Ok(key) = key.parse::<RankKey>() else { continue };
            changed = true;
            self.stopped(key, answer).await;
        }
        for key in &heard.forgotten {
            let Ok(key) = key.parse::<RankKey>() else { continue };
            self.flights.remove(&key);
            if let Some(effect) = self.acks.remove(&key) {
                self.report(Report::Done { effect }).await?;
            }
        }
        Ok(changed)
    }

    /// Takes in what a round heard; says whether anything changed.
    async fn hear(&mut self, heard: &Heard, now: Instant) -> Result<bool, ()> {
        let mut changed = self.hear_orders(heard, now).await?;
        if let Some(why) = &heard.queue_failed {
            self.failed(&format!("squeue: {why}")).await?;
            return Ok(changed);
        }
        self.failures = 0;
        let queue = Queue::of(heard);
        let keys: Vec<RankKey> = self.flights.iter().filter(|(_, f)| f.gone.is_none()).map(|(key, _)| *key).collect();
        let nothing = Record::default();
        let asked = std::mem::take(&mut self.ended);
        for key in keys {
            let record = heard.records.get(&key.to_string()).unwrap_or(&nothing);
            let queued = queue.find(record, &self.whose, key);
            let number = record.owner.as_ref().or(record.id.as_ref());
            let how = number.filter(|number| asked.contains(*number)).map(|number| heard.ended.get(number));
            let stop = self.flights.get(&key).and_then(|flight| flight.stop).map(|(_, why)| why);
            let sight = sight(record, queued, stop, how);
            changed |= self.saw(key, record, queued, sight).await?;
        }
        Ok(changed)
    }

    /// A site may take fewer jobs of one person than an array may have members.
    fn learn_array_max(&mut self, heard: &Heard) {
        let (now, most) = self.array_max;
        let mut answers = heard.submitted.values();
        if answers.any(|answer| matches!(answer, Answer::Later(why) if why.contains(ARRAY_TOO_LARGE))) {
            self.array_max.0 = (now / 2).max(1);
        } else if heard.submitted.len() > 1 {
            self.array_max.0 = now.saturating_mul(2).min(most);
        }
    }

    async fn submitted(&mut self, key: RankKey, answer: &Answer, now: Instant) {
        match answer {
            Answer::Id(number) => {
                self.starts.remove(&key);
                if let Some(flight) = self.flights.get_mut(&key) {
                    flight.tried = false;
                }
                let away = Away { theirs: number.clone(), ..Away::default() };
                self.tell(key, Arc::new(away)).await;
            }
            Answer::Refused(why) => {
                let effect = self.starts.remove(&key).map(|waiting| waiting.effect);
                self.gone(key, effect, refused(format!("Slurm refused the job: {why}"))).await;
            }
            Answer::Fenced => {
                let effect = self.starts.remove(&key).map(|waiting| waiting.effect);
                self.gone(key, effect, Proof::Fenced).await;
            }
            Answer::Later(why) => {
                if let Some(waiting) = self.starts.get_mut(&key) {
                    waiting.tries += 1;
                    waiting.at = now + (LATER.0 * 2_u32.saturating_pow(waiting.tries.min(8))).min(LATER.1);
                }
                let away = Away { why: format!("Slurm does not take it now: {why}"), ..Away::default() };
                self.tell(key, Arc::new(away)).await;
            }
        }
    }

    async fn stopped(&mut self, key: RankKey, answer: &Answer) {
        match answer {
            Answer::Fenced | Answer::Refused(_) => {
                let effect = self.flights.get(&key).and_then(|flight| flight.stop).map(|(effect, _)| effect);
                self.gone(key, effect, Proof::Fenced).await;
            }
            Answer::Id(_) => {
                if let Some(flight) = self.flights.get_mut(&key) {
                    flight.stop_heard = true;
                }
            }
            // Asked again in the next round.
            Answer::Later(why) => tracing::warn!(%key, why, "slurm does not stop it now"),
        }
    }

    /// Takes in what a look says of one process; says whether that is news.
    async fn saw(&mut self, key: RankKey, record: &Record, queued: Option<&Queued>, sight: Sight) -> Result<bool, ()> {
        let away = away_of(record, queued, &sight);
        match sight {
            Sight::Nothing => return Ok(false),
            Sight::AskHow(number) => {
                let Some(flight) = self.flights.get_mut(&key) else { return Ok(false) };
                flight.missing += 1;
                if flight.missing < MISSING_MAX {
                    self.ended.insert(number);
                    return Ok(true);
                }
                let why = format!("Slurm does not know job {number} any more, and it left no exit code");
                self.gone(key, None, Proof::Lost { why }).await;
                return Ok(true);
            }
            Sight::Gone(proof) => {
                self.tell(key, away).await;
                self.gone(key, None, proof).await;
                return Ok(true);
            }
            Sight::Runs => {
                if let Some(flight) = self.flights.get_mut(&key).filter(|flight| !flight.told_started)
                    && let Some(effect) = flight.start
                    && flight.stop.is_none()
                {
                    flight.told_started = true;
                    self.report(Report::Started { effect, key }).await?;
                }
            }
            Sight::Waits => {}
        }
        if let Some(flight) = self.flights.get_mut(&key) {
            flight.missing = 0;
        }
        if record.id.is_some() {
            self.starts.remove(&key);
        }
        Ok(self.tell(key, away).await)
    }

    /// Tells what is known of a process, when that is news.
    async fn tell(&mut self, key: RankKey, away: Arc<Away>) -> bool {
        let Some(flight) = self.flights.get_mut(&key) else { return false };
        if same(&flight.away, &away) {
            return false;
        }
        flight.away = away.clone();
        // An error means that the runtime is gone, which the next read of its channels says as well.
        self.report(Report::Told { key, away }).await.is_ok()
    }

    /// Tells the end of a process.
    async fn gone(&mut self, key: RankKey, effect: Option<EffectId>, proof: Proof) {
        // One that is over is never submitted: an earlier try may have come through while another one waited.
        self.starts.remove(&key);
        let flight = self.flights.entry(key).or_default();
        let effect = effect.or(flight.stop.map(|(effect, _)| effect)).or(flight.start.filter(|_| !flight.told_started));
        flight.gone = Some(proof.clone());
        // As in `tell`.
        let _ = self.report(Report::Gone { key, effect, proof }).await;
    }

    /// Gives the picture to those who asked, and to the runtime.
    fn told_all(&mut self, heard: &Heard, all: bool) {
        if !all || heard.queue_failed.is_some() {
            return;
        }
        let me = heard
            .queue
            .iter()
            .find(|queued| queued.comment.starts_with(&format!("{}{}-", crate::slurm::COMMENT_BEGINS, self.whose)));
        let me = me
            .map(|queued| queued.job.user.clone())
            .or_else(|| Some(self.facts.as_ref()?.0.user.clone()))
            .unwrap_or_default();
        let jobs = heard
            .queue
            .iter()
            .map(|queued| crate::model::site::SiteJob { mine: queued.job.user == me, ..queued.job.clone() });
        let site = Arc::new(Site {
            cluster: self.cluster,
            at: UnixMillis(0),
            every: Millis(u64::try_from(self.pace.as_millis()).unwrap_or(u64::MAX)),
            version: self.version.clone(),
            partitions: heard.partitions.clone(),
            nodes: heard.nodes.clone(),
            jobs: jobs.collect(),
            more_jobs: heard.more_jobs,
            notes: heard.notes.clone(),
        });
        for answer in self.asking.drain(..) {
            // Who asked may have left.
            let _ = answer.send(Ok(site.clone()));
        }
        self.last = Some(site.clone());
        // A picture is not worth waiting for: the next one comes soon.
        let _ = self.reports.try_send((self.node, Report::Site(site)));
    }

    async fn report(&self, report: Report) -> Result<(), ()> {
        self.reports.send((self.node, report)).await.map_err(|_| ())
    }
}

fn silent(why: &str) -> Unusable {
    Unusable { code: "slurm-silent".to_owned(), step: "ask slurm".to_owned(), message: crate::transport::frame::words(why) }
}
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
