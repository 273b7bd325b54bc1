//! A job: the published object, which also reads back as a job file, and how waiting for one ends.

use serde_json::{Map, Value, json};

use super::{error, iso_span, maybe_time, time};
use crate::cli::lists::Home;
use crate::cli::output::{Column, Look, Row};
use crate::model::request::JobView;
use crate::model::resource_id::Child;
use crate::model::spec::secret::sources_of_job;
use crate::model::spec::{Demand, JobSpec, Priority, Secret, SecretSource};
use crate::model::state::{ExecutionState, Job};

/// The columns of a list of jobs.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "ID", look: Look::Text },
    Column { title: "EXPERIMENT", look: Look::Wide },
    Column { title: "WORKSPACE", look: Look::Wide },
    Column { title: "CLUSTER", look: Look::Text },
    Column { title: "CLUSTER RG", look: Look::Unless("default") },
    Column { title: "CLUSTER WORKSPACE", look: Look::Wide },
    Column { title: "TOOL", look: Look::Text },
    Column { title: "NODES", look: Look::Number },
    Column { title: "STATE", look: Look::State },
    Column { title: "EXIT", look: Look::Number },
    Column { title: "ATTEMPT", look: Look::Wide },
    Column { title: "PRIORITY", look: Look::Wide },
    Column { title: "CREATED", look: Look::Wide },
    Column { title: "STARTED", look: Look::Wide },
    Column { title: "ENDED", look: Look::Wide },
    Column { title: "REASON", look: Look::Text },
];

/// How waiting for a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its own exit code.
    Exited(i32),
    /// A person ended it.
    Terminated,
    /// It ran over its time limit.
    TimeLimit,
    /// It never ran.
    NeverLaunched,
    /// Its attempt was lost once too often.
    Lost,
    /// Another error ended it.
    Failed,
    /// It has not ended.
    Unfinished,
}

impl Outcome {
    /// Looks at a job.
    pub fn of(job: &Job) -> Self {
        if !job.state.ended() {
            return Self::Unfinished;
        }
        if job.state == ExecutionState::Succeeded {
            return Self::Exited(0);
        }
        match job.errors.first().map(|error| error.code.as_str()) {
            Some("JobTerminated") => Self::Terminated,
            Some("WallClockTimeExceeded") => Self::TimeLimit,
            Some("LaunchFailed" | "SecretUnavailable" | "FailedStartingContainer") => Self::NeverLaunched,
            Some("AttemptLost") => Self::Lost,
            Some(_) | None => match job.exit_code {
                Some(code) if code != 0 => Self::Exited(code),
                Some(_) | None => Self::Failed,
            },
        }
    }

    /// Returns the exit code for one job: its own, and 1 for every other end.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(0) => 0,
            // The operating system keeps eight bits; a failure must not become 0 by that.
            Self::Exited(code) => match code & 0xFF {
                0 => 1,
                code => code,
            },
            Self::Terminated | Self::TimeLimit | Self::NeverLaunched | Self::Lost | Self::Failed => 1,
            Self::Unfinished => crate::cli::failure::TIMED_OUT,
        }
    }

    /// Returns the value of `waitOutcome`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exited(_) => "exited",
            Self::Terminated => "terminated",
            Self::TimeLimit => "timeLimit",
            Self::NeverLaunched => "neverLaunched",
            Self::Lost => "lost",
            Self::Failed => "failed",
            Self::Unfinished => "timeout",
        }
    }
}

/// Returns the word of a priority.
pub fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}

