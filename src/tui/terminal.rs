//! The terminal: taken over for the screen, and always given back, also when we crash.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};

use crate::commands::{Code, Key};
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

/// Gives the terminal back before a panic is told, and tells it in text that cannot act on the terminal; a report with the way
/// that led there is written to `reports`.
pub fn install_panic_hook(reports: Option<&Path>) {
    let former = std::panic::take_hook();
    let reports = reports.map(Path::to_owned);
    std::panic::set_hook(Box::new(move |info| {
        if !TAKEN.load(Ordering::SeqCst) {
            former(info);
            return;
        }
        give_back();
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let text = info.payload_as_str().map(shown).unwrap_or_default();
        eprintln!("ostler: a mistake of ours at {place}: {text}");
        if let Some(report) = reports.as_deref().and_then(|dir| report(dir, &format!("{place}: {text}"))) {
            eprintln!("The report is in {}", report.display());
        }
        eprintln!("Jobs on nodes go on. Please report it, with a recording if you can: ostler --record FILE");
    }));
}

/// Writes what is known of a panic into a file of its own; `None` when that fails too.
fn report(dir: &Path, what: &str) -> Option<PathBuf> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let path = dir.join(format!("crash-{}-{}.txt", since.as_secs(), std::process::id()));
    let way = std::backtrace::Backtrace::force_capture();
    let text = format!("ostler {}\n{what}\n\n{way}\n", env!("CARGO_PKG_VERSION"));
    std::fs::write(&path, text).ok().map(|()| path)
}

/// Tenths of a second that a terminal may take to say which colour its ground has. An answer that came later would be taken for
/// keys, so it is far above the way to any terminal and back; all but a few answer at once.
const ANSWER_TENTHS: u8 = 15;
/// An answer is some 40 bytes; more is something else.
const ANSWER_BYTES_MAX: usize = 256;

/// Asks the terminal, in raw mode and before anything else reads from it, whether its ground is light (OSC 11); `None` when it
/// does not say. The question for its kind (DA1) goes behind it, which every terminal answers, so that most wait for nothing.
/// Returns the keys, too, that a person typed meanwhile.
pub fn ground_is_light() -> (Option<bool>, Vec<Key>) {
    let answer = answer_of_the_ground().unwrap_or_default();
    (is_light(&answer), typed(&answer))
}

fn answer_of_the_ground() -> Option<Vec<u8>> {
    use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
    let input = io::stdin();
    let former = tcgetattr(&input).ok()?;
    let mut waiting = former.clone();
    waiting.special_codes[SpecialCodeIndex::VMIN] = 0;
    waiting.special_codes[SpecialCodeIndex::VTIME] = ANSWER_TENTHS;
    tcsetattr(&input, OptionalActions::Now, &waiting).ok()?;
    let mut out = io::stdout();
    let asked = out.write_all(b"\x1b]11;?\x1b\\\x1b[c").and_then(|()| out.flush());
    let mut answer = Vec::new();
    let mut piece = [0; 64];
    while asked.is_ok() && answer.len() < ANSWER_BYTES_MAX && !ends(&answer) {
        match rustix::io::read(&input, &mut piece) {
            Ok(read) if read > 0 => answer.extend_from_slice(&piece[..read]),
            Ok(_) | Err(_) => break,
        }
    }
    let _ = tcsetattr(&input, OptionalActions::Now, &former);
    Some(answer)
}

/// Returns the keys among what came from the terminal; its answers are none.
fn typed(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Keys(Vec::new());
    vte::Parser::new().advance(&mut keys, bytes);
    keys.0
}

struct Keys(Vec<Key>);

