//! What goes over the unix socket: frames with a length in front, JSON inside. Each request has a number; its answer
//! carries the same one, so that many can be under way. Streams (a subscription, a log) are numbered likewise.
//!
//! Decision (2026-11): JSON frames of our own and not tarpc or JSON-RPC over HTTP: 47 µs a round trip, readable with
//! `socat`, no dependency beyond tokio-util; streams and hand-over need a protocol of our own anyway.
//!
//! Decision (2026-11): the bytes of a log go as they are, behind a head of fixed length, to a client whose hello says that it
//! takes them so: as base64 in JSON they are copied and looked through five times, which is more than the node spends on them.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_util::codec::LengthDelimitedCodec;

use crate::model::fault::Fault;
use crate::model::ids::{Epoch, Seq};
use crate::model::request::{FileRef, FollowMode, From, LogDelta, Reply, Request, Window};
use crate::model::snapshot::{Change, Update};
use crate::model::task::{Task, TaskNews};
use crate::model::units::{Bytes as Size, UnixMillis};

/// The number of the language that both sides speak; raised whenever an older side could misread a frame. The two
/// hellos never change but for fields with a default, so that any two versions can at least say that they differ.
pub const PROTOCOL: u32 = 1;
/// The longest frame to the server: a thousand jobs of 16 KiB in one `SubmitAll`.
pub const REQUEST_BYTES_MAX: usize = 16 << 20;
/// The longest frame to a client: a list of 10,000 nodes takes some 10 MiB. Updates are cut in parts.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How many changes one part of an update carries: some 500 KiB of jobs, so that a reply waits for no more than that.
pub const CHANGES_PER_PART: usize = 256;

/// The first frame of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHello {
    /// The client's [`PROTOCOL`].
    pub protocol: u32,
    /// The client's version, for people.
    pub version: String,
    /// Asks the host to stop in order. In the hello, so that a client of any protocol can ask it.
    #[serde(default)]
    pub stop: bool,
    /// How the client takes the bytes of logs.
    #[serde(default)]
    pub logs: LogBytes,
}

/// How the bytes of logs go to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogBytes {
    /// In JSON like everything else, as base64.
    #[default]
    Json,
    /// As they are: [`encode_piece`].
    Raw,
}

/// The first frame of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerHello {
    /// The server's [`PROTOCOL`].
    pub protocol: u32,
    /// The server's version, for people.
    pub version: String,
    /// The host's process.
    pub pid: u32,
    /// The core's epoch.
    pub epoch: Epoch,
    /// Why it will not serve this client, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Fault>,
}

/// What a client sends after its hello. Numbers are its own and only grow.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToServer {
    /// A request.
    Request { id: u64, request: Request },
    /// Begins a subscription.
    Subscribe { id: u64 },
    /// Begins to follow a file.
    Follow {
        id: u64,
        file: FileRef,
        from: From,
        #[serde(default)]
        mode: FollowMode,
    },
    /// Begins a task.
    Task { id: u64, task: Task },
    /// So many news of a task, or pieces of a file of which every byte is wanted, were taken, so that as many more may be sent.
    Took { id: u64, count: usize },
    /// Ends a stream.
    End { id: u64 },
}

/// What the server sends after its hello.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToClient {
    /// The answer to a request.
    Reply { id: u64, reply: Reply },
    /// The request never reached the core.
    NotTaken { id: u64 },
    /// A stream is open, or why it is not.
    #[serde(rename_all = "camelCase")]
    Opened { id: u64, fault: Option<Fault> },
    /// A part of an update; `last` completes it.
    Update { id: u64, part: Update, last: bool },
    /// A piece of a log.
    Delta { id: u64, delta: LogDelta },
    /// News of a task; never more than [`NEWS_WAITING_MAX`](crate::model::task::NEWS_WAITING_MAX) that the client has not taken.
    News { id: u64, news: TaskNews },
    /// A stream is over.
    Ended { id: u64 },
    /// The server goes. Of what it read, requests up to this number reached the core, later ones did not.
    Leaving { taken: u64 },
}

