//! A module uses what its row in `src/ARCHITECTURE.md` allows, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{root, rust_files};

type Allowed = BTreeMap<String, BTreeSet<String>>;

/// Reads the table: `| module | layer | may use | … |`.
fn table() -> Allowed {
    let text = std::fs::read_to_string(root().join("src/ARCHITECTURE.md")).unwrap();
    let rows =
        text.lines().skip_while(|line| !line.starts_with("| module")).skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let uses = cells[3].split(',').map(|name| name.trim().to_owned()).filter(|name| name != "–").collect();
        (cells[1].to_owned(), uses)
    })
    .collect()
}

/// Returns every `NAME` that follows `crate::` in the code of a file, with its line; groups in braces too.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depth_of_group = None::<usize>;
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        if let Some(depth) = depth_of_group.as_mut() {
            collect_group(code, depth, number + 1, &mut found);
            if *depth == 0 {
                depth_of_group = None;
            }
            continue;
        }
        for (at, _) in code.match_indices("crate::") {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            let rest = &code[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let mut depth = 1;
                collect_group(group, &mut depth, number + 1, &mut found);
                depth_of_group = (depth > 0).then_some(depth);
            } else {
                found.push((number + 1, word(rest)));
            }
        }
    }
    found
}

fn collect_group(code: &str, depth: &mut usize, line: usize, found: &mut Vec<(usize, String)>) {
    let mut at_name = true;
    for (at, c) in code.char_indices() {
        match c {
            '{' => *depth += 1,
            '}' => *depth = depth.saturating_sub(1),
            ',' if *depth == 1 => at_name = true,
            c if at_name && *depth == 1 && (c.is_alphabetic() || c == '_') => {
                found.push((line, word(&code[at..])));
                at_name = false;
            }
            _ => {}
        }
        if *depth == 0 {
            return;
        }
    }
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn faults(allowed: &Allowed, file: &str, text: &str) -> Vec<String> {
    let Some(module) = file.strip_prefix("src/").map(|path| path.split(['/', '.']).next().unwrap_or_default()) else {
        return vec![format!("{file}: not below src")];
    };
    if matches!(module, "main" | "lib") {
        return Vec::new();
    }
    let Some(friends) = allowed.get(module) else {
        return vec![format!("{file}: module `{module}` has no row in src/ARCHITECTURE.md")];
    };
    let wrong = uses(text).into_iter().filter(|(_, used)| used != module && !friends.contains(used));
    wrong.map(|(line, used)| format!("{file}:{line}: `{module}` may not use `{used}`")).collect()
}

#[test]
fn modules_use_only_what_their_layer_may() {
    let allowed = table();
    assert!(allowed.len() > 8, "the table was read: {allowed:?}");
    for (module, friends) in &allowed {
        assert!(friends.iter().all(|friend| allowed.contains_key(friend)), "{module}: {friends:?} are modules");
    }
    let all: Vec<String> = rust_files(&["src"]).iter().flat_map(|file| faults(&allowed, &file.name(), &file.text)).collect();
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

#[test]
fn the_rule_would_see_a_breach() {
    let allowed = table();
    for (text, count) in [
        ("use crate::model::ids::JobId;", 0),
        ("use crate::store::Store;", 1),
        ("use crate::{model::ids, store::{Store, Batch}, runtime};", 2),
        ("use crate::{\n    model,\n    transport::Order,\n};\nuse crate::store;", 2),
        ("fn f() -> crate::api::Client { x }", 1),
        ("// crate::store", 0),
        ("$crate::store my_crate::store", 0),
    ] {
        assert_eq!(faults(&allowed, "src/sched/queue.rs", text).len(), count, "{text}");
    }
    assert_eq!(faults(&allowed, "src/utils/mod.rs", "").len(), 1);
}
