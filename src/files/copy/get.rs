//! From a node into a directory here.

use crate::files::copy::here::{Here, Part, There, Wanted};
use crate::files::copy::{CopyError, DEPTH_MAX, ENTRIES_MAX, Job, Order, TREE_PATIENCE, TRIES_MAX, Teller, sum_patience};
use crate::files::list::told;
use crate::files::talk::{Facts, Kind, Piece, Talk};
use crate::files::{FileError, FilePath};
use crate::model::request::{FileEntry, FileKind};
use crate::model::shown::Shown;
use crate::model::task::Existing;

/// What is read at once on the node; both ends of a read are rounded to it. POSIX `dd` knows only whole blocks.
const BLOCK_BYTES: u64 = 65_536;
/// The most bytes of the list of a tree.
const TREE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most bytes of an answer that is one line.
const LINE_BYTES_MAX: usize = 8192;

/// One thing to get.
#[derive(Clone, Debug)]
struct Item {
    remote: FilePath,
    /// Its place below the target.
    names: Vec<String>,
    folder: bool,
    inode: u64,
    wanted: Wanted,
}

/// A copy from a node.
pub struct Get {
    order: Order,
    here: Option<Here>,
    items: Option<Vec<Item>>,
    next: usize,
}

impl Get {
    /// Returns one that has not begun.
    pub fn new(order: &Order) -> Self {
        Self { order: order.clone(), here: None, items: None, next: 0 }
    }

    fn single(&self) -> bool {
        matches!(self.items.as_deref(), Some([only]) if !only.folder)
    }

    /// Asks what there is to get.
    async fn plan(&self, talk: &mut Talk, teller: &mut Teller) -> Result<Vec<Item>, CopyError> {
        let remote = &self.order.remote;
        let facts = talk.ask(remote, "stat", 0).await.map_err(CopyError::Node)?.facts;
        let last = remote.as_str().rsplit('/').next().unwrap_or_default();
        let whole = remote.as_str() == remote.root();
        let top = if whole || last.is_empty() { self.order.whole.clone() } else { last.to_owned() };
        match facts.kind {
            Kind::File => {
                let entry = about(talk, remote).await?;
                Ok(vec![item(remote.clone(), vec![top], entry)])
            }
            Kind::Folder => self.tree(talk, teller, top).await,
            Kind::None => Err(CopyError::Node(FileError::Missing { path: remote.shown().clone() })),
            Kind::Other => Err(CopyError::Node(FileError::NotRegular { path: remote.shown().clone() })),
        }
    }

