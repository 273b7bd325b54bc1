//! The queue as people see it: what comes after what, arrays, times, caps, reasons; and real jobs that share a node.

use crate::lab::{Lab, json};
use crate::rig::User;

#[test]
fn every_wait_says_why() {
    let user = User::new();
    user.lab();
    for line in [
        "job create -n a -- true",
        "job create -n b --after-ok a -- true",
        "job create -n c --after-any a,b -- true",
        "job create -n d --after job-1 -- true",
        "job create -n later --begin 2h -- true",
        "job create -n part --gpus 0.5 --cpus 2 --resource licence=1 -- true",
    ] {
        let ran = user.run(line);
        assert_eq!(ran.code, 0, "{}", ran.shown());
    }
    let reason = |job: &str| json(&user.run(&format!("job why {job} -o json")))["reason"].as_str().unwrap().to_owned();
    assert_eq!(reason("b"), "waits until a succeeds");
    assert_eq!(reason("c"), "waits until a ends, and for 1 more");
    assert_eq!(reason("d"), "waits until a starts");
    assert!(reason("later").starts_with("begins at 2"), "{}", reason("later"));
    assert_eq!(reason("part"), "needs 1 node with 0.5 GPUs and 2 CPUs and 1 licence; cluster gpu has no room for it now");
    let shown = json(&user.run("job show b -o json"));
    assert_eq!(shown["dependencies"][0]["name"], "a");
    assert_eq!(shown["afterOk"], serde_json::json!(["a"]));
    assert!(shown["estimatedStartTime"].is_null());
    for (line, code, words) in [
        ("job create --after-ok nobody -- true", 1, "afterOk: no job `nobody` in experiment `first`"),
        ("job create --array 5-1 -- true", 2, "`5-1` goes down"),
        ("job create --begin soon -- true", 2, "--begin: `soon` is neither a time"),
        ("job create --retry-delay 5s -- true", 2, "--attempts"),
        ("experiment limit first --running 0", 1, "0 jobs may run at once"),
    ] {
        let ran = user.run(line);
        assert!(ran.code == code && ran.stderr.contains(words), "{}", ran.shown());
    }
    // What was to come after it goes with it.
    assert_eq!(user.run("job terminate a -y").code, 0);
    let b = json(&user.run("job show b -o json"));
    assert_eq!(
        (&b["executionState"], &b["executionInfo"]["errors"][0]["code"]),
        (&"failed".into(), &"DependencyFailed".into())
    );
    let again = user.run("job retry b");
    assert!(again.code == 1 && again.stderr.contains("job `a` has failed already"), "{}", again.shown());
    assert_eq!(user.run("job retry a").code + user.run("job retry b").code, 0);
    assert_eq!(reason("b"), "waits until a succeeds");
}

#[test]
fn an_array_is_listed_like_jobs_and_repeated_with_its_token() {
    let user = User::new();
    user.lab();
    let said = user.run("job create -n s --array 0-8:4%2 --token t1 -- true");
    assert!(said.stderr.contains("3 jobs s-… (the first is job-1)"), "{}", said.shown());
    assert_eq!(user.run("job create -n s --array 0-8:4%2 --token t1 -- true").code, 0);
    let list = json(&user.run("job list -o json"));
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["s-0", "s-4", "s-8"]);
    let shown = json(&user.run("job show s-4 -o json"));
    assert_eq!((&shown["arrayIndex"], &shown["arrayOf"]), (&4.into(), &"job-1".into()));
    assert!(shown.get("array").is_none(), "a member is one job: {shown}");
    let taken = user.run("job create -n s --array 4-5 -- true");
    assert!(taken.code == 1 && taken.stderr.contains("job `s-4` already exists"), "{}", taken.shown());
    assert_eq!(user.run("experiment limit --running 2").code, 0);
    assert_eq!(json(&user.run("experiment show first -o json"))["runningMax"], 2);
}

#[test]
fn jobs_that_share_a_node_run_at_once_and_leave_each_other_alone() {
    let lab = Lab::new();
    let go = lab.home().join("go").display().to_string();
    lab.ok("cluster create one --provider local --target 1");
    let first = format!("echo mine >kept; while [ ! -e {go} ]; do sleep 0.1; done; cat kept");
    lab.ok(&format!("job create -c one -n first --cpus 0.1 -- '{first}'"));
    // Ends only when the first runs beside it.
    let second = format!("[ \"$CUDA_VISIBLE_DEVICES\" = \"\" ] && echo here >{go}");
    lab.ok(&format!("job create -c one -n second --cpus 0.1 --wait -- '{second}'"));
    lab.ok("job wait first");
    assert_eq!(lab.ok("job logs first"), "mine\n");
    let nodes = |job: &str| json(&lab.run(&format!("job show {job} -o json")))["nodes"].clone();
    assert_eq!(nodes("first"), nodes("second"));
}

