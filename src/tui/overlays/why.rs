//! Why a job waits: the one reason, its place in the queue, the word on each node, and the smallest change that helps; of one that
//! waits in Slurm, when Slurm expects it to start and of what its priority is made.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::help::wrap;
use super::panel;
use crate::commands::{Cmd, CommandId, Scope};
use crate::model::fault::Fault;
use crate::model::ids::JobId;
use crate::model::request::{JobRef, Reply, Request, Why};
use crate::model::site_ask::{SiteAsk, SiteSaid};
use crate::model::state::job::Away;
use crate::tui::acts::cluster_place;
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// Prose is hard to read in longer lines.
const WIDTH_MAX: u16 = 76;

/// What is known of a priority.
#[derive(Debug)]
enum Priority {
    /// It has none, or it is not asked for yet.
    None,
    /// It is being asked for.
    Asked,
    /// The answer.
    Said(Result<SiteSaid, Fault>),
}

/// The answer to "why".
#[derive(Debug)]
pub struct WhyView {
    job: JobId,
    name: String,
    number: u64,
    answer: Option<Result<Why, Fault>>,
    /// Of what its priority is made, where Slurm has one; asked for once the reason is there.
    priority: Priority,
    top: usize,
    rows: usize,
    height: usize,
}

impl WhyView {
    /// Returns the window and the question to the core.
    pub fn new(job: JobId, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let name = cx.world.job(job).map_or_else(|| job.to_string(), |j| shown(&j.name));
        let ticket = Ticket { from: Asker::Overlay, number };
        let ask = UiEffect::Ask(ticket, Request::WhyJob(JobRef::Id(job)));
        (Self { job, name, number, answer: None, priority: Priority::None, top: 0, rows: 1, height: 1 }, vec![ask])
    }

    fn lines(&self, cx: &Cx, width: usize) -> Vec<Line<'static>> {
        let muted = cx.style(Role::Muted);
        let why = match &self.answer {
            None => return vec![Line::from(Span::styled("asking …", muted))],
            Some(Err(fault)) => {
                let style = cx.style(Role::Bad);
                return wrap(&shown(&fault.message), width)
                    .into_iter()
                    .map(|l| Line::from(Span::styled(l, style)))
                    .collect();
            }
            Some(Ok(why)) => why,
        };
        let mut lines: Vec<Line> = Vec::new();
        let reason = if why.reason.is_empty() { "it does not wait".to_owned() } else { shown(&why.reason) };
        lines.extend(wrap(&reason, width).into_iter().map(|l| Line::from(Span::styled(l, cx.style(Role::Strong)))));
        if why.place > 0 {
            lines.push(Line::from(vec![Span::styled("place in the queue  ", muted), Span::from(why.place.to_string())]));
        }
        let away = self.away(cx);
        if let Some(at) = why.starts.or_else(|| away.and_then(|away| away.starts)) {
            // Slurm's word is a guess that it makes anew; ours holds as long as time limits do.
            let sure = if away.is_some() { "as Slurm expects now" } else { "at the latest" };
            let when = if at > cx.now { format!("in {}, {sure}", at.since(cx.now)) } else { "at any moment".to_owned() };
            let when = when.replace(", at the latest", " at the latest");
            lines.push(Line::from(vec![Span::styled("starts  ", muted), Span::from(when)]));
        }
        if let Some(away) = away {
            if why.starts.or(away.starts).is_none() {
                let text = Span::from("Slurm has not said when");
                lines.push(Line::from(vec![Span::styled("starts  ", muted), text]));
            }
            let place = if away.place.is_empty() { String::new() } else { format!(", {}", away.place) };
            let text = shown(&format!("{}{place}", away.theirs));
            lines.push(Line::from(vec![Span::styled("Slurm's job  ", muted), Span::from(text)]));
        }
        self.priority_lines(&mut lines, cx, width);
        if let Some(change) = &why.change {
            lines.push(Line::default());
            lines.push(Line::from(Span::styled("what would let it run", muted)));
            lines.extend(wrap(&shown(change), width).into_iter().map(|l| Line::from(Span::styled(l, cx.style(Role::Good)))));
        }
        if !why.nodes.is_empty() {
            lines.push(Line::default());
            lines.push(Line::from(Span::styled("nodes of its cluster", muted)));
        }
        let names = why.nodes.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(24);
        for (name, word) in &why.nodes {
            let (word, role) = match word.is_empty() {
                true => ("could be given to it".to_owned(), Role::Good),
                false => (shown(word), Role::Muted),
            };
            let mut parts = wrap(&word, width.saturating_sub(names + 4).max(12)).into_iter();
            let head = format!("  {:<names$}  ", shown(name));
            let first = Span::styled(parts.next().unwrap_or_default(), cx.style(role));
            lines.push(Line::from(vec![Span::styled(head, cx.style(Role::Strong)), first]));
            lines.extend(parts.map(|part| Line::from(format!("{:width$}{part}", "", width = names + 4))));
        }
        lines
    }

    /// What Slurm has said of the job, while it waits there.
    fn away<'a>(&self, cx: &'a Cx) -> Option<&'a Away> {
        let job = cx.world.job(self.job)?;
        job.last.away.as_deref().filter(|away| away.waits && !away.theirs.is_empty())
    }

    fn priority_lines(&self, lines: &mut Vec<Line<'static>>, cx: &Cx, width: usize) {
        let (muted, text) = (cx.style(Role::Muted), cx.style(Role::Text));
        let head = |words: String| Line::from(vec![Span::styled("priority  ", muted), Span::styled(words, text)]);
        match &self.priority {
            Priority::None => {}
            Priority::Asked => lines.push(head("asking Slurm of what it is made …".to_owned())),
            Priority::Said(Ok(SiteSaid::Priorities { in_order: true, .. })) => {
                lines.push(head("by order of submission".to_owned()));
            }
            Priority::Said(Ok(SiteSaid::Priorities { jobs, notes, .. })) => {
                if let Some(priority) = jobs.first() {
                    lines.push(head(format!("{}, the higher the sooner", priority.total)));
                    for (name, part) in priority.parts.iter().filter(|(_, part)| *part != 0) {
                        lines.push(Line::from(Span::styled(format!("{part:>18}  {}", shown(name)), text)));
                    }
                }
                for note in notes {
                    lines.extend(wrap(&shown(note), width).into_iter().map(|l| Line::from(Span::styled(l, muted))));
                }
            }
            Priority::Said(Ok(_)) => lines.push(head("not known".to_owned())),
            Priority::Said(Err(fault)) => lines.push(head(format!("not known: {}", shown(&fault.message)))),
        }
    }

    fn scroll(&mut self, by: isize) {
        self.top = self.top.saturating_add_signed(by).min(self.rows.saturating_sub(self.height));
    }
}

