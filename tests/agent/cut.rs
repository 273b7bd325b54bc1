//! A session is cut at a byte, in one direction or the other, or goes over a bad line, which also brings late what was said before:
//! what was begun is dropped whole, and what was ordered happens once, however often it is ordered again.

use ostler::model::state::Proof;
use ostler::model::units::Millis;
use ostler::transport::agent::Tuning;
use ostler::transport::local::LocalLink;
use ostler::transport::{Order, Report, Seen};

use crate::limits::built;
use crate::node::{Node, PATIENCE, Shell, key, link, number_of, tuning, until};

crate::in_every_shell!(
    a_cut_at_any_byte_loses_nothing_and_doubles_nothing,
    a_line_that_cuts_delays_and_reorders_loses_nothing_and_doubles_nothing,
);

crate::in_every_shell!(@shell yash, &["/bin/yash"], [], a_line_that_cuts_delays_and_reorders_loses_nothing_and_doubles_nothing);

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
    let cuts = number_of("CUTS", CUTS as u64) as usize;
    for way in ["in", "out"] {
        let length = cut(shell, way, WHOLE).await;
        assert!(length > CUTS, "{way}: {length}");
        let at: Vec<usize> = (0..cuts).map(|n| n * length / cuts).collect();
        for some in at.chunks(8) {
            let sessions = some.iter().map(|at| cut(shell, way, *at));
            futures_util::future::join_all(sessions).await;
        }
    }
}

/// Runs a job to its end while the first session is cut after so many bytes. Returns how many came through it.
async fn cut(shell: Shell, way: &str, at: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(place("cut.sh"), CUT).unwrap();
    std::fs::write(place("cut"), format!("{way} {at}\n")).unwrap();
    let line = ["/bin/sh".to_owned(), place("cut.sh"), dir.path().display().to_string()];
    session(shell, &line, &format!("{way} {at}")).await;
    std::fs::read(place(way)).unwrap().len()
}

/// How many bad lines are tried; `CUTS` sets it, and `CUTS_FROM` the first.
const LINES: u64 = 16;
/// How many sessions of a node have a bad line.
const BAD_SESSIONS: u32 = 2;

async fn a_line_that_cuts_delays_and_reorders_loses_nothing_and_doubles_nothing(shell: Shell) {
    let dir = tempfile::tempdir().unwrap();
    let proxy = built(dir.path(), "proxy");
    let from = number_of("CUTS_FROM", 1);
    let lines: Vec<u64> = (from..from + number_of("CUTS", LINES)).collect();
    for some in lines.chunks(8) {
        let sessions = some.iter().map(|seed| {
            let bad = dir.path().join(format!("bad{seed}")).display().to_string();
            std::fs::write(&bad, format!("{seed} {BAD_SESSIONS}\n")).unwrap();
            let line = [proxy.display().to_string(), bad];
            async move { session(shell, &line, &format!("line {seed}")).await }
        });
        futures_util::future::join_all(sessions).await;
    }
}

/// Runs a job to its end over a line, which is a program and its first words.
async fn session(shell: Shell, line: &[String], what: &str) {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let words: Vec<&str> = line.iter().map(String::as_str).chain(shell.words.iter().copied()).collect();
    let tuning = Tuning { local: Some(LocalLink::with_shell(&words)), ..tuning(shell) };
    let (link, count) = (link(&dir.path().join("spool"), 1), kept.path().join("count"));
    let one = key("1.1.m0");
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
                    node.agent.send(Order::Start { effect, key: one, boot, limit, grace, launch, after: None });
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
    assert!(never || proof == Proof::Exit { code: 0, why: None }, "{what}: {proof:?}");
    let ran = if never { "" } else { "ran\n" };
    assert_eq!(std::fs::read_to_string(&count).unwrap_or_default(), ran, "{what}");
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
    // What is still under way comes, and nothing comes of it.
    until("the line is empty", || !is_argument(&line[line.len() - 1])).await;
    assert_eq!(std::fs::read_to_string(&count).unwrap_or_default(), ran, "{what}, when all that was said has come");
}

/// Says whether a process was started with this word.
fn is_argument(word: &str) -> bool {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let words = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    words.into_iter().any(|words| words.split(|byte| *byte == 0).any(|one| one == word.as_bytes()))
}
