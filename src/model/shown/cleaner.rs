//! From bytes in pieces of any cut to clean lines. A line of printable ASCII is copied as it is; the rest goes through
//! the parser of escape sequences.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};

use crate::model::shown::chars::{Fate, fate, is_plain};
use crate::model::shown::{CELL_BYTES_MAX, CELL_MARKS_MAX, LINE_BYTES_MAX, ShownLine, Style, TAB_COLUMNS};

/// How many bytes the parser gets at once: it looks through all of them anew after each byte that is not UTF-8.
const PARSER_PIECE_BYTES: usize = 256;
/// Ends whatever sequence or character the parser is in.
const CANCEL: u8 = 0x18;

/// Makes clean lines of the bytes of one file. The same bytes give the same lines however they are cut.
#[derive(Default)]
pub struct Cleaner {
    parser: WholeCharacters,
    draft: Draft,
    /// The parser may be inside a sequence or a character: what comes next has to go through it.
    in_parser: bool,
    offset: u64,
    bytes: u64,
}

impl Cleaner {
    /// Returns a cleaner for bytes that begin at an offset of their file, which should be the begin of a line.
    pub fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Takes the next bytes and gives each line that they end, in order.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(ShownLine)) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..at], &rest[at + 1..]);
            self.push(line.strip_suffix(b"\r").unwrap_or(line));
            self.bytes += at as u64 + 1;
            each(self.end_line());
            rest = after;
        }
        self.push(rest);
        self.bytes += rest.len() as u64;
    }

    /// Returns the line that has no line feed yet, as far as it is there: a prompt, a progress bar.
    pub fn unfinished(&self) -> Option<ShownLine> {
        (self.bytes > 0).then(|| {
            let mut line = self.draft.line.clone();
            line.bytes = self.bytes;
            line.offset = self.offset;
            limit_cells(&mut line);
            line
        })
    }

    /// Returns the offset of the next byte that it expects.
    pub fn offset(&self) -> u64 {
        self.offset + self.bytes
    }

    /// Goes on at another place of the file, or at the begin of a new one: colours and an unfinished line are forgotten.
    pub fn jump(&mut self, offset: u64) {
        *self = Self::at(offset);
    }

    fn push(&mut self, bytes: &[u8]) {
        if !self.in_parser && self.draft.takes_plain() && is_plain(bytes) {
            self.draft.plain(bytes);
            return;
        }
        self.in_parser = true;
        self.parser.advance(&mut self.draft, bytes);
    }

    fn end_line(&mut self) -> ShownLine {
        if self.in_parser {
            self.parser.cancel(&mut self.draft);
            self.in_parser = false;
        }
        let mut line = self.draft.take();
        limit_cells(&mut line);
        line.offset = self.offset;
        line.bytes = self.bytes;
        line.ended = true;
        self.offset += self.bytes;
        self.bytes = 0;
        line
    }
}

/// Cleans one text in which nothing may rewrite what stands before it.
pub(super) fn whole(bytes: &[u8]) -> String {
    let mut draft = Draft { rewriting: Rewriting::Shown, ..Draft::default() };
    let mut parser = WholeCharacters::default();
    parser.advance(&mut draft, bytes);
    parser.cancel(&mut draft);
    let mut line = draft.take();
    limit_cells(&mut line);
    line.text
}

/// The parser, given whole characters only. Its own way to put together a character that came in two pieces loses the
/// one after it when a third is cut too (vte 0.15.0, `advance_partial_utf8`; found by our property test).
#[derive(Default)]
struct WholeCharacters {
    parser: Parser,
    /// The begin of a character whose end has not come.
    held: [u8; 3],
    held_bytes: usize,
}

impl WholeCharacters {
    fn advance(&mut self, draft: &mut Draft, bytes: &[u8]) {
        let mut piece = [0; PARSER_PIECE_BYTES];
        let mut rest = bytes;
        while !rest.is_empty() {
            let held = std::mem::take(&mut self.held_bytes);
            let taken = rest.len().min(PARSER_PIECE_BYTES - held);
            piece[..held].copy_from_slice(&self.held[..held]);
            piece[held..held + taken].copy_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            let filled = held + taken;
            self.held_bytes = begun_character(&piece[..filled]);
            let whole = filled - self.held_bytes;
            self.held[..self.held_bytes].copy_from_slice(&piece[whole..filled]);
            self.parser.advance(draft, &piece[..whole]);
        }
    }

