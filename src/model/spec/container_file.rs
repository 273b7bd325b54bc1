//! Reads the container of a job: the published `containerSettings`. Called by the reader of jobs alone.

use crate::model::spec::container::ContainerSettings;
use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field};

/// Reads `containerSettings`; `None` when a fault was noted.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<ContainerSettings> {
    let empty = match field.value() {
        Value::Map(entries) => entries.iter().all(|entry| entry.value.value == Value::Null),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => false,
    };
    if !empty {
        field.fault(faults, "is not supported: jobs run on the host in this version; leave it out");
    }
    None
}
