//! Metrics of jobs: points of curves, what they come to, and how far each source was read. A file of its own beside the
//! state, as for samples of nodes: losing it loses curves and nothing else, and its faults never stop the core.
//!
//! What is read of a source and how far it was read are one transaction, so that a crash neither loses nor doubles a line.
//! A curve of more than [`POINTS_MAX`] points loses every other one of its older half; what all readings come to is exact
//! whatever is thinned.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::ids::{JobId, SweepId};
use crate::model::metric::{JobMetrics, METRICS_MAX, Memory, Point, Reading, Stat};
use crate::model::stopping::{Rule, Stopping};
use crate::model::study::short;
use crate::model::units::UnixMillis;

/// The most points of one curve: more than a screen has columns, and a few hundred kilobytes for a job with all its metrics.
pub const POINTS_MAX: i64 = 4_000;

/// The metrics of all jobs. Clones share one connection.
#[derive(Clone)]
pub struct MetricStore {
    inside: Arc<Mutex<Inside>>,
}

struct Inside {
    path: PathBuf,
    conn: Option<Connection>,
}

/// What SQLite says when metrics cannot be read or written.
pub type MetricError = rusqlite::Error;

/// How far a source was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cursor {
    /// The next byte.
    pub offset: u64,
    /// What lines before it have said.
    pub memory: Memory,
}

/// What was read of one source of a job.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The job.
    pub job: JobId,
    /// The source: an attempt and a file.
    pub source: String,
    /// How far it was read now.
    pub cursor: Cursor,
    /// What was found.
    pub readings: Vec<Reading>,
    /// When.
    pub at: UnixMillis,
}

impl MetricStore {
    /// Returns the metrics that are kept in this file; it is opened when it is first used.
    pub fn at(path: &Path) -> Self {
        Self { inside: Arc::new(Mutex::new(Inside { path: path.to_owned(), conn: None })) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        act(inside.open()?)
    }

    /// Returns how far each of these sources was read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn cursors(&self, sources: &[(JobId, String)]) -> rusqlite::Result<Vec<Cursor>> {
        self.with(|conn| {
            let mut select = conn.prepare_cached("SELECT offset, memory FROM cursor WHERE job = ?1 AND source = ?2")?;
            let mut read = |(job, source): &(JobId, String)| {
                let found = select
                    .query_row(params![int(*job), source], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)));
                let found = found.optional()?.map(|(offset, memory)| Cursor {
                    offset: offset.cast_unsigned(),
                    memory: serde_json::from_str(&memory).unwrap_or_default(),
                });
                Ok(found.unwrap_or_default())
            };
            sources.iter().map(&mut read).collect()
        })
    }

    /// Adds what was read; all of it or nothing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, batches: &[Batch]) -> rusqlite::Result<()> {
        self.with(|conn| {
            let tx = conn.transaction()?;
            for batch in batches {
                let memory = serde_json::to_string(&batch.cursor.memory).unwrap_or_default();
                tx.prepare_cached("INSERT OR REPLACE INTO cursor (job, source, offset, memory) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![int(batch.job), batch.source, batch.cursor.offset.cast_signed(), memory])?;
                add_readings(&tx, batch)?;
            }
            tx.commit()
        })
    }

    /// Returns the metrics of some jobs; with the points of these metrics when some are named.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, jobs: &[JobId], curves: &[String]) -> rusqlite::Result<Vec<(JobId, JobMetrics)>> {
        self.with(|conn| {
            let mut found = Vec::with_capacity(jobs.len());
            for job in jobs {
                let mut metrics = JobMetrics { stats: stats(conn, *job)?, ..JobMetrics::default() };
                if !curves.is_empty() {
                    metrics.stats.retain(|stat| curves.contains(&stat.name));
                    for stat in &metrics.stats {
                        metrics.curves.push(points(conn, *job, &stat.name)?);
                    }
                }
                found.push((*job, metrics));
            }
            Ok(found)
        })
    }

    /// Takes down how far a member of a sweep has come with what it has just read, and returns why it is to stop, if so.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn judge(
        &self,
        sweep: SweepId,
        job: JobId,
        stopping: &Stopping,
        readings: &[Reading],
    ) -> rusqlite::Result<Option<String>> {
        self.with(|conn| {
            let tx = conn.transaction()?;
            let verdict = judge(&tx, sweep, job, stopping, readings)?;
            tx.commit()?;
            Ok(verdict)
        })
    }

    /// Forgets jobs that are no more.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&self, jobs: &[JobId]) -> rusqlite::Result<()> {
        self.with(|conn| {
            let tx = conn.transaction()?;
            for job in jobs {
                for table in ["cursor", "point", "stat", "rung"] {
                    tx.prepare_cached(&format!("DELETE FROM {table} WHERE job = ?1"))?.execute([int(*job)])?;
                }
            }
            tx.commit()
        })
    }
}

