//! The palette: every command by name with its key, every resource by name, and what follows a command's name.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::panel;
use crate::commands::{ALL, Cmd, Command, CommandId, Danger, Key, Scope, by_name};
use crate::tui::cx::Cx;
use crate::tui::msg::{Mouse, MouseAct};
use crate::tui::pane::{Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::subject::Subject;
use crate::tui::theme::Role;
use crate::tui::widgets::cut;
use crate::tui::widgets::input::Input;

/// The widest it is drawn: name, sentence and key side by side.
const WIDTH_MAX: u16 = 84;
/// Rows of the list.
const ROWS_MAX: usize = 14;
/// Entries that are ranked and kept; nobody scrolls further.
const ENTRIES_MAX: usize = 200;
/// The newest jobs that are looked through: with more, a key press would be felt. The filter of the tree looks at all.
const JOBS_SEARCHED_MAX: usize = 20_000;
/// Columns of an entry's name.
const NAME_WIDTH: usize = 22;
/// The least columns of what stands beside it.
const NOTE_WIDTH_MIN: usize = 12;

/// Other names that fingers know.
const ALIASES: &[(&str, CommandId)] = &[("q", CommandId::Quit), ("q!", CommandId::Interrupt)];

/// What an entry does when it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Does {
    /// Runs a command, or completes its name when something has to follow.
    Command(CommandId),
    /// Goes to a thing.
    Go(Subject),
    /// Completes the line to this.
    Complete(String),
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    note: String,
    key: String,
    does: Does,
}

/// The palette.
#[derive(Debug)]
pub struct Palette {
    input: Input,
    entries: Vec<Entry>,
    at: usize,
    top: usize,
    area: Rect,
}

impl Palette {
    /// Returns the palette with a text typed already.
    pub fn new(text: String, cx: &Cx) -> Self {
        let mut palette = Self { input: Input::new(text), entries: Vec::new(), at: 0, top: 0, area: Rect::default() };
        palette.search(cx);
        palette
    }

    /// The command whose name is typed, with what follows it.
    fn called(&self) -> Option<(&'static Command, Vec<String>)> {
        let (name, rest) = self.input.text().trim_start().split_once(' ')?;
        let command = by_name(name).filter(|c| !c.args.is_empty())?;
        Some((command, rest.split_whitespace().map(str::to_owned).collect()))
    }

    fn search(&mut self, cx: &Cx) {
        self.at = 0;
        self.top = 0;
        self.entries = match self.called() {
            Some((command, args)) => self.completions(command, &args, cx),
            None => ranked(self.input.text().trim(), candidates(cx)),
        };
    }

    /// What may follow a command's name.
    fn completions(&self, command: &Command, args: &[String], cx: &Cx) -> Vec<Entry> {
        let typing = if self.input.text().ends_with(' ') { "" } else { args.last().map_or("", String::as_str) };
        let first = args.len() <= usize::from(!typing.is_empty());
        let words: Vec<(String, String)> = match command.id {
            CommandId::Theme if first => cx.themes.names().into_iter().map(|name| (name, String::new())).collect(),
            CommandId::Scale if first => {
                let clusters = cx.world.snapshot.clusters.values();
                clusters.map(|c| (shown(&c.name), format!("target {}", c.spec.scale_settings.target()))).collect()
            }
            CommandId::Bookmarks if first => return ranked(typing, bookmarks(cx)),
            CommandId::Priority if first => ["low", "normal", "high"].map(|word| (word.to_owned(), String::new())).to_vec(),
            _ => Vec::new(),
        };
        let entry = |(word, note): (String, String)| {
            let does = Does::Complete(format!("{} {word}", command.name));
            Entry { name: word, note, key: String::new(), does }
        };
        ranked(typing, words.into_iter().map(entry).collect())
    }

    /// What the chosen entry shows before it is taken: a theme.
    fn try_out(&self) -> Vec<UiEffect> {
        let theme = self.called().filter(|(command, _)| command.id == CommandId::Theme);
        match (theme, self.entries.get(self.at)) {
            (Some(_), Some(entry)) => vec![UiEffect::Theme(entry.name.clone(), false)],
            (_, _) => Vec::new(),
        }
    }

    fn step(&mut self, by: isize) -> Vec<UiEffect> {
        let len = self.entries.len().max(1) as isize;
        self.at = (self.at as isize + by).rem_euclid(len) as usize;
        let height = self.rows().max(1);
        self.top = self.top.clamp((self.at + 1).saturating_sub(height), self.at);
        self.try_out()
    }

    fn rows(&self) -> usize {
        usize::from(self.area.height.saturating_sub(8)).min(ROWS_MAX)
    }

