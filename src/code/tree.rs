//! Which files of a directory go along: those that git tracks or does not ignore where there is a work tree, all elsewhere; less what
//! `.ostlerignore` takes away. In order of their paths, so that the same content is listed the same way.

use std::fs;
use std::io;
use std::path::Path;

use super::ignored::Ignored;
use super::{FILES_MAX, git};
use crate::model::fault::Fault;
use crate::model::shown::Shown;

/// How deep work trees within work trees are followed.
const WITHIN_MAX: usize = 8;

/// Something that goes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub path: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File { bytes: u64, executable: bool },
    Link(String),
}

/// What goes along of a directory.
pub(super) struct Found {
    pub entries: Vec<Entry>,
    pub git: Option<git::Stand>,
}

/// Lists a directory.
///
/// # Errors
/// It cannot be read, git does not answer, or a name is no text.
pub(super) fn list(directory: &Path) -> Result<Found, Fault> {
    let mut ignored = Ignored::of(directory);
    let mut entries = Vec::new();
    let git = level(directory, "", &mut ignored, &mut entries, 0)?;
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    entries.dedup_by(|one, other| one.path == other.path);
    Ok(Found { entries, git })
}

/// Lists what lies below `before`: by git where that is, or lies in, a work tree.
fn level(
    root: &Path,
    before: &str,
    ignored: &mut Ignored<'_>,
    into: &mut Vec<Entry>,
    depth: usize,
) -> Result<Option<git::Stand>, Fault> {
    let Some(stand) = git::stand(&root.join(before))? else {
        walk(root, before, ignored, into, depth)?;
        return Ok(None);
    };
    for path in stand.tracked.iter().chain(&stand.untracked) {
        let path = below(before, path.trim_end_matches('/'));
        if ignored.file(&path) {
            continue;
        }
        match fs::symlink_metadata(root.join(&path)) {
            // A work tree within this one: a submodule, or one that git does not look into.
            Ok(data) if data.is_dir() => {
                if depth < WITHIN_MAX && !ignored.folder(&path) {
                    level(root, &path, ignored, into, depth + 1)?;
                }
            }
            Ok(data) => into.extend(entry(root, path, &data)?),
            // Tracked, and deleted here.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(Some(stand))
}

/// Lists everything; a work tree in it is git's.
fn walk(root: &Path, before: &str, ignored: &mut Ignored<'_>, into: &mut Vec<Entry>, depth: usize) -> Result<(), Fault> {
    let mut folders = vec![before.to_owned()];
    while let Some(folder) = folders.pop() {
        // Far more than may go along: what is left is not looked at.
        if into.len() > 2 * FILES_MAX {
            return Ok(());
        }
        let failed = |error: io::Error| unreadable(&folder, &error);
        for found in fs::read_dir(root.join(&folder)).map_err(failed)? {
            let found = found.map_err(failed)?;
            let name = found.file_name();
            let name = name.to_str().ok_or_else(|| no_text(&name.to_string_lossy()))?;
            let path = below(&folder, name);
            let data = found.metadata().map_err(|error| unreadable(&path, &error))?;
            if data.is_dir() {
                if ignored.folder(&path) {
                } else if root.join(&path).join(".git").exists() && depth < WITHIN_MAX {
                    level(root, &path, ignored, into, depth + 1)?;
                } else {
                    folders.push(path);
                }
            } else if !ignored.file(&path) {
                into.extend(entry(root, path, &data)?);
            }
        }
    }
    Ok(())
}

/// Sockets, pipes and devices are no code.
fn entry(root: &Path, path: String, data: &fs::Metadata) -> Result<Option<Entry>, Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let kind = if data.is_symlink() {
        let target = fs::read_link(root.join(&path)).map_err(|error| unreadable(&path, &error))?;
        Kind::Link(target.to_str().ok_or_else(|| no_text(&target.to_string_lossy()))?.to_owned())
    } else if data.is_file() {
        Kind::File { bytes: data.len(), executable: data.permissions().mode() & 0o111 != 0 }
    } else {
        return Ok(None);
    };
    Ok(Some(Entry { path, kind }))
}

fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn unreadable(path: &str, error: &io::Error) -> Fault {
    Fault::user(format!("`{}` cannot be read", Shown::new(path))).because(error)
}

pub(super) fn no_text(name: &str) -> Fault {
    Fault::user(format!("the name `{}` is no UTF-8", Shown::new(name))).hint("rename it, or leave it out by .ostlerignore")
}
