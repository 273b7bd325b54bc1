//! A published cluster body on the hosts of its node class, with a set-up task that has a secret.

use serde_json::json;

use crate::lab::Lab;
use crate::ostler::Ostler;

/// Part of a value that nobody may see.
const CANARY: &str = "c4n4ry-set-up";

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn a_published_cluster_is_set_up_with_its_secret() {
    let lab = Lab::up(2);
    let ostler = Ostler::new(&lab);
    ostler.configure("[node_classes.STANDARD_NC6]\nhosts = \"h[1-2]\"\ncpus = 1000\n");
    let task = json!({
        "commandLine": "echo $GREETING ${#TOKEN}; echo \"$TOKEN\" | md5sum >/root/sum",
        "stdOutErrPathPrefix": "/root/logs",
        "environmentVariables": [{"name": "GREETING", "value": "hello"}],
        "secrets": [{"name": "TOKEN", "value": CANARY}],
    });
    let body = json!({"properties": {
        "vmSize": "Standard_NC6",
        "scaleSettings": {"manual": {"targetNodeCount": 2}},
        "userAccountSettings": {"adminUserName": "batchai_admin", "adminUserPassword": CANARY},
        "nodeSetup": {"setupTask": task},
    }});
    let file = lab.dir().join("cluster.json");
    std::fs::write(&file, body.to_string()).unwrap();
    let made = ostler.ok(&["cluster", "create", "c", "-f", file.to_str().unwrap(), "-o", "json"]);
    std::fs::remove_file(&file).unwrap();
    ostler.await_ready(2);
    for node in ostler.nodes() {
        let reason = node["reason"].as_str().unwrap();
        assert!(reason.starts_with("is no `STANDARD_NC6`: ") && reason.contains("CPUs instead of 1000"), "{node:#}");
    }
    let said = lab.on_all("find /root/logs -name 'stdout-*.txt' -exec cat {} +; cat /root/sum");
    let sum = lab.on("h1", &format!("echo {CANARY} | md5sum"));
    assert_eq!(said, format!("hello {}\n{sum}", CANARY.len()).repeat(2));
    // The value is nowhere that stays: not on a node, not in what is shown, not in the state.
    let left = lab.on_all(&format!("grep -rl {CANARY} /root /tmp 2>/dev/null || :"));
    assert_eq!(left.trim(), "");
    let shown = [made, ostler.ok(&["cluster", "show", "c", "-o", "json"]), ostler.ok(&["export", "lab"])].concat();
    assert!(!shown.contains(CANARY) && shown.contains("TOKEN"), "{shown}");
    let state = lab.dir().join("ostler");
    let found = std::process::Command::new("grep").args(["-rla", CANARY]).arg(&state).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}
