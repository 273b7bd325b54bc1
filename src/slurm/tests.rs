//! Answers as Slurm of several versions gives them: `tests/fixtures/slurm`, each with its source in its first line.

use super::parse::{Heard, read};
use super::words::state;

fn heard(fixture: &str) -> Heard {
    let lines = fixture.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace('|', "\u{1f}"));
    read(&lines.collect::<Vec<_>>().join("\n"))
}

const RECORDED: &str = include_str!("../../tests/fixtures/slurm/22.05.txt");
const OLD: &str = include_str!("../../tests/fixtures/slurm/18.08.txt");
const NEW: &str = include_str!("../../tests/fixtures/slurm/24.11.txt");
const UNKNOWN: &str = include_str!("../../tests/fixtures/slurm/unknown.txt");

#[test]
fn answers_of_every_version_are_read_whole() {
    for (name, text) in [("22.05", RECORDED), ("18.08", OLD), ("24.11", NEW)] {
        let heard = heard(text);
        assert!(heard.whole && heard.notes.is_empty() && heard.queue_failed.is_none(), "{name}: {:?}", heard.notes);
        assert!(heard.version.as_ref().is_some_and(|version| version.contains(name)), "{name}");
        let count = |begins: &str| text.lines().filter(|line| line.starts_with(begins)).count();
        assert_eq!(heard.queue.len(), count("J|"), "{name}: no job is left out");
        assert!(heard.queue.iter().all(|queued| state(&queued.job.state).is_some()), "{name}");
        assert!(!heard.nodes.is_empty() && !heard.partitions.is_empty(), "{name}");
    }
}

#[test]
fn what_versions_write_otherwise_is_the_same() {
    let old = heard(OLD);
    let [train, odd, sweep, _] = &old.queue[..] else { panic!("{:?}", old.queue) };
    assert_eq!((train.job.gres.as_str(), train.job.nodes, train.comment.as_str()), ("gpu:2", 2, "(null)"));
    assert_eq!(
        (odd.job.name.as_str(), odd.job.nodes, odd.job.why.as_str()),
        ("odd   name", 1, "nothing free fits what it asks for; it is first in line")
    );
    assert_eq!((sweep.job.id.as_str(), sweep.job.starts), ("103_[4-7]", None));
    assert_eq!(
        (old.nodes[2].reason.as_str(), old.nodes[2].memory_mib, old.nodes[0].reason.as_str()),
        ("bad disk", 16000, "")
    );
    assert_eq!(old.ended["104"], ("CANCELLED by 1000".to_owned(), Some(143)));
    let new = heard(NEW);
    assert_eq!(new.queue[0].job.why, "a node that it asks for is down, drained or reserved (UnavailableNodes:g[01-04])");
    assert_eq!((new.nodes[0].state.as_str(), new.nodes[0].cpus), ("planned", [0, 128, 0, 128]));
}

#[test]
fn what_is_not_known_is_said_aloud_and_never_an_empty_list() {
    let heard = heard(UNKNOWN);
    assert_eq!(heard.queue.len(), 1, "the job of an unknown state is there");
    let notes = heard.notes.join("\n");
    for said in ["`MELTING`", "`J|2|2|PENDING", "`Z|something|new`", "Invalid field requested"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(!read("V\u{1f}slurm 22").whole, "an answer that was cut is not whole");
    let failed = read("F\u{1f}squeue\u{1f}squeue: error: Unable to contact slurm controller\nE\u{1f}");
    assert_eq!(failed.queue_failed.as_deref(), Some("Unable to contact slurm controller"));
}
