//! Set-up and clean-up of a node in real shells: last words, mounts that come and go, what is never emptied.

use std::process::Command;

use ostler::frameworks::{AmongKey, JobNames, launch};
use ostler::model::ids::RankKey;
use ostler::model::launch::{Launch, NodePlace};
use ostler::model::spec::mounts::NO_MOUNTS;
use ostler::model::spec::{SecretSource, SecretText};
use ostler::model::state::{Job, Proof};
use ostler::model::units::Millis;
use ostler::model::volume::{Source, Volume, VolumeKind};

use crate::node::{Node, Shell, key, root};

crate::in_every_shell!(
    last_words,
    mounts_come_and_go,
    a_failure_says_which,
    a_wipe_stops_at_a_mount,
    a_way_in_by_ssh_is_opened_and_closed,
);

/// A job of one node with mounts.
fn job(number: u64, prefix: Option<&str>) -> Job {
    let spec = serde_json::json!({
        "nodeCount": 1,
        "customToolkitSettings": {"commandLine": "true"},
        "stdOutErrPathPrefix": prefix,
        "mountVolumes": {"unmanagedFileSystems": [{"mountCommand": "m", "relativeMountPath": "x"}]},
    });
    let row = serde_json::json!({
        "id": number, "workspace": 1, "experiment": 1, "name": "train", "uuid": uuid::Uuid::nil(), "segment": "seg",
        "cluster": 1, "spec": spec, "shape": {"setsUp": true, "prepares": false, "mainNodes": [0]},
        "state": "running", "since": 0, "priority": "normal", "attempt": 1, "nodes": [1], "created": 0,
    });
    serde_json::from_value(row).unwrap()
}

fn launch_of(node: &Node, job: &Job, rank: &str, volumes: &[Volume]) -> (RankKey, Launch) {
    let place = NodePlace {
        name: "node1".into(),
        address: "127.0.0.1".into(),
        root: node.root().to_str().unwrap().to_owned(),
        shell: "/bin/sh".into(),
        user: "root".into(),
        cpus: 1,
        gpus: 0,
        gpu_shares: None,
        ..NodePlace::default()
    };
    let names =
        JobNames { workspace: "lab", experiment: "first", cluster_mounts: &NO_MOUNTS, volumes, runtimes: &[], among: None };
    let key = key(&format!("{}.1.{rank}", job.id.0));
    (key, launch(job, &[place], key.rank, None, &names).unwrap())
}

async fn run(node: &mut Node, job: &Job, rank: &str, volumes: &[Volume], shell: Shell) -> Proof {
    let (key, mut launch) = launch_of(node, job, rank, volumes);
    // What sets a node up runs in the shell of its jobs, and that may be any.
    launch.shell = shell.words[0].to_owned();
    if let [program, name] = shell.words {
        launch.shell = inside(node, name);
        if !std::path::Path::new(&launch.shell).exists() {
            std::os::unix::fs::symlink(program, &launch.shell).unwrap();
        }
    }
    node.start_launch(key, launch, Millis::from_mins(5));
    node.gone(key).await
}

/// A path in the spool.
fn inside(node: &Node, below: &str) -> String {
    node.root().join(below).to_str().unwrap().to_owned()
}

fn volume(kind: VolumeKind, at: &str, source: Source) -> Volume {
    Volume { kind, at: at.into(), source }
}

fn folder(path: &str) -> Source {
    Source::Folder { base: path.into(), below: "share".into() }
}

fn command(command: &str) -> Source {
    Source::Command { command: command.into(), key: None }
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mounts").unwrap().replace("\\040", " ")
}

async fn last_words(shell: Shell) {
    let mut node = Node::up(shell).await;
    let line = "mkdir -p \"$OSTLER_RANK_DIR\"; printf 'MountError targetPath=/x it said\\n  no end' >\"$OSTLER_RANK_DIR/said\"; exit 3";
    let told = Proof::Told { code: 3, words: "MountError targetPath=/x it said no end".into() };
    let set_up = key("1.1.s0");
    assert_eq!(node.run(set_up, line).await, told);
    assert_eq!(node.run(key("1.1.m0"), line).await, Proof::Exit { code: 3, why: None }, "only a set-up has last words");
    let node = node.again(2).await;
    let seen = node.inventory.get(&set_up).cloned();
    assert_eq!(seen, Some(ostler::transport::Seen::Gone(told)), "they are in its record");
}

