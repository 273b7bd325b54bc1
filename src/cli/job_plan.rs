//! `ostler job plan`: what exactly a job would run where, without running it; and what `job create --dry-run` says.

use std::io::Write as _;

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::job_create::{self, Purpose, What};
use super::output::clean;
use super::session::{Session, unexpected};
use crate::model::launch::Launch;
use crate::model::plan::{JobPlan, PlanProcess};
use crate::model::plan_text;
use crate::model::request::{Reply, Request, Submit};

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, what: &What) -> Result<i32, Failure> {
    let submit = job_create::read(session, what, Purpose::Look).await?;
    let plan = ask(session, submit, true).await?;
    match session.out.for_people() {
        true => std::io::stdout().lock().write_all(shown(&plan).as_bytes())?,
        false => session.out.done("", &plan.name, &value(&plan))?,
    }
    Ok(0)
}

/// Asks the core for the plan of a job. Without `stand_ins`, what a submission would refuse is refused.
///
/// # Errors
/// The core's refusal.
pub async fn ask(session: &Session, submit: Submit, stand_ins: bool) -> Result<JobPlan, Failure> {
    let core = session.core().await?;
    match core.ask(Request::PlanJob { submit: Box::new(submit), stand_ins }).await? {
        Reply::Plan(plan) => Ok(*plan),
        other => Err(unexpected(&other)),
    }
}

/// Returns the object.
pub fn value(plan: &JobPlan) -> Value {
    json!({
        "name": plan.name,
        "workspace": plan.workspace,
        "experiment": plan.experiment,
        "cluster": plan.cluster,
        "toolType": plan.tool_type,
        "nodeCount": plan.node_count,
        "nodes": plan.nodes,
        "mounts": plan.mounts,
        "processCount": plan.process_count,
        "processes": plan.processes.iter().map(process).collect::<Vec<_>>(),
        "script": plan.script,
        "estimate": plan.estimate.as_ref().map(|estimate| json!({
            "startsNow": estimate.starts_now,
            "startsAtLatest": estimate.starts.map(|at| at.rfc3339()),
            "waitsFor": estimate.waits_for,
            "costMost": estimate.cost_most.map(|cost| cost.to_string()),
        })),
        "notes": plan.notes,
    })
}

fn process(process: &PlanProcess) -> Value {
    let Launch { shell, command, workdir, env, wipe, dirs, files, stdout, stderr, execution_log, .. } = &process.launch;
    let environment: Map<String, Value> = env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let files: Vec<Value> = files
        .iter()
        .map(|(path, content, executable)| json!({"path": path, "content": content, "executable": executable}))
        .collect();
    json!({
        "rank": process.rank,
        "node": process.node,
        "commandLine": command,
        "shell": shell,
        "workingDirectory": workdir,
        "environment": environment,
        "secrets": process.secrets,
        "emptied": wipe,
        "directories": dirs,
        "files": files,
        "stdout": stdout,
        "stderr": stderr,
        "executionLog": execution_log,
    })
}

/// Returns the plan as people read it, fit for a terminal.
fn shown(plan: &JobPlan) -> String {
    let lines = plan_text::lines(plan, super::objects::cost::now()).into_iter().map(|line| match line.heading {
        true => format!("\n{}\n", clean(&line.text)),
        false => format!("{:indent$}{}\n", "", clean(&line.text), indent = line.level * 2),
    });
    lines.collect()
}
