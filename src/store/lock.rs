//! Who hosts the core of a state directory: whoever holds `flock` on its file `lock`. What is written inside is
//! information for people and for finding the socket; the lock alone decides.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::fault::refused;
use super::place;
pub use super::place::prepare_state_dir;
use crate::model::units::UnixMillis;

/// The name of the lock file in the state directory.
pub const LOCK_FILE: &str = "lock";
/// The most that is read of it: ten times what we write.
const HOLDER_BYTES_MAX: u64 = 8192;

/// Who holds a lock, as it wrote itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// The boot of the machine under which it runs.
    pub boot: String,
    /// When the process started, in clock ticks since that boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
    /// When it took the lock.
    pub since: UnixMillis,
    /// Where it listens: a client without `XDG_RUNTIME_DIR` finds it here.
    pub socket: PathBuf,
    /// Its version.
    pub version: String,
}

impl Holder {
    /// Describes this process.
    pub fn this_process(since: UnixMillis, socket: &Path) -> Self {
        Self {
            pid: std::process::id(),
            boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|id| id.trim().to_owned())
                .unwrap_or_default(),
            start_ticks: start_ticks_of("self").unwrap_or(0),
            since,
            socket: socket.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Says whether the process that wrote this still lives, so that it may be about to listen.
    pub fn lives(&self) -> bool {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        boot.trim() == self.boot && start_ticks_of(&self.pid.to_string()) == Some(self.start_ticks)
    }
}

/// Returns what the last holder of the lock of `dir` wrote of itself; that it still holds it is not said. The lock is
/// not tried for that: even a moment's shared lock would keep a starting host from having it.
pub fn last_holder(dir: &Path) -> Option<Holder> {
    read_holder(&mut File::open(dir.join(LOCK_FILE)).ok()?)
}

/// Reads when a process started. The command name in the second field may hold anything, so the rest is counted
/// from its last `)`.
fn start_ticks_of(process: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The lock of a state directory, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it; what it wrote of itself, when that can be read.
    #[error("the state directory {} is in use by {}", dir.display(), who(holder))]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// Who has it.
        holder: Option<Holder>,
    },
    /// The directory or the file in it cannot be used.
    #[error(transparent)]
    Refused(#[from] StoreError),
}

fn who(holder: &Option<Holder>) -> String {
    match holder {
        Some(holder) => format!("ostler pid {} since {}", holder.pid, holder.since.rfc3339()),
        None => "another ostler".to_owned(),
    }
}

impl Lock {
    /// Takes the lock without waiting, making the directory and the file where they are missing.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process has it.
    pub fn take(dir: &Path, holder: &Holder) -> Result<Self, LockError> {
        place::prepare_state_dir(dir)?;
        let path = dir.join(LOCK_FILE);
        let mut file = open(&path).map_err(|e| refused(&path, format!("cannot be opened: {e}"), "check its permissions"))?;
        if file.metadata().map(|meta| !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw()).unwrap_or(true) {
            return Err(refused(&path, "is not a file of ours", "remove it").into());
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(LockError::Held { dir: dir.to_owned(), holder: read_holder(&mut file) });
            }
            Err(e) => return Err(refused(&path, format!("cannot be locked: {e}"), "choose a local disk").into()),
        }
        write_holder(&mut file, holder).map_err(|e| refused(&path, format!("cannot be written: {e}"), "make room"))?;
        Ok(Self { file })
    }
}

/// Says whether nobody holds the lock of `dir`. Whoever tries to take it in this very moment is told that it is held, so
/// this is only for who waits for a host to be gone.
pub fn is_free(dir: &Path) -> bool {
    match File::open(dir.join(LOCK_FILE)) {
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
        Err(e) => e.kind() == io::ErrorKind::NotFound,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Said in words, because a child between fork and exec still has a copy of the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow).open(path)
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(HOLDER_BYTES_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(dir: &Path) -> Holder {
        Holder::this_process(UnixMillis(1_700_000_000_000), &dir.join("s.sock"))
    }

    #[test]
    fn one_holds_and_others_learn_who() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("state");
        assert_eq!(last_holder(&dir), None);
        let lock = Lock::take(&dir, &us(&dir)).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(std::fs::metadata(dir.join(LOCK_FILE)).unwrap().mode() & 0o7777, 0o600);
        let error = Lock::take(&dir, &us(&dir)).unwrap_err();
        assert!(error.to_string().contains(&format!("ostler pid {} since 2023-", std::process::id())), "{error}");
        assert_eq!(last_holder(&dir), Some(us(&dir)));
        assert!(us(&dir).lives());
        assert!(!Holder { start_ticks: 1, ..us(&dir) }.lives(), "another process with the same number");
        assert!(!is_free(&dir));
        drop(lock);
        assert!(is_free(&dir));
        Lock::take(&dir, &us(&dir)).unwrap();
    }

    #[test]
    fn unreadable_information_changes_nothing() {
        let top = tempfile::tempdir().unwrap();
        let lock = Lock::take(top.path(), &us(top.path())).unwrap();
        std::fs::write(top.path().join(LOCK_FILE), "\0garbage").unwrap();
        assert!(matches!(Lock::take(top.path(), &us(top.path())), Err(LockError::Held { holder: None, .. })));
        drop(lock);
        Lock::take(top.path(), &us(top.path())).unwrap();
    }

    #[test]
    fn directories_that_are_refused() {
        use std::os::unix::fs::PermissionsExt;
        let top = tempfile::tempdir().unwrap();
        let shared = top.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Lock::take(&shared, &us(&shared)).unwrap_err().to_string().contains("others can write there (mode 777)"));
        let file = top.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(Lock::take(&file, &us(&file)).unwrap_err().to_string().contains("not a directory"));
        let linked = top.path().join("linked");
        std::fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink(&file, linked.join(LOCK_FILE)).unwrap();
        assert!(matches!(Lock::take(&linked, &us(&linked)), Err(LockError::Refused(_))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }
}
