//! What one session with a node's agent knows, without any I/O: which orders wait for their answer, what was reported
//! already, and what a frame means for the runtime.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{EffectId, RankKey};
use crate::model::spec::Resources;
use crate::model::state::{BootId, Facts, Proof};
use crate::model::units::Bytes;
use crate::transport::frame::{End, FRAME_BYTES_MAX, Said, Status};
use crate::transport::link::LinkError;
use crate::transport::{Address, NodeLink, Order, Report, Seen, order};

/// How many acknowledgements one frame takes; with keys of the longest kind it stays far below the limit of a frame.
const ACKS_AT_ONCE: usize = 256;
/// The most entries that an inventory may have: ten times the processes that a node had at any time in our tests.
const INVENTORY_MAX: usize = 100_000;
/// The most names of GPUs that a node is believed: more than any machine has.
const GPU_NAMES_MAX: usize = 64;
/// The most requests of launchers that may be half said at once.
const ASKS_MAX: usize = 64;

/// A session that is coming up: it gathers facts and inventory until the agent says `u`.
#[derive(Debug)]
pub struct Coming {
    facts: Facts,
    boot: Option<BootId>,
    inventory: BTreeMap<RankKey, Status>,
    later: Vec<Said>,
    local: bool,
    errors: u32,
}

impl Coming {
    /// Returns one that knows nothing yet.
    pub fn new(link: &NodeLink) -> Self {
        Self {
            facts: Facts::default(),
            boot: None,
            inventory: BTreeMap::new(),
            later: Vec::new(),
            local: matches!(link.address, Address::Local),
            errors: 0,
        }
    }

    /// Counts a line that was none of ours.
    pub fn count_error(&mut self) -> u32 {
        self.errors += 1;
        self.errors
    }

    /// The shell leads although the native agent was asked for: why.
    pub fn led_by_shell(&mut self, why: &str) {
        self.facts.agent = format!("shell: {why}");
    }

    /// Takes in what the agent says before it is up.
    ///
    /// # Errors
    /// The inventory is longer than any can be.
    pub fn hear(&mut self, said: Said) -> Result<(), LinkError> {
        match said {
            Said::Fact { name, value } => self.fact(&name, value),
            // An end that was told while the list was made is newer than the list.
            Said::Listed { key, status } => match self.inventory.get(&key) {
                Some(Status::Gone(_)) => {}
                Some(Status::Alive) | None => drop(self.inventory.insert(key, status)),
            },
            Said::Gone { key, end } => drop(self.inventory.insert(key, Status::Gone(end))),
            Said::Asked { .. } | Said::AskedText { .. } | Said::AskedEnd { .. } => self.later.push(said),
            Said::Started { .. }
            | Said::Stuck { .. }
            | Said::Up
            | Said::Done { .. }
            | Said::Pong { .. }
            | Said::Fatal { .. } => {}
        }
        if self.inventory.len() > INVENTORY_MAX || self.later.len() > INVENTORY_MAX {
            return Err(LinkError::soft("protocol", "start agent", "the inventory has no end"));
        }
        Ok(())
    }

    fn fact(&mut self, name: &str, value: String) {
        let number = || value.parse::<u64>().unwrap_or(0);
        match name {
            "boot" if !value.is_empty() => self.boot = Some(BootId(value)),
            "hostname" => self.facts.hostname = value,
            "address" => self.facts.address = value,
            "root" => self.facts.root = value,
            "shell" => self.facts.shell = value,
            "user" => self.facts.user = value,
            "os" => self.facts.os = value,
            "agent" => self.facts.agent = value,
            "share" => self.facts.share = value,
            "cpus" => self.facts.capacity.cpus_milli = number().saturating_mul(1000),
            "memory_kib" => self.facts.capacity.memory = Bytes(number().saturating_mul(1024)),
            "gpus" => self.facts.capacity.gpus_milli = number().saturating_mul(1000),
            "gpu" if self.facts.gpu_names.len() < GPU_NAMES_MAX => self.facts.gpu_names.push(value),
            "disk_kib" => self.facts.disk = Bytes(number().saturating_mul(1024)),
            // `boot` without a value, and facts of a later version.
            _ => {}
        }
    }

