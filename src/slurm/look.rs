//! What a look at the queue and the records says of each process. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::ids::RankKey;
use crate::model::names::expand_hosts;
use crate::model::state::{Away, Proof, StopWhy};
use crate::model::units::Millis;
use crate::slurm::parse::{Heard, Queued, Record};
use crate::slurm::words::{Over, State, state};
use crate::slurm::{COMMENT_BEGINS, array_comment, comment};

/// A start that is expected so much later or earlier is worth telling.
const STARTS_MOVED_MIN: Millis = Millis::from_mins(1);
/// The most members that one line of a queue is taken for: the largest `MaxArraySize` that Slurm has.
const MEMBERS_MAX: u32 = 4_000_001;

/// What a look says of one process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing yet.
    Nothing,
    /// It waits.
    Waits,
    /// It runs.
    Runs,
    /// It is over.
    Gone(Proof),
    /// It is over or gone, and Slurm has to be asked for how.
    AskHow(String),
}

/// Our part of the queue, by number and by comment.
pub(super) struct Queue<'a> {
    numbers: BTreeMap<String, &'a Queued>,
    comments: BTreeMap<&'a str, &'a Queued>,
}

impl<'a> Queue<'a> {
    pub(super) fn of(heard: &'a Heard) -> Self {
        let ours = || heard.queue.iter().filter(|queued| queued.comment.starts_with(COMMENT_BEGINS));
        Self {
            numbers: ours().flat_map(|queued| numbers(&queued.job.id).into_iter().map(move |id| (id, queued))).collect(),
            // Of two with one comment the later number is kept here; the owner is found by its number.
            comments: ours().map(|queued| (queued.comment.as_str(), queued)).collect(),
        }
    }

    /// Finds the line of one process.
    pub(super) fn find(&self, record: &Record, whose: &str, key: RankKey) -> Option<&'a Queued> {
        let number = record.owner.as_deref().or(record.id.as_deref());
        let comment = match &record.array {
            Some(folder) => array_comment(whose, folder),
            None => comment(whose, key),
        };
        // A controller that was killed forgets the jobs of its last seconds, and gives their numbers to others.
        let by_number = number.and_then(|number| self.numbers.get(number)).filter(|queued| queued.comment == comment);
        // All members of an array have one comment.
        let by_comment = || self.comments.get(comment.as_str()).filter(|_| record.array.is_none());
        by_number.or_else(by_comment).copied()
    }
}

