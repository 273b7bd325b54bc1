//! Acts on what has no row of its own in the tree: the sweep of the selected job, how many jobs of an experiment run at once.

use std::sync::Arc;

use super::{ask, experiment_place, jobs, refuse, say};
use crate::commands::{Cmd, CommandId};
use crate::model::ids::{ExperimentId, SweepId};
use crate::model::request::{Request, SweepAct, SweepRef};
use crate::model::spec::Priority;
use crate::model::state::{Job, Sweep};
use crate::tui::cx::Cx;
use crate::tui::pane::UiEffect;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;

/// The experiment of what is selected.
fn experiment_of(subject: Option<Subject>, cx: &Cx) -> Option<ExperimentId> {
    match subject? {
        Subject::Experiment(id) | Subject::Older(id) => Some(id),
        Subject::Job(id) => cx.world.job(id).map(|job| job.experiment),
        _ => None,
    }
}

/// The sweep that is meant: the one that is named, that of the selected job, or the newest of the experiment. Of a selected
/// member of an array it is the array, while others of it have yet to come up.
fn sweep_of<'a>(name: Option<&str>, subject: Option<Subject>, cx: &'a Cx) -> Option<&'a Sweep> {
    let all = &cx.world.snapshot.sweeps;
    let mut sweeps = all.values().rev().filter(|sweep| !sweep.is_array());
    if let Some(name) = name {
        let named = |sweep: &&Arc<Sweep>| crate::model::names::same_name(&sweep.name, name) || sweep.id.to_string() == name;
        return sweeps.find(named).map(AsRef::as_ref);
    }
    let row = |job: &Arc<Job>| {
        let array = job.member.as_ref().and_then(|member| member.row);
        job.sweep.as_ref().map(|member| member.of).or(array)
    };
    let of_job: Option<SweepId> = jobs(subject, cx).first().and_then(row);
    let experiment = experiment_of(subject, cx);
    match of_job {
        Some(id) => all.get(&id).map(AsRef::as_ref),
        None => sweeps.find(|sweep| Some(sweep.experiment) == experiment).map(AsRef::as_ref),
    }
}

/// Acts on all members of a sweep.
pub(super) fn sweep(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let (value, name) = match (cmd.id, cmd.args.as_slice()) {
        (CommandId::SweepTrim | CommandId::SweepPriority, [value]) => (value.as_str(), None),
        (CommandId::SweepTrim | CommandId::SweepPriority, [value, name]) => (value.as_str(), Some(name.as_str())),
        (CommandId::SweepTrim, _) => return refuse("the form is `sweep-trim MEMBERS [SWEEP]`"),
        (CommandId::SweepPriority, _) => return refuse("the form is `sweep-priority low|normal|high [SWEEP]`"),
        (_, args) => ("", args.first().map(String::as_str)),
    };
    let Some(sweep) = sweep_of(name, subject, cx) else {
        return match name {
            Some(name) => refuse(format!("there is no sweep `{}`", shown(name))),
            None => say("select a job of a sweep, or an experiment that has one"),
        };
    };
    let act = match cmd.id {
        CommandId::SweepStop => SweepAct::Stop,
        CommandId::SweepPause => SweepAct::Pause,
        CommandId::SweepResume => SweepAct::Resume,
        CommandId::SweepTrim => match value.parse() {
            Ok(keep) => SweepAct::Trim { keep },
            Err(_) => return refuse(format!("`{}` is no number of members", shown(value))),
        },
        _ => match value {
            "low" => SweepAct::Priority { priority: Priority::Low },
            "normal" => SweepAct::Priority { priority: Priority::Normal },
            "high" => SweepAct::Priority { priority: Priority::High },
            _ => return refuse("the form is `sweep-priority low|normal|high [SWEEP]`"),
        },
    };
    let ends = act == SweepAct::Stop;
    let effects = vec![UiEffect::Send(Request::Sweep { sweep: SweepRef::Id(sweep.id), act })];
    if !ends {
        return effects;
    }
    let name = shown(&sweep.name);
    let text = vec![
        format!(
            "Its members that run are stopped, those that wait never start, and no other of its {} comes up.",
            sweep.count()
        ),
        "What they have not saved is lost.".to_owned(),
    ];
    let kind = if sweep.is_array() { "array" } else { "sweep" };
    ask(format!("Stop {kind} {name}"), text, "Stop all members", effects, None)
}

/// `limit N` or `limit none`: as many jobs of the experiment run at once.
pub(super) fn limit(cmd: &Cmd, subject: Option<Subject>, cx: &Cx) -> Vec<UiEffect> {
    let Some(id) = experiment_of(subject, cx) else { return say("select an experiment to limit how many of its jobs run") };
    let running_max = match cmd.args.as_slice() {
        [word] if word == "none" => None,
        [word] => match word.parse::<u32>().ok().filter(|most| *most > 0) {
            Some(most) => Some(most),
            None => return refuse(format!("`{}` is no number of jobs", shown(word))),
        },
        _ => return refuse("the form is `limit JOBS`, or `limit none`"),
    };
    vec![UiEffect::Send(Request::CapExperiment { experiment: experiment_place(id, cx), running_max })]
}
