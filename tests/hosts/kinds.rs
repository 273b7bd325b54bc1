//! All published kinds of mounts at once, with all their properties, by a cluster and by a job: file servers over NFS, file
//! shares over SMB with their modes, containers by what stands in for them, and a command of the user's own.

use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::nfs;
use crate::ostler::{Ostler, SOON, exit_code};
use crate::smb;

/// A key of an account, which is to be found nowhere.
const KEY: &str = "canary-of-an-account-7204";

/// One mount of each kind, at places that begin with this letter; of shares there is a second that names no modes.
fn of_each_kind(letter: &str) -> Value {
    let credentials = json!({ "accountKey": KEY });
    json!({
        "fileServers": [{
            "fileServer": {"id": "data"}, "relativeMountPath": format!("{letter}/nfs"),
            "sourceDirectory": "sub", "mountOptions": "rw,timeo=100",
        }],
        "azureFileShares": [
            {
                "accountName": "acc", "azureFileUrl": "https://acc.file.core.windows.net/closed",
                "credentials": credentials, "relativeMountPath": format!("{letter}/closed"),
                "fileMode": "0640", "directoryMode": "0750",
            },
            {
                "accountName": "acc", "azureFileUrl": "https://acc.file.core.windows.net/open",
                "credentials": credentials, "relativeMountPath": format!("{letter}/open"),
            },
        ],
        "azureBlobFileSystems": [{
            "accountName": "acc", "containerName": "box", "credentials": credentials,
            "relativeMountPath": format!("{letter}/box"), "mountOptions": "-o ro",
        }],
        "unmanagedFileSystems": [
            {"mountCommand": "mount -t tmpfs -o mode=1777 none", "relativeMountPath": format!("{letter}/own")},
        ],
    })
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn all_kinds_are_mounted_with_all_their_properties() {
    let lab = Lab::up(2);
    nfs::install_client(&lab);
    smb::install_client(&lab);
    nfs::serve(&lab, "h1", "/srv/data");
    smb::serve(&lab, "h1", &["/srv/open", "/srv/closed"], KEY);
    lab.on("h1", "mkdir -m 777 /srv/data/sub; mkdir -p /srv/blobs/box; echo of-a-box >/srv/blobs/box/file");
    let ostler = Ostler::new(&lab);
    ostler.configure(
        "[storage_accounts.acc]\nfiles = { kind = \"smb\", host = \"h1\", user = \"ci\", options = \"vers=3.0\" }\n\
         blobs = { kind = \"command\", command = \"sshfs -o BatchMode=yes {options} h1:/srv/blobs/{name}\" }\n",
    );
    ostler.ok(&["file-server", "create", "data", "--host", "h1", "--path", "/srv/data", "--existing"]);
    let cluster = lab.dir().join("cluster.json");
    let properties = json!({
        "hosts": "h2",
        "scaleSettings": {"manual": {"targetNodeCount": 1}},
        "nodeSetup": {"mountVolumes": of_each_kind("c")},
    });
    std::fs::write(&cluster, json!({ "properties": properties }).to_string()).unwrap();
    ostler.ok(&["cluster", "create", "c", "-f", cluster.to_str().unwrap()]);
    ostler.await_ready(1);
    let each = "for at in $AZ_BATCHAI_MOUNT_ROOT/c $AZ_BATCHAI_JOB_MOUNT_ROOT/j; do \
                cat $at/box/file && ! touch $at/box/x 2>/dev/null && touch $at/own/x && \
                for in in nfs open closed; do \
                mkdir -p $at/$in/made && echo $in >>$at/$in/made/${at##*/} && \
                echo $in $(stat -c %a $at/$in/made $at/$in/made/${at##*/}) || exit 1; done || exit 1; done";
    let job =
        |mounts: Value| json!({"nodeCount": 1, "mountVolumes": mounts, "customToolkitSettings": {"commandLine": each}});
    ostler.submit_file("all", job(of_each_kind("j")));
    let ended = ostler.await_end("all");
    assert_eq!(ended["executionState"], "succeeded", "{ended:#}\n{}", ostler.ok(&["job", "logs", "all", "--err"]));
    let lines = "of-a-box\nnfs 755 644\nopen 777 777\nclosed 750 640\n";
    assert_eq!(ostler.ok(&["job", "logs", "all"]), lines.repeat(2), "modes are those that were asked for, 0777 by default");
    for of in ["data/sub", "open", "closed"] {
        let name = of.rsplit('/').next().unwrap().replace("sub", "nfs");
        until("it is on the server", SOON, || {
            let there = lab.on("h1", &format!("cat /srv/{of}/made/c /srv/{of}/made/j"));
            (there == format!("{name}\n{name}\n")).then_some(())
        });
    }
    // The kernel's client would be called with these words.
    let calls = lab.on("h2", "cut -d' ' -f1,4 /run/cifs-calls | sed 's/credentials=[^,]*,//'");
    let modes = [("closed", "0640", "0750"), ("open", "0777", "0777")];
    let call = |(share, file, dir): (&str, &str, &str)| {
        format!("//h1/{share} rw,uid=0,gid=0,file_mode={file},dir_mode={dir},vers=3.0\n")
    };
    assert_eq!(calls, modes.map(call).concat().repeat(2));
    let mounted = || lab.on("h2", "grep -c ostler-node /proc/self/mounts");
    assert_eq!(mounted(), "5\n", "what the job mounted is gone, what the cluster mounts is there");

    // Who has another key gets nothing, and is told what the server says.
    let mut wrong = of_each_kind("j");
    wrong["azureFileShares"][1]["credentials"]["accountKey"] = json!("another");
    ostler.submit_file("wrong", job(wrong));
    let ended = ostler.await_end("wrong");
    assert_eq!(exit_code(&ended), Some(-1), "{ended:#}");
    let error = &ended["executionInfo"]["errors"][0];
    assert_eq!(error["code"], "AZFMountError");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Unable to mount Azure File: mount error(13)"), "{message}");
    assert!(error["details"].to_string().contains("/j/open"), "{error:#}");
    assert_eq!(mounted(), "5\n");

    // The key is nowhere: not in what is kept here, not on the node.
    let state = lab.dir().join("ostler");
    for given in ["all", "wrong"] {
        std::fs::remove_file(state.join(format!("{given}.json"))).unwrap();
    }
    let kept = Command::new("grep").args(["-rl", KEY]).arg(&state).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
    assert_eq!(lab.on("h2", &format!("grep -rl {KEY} /root/.local /run /tmp 2>/dev/null")), "");
    ostler.ok(&["cluster", "scale", "0", "-c", "c", "-y"]);
    until("the node is given back", SOON, || ostler.nodes().is_empty().then_some(()));
    assert_eq!(mounted(), "0\n");
}
