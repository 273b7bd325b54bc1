//! What became of a job, beside its row: a job that waits for the first time has nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AfterStop, Away, JobError, RankRun};
use crate::model::ids::{JobId, NodeId, Rank};
use crate::model::launch::NodePlace;
use crate::model::rare::Nothing;
use crate::model::rule::Fired;
use crate::model::units::UnixMillis;

/// The current or last attempt of a job, how it is stopped, and how the job ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Rules of its own that have come true, the last ones.
    pub fired: Vec<Fired>,
    /// A stop that can still be taken back until then.
    pub stop_at: Option<UnixMillis>,
    /// Why it was put back the last time without a planned stop.
    pub requeued_because: Option<String>,
    /// The nodes of the current or last attempt, in the order of their index.
    pub nodes: Vec<NodeId>,
    /// Their names then, since nodes go.
    pub node_names: Vec<String>,
    /// What was so of them when the attempt was placed (one for each of `nodes`), so that a launch plan is the same
    /// whenever it is made, and logs are found after a node has gone. Set by the core at placement from `Facts`.
    pub places: Vec<NodePlace>,
    /// The processes of the current or last attempt.
    pub ranks: BTreeMap<Rank, RankRun>,
    /// What those who place it have said of the current or last attempt, when it was handed over to them.
    pub away: Option<Arc<Away>>,
    /// The job that it was sent ahead behind: it is on that one's node and starts there when that one is over.
    pub behind: Option<JobId>,
    /// What becomes of the job once the attempt is proven dead, when it is being stopped.
    pub after_stop: Option<AfterStop>,
    /// When the most recent attempt started.
    pub started: Option<UnixMillis>,
    /// When the job ended.
    pub ended: Option<UnixMillis>,
    /// The job's exit code; `None` when no exit record of it exists.
    pub exit_code: Option<i32>,
    /// What went wrong.
    pub errors: Vec<JobError>,
    /// When deletion was asked for.
    pub deleting_since: Option<UnixMillis>,
}

static NOTHING: Happened = Happened {
    fired: Vec::new(),
    stop_at: None,
    requeued_because: None,
    nodes: Vec::new(),
    node_names: Vec::new(),
    places: Vec::new(),
    ranks: BTreeMap::new(),
    away: None,
    behind: None,
    after_stop: None,
    started: None,
    ended: None,
    exit_code: None,
    errors: Vec::new(),
    deleting_since: None,
};

impl Nothing for Happened {
    fn nothing() -> &'static Self {
        &NOTHING
    }
}
