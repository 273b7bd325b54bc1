//! Reading beside the writer: own read-only connections, so that a list never waits for a commit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::care::dir_of;
use super::fault::Trouble;
use super::migrations;
use super::open;
use super::outbox;
use super::place;
use super::rows::{from_json, int};
use super::{Have, JobPage, Loaded, StoreError};
use crate::model::ids::{ClusterId, Epoch, ExperimentId, JobId, Seq};
use crate::model::job_column::{EndedJob, Listed};
use crate::model::request::PAGE_MAX;
use crate::model::snapshot::{Change, ENDED_JOBS_KEPT, Update};
use crate::model::state::{ExecutionState, Job, Sweep};
use crate::model::units::UnixMillis;
use crate::sched::Event;

/// How many idle connections are kept for the next readers: each has a page cache, and more than a few readers at a
/// time are rare.
const IDLE_READERS_MAX: usize = 4;
/// Up to this many pairs of an experiment (or cluster) and a state are looked up one by one in the index; more are
/// found faster by walking the table.
const INDEX_WALKS_MAX: usize = 64;

/// Rows that are no further apart are read one after another, with those between; to look one up costs as much as some rows.
const NEAR: i64 = 4;

/// How many live and how many ended jobs a first look takes, the newest: more than a screen shows.
const GLANCE_JOBS: usize = 500;

const STATES: [ExecutionState; 5] = [
    ExecutionState::Queued,
    ExecutionState::Running,
    ExecutionState::Terminating,
    ExecutionState::Succeeded,
    ExecutionState::Failed,
];

/// Reads the database as last committed. Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub struct Reader {
    inside: Arc<Inside>,
}

struct Inside {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// One event of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct PastEvent {
    /// The turn.
    pub seq: Seq,
    /// When it was.
    pub at: UnixMillis,
    /// The core that took it.
    pub epoch: Epoch,
    /// What happened.
    pub event: Event,
}

impl Reader {
    pub(super) fn new(path: &Path) -> Self {
        Self { inside: Arc::new(Inside { path: path.to_owned(), idle: Mutex::default() }) }
    }

    /// Runs `read` inside one read transaction, so that it sees one committed turn.
    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, StoreError> {
        let idle = || self.inside.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let path = &self.inside.path;
        let kept = idle().pop();
        let mut conn = match kept {
            Some(conn) => conn,
            None => open::connect_reader(path)?,
        };
        let tx = conn.transaction().map_err(|e| Trouble::Sql(e).at("read", path))?;
        let answer = read(&tx).map_err(|trouble| trouble.at("read", path));
        drop(tx);
        let mut idle = idle();
        if idle.len() < IDLE_READERS_MAX {
            idle.push(conn);
        }
        answer
    }

