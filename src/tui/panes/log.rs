//! The log: the selected job's output at once, following; any place, file and node of it by key. State, keys and picture;
//! what is held of a file is `log/buffer.rs`, what is asked of the node is `log/open.rs`.
//!
//! Only what is looked at is read, by offset, so a log of any size opens at once. Raw bytes are held and cleaned
//! when they are drawn: nothing but `model::shown` text reaches the screen.

mod buffer;
mod content;
mod draw;
mod filter;
mod json;
mod merge;
mod open;
mod page;
mod search;
mod source;
mod split;
mod stamp;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::commands::{Cmd, CommandId, Key, Scope};
use crate::model::fault::Fault;
use crate::model::ids::JobId;
use crate::model::request::{FileEntry, FileRef, FilesOf, JobRef, LogDelta, Reply, Request};
use crate::model::state::{ExecutionState, Job};
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Mouse, MouseAct, Ticket};
use crate::tui::pane::{News, Pane, Toast, ToastKind, UiEffect};
use crate::tui::subject::Subject;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::text::width_of;
use buffer::{LineId, View};
use content::Content;
use filter::Needle;
use merge::Merge;
use open::{Answer, Heard, Landing, OpenLog, Tail};
use page::Size;
use search::Way;
pub(in crate::tui) use source::failed_rank;
use source::{Bookmark, Bookmarks, files_of, next_file, next_node, short};

/// Rows that one step of the wheel moves, as in most terminals.
const WHEEL_ROWS: usize = 3;
/// Columns of a time beside a line: `21:13:55 `.
const GUTTER: u16 = 9;
/// Columns that one step sideways moves.
const SIDE_COLUMNS: usize = 8;
/// The farthest column that can be scrolled to: the longest line that is held.
const SKIP_MAX: usize = split::LINE_BYTES_MAX;
/// The most text that is copied at once (reliability T04: terminals cut or refuse longer OSC 52).
const COPY_BYTES_MAX: usize = 64 << 10;
/// Texts that errors begin with, in the languages jobs are written in.
const ERRORS: [&str; 8] = [
    "Traceback (most recent call last)",
    "Error:",
    "ERROR",
    "error:",
    "FATAL",
    "fatal:",
    "panicked at",
    "Segmentation fault",
];

/// What is being typed in the last row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Typing {
    /// A text to search.
    Search,
    /// A text that lines must have.
    Only,
    /// A file on this side.
    Save,
}

/// What the answer to `ListLogs` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Switch {
    NextFile,
    File(String),
    NextNode,
}

/// The pane.
#[derive(Debug, Default)]
pub struct Log {
    area: Rect,
    job: Option<JobId>,
    open: Option<OpenLog>,
    bookmarks: Bookmarks,
    wrap: bool,
    /// JSON lines in words.
    json: bool,
    /// When lines came stands beside them.
    times: bool,
    typing: Option<(Typing, Input)>,
    note: Option<String>,
    /// Lines marked with the mouse: where it went down, and where it is.
    drag: Option<(LineId, LineId)>,
    listing: Option<(u64, Switch)>,
    numbers: u64,
}

impl Log {
    /// Says whether what is selected has no log.
    pub fn has_none(&self) -> bool {
        self.open.is_none() && self.job.is_none()
    }

    /// Returns the room for lines: the last row is taken while it has something to say.
    fn size(&self) -> Size {
        let bar = usize::from(self.has_bar());
        Size {
            width: usize::from(self.area.width.saturating_sub(self.gutter())).max(1),
            height: usize::from(self.area.height).saturating_sub(bar + self.tail_rows()).max(1),
            wrap: self.wrap,
            json: self.json,
        }
    }

    /// Returns the columns that times take on the left; none where that would leave too little.
    fn gutter(&self) -> u16 {
        if self.times && self.area.width > GUTTER * 3 { GUTTER } else { 0 }
    }

    fn has_bar(&self) -> bool {
        let open = self.open.as_ref();
        self.typing.is_some() || self.note.is_some() || open.is_some_and(|log| log.filter.is_some() || log.searching())
    }

    /// Returns the rows below the last line that say what its end is like.
    fn tail_rows(&self) -> usize {
        usize::from(self.open.as_ref().is_some_and(|log| log.following() && log.tail != Tail::Live))
    }

