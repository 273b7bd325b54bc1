//! The language of `.gitignore`, for `.ostlerignore`: which paths are left out. One file in a directory speaks of what lies below
//! it; the last line that fits counts; below a directory that is left out nothing comes back.

use std::collections::HashMap;
use std::path::Path;

use regex::Regex;

/// The name of the files that take away.
pub(super) const OWN: &str = ".ostlerignore";
/// What is never code: what version control and Python keep for themselves.
const NEVER: &[&str] = &[".git", ".hg", ".svn", "__pycache__"];

/// One line.
struct Line {
    fits: Regex,
    back: bool,
    folders: bool,
}

/// All lines of the files below one directory, read as they are needed.
pub(super) struct Ignored<'a> {
    directory: &'a Path,
    files: HashMap<String, Vec<Line>>,
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
            let lines = self.files.entry(above).or_insert_with_key(|above| read(&directory.join(above).join(OWN)));
            for line in lines.iter().filter(|line| folder || !line.folders) {
                if line.fits.is_match(&path[end..]) {
                    out = !line.back;
                }
            }
        }
        out
    }
}

fn read(path: &Path) -> Vec<Line> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(line).collect()
}

/// Reads one line; nothing for a comment, an empty one, or one that fits nothing.
fn line(text: &str) -> Option<Line> {
    let text = text.trim_end_matches('\r');
    let mut text = match text.trim_end_matches(' ') {
        // An escaped blank stays.
        cut if cut.ends_with('\\') && cut.len() < text.len() => &text[..=cut.len()],
        cut => cut,
    };
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    let back = text.starts_with('!');
    text = text.strip_prefix('!').unwrap_or(text);
    let folders = text.ends_with('/');
    text = text.trim_end_matches('/');
    let anchored = text.contains('/');
    let pattern = glob(text.strip_prefix('/').unwrap_or(text));
    let pattern = if anchored { format!("^{pattern}$") } else { format!("^(?:.*/)?{pattern}$") };
    Some(Line { fits: Regex::new(&pattern).ok()?, back, folders })
}

/// Turns a pattern of git's into a regular expression.
fn glob(text: &str) -> String {
    let mut out = String::from("(?s-u:");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (took, piece) = match c {
            '*' if rest.starts_with("**/") => (3, "(?:.*/)?".to_owned()),
            '*' if rest == "**" => (2, ".*".to_owned()),
            '*' => (rest.len() - rest.trim_start_matches('*').len(), "[^/]*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            '/' if rest == "/**" => (3, "/.*".to_owned()),
            '[' => match rest[1..].find(']').filter(|end| *end > 0) {
                Some(end) => {
                    let inner =
                        rest[1..=end].replace('\\', r"\\").replace('[', r"\[").replace('&', r"\&").replace('~', r"\~");
                    let inner = inner.strip_prefix('!').map_or(inner.clone(), |inner| format!("^{inner}"));
                    (end + 2, format!("[{inner}]"))
                }
                None => (1, r"\[".to_owned()),
            },
            '\\' if rest.len() > 1 => {
                let next = rest[1..].chars().next().map_or_else(String::new, |next| next.to_string());
                (1 + next.len(), regex::escape(&next))
            }
            other => (other.len_utf8(), regex::escape(&other.to_string())),
        };
        out.push_str(&piece);
        rest = &rest[took..];
    }
    out.replace("(?s-u:", "(?s:") + ")"
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
