//! What only another user or a small disk can show; root can make both.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ostler::store::{Db, Store, StoreError};

use super::samples::*;

/// Where a child finds what it is to try.
const PLACE: &str = "OSTLER_TEST_PLACE";

/// Says whether we may be two users; prints that the test did not run otherwise.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not run: only root can be two users and mount a small disk");
    }
    root
}

/// A folder that everybody can enter, with this program in it: the build folder may be closed to others.
pub fn open_folder() -> (tempfile::TempDir, PathBuf) {
    let top = tempfile::tempdir().unwrap();
    std::fs::set_permissions(top.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = top.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    (top, program)
}

#[test]
fn a_directory_that_is_not_ours_is_refused() {
    if !is_root() {
        return;
    }
    use std::os::unix::process::CommandExt;
    let (top, program) = open_folder();
    for (name, mode) in [("closed", 0o700), ("readable", 0o755)] {
        std::fs::create_dir(top.path().join(name)).unwrap();
        std::fs::set_permissions(top.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let ours = top.path().join("ours.sqlite");
    drop(Db::open(&ours).unwrap());
    std::fs::set_permissions(&ours, std::fs::Permissions::from_mode(0o666)).unwrap();
    let mut child = Command::new(program);
    child.args(["--exact", "strangers::child_opens", "--ignored", "--nocapture"]).env(PLACE, top.path());
    let output = child.uid(65534).gid(65534).current_dir("/").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for words in [
        "closed/ostler.sqlite: cannot be made: Permission denied",
        "readable/ostler.sqlite: cannot be made: Permission denied",
        "ours.sqlite: belongs to uid 0, and this is uid 65534",
        "lock: ",
        "readable: belongs to uid 0, and this is uid 65534",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
#[ignore = "the other side of `a_directory_that_is_not_ours_is_refused`"]
fn child_opens() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place);
    for file in ["closed/ostler.sqlite", "readable/ostler.sqlite", "ours.sqlite"] {
        println!("{}", Db::open(&place.join(file)).err().expect("it is refused"));
    }
    let holder = ostler::store::lock::Holder::this_process(ostler::model::units::UnixMillis(1), place);
    println!("lock: {}", ostler::store::lock::Lock::take(&place.join("readable"), &holder).unwrap_err());
}

#[test]
fn a_network_file_system_is_refused() {
    if !is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    for name in ["far", "here"] {
        std::fs::create_dir(top.path().join(name)).unwrap();
    }
    // A real sshfs with a real server of sftp at its other end, without the ssh between them.
    let script = "mkfifo pipe && { /usr/lib/openssh/sftp-server <pipe | sshfs -f -o passive :\"$PWD/far\" here >pipe & } &&
        i=0; until grep -q ' fuse.sshfs ' /proc/self/mountinfo; do i=$((i+1)); [ $i -lt 100 ] || exit 9; sleep 0.1; done
        \"$0\" \"$@\"; code=$?; umount here; wait; exit $code";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "strangers::child_is_far_away", "--ignored", "--nocapture"])
        .env(PLACE, top.path())
        .current_dir(top.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("refused twice"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let left = std::fs::read_dir(top.path().join("far")).unwrap().count();
    assert_eq!(left, 0, "nothing was made there");
}

#[test]
#[ignore = "the other side of `a_network_file_system_is_refused`"]
fn child_is_far_away() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let here = Path::new(&place).join("here");
    let words = "is on sshfs; SQLite's locks are not safe there";
    let error = Db::open(&here.join("ostler.sqlite")).err().expect("it is refused").to_string();
    assert!(error.contains(words), "{error}");
    // The lock is refused as well, so the second of two cores gets no further than the first one.
    let holder = ostler::store::lock::Holder::this_process(ostler::model::units::UnixMillis(1), &here);
    let error = ostler::store::lock::Lock::take(&here, &holder).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
    println!("refused twice");
}

/// Has the other side of a test run on a disk of so many MiB, which is there for it alone, and say these words at its end.
fn on_a_small_disk(mib: u32, child: &str, words: &str) {
    if !is_root() {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size={mib}m none {} && exec \"$0\" \"$@\"", top.path().display());
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &mount])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("strangers::{child}"), "--ignored", "--nocapture"])
        .env(PLACE, top.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(words), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_full_disk_is_said_and_got_over() {
    on_a_small_disk(24, "child_fills_its_disk", "got over it");
}

#[test]
#[ignore = "the other side of `a_full_disk_is_said_and_got_over`"]
fn child_fills_its_disk() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place);
    let filler = place.join("filler");
    let file = place.join("ostler.sqlite");
    let fill = |most: usize| {
        let mut filler = std::fs::File::create(&filler).unwrap();
        let mut left = most;
        while left > 0 && std::io::Write::write_all(&mut filler, &[0; 4096]).is_ok() {
            left -= 1;
        }
    };
    // Too little room to begin with.
    fill(12 << 8);
    let error = Db::open(&file).err().expect("it is refused").to_string();
    assert!(error.contains("no space left: ") && error.contains("16 MiB needed"), "{error}");
    std::fs::remove_file(&filler).unwrap();

    let mut db = Db::open(&file).unwrap();
    db.commit(&rows_turn(1, vec![queued(1, 1)])).unwrap();
    fill(usize::MAX);
    let big = || rows_turn(2, (2..500).map(|id| queued(id, 1)).collect());
    let error = db.commit(&big()).unwrap_err();
    assert!(matches!(&error, StoreError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("no space left on its disk"), "{error}");
    assert_eq!(db.load().unwrap().rows.len(), 1, "nothing of it is there");
    std::fs::remove_file(&filler).unwrap();
    db.commit(&big()).unwrap();
    assert_eq!(db.load().unwrap().rows.len(), 499);
    println!("got over it");
}

