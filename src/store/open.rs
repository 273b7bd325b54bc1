//! Opening the file: only one that is ours, whole, of a schema we know and on a disk that keeps its promises; and the
//! writing side of it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags, OptionalExtension, TransactionBehavior, params};
use uuid::Uuid;

use super::care::{beside, dir_of};
use super::fault::{KEPT_HINT, Trouble, damaged, refused, sql};
use super::migrations::{APPLICATION_ID, MIGRATIONS, SCHEMA, migrate, schema_of};
use super::query::Reader;
use super::rows::{int, to_json};
use super::witness::{Kept, WITNESS_FILE, Witness};
use super::{Batch, Have, JobPage, Loaded, Store, StoreError, crash_point, events, outbox, place, rows, sealed};
use crate::model::ids::{Counters, Epoch, ExperimentId, JobId};
use crate::model::job_column::Listed;
use crate::model::state::Job;
use crate::model::units::{Bytes, UnixMillis};

/// The name of the database in a state directory.
pub const DATABASE_FILE: &str = "ostler.sqlite";
/// How long a statement waits for another program's lock: a backup or a curious `sqlite3` takes less.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Up to this size a file is checked before it is used (about 0.3 s); a larger one meanwhile.
const CHECKED_AT_ONCE_MAX: Bytes = Bytes(100 << 20);
/// How much the WAL file may keep after a checkpoint.
const WAL_BYTES_KEPT: i64 = 64 << 20;
/// Page cache of the writer, in KiB: the tree's upper pages and what a busy turn touches.
const CACHE_KIB: i64 = 16 << 10;
/// How many prepared statements are kept; there are fewer different ones.
const STATEMENTS_KEPT: usize = 48;

/// The database of one state directory, open for writing. Who opens it holds the lock of that directory.
pub struct Db {
    // In this order they close: the writing connection last, which then empties the WAL.
    check: Option<Check>,
    reader: Reader,
    conn: Connection,
    path: PathBuf,
    /// Which file was opened, by device and number.
    opened: (u64, u64),
    /// What is kept beside it, once a start was taken.
    kept: Option<Kept>,
}

