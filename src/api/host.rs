//! Who hosts: this process, or one that it attaches to, and the change from one to the other.
//!
//! The lock of the state directory alone decides. Whoever has it hosts the core and listens on the socket; everybody
//! else attaches. A command that needs a core when none runs starts `ostler serve` in the background.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::background::{self, Successor};
use super::hosting::{Hosting, NotHosting, attach, now, sockets};
use super::socket::{Socket, Unconnected};
use super::{Client, address};
use crate::model::fault::Fault;
use crate::model::settings::Settings;
use crate::model::snapshot::Update;
use crate::store::lock::{is_free, last_holder};
use crate::store::{DATABASE_FILE, glance};

/// How long to wait for a host that holds the lock and does not listen yet: it reads its state, or hands over.
const LISTEN_WAIT: Duration = Duration::from_secs(10);
/// How long `ostler serve --stop` waits for the host to be gone: the runtime gives its links 2 s to close.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// What a first look at the store may take; without it the screen says that it waits.
const GLANCE_WAIT: Duration = Duration::from_millis(30);
/// The pause between two looks.
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// How to come to a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Host it here if nobody does, else attach: the screen.
    Embed,
    /// Attach, and start a background host if there is none: a command.
    NeedServer,
    /// Attach, or fail: `serve --status`, `--no-server`.
    AttachOnly,
    /// Host it here, or fail: `--embedded`.
    ForceEmbedded,
}

/// What is needed to come to a core.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The state directory; absolute.
    pub state_dir: PathBuf,
    /// What the config decides.
    pub settings: Settings,
    /// The config file that was named, for a background host to read; absolute.
    pub config: Option<PathBuf>,
    /// ssh's configuration file when it is not the user's own; absolute.
    pub ssh_config: Option<String>,
    /// How.
    pub mode: Mode,
    /// The program that is started as the background host; this one when `None`.
    pub program: Option<PathBuf>,
    /// The directory of sockets; [`address::runtime_dir`] when `None`.
    pub runtime_dir: Option<PathBuf>,
    /// The settings as the config file changes; a core that is hosted here takes them over.
    pub changes: Option<watch::Receiver<Settings>>,
}

impl HostOptions {
    /// Returns options with the usual program and directory of sockets.
    pub fn new(state_dir: PathBuf, settings: Settings, mode: Mode) -> Self {
        Self { state_dir, settings, config: None, ssh_config: None, mode, program: None, runtime_dir: None, changes: None }
    }

    /// Returns the socket that a host with these options listens on.
    pub(super) fn socket(&self) -> Result<PathBuf, Fault> {
        let dir = self.runtime_dir.clone().unwrap_or_else(address::runtime_dir);
        address::socket_path(&dir, &self.state_dir)
    }
}

/// A way to the core, and the core itself if it is hosted here.
pub struct Session {
    options: HostOptions,
    client: Client,
    hosting: Option<Hosting>,
}

/// Comes to a core as the mode says.
///
/// # Errors
/// Of [`crate::model::fault::FaultKind::Remote`] when nobody hosts and none may be started; of `User` when another
/// process hosts and this one had to; else what is wrong with state, socket or background host.
pub async fn open(options: HostOptions) -> Result<Session, Fault> {
    match options.mode {
        Mode::Embed => embed(options).await,
        Mode::ForceEmbedded => match Hosting::start(&options).await {
            Ok(hosting) => Ok(Session::hosting(options, hosting)),
            Err(NotHosting::Held { fault } | NotHosting::Fault(fault)) => Err(fault),
        },
        Mode::AttachOnly => match attach_or_wait(&options).await {
            Ok(client) => Ok(Session::attached(options, client)),
            Err(Unconnected::Fault(fault)) => Err(fault),
            Err(Unconnected::Nobody) => Err(nobody(&options)),
        },
        Mode::NeedServer => match attach(&options).await {
            Ok(client) => Ok(Session::attached(options, client)),
            Err(Unconnected::Fault(fault)) => Err(fault),
            Err(Unconnected::Nobody) => {
                let client = background::start(&options).await?;
                Ok(Session::attached(options, client))
            }
        },
    }
}

/// A core on its way, and what is known before it is there.
pub struct Opening {
    /// A client of it, once it is there; dropped if it will not be.
    pub client: oneshot::Receiver<Client>,
    /// What was committed last: everything but jobs, and the newest of those.
    pub glance: Option<Arc<Update>>,
}

impl Opening {
    /// Returns a core that is there.
    pub fn done(client: Client) -> Self {
        let (told, coming) = oneshot::channel();
        let _ = told.send(client);
        Self { client: coming, glance: None }
    }
}

/// Comes to a core as [`open`] does, but in the background, and takes a first look at its store meanwhile.
pub async fn begin(options: HostOptions) -> (Opening, JoinHandle<Result<Session, Fault>>) {
    let path = options.state_dir.join(DATABASE_FILE);
    let looked = tokio::task::spawn_blocking(move || glance(&path, now()));
    let (told, client) = oneshot::channel();
    let opening = tokio::spawn(async move {
        let session = open(options).await?;
        // Whoever waited for it may have left; the session is closed by whoever has the handle.
        let _ = told.send(session.client());
        Ok(session)
    });
    let glance = tokio::time::timeout(GLANCE_WAIT, looked).await.ok().and_then(Result::ok).flatten();
    (Opening { client, glance: glance.map(Arc::new) }, opening)
}

