//! One client of the server: reads its frames in order, gives them to the core in that order, and writes what comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tokio_util::task::AbortOnDropHandle;

use super::embedded::{Embedded, NotTaken};
use super::wire::{ANSWER_BYTES_MAX, LogBytes, Merged, ToClient, ToServer, decode, encode, encode_piece, update_parts};
use crate::model::fault::Fault;
use crate::model::request::{FileRef, FollowMode, From, LogDelta, Reply};
use crate::model::task::{NEWS_WAITING_MAX, Task};
use crate::runtime::call::DELTAS_WAITING_MAX;

/// How many requests of one client may be under way: a command that waits for a thousand jobs.
pub const REQUESTS_UNDER_WAY_MAX: usize = 1024;
/// How many streams one client may have open: a screen has one subscription and a log for each rank it shows.
pub const STREAMS_MAX: usize = 256;
/// How many replies may wait to be written: they are small, and each has a task that waits.
const REPLIES_WAITING_MAX: usize = 64;
/// How many pieces of streams may wait to be written; a slow reader shall hold up the stream, not fill memory.
const PIECES_WAITING_MAX: usize = 4;

/// The two ways out: replies go before pieces of streams.
#[derive(Clone)]
struct Out {
    replies: mpsc::Sender<Bytes>,
    pieces: mpsc::Sender<Bytes>,
    logs: LogBytes,
}

impl Out {
    /// Sends an answer; one that is too long becomes the fault that says so.
    async fn reply(&self, id: u64, reply: Reply) {
        let frame = encode("answer", &ToClient::Reply { id, reply }, ANSWER_BYTES_MAX);
        let frame =
            frame.or_else(|fault| encode("answer", &ToClient::Reply { id, reply: Reply::Refused(fault) }, ANSWER_BYTES_MAX));
        if let Ok(frame) = frame {
            // The client may have left.
            let _ = self.replies.send(frame).await;
        }
    }

    async fn say(&self, frame: ToClient) {
        if let Ok(frame) = encode("answer", &frame, ANSWER_BYTES_MAX) {
            let _ = self.replies.send(frame).await;
        }
    }

    /// Sends a piece of a stream; says whether the client is still there.
    async fn piece(&self, frame: ToClient) -> bool {
        let encoded = match (&frame, self.logs) {
            (ToClient::Delta { id, delta: LogDelta::Appended(piece) }, LogBytes::Raw) => Ok(encode_piece(*id, piece)),
            (_, LogBytes::Raw | LogBytes::Json) => encode("update", &frame, ANSWER_BYTES_MAX),
        };
        match encoded {
            Ok(frame) => self.pieces.send(frame).await.is_ok(),
            Err(fault) => {
                tracing::error!(%fault, "a piece of a stream was left out");
                true
            }
        }
    }
}

/// A client after its hello.
pub(super) struct Connection {
    core: Embedded,
    out: Out,
    writing: AbortOnDropHandle<()>,
    requests: JoinSet<()>,
    streams: JoinSet<()>,
    open: BTreeMap<u64, AbortHandle>,
    /// How many pieces the client still has room for, of those streams that wait for it.
    rooms: BTreeMap<u64, Room>,
    taken: u64,
}

impl Connection {
    pub(super) fn start(core: Embedded, writer: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>, logs: LogBytes) -> Self {
        let (replies, replies_out) = mpsc::channel(REPLIES_WAITING_MAX);
        let (pieces, pieces_out) = mpsc::channel(PIECES_WAITING_MAX);
        let writing = AbortOnDropHandle::new(tokio::spawn(write(writer, replies_out, pieces_out)));
        let out = Out { replies, pieces, logs };
        Self {
            core,
            out,
            writing,
            requests: JoinSet::new(),
            streams: JoinSet::new(),
            open: BTreeMap::new(),
            rooms: BTreeMap::new(),
            taken: 0,
        }
    }

    /// Serves until the client or the server leaves.
    pub(super) async fn run(
        mut self,
        mut reader: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
        mut leave: watch::Receiver<bool>,
        patience: Duration,
    ) {
        loop {
            tokio::select! {
                biased;
                _ = async { leave.wait_for(|leave| *leave).await.is_ok() } => break,
                Some(_) = self.requests.join_next() => {}
                Some(_) = self.streams.join_next() => self.forget_ended(),
                frame = reader.next() => {
                    let Some(Ok(frame)) = frame else { return };
                    match decode(&frame) {
                        Ok(frame) => if !self.take(frame).await { return },
                        Err(fault) => {
                            tracing::warn!(%fault, "a client speaks nonsense");
                            return;
                        }
                    }
                }
            }
        }
        self.leave(patience).await;
    }

