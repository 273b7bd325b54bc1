//! The lines and bytes that go over a data channel: our program's first line behind whatever a login shell's start-up
//! file prints, questions, and answers that end with a word of ours.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use uuid::Uuid;

use crate::files::{FileError, FilePath};
use crate::model::shown::Shown;
use crate::transport::link::{Channel, Link, Traffic};

/// The first line of our programs.
const FIRST_LINE: &[u8] = b"OSTLER-DATA 1";
/// How much a login shell may print before our program starts, in bytes; also the longest line we wait for.
const NOISE_BYTES_MAX: usize = 64 * 1024;
/// How much is read at once: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;
/// How much is read at once where a line is waited for.
const LINE_BYTES: usize = 1024;
/// How many bytes are handed on at once where many come: few enough to forget, enough that a write is worth its while.
const POUR_BYTES: usize = 1024 * 1024;
/// How long one answer may take: a node under load, a cold disk; and ssh gives up a dead connection after 15 s.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long the facts behind a mark can be, in bytes: two numbers of 20 digits and a word.
const FACTS_BYTES_MAX: usize = 64;
/// The most bytes of a last line: our word, a kind, two numbers.
const LAST_LINE_BYTES_MAX: usize = 256;
/// The program that copies files.
const COPY: &str = concat!(include_str!("../../assets/agent/paths.sh"), include_str!("../../assets/agent/copy.sh"));
/// The program that answers looks.
const LOOK: &str = concat!(include_str!("../../assets/agent/paths.sh"), include_str!("../../assets/agent/look.sh"));

/// What a path is on the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    None,
    File,
    Folder,
    Other,
}

/// What the node says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub inode: u64,
    pub kind: Kind,
    pub size: u64,
}

impl Facts {
    /// Reads `INODE KIND SIZE`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let inode = words.next()?.parse().ok()?;
        let kind = match words.next()? {
            "none" => Kind::None,
            "file" => Kind::File,
            "folder" => Kind::Folder,
            "other" => Kind::Other,
            _ => return None,
        };
        Some(Self { inode, kind, size: words.next()?.parse().ok()? })
    }

    /// Returns itself when it is a regular file.
    pub fn regular(self, path: &FilePath) -> Result<Self, FileError> {
        match self.kind {
            Kind::File => Ok(self),
            Kind::None => Err(FileError::Missing { path: path.shown().clone() }),
            Kind::Folder | Kind::Other => Err(FileError::NotRegular { path: path.shown().clone() }),
        }
    }
}

/// A stream that gives lines first and raw bytes afterwards.
pub(super) struct Lines {
    from: Pin<Box<dyn AsyncRead + Send>>,
    held: Vec<u8>,
}

impl Lines {
    pub fn new(from: Pin<Box<dyn AsyncRead + Send>>) -> Self {
        Self { from, held: Vec::new() }
    }

    /// Returns the next line, without its end; `None` at the end of the stream, or when the line is longer than any of ours.
    /// May be dropped while it waits.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.held) {
                let line = String::from_utf8_lossy(&self.held[..at]).into_owned();
                self.held.drain(..=at);
                return Ok(Some(line));
            }
            // By itself a buffer would take 64 bytes at a time.
            self.held.reserve(LINE_BYTES);
            if self.held.len() > NOISE_BYTES_MAX || self.from.read_buf(&mut self.held).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Appends further raw bytes; 0 at the end of the stream. May be dropped while it waits.
    pub async fn bytes(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        if self.held.is_empty() {
            into.reserve(READ_BYTES);
            return self.from.read_buf(into).await;
        }
        let count = self.held.len();
        into.append(&mut self.held);
        Ok(count)
    }

    /// Passes over what a login shell printed, to our program's first line.
    pub async fn handshake(&mut self) -> Result<(), FileError> {
        let mut noise = Vec::new();
        while noise.len() <= NOISE_BYTES_MAX {
            match self.line().await {
                Ok(Some(line)) if line.as_bytes() == FIRST_LINE => return Ok(()),
                Ok(Some(line)) => noise.extend_from_slice(format!("{line}\n").as_bytes()),
                Ok(None) | Err(_) => break,
            }
        }
        let words: Vec<_> = Shown::last_lines(&noise, 3).into_iter().map(String::from).collect();
        let noise = if words.is_empty() { "nothing".into() } else { Shown::new(&words.join(" · ")) };
        Err(FileError::Noise { noise })
    }
}