impl Db {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// A refusal says why the file or its place cannot be used; the file is untouched then.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let dir = dir_of(path);
        place::check_local(dir)?;
        place::check_room(dir)?;
        let size = prepare_file(path)?;
        let mut conn = connect_plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let empty = check_ours(&conn, path)? == 0;
        set_up_writer(&conn, path)?;
        let check = match empty {
            true => None,
            false if size > CHECKED_AT_ONCE_MAX => Some(Check::start(path)?),
            false => {
                quick_check(&conn).map_err(|e| sql("check", path, e))?.map_or(Ok(()), |found| Err(damaged(path, &found)))?;
                None
            }
        };
        // Only now, or the check would fill the cache with a file of which hardly anything is read again.
        set_up_cache(&conn).map_err(|e| sql("set up", path, e))?;
        migrate(&mut conn, path, MIGRATIONS)?;
        first_meta(&mut conn).map_err(|trouble| trouble.at("write", path))?;
        let opened = which(path)
            .ok_or_else(|| refused(path, "is gone while it is opened", "another program has removed it; start again"))?;
        Ok(Self { path: path.to_owned(), conn, reader: Reader::new(path), check, opened, kept: None })
    }

    /// Checks, without the lock and without changing anything, that this version of the program could open the file;
    /// one that is not there is fine.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn check(path: &Path) -> Result<(), StoreError> {
        if !path.exists() {
            return Ok(());
        }
        check_ours(&connect_plain(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?, path).map(drop)
    }

    /// Returns the identity that this state directory was given when it was made.
    ///
    /// # Errors
    /// As [`Store::load`].
    pub fn install(&self) -> Result<Uuid, StoreError> {
        let text: String =
            self.conn.query_row("SELECT install FROM meta", [], |row| row.get(0)).map_err(|e| sql("read", &self.path, e))?;
        let why =
            |e: uuid::Error| StoreError::Row { path: self.path.clone(), table: "meta", key: "1".into(), why: e.to_string() };
        text.parse().map_err(why)
    }

    /// Refuses to write into a file that nobody will find again: it was removed, or another one was put in its place.
    fn still_there(&self) -> Result<(), Trouble> {
        let (why, hint) = match which(&self.path) {
            Some(now) if now == self.opened => return Ok(()),
            Some(_) => ("was replaced while ostler runs on it", "stop ostler before a database is put in place"),
            None => (
                "was removed while ostler runs on it",
                "put it back from a copy (`ostler db backup` makes them) and start ostler again; jobs on nodes go on",
            ),
        };
        Err(Trouble::Refused { why: format!("{why}; nothing more is accepted"), hint: hint.to_owned() })
    }

    /// Refuses a database that is older than the one that was here.
    fn not_older(&self) -> Result<(), Trouble> {
        let Some(witness) = Witness::read(dir_of(&self.path)) else { return Ok(()) };
        let (install, epoch, seq): (String, i64, i64) =
            self.conn
                .query_row("SELECT install, epoch, seq FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        match witness.newer_than(&install, epoch.cast_unsigned(), seq.cast_unsigned()) {
            None => Ok(()),
            Some(why) => Err(Trouble::Refused {
                why,
                hint: "put the newer one back, or take this one on with its waiting jobs held: ostler db adopt".to_owned(),
            }),
        }
    }

    fn write_batch(&mut self, batch: &Batch) -> Result<(), Trouble> {
        self.still_there()?;
        crash_point("store.commit.begin");
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        take_turn(&tx, batch)?;
        events::append(&tx, batch)?;
        rows::apply(&tx, &batch.rows)?;
        sealed::keep(&tx, &batch.sealed)?;
        outbox::apply(&tx, batch)?;
        crash_point("store.commit.before");
        tx.commit()?;
        crash_point("store.commit.after");
        if let Some(kept) = &self.kept {
            kept.reached(batch.seq, dir_of(&self.path));
        }
        Ok(())
    }

    fn write_epoch(&mut self, at: UnixMillis) -> Result<Epoch, Trouble> {
        self.not_older()?;
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (epoch, seq, install): (i64, i64, String) = tx.query_row(
            "UPDATE meta SET epoch = epoch + 1, epoch_at = ?1, version = ?2 RETURNING epoch, seq, install",
            params![at.0, env!("CARGO_PKG_VERSION")],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        tx.commit()?;
        let epoch = Epoch(epoch.cast_unsigned());
        let kept = Kept::begin(dir_of(&self.path), &install, epoch, seq.cast_unsigned()).map_err(|e| Trouble::Refused {
            why: format!("the file `{WITNESS_FILE}` beside it cannot be written: {e}"),
            hint: "make room, or check the directory's permissions".to_owned(),
        })?;
        self.kept = Some(kept);
        Ok(epoch)
    }
}

/// Returns which file has this name, by device and number.
fn which(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|about| (about.dev(), about.ino()))
}

/// Takes the turn's number and counters, unless another core has come since or the turn is not a new one.
fn take_turn(tx: &Connection, batch: &Batch) -> Result<(), Trouble> {
    let counters = to_json("meta", 1, &batch.counters)?;
    let taken = tx
        .prepare_cached("UPDATE meta SET seq = ?1, counters = ?2 WHERE seq < ?1 AND epoch = ?3")?
        .execute(params![int(batch.seq.0), counters, int(batch.epoch.0)])?;
    if taken == 1 {
        return Ok(());
    }
    let (seq, epoch): (i64, i64) = tx.query_row("SELECT seq, epoch FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Err(Trouble::Refused {
        why: format!(
            "turn {} of core {} cannot follow turn {seq} of core {epoch}: another core has written here, or an old copy was put back",
            batch.seq.0, batch.epoch.0
        ),
        hint: "stop every ostler on this state directory and start one again".to_owned(),
    })
}

