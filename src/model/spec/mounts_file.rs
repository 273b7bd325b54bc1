//! Reads what is mounted: the published `mountVolumes`, the same for a cluster and for a job. Called by their readers.

use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::mounts::MountVolumes;

/// Reads `mountVolumes`.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> MountVolumes {
    let empty = match field.value() {
        Value::Map(entries) => entries.iter().all(|entry| entry.value.value == Value::Null),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => false,
    };
    if !empty {
        field.fault(faults, "is not supported: this version mounts nothing; leave it out and use paths that the nodes have");
    }
    MountVolumes::default()
}
