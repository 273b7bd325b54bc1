//! Pictures of the screen without a terminal: a recording is played to a moment, and what is drawn becomes an SVG. Text stays
//! text in it, so that it is small, sharp at any size, and can be searched.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::app::App;
use super::msg::Msg;
use super::{TuiOptions, live, record};
use crate::model::fault::Fault;
use crate::model::units::Millis;

/// Width and height of a cell in the picture, in its units: those of a letter of DejaVu Sans Mono, so that lines join.
pub(super) const CELL: (f32, f32) = (8.4, 16.3);
const FONT_SIZE: f32 = 14.0;
const BASELINE: f32 = 13.0;
/// Free room around the screen.
const MARGIN: f32 = 10.0;
/// Fonts that have box drawing and braille in the width of a letter.
const FONTS: &str = "'DejaVu Sans Mono','Cascadia Mono','JetBrains Mono',Menlo,Consolas,monospace";
/// Colours of the sixteen where a theme names them, as most terminals have them.
const SIXTEEN: [&str; 16] = [
    "#000000", "#aa0000", "#00aa00", "#aa7800", "#2846be", "#aa00aa", "#00a0aa", "#bebebe", "#696969", "#ff6464", "#64f06e",
    "#fae66e", "#6e96ff", "#f078f0", "#6ef0f0", "#ffffff",
];

/// Draws the screen of a recording after so much of its time, in so many columns and rows.
///
/// # Errors
/// That the recording cannot be read, or a theme is wrong.
pub fn still(file: &Path, options: &TuiOptions, size: (u16, u16), after: Millis) -> Result<String, Fault> {
    let messages = record::read(file)?;
    let Some(begun) = messages.first().map(|message| message.at) else {
        return Err(Fault::user(format!("the recording `{}` is empty", file.display())));
    };
    let mut app = App::new(live::start(options)?);
    app.update(begun, Msg::Resize(size.0, size.1));
    let mut last = begun;
    for message in messages.into_iter().take_while(|message| message.at <= begun + after) {
        // Its own size is another terminal's.
        if !matches!(message.msg, Msg::Resize(..)) {
            last = message.at;
            app.update(message.at, message.msg);
        }
    }
    app.update(last, Msg::Tick);
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buffer = Buffer::empty(area);
    app.draw(area, &mut buffer);
    Ok(svg(&buffer))
}

