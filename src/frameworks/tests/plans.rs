//! What each framework launches, on one node and on several, as a person would check it against the reference (§6.5).

use super::*;

/// Variables that every process has and that other snapshots show.
const COMMON: &[&str] = &[
    "AZ_BATCHAI_MOUNT_ROOT",
    "AZ_BATCHAI_JOB_MOUNT_ROOT",
    "AZ_BATCHAI_JOB_TEMP_DIR",
    "AZ_BATCHAI_JOB_TEMP",
    "AZ_BATCHAI_MPI_HOST_FILE",
    "AZ_BATCHAI_STDOUTERR_DIR",
    "AZ_BATCHAI_NUM_GPUS",
    "AZ_BATCHAI_NUM_GPUS_PER_NODE",
    "AZ_BATCHAI_JOB_MASTER_NODE_IP",
    "AZ_BATCH_HOST_LIST",
    "OSTLER_SHELL",
    "MASTER_ADDR",
    "MASTER_PORT",
];

fn with_gpus(mut nodes: Vec<NodePlace>, gpus: u32) -> Vec<NodePlace> {
    nodes.iter_mut().for_each(|node| node.gpus = gpus);
    nodes
}

/// Every main rank of a job: where, into which files, which command behind the start-up text, which variables of its own.
fn plan_on(json: serde_json::Value, nodes: &[NodePlace]) -> String {
    let mut spec = spec(json);
    assert_eq!(check(&spec, spec.node_count.0 == 1), Vec::new());
    spec.resolve();
    let job = job(spec, 1);
    let mut text = format!("{}\n", serde_json::to_string(&job.spec.toolkit).unwrap());
    for index in 0..job.shape.main_nodes.len() as u32 {
        let plan = match launch(&job, nodes, Rank::main(index), None, &NAMES) {
            Ok(plan) => plan,
            Err(fault) => return format!("{text}{fault:?}\n"),
        };
        let out = plan.stdout.rsplit('/').next().unwrap();
        let role = if job.shape.decides(index) { "" } else { ", serves" };
        let command = plan.command.split_once("cd \"$AZ_BATCHAI_JOB_TEMP\"\nfi\n").unwrap().1;
        let _ = writeln!(text, "m{index} on node{} > {out}{role}\n  {command}", plan.node_index + 1);
        let own = |name: &str| !COMMON.contains(&name) && !name.starts_with("OMPI_MCA_") && !name.contains("HYDRA_");
        for (name, value) in plan.env.iter().filter(|(name, _)| own(name)) {
            let _ = writeln!(text, "  {name}={value}");
        }
        if index == 0 {
            let _ = writeln!(text, "  hostfile {:?}", plan.files[0].1);
        }
    }
    let root = |n: u32| format!("/home/ci/.local/state/ostler-node/c/n{n}");
    (1..=4).fold(text, |text, n| text.replace(&root(n), "ROOT")) + "\n"
}

fn plan(json: serde_json::Value) -> String {
    let nodes = json["nodeCount"].as_u64().unwrap() as u32;
    plan_on(json, &places(nodes))
}

/// The same settings on one node and on two.
fn both(settings: serde_json::Value) -> String {
    let mut one = settings.clone();
    one["nodeCount"] = 1.into();
    let mut two = settings;
    two["nodeCount"] = 2.into();
    plan(one) + &plan(two)
}

#[test]
fn tensorflow() {
    let settings = serde_json::json!({"tensorFlowSettings": {
        "pythonScriptFilePath": "$AZ_BATCHAI_INPUT_S/mnist.py",
        "masterCommandLineArgs": "--job_name=worker --task_index=$AZ_BATCHAI_TASK_INDEX",
        "workerCommandLineArgs": "--job_name=worker",
        "parameterServerCommandLineArgs": "--job_name=ps",
    }});
    let mut more = settings.clone();
    more["nodeCount"] = 3.into();
    more["tensorFlowSettings"]["workerCount"] = 5.into();
    more["tensorFlowSettings"]["parameterServerCount"] = 2.into();
    let mut workers_only = settings.clone();
    workers_only["nodeCount"] = 2.into();
    workers_only["tensorFlowSettings"]["parameterServerCount"] = 0.into();
    let few_gpus = plan_on(more.clone(), &with_gpus(places(3), 1));
    assert!(few_gpus.contains("5 workers, but the nodes have 3 GPUs"), "{few_gpus}");
    insta::assert_snapshot!(both(settings) + &plan(more) + &plan(workers_only));
}

#[test]
fn recorded_hosts_of_tensorflow() {
    // Three nodes, one server, three workers: as a user printed them (reference §6.5.1).
    let json = serde_json::json!({"nodeCount": 3, "tensorFlowSettings": {"pythonScriptFilePath": "x"}});
    let nodes: Vec<NodePlace> = places(3)
        .into_iter()
        .enumerate()
        .map(|(at, node)| NodePlace { address: format!("10.0.0.{}", at + 4), ..node })
        .collect();
    let text = plan_on(json, &nodes);
    assert!(text.contains("AZ_BATCHAI_PS_HOSTS=10.0.0.4:2222\n"), "{text}");
    assert!(text.contains("AZ_BATCHAI_WORKER_HOSTS=10.0.0.4:2223,10.0.0.5:2222,10.0.0.6:2222\n"), "{text}");
    let config = r#"TF_CONFIG={"cluster":{"ps":["10.0.0.4:2222"],"worker":["10.0.0.4:2223","10.0.0.5:2222","10.0.0.6:2222"]},"task":{"type":"worker","index":2},"environment":"cloud"}"#;
    assert!(text.contains(config), "{text}");
}

