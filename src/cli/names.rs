//! Names that the shell is offered while a line is typed: asked of the core that runs, if one does; none is started for it.

use std::ffi::OsStr;
use std::future::Future;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::args::{Color, Globals};
use super::output::Out;
use super::session::Session;
use super::{Environment, host};
use crate::api::Client;
use crate::model::request::{JobQuery, Reply, Request};

/// How long a person waits for the answer to a key.
const PATIENCE: Duration = Duration::from_millis(800);
/// The most names that are offered; more are no help.
const NAMES_MAX: u32 = 200;

/// Offers jobs, the newest first.
pub fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        offer(typed, |session, client| async move {
            let query = JobQuery { limit: NAMES_MAX, newest_first: true, ..session.query() };
            match client.request(Request::ListJobs(query)).await {
                Ok(Reply::Jobs { jobs, .. }) => {
                    jobs.iter().map(|view| (view.job.name.to_string(), view.job.state.word().to_owned())).collect()
                }
                Ok(_) | Err(_) => Vec::new(),
            }
        })
    })
}

/// Offers clusters.
pub fn clusters() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        offer(typed, |session, client| async move {
            match lists(&session, &client).await {
                Some(Reply::Lists { clusters, .. }) => {
                    let about = |target| format!("target {target}");
                    clusters.iter().map(|c| (c.name.clone(), about(c.spec.scale_settings.target()))).collect()
                }
                Some(_) | None => Vec::new(),
            }
        })
    })
}

/// Offers experiments.
pub fn experiments() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        offer(typed, |session, client| async move {
            match lists(&session, &client).await {
                Some(Reply::Lists { experiments, .. }) => {
                    experiments.iter().map(|e| (e.name.clone(), format!("{} jobs", e.tally.total()))).collect()
                }
                Some(_) | None => Vec::new(),
            }
        })
    })
}

/// Offers workspaces.
pub fn workspaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        offer(typed, |_, client| async move {
            match client.request(Request::ListAll { workspace: None }).await {
                Ok(Reply::Lists { workspaces, .. }) => {
                    workspaces.iter().map(|w| (w.name.clone(), w.location.clone().unwrap_or_default())).collect()
                }
                Ok(_) | Err(_) => Vec::new(),
            }
        })
    })
}

/// Offers nodes.
pub fn nodes() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        offer(typed, |session, client| async move {
            match lists(&session, &client).await {
                Some(Reply::Lists { nodes, .. }) => {
                    nodes.iter().map(|n| (n.name.clone(), n.state.word().to_owned())).collect()
                }
                Some(_) | None => Vec::new(),
            }
        })
    })
}

async fn lists(session: &Session, client: &Client) -> Option<Reply> {
    client.request(Request::ListAll { workspace: session.workspace() }).await.ok()
}

/// Asks, and keeps what begins as typed. Whatever goes wrong, nothing is offered and nothing is said: the line is still
/// being typed.
fn offer<F>(typed: &OsStr, ask: impl FnOnce(Session, Client) -> F) -> Vec<CompletionCandidate>
where
    F: Future<Output = Vec<(String, String)>>,
{
    let names = || {
        let environment: Environment = super::environment();
        let out = Out::new(None, Color::Never, true);
        let named = |name: &str| environment.get(name).cloned().filter(|value| !value.is_empty());
        let globals = Globals {
            workspace: named("OSTLER_WORKSPACE"),
            experiment: named("OSTLER_EXPERIMENT"),
            cluster: named("OSTLER_CLUSTER"),
            config: named("OSTLER_CONFIG").map(Into::into),
            ..Globals::default()
        };
        let session = Session::new(globals, &environment, out).ok()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async {
            let answer = async {
                let client = host::running(&session).await.ok()?;
                Some(ask(session, client).await)
            };
            tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
        })
    };
    let typed = typed.to_string_lossy().to_lowercase();
    let fits = |(name, _): &(String, String)| name.to_lowercase().starts_with(&typed);
    let candidate =
        |(name, about): (String, String)| CompletionCandidate::new(name).help((!about.is_empty()).then(|| about.into()));
    names().unwrap_or_default().into_iter().filter(fits).map(candidate).collect()
}
