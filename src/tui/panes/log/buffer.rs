//! The part of a log file that is held: a run of whole lines around the place that is looked at, in a file of any size.
//!
//! It grows at its end by what a follower sends, at its front and its end by windows read on demand, and lets go at the
//! other end what is over [`HELD_BYTES_MAX`]. It never has a silent hole: what was not sent is a [`Item::Gap`], a file that
//! began anew an [`Item::Restart`]. Each line has a [`LineId`] that stays while the buffer grows and shrinks around it.
//!
//! Bytes are raw here; `view` cleans what it draws. Nothing on the way of appended bytes looks at lines held before.

use std::collections::VecDeque;

use super::split::{FileLine, LINE_BYTES_MAX, LineEnd, Splitter};

/// How many bytes one log may hold in memory, [`LINE_COST`] per line included: some 50,000 usual lines, enough for a
/// filter and for paging without a read; small beside the bound of 20 MB for the whole screen at start (perf P14).
pub const HELD_BYTES_MAX: usize = 8 << 20;
/// What a line costs beside its bytes: its entry and the allocation.
pub const LINE_COST: usize = 80;

/// Names a line while it is held; the next line's is one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(pub i64);

impl LineId {
    /// Returns the name of the line `by` lines below.
    pub fn plus(self, by: i64) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// What stands in one place of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A line.
    Line(FileLine),
    /// These bytes of the file were not sent.
    Gap {
        /// The first of them.
        from: u64,
        /// The first one after them.
        to: u64,
    },
    /// The file was cut short or replaced here; what follows begins at offset 0 again.
    Restart {
        /// Cut short, rather than replaced.
        truncated: bool,
    },
}

impl Item {
    /// Says whether it is a line that was ended by a gap and not by its length, so that what follows belongs to it.
    fn is_part(&self) -> bool {
        matches!(self, Self::Line(line) if line.end == LineEnd::Cut && line.bytes.len() < LINE_BYTES_MAX)
    }
}

/// A line as it is read out of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// A line of the file.
    Line {
        /// The offset of its first byte.
        offset: u64,
        /// Its raw bytes.
        bytes: &'a [u8],
        /// Its beginning is missing: it is the first one held, and the window began in the middle of it.
        headless: bool,
    },
    /// See [`Item::Gap`].
    Gap {
        /// The first byte that is missing.
        from: u64,
        /// The first one that is not.
        to: u64,
    },
    /// See [`Item::Restart`].
    Restart {
        /// Cut short, rather than replaced.
        truncated: bool,
    },
}

/// Which end lets go when too much is held: the one away from what is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetGo {
    /// The oldest lines, because the end is looked at.
    Front,
    /// Nothing; once it is full, what is sent is only counted and read again when it is looked at.
    Nothing,
}

/// The held part of one file.
#[derive(Clone, Debug)]
pub struct LineBuffer {
    items: VecDeque<Item>,
    first: LineId,
    /// Splits what comes at the end; `None` until the first byte's offset is known.
    tail: Option<Splitter>,
    held: usize,
    /// How many items at the front are of a file that is no more, the mark after them included.
    former: usize,
    /// The first line held begins a line of the file.
    front_is_start: bool,
    /// How many line feeds there are from the beginning of the file to the end of what is held, when all were seen.
    newlines: Option<u64>,
    /// The end of the file, as far as it is known.
    size: u64,
    /// What is held reaches the end of what was sent.
    attached: bool,
    held_max: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            first: LineId(0),
            tail: None,
            held: 0,
            former: 0,
            front_is_start: false,
            newlines: None,
            size: 0,
            attached: true,
            held_max: HELD_BYTES_MAX,
        }
    }
}

impl LineBuffer {
    /// Forgets all; the next bytes say where they are. Names of lines are not used again.
    pub fn clear(&mut self) {
        let (first, size, held_max) = (self.end_id().plus(1), self.size, self.held_max);
        *self = Self { first, size, held_max, ..Self::default() };
    }

    /// Forgets all and begins at `offset`, not attached to what is followed: windows fill it.
    pub fn jump(&mut self, offset: u64) {
        self.clear();
        self.begin(offset);
        self.attached = false;
    }

    fn begin(&mut self, offset: u64) {
        self.tail = Some(Splitter::new(offset));
        self.front_is_start = offset == 0;
        self.newlines = (offset == 0).then_some(0);
    }