    /// Takes one frame; `false` ends the connection.
    async fn take(&mut self, frame: ToServer) -> bool {
        match frame {
            ToServer::Request { id, request } => {
                if self.requests.len() >= 2 * REQUESTS_UNDER_WAY_MAX {
                    tracing::warn!("a client floods the core with requests");
                    return false;
                }
                let out = self.out.clone();
                if self.requests.len() >= REQUESTS_UNDER_WAY_MAX {
                    let fault = Fault::user(format!("{REQUESTS_UNDER_WAY_MAX} requests are under way on this connection"));
                    self.requests.spawn(async move { out.reply(id, Reply::Refused(fault.hint("wait for some"))).await });
                    return true;
                }
                match self.core.begin(request).await {
                    Ok(answer) => {
                        self.taken = id;
                        // Without an answer the core has ended; what became of the request is for the client to judge.
                        self.requests.spawn(async move {
                            if let Ok(reply) = answer.await {
                                out.reply(id, reply).await;
                            }
                        });
                    }
                    Err(NotTaken) => drop(self.requests.spawn(async move { out.say(ToClient::NotTaken { id }).await })),
                }
            }
            ToServer::Subscribe { id } if self.may_open(id) => {
                let stream = subscription(id, self.core.clone(), self.out.clone());
                self.open.insert(id, self.streams.spawn(stream));
            }
            ToServer::Follow { id, file, from, mode } if self.may_open(id) => {
                let room = (mode == FollowMode::Every).then(|| Room::of(DELTAS_WAITING_MAX));
                self.rooms.extend(room.clone().map(|room| (id, room)));
                let stream = log(id, file, (from, mode), self.core.clone(), self.out.clone(), room);
                self.open.insert(id, self.streams.spawn(stream));
            }
            ToServer::Task { id, task } if self.may_open(id) => {
                let room = Room::of(NEWS_WAITING_MAX);
                let stream = task_news(id, task, self.core.clone(), self.out.clone(), room.clone());
                self.rooms.insert(id, room);
                self.open.insert(id, self.streams.spawn(stream));
            }
            ToServer::Took { id, count } => {
                if let Some(room) = self.rooms.get(&id) {
                    room.give(count);
                }
            }
            ToServer::Subscribe { .. } | ToServer::Follow { .. } | ToServer::Task { .. } => {
                tracing::warn!("a client opens too many streams");
                return false;
            }
            ToServer::End { id } => {
                self.rooms.remove(&id);
                if let Some(stream) = self.open.remove(&id) {
                    stream.abort();
                }
            }
        }
        true
    }

    fn forget_ended(&mut self) {
        self.open.retain(|_, stream| !stream.is_finished());
        self.rooms.retain(|id, _| self.open.contains_key(id));
    }

    fn may_open(&self, id: u64) -> bool {
        self.open.len() < STREAMS_MAX && !self.open.contains_key(&id)
    }

    /// Lets replies that are under way go out, then says what reached the core.
    async fn leave(mut self, patience: Duration) {
        self.streams.abort_all();
        let all = async { while self.requests.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, all).await;
        self.requests.abort_all();
        let Self { out, writing, requests, streams, taken, .. } = self;
        drop((requests, streams));
        let last = async move {
            out.say(ToClient::Leaving { taken }).await;
            drop(out);
            // Its end is the end of the connection, however it comes.
            let _ = writing.await;
        };
        // A client that does not read must not keep us.
        let _ = tokio::time::timeout(patience, last).await;
    }
}

/// Writes frames until all senders are gone; flushes when nothing waits.
async fn write(
    mut writer: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>,
    mut replies: mpsc::Receiver<Bytes>,
    mut pieces: mpsc::Receiver<Bytes>,
) {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = replies.recv() => frame,
            Some(frame) = pieces.recv() => frame,
            else => return,
        };
        let written = match replies.is_empty() && pieces.is_empty() {
            true => writer.send(frame).await,
            false => writer.feed(frame).await,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn subscription(id: u64, core: Embedded, out: Out) {
    let mut updates = match core.subscribe().await {
        Ok(updates) => updates,
        Err(fault) => return out.say(ToClient::Opened { id, fault: Some(fault) }).await,
    };
    out.say(ToClient::Opened { id, fault: None }).await;
    let mut merged = Merged::default();
    while let Some(update) = updates.recv().await {
        merged.add(&update);
        while let Ok(update) = updates.try_recv() {
            merged.add(&update);
        }
        let Some(update) = merged.take() else { continue };
        for part in update_parts(id, update) {
            if !out.piece(part).await {
                return;
            }
        }
    }
    // Behind the pieces, not before them as a reply would go.
    out.piece(ToClient::Ended { id }).await;
}

/// How many pieces of a stream the client has room for.
#[derive(Clone)]
struct Room {
    free: Arc<Semaphore>,
    most: usize,
}

impl Room {
    fn of(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), most }
    }

    /// Waits for room for one piece and takes it.
    async fn take(&self) {
        // It is never closed.
        if let Ok(turn) = self.free.acquire().await {
            turn.forget();
        }
    }

    /// Gives room back. More than there ever was would be the client's mistake.
    fn give(&self, count: usize) {
        self.free.add_permits(count.min(self.most.saturating_sub(self.free.available_permits())));
    }
}

async fn log(id: u64, file: FileRef, how: (From, FollowMode), core: Embedded, out: Out, room: Option<Room>) {
    let mut deltas = match core.open_log(file, how.0, how.1).await {
        Ok(deltas) => deltas,
        Err(fault) => return out.say(ToClient::Opened { id, fault: Some(fault) }).await,
    };
    out.say(ToClient::Opened { id, fault: None }).await;
    while let Some(delta) = deltas.recv().await {
        if let Some(room) = &room {
            room.take().await;
        }
        if !out.piece(ToClient::Delta { id, delta }).await {
            return;
        }
    }
    // Behind the pieces, not before them as a reply would go.
    out.piece(ToClient::Ended { id }).await;
}

async fn task_news(id: u64, task: Task, core: Embedded, out: Out, room: Room) {
    let mut news = match core.begin_task(task).await {
        Ok(news) => news,
        Err(fault) => return out.say(ToClient::Opened { id, fault: Some(fault) }).await,
    };
    out.say(ToClient::Opened { id, fault: None }).await;
    while let Some(piece) = news.recv().await {
        // While the client has no room, nothing is taken from the task either, which then waits.
        room.take().await;
        if !out.piece(ToClient::News { id, news: piece }).await {
            return;
        }
    }
    // Behind the pieces, not before them as a reply would go.
    out.piece(ToClient::Ended { id }).await;
}
