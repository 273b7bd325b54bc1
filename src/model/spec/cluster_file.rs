//! Reads a cluster from a file: the published body, with or without the `properties` level, and our own additions
//! (`name`, `workspace`, `provider`, `hosts`).

use std::collections::BTreeSet;

use crate::model::names::{HOSTS_MAX, check_host, check_name, expand_hosts};
use crate::model::spec::cluster::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::{Faults, Field, Fields, quoted};
use crate::model::units::NodeCount;

/// The most nodes a cluster may be asked to have: as many as one list of hosts may give.
pub const CLUSTER_NODES_MAX: u32 = HOSTS_MAX as u32;

/// The words for [`Deallocation`], as published.
pub const DEALLOCATIONS: [(&str, Deallocation); 3] = [
    ("requeue", Deallocation::Requeue),
    ("terminate", Deallocation::Terminate),
    ("waitforjobcompletion", Deallocation::WaitForJobCompletion),
];

/// What published answers hold beside what was asked for.
const READ_ONLY: &[&str] = &[
    "$schema",
    "comment",
    "id",
    "type",
    "apiVersion",
    "location",
    "resourceGroup",
    "allocationState",
    "allocationStateTransitionTime",
    "creationTime",
    "currentNodeCount",
    "errors",
    "nodeStateCounts",
    "provisioningState",
    "provisioningStateTransitionTime",
    "targetNodeCount",
    "queuedJobCount",
    "nodes",
];

/// A cluster as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFile {
    /// Its name, when the file gives one; ours.
    pub name: Option<String>,
    /// Its workspace, when the file gives one; ours.
    pub workspace: Option<String>,
    /// What it is to be.
    pub spec: ClusterSpec,
}

#[derive(Clone, Copy)]
enum Kind {
    Hosts,
    Local,
}

impl ClusterFile {
    /// Reads a cluster; `None` when a fault was noted.
    pub fn read(doc: &Doc, faults: &mut Faults) -> Option<Self> {
        let before = faults.errors.len();
        let mut top = Field::root(doc).map(faults)?;
        top.ignore(READ_ONLY);
        let mut name = name_of(&mut top, "name", faults);
        let mut workspace = name_of(&mut top, "workspace", faults);
        let spec = match top.take("properties") {
            Some(properties) => {
                let mut inner = properties.map(faults)?.at_top();
                inner.ignore(READ_ONLY);
                name = name_of(&mut inner, "name", faults).or(name);
                workspace = name_of(&mut inner, "workspace", faults).or(workspace);
                top.finish(faults);
                read_properties(inner, faults)
            }
            None => read_properties(top, faults),
        };
        faults.sort();
        (faults.errors.len() == before).then_some(Self { name, workspace, spec: spec? })
    }
}

impl ClusterSpec {
    /// Reads what a cluster is to be; `None` when a fault was noted.
    pub fn read(doc: &Doc, faults: &mut Faults) -> Option<Self> {
        ClusterFile::read(doc, faults).map(|file| file.spec)
    }
}

fn name_of(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    fields.take(key).and_then(|field| field.checked(faults, check_name))
}

fn read_properties(mut fields: Fields<'_>, faults: &mut Faults) -> Option<ClusterSpec> {
    let vm_size = fields.take("vmSize").and_then(|field| field.text(faults));
    let provider = provider(&mut fields, faults);
    let scale = fields.need(faults, "scaleSettings").and_then(|field| scale_settings(&field, faults));
    unused(&mut fields, faults);
    fields.finish(faults);
    Some(ClusterSpec { provider: provider?, scale_settings: scale?, vm_size, node_setup: None })
}

fn provider(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<ProviderSpec> {
    let kind_field = fields.take("provider");
    let hosts_field = fields.take("hosts");
    let kind = match &kind_field {
        Some(field) => Some(field.word(faults, &[("hosts", Kind::Hosts), ("local", Kind::Local)])?),
        None => None,
    };
    match (kind, hosts_field) {
        (Some(Kind::Local), None) => Some(ProviderSpec::Local),
        (Some(Kind::Local), Some(hosts)) => {
            hosts.fault(faults, "has no meaning with the provider `local`, whose nodes are this machine");
            None
        }
        (Some(Kind::Hosts) | None, Some(field)) => hosts(&field, faults).map(|hosts| ProviderSpec::Hosts { hosts }),
        (Some(Kind::Hosts) | None, None) => {
            fields.whole().fault(
                faults,
                "has no nodes: give `hosts`, as `node[1-4]`, or `provider: local` for nodes that are this machine",
            );
            None
        }
    }
}

/// One text with ranges, or a list of such texts.
fn hosts(field: &Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let items = match field.value() {
        Value::List(_) => field.list(faults),
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Map(_) => vec![field.clone()],
    };
    let before = faults.errors.len();
    let mut hosts = Vec::new();
    let mut seen = BTreeSet::new();
    for item in items {
        let Some(text) = item.text(faults) else { continue };
        match expand_hosts(&text).and_then(|found| found.iter().try_for_each(|host| check_host(host)).map(|()| found)) {
            Ok(found) => {
                for host in found {
                    if !seen.insert(host.to_ascii_lowercase()) {
                        item.fault(faults, format!("the host {} is named twice", quoted(&host)));
                    }
                    hosts.push(host);
                }
            }
            Err(why) => item.fault(faults, why),
        }
    }
    if hosts.is_empty() && faults.errors.len() == before {
        field.fault(faults, "names no host");
    }
    if hosts.len() > HOSTS_MAX {
        field.fault(faults, format!("names {} hosts, the limit is {HOSTS_MAX}", hosts.len()));
    }
    (faults.errors.len() == before).then_some(hosts)
}

fn scale_settings(field: &Field<'_>, faults: &mut Faults) -> Option<ScaleSettings> {
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

/// What is published and has no effect on machines that exist: said, and never passed over in silence. A set-up task or
/// a mount would change what jobs find, so those are faults.
fn unused(fields: &mut Fields<'_>, faults: &mut Faults) {
    for (key, why) in [
        ("userAccountSettings", "sign-in is ssh's own matter (your ~/.ssh/config, or `user@host`)"),
        ("virtualMachineConfiguration", "the nodes are machines that exist"),
        ("subnet", "the nodes are machines that exist"),
    ] {
        if let Some(field) = fields.take(key) {
            field.warn(faults, format!("is not used: {why}"));
        }
    }
    let priority = fields.take("vmPriority").and_then(|field| {
        let low = field.word(faults, &[("dedicated", false), ("lowpriority", true)])?;
        low.then_some(field)
    });
    if let Some(field) = priority {
        field.warn(faults, "is not used: the nodes are machines that exist and are all alike");
    }
    let Some(setup) = fields.take("nodeSetup") else { return };
    let Some(mut inner) = setup.map(faults) else { return };
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
}

#[cfg(test)]
mod tests;