    /// Takes bytes that a follower sent. Returns how many lines ended in them.
    ///
    /// What overlaps with bytes held is not taken twice; what is missing between becomes a gap.
    pub fn append(&mut self, offset: u64, bytes: &[u8], size: u64, let_go: LetGo) -> u64 {
        self.size = size.max(offset + bytes.len() as u64);
        let newlines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
        if self.tail.is_none() {
            self.begin(offset);
        }
        if self.attached {
            let more = bytes.len() + newlines as usize * LINE_COST;
            if let_go == LetGo::Nothing && self.held + more > self.held_max {
                self.attached = false;
            } else {
                self.take(offset, bytes);
                self.let_go_front();
            }
        }
        newlines
    }

    /// Takes a window that was read at the end of what is held, because that is looked at. Returns whether it fitted
    /// there: when it did not, it answers a question that is no longer asked.
    pub fn extend(&mut self, offset: u64, bytes: &[u8], size: u64) -> bool {
        if self.attached || self.end_offset() != Some(offset) {
            return false;
        }
        self.size = self.size.max(size);
        self.take(offset, bytes);
        self.let_go_front();
        self.attached = self.end_offset() >= Some(self.size);
        true
    }

    fn take(&mut self, offset: u64, bytes: &[u8]) {
        let end = self.end_offset().unwrap_or(offset);
        if offset > end {
            self.gap(end, offset);
        }
        let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        let Some(tail) = &mut self.tail else { return };
        let (items, held) = (&mut self.items, &mut self.held);
        let mut newlines = 0;
        tail.feed(&bytes[known..], &mut |line| {
            *held += cost(&line);
            newlines += u64::from(line.end == LineEnd::Newline);
            items.push_back(Item::Line(line));
        });
        self.newlines = self.newlines.map(|n| n + newlines);
    }

    /// Notes that the bytes from `from` to `to` were not sent.
    pub fn skipped(&mut self, from: u64, to: u64) {
        self.size = self.size.max(to);
        if self.tail.is_none() {
            self.begin(to);
        } else if self.attached && self.end_offset() < Some(to) {
            self.gap(from.max(self.end_offset().unwrap_or(from)), to);
        }
    }

    fn gap(&mut self, from: u64, to: u64) {
        self.cut_open();
        self.items.push_back(Item::Gap { from, to });
        self.held += LINE_COST;
        self.newlines = None;
        self.tail = Some(Splitter::new(to));
    }

    /// Notes that the file was cut short or replaced: what follows is of offset 0.
    pub fn restarted(&mut self, truncated: bool) {
        self.cut_open();
        self.items.push_back(Item::Restart { truncated });
        self.held += LINE_COST;
        self.former = self.items.len();
        self.tail = Some(Splitter::new(0));
        self.newlines = Some(0);
        self.size = 0;
        self.attached = true;
    }

    fn cut_open(&mut self) {
        let (items, held) = (&mut self.items, &mut self.held);
        if let Some(tail) = &mut self.tail {
            tail.cut(&mut |line| {
                *held += cost(&line);
                items.push_back(Item::Line(line));
            });
        }
    }

    fn let_go_front(&mut self) {
        while self.held > self.held_max {
            let Some(item) = self.items.pop_front() else { return };
            self.held -= item_cost(&item);
            self.first = self.first.plus(1);
            self.former = self.former.saturating_sub(1);
            self.front_is_start = match &item {
                Item::Line(line) => line.end == LineEnd::Newline,
                Item::Gap { .. } => false,
                Item::Restart { .. } => true,
            };
        }
    }

    /// Takes a window that was read before what is held. Returns the line whose text grew by it, with the lines now
    /// before it being new; `None` when the window does not end where what is held begins.
    pub fn prepend(&mut self, offset: u64, bytes: &[u8]) -> Option<LineId> {
        if self.front_offset() != Some(offset + bytes.len() as u64) || !self.can_grow_front() || bytes.is_empty() {
            return None;
        }
        let mut lines = Vec::new();
        let mut splitter = Splitter::new(offset);
        splitter.feed(bytes, &mut |line| lines.push(line));
        let before = self.items.len();
        if !splitter.open().is_empty() {
            self.join(&mut splitter, &mut lines);
        }
        let joined = before - self.items.len();
        self.first = self.first.plus(joined as i64 - lines.len() as i64);
        for line in lines.into_iter().rev() {
            self.held += cost(&line);
            self.items.push_front(Item::Line(line));
        }
        self.front_is_start = offset == 0;
        if offset == 0 {
            self.newlines = self.count_newlines();
        }
        let seam = self.id_at_offset(offset + bytes.len() as u64 - 1);
        self.let_go_back();
        seam
    }

