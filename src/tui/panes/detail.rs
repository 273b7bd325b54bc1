//! State, keys and picture of the detail pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};

/// The pane.
#[derive(Debug, Default)]
pub struct Detail {}

impl Detail {
    /// Takes up what an update changed.
    pub fn applied(&mut self, _applied: &crate::tui::world::Applied, _cx: &Cx) {}
}

impl Pane for Detail {
    fn on(&mut self, _cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        Vec::new()
    }

    fn draw(&self, _cx: &Cx, _area: Rect, _buf: &mut Buffer) {}

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        Vec::new()
    }

    fn scope(&self) -> Scope {
        Scope::Detail
    }

    fn title(&self, _cx: &Cx) -> Line<'static> {
        Line::from("Detail")
    }
}
