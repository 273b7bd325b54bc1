//! Reads the published `secrets` of a job or a set-up task. Called by their readers.

use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::secret::Secret;

/// Reads a list of secrets.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Vec<Secret> {
    let empty = match field.value() {
        Value::List(items) => items.is_empty(),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_) => false,
    };
    if !empty {
        field.fault(faults, "is not supported: this version keeps no secrets; leave it out");
    }
    Vec::new()
}
