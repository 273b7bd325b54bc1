//! An archive that every `tar` unpacks, of the same bytes for the same content: no times, no owners, and GNU's entries for names
//! that are longer than a header has room for, which busybox and BSD read too.

use std::io::{self, Write};

use ring::digest::{Context, SHA256};
use tar::{Builder, EntryType, Header};

use crate::model::spec::code::Digest;

/// The time of every file: the first second of 2000. Some tools take 0 for none.
const TIME: u64 = 946_684_800;

/// Returns the digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    Digest::of(ring::digest::digest(&SHA256, bytes).as_ref())
}

/// An archive that is being written, and the digest of what was.
pub(super) struct Archive<W: Write>(Builder<Hashed<W>>);

/// What is written, and its digest so far.
struct Hashed<W> {
    into: W,
    hash: Context,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let took = self.into.write(bytes)?;
        self.hash.update(&bytes[..took]);
        Ok(took)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

impl<W: Write> Archive<W> {
    pub(super) fn new(into: W) -> Self {
        Self(Builder::new(Hashed { into, hash: Context::new(&SHA256) }))
    }

    pub(super) fn file(&mut self, path: &str, content: &[u8], executable: bool) -> io::Result<()> {
        let mut head = head(EntryType::Regular, if executable { 0o755 } else { 0o644 }, content.len());
        self.0.append_data(&mut head, path, content)
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.0.append_link(&mut head(EntryType::Symlink, 0o777, 0), path, target)
    }

    /// Writes the end; returns the digest of all.
    pub(super) fn end(self) -> io::Result<Digest> {
        let mut whole = self.0.into_inner()?;
        whole.flush()?;
        Ok(Digest::of(whole.hash.finish().as_ref()))
    }
}

fn head(kind: EntryType, mode: u32, bytes: usize) -> Header {
    let mut head = Header::new_gnu();
    head.set_entry_type(kind);
    head.set_mode(mode);
    head.set_size(bytes as u64);
    head.set_mtime(TIME);
    // Owner and group: nobody in particular.
    head.set_uid(0);
    head.set_gid(0);
    head
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn tar_unpacks_it_with_long_names_links_and_modes() {
        let there = tempfile::tempdir().unwrap();
        let (long, target) = (format!("{}/{}", "d".repeat(90), "é".repeat(60)), "t".repeat(130));
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.file("a", b"", false).unwrap();
        archive.file(&long, &[7; 513], true).unwrap();
        archive.link("l", "a").unwrap();
        archive.link("m", &target).unwrap();
        let whole = archive.end().unwrap();
        assert_eq!(whole, digest(&bytes));
        assert_eq!(bytes.len() % 512, 0);
        let mut tar = Command::new("tar").arg("-xf").arg("-").current_dir(&there).stdin(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&bytes).unwrap();
        assert!(tar.wait().unwrap().success());
        let path = |name: &str| there.path().join(name);
        assert_eq!(std::fs::read(path("a")).unwrap(), b"");
        assert_eq!(std::fs::read(path(&long)).unwrap(), [7; 513]);
        assert_eq!(std::fs::read_link(path("l")).unwrap().to_str(), Some("a"));
        assert_eq!(std::fs::read_link(path("m")).unwrap().to_str(), Some(target.as_str()));
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(path(&long)).unwrap().permissions().mode() & 0o111, 0o111);
    }
}
