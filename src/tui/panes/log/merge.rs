//! All ranks of a job in one: their output and errors, each line with the name of where it came from.
//!
//! What stood in the files before is put in order by the times that its lines begin with, as far as they do; what comes
//! after that is in the order in which it arrives. The result is a text like that of a file, with offsets of its own: what
//! shows, searches and filters a file does the same with it.

use std::collections::BTreeSet;

use super::stamp;
use crate::model::request::{FileRef, JobRef, LogDelta};
use crate::model::state::Job;
use crate::model::units::{Bytes, Millis, UnixMillis};

/// The most files that are followed at once: each costs a request to its node every time that it grows.
pub const SOURCES_MAX: usize = 32;
/// A node that has not answered for so long does not keep the others from being shown.
const PATIENCE: Millis = Millis(1500);
/// A line without its end is shown once it is so long, in bytes.
const OPEN_LINE_MAX: usize = 16 << 10;
/// Between the name and the line.
pub const BAR: &str = "| ";

/// One file of one rank.
#[derive(Debug)]
struct Source {
    label: String,
    file: FileRef,
    watch: u64,
    /// What has come of a line that has not ended.
    open: Vec<u8>,
    /// Lines that wait for the other ranks' first ones.
    early: Vec<Vec<u8>>,
    heard: bool,
    over: bool,
    /// The link was lost, and that was said.
    cut: bool,
}

/// All that is merged.
#[derive(Debug)]
pub struct Merge {
    sources: Vec<Source>,
    width: usize,
    begun: UnixMillis,
    /// The first lines are out.
    flowing: bool,
    /// How many files there are beyond those that are followed.
    left_out: usize,
}

impl Merge {
    /// Returns the merge of a job's files; `None` when there is but one.
    pub fn of(job: &Job, now: UnixMillis, mut next: impl FnMut() -> u64) -> Option<Self> {
        let (mut sources, mut seen) = (Vec::new(), BTreeSet::new());
        let mains = job.shape.main_nodes.len().max(1);
        for rank in 0..mains {
            let node = job.shape.main_nodes.get(rank).copied().unwrap_or(0);
            let place = job.last.node_names.get(node as usize).cloned().unwrap_or_else(|| format!("node {node}"));
            for (stream, mark) in [("stdout", ""), ("stderr", "!")] {
                let name = job.log_name(stream, rank);
                if !seen.insert((node, name.clone())) {
                    continue;
                }
                let label = if mains == 1 { stream.to_owned() } else { format!("{rank} {place}{mark}") };
                let label = crate::tui::shown::shown(&label);
                let file = FileRef::log(JobRef::Id(job.id), name, node);
                let (open, early) = (Vec::new(), Vec::new());
                sources.push(Source { label, file, watch: next(), open, early, heard: false, over: false, cut: false });
            }
        }
        let left_out = sources.len().saturating_sub(SOURCES_MAX);
        sources.truncate(SOURCES_MAX);
        let width = sources.iter().map(|source| super::width_of(&source.label)).max().unwrap_or(0);
        (sources.len() > 1).then_some(Self { sources, width, begun: now, flowing: false, left_out })
    }

    /// Returns the watches: number and file.
    pub fn watches(&self) -> impl Iterator<Item = (u64, FileRef)> {
        self.sources.iter().map(|source| (source.watch, source.file.clone()))
    }

    /// Says whether a watch is one of these.
    pub fn owns(&self, watch: u64) -> bool {
        self.sources.iter().any(|source| source.watch == watch)
    }

    /// Returns how many files are followed, and how many more there are.
    pub fn counts(&self) -> (usize, usize) {
        (self.sources.len(), self.left_out)
    }

    /// Says whether all files have come to their end.
    pub fn is_over(&self) -> bool {
        self.sources.iter().all(|source| source.over)
    }

    /// Takes a piece of a file and returns the text that follows.
    pub fn hear(&mut self, watch: u64, delta: &LogDelta, now: UnixMillis) -> Vec<u8> {
        let flowing = self.flowing;
        let Some(source) = self.sources.iter_mut().find(|source| source.watch == watch) else { return Vec::new() };
        let lines = source.take(delta);
        if flowing {
            let (label, mut text) = (source.label.clone(), Vec::new());
            lines.iter().for_each(|line| self.put(&label, line, &mut text));
            return text;
        }
        source.early.extend(lines);
        self.flow(now)
    }

