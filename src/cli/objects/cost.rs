//! What things cost.

use serde_json::{Value, json};

use crate::cli::lists::Lists;
use crate::cli::output::{Column, Look, Row};
use crate::model::cost::{AHEAD, Budget, FORMULA, Spent, Standing};
use crate::model::state::{Cluster, Workspace};
use crate::model::units::{Money, UnixMillis};

/// The columns of a list of costs.
pub const COLUMNS: &[Column] = &[
    Column { title: "OF", look: Look::Text },
    Column { title: "SPENT", look: Look::Number },
    Column { title: "BUSY", look: Look::Number },
    Column { title: "IDLE", look: Look::Number },
    Column { title: "UNUSABLE", look: Look::Number },
    Column { title: "RATE/H", look: Look::Number },
    Column { title: "IN 1 H", look: Look::Number },
    Column { title: "BUDGET", look: Look::Text },
    Column { title: "HINT", look: Look::Text },
];

/// Returns the present.
pub fn now() -> UnixMillis {
    UnixMillis(jiff::Timestamp::now().as_millisecond())
}

fn amount(money: Money) -> Value {
    json!(money.0 as f64 / 1e6)
}

/// Returns how a cluster stands.
pub fn standing(cluster: &Cluster, lists: &Lists, now: UnixMillis) -> Standing {
    Standing::of(cluster, lists.nodes.iter().filter(|node| node.cluster == cluster.id).map(|node| &**node), now)
}

/// Returns the object for what was spent.
pub fn value(spent: Spent, rate: Money, budget: Option<&Budget>, hint: Option<&str>) -> Value {
    let total = spent.total();
    let mut value = json!({
        "spent": amount(total),
        "busy": amount(spent.busy),
        "idle": amount(spent.idle),
        "unusable": amount(spent.unusable),
        "ratePerHour": amount(rate),
        "forecast": amount(total + rate.over(AHEAD)),
        "formula": FORMULA,
        "hint": hint,
        "budget": null,
    });
    if let Some(budget) = budget {
        value["budget"] = json!({
            "limit": amount(budget.limit),
            "period": budget.period.word(),
            "then": budget.then.word(),
            "since": super::time(budget.began),
            "spent": amount(budget.used(total)),
            "forecast": amount(budget.forecast(total, rate)),
            "left": amount(budget.left(total)),
            "lastsMinutes": budget.left(total).lasts(rate).map(|span| span.0 / 60_000),
            "reached": budget.reached,
        });
    }
    value
}

fn row(of: String, spent: Spent, rate: Money, budget: Option<&Budget>, hint: Option<&str>) -> Row {
    let total = spent.total();
    let mut value = value(spent, rate, budget, hint);
    value["of"] = json!(of);
    Row {
        cells: vec![
            of.clone(),
            total.to_string(),
            spent.busy.to_string(),
            spent.idle.to_string(),
            spent.unusable.to_string(),
            rate.to_string(),
            (total + rate.over(AHEAD)).to_string(),
            budget.map(|budget| budget.words(total)).unwrap_or_default(),
            hint.unwrap_or_default().to_owned(),
        ],
        value,
        name: of,
    }
}

fn of_workspace(workspace: &Workspace, lists: &Lists, now: UnixMillis) -> (Spent, Money) {
    let start = (workspace.spent, Money(0));
    lists.clusters.iter().filter(|cluster| cluster.workspace == workspace.id).fold(start, |(spent, rate), cluster| {
        let standing = standing(cluster, lists, now);
        (spent.and(standing.spent), rate + standing.rate)
    })
}

/// Returns a line for each workspace, cluster and experiment that has cost something or has a budget.
pub fn rows(lists: &Lists) -> Vec<Row> {
    let now = now();
    let mut rows = Vec::new();
    for workspace in &lists.workspaces {
        let (spent, rate) = of_workspace(workspace, lists, now);
        rows.push(row(format!("workspace {}", workspace.name), spent, rate, workspace.budget.as_ref(), None));
        for cluster in lists.clusters.iter().filter(|cluster| cluster.workspace == workspace.id) {
            let standing = standing(cluster, lists, now);
            let hint = standing.hint(cluster);
            let of = format!("cluster {}", cluster.name);
            rows.push(row(of, standing.spent, standing.rate, cluster.budget.as_ref(), hint.as_deref()));
        }
        for experiment in lists.experiments.iter().filter(|experiment| experiment.workspace == workspace.id) {
            // Of an experiment the time counts for which its jobs have nodes.
            let now = lists.at_work.get(&experiment.id).copied().unwrap_or_default();
            let spent = Spent { busy: experiment.spent + now.cost, ..Spent::default() };
            rows.push(row(format!("experiment {}", experiment.name), spent, now.rate, None, None));
        }
    }
    rows
}

/// Returns what a person is told of a cluster's cost; empty when it costs nothing.
pub fn line(cluster: &Cluster, standing: &Standing) -> String {
    let total = standing.spent.total();
    if total == Money(0) && standing.rate == Money(0) && cluster.budget.is_none() {
        return String::new();
    }
    let spent = standing.spent;
    let mut text = format!(
        "{total} spent ({} idle, {} unusable), {}/h now, {} an hour from now",
        spent.idle,
        spent.unusable,
        standing.rate,
        total + standing.rate.over(AHEAD)
    );
    if let Some(budget) = &cluster.budget {
        text.push_str(&format!("\nbudget: {}", budget.words(total)));
        if let Some(lasts) = budget.left(total).lasts(standing.rate) {
            text.push_str(&format!("; lasts {lasts}"));
        }
    }
    if let Some(hint) = standing.hint(cluster) {
        text.push_str(&format!("\n{hint}"));
    }
    text
}
