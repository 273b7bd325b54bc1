//! Every framework on real nodes, with a small program in the place of the framework: it checks each variable, file and
//! argument that it was promised and ends with 9 naming what is wrong (`frameworks/check.py`).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, exit_code};

/// How long a job of a few processes may take on a busy machine.
pub const LONG: Duration = Duration::from_secs(240);
/// Where the hosts have what jobs run.
pub const PLACE: &str = "/opt/check";

/// A lab of hosts without keys for one another, with everything that jobs run, and a `~/.bashrc` that talks.
pub fn lab(count: u32) -> Lab {
    // Wherever this tree lies; the hosts have a /tmp of their own.
    let environments = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/frameworks");
    let lab = if environments.is_dir() { Lab::up_sharing(count, &environments) } else { Lab::up(count) };
    lab.on_all("rm -f /root/.ssh/id_* /root/.ssh/config /root/.ssh/known_hosts; mkdir -p /opt/check/bin /opt/data");
    lab.on_all("echo data > /opt/data/data.txt; printf 'echo a banner; echo noise >&2\\nexport FROM_BASHRC=seen\\n' > /root/.bashrc");
    for (name, text) in [
        ("check.py", include_str!("frameworks/check.py")),
        ("standin.py", include_str!("frameworks/standin.py")),
        ("allreduce.py", include_str!("frameworks/allreduce.py")),
        ("train_torch.py", include_str!("frameworks/train_torch.py")),
        ("train_horovod.py", include_str!("frameworks/train_horovod.py")),
        ("sum_deepspeed.py", include_str!("frameworks/sum_deepspeed.py")),
        ("restart_torch.py", include_str!("frameworks/restart_torch.py")),
        ("train_accelerate.py", include_str!("frameworks/train_accelerate.py")),
        ("sum_tensorflow.py", include_str!("frameworks/sum_tensorflow.py")),
        ("sum_jax.py", include_str!("frameworks/sum_jax.py")),
        ("train_chainer.py", include_str!("frameworks/train_chainer.py")),
        ("ray_nodes.py", include_str!("frameworks/ray_nodes.py")),
        ("dask_nodes.py", include_str!("frameworks/dask_nodes.py")),
        ("bin/caffe", CAFFE),
        ("bin/cntk", CNTK),
    ] {
        lab.on_all(&format!("cat > {PLACE}/{name} <<'ostler-end'\n{text}\nostler-end\nchmod +x {PLACE}/{name}"));
    }
    lab
}

/// Stand-ins for the programs of Caffe and CNTK: they check the words before the user's arguments.
const CAFFE: &str = r#"#!/bin/sh
[ "$1 $2" = "train --solver=/opt/check/solver.txt" ] || { echo "caffe was called with $*" >&2; exit 9; }
shift 2
exec python3 /opt/check/check.py "$@""#;
const CNTK: &str = r#"#!/bin/sh
[ "$1" = "configFile=/opt/data/net.cntk" ] || { echo "cntk was called with $*" >&2; exit 9; }
shift
exec python3 /opt/check/check.py "$@""#;

/// Stands for the mpirun of Intel MPI: it checks the words that only that one has, and its variables.
const INTEL: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo "Intel(R) MPI Library for Linux* OS, Version 2021.10 Build 20230619"; exit; }
case "$*" in
"-genvlist I_MPI_FABRICS,I_MPI_DAPL_PROVIDER,I_MPI_DYNAMIC_CONNECTION -wdir / -n 8 -ppn 2 -hosts $AZ_BATCH_HOST_LIST "*) ;;
"-genvlist I_MPI_FABRICS,I_MPI_DAPL_PROVIDER,I_MPI_DYNAMIC_CONNECTION -wdir / -n 5 -machinefile $AZ_BATCHAI_MPI_HOST_FILE.hydra "*) ;;
*) echo "mpirun of Intel was called with $*" >&2; exit 9 ;;
esac
export HYDRA_LAUNCHER="$I_MPI_HYDRA_BOOTSTRAP" HYDRA_LAUNCHER_EXEC="$I_MPI_HYDRA_BOOTSTRAP_EXEC"
exec mpirun.mpich "$@""#;

