//! How far the database of a state directory once was, kept beside it: a database that is behind this is an older copy that was put
//! in its place, or has lost its write-ahead log. Such a one is not opened until a person has taken it on, because work that it
//! believes to be waiting may have been done.
//!
//! It is one short line, written in place after each commit and synced at each start only: it may fall behind the database (which
//! says nothing), never run ahead of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::model::ids::{Epoch, Seq};

/// The name of the file in the state directory.
pub const WITNESS_FILE: &str = "reached";
/// More than a line of ours has.
const BYTES_MAX: u64 = 256;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The identity of the state directory.
    pub install: String,
    /// The highest start that was made, here or anywhere else that drove the same nodes.
    pub epoch: u64,
    /// The last turn that was committed here.
    pub seq: u64,
}

impl Witness {
    /// Reads it; `None` when it is not there or says nothing.
    pub fn read(dir: &Path) -> Option<Self> {
        let mut text = String::new();
        File::open(dir.join(WITNESS_FILE)).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
        let mut words = text.split_ascii_whitespace();
        let (install, epoch, seq, end) = (words.next()?, words.next()?, words.next()?, words.next()?);
        // A line that is torn has no end.
        (end == "end").then_some(())?;
        Some(Self { install: install.to_owned(), epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
    }

    /// Says how a database of this identity, start and turn is behind.
    pub fn newer_than(&self, install: &str, epoch: u64, seq: u64) -> Option<String> {
        if self.install != install || (self.epoch <= epoch && self.seq <= seq) {
            return None;
        }
        Some(format!(
            "is older than its nodes may be: it ends at start {epoch}, turn {seq}, and start {}, turn {} has been; an old copy was \
             put in its place, or its write-ahead log is lost",
            self.epoch, self.seq
        ))
    }

    /// Opens the file for writing, making it for our eyes only.
    pub(super) fn file(dir: &Path) -> io::Result<File> {
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let path = dir.join(WITNESS_FILE);
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow).open(path)
    }

    /// Writes it in place; all lines are of one length, so that a former one never shows behind it.
    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        file.write_all_at(format!("{} {:020} {:020} end\n", self.install, self.epoch, self.seq).as_bytes(), 0)
    }

    /// Notes that nodes have seen this start of another core, so that a start here has to be adopted by hand.
    pub fn note_seen(dir: &Path, seen: Epoch) {
        let Some(now) = Self::read(dir).filter(|now| now.epoch < seen.0) else { return };
        let noted = Self::file(dir).and_then(|file| {
            Self { epoch: seen.0, ..now }.write(&file)?;
            file.sync_all()
        });
        if let Err(e) = noted {
            tracing::warn!(error = %e, "cannot note what nodes have seen");
        }
    }
}

/// The witness of an open database.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    install: String,
    /// The highest start that nodes have seen; it only grows.
    epoch: u64,
}

impl Kept {
    /// Begins to keep it, after a start was committed.
    pub(super) fn begin(dir: &Path, install: &str, epoch: Epoch, seq: u64) -> io::Result<Self> {
        let file = Witness::file(dir)?;
        let kept = Self { file, install: install.to_owned(), epoch: epoch.0 };
        Witness { install: kept.install.clone(), epoch: epoch.0, seq }.write(&kept.file)?;
        kept.file.sync_all()?;
        Ok(kept)
    }

    /// Notes a committed turn. That it cannot be noted is no reason to stop: it then only says less than it could.
    pub(super) fn reached(&self, seq: Seq, dir: &Path) {
        // Somebody who noted what nodes have seen has written there too.
        let epoch = self.epoch.max(Witness::read(dir).map_or(0, |now| now.epoch));
        let now = Witness { install: self.install.clone(), epoch, seq: seq.0 };
        if let Err(e) = now.write(&self.file) {
            tracing::warn!(error = %e, "cannot note the turn");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_who_is_behind_and_a_torn_line_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Witness::read(dir.path()), None);
        let kept = Kept::begin(dir.path(), "a", Epoch(3), 7).unwrap();
        kept.reached(Seq(1_000), dir.path());
        kept.reached(Seq(9), dir.path());
        let witness = Witness::read(dir.path()).unwrap();
        assert_eq!(witness, Witness { install: "a".to_owned(), epoch: 3, seq: 9 });
        for (install, epoch, seq, behind) in
            [("a", 3, 9, false), ("a", 4, 10, false), ("a", 2, 9, true), ("a", 3, 8, true), ("b", 1, 1, false)]
        {
            assert_eq!(witness.newer_than(install, epoch, seq).is_some(), behind, "{install} {epoch} {seq}");
        }
        Witness::note_seen(dir.path(), Epoch(2));
        assert_eq!(Witness::read(dir.path()).unwrap().epoch, 3);
        Witness::note_seen(dir.path(), Epoch(5));
        kept.reached(Seq(10), dir.path());
        assert_eq!(Witness::read(dir.path()).unwrap(), Witness { install: "a".to_owned(), epoch: 5, seq: 10 });
        let path = dir.path().join(WITNESS_FILE);
        let line = std::fs::read(&path).unwrap();
        std::fs::write(&path, &line[..line.len() - 3]).unwrap();
        assert_eq!(Witness::read(dir.path()), None);
    }
}
