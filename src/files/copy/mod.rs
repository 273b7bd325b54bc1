//! Copies of files between a node and this machine, over a channel of their own: raw bytes, one file at a time, each with
//! its size and its sum checked before it gets its name.
//!
//! Decisions (2026-11; reliability T38). No tar and no scp: a node may tell any name, so each is checked by the rules of
//! [`FilePath`] and then walked to here part by part without following a link ([`here`]); what cannot be had by these
//! rules is left out and named. A file is written under a name of ours that its path, size and time decide, and renamed when
//! it is whole and its sum is that of the other side; what an interrupted copy has left is found by that name, checked
//! by its sum, and gone on with. A link that is lost is waited for. Links and devices are never copied.

mod get;
pub mod here;
mod put;
pub mod sum;
mod walk;

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::files::talk::{Program, Talk};
use crate::files::{FileError, FilePath, LinkSource};
use crate::model::fault::{Fault, FaultKind};
use crate::model::shown::Shown;
use crate::model::task::{CopyWay, Existing, LEFT_OUT_NAMED_MAX, Progress, TaskNews};
use crate::model::units::Bytes;

/// The most files and directories of one copy; their list is held in memory, some 200 bytes each.
pub const ENTRIES_MAX: usize = 100_000;
/// How deep a tree is followed: more than any that people make.
const DEPTH_MAX: usize = 32;
/// How often a file is begun again that changes while it is copied.
const TRIES_MAX: u32 = 3;
/// How much slower than a look the list of a whole tree may be told.
const TREE_PATIENCE: Duration = Duration::from_secs(100);
/// A node that sums up fewer bytes a second is none: a slow disk reads five times as many.
const SUM_BYTES_PER_SECOND: u64 = 10_000_000;
/// How often progress is told: an eye sees no more.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// How long a lost link is waited for before the copy ends; what it has is kept.
const LOST_MAX: Duration = Duration::from_secs(120);
/// How long a new try waits, growing to the second one.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// See [`PAUSE_MIN`].
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a channel may take to open before the reader is told that it waits.
const OPENING_MAX: Duration = Duration::from_secs(2);

/// What is copied.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which way.
    pub way: CopyWay,
    /// On the node: what to get, or the directory to put into.
    pub remote: FilePath,
    /// What the directory itself is called when all of it is got.
    pub whole: String,
    /// Here: the directory to get into, or what to put.
    pub local: String,
    /// What becomes of files that are there.
    pub existing: Existing,
}

/// Why something is not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The node, or its answer.
    #[error(transparent)]
    Node(FileError),
    /// This machine.
    #[error("cannot {act} `{path}` here")]
    Here { act: &'static str, path: Shown, source: io::Error },
    /// The node's own words.
    #[error("the node cannot write `{path}`: {words}")]
    There { path: Shown, words: Shown },
    /// Something is there.
    #[error("`{path}` is there already and differs")]
    Exists { path: Shown },
    /// It is no file and no directory.
    #[error("`{path}` is {what}; it is not copied")]
    Kind { path: Shown, what: &'static str },
    /// It does not stay as it is long enough.
    #[error("`{path}` changes while it is copied")]
    Changing { path: Shown },
    /// It does not fit.
    #[error("{need} are to be copied, and `{path}` has {room} left")]
    NoRoom { need: Bytes, room: Bytes, path: Shown },
    /// The node's program has said something and ended.
    #[error("a new channel is needed")]
    Renew,
    /// It is too much for one copy.
    #[error("there are more than {ENTRIES_MAX} files; copy parts of it")]
    TooMany,
}

impl CopyError {
    /// Returns it as a front end shows it.
    fn fault(&self) -> Fault {
        let kind = match self {
            Self::Node(error) => return error.fault(),
            Self::Here { .. } | Self::There { .. } | Self::Exists { .. } | Self::Kind { .. } => FaultKind::User,
            Self::Changing { .. } | Self::NoRoom { .. } | Self::TooMany => FaultKind::User,
            Self::Renew => FaultKind::Internal,
        };
        let fault = Fault::new(kind, self.to_string());
        let fault = match std::error::Error::source(self) {
            Some(source) => fault.because(source),
            None => fault,
        };
        match self {
            Self::Exists { .. } => fault.hint("--force replaces it"),
            Self::Node(_) | Self::Here { .. } | Self::There { .. } | Self::Kind { .. } => fault,
            Self::Changing { .. } | Self::NoRoom { .. } | Self::Renew | Self::TooMany => fault,
        }
    }

    /// Says whether a new channel may do better.
    fn is_lost(&self) -> bool {
        match self {
            Self::Node(FileError::Lost { .. } | FileError::Link(_) | FileError::Noise { .. }) => true,
            Self::Node(_) | Self::Here { .. } | Self::There { .. } | Self::Exists { .. } => false,
            Self::Kind { .. } | Self::Changing { .. } | Self::NoRoom { .. } | Self::Renew | Self::TooMany => false,
        }
    }

    /// Says whether it concerns one file, so that others may well be copied.
    fn is_of_one(&self) -> bool {
        match self {
            Self::Here { source, .. } => !matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
            ),
            Self::There { words, .. } => !words.as_str().contains("No space left"),
            Self::Exists { .. } | Self::Kind { .. } | Self::Changing { .. } => true,
            Self::Node(
                FileError::Missing { .. }
                | FileError::NotRegular { .. }
                | FileError::Unreadable { .. }
                | FileError::Path { .. },
            ) => true,
            Self::Node(_) | Self::NoRoom { .. } | Self::Renew | Self::TooMany => false,
        }
    }
}

