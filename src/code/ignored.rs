//! Which paths `.ostlerignore` leaves out, in the language of `.gitignore`. One file in a directory speaks of what lies below it;
//! the last line that fits counts; below a directory that is left out nothing comes back.

use std::collections::HashMap;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The name of the files that take away.
pub(super) const OWN: &str = ".ostlerignore";
/// What is never code: what version control and Python keep for themselves.
const NEVER: &[&str] = &[".git", ".hg", ".svn", "__pycache__"];

/// All lines of the files below one directory, read as they are needed.
pub(super) struct Ignored<'a> {
    directory: &'a Path,
    files: HashMap<String, Gitignore>,
    folders: HashMap<String, bool>,
}

impl<'a> Ignored<'a> {
    pub(super) fn of(directory: &'a Path) -> Self {
        Self { directory, files: HashMap::new(), folders: HashMap::new() }
    }

    /// Says whether a file (or what is named like one) is left out, by itself or with a directory that it lies in.
    pub(super) fn file(&mut self, path: &str) -> bool {
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        (!above.is_empty() && self.folder(above)) || self.one(path, false)
    }

    /// Says whether a directory is left out.
    pub(super) fn folder(&mut self, path: &str) -> bool {
        if let Some(known) = self.folders.get(path) {
            return *known;
        }
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        let out = (!above.is_empty() && self.folder(above)) || self.one(path, true);
        self.folders.insert(path.to_owned(), out);
        out
    }

    fn one(&mut self, path: &str, folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        if NEVER.contains(&name) {
            return true;
        }
        let mut out = false;
        // From the top down: what is nearer counts.
        let ends = std::iter::once(0).chain(path.match_indices('/').map(|(at, _)| at + 1));
        for end in ends.collect::<Vec<_>>() {
            let above = path[..end].trim_end_matches('/').to_owned();
            let directory = self.directory;
            let lines = self.files.entry(above).or_insert_with_key(|above| read(&directory.join(above)));
            match lines.matched(&path[end..], folder) {
                Match::Ignore(_) => out = true,
                Match::Whitelist(_) => out = false,
                Match::None => {}
            }
        }
        out
    }
}

/// Reads the file of one directory. A line that cannot be understood fits nothing, as with git.
fn read(directory: &Path) -> Gitignore {
    let mut lines = GitignoreBuilder::new("");
    for line in std::fs::read_to_string(directory.join(OWN)).unwrap_or_default().lines() {
        let _ = lines.add_line(None, line);
    }
    lines.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As git itself says of the same lines and paths.
    #[test]
    fn git_agrees() {
        let there = tempfile::tempdir().unwrap();
        let root = there.path();
        let lines = "# comment\n*.log\n!keep.log\n/top\nbuild/\ndoc/*.txt\n**/deep\na/**/z\nb/**\nq?x\n[xy]1\n[!k]2\n\\#hash\nsp\\ \ntrail  \nü*\n";
        let below = "!*.log\nown\n";
        let paths = [
            "x.log",
            "keep.log",
            "d/x.log",
            "d/keep.log",
            "top",
            "d/top",
            "build/f",
            "d/build/f",
            "doc/a.txt",
            "doc/d/a.txt",
            "deep",
            "d/deep",
            "d/e/deep/f",
            "a/z",
            "a/b/z",
            "a/b/c/z",
            "b/f",
            "b/c/f",
            "qax",
            "qx",
            "x1",
            "z1",
            "k2",
            "l2",
            "#hash",
            "sp ",
            "trail",
            "überall",
            "sub/x.log",
            "sub/own",
            "own",
            "sub/e/y.log",
            "plain",
            "d/plain",
        ];
        let git = |args: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.args(args).current_dir(root).env("HOME", root).env("GIT_CONFIG_NOSYSTEM", "1");
            String::from_utf8(git.output().unwrap().stdout).unwrap()
        };
        git(&["init", "-q"]);
        for path in paths {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), "x").unwrap();
        }
        for (at, text) in [("", lines), ("sub", below)] {
            for name in [OWN, ".gitignore"] {
                std::fs::write(root.join(at).join(name), text).unwrap();
            }
        }
        let kept = git(&["ls-files", "-z", "-o", "--exclude-standard"]);
        let kept: Vec<&str> = kept.split('\0').collect();
        let mut ignored = Ignored::of(root);
        for path in paths {
            assert_eq!(ignored.file(path), !kept.contains(&path), "{path}");
        }
        assert!(ignored.file(".git/config") && ignored.file("d/__pycache__/a.pyc"));
    }
}
