//! Curves and points as dots in cells of text: the one maker of pictures of numbers, for the command line and for the screen.
//! Pure. A cell is two dots wide and four high; where braille cannot be drawn, half blocks or letters and signs of ASCII stand for it.

use std::collections::BTreeMap;

use super::metric::Point;

/// Dots of one cell: across and down.
pub const DOTS: (usize, usize) = (2, 4);
/// What tells curves apart without colours.
pub const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// What a terminal can draw dots with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dots {
    /// Each by itself.
    Braille,
    /// Each half of a cell.
    Blocks,
    /// Letters and signs for whole cells.
    Ascii,
}

/// Returns the letter of a curve by its number; after the last letter again from the first.
pub fn letter(number: usize) -> char {
    LETTERS.chars().nth(number % LETTERS.len()).unwrap_or('?')
}

/// Where values lie between two ends, plainly or by their logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
}

impl Axis {
    /// Returns the axis that holds all of these; `None` when none of them can be on it. With `log` only what is above zero can.
    pub fn of(values: impl Iterator<Item = f64>, log: bool) -> Option<Self> {
        let scaled = values.map(|value| scale(value, log)).filter(|value| value.is_finite());
        let ends = scaled.fold(None, |ends: Option<(f64, f64)>, value| {
            Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        let (low, high) = ends?;
        // A single value stands in the middle.
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        Some(Self { low, high, log })
    }

    /// Returns where a value lies, from 0 at the low end to 1; outside that when it is beyond them, `None` when it has no place.
    pub fn share(&self, value: f64) -> Option<f64> {
        let value = scale(value, self.log);
        value.is_finite().then(|| (value - self.low) / (self.high - self.low))
    }

    /// Returns the value at a place from 0 to 1.
    pub fn at(&self, share: f64) -> f64 {
        let value = self.low + (self.high - self.low) * share;
        if self.log { 10_f64.powf(value) } else { value }
    }

    /// Returns the part of it that is `1/2^zoom` of its length, around a place from 0 to 1 as far as the ends allow.
    #[must_use]
    pub fn closer(&self, zoom: u32, around: f64) -> Self {
        let part = 0.5_f64.powi(i32::try_from(zoom).unwrap_or(i32::MAX));
        let begin = (around - part / 2.0).clamp(0.0, 1.0 - part);
        let place = |share: f64| self.low + (self.high - self.low) * share;
        Self { low: place(begin), high: place(begin + part), log: self.log }
    }
}

fn scale(value: f64, log: bool) -> f64 {
    if log { value.log10() } else { value }
}

/// Cells of dots, each of which knows which curve was there last.
#[derive(Clone, Debug)]
pub struct Canvas {
    columns: usize,
    cells: Vec<(u8, usize)>,
}

/// The dots of a braille cell, column by column from above (Unicode 1.1, 2800-28FF).
const BITS: [[u8; DOTS.1]; DOTS.0] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Canvas {
    /// Returns an empty one of so many cells.
    pub fn new(columns: usize, lines: usize) -> Self {
        Self { columns, cells: vec![(0, 0); columns * lines] }
    }

    /// Returns how many dots it is wide and high.
    pub fn size(&self) -> (usize, usize) {
        (self.columns * DOTS.0, self.cells.len() / self.columns.max(1) * DOTS.1)
    }

    /// Returns the dot of a place on two axes, both from 0 to 1, the second from below; `None` outside.
    pub fn place(&self, across: f64, up: f64) -> Option<(usize, usize)> {
        let inside = |share: f64| (0.0..=1.0).contains(&share);
        let (width, height) = self.size();
        let dot = |share: f64, dots: usize| (share * dots.saturating_sub(1) as f64).round() as usize;
        (inside(across) && inside(up) && width > 0 && height > 0).then(|| (dot(across, width), dot(1.0 - up, height)))
    }

    /// Sets a dot of a curve; one outside is let go.
    pub fn dot(&mut self, (across, down): (usize, usize), curve: usize) {
        let at = down / DOTS.1 * self.columns + across / DOTS.0;
        if across / DOTS.0 < self.columns
            && let Some(cell) = self.cells.get_mut(at)
        {
            *cell = (cell.0 | BITS[across % DOTS.0][down % DOTS.1], curve);
        }
    }

    /// Sets the dots between two, both with them.
    pub fn line(&mut self, from: (usize, usize), to: (usize, usize), curve: usize) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            let share = step as f64 / steps as f64;
            let between = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * share).round() as usize;
            self.dot((between(from.0, to.0), between(from.1, to.1)), curve);
        }
    }

    /// Draws a curve through places from 0 to 1, where something has one, and returns the cell of its last place inside.
    pub fn curve(&mut self, places: impl Iterator<Item = (f64, f64)>, curve: usize) -> Option<(usize, usize)> {
        let (mut before, mut last): (Option<(usize, usize)>, _) = (None, None);
        for (across, up) in places {
            let here = self.place(across, up);
            if let Some(here) = here {
                match before {
                    Some(before) => self.line(before, here, curve),
                    None => self.dot(here, curve),
                }
                last = Some((here.0 / DOTS.0, here.1 / DOTS.1));
            }
            before = here;
        }
        last
    }

    /// Returns the dots of a cell and the number of the curve that was there last; `None` when it is empty or outside.
    pub fn cell(&self, column: usize, line: usize) -> Option<(u8, usize)> {
        let cell = (column < self.columns).then(|| self.cells.get(line * self.columns + column)).flatten();
        cell.copied().filter(|(dots, _)| *dots > 0)
    }
}

