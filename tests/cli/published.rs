//! The published command line (reference §9), row by row: every command with every option that it had is taken as it was typed,
//! without the word `az batchai` before it.

use crate::rig::User;

/// One line for each command and set of options. `--dry-run` keeps those that change something from doing so.
const LINES: &[&str] = &[
    "workspace create -n w -g default -l eastus --dry-run",
    "workspace show -n lab -g default -o json",
    "workspace list -g default -o table",
    "workspace list -o tsv",
    "workspace delete -n lab -g default -y --no-wait --dry-run",
    "cluster create -n x -w lab -f cluster.json --dry-run",
    "cluster create -n x -w lab --config-file cluster.json -t 2 --dry-run",
    "cluster create -n x -w lab -f cluster.json -u ada -k key.pub -p word --dry-run",
    "cluster create -n x -w lab -f cluster.json --user-name ada --ssh-key key.pub --password word --dry-run",
    "cluster create -n x -w lab -s STANDARD_NC6 --hosts h -t 1 -u ada --generate-ssh-keys --dry-run",
    "cluster create -n x -w lab --vm-size A --hosts h -i UbuntuDSVM --vm-priority lowpriority --min 0 --max 2 --dry-run",
    "cluster create -n x -w lab --hosts h --image a:b:c:d --custom-image /i --target 1 --subnet /s --dry-run",
    "cluster create -n x -w lab -f cluster.json --afs-name a --afs-mount-path p --storage-account-name acct --dry-run",
    "cluster create -n x -w lab -f cluster.json --bfs-name b --bfs-mount-path q --storage-account-name acct --storage-account-key env:HOME --dry-run",
    "cluster create -n x -w lab -f cluster.json --nfs s --nfs-mount-path r --dry-run",
    "cluster create -n x -w lab -f cluster.json --setup-task 'echo hi' --setup-task-output /var/tmp --dry-run",
    "cluster resize -n gpu -w lab -t 2 --dry-run",
    "cluster auto-scale -n gpu -w lab --min 0 --max 1 --dry-run",
    "cluster show -n gpu -w lab",
    "cluster list -w lab",
    "cluster delete -n gpu -w lab -y --no-wait --dry-run",
    "cluster node list -c gpu -w lab",
    "cluster node exec -c gpu -w lab --exec true -n local-1 -p word -k key --dry-run",
    "cluster node exec -c gpu -w lab --exec true --node-id local-1 --address 0:localhost:80 -L 0:localhost:81 --dry-run",
    "cluster file list -c gpu -w lab -p . --expiry 60",
    "experiment create -n x -w lab --dry-run",
    "experiment show -n first -w lab",
    "experiment list -w lab",
    "experiment delete -n first -w lab -y --no-wait --dry-run",
    "job create -n j2 -w lab -e first -c gpu -f job.json --dry-run",
    "job create -n j2 -w lab -e first -c gpu --config-file job.json --dry-run",
    "job create -n j2 -w lab -e first -c gpu -f job.json --nfs s --nfs-mount-path r --dry-run",
    "job show -n j -w lab -e first",
    "job list -w lab -e first",
    "job wait -n j -w lab -e first --interval 15 --timeout 10ms",
    "job terminate -n j -w lab -e first -y --no-wait --dry-run",
    "job delete -n j -w lab -e first -y --no-wait --dry-run",
    "job file list -j j -w lab -e first -d stdouterr -p . --expiry 60",
    "job file stream -j j -w lab -e first -d stdouterr -p . -f stdout.txt --help",
    "job node list -j j -w lab -e first",
    "job node exec -j j -w lab -e first --exec true -L 0:localhost:80 --help",
    "file-server create -n x -w lab --host nas --path /x -s STANDARD_DS1_V2 --disk-count 2 --disk-size 10 --caching-type readonly --storage-sku Premium_LRS --dry-run",
    "file-server create -n x -w lab -f server.json -u ada -k key.pub -p word --generate-ssh-keys --subnet /s --dry-run",
    "file-server show -n s -w lab",
    "file-server list -w lab",
    "file-server delete -n s -w lab -y --dry-run",
    "job list -w lab -e first --query \"[?executionState=='queued'].name\" -o tsv",
    "list-usages -l eastus",
    "usage -o jsonc",
];

