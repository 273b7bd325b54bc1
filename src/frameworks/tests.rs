//! Launch plans as a person reads them, and what must hold for every plan.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

mod plans;

use super::*;
use crate::model::ids::{Attempt, ClusterId, EffectId, ExperimentId, JobId, NodeId, WorkspaceId};
use crate::model::launch::GpuShare;
use crate::model::spec::mounts::NO_MOUNTS;
use crate::model::spec::{Demand, Priority, Resources};
use crate::model::state::job::{ExecutionState, Folder, Happened, RankRun, RankState};
use crate::model::state::node::BootId;
use crate::model::units::UnixMillis;

static NAMES: JobNames<'static> =
    JobNames { workspace: "lab", experiment: "first", cluster_mounts: &NO_MOUNTS, volumes: &[], runtimes: &[], among: None };

fn spec(json: serde_json::Value) -> JobSpec {
    serde_json::from_value(json).unwrap()
}

fn places(count: u32) -> Vec<NodePlace> {
    (1..=count)
        .map(|i| NodePlace {
            name: format!("node{i}"),
            address: format!("10.77.0.{i}"),
            root: format!("/home/ci/.local/state/ostler-node/c/n{i}"),
            shell: "/bin/bash".to_owned(),
            user: "ci".to_owned(),
            cpus: 8,
            gpus: 0,
            gpu_shares: None,
            ..NodePlace::default()
        })
        .collect()
}

fn job(spec: JobSpec, attempt: u32) -> Job {
    let nodes = (1..=u64::from(spec.node_count.0)).map(NodeId).collect();
    Job {
        id: JobId(7),
        workspace: WorkspaceId(1),
        experiment: ExperimentId(1),
        name: "train".into(),
        uuid: Uuid::nil(),
        folder: Folder::of("ostler/workspaces/lab/experiments/first/jobs/train/0-0", "", Uuid::nil()),
        cluster: ClusterId(1),
        shape: shape(&spec).into(),
        spec: Arc::new(spec),
        token: None,
        state: ExecutionState::Running,
        since: UnixMillis(0),
        priority: Priority::Normal,
        held: false,
        dependencies: Vec::new(),
        pause: None,
        member: None,
        sweep: None,
        retries: 0,
        attempt: Attempt(attempt),
        requeues: 0,
        created: UnixMillis(0),
        spent: Default::default(),
        deleting: false,
        last: Happened { nodes, ..Happened::default() }.into(),
    }
}

fn asked(job: &mut Job, index: u32, node: u64) -> Daemon {
    let daemon = Daemon { asked_by: Rank::main(0), request: index, command: "orted \"-x\"".to_owned() };
    let run = RankRun {
        node: NodeId(node),
        boot: BootId("b".to_owned()),
        state: RankState::Starting { effect: EffectId(1) },
        daemon: Some(daemon.clone()),
        stuck: None,
    };
    job.last.ranks.insert(Rank { role: RankRole::Daemon, index }, run);
    daemon
}

fn shown(launch: &Launch) -> String {
    let mut text = String::new();
    let root = format!("/home/ci/.local/state/ostler-node/c/n{}", launch.node_index + 1);
    let _ = writeln!(text, "node {} in {}", launch.node_index, launch.workdir);
    let _ = writeln!(text, "{} -c\n{}", launch.shell, launch.command);
    for (name, value) in &launch.env {
        let _ = writeln!(text, "{name}={value}");
    }
    let _ = writeln!(text, "wipe {:?}\ndirs {:#?}\nkeep former {:?}", launch.wipe, launch.dirs, launch.keep_former);
    for (path, content, executable) in &launch.files {
        let _ = writeln!(text, "file {path} executable {executable}\n{content}");
    }
    let _ = writeln!(text, "out {}\nerr {}\nlog {:?}", launch.stdout, launch.stderr, launch.execution_log);
    text.replace(&root, "ROOT")
}

