//! The table of `assets/MODEL.md`: whole, with stable ids, and every test that it names is in the tree.

use std::collections::BTreeSet;

use crate::tree::root;

/// How many rows each group has; rows are only ever added.
const GROUPS: [(&str, usize); 10] =
    [("W", 18), ("E", 4), ("C", 31), ("F", 6), ("M", 12), ("J", 45), ("T", 21), ("V", 4), ("S", 11), ("Q", 4)];

/// Returns the rows of a table: id and what shows it.
pub fn rows_of(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(file)).expect("the table");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let id = cells.next().filter(|id| id.contains('-') && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))?;
        Some((id.to_owned(), cells.last()?.to_owned()))
    };
    text.lines().filter_map(row).filter(|(id, _)| !id.starts_with('-')).collect()
}

/// Returns the ids that are missing or there twice.
pub fn missing(rows: &[(String, String)], groups: &[(&str, usize)]) -> Vec<String> {
    let ids: BTreeSet<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    let all = groups.iter().flat_map(|(group, least)| (1..=*least).map(move |number| format!("{group}-{number:02}")));
    let mut wrong: Vec<String> = all.filter(|id| !ids.contains(id.as_str())).map(|id| format!("{id} is missing")).collect();
    if ids.len() != rows.len() {
        wrong.push("an id is there twice".to_owned());
    }
    wrong
}

/// Returns what is wrong with the tests that rows name.
pub fn wrong_names(rows: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, shown) in rows {
        if shown.strip_prefix("not yet").is_some() {
            continue;
        }
        for name in shown.split("<br>") {
            let named =
                name.strip_prefix('`').and_then(|name| name.strip_suffix('`')).and_then(|name| name.rsplit_once("::"));
            let Some((file, test)) = named else {
                wrong.push(format!("{id}: `{name}` is no `path::test`"));
                continue;
            };
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            if !is_test(&text, test) {
                wrong.push(format!("{id}: {file} has no test `{test}`"));
            }
        }
    }
    wrong
}

#[test]
fn the_table_of_the_model_is_whole() {
    assert_eq!(missing(&rows_of("assets/MODEL.md"), &GROUPS), Vec::<String>::new());
}

#[test]
fn every_test_that_the_table_names_is_there() {
    let wrong = wrong_names(&rows_of("assets/MODEL.md"));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Says whether a function of that name stands below an attribute `test`.
pub fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let head = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(at, line)| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        head.iter().any(|head| line.starts_with(head.as_str())) && above.into_iter().any(|line| line.contains("test"))
    })
}

#[test]
fn a_function_that_is_no_test_does_not_count() {
    let text = "#[test]\n#[ignore = \"x\"]\nfn a() {}\nfn b() {}\n#[tokio::test]\nasync fn c() {}\n";
    assert_eq!([is_test(text, "a"), is_test(text, "b"), is_test(text, "c"), is_test(text, "d")], [true, false, true, false]);
}
