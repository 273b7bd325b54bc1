//! The files of a folder of a job, with their sizes and times.

use crate::files::{Desk, FileError, FilePath, LinkSource};
use crate::model::request::FileEntry;
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
fn entry(line: &str, folder: &FilePath, node: u32) -> Option<FileEntry> {
    let (size, rest) = line.split_once(' ')?;
    let (seconds, name) = rest.split_once(' ')?;
    let name = name.strip_prefix("./")?;
    // What is not UTF-8 could not be asked for again.
    let fits =
        !name.is_empty() && !name.contains(char::REPLACEMENT_CHARACTER) && FilePath::below(folder.as_str(), name).is_ok();
    let modified = UnixMillis(seconds.parse::<i64>().ok()?.saturating_mul(1000));
    fits.then_some(FileEntry { name: name.to_owned(), node, size: size.parse().ok()?, modified })
}
