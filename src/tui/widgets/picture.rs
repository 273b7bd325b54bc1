//! A canvas of dots with its axes, as lines of text: scale on the left, letters at the ends of curves, a column that is read.

use std::collections::BTreeMap;

use ratatui::text::{Line, Span};

use crate::model::chart::{Axis, Canvas, Dots, block, braille, letter};
use crate::model::study::short;
use crate::tui::cx::Cx;
use crate::tui::theme::Role;

/// Columns of the scale on the left, with the line beside it.
pub const LABEL_WIDTH: usize = 9;

/// What is drawn.
pub struct Picture<'a> {
    /// The dots.
    pub canvas: &'a Canvas,
    /// Its columns and lines.
    pub size: (usize, usize),
    /// The scale beside it; none where there is one for each place across.
    pub up: Option<Axis>,
    /// Cells that have a sign of their own, with its role.
    pub signs: &'a BTreeMap<(usize, usize), (char, Role)>,
    /// The column that is read.
    pub cursor: Option<usize>,
    /// The colour of a curve.
    pub role: &'a dyn Fn(usize) -> Role,
}

impl Picture<'_> {
    /// Returns its lines.
    pub fn lines(&self, cx: &Cx) -> Vec<Line<'static>> {
        let (columns, lines) = self.size;
        let side = if cx.look.ascii { '|' } else { '│' };
        // Four lines between two numbers of the scale are easy to read.
        let labelled = |line: usize| line == 0 || line + 1 == lines || (line.is_multiple_of(4) && line + 3 < lines);
        let line = |line: usize| {
            let share = 1.0 - line as f64 / lines.saturating_sub(1).max(1) as f64;
            let label = self.up.filter(|_| labelled(line)).map(|up| short(up.at(share))).unwrap_or_default();
            let mut spans = Vec::new();
            if self.up.is_some() {
                let wide = LABEL_WIDTH - 1;
                spans.push(Span::styled(format!("{label:>wide$}{side}"), cx.style(Role::Muted)));
            }
            spans.extend((0..columns).map(|column| self.cell(column, line, cx)));
            Line::from(spans)
        };
        (0..lines).map(line).collect()
    }

    fn cell(&self, column: usize, line: usize, cx: &Cx) -> Span<'static> {
        let here = self.cursor == Some(column);
        let style = |role| cx.style(if here { Role::Choice } else { role });
        if let Some((sign, role)) = self.signs.get(&(column, line)) {
            return Span::styled(sign.to_string(), style(*role));
        }
        match self.canvas.cell(column, line) {
            Some((dots, curve)) => {
                let symbol = match cx.look.dots() {
                    Dots::Braille => braille(dots),
                    Dots::Blocks => block(dots),
                    Dots::Ascii => letter(curve),
                };
                Span::styled(symbol.to_string(), style((self.role)(curve)))
            }
            None => Span::styled(" ", if here { cx.style(Role::Choice) } else { cx.style(Role::Text) }),
        }
    }
}

/// Returns the line below a picture: what stands at its left and at its right end.
pub fn floor(left: &str, middle: &str, right: &str, columns: usize, cx: &Cx) -> Line<'static> {
    let indent = LABEL_WIDTH;
    let used = left.chars().count() + right.chars().count() + middle.chars().count();
    let gap = columns.saturating_sub(used);
    let text = format!("{:indent$}{left}{}{middle}{}{right}", "", " ".repeat(gap / 2), " ".repeat(gap - gap / 2));
    Line::from(Span::styled(text, cx.style(Role::Muted)))
}
