//! From here into a directory on a node.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::files::copy::get::node_sum;
use crate::files::copy::here::summed;
use crate::files::copy::sum::Sum;
use crate::files::copy::walk::{Found, open, walk};
use crate::files::copy::{CopyError, Job, Order, TRIES_MAX, Teller, sum_patience};
use crate::files::talk::{Answer, Facts, Kind, Talk};
use crate::files::{FileError, FilePath};
use crate::model::shown::Shown;
use crate::model::task::Existing;

/// How many bytes go in one piece: large beside the processes that the node starts for it.
const PIECE_BYTES: u64 = 1024 * 1024;
/// How many pieces may be on their way without an answer: enough for 400 MB/s over 20 ms.
const AHEAD_MAX: usize = 8;
/// The most bytes of an answer that is a line.
const LINE_BYTES_MAX: usize = 8192;

/// A copy to a node.
pub struct Put {
    order: Order,
    items: Option<Vec<Found>>,
    next: usize,
}

impl Put {
    /// Returns one that has not begun.
    pub fn new(order: &Order) -> Self {
        Self { order: order.clone(), items: None, next: 0 }
    }

    fn single(&self) -> bool {
        matches!(self.items.as_deref(), Some([only]) if !only.folder)
    }

    async fn plan(&mut self, teller: &mut Teller) -> Result<(), CopyError> {
        let local = self.order.local.clone();
        let walked = spawn_blocking(move || walk(Path::new(&local))).await;
        let lost =
            |error| CopyError::Here { act: "read", path: Shown::new(&self.order.local), source: io::Error::other(error) };
        let (items, left_out) = walked.map_err(lost)??;
        for (name, why) in left_out {
            teller.left_out(&name, why).await;
        }
        teller.progress.files.1 = items.iter().filter(|item| !item.folder).count() as u64;
        teller.progress.bytes.1 = items.iter().map(|item| item.wanted.size).fold(0, u64::saturating_add);
        self.items = Some(items);
        Ok(())
    }

    /// Makes the directory to put into, part by part below the one that has to be there.
    async fn folders(&self, talk: &mut Talk) -> Result<(), CopyError> {
        let remote = &self.order.remote;
        let below = remote.as_str().strip_prefix(remote.root()).unwrap_or_default().trim_matches('/').to_owned();
        let root =
            FilePath::below(if remote.root().is_empty() { "/" } else { remote.root() }, "").map_err(CopyError::Node)?;
        let facts = talk.ask(&root, "stat", 0).await.map_err(CopyError::Node)?.facts;
        if facts.kind != Kind::Folder {
            return Err(CopyError::Node(FileError::Missing { path: root.shown().clone() }));
        }
        let mut so_far = String::new();
        for part in below.split('/').filter(|part| !part.is_empty()) {
            so_far = if so_far.is_empty() { part.to_owned() } else { format!("{so_far}/{part}") };
            let path = root.join(&so_far).map_err(CopyError::Node)?;
            well(&path, ask(talk, &path, "folder").await?)?;
        }
        Ok(())
    }

    async fn one(&self, at: usize, talk: &mut Talk, teller: &mut Teller) -> Result<(), CopyError> {
        let Some(item) = self.items.as_ref().and_then(|items| items.get(at)) else { return Ok(()) };
        let path = self.order.remote.join(&item.name).map_err(CopyError::Node)?;
        if item.folder {
            return well(&path, ask(talk, &path, "folder").await?);
        }
        let file = Arc::new(open(item, self.single())?);
        let size = item.wanted.size;
        let facts = talk.ask(&path, "stat", 0).await.map_err(CopyError::Node)?.facts;
        let there = facts.kind == Kind::File && facts.size == size && {
            let ours = read(&file, size, &path).await?;
            node_sum(talk, &path, "sum", size).await? == Some(ours.line())
        };
        if there {
            teller.progress.kept += size;
            teller.progress.bytes.0 += size;
            return Ok(());
        }
        if facts.kind != Kind::None && self.order.existing == Existing::Keep {
            return Err(CopyError::Exists { path: path.shown().clone() });
        }
        for _ in 0..TRIES_MAX {
            if send(&file, item, &path, talk, teller).await? {
                let mode = if item.wanted.executable { "755" } else { "644" };
                let existing = match self.order.existing {
                    Existing::Keep => "keep",
                    Existing::Replace => "replace",
                };
                return well(&path, ask(talk, &path, &format!("done {mode} {size} {existing}")).await?);
            }
            well(&path, ask(talk, &path, "restart").await?)?;
        }
        Err(CopyError::Changing { path: path.shown().clone() })
    }
}

