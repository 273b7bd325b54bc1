//! Columns for people.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Column, Look, Painter, Row, Style, clean};
use crate::model::cells::Cells;
use crate::model::shown::is_plain;

/// Between two columns.
const GAP: &str = "  ";

/// A table whose first page decides the widths, so that a list of any length begins at once.
pub(super) struct Table {
    columns: &'static [Column],
    wide: bool,
    limit: Option<usize>,
    paint: Painter,
    /// The columns that are shown and their widths, once the first page has decided.
    shown: Option<Vec<(usize, usize)>>,
}

/// What is written of one cell.
#[derive(Clone)]
struct Piece<'a> {
    text: Cow<'a, str>,
    /// In columns of the terminal.
    width: usize,
    /// What colours it.
    around: (&'static str, &'static str),
}

impl<'a> Piece<'a> {
    fn new(text: &'a str, column: Column, paint: Painter) -> Self {
        let text = clean(text);
        let around = match column.look {
            Look::State => paint.around(Style::of_state(&text)),
            Look::Text | Look::Number | Look::Wide | Look::Unless(_) => ("", ""),
        };
        Self { width: width(&text), text, around }
    }
}

fn width(text: &str) -> usize {
    // A letter of ASCII has one column; to ask for each costs more than to write it.
    if is_plain(text) { text.len() } else { text.width() }
}

/// The pieces of one column: those of a few texts are made once.
enum Pieces<'a> {
    Few(Vec<Piece<'a>>, &'a [u8]),
    Each(&'a Cells),
}

impl<'a> Pieces<'a> {
    fn new(cells: &'a Cells, column: Column, paint: Painter) -> Self {
        match cells {
            Cells::Few { texts, rows } => {
                Self::Few(texts.iter().map(|text| Piece::new(text, column, paint)).collect(), rows)
            }
            Cells::Each(_) => Self::Each(cells),
        }
    }

    fn at(&self, row: usize, column: Column, paint: Painter) -> Piece<'_> {
        match self {
            Self::Few(pieces, rows) => match pieces.get(Cells::which(rows, row)) {
                Some(piece) => Piece { text: Cow::Borrowed(&piece.text), ..*piece },
                None => Piece::new("", column, paint),
            },
            Self::Each(cells) => Piece::new(cells.get(row), column, paint),
        }
    }
}

impl Table {
    pub(super) fn new(columns: &'static [Column], wide: bool, limit: Option<usize>, paint: Painter) -> Self {
        Self { columns, wide, limit, paint, shown: None }
    }

    /// Returns which columns the next page has to have: before the first, those too that may not be shown.
    pub(super) fn wanted(&self) -> Vec<usize> {
        match &self.shown {
            Some(shown) => shown.iter().map(|(at, _)| *at).collect(),
            None => {
                let may = |at: &usize| self.wide || self.columns[*at].look != Look::Wide;
                (0..self.columns.len()).filter(may).collect()
            }
        }
    }

    /// Returns the lines of a page, after the titles when it is the first.
    pub(super) fn page(&mut self, rows: &[Row]) -> String {
        let column = |at: usize| {
            let mut cells = Cells::default();
            rows.iter().for_each(|row| cells.push(row.cells.get(at).map_or("", String::as_str)));
            cells
        };
        let cells: Vec<Cells> = self.wanted().into_iter().map(column).collect();
        let mut text = String::new();
        self.cells(&mut text, rows.len(), &cells);
        text
    }

