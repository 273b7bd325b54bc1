//! The picture of the log.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::content::Content;
use super::open::{OpenLog, Tail};
use super::page::{Page, Row};
use super::source::short;
use super::{Log, Typing, has_started};
use crate::model::request::STDOUTERR;
use crate::model::state::{ExecutionState, Job};
use crate::model::units::{Bytes, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::glyph::Glyph;
use crate::tui::widgets::text::{TextLook, draw_row, width_of};

/// Draws the pane.
pub(super) fn draw(pane: &Log, cx: &Cx, area: Rect, buf: &mut Buffer) {
    buf.set_style(area, cx.style(Role::Log));
    match (&pane.open, pane.job.and_then(|id| cx.world.job(id))) {
        (Some(log), job) => draw_log(pane, log, job.map(AsRef::as_ref), cx, area, buf),
        (None, Some(job)) => draw_note(&not_started(job, cx), cx, area, buf),
        (None, None) => draw_note("select a job to see its log here", cx, area, buf),
    }
    if pane.has_bar() && area.height > 0 {
        draw_bar(pane, cx, Rect { y: area.bottom() - 1, height: 1, ..area }, buf);
    }
}

fn not_started(job: &Job, cx: &Cx) -> String {
    let reason = job.reason(cx.world.cluster(job.cluster).map(AsRef::as_ref));
    match reason.is_empty() {
        true => format!("{}: no log yet", job.state.word()),
        false => format!("{}: {}", job.state.word(), shown(&reason)),
    }
}

fn draw_note(text: &str, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(2));
    for (y, line) in (area.y..area.bottom()).zip(crate::tui::overlays::help::wrap(text, width.max(8))) {
        buf.set_stringn(area.x + 1, y, line, width, cx.style(Role::LogNote));
    }
}

fn draw_log(pane: &Log, log: &OpenLog, job: Option<&Job>, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let page = log.page(pane.size());
    let look = TextLook {
        base: cx.style(Role::Log),
        mark: cx.style(Role::Match),
        edge: cx.style(Role::LogNote),
        depth: cx.theme.depth,
        ascii: cx.look.ascii,
    };
    let gutter = pane.gutter();
    for (y, row) in (area.y..area.bottom()).zip(&page.rows) {
        let line = Rect { y, height: 1, ..area };
        if gutter > 0 {
            draw_time(log, &page, row, cx, line, buf);
        }
        let beside = Rect { x: area.x + gutter, width: area.width.saturating_sub(gutter), ..line };
        draw_one(pane, log, &page, row, &look, cx, beside, buf);
        draw_mark(log, &page, row, cx, beside, buf);
    }
    let below = area.y + page.rows.len() as u16;
    if let Some(text) = tail_text(log, job, page.rows.is_empty())
        && pane.tail_rows() + usize::from(page.rows.is_empty()) > 0
        && below < area.bottom()
    {
        draw_rule(&text, cx, Rect { y: below, height: 1, ..area }, buf);
    }
}

#[expect(clippy::too_many_arguments, reason = "one row of a picture: all it shows, and where")]
fn draw_one(pane: &Log, log: &OpenLog, page: &Page, row: &Row, look: &TextLook, cx: &Cx, area: Rect, buf: &mut Buffer) {
    match &page.contents[row.content] {
        Content::Note(text) => draw_rule(text, cx, area, buf),
        Content::Line { line, headless } => {
            let search = log.search.as_ref();
            let mut marks = search.map(|s| s.needle.places(line)).unwrap_or_default();
            if let (true, Some(filter)) = (marks.is_empty(), &log.filter) {
                marks = filter.needle().places(line);
            }
            let is_hit = search.is_some_and(|s| s.hit == Some(line.offset));
            let dragged = pane.drag.is_some_and(|(a, b)| a.min(b) <= row.id && row.id <= a.max(b));
            let base = match (dragged, is_hit) {
                (true, _) => look.base.patch(cx.style(Role::Marked)),
                (false, true) => look.base.patch(cx.style(Role::LogHit)),
                (false, false) => look.base,
            };
            let skip = if pane.wrap { 0 } else { log.skip };
            let context = log.filter.as_ref().is_some_and(|filter| !filter.is_match(row.id));
            let base = if context && !dragged && !is_hit { base.patch(cx.style(Role::Muted)) } else { base };
            draw_row(line, row.part.clone(), skip, &marks, &TextLook { base, ..*look }, area, buf);
            if let Some((width, rank)) = log.merge.as_ref().and_then(|merge| merge.label_of(line.text()))
                && row.row == 0
                && skip == 0
            {
                let style = cx.style(Role::RANKS[rank % Role::RANKS.len()]);
                buf.set_style(Rect { width: width.min(area.width), ..area }, style);
            }
            if *headless && row.row == 0 && skip == 0 {
                buf.set_stringn(area.x, area.y, cx.glyph(Glyph::Cut), 1, look.edge);
            }
        }
    }
}

