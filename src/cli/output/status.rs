//! One line at the end of standard error that says how far something is. Only where that is a terminal, and not with
//! `--quiet`: it is written over, which is nothing for a file.

use std::io::{IsTerminal, Write};

use super::{Out, clean};

/// How many columns a terminal has that does not say.
const COLUMNS_USUAL: usize = 80;
/// Narrower ones are treated as being so wide.
const COLUMNS_MIN: usize = 20;

/// Such a line; it is gone when this is.
#[derive(Debug)]
pub struct StatusLine {
    shown: bool,
    wanted: bool,
}

impl StatusLine {
    /// Looks at standard error.
    pub fn new(out: Out) -> Self {
        Self { shown: false, wanted: std::io::stderr().is_terminal() && !out.quiet }
    }

    /// Says whether anybody sees it.
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Writes another text over the one before.
    pub fn show(&mut self, text: &str) {
        if !self.wanted {
            return;
        }
        let size = rustix::termios::tcgetwinsize(std::io::stderr()).map(|size| usize::from(size.ws_col));
        let width = size.ok().filter(|columns| *columns > 0).unwrap_or(COLUMNS_USUAL).max(COLUMNS_MIN);
        let text: String = clean(text).chars().take(width - 1).collect();
        // Nobody can be told that standard error is closed.
        let _ = write!(std::io::stderr(), "\r{text}\x1b[K");
        let _ = std::io::stderr().flush();
        self.shown = true;
    }

    /// Takes the line away, so that something else can be said.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        self.clear();
    }
}
