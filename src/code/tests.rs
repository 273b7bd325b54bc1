//! Snapshots of directories as they are on a disk, with the real git.

use std::collections::BTreeSet;

use super::*;

const LIMITS: Limits = Limits { file: Bytes(1000), whole: Bytes(3000) };

struct Place(tempfile::TempDir);

impl Place {
    fn new(files: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("code")).unwrap();
        files.iter().for_each(|(name, content)| place.put(name, content));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.path("code").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn code(&self) -> Code {
        Code::of(self.path("code").to_string_lossy())
    }

    fn shelf(&self) -> Shelf {
        Shelf::of(&self.path("state"))
    }

    fn take(&self) -> Result<Taken, Fault> {
        self.shelf().take(&self.code(), &LIMITS, Keep::Yes)
    }

    fn names(&self, taken: &Taken) -> Vec<String> {
        self.shelf().kept(taken).unwrap().files.into_iter().map(|file| file.path).collect()
    }

    fn git(&self, args: &[&str]) {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]).args(args);
        assert!(git.current_dir(self.path("code")).output().unwrap().status.success(), "{args:?}");
    }
}

#[test]
fn the_same_content_is_the_same_snapshot_and_another_is_another() {
    let files = [("a.py", "print(1)"), ("lib/b.py", "x")];
    let (one, other) = (Place::new(&files), Place::new(&files));
    let first = one.take().unwrap();
    assert_eq!(first.files, 2);
    assert_eq!(first.bytes, Bytes(9));
    assert_eq!(first, other.take().unwrap(), "times, owners and places make no difference");
    assert_eq!(first, one.take().unwrap());
    let looked = one.shelf().take(&one.code(), &LIMITS, Keep::No).unwrap();
    assert_eq!(looked, first, "a plan says what a submission would keep");
    one.put("a.py", "print(2)");
    assert_ne!(one.take().unwrap().digest, first.digest);
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(other.path("code/a.py"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_ne!(other.take().unwrap().digest, first.digest, "whether it can be run makes a difference");
    assert!(one.shelf().has(&first.digest) && one.shelf().archive(&first.digest).is_file());
    let parts = fs::read_dir(one.path("state/code")).unwrap().flatten();
    assert!(parts.into_iter().all(|e| !e.file_name().to_string_lossy().starts_with("part-")));
}

#[test]
fn a_plan_writes_nothing() {
    let place = Place::new(&[("a", "1")]);
    place.shelf().take(&place.code(), &LIMITS, Keep::No).unwrap();
    assert!(!place.path("state").exists());
}

#[test]
fn all_secrets_and_big_files_are_refused_at_once_with_name_size_and_remedy() {
    let key = format!("-----BEGIN RSA PRIVATE{}-----", " KEY");
    let place =
        Place::new(&[("train.py", "x"), (".env", "A=1"), ("conf/deploy.txt", &key), ("data.bin", &"d".repeat(1001))]);
    let fault = place.take().unwrap_err();
    assert!(fault.message.ends_with("is not taken: 3 files are not to go along"), "{fault:?}");
    let causes = fault.causes.join("\n");
    for said in [
        "`.env` (3 B) is a secret by its name",
        "`data.bin` (1001 B) is larger than 1000 B",
        "`conf/deploy.txt`",
        "private key",
    ] {
        assert!(causes.contains(said), "{said}: {causes}");
    }
    let hints = fault.hints.join("\n");
    for said in [".ostlerignore", "--secret", "--code-allow", "code_file_max_bytes"] {
        assert!(hints.contains(said), "{said}: {hints}");
    }
    assert_eq!(fs::read_dir(place.path("state/code")).unwrap().count(), 0, "nothing of it is kept");
    // The remedies that the refusal names.
    place.put(".ostlerignore", "data.bin\n.env\n");
    let code = Code { allow: vec!["conf/deploy.txt".into()], ..place.code() };
    let taken = place.shelf().take(&code, &LIMITS, Keep::Yes).unwrap();
    assert_eq!(place.names(&taken), [".ostlerignore", "conf/deploy.txt", "train.py"]);
}

#[test]
fn too_much_in_all_is_refused() {
    let content = "d".repeat(900);
    let place = Place::new(&[("a", &content), ("b", &content), ("c", &content), ("d", &content)]);
    let fault = place.take().unwrap_err();
    assert!(fault.message.contains("has 3.5 KiB in all, the limit is 2.9 KiB"), "{fault:?}");
    for (directory, said) in [("relative", "no absolute path"), ("/nonexistent/x", "no directory here")] {
        let fault = place.shelf().take(&Code::of(directory), &LIMITS, Keep::Yes).unwrap_err();
        assert!(fault.message.contains(said), "{fault:?}");
    }
    let empty = Place::new(&[]).take().unwrap_err();
    assert!(empty.message.contains("has no file"), "{empty:?}");
}

#[test]
fn a_link_is_kept_and_never_followed() {
    let place = Place::new(&[("a", "1")]);
    fs::write(place.path("outside.pem"), "secret").unwrap();
    std::os::unix::fs::symlink("../outside.pem", place.path("code/l")).unwrap();
    std::os::unix::fs::symlink("/nowhere", place.path("code/m")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, place.path("code/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let taken = place.take().unwrap();
    assert_eq!(place.names(&taken), ["a", "l", "m"]);
    let archive = fs::read(place.shelf().archive(&taken.digest)).unwrap();
    assert!(!archive.windows(6).any(|bytes| bytes == b"secret"));
}

#[test]
fn git_decides_what_goes_and_its_commit_branch_and_difference_are_kept() {
    let place = Place::new(&[
        ("a.py", "one\n"),
        ("gone.py", "1\n"),
        (".gitignore", "*.ckpt\n.env\n"),
        ("w.ckpt", "9"),
        (".env", "K=1"),
    ]);
    place.git(&["init", "-q"]);
    place.git(&["add", "-A"]);
    let before = place.take().unwrap();
    assert_eq!(before.git.as_ref().unwrap().commit, None, "there is no commit yet");
    place.git(&["commit", "-qm", "first"]);
    let clean = place.take().unwrap();
    let git = clean.git.clone().unwrap();
    assert_eq!(git.commit.as_ref().map(String::len), Some(40));
    assert_eq!((git.branch.as_deref(), git.is_dirty(), git.diff.clone()), (Some("main"), false, None));
    assert_eq!(place.names(&clean), [".gitignore", "a.py", "gone.py"], "what git ignores does not go");
    place.put("a.py", "two\n");
    place.put("new.py", "n\n");
    fs::remove_file(place.path("code/gone.py")).unwrap();
    let dirty = place.take().unwrap();
    let git = dirty.git.clone().unwrap();
    assert_eq!((git.changed, git.untracked, git.is_dirty()), (2, 1, true));
    let kept = place.shelf().kept(&dirty).unwrap();
    for said in ["# untracked: new.py\n", "-one\n+two\n", "deleted file"] {
        assert!(kept.diff.contains(said), "{said}: {}", kept.diff);
    }
    assert_eq!(place.names(&dirty), [".gitignore", "a.py", "new.py"]);
    assert_ne!(dirty.digest, clean.digest);
    place.git(&["checkout", "-q", "--detach"]);
    assert_eq!(place.take().unwrap().git.unwrap().branch, None);
    // Of a part of the work tree only that part.
    place.put("part/p.py", "p");
    let part = Code::of(place.path("code/part").to_string_lossy());
    let part = place.shelf().take(&part, &LIMITS, Keep::Yes).unwrap();
    assert_eq!(place.names(&part), ["p.py"]);
    assert_eq!(part.git.unwrap().changed, 0);
}

#[test]
fn a_difference_shows_no_secrets_and_has_a_limit() {
    let key = format!("-----BEGIN RSA PRIVATE{}-----\n", " KEY");
    let place = Place::new(&[("a.txt", &key), ("old.pem", "k")]);
    place.git(&["init", "-q"]);
    place.git(&["add", "-A"]);
    place.git(&["commit", "-qm", "with a key"]);
    place.put("a.txt", "gone\n");
    fs::remove_file(place.path("code/old.pem")).unwrap();
    let taken = place.take().unwrap();
    let diff = place.shelf().kept(&taken).unwrap().diff;
    assert_eq!(diff, "# the difference is not kept: it holds a private key\n");
    let changed = "a.txt".to_owned();
    place.put("a.txt", &"line\n".repeat(50));
    place.git(&["commit", "-qam", "x"]);
    place.put("a.txt", &"other\n".repeat(50));
    let cut = git::difference(&place.path("code"), &[&changed], &[], 200).unwrap();
    assert!(cut.len() < 260 && cut.ends_with("bytes more are not kept\n"), "{cut}");
}

#[test]
fn a_work_tree_within_a_directory_is_gits_own_matter() {
    let place = Place::new(&[("top.py", "t"), ("sub/.gitignore", "*.o\n"), ("sub/s.py", "s"), ("sub/s.o", "o")]);
    let init = std::process::Command::new("git").args(["init", "-q"]).current_dir(place.path("code/sub")).status();
    assert!(init.unwrap().success());
    let taken = place.take().unwrap();
    assert_eq!(place.names(&taken), ["sub/.gitignore", "sub/s.py", "top.py"]);
    assert_eq!(taken.git, None);
    place.git(&["init", "-q"]);
    assert_eq!(place.names(&place.take().unwrap()), ["sub/.gitignore", "sub/s.py", "top.py"]);
}

#[test]
fn what_nobody_refers_to_goes_once_it_is_old() {
    let place = Place::new(&[("a", "1")]);
    let first = place.take().unwrap().digest;
    place.put("a", "2");
    let second = place.take().unwrap().digest;
    fs::write(place.path("state/code/part-x"), "half").unwrap();
    let shelf = place.shelf();
    let used = BTreeSet::from([second.clone()]);
    assert_eq!(shelf.sweep(&used, SystemTime::now()), 0, "it is young: somebody may be submitting it");
    let later = SystemTime::now() + YOUNG * 2;
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(shelf.old(later), both);
    assert_eq!(shelf.sweep(&used, later), 3, "the archive, its list, and the half one");
    assert!(!shelf.has(&first) && shelf.has(&second));
}
