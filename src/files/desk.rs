//! Where a node's files are looked at: one open conversation is kept, so that a look costs a round trip and not a login.

use std::sync::{Mutex, PoisonError};

use crate::files::talk::{Answer, Talk};
use crate::files::{FileError, FilePath, LinkSource};

/// The looks at one node's files. Dropping a look that waits cancels it.
pub struct Desk<L> {
    links: L,
    /// The conversation of the last look, for the next one.
    idle: Mutex<Option<Talk>>,
}

impl<L: LinkSource> Desk<L> {
    /// Returns a desk for the node that a source gives links to.
    pub fn new(links: L) -> Self {
        Self { links, idle: Mutex::new(None) }
    }

    pub(super) async fn ask(&self, path: &FilePath, question: &str, bytes_max: usize) -> Result<Answer, FileError> {
        if let Some(mut talk) = self.taken() {
            // The channel may have died since; a new one decides.
            if let Ok(answer) = talk.ask(path, question, bytes_max).await {
                self.keep(talk);
                return Ok(answer);
            }
        }
        let mut talk = self.talk().await?;
        let answer = talk.ask(path, question, bytes_max).await?;
        self.keep(talk);
        Ok(answer)
    }

    /// Opens a conversation of its own, for what takes longer.
    pub(super) async fn talk(&self) -> Result<Talk, FileError> {
        let link = self.links.link().await.ok_or(FileError::NoLink)?;
        Talk::open(&link).await
    }

    fn taken(&self) -> Option<Talk> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, talk: Talk) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(talk);
    }
}