impl Store for Db {
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(found) = self.check.as_mut().and_then(Check::finding) {
            return Err(damaged(&self.path, &found));
        }
        self.write_batch(batch).map_err(|trouble| trouble.at("commit to", &self.path))
    }

    fn next_epoch(&mut self, at: UnixMillis) -> Result<Epoch, StoreError> {
        self.write_epoch(at).map_err(|trouble| trouble.at("commit to", &self.path))
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.reader.load()
    }

    fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        self.reader.job(id)
    }

    fn job_named(&self, experiment: ExperimentId, name: &str) -> Result<Option<Arc<Job>>, StoreError> {
        self.reader.job_named(experiment, name)
    }

    fn numbered_job(&self, experiment: ExperimentId, before: &str) -> Result<Option<String>, StoreError> {
        self.reader.numbered_job(experiment, before)
    }

    fn job_with_token(&self, token: &str) -> Result<Option<Arc<Job>>, StoreError> {
        self.reader.job_with_token(token)
    }

    fn jobs(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Arc<Job>>, bool), StoreError> {
        self.reader.jobs(page, have)
    }

    fn listed(&self, page: &JobPage, have: Have<'_>) -> Result<(Vec<Listed>, bool), StoreError> {
        self.reader.listed(page, have)
    }

    fn sealed(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.reader.sealed(id)
    }

    fn reader(&self) -> Option<Reader> {
        Some(self.reader.clone())
    }
}

/// Makes the file, or checks the one that is there, and returns its size. SQLite gives `-wal` and `-shm` the mode of
/// the file itself, so its mode is settled before SQLite sees it, whatever the umask.
fn prepare_file(path: &Path) -> Result<Bytes, StoreError> {
    let hint = "choose another directory with --state-dir";
    match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => check_file(path)?,
        Err(e) => return Err(refused(path, format!("cannot be made: {e}"), hint)),
    }
    let meta = fs::metadata(path).map_err(|e| refused(path, format!("cannot be read: {e}"), hint))?;
    if meta.mode() & 0o7777 != 0o600 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(|e| refused(path, format!("cannot be made private: {e}"), hint))?;
    }
    Ok(Bytes(meta.size()))
}

fn check_file(path: &Path) -> Result<(), StoreError> {
    let failed = |e: io::Error| refused(path, format!("cannot be opened: {e}"), "check its permissions");
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "directory" } else { "link or device" };
        return Err(refused(path, format!("is no file but a {what}"), "move it away"));
    }
    let us = rustix::process::geteuid().as_raw();
    if meta.uid() != us {
        return Err(refused(path, format!("belongs to uid {}, and this is uid {us}", meta.uid()), "move it away"));
    }
    let mut head = Vec::new();
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    file.take(16).read_to_end(&mut head).map_err(failed)?;
    // A rollback journal beside it: the power went while the file was made, and SQLite takes that back.
    let unfinished = fs::metadata(beside(path, "-journal")).is_ok_and(|about| about.len() > 0);
    if !head.is_empty() && head != b"SQLite format 3\0" && !unfinished {
        let shown: String = String::from_utf8_lossy(&head).escape_debug().collect();
        return Err(refused(path, format!("is not an ostler database (it begins with `{shown}`)"), KEPT_HINT));
    }
    Ok(())
}

/// Opens a connection with the settings that all have.
pub(super) fn connect_plain(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let conn =
        Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(|e| sql("open", path, e))?;
    let settings = || {
        conn.busy_timeout(BUSY_WAIT)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.pragma_update(None, "trusted_schema", false)?;
        conn.pragma_update(None, "cell_size_check", true)
    };
    settings().map_err(|e| sql("open", path, e))?;
    Ok(conn)
}

/// Opens one more connection that can only read.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let conn = connect_plain(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "query_only", true).map_err(|e| sql("open", path, e))?;
    Ok(conn)
}

/// Checks whose file it is and returns its schema, 0 for an empty one.
pub(super) fn check_ours(conn: &Connection, path: &Path) -> Result<i64, StoreError> {
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let id = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        Ok((id, schema_of(conn)?, tables))
    };
    let (id, schema, tables) = read().map_err(|e| sql("read", path, e))?;
    if tables == 0 && id == 0 && schema == 0 {
        return Ok(0);
    }
    if id != APPLICATION_ID {
        return Err(refused(path, format!("is the database of another program (application id {id:#x})"), KEPT_HINT));
    }
    if schema > SCHEMA {
        let by = conn.query_row("SELECT version FROM meta", [], |row| row.get::<_, String>(0)).optional().ok().flatten();
        let by = by.map_or_else(|| "a newer ostler".to_owned(), |version| format!("ostler {version}"));
        return Err(refused(
            path,
            format!(
                "was made by {by} (schema {schema}), this is {} (schema {SCHEMA}); not opened",
                env!("CARGO_PKG_VERSION")
            ),
            "use the newer ostler, or another --state-dir",
        ));
    }
    if !(1..=SCHEMA).contains(&schema) {
        return Err(damaged(path, &format!("its schema number is {schema}")));
    }
    Ok(schema)
}

