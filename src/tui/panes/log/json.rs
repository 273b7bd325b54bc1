//! A JSON line as people read it: time, level and message first, then the rest as `name=value`.

use serde_json::{Map, Value};

/// Names under which loggers write the time (zap, bunyan, pino, logrus, structlog, Python's json loggers).
const TIMES: [&str; 6] = ["time", "ts", "timestamp", "@timestamp", "asctime", "t"];
/// Names of the level.
const LEVELS: [&str; 5] = ["level", "lvl", "severity", "levelname", "log.level"];
/// Names of the message.
const MESSAGES: [&str; 4] = ["message", "msg", "event", "text"];

/// The name of a rank before a line is within so many bytes.
const LABEL_BYTES_MAX: usize = 96;

/// Returns the line in words and colours; `None` when it is no JSON object.
pub fn pretty(bytes: &[u8]) -> Option<Vec<u8>> {
    let line = bytes.trim_ascii();
    if !(line.starts_with(b"{") && line.ends_with(b"}")) {
        return None;
    }
    let mut fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let mut words: Vec<String> = Vec::new();
    words.extend(take(&mut fields, &TIMES).map(|time| format!("\x1b[2m{}\x1b[0m", plain(&time))));
    words.extend(take(&mut fields, &LEVELS).map(|level| coloured(&plain(&level))));
    words.extend(take(&mut fields, &MESSAGES).map(|message| format!("\x1b[1m{}\x1b[0m", plain(&message))));
    words.extend(fields.iter().map(|(name, value)| format!("\x1b[2m{}=\x1b[0m{}", escaped(name), quoted(value))));
    Some(words.join(" ").into_bytes())
}

/// The same for a line of merged ranks: the name stays before it.
pub fn pretty_labelled(bytes: &[u8]) -> Option<Vec<u8>> {
    let bar = super::merge::BAR.as_bytes();
    let at = bytes.windows(bar.len()).take(LABEL_BYTES_MAX).position(|window| window == bar)? + bar.len();
    Some([&bytes[..at], pretty(&bytes[at..])?.as_slice()].concat())
}

fn take(fields: &mut Map<String, Value>, names: &[&str]) -> Option<Value> {
    let name = names.iter().find(|name| fields.contains_key(**name))?;
    fields.shift_remove(*name)
}

/// Text that cannot act as colours do: what JSON escapes may be anything.
fn escaped(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => escaped(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => escaped(&value.to_string()),
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains([' ', '=', '"']) || text.is_empty() => format!("{:?}", escaped(text)),
        value => plain(value),
    }
}

fn coloured(level: &str) -> String {
    let colour = match level.to_ascii_lowercase().as_str() {
        // Numbers are those of bunyan and pino.
        "error" | "err" | "fatal" | "critical" | "panic" | "50" | "60" => "31",
        "warn" | "warning" | "40" => "33",
        "info" | "notice" | "30" => "36",
        _ => "2",
    };
    format!("\x1b[{colour}m{}\x1b[0m", level.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::content::clean;
    use super::*;

    #[test]
    fn loggers_lines_are_read() {
        for (line, words) in [
            (r#"{"ts":1.5,"level":"info","msg":"step done","step":7,"loss":0.25}"#, "1.5 INFO step done step=7 loss=0.25"),
            (r#" {"message":"a b","k":"c d","e":"","n":null} "#, r#"a b k="c d" e="" n=null"#),
            (r#"{"levelname":"ERROR","event":"x\u001b[2J\ny","at":{"f":1}}"#, r#"ERROR x [2J y at={"f":1}"#),
        ] {
            let pretty = pretty(line.as_bytes()).expect("an object");
            assert_eq!(clean(0, &pretty).text(), words);
        }
        for line in ["", "{", "[1]", "{a:1}", "plain", "{} trailing"] {
            assert_eq!(pretty(line.as_bytes()), None, "{line}");
        }
    }
}
