//! The frame around the panes: title line, frames with titles, hint line, toasts, and the line that says that the screen is
//! too small.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

use crate::commands::CommandId;
use crate::model::units::Money;
use crate::tui::app::{App, inner};
use crate::tui::cx::{Cx, PaneId};
use crate::tui::layout::{LEAST, WISHED};
use crate::tui::pane::ToastKind;
use crate::tui::panes::name_of;
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::{border_set, cut};
use crate::tui::world::CoreLink;

/// The widest a toast gets; longer text is cut, the events tab and the command line have all of it.
const TOAST_WIDTH_MAX: u16 = 96;
/// On lower screens a window may begin in the first row: only the newest toast is above it.
const TOASTS_ABOVE_ROWS: u16 = 30;

impl App {
    /// Draws the whole screen.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        buf.set_style(area, self.cx.style(Role::Ground));
        if self.layout.too_small || self.layout.screen != area {
            too_small(&self.cx, area, buf);
            return;
        }
        self.draw_title(self.layout.title, buf);
        for pane in [PaneId::Tree, PaneId::Detail, PaneId::Log] {
            if let Some(area) = self.layout.pane(pane) {
                self.draw_pane(pane, area, buf);
            }
        }
        self.draw_hints(self.layout.hints, buf);
        for overlay in &self.overlays {
            overlay.draw(&self.cx, area, buf);
        }
        self.draw_toasts(area, buf);
        if self.cx.look.ascii {
            ascii_only(buf, self.cx.look.blocks);
        }
    }

    fn draw_pane(&self, id: PaneId, area: Rect, buf: &mut Buffer) {
        let cx = &self.cx;
        let pane = self.pane(id);
        let focus = cx.has_focus(id) && self.overlays.is_empty();
        let (frame, title) = if focus { (Role::FrameFocus, Role::TitleFocus) } else { (Role::Frame, Role::Title) };
        let block = Block::bordered().border_set(border_set(cx.look.ascii)).border_style(cx.style(frame));
        block.render(area, buf);
        let room = area.width.saturating_sub(4);
        let title = pad(pane.title(cx).patch_style_if_plain(cx.style(title)));
        let status = fit_status(pane.status(cx), room.saturating_sub(title.width() as u16));
        let status_width = status.width() as u16;
        buf.set_line(area.x + 1, area.y, &title, (room + 1).saturating_sub(status_width));
        buf.set_line(area.right().saturating_sub(status_width + 1), area.y, &status, status_width);
        pane.draw(cx, inner(area), buf);
    }

    fn draw_title(&self, area: Rect, buf: &mut Buffer) {
        let cx = &self.cx;
        let size = (self.layout.screen.width, self.layout.screen.height);
        let missing = missing(size, WISHED);
        if let (false, CoreLink::Here) = (missing.is_empty(), &cx.world.link) {
            let said = missing.join(", ");
            let room = usize::from(area.width).saturating_sub(said.width() + 4);
            let name = self.path(room).pop().unwrap_or_else(|| "ostler".to_owned());
            let name = Span::styled(format!(" {} ", cut(&name, room, cx.look.ascii)), cx.style(Role::Strong));
            let line = Line::from(vec![name, Span::styled(format!(" {said}"), cx.style(Role::Muted))]);
            buf.set_line(area.x, area.y, &line, area.width);
            return;
        }
        let right = self.counts();
        let right_width = right.width() as u16;
        let mut left = vec![Span::styled(" ostler ", cx.style(Role::Brand)), Span::from(" ")];
        let room = area.width.saturating_sub(right_width + 2);
        let path = self.path(usize::from(room).saturating_sub(9));
        for (at, step) in path.iter().enumerate() {
            if at > 0 {
                left.push(Span::styled(format!(" {} ", cx.glyph(Glyph::Step)), cx.style(Role::Line)));
            }
            let last = at + 1 == path.len();
            left.push(Span::styled(step.clone(), cx.style(if last { Role::Strong } else { Role::Crumb })));
        }
        buf.set_line(area.x, area.y, &Line::from(left), room);
        if right_width < area.width {
            buf.set_line(area.right() - right_width, area.y, &right, right_width);
        }
    }

    /// The names from the workspace to the selected thing; where they do not fit, the headings between them go first,
    /// then the outer names.
    fn path(&self, room: usize) -> Vec<String> {
        let cx = &self.cx;
        let mut path = Vec::new();
        let mut next = cx.shown;
        while let Some(subject) = next {
            let step = match subject {
                Subject::Clusters(_) => "clusters".to_owned(),
                Subject::FileServers(_) => "file servers".to_owned(),
                Subject::Experiments(_) => "experiments".to_owned(),
                Subject::Older(_) => "older".to_owned(),
                subject => name_of(subject, cx).map(|name| shown(&name)).unwrap_or_default(),
            };
            path.push(step);
            next = crate::tui::panes::tree::parent(subject, cx);
        }
        path.reverse();
        let wide = |path: &[String]| path.iter().map(|step| step.width() + 3).sum::<usize>() > room + 3;
        if wide(&path) && path.len() > 2 {
            path.remove(1);
        }
        while wide(&path) && path.len() > 1 {
            path.remove(0);
        }
        path
    }

    fn counts(&self) -> Line<'static> {
        let cx = &self.cx;
        let (strong, muted) = (cx.style(Role::Text), cx.style(Role::Muted));
        if let CoreLink::Lost { since, .. } = &cx.world.link {
            let age = cx.now.since(*since);
            return Line::from(Span::styled(format!("core out of reach for {age}; trying again "), cx.style(Role::Bad)));
        }
        if cx.world.link == CoreLink::Opening {
            let said = format!("opening the state {} ", cx.spinner());
            return Line::from(Span::styled(said, cx.style(Role::Muted)));
        }
        let totals = cx.world.totals();
        let dot = || Span::styled(format!(" {} ", cx.glyph(Glyph::Dot)), cx.style(Role::Line));
        let mut spans = Vec::new();
        if cx.look.readonly {
            spans.extend([Span::styled("read only", cx.style(Role::Warning)), dot()]);
        }
        let running = if totals.running > 0 { cx.style(Role::Running) } else { strong };
        spans.extend([Span::styled(totals.running.to_string(), running), Span::styled(" running", muted), dot()]);
        spans.extend([Span::styled(totals.queued.to_string(), strong), Span::styled(" queued", muted)]);
        if totals.counts_nodes {
            spans.extend([dot(), Span::styled(totals.ready.to_string(), strong)]);
            spans.push(Span::styled(format!("/{} nodes", totals.wanted), muted));
        }
        if totals.rate > Money(0) {
            spans.extend([dot(), Span::styled(format!("{}/h", totals.rate), strong)]);
        }
        spans.push(Span::from(" "));
        Line::from(spans)
    }

    fn draw_hints(&self, area: Rect, buf: &mut Buffer) {
        let cx = &self.cx;
        if let Some(text) = self.typed() {
            buf.set_stringn(area.x + 1, area.y, text, area.width.into(), cx.style(Role::Proposal));
            return;
        }
        let commands = match self.overlays.last() {
            Some(top) => top.commands(cx),
            None => self.pane(cx.focus).commands(cx),
        };
        let mut x = area.x + 1;
        for id in commands {
            let key = cx.key_of(id);
            let word = id.row().hint;
            let width = (key.width() + 1 + word.width()) as u16;
            if key.is_empty() || (cx.look.readonly && id.row().danger != crate::commands::Danger::None) {
                continue;
            }
            if x + width > area.right() {
                break;
            }
            let spans = vec![Span::styled(key, cx.style(Role::Key)), Span::styled(format!(" {word}"), cx.style(Role::Hint))];
            (x, _) = buf.set_line(x, area.y, &Line::from(spans), width);
            x += 3;
        }
    }

    /// What takes the place of the hints: a proposed target, a held stop, a number being typed.
    fn typed(&self) -> Option<String> {
        let cx = &self.cx;
        if !self.overlays.is_empty() {
            return None;
        }
        if let Some(proposal) = &cx.proposal {
            let name = cx.world.cluster(proposal.cluster).map(|c| shown(&c.name)).unwrap_or_default();
            let line = proposal_line(proposal, cx);
            let (enter, esc) = (cx.key_of(CommandId::Open), cx.key_of(CommandId::Cancel));
            return Some(format!("{name}  {line}   {enter} applies   {esc} leaves it"));
        }
        if let Some(job) = cx.world.stopping().max_by_key(|job| job.last.stop_at) {
            let left = job.last.stop_at.unwrap_or_default().since(cx.now).0.div_ceil(1000);
            let (undo, now) = (cx.key_of(CommandId::Undo), cx.key_of(CommandId::Stop));
            let name = shown(&job.name);
            let text = format!("{name} stops in {left}s   {undo} takes it back");
            let selected = self.subject() == Some(Subject::Job(job.id));
            return Some(if selected { format!("{text}   {now} does it now") } else { text });
        }
        if let Some(first) = cx.pending {
            return Some(format!("{} and another key", first.hint(cx.look.ascii)));
        }
        cx.count.map(|count| count.to_string())
    }

    fn draw_toasts(&self, area: Rect, buf: &mut Buffer) {
        let cx = &self.cx;
        // Over the panes' lower frame; a window has its hints there, so that they go to the top above one.
        let above = !self.overlays.is_empty();
        let most = if above && area.height < TOASTS_ABOVE_ROWS { 1 } else { usize::MAX };
        let mut y = if above { area.y } else { area.bottom().saturating_sub(2) };
        for (toast, _) in self.toasts.iter().rev().take(most) {
            let (glyph, role) = match toast.kind {
                ToastKind::Info => (Glyph::Dot, Role::Toast),
                ToastKind::Good => (Glyph::Succeeded, Role::Toast),
                ToastKind::Bad => (Glyph::Failed, Role::ToastBad),
            };
            let room = TOAST_WIDTH_MAX.min(area.width.saturating_sub(4));
            let text = cut(&toast.text, usize::from(room.saturating_sub(4)), cx.look.ascii);
            let text = format!(" {} {text} ", cx.glyph(glyph));
            let width = text.width() as u16;
            let spot = Rect { x: area.right().saturating_sub(width + 2), y, width, height: 1 };
            if !above && y <= area.y + 1 {
                break;
            }
            Clear.render(spot, buf);
            buf.set_string(spot.x, spot.y, text, cx.style(role));
            y = if above { y + 1 } else { y - 1 };
            if y >= area.bottom() {
                break;
            }
        }
    }
}