/// When a line came, in UTC; a dot for what was there before.
fn draw_time(log: &OpenLog, page: &Page, row: &Row, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let Content::Line { line, .. } = &page.contents[row.content] else { return };
    if row.row > 0 {
        return;
    }
    let text = log.came(line.offset).map_or_else(|| cx.glyph(Glyph::Dot).to_owned(), clock);
    buf.set_stringn(area.x, area.y, text, usize::from(area.width), cx.style(Role::LogNote));
}

/// Returns the time of day in UTC: `21:13:55`.
fn clock(at: UnixMillis) -> String {
    let secs = at.0.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// The mark below a line: it is underlined, and the time stands at its end.
fn draw_mark(log: &OpenLog, page: &Page, row: &Row, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let Some((_, at)) = log.marks.iter().find(|(id, _)| *id == row.id) else { return };
    let last = page.contents[row.content].rows(None).last().map(|part| part.end);
    if last.is_some_and(|end| row.part.end < end) {
        return;
    }
    buf.set_style(area, Style::default().add_modifier(Modifier::UNDERLINED));
    let text = format!(" {} {} ", cx.glyph(Glyph::Mark), clock(*at));
    let width = width_of(&text) as u16;
    if width < area.width {
        buf.set_string(area.right() - width, area.y, text, cx.style(Role::Marked));
    }
}

/// A note of ours between the lines: told apart from what the job wrote by its rule.
fn draw_rule(text: &str, cx: &Cx, area: Rect, buf: &mut Buffer) {
    let line = if cx.look.ascii { "--" } else { "──" };
    let text = format!("{line} {} {line}", shown(text));
    buf.set_stringn(area.x, area.y, text, usize::from(area.width), cx.style(Role::LogNote));
}

/// Returns what the end of the log is like; `None` while it simply grows.
fn tail_text(log: &OpenLog, job: Option<&Job>, empty: bool) -> Option<String> {
    match &log.tail {
        Tail::Opening if empty => Some("no output yet".to_owned()),
        Tail::Live if empty => Some("no output yet".to_owned()),
        Tail::Opening | Tail::Live => None,
        Tail::Waiting => Some("the file is not there yet".to_owned()),
        Tail::Interrupted(why) => Some(format!("link lost: {why}; goes on where it was")),
        Tail::Ended => Some(job.map_or_else(|| "the end".to_owned(), outcome)),
        Tail::Failed(fault) => {
            let hint = fault.hints.first().map(|hint| format!("; {hint}")).unwrap_or_default();
            Some(format!("{}{hint}", fault.message))
        }
    }
}

fn outcome(job: &Job) -> String {
    let took =
        job.last.started.zip(job.last.ended).map(|(from, to)| format!(" after {}", to.since(from))).unwrap_or_default();
    let code = job.last.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    match job.state {
        ExecutionState::Succeeded | ExecutionState::Failed => format!("{}{code}{took}", job.state.word()),
        ExecutionState::Queued | ExecutionState::Running | ExecutionState::Terminating => {
            format!("the end of this attempt; the job is {}", job.state.word())
        }
    }
}

/// Returns the part of the last row in which a text is typed.
pub(super) fn input_area(what: Typing, area: Rect) -> Rect {
    let label = label_of(what).len() as u16;
    let y = area.bottom().saturating_sub(1);
    Rect { x: area.x + label.min(area.width), y, width: area.width.saturating_sub(label), height: 1 }
}

fn label_of(what: Typing) -> &'static str {
    match what {
        Typing::Search => "/",
        Typing::Only => "&",
        Typing::Save => "save as: ",
    }
}

fn draw_bar(pane: &Log, cx: &Cx, area: Rect, buf: &mut Buffer) {
    buf.set_string(area.x, area.y, " ".repeat(usize::from(area.width)), cx.style(Role::Input));
    if let Some((what, input)) = &pane.typing {
        buf.set_stringn(area.x, area.y, label_of(*what), usize::from(area.width), cx.style(Role::Key));
        input.draw(cx, input_area(*what, area), buf);
        return;
    }
    let mut parts: Vec<Span<'_>> = Vec::new();
    let mut put = |text: String, style: Style| parts.push(Span::styled(text, style));
    let muted = cx.style(Role::Muted);
    match (&pane.note, &pane.open) {
        (Some(note), _) => put(note.clone(), cx.style(Role::LogNote)),
        (None, Some(log)) if log.searching() => {
            let what = log.search.as_ref().filter(|s| s.asked.is_some()).map_or("errors", |s| s.needle.text());
            put(format!("{} searching the file on its node for `{}`", cx.spinner(), shown(what)), cx.style(Role::LogNote));
            put("  Esc stops".to_owned(), muted);
        }
        (None, Some(log @ OpenLog { filter: Some(filter), buffer, .. })) => {
            let (kept, held) = filter.counts(buffer);
            put("& ".to_owned(), cx.style(Role::Key));
            put(shown(&filter.typed()), cx.style(Role::Match));
            put(format!("  {kept} of the {held} lines held"), muted);
            if log.can_grow_front() {
                put("  up reads more".to_owned(), muted);
            }
            put("  Esc shows all".to_owned(), muted);
        }
        (None, Some(_) | None) => {}
    }
    buf.set_line(area.x, area.y, &Line::from(parts).patch_style(cx.style(Role::Input)), area.width);
}

