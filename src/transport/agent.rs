//! The other end of a node's agent: one task for each node keeps a session up, turns orders into frames and frames into
//! reports, and comes back by itself after a loss, with back-off and jitter.
//!
//! Decision: nothing is queued while a session is down. On `Report::Up` the runtime issues every order of its outbox for
//! that node again, and orders are idempotent, so the task may drop what it cannot send. Log bytes never pass here: they
//! use channels of their own on the same [`Link`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::model::ids::NodeId;
use crate::model::spec::AgentKind;
use crate::model::units::Millis;
use crate::transport::bootstrap::{Answer, Bootstrap, NO_SHELL, fault_of};
use crate::transport::frame::{Line, Lines, Said, words};
use crate::transport::link::{Channel, Link, LinkError};
use crate::transport::session::{Coming, Session};
use crate::transport::{Address, NodeLink, Order, Report, program};

/// How many sign-ins may be under way at once, over all nodes: sshd begins to refuse at ten (`MaxStartups 10:30:100`),
/// and many nodes may stand behind one jump host.
pub const HANDSHAKES_AT_ONCE: usize = 8;
/// The shortest and longest wait before trying again.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));
/// A session that stood this long was good: the next loss begins with the shortest wait again.
const GOOD_SESSION: Duration = Duration::from_secs(60);
/// For opening a link: a sign-in may wait for a person's second factor.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(120);
/// From an open channel to an agent that is up, scripts and inventory included, on a slow node.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How many orders may wait to be sent to one node: ten times what a gang of a thousand asks of one.
const ORDERS_MAX: usize = 16_384;
/// Unexpected frames after which a session is closed.
const PROTOCOL_ERRORS_MAX: u32 = 3;
/// Pings without an answer after which a session is dead.
const PINGS_MISSED_MAX: u32 = 3;
/// How much of the node's standard error is kept for a fault.
const STDERR_BYTES_MAX: usize = 4096;
/// How long the last words of a shell that has ended may still come: something that it started may hold its standard error open.
const LAST_WORDS_MAX: Duration = Duration::from_millis(200);
/// What a shell says that can make no process: dash; busybox and mksh; bash (three ways); zsh.
const CANNOT_FORK: [&str; 6] = [
    "cannot fork",
    "can't fork",
    "fork: retry",
    "fork: resource temporarily unavailable",
    "fork: cannot allocate memory",
    "fork failed",
];
/// How long acknowledgements are gathered, so that the node looks around once for many: each look reads what every process there says
/// of itself, 5 to 20 ms. Nobody waits for it.
const ACK_DELAY: Duration = Duration::from_millis(250);
/// How long a task waits for an agent that was told to go.
const BYE_TIMEOUT: Duration = Duration::from_secs(2);

static HANDSHAKES: Semaphore = Semaphore::const_new(HANDSHAKES_AT_ONCE);

/// What a caller may set otherwise; tests do.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// How often the agent is pinged; it looks over its spool each time.
    pub heartbeat: Duration,
    /// How long an open channel may take to become an agent that is up.
    pub start: Duration,
    /// The words that start the shell which the agent runs in.
    pub shell: String,
    /// How a local node's channels are opened; the normal way when `None`.
    pub local: Option<crate::transport::local::LocalLink>,
    /// The program that is the native agent; the one that is offered when `None`.
    pub program: Option<PathBuf>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(5),
            start: START_TIMEOUT,
            shell: "/bin/sh".to_owned(),
            local: None,
            program: None,
        }
    }
}

/// A running link task. Dropping all handles ends it; what runs on the node goes on.
#[derive(Clone, Debug)]
pub struct AgentHandle {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    link: Mutex<Option<Link>>,
    wake: Notify,
    overflow: Notify,
    close: watch::Sender<Option<Close>>,
}

/// How a task is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// The session is closed; what waits on the node for work goes by itself.
    Link,
    /// The agent takes down all that it keeps on the node, but for what runs.
    Agent,
}

/// Starts the task of one node, with the usual values.
pub fn spawn(link: NodeLink, reports: mpsc::Sender<(NodeId, Report)>) -> AgentHandle {
    spawn_tuned(link, reports, Tuning::default())
}

