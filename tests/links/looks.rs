//! Windows, lists and searches of files on a node, in each shell.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ostler::files::window::WINDOW_BYTES_MAX;
use ostler::files::{Desk, Direction, FileError, FilePath};
use ostler::model::request::{FileKind, From};
use ostler::transport::link::{Link, Traffic};
use tempfile::TempDir;

use crate::shells;
use crate::sshd::Host;

fn at(dir: &TempDir, name: &str) -> FilePath {
    FilePath::below(&dir.path().display().to_string(), name).unwrap()
}

#[tokio::test]
async fn windows_in_both_directions() {
    let dir = TempDir::new().unwrap();
    let content: Vec<u8> = (0..10_000u32).flat_map(|number| format!("line {number}\n\0\u{1b}").into_bytes()).collect();
    let size = content.len() as u64;
    fs::write(dir.path().join("it's a log.txt"), &content).unwrap();
    let path = at(&dir, "it's a log.txt");
    for shell in shells::all() {
        let desk = Desk::new(shell.link);
        let cases = [
            (From::Start(0), 10, 0..10),
            (From::Start(4095), 2, 4095..4097),
            (From::Start(5000), 8192, 5000..13_192),
            (From::Start(size - 3), 100, size - 3..size),
            (From::Start(size), 100, size..size),
            (From::Before(5), 100, 0..5),
            (From::Before(9000), 5000, 4000..9000),
            (From::End, 100, size - 100..size),
            (From::End, u32::MAX, 0..size),
        ];
        for (from, bytes, range) in cases {
            let window = desk.window(&path, from, bytes).await.unwrap_or_else(|error| panic!("{}: {error}", shell.name));
            let start = range.end.saturating_sub(u64::from(WINDOW_BYTES_MAX)).max(range.start);
            assert_eq!((window.offset, window.size), (start, size), "{} {from:?}", shell.name);
            assert!(window.bytes == content[start as usize..range.end as usize], "{} {from:?}", shell.name);
            assert_ne!(window.inode, 0);
        }
        let beyond = desk.window(&path, From::Start(size + 10_000), 5).await.unwrap();
        assert_eq!((beyond.bytes.len(), beyond.size), (0, size), "{}", shell.name);
    }
}

/// What a job put where its log was must not be opened: a link, a pipe that never answers, a device that never ends.
#[tokio::test]
async fn only_regular_files_are_read() {
    let dir = TempDir::new().unwrap();
    symlink("/etc/passwd", dir.path().join("link")).unwrap();
    symlink("/dev/zero", dir.path().join("zero")).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    for shell in shells::all() {
        let desk = Desk::new(shell.link);
        for name in ["link", "zero", "folder", "pipe"] {
            for from in [From::Start(0), From::End] {
                let error = desk.window(&at(&dir, name), from, 100).await.unwrap_err();
                assert!(matches!(error, FileError::NotRegular { .. }), "{} {name}: {error}", shell.name);
            }
            let error = desk.search(&at(&dir, name), "root", 0, Direction::Forwards).await.unwrap_err();
            assert!(matches!(error, FileError::NotRegular { .. }), "{} {name}: {error}", shell.name);
        }
        let error = desk.window(&at(&dir, "none"), From::End, 100).await.unwrap_err();
        assert_eq!(error.fault().message, "there is no file `none` on the node", "{}", shell.name);
    }
}

#[tokio::test]
async fn a_file_of_10_gb_opens_at_once() {
    const SIZE: u64 = 10 << 30;
    let dir = TempDir::new().unwrap();
    let mut file = File::create(dir.path().join("big")).unwrap();
    file.seek(SeekFrom::Start(SIZE - 9)).unwrap();
    file.write_all(b"the end.\n").unwrap();
    let path = at(&dir, "big");
    for shell in shells::all() {
        let desk = Desk::new(shell.link);
        desk.window(&path, From::Start(0), 1).await.unwrap();
        let begun = Instant::now();
        let window = desk.window(&path, From::End, 1000).await.unwrap();
        assert!(window.bytes.ends_with(b"\0the end.\n"), "{}", shell.name);
        assert_eq!((window.offset, window.size), (SIZE - 1000, SIZE), "{}", shell.name);
        let middle = desk.window(&path, From::Before(5 << 30), 1000).await.unwrap();
        assert_eq!((middle.offset, middle.bytes.len()), ((5 << 30) - 1000, 1000), "{}", shell.name);
        let took = begun.elapsed();
        println!("{}: end and middle of 10 GB in {took:?}", shell.name);
        assert!(took < Duration::from_secs(2), "{}: {took:?}", shell.name);
    }
}

