//! A moving picture of a recording: an SVG in which each row of the screen shows what it held, when it held it. Rows that look the
//! same are drawn once, so that a minute of work is some hundred kilobytes; it plays by itself, for ever, and without scripts, so
//! that it plays wherever a picture is shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::App;
use super::msg::Msg;
use super::still::{self, CELL};
use super::{TuiOptions, live, record};
use crate::model::fault::Fault;
use crate::model::units::Millis;

/// Between two looks at the screen: a spinner turns, and few pictures are alike.
const FRAME: Millis = Millis(250);
/// A pause of the recording is never longer than this: who looks has seen it by then.
const PAUSE_MAX: Millis = Millis(2500);
/// The last look stays so long before it begins again.
const END: Millis = Millis(3000);
/// More looks than this are some minutes; the rest is left out.
const FRAMES_MAX: usize = 1500;

/// Columns that are drawn as one: what moves in one part of a row leaves the others as they are.
const PART: usize = 40;

/// When something is shown: from and to, in the picture's time.
type Span = (u64, u64);

/// Draws the screen of a recording as it moves, up to so much of its time, in so many columns and rows.
///
/// # Errors
/// That the recording cannot be read, or a theme is wrong.
pub fn moving(file: &Path, options: &TuiOptions, size: (u16, u16), until: Millis) -> Result<String, Fault> {
    let frames = frames(file, options, size, until)?;
    Ok(svg(&frames))
}

/// Plays the recording and looks at the screen now and then.
fn frames(file: &Path, options: &TuiOptions, size: (u16, u16), until: Millis) -> Result<Vec<(u64, Buffer)>, Fault> {
    let messages = record::read(file)?;
    let Some(begun) = messages.first().map(|message| message.at) else {
        return Err(Fault::user(format!("the recording `{}` is empty", file.display())));
    };
    let mut app = App::new(live::start(options)?);
    app.update(begun, Msg::Resize(size.0, size.1));
    let area = Rect::new(0, 0, size.0, size.1);
    let mut frames: Vec<(u64, Buffer)> = Vec::new();
    let (mut clock, mut shown, mut seen) = (begun, 0, false);
    let mut messages = messages.into_iter().take_while(|message| message.at <= begun + until).peekable();
    while let Some(message) = messages.next() {
        shown += message.at.since(clock).0.min(PAUSE_MAX.0);
        clock = message.at;
        // Before there is anything to see it has not begun; who does not animate shows its beginning.
        seen |= matches!(message.msg, Msg::Update(_));
        // Its own size is another terminal's.
        if !matches!(message.msg, Msg::Resize(..)) {
            app.update(message.at, message.msg);
        }
        // What comes soon after is seen together.
        let next = messages.peek().map_or(u64::MAX, |next| shown + next.at.since(clock).0);
        if seen && frames.len() < FRAMES_MAX && next > frames.last().map_or(0, |(at, _)| at + FRAME.0) {
            let mut buffer = Buffer::empty(area);
            app.draw(area, &mut buffer);
            if frames.last().is_none_or(|(_, last)| *last != buffer) {
                frames.push((shown, buffer));
            }
        }
    }
    let first = frames.first().map_or(0, |(at, _)| *at);
    frames.iter_mut().for_each(|(at, _)| *at -= first);
    Ok(frames)
}

