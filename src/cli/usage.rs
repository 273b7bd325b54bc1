//! `ostler usage`: how much there is of each kind, and how much there may be.

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::lists::Lists;
use super::objects::cost;
use super::output::{Column, Look, Row};
use super::session::{Session, unexpected};
use crate::model::request::{Reply, Request};

/// Options of `usage`.
#[derive(Args, Clone, Debug)]
pub struct Usage {
    /// Accepted for scripts written for `az batchai`; there is one place
    #[arg(short, long, hide = true)]
    location: Option<String>,
}

const COLUMNS: &[Column] = &[
    Column { title: "VALUE", look: Look::Number },
    Column { title: "USAGE", look: Look::Text },
    Column { title: "LIMIT", look: Look::Number },
];

/// What something has cost, as a usage: against its budget, when it has one.
fn cost_row(row: Row) -> Row {
    let (of, budget) = (row.name, &row.value["budget"]);
    let counted = if budget.is_null() { &row.value["spent"] } else { &budget["spent"] };
    let name = format!("cost of {of}");
    let text = |value: &serde_json::Value| value.as_f64().map(|amount| format!("{amount:.2}"));
    Row {
        cells: vec![
            text(counted).unwrap_or_default(),
            name.clone(),
            text(&budget["limit"]).unwrap_or_else(|| "none".to_owned()),
        ],
        value: json!({
            "name": {"value": name, "localizedValue": name},
            "currentValue": counted,
            "limit": budget["limit"],
            "unit": "Money",
            "cost": row.value,
        }),
        name,
    }
}

/// Does it.
///
/// # Errors
/// As for every command.
pub async fn run(session: &Session) -> Result<i32, Failure> {
    let core = session.core().await?;
    let usages = match core.ask(Request::Usage).await? {
        Reply::Usages(usages) => usages,
        other => return Err(unexpected(&other)),
    };
    let mut list = session.out.list(COLUMNS);
    let row = |usage: crate::model::request::Usage| Row {
        cells: vec![
            usage.value.to_string(),
            usage.name.clone(),
            usage.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string()),
        ],
        value: json!({
            "name": {"value": usage.name, "localizedValue": usage.name},
            "currentValue": usage.value,
            "limit": usage.limit,
            "unit": "Count",
        }),
        name: usage.name,
    };
    list.page(usages.into_iter().map(row).collect())?;
    let lists = Lists::read(&core, session.workspace().as_ref()).await?;
    let priced = cost::rows(&lists).into_iter().filter(|row| row.value["spent"] != 0.0 || !row.value["budget"].is_null());
    list.page(priced.map(cost_row).collect())?;
    list.end()?;
    Ok(0)
}
