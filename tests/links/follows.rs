//! Files that are followed: exact offsets, whatever happens to the file, the link and the reader.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ostler::files::{FilePath, LinkSource, follow};
use ostler::model::request::{FollowMode, From, LogDelta};
use ostler::transport::NodeLink;
use ostler::transport::link::Link;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::shells;
use crate::sshd::Host;

/// The longest anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A follower under way.
struct Following {
    deltas: mpsc::Receiver<LogDelta>,
    ended: watch::Sender<bool>,
    /// What came, as a file: bytes at their offsets.
    file: Vec<u8>,
    restarts: Vec<bool>,
}

impl Following {
    fn start(links: impl LinkSource + 'static, path: FilePath, from: From) -> Self {
        let (sender, deltas) = mpsc::channel(64);
        let (ended, is_ended) = watch::channel(false);
        tokio::spawn(follow(links, path, (from, FollowMode::Newest), sender, is_ended));
        Self { deltas, ended, file: Vec::new(), restarts: Vec::new() }
    }

    async fn next(&mut self) -> Option<LogDelta> {
        timeout(PATIENCE, self.deltas.recv()).await.expect("a delta in time")
    }

    /// Takes deltas until the file is as wanted.
    async fn until(&mut self, name: &str, want: &[u8]) {
        while self.file != want {
            let delta = self.next().await.unwrap_or_else(|| panic!("{name}: ended"));
            self.take(name, delta);
        }
    }

    fn take(&mut self, name: &str, delta: LogDelta) {
        match delta {
            LogDelta::Appended(window) => {
                assert_eq!(window.offset, self.file.len() as u64, "{name}: bytes twice or missing");
                assert!(window.size >= window.offset + window.bytes.len() as u64);
                self.file.extend(window.bytes);
            }
            LogDelta::Restarted { truncated } => {
                self.file.clear();
                self.restarts.push(truncated);
            }
            LogDelta::Waiting | LogDelta::Interrupted { .. } => {}
            LogDelta::Skipped { .. } | LogDelta::Ended | LogDelta::Failed(_) => panic!("{name}: {delta:?}"),
        }
    }
}

fn append(path: &Path, text: &[u8]) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text).unwrap();
}

#[tokio::test]
async fn a_file_from_before_its_begin_to_after_its_end() {
    for shell in shells::all() {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("std out.txt");
        let path = FilePath::below(&dir.path().display().to_string(), "std out.txt").unwrap();
        let mut following = Following::start(shell.link.clone(), path, From::Start(0));
        assert_eq!(following.next().await, Some(LogDelta::Waiting), "{}", shell.name);

        let mut want = b"first\n".to_vec();
        append(&log, &want);
        following.until(shell.name, &want).await;
        for part in [b"\0\xff\x1b[2J".as_slice(), b"no line end", b"\n", &[b'x'; 300_000]] {
            append(&log, part);
            want.extend_from_slice(part);
            following.until(shell.name, &want).await;
        }

        // Truncated: said, and begun anew.
        File::create(&log).unwrap();
        following.until(shell.name, b"").await;
        append(&log, b"again\n");
        following.until(shell.name, b"again\n").await;

        // Replaced: what the old one still got comes first.
        let mut old = OpenOptions::new().append(true).open(&log).unwrap();
        fs::rename(&log, dir.path().join("old")).unwrap();
        old.write_all(b"late\n").unwrap();
        following.until(shell.name, b"again\nlate\n").await;
        append(&log, b"new\n");
        following.until(shell.name, b"new\n").await;
        assert_eq!(following.restarts, [true, false], "{}", shell.name);

        // The job ends: all is sent, then that is said, then nothing.
        append(&log, b"last");
        following.ended.send(true).unwrap();
        following.until(shell.name, b"new\nlast").await;
        assert_eq!(following.next().await, Some(LogDelta::Ended), "{}", shell.name);
        assert_eq!(following.next().await, None, "{}", shell.name);
    }
}

