//! Job and cluster files that are wrong: every fault at once, with its place.

use crate::rig::User;

const BAD_JOB: &str = r#"{
  // nearly right
  "properties": {
    "nodecount": 2,
    "cluster": {"id": "/subscriptions/x/clusters/gpu"},
    "customToolkitSettings": {"commandline": "train.py"},
    "stdOutErrPathPrefix": "$AZ_BATCHAI_LOGS/logs",
    "environmentVariables": [
      {"name": "1X", "value": "a"},
      {"name": "GOOD", "value": "x", "sort": 1},
      {"name": "OSTLER_HOME", "value": "x"}
    ],
    "outputDirectories": [{"id": "MODEL", "pathPrefix": "/m", "pathSuffix": "../up"}],
    "constraints": {"maxWallClockTime": "600"}
  }
}
"#;

#[test]
fn all_faults_of_a_job_file() {
    let user = User::new();
    user.file("job.json", BAD_JOB);
    insta::assert_snapshot!(user.run("job create -f job.json").shown(), @r##"
$ ostler job create -f job.json
! warning: job.json:4:5: unknown key `nodecount`; it is not used; did you mean `nodeCount`?
! warning: job.json:6:31: customToolkitSettings: unknown key `commandline`; it is not used; did you mean `commandLine`?
! warning: job.json:10:38: environmentVariables[1]: unknown key `sort`; it is not used
! error: `job.json` has 8 faults
! job.json:3:17: nodeCount: is missing
! job.json:5:23: cluster.id: `clusters` does not belong there; the form is workspaces/WORKSPACE/clusters/CLUSTER, or all of it from /subscriptions on
! job.json:6:30: customToolkitSettings.commandLine: is missing
! job.json:7:28: stdOutErrPathPrefix: `$AZ_BATCHAI_LOGS` is not set when logs are opened; use `$AZ_BATCHAI_JOB_TEMP_DIR` or an absolute path, or leave it out to keep logs in the node's spool
! job.json:9:16: environmentVariables[0].name: `1X` is not a variable name; it needs letters, digits and _
! job.json:11:16: environmentVariables[2].name: `OSTLER_HOME`: variables beginning with OSTLER_ are set by ostler
! job.json:13:77: outputDirectories[0].pathSuffix: `../up` must stay inside the output directory
! job.json:14:41: constraints.maxWallClockTime: `600` has no unit; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00
!   hint: --nodes N sets the number of nodes
= 1
"##);
}

#[test]
fn all_faults_of_a_cluster_file() {
    let user = User::new();
    user.file(
        "gpu.yaml",
        "hosts: [node1, '-oProxyCommand=x', node1]\nscaleSettings:\n  manual: {targetNodeCount: -4}\nvmPriority: low\n",
    );
    insta::assert_snapshot!(user.run("cluster create gpu -f gpu.yaml").shown(), @r##"
$ ostler cluster create gpu -f gpu.yaml
! error: `gpu.yaml` has 4 faults
! gpu.yaml:1:16: hosts[1]: host `-oProxyCommand=x` refused: a host may not begin with `-`
! gpu.yaml:1:36: hosts[2]: the host `node1` is named twice
! gpu.yaml:3:29: scaleSettings.manual.targetNodeCount: must be 0 to 10000, got -4
! gpu.yaml:4:13: vmPriority: `low` is none of `dedicated`, `lowpriority`
= 1
"##);
}

#[test]
fn faults_of_options_have_no_place() {
    let user = User::new();
    insta::assert_snapshot!(user.tour(&[
        "job create --nodes 0 --env A-B=1 --time 10 -- echo hi",
        "job create -- ''",
        "cluster create gpu --hosts 'node[1-2],x;y'",
        "cluster create gpu --hosts 'node[1-2]'",
        "cluster create g/pu --provider local --target 1",
        "job create -n 'a b' -- true",
        "job create --framework pytorch --nodes 2 -- train.py --lr 0.1",
        "job create --framework keras -- train.py",
        "job create --framework custom --processes 2 -- train.py",
        "job create --framework mpi --backend gloo -- train.py",
    ]), @r##"
$ ostler job create --nodes 0 --env A-B=1 --time 10 -- echo hi
! error: the command line has 3 faults
! constraints.maxWallClockTime: `10` has no unit; forms: 90s, 1h30m, 7d, P7D, 7.00:00:00
! environmentVariables[0].name: `A-B` is not a variable name; it needs letters, digits and _
! nodeCount: must be 1 to 10000, got 0
= 2

$ ostler job create -- ''
! error: the command line has a fault
! customToolkitSettings.commandLine: is empty; there is nothing to run
= 2

$ ostler cluster create gpu --hosts 'node[1-2],x;y'
! error: the command line has 2 faults
! hosts: the host has the character `;` at position 2
! scaleSettings: is missing
!   hint: --target N sets the number of nodes; --min and --max let it follow the work
= 2

$ ostler cluster create gpu --hosts 'node[1-2]'
! error: the command line has a fault
! scaleSettings: is missing
!   hint: --target N sets the number of nodes; --min and --max let it follow the work
= 2

$ ostler cluster create g/pu --provider local --target 1
! error: the name has the character `/` at position 2; names have 1 to 64 letters, digits, - or _
= 2

$ ostler job create -n 'a b' -- true
! error: the name has the character U+0020 at position 2; names have 1 to 64 letters, digits, - or _
= 2

$ ostler job create --framework pytorch --nodes 2 -- train.py --lr 0.1
! error: the command line has a fault
! pyTorchSettings.communicationBackend: is missing: a job of 2 processes needs one of TCP, Gloo, MPI, NCCL
!   hint: --backend gloo talks over TCP, with GPUs or without
= 2

$ ostler job create --framework keras -- train.py
! error: invalid value 'keras' for '--framework <KIND>'
!   [possible values: custom, mpi, pytorch, torchrun, tensorflow, horovod, deepspeed, accelerate, jax, ray, dask, cntk, caffe, caffe2, chainer]
! 
! For more information, try '--help'.
= 2

$ ostler job create --framework custom --processes 2 -- train.py
! error: --processes: a job of kind custom has no number of processes
!   hint: --framework mpi runs the command that often under mpirun
= 2

$ ostler job create --framework mpi --backend gloo -- train.py
! error: --backend: goes only with --framework pytorch
= 2
"##);
}

#[test]
fn frameworks_from_the_command_line() {
    let user = User::new();
    user.lab();
    insta::assert_snapshot!(user.tour(&[
        "job create --dry-run -o json --framework torchrun --nodes 2 --processes 4 -- train.py --lr 0.1 'a b'",
        "job create --dry-run -o json --framework pytorch --nodes 2 --backend gloo -- train.py",
        "job create --dry-run -o json --framework caffe -- solver.prototxt -gpu 0",
        "job create --dry-run -o json --mpi --processes 4 -- ./a.out x",
    ]), @r##"
$ ostler job create --dry-run -o json --framework torchrun --nodes 2 --processes 4 -- train.py --lr 0.1 'a b'
{
  "schedulingPriority": "normal",
  "constraints": {
    "maxWallClockTime": "P7D"
  },
  "torchrunSettings": {
    "pythonScriptFilePath": "train.py",
    "commandLineArgs": "--lr 0.1 'a b'",
    "processesPerNode": 4
  },
  "nodeCount": 2,
  "cluster": "gpu",
  "experiment": "first",
  "workspace": "lab"
}
! it asks for 2 nodes, and `gpu` has a target of 0: it waits until that grows
! AZ_BATCHAI_SHARED_JOB_TEMP is not set: the nodes are not known to share a directory; mount a file server, or let their homes be on one file system
! waits: needs 2 nodes, the cluster's target is 0
= 0

$ ostler job create --dry-run -o json --framework pytorch --nodes 2 --backend gloo -- train.py
{
  "schedulingPriority": "normal",
  "constraints": {
    "maxWallClockTime": "P7D"
  },
  "pyTorchSettings": {
    "pythonScriptFilePath": "train.py",
    "communicationBackend": "Gloo"
  },
  "nodeCount": 2,
  "cluster": "gpu",
  "experiment": "first",
  "workspace": "lab"
}
! it asks for 2 nodes, and `gpu` has a target of 0: it waits until that grows
! AZ_BATCHAI_SHARED_JOB_TEMP is not set: the nodes are not known to share a directory; mount a file server, or let their homes be on one file system
! waits: needs 2 nodes, the cluster's target is 0
= 0

$ ostler job create --dry-run -o json --framework caffe -- solver.prototxt -gpu 0
{
  "schedulingPriority": "normal",
  "constraints": {
    "maxWallClockTime": "P7D"
  },
  "caffeSettings": {
    "configFilePath": "solver.prototxt",
    "commandLineArgs": "-gpu 0"
  },
  "nodeCount": 1,
  "cluster": "gpu",
  "experiment": "first",
  "workspace": "lab"
}
! it asks for 1 node, and `gpu` has a target of 0: it waits until that grows
! waits: needs 1 node, the cluster's target is 0
= 0

$ ostler job create --dry-run -o json --mpi --processes 4 -- ./a.out x
{
  "schedulingPriority": "normal",
  "constraints": {
    "maxWallClockTime": "P7D"
  },
  "customMpiSettings": {
    "commandLine": "./a.out x",
    "processCount": 4
  },
  "nodeCount": 1,
  "cluster": "gpu",
  "experiment": "first",
  "workspace": "lab"
}
! it asks for 1 node, and `gpu` has a target of 0: it waits until that grows
! waits: needs 1 node, the cluster's target is 0
= 0
"##);
}

#[test]
fn files_that_cannot_be_read() {
    let user = User::new();
    std::fs::create_dir(user.home().join("folder")).unwrap();
    user.file("broken.json", "{\"nodeCount\": 1,\n \"x\" 2}");
    user.file("broken.toml", "nodeCount = 1\nnodeCount = 2\nx = \n");
    user.file("large.json", vec![b' '; (1 << 20) + 1]);
    user.file("latin1.yaml", b"a: \xE9\n");
    user.file("list.yaml", "- a\n");
    insta::assert_snapshot!(user.tour(&[
        "job create -f missing.json",
        "job create -f folder",
        "job create -f broken.json",
        "job create -f broken.toml",
        "job create -f large.json",
        "job create -f latin1.yaml",
        "job create -f list.yaml",
    ]), @r##"
$ ostler job create -f missing.json
! error: cannot read `missing.json`
!   cause: No such file or directory (os error 2)
= 1

$ ostler job create -f folder
! error: cannot read `folder`
!   cause: it is a directory
= 1

$ ostler job create -f broken.json
! error: `broken.json` has a fault
! broken.json:2:6: expected colon after the string or word in object property
= 1

$ ostler job create -f broken.toml
! error: `broken.toml` has 2 faults
! broken.toml:2:1: the key `nodeCount` is set twice
! broken.toml:3:5: string values must be quoted, expected literal string
= 1

$ ostler job create -f large.json
! error: `large.json` is too large: the limit is 1048576 bytes
= 1

$ ostler job create -f latin1.yaml
! error: `latin1.yaml` has a fault
! latin1.yaml:1:4: the byte 0xE9 (number 3) is not UTF-8
= 1

$ ostler job create -f list.yaml
! error: `list.yaml` has a fault
! list.yaml:1:1: wants a map, got a list
= 1
"##);
}

#[test]
fn a_file_that_moves_the_cursor_does_not() {
    let user = User::new();
    user.file(
        "evil.yaml",
        "nodeCount: \"\\e[2J\\e]0;title\\a\"\n\"\\e[31mkey\": 1\ncustomToolkitSettings: {commandLine: x}\n",
    );
    let ran = user.run("job create -f evil.yaml");
    assert_eq!(ran.code, 1);
    assert!(!ran.stderr.contains(['\u{1b}', '\u{7}']) && ran.stderr.contains("[2J"), "{}", ran.shown());
}

#[test]
fn the_examples_are_right() {
    let user = User::new();
    user.lab();
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let line = match name {
            name if name.starts_with("job") => format!("--dry-run job create -o json -f {}", path.display()),
            name if name.starts_with("cluster") => {
                format!("--dry-run cluster create example -o json -f {}", path.display())
            }
            "frameworks" | "providers" => continue,
            other => panic!("{other} is neither a job nor a cluster"),
        };
        let ran = user.run(&line);
        assert!(ran.code == 0 && !ran.stderr.contains("warning"), "{}", ran.shown());
        seen += 1;
    }
    assert!(seen >= 4, "{seen} examples");
    let mut tools = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(format!("{examples}/frameworks")).unwrap() {
        let path = entry.unwrap().path();
        let ran = user.run(&format!("--dry-run job create -o json -f {}", path.display()));
        assert!(ran.code == 0 && !ran.stderr.contains("warning"), "{}", ran.shown());
        let job: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        tools.extend(job.as_object().unwrap().keys().find(|key| key.ends_with("Settings")).cloned());
    }
    assert_eq!(tools.len(), 14, "one of each but custom: {tools:?}");
}