/// Returns the dots of two columns that are filled from below to these heights.
pub fn filled(heights: [usize; DOTS.0]) -> u8 {
    let column = |at: usize| BITS[at].iter().rev().take(heights[at]).sum::<u8>();
    column(0) | column(1)
}

/// Returns the text of dots; a space for none: the blank of that alphabet looks like a space and is none.
pub fn braille(dots: u8) -> char {
    if dots == 0 { ' ' } else { char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ') }
}

/// The dots of the upper half of a cell.
const UPPER: u8 = BITS[0][0] | BITS[1][0] | BITS[0][1] | BITS[1][1];

/// Returns the text of dots where only the halves of a cell can be told apart (Unicode 1.1, 2580-2588).
pub fn block(dots: u8) -> char {
    match (dots & UPPER != 0, dots & !UPPER != 0) {
        (false, false) => ' ',
        (true, false) => '▀',
        (false, true) => '▄',
        (true, true) => '█',
    }
}

/// Returns a small curve of so many cells, one line high: the values by their order, the last ones at the right end. In ASCII
/// it is made of signs that stand low, in the middle and high.
pub fn spark(values: &[f64], cells: usize, made_of: Dots) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let Some(axis) = Axis::of(finite.iter().copied(), false) else { return " ".repeat(cells) };
    if cells == 0 {
        return String::new();
    }
    let parts = cells * DOTS.0;
    // As many values as there are dots: of more, the last one of each part.
    let count = finite.len().min(parts);
    let value = |part: usize| finite[((part + 1) * finite.len() / count).saturating_sub(1)];
    let mut canvas = Canvas::new(cells, 1);
    let width = (parts - 1).max(1) as f64;
    let begin = parts - count;
    canvas.curve((0..count).map(|part| ((begin + part) as f64 / width, axis.share(value(part)).unwrap_or(0.0))), 0);
    let symbol = |column: usize| match canvas.cell(column, 0) {
        None => ' ',
        Some((dots, _)) => match (made_of, block(dots)) {
            (Dots::Braille, _) => braille(dots),
            (Dots::Blocks, block) => block,
            (Dots::Ascii, '▄') => '_',
            (Dots::Ascii, '▀') => '^',
            (Dots::Ascii, _) => '-',
        },
    };
    (0..cells).map(symbol).collect()
}

