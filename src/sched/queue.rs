//! Sets of jobs by number. Jobs are numbered in the order in which they come and mostly go in that order too, so a set of a
//! hundred thousand is a few runs, and takes no room for each.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::pool::QueuePlace;
use crate::model::ids::JobId;
use crate::model::spec::Priority;

/// A set of jobs in the order of their numbers. Each change costs a few steps in the map of its runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JobSet {
    /// The first and the last of each run; between two runs there is a gap.
    runs: BTreeMap<JobId, JobId>,
    len: usize,
}

impl JobSet {
    /// Returns how many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Says whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Says whether a job is among them.
    pub(super) fn contains(&self, id: JobId) -> bool {
        self.run_of(id).is_some()
    }

    /// Returns them in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = JobId> + '_ {
        self.runs.iter().flat_map(|(first, last)| (first.0..=last.0).map(JobId))
    }

    /// Takes a job up; says whether it was not there.
    pub(super) fn insert(&mut self, id: JobId) -> bool {
        if self.contains(id) {
            return false;
        }
        let last = self.runs.remove(&JobId(id.0.saturating_add(1))).unwrap_or(id);
        match self.runs.range_mut(..id).next_back() {
            Some((_, end)) if end.0 + 1 == id.0 => *end = last,
            _ => drop(self.runs.insert(id, last)),
        }
        self.len += 1;
        true
    }

    /// Takes a job out; says whether it was there.
    pub(super) fn remove(&mut self, id: JobId) -> bool {
        let Some((first, last)) = self.run_of(id) else { return false };
        match first == id {
            true => drop(self.runs.remove(&first)),
            false => drop(self.runs.insert(first, JobId(id.0 - 1))),
        }
        if id < last {
            self.runs.insert(JobId(id.0 + 1), last);
        }
        self.len -= 1;
        true
    }

    fn run_of(&self, id: JobId) -> Option<(JobId, JobId)> {
        let (first, last) = self.runs.range(..=id).next_back()?;
        (*last >= id).then_some((*first, *last))
    }
}

/// Waiting jobs in the order in which they are looked at: by priority, then as they were submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    /// None of them is empty.
    of: BTreeMap<Reverse<Priority>, JobSet>,
}

impl Queue {
    /// Returns how many wait.
    pub(super) fn len(&self) -> usize {
        self.of.values().map(JobSet::len).sum()
    }

    /// Says whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Says whether a job waits at this place.
    pub(super) fn contains(&self, (priority, id): &QueuePlace) -> bool {
        self.of.get(priority).is_some_and(|jobs| jobs.contains(*id))
    }

    /// Returns the first place.
    pub(super) fn first(&self) -> Option<QueuePlace> {
        self.iter().next()
    }

    /// Returns all places in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = QueuePlace> + '_ {
        self.of.iter().flat_map(|(priority, jobs)| jobs.iter().map(|id| (*priority, id)))
    }

    /// Puts a job in; says whether it was not there.
    pub(super) fn insert(&mut self, (priority, id): QueuePlace) -> bool {
        self.of.entry(priority).or_default().insert(id)
    }

    /// Takes a job out; says whether it was there.
    pub(super) fn remove(&mut self, (priority, id): &QueuePlace) -> bool {
        let Some(jobs) = self.of.get_mut(priority) else { return false };
        let was = jobs.remove(*id);
        if jobs.is_empty() {
            self.of.remove(priority);
        }
        was
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_what_a_set_is(acts in prop::collection::vec((any::<bool>(), 0..24_u64), 0..200)) {
            let (mut jobs, mut set) = (JobSet::default(), BTreeSet::new());
            for (takes_up, id) in acts {
                let id = JobId(id);
                match takes_up {
                    true => prop_assert_eq!(jobs.insert(id), set.insert(id)),
                    false => prop_assert_eq!(jobs.remove(id), set.remove(&id)),
                }
                prop_assert!(jobs.iter().eq(set.iter().copied()));
                prop_assert_eq!((jobs.len(), jobs.is_empty()), (set.len(), set.is_empty()));
                prop_assert!((0..25).map(JobId).all(|id| jobs.contains(id) == set.contains(&id)));
                let mut again = JobSet::default();
                prop_assert!(set.iter().rev().all(|id| again.insert(*id)));
                prop_assert_eq!(&again, &jobs, "it is the same however it came to be");
            }
        }
    }

    #[test]
    fn a_queue_is_by_priority_and_then_by_number() {
        let mut queue = Queue::default();
        let place = |priority, id| (Reverse(priority), JobId(id));
        for (priority, id) in [(Priority::Low, 1), (Priority::High, 4), (Priority::Normal, 3), (Priority::High, 2)] {
            assert!(queue.insert(place(priority, id)) && !queue.insert(place(priority, id)));
        }
        assert_eq!(queue.iter().map(|(_, id)| id.0).collect::<Vec<_>>(), [2, 4, 3, 1]);
        assert!(!queue.remove(&place(Priority::Low, 2)) && queue.remove(&place(Priority::High, 2)));
        assert!(queue.contains(&place(Priority::Low, 1)) && !queue.contains(&place(Priority::High, 2)));
        assert_eq!((queue.len(), queue.first()), (3, Some(place(Priority::High, 4))));
        for (priority, id) in [(Priority::High, 4), (Priority::Normal, 3), (Priority::Low, 1)] {
            assert!(queue.remove(&place(priority, id)));
        }
        assert_eq!(queue, Queue::default());
    }
}
