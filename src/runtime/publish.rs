//! Tells subscribers what changed: at most [`PUBLISH_EVERY`], nothing when nothing changed. A subscriber that falls
//! behind gets the whole picture instead of what it missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use crate::model::snapshot::{Change, RowKey, Snapshot, Update};

/// The least time between two updates: thirty redraws a second are all that an eye wants.
pub const PUBLISH_EVERY: Duration = Duration::from_millis(33);

struct Subscriber {
    updates: mpsc::Sender<Arc<Update>>,
    /// It missed something: the next one is whole.
    behind: bool,
}

/// Gathers changes and hands them out.
pub struct Publisher {
    subscribers: Vec<Subscriber>,
    pending: BTreeMap<RowKey, Change>,
    /// When the next update may go out.
    next: Instant,
}

impl Publisher {
    /// Returns a publisher that has told nobody anything yet; its first update may go out at `now`.
    pub fn new(now: Instant) -> Self {
        Self { subscribers: Vec::new(), pending: BTreeMap::new(), next: now }
    }

    /// Adds a subscriber and gives it the whole picture.
    pub fn subscribe(&mut self, updates: mpsc::Sender<Arc<Update>>, now: &Snapshot) {
        // What is pending is in the picture already; hearing it twice is harmless, since changes say what is so.
        let behind = updates.try_send(Arc::new(now.as_update())).is_err();
        self.subscribers.push(Subscriber { updates, behind });
    }

    /// Says whether anybody is told.
    pub fn is_watched(&self) -> bool {
        !self.subscribers.is_empty()
    }

    /// Adds what changed.
    pub fn add(&mut self, changes: BTreeMap<RowKey, Change>) {
        if !self.subscribers.is_empty() {
            self.pending.extend(changes);
        }
    }

    /// Returns when something is to be told.
    pub fn due(&self) -> Option<Instant> {
        let owed = !self.pending.is_empty() || self.subscribers.iter().any(|s| s.behind);
        owed.then_some(self.next)
    }

    /// Tells what is pending, if it is time.
    pub fn flush(&mut self, now: &Snapshot, at: Instant) {
        if self.due().is_some_and(|due| due <= at) {
            self.next = at + PUBLISH_EVERY;
            self.flush_now(now);
        }
    }

    /// Tells what is pending.
    pub fn flush_now(&mut self, now: &Snapshot) {
        let changes: Vec<Change> = std::mem::take(&mut self.pending).into_values().collect();
        let update = (!changes.is_empty())
            .then(|| Arc::new(Update { seq: now.seq, epoch: now.epoch, at: now.at, whole: false, changes }));
        let mut whole: Option<Arc<Update>> = None;
        self.subscribers.retain_mut(|subscriber| {
            let message = match (subscriber.behind, &update) {
                (true, _) => whole.get_or_insert_with(|| Arc::new(now.as_update())).clone(),
                (false, Some(update)) => update.clone(),
                (false, None) => return !subscriber.updates.is_closed(),
            };
            match subscriber.updates.try_send(message) {
                Ok(()) => subscriber.behind = false,
                Err(TrySendError::Full(_)) => subscriber.behind = true,
                Err(TrySendError::Closed(_)) => return false,
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::WorkspaceId;

    fn gone(id: u64) -> BTreeMap<RowKey, Change> {
        let key = RowKey::Workspace(WorkspaceId(id));
        BTreeMap::from([(key, Change::Gone(key))])
    }

    #[tokio::test]
    async fn a_slow_subscriber_gets_a_whole_picture() {
        let picture = Snapshot::default();
        let mut publisher = Publisher::new(Instant::now());
        let (updates, mut receiver) = mpsc::channel(1);
        publisher.subscribe(updates, &picture);
        publisher.add(gone(1));
        publisher.flush_now(&picture);
        assert!(receiver.recv().await.unwrap().whole);
        publisher.flush_now(&picture);
        assert!(receiver.recv().await.unwrap().whole, "what it missed is made good by a whole one");
        publisher.add(gone(2));
        publisher.flush_now(&picture);
        assert_eq!(receiver.recv().await.unwrap().changes.len(), 1);
        drop(receiver);
        publisher.add(gone(3));
        publisher.flush_now(&picture);
        assert!(publisher.subscribers.is_empty());
    }

    #[tokio::test]
    async fn what_changed_is_told_when_it_is_due() {
        let picture = Snapshot::default();
        let mut publisher = Publisher::new(Instant::now());
        let (updates, mut receiver) = mpsc::channel(8);
        publisher.subscribe(updates, &picture);
        assert!(receiver.recv().await.is_some_and(|update| update.whole));
        for _ in 0..2 {
            publisher.add(gone(1));
            let due = publisher.due().expect("something is owed");
            publisher.flush(&picture, due - Duration::from_nanos(1));
            assert!(receiver.try_recv().is_err(), "not before it is due");
            publisher.flush(&picture, due);
            assert_eq!(receiver.try_recv().map(|update| update.changes.len()).ok(), Some(1));
            assert_eq!(publisher.due(), None);
        }
    }

    #[test]
    fn nothing_is_due_when_nothing_changed() {
        let mut publisher = Publisher::new(Instant::now());
        assert_eq!(publisher.due(), None);
        publisher.add(gone(1));
        assert_eq!(publisher.due(), None, "nobody listens");
    }
}