    fn leave(&mut self) -> Vec<UiEffect> {
        self.note = None;
        self.drag = None;
        self.listing = None;
        let Some(log) = self.open.take() else { return Vec::new() };
        let top = log.page(self.size()).rows.first().map(|row| row.id);
        let at = match (log.following(), top.and_then(|id| log.buffer.get(id))) {
            (false, Some(View::Line { offset, .. })) => Some(offset),
            (true, _) | (false, None | Some(View::Gap { .. } | View::Restart { .. })) => None,
        };
        let text = |needle: &Needle| needle.text().to_owned();
        let mark = Bookmark {
            node: log.node,
            file: log.file.clone(),
            directory: log.directory.clone(),
            at,
            skip: log.skip,
            filter: log.filter.as_ref().map(filter::Filter::typed),
            search: log.search.as_ref().map(|search| text(&search.needle)),
            merged: log.merge.is_some(),
        };
        self.bookmarks.keep(log.job, mark);
        log.watches().into_iter().map(UiEffect::Unwatch).collect()
    }

    fn enter(&mut self, job: JobId, mark: Bookmark) -> Vec<UiEffect> {
        let (mut log, effects) = OpenLog::new(job, &mark, &mut self.numbers);
        log.skip = mark.skip;
        log.set_filter(mark.filter.as_deref().unwrap_or_default());
        log.search = mark.search.as_deref().and_then(Needle::new).map(search::Search::new);
        self.open = Some(log);
        effects
    }

    /// Shows the log of another job, or none.
    fn select(&mut self, job: Option<JobId>, cx: &Cx) -> Vec<UiEffect> {
        if job == self.job {
            return Vec::new();
        }
        let mut effects = self.leave();
        self.typing = None;
        self.job = job;
        effects.extend(self.open_started(cx));
        effects
    }

    /// Opens the log of the selected job as soon as the job has ever started.
    fn open_started(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let started = self.job.and_then(|id| cx.world.job(id)).filter(|job| has_started(job));
        match (started, &self.open) {
            (Some(job), None) => {
                // A job's first log is the standard output of its first process.
                let first = || Bookmark { file: job.log_name("stdout", 0), ..Bookmark::default() };
                let mark = self.bookmarks.of(job.id).unwrap_or_else(first);
                if mark.merged {
                    return self.enter_merged(&job.clone(), mark, cx);
                }
                self.enter(job.id, mark)
            }
            (Some(_), Some(_)) | (None, _) => Vec::new(),
        }
    }

    /// Shows all ranks in one; what was searched and filtered stays.
    fn enter_merged(&mut self, job: &Job, mark: Bookmark, cx: &Cx) -> Vec<UiEffect> {
        let numbers = &mut self.numbers;
        let merge = Merge::of(job, cx.now, || {
            *numbers += 1;
            *numbers
        });
        let Some(merge) = merge else {
            let effects = self.enter(job.id, Bookmark { merged: false, ..mark });
            self.say("there is one file alone".to_owned());
            return effects;
        };
        // The usual watch of one file is not begun.
        let (mut log, _) = OpenLog::new(job.id, &Bookmark { at: None, ..mark.clone() }, &mut self.numbers);
        log.set_filter(mark.filter.as_deref().unwrap_or_default());
        log.search = mark.search.as_deref().and_then(Needle::new).map(search::Search::new);
        let watch = |(number, file)| UiEffect::Watch(number, file, crate::model::request::From::End);
        let effects = merge.watches().map(watch).collect();
        let (_, left_out) = merge.counts();
        log.merge = Some(merge);
        self.open = Some(log);
        if left_out > 0 {
            self.say(format!("{left_out} more files are left out"));
        }
        effects
    }

    fn merge(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let Some(job) = self.job.and_then(|id| cx.world.job(id)).filter(|job| has_started(job)).cloned() else {
            return Vec::new();
        };
        let merged = self.open.as_ref().is_some_and(|log| log.merge.is_some());
        let mut effects = self.leave();
        let mark = self.bookmarks.of(job.id).unwrap_or_default();
        let mark = Bookmark { at: None, merged: !merged, ..mark };
        effects.extend(if merged { self.enter(job.id, mark) } else { self.enter_merged(&job, mark, cx) });
        effects
    }

    /// Shows another file or node of the same job.
    fn switch(&mut self, node: u32, file: String) -> Vec<UiEffect> {
        let Some(job) = self.job else { return Vec::new() };
        let mut effects = self.leave();
        effects.extend(self.enter(job, Bookmark { node, file, ..Bookmark::default() }));
        effects
    }

