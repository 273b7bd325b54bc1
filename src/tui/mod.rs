//! The screen. [`run`] owns the terminal and the loop; everything that is decided is decided in [`app::App`], which is a
//! function of the messages it gets. `live.rs` performs what it asks for.
//!
//! The loop draws at once after a key, and at most `frames_per_second` (of the configuration, 30) times a second for anything else; it sleeps
//! without a timer while nothing on the screen moves.

pub mod acts;
pub mod app;
pub mod bounded;
pub mod causes;
pub mod chart;
pub mod cx;
mod draw;
pub mod equivalent;
pub mod filter;
pub mod here;
pub mod input;
pub mod keymap;
pub mod layout;
mod live;
pub mod metrics;
pub mod moving;
pub mod msg;
pub mod overlays;
pub mod pane;
pub mod panes;
pub mod ports;
pub mod proposal;
pub mod record;
mod replay;
pub mod shown;
pub mod still;
pub mod subject;
pub mod terminal;
pub mod theme;
pub mod widgets;
pub mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::api::host::Opening;
use crate::model::fault::Fault;
use crate::model::units::Millis;
pub use pane::Leave;

/// What a user decided before the screen starts.
#[derive(Clone, Debug)]
pub struct TuiOptions {
    /// The theme; the default one when absent.
    pub theme: Option<String>,
    /// Where a user's own themes are; watched.
    pub themes_dir: Option<PathBuf>,
    /// Where the sizes of the panes are remembered.
    pub sizes_file: Option<PathBuf>,
    /// A user's own keys: command name → keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// All acts are off.
    pub readonly: bool,
    /// Nothing outside ASCII is drawn.
    pub ascii: bool,
    /// Where `ascii` is: curves are made of half blocks all the same.
    pub blocks: bool,
    /// How many colours; guessed from the environment when absent.
    pub depth: Option<theme::Depth>,
    /// Whether clicks and the wheel are ours.
    pub mouse: bool,
    /// Whether a job that ends rings when the window is not in front.
    pub bell: bool,
    /// How long a stop can be taken back.
    pub stop_hold: Millis,
    /// Records the session's messages here.
    pub record: Option<PathBuf>,
    /// This is the demo: leaving asks nothing and leaves nothing behind.
    pub demo: bool,
    /// The columns of tables by their titles: table → titles.
    pub columns: BTreeMap<String, Vec<String>>,
    /// What concerns the screen, as the configuration changes.
    pub changes: Option<tokio::sync::watch::Receiver<Result<crate::config::Ui, Fault>>>,
    /// The options with which ostler itself reaches this state again: `--state-dir DIR`.
    pub again: Vec<String>,
    /// What forms complete from on this machine.
    pub machine: here::Machine,
    /// How often things are drawn and asked for.
    pub pace: crate::config::Pace,
    /// How sizes are written.
    pub sizes: crate::config::Sizes,
}

impl Default for TuiOptions {
    fn default() -> Self {
        Self {
            theme: None,
            themes_dir: None,
            sizes_file: None,
            keys: BTreeMap::new(),
            readonly: false,
            ascii: false,
            blocks: false,
            depth: None,
            mouse: true,
            bell: true,
            stop_hold: crate::model::settings::Settings::default().stop_hold,
            record: None,
            demo: false,
            columns: BTreeMap::new(),
            changes: None,
            again: Vec::new(),
            machine: here::Machine::default(),
            pace: Default::default(),
            sizes: Default::default(),
        }
    }
}

/// Shows the screen until it is left, or until it turns out that there will be no core.
///
/// # Errors
/// That the terminal, a theme, a key binding or the recording is not usable.
pub async fn run(core: Opening, options: TuiOptions) -> Result<Leave, Fault> {
    live::run(core, options).await
}

/// Plays a recording: at its own pace, then it can be looked at with the keys; nothing is asked of any core.
///
/// # Errors
/// That the recording or the terminal is not usable.
pub async fn replay(file: PathBuf, options: TuiOptions) -> Result<Leave, Fault> {
    replay::run(file, options).await
}
