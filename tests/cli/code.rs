//! The code of jobs: kept as it was at submission, sent to a node once, refused where it holds secrets.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde_json::json;

use crate::lab::{Lab, json as read};

/// Returns the snapshots that the nodes of this machine have, each with its inode.
fn on_nodes(lab: &Lab) -> BTreeMap<PathBuf, u64> {
    let folders = |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let nodes = folders(lab.home().join(".local/state/ostler/nodes")).flat_map(folders);
    let found = nodes.flat_map(|node| folders(node.join("code")));
    found.map(|path| (path.clone(), fs::metadata(&path).unwrap().ino())).collect()
}

fn put(lab: &Lab, name: &str, content: &str) {
    let path = lab.home().join("proj").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn git(lab: &Lab, args: &[&str]) {
    let mut git = std::process::Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]).args(args);
    let done = git.current_dir(lab.home().join("proj")).env("HOME", lab.home()).output().unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
}

#[test]
fn a_job_runs_the_code_as_it_was_and_the_next_one_does_not_send_it_again() {
    let lab = Lab::new();
    put(
        &lab,
        "train.sh",
        ". $OSTLER_CODE_DIR/lib/said.sh; echo $said; pwd | grep -c temp; touch $OSTLER_CODE_DIR/x || echo kept\n",
    );
    put(&lab, "lib/said.sh", "said=first\n");
    put(&lab, "data/huge", "left out");
    put(&lab, ".ostlerignore", "data/\n");
    // It waits until the directory has changed.
    let line = "until [ -e ../../../../../../../go ]; do sleep 0.1; done; sh $OSTLER_CODE_DIR/train.sh";
    let line = line.replace("../../../../../../../go", &lab.home().join("go").display().to_string());
    lab.ok(&format!("job create -n one --code proj -- '{line}'"));
    put(&lab, "lib/said.sh", "said=second\n");
    lab.file("go", "");
    lab.ok("job wait one --timeout 60s");
    let said = lab.ok("job logs one");
    assert!(said.starts_with("first\n1\n"), "{said}");
    if !rustix::process::geteuid().is_root() {
        assert!(said.ends_with("kept\n"), "{said}");
    }
    let before = on_nodes(&lab);
    assert_eq!(before.len(), 1, "{before:?}");
    let there: Vec<_> = fs::read_dir(before.keys().next().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!there.contains(&"data".into()), "{there:?}");

    // The same again: the same node has it, so what is kept here could be nonsense.
    let job = read(&lab.run("job show one -o json"));
    let digest = job["code"]["snapshot"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(job["code"]["directory"], json!("~/proj"));
    let archive = lab.home().join(format!(".local/state/ostler/code/{digest}.tar"));
    let whole = fs::read(&archive).unwrap();
    fs::write(&archive, "nonsense").unwrap();
    lab.ok("job rerun one");
    lab.ok("job wait last --timeout 60s");
    assert_eq!(lab.ok("job logs last"), said, "a job that is run again keeps its code");
    assert_eq!(on_nodes(&lab), before);
    fs::write(&archive, whole).unwrap();

    // A new snapshot is another one; the core that knows nothing of nodes any more asks them first.
    lab.ok("serve --stop");
    lab.ok("job clone one -n two --code proj");
    lab.ok("job wait two --timeout 60s");
    assert!(lab.ok("job logs two").starts_with("second\n"));
    lab.ok("job rerun one");
    lab.ok("job wait last --timeout 60s");
    assert!(lab.ok("job logs last").starts_with("first\n"));
    let after = on_nodes(&lab);
    assert!(before.iter().all(|(path, inode)| after.get(path) == Some(inode)), "{before:?} {after:?}");

    // What is kept can be looked at and had back.
    let files = read(&lab.run("job code one -o json"));
    let names: Vec<_> = files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, [".ostlerignore", "lib/said.sh", "train.sh"]);
    lab.ok("job code one --to back");
    assert_eq!(fs::read_to_string(lab.home().join("back/lib/said.sh")).unwrap(), "said=first\n");
    let diff = lab.ok("job diff one two");
    assert!(diff.contains("file lib/said.sh") && !diff.contains("train.sh"), "{diff}");
    let none = lab.run("job create -n plain -- true");
    assert_eq!(none.code, 0);
    assert!(lab.run("job code plain").stderr.contains("has no code"));
}