/// Returns the numbers that a line of the queue is about: `103` is one, `103_[1-3,7%2]` are four.
fn numbers(id: &str) -> Vec<String> {
    let Some((base, list)) = id.split_once("_[").and_then(|(base, rest)| Some((base, rest.strip_suffix(']')?))) else {
        return vec![id.to_owned()];
    };
    let list = list.split('%').next().unwrap_or_default();
    let indexes = list.split(',').flat_map(|part| {
        let (range, step) = part.split_once(':').unwrap_or((part, "1"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let bounds: Option<(u32, u32)> = first.parse().ok().zip(last.parse().ok());
        let step = step.parse().unwrap_or(1_usize).max(1);
        bounds.into_iter().flat_map(move |(first, last)| (first..=last.min(first.saturating_add(MEMBERS_MAX))).step_by(step))
    });
    indexes.map(|index| format!("{base}_{index}")).collect()
}

/// Concludes how a process is. `how` is what Slurm said when it was asked how the job ended; `None` when it was not asked.
pub(super) fn sight(
    record: &Record,
    queued: Option<&Queued>,
    stop: Option<StopWhy>,
    how: Option<Option<&(String, Option<i32>)>>,
) -> Sight {
    if let Some(why) = &record.refused {
        return Sight::Gone(refused(format!("Slurm refused the job: {why}")));
    }
    if record.fenced {
        return Sight::Gone(Proof::Fenced);
    }
    let number = record.owner.as_ref().or(record.id.as_ref());
    match (queued.and_then(|queued| state(&queued.job.state)), number) {
        (Some(State::Waits), _) => Sight::Waits,
        (Some(State::Runs), _) => Sight::Runs,
        // What was told to end is perhaps put back, of which there is no word while its nodes are tidied up.
        (Some(State::Completes), _) => match record.exit.filter(|code| !record.told && *code < SIGNALLED) {
            Some(code) => Sight::Gone(ended(Over::Well, Some(code), stop)),
            None => Sight::Runs,
        },
        (Some(State::Over(Over::Failed)), Some(number)) if record.exit.is_none() => match how {
            Some(Some((_, code @ Some(_)))) => Sight::Gone(ended(Over::Failed, *code, stop)),
            _ => Sight::AskHow(number.clone()),
        },
        (Some(State::Over(over)), _) => Sight::Gone(ended(over, record.exit, stop)),
        // A state that is not known is said aloud by who read it; until it changes nothing is concluded.
        (None, _) if queued.is_some() => Sight::Nothing,
        (None, Some(number)) => match (record.exit, how) {
            (Some(code), _) => Sight::Gone(ended(Over::Well, Some(code), stop)),
            (None, Some(Some((word, code)))) => match state(word) {
                Some(State::Over(over)) => Sight::Gone(ended(over, *code, stop)),
                Some(State::Waits | State::Runs | State::Completes) | None => Sight::AskHow(number.clone()),
            },
            (None, _) => Sight::AskHow(number.clone()),
        },
        (None, None) => Sight::Nothing,
    }
}

/// Returns the proof of a job that is over.
fn ended(over: Over, code: Option<i32>, stop: Option<StopWhy>) -> Proof {
    let judged = |code: &str, why: &str, again: bool| Proof::Judged { code: code.into(), why: why.into(), again };
    match (over, code, stop) {
        (Over::Well | Over::Failed, Some(code), None) => Proof::Exit { code, why: None },
        (Over::Well, None, None) => Proof::Exit { code: 0, why: None },
        (_, code, Some(why)) => Proof::Exit { code: code.unwrap_or(TERMINATED), why: Some(why) },
        (Over::Failed, None, None) => judged("JobFailed", "Slurm says that it failed, and knows no exit code", false),
        (Over::TimeLimit, ..) => judged("WallClockTimeExceeded", "Slurm ended it at its time limit", false),
        (Over::Cancelled, ..) => judged("JobTerminated", "it was cancelled in Slurm", false),
        (Over::NodeFail, ..) => judged("AttemptLost", "a node of it failed in Slurm", true),
        (Over::Preempted, ..) => judged("AttemptLost", "Slurm took its nodes for a job of a higher priority", true),
        (Over::OutOfMemory, ..) => judged("OutOfMemory", "it used more memory than it asked for, and Slurm ended it", false),
        (Over::Deadline, ..) => judged("JobTerminated", "it could not end before its deadline", false),
    }
}

/// What a shell says of a process that TERM ended.
const TERMINATED: i32 = 143;
/// From here on an exit code says that a signal ended the process.
const SIGNALLED: i32 = 128;

pub(super) fn refused(why: String) -> Proof {
    Proof::Judged { code: "LaunchFailed".to_owned(), why, again: false }
}

pub(super) fn away_of(record: &Record, queued: Option<&Queued>, sight: &Sight) -> Arc<Away> {
    let theirs = record.owner.as_ref().or(record.id.as_ref()).cloned();
    let waits = matches!(sight, Sight::Waits | Sight::Nothing);
    Arc::new(match queued {
        None => Away { theirs: theirs.unwrap_or_default(), waits, ..Away::default() },
        Some(Queued { job, .. }) => Away {
            theirs: theirs.unwrap_or_else(|| job.id.clone()),
            waits,
            word: job.state.clone(),
            why: if waits { job.why.clone() } else { String::new() },
            starts: job.starts.filter(|_| waits),
            nodes: match job.on.as_str() {
                "" => Vec::new(),
                on => expand_hosts(on).unwrap_or_else(|_| vec![on.to_owned()]),
            },
            place: job.partition.clone(),
            restarts: 0,
            held: waits && job.reason.starts_with("JobHeld"),
        },
    })
}

/// Says whether nothing of it is worth telling again: an expected start moves by seconds with every look.
pub(super) fn same(before: &Away, now: &Away) -> bool {
    let near = match (before.starts, now.starts) {
        (Some(before), Some(now)) => before.0.abs_diff(now.0) < STARTS_MOVED_MIN.0,
        (before, now) => before == now,
    };
    near && Away { starts: None, ..before.clone() } == Away { starts: None, ..now.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_array_is_about_all_that_it_names() {
        for (id, expected) in [
            ("103", "103"),
            ("103_4", "103_4"),
            ("103_[4-6]", "103_4 103_5 103_6"),
            ("103_[0-1,7%2]", "103_0 103_1 103_7"),
            ("103_[0-8:4]", "103_0 103_4 103_8"),
            ("103_[x]", ""),
        ] {
            assert_eq!(numbers(id).join(" "), expected, "{id}");
        }
    }
}
