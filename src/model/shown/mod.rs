//! Text that others wrote (logs, names, ssh's words, a program's errors), made fit for a terminal. What is drawn or
//! printed is [`Shown`] or [`ShownLine`]; both can only be made by cleaning, and cleaning happens once, where the bytes come in.
//!
//! The rules: colours and a few attributes are parsed and kept as data; every other escape sequence is dropped; control
//! characters become symbols (`␇`); carriage return, backspace and tab are acted on, never passed on; characters that
//! are invisible or turn the direction of text are written out (`<202E>`); a cell has at most [`CELL_MARKS_MAX`]
//! combining marks and [`CELL_BYTES_MAX`] bytes; a line has at most [`LINE_BYTES_MAX`] bytes. A line feed ends every escape sequence left open,
//! so that a line can hide no other.
//!
//! Decision: variation selectors 15 and 16 are dropped, since terminals disagree about the width of what they follow; a
//! zero-width joiner is written out like any invisible character.

mod chars;
mod cleaner;
mod line;
mod style;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use cleaner::Cleaner;
pub use line::ShownLine;
pub use style::{Colour, Style};

/// The most combining marks a cell may have; GNU screen crashed on more (CVE-2021-26937), no script needs as many.
pub const CELL_MARKS_MAX: usize = 8;
/// The most bytes a cell may have: a base and eight marks of three to four bytes each, with room to spare for scripts
/// that join letters.
pub const CELL_BYTES_MAX: usize = 32;
/// The most bytes of text a line keeps: some 400 rows of a wide terminal; the rest stays in the file and is counted.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// The columns between two tab stops, as terminals have them.
pub const TAB_COLUMNS: usize = 8;

/// One piece of text without colours that holds no control character, no line break and nothing invisible.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Shown(String);

impl Shown {
    /// Cleans a text. Nothing is hidden by rewriting: line breaks, carriage returns and backspaces become symbols.
    pub fn new(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }

    /// Cleans bytes; what is not UTF-8 becomes `U+FFFD`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        if plain(bytes) {
            return Self(String::from_utf8_lossy(bytes).into_owned());
        }
        Self(cleaner::whole(bytes))
    }

    /// Cleans a text of several lines, such as what a program wrote to its standard error: one piece a line, without
    /// empty ones, at most `lines_max` of them, the last ones.
    pub fn last_lines(bytes: &[u8], lines_max: usize) -> Vec<Self> {
        let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let mut last: Vec<Self> =
            lines.rev().filter(|line| !line.trim_ascii().is_empty()).take(lines_max).map(Self::from_bytes).collect();
        last.reverse();
        last
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Says whether a text can be shown as it is: printable ASCII, each letter one column wide.
pub fn is_plain(text: &str) -> bool {
    plain(text.as_bytes())
}

fn plain(bytes: &[u8]) -> bool {
    chars::is_plain(bytes) && bytes.len() <= LINE_BYTES_MAX
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Shown {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<Shown> for String {
    fn from(shown: Shown) -> Self {
        shown.0
    }
}

#[cfg(test)]
mod tests;