    fn complete(&mut self, cx: &Cx) -> Vec<UiEffect> {
        match self.entries.get(self.at).map(|e| e.does.clone()) {
            Some(Does::Command(id)) => self.input.set(format!("{} ", id.row().name)),
            Some(Does::Complete(text)) => self.input.set(format!("{text} ")),
            Some(Does::Go(_)) | None => return Vec::new(),
        }
        self.search(cx);
        self.try_out()
    }

    fn take(&mut self, cx: &Cx) -> Vec<UiEffect> {
        let run = |id, args| vec![UiEffect::Close, UiEffect::Run(Cmd { id, count: None, args })];
        if let Some((command, mut args)) = self.called() {
            if let Some(Does::Go(subject)) = self.entries.get(self.at).map(|e| e.does.clone()) {
                return vec![UiEffect::Close, UiEffect::Go(subject)];
            }
            let chosen = self.entries.get(self.at).map(|e| e.name.clone());
            // A half typed word stands for the chosen one.
            if let Some(chosen) = chosen.filter(|_| args.len() <= 1) {
                args = vec![chosen];
                if command.id == CommandId::Scale {
                    self.input.set(format!("{} {} ", command.name, args[0]));
                    self.search(cx);
                    return Vec::new();
                }
            }
            return run(command.id, args);
        }
        if let Some((_, id)) = ALIASES.iter().find(|(alias, _)| *alias == self.input.text().trim()) {
            return run(*id, Vec::new());
        }
        match self.entries.get(self.at).map(|e| e.does.clone()) {
            Some(Does::Go(subject)) => vec![UiEffect::Close, UiEffect::Go(subject)],
            Some(Does::Command(id)) if needs_more(id) => self.complete(cx),
            Some(Does::Command(id)) => run(id, Vec::new()),
            Some(Does::Complete(_)) | None => Vec::new(),
        }
    }
}

/// Says whether a command can do nothing without something after its name.
fn needs_more(id: CommandId) -> bool {
    let args = id.row().args;
    !args.is_empty() && !args.starts_with('[')
}

/// The bookmarks, each going to its thing, the newest first.
fn bookmarks(cx: &Cx) -> Vec<Entry> {
    let entry = |subject: &Subject| {
        let name = shown(&crate::tui::panes::name_of(*subject, cx)?);
        let above = crate::tui::panes::tree::parent(*subject, cx).and_then(|outer| crate::tui::panes::name_of(outer, cx));
        let note = above.map(|name| format!("in {}", shown(&name))).unwrap_or_default();
        Some(Entry { name, note, key: String::new(), does: Does::Go(*subject) })
    };
    cx.bookmarks.iter().rev().filter_map(entry).collect()
}

/// Everything that can be named.
fn candidates(cx: &Cx) -> Vec<Entry> {
    let inside = |c: &&Command| c.scopes.is_empty() || c.scopes.iter().any(|s| s.falls_through() || *s == Scope::Everywhere);
    let allowed = |c: &&Command| !cx.look.readonly || c.danger == Danger::None;
    let command = |c: &Command| Entry {
        name: c.name.to_owned(),
        note: if c.args.is_empty() { c.sentence.to_owned() } else { format!("{}  {}", c.args, c.sentence) },
        key: cx.key_of(c.id),
        does: Does::Command(c.id),
    };
    let mut entries: Vec<Entry> = ALL.iter().filter(inside).filter(allowed).map(command).collect();
    let thing =
        |name: &str, note: String, subject| Entry { name: shown(name), note, key: String::new(), does: Does::Go(subject) };
    let snapshot = &cx.world.snapshot;
    entries.extend(snapshot.workspaces.values().map(|w| thing(&w.name, "workspace".to_owned(), Subject::Workspace(w.id))));
    entries.extend(snapshot.clusters.values().map(|c| thing(&c.name, "cluster".to_owned(), Subject::Cluster(c.id))));
    let experiments = snapshot.experiments.values();
    entries.extend(experiments.map(|e| thing(&e.name, "experiment".to_owned(), Subject::Experiment(e.id))));
    let nodes = snapshot.nodes.values().filter(|n| !n.name.is_empty());
    entries.extend(nodes.map(|n| thing(&n.name, format!("node, {}", n.state.word()), Subject::Node(n.id))));
    let jobs = snapshot.jobs.values().rev().take(JOBS_SEARCHED_MAX);
    entries.extend(jobs.map(|j| thing(&j.name, format!("job, {}", j.state.word()), Subject::Job(j.id))));
    entries
}

/// The best matches first; in the order given where nothing is typed.
fn ranked(text: &str, entries: Vec<Entry>) -> Vec<Entry> {
    if text.is_empty() {
        return entries.into_iter().take(ENTRIES_MAX).collect();
    }
    let pattern = Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Entry)> = Vec::new();
    for entry in entries {
        let score = pattern.score(Utf32Str::new(&entry.name, &mut buffer), &mut matcher);
        // What is named exactly so comes first, whatever else scores.
        let exact = if entry.name == text { u32::MAX / 2 } else { 0 };
        scored.extend(score.map(|score| (score + exact, entry)));
    }
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().take(ENTRIES_MAX).map(|(_, entry)| entry).collect()
}

