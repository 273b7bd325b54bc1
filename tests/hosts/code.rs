//! The code of jobs over ssh: once to each node, and nothing half of it when a link is cut in the middle.

use std::fs;

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON};

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn code_goes_once_to_each_node_and_a_cut_link_leaves_nothing_half() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.await_ready(2);
    let code = lab.dir().join("proj");
    fs::create_dir_all(&code).unwrap();
    fs::write(code.join("run.sh"), "echo $(uname -n) $(cat $OSTLER_CODE_DIR/said) $(wc -c <$OSTLER_CODE_DIR/big)\n")
        .unwrap();
    fs::write(code.join("said"), "first").unwrap();
    // So much that it is under way for a while on a bad line.
    let big: Vec<u8> = (0..40_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(code.join("big"), &big).unwrap();
    let dir = code.to_str().unwrap();
    let submit = |name: &str| {
        ostler.submit_file(
            name,
            serde_json::json!({
                "nodeCount": 2,
                "code": dir,
                "jobPreparation": {"commandLine": "sh $OSTLER_CODE_DIR/run.sh"},
                "customToolkitSettings": {"commandLine": "sh $OSTLER_CODE_DIR/run.sh"},
            }),
        );
    };
    let snapshots = |host: &str| {
        let found = lab.on(host, "ls -d1i /root/.local/state/ostler-node/*/*/code/* 2>/dev/null | grep -v used");
        found.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    lab.nslab(&["loss", "h2", "20"]);
    submit("one");
    until("it is under way", SOON, || snapshots("h2").iter().any(|line| line.contains("/part.")).then_some(()));
    lab.nslab(&["cut", "h2"]);
    assert!(snapshots("h2").iter().all(|line| line.contains("/part.")), "{:?}", snapshots("h2"));
    lab.nslab(&["heal", "h2"]);
    let job = ostler.await_end("one");
    assert_eq!(job["executionState"], "succeeded", "{job:#}");
    let said = ostler.ok(&["job", "logs", "one"]);
    assert!(said.ends_with("first 40000000\n"), "{said}");
    let before = [snapshots("h1"), snapshots("h2")];
    for there in &before {
        assert!(there.len() == 1 && !there[0].contains("/part."), "{there:?}");
    }
    let sum = |host: &str| lab.on(host, "cat /root/.local/state/ostler-node/*/*/code/*/big | cksum");
    assert_eq!(sum("h1"), sum("h2"));

    // The core dies; the next one finds what is there, and a job of the same code is sent nothing.
    ostler.kill_server();
    submit("two");
    assert_eq!(ostler.await_end("two")["executionState"], "succeeded");
    assert_eq!([snapshots("h1"), snapshots("h2")], before);
    fs::write(code.join("said"), "second").unwrap();
    submit("three");
    ostler.await_end("three");
    assert!(ostler.ok(&["job", "logs", "three"]).contains(" second "));
    ostler.ok(&["job", "rerun", "one"]);
    ostler.await_end("last");
    assert!(ostler.ok(&["job", "logs", "last"]).contains(" first "));
}
