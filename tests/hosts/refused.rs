//! Hosts that cannot be used: each says the step and ssh's own words, and the others go on.

use crate::lab::{Lab, until};
use crate::ostler::{Ostler, SOON};

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn unusable_hosts_say_why_and_the_others_go_on() {
    let lab = Lab::up(4);
    let nobody = lab.address(99);
    lab.on("h2", ": > /root/.ssh/authorized_keys");
    let known = lab.dir().join("known_hosts");
    let keys = std::fs::read_to_string(&known).unwrap();
    let without_h3: String = keys.lines().filter(|line| !line.starts_with("h3,")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&known, without_h3).unwrap();
    lab.nslab(&["wipe", "h4"]);
    lab.nslab(&["on", "h4"]);

    let ostler = Ostler::new(&lab);
    let hosts = format!("h1,h2,h3,h4,{nobody}");
    ostler.ok(&["cluster", "create", "c", "--hosts", &hosts, "--target", "5"]);
    for (host, words) in [
        ("h2", "Permission denied"),
        ("h3", "Host key verification failed"),
        ("h4", "host key of `h4` has changed"),
        (nobody.as_str(), "10.77."),
    ] {
        let node =
            until(&format!("{host} is unusable"), SOON, || ostler.node(host).filter(|node| node["state"] == "unusable"));
        assert!(node["reason"].as_str().unwrap().contains(words), "{host}: {node:#}");
    }
    let ran = ostler.run(&["job", "create", "-c", "c", "--name", "fine", "--wait", "--", "uname", "-n"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ostler.ok(&["job", "logs", "fine"]), "h1\n");
}

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn host_names_that_ssh_must_not_see_are_refused() {
    let lab = Lab::up(1);
    let ostler = Ostler::new(&lab);
    for host in ["-oProxyCommand=touch /tmp/x", "h1;id", "h1`id`", "$(id)"] {
        let ran = ostler.run(&["cluster", "create", "bad", &format!("--hosts={host}"), "--target", "1"]);
        assert!(matches!(ran.code, 1 | 2), "{host}: {ran:?}");
        assert!(ran.err.starts_with("error: "), "{host}: {ran:?}");
    }
}
