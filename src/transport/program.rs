//! This program as the agent of a node: which one is offered, and how it comes to a node that does not have it.
//!
//! Decisions (2026-11): a node of this machine runs the very program that we are, by `/proc/PID/exe`, so one that was
//! replaced or removed meanwhile is still the right one. Elsewhere it is copied once for each version, beside the spools
//! of the cluster's nodes on that file system (`../shared`: a home of a hundred nodes has it once), under its digest; it has
//! that name only when it is whole and its sum was checked there. Former versions go then; what runs them keeps them. Nothing is
//! offered unless `main` does: a program that only uses this library is no agent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::transport::frame::words;
use crate::transport::link::{Link, Traffic};

/// Reads two lines, the path and the SHA-256 of what follows them.
const TAKE: &str = r#"
IFS= read -r to && IFS= read -r sum || exit 1
command -v sha256sum >/dev/null || { echo "there is no sha256sum on this node" >&2 && exit 1; }
umask 077
mkdir -p "${to%/*}" || exit 1
new=${to%/*}/.new.$(uname -n).$$
trap 'rm -f "$new"' EXIT
cat >"$new" || exit 1
[ "$(sha256sum <"$new")" = "$sum  -" ] || { echo "what came is not what was sent" >&2 && exit 1; }
chmod 700 "$new" && mv -f "$new" "$to" || exit 1
for old in "${to%/*}"/ostler-????????????????; do
    [ "$old" = "$to" ] || rm -f "$old"
done
echo ostler-taken
"#;
/// The longest that a copy may take: 100 MB at 200 kB/s.
const COPY_MAX: Duration = Duration::from_secs(500);
/// What the node says last.
const TAKEN: &str = "ostler-taken";
/// How much of what the node says is kept, in bytes: a login shell may say something first.
const SAID_BYTES_MAX: u64 = 64 << 10;
/// How many bytes are read at once.
const PIECE_BYTES: usize = 256 << 10;
/// How much of the digest is in a file's name: enough that no two versions share one.
const DIGEST_SHOWN: usize = 16;

static OFFERED: OnceLock<PathBuf> = OnceLock::new();
static DIGEST: OnceCell<(PathBuf, String)> = OnceCell::const_new();

/// Offers this program as an agent. Called once, by what understands `ostler agent`.
pub fn offer_this_program() {
    let _ = OFFERED.set(PathBuf::from(format!("/proc/{}/exe", std::process::id())));
}

/// Offers another program, one that understands `ostler agent`.
pub fn offer(program: &Path) {
    let _ = OFFERED.set(program.to_owned());
}

/// Returns the program that is offered.
pub fn offered() -> Option<&'static Path> {
    OFFERED.get().map(PathBuf::as_path)
}

/// Returns what the program was built for, in the words of `uname -s` and `uname -m`.
pub fn made_for() -> (&'static str, &'static str) {
    // The processors that are named otherwise there.
    let machine = match std::env::consts::ARCH {
        "x86" => "i686",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        other => other,
    };
    ("Linux", machine)
}

/// Returns the path of a program from a spool.
///
/// # Errors
/// It cannot be read.
pub async fn name(program: &Path) -> io::Result<String> {
    let digest = digest(program).await?;
    Ok(format!("../shared/ostler-{}", &digest[..DIGEST_SHOWN]))
}

/// Its SHA-256; reckoned once for the first, since there is one program.
async fn digest(program: &Path) -> io::Result<String> {
    let first = || async { io::Result::Ok((program.to_owned(), reckoned(program).await?)) };
    let (of, digest) = DIGEST.get_or_try_init(first).await?;
    if of == program { Ok(digest.clone()) } else { reckoned(program).await }
}

async fn reckoned(program: &Path) -> io::Result<String> {
    let mut file = tokio::fs::File::open(program).await?;
    let (mut sum, mut piece) = (ring::digest::Context::new(&ring::digest::SHA256), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece).await? {
            0 => break,
            got => sum.update(&piece[..got]),
        }
    }
    Ok(sum.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Copies a program to an absolute path on a node.
///
/// # Errors
/// Why it is not there, in words; nothing half is left under its name.
pub async fn copy(link: &Link, program: &Path, to: &str) -> Result<(), String> {
    match timeout(COPY_MAX, copying(link, program, to)).await {
        Ok(copied) => copied,
        Err(_) => Err(format!("it was not copied within {} s", COPY_MAX.as_secs())),
    }
}

async fn copying(link: &Link, program: &Path, to: &str) -> Result<(), String> {
    let unread = |error: io::Error| format!("this program cannot be read: {error}");
    let digest = digest(program).await.map_err(unread)?;
    let mut file = tokio::fs::File::open(program).await.map_err(unread)?;
    let mut channel = link.open_data(Traffic::Copy, TAKE).await.map_err(|error| error.chain())?;
    let head = format!("{to}\n{digest}\n");
    let send = async {
        channel.stdin.write_all(head.as_bytes()).await?;
        tokio::io::copy(&mut file, &mut channel.stdin).await?;
        channel.stdin.shutdown().await?;
        // The end of its input, also where a shutdown is none.
        channel.stdin = Box::pin(tokio::io::sink());
        io::Result::Ok(())
    };
    let (mut complaint, mut said) = (Vec::new(), Vec::new());
    let mut complains = (&mut channel.stderr).take(SAID_BYTES_MAX);
    let mut says = (&mut channel.stdout).take(SAID_BYTES_MAX);
    // What the node complains of says more than that it takes no more.
    let (sent, ..) = tokio::join!(send, complains.read_to_end(&mut complaint), says.read_to_end(&mut said));
    if String::from_utf8_lossy(&said).lines().any(|line| line == TAKEN) {
        return Ok(());
    }
    let cut = sent.err().map_or_else(|| "the node did not take it".to_owned(), |error| error.to_string());
    let complaint = words(&String::from_utf8_lossy(&complaint));
    Err(format!("it was not copied: {}", if complaint.is_empty() { cut } else { complaint }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::local::LocalLink;

    #[tokio::test]
    async fn a_program_comes_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        let former = shared.join("ostler-0123456789abcdef");
        std::fs::write(&former, "").unwrap();
        let from = dir.path().join("program");
        std::fs::write(&from, "#!/bin/sh\necho ostler\n".repeat(9000)).unwrap();
        let link = Link::Local(LocalLink::new());
        let to = dir.path().join("spool").join(name(&from).await.unwrap());
        std::fs::create_dir(dir.path().join("spool")).unwrap();
        copy(&link, &from, to.to_str().unwrap()).await.unwrap();
        assert_eq!(std::fs::read(&from).unwrap(), std::fs::read(&to).unwrap());
        assert!(!former.exists(), "another version");
        // One that was changed after its sum was taken arrives as nothing.
        std::fs::write(&from, "else").unwrap();
        let why = copy(&link, &from, to.to_str().unwrap()).await.unwrap_err();
        assert!(why.contains("what came is not what was sent"), "{why}");
        let why = copy(&link, &from, "/proc/no/such").await.unwrap_err();
        assert!(why.contains("/proc/no"), "{why}");
        let left: Vec<_> = std::fs::read_dir(&shared).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