/// F46: the log has room of its own, and what is due to move from it into the file finds none.
#[test]
fn a_full_disk_puts_a_checkpoint_off() {
    on_a_small_disk(32, "child_has_no_room_for_a_checkpoint", "all is there");
}

#[test]
#[ignore = "the other side of `a_full_disk_puts_a_checkpoint_off`"]
fn child_has_no_room_for_a_checkpoint() {
    /// Pages of the log at which a checkpoint is due, and the size of one.
    const DUE: (u64, u64) = (1000, 4096);
    /// Rows of a turn.
    const ROWS: u64 = 50;
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place);
    let file = place.join("ostler.sqlite");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |about| about.len());
    let log = place.join("ostler.sqlite-wal");
    let mut db = Db::open(&file).unwrap();
    let turn = |seq: u64| rows_turn(seq, (seq * ROWS..(seq + 1) * ROWS).map(|id| queued(id, 1)).collect());
    // The log gets its size, is moved into the file, and begins anew.
    let mut seq = 0;
    while size(&file) < DUE.0 * DUE.1 {
        seq += 1;
        db.commit(&turn(seq)).unwrap();
    }
    let filler = place.join("filler");
    let mut to_fill = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut to_fill, &[0; 4096]).is_ok() {}
    let (before, full_from) = (size(&file), seq);
    let error = loop {
        match db.commit(&turn(seq + 1)) {
            Ok(()) => seq += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("no space left on its disk"), "{error}");
    assert!(seq > full_from, "the log had room");
    assert!(size(&log) >= DUE.0 * DUE.1 && size(&file) == before, "{} and {}", size(&log), size(&file));
    assert_eq!(db.load().unwrap().rows.len() as u64, seq * ROWS, "what was acknowledged is there");
    drop(to_fill);
    std::fs::remove_file(&filler).unwrap();
    seq += 1;
    db.commit(&turn(seq)).unwrap();
    assert!(size(&file) > before, "what was put off is done");
    drop(db);
    assert_eq!(Db::open(&file).unwrap().load().unwrap().rows.len() as u64, seq * ROWS);
    println!("all is there: {} turns with a full disk", seq - full_from);
}