/// Returns the object.
pub fn value(view: &JobView) -> Value {
    let job = &view.job;
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| drop(map.insert(key.to_owned(), value));
    set("name", json!(job.name));
    set("id", json!(job.id.to_string()));
    let child = Child::Job { experiment: view.experiment.clone(), job: job.name.clone() };
    set("resourceId", Home { group: &view.group, workspace: &view.workspace }.id(Some(child)));
    set("resourceGroup", json!(view.group));
    set("workspace", json!(view.workspace));
    set("experiment", json!(view.experiment));
    set("cluster", json!(view.cluster));
    set("provisioningState", json!(super::workspace::provisioning(job.deleting)));
    set("provisioningStateTransitionTime", time(job.deleting_since.unwrap_or(job.created)));
    set("executionState", json!(job.state.word()));
    set("executionStateTransitionTime", time(job.since));
    set("executionInfo", execution_info(job));
    set("creationTime", time(job.created));
    set("nodeCount", json!(job.spec.node_count));
    set("nodes", json!(job.node_names));
    set("toolType", json!(job.spec.toolkit.tool_type()));
    set("reason", json!(view.reason));
    set("attempt", json!(job.attempt.0));
    set("requeues", json!(job.requeues));
    set("held", json!(job.held));
    set("jobOutputDirectoryPathSegment", json!(job.segment));
    if let Some(note) = &view.logs {
        set("logsNote", json!(note));
    }
    for (key, value) in spec(&job.spec, job.priority) {
        set(&key, value);
    }
    Value::Object(map)
}

/// Returns the object with how waiting for it ended.
pub fn awaited(view: &JobView) -> Value {
    let mut value = value(view);
    if let Some(map) = value.as_object_mut() {
        map.insert("waitOutcome".to_owned(), json!(Outcome::of(&view.job).word()));
    }
    value
}

fn execution_info(job: &Job) -> Value {
    if job.started.is_none() && !job.state.ended() {
        return Value::Null;
    }
    let errors: Vec<Value> = job.errors.iter().map(|e| error(&e.code, &e.message, &e.details)).collect();
    json!({
        "startTime": maybe_time(job.started),
        "endTime": maybe_time(job.ended),
        "exitCode": job.exit_code,
        "errors": errors,
    })
}

/// Returns what was asked for, as a file would say it.
pub fn spec(spec: &JobSpec, priority: Priority) -> Map<String, Value> {
    // The stored form has the published names already; spans are numbers there, and values have no business here.
    let mut map = match serde_json::to_value(without_values(spec)) {
        Ok(Value::Object(map)) => map,
        Ok(_) | Err(_) => Map::new(),
    };
    for key in ["cluster", "nodeCount", "demand"] {
        map.remove(key);
    }
    publish_sources(spec, &mut map);
    map.insert("schedulingPriority".to_owned(), json!(priority_word(priority)));
    map.insert("constraints".to_owned(), json!({"maxWallClockTime": iso_span(spec.constraints.max_wall_clock_time)}));
    if let Demand::Part(part) = &spec.demand {
        let resources = json!({
            "cpus": part.cpus_milli as f64 / 1000.0,
            "memory": part.memory.0,
            "gpus": part.gpus_milli as f64 / 1000.0,
        });
        map.insert("resources".to_owned(), resources);
    }
    map
}

fn without_values(spec: &JobSpec) -> JobSpec {
    let mut spec = spec.clone();
    for (_, source) in sources_of_job(&mut spec) {
        if matches!(source, SecretSource::Given(_)) {
            *source = SecretSource::Prompt;
        }
    }
    spec
}

