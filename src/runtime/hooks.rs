//! Tells a webhook that a job has ended. A hook that fails is logged and never holds anything up.

use std::time::Duration;

use serde::Serialize;

use crate::model::request::JobView;

/// How long a hook may take: it is told once, and nobody waits for it.
const HOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// What is posted. `text` is what chat services show.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JobEnded<'a> {
    event: &'static str,
    text: String,
    name: &'a str,
    id: String,
    workspace: &'a str,
    experiment: &'a str,
    cluster: &'a str,
    execution_state: &'static str,
    exit_code: Option<i32>,
    start_time: Option<String>,
    end_time: Option<String>,
    reason: &'a str,
}

/// Posts the end of a job to an address.
pub async fn job_ended(url: &str, view: &JobView) {
    let job = &view.job;
    let exit = job.exit_code.map_or_else(String::new, |code| format!(" (exit {code})"));
    let body = JobEnded {
        event: "jobEnded",
        text: format!("job {} of {} {}{exit}", job.name, view.experiment, job.state.word()),
        name: &job.name,
        id: job.id.to_string(),
        workspace: &view.workspace,
        experiment: &view.experiment,
        cluster: &view.cluster,
        execution_state: job.state.word(),
        exit_code: job.exit_code,
        start_time: job.started.map(|at| at.rfc3339()),
        end_time: job.ended.map(|at| at.rfc3339()),
        reason: &view.reason,
    };
    let sent = async {
        let client = reqwest::Client::builder().timeout(HOOK_TIMEOUT).build()?;
        client.post(url).json(&body).send().await?.error_for_status()
    };
    if let Err(error) = sent.await {
        // Without the address: it may hold a token.
        tracing::warn!(job = %job.id, error = %error.without_url(), "the webhook could not be told");
    }
}
