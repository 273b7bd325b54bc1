//! A core while it runs: it listens on no port, and its files and its socket are closed to others.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::rig::User;

/// The state of a listening socket in `/proc/PID/net/tcp` (Linux `include/net/tcp_states.h`).
const LISTEN: &str = "0A";

/// Returns the sockets that a process has open, by inode.
fn sockets(pid: &str) -> BTreeSet<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").flatten();
    let names = links.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let inode = |name: std::path::PathBuf| {
        let name = name.to_string_lossy().into_owned();
        name.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned)
    };
    names.filter_map(inode).collect()
}

/// Returns the processes below one, itself included.
fn family(pid: &str) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below = children.split_whitespace().flat_map(family);
    std::iter::once(pid.to_owned()).chain(below).collect()
}

/// Returns what others may look at of a directory's entries; what is below a closed one is closed.
fn open_to_others(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a directory of ours").flatten();
    let modes = entries.map(|entry| (entry.path(), entry.metadata().expect("its mode").mode() & 0o7777));
    modes.filter(|(_, mode)| mode & 0o077 != 0).map(|(path, mode)| format!("{} {mode:o}", path.display())).collect()
}

#[test]
fn a_core_listens_on_no_port_and_its_places_are_closed() {
    let user = User::new();
    user.lab();
    user.run("cluster scale gpu 1");
    user.run("job create -e first -c gpu -n one -- echo done");
    assert_eq!(user.run("job wait one").code, 0);
    let status: serde_json::Value = serde_json::from_str(&user.run("serve --status -o json").stdout).expect("JSON");
    let pid = status["pid"].to_string();
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "{status}");

    for pid in family(&pid) {
        let ours = sockets(&pid);
        for table in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
            let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
            for line in text.lines().skip(1) {
                let words: Vec<&str> = line.split_whitespace().collect();
                let (Some(state), Some(inode)) = (words.get(3), words.get(9)) else { continue };
                let listens = *state == LISTEN || !table.starts_with("tcp");
                assert!(!(listens && ours.contains(*inode)), "{pid} has a port open in {table}: {line}");
            }
        }
    }

    let folder = user.home().join("ostler");
    assert_eq!(std::fs::metadata(&folder).expect("the directory of sockets").mode() & 0o7777, 0o700);
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).expect("the directory of sockets").flatten() {
        let about = entry.metadata().expect("its mode");
        assert!(about.file_type().is_socket() && about.mode() & 0o7777 == 0o600, "{entry:?} {:o}", about.mode());
        found += 1;
    }
    assert!(found > 0, "there is a socket");
    let state = user.home().join(".local/state/ostler");
    assert_eq!(std::fs::metadata(&state).expect("the state directory").mode() & 0o7777, 0o700);
    let open = open_to_others(&state);
    assert!(open.is_empty(), "others can look at {open:#?}");
}
