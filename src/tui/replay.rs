//! Plays a recording on a real terminal. Its own messages come at their own pace; the keys of whoever watches are taken
//! too, so that it can be looked into. What the app asks for reaches nobody.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::EventStream;
use futures_util::StreamExt as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::time::{Instant, sleep_until};

use super::app::App;
use super::bounded::Bounded;
use super::msg::Msg;
use super::pane::{Leave, UiEffect};
use super::terminal::{self, Guard, MouseUse};
use super::{TuiOptions, input, live, record};
use crate::model::fault::Fault;
use crate::model::units::UnixMillis;

/// A pause in a recording is never longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(3);

pub(super) async fn run(file: PathBuf, options: TuiOptions) -> Result<Leave, Fault> {
    let messages = record::read(&file)?;
    let app = App::new(live::start(&options)?);
    let broken = |e: &io::Error| Fault::config("the terminal cannot be used for the screen").because(e);
    terminal::install_panic_hook(None);
    let mouse = if options.mouse { MouseUse::Captured } else { MouseUse::Left };
    let guard = Guard::take(mouse).map_err(|e| broken(&e))?;
    let screen = Terminal::new(Bounded::new(CrosstermBackend::new(io::stdout()))).map_err(|e| broken(&e))?;
    let played = play(app, screen, messages).await.map_err(|e| broken(&e));
    drop(guard);
    played
}

async fn play(
    mut app: App,
    mut screen: Terminal<Bounded<CrosstermBackend<io::Stdout>>>,
    messages: Vec<super::msg::Stamped>,
) -> io::Result<Leave> {
    let mut keys = EventStream::new();
    let mut left = messages.into_iter().filter(|m| !matches!(m.msg, Msg::Resize(..))).peekable();
    let mut clock = left.peek().map_or_else(live::now, |m| m.at);
    let mut due = Instant::now();
    let size = screen.size()?;
    app.update(clock, Msg::Resize(size.width, size.height));
    loop {
        screen.draw(|frame| app.draw(frame.area(), frame.buffer_mut()))?;
        let msg = tokio::select! {
            biased;
            event = keys.next() => match event {
                Some(Ok(event)) => match input::message(event) {
                    Some(msg) => msg,
                    None => continue,
                },
                Some(Err(_)) | None => return Ok(Leave::Quit),
            },
            () = sleep_until(due), if left.peek().is_some() => {
                let Some(next) = left.next() else { continue };
                clock = next.at;
                let pause = left.peek().map_or(Duration::ZERO, |m| m.at.since(clock).to_std());
                due = Instant::now() + pause.min(PAUSE_MAX);
                next.msg
            }
        };
        if leaves(&mut app, clock, msg) {
            return Ok(Leave::Quit);
        }
    }
}

/// Gives the app a message; `true` when whoever watches wants to leave.
fn leaves(app: &mut App, clock: UnixMillis, msg: Msg) -> bool {
    let effects = app.update(clock, msg);
    effects.iter().any(|effect| {
        let asks = matches!(effect, UiEffect::Ask(_, crate::model::request::Request::Status));
        asks || matches!(effect, UiEffect::Quit(_))
    })
}
