//! Reads how many nodes a cluster is to have: exactly one of the published forms. Called by the reader of clusters alone.

use crate::model::names::HOSTS_MAX;
use crate::model::spec::cluster::{Deallocation, ScaleSettings};
use crate::model::spec::fields::{Faults, Field};
use crate::model::units::NodeCount;

/// The most nodes a cluster may be asked to have: as many as one list of hosts may give.
pub const CLUSTER_NODES_MAX: u32 = HOSTS_MAX as u32;

/// The words for [`Deallocation`], as published.
pub const DEALLOCATIONS: [(&str, Deallocation); 3] = [
    ("requeue", Deallocation::Requeue),
    ("terminate", Deallocation::Terminate),
    ("waitforjobcompletion", Deallocation::WaitForJobCompletion),
];

/// Reads `scaleSettings`; `None` when a fault was noted.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<ScaleSettings> {
    let mut inner = field.map(faults)?;
    let manual = inner.take("manual");
    let auto = inner.take("autoScale");
    if let Some(auto) = &auto {
        auto.fault(faults, "is not supported: this version scales by hand; use `manual` with `targetNodeCount`");
    }
    if manual.is_none() && auto.is_none() {
        field.fault(faults, "has no `manual` with `targetNodeCount`");
    }
    let settings = manual.and_then(|manual| {
        let mut manual = manual.map(faults)?;
        let target = manual.need(faults, "targetNodeCount").and_then(|field| field.count(faults, 0, CLUSTER_NODES_MAX));
        let option = manual.take("nodeDeallocationOption").and_then(|field| field.word(faults, &DEALLOCATIONS));
        manual.finish(faults);
        Some(ScaleSettings::Manual {
            target_node_count: NodeCount(target?),
            node_deallocation_option: option.unwrap_or_default(),
        })
    });
    inner.finish(faults);
    settings
}
