//! The files of a folder of a job, with their sizes and times.

use crate::files::talk::Kind;
use crate::files::{Desk, FileError, FilePath, LinkSource};
use crate::model::request::{FileEntry, FileKind};
use crate::model::shown::Shown;
use crate::model::units::UnixMillis;

/// The most files of one list; a job may write as many as it likes.
pub const LIST_FILES_MAX: usize = 1000;
/// The longest line of a list: a path and two numbers.
const LINE_BYTES_MAX: usize = 4200;

impl<L: LinkSource> Desk<L> {
    /// Lists the regular files of a folder and of the folders in it (`attempt-1/stdout.txt`), by name. A file whose name no
    /// [`FilePath`] would take is left out. No such folder is an empty list.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn list(&self, folder: &FilePath, node: u32) -> Result<Vec<FileEntry>, FileError> {
        let answer = self.ask(folder, &format!("list {LIST_FILES_MAX}"), LIST_FILES_MAX * LINE_BYTES_MAX).await?;
        let text = String::from_utf8_lossy(&answer.bytes);
        let mut files: Vec<FileEntry> = text.lines().filter_map(|line| entry(line, folder, node)).collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

/// Reads `SIZE SECONDS ./NAME`.
pub(super) fn entry(line: &str, folder: &FilePath, node: u32) -> Option<FileEntry> {
    let (size, rest) = line.split_once(' ')?;
    let (seconds, name) = rest.split_once(' ')?;
    let name = name.strip_prefix("./")?;
    // What is not UTF-8 could not be asked for again.
    let fits =
        !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER) && FilePath::below(folder.as_str(), name).is_ok();
    let modified = UnixMillis(seconds.parse::<i64>().ok()?.saturating_mul(1000));
    fits.then(|| size.parse().ok()).flatten().map(|size| FileEntry::file(name, node, size, modified))
}

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Found {
    /// The entries that can be asked for, by name.
    pub entries: Vec<FileEntry>,
    /// The names that cannot be, as they may be shown.
    pub odd: Vec<Shown>,
    /// There are more than were told.
    pub more: bool,
}

impl<L: LinkSource> Desk<L> {
    /// Lists one level of a folder: everything in it, whatever it is; `None` when there is no such folder.
    ///
    /// # Errors
    /// The path is something else, or the node does not answer.
    pub async fn entries(&self, folder: &FilePath, node: u32) -> Result<Option<Found>, FileError> {
        let lines = LIST_FILES_MAX + 1;
        let answer = self.ask(folder, &format!("dir {lines}"), lines * LINE_BYTES_MAX).await?;
        match answer.facts.kind {
            Kind::Folder => Ok(Some(found(&answer.bytes, folder, node, LIST_FILES_MAX))),
            Kind::None => Ok(None),
            Kind::File | Kind::Other => Err(FileError::NotFolder { path: folder.shown().clone() }),
        }
    }
}

/// Reads what the node tells of a folder.
pub(super) fn found(bytes: &[u8], folder: &FilePath, node: u32, max: usize) -> Found {
    let mut found = Found::default();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if found.entries.len() + found.odd.len() >= max {
            found.more = true;
            break;
        }
        match told(line, folder, node) {
            Ok((entry, _)) => found.entries.push(entry),
            Err(name) => found.odd.push(name),
        }
    }
    found.entries.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Reads `MODE SIZE SECONDS INODE ./NAME`: the entry and its mode. The error is the name of what cannot be asked for.
pub(super) fn told(line: &[u8], folder: &FilePath, node: u32) -> Result<(FileEntry, u32), Shown> {
    let odd = || Shown::from_bytes(line.strip_prefix(b"odd ./").unwrap_or(line));
    let text = std::str::from_utf8(line).map_err(|_| odd())?;
    let mut words = text.splitn(5, ' ');
    let mode = words.next().and_then(|mode| u32::from_str_radix(mode, 16).ok()).ok_or_else(odd)?;
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or_else(odd);
    let (size, seconds, inode) = (number()?, number()?, number()?);
    let name = words.next().and_then(|name| name.strip_prefix("./")).ok_or_else(odd)?;
    let fits = !name.is_empty() && name.split('/').all(|part| !part.is_empty() && part != ".") && folder.join(name).is_ok();
    if !fits {
        return Err(Shown::new(name));
    }
    // The kinds of `st_mode` (POSIX `sys/stat.h`, as every Unix numbers them).
    let kind = match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Link,
        _ => FileKind::Special,
    };
    let size = if kind == FileKind::File { size } else { 0 };
    let modified = UnixMillis(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000));
    Ok((FileEntry { name: name.to_owned(), node, size, modified, kind, inode }, mode & 0o777))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_node_may_not_tell() {
        let folder = FilePath::below("/spool", "").unwrap();
        let text = b"81a4 5 7 9 ./a b\n41ed 4096 7 10 ./dir\na1ff 3 0 1 ./link\n1180 0 0 1 ./pipe\n81a4 1 1 1 ./../up\n\
                     81a4 1 1 1 /etc/shadow\n81a4 1 1 1 ./a\x1b[2Jb\n81a4 1 1 1 ./\xff\nodd ./two?lines\nnonsense\n";
        let found = found(text, &folder, 2, 100);
        let entries: Vec<(&str, FileKind, u64)> =
            found.entries.iter().map(|entry| (entry.name.as_str(), entry.kind, entry.size)).collect();
        assert_eq!(
            entries,
            [
                ("a b", FileKind::File, 5),
                ("dir", FileKind::Directory, 0),
                ("link", FileKind::Link, 0),
                ("pipe", FileKind::Special, 0)
            ]
        );
        assert_eq!((found.odd.len(), found.more), (6, false));
        assert!(found.odd.iter().all(|name| !name.as_str().chars().any(char::is_control)), "{:?}", found.odd);
        assert!(super::found(text, &folder, 0, 3).more);
    }
}
