//! The palette.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};

/// The palette.
#[derive(Debug)]
pub struct Palette {}

impl Palette {
    /// Returns the palette with a text typed already.
    pub fn new(_text: String, _cx: &Cx) -> Self {
        Self {}
    }
}

impl Pane for Palette {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        if cmd.id == CommandId::Cancel { vec![UiEffect::Close] } else { Vec::new() }
    }

    fn draw(&self, _cx: &Cx, _area: Rect, _buf: &mut Buffer) {}

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Line
    }
}
