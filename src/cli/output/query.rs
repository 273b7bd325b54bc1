//! `--query`: what an expression (JMESPath, as `az … --query` takes it) picks out of the data, in every format.
//!
//! The words are those of the JSON that `-o json` writes, whatever the format is. A list is asked as a whole, so it is not
//! written as it comes. What is picked out has its keys in the order of the expression, else in that of the data: the
//! crate sorts them by the alphabet.

use std::io::{self, Write};

use jmespath::ast::Ast;
use jmespath::{ErrorReason, Expression, JmespathError};
use serde_json::{Map, Value};

use super::{Column, Format, Look, Out, Row, json, lines, table, yaml};
use crate::model::fault::Fault;

/// A question to the data.
pub struct Query {
    expression: Expression<'static>,
    /// The keys that the expression itself names, in its order.
    keys: Vec<String>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Query({})", self.expression.as_str())
    }
}

impl Query {
    /// Reads an expression.
    ///
    /// # Errors
    /// That it is none, with the place.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let expression = jmespath::compile(text).map_err(|error| refused(&error))?;
        let mut keys = Vec::new();
        named(expression.as_ast(), &mut keys);
        Ok(Self { expression, keys })
    }

    /// Picks out of a value.
    ///
    /// # Errors
    /// That a function of the expression cannot be applied there, with the place.
    pub fn pick(&self, value: &Value) -> Result<Value, Fault> {
        let found = self.expression.search(value).map_err(|error| refused(&error))?;
        let found = serde_json::to_value(&*found).map_err(|e| Fault::internal("cannot read what was found").because(&e))?;
        let mut order = self.keys.clone();
        keys_of(value, &mut order);
        Ok(ordered(found, &order))
    }

    /// Writes what it picks out of a value.
    ///
    /// # Errors
    /// As [`Query::pick`], and that the output is closed.
    pub(super) fn write(&self, to: &mut dyn Write, of: &Out, value: &Value) -> Result<(), super::Failure> {
        let found = self.pick(value)?;
        match of.format {
            Format::Json => json::pretty(to, &found)?,
            Format::Jsonl => match &found {
                Value::Array(items) => items.iter().try_for_each(|item| json::line(to, item))?,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                    json::line(to, &found)?;
                }
            },
            Format::Yaml => yaml::document(to, &found)?,
            Format::Tsv | Format::Name => rows(&found).iter().try_for_each(|row| lines::tsv(to, &cells(row)))?,
            Format::Table | Format::Wide => shown(to, of, &found)?,
        }
        Ok(())
    }
}

/// The crate counts lines and columns from 0.
fn refused(error: &JmespathError) -> Fault {
    let why = match &error.reason {
        ErrorReason::Parse(why) => why.trim().to_owned(),
        ErrorReason::Runtime(why) => why.to_string(),
    };
    let place = match error.line {
        0 => format!("column {}", error.column + 1),
        line => format!("line {}, column {}", line + 1, error.column + 1),
    };
    let fault = Fault::config(format!("--query: {place}: {why}"));
    let here = error.expression.lines().nth(error.line).unwrap_or_default();
    let fault = if here.is_empty() { fault } else { fault.cause(format!("`{here}`")) };
    fault.hint(
        "a text stands in single quotes: --query \"[?executionState=='failed'].name\"; the language: https://jmespath.org",
    )
}

fn named(ast: &Ast, keys: &mut Vec<String>) {
    match ast {
        Ast::MultiHash { elements, .. } => {
            for pair in elements {
                push(&pair.key, keys);
                named(&pair.value, keys);
            }
        }
        Ast::MultiList { elements, .. } => elements.iter().for_each(|element| named(element, keys)),
        Ast::Function { args, .. } => args.iter().for_each(|arg| named(arg, keys)),
        Ast::Comparison { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => {
            named(lhs, keys);
            named(rhs, keys);
        }
        Ast::Condition { predicate, then, .. } => {
            named(predicate, keys);
            named(then, keys);
        }
        Ast::Expref { ast, .. } => named(ast, keys),
        Ast::Flatten { node, .. } | Ast::Not { node, .. } | Ast::ObjectValues { node, .. } => named(node, keys),
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Literal { .. } | Ast::Slice { .. } => {}
    }
}

fn push(key: &str, keys: &mut Vec<String>) {
    if !keys.iter().any(|known| known == key) {
        keys.push(key.to_owned());
    }
}

/// The keys of a value; of a list those of its first item with each of its own.
fn keys_of(value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            push(key, keys);
            keys_of(value, keys);
        }),
        Value::Array(items) => items.iter().take(1).for_each(|item| keys_of(item, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn ordered(value: Value, order: &[String]) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(String, Value)> = map.into_iter().collect();
            // Stable: what is in neither stays as it was, at the end.
            pairs.sort_by_key(|(key, _)| order.iter().position(|known| known == key).unwrap_or(order.len()));
            Value::Object(pairs.into_iter().map(|(key, value)| (key, ordered(value, order))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| ordered(item, order)).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The lines of a value: the items of a list, or itself; nothing where nothing was found.
fn rows(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value],
    }
}

fn cells(row: &Value) -> Vec<String> {
    match row {
        Value::Object(map) => map.values().map(cell).collect(),
        Value::Array(items) => items.iter().map(cell).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![cell(row)],
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// For people: a table of a list of objects, facts of one, and lines of anything else.
fn shown(to: &mut dyn Write, of: &Out, value: &Value) -> io::Result<()> {
    if let Value::Object(map) = value {
        let facts: Vec<(&str, String)> = map.iter().map(|(key, value)| (key.as_str(), cell(value))).collect();
        return table::facts(to, &facts, of.paint);
    }
    let all = rows(value);
    let objects: Vec<&Map<String, Value>> = all.iter().filter_map(|row| row.as_object()).collect();
    if objects.len() < all.len() || objects.is_empty() {
        return all.iter().try_for_each(|row| lines::tsv(to, &cells(row)));
    }
    let mut keys: Vec<String> = Vec::new();
    objects.iter().for_each(|map| map.keys().for_each(|key| push(key, &mut keys)));
    let column = |key: &String| {
        let numbers = objects.iter().all(|map| map.get(key).is_none_or(|value| value.is_number() || value.is_null()));
        let look = match () {
            () if key.ends_with("State") => Look::State,
            () if numbers => Look::Number,
            () => Look::Text,
        };
        // Columns live as long as the program, which ends with this list.
        Column { title: Box::leak(super::clean(key).to_uppercase().into_boxed_str()), look }
    };
    let columns: Vec<Column> = keys.iter().map(column).collect();
    let rows: Vec<Row> = objects
        .iter()
        .map(|map| Row {
            cells: keys.iter().map(|key| map.get(key).map(cell).unwrap_or_default()).collect(),
            value: Value::Null,
            name: String::new(),
        })
        .collect();
    let mut table = table::Table::new(Box::leak(columns.into_boxed_slice()), true, of.columns, of.paint);
    to.write_all(table.page(&rows).as_bytes())
}
