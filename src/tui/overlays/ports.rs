//! The ports that are forwarded, each with its address; one is ended here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::panel;
use super::pick::Pick;
use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::Cx;
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::ports::PortState;
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// The widest it gets.
const WIDTH_MAX: u16 = 92;

/// The window.
#[derive(Debug, Default)]
pub struct PortsView {
    pick: Pick,
}

impl Pane for PortsView {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        let chosen = cx.ports.get(self.pick.at);
        match cmd.id {
            CommandId::Cancel => vec![UiEffect::Close],
            CommandId::Stop => chosen.map(|port| UiEffect::EndCall(port.number)).into_iter().collect(),
            CommandId::Accept => match chosen.map(|port| &port.state) {
                Some(PortState::Open(words)) => {
                    let address = words.split_whitespace().next().unwrap_or_default();
                    vec![UiEffect::Copy(address.to_owned())]
                }
                Some(PortState::Opening | PortState::Ended(_)) | None => Vec::new(),
            },
            _ => {
                self.pick.on(cmd);
                Vec::new()
            }
        }
    }

    fn arrange(&mut self, screen: Rect, cx: &Cx) {
        self.pick.fit(cx.ports.len(), usize::from(screen.height.saturating_sub(8)));
    }

    fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let rows = (cx.ports.len().max(1) as u16 + 2).min(screen.height.saturating_sub(6));
        let inside =
            panel(Line::from(" Forwarded ports "), (WIDTH_MAX.min(screen.width.saturating_sub(6)), rows), screen, cx, buf);
        let muted = cx.style(Role::Muted);
        if cx.ports.is_empty() {
            buf.set_stringn(inside.x, inside.y, "none; `:forward 6006` on a job opens one", inside.width.into(), muted);
        }
        for (y, at) in (inside.y..inside.bottom()).zip(self.pick.shown()) {
            let port = &cx.ports[at];
            if at == self.pick.at {
                buf.set_style(Rect { y, height: 1, ..inside }, cx.style(Role::Choice));
            }
            let name = cx.world.job(port.job).map_or_else(|| port.job.to_string(), |job| shown(&job.name));
            let line = format!("{name:<16} {:<22} {}", port.spec, port.words_of_state());
            buf.set_stringn(inside.x, y, line, inside.width.into(), ratatui::style::Style::default());
        }
        let (stop, copy) = (cx.key_of(CommandId::Stop), cx.key_of(CommandId::Accept));
        let hint = vec![Span::styled(format!("{stop} ends one   {copy} copies its address"), muted)];
        buf.set_line(inside.x, inside.bottom().saturating_sub(1), &Line::from(hint), inside.width);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Accept, CommandId::Stop, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::List
    }
}