    async fn tree(&self, talk: &mut Talk, teller: &mut Teller, top: String) -> Result<Vec<Item>, CopyError> {
        let remote = &self.order.remote;
        let question = format!("tree {DEPTH_MAX} {}", ENTRIES_MAX + 1);
        talk.say(remote, &question, &[]).await.map_err(CopyError::Node)?;
        let answer = talk.hear(remote, TREE_BYTES_MAX, TREE_PATIENCE).await.map_err(CopyError::Node)?;
        let root = Wanted { key: String::new(), size: 0, seconds: 0, executable: false };
        let mut items =
            vec![Item { remote: remote.clone(), names: vec![top.clone()], folder: true, inode: 0, wanted: root }];
        for line in answer.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if items.len() > ENTRIES_MAX {
                return Err(CopyError::TooMany);
            }
            let found = match told(line, remote, 0) {
                Ok(found) => found,
                Err(name) => {
                    teller.left_out(&name, "no file here may have this name").await;
                    continue;
                }
            };
            let shown = Shown::new(&found.0.name);
            match found.0.kind {
                FileKind::Link => teller.left_out(&shown, "it is a symbolic link").await,
                FileKind::Special => teller.left_out(&shown, "it is a pipe, a socket or a device").await,
                FileKind::Directory if found.0.name.split('/').count() >= DEPTH_MAX => {
                    teller.left_out(&shown, "what is in it lies too deep").await;
                }
                FileKind::File | FileKind::Directory => {
                    let path = remote.join(&found.0.name).map_err(CopyError::Node)?;
                    let names = std::iter::once(top.as_str()).chain(found.0.name.split('/')).map(str::to_owned).collect();
                    items.push(item(path, names, found));
                }
            }
        }
        // Directories come before what is in them.
        items.sort_by(|a, b| a.names.cmp(&b.names));
        Ok(items)
    }

    async fn file(&self, at: usize, talk: &mut Talk, teller: &mut Teller) -> Result<(), CopyError> {
        let (Some(here), Some(items)) = (&self.here, &self.items) else { return Ok(()) };
        let item = &items[at];
        let Some((name, folders)) = item.names.split_last() else { return Ok(()) };
        if item.folder {
            return here.folder(&item.names).map(drop);
        }
        let dir = here.folder(folders)?;
        match (Here::there(&dir, name, &item.wanted)?, self.order.existing) {
            (There::Same, _) => {
                teller.progress.kept += item.wanted.size;
                teller.progress.bytes.0 += item.wanted.size;
                return Ok(());
            }
            (There::Other, Existing::Keep) => return Err(CopyError::Exists { path: Shown::new(&item.names.join("/")) }),
            (There::Other, Existing::Replace) | (There::Nothing, _) => {}
        }
        let mut part = Part::begin(dir, name, &item.wanted).await?;
        let kept = kept(&mut part, item, talk).await?;
        teller.progress.kept += kept;
        let mut inode = item.inode;
        let mut wanted = item.wanted.clone();
        for _ in 0..TRIES_MAX {
            let whole = pour(&mut part, item, inode, wanted.size, talk, teller).await?;
            let theirs = if whole { node_sum(talk, &item.remote, "sum", wanted.size).await? } else { None };
            let ours = part.sum().await?.line();
            if whole && theirs.is_none_or(|theirs| theirs == ours) {
                return part.finish(name, &wanted, self.order.existing).await;
            }
            // It changed meanwhile: what it is now counts.
            teller.progress.bytes.0 -= part.sum().await?.count();
            part.restart().await?;
            let (entry, _) = match about(talk, &item.remote).await {
                Err(error @ CopyError::Node(FileError::Unreadable { .. })) => {
                    part.forget();
                    return Err(error);
                }
                other => other?,
            };
            (inode, wanted.size, wanted.seconds) = (entry.inode, entry.size, entry.modified.0 / 1000);
        }
        Err(CopyError::Changing { path: item.remote.shown().clone() })
    }
}

impl Job for Get {
    async fn go(&mut self, talk: &mut Talk, teller: &mut Teller) -> Result<(), CopyError> {
        if self.here.is_none() {
            self.here = Some(Here::open(&self.order.local)?);
        }
        if self.items.is_none() {
            let items = self.plan(talk, teller).await?;
            let need: u64 = items.iter().map(|item| item.wanted.size).fold(0, u64::saturating_add);
            if let Some(here) = &self.here {
                here.has_room(need)?;
            }
            teller.progress.files.1 = items.iter().filter(|item| !item.folder).count() as u64;
            teller.progress.bytes.1 = need;
            self.items = Some(items);
        }
        let count = self.items.as_ref().map_or(0, Vec::len);
        while self.next < count {
            let Some(item) = self.items.as_ref().and_then(|items| items.get(self.next)) else { break };
            let (shown, folder) = (Shown::new(&item.names.join("/")), item.folder);
            teller.progress.file = shown.as_str().to_owned();
            teller.progress();
            let (bytes, kept) = (teller.progress.bytes.0, teller.progress.kept);
            match self.file(self.next, talk, teller).await {
                Ok(()) => teller.progress.files.0 += u64::from(!folder),
                Err(error) => {
                    // What is on the disk is counted again when it is found there.
                    (teller.progress.bytes.0, teller.progress.kept) = (bytes, kept);
                    if self.single() || !error.is_of_one() {
                        return Err(error);
                    }
                    teller.left_out(&shown, error.fault().chain()).await;
                }
            }
            self.next += 1;
        }
        Ok(())
    }
}

fn item(remote: FilePath, names: Vec<String>, (entry, mode): (FileEntry, u32)) -> Item {
    let seconds = entry.modified.0 / 1000;
    let key = format!("{}\0{}\0{}\0{}", remote.as_str(), entry.size, seconds, entry.inode);
    let wanted = Wanted { key, size: entry.size, seconds, executable: mode & 0o100 != 0 };
    Item { remote, names, folder: entry.kind == FileKind::Directory, inode: entry.inode, wanted }
}

