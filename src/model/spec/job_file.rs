//! Reads a job from a file: the published body, with or without the `properties` level, and our own additions
//! (`name`, `workspace`, `experiment`, `resources`, a cluster by plain name).
//!
//! What is published and has no effect here is never passed over in silence: what would change the run (other toolkits,
//! containers, mounts, secrets) is a fault by name, what would not is a warning. What the published tools print in
//! answers (states, times) is accepted and means nothing, so that their output can be used as a file.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::names::{check_name, check_variable};
use crate::model::spec::doc::{Doc, Value};
use crate::model::spec::fields::{Faults, Field, Fields, quoted};
use crate::model::spec::job::{
    Constraints, Demand, EnvironmentVariable, InputDirectory, JobPreparation, JobSpec, OutputDirectory, Priority, Resources,
    Toolkit,
};
use crate::model::spec::mounts::MountVolumes;
use crate::model::units::{Millis, NodeCount};

/// The most nodes one job may ask for: ten times the largest fleet that is measured.
pub const JOB_NODES_MAX: u32 = 10_000;
/// The most MPI processes one job may ask for: sixty-four on each node of the largest job.
pub const PROCESSES_MAX: u32 = 64 * JOB_NODES_MAX;
/// The most bytes that all variables of a job may have together: an eighth of what Linux takes for arguments and environment
/// at the usual stack limit of 8 MiB (execve(2): a quarter of the stack limit).
pub const ENVIRONMENT_BYTES_MAX: usize = 256 << 10;
/// The longest command line, in bytes: one argument of execve may have 128 KiB on Linux (MAX_ARG_STRLEN), and ours travels as one.
pub const COMMAND_BYTES_MAX: usize = 120 << 10;

/// Published toolkits that this version does not run.
const OTHER_TOOLKITS: &[&str] = &[
    "cntkSettings",
    "pyTorchSettings",
    "tensorFlowSettings",
    "caffeSettings",
    "caffe2Settings",
    "chainerSettings",
    "horovodSettings",
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
    "toolType",
    "jobOutputDirectoryPathSegment",
    "creationTime",
    "provisioningState",
    "provisioningStateTransitionTime",
    "executionState",
    "executionStateTransitionTime",
    "executionInfo",
    "nodes",
    "reason",
    "attempt",
    "requeues",
    "held",
    "waitOutcome",
];
const RUNS: &str = "this version runs `customToolkitSettings` and `customMpiSettings`";
const MOUNT_ROOTS: &[&str] = &["AZ_BATCHAI_MOUNT_ROOT", "AZ_BATCHAI_JOB_MOUNT_ROOT"];
const TEMP_DIRS: &[&str] = &["AZ_BATCHAI_JOB_TEMP", "AZ_BATCHAI_JOB_TEMP_DIR"];

/// A job as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFile {
    /// Its name, when the file gives one; ours.
    pub name: Option<String>,
    /// Its workspace, when the file gives one; ours.
    pub workspace: Option<String>,
    /// Its experiment, when the file gives one; ours.
    pub experiment: Option<String>,
    /// What to run.
    pub spec: JobSpec,
}

impl JobFile {
    /// Reads a job; `None` when a fault was noted that leaves nothing to return.
    pub fn read(doc: &Doc, faults: &mut Faults) -> Option<Self> {
        let before = faults.errors.len();
        let mut top = Field::root(doc).map(faults)?;
        top.ignore(READ_ONLY);
        let mut name = name_of(&mut top, "name", faults);
        let mut workspace = name_of(&mut top, "workspace", faults);
        let mut experiment = name_of(&mut top, "experiment", faults);
        let spec = match top.take("properties") {
            Some(properties) => {
                let mut inner = properties.map(faults)?.at_top();
                inner.ignore(READ_ONLY);
                name = name_of(&mut inner, "name", faults).or(name);
                workspace = name_of(&mut inner, "workspace", faults).or(workspace);
                experiment = name_of(&mut inner, "experiment", faults).or(experiment);
                top.finish(faults);
                read_properties(inner, faults)
            }
            None => read_properties(top, faults),
        };
        faults.sort();
        (faults.errors.len() == before).then_some(Self { name, workspace, experiment, spec: spec? })
    }
}

