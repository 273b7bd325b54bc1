//! From a path to a connection whose both ends know one another: same user, same protocol.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite, LengthDelimitedCodec};
use tokio_util::task::AbortOnDropHandle;

use super::server::same_user;
use super::wire::{
    ANSWER_BYTES_MAX, ClientHello, LogBytes, PROTOCOL, REQUEST_BYTES_MAX, ServerHello, codec, decode, encode,
};
use crate::model::fault::Fault;

/// How long a host may take for its hello.
const HELLO_WAIT: Duration = Duration::from_secs(5);
/// How many frames may wait to be written before front ends wait.
pub(super) const FRAMES_WAITING_MAX: usize = 64;

/// Why there is no connection.
#[derive(Debug)]
pub enum Unconnected {
    /// Nobody listens there.
    Nobody,
    /// Somebody does, and this cannot be a client of it.
    Fault(Fault),
}

/// One connection after the hellos.
pub(super) struct Wire {
    pub(super) reader: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    pub(super) frames: mpsc::Sender<Bytes>,
    _writing: AbortOnDropHandle<()>,
}

impl Wire {
    pub(super) async fn open(path: &Path, stop: bool) -> Result<(Self, ServerHello), Unconnected> {
        let about = |message: String| Fault::remote(message);
        let stream = match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Err(Unconnected::Nobody);
            }
            Err(e) => return Err(Unconnected::Fault(about(format!("cannot reach `{}`", path.display())).because(&e))),
        };
        if !same_user(&stream) {
            let fault = about(format!("`{}` is refused: another user listens there", path.display()));
            return Err(Unconnected::Fault(fault.hint("remove it, or set XDG_RUNTIME_DIR to a directory of your own")));
        }
        let (read, write) = stream.into_split();
        let mut reader = FramedRead::new(read, codec(ANSWER_BYTES_MAX));
        let mut writer = FramedWrite::new(write, codec(REQUEST_BYTES_MAX));
        let ours =
            ClientHello { protocol: PROTOCOL, version: env!("CARGO_PKG_VERSION").to_owned(), stop, logs: LogBytes::Raw };
        let ours = encode("hello", &ours, REQUEST_BYTES_MAX).map_err(Unconnected::Fault)?;
        let hello = async {
            writer.send(ours).await.ok()?;
            reader.next().await?.ok()
        };
        // One that leaves says nothing: that is as if it had left before.
        let hello = tokio::time::timeout(HELLO_WAIT, hello).await;
        let hello =
            hello.map_err(|_| Unconnected::Fault(about(format!("the host at `{}` does not answer", path.display()))))?;
        let theirs: ServerHello = decode(&hello.ok_or(Unconnected::Nobody)?).map_err(Unconnected::Fault)?;
        if let Some(fault) = theirs.refused {
            return Err(Unconnected::Fault(fault));
        }
        if theirs.protocol != PROTOCOL && !stop {
            return Err(Unconnected::Fault(other_language(&theirs)));
        }
        let (frames, to_write) = mpsc::channel(FRAMES_WAITING_MAX);
        let _writing = AbortOnDropHandle::new(tokio::spawn(write_frames(writer, to_write)));
        Ok((Self { reader, frames, _writing }, theirs))
    }
}

fn other_language(theirs: &ServerHello) -> Fault {
    let ours = env!("CARGO_PKG_VERSION");
    let ServerHello { version, protocol, pid, .. } = theirs;
    let message = format!("this is ostler {ours}, the host (pid {pid}) is {version}: protocol {PROTOCOL} and {protocol}");
    Fault::config(message).hint("restart the host with: ostler serve --stop; jobs on nodes go on")
}

async fn write_frames(mut writer: FramedWrite<OwnedWriteHalf, LengthDelimitedCodec>, mut frames: mpsc::Receiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        let written = if frames.is_empty() { writer.send(frame).await } else { writer.feed(frame).await };
        if written.is_err() {
            // The reading side sees the end of the connection too.
            return;
        }
    }
}
