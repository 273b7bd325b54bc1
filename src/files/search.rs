//! Search for a fixed text in a whole file, on its node: the node reads, only places travel. Forwards one `grep` reads to the end, and is
//! ended there when the search is dropped; backwards, and where `grep` cannot do that, the file is searched a part at a time.

use std::time::{Duration, Instant};

use crate::files::talk::{Answer, Talk};
use crate::files::{Desk, FileError, FilePath, LinkSource, window};

/// The longest text to search for.
pub(super) const TEXT_BYTES_MAX: usize = 1024;
/// How much the node searches first.
const PART_BYTES: u64 = 32 * 1024 * 1024;
/// How much it searches at once when it is fast: a part takes some 8 ms to begin and to end, which shall not be most of it.
const PART_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// As long as a part takes less than this, the next one is larger. A dropped search goes on there for twice as long at most.
const PART_TIME: Duration = Duration::from_millis(60);
/// What is read at once on the node; parts are rounded to it there and cut.
const BLOCK_BYTES: u64 = 64 * 1024;
/// How far before a place the begin of its line is looked for, in bytes; a longer line begins there for us.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// An answer is a place and the text.
const ANSWER_BYTES_MAX: usize = TEXT_BYTES_MAX + 64;

/// Which way to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the offset to the end: the first place that begins there or later.
    Forwards,
    /// From the offset to the begin: the last place that ends there or earlier.
    Backwards,
}

impl<L: LinkSource> Desk<L> {
    /// Returns the offset of the line in which a text stands first, from an offset on; `None` when it stands nowhere.
    ///
    /// # Errors
    /// The text is no part of a line, the file is missing or no regular file, or the node does not answer.
    pub async fn search(
        &self,
        path: &FilePath,
        text: &str,
        from: u64,
        direction: Direction,
    ) -> Result<Option<u64>, FileError> {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(['\n', '\0']) {
            return Err(FileError::Text);
        }
        let mut talk = self.talk().await?;
        let size = talk.ask(path, "stat", 0).await?.facts.regular(path)?.size;
        if direction == Direction::Forwards {
            if from >= size {
                return Ok(None);
            }
            match first(&mut talk, path, text, from).await? {
                First::At(place) => return line_begin(&mut talk, path, place).await.map(Some),
                First::Nowhere => return Ok(None),
                First::ByParts => {}
            }
        }
        // A text may lie across the end of a part.
        let overlap = text.len() as u64 - 1;
        let next = if direction == Direction::Forwards { from } else { from.min(size) };
        let mut parts = Parts { next, size, direction, bytes: PART_BYTES };
        while let Some((start, end)) = parts.next() {
            let began = Instant::now();
            let limit = if direction == Direction::Forwards { size } else { from.min(size) };
            if let Some(place) = scan(&mut talk, path, text, start, (end + overlap).min(limit), direction).await? {
                return line_begin(&mut talk, path, place).await.map(Some);
            }
            if began.elapsed() < PART_TIME {
                parts.bytes = (parts.bytes * 2).min(PART_BYTES_MAX);
            }
        }
        Ok(None)
    }
}

/// The parts of a file in the order in which they are searched.
struct Parts {
    next: u64,
    size: u64,
    direction: Direction,
    /// How long the next one is.
    bytes: u64,
}

impl Parts {
    fn next(&mut self) -> Option<(u64, u64)> {
        let at = self.next;
        match self.direction {
            Direction::Forwards => {
                self.next = at.saturating_add(self.bytes).min(self.size);
                (at < self.size).then_some((at, self.next))
            }
            Direction::Backwards => {
                self.next = at.saturating_sub(self.bytes);
                (at > 0).then_some((self.next, at))
            }
        }
    }
}

/// What a node says of the first place.
enum First {
    At(u64),
    Nowhere,
    /// Its programs cannot look for it in one go.
    ByParts,
}

/// Looks for the first place from an offset on, as long as the node reads.
async fn first(talk: &mut Talk, path: &FilePath, text: &str, start: u64) -> Result<First, FileError> {
    let question = format!("text {text}\nfirst {start}");
    let answer = talk.ask_at_leisure(path, &question, ANSWER_BYTES_MAX).await?;
    answer.facts.regular(path)?;
    Ok(match place(&answer, start) {
        Some(place) => First::At(place),
        None if answer.bytes.starts_with(b"parts") => First::ByParts,
        None => First::Nowhere,
    })
}

async fn scan(
    talk: &mut Talk,
    path: &FilePath,
    text: &str,
    start: u64,
    end: u64,
    direction: Direction,
) -> Result<Option<u64>, FileError> {
    let how = match direction {
        Direction::Forwards => "first",
        Direction::Backwards => "last",
    };
    let skip = start / BLOCK_BYTES;
    let (count, lead) = (end.div_ceil(BLOCK_BYTES) - skip, start % BLOCK_BYTES + 1);
    let question = format!("text {text}\nscan {how} {skip} {count} {lead} {} {start}", end - start);
    let answer = talk.ask(path, &question, ANSWER_BYTES_MAX).await?;
    answer.facts.regular(path)?;
    Ok(place(&answer, start))
}

/// Reads a place, which is counted from `start` on.
fn place(answer: &Answer, start: u64) -> Option<u64> {
    let digits: String = answer.bytes.iter().map(|byte| char::from(*byte)).take_while(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok().map(|place| start + place)
}

async fn line_begin(talk: &mut Talk, path: &FilePath, place: u64) -> Result<u64, FileError> {
    let farthest = place.saturating_sub(LINE_BYTES_MAX);
    let mut end = place;
    while end > farthest {
        let start = end.saturating_sub(BLOCK_BYTES).max(farthest);
        let bytes = window::read(talk, path, start, end).await?;
        if let Some(at) = memchr::memrchr(b'\n', &bytes) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(farthest)
}