async fn mounts_come_and_go(shell: Shell) {
    if !root() {
        return;
    }
    let mut node = Node::up(shell).await;
    let shared = tempfile::tempdir().unwrap();
    let base = shared.path().to_str().unwrap().to_owned();
    let volumes = [
        volume(VolumeKind::FileShare, "afs", folder(&base)),
        volume(VolumeKind::Unmanaged, "tmp fs", command("mount -t tmpfs none")),
    ];
    let below = inside(&node, "mounts/jobs/lab/first/train");
    let a = job(1, Some("$AZ_BATCHAI_JOB_MOUNT_ROOT/afs"));
    assert_eq!(run(&mut node, &a, "s0", &volumes, shell).await, Proof::Exit { code: 0, why: None });
    assert!(mounts().contains(&format!("{below}/afs ")) && mounts().contains(&format!("{below}/tmp fs ")), "{}", mounts());
    assert_eq!(run(&mut node, &a, "m0", &volumes, shell).await, Proof::Exit { code: 0, why: None });
    let log = std::fs::read_to_string(format!("{base}/share/seg/stdouterr/execution.log")).unwrap();
    let lines: Vec<&str> = log.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert!(lines[0].contains("1.1.s0 done: look for leftovers"), "{log}");
    assert!(lines[1].contains("1.1.s0 done: mount") && lines[2].contains("1.1.s0 done: mount"), "{log}");
    assert!(lines[3].contains("1.1.m0 starts"), "{log}");
    // Somebody is still in it; that does not keep it.
    let mut there = Command::new("sleep").arg("1000").current_dir(format!("{below}/tmp fs")).spawn().unwrap();
    assert_eq!(run(&mut node, &a, "c0", &volumes, shell).await, Proof::Exit { code: 0, why: None });
    assert!(!mounts().contains(&below), "{}", mounts());
    there.kill().unwrap();
    there.wait().unwrap();
    assert!(std::path::Path::new(&format!("{base}/share/seg/stdouterr/stdout.txt")).exists(), "what was written stays");

    // A set-up that nobody cleaned up after: the next one finds and undoes it.
    let b = job(2, None);
    assert_eq!(run(&mut node, &b, "s0", &volumes, shell).await, Proof::Exit { code: 0, why: None });
    let c = job(3, None);
    assert_eq!(run(&mut node, &c, "s0", &volumes[..1], shell).await, Proof::Exit { code: 0, why: None });
    assert_eq!(mounts().matches(&below).count(), 1, "{}", mounts());
    let log = std::fs::read_to_string(inside(&node, "logs/seg/stdouterr/execution.log")).unwrap();
    assert!(log.contains("3.1.s0 done: undid what was left mounted"), "{log}");
    assert_eq!(run(&mut node, &c, "c0", &volumes[..1], shell).await, Proof::Exit { code: 0, why: None });
}