    /// Ends whatever character or sequence is open.
    fn cancel(&mut self, draft: &mut Draft) {
        let held = std::mem::take(&mut self.held_bytes);
        let mut piece = [CANCEL; 4];
        piece[..held].copy_from_slice(&self.held[..held]);
        draft.cancelling = true;
        self.parser.advance(draft, &piece[..=held]);
        draft.cancelling = false;
    }
}

/// Returns how many bytes at the end are the begin of a character that may still be completed.
fn begun_character(bytes: &[u8]) -> usize {
    let lead = bytes.iter().rev().take(3).position(|byte| byte & 0xc0 != 0x80);
    let Some(length) = lead.map(|from_end| from_end + 1) else { return 0 };
    match std::str::from_utf8(&bytes[bytes.len() - length..]) {
        Err(error) if error.error_len().is_none() => length,
        Ok(_) | Err(_) => 0,
    }
}

/// What carriage return and backspace do.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Rewriting {
    /// What follows takes the place of what stands there, as with a progress bar.
    #[default]
    Acted,
    /// They become symbols.
    Shown,
}

/// The line under way.
#[derive(Default)]
struct Draft {
    line: ShownLine,
    style: Style,
    rewriting: Rewriting,
    column: usize,
    /// Zero-width characters on the last cell.
    marks: usize,
    /// A carriage return came: the next character starts the line anew.
    returned: bool,
    /// Cells to go back before the next character.
    back: usize,
    /// The control character that comes is our own [`CANCEL`].
    cancelling: bool,
}

impl Draft {
    fn takes_plain(&self) -> bool {
        !self.returned && self.back == 0
    }

    fn plain(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let room = if self.line.cut > 0 { 0 } else { LINE_BYTES_MAX - self.line.text.len() };
        let (kept, cut) = bytes.split_at(bytes.len().min(room));
        // They are ASCII: the lossy conversion borrows.
        self.line.text.push_str(&String::from_utf8_lossy(kept));
        self.line.cut += cut.len() as u64;
        self.extend_run(kept.len());
        self.column += bytes.len();
        self.marks = 0;
    }

    fn take(&mut self) -> ShownLine {
        (self.column, self.marks, self.returned, self.back) = (0, 0, false, 0);
        std::mem::take(&mut self.line)
    }

    fn extend_run(&mut self, bytes: usize) {
        if bytes == 0 || (self.line.runs.is_empty() && self.style.is_plain()) {
            return;
        }
        let before = self.line.text.len() - bytes;
        if self.line.runs.is_empty() && before > 0 {
            self.line.runs.push((Style::default(), before as u32));
        }
        match self.line.runs.last_mut() {
            Some((style, length)) if *style == self.style => *length += bytes as u32,
            _ => self.line.runs.push((self.style, bytes as u32)),
        }
    }

    /// Appends text of our own or one checked character.
    fn append(&mut self, text: &str, columns: usize) {
        self.column += columns;
        if self.line.text.len() + text.len() > LINE_BYTES_MAX || self.line.cut > 0 {
            self.line.cut += text.len() as u64;
            return;
        }
        self.line.text.push_str(text);
        self.extend_run(text.len());
    }

    /// Does what carriage returns and backspaces before this character asked for.
    fn rewrite(&mut self) {
        if std::mem::take(&mut self.returned) {
            self.line.text.clear();
            self.line.runs.clear();
            (self.line.cut, self.column, self.back, self.marks) = (0, 0, 0, 0);
        }
        for _ in 0..std::mem::take(&mut self.back) {
            self.pop_cell();
        }
    }

