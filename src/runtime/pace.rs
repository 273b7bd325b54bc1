//! When a turn begins. A turn costs a commit whatever it holds, so news that nobody waits for shares one.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::ids::JobId;
use crate::runtime::engine::Input;
use crate::transport::Report;

/// How long news that nobody waits for may wait for a commit that it can share, and how far apart the turns of ends are once
/// they come thick: a trivial job costs some 0.6 CPU-ms in a turn of its own and 0.16 in one with nine others, an eye sees
/// nothing shorter than this, and the slots have the next jobs of their lines meanwhile.
pub const GAP: Duration = Duration::from_millis(10);
/// How many turns of ends may come sooner than that after a quiet time, so that few jobs are followed by what waits for
/// their places at once.
pub const BURST: u32 = 8;

/// How long an input may wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Nothing hangs on it: a start, known already by who waits for the end, and the node's word that it has cleaned up.
    Unheard,
    /// Something may start by it: an end that nobody waits for.
    End,
    /// Somebody waits for it.
    Now,
}

/// What there is may wait for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Until then.
    pub until: Instant,
    /// Further reports are not looked at before: they come thick, and to be woken by each costs more than to take it. One that
    /// somebody waits for is late by a gap at most.
    pub deaf: bool,
}

/// Spreads the turns.
#[derive(Debug)]
pub struct Pace {
    /// What waits: since when, how much of what was taken it is, and the most urgent of it.
    waiting: Option<(Instant, usize, Urgency)>,
    /// When the next turn of ends would be if they were all [`GAP`] apart.
    even: Instant,
}

impl Pace {
    /// Returns a pace after a quiet time.
    pub fn new(now: Instant) -> Self {
        Self { waiting: None, even: now }
    }

    /// Returns how long the turn of these inputs may wait for more of them; `None` when it is due. `taken` may only grow until
    /// [`Pace::turned`]; `awaited` says whether anybody waits for a job's end.
    pub fn wait(&mut self, taken: &[Input], awaited: impl Fn(JobId) -> bool, now: Instant) -> Option<Wait> {
        let (since, looked, before) = self.waiting.unwrap_or((now, 0, Urgency::Unheard));
        let urgency = taken.iter().skip(looked).map(|input| urgency(input, &awaited)).fold(before, Urgency::max);
        self.waiting = Some((since, taken.len(), urgency));
        let until = match urgency {
            _ if taken.is_empty() => return None,
            Urgency::Unheard => since + GAP,
            Urgency::End => self.even.checked_sub(GAP * BURST)?,
            Urgency::Now => return None,
        };
        (now < until).then_some(Wait { until, deaf: urgency == Urgency::End })
    }

    /// Notes that a turn of what was taken begins.
    pub fn turned(&mut self, now: Instant) {
        if let Some((_, _, Urgency::End)) = self.waiting.take() {
            self.even = self.even.max(now) + GAP;
        }
    }
}

fn urgency(input: &Input, awaited: impl Fn(JobId) -> bool) -> Urgency {
    match input {
        Input::Report(_, Report::Started { .. } | Report::Done { .. }) => Urgency::Unheard,
        Input::Report(_, Report::Gone { key, .. }) if !awaited(key.job) => Urgency::End,
        _ => Urgency::Now,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::ids::{Attempt, EffectId, NodeId, Rank, RankKey};
    use crate::model::state::Proof;

    fn done() -> Input {
        Input::Report(NodeId(1), Report::Done { effect: EffectId(1) })
    }

    fn gone(job: u64) -> Input {
        let key = RankKey { job: JobId(job), attempt: Attempt(1), rank: Rank::main(0) };
        Input::Report(NodeId(1), Report::Gone { key, effect: None, proof: Proof::Fenced })
    }

    fn nobody(_: JobId) -> bool {
        false
    }

    #[test]
    fn news_waits_for_one_gap_from_the_first() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let heard = Wait { until: start + GAP, deaf: false };
        assert_eq!(pace.wait(&[done()], nobody, start), Some(heard));
        let later = start + GAP / 2;
        assert_eq!(pace.wait(&[done(), done()], nobody, later), Some(heard), "the first counts");
        assert_eq!(pace.wait(&[done(), done()], nobody, start + GAP), None);
        assert_eq!(pace.wait(&[], nobody, start), None, "nothing waits");
    }

    #[test]
    fn few_ends_have_turns_of_their_own_and_many_share_them() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut turns = Vec::new();
        let mut waiting = Vec::new();
        for milli in 0..1_000 {
            let now = start + Duration::from_millis(milli);
            waiting.push(gone(milli));
            if pace.wait(&waiting, nobody, now).is_none() {
                pace.turned(now);
                turns.push(std::mem::take(&mut waiting).len());
            }
        }
        assert_eq!(turns[..BURST as usize], [1; BURST as usize], "after a quiet time");
        assert!(turns[BURST as usize + 2..].iter().all(|n| *n == 10), "one in a gap: {turns:?}");
        let quiet = start + Duration::from_secs(2);
        assert_eq!(pace.wait(&[gone(7)], nobody, quiet), None, "and again after a quiet time");
    }

    #[test]
    fn an_end_that_somebody_waits_for_and_whatever_else_is_due_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 0..100 {
            pace.wait(&[gone(1)], nobody, start);
            pace.turned(start);
        }
        assert!(pace.wait(&[gone(1), done()], nobody, start).is_some_and(|wait| wait.deaf));
        assert_eq!(pace.wait(&[gone(1), done(), gone(2)], |job| job == JobId(2), start), None);
        pace.turned(start);
        assert_eq!(pace.wait(&[done(), Input::HostsFile(crate::model::ids::ClusterId(1))], nobody, start), None);
    }
}
