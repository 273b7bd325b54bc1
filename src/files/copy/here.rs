//! Writing below one directory of this machine: every step from it is taken without following a link, and each name is one
//! that was checked before. A file is written under a name of ours and renamed when it is whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{
    AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Timespec, Timestamps, flock, fstatvfs, futimens, mkdirat,
    openat, renameat, renameat_with, statat, unlinkat,
};
use tokio::task::{JoinHandle, spawn_blocking};
use uuid::Uuid;

use crate::files::copy::CopyError;
use crate::files::copy::sum::Sum;
use crate::model::shown::Shown;
use crate::model::task::Existing;
use crate::model::units::Bytes;

/// How much is read at once where a beginning is summed up.
const READ_BYTES: usize = 1024 * 1024;

/// What a file has to be in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Names the other side's file for as long as it stays the same.
    pub key: String,
    /// Its size.
    pub size: u64,
    /// When it last changed, in seconds; 0 when that is not known.
    pub seconds: i64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// A directory here that nothing leads out of.
#[derive(Debug)]
pub struct Here {
    dir: OwnedFd,
    path: Shown,
}

/// What is there under a name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A file of the same size and time.
    Same,
    /// Something else.
    Other,
}

impl Here {
    /// Opens a directory that the user names; links on the way there are theirs to use.
    ///
    /// # Errors
    /// It is not there, or no directory.
    pub fn open(path: &str) -> Result<Self, CopyError> {
        let shown = Shown::new(path);
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| failed("open", &shown, error))?;
        Ok(Self { dir, path: shown })
    }

    /// Says whether so many bytes have room.
    ///
    /// # Errors
    /// They have none.
    pub fn has_room(&self, need: u64) -> Result<(), CopyError> {
        // A file system that does not tell is tried.
        let Ok(about) = fstatvfs(&self.dir) else { return Ok(()) };
        let room = about.f_bavail.saturating_mul(about.f_frsize);
        // Some have no sizes at all.
        if about.f_blocks == 0 || need <= room {
            return Ok(());
        }
        Err(CopyError::NoRoom { need: Bytes(need), room: Bytes(room), path: self.path.clone() })
    }

    /// Opens a directory below, making what is missing of it.
    ///
    /// # Errors
    /// Something else is there, a link for one.
    pub fn folder(&self, names: &[String]) -> Result<OwnedFd, CopyError> {
        let open = |at: &OwnedFd, name: &str| {
            openat(at, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        };
        let mut dir =
            self.dir.try_clone().map_err(|source| CopyError::Here { act: "open", path: self.path.clone(), source })?;
        for (at, name) in names.iter().enumerate() {
            let shown = Shown::new(&names[..=at].join("/"));
            match mkdirat(&dir, name.as_str(), Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(failed("make", &shown, error)),
            }
            dir = open(&dir, name).map_err(|error| failed("enter", &shown, error))?;
        }
        Ok(dir)
    }

    /// Says what is there under a name.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn there(dir: &OwnedFd, name: &str, wanted: &Wanted) -> Result<There, CopyError> {
        match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => Ok(There::Nothing),
            Err(error) => Err(failed("look at", &Shown::new(name), error)),
            Ok(about) => {
                let regular = FileType::from_raw_mode(about.st_mode) == FileType::RegularFile;
                let size = u64::try_from(about.st_size).unwrap_or(u64::MAX);
                let same = regular && size == wanted.size && wanted.seconds != 0 && about.st_mtime == wanted.seconds;
                Ok(if same { There::Same } else { There::Other })
            }
        }
    }
}

fn failed(act: &'static str, path: &Shown, error: rustix::io::Errno) -> CopyError {
    CopyError::Here { act, path: path.clone(), source: error.into() }
}

/// A file that is being written under a name of ours.
#[derive(Debug)]
pub struct Part {
    dir: OwnedFd,
    part: String,
    shown: Shown,
    file: Arc<File>,
    sum: Sum,
    /// A write that is under way; it gives the sum back.
    writing: Option<JoinHandle<io::Result<Sum>>>,
}

