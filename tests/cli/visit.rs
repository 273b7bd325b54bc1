//! Whole visits with real jobs on nodes that are this machine.

use crate::lab::{Lab, json};
use crate::rig::User;

/// Replaces what differs from run to run.
fn settled(text: &str) -> String {
    let filters = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r"(after|took) +(\d+ms|\d+s|\dm\d\ds)", "$1 SPAN"),
        // Whether a short job is seen on its way is chance.
        (r"(?m)^! \S+: (queued|running) since TIME.*\n", ""),
    ];
    filters.iter().fold(text.to_owned(), |text, (pattern, with)| {
        regex::Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned()
    })
}

#[test]
fn waiting_for_a_job_gives_its_own_code() {
    let lab = Lab::new();
    for (line, code, outcome) in [
        ("job create --wait -o json -- true", 0, "exited"),
        ("job create --wait -o json -- 'exit 3'", 3, "exited"),
        ("job create --wait -o json -- 'kill -9 $$'", 137, "exited"),
        ("job create --wait -o json -- no-such-program", 127, "exited"),
        ("job create --wait -o json --time 1s -- sleep 60", 1, "timeLimit"),
        ("job create --wait -o json --timeout 1s -n slow -- sleep 60", 124, "timeout"),
    ] {
        let ran = lab.run(line);
        assert_eq!((ran.code, json(&ran)["waitOutcome"].as_str()), (code, Some(outcome)), "{}", ran.shown());
    }
    assert_eq!(lab.run("job terminate slow").code, 0);
    let ran = lab.run("job wait slow -o json");
    assert_eq!((ran.code, json(&ran)["waitOutcome"].as_str()), (1, Some("terminated")), "{}", ran.shown());
    assert!(ran.stderr.contains("slow: terminated"), "{}", ran.shown());
    // Of several: 0 all, 4 some, 1 none.
    for (jobs, code) in [("run-001", 0), ("run-001 run-002", 4), ("run-002,run-003", 1), ("'run-00[12]'", 4)] {
        let ran = lab.run(&format!("job wait {jobs}"));
        assert_eq!(ran.code, code, "{}", ran.shown());
    }
}

#[test]
fn logs_as_they_are_and_as_they_come() {
    let lab = Lab::new();
    let ran = lab
        .run("job create -q --follow -n talk -- 'for i in 1 2 3; do echo line $i; sleep 0.1; done; echo oops >&2; exit 7'");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), ("line 1\nline 2\nline 3\n", "", 7));
    for (line, stdout) in [
        ("job logs talk", "line 1\nline 2\nline 3\n"),
        ("job logs talk -n 2", "line 2\nline 3\n"),
        ("job logs talk -n 0", ""),
        ("job logs talk -n 99", "line 1\nline 2\nline 3\n"),
        ("job logs talk --err", "oops\n"),
        ("job logs talk --rank 0", "line 1\nline 2\nline 3\n"),
        ("job logs last --file stdout.txt", "line 1\nline 2\nline 3\n"),
    ] {
        let ran = lab.run(line);
        assert_eq!((ran.stdout.as_str(), ran.code), (stdout, 0), "{}", ran.shown());
    }
    assert_eq!(lab.run("job logs -q -f talk").code, 7);
    assert_eq!(lab.run("job logs talk --rank 1").code, 1);
    let names = lab.run("job logs talk --list -o name");
    assert_eq!(names.stdout, "execution.log\nstderr.txt\nstdout.txt\n");
    // A log of many windows is whole, and piped bytes are as they were written.
    let ran = lab.run("job create -q --wait -n long -- 'i=0; while [ $i -lt 20000 ]; do echo \"$i ................................................\"; i=$((i+1)); done; printf \"\\033[2Jend\"'");
    assert_eq!(ran.code, 0, "{}", ran.shown());
    let log = lab.run("job logs long").stdout;
    assert_eq!(log.lines().count(), 20_001);
    assert!(log.ends_with("\u{1b}[2Jend") && log.starts_with("0 ..."));
    assert_eq!(
        lab.run("job logs long -n 10002").stdout.lines().next().map(|l| l.split(' ').next().unwrap_or("").to_owned()),
        Some("9999".to_owned())
    );
}

