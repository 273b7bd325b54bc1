//! The keys that work here, now, from the map that handles them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::panel;
use crate::commands::{ALL, Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::msg::{Mouse, MouseAct};
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::theme::Role;

/// Wide enough for the longest sentence beside its keys on a wide screen.
const WIDTH_MAX: u16 = 104;
/// Columns of the keys, and of theirs in a narrow window.
const KEYS_WIDTH: (usize, usize) = (18, 9);
/// A window is narrow below this.
const NARROW: usize = 56;

/// The help window.
#[derive(Debug)]
pub struct Help {
    scope: Scope,
    top: usize,
    rows: usize,
    height: usize,
}

impl Help {
    /// Returns the help for a place.
    pub fn new(scope: Scope) -> Self {
        Self { scope, top: 0, rows: 0, height: 1 }
    }

    fn lines(&self, cx: &Cx, width: usize) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut scopes = vec![self.scope];
        if self.scope.falls_through() {
            scopes.push(Scope::Everywhere);
        }
        for scope in scopes {
            lines.push(Line::from(Span::styled(scope.title(), cx.style(Role::TitleFocus))));
            for command in ALL.iter().filter(|c| c.scopes.contains(&scope)) {
                lines.extend(entry(cx, command.id, width));
            }
            lines.push(Line::default());
        }
        lines.push(Line::from(Span::styled("By name in the palette", cx.style(Role::TitleFocus))));
        for command in ALL.iter().filter(|c| c.scopes.is_empty()) {
            lines.extend(entry(cx, command.id, width));
        }
        lines
    }

    fn scroll(&mut self, by: isize) {
        let most = self.rows.saturating_sub(self.height);
        self.top = self.top.saturating_add_signed(by).min(most);
    }
}

/// One command: its keys (or its name), and its sentence wrapped beside them.
fn entry(cx: &Cx, id: CommandId, width: usize) -> Vec<Line<'static>> {
    let row = id.row();
    let keys: Vec<String> = cx.keymap.hints(id, cx.look.ascii);
    let head = match (keys.len(), row.args) {
        (0, "") => format!(":{}", row.name),
        (0, args) => format!(":{} {args}", row.name),
        (1..=3, _) => keys.join("  "),
        (count, _) => format!("{}  {}  {}", keys[0], if cx.look.ascii { ".." } else { "…" }, keys[count - 1]),
    };
    let mut lines = Vec::new();
    let keys_width = if width < NARROW { KEYS_WIDTH.1 } else { KEYS_WIDTH.0 };
    let mut head = format!("  {head:<keys_width$} ");
    let indent = keys_width + 3;
    if unicode_width::UnicodeWidthStr::width(head.as_str()) > indent {
        lines.push(Line::from(Span::styled(head.clone(), cx.style(Role::Key))));
        head = " ".repeat(indent);
    }
    let mut rest = wrap(row.sentence, width.saturating_sub(indent).max(16)).into_iter();
    let first = rest.next().unwrap_or_default();
    lines.push(Line::from(vec![Span::styled(head, cx.style(Role::Key)), Span::from(first)]));
    lines.extend(rest.map(|part| Line::from(format!("{:indent$}{part}", ""))));
    lines
}

/// Breaks plain words into lines.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map(|l| l.as_str()).unwrap_or_default();
        let used = unicode_width::UnicodeWidthStr::width(line);
        let len = unicode_width::UnicodeWidthStr::width(word);
        match (used, lines.last_mut()) {
            (0, Some(line)) => line.push_str(word),
            (used, Some(line)) if used + 1 + len <= width => {
                line.push(' ');
                line.push_str(word);
            }
            (_, _) => lines.push(word.to_owned()),
        }
    }
    lines
}

impl Pane for Help {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        let page = self.height as isize;
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::Close],
            CommandId::Down => self.scroll(cmd.times() as isize),
            CommandId::Up => self.scroll(-(cmd.times() as isize)),
            CommandId::PageDown => self.scroll(page),
            CommandId::PageUp => self.scroll(-page),
            CommandId::HalfDown => self.scroll(page / 2),
            CommandId::HalfUp => self.scroll(-page / 2),
            CommandId::Top => self.top = 0,
            CommandId::Bottom => self.scroll(self.rows as isize),
            _ => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: crate::commands::Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        // The key that opened it, and `q`, close it too.
        let everywhere = cx.keymap.lookup(Scope::Everywhere, key)?.id;
        matches!(everywhere, CommandId::Help | CommandId::Quit).then(|| vec![UiEffect::Close])
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => self.scroll(3),
            MouseAct::WheelUp => self.scroll(-3),
            MouseAct::Press | MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, cx: &Cx) {
        let width = WIDTH_MAX.min(area.width.saturating_sub(6));
        self.rows = self.lines(cx, usize::from(width)).len();
        self.height = usize::from(area.height.saturating_sub(4)).min(self.rows).max(1);
        self.scroll(0);
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let width = WIDTH_MAX.min(area.width.saturating_sub(6));
        let dot = cx.glyph(crate::tui::widgets::glyph::Glyph::Dot);
        let everywhere = if self.scope.falls_through() { Scope::Everywhere.title() } else { "" };
        let title = Line::from(format!(" Help: {} {dot} {everywhere} ", self.scope.title()));
        let inside = panel(title, (width, self.height as u16), area, cx, buf);
        for (y, line) in (inside.y..inside.bottom()).zip(self.lines(cx, usize::from(width)).iter().skip(self.top)) {
            buf.set_line(inside.x, y, line, inside.width);
        }
        if self.top + self.height < self.rows {
            let more = format!(
                " {} more {} ",
                self.rows - self.top - self.height,
                cx.glyph(crate::tui::widgets::glyph::Glyph::More)
            );
            let width = unicode_width::UnicodeWidthStr::width(more.as_str()) as u16;
            buf.set_string(inside.right().saturating_sub(width), inside.bottom(), more, cx.style(Role::PanelFrame));
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Down, CommandId::PageDown, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Reader
    }
}
