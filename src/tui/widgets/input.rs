//! One line of text that is typed: filter, search, palette, a name.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::commands::{Code, Key};
use crate::tui::cx::Cx;
use crate::tui::theme::Role;

/// The longest line that can be typed or pasted, in bytes; longer pastes are cut.
const LINE_BYTES_MAX: usize = 4096;

/// A line of text with a caret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    /// Byte offset of the caret, on a border of graphemes.
    caret: usize,
}

impl Input {
    /// Returns a line with this text and the caret at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { caret: text.len(), text }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the text and puts the caret at its end.
    pub fn set(&mut self, text: impl Into<String>) {
        *self = Self::new(text);
    }

    /// Acts on a key; `false` when it means nothing here.
    pub fn key(&mut self, key: Key) -> bool {
        if let Some(c) = key.types() {
            self.insert(&c.to_string());
            return true;
        }
        match (key.code, key.ctrl) {
            (Code::Backspace, false) | (Code::Char('h'), true) => self.erase_to(self.before()),
            (Code::Delete, false) => self.erase_to(self.after()),
            (Code::Char('w'), true) => self.erase_to(self.word_before()),
            (Code::Char('u'), true) => self.erase_to(0),
            (Code::Left, false) => self.caret = self.before(),
            (Code::Right, false) => self.caret = self.after(),
            (Code::Left, true) => self.caret = self.word_before(),
            (Code::Home, _) | (Code::Char('a'), true) => self.caret = 0,
            (Code::End, _) | (Code::Char('e'), true) => self.caret = self.text.len(),
            _ => return false,
        }
        true
    }

    /// Puts text in at the caret; line ends become spaces, control characters are left out.
    pub fn insert(&mut self, text: &str) {
        let clean = text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).filter(|c| !c.is_control());
        for c in clean {
            if self.text.len() + c.len_utf8() > LINE_BYTES_MAX {
                return;
            }
            self.text.insert(self.caret, c);
            self.caret += c.len_utf8();
        }
    }

    fn before(&self) -> usize {
        self.text[..self.caret].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.text[self.caret..].graphemes(true).next().map_or(self.caret, |g| self.caret + g.len())
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.caret].trim_end_matches(' ');
        head.rfind([' ', '/', ':', '-']).map_or(0, |at| if at + 1 == head.len() { at } else { at + 1 })
    }

    fn erase_to(&mut self, to: usize) {
        let (from, to) = (self.caret.min(to), self.caret.max(to));
        self.text.drain(from..to);
        self.caret = from;
    }

    /// Draws the line; where it is longer than the area, the part around the caret.
    pub fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let style = cx.style(Role::Input);
        buf.set_style(area, style);
        let skip = self.skip(area.width);
        let mut x = area.x;
        let mut column = 0;
        for grapheme in self.text.graphemes(true) {
            let width = grapheme.width();
            if column >= skip && x + width as u16 <= area.right() {
                buf.set_stringn(x, area.y, grapheme, width, style);
                x += width as u16;
            }
            column += width;
        }
    }

    fn skip(&self, width: u16) -> usize {
        let caret = self.text[..self.caret].width();
        caret.saturating_sub(usize::from(width).saturating_sub(1))
    }

    /// Returns where the terminal's cursor belongs when drawn there.
    pub fn caret(&self, area: Rect) -> Position {
        let column = self.text[..self.caret].width().saturating_sub(self.skip(area.width)) as u16;
        Position { x: area.x + column.min(area.width.saturating_sub(1)), y: area.y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[&str]) -> (String, usize) {
        let mut input = Input::default();
        for key in keys {
            input.key(key.parse().unwrap());
        }
        (input.text, input.caret)
    }

    #[test]
    fn editing() {
        for (name, keys, text, caret) in [
            ("type", &["a", "b"][..], "ab", 2),
            ("insert before", &["a", "c", "left", "b"], "abc", 2),
            ("erase a wide one", &["日", "x", "left", "backspace"], "x", 0),
            ("word", &["a", "space", "b", "c", "ctrl-w"], "a ", 2),
            ("all before", &["a", "b", "left", "ctrl-u"], "b", 0),
            ("delete at end", &["a", "delete"], "a", 1),
        ] {
            assert_eq!(typed(keys), (text.to_owned(), caret), "{name}");
        }
    }

    #[test]
    fn pastes_cannot_break_the_line() {
        let mut input = Input::default();
        input.insert("a\nb\u{1b}[2Jc");
        assert_eq!(input.text(), "a b[2Jc");
        input.insert(&"x".repeat(10_000));
        assert!(input.text().len() <= LINE_BYTES_MAX);
    }
}
