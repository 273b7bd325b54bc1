//! Where control sockets lie: a folder that only we can enter. Whoever can talk to such a socket has the host.

use std::fs::{DirBuilder, symlink_metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::transport::ssh::Destination;

/// The longest path of a socket, in bytes: `sun_path` has 108 with its end, and ssh binds with 17 more at first
/// (a dot and sixteen random letters, OpenSSH `mux.c`).
const SOCKET_PATH_BYTES_MAX: usize = 107 - 17;
/// Part of a socket's name: a master that was started with other options is not taken over.
const OPTIONS_VERSION: &str = "1";

/// Why there is no safe place for sockets.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// The folder cannot be made or looked at.
    #[error("cannot make `{path}` for the sockets of ssh")]
    Make { path: String, source: io::Error },
    /// Somebody else could enter it.
    #[error("`{path}` is not a folder that only we can enter ({what}); remove it")]
    NotOurs { path: String, what: &'static str },
    /// Its name leaves no room.
    #[error("the path `{path}` is too long for a socket; set XDG_RUNTIME_DIR to a shorter one")]
    TooLong { path: String },
}

/// Returns the path of a destination's socket, in a checked folder.
pub(super) fn socket(to: &Destination) -> Result<PathBuf, PlaceError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute() && dir.is_dir());
    let uid = rustix::process::getuid().as_raw();
    let dir = match runtime {
        Some(runtime) => runtime.join("ostler"),
        None => PathBuf::from(format!("/tmp/ostler-{uid}")),
    };
    socket_in(&dir, uid, to)
}

fn socket_in(dir: &Path, uid: u32, to: &Destination) -> Result<PathBuf, PlaceError> {
    checked(dir, uid)?;
    let config = to.config.as_deref().unwrap_or("");
    let key = [OPTIONS_VERSION, &to.host, config, &to.owner].join("\0");
    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes()).simple().to_string();
    let path = dir.join(format!("m-{}", &name[..16]));
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return Err(PlaceError::TooLong { path: path.display().to_string() });
    }
    Ok(path)
}

fn checked(dir: &Path, uid: u32) -> Result<(), PlaceError> {
    let path = dir.display().to_string();
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(PlaceError::Make { path, source }),
        Ok(()) | Err(_) => {}
    }
    let found = symlink_metadata(dir).map_err(|source| PlaceError::Make { path: path.clone(), source })?;
    let what = match () {
        () if !found.is_dir() => "it is something else",
        () if found.uid() != uid => "it belongs to another user",
        () if found.mode() & 0o077 != 0 => "its mode lets others in",
        () => return Ok(()),
    };
    Err(PlaceError::NotOurs { path, what })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn destination(host: &str, owner: &str) -> Destination {
        Destination { host: host.into(), config: None, owner: owner.into() }
    }

    #[test]
    fn sockets_lie_where_only_we_can_enter() {
        let base = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let at = |dir: &Path, uid: u32| socket_in(dir, uid, &destination("a", "x"));

        let dir = base.path().join("o");
        let first = at(&dir, uid).unwrap();
        assert_eq!(std::fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        assert_eq!(at(&dir, uid).unwrap(), first, "the same destination has the same socket");
        assert_ne!(socket_in(&dir, uid, &destination("a", "y")).unwrap(), first);
        assert_ne!(socket_in(&dir, uid, &destination("b", "x")).unwrap(), first);
        assert!(at(&dir, uid + 1).unwrap_err().to_string().contains("belongs to another user"));

        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(at(&dir, uid).unwrap_err().to_string().contains("lets others in"));
        symlink(base.path(), base.path().join("link")).unwrap();
        assert!(at(&base.path().join("link"), uid).unwrap_err().to_string().contains("something else"));
        std::fs::write(base.path().join("file"), "").unwrap();
        assert!(at(&base.path().join("file"), uid).unwrap_err().to_string().contains("something else"));
        assert!(matches!(at(&base.path().join("none/o"), uid), Err(PlaceError::Make { .. })));
        let long = base.path().join("l".repeat(90));
        assert!(matches!(at(&long, uid), Err(PlaceError::TooLong { .. })));
    }
}
