//! Machines that programs of the user's get and give back: any tool that can buy one can be used. The programs are told by
//! JSON on standard input and by variables, and answer by JSON (`contract.rs`).

use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::contract::{Question, Verb, acquired, listed, released};
use super::hook::{self, Hook};
use super::{Found, Machine, NoMachine, Provider, Tag, Wanted};
use crate::model::spec::Hooks;

/// The longest that a list may take, whatever buying takes: it is asked every minute.
const LIST_LIMIT: Duration = Duration::from_secs(60);

/// The programs of one pool.
pub struct Programs {
    /// The programs.
    pub hooks: Hooks,
    /// The name of the cluster.
    pub cluster: String,
    /// The folder for complaints and locks.
    pub folder: PathBuf,
}

impl Programs {
    async fn call(&self, verb: Verb, question: Question, about: &str) -> Result<Vec<u8>, NoMachine> {
        let limit = self.hooks.limit.to_std();
        let (line, limit) = match verb {
            Verb::Acquire => (&self.hooks.acquire, limit),
            Verb::Release => (&self.hooks.release, limit),
            Verb::List => (&self.hooks.list, limit.min(LIST_LIMIT)),
        };
        let input = serde_json::to_vec(&question)
            .map_err(|error| NoMachine::new("HookFailed", format!("a question cannot be written: {error}")))?;
        let variables = question.variables();
        let complaints = hook::lock(verb.word(), &self.folder.join(about), limit).await?;
        if let (Verb::Acquire, true, Some(tag)) = (verb, complaints.waited, Tag::parse(about)) {
            // What was left behind by a crash has ended now, and may have bought it.
            let found = self.list(tag.pool).await?.into_iter().find(|found| found.tag == tag);
            if let Some(found) = found {
                return Ok(already(&found.machine));
            }
        }
        hook::run(Hook { line, what: verb.word(), input, variables, limit }, complaints).await
    }
}

/// Returns the answer of an acquire that found its machine.
fn already(machine: &Machine) -> Vec<u8> {
    let mut body = serde_json::json!({"id": machine.id, "name": machine.name, "host": machine.host});
    if let Some(price) = machine.price {
        body["pricePerHour"] = serde_json::json!(price.0 as f64 / 1e6);
    }
    serde_json::json!({ "machine": body }).to_string().into_bytes()
}

impl Provider for Programs {
    fn acquire<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Option<Machine>, NoMachine>> {
        let asked = async {
            let answer = self.call(Verb::Acquire, Question::acquire(wanted), &wanted.tag.to_string()).await?;
            acquired(&answer)
        };
        asked.boxed()
    }

    fn release<'a>(&'a self, tag: Tag, machine: &'a Machine) -> BoxFuture<'a, Result<(), NoMachine>> {
        let asked = async move {
            let question = Question::release(tag, machine, &self.cluster);
            let about = tag.to_string();
            released(&self.call(Verb::Release, question, &about).await?)?;
            // Nothing of it is left; a file that is not there is as well.
            let _ = tokio::fs::remove_file(self.folder.join(about)).await;
            Ok(())
        };
        asked.boxed()
    }

    fn list(&self, pool: Uuid) -> BoxFuture<'_, Result<Vec<Found>, NoMachine>> {
        let asked = async move {
            // Lists for one pool may overlap; each has a file of its own.
            let about = format!("list-{}", Uuid::now_v7());
            let answer = self.call(Verb::List, Question::list(pool, &self.cluster), &about).await;
            let _ = tokio::fs::remove_file(self.folder.join(about)).await;
            listed(&answer?, pool)
        };
        asked.boxed()
    }
}
