//! What a style is for. Drawing code names roles and never colours, so a typo does not compile and a theme is complete
//! or does not load.

use serde::{Deserialize, Serialize};

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a piece of the screen is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Role {
            $($(#[$doc])* $name),*
        }

        impl Role {
            /// All roles.
            pub const ALL: &[Role] = &[$(Role::$name),*];
        }
    };
}

roles! {
    /// The ground of the whole screen.
    Ground,
    /// Plain text.
    Text,
    /// What matters less: labels, units, hints.
    Muted,
    /// What may no longer be so: data of a node that cannot be seen.
    Stale,
    /// What matters more.
    Strong,
    /// The program's name.
    Brand,
    /// Where one is: the path in the title line.
    Crumb,
    /// The frame of a pane.
    Frame,
    /// The frame of the pane that has the keys.
    FrameFocus,
    /// The title of a pane.
    Title,
    /// The title of the pane that has the keys.
    TitleFocus,
    /// The tab that is shown.
    TabOn,
    /// Another tab.
    TabOff,
    /// The line under the cursor.
    Cursor,
    /// The line under the cursor of a pane that has not the keys.
    CursorIdle,
    /// A marked line.
    Marked,
    /// The characters that a filter or search matched.
    Match,
    /// A key in a hint.
    Key,
    /// The word beside it.
    Hint,
    /// The heads of tables.
    Head,
    /// A link between labels, lines of trees.
    Line,
    /// A job that waits.
    Queued,
    /// A job or node at work.
    Running,
    /// A job being stopped.
    Terminating,
    /// A job that ended well.
    Succeeded,
    /// A job that ended otherwise.
    Failed,
    /// A node asked for.
    Allocating,
    /// A node being made ready.
    Preparing,
    /// A node ready for work.
    Idle,
    /// A node that cannot be used.
    Unusable,
    /// A node on its way out.
    Leaving,
    /// Good news.
    Good,
    /// Something to look at.
    Warning,
    /// Bad news.
    Bad,
    /// The filled part of a bar.
    BarFull,
    /// The rest of it.
    BarRest,
    /// A proposed target and what it would do.
    Proposal,
    /// The ground and text of an overlay.
    Panel,
    /// Its frame.
    PanelFrame,
    /// A line of text that is typed.
    Input,
    /// The chosen answer or entry of an overlay.
    Choice,
    /// A toast.
    Toast,
    /// A toast of something that went wrong.
    ToastBad,
    /// The text of a log.
    Log,
    /// Times, gaps and other things the log view adds to a log.
    LogNote,
    /// A line of a log that a search is at.
    LogHit,
    /// The colour of the first rank or node in merged logs.
    RankA,
    /// Of the second.
    RankB,
    /// Of the third.
    RankC,
    /// Of the fourth.
    RankD,
    /// Of the fifth.
    RankE,
    /// Of the sixth; then again from the first.
    RankF,
}

impl Role {
    /// The colours of ranks, by index modulo their number.
    pub const RANKS: [Role; 6] = [Role::RankA, Role::RankB, Role::RankC, Role::RankD, Role::RankE, Role::RankF];
}
