//! A core that answers calls as a test wants, behind a real socket.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ostler::api::Client;
use ostler::api::address;
use ostler::api::embedded::Embedded;
use ostler::api::server::Server;
use ostler::api::socket::{Socket, Unconnected};
use ostler::api::wire::{PROTOCOL, ServerHello};
use ostler::model::fault::Fault;
use ostler::model::ids::{Epoch, Seq, WorkspaceId};
use ostler::model::request::{LogDelta, Reply, Request, Window};
use ostler::model::snapshot::{Change, Snapshot, Update};
use ostler::model::state::Workspace;
use ostler::model::units::UnixMillis;
use ostler::runtime::call::{CALLS_WAITING_MAX, Call};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

/// What the fake core has seen and holds.
#[derive(Default)]
pub struct Seen {
    pub requests: Vec<Request>,
    /// Requests that are not answered: kept here.
    pub unanswered: Vec<oneshot::Sender<Reply>>,
    pub picture: Snapshot,
    pub subscribers: Vec<(mpsc::Sender<Arc<Update>>, bool)>,
    pub logs: Vec<(ostler::model::request::From, mpsc::Sender<LogDelta>)>,
}

/// A host in this process.
pub struct Host {
    pub seen: Arc<Mutex<Seen>>,
    pub server: Server,
    core: tokio::task::JoinHandle<()>,
}

/// A directory for sockets that lives as long as this.
pub struct Run {
    pub dir: tempfile::TempDir,
}

impl Run {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("run").join("a.sock")
    }

    pub async fn host(&self, epoch: u64) -> Host {
        let listener = address::listen(&self.socket()).await.unwrap();
        Host::start(listener, &self.socket(), epoch)
    }

    pub async fn client(&self) -> Client {
        Client::attached(self.connect().await.unwrap())
    }

    pub async fn connect(&self) -> Result<Socket, Fault> {
        match Socket::connect(&self.socket()).await {
            Ok((socket, _)) => Ok(socket),
            Err(Unconnected::Fault(fault)) => Err(fault),
            Err(Unconnected::Nobody) => Err(Fault::remote("nobody")),
        }
    }
}

impl Host {
    pub fn start(listener: tokio::net::UnixListener, socket: &Path, epoch: u64) -> Self {
        let (calls, receiver) = mpsc::channel(CALLS_WAITING_MAX);
        let seen = Arc::new(Mutex::new(Seen::default()));
        seen.lock().unwrap().picture.epoch = Epoch(epoch);
        let core = tokio::spawn(run(receiver, seen.clone()));
        let hello = ServerHello {
            protocol: PROTOCOL,
            version: "0.1.0".to_owned(),
            pid: std::process::id(),
            epoch: Epoch(epoch),
            refused: None,
        };
        Self { seen, server: Server::start(listener, socket, Embedded::new(calls), hello), core }
    }

    pub fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Leaves in order, as for a hand-over.
    pub async fn leave(self) {
        self.server.stop().await;
        self.core.abort();
    }

    /// Goes as by a kill -9.
    pub async fn crash(self) {
        self.core.abort();
        drop(self.server);
    }

    /// Changes one workspace and tells the subscribers, as the runtime's publisher does.
    pub fn change(&self, id: u64, text: &str) {
        let mut seen = self.seen();
        let mut row = Workspace::clone(&super::samples::workspace(id));
        row.location = Some(text.to_owned());
        let changes = vec![Change::Workspace(Arc::new(row))];
        let (seq, epoch) = (Seq(seen.picture.seq.0 + 1), seen.picture.epoch);
        let update = Update { seq, epoch, at: UnixMillis(0), whole: false, changes };
        seen.picture.apply(&update);
        let update = Arc::new(update);
        let whole = Arc::new(seen.picture.as_update());
        seen.subscribers.retain_mut(|(to, behind)| {
            let message = if *behind { whole.clone() } else { update.clone() };
            match to.try_send(message) {
                Ok(()) => *behind = false,
                Err(TrySendError::Full(_)) => *behind = true,
                Err(TrySendError::Closed(_)) => return false,
            }
            true
        });
    }
}

async fn run(mut calls: mpsc::Receiver<Call>, seen: Arc<Mutex<Seen>>) {
    while let Some(call) = calls.recv().await {
        let mut seen = seen.lock().unwrap();
        if let Call::Request(request, reply) = call {
            seen.requests.push(request.clone());
            match answer(&request) {
                Some(answer) => drop(reply.send(answer)),
                None => seen.unanswered.push(reply),
            }
            if request == Request::Stop {
                return;
            }
        } else if let Call::Subscribe(updates) = call {
            updates.try_send(Arc::new(seen.picture.as_update())).unwrap();
            seen.subscribers.push((updates, false));
        } else if let Call::Follow(file, (from, _), deltas, opened) = call {
            if file.file == "absent" {
                let _ = opened.send(Err(Fault::user("no such file")));
            } else {
                seen.logs.push((from, deltas));
                let _ = opened.send(Ok(()));
            }
        }
    }
}

/// `Exec` of a text gives the text back; requests that wait are not answered.
fn answer(request: &Request) -> Option<Reply> {
    match request {
        Request::Exec { command, .. } if command == "fail" => {
            Some(Reply::Refused(Fault::user("it failed").hint("try again")))
        }
        Request::Exec { command, .. } if command == "long" => {
            Some(Reply::Ran { code: 0, stdout: vec![b'x'; 60 << 20], stderr: Vec::new() })
        }
        Request::Exec { command, .. } => {
            Some(Reply::Ran { code: 0, stdout: command.clone().into_bytes(), stderr: Vec::new() })
        }
        Request::AwaitJob { .. } | Request::CreateExperiment { .. } => None,
        Request::Submit(submit) if submit.name.as_deref() == Some("slow") => None,
        Request::Submit(_) => Some(Reply::Submitted(Vec::new())),
        _ => Some(Reply::Accepted { note: None }),
    }
}

pub fn exec(text: &str) -> Request {
    let node = ostler::model::request::NodeRef::Id(ostler::model::ids::NodeId(1));
    Request::Exec { node, command: text.to_owned() }
}

pub fn appended(offset: u64, text: &str) -> LogDelta {
    LogDelta::Appended(Window { offset, bytes: text.as_bytes().to_vec(), size: 0, inode: 1 })
}

/// Waits until something is so; what that takes is for the test's own deadline to judge.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let wait = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("it did not come to be: {what}"));
}

/// Not used as an identity, only to name a row in a picture.
pub fn location(picture: &Snapshot, id: u64) -> Option<String> {
    picture.workspaces.get(&WorkspaceId(id)).and_then(|row| row.location.clone())
}
