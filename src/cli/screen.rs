//! Opening the screen, and what becomes of the core when it is left. The screen itself is handed in by `main.rs`.

use std::future::Future;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::Pin;

use super::failure::Failure;
use super::session::{Environment, Session};
use super::{demo, host};
use crate::api::Client;
use crate::api::host::Mode;
use crate::config::{Config, places};
use crate::model::fault::Fault;

/// What the command line needs of the screen.
pub struct Screen {
    /// Shows the screen until it is left.
    pub show: fn(Client, Look) -> Showing,
    /// Names the built-in themes.
    pub themes: fn() -> Vec<String>,
}

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
    /// Records the session's messages here.
    pub record: Option<PathBuf>,
    /// This is the demo.
    pub demo: bool,
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

fn look(session: &Session, environment: &Environment, demo: bool) -> Result<Look, Failure> {
    let term = environment.get("TERM").map_or("", String::as_str);
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let fault = Fault::config("the screen needs a terminal, and this is none");
        return Err(fault.hint("`ostler job list` and `ostler job logs -f NAME` work everywhere").into());
    }
    if term.is_empty() || term == "dumb" {
        let fault = Fault::config(format!("no full-screen terminal (TERM={term})"));
        return Err(fault.hint("`ostler job list` and `ostler job logs -f NAME` work everywhere").into());
    }
    Ok(Look {
        config: session.config.clone(),
        themes_dir: places::themes_dir(),
        sizes_file: session.state_dir.join("panes.json"),
        readonly: session.globals.readonly,
        ascii: session.config.ui.ascii || charset(environment).is_some_and(|charset| !is_utf8(&charset)),
        record: environment.get("OSTLER_RECORD").filter(|path| !path.is_empty()).map(PathBuf::from),
        demo,
    })
}

/// Opens the screen on a core: one that runs, else one in this process.
///
/// # Errors
/// That there is no terminal, or what is wrong with the core.
pub async fn open(session: &Session, environment: &Environment, screen: &Screen, mode: Mode) -> Result<i32, Failure> {
    let look = look(session, environment, false)?;
    let mut way = crate::api::host::open(host::options(session, mode)).await?;
    let left = (screen.show)(way.client(), look).await;
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
pub async fn demo(session: &Session, environment: &Environment, screen: &Screen, headless: bool) -> Result<i32, Failure> {
    let settings = &session.config.settings;
    if headless {
        return Ok(demo::headless(settings, &mut std::io::stdout()).await?);
    }
    let look = look(session, environment, true)?;
    let demo = demo::Demo::open(settings).await?;
    let left = (screen.show)(demo.client(), look).await;
    demo.close().await?;
    left?;
    Ok(0)
}