    /// The window ends in the middle of the first line held: makes one line of the two parts.
    fn join(&mut self, splitter: &mut Splitter, lines: &mut Vec<FileLine>) {
        match self.items.front() {
            Some(Item::Line(front)) if front.is_whole() => {
                splitter.feed(&front.bytes, &mut |line| lines.push(line));
                match front.end {
                    LineEnd::Newline => splitter.feed(b"\n", &mut |line| lines.push(line)),
                    LineEnd::Cut => splitter.cut(&mut |line| lines.push(line)),
                }
                self.held -= cost(front);
                self.items.pop_front();
            }
            Some(_) => splitter.cut(&mut |line| lines.push(line)),
            None => match &mut self.tail {
                Some(tail) if tail.open_is_whole() => {
                    splitter.feed(tail.open(), &mut |line| lines.push(line));
                    *tail = splitter.clone();
                }
                Some(_) | None => splitter.cut(&mut |line| lines.push(line)),
            },
        }
    }

    /// Counts the line feeds held, unless something is missing between them. Once per file read up to its beginning.
    fn count_newlines(&self) -> Option<u64> {
        let mut newlines = 0;
        for item in &self.items {
            match item {
                Item::Line(line) => newlines += u64::from(line.end == LineEnd::Newline),
                Item::Gap { .. } | Item::Restart { .. } => return None,
            }
        }
        Some(newlines)
    }

    /// Lets go at the end what is over the bound, because the front is looked at.
    fn let_go_back(&mut self) {
        while self.held > self.held_max && self.items.len() > 1 {
            let before = self.items.len();
            self.truncate_after(self.closed_end_id().plus(-2));
            if self.items.len() == before {
                return;
            }
        }
    }

    /// Forgets all after `last`, but not a restart of the file; windows fill it again.
    pub fn truncate_after(&mut self, last: LineId) {
        let (Some(tail), true) = (&self.tail, self.end_id() > last.plus(1)) else { return };
        let mut end = tail.open_offset();
        while self.closed_end_id() > last.plus(1) {
            end = match self.items.back() {
                Some(Item::Line(line)) => line.offset,
                Some(Item::Gap { from, .. }) => *from,
                Some(Item::Restart { .. }) | None => break,
            };
            if let Some(item) = self.items.pop_back() {
                self.held -= item_cost(&item);
            }
        }
        self.tail = Some(match self.items.pop_back_if(|item| item.is_part()) {
            Some(Item::Line(part)) => {
                self.held -= cost(&part);
                Splitter::resume(part)
            }
            Some(Item::Gap { .. } | Item::Restart { .. }) | None => Splitter::new(end),
        });
        self.newlines = None;
        self.attached = false;
    }

    /// Forgets all up to the gap at `id`, itself included, so that what is before can be read and joins without a hole.
    pub fn forget_through(&mut self, id: LineId) {
        while self.first <= id {
            let Some(item) = self.items.pop_front() else { return };
            self.held -= item_cost(&item);
            self.first = self.first.plus(1);
            self.former = self.former.saturating_sub(1);
        }
        self.front_is_start = false;
        self.newlines = None;
    }

    /// Says whether there may be something before what is held.
    pub fn can_grow_front(&self) -> bool {
        self.former == 0 && self.front_offset().is_some_and(|offset| offset > 0)
    }

    /// Returns the offset of the first byte held.
    pub fn front_offset(&self) -> Option<u64> {
        match self.items.front() {
            Some(Item::Line(line)) => Some(line.offset),
            Some(Item::Gap { from, .. }) => Some(*from),
            Some(Item::Restart { .. }) => None,
            None => self.tail.as_ref().map(Splitter::open_offset),
        }
    }

    /// Returns the offset after the last byte held.
    pub fn end_offset(&self) -> Option<u64> {
        self.tail.as_ref().map(Splitter::end_offset)
    }

