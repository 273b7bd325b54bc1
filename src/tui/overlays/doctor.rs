//! What ostler's own command says while it runs beside the screen, as a window of text: `:doctor`.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::help::wrap;
use super::panel;
use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::msg::{Called, Mouse, MouseAct};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// The widest it gets: tables of a command are wide.
const WIDTH_MAX: u16 = 116;
/// More lines than this are no check of one machine.
const LINES_MAX: usize = 2000;

/// The window.
#[derive(Debug)]
pub struct Doctor {
    title: &'static str,
    number: u64,
    lines: Vec<String>,
    over: bool,
    top: usize,
    rows: usize,
    height: usize,
}

impl Doctor {
    /// Returns a window on what a command says, and the order to run it.
    pub fn calling(title: &'static str, words: &[&str], number: u64) -> (Self, Vec<UiEffect>) {
        let doctor = Self { title, number, lines: Vec::new(), over: false, top: 0, rows: 1, height: 1 };
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        (doctor, vec![UiEffect::Call(number, words)])
    }

    fn shown_lines(&self, cx: &Cx, width: usize) -> Vec<Line<'static>> {
        let mut lines: Vec<Line<'static>> = Vec::new();
        for (at, text) in self.lines.iter().enumerate() {
            let role = match () {
                () if at == 0 => Role::Head,
                () if text.contains(" failed ") => Role::Bad,
                () if text.contains(" note ") => Role::Warning,
                () => Role::Text,
            };
            lines.extend(wrap(text, width.max(8)).into_iter().map(|part| Line::from(Span::styled(part, cx.style(role)))));
        }
        if !self.over {
            lines.push(Line::from(Span::styled(format!("{} looking", cx.spinner()), cx.style(Role::Muted))));
        }
        lines
    }

    fn scroll(&mut self, by: isize) {
        self.top = self.top.saturating_add_signed(by).min(self.rows.saturating_sub(self.height));
    }
}

impl Pane for Doctor {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        let page = self.height as isize;
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::EndCall(self.number), UiEffect::Close],
            CommandId::Down => self.scroll(cmd.times() as isize),
            CommandId::Up => self.scroll(-(cmd.times() as isize)),
            CommandId::PageDown | CommandId::HalfDown => self.scroll(page),
            CommandId::PageUp | CommandId::HalfUp => self.scroll(-page),
            CommandId::Top => self.top = 0,
            CommandId::Bottom => self.scroll(self.rows as isize),
            _ => {}
        }
        Vec::new()
    }

    fn hear(&mut self, news: &News<'_>, _cx: &Cx) -> Vec<UiEffect> {
        if let News::Called(number, called) = news
            && *number == self.number
        {
            match called {
                Called::Line(line) if self.lines.len() < LINES_MAX => self.lines.push(shown(line)),
                Called::Line(_) => {}
                Called::Ended(_) => self.over = true,
            }
        }
        Vec::new()
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => self.scroll(3),
            MouseAct::WheelUp => self.scroll(-3),
            MouseAct::Press | MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, screen: Rect, cx: &Cx) {
        let width = WIDTH_MAX.min(screen.width.saturating_sub(6));
        self.rows = self.shown_lines(cx, usize::from(width)).len();
        self.height = usize::from(screen.height.saturating_sub(6)).min(self.rows).max(1);
        self.scroll(0);
    }

    fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let width = WIDTH_MAX.min(screen.width.saturating_sub(6));
        let inside = panel(Line::from(format!(" {} ", self.title)), (width, self.height as u16), screen, cx, buf);
        for (y, line) in (inside.y..inside.bottom()).zip(self.shown_lines(cx, usize::from(width)).iter().skip(self.top)) {
            buf.set_line(inside.x, y, line, inside.width);
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Down, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Reader
    }
}
