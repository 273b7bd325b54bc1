//! Reads a job from a file: the published body, with or without the `properties` level, and our own additions
//! (`name`, `workspace`, `experiment`, `resources`, a cluster by plain name).
//!
//! Each published object has a reader of its own (`toolkit_file`, `mounts_file`, …); this one puts them together. What is
//! published and has no effect here is never passed over in silence: it is named in a warning, and kept. What older
//! versions of the API had (reference §0.3) is understood. What the published tools print in answers (states, times) is
//! accepted and means nothing, so that their output can be used as a file.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::names::{check_name, check_variable};
use crate::model::resource_id::ResourceId;
use crate::model::spec::doc::Doc;
use crate::model::spec::fields::{Faults, Field, Fields, quoted};
use crate::model::spec::job::{
    Constraints, Demand, EnvironmentVariable, InputDirectory, JobPreparation, JobSpec, OutputDirectory, Priority, Resources,
};
use crate::model::spec::kept::Kept;
use crate::model::spec::{
    code_file, container_file, metrics_file, mounts_file, scheduling_file, secret_file, slurm_file, toolkit_file,
};
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

/// The largest count of a named resource.
const NAMED_COUNT_MAX: u32 = 1_000_000;

/// What published answers hold beside what was asked for.
const READ_ONLY: &[&str] = &[
    "$schema",
    "id",
    "resourceId",
    "type",
    "apiVersion",
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
    "estimatedStartTime",
    "arrayIndex",
    "arrayOf",
    "dependencies",
    "efficiency",
];
/// What has no effect and needs no word: notes of people, and the labels that every resource of the older API had.
const LABELS: &[&str] = &["comment", "location", "tags"];
/// The bounds of the older API's `priority`.
const OLD_PRIORITY: std::ops::RangeInclusive<i64> = -1000..=1000;
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
        known(&mut top, faults);
        let mut name = name_of(&mut top, "name", faults);
        let mut workspace = name_of(&mut top, "workspace", faults);
        let mut experiment = experiment_of(&mut top, faults);
        let spec = match top.take("properties") {
            Some(properties) => {
                let mut inner = properties.map(faults)?.at_top();
                known(&mut inner, faults);
                name = name_of(&mut inner, "name", faults).or(name);
                workspace = name_of(&mut inner, "workspace", faults).or(workspace);
                experiment = experiment_of(&mut inner, faults).or(experiment);
                top.finish(faults);
                read_properties(inner, faults)
            }
            None => read_properties(top, faults),
        };
        faults.sort();
        let kept = std::mem::take(&mut faults.kept);
        let spec = JobSpec { kept, ..spec? };
        (faults.errors.len() == before).then_some(Self { name, workspace, experiment, spec })
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

fn known(fields: &mut Fields<'_>, faults: &mut Faults) {
    fields.ignore(READ_ONLY);
    // Read by who makes a sweep of the file.
    fields.ignore(&["sweep", "sweepMember", "parameters"]);
    fields.keep(LABELS, faults);
}

