//! An experiment.

use serde_json::{Value, json};

use super::time;
use super::workspace::provisioning;
use crate::cli::lists::Home;
use crate::cli::output::{Column, Look, Row};
use crate::model::resource_id::Child;
use crate::model::state::Experiment;

/// The columns of a list of experiments.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "RESOURCE GROUP", look: Look::Unless("default") },
    Column { title: "WORKSPACE", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "QUEUED", look: Look::Number },
    Column { title: "RUNNING", look: Look::Number },
    Column { title: "SUCCEEDED", look: Look::Number },
    Column { title: "FAILED", look: Look::Number },
    Column { title: "CREATED", look: Look::Wide },
];

/// Returns the object.
pub fn value(experiment: &Experiment, home: Home<'_>) -> Value {
    json!({
        "name": experiment.name,
        "id": experiment.id.to_string(),
        "resourceId": home.id(Some(Child::Experiment(experiment.name.clone()))),
        "resourceGroup": home.group,
        "workspace": home.workspace,
        "provisioningState": provisioning(experiment.deleting),
        "provisioningStateTransitionTime": time(experiment.deleting_since.unwrap_or(experiment.created)),
        "creationTime": time(experiment.created),
        "jobCounts": experiment.tally,
        "runningMax": experiment.running_max,
    })
}

/// Returns the line of a list.
pub fn row(experiment: &Experiment, home: Home<'_>) -> Row {
    let tally = &experiment.tally;
    Row {
        cells: vec![
            experiment.name.clone(),
            home.group.to_owned(),
            home.workspace.to_owned(),
            provisioning(experiment.deleting).to_owned(),
            tally.queued.to_string(),
            (tally.running + tally.terminating).to_string(),
            tally.succeeded.to_string(),
            tally.failed.to_string(),
            experiment.created.rfc3339(),
        ],
        value: value(experiment, home),
        name: experiment.name.clone(),
    }
}

/// Returns what a person is told.
pub fn facts(experiment: &Experiment, home: Home<'_>) -> Vec<(&'static str, String)> {
    let tally = &experiment.tally;
    vec![
        ("name", experiment.name.clone()),
        ("id", experiment.id.to_string()),
        ("workspace", home.workspace.to_owned()),
        ("state", provisioning(experiment.deleting).to_owned()),
        ("created", experiment.created.rfc3339()),
        ("running at once", experiment.running_max.map(|most| format!("{most} at most")).unwrap_or_default()),
        (
            "jobs",
            format!(
                "{} queued, {} running, {} terminating, {} succeeded, {} failed",
                tally.queued, tally.running, tally.terminating, tally.succeeded, tally.failed
            ),
        ),
    ]
}
