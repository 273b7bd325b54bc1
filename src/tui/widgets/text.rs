//! Clean text with colours, drawn one row at a time: cut at the right edge or wrapped, scrolled sideways, with pieces
//! made to stand out. Knows lines and cells, nothing of logs.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::model::shown::{self, ShownLine};
use crate::tui::theme::Depth;

/// How text looks where the text itself says nothing, and what marks are drawn with.
#[derive(Clone, Copy, Debug)]
pub struct TextLook {
    /// The ground and letters.
    pub base: Style,
    /// Pieces that stand out.
    pub mark: Style,
    /// The signs that something is cut off.
    pub edge: Style,
    /// How many colours the terminal has.
    pub depth: Depth,
    /// No sign outside ASCII is added.
    pub ascii: bool,
}

/// Returns the width of one cell's text: at least one column, since what has none was written out or joined when cleaned.
fn columns(cell: &str) -> usize {
    cell.width().clamp(1, 2)
}

/// Returns the number of columns of a text.
pub fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(columns).sum() }
}

/// Returns the pieces of a text, in bytes, that fill rows of `width` columns one after the other; at least one.
pub fn wrapped(text: &str, width: usize) -> Vec<Range<usize>> {
    let width = width.max(2);
    if text.is_ascii() {
        let starts = (0..text.len().max(1)).step_by(width);
        return starts.map(|from| from..(from + width).min(text.len())).collect();
    }
    let (mut rows, mut from, mut used) = (Vec::new(), 0, 0);
    for (at, cell) in text.grapheme_indices(true) {
        if used + columns(cell) > width {
            rows.push(from..at);
            (from, used) = (at, 0);
        }
        used += columns(cell);
    }
    rows.push(from..text.len());
    rows
}

/// Returns how many rows of `width` columns a text fills, without making them.
pub fn row_count(text: &str, width: usize) -> usize {
    if text.is_ascii() { text.len().div_ceil(width.max(2)).max(1) } else { wrapped(text, width).len() }
}

/// Draws the bytes `row` of a line into one row of the screen, beginning at column `skip` of them. `marks` are bytes of
/// the line's text, in order and apart. What does not fit is cut, with a sign at the edge where it is.
pub fn draw_row(
    line: &ShownLine,
    row: Range<usize>,
    skip: usize,
    marks: &[Range<usize>],
    look: &TextLook,
    area: Rect,
    buf: &mut Buffer,
) {
    if area.width == 0 || area.height == 0 {
        return;
    }
    buf.set_style(Rect { height: 1, ..area }, look.base);
    let mut pen = Pen { x: 0, skip, width: usize::from(area.width), area };
    let mut at = 0;
    for (style, piece) in line.spans() {
        let (from, upto) = (at.max(row.start), (at + piece.len()).min(row.end));
        if from < upto && pen.x <= pen.width {
            let style = look.base.patch(of_text(style, look.depth));
            for (part, marked) in parts(from..upto, marks) {
                let style = if marked { style.patch(look.mark) } else { style };
                pen.write(&piece[part.start - at..part.end - at], style, buf);
            }
        }
        at += piece.len();
    }
    let right = pen.x > pen.width;
    if right {
        pen.sign(area.right() - 1, if look.ascii { ">" } else { "›" }, look.edge, buf);
    }
    if skip > 0 && row.end > row.start {
        pen.sign(area.x, if look.ascii { "<" } else { "‹" }, look.edge, buf);
    }
}

/// Cuts a range at the borders of marks, and says of each part whether it is in one.
fn parts(range: Range<usize>, marks: &[Range<usize>]) -> Vec<(Range<usize>, bool)> {
    let (mut parts, mut at) = (Vec::new(), range.start);
    for mark in marks.iter().filter(|mark| mark.end > range.start && mark.start < range.end) {
        let (from, upto) = (mark.start.max(at), mark.end.min(range.end));
        if from > at {
            parts.push((at..from, false));
        }
        if upto > from {
            parts.push((from..upto, true));
            at = upto;
        }
    }
    if at < range.end {
        parts.push((at..range.end, false));
    }
    parts
}

/// Where the next cell goes.
struct Pen {
    /// The next column; beyond `width` once something did not fit.
    x: usize,
    /// Columns still to leave out.
    skip: usize,
    width: usize,
    area: Rect,
}

impl Pen {
    fn write(&mut self, text: &str, style: Style, buf: &mut Buffer) {
        if text.is_ascii() {
            let skipped = self.skip.min(text.len());
            self.skip -= skipped;
            self.put(&text[skipped..], text.len() - skipped, style, buf);
            return;
        }
        for cell in text.graphemes(true) {
            let columns = columns(cell);
            if self.skip >= columns {
                self.skip -= columns;
            } else if self.skip > 0 {
                // Half of a wide character is left: a blank keeps the columns straight.
                self.skip = 0;
                self.put(" ", 1, style, buf);
            } else {
                self.put(cell, columns, style, buf);
            }
            if self.x > self.width {
                return;
            }
        }
    }

    fn put(&mut self, text: &str, columns: usize, style: Style, buf: &mut Buffer) {
        let room = self.width.saturating_sub(self.x);
        if columns == 0 {
            return;
        }
        if room > 0 {
            buf.set_stringn(self.area.x + self.x as u16, self.area.y, text, room, style);
        }
        self.x = if columns > room { self.width + 1 } else { self.x + columns };
    }

    fn sign(&self, x: u16, sign: &str, style: Style, buf: &mut Buffer) {
        buf.set_stringn(x, self.area.y, sign, 1, style);
    }
}

