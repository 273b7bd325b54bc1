//! The set-up of a node of a cluster: leftovers are undone, the cluster's mounts are made, its set-up task is run.

use crate::frameworks::expand::{Scope, quoted};
use crate::frameworks::mounts;
use crate::frameworks::plan::file_word;
use crate::frameworks::setup::{Step, call_of, process_of};
use crate::model::fault::Fault;
use crate::model::ids::RankKey;
use crate::model::launch::{Launch, NodePlace};
use crate::model::spec::NodeSetup;
use crate::model::spec::node_setup::SetupTask;
use crate::model::volume::Volume;

/// Returns what sets a node up. `suffix` is what follows the prefix in the path of the task's logs.
///
/// # Errors
/// A prefix that cannot be resolved.
pub fn set_up_node(
    place: &NodePlace,
    key: RankKey,
    setup: Option<&NodeSetup>,
    volumes: &[Volume],
    suffix: &str,
) -> Result<Launch, Fault> {
    let root = format!("{}/mounts/cluster", place.root);
    let mut steps = vec![sweep(&format!("{}/mounts/jobs", place.root)), sweep(&root)];
    steps.extend(mounts::steps(volumes, &root));
    let task = setup.and_then(|setup| setup.setup_task.as_ref());
    let scope = task.map(|task| scope(task, place, suffix)).transpose()?;
    if let (Some(task), Some((scope, logs))) = (task, &scope) {
        steps.push(Step {
            what: "set-up task".to_owned(),
            call: ["run_task", logs, &file_word(&place.name), &format!("{}{}", scope.exports(), task.command_line)]
                .map(str::to_owned)
                .to_vec(),
            undo: None,
            code: "SetupTaskFailed",
            headline: "The set-up task failed".to_owned(),
            detail: ("logs", logs.clone()),
            secrets: task.secrets.clone(),
        });
    }
    let text: String = steps.iter().map(call_of).collect();
    let log = format!("{}/setup/{}.log", place.root, key.job.0);
    let mut launch = process_of(place, 0, key, &text, Some(log));
    launch.dirs.push(root);
    launch.env = scope.map(|(scope, _)| scope.literals()).unwrap_or_default();
    launch.secrets = steps.into_iter().flat_map(|step| step.secrets).collect();
    Ok(launch)
}

/// Returns what undoes all mounts of a node that is given back: those of its cluster, and what a job may have left.
pub fn undo_node_setup(place: &NodePlace, key: RankKey) -> Launch {
    let roots = ["jobs", "cluster"].map(|level| format!("{}/mounts/{level}", place.root));
    let text: String = roots.iter().map(|root| format!("undo undo_below {}\n", quoted(root))).collect();
    let log = format!("{}/setup/{}.log", place.root, key.job.0);
    process_of(place, 0, key, &format!("{text}over\n"), Some(log))
}

/// Returns the absolute path of the folder with the logs of a cluster's set-up task on a node.
///
/// # Errors
/// A prefix that cannot be resolved.
pub fn task_logs(place: &NodePlace, task: &SetupTask, suffix: &str) -> Result<String, Fault> {
    scope(task, place, suffix).map(|(_, logs)| logs)
}

fn scope(task: &SetupTask, place: &NodePlace, suffix: &str) -> Result<(Scope, String), Fault> {
    let mut scope = Scope::default();
    scope.put("AZ_BATCHAI_MOUNT_ROOT", format!("{}/mounts/cluster", place.root));
    for variable in &task.environment_variables {
        scope.put_expanded(&variable.name, &variable.value);
    }
    let prefix = match &task.std_out_err_path_prefix {
        None => format!("{}/logs", place.root),
        Some(prefix) => scope.expand(prefix).map_err(|name| {
            Fault::user(format!("nodeSetup.setupTask.stdOutErrPathPrefix: `${name}` is not known before the task runs"))
        })?,
    };
    if !prefix.starts_with('/') {
        return Err(Fault::user(format!("nodeSetup.setupTask.stdOutErrPathPrefix: `{prefix}` is not an absolute path")));
    }
    let logs = format!("{}/{suffix}", prefix.trim_end_matches('/'));
    scope.put("AZ_BATCHAI_STDOUTERR_DIR", &logs);
    Ok((scope, logs))
}

fn sweep(root: &str) -> Step {
    Step {
        what: format!("look for leftovers below {root}"),
        call: vec!["sweep".to_owned(), root.to_owned()],
        undo: None,
        code: "MountError",
        headline: "Unable to undo what is mounted".to_owned(),
        detail: ("targetPath", root.to_owned()),
        secrets: Vec::new(),
    }
}
