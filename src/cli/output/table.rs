//! Columns for people.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Column, Look, Painter, Row, Style, clean};

/// Between two columns.
const GAP: &str = "  ";

/// A table whose first page decides the widths, so that a list of any length begins at once.
pub(super) struct Table {
    columns: &'static [Column],
    wide: bool,
    limit: Option<usize>,
    paint: Painter,
    widths: Option<Vec<usize>>,
    /// Which columns are shown, once the first page has decided.
    shown: Vec<bool>,
}

impl Table {
    pub(super) fn new(columns: &'static [Column], wide: bool, limit: Option<usize>, paint: Painter) -> Self {
        Self { columns, wide, limit, paint, widths: None, shown: Vec::new() }
    }

    fn decide(&self, rows: &[Row]) -> Vec<bool> {
        let shown = |(at, column): (usize, &Column)| match column.look {
            Look::Text | Look::Number | Look::State => true,
            Look::Wide => self.wide,
            Look::Unless(usual) => self.wide || rows.iter().any(|row| row.cells.get(at).is_some_and(|cell| cell != usual)),
        };
        self.columns.iter().enumerate().map(shown).collect()
    }

    pub(super) fn page(&mut self, out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
        if self.widths.is_none() {
            self.shown = self.decide(rows);
        }
        let rows: Vec<Vec<String>> = rows.iter().map(|row| self.cells(row)).collect();
        let pairs = self.columns.iter().copied().zip(&self.shown);
        let shown: Vec<Column> = pairs.filter(|(_, shown)| **shown).map(|(column, _)| column).collect();
        let widths = match &self.widths {
            Some(widths) => widths.clone(),
            None => {
                let width = |at: usize| rows.iter().map(|row| row[at].width()).max().unwrap_or(0);
                let widths: Vec<usize> =
                    shown.iter().enumerate().map(|(at, column)| column.title.width().max(width(at))).collect();
                let titles: Vec<String> = shown.iter().map(|column| column.title.to_owned()).collect();
                self.line(out, &shown, &widths, &titles, Some(Style::Title))?;
                self.widths = Some(widths.clone());
                widths
            }
        };
        rows.iter().try_for_each(|row| self.line(out, &shown, &widths, row, None))
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let pairs = self.shown.iter().zip(&row.cells);
        pairs.filter(|(shown, _)| **shown).map(|(_, cell)| clean(cell)).collect()
    }

    fn line(
        &self,
        out: &mut dyn Write,
        shown: &[Column],
        widths: &[usize],
        cells: &[String],
        style: Option<Style>,
    ) -> io::Result<()> {
        let mut line = String::new();
        let mut used = 0;
        let last = cells.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        for (at, ((column, cell), width)) in shown.iter().zip(cells).zip(widths).enumerate().take(last + 1) {
            let room = self.limit.map(|limit| limit.saturating_sub(used));
            let cell = match room {
                // Only the last column, the reason, is cut: the others are what a person looks for.
                Some(room) if at + 1 == shown.len() && cell.width() > room => cut(cell, room),
                Some(_) | None => cell.clone(),
            };
            let fill = " ".repeat(width.saturating_sub(cell.width()));
            let padded = match column.look {
                Look::Number => format!("{fill}{cell}"),
                Look::Text | Look::State | Look::Wide | Look::Unless(_) if at == last => cell.clone(),
                Look::Text | Look::State | Look::Wide | Look::Unless(_) => format!("{cell}{fill}"),
            };
            used += padded.width() + GAP.len();
            let painted = match (style, column.look) {
                (Some(style), _) => self.paint.style(style, &padded),
                (None, Look::State) => self.paint.state(&cell, &padded),
                (None, Look::Text | Look::Number | Look::Wide | Look::Unless(_)) => padded,
            };
            line.push_str(&painted);
            if at < last {
                line.push_str(GAP);
            }
        }
        writeln!(out, "{line}")
    }
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
            let shown = if *name == *"state" { paint.state(&line, &line) } else { line };
            writeln!(out, "{}{fill}{GAP}{shown}", paint.style(Style::Title, name))?;
        }
    }
    Ok(())
}
