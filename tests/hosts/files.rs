//! Files, commands and ports of nodes over real ssh.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::json;

use crate::lab::Lab;
use crate::ostler::Ostler;

#[test]
#[ignore = "needs root and sshd: tests/run"]
fn files_commands_and_ports_of_nodes_come_over_ssh() {
    let lab = Lab::up(2);
    let ostler = Ostler::with_cluster(&lab, 2);
    ostler.submit_file(
        "made",
        json!({
            "nodeCount": 2,
            "outputDirectories": [{"id": "M", "pathPrefix": "/root/out"}],
            "jobPreparation": {"commandLine": "head -c 3000000 /dev/urandom >$AZ_BATCHAI_OUTPUT_M/model; uname -n >$AZ_BATCHAI_OUTPUT_M/$(uname -n)"},
            "customToolkitSettings": {"commandLine": "true"},
        }),
    );
    let job = ostler.await_end("made");
    assert_eq!(job["executionState"], "succeeded", "{job:#}");
    let second = job["nodes"][1].as_str().unwrap().to_owned();
    let list = ostler.json(&["job", "file", "list", "-j", "made", "-d", "M"]);
    let names: Vec<String> = list.as_array().unwrap().iter().map(|f| format!("{} {}", f["name"], f["node"])).collect();
    assert!(names.len() == 4 && names.contains(&format!("\"{second}\" \"{second}\"")), "{names:?}");
    // The second node's, whole.
    let to = tempfile::tempdir().unwrap();
    let target = to.path().to_str().unwrap();
    ostler.ok(&["job", "file", "get", "-j", "made", "-d", "M", "-p", "model", "--node", &second, "--to", target]);
    let out = std::process::Command::new("sha256sum").arg(to.path().join("model")).output().unwrap();
    let sum = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let there = lab.on(&second, "sha256sum $(find /root/out -name model)");
    assert_eq!(sum(&String::from_utf8_lossy(&out.stdout)), sum(&there));

    // Nodes are listed as they are signed into.
    let nodes = ostler.json(&["cluster", "node", "list"]);
    for (at, node) in nodes.as_array().unwrap().iter().enumerate() {
        let name = node["nodeId"].as_str().unwrap();
        assert_eq!(node["ipAddress"], lab.address(name[1..].parse().unwrap()).as_str(), "{at}: {nodes:#}");
        assert_eq!((&node["port"], &node["adminUserName"]), (&json!(22), &json!("root")), "{nodes:#}");
    }

    // A command speaks while it runs, and has its own code.
    let line = "uname -n; echo trouble >&2; while [ ! -e /root/go ]; do sleep 0.1; done; echo last; exit 7";
    let mut command = ostler.command(&["cluster", "node", "exec", &second, "--", line]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    out.read_line(&mut said).unwrap();
    assert_eq!(said, format!("{second}\n"));
    lab.on(&second, "touch /root/go");
    out.read_to_string(&mut said).unwrap();
    let mut trouble = String::new();
    child.stderr.take().unwrap().read_to_string(&mut trouble).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!((said, trouble.as_str(), code), (format!("{second}\nlast\n"), "trouble\n", Some(7)));

    // A port of another host, as a node reaches it.
    let target = format!("0:{}:22", lab.address(2));
    let mut command = ostler.command(&["cluster", "node", "exec", "h1", "-L", &target, "--", "sleep 1000"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap());
    let mut note = String::new();
    notes.read_line(&mut note).unwrap();
    let stream = std::net::TcpStream::connect(note.split_whitespace().next().unwrap()).unwrap();
    let mut banner = String::new();
    BufReader::new(stream).read_line(&mut banner).unwrap();
    assert!(banner.starts_with("SSH-2.0-"), "{banner}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