/// Returns the codec for frames up to `max` bytes.
pub fn codec(max: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(max).new_codec()
}

/// Writes a frame.
///
/// # Errors
/// That it would be longer than `max`.
pub fn encode<T: Serialize>(what: &'static str, frame: &T, max: usize) -> Result<Bytes, Fault> {
    let bytes = serde_json::to_vec(frame).map_err(|e| Fault::internal(format!("cannot write the {what}")).because(&e))?;
    if bytes.len() > max {
        let (size, limit) = (Size(bytes.len() as u64), Size(max as u64));
        return Err(Fault::user(format!("the {what} has {size}, the limit is {limit}")).hint("ask for less at a time"));
    }
    Ok(Bytes::from(bytes))
}

/// The first byte of a frame whose rest is no JSON, which begins with none of the control characters.
const RAW: u8 = 0;
/// What stands before the bytes of a log: [`RAW`], then the stream's number, the offset, the size and the inode of the file, each
/// of 8 bytes, the lowest first.
const RAW_HEAD: usize = 1 + 4 * 8;

/// Writes a piece of a log as it is.
pub fn encode_piece(id: u64, piece: &Window) -> Bytes {
    let mut frame = Vec::with_capacity(RAW_HEAD + piece.bytes.len());
    frame.push(RAW);
    [id, piece.offset, piece.size, piece.inode].iter().for_each(|number| frame.extend(number.to_le_bytes()));
    frame.extend_from_slice(&piece.bytes);
    Bytes::from(frame)
}

/// Reads a frame of the server, whether it is JSON or a piece of a log.
///
/// # Errors
/// As [`decode`].
pub fn decode_answer(bytes: &[u8]) -> Result<ToClient, Fault> {
    if bytes.first() != Some(&RAW) {
        return decode(bytes);
    }
    let number = |at: usize| {
        let place = 1 + 8 * at;
        let bytes = bytes.get(place..place + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes).ok_or_else(|| Fault::internal("a piece of a log is cut off"))
    };
    let (id, offset, size, inode) = (number(0)?, number(1)?, number(2)?, number(3)?);
    let window = Window { offset, bytes: bytes.get(RAW_HEAD..).unwrap_or_default().to_vec(), size, inode };
    Ok(ToClient::Delta { id, delta: LogDelta::Appended(window) })
}

/// Reads a frame.
///
/// # Errors
/// What does not fit, as the other side's mistake.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|e| Fault::internal("a frame on the socket cannot be read").because(&e))
}

/// Cuts an update into frames. Each is whole JSON of its own; a client puts the parts together again.
pub fn update_parts(id: u64, update: Update) -> impl Iterator<Item = ToClient> {
    let Update { seq, epoch, at, whole, changes } = update;
    let mut changes = changes.into_iter().peekable();
    let mut first = true;
    std::iter::from_fn(move || {
        if !first && changes.peek().is_none() {
            return None;
        }
        let part: Vec<Change> = changes.by_ref().take(CHANGES_PER_PART).collect();
        let part = Update { seq, epoch, at, whole: whole && first, changes: part };
        first = false;
        Some(ToClient::Update { id, part, last: changes.peek().is_none() })
    })
}

/// Updates that follow one another, made into one: what is so in the end. Of a whole one, what was before is forgotten.
#[derive(Debug, Default)]
pub struct Merged {
    head: Option<(Seq, Epoch, UnixMillis, bool)>,
    changes: std::collections::BTreeMap<crate::model::snapshot::RowKey, Change>,
}

impl Merged {
    /// Adds the next one.
    pub fn add(&mut self, update: &Update) {
        let mut whole = update.whole;
        match self.head {
            Some(_) if whole => self.changes.clear(),
            Some((.., was_whole)) => whole = was_whole,
            None => {}
        }
        self.head = Some((update.seq, update.epoch, update.at, whole));
        self.changes.extend(update.changes.iter().map(|change| (change.key(), change.clone())));
    }

