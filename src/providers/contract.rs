//! What hooks read and answer, and what an interface is sent and sends: one JSON object each way, the same for both.
//!
//! | verb | is told | answers |
//! |---|---|---|
//! | acquire | `version`, `verb`, `tag`, `pool`, `cluster`, `class`, `lowPriority` | `{"machine": {"id", "host", "name", "pricePerHour"}}`; without `host`, or with `machine` null, it is on its way |
//! | release | the same and `machine` | `{}`, or nothing |
//! | list | `version`, `verb`, `pool`, `cluster` | `{"machines": [{"id", "host", "name", "pricePerHour", "tag", "leavesAt", "leavesWhy"}]}` |
//!
//! `leavesAt` (a time as `2026-11-27T21:00:00Z`) says that the machine is taken away then: its jobs are put back in time.
//!
//! Only `id` has to be there, and `tag` in a list; what is not known is left out. `{"error": "…"}` is a failure in own words.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Found, Machine, NoMachine, Tag, Wanted};
use crate::model::shown::Shown;
use crate::model::state::Notice;
use crate::model::units::{Money, UnixMillis};

/// The contract's version; a change that old hooks cannot read raises it.
const VERSION: u32 = 1;
/// The most machines that a list may have: ten times the largest fleet that is measured.
const MACHINES_MAX: usize = 10_000;
/// How much of somebody else's words is shown, in characters.
const WORDS_MAX: usize = 600;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Get one.
    Acquire,
    /// Give one back.
    Release,
    /// Say what there is.
    List,
}

impl Verb {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::List => "list",
        }
    }
}

/// What hooks and interfaces are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    version: u32,
    verb: &'static str,
    pool: String,
    cluster: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low_priority: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<Body>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing)]
    tag: Option<String>,
    #[serde(skip_serializing)]
    price_per_hour: Option<serde_json::Number>,
    #[serde(skip_serializing)]
    leaves_at: Option<String>,
    #[serde(skip_serializing)]
    leaves_why: Option<String>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Answer {
    error: Option<String>,
    machine: Option<Body>,
    machines: Option<Vec<Body>>,
}

impl Question {
    /// Asks for a machine.
    pub fn acquire(wanted: &Wanted) -> Self {
        Self {
            tag: Some(wanted.tag.to_string()),
            class: wanted.class.clone(),
            low_priority: Some(wanted.low_priority),
            ..Self::of(Verb::Acquire, wanted.tag.pool, &wanted.cluster)
        }
    }

    /// Gives one back.
    pub fn release(tag: Tag, machine: &Machine, cluster: &str) -> Self {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let body = Body { id: machine.id.clone(), host: text(&machine.host), name: text(&machine.name), ..Body::default() };
        Self { tag: Some(tag.to_string()), machine: Some(body), ..Self::of(Verb::Release, tag.pool, cluster) }
    }

    /// Asks for what there is.
    pub fn list(pool: Uuid, cluster: &str) -> Self {
        Self::of(Verb::List, pool, cluster)
    }

    fn of(verb: Verb, pool: Uuid, cluster: &str) -> Self {
        let (pool, cluster) = (pool.hyphenated().to_string(), cluster.to_owned());
        Self {
            version: VERSION,
            verb: verb.word(),
            pool,
            cluster,
            tag: None,
            class: None,
            low_priority: None,
            machine: None,
        }
    }

    /// Returns the same as variables, for hooks that are shell scripts.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let machine = self.machine.as_ref();
        let all = [
            ("OSTLER_VERB", Some(self.verb.to_owned())),
            ("OSTLER_POOL", Some(self.pool.clone())),
            ("OSTLER_CLUSTER", Some(self.cluster.clone())),
            ("OSTLER_TAG", self.tag.clone()),
            ("OSTLER_CLASS", self.class.clone()),
            ("OSTLER_LOW_PRIORITY", self.low_priority.filter(|low| *low).map(|_| "1".to_owned())),
            ("OSTLER_MACHINE", machine.map(|machine| machine.id.clone())),
            ("OSTLER_HOST", machine.and_then(|machine| machine.host.clone())),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// Reads the answer to an acquire.
///
/// # Errors
/// What is wrong with it, or the words that it has for its failure.
pub fn acquired(text: &[u8]) -> Result<Option<Machine>, NoMachine> {
    read(text)?.machine.map(machine).transpose()
}

/// Reads the answer to a release.
///
/// # Errors
/// As [`acquired`].
pub fn released(text: &[u8]) -> Result<(), NoMachine> {
    read(text).map(|_| ())
}

/// Reads the answer to a list; machines without a tag of this pool are somebody else's and left out.
///
/// # Errors
/// As [`acquired`]; a list has to be there.
pub fn listed(text: &[u8], pool: Uuid) -> Result<Vec<Found>, NoMachine> {
    let Some(bodies) = read(text)?.machines else {
        return Err(bad("the answer to list has no `machines`".to_owned()));
    };
    if bodies.len() > MACHINES_MAX {
        return Err(bad(format!("the list has {} machines, the limit is {MACHINES_MAX}", bodies.len())));
    }
    let ours = bodies.into_iter().filter_map(|body| {
        let tag = body.tag.as_deref().and_then(Tag::parse).filter(|tag| tag.pool == pool)?;
        Some((tag, body))
    });
    let found = ours.map(|(tag, body)| {
        let leaves = notice(&body)?;
        Ok(Found { tag, machine: machine(body)?, leaves, ends: None, waits: String::new() })
    });
    found.collect()
}

fn read(text: &[u8]) -> Result<Answer, NoMachine> {
    if text.trim_ascii().is_empty() {
        return Ok(Answer::default());
    }
    let answer: Answer = serde_json::from_slice(text)
        .map_err(|error| bad(format!("the answer is no JSON object of the contract: {error}: {}", words(text))))?;
    match answer.error {
        Some(error) => Err(NoMachine::new("ProviderRefused", words(error.as_bytes()))),
        None => Ok(answer),
    }
}

/// Reads when a machine is taken away.
fn notice(body: &Body) -> Result<Option<Notice>, NoMachine> {
    let Some(text) = &body.leaves_at else { return Ok(None) };
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| bad(format!("leavesAt: `{}` is no time as 2026-11-27T21:00:00Z", words(text.as_bytes()))))?;
    let why = body.leaves_why.as_deref().map(|why| words(why.as_bytes())).unwrap_or_default();
    Ok(Some(Notice { at: UnixMillis(at.as_millisecond()), why }))
}

fn machine(body: Body) -> Result<Machine, NoMachine> {
    if body.id.is_empty() {
        return Err(bad("a machine has no `id`".to_owned()));
    }
    let price = match &body.price_per_hour {
        None => None,
        Some(number) => Some(Money::parse(&number.to_string()).map_err(|why| bad(format!("pricePerHour: {why}")))?),
    };
    let host = body.host.unwrap_or_default();
    let name = body.name.filter(|name| !name.is_empty()).unwrap_or_else(|| body.id.clone());
    Ok(Machine { id: body.id, name, host, price })
}

fn bad(message: String) -> NoMachine {
    NoMachine::new("BadAnswer", message)
}

/// Returns somebody else's words fit to be shown: the end of them, on one line.
pub fn words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let all = lines.join("; ");
    let skipped = all.chars().count().saturating_sub(WORDS_MAX);
    let end: String = all.chars().skip(skipped).collect();
    Shown::new(&end).to_string()
}
