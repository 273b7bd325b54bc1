//! A sweep, and what one would come to.

use serde_json::{Value, json};

use super::time;
use crate::cli::output::{Column, Look, Row};
use crate::model::request::{SweepPlan, SweepView};
use crate::model::spec::sweep::{Point, Search};
use crate::model::spec::{body, token};
use crate::model::state::Sweep;

/// The columns of a list of sweeps.
pub const COLUMNS: &[Column] = &[
    Column { title: "NAME", look: Look::Text },
    Column { title: "ID", look: Look::Text },
    Column { title: "EXPERIMENT", look: Look::Text },
    Column { title: "CLUSTER", look: Look::Text },
    Column { title: "JOBS", look: Look::Number },
    Column { title: "TO COME", look: Look::Number },
    Column { title: "PAUSED", look: Look::Unless("") },
    Column { title: "PARAMETERS", look: Look::Text },
    Column { title: "CREATED", look: Look::Wide },
];

/// Returns the line of a list.
pub fn row(sweep: &Sweep, experiment: &str, cluster: &str) -> Row {
    Row {
        cells: vec![
            sweep.name.clone(),
            sweep.id.to_string(),
            experiment.to_owned(),
            cluster.to_owned(),
            (sweep.count() - sweep.trimmed).to_string(),
            sweep.left.len().to_string(),
            if sweep.held { "yes".to_owned() } else { String::new() },
            sweep.parameters.join(" "),
            sweep.created.rfc3339(),
        ],
        value: of(sweep, experiment, cluster),
        name: sweep.name.clone(),
    }
}

fn of(sweep: &Sweep, experiment: &str, cluster: &str) -> Value {
    json!({
        "name": sweep.name,
        "id": sweep.id.to_string(),
        "experiment": experiment,
        "cluster": cluster,
        "jobCount": sweep.count() - sweep.trimmed,
        "toCome": sweep.left.len(),
        "trimmed": sweep.trimmed,
        "failed": sweep.failed,
        "paused": sweep.held,
        "schedulingPriority": body::priority_word(sweep.priority),
        "parameters": sweep.parameters,
        "creationTime": time(sweep.created),
    })
}

/// Returns the object.
pub fn value(view: &SweepView) -> Value {
    let mut value = of(&view.sweep, &view.experiment, &view.cluster);
    value["workspace"] = json!(view.workspace);
    value["parts"] = json!(view.spec.parts);
    value["runningMax"] = json!(view.spec.running_max);
    value
}

/// Returns what a person is told.
pub fn facts(view: &SweepView) -> Vec<(&'static str, String)> {
    let sweep = &view.sweep;
    let part = |part: &crate::model::spec::sweep::Part| {
        let how = match part.search {
            Search::Grid => "every combination".to_owned(),
            Search::Random { jobs, seed } => format!("{jobs} draws from seed {seed}"),
            Search::Latin { jobs, seed } => format!("{jobs} draws of a Latin hypercube from seed {seed}"),
        };
        let names: Vec<&str> = part.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        format!("{how}{}{}", if names.is_empty() { "" } else { " of " }, names.join(", "))
    };
    vec![
        ("name", sweep.name.clone()),
        ("id", sweep.id.to_string()),
        ("workspace", view.workspace.clone()),
        ("experiment", view.experiment.clone()),
        ("cluster", view.cluster.clone()),
        ("jobs", (sweep.count() - sweep.trimmed).to_string()),
        ("to come", sweep.left.len().to_string()),
        ("failed", if sweep.failed > 0 { sweep.failed.to_string() } else { String::new() }),
        ("trimmed", if sweep.trimmed > 0 { sweep.trimmed.to_string() } else { String::new() }),
        ("paused", if sweep.held { "yes; ostler sweep resume lets it run".to_owned() } else { String::new() }),
        ("running at once", view.spec.running_max.map(|most| format!("{most} at most")).unwrap_or_default()),
        ("priority", body::priority_word(sweep.priority).to_owned()),
        ("parameters", sweep.parameters.join(" ")),
        ("made of", view.spec.parts.iter().map(part).collect::<Vec<_>>().join("\n")),
        ("created", sweep.created.rfc3339()),
    ]
}

fn words(point: &Point) -> String {
    point.iter().map(|(name, value)| format!("{name}={}", token::text(value))).collect::<Vec<_>>().join(" ")
}

/// Returns what a person is told of a plan.
pub fn plan_facts(plan: &SweepPlan) -> Vec<(&'static str, String)> {
    let mut members: Vec<String> = plan.members.iter().map(|(name, point)| format!("{name}  {}", words(point))).collect();
    let between = (plan.count as usize).saturating_sub(plan.members.len());
    if between > 0 {
        members.insert(members.len() - 1, format!("… {between} more"));
    }
    vec![
        ("name", plan.name.clone()),
        ("experiment", plan.experiment.clone()),
        ("cluster", plan.cluster.clone()),
        ("jobs", (plan.count - plan.known).to_string()),
        ("same body", if plan.known > 0 { format!("{} left out", plan.known) } else { String::new() }),
        ("nodes of each", plan.node_count.to_string()),
        ("costs at most", plan.cost_most.map(|cost| cost.to_string()).unwrap_or_default()),
        ("parameters", plan.parameters.join(" ")),
        ("members", members.join("\n")),
    ]
}

/// Returns a plan as an object.
pub fn plan_value(plan: &SweepPlan) -> Value {
    let member = |(name, point): &(String, Point)| {
        let values: serde_json::Map<String, Value> = point.iter().cloned().collect();
        json!({"name": name, "parameters": values})
    };
    json!({
        "name": plan.name,
        "experiment": plan.experiment,
        "cluster": plan.cluster,
        "jobCount": plan.count - plan.known,
        "sameBody": plan.known,
        "nodeCount": plan.node_count,
        "costMost": plan.cost_most.map(|cost| cost.to_string()),
        "parameters": plan.parameters,
        "members": plan.members.iter().map(member).collect::<Vec<_>>(),
    })
}
