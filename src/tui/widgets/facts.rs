//! Facts one below the other: a label, and a value that wraps beside it.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::tui::cx::Cx;
use crate::tui::overlays::help::wrap;
use crate::tui::theme::Role;

/// Columns of a label.
const LABEL_WIDTH: usize = 9;

/// Collects lines.
pub struct Facts<'a> {
    cx: &'a Cx,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl<'a> Facts<'a> {
    /// Returns no facts yet, for that many columns.
    pub fn new(cx: &'a Cx, width: u16) -> Self {
        Self { cx, width: usize::from(width), lines: Vec::new() }
    }

    fn label(&self, label: &str) -> Span<'static> {
        Span::styled(format!(" {label:<LABEL_WIDTH$} "), self.cx.style(Role::Muted))
    }

    fn room(&self) -> usize {
        self.width.saturating_sub(LABEL_WIDTH + 3).max(8)
    }

    /// Adds a fact of pieces that are short enough for a line; those that are not are cut by the screen.
    pub fn spans(&mut self, label: &str, spans: impl IntoIterator<Item = Span<'static>>) {
        let mut line = vec![self.label(label)];
        line.extend(spans);
        self.lines.push(Line::from(line));
    }

    /// Adds pieces that are kept whole, in as many lines as they need.
    pub fn pieces(&mut self, label: &str, pieces: impl IntoIterator<Item = Vec<Span<'static>>>, between: &str) {
        let mut line = vec![self.label(label)];
        let mut used = 0;
        for piece in pieces {
            let width: usize = piece.iter().map(|s| s.content.width()).sum();
            if used > 0 && used + between.width() + width > self.room() {
                self.lines.push(Line::from(std::mem::replace(&mut line, vec![self.label("")])));
                used = 0;
            }
            if used > 0 {
                line.push(Span::styled(between.to_owned(), self.cx.style(Role::Line)));
                used += between.width();
            }
            used += width;
            line.extend(piece);
        }
        if used > 0 {
            self.lines.push(Line::from(line));
        }
    }

    /// Adds a fact in prose that wraps.
    pub fn text(&mut self, label: &str, text: &str, style: Style) {
        for (at, part) in wrap_hard(text, self.room()).into_iter().enumerate() {
            let label = self.label(if at == 0 { label } else { "" });
            self.lines.push(Line::from(vec![label, Span::styled(part, style)]));
        }
    }

    /// Adds a line without a label that wraps.
    pub fn prose(&mut self, text: &str, style: Style) {
        for part in wrap_hard(text, self.width.saturating_sub(2).max(8)) {
            self.lines.push(Line::from(vec![Span::from(" "), Span::styled(part, style)]));
        }
    }

    /// Adds a heading, with a gap above it.
    pub fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.gap();
        }
        self.lines.push(Line::from(Span::styled(format!(" {text}"), self.cx.style(Role::Head))));
    }

    /// Adds a line as it is.
    pub fn line(&mut self, line: Line<'static>) {
        self.lines.push(line);
    }

    /// Adds an empty line.
    pub fn gap(&mut self) {
        self.lines.push(Line::default());
    }

    /// Returns the lines.
    pub fn done(self) -> Vec<Line<'static>> {
        self.lines
    }
}

/// Wraps at words, and breaks words that are wider than a line: command lines and paths are such.
pub fn wrap_hard(text: &str, width: usize) -> Vec<String> {
    use unicode_segmentation::UnicodeSegmentation as _;
    let mut out = Vec::new();
    for line in wrap(text, width) {
        if line.width() <= width {
            out.push(line);
            continue;
        }
        let mut part = String::new();
        let mut used = 0;
        for grapheme in line.graphemes(true) {
            if used + grapheme.width() > width {
                out.push(std::mem::take(&mut part));
                used = 0;
            }
            part.push_str(grapheme);
            used += grapheme.width();
        }
        out.push(part);
    }
    out
}
