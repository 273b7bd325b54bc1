//! Nodes with GPUs, by a tool that stands in for `nvidia-smi` and answers as the real one does: what it says is on the node's
//! real agent, in real samples and in what jobs are given.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::User;

/// How long something may take that samples have to show first: they are taken twice a minute.
const SOON: Duration = Duration::from_secs(90);
/// The same where something has to do nothing for two minutes before it is told, and for two more before it is minded.
const LATE: Duration = Duration::from_secs(360);

/// What the tool of a machine with two cards says; `$0` is in a folder with the files that it looks at.
const TOOL: &str = r#"#!/bin/sh
at=${0%/*}
case $* in
-L)
    echo 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aa)'
    echo 'GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bb)' ;;
*--query-gpu=*)
    echo '0, 0, 1, 81559, 69.52, GPU-aa, NVIDIA H100 80GB HBM3'
    echo '1, 0, 1, 81559, [N/A], GPU-bb, NVIDIA H100 80GB HBM3' ;;
*--query-compute-apps=*)
    [ -e "$at/stranger" ] && echo "$(cat "$at/stranger"), GPU-aa, /usr/bin/python3" ;;
esac
exit 0
"#;

/// What the other maker's tool says of a machine with two cards.
const ROCM: &str = r#"#!/bin/sh
case $* in
*--showuse*)
    echo '{"card0": {"GPU use (%)": "37", "VRAM Total Memory (B)": "206141652992", "VRAM Total Used Memory (B)": "1073741824", "Current Socket Graphics Package Power (W)": "142.0", "Card Series": "AMD Instinct MI300X"}, "card1": {"GPU use (%)": "0", "VRAM Total Memory (B)": "206141652992", "VRAM Total Used Memory (B)": "0", "Average Graphics Package Power (W)": "90.0", "Card Series": "AMD Instinct MI300X"}, "system": {"Driver version": "6.8.5"}}' ;;
*--showproductname*)
    echo '{"card0": {"Card Series": "AMD Instinct MI300X", "Card Vendor": "AMD"}, "card1": {"Card Series": "AMD Instinct MI300X", "Card Vendor": "AMD"}, "system": {"Driver version": "6.8.5"}}' ;;
esac
"#;

/// A user on whose machine `nvidia-smi` is this script.
fn with_tool(script: &str) -> User {
    with("nvidia-smi", script)
}

/// A user on whose machine this tool is this script.
fn with(tool: &str, script: &str) -> User {
    let user = User::new();
    let folder = user.home().join("bin");
    std::fs::create_dir(&folder).unwrap();
    executable(&user, &format!("bin/{tool}"), script);
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let user = user.with("PATH", &path);
    done(&user, "workspace create lab");
    done(&user, "experiment create first");
    user
}

fn executable(user: &User, path: &str, script: &str) {
    let file = user.file(path, script);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn done(user: &User, line: &str) -> String {
    let ran = user.run(line);
    assert_eq!(ran.code, 0, "{}", ran.shown());
    ran.stdout
}

fn json_of(user: &User, line: &str) -> Value {
    serde_json::from_str(&done(user, &format!("{line} -o json"))).unwrap()
}

fn node(user: &User) -> Value {
    json_of(user, "cluster node list -c gpu")[0].clone()
}

fn until(what: &str, patience: Duration, mut look: impl FnMut() -> bool) {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn end(user: &User) {
    user.run("job terminate --all -y");
    user.run("serve --stop");
}

#[test]
fn gpus_have_names_and_those_of_strangers_are_given_to_nobody() {
    let user = with_tool(TOOL);
    // This process is on the first card, and no job of the cluster.
    user.file("bin/stranger", std::process::id().to_string());
    done(&user, "cluster create gpu --provider local --target 1");
    until("the stranger is seen", SOON, || node(&user)["strangersOnGpus"] != json!({}));
    let there = node(&user);
    assert_eq!(there["gpuCount"], 2.0, "{there:#}");
    assert_eq!(there["gpuNames"], json!(["NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3"]), "{there:#}");
    let who = format!("python3 (pid {})", std::process::id());
    assert_eq!(there["strangersOnGpus"], json!({"0": who}), "{there:#}");
    let listed = done(&user, "cluster node list -c gpu");
    assert!(listed.contains(&format!("GPU 0 is used by {who}, which is no job of this cluster")), "{listed}");
    // A plan says which GPU it would be, the job gets that one, and who wants both waits for the stranger.
    let plan = done(&user, "job plan -c gpu --gpus 1 -- true");
    assert!(plan.contains("(1 GPU: GPU 1)"), "{plan}");
    done(&user, "job create -c gpu -n one --gpus 1 -- 'echo gpu $CUDA_VISIBLE_DEVICES'");
    done(&user, "job wait one");
    assert_eq!(done(&user, "job logs one"), "gpu 1\n");
    done(&user, "job create -c gpu -n both --gpus 2 -- 'echo gpus $CUDA_VISIBLE_DEVICES'");
    assert_eq!(json_of(&user, "job show both")["executionState"], "queued");
    std::fs::remove_file(user.home().join("bin/stranger")).unwrap();
    until("the card is free again", SOON, || json_of(&user, "job show both")["executionState"] == "succeeded");
    assert_eq!(done(&user, "job logs both"), "gpus 0,1\n");
    assert_eq!(node(&user)["strangersOnGpus"], json!({}));
    end(&user);
}

#[test]
fn gpus_of_the_other_maker_are_found_given_and_measured() {
    let user = with("rocm-smi", ROCM);
    done(&user, "cluster create gpu --provider local --target 1");
    until("the node is up", SOON, || node(&user)["state"] == "idle");
    let there = node(&user);
    assert_eq!(there["gpuCount"], 2.0, "{there:#}");
    assert_eq!(there["gpuNames"], json!(["AMD Instinct MI300X", "AMD Instinct MI300X"]), "{there:#}");
    done(&user, "job create -c gpu -n one --gpus 1 -- 'echo gpu $ROCR_VISIBLE_DEVICES of $AZ_BATCHAI_NUM_GPUS_PER_NODE'");
    done(&user, "job wait one");
    assert_eq!(done(&user, "job logs one"), "gpu 0 of 1\n");
    let mut samples = Vec::new();
    until("it is measured", SOON, || {
        let ran = user.run("cluster node history -c gpu -o json");
        samples = serde_json::from_str::<Vec<Value>>(&ran.stdout).unwrap_or_default();
        !samples.is_empty()
    });
    let cards = &samples[samples.len() - 1]["gpus"];
    assert_eq!((&cards[0]["busyMilli"], &cards[0]["powerMilliwatt"]), (&json!(370), &json!(142_000)), "{cards:#}");
    assert_eq!((&cards[1]["busyMilli"], &cards[1]["powerMilliwatt"]), (&json!(0), &json!(90_000)), "{cards:#}");
    end(&user);
}

#[test]
fn a_tool_that_hangs_or_fails_keeps_no_node_from_coming_up() {
    for (name, script) in [
        ("hangs", "#!/bin/sh\nexec sleep 3600\n"),
        (
            "fails",
            "#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'\nexit 9\n",
        ),
    ] {
        let user = with_tool(script);
        done(&user, "cluster create gpu --provider local --target 1");
        until("the node is up", SOON, || node(&user)["state"] == "idle");
        assert_eq!((&node(&user)["gpuCount"], &node(&user)["gpuNames"]), (&json!(0.0), &json!([])), "{name}");
        until("it is measured all the same", SOON, || {
            let ran = user.run("cluster node history -c gpu -o json");
            serde_json::from_str::<Vec<Value>>(&ran.stdout).is_ok_and(|samples| !samples.is_empty())
        });
        done(&user, "job create -c gpu -n plain -- true");
        done(&user, "job wait plain");
        end(&user);
    }
}

#[test]
fn a_job_that_holds_gpus_and_uses_none_is_reported_or_ends() {
    let user = with_tool(TOOL);
    // Whoever runs the tests may be at a terminal of this machine.
    executable(&user, "bin/find", "#!/bin/sh\ncase $1 in /dev/pts) exit ;; esac\nexec /usr/bin/find \"$@\"\n");
    done(&user, "cluster create gpu --provider local --target 1");
    for (line, words) in [
        ("cluster auto-scale gpu --min 1 --max 1 --gpu-idle 1m", "is minded after 2m00s at least"),
        ("cluster auto-scale gpu --min 1 --max 1 --gpu-idle-then stop", "--gpu-idle"),
        ("cluster auto-scale gpu --min 1 --max 1 --gpu-idle 2m --gpu-idle-then wait", "say"),
    ] {
        let ran = user.run(line);
        assert!(ran.code != 0 && ran.stderr.contains(words), "{}", ran.shown());
    }
    done(&user, "cluster auto-scale gpu --min 1 --max 1 --gpu-idle 2m");
    let shown = json_of(&user, "cluster show gpu");
    assert_eq!(shown["scaleSettings"]["autoScale"]["gpuIdle"], json!({"after": "PT2M", "then": "say"}), "{shown:#}");
    assert!(done(&user, "cluster show gpu").contains("a job that has not used its GPUs for 2m00s is reported"));
    done(&user, "job create -c gpu -n still --gpus 2 -- 'sleep 3600'");
    until("it is reported", LATE, || !node(&user)["gpusNotUsedSince"].is_null());
    let listed = done(&user, "cluster node list -c gpu");
    assert!(listed.contains("its job has not used its GPUs for "), "{listed}");
    assert_eq!(json_of(&user, "job show still")["executionState"], "running", "it is said, and no more");
    let idle = node(&user)["idle"].clone();
    assert!(idle["noJobSince"].is_null() && !idle["noGpuUseSince"].is_null(), "three ways of being idle: {idle:#}");
    // Another number of nodes leaves the rule as it is; 0s ends it.
    done(&user, "cluster auto-scale gpu --min 1 --max 2");
    assert!(done(&user, "cluster show gpu").contains("is reported"));
    done(&user, "cluster auto-scale gpu --min 1 --max 1 --gpu-idle 0s");
    assert!(!done(&user, "cluster show gpu").contains("is reported"));
    assert!(node(&user)["gpusNotUsedSince"].is_null());
    // Where the rule says so the job ends, once nobody has used a terminal of the node for a while.
    done(&user, "cluster auto-scale gpu --min 1 --max 1 --gpu-idle 2m --gpu-idle-then stop");
    until("it ends", LATE, || json_of(&user, "job show still")["executionState"] == "failed");
    let shown = json_of(&user, "job show still");
    let why = "Job was terminated because it had not used its GPUs for ";
    assert!(shown["executionInfo"]["errors"].to_string().contains(why), "{shown:#}");
    end(&user);
}
