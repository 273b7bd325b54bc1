//! What is submitted in one round: jobs by themselves, and arrays of members that start together. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::RankKey;
use crate::model::launch::{Batch, Launch};
use crate::model::spec::SecretSource;
use crate::slurm::{folder, text};
use crate::transport::frame::quote_into;

/// How many jobs are submitted by themselves in one round: at some 0.1 s each they end well within the time of an answer.
const SUBMITS_AT_ONCE: usize = 64;
/// How many members of arrays are: their folders are made at some 5 ms each.
const MEMBERS_AT_ONCE: usize = 2000;

/// A start that is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due<'a> {
    /// Of which process.
    pub(super) key: RankKey,
    /// What is asked for.
    pub(super) batch: &'a Batch,
    /// Whether it was tried before, as a member of an array of which nothing was heard.
    pub(super) tried: bool,
}

/// One submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Submission {
    /// Of one job.
    One(RankKey),
    /// Of an array of these.
    Array(Vec<RankKey>),
}

/// Parts starts into submissions. `array_max` is how many members one array may have.
pub(super) fn submissions(due: &[Due<'_>], array_max: u32) -> Vec<Submission> {
    let mut ones = Vec::new();
    let mut groups: BTreeMap<(&str, &[String]), Vec<Due<'_>>> = BTreeMap::new();
    for start in due {
        match &start.batch.array {
            Some(array) if !start.tried => groups.entry((&array.of, &start.batch.options)).or_default().push(*start),
            Some(_) | None => ones.push(start.key),
        }
    }
    let (mut arrays, mut capped) = (Vec::new(), BTreeSet::new());
    let unsure =
        |of: &str| due.iter().any(|start| start.tried && start.batch.array.as_ref().is_some_and(|array| array.of == of));
    for ((of, _), members) in groups {
        let has_cap =
            members.iter().any(|start| start.batch.array.as_ref().is_some_and(|array| array.running_max.is_some()));
        let keys: Vec<RankKey> = members.iter().map(|start| start.key).collect();
        let mut parts = keys.chunks(array_max.max(1) as usize);
        if !has_cap {
            let (alone, together): (Vec<_>, Vec<_>) = parts.partition(|keys| keys.len() == 1);
            ones.extend(alone.concat());
            arrays.extend(together.into_iter().map(<[RankKey]>::to_vec));
        } else if !unsure(of) && capped.insert(of) {
            // One at a time: what comes after which has to be known, so that together they keep the cap.
            arrays.extend(parts.next().map(<[RankKey]>::to_vec));
        }
    }
    ones.sort_unstable();
    let mut members = 0;
    let arrays = arrays.into_iter().take_while(|keys| {
        let first = members == 0;
        members += keys.len();
        first || members <= MEMBERS_AT_ONCE
    });
    ones.into_iter().take(SUBMITS_AT_ONCE).map(Submission::One).chain(arrays.map(Submission::Array)).collect()
}

/// Makes the words of a submission: its script, its secrets, and the directories that it needs.
pub(super) fn submission(root: &str, key: RankKey, launch: &Launch) -> Result<(String, String, String), String> {
    let script = text(root, key, launch)?;
    let mut secrets = String::new();
    for secret in &launch.secrets {
        let SecretSource::Given(value) = &secret.source else {
            return Err(format!("the secret `{}` has no value", secret.name));
        };
        if value.reveal().contains('\0') {
            return Err(format!("the value of the secret `{}` holds a NUL", secret.name));
        }
        secrets.push_str(&format!("export {}=", secret.name));
        quote_into(&mut secrets, value.reveal());
        secrets.push('\n');
    }
    let mut dirs = String::new();
    let logs = launch.stdout.rsplit_once('/').map(|(dir, _)| dir.to_owned());
    for dir in logs.into_iter().chain([folder(root, key)]) {
        quote_into(&mut dirs, &dir);
        dirs.push(' ');
    }
    Ok((script, secrets, dirs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{Attempt, JobId, Rank};
    use crate::model::launch::BatchArray;

    fn key(job: u64) -> RankKey {
        RankKey { job: JobId(job), attempt: Attempt(1), rank: Rank::main(0) }
    }

    fn batch(of: &str, option: &str, running_max: Option<u32>) -> Batch {
        let array = BatchArray { of: of.into(), name: "x".into(), running_max };
        Batch { options: vec![option.into()], array: Some(array).filter(|_| !of.is_empty()), nodes: 1, ..Batch::default() }
    }

    /// What becomes of starts: of which array, with which option and cap, whether it was tried.
    fn parted(starts: &[(&str, &str, Option<u32>, bool)], array_max: u32) -> String {
        let batches: Vec<Batch> = starts.iter().map(|(of, option, cap, _)| batch(of, option, *cap)).collect();
        let due = (1..).zip(&batches).zip(starts);
        let due: Vec<Due<'_>> = due.map(|((job, batch), start)| Due { key: key(job), batch, tried: start.3 }).collect();
        let words = submissions(&due, array_max).into_iter().map(|one| match one {
            Submission::One(key) => key.job.0.to_string(),
            Submission::Array(keys) => format!("{:?}", keys.iter().map(|key| key.job.0).collect::<Vec<_>>()),
        });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn members_that_are_alike_are_one_array() {
        let s1 = ("s1", "--a", None, false);
        let other = ("s1", "--b", None, false);
        assert_eq!(parted(&[s1, ("", "--a", None, false), s1, other, ("a9", "--a", None, false)], 10), "2 4 5 [1, 3]");
        assert_eq!(parted(&[s1, s1, s1, s1, s1], 2), "5 [1, 2] [3, 4]");
        assert_eq!(parted(&[s1, s1, s1], 1), "1 2 3", "where a site has no arrays");
        assert_eq!(parted(&[("s1", "--a", None, true), s1, s1], 10), "1 [2, 3]", "what was tried is asked for by itself");
    }

    #[test]
    fn of_a_capped_array_one_part_is_submitted_at_a_time() {
        let capped = ("s1", "--a", Some(2), false);
        assert_eq!(parted(&[capped, capped, capped], 10), "[1, 2, 3]");
        assert_eq!(parted(&[capped, capped, capped], 2), "[1, 2]");
        assert_eq!(parted(&[capped, ("s1", "--b", Some(2), false), ("s2", "--a", Some(2), false)], 10), "[1] [3]");
        assert_eq!(parted(&[capped, ("s1", "--a", Some(2), true), capped], 10), "2", "what may run already is known first");
    }

    #[test]
    fn a_round_has_an_end() {
        let alone = [("", "", None, false); 100];
        assert_eq!(parted(&alone, 10).split(' ').count(), SUBMITS_AT_ONCE);
        let members = [("s1", "", None, false); 3000];
        let due = parted(&members, 1001);
        assert_eq!(due.matches('[').count(), 1, "one array more would be too much for the time of an answer");
    }
}