    /// Shows a file of any directory of a job.
    pub fn show_file(&mut self, file: &FileRef) -> Vec<UiEffect> {
        let FilesOf::Job(JobRef::Id(job)) = file.of else { return Vec::new() };
        let mut effects = self.leave();
        self.job = Some(job);
        self.typing = None;
        let directory = file.directory.clone();
        effects.extend(
            self.enter(job, Bookmark { node: file.node, file: file.file.clone(), directory, ..Bookmark::default() }),
        );
        effects
    }

    fn ask_files(&mut self, then: Switch) -> Vec<UiEffect> {
        let Some(job) = self.job.filter(|_| self.open.is_some()) else { return Vec::new() };
        self.numbers += 1;
        self.listing = Some((self.numbers, then));
        vec![UiEffect::Ask(Ticket { from: Asker::Log, number: self.numbers }, Request::ListLogs(JobRef::Id(job)))]
    }

    fn listed(&mut self, entries: &[FileEntry], then: Switch) -> Vec<UiEffect> {
        let Some(log) = &self.open else { return Vec::new() };
        let (node, file) = (log.node, log.file.clone());
        let files = files_of(entries, node).into_iter().map(short).collect::<Vec<_>>().join(" · ");
        let found = match &then {
            Switch::NextFile => next_file(entries, node, &file).map(|file| (node, file)),
            Switch::NextNode => next_node(entries, node, &file),
            Switch::File(name) => {
                let known = entries.iter().filter(|e| e.name == *name || short(&e.name) == name.as_str());
                known.min_by_key(|e| e.node.abs_diff(node)).map(|e| (e.node, e.name.clone()))
            }
        };
        match (found, then) {
            (Some((n, f)), Switch::NextFile) if n == node && f == file => {
                self.say(format!("{} is the only file", short(&file)))
            }
            (Some((node, file)), _) => {
                let effects = self.switch(node, file);
                self.note = Some(format!("files: {files}"));
                return effects;
            }
            (None, Switch::NextFile) => self.say("the job has no log files yet".to_owned()),
            (None, Switch::NextNode) => self.say("no other node has log files of this job".to_owned()),
            (None, Switch::File(name)) => self.say(format!("no log file `{}`; there are: {files}", name.escape_debug())),
        }
        Vec::new()
    }

    fn say(&mut self, note: String) {
        self.note = Some(crate::tui::shown::shown(&note));
    }

    fn heard(&mut self, heard: Heard) {
        let text = self.open.as_ref().and_then(|log| log.search.as_ref()).map(|s| s.needle.text().to_owned());
        let text = text.unwrap_or_default();
        match heard {
            Heard::Nothing => {}
            Heard::NotFound(Way::Down) => self.say(format!("`{text}` is not below; N searches above")),
            Heard::NotFound(Way::Up) => self.say(format!("`{text}` is not above; n searches below")),
            Heard::HuntFailed => self.say("no line looks like an error".to_owned()),
            Heard::Trouble(what) => self.say(what),
        }
    }

    /// Acts on an open log and reads what that needs.
    fn with(&mut self, act: impl FnOnce(&mut OpenLog, Size, &mut u64) -> (Heard, Vec<UiEffect>)) -> Vec<UiEffect> {
        let size = self.size();
        let Some(log) = &mut self.open else { return Vec::new() };
        let (heard, mut effects) = act(log, size, &mut self.numbers);
        effects.extend(log.want(size, &mut self.numbers));
        self.heard(heard);
        effects
    }

    fn up(&mut self, rows: usize) -> Vec<UiEffect> {
        self.with(|log, size, numbers| (Heard::Nothing, log.up(rows, size, numbers)))
    }

    fn down(&mut self, rows: usize) -> Vec<UiEffect> {
        self.with(|log, size, _| {
            log.down(rows, size);
            (Heard::Nothing, Vec::new())
        })
    }

    fn go(&mut self, offset: impl FnOnce(&OpenLog) -> u64) -> Vec<UiEffect> {
        self.with(|log, size, numbers| {
            let target = offset(log);
            (Heard::Nothing, log.go(target, Landing::Top, size, numbers))
        })
    }

    fn sideways(&mut self, right: bool, steps: usize) -> Vec<UiEffect> {
        let wrap = self.wrap;
        if let Some(log) = self.open.as_mut().filter(|_| !wrap) {
            let by = steps * SIDE_COLUMNS;
            log.skip = if right { (log.skip + by).min(SKIP_MAX) } else { log.skip.saturating_sub(by) };
        }
        Vec::new()
    }

