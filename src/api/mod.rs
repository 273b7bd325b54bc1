//! Layer 4: how a front end reaches a runtime. One [`Client`], two insides: the core in this process, or a unix socket.

pub mod address;
pub mod background;
pub mod care;
mod connection;
mod dial;
pub mod embedded;
pub mod host;
mod hosting;
pub mod serve;
pub mod server;
pub mod socket;
mod stream;
pub mod wire;

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::fault::Fault;
use crate::model::request::{FileRef, FollowMode, From, LogDelta, Reply, Request};
use crate::model::snapshot::Update;
use crate::model::task::{Task, TaskNews};
use crate::runtime::call::Call;

/// A front end's way to the core. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inside: Inside,
}

#[derive(Clone)]
enum Inside {
    Embedded(embedded::Embedded),
    Socket(socket::Socket),
}

impl Client {
    /// Returns a client of the core in this process that receives from the other end of `calls`.
    pub fn embedded(calls: mpsc::Sender<Call>) -> Self {
        Self { inside: Inside::Embedded(embedded::Embedded::new(calls)) }
    }

    /// Returns a client of the core behind a connected socket.
    pub fn attached(socket: socket::Socket) -> Self {
        Self { inside: Inside::Socket(socket) }
    }

    /// Asks for something. [`Reply::Refused`] becomes the error.
    ///
    /// # Errors
    /// The core's refusal, or that it cannot be reached.
    pub async fn request(&self, request: Request) -> Result<Reply, Fault> {
        match &self.inside {
            Inside::Embedded(core) => core.request(request).await,
            Inside::Socket(core) => core.request(request).await,
        }
    }

    /// Subscribes to all changes; the first update is whole. When the receiver falls behind, the next one is whole again.
    ///
    /// # Errors
    /// That the core cannot be reached.
    pub async fn subscribe(&self) -> Result<mpsc::Receiver<Arc<Update>>, Fault> {
        match &self.inside {
            Inside::Embedded(core) => core.subscribe().await,
            Inside::Socket(core) => core.subscribe().await,
        }
    }

    /// Follows a file of a job in this mode. Dropping the receiver ends it.
    ///
    /// # Errors
    /// That the job or file is unknown, or the core cannot be reached.
    pub async fn open_log(&self, file: FileRef, from: From, mode: FollowMode) -> Result<mpsc::Receiver<LogDelta>, Fault> {
        match &self.inside {
            Inside::Embedded(core) => core.open_log(file, from, mode).await,
            Inside::Socket(core) => core.open_log(file, from, mode).await,
        }
    }

    /// Begins a task: a copy of files or a command on a node. Dropping the receiver ends it. Whoever does not take the news
    /// holds the task up.
    ///
    /// # Errors
    /// That what it is about is unknown or not allowed, or the core cannot be reached.
    pub async fn begin_task(&self, task: Task) -> Result<mpsc::Receiver<TaskNews>, Fault> {
        match &self.inside {
            Inside::Embedded(core) => core.begin_task(task).await,
            Inside::Socket(core) => core.begin_task(task).await,
        }
    }
}
