//! Bytes of a file from an offset, in both directions, without reading the rest: a file of 10 GB opens at its end as
//! fast as an empty one.

use crate::files::talk::Talk;
use crate::files::{Desk, FileError, FilePath, LinkSource};
use crate::model::request::{From, Window};

/// The most bytes of one window: what is held here for each that is on its way. To begin and to end one takes a node some 4 ms, so
/// whoever reads much over a fast line asks for as much; a screen asks for far less.
pub const WINDOW_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// What is read at once on the node; both ends of a window are rounded to it. POSIX `dd` knows only whole blocks.
const BLOCK_BYTES: u64 = 4096;

impl<L: LinkSource> Desk<L> {
    /// Reads a window. It holds fewer bytes than asked for where the file begins or ends.
    ///
    /// # Errors
    /// The file is missing or no regular file, or the node does not answer.
    pub async fn window(&self, path: &FilePath, from: From, bytes: u32) -> Result<Window, FileError> {
        let bytes = u64::from(bytes.min(WINDOW_BYTES_MAX));
        let (start, end) = match from {
            From::Start(start) => (start, start.saturating_add(bytes)),
            From::Before(end) => (end.saturating_sub(bytes), end),
            From::End => {
                let size = self.ask(path, "stat", 0).await?.facts.regular(path)?.size;
                (size.saturating_sub(bytes), size)
            }
        };
        let answer = self.ask(path, &question(start, end), answer_bytes_max(start, end)).await?;
        let facts = answer.facts.regular(path)?;
        let bytes = cut(answer.bytes, start, end.min(facts.size));
        Ok(Window { offset: start, bytes, size: facts.size, inode: facts.inode })
    }
}

/// Reads some bytes in a conversation of its own.
pub(super) async fn read(talk: &mut Talk, path: &FilePath, start: u64, end: u64) -> Result<Vec<u8>, FileError> {
    let answer = talk.ask(path, &question(start, end), answer_bytes_max(start, end)).await?;
    answer.facts.regular(path)?;
    Ok(cut(answer.bytes, start, end))
}

pub(super) fn question(start: u64, end: u64) -> String {
    let skip = start / BLOCK_BYTES;
    format!("read {skip} {}", end.div_ceil(BLOCK_BYTES).saturating_sub(skip))
}

pub(super) fn answer_bytes_max(start: u64, end: u64) -> usize {
    (end - start.min(end) + 2 * BLOCK_BYTES) as usize
}

/// Cuts whole blocks to what was asked for.
pub(super) fn cut(mut bytes: Vec<u8>, start: u64, end: u64) -> Vec<u8> {
    let lead = (start % BLOCK_BYTES) as usize;
    let length = end.saturating_sub(start) as usize;
    bytes.truncate(lead + length);
    bytes.drain(..lead.min(bytes.len()));
    bytes
}