    fn find(&mut self, way: Way) -> Vec<UiEffect> {
        self.note = None;
        if self.open.as_ref().is_some_and(|log| log.search.is_none()) {
            return self.type_line(Typing::Search);
        }
        self.with(|log, size, numbers| log.find(way, size, numbers))
    }

    fn search(&mut self, text: &str) -> Vec<UiEffect> {
        match Needle::new(text) {
            Some(needle) => self.with(|log, size, numbers| log.search(needle, size, numbers)),
            None => {
                if let Some(log) = &mut self.open {
                    log.stop_search();
                    log.search = None;
                }
                Vec::new()
            }
        }
    }

    fn only(&mut self, text: &str) -> Vec<UiEffect> {
        self.with(|log, _, _| {
            log.set_filter(text);
            (Heard::Nothing, Vec::new())
        })
    }

    fn type_line(&mut self, what: Typing) -> Vec<UiEffect> {
        // Also without a log: else the letters that follow out of habit would be commands.
        let open = self.open.as_ref();
        let text = match what {
            Typing::Search => None,
            Typing::Only => open.and_then(|log| log.filter.as_ref()).map(filter::Filter::typed),
            Typing::Save => open.map(|log| format!("{}-{}", log.job, log.file.replace('/', "-"))),
        };
        let text = text.unwrap_or_default();
        self.note = None;
        self.typing = Some((what, Input::new(text)));
        Vec::new()
    }

    fn accept(&mut self) -> Vec<UiEffect> {
        let Some((what, input)) = self.typing.take() else { return Vec::new() };
        if self.open.is_none() {
            self.say("there is no log yet".to_owned());
        }
        match what {
            Typing::Search => self.search(input.text()),
            Typing::Only => self.only(input.text()),
            Typing::Save => self.save(input.text()),
        }
    }

    fn save(&mut self, path: &str) -> Vec<UiEffect> {
        let Some(log) = self.open.as_ref().filter(|_| !path.is_empty()) else { return Vec::new() };
        if log.merge.is_some() {
            return vec![UiEffect::Write(path.to_owned(), held_text(log).into_bytes())];
        }
        vec![UiEffect::Save(log.file_ref(), path.to_owned())]
    }

    /// Leaves one thing after the other: the line typed, a search under way, marked lines, the filter, the search's marks.
    fn cancel(&mut self) -> Vec<UiEffect> {
        if self.typing.take().is_some() || self.drag.take().is_some() {
            return Vec::new();
        }
        let noted = self.note.take().is_some();
        let Some(log) = &mut self.open else { return Vec::new() };
        if log.stop_search() {
            self.note = Some("search stopped".to_owned());
        } else if !noted && log.filter.take().is_none() {
            log.search = None;
        }
        Vec::new()
    }

    /// Copies what the mouse marked, else the line a search is at, else what is shown.
    fn copy(&mut self) -> Vec<UiEffect> {
        let size = self.size();
        let Some(log) = &self.open else { return Vec::new() };
        let hit = log.search.as_ref().and_then(|s| s.hit).and_then(|offset| log.buffer.id_at_offset(offset));
        let page = log.page(size);
        let shown = page.rows.first().zip(page.rows.last()).map(|(first, last)| (first.id, last.id));
        let hit = hit.filter(|id| shown.is_some_and(|(first, last)| first <= *id && *id <= last)).map(|id| (id, id));
        let Some((a, b)) = self.drag.or(hit).or(shown) else { return Vec::new() };
        let (mut text, mut lines) = (String::new(), 0);
        let mut id = a.min(b);
        while id <= a.max(b) && text.len() < COPY_BYTES_MAX {
            if let Some(Content::Line { line, .. }) = log.buffer.get(id).map(|view| Content::of(view, size.json)) {
                text.push_str(line.text());
                text.push('\n');
                lines += 1;
            }
            id = id.plus(1);
        }
        text.truncate(text.floor_char_boundary(COPY_BYTES_MAX));
        let said = match lines {
            1 => "1 line copied".to_owned(),
            n => format!("{n} lines copied"),
        };
        vec![UiEffect::Copy(text), UiEffect::Toast(Toast { kind: ToastKind::Info, text: said })]
    }

    fn failed_rank(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let Some(job) = self.job.and_then(|id| cx.world.job(id)) else { return Vec::new() };
        match failed_rank(job) {
            Some((node, file, what)) => {
                let effects = self.switch(node, file);
                self.say(what);
                effects
            }
            None => {
                self.say("no process of this job failed by itself".to_owned());
                Vec::new()
            }
        }
    }