/// Asks what a file is now.
async fn about(talk: &mut Talk, remote: &FilePath) -> Result<(FileEntry, u32), CopyError> {
    let answer = talk.ask(remote, "about", LINE_BYTES_MAX).await.map_err(CopyError::Node)?;
    answer.facts.regular(remote).map_err(CopyError::Node)?;
    let line = answer.bytes.strip_suffix(b"\n").unwrap_or(&answer.bytes);
    if line == b"unreadable" {
        return Err(CopyError::Node(FileError::Unreadable { path: remote.shown().clone() }));
    }
    let lost = |_| CopyError::Node(FileError::Lost { path: remote.shown().clone(), source: None });
    told(line, remote, 0).map_err(lost)
}

/// Asks for the sum of the first bytes of a file: of itself (`sum`), or of what is being written (`sum-part`). `None` where
/// the node has no `cksum`: then sizes have to do, and nothing that was left by a former copy is trusted.
pub(super) async fn node_sum(
    talk: &mut Talk,
    remote: &FilePath,
    what: &str,
    length: u64,
) -> Result<Option<String>, CopyError> {
    talk.say(remote, &format!("{what} {length}"), &[]).await.map_err(CopyError::Node)?;
    let answer = talk.hear(remote, LINE_BYTES_MAX, sum_patience(length)).await.map_err(CopyError::Node)?;
    let line = String::from_utf8_lossy(&answer.bytes).trim().to_owned();
    Ok(Some(line).filter(|line| !line.is_empty()))
}

/// Keeps what an interrupted copy has left if it is the beginning of the file; returns how much that is.
async fn kept(part: &mut Part, item: &Item, talk: &mut Talk) -> Result<u64, CopyError> {
    let sum = part.sum().await?;
    if sum.count() > 0 && node_sum(talk, &item.remote, "sum", sum.count()).await? != Some(sum.line()) {
        part.restart().await?;
        return Ok(0);
    }
    Ok(sum.count())
}

/// Reads what is missing; says whether all came and the file is the same still.
async fn pour(
    part: &mut Part,
    item: &Item,
    inode: u64,
    size: u64,
    talk: &mut Talk,
    teller: &mut Teller,
) -> Result<bool, CopyError> {
    let start = part.sum().await?.count();
    teller.progress.bytes.0 += start;
    if start >= size {
        return Ok(true);
    }
    let skip = start / BLOCK_BYTES;
    let question = format!("read {skip} {}", size.div_ceil(BLOCK_BYTES) - skip);
    talk.say(&item.remote, &question, &[]).await.map_err(CopyError::Node)?;
    let mut cut = Cut { lead: start - skip * BLOCK_BYTES, left: size - start };
    let poured = receive(part, &mut cut, item, talk, teller).await;
    // A write that is under way holds the file.
    part.sum().await?;
    let facts = poured?;
    Ok(cut.left == 0 && facts.inode == inode)
}

/// What of an answer in whole blocks is wanted.
struct Cut {
    /// Bytes to pass over.
    lead: u64,
    /// Bytes wanted after them.
    left: u64,
}

impl Cut {
    fn of(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let lead = usize::try_from(self.lead).unwrap_or(usize::MAX).min(bytes.len());
        self.lead -= lead as u64;
        bytes.drain(..lead);
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes.len() as u64;
        bytes
    }
}

async fn receive(
    part: &mut Part,
    cut: &mut Cut,
    item: &Item,
    talk: &mut Talk,
    teller: &mut Teller,
) -> Result<Facts, CopyError> {
    let mut held = Vec::new();
    loop {
        let (bytes, facts) = match talk.more(&item.remote, &mut held).await.map_err(CopyError::Node)? {
            Piece::Bytes(bytes) => (bytes, None),
            Piece::Last(answer) => (answer.bytes, Some(answer.facts)),
        };
        let bytes = cut.of(bytes);
        teller.progress.bytes.0 += bytes.len() as u64;
        teller.progress();
        part.write(bytes).await?;
        if let Some(facts) = facts {
            return Ok(facts);
        }
    }
}
