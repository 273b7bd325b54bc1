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
        "file-server create data --existing --host nas --path /srv/data --mount-options ro --public-address nas.example",
        "file-server create DATA --existing --host nas --path /srv/data",
        "file-server create 'a b' --existing --host nas --path /srv/data",
        "file-server create x --existing --host nas --path srv",
        "file-server create x -f server.json --disk-count 4",
        "file-server create home --export dir --path /home",
        "file-server create y",
        "file-server create z --host nas --path /srv/z",
        "--dry-run file-server create z --host nas --path /srv/z --device /dev/sdb --device /dev/sdc --allow 10.1.0.0/16",
        "file-server create z --host nas --path /srv/z --device sdb --allow=-a -y",
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
        "-g far file-server create data --existing --host nas --path /srv",
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

#[test]
fn errors_are_objects_where_data_is() {
    let user = User::new();
    user.file("bad.yaml", "nodeCount: many\ncustomToolkitSettings: {}\n");
    for line in ["workspace create lab", "cluster create c --provider local --target 0", "experiment create e"] {
        assert_eq!(user.run(line).code, 0);
    }
    for (line, exit, code, target) in [
        ("workspace create lab", 1, "ResourceAlreadyExists", "lab"),
        ("workspace create 'a b'", 1, "InvalidName", "a b"),
        ("experiment create x -w nope", 1, "ResourceNotFound", "nope"),
        ("job show nope", 1, "ResourceNotFound", "nope"),
        ("job show job-77", 1, "ResourceNotFound", "job-77"),
        ("cluster show nope", 1, "ResourceNotFound", "nope"),
        ("workspace delete lab -y", 1, "ResourceNotEmpty", "lab"),
        ("workspace delete lab", 2, "ConfirmationRequired", ""),
        ("--readonly experiment create x", 1, "Refused", ""),
        ("cluster scale c 101", 1, "QuotaReached", "nodes"),
        ("resource-group delete default -y", 1, "PropertyChangeNotAllowed", "default"),
        ("job create -f bad.yaml", 1, "InvalidFile", ""),
    ] {
        let ran = user.run(&format!("{line} -o json"));
        let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|e| panic!("{e}: {}", ran.shown()));
        let error = &error["error"];
        let got = (ran.code, error["code"].as_str(), error["target"].as_str().unwrap_or_default());
        assert_eq!(got, (exit, Some(code), target), "{}", ran.shown());
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()) && error["details"].is_array(), "{}", ran.shown());
        assert_eq!(ran.stdout, "", "{}", ran.shown());
    }
    let ran = user.run("job create -f bad.yaml -o json");
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).expect("seen above");
    let details = error["error"]["details"].as_array().cloned().unwrap_or_default();
    let place = |d: &serde_json::Value| (d["target"].as_str().unwrap_or("").to_owned(), d["line"].as_u64());
    assert!(details.iter().map(place).any(|p| p == ("nodeCount".to_owned(), Some(1))), "{}", ran.shown());
}

#[test]
fn limits_refuse_with_both_numbers() {
    let user = User::new()
        .with("OSTLER_CLUSTERS_MAX", "1")
        .with("OSTLER_WORKSPACES_PER_GROUP_MAX", "2")
        .with("OSTLER_NODES_PER_CLUSTER_MAX", "3");
    let text = user.tour(&[
        "workspace create a",
        "workspace create b",
        "workspace create c",
        "cluster create x -w a --provider local --target 4",
        "cluster create x -w a --hosts 'ssh-nobody.invalid' --target 0 -s big",
        "cluster create y -w a --provider local --target 0",
        "cluster scale x 4 -w a",
        "usage",
        "list-usages -l northeurope -o name",
    ]);
    insta::assert_snapshot!("usage", text);
    let usages = json(&user.run("usage -o json"));
    assert_eq!(usages[1]["currentValue"], 1);
    assert_eq!((usages[1]["limit"].as_u64(), usages[1]["unit"].as_str()), (Some(1), Some("Count")));
}

