//! Layer 2: SQLite, and the only SQL in the program. One thread owns the writing connection.
//!
//! The runtime commits one [`Batch`] a turn, on the thread of its loop; pages can be read beside it through a
//! [`Reader`]. Nothing here decides anything: rows come and go as the core says, and a file that is not surely
//! ours and whole is not touched.
//!
//! Decisions (2026-11):
//! - One file in WAL mode with `synchronous=FULL`: what was answered survives a power cut. The turn of the runtime is
//!   the group of the group commit, so there is no timer here.
//! - Rows are JSON bodies with the few columns that are searched by: a new field of a row is a serde default, not a
//!   migration. A body is what an older version may still read, so a field is never renamed.
//! - Beside the body of an ended job stands its line, all that lists show of it (`model/job_column/ended.rs`), and an index holds all
//!   lines. Not a table of its own: the statement that writes the body writes them, and what removes a job removes them.
//! - Only one connection ever writes or checkpoints (the WAL-reset fault of SQLite up to 3.51.2 needs two).

pub mod care;
mod crash;
mod events;
mod fault;
pub mod lock;
mod metrics;
mod migrations;
mod open;
mod outbox;
mod place;
mod query;
mod rows;
pub mod salvage;
mod sealed;
mod series;
mod witness;

pub use crash::crash_point;
pub use metrics::{Batch as MetricBatch, Cursor, MetricError, MetricStore};
pub use open::{DATABASE_FILE, Db};
pub use query::{PastEvent, Reader, glance};
pub use series::Series;
pub use witness::{WITNESS_FILE, Witness};

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::model::ids::{ClusterId, Counters, EffectId, Epoch, ExperimentId, JobId, Seq};
use crate::model::job_column::Listed;
use crate::model::snapshot::{Change, RowKey};
use crate::model::state::{ExecutionState, Job};
use crate::model::units::UnixMillis;
use crate::sched::{Effect, Event};

/// All that one turn of the runtime changes; committed as a whole or not at all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The number of the turn.
    pub seq: Seq,
    /// When it happened.
    pub at: UnixMillis,
    /// The core that made it.
    pub epoch: Epoch,
    /// The facts, in order; appended to the history.
    pub events: Vec<Event>,
    /// Rows as they are now; `Change::Gone` removes one.
    pub rows: Vec<Change>,
    /// Effects to be performed after the commit; they enter the outbox.
    pub issued: Vec<Effect>,
    /// Effects that were answered; they leave the outbox.
    pub answered: Vec<EffectId>,
    /// The core's counters after the turn.
    pub counters: Counters,
    /// Sealed values that rows of this turn refer to; each goes when no row does any more.
    pub sealed: Vec<Sealed>,
}

/// A value that is kept encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What its row refers to it by.
    pub id: Uuid,
    /// The job or cluster that it belongs to.
    pub owner: RowKey,
    /// Nonce, cipher text and tag; the key is not in the store.
    pub bytes: Vec<u8>,
}

/// What a start of the core finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The last committed turn.
    pub seq: Seq,
    /// The core's counters.
    pub counters: Counters,
    /// Every workspace, cluster, node and experiment, and every job that has not ended.
    pub rows: Vec<Change>,
    /// The newest ended jobs, at most `snapshot::ENDED_JOBS_KEPT`, oldest first.
    pub ended: Vec<Arc<Job>>,
    /// Effects issued and not answered, in the order of their identity.
    pub outbox: Vec<Effect>,
}

/// What the runtime wants of a store; a seam, so that the simulation can have one that loses power.
pub trait Store: Send {
    /// Commits a turn. When this returns, it is on disk.
    ///
    /// # Errors
    /// Nothing of the batch is kept then; the runtime stops accepting work and says so.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// Takes the next epoch, on disk before it returns.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn next_epoch(&mut self, at: UnixMillis) -> Result<Epoch, StoreError>;

    /// Reads what a start needs.
    ///
    /// # Errors
    /// A row that cannot be read names its table and key.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Reads one job, ended or not, as last committed.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError>;

    /// Finds a job by its experiment and name, compared without case.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn job_named(&self, experiment: ExperimentId, name: &str) -> Result<Option<Arc<Job>>, StoreError>;

    /// Returns the name of a job of an experiment that is called `{before}-{number}`.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn numbered_job(&self, experiment: ExperimentId, before: &str) -> Result<Option<String>, StoreError>;

    /// Finds the job that was submitted with this token.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn job_with_token(&self, token: &str) -> Result<Option<Arc<Job>>, StoreError>;

    /// Reads one page of jobs, and says whether there are more.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn jobs(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Arc<Job>>, bool), StoreError>;
    /// As [`Store::jobs`], with what a list shows of them.
    ///
    /// # Errors
    /// The file cannot be read.
    fn listed(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Listed>, bool), StoreError>;

    /// Reads a sealed value as last committed.
    ///
    /// # Errors
    /// As [`Store::load`].
    fn sealed(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns a handle that reads beside the writer, where the store has such a thing.
    fn reader(&self) -> Option<Reader> {
        None
    }
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        (**self).commit(batch)
    }

    fn next_epoch(&mut self, at: UnixMillis) -> Result<Epoch, StoreError> {
        (**self).next_epoch(at)
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        (**self).load()
    }

    fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        (**self).job(id)
    }

    fn job_named(&self, experiment: ExperimentId, name: &str) -> Result<Option<Arc<Job>>, StoreError> {
        (**self).job_named(experiment, name)
    }

    fn numbered_job(&self, experiment: ExperimentId, before: &str) -> Result<Option<String>, StoreError> {
        (**self).numbered_job(experiment, before)
    }

    fn job_with_token(&self, token: &str) -> Result<Option<Arc<Job>>, StoreError> {
        (**self).job_with_token(token)
    }

    fn jobs(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Arc<Job>>, bool), StoreError> {
        (**self).jobs(page, have)
    }

    fn listed(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Listed>, bool), StoreError> {
        (**self).listed(page, have)
    }

    fn reader(&self) -> Option<Reader> {
        (**self).reader()
    }

    fn sealed(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).sealed(id)
    }
}

/// What is in memory already of the jobs that are to be read, as it was last committed.
pub type Have<'a> = &'a dyn Fn(JobId) -> Option<Arc<Job>>;

/// `request::JobQuery` with names resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobPage {
    /// Only of these experiments; any when `None`.
    pub experiments: Option<Vec<ExperimentId>>,
    /// Only on this cluster.
    pub cluster: Option<ClusterId>,
    /// Only in one of these states; any when empty.
    pub states: Vec<ExecutionState>,
    /// Only beyond this job.
    pub after: Option<JobId>,
    /// At most so many.
    pub limit: u32,
    /// From the newest down.
    pub newest_first: bool,
}

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite's own words.
    #[error("cannot {doing} {}", path.display())]
    Sql {
        /// `open`, `commit to`, `read from` …
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A row does not hold what it should.
    #[error("{}: table {table}, row {key}: {why}", path.display())]
    Row {
        /// The database file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The key of the row.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// Not ours, made by a newer version, on a network file system, no room …: `why` is the whole sentence.
    #[error("{}: {why}", path.display())]
    Refused {
        /// The database file.
        path: PathBuf,
        /// Why it is not opened.
        why: String,
        /// What to do.
        hint: String,
    },
}
