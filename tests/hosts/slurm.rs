//! A cluster of Slurm, as Debian has it: the same verbs, the same promises, with Slurm placing the jobs.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

/// What Slurm has of us: number, state and comment of each job.
fn in_slurm(lab: &Lab) -> Vec<(String, String, String)> {
    let text = lab.on("h1", "squeue -h -a -t all -o '%A %T %k'");
    let line = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, words.next()?, words.next()?))
    };
    text.lines().filter_map(line).filter(|(_, _, comment)| comment.starts_with("ostler-")).collect()
}

fn slurm(lab: &Lab) -> Ostler<'_> {
    let ostler = Ostler::new(lab);
    ostler.ok(&["cluster", "create", "c", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"]);
    ostler
}

/// Waits until a job is in a state, and returns it.
fn await_state(ostler: &Ostler<'_>, name: &str, state: &str) -> Value {
    until(&format!("{name} is {state}"), SOON, || Some(ostler.job(name)).filter(|job| job["executionState"] == state))
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_runs_jobs_as_any_cluster_does() {
    let lab = Lab::up_slurm(2, &["-g", "2"]);
    let ostler = slurm(&lab);
    let submit = |name: &str, more: &[&str], command: &[&str]| {
        let args = [&["job", "create", "-c", "c", "--name", name], more, &["--"], command].concat();
        ostler.ok(&args);
    };
    submit("three", &[], &["sh", "-c", "echo out; echo err >&2; exit 3"]);
    let three = ostler.await_end("three");
    assert_eq!((exit_code(&three), &three["attempt"]), (Some(3), &1.into()), "{three:#}");
    assert_eq!(ostler.ok(&["job", "logs", "three"]), "out\n");
    assert_eq!(ostler.ok(&["job", "logs", "three", "--err"]), "err\n");

    // Options, variables and a secret; nothing secret is in what Slurm shows.
    let command = "echo $A $SLURM_JOB_NAME $SLURM_JOB_PARTITION $CUDA_VISIBLE_DEVICES; echo $TOKEN | tr a-z A-Z";
    submit(
        "asks",
        &["--gpus", "2", "--time", "10m", "--env", "A=b c", "--secret", "TOKEN=cmd:echo hush"],
        &["sh", "-c", command],
    );
    assert_eq!(exit_code(&ostler.await_end("asks")), Some(0));
    assert_eq!(ostler.ok(&["job", "logs", "asks"]), "b c asks all 0,1\nHUSH\n");
    let shown = lab.on("h1", "scontrol show job; squeue -a -t all -O comment:200");
    assert!(shown.contains("ostler-") && !shown.contains("hush"), "{shown}");
    assert_eq!(lab.on("h1", "grep -rl hush /home/ci/.local/state/ostler-node 2>/dev/null"), "", "it is gone with the job");

    // The code of a directory here, by the login node to where the job runs.
    let code = lab.dir().join("proj");
    std::fs::create_dir_all(&code).unwrap();
    std::fs::write(code.join("said"), "the code\n").unwrap();
    submit("coded", &["--code", code.to_str().unwrap()], &["sh", "-c", "cat $OSTLER_CODE_DIR/said"]);
    ostler.await_end("coded");
    assert_eq!(ostler.ok(&["job", "logs", "coded"]), "the code\n");

    // A script for sbatch as it is: what it asks for is Slurm's to give, and srun in it has what it expects.
    let script = lab.dir().join("from.sbatch");
    let text = "#!/bin/bash\n#SBATCH --job-name=from-sbatch -n 2 --ntasks-per-node=1\n#SBATCH -t 10 --nice=5 -o out.txt\n\
                echo $SLURM_NTASKS $SLURM_JOB_NUM_NODES\nsrun hostname | sort | tr '\\n' ' '\n";
    std::fs::write(&script, text).unwrap();
    let plan = ostler.ok(&["job", "plan", "-c", "c", "-f", script.to_str().unwrap()]);
    for line in ["#SBATCH --time=10\n", "#SBATCH --ntasks=2\n", "#SBATCH --ntasks-per-node=1\n", "#SBATCH --nice=5\n"] {
        assert_eq!(plan.matches(line).count(), 1, "{line}: {plan}");
    }
    assert!(!plan.contains("#SBATCH --nodes"), "their number follows from that of the processes: {plan}");
    ostler.ok(&["job", "create", "-c", "c", "-f", script.to_str().unwrap()]);
    assert_eq!(exit_code(&ostler.await_end("from-sbatch")), Some(0));
    assert_eq!(ostler.ok(&["job", "logs", "from-sbatch"]), "2 2\nh2 h3 ");

    // Two nodes at once, then one that waits and says why, in words.
    submit(
        "wide",
        &["--nodes", "2", "--gpus", "2"],
        &["sh", "-c", "scontrol show hostnames; until [ -e ~/go ]; do sleep 0.2; done"],
    );
    let wide = await_state(&ostler, "wide", "running");
    assert_eq!(wide["nodes"], serde_json::json!(["h2", "h3"]), "{wide:#}");
    submit("waits", &["--gpus", "1"], &["true"]);
    let waits = until("it says why it waits", SOON, || Some(ostler.job("waits")).filter(|job| job["reason"] != ""));
    let reason = until("Slurm has looked at it", SOON, || {
        let reason = ostler.job("waits")["reason"].as_str().unwrap_or_default().to_owned();
        (reason.contains("nothing free fits") || reason.contains("come first")).then_some(reason)
    });
    assert_eq!(waits["executionState"], "queued", "{reason}");
    let why = ostler.ok(&["job", "why", "waits"]);
    assert!(why.contains(&reason), "{why}");
    // It is held and let go where it waits, and what Slurm says of it then is what is shown.
    let id = ostler.job("waits")["slurm"]["jobId"].as_str().unwrap().to_owned();
    ostler.ok(&["job", "hold", "waits"]);
    until("Slurm holds it", SOON, || {
        Some(ostler.job("waits")["reason"] == "it is held; release it to let it run").filter(|held| *held)
    });
    assert!(lab.on("h1", &format!("scontrol show job {id}")).contains("Reason=JobHeldUser"));
    assert_eq!(ostler.job("waits")["held"], true);
    ostler.ok(&["job", "release", "waits"]);
    until("Slurm holds it no more", SOON, || {
        Some(!ostler.job("waits")["reason"].as_str().unwrap_or_default().contains("held")).filter(|free| *free)
    });
    ostler.ok(&["job", "priority", "low", "waits"]);
    ostler.ok(&["cluster", "job", "time", "30m", &id, "-c", "c"]);
    let there = lab.on("h1", &format!("scontrol show job {id}"));
    assert!(there.contains("Nice=1000") && there.contains("TimeLimit=00:30:00"), "{there}");
    let high = ostler.run(&["job", "priority", "high", "waits"]);
    assert!(high.code == 1 && high.err.contains("behind others, not before them"), "{high:?}");

    // What Slurm has of its own.
    let nodes = ostler.json(&["cluster", "node", "list", "-c", "c"]);
    let names: Vec<&str> = nodes.as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["h2", "h3"]);
    let job = wide["slurm"]["jobId"].as_str().unwrap();
    assert!(nodes.as_array().unwrap().iter().all(|node| node["jobs"][0] == job && node["gres"] == "gpu:2"), "{nodes:#}");
    // The nodes of the cluster are Slurm's; its login node is none of them.
    let shown = ostler.json(&["cluster", "show", "c"]);
    assert_eq!(
        (&shown["currentNodeCount"], &shown["nodeStateCounts"]["runningNodeCount"]),
        (&2.into(), &2.into()),
        "{shown:#}"
    );
    let queue = ostler.json(&["cluster", "queue", "c"]);
    let wide_there = queue.as_array().unwrap().iter().find(|other| other["id"] == job).expect("it is in the queue");
    assert!(wide_there["mine"] == true && wide_there["user"] == "ci" && wide_there["name"] == "wide", "{wide_there:#}");
    // What has ended is Slurm's for some minutes more, and shown when asked for; what is no node of ours is not counted as one.
    let has = |more: &[&str]| {
        let queue = ostler.json(&[&["cluster", "queue", "c"], more].concat());
        queue.as_array().unwrap().iter().any(|job| job["name"] == "three")
    };
    assert_eq!((has(&[]), has(&["--ended"])), (false, true));
    let listed = ostler.ok(&["cluster", "list"]);
    assert!(listed.lines().nth(1).unwrap().split_whitespace().filter(|word| *word == "-").count() >= 7, "{listed}");
    let partitions = ostler.json(&["cluster", "partitions", "c"]);
    assert_eq!(
        (&partitions[0]["name"], &partitions[0]["default"], &partitions[1]["timeLimit"]),
        (&"all".into(), &true.into(), &"5:00".into())
    );

    // What Slurm does not allow is said in its words, of each part; a stranger's job is not touched without a yes.
    lab.on("h1", "sbatch -H -D /tmp -o /dev/null --wrap true");
    let strangers = || lab.on("h1", "squeue -h -u root -o '%A %r'").trim().to_owned();
    let theirs = strangers().split(' ').next().unwrap_or_default().to_owned();
    let unasked = ostler.run(&["cluster", "job", "cancel", &theirs, "-c", "c"]);
    assert!(unasked.code != 0 && unasked.err.contains(&format!("{theirs} is root's")), "{unasked:?}");
    let refused = ostler.run(&["cluster", "job", "release", &theirs, "99999", "-c", "c", "-y"]);
    assert!(refused.code == 1 && refused.err.contains("2 of 2") && refused.err.contains("Invalid user id"), "{refused:?}");
    assert!(strangers().ends_with("JobHeldUser"), "{}", strangers());
    let drained = ostler.run(&["cluster", "node", "drain", "h2", "-c", "c"]);
    assert!(drained.code == 1 && drained.err.contains("Slurm refuses it for `h2`"), "{drained:?}");

    // Put back while it runs: the same job runs again, though its script has left an exit code.
    ostler.ok(&["job", "hold", "waits"]);
    let running = ostler.job("wide")["slurm"]["jobId"].as_str().unwrap().to_owned();
    ostler.ok(&["cluster", "job", "requeue", &running, "-c", "c", "-y"]);
    await_state(&ostler, "wide", "queued");
    let again = await_state(&ostler, "wide", "running");
    assert_eq!((&again["slurm"]["jobId"], &again["attempt"]), (&running.as_str().into(), &1.into()), "{again:#}");

    // Cancel one that waits and one that runs.
    ostler.ok(&["job", "terminate", "waits", "wide", "-y"]);
    for name in ["waits", "wide"] {
        let job = ostler.await_end(name);
        assert_eq!(
            (&job["executionState"], &job["executionInfo"]["errors"][0]["code"]),
            (&"failed".into(), &"JobTerminated".into()),
            "{job:#}"
        );
    }
    assert!(
        !in_slurm(&lab).iter().any(|(_, state, _)| matches!(state.as_str(), "RUNNING" | "PENDING")),
        "{:?}",
        in_slurm(&lab)
    );

    // What Slurm does not want, and what somebody else ends, is said as Slurm says it.
    ostler.ok(&["cluster", "create", "odd", "--login", "ci@h1", "--sbatch-option=--partition=nope"]);
    let refused = ostler.run(&["job", "create", "-c", "odd", "--name", "refused", "--wait", "--", "true"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let refused = ostler.job("refused");
    let error = refused["executionInfo"]["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(error.contains("Slurm refused the job") && error.contains("nvalid partition"), "{refused:#}");
    submit("elsewhere", &[], &["sleep", "1000"]);
    let elsewhere = await_state(&ostler, "elsewhere", "running");
    lab.on("h1", &format!("scancel {}", elsewhere["slurm"]["jobId"].as_str().unwrap()));
    let elsewhere = ostler.await_end("elsewhere");
    assert_eq!(elsewhere["reason"], "it was cancelled in Slurm", "{elsewhere:#}");
    // The size of the cluster is not ours.
    assert_eq!(ostler.run(&["cluster", "scale", "c", "3", "-y"]).code, 1);
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_gets_each_job_once_whatever_breaks() {
    let lab = Lab::up_slurm(2, &["-c", "16"]);
    let ostler = slurm(&lab);
    ostler.await_ready(1);
    // A `sbatch` that takes its time, before or after it has told Slurm, so that links break in the middle of it.
    let slow = "#!/bin/sh\n[ ! -e /tmp/before ] || sleep 3\n/usr/bin/sbatch.real \"$@\"; code=$?\n[ ! -e /tmp/after ] || sleep 3\nexit $code\n";
    lab.on("h1", &format!("cp /usr/bin/sbatch /usr/bin/sbatch.real; rm /usr/bin/sbatch; printf '%s' '{slow}' > /usr/bin/sbatch; chmod 755 /usr/bin/sbatch"));
    let ledger = "echo $SLURM_JOB_ID >> ~/ledger-$AZ_BATCHAI_JOB_NAME; sleep 1; exit 4";
    let run = |name: &str, disturb: &dyn Fn()| {
        let ledger = ledger
            .replace("$AZ_BATCHAI_JOB_NAME", name)
            .replace("sleep 1", if name == "controller" { "sleep 8" } else { "sleep 1" });
        ostler.ok(&["job", "create", "-c", "c", "--name", name, "--", "sh", "-c", &ledger]);
        disturb();
        let job = ostler.await_end(name);
        assert_eq!((exit_code(&job), &job["attempt"]), (Some(4), &1.into()), "{name}: {job:#}");
        let lines = lab.on("h1", &format!("wc -l < /home/ci/ledger-{name}"));
        assert_eq!(lines.trim(), "1", "{name} ran once");
    };
    let asked =
        || until("it is being submitted", SOON, || (!lab.on("h1", "pgrep -f '[b]in/sbatch'").is_empty()).then_some(()));
    for (moment, name) in [("before", "cut-before"), ("after", "cut-after")] {
        lab.on("h1", &format!("touch /tmp/{moment}"));
        run(name, &|| {
            asked();
            lab.kill_sshd("h1");
            lab.on("h1", &format!("rm /tmp/{moment}"));
            lab.nslab(&["sshd-back", "h1"]);
        });
    }
    for (moment, name) in [("before", "killed-before"), ("after", "killed-after")] {
        lab.on("h1", &format!("touch /tmp/{moment}"));
        run(name, &|| {
            asked();
            ostler.kill_server();
            lab.on("h1", &format!("rm /tmp/{moment}"));
        });
    }
    // The submission itself dies after Slurm has the job, and nobody has its number.
    lab.on("h1", "touch /tmp/after");
    run("died", &|| {
        asked();
        std::thread::sleep(Duration::from_millis(500));
        lab.on("h1", "for p in $(pgrep -u ci -f 'sh -s|bin/sbatch'); do kill -9 $p; done; rm /tmp/after");
    });
    // The controller goes away and comes back.
    run("controller", &|| {
        await_state(&ostler, "controller", "running");
        lab.slurm(&["stop"]);
        std::thread::sleep(Duration::from_secs(3));
        lab.slurm(&["start"]);
    });
    // Three of us: none was submitted twice, none is left.
    let jobs = in_slurm(&lab);
    let mut comments: Vec<&String> = jobs.iter().map(|(_, _, comment)| comment).collect();
    comments.sort();
    let before = comments.len();
    comments.dedup();
    assert_eq!((before, comments.len()), (6, 6), "one job for each: {jobs:?}");
    until("all records are cleaned up", SOON, || {
        lab.on("h1", "ls /home/ci/.local/state/ostler-node/*/*/slurm").trim().is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_is_not_asked_more_than_a_site_likes() {
    let lab = Lab::up_slurm(2, &["-c", "16"]);
    let ostler = slurm(&lab);
    ostler.await_ready(1);
    let counts = "#!/bin/sh\necho >> /tmp/asked\nexec /usr/bin/squeue.real \"$@\"\n";
    lab.on("h1", &format!("mv /usr/bin/squeue /usr/bin/squeue.real; printf '%s' '{counts}' > /usr/bin/squeue; chmod 755 /usr/bin/squeue; : > /tmp/asked; chmod 666 /tmp/asked"));
    // People who look all the time, and jobs that come one by one.
    let began = std::time::Instant::now();
    for n in 0..25 {
        ostler.ok(&["cluster", "queue", "c"]);
        ostler.ok(&["job", "create", "-c", "c", "-n", &format!("j{n}"), "--", "true"]);
        ostler.ok(&["cluster", "partitions", "c"]);
        ostler.ok(&["cluster", "node", "list", "-c", "c"]);
    }
    let (asked, minutes) = (lab.on("h1", "wc -l < /tmp/asked"), began.elapsed().as_secs() / 60 + 1);
    let asked: u64 = asked.trim().parse().unwrap();
    assert!(asked >= 5 && asked <= 41 * minutes, "{asked} times in {minutes} minutes");
    // Nothing is lost by it: all of them end, and are known to have.
    let slow = std::time::Duration::from_secs(150);
    until("all have ended", slow, || {
        let jobs = ostler.jobs();
        (jobs.iter().filter(|job| job["executionState"] == "succeeded").count() == 25).then_some(())
    });
}
