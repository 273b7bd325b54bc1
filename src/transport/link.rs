//! What a link to a node is: a way to open channels, each a program on the node with its three streams. Control frames
//! and log bytes use channels of their own, so that neither waits for the other.
//!
//! A program given to [`Link::open`] is constant text; user data goes through the channel's standard input, never
//! through a command line.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::model::state::{Login, Unusable};
use crate::transport::allocation::AllocationLink;
use crate::transport::local::LocalLink;
use crate::transport::ssh::{Destination, Far, SshLink};
use crate::transport::{Address, NodeLink};

/// An open link to a node. Cheap to clone; all clones are one connection.
#[derive(Clone, Debug)]
pub enum Link {
    /// This machine.
    Local(LocalLink),
    /// A host, by the system's OpenSSH.
    Ssh(SshLink),
    /// A node of an allocation of Slurm, by its login node.
    Allocation(AllocationLink),
}

/// What a data channel is for. Each kind has its own share of the channels of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A file that is followed; it may stay open for days.
    Follow,
    /// A look at a file or a folder, or a search; over in a moment.
    Look,
    /// A copy of files.
    Copy,
    /// A look at the machine itself, or a short command on it.
    Node,
    /// A command that a person runs.
    Run,
}

impl Link {
    /// Opens a link. May take as long as a sign-in takes.
    ///
    /// # Errors
    /// Says in the link's own words what failed; [`LinkError::hard`] when trying again by itself is pointless.
    pub async fn connect(link: &NodeLink) -> Result<Self, LinkError> {
        match &link.address {
            Address::Local => Ok(Self::Local(LocalLink::new())),
            Address::Ssh { host, config } => {
                let owner = format!("{}/{}", link.spool.0, link.spool.1);
                SshLink::connect(&Destination { host: host.clone(), config: config.clone(), owner }).await.map(Self::Ssh)
            }
            Address::Allocation { login, config, job } => {
                let owner = format!("{}/{}", link.spool.0, link.spool.1);
                let login = SshLink::connect(&Destination { host: login.clone(), config: config.clone(), owner }).await?;
                let folder = format!("{}/pool/slurm/{}", link.spool.0, link.node.0);
                Ok(Self::Allocation(AllocationLink::new(login, job, &folder)))
            }
        }
    }