#[test]
fn an_array_runs_each_index_and_a_failure_is_tried_again() {
    let lab = Lab::new();
    lab.ok("job create -c pool -n s --array 3,5 -- 'echo index $OSTLER_ARRAY_INDEX of $OSTLER_ARRAY_COUNT'");
    for index in ["3", "5"] {
        lab.ok(&format!("job wait s-{index}"));
        assert_eq!(lab.ok(&format!("job logs s-{index}")), format!("index {index} of 2\n"));
    }
    let tries = lab.home().join("tries").display().to_string();
    let command = format!("echo x >>{tries}; [ $(wc -l <{tries}) -ge 3 ] || exit 75");
    lab.ok(&format!("job create -c pool -n again --attempts 4 --retry-codes 75 --wait -- '{command}'"));
    assert_eq!(json(&lab.run("job show again -o json"))["attempt"], 3);
}

#[test]
fn a_higher_priority_goes_first_and_takes_a_node_where_that_is_allowed() {
    let lab = Lab::new();
    let home = lab.home().display().to_string();
    let order = || std::fs::read_to_string(lab.home().join("order")).unwrap_or_default();
    let state = |job: &str| json(&lab.run(&format!("job show {job} -o json")))["executionState"].clone();
    lab.ok("cluster create one --provider local --target 1");
    // One that holds the node while three come behind it, the last of them first.
    lab.ok(&format!("job create -c one -n holds -- 'while [ ! -e {home}/go ]; do sleep 0.1; done'"));
    lab.until("job show holds -o json", |ran| json(ran)["executionState"] == "running");
    for priority in ["low", "normal", "high"] {
        lab.ok(&format!("job create -c one -n {priority} --priority {priority} -- 'echo {priority} >>{home}/order'"));
    }
    assert_eq!(state("high"), "queued");
    std::fs::write(lab.home().join("go"), "").unwrap();
    lab.ok("job wait low");
    assert_eq!(order(), "high\nnormal\nlow\n");

    // Where its file allows it, the one that came first is put back, and runs again after the other.
    let pool =
        r#"{"name": "taken", "provider": "local", "preemption": true, "scaleSettings": {"manual": {"targetNodeCount": 1}}}"#;
    lab.file("pool.json", pool);
    lab.ok("cluster create -f pool.json");
    let command = format!("echo first >>{home}/taken; while [ ! -e {home}/gone ]; do sleep 0.1; done");
    lab.ok(&format!("job create -c taken -n first --priority low -- '{command}'"));
    lab.until("job show first -o json", |ran| json(ran)["executionState"] == "running");
    lab.ok(&format!(
        "job create -c taken -n urgent --priority high --wait -- 'echo urgent >>{home}/taken; touch {home}/gone'"
    ));
    lab.ok("job wait first");
    let taken = std::fs::read_to_string(lab.home().join("taken")).unwrap();
    assert_eq!(taken, "first\nurgent\nfirst\n");
    assert_eq!(json(&lab.run("job show first -o json"))["attempt"], 2);
}

#[test]
fn what_is_done_to_many_jobs_is_said_of_each() {
    let user = User::new();
    user.lab();
    assert_eq!(user.run("job create -n a --array 0-599 -- true").code, 0);
    let count = |state: &str| json(&user.run(&format!("job list --state {state} -o json"))).as_array().unwrap().len();
    assert!((0..100).any(|_| count("queued") == 600), "the members have not come up");
    let held = user.run("job hold a-*");
    assert_eq!(held.code, 0, "{}", held.shown());
    let accepted: Vec<&str> = held.stderr.lines().filter_map(|line| line.strip_suffix(": hold: accepted")).collect();
    let all: Vec<String> = (0..600).map(|n| format!("a-{n}")).collect();
    assert_eq!(accepted, all);
    assert_eq!(user.run("job terminate a-* -y").code, 0);
    assert_eq!((count("queued"), count("failed")), (0, 600));
}