#[test]
fn horovod_and_chainer() {
    let horovod = serde_json::json!({"nodeCount": 2, "horovodSettings": {
        "pythonScriptFilePath": "train.py", "commandLineArgs": "--it 's'", "processCount": 8,
    }});
    let chainer = serde_json::json!({"nodeCount": 1, "chainerSettings": {"pythonScriptFilePath": "train.py"}});
    insta::assert_snapshot!(plan(horovod) + &plan(chainer));
}

#[test]
fn cntk() {
    let python =
        serde_json::json!({"cntkSettings": {"pythonScriptFilePath": "net.py", "commandLineArgs": "$AZ_BATCHAI_OUTPUT_M"}});
    let script = serde_json::json!({"nodeCount": 1, "cntkSettings": {
        "configFilePath": "$AZ_BATCHAI_INPUT_CONFIG/net.cntk", "commandLineArgs": "rootDir=. parallelTrain=true",
    }});
    insta::assert_snapshot!(both(python) + &plan(script));
}

#[test]
fn caffe_and_caffe2() {
    let solver = serde_json::json!({"caffeSettings": {"configFilePath": "solver.prototxt", "commandLineArgs": "-gpu 0"}});
    let script = serde_json::json!({"nodeCount": 1, "caffeSettings": {"pythonScriptFilePath": "a.py", "pythonInterpreterPath": "/opt/py"}});
    let caffe2 = serde_json::json!({"caffe2Settings": {"pythonScriptFilePath": "r.py", "commandLineArgs": "--shard_id $AZ_BATCHAI_TASK_INDEX"}});
    insta::assert_snapshot!(both(solver) + &plan(script) + &both(caffe2));
}

#[test]
fn pytorch() {
    let mut all = String::new();
    for backend in ["Gloo", "TCP", "MPI"] {
        let settings =
            serde_json::json!({"pyTorchSettings": {"pythonScriptFilePath": "t.py", "communicationBackend": backend}});
        all.push_str(&both(settings));
    }
    let uneven = serde_json::json!({"nodeCount": 2, "pyTorchSettings": {
        "pythonScriptFilePath": "t.py", "processCount": 3, "communicationBackend": "NCCL",
    }});
    insta::assert_snapshot!(all + &plan(uneven));
}

#[test]
fn launchers_on_every_node() {
    let program =
        serde_json::json!({"pythonScriptFilePath": "t.py", "commandLineArgs": "--lr 1", "launcherArgs": "--extra"});
    let mut all = String::new();
    for key in ["torchrunSettings", "deepSpeedSettings", "accelerateSettings"] {
        all.push_str(&both(serde_json::json!({ key: program.clone() })));
        let two = serde_json::json!({"nodeCount": 2, key: program.clone()});
        all.push_str(&plan_on(two, &with_gpus(places(2), 2)));
    }
    let torchrun = serde_json::json!({"nodeCount": 1, "torchrunSettings": {
        "pythonScriptFilePath": "t.py", "pythonInterpreterPath": "/opt/venv/bin/python", "processesPerNode": 4, "maxRestarts": 3,
    }});
    insta::assert_snapshot!(all + &plan(torchrun));
}

#[test]
fn jax_ray_dask() {
    let jax = serde_json::json!({"jaxSettings": {"pythonScriptFilePath": "j.py"}});
    let jax_two_each =
        serde_json::json!({"nodeCount": 2, "jaxSettings": {"pythonScriptFilePath": "j.py", "processesPerNode": 2}});
    let ray = serde_json::json!({"raySettings": {"commandLine": "python r.py", "headArgs": "--num-cpus=1", "workerArgs": "--num-cpus=2"}});
    let dask = serde_json::json!({"daskSettings": {"commandLine": "python d.py", "pythonInterpreterPath": "/opt/py"}});
    insta::assert_snapshot!(both(jax) + &plan(jax_two_each) + &both(ray) + &both(dask));
}

