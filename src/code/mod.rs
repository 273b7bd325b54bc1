//! Layer 1: what the code of jobs was. A directory of this machine becomes one archive that is called by its SHA-256, kept below the
//! state directory for as long as a job refers to it, and looked at later: its files, and how it differed from git's commit.
//!
//! The runtime takes snapshots on the way in and sends them to nodes; it calls this from threads that may wait, because all of
//! it reads and writes files.
//!
//! Decisions (2026-11):
//! - *The content decides, not the names of versions*: two directories with the same files are one snapshot, kept once and
//!   sent once, whatever git says of them. Times and owners are left out, so nothing else can make a difference.
//! - *Git says what goes* where there is a work tree (tracked files, and those that it does not ignore); elsewhere everything. In
//!   both cases `.ostlerignore` takes away, in the language of `.gitignore`.
//! - *What looks like a secret is refused* and not left out: a job that lacks a file without a word is worse than one
//!   that is not accepted, and what is copied to nodes and kept cannot be called back. The same for what is too big.
//! - *A link is kept as it is.* It is never followed, so nothing outside of the directory comes along.

mod archive;
mod git;
mod ignored;
mod secret;
mod tree;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use crate::model::fault::Fault;
use crate::model::shown::Shown;
use crate::model::spec::code::{Code, CodeFile, CodeKept, Digest, Git, Taken};
use crate::model::units::Bytes;
use archive::Archive;
use tree::{Entry, Kind};

/// The most files of one snapshot: a large repository has some thousands, an environment of Python some ten thousands.
pub const FILES_MAX: usize = 20_000;
/// How many files a refusal names; the others are counted.
const NAMED_MAX: usize = 10;
/// How much of a difference from a commit is kept: what a person could still read.
const DIFF_BYTES_MAX: usize = 1 << 20;
/// What nobody refers to stays for so long: a job that is being submitted does not refer to it yet.
const YOUNG: Duration = Duration::from_secs(3600);

/// How much may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one file.
    pub file: Bytes,
    /// Of all together.
    pub whole: Bytes,
}

/// What becomes of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is kept.
    Yes,
    /// It is only looked at, as for a plan.
    No,
}

/// Where snapshots are kept: `<state-dir>/code`, with DIGEST.tar, DIGEST.list for its files and DIGEST.diff.
#[derive(Clone, Debug)]
pub struct Shelf(PathBuf);

