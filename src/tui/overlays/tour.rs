//! The tour: a page for each thing worth knowing. It stands at the lower edge, so that what it tells of is seen beside it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::frame;
use super::help::wrap;
use crate::commands::{Cmd, CommandId, Scope};
use crate::tui::cx::{Cx, PaneId};
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::theme::Role;

/// Rows of the window, frame included.
const HEIGHT: u16 = 8;
/// The widest it gets.
const WIDTH_MAX: u16 = 78;

/// One page: what it is about, what it says, the commands whose keys it shows, and the pane it tells of.
struct Page {
    title: &'static str,
    text: &'static str,
    keys: &'static [CommandId],
    pane: PaneId,
}

use CommandId as C;

const PAGES: [Page; 8] = [
    Page {
        title: "Three places",
        text: "The tree on the left has everything: clusters with their nodes, experiments with their jobs. The detail on the \
               right tells of what is selected, and below it runs its log. They never change places.",
        keys: &[C::NextPane, C::Down, C::Open, C::Zoom],
        pane: PaneId::Tree,
    },
    Page {
        title: "Finding",
        text: "Type after the slash: words are fuzzy, fields exact, as in `state:failed lr>0.01 since:2h`. The palette runs \
               every command by name and jumps to every thing by name.",
        keys: &[C::Filter, C::Palette, C::Back, C::Bookmark, C::Bookmarks],
        pane: PaneId::Tree,
    },
    Page {
        title: "Scaling",
        text: "On a cluster, plus, minus or a number propose a target. A line says what would happen before anything does; \
               Enter applies it, Esc leaves it.",
        keys: &[C::ScaleUp, C::ScaleDown, C::Open, C::Cancel],
        pane: PaneId::Tree,
    },
    Page {
        title: "Jobs",
        text: "A new job's form is filled from the last one. A stop can be taken back for five seconds. What waits is asked \
               why, and the answer names the smallest change that helps.",
        keys: &[C::NewJob, C::Rerun, C::Stop, C::Undo, C::Why],
        pane: PaneId::Detail,
    },
    Page {
        title: "Many at once",
        text: "Marks make every act one on all marked jobs; it says the number and asks once. Failures come grouped by \
               cause, to be retried, or retried without the nodes they struck.",
        keys: &[C::Mark, C::MarkRange, C::MarkAll, C::Failures],
        pane: PaneId::Tree,
    },
    Page {
        title: "Logs",
        text: "Scrolling up pauses, the end follows again. Search runs over the whole file on its node; only what is looked at \
               is read. All ranks can be seen in one, by time.",
        keys: &[C::LogSearch, C::LogOnly, C::LogMerge, C::LogFailedRank, C::LogFirstError],
        pane: PaneId::Log,
    },
    Page {
        title: "The same by command",
        text: "Each act shows the command that does the same in the events tab, to be copied. A shell on the node of what is \
               selected is one key away.",
        keys: &[C::CopyCommand, C::Shell, C::Menu],
        pane: PaneId::Detail,
    },
    Page {
        title: "Leaving",
        text: "Jobs do not depend on this screen. When something is undone, leaving offers to go on in the background, and the \
               next ostler takes over.",
        keys: &[C::Help, C::Quit],
        pane: PaneId::Tree,
    },
];

/// The tour.
#[derive(Debug, Default)]
pub struct Tour {
    at: usize,
}

impl Tour {
    /// Returns the pane that the page tells of, to be lit.
    fn turn(&mut self, by: isize) -> Vec<UiEffect> {
        let Some(at) = self.at.checked_add_signed(by) else { return Vec::new() };
        match PAGES.get(at) {
            Some(page) => {
                self.at = at;
                vec![UiEffect::Focus(page.pane)]
            }
            None => vec![UiEffect::Close, UiEffect::Focus(PaneId::Tree)],
        }
    }
}

impl Pane for Tour {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            C::Cancel => vec![UiEffect::Close, UiEffect::Focus(PaneId::Tree)],
            C::Accept | C::Right | C::Down | C::PageDown | C::Mark => self.turn(1),
            C::Left | C::Up | C::PageUp => self.turn(-1),
            _ => Vec::new(),
        }
    }

    fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let width = WIDTH_MAX.min(screen.width);
        let height = HEIGHT.min(screen.height);
        let area = Rect { x: screen.x + (screen.width - width) / 2, y: screen.bottom() - height, width, height };
        let page = &PAGES[self.at];
        let title = format!(" {} of {}: {} ", self.at + 1, PAGES.len(), page.title);
        let inside = frame(Line::from(title), area, cx, buf);
        let last = inside.bottom().saturating_sub(1);
        for (y, line) in (inside.y..last).zip(wrap(page.text, usize::from(inside.width).max(8))) {
            buf.set_stringn(inside.x, y, line, inside.width.into(), ratatui::style::Style::default());
        }
        let mut spans = Vec::new();
        for id in page.keys {
            spans.push(Span::styled(cx.key_of(*id), cx.style(Role::Key)));
            spans.push(Span::styled(format!(" {}  ", id.row().hint), cx.style(Role::Muted)));
        }
        buf.set_line(inside.x, last, &Line::from(spans), inside.width);
        let on = format!(" {} goes on, {} ends ", cx.key_of(C::Accept), cx.key_of(C::Cancel));
        let room = unicode_width::UnicodeWidthStr::width(on.as_str()) as u16 + 2;
        if area.width > room {
            buf.set_string(area.right() - room, area.bottom() - 1, on, cx.style(Role::PanelFrame));
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![C::Accept, C::Left, C::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::List
    }
}
