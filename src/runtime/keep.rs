//! Copies the logs in a node's spool before the node is given back. A release never waits for good: the time is bounded,
//! and what could not be copied in it is named, in the event and beside the copy.
//!
//! What ran on a node is asked of the node: its records name jobs and attempts, and each job's row names its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::files::{Desk, FileError, FilePath, LinkSource, PIECE_BYTES_MAX, Piece, TreeFile};
use crate::model::ids::{Attempt, JobId, RankKey};
use crate::model::kept::{Kept, LEFT_NAMED_MAX, LeftBehind, Manifest};
use crate::model::settings::Settings;
use crate::model::shown::Shown;
use crate::model::state::Job;
use crate::model::units::{Bytes, UnixMillis};
use crate::runtime::shelf::{Shelf, manifest_of};
use crate::store::{Reader, StoreError};
use crate::transport::NodeLink;

/// How long a release waits for the copies of its node's logs: half a gigabyte over a slow line, and a person who scales
/// down looks at it.
const COPY_TIME_MAX: Duration = Duration::from_secs(60);
/// How long it waits for a link that is down. Longer than a reconnect; a node that is really gone costs so much.
pub const LINK_TIME_MAX: Duration = Duration::from_secs(15);
/// The folder of a job's logs below its part of the spool.
pub const LOGS: &str = "stdouterr";
/// The folder of all logs in a spool.
const SPOOL_LOGS: &str = "logs";
/// How many files that stayed behind are named for one job.
const FILES_NAMED_MAX: usize = 8;

/// A node that is to be given back.
#[derive(Clone, Debug)]
pub struct KeepWork {
    /// The way there.
    pub link: Box<NodeLink>,
    /// Its name.
    pub name: String,
    /// The absolute path of its spool.
    pub root: String,
}

/// What is needed beside the node.
#[derive(Clone)]
pub struct Keeper {
    /// Where copies go.
    pub shelf: Shelf,
    /// Where jobs are looked up; without one nothing can be copied.
    pub reader: Option<Reader>,
    /// How much may be kept.
    pub settings: Settings,
}

impl Keeper {
    /// Looks jobs up, off this task. Jobs that are gone are not in the answer.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn jobs(&self, ids: BTreeSet<JobId>) -> Result<BTreeMap<JobId, Arc<Job>>, StoreError> {
        let Some(reader) = self.reader.clone() else { return Ok(BTreeMap::new()) };
        let read = move || ids.into_iter().filter_map(|id| Some(reader.job(id).transpose()?.map(|job| (id, job)))).collect();
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Ok(BTreeMap::new()))
    }
}

/// What a spool holds: its log files by the folder of their job, and which jobs are known to it.
pub struct Spool {
    /// Files by the job's part of the path, `…/jobs/NAME/UUID`; names are below its folder `stdouterr`.
    pub logs: BTreeMap<String, Vec<TreeFile>>,
    /// The last attempt of each job that ran here.
    pub jobs: BTreeMap<JobId, Attempt>,
}

impl Spool {
    /// Looks at a node's spool.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn read<L: LinkSource>(desk: &Desk<L>, root: &str) -> Result<Self, FileError> {
        let mut logs: BTreeMap<String, Vec<TreeFile>> = BTreeMap::new();
        for file in desk.tree(&FilePath::below(root, SPOOL_LOGS)?).await? {
            if let Some((segment, name)) = file.name.split_once(&format!("/{LOGS}/")) {
                let name = name.to_owned();
                logs.entry(segment.to_owned()).or_default().push(TreeFile { name, ..file.clone() });
            }
        }
        let mut jobs = BTreeMap::new();
        // In this order: a record that is moved to `done` meanwhile is seen in one or both.
        for folder in ["jobs", "done"] {
            for file in desk.tree(&FilePath::below(root, folder)?).await? {
                if let Ok(key) = file.name.parse::<RankKey>() {
                    let last = jobs.entry(key.job).or_insert(key.attempt);
                    *last = key.attempt.max(*last);
                }
            }
        }
        Ok(Self { logs, jobs })
    }

    /// Returns the absolute path of a job's part of the spool.
    ///
    /// # Errors
    /// It would lead elsewhere.
    pub fn folder(root: &str, segment: &str) -> Result<FilePath, FileError> {
        FilePath::below(root, &format!("{SPOOL_LOGS}/{segment}"))
    }
}