    fn percent(&mut self, cmd: &Cmd) -> Vec<UiEffect> {
        let typed = cmd.args.first().and_then(|arg| arg.trim_end_matches('%').parse::<u32>().ok());
        match cmd.count.or(typed) {
            Some(percent) if percent < 100 => self.go(|log| log.buffer.size() / 100 * u64::from(percent)),
            Some(_) => self.with(|log, _, numbers| (Heard::Nothing, log.follow(numbers))),
            None => {
                self.say("which part? type a number before it: 50%".to_owned());
                Vec::new()
            }
        }
    }

    fn answered(&mut self, number: u64, reply: &Result<Reply, Fault>) -> Vec<UiEffect> {
        if let Some((_, then)) = self.listing.take_if(|(asked, _)| *asked == number) {
            return match reply {
                Ok(Reply::Files(entries)) => self.listed(entries, then),
                Ok(_) => Vec::new(),
                Err(fault) => {
                    self.say(fault.message.clone());
                    Vec::new()
                }
            };
        }
        let answer = match reply {
            Ok(Reply::Window(window)) => Ok(Answer::Window(window.clone())),
            Ok(Reply::Found { offset }) => Ok(Answer::Found(*offset)),
            Ok(_) => Err(Fault::internal("the core answered something else")),
            Err(fault) => Err(fault.clone()),
        };
        self.with(|log, size, numbers| log.answer(number, &answer, size, numbers).unwrap_or((Heard::Nothing, Vec::new())))
    }

    fn delta(&mut self, watch: u64, delta: &LogDelta, cx: &Cx) -> Vec<UiEffect> {
        if self.open.as_ref().is_none_or(|log| !log.owns(watch)) {
            return Vec::new();
        }
        self.with(|log, _, _| {
            log.hear(watch, delta, cx.now);
            (Heard::Nothing, Vec::new())
        })
    }