impl Job for Put {
    async fn go(&mut self, talk: &mut Talk, teller: &mut Teller) -> Result<(), CopyError> {
        if self.items.is_none() {
            self.plan(teller).await?;
        }
        self.folders(talk).await?;
        let count = self.items.as_ref().map_or(0, Vec::len);
        while self.next < count {
            let Some(item) = self.items.as_ref().and_then(|items| items.get(self.next)) else { break };
            let (shown, folder) = (Shown::new(&item.name), item.folder);
            teller.progress.file = shown.as_str().to_owned();
            teller.progress();
            let (bytes, kept) = (teller.progress.bytes.0, teller.progress.kept);
            match self.one(self.next, talk, teller).await {
                Ok(()) => teller.progress.files.0 += u64::from(!folder),
                Err(error) => {
                    (teller.progress.bytes.0, teller.progress.kept) = (bytes, kept);
                    // After words of its own the node's program has ended, or has bytes before it that are no lines.
                    let over = matches!(error, CopyError::There { .. });
                    if self.single() || !error.is_of_one() {
                        return Err(error);
                    }
                    teller.left_out(&shown, error.fault().chain()).await;
                    if over {
                        self.next += 1;
                        return Err(CopyError::Renew);
                    }
                }
            }
            self.next += 1;
        }
        Ok(())
    }
}

async fn ask(talk: &mut Talk, path: &FilePath, question: &str) -> Result<Answer, CopyError> {
    talk.say(path, question, &[]).await.map_err(CopyError::Node)?;
    talk.hear(path, LINE_BYTES_MAX, sum_patience(0)).await.map_err(CopyError::Node)
}

/// An answer with words is the node's refusal.
fn well(path: &FilePath, answer: Answer) -> Result<(), CopyError> {
    let words = Shown::last_lines(&answer.bytes, 1).into_iter().next();
    match words.filter(|words| !words.as_str().trim().is_empty()) {
        None => Ok(()),
        Some(words) => Err(CopyError::There { path: path.shown().clone(), words }),
    }
}

async fn read(file: &Arc<File>, length: u64, path: &FilePath) -> Result<Sum, CopyError> {
    let failed = |source| CopyError::Here { act: "read", path: path.shown().clone(), source };
    summed(Arc::clone(file), length).await.map_err(failed)
}

/// Sends what is missing; says whether all is there and its sum is ours.
async fn send(
    file: &Arc<File>,
    item: &Found,
    path: &FilePath,
    talk: &mut Talk,
    teller: &mut Teller,
) -> Result<bool, CopyError> {
    let size = item.wanted.size;
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, item.wanted.key.as_bytes()).simple().to_string();
    let begun = ask(talk, path, &format!("part .ostler-{}.part\nbegun", &id[..16])).await?;
    let text = String::from_utf8_lossy(&begun.bytes).trim().to_owned();
    let Some(facts) = Facts::parse(&text) else {
        well(path, begun)?;
        return Err(CopyError::Node(FileError::Lost { path: path.shown().clone(), source: None }));
    };
    let mut sum = Sum::default();
    if facts.kind == Kind::File && facts.size > 0 {
        let length = facts.size.min(size);
        let kept = read(file, length, path).await?;
        if facts.size == length && node_sum(talk, path, "sum-part", length).await? == Some(kept.line()) {
            sum = kept;
            teller.progress.kept += length;
            teller.progress.bytes.0 += length;
        } else {
            well(path, ask(talk, path, "restart").await?)?;
        }
    }
    let mut ahead = 0;
    while sum.count() < size || ahead > 0 {
        if sum.count() < size && ahead < AHEAD_MAX {
            let bytes = piece(file, sum.count(), size, path).await?;
            let question = format!("write {} {}", sum.count(), bytes.len());
            talk.say(path, &question, &bytes).await.map_err(CopyError::Node)?;
            sum.add(&bytes);
            ahead += 1;
            teller.progress.bytes.0 += bytes.len() as u64;
            teller.progress();
        } else {
            let answer = talk.hear(path, LINE_BYTES_MAX, sum_patience(PIECE_BYTES)).await.map_err(CopyError::Node)?;
            well(path, answer)?;
            ahead -= 1;
        }
    }
    let theirs = if size == 0 { None } else { node_sum(talk, path, "sum-part", size).await? };
    let whole = theirs.is_none_or(|theirs| theirs == sum.line());
    if !whole {
        teller.progress.bytes.0 = teller.progress.bytes.0.saturating_sub(size);
    }
    Ok(whole)
}

/// Reads one piece of a file.
async fn piece(file: &Arc<File>, at: u64, size: u64, path: &FilePath) -> Result<Vec<u8>, CopyError> {
    let (file, length) = (Arc::clone(file), (size - at).min(PIECE_BYTES) as usize);
    let work = spawn_blocking(move || {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, at).map(|()| bytes)
    });
    let read = work.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => CopyError::Changing { path: path.shown().clone() },
        _ => CopyError::Here { act: "read", path: path.shown().clone(), source },
    })
}
