//! One file per pane: state, keys and drawing together; larger ones have their parts beside them.

mod about;
pub(in crate::tui) mod about_cluster;
mod about_experiment;
mod about_file_server;
mod about_job;
mod about_node;
pub(in crate::tui) mod about_site;
mod about_workspace;
mod asked;
pub mod detail;
mod files;
mod history;
mod loads;
pub mod log;
mod node_history;
mod site_tables;
mod sorting;
mod study;
pub mod tree;
mod tree_draw;
mod tree_rows;

pub(in crate::tui) use about_job::params;

use crate::model::state::Job;
use crate::model::units::{Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::pane::{Toast, ToastKind, UiEffect};
use crate::tui::shown::shown;
use crate::tui::subject::Subject;

/// Returns how long the last attempt of a job ran, or has run until now.
pub(super) fn run_time(job: &Job, now: UnixMillis) -> Option<Millis> {
    let started = job.last.started?;
    Some(job.last.ended.unwrap_or(now).since(started))
}

/// Returns one or two words for why a job without an exit code failed.
pub(super) fn failure_word(job: &Job) -> &'static str {
    match job.last.errors.first().map(|e| e.code.as_str()) {
        Some("JobTerminated") => "stopped",
        Some("WallClockTimeExceeded") => "over time",
        Some("AttemptLost") => "lost",
        Some("LaunchFailed") => "no start",
        Some("PreparationFailed") => "preparation",
        Some(_) | None => "failed",
    }
}

/// Returns the name of a thing, as it is.
pub(super) fn name_of(subject: Subject, cx: &Cx) -> Option<String> {
    let world = &cx.world;
    match subject {
        Subject::Group(id) => world.group_name(id).map(str::to_owned),
        Subject::FileServer(id) => world.file_server(id).map(|s| s.name.clone()),
        Subject::Workspace(id) | Subject::Clusters(id) | Subject::FileServers(id) | Subject::Experiments(id) => {
            world.workspace(id).map(|w| w.name.clone())
        }
        Subject::Cluster(id) => world.cluster(id).map(|c| c.name.clone()),
        Subject::Node(id) => world.node(id).map(|n| n.name.clone()),
        Subject::Experiment(id) | Subject::Older(id) => world.experiment(id).map(|e| e.name.clone()),
        Subject::Job(id) => world.job(id).map(|j| j.name.to_string()),
    }
}

/// Copies the name of a thing.
pub(super) fn copy_name(subject: Subject, cx: &Cx) -> Vec<UiEffect> {
    let Some(name) = name_of(subject, cx) else { return Vec::new() };
    let text = format!("copied: {}", shown(&name));
    vec![UiEffect::Copy(name), UiEffect::Toast(Toast { kind: ToastKind::Info, text })]
}
