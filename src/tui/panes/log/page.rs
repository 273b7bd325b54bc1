//! Which rows are on the screen, and how one moves over them. Pure: a place, the buffer and a size give the rows.

use std::ops::Range;

use super::buffer::{LineBuffer, LineId};
use super::content::Content;
use super::filter::Filter;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The end, as it grows.
    Follow,
    /// A row of a line stands in the first row of the screen.
    At {
        /// The line.
        id: LineId,
        /// Its row, from 0; more than 0 only while lines are wrapped.
        row: usize,
    },
}

/// How lines are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Long lines go on in the next row.
    pub wrap: bool,
    /// JSON lines are shown in words.
    pub json: bool,
}

impl Size {
    fn wrap_at(self) -> Option<usize> {
        self.wrap.then_some(self.width)
    }
}

/// One row of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line it is of.
    pub id: LineId,
    /// Which row of that line, from 0.
    pub row: usize,
    /// Its content, as an index into [`Page::contents`].
    pub content: usize,
    /// The bytes of the content's text.
    pub part: Range<usize>,
}

/// What is on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The lines and notes.
    pub contents: Vec<Content>,
    /// The rows, from above.
    pub rows: Vec<Row>,
    /// The last row is the end of what is held.
    pub at_end: bool,
}

/// The held lines as they are laid out now.
#[derive(Clone, Copy, Debug)]
pub struct Sheet<'a> {
    /// The lines.
    pub buffer: &'a LineBuffer,
    /// Only these of them.
    pub filter: Option<&'a Filter>,
    /// How.
    pub size: Size,
}

