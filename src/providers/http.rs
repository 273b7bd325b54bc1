//! Machines that an interface over https gets and gives back, by the contract of `contract.rs`. What fails for a moment is
//! tried again with growing pauses; every call carries a key that makes a repeat harmless.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use tokio::time::sleep;
use uuid::Uuid;

use super::contract::{Question, Verb, acquired, listed, released, words};
use super::{Found, Machine, NoMachine, Provider, Tag, Wanted};
use crate::model::spec::SecretText;
use crate::transport::web::{chain, client};

/// How long one call may take: behind it a machine may be ordered, and not yet booted.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// How often a call is made before it counts as failed; the core has its own tries above these.
const TRIES: u32 = 5;
/// The first pause; it doubles with every try.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause that an interface may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The most that is read of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The interface of one pool.
pub struct Interface {
    /// Where it is.
    pub url: String,
    /// The bearer token.
    pub token: Option<SecretText>,
    /// The name of the cluster.
    pub cluster: String,
    /// A file with certificates that are trusted beside those of the system.
    pub ca_file: Option<String>,
    /// The first pause between tries; tests have a shorter one.
    pub pause: Duration,
}

/// What one call came to.
enum Heard {
    Answer(Vec<u8>),
    /// It may be tried again, after this long when the interface says so.
    Again(NoMachine, Option<Duration>),
    Failed(NoMachine),
}

impl Interface {
    /// Returns an interface with the usual pauses.
    pub fn new(url: String, token: Option<SecretText>, cluster: String) -> Self {
        Self { url, token, cluster, ca_file: None, pause: PAUSE_FIRST }
    }

    async fn call(&self, verb: Verb, question: &Question, key: &str) -> Result<Vec<u8>, NoMachine> {
        let client = client(CALL_LIMIT, self.ca_file.as_deref(), None).map_err(|why| failed(verb, &why))?;
        let mut pause = self.pause;
        for round in 1.. {
            match self.once(&client, verb, question, key).await {
                Heard::Answer(answer) => return Ok(answer),
                Heard::Failed(why) => return Err(why),
                Heard::Again(why, _) if round >= TRIES => return Err(why),
                Heard::Again(_, wanted) => sleep(wanted.unwrap_or(pause).min(PAUSE_MAX)).await,
            }
            pause *= 2;
        }
        Err(failed(verb, "it was never called"))
    }

    async fn once(&self, client: &reqwest::Client, verb: Verb, question: &Question, key: &str) -> Heard {
        let url = format!("{}/{}", self.url.trim_end_matches('/'), verb.word());
        let mut request = client.post(url).header("Idempotency-Key", key).json(question);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            // Without the address: somebody may have put a token into it.
            Err(error) => return Heard::Again(failed(verb, &chain(&error.without_url())), None),
        };
        let status = response.status();
        let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(None) => break,
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
                Ok(Some(_)) => {
                    return Heard::Failed(failed(verb, &format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
                }
                Err(error) => return Heard::Again(failed(verb, &chain(&error.without_url())), None),
            }
        }
        if status.is_success() {
            return Heard::Answer(body);
        }
        let own = released(&body).err().filter(|own| own.code == "ProviderRefused").map(|own| own.message);
        let why = failed(verb, &format!("{status}: {}", own.unwrap_or_else(|| words(&body))));
        let passing = status.is_server_error()
            || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY].contains(&status);
        if passing { Heard::Again(why, after.map(Duration::from_secs)) } else { Heard::Failed(why) }
    }
}

fn failed(verb: Verb, why: &str) -> NoMachine {
    NoMachine::new("InterfaceFailed", format!("the interface did not do {}: {why}", verb.word()))
}

impl Provider for Interface {
    fn acquire<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Option<Machine>, NoMachine>> {
        let asked = async {
            let question = Question::acquire(wanted);
            acquired(&self.call(Verb::Acquire, &question, &format!("acquire-{}", wanted.tag)).await?)
        };
        asked.boxed()
    }

    fn release<'a>(&'a self, tag: Tag, machine: &'a Machine) -> BoxFuture<'a, Result<(), NoMachine>> {
        let asked = async move {
            let question = Question::release(tag, machine, &self.cluster);
            released(&self.call(Verb::Release, &question, &format!("release-{tag}")).await?)
        };
        asked.boxed()
    }

    fn list(&self, pool: Uuid) -> BoxFuture<'_, Result<Vec<Found>, NoMachine>> {
        let asked = async move {
            let question = Question::list(pool, &self.cluster);
            let answer = self.call(Verb::List, &question, &format!("list-{}", Uuid::now_v7())).await?;
            listed(&answer, pool)
        };
        asked.boxed()
    }
}
