//! What a file says and nothing here acts on: unknown properties and published ones without a meaning on machines that
//! exist. It is kept, so that `show` and `export` give back what was written.
//!
//! Decision 2026-11: kept by path, not as a second copy of the body: what is read into types is written from them, and
//! only the rest lies here. A value whose name looks like that of a credential is replaced by `null` before it is kept,
//! because a slip (`accountkey`) must not make a secret visible.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most bytes of such values that one file may have; what is beyond is named and left out. A stored row stays small.
pub const KEPT_BYTES_MAX: usize = 64 << 10;

/// Parts of names whose values are never kept.
const CREDENTIALS: &[&str] =
    &["password", "secret", "token", "credential", "accountkey", "instrumentationkey", "privatekey"];

/// Values by their path in the body: `jobPreparation.note`, `environmentVariables[2].comment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kept(BTreeMap<String, Value>);

impl Kept {
    /// Says whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps a value; `false` when it is too large for what is there already.
    pub fn put(&mut self, path: &str, mut value: Value) -> bool {
        let name = path.rsplit('.').next().unwrap_or(path);
        if is_credential(name) {
            value = Value::Null;
        }
        mask(&mut value);
        let size = |path: &str, value: &Value| path.len() + value.to_string().len();
        let before: usize = self.0.iter().map(|(path, value)| size(path, value)).sum();
        if before + size(path, &value) > KEPT_BYTES_MAX {
            return false;
        }
        self.0.insert(path.to_owned(), value);
        true
    }

    /// Returns the value at a path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// Puts everything back into a body at its place. What the body says itself counts; an item of a list that is not
    /// there any more takes nothing.
    pub fn put_into(&self, body: &mut Map<String, Value>) {
        for (path, value) in &self.0 {
            let steps: Vec<&str> = path.split('.').collect();
            place(body, &steps, value);
        }
    }
}

fn place(map: &mut Map<String, Value>, steps: &[&str], value: &Value) {
    let Some((step, rest)) = steps.split_first() else { return };
    let (key, index) = match step.strip_suffix(']').and_then(|open| open.rsplit_once('[')) {
        Some((key, index)) => (key, index.parse::<usize>().ok()),
        None => (*step, None),
    };
    if rest.is_empty() && index.is_none() {
        map.entry(key).or_insert_with(|| value.clone());
        return;
    }
    let below = match index {
        Some(index) => map.get_mut(key).and_then(|list| list.get_mut(index)),
        None => {
            let entry = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if entry.is_null() {
                *entry = Value::Object(Map::new());
            }
            Some(entry)
        }
    };
    if let Some(Value::Object(inner)) = below {
        place(inner, rest, value);
    }
}

fn is_credential(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    CREDENTIALS.iter().any(|part| name.contains(part))
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if is_credential(name) {
                    *inner = Value::Null;
                }
                mask(inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_kept_comes_back_at_its_place() {
        let mut kept = Kept::default();
        assert!(kept.put("comment", json!("c")));
        assert!(kept.put("jobPreparation.note", json!(1)));
        assert!(kept.put("environmentVariables[1].comment", json!("second")));
        assert!(kept.put("environmentVariables[7].comment", json!("gone")));
        assert!(kept.put("new.deep", json!([1])));
        assert!(kept.put("nodeCount", json!(9)));
        let mut body = json!({"nodeCount": 1, "environmentVariables": [{"name": "A"}, {"name": "B"}], "jobPreparation": {"commandLine": "x"}});
        kept.put_into(body.as_object_mut().unwrap());
        assert_eq!(
            body,
            json!({"nodeCount": 1, "comment": "c", "new": {"deep": [1]},
                "environmentVariables": [{"name": "A"}, {"name": "B", "comment": "second"}],
                "jobPreparation": {"commandLine": "x", "note": 1}})
        );
    }

    #[test]
    fn credentials_are_not_kept_and_neither_is_what_is_huge() {
        let mut kept = Kept::default();
        for (path, value) in [
            ("mountVolumes.azureFileShares[0].accountkey", json!("c2VjcmV0")),
            ("x.Admin_Password", json!("c2VjcmV0")),
            ("future", json!({"list": [{"registryPassword": "c2VjcmV0", "user": "u"}]})),
        ] {
            assert!(kept.put(path, value), "{path}");
        }
        assert!(!serde_json::to_string(&kept).unwrap().contains("c2VjcmV0"), "{kept:?}");
        assert_eq!(kept.get("future"), Some(&json!({"list": [{"registryPassword": null, "user": "u"}]})));
        assert!(!kept.put("huge", json!("x".repeat(KEPT_BYTES_MAX))));
        assert_eq!(kept.get("huge"), None);
    }
}
