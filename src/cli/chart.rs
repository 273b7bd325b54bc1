//! Curves as text: braille dots, one letter for each curve at its end. Pure.

use std::fmt::Write;

use crate::model::chart::{Axis, Canvas, braille, letter};
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
/// Draws curves.
pub fn draw(series: &[(String, Vec<(f64, f64)>)], size: Size, log: bool) -> String {
    // What has no place on the one axis does not stretch the other.
    let drawn = || series.iter().flat_map(|(_, points)| points).filter(|(_, y)| !log || *y > 0.0);
    let axes = Axis::of(drawn().map(|point| point.0), false).zip(Axis::of(drawn().map(|point| point.1), log));
    let Some((across, up)) = axes else { return "nothing to draw".to_owned() };
    let (columns, lines) = (size.width.saturating_sub(AXIS + 2).max(10), size.height.max(4));
    let mut canvas = Canvas::new(columns, lines);
    let mut ends = Vec::new();
    for (number, (_, points)) in series.iter().enumerate() {
        let places = points.iter().filter_map(|(x, y)| across.share(*x).zip(up.share(*y)));
        ends.extend(canvas.curve(places, number).map(|end| (end, number)));
    }
    let mut text = String::new();
    for line in 0..lines {
        let at = up.at(1.0 - line as f64 / (lines - 1) as f64);
        let label = if line % 5 == 0 || line == lines - 1 { short(at) } else { String::new() };
        let _ = write!(text, "{label:>AXIS$} │");
        for column in 0..columns {
            let end = ends.iter().find(|(end, _)| *end == (column, line));
            let dots = || braille(canvas.cell(column, line).map_or(0, |(dots, _)| dots));
            text.push(end.map_or_else(dots, |(_, number)| letter(*number)));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{:>AXIS$} └{}", "", "─".repeat(columns));
    let (first, last) = (short(across.at(0.0)), short(across.at(1.0)));
    let _ = writeln!(text, "{:>AXIS$}  {first}{last:>width$}", "", width = columns.saturating_sub(first.len()));
    for (number, (name, points)) in series.iter().enumerate() {
        let last = points.last().map(|(_, value)| short(*value)).unwrap_or_default();
        let _ = writeln!(text, "{} {name} {last}", letter(number));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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
