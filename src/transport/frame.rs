//! The wire format, without any I/O. What a node says are lines; what we say to it is text for its shell, in which every
//! word that is not ours stands in single quotes. Everything a node says is checked here: sizes are bounded, keys and
//! numbers parse, and words lose their control characters.

use crate::model::ids::RankKey;
use crate::model::state::{Proof, StopWhy};

/// The longest line a node may say, in bytes, and the longest order it is sent: a shell that reads its input byte by
/// byte (bash) takes 25 ms for that much.
pub const FRAME_BYTES_MAX: usize = 64 << 10;
/// The longest sentence of a node that is kept, in characters; the rest is cut.
pub const WORDS_CHARS_MAX: usize = 1000;

/// Cuts a byte stream into lines. Feeding it in any pieces gives the same lines; it never holds more than
/// [`FRAME_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    too_long: bool,
}

/// One line, or what stood where one should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line without its line feed.
    Whole(Vec<u8>),
    /// A line that was longer than [`FRAME_BYTES_MAX`] and was dropped.
    TooLong,
}

impl Lines {
    /// Takes bytes and returns the lines that they complete.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..at]);
            bytes = &bytes[at + 1..];
            let whole = std::mem::take(&mut self.buffer);
            lines.push(if std::mem::take(&mut self.too_long) { Line::TooLong } else { Line::Whole(whole) });
        }
        self.keep(bytes);
        lines
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > FRAME_BYTES_MAX {
            self.too_long = true;
            self.buffer = Vec::new();
        }
        if !self.too_long {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Returns the bytes after the last line feed.
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }
}

/// What a node's agent says; the letters are explained at the head of `agent.sh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `f`
    Fact { name: String, value: String },
    /// `i`
    Listed { key: RankKey, status: Status },
    /// `u`
    Up,
    /// `k`
    Done { seq: u64 },
    /// `p`
    Pong { seq: u64 },
    /// `!`
    Fatal { code: String, words: String },
    /// `S`
    Started { key: RankKey },
    /// `H`
    Stuck { key: RankKey, why: String },
    /// `X`, `F`, `R`, `L`, `B`
    Gone { key: RankKey, end: End },
    /// `D`
    Asked { key: RankKey, request: u32, host: String },
    /// `d`; `None` is a line feed.
    AskedText { key: RankKey, request: u32, text: Option<String> },
    /// `e`
    AskedEnd { key: RankKey, request: u32 },
}

/// One entry of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its supervisor or its process lives.
    Alive,
    /// It is over.
    Gone(End),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Said by the node.
    Proof(Proof),
    /// It was started under another boot; the one now is a fact that the node has said.
    OtherBoot,
}

/// What a node said that no agent of ours says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node said `{0}`")]
pub struct Unexpected(pub String);

impl Said {
    /// Reads one line.
    ///
    /// # Errors
    /// The line, cut and cleaned, when it is none of ours.
    pub fn parse(line: &[u8]) -> Result<Self, Unexpected> {
        let text = String::from_utf8_lossy(line);
        parse(&text).ok_or_else(|| Unexpected(words(&text).chars().take(120).collect()))
    }
}

fn parse(line: &str) -> Option<Said> {
    let (letter, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match letter {
        "f" => {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            Said::Fact { name: words(name), value: words(value) }
        }
        "i" => {
            let (key, status) = rest.split_once(' ')?;
            Said::Listed { key: key.parse().ok()?, status: parse_status(status)? }
        }
        "u" if rest.is_empty() => Said::Up,
        "k" => Said::Done { seq: rest.parse().ok()? },
        "p" => Said::Pong { seq: rest.parse().ok()? },
        "!" => {
            let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
            Said::Fatal { code: words(code), words: words(text) }
        }
        "S" => Said::Started { key: rest.parse().ok()? },
        "H" => {
            let (key, why) = rest.split_once(' ')?;
            Said::Stuck { key: key.parse().ok()?, why: words(why) }
        }
        "X" => gone(rest, parse_exit)?,
        "F" => gone(rest, |_| Some(Proof::Fenced))?,
        "R" => gone(rest, |why| Some(refused(why)))?,
        "L" => gone(rest, |why| Some(Proof::Lost { why: words(why) }))?,
        "B" => Said::Gone { key: rest.parse().ok()?, end: End::OtherBoot },
        "D" => {
            let (key, request, host) = parse_asked(rest)?;
            crate::model::names::check_host(host).ok()?;
            Said::Asked { key, request, host: host.to_owned() }
        }
        "d" => {
            let (key, request, piece) = parse_asked(rest)?;
            let text = match piece.strip_prefix('t') {
                Some(text) => Some(text.to_owned()),
                None if piece == "n" => None,
                None => return None,
            };
            Said::AskedText { key, request, text }
        }
        "e" => {
            let (key, request, _) = parse_asked(rest)?;
            Said::AskedEnd { key, request }
        }
        _ => return None,
    })
}

