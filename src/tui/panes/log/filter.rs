//! Only the lines that hold a text, out of those that are held; the rest keep their place and come back.

use std::collections::VecDeque;

use memchr::memmem::Finder;

use super::buffer::{LineBuffer, LineId, View};
use super::content::{clean, is_rewriting};
use crate::model::shown::ShownLine;

/// A text to look for in lines: the fixed text that the node's own search takes, so that both find the same.
#[derive(Clone, Debug)]
pub struct Needle {
    text: String,
    finder: Finder<'static>,
}

impl Needle {
    /// Returns a needle; `None` when there is nothing to look for.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self { text: text.to_owned(), finder: Finder::new(text.as_bytes()).into_owned() })
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether a raw line, once cleaned, holds the text. Most lines are decided without cleaning.
    pub fn is_in(&self, offset: u64, bytes: &[u8]) -> bool {
        if is_rewriting(bytes) {
            return clean(offset, bytes).text().contains(&self.text);
        }
        self.finder.find(bytes).is_some()
    }

    /// Returns where the text stands in a clean line, in bytes, in order and apart.
    pub fn places(&self, line: &ShownLine) -> Vec<std::ops::Range<usize>> {
        line.text().match_indices(&self.text).map(|(at, found)| at..at + found.len()).collect()
    }
}

/// The most lines around a match that can be asked for: more are a place, not a context.
const CONTEXT_MAX: i64 = 99;

/// The lines that are shown while a filter is on.
#[derive(Clone, Debug)]
pub struct Filter {
    needle: Needle,
    /// So many lines before and after each match are kept too.
    context: i64,
    matched: VecDeque<LineId>,
    /// The lines looked at are those from here …
    from: LineId,
    /// … to here; what has not ended is looked at when it is drawn.
    upto: LineId,
}

impl Filter {
    /// Returns a filter over what is held.
    pub fn new(needle: Needle, buffer: &LineBuffer) -> Self {
        let from = buffer.first_id();
        let mut filter = Self { needle, context: 0, matched: VecDeque::new(), from, upto: from };
        filter.follow(buffer);
        filter
    }

    /// Reads what is typed: a text, and `-C 3` behind it for three lines around each match. `None` when there is no text.
    pub fn read(typed: &str, buffer: &LineBuffer) -> Option<Self> {
        let around = typed.rsplit_once(" -C").and_then(|(text, n)| Some((text, n.trim().parse::<i64>().ok()?)));
        let (text, context) = around.unwrap_or((typed, 0));
        let filter = Self::new(Needle::new(text.trim_end())?, buffer);
        Some(Self { context: context.clamp(0, CONTEXT_MAX), ..filter })
    }

    /// Returns what was typed.
    pub fn typed(&self) -> String {
        match self.context {
            0 => self.needle.text().to_owned(),
            context => format!("{} -C {context}", self.needle.text()),
        }
    }

    /// Says whether a line is there for itself, and not for one beside it.
    pub fn is_match(&self, id: LineId) -> bool {
        self.context == 0 || id >= self.upto || self.matched.binary_search(&id).is_ok()
    }

    /// Returns what is looked for.
    pub fn needle(&self) -> &Needle {
        &self.needle
    }

    /// Returns how many lines are kept, and out of how many.
    pub fn counts(&self, buffer: &LineBuffer) -> (usize, usize) {
        let open = usize::from(self.open(buffer).is_some());
        (self.matched.len() + open, (buffer.end_id().0 - buffer.first_id().0).max(0) as usize)
    }

    /// Looks at what came since, at either end; costs what came, not what is held.
    pub fn follow(&mut self, buffer: &LineBuffer) {
        let (first, end) = (buffer.first_id(), buffer.closed_end_id());
        if end < self.from || first > self.upto {
            (self.from, self.upto) = (first, first);
            self.matched.clear();
        }
        while self.matched.front().is_some_and(|id| *id < first) {
            self.matched.pop_front();
        }
        while self.matched.back().is_some_and(|id| *id >= end) {
            self.matched.pop_back();
        }
        (self.from, self.upto) = (self.from.max(first), self.upto.min(end));
        while self.from > first {
            self.from = self.from.plus(-1);
            if self.keeps(buffer, self.from) {
                self.matched.push_front(self.from);
            }
        }
        while self.upto < end {
            if self.keeps(buffer, self.upto) {
                self.matched.push_back(self.upto);
            }
            self.upto = self.upto.plus(1);
        }
    }

    /// Looks again at the lines up to `seam`, whose text grew at its front.
    pub fn grew(&mut self, seam: LineId) {
        while self.matched.front().is_some_and(|id| *id <= seam) {
            self.matched.pop_front();
        }
        self.from = self.from.max(seam.plus(1));
        self.upto = self.upto.max(self.from);
    }