impl Pane for WhyView {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        let page = self.height as isize;
        match cmd.id {
            CommandId::Cancel => return vec![UiEffect::Close],
            CommandId::Down => self.scroll(cmd.times() as isize),
            CommandId::Up => self.scroll(-(cmd.times() as isize)),
            CommandId::PageDown | CommandId::HalfDown => self.scroll(page),
            CommandId::PageUp | CommandId::HalfUp => self.scroll(-page),
            CommandId::Top => self.top = 0,
            CommandId::Bottom => self.scroll(self.rows as isize),
            _ => {}
        }
        Vec::new()
    }

    fn key(&mut self, key: crate::commands::Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        let everywhere = cx.keymap.lookup(Scope::Tree, key)?.id;
        matches!(everywhere, CommandId::Why | CommandId::Quit).then(|| vec![UiEffect::Close])
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        if let News::Reply(number, reply) = news
            && *number == self.number
        {
            if self.answer.is_some() {
                self.priority = Priority::Said(match reply {
                    Ok(Reply::SiteSaid(said)) => Ok((**said).clone()),
                    Ok(_) => Err(Fault::internal("the core answered something else")),
                    Err(fault) => Err(fault.clone()),
                });
                return Vec::new();
            }
            self.answer = Some(match reply {
                Ok(Reply::Why(why)) => Ok(why.clone()),
                Ok(_) => Err(Fault::internal("the core answered something else")),
                Err(fault) => Err(fault.clone()),
            });
            let job = cx.world.job(self.job).map(|job| job.cluster);
            if let (Some(Ok(_)), Some(away), Some(cluster)) = (&self.answer, self.away(cx), job) {
                self.priority = Priority::Asked;
                // The members of an array have one priority until they start.
                let ids = vec![away.theirs.split('_').next().unwrap_or_default().to_owned()];
                let request = Request::AskSite { cluster: cluster_place(cluster, cx), ask: SiteAsk::Priorities { ids } };
                return vec![UiEffect::Ask(Ticket { from: Asker::Overlay, number: self.number }, request)];
            }
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, cx: &Cx) {
        let width = WIDTH_MAX.min(area.width.saturating_sub(6));
        self.rows = self.lines(cx, usize::from(width)).len();
        self.height = usize::from(area.height.saturating_sub(6)).min(self.rows).max(1);
        self.scroll(0);
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let width = WIDTH_MAX.min(area.width.saturating_sub(6));
        let title = Line::from(format!(" Why {} waits ", self.name));
        let inside = panel(title, (width, self.height as u16), area, cx, buf);
        for (y, line) in (inside.y..inside.bottom()).zip(self.lines(cx, usize::from(width)).iter().skip(self.top)) {
            buf.set_line(inside.x, y, line, inside.width);
        }
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Reader
    }
}
