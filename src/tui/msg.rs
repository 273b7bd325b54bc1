//! Everything that reaches the screen. All of it is plain data, so that a session can be recorded and played again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::commands::{Cmd, Key};
use crate::model::fault::Fault;
use crate::model::request::{LogDelta, Reply};
use crate::model::snapshot::Update;
use crate::model::task::TaskNews;
use crate::model::units::UnixMillis;
use crate::tui::here::Found;
use crate::tui::subject::Subject;

/// Who asked for something, so that the answer finds its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asker {
    /// The app itself: acts; answers become toasts.
    App,
    /// The tree.
    Tree,
    /// The detail pane.
    Detail,
    /// The log.
    Log,
    /// The overlay on top.
    Overlay,
}

/// Names one question: who asked, and the asker's own number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ticket {
    /// Who.
    pub from: Asker,
    /// The asker's number.
    pub number: u64,
}

/// What the mouse did, in cells of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mouse {
    /// What.
    pub act: MouseAct,
    /// Column, from 0.
    pub x: u16,
    /// Row, from 0.
    pub y: u16,
}

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MouseAct {
    /// The left button went down.
    Press,
    /// The mouse moved with the button down.
    Drag,
    /// The button came up.
    Lift,
    /// The wheel, towards the user.
    WheelDown,
    /// The wheel, away from the user.
    WheelUp,
    /// The right button went down.
    Menu,
}

/// What a program that runs beside the screen says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Called {
    /// One line of what it writes.
    Line(String),
    /// It ended with this code.
    Ended(i32),
}

/// One message to the screen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Msg {
    /// A key was pressed.
    Key(Key),
    /// A command, resolved: from the palette, or a script of a test.
    Cmd(Cmd),
    /// Text was pasted.
    Paste(String),
    /// The mouse.
    Mouse(Mouse),
    /// The screen has this many columns and rows.
    Resize(u16, u16),
    /// The terminal's window is in front, or not.
    Front(bool),
    /// What changed in the core.
    Update(Arc<Update>),
    /// A first look at what is stored, while the core is being come to.
    Glance(Arc<Update>),
    /// The core cannot be reached, in words.
    CoreLost(String),
    /// The answer to `UiEffect::Ask` or `UiEffect::Send`.
    Reply(Ticket, Box<Result<Reply, Fault>>),
    /// A piece of a followed file: the number of the watch and what it is.
    LogDelta(u64, LogDelta),
    /// News of a task: its number and what is told.
    Task(u64, TaskNews),
    /// The configuration was read again: what concerns the screen, or what is wrong with it.
    Configured(Result<crate::config::Ui, Fault>),
    /// What a call of ostler itself says.
    Called(u64, Called),
    /// The bookmarks of the last time.
    Bookmarks(Vec<Subject>),
    /// A text comes back from the editor.
    Edited(Ticket, String),
    /// What was found on this machine.
    Here(Ticket, Box<Result<Found, Fault>>),
    /// Time has passed, and something on the screen depends on it.
    Tick,
    /// A theme to draw with: the file changed, or another one was chosen in the config.
    Theme(String),
    /// The files of the user's own themes: name and text.
    ThemeFiles(std::collections::BTreeMap<String, String>),
    /// The loop has something to say: a file saved, a copy refused.
    Note(Result<String, Fault>),
}

/// A message and when it came; one line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// When, by the screen's clock.
    pub at: UnixMillis,
    /// What.
    pub msg: Msg,
}
