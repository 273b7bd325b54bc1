//! The database, the lock and the socket: what is not ours, not whole or not free stays as it is.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::sheet::Sheet;
use crate::rig::User;

pub const IDS: &[&str] = &["B66", "B67", "B70", "B71", "B72", "B73"];

#[test]
fn state() {
    let user = User::new();
    user.lab();
    user.run("serve --stop");
    let mut sheet = Sheet::new(user);
    let file = sheet.user.home().join(".local/state/ostler/ostler.sqlite");
    let whole = std::fs::read(&file).expect("the database");

    sheet.row("B66", "made by a newer version");
    let newer = rusqlite::Connection::open(&file).expect("it opens");
    newer.execute_batch("UPDATE meta SET version = '9.1.0'; PRAGMA user_version = 99;").expect("it is changed");
    newer.close().expect("it closes");
    unopened(&mut sheet, &file);

    sheet.row("B67", "no database, one of another program, and a damaged one");
    for content in [&b"hello, world, this is a text"[..], b"\x1b[2J\x1b]0;owned\x07 and more", &[0; 4096]] {
        std::fs::write(&file, content).expect("it is written");
        unopened(&mut sheet, &file);
    }
    let mut damaged = whole.clone();
    damaged[4096..4096 + 64].fill(0xff);
    std::fs::write(&file, damaged).expect("it is written");
    unopened(&mut sheet, &file);
    std::fs::write(&file, whole).expect("it is written");

    sheet.row("B70", "another core has it");
    sheet.user.run("job list");
    sheet.run("--embedded job list");

    sheet.row("B71", "a path too long for a socket");
    let long = sheet.user.home().join("x".repeat(120));
    std::fs::create_dir(&long).expect("a directory");
    std::fs::set_permissions(&long, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    let output = sheet.user.command(&["job", "list"]).env("XDG_RUNTIME_DIR", &long).output().expect("the program starts");
    let ran = sheet.user.ran("job list", output);
    sheet.say(&ran.shown());

    sheet.row("B72", "a socket on which nobody listens is replaced");
    let socket = socket(&sheet);
    sheet.user.run("serve --stop");
    drop(UnixListener::bind(&socket).expect("a stale socket"));
    sheet.run("job list -o name");
    sheet.user.run("serve --stop");

    sheet.row("B73", "what is no socket of ours stays");
    std::fs::write(&socket, "mine").expect("a file");
    sheet.run("job list -o name");
    assert_eq!(std::fs::read_to_string(&socket).expect("the file"), "mine");
    std::fs::remove_file(&socket).expect("it goes");
    std::os::unix::fs::symlink("/dev/null", &socket).expect("a link");
    sheet.run("job list -o name");
    assert!(socket.is_symlink());
    std::fs::remove_file(&socket).expect("it goes");
    std::fs::set_permissions(socket.parent().expect("a directory"), std::fs::Permissions::from_mode(0o777))
        .expect("its mode");
    sheet.run("job list -o name");

    let filters = [
        (r"pid \d+", "pid PID"),
        (r"[0-9a-f]{16}\.sock", "SOCKET"),
        (r"is \d+ bytes", "is MANY bytes"),
        (r"this is [0-9.]+ \(schema \d+\)", "this is OURS"),
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^ `\n]*", "TIME"),
        (r"boot [0-9a-f-]{36}", "boot BOOT"),
        (r"page \d+[^\n]*", "page SO AND SO"),
    ];
    let text = sheet.end(IDS).1;
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!("bad-state", text); });
}

/// A core on it does not start, and not one byte of it is changed.
fn unopened(sheet: &mut Sheet, file: &PathBuf) {
    let before = std::fs::read(file).expect("the database");
    sheet.run("--embedded workspace list");
    assert_eq!(std::fs::read(file).expect("the database"), before, "it was changed");
}

fn socket(sheet: &Sheet) -> PathBuf {
    let folder = sheet.user.home().join("ostler");
    let all = std::fs::read_dir(&folder).expect("the directory of sockets").flatten();
    let found = all.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "sock"));
    found.expect("the socket of the core")
}
