//! Reads a cluster from a file: the published body, with or without the `properties` level, and our own additions
//! (`name`, `workspace`, `provider` and what belongs to it).

use crate::model::cost::Budget;
use crate::model::names::check_name;
use crate::model::spec::cluster::{ClusterSpec, Deallocation, ProviderSpec, ScaleSettings};
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::{Faults, Field, Fields};
use crate::model::spec::kept::Kept;
use crate::model::spec::{budget_file, machine_file, node_setup_file, pool_file, scale_file, slurm_file};
use crate::model::units::NodeCount;

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
    "cost",
    "nextScaling",
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
    /// What it may spend, when the file says so; ours.
    pub budget: Option<Budget>,
    /// What it is to be.
    pub spec: ClusterSpec,
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
        let mut budget = budget_of(&mut top, faults);
        let spec = match top.take("properties") {
            Some(properties) => {
                let mut inner = properties.map(faults)?.at_top();
                inner.ignore(READ_ONLY);
                inner.keep(LABELS, faults);
                name = name_of(&mut inner, "name", faults).or(name);
                workspace = name_of(&mut inner, "workspace", faults).or(workspace);
                budget = budget_of(&mut inner, faults).or(budget);
                top.finish(faults);
                read_properties(inner, faults)
            }
            None => read_properties(top, faults),
        };
        faults.sort();
        let kept = std::mem::take(&mut faults.kept);
        let spec = ClusterSpec { kept, ..spec? };
        (faults.errors.len() == before).then_some(Self { name, workspace, budget, spec })
    }
}

impl ClusterSpec {
    /// Reads what a cluster is to be; `None` when a fault was noted.
    pub fn read(doc: &Doc, faults: &mut Faults) -> Option<Self> {
        ClusterFile::read(doc, faults).map(|file| file.spec)
    }
}

fn budget_of(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Budget> {
    fields.take("budget").and_then(|field| budget_file::read(&field, faults))
}

fn name_of(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    fields.take(key).and_then(|field| field.checked(faults, check_name))
}

fn read_properties(mut fields: Fields<'_>, faults: &mut Faults) -> Option<ClusterSpec> {
    let vm_size = fields.take("vmSize").and_then(|field| field.text(faults));
    let said = slurm_file::Said::take(&mut fields, faults);
    let (slurm, rest, provider) = match said.places() {
        true => match slurm_file::read(said, &mut fields, faults) {
            Some(slurm_file::Placed { login, slurm, rest }) => {
                (Some(Box::new(slurm)), rest.map(Box::new), Some(ProviderSpec::Hosts { hosts: vec![login] }))
            }
            None => (None, None, None),
        },
        false => (None, None, pool_file::provider(&mut fields, &said, vm_size.is_some(), faults)),
    };
    let pool = pool_file::pool(&mut fields, faults);
    let scale = match &slurm {
        Some(_) => Some(one_door(fields.take("scaleSettings"), faults)),
        None => fields.need(faults, "scaleSettings").and_then(|field| scale_file::read(&field, faults)),
    };
    let machines = machine_file::read(&mut fields, faults);
    let node_setup = fields.take("nodeSetup").and_then(|field| node_setup_file::read(&field, faults));
    fields.finish(faults);
    Some(ClusterSpec {
        provider: provider?,
        scale_settings: scale?,
        vm_size,
        node_setup,
        machines: Box::new(machines),
        pool: Box::new(pool),
        slurm,
        rest,
        kept: Kept::default(),
    })
}

/// The one node of ours on a cluster of Slurm is the login node; how many there are is not ours to say.
fn one_door(field: Option<Field<'_>>, faults: &mut Faults) -> ScaleSettings {
    if let Some(field) = field {
        field.warn(faults, "has no effect with `backend: slurm`: how many nodes there are is Slurm's matter");
    }
    ScaleSettings::Manual { target_node_count: NodeCount(1), node_deallocation_option: Deallocation::default() }
}

#[cfg(test)]
mod tests;