/// Returns what a proposed target would do, in the core's words once they are there.
pub(super) fn proposal_line(proposal: &crate::tui::proposal::Proposal, cx: &Cx) -> String {
    match &proposal.preview {
        Some(Ok(preview)) => shown(&preview.line),
        Some(Err(why)) => why.clone(),
        None => format!("{} {} {}", proposal.seen, cx.glyph(Glyph::Arrow), proposal.target),
    }
}

/// Leaves out the end of a status that has no room; its first word stays, even at the cost of the title.
fn fit_status(mut status: Line<'static>, room: u16) -> Line<'static> {
    if status.width() == 0 {
        return status;
    }
    while status.width() as u16 + 2 > room && status.spans.len() > 1 {
        status.spans.pop();
    }
    // Nothing stands behind a dot that separated it from what is gone.
    let dangling = |span: &Span<'_>| span.content.chars().all(|c| !c.is_alphanumeric());
    while status.spans.len() > 1 && status.spans.last().is_some_and(dangling) {
        status.spans.pop();
    }
    pad(status)
}

fn pad(mut line: Line<'static>) -> Line<'static> {
    line.spans.insert(0, Span::from(" "));
    line.spans.push(Span::from(" "));
    line
}

/// Puts ASCII in the place of whatever is none, also of what sentences and other people's names hold.
fn ascii_only(buf: &mut Buffer, blocks: bool) {
    let stays = |symbol: &str| symbol.is_ascii() || (blocks && matches!(symbol, "▀" | "▄" | "█"));
    for cell in buf.content.iter_mut().filter(|cell| !stays(cell.symbol())) {
        cell.set_char(match cell.symbol() {
            "…" => '.',
            "·" | "•" | "–" | "—" | "─" => '-',
            "│" => '|',
            "→" | "›" | "▸" => '>',
            "←" | "‹" => '<',
            "↑" => '^',
            "↓" | "▾" => 'v',
            "×" => 'x',
            _ => '?',
        });
    }
}

/// Gives a line a style unless its parts have their own.
trait PatchPlain {
    fn patch_style_if_plain(self, style: ratatui::style::Style) -> Self;
}

impl PatchPlain for Line<'static> {
    fn patch_style_if_plain(mut self, style: ratatui::style::Style) -> Self {
        for span in &mut self.spans {
            if span.style == ratatui::style::Style::default() {
                span.style = style;
            }
        }
        self
    }
}

/// Returns how many columns and rows a size lacks of another, in words.
fn missing(size: (u16, u16), wished: (u16, u16)) -> Vec<String> {
    let lacks = [(wished.0.saturating_sub(size.0), "column"), (wished.1.saturating_sub(size.1), "row")];
    let many = |(count, what): (u16, &str)| format!("{count} more {what}{}", if count == 1 { "" } else { "s" });
    lacks.into_iter().filter(|(count, _)| *count > 0).map(many).collect()
}

/// One line in the middle that says how much room is missing.
fn too_small(cx: &Cx, area: Rect, buf: &mut Buffer) {
    let text = format!("{}, please", missing((area.width, area.height), LEAST).join(" and "));
    let text = cut(&text, usize::from(area.width), cx.look.ascii);
    let x = area.x + (area.width.saturating_sub(text.width() as u16)) / 2;
    let y = area.y + area.height / 2;
    if y < area.bottom() {
        buf.set_stringn(x, y, text, area.width.into(), cx.style(Role::Text));
    }
}
