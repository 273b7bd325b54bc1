//! The Files tab of a job: its directories, what lies in them, and copies to this side. Nothing is asked of a node before
//! the tab is looked at; a copy goes on while other things are looked at.

use ratatui::text::{Line, Span};

use super::about::{Content, Rows, TableContent};
use crate::commands::CommandId;
use crate::model::fault::Fault;
use crate::model::ids::JobId;
use crate::model::request::{
    FileEntry, FileKind, FileRef, FilesOf, FolderRef, JobRef, Listing, Reply, Request, STDOUTERR, TEMP,
};
use crate::model::state::Job;
use crate::model::task::{Copy, CopyWay, Existing, Progress, Task, TaskNews};
use crate::model::units::{Bytes, Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::{Toast, ToastKind, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;
use crate::tui::widgets::table::{Column, Row, Width};

/// How soon what is listed is asked for again while something changes: often enough to see a file grow.
const LOOK_AGAIN: Millis = Millis::from_secs(3);

/// The tab's state.
#[derive(Debug, Default)]
pub struct Files {
    job: Option<JobId>,
    /// The directory that is looked into; the list of all when there is none.
    directory: Option<String>,
    path: String,
    listing: Listing,
    state: State,
    asked_at: UnixMillis,
    copy: Option<Copying>,
    numbers: u64,
}

/// What is known of what lies in the directory.
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing was asked.
    #[default]
    New,
    /// The first answer is on its way, or one that replaces what is shown.
    Asked { number: u64, again: bool },
    /// It is shown.
    Listed,
    /// It cannot be had, in words.
    Trouble(String),
}

/// A copy to this side.
#[derive(Debug)]
struct Copying {
    number: u64,
    task: Task,
    name: String,
    to: String,
    progress: Progress,
    left_out: Option<String>,
    standing: Standing,
}

#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Running,
    Interrupted(String),
    Stopped,
    Failed(String),
}

impl Files {
    /// Turns to another job; a copy that is under way goes on.
    pub fn select(&mut self, job: Option<JobId>) {
        if self.job != job {
            let (copy, numbers) = (self.copy.take(), self.numbers);
            *self = Self { job, copy, numbers, ..Self::default() };
        }
    }

    /// Returns how many rows there are.
    pub fn len(&self, cx: &Cx) -> usize {
        match (&self.directory, self.job(cx)) {
            (_, None) => 0,
            (None, Some(job)) => directories(job).len(),
            (Some(_), Some(_)) => self.listing.entries.len(),
        }
    }