#[test]
fn the_words_of_a_visit() {
    let lab = Lab::new();
    let mut text = String::new();
    for line in [
        "workspace list",
        "workspace create lab",
        "workspace update --tag team=vision",
        "workspace show",
        "experiment create 'a b'",
        "cluster create pool --provider local --target 1",
        "job create --wait -n good --env A=b -- 'test $A = b'",
        "job create --wait -n bad -- 'exit 3'",
        "job create -n good -- true",
        "job list",
        "job list --state failed -o name",
        "job list 'g*' -o name",
        "job list --newest -n 1 -o name",
        "job show bad",
        "job show nope",
        "job terminate good",
        "job hold good",
        "job delete good",
        "job delete good -y",
        "--readonly job terminate bad",
        "--dry-run experiment delete first",
        "--dry-run job create --nodes 2 --mpi -- hostname",
        "--dry-run job create -o yaml -n x -w lab --time 90m -- echo a 'b c'",
        "experiment list",
        "cluster scale pool 1",
        "cluster scale x 1",
        "cluster node drain local-1",
        "cluster node exec local-1 -- 'echo out; echo err >&2; exit 5'",
        "serve",
        "--embedded job list",
    ] {
        text.push_str(&lab.run(line).shown());
        text.push('\n');
    }
    let text =
        regex::Regex::new(r"ostler pid \d+").expect("a pattern").replace_all(&settled(&text), "ostler pid PID").into_owned();
    insta::assert_snapshot!("visit", text);
}

#[test]
fn objects_have_the_fields_that_scripts_rely_on() {
    let lab = Lab::new();
    lab.run("job create --wait -n one -- true");
    let cluster = json(&lab.run("cluster show -o json"));
    for field in
        "name allocationState currentNodeCount targetNodeCount scaleSettings nodeStateCounts errors nodes".split(' ')
    {
        assert!(cluster.get(field).is_some(), "{field} is missing in {cluster}");
    }
    for field in "idleNodeCount runningNodeCount preparingNodeCount unusableNodeCount leavingNodeCount".split(' ') {
        assert!(cluster["nodeStateCounts"].get(field).is_some(), "{field} is missing in {cluster}");
    }
    for field in "name address state reason".split(' ') {
        assert!(cluster["nodes"][0].get(field).is_some(), "{field} is missing in {cluster}");
    }
    let status = json(&lab.run("serve --status -o json"));
    for field in "pid epoch socket startedAt undone".split(' ') {
        assert!(status.get(field).is_some(), "{field} is missing in {status}");
    }
    let jobs = json(&lab.run("job list -o json"));
    let job = &jobs[0];
    let keys: Vec<&String> = job.as_object().map(|map| map.keys().collect()).unwrap_or_default();
    insta::assert_debug_snapshot!("job-fields", keys);
    // What is printed can be submitted again.
    lab.0.file("again.json", job.to_string());
    let ran = lab.run("job create -f again.json -n two --wait -o json");
    assert_eq!((ran.code, json(&ran)["name"].as_str()), (0, Some("two")), "{}", ran.shown());
    // One object a line.
    let lines = lab.run("job list -o jsonl").stdout;
    assert_eq!(lines.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count(), 2);
}

#[test]
fn an_interrupted_wait_leaves_the_job_running() {
    let lab = Lab::new();
    lab.run("job create -n slow -- sleep 60");
    lab.until("job show slow -o json", |ran| json(ran)["executionState"] == "running");
    let mut child = lab.0.command(&["job", "wait", "slow"]).stderr(std::process::Stdio::piped()).spawn().expect("it starts");
    // It says where the job stands once it listens to signals.
    let mut line = String::new();
    let mut words = std::io::BufReader::new(child.stderr.take().expect("its messages"));
    std::io::BufRead::read_line(&mut words, &mut line).expect("a line");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(json(&lab.run("job show slow -o json"))["executionState"], "running");
}

