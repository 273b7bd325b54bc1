//! Spools that an older agent has left (`tests/fixtures/spool-1`): whatever their jobs came to is still known.

use std::path::Path;
use std::process::Command;

use ostler::model::state::{Proof, StopWhy};
use ostler::transport::Seen;

use crate::node::{Node, Shell, key, link, tuning};

crate::in_every_shell!(what_an_older_agent_wrote_is_read_for_ever);

/// F73
async fn what_an_older_agent_wrote_is_read_for_ever(shell: Shell) {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-1");
    assert!(Command::new("cp").arg("-R").args([&fixture, &spool]).status().unwrap().success());
    let mut node = Node::start_task(dir, shell, link(&spool, 4), tuning(shell)).await;
    let exit = |code, why| Proof::Exit { code, why };
    let refused = "cannot make a directory: No space left on device".to_owned();
    let lost = "its supervisor was killed, so its exit code is not known".to_owned();
    let rebooted = || Proof::Rebooted { boot: node.boot.clone() };
    let told = |code, words: &str| Proof::Told { code, words: words.to_owned() };
    let all = [
        ("1.1.m0", exit(3, None)),
        ("2.1.m0", exit(143, Some(StopWhy::Terminate))),
        ("3.1.m0", Proof::Refused { why: refused, code: None }),
        ("4.2.m1", Proof::Lost { why: lost }),
        ("5.1.m0", Proof::Fenced),
        ("6.1.m0", Proof::Fenced),
        // It ran when its boot was over.
        ("7.1.m0", rebooted()),
        ("8.1.s0", told(1, "MountError targetPath=/data it is not there")),
        // Its last line is torn, and so is none.
        ("9.1.p0", rebooted()),
        ("10.1.d2", told(137, "out of memory: the kernel killed in its control group while it ran")),
    ];
    for (name, proof) in &all {
        assert_eq!(node.inventory.get(&key(name)), Some(&Seen::Gone(proof.clone())), "{name}");
    }
    assert_eq!(node.inventory.len(), all.len(), "{:?}", node.inventory);
    // Keys that are used up stay so, whether their records were cleaned away or not.
    for (name, proof) in [("1.1.m0", exit(3, None)), ("11.1.m0", exit(7, None))] {
        let late = node.start(key(name), "echo ran");
        assert_eq!(node.gone_by(key(name)).await, (proof, Some(late)), "{name}");
        assert_eq!(node.stdout(key(name)), "");
    }
    for (name, _) in all {
        node.ack(key(name)).await;
    }
    assert_eq!(node.run(key("12.1.m0"), "exit 9").await, exit(9, None));
    let mut node = node.again(5).await;
    assert_eq!(node.inventory.keys().map(ToString::to_string).collect::<Vec<_>>(), ["12.1.m0"]);
    node.agent.close(false);
    node.agent.ended().await;
    // The epoch that it had seen counts as well.
    let older = link(&node.root(), 3);
    node = Node::begin(node.dir, shell, older, tuning(shell));
    let (why, _) = node.down().await;
    assert!(why.code == "epoch", "{why:?}");
}
