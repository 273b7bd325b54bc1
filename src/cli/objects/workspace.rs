//! A workspace.

use serde_json::{Value, json};

use super::time;
use crate::cli::lists::Home;
use crate::cli::output::{Column, Look, Row};
use crate::model::state::Workspace;

/// The columns of a list of workspaces.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "RESOURCE GROUP", look: Look::Unless("default") },
    Column { title: "LOCATION", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "CREATED", look: Look::Wide },
    Column { title: "TAGS", look: Look::Text },
];

/// Returns the state of the record.
pub fn provisioning(deleting: bool) -> &'static str {
    if deleting { "deleting" } else { "succeeded" }
}

/// Returns the object.
pub fn value(workspace: &Workspace, group: &str) -> Value {
    json!({
        "name": workspace.name,
        "id": workspace.id.to_string(),
        "resourceId": Home { group, workspace: &workspace.name }.id(None),
        "location": workspace.location,
        "tags": workspace.tags,
        "resourceGroup": group,
        "provisioningState": provisioning(workspace.deleting),
        "provisioningStateTransitionTime": time(workspace.deleting_since.unwrap_or(workspace.created)),
        "creationTime": time(workspace.created),
    })
}

/// Returns the line of a list.
pub fn row(workspace: &Workspace, group: &str) -> Row {
    Row {
        cells: vec![
            workspace.name.clone(),
            group.to_owned(),
            workspace.location.clone().unwrap_or_default(),
            provisioning(workspace.deleting).to_owned(),
            workspace.created.rfc3339(),
            tags(workspace),
        ],
        value: value(workspace, group),
        name: workspace.name.clone(),
    }
}

fn tags(workspace: &Workspace) -> String {
    workspace.tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// Returns what a person is told.
pub fn facts(workspace: &Workspace, clusters: usize, servers: usize, experiments: usize) -> Vec<(&'static str, String)> {
    vec![
        ("name", workspace.name.clone()),
        ("id", workspace.id.to_string()),
        ("location", workspace.location.clone().unwrap_or_default()),
        ("state", provisioning(workspace.deleting).to_owned()),
        ("created", workspace.created.rfc3339()),
        ("tags", tags(workspace)),
        ("clusters", clusters.to_string()),
        ("file servers", servers.to_string()),
        ("experiments", experiments.to_string()),
    ]
}
