//! Resource groups, workspaces and file servers from the command line.

use crate::rig::{Ran, User};

fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.shown()))
}

/// Replaces times, which differ from run to run.
fn settled(text: &str) -> String {
    let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z").expect("a pattern");
    time.replace_all(text, "TIME").into_owned()
}

#[test]
fn a_visit_to_file_servers() {
    let user = User::new();
    user.file(
        "server.json",
        r#"{"properties": {"vmSize": "STANDARD_NC6", "host": "ci@nas", "path": "/mnt/data", "export": "sshfs",
            "sshConfiguration": {"userAccountSettings": {"adminUserName": "ada", "adminUserPassword": "canary"}},
            "dataDisks": {"diskSizeInGB": 10, "diskCount": 2, "storageAccountType": "Standard_LRS"},
            "subnet": {"id": "x"}}}"#,
    );
    let text = user.tour(&[
        "file-server list",
        "workspace create lab",
        "file-server create data --host nas --path /srv/data --mount-options ro --public-address nas.example",
        "file-server create DATA --host nas --path /srv/data",
        "file-server create 'a b' --host nas --path /srv/data",
        "file-server create x --host nas --path srv",
        "file-server create x -f server.json --disk-count 4",
        "file-server create home --export dir --path /home",
        "file-server create y",
        "file-server list",
        "file-server list -o name",
        "file-server show data",
        "file-server show -n x -o yaml",
        "file-server show nope",
        "file-server delete data",
        "--dry-run file-server delete data",
        "file-server delete data -y",
        "file-server show data",
        "workspace delete lab -y",
        "workspace delete lab -y --force",
        "file-server list -o json",
    ]);
    assert!(!text.contains("canary"), "{text}");
    insta::assert_snapshot!("file-servers", settled(&text));
}

#[test]
fn a_visit_to_resource_groups() {
    let user = User::new();
    let text = user.tour(&[
        "resource-group list",
        "workspace create lab",
        "group create far",
        "resource-group create FAR",
        "resource-group list",
        "workspace create lab -g far --tag a=b",
        "workspace create lab -g far",
        "workspace create x -g nowhere",
        "workspace list -o name",
        "workspace list -g far -o name",
        "-g far experiment create first",
        "-g default experiment create first",
        "experiment list -w lab",
        "experiment list -w lab -g far -o name",
        "-g far file-server create data --host nas --path /srv",
        "file-server list -g default -o name",
        "file-server list -g far -o name",
        "context set -g far",
        "workspace show lab",
        "context clear",
        "resource-group delete far -y",
        "resource-group delete default -y",
        "resource-group delete far",
        "resource-group delete far -y --force",
        "workspace list -o name",
        "resource-group list -o name",
    ]);
    insta::assert_snapshot!("resource-groups", settled(&text));
}

#[test]
fn a_job_carries_the_group_it_is_in() {
    let user = User::new();
    for line in [
        "resource-group create far",
        "workspace create lab",
        "-g far workspace create lab",
        "-g far experiment create e",
        "-g far cluster create c --provider local --target 0",
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
    }
    let ran = user.run("-g far job create -n a -o json -- true");
    let job = json(&ran);
    let segment = job["jobOutputDirectoryPathSegment"].as_str().unwrap_or_default().to_owned();
    assert!(segment.starts_with("ostler/far/workspaces/lab/experiments/e/jobs/a/"), "{}", ran.shown());
    assert_eq!(user.run("-g far job list -o name").stdout, "a\n");
    assert_eq!(user.run("-g default job list -o name").stdout, "");
    let ran = user.run("-w lab job show a");
    assert!(ran.code == 1 && ran.stderr.contains("several resource groups have a workspace `lab`"), "{}", ran.shown());
}
