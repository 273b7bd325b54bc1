//! Every rule of the published model that refuses something, each with its message and the place in the file.

use crate::rig::User;

/// What a body is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Job,
    Cluster,
    Server,
}

use Body::{Cluster, Job, Server};

/// The rule; the body; what is changed in one that is taken (null removes a key); what is said.
#[rustfmt::skip]
const RULES: &[(&str, Body, &str, &str)] = &[
    ("names have letters, digits, - and _", Job, r#"{"name": "a b"}"#, "name: the name has the character U+0020 at position 2; names have 1 to 64 letters, digits, - or _"),
    ("names have at most 64 characters", Job, r#"{"name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#, "name: the name has 65 characters; names have 1 to 64 letters, digits, - or _"),
    ("nodeCount is required", Job, r#"{"nodeCount": null}"#, "nodeCount: is missing"),
    ("a job has at least one node", Job, r#"{"nodeCount": 0}"#, "nodeCount: must be 1 to 10000, got 0"),
    ("a toolkit is required", Job, r#"{"customToolkitSettings": null}"#, "has no toolkit, so there is nothing to run; it is one of `customToolkitSettings`, `customMpiSettings`,"),
    ("exactly one toolkit", Job, r#"{"customMpiSettings": {"commandLine": "x"}}"#, "customMpiSettings: stands beside `customToolkitSettings`; a job has exactly one toolkit"),
    ("schedulingPriority is one of three", Job, r#"{"schedulingPriority": "urgent"}"#, "schedulingPriority: `urgent` is none of `low`, `normal`, `high`"),
    ("older priority is -1000 to 1000", Job, r#"{"priority": 1001}"#, "priority: must be -1000 to 1000, got 1001"),
    ("a preparation has a command line", Job, r#"{"jobPreparation": {}}"#, "jobPreparation.commandLine: is missing"),
    ("an input directory has id and path", Job, r#"{"inputDirectories": [{"id": "A"}]}"#, "inputDirectories[0].path: is missing"),
    ("an output directory has id and prefix", Job, r#"{"outputDirectories": [{"id": "A"}]}"#, "outputDirectories[0].pathPrefix: is missing"),
    ("ids of directories are fit for a variable", Job, r#"{"inputDirectories": [{"id": "a-b", "path": "/x"}]}"#, "inputDirectories[0].id: `a-b` must be letters, digits and _, as part of a variable's name"),
    ("ids of directories are unique", Job, r#"{"inputDirectories": [{"id": "A", "path": "/x"}, {"id": "A", "path": "/y"}]}"#, "inputDirectories[1].id: `A` is used twice; ids of directories are unique in a list"),
    ("an output suffix stays inside", Job, r#"{"outputDirectories": [{"id": "A", "pathPrefix": "/x", "pathSuffix": "../y"}]}"#, "outputDirectories[0].pathSuffix: `../y` must stay inside the output directory"),
    ("variables have name and value", Job, r#"{"environmentVariables": [{"name": "A"}]}"#, "environmentVariables[0].value: is missing"),
    ("names of variables are names", Job, r#"{"environmentVariables": [{"name": "A=B", "value": "x"}]}"#, "environmentVariables[0].name: `A=B` is not a variable name; it needs letters, digits and _"),
    ("a variable is set once", Job, r#"{"environmentVariables": [{"name": "A", "value": "x"}, {"name": "A", "value": "y"}]}"#, "environmentVariables[1].name: `A` is set twice"),
    ("a secret has a name", Job, r#"{"secrets": [{"value": "x"}]}"#, "secrets[0].name: is missing"),
    ("a secret has a value or a reference", Job, r#"{"secrets": [{"name": "A"}]}"#, "secrets[0]: has no value: give `value`, `valueSecretReference`, `fromFile`, `fromEnv`, `fromCommand` or `prompt: true`"),
    ("a secret has one source", Job, r#"{"secrets": [{"name": "A", "value": "x", "fromEnv": "HOME"}]}"#, "secrets[0].fromEnv: stands beside another source; a secret has exactly one"),
    ("a vault reference has both parts", Job, r#"{"secrets": [{"name": "A", "valueSecretReference": {"secretUrl": "https://v/secrets/x"}}]}"#, "secrets[0].valueSecretReference.sourceVault: is missing"),
    ("a vault's secret is configured", Job, r#"{"secrets": [{"name": "A", "valueSecretReference": {"sourceVault": {"id": "/x/vaults/v"}, "secretUrl": "https://v/secrets/x"}}]}"#, "secrets[0] (A): the configuration has no `secrets.v.x`"),
    ("a time limit is a span", Job, r#"{"constraints": {"maxWallClockTime": "soon"}}"#, "constraints.maxWallClockTime: `soon` is no duration; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00"),
    ("a time limit is more than nothing", Job, r#"{"constraints": {"maxWallClockTime": "0s"}}"#, "constraints.maxWallClockTime: 0 would end the job at once; leave it out for the default of 7 days"),
    ("an image is required", Job, r#"{"containerSettings": {"imageSourceRegistry": {}}}"#, "containerSettings.imageSourceRegistry.image: is missing"),
    ("credentials have a user name", Job, r#"{"containerSettings": {"imageSourceRegistry": {"image": "a", "credentials": {"password": "x"}}}}"#, "containerSettings.imageSourceRegistry.credentials.username: is missing"),
    ("credentials have a password", Job, r#"{"containerSettings": {"imageSourceRegistry": {"image": "a", "credentials": {"username": "x"}}}}"#, "containerSettings.imageSourceRegistry.credentials: has no value: give `password`, `passwordSecretReference`,"),
    ("shmSize is a size", Job, r#"{"containerSettings": {"imageSourceRegistry": {"image": "a"}, "shmSize": "big"}}"#, "containerSettings.shmSize: `big` is no size; forms: 512M, 1.5G, 64KiB, 4096"),
    ("tensorflow has a script", Job, r#"{"customToolkitSettings": null, "tensorFlowSettings": {}}"#, "tensorFlowSettings.pythonScriptFilePath: is missing"),
    ("counts are for distributed tensorflow", Job, r#"{"customToolkitSettings": null, "tensorFlowSettings": {"pythonScriptFilePath": "x", "workerCount": 2}}"#, "tensorFlowSettings.workerCount: goes only with more than one node; leave it out"),
    ("at most one parameter server a node", Job, r#"{"nodeCount": 2, "customToolkitSettings": null, "tensorFlowSettings": {"pythonScriptFilePath": "x", "parameterServerCount": 3}}"#, "tensorFlowSettings.parameterServerCount: is 3, but 2 nodes take 2 at most, 1 parameter server each"),
    ("horovod has a script", Job, r#"{"customToolkitSettings": null, "horovodSettings": {}}"#, "horovodSettings.pythonScriptFilePath: is missing"),
    ("cntk has a file or a script", Job, r#"{"customToolkitSettings": null, "cntkSettings": {}}"#, "cntkSettings: needs `pythonScriptFilePath` for Python or `configFilePath` for BrainScript"),
    ("cntk: BrainScript has no script", Job, r#"{"customToolkitSettings": null, "cntkSettings": {"languageType": "BrainScript", "pythonScriptFilePath": "x"}}"#, "cntkSettings.configFilePath: is missing; languageType BrainScript needs it"),
    ("cntk: Python has no configuration", Job, r#"{"customToolkitSettings": null, "cntkSettings": {"languageType": "Python", "configFilePath": "x"}}"#, "cntkSettings.pythonScriptFilePath: is missing; languageType Python needs it"),
    ("cntk has two languages", Job, r#"{"customToolkitSettings": null, "cntkSettings": {"languageType": "R", "pythonScriptFilePath": "x"}}"#, "cntkSettings.languageType: `R` is none of `BrainScript`, `Python`"),
    ("caffe has exactly one of file and script", Job, r#"{"customToolkitSettings": null, "caffeSettings": {"configFilePath": "x", "pythonScriptFilePath": "y"}}"#, "caffeSettings.pythonScriptFilePath: stands beside `configFilePath`; give exactly one of the two"),
    ("caffe: an interpreter is for a script", Job, r#"{"customToolkitSettings": null, "caffeSettings": {"configFilePath": "x", "pythonInterpreterPath": "y"}}"#, "caffeSettings.pythonInterpreterPath: goes only with `pythonScriptFilePath`"),
    ("caffe2 has a script", Job, r#"{"customToolkitSettings": null, "caffe2Settings": {}}"#, "caffe2Settings.pythonScriptFilePath: is missing"),
    ("pytorch has a script", Job, r#"{"customToolkitSettings": null, "pyTorchSettings": {}}"#, "pyTorchSettings.pythonScriptFilePath: is missing"),
    ("pytorch has known backends", Job, r#"{"nodeCount": 2, "customToolkitSettings": null, "pyTorchSettings": {"pythonScriptFilePath": "x", "communicationBackend": "pigeon"}}"#, "pyTorchSettings.communicationBackend: `pigeon` is none of `TCP`, `Gloo`, `MPI`, `NCCL`"),
    ("pytorch of several processes has a backend", Job, r#"{"nodeCount": 2, "customToolkitSettings": null, "pyTorchSettings": {"pythonScriptFilePath": "x"}}"#, "pyTorchSettings.communicationBackend: is missing: a job of 2 processes needs one of TCP, Gloo, MPI, NCCL"),
    ("chainer has a script", Job, r#"{"customToolkitSettings": null, "chainerSettings": {}}"#, "chainerSettings.pythonScriptFilePath: is missing"),
    ("mpi has a command line", Job, r#"{"customToolkitSettings": null, "customMpiSettings": {}}"#, "customMpiSettings.commandLine: is missing"),
    ("a count of processes is at least one", Job, r#"{"customToolkitSettings": null, "customMpiSettings": {"commandLine": "x", "processCount": 0}}"#, "customMpiSettings.processCount: must be 1 to 640000, got 0"),
    ("a log prefix is absolute or a variable", Job, r#"{"stdOutErrPathPrefix": "logs"}"#, "stdOutErrPathPrefix: `logs` must be an absolute path or begin with a variable"),
    ("a log prefix lies on a mount", Job, r#"{"stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_MOUNT_ROOT/none"}"#, "stdOutErrPathPrefix: `$AZ_BATCHAI_JOB_MOUNT_ROOT/none` is below $AZ_BATCHAI_JOB_MOUNT_ROOT, and nothing is mounted there: the job mounts nothing"),
    ("an output prefix lies on a mount", Job, r#"{"outputDirectories": [{"id": "A", "pathPrefix": "$AZ_BATCHAI_JOB_MOUNT_ROOT/none"}]}"#, "outputDirectories[0].pathPrefix: `$AZ_BATCHAI_JOB_MOUNT_ROOT/none` is below $AZ_BATCHAI_JOB_MOUNT_ROOT, and"),
    ("a mount has a path", Job, r#"{"mountVolumes": {"unmanagedFileSystems": [{"mountCommand": "x"}]}}"#, "mountVolumes.unmanagedFileSystems[0].relativeMountPath: is missing"),
    ("an unmanaged file system has a command", Job, r#"{"mountVolumes": {"unmanagedFileSystems": [{"relativeMountPath": "x"}]}}"#, "mountVolumes.unmanagedFileSystems[0].mountCommand: is missing"),
    ("mount paths are apart", Job, r#"{"mountVolumes": {"unmanagedFileSystems": [{"mountCommand": "x", "relativeMountPath": "a"}, {"mountCommand": "x", "relativeMountPath": "a"}]}}"#, "mountVolumes.unmanagedFileSystems[1].relativeMountPath: `a` is also that of unmanagedFileSystems[0]"),
    ("mount paths stay inside", Job, r#"{"mountVolumes": {"unmanagedFileSystems": [{"mountCommand": "x", "relativeMountPath": "../a"}]}}"#, "mountVolumes.unmanagedFileSystems[0].relativeMountPath: must not have `..`, `.` or an empty part"),
    ("a file server exists", Job, r#"{"mountVolumes": {"fileServers": [{"fileServer": {"id": "nowhere"}, "relativeMountPath": "a"}]}}"#, "mountVolumes.fileServers[0]: there is no file server `nowhere`"),
    ("a file server's directory stays inside", Job, r#"{"mountVolumes": {"fileServers": [{"fileServer": {"id": "s"}, "relativeMountPath": "a", "sourceDirectory": "../x"}]}}"#, "mountVolumes.fileServers[0]: sourceDirectory: `../x` has `..` in it"),
    ("a share's address is one", Job, r#"{"mountVolumes": {"azureFileShares": [{"azureFileUrl": "nonsense", "relativeMountPath": "a"}]}}"#, "mountVolumes.azureFileShares[0].azureFileUrl: `nonsense` is no address of a file share; the form is https://ACCOUNT.file.core.windows.net/SHARE"),
    ("a share's account has a stand-in", Job, r#"{"mountVolumes": {"azureFileShares": [{"azureFileUrl": "https://acct.file.core.windows.net/s", "relativeMountPath": "a"}]}}"#, "mountVolumes.azureFileShares[0]: nothing stands in for anything of the storage account `acct`"),
    ("a share's modes are octal", Job, r#"{"mountVolumes": {"azureFileShares": [{"azureFileUrl": "https://acct.file.core.windows.net/s", "relativeMountPath": "a", "fileMode": "rw"}]}}"#, "mountVolumes.azureFileShares[0].fileMode: wants an octal mode, as `0777`"),
    ("a placeholder wants its variable", Job, r#"{"mountVolumes": {"azureFileShares": [{"azureFileUrl": "https://<AZURE_BATCHAI_STORAGE_ACCOUNT>.file.core.windows.net/s", "relativeMountPath": "a"}]}}"#, "mountVolumes.azureFileShares[0].azureFileUrl: has the placeholder `<AZURE_BATCHAI_STORAGE_ACCOUNT>`, and no"),
    ("a container has a name", Job, r#"{"mountVolumes": {"azureBlobFileSystems": [{"accountName": "acct", "relativeMountPath": "a"}]}}"#, "mountVolumes.azureBlobFileSystems[0].containerName: is missing"),
    ("a container has an account", Job, r#"{"mountVolumes": {"azureBlobFileSystems": [{"containerName": "c", "relativeMountPath": "a"}]}}"#, "mountVolumes.azureBlobFileSystems[0].accountName: is missing"),
    ("credentials of a share are one", Job, r#"{"mountVolumes": {"azureFileShares": [{"azureFileUrl": "https://acct.file.core.windows.net/s", "relativeMountPath": "a", "credentials": {"accountKey": "x", "accountKeySecretReference": {"sourceVault": {"id": "v"}, "secretUrl": "https://v/secrets/x"}}}]}}"#, "mountVolumes.azureFileShares[0].credentials.accountKeySecretReference: stands beside another source; a secret has exactly one"),
    ("a cluster exists", Job, r#"{"cluster": {"id": "/workspaces/lab/clusters/nowhere"}}"#, "no cluster `nowhere` in `lab`"),
    ("a cluster's workspace exists", Job, r#"{"cluster": {"id": "/workspaces/nowhere/clusters/c"}}"#, "no workspace `nowhere`"),
    ("an id names a cluster", Job, r#"{"cluster": {"id": "/workspaces/lab/experiments/e"}}"#, "cluster.id: this id names a thing of the kind experiment, wanted is the kind cluster"),
    ("exactly one form of scale settings", Cluster, r#"{"scaleSettings": {"manual": {"targetNodeCount": 1}, "autoScale": {"minimumNodeCount": 0, "maximumNodeCount": 1}}}"#, "scaleSettings.autoScale: stands beside `manual`; give exactly one of them"),
    ("scale settings are required", Cluster, r#"{"scaleSettings": null}"#, "scaleSettings: is missing"),
    ("auto-scale has both bounds", Cluster, r#"{"scaleSettings": {"autoScale": {"minimumNodeCount": 0}}}"#, "scaleSettings.autoScale.maximumNodeCount: is missing"),
    ("the maximum is not below the minimum", Cluster, r#"{"scaleSettings": {"autoScale": {"minimumNodeCount": 2, "maximumNodeCount": 1}}}"#, "scaleSettings.autoScale: minimumNodeCount 2 is above maximumNodeCount 1"),
    ("auto-scale reaches at least one node", Cluster, r#"{"scaleSettings": {"autoScale": {"minimumNodeCount": 0, "maximumNodeCount": 0}}}"#, "scaleSettings.autoScale.maximumNodeCount: must be 1 to 10000, got 0"),
    ("deallocation is one of three", Cluster, r#"{"scaleSettings": {"manual": {"targetNodeCount": 1, "nodeDeallocationOption": "kill"}}}"#, "scaleSettings.manual.nodeDeallocationOption: `kill` is none of `requeue`, `terminate`, `waitforjobcompletion`"),
    ("a cluster has at most 100 nodes", Cluster, r#"{"scaleSettings": {"manual": {"targetNodeCount": 101}}}"#, "a cluster has at most 100 nodes, asked for 101"),
    ("vmPriority is one of two", Cluster, r#"{"vmPriority": "spot"}"#, "vmPriority: `spot` is none of `dedicated`, `lowpriority`"),
    ("an image has three parts", Cluster, r#"{"virtualMachineConfiguration": {"imageReference": {"publisher": "x"}}}"#, "virtualMachineConfiguration.imageReference.offer: is missing"),
    ("an account has a name", Cluster, r#"{"userAccountSettings": {}}"#, "userAccountSettings.adminUserName: is missing"),
    ("an account's name is one", Cluster, r#"{"userAccountSettings": {"adminUserName": "a b"}}"#, "userAccountSettings.adminUserName: `a b` is no name of an account: 1 to 32 letters, digits, -, _ and ., the first a letter or _"),
    ("a set-up task has a command line", Cluster, r#"{"nodeSetup": {"setupTask": {"stdOutErrPathPrefix": "/x"}}}"#, "nodeSetup.setupTask.commandLine: is missing"),
    ("a set-up task's secrets have values", Cluster, r#"{"nodeSetup": {"setupTask": {"commandLine": "x", "stdOutErrPathPrefix": "/x", "secrets": [{"name": "A"}]}}}"#, "nodeSetup.setupTask.secrets[0]: has no value: give `value`, `valueSecretReference`, `fromFile`, `fromEnv`, `fromCommand` or `prompt: true`"),
    ("a cluster's mounts are apart", Cluster, r#"{"nodeSetup": {"mountVolumes": {"unmanagedFileSystems": [{"mountCommand": "x", "relativeMountPath": "a"}, {"mountCommand": "x", "relativeMountPath": "a/b"}]}}}"#, "nodeSetup.mountVolumes.unmanagedFileSystems[1].relativeMountPath: `a/b` overlaps with that of unmanagedFileSystems[0]"),
    ("a file server has an address", Server, r#"{"host": null}"#, "has no export: give `host` and `path` (with `setUp: true` ostler exports it there), or `export: dir` and `path`"),
    ("a file server has a directory", Server, r#"{"path": null}"#, "has no export: give `host` and `path` (with `setUp: true` ostler exports it there), or `export: dir` and `path`"),
    ("disks have a size", Server, r#"{"dataDisks": {"diskCount": 1, "storageAccountType": "Standard_LRS"}}"#, "dataDisks.diskSizeInGB: is missing"),
    ("disks have a number", Server, r#"{"dataDisks": {"diskSizeInGB": 1, "storageAccountType": "Standard_LRS"}}"#, "dataDisks.diskCount: is missing"),
    ("disks have a known kind", Server, r#"{"dataDisks": {"diskSizeInGB": 1, "diskCount": 1, "storageAccountType": "Tape"}}"#, "dataDisks.storageAccountType: `Tape` is none of `Standard_LRS`, `Premium_LRS`"),
    ("disks have a known cache", Server, r#"{"dataDisks": {"diskSizeInGB": 1, "diskCount": 1, "storageAccountType": "Standard_LRS", "cachingType": "some"}}"#, "dataDisks.cachingType: `some` is none of `none`, `readonly`, `readwrite`"),
];

fn good(body: Body) -> serde_json::Value {
    match body {
        Job => serde_json::json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "true"}}),
        Cluster => serde_json::json!({"provider": "local", "scaleSettings": {"manual": {"targetNodeCount": 0}}}),
        Server => serde_json::json!({"host": "nas", "path": "/srv"}),
    }
}

#[test]
fn every_rule_says_what_it_refuses() {
    let user = User::new();
    user.lab();
    assert_eq!(user.run("file-server create s --export dir --path /srv").code, 0);
    let mut wrong = Vec::new();
    for (rule, body, patch, said) in RULES {
        let mut file = good(*body);
        let patch: serde_json::Value = serde_json::from_str(patch).unwrap_or_else(|e| panic!("{rule}: {e}"));
        for (key, value) in patch.as_object().expect("a map") {
            match value {
                serde_json::Value::Null => drop(file.as_object_mut().expect("a map").remove(key)),
                value => file[key] = value.clone(),
            }
        }
        user.file("f.json", file.to_string());
        let line = match body {
            Job if file["cluster"].is_null() => "job create -e first -c gpu -f f.json",
            Job => "job create -e first -f f.json",
            Cluster => "cluster create x -f f.json",
            Server => "file-server create x -f f.json",
        };
        let ran = user.run(line);
        if ran.code != 1 || !ran.stderr.contains(said) {
            wrong.push(format!("{rule}: wants `{said}`\n{}", ran.shown()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let made = ["job list -o name", "cluster list -o name", "file-server list -o name"].map(|line| user.run(line).stdout);
    assert_eq!(made, ["", "gpu\n", "s\n"], "nothing that was refused is there");
}

#[test]
fn unknown_properties_are_kept_and_named_with_the_nearest_known_name() {
    let user = User::new();
    user.lab();
    for (body, extra, warned) in [
        (Job, r#"{"nodecount": 2}"#, "unknown key `nodecount`; it is not used; did you mean `nodeCount`?"),
        (Job, r#"{"customToolkitSetting": {}}"#, "did you mean `customToolkitSettings`?"),
        (Job, r#"{"entirelyNew": {"a": [1]}}"#, "unknown key `entirelyNew`; it is not used"),
        (Cluster, r#"{"vmsize": "big"}"#, "did you mean `vmSize`?"),
        (Server, r#"{"mountoptions": "ro"}"#, "did you mean `mountOptions`?"),
    ] {
        let mut file = good(body);
        let extra: serde_json::Value = serde_json::from_str(extra).expect("a map");
        let (key, value) = extra.as_object().and_then(|map| map.iter().next()).expect("a key");
        file[key] = value.clone();
        user.file("f.json", file.to_string());
        let (noun, line) = match body {
            Job => ("job", "-e first -c gpu --name"),
            Cluster => ("cluster", ""),
            Server => ("file-server", ""),
        };
        let name = key.to_lowercase();
        let ran = user.run(&format!("{noun} create {line} {name} -f f.json"));
        assert!(ran.code == 0 && ran.stderr.contains(warned), "{warned}: {}", ran.shown());
        let shown = user.run(&format!("{noun} show {name} -o json"));
        let shown: serde_json::Value =
            serde_json::from_str(&shown.stdout).unwrap_or_else(|e| panic!("{e}: {}", shown.shown()));
        assert_eq!(shown[key], *value, "{shown:#}");
    }
}
