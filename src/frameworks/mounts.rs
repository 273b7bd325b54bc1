//! What mounting comes to: one step of a set-up for each volume, and which paths of a job lie on one.

use crate::frameworks::expand::Scope;
use crate::frameworks::plan::{MOUNT_ROOTS, paths};
use crate::frameworks::setup::Step;
use crate::model::fault::Fault;
use crate::model::spec::{JobSpec, MountVolumes, Secret};
use crate::model::volume::{Source, Volume};

/// Returns what is wrong with paths of a job that begin with a mount root: there has to be a mount of the job, or of its
/// cluster, that they lie on.
pub(super) fn check_paths(spec: &JobSpec, cluster: &MountVolumes) -> Vec<Fault> {
    // What no path can begin with stands for the roots.
    const STANDS_FOR: [&str; 2] = ["/\u{1}cluster", "/\u{1}job"];
    let mut scope = Scope::default();
    for (name, stand_in) in MOUNT_ROOTS.iter().zip(STANDS_FOR) {
        scope.put(name, stand_in);
    }
    for variable in &spec.environment_variables {
        scope.put_expanded(&variable.name, &variable.value);
    }
    let mut faults = Vec::new();
    for (field, path) in paths(spec) {
        let Ok(full) = scope.expand(path) else { continue };
        let of = [("cluster", cluster), ("job", &spec.mount_volumes)];
        for ((stand_in, root), (whose, mounts)) in STANDS_FOR.iter().zip(MOUNT_ROOTS).zip(of) {
            if full.strip_prefix(stand_in).is_some_and(|below| !mounts.covers(below)) {
                faults.push(not_mounted(&field, path, root, whose, mounts));
            }
        }
    }
    faults
}

fn not_mounted(field: &str, path: &str, root: &str, whose: &str, mounts: &MountVolumes) -> Fault {
    let there: Vec<String> = mounts.places().iter().map(|(_, path)| format!("`{path}`")).collect();
    let there = if there.is_empty() { "mounts nothing".to_owned() } else { format!("mounts {}", there.join(", ")) };
    let fault =
        Fault::user(format!("{field}: `{path}` is below ${root}, and nothing is mounted there: the {whose} {there}"));
    match field {
        "stdOutErrPathPrefix" => {
            fault.hint("leave it out to keep logs in the node's spool, name a mount, or give a path that the nodes have")
        }
        _ => fault.hint("name a mount of mountVolumes, or give a path that the nodes have"),
    }
}

/// Returns the steps that mount these volumes below a mount root, in the order of their kinds.
pub(super) fn steps(volumes: &[Volume], root: &str) -> Vec<Step> {
    let mut sorted: Vec<&Volume> = volumes.iter().collect();
    sorted.sort_by_key(|volume| volume.kind);
    sorted.into_iter().enumerate().map(|(at, volume)| step(volume, root, at)).collect()
}

fn step(volume: &Volume, root: &str, at: usize) -> Step {
    let path = format!("{root}/{}", volume.at);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut secrets = Vec::new();
    let (call, of) = match &volume.source {
        Source::Nfs { host, path: export, options } => {
            // An IPv6 address needs brackets before the colon.
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            let source = format!("{host}:{export}");
            (words(&["mount_nfs", &source, options.as_deref().unwrap_or(""), &path]), source)
        }
        Source::Smb { host, share, user, password, options } => {
            let (source, variable) = (format!("//{host}/{share}"), format!("OSTLER_SETUP_{at}"));
            secrets.push(Secret { name: variable.clone(), source: password.clone() });
            (words(&["mount_smb", &source, options, user, &variable, &path]), source)
        }
        Source::Sshfs { from, options } => {
            (words(&["mount_sshfs", from, options.as_deref().unwrap_or(""), &path]), from.clone())
        }
        Source::Folder { base, below } => (words(&["mount_folder", base, below, &path]), format!("{base}/{below}")),
        Source::Command { command, key } => {
            let mut call = words(&["mount_by", command, &path]);
            if let Some(key) = key {
                let variable = format!("OSTLER_SETUP_{at}");
                call.push(variable.clone());
                secrets.push(Secret { name: variable, source: key.clone() });
            }
            (call, format!("`{command}`"))
        }
    };
    Step {
        what: format!("mount {of} at {path}"),
        call,
        undo: None,
        code: volume.kind.error_code(),
        headline: volume.kind.error_headline().to_owned(),
        detail: ("targetPath", path),
        secrets,
    }
}
