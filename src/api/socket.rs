//! A client's side of the socket: one task owns the connection, sends what front ends ask and hands out what comes.
//!
//! When the connection is lost it looks for the next host for [`RECONNECT_WAIT`] (a hand-over takes less). Then streams
//! are opened again where they were, and requests are sent again when that cannot do harm: the old host said that it
//! had not taken them, or doing them twice is the same as once. A submit is, because it always carries a token.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::connection::REQUESTS_UNDER_WAY_MAX;
pub use super::dial::Unconnected;
use super::dial::{FRAMES_WAITING_MAX, Wire};
use super::stream::{Feed, NewsQueue, Pieces};
use super::wire::{Merged, REQUEST_BYTES_MAX, ServerHello, ToClient, ToServer, decode_answer, encode};
use crate::model::fault::Fault;
use crate::model::request::{FileRef, FollowMode, From, LogDelta, Reply, Request, Submit};
use crate::model::snapshot::Update;
use crate::model::task::{Task, TaskNews};
use crate::runtime::call::{DELTAS_WAITING_MAX, UPDATES_WAITING_MAX};

/// How long a lost connection is tried again.
pub const RECONNECT_WAIT: Duration = Duration::from_secs(2);
/// How many requests are under way at once, but for those that wait for a job: half as many as a host takes
/// ([`REQUESTS_UNDER_WAY_MAX`]), and enough to fill turns of the core. Others wait for theirs here, in order.
const REQUESTS_AT_ONCE: usize = REQUESTS_UNDER_WAY_MAX / 2;
/// The pause between two tries.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// The core in another process.
#[derive(Clone)]
pub struct Socket {
    asks: mpsc::Sender<Ask>,
}

/// Where the answer to a request goes.
type Answer = oneshot::Sender<Result<Reply, Fault>>;

enum Ask {
    Request {
        request: Request,
        answer: Answer,
    },
    Subscribe {
        updates: mpsc::Sender<Arc<Update>>,
        opened: oneshot::Sender<Result<(), Fault>>,
    },
    Follow {
        file: FileRef,
        how: (From, FollowMode),
        deltas: mpsc::Sender<LogDelta>,
        opened: oneshot::Sender<Result<(), Fault>>,
    },
    Task {
        task: Task,
        news: mpsc::Sender<TaskNews>,
        opened: oneshot::Sender<Result<(), Fault>>,
    },
}

impl Socket {
    /// Connects to the host that listens on `path`.
    ///
    /// # Errors
    /// That nobody does, or that it speaks another language or is another user's.
    pub async fn connect(path: &Path) -> Result<(Self, ServerHello), Unconnected> {
        let (wire, hello) = Wire::open(path, false).await?;
        let (asks, asked) = mpsc::channel(FRAMES_WAITING_MAX);
        let link = Link {
            path: path.to_owned(),
            gone: mpsc::unbounded_channel(),
            took: mpsc::unbounded_channel(),
            next_id: 0,
            waiting: VecDeque::new(),
            under_way: 0,
            outgoing: VecDeque::new(),
            pending: BTreeMap::new(),
            streams: BTreeMap::new(),
            taken: None,
        };
        tokio::spawn(link.run(asked, wire));
        Ok((Self { asks }, hello))
    }

    /// Asks the host at `path` to stop in order, whatever protocol it speaks, and waits until it is gone from there.
    ///
    /// # Errors
    /// As [`Socket::connect`].
    pub async fn stop_host(path: &Path) -> Result<ServerHello, Unconnected> {
        let (mut wire, hello) = Wire::open(path, true).await?;
        while let Some(Ok(_)) = wire.reader.next().await {}
        Ok(hello)
    }

    async fn ask<T>(&self, ask: Ask, answer: oneshot::Receiver<Result<T, Fault>>) -> Result<T, Fault> {
        self.asks.send(ask).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?
    }

    pub(super) async fn request(&self, mut request: Request) -> Result<Reply, Fault> {
        give_tokens(&mut request);
        let (answer, answered) = oneshot::channel();
        match self.ask(Ask::Request { request, answer }, answered).await? {
            Reply::Refused(fault) => Err(fault),
            reply => Ok(reply),
        }
    }

