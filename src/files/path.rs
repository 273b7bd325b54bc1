//! Paths of files on nodes that may be read at all.

use std::fmt;

use crate::files::FileError;
use crate::model::shown::Shown;

/// The longest path, in bytes (Linux `PATH_MAX` with its end).
const PATH_BYTES_MAX: usize = 4095;

/// The path of a file or folder below a folder of a job. Made by [`FilePath::below`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    whole: String,
    /// The folder that it may not leave.
    root: String,
    shown: Shown,
}

impl FilePath {
    /// Returns the path of `name` below an absolute folder; the folder itself when the name is empty.
    ///
    /// # Errors
    /// The name would lead out of the folder, or has a character that no name should have.
    pub fn below(folder: &str, name: &str) -> Result<Self, FileError> {
        let refused = |path: &str, why| Err(FileError::Path { path: Shown::new(path), why });
        if !folder.starts_with('/') {
            return refused(folder, "the folder is not absolute");
        }
        if name.starts_with('/') {
            return refused(name, "it is not below the job's folder");
        }
        if name.split('/').any(|part| part == "..") || folder.split('/').any(|part| part == "..") {
            return refused(name, "it leads out of the job's folder");
        }
        // `/` itself is `` here, so that what is below it begins with `/` once.
        let root = folder.trim_end_matches('/').to_owned();
        let name = name.trim_end_matches('/');
        let whole = match (name.is_empty(), root.is_empty()) {
            (true, true) => "/".to_owned(),
            (true, false) => root.clone(),
            (false, _) => format!("{root}/{name}"),
        };
        if whole.chars().any(char::is_control) {
            return refused(&whole, "it has a control character");
        }
        if whole.len() > PATH_BYTES_MAX {
            return refused(name, "it is too long");
        }
        Ok(Self { shown: Shown::new(if name.is_empty() { folder } else { name }), whole, root })
    }

    /// Returns the path of something below this one, which may not leave the same folder.
    ///
    /// # Errors
    /// As [`FilePath::below`].
    pub fn join(&self, name: &str) -> Result<Self, FileError> {
        let under = self.whole.strip_prefix(&self.root).unwrap_or_default().trim_matches('/');
        let folder = if self.root.is_empty() { "/" } else { &self.root };
        if name.starts_with('/') {
            return Err(FileError::Path { path: Shown::new(name), why: "it is not below the job's folder" });
        }
        match (under.is_empty(), name.is_empty()) {
            (true, _) => Self::below(folder, name),
            (false, true) => Self::below(folder, under),
            (false, false) => Self::below(folder, &format!("{under}/{name}")),
        }
    }

    /// Returns the absolute path of the folder that it may not leave, as the node's programs take it: empty for `/`.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Returns the absolute path.
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// Returns it as messages show it: the part below the folder.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below() {
        let of = |folder: &str, name: &str| FilePath::below(folder, name).map(|path| path.as_str().to_owned());
        assert_eq!(of("/spool/j 1/", "stdout.txt").unwrap(), "/spool/j 1/stdout.txt");
        assert_eq!(of("/spool", "attempt-1/it's é.txt").unwrap(), "/spool/attempt-1/it's é.txt");
        assert_eq!(of("/spool", "").unwrap(), "/spool");
        assert_eq!(of("/", "").unwrap(), "/");
        assert_eq!(of("/", "etc/motd").unwrap(), "/etc/motd");
        let sub = FilePath::below("/spool", "a/b/").unwrap();
        assert_eq!((sub.join("c").unwrap().as_str(), sub.join("").unwrap().as_str()), ("/spool/a/b/c", "/spool/a/b"));
        assert!(sub.join("../../../x").is_err() && sub.join("/x").is_err());
        assert_eq!(of("/spool", "a..b").unwrap(), "/spool/a..b");
        for (folder, name) in
            [("spool", "x"), ("/spool", "/etc/shadow"), ("/spool", "../x"), ("/spool", "a/../../x"), ("/spool/..", "x")]
        {
            assert!(of(folder, name).is_err(), "{folder} {name}");
        }
        for name in ["a\nb", "a\0b", "a\u{1b}[2J", "a\u{9b}", &"x".repeat(5000)] {
            let error = FilePath::below("/spool", name).unwrap_err();
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }
}
