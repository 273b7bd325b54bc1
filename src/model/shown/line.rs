//! One line of a log, cleaned, with its colours and its place in the file.

use crate::model::shown::Style;

/// A line that is fit to be drawn. Only a [`Cleaner`](super::Cleaner) makes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShownLine {
    /// The offset of its first byte in the file.
    pub offset: u64,
    /// How many bytes of the file it is, with its line feed.
    pub bytes: u64,
    /// Whether its line feed was there; a last line without one may still grow or, as a progress bar, change.
    pub ended: bool,
    /// How many bytes of text were left out because the line is longer than [`LINE_BYTES_MAX`](super::LINE_BYTES_MAX).
    pub cut: u64,
    pub(super) text: String,
    /// How long the pieces of one style are, in bytes of the text; empty when the whole is plain.
    pub(super) runs: Vec<(Style, u32)>,
}

impl ShownLine {
    /// Returns the text without its colours.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text in pieces of one style each, in order; none is empty.
    pub fn spans(&self) -> impl Iterator<Item = (Style, &str)> {
        let whole = (self.runs.is_empty() && !self.text.is_empty()).then_some((Style::default(), self.text.as_str()));
        let mut from = 0;
        let pieces = self.runs.iter().map(move |(style, length)| {
            let piece = &self.text[from..from + *length as usize];
            from += *length as usize;
            (*style, piece)
        });
        whole.into_iter().chain(pieces)
    }

    /// Returns the offset of the byte that follows the line in the file.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes
    }

    /// Appends the line as a terminal that may have colours wants it: our own sequences around the clean text.
    pub fn write_ansi(&self, out: &mut String) {
        for (style, piece) in self.spans() {
            style.write_ansi(out);
            out.push_str(piece);
            if !style.is_plain() {
                out.push_str("\x1b[0m");
            }
        }
    }
}