    /// Says whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Takes the sum out.
    pub fn take(&mut self) -> Option<Update> {
        let (seq, epoch, at, whole) = self.head.take()?;
        let changes = std::mem::take(&mut self.changes).into_values();
        // In a whole picture there is nothing to be gone.
        let changes = changes.filter(|change| !(whole && matches!(change, Change::Gone(_)))).collect();
        Some(Update { seq, epoch, at, whole, changes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::WorkspaceId;
    use crate::model::snapshot::RowKey;

    fn gone(id: u64) -> Change {
        Change::Gone(RowKey::Workspace(WorkspaceId(id)))
    }

    fn update(seq: u64, whole: bool, changes: Vec<Change>) -> Update {
        Update { seq: Seq(seq), epoch: Epoch(1), at: UnixMillis(0), whole, changes }
    }

    #[test]
    fn a_long_update_goes_in_parts() {
        for (count, parts) in [(0, 1), (1, 1), (CHANGES_PER_PART, 1), (CHANGES_PER_PART + 1, 2), (3 * CHANGES_PER_PART, 3)] {
            let whole = update(7, true, (0..count as u64).map(gone).collect());
            let mut changes = Vec::new();
            let mut lasts = Vec::new();
            let mut wholes = Vec::new();
            for frame in update_parts(1, whole.clone()) {
                let ToClient::Update { part, last, .. } = frame else { panic!("another frame") };
                changes.extend(part.changes);
                lasts.push(last);
                wholes.push(part.whole);
            }
            assert_eq!(changes, whole.changes, "{count}");
            assert_eq!(lasts, (1..=parts).map(|n| n == parts).collect::<Vec<_>>(), "{count}");
            assert_eq!(wholes, (1..=parts).map(|n| n == 1).collect::<Vec<_>>(), "{count}");
        }
    }

    #[test]
    fn merged_updates_say_what_is_so_in_the_end() {
        let mut merged = Merged::default();
        assert!(merged.is_empty() && merged.take().is_none());
        merged.add(&update(1, false, vec![gone(1), gone(2)]));
        merged.add(&update(2, false, vec![gone(2), gone(3)]));
        assert_eq!(merged.take().unwrap(), update(2, false, vec![gone(1), gone(2), gone(3)]));
        merged.add(&update(3, false, vec![gone(1)]));
        merged.add(&update(4, true, vec![]));
        merged.add(&update(5, false, vec![gone(9)]));
        assert_eq!(merged.take().unwrap(), update(5, true, vec![]));
        assert!(merged.is_empty());
    }

    #[test]
    fn bytes_of_a_log_go_as_they_are() {
        for bytes in [Vec::new(), b"{\"a\": 1}\n".to_vec(), (0..=255).collect()] {
            let window = Window { offset: 7 << 40, bytes, size: u64::MAX, inode: 3 };
            let frame = encode_piece(9, &window);
            assert_eq!(frame.len(), RAW_HEAD + window.bytes.len());
            match decode_answer(&frame).unwrap() {
                ToClient::Delta { id: 9, delta: LogDelta::Appended(back) } => assert_eq!(back, window),
                other => panic!("{other:?}"),
            }
        }
        let json = encode("answer", &ToClient::Ended { id: 4 }, 100).unwrap();
        assert!(matches!(decode_answer(&json), Ok(ToClient::Ended { id: 4 })));
        assert!(decode_answer(&[RAW, 1, 2]).is_err() && decode_answer(&[]).is_err());
    }

    #[test]
    fn a_frame_has_a_limit() {
        let long = "x".repeat(100);
        assert!(encode("request", &long, 50).unwrap_err().message.contains("the request has 102 B, the limit is 50 B"));
        assert!(encode("request", &long, 102).is_ok());
        assert!(decode::<ToServer>(b"{\"reboot\":{}}").is_err());
    }
}
