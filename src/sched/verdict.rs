//! What the end of one process means for a going attempt. Pure.

use super::job::job_error;
use crate::model::ids::{Rank, RankRole};
use crate::model::state::{Job, JobError, Node, Proof, RankState, StopWhy};

/// The published exit code of a job whose launch never happened (reference §6.7).
pub(super) const NEVER_LAUNCHED: i32 = -1;

/// What the end of one process means for a going attempt.
pub(super) enum Verdict {
    /// It goes on.
    GoesOn,
    /// The job has failed: its code, when this was an end of its own; what went wrong; why the others are stopped.
    Failed(Option<i32>, JobError, StopWhy),
    /// It was not the job's doing: it is put back, or has failed with this error when that was done too often.
    PutBack(JobError),
}

/// Returns the error of a job that ran out of time.
pub(super) fn over_time_error(job: &Job) -> JobError {
    let limit = job.spec.constraints.max_wall_clock_time;
    job_error("WallClockTimeExceeded", format!("Job ran longer than its maxWallClockTime of {limit}"))
}

/// Judges a proof of a process of a going attempt; `was` is how far it was believed to be.
pub(super) fn judge(job: &Job, rank: Rank, node: Option<&Node>, was: &RankState, proof: &Proof) -> Verdict {
    let name = node.map(|node| node.name.as_str());
    let on = name.map_or_else(|| "a node that is gone".to_owned(), |name| format!("node {name}"));
    match proof {
        Proof::Exit { why: Some(StopWhy::Limit), .. } => Verdict::Failed(None, over_time_error(job), StopWhy::Limit),
        Proof::Exit { code, why: None } => judge_exit(rank, *code, &on),
        Proof::Told { code, words } => match rank.role {
            RankRole::Setup => set_up_failed(words, name.unwrap_or_default()),
            RankRole::Prepare | RankRole::Main | RankRole::Daemon | RankRole::Cleanup => {
                match judge_exit(rank, *code, &on) {
                    Verdict::Failed(code, error, why) => {
                        let message = format!("{}: {words}", error.message);
                        Verdict::Failed(code, JobError { message, ..error }, why)
                    }
                    other @ (Verdict::GoesOn | Verdict::PutBack(_)) => other,
                }
            }
        },
        Proof::Exit { code, why: Some(_) } if decides(rank) => Verdict::PutBack(job_error(
            "AttemptLost",
            format!("Process {rank} on {on} was stopped there with code {code}, though nobody asked for it"),
        )),
        Proof::Exit { why: Some(_), .. } => Verdict::GoesOn,
        Proof::Fenced => not_started(rank, &on, "its start lock was taken"),
        Proof::Refused { why, code: Some(code) } if decides(rank) => Verdict::Failed(
            None,
            job_error(code, format!("Process {rank} on {on} was not started: {why}")),
            StopWhy::Sibling,
        ),
        Proof::Refused { why, .. } => not_started(rank, &on, why),
        Proof::Judged { code, why, again: true } => Verdict::PutBack(job_error(code, why.as_str())),
        Proof::Judged { code, why, again: false } => Verdict::Failed(None, job_error(code, why.as_str()), StopWhy::Sibling),
        Proof::Lost { why } => match was {
            _ if !decides(rank) => Verdict::GoesOn,
            RankState::Starting { .. } => not_started(rank, &on, why),
            RankState::Running | RankState::Stopping { .. } | RankState::Gone(_) => {
                Verdict::PutBack(job_error("AttemptLost", format!("Process {rank} on {on} was lost: {why}")))
            }
        },
        Proof::Rebooted { .. } => Verdict::PutBack(job_error("AttemptLost", format!("{on} was rebooted"))),
        Proof::MachineGone => Verdict::PutBack(job_error("AttemptLost", format!("The machine of {on} is gone"))),
        Proof::DeclaredDead { by } => Verdict::PutBack(job_error("AttemptLost", format!("{by} declared {on} dead"))),
    }
}

/// Says whether the end of this process decides about its attempt.
fn decides(rank: Rank) -> bool {
    match rank.role {
        RankRole::Setup | RankRole::Prepare | RankRole::Main => true,
        RankRole::Daemon | RankRole::Cleanup => false,
    }
}

fn judge_exit(rank: Rank, code: i32, on: &str) -> Verdict {
    match (rank.role, code) {
        (RankRole::Daemon | RankRole::Cleanup, _) | (RankRole::Main | RankRole::Prepare | RankRole::Setup, 0) => {
            Verdict::GoesOn
        }
        (RankRole::Main, code) => {
            let mut error = job_error("JobFailed", format!("Job failed with non-zero exit code {code}"));
            error.details = vec![("exitCode".into(), code.to_string()), ("process".into(), format!("{rank} on {on}"))];
            Verdict::Failed(Some(code), error, StopWhy::Sibling)
        }
        (RankRole::Prepare, code) => {
            let message = format!("Job preparation on {on} failed with exit code {code}");
            Verdict::Failed(Some(code), job_error("PreparationFailed", message), StopWhy::Sibling)
        }
        (RankRole::Setup, code) => {
            let message = format!("The set-up of {on} failed with exit code {code}");
            Verdict::Failed(Some(NEVER_LAUNCHED), job_error("SetupFailed", message), StopWhy::Sibling)
        }
    }
}

/// The set-up of a node says which step failed: `CODE DETAIL=VALUE MESSAGE`, where a blank of the value is `%20`.
fn set_up_failed(words: &str, node: &str) -> Verdict {
    let (code, detail, message) = told(words);
    let mut error = job_error(&code, message);
    error.details.extend(detail);
    error.details.push(("node".into(), node.to_owned()));
    Verdict::Failed(Some(NEVER_LAUNCHED), error, StopWhy::Sibling)
}

/// Takes the last words of a set-up or clean-up apart: code, one detail, message. Words of another form are the message.
pub(super) fn told(words: &str) -> (String, Option<(String, String)>, String) {
    let plain = || ("SetupFailed".to_owned(), None, words.to_owned());
    let Some((code, rest)) = words.split_once(' ') else { return plain() };
    let Some((detail, message)) = rest.split_once(' ') else { return plain() };
    let Some((name, value)) = detail.split_once('=') else { return plain() };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_word(code) || !is_word(name) {
        return plain();
    }
    let value = value.replace("%20", " ").replace("%25", "%");
    (code.to_owned(), Some((name.to_owned(), value)), message.to_owned())
}

fn not_started(rank: Rank, on: &str, why: &str) -> Verdict {
    match decides(rank) {
        false => Verdict::GoesOn,
        true => Verdict::PutBack(job_error("LaunchFailed", format!("Process {rank} could not be started on {on}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_code_detail_and_message() {
        let mount = "AZFMountError targetPath=/a%20b/100%25 Unable to mount: denied";
        let detail = ("targetPath".to_owned(), "/a b/100%".to_owned());
        assert_eq!(told(mount), ("AZFMountError".into(), Some(detail), "Unable to mount: denied".into()));
        for odd in ["", "one", "two words", "a b c", "a! x=1 c"] {
            assert_eq!(told(odd), ("SetupFailed".into(), None, odd.into()), "{odd}");
        }
    }
}
