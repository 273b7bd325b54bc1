//! Arrays and sweeps on a cluster of Slurm: one array there for each, with the promises of single jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON};

/// The arrays and jobs that Slurm has of us: their numbers, each once.
fn submissions(lab: &Lab) -> BTreeSet<String> {
    let text = lab.on("h1", "squeue -h -a -t all -o '%F %k'");
    let ours = text.lines().filter_map(|line| line.split_once(' ')).filter(|(_, comment)| comment.starts_with("ostler-"));
    ours.map(|(number, _)| number.to_owned()).collect()
}

fn slurm(lab: &Lab) -> Ostler<'_> {
    let ostler = Ostler::new(lab);
    ostler.ok(&["cluster", "create", "c", "--backend", "slurm", "--login", "ci@h1", "--partition", "all"]);
    ostler.await_ready(1);
    ostler
}

/// Waits until all jobs have ended, and returns them in the order of their names.
fn await_all(ostler: &Ostler<'_>, count: usize) -> Vec<Value> {
    until("all have ended", SOON, || {
        let jobs = ostler.json(&["job", "list"]).as_array().cloned().unwrap_or_default();
        let ended = |job: &Value| matches!(job["executionState"].as_str(), Some("succeeded" | "failed"));
        (jobs.len() == count && jobs.iter().all(ended)).then_some(jobs)
    })
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_gets_an_array_for_an_array() {
    let lab = Lab::up_slurm(2, &["-c", "8"]);
    let ostler = slurm(&lab);
    let script = "echo $OSTLER_ARRAY_INDEX $SLURM_ARRAY_TASK_ID $TOKEN | tr a-z A-Z; exit $((OSTLER_ARRAY_INDEX == 13))";
    let args = ["job", "create", "-c", "c", "-n", "many", "--array", "10-39", "--secret", "TOKEN=cmd:echo hush", "-q", "--"];
    ostler.ok(&[&args[..], &["sh", "-c", script]].concat());
    let jobs = await_all(&ostler, 30);
    assert_eq!(submissions(&lab).len(), 1, "one array: {:?}", submissions(&lab));
    let failed: Vec<&Value> = jobs.iter().filter(|job| job["executionState"] == "failed").map(|job| &job["name"]).collect();
    assert_eq!(failed, [&Value::from("many-13")], "each has its own exit code");
    assert_eq!(ostler.ok(&["job", "logs", "many-10"]), "10 0 HUSH\n");
    assert_eq!(ostler.ok(&["job", "logs", "many-39"]), "39 29 HUSH\n");
    let number = submissions(&lab).into_iter().next().unwrap_or_default();
    let last = jobs.iter().find(|job| job["name"] == "many-39").expect("it is there");
    assert_eq!(last["slurm"]["jobId"], format!("{number}_29").as_str());
    until("all records are cleaned up", SOON, || {
        lab.on("h1", "ls /home/ci/.local/state/ostler-node/*/*/slurm").trim().is_empty().then_some(())
    });

    // A sweep with a cap: Slurm keeps it, and what is tried again comes after the others.
    let sweep = ["sweep", "create", "-c", "c", "-n", "grid", "-p", "x=1..12", "--running", "3", "--attempts", "2", "--"];
    lab.on("h1", "mkdir -p /home/ci/at && chown ci /home/ci/at");
    let script = "touch ~/at/$1; ls ~/at | wc -l >> ~/most; sleep 1; rm ~/at/$1; [ $1 != 7 ] || [ -e ~/again ] || { touch ~/again; exit 1; }";
    ostler.ok(&[&sweep[..], &["sh", "-c", script, "-", "PARAM_X"]].concat());
    let jobs = await_all(&ostler, 42);
    let grid = jobs.iter().filter(|job| job["name"].as_str().is_some_and(|name| name.starts_with("grid")));
    assert!(grid.clone().all(|job| job["executionState"] == "succeeded"), "{jobs:#?}");
    assert_eq!(grid.filter(|job| job["attempt"] == 2).count(), 1);
    assert_eq!(lab.on("h1", "sort -n /home/ci/most | tail -n 1").trim(), "3", "as many at once as may");
    assert_eq!(submissions(&lab).len(), 3, "the array, the sweep, and the one that was tried again");
}

#[test]
#[ignore = "needs root, sshd and Slurm: tests/run"]
fn slurm_gets_each_member_once_whatever_breaks() {
    let lab = Lab::up_slurm(2, &["-c", "16"]);
    let ostler = slurm(&lab);
    let slow = "#!/bin/sh\n[ ! -e /tmp/before ] || sleep 3\n/usr/bin/sbatch.real \"$@\"; code=$?\n[ ! -e /tmp/after ] || sleep 3\nexit $code\n";
    lab.on("h1", &format!("cp /usr/bin/sbatch /usr/bin/sbatch.real; rm /usr/bin/sbatch; printf '%s' '{slow}' > /usr/bin/sbatch; chmod 755 /usr/bin/sbatch"));
    let asked =
        || until("it is being submitted", SOON, || (!lab.on("h1", "pgrep -f '[b]in/sbatch'").is_empty()).then_some(()));
    let mut count = 0;
    for (moment, name, kills) in [
        ("before", "cut-before", false),
        ("after", "cut-after", false),
        ("before", "killed-before", true),
        ("after", "died", true),
    ] {
        lab.on("h1", &format!("touch /tmp/{moment}"));
        let script = format!("echo $OSTLER_ARRAY_INDEX >> ~/ledger-{name}; exit 4");
        ostler.ok(&["job", "create", "-c", "c", "-n", name, "--array", "1-8%4", "-q", "--", "sh", "-c", &script]);
        asked();
        match (kills, moment) {
            (false, _) => {
                lab.kill_sshd("h1");
                lab.on("h1", &format!("rm /tmp/{moment}"));
                lab.nslab(&["sshd-back", "h1"]);
            }
            (true, "before") => {
                ostler.kill_server();
                lab.on("h1", &format!("rm /tmp/{moment}"));
            }
            // The submission itself dies after Slurm has the array, and nobody has its number.
            (true, _) => {
                std::thread::sleep(Duration::from_millis(500));
                lab.on("h1", "for p in $(pgrep -u ci -f 'sh -s|bin/sbatch'); do kill -9 $p; done; rm /tmp/after");
            }
        }
        count += 8;
        let jobs = await_all(&ostler, count);
        let once = |job: &Value| job["executionInfo"]["exitCode"] == 4 && job["attempt"] == 1;
        assert!(jobs.iter().all(once), "{name}: {jobs:#?}");
        until("no other copy is about", SOON, || {
            lab.on("h1", "squeue -h -t pending,running,completing").trim().is_empty().then_some(())
        });
        assert_eq!(
            lab.on("h1", &format!("sort -n /home/ci/ledger-{name} | tr '\\n' ' '")).trim(),
            "1 2 3 4 5 6 7 8",
            "{name}"
        );
    }
    let there = lab.on("h1", "squeue -h -a -t all -o '%i %j %k'");
    assert_eq!(submissions(&lab).len(), 4, "one array for each: {there}");

    // One member is taken back where it waits, then all of what is left.
    ostler.ok(&["job", "create", "-c", "c", "-n", "wide", "--array", "1-6", "--nodes", "2", "-q", "--", "sleep", "1000"]);
    until("Slurm has them", SOON, || {
        let jobs = ostler.json(&["job", "list"]).as_array().cloned().unwrap_or_default();
        let there = |job: &&Value| {
            job["name"].as_str().is_some_and(|name| name.starts_with("wide")) && job["slurm"]["jobId"] != Value::Null
        };
        (jobs.iter().filter(there).count() == 6).then_some(())
    });
    ostler.ok(&["job", "terminate", "wide-6", "-y"]);
    ostler.await_end("wide-6");
    let stays = |name: &str| matches!(ostler.job(name)["executionState"].as_str(), Some("queued" | "running"));
    assert!((1..6).all(|index| stays(&format!("wide-{index}"))), "the others stay");
    ostler.ok(&["job", "terminate", "wide-1", "wide-2", "wide-3", "wide-4", "wide-5", "-y"]);
    await_all(&ostler, count + 6);
    assert_eq!(lab.on("h1", "squeue -h").trim(), "");
    until("all records are cleaned up", SOON, || {
        lab.on("h1", "ls /home/ci/.local/state/ostler-node/*/*/slurm").trim().is_empty().then_some(())
    });
}
