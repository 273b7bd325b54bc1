//! Joins what front ends want to see in one piece.

use std::sync::Arc;

use crate::model::request::JobView;
use crate::model::state::Job;
use crate::runtime::resolve;
use crate::sched::Sched;

/// Returns a job with the names of what it belongs to and its reason.
pub fn job(sched: &Sched, job: Arc<Job>) -> JobView {
    JobView {
        workspace: resolve::workspace_name(sched, job.workspace).to_owned(),
        experiment: resolve::experiment_name(sched, job.experiment).to_owned(),
        cluster: resolve::cluster_name(sched, job.cluster).to_owned(),
        reason: job.reason(sched.clusters().get(&job.cluster).map(|c| &**c)),
        job,
    }
}