/// Returns a curve over steps or over seconds, smoothed: one value for each place, the last one that was read there.
pub fn series(points: &[Point], over_time: bool, smooth: f64) -> Vec<(f64, f64)> {
    let begin = points.first().map_or(0, |point| point.at.0);
    let mut by_place: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for point in points.iter().filter(|point| point.value.is_finite() && point.step.is_finite()) {
        let x = if over_time { (point.at.0 - begin) as f64 / 1000.0 } else { point.step };
        // Places are ordered as their numbers are, negative ones too.
        let bits = x.to_bits();
        let key = if x.is_sign_negative() { !bits } else { bits | 1 << 63 };
        by_place.insert(key, (x, point.value));
    }
    let mut before = None;
    by_place
        .into_values()
        .map(|(x, value)| {
            let value = before.map_or(value, |before: f64| smooth * before + (1.0 - smooth) * value);
            before = Some(value);
            (x, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::units::UnixMillis;

    #[test]
    fn curves_take_the_last_reading_of_a_step() {
        let point = |at: i64, step: f64, value: f64| Point { at: UnixMillis(at), step, value };
        let points = [
            point(1_000, 1.0, 4.0),
            point(2_000, 2.0, f64::NAN),
            point(3_000, 3.0, 2.0),
            point(4_000, 1.0, 1.0),
            point(5_000, -1.0, 8.0),
        ];
        assert_eq!(series(&points, false, 0.0), [(-1.0, 8.0), (1.0, 1.0), (3.0, 2.0)]);
        assert_eq!(series(&points, true, 0.0), [(0.0, 4.0), (2.0, 2.0), (3.0, 1.0), (4.0, 8.0)]);
        assert_eq!(series(&points, true, 0.5)[1], (2.0, 3.0));
    }

    #[test]
    fn axes_hold_what_they_can() {
        let values = [0.001, 0.1, -1.0, f64::NAN, f64::INFINITY];
        let log = Axis::of(values.into_iter(), true).unwrap();
        assert!((log.share(0.01).unwrap() - 0.5).abs() < 1e-9 && log.share(-1.0).is_none() && log.share(0.0).is_none());
        assert!((log.at(0.5) - 0.01).abs() < 1e-9);
        assert!(Axis::of([-1.0].into_iter(), true).is_none() && Axis::of([f64::NAN].into_iter(), false).is_none());
        let one = Axis::of([3.0].into_iter(), false).unwrap();
        assert_eq!((one.share(3.0), one.at(0.5)), (Some(0.5), 3.0));
        let half = Axis::of([0.0, 100.0].into_iter(), false).unwrap().closer(1, 1.0);
        assert_eq!((half.at(0.0), half.at(1.0)), (50.0, 100.0));
        let middle = Axis::of([0.0, 100.0].into_iter(), false).unwrap().closer(2, 0.5);
        assert_eq!((middle.at(0.0), middle.at(1.0)), (37.5, 62.5));
    }

    #[test]
    fn dots_stand_where_they_should() {
        let drawn = |heights| braille(filled(heights));
        assert_eq!([drawn([0, 0]), drawn([1, 1]), drawn([4, 4]), drawn([2, 0])], [' ', '⣀', '⣿', '⡄']);
        let halves = |heights| block(filled(heights));
        assert_eq!([halves([0, 0]), halves([1, 2]), halves([0, 3])], [' ', '▄', '█']);
        let mut canvas = Canvas::new(3, 2);
        let end = canvas.curve([(0.0, 0.0), (1.0, 1.0), (2.0, 0.5)].into_iter(), 4);
        assert_eq!(end, Some((2, 0)), "what is outside is not drawn");
        assert_eq!(canvas.cell(0, 1), Some((BITS[0][3] | BITS[1][2] | BITS[1][1], 4)), "dots lie beside each other");
        assert_eq!((canvas.cell(0, 0), canvas.cell(9, 0)), (None, None));
        canvas.dot((99, 99), 0);
        assert_eq!(Canvas::new(0, 0).curve([(0.5, 0.5)].into_iter(), 0), None);
    }

    #[test]
    fn small_curves() {
        assert_eq!(spark(&[1.0, 0.5, 0.0], 3, Dots::Braille), " ⠈⢆", "what is new stands at the right end");
        assert_eq!(spark(&[], 4, Dots::Braille), "    ");
        assert_eq!(spark(&[f64::NAN], 2, Dots::Braille), "  ");
        let falling: Vec<f64> = (0..100).map(|n| 1.0 / f64::from(n + 1)).collect();
        assert_eq!(spark(&falling, 6, Dots::Ascii).chars().count(), 6);
        assert!(spark(&falling, 6, Dots::Ascii).ends_with('_') && spark(&falling, 6, Dots::Ascii).is_ascii());
        assert_eq!(spark(&falling, 0, Dots::Braille), "");
        assert_eq!(spark(&[1.0, 0.5, 0.0], 3, Dots::Blocks), " ▀█", "each half of a cell that has a dot");
    }
}
