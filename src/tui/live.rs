//! The loop over a real terminal and a real core, and what it does for the app: requests, watches, clipboard, editor.

use std::collections::BTreeMap;
use std::io::{self, Stdout};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::EventStream;
use futures_util::{FutureExt as _, StreamExt as _};
use notify::Watcher as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::app::{App, Start};
use super::cx::Look;
use super::input;
use super::keymap::Keymap;
use super::layout::Sizes;
use super::msg::{Msg, Stamped, Ticket};
use super::pane::{Leave, UiEffect};
use super::record::Recorder;
use super::terminal::{self, Guard, MouseUse};
use super::theme::{Depth, Themes, load::DEFAULT};
use super::{FRAMES_PER_SECOND, TuiOptions};
use crate::api::Client;
use crate::model::fault::Fault;
use crate::model::request::{FileRef, FileWindow, From, Reply, Request};
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
    let theme = themes.load(options.theme.as_deref().unwrap_or(fallback))?;
    let sizes = options.sizes_file.as_deref().and_then(|path| std::fs::read(path).ok());
    let sizes: Sizes = sizes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let look = Look {
        readonly: options.readonly,
        ascii: options.ascii,
        stop_hold: options.stop_hold,
        bell: options.bell,
        demo: options.demo,
    };
    Ok(Start { look, keymap: Keymap::new(&options.keys)?, themes, theme, depth, sizes })
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

struct Live {
    client: Client,
    options: TuiOptions,
    app: App,
    guard: Guard,
    screen: Terminal<CrosstermBackend<Stdout>>,
    keys: Option<EventStream>,
    messages: mpsc::Sender<Msg>,
    watches: BTreeMap<u64, JoinHandle<()>>,
    tasks: BTreeMap<u64, JoinHandle<()>>,
    recorder: Option<Recorder>,
    drawn_at: Instant,
    dirty: bool,
}