    /// Returns the offset after the last line that has ended: where a search beyond what is held begins.
    pub fn closed_end_offset(&self) -> Option<u64> {
        self.tail.as_ref().map(Splitter::open_offset)
    }

    /// Says whether what is held reaches the end of what was sent.
    pub fn attached(&self) -> bool {
        self.attached
    }

    /// Returns the end of the file, as far as it is known.
    pub fn size(&self) -> u64 {
        self.size
    }

    #[cfg(test)]
    /// Returns how many bytes are held, with what lines cost beside their bytes.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Returns the name of the first line.
    pub fn first_id(&self) -> LineId {
        self.first
    }

    /// Returns the name after the last line, the one that has not ended included.
    pub fn end_id(&self) -> LineId {
        self.closed_end_id().plus(i64::from(self.has_open()))
    }

    /// Returns the name after the last line that has ended.
    pub fn closed_end_id(&self) -> LineId {
        self.first.plus(self.items.len() as i64)
    }

    fn has_open(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| !tail.open().is_empty())
    }

    /// Returns the number of lines of the file up to the end of what is held, when all of them were seen.
    pub fn lines_seen(&self) -> Option<u64> {
        self.newlines.filter(|_| self.attached).map(|n| n + u64::from(self.has_open()))
    }

    /// Returns what stands at `id`.
    pub fn get(&self, id: LineId) -> Option<View<'_>> {
        let at = usize::try_from(id.0.checked_sub(self.first.0)?).ok()?;
        let headless = at == 0 && !self.front_is_start;
        match self.items.get(at) {
            Some(Item::Line(line)) => Some(View::Line { offset: line.offset, bytes: &line.bytes, headless }),
            Some(Item::Gap { from, to }) => Some(View::Gap { from: *from, to: *to }),
            Some(Item::Restart { truncated }) => Some(View::Restart { truncated: *truncated }),
            None if at == self.items.len() && self.has_open() => {
                self.tail.as_ref().map(|tail| View::Line { offset: tail.open_offset(), bytes: tail.open(), headless })
            }
            None => None,
        }
    }

    /// Returns the line that holds the byte at `offset`, when it is held.
    pub fn id_at_offset(&self, offset: u64) -> Option<LineId> {
        let within = partition(&self.items, self.former.min(self.items.len()), |item| match item {
            Item::Line(line) => line.end_offset() <= offset,
            Item::Gap { to, .. } => *to <= offset,
            Item::Restart { .. } => true,
        });
        match self.items.get(within) {
            Some(Item::Line(line)) if line.offset <= offset => Some(self.first.plus(within as i64)),
            Some(_) => None,
            None => {
                let tail = self.tail.as_ref()?;
                (tail.open_offset() <= offset && offset < tail.end_offset()).then(|| self.closed_end_id())
            }
        }
    }
}

/// Returns the first index from `start` on for which `before` is false; `before` is true for a prefix only.
fn partition(items: &VecDeque<Item>, start: usize, before: impl Fn(&Item) -> bool) -> usize {
    let (mut low, mut high) = (start, items.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if before(&items[middle]) { low = middle + 1 } else { high = middle }
    }
    low
}

fn cost(line: &FileLine) -> usize {
    line.bytes.len() + LINE_COST
}