    /// Says whether the connection itself is still there: it tells a program that ended from a link that was cut.
    pub async fn lives(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Ssh(link) => link.lives().await,
            Self::Allocation(link) => link.lives().await,
        }
    }

    /// Returns how this machine's ssh reaches the node over the same connection, which is opened if it is not: its options and
    /// the host; `None` for this machine.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn way(link: &NodeLink) -> Result<Option<(Vec<String>, String)>, LinkError> {
        match &link.address {
            Address::Local => Ok(None),
            // By that connection one would be on the login node, and not where one thinks.
            Address::Allocation { login, job, .. } => {
                let message = format!(
                    "the node is an allocation of Slurm, which ssh does not reach; on {login}: srun --jobid={job} --overlap --pty bash"
                );
                Err(LinkError::hard("no-shell", "sign in", message))
            }
            Address::Ssh { host, config } => {
                let owner = format!("{}/{}", link.spool.0, link.spool.1);
                let to = Destination { host: host.clone(), config: config.clone(), owner };
                Ok(Some((crate::transport::ssh::options(&to).await?, host.clone())))
            }
        }
    }

    /// Returns how a person opens the connection to the node at a terminal: what ssh is given and the host, without options when it is
    /// open; `None` for this machine.
    ///
    /// # Errors
    /// The host's name is not one, or there is no place for the socket.
    pub async fn sign_in(link: &NodeLink) -> Result<Option<(Vec<String>, String)>, LinkError> {
        let (host, config) = match &link.address {
            Address::Local => return Ok(None),
            Address::Ssh { host, config } | Address::Allocation { login: host, config, .. } => (host, config),
        };
        let owner = format!("{}/{}", link.spool.0, link.spool.1);
        let to = Destination { host: host.clone(), config: config.clone(), owner };
        Ok(Some((crate::transport::ssh::sign_in(&to).await?, host.clone())))
    }

    /// Returns where this machine's ssh goes for the node; `None` for this machine, or when ssh does not say so.
    pub fn login(&self) -> Option<&Login> {
        match self {
            // Whoever signs in there is on the login node.
            Self::Local(_) | Self::Allocation(_) => None,
            Self::Ssh(link) => link.login(),
        }
    }

    /// Starts a program on the node: POSIX sh text that holds no user data.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn open(&self, program: &str) -> Result<Channel, LinkError> {
        match self {
            Self::Local(local) => local.open(program),
            Self::Ssh(ssh) => ssh.open(program).await,
            Self::Allocation(link) => link.open(program).await,
        }
    }

    /// As [`Link::open`], for log bytes and the like: waits while as many channels of its kind are open as a connection
    /// may have, so that the agent always finds one.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub async fn open_data(&self, traffic: Traffic, program: &str) -> Result<Channel, LinkError> {
        match self {
            Self::Local(local) => local.open(program),
            Self::Ssh(ssh) => ssh.open_data(traffic, program).await,
            Self::Allocation(link) => link.open_data(traffic, program).await,
        }
    }

    /// Makes a socket here that leads to a place as the node reaches it; see [`SshLink::forward`].
    ///
    /// # Errors
    /// As there; and on a link that is no connection by ssh.
    pub async fn forward(&self, far: &Far) -> Result<PathBuf, LinkError> {
        match self {
            Self::Ssh(ssh) => ssh.forward(far).await,
            Self::Local(_) | Self::Allocation(_) => {
                Err(LinkError::hard("unreachable", "connect", format!("no way to {far}: the node is not reached by ssh")))
            }
        }
    }

    /// Ends the connection for good, with all its channels. Dropping a link leaves an ssh connection open for whoever
    /// comes next.
    pub async fn close(&self) {
        match self {
            Self::Local(_) => {}
            Self::Ssh(ssh) => ssh.close().await,
            Self::Allocation(link) => link.close().await,
        }
    }
}

/// A program that runs on a node, and its streams. Dropping it ends the program as far as the link can (its own
/// process on this machine; the end of its input and output elsewhere).
pub struct Channel {
    /// Its standard input.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its standard output.
    pub stdout: Pin<Box<dyn AsyncRead + Send>>,
    /// Its standard error. Must be read, or the program may stand still.
    pub stderr: Pin<Box<dyn AsyncRead + Send>>,
    /// Ends the program when dropped.
    pub guard: Box<dyn Send>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

/// Why a link could not be opened or used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LinkError {
    /// Stable, for programs; the words of [`Unusable::code`].
    pub code: &'static str,
    /// The step that failed: `connect`, `sign in`, `start agent`, `prepare`.
    pub step: &'static str,
    /// The node's or ssh's own words.
    pub message: String,
    /// Trying again by itself is pointless: a person has to do something first.
    pub hard: bool,
    /// What lies below.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LinkError {
    /// Returns an error after which the link task tries again by itself.
    pub fn soft(code: &'static str, step: &'static str, message: impl Into<String>) -> Self {
        Self { code, step, message: message.into(), hard: false, source: None }
    }

    /// Returns an error after which the link task waits to be asked.
    pub fn hard(code: &'static str, step: &'static str, message: impl Into<String>) -> Self {
        Self { hard: true, ..Self::soft(code, step, message) }
    }

    /// Adds what lies below.
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Returns the message and all that lies below it, parted by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            text.push_str(": ");
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }

    /// Returns the error as a node's state shows it.
    pub fn unusable(&self) -> Unusable {
        Unusable { code: self.code.to_owned(), step: self.step.to_owned(), message: self.chain() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_said_once() {
        let low = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = LinkError::hard("no-shell", "start agent", "cannot start `/bin/sh`").because(low);
        assert_eq!(error.to_string(), "cannot start `/bin/sh`");
        assert_eq!(error.unusable().message, "cannot start `/bin/sh`: no such file");
        assert!(error.hard);
    }
}
