//! The hosts that a user's ssh configuration names, to offer them. What a name means is ssh's own matter: only names are read.

use std::path::{Path, PathBuf};

/// Deeper chains of `Include` are a circle (ssh itself stops at 16, readconf.c).
const INCLUDES_MAX: usize = 16;
/// More names than this nobody reads through.
pub const HOSTS_MAX: usize = 500;

/// Returns the user's own ssh configuration file, as ssh finds it.
pub fn usual_file() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".ssh/config"))
}

/// Returns the names of a configuration and of what it includes, in order, without patterns.
pub fn hosts(file: &Path) -> Vec<String> {
    let mut found = Vec::new();
    read(file, 0, &mut found);
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|name| seen.insert(name.clone()));
    found.truncate(HOSTS_MAX);
    found
}

fn read(file: &Path, depth: usize, found: &mut Vec<String>) {
    let Ok(text) = std::fs::read_to_string(file) else { return };
    for line in text.lines() {
        let (word, rest) = split(line);
        match word.to_ascii_lowercase().as_str() {
            "host" => found.extend(words(rest).into_iter().filter(|name| is_name(name))),
            "include" if depth < INCLUDES_MAX => {
                for path in words(rest).iter().flat_map(|pattern| included(pattern)) {
                    read(&path, depth + 1, found);
                }
            }
            _ => {}
        }
    }
}

/// Parts a line into its keyword and the rest: blanks or one `=` between them (ssh_config(5)).
fn split(line: &str) -> (&str, &str) {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    (&line[..end], line[end..].trim_start().trim_start_matches('=').trim())
}

fn words(text: &str) -> Vec<String> {
    let text = text.split('#').next().unwrap_or_default();
    shlex::split(text).unwrap_or_default()
}

/// A name that can be signed in to, and not a pattern for many.
fn is_name(name: &str) -> bool {
    !name.starts_with('-') && crate::model::names::check_host(name).is_ok() && !name.contains(['*', '?', '!'])
}

/// The files of one word of `Include`: relative ones are in `~/.ssh`; `*` stands for any part of the last name.
fn included(pattern: &str) -> Vec<PathBuf> {
    let Some(home) = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()) else { return Vec::new() };
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => home.join(".ssh").join(pattern),
    };
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let Some((before, after)) = name.split_once('*') else { return vec![path] };
    let fits = |entry: &std::fs::DirEntry| {
        let name = entry.file_name();
        let fits =
            |name: &str| name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after);
        name.to_str().is_some_and(fits)
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.filter(fits).map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_patterns_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let more = dir.path().join("more.conf");
        std::fs::write(&more, "Host inner\n").unwrap();
        let file = dir.path().join("config");
        let include = format!("Include {}/m*.conf\n", dir.path().display());
        let text = "# all\nHost gpu-1 gpu-2 # two\n  HostName 10.0.0.1\nHOST=login\nHost *.lab !bad\nHost \"quoted\" gpu-1\nMatch host x\n";
        std::fs::write(&file, format!("{text}{include}")).unwrap();
        assert_eq!(hosts(&file), ["gpu-1", "gpu-2", "login", "quoted", "inner"]);
        assert!(hosts(&dir.path().join("none")).is_empty());
        std::fs::write(&more, format!("Include {}\nHost last\n", file.display())).unwrap();
        assert_eq!(hosts(&file).last().map(String::as_str), Some("last"), "a circle ends");
    }
}
