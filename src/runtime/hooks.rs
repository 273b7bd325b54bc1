//! Tells a webhook that a job has ended, or that a rule of it has come true. A hook that fails is logged and never holds anything up.

use std::time::Duration;

use serde::Serialize;

use crate::model::request::JobView;
use crate::model::rule::Fired;
use crate::model::settings::WebhookShape;
use crate::model::state::ExecutionState;

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

/// Posts the end of a job to an address, in the shape that it takes.
pub async fn job_ended(url: &str, shape: WebhookShape, view: &JobView) {
    let sent = async {
        let client = reqwest::Client::builder().timeout(HOOK_TIMEOUT).build()?;
        post(&client, url, shape, view).send().await?.error_for_status()
    };
    if let Err(error) = sent.await {
        // Without the address: it may hold a token.
        tracing::warn!(job = %view.job.id, error = %error.without_url(), "the webhook could not be told");
    }
}

fn post(client: &reqwest::Client, url: &str, shape: WebhookShape, view: &JobView) -> reqwest::RequestBuilder {
    let job = &view.job;
    let exit = job.last.exit_code.map_or_else(String::new, |code| format!(" (exit {code})"));
    let text = format!("job {} of {} {}{exit}", job.name, view.experiment, job.state.word());
    let well = job.state == ExecutionState::Succeeded;
    let why = if view.reason.is_empty() || well { String::new() } else { format!("\n{}", view.reason) };
    match shape {
        WebhookShape::Json => client.post(url).json(&JobEnded {
            event: "jobEnded",
            text,
            name: &job.name,
            id: job.id.to_string(),
            workspace: &view.workspace,
            experiment: &view.experiment,
            cluster: &view.cluster,
            execution_state: job.state.word(),
            exit_code: job.last.exit_code,
            start_time: job.last.started.map(|at| at.rfc3339()),
            end_time: job.last.ended.map(|at| at.rfc3339()),
            reason: &view.reason,
        }),
        WebhookShape::Slack => {
            let mark = if well { ":white_check_mark:" } else { ":x:" };
            client.post(url).json(&serde_json::json!({"text": format!("{mark} {}", escaped(&format!("{text}{why}")))}))
        }
        WebhookShape::Ntfy => {
            let (tags, priority) = if well { ("white_check_mark", "default") } else { ("x", "high") };
            let title = format!("{}/{} {}", view.experiment, job.name, job.state.word());
            let request = client.post(url).header("Title", title).header("Tags", tags).header("Priority", priority);
            request.body(format!("{text} on {}{why}", view.cluster))
        }
    }
}

/// What is posted of a rule.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleFired<'a> {
    event: &'static str,
    text: String,
    name: &'a str,
    id: String,
    workspace: &'a str,
    experiment: &'a str,
    cluster: &'a str,
    rule: &'a str,
    why: &'a str,
    act: &'static str,
    time: String,
}

/// Posts that a rule of a job has come true, in the shape that the address takes.
pub async fn rule_fired(url: &str, shape: WebhookShape, view: &JobView, fired: &Fired) {
    let job = &view.job;
    let text = format!("job {} of {}: {} ({})", job.name, view.experiment, fired.why, fired.rule);
    let sent = async {
        let client = reqwest::Client::builder().timeout(HOOK_TIMEOUT).build()?;
        let request = match shape {
            WebhookShape::Json => client.post(url).json(&RuleFired {
                event: "ruleFired",
                text,
                name: &job.name,
                id: job.id.to_string(),
                workspace: &view.workspace,
                experiment: &view.experiment,
                cluster: &view.cluster,
                rule: &fired.rule,
                why: &fired.why,
                act: fired.act.words(),
                time: fired.at.rfc3339(),
            }),
            WebhookShape::Slack => client.post(url).json(&serde_json::json!({"text": escaped(&text)})),
            WebhookShape::Ntfy => client.post(url).header("Title", format!("{}/{}", view.experiment, job.name)).body(text),
        };
        request.send().await?.error_for_status()
    };
    if let Err(error) = sent.await {
        // Without the address: it may hold a token.
        tracing::warn!(job = %job.id, error = %error.without_url(), "the webhook could not be told");
    }
}

/// The three characters that mean something in Slack's texts (docs.slack.dev, "Escaping text").
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