    fn keeps(&self, buffer: &LineBuffer, id: LineId) -> bool {
        match buffer.get(id) {
            Some(View::Line { offset, bytes, .. }) => self.needle.is_in(offset, bytes),
            Some(View::Gap { .. } | View::Restart { .. }) => true,
            None => false,
        }
    }

    fn open(&self, buffer: &LineBuffer) -> Option<LineId> {
        let open = buffer.closed_end_id();
        (buffer.end_id() > open && self.keeps(buffer, open)).then_some(open)
    }

    /// Returns the first line kept that is `id` or after it.
    pub fn at_or_after(&self, buffer: &LineBuffer, id: LineId) -> Option<LineId> {
        let id = id.max(buffer.first_id());
        // The first match whose surroundings reach `id`.
        let at = self.matched.partition_point(|kept| kept.plus(self.context) < id);
        let closed = self.matched.get(at).map(|hit| id.max(hit.plus(-self.context)));
        let open = self.open(buffer).map(|open| id.max(open.plus(-self.context))).filter(|found| *found < buffer.end_id());
        let found = closed.into_iter().chain(open).min()?;
        (found < buffer.end_id()).then_some(found)
    }

    /// Returns the last line kept that is before `id`.
    pub fn before(&self, buffer: &LineBuffer, id: LineId) -> Option<LineId> {
        let last = id.min(buffer.end_id()).plus(-1);
        let at = self.matched.partition_point(|kept| kept.plus(-self.context) <= last);
        let hit = at.checked_sub(1).and_then(|at| self.matched.get(at));
        let closed = hit.map(|hit| last.min(hit.plus(self.context)));
        let open = self.open(buffer).filter(|open| open.plus(-self.context) <= last).map(|open| last.min(open));
        closed.into_iter().chain(open).max().filter(|found| *found >= buffer.first_id())
    }
}

#[cfg(test)]
mod tests {
    use super::super::buffer::LetGo;
    use super::*;

    fn kept(filter: &Filter, buffer: &LineBuffer) -> Vec<String> {
        let (mut id, mut lines) = (buffer.first_id(), Vec::new());
        while let Some(at) = filter.at_or_after(buffer, id) {
            if let Some(View::Line { offset, bytes, .. }) = buffer.get(at) {
                lines.push(clean(offset, bytes).text().to_owned());
            }
            id = at.plus(1);
        }
        lines
    }

    #[test]
    fn it_keeps_up_at_both_ends() {
        let mut buffer = LineBuffer::default();
        buffer.append(12, b"ss=3\nother\nlo\x1b[1mss=4\n50 %\rloss=5", 100, LetGo::Front);
        let mut filter = Filter::new(Needle::new("loss").unwrap(), &buffer);
        assert_eq!(kept(&filter, &buffer), ["loss=4", "loss=5"], "colours do not hide a word, the open line counts");
        let seam = buffer.prepend(0, b"loss=1\nok\nlo").unwrap();
        filter.grew(seam);
        filter.follow(&buffer);
        assert_eq!(kept(&filter, &buffer), ["loss=1", "loss=3", "loss=4", "loss=5"]);
        buffer.append(buffer.end_offset().unwrap(), b"\rdone\nloss=6\n", 200, LetGo::Front);
        filter.follow(&buffer);
        assert_eq!(kept(&filter, &buffer), ["loss=1", "loss=3", "loss=4", "loss=6"]);
        assert_eq!(filter.before(&buffer, buffer.first_id().plus(2)), Some(buffer.first_id()));
        assert_eq!(filter.counts(&buffer), (4, 7));
        buffer.clear();
        filter.follow(&buffer);
        assert_eq!(filter.counts(&buffer), (0, 0));
    }

    #[test]
    fn lines_around_a_match_are_kept_too() {
        let mut buffer = LineBuffer::default();
        let text: String =
            (0..30).map(|n| format!("{}{n}\n", if n == 10 || n == 13 || n == 25 { "hit " } else { "" })).collect();
        buffer.append(0, text.as_bytes(), text.len() as u64, LetGo::Front);
        let filter = Filter::read("hit -C 2", &buffer).expect("a text");
        let want = ["8", "9", "hit 10", "11", "12", "hit 13", "14", "15", "23", "24", "hit 25", "26", "27"];
        assert_eq!(kept(&filter, &buffer), want);
        assert_eq!(filter.typed(), "hit -C 2");
        let mut back = Vec::new();
        let mut id = buffer.end_id();
        while let Some(found) = filter.before(&buffer, id) {
            back.push(found);
            id = found;
        }
        assert_eq!(back.len(), want.len(), "the same lines, seen from below");
        assert!(filter.is_match(back[2]) && !filter.is_match(back[0]));
        assert!(Filter::read(" -C 2", &buffer).is_none());
        buffer.append(text.len() as u64, b"hit at the end", 999, LetGo::Front);
        assert_eq!(kept(&filter, &buffer).last().map(String::as_str), Some("hit at the end"));
    }
}
