//! Heads of modules, words that mean "not finished", and names of the machine that the checkout lies on.

use std::path::Path;

use crate::tree::{files, root, rust_files};

const SOURCES: [&str; 2] = ["src", "tests"];

#[test]
fn every_module_says_what_it_owns() {
    let headless: Vec<String> = rust_files(&SOURCES)
        .iter()
        .filter(|file| !file.text.starts_with("//!") && !file.text.starts_with("#![doc"))
        .map(|file| file.name())
        .collect();
    assert!(headless.is_empty(), "without a `//!` head: {headless:#?}");
}

#[test]
fn nothing_is_left_to_be_done() {
    // Put together here, so that this file does not hold them.
    let words = ["TO\u{44}O", "FIX\u{4d}E", "tod\u{6f}!(", "unimplemente\u{64}!(", "#[allo\u{77}("];
    let mut found = Vec::new();
    for file in files(&["src", "tests", "assets"]) {
        for (number, line) in file.text.lines().enumerate() {
            found
                .extend(words.iter().filter(|w| line.contains(**w)).map(|w| format!("{}:{}: {w}", file.name(), number + 1)));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn no_file_knows_where_it_was_written() {
    let places = foreign_places(root());
    let mut found = Vec::new();
    for file in files(&["src", "tests", "assets", ".ci", "Cargo.toml", "README.md"]) {
        for (number, line) in file.text.lines().enumerate() {
            found.extend(places.iter().filter(|p| names(line, p)).map(|p| format!("{}:{}: {p}", file.name(), number + 1)));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The folders above the checkout, but for those that every machine has.
fn foreign_places(checkout: &Path) -> Vec<String> {
    let usual =
        ["/", "/home", "/root", "/tmp", "/opt", "/usr", "/usr/src", "/srv", "/var", "/var/tmp", "/mnt", "/data", "/run"];
    let above = checkout.ancestors().filter_map(Path::to_str);
    above.filter(|path| !usual.contains(path)).map(str::to_owned).collect()
}

/// Says whether a line names this path, not only one that ends or goes on like it.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let before = line[..at].chars().next_back().is_some_and(word);
        let after = line[at + path.len()..].chars().next().is_some_and(word);
        !before && !after
    })
}

#[test]
fn the_rule_would_see_a_path() {
    let place = "/builds/x";
    for (line, expected) in [
        ("see /builds/x/shared", true),
        ("\"/builds/x\"", true),
        ("/builds/xy", false),
        ("{root}/builds/x.d", false),
        ("a/builds/x", false),
    ] {
        assert_eq!(names(line, place), expected, "{line}");
    }
    assert_eq!(foreign_places(Path::new("/builds/x")), ["/builds/x", "/builds"]);
    assert!(foreign_places(Path::new("/root")).is_empty());
}
