//! `ostler context`: what is meant when no workspace, experiment or cluster is named. Set here or by the environment, never by the last use.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::session::Session;
use crate::config::context::Context;
use crate::model::fault::Fault;
use crate::model::names::check_name;

/// What can be done with the context.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Set parts of the context: ostler context set -w lab -e first -c gpu
    Set,
    /// Show the context and what counts over it
    Show,
    /// Forget parts of it, or all
    Clear(Clear),
}

/// Options of `clear`.
#[derive(Args, Clone, Debug)]
pub struct Clear {
    /// Forget these alone
    #[arg(value_parser = ["workspace", "experiment", "cluster", "resource-group"])]
    parts: Vec<String>,
}

/// Does it.
///
/// # Errors
/// That the file cannot be written, or that a name is none.
pub fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Set => set(session)?,
        Verb::Show => {}
        Verb::Clear(clear) => self::clear(session, &clear.parts)?,
    }
    show(session)
}

fn set(session: &Session) -> Result<(), Failure> {
    // Only what was typed is kept: what the environment says counts while it says so.
    let typed = [
        (&session.globals.resource_group, "OSTLER_RESOURCE_GROUP"),
        (&session.globals.workspace, "OSTLER_WORKSPACE"),
        (&session.globals.experiment, "OSTLER_EXPERIMENT"),
        (&session.globals.cluster, "OSTLER_CLUSTER"),
    ]
    .map(|(value, variable)| value.clone().filter(|value| std::env::var(variable).ok().as_ref() != Some(value)));
    if typed.iter().all(Option::is_none) {
        return Err(Fault::config("nothing to set").hint("ostler context set -w WORKSPACE -e EXPERIMENT -c CLUSTER").into());
    }
    for name in typed.iter().flatten() {
        check_name(name).map_err(Fault::config)?;
    }
    let [resource_group, workspace, experiment, cluster] = typed;
    let kept = Context::read(&session.state_dir)?;
    let context = Context {
        resource_group: resource_group.or(kept.resource_group),
        workspace: workspace.or(kept.workspace),
        experiment: experiment.or(kept.experiment),
        cluster: cluster.or(kept.cluster),
    };
    Ok(context.write(&session.state_dir)?)
}

fn clear(session: &Session, parts: &[String]) -> Result<(), Failure> {
    // A file that cannot be read is replaced: that is what `clear` is for.
    let mut context = if parts.is_empty() { Context::default() } else { Context::read(&session.state_dir)? };
    for part in parts {
        match part.as_str() {
            "workspace" => context.workspace = None,
            "experiment" => context.experiment = None,
            "cluster" => context.cluster = None,
            _ => context.resource_group = None,
        }
    }
    Ok(context.write(&session.state_dir)?)
}

fn show(session: &Session) -> Result<i32, Failure> {
    let kept = Context::read(&session.state_dir)?;
    let over = |named: &Option<String>, kept: &Option<String>| match (named, kept) {
        (Some(named), kept) if kept.as_ref() != Some(named) => format!("{named} (now, over the context)"),
        (_, Some(kept)) => kept.clone(),
        (_, None) => "-".to_owned(),
    };
    let globals = &session.globals;
    let mut facts = vec![
        ("workspace", over(&globals.workspace, &kept.workspace)),
        ("experiment", over(&globals.experiment, &kept.experiment)),
        ("cluster", over(&globals.cluster, &kept.cluster)),
    ];
    if kept.resource_group.is_some() || globals.resource_group.is_some() {
        facts.push(("resource group", over(&globals.resource_group, &kept.resource_group)));
    }
    let value = serde_json::json!({
        "resourceGroup": globals.resource_group.as_ref().or(kept.resource_group.as_ref()),
        "workspace": globals.workspace.as_ref().or(kept.workspace.as_ref()),
        "experiment": globals.experiment.as_ref().or(kept.experiment.as_ref()),
        "cluster": globals.cluster.as_ref().or(kept.cluster.as_ref()),
    });
    session.out.one(kept.workspace.as_deref().unwrap_or_default(), &facts, &value)?;
    Ok(0)
}