/// Starts the task of one node.
pub fn spawn_tuned(link: NodeLink, reports: mpsc::Sender<(NodeId, Report)>, tuning: Tuning) -> AgentHandle {
    let (orders_in, orders) = mpsc::channel(ORDERS_MAX);
    let (close, closing) = watch::channel(None);
    let (ended_in, ended) = watch::channel(false);
    let shared = Arc::new(Shared { link: Mutex::new(None), wake: Notify::new(), overflow: Notify::new(), close });
    let task = Task { link, reports, tuning, orders, closing, shared: shared.clone() };
    tokio::spawn(async move {
        task.run().await;
        let _ = ended_in.send(true);
    });
    AgentHandle { orders: orders_in, shared, ended }
}

impl AgentHandle {
    /// Gives the node an order. It may be lost with the link: after the next `Report::Up` the caller issues it again.
    pub fn send(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            // Full: the session is closed, and after the next `Up` everything is issued again.
            self.shared.overflow.notify_one();
        }
    }

    /// Tries to connect now, also after a failure that waits to be asked.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }

    /// Returns the link for channels of one's own; `None` while it is down.
    pub fn link(&self) -> Option<Link> {
        self.shared.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the task; with `also_end_agent`, also what the agent keeps on the node, but for jobs that run.
    pub fn close(&self, also_end_agent: bool) {
        let how = if also_end_agent { Close::Agent } else { Close::Link };
        let _ = self.shared.close.send(Some(how));
    }

    /// Waits until the task has ended.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

struct Task {
    link: NodeLink,
    reports: mpsc::Sender<(NodeId, Report)>,
    tuning: Tuning,
    orders: mpsc::Receiver<Order>,
    closing: watch::Receiver<Option<Close>>,
    shared: Arc<Shared>,
}

/// Why a session or the attempt at one is over.
enum Over {
    Lost(LinkError),
    Closed,
}

impl Task {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let over = self.once().await;
            let link = self.set_link(None);
            let Over::Lost(error) = over else {
                // A node that was given back keeps no connection of ours; otherwise it stays for whoever comes next.
                let how = *self.closing.borrow();
                if let (Some(link), Some(Close::Agent)) = (link, how) {
                    link.close().await;
                }
                return;
            };
            if began.elapsed() >= GOOD_SESSION {
                failures = 0;
            }
            let wait = if error.hard { None } else { Some(back_off(failures)) };
            failures = failures.saturating_add(1);
            let retry_in = wait.map(|wait| Millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
            if self.report(Report::Down { why: error.unusable(), retry_in }).await.is_err() {
                return;
            }
            match self.rest(wait).await {
                Rest::Over => {}
                Rest::Asked => failures = 0,
                Rest::Closed => return,
            }
        }
    }

    /// Connects, brings an agent up, and serves the session until it is over.
    async fn once(&mut self) -> Over {
        let mut closing = self.closing.clone();
        let coming_up = tokio::select! {
            up = self.come_up() => up,
            _ = closing.wait_for(Option::is_some) => return Over::Closed,
        };
        match coming_up {
            Ok((link, channel, mut session, lines, waiting)) => {
                // What was ordered while it was down comes again after `Up`.
                while self.orders.try_recv().is_ok() {}
                let login = link.login().cloned().map(Box::new);
                self.set_link(Some(link));
                for mut report in session.begin() {
                    if let Report::Up { facts, .. } = &mut report {
                        facts.login = login.clone();
                    }
                    if self.report(report).await.is_err() {
                        return Over::Closed;
                    }
                }
                self.serve(channel, session, lines, waiting).await
            }
            Err(error) => Over::Lost(error),
        }
    }

    /// Signs in when it is this node's turn. What comes after that takes nobody's turn: a node that stands still then, or a
    /// hundred on one dead file server, must not keep the others waiting.
    async fn sign_in(&self) -> Result<Link, LinkError> {
        let Ok(_permit) = HANDSHAKES.acquire().await else {
            return Err(LinkError::soft("unreachable", "connect", "shutting down"));
        };
        let connect = async {
            match &self.tuning.local {
                Some(local) => Ok(Link::Local(local.clone())),
                None => Link::connect(&self.link).await,
            }
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connect).await {
            Ok(link) => link,
            Err(_) => Err(LinkError::soft("unreachable", "connect", "no connection within two minutes")),
        }
    }

    async fn come_up(&self) -> Result<(Link, Channel, Session, Lines, Vec<Line>), LinkError> {
        let link = self.sign_in().await?;
        let mut channel = link.open(&format!("exec {} -s", self.tuning.shell)).await?;
        let mut errors = Vec::new();
        let boot = Bootstrap::new();
        let started = self.start(&link, &boot, &mut channel).await;
        match started {
            Ok((session, lines, waiting)) => Ok((link, channel, session, lines, waiting)),
            Err(mut error) => {
                let rest = channel.stderr.take(STDERR_BYTES_MAX as u64);
                let mut rest = std::pin::pin!(rest);
                let _ = tokio::time::timeout(LAST_WORDS_MAX, rest.read_to_end(&mut errors)).await;
                let said = words(&String::from_utf8_lossy(&errors));
                // A link that is cut before the node has said a word looks like a shell that is none, and is tried again.
                if error.code == NO_SHELL && !link.lives().await {
                    error = LinkError::soft(
                        "unreachable",
                        "start agent",
                        "the link broke before the node's shell had said a word",
                    );
                }
                Err(with_words(error, &said))
            }
        }
    }

    /// Brings an agent up on a fresh channel. What a copy of the program takes is not counted.
    async fn start(&self, link: &Link, boot: &Bootstrap, channel: &mut Channel) -> Result<Started, LinkError> {
        let limit = self.tuning.start;
        let timed = || silent(&self.link, boot.answered(), limit);
        let mut ear = Ear::default();
        let ready = tokio::time::timeout(limit, ready(&self.link, boot, channel, &mut ear));
        ready.await.map_err(|_| timed())??;
        let program = match (self.link.agent, &self.tuning.program) {
            (AgentKind::Native, Some(program)) => Some(program.as_path()),
            (AgentKind::Native, None) => program::offered(),
            (AgentKind::Shell, _) => None,
        };
        let leads = match program {
            None => Leads::Shell(None),
            Some(program) => {
                let path = path_of(&self.link, program).await;
                let mut leads = ask(boot, channel, &mut ear, &path, limit).await.ok_or_else(timed)??;
                if let Leads::Missing(to) = leads {
                    leads = match program::copy(link, program, &to).await {
                        Ok(()) => ask(boot, channel, &mut ear, &path, limit).await.ok_or_else(timed)??,
                        Err(why) => Leads::Shell(Some(why)),
                    };
                }
                leads
            }
        };
        let up = tokio::time::timeout(limit, up(&self.link, &self.tuning, boot, channel, ear, leads));
        up.await.map_err(|_| timed())?
    }

    async fn serve(&mut self, channel: Channel, mut session: Session, mut lines: Lines, waiting: Vec<Line>) -> Over {
        let Channel { stdin, mut stdout, stderr, guard } = channel;
        let _guard = guard;
        let (writer, to_write) = mpsc::channel(ORDERS_MAX);
        let _writing = AbortOnDrop(tokio::spawn(write_all(stdin, to_write)));
        let mut draining = AbortOnDrop(tokio::spawn(drain(stderr)));
        let mut beat = tokio::time::interval(self.tuning.heartbeat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beat.tick().await;
        let mut buffer = vec![0; 16 << 10];
        let mut ack_at: Option<Instant> = None;
        let mut bye_at: Option<Instant> = None;
        let mut closing = self.closing.clone();
        let shared = self.shared.clone();
        let mut heard = waiting;
        loop {
            for line in std::mem::take(&mut heard) {
                if let Err(error) = self.hear(&mut session, line).await {
                    return if bye_at.is_some() { Over::Closed } else { error };
                }
            }
            let far = Instant::now() + Duration::from_secs(3600);
            let text = tokio::select! {
                got = stdout.read(&mut buffer) => match got {
                    Ok(0) if bye_at.is_some() => return Over::Closed,
                    Ok(0) => {
                        let said = tokio::time::timeout(LAST_WORDS_MAX, &mut draining.0).await;
                        let said = said.ok().and_then(Result::ok).unwrap_or_default();
                        return Over::Lost(with_words(LinkError::soft("unreachable", "connect", "the agent ended"), &said));
                    }
                    Ok(got) => { heard = lines.feed(&buffer[..got]); continue; }
                    Err(error) => return Over::Lost(LinkError::soft("unreachable", "connect", "the link broke").because(error)),
                },
                order = self.orders.recv() => match order {
                    None => return Over::Closed,
                    Some(Order::Ack { effect, key }) => {
                        if session.gather_ack(effect, key) { session.acks() } else {
                            ack_at.get_or_insert_with(|| Instant::now() + ACK_DELAY);
                            continue;
                        }
                    }
                    Some(order) => session.order(&order),
                },
                () = tokio::time::sleep_until(ack_at.unwrap_or(far)) => { ack_at = None; session.acks() }
                _ = beat.tick() => {
                    if session.pings_missed() >= PINGS_MISSED_MAX {
                        return lost("the agent does not answer any more");
                    }
                    session.ping()
                }
                () = shared.overflow.notified() => return lost("more orders than the node takes"),
                () = shared.wake.notified() => continue,
                how = wait_close(&mut closing), if bye_at.is_none() => match how {
                    Close::Link => return Over::Closed,
                    Close::Agent => { bye_at = Some(Instant::now() + BYE_TIMEOUT); session.bye() }
                },
                () = tokio::time::sleep_until(bye_at.unwrap_or(far)), if bye_at.is_some() => return Over::Closed,
            };
            if !text.is_empty() && writer.try_send(text).is_err() {
                return lost("the agent takes no orders any more");
            }
        }
    }

    /// Takes in one line of the node and reports what it means.
    async fn hear(&self, session: &mut Session, line: Line) -> Result<(), Over> {
        let said = match line {
            Line::Whole(line) => Said::parse(&line).map_err(|error| error.to_string()),
            Line::TooLong => Err("a line without end".to_owned()),
        };
        match said {
            Ok(Said::Fatal { code, words }) => return Err(Over::Lost(fault_of(&code, "connect", &words))),
            Ok(said) => {
                for report in session.hear(said) {
                    self.report(report).await.map_err(|()| Over::Closed)?;
                }
            }
            Err(why) => {
                tracing::debug!(node = %self.link.node, %why, "unexpected frame");
                if session.count_error() >= PROTOCOL_ERRORS_MAX {
                    return Err(Over::Lost(LinkError::soft("protocol", "connect", why)));
                }
            }
        }
        Ok(())
    }

    async fn report(&self, report: Report) -> Result<(), ()> {
        self.reports.send((self.link.node, report)).await.map_err(|_| ())
    }

    /// Sets the link that others may use; returns the one before.
    fn set_link(&self, link: Option<Link>) -> Option<Link> {
        std::mem::replace(&mut *self.shared.link.lock().unwrap_or_else(PoisonError::into_inner), link)
    }

    /// Waits for the next attempt; `None` waits to be asked. Orders are dropped meanwhile.
    async fn rest(&mut self, wait: Option<Duration>) -> Rest {
        let until = Instant::now() + wait.unwrap_or(Duration::from_secs(3600 * 24 * 365));
        let mut closing = self.closing.clone();
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Rest::Over,
                () = self.shared.wake.notified() => return Rest::Asked,
                _ = wait_close(&mut closing) => return Rest::Closed,
                order = self.orders.recv() => if order.is_none() { return Rest::Closed },
            }
        }
    }
}