    fn pop_cell(&mut self) {
        self.marks = 0;
        if self.line.cut > 0 {
            // The cell to go back over is one that was not kept.
            return;
        }
        while let Some(c) = self.line.text.pop() {
            if let Some((_, length)) = self.line.runs.last_mut() {
                *length -= c.len_utf8() as u32;
                if *length == 0 {
                    self.line.runs.pop();
                }
            }
            let columns = c.width().unwrap_or(0);
            if columns > 0 {
                self.column = self.column.saturating_sub(columns);
                return;
            }
        }
        self.column = 0;
    }

    fn put(&mut self, c: char) {
        self.rewrite();
        let mut buffer = [0; 4];
        match fate(c) {
            Fate::Kept(columns) => {
                self.marks = 0;
                self.append(c.encode_utf8(&mut buffer), columns);
            }
            Fate::Mark => {
                if self.column == 0 {
                    self.append("\u{25cc}", 1);
                }
                self.marks += 1;
                if self.marks <= CELL_MARKS_MAX {
                    self.append(c.encode_utf8(&mut buffer), 0);
                }
            }
            Fate::Symbol(symbol) => {
                self.marks = 0;
                self.append(symbol.encode_utf8(&mut buffer), 1);
            }
            Fate::Written => {
                self.marks = 0;
                let written = format!("<{:04X}>", c as u32);
                self.append(&written, written.len());
            }
            Fate::Dropped => {}
        }
    }

    fn tab(&mut self) {
        self.rewrite();
        let columns = TAB_COLUMNS - self.column % TAB_COLUMNS;
        self.marks = 0;
        self.append(&"        "[..columns], columns);
    }
}

impl Perform for Draft {
    fn print(&mut self, c: char) {
        self.put(c);
    }

    fn execute(&mut self, byte: u8) {
        match (byte, self.rewriting) {
            (CANCEL, _) if self.cancelling => {}
            (b'\r', Rewriting::Acted) => self.returned = true,
            // No further back than the line is long; a return before it leaves nothing to go back over.
            (0x08, Rewriting::Acted) => self.back = (self.back + 1).min(self.column),
            (b'\t', _) => self.tab(),
            _ => self.put(char::from(byte)),
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        match action {
            'm' => self.style.apply(params),
            // To the first column: what some progress bars send instead of a carriage return.
            'G' if self.rewriting == Rewriting::Acted => {
                self.returned |= params.iter().next().and_then(|group| group.first()).is_none_or(|column| *column <= 1);
            }
            _ => {}
        }
    }
}

/// Cuts what a terminal would put into one cell to [`CELL_BYTES_MAX`]: letters that join without end, and the like.
fn limit_cells(line: &mut ShownLine) {
    if !may_have_full_cell(&line.text) {
        return;
    }
    // What follows a cut may join what is before it, hence the loop; each turn makes the text shorter.
    loop {
        let cuts: Vec<Range<usize>> = line.text.grapheme_indices(true).filter_map(|(at, cell)| too_long(at, cell)).collect();
        if cuts.is_empty() {
            return;
        }
        let whole = std::mem::take(line);
        let mut at = 0;
        for (style, piece) in whole.spans() {
            let before = line.text.len();
            for c in piece.chars() {
                let next = cuts.partition_point(|cut| cut.end <= at);
                if !cuts.get(next).is_some_and(|cut| cut.contains(&at)) {
                    line.text.push(c);
                }
                at += c.len_utf8();
            }
            let kept = line.text.len() - before;
            if !whole.runs.is_empty() && kept > 0 {
                line.runs.push((style, kept as u32));
            }
        }
        line.cut = whole.cut;
    }
}

/// Says whether there can be a cell that is too long: at most one of its characters is ASCII, so before or after that
/// one there are at least half as many other bytes in a row. To part a line into cells costs ten times what the rest
/// does, and few lines need it.
fn may_have_full_cell(text: &str) -> bool {
    let mut row = 0;
    text.bytes().any(|byte| {
        row = if byte.is_ascii() { 0 } else { row + 1 };
        row >= CELL_BYTES_MAX / 2
    })
}

/// Returns what of a cell that begins at an offset has to go.
fn too_long(at: usize, cell: &str) -> Option<Range<usize>> {
    let kept = cell.floor_char_boundary(CELL_BYTES_MAX);
    (kept < cell.len()).then(|| at + kept..at + cell.len())
}