impl Part {
    /// Opens what an interrupted copy of the same file has left, or a new one; nobody else may write it meanwhile.
    ///
    /// # Errors
    /// It cannot be opened, or something else has its name.
    pub async fn begin(dir: OwnedFd, name: &str, wanted: &Wanted) -> Result<Self, CopyError> {
        let shown = Shown::new(name);
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{name}\0{}", wanted.key).as_bytes()).simple().to_string();
        let part = format!(".ostler-{}.part", &id[..16]);
        let mode = Mode::from_raw_mode(if wanted.executable { 0o777 } else { 0o666 });
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&dir, part.as_str(), flags, mode).map_err(|error| failed("write", &shown, error))?);
        let here = |source| CopyError::Here { act: "write", path: shown.clone(), source };
        let about = file.metadata().map_err(here)?;
        let ours = about.is_file() && about.nlink() == 1 && about.uid() == rustix::process::geteuid().as_raw();
        if !ours {
            return Err(here(io::Error::other(format!("`{part}` is not a file of ours"))));
        }
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(here(io::Error::other("another copy of it is under way")));
        }
        let file = Arc::new(file);
        let sum = match about.len() {
            0 => Sum::default(),
            length if length <= wanted.size => summed(Arc::clone(&file), length).await.map_err(here)?,
            _ => Sum::default(),
        };
        if sum.count() != about.len() {
            file.set_len(0).map_err(here)?;
        }
        Ok(Self { dir, part, shown, file, sum, writing: None })
    }

    /// Returns the sum of what is there, once it is written.
    ///
    /// # Errors
    /// A write failed.
    pub async fn sum(&mut self) -> Result<Sum, CopyError> {
        if let Some(writing) = self.writing.take() {
            let written = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            self.sum = written.map_err(|source| self.cannot_write(source))?;
        }
        Ok(self.sum)
    }

    /// Writes further bytes. They may be on their way still when this returns.
    ///
    /// # Errors
    /// An earlier write failed.
    pub async fn write(&mut self, bytes: Vec<u8>) -> Result<(), CopyError> {
        let mut sum = self.sum().await?;
        let file = Arc::clone(&self.file);
        self.writing = Some(spawn_blocking(move || {
            file.write_all_at(&bytes, sum.count())?;
            sum.add(&bytes);
            Ok(sum)
        }));
        Ok(())
    }

    /// Forgets what was written.
    ///
    /// # Errors
    /// It cannot be cut.
    pub async fn restart(&mut self) -> Result<(), CopyError> {
        self.sum().await?;
        self.file.set_len(0).map_err(|source| self.cannot_write(source))?;
        self.sum = Sum::default();
        Ok(())
    }

    /// Removes it, when there is nothing that a later copy could go on with.
    pub fn forget(self) {
        // What stays is found and used by the next copy of the same file.
        let _ = unlinkat(&self.dir, self.part.as_str(), AtFlags::empty());
    }

    /// Gives the file its name and time.
    ///
    /// # Errors
    /// Something is there that shall stay, or it cannot be done.
    pub async fn finish(mut self, name: &str, wanted: &Wanted, existing: Existing) -> Result<(), CopyError> {
        self.sum().await?;
        let file = Arc::clone(&self.file);
        let synced = spawn_blocking(move || file.sync_data()).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(|source| self.cannot_write(source))?;
        if wanted.seconds != 0 {
            let at = Timespec { tv_sec: wanted.seconds, tv_nsec: 0 };
            // A file system without times has a file without them.
            let _ = futimens(&self.file, &Timestamps { last_access: at, last_modification: at });
        }
        let renamed = match existing {
            Existing::Replace => renameat(&self.dir, self.part.as_str(), &self.dir, name),
            Existing::Keep => match renameat_with(&self.dir, self.part.as_str(), &self.dir, name, RenameFlags::NOREPLACE) {
                // A file system that cannot do it in one step; it was looked at before.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                    renameat(&self.dir, self.part.as_str(), &self.dir, name)
                }
                other => other,
            },
        };
        match renamed {
            Err(rustix::io::Errno::EXIST) => Err(CopyError::Exists { path: self.shown.clone() }),
            other => other.map_err(|error| failed("name", &self.shown, error)),
        }
    }

    fn cannot_write(&self, source: io::Error) -> CopyError {
        CopyError::Here { act: "write", path: self.shown.clone(), source }
    }
}

/// Sums up the beginning of a file.
///
/// # Errors
/// It cannot be read so far.
pub async fn summed(file: Arc<File>, length: u64) -> io::Result<Sum> {
    let work = spawn_blocking(move || {
        let mut sum = Sum::default();
        let mut file = &*file;
        file.seek(SeekFrom::Start(0))?;
        let mut from = file.take(length);
        let mut bytes = vec![0; READ_BYTES];
        loop {
            match from.read(&mut bytes)? {
                0 if sum.count() == length => return Ok(sum),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => sum.add(&bytes[..count]),
            }
        }
    });
    work.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Opens a file to be read, if it is a regular one and no link.
///
/// # Errors
/// It is something else, or cannot be opened.
pub fn open_regular(dir: impl AsFd, name: &str, shown: &Shown) -> Result<File, CopyError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(dir, name, flags, Mode::empty()).map_err(|error| failed("read", shown, error))?);
    let about = file.metadata().map_err(|source| CopyError::Here { act: "read", path: shown.clone(), source })?;
    if about.is_file() { Ok(file) } else { Err(CopyError::Kind { path: shown.clone(), what: "not a regular file" }) }
}

/// Returns when a file last changed, in whole seconds.
pub fn seconds(about: &std::fs::Metadata) -> i64 {
    let since = about.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    i64::try_from(since.unwrap_or(Duration::ZERO).as_secs()).unwrap_or(i64::MAX)
}
