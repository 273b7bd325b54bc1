//! Hundreds of nodes at once, within the limits that sshd has when nobody has set any.

use std::time::{Duration, Instant};

use crate::lab::{Lab, until};
use crate::ostler::Ostler;
use crate::tables::table;

/// Hosts with an sshd each.
const HOSTS: u32 = 4;
/// Nodes on each, by as many names.
const NODES_A_HOST: u32 = 50;
/// How long all of them may take to sign in: 200 sessions of ssh are set up and two processors do the work of both sides.
const ALL_IN: Duration = Duration::from_secs(240);

/// F75: all links break in the same second, and everything is taken over again.
#[test]
#[ignore = "needs root and sshd: tests/run"]
fn two_hundred_nodes_come_back_at_once_within_the_limits_of_sshd() {
    let lab = Lab::up(HOSTS);
    let limits = "sed -i '/^MaxStartups/d; /^MaxSessions/d; s/^LogLevel.*//' /etc/ssh/sshd_config; \
                  echo 'LogLevel VERBOSE' >>/etc/ssh/sshd_config; kill -s HUP \"$(cat /run/sshd.pid)\"";
    lab.on_all(limits);
    let asked = lab.on("h1", "/usr/sbin/sshd -T | grep -E '^(maxstartups|maxsessions)' | sort | tr '\\n' ' '");
    assert_eq!(asked, "maxsessions 10 maxstartups 10:30:100 ", "sshd has its own limits");
    let mut names = Vec::new();
    let mut config = std::fs::read_to_string(lab.ssh_config()).unwrap();
    for host in 1..=HOSTS {
        config.push_str(&format!("Host h{host}n*\n    HostName {}\n    HostKeyAlias h{host}\n", lab.address(host)));
        names.extend((1..=NODES_A_HOST).map(|n| format!("h{host}n{n}")));
    }
    std::fs::write(lab.ssh_config(), config).unwrap();
    let ostler = Ostler::new(&lab);
    let all = names.len();
    let ours = lab.dir().join("ostler/config.toml");
    let text = std::fs::read_to_string(&ours).unwrap();
    std::fs::write(&ours, format!("nodes_per_cluster_max = {all}\n{text}")).unwrap();
    ostler.ok(&["serve", "--stop"]);
    ostler.ok(&["cluster", "create", "c", "--hosts", &names.join(","), "--target", &all.to_string()]);
    let idle = || ostler.nodes().iter().filter(|node| node["state"] == "idle" && seen(node)).count();
    let began = Instant::now();
    until("all nodes are ready", ALL_IN, || (idle() == all).then_some(()));
    let first = began.elapsed();
    // A process for each of some; nothing of them may be started again.
    let job = "echo started >>/root/ledger; until [ -e /root/go ]; do sleep 0.2; done";
    ostler.submit("works", job);
    until("it runs", ALL_IN, || (ostler.job("works")["executionState"] == "running").then_some(()));

    let began = Instant::now();
    lab.on_all("for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline) in 'sshd: root'*) kill -9 ${p#/proc/} ;; esac; done 2>/dev/null");
    until("the links are lost", ALL_IN, || ostler.nodes().iter().any(|node| !seen(node)).then_some(()));
    // What people ask meanwhile is answered.
    let asked = Instant::now();
    ostler.submit("meanwhile", "true");
    let answered = asked.elapsed();
    until("all are back", ALL_IN, || ostler.nodes().iter().all(seen).then_some(()));
    let back = began.elapsed();
    assert_eq!(ostler.await_end("meanwhile")["executionState"], "succeeded");
    lab.on_all("touch /root/go");
    assert_eq!(ostler.await_end("works")["executionState"], "succeeded");
    assert_eq!(lab.on_all("cat /root/ledger 2>/dev/null"), "started\n", "it was taken over");
    for host in lab.hosts() {
        let log = lab.on(&host, "cat /var/log/sshd.log");
        assert!(log.matches("Accepted publickey").count() >= 2 * NODES_A_HOST as usize, "every node signed in twice: {log}");
        let turned_away = log.lines().find(|line| line.contains("MaxStartups") || line.contains("no more sessions"));
        assert_eq!(turned_away, None, "{host} was never asked for more than it gives");
    }
    table(&format!(
        "crowd: {all} nodes on {HOSTS} sshd with their own limits: in after {} s, back after {} s, a submit meanwhile took {} ms",
        first.as_secs(),
        back.as_secs(),
        answered.as_millis()
    ));
}

fn seen(node: &serde_json::Value) -> bool {
    node["reach"] == "seen"
}