/// What the frame takes of the row in which title and status stand: its corners, and blanks around both.
const TITLE_BLANKS: usize = 6;

/// Returns `Log · run-017 · node-003 · stdout`; where that leaves no room to say that the log is followed, without the node.
pub(super) fn title(pane: &Log, cx: &Cx) -> Line<'static> {
    let Some(job) = pane.job.and_then(|id| cx.world.job(id)) else { return Line::from("Log") };
    let Some(log) = pane.open.as_ref().filter(|_| has_started(job)) else {
        return Line::from(dotted(&["Log".to_owned(), shown(&job.name)], cx));
    };
    let node = job.last.node_names.get(log.node as usize).map(|name| shown(name));
    if let Some(merge) = &log.merge {
        let (files, _) = merge.counts();
        return Line::from(dotted(&["Log".to_owned(), shown(&job.name), format!("all ranks, {files} files")], cx));
    }
    let file = match log.directory.as_deref().filter(|id| *id != STDOUTERR) {
        Some(directory) => shown(&format!("{directory}/{}", log.file)),
        None => shown(short(&log.file)),
    };
    let name = shown(&job.name);
    let full: Vec<String> = ["Log".to_owned(), name.clone()].into_iter().chain(node).chain([file.clone()]).collect();
    let full = dotted(&full, cx);
    let first = facts(pane, log, cx).into_iter().next().map_or(0, |(text, _)| width_of(&text));
    let fits = width_of(&full) + first + TITLE_BLANKS <= usize::from(pane.area.width);
    Line::from(if fits { full } else { dotted(&["Log".to_owned(), name, file], cx) })
}

fn dotted(words: &[String], cx: &Cx) -> String {
    words.join(&format!(" {} ", cx.glyph(Glyph::Dot)))
}

/// Returns `following · 1.2 M lines`, or `paused · 214 new ↓ · 37 %`; the last facts are left out where there is no room.
pub(super) fn status(pane: &Log, cx: &Cx) -> Line<'static> {
    let Some(log) = &pane.open else { return Line::default() };
    let mut room = usize::from(pane.area.width).saturating_sub(title(pane, cx).width() + TITLE_BLANKS);
    let mut parts: Vec<Span<'static>> = Vec::new();
    for (text, role) in facts(pane, log, cx) {
        let dot = if parts.is_empty() { String::new() } else { format!(" {} ", cx.glyph(Glyph::Dot)) };
        let width = width_of(&dot) + width_of(&text);
        if width > room {
            break;
        }
        room -= width;
        parts.push(Span::styled(dot, cx.style(Role::Muted)));
        parts.push(Span::styled(text, cx.style(role)));
    }
    Line::from(parts)
}

/// Returns what is to be known of the log, the most important first.
fn facts(pane: &Log, log: &OpenLog, cx: &Cx) -> Vec<(String, Role)> {
    let mut facts = Vec::new();
    let mut put = |text: String, role: Role| facts.push((text, role));
    match (&log.tail, log.following()) {
        (_, false) => put("paused".to_owned(), Role::Warning),
        (Tail::Opening, true) => put("opening".to_owned(), Role::Muted),
        (Tail::Live, true) => put("following".to_owned(), Role::Good),
        (Tail::Waiting, true) => put("waiting".to_owned(), Role::Muted),
        (Tail::Interrupted(_), true) => put("link lost".to_owned(), Role::Bad),
        (Tail::Ended, true) => put("ended".to_owned(), Role::Muted),
        (Tail::Failed(_), true) => put("not readable".to_owned(), Role::Bad),
    }
    if log.new_lines > 0 && !log.following() {
        put(format!("{} new {}", grouped(log.new_lines), cx.glyph(Glyph::More)), Role::Strong);
    }
    if log.reading() && !log.following() {
        put("reading".to_owned(), Role::Muted);
    }
    if let Some(percent) = percent(log, pane) {
        put(format!("{percent} %"), Role::Muted);
    }
    match log.buffer.lines_seen() {
        Some(1) => put("1 line".to_owned(), Role::Muted),
        Some(lines) if lines > 0 => put(format!("{} lines", grouped(lines)), Role::Muted),
        Some(_) | None if log.buffer.size() > 0 => put(cx.size(Bytes(log.buffer.size())), Role::Muted),
        Some(_) | None => {}
    }
    facts
}

/// Returns how far into the file the first row is, while one does not follow.
fn percent(log: &OpenLog, pane: &Log) -> Option<u64> {
    let size = log.buffer.size().max(1);
    let page = log.page(pane.size());
    let top = page.rows.iter().find_map(|row| match &page.contents[row.content] {
        Content::Line { line, .. } => Some(line.offset),
        Content::Note(_) => None,
    })?;
    (!log.following()).then(|| u64::try_from(u128::from(top) * 100 / u128::from(size)).unwrap_or(100))
}

/// Returns a count as people read it: `214`, `81,920`, `1.2 M`.
fn grouped(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{},{:03}", count / 1000, count % 1000),
        _ => format!("{:.1} M", count as f64 / 1e6),
    }
}