impl Pane for Palette {
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect> {
        match cmd.id {
            CommandId::Cancel => vec![UiEffect::Close],
            CommandId::Accept => self.take(cx),
            CommandId::LineComplete => self.complete(cx),
            CommandId::LineDown => self.step(1),
            CommandId::LineUp => self.step(-1),
            _ => Vec::new(),
        }
    }

    fn key(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        if !self.input.key(key) {
            return None;
        }
        self.search(cx);
        Some(self.try_out())
    }

    fn paste(&mut self, text: &str, cx: &Cx) -> Option<Vec<UiEffect>> {
        self.input.insert(text);
        self.search(cx);
        Some(self.try_out())
    }

    fn mouse(&mut self, mouse: Mouse, cx: &Cx) -> Vec<UiEffect> {
        match mouse.act {
            MouseAct::WheelDown => return self.step(1),
            MouseAct::WheelUp => return self.step(-1),
            MouseAct::Lift => {
                let list = inside(self.area, self.rows());
                let row = mouse.y.checked_sub(list.y + 2).map(usize::from).filter(|row| *row < self.rows());
                if let Some(at) = row.map(|row| self.top + row).filter(|at| *at < self.entries.len()) {
                    self.at = at;
                    return self.take(cx);
                }
            }
            MouseAct::Press | MouseAct::Drag | MouseAct::Menu => {}
        }
        Vec::new()
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.area = area;
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let rows = self.rows();
        let size = (WIDTH_MAX.min(area.width.saturating_sub(6)), rows as u16 + 2);
        let inside = panel(Line::from(" Palette "), size, area, cx, buf);
        buf.set_string(inside.x, inside.y, ":", cx.style(Role::Key));
        self.input.draw(cx, Rect { x: inside.x + 2, width: inside.width.saturating_sub(2), height: 1, ..inside }, buf);
        if self.entries.is_empty() {
            let text = match self.called() {
                Some((command, _)) => format!("{} {}: {}", command.name, command.args, command.sentence),
                None => "nothing of that name".to_owned(),
            };
            buf.set_stringn(inside.x, inside.y + 2, text, usize::from(inside.width), cx.style(Role::Muted));
        }
        for (row, entry) in self.entries.iter().skip(self.top).take(rows).enumerate() {
            let line = Rect { y: inside.y + 2 + row as u16, height: 1, ..inside };
            self.draw_entry(entry, self.top + row == self.at, cx, line, buf);
        }
    }

    fn caret(&self, _cx: &Cx, area: Rect) -> Option<Position> {
        let inside = inside(area, self.rows());
        Some(self.input.caret(Rect { x: inside.x + 2, width: inside.width.saturating_sub(2), height: 1, ..inside }))
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Accept, CommandId::LineComplete, CommandId::LineDown, CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Line
    }
}

/// The inside of the palette's window, where `panel` puts it.
fn inside(screen: Rect, rows: usize) -> Rect {
    let width = WIDTH_MAX.min(screen.width.saturating_sub(6)).saturating_add(4).min(screen.width);
    let height = (rows as u16 + 4).min(screen.height);
    Rect {
        x: screen.x + (screen.width - width) / 2 + 2,
        y: screen.y + (screen.height - height) * 2 / 5 + 1,
        width: width.saturating_sub(4),
        height: height.saturating_sub(2),
    }
}

impl Palette {
    fn draw_entry(&self, entry: &Entry, chosen: bool, cx: &Cx, line: Rect, buf: &mut Buffer) {
        if chosen {
            buf.set_style(line, cx.style(Role::Choice));
        }
        let key_width = entry.key.width() as u16;
        let room = line.width.saturating_sub(key_width + 2);
        // A sentence of which two words fit says nothing: then the name has its room.
        let (name_width, room_note) = match usize::from(room).saturating_sub(NAME_WIDTH + 2) {
            note if note < NOTE_WIDTH_MIN => (usize::from(room), 0),
            note => (NAME_WIDTH, note),
        };
        let name = cut(&entry.name, name_width, cx.look.ascii);
        let style = if matches!(entry.does, Does::Go(_)) { cx.style(Role::Crumb) } else { cx.style(Role::Strong) };
        let style = ratatui::style::Style { bg: None, ..style };
        let name = Span::styled(format!("{name:<name_width$} "), style);
        let note = Span::styled(cut(&entry.note, room_note, cx.look.ascii), cx.style(Role::Muted));
        buf.set_line(line.x, line.y, &Line::from(vec![name, note]), room);
        let key = Span::styled(entry.key.clone(), cx.style(Role::Key));
        buf.set_line(line.right().saturating_sub(key_width), line.y, &Line::from(key), key_width);
    }
}