impl JobSpec {
    /// Reads what a job is to do; `None` when a fault was noted.
    pub fn read(doc: &Doc, faults: &mut Faults) -> Option<Self> {
        JobFile::read(doc, faults).map(|file| file.spec)
    }
}

fn name_of(fields: &mut Fields<'_>, key: &'static str, faults: &mut Faults) -> Option<String> {
    fields.take(key).and_then(|field| field.checked(faults, check_name))
}

fn read_properties(mut fields: Fields<'_>, faults: &mut Faults) -> Option<JobSpec> {
    let priorities = [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];
    let scheduling_priority = fields.take("schedulingPriority").and_then(|field| field.word(faults, &priorities));
    let cluster = fields.take("cluster").and_then(|field| cluster_name(&field, faults));
    let node_count = fields.need(faults, "nodeCount").and_then(|field| field.count(faults, 1, JOB_NODES_MAX));
    refuse_unsupported(&mut fields, faults);
    let toolkit = toolkit(&mut fields, faults);
    let job_preparation = fields.take("jobPreparation").and_then(|field| {
        let mut inner = field.map(faults)?;
        let command_line = command_line(&mut inner, faults);
        inner.finish(faults);
        Some(JobPreparation { command_line: command_line? })
    });
    let environment_variables =
        fields.take("environmentVariables").map(|field| environment(&field, faults)).unwrap_or_default();
    let std_out_err_path_prefix = fields.take("stdOutErrPathPrefix").and_then(|field| {
        let known = environment_variables.iter().map(|v| v.name.as_str()).chain(TEMP_DIRS.iter().copied()).collect();
        log_prefix(&field, &known, faults)
    });
    let input_directories = fields.take("inputDirectories").map(|field| inputs(&field, faults)).unwrap_or_default();
    let output_directories = fields.take("outputDirectories").map(|field| outputs(&field, faults)).unwrap_or_default();
    let constraints = fields.take("constraints").and_then(|field| constraints(&field, faults)).unwrap_or_default();
    let demand = fields.take("resources").and_then(|field| resources(&field, faults)).map(Demand::Part);
    fields.finish(faults);
    Some(JobSpec {
        cluster,
        scheduling_priority: scheduling_priority.unwrap_or_default(),
        node_count: NodeCount(node_count?),
        mount_volumes: MountVolumes::default(),
        container_settings: None,
        toolkit: toolkit?,
        job_preparation,
        std_out_err_path_prefix,
        input_directories,
        output_directories,
        environment_variables,
        secrets: Vec::new(),
        constraints,
        demand: demand.unwrap_or_default(),
    })
}

/// `{id: "/subscriptions/…/clusters/gpu"}`, where the last segment names the cluster, or a plain name.
fn cluster_name(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let id = match field.value() {
        Value::Map(_) => {
            let mut inner = field.map(faults)?;
            let id = inner.need(faults, "id");
            // The published tools add it to every object they print.
            inner.ignore(&["resourceGroup"]);
            inner.finish(faults);
            id?
        }
        Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::List(_) => field.clone(),
    };
    let text = id.text(faults)?;
    let name = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    match check_name(&name) {
        Ok(()) => Some(name),
        Err(why) => {
            id.fault(faults, why);
            None
        }
    }
}

fn refuse_unsupported(fields: &mut Fields<'_>, faults: &mut Faults) {
    for &key in OTHER_TOOLKITS {
        if let Some(field) = fields.take(key) {
            field.fault(faults, format!("is not supported; {RUNS}"));
        }
    }
    for (key, why) in [
        ("containerSettings", "jobs run on the host in this version; leave it out"),
        ("mountVolumes", "this version mounts nothing; leave it out and use paths that the nodes have"),
        ("secrets", "this version keeps no secrets; leave it out"),
    ] {
        let Some(field) = fields.take(key) else { continue };
        let empty = match field.value() {
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.iter().all(|entry| entry.value.value == Value::Null),
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) => false,
        };
        if !empty {
            field.fault(faults, format!("is not supported: {why}"));
        }
    }
}

