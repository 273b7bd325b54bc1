//! What is done before a process starts: `prepare` of `supervisor.sh`. A failure is a refusal in words.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::agent::words::LaunchText;

/// Returns an error in the system's own words, without the number that Rust adds.
pub fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn failed(what: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {}", said(&error))
}

/// The two streams of a process.
#[derive(Debug)]
pub struct Streams {
    pub out: File,
    pub err: File,
}

/// Does all of it, with the umask of the job. `wipe_mounted` empties a folder in which something is mounted.
///
/// # Errors
/// Why it is refused.
pub fn prepare(
    launch: &LaunchText,
    root: &str,
    wipe_mounted: &dyn Fn(&str) -> Result<(), String>,
) -> Result<Streams, String> {
    if !launch.former.0.is_empty() {
        keep_former(Path::new(&launch.former.0), &launch.former.1).map_err(failed("cannot keep the former logs"))?;
    }
    for dir in &launch.wipe {
        wipe(dir, root, wipe_mounted)?;
    }
    for dir in &launch.dirs {
        make_dir(dir).map_err(|error| format!("cannot make a directory: {dir}: {}", said(&error)))?;
    }
    for (path, executable, content) in &launch.files {
        fs::write(path, content).map_err(failed(&format!("cannot write {path}")))?;
        if *executable {
            make_executable(path).map_err(failed(&format!("cannot make {path} executable")))?;
        }
    }
    let open = |path: &str| {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.map_err(failed(&format!("cannot open {path}")))
    };
    let streams = Streams { out: open(&launch.out)?, err: open(&launch.err)? };
    if access(&launch.shell, Access::EXEC_OK).is_err() {
        return Err(format!("no shell {}", launch.shell));
    }
    let entered = access(&launch.workdir, Access::EXEC_OK);
    entered.map_err(|error| failed(&format!("cannot enter {}", launch.workdir))(error.into()))?;
    Ok(streams)
}

/// Most are missing, and their parents there: so it is made without a look, and only what that says is looked at.
fn make_dir(dir: &str) -> io::Result<()> {
    match fs::create_dir(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(dir),
        Err(_) if Path::new(dir).is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

fn make_executable(path: &str) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o100))
}

/// The logs of a former attempt go to a folder of their own, once.
fn keep_former(dir: &Path, attempt: &str) -> io::Result<()> {
    let kept = dir.join(format!("attempt-{attempt}"));
    if kept.is_dir() || !dir.is_dir() {
        return Ok(());
    }
    fs::create_dir(&kept)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_bytes().starts_with(b"attempt-") && !name.as_bytes().starts_with(b".") {
            fs::rename(entry.path(), kept.join(&name))?;
        }
    }
    Ok(())
}

/// Empties a folder of ours: never outside the spool, never through a symbolic link, never what is mounted there.
fn wipe(dir: &str, root: &str, wipe_mounted: &dyn Fn(&str) -> Result<(), String>) -> Result<(), String> {
    if !within(dir, root) {
        return Err(format!("will not empty {dir}: not below the spool {root}"));
    }
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        // Mostly it is not there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&format!("cannot empty {dir}"))(error)),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if mounted_below(dir) {
        return wipe_mounted(dir);
    }
    let emptied = fs::remove_dir_all(dir);
    emptied.map_err(failed(&format!("cannot empty {dir}")))?;
    fs::create_dir_all(dir).map_err(failed(&format!("cannot make {dir}")))
}

/// What of a spool is ours and no job's.
const OURS: [&str; 8] = ["jobs/", "done/", "kill/", "run/", "bin/", "ask/", "setup/", "mounts/"];

fn within(dir: &str, root: &str) -> bool {
    let odd = dir.ends_with("/..") || ["/../", "/./", "//"].iter().any(|part| dir.contains(part));
    let Some(below) = dir.strip_prefix(root).and_then(|below| below.strip_prefix('/')) else { return false };
    if odd || below.is_empty() || below == "code" || below.starts_with("code/") {
        return false;
    }
    if OURS.iter().any(|ours| below.starts_with(ours)) {
        return false;
    }
    let mut path = Path::new(root).to_owned();
    below.split('/').all(|name| {
        path.push(name);
        !path.is_symlink()
    })
}

/// Says whether anything is mounted at a folder or below; also when that cannot be told.
fn mounted_below(dir: &str) -> bool {
    let Ok(mounts) = fs::read("/proc/self/mountinfo") else { return true };
    let dir = fs::canonicalize(dir).unwrap_or_else(|_| Path::new(dir).to_owned());
    mounts.split(|byte| *byte == b'\n').any(|line| {
        let place = line.split(|byte| *byte == b' ').nth(4).unwrap_or_default();
        Path::new(std::ffi::OsStr::from_bytes(&unescaped(place))).starts_with(&dir)
    })
}

/// The kernel writes a space as `\040`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let octal = text.get(at + 1..at + 4).filter(|digits| text[at] == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let byte = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(byte.unwrap_or(text[at]));
        at += if byte.is_some() { 4 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_the_spool_is_emptied() {
        for (dir, may) in [
            ("/r/tmp", true),
            ("/r/tmp/job", true),
            ("/r", false),
            ("/r/", false),
            ("/rx/tmp", false),
            ("/r/jobs/x", false),
            ("/r/code", false),
            ("/r/code/x", false),
            ("/r/../x", false),
            ("/r/x/..", false),
            ("/r//x", false),
            ("/r/./x", false),
        ] {
            assert_eq!(within(dir, "/r"), may, "{dir}");
        }
    }

    #[test]
    fn names_of_mounts_are_read_as_the_kernel_writes_them() {
        assert_eq!(unescaped(br"/a\040b\134c\x"), br"/a b\c\x");
        assert!(mounted_below("/"));
        assert!(!mounted_below(tempfile::tempdir().unwrap().path().to_str().unwrap()));
    }
}
