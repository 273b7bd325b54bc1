//! A field in which a text is typed: the `tui-textarea` of one field, with what the form allows in it.

use ratatui::style::{Modifier, Style};
use tui_textarea::{Input, Key as AreaKey, TextArea, WrapMode};

use crate::commands::{Code, Key};
use crate::tui::widgets::text::{row_count, width_of};

/// The longest text that one paste may put in; more is likely a slip of the clipboard.
pub const PASTE_CHARS_MAX: usize = 4096;
/// The most rows that a field of many lines is drawn in; longer texts scroll in it.
const ROWS_MAX: usize = 7;

/// Whether a field takes line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// It has one line.
    One,
    /// It has many.
    Many,
}

/// A text that is edited.
#[derive(Debug)]
pub struct Edit {
    area: TextArea<'static>,
    lines: Lines,
    changed: bool,
}

impl Edit {
    /// Returns a field with a text, the caret at its end.
    pub fn new(text: &str, lines: Lines) -> Self {
        let mut edit = Self { area: TextArea::default(), lines, changed: false };
        edit.set(text);
        edit
    }

    /// Replaces the text.
    pub fn set(&mut self, text: &str) {
        let text = kept(text, self.lines);
        let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
        area.set_cursor_line_style(Style::default());
        if self.lines == Lines::Many {
            area.set_wrap_mode(WrapMode::Glyph);
        }
        area.move_cursor(tui_textarea::CursorMove::Bottom);
        area.move_cursor(tui_textarea::CursorMove::End);
        self.area = area;
    }

    /// Returns the text.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Puts the caret at the beginning, for texts that are read from the top.
    pub fn go_to_top(&mut self) {
        self.area.move_cursor(tui_textarea::CursorMove::Top);
        self.area.move_cursor(tui_textarea::CursorMove::Head);
    }

    /// Acts on a key; `false` when it means nothing here.
    pub fn key(&mut self, key: Key) -> bool {
        let input = area_input(key);
        if input.key == AreaKey::Null
            || (self.lines == Lines::One && matches!(key.code, Code::Enter | Code::Up | Code::Down))
        {
            return false;
        }
        // As everywhere where a line is typed, and not the widget's own undo.
        let to_head = input.key == AreaKey::Char('u') && input.ctrl;
        self.changed |= if to_head { self.area.delete_line_by_head() } else { self.area.input(input) };
        if self.lines == Lines::One && self.area.lines().len() > 1 {
            // Some keys of editors make or bring back line ends (ctrl-m, a yanked text).
            let text = self.text();
            self.set(&text);
        }
        true
    }

    /// Puts pasted text in. Returns how many characters were left out because the text is too long.
    pub fn paste(&mut self, text: &str) -> usize {
        let text = kept(text, self.lines);
        let upto = text.char_indices().nth(PASTE_CHARS_MAX).map_or(text.len(), |(at, _)| at);
        self.changed |= self.area.insert_str(&text[..upto]);
        text[upto..].chars().count()
    }

    /// Says whether the caret is in the first or last line, from where an arrow key leaves the field.
    pub fn at_edge(&self, code: Code) -> bool {
        let row = self.area.cursor().0;
        match code {
            Code::Up => row == 0,
            Code::Down => row + 1 == self.area.lines().len(),
            _ => false,
        }
    }

    /// Says whether the caret is after the last character.
    pub fn at_end(&self) -> bool {
        let (row, column) = (self.area.cursor().0, self.area.cursor().1);
        row + 1 == self.area.lines().len() && self.area.lines()[row].chars().count() == column
    }

    /// Returns how many rows it is drawn in.
    pub fn rows(&self, width: usize) -> usize {
        // A caret behind a full row stands in one of its own.
        let rows_of = |line: &String| {
            row_count(line, width) + usize::from(!line.is_empty() && width_of(line).is_multiple_of(width.max(1)))
        };
        match self.lines {
            Lines::One => 1,
            Lines::Many => self.area.lines().iter().map(rows_of).sum::<usize>().clamp(1, ROWS_MAX),
        }
    }

    /// Says whether the text was changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Shows the caret or hides it.
    pub fn show_caret(&mut self, on: bool) {
        let style = Style::default();
        self.area.set_cursor_style(if on { style.add_modifier(Modifier::REVERSED) } else { style });
    }

    /// Returns the widget.
    pub fn widget(&self) -> &TextArea<'static> {
        &self.area
    }
}

/// Returns what of a text may stand in a field: no control characters, line ends only where there are many lines.
fn kept(text: &str, lines: Lines) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let one = |c: char| match (c, lines) {
        ('\n', Lines::Many) => Some('\n'),
        ('\n' | '\t', Lines::One) => Some(' '),
        ('\t', Lines::Many) => Some('\t'),
        (c, _) => (!c.is_control()).then_some(c),
    };
    text.chars().filter_map(one).collect()
}

fn area_input(key: Key) -> Input {
    let code = match key.code {
        Code::Char(c) => AreaKey::Char(c),
        Code::Enter => AreaKey::Enter,
        Code::Backspace => AreaKey::Backspace,
        Code::Delete => AreaKey::Delete,
        Code::Up => AreaKey::Up,
        Code::Down => AreaKey::Down,
        Code::Left => AreaKey::Left,
        Code::Right => AreaKey::Right,
        Code::Home => AreaKey::Home,
        Code::End => AreaKey::End,
        Code::PageUp => AreaKey::PageUp,
        Code::PageDown => AreaKey::PageDown,
        Code::Esc | Code::Tab | Code::Insert | Code::F(_) => AreaKey::Null,
    };
    Input { key: code, ctrl: key.ctrl, alt: key.alt, shift: key.shift }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_stays_one() {
        let mut edit = Edit::new("a\nb", Lines::One);
        assert_eq!(edit.text(), "a b");
        for key in ["ctrl-m", "enter", "c"] {
            edit.key(key.parse().expect("a key"));
        }
        edit.paste("x\ny\u{1b}[2J");
        assert_eq!(edit.area.lines().len(), 1);
        assert!(edit.text().ends_with("x y[2J"), "{:?}", edit.text());
    }

    #[test]
    fn pastes_have_an_end() {
        let mut edit = Edit::new("", Lines::Many);
        assert_eq!(edit.paste(&"é\n".repeat(3000)), 6000 - PASTE_CHARS_MAX);
        assert_eq!(edit.text().chars().count(), PASTE_CHARS_MAX);
        assert_eq!(edit.paste("end"), 0);
    }

    #[test]
    fn rows_grow_with_the_text() {
        let edit = Edit::new("one\ntwo two two", Lines::Many);
        assert_eq!((edit.rows(40), edit.rows(6), edit.rows(3)), (2, 3, 6));
        assert_eq!(Edit::new(&"x\n".repeat(50), Lines::Many).rows(40), ROWS_MAX);
        assert!(edit.at_end() && edit.at_edge(Code::Down) && !edit.at_edge(Code::Up));
    }
}