fn toolkit(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Toolkit> {
    let other = OTHER_TOOLKITS.iter().any(|key| fields.had(key));
    let custom = fields.take("customToolkitSettings");
    let mpi = fields.take("customMpiSettings");
    match (custom, mpi) {
        (Some(field), None) => {
            let mut inner = field.map(faults)?;
            let command_line = command_line(&mut inner, faults);
            inner.finish(faults);
            Some(Toolkit::Custom { command_line: command_line? })
        }
        (None, Some(field)) => {
            let mut inner = field.map(faults)?;
            let command_line = command_line(&mut inner, faults);
            let process_count = inner.take("processCount").map(|field| field.count(faults, 1, PROCESSES_MAX));
            inner.finish(faults);
            Some(Toolkit::Mpi { command_line: command_line?, process_count: process_count.flatten() })
        }
        (Some(_), Some(mpi)) => {
            mpi.fault(faults, "stands beside `customToolkitSettings`; a job has exactly one toolkit");
            None
        }
        // The fault that names the other toolkit is enough.
        (None, None) if other => None,
        (None, None) => {
            fields.whole().fault(faults, format!("has no toolkit, so there is nothing to run; {RUNS}"));
            None
        }
    }
}

fn command_line(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<String> {
    fields.need(faults, "commandLine")?.checked(faults, |text| {
        if text.trim().is_empty() {
            return Err("is empty; there is nothing to run".to_owned());
        }
        if text.len() > COMMAND_BYTES_MAX {
            return Err(format!(
                "has {} bytes, the limit is {COMMAND_BYTES_MAX}; put it into a script on the nodes",
                text.len()
            ));
        }
        Ok(())
    })
}

fn environment(field: &Field<'_>, faults: &mut Faults) -> Vec<EnvironmentVariable> {
    let mut seen = BTreeSet::new();
    let mut variables = Vec::new();
    for item in field.list(faults) {
        let Some(mut inner) = item.map(faults) else { continue };
        let name = inner.need(faults, "name").and_then(|field| {
            let name = field.checked(faults, check_variable)?;
            if name.starts_with("AZ_BATCHAI_") {
                field.warn(faults, format!("{}: names like this are the scheduler's; its own value counts", quoted(&name)));
            }
            if !seen.insert(name.clone()) {
                field.fault(faults, format!("{} is set twice", quoted(&name)));
            }
            Some(name)
        });
        let value = inner.need(faults, "value").and_then(|field| field.scalar(faults));
        inner.finish(faults);
        if let (Some(name), Some(value)) = (name, value) {
            variables.push(EnvironmentVariable { name, value });
        }
    }
    let total: usize = variables.iter().map(|v| v.name.len() + v.value.len() + 2).sum();
    if total > ENVIRONMENT_BYTES_MAX {
        field.fault(faults, format!("the variables have {total} bytes together, the limit is {ENVIRONMENT_BYTES_MAX}"));
    }
    variables
}

/// Returns the names of the variables that a text refers to as `$NAME` or `${NAME}`.
pub fn references(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('{').unwrap_or(rest);
        let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        if end > 0 {
            found.push(&name[..end]);
        }
    }
    found
}

/// Logs are written before anything of the job runs, so their place must be known then.
fn log_prefix(field: &Field<'_>, known: &BTreeSet<&str>, faults: &mut Faults) -> Option<String> {
    let text = path(field, faults)?;
    let strange: Vec<String> =
        references(&text).into_iter().filter(|name| !known.contains(name)).map(|name| quoted(&format!("${name}"))).collect();
    if !strange.is_empty() {
        field.fault(
            faults,
            format!("{} is not set when logs are opened; use `$AZ_BATCHAI_JOB_TEMP_DIR` or an absolute path, or leave it out to keep logs in the node's spool", strange.join(", ")),
        );
        return None;
    }
    Some(text)
}

/// A path on a node: absolute or beginning with a variable, not below a mount that is not there.
fn path(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let text = field.text(faults)?;
    if let Some(root) = references(&text).into_iter().find(|name| MOUNT_ROOTS.contains(name)) {
        field.fault(faults, format!("`${root}` is not there: this version mounts nothing"));
        return None;
    }
    if !text.starts_with(['/', '$']) {
        field.fault(faults, format!("{} must be an absolute path or begin with a variable", quoted(&text)));
        return None;
    }
    if text.split('/').any(|part| part == "..") {
        field.fault(faults, format!("{} has `..` in it", quoted(&text)));
        return None;
    }
    Some(text)
}

fn directory_id(fields: &mut Fields<'_>, seen: &mut BTreeMap<String, String>, faults: &mut Faults) -> Option<String> {
    let field = fields.need(faults, "id")?;
    let id = field.checked(faults, |id| {
        let fits = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if fits {
            Ok(())
        } else {
            Err(format!("{} must be letters, digits and _, as part of a variable's name", quoted(id)))
        }
    })?;
    match seen.insert(id.clone(), id.clone()) {
        Some(_) => {
            field.fault(faults, format!("{} is used twice; ids of directories are unique in a list", quoted(&id)));
            None
        }
        None => Some(id),
    }
}

fn inputs(field: &Field<'_>, faults: &mut Faults) -> Vec<InputDirectory> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for item in field.list(faults) {
        let Some(mut inner) = item.map(faults) else { continue };
        let id = directory_id(&mut inner, &mut seen, faults);
        let path = inner.need(faults, "path").and_then(|field| path(&field, faults));
        inner.finish(faults);
        if let (Some(id), Some(path)) = (id, path) {
            found.push(InputDirectory { id, path });
        }
    }
    found
}

