//! The JSON Schema of the configuration file, from the one table of its keys.

use serde_json::{Map, Value, json};

use super::keys::ALL;

/// Returns the schema. What a value may be is the key's own matter, so only names and meanings are described.
pub fn schema() -> Value {
    let about = |key: &super::keys::Key| (key.name.to_owned(), json!({"description": key.about}));
    let properties: Map<String, Value> = ALL.iter().map(about).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ostler configuration",
        "description": "The file `config.toml`; `ostler config init` writes one.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}
