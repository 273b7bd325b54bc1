//! A window of text that can be looked through; for overlays that only show.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::help::wrap;
use super::panel;
use crate::commands::{Cmd, CommandId};
use crate::tui::cx::Cx;
use crate::tui::theme::Role;

/// Wide enough for paths, narrow enough to be read.
const WIDTH_MAX: u16 = 116;

/// One line as it is, before it is wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Columns left out on the left.
    pub indent: usize,
    /// How it looks.
    pub role: Role,
    /// Its words, fit to be shown.
    pub words: String,
}

/// The text and the part of it that is seen.
#[derive(Debug, Default)]
pub struct Reader {
    texts: Vec<Text>,
    rows: Vec<(Role, String)>,
    width: u16,
    top: usize,
    height: usize,
}

impl Reader {
    /// Shows another text; whoever looked at its end goes on looking at its end.
    pub fn set(&mut self, texts: Vec<Text>, follow: bool) {
        let at_end = self.top + self.height >= self.rows.len();
        self.texts = texts;
        self.lay_out();
        if follow && at_end {
            self.top = self.rows.len().saturating_sub(self.height);
        }
    }

    /// Acts on a command that moves; says whether it was one.
    pub fn on(&mut self, cmd: &Cmd) -> bool {
        let page = self.height as isize;
        match cmd.id {
            CommandId::Down => self.scroll(cmd.times() as isize),
            CommandId::Up => self.scroll(-(cmd.times() as isize)),
            CommandId::PageDown | CommandId::HalfDown => self.scroll(page),
            CommandId::PageUp | CommandId::HalfUp => self.scroll(-page),
            CommandId::Top => self.top = 0,
            CommandId::Bottom => self.scroll(self.rows.len() as isize),
            _ => return false,
        }
        true
    }

    fn scroll(&mut self, by: isize) {
        self.top = self.top.saturating_add_signed(by).min(self.rows.len().saturating_sub(self.height));
    }

    fn lay_out(&mut self) {
        let width = usize::from(self.width).max(20);
        self.rows.clear();
        for text in &self.texts {
            let indent = text.indent.min(width / 2);
            for row in wrap(&text.words, width - indent) {
                let mut rest = row.as_str();
                // A word may be wider than the window.
                loop {
                    let cut = rest.char_indices().map(|(at, _)| at).nth(width - indent).unwrap_or(rest.len());
                    self.rows.push((text.role, format!("{:indent$}{}", "", &rest[..cut])));
                    rest = &rest[cut..];
                    if rest.is_empty() {
                        break;
                    }
                }
            }
        }
    }

    /// Learns the screen.
    pub fn arrange(&mut self, area: Rect) {
        let width = WIDTH_MAX.min(area.width.saturating_sub(6));
        if width != self.width {
            self.width = width;
            self.lay_out();
        }
        self.height = usize::from(area.height.saturating_sub(6)).min(self.rows.len()).max(1);
        self.scroll(0);
    }

    /// Draws the window.
    pub fn draw(&self, title: String, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let inside = panel(Line::from(title), (self.width, self.height as u16), area, cx, buf);
        for (y, (role, row)) in (inside.y..inside.bottom()).zip(self.rows.iter().skip(self.top)) {
            buf.set_line(inside.x, y, &Line::from(Span::styled(row.as_str(), cx.style(*role))), inside.width);
        }
    }
}
