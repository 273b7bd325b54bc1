//! The logs of a node's set-up task: their ends, read again while they grow. Tab goes to the next file.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader::{Reader, Text};
use crate::commands::{Cmd, Code, CommandId, Key, Scope};
use crate::model::fault::Fault;
use crate::model::ids::NodeId;
use crate::model::request::{FileKind, FileRef, FileWindow, FilesOf, FolderRef, From, Listing, NodeRef, Reply, Request};
use crate::model::units::{Millis, UnixMillis};
use crate::tui::cx::Cx;
use crate::tui::msg::{Asker, Ticket};
use crate::tui::pane::{News, Pane, UiEffect};
use crate::tui::shown::shown;
use crate::tui::theme::Role;

/// How much of the end of a log is read: some thousand lines, and ten milliseconds of a link.
const BYTES: u32 = 128 << 10;
/// How soon a log is read again.
const LOOK_AGAIN: Millis = Millis::from_secs(2);

/// The window.
#[derive(Debug)]
pub struct SetUpLogs {
    node: NodeId,
    name: String,
    number: u64,
    files: Vec<String>,
    chosen: usize,
    asked_at: UnixMillis,
    waiting: bool,
    reader: Reader,
}

impl SetUpLogs {
    /// Returns the window and its first question to the core.
    pub fn new(node: NodeId, number: u64, cx: &Cx) -> (Self, Vec<UiEffect>) {
        let name = cx.world.node(node).map(|node| node.name.clone()).unwrap_or_default();
        let mut logs = Self {
            node,
            name,
            number,
            files: Vec::new(),
            chosen: 0,
            asked_at: cx.now,
            waiting: false,
            reader: Reader::default(),
        };
        logs.say(Role::Muted, "asking …");
        let effects = logs.look(cx);
        (logs, effects)
    }

    fn say(&mut self, role: Role, words: &str) {
        self.reader.set(vec![Text { indent: 0, role, words: shown(words) }], false);
    }

    fn of(&self) -> FilesOf {
        FilesOf::Node(NodeRef::Id(self.node))
    }

    /// Asks for the chosen file; for their names while none is known.
    fn look(&mut self, cx: &Cx) -> Vec<UiEffect> {
        self.asked_at = cx.now;
        self.waiting = true;
        let request = match self.files.get(self.chosen) {
            None => Request::ListFiles(FolderRef { of: self.of(), directory: None, path: String::new(), node: None }),
            Some(file) => {
                let file = FileRef { of: self.of(), directory: None, file: file.clone(), node: 0 };
                Request::ReadFile(FileWindow { file, from: From::End, bytes: BYTES })
            }
        };
        vec![UiEffect::Ask(Ticket { from: Asker::Overlay, number: self.number }, request)]
    }

    fn answered(&mut self, reply: &Result<Reply, Fault>, cx: &Cx) -> Vec<UiEffect> {
        self.waiting = false;
        match reply {
            Ok(Reply::Listing(listing)) => return self.listed(listing, cx),
            Ok(Reply::Window(window)) => {
                let text = String::from_utf8_lossy(&window.bytes);
                let text = match (window.offset, text.split_once('\n')) {
                    // What was cut off begins anywhere in a line.
                    (1.., Some((_, rest))) => rest,
                    (_, _) => text.as_ref(),
                };
                let lines = text.lines().map(|line| Text { indent: 0, role: Role::Text, words: shown(line) });
                let lines: Vec<Text> = lines.collect();
                match lines.is_empty() {
                    true => self.say(Role::Muted, "nothing was written"),
                    false => self.reader.set(lines, true),
                }
            }
            Ok(_) => self.say(Role::Bad, "the core answered something else"),
            Err(fault) => self.say(Role::Bad, &fault.message),
        }
        Vec::new()
    }

    /// Keeps the files of this node alone where several write to one folder, its output first.
    fn listed(&mut self, listing: &Listing, cx: &Cx) -> Vec<UiEffect> {
        let files = listing.entries.iter().filter(|entry| entry.kind == FileKind::File).map(|entry| entry.name.clone());
        let mut files: Vec<String> = files.collect();
        let own = format!("-{}.txt", self.name);
        if files.iter().any(|file| file.ends_with(&own)) {
            files.retain(|file| file.ends_with(&own));
        }
        files.sort_by_key(|file| (!file.starts_with("stdout"), file.clone()));
        self.files = files;
        if self.files.is_empty() {
            self.say(Role::Muted, "the set-up task has written no log yet");
            return Vec::new();
        }
        self.look(cx)
    }
}

impl Pane for SetUpLogs {
    fn on(&mut self, cmd: &Cmd, _cx: &Cx) -> Vec<UiEffect> {
        if cmd.id == CommandId::Cancel {
            return vec![UiEffect::Close];
        }
        self.reader.on(cmd);
        Vec::new()
    }

    fn key(&mut self, key: Key, cx: &Cx) -> Option<Vec<UiEffect>> {
        if key.code == Code::Tab {
            self.chosen = (self.chosen + 1) % self.files.len().max(1);
            return Some(self.look(cx));
        }
        let command = cx.keymap.lookup(Scope::Tree, key)?.id;
        matches!(command, CommandId::SetUpLogs | CommandId::Quit).then(|| vec![UiEffect::Close])
    }

    fn hear(&mut self, news: &News<'_>, cx: &Cx) -> Vec<UiEffect> {
        match news {
            News::Reply(number, reply) if *number == self.number => self.answered(reply, cx),
            News::Changed | News::Tick if !self.waiting && cx.now.since(self.asked_at) >= LOOK_AGAIN => self.look(cx),
            News::Reply(..)
            | News::Changed
            | News::Tick
            | News::Edited(..)
            | News::Here(..)
            | News::Selected(_)
            | News::Delta(..)
            | News::Task(..)
            | News::Called(..) => Vec::new(),
        }
    }

    fn arrange(&mut self, area: Rect, _cx: &Cx) {
        self.reader.arrange(area);
    }

    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer) {
        let file = self.files.get(self.chosen).map_or("", String::as_str);
        let more = if self.files.len() > 1 { "  Tab: the next" } else { "" };
        let title = format!(" Set-up of {} · {}{more} ", shown(&self.name), shown(file));
        self.reader.draw(title, cx, area, buf);
    }

    fn commands(&self, _cx: &Cx) -> Vec<CommandId> {
        vec![CommandId::Cancel]
    }

    fn scope(&self) -> Scope {
        Scope::Reader
    }
}
