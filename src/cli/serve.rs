//! `ostler serve`: the core without a screen; its state, and its end.

use clap::Args;

use super::failure::Failure;
use super::host;
use super::session::{Session, unexpected};
use crate::model::request::{Reply, Request, Status};

/// Options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct Serve {
    /// Take the core over from the process that hosts it
    #[arg(long, conflicts_with_all = ["status", "stop"])]
    pub take_over: bool,
    /// Say who hosts the core and what is undone; exit code 3 when nobody does
    #[arg(long, conflicts_with = "stop")]
    pub status: bool,
    /// End the process that hosts the core, in order; jobs on nodes go on
    #[arg(long)]
    pub stop: bool,
    /// Started by another ostler and not by a person
    #[arg(long, hide = true)]
    pub background: bool,
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, serve: &Serve) -> Result<i32, Failure> {
    if serve.status {
        return status(session).await;
    }
    if serve.stop {
        return stop(session).await;
    }
    host::serve(session, serve.background, serve.take_over).await?;
    Ok(0)
}

async fn status(session: &Session) -> Result<i32, Failure> {
    let client = host::running(session).await?;
    let status = match client.request(Request::Status).await? {
        Reply::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    session.out.one(&status.pid.to_string(), &facts(&status), &value(&status))?;
    Ok(0)
}

fn facts(status: &Status) -> Vec<(&'static str, String)> {
    vec![
        ("pid", status.pid.to_string()),
        ("epoch", status.epoch.0.to_string()),
        ("version", status.version.clone()),
        ("socket", status.socket.clone()),
        ("started", status.started_at.rfc3339()),
        ("undone", if status.undone.is_empty() { "nothing".to_owned() } else { status.undone.join("\n") }),
    ]
}

fn value(status: &Status) -> serde_json::Value {
    serde_json::json!({
        "pid": status.pid,
        "epoch": status.epoch.0,
        "socket": status.socket,
        "startedAt": status.started_at.rfc3339(),
        "version": status.version,
        "undone": status.undone,
    })
}

async fn stop(session: &Session) -> Result<i32, Failure> {
    let pid = host::stop(session).await?;
    session.out.note(&format!("stopped (pid {pid}); jobs on nodes go on"));
    Ok(0)
}
