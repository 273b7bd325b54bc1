//! Links to this machine whose programs run in each shell that is here, one of them with nothing but busybox's tools.

use std::os::unix::fs::symlink;
use std::path::Path;

use ostler::transport::link::Link;
use ostler::transport::local::LocalLink;
use tempfile::TempDir;

/// A shell to try, with a name for messages; the folder has to live as long as the link.
pub struct Shell {
    pub name: &'static str,
    pub link: Link,
    /// Its program and what comes before `-c`.
    pub words: Vec<String>,
    _tools: Option<TempDir>,
}

/// Returns the shells that are here, at least `/bin/sh`.
pub fn all() -> Vec<Shell> {
    let plain: [(&'static str, &[&str]); 4] = [
        ("sh", &["/bin/sh"]),
        ("bash", &["/bin/bash"]),
        ("mksh", &["/usr/bin/mksh"]),
        ("busybox", &["/usr/bin/busybox", "ash"]),
    ];
    let here = plain.into_iter().filter(|(_, words)| Path::new(words[0]).exists());
    let mut shells: Vec<Shell> = here.map(|(name, words)| shell(name, words, None)).collect();
    shells.extend(bare());
    shells
}

fn shell(name: &'static str, words: &[&str], tools: Option<TempDir>) -> Shell {
    let link = Link::Local(LocalLink::with_shell(words));
    Shell { name, link, words: words.iter().map(|word| (*word).to_owned()).collect(), _tools: tools }
}

/// A machine that has busybox and nothing else.
fn bare() -> Option<Shell> {
    let busybox = Path::new("/usr/bin/busybox");
    if !busybox.exists() {
        return None;
    }
    let tools = TempDir::new().unwrap();
    for tool in [
        "ls",
        "dd",
        "tail",
        "head",
        "stat",
        "grep",
        "awk",
        "find",
        "sleep",
        "cat",
        "tr",
        "sh",
        "sed",
        "cksum",
        "mv",
        "rm",
        "mkdir",
        "chmod",
        "tar",
        "touch",
        "wc",
        "sha256sum",
    ] {
        symlink(busybox, tools.path().join(tool)).unwrap();
    }
    let path = format!("PATH={}", tools.path().display());
    let words = ["/usr/bin/env", path.as_str(), "/usr/bin/busybox", "ash"];
    Some(shell("busybox alone", &words, Some(tools)))
}
