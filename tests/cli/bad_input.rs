//! The table of bad input (reliability B01 to B90): what is given, what is said in full, and that nothing else has changed. Each
//! chapter is one golden text; a row that another test drives better, or that cannot be given here at all, is named with its
//! reason in [`ELSEWHERE`].

mod elsewhere;
mod hosts;
mod jobs;
mod settings;
mod sheet;
mod state;
mod terminal;

use std::collections::BTreeMap;
use std::path::Path;

use elsewhere::ELSEWHERE;

/// The rows that this table drives, by chapter.
const HERE: &[&[&str]] = &[settings::IDS, hosts::IDS, jobs::IDS, state::IDS, terminal::IDS];

/// How many rows the study has.
const ROWS: usize = 90;

#[test]
fn every_row_is_driven_or_says_why_not() {
    let mut shown: BTreeMap<String, usize> = (1..=ROWS).map(|number| (format!("B{number:02}"), 0)).collect();
    for id in HERE.iter().flat_map(|ids| ids.iter()).chain(ELSEWHERE.iter().map(|row| &row.0)) {
        *shown.get_mut(*id).unwrap_or_else(|| panic!("there is no row {id}")) += 1;
    }
    let wrong: Vec<_> = shown.iter().filter(|(_, count)| **count != 1).collect();
    assert!(wrong.is_empty(), "rows that are missing or there twice: {wrong:?}");
    for (id, test, why) in ELSEWHERE {
        assert!(why.len() > 20, "{id}: `{why}` is no reason");
        let Some((file, name)) = test.rsplit_once("::") else {
            assert!(test.is_empty(), "{id}: `{test}` is no `path::test`");
            continue;
        };
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
        assert!(text.contains(&format!("fn {name}(")), "{id}: {file} has no `{name}`");
    }
    let without = ELSEWHERE.iter().filter(|row| row.1.is_empty()).count();
    let (here, there) = (ROWS - ELSEWHERE.len(), ELSEWHERE.len() - without);
    crate::tables::table(&format!("bad input: {ROWS} rows, {here} here, {there} by other tests, {without} with a reason"));
}
