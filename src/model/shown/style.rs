//! Colours and attributes of a piece of a line: the only part of a log's escape sequences that survives, as data.

use serde::{Deserialize, Serialize};

/// A colour that a log asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Colour {
    /// One of the 256 of the terminal's palette; below 16 the named ones (0 black, 1 red, … 8 to 15 the bright ones).
    Indexed(u8),
    /// A colour of its own: red, green, blue.
    Rgb(u8, u8, u8),
}

/// How a piece of a line looks. The default is the terminal's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Style {
    /// The colour of the letters.
    pub foreground: Option<Colour>,
    /// The colour behind them.
    pub background: Option<Colour>,
    /// Bold.
    pub bold: bool,
    /// Dim.
    pub dim: bool,
    /// Italic.
    pub italic: bool,
    /// Underlined, in whatever manner.
    pub underline: bool,
    /// Colours swapped.
    pub reverse: bool,
}

impl Style {
    /// Says whether it is the terminal's own look.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Applies the parameters of one `CSI … m`. Blinking and hidden text are ignored like all that is not known.
    pub(super) fn apply(&mut self, params: &vte::Params) {
        let mut groups = params.iter();
        while let Some(group) = groups.next() {
            match group {
                [] | [0] => *self = Self::default(),
                [1] => self.bold = true,
                [2] => self.dim = true,
                [3] => self.italic = true,
                [4] | [21] => self.underline = true,
                [4, kind, ..] => self.underline = *kind != 0,
                [7] => self.reverse = true,
                [22] => (self.bold, self.dim) = (false, false),
                [23] => self.italic = false,
                [24] => self.underline = false,
                [27] => self.reverse = false,
                [code @ (30..=37 | 90..=97)] => self.foreground = Some(named(*code, 30)),
                [code @ (40..=47 | 100..=107)] => self.background = Some(named(*code, 40)),
                [39] => self.foreground = None,
                [49] => self.background = None,
                [38, rest @ ..] => self.foreground = colour(rest, &mut groups).or(self.foreground),
                [48, rest @ ..] => self.background = colour(rest, &mut groups).or(self.background),
                // The colour of underlines: its numbers must not be taken for attributes.
                [58, rest @ ..] => drop(colour(rest, &mut groups)),
                _ => {}
            }
        }
    }

    /// Writes the sequence that brings a terminal from its own look to this one; nothing when it is that.
    pub(super) fn write_ansi(&self, out: &mut String) {
        if self.is_plain() {
            return;
        }
        out.push_str("\x1b[0");
        let attributes =
            [(self.bold, ";1"), (self.dim, ";2"), (self.italic, ";3"), (self.underline, ";4"), (self.reverse, ";7")];
        attributes.iter().filter(|(on, _)| *on).for_each(|(_, code)| out.push_str(code));
        for (base, colour) in [(38, self.foreground), (48, self.background)] {
            match colour {
                Some(Colour::Indexed(index)) if index < 8 => out.push_str(&format!(";{}", base - 8 + i32::from(index))),
                Some(Colour::Indexed(index)) if index < 16 => out.push_str(&format!(";{}", base + 44 + i32::from(index))),
                Some(Colour::Indexed(index)) => out.push_str(&format!(";{base};5;{index}")),
                Some(Colour::Rgb(r, g, b)) => out.push_str(&format!(";{base};2;{r};{g};{b}")),
                None => {}
            }
        }
        out.push('m');
    }
}

/// The colour of `30`–`37` (base 30), `90`–`97`, and the same ten higher for the background.
fn named(code: u16, base: u16) -> Colour {
    let index = if code >= base + 60 { code - base - 60 + 8 } else { code - base };
    Colour::Indexed(index as u8)
}

/// Reads what follows 38, 48 or 58: in the same group (`38:2::r:g:b`, `38:5:n`) or in those after it (`38;2;r;g;b`).
fn colour<'a>(same: &[u16], after: &mut impl Iterator<Item = &'a [u16]>) -> Option<Colour> {
    let byte = |value: u16| u8::try_from(value).ok();
    match same {
        [5, index, ..] => return Some(Colour::Indexed(byte(*index)?)),
        [2, r, g, b] | [2, _, r, g, b, ..] => return Some(Colour::Rgb(byte(*r)?, byte(*g)?, byte(*b)?)),
        [] => {}
        _ => return None,
    }
    let mut next = || after.next().and_then(|group| group.first().copied());
    match next()? {
        5 => Some(Colour::Indexed(byte(next()?)?)),
        2 => {
            let (r, g, b) = (next()?, next()?, next()?);
            Some(Colour::Rgb(byte(r)?, byte(g)?, byte(b)?))
        }
        _ => None,
    }
}
