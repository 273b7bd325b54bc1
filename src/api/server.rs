//! The host's side of the socket: each connection is a client of the core in this process.
//!
//! It keeps no state of jobs and decides nothing. Replies go before updates and log pieces; a client that reads slowly
//! holds up only its own streams, and gets what it missed merged into one update.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use super::connection::Connection;
use super::embedded::Embedded;
use super::wire::{ANSWER_BYTES_MAX, ClientHello, PROTOCOL, REQUEST_BYTES_MAX, ServerHello, codec, decode, encode};
use crate::model::fault::Fault;
use crate::model::request::Request;

/// How many clients may be attached: a few screens and many commands; each holds some buffers and tasks.
pub const CLIENTS_MAX: usize = 32;
/// How long a client may take for its hello.
const HELLO_WAIT: Duration = Duration::from_secs(5);
/// How long a leaving server waits for the replies that are under way: many commits, and well within the 2 s that
/// clients wait for the next host.
const LEAVE_WAIT: Duration = Duration::from_millis(500);
/// How long to rest when the system gives no more descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A listening server; ends when stopped, and with this.
pub struct Server {
    socket: PathBuf,
    leave: watch::Sender<bool>,
    door: Arc<Door>,
    accepting: JoinHandle<()>,
}

/// Who may come in, and how many are there.
struct Door {
    open: Mutex<bool>,
    attached: watch::Sender<usize>,
}

/// The place of one client; given back when dropped.
struct Seat(Arc<Door>);

impl Door {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a seat; `None` when the server leaves or is full.
    fn enter(self: &Arc<Self>) -> Result<Seat, Option<Fault>> {
        let open = self.lock();
        if !*open {
            return Err(None);
        }
        if *self.attached.borrow() >= CLIENTS_MAX {
            let fault = Fault::user(format!("{CLIENTS_MAX} clients are attached, which is the limit"));
            return Err(Some(fault.hint("end one of them; `ostler serve --status` shows the host")));
        }
        self.attached.send_modify(|count| *count += 1);
        Ok(Seat(self.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _open = self.0.lock();
        self.0.attached.send_modify(|count| *count -= 1);
    }
}

/// What all connections share.
#[derive(Clone)]
struct Host {
    core: Embedded,
    hello: ServerHello,
    door: Arc<Door>,
    leave: watch::Receiver<bool>,
}

impl Server {
    /// Serves `core` on `listener`, which is bound to `socket`.
    pub fn start(listener: UnixListener, socket: &Path, core: Embedded, hello: ServerHello) -> Self {
        let (leave, leaving) = watch::channel(false);
        let door = Arc::new(Door { open: Mutex::new(true), attached: watch::Sender::new(0) });
        let host = Host { core, hello, door: door.clone(), leave: leaving };
        let accepting = tokio::spawn(accept(listener, host));
        Self { socket: socket.to_owned(), leave, door, accepting }
    }

    /// Returns the number of attached clients, kept current.
    pub fn attached(&self) -> watch::Receiver<usize> {
        self.door.attached.subscribe()
    }

    /// Lets nobody in any more, unless somebody is in: then nothing changes and this is `false`.
    pub fn close_if_alone(&self) -> bool {
        let mut open = self.door.lock();
        if *self.door.attached.borrow() == 0 {
            *open = false;
        }
        !*open
    }

    /// Stops accepting, lets replies that are under way go out, tells clients and takes the socket away.
    pub async fn stop(mut self) {
        *self.door.lock() = false;
        self.leave.send_replace(true);
        // A panic there has been reported; the socket goes all the same.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        // The lock is still ours, so nobody else's socket can be there.
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn accept(listener: UnixListener, mut host: Host) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = async { host.leave.wait_for(|leave| *leave).await.is_ok() } => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, host.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(2 * LEAVE_WAIT, all).await;
}

async fn serve(stream: UnixStream, host: Host) {
    if !same_user(&stream) {
        tracing::warn!("a client of another user was refused");
        return;
    }
    let seat = match host.door.enter() {
        Ok(seat) => seat,
        Err(fault) => return refuse(stream, &host, fault).await,
    };
    let (read, write) = stream.into_split();
    let mut reader = FramedRead::new(read, codec(REQUEST_BYTES_MAX));
    let mut writer = tokio_util::codec::FramedWrite::new(write, codec(ANSWER_BYTES_MAX));
    let Ok(Some(theirs)) = tokio::time::timeout(HELLO_WAIT, hello(&mut reader)).await else { return };
    let Ok(ours) = encode("hello", &host.hello, ANSWER_BYTES_MAX) else { return };
    if writer.send(ours).await.is_err() {
        return;
    }
    if theirs.stop {
        // The core says to nobody that it stops; the client sees it by the end of the connection.
        let _ = host.core.request(Request::Stop).await;
        return;
    }
    if theirs.protocol == PROTOCOL {
        Connection::start(host.core, writer, theirs.logs).run(reader, host.leave, LEAVE_WAIT).await;
    }
    drop(seat);
}

/// Says whether the other end of a socket is a process of ours.
pub(super) fn same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

async fn hello(reader: &mut FramedRead<OwnedReadHalf, LengthDelimitedCodec>) -> Option<ClientHello> {
    let frame = reader.next().await?.ok()?;
    decode(&frame).ok()
}

async fn refuse(stream: UnixStream, host: &Host, fault: Option<Fault>) {
    let Some(fault) = fault else { return };
    let hello = ServerHello { refused: Some(fault), ..host.hello.clone() };
    if let Ok(frame) = encode("hello", &hello, ANSWER_BYTES_MAX) {
        let mut writer = tokio_util::codec::FramedWrite::new(stream, codec(ANSWER_BYTES_MAX));
        let sent: Result<(), std::io::Error> = writer.send(Bytes::clone(&frame)).await;
        // Who was refused may have left before.
        drop(sent);
    }
}