    fn job<'a>(&self, cx: &'a Cx) -> Option<&'a Job> {
        self.job.and_then(|id| cx.world.job(id)).map(AsRef::as_ref)
    }

    /// Asks for what is looked at, if there is a directory to look into.
    pub fn ask(&mut self, cx: &Cx, again: bool) -> Vec<UiEffect> {
        let (Some(job), Some(directory)) = (self.job, self.directory.clone()) else { return Vec::new() };
        self.numbers += 1;
        self.asked_at = cx.now;
        self.state = State::Asked { number: self.numbers, again };
        if !again {
            self.listing = Listing::default();
        }
        let folder =
            FolderRef { of: FilesOf::Job(JobRef::Id(job)), directory: Some(directory), path: self.path.clone(), node: None };
        vec![UiEffect::Ask(Ticket { from: Asker::Detail, number: self.numbers }, Request::ListFiles(folder))]
    }

    /// Something in the core has changed: what is listed may have too.
    pub fn changed(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let due = cx.now.since(self.asked_at) >= LOOK_AGAIN;
        if due && self.state == State::Listed { self.ask(cx, true) } else { Vec::new() }
    }

    /// Opens a row: a directory is looked into, a file is shown in the log pane.
    pub fn open(&mut self, at: usize, cx: &Cx) -> Vec<UiEffect> {
        let Some(job) = self.job(cx) else { return Vec::new() };
        let Some(directory) = self.directory.clone() else {
            let Some(named) = directories(job).into_iter().nth(at) else { return Vec::new() };
            self.directory = Some(named.id);
            self.path = String::new();
            return self.ask(cx, false);
        };
        let Some(entry) = self.listing.entries.get(at).cloned() else { return Vec::new() };
        let path = joined(&self.path, &entry.name);
        match entry.kind {
            FileKind::Directory => {
                self.path = path;
                self.ask(cx, false)
            }
            FileKind::File => {
                let of = FilesOf::Job(JobRef::Id(job.id));
                vec![UiEffect::ShowFile(FileRef { of, directory: Some(directory), file: path, node: entry.node })]
            }
            FileKind::Link | FileKind::Special => {
                let text = format!("{} is no regular file; it is not opened", shown(&entry.name));
                vec![UiEffect::Toast(Toast { kind: ToastKind::Info, text })]
            }
        }
    }

    /// Goes one level up; `None` where there is none.
    pub fn up(&mut self, cx: &Cx) -> Option<Vec<UiEffect>> {
        self.directory.as_ref()?;
        if self.path.is_empty() {
            self.directory = None;
            self.state = State::New;
            return Some(Vec::new());
        }
        self.path = self.path.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
        Some(self.ask(cx, false))
    }

    /// Gets a row, or stops the copy that is under way, or goes on with one that was stopped.
    pub fn get(&mut self, at: usize, to: Option<&String>, cx: &Cx) -> Vec<UiEffect> {
        if let Some(copy) = &mut self.copy {
            match copy.standing {
                Standing::Running | Standing::Interrupted(_) => {
                    copy.standing = Standing::Stopped;
                    return vec![UiEffect::End(copy.number)];
                }
                Standing::Stopped => {
                    self.numbers += 1;
                    (copy.number, copy.standing) = (self.numbers, Standing::Running);
                    return vec![UiEffect::Begin(copy.number, copy.task.clone())];
                }
                Standing::Failed(_) => self.copy = None,
            }
        }
        let Some(job) = self.job(cx) else { return Vec::new() };
        let (directory, path, node) = match &self.directory {
            None => match directories(job).into_iter().nth(at) {
                Some(named) => (named.id, String::new(), 0),
                None => return Vec::new(),
            },
            Some(directory) => match self.listing.entries.get(at) {
                Some(entry) => (directory.clone(), joined(&self.path, &entry.name), entry.node),
                None => return Vec::new(),
            },
        };
        let name = if path.is_empty() { directory.clone() } else { path.clone() };
        let to = to.cloned().unwrap_or_else(|| job.name.to_string());
        let remote = FolderRef { of: FilesOf::Job(JobRef::Id(job.id)), directory: Some(directory), path, node: Some(node) };
        let task = Task::Copy(Copy { way: CopyWay::Get, remote, local: to.clone(), existing: Existing::Keep });
        self.numbers += 1;
        self.copy = Some(Copying {
            number: self.numbers,
            task: task.clone(),
            name,
            to,
            progress: Progress::default(),
            left_out: None,
            standing: Standing::Running,
        });
        vec![UiEffect::Begin(self.numbers, task)]
    }

    /// Takes an answer.
    pub fn answered(&mut self, number: u64, reply: &Result<Reply, Fault>) {
        if !matches!(self.state, State::Asked { number: asked, .. } if asked == number) {
            return;
        }
        self.state = match reply {
            Ok(Reply::Listing(listing)) => {
                self.listing = listing.clone();
                State::Listed
            }
            Ok(_) => State::Trouble("the core answered something else".to_owned()),
            Err(fault) => {
                self.listing = Listing::default();
                let hints: String = fault.hints.iter().map(|hint| format!(" · {hint}")).collect();
                State::Trouble(shown(&format!("{}{hints}", fault.chain())))
            }
        };
    }

    /// Hears how a copy goes.
    pub fn told(&mut self, number: u64, news: &TaskNews) -> Vec<UiEffect> {
        let Some(copy) = self.copy.as_mut().filter(|copy| copy.number == number) else { return Vec::new() };
        match news {
            TaskNews::Progress(progress) => {
                copy.progress = progress.clone();
                copy.standing = Standing::Running;
            }
            TaskNews::LeftOut { name, why } => copy.left_out = Some(shown(&format!("{name}: {why}"))),
            TaskNews::Interrupted { why } => copy.standing = Standing::Interrupted(shown(why)),
            TaskNews::Failed(fault) => {
                let hint = fault.hints.first().map(|hint| format!(" · {hint}")).unwrap_or_default();
                copy.standing = Standing::Failed(shown(&format!("{}{hint}", fault.chain())));
            }
            TaskNews::Copied(progress) => {
                let mut text = format!("got {} ({}) into {}", shown(&copy.name), Bytes(progress.bytes.0), shown(&copy.to));
                let mut kind = ToastKind::Good;
                if progress.left_out > 0 {
                    kind = ToastKind::Bad;
                    let first = copy.left_out.take().unwrap_or_default();
                    text.push_str(&format!("; {} left out, {first}", progress.left_out));
                }
                self.copy = None;
                return vec![UiEffect::Toast(Toast { kind, text })];
            }
            TaskNews::Output { .. } | TaskNews::Exited { .. } => {}
        }
        Vec::new()
    }

    /// Returns what the tab shows.
    pub fn content(&self, width: u16, cx: &Cx) -> Content {
        let Some(job) = self.job(cx) else { return Content::Lines(Vec::new()) };
        let muted = cx.style(Role::Muted);
        let several = job.last.node_names.len() > 1;
        let mut above = Vec::new();
        let (columns, rows) = match &self.directory {
            None => {
                let columns = vec![Column::left("directory", Width::Between(12, 20)), Column::left("", Width::AtLeast(12))];
                let rows = directories(job).iter().map(|named| named.row(cx)).collect();
                (columns, rows)
            }
            Some(directory) => {
                let place =
                    if self.path.is_empty() { shown(directory) } else { shown(&format!("{directory}/{}", self.path)) };
                let place = crate::tui::widgets::cut(&place, usize::from(width.saturating_sub(2)), cx.look.ascii);
                above.push(Line::from(Span::styled(format!(" {place}"), cx.style(Role::Text))));
                let mut columns =
                    vec![Column::left("name", Width::AtLeast(14)), Column::right("size", 10), Column::right("changed", 9)];
                if several {
                    columns.push(Column::left("node", Width::Cells(10)));
                }
                (columns, self.listing.entries.iter().map(|entry| self.row(entry, job, several, cx)).collect::<Vec<_>>())
            }
        };
        let empty = self.listing.entries.is_empty();
        match (&self.directory, &self.state) {
            (Some(_), State::Asked { again: false, .. }) => above.push(Line::from(Span::styled(" looking…", muted))),
            (Some(_), State::Listed) if empty => above.push(Line::from(Span::styled(" nothing is in it", muted))),
            (Some(_), State::Trouble(why)) => above.extend(prose(why, width, cx.style(Role::Bad))),
            (_, _) => {}
        }
        let notes = self.listing.notes.iter().flat_map(|note| prose(&shown(note), width, muted));
        let below = self.copy_lines(width, cx).into_iter().chain(notes).collect();
        let len = rows.len();
        Content::Table(Box::new(TableContent { above, columns, rows: Rows::Given(rows), len, below }))
    }

    fn row(&self, entry: &FileEntry, job: &Job, several: bool, cx: &Cx) -> Row {
        let (text, muted) = (cx.style(Role::Text), cx.style(Role::Muted));
        let (name, style, size) = match entry.kind {
            FileKind::Directory => (format!("{}/", entry.name), text, String::new()),
            FileKind::File => (entry.name.clone(), text, cx.size(Bytes(entry.size))),
            FileKind::Link | FileKind::Special => (entry.name.clone(), muted, entry.kind.word().to_owned()),
        };
        let age = if entry.modified.0 > 0 { cx.now.since(entry.modified).to_string() } else { String::new() };
        let mut row = vec![Span::styled(shown(&name), style), Span::styled(size, text), Span::styled(age, muted)];
        if several {
            let node = job.last.node_names.get(entry.node as usize).map(|name| shown(name)).unwrap_or_default();
            row.push(Span::styled(node, muted));
        }
        row
    }

    /// What is said of a copy: how far it is, and the key that stops it or goes on.
    fn copy_lines(&self, width: u16, cx: &Cx) -> Vec<Line<'static>> {
        let Some(copy) = &self.copy else { return Vec::new() };
        let key = cx.key_of(CommandId::FileGet);
        let progress = &copy.progress;
        let percent = match progress.bytes {
            (_, 0) => String::new(),
            (done, all) => format!(" {} %", done.min(all) as u128 * 100 / u128::from(all)),
        };
        let how_far = match progress.bytes.1 {
            0 => String::new(),
            all => format!(" · {} of {}", cx.size(Bytes(progress.bytes.0)), cx.size(Bytes(all))),
        };
        let name = shown(&copy.name);
        let (text, role) = match &copy.standing {
            Standing::Running => (format!("{key} stops · getting {name}{percent}{how_far}"), Role::Running),
            Standing::Interrupted(why) => {
                (format!("{key} stops · {name}{percent}: {why}; it goes on by itself"), Role::Warning)
            }
            Standing::Stopped => (format!("{key} goes on · {name} stopped at{percent}{how_far}"), Role::Muted),
            Standing::Failed(why) => (format!("{name}: {why}"), Role::Bad),
        };
        prose(&text, width, cx.style(role))
    }
}