    /// Reads what a start needs.
    ///
    /// # Errors
    /// A row that cannot be read names its table and key.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        self.with(|conn| {
            let loaded = load(conn)?;
            // All that was read is in memory now; the pages that it stood on are not read again.
            open::give_back(conn)?;
            Ok(loaded)
        })
    }

    /// Reads one job.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        self.with(|conn| one_job(conn, "SELECT id, body FROM job WHERE id = ?1", &[&int(id.0)]))
    }

    /// Finds a job by its experiment and name, compared without case.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn job_named(&self, experiment: ExperimentId, name: &str) -> Result<Option<Arc<Job>>, StoreError> {
        let sql = "SELECT id, body FROM job WHERE experiment = ?1 AND name = ?2";
        self.with(|conn| one_job(conn, sql, &[&int(experiment.0), &name]))
    }

    /// Returns the name of a job of an experiment that is called `{before}-{number}`.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn numbered_job(&self, experiment: ExperimentId, before: &str) -> Result<Option<String>, StoreError> {
        // `.` comes right after `-`, so this is every name that begins so, by the index.
        let sql = "SELECT name FROM job WHERE experiment = ?1 AND name >= ?2 AND name < ?3 AND substr(name, ?4) NOT GLOB '*[^0-9]*'
                   AND length(name) >= ?4 LIMIT 1";
        let first_digit = i64::try_from(before.len() + 2).unwrap_or(i64::MAX);
        self.with(|conn| {
            let mut select = conn.prepare_cached(sql)?;
            let params = rusqlite::params![int(experiment.0), format!("{before}-"), format!("{before}."), first_digit];
            Ok(select.query_row(params, |row| row.get(0)).optional()?)
        })
    }

    /// Finds the job that was submitted with this token.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn job_with_token(&self, token: &str) -> Result<Option<Arc<Job>>, StoreError> {
        self.with(|conn| one_job(conn, "SELECT id, body FROM job WHERE token = ?1", &[&token]))
    }

    /// Reads one page of jobs, and says whether there are more; those that `have` has are not read.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn jobs(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Arc<Job>>, bool), StoreError> {
        self.with(|conn| page_of(conn, page, limit_of(page), have, whole))
    }

    /// As [`Reader::jobs`], with what a list shows of them.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn listed(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Listed>, bool), StoreError> {
        self.with(|conn| page_of(conn, page, limit_of(page), have, listed))
    }

    /// Returns those of some texts, which no body holds by chance, that a job or a sweep has in what was asked for. Reads each
    /// body once, however many texts there are, and no further than to the last text.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn mentioned(&self, texts: &[&str]) -> Result<Vec<String>, StoreError> {
        let any: Vec<String> = texts.iter().map(|text| regex::escape(text)).collect();
        // As many as there are files of snapshots; were they too many for one automaton, all count as mentioned.
        let Ok(any) = regex::bytes::Regex::new(&any.join("|")) else {
            return Ok(texts.iter().map(|text| (*text).to_owned()).collect());
        };
        self.with(|conn| {
            let mut found = std::collections::BTreeSet::new();
            let mut select = conn.prepare_cached("SELECT body FROM job UNION ALL SELECT spec FROM sweep")?;
            let mut rows = select.query([])?;
            while found.len() < texts.len()
                && let Some(row) = rows.next()?
            {
                let body = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
                found.extend(any.find_iter(body).map(|hit| String::from_utf8_lossy(hit.as_bytes()).into_owned()));
            }
            Ok(found.into_iter().collect())
        })
    }

    /// Reads a sealed value.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn sealed(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached("SELECT body FROM sealed WHERE id = ?1")?;
            Ok(select.query_row([id.to_string()], |row| row.get(0)).optional()?)
        })
    }

    /// Reads the history after the turn `after`, at most `limit` events.
    ///
    /// # Errors
    /// As [`Reader::load`].
    pub fn events(&self, after: Seq, limit: u32) -> Result<Vec<PastEvent>, StoreError> {
        self.with(|conn| {
            let sql = "SELECT seq, at, epoch, body FROM event WHERE seq > ?1 ORDER BY seq, n LIMIT ?2";
            let mut select = conn.prepare_cached(sql)?;
            let mut rows = select.query([int(after.0), i64::from(limit)])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                let body = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
                events.push(PastEvent {
                    seq: Seq(seq.cast_unsigned()),
                    at: UnixMillis(row.get(1)?),
                    epoch: Epoch(row.get::<_, i64>(2)?.cast_unsigned()),
                    event: from_json("event", seq, body)?,
                });
            }
            Ok(events)
        })
    }
}

fn one_job(conn: &Connection, sql: &str, params: &[&dyn ToSql]) -> Result<Option<Arc<Job>>, Trouble> {
    let mut select = conn.prepare_cached(sql)?;
    let found = select.query_row(params, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).optional()?;
    found.map(|(id, body)| from_json("job", id, &body)).transpose()
}

fn limit_of(page: &JobPage) -> usize {
    (if page.limit == 0 { PAGE_MAX } else { page.limit.min(PAGE_MAX) }) as usize
}

/// A job of a page by its identity, `None` while it is still to be read.
type Slot<T> = (i64, Option<T>);

