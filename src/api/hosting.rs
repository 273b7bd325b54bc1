//! Hosting the core in this process: lock, socket, store, runtime, server, in this order; and back.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};

use super::address;
use super::embedded::Embedded;
use super::host::HostOptions;
use super::server::Server;
use super::wire::{PROTOCOL, ServerHello};
use super::{Client, socket};
use crate::model::fault::Fault;
use crate::model::request::{Reply, Request, Status};
use crate::model::settings::Settings;
use crate::model::units::UnixMillis;
use crate::runtime;
use crate::runtime::call::{CALLS_WAITING_MAX, Call};
use crate::store::lock::{self, Holder, Lock, LockError};
use crate::store::{DATABASE_FILE, Db};

/// A core that runs in this process, with all that makes it the host.
pub(super) struct Hosting {
    server: Server,
    handle: runtime::Handle,
    calls: mpsc::Sender<Call>,
    lock: Lock,
}

/// Why this process does not host.
pub(super) enum NotHosting {
    /// Another one does.
    Held { fault: Fault },
    /// It cannot.
    Fault(Fault),
}

impl From<Fault> for NotHosting {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Takes the socket's name away again when a later step fails.
struct Bound<'a>(&'a Path, bool);

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        if !self.1 {
            let _ = std::fs::remove_file(self.0);
        }
    }
}

impl Hosting {
    /// Becomes the host, if nobody is. Clients that come while the state is read wait for the hello.
    pub(super) async fn start(options: &HostOptions) -> Result<Self, NotHosting> {
        lock::prepare_state_dir(&options.state_dir).map_err(Fault::from)?;
        let socket = options.socket()?;
        let lock = match Lock::take(&options.state_dir, &Holder::this_process(now(), &socket)) {
            Ok(lock) => lock,
            Err(error @ LockError::Held { .. }) => {
                let fault = Fault::user(error.to_string()).hint("without --embedded, ostler attaches to it");
                return Err(NotHosting::Held { fault });
            }
            Err(LockError::Refused(error)) => return Err(Fault::from(error).into()),
        };
        let listener = address::listen(&socket).await?;
        let mut bound = Bound(&socket, false);
        let (calls, handle) = start_core(options, &socket).await?;
        if let Some(changes) = &options.changes {
            tokio::spawn(pass_settings(changes.clone(), calls.downgrade()));
        }
        let core = Embedded::new(calls.clone());
        let status = status(&core).await?;
        let hello = ServerHello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            epoch: status.epoch,
            refused: None,
        };
        bound.1 = true;
        let server = Server::start(listener, &socket, core, hello);
        Ok(Self { server, handle, calls, lock })
    }

    /// Returns a client of this core.
    pub(super) fn client(&self) -> Client {
        Client::embedded(self.calls.clone())
    }

    /// Returns what is undone and who hosts, as the core says it.
    pub(super) async fn status(&self) -> Result<Status, Fault> {
        status(&Embedded::new(self.calls.clone())).await
    }

    /// Returns the number of clients in other processes, kept current.
    pub(super) fn attached(&self) -> watch::Receiver<usize> {
        self.server.attached()
    }

    /// Lets nobody in any more, unless somebody is in.
    pub(super) fn close_if_alone(&self) -> bool {
        self.server.close_if_alone()
    }

    /// Waits until the core has ended by itself.
    pub(super) async fn ended(&self) {
        self.calls.closed().await;
    }

    /// Stops accepting, ends the core after its last commit, closes the store, unlocks.
    pub(super) async fn stop(self) -> Result<(), Fault> {
        let Self { server, handle, calls, lock } = self;
        server.stop().await;
        handle.stop();
        drop(calls);
        let ended = handle.stopped().await;
        drop(lock);
        ended
    }
}

/// Passes changed settings on for as long as the core is there.
async fn pass_settings(mut changes: watch::Receiver<Settings>, calls: mpsc::WeakSender<Call>) {
    while changes.changed().await.is_ok() {
        let settings = changes.borrow_and_update().clone();
        let Some(calls) = calls.upgrade() else { return };
        if calls.send(Call::Settings(settings)).await.is_err() {
            return;
        }
    }
}

async fn start_core(options: &HostOptions, socket: &Path) -> Result<(mpsc::Sender<Call>, runtime::Handle), Fault> {
    let path = options.state_dir.join(DATABASE_FILE);
    let runtime_options = runtime::Options {
        state_dir: options.state_dir.clone(),
        settings: options.settings.clone(),
        ssh_config: options.ssh_config.clone(),
        socket: socket.display().to_string(),
    };
    let (calls, receiver) = mpsc::channel(CALLS_WAITING_MAX);
    // Opening checks the file and reads all live rows: too long for a thread that serves others.
    let start = move || {
        let store = Db::open(&path).map_err(Fault::from)?;
        runtime::start(runtime_options, Box::new(store), receiver)
    };
    let handle =
        tokio::task::spawn_blocking(start).await.map_err(|e| Fault::internal("the core did not start").because(&e))??;
    Ok((calls, handle))
}

async fn status(core: &Embedded) -> Result<Status, Fault> {
    match core.request(Request::Status).await? {
        Reply::Status(status) => Ok(status),
        other => Err(Fault::internal(format!("the core answered `{other:?}` to a question for its status"))),
    }
}

/// Returns a client of the host of this state directory, if there is one.
pub(super) async fn attach(options: &HostOptions) -> Result<Client, socket::Unconnected> {
    for path in sockets(options).map_err(socket::Unconnected::Fault)? {
        match socket::Socket::connect(&path).await {
            Ok((socket, _)) => return Ok(Client::attached(socket)),
            Err(socket::Unconnected::Nobody) => {}
            Err(fault @ socket::Unconnected::Fault(_)) => return Err(fault),
        }
    }
    Err(socket::Unconnected::Nobody)
}

/// Returns where the host may listen: where it said, since its environment may have been another one, and where the
/// rule says.
pub(super) fn sockets(options: &HostOptions) -> Result<Vec<PathBuf>, Fault> {
    let mut paths: Vec<PathBuf> = lock::last_holder(&options.state_dir).map(|holder| holder.socket).into_iter().collect();
    let by_rule = options.socket()?;
    if !paths.contains(&by_rule) {
        paths.push(by_rule);
    }
    Ok(paths)
}

/// Returns the time of the wall clock.
pub(super) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
