//! Raw bytes of a log file into lines, in whatever pieces the bytes come.
//!
//! Only splits; what a line may show is decided when it is drawn (`model::shown`). So appending costs one pass over the
//! new bytes, however much is held already.
//!
//! A progress bar that rewrites itself by carriage returns is one record of any length. Once such a record outgrows
//! [`LINE_BYTES_MAX`], what was overwritten is forgotten and the record stays one line. A longer record without
//! carriage returns is cut into pieces of that length.

/// The most bytes of one line that are held; longer lines are cut (reliability: a line of 64 KiB fills any screen, and
/// a viewer that took whole lines of 90,000 characters was seen to freeze).
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// With a line feed.
    Newline,
    /// It goes on in the next one, because it is longer than [`LINE_BYTES_MAX`].
    Cut,
}

/// One line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLine {
    /// The offset of its first byte.
    pub offset: u64,
    /// How many bytes of the file it takes, its line feed included.
    pub span: u64,
    /// Its bytes without the line feed; shorter than `span` when overwritten parts of a progress bar were forgotten.
    pub bytes: Box<[u8]>,
    /// How it ended.
    pub end: LineEnd,
}

impl FileLine {
    /// Returns the offset after its last byte.
    pub fn end_offset(&self) -> u64 {
        self.offset + self.span
    }

    /// Says whether nothing of the line was forgotten, so that it may be joined with what stands before it.
    pub fn is_whole(&self) -> bool {
        let newline = match self.end {
            LineEnd::Newline => 1,
            LineEnd::Cut => 0,
        };
        self.bytes.len() as u64 + newline == self.span
    }
}

/// Splits a stream of bytes of one file; holds the line that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splitter {
    offset: u64,
    span: u64,
    bytes: Vec<u8>,
}

impl Splitter {
    /// Returns a splitter whose first byte will be the one at `offset`.
    pub fn new(offset: u64) -> Self {
        Self { offset, span: 0, bytes: Vec::new() }
    }

    /// Returns a splitter that goes on in the middle of `line`.
    pub fn resume(line: FileLine) -> Self {
        Self { offset: line.offset, span: line.span, bytes: line.bytes.into_vec() }
    }

    /// Returns the offset after the last byte fed.
    pub fn end_offset(&self) -> u64 {
        self.offset + self.span
    }

    /// Returns the offset of the line that has not ended.
    pub fn open_offset(&self) -> u64 {
        self.offset
    }

    /// Returns the bytes of the line that has not ended.
    pub fn open(&self) -> &[u8] {
        &self.bytes
    }

    /// Says whether nothing of the open line was forgotten.
    pub fn open_is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.span
    }

    /// Takes the next bytes and gives each line that ended in them to `sink`.
    pub fn feed(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(FileLine)) {
        while let Some(first) = bytes.first() {
            if *first == b'\n' {
                self.span += 1;
                self.close(LineEnd::Newline, sink);
                bytes = &bytes[1..];
                continue;
            }
            if self.bytes.len() == LINE_BYTES_MAX {
                self.make_room(sink);
            }
            let room = LINE_BYTES_MAX - self.bytes.len();
            let part = &bytes[..room.min(bytes.len())];
            let upto = part.iter().position(|b| *b == b'\n').unwrap_or(part.len());
            self.bytes.extend_from_slice(&part[..upto]);
            self.span += upto as u64;
            bytes = &bytes[upto..];
        }
    }

    /// Ends the open line where it is, when there is one.
    pub fn cut(&mut self, sink: &mut impl FnMut(FileLine)) {
        if self.span > 0 {
            self.close(LineEnd::Cut, sink);
        }
    }

    /// The open line is full and goes on: forgets what a carriage return overwrote, else cuts the line.
    fn make_room(&mut self, sink: &mut impl FnMut(FileLine)) {
        let before_last = &self.bytes[..self.bytes.len() - 1];
        match before_last.iter().rposition(|b| *b == b'\r') {
            Some(at) => drop(self.bytes.drain(..=at)),
            None => self.close(LineEnd::Cut, sink),
        }
    }

    fn close(&mut self, end: LineEnd, sink: &mut impl FnMut(FileLine)) {
        let line = FileLine { offset: self.offset, span: self.span, bytes: self.bytes.as_slice().into(), end };
        self.bytes.clear();
        self.offset += self.span;
        self.span = 0;
        sink(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<FileLine>, Splitter) {
        let (mut lines, mut splitter) = (Vec::new(), Splitter::new(100));
        for piece in pieces {
            splitter.feed(piece, &mut |line| lines.push(line));
        }
        (lines, splitter)
    }

    #[test]
    fn lines_know_where_they_stand() {
        let (lines, splitter) = split(&[b"one\n\ntw", b"o\r\nthr"]);
        let seen: Vec<(u64, u64, &[u8])> = lines.iter().map(|l| (l.offset, l.span, &*l.bytes)).collect();
        assert_eq!(seen, [(100, 4, &b"one"[..]), (104, 1, b""), (105, 5, b"two\r")]);
        assert_eq!((splitter.open_offset(), splitter.open(), splitter.end_offset()), (110, &b"thr"[..], 113));
        assert!(lines.iter().all(FileLine::is_whole));
    }

    #[test]
    fn a_progress_bar_of_any_length_is_one_line() {
        let mut stream = Vec::new();
        for step in 0..20_000 {
            stream.extend_from_slice(format!("\r{step:5} of 20000 done").as_bytes());
        }
        let (lines, splitter) = split(&[&stream]);
        assert_eq!(lines, []);
        assert!(splitter.open().ends_with(b"\r19999 of 20000 done"));
        assert!(splitter.open().len() <= LINE_BYTES_MAX && !splitter.open_is_whole());
        assert_eq!((splitter.open_offset(), splitter.end_offset()), (100, 100 + stream.len() as u64));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let (lines, splitter) = split(&[&vec![b'x'; LINE_BYTES_MAX * 2 + 5]]);
        assert_eq!(
            lines.iter().map(|l| (l.offset, l.end)).collect::<Vec<_>>(),
            [(100, LineEnd::Cut), (100 + LINE_BYTES_MAX as u64, LineEnd::Cut)]
        );
        assert_eq!(splitter.open().len(), 5);
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            6 => proptest::collection::vec(prop_oneof![b'a'..=b'z', Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            1 => (1usize..3 * LINE_BYTES_MAX, prop_oneof![Just(b'x'), Just(b'\r'), Just(b'\n')]).prop_map(|(n, b)| vec![b; n]),
            1 => (1usize..9000).prop_map(|n| b"12 % done\r".repeat(n)),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_cut_gives_the_same_lines(bytes in stream(), cuts in proptest::collection::vec(any::<u32>(), 0..20)) {
            let mut at: Vec<usize> = cuts.iter().map(|c| *c as usize % (bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = split(&[&bytes]);
            prop_assert_eq!(&split(&pieces), &whole);
            // Nothing is lost or doubled: the spans tile the stream, and each line is found at its offset.
            let mut next = 100;
            for line in &whole.0 {
                prop_assert_eq!(line.offset, next);
                next = line.end_offset();
                if line.is_whole() {
                    let from = (line.offset - 100) as usize;
                    prop_assert_eq!(&bytes[from..from + line.bytes.len()], &*line.bytes);
                }
            }
            prop_assert_eq!(whole.1.open_offset(), next);
            prop_assert_eq!(whole.1.end_offset(), 100 + bytes.len() as u64);
        }
    }
}
