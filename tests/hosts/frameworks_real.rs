//! Real frameworks on real nodes: what a package manager or pip has is run for real, with traffic between the nodes. What is
//! not installed is skipped by name; `tests/run` installs it and counts a skip as one.
//!
//! Virtual environments lie in `target/frameworks`, which the hosts share with this machine.

use serde_json::json;

use crate::frameworks::{job, lab, log, well};
use crate::lab::Lab;
use crate::ostler::Ostler;

/// Returns an interpreter of the hosts that can import all of these modules.
fn python(lab: &Lab, of: &str, modules: &str) -> Option<String> {
    let own = format!("{}/target/frameworks/{of}/bin/python", env!("CARGO_MANIFEST_DIR"));
    let found = [own, "/usr/bin/python3".to_owned()].into_iter().find(|python| {
        lab.on("h1", &format!("cd / && {python} -c 'import {modules}' >/dev/null 2>&1 && echo yes")).trim() == "yes"
    });
    if found.is_none() {
        // The line that tests/run looks for.
        eprintln!("did not run: {of}: no Python here has {modules}");
    }
    found
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn pytorch_trains_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "torch", "torch.distributed") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let recipe =
        "--dist-backend gloo --dist-url $AZ_BATCHAI_PYTORCH_INIT_METHOD --rank $AZ_BATCHAI_TASK_INDEX --world-size 2";
    let settings = json!({"pythonScriptFilePath": "/opt/check/train_torch.py", "pythonInterpreterPath": python,
        "commandLineArgs": recipe, "communicationBackend": "gloo"});
    ostler.submit_file("recipe", job(2, "pyTorchSettings", settings.clone()));
    // A script of today gets no arguments: it finds its place in the variables.
    let mut today = settings.clone();
    today.as_object_mut().unwrap().remove("commandLineArgs");
    today["processCount"] = json!(3);
    ostler.submit_file("today", job(2, "pyTorchSettings", today));
    let mut torchrun = settings;
    torchrun["commandLineArgs"] = json!("");
    torchrun.as_object_mut().unwrap().remove("communicationBackend");
    torchrun["processesPerNode"] = json!(2);
    // PyTorch 1.13 under Python 3.11 cannot do without these (a fault of theirs).
    torchrun["launcherArgs"] = json!("-r 1 -t 1 --log_dir $AZ_BATCHAI_JOB_TEMP/torchrun");
    ostler.submit_file("torchrun", job(2, "torchrunSettings", torchrun));
    for (name, ranks) in [("recipe", 2), ("today", 3), ("torchrun", 4)] {
        well(&ostler, name);
        let files: &[(u64, &str)] = match name {
            "today" => &[(0, "stdout-0.txt"), (0, "stdout-1.txt"), (1, "stdout-2.txt")],
            _ => &[(0, "stdout-0.txt"), (1, "stdout-1.txt")],
        };
        let text: String = files.iter().map(|(node, file)| log(&ostler, name, *node, file)).collect();
        for rank in 0..ranks {
            assert!(
                text.contains(&format!("rank {rank} of {ranks}: slope 3.0"))
                    || text.contains(&format!("rank {rank} of {ranks}: slope 2.9")),
                "{name}: {text}"
            );
        }
        let models = lab.on_all(&format!("find /opt/models -path '*/jobs/{name}/*' -name model.pt -size +0"));
        assert_eq!(models.lines().count(), 1, "{name}: {models}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn torchrun_starts_all_ranks_again_after_one_failed() {
    let lab = lab(2);
    let Some(python) = python(&lab, "torch", "torch.distributed") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    // The same two as above.
    let args = "-r 1 -t 1 --log_dir $AZ_BATCHAI_JOB_TEMP/torchrun --monitor_interval 1";
    let settings = |restarts: u32| {
        json!({"pythonScriptFilePath": "/opt/check/restart_torch.py", "pythonInterpreterPath": python,
            "maxRestarts": restarts, "launcherArgs": args, "processesPerNode": 1})
    };
    ostler.submit_file("again", job(2, "torchrunSettings", settings(2)));
    well(&ostler, "again");
    let text: String = (0..2).map(|node| log(&ostler, "again", node, &format!("stdout-{node}.txt"))).collect();
    assert!(text.contains("rank 1 fails"), "{text}");
    assert_eq!(text.matches(" of 2 ended in round ").count(), 2, "{text}");
    // Without restarts the failure is the job's.
    ostler.submit_file("once", job(2, "torchrunSettings", settings(0)));
    let ended = crate::frameworks::ended(&ostler, "once");
    assert_eq!(ended["executionState"], "failed", "{ended:#}");
    assert_eq!(ended["executionInfo"]["errors"][0]["code"], "JobFailed", "{ended:#}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn accelerate_trains_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "accelerate", "accelerate, torch.distributed") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/train_accelerate.py", "pythonInterpreterPath": python,
        "processesPerNode": 1});
    ostler.submit_file("fit", job(2, "accelerateSettings", settings));
    well(&ostler, "fit");
    for node in 0..2 {
        let text = log(&ostler, "fit", node, &format!("stdout-{node}.txt"));
        assert!(text.contains(&format!("rank {node} of 2: slope 3.0")), "{text}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn mpi_programs_talk_over_four_nodes() {
    let lab = lab(4);
    let Some(python) = python(&lab, "mpi4py", "mpi4py.MPI") else { return };
    let ostler = Ostler::with_cluster(&lab, 4);
    let line = format!("{python} /opt/check/allreduce.py");
    ostler.submit_file("sum", job(4, "customMpiSettings", json!({"commandLine": line, "processCount": 8})));
    well(&ostler, "sum");
    let text = log(&ostler, "sum", 0, "stdout.txt");
    assert_eq!(text.lines().filter(|line| line.ends_with(": sum 36 over 4 hosts")).count(), 8, "{text}");
    for host in lab.hosts() {
        assert_eq!(text.matches(&format!(" of 8 on {host}: ")).count(), 2, "{text}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn chainermn_trains_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "chainer", "chainermn") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/train_chainer.py", "pythonInterpreterPath": python});
    ostler.submit_file("mn", job(2, "chainerSettings", settings));
    well(&ostler, "mn");
    let text = log(&ostler, "mn", 0, "stdout.txt");
    assert_eq!(text.matches("Num process (COMM_WORLD): 2\n").count(), 2, "as recorded in 2018: {text}");
    assert!(text.contains("rank 0 of 2: slope") && text.contains("rank 1 of 2: slope"), "{text}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn jax_sums_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "jax", "jax") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/sum_jax.py", "pythonInterpreterPath": python});
    ostler.submit_file("sum", job(2, "jaxSettings", settings));
    well(&ostler, "sum");
    for node in 0..2 {
        let text = log(&ostler, "sum", node, &format!("stdout-{node}.txt"));
        assert!(text.ends_with(&format!("process {node} of 2: sum 3 over 2 devices\n")), "{text}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run --long"]
fn tensorflow_sums_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "tensorflow", "tensorflow") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/sum_tensorflow.py", "pythonInterpreterPath": python});
    ostler.submit_file("sum", job(2, "tensorFlowSettings", settings));
    well(&ostler, "sum");
    for node in 0..2 {
        let text = log(&ostler, "sum", node, &format!("stdout-wk-{node}.txt"));
        assert!(text.contains(&format!("worker {node} of 2: sum 3")), "{text}");
    }
    assert!(log(&ostler, "sum", 0, "stdout-ps-0.txt").contains("server 0 is up"));
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn deepspeed_sums_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "deepspeed", "deepspeed") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/sum_deepspeed.py", "pythonInterpreterPath": python,
        "processesPerNode": 2});
    ostler.submit_file("sum", job(2, "deepSpeedSettings", settings));
    well(&ostler, "sum");
    for node in 0..2 {
        let text = log(&ostler, "sum", node, &format!("stdout-{node}.txt"));
        for local in 0..2 {
            assert!(text.contains(&format!("rank {} of 4: local {local} sum 10", 2 * node + local)), "{text}");
        }
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run --long"]
fn horovod_trains_over_two_nodes() {
    let lab = lab(2);
    let Some(python) = python(&lab, "horovod", "horovod.torch") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/train_horovod.py", "pythonInterpreterPath": python,
        "processCount": 4});
    ostler.submit_file("fit", job(2, "horovodSettings", settings));
    well(&ostler, "fit");
    let text = log(&ostler, "fit", 0, "stdout.txt");
    for rank in 0..4 {
        assert!(text.contains(&format!("rank {rank} of 4 (local {} of 2): slope 3.0", rank % 2)), "{text}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn clusters_of_ray_and_dask_live_as_long_as_their_job() {
    let lab = lab(2);
    let Some(python) = python(&lab, "ray", "ray, distributed") else { return };
    let ostler = Ostler::with_cluster(&lab, 2);
    let run =
        |script: &str| json!({"commandLine": format!("{python} /opt/check/{script} 2"), "pythonInterpreterPath": python});
    let mut dask = run("dask_nodes.py");
    dask["processesPerNode"] = json!(1);
    ostler.submit_file("dask", job(2, "daskSettings", dask));
    ostler.submit_file("ray", job(2, "raySettings", run("ray_nodes.py")));
    for name in ["dask", "ray"] {
        well(&ostler, name);
        assert_eq!(log(&ostler, name, 0, "stdout.txt"), format!("{name} ran on h1 h2\n"));
    }
    let left = lab.on_all("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null");
    assert!(!left.contains("raylet") && !left.contains("dask_worker"), "{left}");
}
