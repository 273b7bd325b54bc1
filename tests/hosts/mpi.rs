//! Open MPI over four nodes that have no keys for one another.

use std::collections::BTreeSet;

use serde_json::json;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON, exit_code};

fn lab_without_keys() -> Lab {
    let lab = Lab::up(4);
    lab.on_all("rm -f /root/.ssh/id_* /root/.ssh/config /root/.ssh/known_hosts");
    lab
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn four_nodes_through_mpirun_and_the_launcher() {
    let lab = lab_without_keys();
    let ostler = Ostler::with_cluster(&lab, 4);
    let line = "echo \"rank $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE on $(uname -n) in $(pwd), $WHAT\"";
    ostler.submit_file(
        "hello",
        json!({
            "nodeCount": 4,
            "customMpiSettings": {"commandLine": line, "processCount": 8},
            "environmentVariables": [{"name": "WHAT", "value": "it's $AZ_BATCHAI_JOB_TEMP"}],
        }),
    );
    let job = ostler.await_end("hello");
    let logs = ostler.ok(&["job", "logs", "hello"]);
    assert_eq!(job["executionState"], "succeeded", "{job:#}\n{logs}{:?}", ostler.run(&["job", "logs", "hello", "--err"]));
    let ranks: BTreeSet<&str> = logs.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(ranks, BTreeSet::from(["0", "1", "2", "3", "4", "5", "6", "7"]), "{logs}");
    for host in lab.hosts() {
        let here: Vec<&str> = logs.lines().filter(|line| line.contains(&format!(" of 8 on {host} in "))).collect();
        assert_eq!(here.len(), 2, "{host}: {logs}");
        for line in here {
            let (before, own) = line.split_once(", it's ").unwrap();
            assert!(before.ends_with(own), "each node has its own directories: {line}");
            assert_eq!(lab.on(&host, &format!("ls -d {own}")).trim(), own);
        }
    }

    ostler.submit_file(
        "seven",
        json!({"nodeCount": 4, "customMpiSettings": {"commandLine": "[ $OMPI_COMM_WORLD_RANK != 2 ] || exit 7"}}),
    );
    assert_eq!(exit_code(&ostler.await_end("seven")), Some(7));
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn terminate_ends_daemons_and_ranks_on_all_nodes() {
    let lab = lab_without_keys();
    let ostler = Ostler::with_cluster(&lab, 4);
    let processes = |host: &str| lab.on(host, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null");
    let is = |line: &str, what: &str| line.starts_with(&format!("{what} "));
    let running =
        |what: &str| lab.hosts().map(|host| processes(&host).lines().filter(|line| is(line, what)).count()).sum::<usize>();
    let wait = json!({"nodeCount": 4, "customMpiSettings": {"commandLine": "sleep 98765"}});
    ostler.submit_file("wait", wait);
    until("four ranks run", SOON, || (running("sleep 98765") >= 4 && running("orted") == 3).then_some(()));
    ostler.ok(&["job", "terminate", "wait", "-y"]);
    assert_eq!(ostler.await_end("wait")["executionState"], "failed");
    assert_eq!((running("mpirun"), running("orted"), running("sleep 98765")), (0, 0, 0));
}

/// mpirun waits for good for a node that went away; the attempt is ended where it can be, and runs again, to its true end,
/// once the lost part is proven dead: by another boot, or by a person's word.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_node_that_goes_away_under_mpirun() {
    let lab = lab_without_keys();
    let ostler = Ostler::with_cluster(&lab, 4);
    let processes = |host: &str| lab.on(host, "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null");
    let ours = |host: &str| {
        let all = processes(host);
        all.lines().filter(|line| ["sleep 0.9876", "mpirun", "orted"].iter().any(|what| line.starts_with(what))).count()
    };
    let line = "until [ -e /root/go ]; do sleep 0.9876; done; echo \"rank $OMPI_COMM_WORLD_RANK\"; [ $OMPI_COMM_WORLD_RANK != 3 ] || exit 5";
    let spec = json!({"nodeCount": 4, "customMpiSettings": {"commandLine": line}});
    for (name, declared) in [("back", false), ("dead", true)] {
        lab.on_all("rm -f /root/go");
        ostler.submit_file(name, spec.clone());
        until("four ranks run", SOON, || lab.hosts().all(|host| ours(&host) > 0).then_some(()));
        lab.nslab(&["off", "h3"]);
        until("nothing is left on the others", SOON, || ["h1", "h2", "h4"].iter().all(|host| ours(host) == 0).then_some(()));
        let lost = ostler.job(name);
        assert_eq!((&lost["attempt"], &lost["executionState"]), (&json!(1), &json!("running")), "no proof yet: {lost:#}");
        if declared {
            ostler.ok(&["cluster", "node", "declare-dead", "-c", "c", "h3", "-y"]);
            until("it is put back", SOON, || (ostler.job(name)["executionState"] == "queued").then_some(()));
            assert_eq!(ostler.job(name)["attempt"], 1);
        }
        lab.nslab(&["on", "h3"]);
        lab.on("h3", "rm -f /root/.ssh/id_*");
        if declared {
            until("another node is got there", SOON, || {
                let node = ostler.node("h3")?;
                if node["state"] == "unusable" {
                    ostler.run(&["cluster", "node", "prepare", "-c", "c", "h3"]);
                }
                (node["state"] == "running").then_some(())
            });
        }
        until("it runs again", SOON, || {
            (ostler.job(name)["attempt"] == 2 && lab.hosts().all(|host| ours(&host) > 0)).then_some(())
        });
        lab.on_all("touch /root/go");
        let job = ostler.await_end(name);
        assert_eq!((exit_code(&job), &job["attempt"]), (Some(5), &json!(2)), "the code of its own rank: {job:#}");
        assert!(ostler.ok(&["job", "logs", name]).contains("rank 0\n"));
    }
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_node_without_mpirun_says_so() {
    let lab = Lab::up(1);
    let ostler = Ostler::with_cluster(&lab, 1);
    ostler.submit_file(
        "none",
        json!({
            "nodeCount": 1,
            "customMpiSettings": {"commandLine": "true"},
            "environmentVariables": [{"name": "PATH", "value": "/nowhere"}],
        }),
    );
    let job = ostler.await_end("none");
    assert_eq!(exit_code(&job), Some(127), "{job:#}");
    let logs = ostler.ok(&["job", "logs", "none", "--err"]);
    assert!(logs.contains("mpirun: not found"), "{logs}");
}
