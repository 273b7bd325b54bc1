//! An archive that every `tar` unpacks, of the same bytes for the same content: POSIX's ustar form, with GNU's entries for names
//! that are longer than it has room for, which busybox and BSD read too.

use std::io::{self, Write};

use ring::digest::{Context, SHA256};

use crate::model::spec::code::Digest;

/// Entries begin at multiples of this.
const BLOCK: usize = 512;
/// How long a name the header has room for.
const NAME_BYTES: usize = 100;
/// The time of every file: the first second of 2000. Some tools take 0 for none.
const TIME: u64 = 946_684_800;

/// Returns the digest of some bytes.
pub(super) fn digest(bytes: &[u8]) -> Digest {
    Digest::of(ring::digest::digest(&SHA256, bytes).as_ref())
}

/// An archive that is being written, and the digest of what was.
pub(super) struct Archive<W> {
    into: W,
    hash: Context,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(into: W) -> Self {
        Self { into, hash: Context::new(&SHA256) }
    }

    pub(super) fn file(&mut self, path: &str, content: &[u8], executable: bool) -> io::Result<()> {
        self.long(b'L', path)?;
        self.head(path, "", b'0', if executable { 0o755 } else { 0o644 }, content.len() as u64)?;
        self.body(content)
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.long(b'K', target)?;
        self.long(b'L', path)?;
        self.head(path, target, b'2', 0o777, 0)
    }

    /// Writes the end; returns the digest of all.
    pub(super) fn end(mut self) -> io::Result<Digest> {
        self.put(&[0; 2 * BLOCK])?;
        self.into.flush()?;
        Ok(Digest::of(self.hash.finish().as_ref()))
    }

    fn long(&mut self, kind: u8, text: &str) -> io::Result<()> {
        if text.len() <= NAME_BYTES {
            return Ok(());
        }
        self.head("././@LongLink", "", kind, 0o644, text.len() as u64 + 1)?;
        self.body(&[text.as_bytes(), &[0]].concat())
    }

    fn head(&mut self, path: &str, target: &str, kind: u8, mode: u32, bytes: u64) -> io::Result<()> {
        let mut head = [0_u8; BLOCK];
        let mut put = |at: usize, text: &[u8]| head[at..at + text.len()].copy_from_slice(text);
        let fits = |text: &str| text.as_bytes()[..text.len().min(NAME_BYTES)].to_vec();
        put(0, &fits(path));
        put(100, format!("{mode:07o}\0").as_bytes());
        // Owner and group: nobody in particular.
        put(108, b"0000000\x000000000\0");
        put(124, format!("{bytes:011o}\0").as_bytes());
        put(136, format!("{TIME:011o}\0").as_bytes());
        // The sum is made as if its own field were blank.
        put(148, b"        ");
        put(156, &[kind]);
        put(157, &fits(target));
        put(257, b"ustar  \0");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.put(&head)
    }

    fn body(&mut self, content: &[u8]) -> io::Result<()> {
        self.put(content)?;
        let over = content.len() % BLOCK;
        if over > 0 { self.put(&[0; BLOCK][over..]) } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.into.write_all(bytes)
    }
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
        assert_eq!(bytes.len() % BLOCK, 0);
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
