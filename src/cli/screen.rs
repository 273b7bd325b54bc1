//! Opening the screen, and what becomes of the core when it is left. The screen itself is handed in by `main.rs`.

use std::future::Future;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tokio::task::JoinError;

use super::args::Recording;
use super::failure::Failure;
use super::session::{Environment, Session};
use super::{demo, host};
use crate::api::host::{self as core, Mode, Opening};
use crate::config::{Config, places};
use crate::model::fault::Fault;
use crate::model::units::Millis;

/// What the command line needs of the screen.
pub struct Screen {
    /// Shows the screen until it is left.
    pub show: fn(Opening, Look) -> Showing,
    /// Shows the screen of a recording until it is left.
    pub replay: fn(PathBuf, Look) -> Showing,
    /// Draws the screen of a recording as an SVG: in so many columns and rows, after so much of its time.
    pub still: Still,
    /// Draws it as it moves, up to so much of its time.
    pub moving: Still,
    /// Names the built-in themes.
    pub themes: fn() -> Vec<String>,
}

/// Draws the screen of a recording: columns and rows, and after how much of its time.
pub type Still = fn(&Path, Look, (u16, u16), Millis) -> Result<String, Fault>;

/// The screen as it runs.
pub type Showing = Pin<Box<dyn Future<Output = Result<Left, Fault>>>>;

/// How to show the screen.
#[derive(Clone, Debug)]
pub struct Look {
    /// The configuration.
    pub config: Config,
    /// Where a user's own themes are.
    pub themes_dir: Option<PathBuf>,
    /// Where the sizes of the panes are remembered.
    pub sizes_file: PathBuf,
    /// All acts are off.
    pub readonly: bool,
    /// Nothing outside ASCII is drawn.
    pub ascii: bool,
    /// But for curves, which are made of half blocks.
    pub blocks: bool,
    /// Records the session's messages here.
    pub record: Option<PathBuf>,
    /// What concerns the screen, as the configuration changes.
    pub changes: Option<tokio::sync::watch::Receiver<Result<crate::config::Ui, Fault>>>,
    /// This is the demo.
    pub demo: bool,
    /// The options with which ostler reaches the same state again.
    pub again: Vec<String>,
}

/// How the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing is undone.
    Quit,
    /// Go on in the background.
    Background,
    /// End the core; jobs on nodes go on.
    Stop,
}

/// Returns the variable that decides about letters, if one is set: `LANG=de_DE.UTF-8`.
pub fn charset(environment: &Environment) -> Option<String> {
    let set = |name: &&str| environment.get(*name).filter(|value| !value.is_empty()).map(|value| format!("{name}={value}"));
    ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set)
}

/// Says whether it names UTF-8.
pub fn is_utf8(charset: &str) -> bool {
    charset.to_ascii_lowercase().replace('-', "").contains("utf8")
}

/// Returns the options with which ostler reaches a state directory as this call does.
fn again(session: &Session, state_dir: &Path) -> Vec<String> {
    let mut words = vec!["--state-dir".to_owned(), state_dir.display().to_string()];
    if let Some(file) = &session.globals.config {
        words.extend(["--config".to_owned(), file.display().to_string()]);
    }
    if let Some(file) = &session.config.ssh_config {
        words.extend(["-F".to_owned(), file.display().to_string()]);
    }
    words
}

/// Says that there is no terminal that the screen can be shown on.
fn terminal(environment: &Environment) -> Result<(), Failure> {
    let term = environment.get("TERM").map_or("", String::as_str);
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let fault = Fault::config("the screen needs a terminal, and this is none");
        return Err(fault.hint("`ostler job list` and `ostler job logs -f NAME` work everywhere").into());
    }
    if term.is_empty() || term == "dumb" {
        let fault = Fault::config(format!("no full-screen terminal (TERM={term})"));
        return Err(fault.hint("`ostler job list` and `ostler job logs -f NAME` work everywhere").into());
    }
    Ok(())
}