enum Rest {
    Over,
    Asked,
    Closed,
}

async fn wait_close(closing: &mut watch::Receiver<Option<Close>>) -> Close {
    match closing.wait_for(Option::is_some).await {
        Ok(how) => how.unwrap_or(Close::Link),
        Err(_) => Close::Link,
    }
}

fn lost(what: &str) -> Over {
    Over::Lost(LinkError::soft("unreachable", "connect", what))
}

/// Returns what it means that no agent came up in time. A shell that has said its first line and no other waits for its spool.
fn silent(link: &NodeLink, answered: bool, limit: Duration) -> LinkError {
    let seconds = limit.as_secs();
    if !answered {
        let message = format!("the node's shell did not answer for {seconds} s");
        return LinkError::soft("unreachable", "start agent", message);
    }
    let spool = link.local_root.as_deref().unwrap_or("below the home of its user");
    let message = format!(
        "the node's shell answers, but its spool ({spool}) did not for {seconds} s: the file system there may stand still, as when \
         a file server is gone"
    );
    LinkError::soft("spool", "prepare", message)
}

/// A session that is up, and what was heard behind its last line.
type Started = (Session, Lines, Vec<Line>);

/// What was heard and not yet taken in.
#[derive(Default)]
struct Ear {
    lines: Lines,
    waiting: Vec<Line>,
}

