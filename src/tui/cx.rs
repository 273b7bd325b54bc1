//! What panes may look at. The app owns one and lends it; nothing in it can act.

use std::collections::BTreeSet;

use crate::commands::CommandId;
use crate::model::chart::Dots;
use crate::model::ids::JobId;
use crate::model::units::{Millis, UnixMillis};
use crate::tui::keymap::Keymap;
use crate::tui::proposal::Proposal;
use crate::tui::subject::Subject;
use crate::tui::theme::{Role, Theme, Themes};
use crate::tui::widgets::glyph::Glyph;
use crate::tui::world::World;

/// One of the three panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaneId {
    /// Left.
    Tree,
    /// Right, top.
    Detail,
    /// Right, bottom.
    Log,
}

/// An act of this session and the command line that does the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// When.
    pub at: UnixMillis,
    /// What it was about.
    pub about: Option<Subject>,
    /// The command line.
    pub line: String,
}

/// What a user of the screen decided before it started.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Look {
    /// All acts are off.
    pub readonly: bool,
    /// No box drawing, no braille, no symbols outside ASCII.
    pub ascii: bool,
    /// Where `ascii` is: curves are made of half blocks all the same, which the fonts of consoles have.
    #[serde(default)]
    pub blocks: bool,
    /// How long a stop can be taken back.
    pub stop_hold: Millis,
    /// Whether a job that ends rings.
    pub bell: bool,
    /// This is the demo: leaving it leaves nothing behind.
    pub demo: bool,
}

impl Look {
    /// Returns what curves are made of.
    pub fn dots(&self) -> Dots {
        match (self.ascii, self.blocks) {
            (false, _) => Dots::Braille,
            (true, true) => Dots::Blocks,
            (true, false) => Dots::Ascii,
        }
    }
}

/// What panes may look at.
#[derive(Debug)]
pub struct Cx {
    /// The time of the message that is being handled.
    pub now: UnixMillis,
    /// The core's picture.
    pub world: World,
    /// The theme, already at the terminal's depth.
    pub theme: Theme,
    /// The themes that can be chosen.
    pub themes: Themes,
    /// What was decided at start.
    pub look: Look,
    /// The keys as they are bound now.
    pub keymap: Keymap,
    /// The pane that has the keys when no overlay has.
    pub focus: PaneId,
    /// What detail and log show: the row under the tree's cursor.
    pub shown: Option<Subject>,
    /// Marked jobs.
    pub marks: BTreeSet<JobId>,
    /// A target that is proposed and not yet applied.
    pub proposal: Option<Proposal>,
    /// The number typed so far.
    pub count: Option<u32>,
    /// The stop that was asked for last and until when it can be taken back.
    pub stop_asked: Option<(JobId, UnixMillis)>,
    /// How often things are drawn and asked for.
    pub pace: crate::config::Pace,
    /// How sizes are written.
    pub sizes: crate::config::Sizes,
    /// The columns of tables by their titles, where a person chose them: table → titles.
    pub columns: std::collections::BTreeMap<String, Vec<String>>,
    /// The first key of two in a row.
    pub pending: Option<crate::commands::Key>,
    /// Things one wants to come back to, the oldest first; at most [`BOOKMARKS_MAX`].
    pub bookmarks: Vec<Subject>,
    /// What was seen of the clusters over time.
    pub seen: crate::tui::chart::Seen,
    /// Ports that are forwarded, the oldest first.
    pub ports: Vec<crate::tui::ports::Port>,
    /// Acts of this session, oldest first; at most [`SPOKEN_MAX`].
    pub spoken: Vec<Spoken>,
}

/// How many bookmarks are kept: more than a person finds their way in.
pub const BOOKMARKS_MAX: usize = 50;

/// How many acts of a session are kept for the events tab: more than a person does in an hour.
pub const SPOKEN_MAX: usize = 500;

impl Cx {
    /// Returns the style of a role.
    pub fn style(&self, role: Role) -> ratatui::style::Style {
        self.theme.style(role)
    }

    /// Returns a symbol, or its stand-in where only ASCII is drawn.
    pub fn glyph(&self, glyph: Glyph) -> &'static str {
        glyph.text(self.look.ascii)
    }

    /// Returns the spinner's picture of this second.
    pub fn spinner(&self) -> &'static str {
        Glyph::spinner(self.now, self.look.ascii)
    }

    /// Returns the key of a command as the hint line writes it; empty when it has none.
    pub fn key_of(&self, command: CommandId) -> String {
        self.keymap.hints(command, self.look.ascii).into_iter().next().unwrap_or_default()
    }

    /// Writes a size as the configuration has it.
    pub fn size(&self, bytes: crate::model::units::Bytes) -> String {
        self.sizes.write(bytes)
    }

    /// Says whether this pane has the keys.
    pub fn has_focus(&self, pane: PaneId) -> bool {
        self.focus == pane
    }
}
