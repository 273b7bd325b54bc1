//! The symbols of the screen and what stands for them where only ASCII is drawn. A state has a shape of its own, so
//! that it is never told by colour alone.

use crate::model::state::{ExecutionState, NodeState};
use crate::model::units::UnixMillis;

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    /// An open row of a tree.
    Open,
    /// A closed row.
    Closed,
    /// Between the steps of a path.
    Step,
    /// Separates facts on one line.
    Dot,
    /// A waiting job.
    Queued,
    /// A job held back by a person.
    Held,
    /// A running thing, where it does not spin.
    Running,
    /// A job being stopped.
    Terminating,
    /// A job that ended well.
    Succeeded,
    /// A job that ended otherwise.
    Failed,
    /// A node or cluster that is ready.
    Full,
    /// One that is not, or has nothing.
    Hollow,
    /// Half of it.
    Half,
    /// Something is wrong.
    Alert,
    /// From one number to another.
    Arrow,
    /// Below what is shown.
    More,
    /// A marked row.
    Mark,
    /// Cut off here.
    Cut,
}

impl Glyph {
    /// Returns the symbol.
    pub fn text(self, ascii: bool) -> &'static str {
        let (symbol, plain) = match self {
            Self::Open => ("▾", "v"),
            Self::Closed => ("▸", ">"),
            Self::Step => ("▸", ">"),
            Self::Dot => ("·", "-"),
            Self::Queued => ("◌", "."),
            Self::Held => ("‖", "="),
            Self::Running => ("▶", ">"),
            Self::Terminating => ("◼", "#"),
            Self::Succeeded => ("✓", "+"),
            Self::Failed => ("✗", "x"),
            Self::Full => ("●", "*"),
            Self::Hollow => ("○", "o"),
            Self::Half => ("◐", "~"),
            Self::Alert => ("▲", "!"),
            Self::Arrow => ("→", "->"),
            Self::More => ("↓", "v"),
            Self::Mark => ("▌", "|"),
            Self::Cut => ("…", "~"),
        };
        if ascii { plain } else { symbol }
    }

    /// Returns the spinner's picture of a moment: one step a second, as often as the screen is drawn for it.
    pub fn spinner(now: UnixMillis, ascii: bool) -> &'static str {
        let frames: &[&str] =
            if ascii { &["|", "/", "-", "\\"] } else { &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"] };
        frames[(now.0 / 1000).rem_euclid(frames.len() as i64) as usize]
    }

    /// Returns the symbol of a job's state; a running one spins instead.
    pub fn job(state: ExecutionState) -> Self {
        match state {
            ExecutionState::Queued => Self::Queued,
            ExecutionState::Running => Self::Running,
            ExecutionState::Terminating => Self::Terminating,
            ExecutionState::Succeeded => Self::Succeeded,
            ExecutionState::Failed => Self::Failed,
        }
    }

    /// Returns the symbol of a node's state.
    pub fn node(state: &NodeState) -> Self {
        match state {
            NodeState::Allocating => Self::Queued,
            NodeState::Preparing | NodeState::Leaving => Self::Half,
            NodeState::Idle => Self::Hollow,
            NodeState::Running => Self::Full,
            NodeState::Unusable(_) => Self::Alert,
        }
    }
}
