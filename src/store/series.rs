//! Samples of nodes, for a day. A file of its own beside the state: losing it loses charts and nothing else, so it is not
//! forced to the disk, and a fault of it never stops the core.
//!
//! Room: a sample is some 300 bytes, [`EVERY_KEPT`] thins what is older than an hour, so a node takes about half a megabyte; above
//! [`ROWS_MAX`] the oldest go, whatever their age.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};

use crate::model::ids::NodeId;
use crate::model::sample::Sample;
use crate::model::units::{Millis, UnixMillis};

/// How long samples are kept.
pub const KEPT_FOR: Millis = Millis::from_days(1);
/// How long all of them are kept; then one a minute.
const FINE_FOR: Millis = Millis::from_mins(60);
/// What stays of those that are older.
const EVERY_KEPT: Millis = Millis::from_mins(1);
/// The most samples of all nodes: a day of five hundred nodes, in about 200 MB.
const ROWS_MAX: i64 = 750_000;
/// After how many samples the old ones are thinned.
const THIN_EVERY: u32 = 500;

/// The samples of all nodes. Clones share one connection.
#[derive(Clone)]
pub struct Series {
    inside: Arc<Mutex<Inside>>,
}

struct Inside {
    path: PathBuf,
    conn: Option<Connection>,
    added: u32,
}

impl Series {
    /// Returns the samples that are kept in this file; it is opened when it is first used.
    pub fn at(path: &Path) -> Self {
        Self { inside: Arc::new(Mutex::new(Inside { path: path.to_owned(), conn: None, added: 0 })) }
    }

    /// Adds a sample of a node.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, node: NodeId, sample: &Sample) -> rusqlite::Result<()> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let body = serde_json::to_string(sample).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        inside.added += 1;
        let thin = inside.added.is_multiple_of(THIN_EVERY);
        let conn = inside.open()?;
        conn.prepare_cached("INSERT OR REPLACE INTO sample (node, at, body) VALUES (?1, ?2, ?3)")?.execute(params![
            node.0.cast_signed(),
            sample.at.0,
            body
        ])?;
        if thin {
            thin_out(conn, sample.at)?;
        }
        Ok(())
    }

    /// Returns the samples of a node since a time, oldest first; the newest `limit` of them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn history(&self, node: NodeId, since: UnixMillis, limit: u32) -> rusqlite::Result<Vec<Sample>> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let conn = inside.open()?;
        let sql = "SELECT body FROM sample WHERE node = ?1 AND at >= ?2 ORDER BY at DESC LIMIT ?3";
        let mut select = conn.prepare_cached(sql)?;
        let rows = select.query_map(params![node.0.cast_signed(), since.0, limit], |row| row.get::<_, String>(0))?;
        let mut samples = Vec::new();
        for body in rows {
            // One that cannot be read was written by another version.
            samples.extend(serde_json::from_str::<Sample>(&body?).ok());
        }
        samples.reverse();
        Ok(samples)
    }
}

impl Inside {
    fn open(&mut self) -> rusqlite::Result<&Connection> {
        if self.conn.is_none() {
            let conn = Connection::open(&self.path)?;
            conn.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 2000;
                 CREATE TABLE IF NOT EXISTS sample (
                   node INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (node, at)
                 ) STRICT, WITHOUT ROWID;",
            )?;
            self.conn = Some(conn);
        }
        self.conn.as_ref().ok_or(rusqlite::Error::InvalidQuery)
    }
}

/// Removes what is too old, thins what is older than an hour, and bounds the whole.
fn thin_out(conn: &Connection, now: UnixMillis) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM sample WHERE at < ?1", [(now - KEPT_FOR).0])?;
    conn.execute(
        "DELETE FROM sample WHERE at < ?1 AND EXISTS (
           SELECT 1 FROM sample AS older
           WHERE older.node = sample.node AND older.at < sample.at AND older.at / ?2 = sample.at / ?2)",
        params![(now - FINE_FOR).0, EVERY_KEPT.0.cast_signed()],
    )?;
    let rows: i64 = conn.query_row("SELECT count(*) FROM sample", [], |row| row.get(0))?;
    if rows > ROWS_MAX {
        let oldest = "DELETE FROM sample WHERE at <= (SELECT at FROM sample ORDER BY at LIMIT 1 OFFSET ?1)";
        conn.execute(oldest, [rows - ROWS_MAX])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_kept_in_bounded_room() {
        let dir = tempfile::tempdir().unwrap();
        let series = Series::at(&dir.path().join("series.sqlite"));
        let now = UnixMillis(100 * 86_400_000);
        let sample = |at| Sample { at, cpu_milli: Some(1), ..Sample::default() };
        // A day and a half, every 30 s.
        for step in (0..4_320).rev() {
            series.add(NodeId(1), &sample(now - Millis(step * 30_000))).unwrap();
        }
        series.add(NodeId(2), &sample(now)).unwrap();
        series.inside.lock().unwrap().open().map(|conn| thin_out(conn, now).unwrap()).unwrap();
        let all = series.history(NodeId(1), UnixMillis(0), 10_000).unwrap();
        assert!(all[0].at >= now - KEPT_FOR, "none is older than a day");
        assert!((1_480..1_520).contains(&all.len()), "{} stay: two a minute for an hour, then one", all.len());
        assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at));
        let hour = series.history(NodeId(1), now - Millis::from_mins(10), 10_000).unwrap();
        assert_eq!(hour.len(), 21);
        assert_eq!(series.history(NodeId(1), UnixMillis(0), 3).unwrap(), hour[18..], "the newest come when there are more");
        assert_eq!(series.history(NodeId(2), UnixMillis(0), 10).unwrap().len(), 1);
        // It is there for the next start.
        let again = Series::at(&dir.path().join("series.sqlite"));
        assert_eq!(again.history(NodeId(2), UnixMillis(0), 10).unwrap().len(), 1);
    }
}
