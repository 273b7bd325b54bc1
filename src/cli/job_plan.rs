//! `ostler job plan`: what exactly a job would run where, without running it; and what `job create --dry-run` says.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::job_create::{self, Purpose, What};
use super::output::Format;
use super::session::{Session, unexpected};
use crate::model::launch::Launch;
use crate::model::plan::{JobPlan, PlanMount, PlanNode, PlanProcess};
use crate::model::request::{Reply, Request, Submit};

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session, what: &What) -> Result<i32, Failure> {
    let submit = job_create::read(session, what, Purpose::Look).await?;
    let plan = ask(session, submit, true).await?;
    match session.out.format {
        Format::Table | Format::Wide => std::io::stdout().lock().write_all(shown(&plan).as_bytes())?,
        Format::Json | Format::Jsonl | Format::Yaml | Format::Tsv | Format::Name => {
            session.out.done("", &plan.name, &value(&plan))?;
        }
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

/// Returns the plan as people read it. Variables that all processes have in common are listed once.
fn shown(plan: &JobPlan) -> String {
    let mut text = String::new();
    let cluster = plan.cluster.as_deref().unwrap_or("no cluster yet");
    let JobPlan { name, workspace, experiment, tool_type, .. } = plan;
    line(&mut text, 0, &format!("job {name}, {tool_type}, experiment {experiment} of workspace {workspace}, on {cluster}"));
    for note in &plan.notes {
        line(&mut text, 0, &format!("note: {note}"));
    }
    section(&mut text, "nodes");
    for (at, PlanNode { name, address, stand_in }) in plan.nodes.iter().enumerate() {
        let more = if *stand_in { "  (a stand-in)" } else { "" };
        line(&mut text, 1, &format!("{at}  {name}  {address}{more}"));
    }
    if !plan.mounts.is_empty() {
        section(&mut text, "mounts");
        for PlanMount { level, kind, source, path, options } in &plan.mounts {
            let options = options.as_ref().map(|options| format!("  -o {options}")).unwrap_or_default();
            line(&mut text, 1, &format!("{path}  from {source}  ({level}, {kind}){options}"));
        }
    }
    let common = common(&plan.processes);
    if !common.is_empty() {
        section(&mut text, "variables of every process");
        common.iter().for_each(|(name, value)| line(&mut text, 1, &format!("{name}={value}")));
    }
    for process in &plan.processes {
        shown_process(&mut text, plan, process, &common);
    }
    let listed = plan.processes.len();
    if plan.process_count as usize > listed {
        line(&mut text, 0, &format!("and {} processes more", plan.process_count as usize - listed));
    }
    text
}

fn shown_process(text: &mut String, plan: &JobPlan, process: &PlanProcess, common: &[(String, String)]) {
    let node = plan.nodes.get(process.node as usize).map_or("", |node| node.name.as_str());
    section(text, &format!("{} on node {} {node}: {}", process.rank, process.node, role(&process.rank)));
    let launch = &process.launch;
    // What the first process of a node makes is there for the others.
    let first = plan.processes.iter().find(|other| other.node == process.node);
    let made = |dir: &String| first.is_some_and(|first| first.rank != process.rank && first.launch.dirs.contains(dir));
    launch.wipe.iter().for_each(|path| line(text, 1, &format!("empty {path}")));
    launch.dirs.iter().filter(|dir| !made(dir)).for_each(|path| line(text, 1, &format!("make  {path}")));
    for (path, content, executable) in &launch.files {
        let file = (path.clone(), content.clone(), *executable);
        if first.is_some_and(|first| first.rank != process.rank && first.launch.files.contains(&file)) {
            continue;
        }
        line(text, 1, &format!("write {path}"));
        content.lines().for_each(|of_file| line(text, 3, of_file));
    }
    for (name, value) in launch.env.iter().filter(|pair| !common.contains(pair)) {
        line(text, 1, &format!("set   {name}={value}"));
    }
    for name in &process.secrets {
        line(text, 1, &format!("set   {name}=(secret)"));
    }
    line(text, 1, &format!("in    {}", launch.workdir));
    line(text, 1, &format!("run   {} -c", launch.shell));
    launch.command.lines().for_each(|of_command| line(text, 3, of_command));
    line(text, 1, &format!("out   {}", launch.stdout));
    line(text, 1, &format!("err   {}", launch.stderr));
}

fn role(rank: &str) -> &'static str {
    match rank.chars().next() {
        Some('s') => "set-up",
        Some('p') => "preparation",
        Some('c') => "clean-up",
        Some('d') => "daemon",
        Some(_) | None => "main",
    }
}

fn common(processes: &[PlanProcess]) -> Vec<(String, String)> {
    let Some((first, others)) = processes.split_first().filter(|(_, others)| !others.is_empty()) else { return Vec::new() };
    let everywhere = |pair: &&(String, String)| others.iter().all(|other| other.launch.env.contains(pair));
    first.launch.env.iter().filter(everywhere).cloned().collect()
}

fn section(text: &mut String, heading: &str) {
    text.push('\n');
    line(text, 0, heading);
}

fn line(text: &mut String, level: usize, words: &str) {
    // Writing into a text never fails.
    let _ = writeln!(text, "{:indent$}{}", "", crate::cli::output::clean(words), indent = level * 2);
}
