//! Secrets on a node: in the environment of the process they are for, and nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ostler::model::launch::Launch;
use ostler::model::spec::{Secret, SecretSource, SecretText};
use ostler::model::state::Proof;
use ostler::model::units::Millis;
use ostler::transport::{Order, Report};

use crate::node::{Node, Shell, key, kill, until};

crate::in_every_shell!(
    a_secret_reaches_its_process_and_nothing_else,
    secrets_that_nobody_will_read_go,
    a_refusal_by_the_controller_takes_the_lock,
);

/// Part of every value here, to look for.
const CANARY: &str = "canary-7f1d";

fn secret(name: &str, value: &str) -> Secret {
    Secret { name: name.into(), source: SecretSource::Given(SecretText::new(value)) }
}

fn with_secrets(node: &Node, at: &str, command: &str, secrets: Vec<Secret>) -> Launch {
    Launch { secrets, ..node.launch(key(at), command) }
}

/// Returns the files below a directory that hold the canary.
fn holders(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holders(&path));
        } else if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

/// Returns the processes of this namespace that have the canary in that file of theirs.
fn processes_with(file: &str) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let text = String::from_utf8_lossy(&std::fs::read(entry.path().join(file)).unwrap_or_default()).into_owned();
        if text.contains(CANARY) {
            found.push((pid, text));
        }
    }
    found
}

async fn a_secret_reaches_its_process_and_nothing_else(shell: Shell) {
    let mut node = Node::up(shell).await;
    let odd = format!("{CANARY} it's \"quoted\" $HOME `id` $(id) \\ \\n\ttab\nsecond line é \u{1}\u{7f}\r.\n\n");
    let (values, seen, go) = (node.path("values"), node.path("seen"), node.path("go"));
    // What stands in the spool when the job's first command runs is the job's own finding.
    let command = format!(
        "root=${{OSTLER_RANK#*:}}; ls \"${{root%:}}\"/run/secret.* >{seen} 2>/dev/null
         printf '%s' \"$TOKEN|$OTHER|$PLAIN\" >{values}; until [ -e {go} ]; do sleep 0.1; done"
    );
    let mut launch = with_secrets(&node, "1.1.m0", &command, vec![secret("TOKEN", &odd), secret("OTHER", CANARY)]);
    launch.env = vec![("PLAIN".into(), "plain".into())];
    node.start_launch(key("1.1.m0"), launch, Millis::from_secs(600));
    node.started(key("1.1.m0")).await;
    until("the job has written", || std::fs::read_to_string(&values).is_ok_and(|text| text.ends_with("plain"))).await;
    assert_eq!(std::fs::read_to_string(&values).unwrap(), format!("{odd}|{CANARY}|plain"));
    assert_eq!(std::fs::read_to_string(&seen).unwrap(), "", "no file of it is left when the job's own command runs");
    assert_eq!(holders(&node.root()), Vec::<String>::new());
    assert!(holders(node.dir.path()).iter().all(|path| path.ends_with("/values")), "{:?}", holders(node.dir.path()));
    assert_eq!(processes_with("cmdline"), Vec::new());
    let with = processes_with("environ");
    assert!(!with.is_empty(), "the job has it");
    assert!(with.iter().all(|(_, text)| text.contains("OSTLER_RANK=1.1.m0:")), "{with:?}");

    // The next process of the same worker has nothing of it.
    std::fs::write(&go, "").unwrap();
    assert_eq!(node.gone(key("1.1.m0")).await, Proof::Exit { code: 0, why: None });
    assert_eq!(node.run(key("2.1.m0"), "printf '%s' \"[${TOKEN-none}]\"").await, Proof::Exit { code: 0, why: None });
    assert_eq!(node.stdout(key("2.1.m0")), "[none]");
    assert_eq!(holders(&node.root()), Vec::<String>::new());
}

async fn secrets_that_nobody_will_read_go(shell: Shell) {
    let mut node = Node::up(shell).await;
    // A first job, so that there is a worker; its next one comes when it was just killed.
    node.start(key("1.1.m0"), "true");
    node.gone(key("1.1.m0")).await;
    let refused =
        Launch { workdir: "/proc/nowhere".into(), ..with_secrets(&node, "2.1.m0", "true", vec![secret("A", CANARY)]) };
    node.start_launch(key("2.1.m0"), refused, Millis::from_secs(600));
    assert!(matches!(node.gone(key("2.1.m0")).await, Proof::Refused { .. }));
    assert_eq!(holders(&node.root()), Vec::<String>::new(), "a process that cannot be made leaves none");

    let worker = node.pid(key("1.1.m0"), "sup");
    kill(worker, rustix::process::Signal::KILL);
    let launch = with_secrets(&node, "3.1.m0", "true", vec![secret("A", CANARY)]);
    node.start_launch(key("3.1.m0"), launch, Millis::from_secs(600));
    node.gone(key("3.1.m0")).await;
    until("none is left", || holders(&node.root()).is_empty()).await;

    // What agents that died in the middle left behind.
    for left in ["4.1.m0", "1.1.m0"] {
        std::fs::write(node.root().join(format!("run/secret.{left}")), CANARY).unwrap();
    }
    let node = node.again(2).await;
    until("none is left", || holders(&node.root()).is_empty()).await;
    let mode = std::fs::metadata(node.root().join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else may look there meanwhile");
}

async fn a_refusal_by_the_controller_takes_the_lock(shell: Shell) {
    let mut node = Node::up(shell).await;
    let refuse = |node: &mut Node, at: &str| {
        let effect = node.effect();
        let (code, why) = ("SecretUnavailable".to_owned(), "the variable X is not set".to_owned());
        node.agent.send(Order::Refuse { effect, key: key(at), code, why });
        effect
    };
    let effect = refuse(&mut node, "1.1.m0");
    let Report::Gone { proof: Proof::Refused { why, code }, .. } = node.answered(effect).await else {
        panic!("another answer")
    };
    assert_eq!((why.as_str(), code.as_deref()), ("the variable X is not set", Some("SecretUnavailable")));
    let effect = node.start(key("1.1.m0"), "true");
    let answer = node.answered(effect).await;
    assert!(matches!(&answer, Report::Gone { proof: Proof::Refused { .. }, .. }), "it never starts: {answer:?}");

    // One that was sent before and runs is not called dead.
    node.start(key("2.1.m0"), "sleep 1000");
    node.started(key("2.1.m0")).await;
    let effect = refuse(&mut node, "2.1.m0");
    assert!(matches!(node.answered(effect).await, Report::Started { .. }));
}