fn int(job: JobId) -> i64 {
    job.0.cast_signed()
}

fn stats(conn: &Connection, job: JobId) -> rusqlite::Result<Vec<Stat>> {
    let mut select = conn.prepare_cached("SELECT body FROM stat WHERE job = ?1 ORDER BY rowid")?;
    let rows = select.query_map([int(job)], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for body in rows {
        // One that cannot be read was written by another version.
        found.extend(serde_json::from_str(&body?).ok());
    }
    Ok(found)
}

/// A value that is not a number is NULL to SQLite, and so it is read.
fn points(conn: &Connection, job: JobId, name: &str) -> rusqlite::Result<Vec<Point>> {
    let mut select = conn.prepare_cached("SELECT at, step, value FROM point WHERE job = ?1 AND name = ?2 ORDER BY n")?;
    let rows = select.query_map(params![int(job), name], |row| {
        let value: Option<f64> = row.get(2)?;
        Ok(Point { at: UnixMillis(row.get(0)?), step: row.get(1)?, value: value.unwrap_or(f64::NAN) })
    })?;
    rows.collect()
}

fn add_readings(tx: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    if batch.readings.is_empty() {
        return Ok(());
    }
    let mut all = stats(tx, batch.job)?;
    let mut changed = std::collections::BTreeSet::new();
    for Reading { name, step, value } in &batch.readings {
        let at = match all.iter().position(|stat| stat.name == *name) {
            Some(at) => at,
            None if all.len() < METRICS_MAX => {
                all.push(Stat::new(name));
                all.len() - 1
            }
            None => continue,
        };
        let step = all[at].add(*step, *value);
        changed.insert(at);
        tx.prepare_cached("INSERT INTO point (job, name, n, at, step, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![int(batch.job), name, all[at].count.cast_signed(), batch.at.0, step, value])?;
    }
    for at in changed {
        let stat = &all[at];
        let body = serde_json::to_string(stat).unwrap_or_default();
        let known = tx.prepare_cached("UPDATE stat SET body = ?1 WHERE job = ?2 AND name = ?3")?.execute(params![
            body,
            int(batch.job),
            stat.name
        ])?;
        if known == 0 {
            tx.prepare_cached("INSERT INTO stat (job, name, body) VALUES (?1, ?2, ?3)")?.execute(params![
                int(batch.job),
                stat.name,
                body
            ])?;
        }
        thin(tx, batch.job, &stat.name)?;
    }
    Ok(())
}

fn judge(
    tx: &Connection,
    sweep: SweepId,
    job: JobId,
    stopping: &Stopping,
    readings: &[Reading],
) -> rusqlite::Result<Option<String>> {
    let all = stats(tx, job)?;
    let stat = match &stopping.metric {
        Some(metric) => all.iter().find(|stat| stat.name == *metric),
        None => all.first(),
    };
    let Some(stat) = stat else { return Ok(None) };
    for reading in readings.iter().filter(|reading| reading.name == stat.name) {
        if !reading.value.is_finite() {
            return Ok(Some(format!("{} is {}", stat.name, short(reading.value))));
        }
        let Some(rung) = stopping.rung(reading.step.unwrap_or(stat.step)) else { continue };
        let own = match stopping.rule {
            Rule::Asha | Rule::NotANumber => reading.value,
            Rule::Median => stat.mean(),
        };
        // Who passed a rung without a word at it is there all the same.
        let first = if stopping.rule == Rule::Asha { 0 } else { rung };
        let mut reached = false;
        for rung in first..=rung {
            reached = tx
                .prepare_cached("INSERT OR IGNORE INTO rung (sweep, rung, job, value) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![sweep.0.cast_signed(), rung, int(job), own])?
                > 0;
        }
        if !reached {
            continue;
        }
        let mut select = tx.prepare_cached("SELECT value FROM rung WHERE sweep = ?1 AND rung = ?2 AND job <> ?3")?;
        let others = select.query_map(params![sweep.0.cast_signed(), rung, int(job)], |row| row.get::<_, f64>(0))?;
        let others: Vec<f64> = others.collect::<rusqlite::Result<_>>()?;
        if let Some(why) = stopping.verdict(rung, own, stat.best(stopping.maximize), &others) {
            let step = reading.step.unwrap_or(stat.step);
            return Ok(Some(format!("{} {why} (step {})", stat.name, short(step))));
        }
    }
    Ok(None)
}

/// Takes every other point out of the older half of a curve that has too many.
fn thin(tx: &Connection, job: JobId, name: &str) -> rusqlite::Result<()> {
    let count: i64 = tx
        .prepare_cached("SELECT count(*) FROM point WHERE job = ?1 AND name = ?2")?
        .query_row(params![int(job), name], |row| row.get(0))?;
    if count <= POINTS_MAX {
        return Ok(());
    }
    tx.execute(
        "DELETE FROM point WHERE job = ?1 AND name = ?2 AND n IN (
           SELECT n FROM (SELECT n, row_number() OVER (ORDER BY n) AS place FROM point WHERE job = ?1 AND name = ?2)
           WHERE place <= ?3 / 2 AND place % 2 = 0)",
        params![int(job), name, count],
    )?;
    Ok(())
}

impl Inside {
    fn open(&mut self) -> rusqlite::Result<&mut Connection> {
        if self.conn.is_none() {
            let conn = Connection::open(&self.path)?;
            conn.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 2000;
                 CREATE TABLE IF NOT EXISTS cursor (
                   job INTEGER NOT NULL, source TEXT NOT NULL, offset INTEGER NOT NULL, memory TEXT NOT NULL, PRIMARY KEY (job, source)
                 ) STRICT, WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS point (
                   job INTEGER NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, step REAL NOT NULL, value REAL,
                   PRIMARY KEY (job, name, n)
                 ) STRICT, WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS rung (
                   sweep INTEGER NOT NULL, rung INTEGER NOT NULL, job INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (sweep, rung, job)
                 ) STRICT, WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS stat (job INTEGER NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (job, name)) STRICT;",
            )?;
            self.conn = Some(conn);
        }
        self.conn.as_mut().ok_or(rusqlite::Error::InvalidQuery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(job: u64, offset: u64, values: &[(f64, f64)]) -> Batch {
        let readings = values.iter().map(|(step, value)| Reading { name: "loss".into(), step: Some(*step), value: *value });
        let cursor = Cursor { offset, memory: Memory { step: Some(3.0), columns: vec!["a".into()] } };
        Batch { job: JobId(job), source: "1 stdout.txt".into(), cursor, readings: readings.collect(), at: UnixMillis(5) }
    }

    fn cursor(store: &MetricStore) -> Cursor {
        store.cursors(&[(JobId(1), "1 stdout.txt".to_owned())]).unwrap().remove(0)
    }

    #[test]
    fn what_is_read_and_how_far_stay_together() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.sqlite");
        let store = MetricStore::at(&path);
        assert_eq!(cursor(&store), Cursor::default());
        store.add(&[batch(1, 70, &[(1.0, 0.5), (2.0, f64::NAN)]), batch(2, 9, &[])]).unwrap();
        store.add(&[batch(1, 140, &[(3.0, 0.25), (1.0, 0.75)])]).unwrap();
        // It is there for the next start.
        let store = MetricStore::at(&path);
        assert_eq!(cursor(&store), batch(1, 140, &[]).cursor);
        let found = store.read(&[JobId(1), JobId(2)], &["loss".to_owned()]).unwrap();
        let stat = &found[0].1.stats[0];
        assert_eq!((stat.count, stat.finite, stat.last, stat.min, stat.max), (4, 3, 0.75, 0.25, 0.75));
        let curve = &found[0].1.curves[0];
        assert_eq!(
            curve.iter().map(|point| point.step).collect::<Vec<_>>(),
            [1.0, 2.0, 3.0, 1.0],
            "in the order of arrival"
        );
        assert!(curve[1].value.is_nan() && found[1].1.stats.is_empty());
        store.forget(&[JobId(1)]).unwrap();
        assert!(store.read(&[JobId(1)], &[]).unwrap()[0].1.stats.is_empty());
        assert_eq!(cursor(&store).offset, 0);
    }

    #[test]
    fn members_are_judged_where_they_come() {
        let dir = tempfile::tempdir().unwrap();
        let store = MetricStore::at(&dir.path().join("metrics.sqlite"));
        let stopping = Stopping { rule: Rule::Asha, metric: None, maximize: false, first_step: 1, factor: 2 };
        let judge = |job: u64, values: &[(f64, f64)]| {
            let batch = batch(job, 1, values);
            store.add(std::slice::from_ref(&batch)).unwrap();
            store.judge(SweepId(1), JobId(job), &stopping, &batch.readings).unwrap()
        };
        assert_eq!(judge(1, &[(1.0, 0.5)]), None, "the first to come goes on");
        assert_eq!(judge(2, &[(1.0, 0.4), (1.5, 9.0)]), None, "better than the first; between rungs nothing is judged");
        assert_eq!(judge(3, &[(1.0, 0.6)]).unwrap(), "loss 0.6 is 3rd of 3 at rung 1; 1 go on (step 1)");
        assert_eq!(judge(2, &[(2.0, 0.3)]), None);
        assert_eq!(judge(1, &[(8.0, 0.35)]), None, "nobody else has come to its fourth rung");
        assert_eq!(
            judge(4, &[(2.0, 0.31)]).unwrap(),
            "loss 0.31 is 2nd of 3 at rung 2; 1 go on (step 2)",
            "who jumped over a rung is there too"
        );
        assert_eq!(judge(5, &[(1.0, f64::NAN)]).unwrap(), "loss is nan");
        store.forget(&[JobId(1), JobId(2), JobId(4)]).unwrap();
        assert_eq!(judge(6, &[(2.0, 99.0)]), None, "those that are deleted are nobody's measure");
    }

    #[test]
    fn a_long_curve_is_thinned_where_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let store = MetricStore::at(&dir.path().join("metrics.sqlite"));
        for chunk in 0..30 {
            let values: Vec<(f64, f64)> = (0..1_000).map(|n| (f64::from(chunk * 1_000 + n), f64::from(n))).collect();
            store.add(&[batch(1, 1, &values)]).unwrap();
        }
        let found = store.read(&[JobId(1)], &["loss".to_owned()]).unwrap().remove(0).1;
        assert_eq!((found.stats[0].count, found.stats[0].mean()), (30_000, 499.5), "what all come to is exact");
        let curve = &found.curves[0];
        assert!((2_000..=POINTS_MAX as usize).contains(&curve.len()), "{}", curve.len());
        assert_eq!((curve[0].step, curve[curve.len() - 1].step), (0.0, 29_999.0));
        let gap = |at: usize| curve[at + 1].step - curve[at].step;
        assert!(gap(0) > gap(curve.len() - 2) && gap(curve.len() - 2) == 1.0, "older points are farther apart");
    }
}
