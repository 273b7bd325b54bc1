//! The dispatcher: one task for each login node, between its agent and the runtime. It gathers orders, makes one round of calls of
//! them, and tells what it saw. What a round did not hear the answer of is asked again: every call is idempotent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::model::ids::{ClusterId, EffectId, NodeId, RankKey};
use crate::model::launch::Launch;
use crate::model::names::expand_hosts;
use crate::model::site::{Site, SiteAct};
use crate::model::spec::SecretSource;
use crate::model::state::{Away, BootId, Facts, Proof, StopWhy, Unusable};
use crate::model::units::{Millis, UnixMillis};
use crate::slurm::acts;
use crate::slurm::ask::{Calls, ask};
use crate::slurm::parse::{Answer, Heard, Queued, Record};
use crate::slurm::words::{Over, State, state};
use crate::slurm::{comment, folder, text};
use crate::transport::agent::AgentHandle;
use crate::transport::frame::quote_into;
use crate::transport::link::LinkError;
use crate::transport::{NodeLink, Order, Report, Seen};

/// How far apart looks are: after something happened, and when nothing has for long. Sites ask for no less than a few seconds, and
/// slurmctld takes a lock for each.
const EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// The longest pause while somebody looks.
const EVERY_WATCHED_MAX: Duration = Duration::from_secs(10);
/// A look takes at most this part of the time: a controller that is slow is asked less often.
const PART_OF_TIME: u32 = 10;
/// How many submissions go in one round: at some 0.1 s each they end well within the time of an answer.
const SUBMITS_AT_ONCE: usize = 64;
/// Failures of `squeue` in a row after which the cluster is out of sight.
const FAILURES_MAX: u32 = 3;
/// How long a submission waits that Slurm did not take, at first and at most.
const LATER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// Looks in a row at which a job that has a number is nowhere, before it is lost.
const MISSING_MAX: u32 = 3;
/// How many orders may wait: as for any node.
const ORDERS_MAX: usize = 16_384;
/// A start that is expected so much later or earlier is worth telling.
const STARTS_MOVED_MIN: Millis = Millis::from_mins(1);

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

/// Starts the dispatcher of one login node. `said` is what its agent reports; `watched` says whether anybody looks at a screen.
pub fn spawn(
    link: &NodeLink,
    agent: AgentHandle,
    said: mpsc::Receiver<(NodeId, Report)>,
    reports: mpsc::Sender<(NodeId, Report)>,
    watched: watch::Receiver<bool>,
) -> Handle {
    let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
    let (asked_in, asked) = mpsc::channel(64);
    let task = Dispatch {
        node: link.node,
        cluster: link.cluster,
        whose: link.spool.0.chars().filter(char::is_ascii_alphanumeric).collect(),
        agent,
        reports,
        watched,
        root: String::new(),
        facts: None,
        up: false,
        version: String::new(),
        flights: BTreeMap::new(),
        starts: BTreeMap::new(),
        acks: BTreeMap::new(),
        asking: Vec::new(),
        ended: BTreeSet::new(),
        failures: 0,
        pace: EVERY.0,
        next: None,
    };
    tokio::spawn(task.run(said, orders, asked));
    Handle { orders: orders_in, asked: asked_in }
}

/// One process that was handed over.
#[derive(Debug, Default)]
struct Flight {
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

/// What a look says of one process.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// Nothing yet.
    Nothing,
    /// It waits.
    Waits,
    /// It runs.
    Runs,
    /// It is over.
    Gone(Proof),
    /// It is over or gone, and Slurm has to be asked for how.
    AskHow(String),
}

