//! The link over the system's OpenSSH: the user's own configuration, keys, agent, jump hosts and known hosts. One master
//! connection a node, started by us with our own safe options; channels are opened on it by its control socket.
//!
//! Decisions. The master puts itself into the background and outlives us: whoever hosts the core next finds it by its
//! socket and goes on with it; without a channel it leaves after [`master::IDLE_SECONDS`]. It is never asked for a
//! password or passphrase (`BatchMode`): a sign-in that needs a person (one-time codes, a locked key) is made by the person, at a
//! terminal, with the same options and the same socket (`sign_in`), and found there. Host keys are never accepted
//! unseen: an unknown or changed one is a hard error that says what to do. `ssh`'s exit status 255 means three things, so
//! failures are told apart by its words, and nothing here says that a process on the node lives or died.

mod command;
mod jumps;
pub(crate) mod master;
mod place;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use openssh::{ForwardType, Session, Stdio};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::model::state::Login;
use crate::transport::link::{Channel, LinkError, Traffic};

/// How long a channel may take to open: a dead connection is noticed by ssh itself within 15 s (`ServerAlive…`), a login
/// shell with a heavy start-up file takes a fifth of a second.
const OPEN_MAX: Duration = Duration::from_secs(20);
/// The most files followed at once over one connection. With [`LOOKS_MAX`], [`COPIES_MAX`] and [`RUNS_MAX`] it makes eight
/// of the ten channels that sshd gives (`MaxSessions 10`); the agent has one, one is left for its replacement.
pub const FOLLOWS_MAX: usize = 4;
/// The most looks at files at once over one connection; further ones wait in line.
pub const LOOKS_MAX: usize = 2;
/// The most copies at once over one connection: two would halve each other.
pub const COPIES_MAX: usize = 1;
/// The most commands that people run at once over one connection.
pub const RUNS_MAX: usize = 1;

/// A link to a host over one ssh connection. Cheap to clone; all clones are one connection.
#[derive(Clone, Debug)]
pub struct SshLink {
    host: Arc<str>,
    login: Option<Arc<Login>>,
    session: Arc<Session>,
    follows: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    copies: Arc<Semaphore>,
    runs: Arc<Semaphore>,
}

