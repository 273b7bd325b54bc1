//! JSON with comments and trailing commas, as people write it; nothing further of JSON5.

use jsonc_parser::ast;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{DEPTH_MAX, Doc, Entry, Lines, Place, Value, syntax, too_deep, twice};
use crate::model::spec::fields::FileFault;

pub(super) fn parse(text: &str) -> Result<Doc, Vec<FileFault>> {
    let lines = Lines::new(text);
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options)
        .map_err(|error| vec![syntax(&lines, error.range().start, sentence(&error.kind().to_string()))])?;
    let mut faults = Vec::new();
    let doc = match &parsed.value {
        Some(value) => convert(value, &lines, 0, &mut faults),
        None => Doc { place: Place { line: 1, column: 1 }, value: Value::Null },
    };
    if faults.is_empty() { Ok(doc) } else { Err(faults) }
}

/// The parser's messages begin with a capital letter; ours do not.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn convert(value: &ast::Value<'_>, lines: &Lines<'_>, depth: usize, faults: &mut Vec<FileFault>) -> Doc {
    use jsonc_parser::common::Ranged;
    let at = value.range().start;
    let place = lines.place(at);
    let null = Doc { place, value: Value::Null };
    let value = match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(lit) => Value::Bool(lit.value, lit.value.to_string()),
        ast::Value::NumberLit(lit) => Value::Number(lit.value.to_owned()),
        ast::Value::StringLit(lit) => Value::Text(lit.value.clone().into_owned()),
        ast::Value::Array(_) | ast::Value::Object(_) if depth >= DEPTH_MAX => {
            faults.push(too_deep(lines, at));
            return null;
        }
        ast::Value::Array(array) => {
            Value::List(array.elements.iter().map(|item| convert(item, lines, depth + 1, faults)).collect())
        }
        ast::Value::Object(object) => Value::Map(entries(object, lines, depth, faults)),
    };
    Doc { place, value }
}

fn entries(object: &ast::Object<'_>, lines: &Lines<'_>, depth: usize, faults: &mut Vec<FileFault>) -> Vec<Entry> {
    let mut seen = std::collections::BTreeMap::new();
    let mut entries = Vec::with_capacity(object.properties.len());
    for property in &object.properties {
        let key = property.name.as_str().to_owned();
        let place = lines.place(property.range.start);
        match seen.get(&key) {
            Some(first) => faults.push(twice(&key, *first, place)),
            None => {
                seen.insert(key.clone(), place);
                entries.push(Entry { key, place, value: convert(&property.value, lines, depth + 1, faults) });
            }
        }
    }
    entries
}
