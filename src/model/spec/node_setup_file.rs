//! Reads what is done on each node of a cluster: the published `nodeSetup`. Called by the reader of clusters alone.

use crate::model::spec::doc::Value;
use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::node_setup::NodeSetup;

/// Reads `nodeSetup`; `None` when there is nothing to do or a fault was noted.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<NodeSetup> {
    let mut inner = field.map(faults)?;
    for key in ["setupTask", "mountVolumes"] {
        let found = inner.take(key);
        if let Some(field) = found.filter(|field| !matches!(field.value(), Value::Map(entries) if entries.is_empty())) {
            field.fault(faults, "is not supported by this version; leave it out and prepare the nodes beforehand");
        }
    }
    if let Some(field) = inner.take("performanceCountersSettings") {
        field.warn(faults, "is not used: counters are not sent anywhere");
    }
    inner.finish(faults);
    None
}