/// Returns at most `limit` jobs of a page, and whether there are more. `fill` reads those that are not in memory; it gets them in
/// the order of identity.
fn page_of<T: From<Arc<Job>>>(
    conn: &Connection,
    page: &JobPage,
    limit: usize,
    have: Have<'_>,
    fill: fn(&Connection, &mut [Slot<T>]) -> Result<(), Trouble>,
) -> Result<(Vec<T>, bool), Trouble> {
    let mut ids = page_ids(conn, page, limit + 1)?;
    let more = ids.len() > limit;
    ids.truncate(limit);
    if page.newest_first {
        ids.reverse();
    }
    let known = |id: i64| have(JobId(id.cast_unsigned())).map(T::from);
    let mut slots: Vec<Slot<T>> = ids.into_iter().map(|id| (id, known(id))).collect();
    fill(conn, &mut slots)?;
    let mut jobs: Vec<T> = slots.into_iter().filter_map(|(_, job)| job).collect();
    if page.newest_first {
        jobs.reverse();
    }
    Ok((jobs, more))
}

/// Fills open slots. The rows of `sql` are those from one identity to another, in order, and begin with it.
fn read_into<T>(
    conn: &Connection,
    sql: &str,
    slots: &mut [Slot<T>],
    read: impl Fn(i64, &Row<'_>) -> Result<Option<T>, Trouble>,
) -> Result<(), Trouble> {
    let mut open: Vec<&mut Slot<T>> = slots.iter_mut().filter(|(_, job)| job.is_none()).collect();
    let mut select = conn.prepare_cached(sql)?;
    for run in open.chunk_by_mut(|one, next| next.0 - one.0 <= NEAR) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let mut rows = select.query([first.0, last.0])?;
        let mut wanted = run.iter_mut().peekable();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            while wanted.next_if(|slot| slot.0 < id).is_some() {}
            if let Some(slot) = wanted.next_if(|slot| slot.0 == id) {
                slot.1 = read(id, row)?;
            }
        }
    }
    Ok(())
}

/// Reads whole jobs.
fn whole<T: From<Arc<Job>>>(conn: &Connection, slots: &mut [Slot<T>]) -> Result<(), Trouble> {
    let sql = "SELECT id, body FROM job WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    read_into(conn, sql, slots, |id, row| Ok(Some(Arc::<Job>::new(from_json("job", id, text(row, 1)?)?).into())))
}

/// Reads ended jobs by their lines, and what has none whole.
fn listed(conn: &Connection, slots: &mut [Slot<Listed>]) -> Result<(), Trouble> {
    let lines = "SELECT id, experiment, cluster, name, line FROM job INDEXED BY job_line
                 WHERE id BETWEEN ?1 AND ?2 AND line IS NOT NULL ORDER BY id";
    read_into(conn, lines, slots, |id, row| {
        let number = |at: usize| row.get(at).map(i64::cast_unsigned);
        let (experiment, cluster) = (ExperimentId(number(1)?), ClusterId(number(2)?));
        let line = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        let job = EndedJob::read(JobId(id.cast_unsigned()), experiment, cluster, text(row, 3)?, line);
        Ok(job.map(|job| Listed::Ended(Box::new(job))))
    })?;
    whole(conn, slots)
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> rusqlite::Result<&'r str> {
    Ok(row.get_ref(at)?.as_str()?)
}

