//! A curve in a few lines of text: braille where it can be drawn, else half blocks or ASCII. A place on it is read with a cursor.

use ratatui::text::{Line, Span};

use crate::model::chart::{DOTS, Dots, block, braille, filled};
use crate::model::units::{Bytes, Money};
use crate::tui::cx::Cx;
use crate::tui::theme::Role;

/// Columns of the scale on the left.
const SCALE_WIDTH: usize = 6;

/// What is drawn.
#[derive(Debug)]
pub struct Plot<'a> {
    /// The values from left to right, two for each column where braille is drawn; `None` where nothing is known.
    pub values: &'a [Option<u64>],
    /// Lines of the curve.
    pub height: usize,
    /// Its colour.
    pub role: Role,
    /// What the values are.
    pub unit: Unit,
    /// What the upper edge stands for; the greatest value when absent.
    pub top: Option<u64>,
    /// The part at which the cursor stands.
    pub cursor: Option<usize>,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many of something.
    Count,
    /// Thousandths of a whole, said in percent.
    Milli,
    /// Bytes, or bytes a second.
    Bytes,
    /// Millionths of the unit of prices.
    Money,
}

impl Unit {
    /// Returns a value in at most [`SCALE_WIDTH`] columns.
    fn short(self, value: u64) -> String {
        match self {
            Self::Count => value.to_string(),
            Self::Milli => format!("{} %", value / 10),
            Self::Money if value >= 1000 * 1_000_000 => (value / 1_000_000).to_string(),
            Self::Money => Money(i64::try_from(value).unwrap_or(i64::MAX)).to_string(),
            Self::Bytes => {
                let text = Bytes(value).to_string();
                // `1.5 KiB` as `1.5 K`, `1000 KiB` as `1000K`.
                let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
                let unit = &unit[..1.min(unit.len())];
                if number.len() + 2 <= SCALE_WIDTH { format!("{number} {unit}") } else { format!("{number}{unit}") }
            }
        }
    }
}

/// Returns how many values a plot of so many columns takes.
pub fn parts(width: u16) -> usize {
    usize::from(width).saturating_sub(SCALE_WIDTH + 1) * DOTS.0
}

impl Plot<'_> {
    /// Returns its lines.
    pub fn lines(&self, cx: &Cx) -> Vec<Line<'static>> {
        let greatest = self.values.iter().flatten().copied().max().unwrap_or(0);
        let most = self.top.unwrap_or(greatest).max(1);
        let levels = self.height * DOTS.1;
        // Every value above zero is seen.
        let level = |value: u64| {
            let level = (u128::from(value) * levels as u128).div_ceil(u128::from(most));
            usize::try_from(level).unwrap_or(levels).min(levels)
        };
        let cells = self.values.len().div_ceil(DOTS.0);
        let line = |row: usize| {
            let scale = match row {
                0 => format!("{:>SCALE_WIDTH$} ", self.unit.short(self.top.unwrap_or(greatest))),
                _ if row + 1 == self.height => format!("{:>SCALE_WIDTH$} ", 0),
                _ => " ".repeat(SCALE_WIDTH + 1),
            };
            let mut spans = vec![Span::styled(scale, cx.style(Role::Muted))];
            let floor = (self.height - 1 - row) * DOTS.1;
            for cell in 0..cells {
                let at = |dot: usize| self.values.get(cell * DOTS.0 + dot).copied().flatten().map_or(0, level);
                let heights = [at(0), at(1)].map(|height| height.saturating_sub(floor).min(DOTS.1));
                let symbol = match cx.look.dots() {
                    Dots::Braille => braille(filled(heights)),
                    Dots::Blocks => block(filled(heights)),
                    Dots::Ascii => plain(heights),
                };
                let here = self.cursor.is_some_and(|cursor| cursor / DOTS.0 == cell);
                let style = cx.style(if here { Role::Choice } else { self.role });
                spans.push(Span::styled(symbol.to_string(), style));
            }
            Line::from(spans)
        };
        (0..self.height).map(line).collect()
    }
}

fn plain(heights: [usize; 2]) -> char {
    match heights[0].max(heights[1]) {
        0 => ' ',
        1 => '.',
        2 | 3 => ':',
        _ => '#',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_fits_its_column() {
        let bytes = [0, 900, 1536, 1000 << 10, 12 << 30, 1023 << 40].map(|value| Unit::Bytes.short(value));
        assert_eq!(bytes, ["0 B", "900 B", "1.5 K", "1000 K", "12 G", "1023 T"]);
        assert_eq!([Unit::Milli.short(1000), Unit::Count.short(40)], ["100 %", "40"]);
        assert_eq!([Unit::Money.short(4_310_000), Unit::Money.short(12_000_000_000)], ["4.31", "12000"]);
    }

    #[test]
    fn signs_stand_for_heights() {
        assert_eq!([plain([0, 0]), plain([1, 0]), plain([0, 3]), plain([4, 4])], [' ', '.', ':', '#']);
    }
}