/// A place as a host reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Far {
    /// A socket there, by its absolute path.
    Socket(String),
    /// A port of a host.
    Port(String, u16),
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => f.write_str(path),
            Self::Port(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// What names a connection: the same words find the same master again, in another process too.
#[derive(Clone, Debug)]
pub struct Destination {
    /// `[user@]host`, as `ssh` takes it.
    pub host: String,
    /// The configuration file to use instead of the user's.
    pub config: Option<String>,
    /// Who the connection is for: two nodes that are one host have a connection each, so that neither takes the
    /// channels of the other.
    pub owner: String,
}

impl SshLink {
    /// Attaches to the living master of a destination, or starts one.
    ///
    /// # Errors
    /// In ssh's own words, with the code and whether a person has to act first.
    pub async fn connect(to: &Destination) -> Result<Self, LinkError> {
        let (socket, login) = master::ensure(to).await?;
        let login = match login {
            Some(login) => Some(login),
            None => master::login(to).await,
        };
        Ok(Self {
            host: to.host.as_str().into(),
            login: login.map(Arc::new),
            session: Arc::new(attach(&socket)),
            follows: Arc::new(Semaphore::new(FOLLOWS_MAX)),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            copies: Arc::new(Semaphore::new(COPIES_MAX)),
            runs: Arc::new(Semaphore::new(RUNS_MAX)),
        })
    }

    /// Starts a program (POSIX sh) on the host, whatever the user's login shell is.
    ///
    /// # Errors
    /// The connection is gone, or the host gives no further channel.
    pub async fn open(&self, program: &str) -> Result<Channel, LinkError> {
        let mut remote = Session::to_raw_command(Arc::clone(&self.session), command::remote(program));
        remote.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |message: String| LinkError::soft("unreachable", "start agent", message);
        let mut child = timeout(OPEN_MAX, remote.spawn())
            .await
            .map_err(|_| failed(format!("`{}` opened no channel within {} s", self.host, OPEN_MAX.as_secs())))?
            .map_err(|error| failed(format!("`{}` opened no channel", self.host)).because(error))?;
        match (child.stdin().take(), child.stdout().take(), child.stderr().take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Channel {
                stdin: Box::pin(stdin),
                stdout: Box::pin(stdout),
                stderr: Box::pin(stderr),
                guard: Box::new(child),
            }),
            _ => Err(failed(format!("`{}` opened a channel without its streams", self.host))),
        }
    }

    /// As [`SshLink::open`], but waits until a channel of its kind is free; the channel gives it back when dropped.
    ///
    /// # Errors
    /// As [`SshLink::open`].
    pub async fn open_data(&self, traffic: Traffic, program: &str) -> Result<Channel, LinkError> {
        let share = match traffic {
            Traffic::Follow => &self.follows,
            Traffic::Look | Traffic::Node => &self.looks,
            Traffic::Copy => &self.copies,
            Traffic::Run => &self.runs,
        };
        let closed = |_| LinkError::soft("unreachable", "start agent", format!("the link to `{}` is closed", self.host));
        let turn = Arc::clone(share).acquire_owned().await.map_err(closed)?;
        let channel = self.open(program).await?;
        Ok(Channel { guard: Box::new((channel.guard, turn)), ..channel })
    }

    /// Makes a socket here that leads to a place as the host reaches it, over this connection; returns its path, in a folder that
    /// only we can enter. There is one for each connection: an earlier one is closed.
    ///
    /// # Errors
    /// The host does not let it through, or there is no place for the socket.
    pub async fn forward(&self, far: &Far) -> Result<PathBuf, LinkError> {
        let socket = self.session.control_socket().with_extension("f");
        let failed = |message: String| LinkError::soft("unreachable", "connect", message);
        let here = || openssh::Socket::from(socket.as_path());
        let there = || match far {
            Far::Socket(path) => openssh::Socket::from(Path::new(path)),
            Far::Port(host, port) => openssh::Socket::TcpSocket { host: host.as_str().into(), port: *port },
        };
        let exchange = async {
            // There is perhaps none.
            let _ = self.session.close_port_forward(ForwardType::Local, here(), there()).await;
            master::remove(&socket);
            self.session.request_port_forward(ForwardType::Local, here(), there()).await
        };
        match timeout(OPEN_MAX, exchange).await {
            Ok(Ok(())) => Ok(socket),
            Ok(Err(error)) => Err(failed(format!("`{}` forwards nothing to {far}", self.host)).because(error)),
            Err(_) => Err(failed(format!("`{}` forwarded nothing within {} s", self.host, OPEN_MAX.as_secs()))),
        }
    }

    /// Returns where ssh says that it goes; `None` when it does not say so.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_deref()
    }

    /// Says whether the master of the connection answers.
    pub async fn lives(&self) -> bool {
        master::answers(self.session.control_socket()).await
    }

    /// Ends the connection and with it all channels; for a node that is given back. A dropped link leaves its master to
    /// whoever comes next.
    pub async fn close(&self) {
        master::end(self.session.control_socket()).await;
    }
}

/// Returns what ssh is given to use the living master of a destination; starts one if there is none. What the user types then
/// is theirs, so their configuration counts, but a connection of its own would not be asked for a password unseen.
///
/// # Errors
/// As [`SshLink::connect`].
pub async fn options(to: &Destination) -> Result<Vec<String>, LinkError> {
    let (socket, _) = master::ensure(to).await?;
    let mut options: Vec<String> = Vec::new();
    if let Some(config) = &to.config {
        options.extend(["-F".to_owned(), config.clone()]);
    }
    // `%` begins a token in a control path.
    options.extend(["-S".to_owned(), socket.display().to_string().replace('%', "%%")]);
    options.extend(["-a", "-x", "-o", "ForwardAgent=no", "-o", "StrictHostKeyChecking=yes"].map(str::to_owned));
    Ok(options)
}

/// Returns what ssh is given to open a destination's connection where a person answers what it asks; nothing when it is open.
///
/// # Errors
/// The host's name is not one, or there is no place for the socket.
pub async fn sign_in(to: &Destination) -> Result<Vec<String>, LinkError> {
    master::by_hand(to).await
}

/// Returns a session on a master's socket. Dropping it leaves the master alone.
fn attach(socket: &Path) -> Session {
    Session::resume_mux(socket.into(), None)
}
