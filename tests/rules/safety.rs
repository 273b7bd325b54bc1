//! The tables of `assets/SECURITY.md`, `PROMISES.md`, `FAULTS.md` and `INVARIANTS.md`: whole, and each row shown by tests that are in the
//! tree, by a reason, or not yet; and what the program is made of: where its crates come from, which of them run code while it is
//! built, and which versions are known to be bad.

use std::collections::BTreeSet;
use std::process::Command;

use crate::model::is_test;
use crate::tree::root;

/// File, letter and number of rows.
const TABLES: &[(&str, &str, usize)] =
    &[("SECURITY", "T", 59), ("PROMISES", "P", 25), ("FAULTS", "F", 92), ("INVARIANTS", "I", 33)];

/// A row: its id and what shows it.
fn rows(file: &str, letter: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(format!("assets/{file}.md"))).expect("the table");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let id = cells.next()?;
        let number = id.strip_prefix(letter)?;
        (number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
        Some((id.to_owned(), cells.last()?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// What a row counts as.
#[derive(PartialEq)]
enum Shown {
    Tests,
    Reason,
    NotYet,
}

fn shown(id: &str, cell: &str, wrong: &mut Vec<String>) -> Shown {
    for (word, kind) in [("reason: ", Shown::Reason), ("not yet: ", Shown::NotYet)] {
        if let Some(why) = cell.strip_prefix(word) {
            if why.len() < 20 {
                wrong.push(format!("{id}: `{why}` says too little"));
            }
            return kind;
        }
    }
    for name in cell.split("<br>") {
        let named = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')).and_then(|name| name.rsplit_once("::"));
        let Some((file, test)) = named else {
            wrong.push(format!("{id}: `{name}` is no `path::test`, no reason and not `not yet`"));
            continue;
        };
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        if !is_test(&text, test) && !in_every_shell(&text, test) {
            wrong.push(format!("{id}: {file} has no test `{test}`"));
        }
    }
    Shown::Tests
}

/// Says whether a macro of `tests/agent` makes a test of a function for each shell.
fn in_every_shell(text: &str, name: &str) -> bool {
    let listed = text.split("in_every_shell!(").nth(1).and_then(|rest| rest.split(");").next()).unwrap_or_default();
    let words: BTreeSet<&str> = listed.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    words.contains(name) && text.contains(&format!("fn {name}("))
}

#[test]
fn tables_of_safety_are_whole_and_name_tests_that_are_there() {
    let mut wrong = Vec::new();
    for (file, letter, count) in TABLES {
        let rows = rows(file, letter);
        let ids: Vec<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
        let all: Vec<String> = (1..=*count).map(|number| format!("{letter}{number:02}")).collect();
        if ids != all {
            wrong.push(format!("assets/{file}.md has the rows {ids:?}"));
        }
        let kinds: Vec<Shown> = rows.iter().map(|(id, cell)| shown(id, cell, &mut wrong)).collect();
        let of = |kind: Shown| kinds.iter().filter(|k| **k == kind).count();
        let (tests, reasons, open) = (of(Shown::Tests), of(Shown::Reason), of(Shown::NotYet));
        let file = file.to_lowercase();
        crate::tables::table(&format!(
            "{file}: {count} rows, {tests} shown by tests, {reasons} with a reason, {open} not yet"
        ));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Registries that crates may come from.
const SOURCES: &[&str] = &["registry+https://github.com/rust-lang/crates.io-index"];

/// Crates that are not taken, each for a reason: abandoned, unsound, or with a hole that was never closed (RustSec).
const BANNED: &[&str] = &[
    "ansi_term",
    "atty",
    "users",
    "serde_yml",
    "serde_yaml",
    "tokio-tar",
    "async-tar",
    "failure",
    "term",
    "mach",
    "net2",
    "proc-macro-error",
    "paste-impl",
    "openssl",
    "faster_log",
    "async_println",
    "finch-rst",
];

/// Crate and the oldest version of it without a known hole that reaches us.
const OLDEST: &[(&str, [u64; 3])] = &[
    ("rusqlite", [0, 38, 0]),
    ("tokio", [1, 44, 2]),
    ("tracing-subscriber", [0, 3, 20]),
    ("time", [0, 3, 47]),
    ("ratatui", [0, 30, 0]),
    ("rustls", [0, 23, 18]),
    ("ring", [0, 17, 12]),
    ("bytes", [1, 10, 0]),
];

/// SQLite with the fix of the WAL-reset fault (3.51.3), as its number has it.
const SQLITE_OLDEST: i32 = 3_051_003;

fn packages() -> Vec<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args =
        ["metadata", "--locked", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu", "--format-version", "1"];
    let out = Command::new(cargo).args(args).current_dir(root()).output().expect("cargo");
    assert!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    told["packages"].as_array().expect("packages").clone()
}

#[test]
fn crates_come_from_the_registry_and_none_is_known_to_be_bad() {
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let version = package["version"].as_str().unwrap_or_default();
        let source = package["source"].as_str();
        if name != "ostler" && !source.is_some_and(|source| SOURCES.contains(&source)) {
            wrong.push(format!("{name} comes from {source:?}"));
        }
        if BANNED.contains(&name.as_str()) {
            wrong.push(format!("{name} is banned"));
        }
        let parts: Vec<u64> = version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect();
        if let Some((_, oldest)) = OLDEST.iter().find(|(of, _)| *of == name)
            && parts.as_slice() < oldest.as_slice()
        {
            wrong.push(format!("{name} {version} is older than {oldest:?}"));
        }
    }
    assert!(rusqlite::version_number() >= SQLITE_OLDEST, "SQLite {} is too old", rusqlite::version());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Crates whose code runs while the program is built: macros and build scripts. A new one is looked at before it stands here.
const RUN_AT_BUILD: &str = include_str!("run-at-build.txt");

#[test]
fn who_runs_code_while_it_is_built_is_known() {
    let runs = |package: &serde_json::Value| {
        let kinds = package["targets"].as_array().into_iter().flatten().flat_map(|target| target["kind"].as_array());
        kinds.flatten().any(|kind| matches!(kind.as_str(), Some("custom-build" | "proc-macro")))
    };
    let found: BTreeSet<String> = packages()
        .iter()
        .filter(|package| runs(package))
        .map(|package| package["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    if std::env::var_os("UPDATE").is_some() {
        let text = found.iter().map(|name| format!("{name}\n")).collect::<String>();
        std::fs::write(root().join("tests/rules/run-at-build.txt"), text).expect("the list");
        return;
    }
    let known: BTreeSet<String> = RUN_AT_BUILD.lines().map(str::to_owned).collect();
    let new: Vec<&String> = found.difference(&known).collect();
    assert!(new.is_empty(), "new crates run code while we are built; look at them, then UPDATE=1: {new:?}");
}

/// Values reach SQL by parameters; what is put into its text is a name or number of our own.
#[test]
fn no_value_is_put_into_sql() {
    const OURS: &[&str] = &["DELETE FROM {table} WHERE job = ?1", "LIMIT {ENDED_JOBS_KEPT}", "Migration { what"];
    let words = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", " WHERE ", "PRAGMA "];
    let mut wrong = Vec::new();
    for file in crate::tree::rust_files(&["src/store"]) {
        for (number, line) in file.text.lines().enumerate() {
            let built = words.iter().any(|word| line.contains(word)) && line.contains('{') && line.contains('"');
            let comment = line.trim_start().starts_with("//");
            if built && !comment && !OURS.iter().any(|ours| line.contains(ours)) {
                wrong.push(format!("{}:{}: {}", file.name(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
