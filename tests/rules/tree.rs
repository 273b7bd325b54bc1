//! Reads the checkout.

use std::fs;
use std::path::{Path, PathBuf};

/// The checkout's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One file of the checkout.
pub struct File {
    /// Relative to the root.
    pub path: PathBuf,
    /// Its content; files that are not text are left out.
    pub text: String,
}

impl File {
    /// Returns its path as text.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// Returns all text files that these paths below the root are or hold, in order; a path that is not there holds none.
pub fn files(folders: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut found);
    }
    assert!(!found.is_empty(), "nothing below {folders:?}");
    found
}

/// Returns all Rust files below these folders.
pub fn rust_files(folders: &[&str]) -> Vec<File> {
    files(folders).into_iter().filter(|file| file.path.extension().is_some_and(|e| e == "rs")).collect()
}

fn walk(path: &Path, found: &mut Vec<File>) {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| walk(entry, found));
    } else if let Ok(text) = fs::read_to_string(path) {
        found.push(File { path: path.strip_prefix(root()).unwrap().to_owned(), text });
    }
}