#[tokio::test]
async fn where_to_begin() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().display().to_string();
    let content: Vec<u8> = (0..200_000u32).map(|number| b'a' + (number % 26) as u8).collect();
    fs::write(dir.path().join("log"), &content).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let cases = [
        (From::Start(0), 0),
        (From::Start(199_999), 199_999),
        (From::Start(200_000), 200_000),
        (From::Before(100_000), 100_000 - 65_536),
        (From::End, 200_000 - 65_536),
    ];
    for (from, start) in cases {
        let link = shells::all().remove(0).link;
        let mut following = Following::start(link, FilePath::below(&folder, "log").unwrap(), from);
        following.ended.send(true).unwrap();
        following.file = content[..start].to_vec();
        following.until("begin", &content).await;
        assert_eq!(following.next().await, Some(LogDelta::Ended), "{from:?}");
    }
    for (name, want) in [("none", "Ended"), ("folder", "Failed")] {
        let link = shells::all().remove(0).link;
        let mut following = Following::start(link, FilePath::below(&folder, name).unwrap(), From::End);
        following.ended.send(true).unwrap();
        let mut last = None;
        while let Some(delta) = following.next().await {
            last = Some(delta);
        }
        assert!(format!("{last:?}").starts_with(&format!("Some({want}")), "{last:?}");
    }
}

/// The program on the node ends when nobody listens any more.
#[tokio::test]
async fn a_follower_that_is_dropped_leaves_nothing_behind() {
    for shell in shells::all() {
        let dir = TempDir::new().unwrap();
        append(&dir.path().join("log"), b"x");
        let path = FilePath::below(&dir.path().display().to_string(), "log").unwrap();
        let mut following = Following::start(shell.link.clone(), path, From::Start(0));
        following.until(shell.name, b"x").await;
        let holders = || holders_of(dir.path());
        assert!(!holders().is_empty(), "{}", shell.name);
        drop(following);
        let gone = async {
            while !holders().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, gone).await.unwrap_or_else(|_| panic!("{}: {:?}", shell.name, holders()));
    }
}

/// The processes, but for this one, that have a file below a folder open.
fn holders_of(dir: &Path) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let open = |pid: &u32| {
        fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(dir)))
    };
    processes.filter(|pid| *pid != std::process::id()).filter(open).collect()
}

/// A follower of 20 MB whose job has ended, and a reader that has not begun.
struct Slow {
    dir: TempDir,
    content: Vec<u8>,
    deltas: mpsc::Receiver<LogDelta>,
    task: tokio::task::JoinHandle<()>,
    _ended: watch::Sender<bool>,
}

