//! The form of a new job.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::FormSeed;
use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};

/// The form.
#[derive(Debug)]
pub struct Form {}

impl Form {
    /// Returns a form filled from `seed`, and what it wants done.
    pub fn new(_seed: FormSeed, _number: u64, _cx: &Cx) -> (Self, Vec<UiEffect>) {
        (Self {}, Vec::new())
    }
}

impl Pane for Form {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        if cmd.id == CommandId::Cancel { vec![UiEffect::Close] } else { Vec::new() }
    }

    fn draw(&self, _cx: &Cx, _area: Rect, _buf: &mut Buffer) {}

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::FormSubmit, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Form
    }
}