/// Tells whoever asked. That nobody listens ends the whole elsewhere ([`copy`]).
pub(super) struct Teller {
    news: mpsc::Sender<TaskNews>,
    told: Instant,
    pub(super) progress: Progress,
}

impl Teller {
    /// Tells how far it is, now and then.
    fn progress(&mut self) {
        if self.told.elapsed() >= TELL_EVERY
            && let Ok(room) = self.news.try_reserve()
        {
            room.send(TaskNews::Progress(self.progress.clone()));
            self.told = Instant::now();
        }
    }

    async fn left_out(&mut self, name: &Shown, why: impl Into<String>) {
        self.progress.left_out += 1;
        if self.progress.left_out <= LEFT_OUT_NAMED_MAX {
            let _ = self.news.send(TaskNews::LeftOut { name: name.as_str().to_owned(), why: why.into() }).await;
        }
    }

    async fn say(&self, news: TaskNews) {
        let _ = self.news.send(news).await;
    }
}

/// Copies, and tells of it, until all is done or nobody listens any more.
pub async fn copy<L: LinkSource>(links: L, order: Order, news: mpsc::Sender<TaskNews>) {
    let listener = news.clone();
    let mut teller = Teller { news, told: Instant::now(), progress: Progress::default() };
    let copying = async {
        let done = match order.way {
            CopyWay::Get => run(&links, &mut get::Get::new(&order), &mut teller).await,
            CopyWay::Put => run(&links, &mut put::Put::new(&order), &mut teller).await,
        };
        let last = match done {
            Ok(()) => TaskNews::Copied(teller.progress.clone()),
            Err(error) if error.is_lost() => {
                TaskNews::Failed(error.fault().hint("do it again once the node is there; it goes on where it was"))
            }
            Err(error) => TaskNews::Failed(error.fault()),
        };
        teller.say(last).await;
    };
    tokio::select! {
        () = copying => {}
        () = listener.closed() => {}
    }
}

/// A copy that can be gone on with over another channel.
trait Job {
    fn go(&mut self, talk: &mut Talk, teller: &mut Teller) -> impl Future<Output = Result<(), CopyError>> + Send;
}

/// Returns how much longer than a look an answer may take for which so many bytes are read.
fn sum_patience(bytes: u64) -> Duration {
    Duration::from_secs(bytes / SUM_BYTES_PER_SECOND)
}

async fn run<L: LinkSource>(links: &L, job: &mut impl Job, teller: &mut Teller) -> Result<(), CopyError> {
    let (mut pause, mut lost_since) = (PAUSE_MIN, None);
    loop {
        let before = teller.progress.bytes.0;
        let went = match open(links, teller).await {
            Ok(mut talk) => job.go(&mut talk, teller).await,
            Err(error) => Err(CopyError::Node(error)),
        };
        let error = match went {
            // Each of these is one entry further, so there is an end to them.
            Err(CopyError::Renew) => continue,
            Err(error) if error.is_lost() => error,
            other => return other,
        };
        if teller.progress.bytes.0 > before {
            (pause, lost_since) = (PAUSE_MIN, None);
        }
        let since = *lost_since.get_or_insert_with(Instant::now);
        if since.elapsed() > LOST_MAX {
            return Err(error);
        }
        if pause == PAUSE_MIN {
            teller.say(TaskNews::Interrupted { why: error.to_string() }).await;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Opens a conversation, and says so when it has to wait in line for one.
async fn open<L: LinkSource>(links: &L, teller: &Teller) -> Result<Talk, FileError> {
    let opening = async {
        let link = links.link().await.ok_or(FileError::NoLink)?;
        Talk::open(&link, Program::Copy).await
    };
    tokio::pin!(opening);
    tokio::select! {
        talk = &mut opening => return talk,
        () = sleep(OPENING_MAX) => {}
    }
    let why = "no channel yet; one copy at a time is made from or to a node".to_owned();
    teller.say(TaskNews::Interrupted { why }).await;
    opening.await
}
