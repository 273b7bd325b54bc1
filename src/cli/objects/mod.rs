//! What scripts get: the published objects with our own fields beside, and the columns that people get.
//!
//! Names and fields are stable from the first release; a test compares them with the documented list.

pub mod cluster;
pub mod experiment;
pub mod file_server;
pub mod job;
pub mod node;
pub mod workspace;

use crate::model::units::{Millis, UnixMillis};

/// Returns a time as programs want it.
pub fn time(at: UnixMillis) -> serde_json::Value {
    serde_json::Value::String(at.rfc3339())
}

/// Returns a time that may be missing.
pub fn maybe_time(at: Option<UnixMillis>) -> serde_json::Value {
    at.map_or(serde_json::Value::Null, time)
}

/// Returns a span in the form of ISO 8601 that the published bodies use: `P7D`, `PT1H30M`, `PT0.25S`.
pub fn iso_span(span: Millis) -> String {
    let (days, rest) = (span.0 / 86_400_000, span.0 % 86_400_000);
    let (hours, minutes, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest % 60_000);
    let day = if days > 0 { format!("{days}D") } else { String::new() };
    let mut clock = String::new();
    if hours > 0 {
        clock.push_str(&format!("{hours}H"));
    }
    if minutes > 0 {
        clock.push_str(&format!("{minutes}M"));
    }
    if ms > 0 {
        let fraction =
            if ms % 1000 > 0 { format!(".{:03}", ms % 1000).trim_end_matches('0').to_owned() } else { String::new() };
        clock.push_str(&format!("{}{fraction}S", ms / 1000));
    }
    match (day.is_empty(), clock.is_empty()) {
        (true, true) => "PT0S".to_owned(),
        (_, true) => format!("P{day}"),
        (_, false) => format!("P{day}T{clock}"),
    }
}

/// Returns entries of a published `errors` list.
pub fn error(code: &str, message: &str, details: &[(String, String)]) -> serde_json::Value {
    let details: Vec<_> = details.iter().map(|(name, value)| serde_json::json!({"name": name, "value": value})).collect();
    serde_json::json!({"code": code, "message": message, "details": details})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_back() {
        for (ms, text) in
            [(0, "PT0S"), (604_800_000, "P7D"), (5_400_000, "PT1H30M"), (250, "PT0.25S"), (90_061_001, "P1DT1H1M1.001S")]
        {
            assert_eq!(iso_span(Millis(ms)), text);
            assert_eq!(Millis::parse(text), Ok(Millis(ms)), "{text}");
        }
    }
}
