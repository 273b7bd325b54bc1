//! How a pane or an overlay plugs into the screen.
//!
//! A pane is a plain struct with its own state. It holds no channel and no client: it looks at [`Cx`], draws itself into
//! a rectangle, and answers keys and news with [`UiEffect`]s. The app calls, in this order:
//!
//! 1. [`Pane::key`] with each key first: a pane that is typing a text takes it there. `None` means "not mine"; then the
//!    key map looks it up in [`Pane::scope`] (and in `Scope::Everywhere`, when the scope falls through), and
//! 2. [`Pane::on`] gets the command, unless the app itself acts on it (see `app.rs`).
//! 3. [`Pane::hear`] gets news: another selection, a reply to an `Ask` with this pane's `Asker`, a piece of a watched file.
//! 4. [`Pane::arrange`] tells the rectangle after each message, before [`Pane::draw`], so that a pane knows its height
//!    when it moves; the rectangle is the inside of the frame, which the app draws with [`Pane::title`].
//!
//! To add an overlay: one file in `overlays/` whose struct is a `Pane`, one variant of [`Overlay`], one arm in
//! `overlays::open`. An overlay gets the whole screen as its rectangle and draws its own frame
//! (`overlays::panel`). The one on top has all keys; `Esc` reaches it as `CommandId::Cancel`, and it answers `UiEffect::Close`.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::commands::{Cmd, CommandId, Key, Scope};
use crate::model::fault::Fault;
use crate::model::request::{FileRef, From, LogDelta, Reply, Request};
use crate::model::task::{Task, TaskNews};
use crate::tui::cx::Cx;
use crate::tui::here::{Found, Wanted};
use crate::tui::msg::{Called, Mouse, Ticket};
use crate::tui::overlays::Overlay;
use crate::tui::subject::Subject;

/// Something on the screen that has state, keys and a picture.
pub trait Pane: Send {
    /// Acts on a command.
    fn on(&mut self, cmd: &Cmd, cx: &Cx) -> Vec<UiEffect>;

    /// Draws itself.
    fn draw(&self, cx: &Cx, area: Rect, buf: &mut Buffer);

    /// Returns the commands that make sense now, the most useful first: the hint line and help show these.
    fn commands(&self, cx: &Cx) -> Vec<CommandId>;

    /// Returns where its keys are looked up now; [`Scope::Line`] while it is typing a text.
    fn scope(&self) -> Scope;

    /// Takes a raw key, or returns `None` to have it looked up in the key map.
    fn key(&mut self, _key: Key, _cx: &Cx) -> Option<Vec<UiEffect>> {
        None
    }

    /// Takes pasted text, or returns `None` when it has no use for it.
    fn paste(&mut self, _text: &str, _cx: &Cx) -> Option<Vec<UiEffect>> {
        None
    }

    /// Hears what happened.
    fn hear(&mut self, _news: &News<'_>, _cx: &Cx) -> Vec<UiEffect> {
        Vec::new()
    }

    /// Acts on the mouse; positions are those of the screen, as is the rectangle of [`Pane::arrange`].
    fn mouse(&mut self, _mouse: Mouse, _cx: &Cx) -> Vec<UiEffect> {
        Vec::new()
    }

    /// Learns its rectangle. Called after each message; must be cheap.
    fn arrange(&mut self, _area: Rect, _cx: &Cx) {}

    /// Returns what stands in the frame above it; the app adds the frame and its colour.
    fn title(&self, _cx: &Cx) -> Line<'static> {
        Line::default()
    }

    /// Returns what stands at the right end of the frame above it: `following · 1.2 M lines`.
    fn status(&self, _cx: &Cx) -> Line<'static> {
        Line::default()
    }

    /// Returns what its acts are about: the row under its cursor.
    fn subject(&self, _cx: &Cx) -> Option<Subject> {
        None
    }

    /// Returns where the terminal's cursor belongs while a text is typed.
    fn caret(&self, _cx: &Cx, _area: Rect) -> Option<Position> {
        None
    }
}

