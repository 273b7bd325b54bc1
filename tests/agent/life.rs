//! Start, end, and what is kept of them.

use ostler::model::state::Proof;
use ostler::model::units::Millis;
use ostler::transport::Seen;

use crate::node::{Node, Shell, key};

crate::in_every_shell!(start_and_end, exit_codes);

async fn start_and_end(shell: Shell) {
    let mut node = Node::up(shell).await;
    assert!(node.inventory.is_empty());
    assert!(node.facts.capacity.cpus_milli >= 1000 && node.facts.capacity.memory.0 > 0, "{:?}", node.facts);
    assert_eq!(node.facts.root, node.root().to_str().unwrap());
    assert_eq!(node.facts.address, "127.0.0.1");
    let effect = node.start(key("1.1.m0"), "echo out; echo err >&2; exit 3");
    assert_eq!(node.started(key("1.1.m0")).await, effect);
    assert_eq!(node.gone(key("1.1.m0")).await, Proof::Exit { code: 3, why: None });
    assert_eq!(node.stdout(key("1.1.m0")), "out\n");
    assert_eq!(node.stderr(key("1.1.m0")), "err\n");
}

async fn exit_codes(shell: Shell) {
    let mut node = Node::up(shell).await;
    for (at, (command, code)) in
        [("true", 0), ("exit 255", 255), ("kill -s KILL $$", 137), ("kill -s TERM $$", 143), ("no-such-program", 127)]
            .into_iter()
            .enumerate()
    {
        let key = key(&format!("{}.1.m0", at + 1));
        assert_eq!(node.run(key, command).await, Proof::Exit { code, why: None }, "{command}");
    }
}
