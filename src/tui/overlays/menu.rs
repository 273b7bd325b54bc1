//! What can be done here, as a list: for the right mouse button, and for whoever does not know the keys yet.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::frame;
use super::pick::Pick;
use crate::commands::{Cmd, CommandId, Danger, Scope};
use crate::tui::cx::Cx;
use crate::tui::msg::{Mouse, MouseAct};
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::theme::Role;
use crate::tui::widgets::cut;

/// The widest it gets: key and sentence.
const WIDTH_MAX: u16 = 64;
/// Columns of the key.
const KEY_WIDTH: usize = 9;

/// The menu.
#[derive(Debug)]
pub struct Menu {
    commands: Vec<CommandId>,
    /// Where the mouse was.
    at: Option<(u16, u16)>,
    pick: Pick,
    area: Rect,
}

impl Menu {
    /// Returns the menu of these commands, at the mouse when it asked.
    pub fn new(at: Option<(u16, u16)>, commands: &[CommandId], cx: &Cx) -> Self {
        let allowed = |id: &&CommandId| !cx.look.readonly || id.row().danger == Danger::None;
        let commands = commands.iter().filter(allowed).copied().collect();
        Self { commands, at, pick: Pick::default(), area: Rect::default() }
    }

    fn take(&self) -> Vec<UiEffect> {
        let chosen = self.commands.get(self.pick.at).map(|id| UiEffect::Run(Cmd::new(*id)));
        std::iter::once(UiEffect::Close).chain(chosen).collect()
    }
}

impl Pane for Menu {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => vec![UiEffect::Close],
            CommandId::Accept => self.take(),
            _ => {
                self.pick.on(cmd);
                Vec::new()
            }
        }
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        let inside = self.area.contains(Position { x: mouse.x, y: mouse.y });
        match mouse.act {
            MouseAct::Lift if inside && mouse.y > self.area.y => {
                if self.pick.choose(usize::from(mouse.y - self.area.y - 1)) { self.take() } else { Vec::new() }
            }
            MouseAct::Press | MouseAct::Menu if !inside => vec![UiEffect::Close],
            MouseAct::WheelDown | MouseAct::WheelUp => {
                let id = if mouse.act == MouseAct::WheelDown { CommandId::Down } else { CommandId::Up };
                self.pick.on(&Cmd::new(id));
                Vec::new()
            }
            MouseAct::Press | MouseAct::Drag | MouseAct::Lift | MouseAct::Menu => Vec::new(),
        }
    }

    fn arrange(&mut self, screen: Rect, _cx: &Cx) {
        let width = WIDTH_MAX.min(screen.width);
        let height = (self.commands.len() as u16 + 2).min(screen.height);
        let (x, y) = self.at.unwrap_or(((screen.width - width) / 2, (screen.height - height) * 2 / 5));
        let (right, bottom) = (screen.right() - width, screen.bottom() - height);
        self.area = Rect { x: x.min(right), y: y.min(bottom), width, height };
        self.pick.fit(self.commands.len(), usize::from(height.saturating_sub(2)));
    }

    fn draw(&self, cx: &Cx, _screen: Rect, buf: &mut Buffer) {
        let inside = frame(Line::from(" What can be done here "), self.area, cx, buf);
        for (y, at) in (inside.y..inside.bottom()).zip(self.pick.shown()) {
            let row = self.commands[at].row();
            let line = Rect { y, height: 1, ..inside };
            if at == self.pick.at {
                buf.set_style(line, cx.style(Role::Choice));
            }
            let bound = cx.key_of(row.id);
            let key = if bound.is_empty() { format!(":{}", row.name) } else { bound };
            let key = cut(&key, KEY_WIDTH - 1, cx.look.ascii);
            let pad = " ".repeat(KEY_WIDTH.saturating_sub(key.width()));
            let key_style = ratatui::style::Style { bg: None, ..cx.style(Role::Key) };
            let words = cut(row.sentence, usize::from(inside.width).saturating_sub(KEY_WIDTH), cx.look.ascii);
            buf.set_line(
                line.x,
                y,
                &Line::from(vec![Span::styled(key, key_style), Span::from(pad), Span::from(words)]),
                line.width,
            );
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Accept, CommandId::Down, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::List
    }
}