impl Ear {
    async fn listen(&mut self, boot: &Bootstrap, channel: &mut Channel) -> Result<Answer, LinkError> {
        boot.listen(&mut channel.stdout, &mut self.lines, &mut self.waiting).await
    }
}

/// Who leads the node.
enum Leads {
    Native,
    /// The native agent has to be copied to this path first.
    Missing(String),
    /// With the reason, where it was to be the native one.
    Shell(Option<String>),
}

fn broke(error: std::io::Error) -> LinkError {
    LinkError::soft("unreachable", "start agent", "the link broke").because(error)
}

/// Has the node looked over and the scripts put there.
async fn ready(link: &NodeLink, boot: &Bootstrap, channel: &mut Channel, ear: &mut Ear) -> Result<(), LinkError> {
    // A shell that is gone shows in what it printed, so an error in writing waits for that.
    let mut written = channel.stdin.write_all(boot.opening(link).as_bytes()).await;
    let mut scripts = ear.listen(boot, channel).await?;
    if scripts == Answer::Need {
        written = channel.stdin.write_all(boot.scripts().as_bytes()).await;
        scripts = ear.listen(boot, channel).await?;
    }
    if scripts != Answer::Have {
        return Err(LinkError::soft("protocol", "start agent", "the scripts did not reach the node"));
    }
    written.map_err(broke)
}

