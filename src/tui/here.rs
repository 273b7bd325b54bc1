//! What a form asks of this machine: hosts of the ssh configuration, names in a directory, a file. Read by the loop, in a
//! thread of its own, so that a slow disk never holds the screen.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::ssh_hosts;
use crate::model::fault::Fault;

/// The most names of one directory: more nobody chooses from; typing narrows them.
pub const NAMES_MAX: usize = 1000;
/// The most of a file that is taken into a form; the largest published body has a few KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Hosts that the user's ssh configuration names, and the node classes of ostler's.
    Hosts,
    /// The names in a directory; `~` is the user's own.
    Folder(String),
    /// The text of a file.
    File(String),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// Hosts and node classes.
    Hosts {
        /// Names of hosts, in the order of the file.
        hosts: Vec<String>,
        /// Names of node classes.
        classes: Vec<String>,
    },
    /// A directory as it was asked for, and the names in it; directories end in `/`.
    Folder {
        /// The directory.
        of: String,
        /// What is in it, in order; at most [`NAMES_MAX`].
        names: Vec<String>,
    },
    /// The name and the text of a file.
    File {
        /// Its path as it was asked for.
        path: String,
        /// Its text.
        text: String,
    },
}

/// What the loop knows of this machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The ssh configuration; the user's own when absent.
    pub ssh_config: Option<PathBuf>,
    /// The node classes of the configuration.
    pub classes: Vec<String>,
}

/// Looks.
///
/// # Errors
/// That a directory or a file cannot be read.
pub fn look(wanted: Wanted, machine: &Machine) -> Result<Found, Fault> {
    match wanted {
        Wanted::Hosts => {
            let file = machine.ssh_config.clone().or_else(ssh_hosts::usual_file);
            let hosts = file.map(|file| ssh_hosts::hosts(&file)).unwrap_or_default();
            Ok(Found::Hosts { hosts, classes: machine.classes.clone() })
        }
        Wanted::Folder(of) => {
            let failed = |e: &std::io::Error| Fault::user(format!("`{of}` cannot be listed")).because(e);
            let mut names = Vec::new();
            for entry in std::fs::read_dir(home(&of)).map_err(|e| failed(&e))?.take(NAMES_MAX).flatten() {
                // A name that is no text cannot be typed.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let folder = std::fs::metadata(entry.path()).is_ok_and(|meta| meta.is_dir());
                names.push(if folder { format!("{name}/") } else { name });
            }
            names.sort();
            Ok(Found::Folder { of, names })
        }
        Wanted::File(path) => {
            let failed = |e: &std::io::Error| Fault::user(format!("`{path}` cannot be read")).because(e);
            let file = home(&path);
            let size = std::fs::metadata(&file).map_err(|e| failed(&e))?.len();
            if size > FILE_BYTES_MAX {
                return Err(Fault::user(format!("`{path}` has {size} bytes; a form takes {FILE_BYTES_MAX}")));
            }
            let text = std::fs::read_to_string(&file).map_err(|e| failed(&e))?;
            Ok(Found::File { path, text })
        }
    }
}

/// Returns a path as it is from the root on: `~` as the shell has it, others from where the program was started. Whether it is
/// there is not asked.
///
/// # Errors
/// There is no directory that we are in.
pub fn path(typed: &str) -> std::io::Result<String> {
    let typed = if typed == "~" { "~/" } else { typed };
    let mut path = std::path::absolute(home(typed))?.to_string_lossy().into_owned();
    path.truncate(path.trim_end_matches('/').len().max(1));
    Ok(path)
}

/// Returns the path with `~` as the shell has it.
fn home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), directories::BaseDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => Path::new(path).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("sub")).expect("made");
        std::fs::write(dir.path().join("a.json"), "{}").expect("written");
        std::fs::write(dir.path().join("config"), "Host gpu-1 gpu-2\nHost *.lab\n").expect("written");
        let machine = Machine { ssh_config: Some(dir.path().join("config")), classes: vec!["big".into()] };
        let found = look(Wanted::Hosts, &machine).expect("hosts");
        assert_eq!(found, Found::Hosts { hosts: vec!["gpu-1".into(), "gpu-2".into()], classes: vec!["big".into()] });
        let of = format!("{}/", dir.path().display());
        let names = vec!["a.json".to_owned(), "config".to_owned(), "sub/".to_owned()];
        assert_eq!(look(Wanted::Folder(of.clone()), &machine), Ok(Found::Folder { of: of.clone(), names }));
        let path = format!("{of}a.json");
        assert_eq!(look(Wanted::File(path.clone()), &machine), Ok(Found::File { path, text: "{}".into() }));
        assert!(
            look(Wanted::File(format!("{of}no")), &machine).is_err_and(|fault| fault.message.contains("cannot be read"))
        );
    }
}