/// Puts the published forms of secrets in the place of the stored ones: names and sources, and null for values.
fn publish_sources(spec: &JobSpec, map: &mut Map<String, Value>) {
    if !spec.secrets.is_empty() {
        map.insert("secrets".to_owned(), spec.secrets.iter().map(Secret::shown).collect());
    }
    let credentials = spec.container_settings.as_ref().and_then(|c| c.image_source_registry.credentials.as_ref());
    if let Some(credentials) = credentials {
        let mut shown = Map::new();
        shown.insert("username".to_owned(), json!(credentials.username));
        shown.extend(credentials.password.shown("password", "passwordSecretReference"));
        map["containerSettings"]["imageSourceRegistry"]["credentials"] = Value::Object(shown);
    }
    let shares = spec.mount_volumes.azure_file_shares.iter().map(|share| share.credentials.as_ref());
    let blobs = spec.mount_volumes.azure_blob_file_systems.iter().map(|blob| blob.credentials.as_ref());
    let lists: [(&str, Vec<_>); 2] = [("azureFileShares", shares.collect()), ("azureBlobFileSystems", blobs.collect())];
    for (list, sources) in lists {
        for (at, source) in sources.into_iter().enumerate() {
            if let Some(source) = source {
                let shown = source.shown("accountKey", "accountKeySecretReference");
                map["mountVolumes"][list][at]["credentials"] = Value::Object(shown);
            }
        }
    }
}

/// Returns the state as people read it.
fn state(job: &Job) -> &'static str {
    if job.deleting { "deleting" } else { job.state.word() }
}

/// Returns the line of a list.
pub fn row(view: &JobView) -> Row {
    let job = &view.job;
    Row {
        cells: vec![
            job.name.clone(),
            job.id.to_string(),
            view.experiment.clone(),
            view.workspace.clone(),
            view.cluster.clone(),
            view.cluster_group.clone(),
            view.cluster_workspace.clone(),
            job.spec.toolkit.tool_type().to_owned(),
            job.spec.node_count.to_string(),
            state(job).to_owned(),
            job.exit_code.map(|code| code.to_string()).unwrap_or_default(),
            job.attempt.0.to_string(),
            priority_word(job.priority).to_owned(),
            job.created.rfc3339(),
            job.started.map(|at| at.rfc3339()).unwrap_or_default(),
            job.ended.map(|at| at.rfc3339()).unwrap_or_default(),
            view.reason.clone(),
        ],
        value: value(view),
        name: job.name.clone(),
    }
}

/// Returns what a person is told.
pub fn facts(view: &JobView) -> Vec<(&'static str, String)> {
    let job = &view.job;
    let maybe = |at: Option<crate::model::units::UnixMillis>| at.map(|at| at.rfc3339()).unwrap_or_default();
    let took = match (job.started, job.ended) {
        (Some(from), Some(to)) => to.since(from).to_string(),
        (_, _) => String::new(),
    };
    vec![
        ("name", job.name.clone()),
        ("id", job.id.to_string()),
        ("workspace", view.workspace.clone()),
        ("experiment", view.experiment.clone()),
        ("cluster", view.cluster.clone()),
        ("state", state(job).to_owned()),
        ("reason", view.reason.clone()),
        ("held", if job.held { "yes".to_owned() } else { String::new() }),
        ("exit code", job.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("errors", job.errors.iter().map(|e| format!("{}: {}", e.code, e.message)).collect::<Vec<_>>().join("\n")),
        ("attempt", job.attempt.0.to_string()),
        ("tool", job.spec.toolkit.tool_type().to_owned()),
        ("command", job.spec.toolkit.command_line().into_owned()),
        ("preparation", job.spec.job_preparation.as_ref().map(|p| p.command_line.clone()).unwrap_or_default()),
        ("node count", job.spec.node_count.to_string()),
        ("nodes", job.node_names.join(" ")),
        ("priority", priority_word(job.priority).to_owned()),
        ("time limit", job.spec.constraints.max_wall_clock_time.to_string()),
        (
            "environment",
            job.spec.environment_variables.iter().map(|v| format!("{}={}", v.name, v.value)).collect::<Vec<_>>().join("\n"),
        ),
        (
            "secrets",
            job.spec.secrets.iter().map(|s| format!("{}: {}", s.name, s.source.words())).collect::<Vec<_>>().join("\n"),
        ),
        ("created", job.created.rfc3339()),
        ("started", maybe(job.started)),
        ("ended", maybe(job.ended)),
        ("took", took),
        ("output segment", job.segment.clone()),
        ("logs", view.logs.clone().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests;
