//! The messages of a session as JSON lines, one [`Stamped`] each: written with `--record FILE`, played with `--replay FILE`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::model::fault::Fault;
use crate::tui::msg::Stamped;

/// A recording grows to this and then stops: a day of a busy screen.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// Writes messages to a file.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: BufWriter<File>,
    written: u64,
}

impl Recorder {
    /// Begins a recording; a former one of that name is replaced.
    ///
    /// # Errors
    /// That the file cannot be made.
    pub fn create(path: &Path) -> Result<Self, Fault> {
        let file = File::create(path)
            .map_err(|e| Fault::config(format!("the recording `{}` cannot be written", path.display())).because(&e))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), written: 0 })
    }

    /// Writes one message.
    ///
    /// # Errors
    /// That the file cannot be written; the recording ends with that.
    pub fn write(&mut self, stamped: &Stamped) -> Result<(), Fault> {
        let fail = |why: &dyn std::error::Error| {
            Fault::config(format!("the recording `{}` ends here", self.path.display())).because(why)
        };
        let line = serde_json::to_string(stamped).map_err(|e| fail(&e))?;
        self.written += line.len() as u64 + 1;
        if self.written > RECORD_BYTES_MAX {
            return Err(Fault::config(format!("the recording `{}` ends here: it has 1 GiB", self.path.display())));
        }
        let mut write = || {
            self.file.write_all(line.as_bytes())?;
            self.file.write_all(b"\n")?;
            self.file.flush()
        };
        write().map_err(|e| fail(&e))
    }
}

/// Reads a recording.
///
/// # Errors
/// That the file cannot be read, or which line of it is not a message.
pub fn read(path: &Path) -> Result<Vec<Stamped>, Fault> {
    let name = path.display();
    let file = File::open(path).map_err(|e| Fault::user(format!("the recording `{name}` cannot be read")).because(&e))?;
    let mut messages = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|e| Fault::user(format!("the recording `{name}` cannot be read")).because(&e))?;
        if line.is_empty() {
            continue;
        }
        let stamped = serde_json::from_str(&line)
            .map_err(|e| Fault::user(format!("`{name}`, line {}: not a recorded message", at + 1)).because(&e))?;
        messages.push(stamped);
    }
    Ok(messages)
}
