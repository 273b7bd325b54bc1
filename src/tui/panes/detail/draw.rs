//! How the detail pane draws a table and its filter, and what makes sense in the tables of a site.

use super::*;
use crate::tui::acts::site::Picks;
use crate::tui::overlays::Overlay;
use crate::tui::overlays::site::SiteOf;
use crate::tui::widgets::table::Table;

/// What Enter shows of a row of a site's table that is nothing of ours.
pub(super) fn opened(picked: &Picked) -> Vec<UiEffect> {
    let of = match &picked.picks {
        Picks::Jobs { jobs, .. } => jobs.first().map(|job| SiteOf::Job(job.id.clone())),
        Picks::Nodes { nodes, .. } => nodes.first().map(|node| SiteOf::Node(node.name.clone())),
    };
    of.map(|of| UiEffect::Open(Overlay::Site(picked.cluster, of))).into_iter().collect()
}

/// The line of the filter.
pub(super) fn filter_line(area: Rect) -> Rect {
    Rect { x: area.x + 2, y: area.bottom().saturating_sub(1), width: area.width.saturating_sub(2), height: 1 }
}

impl Detail {
    /// What makes sense in a table of a site.
    pub(super) fn site_commands(&self) -> Option<Vec<CommandId>> {
        use CommandId as C;
        if !self.site.shows() {
            return (self.kind == about::Kind::Site)
                .then(|| vec![C::Help, C::Palette, C::Right, C::NewJob, C::Share, C::Shell, C::NextPane, C::Zoom, C::Quit]);
        }
        let mut commands = vec![C::Help, C::Palette, C::Right, C::Filter, C::Sort];
        match self.picked().map(|picked| picked.picks) {
            Some(Picks::Jobs { .. }) => {
                commands.extend([C::Open, C::Why, C::Stop, C::Mark, C::Hold, C::Release, C::Shell, C::FollowOutput]);
                commands.extend([C::Requeue, C::TimeLimit, C::Nice, C::Efficiency]);
            }
            Some(Picks::Nodes { .. }) => {
                commands.extend([C::Open, C::Mark, C::Drain, C::Undrain, C::PowerUp, C::PowerDown]);
            }
            None => {}
        }
        commands.extend([C::Share, C::NextPane, C::Zoom, C::Quit]);
        Some(commands)
    }

    pub(super) fn shows_filter(&self) -> bool {
        self.filters() && (self.typing.is_some() || self.filtered())
    }

    /// Draws the line of the filter, when there is one, and returns what is left.
    pub(super) fn draw_filter(&self, cx: &Cx, area: Rect, buf: &mut Buffer) -> Rect {
        if !self.shows_filter() || area.height < 2 {
            return area;
        }
        let line = filter_line(area);
        buf.set_string(area.x, line.y, "/", cx.style(Role::Key));
        match &self.typing {
            Some(typing) => typing.draw(cx, line, buf),
            None => {
                let spans = vec![
                    Span::styled(shown(self.filter_text()), cx.style(Role::Match)),
                    Span::styled(format!("  {} clears", cx.key_of(CommandId::Cancel)), cx.style(Role::Muted)),
                ];
                buf.set_line(line.x, line.y, &Line::from(spans), line.width);
            }
        }
        Rect { height: area.height - 1, ..area }
    }

    pub(super) fn draw_table(&self, table: &about::TableContent, content: &Content, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let mut y = area.y;
        for line in table.above.iter().take(usize::from(area.height)) {
            buf.set_line(area.x, y, line, area.width);
            y += 1;
        }
        let below = (self.below(table) as u16).min(area.bottom().saturating_sub(y));
        let rows = Rect { y, height: area.bottom().saturating_sub(y + below), ..area };
        let focus = cx.has_focus(PaneId::Detail);
        let cursor = cx.style(if focus { Role::Cursor } else { Role::CursorIdle });
        let marked = |at: usize| match content.subject(at, cx) {
            _ if self.site.shows() => self.site.is_marked(at),
            Some(Subject::Job(id)) => cx.marks.contains(&id),
            Some(_) | None => false,
        };
        let mut columns = table.shown_columns(cx);
        let order = match &table.rows {
            Rows::Sorted(..) => self.sorting.order(),
            Rows::Site(_) => self.site.sorted_by(),
            _ => None,
        };
        if let Some((title, turned)) = order
            && let Some(column) = columns.iter_mut().find(|column| column.title == title)
        {
            column.title.push_str(if turned { "-" } else { "+" });
        }
        let drawn = Table {
            columns: &columns,
            len: content.len(),
            row: &|at| table.shown_row(content.row(at, cx), cx),
            marked: &marked,
            cursor: focus.then_some(cursor),
        };
        drawn.draw(self.place, cx, rows, buf);
        for (y, line) in (rows.bottom()..area.bottom()).zip(&table.below) {
            buf.set_line(area.x, y, line, area.width);
        }
    }
}