fn look(session: &Session, environment: &Environment, demo: bool, recording: &Recording) -> Look {
    let variable = || environment.get("OSTLER_RECORD").filter(|path| !path.is_empty()).map(PathBuf::from);
    let plain = session.config.ui.ascii || charset(environment).is_some_and(|charset| !is_utf8(&charset));
    // The console of the kernel: its fonts have the signs of the first PC, and so half blocks, but neither braille nor ours.
    let console = environment.get("TERM").is_some_and(|term| term == "linux");
    Look {
        config: session.config.clone(),
        themes_dir: places::themes_dir(),
        sizes_file: session.state_dir.join("panes.json"),
        readonly: session.globals.readonly,
        ascii: plain || console,
        blocks: console && !plain,
        record: recording.record.clone().or_else(variable),
        demo,
        changes: super::watch::screen(&session.config),
        again: again(session, &session.state_dir),
    }
}

/// Shows the screen of a recording, or draws it into a file.
///
/// # Errors
/// That the recording or the terminal is not usable, or that the file cannot be written.
pub async fn replay(
    session: &Session,
    environment: &Environment,
    screen: &Screen,
    recording: &Recording,
) -> Result<i32, Failure> {
    let Some(file) = &recording.replay else { return Ok(0) };
    let look = look(session, environment, true, recording);
    let still = recording.still.as_ref().map(|out| (out, screen.still));
    if let Some((out, draw)) = still.or_else(|| recording.moving.as_ref().map(|out| (out, screen.moving))) {
        let picture = draw(file, look, recording.size, recording.after)?;
        std::fs::write(out, picture)
            .map_err(|e| Fault::user(format!("`{}` cannot be written", out.display())).because(&e))?;
        return Ok(0);
    }
    terminal(environment)?;
    (screen.replay)(file.clone(), look).await?;
    Ok(0)
}

/// Opens the screen on a core: one that runs, else one in this process.
///
/// # Errors
/// That there is no terminal, or what is wrong with the core.
pub async fn open(
    session: &Session,
    environment: &Environment,
    screen: &Screen,
    mode: Mode,
    recording: &Recording,
) -> Result<i32, Failure> {
    terminal(environment)?;
    let look = look(session, environment, false, recording);
    let (on_its_way, mut opening) = core::begin(host::options(session, mode)).await;
    let mut showing = (screen.show)(on_its_way, look);
    let opened = |way: Result<Result<core::Session, Fault>, JoinError>| {
        way.unwrap_or_else(|e| Err(Fault::internal("the core could not be opened").because(&e)))
    };
    // A core that cannot be had ends the screen, so that why stands where it can be read and copied.
    let (mut way, left) = tokio::select! {
        way = &mut opening => (opened(way)?, showing.await),
        left = &mut showing => (opened(opening.await)?, left),
    };
    match left {
        Ok(Left::Background) if session.globals.no_server => way.close().await?,
        Ok(Left::Background) => {
            let result = way.hand_over().await;
            // Whatever is hosted here still, because nobody could take it, ends in order.
            way.close().await?;
            result?;
        }
        Ok(Left::Stop) if !way.hosts() => {
            host::stop(session).await?;
        }
        Ok(Left::Quit | Left::Stop) | Err(_) => way.close().await?,
    }
    left?;
    Ok(0)
}

/// Shows the demo.
///
/// # Errors
/// That there is no terminal, or what went wrong in the demo.
pub async fn demo(
    session: &Session,
    environment: &Environment,
    screen: &Screen,
    headless: bool,
    recording: &Recording,
) -> Result<i32, Failure> {
    let settings = &session.config.settings;
    if headless {
        return Ok(demo::headless(settings, &mut std::io::stdout()).await?);
    }
    terminal(environment)?;
    let mut look = look(session, environment, true, recording);
    let demo = demo::Demo::open(settings).await?;
    look.again = again(session, &demo.state_dir());
    let left = (screen.show)(Opening::done(demo.client()), look).await;
    demo.close().await?;
    left?;
    Ok(0)
}