    pub(super) async fn subscribe(&self) -> Result<mpsc::Receiver<Arc<Update>>, Fault> {
        let (updates, receiver) = mpsc::channel(UPDATES_WAITING_MAX);
        let (opened, answer) = oneshot::channel();
        self.ask(Ask::Subscribe { updates, opened }, answer).await?;
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
        self.ask(Ask::Follow { file, how: (from, mode), deltas, opened }, answer).await?;
        Ok(receiver)
    }

    pub(super) async fn begin_task(&self, task: Task) -> Result<mpsc::Receiver<TaskNews>, Fault> {
        // One: what the front end has not taken holds up the server, not this process's memory.
        let (news, receiver) = mpsc::channel(1);
        let (opened, answer) = oneshot::channel();
        self.ask(Ask::Task { task, news, opened }, answer).await?;
        Ok(receiver)
    }
}

fn lost() -> Fault {
    Fault::remote("the core that was attached to has gone").hint("start ostler again; jobs on nodes go on")
}

/// Gives each submit a token, so that sending it twice makes one job.
fn give_tokens(request: &mut Request) {
    let give = |submit: &mut Submit| {
        submit.token.get_or_insert_with(|| Uuid::now_v7().to_string());
    };
    if let Request::Submit(submit) | Request::Replace { submit, .. } = request {
        give(submit);
    } else if let Request::SubmitAll(submits) = request {
        submits.iter_mut().for_each(give);
    } else if let Request::CreateSweep(sweep) = request {
        sweep.token.get_or_insert_with(|| Uuid::now_v7().to_string());
    }
}

/// Says whether a request may be sent again although it may have been done already.
fn repeatable(request: &Request) -> bool {
    match request {
        Request::Status
        | Request::PreviewScale(_)
        | Request::PlanJob { .. }
        | Request::Submit(_)
        | Request::SubmitAll(_)
        | Request::CreateSweep(_)
        | Request::PlanSweep(_)
        | Request::ShowSweep(_)
        | Request::ShowJob(_)
        | Request::WhyJob(_)
        | Request::AwaitJob { .. }
        | Request::ListJobs(_)
        | Request::TabulateJobs { .. }
        | Request::ListAll { .. }
        | Request::ReadFile(_)
        | Request::SearchFile(_)
        | Request::ShowFileServer(_)
        | Request::FileServerSpace(_)
        | Request::ShowSite(_)
        | Request::AskSite { .. }
        | Request::Usage
        | Request::ListLogs(_)
        | Request::ListFiles(_)
        | Request::NodeHistory { .. }
        | Request::NodeLoads(_)
        | Request::Metrics { .. }
        | Request::NodeWay { .. } => true,
        Request::CreateGroup { .. }
        | Request::DeleteGroup { .. }
        | Request::CreateFileServer { .. }
        | Request::DeleteFileServer { .. }
        | Request::CreateWorkspace { .. }
        | Request::TagWorkspace { .. }
        | Request::DeleteWorkspace { .. }
        | Request::CreateExperiment { .. }
        | Request::CapExperiment { .. }
        | Request::DeleteExperiment(_)
        | Request::CreateCluster { .. }
        | Request::DeleteCluster { .. }
        | Request::Scale(_)
        | Request::AutoScale { .. }
        | Request::ChangeHosts { .. }
        | Request::KeepAwake { .. }
        | Request::ResumeScaling { .. }
        | Request::TakeScaleBack { .. }
        | Request::SetBudget { .. }
        | Request::Node { .. }
        | Request::Job { .. }
        | Request::Sweep { .. }
        | Request::Replace { .. }
        | Request::ActAtSite { .. }
        | Request::Exec { .. }
        | Request::Stop => false,
    }
}

struct Pending {
    frame: Bytes,
    repeatable: bool,
    stops: bool,
    /// It may take as long as it likes, and takes nobody's turn.
    waits: bool,
    answer: Answer,
}

struct Stream {
    kind: Kind,
    opened: Option<oneshot::Sender<Result<(), Fault>>>,
}

enum Kind {
    /// `part`: what has come of an update that is not complete.
    Updates { feed: Feed<Merged>, part: Option<Update> },
    /// `from`: where to go on after a lost connection.
    Log { feed: Feed<Pieces>, file: FileRef, from: From, mode: FollowMode },
    /// A copy is asked for again after a lost connection, and goes on where it was; a command cannot be.
    Task { feed: Feed<NewsQueue>, task: Task },
}

