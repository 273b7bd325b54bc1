//! What one place of the buffer shows: a clean line, or a note of our own where the file has none.

use std::ops::Range;

use super::buffer::View;
use crate::model::shown::{Cleaner, ShownLine};
use crate::model::units::Bytes;
use crate::tui::widgets::text::{row_count, wrapped};

/// Cleans the bytes of one line. Colours begin anew with each line, as in `less -R`: a window may begin anywhere, and
/// the same line must look the same however it was reached.
pub fn clean(offset: u64, bytes: &[u8]) -> ShownLine {
    let mut cleaner = Cleaner::at(offset);
    cleaner.feed(bytes, drop);
    cleaner.unfinished().unwrap_or_default()
}

/// Says whether the text of a line may differ from its bytes: escape sequences, carriage returns inside, backspaces.
pub fn is_rewriting(bytes: &[u8]) -> bool {
    let inside = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    memchr::memchr3(0x1b, b'\r', 0x08, inside).is_some()
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A line of the file.
    Line {
        /// The line.
        line: ShownLine,
        /// Its beginning is not held.
        headless: bool,
    },
    /// A note of ours.
    Note(String),
}

impl Content {
    /// Returns what a place of the buffer shows; `json` lines in words.
    pub fn of(view: View<'_>, json: bool) -> Self {
        match view {
            View::Line { offset, bytes, headless } => {
                let words = || super::json::pretty(bytes).or_else(|| super::json::pretty_labelled(bytes));
                let pretty = if json { words() } else { None };
                Self::Line { line: clean(offset, pretty.as_deref().unwrap_or(bytes)), headless }
            }
            View::Gap { from, to } => Self::Note(format!(
                "{} not sent: the log is faster than the link; scroll here to read them",
                Bytes(to - from)
            )),
            View::Restart { truncated: true } => Self::Note("the file was cut short; it begins again here".to_owned()),
            View::Restart { truncated: false } => Self::Note("the file was replaced; the new one begins here".to_owned()),
        }
    }

    /// Returns the bytes of the text that go into each row.
    pub fn rows(&self, wrap: Option<usize>) -> Vec<Range<usize>> {
        match (self, wrap) {
            (Self::Line { line, .. }, Some(width)) => wrapped(line.text(), width),
            (Self::Line { line, .. }, None) => std::iter::once(0..line.text().len()).collect(),
            (Self::Note(text), _) => std::iter::once(0..text.len()).collect(),
        }
    }

    /// Returns how many rows it takes.
    pub fn row_count(&self, wrap: Option<usize>) -> usize {
        match (self, wrap) {
            (Self::Line { line, .. }, Some(width)) => row_count(line.text(), width),
            (Self::Line { .. }, None) | (Self::Note(_), _) => 1,
        }
    }
}