#[test]
fn records_carry_their_times() {
    let user = User::new();
    for line in [
        "workspace create lab",
        "experiment create e",
        "file-server create s --export dir --path /home",
        "cluster create c --provider local --target 0",
        "job create -n j -- true",
    ] {
        assert_eq!(user.run(line).code, 0, "{line}");
    }
    for line in ["workspace show", "experiment show", "file-server show", "cluster show", "job show j"] {
        let value = json(&user.run(&format!("{line} -o json")));
        assert_eq!(value["provisioningState"], "succeeded", "{line}");
        assert_eq!(value["resourceGroup"], "default", "{line}");
        let time = |key: &str| value[key].as_str().filter(|text| text.ends_with('Z')).map(str::to_owned);
        assert!(time("creationTime").is_some() && time("provisioningStateTransitionTime").is_some(), "{line}: {value}");
    }
    // What goes says so until it is gone: the job waits for a node that never comes.
    assert_eq!(user.run("experiment delete e -y --no-wait").code, 0);
    assert_eq!(user.run("experiment list -o name").stdout, "");
}

#[test]
fn every_list_has_the_published_columns() {
    let user = User::new();
    for (line, titles) in [
        ("workspace list", "NAME|RESOURCE GROUP|LOCATION|STATE"),
        ("cluster list", "NAME|RESOURCE GROUP|WORKSPACE|VM SIZE|STATE|IDLE|RUNNING|PREPARING|LEAVING|UNUSABLE"),
        ("experiment list", "NAME|RESOURCE GROUP|WORKSPACE|STATE"),
        ("file-server list", "NAME|RESOURCE GROUP|SIZE|DISKS|PUBLIC IP|INTERNAL IP|MOUNT POINT"),
        ("job list", "NAME|CLUSTER|CLUSTER RG|CLUSTER WORKSPACE|TOOL|NODES|STATE|EXIT"),
        ("usage", "VALUE|USAGE|LIMIT"),
    ] {
        let ran = user.run(&format!("{line} -o wide"));
        let head = ran.stdout.lines().next().unwrap_or_default().to_owned();
        let head: Vec<&str> = head.split("  ").map(str::trim).filter(|title| !title.is_empty()).collect();
        let missing: Vec<&str> = titles.split('|').filter(|title| !head.contains(title)).collect();
        assert!(missing.is_empty(), "{line}: {missing:?} of {head:?}");
    }
}

#[test]
fn only_tags_of_a_workspace_change() {
    let user = User::new();
    let text = user.tour(&[
        "workspace create lab -l attic --tag a=1",
        "workspace update lab --tag a=2 --tag b=3",
        "workspace update lab --untag a",
        "workspace update lab --location cellar",
        "experiment update e",
        "file-server update s",
        "workspace list",
    ]);
    insta::assert_snapshot!("tags", text);
}

#[test]
fn full_ids_are_shown_and_taken() {
    let user = User::new();
    for line in [
        "resource-group create far",
        "workspace create lab",
        "-g far workspace create lab",
        "-g far experiment create e",
        "-g far file-server create s --export dir --path /home",
        "-g far cluster create c --provider local --target 0",
        "-g far job create -n j -- true",
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
    }
    let root = "/subscriptions/ostler/resourceGroups/far/providers/Microsoft.BatchAI/workspaces/lab";
    for (kind, name, path) in [
        ("workspace", "lab", ""),
        ("cluster", "c", "/clusters/c"),
        ("file-server", "s", "/fileServers/s"),
        ("experiment", "e", "/experiments/e"),
        ("job", "j", "/experiments/e/jobs/j"),
    ] {
        let id = format!("{root}{path}");
        let by_name = json(&user.run(&format!("-g far {kind} show {name} -o json")));
        assert_eq!(by_name["resourceId"], id.as_str(), "{kind}");
        let by_id = user.run(&format!("{kind} show {id} -o json"));
        assert_eq!(json(&by_id), by_name, "{}", by_id.shown());
    }
    let ran = user.run(&format!("experiment show --ids {root}/experiments/e -o name"));
    assert_eq!(ran.stdout, "e\n", "{}", ran.shown());
    let ran = user.run(&format!("cluster show --ids {root}/clusters/nope"));
    assert_eq!(ran.code, 1, "{}", ran.shown());
}