impl Kind {
    fn opening(&self, id: u64) -> ToServer {
        match self {
            Self::Updates { .. } => ToServer::Subscribe { id },
            Self::Log { file, from, mode, .. } => ToServer::Follow { id, file: file.clone(), from: *from, mode: *mode },
            Self::Task { task, .. } => ToServer::Task { id, task: task.clone() },
        }
    }
}

impl Kind {
    /// Tells the front end why its stream ends.
    fn fail(&self, fault: Fault) {
        match self {
            Self::Updates { .. } => {}
            Self::Log { feed, .. } => feed.put(LogDelta::Failed(fault)),
            Self::Task { feed, .. } => feed.put(TaskNews::Failed(fault)),
        }
    }
}

/// The task that owns the connection.
struct Link {
    path: PathBuf,
    /// Streams whose front end has dropped its end; each tells it once.
    gone: (mpsc::UnboundedSender<u64>, mpsc::UnboundedReceiver<u64>),
    /// Pieces that front ends have taken, one each, of streams that wait for them.
    took: (mpsc::UnboundedSender<u64>, mpsc::UnboundedReceiver<u64>),
    next_id: u64,
    /// Requests whose turn has not come.
    waiting: VecDeque<(Request, Answer)>,
    /// How many of `pending` take a turn.
    under_way: usize,
    outgoing: VecDeque<Bytes>,
    pending: BTreeMap<u64, Pending>,
    streams: BTreeMap<u64, Stream>,
    /// What a host that leaves said it had taken.
    taken: Option<u64>,
}

impl Link {
    fn idle(&self) -> bool {
        self.pending.is_empty() && self.waiting.is_empty() && self.streams.is_empty()
    }