#[tokio::test]
async fn lists_name_what_can_be_read() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir_all(dir.path().join("attempt-1/deep")).unwrap();
    write("stdout.txt", "12345");
    write("my notes.txt", "");
    write("attempt-1/stdout.txt", "1");
    write("attempt-1/deep/no.txt", "");
    write("bad\nname", "");
    write("bad\u{1b}[2J", "");
    symlink("/etc/passwd", dir.path().join("link")).unwrap();
    for shell in shells::all() {
        let desk = Desk::new(shell.link);
        let files = desk.list(&at(&dir, ""), 3).await.unwrap();
        let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.size, file.node)).collect();
        assert_eq!(names, [("attempt-1/stdout.txt", 1, 3), ("my notes.txt", 0, 3), ("stdout.txt", 5, 3)], "{}", shell.name);
        assert!(files.iter().all(|file| file.modified.0 > 1_700_000_000_000), "{}: {files:?}", shell.name);
        assert_eq!(desk.list(&at(&dir, "none"), 0).await.unwrap(), [], "{}", shell.name);
    }
}

#[tokio::test]
async fn a_directory_is_listed_one_level_with_all_that_is_in_it() {
    let dir = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
    write("model.bin", "12345");
    write(".hidden", "1");
    write("sub/inner.txt", "12");
    write("two\nlines", "");
    write("bad\u{1b}[2J", "");
    symlink("/etc/passwd", dir.path().join("link")).unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink(dir.path(), outside.path().join("way-in")).unwrap();
    assert!(Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap().success());
    for shell in shells::all() {
        let (name, desk) = (shell.name, Desk::new(shell.link));
        let found = desk.entries(&at(&dir, ""), 1).await.unwrap().unwrap();
        let seen: Vec<_> = found.entries.iter().map(|e| (e.name.as_str(), e.kind, e.size)).collect();
        let (file, folder) = (FileKind::File, FileKind::Directory);
        let link = FileKind::Link;
        assert_eq!(
            seen,
            [
                (".hidden", file, 1),
                ("link", link, 0),
                ("model.bin", file, 5),
                ("out", link, 0),
                ("pipe", FileKind::Special, 0),
                ("sub", folder, 0)
            ],
            "{name}"
        );
        assert!(found.entries.iter().all(|e| e.node == 1 && e.inode != 0), "{name}");
        let mut odd: Vec<&str> = found.odd.iter().map(|name| name.as_str()).collect();
        odd.sort_unstable();
        assert!(odd.len() == 2 && odd[1] == "two?lines" && !odd[0].contains('\u{1b}'), "{name}: {odd:?}");
        let inner = desk.entries(&at(&dir, "sub"), 0).await.unwrap().unwrap();
        assert_eq!(inner.entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["deep", "inner.txt"], "{name}");
        assert!(desk.entries(&at(&dir, "none"), 0).await.unwrap().is_none(), "{name}");
        // A directory may be reached by links, but none below it is followed.
        let by_link = FilePath::below(&outside.path().join("way-in").display().to_string(), "").unwrap();
        assert_eq!(desk.entries(&by_link, 0).await.unwrap().unwrap().entries.len(), 6, "{name}");
        for below in ["out", "model.bin", "link", "pipe"] {
            let error = desk.entries(&at(&dir, below), 0).await.unwrap_err();
            assert!(matches!(error, FileError::NotFolder { .. }), "{name} {below}: {error}");
        }
        let error = desk.window(&at(&dir, "out/secret"), From::End, 10).await.unwrap_err();
        assert!(matches!(error, FileError::NotRegular { .. }), "{name}: {error}");
        assert_eq!(
            desk.window(&by_link.join("sub/inner.txt").unwrap(), From::End, 10).await.unwrap().bytes,
            b"12",
            "{name}"
        );
    }
}

/// More looks than there are channels, while one channel is busy with a search: each waits for its turn, none for good.
#[tokio::test]
async fn looks_share_the_channels_that_there_are() {
    let Some(host) = Host::start("") else { return };
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log"), "text").unwrap();
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let desk = Desk::new(link.clone());
    let path = at(&dir, "log");
    let held = link.open_data(Traffic::Look, "cat").await.unwrap();
    let looks = (0..8).map(|_| desk.window(&path, From::End, 10));
    let seen = tokio::time::timeout(Duration::from_secs(60), futures_util::future::join_all(looks)).await;
    for window in seen.expect("no look waits for ever") {
        assert_eq!(window.unwrap().bytes, b"text");
    }
    drop(held);
    link.close().await;
}