impl Sheet<'_> {
    fn at_or_after(&self, id: LineId) -> Option<LineId> {
        let id = id.max(self.buffer.first_id());
        match self.filter {
            Some(filter) => filter.at_or_after(self.buffer, id),
            None => (id < self.buffer.end_id()).then_some(id),
        }
    }

    fn before(&self, id: LineId) -> Option<LineId> {
        let id = id.min(self.buffer.end_id());
        match self.filter {
            Some(filter) => filter.before(self.buffer, id),
            None => (id > self.buffer.first_id()).then(|| id.plus(-1)),
        }
    }

    fn content(&self, id: LineId) -> Option<Content> {
        self.buffer.get(id).map(|view| Content::of(view, self.size.json))
    }

    fn row_count(&self, id: LineId) -> usize {
        match self.size.wrap {
            true => self.content(id).map_or(1, |content| content.row_count(self.size.wrap_at())),
            false => 1,
        }
    }

    /// Returns the last row there is.
    fn last(&self) -> Option<(LineId, usize)> {
        let id = self.before(self.buffer.end_id())?;
        Some((id, self.row_count(id) - 1))
    }

    /// Goes up by `rows`; stops at the first row held. Returns where it came and how far it did not come.
    fn up_from(&self, (mut id, mut row): (LineId, usize), mut rows: usize) -> ((LineId, usize), usize) {
        while rows > row {
            let Some(above) = self.before(id) else { return ((id, 0), rows - row) };
            rows -= row + 1;
            id = above;
            row = self.row_count(id) - 1;
        }
        ((id, row - rows), 0)
    }

    /// Goes down by `rows`; stops at the last row held.
    fn down_from(&self, (mut id, mut row): (LineId, usize), mut rows: usize) -> (LineId, usize) {
        loop {
            let below = self.row_count(id).saturating_sub(row + 1);
            if rows <= below {
                return (id, row + rows);
            }
            let Some(next) = self.at_or_after(id.plus(1)) else { return (id, row + below) };
            rows -= below + 1;
            (id, row) = (next, 0);
        }
    }

    /// Returns the first row of the last full screen.
    fn last_top(&self) -> Option<(LineId, usize)> {
        self.last().map(|last| self.up_from(last, self.size.height.saturating_sub(1)).0)
    }

    /// Returns the first row of the screen.
    fn top(&self, place: Place) -> Option<(LineId, usize)> {
        let last = self.last_top()?;
        match place {
            Place::Follow => Some(last),
            Place::At { id, row } => {
                let at = self.at_or_after(id).map_or(last, |found| (found, if found == id { row } else { 0 }));
                let row = at.1.min(self.row_count(at.0) - 1);
                Some((at.0, row).min(last))
            }
        }
    }

    /// Returns the place `rows` further up, and whether it is further up at all. Where everything fits, one stays.
    pub fn up(&self, place: Place, rows: usize) -> (Place, bool) {
        let Some(top) = self.top(place) else { return (place, false) };
        let ((id, row), _) = self.up_from(top, rows);
        if (id, row) == top { (place, false) } else { (Place::At { id, row }, true) }
    }

    /// Returns the place `rows` further down; at the end one follows again, when what is held reaches the end of the file.
    pub fn down(&self, place: Place, rows: usize) -> Place {
        let (Some(top), Some(last)) = (self.top(place), self.last_top()) else { return place };
        let (id, row) = self.down_from(top, rows);
        match (id, row) < last {
            true => Place::At { id, row },
            false if self.buffer.attached() => Place::Follow,
            false => Place::At { id: last.0, row: last.1 },
        }
    }

    /// Returns the place at which `id` stands `above` rows below the first one.
    pub fn show(&self, id: LineId, above: usize) -> Place {
        let id = self.at_or_after(id).or_else(|| self.before(id)).unwrap_or(id);
        let ((id, row), _) = self.up_from((id, 0), above);
        Place::At { id, row }
    }

    /// Returns what is on the screen.
    pub fn page(&self, place: Place) -> Page {
        let mut page = Page::default();
        let Some((first, skip)) = self.top(place) else { return Page { at_end: true, ..page } };
        let (mut next, mut skip) = (Some(first), skip);
        while let Some(id) = next.filter(|_| page.rows.len() < self.size.height) {
            let Some(content) = self.content(id) else { break };
            let room = self.size.height - page.rows.len();
            let rows = content.rows(self.size.wrap_at());
            let of_content = page.contents.len();
            let cut = rows.len() > skip + room;
            page.rows.extend(rows.into_iter().enumerate().skip(skip).take(room).map(|(row, part)| Row {
                id,
                row,
                content: of_content,
                part,
            }));
            page.contents.push(content);
            skip = 0;
            next = self.at_or_after(id.plus(1));
            page.at_end = next.is_none() && !cut;
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::LetGo;
    use super::super::filter::Needle;
    use super::*;

    fn buffer(lines: usize) -> LineBuffer {
        let mut buffer = LineBuffer::default();
        let text: String = (0..lines).map(|n| format!("{n}{}\n", "x".repeat(n % 3 * 10))).collect();
        buffer.append(0, text.as_bytes(), text.len() as u64, LetGo::Front);
        buffer
    }

    fn firsts(sheet: &Sheet<'_>, place: Place) -> Vec<(i64, usize)> {
        sheet.page(place).rows.iter().map(|row| (row.id.0, row.row)).collect()
    }

    #[test]
    fn the_end_fills_the_screen_and_up_leaves_it() {
        let buffer = buffer(10);
        let sheet = Sheet { buffer: &buffer, filter: None, size: Size { width: 10, height: 4, wrap: false, json: false } };
        assert_eq!(firsts(&sheet, Place::Follow), [(6, 0), (7, 0), (8, 0), (9, 0)]);
        assert!(sheet.page(Place::Follow).at_end);
        let (place, moved) = sheet.up(Place::Follow, 2);
        assert_eq!((firsts(&sheet, place)[0], moved), ((4, 0), true));
        assert!(!sheet.page(place).at_end);
        assert_eq!(sheet.up(place, 99), (Place::At { id: LineId(0), row: 0 }, true));
        assert!(!sheet.up(sheet.up(place, 99).0, 1).1);
        assert_eq!(sheet.down(place, 1), Place::At { id: LineId(5), row: 0 });
        assert_eq!(sheet.down(place, 2), Place::Follow);
    }

    #[test]
    fn where_everything_fits_nothing_moves() {
        let buffer = buffer(3);
        let sheet = Sheet { buffer: &buffer, filter: None, size: Size { width: 80, height: 5, wrap: false, json: false } };
        assert_eq!(sheet.up(Place::Follow, 1), (Place::Follow, false));
        assert_eq!(firsts(&sheet, Place::Follow).len(), 3);
        let empty = LineBuffer::default();
        let sheet = Sheet { buffer: &empty, ..sheet };
        assert_eq!((sheet.up(Place::Follow, 1), sheet.down(Place::Follow, 1)), ((Place::Follow, false), Place::Follow));
        assert_eq!(sheet.page(Place::Follow).rows, []);
    }

    #[test]
    fn wrapped_rows_are_walked_one_by_one() {
        let buffer = buffer(6);
        let sheet = Sheet { buffer: &buffer, filter: None, size: Size { width: 10, height: 4, wrap: true, json: false } };
        // Rows of the lines: 1, 2, 3, 1, 2, 3.
        assert_eq!(firsts(&sheet, Place::Follow), [(4, 1), (5, 0), (5, 1), (5, 2)]);
        let (place, _) = sheet.up(Place::Follow, 1);
        assert_eq!(place, Place::At { id: LineId(4), row: 0 });
        let (place, _) = sheet.up(place, 3);
        assert_eq!(firsts(&sheet, place), [(2, 1), (2, 2), (3, 0), (4, 0)]);
        assert_eq!(sheet.down(place, 4), Place::Follow);
        assert_eq!(sheet.show(LineId(3), 2), Place::At { id: LineId(2), row: 1 });
    }

    #[test]
    fn a_filter_keeps_the_place() {
        let buffer = buffer(40);
        let filter = Filter::new(Needle::new("3").expect("a text"), &buffer);
        let size = Size { width: 10, height: 3, wrap: false, json: false };
        let sheet = Sheet { buffer: &buffer, filter: Some(&filter), size };
        let place = Place::At { id: LineId(20), row: 0 };
        assert_eq!(firsts(&sheet, place), [(23, 0), (30, 0), (31, 0)]);
        assert_eq!(sheet.up(place, 1).0, Place::At { id: LineId(13), row: 0 });
        assert_eq!(firsts(&Sheet { filter: None, ..sheet }, place)[0], (20, 0));
    }
}
