//! State, keys and picture of the log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};

/// The pane.
#[derive(Debug, Default)]
pub struct Log {}

impl Pane for Log {
    fn on(&mut self, _cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        Vec::new()
    }

    fn draw(&self, _cx: &Cx, _area: Rect, _buf: &mut Buffer) {}

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        Vec::new()
    }

    fn scope(&self) -> Scope {
        Scope::Log
    }

    fn title(&self, _cx: &Cx) -> Line<'static> {
        Line::from("Log")
    }
}