/// A directory of a job.
struct Named {
    id: String,
    what: String,
}

impl Named {
    fn row(&self, cx: &Cx) -> Row {
        vec![
            Span::styled(format!("{}/", shown(&self.id)), cx.style(Role::Text)),
            Span::styled(shown(&self.what), cx.style(Role::Muted)),
        ]
    }
}

/// The directories of a job in the order in which the core knows them.
fn directories(job: &Job) -> Vec<Named> {
    let mut all = vec![Named { id: STDOUTERR.to_owned(), what: "the logs".to_owned() }];
    let outputs = job.spec.output_directories.iter();
    all.extend(outputs.map(|output| Named { id: output.id.clone(), what: format!("output · {}", output.path_prefix) }));
    let inputs = job.spec.input_directories.iter();
    all.extend(inputs.map(|input| Named { id: input.id.clone(), what: format!("input · {}", input.path) }));
    all.push(Named { id: TEMP.to_owned(), what: "temporary, until the next job".to_owned() });
    all
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// A text on as many lines as it needs.
fn prose(text: &str, width: u16, style: ratatui::style::Style) -> Vec<Line<'static>> {
    let lines = crate::tui::overlays::help::wrap(text, usize::from(width.saturating_sub(2)).max(8));
    lines.into_iter().map(|line| Line::from(Span::styled(format!(" {line}"), style))).collect()
}