/// Returns the identities of the first `limit` jobs of a page, in its order.
///
/// Every index of the table ends in the identity, so one pair of (experiment or cluster) and state comes out sorted
/// and stops at `limit`, however many jobs there are; the pairs are then merged.
fn page_ids(conn: &Connection, page: &JobPage, limit: usize) -> Result<Vec<i64>, Trouble> {
    let states = if page.states.is_empty() { &STATES[..] } else { &page.states[..] };
    let walks = match (&page.experiments, page.cluster) {
        (Some(experiments), _) => walks("experiment", experiments.iter().map(|e| int(e.0)), states),
        (None, Some(cluster)) => walks("cluster", [int(cluster.0)].into_iter(), states),
        (None, None) if page.states.is_empty() => vec![Vec::new()],
        (None, None) => states.iter().map(|s| vec![("state", Value::from(s.word().to_owned()))]).collect(),
    };
    if walks.len() > INDEX_WALKS_MAX {
        return walk_table(conn, page, limit);
    }
    let mut ids = Vec::new();
    for mut filters in walks {
        // The unary plus keeps this column from choosing the index.
        if let (Some(_), Some(cluster)) = (&page.experiments, page.cluster) {
            filters.push(("+cluster", Value::from(int(cluster.0))));
        }
        let mut sql = String::from("SELECT id FROM job WHERE 1");
        let mut params = Vec::new();
        for (column, value) in filters {
            params.push(value);
            sql.push_str(&format!(" AND {column} = ?{}", params.len()));
        }
        ids.extend(ids_of(conn, sql, params, page, limit)?);
    }
    ids.sort_unstable();
    if page.newest_first {
        ids.reverse();
    }
    ids.dedup();
    ids.truncate(limit);
    Ok(ids)
}

