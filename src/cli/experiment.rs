//! `ostler experiment`: named groups of jobs.

use clap::Subcommand;

use super::failure::Failure;
use super::lists::Lists;
use super::names;
use super::objects::experiment as object;
use super::session::{Session, unexpected};
use crate::model::request::{Reply, Request};

/// What can be done with experiments.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make an experiment
    Create {
        /// Its name: letters, digits, - and _
        name: String,
    },
    /// Show one experiment
    Show {
        /// Its name; that of the context when absent
        #[arg(add = names::experiments())]
        name: Option<String>,
    },
    /// List the experiments
    #[command(visible_alias = "ls")]
    List,
    /// Delete an experiment; its jobs are stopped and deleted first
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        #[arg(add = names::experiments())]
        name: String,
    },
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let core = session.core().await?;
    let workspace = session.workspace();
    let workspace = workspace.as_ref();
    match verb {
        Verb::Create { name } => {
            let sentence = format!("create experiment `{name}`");
            let request = Request::CreateExperiment { workspace: workspace.cloned(), name };
            match core.act(&sentence, request).await? {
                None => {}
                Some(Reply::Experiment(experiment)) => {
                    let lists = Lists::read(&core, None).await?;
                    let value = object::value(&experiment, lists.workspace_name(experiment.workspace));
                    session.out.done(&format!("experiment `{}` created", experiment.name), &experiment.name, &value)?;
                }
                Some(other) => return Err(unexpected(&other)),
            }
        }
        Verb::Show { name } => {
            let lists = Lists::read(&core, workspace).await?;
            let experiment = lists.experiment(name.as_ref().or(session.context.experiment.as_ref()))?;
            let workspace = lists.workspace_name(experiment.workspace);
            session.out.one(
                &experiment.name,
                &object::facts(experiment, workspace),
                &object::value(experiment, workspace),
            )?;
        }
        Verb::List => {
            let lists = Lists::read(&core, workspace).await?;
            let mut list = session.out.list(object::COLUMNS);
            list.page(lists.experiments.iter().map(|e| object::row(e, lists.workspace_name(e.workspace))).collect())?;
            list.end()?;
        }
        Verb::Delete { name } => {
            session.confirm(&format!("delete experiment `{name}` with all its jobs"))?;
            let request = Request::DeleteExperiment(session.experiment(Some(&name)));
            if core.act(&format!("delete experiment `{name}`"), request).await?.is_some() {
                session.out.note(&format!("experiment `{name}` is being deleted; files of its jobs stay"));
            }
        }
    }
    Ok(0)
}