    /// Returns the first lines once all have come, or patience has ended.
    pub fn flow(&mut self, now: UnixMillis) -> Vec<u8> {
        let waiting = self.sources.iter().any(|source| !source.heard) && now.since(self.begun) < PATIENCE;
        if self.flowing || waiting {
            return Vec::new();
        }
        self.flowing = true;
        let mut all: Vec<(i64, usize, Vec<u8>)> = Vec::new();
        for (at, source) in self.sources.iter_mut().enumerate() {
            // A line without a time belongs to the one before it.
            let mut time = source.early.iter().find_map(|line| stamp::of(line)).unwrap_or(0);
            for line in source.early.drain(..) {
                time = stamp::of(&line).unwrap_or(time);
                all.push((time, at, line));
            }
        }
        all.sort_by_key(|(time, at, _)| (*time, *at));
        let mut text = Vec::new();
        for (_, at, line) in &all {
            self.put(&self.sources[*at].label, line, &mut text);
        }
        text
    }

    fn put(&self, label: &str, line: &[u8], text: &mut Vec<u8>) {
        let pad = self.width.saturating_sub(super::width_of(label));
        text.extend_from_slice(label.as_bytes());
        text.extend_from_slice(" ".repeat(pad).as_bytes());
        text.extend_from_slice(BAR.as_bytes());
        text.extend_from_slice(line);
        text.push(b'\n');
    }

    /// Returns how many columns the name in a line takes and which of the files it is.
    pub fn label_of(&self, line: &str) -> Option<(u16, usize)> {
        let of_it = |source: &&Source| {
            line.strip_prefix(source.label.as_str()).is_some_and(|rest| rest.trim_start_matches(' ').starts_with(BAR))
        };
        let at = self.sources.iter().position(|source| of_it(&source))?;
        // Output and errors of one rank have one colour.
        let rank = if self.sources.len() == 2 { at } else { at / 2 };
        Some((self.width as u16, rank))
    }
}

impl Source {
    /// Takes a piece and returns the lines that ended in it.
    fn take(&mut self, delta: &LogDelta) -> Vec<Vec<u8>> {
        match delta {
            LogDelta::Appended(window) => {
                self.cut = false;
                let mut bytes = window.bytes.as_slice();
                let mut lines = Vec::new();
                if !std::mem::replace(&mut self.heard, true) && window.offset > 0 {
                    // It begins in the middle of a line.
                    bytes = bytes.iter().position(|b| *b == b'\n').map_or(&[], |at| &bytes[at + 1..]);
                    lines.push(format!("-- {} before this are in the file itself --", Bytes(window.offset)).into_bytes());
                }
                self.open.extend_from_slice(bytes);
                lines.extend(self.ended_lines());
                lines
            }
            LogDelta::Skipped { from, to } => self.note(&format!("-- {} not sent --", Bytes(to - from))),
            LogDelta::Restarted { truncated: true } => self.note("-- the file was cut short; it begins again --"),
            LogDelta::Restarted { truncated: false } => self.note("-- the file was replaced --"),
            // Said once, however often it is tried again.
            LogDelta::Interrupted { .. } if std::mem::replace(&mut self.cut, true) => Vec::new(),
            LogDelta::Interrupted { why } => self.note(&format!("-- link lost: {why} --")),
            LogDelta::Failed(fault) => {
                self.over = true;
                self.note(&format!("-- {} --", fault.message))
            }
            LogDelta::Waiting => {
                self.heard = true;
                Vec::new()
            }
            LogDelta::Ended => {
                self.over = true;
                let lines = self.rest();
                self.heard = true;
                lines
            }
        }
    }

    fn ended_lines(&mut self) -> Vec<Vec<u8>> {
        let Some(end) = memchr::memrchr(b'\n', &self.open) else {
            return if self.open.len() > OPEN_LINE_MAX { self.rest() } else { Vec::new() };
        };
        let rest = self.open.split_off(end + 1);
        let ended = std::mem::replace(&mut self.open, rest);
        ended[..end].split(|b| *b == b'\n').map(<[u8]>::to_vec).collect()
    }

    fn rest(&mut self) -> Vec<Vec<u8>> {
        if self.open.is_empty() { Vec::new() } else { vec![std::mem::take(&mut self.open)] }
    }

    fn note(&mut self, text: &str) -> Vec<Vec<u8>> {
        self.heard = true;
        let mut lines = self.rest();
        lines.push(text.as_bytes().to_vec());
        lines
    }
}
