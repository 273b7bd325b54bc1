//! The terminal: taken over for the screen, and always given back, also when we crash.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};

use crate::tui::shown::shown;

/// The most bytes that go to the clipboard: what terminals take at least.
const CLIPBOARD_BYTES_MAX: usize = 64 * 1024;

/// Whether the terminal is ours now; the panic hook asks.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether the mouse is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseUse {
    /// Clicks and the wheel come to us.
    Captured,
    /// The terminal keeps them, for its own selection.
    Left,
}

/// Holds the terminal until it is dropped.
#[derive(Debug)]
pub struct Guard {
    mouse: MouseUse,
}

impl Guard {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// What the terminal refused; then it is given back.
    pub fn take(mouse: MouseUse) -> io::Result<Self> {
        let guard = Self { mouse };
        guard.enter()?;
        Ok(guard)
    }

    /// Takes the terminal over again after [`Guard::step_aside`].
    ///
    /// # Errors
    /// What the terminal refused.
    pub fn enter(&self) -> io::Result<()> {
        TAKEN.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let mut out = io::stdout();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
        if self.mouse == MouseUse::Captured {
            execute!(out, EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Gives the terminal back for a while.
    pub fn step_aside(&self) {
        give_back();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back if it is ours. Errors cannot be told to anybody any more.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(out, DisableMouseCapture, DisableFocusChange, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Gives the terminal back before a panic is told, and tells it in text that cannot act on the terminal.
pub fn install_panic_hook() {
    let former = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !TAKEN.load(Ordering::SeqCst) {
            former(info);
            return;
        }
        give_back();
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let text = info.payload_as_str().map(shown).unwrap_or_default();
        eprintln!("ostler: a mistake of ours at {place}: {text}");
        eprintln!("Jobs on nodes go on. Please report it, with a recording if you can: ostler --record FILE");
    }));
}

/// Puts text on the clipboard through the terminal (OSC 52).
///
/// # Errors
/// That it is too long, or what the terminal refused.
pub fn copy(text: &str) -> Result<(), String> {
    if text.len() > CLIPBOARD_BYTES_MAX {
        return Err(format!("{} KiB are too much for the clipboard", text.len() / 1024));
    }
    let mut out = io::stdout();
    execute!(out, CopyToClipboard::to_clipboard_from(text)).map_err(|e| e.to_string())
}

/// Rings, and asks for a desktop notification with this text (OSC 9).
pub fn bell(text: &str) {
    // Our own words and checked names; `shown` leaves nothing that could end the sequence early.
    let text = shown(text);
    let mut out = io::stdout();
    let _ = write!(out, "\x07\x1b]9;{text}\x07");
    let _ = out.flush();
}