#[test]
fn processes_that_start_side_by_side_find_an_empty_directory() {
    let torch = |count: u32, more: &[&str]| {
        let mut json = serde_json::json!({"nodeCount": 2, "pyTorchSettings": {
            "pythonScriptFilePath": "t.py", "processCount": count, "communicationBackend": "Gloo",
        }});
        for key in more {
            json[*key] = serde_json::json!({"commandLine": "x"});
        }
        job(spec(json), 1)
    };
    // What empties it runs before them: a set-up, or the preparation; one process on a node does it itself.
    for (job, sets_up, wiping) in
        [(torch(2, &[]), false, "m0 m1"), (torch(3, &[]), true, "s0 s1"), (torch(3, &["jobPreparation"]), false, "p0 p1")]
    {
        assert_eq!(job.shape.sets_up, sets_up, "{wiping}");
        let ranks = ["s0", "s1", "p0", "p1", "m0", "m1", "m2"].into_iter().filter(|rank| {
            let skipped = (rank.starts_with('s') && !sets_up) || (*rank == "m2" && job.shape.main_nodes.len() < 3);
            let launched = launch(&job, &places(2), rank.parse().unwrap(), None, &NAMES);
            !skipped && launched.is_ok_and(|launched| !launched.wipe.is_empty())
        });
        assert_eq!(ranks.collect::<Vec<_>>().join(" "), wiping);
    }
}

/// Runs the command of an MPI job with a stand-in for `mpirun`, which says its version, and how it was called then.
#[expect(clippy::disallowed_methods, reason = "a shell runs a program that this test writes")]
fn called(version: &str, nodes: u32, processes: u32) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let mpirun = dir.path().join("mpirun");
    let script = format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo '{version}'; else echo \"$@\" | head -1; fi\n");
    std::fs::write(&mpirun, script).unwrap();
    std::fs::set_permissions(&mpirun, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let json = serde_json::json!({"nodeCount": nodes, "customMpiSettings": {"commandLine": "x", "processCount": processes}});
    let plan = launch(&job(spec(json), 1), &places(nodes), Rank::main(0), None, &NAMES).unwrap();
    let out = std::process::Command::new("sh")
        .args(["-c", &format!("PATH='{}':$PATH\n{}", dir.path().display(), plan.command)])
        .env("AZ_BATCHAI_MPI_HOST_FILE", "HOSTFILE")
        .env("AZ_BATCH_HOST_LIST", "HOSTS")
        .output()
        .unwrap();
    let text =
        |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().replace(" sh -c cd \"$AZ_BATCHAI_JOB_TEMP\" || exit 1", "");
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

#[test]
fn the_mpirun_of_the_node_is_called_as_it_wants() {
    let intel = "Intel(R) MPI Library for Linux* OS, Version 2021.10 Build 20230619 (id: c2e19c2f3e)";
    let cases = [
        ("mpirun (Open MPI) 4.1.4", 8, "--hostfile HOSTFILE -n 8 --map-by slot --bind-to none"),
        ("HYDRA build details:", 8, "-genvnone -wdir / -f HOSTFILE.hydra -n 8"),
        (intel, 8, "-genvlist I_MPI_FABRICS,I_MPI_DAPL_PROVIDER,I_MPI_DYNAMIC_CONNECTION -wdir / -n 8 -ppn 4 -hosts HOSTS"),
        (
            intel,
            3,
            "-genvlist I_MPI_FABRICS,I_MPI_DAPL_PROVIDER,I_MPI_DYNAMIC_CONNECTION -wdir / -n 3 -machinefile HOSTFILE.hydra",
        ),
    ];
    for (version, processes, expected) in cases {
        assert_eq!(called(version, 2, processes), (0, expected.to_owned(), String::new()), "{version}");
    }
    let (code, _, said) = called("prterun 1.0", 2, 2);
    assert_eq!(code, 126);
    assert!(said.contains("is neither Open MPI's nor a Hydra's (MPICH, Intel MPI): prterun 1.0"), "{said}");
}

#[test]
fn every_kind_runs_on_any_number_of_nodes() {
    for kind in crate::model::spec::ToolKind::ALL {
        for nodes in 1..=3 {
            let toolkit = Toolkit::of_line(kind, "a.py --x $AZ_BATCHAI_TASK_INDEX", None, None);
            let mut spec = JobSpec { node_count: crate::model::units::NodeCount(nodes), ..JobSpec::new(toolkit) };
            spec.resolve();
            let job = job(spec, 1);
            let Mains { nodes: mains, serving } = of(&job.spec.toolkit).mains(&job.spec);
            assert!(serving < mains.len() as u32, "{kind:?}: somebody decides");
            let mut outs: Vec<String> = (0..mains.len() as u32)
                .map(|index| launch(&job, &places(nodes), Rank::main(index), None, &NAMES).unwrap().stdout)
                .collect();
            outs.sort();
            outs.dedup();
            assert_eq!(outs.len(), mains.len(), "{kind:?}: each process has a log of its own");
        }
    }
}

#[test]
fn jobs_that_may_meet_on_a_machine_use_other_ports() {
    let tf = serde_json::json!({"nodeCount": 2, "tensorFlowSettings": {"pythonScriptFilePath": "x"}});
    let mut local = places(2);
    local.iter_mut().for_each(|node| node.address = "127.0.0.1".to_owned());
    let text = plan_on(tf, &local);
    // Job 7, and all processes on one address.
    assert!(text.contains("AZ_BATCHAI_PS_HOSTS=127.0.0.1:2446\n"), "{text}");
    assert!(text.contains("AZ_BATCHAI_WORKER_HOSTS=127.0.0.1:2447,127.0.0.1:2448\n"), "{text}");
}
