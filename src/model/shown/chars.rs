//! What single characters may do to a terminal, and what stands for those that may not reach it.

/// What becomes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Drawn as it is, this many columns wide.
    Kept(usize),
    /// Drawn on top of the one before.
    Mark,
    /// Drawn as one symbol of one column.
    Symbol(char),
    /// Drawn as its number: `<202E>`.
    Written,
    /// Not drawn.
    Dropped,
}

/// Says what becomes of a character. Carriage return, backspace, tab and line feed are acted on before they come here.
pub(super) fn fate(c: char) -> Fate {
    match c {
        ' '..='~' => Fate::Kept(1),
        // Shift in and out: `tput sgr0` of many terminals ends with one.
        '\u{0e}' | '\u{0f}' | '\u{fe0e}' | '\u{fe0f}' => Fate::Dropped,
        '\0'..='\u{1f}' => Fate::Symbol(char::from_u32(0x2400 + c as u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
        '\u{7f}' => Fate::Symbol('\u{2421}'),
        '\u{80}'..='\u{9f}' => Fate::Symbol(char::REPLACEMENT_CHARACTER),
        _ if is_invisible(c) => Fate::Written,
        _ => match unicode_width::UnicodeWidthChar::width(c) {
            Some(0) => Fate::Mark,
            Some(columns) => Fate::Kept(columns),
            None => Fate::Written,
        },
    }
}

/// Says whether all bytes are printable ASCII, so that nothing has to be looked at more closely. Written without an early
/// exit, so that it is done many bytes at a time.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, byte| plain & (0x20..0x7f).contains(byte))
}

/// Format characters (category Cf), line and paragraph separators, and what else Unicode 16 lists as default
/// ignorable: they turn the direction of text, or cannot be seen. Variation selectors 15 and 16 are dealt with before.
fn is_invisible(c: char) -> bool {
    matches!(c as u32,
        0x00ad | 0x034f | 0x0600..=0x0605 | 0x061c | 0x06dd | 0x070f | 0x0890..=0x0891 | 0x08e2
        | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x2800 | 0x3164
        | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff)
}
