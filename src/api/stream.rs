//! The last piece of a stream's way in a client: from the connection, which must never wait, to a front end, which may
//! be slow. Between them stands a place that holds a bounded amount, whatever comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::wire::Merged;
use crate::model::request::LogDelta;
use crate::model::snapshot::Update;
use crate::model::task::TaskNews;
use crate::runtime::call::DELTAS_WAITING_MAX;

/// What waits between a connection and a front end.
pub(super) trait Waiting: Default + Send + 'static {
    /// What is put in.
    type In;
    /// What comes out.
    type Out: Send + 'static;
    /// Adds one; what there is no room for is merged or counted.
    fn put(&mut self, piece: Self::In);
    /// Takes the next one.
    fn next(&mut self) -> Option<Self::Out>;
}

impl Waiting for Merged {
    type In = Update;
    type Out = Arc<Update>;

    fn put(&mut self, update: Update) {
        self.add(&update);
    }

    fn next(&mut self) -> Option<Arc<Update>> {
        self.take().map(Arc::new)
    }
}

/// Pieces of a log, at most [`DELTAS_WAITING_MAX`] with bytes; of what does not fit only the range is kept.
#[derive(Default)]
pub(super) struct Pieces {
    deltas: VecDeque<LogDelta>,
}

impl Waiting for Pieces {
    type In = LogDelta;
    type Out = LogDelta;

    fn put(&mut self, delta: LogDelta) {
        let delta = match delta {
            LogDelta::Appended(window) if self.deltas.len() >= DELTAS_WAITING_MAX => {
                LogDelta::Skipped { from: window.offset, to: window.offset + window.bytes.len() as u64 }
            }
            other => other,
        };
        match (self.deltas.back_mut(), &delta) {
            (Some(LogDelta::Skipped { to, .. }), LogDelta::Skipped { from, to: end }) if *to == *from => *to = *end,
            (Some(last), delta) if last == delta => {}
            // A flapping link shall not fill the memory of a reader that stands still: the last word is enough.
            (Some(LogDelta::Interrupted { .. } | LogDelta::Waiting), LogDelta::Interrupted { .. } | LogDelta::Waiting) => {
                self.deltas.pop_back();
                self.deltas.push_back(delta);
            }
            (Some(_) | None, _) => self.deltas.push_back(delta),
        }
    }

    fn next(&mut self) -> Option<LogDelta> {
        self.deltas.pop_front()
    }
}

/// News of a task. The server sends no more than the front end has taken room for, so nothing is ever left out.
#[derive(Default)]
pub(super) struct NewsQueue(VecDeque<TaskNews>);

impl Waiting for NewsQueue {
    type In = TaskNews;
    type Out = TaskNews;

    fn put(&mut self, news: TaskNews) {
        self.0.push_back(news);
    }

    fn next(&mut self) -> Option<TaskNews> {
        self.0.pop_front()
    }
}

/// The connection's end of a stream. Dropping it ends the stream once all that waits was handed over.
pub(super) struct Feed<W: Waiting> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    waiting: Mutex<(W, bool)>,
    changed: Notify,
}

impl<W> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, (W, bool)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Waiting> Feed<W> {
    /// Begins to hand over to `to`; runs `gone` when the front end has dropped the other end.
    pub(super) fn start(to: mpsc::Sender<W::Out>, gone: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::start_told(to, || (), gone)
    }

    /// As [`Feed::start`]; runs `took` each time when a piece has found its place with the front end.
    pub(super) fn start_told(
        to: mpsc::Sender<W::Out>,
        took: impl Fn() + Send + 'static,
        gone: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared { waiting: Mutex::new((W::default(), false)), changed: Notify::new() });
        tokio::spawn(hand_over(shared.clone(), to, took, gone));
        Self { shared }
    }

    /// Adds a piece, at once.
    pub(super) fn put(&self, piece: W::In) {
        self.shared.lock().0.put(piece);
        self.shared.changed.notify_one();
    }
}

impl<W: Waiting> Drop for Feed<W> {
    fn drop(&mut self) {
        self.shared.lock().1 = true;
        self.shared.changed.notify_one();
    }
}

async fn hand_over<W: Waiting>(
    shared: Arc<Shared<W>>,
    to: mpsc::Sender<W::Out>,
    took: impl Fn(),
    gone: impl Future<Output = ()>,
) {
    loop {
        let (next, ended) = {
            let mut waiting = shared.lock();
            (waiting.0.next(), waiting.1)
        };
        match next {
            Some(piece) => {
                if to.send(piece).await.is_err() {
                    return gone.await;
                }
                took();
            }
            None if ended => return,
            None => tokio::select! {
                () = shared.changed.notified() => {}
                () = to.closed() => return gone.await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request::Window;

    fn bytes(offset: u64) -> LogDelta {
        LogDelta::Appended(Window { offset, bytes: vec![b'x'; 10], size: 0, inode: 1 })
    }

    #[test]
    fn a_reader_that_stands_still_costs_a_bounded_amount() {
        let mut pieces = Pieces::default();
        for n in 0..1000 {
            pieces.put(bytes(n * 10));
        }
        pieces.put(LogDelta::Interrupted { why: "a".to_owned() });
        pieces.put(LogDelta::Waiting);
        pieces.put(LogDelta::Interrupted { why: "b".to_owned() });
        pieces.put(LogDelta::Ended);
        let all: Vec<LogDelta> = std::iter::from_fn(|| pieces.next()).collect();
        assert_eq!(all.len(), DELTAS_WAITING_MAX + 3);
        assert_eq!(all[DELTAS_WAITING_MAX], LogDelta::Skipped { from: DELTAS_WAITING_MAX as u64 * 10, to: 10_000 });
        assert_eq!(all[DELTAS_WAITING_MAX + 1], LogDelta::Interrupted { why: "b".to_owned() });
        assert_eq!(all[DELTAS_WAITING_MAX + 2], LogDelta::Ended);
    }

    #[tokio::test]
    async fn what_waits_is_handed_over_before_the_end() {
        let (to, mut from) = mpsc::channel(1);
        let feed = Feed::<Pieces>::start(to, async {});
        for n in 0..5 {
            feed.put(bytes(n * 10));
        }
        drop(feed);
        let mut seen = 0;
        while let Some(LogDelta::Appended(window)) = from.recv().await {
            assert_eq!(window.offset, seen * 10);
            seen += 1;
        }
        assert_eq!(seen, 5);
    }
}
