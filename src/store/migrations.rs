//! The layout of the file, as a numbered list that is only ever added to. `user_version` says how many of them a file
//! has had. Before a file that holds anything is changed, a copy of it is made beside it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;
use super::fault::{refused, sql};

/// Marks a file as ours: "ostl" in ASCII, at offset 68 of the file.
pub(super) const APPLICATION_ID: i64 = 0x6f73_746c;

/// One step of the layout.
pub(super) struct Migration {
    /// What it brings, for the log.
    pub(super) what: &'static str,
    /// The statements.
    pub(super) sql: &'static str,
}

/// All steps; number n makes schema n.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { what: "the first layout", sql: SCHEMA_1 },
    Migration { what: "resource groups and file servers", sql: GROUPS_AND_FILE_SERVERS },
    Migration { what: "sealed values", sql: SEALED },
    Migration { what: "sweeps", sql: SWEEPS },
    Migration { what: "arrays as rows of their own", sql: ARRAYS },
    Migration { what: "what lists show of ended jobs", sql: LINES },
];

/// The schema that this version of the program writes.
pub(super) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Columns beside `body` are what is searched by; `capacity` and `demand` are resource vectors as JSON, apart from the
/// bodies so that a later scheduler can ask for them in SQL. An index on a column also orders by `id`.
const SCHEMA_1: &str = "
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  install TEXT NOT NULL,
  version TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  epoch_at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  counters TEXT NOT NULL
) STRICT;
CREATE TABLE event (
  seq INTEGER NOT NULL,
  n INTEGER NOT NULL,
  at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (seq, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE workspace (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL COLLATE NOCASE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE cluster (
  id INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE node (
  id INTEGER PRIMARY KEY,
  cluster INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  state TEXT NOT NULL,
  capacity TEXT,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE experiment (
  id INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  experiment INTEGER NOT NULL,
  cluster INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  token TEXT,
  state TEXT NOT NULL,
  ended INTEGER,
  demand TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX job_name ON job (experiment, name);
CREATE UNIQUE INDEX job_token ON job (token) WHERE token IS NOT NULL;
CREATE INDEX job_experiment_state ON job (experiment, state);
CREATE INDEX job_cluster_state ON job (cluster, state);
CREATE INDEX job_state ON job (state);
CREATE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL;
";

const GROUPS_AND_FILE_SERVERS: &str = "
CREATE TABLE resource_group (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL COLLATE NOCASE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE file_server (
  id INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  body TEXT NOT NULL
) STRICT;
";

/// Encrypted values, each with the row it goes with.
const SEALED: &str = "
CREATE TABLE sealed (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  owner INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sealed_owner ON sealed (kind, owner);
";

/// What was asked for stands apart from the row, which is written whenever members come up.
const SWEEPS: &str = "
CREATE TABLE sweep (
  id INTEGER PRIMARY KEY,
  experiment INTEGER NOT NULL,
  name TEXT NOT NULL COLLATE NOCASE,
  parts INTEGER NOT NULL,
  spec TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
";

/// An array stands among the sweeps until all its members have come up. The columns are the same; who does not know of arrays
/// there must not make jobs of them.
const ARRAYS: &str = "";

/// What `model::job_column::EndedJob` keeps of a job that has ended. Rows of before have none and are read from their bodies, so
/// that no start has to write all of them. A list reads the index alone: the pages of the table hold two or three jobs each, and to
/// read them took five times as long.
const LINES: &str = "
ALTER TABLE job ADD COLUMN line BLOB;
CREATE INDEX job_line ON job (id, experiment, cluster, name, line) WHERE line IS NOT NULL;
";

/// Reads how many steps the file has had.
pub(super) fn schema_of(conn: &Connection) -> rusqlite::Result<i64> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the file to the last step of `list`.
pub(super) fn migrate(conn: &mut Connection, path: &Path, list: &[Migration]) -> Result<(), StoreError> {
    let from = schema_of(conn).map_err(|e| sql("read the schema of", path, e))?;
    let done = usize::try_from(from).unwrap_or(usize::MAX);
    let Some(left @ [_, ..]) = list.get(done..) else { return Ok(()) };
    if done > 0 {
        back_up(conn, path, from)?;
    }
    for (number, step) in (from + 1..).zip(left) {
        tracing::info!(schema = number, what = step.what, "migrates the store");
        one_step(conn, number, step).map_err(|e| sql("migrate", path, e))?;
    }
    Ok(())
}

fn one_step(conn: &mut Connection, number: i64, step: &Migration) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(step.sql)?;
    if number == 1 {
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    tx.pragma_update(None, "user_version", number)?;
    tx.commit()
}

/// Returns where the copy of a file of schema `schema` is kept.
pub(super) fn backup_path(path: &Path, schema: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".schema-{schema}.backup"));
    PathBuf::from(name)
}

/// Writes a compact copy for our eyes only. The empty file is made first, because SQLite would make it by the umask,
/// and is given its name last, so that a copy under that name is whole.
fn back_up(conn: &Connection, path: &Path, schema: i64) -> Result<(), StoreError> {
    let last = backup_path(path, schema);
    let mut part = last.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed =
        |e: std::io::Error| refused(&last, format!("the copy before a migration failed: {e}"), "make room and try again");
    match fs::remove_file(&part) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(failed)?;
    let target = part.to_str().ok_or_else(|| refused(&part, "is not UTF-8", "choose another --state-dir"))?;
    conn.execute("VACUUM INTO ?1", [target]).map_err(|e| sql("copy before a migration", path, e))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&part, &last).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const TWO: &[Migration] = &[
        Migration { what: "one", sql: "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7);" },
        Migration { what: "two", sql: "ALTER TABLE a ADD COLUMN y TEXT;" },
        Migration { what: "broken", sql: "CREATE TABLE b (z INTEGER) STRICT; CREATE TABLE a (x INTEGER) STRICT;" },
    ];

    #[test]
    fn a_file_is_copied_before_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sqlite");
        let mut conn = Connection::open(&path).unwrap();
        migrate(&mut conn, &path, &TWO[..1]).unwrap();
        assert!(!backup_path(&path, 0).exists(), "an empty file needs no copy");
        migrate(&mut conn, &path, &TWO[..2]).unwrap();
        assert_eq!(schema_of(&conn).unwrap(), 2);
        let copy = backup_path(&path, 1);
        assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o7777, 0o600);
        let old = Connection::open(&copy).unwrap();
        assert_eq!(schema_of(&old).unwrap(), 1);
        assert_eq!(old.query_row("SELECT x FROM a", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert!(old.query_row("SELECT y FROM a", [], |row| row.get::<_, Option<String>>(0)).is_err());
    }

    #[test]
    fn a_step_happens_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sqlite");
        let mut conn = Connection::open(&path).unwrap();
        migrate(&mut conn, &path, &TWO[..2]).unwrap();
        assert!(migrate(&mut conn, &path, TWO).is_err());
        assert_eq!(schema_of(&conn).unwrap(), 2);
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
    }
}
