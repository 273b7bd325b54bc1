//! What the program is linked with: licences that fit MIT OR Apache-2.0, and not more crates than we can answer for.

use std::process::Command;

/// Licences that ask no more than a notice, and file-level copyleft of crates that we link unchanged (MPL-2.0).
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "MPL-2.0+",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// The most crates, ours not counted: each is a risk that somebody has to look at.
const CRATES_MAX: usize = 340;

#[test]
fn licences_of_all_dependencies_are_allowed() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = ["tree", "--locked", "--offline", "--prefix", "none", "--edges", "normal,build", "--format", "{p}|{l}"];
    let out = Command::new(cargo).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(out.status.success(), "cargo tree: {}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8_lossy(&out.stdout);
    let mut crates: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('|')).collect();
    for (_, licence) in &mut crates {
        *licence = licence.trim_end_matches(" (*)");
    }
    crates.sort_unstable();
    crates.dedup();
    let refused: Vec<_> = crates.iter().filter(|(_, licence)| !fits(licence)).collect();
    assert!(refused.is_empty(), "not among the allowed licences: {refused:#?}");
    assert!(crates.len() <= CRATES_MAX + 1, "{} crates, {CRATES_MAX} are allowed", crates.len());
}

/// Reads `A OR B`, `A/B`, `(A OR B) AND C`, with `WITH` exceptions as part of a name.
fn fits(licence: &str) -> bool {
    !licence.is_empty()
        && licence.replace('/', " OR ").split(" AND ").all(|part| {
            let part = part.trim().trim_start_matches('(').trim_end_matches(')');
            part.split(" OR ").any(|name| ALLOWED.contains(&name.trim()))
        })
}

#[test]
fn expressions_are_read_right() {
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(fits(good), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(GPL-2.0 OR GPL-3.0) AND MIT"] {
        assert!(!fits(bad), "{bad}");
    }
}
