//! Published cluster bodies on node classes of the configuration, the account, and the published short forms of `cluster create`.

use crate::lab::json;
use crate::rig::{Ran, User};

/// A user whose configuration has these node classes.
fn user(classes: &str) -> User {
    let user = User::new();
    let config = user.file("ostler.toml", classes).display().to_string();
    let user = user.with("OSTLER_CONFIG", &config);
    assert_eq!(user.run("workspace create lab").code, 0);
    user
}

fn fails(ran: &Ran, parts: &[&str]) {
    assert_eq!(ran.code, 1, "{}", ran.shown());
    for part in parts {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.shown());
    }
}

/// The body of the published distributed TensorFlow recipe's cluster.
const BODY: &str = r#"{"properties": {
    "vmSize": "STANDARD_NC6",
    "scaleSettings": {"manual": {"targetNodeCount": 1}},
    "userAccountSettings": {"adminUserName": "batchai_admin", "adminUserSshPublicKey": "ssh-rsa AAAAB3N..."}
}}"#;

#[test]
fn a_published_body_finds_its_nodes_by_its_size() {
    let user = user("[node_classes.Standard_NC6]\nprovider = 'local'\ngpus = 640\nos = 'an unheard-of system'\n");
    user.file("cluster.json", BODY);
    let ran = user.run("cluster create nc6 -f cluster.json -o json");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    let made = json(&ran);
    assert_eq!((&made["vmSize"], &made["provider"]), (&"Standard_NC6".into(), &"local".into()), "{made}");
    assert_eq!(made["userAccountSettings"]["adminUserName"], "batchai_admin", "{made}");
    assert_eq!(user.run("experiment create e").code, 0);
    let ran = user.run("job create -c nc6 -e e --wait -- true");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    // The node is not what the class promises: said, and no more than that.
    let nodes = json(&user.run("cluster node list -c nc6 -o json"));
    let reason = nodes[0]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("is no `Standard_NC6`: 0 GPUs instead of 640, the system `"), "{nodes}");
    // What was made is what the file says, when that is applied.
    user.file("apply.json", BODY.replacen('{', r#"{"kind": "cluster", "workspace": "lab", "name": "nc6","#, 1));
    let ran = user.run("apply -f apply.json -y");
    assert!(ran.code == 0 && ran.stderr.contains("no change"), "{}", ran.shown());
}

#[test]
fn hosts_of_a_class_and_who_signs_in() {
    let user = user(
        "[node_classes.A]\nhosts = ['gpu[1-2]', 'ci@big']\nadmin_user = true\n[node_classes.B]\nhosts = 'b1'\n[node_classes.C]\ncpus = 4\n",
    );
    user.file("cluster.json", BODY.replace("\"targetNodeCount\": 1", "\"targetNodeCount\": 0"));
    let hosts = |line: &str| {
        let ran = user.run(&format!("{line} -f cluster.json -o json"));
        assert_eq!(ran.code, 0, "{}", ran.shown());
        json(&ran)["hosts"].clone()
    };
    assert_eq!(hosts("cluster create a -s a"), serde_json::json!(["batchai_admin@gpu1", "batchai_admin@gpu2", "ci@big"]));
    assert_eq!(hosts("cluster create b -s B"), serde_json::json!(["b1"]));
    // Hosts that are named count over those of the class; the account of the command line signs in there.
    assert_eq!(hosts("cluster create c -s B --hosts x,ci@y"), serde_json::json!(["x", "ci@y"]));
    assert_eq!(hosts("cluster create d -s B --hosts x,ci@y -u ada"), serde_json::json!(["ada@x", "ci@y"]));
    fails(
        &user.run("cluster create e -s C --target 1"),
        &["the node class `C` says nothing of hosts", "--hosts 'node[1-4]'"],
    );
    fails(
        &user.run("cluster create e -f cluster.json"),
        &["no node class `STANDARD_NC6`", "[node_classes.STANDARD_NC6] hosts = \"node[1-4]\""],
    );
    let ran = user.run("cluster create e --target 1");
    assert!(ran.code == 2 && ran.stderr.contains("has no nodes: give `hosts`"), "{}", ran.shown());
}

#[test]
fn classes_that_are_refused() {
    for (text, said) in [
        ("node_classes = 1\n", "wants a table for each class"),
        ("[node_classes.A]\nprovider = 'cloud'\n", "`cloud` is none of"),
        ("[node_classes.A]\nprovider = 'local'\nhosts = 'a'\n", "has no meaning with the provider `local`"),
        ("[node_classes.A]\nprovider = 'hosts'\n", "has the provider `hosts` and no `hosts`"),
        ("[node_classes.A]\nhosts = '-o'\n", "may not begin with `-`"),
        ("[node_classes.A]\nhosts = []\n", "names no host"),
        ("[node_classes.A]\ncpu = 1\n", "unknown key `cpu`; did you mean `cpus`?"),
        ("[node_classes.A]\nmemory = 'much'\n", "memory"),
        ("[node_classes.A]\n[node_classes.a]\n", "is there twice"),
    ] {
        let user = User::new();
        let config = user.file("ostler.toml", text).display().to_string();
        let ran = user.with("OSTLER_CONFIG", &config).run("workspace list");
        assert!(ran.code == 2 && ran.stderr.contains(said), "{said}: {}", ran.shown());
    }
}

#[test]
fn the_account_is_filled_in_as_published() {
    let user = user("");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbBYWBx1lHcDoXW2p1qk8aCRSYPmDXvRcJxM5BFO2nS ada";
    let shown = |line: &str| {
        let ran = user.run(&format!("cluster create {line} --hosts h --target 0 -o json"));
        assert_eq!(ran.code, 0, "{}", ran.shown());
        json(&ran)["userAccountSettings"].clone()
    };
    assert_eq!(shown("none"), serde_json::Value::Null, "nothing is begun, so nothing is filled in");
    user.file("key.pub", format!("{key}\n"));
    let of = |name: &str| serde_json::json!({"adminUserName": name, "adminUserSshPublicKey": key});
    assert_eq!(shown("path -u bob -k key.pub"), of("bob"));
    // The current user.
    let own = shown(&format!("text -k '{key}'"));
    assert!(own["adminUserName"].as_str().is_some_and(|name| !name.is_empty() && name != "bob"), "{own}");
    assert_eq!(own["adminUserSshPublicKey"], key, "{own}");
    // With a password no key is looked for; the password is said to be accepted, and is nowhere.
    let ran = user.run("cluster create word -u bob -p canary-word --hosts h --target 0 -o json");
    assert!(ran.code == 0 && ran.stderr.contains("accepted and not kept"), "{}", ran.shown());
    assert_eq!(json(&ran)["userAccountSettings"], serde_json::json!({"adminUserName": "bob"}));
    assert!(!ran.stdout.contains("canary-word"), "{}", ran.shown());
    // A pair is made once and found after that.
    let made = shown("made --generate-ssh-keys");
    assert!(made["adminUserSshPublicKey"].as_str().is_some_and(|key| key.starts_with("ssh-ed25519 ")), "{made}");
    assert!(user.home().join(".ssh/id_ed25519").is_file());
    assert_eq!(shown("again --generate-ssh-keys"), made);
    for (line, said) in [
        ("x -k nowhere.pub", "neither a public key nor a file"),
        ("x -k .ssh/id_ed25519", "is a private key"),
        ("x -u 'a b'", "is no name of an account"),
    ] {
        let ran = user.run(&format!("cluster create {line} --hosts h --target 0"));
        assert!(ran.code > 0 && ran.stderr.contains(said), "{}", ran.shown());
    }
}

#[test]
fn the_published_short_forms_of_scale_and_labels() {
    let user = user("");
    for (at, (options, expected)) in [
        ("-t 3", r#"{"manual": {"targetNodeCount": 3, "nodeDeallocationOption": "requeue"}}"#),
        ("--min 2 --max 2", r#"{"manual": {"targetNodeCount": 2, "nodeDeallocationOption": "requeue"}}"#),
        ("--min 2 --max 2 -t 2", r#"{"manual": {"targetNodeCount": 2, "nodeDeallocationOption": "requeue"}}"#),
        (
            "--min 1 --max 4 -t 2",
            r#"{"autoScale": {"minimumNodeCount": 1, "maximumNodeCount": 4, "initialNodeCount": 2, "idleTime": "PT10M"}}"#,
        ),
        (
            "--min 0 --max 4",
            r#"{"autoScale": {"minimumNodeCount": 0, "maximumNodeCount": 4, "initialNodeCount": 0, "idleTime": "PT10M"}}"#,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        // No such host is ever reached: what was asked for is looked at, not what becomes of it.
        let ran = user.run(&format!("cluster create s{at} --hosts nowhere.invalid {options} -o json"));
        assert_eq!(ran.code, 0, "{}", ran.shown());
        assert_eq!(json(&ran)["scaleSettings"], serde_json::from_str::<serde_json::Value>(expected).unwrap(), "{options}");
    }
    for (options, said) in [
        ("", "scaleSettings: is missing"),
        ("--min 1", "--max"),
        ("--max 1", "--min"),
        ("--min 3 --max 2", "--min 3 is above --max 2"),
        ("--min 1 --max 2 -t 3", "initialNodeCount: must be 1 to 2, got 3"),
        ("-t 1 --setup-task true", "--setup-task-output"),
        ("-t 1 --image ubuntu", "names no image"),
        ("-t 1 --custom-image x", "--image"),
    ] {
        let ran = user.run(&format!("cluster create x --hosts h {options}"));
        assert!(ran.code > 0 && ran.stderr.contains(said), "{said}: {}", ran.shown());
    }
    let labels = "--vm-priority lowpriority -i ubuntults --custom-image /i --subnet /s --setup-task 'echo hi' --setup-task-output /var/tmp/logs";
    let ran = user.run(&format!("cluster create l -s big --hosts h -t 0 {labels} -o json"));
    assert_eq!(ran.code, 0, "{}", ran.shown());
    let made = json(&ran);
    let image = &made["virtualMachineConfiguration"]["imageReference"];
    assert_eq!((&image["publisher"], &image["virtualMachineImageId"]), (&"Canonical".into(), &"/i".into()), "{made}");
    let more = (&made["vmPriority"], &made["subnet"]["id"], &made["nodeSetup"]["setupTask"]["commandLine"]);
    assert_eq!(more, (&"lowpriority".into(), &"/s".into(), &"echo hi".into()), "{made}");
}

#[test]
fn several_ids_at_once() {
    let user = user("");
    for line in [
        "workspace create other",
        "experiment create a -w lab",
        "experiment create b -w lab",
        "file-server create s -w lab --export dir --path /home",
        "file-server create t -w lab --export dir --path /srv",
        "cluster create c -w lab --provider local --target 0",
        "cluster create d -w other --provider local --target 0",
        "job create -n one -w lab -e a -c c -- true",
        "job create -n two -w lab -e a -c c -- true",
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
    }
    let root = "/subscriptions/ostler/resourceGroups/default/providers/Microsoft.BatchAI/workspaces";
    let names = |line: &str| {
        let ran = user.run(&format!("{line} -o name"));
        assert_eq!(ran.code, 0, "{}", ran.shown());
        ran.stdout.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&format!("workspace show --ids {root}/lab {root}/other")), ["lab", "other"]);
    assert_eq!(names(&format!("cluster show --ids {root}/lab/clusters/c {root}/other/clusters/d")), ["c", "d"]);
    assert_eq!(names(&format!("experiment show --ids {root}/lab/experiments/a {root}/lab/experiments/b")), ["a", "b"]);
    assert_eq!(names(&format!("file-server show --ids {root}/lab/fileServers/s {root}/lab/fileServers/t")), ["s", "t"]);
    let jobs = format!("{root}/lab/experiments/a/jobs/one {root}/lab/experiments/a/jobs/two");
    assert_eq!(names(&format!("job show --ids {jobs}")), ["one", "two"]);
    assert_eq!(names("job show -w lab -e a -n one"), ["one"]);
    // An id counts over the workspace of the context, wherever a name is taken.
    assert_eq!(user.run("context set -w other").code, 0);
    let (cluster, far) = (format!("{root}/lab/clusters/c"), format!("{root}/lab/experiments/a"));
    assert_eq!(names(&format!("cluster show {cluster}")), ["c"]);
    assert_eq!(names(&format!("cluster node list -c {cluster}")), [""; 0]);
    assert_eq!(names(&format!("cluster file list -c {cluster}")), [""; 0]);
    assert_eq!(names(&format!("cluster resize -n {cluster} -t 0")), ["c"]);
    assert_eq!(names(&format!("experiment show {far}")), ["a"]);
    assert_eq!(names(&format!("job list -e {far}")), ["one", "two"]);
    assert_eq!(names(&format!("job list -c {cluster} -w lab")), ["one", "two"]);
    assert_eq!(names(&format!("file-server show {root}/lab/fileServers/s")), ["s"]);
    assert_eq!(names(&format!("job show {far}/jobs/one")), ["one"]);
    for line in [format!("cluster show {root}/nowhere/clusters/c"), format!("experiment show {root}/lab/experiments/none")] {
        let ran = user.run(&line);
        assert!(ran.code == 1 && ran.stderr.contains("there is no"), "{}", ran.shown());
    }
    assert_eq!(user.run("context clear").code, 0);
    // What is not there is said, and the others go all the same.
    let ran = user.run(&format!("experiment delete -y --ids {root}/lab/experiments/b {root}/lab/experiments/nope"));
    assert!(ran.code == 4 && ran.stderr.contains("1 of 2 failed") && ran.stderr.contains("`nope`"), "{}", ran.shown());
    assert_eq!(names("experiment list -w lab"), ["a"]);
    let ran = user.run(&format!("job delete -y --ids {jobs}"));
    assert_eq!(ran.code, 0, "{}", ran.shown());
    let ran = user.run(&format!("cluster delete -y --ids {root}/lab/clusters/c {root}/other/clusters/d"));
    assert_eq!(ran.code, 0, "{}", ran.shown());
    assert_eq!(names("cluster list -w lab").len() + names("cluster list -w other").len(), 0);
}