#[test]
fn where_it_stood_in_git_is_kept_and_compared() {
    let lab = Lab::new();
    put(&lab, "a.py", "a = 1\n");
    put(&lab, ".gitignore", "*.ckpt\n");
    put(&lab, "w.ckpt", "weights");
    git(&lab, &["init", "-q"]);
    git(&lab, &["add", "-A"]);
    git(&lab, &["commit", "-qm", "first"]);
    // Seen from where the file is.
    put(
        &lab,
        "job.json",
        r#"{"name": "clean", "properties": {"nodeCount": 1, "code": ".",
        "customToolkitSettings": {"commandLine": "ls $OSTLER_CODE_DIR"}}}"#,
    );
    lab.file(".gitconfig", "[core]\nexcludesFile = /dev/null\n");
    lab.ok("job create -f proj/job.json");
    put(&lab, "a.py", "a = 2\n");
    put(&lab, "new.py", "n\n");
    lab.ok("job create -f proj/job.json -n dirty");
    lab.ok("job wait clean dirty --timeout 60s");
    assert_eq!(lab.ok("job logs clean"), "a.py\njob.json\n", "what git ignores does not go");
    let clean = read(&lab.run("job show clean -o json"));
    let git_of = |job: &serde_json::Value| job["code"]["snapshot"]["git"].clone();
    let git = git_of(&clean);
    assert_eq!((&git["branch"], git["commit"].as_str().map(str::len)), (&json!("main"), Some(40)), "{clean:#}");
    let dirty = git_of(&read(&lab.run("job show dirty -o json")));
    assert_eq!((&dirty["commit"], &dirty["changed"], &dirty["untracked"]), (&git["commit"], &json!(1), &json!(2)));
    let shown = lab.ok("job code dirty --diff");
    for said in ["# untracked: new.py", "-a = 1\n+a = 2\n"] {
        assert!(shown.contains(said), "{shown}");
    }
    let said = lab.ok("job show dirty");
    assert!(said.contains("git main") && said.contains("1 file changed, 2 untracked"), "{said}");
    let diff = lab.ok("job diff clean dirty");
    for said in ["snapshot.git.changed", "file a.py", "file new.py", "git diff"] {
        assert!(diff.contains(said), "{said}: {diff}");
    }
    // It goes with what is exported, and comes back as the same snapshot.
    let exported = lab.ok("export lab");
    let digest = clean["code"]["snapshot"]["digest"].as_str().unwrap();
    assert!(exported.contains(digest), "{exported}");
    let lost = lab.home().join(format!(".local/state/ostler/code/{digest}.tar"));
    fs::remove_file(lost).unwrap();
    let again = lab.run("job rerun clean");
    assert!(again.code == 1 && again.stderr.contains("is not kept here"), "{}", again.shown());
    assert!(again.stderr.contains("to take"), "{}", again.shown());
}

#[test]
fn secrets_and_big_files_are_refused_with_the_remedy() {
    let lab = Lab::new();
    put(&lab, "train.sh", "true\n");
    put(&lab, ".env", "TOKEN=1\n");
    put(&lab, "keys/id_rsa", "k");
    put(&lab, "notes.txt", &format!("-----BEGIN OPENSSH PRIVATE{}-----\n", " KEY"));
    for line in [
        "job create -n no --code proj -- true",
        "job plan -n no --code proj -- true",
        "sweep create --code proj -p a=1,2 -- echo PARAM_A",
    ] {
        let ran = lab.run(line);
        assert_eq!(ran.code, 1, "{}", ran.shown());
        for said in [
            "3 files are not to go along",
            "`.env` (8 B)",
            "`keys/id_rsa` (1 B)",
            "`notes.txt`",
            ".ostlerignore",
            "--code-allow",
        ] {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.shown());
        }
    }
    assert_eq!(read(&lab.run("job list -o json")), json!([]));
    put(&lab, ".ostlerignore", ".env\nkeys\n");
    lab.ok("job create -n yes --code proj --code-allow notes.txt -- 'ls $OSTLER_CODE_DIR'");
    lab.ok("job wait yes --timeout 60s");
    assert_eq!(lab.ok("job logs yes"), "notes.txt\ntrain.sh\n");
    let big = lab.run("config show");
    assert!(big.stdout.contains("code_file_max_bytes"), "{}", big.shown());
    put(&lab, "big.bin", &"b".repeat(3000));
    let user = lab.home().join("config.toml");
    fs::write(&user, "code_file_max_bytes = 2000\n").unwrap();
    lab.ok("serve --stop");
    let ran = lab.run(&format!("--config {} job create -n big --code proj --code-allow notes.txt -- true", user.display()));
    assert!(ran.stderr.contains("`big.bin` (2.9 KiB) is larger than"), "{}", ran.shown());
    let none = lab.run("job create -n none --code nowhere -- true");
    assert!(none.stderr.contains("is no directory here"), "{}", none.shown());
}

#[test]
fn all_members_of_a_sweep_have_the_same_code() {
    let lab = Lab::new();
    put(&lab, "run.sh", "echo $PARAM_A of $(cat $OSTLER_CODE_DIR/v)\n");
    put(&lab, "v", "one\n");
    lab.ok("sweep create -n s --code proj -p a=1..6 -- 'sh $OSTLER_CODE_DIR/run.sh'");
    put(&lab, "v", "two\n");
    lab.ok("job wait s-1 s-2 s-3 s-4 s-5 s-6 --timeout 100s");
    for member in 1..=6 {
        assert_eq!(lab.ok(&format!("job logs s-{member}")), format!("{member} of one\n"));
    }
    let there = on_nodes(&lab);
    assert!(there.len() <= 2, "one for each node: {there:?}");
    let kept = fs::read_dir(lab.home().join(".local/state/ostler/code")).unwrap().count();
    assert_eq!(kept, 2, "one archive and its list, for all members");
    // Members that are added later have it too.
    lab.ok("sweep extend s -p a=7");
    lab.ok("job wait s-7 --timeout 60s");
    assert_eq!(lab.ok("job logs s-7"), "7 of one\n");
}
