//! The code of jobs on its way: taken from its directory when a request comes in, before the engine sees it, and brought to
//! each node before the first process there that wants it. A start whose code is not there yet stays in the outbox.
//!
//! What is on which node is not stored: it is asked for anew once a link is up, which costs a channel and no bytes. One
//! snapshot at a time goes to a node, so what one brings and what it takes away are told together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::code::{Keep, Limits, Shelf};
use crate::files::ship::{Parcel, ShipError, ship};
use crate::model::fault::Fault;
use crate::model::ids::{EffectId, NodeId, RankRole};
use crate::model::request::{Request, Submit, SubmitSweep};
use crate::model::settings::Settings;
use crate::model::spec::Code;
use crate::model::spec::code::{Digest, Taken};
use crate::runtime::engine::{Engine, Out};
use crate::runtime::perform;
use crate::runtime::way::{Waiting, Way};
use crate::sched::{Act, Effect};
use crate::store::{Reader, Store};
use crate::transport::{NodeLink, Order};

/// The code of the error of a job whose code does not come to a node.
pub const UNDELIVERED: &str = "CodeUndelivered";
/// How many nodes are sent to at once: so many fill any uplink.
pub const SENT_AT_ONCE: usize = 4;
/// How long a node's link is waited for.
const LINK_WAIT: Duration = Duration::from_secs(30);
/// The pauses before a link that breaks is tried again.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(3), Duration::from_secs(10)];

// ---- on the way in --------------------------------------------------------------------------------------------------

/// Says whether a request has code that is to be taken, or to be looked for.
pub fn is_asked(request: &Request) -> bool {
    match request {
        Request::Submit(submit) | Request::Replace { submit, .. } | Request::PlanJob { submit, .. } => has_code(submit),
        Request::SubmitAll(submits) => submits.iter().any(has_code),
        Request::CreateSweep(ask) | Request::PlanSweep(ask) => code_in(&ask.spec.template).is_some(),
        _ => false,
    }
}

fn has_code(submit: &Submit) -> bool {
    submit.spec.code.is_some()
}

/// Takes all code of a request. May wait for disks.
///
/// # Errors
/// What cannot be taken, and why.
pub fn take(mut request: Request, state_dir: &Path, settings: &Settings) -> Result<Request, Fault> {
    let limits = Limits { file: settings.code_file_max_bytes, whole: settings.code_max_bytes };
    let mut taker = Taker { shelf: Shelf::of(state_dir), limits, keep: Keep::Yes, known: Vec::new() };
    match &mut request {
        Request::PlanJob { submit, .. } => {
            taker.keep = Keep::No;
            taker.submit(submit)?;
        }
        Request::Submit(submit) | Request::Replace { submit, .. } => taker.submit(submit)?,
        Request::SubmitAll(submits) => submits.iter_mut().try_for_each(|submit| taker.submit(submit))?,
        Request::PlanSweep(ask) => {
            taker.keep = Keep::No;
            taker.sweep(ask)?;
        }
        Request::CreateSweep(ask) => taker.sweep(ask)?,
        _ => {}
    }
    Ok(request)
}

struct Taker {
    shelf: Shelf,
    limits: Limits,
    keep: Keep,
    /// What this request has taken already.
    known: Vec<(Code, Taken)>,
}

impl Taker {
    fn submit(&mut self, submit: &mut Submit) -> Result<(), Fault> {
        match &mut submit.spec.code {
            Some(code) => self.code(code),
            None => Ok(()),
        }
    }

    fn sweep(&mut self, ask: &mut SubmitSweep) -> Result<(), Fault> {
        let Some(place) = code_in_mut(&mut ask.spec.template) else { return Ok(()) };
        let read = match &*place {
            Value::String(directory) => Some(Code::of(directory.clone())),
            other => serde_json::from_value(other.clone()).ok(),
        };
        // What cannot be read is refused with its place by who reads the members.
        let Some(mut code) = read else { return Ok(()) };
        self.code(&mut code)?;
        *place = serde_json::to_value(&code).unwrap_or_default();
        Ok(())
    }

    fn code(&mut self, code: &mut Code) -> Result<(), Fault> {
        match &code.snapshot {
            Some(taken) if self.shelf.has(&taken.digest) => Ok(()),
            Some(taken) => Err(Fault::user(format!("code: the snapshot {} is not kept here", taken.digest.short()))
                .hint(format!("leave `snapshot` out (or give --code) to take `{}` as it is now", code.directory))),
            None => {
                let known = self.known.iter().find(|(of, _)| of == code).map(|(_, taken)| taken.clone());
                let taken = known.map_or_else(|| self.shelf.take(code, &self.limits, self.keep), Ok)?;
                self.known.push((code.clone(), taken.clone()));
                code.snapshot = Some(taken);
                Ok(())
            }
        }
    }
}

fn code_in(template: &Value) -> Option<&Value> {
    let inner = template.get("properties").and_then(|inner| inner.get("code"));
    inner.or_else(|| template.get("code")).filter(|code| !code.is_null())
}

fn code_in_mut(template: &mut Value) -> Option<&mut Value> {
    let within = template.get("properties").is_some_and(|inner| inner.get("code").is_some());
    let map = if within { template.get_mut("properties") } else { Some(template) };
    map?.get_mut("code").filter(|code| !code.is_null())
}

// ---- to the nodes ---------------------------------------------------------------------------------------------------

/// What is to be brought to a node.
#[derive(Debug)]
pub struct Delivery {
    /// The way there.
    pub link: Box<NodeLink>,
    /// The node's spool.
    pub root: String,
    /// What.
    pub digest: Digest,
    /// What other live jobs of the cluster want.
    pub needed: Vec<Digest>,
}