/// Returns a picture of what is drawn.
pub fn svg(buffer: &Buffer) -> String {
    let ground = ground(buffer);
    let mut out = head(buffer, &ground);
    for y in 0..buffer.area.height {
        row(buffer, (y, 0..buffer.area.width), f32::from(y) * CELL.1, &ground, &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Returns the colour that most of it stands on.
pub(super) fn ground(buffer: &Buffer) -> String {
    buffer.cell((0, 0)).and_then(paper).unwrap_or_else(|| "#000000".to_owned())
}

/// Returns the beginning of a picture of that size; `</g></svg>` ends it.
pub(super) fn head(buffer: &Buffer, ground: &str) -> String {
    let (width, height) = (f32::from(buffer.area.width) * CELL.0, f32::from(buffer.area.height) * CELL.1);
    let (outer_width, outer_height) = (width + 2.0 * MARGIN, height + 2.0 * MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{outer_width}\" height=\"{outer_height}\" viewBox=\"0 0 {outer_width} {outer_height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{ground}\"/>\n\
         <g transform=\"translate({MARGIN} {MARGIN})\" font-family=\"{FONTS}\" font-size=\"{FONT_SIZE}\" xml:space=\"preserve\">\n"
    )
}

/// Draws columns of a row so far from the top: runs of cells of one look become one rectangle and one text.
pub(super) fn row(buffer: &Buffer, (y, columns): (u16, Range<u16>), top: f32, ground: &str, out: &mut String) {
    let mut x = columns.start;
    while x < columns.end {
        let Some(first) = buffer.cell((x, y)) else { return };
        let (look, begin) = (look_of(first), x);
        let mut letters: Vec<(&str, f32)> = Vec::new();
        while let Some(cell) = buffer.cell((x, y)).filter(|cell| x < columns.end && look_of(cell) == look) {
            letters.push((cell.symbol(), f32::from(x) * CELL.0));
            x += cell.symbol().width().max(1) as u16;
        }
        let (left, wide) = (f32::from(begin) * CELL.0, f32::from(x - begin) * CELL.0);
        if let Some(paper) = look.paper.filter(|paper| paper != ground) {
            let _ = writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{wide:.1}\" height=\"{}\" fill=\"{paper}\"/>",
                CELL.1
            );
        }
        let mut marks = String::new();
        for (modifier, mark) in [
            (Modifier::BOLD, " font-weight=\"bold\""),
            (Modifier::ITALIC, " font-style=\"italic\""),
            (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        ] {
            if look.marks.contains(modifier) {
                marks.push_str(mark);
            }
        }
        let baseline = top + BASELINE;
        let ink = look.ink.unwrap_or_else(|| "#d0d0d0".to_owned());
        for piece in pieces(&letters) {
            let text: String = piece.iter().map(|(symbol, _)| *symbol).collect();
            if text.trim().is_empty() {
                continue;
            }
            // Another font's letters may be narrower: a piece of one alphabet keeps its width, in any other each letter its place.
            let place = match alphabet_of(&text) {
                Some(_) => {
                    let (first, last) = (piece[0].1, piece[piece.len() - 1].1 + CELL.0);
                    format!("{first:.1}\" textLength=\"{:.1}", last - first)
                }
                None => {
                    let each = |(symbol, x): &(&str, f32)| vec![format!("{x:.1}"); symbol.chars().count()];
                    piece.iter().flat_map(each).collect::<Vec<_>>().join(" ")
                }
            };
            let _ = writeln!(out, "<text x=\"{place}\" y=\"{baseline}\" fill=\"{ink}\"{marks}>{}</text>", escaped(&text));
        }
    }
}

/// Letters that have the width of a cell in nearly every font; those of braille and blocks often come from another one.
#[derive(Clone, Copy, PartialEq)]
enum Alphabet {
    Ascii,
    Boxes,
}

fn alphabet_of(text: &str) -> Option<Alphabet> {
    let of = |c: char| match c {
        ' '..='~' => Some(Alphabet::Ascii),
        '\u{2500}'..='\u{257f}' => Some(Alphabet::Boxes),
        _ => None,
    };
    let first = of(text.chars().next()?)?;
    text.chars().all(|c| of(c) == Some(first)).then_some(first)
}

/// The least letters of one alphabet that are a piece of their own: the place of each of fewer is shorter than another element.
const PIECE_MIN: usize = 9;

/// Divides letters so that long pieces are of one alphabet.
fn pieces<'a, 'b>(letters: &'b [(&'a str, f32)]) -> Vec<&'b [(&'a str, f32)]> {
    let (mut found, mut from, mut at) = (Vec::new(), 0, 0);
    while at < letters.len() {
        let alphabet = alphabet_of(letters[at].0);
        let len = letters[at..].iter().take_while(|(symbol, _)| alphabet_of(symbol) == alphabet).count();
        if alphabet.is_some() && len >= PIECE_MIN {
            found.extend([&letters[from..at], &letters[at..at + len]]);
            from = at + len;
        }
        at += len;
    }
    found.push(&letters[from..]);
    found.retain(|piece| !piece.is_empty());
    found
}

/// How a cell looks: alike cells are drawn together.
#[derive(PartialEq)]
struct Look {
    ink: Option<String>,
    paper: Option<String>,
    marks: Modifier,
}

fn look_of(cell: &Cell) -> Look {
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    let (ink, paper) = (colour(cell.fg), colour(cell.bg));
    let (ink, paper) = if reversed { (paper, ink) } else { (ink, paper) };
    Look { ink, paper, marks: cell.modifier & (Modifier::BOLD | Modifier::ITALIC | Modifier::UNDERLINED) }
}

fn paper(cell: &Cell) -> Option<String> {
    look_of(cell).paper
}

fn colour(colour: Color) -> Option<String> {
    let named = |index: usize| Some(SIXTEEN[index].to_owned());
    match colour {
        Color::Reset => None,
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Indexed(index) if index < 16 => named(usize::from(index)),
        Color::Indexed(index) => {
            let (r, g, b) = super::theme::depth::of_256(index);
            Some(format!("#{r:02x}{g:02x}{b:02x}"))
        }
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(8),
        Color::LightRed => named(9),
        Color::LightGreen => named(10),
        Color::LightYellow => named(11),
        Color::LightBlue => named(12),
        Color::LightMagenta => named(13),
        Color::LightCyan => named(14),
        Color::White => named(15),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn cells_of_one_look_are_one_text() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_style(buffer.area, Style::new().bg(Color::Rgb(1, 2, 3)));
        buffer.set_string(0, 0, "a <b> & c", Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
        buffer.set_string(0, 1, "日本", Style::new().fg(Color::Rgb(9, 9, 9)).bg(Color::White));
        let svg = svg(&buffer);
        assert!(svg.contains("font-weight=\"bold\">a\u{a0}&lt;b&gt;\u{a0}&amp;\u{a0}c<"), "{svg}");
        assert!(
            svg.contains("fill=\"#010203\"")
                && svg.contains("x=\"0.0 16.8\"")
                && svg.contains(">日本<")
                && svg.contains("fill=\"#ffffff\""),
            "{svg}"
        );
        assert_eq!(svg.matches("<text").count(), 2, "{svg}");
    }
}
