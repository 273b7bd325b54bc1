//! Layer 2: where nodes come from, one file each. A machine is got for a [`Tag`], which names its node for good: who asks
//! twice for one tag, also after a crash in between, gets the same machine, so nothing is bought twice; and what carries a
//! tag of ours can be found again, so nothing is forgotten.
//!
//! The same tests run on every provider (`tests.rs`).
//!
//! Decision 2026-11: [`get`] looks at the list before it asks, instead of asking hooks to be idempotent: those who write hooks
//! get that wrong, and a list they have to write anyway.

pub mod command;
pub mod contract;
mod hook;
pub mod hosts;
pub mod http;
pub mod local;
pub mod power;
pub mod slurm;
#[cfg(test)]
mod tests;
pub mod watch;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::model::ids::NodeId;
use crate::model::names::check_host;
use crate::model::state::Notice;
use crate::model::units::{Money, UnixMillis};

/// What every tag begins with.
const TAG_BEGINS: &str = "ostler-";
/// How long a machine may take from order to address: bare metal boots in ten minutes, and what takes longer is stuck.
pub const READY_WITHIN: Duration = Duration::from_secs(15 * 60);
/// How often a machine that is on its way is looked for at first, and at most: a cloud's list is rationed.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(20));
/// The longest name that a provider may give a machine, in bytes.
const MACHINE_NAME_BYTES_MAX: usize = 256;

/// Names one node at a provider: the cluster's uuid and the node's number. At most 63 lower-case letters, digits and
/// dashes, because that is what a label of Google's may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// The cluster's.
    pub pool: Uuid,
    /// The node.
    pub node: NodeId,
}

impl Tag {
    /// Reads what [`fmt::Display`] writes; `None` for what is not ours.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(TAG_BEGINS)?;
        let (pool, node) = rest.rsplit_once('-')?;
        let (pool, node) = (Uuid::parse_str(pool).ok()?, node.parse().ok()?);
        Some(Self { pool, node: NodeId(node) })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TAG_BEGINS}{}-{}", self.pool.hyphenated(), self.node.0)
    }
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// For which node.
    pub tag: Tag,
    /// The name of its cluster, for people who look at the provider's own pages.
    pub cluster: String,
    /// The class of the node, as `vmSize` says.
    pub class: Option<String>,
    /// Whether it may be one that is taken away at any time.
    pub low_priority: bool,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// What its provider calls it.
    pub id: String,
    /// Its name on screens.
    pub name: String,
    /// What the transport is given to reach it; empty while it has no address.
    pub host: String,
    /// What it costs in an hour, when its provider says so.
    pub price: Option<Money>,
}

/// A machine that is there, and what it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which node it was got for.
    pub tag: Tag,
    /// The machine.
    pub machine: Machine,
    /// When its provider takes it away, as far as it says so.
    pub leaves: Option<Notice>,
    /// Until when it is lent, where that is known from the beginning; [`Found::leaves`] says it once it is near.
    pub ends: Option<UnixMillis>,
    /// Why it has no address yet, in words; empty when that is not said.
    pub waits: String,
}

/// Why there is none, or why it could not be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMachine {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people; a hook's own words.
    pub message: String,
}

impl NoMachine {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Where nodes come from. Every method may be called again for the same tag, by another process too, and then says the same.
pub trait Provider: Send + Sync {
    /// Gets a machine for a tag; `None` when it is on its way and [`Provider::list`] will show it.
    ///
    /// # Errors
    /// Why there is none now; another node's release can change that.
    fn acquire<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Option<Machine>, NoMachine>>;

    /// Gives a machine back. One that is not there any more is given back.
    ///
    /// # Errors
    /// Why it is still there.
    fn release<'a>(&'a self, tag: Tag, machine: &'a Machine) -> BoxFuture<'a, Result<(), NoMachine>>;

    /// Says what carries tags of this pool.
    ///
    /// # Errors
    /// Why that cannot be said.
    fn list(&self, pool: Uuid) -> BoxFuture<'_, Result<Vec<Found>, NoMachine>>;
}

/// Gets a machine that can be reached, or the one that the tag has already; within `patience`.
///
/// # Errors
/// Why there is none. What was ordered then still carries the tag.
pub async fn get(provider: &dyn Provider, wanted: &Wanted, patience: Duration) -> Result<Machine, NoMachine> {
    let until = Instant::now() + patience;
    let mut found = look(provider, wanted.tag).await?;
    if found.is_none() {
        found = provider.acquire(wanted).await?;
    }
    let mut pause = LOOK_EVERY.0;
    loop {
        if let Some(machine) = found.filter(|machine| !machine.host.is_empty()) {
            return checked(machine);
        }
        if Instant::now() + pause > until {
            let message = format!("the machine for {} was ordered and has no address after {patience:?}", wanted.tag);
            return Err(NoMachine::new("MachineNotReady", message));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_EVERY.1);
        found = look(provider, wanted.tag).await?;
    }
}

async fn look(provider: &dyn Provider, tag: Tag) -> Result<Option<Machine>, NoMachine> {
    let mut with_tag = provider.list(tag.pool).await?.into_iter().filter(|found| found.tag == tag);
    let (first, second) = (with_tag.next(), with_tag.next());
    match (first, second) {
        (Some(one), Some(other)) => {
            let message =
                format!("{} and {} both carry the tag {tag}; release one of them", one.machine.id, other.machine.id);
            Err(NoMachine::new("TwoMachines", message))
        }
        (found, _) => Ok(found.map(|found| found.machine)),
    }
}

/// What a provider says is not believed before it is looked at: a host goes to the command line of ssh.
fn checked(machine: Machine) -> Result<Machine, NoMachine> {
    let lies = |why: String| NoMachine::new("BadAnswer", format!("the provider gave a machine that cannot be: {why}"));
    check_host(&machine.host).map_err(lies)?;
    for text in [&machine.id, &machine.name] {
        if text.is_empty() || text.len() > MACHINE_NAME_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(lies(format!("the name `{}`", text.escape_debug())));
        }
    }
    Ok(machine)
}
