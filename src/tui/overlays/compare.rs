//! Marked jobs side by side: one row for each thing in which they differ, one column for each job; what is the same can be shown too.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::panel;
use super::pick::Pick;
use crate::commands::{Cmd, CommandId, Scope};
use crate::model::compare::{self, Part, Row};
use crate::model::fault::Fault;
use crate::model::ids::JobId;
use crate::model::metric::Stat;
use crate::model::request::{Reply, Request};
use crate::model::state::Job;
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::cut;

/// More columns than this are not read side by side; the first marked ones are shown.
pub const JOBS_MAX: usize = 8;
/// The width of a column.
const COLUMN: (usize, usize) = (10, 28);
/// What stands before the names, and the width from which on there is room for it.
const LEAD: (usize, usize) = (12, 56);
/// Lines that are no rows: the heads, and the hint.
const REST: u16 = 2;

/// The window.
#[derive(Debug)]
pub struct Compare {
    jobs: Vec<JobId>,
    number: u64,
    answered: Option<Result<(), String>>,
    stats: Vec<Vec<Stat>>,
    all: bool,
    rows: Vec<Row>,
    pick: Pick,
    /// The first job in sight, when not all have room.
    left: usize,
}

/// Returns how wide the words are that parts begin with.
fn lead(width: usize) -> usize {
    if width < LEAD.1 { 0 } else { LEAD.0 }
}

impl Compare {
    /// Returns the window and the question for what the jobs have reported.
    pub fn new(jobs: Vec<JobId>, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let jobs: Vec<JobId> = jobs.into_iter().filter(|id| cx.world.job(*id).is_some()).take(JOBS_MAX).collect();
        let ask = Request::Metrics { jobs: jobs.clone(), curves: Vec::new() };
        let stats = jobs.iter().map(|_| Vec::new()).collect();
        let mut compare =
            Self { jobs, number, answered: None, stats, all: false, rows: Vec::new(), pick: Pick::default(), left: 0 };
        compare.make(cx);
        (compare, vec![UiEffect::Ask(Ticket { from: Asker::Overlay, number }, ask)])
    }

    fn make(&mut self, cx: &Cx) {
        let jobs: Vec<_> = self.jobs.iter().filter_map(|id| cx.world.job(*id)).collect();
        let pairs: Vec<(&Job, &[Stat])> = jobs.iter().map(|job| &***job).zip(self.stats.iter().map(Vec::as_slice)).collect();
        self.rows = if self.all { compare::rows(&pairs) } else { compare::differences(&pairs) };
    }

    /// Returns how wide the name of a row, and a column, is.
    fn widths(&self, width: usize) -> (usize, usize) {
        let longest =
            self.rows.iter().map(|row| row.name.width()).max().unwrap_or(0).clamp(8, if width < LEAD.1 { 12 } else { 28 });
        let room = width.saturating_sub(longest + lead(width));
        let each = (room / self.jobs.len().max(1)).saturating_sub(2).clamp(COLUMN.0, COLUMN.1);
        (longest, each)
    }

    /// Returns the jobs in sight.
    fn sight(&self, width: usize) -> std::ops::Range<usize> {
        let (name, each) = self.widths(width);
        let room = (width.saturating_sub(name + lead(width)) / (each + 2)).max(1);
        let left = self.left.min(self.jobs.len().saturating_sub(room));
        left..(left + room).min(self.jobs.len())
    }