#[test]
fn custom_on_one_node() {
    let job = job(
        spec(serde_json::json!({
            "nodeCount": 1,
            "customToolkitSettings": {"commandLine": "python train.py --lr $LR"},
            "environmentVariables": [
                {"name": "LR", "value": "0.1"},
                {"name": "OUT", "value": "$AZ_BATCHAI_OUTPUT_MODEL/lr-${LR}"},
                {"name": "PATH", "value": "/opt/it's/bin:$PATH"},
            ],
            "inputDirectories": [{"id": "DATA", "path": "/data/$LR"}],
            "outputDirectories": [{"id": "MODEL", "pathPrefix": "$AZ_BATCHAI_JOB_TEMP_DIR", "pathSuffix": "models"}],
        })),
        1,
    );
    insta::assert_snapshot!(shown(&launch(&job, &places(1), Rank::main(0), None, &NAMES).unwrap()));
}

#[test]
fn a_job_that_shares_a_node_sees_its_own_gpus_only() {
    let mut job = job(
        spec(serde_json::json!({
            "nodeCount": 1,
            "customToolkitSettings": {"commandLine": "true"},
            "environmentVariables": [{"name": "MINE", "value": "cuda:$CUDA_VISIBLE_DEVICES"}],
        })),
        1,
    );
    let visible = |job: &Job, place: NodePlace| {
        let launch = launch(job, &[place], Rank::main(0), None, &NAMES).unwrap();
        let of = |name: &str| launch.env.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let wiped = launch.wipe[0].rsplit('/').next().unwrap().to_owned();
        (of("CUDA_VISIBLE_DEVICES"), of("ROCR_VISIBLE_DEVICES"), of("AZ_BATCHAI_NUM_GPUS"), wiped)
    };
    let place = NodePlace { gpus: 4, ..places(1).remove(0) };
    assert_eq!(visible(&job, place.clone()), (None, None, Some("4".into()), "temp".into()));
    let asked = Resources { gpus_milli: 1500, cpus_milli: 2000, ..Resources::default() };
    let mut part = (*job.spec).clone();
    part.demand = Demand::Part(asked.clone());
    job.spec = Arc::new(part);
    let shares = vec![GpuShare { index: 1, milli: 500 }, GpuShare { index: 3, milli: 1000 }];
    let list = Some("1,3".to_owned());
    let shared = place.clone().shared(&asked, shares);
    assert_eq!((shared.cpus, shared.gpus), (2, 2));
    assert_eq!(
        visible(&job, shared),
        (list.clone(), list, Some("2".into()), job.name.to_string()),
        "and leaves others' files"
    );
    let none = place.shared(&Resources { cpus_milli: 500, ..Resources::default() }, Vec::new());
    assert_eq!(visible(&job, none).0, Some(String::new()), "who asked for none sees none");
}

#[test]
fn preparation_and_second_attempt_on_two_nodes() {
    let job = job(
        spec(serde_json::json!({
            "nodeCount": 2,
            "customToolkitSettings": {"commandLine": "./run.sh"},
            "jobPreparation": {"commandLine": "apt-get install -y x"},
            "stdOutErrPathPrefix": "/data/logs/",
        })),
        2,
    );
    let mut text = String::new();
    for index in 0..2 {
        let prepare = Rank { role: RankRole::Prepare, index };
        text.push_str(&shown(&launch(&job, &places(2), prepare, None, &NAMES).unwrap()));
    }
    text.push_str(&shown(&launch(&job, &places(2), Rank::main(0), None, &NAMES).unwrap()));
    insta::assert_snapshot!(text);
}

#[test]
fn mpi_on_four_nodes() {
    let mut job = job(
        spec(serde_json::json!({
            "nodeCount": 4,
            "customMpiSettings": {"commandLine": "echo \"it's $OMPI_COMM_WORLD_RANK\"", "processCount": 6},
        })),
        1,
    );
    let daemon = asked(&mut job, 0, 3);
    let nodes = places(4);
    let mut text = shown(&launch(&job, &nodes, Rank::main(0), None, &NAMES).unwrap());
    let rank = Rank { role: RankRole::Daemon, index: 0 };
    text.push_str(&shown(&launch(&job, &nodes, rank, Some(&daemon), &NAMES).unwrap()));
    insta::assert_snapshot!(text);
}

