//! SMB on hosts: a real server (Samba) on one of them, and a client in user space (`tests/lab/smb-mount`) in the place of
//! the kernel's on all.

use crate::lab::{Lab, until};
use crate::ostler::SOON;

/// Makes `mount -t cifs` work on all hosts of a lab.
pub fn install_client(lab: &Lab) {
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/smb-mount");
    lab.on_all(&format!("rm -f /sbin/mount.cifs; cp {client} /sbin/mount.cifs; chmod 755 /sbin/mount.cifs"));
}

/// Shares directories of a host, named after their last part, with `ci` who has this password.
pub fn serve(lab: &Lab, host: &str, paths: &[&str], password: &str) {
    let mut config = "[global]
        server role = standalone server
        smb ports = 445
        disable netbios = yes
        load printers = no
        private dir = /run/smb
        lock directory = /run/smb
        state directory = /run/smb
        cache directory = /run/smb
        pid directory = /run/smb
        ncalrpc dir = /run/smb/rpc
        log file = /run/smb/log
        passdb backend = smbpasswd:/run/smb/passwords\n"
        .to_owned();
    for path in paths {
        let name = path.rsplit('/').next().unwrap();
        config.push_str(&format!("[{name}]\npath = {path}\nread only = no\nvalid users = ci\n"));
        lab.on(host, &format!("mkdir -p {path}; chown ci {path}"));
    }
    let line = format!(
        "mkdir -p /run/smb; echo '{config}' >/run/smb/conf
         printf '%s\\n%s\\n' {password} {password} | pdbedit -s /run/smb/conf -a -t -u ci >/dev/null
         smbd -s /run/smb/conf -D"
    );
    lab.on(host, &line);
    let asked = format!(
        "rclone --config /dev/null lsf :smb: --smb-host localhost --smb-user ci --smb-pass $(rclone obscure {password})"
    );
    let name = paths[0].rsplit('/').next().unwrap();
    until("the share is there", SOON, || lab.on(host, &format!("{asked} 2>/dev/null")).contains(name).then_some(()));
}
