//! `ostler resource-group`: a level above workspaces.

use clap::Subcommand;
use serde_json::json;

use super::failure::Failure;
use super::lists::Lists;
use super::objects::time;
use super::output::{Column, Look, Row};
use super::session::{Session, unexpected};
use crate::model::ids::GroupId;
use crate::model::request::{Reply, Request};
use crate::model::state::{DEFAULT_GROUP, ResourceGroup};

/// What can be done with resource groups.
#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// Make a resource group; from then on the screen and lists show groups
    Create {
        /// Its name: letters, digits, - and _
        name: String,
    },
    /// List the resource groups; `default` is always there
    #[command(visible_alias = "ls")]
    List,
    /// Delete a resource group; refused while it holds workspaces, unless --force
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        name: String,
        /// Delete everything in it first
        #[arg(long)]
        force: bool,
    },
}

const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "WORKSPACES", look: Look::Number },
    Column { title: "STATE", look: Look::State },
    Column { title: "CREATED", look: Look::Wide },
];

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, verb: Verb) -> Result<i32, Failure> {
    let core = session.core().await?;
    match verb {
        Verb::Create { name } => {
            match core.act(&format!("create resource group `{name}`"), Request::CreateGroup { name }).await? {
                None => {}
                Some(Reply::Group(group)) => {
                    let said = format!("resource group `{}` created", group.name);
                    session.out.done(&said, &group.name, &row(Some(&group), 0).value)?;
                }
                Some(other) => return Err(unexpected(&other)),
            }
        }
        Verb::List => {
            let lists = Lists::read(&core, None).await?;
            let inside = |id| lists.workspaces.iter().filter(|w| w.group == id).count();
            let mut rows = vec![row(None, inside(GroupId::DEFAULT))];
            rows.extend(lists.groups.iter().map(|group| row(Some(group), inside(group.id))));
            let mut list = session.out.list(COLUMNS);
            list.page(rows)?;
            list.end()?;
        }
        Verb::Delete { name, force } => {
            let more = if force { " with everything in it" } else { "" };
            session.confirm(&format!("delete resource group `{name}`{more}"))?;
            let request = Request::DeleteGroup { group: name.clone(), force };
            if core.act(&format!("delete resource group `{name}`{more}"), request).await?.is_some() {
                session.out.note(&format!("resource group `{name}` deleted"));
            }
        }
    }
    Ok(0)
}

/// The line of a group; `None` is the one that is always there.
fn row(group: Option<&ResourceGroup>, workspaces: usize) -> Row {
    let name = group.map_or(DEFAULT_GROUP, |group| &group.name);
    let state = if group.is_some_and(|group| group.deleting_since.is_some()) { "deleting" } else { "succeeded" };
    let created = group.map(|group| group.created);
    Row {
        cells: vec![
            name.to_owned(),
            workspaces.to_string(),
            state.to_owned(),
            created.map(|at| at.rfc3339()).unwrap_or_default(),
        ],
        value: json!({
            "name": name,
            "id": group.map_or(GroupId::DEFAULT, |group| group.id).to_string(),
            "provisioningState": state,
            "provisioningStateTransitionTime": group.map(|group| time(group.deleting_since.unwrap_or(group.created))),
            "creationTime": created.map(time),
            "workspaceCount": workspaces,
        }),
        name: name.to_owned(),
    }
}