/// Copies what it can, and says what became of the rest. The desk is the one at which the node is looked at: another one would
/// wait for the channel that its last conversation still has.
pub async fn keep<L: LinkSource>(work: &KeepWork, desk: &Desk<L>, keeper: &Keeper, now: UnixMillis) -> Kept {
    let until = Instant::now() + COPY_TIME_MAX;
    let planned = match timeout_at(until, plan(work, desk, keeper)).await {
        Ok(Ok(planned)) => planned,
        Ok(Err(why)) => return Kept { failed: Some(why), ..Kept::default() },
        Err(_) => {
            return Kept { failed: Some(format!("the node did not answer within {COPY_TIME_MAX:?}")), ..Kept::default() };
        }
    };
    let (mut copies, pieces) = planned;
    let all: Vec<Piece> = pieces.iter().map(|(_, _, piece)| piece.clone()).collect();
    let hauled = desk.haul(&all, |at, bytes| {
        let (copy, file, piece) = &pieces[at];
        copies[*copy].take(*file, piece, bytes);
    });
    let why = match timeout_at(until, hauled).await {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => words(&error),
        Err(_) => format!("no time within {} s", COPY_TIME_MAX.as_secs()),
    };
    let mut kept = Kept::default();
    for copy in copies {
        let (job, attempt) = (copy.job, copy.attempt);
        let (bytes, left) = copy.finish(work, &why, now);
        kept.jobs += 1;
        kept.bytes = Bytes(kept.bytes.0 + bytes);
        if !left.is_empty() {
            kept.left_count += 1;
            if kept.left.len() < LEFT_NAMED_MAX {
                kept.left.push(LeftBehind { job, attempt, what: left });
            }
        }
    }
    kept
}