/// What a pane hears.
#[derive(Debug)]
pub enum News<'a> {
    /// Another thing is selected, or nothing.
    Selected(Option<&'a Subject>),
    /// The answer to an `Ask` of this pane: its own number and what was said.
    Reply(u64, &'a Result<Reply, Fault>),
    /// A piece of the file that this pane watches under this number.
    Delta(u64, &'a LogDelta),
    /// News of the task that this pane began under this number.
    Task(u64, &'a TaskNews),
    /// The text that the editor gave back for an `Edit` of this pane.
    Edited(u64, &'a str),
    /// What this machine was asked for: the asker's own number and what was found.
    Here(u64, &'a Result<Found, Fault>),
    /// What a call of ostler itself says: the number it was begun under.
    Called(u64, &'a Called),
    /// The core's picture changed.
    Changed,
    /// Time has passed.
    Tick,
}

/// What is to be done. The app keeps the first group to itself; the loop performs the rest.
#[derive(Debug)]
pub enum UiEffect {
    /// App: puts an overlay on top.
    Open(Overlay),
    /// App: removes the overlay on top.
    Close,
    /// App: runs a command as if its key had been pressed, below any overlay.
    Run(Cmd),
    /// App: selects a thing in the tree, and remembers where one was.
    Go(Subject),
    /// App: shows a file of the selected job in the log pane, which gets the keys.
    ShowFile(FileRef),
    /// App: gives a pane the keys.
    Focus(crate::tui::cx::PaneId),
    /// App: marks jobs, or takes their marks away.
    Mark {
        /// Which.
        jobs: Vec<crate::model::ids::JobId>,
        /// Marked from now on.
        on: bool,
    },
    /// App: says something in a toast.
    Toast(Toast),
    /// App: draws with this theme; `true` keeps it, `false` only tries it.
    Theme(String, bool),

    /// App: asks the core; a refusal or note becomes a toast, and the events tab shows the command line that does the same.
    Send(Request),
    /// App: the same, where the command line cannot be told from the request.
    SendAs(Request, String),
    /// App: keeps a command line that does the same as an act, for the events tab.
    Speak(String),
    /// Loop: looks at this machine; what is found comes as [`News::Here`].
    Here(Ticket, Wanted),
    /// Loop: asks the core; the answer comes as [`News::Reply`].
    Ask(Ticket, Request),
    /// Loop: follows a file under this number; pieces come as [`News::Delta`]. A former watch of that number ends.
    Watch(u64, FileRef, From),
    /// Loop: ends a watch.
    Unwatch(u64),
    /// Loop: begins a task under this number; a path of this side is completed. News come as [`News::Task`].
    Begin(u64, Task),
    /// Loop: ends a task; what a copy has is kept.
    End(u64),
    /// Loop: puts text on the clipboard (OSC 52).
    Copy(String),
    /// Loop: steps aside, opens the text in `$EDITOR`, and gives it back as [`News::Edited`].
    Edit {
        /// Who gets it back.
        ticket: Ticket,
        /// The text.
        text: String,
        /// The end of the file's name, for the editor's colours: `.json`.
        suffix: &'static str,
    },
    /// Loop: reads the whole file from the node into a file on this side; a [`Toast`] tells the end.
    Save(FileRef, String),
    /// Loop: the same into a temporary file, and opens `$PAGER` on it.
    Page(FileRef),
    /// Loop: rings, or sends a desktop notification with this text when the window is not in front.
    Bell(String),
    /// Loop: sleeps until the shell's `fg`.
    Suspend,
    /// Loop: draws all cells again.
    Redraw,
    /// Loop: writes a file on this side.
    Write(String, Vec<u8>),
    /// Loop: opens `$PAGER` on a text.
    PageText(String),
    /// Loop: steps aside and runs ostler with these words on the terminal; then waits for a key, when something is to be read.
    Aside(Vec<String>, After),
    /// Loop: runs ostler with these words beside the screen; what it says comes as [`News::Called`].
    Call(u64, Vec<String>),
    /// Loop: ends such a call.
    EndCall(u64),
    /// Loop: remembers the sizes of the panes and the bookmarks.
    Remember(crate::tui::layout::Kept),
    /// Loop: leaves.
    Quit(Leave),
}

/// What happens after a program had the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The screen comes back at once.
    Back,
    /// What it said can be read first.
    Key,
}

/// How the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Nothing is undone, or nobody asked: end if this process hosts the core.
    Quit,
    /// Go on in the background.
    Background,
    /// End the core in order; jobs on nodes go on unwatched.
    Stop,
}

/// A short message that goes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// What kind of news.
    pub kind: ToastKind,
    /// What it says; already fit to be shown.
    pub text: String,
}

/// What kind of news a toast is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    /// Done.
    Info,
    /// Ended well.
    Good,
    /// Went wrong.
    Bad,
}