/// A job with directories and variables that the checking program knows.
pub fn job(nodes: u32, key: &str, settings: Value) -> Value {
    json!({
        "nodeCount": nodes,
        key: settings,
        "environmentVariables": [
            {"name": "WHO", "value": "it's $AZ_BATCHAI_JOB_TEMP"},
            {"name": "GREETING", "value": "hello ${WHO}"},
            {"name": "PATH", "value": "/opt/check/bin:$PATH"},
        ],
        "inputDirectories": [{"id": "DATA", "path": "/opt/data"}],
        "outputDirectories": [{"id": "MODEL", "pathPrefix": "/opt/models", "pathSuffix": "best"}],
    })
}

/// The arguments of the checking program.
fn args(kind: &str, role: &str, nodes: u32, processes: u32) -> String {
    format!("{kind} {role} {nodes} {processes} \"it's\" \"$HOME\" $AZ_BATCHAI_TASK_INDEX")
}

/// Waits for the end of a job, which has to be a good one.
pub fn well(ostler: &Ostler<'_>, name: &str) -> Value {
    let job = ended(ostler, name);
    let said = || {
        logs(ostler, name)
            .into_iter()
            .map(|(node, file)| ostler.run(&["job", "logs", name, "--file", &file, "--node", &node.to_string()]))
    };
    assert_eq!(exit_code(&job), Some(0), "{name}: {job:#}\n{:#?}", said().collect::<Vec<_>>());
    assert_eq!(job["executionState"], "succeeded");
    job
}

/// Waits for the end of a job.
pub fn ended(ostler: &Ostler<'_>, name: &str) -> Value {
    until(&format!("{name} has ended"), LONG, || {
        let job = ostler.job(name);
        matches!(job["executionState"].as_str(), Some("succeeded" | "failed")).then_some(job)
    })
}

/// The log files of a job with the index of their nodes.
pub fn logs(ostler: &Ostler<'_>, name: &str) -> BTreeSet<(u64, String)> {
    let files = ostler.json(&["job", "logs", name, "--list"]);
    let files = files.as_array().unwrap().iter();
    files.map(|file| (file["node"].as_u64().unwrap(), file["name"].as_str().unwrap().to_owned())).collect()
}

/// What a job's process wrote into a log file on a node.
pub fn log(ostler: &Ostler<'_>, name: &str, node: u64, file: &str) -> String {
    ostler.ok(&["job", "logs", name, "--file", file, "--node", &node.to_string()])
}

/// A job, where its logs are to be, and how many processes leave a file in the output directory.
struct Case {
    name: &'static str,
    spec: Value,
    tool: &'static str,
    /// Node and what is between `stdout` and `.txt`.
    logs: Vec<(u64, String)>,
    processes: usize,
}

fn case(name: &'static str, tool: &'static str, spec: Value, logs: &[(u64, &str)], processes: usize) -> Case {
    let logs = logs.iter().map(|(node, suffix)| (*node, (*suffix).to_owned())).collect();
    Case { name, spec, tool, logs, processes }
}