fn item_cost(item: &Item) -> usize {
    match item {
        Item::Line(line) => cost(line),
        Item::Gap { .. } | Item::Restart { .. } => LINE_COST,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn small() -> LineBuffer {
        LineBuffer { held_max: 40 * LINE_COST, ..LineBuffer::default() }
    }

    fn texts(buffer: &LineBuffer) -> Vec<String> {
        let mut texts = Vec::new();
        let mut id = buffer.first_id();
        while let Some(view) = buffer.get(id) {
            texts.push(match view {
                View::Line { bytes, headless, .. } => {
                    format!("{}{}", if headless { "…" } else { "" }, String::from_utf8_lossy(bytes))
                }
                View::Gap { from, to } => format!("-- {from}..{to}"),
                View::Restart { truncated } => format!("== {truncated}"),
            });
            id = id.plus(1);
        }
        assert_eq!(id, buffer.end_id());
        texts
    }

    #[test]
    fn it_grows_at_both_ends_and_joins_the_cut_line() {
        let mut buffer = LineBuffer::default();
        assert_eq!(buffer.append(9, b"hree\nfour\nfi", 21, LetGo::Front), 2);
        assert_eq!(texts(&buffer), ["…hree", "four", "fi"]);
        assert_eq!(buffer.lines_seen(), None);
        let three = buffer.first_id();
        assert_eq!(buffer.prepend(3, b"\ntwo\nt"), Some(three));
        assert_eq!(texts(&buffer), ["…", "two", "three", "four", "fi"]);
        assert_eq!(buffer.prepend(0, b"one"), buffer.id_at_offset(2));
        assert_eq!(buffer.append(21, b"ve\n", 24, LetGo::Front), 1);
        assert_eq!(texts(&buffer), ["one", "two", "three", "four", "five"]);
        assert_eq!(buffer.lines_seen(), Some(5));
        assert_eq!(buffer.get(three), Some(View::Line { offset: 8, bytes: b"three", headless: false }), "names stay");
    }

    #[test]
    fn a_window_that_no_longer_fits_is_not_taken() {
        let mut buffer = LineBuffer::default();
        assert_eq!(buffer.prepend(0, b"x\n"), None);
        buffer.append(100, b"a\nb\n", 104, LetGo::Front);
        assert_eq!(buffer.prepend(90, b"z\n"), None);
        assert!(!buffer.extend(104, b"c\n", 106), "attached: the follower sends it");
        assert_eq!(texts(&buffer), ["…a", "b"]);
    }

    #[test]
    fn what_was_sent_before_is_not_taken_twice() {
        let mut buffer = LineBuffer::default();
        buffer.append(0, b"one\ntw", 6, LetGo::Front);
        buffer.append(2, b"e\ntwo\n", 8, LetGo::Front);
        buffer.append(0, b"one\n", 8, LetGo::Front);
        assert_eq!(texts(&buffer), ["one", "two"]);
    }

    #[test]
    fn gaps_and_restarts_are_said() {
        let mut buffer = LineBuffer::default();
        buffer.append(0, b"one\npart", 8, LetGo::Front);
        buffer.skipped(8, 90);
        buffer.append(90, b"late\n", 95, LetGo::Front);
        assert_eq!(texts(&buffer), ["one", "part", "-- 8..90", "late"]);
        assert_eq!((buffer.lines_seen(), buffer.id_at_offset(50)), (None, None));
        buffer.restarted(true);
        buffer.append(0, b"new\n", 4, LetGo::Front);
        assert_eq!(texts(&buffer)[3..], ["late", "== true", "new"]);
        assert_eq!(buffer.lines_seen(), Some(1));
        assert!(!buffer.can_grow_front());
        assert_eq!(buffer.id_at_offset(0), Some(buffer.end_id().plus(-1)), "offsets are those of the new file");
    }

    #[test]
    fn a_gap_can_be_read_from_both_sides() {
        let file = b"one\ntwo\nthree\nfour\n";
        let gapped = || {
            let mut buffer = LineBuffer::default();
            buffer.append(0, &file[..4], 4, LetGo::Front);
            buffer.skipped(4, 14);
            buffer.append(14, &file[14..], 19, LetGo::Front);
            buffer
        };
        let mut above = gapped();
        above.truncate_after(above.first_id());
        assert!(above.extend(4, &file[4..], 19) && above.attached());
        assert_eq!(texts(&above), ["one", "two", "three", "four"]);
        let mut below = gapped();
        below.forget_through(below.first_id().plus(1));
        assert!(below.prepend(0, &file[..14]).is_some());
        assert_eq!(texts(&below), ["one", "two", "three", "four"]);
    }

    #[test]
    fn while_nothing_may_go_it_fills_and_then_counts() {
        let mut buffer = small();
        let mut new = 0;
        for n in 0..100u64 {
            new += buffer.append(n * 8, format!("line {n:02}\n").as_bytes(), (n + 1) * 8, LetGo::Nothing);
        }
        assert_eq!((new, buffer.attached(), buffer.size()), (100, false, 800));
        assert!(buffer.held() <= 40 * LINE_COST);
        assert_eq!(texts(&buffer)[0], "line 00");
        let end = buffer.end_offset().unwrap();
        assert!(buffer.extend(end, &b"x".repeat((800 - end) as usize), 800) && buffer.attached());
    }

    /// What a reader of a file can do, each with where or how much.
    #[derive(Clone, Debug)]
    enum Act {
        Sent(usize, LetGo),
        Skip(usize),
        Before(usize),
        After(usize),
        Jump(usize),
        Cut(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0usize..300, prop_oneof![Just(LetGo::Front), Just(LetGo::Nothing)]).prop_map(|(n, l)| Act::Sent(n, l)),
            (1usize..100).prop_map(Act::Skip),
            (1usize..200).prop_map(Act::Before),
            (1usize..200).prop_map(Act::After),
            (0usize..4000).prop_map(Act::Jump),
            (0usize..40).prop_map(Act::Cut),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_is_held_is_the_file(
            lines in proptest::collection::vec("[a-z ]{0,30}", 50..200),
            start in 0usize..500,
            acts in proptest::collection::vec(act(), 1..60),
        ) {
            let file = lines.join("\n").into_bytes();
            let mut sent = start.min(file.len());
            let mut buffer = small();
            for act in acts {
                apply(&mut buffer, &file, &mut sent, act);
                check(&buffer, &file)?;
            }
        }
    }

    fn apply(buffer: &mut LineBuffer, file: &[u8], sent: &mut usize, act: Act) {
        match act {
            Act::Sent(n, let_go) => {
                let upto = (*sent + n).min(file.len());
                buffer.append(*sent as u64, &file[*sent..upto], upto as u64, let_go);
                *sent = upto;
            }
            Act::Skip(n) => {
                let upto = (*sent + n).min(file.len());
                if upto > *sent {
                    buffer.skipped(*sent as u64, upto as u64);
                }
                *sent = upto;
            }
            Act::Before(n) => {
                if let (Some(front), true) = (buffer.front_offset(), buffer.can_grow_front()) {
                    let from = (front as usize).saturating_sub(n);
                    assert!(buffer.prepend(from as u64, &file[from..front as usize]).is_some());
                }
            }
            Act::After(n) => {
                if let (Some(end), false) = (buffer.end_offset(), buffer.attached()) {
                    let upto = (end as usize + n).min(*sent).max(end as usize);
                    assert!(buffer.extend(end, &file[end as usize..upto], *sent as u64));
                }
            }
            Act::Jump(at) => buffer.jump(at.min(*sent) as u64),
            Act::Cut(n) => buffer.truncate_after(buffer.first_id().plus(n as i64)),
        }
    }

    /// Lines and gaps tile the file without a hole, each line has the file's bytes, is found by its offset, and is whole.
    fn check(buffer: &LineBuffer, file: &[u8]) -> Result<(), TestCaseError> {
        prop_assert!(buffer.held() <= buffer.held_max + 300 + 31 * LINE_COST);
        let mut next = buffer.front_offset();
        let mut id = buffer.first_id();
        while let Some(view) = buffer.get(id) {
            match view {
                View::Line { offset, bytes, headless } => {
                    prop_assert_eq!(Some(offset), next);
                    let (from, upto) = (offset as usize, offset as usize + bytes.len());
                    prop_assert_eq!(&file[from..upto], bytes);
                    let starts =
                        from == 0 || file[from - 1] == b'\n' || matches!(buffer.get(id.plus(-1)), Some(View::Gap { .. }));
                    prop_assert!(starts || headless, "line at {} begins in the middle", from);
                    let item = buffer.items.get((id.0 - buffer.first.0) as usize);
                    let ended = matches!(item, Some(Item::Line(FileLine { end: LineEnd::Newline, .. })));
                    next = Some((upto + usize::from(ended)) as u64);
                    if !bytes.is_empty() || ended {
                        prop_assert_eq!(buffer.id_at_offset(offset), Some(id));
                    }
                }
                View::Gap { from, to } => {
                    prop_assert_eq!(Some(from), next);
                    next = Some(to);
                }
                View::Restart { .. } => prop_assert!(false, "no restart was told"),
            }
            id = id.plus(1);
        }
        prop_assert_eq!(id, buffer.end_id());
        prop_assert_eq!(next, buffer.end_offset().or(next));
        if let Some(lines) = buffer.lines_seen() {
            let upto = &file[..buffer.end_offset().unwrap_or(0) as usize];
            prop_assert_eq!(lines as usize, upto.split_inclusive(|b| *b == b'\n').count());
        }
        Ok(())
    }
}