    /// Returns the session, with its `Report::Up` ready to be taken.
    ///
    /// # Errors
    /// A fact that nothing can do without was not said.
    pub fn up(mut self) -> Result<Session, LinkError> {
        let missing = |what: &str| LinkError::soft("protocol", "start agent", format!("the node did not say its {what}"));
        let boot = self.boot.take().ok_or_else(|| missing("boot id"))?;
        for (what, value) in [("spool", &self.facts.root), ("shell", &self.facts.shell)] {
            if !value.starts_with('/') {
                return Err(missing(what));
            }
        }
        if self.facts.address.is_empty() {
            self.facts.address = if self.local { "127.0.0.1".to_owned() } else { self.facts.hostname.clone() };
        }
        let facts = Facts { capacity: Resources { ..self.facts.capacity }, ..self.facts };
        let inventory = self.inventory.into_iter().map(|(key, status)| match status {
            Status::Alive => (key, Seen::Alive),
            Status::Gone(end) => (key, Seen::Gone(proof(end, &boot))),
        });
        let inventory: BTreeMap<RankKey, Seen> = inventory.collect();
        let told = inventory.iter().filter(|(_, seen)| matches!(seen, Seen::Gone(_))).map(|(key, _)| *key).collect();
        let mut session = Session { told, ..Session::new(boot.clone()) };
        let later: Vec<Report> = std::mem::take(&mut self.later).into_iter().flat_map(|said| session.hear(said)).collect();
        session.first = Some(Report::Up { boot, facts: Box::new(facts), inventory });
        session.waiting = later;
        Ok(session)
    }
}

fn proof(end: End, boot: &BootId) -> Proof {
    match end {
        End::Proof(proof) => proof,
        End::OtherBoot => Proof::Rebooted { boot: boot.clone() },
    }
}

/// A launcher's request as far as it was said.
#[derive(Debug)]
struct Ask {
    host: String,
    command: String,
}

/// A session whose agent is up.
#[derive(Debug)]
pub struct Session {
    boot: BootId,
    seq: u64,
    first: Option<Report>,
    waiting: Vec<Report>,
    starts: BTreeMap<RankKey, BTreeSet<EffectId>>,
    stops: BTreeMap<RankKey, BTreeSet<EffectId>>,
    recalls: BTreeMap<RankKey, EffectId>,
    dones: BTreeMap<u64, Vec<EffectId>>,
    acks: Vec<(EffectId, RankKey)>,
    told: BTreeSet<RankKey>,
    asks: BTreeMap<(RankKey, u32), Ask>,
    pings: u32,
    errors: u32,
}

impl Session {
    fn new(boot: BootId) -> Self {
        Self {
            boot,
            seq: 0,
            first: None,
            waiting: Vec::new(),
            starts: BTreeMap::new(),
            stops: BTreeMap::new(),
            recalls: BTreeMap::new(),
            dones: BTreeMap::new(),
            acks: Vec::new(),
            told: BTreeSet::new(),
            asks: BTreeMap::new(),
            pings: 0,
            errors: 0,
        }
    }

    /// Returns the reports with which the session begins: `Up`, then requests that waited in the spool.
    pub fn begin(&mut self) -> Vec<Report> {
        self.first.take().into_iter().chain(std::mem::take(&mut self.waiting)).collect()
    }

    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Returns the text of an order and remembers who waits for its answer.
    pub fn order(&mut self, order: &Order) -> String {
        let seq = self.next();
        match order {
            Order::Start { effect, key, .. } | Order::Refuse { effect, key, .. } => {
                self.starts.entry(*key).or_default().insert(*effect);
            }
            Order::Recall { effect, key } => drop(self.recalls.insert(*key, *effect)),
            Order::Stop { effect, key, .. } => drop(self.stops.entry(*key).or_default().insert(*effect)),
            Order::Ack { effect, .. } | Order::AnswerDaemon { effect, .. } => {
                self.dones.entry(seq).or_default().push(*effect);
            }
        }
        order::text(seq, order)
    }