impl Shelf {
    /// Returns that of a state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self(state_dir.join("code"))
    }

    /// Returns the path of a snapshot's archive.
    pub fn archive(&self, digest: &Digest) -> PathBuf {
        self.0.join(format!("{digest}.tar"))
    }

    /// Says whether a snapshot is there, and marks it as used now.
    pub fn has(&self, digest: &Digest) -> bool {
        touch(&self.archive(digest))
    }

    /// Takes a snapshot of a directory.
    ///
    /// # Errors
    /// It cannot be read; or files of it are secrets or too big, and which, and what to do.
    pub fn take(&self, code: &Code, limits: &Limits, keep: Keep) -> Result<Taken, Fault> {
        let directory = Path::new(&code.directory);
        if !directory.is_absolute() {
            return Err(refused(code, "is no absolute path"));
        }
        if !directory.is_dir() {
            return Err(refused(code, "is no directory here").hint("--code DIR names a directory of this machine"));
        }
        let found = tree::list(directory).map_err(|fault| Fault { message: format!("code: {}", fault.message), ..fault })?;
        let mut judge = Judge { limits, allow: &code.allow, refused: Vec::new(), secrets: false, sum: 0 };
        found.entries.iter().for_each(|entry| judge.look(entry));
        if found.entries.len() > FILES_MAX {
            let fault = refused(code, &format!("has {} files, the limit is {FILES_MAX}", found.entries.len()));
            return Err(fault.hint(format!("leave out what it does not need by {}", own_file(code))));
        }
        if found.entries.is_empty() {
            let hint = match found.git {
                Some(_) => "git ignores all of it; what is to go along has to be known to git",
                None => "what is to go along has to be in it",
            };
            return Err(refused(code, "has no file to go along").hint(hint));
        }
        let mut sink = self.sink(keep, code)?;
        let (files, digest) = pack(directory, &found.entries, &mut judge, &mut sink).map_err(|e| unreadable(code, &e))?;
        judge.verdict(code)?;
        let bytes = Bytes(files.iter().map(|file| file.bytes).sum());
        let git = found.git.map(|git| self.git(directory, &git, &found.entries, keep)).transpose();
        let git = git.map_err(|fault| Fault { message: format!("code: {}", fault.message), ..fault })?;
        if let Sink::Kept(part) = sink {
            part.keep(&self.archive(&digest)).map_err(|e| unwritable(code, &e))?;
            let lines: String = files.iter().filter_map(|file| serde_json::to_string(file).ok()).map(|l| l + "\n").collect();
            self.put(&format!("{digest}.list"), lines.as_bytes()).map_err(|e| unwritable(code, &e))?;
        }
        let files = u32::try_from(files.len()).unwrap_or(u32::MAX);
        Ok(Taken { digest, files, bytes, git })
    }

    /// Returns what is kept of a snapshot but its files themselves.
    ///
    /// # Errors
    /// It is no longer there.
    pub fn kept(&self, taken: &Taken) -> Result<CodeKept, Fault> {
        let gone = |error: io::Error| {
            Fault::user(format!("the code {} is not kept here any more", taken.digest.short())).because(&error)
        };
        let lines = fs::read_to_string(self.0.join(format!("{}.list", taken.digest))).map_err(gone)?;
        let files = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let diff = match taken.git.as_ref().and_then(|git| git.diff.as_ref()) {
            Some(diff) => fs::read_to_string(self.0.join(format!("{diff}.diff"))).map_err(gone)?,
            None => String::new(),
        };
        Ok(CodeKept { files, diff })
    }

    /// Returns the digests of everything that is kept and not young.
    pub fn old(&self, now: SystemTime) -> Vec<Digest> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let old = entries.filter(|entry| {
            let changed = entry.metadata().and_then(|data| data.modified()).unwrap_or(now);
            now.duration_since(changed).is_ok_and(|age| age > YOUNG)
        });
        let mut found: Vec<Digest> =
            old.filter_map(|entry| entry.file_name().to_str()?.split('.').next()?.parse().ok()).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Removes what is kept and not young and to which nobody refers, and what was never finished. Returns how many went.
    pub fn sweep(&self, referred: &std::collections::BTreeSet<Digest>, now: SystemTime) -> usize {
        let mut gone = 0;
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let changed = entry.metadata().and_then(|data| data.modified()).unwrap_or(now);
            let young = now.duration_since(changed).map_or(true, |age| age <= YOUNG);
            let used =
                name.split('.').next().and_then(|digest| digest.parse().ok()).is_some_and(|of| referred.contains(&of));
            if !young && !used && fs::remove_file(entry.path()).is_ok() {
                gone += 1;
            }
        }
        gone
    }

    fn git(&self, directory: &Path, git: &git::Stand, entries: &[Entry], keep: Keep) -> Result<Git, Fault> {
        let kept = |path: &str| entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).is_ok();
        let untracked: Vec<&String> = git.untracked.iter().filter(|path| kept(path)).collect();
        // What was left out is not to come along in the difference.
        let shown = |path: &&String| kept(path) || (!directory.join(path).exists() && secret::by_name(path).is_none());
        let changed: Vec<&String> = git.changed.iter().filter(shown).collect();
        let text = git::difference(directory, &changed, &untracked, DIFF_BYTES_MAX)?;
        let diff = match text.is_empty() {
            true => None,
            false => {
                let digest = archive::digest(text.as_bytes());
                if keep == Keep::Yes {
                    let put = self.put(&format!("{digest}.diff"), text.as_bytes());
                    put.map_err(|e| Fault::internal("what differs from the commit cannot be kept").because(&e))?;
                }
                Some(digest)
            }
        };
        let count = |list: usize| u32::try_from(list).unwrap_or(u32::MAX);
        let (commit, branch) = (git.commit.clone(), git.branch.clone());
        Ok(Git { commit, branch, changed: count(git.changed.len()), untracked: count(untracked.len()), diff })
    }

    fn sink(&self, keep: Keep, code: &Code) -> Result<Sink, Fault> {
        match keep {
            Keep::No => Ok(Sink::Looked),
            Keep::Yes => self.part().map(Sink::Kept).map_err(|e| unwritable(code, &e)),
        }
    }

    fn part(&self) -> io::Result<Part> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let path = self.0.join(format!("part-{}", uuid::Uuid::new_v4().simple()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Part { path, into: Some(BufWriter::with_capacity(1 << 20, file)) })
    }

    fn put(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut part = self.part()?;
        part.write_all(content)?;
        part.keep(&self.0.join(name))
    }
}

/// Makes all directories below one writable for us, so that they can be removed: snapshots on nodes of this machine are not.
pub fn loosen(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(data) = fs::symlink_metadata(directory) else { return };
    if !data.is_dir() {
        return;
    }
    let mode = data.permissions().mode();
    if mode & 0o200 == 0 {
        // What is not ours stays, and whoever removes it says so.
        let _ = fs::set_permissions(directory, fs::Permissions::from_mode(mode | 0o700));
    }
    fs::read_dir(directory).into_iter().flatten().flatten().for_each(|entry| loosen(&entry.path()));
}

/// Sets the time of a file to now; says whether there is one.
fn touch(path: &Path) -> bool {
    let now = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    // Without the right to set it, it is there all the same.
    now.is_ok() || path.exists()
}

/// A file that has its name once it is whole.
struct Part {
    path: PathBuf,
    into: Option<BufWriter<File>>,
}

impl Part {
    fn keep(mut self, as_: &Path) -> io::Result<()> {
        if let Some(into) = self.into.take() {
            into.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        fs::rename(&self.path, as_)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.into.as_mut().map_or(Ok(bytes.len()), |into| into.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Gone already when it was kept.
        let _ = fs::remove_file(&self.path);
    }
}

enum Sink {
    Kept(Part),
    Looked,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Kept(part) => part.write(bytes),
            Self::Looked => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Kept(part) => part.flush(),
            Self::Looked => Ok(()),
        }
    }
}