/// Returns the style that a text asked for, in the colours that the terminal has.
fn of_text(style: shown::Style, depth: Depth) -> Style {
    let colour = |colour: shown::Colour| depth.fit(of_colour(colour));
    let attributes = [
        (style.bold, Modifier::BOLD),
        (style.dim, Modifier::DIM),
        (style.italic, Modifier::ITALIC),
        (style.underline, Modifier::UNDERLINED),
        (style.reverse, Modifier::REVERSED),
    ];
    let modifiers = attributes.iter().filter(|(on, _)| *on).map(|(_, modifier)| *modifier).collect();
    Style { fg: style.foreground.map(colour), bg: style.background.map(colour), ..Style::default() }.add_modifier(modifiers)
}

/// The named sixteen go out by name, so that the user's own palette decides about them.
fn of_colour(colour: shown::Colour) -> Color {
    match colour {
        shown::Colour::Rgb(r, g, b) => Color::Rgb(r, g, b),
        shown::Colour::Indexed(index) => match index {
            0 => Color::Black,
            1 => Color::Red,
            2 => Color::Green,
            3 => Color::Yellow,
            4 => Color::Blue,
            5 => Color::Magenta,
            6 => Color::Cyan,
            7 => Color::Gray,
            8 => Color::DarkGray,
            9 => Color::LightRed,
            10 => Color::LightGreen,
            11 => Color::LightYellow,
            12 => Color::LightBlue,
            13 => Color::LightMagenta,
            14 => Color::LightCyan,
            15 => Color::White,
            16.. => Color::Indexed(index),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::shown::Cleaner;

    fn clean(bytes: &[u8]) -> ShownLine {
        let mut cleaner = Cleaner::at(0);
        cleaner.feed(bytes, |_| {});
        cleaner.unfinished().unwrap_or_default()
    }

    fn look() -> TextLook {
        let plain = Style::default();
        let mark = plain.add_modifier(Modifier::REVERSED);
        TextLook { base: plain, mark, edge: plain, depth: Depth::True, ascii: true }
    }

    fn drawn(text: &str, skip: usize, width: u16) -> String {
        let line = clean(text.as_bytes());
        let area = Rect::new(0, 0, width, 1);
        let mut buf = Buffer::empty(area);
        draw_row(&line, 0..line.text().len(), skip, &[], &look(), area, &mut buf);
        (0..width).map(|x| buf[(x, 0)].symbol()).collect()
    }

    #[test]
    fn long_lines_are_cut_and_say_so() {
        for (text, skip, width, want) in [
            ("abcdef", 0, 6, "abcdef"),
            ("abcdefg", 0, 6, "abcde>"),
            ("abcdefg", 2, 6, "<defg "),
            ("abcdefghi", 2, 6, "<defg>"),
            ("", 3, 4, "    "),
            ("ab", 9, 4, "<   "),
            ("日本語", 0, 6, "日 本 語 "),
            ("日本語", 0, 5, "日 本 >"),
            ("日本語", 1, 6, "<本 語  "),
        ] {
            assert_eq!(drawn(text, skip, width), want, "{text} {skip} {width}");
        }
    }

    #[test]
    fn colours_and_marks_meet() {
        let line = clean(b"step \x1b[31mfailed\x1b[0m here");
        let area = Rect::new(0, 0, 20, 1);
        let mut buf = Buffer::empty(area);
        draw_row(&line, 0..line.text().len(), 0, std::slice::from_ref(&(3..8)), &look(), area, &mut buf);
        let seen: Vec<(bool, bool)> =
            (0..16).map(|x| (buf[(x, 0)].fg == Color::Red, buf[(x, 0)].modifier.contains(Modifier::REVERSED))).collect();
        let want: Vec<(bool, bool)> = (0..16).map(|x| ((5..11).contains(&x), (3..8).contains(&x))).collect();
        assert_eq!(seen, want);
    }

    #[test]
    fn no_colour_means_none() {
        let line = clean(b"\x1b[31;44;1mred");
        let area = Rect::new(0, 0, 3, 1);
        let mut buf = Buffer::empty(area);
        draw_row(&line, 0..3, 0, &[], &TextLook { depth: Depth::None, ..look() }, area, &mut buf);
        let cell = &buf[(0, 0)];
        assert_eq!((cell.fg, cell.bg, cell.modifier), (Color::Reset, Color::Reset, Modifier::BOLD));
    }

    proptest! {
        #[test]
        fn rows_tile_the_text_and_fit(text in "(\\PC|日|é|e\u{301}|[a-z ]){0,120}", width in 2usize..30) {
            let line = clean(text.as_bytes());
            let rows = wrapped(line.text(), width);
            prop_assert_eq!(rows.len(), row_count(line.text(), width));
            let mut next = 0;
            for row in &rows {
                prop_assert_eq!(row.start, next);
                prop_assert!(width_of(&line.text()[row.clone()]) <= width.max(2));
                next = row.end;
            }
            prop_assert_eq!(next, line.text().len());
        }

        #[test]
        fn nothing_is_drawn_outside(bytes in proptest::collection::vec(any::<u8>(), 0..200), skip in 0usize..40, width in 0u16..30) {
            let line = clean(&bytes);
            let area = Rect::new(2, 1, width, 1);
            let mut buf = Buffer::empty(Rect::new(0, 0, 40, 3));
            draw_row(&line, 0..line.text().len(), skip, &[], &look(), area, &mut buf);
            for (at, cell) in buf.content().iter().enumerate() {
                let (x, y) = ((at % 40) as u16, (at / 40) as u16);
                let inside = y == 1 && x >= 2 && x < 2 + width;
                prop_assert!(inside || cell.symbol() == " ", "{:?} at {},{}", cell.symbol(), x, y);
                prop_assert!(cell.symbol().chars().all(|c| !c.is_control()));
            }
        }
    }
}
