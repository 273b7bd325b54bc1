//! A key as people write it: `j`, `ctrl-d`, `alt-1`, `shift-tab`, `space`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which key, without what is held beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A character as typed: capitals carry their shift.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tabulator.
    Tab,
    /// Erases to the left.
    Backspace,
    /// Erases to the right.
    Delete,
    /// Insert.
    Insert,
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Arrow.
    Left,
    /// Arrow.
    Right,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// A function key.
    F(u8),
}

/// A key with what is held beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The key.
    pub code: Code,
    /// With Ctrl.
    pub ctrl: bool,
    /// With Alt.
    pub alt: bool,
    /// With Shift; never set for characters.
    pub shift: bool,
}

const NAMED: &[(&str, Code)] = &[
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("insert", Code::Insert),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pgup", Code::PageUp),
    ("pgdn", Code::PageDown),
    ("space", Code::Char(' ')),
];

impl Key {
    /// Returns the key alone.
    pub const fn plain(code: Code) -> Self {
        Self { code, ctrl: false, alt: false, shift: false }
    }

    /// Returns the character that this key types into a text, if it does.
    pub fn types(self) -> Option<char> {
        match self.code {
            Code::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Returns the digit of the key, held keys or not.
    pub fn digit(self) -> Option<u32> {
        match self.code {
            Code::Char(c) => c.to_digit(10),
            _ => None,
        }
    }

    /// Returns the short form of hint lines: `↑` for `up`, `^d` for `ctrl-d`; words in `ascii`.
    pub fn hint(self, ascii: bool) -> String {
        if ascii {
            return self.to_string();
        }
        let mut text = String::new();
        if self.ctrl {
            text.push('^');
        }
        if self.alt {
            text.push_str("alt-");
        }
        if self.shift {
            text.push('⇧');
        }
        match self.code {
            Code::Up => text.push('↑'),
            Code::Down => text.push('↓'),
            Code::Left => text.push('←'),
            Code::Right => text.push('→'),
            Code::Enter => text.push('⏎'),
            code => text.push_str(&Key::plain(code).to_string()),
        }
        text
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, word) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if held {
                f.write_str(word)?;
            }
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, Code::Char(c)) => write!(f, "{c}"),
            (None, Code::F(n)) => write!(f, "f{n}"),
            (None, code) => write!(f, "{code:?}"),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no key; forms: j, G, ctrl-d, alt-1, shift-tab, space, enter, pgdn, f5");
        let mut key = Key::plain(Code::Esc);
        let mut rest = text;
        loop {
            if let Some(r) = rest.strip_prefix("ctrl-").filter(|r| !r.is_empty()) {
                (key.ctrl, rest) = (true, r);
            } else if let Some(r) = rest.strip_prefix("alt-").filter(|r| !r.is_empty()) {
                (key.alt, rest) = (true, r);
            } else if let Some(r) = rest.strip_prefix("shift-").filter(|r| !r.is_empty()) {
                (key.shift, rest) = (true, r);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        key.code = match (chars.next(), chars.next()) {
            (Some(c), None) => Code::Char(c),
            (Some('f'), Some('1'..='9')) => Code::F(rest[1..].parse().map_err(|_| bad())?),
            _ => NAMED.iter().find(|(name, _)| *name == rest).map(|(_, code)| *code).ok_or_else(bad)?,
        };
        if key.shift && matches!(key.code, Code::Char(_)) {
            return Err(bad());
        }
        Ok(key)
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_and_parse() {
        for text in [
            "j",
            "G",
            "ctrl-d",
            "alt-1",
            "shift-tab",
            "space",
            "enter",
            "pgdn",
            "f5",
            "f12",
            "-",
            "ctrl--",
            "/",
            "alt-left",
            "<",
        ] {
            assert_eq!(text.parse::<Key>().map(|k| k.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "ctrl-", "jj", "shift-a", "meta-x", "f99999"] {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
        assert_eq!("ctrl-d".parse::<Key>().map(|k| k.hint(false)), Ok("^d".to_owned()));
    }
}
