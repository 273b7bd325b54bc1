//! The loop over a real terminal and a real core, and what it does for the app: requests, watches, clipboard; `beside.rs` has
//! what runs beside the screen or in its place.

mod beside;

use std::collections::BTreeMap;
use std::io::{self, Stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::EventStream;
use futures_util::{FutureExt as _, StreamExt as _};
use notify::Watcher as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::TuiOptions;
use super::app::{App, Start};
use super::bounded::Bounded;
use super::cx::Look;
use super::input;
use super::keymap::Keymap;
use super::layout::Kept;
use super::msg::{Msg, Stamped, Ticket};
use super::pane::{Leave, UiEffect};
use super::record::Recorder;
use super::terminal::{self, Guard, MouseUse};
use super::theme::load::{DEFAULT, LIGHT};
use super::theme::{Depth, Theme, Themes};
use crate::api::Client;
use crate::api::host::Opening;
use crate::model::fault::Fault;
use crate::model::request::{FileRef, FileWindow, FollowMode, From, Reply, Request};
use crate::model::snapshot::Update;
use crate::model::task::{CopyWay, Task, TaskNews};
use crate::model::units::UnixMillis;

/// Messages on their way to the screen; a log that comes faster waits in its follower, which then skips.
const MESSAGES_WAITING_MAX: usize = 256;
/// Messages taken in before the screen is drawn again, so that a flood cannot keep it from being drawn.
const BATCH_MAX: usize = 64;
/// Between two tries to reach a core that is gone; a hand-over takes less than this.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);
/// Bytes of a file asked for at once when it is saved.
const SAVE_WINDOW_BYTES: u32 = 256 * 1024;
/// Only so much of a theme file is read; real ones have 3 KB.
const THEME_BYTES_MAX: u64 = 256 * 1024;

/// Returns the time by the system's clock.
pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Reads what the app starts from.
pub(super) fn start(options: &TuiOptions) -> Result<Start, Fault> {
    let env = |name: &str| std::env::var(name).ok();
    let guess = || Depth::guess(env("NO_COLOR").as_deref(), env("COLORTERM").as_deref(), env("TERM").as_deref());
    let depth = options.depth.unwrap_or_else(guess);
    let themes = Themes::new(options.themes_dir.as_deref().map(theme_files).unwrap_or_default());
    let fallback = if depth == Depth::Ansi16 { "ansi16" } else { DEFAULT };
    let named = options.theme.as_deref().unwrap_or(fallback);
    let theme = themes.load(named).or_else(|_| themes.load(fallback)).or_else(|_| Themes::default().load(fallback))?;
    let sizes = kept(options).sizes;
    let look = Look {
        readonly: options.readonly,
        ascii: options.ascii,
        blocks: options.blocks,
        stop_hold: options.stop_hold,
        bell: options.bell,
        demo: options.demo,
    };
    Ok(Start { look, keymap: Keymap::new(&options.keys)?, themes, theme, depth, sizes })
}

/// Returns what is to be said of the theme: a broken one costs its colours, and not the screen.
fn about_theme(options: &TuiOptions, theme: &Theme, themes: &Themes) -> Vec<Fault> {
    let Some(named) = options.theme.as_deref() else { return Vec::new() };
    match themes.load(named) {
        Err(fault) => vec![fault.hint(format!("`{}` is used", theme.name))],
        Ok(theme) => {
            theme.hard_to_read().into_iter().map(|what| Fault::config(format!("theme `{named}`: {what}"))).take(1).collect()
        }
    }
}

/// Reads what was remembered the last time; what cannot be read is forgotten.
fn kept(options: &TuiOptions) -> Kept {
    let bytes = options.sizes_file.as_deref().and_then(|path| std::fs::read(path).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Reads a user's own themes: `NAME.toml` each.
fn theme_files(dir: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let small = entry.metadata().is_ok_and(|m| m.len() <= THEME_BYTES_MAX);
        let name = path.file_stem().and_then(|n| n.to_str());
        if let (Some(name), true, Some("toml")) = (name, small, path.extension().and_then(|e| e.to_str()))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            files.insert(name.to_owned(), text);
        }
    }
    files
}

/// Completes the path of this side, and makes the directory that files are got into.
fn here(task: Task) -> Result<Task, Fault> {
    let Task::Copy(mut copy) = task else { return Ok(task) };
    let failed = |e: &io::Error| Fault::user(format!("cannot make the directory `{}`", copy.local)).because(e);
    let local = std::path::absolute(&copy.local).map_err(|e| failed(&e))?;
    if copy.way == CopyWay::Get {
        std::fs::create_dir_all(&local).map_err(|e| failed(&e))?;
    }
    match local.into_os_string().into_string() {
        Ok(local) => copy.local = local,
        Err(_) => return Err(Fault::user(format!("the path of `{}` is no text (UTF-8)", copy.local))),
    }
    Ok(Task::Copy(copy))
}

/// The core: on its way, with what is to be done once it is there, or there.
enum Core {
    Coming(oneshot::Receiver<Client>, Vec<UiEffect>),
    Here(Client),
}

impl Core {
    /// Waits for a core that is on its way, for ever for one that is there. `None` when there will be none.
    async fn comes(&mut self) -> Option<Client> {
        match self {
            Self::Coming(client, _) => client.await.ok(),
            Self::Here(_) => std::future::pending().await,
        }
    }
}

struct Live {
    core: Core,
    feed: Option<JoinHandle<()>>,
    options: TuiOptions,
    app: App,
    guard: Guard,
    screen: Terminal<Bounded<CrosstermBackend<Stdout>>>,
    keys: Option<EventStream>,
    messages: mpsc::Sender<Msg>,
    watches: BTreeMap<u64, JoinHandle<()>>,
    tasks: BTreeMap<u64, JoinHandle<()>>,
    calls: BTreeMap<u64, JoinHandle<()>>,
    recorder: Option<Recorder>,
    drawn_at: Instant,
    dirty: bool,
}

pub(super) async fn run(core: Opening, options: TuiOptions) -> Result<Leave, Fault> {
    let start = start(&options)?;
    let faults = about_theme(&options, &start.theme, &start.themes);
    let app = App::new(start);
    let recorder = options.record.as_deref().map(Recorder::create).transpose()?;
    let broken = |e: &io::Error| Fault::config("the terminal cannot be used for the screen").because(e);
    terminal::install_panic_hook(options.sizes_file.as_deref().and_then(Path::parent));
    let mouse = if options.mouse { MouseUse::Captured } else { MouseUse::Left };
    let guard = Guard::take(mouse).map_err(|e| broken(&e))?;
    let screen = Terminal::new(Bounded::new(CrosstermBackend::new(io::stdout()))).map_err(|e| broken(&e))?;
    let (messages, mut inbox) = mpsc::channel(MESSAGES_WAITING_MAX);
    let watcher = options.themes_dir.as_deref().and_then(|dir| watch_themes(dir, messages.clone()));
    let configured = options.changes.clone().map(|changes| tokio::spawn(tell_changes(changes, messages.clone())));
    let keys = None;
    let mut live = Live {
        core: Core::Coming(core.client, Vec::new()),
        feed: None,
        options,
        app,
        guard,
        screen,
        keys,
        messages,
        watches: BTreeMap::new(),
        tasks: BTreeMap::new(),
        calls: BTreeMap::new(),
        recorder,
        drawn_at: Instant::now(),
        dirty: true,
    };
    let left = live.go(&mut inbox, core.glance, faults).await.map_err(|e| broken(&e));
    for task in live.feed.take().into_iter().chain(configured) {
        task.abort();
    }
    let (watches, tasks, calls) =
        (std::mem::take(&mut live.watches), std::mem::take(&mut live.tasks), std::mem::take(&mut live.calls));
    for (_, task) in watches.into_iter().chain(tasks).chain(calls) {
        task.abort();
    }
    drop(watcher);
    left
}

/// Tells the screen what its configuration becomes.
async fn tell_changes(
    mut changes: tokio::sync::watch::Receiver<Result<crate::config::Ui, Fault>>,
    messages: mpsc::Sender<Msg>,
) {
    while changes.changed().await.is_ok() {
        let ui = changes.borrow_and_update().clone();
        if messages.send(Msg::Configured(ui)).await.is_err() {
            return;
        }
    }
}

/// Keeps the screen subscribed to the core; a core that goes away is tried again.
async fn feed(client: Client, messages: mpsc::Sender<Msg>) {
    loop {
        let why = match client.subscribe().await {
            Err(fault) => fault.message,
            Ok(mut updates) => {
                while let Some(update) = updates.recv().await {
                    if messages.send(Msg::Update(update)).await.is_err() {
                        return;
                    }
                }
                "the core has gone".to_owned()
            }
        };
        if messages.send(Msg::CoreLost(why)).await.is_err() {
            return;
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

/// Tells the screen when a theme file changes.
fn watch_themes(dir: &Path, messages: mpsc::Sender<Msg>) -> Option<notify::RecommendedWatcher> {
    let watched = dir.to_owned();
    let told = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|e| e.kind.is_modify() || e.kind.is_create() || e.kind.is_remove()) {
            // When the inbox is full a later change tells it.
            let _ = messages.try_send(Msg::ThemeFiles(theme_files(&watched)));
        }
    };
    let mut watcher = notify::recommended_watcher(told).ok()?;
    watcher.watch(dir, notify::RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

impl Live {
    async fn go(
        &mut self,
        inbox: &mut mpsc::Receiver<Msg>,
        glance: Option<Arc<Update>>,
        faults: Vec<Fault>,
    ) -> io::Result<Leave> {
        let size = self.screen.size()?;
        if let Some(leave) = self.take(Msg::Resize(size.width, size.height)).await? {
            return Ok(leave);
        }
        let ui = crate::config::Ui {
            keys: self.options.keys.clone(),
            columns: self.options.columns.clone(),
            mouse: self.options.mouse,
            bell: self.options.bell,
            pace: self.options.pace,
            sizes: self.options.sizes,
            ..Default::default()
        };
        self.take(Msg::Configured(Ok(ui))).await?;
        for fault in faults {
            self.take(Msg::Note(Err(fault))).await?;
        }
        let bookmarks = if self.options.demo { Vec::new() } else { kept(&self.options).bookmarks };
        if !bookmarks.is_empty() {
            self.take(Msg::Bookmarks(bookmarks)).await?;
        }
        if let Some(stored) = glance {
            self.take(Msg::Glance(stored)).await?;
        }
        self.draw()?;
        // Only now, so that a terminal that does not answer keeps nobody from the first picture.
        let choose = self.options.theme.is_none() && !matches!(self.app.depth(), Depth::Ansi16 | Depth::None);
        if choose {
            let (light, typed) = terminal::ground_is_light();
            if light == Some(true) {
                self.take(Msg::Theme(LIGHT.to_owned())).await?;
                self.draw()?;
            }
            for key in typed {
                if let Some(leave) = self.take(Msg::Key(key)).await? {
                    return Ok(leave);
                }
                self.draw()?;
            }
        }
        self.keys = Some(EventStream::new());
        let mut signals = Signals::new()?;
        loop {
            let frame = self.drawn_at + Duration::from_millis(1000 / u64::from(self.app.frames()));
            let wake = self.wake_at();
            let Some(keys) = &mut self.keys else { return Ok(Leave::Background) };
            let leave = tokio::select! {
                biased;
                event = keys.next() => match event {
                    Some(Ok(event)) => self.on_event(event).await?,
                    // The terminal is gone.
                    Some(Err(_)) | None => Some(Leave::Background),
                },
                () = signals.recv() => Some(Leave::Background),
                client = self.core.comes() => match client {
                    Some(client) => self.found(client).await?,
                    None => Some(Leave::Quit),
                },
                () = sleep_until(frame), if self.dirty => {
                    self.draw()?;
                    None
                }
                msg = inbox.recv() => match msg {
                    Some(msg) => self.take_batch(msg, inbox).await?,
                    None => Some(Leave::Background),
                },
                () = sleep_until(wake) => self.take(Msg::Tick).await?,
            };
            if let Some(leave) = leave {
                return Ok(leave);
            }
        }
    }

    /// The core is there: what waited for it is done, in its order.
    async fn found(&mut self, client: Client) -> io::Result<Option<Leave>> {
        self.feed = Some(tokio::spawn(feed(client.clone(), self.messages.clone())));
        let Core::Coming(_, waiting) = std::mem::replace(&mut self.core, Core::Here(client)) else { return Ok(None) };
        for effect in waiting {
            if let Some(leave) = self.perform(effect).await? {
                return Ok(Some(leave));
            }
        }
        Ok(None)
    }

    fn wake_at(&self) -> Instant {
        Instant::now() + self.app.wake_at().since(now()).to_std()
    }

    async fn on_event(&mut self, event: crossterm::event::Event) -> io::Result<Option<Leave>> {
        #[cfg(feature = "crash-points")]
        assert!(std::env::var_os("OSTLER_SCREEN_PANIC").is_none(), "a test asks for it");
        let Some(msg) = input::message(event) else { return Ok(None) };
        let leave = self.take(msg).await?;
        if leave.is_none() {
            self.draw()?;
        }
        Ok(leave)
    }

    async fn take_batch(&mut self, msg: Msg, inbox: &mut mpsc::Receiver<Msg>) -> io::Result<Option<Leave>> {
        let mut next = Some(msg);
        for _ in 0..BATCH_MAX {
            let Some(msg) = next.take() else { break };
            if let Some(leave) = self.take(msg).await? {
                return Ok(Some(leave));
            }
            next = inbox.try_recv().ok();
        }
        match next {
            Some(msg) => self.take(msg).await,
            None => Ok(None),
        }
    }

    async fn take(&mut self, msg: Msg) -> io::Result<Option<Leave>> {
        self.dirty = true;
        let at = now();
        if self.recorder.is_some() {
            let stamped = Stamped { at, msg: msg.clone() };
            let failed = self.recorder.as_mut().and_then(|r| r.write(&stamped).err());
            if let Some(fault) = failed {
                self.recorder = None;
                let _ = self.messages.try_send(Msg::Note(Err(fault)));
            }
        }
        for effect in self.app.update(at, msg) {
            if let Some(leave) = self.perform(effect).await? {
                return Ok(Some(leave));
            }
        }
        Ok(None)
    }

    fn draw(&mut self) -> io::Result<()> {
        let app = &self.app;
        self.screen.draw(|frame| {
            let area = frame.area();
            app.draw(area, frame.buffer_mut());
            if let Some(caret) = app.caret() {
                frame.set_cursor_position(caret);
            }
        })?;
        self.dirty = false;
        self.drawn_at = Instant::now();
        Ok(())
    }

    /// Draws all cells with the next frame. Not by `Terminal::clear`, which asks the terminal for its cursor: the answer would
    /// go to whoever reads the keys, and the question fail.
    fn fresh(&mut self) -> io::Result<()> {
        crossterm::execute!(io::stdout(), crossterm::terminal::Clear(crossterm::terminal::ClearType::All))?;
        self.screen = Terminal::new(Bounded::new(CrosstermBackend::new(io::stdout())))?;
        self.dirty = true;
        Ok(())
    }

    async fn perform(&mut self, effect: UiEffect) -> io::Result<Option<Leave>> {
        match effect {
            UiEffect::Ask(..)
            | UiEffect::Watch(..)
            | UiEffect::Unwatch(_)
            | UiEffect::Begin(..)
            | UiEffect::End(_)
            | UiEffect::Save(..)
            | UiEffect::Page(_) => match &mut self.core {
                Core::Coming(_, waiting) => waiting.push(effect),
                Core::Here(client) => {
                    let client = client.clone();
                    self.perform_by(client, effect).await?;
                }
            },
            UiEffect::Copy(text) => {
                if let Err(why) = terminal::copy(&text) {
                    self.note(Err(Fault::user(why)));
                }
            }
            UiEffect::Edit { ticket, text, suffix } => self.edit(ticket, text, suffix).await?,
            UiEffect::Here(ticket, wanted) => self.here(ticket, wanted),
            UiEffect::Write(path, text) => self.write(path, text),
            UiEffect::PageText(text) => self.page_text(&text).await?,
            UiEffect::Aside(words, after) => self.aside_ostler(&words, after).await?,
            UiEffect::Call(number, words) => self.call(number, words),
            UiEffect::EndCall(number) => {
                if let Some(call) = self.calls.remove(&number) {
                    call.abort();
                }
            }
            UiEffect::Bell(text) => terminal::bell(&text),
            UiEffect::Suspend => self.suspend()?,
            UiEffect::Redraw => self.fresh()?,
            UiEffect::Remember(kept) => self.remember(&kept),
            UiEffect::Quit(leave) => return Ok(Some(leave)),
            // The app has done these itself.
            UiEffect::Open(_)
            | UiEffect::Close
            | UiEffect::Run(_)
            | UiEffect::Go(_)
            | UiEffect::Focus(_)
            | UiEffect::ShowFile(_)
            | UiEffect::Mark { .. }
            | UiEffect::Toast(_)
            | UiEffect::Theme(..)
            | UiEffect::Send(_)
            | UiEffect::Speak(_)
            | UiEffect::SendAs(..) => {}
        }
        Ok(None)
    }

    /// Does what is done by the core.
    async fn perform_by(&mut self, client: Client, effect: UiEffect) -> io::Result<()> {
        match effect {
            UiEffect::Ask(ticket, request) => self.ask(client, ticket, request),
            UiEffect::Watch(number, file, from) => self.watch(client, number, file, from),
            UiEffect::Unwatch(number) => {
                if let Some(watch) = self.watches.remove(&number) {
                    watch.abort();
                }
            }
            UiEffect::Begin(number, task) => self.begin(client, number, task),
            UiEffect::End(number) => {
                if let Some(task) = self.tasks.remove(&number) {
                    task.abort();
                }
            }
            UiEffect::Save(file, path) => self.save(client, file, path),
            UiEffect::Page(file) => self.page(client, file).await?,
            _ => {}
        }
        Ok(())
    }

    fn note(&self, note: Result<String, Fault>) {
        // A full inbox means that the screen is behind; the note is then the least of it.
        let _ = self.messages.try_send(Msg::Note(note));
    }

    /// Sends a request. It is on its way when this returns, so that an undo cannot overtake what it takes back; only the
    /// answer is waited for elsewhere.
    fn ask(&self, client: Client, ticket: Ticket, request: Request) {
        let messages = self.messages.clone();
        let mut asked = Box::pin(async move {
            let reply = client.request(request).await;
            let _ = messages.send(Msg::Reply(ticket, Box::new(reply))).await;
        });
        if (&mut asked).now_or_never().is_none() {
            tokio::spawn(asked);
        }
    }

    fn watch(&mut self, client: Client, number: u64, file: FileRef, from: From) {
        let messages = self.messages.clone();
        let task = tokio::spawn(async move {
            match client.open_log(file, from, FollowMode::Newest).await {
                Ok(mut deltas) => {
                    while let Some(delta) = deltas.recv().await {
                        if messages.send(Msg::LogDelta(number, delta)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(fault) => {
                    let delta = crate::model::request::LogDelta::Failed(fault);
                    let _ = messages.send(Msg::LogDelta(number, delta)).await;
                }
            }
        });
        if let Some(former) = self.watches.insert(number, task) {
            former.abort();
        }
    }

    fn begin(&mut self, client: Client, number: u64, task: Task) {
        let messages = self.messages.clone();
        let telling = tokio::spawn(async move {
            let begun = match here(task) {
                Ok(task) => client.begin_task(task).await,
                Err(fault) => Err(fault),
            };
            match begun {
                Ok(mut news) => {
                    while let Some(news) = news.recv().await {
                        if messages.send(Msg::Task(number, news)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(fault) => drop(messages.send(Msg::Task(number, TaskNews::Failed(fault))).await),
            }
        });
        self.tasks.retain(|_, task| !task.is_finished());
        self.tasks.insert(number, telling);
    }

    fn remember(&self, kept: &Kept) {
        if let (Some(path), Ok(text)) = (&self.options.sizes_file, serde_json::to_vec(kept)) {
            // Only comfort is lost when it fails.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(path, text);
        }
    }
}

/// The signals that mean: leave, work goes on.
struct Signals {
    term: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { term: signal(SignalKind::terminate())?, hangup: signal(SignalKind::hangup())? })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