impl Slow {
    fn start(mode: FollowMode) -> Self {
        let dir = TempDir::new().unwrap();
        let content: Vec<u8> = (0..20_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(dir.path().join("log"), &content).unwrap();
        let path = FilePath::below(&dir.path().display().to_string(), "log").unwrap();
        let (sender, deltas) = mpsc::channel(4);
        let (_ended, is_ended) = watch::channel(true);
        let task = tokio::spawn(follow(shells::all().remove(0).link, path, (From::Start(0), mode), sender, is_ended));
        Self { dir, content, deltas, task, _ended }
    }
}

/// A reader that does not read costs no memory; it is told what it missed and goes on near the end.
#[tokio::test]
async fn a_slow_reader_is_skipped() {
    let Slow { dir, content, mut deltas, task, _ended } = Slow::start(FollowMode::Newest);
    // It ends its channel to the node while nobody reads.
    let stopped = async {
        while deltas.len() < 4 || !holders_of(dir.path()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, stopped).await.expect("the node's side ends");
    let (mut at, mut skipped) = (0, 0);
    loop {
        match timeout(PATIENCE, deltas.recv()).await.unwrap().unwrap() {
            LogDelta::Appended(window) => {
                assert_eq!(window.offset, at);
                at += window.bytes.len() as u64;
                assert!(window.bytes == content[window.offset as usize..at as usize]);
            }
            LogDelta::Skipped { from, to } => {
                assert_eq!(from, at);
                skipped += to - from;
                at = to;
            }
            LogDelta::Ended => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(at, content.len() as u64);
    assert!(skipped > 15_000_000, "{skipped}");
    task.await.unwrap();
}

/// For a reader that wants every byte the program on the node waits, beyond the time that last bytes have, and costs no memory.
#[tokio::test]
async fn a_slow_reader_that_wants_every_byte_is_waited_for() {
    let Slow { dir, content, mut deltas, task, _ended } = Slow::start(FollowMode::Every);
    // It stands still while nobody reads: its program has the file open and does not get further.
    let stands = async {
        let mut before = None;
        loop {
            let now: Vec<u64> =
                holders_of(dir.path()).into_iter().filter_map(|pid| position(pid, &dir.path().join("log"))).collect();
            if deltas.len() == 4 && !now.is_empty() && before.as_ref() == Some(&now) {
                break now;
            }
            before = Some(now);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let positions = timeout(PATIENCE, stands).await.expect("it stands still");
    assert!(positions.iter().all(|at| *at < 5_000_000), "{positions:?}");
    let mut at = 0;
    loop {
        match timeout(PATIENCE, deltas.recv()).await.unwrap().unwrap() {
            LogDelta::Appended(window) => {
                assert_eq!(window.offset, at);
                at += window.bytes.len() as u64;
                assert!(window.bytes == content[window.offset as usize..at as usize]);
            }
            LogDelta::Ended => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(at, content.len() as u64);
    task.await.unwrap();
}

/// Returns how far a process has read a file that it has open.
fn position(pid: u32, file: &Path) -> Option<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let fd = entries.flatten().find(|entry| fs::read_link(entry.path()).is_ok_and(|to| to == file))?.file_name();
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", fd.to_string_lossy())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("pos:")?.trim().parse().ok())
}

/// Links to one node, made anew whenever the last one is gone.
struct Reconnecting {
    node: NodeLink,
    current: Mutex<Option<Link>>,
}

impl LinkSource for &'static Reconnecting {
    async fn link(&self) -> Option<Link> {
        let link = Link::connect(&self.node).await.ok()?;
        *self.current.lock().unwrap() = Some(link.clone());
        Some(link)
    }
}

#[tokio::test]
async fn a_lost_link_goes_on_where_it_was() {
    let Some(host) = Host::start("") else { return };
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("log");
    let path = FilePath::below(&dir.path().display().to_string(), "log").unwrap();
    let links: &'static Reconnecting =
        Box::leak(Box::new(Reconnecting { node: host.node("ssh_config"), current: Mutex::new(None) }));
    append(&log, b"begin\n");
    let mut following = Following::start(links, path, From::Start(0));
    let mut want = b"begin\n".to_vec();
    following.until("ssh", &want).await;
    for turn in 0..3 {
        let link = links.current.lock().unwrap().clone().unwrap();
        link.close().await;
        let more = format!("while away {turn}\n");
        append(&log, more.as_bytes());
        want.extend_from_slice(more.as_bytes());
        let delta = following.next().await.unwrap();
        assert!(matches!(delta, LogDelta::Interrupted { .. }), "{delta:?}");
        following.until("ssh", &want).await;
    }
    assert!(following.restarts.is_empty());
    drop(following);
    let link = links.current.lock().unwrap().clone().unwrap();
    link.close().await;
}

/// From the write on the node to the delta here. Printed; the bound is far above what is measured, as the machine may be busy.
#[tokio::test]
async fn lines_come_at_once() {
    let host = Host::start("");
    let mut links = vec![("local", shells::all().remove(0).link)];
    if let Some(host) = &host {
        links.push(("ssh", Link::connect(&host.node("ssh_config")).await.unwrap()));
    }
    for (name, link) in links {
        let dir = TempDir::new().unwrap();
        let log = dir.path().join("log");
        append(&log, b"x");
        let path = FilePath::below(&dir.path().display().to_string(), "log").unwrap();
        let mut following = Following::start(link.clone(), path, From::Start(0));
        let mut want = b"x".to_vec();
        following.until(name, &want).await;
        let mut file = OpenOptions::new().append(true).open(&log).unwrap();
        let mut took = Vec::new();
        for number in 0..200 {
            let line = format!("epoch {number} loss 0.123\n");
            want.extend_from_slice(line.as_bytes());
            let begun = Instant::now();
            file.write_all(line.as_bytes()).unwrap();
            following.until(name, &want).await;
            took.push(begun.elapsed());
        }
        took.sort();
        println!("{name}: one line p50 {:?}, p99 {:?}", took[100], took[197]);
        assert!(took[100] < Duration::from_millis(50), "{name}: {:?}", took[100]);
        drop(following);
        link.close().await;
    }
}