    /// Keeps an acknowledgement for the next frame of them; says whether it is full.
    pub fn gather_ack(&mut self, effect: EffectId, key: RankKey) -> bool {
        self.acks.push((effect, key));
        self.acks.len() >= ACKS_AT_ONCE
    }

    /// Returns one frame of all acknowledgements that wait, empty when none does.
    pub fn acks(&mut self) -> String {
        if self.acks.is_empty() {
            return String::new();
        }
        let seq = self.next();
        let acks = std::mem::take(&mut self.acks);
        self.dones.insert(seq, acks.iter().map(|(effect, _)| *effect).collect());
        let keys: BTreeSet<RankKey> = acks.iter().map(|(_, key)| *key).collect();
        for key in &keys {
            self.told.remove(key);
        }
        order::ack(&seq.to_string(), keys.into_iter())
    }

    /// Returns a ping.
    pub fn ping(&mut self) -> String {
        self.pings += 1;
        order::command("ping", &[&self.next().to_string()])
    }

    /// Returns how many pings have no answer.
    pub fn pings_missed(&self) -> u32 {
        self.pings
    }

    /// Returns the order to take down what waits for work on the node.
    pub fn bye(&mut self) -> String {
        let acks = self.acks();
        acks + &order::command("bye", &[&self.next().to_string()])
    }

    /// Counts an unexpected frame.
    pub fn count_error(&mut self) -> u32 {
        self.errors += 1;
        self.errors
    }

    /// Takes in what the agent says, and returns what it means for the runtime.
    pub fn hear(&mut self, said: Said) -> Vec<Report> {
        match said {
            Said::Stuck { key, why } => vec![Report::Stuck { key, why }],
            Said::Started { key } => {
                let effects = self.starts.remove(&key).unwrap_or_default();
                let mut reports: Vec<_> = effects.into_iter().map(|effect| Report::Started { effect, key }).collect();
                reports.extend(self.recalls.remove(&key).map(|effect| Report::Done { effect }));
                reports
            }
            Said::Gone { key, end } => self.gone(key, proof(end, &self.boot.clone())),
            Said::Done { seq } => {
                let effects = self.dones.remove(&seq).unwrap_or_default();
                effects.into_iter().map(|effect| Report::Done { effect }).collect()
            }
            Said::Pong { .. } => {
                self.pings = 0;
                Vec::new()
            }
            Said::Asked { key, request, host } => {
                if self.asks.len() < ASKS_MAX {
                    self.asks.insert((key, request), Ask { host, command: String::new() });
                }
                Vec::new()
            }
            Said::AskedText { key, request, text } => {
                if let Some(ask) = self.asks.get_mut(&(key, request))
                    && ask.command.len() < FRAME_BYTES_MAX
                {
                    ask.command.push_str(text.as_deref().unwrap_or("\n"));
                }
                Vec::new()
            }
            Said::AskedEnd { key, request } => {
                let ask = self.asks.remove(&(key, request));
                ask.map(|Ask { host, command }| Report::DaemonAsked { by: key, request, host, command })
                    .into_iter()
                    .collect()
            }
            Said::Fact { .. } | Said::Listed { .. } | Said::Up | Said::Fatal { .. } => Vec::new(),
        }
    }

    /// Every order that waits for this end is answered; without one it is told once.
    fn gone(&mut self, key: RankKey, proof: Proof) -> Vec<Report> {
        let effects = [self.starts.remove(&key), self.stops.remove(&key)];
        let mut reports: Vec<Report> = (effects.into_iter().flatten().flatten())
            .map(|effect| Report::Gone { key, effect: Some(effect), proof: proof.clone() })
            .collect();
        if self.told.insert(key) && reports.is_empty() {
            reports.push(Report::Gone { key, effect: None, proof });
        }
        reports.extend(self.recalls.remove(&key).map(|effect| Report::Done { effect }));
        reports
    }
}
