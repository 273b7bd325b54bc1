//! How many colours the terminal has, and colours brought down to that.

use ratatui::style::Color;
use serde::{Deserialize, Serialize};

/// How many colours there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// Any.
    #[default]
    True,
    /// The 256 of xterm.
    Ansi256,
    /// The sixteen, whose values are the user's own.
    Ansi16,
    /// None; bold, underline and reverse are left.
    None,
}

impl Depth {
    /// Guesses from the values of `NO_COLOR`, `COLORTERM` and `TERM`.
    pub fn guess(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        if no_color.is_some_and(|v| !v.is_empty()) {
            return Self::None;
        }
        let term = term.unwrap_or("");
        match colorterm {
            Some("truecolor" | "24bit") => Self::True,
            _ if term.contains("direct") || term.contains("kitty") || term.contains("alacritty") => Self::True,
            _ if term.contains("256") => Self::Ansi256,
            _ if term.is_empty() || term == "dumb" => Self::None,
            _ => Self::Ansi16,
        }
    }

    /// Returns the nearest colour that the terminal has.
    pub fn fit(self, color: Color) -> Color {
        match (self, color) {
            (Self::None, _) => Color::Reset,
            (Self::True, color) => color,
            (Self::Ansi256, Color::Rgb(r, g, b)) => Color::Indexed(nearest_256(r, g, b)),
            (Self::Ansi256, color) => color,
            (Self::Ansi16, Color::Rgb(r, g, b)) => nearest_16(r, g, b),
            (Self::Ansi16, Color::Indexed(n)) if n >= 16 => {
                let (r, g, b) = of_256(n);
                nearest_16(r, g, b)
            }
            (Self::Ansi16, color) => color,
        }
    }
}

const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Returns the value of one of the 240 fixed colours of xterm's 256.
pub fn of_256(n: u8) -> (u8, u8, u8) {
    match n {
        232..=255 => {
            let v = 8 + 10 * (n - 232);
            (v, v, v)
        }
        16..=231 => {
            let i = usize::from(n - 16);
            (STEPS[i / 36], STEPS[i / 6 % 6], STEPS[i % 6])
        }
        _ => (0, 0, 0),
    }
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> i32 {
    let d = |x: u8, y: u8| i32::from(x) - i32::from(y);
    // Weights of perceived brightness, in tenths.
    3 * d(a.0, b.0).pow(2) + 6 * d(a.1, b.1).pow(2) + d(a.2, b.2).pow(2)
}

fn nearest_256(r: u8, g: u8, b: u8) -> u8 {
    (16..=255).min_by_key(|n| distance((r, g, b), of_256(*n))).unwrap_or(15)
}

/// The sixteen with the values that most terminals give them (VGA, brightened).
const SIXTEEN: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (170, 0, 0)),
    (Color::Green, (0, 170, 0)),
    (Color::Yellow, (170, 120, 0)),
    (Color::Blue, (40, 70, 190)),
    (Color::Magenta, (170, 0, 170)),
    (Color::Cyan, (0, 160, 170)),
    (Color::Gray, (190, 190, 190)),
    (Color::DarkGray, (105, 105, 105)),
    (Color::LightRed, (255, 100, 100)),
    (Color::LightGreen, (100, 240, 110)),
    (Color::LightYellow, (250, 230, 110)),
    (Color::LightBlue, (110, 150, 255)),
    (Color::LightMagenta, (240, 120, 240)),
    (Color::LightCyan, (110, 240, 240)),
    (Color::White, (255, 255, 255)),
];

fn nearest_16(r: u8, g: u8, b: u8) -> Color {
    SIXTEEN.iter().min_by_key(|(_, rgb)| distance((r, g, b), *rgb)).map_or(Color::Reset, |(color, _)| *color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_say_what_they_can() {
        for (no_color, colorterm, term, depth) in [
            (None, Some("truecolor"), Some("xterm-256color"), Depth::True),
            (Some("1"), Some("truecolor"), Some("xterm-256color"), Depth::None),
            (Some(""), None, Some("tmux-256color"), Depth::Ansi256),
            (None, None, Some("linux"), Depth::Ansi16),
            (None, None, Some("xterm-kitty"), Depth::True),
            (None, None, Some("dumb"), Depth::None),
            (None, None, None, Depth::None),
        ] {
            assert_eq!(Depth::guess(no_color, colorterm, term), depth, "{no_color:?} {colorterm:?} {term:?}");
        }
    }

    #[test]
    fn colours_come_down() {
        let red = Color::Rgb(250, 5, 5);
        assert_eq!(Depth::Ansi256.fit(red), Color::Indexed(196));
        assert_eq!(Depth::Ansi16.fit(Color::Rgb(2, 2, 2)), Color::Black);
        assert_eq!(Depth::Ansi16.fit(Color::Indexed(231)), Color::White);
        assert_eq!(Depth::None.fit(red), Color::Reset);
    }
}