    /// Adds the lines of a page of `count` rows to `text`; `given` are its [`wanted`](Self::wanted) columns.
    pub(super) fn cells(&mut self, text: &mut String, count: usize, given: &[Cells]) {
        let mut given: Vec<&Cells> = given.iter().collect();
        if self.shown.is_none() {
            let wanted = self.wanted();
            let shown: Vec<(usize, &Cells)> =
                wanted.into_iter().zip(given).filter(|(at, cells)| self.is_shown(*at, cells, count)).collect();
            given = shown.iter().map(|(_, cells)| *cells).collect();
            let widest = |at: usize, cells: &Cells| {
                let cell = |row| Piece::new(cells.get(row), self.columns[at], self.paint).width;
                (0..count).map(cell).max().unwrap_or(0).max(self.columns[at].title.width())
            };
            let shown: Vec<(usize, usize)> = shown.into_iter().map(|(at, cells)| (at, widest(at, cells))).collect();
            let titles = shown.iter().map(|(at, _)| {
                let title = self.columns[*at].title;
                Piece { text: Cow::Borrowed(title), width: title.width(), around: self.paint.around(Some(Style::Title)) }
            });
            self.line(text, &shown, &titles.collect::<Vec<_>>());
            self.shown = Some(shown);
        }
        let Some(shown) = &self.shown else { return };
        let columns: Vec<Column> = shown.iter().map(|(at, _)| self.columns[*at]).collect();
        let pieces: Vec<Pieces<'_>> =
            given.iter().zip(&columns).map(|(cells, column)| Pieces::new(cells, *column, self.paint)).collect();
        let mut line = Vec::with_capacity(pieces.len());
        for row in 0..count {
            line.clear();
            line.extend(pieces.iter().zip(&columns).map(|(pieces, column)| pieces.at(row, *column, self.paint)));
            self.line(text, shown, &line);
        }
    }

    fn is_shown(&self, at: usize, cells: &Cells, count: usize) -> bool {
        match self.columns[at].look {
            Look::Text | Look::Number | Look::State => true,
            Look::Wide => self.wide,
            Look::Unless(usual) => self.wide || (0..count).any(|row| cells.get(row) != usual),
        }
    }

    fn line(&self, out: &mut String, shown: &[(usize, usize)], line: &[Piece<'_>]) {
        let mut used = 0;
        let last = line.iter().rposition(|piece| !piece.text.is_empty()).unwrap_or(0);
        for (at, ((column, width), piece)) in shown.iter().zip(line).enumerate().take(last + 1) {
            let room = self.limit.map(|limit| limit.saturating_sub(used));
            let cut = match room {
                // Only the last column, the reason, is cut: the others are what a person looks for.
                Some(room) if at + 1 == shown.len() && piece.width > room => Some(cut(&piece.text, room)),
                Some(_) | None => None,
            };
            let (text, has) = cut.as_deref().map_or((&*piece.text, piece.width), |cut| (cut, cut.width()));
            let fill = width.saturating_sub(has);
            let (before, after) = match self.columns[*column].look {
                Look::Number => (fill, 0),
                Look::Text | Look::State | Look::Wide | Look::Unless(_) if at == last => (0, 0),
                Look::Text | Look::State | Look::Wide | Look::Unless(_) => (0, fill),
            };
            used += before + has + after + GAP.len();
            out.push_str(piece.around.0);
            spaces(out, before);
            out.push_str(text);
            spaces(out, after);
            out.push_str(piece.around.1);
            if at < last {
                out.push_str(GAP);
            }
        }
        out.push('\n');
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

fn cut(text: &str, room: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        if kept.width() + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) + 1 > room {
            break;
        }
        kept.push(c);
    }
    kept + if room > 0 { "…" } else { "" }
}

/// Writes names and values below one another; a value of several lines keeps them.
pub(super) fn facts(out: &mut dyn Write, facts: &[(&str, String)], paint: Painter) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        for (at, line) in value.lines().enumerate() {
            let name = if at == 0 { name } else { "" };
            let fill = " ".repeat(width - name.width());
            let line = clean(line);
            let shown = if *name == *"state" { Cow::Owned(paint.state(&line, &line)) } else { line };
            writeln!(out, "{}{fill}{GAP}{shown}", paint.style(Style::Title, name))?;
        }
    }
    Ok(())
}
