//! Tokens: `PARAM_LR` in any text of a job's body stands for a parameter's value. A text that is nothing but a token
//! becomes the value itself, a number or a truth value; in any other text it becomes the value's text.
//!
//! Decisions (2026-11): the longest name that is known counts, so `PARAM_A` never takes the beginning of `PARAM_AB`; what is
//! no known name stays as it is; `$PARAM_LR` and `${PARAM_LR}` stay, because the shell knows the variable. Letters of either
//! case are the same.

use serde_json::Value as Json;

use super::doc::{Doc, Value};
use super::sweep::Point;

const MARK: &str = "PARAM_";

/// Returns how a parameter is spelled in a token: in capitals, `__` between a set and its key.
pub fn word(name: &str) -> String {
    name.replace('.', "__").to_ascii_uppercase()
}

/// Returns a value as text.
pub fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    }
}

/// Puts a member's values in the place of their tokens, in every text at any depth, lists included.
pub fn substitute(doc: &mut Doc, point: &Point) {
    let known: Vec<(String, &Json)> = point.iter().map(|(name, value)| (word(name), value)).collect();
    walk(doc, &known, Names::Filled);
}

/// Whether what stands under `name` is filled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Filled,
    /// Among variables: `PARAM_LR` is the name of one there.
    Kept,
}

fn walk(doc: &mut Doc, known: &[(String, &Json)], names: Names) {
    match &mut doc.value {
        Value::Text(text) => {
            if let Some(value) = filled(text, known) {
                doc.value = value;
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| walk(item, known, names)),
        Value::Map(entries) => {
            for entry in entries.iter_mut().filter(|entry| names == Names::Filled || entry.key != "name") {
                let variables = ["environmentVariables", "secrets"].contains(&entry.key.as_str());
                walk(&mut entry.value, known, if variables { Names::Kept } else { names });
            }
        }
        Value::Null | Value::Bool(..) | Value::Number(_) => {}
    }
}

/// Returns what a text becomes; `None` when there is no token in it.
fn filled(source: &str, known: &[(String, &Json)]) -> Option<Value> {
    let mut out = String::new();
    let mut rest = source;
    let mut found = false;
    while let Some(at) = find_mark(rest) {
        let (before, from) = rest.split_at(at);
        let name = &from[MARK.len()..];
        out.push_str(before);
        let variable = out.ends_with('$') || out.ends_with("${");
        match longest(name, known).filter(|_| !variable) {
            Some((length, value)) => {
                if before.is_empty() && !found && name.len() == length && out.is_empty() {
                    return Some(raw(value));
                }
                found = true;
                out.push_str(&text(value));
                rest = &name[length..];
            }
            None => {
                out.push_str(&from[..MARK.len()]);
                rest = name;
            }
        }
    }
    out.push_str(rest);
    found.then_some(Value::Text(out))
}

fn find_mark(text: &str) -> Option<usize> {
    let (bytes, mark) = (text.as_bytes(), MARK.as_bytes());
    (0..bytes.len().saturating_sub(mark.len() - 1)).find(|at| bytes[*at..*at + mark.len()].eq_ignore_ascii_case(mark))
}

/// Returns the longest known name that a text begins with and that does not go on as a word.
fn longest<'a>(text: &str, known: &[(String, &'a Json)]) -> Option<(usize, &'a Json)> {
    let begins = |name: &str| {
        let head = text.as_bytes().get(..name.len());
        let next = text.as_bytes().get(name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes())) && !next.is_some_and(u8::is_ascii_alphanumeric)
    };
    let fits = known.iter().filter(|(name, _)| begins(name));
    fits.max_by_key(|(name, _)| name.len()).map(|(name, value)| (name.len(), *value))
}

fn raw(value: &Json) -> Value {
    match value {
        Json::Bool(truth) => Value::Bool(*truth, truth.to_string()),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::Null | Json::String(_) | Json::Array(_) | Json::Object(_) => Value::Text(text(value)),
    }
}

/// Returns the tokens of a body that no parameter answers: probably mistyped.
pub fn unknown(doc: &Doc, names: &[String]) -> Vec<String> {
    let known: Vec<String> = names.iter().map(|name| word(name)).collect();
    let mut found = Vec::new();
    look(doc, &known, &mut found);
    found.sort();
    found.dedup();
    found
}

fn look(doc: &Doc, known: &[String], found: &mut Vec<String>) {
    match &doc.value {
        Value::Text(text) => {
            let none = Json::Null;
            let known: Vec<(String, &Json)> = known.iter().map(|name| (name.clone(), &none)).collect();
            let mut rest = text.as_str();
            while let Some(at) = find_mark(rest) {
                let variable = rest[..at].ends_with('$') || rest[..at].ends_with("${");
                let name = &rest[at + MARK.len()..];
                let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
                if end > 0 && !variable && longest(name, &known).is_none() {
                    found.push(rest[at..at + MARK.len() + end].to_owned());
                }
                rest = name;
            }
        }
        Value::List(items) => items.iter().for_each(|item| look(item, known, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| look(&entry.value, known, found)),
        Value::Null | Value::Bool(..) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_in_every_place() {
        let point: Point = vec![
            ("A".into(), json!(1)),
            ("AB".into(), json!(0.5)),
            ("h.lr".into(), json!("x y")),
            ("ok".into(), json!(true)),
        ];
        let known: Vec<(String, &Json)> = point.iter().map(|(name, value)| (word(name), value)).collect();
        let number = |text: &str| Some(Value::Number(text.to_owned()));
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for (source, expected) in [
            ("PARAM_A", number("1")),
            ("PARAM_AB", number("0.5")),
            ("PARAM_OK", Some(Value::Bool(true, "true".to_owned()))),
            ("PARAM_H__LR", text("x y")),
            ("param_a", number("1")),
            ("--a PARAM_A --ab=PARAM_AB", text("--a 1 --ab=0.5")),
            ("m_PARAM_A_PARAM_AB.pt", text("m_1_0.5.pt")),
            ("PARAM_AB PARAM_A", text("0.5 1")),
            ("PARAM_ABC PARAM_X $PARAM_A ${PARAM_A}", None),
            ("PARAM_ABC PARAM_A", text("PARAM_ABC 1")),
            ("ü PARAM_A ü", text("ü 1 ü")),
            ("", None),
            ("PARAM_", None),
        ] {
            assert_eq!(filled(source, &known), expected, "{source}");
        }
    }

    #[test]
    fn a_value_that_looks_like_a_token_is_not_one() {
        let point: Point = vec![("a".into(), json!("PARAM_B")), ("b".into(), json!(2))];
        let mut doc = Doc::from(&json!({"x": ["PARAM_A", {"y": "-PARAM_A-PARAM_B"}]}));
        substitute(&mut doc, &point);
        assert_eq!(doc.to_json(), json!({"x": ["PARAM_B", {"y": "-PARAM_B-2"}]}));
        assert_eq!(unknown(&doc, &["b".to_owned()]), Vec::<String>::new());
        let doc = Doc::from(&json!({"x": "PARAM_LRR and $PARAM_Z"}));
        assert_eq!(unknown(&doc, &["lr".to_owned()]), ["PARAM_LRR"]);
    }
}