fn gone(rest: &str, proof: impl Fn(&str) -> Option<Proof>) -> Option<Said> {
    let (key, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Said::Gone { key: key.parse().ok()?, end: End::Proof(proof(text)?) })
}

fn parse_asked(rest: &str) -> Option<(RankKey, u32, &str)> {
    let (key, rest) = rest.split_once(' ')?;
    let (request, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((key.parse().ok()?, request.parse().ok()?, rest))
}

fn parse_status(status: &str) -> Option<Status> {
    let (word, rest) = status.split_once(' ').unwrap_or((status, ""));
    let proof = match word {
        "alive" => return Some(Status::Alive),
        "reboot" => return Some(Status::Gone(End::OtherBoot)),
        "exit" => parse_exit(rest)?,
        "fenced" => Proof::Fenced,
        "refused" => refused(rest),
        "lost" => Proof::Lost { why: words(rest) },
        _ => return None,
    };
    Some(Status::Gone(End::Proof(proof)))
}

/// `WORDS`, or `!CODE WORDS` when no second try could do better.
fn refused(rest: &str) -> Proof {
    let coded = rest.strip_prefix('!').and_then(|rest| rest.split_once(' '));
    match coded.filter(|(code, _)| !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric())) {
        Some((code, why)) => Proof::Refused { why: words(why), code: Some(code.to_owned()) },
        None => Proof::Refused { why: words(rest), code: None },
    }
}

fn parse_exit(rest: &str) -> Option<Proof> {
    let (code, why) = rest.split_once(' ')?;
    let (why, said) = why.split_once(' ').unwrap_or((why, ""));
    let code: i32 = code.parse().ok().filter(|code| (0..=255).contains(code))?;
    let said = words(said);
    if why == "-" && code != 0 && !said.is_empty() {
        return Some(Proof::Told { code, words: said });
    }
    Some(Proof::Exit { code, why: if why == "-" { None } else { Some(parse_why(why)?) } })
}

/// Returns the word that a node keeps for the cause of a stop.
pub fn why_word(why: StopWhy) -> &'static str {
    match why {
        StopWhy::Terminate => "terminate",
        StopWhy::Limit => "limit",
        StopWhy::Scale => "scale",
        StopWhy::Sibling => "sibling",
        StopWhy::GangLost => "ganglost",
        StopWhy::Preempted => "preempted",
        StopWhy::Reclaimed => "reclaimed",
        StopWhy::Finished => "finished",
    }
}

fn parse_why(word: &str) -> Option<StopWhy> {
    use StopWhy::{Finished, GangLost, Limit, Preempted, Reclaimed, Scale, Sibling, Terminate};
    [Terminate, Limit, Scale, Sibling, GangLost, Preempted, Reclaimed, Finished]
        .into_iter()
        .find(|why| why_word(*why) == word)
}

/// Returns a node's words as they may be kept and shown: without control characters, at most [`WORDS_CHARS_MAX`].
pub fn words(text: &str) -> String {
    let clean = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(WORDS_CHARS_MAX).collect()
}

/// Puts text into single quotes for a POSIX shell: the only way in which data becomes part of a command. The text must
/// not hold a NUL, which no shell can carry.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quote_into(&mut quoted, text);
    quoted
}

