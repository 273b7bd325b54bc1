//! `ostler usage`: how much there is of each kind, and how much there may be.

use clap::Args;
use serde_json::json;

use super::failure::Failure;
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
    list.end()?;
    Ok(0)
}
