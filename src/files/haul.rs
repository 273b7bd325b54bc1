//! Many files of a node at once: what there is below a folder, parts of them one after the other, and removing what is
//! too old. For copies that are made before a node goes, where a round trip for each file would take too long.

use crate::files::list::entry;
use crate::files::talk::Kind;
use crate::files::window::{answer_bytes_max, cut, question};
use crate::files::{Desk, FileError, FilePath, LinkSource};
use crate::model::units::UnixMillis;

/// The most bytes of the list of all files of a node: several hundred thousand of them.
const TREE_BYTES_MAX: usize = 64 << 20;
/// The most bytes of one piece: large beside a round trip, small beside memory.
pub const PIECE_BYTES_MAX: u64 = 1 << 20;

/// A file below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// Its path below the folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it last changed.
    pub modified: UnixMillis,
}

/// A part of a file, at most [`PIECE_BYTES_MAX`] long.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which file.
    pub path: FilePath,
    /// Its first byte.
    pub from: u64,
    /// The byte after its last.
    pub to: u64,
}

impl<L: LinkSource> Desk<L> {
    /// Lists the regular files below a folder, however deep. A file whose name no [`FilePath`] would take is left out. No
    /// such folder is an empty list.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn tree(&self, folder: &FilePath) -> Result<Vec<TreeFile>, FileError> {
        let answer = self.ask(folder, "tree", TREE_BYTES_MAX).await?;
        let text = String::from_utf8_lossy(&answer.bytes);
        let files = text.lines().filter_map(|line| entry(line, folder, 0));
        Ok(files.map(|file| TreeFile { name: file.name, size: file.size, modified: file.modified }).collect())
    }

    /// Reads pieces in a conversation of its own and hands them over in order, each with its number; `None` where there is
    /// no regular file any more. A piece is shorter when its file is.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn haul(&self, pieces: &[Piece], mut take: impl FnMut(usize, Option<Vec<u8>>)) -> Result<(), FileError> {
        let mut talk = self.talk().await?;
        let questions = pieces.iter().map(|piece| (&piece.path, question(piece.from, piece.to)));
        let longest = answer_bytes_max(0, PIECE_BYTES_MAX);
        let got = talk.ask_all(questions, longest, |at, answer| {
            let piece = &pieces[at];
            let regular = answer.facts.kind == Kind::File;
            take(at, regular.then(|| cut(answer.bytes, piece.from, piece.to)));
        });
        got.await
    }

    /// Removes a folder with all that is in it, and the one above when it is empty then. One that is not there is none.
    ///
    /// # Errors
    /// The node does not answer, or the folder is still there.
    pub async fn drop_folder(&self, folder: &FilePath) -> Result<(), FileError> {
        match self.ask(folder, "drop", 0).await?.facts.kind {
            Kind::None => Ok(()),
            Kind::File | Kind::Folder | Kind::Other => Err(FileError::NotRegular { path: folder.shown().clone() }),
        }
    }
}
