//! Pictures as text: curves in braille dots with a letter for each at its end, a parameter against a metric, and parallel
//! coordinates. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::model::chart::{Axis, Canvas, DOTS, braille, letter};
use crate::model::study::{Entry, Places, short, spreads};

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
/// Columns of one axis of parallel coordinates.
const COORDINATE: usize = 12;

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
    let mut text = framed(&canvas, (columns, lines), &up, |cell| {
        ends.iter().find(|(end, _)| *end == cell).map(|(_, number)| letter(*number))
    });
    let (first, last) = (short(across.at(0.0)), short(across.at(1.0)));
    let _ = writeln!(text, "{:>AXIS$}  {first}{last:>width$}", "", width = columns.saturating_sub(first.len()));
    for (number, (name, points)) in series.iter().enumerate() {
        let last = points.last().map(|(_, value)| short(*value)).unwrap_or_default();
        let _ = writeln!(text, "{} {name} {last}", letter(number));
    }
    text.trim_end().to_owned()
}

/// Returns a canvas with the numbers of the axis beside it; `sign` stands for the dots of a cell.
fn framed(
    canvas: &Canvas,
    (columns, lines): (usize, usize),
    up: &Axis,
    sign: impl Fn((usize, usize)) -> Option<char>,
) -> String {
    let mut text = String::new();
    for line in 0..lines {
        let at = up.at(1.0 - line as f64 / (lines - 1) as f64);
        let label = if line % 5 == 0 || line == lines - 1 { short(at) } else { String::new() };
        let _ = write!(text, "{label:>AXIS$} │");
        let cell = |column| braille(canvas.cell(column, line).map_or(0, |(dots, _)| dots));
        text.extend((0..columns).map(|column| sign((column, line)).unwrap_or_else(|| cell(column))));
        text.push('\n');
    }
    let _ = writeln!(text, "{:>AXIS$} └{}", "", "─".repeat(columns));
    text
}

/// Draws a parameter against a metric: a sign for each cell that jobs are in, larger for more of them.
pub fn scatter(entries: &[Entry], parameter: &str, value: impl Fn(&Entry) -> Option<f64>, size: Size, log: bool) -> String {
    let places = Places::of(entries, parameter, spreads(entries, parameter));
    let up = Axis::of(entries.iter().filter(|entry| entry.parameter(parameter).is_some()).filter_map(&value), log);
    let Some((places, up)) = places.zip(up) else { return "nothing to draw".to_owned() };
    let (columns, lines) = (size.width.saturating_sub(AXIS + 2).max(10), size.height.max(4));
    let canvas = Canvas::new(columns, lines);
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for entry in entries {
        let place = places.share(entry, parameter).zip(value(entry).and_then(|value| up.share(value)));
        if let Some((across, down)) = place.and_then(|(across, share)| canvas.place(across, share)) {
            *counts.entry((across / DOTS.0, down / DOTS.1)).or_default() += 1;
        }
    }
    let sign = |cell| match counts.get(&cell)? {
        1 => Some('∘'),
        2..=4 => Some('○'),
        _ => Some('●'),
    };
    let mut text = framed(&canvas, (columns, lines), &up, sign);
    let (first, last) = places.ends();
    let width = columns.saturating_sub(first.chars().count());
    let _ = write!(text, "{:>AXIS$}  {first}{last:>width$}", "");
    text
}

/// Draws parallel coordinates: an axis for each parameter and the last one for the metric, a line for each job.
pub fn parallel(
    entries: &[Entry],
    parameters: &[String],
    (metric, value): (&str, impl Fn(&Entry) -> Option<f64>),
    size: Size,
    log: bool,
) -> String {
    let axes: Vec<(&String, Places)> = parameters
        .iter()
        .filter_map(|name| Some((name, Places::of(entries, name, spreads(entries, name))?)))
        .take((size.width / COORDINATE).saturating_sub(1).max(1))
        .collect();
    let up = Axis::of(entries.iter().filter_map(&value), log);
    let Some(up) = up.filter(|_| !axes.is_empty()) else { return "nothing to draw".to_owned() };
    let (columns, lines) = (size.width.max(2 * COORDINATE), size.height.max(4));
    let mut canvas = Canvas::new(columns, lines);
    for entry in entries {
        let across = |at: usize| at as f64 / axes.len() as f64;
        let own = axes.iter().enumerate().filter_map(|(at, (name, places))| Some((across(at), places.share(entry, name)?)));
        let last = value(entry).and_then(|value| Some((1.0, up.share(value)?)));
        canvas.curve(own.chain(last), 0);
    }
    let ends: Vec<(String, String)> =
        axes.iter().map(|(_, places)| places.ends()).chain([(short(up.at(0.0)), short(up.at(1.0)))]).collect();
    let names = axes.iter().map(|(name, _)| name.as_str()).chain([metric]);
    let mut text = spread(names, columns);
    text.push_str(&spread(ends.iter().map(|(_, high)| high.as_str()), columns));
    for line in 0..lines {
        text.extend((0..columns).map(|column| braille(canvas.cell(column, line).map_or(0, |(dots, _)| dots))));
        text.push('\n');
    }
    text.push_str(&spread(ends.iter().map(|(low, _)| low.as_str()), columns));
    text.trim_end().to_owned()
}

