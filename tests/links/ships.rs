//! The code of jobs comes to a node once, whole or not at all, in each shell.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ostler::code::{Keep, Limits, Shelf};
use ostler::files::ship::{Parcel, SPARE, ship};
use ostler::model::spec::Code;
use ostler::model::spec::code::Digest;
use ostler::model::units::Bytes;
use ostler::transport::link::Link;
use ostler::transport::local::LocalLink;
use tempfile::TempDir;

use crate::shells;

const LIMITS: Limits = Limits { file: Bytes(10 << 20), whole: Bytes(10 << 20) };

struct Place(TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Takes a snapshot of a directory in which one file says this.
    fn take(&self, said: &str) -> Digest {
        let source = self.path("source");
        fs::create_dir_all(source.join("lib")).unwrap();
        fs::write(source.join("run.sh"), format!("#!/bin/sh\necho {said}\n")).unwrap();
        fs::set_permissions(source.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(source.join("lib/big"), said.repeat(300_000)).unwrap();
        let code = Code::of(source.display().to_string());
        Shelf::of(&self.path("state")).take(&code, &LIMITS, Keep::Yes).unwrap().digest
    }

    fn parcel(&self, digest: &Digest) -> Parcel {
        let archive = Shelf::of(&self.path("state")).archive(digest);
        Parcel { root: self.path("node").display().to_string(), digest: digest.clone(), archive, needed: Vec::new() }
    }

    fn there(&self, digest: &Digest) -> PathBuf {
        self.path("node/code").join(digest.as_str())
    }

    fn names(&self) -> BTreeSet<String> {
        fs::read_dir(self.path("node/code"))
            .into_iter()
            .flatten()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// What is read-only does not stand in the way of the next test.
impl Drop for Place {
    fn drop(&mut self) {
        ostler::code::loosen(self.0.path());
    }
}

/// Runs the node's program by hand, with these bytes behind its questions; its standard input stays open when `hangs`.
fn by_hand(shell: &[String], parcel: &Parcel, bytes: &[u8], hangs: bool) -> std::process::Child {
    let program = include_str!("../../assets/agent/code.sh");
    let mut child = Command::new(&shell[0])
        .args(&shell[1..])
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let size = fs::metadata(&parcel.archive).unwrap().len();
    stdin.write_all(format!("{}\n{}\n{size}\n{SPARE}\n\n", parcel.root, parcel.digest).as_bytes()).unwrap();
    stdin.write_all(bytes).unwrap();
    stdin.flush().unwrap();
    if hangs {
        child.stdin = Some(stdin);
    }
    child
}

#[tokio::test]
async fn it_comes_once_is_checked_and_cannot_be_changed() {
    for shell in shells::all() {
        let place = Place(tempfile::tempdir().unwrap());
        let (link, shell) = (&shell.link, shell.name);
        let digest = place.take("one");
        let parcel = place.parcel(&digest);
        assert_eq!(ship(link, &parcel).await.unwrap(), BTreeSet::from([digest.clone()]), "{shell}");
        let there = place.there(&digest);
        let said = Command::new(there.join("run.sh")).output().unwrap();
        assert_eq!(said.stdout, b"one\n", "{shell}");
        for name in ["", "run.sh", "lib", "lib/big"] {
            let mode = fs::metadata(there.join(name)).unwrap().mode();
            assert_eq!(mode & 0o222, 0, "{shell}: {name} {mode:o}");
        }
        // The second time not a byte goes: what would go is nonsense by now.
        let before = fs::metadata(&there).unwrap().ino();
        fs::write(&parcel.archive, "nonsense").unwrap();
        ship(link, &parcel).await.unwrap();
        assert_eq!(fs::metadata(&there).unwrap().ino(), before, "{shell}");
        assert_eq!(place.names().len(), 2, "{shell}: {:?}", place.names());
    }
}

#[tokio::test]
async fn what_is_cut_off_in_the_middle_or_is_not_what_it_should_be_leaves_nothing() {
    for shell in shells::all() {
        let place = Place(tempfile::tempdir().unwrap());
        let (link, words, shell) = (&shell.link, &shell.words, shell.name);
        let digest = place.take("half");
        let parcel = place.parcel(&digest);
        let whole = fs::read(&parcel.archive).unwrap();
        // The link is lost.
        let mut cut = by_hand(words, &parcel, &whole[..whole.len() / 2], false);
        cut.wait().unwrap();
        assert_eq!(place.names(), BTreeSet::new(), "{shell}");
        // The node is lost: its half is there, under no name that counts, and goes the next time.
        let mut killed = by_hand(words, &parcel, &whole[..whole.len() / 2], true);
        let part = format!("part.{}", killed.id());
        while !place.names().contains(&part) {
            tokio::task::yield_now().await;
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(!place.there(&digest).exists(), "{shell}");
        // Something else comes under its name.
        let mut wrong = whole.clone();
        wrong[600] ^= 1;
        fs::write(&parcel.archive, &wrong).unwrap();
        let error = ship(link, &parcel).await.unwrap_err().to_string();
        assert!(error.contains("another sum"), "{shell}: {error}");
        assert_eq!(place.names(), BTreeSet::new(), "{shell}");
        fs::write(&parcel.archive, &whole).unwrap();
        ship(link, &parcel).await.unwrap();
        assert!(place.there(&digest).join("lib/big").is_file(), "{shell}");
        assert!(!place.names().contains(&part), "{shell}");
    }
}

#[tokio::test]
async fn of_those_that_no_live_job_wants_the_last_few_stay() {
    let place = Place(tempfile::tempdir().unwrap());
    let link = Link::Local(LocalLink::new());
    let wanted = place.take("wanted");
    let mut all = vec![wanted.clone()];
    ship(&link, &place.parcel(&wanted)).await.unwrap();
    for at in 0..=SPARE {
        let digest = place.take(&format!("n{at}"));
        let parcel = Parcel { needed: vec![wanted.clone()], ..place.parcel(&digest) };
        let there = ship(&link, &parcel).await.unwrap();
        assert!(there.contains(&wanted) && there.contains(&digest));
        // As if some time had passed.
        let used = place.path("node/code").join(format!("{digest}.used"));
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(u64::from(1000 - at));
        fs::File::open(used).unwrap().set_modified(then).unwrap();
        all.push(digest);
    }
    let last = place.take("last");
    let there = ship(&link, &Parcel { needed: vec![wanted.clone()], ..place.parcel(&last) }).await.unwrap();
    assert!(there.contains(&wanted), "a live job wants it, however long ago it came");
    assert!(!there.contains(&all[1]) && !place.there(&all[1]).exists(), "the one that was used longest ago goes");
    assert_eq!(there.len(), SPARE as usize + 2);
}

#[tokio::test]
async fn a_node_that_cannot_have_it_says_why() {
    let place = Place(tempfile::tempdir().unwrap());
    let digest = place.take("x");
    fs::write(place.path("node"), "no directory").unwrap();
    let error = ship(&Link::Local(LocalLink::new()), &place.parcel(&digest)).await.unwrap_err().to_string();
    assert!(error.contains("the node cannot keep the code"), "{error}");
    fs::remove_file(&place.parcel(&digest).archive).unwrap();
    let error = ship(&Link::Local(LocalLink::new()), &place.parcel(&digest)).await.unwrap_err().to_string();
    assert!(error.contains("is not kept here any more"), "{error}");
    assert!(Path::new(&place.path("state/code")).is_dir());
}