pub(super) async fn run(client: Client, options: TuiOptions) -> Result<Leave, Fault> {
    let app = App::new(start(&options)?);
    let recorder = options.record.as_deref().map(Recorder::create).transpose()?;
    let broken = |e: &io::Error| Fault::config("the terminal cannot be used for the screen").because(e);
    terminal::install_panic_hook();
    let mouse = if options.mouse { MouseUse::Captured } else { MouseUse::Left };
    let guard = Guard::take(mouse).map_err(|e| broken(&e))?;
    let screen = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(|e| broken(&e))?;
    let (messages, mut inbox) = mpsc::channel(MESSAGES_WAITING_MAX);
    let watcher = options.themes_dir.as_deref().and_then(|dir| watch_themes(dir, messages.clone()));
    let feed = tokio::spawn(feed(client.clone(), messages.clone()));
    let keys = Some(EventStream::new());
    let mut live = Live {
        client,
        options,
        app,
        guard,
        screen,
        keys,
        messages,
        watches: BTreeMap::new(),
        tasks: BTreeMap::new(),
        recorder,
        drawn_at: Instant::now(),
        dirty: true,
    };
    let left = live.go(&mut inbox).await.map_err(|e| broken(&e));
    feed.abort();
    for (_, task) in std::mem::take(&mut live.watches).into_iter().chain(std::mem::take(&mut live.tasks)) {
        task.abort();
    }
    drop(watcher);
    left
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
    async fn go(&mut self, inbox: &mut mpsc::Receiver<Msg>) -> io::Result<Leave> {
        let size = self.screen.size()?;
        if let Some(leave) = self.take(Msg::Resize(size.width, size.height)).await? {
            return Ok(leave);
        }
        self.draw()?;
        let mut signals = Signals::new()?;
        loop {
            let frame = self.drawn_at + Duration::from_millis(1000 / FRAMES_PER_SECOND);
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

    fn wake_at(&self) -> Instant {
        Instant::now() + self.app.wake_at().since(now()).to_std()
    }

    async fn on_event(&mut self, event: crossterm::event::Event) -> io::Result<Option<Leave>> {
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

    async fn perform(&mut self, effect: UiEffect) -> io::Result<Option<Leave>> {
        match effect {
            UiEffect::Ask(ticket, request) => self.ask(ticket, request),
            UiEffect::Watch(number, file, from) => self.watch(number, file, from),
            UiEffect::Unwatch(number) => {
                if let Some(watch) = self.watches.remove(&number) {
                    watch.abort();
                }
            }
            UiEffect::Begin(number, task) => self.begin(number, task),
            UiEffect::End(number) => {
                if let Some(task) = self.tasks.remove(&number) {
                    task.abort();
                }
            }
            UiEffect::Copy(text) => {
                if let Err(why) = terminal::copy(&text) {
                    self.note(Err(Fault::user(why)));
                }
            }
            UiEffect::Edit { ticket, text, suffix } => self.edit(ticket, text, suffix).await?,
            UiEffect::Save(file, path) => self.save(file, path),
            UiEffect::Page(file) => self.page(file).await?,
            UiEffect::Bell(text) => terminal::bell(&text),
            UiEffect::Suspend => self.suspend()?,
            UiEffect::Redraw => self.screen.clear()?,
            UiEffect::Remember(sizes) => self.remember(sizes),
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
            | UiEffect::SendAs(..) => {}
        }
        Ok(None)
    }

    fn note(&self, note: Result<String, Fault>) {
        // A full inbox means that the screen is behind; the note is then the least of it.
        let _ = self.messages.try_send(Msg::Note(note));
    }

    /// Sends a request. It is on its way when this returns, so that an undo cannot overtake what it takes back; only the
    /// answer is waited for elsewhere.
    fn ask(&self, ticket: Ticket, request: Request) {
        let (client, messages) = (self.client.clone(), self.messages.clone());
        let mut asked = Box::pin(async move {
            let reply = client.request(request).await;
            let _ = messages.send(Msg::Reply(ticket, Box::new(reply))).await;
        });
        if (&mut asked).now_or_never().is_none() {
            tokio::spawn(asked);
        }
    }

    fn watch(&mut self, number: u64, file: FileRef, from: From) {
        let (client, messages) = (self.client.clone(), self.messages.clone());
        let task = tokio::spawn(async move {
            match client.open_log(file, from).await {
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

    fn begin(&mut self, number: u64, task: Task) {
        let (client, messages) = (self.client.clone(), self.messages.clone());
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

    fn remember(&self, sizes: Sizes) {
        if let (Some(path), Ok(text)) = (&self.options.sizes_file, serde_json::to_vec(&sizes)) {
            // Only comfort is lost when it fails.
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(path, text);
        }
    }

    fn save(&self, file: FileRef, path: String) {
        let (client, messages) = (self.client.clone(), self.messages.clone());
        tokio::spawn(async move {
            let note = fetch(&client, file, Path::new(&path)).await.map(|bytes| format!("saved {bytes} to {path}"));
            let _ = messages.send(Msg::Note(note)).await;
        });
    }

    /// Steps aside, runs a program on the terminal, and comes back.
    async fn aside(&mut self, variable: &str, fallback: &str, file: &Path) -> io::Result<Result<(), Fault>> {
        let command = std::env::var(variable).ok().filter(|c| !c.trim().is_empty()).unwrap_or_else(|| fallback.to_owned());
        let words = shlex::split(&command).unwrap_or_default();
        let Some((program, args)) = words.split_first() else {
            return Ok(Err(Fault::config(format!("${variable} is no command"))));
        };
        // Two readers of one terminal would each get half of the keys.
        self.keys = None;
        self.guard.step_aside();
        let ended = tokio::process::Command::new(program).args(args).arg(file).status().await;
        self.guard.enter()?;
        self.keys = Some(EventStream::new());
        self.screen.clear()?;
        self.dirty = true;
        Ok(match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Fault::user(format!("`{program}` ended with {status}"))),
            Err(e) => Err(Fault::config(format!("`{program}` cannot be started")).because(&e)),
        })
    }

    async fn edit(&mut self, ticket: Ticket, text: String, suffix: &str) -> io::Result<()> {
        let path = private_file(suffix)?;
        std::fs::write(&path, &text)?;
        let ended = self.aside("EDITOR", "vi", &path).await?;
        let edited = std::fs::read_to_string(&path);
        let _ = std::fs::remove_file(&path);
        match (ended, edited) {
            (Ok(()), Ok(text)) => drop(self.messages.try_send(Msg::Edited(ticket, text))),
            (Err(fault), _) => self.note(Err(fault)),
            (Ok(()), Err(e)) => self.note(Err(Fault::user("the edited text cannot be read").because(&e))),
        }
        Ok(())
    }

    async fn page(&mut self, file: FileRef) -> io::Result<()> {
        let path = private_file(".log")?;
        let shown = match fetch(&self.client, file, &path).await {
            Ok(_) => self.aside("PAGER", "less", &path).await?,
            Err(fault) => Err(fault),
        };
        let _ = std::fs::remove_file(&path);
        if let Err(fault) = shown {
            self.note(Err(fault));
        }
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.keys = None;
        self.guard.step_aside();
        // The default action of TSTP stops this process here, until the shell continues it.
        let stopped = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TSTP);
        self.guard.enter()?;
        self.keys = Some(EventStream::new());
        self.screen.clear()?;
        self.dirty = true;
        stopped.map_err(io::Error::from)
    }
}

/// Makes an empty file that only we can read, in the directory for temporary files.
fn private_file(suffix: &str) -> io::Result<std::path::PathBuf> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = format!("ostler-{}{suffix}", uuid::Uuid::new_v4());
    let path = std::env::temp_dir().join(name);
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(path)
}

/// Reads a whole file from its node into one on this side.
async fn fetch(client: &Client, file: FileRef, path: &Path) -> Result<crate::model::units::Bytes, Fault> {
    use tokio::io::AsyncWriteExt as _;
    let fail = |e: &io::Error| Fault::user(format!("`{}` cannot be written", path.display())).because(e);
    let mut out = tokio::fs::File::create(path).await.map_err(|e| fail(&e))?;
    let mut offset = 0;
    loop {
        let window = FileWindow { file: file.clone(), from: From::Start(offset), bytes: SAVE_WINDOW_BYTES };
        let Reply::Window(window) = client.request(Request::ReadFile(window)).await? else {
            return Err(Fault::internal("the core answered something else"));
        };
        if window.bytes.is_empty() {
            break;
        }
        out.write_all(&window.bytes).await.map_err(|e| fail(&e))?;
        offset = window.offset + window.bytes.len() as u64;
    }
    out.flush().await.map_err(|e| fail(&e))?;
    Ok(crate::model::units::Bytes(offset))
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
