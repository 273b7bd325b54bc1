//! Reads how many nodes a cluster is to have: exactly one of the published forms. Called by the reader of clusters alone.

use crate::model::names::HOSTS_MAX;
use crate::model::spec::cluster::{AutoScale, Deallocation, GPU_IDLE_MIN, GPU_IDLE_THEN, GpuIdle, ScaleSettings};
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
    if let (Some(_), Some(auto)) = (&manual, &auto) {
        auto.fault(faults, "stands beside `manual`; give exactly one of them");
    }
    if manual.is_none() && auto.is_none() {
        field.fault(faults, "has neither `manual` with `targetNodeCount` nor `autoScale` with its bounds");
    }
    let auto = auto.and_then(|auto| read_auto(&auto, faults));
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
    settings.or(auto.map(ScaleSettings::AutoScale))
}

fn read_auto(field: &Field<'_>, faults: &mut Faults) -> Option<AutoScale> {
    let mut auto = field.map(faults)?;
    let least = auto.need(faults, "minimumNodeCount").and_then(|field| field.count(faults, 0, CLUSTER_NODES_MAX));
    let most = auto.need(faults, "maximumNodeCount").and_then(|field| field.count(faults, 1, CLUSTER_NODES_MAX));
    let initial = auto.take("initialNodeCount");
    let idle = auto.take("idleTime");
    let first = initial.as_ref().and_then(|field| field.count(faults, 0, CLUSTER_NODES_MAX));
    let gpu_idle = auto.take("gpuIdle").and_then(|field| read_gpu_idle(&field, faults));
    let span = idle.as_ref().and_then(|field| field.span(faults));
    auto.finish(faults);
    let (least, most) = (least?, most?);
    if least > most {
        field.fault(faults, format!("minimumNodeCount {least} is above maximumNodeCount {most}"));
        return None;
    }
    if let (Some(field), Some(first)) = (&initial, first)
        && !(least..=most).contains(&first)
    {
        field.fault(faults, format!("must be {least} to {most}, got {first}"));
    }
    let settings = AutoScale::new(NodeCount(least), NodeCount(most), NodeCount(first.unwrap_or(least)));
    Some(AutoScale { idle: span.unwrap_or(settings.idle), gpu_idle, ..settings })
}

fn read_gpu_idle(field: &Field<'_>, faults: &mut Faults) -> Option<GpuIdle> {
    let mut rule = field.map(faults)?;
    let after = rule.need(faults, "after").and_then(|field| {
        let span = field.span(faults)?;
        if span < GPU_IDLE_MIN {
            field.fault(faults, format!("must be {GPU_IDLE_MIN} at least"));
        }
        Some(span)
    });
    let then = rule.take("then").and_then(|field| field.word(faults, &GPU_IDLE_THEN));
    rule.finish_strictly(faults);
    Some(GpuIdle { after: after?, then: then.unwrap_or_default() })
}
