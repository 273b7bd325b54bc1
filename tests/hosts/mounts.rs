//! What jobs and clusters mount, on real hosts as root: bound folders, file systems of a command, what fails, what is left.

use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

/// A file system in memory by a command, at this place.
fn tmpfs(at: &str) -> Value {
    json!({"mountCommand": "mount -t tmpfs none", "relativeMountPath": at})
}

/// All mounts below spools, of all hosts.
fn mounted(lab: &Lab) -> String {
    lab.on_all("grep ostler-node /proc/self/mounts")
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_jobs_mounts_come_before_it_and_go_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path();
    let lab = Lab::up_sharing(2, shared);
    let ostler = Ostler::new(&lab);
    ostler.configure(&format!("[storage_accounts.acc]\nkind = \"folder\"\npath = {shared:?}\n"));
    ostler.ok(&["cluster", "create", "c", "--hosts", "h1,h2", "--target", "2"]);
    ostler.await_ready(2);
    ostler.submit_file(
        "train",
        json!({
            "nodeCount": 2,
            "mountVolumes": {
                "azureFileShares": [{"azureFileUrl": "https://acc.file.core.windows.net/data", "relativeMountPath": "afs"}],
                "unmanagedFileSystems": [tmpfs("scratch")],
            },
            "stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_MOUNT_ROOT/afs",
            "outputDirectories": [{"id": "M", "pathPrefix": "$AZ_BATCHAI_JOB_MOUNT_ROOT/afs"}],
            "jobPreparation": {"commandLine": "uname -n >$AZ_BATCHAI_OUTPUT_M/$(uname -n); grep -c scratch /proc/self/mounts"},
            "customToolkitSettings": {"commandLine": "cat $AZ_BATCHAI_OUTPUT_M/*; echo in >$AZ_BATCHAI_JOB_MOUNT_ROOT/scratch/x"},
        }),
    );
    let job = ostler.await_end("train");
    assert_eq!(job["executionState"], "succeeded", "{job:#}\n{}", mounted(&lab));
    assert_eq!(mounted(&lab), "", "nothing is left mounted");
    let logs = shared.join("data").join(job["jobOutputDirectoryPathSegment"].as_str().unwrap()).join("stdouterr");
    assert_eq!(std::fs::read_to_string(logs.join("stdout.txt")).unwrap(), "h1\nh2\n", "both nodes saw one folder");
    for node in ["h1", "h2"] {
        let log = std::fs::read_to_string(logs.join(format!("execution-{node}.log"))).unwrap();
        assert!(log.contains("done: mount") && log.contains("cleans up"), "{log}");
        let prepared = std::fs::read_to_string(logs.join(format!("stdout-job_prep-{node}.txt"))).unwrap();
        assert_eq!(prepared, "1\n", "mounts are there before the preparation");
    }
    // A node that takes no part mounts nothing: a job of one node leaves the other alone.
    ostler.submit_file(
        "one",
        json!({
            "nodeCount": 1,
            "mountVolumes": {"unmanagedFileSystems": [tmpfs("scratch")]},
            "customToolkitSettings": {"commandLine": "sleep 1000"},
        }),
    );
    until("it is mounted", SOON, || (mounted(&lab).lines().count() == 1).then_some(()));
    ostler.ok(&["job", "terminate", "one", "-y"]);
    ostler.await_end("one");
    assert_eq!(mounted(&lab), "", "a stopped job is cleaned up after");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_mount_that_fails_fails_the_job_and_says_why() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    let submit = |name: &str, mount: Value| {
        let properties = json!({
            "nodeCount": 1,
            "mountVolumes": {"unmanagedFileSystems": [tmpfs("first"), mount]},
            "customToolkitSettings": {"commandLine": "echo never"},
        });
        ostler.submit_file(name, properties);
        ostler.await_end(name)
    };
    let bad = json!({"mountCommand": "mount -t nosuchfs none", "relativeMountPath": "bad one"});
    for (name, mount, words) in [
        ("bad", bad, "bad one: "),
        ("nothing", json!({"mountCommand": "true", "relativeMountPath": "x"}), "nothing is mounted at"),
    ] {
        let job = submit(name, mount);
        assert_eq!((job["executionState"].as_str(), exit_code(&job)), (Some("failed"), Some(-1)), "{job:#}");
        let error = &job["executionInfo"]["errors"][0];
        assert_eq!(error["code"], "UnmanagedMountError", "{job:#}");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("Unable to mount unmanaged file system: ") && message.contains(words), "{message}");
        let details = error["details"].to_string();
        assert!(details.contains("targetPath") && details.contains("h1"), "{details}");
        assert_eq!(mounted(&lab), "", "the one that could be mounted is undone");
    }
    let ran = ostler.run(&["job", "create", "-c", "c", "--name", "next", "--wait", "--", "true"]);
    assert_eq!(ran.code, 0, "the node is as good as before: {ran:?}");
    // What cannot be known to work is refused before.
    let refused = [
        (
            json!({"azureFileShares": [{"azureFileUrl": "https://who.file.core.windows.net/s", "relativeMountPath": "a"}]}),
            "storage_accounts.who",
        ),
        (json!({"fileServers": [{"fileServer": {"id": "nfs9"}, "relativeMountPath": "a"}]}), "no file server `nfs9`"),
        (json!({"unmanagedFileSystems": [tmpfs("a"), tmpfs("a")]}), "is also that of"),
        (json!({"unmanagedFileSystems": [tmpfs("../a")]}), "relativeMountPath"),
    ];
    for (volumes, words) in refused {
        let job = json!({"nodeCount": 1, "mountVolumes": volumes, "customToolkitSettings": {"commandLine": "true"}});
        let ran = ostler.run_file("refused", job);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.contains(words), "{words}: {ran:?}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn what_a_killed_node_left_mounted_is_undone_before_its_next_job() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.await_ready(1);
    ostler.submit_file(
        "victim",
        json!({
            "nodeCount": 1,
            "mountVolumes": {"unmanagedFileSystems": [tmpfs("left")]},
            "customToolkitSettings": {"commandLine": "test -e /root/again && exit 7; touch /root/again; echo up; sleep 54321"},
        }),
    );
    until("it runs", SOON, || {
        lab.on("h1", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").contains("sleep 54321").then_some(())
    });
    assert_eq!(mounted(&lab).lines().count(), 1);
    // Everything of ours at once: agent, supervisors, the job; in this order, or the supervisor would tell of the job's end.
    lab.on(
        "h1",
        "for p in $(cd /proc && printf '%s\\n' [0-9]* | sort -n); do
           case $(tr '\\0' ' ' </proc/$p/cmdline) in *ostler-node*|*'sleep 54321'*|*'sh -s'*) all=\"$all $p\" ;; esac
         done 2>/dev/null; kill -9 $all",
    );
    let job = ostler.await_end("victim");
    assert_eq!((exit_code(&job), job["attempt"].as_i64()), (Some(7), Some(2)), "put back, and run again: {job:#}");
    assert_eq!(mounted(&lab), "");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_cluster_mounts_and_sets_up_each_node() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path();
    let lab = Lab::up_sharing(2, shared);
    let ostler = Ostler::new(&lab);
    ostler.configure(&format!("[storage_accounts.acc]\nkind = \"folder\"\npath = {shared:?}\n"));
    let file = shared.join("cluster.json");
    let setup = json!({
        "setupTask": {
            "commandLine": "id -un; echo $GREETING $BASH_VERSION | cut -c1-8; ls $AZ_BATCHAI_MOUNT_ROOT; test ! -e /root/bad",
            "stdOutErrPathPrefix": "$AZ_BATCHAI_MOUNT_ROOT/afs",
            "environmentVariables": [{"name": "GREETING", "value": "hello"}],
        },
        "mountVolumes": {
            "azureFileShares": [{"azureFileUrl": "https://acc.file.core.windows.net/data", "relativeMountPath": "afs"}],
        },
    });
    let properties = json!({
        "hosts": "h[1-2]",
        "scaleSettings": {"manual": {"targetNodeCount": 2}},
        "nodeSetup": setup,
    });
    std::fs::write(&file, json!({ "properties": properties }).to_string()).unwrap();
    lab.on("h2", "touch /root/bad");
    ostler.ok(&["cluster", "create", "c", "-f", file.to_str().unwrap()]);
    until("one node is set up, the other is not", SOON, || {
        let states: Vec<_> = ostler.nodes().iter().map(|node| node["state"].as_str().unwrap_or("").to_owned()).collect();
        (states == ["idle", "unusable"]).then_some(())
    });
    let bad = ostler.node("h2").unwrap();
    let reason = bad["reason"].as_str().unwrap();
    assert!(reason.contains("exit code 1; its logs are in"), "{bad:#}");
    let found = std::process::Command::new("find").arg(shared).args(["-name", "stdout-h?.txt"]).output().unwrap();
    let mut found: Vec<String> = String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("/data/") && found[0].contains("/workspaces/lab/clusters/c/"), "{found:?}");
    assert_eq!(std::fs::read_to_string(&found[0]).unwrap(), "root\nhello 5.\nafs\n");
    // Jobs run on the good node, and find the mount; the bad one is usable once it is prepared again.
    ostler.submit("one", "ls $AZ_BATCHAI_MOUNT_ROOT");
    assert_eq!(ostler.await_end("one")["executionState"], "succeeded");
    assert_eq!(ostler.ok(&["job", "logs", "one"]), "afs\n");
    lab.on("h2", "rm /root/bad");
    ostler.ok(&["cluster", "node", "prepare", "h2"]);
    ostler.await_ready(2);
    assert_eq!(mounted(&lab).lines().count(), 2, "mounted once on each node: {}", mounted(&lab));
}
