//! An experiment.

use serde_json::{Value, json};

use super::time;
use super::workspace::provisioning;
use crate::cli::output::{Column, Look, Row};
use crate::model::state::Experiment;

/// The columns of a list of experiments.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "WORKSPACE", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "QUEUED", look: Look::Number },
    Column { title: "RUNNING", look: Look::Number },
    Column { title: "SUCCEEDED", look: Look::Number },
    Column { title: "FAILED", look: Look::Number },
    Column { title: "CREATED", look: Look::Wide },
];

/// Returns the object.
pub fn value(experiment: &Experiment, workspace: &str) -> Value {
    json!({
        "name": experiment.name,
        "id": experiment.id.to_string(),
        "workspace": workspace,
        "provisioningState": provisioning(experiment.deleting),
        "creationTime": time(experiment.created),
        "jobCounts": experiment.tally,
    })
}

/// Returns the line of a list.
pub fn row(experiment: &Experiment, workspace: &str) -> Row {
    let tally = &experiment.tally;
    Row {
        cells: vec![
            experiment.name.clone(),
            workspace.to_owned(),
            provisioning(experiment.deleting).to_owned(),
            tally.queued.to_string(),
            (tally.running + tally.terminating).to_string(),
            tally.succeeded.to_string(),
            tally.failed.to_string(),
            experiment.created.rfc3339(),
        ],
        value: value(experiment, workspace),
        name: experiment.name.clone(),
    }
}

/// Returns what a person is told.
pub fn facts(experiment: &Experiment, workspace: &str) -> Vec<(&'static str, String)> {
    let tally = &experiment.tally;
    vec![
        ("name", experiment.name.clone()),
        ("id", experiment.id.to_string()),
        ("workspace", workspace.to_owned()),
        ("state", provisioning(experiment.deleting).to_owned()),
        ("created", experiment.created.rfc3339()),
        (
            "jobs",
            format!(
                "{} queued, {} running, {} terminating, {} succeeded, {} failed",
                tally.queued, tally.running, tally.terminating, tally.succeeded, tally.failed
            ),
        ),
    ]
}
