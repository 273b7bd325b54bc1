//! One job from its file to its exit code.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_custom_job_end_to_end_with_its_true_exit_code() {
    let lab = Lab::up(2);
    // A login shell that talks must not disturb anything.
    lab.on("h2", "echo 'echo noise; echo more noise >&2' >> /root/.bashrc");
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.await_ready(2);
    for (name, line, code, state) in [
        ("well", "echo hi", 0, "succeeded"),
        ("three", "exit 3", 3, "failed"),
        ("killed", "kill -9 $$", 137, "failed"),
        ("missing", "no-such-command-anywhere", 127, "failed"),
    ] {
        let ran = ostler.run(&["job", "create", "-c", "c", "--name", name, "--wait", "--", "sh", "-c", line]);
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        let job = ostler.job(name);
        assert_eq!(job["executionState"], state, "{job:#}");
        assert_eq!(exit_code(&job), Some(i64::from(code)), "{job:#}");
        assert_eq!(job["attempt"], 1);
    }
    assert_eq!(ostler.ok(&["job", "logs", "well"]), "hi\n", "nothing but the job's own output");
    let names: Vec<String> = ostler.jobs().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["well", "three", "killed", "missing"]);
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn preparation_variables_and_directories_are_on_every_node() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.submit_file(
        "files",
        json!({
            "nodeCount": 2,
            "jobPreparation": {"commandLine": "echo prepared on $(uname -n) > $AZ_BATCHAI_JOB_TEMP/prep; cat $AZ_BATCHAI_JOB_TEMP/prep"},
            "customToolkitSettings": {"commandLine": "cat prep; echo \"$GREETING\"; cat $AZ_BATCHAI_MPI_HOST_FILE; echo x > $AZ_BATCHAI_OUTPUT_M/model; ls $AZ_BATCHAI_OUTPUT_M"},
            "environmentVariables": [{"name": "WHO", "value": "it's $USER"}, {"name": "GREETING", "value": "hello ${WHO}"}],
            "outputDirectories": [{"id": "M", "pathPrefix": "/root/models", "pathSuffix": "best"}],
        }),
    );
    let job = ostler.await_end("files");
    assert_eq!(job["executionState"], "succeeded", "{job:#}\n{:?}", ostler.run(&["job", "logs", "files", "--err"]));
    let first = job["nodes"][0].as_str().unwrap().to_owned();
    let hosts = format!("{} slots=1\n{} slots=1\n", lab.address(1), lab.address(2));
    let expected = format!("prepared on {first}\nhello it's root\n{hosts}model\n");
    assert_eq!(ostler.ok(&["job", "logs", "files"]), expected);
    let logs = lab.on_all("cd /root/.local/state/ostler-node/*/*/logs && find . -name '*.txt' | sed 's,.*/,,'");
    for name in ["stdout-job_prep-h1.txt", "stdout-job_prep-h2.txt", "stdout.txt", "stderr.txt"] {
        assert!(logs.lines().any(|line| line == name), "{name} in {logs}");
    }
    ostler.submit_file(
        "bad-prep",
        json!({
            "nodeCount": 2,
            "jobPreparation": {"commandLine": "[ $(uname -n) = h1 ] || exit 9"},
            "customToolkitSettings": {"commandLine": "echo never"},
        }),
    );
    let job = ostler.await_end("bad-prep");
    assert_eq!((job["executionState"].as_str(), exit_code(&job)), (Some("failed"), Some(9)), "{job:#}");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn another_user_than_root_works_as_well() {
    let lab = Lab::up(1);
    let ostler = Ostler::new(&lab);
    ostler.ok(&["cluster", "create", "c", "--hosts", "ci@h1", "--target", "1"]);
    let ran = ostler.run(&["job", "create", "-c", "c", "--name", "who", "--wait", "--", "id", "-un"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ostler.ok(&["job", "logs", "who"]), "ci\n");
    assert_eq!(lab.on("h1", "stat -c %U /home/ci/.local/state/ostler-node").trim(), "ci");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn terminate_and_time_limit_end_every_process() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.await_ready(2);
    // Children that leave the session, ignore TERM, and have no parent.
    let tree = "trap '' TERM; sleep 98765 & (setsid setsid sh -c 'trap \"\" TERM HUP; sleep 98765; sleep 98765' &) ; \
                nohup sleep 98765 >/dev/null 2>&1 & echo up; sleep 98765; sleep 98765";
    let sleepers = || lab.on_all("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '").matches("sleep 98765").count();
    ostler.submit("stubborn", tree);
    until("its processes are up", SOON, || (sleepers() >= 4).then_some(()));
    ostler.ok(&["job", "terminate", "stubborn", "-y"]);
    let job = ostler.await_end("stubborn");
    assert_eq!(job["executionState"], "failed", "{job:#}");
    assert_eq!(job["executionInfo"]["errors"][0]["code"], "JobTerminated", "{job:#}");
    assert_eq!(sleepers(), 0, "nothing is left once the job has ended");

    let start = Instant::now();
    let ran = ostler.run(&["job", "create", "-c", "c", "--name", "slow", "--time", "2s", "--wait", "--", "sh", "-c", tree]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(start.elapsed() > Duration::from_secs(2));
    let job = ostler.job("slow");
    assert_eq!(job["executionInfo"]["errors"][0]["code"], "WallClockTimeExceeded", "{job:#}");
    assert_eq!(sleepers(), 0);
    ostler.await_ready(2);
}
