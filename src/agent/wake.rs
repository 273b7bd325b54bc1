//! The fifo through which supervisors and launchers reach the agent that is there now: `wake` and the notifier of the
//! scripts. Whoever writes never waits for an agent that is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};

use rustix::fs::{OFlags, fcntl_setfl};

use crate::agent::process::pid_of;
use crate::agent::record::{Spool, read};
use crate::transport::frame::{Line, Lines};

/// The other end, as a supervisor has it: it stays open as long as the same agent reads it.
#[derive(Debug, Default)]
pub struct Waker {
    open: Option<File>,
}

impl Waker {
    /// Hands whole lines to the agent that is there now, if any; shorter than a fifo takes as one.
    pub fn tell(&mut self, spool: &Spool, lines: &str) {
        // The first fails when its agent has ended; the second finds the next one.
        for _ in 0..2 {
            if self.open.is_none() {
                self.open = open(spool);
            }
            let Some(file) = &mut self.open else { return };
            if file.write_all(lines.as_bytes()).is_ok() {
                return;
            }
            self.open = None;
        }
    }
}

fn open(spool: &Spool) -> Option<File> {
    let agent = read(&spool.path("run/agent"));
    let pid = pid_of(agent.lines().next()?)?;
    // Without waiting for a reader: there is none when the agent is gone.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).ok()?;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(spool.path(&format!("run/wake.{pid}"))).ok()?;
    if !file.metadata().ok()?.file_type().is_fifo() {
        return None;
    }
    // Full it is waited for, as long as its reader lives.
    fcntl_setfl(&file, OFlags::empty()).ok()?;
    Some(file)
}

/// What comes through the fifo.
#[derive(Debug)]
pub enum Woken {
    /// A frame for the controller.
    Frame(String),
    /// A launcher asks: its key and the number of its request.
    Asked(String, String),
    /// A worker is through with a key: its pid and the key.
    Free(String, String),
}

/// The agent's end of its fifo.
#[derive(Debug)]
pub struct Ear {
    fifo: File,
    lines: Lines,
    buffer: Vec<u8>,
}

/// As much as a fifo holds.
const READ_BYTES: usize = 64 << 10;

impl Ear {
    /// Opens a fifo; also for writing, so that it never comes to an end.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &std::path::Path) -> std::io::Result<Self> {
        let fifo = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { fifo, lines: Lines::default(), buffer: vec![0; READ_BYTES] })
    }

    /// Waits for something and returns all that is there.
    ///
    /// # Errors
    /// The fifo cannot be read.
    pub fn listen(&mut self) -> std::io::Result<Vec<Woken>> {
        let got = self.fifo.read(&mut self.buffer)?;
        let lines = self.lines.feed(&self.buffer[..got]);
        let text = lines.into_iter().filter_map(|line| match line {
            Line::Whole(line) => String::from_utf8(line).ok(),
            Line::TooLong => None,
        });
        Ok(text.filter_map(woken).collect())
    }
}

fn woken(line: String) -> Option<Woken> {
    let (letter, rest) = line.split_once(' ')?;
    let pair = || rest.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned()));
    match letter {
        "A" => pair().map(|(key, number)| Woken::Asked(key, number)),
        "W" => pair().map(|(pid, key)| Woken::Free(pid, key)),
        "S" | "X" | "F" | "R" | "L" | "B" | "H" => Some(Woken::Frame(line)),
        _ => None,
    }
}

/// The longest piece of a launcher's command in one frame, in bytes.
const PIECE_BYTES_MAX: usize = 512;

/// Returns the frames of a launcher's request; none while it is not whole: its launcher asks again.
pub fn asked(spool: &Spool, key: &str, number: &str) -> Vec<String> {
    let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    if !plain(key) || !plain(number) {
        return Vec::new();
    }
    let Ok(text) = fs::read_to_string(spool.path(&format!("ask/{key}/ask.{number}"))) else { return Vec::new() };
    let Some((host, command)) = text.split_once('\n') else { return Vec::new() };
    let Some(command) = command.strip_suffix("\nend\n") else { return Vec::new() };
    let mut frames = vec![format!("D {key} {number} {host}")];
    for (at, line) in command.split('\n').enumerate() {
        if at > 0 {
            frames.push(format!("d {key} {number} n"));
        }
        let mut left = line;
        while !left.is_empty() {
            let (piece, rest) = left.split_at(left.floor_char_boundary(PIECE_BYTES_MAX));
            frames.push(format!("d {key} {number} t{piece}"));
            left = rest;
        }
    }
    frames.push(format!("e {key} {number}"));
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_in_pieces_and_only_whole() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool { root: dir.path().to_str().unwrap().to_owned(), boot: "b".into() };
        fs::create_dir_all(spool.path("ask/1.1.m0")).unwrap();
        let file = spool.path("ask/1.1.m0/ask.0");
        let long = "é".repeat(300);
        fs::write(&file, format!("node2\norted {long}\n\nlast\nen")).unwrap();
        assert!(asked(&spool, "1.1.m0", "0").is_empty());
        fs::write(&file, format!("node2\norted {long}\n\nlast\nend\n")).unwrap();
        let frames = asked(&spool, "1.1.m0", "0");
        let text: String = frames
            .iter()
            .filter_map(|frame| frame.strip_prefix("d 1.1.m0 0 "))
            .map(|piece| piece.strip_prefix('t').unwrap_or("\n"))
            .collect();
        assert_eq!(text, format!("orted {long}\n\nlast"));
        assert_eq!((frames[0].as_str(), frames[frames.len() - 1].as_str()), ("D 1.1.m0 0 node2", "e 1.1.m0 0"));
        assert!(asked(&spool, "../x", "0").is_empty());
    }
}