impl vte::Perform for Keys {
    fn print(&mut self, c: char) {
        // What erases to the left comes as a character here.
        let code = if c == '\x7f' { Code::Backspace } else { Code::Char(c) };
        self.0.push(Key::plain(code));
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.0.push(Key::plain(Code::Enter)),
            b'\t' => self.0.push(Key::plain(Code::Tab)),
            b'\x08' => self.0.push(Key::plain(Code::Backspace)),
            1..=26 => self.0.push(Key { ctrl: true, ..Key::plain(Code::Char(char::from(b'a' + byte - 1))) }),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, _params: &vte::Params, intermediates: &[u8], _ignore: bool, action: char) {
        let code = match action {
            'A' => Code::Up,
            'B' => Code::Down,
            'C' => Code::Right,
            'D' => Code::Left,
            'H' => Code::Home,
            'F' => Code::End,
            _ => return,
        };
        if intermediates.is_empty() {
            self.0.push(Key::plain(code));
        }
    }
}

/// The answer to DA1 has come: `ESC [ ? … c`.
fn ends(answer: &[u8]) -> bool {
    let at = answer.windows(3).position(|window| window == b"\x1b[?");
    at.is_some_and(|at| answer[at..].contains(&b'c'))
}

/// Reads `ESC ] 11 ; rgb:RRRR/GGGG/BBBB`, of one to four digits each.
fn is_light(answer: &[u8]) -> Option<bool> {
    let text = String::from_utf8_lossy(answer);
    let (_, rest) = text.split_once("]11;rgb:")?;
    let mut parts = rest.split(|c: char| !c.is_ascii_hexdigit()).take(3).map(|part| {
        let most = 16_u32.checked_pow(u32::try_from(part.len()).ok()?)?.checked_sub(1).filter(|most| *most > 0)?;
        Some(f64::from(u32::from_str_radix(part, 16).ok()?) / f64::from(most))
    });
    let (red, green, blue) = (parts.next()??, parts.next()??, parts.next()??);
    // Perceived brightness (ITU-R BT.601).
    Some(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)
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

/// Rings, and asks for a desktop notification with this text: OSC 777 where terminals know that form (rxvt, foot), else OSC 9.
pub fn bell(text: &str) {
    // Our own words and checked names; `shown` leaves nothing that could end the sequence early.
    let text = shown(text);
    let mut out = io::stdout();
    let term = std::env::var("TERM").unwrap_or_default();
    let _ = out.write_all(notification(&term, &text).as_bytes());
    let _ = out.flush();
}

fn notification(term: &str, text: &str) -> String {
    match term.starts_with("rxvt") || term.starts_with("foot") {
        true => format!("\x07\x1b]777;notify;ostler;{}\x07", text.replace(';', ",")),
        false => format!("\x07\x1b]9;{text}\x07"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_say_their_ground() {
        for (answer, light) in [
            (&b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;c"[..], Some(true)),
            (b"\x1b]11;rgb:1e/1e/2e\x07\x1b[?1;2c", Some(false)),
            (b"\x1b[?1;2c", None),
            (b"", None),
            (b"\x1b]11;rgb:zz", None),
        ] {
            assert_eq!(is_light(answer), light, "{answer:?}");
        }
        assert!(ends(b"\x1b[?1;2c") && !ends(b"\x1b]11;rgb:cc/cc/cc"));
    }

    #[test]
    fn what_is_typed_before_an_answer_is_no_part_of_it() {
        let keys = |text: &[u8]| typed(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            keys(b"j/ab\r\x1b[B\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;cq"),
            ["j", "/", "a", "b", "enter", "down", "q"]
        );
        assert_eq!(keys("\u{e9}\x7f\x04\t".as_bytes()), ["\u{e9}", "backspace", "ctrl-d", "tab"]);
        assert!(keys(b"\x1b]11;rgb:1e/1e/2e\x07\x1b[?1;2c").is_empty());
    }

    #[test]
    fn notifications_have_the_form_of_the_terminal() {
        assert_eq!(notification("foot", "a;b"), "\x07\x1b]777;notify;ostler;a,b\x07");
        assert_eq!(notification("xterm-256color", "a"), "\x07\x1b]9;a\x07");
    }
}
