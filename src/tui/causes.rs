//! Failed jobs by cause: how they ended, and what they said last. Pure; who shows them reads the last lines from the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::ids::{JobId, NodeId};
use crate::model::state::{ExecutionState, Job};
use crate::tui::shown::shown;

/// Longer last lines differ in what does not matter, and no window has room for them.
const SAID_CHARS_MAX: usize = 160;

/// Jobs that failed in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// How they ended: `exit 137`, `WallClockTimeExceeded`.
    pub end: String,
    /// What the first of them said last, or its error in words.
    pub said: String,
    /// Which, the oldest first.
    pub jobs: Vec<JobId>,
    /// The nodes on which they ran.
    pub nodes: BTreeSet<NodeId>,
}

/// Groups failed jobs, the largest group first. `said` has the last line of those whose log was read.
pub fn causes<'a>(jobs: impl Iterator<Item = &'a Arc<Job>>, said: &BTreeMap<JobId, String>) -> Vec<Cause> {
    let mut groups: BTreeMap<(String, String), Cause> = BTreeMap::new();
    for job in jobs.filter(|job| job.state == ExecutionState::Failed) {
        let end = end_of(job);
        let message = || job.last.errors.first().map(|error| error.message.clone()).unwrap_or_default();
        let words = said.get(&job.id).cloned().unwrap_or_else(message);
        let words: String = shown(&words).chars().take(SAID_CHARS_MAX).collect();
        let fresh = || Cause { end: end.clone(), said: words.clone(), jobs: Vec::new(), nodes: BTreeSet::new() };
        let group = groups.entry((end.clone(), alike(&words))).or_insert_with(fresh);
        group.jobs.push(job.id);
        group.nodes.extend(job.last.nodes.iter().copied());
    }
    let mut causes: Vec<Cause> = groups.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.jobs.len()));
    causes
}

fn end_of(job: &Job) -> String {
    match (job.last.errors.first().map(|error| error.code.as_str()), job.last.exit_code) {
        (Some("JobFailed") | None, Some(code)) => format!("exit {code}"),
        (Some(code), Some(exit)) => format!("{code}, exit {exit}"),
        (Some(code), None) => code.to_owned(),
        (None, None) => "failed".to_owned(),
    }
}

/// Returns a line without what differs from job to job: numbers, and words that have digits in them, as ids and paths do.
fn alike(line: &str) -> String {
    let word = |word: &str| if word.contains(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { word.to_lowercase() };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Returns the line that says why a process ended, out of the end of what it wrote: the last one that has words.
pub fn last_words(bytes: &[u8]) -> Option<String> {
    let lines = crate::model::shown::Shown::last_lines(bytes, LAST_LINES);
    let text = |line: &crate::model::shown::Shown| line.as_str().trim().to_owned();
    lines.iter().rev().map(text).find(|line| line.chars().any(char::is_alphabetic))
}

/// Among the last lines of a log, the last one with words is within so many.
const LAST_LINES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_numbers_are_alike() {
        assert_eq!(alike("CUDA out of memory at 0x7f31, 2.5 GiB"), alike("CUDA out of memory at 0x8aa0, 1.25 GiB"));
        assert_ne!(alike("no such file data.csv"), alike("permission denied data.csv"));
        assert_eq!(
            last_words(b"Traceback\n  File x\nValueError: bad shape 3\n\n---\n").as_deref(),
            Some("ValueError: bad shape 3")
        );
        assert_eq!(last_words(b"\n\n"), None);
    }
}