#[test]
fn processes_spread_evenly() {
    for (count, nodes, expected) in [
        (None, 4, "1 1 1 1"),
        (Some(8), 2, "4 4"),
        (Some(7), 3, "3 2 2"),
        (Some(2), 3, "1 1 1"),
        (Some(1), 1, "1"),
        (Some(u32::MAX), 1, "4294967295"),
    ] {
        let mut json = serde_json::json!({"nodeCount": nodes, "customMpiSettings": {"commandLine": "x"}});
        if let Some(count) = count {
            json["customMpiSettings"]["processCount"] = serde_json::json!(count);
        }
        let plan = launch(&job(spec(json), 1), &places(nodes), Rank::main(0), None, &NAMES).unwrap();
        let slots: Vec<&str> = plan.files[0].1.lines().filter_map(|line| line.split_once("slots=")).map(|s| s.1).collect();
        assert_eq!(slots.join(" "), expected, "{count:?} on {nodes}");
    }
}

#[test]
fn nodes_that_are_one_machine_are_one_line_and_need_no_daemon() {
    let spec = spec(serde_json::json!({"nodeCount": 3, "customMpiSettings": {"commandLine": "x"}}));
    let mut nodes = places(3);
    nodes.iter_mut().for_each(|node| node.address = "127.0.0.1".to_owned());
    let launch = launch(&job(spec, 1), &nodes, Rank::main(0), None, &NAMES).unwrap();
    assert_eq!(launch.files[0].1, "127.0.0.1 slots=3\n");
    assert!(launch.env.iter().all(|(name, _)| !name.starts_with("OMPI_MCA_")), "{:?}", launch.env);
}

#[test]
fn only_the_first_process_of_an_attempt_on_a_node_empties_it() {
    let mut with_prep = job(
        spec(
            serde_json::json!({"nodeCount": 3, "customMpiSettings": {"commandLine": "x"}, "jobPreparation": {"commandLine": "y"}}),
        ),
        1,
    );
    let mut without = job(spec(serde_json::json!({"nodeCount": 3, "customMpiSettings": {"commandLine": "x"}})), 1);
    for job in [&mut with_prep, &mut without] {
        asked(job, 0, 2);
        asked(job, 1, 3);
        asked(job, 2, 2);
        asked(job, 3, 1);
    }
    let cases = [("m0", false, true), ("d0", false, true), ("d1", false, true), ("d2", false, false), ("d3", false, false)];
    for (rank, prepared, alone) in cases {
        for (job, expected) in [(&with_prep, prepared), (&without, alone)] {
            let rank: Rank = rank.parse().unwrap();
            let daemon = job.last.ranks.get(&rank).and_then(|run| run.daemon.clone());
            let launch = launch(job, &places(3), rank, daemon.as_ref(), &NAMES).unwrap();
            assert_eq!(!launch.wipe.is_empty(), expected, "{rank} prepares {}", job.shape.prepares);
        }
    }
    for index in 0..3 {
        let rank = Rank { role: RankRole::Prepare, index };
        assert!(!launch(&with_prep, &places(3), rank, None, &NAMES).unwrap().wipe.is_empty());
        assert!(launch(&without, &places(3), rank, None, &NAMES).is_err());
    }
}

