//! What scripts get: the published objects with our own fields beside, and the columns that people get.
//!
//! Names and fields are stable from the first release; a test compares them with the documented list.

pub mod cluster;
pub mod cost;
pub mod experiment;
pub mod file_server;
pub mod job;
pub mod node;
pub mod site;
pub mod site_look;
pub mod sweep;
pub mod workspace;

use crate::model::units::UnixMillis;

/// Returns a time as programs want it.
pub fn time(at: UnixMillis) -> serde_json::Value {
    serde_json::Value::String(at.rfc3339())
}

/// Returns a time that may be missing.
pub fn maybe_time(at: Option<UnixMillis>) -> serde_json::Value {
    at.map_or(serde_json::Value::Null, time)
}

/// Returns entries of a published `errors` list.
pub fn error(code: &str, message: &str, details: &[(String, String)]) -> serde_json::Value {
    let details: Vec<_> = details.iter().map(|(name, value)| serde_json::json!({"name": name, "value": value})).collect();
    serde_json::json!({"code": code, "message": message, "details": details})
}
