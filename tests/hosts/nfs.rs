//! NFS on hosts: a real server in user space (Ganesha) on one of them, and a client (`tests/lab/nfs-mount.c`, built once) in
//! the place of the kernel's on all.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::lab::{Lab, until};
use crate::ostler::SOON;

/// Makes `mount -t nfs` work on all hosts of a lab.
pub fn install_client(lab: &Lab) {
    let client = client();
    lab.on_all(&format!("rm -f /sbin/mount.nfs; cp {} /sbin/mount.nfs", client.display()));
}

/// Exports a file system in memory of a host, by NFS version 3 and 4, to everybody, and waits until it can be had.
pub fn serve(lab: &Lab, host: &str, path: &str) {
    let config = format!(
        "NFS_CORE_PARAM {{ Protocols = 3, 4; mount_path_pseudo = true; }}
         NFSv4 {{ Graceless = true; RecoveryBackend = fs; }}
         EXPORT {{ Export_Id = 1; Path = {path}; Pseudo = {path}; Access_Type = RW; Squash = No_Root_Squash;
                   SecType = sys; FSAL {{ Name = VFS; }} }}"
    );
    let line = format!(
        "mkdir -p {path} /var/lib/nfs/ganesha /run/ganesha; mount -t tmpfs -o size=64m,mode=1777 none {path}
         echo '{config}' >/run/ganesha.conf; rpcbind
         ganesha.nfsd -f /run/ganesha.conf -L /run/ganesha.log -p /run/ganesha.pid"
    );
    lab.on(host, &line);
    until("the export is there", SOON, || lab.on(host, "showmount -e localhost 2>/dev/null").contains(path).then_some(()));
}

fn client() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/nfs-mount.c");
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("mount.nfs-{}", std::process::id()));
        let line = format!("cc -O1 -o {} {source} $(pkg-config --cflags --libs libnfs fuse3)", place.display());
        let out = Command::new("sh").args(["-c", &line]).output().unwrap();
        let words = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "Debian: libnfs-dev libfuse3-dev pkg-config: {words}");
        place
    };
    BUILT.get_or_init(build).clone()
}