/// Sets what lasts and what belongs to the writing connection (reliability settings: measured 2026-11 on ext4).
fn set_up_writer(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let settings = || -> rusqlite::Result<String> {
        let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.pragma_update(None, "wal_autocheckpoint", 1000)?;
        conn.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
        conn.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
        Ok(mode)
    };
    let mode = settings().map_err(|e| sql("set up", path, e))?;
    if mode != "wal" {
        return Err(refused(
            path,
            format!("cannot use a write-ahead log (it stays in mode `{mode}`)"),
            "choose a local disk",
        ));
    }
    Ok(())
}

fn set_up_cache(conn: &Connection) -> rusqlite::Result<()> {
    give_back(conn)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)
}

/// Gives back what a connection has in its page cache.
pub(super) fn give_back(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("PRAGMA shrink_memory")
}

/// Writes the one row of `meta` of a new file.
fn first_meta(conn: &mut Connection) -> Result<(), Trouble> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows: i64 = tx.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
    if rows == 0 {
        let counters = to_json("meta", 1, &Counters::default())?;
        tx.execute(
            "INSERT INTO meta (id, install, version, epoch, epoch_at, seq, counters) VALUES (1, ?1, ?2, 0, 0, 0, ?3)",
            params![Uuid::new_v4().to_string(), env!("CARGO_PKG_VERSION"), counters],
        )?;
        tx.commit()?;
    }
    Ok(())
}

/// Returns what SQLite's quick check finds wrong first.
pub(super) fn quick_check(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((found != "ok").then_some(found))
}

/// The check of a large file, on its own thread and connection.
struct Check {
    thread: Option<JoinHandle<Option<String>>>,
    found: Option<String>,
    interrupt: InterruptHandle,
}

impl Check {
    fn start(path: &Path) -> Result<Self, StoreError> {
        let conn = connect_reader(path)?;
        let interrupt = conn.get_interrupt_handle();
        let body = move || match quick_check(&conn) {
            Ok(found) => found,
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => None,
            Err(e) => Some(e.to_string()),
        };
        let thread = std::thread::Builder::new().name("store-check".to_owned()).spawn(body);
        let thread = thread.map_err(|e| refused(path, format!("cannot be checked: {e}"), "raise the limit of processes"))?;
        Ok(Self { thread: Some(thread), found: None, interrupt })
    }

    /// Returns what was found wrong so far.
    fn finding(&mut self) -> Option<String> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(thread) = self.thread.take()
        {
            self.found = thread.join().unwrap_or_else(|_| Some("the check itself failed".to_owned()));
        }
        self.found.clone()
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.interrupt.interrupt();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn finding(check: &mut Check) -> Option<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while check.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            assert!(Instant::now() < deadline, "the check does not end");
            std::thread::yield_now();
        }
        check.finding()
    }

    #[test]
    fn a_large_file_is_checked_meanwhile_and_damage_stops_commits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE_FILE);
        let mut db = Db::open(&path).unwrap();
        assert_eq!(finding(&mut Check::start(&path).unwrap()), None);
        db.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        // The root page of an index: nothing reads it, so only a check finds it.
        let page: i64 =
            db.conn.query_row("SELECT rootpage FROM sqlite_master WHERE name = 'job_ended'", [], |row| row.get(0)).unwrap();
        let at = (usize::try_from(page).unwrap() - 1) * 4096;
        bytes[at..at + 16].fill(0xff);
        fs::write(&path, bytes).unwrap();

        let mut check = Check::start(&path).unwrap();
        assert!(finding(&mut check).is_some());
        assert!(check.finding().is_some(), "it is not forgotten");
        db.check = Some(check);
        let error = db.commit(&Batch { seq: crate::model::ids::Seq(1), ..Batch::default() }).unwrap_err();
        assert!(error.to_string().contains("is damaged: "), "{error}");
    }
}
