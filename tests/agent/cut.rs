//! A session is cut at a byte, in one direction or the other: what was begun is dropped whole, and what was ordered happens
//! once, however often it is ordered again.

use ostler::model::state::Proof;
use ostler::model::units::Millis;
use ostler::transport::agent::Tuning;
use ostler::transport::local::LocalLink;
use ostler::transport::{Order, Report, Seen};

use crate::node::{Node, PATIENCE, Shell, key, link, tuning};

crate::in_every_shell!(a_cut_at_any_byte_loses_nothing_and_doubles_nothing);

/// `sh cut.sh DIR SHELL... -c PROGRAM`: a session that is cut as DIR/cut says, once: `in N` or `out N`. `dd` and not `head`, which
/// would keep what it reads for a while. A shell whose input is cut sees its end; one whose output is cut is ended with its group.
/// What came through is in DIR/in and DIR/out.
const CUT: &str = r#"
DIR=$1 WAY='' N=''
shift
[ ! -e "$DIR/cut" ] || read -r WAY N <"$DIR/cut"
rm -f "$DIR/cut"
case $WAY in
in) dd bs=1 count="$N" 2>/dev/null | tee "$DIR/in" | "$@" ;;
out) "$@" | { dd bs=1 count="$N" 2>/dev/null | tee "$DIR/out" && kill -s KILL 0; } ;;
*) exec "$@" ;;
esac
"#;

/// How many cuts are tried in each direction; `CUTS` sets it.
const CUTS: usize = 24;
/// More than a session has.
const WHOLE: usize = 1 << 20;

async fn a_cut_at_any_byte_loses_nothing_and_doubles_nothing(shell: Shell) {
    let cuts = std::env::var("CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(CUTS);
    for way in ["in", "out"] {
        let length = session(shell, way, WHOLE).await;
        assert!(length > CUTS, "{way}: {length}");
        let at: Vec<usize> = (0..cuts).map(|n| n * length / cuts).collect();
        for some in at.chunks(8) {
            let sessions = some.iter().map(|at| session(shell, way, *at));
            futures_util::future::join_all(sessions).await;
        }
    }
}

/// Runs a job to its end while the first session is cut after so many bytes. Returns how many came through it.
async fn session(shell: Shell, way: &str, at: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    std::fs::write(place("cut.sh"), CUT).unwrap();
    std::fs::write(place("cut"), format!("{way} {at}\n")).unwrap();
    let words = ["/bin/sh".to_owned(), place("cut.sh").display().to_string(), dir.path().display().to_string()];
    let words: Vec<&str> = words.iter().map(String::as_str).chain(shell.words.iter().copied()).collect();
    let tuning = Tuning { local: Some(LocalLink::with_shell(&words)), ..tuning(shell) };
    let (link, count) = (link(&place("spool"), 1), place("count"));
    let (through, one) = (place(way), key("1.1.m0"));
    let mut node = Node::begin(dir, shell, link, tuning);
    let effect = node.effect();
    let told = |report: &Report| match report {
        Report::Gone { key, .. } => *key == one,
        Report::Up { .. } | Report::Down { .. } => true,
        _ => false,
    };
    let proof = loop {
        match node.expect("an end or another session", told).await {
            Report::Gone { proof, .. } => break proof,
            Report::Up { inventory, boot, .. } => match inventory.get(&one) {
                // As a core does it: ordered again under its first name in every session that does not know of it.
                None => {
                    let launch = Box::new(node.launch(one, &format!("echo ran >>'{}'", count.display())));
                    let (limit, grace) = (Millis::from_secs(600), Millis::from_secs(2));
                    node.agent.send(Order::Start { effect, key: one, boot, limit, grace, launch });
                }
                Some(Seen::Alive) => {}
                Some(Seen::Gone(proof)) => break proof.clone(),
            },
            // A shell of this machine that says nothing is none; of a host it would have been the link.
            Report::Down { .. } => node.agent.wake(),
            _ => {}
        }
    };
    // An agent that died while it started it: the next one has proven that it never ran, so a core has it run elsewhere.
    let never = proof == Proof::Fenced;
    assert!(never || proof == Proof::Exit { code: 0, why: None }, "{way} {at}: {proof:?}");
    let ran = if never { "" } else { "ran\n" };
    assert_eq!(std::fs::read_to_string(&count).unwrap_or_default(), ran, "{way} {at}");
    // What it answers to this may be what is cut.
    let ack = node.effect();
    node.agent.send(Order::Ack { effect: ack, key: one });
    let told = |report: &Report| match report {
        Report::Done { effect } => *effect == ack,
        Report::Up { .. } | Report::Down { .. } => true,
        _ => false,
    };
    loop {
        match node.expect("an answer or another session", told).await {
            Report::Up { .. } => node.agent.send(Order::Ack { effect: ack, key: one }),
            Report::Down { .. } => node.agent.wake(),
            _ => break,
        }
    }
    node.agent.close(false);
    tokio::time::timeout(PATIENCE, node.agent.ended()).await.expect("the session ends");
    std::fs::read(&through).unwrap().len()
}