    /// Works until all front ends have dropped their ends.
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>, wire: Wire) {
        let mut wire = Some(wire);
        loop {
            let mut now = match wire.take() {
                Some(wire) => wire,
                // Nobody waits: the next who asks has it looked for again.
                None if self.idle() => {
                    let Some(ask) = asks.recv().await else { return };
                    self.take(ask);
                    continue;
                }
                None => match self.reconnect().await {
                    Ok(wire) => {
                        self.send_again();
                        wire
                    }
                    Err(fault) => {
                        self.give_up(&fault);
                        continue;
                    }
                },
            };
            if self.talk(&mut asks, &mut now).await {
                return;
            }
            drop(now);
            self.settle();
        }
    }

    /// Talks over one connection; `true` when all front ends have gone.
    async fn talk(&mut self, asks: &mut mpsc::Receiver<Ask>, wire: &mut Wire) -> bool {
        let mut asking = true;
        loop {
            tokio::select! {
                frame = wire.reader.next() => match frame {
                    Some(Ok(frame)) => match decode_answer(&frame) {
                        Ok(frame) => self.hear(frame),
                        Err(fault) => {
                            tracing::warn!(%fault, "the host speaks nonsense");
                            return false;
                        }
                    },
                    Some(Err(_)) | None => return false,
                },
                place = wire.frames.reserve(), if !self.outgoing.is_empty() => match (place, self.outgoing.pop_front()) {
                    (Ok(place), Some(frame)) => place.send(frame),
                    (Ok(_) | Err(_), _) => return false,
                },
                Some(id) = self.gone.1.recv() => {
                    if self.streams.remove(&id).is_some() {
                        self.say(&ToServer::End { id });
                    }
                }
                Some(id) = self.took.1.recv() => {
                    if self.streams.contains_key(&id) {
                        self.say(&ToServer::Took { id, count: 1 });
                    }
                }
                ask = asks.recv(), if asking && self.outgoing.len() < FRAMES_WAITING_MAX => match ask {
                    Some(ask) => self.take(ask),
                    // Nobody can ask any more, but somebody may still wait or listen.
                    None => asking = false,
                },
            }
            if !asking && self.idle() {
                return true;
            }
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Sends the requests whose turn has come.
    fn send_waiting(&mut self) {
        while self.under_way < REQUESTS_AT_ONCE
            && let Some((request, answer)) = self.waiting.pop_front()
        {
            self.send(request, answer);
        }
    }

    fn send(&mut self, request: Request, answer: Answer) {
        let id = self.next_id();
        let (repeatable, stops) = (repeatable(&request), request == Request::Stop);
        let waits = matches!(request, Request::AwaitJob { .. });
        match encode("request", &ToServer::Request { id, request }, REQUEST_BYTES_MAX) {
            Ok(frame) => {
                self.outgoing.push_back(frame.clone());
                self.under_way += usize::from(!waits);
                self.pending.insert(id, Pending { frame, repeatable, stops, waits, answer });
            }
            Err(fault) => drop(answer.send(Err(fault))),
        }
    }

    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Request { request: request @ Request::AwaitJob { .. }, answer } => self.send(request, answer),
            Ask::Request { request, answer } => {
                self.waiting.push_back((request, answer));
                self.send_waiting();
            }
            Ask::Subscribe { updates, opened } => {
                let id = self.next_id();
                let feed = Feed::start(updates, self.gone(id));
                self.open(id, Stream { kind: Kind::Updates { feed, part: None }, opened: Some(opened) });
            }
            Ask::Follow { file, how: (from, mode), deltas, opened } => {
                let id = self.next_id();
                let feed = match mode {
                    FollowMode::Newest => Feed::start(deltas, self.gone(id)),
                    FollowMode::Every => Feed::start_told(deltas, self.took(id), self.gone(id)),
                };
                self.open(id, Stream { kind: Kind::Log { feed, file, from, mode }, opened: Some(opened) });
            }
            Ask::Task { task, news, opened } => {
                let id = self.next_id();
                let feed = Feed::start_told(news, self.took(id), self.gone(id));
                self.open(id, Stream { kind: Kind::Task { feed, task }, opened: Some(opened) });
            }
        }
    }

    fn open(&mut self, id: u64, stream: Stream) {
        self.say(&stream.kind.opening(id));
        self.streams.insert(id, stream);
    }

    fn say(&mut self, frame: &ToServer) {
        match encode("request", frame, REQUEST_BYTES_MAX) {
            Ok(frame) => self.outgoing.push_back(frame),
            Err(fault) => tracing::error!(%fault, "a frame was left out"),
        }
    }

    /// Returns what tells this task that the front end of a stream has taken a piece.
    fn took(&self, id: u64) -> impl Fn() + Send + 'static {
        let took = self.took.0.clone();
        move || {
            // The task may have ended first.
            let _ = took.send(id);
        }
    }

    /// Returns what tells this task that the front end of a stream has gone.
    fn gone(&self, id: u64) -> impl Future<Output = ()> + Send + 'static {
        let gone = self.gone.0.clone();
        async move {
            // The task may have ended first.
            let _ = gone.send(id);
        }
    }

    fn hear(&mut self, frame: ToClient) {
        match frame {
            ToClient::Reply { id, reply } => {
                if let Some(pending) = self.pending.remove(&id) {
                    self.under_way -= usize::from(!pending.waits);
                    self.send_waiting();
                    // Who asked may have stopped waiting.
                    let _ = pending.answer.send(Ok(reply));
                }
            }
            ToClient::NotTaken { id } => {
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.repeatable = true;
                }
            }
            ToClient::Opened { id, fault } => self.on_opened(id, fault),
            ToClient::Update { id, part, last } => self.on_update(id, part, last),
            ToClient::Delta { id, delta } => self.on_delta(id, delta),
            ToClient::News { id, news } => {
                if let Some(Stream { kind: Kind::Task { feed, .. }, .. }) = self.streams.get(&id) {
                    feed.put(news);
                }
            }
            ToClient::Ended { id } => drop(self.streams.remove(&id)),
            ToClient::Leaving { taken } => self.taken = Some(taken),
        }
    }

    fn on_opened(&mut self, id: u64, fault: Option<Fault>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let waiting = stream.opened.take();
        match (fault, waiting) {
            (None, Some(opened)) => drop(opened.send(Ok(()))),
            (None, None) => {}
            (Some(fault), Some(opened)) => {
                drop(opened.send(Err(fault)));
                self.streams.remove(&id);
            }
            // It was open before the connection was lost.
            (Some(fault), None) => {
                stream.kind.fail(fault);
                self.streams.remove(&id);
            }
        }
    }

    fn on_update(&mut self, id: u64, next: Update, last: bool) {
        let Some(Stream { kind: Kind::Updates { feed, part }, .. }) = self.streams.get_mut(&id) else { return };
        let mut whole = match part.take() {
            Some(mut before) => {
                before.changes.extend(next.changes);
                before
            }
            None => next,
        };
        if last {
            whole.changes.shrink_to_fit();
            feed.put(whole);
        } else {
            *part = Some(whole);
        }
    }

    fn on_delta(&mut self, id: u64, delta: LogDelta) {
        let Some(Stream { kind: Kind::Log { feed, from, .. }, .. }) = self.streams.get_mut(&id) else { return };
        match &delta {
            LogDelta::Appended(window) => *from = From::Start(window.offset + window.bytes.len() as u64),
            LogDelta::Skipped { to, .. } => *from = From::Start(*to),
            LogDelta::Restarted { .. } => *from = From::Start(0),
            LogDelta::Waiting | LogDelta::Interrupted { .. } | LogDelta::Ended | LogDelta::Failed(_) => {}
        }
        feed.put(delta);
    }

    /// After a lost connection: answers the requests that may have been done and must not be done twice.
    fn settle(&mut self) {
        let taken = self.taken.take();
        self.outgoing.clear();
        let again = |id: u64, pending: &Pending| pending.repeatable || taken.is_some_and(|taken| id > taken);
        let (keep, unsure): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.pending).into_iter().partition(|(id, pending)| again(*id, pending));
        self.under_way = keep.values().filter(|pending| !pending.waits).count();
        self.pending = keep;
        for (_, pending) in unsure {
            let answer = match pending.stops {
                // That it is gone is what was asked for.
                true => Ok(Reply::Accepted { note: None }),
                false => Err(unknown()),
            };
            let _ = pending.answer.send(answer);
        }
        self.streams.retain(|_, stream| match &stream.kind {
            Kind::Task { task: Task::Run(_), .. } if stream.opened.is_none() => {
                stream.kind.fail(unknown());
                false
            }
            Kind::Task { .. } | Kind::Updates { .. } | Kind::Log { .. } => true,
        });
        for stream in self.streams.values_mut() {
            if let Kind::Updates { part, .. } = &mut stream.kind {
                *part = None;
            }
        }
    }

    async fn reconnect(&self) -> Result<Wire, Fault> {
        let deadline = tokio::time::Instant::now() + RECONNECT_WAIT;
        loop {
            match Wire::open(&self.path, false).await {
                Ok((wire, _)) => return Ok(wire),
                Err(Unconnected::Fault(fault)) => return Err(fault),
                Err(Unconnected::Nobody) if tokio::time::Instant::now() >= deadline => return Err(lost()),
                Err(Unconnected::Nobody) => tokio::time::sleep(RECONNECT_PAUSE).await,
            }
        }
    }

    /// On a new connection: opens streams again and sends requests again, in their first order.
    fn send_again(&mut self) {
        self.outgoing.clear();
        let openings: Vec<ToServer> = self.streams.iter().map(|(id, stream)| stream.kind.opening(*id)).collect();
        openings.iter().for_each(|opening| self.say(opening));
        self.outgoing.extend(self.pending.values().map(|pending| pending.frame.clone()));
        self.send_waiting();
    }

    /// Nobody hosts any more: all that wait are told, and streams end.
    fn give_up(&mut self, fault: &Fault) {
        self.outgoing.clear();
        self.under_way = 0;
        let pending = std::mem::take(&mut self.pending).into_values().map(|pending| pending.answer);
        for answer in pending.chain(std::mem::take(&mut self.waiting).into_iter().map(|(_, answer)| answer)) {
            let _ = answer.send(Err(fault.clone()));
        }
        for (_, stream) in std::mem::take(&mut self.streams) {
            stream.kind.fail(fault.clone());
            if let Some(opened) = stream.opened {
                let _ = opened.send(Err(fault.clone()));
            }
        }
    }
}

fn unknown() -> Fault {
    let fault = Fault::remote("the connection to the core was lost; whether this was done is not known");
    fault.hint("look with `ostler job list` or `ostler cluster list`, then ask again if it was not")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request::JobQuery;

    #[test]
    fn what_is_sent_twice() {
        assert!(repeatable(&Request::ListJobs(JobQuery::default())));
        assert!(!repeatable(&Request::CreateExperiment { workspace: None, name: "a".to_owned() }));
        assert!(!repeatable(&Request::Stop));
    }
}
