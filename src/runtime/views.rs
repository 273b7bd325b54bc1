//! Joins what front ends want to see in one piece.

use std::sync::Arc;

use crate::model::request::{FileServerView, JobView};
use crate::model::state::{FileServer, Job};
use crate::runtime::resolve;
use crate::sched::Sched;

/// Returns a job with the names of what it belongs to and its reason.
pub fn job(sched: &Sched, job: Arc<Job>) -> JobView {
    let cluster = sched.clusters().get(&job.cluster);
    JobView {
        group: resolve::group_name_of(sched, job.workspace).to_owned(),
        cluster_workspace: cluster.map_or("", |c| resolve::workspace_name(sched, c.workspace)).to_owned(),
        cluster_group: cluster.map_or("", |c| resolve::group_name_of(sched, c.workspace)).to_owned(),
        workspace: resolve::workspace_name(sched, job.workspace).to_owned(),
        experiment: resolve::experiment_name(sched, job.experiment).to_owned(),
        cluster: resolve::cluster_name(sched, job.cluster).to_owned(),
        reason: job.reason(cluster.map(|c| &**c)),
        starts: None,
        logs: None,
        job,
    }
}

/// Returns a file server with the names of what belongs to it.
pub fn file_server(sched: &Sched, server: &Arc<FileServer>) -> FileServerView {
    let mounters = sched.mounters(server);
    let cluster = |id| {
        let cluster = sched.clusters().get(id)?;
        Some(format!("{}/{}", resolve::workspace_name(sched, cluster.workspace), cluster.name))
    };
    let job = |id| {
        let job = sched.jobs().get(id)?;
        Some(format!("{}/{}", resolve::experiment_name(sched, job.experiment), job.name))
    };
    FileServerView {
        group: resolve::group_name_of(sched, server.workspace).to_owned(),
        workspace: resolve::workspace_name(sched, server.workspace).to_owned(),
        clusters: mounters.clusters.iter().filter_map(cluster).collect(),
        jobs: mounters.jobs.iter().filter_map(job).collect(),
        file_server: server.clone(),
    }
}
