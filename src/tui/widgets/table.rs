//! A table of any length: only the rows in sight are asked for.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use super::cut;
use crate::tui::cx::Cx;
use crate::tui::theme::Role;

/// How wide a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// So many cells.
    Cells(u16),
    /// At least so many, and a part of what is left.
    AtLeast(u16),
    /// At least so many, and at most so many of what is left.
    Between(u16, u16),
}

/// Which end its text stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its head.
    pub title: String,
    /// How wide it is.
    pub width: Width,
    /// Which end its text stands at.
    pub side: Side,
}

impl Column {
    /// Returns a column of words.
    pub fn left(title: impl Into<String>, width: Width) -> Self {
        Self { title: title.into(), width, side: Side::Left }
    }

    /// Returns a column of numbers.
    pub fn right(title: impl Into<String>, cells: u16) -> Self {
        Self { title: title.into(), width: Width::Cells(cells), side: Side::Right }
    }
}

/// A row: one styled text per column.
pub type Row = Vec<Span<'static>>;

/// The place in a table: a cursor and what is in sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The row of the cursor.
    pub at: usize,
    /// The first row in sight.
    pub top: usize,
}

impl Place {
    /// Moves the cursor and keeps it in sight.
    pub fn step(&mut self, by: isize, len: usize, height: usize) {
        self.at = self.at.saturating_add_signed(by);
        self.keep(len, height);
    }

    /// Keeps cursor and sight inside a table of that length.
    pub fn keep(&mut self, len: usize, height: usize) {
        let height = height.max(1);
        self.at = self.at.min(len.saturating_sub(1));
        self.top = self.top.clamp((self.at + 1).saturating_sub(height), self.at).min(len.saturating_sub(height));
    }
}

/// What is drawn.
pub struct Table<'a> {
    /// The columns, the most important first: those that do not fit are left out from the end.
    pub columns: &'a [Column],
    /// How many rows there are.
    pub len: usize,
    /// Returns a row.
    pub row: &'a dyn Fn(usize) -> Row,
    /// Says whether a row is marked.
    pub marked: &'a dyn Fn(usize) -> bool,
    /// The style of the row under the cursor; `None` when there is no cursor.
    pub cursor: Option<Style>,
}

impl Table<'_> {
    /// Draws head and rows.
    pub fn draw(&self, place: Place, cx: &Cx, area: Rect, buf: &mut Buffer) {
        if area.height == 0 || area.width < 4 {
            return;
        }
        let widths = fit(self.columns, area.width.saturating_sub(1));
        let mut x = area.x + 1;
        for (column, width) in self.columns.iter().zip(&widths) {
            let head = Span::styled(column.title.clone(), cx.style(Role::Head));
            cell(x, area.y, &head, *width, column.side, cx, buf);
            x += width + 2;
        }
        for y in 1..area.height {
            let at = place.top + usize::from(y) - 1;
            if at >= self.len {
                break;
            }
            let line = Rect { y: area.y + y, height: 1, ..area };
            if let Some(style) = self.cursor.filter(|_| at == place.at) {
                buf.set_style(line, style);
            }
            if (self.marked)(at) {
                buf.set_string(line.x, line.y, cx.glyph(super::glyph::Glyph::Mark), cx.style(Role::Marked));
            }
            let mut x = area.x + 1;
            for ((span, column), width) in (self.row)(at).iter().zip(self.columns).zip(&widths) {
                cell(x, line.y, span, *width, column.side, cx, buf);
                x += width + 2;
            }
        }
    }
}

fn cell(x: u16, y: u16, span: &Span<'_>, width: u16, side: Side, cx: &Cx, buf: &mut Buffer) {
    let text = cut(&span.content, usize::from(width), cx.look.ascii);
    let pad = match side {
        Side::Left => 0,
        Side::Right => width.saturating_sub(text.width() as u16),
    };
    buf.set_stringn(x + pad, y, text, usize::from(width), span.style);
}

/// Returns the widths of the columns that fit, two cells between them; what is left goes to those that take it.
fn fit(columns: &[Column], room: u16) -> Vec<u16> {
    let least = |column: &Column| match column.width {
        Width::Cells(cells) | Width::AtLeast(cells) | Width::Between(cells, _) => cells,
    };
    let mut widths: Vec<u16> = Vec::new();
    let mut used = 0;
    for column in columns {
        let gap = if widths.is_empty() { 0 } else { 2 };
        if used + gap + least(column) > room && !widths.is_empty() {
            break;
        }
        used += gap + least(column);
        widths.push(least(column));
    }
    let mut left = room.saturating_sub(used);
    // Those with a limit first, so that the others get what these do not take.
    for (width, column) in widths.iter_mut().zip(columns) {
        if let Width::Between(least, most) = column.width {
            let more = left.min(most.saturating_sub(least));
            *width += more;
            left -= more;
        }
    }
    let takers: Vec<usize> = (0..widths.len()).filter(|at| matches!(columns[*at].width, Width::AtLeast(_))).collect();
    let share = left.checked_div(takers.len() as u16).unwrap_or(0);
    for at in takers {
        widths[at] += share;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_fit_are_left_out_from_the_end() {
        let columns =
            [Column::left("name", Width::AtLeast(8)), Column::right("n", 4), Column::left("why", Width::AtLeast(10))];
        assert_eq!(fit(&columns, 40), [8 + 7, 4, 10 + 7]);
        assert_eq!(fit(&columns, 20), [8 + 6, 4]);
        assert_eq!(fit(&columns, 3), [8]);
        let columns = [Column::left("name", Width::Between(8, 10)), Column::left("why", Width::AtLeast(10))];
        assert_eq!(fit(&columns, 40), [10, 28]);
    }

    #[test]
    fn the_cursor_stays_in_sight() {
        let mut place = Place::default();
        place.step(9, 20, 5);
        assert_eq!(place, Place { at: 9, top: 5 });
        place.step(-100, 20, 5);
        assert_eq!(place, Place::default());
        place.step(100, 3, 5);
        assert_eq!(place, Place { at: 2, top: 0 });
    }
}
