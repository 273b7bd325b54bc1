//! The core in this process: requests go over a channel to the runtime's loop.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::model::fault::Fault;
use crate::model::request::{FileRef, FollowMode, From, LogDelta, Reply, Request};
use crate::model::snapshot::Update;
use crate::model::task::{NEWS_WAITING_MAX, Task, TaskNews};
use crate::runtime::call::{Call, DELTAS_WAITING_MAX, UPDATES_WAITING_MAX};

/// The sending end of the runtime's channel.
#[derive(Clone)]
pub struct Embedded {
    calls: mpsc::Sender<Call>,
}

/// The core has ended: the call did not reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotTaken;

impl Embedded {
    /// Returns a client of the loop that receives from the other end of `calls`.
    pub fn new(calls: mpsc::Sender<Call>) -> Self {
        Self { calls }
    }

    async fn call(&self, call: Call) -> Result<(), NotTaken> {
        self.calls.send(call).await.map_err(|_| NotTaken)
    }

    /// Gives a request to the core, in the order of calls; the answer comes later, or never if the core ends.
    pub(super) async fn begin(&self, request: Request) -> Result<oneshot::Receiver<Reply>, NotTaken> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Request(request, reply)).await?;
        Ok(answer)
    }

    pub(super) async fn request(&self, request: Request) -> Result<Reply, Fault> {
        let answer = self.begin(request).await.map_err(|NotTaken| stopped())?;
        match answer.await.map_err(|_| stopped())? {
            Reply::Refused(fault) => Err(fault),
            reply => Ok(reply),
        }
    }

    pub(super) async fn subscribe(&self) -> Result<mpsc::Receiver<Arc<Update>>, Fault> {
        let (updates, receiver) = mpsc::channel(UPDATES_WAITING_MAX);
        self.call(Call::Subscribe(updates)).await.map_err(|NotTaken| stopped())?;
        Ok(receiver)
    }

    pub(super) async fn open_log(
        &self,
        file: FileRef,
        from: From,
        mode: FollowMode,
    ) -> Result<mpsc::Receiver<LogDelta>, Fault> {
        let (deltas, receiver) = mpsc::channel(DELTAS_WAITING_MAX);
        let (opened, answer) = oneshot::channel();
        self.call(Call::Follow(file, (from, mode), deltas, opened)).await.map_err(|NotTaken| stopped())?;
        answer.await.map_err(|_| stopped())??;
        Ok(receiver)
    }

    pub(super) async fn begin_task(&self, task: Task) -> Result<mpsc::Receiver<TaskNews>, Fault> {
        let (news, receiver) = mpsc::channel(NEWS_WAITING_MAX);
        let (opened, answer) = oneshot::channel();
        self.call(Call::Task(Box::new(task), news, opened)).await.map_err(|NotTaken| stopped())?;
        answer.await.map_err(|_| stopped())??;
        Ok(receiver)
    }
}

fn stopped() -> Fault {
    Fault::internal("the core has stopped").hint("start ostler again; jobs on nodes go on")
}