/// Decides of each file whether it may go along.
struct Judge<'a> {
    limits: &'a Limits,
    allow: &'a [String],
    refused: Vec<String>,
    secrets: bool,
    sum: u64,
}

impl Judge<'_> {
    fn look(&mut self, entry: &Entry) {
        let Kind::File { bytes, .. } = entry.kind else { return };
        self.sum = self.sum.saturating_add(bytes);
        if bytes > self.limits.file.0 {
            self.refuse(entry, bytes, &format!("is larger than {}", self.limits.file));
        } else if let Some(why) = secret::by_name(&entry.path)
            && !self.allow.contains(&entry.path)
        {
            self.secrets = true;
            self.refuse(entry, bytes, why);
        }
    }

    /// Says whether the file is still to be packed.
    fn read(&mut self, entry: &Entry, content: &[u8]) {
        if let Some(why) = secret::by_content(content)
            && !self.allow.contains(&entry.path)
            && secret::by_name(&entry.path).is_none()
        {
            self.secrets = true;
            self.refuse(entry, content.len() as u64, why);
        }
    }

    fn refuse(&mut self, entry: &Entry, bytes: u64, why: &str) {
        self.refused.push(format!("`{}` ({}) {why}", Shown::new(&entry.path), Bytes(bytes)));
    }

    fn verdict(mut self, code: &Code) -> Result<(), Fault> {
        if self.refused.is_empty() && self.sum <= self.limits.whole.0 {
            return Ok(());
        }
        let own = own_file(code);
        if self.refused.is_empty() {
            let fault = refused(code, &format!("has {} in all, the limit is {}", Bytes(self.sum), self.limits.whole));
            return Err(fault
                .hint(format!("leave out what it does not need by {own}, and keep data on a mount"))
                .hint("code_max_bytes of the configuration is the limit"));
        }
        let count = self.refused.len();
        let files = if count == 1 { "a file is".to_owned() } else { format!("{count} files are") };
        let mut fault = refused(code, &format!("is not taken: {files} not to go along"));
        if count > NAMED_MAX {
            self.refused.truncate(NAMED_MAX);
            self.refused.push(format!("and {} more", count - NAMED_MAX));
        }
        fault.causes.extend(self.refused);
        fault = fault.hint(format!("name what the job does not need in {own}, as in a .gitignore"));
        if self.secrets {
            fault = fault
                .hint("give a job its secrets by --secret NAME=file:PATH, which are never kept")
                .hint("what is no secret goes along by --code-allow PATH, or `allow` of the file's `code`");
        }
        Err(fault.hint("data belong on a mount; code_file_max_bytes of the configuration is the limit of a file"))
    }
}

fn own_file(code: &Code) -> String {
    format!("`{}/.ostlerignore`", code.directory.trim_end_matches('/'))
}

fn refused(code: &Code, why: &str) -> Fault {
    Fault::user(format!("code: `{}` {why}", Shown::new(&code.directory)))
}

fn unreadable(code: &Code, error: &io::Error) -> Fault {
    refused(code, "cannot be read").because(error)
}

fn unwritable(code: &Code, error: &io::Error) -> Fault {
    Fault::user(format!("the code of `{}` cannot be kept below the state directory", Shown::new(&code.directory)))
        .because(error)
}

/// Writes all files into an archive; those that are refused end it, but all are looked at.
fn pack(directory: &Path, entries: &[Entry], judge: &mut Judge<'_>, sink: &mut Sink) -> io::Result<(Vec<CodeFile>, Digest)> {
    let mut archive = Archive::new(sink);
    let mut files = Vec::with_capacity(entries.len());
    for entry in entries {
        let (content, mode) = match &entry.kind {
            Kind::Link(target) => {
                archive.link(&entry.path, target)?;
                (target.as_bytes().to_vec(), "link")
            }
            Kind::File { bytes, .. } if *bytes > judge.limits.file.0 => continue,
            Kind::File { executable, .. } => {
                let content = read(&directory.join(&entry.path), judge.limits.file.0)?;
                judge.read(entry, &content);
                // What is refused is not written, and neither is anything behind it.
                if judge.refused.is_empty() && judge.sum <= judge.limits.whole.0 {
                    archive.file(&entry.path, &content, *executable)?;
                }
                (content, if *executable { "755" } else { "644" })
            }
        };
        let bytes = if mode == "link" { 0 } else { content.len() as u64 };
        let digest = archive::digest(&content);
        files.push(CodeFile { path: entry.path.clone(), bytes, mode: mode.to_owned(), digest });
    }
    Ok((files, archive.end()?))
}

/// Reads a file that may have grown since it was looked at, up to the limit.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(named)?;
    let mut content = Vec::new();
    BufReader::new(file).take(most + 1).read_to_end(&mut content).map_err(named)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("{} grows while it is read", path.display())));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
