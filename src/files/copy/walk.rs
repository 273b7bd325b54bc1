//! What there is to put: a file of this machine, or a directory with all that is in it.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::files::copy::here::{Wanted, open_regular, seconds};
use crate::files::copy::{CopyError, DEPTH_MAX, ENTRIES_MAX};
use crate::model::shown::Shown;

/// One thing to put.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is here.
    pub local: PathBuf,
    /// Its place below the directory on the node.
    pub name: String,
    /// A directory.
    pub folder: bool,
    /// What it has to be there.
    pub wanted: Wanted,
}

/// What is left out, and why.
pub type LeftOut = (Shown, &'static str);

/// Returns what a path names, directories before what is in them. The path itself may be a link; no link below it is followed.
///
/// # Errors
/// It is not there, is neither file nor directory, or holds too much.
pub fn walk(path: &Path) -> Result<(Vec<Found>, Vec<LeftOut>), CopyError> {
    let shown = Shown::new(&path.display().to_string());
    let read = |source| CopyError::Here { act: "read", path: shown.clone(), source };
    let about = std::fs::metadata(path).map_err(read)?;
    let name = path.file_name().and_then(name_of);
    let Some(name) = name else {
        return Err(CopyError::Kind { path: shown, what: "called what no file on a node may be called" });
    };
    let mut walk = Walk { found: Vec::new(), left_out: Vec::new() };
    match () {
        () if about.is_dir() => {
            // Behind a link at its end the directory itself.
            let real = path.canonicalize().map_err(read)?;
            walk.folder(real, name, about, 1)?;
        }
        () if about.is_file() => walk.found.push(found(path.to_owned(), name, &about)),
        () => return Err(CopyError::Kind { path: shown, what: "neither a file nor a directory" }),
    }
    Ok((walk.found, walk.left_out))
}

/// Opens a found file again, if it is a regular file still.
///
/// # Errors
/// It is not, or cannot be read.
pub fn open(found: &Found, top: bool) -> Result<File, CopyError> {
    let shown = Shown::new(&found.name);
    let read = |source: std::io::Error| CopyError::Here { act: "read", path: shown.clone(), source };
    let Some(name) = found.local.file_name().and_then(OsStr::to_str) else {
        return Err(read(std::io::ErrorKind::InvalidInput.into()));
    };
    if top {
        // What the user named may be a link.
        return File::open(&found.local).map_err(read);
    }
    let folder = found.local.parent().unwrap_or(Path::new("/"));
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(folder, flags, Mode::empty()).map_err(|error| read(error.into()))?;
    open_regular(dir, name, &shown)
}

/// A name that a path on a node may have.
fn name_of(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    let fits = !name.is_empty() && name != "." && name != ".." && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}

fn found(local: PathBuf, name: String, about: &Metadata) -> Found {
    let seconds = seconds(about);
    let size = if about.is_dir() { 0 } else { about.len() };
    let key = format!("{}\0{}\0{size}\0{seconds}\0{}", local.display(), name, about.ino());
    let wanted = Wanted { key, size, seconds, executable: about.mode() & 0o100 != 0 };
    Found { local, name, folder: about.is_dir(), wanted }
}

struct Walk {
    found: Vec<Found>,
    left_out: Vec<LeftOut>,
}

impl Walk {
    fn folder(&mut self, path: PathBuf, name: String, about: Metadata, depth: usize) -> Result<(), CopyError> {
        let shown = Shown::new(&name);
        self.found.push(found(path.clone(), name.clone(), &about));
        if depth >= DEPTH_MAX {
            self.left_out.push((shown, "what is in it lies too deep"));
            return Ok(());
        }
        let Ok(entries) = std::fs::read_dir(&path) else {
            self.left_out.push((shown, "it cannot be read"));
            return Ok(());
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            if self.found.len() + self.left_out.len() > ENTRIES_MAX {
                return Err(CopyError::TooMany);
            }
            let shown = Shown::new(&format!("{name}/{}", entry.file_name().to_string_lossy()));
            let Some(below) = name_of(&entry.file_name()) else {
                self.left_out.push((shown, "no file on a node may have this name"));
                continue;
            };
            // Of the entry itself: a link is not followed.
            let Ok(about) = entry.metadata() else {
                self.left_out.push((shown, "it cannot be read"));
                continue;
            };
            let below = format!("{name}/{below}");
            match () {
                () if about.is_symlink() => self.left_out.push((shown, "it is a symbolic link")),
                () if about.is_dir() => self.folder(entry.path(), below, about, depth + 1)?,
                () if about.is_file() => self.found.push(found(entry.path(), below, &about)),
                () => self.left_out.push((shown, "it is a pipe, a socket or a device")),
            }
        }
        Ok(())
    }
}