/// Submits all at once, so that they run side by side where there is room, and looks at each one's end.
fn run(lab: &Lab, ostler: &Ostler<'_>, cases: Vec<Case>) {
    for case in &cases {
        ostler.submit_file(case.name, case.spec.clone());
    }
    for case in cases {
        let name = case.name;
        let job = well(ostler, name);
        assert_eq!(job["toolType"], case.tool, "{name}");
        let nodes = case.spec["nodeCount"].as_u64().unwrap();
        let names: Vec<&str> = job["nodes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let mut expected = BTreeSet::new();
        for (node, suffix) in &case.logs {
            expected.insert((*node, format!("stdout{suffix}.txt")));
            expected.insert((*node, format!("stderr{suffix}.txt")));
        }
        for (node, host) in names.iter().enumerate() {
            let log = if nodes > 1 { format!("execution-{host}.log") } else { "execution.log".to_owned() };
            expected.insert((node as u64, log));
        }
        // A launcher's daemon says on its node what it has to say; a job of other kinds has no daemons.
        let found: BTreeSet<_> = logs(ostler, name).into_iter().filter(|(_, file)| !file.contains("-launch-")).collect();
        let missing: Vec<_> = expected.difference(&found).filter(|(_, file)| !file.starts_with("execution")).collect();
        let strange: Vec<_> = found.difference(&expected).collect();
        assert!(missing.is_empty() && strange.is_empty(), "{name}: missing {missing:?}, strange {strange:?}");
        let text: String = case.logs.iter().map(|(node, s)| log(ostler, name, *node, &format!("stdout{s}.txt"))).collect();
        assert_eq!(text.matches(" is in order on ").count(), case.processes, "{name}: {text}");
        assert_eq!(text.lines().count(), case.processes, "{name}: nothing but what the processes say: {text}");
        let files =
            lab.on_all(&format!("find /opt/models -path '*/jobs/{name}/*/outputs/best/{}-*.txt' -type f", case.tool));
        assert_eq!(files.lines().count(), case.processes, "{name}: {files}");
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn frameworks_whose_processes_we_start() {
    let lab = lab(4);
    let ostler = Ostler::with_cluster(&lab, 4);
    let script = "/opt/check/check.py";
    let tf = |nodes: u32, processes: u32| {
        let of = |role| args("tensorflow", role, nodes, processes);
        json!({
            "pythonScriptFilePath": script,
            "masterCommandLineArgs": of("master"),
            "workerCommandLineArgs": of("worker"),
            "parameterServerCommandLineArgs": of("ps"),
        })
    };
    let mut two_servers = tf(3, 5);
    two_servers["parameterServerCount"] = json!(2);
    let torch = |nodes: u32, processes: u32, backend: &str| {
        json!({"pythonScriptFilePath": script, "commandLineArgs": args("pytorch", "rank", nodes, processes),
            "processCount": processes, "communicationBackend": backend})
    };
    let one = |kind: &str| json!({"commandLineArgs": args(kind, "rank", 1, 1)});
    let with = |mut settings: Value, key: &str, value: &str| {
        settings[key] = json!(value);
        settings
    };
    // What the shell of the job pastes together: the script path carries an argument of its own.
    let ridden =
        json!({"pythonScriptFilePath": format!("{script} caffe2"), "commandLineArgs": args("", "rank", 3, 3).trim_start()});
    run(
        &lab,
        &ostler,
        vec![
            case("tf1", "tensorflow", job(1, "tensorFlowSettings", tf(1, 1)), &[(0, "-wk-0")], 1),
            case("caffe2", "caffe2", job(3, "caffe2Settings", ridden), &[(0, "-0"), (1, "-1"), (2, "-2")], 3),
            case(
                "tf3",
                "tensorflow",
                job(3, "tensorFlowSettings", two_servers),
                &[(0, "-wk-0"), (1, "-wk-1"), (2, "-wk-2"), (0, "-ps-0"), (1, "-ps-1")],
                5,
            ),
            case("gloo1", "pytorch", job(1, "pyTorchSettings", torch(1, 2, "gloo")), &[(0, "-0"), (0, "-1")], 2),
            case("gloo2", "pytorch", job(2, "pyTorchSettings", torch(2, 3, "Gloo")), &[(0, "-0"), (0, "-1"), (1, "-2")], 3),
            case("tcp2", "pytorch", job(2, "pyTorchSettings", torch(2, 2, "tcp")), &[(0, "-0"), (1, "-1")], 2),
            case(
                "jax2",
                "jax",
                job(
                    2,
                    "jaxSettings",
                    json!({"pythonScriptFilePath": script, "processesPerNode": 2, "commandLineArgs": args("jax", "rank", 2, 4)}),
                ),
                &[(0, "-0"), (0, "-1"), (1, "-2"), (1, "-3")],
                4,
            ),
            case(
                "caffe",
                "caffe",
                job(1, "caffeSettings", with(one("caffe"), "configFilePath", "/opt/check/solver.txt")),
                &[(0, "")],
                1,
            ),
            case(
                "brain",
                "cntk",
                job(1, "cntkSettings", with(one("cntk"), "configFilePath", "$AZ_BATCHAI_INPUT_DATA/net.cntk")),
                &[(0, "")],
                1,
            ),
            case("cntk", "cntk", job(1, "cntkSettings", with(one("cntk"), "pythonScriptFilePath", script)), &[(0, "")], 1),
            case(
                "custom",
                "custom",
                job(
                    2,
                    "customToolkitSettings",
                    json!({"commandLine": format!("python3 {script} {}", args("custom", "one", 2, 1))}),
                ),
                &[(0, "")],
                1,
            ),
        ],
    );
    assert_eq!(ostler.job("brain")["cntkSettings"]["languageType"], "BrainScript");
    assert_eq!(ostler.job("cntk")["cntkSettings"]["languageType"], "Python");
    assert_eq!(ostler.job("tf3")["tensorFlowSettings"]["workerCount"], 3);
    // The servers of TensorFlow sleep for good; they went with the workers.
    let left = lab.on_all("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null | grep check.py");
    assert!(!left.contains("tensorflow ps"), "{left}");
    assert_eq!(ostler.ok(&["job", "logs", "gloo2", "--rank", "2"]).matches("is in order").count(), 1, "by rank");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn frameworks_under_mpirun() {
    let lab = lab(4);
    let ostler = Ostler::with_cluster(&lab, 4);
    let script = |kind: &str, nodes: u32, processes: u32| json!({"pythonScriptFilePath": "/opt/check/check.py", "commandLineArgs": args(kind, "rank", nodes, processes), "processCount": processes});
    let mut mpi = script("pytorch", 2, 2);
    mpi["communicationBackend"] = json!("mpi");
    let mut caffe = script("caffe", 2, 2);
    caffe["configFilePath"] = json!("/opt/check/solver.txt");
    caffe.as_object_mut().unwrap().remove("pythonScriptFilePath");
    let line = format!("python3 /opt/check/check.py {}", args("mpi", "rank", 4, 8));
    let mut cases = vec![
        case("mpi", "mpi", job(4, "customMpiSettings", json!({"commandLine": line, "processCount": 8})), &[(0, "")], 8),
        case("horovod", "horovod", job(2, "horovodSettings", script("horovod", 2, 5)), &[(0, "")], 5),
        case("chainer", "chainer", job(2, "chainerSettings", script("chainer", 2, 2)), &[(0, "")], 2),
        case("cntk2", "cntk", job(2, "cntkSettings", script("cntk", 2, 2)), &[(0, "")], 2),
        case("caffe2n", "caffe", job(2, "caffeSettings", caffe), &[(0, "")], 2),
        case("torchmpi", "pytorch", job(2, "pyTorchSettings", mpi), &[(0, "")], 2),
    ];
    // The same files run where `mpirun` is another one.
    if lab.on("h1", "command -v mpirun.mpich").trim().is_empty() {
        eprintln!("did not run: MPICH's mpirun (Debian: mpich)");
    } else {
        // Not a link: it looks for its own daemon beside itself.
        lab.on_all("mkdir -p /opt/mpich && printf '#!/bin/sh\nexec mpirun.mpich \"$@\"\n' > /opt/mpich/mpirun && chmod +x /opt/mpich/mpirun");
        let mut spec = job(4, "horovodSettings", script("horovod", 4, 6));
        spec["environmentVariables"][2]["value"] = json!("/opt/mpich:$PATH");
        cases.push(case("mpich", "horovod", spec, &[(0, "")], 6));
        // Intel's is a Hydra with words of its own; it stands in that has MPICH's do what it was told.
        lab.on_all(&format!(
            "mkdir -p /opt/intel && cat >/opt/intel/mpirun <<'end'\n{INTEL}\nend\nchmod +x /opt/intel/mpirun"
        ));
        let line = format!("python3 /opt/check/check.py {}", args("mpi", "rank", 4, 8));
        let even = job(4, "customMpiSettings", json!({"commandLine": line, "processCount": 8}));
        let uneven = job(2, "horovodSettings", script("horovod", 2, 5));
        for (name, tool, mut spec, processes) in [("intel", "mpi", even, 8), ("intel5", "horovod", uneven, 5)] {
            spec["environmentVariables"][2]["value"] = json!("/opt/intel:$PATH");
            cases.push(case(name, tool, spec, &[(0, "")], processes));
        }
    }
    run(&lab, &ostler, cases);
}

/// Makes modules of Python on all hosts that call a function of `standin.py`, and a `ray` that a job asks.
fn stand_in(lab: &Lab) {
    let modules = [
        ("deepspeed/launcher/launch", "deepspeed"),
        ("ray/scripts/scripts", "ray_start"),
        ("distributed/cli/dask_scheduler", "dask_scheduler"),
        ("distributed/cli/dask_worker", "dask_worker"),
    ];
    for (module, function) in modules {
        let line = format!("import sys\nsys.path.insert(0, \"{PLACE}\")\nimport standin\nstandin.{function}()\n");
        lab.on_all(&format!("mkdir -p $(dirname {PLACE}/lib/{module}); printf '{line}' >{PLACE}/lib/{module}.py"));
    }
    let asked = "import os\nimport sys\nsys.path.insert(1, \"/opt/check\")\n\n\ndef is_initialized():\n    return False\n\n\n\
        def init(logging_level):\n    import standin\n    standin.ask(os.environ[\"RAY_ADDRESS\"])\n\n\n\
        def nodes():\n    import standin\n    return [{\"Alive\": True} for _ in standin.ask(os.environ[\"RAY_ADDRESS\"])]\n";
    lab.on_all(&format!("printf '{asked}' >{PLACE}/lib/ray/__init__.py"));
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn frameworks_with_launchers_of_their_own() {
    let lab = lab(2);
    stand_in(&lab);
    let ostler = Ostler::with_cluster(&lab, 2);
    let with = |kind: &str, settings: Value| {
        let mut spec = job(2, kind, settings);
        spec["environmentVariables"].as_array_mut().unwrap().push(json!({"name": "PYTHONPATH", "value": "/opt/check/lib"}));
        spec
    };
    let line = |kind: &str, processes: u32| format!("python3 /opt/check/check.py {}", args(kind, "one", 2, processes));
    let deepspeed = json!({"pythonScriptFilePath": "/opt/check/check.py", "processesPerNode": 2,
        "commandLineArgs": args("deepspeed", "rank", 2, 4)});
    ostler.submit_file("deepspeed", with("deepSpeedSettings", deepspeed));
    let ray = json!({"commandLine": line("ray", 2), "headArgs": "--num-cpus 1", "workerArgs": "--num-cpus 3"});
    ostler.submit_file("ray", with("raySettings", ray));
    ostler.submit_file("dask", with("daskSettings", json!({"commandLine": line("dask", 4), "processesPerNode": 2})));
    well(&ostler, "deepspeed");
    for node in 0..2 {
        let text = log(&ostler, "deepspeed", node, &format!("stdout-{node}.txt"));
        let order = |rank: u64| text.matches(&format!("deepspeed rank {rank} of 4 is in order on ")).count();
        assert_eq!((order(2 * node), order(2 * node + 1), text.lines().count()), (1, 1, 2), "{text}");
    }
    for (name, processes) in [("ray", 2), ("dask", 4)] {
        let job = well(&ostler, name);
        let first = job["nodes"][0].as_str().unwrap();
        let said = log(&ostler, name, 0, "stdout.txt");
        assert_eq!(said, format!("{name} one one of {processes} is in order on {first}\n"));
    }
    let worker = log(&ostler, "ray", 1, "stdout-worker-0.txt");
    assert!(worker.starts_with("ray worker ") && worker.contains(" with 3 on "), "{worker}");
    for node in 0..2 {
        let worker = log(&ostler, "dask", node, &format!("stdout-worker-{node}.txt"));
        assert!(worker.starts_with("dask worker "), "{worker}");
    }
    let left =
        lab.on_all("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null | grep -E '(ray|dask)'");
    assert!(!left.contains("scripts.scripts") && !left.contains("dask_worker"), "what serves goes with the job: {left}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_promise_that_is_not_kept_is_named() {
    let lab = lab(2);
    let ostler = Ostler::with_cluster(&lab, 2);
    let settings = json!({"pythonScriptFilePath": "/opt/check/check.py", "masterCommandLineArgs": args("tensorflow", "master", 2, 3),
        "workerCommandLineArgs": args("tensorflow", "master", 2, 3), "parameterServerCommandLineArgs": args("tensorflow", "ps", 2, 3)});
    let mut spec = job(2, "tensorFlowSettings", settings);
    let more = json!([{"name": "TF_CONFIG", "value": "{}"}, {"name": "GREETING", "value": "hello"}]);
    spec["environmentVariables"] = more;
    ostler.submit_file("wrong", spec);
    let job = ended(&ostler, "wrong");
    assert_eq!((job["executionState"].as_str(), exit_code(&job)), (Some("failed"), Some(9)), "{job:#}");
    let said: String = logs(&ostler, "wrong")
        .into_iter()
        .filter(|(_, file)| file.starts_with("stderr"))
        .map(|(node, file)| log(&ostler, "wrong", node, &file))
        .collect();
    assert!(said.contains("TF_CONFIG is {}") && said.contains("GREETING is 'hello'"), "{said}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn the_shell_of_a_job_reads_bashrc_and_keeps_its_words_to_itself() {
    let lab = lab(1);
    let guarded = "case $- in\n    *i*) ;;\n      *) return;;\nesac\necho a banner\n";
    lab.on("h1", &format!("cat > /root/.bashrc <<'end'\n{guarded}end"));
    let ostler = Ostler::with_cluster(&lab, 1);
    // What a recipe's preparation appends is seen by the job, although the file has the usual guard.
    let spec = |command: &str| {
        json!({
            "nodeCount": 1,
            "jobPreparation": {"commandLine": "echo 'export ADDED=\"by $USER\"' >> ~/.bashrc"},
            "customToolkitSettings": {"commandLine": command},
        })
    };
    ostler.submit_file("added", spec("echo \"$ADDED\""));
    well(&ostler, "added");
    assert_eq!(log(&ostler, "added", 0, "stdout.txt"), "by root\n");
    assert_eq!(log(&ostler, "added", 0, "stderr.txt"), "");
    ostler.submit_file("hi", json!({"nodeCount": 1, "customToolkitSettings": {"commandLine": "echo hi"}}));
    well(&ostler, "hi");
    assert_eq!(log(&ostler, "hi", 0, "stdout.txt").len(), 3, "the command's output and nothing else");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn gpus_are_counted_on_each_node_and_temp_is_emptied() {
    let lab = lab(2);
    let smi = "#!/bin/sh\nfor i in 0 1 2; do echo \"GPU $i: Test (UUID: x)\"; done";
    lab.on("h2", &format!("cat > /usr/local/bin/nvidia-smi <<'end'\n{smi}\nend\nchmod +x /usr/local/bin/nvidia-smi"));
    let ostler = Ostler::with_cluster(&lab, 2);
    let line = "echo $AZ_BATCHAI_NUM_GPUS $AZ_BATCHAI_NUM_GPUS_PER_NODE; ls -A $AZ_BATCHAI_JOB_TEMP_DIR/*/*; touch left";
    ostler.submit_file("first", json!({"nodeCount": 2, "caffe2Settings": {"pythonInterpreterPath": "sh", "pythonScriptFilePath": "-c", "commandLineArgs": format!("'{line}'")}}));
    let job = well(&ostler, "first");
    let mut said: Vec<String> = Vec::new();
    for (node, host) in job["nodes"].as_array().unwrap().iter().enumerate() {
        let text = log(&ostler, "first", node as u64, &format!("stdout-{node}.txt"));
        said.push(format!("{} {}", host.as_str().unwrap(), text.lines().next().unwrap()));
    }
    said.sort();
    assert_eq!(said, ["h1 0 0", "h2 3 3"]);
    assert_eq!(lab.on_all("ls /root/.local/state/ostler-node/*/*/temp/lab/first/first/left").lines().count(), 2);
    ostler.submit_file("second", json!({"nodeCount": 2, "caffe2Settings": {"pythonInterpreterPath": "sh", "pythonScriptFilePath": "-c", "commandLineArgs": "'ls -A $AZ_BATCHAI_JOB_TEMP_DIR/lab/first'"}}));
    well(&ostler, "second");
    for node in 0..2 {
        assert_eq!(log(&ostler, "second", node, &format!("stdout-{node}.txt")), "second\n", "node {node}");
    }
}
