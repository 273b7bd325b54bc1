//! `ostler serve`: a process that only hosts.

use std::io::{self, Write};
use std::time::Duration;

use tokio::io::AsyncBufReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::background::{GO, READY, SERVING};
use super::host::{HostOptions, LOOK_PAUSE};
use super::hosting::{Hosting, NotHosting, attach};
use crate::model::fault::Fault;
use crate::store::{DATABASE_FILE, Db};

/// How long a host waits for a lock whose holder does not listen: that one is on its way out.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often is looked whether anything is undone; there is no hurry to leave.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// The least time of staying: who started us needs some to attach.
const IDLE_MIN: Duration = Duration::from_secs(3);

/// How to serve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Serve {
    /// Started by another ostler and not by a person: make a session of our own.
    pub background: bool,
    /// Take over from a host that says when, on standard input.
    pub take_over: bool,
}

/// Hosts the core of a state directory until it is asked to stop, or is idle for `serve_idle`.
///
/// # Errors
/// That another process hosts it, or what the core ended with.
pub async fn serve(options: HostOptions, how: Serve) -> Result<(), Fault> {
    if how.background {
        // Fails only for the leader of a process group, which somebody put there on purpose.
        let _ = rustix::process::setsid();
    }
    let signals = Signals::new().map_err(|e| Fault::internal("cannot watch for signals").because(&e))?;
    if how.take_over {
        Db::check(&options.state_dir.join(DATABASE_FILE))?;
        say(READY);
        wait_for_go().await;
    }
    let hosting = become_host(&options).await?;
    tracing::info!(state_dir = %options.state_dir.display(), "serves");
    if how.take_over {
        say(SERVING);
    }
    let idle = options.settings.serve_idle.to_std().max(IDLE_MIN);
    run(hosting, signals, idle).await
}

/// Says a word to the host that started us. If that is gone, nobody needs to hear it.
fn say(word: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}

/// Waits for the word, or for the end of who should have said it: then its lock is free as well.
async fn wait_for_go() {
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line == GO {
            return;
        }
    }
}

async fn become_host(options: &HostOptions) -> Result<Hosting, Fault> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        let held = match Hosting::start(options).await {
            Ok(hosting) => return Ok(hosting),
            Err(NotHosting::Fault(fault)) => return Err(fault),
            Err(NotHosting::Held { fault }) => fault,
        };
        if Instant::now() >= deadline || attach(options).await.is_ok() {
            return Err(
                Fault { hints: Vec::new(), ..held }.hint("`ostler serve --status` shows it, `ostler` attaches to it")
            );
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// The signals that end a host in order.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        let [a, b, c] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Ok(Self([a?, b?, c?]))
    }

    async fn any(&mut self) {
        let [a, b, c] = &mut self.0;
        tokio::select! {
            _ = a.recv() => {}
            _ = b.recv() => {}
            _ = c.recv() => {}
        }
    }
}

async fn run(hosting: Hosting, mut signals: Signals, idle: Duration) -> Result<(), Fault> {
    tokio::select! {
        () = hosting.ended() => {}
        () = signals.any() => tracing::info!("asked to stop by a signal"),
        () = idled(&hosting, idle) => tracing::info!("nothing is undone and nobody attached"),
    }
    hosting.stop().await
}

/// Waits until nothing is undone and nobody attached for `idle`; lets nobody in any more then.
async fn idled(hosting: &Hosting, idle: Duration) {
    let attached = hosting.attached();
    let mut since = Instant::now();
    loop {
        tokio::time::sleep(IDLE_LOOK.min(idle)).await;
        let alone = *attached.borrow() == 0;
        let at_rest = alone && hosting.status().await.is_ok_and(|status| status.undone.is_empty());
        if !at_rest {
            since = Instant::now();
        } else if since.elapsed() >= idle && hosting.close_if_alone() {
            return;
        }
    }
}