fn svg(frames: &[(u64, Buffer)]) -> String {
    let Some((_, first)) = frames.first() else { return String::new() };
    let whole = frames.last().map_or(0, |(at, _)| *at) + END.0;
    let ground = still::ground(first);
    let mut looks: BTreeMap<String, usize> = BTreeMap::new();
    // For each row, and each look that it has: when.
    let mut places: BTreeMap<(u16, usize), Vec<Span>> = BTreeMap::new();
    for (at, (begin, buffer)) in frames.iter().enumerate() {
        let end = frames.get(at + 1).map_or(whole, |(next, _)| *next);
        let (height, width) = (buffer.area.height, buffer.area.width);
        let parts = (0..height).flat_map(|y| (0..width).step_by(PART).map(move |x| (y, x..(x + PART as u16).min(width))));
        for (y, columns) in parts {
            let mut text = String::new();
            still::row(buffer, (y, columns), 0.0, &ground, &mut text);
            if text.is_empty() {
                continue;
            }
            let next = looks.len();
            let look = *looks.entry(text).or_insert(next);
            let spans = places.entry((y, look)).or_default();
            match spans.last_mut() {
                Some(last) if last.1 == *begin => last.1 = end,
                _ => spans.push((*begin, end)),
            }
        }
    }
    let mut out = still::head(first, &ground);
    out.push_str("<defs>\n");
    for (text, look) in &looks {
        let _ = writeln!(out, "<g id=\"r{look}\">\n{text}</g>");
    }
    out.push_str("</defs>\n");
    for ((y, look), spans) in &places {
        let top = f32::from(*y) * CELL.1;
        let _ = writeln!(out, "<use href=\"#r{look}\" y=\"{top:.1}\"{}", animation(spans, whole));
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// The end of an element that is seen in these spans only.
fn animation(spans: &[Span], whole: u64) -> String {
    if spans == [(0, whole)] {
        return "/>".to_owned();
    }
    let part = |at: u64| format!("{:.4}", at as f64 / whole as f64).trim_end_matches('0').trim_end_matches('.').to_owned();
    let (mut values, mut times) = (Vec::new(), Vec::new());
    if spans.first().is_some_and(|(begin, _)| *begin > 0) {
        values.push("none");
        times.push("0".to_owned());
    }
    for (begin, end) in spans {
        values.push("inline");
        times.push(part(*begin));
        if *end < whole {
            values.push("none");
            times.push(part(*end));
        }
    }
    // Who does not animate shows the beginning.
    let first = if values.first() == Some(&"none") { " display=\"none\"" } else { "" };
    format!(
        "{first}><animate attributeName=\"display\" calcMode=\"discrete\" dur=\"{whole}ms\" repeatCount=\"indefinite\" values=\"{}\" \
         keyTimes=\"{}\"/></use>",
        values.join(";"),
        times.join(";")
    )
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Color, Style};

    use super::*;

    fn frame(rows: &[&str]) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 2));
        buffer.set_style(buffer.area, Style::new().bg(Color::Rgb(1, 2, 3)));
        for (y, row) in rows.iter().enumerate() {
            buffer.set_string(0, y as u16, row, Style::new().fg(Color::Rgb(9, 9, 9)));
        }
        buffer
    }

    #[test]
    fn each_row_is_seen_when_it_was_there() {
        let frames = [(0, frame(&["same", "a"])), (1000, frame(&["same", "b"])), (3000, frame(&["same", "a"]))];
        let svg = svg(&frames);
        assert_eq!(svg.matches("<g id=").count(), 3, "what looks the same is drawn once: {svg}");
        assert!(svg.contains("y=\"0.0\"/>"), "what is always there needs no time: {svg}");
        let a = "values=\"inline;none;inline\" keyTimes=\"0;0.1667;0.5\"";
        let b = "display=\"none\"><animate attributeName=\"display\" calcMode=\"discrete\" dur=\"6000ms\" \
                 repeatCount=\"indefinite\" values=\"none;inline;none\" keyTimes=\"0;0.1667;0.5\"";
        assert!(svg.contains(a) && svg.contains(b), "{svg}");
    }

    #[test]
    fn a_span_that_comes_again_is_one_element() {
        assert_eq!(animation(&[(0, 10)], 10), "/>");
        let twice = animation(&[(2, 4), (6, 10)], 10);
        assert!(twice.contains("values=\"none;inline;none;inline\" keyTimes=\"0;0.2;0.4;0.6\""), "{twice}");
    }
}
