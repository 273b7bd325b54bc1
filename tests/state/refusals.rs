//! Files and places that are not opened, and stay as they are.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ostler::model::units::UnixMillis;
use ostler::store::{Db, Store, StoreError, glance};

use super::samples::*;

fn refusal(path: &Path) -> String {
    match Db::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error @ StoreError::Refused { .. }) => error.to_string(),
        Err(other) => panic!("not a refusal: {other:?}"),
    }
}

/// Runs SQL on the file as another program would.
fn with_sqlite(path: &Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn files_that_are_not_ours() {
    let place = Place::new();
    let file = place.file();
    let page = |head: &[u8]| [head, &[0x5a; 4096]].concat();
    for (case, content, words) in [
        ("text", b"hello, world, this is a text".to_vec(), "is not an ostler database (it begins with `hello, world, th`)"),
        ("short", b"x".to_vec(), "is not an ostler database"),
        ("escape", b"\x1b[2J\x1b]0;owned\x07....".to_vec(), "\\u{1b}[2J"),
        ("garbage behind the magic", page(b"SQLite format 3\0"), "is not an ostler database"),
    ] {
        fs::write(&file, &content).unwrap();
        let error = refusal(&file);
        assert!(error.contains(words), "{case}: {error}");
        assert!(!error.contains('\x1b'), "{case}");
        assert_eq!(fs::read(&file).unwrap(), content, "{case}: it was changed");
    }
}

#[test]
fn a_database_of_another_program() {
    let place = Place::new();
    with_sqlite(&place.file(), "PRAGMA application_id = 7; CREATE TABLE t (x);");
    let before = fs::read(place.file()).unwrap();
    assert!(refusal(&place.file()).contains("another program (application id 0x7)"));
    assert!(Db::check(&place.file()).is_err());
    assert!(glance(&place.file(), UnixMillis(1)).is_none());
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

#[test]
fn a_database_of_a_newer_version() {
    let place = Place::new();
    drop(place.open());
    with_sqlite(&place.file(), "UPDATE meta SET version = '9.1.0'; PRAGMA user_version = 14;");
    let error = refusal(&place.file());
    assert!(error.contains("was made by ostler 9.1.0 (schema 14), this is"), "{error}");
    assert!(error.ends_with("not opened"), "{error}");
    let error = Db::check(&place.file()).unwrap_err().to_string();
    assert!(error.contains("9.1.0"), "{error}");
    assert!(glance(&place.file(), UnixMillis(1)).is_none());
}

#[test]
fn an_empty_file_is_a_new_database() {
    let place = Place::new();
    assert!(glance(&place.file(), UnixMillis(1)).is_none());
    fs::write(place.file(), "").unwrap();
    assert!(glance(&place.file(), UnixMillis(1)).is_none());
    fs::set_permissions(place.file(), fs::Permissions::from_mode(0o644)).unwrap();
    Db::check(&place.file()).unwrap();
    let mut db = place.open();
    db.commit(&turn(1)).unwrap();
    assert_eq!(fs::metadata(place.file()).unwrap().mode() & 0o7777, 0o600);
    Db::check(&place.file()).unwrap();
}

#[test]
fn what_is_no_file() {
    let place = Place::new();
    fs::create_dir(place.file()).unwrap();
    assert!(refusal(&place.file()).contains("is no file but a directory"));
    fs::remove_dir(place.file()).unwrap();
    let elsewhere = place.dir.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, place.file()).unwrap();
    assert!(refusal(&place.file()).contains("is no file but a link"));
}

#[test]
fn damage_is_found_and_nothing_is_overwritten() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, (1..400).map(|id| queued(id, 1)).collect())).unwrap();
    drop(db);
    let whole = fs::read(place.file()).unwrap();
    let pages = whole.len() / 4096;
    let mut found = 0;
    for page in 1..pages {
        let mut bytes = whole.clone();
        bytes[page * 4096..page * 4096 + 64].fill(0xff);
        fs::write(place.file(), &bytes).unwrap();
        // A page of a row that overflows has no structure of its own to be wrong.
        match Db::open(&place.file()) {
            Ok(_) => {}
            Err(StoreError::Refused { why, .. }) => {
                assert!(why.starts_with("is damaged") || why.starts_with("is not"), "page {page}: {why}");
                assert_eq!(fs::read(place.file()).unwrap(), bytes, "page {page}");
                found += 1;
            }
            Err(other) => panic!("page {page}: {other:?}"),
        }
    }
    assert!(found * 10 >= pages * 8, "{found} of {pages}");
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let place = Place::new();
    let mut db = place.open();
    db.commit(&rows_turn(1, vec![queued(1, 1), queued(2, 1)])).unwrap();
    with_sqlite(&place.file(), "UPDATE job SET body = '{\"id\":2}' WHERE id = 2;");
    let error = db.load().unwrap_err().to_string();
    assert!(error.contains("table job, row 2: missing field"), "{error}");
}

#[test]
fn places_that_cannot_be_written() {
    let place = Place::new();
    let missing = place.dir.path().join("no").join("x.sqlite");
    assert!(refusal(&missing).contains("cannot be examined"));
    // Nobody may make files there, root included.
    let error = refusal(Path::new("/proc/self/ostler.sqlite"));
    assert!(error.contains("no space left") || error.contains("cannot be made"), "{error}");
}
