//! Reads what is done on each node of a cluster: the published `nodeSetup`. Called by the reader of clusters alone.

use crate::model::spec::fields::{Faults, Field};
use crate::model::spec::job_file::{command_line, environment};
use crate::model::spec::node_setup::{NodeSetup, SetupTask};
use crate::model::spec::{mounts_file, secret_file};

/// Reads `nodeSetup`; `None` when there is nothing to do or a fault was noted.
pub(super) fn read(field: &Field<'_>, faults: &mut Faults) -> Option<NodeSetup> {
    let before = faults.errors.len();
    let mut inner = field.map(faults)?;
    let setup_task = inner.take("setupTask").and_then(|field| task(&field, faults));
    let mount_volumes = inner.take("mountVolumes").map(|field| mounts_file::read(&field, faults)).unwrap_or_default();
    if let Some(field) = inner.take("performanceCountersSettings") {
        field.warn(faults, "is not used: counters are not sent anywhere");
    }
    inner.finish(faults);
    let nothing = setup_task.is_none() && mount_volumes.is_empty();
    (!nothing && faults.errors.len() == before).then_some(NodeSetup { setup_task, mount_volumes })
}

fn task(field: &Field<'_>, faults: &mut Faults) -> Option<SetupTask> {
    let mut inner = field.map(faults)?;
    // What published answers hold beside what was asked for, and a flag of the older API (it is always root).
    inner.ignore(&["stdOutErrPathSuffix", "runElevated"]);
    let command_line = command_line(&mut inner, faults);
    let std_out_err_path_prefix = inner.take("stdOutErrPathPrefix").and_then(|field| {
        field.checked(faults, |text| match () {
            () if !text.starts_with(['/', '$']) => Err("must be an absolute path or begin with a variable".to_owned()),
            () if text.split('/').any(|part| part == "..") => Err("has `..` in it".to_owned()),
            () => Ok(()),
        })
    });
    let environment_variables =
        inner.take("environmentVariables").map(|field| environment(&field, faults)).unwrap_or_default();
    let secrets =
        inner.take("secrets").map(|field| secret_file::read(&field, &environment_variables, faults)).unwrap_or_default();
    inner.finish(faults);
    Some(SetupTask { command_line: command_line?, std_out_err_path_prefix, environment_variables, secrets })
}