async fn a_way_in_by_ssh_is_opened_and_closed(shell: Shell) {
    let mut node = Node::up(shell).await;
    let home = tempfile::tempdir().unwrap();
    let (ssh, keys) = (home.path().join(".ssh"), home.path().join(".ssh/authorized_keys"));
    let key = AmongKey {
        private: SecretSource::Given(SecretText::new("-----BEGIN\nnobody's\n")),
        public: "ssh-ed25519 AAAA".to_owned(),
    };
    let names = JobNames {
        workspace: "lab",
        experiment: "first",
        cluster_mounts: &NO_MOUNTS,
        volumes: &[],
        runtimes: &[],
        among: Some(&key),
    };
    let spec = serde_json::json!({"nodeCount": 2, "sshAmongNodes": true, "customToolkitSettings": {"commandLine": "true"}});
    let mut job = job(1, None);
    job.spec = serde_json::from_value(spec).unwrap();
    let place = |name: &str| NodePlace {
        name: name.into(),
        address: "127.0.0.1".into(),
        root: node.root().to_str().unwrap().to_owned(),
        shell: "/bin/sh".into(),
        user: "somebody".into(),
        cpus: 1,
        ..NodePlace::default()
    };
    let places = [place("node1"), place("node 2")];
    job.last.nodes = vec![ostler::model::ids::NodeId(1), ostler::model::ids::NodeId(2)];
    let launched = |job: &Job, rank: &str| {
        let key = crate::node::key(&format!("1.{}.{rank}", job.attempt.0));
        let mut launch = launch(job, &places, key.rank, None, &names).unwrap();
        launch.env.push(("HOME".to_owned(), home.path().to_str().unwrap().to_owned()));
        (key, launch)
    };
    let before = "ssh-rsa BBBB me\nssh-rsa CCCC without an end";
    for (attempt, there) in [(1, false), (2, true)] {
        if there {
            std::fs::write(&keys, before).unwrap();
            std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        }
        job.attempt = ostler::model::ids::Attempt(attempt);
        let (set_up, launch) = launched(&job, "s0");
        node.start_launch(set_up, launch, Millis::from_mins(5));
        assert_eq!(node.gone(set_up).await, Proof::Exit { code: 0, why: None });
        let text = std::fs::read_to_string(&keys).unwrap();
        let ours = text.lines().last().unwrap();
        assert!(ours.starts_with("restrict,pty,command=") && ours.contains(" ssh-ed25519 AAAA ostler-"), "{text}");
        let dir = node.root().join(format!("ssh/1.{attempt}"));
        assert_eq!(std::fs::read_to_string(dir.join("id")).unwrap(), "-----BEGIN\nnobody's\n");
        let config = std::fs::read_to_string(dir.join("config")).unwrap();
        let hosts = "Host node1 127.0.0.1\n  HostName 127.0.0.1\n  User somebody\nHost 127.0.0.1 127.0.0.1\n";
        assert!(config.starts_with(hosts), "{config}");
        // What comes in is known by its environment, and ended although it hears no TERM: also when its child, which it would
        // start anew, has the pid that comes first in a listing (1000 before 999). Some kernels do not let pids be chosen.
        if let Err(error) = std::fs::write("/proc/sys/kernel/ns_last_pid", "998") {
            println!("pids as they come: {error}");
        }
        let mut came = Command::new(dir.join("enter"))
            .env("SSH_ORIGINAL_COMMAND", "trap : TERM; while :; do sleep 1000 & wait; done")
            .env("SHELL", "/bin/sh")
            .spawn()
            .unwrap();
        let (clean_up, launch) = launched(&job, "c0");
        node.start_launch(clean_up, launch, Millis::from_mins(5));
        assert_eq!(node.gone(clean_up).await, Proof::Exit { code: 0, why: None });
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&came.wait().unwrap()), Some(9));
        let text = std::fs::read_to_string(&keys).unwrap_or_default();
        assert_eq!(text, if there { format!("{before}\n") } else { String::new() });
        assert!(!dir.exists());
        let left: Vec<_> = std::fs::read_dir(&ssh).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["authorized_keys"]);
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&keys).unwrap()) & 0o777;
    assert_eq!(mode, 0o640, "it is the user's file");
}

async fn a_failure_says_which(shell: Shell) {
    let mut node = Node::up(shell).await;
    let a = job(1, None);
    for (number, source, code, words) in [
        (1, folder("/no such folder"), "AZFMountError", "there is no folder /no such folder on this node"),
        (2, command("true"), "AZFMountError", "nothing is mounted at"),
        (3, command("echo one; echo two >&2; exit 4; :"), "AZFMountError", "one two"),
    ] {
        let volumes = [volume(VolumeKind::FileShare, "x y", source)];
        let a = Job { id: ostler::model::ids::JobId(number), ..a.clone() };
        let proof = run(&mut node, &a, "s0", &volumes, shell).await;
        let Proof::Told { code: 1, words: said } = &proof else { panic!("{proof:?}") };
        let target = inside(&node, "mounts/jobs/lab/first/train/x y").replace(' ', "%20");
        assert!(said.starts_with(&format!("{code} targetPath={target} Unable to mount Azure File: ")), "{said}");
        assert!(said.contains(words), "{said}");
        assert_eq!(run(&mut node, &a, "c0", &volumes, shell).await, Proof::Exit { code: 0, why: None });
    }
}

async fn a_wipe_stops_at_a_mount(shell: Shell) {
    if !root() {
        return;
    }
    let mut node = Node::up(shell).await;
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("precious"), "x").unwrap();
    let inner = inside(&node, "temp/lab/in side");
    std::fs::create_dir_all(&inner).unwrap();
    let bind = Command::new("mount").args(["-o", "bind"]).arg(data.path()).arg(&inner).status().unwrap();
    assert!(bind.success());
    let first = key("1.1.m0");
    let mut launch = node.launch(first, "true");
    launch.wipe = vec![inside(&node, "temp")];
    node.start_launch(first, launch, Millis::from_mins(5));
    assert_eq!(node.gone(first).await, Proof::Exit { code: 0, why: None });
    assert!(data.path().join("precious").exists(), "a wipe went through a mount");
    assert!(!std::path::Path::new(&inner).exists() && !mounts().contains("in side"), "{}", mounts());
}
