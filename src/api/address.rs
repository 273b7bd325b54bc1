//! Where a host listens: a socket that only we can reach, in a directory that only we can enter.
//!
//! Decision (2026-11): the socket is bound in a fresh directory of mode 700, made 600, and then given its name. That is
//! as tight as a umask around `bind`, which would also hit files and directories that other threads make meanwhile, and
//! it replaces a stale socket in one step.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use uuid::Uuid;

use crate::model::fault::Fault;

/// The longest path of a unix socket, in bytes (`sun_path` of unix(7) without its NUL).
pub const SOCKET_PATH_MAX: usize = 107;

/// Returns the directory of sockets: below `XDG_RUNTIME_DIR` when that is ours, else one of ours in `/tmp`.
pub fn runtime_dir() -> PathBuf {
    let us = rustix::process::geteuid().as_raw();
    let xdg = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    // After `su` the variable may still name the directory of the former user.
    let ours = |dir: &PathBuf| fs::metadata(dir).is_ok_and(|meta| meta.is_dir() && meta.uid() == us);
    match xdg.filter(ours) {
        Some(dir) => dir.join("ostler"),
        None => PathBuf::from(format!("/tmp/ostler-{us}")),
    }
}

/// Returns the socket of a state directory.
///
/// # Errors
/// That the path would be too long for the system.
pub fn socket_path(runtime_dir: &Path, state_dir: &Path) -> Result<PathBuf, Fault> {
    let whole = fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, whole.as_os_str().as_encoded_bytes()).simple().to_string();
    let path = runtime_dir.join(format!("{}.sock", &hash[..16]));
    check_length(&path)?;
    Ok(path)
}

fn check_length(path: &Path) -> Result<(), Fault> {
    let bytes = path.as_os_str().len();
    if bytes > SOCKET_PATH_MAX {
        let message =
            format!("the socket path `{}` is {bytes} bytes, the system's limit is {SOCKET_PATH_MAX}", path.display());
        return Err(Fault::config(message).hint("set XDG_RUNTIME_DIR to a directory with a shorter path"));
    }
    Ok(())
}

/// Listens on `path`. A socket that nobody listens on any more is replaced.
///
/// # Errors
/// A directory or file in the way that is not ours, a link, or a living listener.
pub async fn listen(path: &Path) -> Result<UnixListener, Fault> {
    check_length(path)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    check_dir(dir)?;
    check_stale(path).await?;
    let failed = |e: &io::Error| Fault::config(format!("cannot listen on `{}`", path.display())).because(e);
    let nursery = dir.join(format!(".{}", &Uuid::new_v4().simple().to_string()[..8]));
    fs::DirBuilder::new().mode(0o700).create(&nursery).map_err(|e| failed(&e))?;
    let bound = bind_in(&nursery, path);
    // Empty unless the renaming failed.
    let _ = fs::remove_file(nursery.join("s"));
    let _ = fs::remove_dir(&nursery);
    bound.map_err(|e| failed(&e))
}

fn bind_in(nursery: &Path, path: &Path) -> io::Result<UnixListener> {
    let first = nursery.join("s");
    let listener = UnixListener::bind(&first)?;
    fs::set_permissions(&first, fs::Permissions::from_mode(0o600))?;
    fs::rename(&first, path)?;
    Ok(listener)
}

/// Makes the directory of sockets, or checks that the one there is ours alone.
fn check_dir(dir: &Path) -> Result<(), Fault> {
    let shown = dir.display();
    if let Err(e) = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
        && e.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(Fault::config(format!("cannot make the directory `{shown}`")).because(&e));
    }
    let meta = fs::symlink_metadata(dir).map_err(|e| Fault::config(format!("cannot read `{shown}`")).because(&e))?;
    let us = rustix::process::geteuid().as_raw();
    let why = if !meta.is_dir() {
        "is not a directory".to_owned()
    } else if meta.uid() != us {
        format!("belongs to uid {}", meta.uid())
    } else if meta.mode() & 0o077 != 0 {
        format!("can be entered by others (mode {:o})", meta.mode() & 0o7777)
    } else {
        return Ok(());
    };
    let fault = Fault::config(format!("the directory for sockets `{shown}` is refused: it {why}"));
    Err(fault.hint("remove it, or set XDG_RUNTIME_DIR to a directory of your own"))
}

/// Refuses what is at `path` unless it is nothing or a socket of ours that nobody listens on.
async fn check_stale(path: &Path) -> Result<(), Fault> {
    let shown = path.display();
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Fault::config(format!("cannot read `{shown}`")).because(&e)),
    };
    let us = rustix::process::geteuid().as_raw();
    if !meta.file_type().is_socket() {
        return Err(Fault::config(format!("`{shown}` is refused: it is no socket")).hint("remove it"));
    }
    if meta.uid() != us {
        return Err(Fault::config(format!("`{shown}` is refused: it belongs to uid {}", meta.uid())));
    }
    match tokio::net::UnixStream::connect(path).await {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(socket = %shown, "replaces a stale socket");
            Ok(())
        }
        Err(e) => Err(Fault::config(format!("cannot try `{shown}`")).because(&e)),
        Ok(_) => Err(Fault::config(format!("another ostler listens on `{shown}`")).hint("end it with: ostler serve --stop")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_short_and_the_same_for_the_same_directory() {
        let dir = tempfile::tempdir().unwrap();
        let run = Path::new("/run/user/1000/ostler");
        let path = socket_path(run, dir.path()).unwrap();
        assert_eq!(path, socket_path(run, &dir.path().join(".")).unwrap());
        assert_ne!(path, socket_path(run, &dir.path().join("other")).unwrap());
        assert!(path.as_os_str().len() <= 50, "{path:?}");
        let long = PathBuf::from(format!("/{}", "d".repeat(109)));
        let fault = socket_path(&long, dir.path()).unwrap_err();
        assert!(fault.message.ends_with("is 132 bytes, the system's limit is 107"), "{}", fault.message);
    }

    #[tokio::test]
    async fn the_socket_is_ours_alone_and_a_stale_one_is_replaced() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("run").join("a.sock");
        let listener = listen(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o7777, 0o700);
        assert!(listen(&path).await.unwrap_err().message.contains("another ostler listens"));
        tokio::net::UnixStream::connect(&path).await.unwrap();
        drop(listener);
        let _again = listen(&path).await.unwrap();
        tokio::net::UnixStream::connect(&path).await.unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn what_is_not_ours_stays() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("file");
        fs::write(&file, "x").unwrap();
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let link = top.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            assert!(listen(path).await.unwrap_err().message.contains("it is no socket"));
        }
        assert_eq!(fs::read(&file).unwrap(), b"x");
        let open = top.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(listen(&open.join("s")).await.unwrap_err().message.contains("can be entered by others (mode 755)"));
        let linked = top.path().join("linked");
        std::os::unix::fs::symlink(&open, &linked).unwrap();
        assert!(listen(&linked.join("s")).await.unwrap_err().message.contains("is not a directory"));
    }
}