/// Ours, or that of the older API, where an experiment was a word on the job.
fn experiment_of(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<String> {
    let ours = name_of(fields, "experiment", faults);
    let old = name_of(fields, "experimentName", faults);
    ours.or(old)
}

/// `schedulingPriority`, or the older API's number, of which only the sign has a meaning here.
fn priority(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<Priority> {
    let priorities = [("low", Priority::Low), ("normal", Priority::Normal), ("high", Priority::High)];
    let new = fields.take("schedulingPriority").and_then(|field| field.word(faults, &priorities));
    let old = fields.take("priority").and_then(|field| {
        let number = field.signed(faults, *OLD_PRIORITY.start(), *OLD_PRIORITY.end())?;
        let (word, priority) = match number {
            ..0 => ("low", Priority::Low),
            0 => ("normal", Priority::Normal),
            1.. => ("high", Priority::High),
        };
        let counts =
            if new.is_some() { "`schedulingPriority` counts".to_owned() } else { format!("read as {}", quoted(word)) };
        field.warn(faults, format!("is of an older API, in which priorities were numbers; {counts}"));
        Some(priority)
    });
    new.or(old)
}

fn read_properties(mut fields: Fields<'_>, faults: &mut Faults) -> Option<JobSpec> {
    let scheduling_priority = priority(&mut fields, faults);
    let cluster = fields.take("cluster").and_then(|field| cluster_name(&field, faults));
    let node_count = fields.need(faults, "nodeCount").and_then(|field| field.count(faults, 1, JOB_NODES_MAX));
    let toolkit = toolkit_file::read(&mut fields, node_count, faults);
    let code = fields.take("code").and_then(|field| code_file::read(&field, faults)).map(Box::new);
    let mount_volumes =
        fields.take("mountVolumes").map(|field| mounts_file::read(&field, faults).into()).unwrap_or_default();
    let container_settings =
        fields.take("containerSettings").and_then(|field| container_file::read(&field, faults)).map(Box::new);
    let job_preparation = fields.take("jobPreparation").and_then(|field| {
        let mut inner = field.map(faults)?;
        let command_line = command_line(&mut inner, faults);
        inner.finish(faults);
        Some(JobPreparation { command_line: command_line? })
    });
    let environment_variables =
        fields.take("environmentVariables").map(|field| environment(&field, faults)).unwrap_or_default();
    let secrets =
        fields.take("secrets").map(|field| secret_file::read(&field, &environment_variables, faults)).unwrap_or_default();
    let std_out_err_path_prefix = fields.take("stdOutErrPathPrefix").and_then(|field| {
        let known = environment_variables
            .iter()
            .map(|v| v.name.as_str())
            .chain(TEMP_DIRS.iter().chain(MOUNT_ROOTS).copied())
            .collect();
        log_prefix(&field, &known, faults)
    });
    let input_directories = fields.take("inputDirectories").map(|field| inputs(&field, faults)).unwrap_or_default();
    let output_directories = fields.take("outputDirectories").map(|field| outputs(&field, faults)).unwrap_or_default();
    let constraints = fields.take("constraints").and_then(|field| constraints(&field, faults)).unwrap_or_default();
    let demand = fields.take("resources").and_then(|field| resources(&field, faults)).map(Demand::Part);
    let ssh_among_nodes = fields.take("sshAmongNodes").and_then(|field| {
        let wanted = field.truth(faults)?;
        if wanted && container_settings.is_some() {
            field.fault(faults, "comes to the hosts, not into containers; their launchers need no ssh");
        }
        Some(wanted)
    });
    let slurm = fields.take("slurm").and_then(|field| slurm_file::asked(&field, faults)).map(Box::new);
    let scheduling = scheduling_file::read(&mut fields, faults).into();
    let metrics = fields.take("metrics").and_then(|field| metrics_file::read(&field, faults)).map(Box::new);
    fields.finish(faults);
    Some(JobSpec {
        cluster,
        scheduling_priority: scheduling_priority.unwrap_or_default(),
        node_count: NodeCount(node_count?),
        code,
        mount_volumes,
        container_settings,
        toolkit: toolkit?,
        job_preparation,
        std_out_err_path_prefix,
        input_directories,
        output_directories,
        environment_variables,
        secrets,
        constraints,
        demand: demand.unwrap_or_default(),
        ssh_among_nodes: ssh_among_nodes.unwrap_or_default(),
        slurm,
        scheduling,
        metrics,
        kept: Kept::default(),
    })
}

/// `{id: "/subscriptions/…/clusters/gpu"}`, or a plain name. An id is kept whole: it may name another workspace.
fn cluster_name(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    field.id(faults)?.checked(faults, |text| match ResourceId::is_meant(text) {
        true => ResourceId::cluster(text).map(|_| ()),
        false => check_name(text),
    })
}

/// Reads the required `commandLine` of a map.
pub(super) fn command_line(fields: &mut Fields<'_>, faults: &mut Faults) -> Option<String> {
    let field = fields.need(faults, "commandLine")?;
    let line = field.checked(faults, |text| {
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
    })?;
    warn_of_returns(&field, &line, faults);
    Some(line)
}

/// A file saved with CR LF and pasted into another one is a common slip, and the fault comes late, on the node.
pub(super) fn warn_of_returns(field: &Field<'_>, line: &str, faults: &mut Faults) {
    if let Some(at) = line.split('\n').position(|line| line.ends_with('\r')) {
        let number = at + 1;
        let what = format!("line {number} ends in a carriage return, which a shell takes as part of the word before it");
        field.warn(faults, what);
    }
}

/// Reads a list of variables; their names are checked and no two the same.
pub(super) fn environment(field: &Field<'_>, faults: &mut Faults) -> Vec<EnvironmentVariable> {
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

/// A path on a node: absolute or beginning with a variable. Whether anything is mounted there is the launch plan's matter.
fn path(field: &Field<'_>, faults: &mut Faults) -> Option<String> {
    let text = field.text(faults)?;
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
        older_output(&mut inner, faults);
        inner.finish(faults);
        if let (Some(id), Some(path_prefix)) = (id, path_prefix) {
            found.push(OutputDirectory { id, path_prefix, path_suffix: path_suffix.filter(|suffix| !suffix.is_empty()) });
        }
    }
    found
}

/// What the older API had: a label, and whether the directory is made. Here it always is, as in the newer one.
fn older_output(fields: &mut Fields<'_>, faults: &mut Faults) {
    fields.keep(&["type"], faults);
    let create = fields.take("createNew").and_then(|field| field.truth(faults).map(|truth| (field, truth)));
    if let Some((field, false)) = create {
        field.warn(
            faults,
            "is of an older API and not used: the directory is made, below the job's own part of the path; \
             an inputDirectories entry names a directory as it is",
        );
    }
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

/// Reads a count of something that is neither CPU, GPU nor memory: licences, slots of a device.
pub(super) fn named_count(name: &str, field: &Field<'_>, faults: &mut Faults) -> Option<(String, u64)> {
    if let Err(what) = check_name(name) {
        field.fault(faults, what);
        return None;
    }
    Some((name.to_owned(), field.count(faults, 0, NAMED_COUNT_MAX)?.into()))
}

fn resources(field: &Field<'_>, faults: &mut Faults) -> Option<Resources> {
    let mut resources = Resources::default();
    let before = faults.errors.len();
    for (name, value) in field.entries(faults) {
        match name.as_str() {
            "cpus" => resources.cpus_milli = value.thousandths(faults).unwrap_or_default(),
            "memory" => resources.memory = value.bytes(faults).unwrap_or_default(),
            "gpus" => resources.gpus_milli = value.thousandths(faults).unwrap_or_default(),
            _ => resources.other.extend(named_count(&name, &value, faults).filter(|(_, count)| *count > 0)),
        }
    }
    // Any number of such jobs would fit on one node at once.
    if resources == Resources::default() && faults.errors.len() == before {
        field.fault(faults, "asks nothing of a node; leave it out for whole nodes");
    }
    Some(resources)
}

#[cfg(test)]
mod tests;
