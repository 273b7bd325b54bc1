//! A job: the published object, which also reads back as a job file, and how waiting for one ends.

use serde_json::{Map, Value, json};

use super::{error, maybe_time, time};
use crate::cli::lists::Home;
use crate::cli::output::{Column, Look, Row};
use crate::model::job_column::{JobColumn, JobLine};
use crate::model::request::JobView;
use crate::model::resource_id::Child;
use crate::model::rule::Fired;
use crate::model::spec::{JobSpec, Priority, body};
use crate::model::state::{Away, Dependency, ExecutionState, Job};

/// The columns of a list of jobs, each with how it is shown, in the order of [`JobColumn::ALL`].
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
    Column { title: "PARAMETERS", look: Look::Unless("") },
    Column { title: "EXIT", look: Look::Number },
    Column { title: "ATTEMPT", look: Look::Wide },
    Column { title: "PRIORITY", look: Look::Wide },
    Column { title: "CREATED", look: Look::Wide },
    Column { title: "STARTS", look: Look::Wide },
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
        match job.last.errors.first().map(|error| error.code.as_str()) {
            Some("JobTerminated") => Self::Terminated,
            Some("WallClockTimeExceeded") => Self::TimeLimit,
            Some("LaunchFailed" | "SecretUnavailable" | "CodeUndelivered" | "FailedStartingContainer") => {
                Self::NeverLaunched
            }
            Some("AttemptLost") => Self::Lost,
            Some(_) | None => match job.last.exit_code {
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

/// Returns the object.
pub fn value(view: &JobView) -> Value {
    let job = &view.job;
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| drop(map.insert(key.to_owned(), value));
    set("name", json!(job.name));
    set("id", json!(job.id.to_string()));
    let child = Child::Job { experiment: view.experiment.clone(), job: job.name.to_string() };
    set("resourceId", Home { group: &view.group, workspace: &view.workspace }.id(Some(child)));
    set("resourceGroup", json!(view.group));
    set("workspace", json!(view.workspace));
    set("experiment", json!(view.experiment));
    set("cluster", json!(view.cluster));
    set("provisioningState", json!(super::workspace::provisioning(job.deleting)));
    set("provisioningStateTransitionTime", time(job.last.deleting_since.unwrap_or(job.created)));
    set("executionState", json!(job.state.word()));
    set("executionStateTransitionTime", time(job.since));
    set("executionInfo", execution_info(job));
    set("creationTime", time(job.created));
    set("nodeCount", json!(job.spec.node_count));
    set("nodes", json!(node_names(job)));
    if let Some(away) = &job.last.away {
        set(
            "slurm",
            json!({
                "jobId": away.theirs,
                "state": away.word,
                "partition": Some(&away.place).filter(|place| !place.is_empty()),
                "reason": away.why,
            }),
        );
    }
    set("toolType", json!(job.spec.toolkit.tool_type()));
    set("reason", json!(view.reason));
    set("attempt", json!(job.attempt.0));
    set("requeues", json!(job.requeues));
    if let Some(why) = &job.last.requeued_because {
        set("requeuedBecause", json!(why));
    }
    set("held", json!(job.is_held()));
    set("jobOutputDirectoryPathSegment", json!(job.segment()));
    set("estimatedStartTime", maybe_time(view.starts));
    if !job.dependencies.is_empty() {
        set("dependencies", job.dependencies.iter().map(dependency).collect());
    }
    if let Some(member) = &job.member {
        set("arrayIndex", json!(member.index));
        set("arrayOf", json!(member.of.to_string()));
    }
    if let Some(member) = &job.sweep {
        set("sweep", json!(member.name));
        set("sweepMember", json!(member.index + 1));
    }
    let parameters = job.parameters();
    if !parameters.is_empty() {
        set("parameters", Value::Object(parameters.into_iter().collect()));
    }
    if !job.last.fired.is_empty() {
        let fired = |fired: &Fired| {
            json!({
                "time": fired.at.rfc3339(), "rule": fired.rule, "why": fired.why, "act": fired.act.words(),
                "attempt": fired.attempt,
            })
        };
        set("rulesFired", job.last.fired.iter().map(fired).collect());
    }
    if let Some(note) = &view.logs {
        set("logsNote", json!(note));
    }
    for (key, value) in spec(&job.spec, job.priority) {
        match key.as_str() {
            // A member is one of an array, not one itself.
            "array" if job.member.is_some() => {}
            // What was asked for stands beside what became of it.
            "slurm" => {
                let said = map.entry(key).or_insert_with(|| json!({}));
                if let (Some(said), Value::Object(asked)) = (said.as_object_mut(), value) {
                    let news = asked.into_iter().filter(|(key, _)| said.get(key).is_none_or(Value::is_null));
                    said.extend(news.collect::<Vec<_>>());
                }
            }
            _ => drop(map.insert(key, value)),
        }
    }
    Value::Object(map)
}

/// The nodes that it has or had: those of Slurm where Slurm places it.
fn node_names(job: &Job) -> &[String] {
    job.last.away.as_ref().map_or(&job.last.node_names, |away| &away.nodes)
}

fn slurm_words(away: &Away) -> String {
    let words = [&away.theirs, &away.word.to_lowercase(), &away.place].map(|word| word.trim().to_owned());
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn dependency(dependency: &Dependency) -> Value {
    json!({
        "job": dependency.job.to_string(),
        "name": dependency.name,
        "until": dependency.on.word(),
        "met": dependency.met,
    })
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
    if job.last.started.is_none() && !job.state.ended() {
        return Value::Null;
    }
    let errors: Vec<Value> = job.last.errors.iter().map(|e| error(&e.code, &e.message, &e.details)).collect();
    json!({
        "startTime": maybe_time(job.last.started),
        "endTime": maybe_time(job.last.ended),
        "exitCode": job.last.exit_code,
        "errors": errors,
    })
}

/// Returns what was asked for, as a file would say it, without what stands elsewhere in the object.
pub fn spec(spec: &JobSpec, priority: Priority) -> Map<String, Value> {
    let mut map = body::job(spec);
    map.insert("schedulingPriority".to_owned(), json!(body::priority_word(priority)));
    for key in ["cluster", "nodeCount"] {
        map.remove(key);
    }
    map
}

/// Returns the state as people read it.
fn state(job: &Job) -> &'static str {
    if job.deleting { "deleting" } else { job.state.word() }
}

/// Returns the line of a list.
pub fn row(view: &JobView) -> Row {
    let line = JobLine {
        experiment: &view.experiment,
        workspace: &view.workspace,
        cluster: &view.cluster,
        cluster_group: &view.cluster_group,
        cluster_workspace: &view.cluster_workspace,
        starts: view.starts,
        reason: &view.reason,
        ..JobLine::of(&view.job)
    };
    let cell = |column: JobColumn| {
        let mut text = String::new();
        column.write(&line, &mut text);
        text
    };
    Row { cells: JobColumn::ALL.map(cell).into(), value: value(view), name: view.job.name.to_string() }
}

/// Returns what a person is told.
pub fn facts(view: &JobView) -> Vec<(&'static str, String)> {
    let job = &view.job;
    let maybe = |at: Option<crate::model::units::UnixMillis>| at.map(|at| at.rfc3339()).unwrap_or_default();
    let took = match (job.last.started, job.last.ended) {
        (Some(from), Some(to)) => to.since(from).to_string(),
        (_, _) => String::new(),
    };
    vec![
        ("name", job.name.to_string()),
        ("id", job.id.to_string()),
        ("workspace", view.workspace.clone()),
        ("experiment", view.experiment.clone()),
        ("cluster", view.cluster.clone()),
        ("state", state(job).to_owned()),
        ("reason", view.reason.clone()),
        (
            "put back",
            job.last.requeued_because.as_ref().map(|why| format!("{} times, last: {why}", job.requeues)).unwrap_or_default(),
        ),
        ("starts", view.starts.map(|at| format!("{} at the latest", at.rfc3339())).unwrap_or_default()),
        (
            "comes after",
            job.dependencies
                .iter()
                .map(|d| format!("{} {}{}", d.name, d.on.word(), if d.met { ": it has" } else { "" }))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        (
            "array",
            job.member.as_ref().map(|m| format!("{}, index {} of {} jobs", m.name, m.index, m.count)).unwrap_or_default(),
        ),
        (
            "sweep",
            job.sweep.as_ref().map(|member| format!("{}, member {}", member.name, member.index + 1)).unwrap_or_default(),
        ),
        ("parameters", job.sweep.as_ref().map(|member| member.words()).unwrap_or_default()),
        ("held", if job.is_held() { "yes".to_owned() } else { String::new() }),
        ("exit code", job.last.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("errors", job.last.errors.iter().map(|e| format!("{}: {}", e.code, e.message)).collect::<Vec<_>>().join("\n")),
        (
            "rules",
            job.last
                .fired
                .iter()
                .map(|f| format!("{}: {} ({})", f.at.rfc3339(), f.why, f.rule))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        ("attempt", job.attempt.0.to_string()),
        ("tool", job.spec.toolkit.tool_type().to_owned()),
        ("command", job.spec.toolkit.command_line().into_owned()),
        ("preparation", job.spec.job_preparation.as_ref().map(|p| p.command_line.clone()).unwrap_or_default()),
        ("node count", job.spec.node_count.to_string()),
        ("of each node", job.spec.demand.part().map(ToString::to_string).unwrap_or_default()),
        ("nodes", node_names(job).join(" ")),
        ("slurm job", job.last.away.as_ref().map(|away| slurm_words(away)).unwrap_or_default()),
        ("priority", body::priority_word(job.priority).to_owned()),
        ("code", job.spec.code.as_ref().map(|code| code.words()).unwrap_or_default()),
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
        ("started", maybe(job.last.started)),
        ("ended", maybe(job.last.ended)),
        ("took", took),
        ("output segment", job.segment().clone()),
        ("logs", view.logs.clone().unwrap_or_default()),
    ]
}

#[cfg(test)]
mod tests;
