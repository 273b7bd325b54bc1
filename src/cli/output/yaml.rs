//! YAML, in the part of it that needs no judgement: block maps and lists, and texts in double quotes wherever a plain word
//! could mean something else. Its own few lines because each value comes from JSON, whose strings are YAML strings as well (YAML 1.2, 1.2).

use std::io::{self, Write};

use serde_json::Value;

pub(super) fn document(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    let mut text = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut text),
        Value::Object(map) if !map.is_empty() => block(value, 0, &mut text),
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            scalar(value, &mut text);
            text.push('\n');
        }
    }
    out.write_all(text.as_bytes())
}

fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Array(items) => {
            for item in items {
                text.push_str(&" ".repeat(indent));
                text.push('-');
                inner(item, indent, true, text);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                text.push_str(&" ".repeat(indent));
                text.push_str(&word(key));
                text.push(':');
                inner(item, indent, false, text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value, text),
    }
}

/// What follows `-` or `key:`.
fn inner(item: &Value, indent: usize, in_list: bool, text: &mut String) {
    match item {
        Value::Object(map) if in_list && !map.is_empty() => {
            // The first key stands on the line of the dash.
            let mut below = String::new();
            block(item, indent + 2, &mut below);
            text.push(' ');
            text.push_str(&below[indent + 2..]);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(item, indent + 2, text);
        }
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            block(item, indent + 2, text);
        }
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push(' ');
            scalar(item, text);
            text.push('\n');
        }
    }
}

fn scalar(value: &Value, text: &mut String) {
    match value {
        Value::String(string) => text.push_str(&word(string)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            text.push_str(&other.to_string());
        }
    }
}

/// A text that is surely read as a text: plain if it is a simple word, else as JSON writes it.
fn word(text: &str) -> String {
    let simple = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.'));
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if simple && !reserved.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return text.to_owned();
    }
    Value::String(text.to_owned()).to_string()
}