#[test]
fn embedded_hosts_for_one_command_and_leaves_nothing() {
    let user = User::new();
    assert_eq!(user.run("--embedded workspace create lab").code, 0);
    assert_eq!(user.run("--embedded workspace list -o name").stdout, "lab\n");
    assert_eq!(user.run("serve --status").code, 3);
}

#[test]
fn the_shell_is_offered_names() {
    let lab = Lab::new();
    lab.run("job create --wait -n train-7 -- true");
    for (words, expected) in [
        ("job show tr", "train-7"),
        ("cluster show ", "pool"),
        ("experiment show f", "first"),
        ("cluster node drain lo", "local-1"),
    ] {
        let line: Vec<&str> = ["--", "ostler"].into_iter().chain(words.split(' ')).collect();
        let output = lab
            .0
            .command(&line)
            .env("OSTLER_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", (line.len() - 2).to_string())
            .env("_CLAP_IFS", "\n")
            .output()
            .expect("it starts");
        let ran = lab.0.ran(words, output);
        assert!(ran.stdout.lines().any(|line| line == expected), "{}", ran.shown());
    }
}

#[test]
fn a_wait_says_when_what_happened() {
    let lab = Lab::new();
    assert_eq!(lab.run("job create -n w -- 'sleep 1; exit 5'").code, 0);
    let ran = lab.run("job wait w --interval 1");
    assert_eq!(ran.code, 5, "{}", ran.shown());
    for said in ["w: submitted 2", "w: started 2", "w: JobFailed: ", "w: failed (exit 5) after "] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.shown());
    }
    assert!(ran.stderr.contains("w: running since 2") || ran.stderr.contains("w: queued since 2"), "{}", ran.shown());
    assert_eq!(lab.run("job wait w --interval 0").code, 2);
    // Ends are waited for, or left.
    assert_eq!(lab.run("job create -n long -- sleep 600").code, 0);
    lab.until("job show long -o json", |ran| json(ran)["executionState"] == "running");
    let ran = lab.run("job terminate long");
    assert!(ran.code == 0 && ran.stderr.contains("long: terminated"), "{}", ran.shown());
    assert_eq!(json(&lab.run("job show long -o json"))["executionState"], "failed");
    assert_eq!(lab.run("job create -n left -- sleep 600").code, 0);
    let ran = lab.run("job terminate left --no-wait");
    assert!(ran.code == 0 && !ran.stderr.contains("terminated"), "{}", ran.shown());
    let ran = lab.run("cluster delete -n pool -y --force");
    assert!(ran.code == 0 && ran.stderr.contains("cluster `pool` deleted"), "{}", ran.shown());
    assert_eq!(lab.run("cluster list -o name").stdout, "");
}

#[test]
fn an_experiment_goes_with_its_jobs_on_several_clusters() {
    let lab = Lab::new();
    assert_eq!(lab.run("cluster create second --provider local --target 1").code, 0);
    for (name, cluster) in [("a", "pool"), ("b", "second")] {
        assert_eq!(lab.run(&format!("job create -n {name} -c {cluster} -e first -- sleep 600")).code, 0);
        lab.until(&format!("job show {name} -o json"), |ran| json(ran)["executionState"] == "running");
    }
    let ran = lab.run("experiment delete -n first -y");
    assert!(ran.code == 0 && ran.stderr.contains("experiment `first` deleted"), "{}", ran.shown());
    assert_eq!(lab.run("job list -w lab -o name").stdout, "");
    lab.until("cluster show second -o json", |ran| json(ran)["nodeStateCounts"]["idleNodeCount"] == 1);
}
