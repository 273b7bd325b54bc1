//! `ostler db` on real files: whole, damaged, cut, replaced, from elsewhere, and with no room.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::{Lab, json};
use crate::rig::{Ran, User};

fn file(user: &User) -> PathBuf {
    user.home().join(".local/state/ostler/ostler.sqlite")
}

fn ok(user: &User, line: &str) -> Ran {
    let ran = user.run(line);
    assert_eq!(ran.code, 0, "{}", ran.shown());
    ran
}

/// A user whose cluster has no nodes, with waiting jobs; nobody hosts.
fn with_jobs(count: usize) -> User {
    let user = User::new();
    user.lab();
    for number in 0..count {
        ok(&user, &format!("job create -w lab -e first -c gpu --name job{number} -- true"));
    }
    ok(&user, "serve --stop");
    user
}

fn with_sqlite(user: &User, sql: &str) {
    let conn = rusqlite::Connection::open(file(user)).expect("it opens");
    conn.execute_batch(sql).expect("it runs");
    conn.close().expect("it closes");
}

fn cell<'a>(rows: &'a serde_json::Value, class: &str, column: &str) -> &'a serde_json::Value {
    let rows = rows.as_array().expect("rows");
    let of = |row: &&serde_json::Value| row["class"] == class || row["name"] == class;
    &rows.iter().find(of).unwrap_or_else(|| panic!("no row {class}: {rows:?}"))[column]
}

#[test]
fn what_is_whole_is_said_to_be_and_is_copied_beside_a_core() {
    let user = with_jobs(2);
    for hosted in [false, true] {
        if hosted {
            ok(&user, "job list");
        }
        let rows = json(&ok(&user, "db check -o json"));
        assert!(rows.as_array().expect("rows").iter().all(|row| row["result"] == "good"), "{rows}");
        assert_eq!(cell(&rows, "jobs", "words")[0], "2");
        let to = format!("copy-{hosted}");
        ok(&user, &format!("db backup {to}"));
        let again = user.run(&format!("db backup {to}"));
        assert_eq!((again.code, again.stderr.contains("is there already")), (74, true), "{}", again.shown());
        ok(&user, &format!("db backup --force {to}"));
        let copy = user.home().join(&to);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&copy).expect("the copy").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let jobs: i64 = rusqlite::Connection::open(&copy)
            .and_then(|copy| copy.query_row("SELECT count(*) FROM job", [], |row| row.get(0)))
            .expect("it reads");
        assert_eq!(jobs, 2);
    }
    let held = user.run("db recover");
    assert_eq!(held.code, 1, "{}", held.shown());
    assert!(held.stderr.contains("is in use by ostler pid") && held.stderr.contains("serve --stop"), "{}", held.shown());
    for line in ["db backup .local/state/ostler/ostler.sqlite --force", "db backup .local", "db backup no/where"] {
        let ran = user.run(line);
        assert_eq!(ran.code, 74, "{}", ran.shown());
    }
    assert_eq!(user.run("--readonly db backup x").code, 1);
    ok(&user, "--dry-run db backup x");
    assert!(!user.home().join("x").exists());
    let nothing = User::new();
    for verb in ["check", "backup x", "recover", "adopt"] {
        let ran = nothing.run(&format!("db {verb}"));
        assert_eq!((ran.code, ran.stderr.contains("there is no database here")), (74, true), "{}", ran.shown());
        assert!(!nothing.home().join(".local/state/ostler").exists(), "{verb} made something");
    }
}

