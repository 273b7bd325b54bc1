//! `ostler workspace`: clusters and experiments under one name.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Subcommand;

use super::args::{Named, spelled};
use super::failure::Failure;
use super::leave::{self, NoWait};
use super::lists::Lists;
use super::names;
use super::node::{partly, refusal};
use super::objects::workspace as object;
use super::session::{Core, Session, unexpected};
use crate::model::fault::{Fault, FaultCode};
use crate::model::request::{Reply, Request};
use crate::model::state::Workspace;

/// What can be done with workspaces.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make a workspace
    Create {
        /// Its name: letters, digits, - and _
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// A free label
        #[arg(short, long)]
        location: Option<String>,
        /// A tag, as NAME=VALUE; may be repeated
        #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair)]
        tags: Vec<(String, String)>,
    },
    /// Show one workspace
    Show {
        /// Its name; that of the context when absent
        #[arg(add = names::workspaces())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
    },
    /// List all workspaces
    #[command(visible_alias = "ls")]
    List,
    /// Set or remove tags, all that can be changed
    Update {
        /// Its name; that of the context when absent
        #[arg(add = names::workspaces())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// A tag to set, as NAME=VALUE; may be repeated
        #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair, required_unless_present = "untags")]
        tags: Vec<(String, String)>,
        /// A tag to remove; may be repeated
        #[arg(long = "untag", value_name = "NAME")]
        untags: Vec<String>,
    },
    /// Delete a workspace; refused while it holds anything, unless --force
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        #[arg(add = names::workspaces())]
        name: Option<String>,
        #[command(flatten)]
        named: Named,
        /// Stop and delete everything in it first
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        leave: NoWait,
    },
}

/// Reads `NAME=VALUE`.
///
/// # Errors
/// That there is no `=` or no name.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("the form is NAME=VALUE".to_owned()),
    }
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let core = session.core().await?;
    match verb {
        Verb::Create { name, named, location, tags } => {
            let name = named.need(name)?;
            let sentence = format!("create workspace `{name}`");
            let tags: BTreeMap<String, String> = tags.into_iter().collect();
            let name = session.within_group(Some(name)).unwrap_or_default();
            let request = Request::CreateWorkspace { name, location, tags };
            if let Some(reply) = core.act(&sentence, request).await? {
                let workspace = made(&reply)?;
                let said = format!("workspace `{}` created", workspace.name);
                let lists = Lists::read(&core, None).await?;
                let value = object::value(workspace, lists.group_name(workspace.group));
                session.out.done(&said, &workspace.name, &value)?;
            }
        }
        Verb::Show { name, named } => {
            let names = named.all(name)?;
            let lists = Lists::read(&core, None).await?;
            if names.len() > 1 {
                let mut list = session.out.list(object::COLUMNS);
                for name in names {
                    let workspace = lists.workspace(session.within_group(Some(name)).as_ref())?;
                    list.page(vec![object::row(workspace, lists.group_name(workspace.group))])?;
                }
                list.end()?;
                return Ok(0);
            }
            let named = names.into_iter().next().or_else(|| session.context.workspace.clone());
            let workspace = lists.workspace(session.within_group(named).as_ref())?;
            let clusters = lists.clusters.iter().filter(|c| c.workspace == workspace.id).count();
            let servers = lists.file_servers.iter().filter(|s| s.workspace == workspace.id).count();
            let experiments = lists.experiments.iter().filter(|e| e.workspace == workspace.id).count();
            let value = object::value(workspace, lists.group_name(workspace.group));
            session.out.one(&workspace.name, &object::facts(workspace, clusters, servers, experiments), &value)?;
        }
        Verb::List => {
            // All of them, or those of the group that is named.
            let group = session.context.resource_group.as_ref().map(|group| format!("{group}/"));
            let lists = Lists::read(&core, group.as_ref()).await?;
            let mut list = session.out.list(object::COLUMNS);
            list.page(lists.workspaces.iter().map(|w| object::row(w, lists.group_name(w.group))).collect())?;
            list.end()?;
        }
        Verb::Update { name, named, tags, untags } => {
            let name = named.or(name)?;
            let named = name.or_else(|| session.context.workspace.clone());
            let name = session.within_group(named);
            let set = tags.into_iter().map(|(name, value)| (name, Some(value)));
            let tags: BTreeMap<String, Option<String>> = set.chain(untags.into_iter().map(|name| (name, None))).collect();
            let request = Request::TagWorkspace { workspace: name, tags };
            if core.act("change the tags of the workspace", request).await?.is_some() {
                session.out.note("tags changed");
            }
        }
        Verb::Delete { name, named, force, leave } => {
            let names = named.some(name)?;
            let more = if force { " with everything in it" } else { "" };
            session.confirm(&format!("delete {}{more}", spelled("workspace", &names)))?;
            let mut failed = Vec::new();
            for name in &names {
                failed.extend(refusal(delete(session, &core, name, force, leave).await)?);
            }
            return partly(failed, names.len());
        }
    }
    Ok(0)
}

async fn delete(session: &Session, core: &Core, name: &String, force: bool, leave: NoWait) -> Result<(), Failure> {
    let more = if force { " with everything in it" } else { "" };
    let workspace = session.within_group(Some(name.clone())).unwrap_or_default();
    let lists = Lists::read(core, None).await?;
    let id = lists.workspace(Some(&workspace)).ok().map(|workspace| workspace.id);
    let request = Request::DeleteWorkspace { workspace, force };
    if core.act(&format!("delete workspace `{name}`{more}"), request).await?.is_some() {
        let still = |lists: &Lists| id.is_some_and(|id| lists.workspaces.iter().any(|w| w.id == id));
        leave::until_gone(session, core, &format!("workspace `{name}`"), leave, still).await?;
    }
    Ok(())
}

fn made(reply: &Reply) -> Result<&Arc<Workspace>, Failure> {
    if let Reply::Workspace(workspace) = reply { Ok(workspace) } else { Err(unexpected(reply)) }
}

/// The fault when a name is not there, with the names that are.
pub fn missing<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Fault {
    let known: Vec<&str> = known.into_iter().collect();
    let fault =
        Fault::user(format!("there is no {kind} `{}`", name.escape_debug())).code(FaultCode::ResourceNotFound).target(name);
    match (crate::model::nearest::nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(meant), _) => fault.hint(format!("did you mean `{meant}`?")),
        (None, false) => fault.hint(format!("{kind}s: {}", known.join(", "))),
        (None, true) => fault.hint(format!("`ostler {kind} create NAME` makes one")),
    }
}