struct Dispatch {
    node: NodeId,
    cluster: ClusterId,
    /// The cluster's uuid, as comments have it.
    whose: String,
    agent: AgentHandle,
    reports: mpsc::Sender<(NodeId, Report)>,
    watched: watch::Receiver<bool>,
    /// The login node's spool.
    root: String,
    /// What the agent said when it came up.
    facts: Option<(Facts, BTreeMap<RankKey, Seen>)>,
    up: bool,
    version: String,
    flights: BTreeMap<RankKey, Flight>,
    starts: BTreeMap<RankKey, Waiting>,
    acks: BTreeMap<RankKey, EffectId>,
    asking: Vec<oneshot::Sender<Result<Arc<Site>, Unusable>>>,
    /// Numbers of jobs of which Slurm is asked how they ended.
    ended: BTreeSet<String>,
    failures: u32,
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
                if let Some(proof) = flight.gone.clone() {
                    let _ = self.report(Report::Gone { key, effect: Some(effect), proof }).await;
                } else if flight.told_started {
                    let _ = self.report(Report::Started { effect, key }).await;
                } else {
                    self.starts.insert(key, Waiting { effect, launch, tries: 0, at: Instant::now() });
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
            // Launchers have Slurm's own way to their daemons.
            Order::AnswerDaemon { effect, .. } => drop(self.report(Report::Done { effect }).await),
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

    async fn call_orders(&mut self, calls: &mut Calls, now: Instant) {
        let due: Vec<RankKey> =
            self.starts.iter().filter(|(_, waiting)| waiting.at <= now).map(|(key, _)| *key).take(SUBMITS_AT_ONCE).collect();
        for key in due {
            let Some(waiting) = self.starts.get(&key) else { continue };
            match submission(&self.root, key, &waiting.launch) {
                Ok((script, secrets, dirs)) => {
                    let comment = comment(&self.whose, key);
                    calls.call("submit", &[&self.root, &key.to_string(), &comment, &script, &secrets, &dirs]);
                }
                Err(why) => {
                    let effect = waiting.effect;
                    self.starts.remove(&key);
                    self.gone(key, Some(effect), refused(why)).await;
                }
            }
        }
        let stops: Vec<RankKey> = self
            .flights
            .iter()
            .filter(|(_, f)| f.stop.is_some() && !f.stop_heard && f.gone.is_none())
            .map(|(k, _)| *k)
            .collect();
        for key in stops.into_iter().take(SUBMITS_AT_ONCE) {
            calls.call("stop", &[&self.root, &key.to_string(), &comment(&self.whose, key)]);
        }
        if !self.acks.is_empty() {
            let keys: Vec<String> = self.acks.keys().map(ToString::to_string).collect();
            let mut words = vec![self.root.as_str()];
            words.extend(keys.iter().map(String::as_str));
            calls.call("forget", &words);
        }
    }

    async fn ask(&self, calls: &Calls) -> Result<Heard, LinkError> {
        match self.agent.link() {
            Some(link) => ask(&link, calls).await,
            None => Err(LinkError::soft("unreachable", "ask slurm", "the login node is out of sight")),
        }
    }

    /// Does what a person asked for.
    async fn act(&self, act: &SiteAct) -> Acted {
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
        let queue = Queue::of(&heard);
        let mut inventory = BTreeMap::new();
        let records: Vec<(RankKey, &Record)> =
            heard.records.iter().filter_map(|(key, r)| Some((key.parse().ok()?, r))).collect();
        let sights: Vec<(RankKey, Sight)> = records
            .iter()
            .map(|(key, record)| (*key, sight(record, queue.find(record, &comment(&self.whose, *key)), None, None)))
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
            let queued = queue.find(record, &comment(&self.whose, *key));
            let sight_of = match sight_of {
                Sight::AskHow(number) => sight(record, queued, None, Some(ended.get(&number))),
                other => other,
            };
            let mut flight = Flight { away: away_of(record, queued, &sight_of), ..Flight::default() };
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

    /// Takes in what a round heard; says whether anything changed.
    async fn hear(&mut self, heard: &Heard, now: Instant) -> Result<bool, ()> {
        let mut changed = false;
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
            let queued = queue.find(record, &comment(&self.whose, key));
            let number = record.owner.as_ref().or(record.id.as_ref());
            let how = number.filter(|number| asked.contains(*number)).map(|number| heard.ended.get(number));
            let stop = self.flights.get(&key).and_then(|flight| flight.stop).map(|(_, why)| why);
            let sight = sight(record, queued, stop, how);
            changed |= self.saw(key, record, queued, sight).await?;
        }
        Ok(changed)
    }

    async fn submitted(&mut self, key: RankKey, answer: &Answer, now: Instant) {
        match answer {
            Answer::Id(number) => {
                self.starts.remove(&key);
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
        // A picture is not worth waiting for: the next one comes soon.
        let _ = self.reports.try_send((self.node, Report::Site(site)));
    }

    async fn report(&self, report: Report) -> Result<(), ()> {
        self.reports.send((self.node, report)).await.map_err(|_| ())
    }
}

/// The queue, by number and by comment.
struct Queue<'a> {
    numbers: BTreeMap<&'a str, &'a Queued>,
    comments: BTreeMap<&'a str, &'a Queued>,
}

impl<'a> Queue<'a> {
    fn of(heard: &'a Heard) -> Self {
        Self {
            numbers: heard.queue.iter().map(|queued| (queued.number.as_str(), queued)).collect(),
            // Of two with one comment the later number is kept here; the owner is found by its number.
            comments: heard.queue.iter().map(|queued| (queued.comment.as_str(), queued)).collect(),
        }
    }

    fn find(&self, record: &Record, comment: &str) -> Option<&'a Queued> {
        let number = record.owner.as_deref().or(record.id.as_deref());
        // A controller that was killed forgets the jobs of its last seconds, and gives their numbers to others.
        let by_number = number.and_then(|number| self.numbers.get(number)).filter(|queued| queued.comment == comment);
        by_number.or_else(|| self.comments.get(comment)).copied()
    }
}

/// Concludes how a process is. `how` is what Slurm said when it was asked how the job ended; `None` when it was not asked.
fn sight(
    record: &Record,
    queued: Option<&Queued>,
    stop: Option<StopWhy>,
    how: Option<Option<&(String, Option<i32>)>>,
) -> Sight {
    if let Some(why) = &record.refused {
        return Sight::Gone(refused(format!("Slurm refused the job: {why}")));
    }
    if record.fenced {
        return Sight::Gone(Proof::Fenced);
    }
    let number = record.owner.as_ref().or(record.id.as_ref());
    match (queued.and_then(|queued| state(&queued.job.state)), number) {
        (Some(State::Waits), _) => Sight::Waits,
        (Some(State::Runs), _) => Sight::Runs,
        // What was told to end is perhaps put back, of which there is no word while its nodes are tidied up.
        (Some(State::Completes), _) => match record.exit.filter(|code| !record.told && *code < SIGNALLED) {
            Some(code) => Sight::Gone(ended(Over::Well, Some(code), stop)),
            None => Sight::Runs,
        },
        (Some(State::Over(Over::Failed)), Some(number)) if record.exit.is_none() => match how {
            Some(Some((_, code @ Some(_)))) => Sight::Gone(ended(Over::Failed, *code, stop)),
            _ => Sight::AskHow(number.clone()),
        },
        (Some(State::Over(over)), _) => Sight::Gone(ended(over, record.exit, stop)),
        // A state that is not known is said aloud by who read it; until it changes nothing is concluded.
        (None, _) if queued.is_some() => Sight::Nothing,
        (None, Some(number)) => match (record.exit, how) {
            (Some(code), _) => Sight::Gone(ended(Over::Well, Some(code), stop)),
            (None, Some(Some((word, code)))) => match state(word) {
                Some(State::Over(over)) => Sight::Gone(ended(over, *code, stop)),
                Some(State::Waits | State::Runs | State::Completes) | None => Sight::AskHow(number.clone()),
            },
            (None, _) => Sight::AskHow(number.clone()),
        },
        (None, None) => Sight::Nothing,
    }
}

/// Returns the proof of a job that is over.
fn ended(over: Over, code: Option<i32>, stop: Option<StopWhy>) -> Proof {
    let judged = |code: &str, why: &str, again: bool| Proof::Judged { code: code.into(), why: why.into(), again };
    match (over, code, stop) {
        (Over::Well | Over::Failed, Some(code), None) => Proof::Exit { code, why: None },
        (Over::Well, None, None) => Proof::Exit { code: 0, why: None },
        (_, code, Some(why)) => Proof::Exit { code: code.unwrap_or(TERMINATED), why: Some(why) },
        (Over::Failed, None, None) => judged("JobFailed", "Slurm says that it failed, and knows no exit code", false),
        (Over::TimeLimit, ..) => judged("WallClockTimeExceeded", "Slurm ended it at its time limit", false),
        (Over::Cancelled, ..) => judged("JobTerminated", "it was cancelled in Slurm", false),
        (Over::NodeFail, ..) => judged("AttemptLost", "a node of it failed in Slurm", true),
        (Over::Preempted, ..) => judged("AttemptLost", "Slurm took its nodes for a job of a higher priority", true),
        (Over::OutOfMemory, ..) => judged("OutOfMemory", "it used more memory than it asked for, and Slurm ended it", false),
        (Over::Deadline, ..) => judged("JobTerminated", "it could not end before its deadline", false),
    }
}

/// What a shell says of a process that TERM ended.
const TERMINATED: i32 = 143;
/// From here on an exit code says that a signal ended the process.
const SIGNALLED: i32 = 128;

fn refused(why: String) -> Proof {
    Proof::Judged { code: "LaunchFailed".to_owned(), why, again: false }
}

fn silent(why: &str) -> Unusable {
    Unusable { code: "slurm-silent".to_owned(), step: "ask slurm".to_owned(), message: crate::transport::frame::words(why) }
}

fn away_of(record: &Record, queued: Option<&Queued>, sight: &Sight) -> Arc<Away> {
    let theirs = record.owner.as_ref().or(record.id.as_ref()).cloned();
    let waits = matches!(sight, Sight::Waits | Sight::Nothing);
    Arc::new(match queued {
        None => Away { theirs: theirs.unwrap_or_default(), waits, ..Away::default() },
        Some(Queued { number, job, .. }) => Away {
            theirs: theirs.unwrap_or_else(|| number.clone()),
            waits,
            word: job.state.clone(),
            why: if waits { job.why.clone() } else { String::new() },
            starts: job.starts.filter(|_| waits),
            nodes: match job.on.as_str() {
                "" => Vec::new(),
                on => expand_hosts(on).unwrap_or_else(|_| vec![on.to_owned()]),
            },
            place: job.partition.clone(),
            restarts: 0,
            held: waits && job.reason.starts_with("JobHeld"),
        },
    })
}

/// Says whether nothing of it is worth telling again: an expected start moves by seconds with every look.
fn same(before: &Away, now: &Away) -> bool {
    let near = match (before.starts, now.starts) {
        (Some(before), Some(now)) => before.0.abs_diff(now.0) < STARTS_MOVED_MIN.0,
        (before, now) => before == now,
    };
    near && Away { starts: None, ..before.clone() } == Away { starts: None, ..now.clone() }
}

/// Makes the words of a submission: its script, its secrets, and the directories that it needs.
fn submission(root: &str, key: RankKey, launch: &Launch) -> Result<(String, String, String), String> {
    let script = text(root, key, launch)?;
    let mut secrets = String::new();
    for secret in &launch.secrets {
        let SecretSource::Given(value) = &secret.source else {
            return Err(format!("the secret `{}` has no value", secret.name));
        };
        if value.reveal().contains('\0') {
            return Err(format!("the value of the secret `{}` holds a NUL", secret.name));
        }
        secrets.push_str(&format!("export {}=", secret.name));
        quote_into(&mut secrets, value.reveal());
        secrets.push('\n');
    }
    let mut dirs = String::new();
    let logs = launch.stdout.rsplit_once('/').map(|(dir, _)| dir.to_owned());
    for dir in logs.into_iter().chain([folder(root, key)]) {
        quote_into(&mut dirs, &dir);
        dirs.push(' ');
    }
    Ok((script, secrets, dirs))
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
