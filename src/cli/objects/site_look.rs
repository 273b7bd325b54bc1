//! What Slurm knows of what jobs used, of priorities and of accounts.

use serde_json::{Map, Value, json};

use crate::cli::output::{Column, Look, Row};
use crate::model::site::SiteJob;
use crate::model::site_ask::{AccountShare, QosShare, SiteLimit, SitePriority};
use crate::model::site_use::SiteUse;

/// The columns of a list of what jobs used.
pub const USES: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "JOB", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "CPUS", look: Look::Number },
    Column { title: "BUSY", look: Look::Number },
    Column { title: "MEMORY", look: Look::Number },
    Column { title: "OF", look: Look::Number },
    Column { title: "USED", look: Look::Number },
    Column { title: "TIME", look: Look::Number },
    Column { title: "LIMIT", look: Look::Number },
    Column { title: "TAKEN", look: Look::Number },
    Column { title: "ADVICE", look: Look::Text },
];

/// The columns of why jobs of the queue wait.
pub const REASONS: &[Column] = &[
    Column { title: "JOB", look: Look::Text },
    Column { title: "USER", look: Look::Text },
    Column { title: "STATE", look: Look::State },
    Column { title: "WHY", look: Look::Text },
    Column { title: "PRIORITY", look: Look::Text },
];

/// The columns of a list of shares.
pub const SHARES: &[Column] = &[
    Column { title: "OF", look: Look::Text },
    Column { title: "NAME", look: Look::Text },
    Column { title: "USER", look: Look::Text },
    Column { title: "SHARES", look: Look::Number },
    Column { title: "USAGE", look: Look::Number },
    Column { title: "OF ALL", look: Look::Number },
    Column { title: "FAIR SHARE", look: Look::Number },
    Column { title: "PRIORITY", look: Look::Wide },
    Column { title: "QOS", look: Look::Text },
    Column { title: "LIMITS", look: Look::Text },
];

fn percent(of: Option<u64>) -> String {
    of.map(|of| format!("{of} %")).unwrap_or_default()
}

fn shown(of: Option<impl ToString>) -> String {
    of.map(|of| of.to_string()).unwrap_or_default()
}

/// Returns the line of what a job used.
pub fn used(name: &str, used: &SiteUse) -> Row {
    let mut value = used_value(used);
    value["name"] = json!(name);
    Row {
        cells: vec![
            name.to_owned(),
            used.id.clone(),
            used.state.to_lowercase(),
            used.cpus.to_string(),
            percent(used.cpu_percent()),
            shown(used.memory_used),
            shown(used.memory_asked),
            percent(used.memory_percent()),
            shown(used.elapsed),
            shown(used.limit),
            percent(used.time_percent()),
            used.advice().join("; "),
        ],
        value,
        name: name.to_owned(),
    }
}

/// Returns the object: times in seconds, memory of a node in bytes; what was not measured is null.
pub fn used_value(used: &SiteUse) -> Value {
    let seconds = |time: Option<crate::model::units::Millis>| time.map(|time| time.0 as f64 / 1000.0);
    json!({
        "jobId": used.id,
        "state": used.state,
        "nodeCount": used.nodes,
        "cpuCount": used.cpus,
        "cpuSeconds": seconds(used.cpu_time),
        "cpuPercent": used.cpu_percent(),
        "memoryAsked": used.memory_asked.map(|bytes| bytes.0),
        "memoryUsed": used.memory_used.map(|bytes| bytes.0),
        "memoryPercent": used.memory_percent(),
        "elapsedSeconds": seconds(used.elapsed),
        "timeLimitSeconds": seconds(used.limit),
        "timePercent": used.time_percent(),
        "advice": used.advice(),
    })
}

/// Returns the object of a priority; null where it has no parts.
pub fn priority_value(priority: Option<&SitePriority>) -> Value {
    let Some(priority) = priority else { return Value::Null };
    let parts: Map<String, Value> = priority.parts.iter().map(|(name, part)| (name.clone(), json!(part))).collect();
    json!({"total": priority.total, "parts": parts})
}

/// Returns the line of why a job waits.
pub fn reason(job: &SiteJob, priority: Option<&SitePriority>) -> Row {
    Row {
        cells: vec![
            job.id.clone(),
            job.user.clone(),
            job.state.to_lowercase(),
            job.why.clone(),
            priority.map_or_else(|| job.priority.to_string(), SitePriority::words),
        ],
        value: json!({
            "id": job.id,
            "user": job.user,
            "mine": job.mine,
            "state": job.state,
            "reason": job.reason,
            "why": job.why,
            "priority": job.priority,
            "priorityParts": priority_value(priority)["parts"],
        }),
        name: job.id.clone(),
    }
}

fn words(limits: &[SiteLimit]) -> String {
    match limits {
        [] => String::new(),
        some => format!("at most {}", some.iter().map(|limit| limit.words.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

fn limits_value(limits: &[SiteLimit]) -> Value {
    Value::Object(limits.iter().map(|limit| (limit.name.clone(), json!(limit.value))).collect())
}

fn number(text: &str) -> Value {
    text.parse::<f64>().map_or(Value::Null, |number| json!(number))
}

/// Returns the line of a part in an account.
pub fn account(share: &AccountShare) -> Row {
    let part = share.usage_part.parse::<f64>().map(|part| format!("{:.1} %", part * 100.0)).unwrap_or_default();
    let factor = share.factor.parse::<f64>().map(|factor| format!("{factor:.3}")).unwrap_or_default();
    let name = match share.partition.as_str() {
        "" => share.account.clone(),
        partition => format!("{} on {partition}", share.account),
    };
    Row {
        cells: vec![
            "account".to_owned(),
            name.clone(),
            if share.user.is_empty() { "all".to_owned() } else { share.user.clone() },
            share.shares.clone(),
            share.usage.clone(),
            part,
            factor,
            String::new(),
            share.qos.join(" "),
            words(&share.limits),
        ],
        value: json!({
            "of": "account",
            "account": share.account,
            "user": (!share.user.is_empty()).then_some(&share.user),
            "partition": (!share.partition.is_empty()).then_some(&share.partition),
            "qos": share.qos,
            "shares": number(&share.shares),
            "usage": number(&share.usage),
            "usagePart": number(&share.usage_part),
            "fairShare": number(&share.factor),
            "limits": limits_value(&share.limits),
        }),
        name,
    }
}

/// Returns the line of a quality of service.
pub fn qos(qos: &QosShare) -> Row {
    let none = String::new;
    Row {
        cells: vec![
            "qos".to_owned(),
            qos.name.clone(),
            none(),
            none(),
            none(),
            none(),
            none(),
            qos.priority.clone(),
            none(),
            words(&qos.limits),
        ],
        value: json!({
            "of": "qos",
            "qos": qos.name,
            "priority": number(&qos.priority),
            "limits": limits_value(&qos.limits),
        }),
        name: qos.name.clone(),
    }
}
