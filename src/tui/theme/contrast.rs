//! Whether text can be told from its ground (WCAG 2.2, 1.4.3).

use ratatui::style::Color;

use super::{Role, Theme};

/// What is drawn as lines and fills, not as text.
pub const NOT_TEXT: &[Role] = &[Role::Frame, Role::Line, Role::BarRest];

/// The least contrast that is let pass without a word: that of large text (WCAG 2.2, level AA).
const CONTRAST_MIN: f64 = 3.0;

/// Returns the relative luminance of a true colour; `None` for those that the terminal chooses.
fn luminance(color: Color) -> Option<f64> {
    let Color::Rgb(r, g, b) = color else { return None };
    let part = |value: u8| {
        let v = f64::from(value) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    Some(0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b))
}

/// Returns the contrast of two colours, from 1 to 21; `None` when the terminal chooses one of them.
pub fn contrast(fg: Color, bg: Color) -> Option<f64> {
    let (a, b) = (luminance(fg)?, luminance(bg)?);
    Some((a.max(b) + 0.05) / (a.min(b) + 0.05))
}

impl Theme {
    /// Returns a sentence for each role whose text can hardly be told from its ground.
    pub fn hard_to_read(&self) -> Vec<String> {
        let ground = self.style(Role::Ground).bg;
        let roles = Role::ALL.iter().filter(|role| !NOT_TEXT.contains(role));
        let found = roles.filter_map(|role| {
            let style = self.style(*role);
            let contrast = contrast(style.fg?, style.bg.or(ground)?)?;
            let name = super::load::role_word(*role);
            let place = if style.bg.is_some() { "its own ground" } else { "the ground" };
            (contrast < CONTRAST_MIN)
                .then(|| format!("contrast {contrast:.1} of `{name}` on {place}; text needs {CONTRAST_MIN:.1} to be read"))
        });
        found.collect()
    }
}