/// Returns a line of texts at the places of axes: the first from the left end, the last up to the right one.
fn spread<'a>(texts: impl Iterator<Item = &'a str>, columns: usize) -> String {
    let texts: Vec<String> = texts.map(|text| text.chars().take(COORDINATE - 1).collect()).collect();
    let last = texts.len().saturating_sub(1).max(1);
    let mut line = String::new();
    for (at, text) in texts.iter().enumerate() {
        let (width, middle) = (text.chars().count(), at * columns.saturating_sub(1) / last);
        let begin = match at {
            0 => 0,
            at if at == last => columns.saturating_sub(width),
            _ => middle.saturating_sub(width / 2),
        };
        line.push_str(&" ".repeat(begin.saturating_sub(line.chars().count())));
        line.push_str(text);
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A job with a rate, an optimizer and a loss that falls with the rate.
    fn entry(number: u64, lr: f64, opt: &str, loss: f64) -> Entry {
        let mut stat = crate::model::metric::Stat::new("loss");
        stat.add(Some(1.0), loss);
        Entry {
            job: crate::model::ids::JobId(number),
            name: format!("run-{number}"),
            state: "succeeded",
            parameters: vec![("lr".into(), serde_json::json!(lr)), ("opt".into(), serde_json::json!(opt))],
            stats: vec![stat],
        }
    }

    #[test]
    fn a_parameter_against_a_metric_and_all_of_them_beside_each_other() {
        let entries = [
            entry(1, 0.001, "sgd", 4.0),
            entry(2, 0.01, "sgd", 2.0),
            entry(3, 0.1, "adam", 0.5),
            entry(4, 0.1, "adam", 0.5),
        ];
        let value = |entry: &Entry| entry.metric("loss", crate::model::study::Take::Last, false);
        let size = Size { width: 48, height: 6 };
        let drawn = scatter(&entries, "lr", value, size, false);
        let lines: Vec<&str> = drawn.lines().collect();
        // The largest loss at the smallest rate, on an axis of powers; two jobs in one place are a larger sign.
        assert!(lines[0].trim_start().starts_with("4 │∘"), "{drawn}");
        assert!(lines[5].trim_start().starts_with("0.5 │") && lines[5].ends_with('○'), "{drawn}");
        let middle = lines.iter().find(|line| line.matches('∘').count() == 1 && !line.contains("4 │")).expect("one between");
        let at = middle.chars().position(|c| c == '∘').expect("it is there") - (AXIS + 2);
        assert!((14..=19).contains(&at), "half way of the powers: {at}\n{drawn}");
        assert!(lines[7].contains("0.001") && lines[7].ends_with("0.1"), "{drawn}");
        assert!(scatter(&entries, "opt", value, size, false).ends_with("sgd"), "words stand side by side");
        assert_eq!(scatter(&entries, "none", value, size, false), "nothing to draw");
        let names = ["lr".to_owned(), "opt".to_owned()];
        let drawn = parallel(&entries, &names, ("loss", value), size, false);
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines[0].starts_with("lr ") && lines[0].contains(" opt ") && lines[0].ends_with("loss"), "{drawn}");
        assert!(lines[1].starts_with("0.1 ") && lines[1].contains(" sgd ") && lines[1].ends_with('4'), "{drawn}");
        assert!(lines[8].starts_with("0.001 ") && lines[8].contains(" adam ") && lines[8].ends_with("0.5"), "{drawn}");
        assert_eq!(lines.len(), 9);
        assert_eq!(parallel(&entries, &[], ("loss", value), size, false), "nothing to draw");
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