/// Returns where the node finds the program: a node of this machine where it is, others below their spool.
async fn path_of(link: &NodeLink, program: &Path) -> String {
    if link.address == Address::Local {
        return program.display().to_string();
    }
    // One that cannot be read here is nowhere there.
    program::name(program).await.unwrap_or_else(|_| "../shared/ostler-".to_owned())
}

/// Asks whether the program at this path can lead the node; `None` when no answer comes in time.
async fn ask(
    boot: &Bootstrap,
    channel: &mut Channel,
    ear: &mut Ear,
    path: &str,
    limit: Duration,
) -> Option<Result<Leads, LinkError>> {
    let asking = async {
        channel.stdin.write_all(boot.native(path).as_bytes()).await.map_err(broke)?;
        channel.stdin.flush().await.map_err(broke)?;
        Ok(match ear.listen(boot, channel).await? {
            Answer::Able => Leads::Native,
            Answer::Missing(to) => Leads::Missing(to),
            Answer::Unable(why) => Leads::Shell(Some(why)),
            Answer::Have | Answer::Need => return Err(LinkError::soft("protocol", "start agent", "an answer to nothing")),
        })
    };
    tokio::time::timeout(limit, asking).await.ok()
}

/// Hands the channel over to the agent and waits until it is up.
async fn up(
    link: &NodeLink,
    tuning: &Tuning,
    boot: &Bootstrap,
    channel: &mut Channel,
    ear: Ear,
    leads: Leads,
) -> Result<Started, LinkError> {
    let Ear { mut lines, mut waiting } = ear;
    let mut coming = Coming::new(link);
    let hello = match leads {
        Leads::Native => boot.lead(link.epoch.0, &tuning.shell),
        Leads::Missing(path) => {
            coming.led_by_shell(&format!("{} is not there although it was copied", words(&path)));
            boot.hello(link.epoch.0, &tuning.shell)
        }
        Leads::Shell(why) => {
            if let Some(why) = why {
                coming.led_by_shell(&why);
            }
            boot.hello(link.epoch.0, &tuning.shell)
        }
    };
    channel.stdin.write_all(hello.as_bytes()).await.map_err(broke)?;
    channel.stdin.flush().await.map_err(broke)?;
    let mut buffer = vec![0; 16 << 10];
    loop {
        let mut rest = std::mem::take(&mut waiting).into_iter();
        while let Some(line) = rest.next() {
            let Line::Whole(line) = line else {
                return Err(LinkError::soft("protocol", "start agent", "a line without end"));
            };
            match Said::parse(&line) {
                Ok(Said::Fatal { code, words }) => return Err(fault_of(&code, "start agent", &words)),
                Ok(Said::Up) => return Ok((coming.up()?, lines, rest.collect())),
                Ok(said) => coming.hear(said)?,
                Err(error) if coming.count_error() >= PROTOCOL_ERRORS_MAX => {
                    return Err(LinkError::soft("protocol", "start agent", error.to_string()));
                }
                Err(_) => {}
            }
        }
        let got = channel.stdout.read(&mut buffer).await.map_err(broke)?;
        if got == 0 {
            return Err(LinkError::soft("protocol", "start agent", "the agent ended while it came up"));
        }
        waiting = lines.feed(&buffer[..got]);
    }
}

