//! TOML 1 with the place of each value.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{DEPTH_MAX, Doc, Entry, Lines, Place, Value, syntax, too_deep};
use crate::model::spec::fields::{FileFault, quoted};

/// The most faults of syntax that are told at once; after some, what follows is noise.
const SYNTAX_FAULTS_MAX: usize = 8;

pub(super) fn parse(text: &str) -> Result<Doc, Vec<FileFault>> {
    let lines = Lines::new(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<FileFault> = errors.iter().take(SYNTAX_FAULTS_MAX).map(|error| fault(text, &lines, error)).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let doc = Doc { place: Place { line: 1, column: 1 }, value: entries(table.get_ref(), &lines, 0, &mut faults) };
    if faults.is_empty() { Ok(doc) } else { Err(faults) }
}

/// The parser's words, but for two that the other languages say otherwise.
fn fault(text: &str, lines: &Lines<'_>, error: &toml::de::Error) -> FileFault {
    let span = error.span().unwrap_or_default();
    let message = error.message();
    let key = || text.get(span.clone()).map_or("key", |key| key.trim().trim_matches(['"', '\'']));
    match message {
        _ if message.contains("recurs") => too_deep(lines, span.start),
        "duplicate key" => syntax(lines, span.start, format!("the key {} is set twice", quoted(key()))),
        _ => syntax(lines, span.start, message),
    }
}

fn entries(table: &DeTable<'_>, lines: &Lines<'_>, depth: usize, faults: &mut Vec<FileFault>) -> Value {
    let entries = table.iter().map(|(key, value)| Entry {
        key: key.get_ref().clone().into_owned(),
        place: lines.place(key.span().start),
        value: convert(value, lines, depth + 1, faults),
    });
    Value::Map(entries.collect())
}

fn convert(value: &Spanned<DeValue<'_>>, lines: &Lines<'_>, depth: usize, faults: &mut Vec<FileFault>) -> Doc {
    let at = value.span().start;
    let place = lines.place(at);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => Value::Number(integer(number.as_str(), number.radix())),
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Value::Bool(*truth, truth.to_string()),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(_) | DeValue::Table(_) if depth >= DEPTH_MAX => {
            faults.push(too_deep(lines, at));
            Value::Null
        }
        DeValue::Array(items) => Value::List(items.iter().map(|item| convert(item, lines, depth + 1, faults)).collect()),
        DeValue::Table(table) => entries(table, lines, depth, faults),
    };
    Doc { place, value }
}

fn integer(digits: &str, radix: u32) -> String {
    match i128::from_str_radix(digits, radix) {
        Ok(number) => number.to_string(),
        Err(_) => digits.to_owned(),
    }
}