#[tokio::test]
async fn searches_find_the_line() {
    let dir = TempDir::new().unwrap();
    const PART: u64 = 32 << 20;
    let mut file = File::create(dir.path().join("log")).unwrap();
    let filler = format!("{}\n", "epoch 7 loss 0.123 ".repeat(5)).repeat(360_000);
    file.write_all(&filler.as_bytes()[..PART as usize + 100_000]).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(b"first needle line\nsecond\nthird needle, needle\n").unwrap();
    // One across the end of a part, one whose line begins in the part before.
    file.seek(SeekFrom::Start(PART - 3)).unwrap();
    file.write_all(b"\nneedle across\n").unwrap();
    file.seek(SeekFrom::Start(PART + 90_000)).unwrap();
    file.write_all(b"\nlong line with a needle.* in it\n").unwrap();
    let end = file.stream_position().unwrap();
    let path = at(&dir, "log");
    let third = 25;
    use Direction::{Backwards, Forwards};
    let cases = [
        ("needle", 0, Forwards, Some(0)),
        ("needle", 18, Forwards, Some(third)),
        ("needle", 46, Forwards, Some(PART - 2)),
        ("needle", PART + 12, Forwards, Some(PART + 90_001)),
        ("needle", PART + 90_100, Forwards, None),
        ("needle", end, Backwards, Some(PART + 90_001)),
        ("needle", PART + 90_001, Backwards, Some(PART - 2)),
        ("needle", PART - 2, Backwards, Some(third)),
        ("needle", third, Backwards, Some(0)),
        ("needle", 0, Backwards, None),
        ("needle.*", 0, Forwards, Some(PART + 90_001)),
        ("second", u64::MAX, Backwards, Some(18)),
        ("; touch /tmp/x $(x) 'q' \\", 0, Forwards, None),
    ];
    for shell in shells::all() {
        let desk = Desk::new(shell.link);
        for (text, from, direction, want) in cases {
            let found =
                desk.search(&path, text, from, direction).await.unwrap_or_else(|error| panic!("{}: {error}", shell.name));
            assert_eq!(found, want, "{} {text} {from} {direction:?}", shell.name);
        }
        for text in ["", "a\nb", &"x".repeat(2000)] {
            assert!(matches!(desk.search(&path, text, 0, Forwards).await, Err(FileError::Text)));
        }
    }
}

/// A start-up file that prints something, and a login shell that is none.
#[tokio::test]
async fn noise_before_the_program_is_passed_over_or_said() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("log"), "text").unwrap();
    let Some(host) = Host::start("ForceCommand printf 'Welcome to the cluster'; eval \"$SSH_ORIGINAL_COMMAND\"") else {
        return;
    };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let desk = Desk::new(link.clone());
    assert_eq!(desk.window(&at(&dir, "log"), From::End, 10).await.unwrap().bytes, b"text");
    link.close().await;
    assert!(matches!(desk.window(&at(&dir, "log"), From::End, 10).await, Err(FileError::Link(_))));

    let Some(host) = Host::start("ForceCommand echo No login $'\\033'[2J for you") else { return };
    let link = Link::connect(&host.node("ssh_config")).await.unwrap();
    let error = Desk::new(link.clone()).window(&at(&dir, "log"), From::End, 10).await.unwrap_err();
    assert!(error.to_string().contains("it said: No login"), "{error}");
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
    link.close().await;
}

/// A file that takes minutes to read: what reads it is ended with the search.
#[tokio::test]
async fn a_search_that_nobody_waits_for_ends_on_the_node() {
    const LINE: u64 = 64 << 20;
    let dir = TempDir::new().unwrap();
    let mut file = File::create(dir.path().join("log")).unwrap();
    for line in 1..4_000 {
        file.seek(SeekFrom::Start(line * LINE)).unwrap();
        file.write_all(b"\n").unwrap();
    }
    drop(file);
    let path = at(&dir, "log");
    for shell in shells::all() {
        let desk = Desk::new(shell.link);
        let searched = path.clone();
        let search = tokio::spawn(async move { desk.search(&searched, "nowhere", 0, Direction::Forwards).await });
        readers(dir.path(), shell.name, |count| count > 0).await;
        search.abort();
        readers(dir.path(), shell.name, |count| count == 0).await;
    }
}

/// Waits until so many programs have the log of a folder open.
async fn readers(dir: &Path, shell: &str, enough: impl Fn(usize) -> bool) {
    let log = dir.join("log");
    let open = |fd: fs::DirEntry| fs::read_link(fd.path()).is_ok_and(|file| file == log);
    let reads = |process: &fs::DirEntry| fs::read_dir(process.path().join("fd")).is_ok_and(|fds| fds.flatten().any(open));
    let looks = async {
        while !enough(fs::read_dir("/proc").unwrap().flatten().filter(|process| reads(process)).count()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Where a file is searched in parts, a part is read to its end, which takes long beside other work.
    tokio::time::timeout(Duration::from_secs(120), looks).await.unwrap_or_else(|_| panic!("{shell}: readers of {log:?}"));
}
