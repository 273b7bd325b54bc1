//! Curves as text: braille dots, one letter for each curve at its end. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::model::metric::Point;
use crate::model::study::short;

/// How large a drawing is, in cells.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Columns, with the numbers of the axis.
    pub width: usize,
    /// Lines of the curves.
    pub height: usize,
}

/// Columns of the numbers beside the curves.
const AXIS: usize = 11;
/// What curves end in.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

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

/// Draws curves.
pub fn draw(series: &[(String, Vec<(f64, f64)>)], size: Size, log: bool) -> String {
    let scale = |value: f64| if log { value.log10() } else { value };
    let all: Vec<(f64, f64)> =
        series.iter().flat_map(|(_, points)| points).map(|(x, y)| (*x, scale(*y))).filter(|(_, y)| y.is_finite()).collect();
    if all.is_empty() {
        return "nothing to draw".to_owned();
    }
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        let low = all.iter().map(of).fold(f64::INFINITY, f64::min);
        let high = all.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        if low == high { (low - 0.5, high + 0.5) } else { (low, high) }
    };
    let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    let (columns, lines) = (size.width.saturating_sub(AXIS + 2).max(10), size.height.max(4));
    let mut cells = vec![vec![0_u8; columns]; lines];
    let mut ends = Vec::new();
    let place = |x: f64, y: f64| {
        let column = ((x - left) / (right - left) * (columns * 2 - 1) as f64).round() as usize;
        let line = ((high - y) / (high - low) * (lines * 4 - 1) as f64).round() as usize;
        (column.min(columns * 2 - 1), line.min(lines * 4 - 1))
    };
    for (number, (_, points)) in series.iter().enumerate() {
        let drawn: Vec<(usize, usize)> =
            points.iter().map(|(x, y)| (*x, scale(*y))).filter(|(_, y)| y.is_finite()).map(|(x, y)| place(x, y)).collect();
        for pair in drawn.windows(2) {
            line_between(pair[0], pair[1], |column, line| dot(&mut cells, column, line));
        }
        if let Some(last) = drawn.last() {
            dot(&mut cells, last.0, last.1);
            ends.push((last.0 / 2, last.1 / 4, number));
        }
    }
    let mut text = String::new();
    let shown = |value: f64| short(if log { 10_f64.powf(value) } else { value });
    for (line, row) in cells.iter().enumerate() {
        let at = high - (high - low) * line as f64 / (lines - 1) as f64;
        let label = if line % 5 == 0 || line == lines - 1 { shown(at) } else { String::new() };
        let _ = write!(text, "{label:>AXIS$} │");
        for (column, dots) in row.iter().enumerate() {
            let end = ends.iter().find(|(c, l, _)| (*c, *l) == (column, line));
            let letter = end.and_then(|(_, _, number)| LETTERS.chars().nth(number % LETTERS.len()));
            // Not the blank of that alphabet, which is no text that is shown: it looks like a space and is none.
            let dots = Some(u32::from(*dots)).filter(|dots| *dots > 0);
            text.push(letter.or_else(|| char::from_u32(0x2800 + dots?)).unwrap_or(' '));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{:>AXIS$} └{}", "", "─".repeat(columns));
    let (first, last) = (short(left), short(right));
    let _ = writeln!(text, "{:>AXIS$}  {first}{last:>width$}", "", width = columns.saturating_sub(first.len()));
    for (number, (name, points)) in series.iter().enumerate() {
        let letter = LETTERS.chars().nth(number % LETTERS.len()).unwrap_or('?');
        let last = points.last().map(|(_, value)| short(*value)).unwrap_or_default();
        let _ = writeln!(text, "{letter} {name} {last}");
    }
    text.trim_end().to_owned()
}

fn dot(cells: &mut [Vec<u8>], column: usize, line: usize) {
    // The dots of a braille cell, column by column (Unicode 1.1, 2800-28FF).
    const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    cells[line / 4][column / 2] |= DOTS[column % 2][line % 4];
}

fn line_between(from: (usize, usize), to: (usize, usize), mut dot: impl FnMut(usize, usize)) {
    let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
    for step in 0..=steps {
        let share = step as f64 / steps as f64;
        let between = |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * share).round() as usize;
        dot(between(from.0, to.0), between(from.1, to.1));
    }
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
    fn a_drawing() {
        let falling: Vec<(f64, f64)> = (0..20).map(|n| (f64::from(n), 1.0 / f64::from(n + 1))).collect();
        let flat = vec![(0.0, 0.5), (19.0, 0.5)];
        let drawn = draw(&[("falling".into(), falling), ("flat".into(), flat)], Size { width: 60, height: 8 }, false);
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines[0].trim_start().starts_with("1 │") && lines[7].contains("0.05"), "{drawn}");
        assert!(lines[7].ends_with('a') && drawn.contains("b flat 0.5"), "{drawn}");
        assert_eq!(draw(&[("none".into(), vec![])], Size { width: 60, height: 8 }, false), "nothing to draw");
        assert_eq!(draw(&[("negative".into(), vec![(0.0, -1.0)])], Size { width: 60, height: 8 }, true), "nothing to draw");
    }
}