type Filters = Vec<(&'static str, Value)>;

fn walks(column: &'static str, keys: impl Iterator<Item = i64>, states: &[ExecutionState]) -> Vec<Filters> {
    let pair =
        |key: i64, state: &ExecutionState| vec![(column, Value::from(key)), ("state", Value::from(state.word().to_owned()))];
    keys.flat_map(|key| states.iter().map(move |state| pair(key, state)).collect::<Vec<_>>()).collect()
}

/// Walks the table in the order of identity and leaves out what does not fit.
fn walk_table(conn: &Connection, page: &JobPage, limit: usize) -> Result<Vec<i64>, Trouble> {
    let mut sql = String::from("SELECT id FROM job WHERE 1");
    let mut params = Vec::new();
    if let Some(experiments) = &page.experiments {
        // As one JSON text, since SQLite bounds the number of parameters.
        let list = serde_json::to_string(&experiments.iter().map(|e| e.0).collect::<Vec<_>>());
        params.push(Value::from(list.unwrap_or_default()));
        sql.push_str(" AND +experiment IN (SELECT value FROM json_each(?1))");
    }
    if let Some(cluster) = page.cluster {
        any_of(&mut sql, "+cluster", vec![Value::from(int(cluster.0))], &mut params);
    }
    if !page.states.is_empty() {
        let states = page.states.iter().map(|s| Value::from(s.word().to_owned())).collect();
        any_of(&mut sql, "+state", states, &mut params);
    }
    ids_of(conn, sql, params, page, limit)
}

fn any_of(sql: &mut String, column: &str, values: Vec<Value>, params: &mut Vec<Value>) {
    let from = params.len();
    params.extend(values);
    let marks: Vec<String> = (from + 1..=params.len()).map(|n| format!("?{n}")).collect();
    sql.push_str(&format!(" AND {column} IN ({})", marks.join(",")));
}

fn ids_of(
    conn: &Connection,
    mut sql: String,
    mut params: Vec<Value>,
    page: &JobPage,
    limit: usize,
) -> Result<Vec<i64>, Trouble> {
    let (beyond, order) = if page.newest_first { ("<", "DESC") } else { (">", "ASC") };
    if let Some(after) = page.after {
        params.push(Value::from(int(after.0)));
        sql.push_str(&format!(" AND id {beyond} ?{}", params.len()));
    }
    params.push(Value::from(i64::try_from(limit).unwrap_or(i64::MAX)));
    sql.push_str(&format!(" ORDER BY id {order} LIMIT ?{}", params.len()));
    let mut select = conn.prepare_cached(&sql)?;
    let ids = select.query_map(params_from_iter(params), |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids)
}

/// Takes a first look at a database that this process has not opened yet: everything but jobs, and the newest of those, as
/// one turn left them. Checks nothing and changes nothing, and may wait as any reader does; `None` where there is nothing to be
/// read by this version, or what is there cannot be read: whoever opens it says why.
pub fn glance(path: &Path, at: UnixMillis) -> Option<Update> {
    if !path.exists() || place::check_local(dir_of(path)).is_err() {
        return None;
    }
    let look = |conn: &Connection| {
        if open::check_ours(conn, path).ok() != Some(migrations::SCHEMA) {
            return Ok(None);
        }
        let (seq, epoch): (i64, i64) =
            conn.query_row("SELECT seq, epoch FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut changes = Vec::new();
        all_but_jobs(conn, &mut changes)?;
        let (live, ended) = STATES.split_at(3);
        for states in [live, ended] {
            let page = JobPage {
                experiments: None,
                cluster: None,
                states: states.to_vec(),
                after: None,
                limit: 0,
                newest_first: true,
            };
            changes.extend(page_of(conn, &page, GLANCE_JOBS, &|_| None, whole)?.0.into_iter().map(Change::Job));
        }
        let (seq, epoch) = (Seq(seq.cast_unsigned()), Epoch(epoch.cast_unsigned()));
        Ok(Some(Update { seq, epoch, at, whole: true, changes }))
    };
    Reader::new(path).with(look).ok().flatten()
}

/// Reads what a start needs.
pub(super) fn load(conn: &Connection) -> Result<Loaded, Trouble> {
    let (seq, counters): (i64, String) =
        conn.query_row("SELECT seq, counters FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut rows = Vec::new();
    all_but_jobs(conn, &mut rows)?;
    let live = "SELECT id, body FROM job WHERE state IN ('queued', 'running', 'terminating') ORDER BY id";
    all(conn, "job", live, |row| rows.push(Change::Job(row)))?;
    let mut ended = Vec::new();
    let newest =
        format!("SELECT id, body FROM job WHERE ended IS NOT NULL ORDER BY ended DESC, id DESC LIMIT {ENDED_JOBS_KEPT}");
    all(conn, "job", &newest, |row| ended.push(row))?;
    ended.reverse();
    let counters = from_json("meta", 1, &counters)?;
    Ok(Loaded { seq: Seq(seq.cast_unsigned()), counters, rows, ended, outbox: outbox::load(conn)? })
}

/// Reads every resource, node, experiment and sweep.
fn all_but_jobs(conn: &Connection, rows: &mut Vec<Change>) -> Result<(), Trouble> {
    all(conn, "resource_group", "SELECT id, body FROM resource_group ORDER BY id", |row| rows.push(Change::Group(row)))?;
    all(conn, "workspace", "SELECT id, body FROM workspace ORDER BY id", |row| rows.push(Change::Workspace(row)))?;
    all(conn, "cluster", "SELECT id, body FROM cluster ORDER BY id", |row| rows.push(Change::Cluster(row)))?;
    all(conn, "file_server", "SELECT id, body FROM file_server ORDER BY id", |row| rows.push(Change::FileServer(row)))?;
    all(conn, "node", "SELECT id, body FROM node ORDER BY id", |row| rows.push(Change::Node(row)))?;
    all(conn, "experiment", "SELECT id, body FROM experiment ORDER BY id", |row| rows.push(Change::Experiment(row)))?;
    sweeps(conn, |row| rows.push(Change::Sweep(row)))
}

/// Reads sweeps, each with what was asked for.
fn sweeps(conn: &Connection, mut keep: impl FnMut(Arc<Sweep>)) -> Result<(), Trouble> {
    let mut select = conn.prepare_cached("SELECT id, body, spec FROM sweep ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let mut sweep: Sweep = from_json("sweep", id, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        sweep.spec = Arc::new(from_json("sweep", id, row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?);
        keep(Arc::new(sweep));
    }
    Ok(())
}

fn all<T: DeserializeOwned>(
    conn: &Connection,
    table: &'static str,
    sql: &str,
    mut keep: impl FnMut(Arc<T>),
) -> Result<(), Trouble> {
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
        keep(Arc::new(from_json(table, row.get(0)?, body)?));
    }
    Ok(())
}
