//! Where a node's files are looked at: one open conversation is kept for a while, so that a look costs a round trip and not
//! a login.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::files::talk::{Answer, Program, Talk};
use crate::files::{FileError, FilePath, LinkSource};

/// How long a conversation that nobody uses is kept: whoever reads a log asks again sooner, and a node's channels are few.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// The looks at one node's files. Dropping a look that waits cancels it.
pub struct Desk<L> {
    links: L,
    shelf: Arc<Shelf>,
}

/// The conversation of the last look, for the next one.
#[derive(Default)]
struct Shelf {
    idle: Mutex<(u64, Option<Talk>)>,
    returned: Notify,
}

impl Shelf {
    fn take(&self) -> Option<Talk> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).1.take()
    }

    /// Takes the one that comes back first.
    async fn await_one(&self) -> Talk {
        loop {
            let returned = self.returned.notified();
            if let Some(talk) = self.take() {
                return talk;
            }
            returned.await;
        }
    }

    /// Puts one back; returns what tells this time from later ones.
    fn put(&self, talk: Talk) -> u64 {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.0 += 1;
        idle.1 = Some(talk);
        self.returned.notify_one();
        idle.0
    }

    /// Drops the one that was put back then, if it is still there.
    fn clear(&self, time: u64) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.0 == time {
            idle.1 = None;
        }
    }
}

impl<L: LinkSource> Desk<L> {
    /// Returns a desk for the node that a source gives links to.
    pub fn new(links: L) -> Self {
        Self { links, shelf: Arc::default() }
    }

    pub(super) async fn ask(&self, path: &FilePath, question: &str, bytes_max: usize) -> Result<Answer, FileError> {
        let kept = match self.shelf.take() {
            Some(talk) => Some(talk),
            // All channels may be in use; one that another look is done with is as good as a new one.
            None => tokio::select! {
                biased;
                talk = self.shelf.await_one() => Some(talk),
                talk = self.talk() => return self.ask_over(talk?, path, question, bytes_max).await,
            },
        };
        if let Some(mut talk) = kept {
            // The channel may have died since; a new one decides.
            if let Ok(answer) = talk.ask(path, question, bytes_max).await {
                self.keep(talk);
                return Ok(answer);
            }
        }
        let talk = self.talk().await?;
        self.ask_over(talk, path, question, bytes_max).await
    }

    async fn ask_over(
        &self,
        mut talk: Talk,
        path: &FilePath,
        question: &str,
        bytes_max: usize,
    ) -> Result<Answer, FileError> {
        let answer = talk.ask(path, question, bytes_max).await?;
        self.keep(talk);
        Ok(answer)
    }

    /// Opens a conversation of its own, for what takes longer.
    pub(super) async fn talk(&self) -> Result<Talk, FileError> {
        let link = self.links.link().await.ok_or(FileError::NoLink)?;
        Talk::open(&link, Program::Look).await
    }

    fn keep(&self, talk: Talk) {
        let time = self.shelf.put(talk);
        let shelf = Arc::downgrade(&self.shelf);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_FOR).await;
            if let Some(shelf) = shelf.upgrade() {
                shelf.clear(time);
            }
        });
    }
}
