//! Pieces of drawing that know no domain type but its symbols.

pub mod facts;
pub mod glyph;
pub mod input;
pub mod picture;
pub mod plot;
pub mod table;
pub mod text;

use ratatui::symbols::border;
use ratatui::text::Span;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::tui::cx::Cx;
use crate::tui::theme::Role;
use glyph::Glyph;

/// Borders of `+`, `-` and `|`.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// Returns the lines of frames.
pub fn border_set(ascii: bool) -> border::Set<'static> {
    if ascii { ASCII } else { border::ROUNDED }
}

/// Cuts a text to so many columns; what is cut off is said by `…`.
pub fn cut(text: &str, width: usize, ascii: bool) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mark = Glyph::Cut.text(ascii);
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide + mark.width() > width {
            break;
        }
        out.push_str(grapheme);
        used += wide;
    }
    if width >= mark.width() {
        out.push_str(mark);
    }
    out
}

/// How a bar looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// A low one, for the end of a row.
    Low,
    /// A full one, precise to an eighth of a cell.
    Full,
}

/// The eighths of a cell, empty to full.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Returns a bar of `cells` columns, filled to `part` of `whole`.
pub fn bar(part: u64, whole: u64, cells: u16, look: Bar, cx: &Cx, role: Role) -> Vec<Span<'static>> {
    let cells = u64::from(cells);
    let part = part.min(whole);
    let eighths = if whole == 0 { 0 } else { (u128::from(part) * u128::from(cells * 8) / u128::from(whole)) as u64 };
    // Anything begun shows, and nothing unfinished looks full.
    let eighths = if part > 0 { eighths.max(1) } else { 0 };
    let (full, rest) = (eighths / 8, eighths % 8);
    let (mut filled, empty) = match (look, cx.look.ascii) {
        (_, true) => ("#".repeat(full as usize), "."),
        (Bar::Low, false) => ("▇".repeat(full as usize), "▁"),
        (Bar::Full, false) => ("█".repeat(full as usize), "░"),
    };
    match (look, cx.look.ascii) {
        (Bar::Full, false) if rest > 0 => filled.push_str(EIGHTHS[rest as usize]),
        (Bar::Low, false) if rest > 0 => filled.push_str(if rest >= 4 { "▅" } else { "▃" }),
        (_, true) if rest >= 4 => filled.push('#'),
        (_, _) => {}
    }
    let used = filled.width() as u64;
    let rest = empty.repeat(cells.saturating_sub(used) as usize);
    vec![Span::styled(filled, cx.style(role)), Span::styled(rest, cx.style(Role::BarRest))]
}