/// As [`quote`], at the end of `out`.
pub fn quote_into(out: &mut String, text: &str) {
    out.push('\'');
    for (at, part) in text.split('\'').enumerate() {
        if at > 0 {
            out.push_str("'\\''");
        }
        out.push_str(part);
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_agent_says() {
        let key: RankKey = "12.1.m0".parse().unwrap();
        let proof = |proof| End::Proof(proof);
        for (line, said) in [
            ("u", Said::Up),
            ("k 7", Said::Done { seq: 7 }),
            ("S 12.1.m0", Said::Started { key }),
            ("H 12.1.m0 pid 7 (a\u{7})", Said::Stuck { key, why: "pid 7 (a )".into() }),
            ("X 12.1.m0 3 -", Said::Gone { key, end: proof(Proof::Exit { code: 3, why: None }) }),
            ("X 12.1.m0 143 limit", Said::Gone { key, end: proof(Proof::Exit { code: 143, why: Some(StopWhy::Limit) }) }),
            (
                "X 12.1.s0 1 - no\u{7} such",
                Said::Gone {
                    key: "12.1.s0".parse().unwrap(),
                    end: proof(Proof::Told { code: 1, words: "no  such".into() }),
                },
            ),
            ("X 12.1.m0 0 - done", Said::Gone { key, end: proof(Proof::Exit { code: 0, why: None }) }),
            ("F 12.1.m0", Said::Gone { key, end: proof(Proof::Fenced) }),
            ("L 12.1.m0 a b", Said::Gone { key, end: proof(Proof::Lost { why: "a b".into() }) }),
            ("B 12.1.m0", Said::Gone { key, end: End::OtherBoot }),
            ("i 12.1.m0 alive", Said::Listed { key, status: Status::Alive }),
            ("i 12.1.m0 fenced", Said::Listed { key, status: Status::Gone(proof(Proof::Fenced)) }),
            ("D 12.1.m0 0 node2", Said::Asked { key, request: 0, host: "node2".into() }),
            ("d 12.1.m0 0 t  a ", Said::AskedText { key, request: 0, text: Some("  a ".into()) }),
            ("d 12.1.m0 0 n", Said::AskedText { key, request: 0, text: None }),
            ("f os Debian\u{1b}[2J 12", Said::Fact { name: "os".into(), value: "Debian [2J 12".into() }),
        ] {
            assert_eq!(Said::parse(line.as_bytes()), Ok(said), "{line}");
        }
        for line in
            ["", "u u", "X 12.1.m0", "X 12.1.m0 300 -", "X 12.1.m0 -1 -", "X 12.1.m0 0 bored", "S ../x", "i 1.1.m0 odd"]
        {
            assert!(Said::parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Said::parse(b"D 12.1.m0 0 -oProxyCommand=x").is_err());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(data in prop::collection::vec(prop::sample::select(b"ab \n\xff".to_vec()), 0..400),
                                             cuts in prop::collection::vec(0usize..400, 0..20)) {
            let whole = Lines::default().feed(&data);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
            cuts.extend([0, data.len()]);
            cuts.sort_unstable();
            let mut lines = Lines::default();
            let parts: Vec<Line> = cuts.windows(2).flat_map(|cut| lines.feed(&data[cut[0]..cut[1]])).collect();
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn random_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..2000)) {
            for line in Lines::default().feed(&data) {
                if let Line::Whole(line) = line {
                    let _ = Said::parse(&line);
                }
            }
        }
    }

    #[test]
    fn memory_is_bounded_and_the_stream_recovers() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            assert!(lines.feed(&[b'x'; 1000]).is_empty());
            assert!(lines.buffer.capacity() <= 2 * FRAME_BYTES_MAX);
        }
        assert_eq!(lines.feed(b"\nu\n"), [Line::TooLong, Line::Whole(b"u".to_vec())]);
    }

    #[test]
    fn a_line_of_the_limit_passes() {
        let mut line = vec![b'x'; FRAME_BYTES_MAX];
        line.push(b'\n');
        assert_eq!(Lines::default().feed(&line).len(), 1);
        assert_ne!(Lines::default().feed(&line), [Line::TooLong]);
    }
}