/// What became of a delivery.
#[derive(Debug)]
pub enum Delivered {
    /// These are on the node now.
    There(BTreeSet<Digest>),
    /// It is not.
    Failed(String),
}

/// What is known of code on nodes.
#[derive(Default)]
pub struct Places {
    there: BTreeMap<NodeId, BTreeSet<Digest>>,
    busy: BTreeSet<NodeId>,
    failed: BTreeMap<(NodeId, Digest), String>,
    /// Starts that wait for what is on its way to their node.
    waiting: BTreeMap<NodeId, BTreeSet<EffectId>>,
}

impl Places {
    /// Forgets what is on a node: its link is new.
    pub fn forget(&mut self, node: NodeId) {
        self.there.remove(&node);
    }

    /// Takes in what became of a delivery; returns the starts that waited for it.
    pub fn delivered(&mut self, node: NodeId, digest: Digest, how: Delivered) -> BTreeSet<EffectId> {
        self.busy.remove(&node);
        match how {
            Delivered::There(all) => drop(self.there.insert(node, all)),
            Delivered::Failed(why) => drop(self.failed.insert((node, digest), why)),
        }
        self.waiting.remove(&node).unwrap_or_default()
    }

    /// Forgets a failure once it was told: the next start tries again.
    pub fn told(&mut self, node: NodeId) {
        self.failed.retain(|(of, _), _| *of != node);
    }

    /// Remembers a start that waits for what is on its way to its node; `sends`: it is sent for this one.
    pub(super) fn holds(&mut self, effect: &Effect, sends: bool) {
        let Some(node) = effect.act.node() else { return };
        if sends {
            self.busy.insert(node);
        }
        self.waiting.entry(node).or_default().insert(effect.id);
    }
}

/// Whether a start may go to its node.
pub enum Gate {
    /// It may.
    Open,
    /// Something is on its way there.
    Shut,
    /// This has to be there first.
    Bring(Box<Delivery>),
    /// It cannot be had there: the node is told that the process never starts.
    Failed(Box<Out>),
}

/// Says whether an effect is a start whose code is not on its node.
pub fn gate<S: Store>(engine: &Engine<S>, effect: &Effect) -> Gate {
    let Act::StartRank { node, key, .. } = &effect.act else { return Gate::Open };
    // Without a link it waits for that, and is looked at again.
    if !engine.up.contains(node) || !wants(key.rank.role) {
        return Gate::Open;
    }
    let job = engine.sched.jobs().get(&key.job);
    let Some(digest) = job.and_then(|job| job.spec.code.as_ref()?.digest()) else { return Gate::Open };
    let places = &engine.code;
    if places.busy.contains(node) {
        return Gate::Shut;
    }
    if places.there.get(node).is_some_and(|there| there.contains(digest)) {
        return Gate::Open;
    }
    if let Some(why) = places.failed.get(&(*node, digest.clone())) {
        let (effect, key, code, why) = (effect.id, *key, UNDELIVERED.to_owned(), why.clone());
        return Gate::Failed(Box::new(Out::Order(*node, Order::Refuse { effect, key, code, why })));
    }
    let Some(row) = engine.sched.nodes().get(node) else { return Gate::Open };
    let (Some(link), Some(facts)) = (perform::link_of(engine, row), row.facts.as_ref()) else { return Gate::Open };
    let live = engine.sched.jobs().values().filter(|job| job.cluster == row.cluster && !job.state.ended());
    let needed: BTreeSet<&Digest> = live.filter_map(|job| job.spec.code.as_ref()?.digest()).collect();
    let needed = needed.into_iter().filter(|other| *other != digest).cloned().collect();
    Gate::Bring(Box::new(Delivery { link: Box::new(link), root: facts.root.clone(), digest: digest.clone(), needed }))
}

/// What sets up and cleans up runs nothing of the user's.
fn wants(role: RankRole) -> bool {
    match role {
        RankRole::Prepare | RankRole::Main | RankRole::Daemon => true,
        RankRole::Setup | RankRole::Cleanup => false,
    }
}

/// Brings it there; a link that breaks is tried again a few times.
pub async fn deliver(delivery: Delivery, way: Way, state_dir: PathBuf, turns: Arc<Semaphore>) -> (Digest, Delivered) {
    // The gate is never closed; without it there would only be more at once.
    let _turn = turns.acquire().await;
    let Delivery { root, digest, needed, .. } = delivery;
    let parcel = Parcel { root, archive: Shelf::of(&state_dir).archive(&digest), digest: digest.clone(), needed };
    let mut pauses = PAUSES.into_iter();
    loop {
        match ship(&Waiting(way.clone(), LINK_WAIT), &parcel).await {
            Ok(there) => return (digest, Delivered::There(there)),
            Err(error @ ShipError::Lost(_)) => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return (digest, Delivered::Failed(error.to_string())),
            },
            Err(error @ (ShipError::Refused(_) | ShipError::Gone { .. })) => {
                return (digest, Delivered::Failed(error.to_string()));
            }
        }
    }
}

// ---- what nobody wants any more -------------------------------------------------------------------------------------

/// Removes snapshots here to which no job and no sweep refers. Returns how many files went.
pub fn sweep(state_dir: &Path, reader: Option<&Reader>, now: SystemTime) -> usize {
    let shelf = Shelf::of(state_dir);
    let old = shelf.old(now);
    let Some(reader) = reader.filter(|_| !old.is_empty()) else { return 0 };
    // Without knowing whose they are none is removed.
    match reader.mentioned(&old.iter().map(Digest::as_str).collect::<Vec<_>>()) {
        Ok(mentioned) => shelf.sweep(&mentioned.iter().filter_map(|text| text.parse().ok()).collect(), now),
        Err(_) => 0,
    }
}
