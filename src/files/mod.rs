//! The data plane: looking at files on nodes. Bytes go from the node to the reader by offset and are not events; they
//! come raw and are cleaned (`model::shown`) where they are shown. Everything runs over data channels of a link, as constant programs
//! of the node's shell that take what varies from their standard input.
//!
//! The runtime makes a [`Desk`] for a node's looks and calls [`follow()`] for each file that somebody watches. Only regular
//! files below the folder that a caller names are read ([`FilePath`]).

pub mod copy;
mod desk;
mod follow;
mod haul;
mod list;
mod path;
mod search;
pub mod ship;
mod talk;
pub mod window;

use crate::model::fault::Fault;
use crate::model::shown::Shown;
use crate::transport::link::{Link, LinkError};

pub use desk::Desk;
pub use follow::follow;
pub use haul::{PIECE_BYTES_MAX, Piece, TreeFile};
pub use list::LIST_FILES_MAX;
pub use path::FilePath;
pub use search::Direction;

/// Where a link to a node comes from, again and again: the one that was there may be lost.
pub trait LinkSource: Send + Sync {
    /// Returns the node's link as soon as there is one; `None` when there will be none any more.
    fn link(&self) -> impl Future<Output = Option<Link>> + Send;
}

impl LinkSource for Link {
    async fn link(&self) -> Option<Link> {
        Some(self.clone())
    }
}

/// The newest link, as whoever owns it tells; the end of the owner is the end of all links.
impl LinkSource for tokio::sync::watch::Receiver<Option<Link>> {
    async fn link(&self) -> Option<Link> {
        let mut newest = self.clone();
        newest.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// Why a file cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Its name leads elsewhere, or cannot be a line.
    #[error("`{path}` is refused: {why}")]
    Path { path: Shown, why: &'static str },
    /// The node is gone for good.
    #[error("the node has no link any more")]
    NoLink,
    /// The link does not carry it.
    #[error("the node cannot be reached")]
    Link(#[source] LinkError),
    /// The channel ended, or took too long.
    #[error("the node stopped answering while `{path}` was read")]
    Lost { path: Shown, source: Option<std::io::Error> },
    /// Something else than our program answered.
    #[error("the node's shell did not run `sh`; it said: {noise}")]
    Noise { noise: Shown },
    /// There is no such file.
    #[error("there is no file `{path}` on the node")]
    Missing { path: Shown },
    /// It is a link, a pipe, a device or a folder.
    #[error("`{path}` is not a regular file; it is not read")]
    NotRegular { path: Shown },
    /// Whoever signs in to the node may not read it.
    #[error("`{path}` may not be read by whoever signs in there")]
    Unreadable { path: Shown },
    /// It is no folder.
    #[error("`{path}` is not a directory; links are not followed")]
    NotFolder { path: Shown },
    /// What to look for is nothing, or more than a line.
    #[error("a search is for one line of text of 1 to {max} bytes", max = search::TEXT_BYTES_MAX)]
    Text,
}

impl FileError {
    /// Returns it as a front end shows it.
    pub fn fault(&self) -> Fault {
        let made = match self {
            Self::Path { .. } | Self::Missing { .. } | Self::NotRegular { .. } => Fault::user(self.to_string()),
            Self::Unreadable { .. } | Self::NotFolder { .. } | Self::Text => Fault::user(self.to_string()),
            Self::NoLink | Self::Link(_) | Self::Lost { .. } | Self::Noise { .. } => Fault::remote(self.to_string()),
        };
        match std::error::Error::source(self) {
            Some(source) => made.because(source),
            None => made,
        }
    }
}