    fn head(&self, width: usize, cx: &Cx) -> Line<'static> {
        let (name, each) = self.widths(width);
        let mut spans = vec![Span::styled(" ".repeat(lead(width) + name), cx.style(Role::Head))];
        for id in &self.jobs[self.sight(width)] {
            let job = cx.world.job(*id).map_or_else(|| id.to_string(), |job| shown(&job.name));
            spans.push(Span::styled(format!("  {:<each$}", cut(&job, each, cx.look.ascii)), cx.style(Role::Head)));
        }
        Line::from(spans)
    }

    fn line(&self, at: usize, width: usize, cx: &Cx) -> Line<'static> {
        let (name, each) = self.widths(width);
        let row = &self.rows[at];
        let first = at == 0 || self.rows[at - 1].part != row.part;
        let part = if first { row.part.word() } else { "" };
        let mut spans = vec![
            Span::styled(format!("{part:<10}  ").split_at(lead(width)).0.to_owned(), cx.style(Role::Muted)),
            Span::styled(padded(&shown(&row.name), name, cx), cx.style(Role::Text)),
        ];
        for at in self.sight(width) {
            let value = row.values[at].as_deref().map(shown);
            let role = match (&value, row.differs(), row.part) {
                (None, ..) => Role::Muted,
                (_, false, _) => Role::Text,
                (Some(_), true, Part::Metric) => Role::Good,
                (Some(_), true, _) => Role::Strong,
            };
            let text = value.unwrap_or_else(|| cx.glyph(crate::tui::widgets::glyph::Glyph::Dot).to_owned());
            spans.push(Span::styled(format!("  {}", padded(&text, each, cx)), cx.style(role)));
        }
        Line::from(spans)
    }

    fn inner(&self, screen: Rect) -> (u16, u16) {
        let height = (self.rows.len().max(1) as u16).saturating_add(REST);
        let most = screen.width.saturating_sub(if screen.width < 60 { 4 } else { 6 });
        let (name, each) = self.widths(usize::from(most));
        // No wider than its columns, nor than the line below them.
        let lead = lead(usize::from(most));
        let width = (name + lead + self.jobs.len() * (each + 2)).max(LEAD.1).min(usize::from(most));
        (width as u16, height.min(screen.height.saturating_sub(4)))
    }
}

fn padded(text: &str, width: usize, cx: &Cx) -> String {
    let text = cut(text, width, cx.look.ascii);
    let gap = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(gap))
}

impl Pane for Compare {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::Close],
            CommandId::MarkAll | CommandId::Accept => {
                self.all = !self.all;
                self.make(cx);
            }
            CommandId::Right => self.left = (self.left + 1).min(self.jobs.len().saturating_sub(1)),
            CommandId::Left => self.left = self.left.saturating_sub(1),
            _ => {
                self.pick.on(cmd);
            }
        }
        Vec::new()
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        if let News::Reply(number, reply) = news
            && *number == self.number
        {
            self.answered = Some(match reply {
                Ok(Reply::Metrics(found)) => {
                    let told = |id: &JobId| found.iter().find(|(of, _)| of == id);
                    let stats = |id| told(id).map(|(_, metrics)| metrics.stats.clone()).unwrap_or_default();
                    self.stats = self.jobs.iter().map(stats).collect();
                    Ok(())
                }
                Ok(_) => Err(Fault::internal("the core answered something else").message),
                Err(fault) => Err(fault.message.clone()),
            });
            self.make(cx);
        }
        if let News::Changed = news {
            // Columns and what was told of them leave together.
            let pairs = std::mem::take(&mut self.jobs).into_iter().zip(std::mem::take(&mut self.stats));
            (self.jobs, self.stats) = pairs.filter(|(id, _)| cx.world.job(*id).is_some()).unzip();
            self.make(cx);
        }
        Vec::new()
    }

    fn arrange(&mut self, screen: Rect, _cx: &Cx) {
        let (_, height) = self.inner(screen);
        self.pick.fit(self.rows.len(), usize::from(height.saturating_sub(REST)));
    }

    fn draw(&self, cx: &Cx, screen: Rect, buf: &mut Buffer) {
        let title = match self.all {
            true => format!(" {} jobs side by side ", self.jobs.len()),
            false => format!(" In what {} jobs differ ", self.jobs.len()),
        };
        let inside = panel(Line::from(title), self.inner(screen), screen, cx, buf);
        if inside.height == 0 {
            return;
        }
        let width = usize::from(inside.width);
        buf.set_line(inside.x, inside.y, &self.head(width, cx), inside.width);
        let muted = cx.style(Role::Muted);
        let bottom = inside.bottom().saturating_sub(1);
        for (y, at) in (inside.y + 1..bottom).zip(self.pick.shown()) {
            if at == self.pick.at {
                buf.set_style(Rect { y, height: 1, ..inside }, cx.style(Role::Cursor));
            }
            buf.set_line(inside.x, y, &self.line(at, width, cx), inside.width);
        }
        if self.rows.is_empty() {
            let text = "they are the same in everything that is known of them";
            buf.set_stringn(inside.x, inside.y + 1, text, width, muted);
        }
        let metrics = match &self.answered {
            None => "asking for metrics …".to_owned(),
            Some(Err(message)) => shown(message),
            Some(Ok(())) => String::new(),
        };
        let all = cx.key_of(CommandId::MarkAll);
        let what = if self.all { "only what differs" } else { "also what is the same" };
        let hint = format!("{all} {what}   {metrics}");
        buf.set_stringn(inside.x, bottom, hint, width, muted);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Left, CommandId::Right, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::List
    }
}