/// A program that one can talk with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Look,
    Copy,
}

/// A conversation with a program that answers questions about files.
pub(super) struct Talk {
    channel: Channel,
    from: Lines,
    end: String,
}

/// An answer: its bytes, and the facts of the path right after they were read.
pub(super) struct Answer {
    pub bytes: Vec<u8>,
    pub facts: Facts,
}

/// A piece of a long answer.
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Last(Answer),
}

impl Talk {
    pub async fn open(link: &Link, program: Program) -> Result<Self, FileError> {
        let (traffic, text) = match program {
            Program::Look => (Traffic::Look, LOOK),
            Program::Copy => (Traffic::Copy, COPY),
        };
        let mut channel = link.open_data(traffic, text).await.map_err(FileError::Link)?;
        let stdout = std::mem::replace(&mut channel.stdout, Box::pin(tokio::io::empty()));
        let mut talk = Self { channel, from: Lines::new(stdout), end: Uuid::new_v4().simple().to_string() };
        let first = async {
            let end = format!("{}\n", talk.end);
            // If it cannot be written, the program's silence says more than this error.
            let _ = talk.channel.stdin.write_all(end.as_bytes()).await;
            let _ = talk.channel.stdin.flush().await;
            talk.from.handshake().await
        };
        timeout(ANSWER_MAX, first).await.map_err(|_| FileError::Noise { noise: Shown::new("nothing") })??;
        Ok(talk)
    }

    /// Asks about a path. An answer is at most `bytes_max` long; whoever sends more is no longer listened to.
    pub async fn ask(&mut self, path: &FilePath, question: &str, bytes_max: usize) -> Result<Answer, FileError> {
        let lost = FileError::Lost { path: path.shown().clone(), source: None };
        timeout(ANSWER_MAX, self.answer(path, question, bytes_max)).await.unwrap_or(Err(lost))
    }

    /// Asks what takes the node as long as it takes, and tells it when the answer has come: until then it looks whether
    /// anybody is here. A dead connection is given up by ssh.
    pub async fn ask_at_leisure(&mut self, path: &FilePath, question: &str, bytes_max: usize) -> Result<Answer, FileError> {
        let answer = self.answer(path, question, bytes_max).await?;
        let told = async {
            self.channel.stdin.write_all(b".\n").await?;
            self.channel.stdin.flush().await
        };
        told.await.map_err(|source| FileError::Lost { path: path.shown().clone(), source: Some(source) })?;
        Ok(answer)
    }

