//! Storage that nodes share, for real: exports by NFS and folders by sshfs, mounted by clusters and jobs on several hosts;
//! servers that hang or cannot be reached; the directory that the nodes of a job have in common.

use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::nfs;
use crate::ostler::{Ostler, SOON, exit_code};

/// A value that is to be found nowhere.
const CANARY: &str = "canary-of-a-task-0451";

/// All mounts below spools, of all hosts.
fn mounted(lab: &Lab) -> String {
    lab.on_all("grep ostler-node /proc/self/mounts")
}

/// Makes a cluster `c` on these hosts with a set-up of its nodes.
fn cluster(ostler: &Ostler<'_>, hosts: &[&str], setup: &Value) {
    let file = ostler.lab.dir().join("cluster.json");
    let properties = json!({
        "hosts": hosts.join(","),
        "scaleSettings": {"manual": {"targetNodeCount": hosts.len()}},
        "nodeSetup": setup,
    });
    std::fs::write(&file, json!({ "properties": properties }).to_string()).unwrap();
    ostler.ok(&["cluster", "create", "c", "-f", file.to_str().unwrap()]);
}

fn server(name: &str, at: &str, more: Value) -> Value {
    let mut mount = json!({"fileServer": {"id": name}, "relativeMountPath": at});
    mount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    mount
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn an_export_is_mounted_by_a_cluster_and_by_its_jobs() {
    let lab = Lab::up(3);
    nfs::install_client(&lab);
    nfs::serve(&lab, "h1", "/srv/data");
    lab.on("h1", "mkdir -m 777 /srv/data/sub");
    let ostler = Ostler::new(&lab);
    ostler.ok(&["file-server", "create", "data", "--host", "h1", "--path", "/srv/data", "--existing"]);
    let setup = json!({
        "mountVolumes": {"fileServers": [server("data", "nfs", json!({"mountOptions": "rw,timeo=100"}))]},
        "setupTask": {
            "commandLine": "case $TOKEN in c?nary-of-a-task-0451) ;; *) exit 9; esac; echo $GREETING ${#TOKEN} >$AZ_BATCHAI_MOUNT_ROOT/nfs/setup-$(uname -n)",
            "environmentVariables": [{"name": "GREETING", "value": "hello"}],
            "secrets": [{"name": "TOKEN", "value": CANARY}],
        },
    });
    cluster(&ostler, &["h2", "h3"], &setup);
    ostler.await_ready(2);
    for host in ["h2", "h3"] {
        let found = lab.on("h1", &format!("cat /srv/data/setup-{host}"));
        assert_eq!(found, format!("hello {}\n", CANARY.len()), "the task had its variables and its secret, and the mount");
    }
    assert_eq!(mounted(&lab).matches("h1:/srv/data ").count(), 2, "{}", mounted(&lab));

    // Written through from both nodes, by both levels; the directory that they share is on the server.
    let line = "echo of-$(uname -n) >$AZ_BATCHAI_JOB_MOUNT_ROOT/own/$AZ_BATCHAI_TASK_INDEX && \
                echo up >$AZ_BATCHAI_SHARED_JOB_TEMP/$AZ_BATCHAI_TASK_INDEX && \
                while ! cat $AZ_BATCHAI_SHARED_JOB_TEMP/0 $AZ_BATCHAI_SHARED_JOB_TEMP/1; do sleep 0.1; done 2>/dev/null && \
                cat $AZ_BATCHAI_MOUNT_ROOT/nfs/setup-h2 && cat $AZ_BATCHAI_MOUNT_ROOT/nfs/sub/0";
    ostler.submit_file(
        "both",
        json!({
            "nodeCount": 2,
            "mountVolumes": {"fileServers": [server("data", "own", json!({"sourceDirectory": "sub"}))]},
            "caffe2Settings": {"pythonScriptFilePath": "-c 'import os; os.system(os.environ[\"LINE\"])' #", "pythonInterpreterPath": "/usr/bin/python3"},
            "environmentVariables": [{"name": "LINE", "value": line}],
        }),
    );
    let job = ostler.await_end("both");
    assert_eq!(job["executionState"], "succeeded", "{job:#}\n{}", ostler.ok(&["job", "logs", "both", "--err"]));
    assert_eq!(lab.on("h1", "cat /srv/data/sub/[01] | sort"), "of-h2\nof-h3\n");
    assert_eq!(mounted(&lab).lines().count(), 2, "what the job mounted is gone: {}", mounted(&lab));

    // A secret of a task is nowhere.
    let state = lab.dir().join("ostler");
    let found = Command::new("grep").args(["-rl", CANARY]).arg(&state).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    assert_eq!(lab.on_all("grep -rl canary-of-a-task /root/.local /srv /tmp 2>/dev/null"), "");
    assert!(!ostler.ok(&["cluster", "show", "c", "-o", "json"]).contains(CANARY));

    // The server stops answering: what does not touch it goes on.
    lab.on("h1", "kill -STOP $(cat /run/ganesha.pid)");
    let ran = ostler.run(&["job", "create", "-c", "c", "--name", "alive", "--wait", "--", "echo", "alive"]);
    assert_eq!((ran.code, ostler.ok(&["job", "logs", "alive"]).as_str()), (0, "alive\n"), "{ran:?}");
    assert_eq!(ostler.nodes().iter().filter(|node| node["state"] == "idle").count(), 2);
    lab.on("h1", "kill -CONT $(cat /run/ganesha.pid)");
    let ran = ostler.run(&[
        "job",
        "create",
        "-c",
        "c",
        "--name",
        "again",
        "--wait",
        "--",
        "sh",
        "-c",
        "ls $AZ_BATCHAI_MOUNT_ROOT/nfs/sub",
    ]);
    assert_eq!((ran.code, ostler.ok(&["job", "logs", "again"]).as_str()), (0, "0\n1\nostler\n"), "{ran:?}");

    // Nodes that are given back leave nothing mounted.
    ostler.ok(&["cluster", "scale", "0", "-c", "c", "-y"]);
    until("both nodes are given back", SOON, || ostler.nodes().is_empty().then_some(()));
    assert_eq!(mounted(&lab), "");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_mount_that_fails_makes_the_node_unusable_and_says_why() {
    let lab = Lab::up(2);
    nfs::install_client(&lab);
    nfs::serve(&lab, "h1", "/srv/data");
    let ostler = Ostler::new(&lab);
    ostler.ok(&["file-server", "create", "data", "--host", "h1", "--path", "/srv/data", "--existing"]);
    let far = lab.address(99);
    ostler.ok(&[
        "file-server",
        "create",
        "far",
        "--host",
        &far,
        "--path",
        "/srv/data",
        "--existing",
        "--mount-options",
        "timeo=20",
    ]);
    let mounts = json!({"fileServers": [server("data", "nfs", json!({"sourceDirectory": "nowhere"}))]});
    cluster(&ostler, &["h2"], &json!({ "mountVolumes": mounts }));
    let reason = until("the node is unusable", SOON, || {
        let node = ostler.node("h2")?;
        (node["state"] == "unusable").then(|| node["reason"].as_str().unwrap().to_owned())
    });
    assert!(reason.contains("Unable to mount file server: mount.nfs: h1:/srv/data/nowhere"), "{reason}");
    assert_eq!(ostler.json(&["cluster", "show", "c"])["provisioningState"], "succeeded", "the cluster is as good as before");
    assert_eq!(mounted(&lab), "");
    // What was missing is there now, and the node is prepared again.
    lab.on("h1", "mkdir /srv/data/nowhere");
    ostler.ok(&["cluster", "node", "prepare", "h2"]);
    ostler.await_ready(1);
    // A server that is not there.
    ostler.submit_file(
        "far",
        json!({
            "nodeCount": 1,
            "mountVolumes": {"fileServers": [server("far", "far", json!({}))]},
            "customToolkitSettings": {"commandLine": "true"},
        }),
    );
    let job = ostler.await_end("far");
    assert_eq!(exit_code(&job), Some(-1), "{job:#}");
    let error = &job["executionInfo"]["errors"][0];
    assert_eq!(error["code"], "NFSMountError");
    let words = format!("this node does not reach {far} on port 2049");
    assert!(error["message"].as_str().unwrap().contains(&words), "{error:#}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_folder_of_a_host_comes_by_sshfs_and_accounts_by_what_stands_in_for_them() {
    let lab = Lab::up(3);
    lab.on("h1", "mkdir -p /srv/files/data /srv/blobs/box; chmod -R 777 /srv/files; echo of-a-box >/srv/blobs/box/file");
    // Mounts a container of an account, and says how it was called.
    let script = "#!/bin/sh\nname=$1; shift; for at; do :; done\n\
                  echo \"$name ${#OSTLER_STORAGE_KEY} $*\" >/run/asked\nexec sshfs -o BatchMode=yes,ro \"h1:/srv/blobs/$name\" \"$at\"\n";
    lab.on_all(&format!("printf '%s' '{script}' >/usr/local/bin/box-mount; chmod 755 /usr/local/bin/box-mount"));
    let ostler = Ostler::new(&lab);
    lab.on(
        "h1",
        "mkdir -p /srv/auto/batchaishare /srv/auto/batchaicontainer; echo of-the-container >/srv/auto/batchaicontainer/file",
    );
    ostler.configure(
        "[storage_accounts.acc]\nblobs = { kind = \"command\", command = \"box-mount {name} {options}\" }\n\
         [storage_accounts.batchaiautostorage]\nkind = \"command\"\ncommand = \"sshfs -o BatchMode=yes h1:/srv/auto/{name}\"\n",
    );
    ostler.ok(&[
        "file-server",
        "create",
        "files",
        "--host",
        "h1",
        "--path",
        "/srv/files",
        "--export",
        "sshfs",
        "--existing",
    ]);
    ostler.ok(&["cluster", "create", "c", "--hosts", "h2,h3", "--target", "2", "--use-auto-storage"]);
    ostler.await_ready(2);
    let blob = json!({
        "accountName": "acc", "containerName": "box", "relativeMountPath": "bfs", "credentials": {"accountKey": "0123456789"},
    });
    ostler.submit_file(
        "two",
        json!({
            "nodeCount": 2,
            "mountVolumes": {
                "fileServers": [server("files", "files", json!({"sourceDirectory": "data"}))],
                "azureBlobFileSystems": [blob],
            },
            "jobPreparation": {"commandLine": "uname -n | tee $AZ_BATCHAI_MOUNT_ROOT/autoafs/$(uname -n) >$AZ_BATCHAI_JOB_MOUNT_ROOT/files/$(uname -n); cat $AZ_BATCHAI_MOUNT_ROOT/autobfs/file"},
            "customToolkitSettings": {"commandLine": "cd $AZ_BATCHAI_JOB_MOUNT_ROOT; while ! cat files/h3; do sleep 0.2; done 2>/dev/null; cat files/h2 bfs/file"},
        }),
    );
    let job = ostler.await_end("two");
    assert_eq!(
        job["executionState"],
        "succeeded",
        "{job:#}{}",
        lab.on_all("find /root/.local -name 'stderr*.txt' -exec cat {} +; mount | grep ostler")
    );
    assert_eq!(ostler.ok(&["job", "logs", "two"]), "h3\nh2\nof-a-box\n");
    assert_eq!(lab.on("h1", "cat /srv/auto/batchaishare/h2 /srv/auto/batchaishare/h3"), "h2\nh3\n");
    let prepared = lab.on("h3", "find /root/.local -name 'stdout-job_prep-h3.txt' -exec cat {} +");
    assert_eq!(prepared, "of-the-container\n");
    assert_eq!(mounted(&lab).lines().count(), 4, "the cluster's two on each node: {}", mounted(&lab));
    let asked = lab.on("h2", "cat /run/asked");
    let documented = "--use-https=true -o big_writes -o max_read=131072 -o max_write=131072 -o attr_timeout=240 -o fsname=blobfuse \
                      -o kernel_cache -o entry_timeout=240 -o negative_timeout=120 -o allow_other";
    assert!(asked.starts_with(&format!("box 10 {documented} /")), "{asked}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn nodes_that_share_their_homes_share_a_directory_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().to_str().unwrap().to_owned();
    let lab = Lab::up_sharing(4, folder.path());
    // The state of the logins on h1 and h2 lies in one folder, as with homes on a file server.
    for host in ["h1", "h2"] {
        lab.on(host, &format!("echo 'SetEnv XDG_STATE_HOME={shared}' >>/etc/ssh/sshd_config"));
        lab.nslab(&["sshd-kill", host]);
        lab.nslab(&["sshd-back", host]);
    }
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--hosts", "h1,h2", "--target", "2"]);
    ostler.await_ready(2);
    let refers = |line: &str| {
        json!({
            "nodeCount": 2,
            "jobPreparation": {"commandLine": "echo $AZ_BATCHAI_SHARED_JOB_TEMP >$AZ_BATCHAI_SHARED_JOB_TEMP/$(uname -n)"},
            "customToolkitSettings": {"commandLine": line},
        })
    };
    for name in ["first", "second"] {
        ostler.submit_file(name, refers("cat $AZ_BATCHAI_SHARED_JOB_TEMP/*; ls $AZ_BATCHAI_SHARED_JOB_TEMP"));
        assert_eq!(ostler.await_end(name)["executionState"], "succeeded");
        let logs = ostler.ok(&["job", "logs", name]);
        let lines: Vec<&str> = logs.lines().collect();
        assert!(lines.len() == 4 && lines[0] == lines[1] && lines[0].starts_with(&shared), "{logs}");
        assert_eq!(lines[2..], ["h1", "h2"], "nothing of a former job is there");
    }
    // Nodes with homes of their own: no job may count on them.
    ostler.ok(&["cluster", "create", "d", "--hosts", "h3,h4", "--target", "2"]);
    until("both are there", SOON, || {
        let cluster = ostler.json(&["cluster", "show", "d"]);
        (cluster["nodeStateCounts"]["idleNodeCount"] == 2).then_some(())
    });
    let file = lab.dir().join("third.json");
    std::fs::write(&file, json!({ "properties": refers("true") }).to_string()).unwrap();
    let refused = ostler.run(&["job", "create", "-c", "d", "--name", "third", "-f", file.to_str().unwrap()]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("the nodes share no directory") && refused.err.contains("mount a file server"),
        "{refused:?}"
    );
    let plan = |cluster: &str| ostler.ok(&["job", "plan", "-c", cluster, "-o", "json", "--nodes", "2", "--", "true"]);
    let note = "the nodes are not known to share a directory";
    assert!(plan("d").contains(note) && !plan("c").contains(note), "{}", plan("c"));
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn an_export_is_set_up_on_its_host_and_undone() {
    let lab = Lab::up(2);
    nfs::install_client(&lab);
    // The directory is to be on a file system that can be exported; the login has to use sudo.
    lab.on("h1", "mount -t tmpfs -o size=64m,mode=755 none /srv");
    let ostler = Ostler::new(&lab);
    let create = ["file-server", "create", "data", "--host", "h1", "--login", "ci@h1", "--path", "/srv/the data"];
    let asked = ostler.run(&create);
    assert_eq!(asked.code, 2, "nobody is there to be asked: {asked:?}");
    let words = "on ci@h1 as root (sudo -n): export /srv/the data by NFS to 10.0.0.0/8";
    assert!(asked.err.contains(words) && asked.err.contains("deleting the file server undoes"), "{asked:?}");
    assert_eq!(lab.on("h1", "ls /srv"), "", "nothing was done before the answer");
    let with = |more: &[&'static str]| [&create[..], more].concat();
    ostler.ok(&with(&["-y"]));
    assert_eq!(lab.on("h1", "showmount -e --no-headers localhost | grep -c '/srv/the data'"), "1\n");
    let server = ostler.json(&["file-server", "show", "data"]);
    assert_eq!(
        (server["provisioningState"].as_str(), server["space"]["total"].as_u64()),
        (Some("succeeded"), Some(64 << 20))
    );
    // Doing it again changes nothing: another file server of the same directory.
    ostler.ok(&["file-server", "create", "same", "--host", "h1", "--path", "/srv/the data", "-y"]);
    ostler.ok(&["file-server", "delete", "same", "-y"]);
    ostler.ok(&["file-server", "delete", "data", "-y"]);
    ostler.ok(&with(&["-y"]));

    // Files go up and come back, and the nodes see them.
    let (here, there) = (lab.dir().join("here"), lab.dir().join("there"));
    std::fs::create_dir_all(here.join("set")).unwrap();
    std::fs::write(here.join("set/a"), "of here\n").unwrap();
    ostler.ok(&["file-server", "put", "data", here.join("set").to_str().unwrap(), "-p", "in"]);
    let setup = json!({"mountVolumes": {"fileServers": [server_mount("data")]}});
    cluster(&ostler, &["h2"], &setup);
    ostler.await_ready(1);
    let line = "cat $AZ_BATCHAI_MOUNT_ROOT/nfs/in/set/a; echo of a job >$AZ_BATCHAI_MOUNT_ROOT/nfs/in/set/b";
    let ran = ostler.run(&["job", "create", "-c", "c", "--name", "reads", "--wait", "--", "sh", "-c", line]);
    assert_eq!((ran.code, ostler.ok(&["job", "logs", "reads"]).as_str()), (0, "of here\n"), "{ran:?}");
    assert!(ostler.ok(&["file-server", "files", "data", "-p", "in/set", "-o", "name"]).contains('b'));
    // What a node wrote through the server comes too; what it kept for itself is said and left out.
    let ran = ostler.run(&[
        "job",
        "create",
        "-c",
        "c",
        "--wait",
        "--",
        "sh",
        "-c",
        "umask 077; echo mine >$AZ_BATCHAI_MOUNT_ROOT/nfs/in/set/c",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let got = ostler.run(&["file-server", "get", "data", "-p", "in/set", "--to", there.to_str().unwrap()]);
    assert!(got.code == 4 && got.err.contains("left out `set/c`") && got.err.contains("may not be read"), "{got:?}");
    for (name, text) in [("a", "of here\n"), ("b", "of a job\n")] {
        assert_eq!(std::fs::read_to_string(there.join("set").join(name)).unwrap(), text);
    }
    assert!(!there.join("set/c").exists());

    // It is in use, and then it is not; its export goes with it and its files stay.
    let refused = ostler.run(&["file-server", "delete", "data", "-y"]);
    assert!(refused.code == 1 && refused.err.contains("is mounted by cluster `c`"), "{refused:?}");
    ostler.ok(&["cluster", "delete", "c", "-y"]);
    until("it is gone", SOON, || ostler.ok(&["cluster", "list", "-o", "name"]).is_empty().then_some(()));
    ostler.ok(&["file-server", "delete", "data", "-y"]);
    assert_eq!(lab.on("h1", "cat '/srv/the data/in/set/b'; ls /etc/ostler/exports"), "of a job\n");
    // A host that is not there is said, and can be forgotten.
    let far = lab.address(98);
    let failed = ostler.run(&["file-server", "create", "far", "--host", &far, "--path", "/srv/x", "-y"]);
    assert!(failed.code == 3 && failed.err.contains("could not be set up"), "{failed:?}");
    assert_eq!(ostler.json(&["file-server", "show", "far"])["provisioningState"], "failed");
    ostler.ok(&["file-server", "delete", "far", "-y", "--force"]);
}

fn server_mount(name: &str) -> Value {
    server(name, "nfs", json!({}))
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn the_kernels_server_and_disks_are_asked_with_these_commands() {
    let lab = Lab::up(1);
    // Stand-ins that say how they were called, where no kernel has NFS and no disk is blank.
    let stand_in = "#!/bin/sh\necho \"${0##*/} $*\" >>/run/calls\n";
    let tools = ["exportfs", "modprobe", "mdadm", "mkfs.ext4", "wipefs", "blkid", "service", "systemctl"];
    for tool in tools {
        let more = if tool == "systemctl" { "exit 1\n" } else { "" };
        lab.on("h1", &format!("rm -f /usr/sbin/{tool} /usr/bin/{tool}; printf '%s' '{stand_in}{more}' >/usr/local/sbin/{tool}; chmod 755 /usr/local/sbin/{tool}"));
    }
    lab.on("h1", "mv /bin/mount /bin/mount.real; printf '%s' '#!/bin/sh\ncase $* in *ostler-*) echo \"mount $*\" >>/run/calls;; *) exec /bin/mount.real \"$@\";; esac\n' >/usr/local/bin/mount; chmod 755 /usr/local/bin/mount");
    let ostler = Ostler::new(&lab);
    let create = ["file-server", "create", "data", "--host", "h1", "--path", "/srv/data", "-y", "--allow", "10.1.0.0/16"];
    ostler.ok(&[&create[..], &["--device", "/dev/sdx", "--device", "/dev/sdy"]].concat());
    let id = lab.on("h1", "printf %s /srv/data | cksum | cut -d' ' -f1");
    let id = id.trim();
    // Asked for only where the kernel does not say that it has NFS.
    let calls = lab.on("h1", "grep -v '^modprobe nfsd$' /run/calls");
    let wanted = format!(
        "wipefs --noheadings /dev/sdx\nwipefs --noheadings /dev/sdy\n\
         mdadm --create /dev/md/ostler-{id} --run --level=0 --raid-devices=2 /dev/sdx /dev/sdy\n\
         blkid -p -s TYPE -o value /dev/md/ostler-{id}\nmkfs.ext4 -q /dev/md/ostler-{id}\n\
         mount -- /dev/md/ostler-{id} /srv/data\nsystemctl cat nfs-server\nservice nfs-kernel-server start\n\
         exportfs -ra\n"
    );
    assert_eq!(calls, wanted);
    let exports = lab.on("h1", &format!("cat /etc/exports.d/ostler-{id}.exports"));
    assert_eq!(exports, "\"/srv/data\" 10.1.0.0/16(rw,sync,no_subtree_check,no_root_squash)\n");
    assert_eq!(lab.on("h1", "grep -c ostler- /etc/fstab"), "1\n");
    lab.on("h1", ": >/run/calls");
    ostler.ok(&["file-server", "delete", "data", "-y"]);
    assert_eq!(lab.on("h1", "cat /run/calls; ls /etc/exports.d"), "exportfs -ra\n", "the volume stays");
}