#[test]
fn what_can_be_read_of_a_damaged_one_comes_back_and_the_rest_is_named() {
    let user = with_jobs(60);
    let whole = std::fs::read(file(&user)).expect("it reads");
    // One leaf of the table of jobs, and one row whose body is no longer JSON.
    let conn = rusqlite::Connection::open(file(&user)).expect("it opens");
    let root: i64 = conn
        .query_row("SELECT rootpage FROM sqlite_master WHERE name = 'job'", [], |row| row.get(0))
        .expect("the table of jobs");
    conn.execute("UPDATE job SET body = '{' WHERE id = 60", []).expect("it is changed");
    conn.execute("DELETE FROM meta WHERE id = 2", []).expect("it is written");
    conn.close().expect("it closes");
    let mut bytes = std::fs::read(file(&user)).expect("it reads");
    let page = |number: usize| (number - 1) * 4096;
    let root = usize::try_from(root).expect("a page");
    assert_eq!(bytes[page(root)], 5, "60 jobs have more than one page");
    // The second child of the root: its cell pointer leads to the number of its page.
    let cell_at = usize::from(u16::from_be_bytes([bytes[page(root) + 14], bytes[page(root) + 15]]));
    let child = u32::from_be_bytes(bytes[page(root) + cell_at..][..4].try_into().expect("four bytes"));
    let child = usize::try_from(child).expect("a page");
    bytes[page(child)..page(child) + 16].fill(0xff);
    std::fs::write(file(&user), &bytes).expect("it is written");

    let checked = user.run("db check -o json");
    assert_eq!((checked.code, checked.stderr.contains("ostler db recover")), (74, true), "{}", checked.shown());
    let rows: serde_json::Value = serde_json::from_str(&checked.stdout).expect("JSON");
    for (name, result) in [("quick check", "failed"), ("full check", "failed"), ("jobs", "failed"), ("clusters", "good")] {
        assert_eq!(cell(&rows, name, "result"), result, "{name}: {rows}");
    }
    assert_eq!(user.run("db backup x").code, 74);
    assert!(!user.home().join("x").exists(), "a copy of what is damaged is none");
    assert_eq!(std::fs::read(file(&user)).expect("it reads"), bytes, "nothing was changed");

    let aside = user.run("db recover --to aside.sqlite -o json");
    assert_eq!(aside.code, 4, "{}", aside.shown());
    assert_eq!(std::fs::read(file(&user)).expect("it reads"), bytes, "nothing was changed");
    let ran = user.run("db recover -o json");
    assert_eq!(ran.code, 4, "{}", ran.shown());
    assert!(ran.stderr.contains("ostler.sqlite.damaged-1"), "{}", ran.shown());
    let rows: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let (saved, lost) =
        (cell(&rows, "jobs", "saved").as_u64().expect("saved"), cell(&rows, "jobs", "lost").as_u64().expect("lost"));
    assert_eq!(saved + lost, 60, "{rows}");
    assert!((1..=20).contains(&lost), "a page holds few jobs: {rows}");
    assert!(cell(&rows, "jobs", "words").to_string().contains("job 60: EOF while parsing"), "{rows}");
    assert_eq!(cell(&rows, "clusters", "saved"), 1);
    let kept = user.home().join(".local/state/ostler/ostler.sqlite.damaged-1");
    assert_eq!(std::fs::read(kept).expect("the damaged one"), bytes);

    // A core runs on it, by all its rules; what waits is held, and new jobs take no number of a lost one.
    ok(&user, "db check");
    let jobs = json(&ok(&user, "job list -w lab -o json"));
    let jobs = jobs.as_array().expect("jobs");
    assert_eq!(jobs.len() as u64, saved);
    assert!(jobs.iter().all(|job| job["reason"].as_str().is_some_and(|reason| reason.contains("held"))), "{jobs:?}");
    let shown = json(&ok(&user, "experiment show first -w lab -o json"));
    assert!(shown.to_string().contains(&saved.to_string()), "{shown}");
    ok(&user, "job create -w lab -e first -c gpu --name fresh -- true");
    ok(&user, "job release -w lab -e first job0");
    ok(&user, "serve --stop");
    assert_ne!(whole, bytes);
}

#[test]
fn a_head_that_is_damaged_is_put_right_and_a_log_that_is_cut_is_taken_in_as_far_as_it_goes() {
    let user = with_jobs(3);
    let whole = std::fs::read(file(&user)).expect("it reads");
    let mut bytes = whole.clone();
    bytes[..20].fill(0);
    bytes[56..72].fill(0x7f);
    std::fs::write(file(&user), &bytes).expect("it is written");
    assert_eq!(user.run("db check").code, 74);
    let ran = user.run("db recover");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    assert!(ran.stderr.contains("the head of the file was damaged"), "{}", ran.shown());
    assert_eq!(json(&ok(&user, "job list -w lab -o json")).as_array().expect("jobs").len(), 3);
    ok(&user, "serve --stop");

    // Nothing of it is left: said, and kept.
    std::fs::write(file(&user), vec![0xaa; 8192]).expect("it is written");
    let ran = user.run("db recover");
    assert_eq!((ran.code, ran.stderr.contains("nothing can be read of it")), (74, true), "{}", ran.shown());
    assert_eq!(std::fs::read(file(&user)).expect("it reads"), vec![0xaa; 8192]);
    // Cut in the middle.
    std::fs::write(file(&user), &whole[..whole.len() / 2 / 4096 * 4096]).expect("it is written");
    let ran = user.run("db recover --to half.sqlite");
    assert!([4, 74].contains(&ran.code), "{}", ran.shown());
}