    async fn answer(&mut self, path: &FilePath, question: &str, bytes_max: usize) -> Result<Answer, FileError> {
        let lost = |source| FileError::Lost { path: path.shown().clone(), source };
        self.say(path, question, &[]).await?;
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = self.ended(&mut bytes) {
                return Ok(answer);
            }
            // The word and the facts come on top.
            if bytes.len() > bytes_max + LAST_LINE_BYTES_MAX {
                return Err(lost(None));
            }
            match self.from.bytes(&mut bytes).await {
                Ok(0) => return Err(lost(None)),
                Ok(_) => {}
                Err(error) => return Err(lost(Some(error))),
            }
        }
    }

    /// Asks many questions without waiting for each answer, and hands the answers over in order, each with the number of
    /// its question. No answer may be longer than `bytes_max`.
    pub async fn ask_all<'q>(
        &mut self,
        questions: impl ExactSizeIterator<Item = (&'q FilePath, String)> + Clone,
        bytes_max: usize,
        mut take: impl FnMut(usize, Answer),
    ) -> Result<(), FileError> {
        let text = |(path, what): (&FilePath, String)| format!("root {}\npath {}\n{what}\n", path.root(), path.as_str());
        let asked: String = questions.clone().map(text).collect();
        let Self { channel, from, end } = self;
        let mark = format!("\n{end} ");
        let (first, paths) = (questions.clone().next(), questions);
        let Some((first, _)) = first else { return Ok(()) };
        let write = async {
            let written = async {
                channel.stdin.write_all(asked.as_bytes()).await?;
                channel.stdin.flush().await
            };
            written.await.map_err(|error| FileError::Lost { path: first.shown().clone(), source: Some(error) })
        };
        let read = async {
            let mut held = Vec::new();
            for (at, (path, _)) in paths.enumerate() {
                let lost = |source| FileError::Lost { path: path.shown().clone(), source };
                let answer = next_answer(from, &mark, &mut held, bytes_max);
                let answer = timeout(ANSWER_MAX, answer).await.unwrap_or(Ok(None)).map_err(|error| lost(Some(error)))?;
                take(at, answer.ok_or_else(|| lost(None))?);
            }
            Ok(())
        };
        tokio::try_join!(write, read).map(|_| ())
    }

    /// Sends a question, with raw bytes behind it.
    pub async fn say(&mut self, path: &FilePath, question: &str, bytes: &[u8]) -> Result<(), FileError> {
        let lost = |source| FileError::Lost { path: path.shown().clone(), source: Some(source) };
        let asked = format!("root {}\npath {}\n{question}\n", path.root(), path.as_str());
        self.channel.stdin.write_all(asked.as_bytes()).await.map_err(lost)?;
        self.channel.stdin.write_all(bytes).await.map_err(lost)?;
        self.channel.stdin.flush().await.map_err(lost)
    }

    /// Hears one answer that is text, whatever was asked after it.
    pub async fn hear(&mut self, path: &FilePath, bytes_max: usize, patience: Duration) -> Result<Answer, FileError> {
        let lost = |source| FileError::Lost { path: path.shown().clone(), source };
        let answer = async {
            let mut bytes = Vec::new();
            loop {
                let line = self.from.line().await.map_err(|error| lost(Some(error)))?.ok_or_else(|| lost(None))?;
                if let Some(facts) = line.strip_prefix(&self.end).and_then(|facts| Facts::parse(facts.trim_start())) {
                    return Ok(Answer { bytes, facts });
                }
                if bytes.len() > bytes_max {
                    return Err(lost(None));
                }
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
            }
        };
        timeout(ANSWER_MAX + patience, answer).await.unwrap_or_else(|_| Err(lost(None)))
    }

    /// Waits for further bytes of an answer that is many raw bytes. `held` is the caller's to keep between two calls.
    pub async fn more(&mut self, path: &FilePath, held: &mut Vec<u8>) -> Result<Piece, FileError> {
        let lost = |source| FileError::Lost { path: path.shown().clone(), source };
        loop {
            if let Some(answer) = self.ended(held) {
                return Ok(Piece::Last(answer));
            }
            if held.len() > POUR_BYTES + LAST_LINE_BYTES_MAX {
                // What may be the last line stays.
                let tail = held.split_off(held.len() - LAST_LINE_BYTES_MAX);
                return Ok(Piece::Bytes(std::mem::replace(held, tail)));
            }
            match timeout(ANSWER_MAX, self.from.bytes(held)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) | Err(_) => return Err(lost(None)),
                Ok(Err(error)) => return Err(lost(Some(error))),
            }
        }
    }

    /// Says whether the answer is whole: its last line begins with our word, which no file can hold by chance.
    fn ended(&self, bytes: &mut Vec<u8>) -> Option<Answer> {
        let text = bytes.strip_suffix(b"\n")?;
        let begin = memchr::memrchr(b'\n', text)?;
        let line = std::str::from_utf8(&text[begin + 1..]).ok()?;
        let facts = Facts::parse(line.strip_prefix(&self.end)?.trim_start())?;
        bytes.truncate(begin);
        Some(Answer { bytes: std::mem::take(bytes), facts })
    }
}

/// Reads the next of several answers; `held` has what was read of those behind it. `None` when there will be none.
async fn next_answer(from: &mut Lines, mark: &str, held: &mut Vec<u8>, bytes_max: usize) -> io::Result<Option<Answer>> {
    let mut looked = 0;
    loop {
        if let Some(begin) = memchr::memmem::find(&held[looked..], mark.as_bytes()).map(|at| at + looked)
            && let Some(length) = memchr::memchr(b'\n', &held[begin + mark.len()..])
        {
            let words = String::from_utf8_lossy(&held[begin + mark.len()..][..length]).into_owned();
            let rest = held.split_off(begin + mark.len() + length + 1);
            let mut bytes = std::mem::replace(held, rest);
            bytes.truncate(begin);
            return Ok(Facts::parse(&words).map(|facts| Answer { bytes, facts }));
        }
        // The mark may have come in part, or without the end of its line.
        looked = held.len().saturating_sub(mark.len() + FACTS_BYTES_MAX);
        if held.len() > bytes_max + NOISE_BYTES_MAX || from.bytes(held).await? == 0 {
            return Ok(None);
        }
    }
}