fn words(error: &FileError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

type Planned = (Vec<Copy>, Vec<(usize, usize, Piece)>);

/// Decides what is copied: the jobs with the newest logs first, of each the small files first, and of one that is too
/// large its end.
async fn plan<L: LinkSource>(work: &KeepWork, desk: &Desk<L>, keeper: &Keeper) -> Result<Planned, String> {
    let mut spool = Spool::read(desk, &work.root).await.map_err(|error| words(&error))?;
    let jobs = keeper.jobs(spool.jobs.keys().copied().collect()).await.map_err(|error| error.to_string())?;
    let mut found: Vec<(Arc<Job>, Vec<TreeFile>)> =
        jobs.into_values().filter_map(|job| spool.logs.remove(&job.segment()).map(|files| (job, files))).collect();
    let newest = |files: &[TreeFile]| files.iter().map(|file| file.modified).max();
    found.sort_by_key(|(job, files)| std::cmp::Reverse((newest(files), job.id)));
    let (mut copies, mut pieces) = (Vec::new(), Vec::new());
    let mut room = keeper.settings.log_max_bytes.0;
    for (job, mut files) in found {
        files.sort_by(|a, b| (a.size, &a.name).cmp(&(b.size, &b.name)));
        let attempt = spool.jobs.get(&job.id).copied().unwrap_or(job.attempt);
        let part = keeper.shelf.part(job.id, attempt, &work.name);
        let place = keeper.shelf.place(job.id, attempt, &work.name);
        let others = size_of(&keeper.shelf.of_job(job.id)).saturating_sub(size_of(&place)).saturating_sub(size_of(&part));
        let mut budget = keeper.settings.log_keep_bytes.0.saturating_sub(others);
        let mut bound = format!("log_keep_bytes is {}", keeper.settings.log_keep_bytes);
        if budget > room {
            (budget, bound) = (room, format!("log_max_bytes is {}", keeper.settings.log_max_bytes));
        }
        let mut copy = Copy { job: job.id, attempt, part, place, files: Vec::new(), bound, failed: None };
        let folder = Spool::folder(&work.root, &job.segment()).map_err(|error| words(&error))?;
        for file in files {
            let from = file.size - file.size.min(budget);
            budget -= file.size - from;
            room -= file.size - from;
            let path = FilePath::below(folder.as_str(), &format!("{LOGS}/{}", file.name));
            let path = path.map_err(|error| words(&error))?;
            let mut at = from;
            while at < file.size {
                let to = file.size.min(at + PIECE_BYTES_MAX);
                pieces.push((copies.len(), copy.files.len(), Piece { path: path.clone(), from: at, to }));
                at = to;
            }
            copy.files.push(FileCopy { name: file.name, size: file.size, from, at: from, open: None });
        }
        copies.push(copy);
    }
    Ok((copies, pieces))
}

/// The copy of one job's logs.
struct Copy {
    job: JobId,
    attempt: Attempt,
    part: PathBuf,
    place: PathBuf,
    files: Vec<FileCopy>,
    /// What bounds it.
    bound: String,
    failed: Option<io::Error>,
}

/// The copy of one file: its bytes from `from` to `at` are here.
struct FileCopy {
    name: String,
    size: u64,
    from: u64,
    at: u64,
    open: Option<File>,
}

impl Copy {
    /// Takes a piece. What cannot be written here is named in the end, and the other jobs go on.
    fn take(&mut self, file: usize, piece: &Piece, bytes: Option<Vec<u8>>) {
        if self.failed.is_some() {
            return;
        }
        let file = &mut self.files[file];
        let Some(mut bytes) = bytes.filter(|_| file.at == piece.from) else { return };
        if piece.from == file.from && file.from > 0 {
            // It begins with a whole line, if there is one.
            let cut = memchr::memchr(b'\n', &bytes).map_or(0, |at| at + 1);
            bytes.drain(..cut);
            file.from += cut as u64;
            file.at = file.from;
        }
        if let Err(error) = file.append(&self.part, &bytes) {
            self.failed = Some(error);
            return;
        }
        file.at += bytes.len() as u64;
        if file.at >= piece.to && piece.to == file.size {
            file.open = None;
        }
    }

    /// Puts the copy in its place with what is to be known of it; returns how much it holds and what stayed behind.
    fn finish(mut self, work: &KeepWork, why: &str, now: UnixMillis) -> (u64, String) {
        let empty = |file: &mut FileCopy| file.size == 0 && file.append(&self.part, b"").is_err();
        if self.failed.is_none() && (fs::create_dir_all(&self.part).is_err() || self.files.iter_mut().any(empty)) {
            self.failed = Some(io::Error::other("the folder of copies cannot be written"));
        }
        let bytes = self.files.iter().map(|file| file.at - file.from).sum();
        let left = self.left(why);
        let manifest = Manifest { node: work.name.clone(), at: now, bytes: Bytes(bytes), left: left.clone() };
        match self.settle(&manifest) {
            Ok(()) => (bytes, left),
            Err(error) => (0, format!("all of them; the copy could not be written here: {error}")),
        }
    }

    fn left(&self, why: &str) -> String {
        let rest = self.files.iter().filter(|file| file.from > 0 || file.at < file.size);
        let mut names: Vec<String> = rest.map(FileCopy::left).collect();
        if names.is_empty() {
            return String::new();
        }
        let more = names.len().saturating_sub(FILES_NAMED_MAX);
        names.truncate(FILES_NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let why = match (&self.failed, why) {
            (Some(error), _) => format!("the copy could not be written here: {error}"),
            (None, "") => self.bound.clone(),
            (None, why) => why.to_owned(),
        };
        format!("{}{more} ({why})", names.join(", "))
    }

    fn settle(&self, manifest: &Manifest) -> io::Result<()> {
        remove(&self.place)?;
        fs::rename(&self.part, &self.place)?;
        let (path, text) = (manifest_of(&self.place), serde_json::to_vec(manifest)?);
        let new = manifest_of(&self.part);
        fs::write(&new, text)?;
        fs::rename(new, path)
    }
}

impl FileCopy {
    fn append(&mut self, part: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.open.is_none() {
            let path = part.join(&self.name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut options = File::options();
            // The first piece of a copy that somebody began before and did not end.
            let anew = self.at == self.from;
            self.open = Some(options.create(true).write(true).truncate(anew).append(!anew).open(path)?);
        }
        self.open.as_mut().map_or(Ok(()), |open| open.write_all(bytes))
    }

    fn left(&self) -> String {
        let name = Shown::new(&self.name);
        match (self.from, self.at - self.from) {
            (_, 0) => format!("{name} ({})", Bytes(self.size)),
            (from, _) if self.at == self.size => format!("the first {} of {name}", Bytes(from)),
            (_, got) => format!("all but {} of {name}", Bytes(got)),
        }
    }
}

/// Returns how much lies below a folder.
pub fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => size_of(&entry.path()),
        Ok(data) if data.is_file() => data.len(),
        Ok(_) | Err(_) => 0,
    });
    sizes.sum()
}

/// Removes a folder; one that is not there is removed.
///
/// # Errors
/// It cannot be.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