#[test]
fn a_newer_one_is_left_alone() {
    let user = with_jobs(1);
    with_sqlite(&user, "UPDATE meta SET version = '9.1.0'; PRAGMA user_version = 99;");
    let before = std::fs::read(file(&user)).expect("it reads");
    for verb in ["check", "backup x", "recover", "adopt"] {
        let ran = user.run(&format!("db {verb}"));
        assert_eq!(ran.code, 74, "{}", ran.shown());
        assert!(ran.stderr.contains("schema 99") && ran.stderr.contains("use the newer ostler"), "{}", ran.shown());
    }
    assert_eq!(std::fs::read(file(&user)).expect("it reads"), before);
    assert!(!user.home().join("x").exists());
}

#[test]
fn an_older_copy_in_its_place_is_noticed_and_starts_nothing_by_itself() {
    let lab = Lab::new();
    let user = &lab.0;
    // In the copy this job waits; it then runs to its end.
    lab.ok("cluster scale pool 0");
    lab.until("cluster show -o json", |ran| json(ran)["currentNodeCount"] == 0);
    lab.ok("job create --name once -- sh -c 'echo ran >>ran-once'");
    lab.ok("db backup old");
    lab.ok("cluster scale pool 2");
    lab.until("job show once -o json", |ran| json(ran)["executionState"] == "succeeded");
    lab.ok("serve --stop");
    std::fs::copy(user.home().join("old"), file(user)).expect("it is put in place");

    for line in ["job list", "serve --stop", "--embedded job list"] {
        let ran = user.run(line);
        assert_ne!(ran.code, 0, "{}", ran.shown());
    }
    let ran = user.run("--embedded job list");
    assert_eq!((ran.code, ran.stderr.contains("is older than its nodes may be")), (74, true), "{}", ran.shown());
    assert!(ran.stderr.contains("ostler db adopt"), "{}", ran.shown());
    let checked = user.run("db check -o json");
    let rows: serde_json::Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!((checked.code, cell(&rows, "age", "result")), (74, &"failed".into()), "{}", checked.shown());

    let ran = ok(user, "db adopt");
    assert!(ran.stderr.contains("1 jobs and all sweeps are held"), "{}", ran.shown());
    assert!(ok(user, "db adopt").stderr.contains("nothing is changed"));
    lab.ok("cluster scale pool 2");
    lab.until("cluster show -o json", |ran| json(ran)["nodeStateCounts"]["idleNodeCount"] == 2);
    let shown = json(&ok(user, "job show once -o json"));
    assert_eq!(shown["executionState"], "queued", "{shown}");
    assert!(shown["reason"].as_str().expect("a reason").contains("held"), "{shown}");
    // The next one takes no number that a node has seen.
    lab.ok("job create --name fresh --wait -- true");
}

#[test]
fn a_database_that_is_removed_or_replaced_under_a_core_is_noticed() {
    let user = with_jobs(1);
    ok(&user, "db backup copy");
    for (case, words) in
        [("removed", "was removed while ostler runs on it"), ("replaced", "was replaced while ostler runs on it")]
    {
        ok(&user, "job list");
        let aside = user.home().join("aside");
        std::fs::rename(file(&user), &aside).expect("it is moved");
        if case == "replaced" {
            std::fs::copy(&aside, file(&user)).expect("another one");
        }
        let begin = Instant::now();
        let ran = user.run(&format!("job create -w lab -e first -c gpu --name {case} -- true"));
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!((ran.code, ran.stderr.contains(words)), (74, true), "{}", ran.shown());
        // It has ended, or ends now.
        user.run("serve --stop");
        std::fs::rename(&aside, file(&user)).expect("it is put back");
        assert_eq!(json(&ok(&user, "job list -w lab -o json")).as_array().expect("jobs").len(), 1, "{case}");
    }
}

#[test]
fn a_copy_that_has_no_room_leaves_nothing() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can mount a small disk");
        return;
    }
    let user = with_jobs(1);
    let small = user.home().join("small");
    std::fs::create_dir(&small).expect("a directory");
    let script = format!(
        "mount -t tmpfs -o size=64k none {0} && \"$1\" db backup {0}/x; echo code $?; ls -A {0}; \"$1\" db recover --to {0}/y; echo code $?; ls -A {0}",
        small.display()
    );
    let ours = user.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(ours.get_program()).current_dir(user.home()).env_clear();
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().expect("unshare");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(out, "code 74\ncode 74\n", "{err}");
    assert_eq!(err.matches("there is no space left").count(), 2, "{err}");
    ok(&user, "db check");
}