/// Writes what comes, everything that waits at once.
async fn write_all(mut stdin: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>, mut texts: mpsc::Receiver<String>) {
    while let Some(mut text) = texts.recv().await {
        while let Ok(more) = texts.try_recv() {
            text.push_str(&more);
        }
        if stdin.write_all(text.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Reads the agent's complaints so that it never stands still for them, and returns the last.
async fn drain(mut stderr: std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>) -> String {
    let (mut buffer, mut last) = (vec![0; 1024], Vec::new());
    while let Ok(got) = stderr.read(&mut buffer).await {
        if got == 0 {
            break;
        }
        tracing::debug!(said = %words(&String::from_utf8_lossy(&buffer[..got])), "agent");
        // A line may come in pieces.
        last.extend_from_slice(&buffer[..got]);
        last.drain(..last.len().saturating_sub(STDERR_BYTES_MAX));
    }
    words(&String::from_utf8_lossy(&last))
}

/// Adds what a shell complained about when it ended. One that could make no process has failed at whatever it was about, so what
/// it said of that counts for nothing: the node is full, and may have room again at any time.
fn with_words(error: LinkError, said: &str) -> LinkError {
    let said_small = said.to_lowercase();
    if CANNOT_FORK.iter().any(|words| said_small.contains(words)) {
        let message = format!("no more processes can be started on the node, or by its user there: {said}");
        return LinkError::soft("no-processes", error.step, message);
    }
    match said {
        "" => error,
        _ => LinkError { message: format!("{}; {said}", error.message), ..error },
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns the wait after so many failures, up to a quarter longer by chance, so that nodes do not come in step.
fn back_off(failures: u32) -> Duration {
    let wait = RETRY.0.saturating_mul(1 << failures.min(8)).min(RETRY.1);
    let chance = Uuid::new_v4().as_bytes()[0];
    wait + wait * u32::from(chance) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_that_cannot_fork_is_no_fault_of_the_node() {
        let hard = || LinkError::hard("missing-tools", "prepare", "grep does not know -z");
        for said in [
            "/bin/dash: 23: Cannot fork",
            "/bin/bash: fork: retry: Resource temporarily unavailable",
            "ash: can't fork: Resource temporarily unavailable",
            "mksh: can't fork - try again",
        ] {
            let error = with_words(hard(), said);
            assert!(error.code == "no-processes" && !error.hard && error.message.contains(said), "{error:?}");
        }
        // A path may hold the word.
        let error = with_words(hard(), "sh: 3: /opt/fork: not found");
        assert!(error.hard && error.message == "grep does not know -z; sh: 3: /opt/fork: not found", "{error:?}");
        assert_eq!(with_words(hard(), "").message, "grep does not know -z");
    }

    #[test]
    fn waits_grow_to_their_limit_with_jitter() {
        for (failures, least) in [(0, 2), (1, 4), (3, 16), (5, 60), (1000, 60)] {
            let wait = back_off(failures);
            let least = Duration::from_secs(least);
            assert!(wait >= least && wait <= least + least / 4, "{failures}: {wait:?}");
        }
    }
}