    /// The job may have started, or have begun a new attempt after its log had ended.
    fn changed(&mut self, cx: &Cx) -> Vec<UiEffect> {
        if self.open.is_none() {
            return self.open_started(cx);
        }
        let runs = self.job.and_then(|id| cx.world.job(id)).is_some_and(|job| job.state == ExecutionState::Running);
        match &mut self.open {
            Some(log) if runs && log.tail == Tail::Ended && log.merge.is_none() => {
                log.tail = Tail::Opening;
                log.watch_again(&mut self.numbers)
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn line_at(&self, mouse: Mouse) -> Option<LineId> {
        let row = usize::from(mouse.y.checked_sub(self.area.y)?);
        self.open.as_ref()?.page(self.size()).rows.get(row).map(|row| row.id)
    }
}

/// Returns all that is held of a log, as clean text.
fn held_text(log: &OpenLog) -> String {
    let (mut text, mut id) = (String::new(), log.buffer.first_id());
    while let Some(view) = log.buffer.get(id) {
        match Content::of(view, false) {
            Content::Line { line, .. } => text.push_str(line.text()),
            Content::Note(note) => text.push_str(&note),
        }
        text.push('\n');
        id = id.plus(1);
    }
    text
}

/// Says whether a job has, or had, a log.
fn has_started(job: &Job) -> bool {
    job.attempt.0 > 0
}

impl Pane for Log {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        let page = self.size().height;
        let times = cmd.times();
        match cmd.id {
            CommandId::Down => self.down(times),
            CommandId::Up => self.up(times),
            CommandId::PageDown => self.down(page * times),
            CommandId::PageUp => self.up(page * times),
            CommandId::HalfDown => self.down((page / 2).max(1) * times),
            CommandId::HalfUp => self.up((page / 2).max(1) * times),
            CommandId::Left => self.sideways(false, times),
            CommandId::Right => self.sideways(true, times),
            CommandId::Top => self.go(|_| 0),
            CommandId::Bottom => self.with(|log, _, numbers| (Heard::Nothing, log.follow(numbers))),
            CommandId::Cancel => self.cancel(),
            CommandId::Accept => self.accept(),
            CommandId::Copy => self.copy(),
            CommandId::LogSearch if cmd.args.is_empty() => self.type_line(Typing::Search),
            CommandId::LogSearch => self.search(&cmd.args.join(" ")),
            CommandId::LogNext => self.find(Way::Down),
            CommandId::LogPrev => self.find(Way::Up),
            CommandId::LogOnly if cmd.args.is_empty() => self.type_line(Typing::Only),
            CommandId::LogOnly => self.only(&cmd.args.join(" ")),
            CommandId::LogFile => self.ask_files(cmd.args.first().cloned().map_or(Switch::NextFile, Switch::File)),
            CommandId::LogNode => self.ask_files(Switch::NextNode),
            CommandId::LogWrap => {
                self.wrap = !self.wrap;
                self.with(|_, _, _| (Heard::Nothing, Vec::new()))
            }
            CommandId::LogPercent => self.percent(cmd),
            CommandId::LogFailedRank => self.failed_rank(cx),
            CommandId::LogFirstError => self.with(|log, size, numbers| log.hunt(&ERRORS, size, numbers)),
            CommandId::LogSave if cmd.args.is_empty() => self.type_line(Typing::Save),
            CommandId::LogSave => self.save(&cmd.args.join(" ")),
            CommandId::LogPager => match &self.open {
                Some(log) if log.merge.is_some() => vec![UiEffect::PageText(held_text(log))],
                Some(log) => vec![UiEffect::Page(log.file_ref())],
                None => Vec::new(),
            },
            CommandId::LogMerge => self.merge(cx),
            CommandId::LogTimes => {
                self.times = !self.times;
                self.with(|_, _, _| (Heard::Nothing, Vec::new()))
            }
            CommandId::LogJson => {
                self.json = !self.json;
                self.with(|_, _, _| (Heard::Nothing, Vec::new()))
            }
            CommandId::LogMark => {
                let now = cx.now;
                if let Some(log) = &mut self.open {
                    log.mark(now);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        draw::draw(self, cx, area, buf);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        use CommandId as C;
        match (&self.typing, &self.open) {
            (Some(_), _) => vec![C::Accept, C::Cancel],
            (None, None) => vec![C::Why, C::Stop, C::NextPane],
            (None, Some(log)) if log.search.is_some() => {
                vec![C::LogNext, C::LogPrev, C::Bottom, C::LogOnly, C::LogFile, C::LogWrap, C::Copy, C::Cancel]
            }
            (None, Some(_)) => {
                vec![
                    C::LogSearch,
                    C::LogOnly,
                    C::LogMerge,
                    C::Bottom,
                    C::LogFile,
                    C::LogFirstError,
                    C::LogWrap,
                    C::Copy,
                    C::LogSave,
                ]
            }
        }
    }

    fn scope(&self) -> Scope {
        if self.typing.is_some() { Scope::Line } else { Scope::Log }
    }

    fn key(&mut self, key: Key, _cx: &Cx) -> Option<Vec<UiEffect>> {
        let (_, input) = self.typing.as_mut()?;
        input.key(key).then(Vec::new)
    }

    fn paste(&mut self, text: &str, _cx: &Cx) -> Option<Vec<UiEffect>> {
        let (_, input) = self.typing.as_mut()?;
        input.insert(text);
        Some(Vec::new())
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        match news {
            News::Selected(Some(Subject::Job(job))) => self.select(Some(*job), cx),
            News::Selected(_) => self.select(None, cx),
            News::Reply(number, reply) => self.answered(*number, reply),
            News::Delta(watch, delta) => self.delta(*watch, delta, cx),
            News::Changed => self.changed(cx),
            News::Tick => {
                if let Some(log) = &mut self.open {
                    log.tick(cx.now);
                }
                Vec::new()
            }
            News::Edited(..) | News::Here(..) | News::Task(..) | News::Called(..) => Vec::new(),
        }
    }

    fn mouse(&mut self, mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => return self.down(WHEEL_ROWS),
            MouseAct::WheelUp => return self.up(WHEEL_ROWS),
            MouseAct::Press => self.drag = None,
            MouseAct::Drag => {
                if let Some(id) = self.line_at(mouse) {
                    self.drag = Some((self.drag.map_or(id, |(from, _)| from), id));
                }
            }
            MouseAct::Lift | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.area = area;
    }

    fn title(&self, cx: &Cx) -> Line<'static> {
        draw::title(self, cx)
    }

    fn status(&self, cx: &Cx) -> Line<'static> {
        draw::status(self, cx)
    }

    fn subject(&self, _cx: &Cx) -> Option<Subject> {
        self.job.map(Subject::Job)
    }

    fn caret(&self, _cx: &Cx, area: Rect) -> Option<Position> {
        let (what, input) = self.typing.as_ref()?;
        Some(input.caret(draw::input_area(*what, area)))
    }
}
