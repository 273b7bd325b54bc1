//! A made-up node with log files: answers what the screen asks of files, and counts what it had to read.

use std::collections::BTreeMap;

use ostler::model::fault::Fault;
use ostler::model::request::{FileEntry, FileRef, From, LogDelta, Reply, Request, Window};
use ostler::tui::msg::{Msg, Ticket};
use ostler::tui::pane::UiEffect;

use crate::screen::Screen;
use crate::world::NOW;

/// The most bytes of one window, as a node has it.
const WINDOW_BYTES: u64 = 64 << 10;

/// A file: bytes, or lines of one length that are made when they are read.
pub enum File {
    Bytes(Vec<u8>),
    /// So many lines `000000000042 …` of 100 bytes each.
    Numbered(u64),
}

impl File {
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Numbered(lines) => lines * 100,
        }
    }

    fn read(&self, from: u64, upto: u64) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes[from as usize..upto as usize].to_vec(),
            Self::Numbered(_) => (from..upto).map(|at| numbered(at / 100)[(at % 100) as usize]).collect(),
        }
    }

    fn find(&self, text: &str, from: u64, backwards: bool) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => {
                let starts =
                    std::iter::once(0).chain(bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1));
                let line = |at: &usize| bytes[*at..].split(|b| *b == b'\n').next().unwrap_or_default();
                let has = |at: &usize| line(at).windows(text.len()).any(|w| w == text.as_bytes());
                let found: Vec<usize> = starts.filter(|at| *at < bytes.len()).filter(has).collect();
                let side = |at: &&usize| if backwards { (**at as u64) < from } else { **at as u64 >= from };
                if backwards { found.iter().rfind(side) } else { found.iter().find(side) }.map(|at| *at as u64)
            }
            Self::Numbered(lines) => {
                let number: u64 = text.parse().ok()?;
                let at = number * 100;
                (number < *lines && (at < from) == backwards).then_some(at)
            }
        }
    }
}

fn numbered(line: u64) -> Vec<u8> {
    format!("{line:012} {:.<86}\n", "").into_bytes()
}

/// The node.
#[derive(Default)]
pub struct FileHost {
    pub files: BTreeMap<(u32, String), File>,
    watches: BTreeMap<u64, (u32, String)>,
    /// How many bytes it read for windows.
    pub bytes_read: u64,
    /// What was searched: from where, and which way.
    pub searches: Vec<(String, u64, bool)>,
    /// Questions are kept and answered later.
    pub slow: bool,
    kept: Vec<UiEffect>,
    /// What the screen wanted and a node has nothing to do with.
    pub rest: Vec<UiEffect>,
}

impl FileHost {
    /// Returns a node with the standard output of a job.
    pub fn with(stdout: File) -> Self {
        Self { files: BTreeMap::from([((0, "stdout.txt".to_owned()), stdout)]), ..Self::default() }
    }

    /// Answers all that was asked until nothing more is.
    pub fn serve(&mut self, screen: &mut Screen) {
        if !self.slow {
            screen.asked.splice(0..0, self.kept.drain(..));
        }
        while !screen.asked.is_empty() {
            for effect in std::mem::take(&mut screen.asked) {
                if let Some(msg) = self.perform(effect) {
                    screen.tell(msg);
                }
            }
        }
    }

    fn perform(&mut self, effect: UiEffect) -> Option<Msg> {
        match effect {
            UiEffect::Watch(number, file, from) => {
                assert_eq!(from, From::End);
                self.watches.insert(number, (file.node, file.file.clone()));
                let delta = self.window(&file, From::End, WINDOW_BYTES as u32).map_or(LogDelta::Waiting, LogDelta::Appended);
                Some(Msg::LogDelta(number, delta))
            }
            UiEffect::Unwatch(number) => {
                assert!(self.watches.remove(&number).is_some(), "watch {number} is not there");
                None
            }
            UiEffect::Ask(..) if self.slow => {
                self.kept.push(effect);
                None
            }
            UiEffect::Ask(ticket, Request::ReadFile(want)) => {
                let reply = self.window(&want.file, want.from, want.bytes).map(Reply::Window);
                Some(answer(ticket, reply.ok_or_else(|| Fault::user("no such file"))))
            }
            UiEffect::Ask(ticket, Request::SearchFile(want)) => {
                self.searches.push((want.text.clone(), want.from, want.backwards));
                let file = self.files.get(&(want.file.node, want.file.file));
                let offset = file.and_then(|file| file.find(&want.text, want.from, want.backwards));
                Some(answer(ticket, Ok(Reply::Found { offset })))
            }
            UiEffect::Ask(ticket, Request::ListLogs(_)) => {
                let entry = |((node, name), file): (&(u32, String), &File)| FileEntry::file(name, *node, file.size(), NOW);
                Some(answer(ticket, Ok(Reply::Files(self.files.iter().map(entry).collect()))))
            }
            other => {
                self.rest.push(other);
                None
            }
        }
    }

    fn window(&mut self, file: &FileRef, from: From, bytes: u32) -> Option<Window> {
        let file = self.files.get(&(file.node, file.file.clone()))?;
        let (size, most) = (file.size(), u64::from(bytes).min(WINDOW_BYTES));
        let (offset, upto) = match from {
            From::Start(at) => (at.min(size), (at + most).min(size)),
            From::Before(at) => (at.min(size).saturating_sub(most), at.min(size)),
            From::End => (size.saturating_sub(most), size),
        };
        self.bytes_read += upto - offset;
        Some(Window { offset, bytes: file.read(offset, upto), size, inode: 7 })
    }

    /// The job writes more to its standard output; all who watch it are told.
    pub fn write(&mut self, screen: &mut Screen, text: &str) {
        let key = (0, "stdout.txt".to_owned());
        let Some(File::Bytes(bytes)) = self.files.get_mut(&key) else { panic!("only real bytes grow") };
        let offset = bytes.len() as u64;
        bytes.extend_from_slice(text.as_bytes());
        let window = Window { offset, bytes: text.as_bytes().to_vec(), size: bytes.len() as u64, inode: 7 };
        self.tell(screen, LogDelta::Appended(window));
    }

    /// Tells all who watch the standard output of the first node.
    pub fn tell(&mut self, screen: &mut Screen, delta: LogDelta) {
        let key = (0, "stdout.txt".to_owned());
        let watching: Vec<u64> = self.watches.iter().filter(|(_, of)| **of == key).map(|(n, _)| *n).collect();
        for number in watching {
            screen.tell(Msg::LogDelta(number, delta.clone()));
        }
    }

    /// Returns how many watches there are.
    pub fn watches(&self) -> usize {
        self.watches.len()
    }
}

fn answer(ticket: Ticket, reply: Result<Reply, Fault>) -> Msg {
    Msg::Reply(ticket, Box::new(reply))
}