#[test]
fn what_cannot_be_launched_is_said_with_its_field() {
    let faults = |json: serde_json::Value| check(&spec(json), false).into_iter().map(|f| f.message).collect::<Vec<_>>();
    let good = serde_json::json!({
        "nodeCount": 1,
        "customToolkitSettings": {"commandLine": "echo $ANYTHING"},
        "stdOutErrPathPrefix": "$AZ_BATCHAI_JOB_TEMP_DIR",
        "environmentVariables": [{"name": "D", "value": "/data"}, {"name": "P", "value": "$PATH:$HOME"}],
        "inputDirectories": [{"id": "A", "path": "${D}/x"}],
    });
    assert_eq!(faults(good), Vec::<String>::new());
    let bad = serde_json::json!({
        "nodeCount": 2,
        "customToolkitSettings": {"commandLine": "ls ${AZ_BATCHAI_SHARED_JOB_TEMP}/x"},
        "stdOutErrPathPrefix": "$AZ_BATCHAI_MOUNT_ROOT/afs",
        "environmentVariables": [{"name": "P", "value": "$HOME"}],
        "inputDirectories": [{"id": "A", "path": "data"}, {"id": "B", "path": "$P/x"}],
        "outputDirectories": [{"id": "C", "pathPrefix": "$NOWHERE"}, {"id": "D", "pathPrefix": "$AZ_BATCHAI_SHARED_JOB_TEMP"}],
    });
    insta::assert_snapshot!(faults(bad).join("\n"), @"
    customToolkitSettings.commandLine: refers to `$AZ_BATCHAI_SHARED_JOB_TEMP`, which is not set: the nodes share no directory
    outputDirectories[1].pathPrefix: refers to `$AZ_BATCHAI_SHARED_JOB_TEMP`, which is not set: the nodes share no directory
    inputDirectories[0].path: `data` is not an absolute path on the node
    inputDirectories[1].path: `$P/x` refers to `$P`, whose value is not known before the job runs
    outputDirectories[0].pathPrefix: `$NOWHERE` refers to `$NOWHERE`, whose value is not known before the job runs
    ");
}

#[test]
fn a_path_below_a_mount_root_needs_a_mount_there() {
    let volumes =
        |path: &str| serde_json::json!({"unmanagedFileSystems": [{"mountCommand": "m", "relativeMountPath": path}]});
    let cluster: MountVolumes = serde_json::from_value(volumes("nfs")).unwrap();
    let job = |prefix: &str, input: &str| {
        spec(serde_json::json!({
            "nodeCount": 1,
            "customToolkitSettings": {"commandLine": "true"},
            "mountVolumes": volumes("afs/x"),
            "environmentVariables": [{"name": "IN", "value": "$AZ_BATCHAI_MOUNT_ROOT/nfs"}],
            "stdOutErrPathPrefix": prefix,
            "inputDirectories": [{"id": "A", "path": input}],
        }))
    };
    let good = job("$AZ_BATCHAI_JOB_MOUNT_ROOT/afs/x", "$IN/data");
    assert_eq!(check_mounts(&good, &cluster), []);
    let bad = job("$AZ_BATCHAI_JOB_MOUNT_ROOT/afs", "$AZ_BATCHAI_MOUNT_ROOT/afs/x");
    let said: Vec<_> = check_mounts(&bad, &cluster).into_iter().map(|fault| fault.message).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    stdOutErrPathPrefix: `$AZ_BATCHAI_JOB_MOUNT_ROOT/afs` is below $AZ_BATCHAI_JOB_MOUNT_ROOT, and nothing is mounted there: the job mounts `afs/x`
    inputDirectories[0].path: `$AZ_BATCHAI_MOUNT_ROOT/afs/x` is below $AZ_BATCHAI_MOUNT_ROOT, and nothing is mounted there: the cluster mounts `nfs`
    ");
    let said: Vec<_> = check_mounts(&good, &MountVolumes::default()).into_iter().map(|fault| fault.message).collect();
    insta::assert_snapshot!(said.join("\n"), @"inputDirectories[0].path: `$IN/data` is below $AZ_BATCHAI_MOUNT_ROOT, and nothing is mounted there: the cluster mounts nothing");
}

#[test]
fn a_node_is_set_up_and_cleaned_up() {
    use crate::model::spec::SecretSource;
    use crate::model::volume::{Source, VolumeKind};
    let volume = |kind, at: &str, source| Volume { kind, at: at.to_owned(), source };
    let smb = Source::Smb {
        host: "store".into(),
        share: "data".into(),
        user: "acc".into(),
        password: SecretSource::Environment("KEY".into()),
        options: "file_mode=0777,dir_mode=0777".into(),
    };
    let volumes = [
        volume(VolumeKind::Unmanaged, "gl", Source::Command { command: "mount -t glusterfs h:/gv0".into(), key: None }),
        volume(VolumeKind::FileShare, "afs", smb),
        volume(
            VolumeKind::FileServer,
            "nfs",
            Source::Nfs { host: "10.0.0.4".into(), path: "/export".into(), options: Some("rw".into()) },
        ),
    ];
    let names = JobNames { volumes: &volumes, ..NAMES };
    let mut spec = spec(serde_json::json!({
        "nodeCount": 1,
        "customToolkitSettings": {"commandLine": "true"},
        "mountVolumes": {"unmanagedFileSystems": [{"mountCommand": "m", "relativeMountPath": "gl"}]},
    }));
    let mut text = String::new();
    for prefix in [None, Some("$AZ_BATCHAI_JOB_MOUNT_ROOT/afs")] {
        spec.std_out_err_path_prefix = prefix.map(str::to_owned);
        let job = job(spec.clone(), 2);
        for rank in ["s0", "m0", "c0"] {
            let mut launch = launch(&job, &places(1), rank.parse().unwrap(), None, &names).unwrap();
            if let Some((head, steps)) = launch.command.split_once("# ---- steps\n") {
                let head: String = head.lines().take(4).map(|line| format!("{line}\n")).collect();
                launch.command = format!("{head}{steps}");
            }
            launch.env.clear();
            text.push_str(&format!("{rank}: {}secrets {:?}\n\n", shown(&launch), launch.secrets));
        }
    }
    insta::assert_snapshot!(text);
}

proptest! {
    #[test]
    fn a_plan_touches_nothing_outside_the_node_but_what_the_user_names(
        command in ".{0,30}",
        values in proptest::collection::vec("[${}A-Z_/a-z' ]{0,20}", 0..4),
        nodes in 1u32..4,
        attempt in 1u32..4,
    ) {
        let variables: Vec<_> = values.iter().enumerate().map(|(i, v)| serde_json::json!({"name": format!("V{i}"), "value": v})).collect();
        let spec = spec(serde_json::json!({
            "nodeCount": nodes,
            "customMpiSettings": {"commandLine": command},
            "environmentVariables": variables,
        }));
        prop_assert!(shape(&spec).main_nodes.iter().all(|node| *node < nodes));
        let places = places(nodes);
        let launch = launch(&job(spec, attempt), &places, Rank::main(0), None, &NAMES).unwrap();
        let root = format!("{}/", places[0].root);
        let files = launch.files.iter().map(|(path, _, _)| path);
        for path in launch.wipe.iter().chain(&launch.dirs).chain(files).chain([&launch.workdir, &launch.stdout, &launch.stderr]) {
            prop_assert!(path.starts_with(&root), "{path}");
        }
        let wiped = &launch.wipe[0];
        prop_assert!(!launch.stdout.starts_with(&format!("{wiped}/")), "logs outlive the next job");
        prop_assert_eq!(launch.keep_former.is_some(), attempt > 1);
    }
}

#[test]
fn a_container_is_started_entered_and_removed() {
    let spec = spec(serde_json::json!({
        "nodeCount": 1,
        "customToolkitSettings": {"commandLine": "it's $HERE"},
        "containerSettings": {
            "imageSourceRegistry": {
                "image": "reg.example/a:1",
                "serverUrl": "reg.example",
                "credentials": {"username": "ada", "password": {"environment": "X"}},
            },
            "shmSize": 1024,
        },
        "secrets": [{"name": "TOKEN", "source": {"environment": "Y"}}],
        "inputDirectories": [{"id": "D", "path": "/data"}],
        "outputDirectories": [{"id": "M", "pathPrefix": "/models"}],
    }));
    let mut job = job(spec, 2);
    let runtimes = ["docker".to_owned(), "podman".to_owned()];
    let names = JobNames { runtimes: &runtimes, ..NAMES };
    let mut nodes = places(1);
    nodes[0].gpus = 2;
    let rank = |role| Rank { role, index: 0 };
    let mut text = String::new();
    let cpu = Resources { cpus_milli: 1000, ..Resources::default() };
    for part in [Demand::WholeNode, Demand::Part(cpu)] {
        let mut spec = (*job.spec).clone();
        spec.demand = part;
        job.spec = Arc::new(spec);
        let launch = launch(&job, &nodes, rank(RankRole::Setup), None, &names).unwrap();
        let step = launch.command.lines().rev().find(|line| line.contains("container_start")).unwrap();
        let secrets: Vec<&str> = launch.secrets.iter().map(|secret| secret.name.as_str()).collect();
        text.push_str(&format!("{step}\n{secrets:?}\n"));
    }
    let launch_of = |role| launch(&job, &nodes, rank(role), None, &names).unwrap();
    let command = launch_of(RankRole::Cleanup).command;
    text.push_str(&format!("{}\n", command.lines().rev().find(|line| line.contains("container_stop")).unwrap()));
    let main = launch_of(RankRole::Main);
    let head: Vec<&str> = main.command.lines().take_while(|line| !line.starts_with("# inside.sh")).collect();
    text.push_str(&format!("{}\n{}", main.shell, head.join("\n")));
    insta::assert_snapshot!(text.replace(&nodes[0].root, "ROOT"));
}
