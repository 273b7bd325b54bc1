//! What befalls the machine of the core: it sleeps, or it has few descriptors.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{Lab, json};
use crate::rig::User;

/// A core with fewer descriptors than its nodes take.
#[test]
fn too_few_descriptors_are_said_at_each_node_that_has_none_and_the_rest_works() {
    let user = User::new();
    let its_own = user.command(&[]);
    let mut core = Command::new("/bin/sh");
    core.args(["-c", "ulimit -n 40 && exec \"$0\" serve", env!("CARGO_BIN_EXE_ostler")])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    core.env_clear().envs(its_own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut core = core.spawn().expect("it starts");
    while user.run("serve --status").code != 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let lab = Lab::without_nodes(user);
    lab.ok("cluster create pool --provider local --target 12");
    let counts = |ran: &crate::rig::Ran| json(ran)["nodeStateCounts"].clone();
    let settled = |ran: &crate::rig::Ran| {
        let (idle, unusable) = (&counts(ran)["idleNodeCount"], &counts(ran)["unusableNodeCount"]);
        idle.as_u64().unwrap_or(0) + unusable.as_u64().unwrap_or(0) == 12
    };
    let ran = lab.until("cluster show pool -o json", settled);
    assert!(counts(&ran)["idleNodeCount"].as_u64() > Some(0), "{}", ran.shown());
    let shown = lab.ok("cluster show pool");
    assert!(shown.contains("unusable") && shown.contains("Too many open files"), "{shown}");
    assert_eq!(lab.ok("job create -q -n one --wait -- true").trim(), "");
    lab.ok("cluster delete pool --force -y");
    lab.ok("serve --stop");
    core.wait().expect("it ends");
}

/// Has the core stand still for a time.
fn sleeps(lab: &Lab, span: Duration) {
    let pid = json(&lab.run("serve --status -o json"))["pid"].as_i64().expect("the core's process");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::STOP).expect("it is ours");
    std::thread::sleep(span);
    kill_process(pid, Signal::CONT).expect("it is ours");
}

/// As a laptop does when it is closed: what is due by then is decided after its nodes were looked at.
#[test]
fn a_core_that_slept_looks_at_its_nodes_before_it_decides() {
    let lab = Lab::configured("unreachable_after = \"2s\"\ngang_lost_after = \"2s\"\n");
    let (go, home) = (lab.home().join("go"), lab.home().display().to_string());
    lab.ok(&format!(
        "job create -q -n gang --nodes 2 -- 'until [ -e {home}/go ]; do sleep 0.1; done; echo ran >>{home}/ran'"
    ));
    lab.until("job show gang -o json", |ran| json(ran)["executionState"] == "running");
    sleeps(&lab, Duration::from_secs(6));
    // What it decides it decides in the first seconds.
    for _ in 0..10 {
        let job = json(&lab.run("job show gang -o json"));
        assert_eq!(job["executionState"], "running", "{job}");
        let cluster = json(&lab.run("cluster show -o json"));
        assert_eq!(cluster["nodeStateCounts"]["unusableNodeCount"], 0, "{cluster}");
        std::thread::sleep(Duration::from_millis(300));
    }
    std::fs::write(go, "").expect("a file in the home");
    let ran = lab.run("job wait gang");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    assert_eq!(std::fs::read_to_string(lab.home().join("ran")).unwrap_or_default(), "ran\n");
}