fn outputs(field: &Field<'_>, faults: &mut Faults) -> Vec<OutputDirectory> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for item in field.list(faults) {
        let Some(mut inner) = item.map(faults) else { continue };
        let id = directory_id(&mut inner, &mut seen, faults);
        let path_prefix = inner.need(faults, "pathPrefix").and_then(|field| path(&field, faults));
        let path_suffix = inner.take("pathSuffix").and_then(|field| {
            field.checked(faults, |text| {
                let inside = !text.starts_with('/') && text.split('/').all(|part| part != "..");
                if inside { Ok(()) } else { Err(format!("{} must stay inside the output directory", quoted(text))) }
            })
        });
        // Published and without effect in the versions that have them.
        inner.ignore(&["type", "createNew"]);
        inner.finish(faults);
        if let (Some(id), Some(path_prefix)) = (id, path_prefix) {
            found.push(OutputDirectory { id, path_prefix, path_suffix: path_suffix.filter(|suffix| !suffix.is_empty()) });
        }
    }
    found
}

fn constraints(field: &Field<'_>, faults: &mut Faults) -> Option<Constraints> {
    let mut inner = field.map(faults)?;
    let limit = inner.take("maxWallClockTime").and_then(|field| {
        let span = field.span(faults)?;
        if span == Millis(0) {
            field.fault(faults, "0 would end the job at once; leave it out for the default of 7 days");
            return None;
        }
        Some(span)
    });
    inner.finish(faults);
    limit.map(|max_wall_clock_time| Constraints { max_wall_clock_time })
}

fn resources(field: &Field<'_>, faults: &mut Faults) -> Option<Resources> {
    let mut inner = field.map(faults)?;
    let cpus_milli = inner.take("cpus").and_then(|field| field.thousandths(faults)).unwrap_or_default();
    let memory = inner.take("memory").and_then(|field| field.bytes(faults)).unwrap_or_default();
    let gpus_milli = inner.take("gpus").and_then(|field| field.thousandths(faults)).unwrap_or_default();
    inner.finish(faults);
    Some(Resources { cpus_milli, memory, gpus_milli, other: BTreeMap::new() })
}

#[cfg(test)]
mod tests;
