//! The table of `assets/UX.md`: whole, with stable ids, and every test that it names is in the tree.

use crate::model::{missing, rows_of, wrong_names};

/// How many rows each group has; rows are only ever added.
const GROUPS: [(&str, usize); 8] = [("S", 19), ("N", 5), ("J", 15), ("L", 16), ("M", 14), ("T", 5), ("W", 5), ("K", 15)];

#[test]
fn the_table_of_the_screen_is_whole() {
    assert_eq!(missing(&rows_of("assets/UX.md"), &GROUPS), Vec::<String>::new());
}

#[test]
fn every_test_that_the_table_of_the_screen_names_is_there() {
    let wrong = wrong_names(&rows_of("assets/UX.md"));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
