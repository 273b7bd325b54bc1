//! What reaches the runtime's loop from front ends.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::model::fault::Fault;
use crate::model::request::{FileRef, FollowMode, From, LogDelta, Reply, Request};
use crate::model::settings::Settings;
use crate::model::snapshot::Update;
use crate::model::task::{Task, TaskNews};

/// What a front end sends to the runtime's loop.
#[derive(Debug)]
pub enum Call {
    /// A request and where its reply goes.
    Request(Request, oneshot::Sender<Reply>),
    /// A subscription.
    Subscribe(mpsc::Sender<Arc<Update>>),
    /// A log to follow.
    Follow(FileRef, (From, FollowMode), mpsc::Sender<LogDelta>, oneshot::Sender<Result<(), Fault>>),
    /// A task to do, and where its news go.
    Task(Box<Task>, mpsc::Sender<TaskNews>, oneshot::Sender<Result<(), Fault>>),
    /// The config was read again.
    Settings(Settings),
}

/// How many calls may wait for the runtime's loop: enough for every front end to have some under way; more wait in the caller.
pub const CALLS_WAITING_MAX: usize = 1024;
/// How many updates may wait for one subscriber before it gets a whole one instead.
pub const UPDATES_WAITING_MAX: usize = 64;
/// How many pieces of a log may wait for its reader before the follower skips.
pub const DELTAS_WAITING_MAX: usize = 64;
