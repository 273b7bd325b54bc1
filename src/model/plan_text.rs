//! A plan as people read it, line by line; the command line and the screen write it. What is said comes from files of users and
//! is made fit for a terminal by whoever shows it.

use super::plan::{JobPlan, PlanMount, PlanNode, PlanProcess};
use super::units::UnixMillis;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanLine {
    /// How far it is indented, in steps.
    pub level: usize,
    /// Whether it begins a part.
    pub heading: bool,
    /// Its words.
    pub text: String,
}

/// Returns the plan as people read it. Variables that all processes have in common are listed once.
pub fn lines(plan: &JobPlan, now: UnixMillis) -> Vec<PlanLine> {
    let mut text = Vec::new();
    let cluster = plan.cluster.as_deref().unwrap_or("no cluster yet");
    let JobPlan { name, workspace, experiment, tool_type, .. } = plan;
    line(&mut text, 0, &format!("job {name}, {tool_type}, experiment {experiment} of workspace {workspace}, on {cluster}"));
    if let Some(estimate) = &plan.estimate {
        line(&mut text, 0, &estimate.words(now));
    }
    for note in &plan.notes {
        line(&mut text, 0, &format!("note: {note}"));
    }
    if let Some(script) = &plan.script {
        section(&mut text, "sbatch gets");
        script.lines().for_each(|of_script| line(&mut text, 1, of_script));
        return text;
    }
    section(&mut text, "nodes");
    for (at, PlanNode { name, address, stand_in, gives }) in plan.nodes.iter().enumerate() {
        let more = if *stand_in { "  (a stand-in)" } else { "" };
        let gives = if gives.is_empty() { String::new() } else { format!("  {gives}") };
        line(&mut text, 1, &format!("{at}  {name}  {address}{gives}{more}"));
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

fn shown_process(text: &mut Vec<PlanLine>, plan: &JobPlan, process: &PlanProcess, common: &[(String, String)]) {
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

fn section(text: &mut Vec<PlanLine>, heading: &str) {
    text.push(PlanLine { level: 0, heading: true, text: heading.to_owned() });
}

fn line(text: &mut Vec<PlanLine>, level: usize, words: &str) {
    text.push(PlanLine { level, heading: false, text: words.to_owned() });
}
