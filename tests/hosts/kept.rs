//! What stays of nodes that are given back: their logs here, and nothing of ours there.

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON};

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn logs_are_read_after_their_nodes_are_gone_for_good() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.await_ready(2);
    ostler.submit("a", "seq 1 2000; echo oops >&2");
    ostler.submit("b", "echo started; sleep 1; echo from $(uname -n)");
    let waited = ostler.run(&["job", "wait", "b"]);
    assert_eq!(waited.code, 0, "{waited:?}");
    let before = ostler.ok(&["job", "logs", "b"]);
    assert_eq!(ostler.await_end("a")["executionState"], "succeeded");

    ostler.ok(&["cluster", "scale", "c", "0", "-y"]);
    until("both are given back", SOON, || ostler.nodes().is_empty().then_some(()));
    for host in lab.hosts() {
        let sessions = || lab.on(&host, "grep -lz '^sshd: root' /proc/[0-9]*/cmdline 2>/dev/null");
        until("no connection to it is left", SOON, || sessions().is_empty().then_some(()));
        lab.nslab(&["off", &host]);
    }
    let numbers: String = (1..=2000).map(|n| format!("{n}\n")).collect();
    assert_eq!(ostler.ok(&["job", "logs", "a"]), numbers);
    assert_eq!(ostler.ok(&["job", "logs", "a", "--err"]), "oops\n");
    assert_eq!(ostler.ok(&["job", "logs", "-n", "2", "a"]), "1999\n2000\n");
    assert_eq!(ostler.ok(&["job", "logs", "-f", "b"]), before);
    let list = ostler.json(&["job", "logs", "--list", "a"]);
    assert_eq!(list.as_array().unwrap().len(), 3, "{list:#}");
    assert!(ostler.job("a").get("logsNote").is_none(), "nothing was left behind");
    // Also when the cluster and the server that knew it are gone.
    ostler.ok(&["cluster", "delete", "c", "-y"]);
    ostler.kill_server();
    assert_eq!(ostler.ok(&["job", "logs", "b"]), before);
}
