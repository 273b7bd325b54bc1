//! Reads a cluster from a file: the published body, with or without the `properties` level, and our own additions
//! (`name`, `workspace`, `provider`, `hosts`).

use std::collections::BTreeSet;

use crate::model::names::{HOSTS_MAX, check_host, check_name, expand_hosts};
use crate::model::spec::cluster::{ClusterSpec, ProviderSpec};
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::{Faults, Field, Fields, quoted};
use crate::model::spec::kept::Kept;
use crate::model::spec::{machine_file, node_setup_file, scale_file};

/// What published answers hold beside what was asked for.
const READ_ONLY: &[&str] = &[
    "$schema",
    "id",
    "resourceId",
    "type",
    "apiVersion",
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

/// What has no effect and needs no word: notes of people, and the labels that every resource of the older API had.
const LABELS: &[&str] = &["comment", "location", "tags"];

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
        top.keep(LABELS, faults);
        let mut name = name_of(&mut top, "name", faults);
        let mut workspace = name_of(&mut top, "workspace", faults);
        let spec = match top.take("properties") {
            Some(properties) => {
                let mut inner = properties.map(faults)?.at_top();
                inner.ignore(READ_ONLY);
                inner.keep(LABELS, faults);
                name = name_of(&mut inner, "name", faults).or(name);
                workspace = name_of(&mut inner, "workspace", faults).or(workspace);
                top.finish(faults);
                read_properties(inner, faults)
            }
            None => read_properties(top, faults),
        };
        faults.sort();
        let kept = std::mem::take(&mut faults.kept);
        let spec = ClusterSpec { kept, ..spec? };
        (faults.errors.len() == before).then_some(Self { name, workspace, spec })
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
    let provider = provider(&mut fields, vm_size.is_some(), faults);
    let scale = fields.need(faults, "scaleSettings").and_then(|field| scale_file::read(&field, faults));
    let machines = machine_file::read(&mut fields, faults);
    let node_setup = fields.take("nodeSetup").and_then(|field| node_setup_file::read(&field, faults));
    fields.finish(faults);
    Some(ClusterSpec {
        provider: provider?,
        scale_settings: scale?,
        vm_size,
        node_setup,
        machines: Box::new(machines),
        kept: Kept::default(),
    })
}

fn provider(fields: &mut Fields<'_>, has_class: bool, faults: &mut Faults) -> Option<ProviderSpec> {
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
        (None, None) if has_class => Some(ProviderSpec::Class),
        (Some(Kind::Hosts) | None, None) => {
            fields.whole().fault(
                faults,
                "has no nodes: give `hosts`, as `node[1-4]`, or `provider: local` for nodes that are this machine, or in `vmSize` a \
                 node class of the configuration",
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

#[cfg(test)]
mod tests;
