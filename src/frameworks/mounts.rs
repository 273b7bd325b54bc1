//! What mounting comes to: one step of a set-up for each volume.

use crate::frameworks::setup::Step;
use crate::model::spec::Secret;
use crate::model::volume::{Source, Volume};

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