async fn embed(options: HostOptions) -> Result<Session, Fault> {
    let deadline = Instant::now() + LISTEN_WAIT;
    loop {
        let held = match Hosting::start(&options).await {
            Ok(hosting) => return Ok(Session::hosting(options, hosting)),
            Err(NotHosting::Fault(fault)) => return Err(fault),
            Err(NotHosting::Held { fault }) => fault,
        };
        match attach(&options).await {
            Ok(client) => return Ok(Session::attached(options, client)),
            Err(Unconnected::Fault(fault)) => return Err(fault),
            Err(Unconnected::Nobody) if Instant::now() >= deadline => {
                return Err(
                    Fault::remote(format!("{held}, and it does not listen")).hint("end that process, then try again")
                );
            }
            Err(Unconnected::Nobody) => tokio::time::sleep(LOOK_PAUSE).await,
        }
    }
}

/// Attaches; waits a while only if the last host still lives, since then it is about to listen.
async fn attach_or_wait(options: &HostOptions) -> Result<Client, Unconnected> {
    let deadline = Instant::now() + LISTEN_WAIT;
    loop {
        match attach(options).await {
            Err(Unconnected::Nobody)
                if Instant::now() < deadline && last_holder(&options.state_dir).is_some_and(|h| h.lives()) =>
            {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
            other => return other,
        }
    }
}

fn nobody(options: &HostOptions) -> Fault {
    let fault = Fault::remote(format!("nobody hosts the core of {}", options.state_dir.display()));
    fault.hint("`ostler` opens the screen and hosts it, `ostler serve` hosts it in the background")
}

/// Asks the host of a state directory to stop in order, whatever its version, and waits until it has closed the state.
/// Returns its process.
///
/// # Errors
/// That nobody hosts, or that it does not go.
pub async fn stop(options: &HostOptions) -> Result<u32, Fault> {
    for path in sockets(options)? {
        let hello = match Socket::stop_host(&path).await {
            Ok(hello) => hello,
            Err(Unconnected::Nobody) => continue,
            Err(Unconnected::Fault(fault)) => return Err(fault),
        };
        let deadline = Instant::now() + STOP_WAIT;
        while path.exists() || !is_free(&options.state_dir) {
            if Instant::now() >= deadline {
                let fault = Fault::internal(format!("the host (pid {}) was asked to stop and did not", hello.pid));
                return Err(fault.hint(format!("kill {}; jobs on nodes go on", hello.pid)));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        return Ok(hello.pid);
    }
    Err(nobody(options))
}

impl Session {
    fn hosting(options: HostOptions, hosting: Hosting) -> Self {
        Self { options, client: hosting.client(), hosting: Some(hosting) }
    }

    fn attached(options: HostOptions, client: Client) -> Self {
        Self { options, client, hosting: None }
    }

    /// Returns a client of the core.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Says whether the core runs in this process, so that leaving would end it.
    pub fn hosts(&self) -> bool {
        self.hosting.is_some()
    }

    /// Waits until the core that is hosted here has ended by itself; for ever when none is.
    pub async fn ended(&self) {
        match &self.hosting {
            Some(hosting) => hosting.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Hands the core over to a background host, and attaches to that. Nothing happens when it is not hosted here.
    ///
    /// # Errors
    /// Why the new host did not come up. The core then goes on here, and [`Session::client`] gives a client of it; if
    /// even that failed, [`Session::hosts`] is false and the fault says so.
    pub async fn hand_over(&mut self) -> Result<(), Fault> {
        let Some(hosting) = self.hosting.take() else { return Ok(()) };
        let mut successor = match Successor::start(&self.options).await {
            Ok(successor) => successor,
            Err(fault) => {
                self.hosting = Some(hosting);
                return Err(fault);
            }
        };
        let stopped = hosting.stop().await;
        let taken = match stopped {
            Ok(()) => successor.take_over().await,
            Err(fault) => Err(fault),
        };
        let attached = match taken {
            Ok(()) => attach_or_wait(&self.options).await.map_err(|e| match e {
                Unconnected::Fault(fault) => fault,
                Unconnected::Nobody => nobody(&self.options),
            }),
            Err(fault) => Err(fault),
        };
        match attached {
            Ok(client) => {
                self.client = client;
                Ok(())
            }
            Err(fault) => {
                successor.end().await;
                self.host_again(fault).await
            }
        }
    }

    /// After a hand-over that failed half way: the core goes on here.
    async fn host_again(&mut self, fault: Fault) -> Result<(), Fault> {
        match Hosting::start(&self.options).await {
            Ok(hosting) => {
                self.client = hosting.client();
                self.hosting = Some(hosting);
                Err(fault.hint("the core goes on in this process"))
            }
            Err(NotHosting::Held { fault: now } | NotHosting::Fault(now)) => {
                Err(fault.cause(now).hint("jobs on nodes go on; start ostler again"))
            }
        }
    }

    /// Ends the core in order, if it is hosted here. Jobs on nodes go on.
    ///
    /// # Errors
    /// What the core ended with.
    pub async fn close(self) -> Result<(), Fault> {
        match self.hosting {
            Some(hosting) => hosting.stop().await,
            None => Ok(()),
        }
    }
}