#[test]
fn every_published_command_and_option_is_taken() {
    let user = User::new();
    user.lab();
    user.file("key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbBYWBx1lHcDoXW2p1qk8aCRSYPmDXvRcJxM5BFO2nS ada\n");
    user.file("cluster.json", r#"{"properties": {"hosts": "h", "scaleSettings": {"manual": {"targetNodeCount": 1}}}}"#);
    user.file("job.json", r#"{"properties": {"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}}}"#);
    user.file("server.json", r#"{"properties": {"host": "nas", "path": "/x"}}"#);
    for line in ["file-server create s --export dir --path /srv", "job create -n j -e first -c gpu -f job.json"] {
        assert_eq!(user.run(line).code, 0, "{line}");
    }
    let mut wrong = Vec::new();
    for line in LINES {
        let ran = user.run(line);
        // What is asked of nodes that are not there, and a wait that is given up, are no faults of the call.
        if ran.stderr.contains("Usage:") || ![0, 1, 124].contains(&ran.code) {
            wrong.push(ran.shown());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(user.run("job list -o name").stdout, "j\n", "a dry run does nothing");
    assert_eq!(user.run("cluster list -o name").stdout, "gpu\n");
}

/// Placeholders of a recipe are filled in from the variables that it names, or from an option, and no key is shown.
#[test]
fn placeholders_of_a_recipe_are_filled_in() {
    let user = User::new()
        .with("OSTLER_CONFIG", "config.toml")
        .with("AZURE_BATCHAI_STORAGE_ACCOUNT", "ours")
        .with("AZURE_BATCHAI_STORAGE_KEY", "Y2FuYXJ5LWtleQ==");
    user.file("config.toml", "[storage_accounts.ours]\nkind = 'folder'\npath = '/srv/ours'\n[storage_accounts.theirs]\nkind = 'folder'\npath = '/srv/theirs'\n");
    user.lab();
    let share = r#"{"accountName": "<AZURE_BATCHAI_STORAGE_ACCOUNT>", "azureFileUrl": "https://<AZURE_BATCHAI_STORAGE_ACCOUNT>.file.core.windows.net/logs",
        "relativeMountPath": "logs", "credentials": {"accountKey": "<AZURE_BATCHAI_STORAGE_KEY>"}}"#;
    let mounts = format!(r#""mountVolumes": {{"azureFileShares": [{share}]}}"#);
    let job =
        format!(r#"{{"properties": {{"nodeCount": 1, "customToolkitSettings": {{"commandLine": "true"}}, {mounts}}}}}"#);
    user.file("job.json", job);
    for (option, account) in
        [("", "ours"), (" --storage-account-name theirs --storage-account-key env:AZURE_BATCHAI_STORAGE_KEY", "theirs")]
    {
        let ran = user.run(&format!("job create -n {account} -e first -c gpu -f job.json{option}"));
        assert_eq!(ran.code, 0, "{}", ran.shown());
        let shown = crate::lab::json(&user.run(&format!("job show {account} -o json")));
        let share = &shown["mountVolumes"]["azureFileShares"][0];
        let url = format!("https://{account}.file.core.windows.net/logs");
        assert_eq!(
            (share["accountName"].as_str(), share["azureFileUrl"].as_str()),
            (Some(account), Some(url.as_str())),
            "{shown:#}"
        );
        let plan = user.run(&format!("job plan -e first -c gpu -f job.json{option}"));
        assert!(plan.code == 0 && plan.stdout.contains(&format!("/srv/{account}/logs")), "{}", plan.shown());
        assert!(!format!("{shown}{}", plan.shown()).contains("Y2FuYXJ5"), "the key is shown: {shown:#}");
    }
}
