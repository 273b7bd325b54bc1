//! Care for the file by hand: what is wrong with it, and a copy of it while it is in use. Nothing here changes the file.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::de::DeserializeOwned;

use super::StoreError;
use super::fault::{CARE_HINT, refused, sql};
use super::migrations::{APPLICATION_ID, SCHEMA, schema_of};
use super::witness::Witness;
use super::{open, place};
use crate::model::ids::Counters;
use crate::model::spec::SweepSpec;
use crate::model::state::{Cluster, Experiment, FileServer, Job, Node, ResourceGroup, Sweep, Workspace};
use crate::model::units::Bytes;
use crate::sched::{Effect, Event};

/// The most faults of one kind that are told; a damaged file has as many as it has pages.
pub(super) const TOLD_MAX: usize = 20;

/// One class of rows: a table, what it is called, and how to know that a row of it can be used.
pub(super) struct Class {
    /// The table.
    pub table: &'static str,
    /// What its rows are called.
    pub words: &'static str,
    /// What one of them is called, before its number.
    pub one: &'static str,
    /// By what a row is found.
    pub key: &'static [&'static str],
    /// All columns, in the order of the layout.
    pub columns: &'static [&'static str],
    /// Columns that hold JSON, each with what reads it.
    pub bodies: &'static [(usize, Check)],
    /// An index from which the keys can be read beside the table.
    pub index: Option<&'static str>,
    /// The last number that was given out.
    pub last: fn(&Counters) -> u64,
}

fn reads<T: DeserializeOwned>(text: &str) -> Result<(), String> {
    serde_json::from_str::<T>(text).map(drop).map_err(|e| e.to_string())
}

/// All classes but the one row of `meta`; those that others refer to come first.
pub(super) const CLASSES: &[Class] = &[
    Class {
        table: "resource_group",
        words: "resource groups",
        one: "resource group",
        key: &["id"],
        columns: &["id", "name", "body"],
        bodies: &[(2, reads::<ResourceGroup>)],
        index: None,
        last: |counters| counters.group.0,
    },
    Class {
        table: "workspace",
        words: "workspaces",
        one: "workspace",
        key: &["id"],
        columns: &["id", "name", "body"],
        bodies: &[(2, reads::<Workspace>)],
        index: None,
        last: |counters| counters.workspace.0,
    },
    Class {
        table: "file_server",
        words: "file servers",
        one: "file server",
        key: &["id"],
        columns: &["id", "workspace", "name", "body"],
        bodies: &[(3, reads::<FileServer>)],
        index: None,
        last: |counters| counters.file_server.0,
    },
    Class {
        table: "cluster",
        words: "clusters",
        one: "cluster",
        key: &["id"],
        columns: &["id", "workspace", "name", "body"],
        bodies: &[(3, reads::<Cluster>)],
        index: None,
        last: |counters| counters.cluster.0,
    },
    Class {
        table: "node",
        words: "nodes",
        one: "node",
        key: &["id"],
        columns: &["id", "cluster", "name", "state", "capacity", "body"],
        bodies: &[(5, reads::<Node>)],
        index: None,
        last: |counters| counters.node.0,
    },
    Class {
        table: "experiment",
        words: "experiments",
        one: "experiment",
        key: &["id"],
        columns: &["id", "workspace", "name", "body"],
        bodies: &[(3, reads::<Experiment>)],
        index: None,
        last: |counters| counters.experiment.0,
    },
    Class {
        table: "sweep",
        words: "sweeps",
        one: "sweep",
        key: &["id"],
        columns: &["id", "experiment", "name", "parts", "spec", "body"],
        bodies: &[(4, reads::<SweepSpec>), (5, reads::<Sweep>)],
        index: None,
        last: |counters| counters.sweep.0,
    },
    Class {
        table: "job",
        words: "jobs",
        one: "job",
        key: &["id"],
        columns: &["id", "experiment", "cluster", "name", "token", "state", "ended", "demand", "body"],
        bodies: &[(8, reads::<Job>)],
        index: Some("job_state"),
        last: |counters| counters.job.0,
    },
    Class {
        table: "sealed",
        words: "kept secrets",
        one: "secret",
        key: &["id"],
        columns: &["id", "kind", "owner", "body"],
        bodies: &[],
        index: Some("sealed_owner"),
        last: |_| 0,
    },
    Class {
        table: "outbox",
        words: "acts on their way",
        one: "act",
        key: &["id"],
        columns: &["id", "body"],
        bodies: &[(1, reads::<Effect>)],
        index: None,
        last: |counters| counters.effect.0,
    },
    Class {
        table: "event",
        words: "events of the history",
        one: "turn",
        key: &["seq", "n"],
        columns: &["seq", "n", "at", "epoch", "body"],
        bodies: &[(4, reads::<Event>)],
        index: None,
        last: |_| 0,
    },
];

impl Class {
    /// Returns a statement with the names of this class in the places of `:table`, `:columns`, `:key` (the first one), `:keys`
    /// and `:index`. Only names of our own come in so.
    pub(super) fn sql(&self, text: &str) -> String {
        text.replace(":table", self.table)
            .replace(":columns", &self.columns.join(", "))
            .replace(":keys", &self.key.join(", "))
            .replace(":key", self.key[0])
            .replace(":index", self.index.unwrap_or_default())
    }

    /// Says what is wrong with the JSON of a row.
    pub(super) fn wrong(&self, row: &rusqlite::Row<'_>) -> Result<(), String> {
        for (at, reads) in self.bodies {
            match row.get_ref(*at) {
                Ok(ValueRef::Text(text)) => {
                    let text = std::str::from_utf8(text).map_err(|_| format!("{} is no text", self.columns[*at]))?;
                    reads(text)?;
                }
                Ok(_) => return Err(format!("{} is no text", self.columns[*at])),
                Err(e) => return Err(e.to_string()),
            }
        }
        Ok(())
    }
}

/// Says a key as people read it: text, or a number.
pub(super) fn shown_key(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).escape_debug().take(40).collect(),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => "?".to_owned(),
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found, one fault each.
    pub words: Vec<String>,
}

fn good(name: &'static str, words: impl Into<String>) -> Finding {
    Finding { name, good: true, words: vec![words.into()] }
}

fn bad(name: &'static str, words: Vec<String>) -> Finding {
    Finding { name, good: false, words }
}

/// Looks at the whole file, beside a core that runs on it, and changes nothing.
///
/// # Errors
/// That there is no file, that it is not ours, or that a newer version made it.
pub fn examine(path: &Path) -> Result<Vec<Finding>, StoreError> {
    present(path)?;
    let dir = dir_of(path);
    let mut found = vec![match place::check_local(dir).and_then(|()| place::check_room(dir)) {
        Ok(()) => good("place", format!("{}, on a local disk with room", path.display())),
        Err(e) => bad("place", vec![e.to_string()]),
    }];
    let conn = match open::connect_plain(path, OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(|conn| {
        let schema = open::check_ours(&conn, path)?;
        Ok((conn, schema))
    }) {
        Ok((_, 0)) => {
            found.push(good("form", "empty, as before the first start"));
            return Ok(found);
        }
        Ok((conn, schema)) => {
            let older = if schema < SCHEMA { format!("; the next start makes {SCHEMA} of it") } else { String::new() };
            found.push(good("form", format!("schema {schema}{older}")));
            conn
        }
        Err(StoreError::Refused { why, .. }) if why.starts_with("is damaged") || why.starts_with("is not an ostler") => {
            found.push(bad("form", vec![why]));
            return Ok(found);
        }
        Err(e) => return Err(e),
    };
    let checks = [("quick check", "PRAGMA quick_check(20)"), ("full check", "PRAGMA integrity_check(20)")];
    for (name, pragma) in checks {
        let words = pragma_words(&conn, pragma);
        found.push(if words == ["ok"] { good(name, "nothing is wrong") } else { bad(name, words) });
    }
    found.push(match epoch_of(&conn) {
        Ok((install, epoch, seq)) => {
            let older = Witness::read(dir).and_then(|witness| witness.newer_than(&install, epoch, seq));
            match older {
                Some(why) => bad("age", vec![why]),
                None => good("age", format!("start {epoch}, turn {seq}")),
            }
        }
        Err(e) => bad("age", vec![format!("meta: {e}")]),
    });
    for class in CLASSES {
        found.push(class_finding(&conn, class));
    }
    Ok(found)
}

/// Returns what SQLite's own check says, line by line.
fn pragma_words(conn: &Connection, pragma: &str) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let mut select = conn.prepare(pragma)?;
        let lines = select.query_map([], |row| row.get::<_, String>(0))?;
        // One row can hold several lines.
        Ok(lines.collect::<Result<Vec<_>, _>>()?.iter().flat_map(|text| text.lines()).map(str::to_owned).collect())
    };
    match read() {
        Ok(words) => words.into_iter().filter(|line| !line.starts_with("*** in database")).take(TOLD_MAX).collect(),
        Err(e) => vec![e.to_string()],
    }
}

fn epoch_of(conn: &Connection) -> rusqlite::Result<(String, u64, u64)> {
    let sql = "SELECT install, epoch, seq, counters FROM meta";
    conn.query_row(sql, [], |row| {
        reads::<Counters>(row.get_ref(3)?.as_str()?)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, e.into()))?;
        Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned()))
    })
}

fn class_finding(conn: &Connection, class: &'static Class) -> Finding {
    let mut count = 0u64;
    let mut faults = Vec::new();
    let mut more = 0u64;
    let mut tell = |words: String| if faults.len() < TOLD_MAX { faults.push(words) } else { more += 1 };
    let sound = conn
        .query_row("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1", [class.table], |_| Ok(()))
        .optional();
    match sound {
        Ok(Some(())) => {}
        Ok(None) => return good(class.words, "none; the file is from before there were any"),
        Err(e) => return bad(class.words, vec![e.to_string()]),
    }
    let mut read = || -> rusqlite::Result<()> {
        let mut select = conn.prepare(&class.sql("SELECT :columns FROM :table NOT INDEXED"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            count += 1;
            if let Err(why) = class.wrong(row) {
                tell(format!("{} {}: {why}", class.one, shown_key(row.get_ref(0)?)));
            }
        }
        Ok(())
    };
    if let Err(e) = read() {
        faults.push(format!("cannot be read to the end: {e}"));
    }
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    match faults.is_empty() {
        true => good(class.words, count.to_string()),
        false => bad(class.words, faults),
    }
}

/// Writes a compact copy of the whole file, as of one moment, beside a core that runs on it. The copy has its name last, so that
/// what has the name is whole.
///
/// # Errors
/// `to` is there and may not be replaced, it cannot be written, or the file is damaged.
pub fn back_up(path: &Path, to: &Path, replace: bool) -> Result<Bytes, StoreError> {
    present(path)?;
    let conn = open::connect_plain(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    open::check_ours(&conn, path)?;
    let dir = dir_of(to);
    let failed = |e: io::Error| refused(to, format!("cannot be written: {e}"), "name a file in a directory of yours");
    match fs::symlink_metadata(to) {
        Ok(about) if about.is_dir() => return Err(refused(to, "is a directory", "name a file in it")),
        Ok(about) if fs::metadata(path).is_ok_and(|of| (of.dev(), of.ino()) == (about.dev(), about.ino())) => {
            return Err(refused(to, "is the database itself", "name another file"));
        }
        Ok(_) if !replace => return Err(refused(to, "is there already", "name another file, or add --force to replace it")),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let part = beside(to, &format!(".part-{}", std::process::id()));
    let copied = copy_into(&conn, path, &part).and_then(|size| {
        match replace {
            true => fs::rename(&part, to).map_err(failed)?,
            false => {
                // Unlike a renaming, this fails when somebody else has made the name meanwhile.
                fs::hard_link(&part, to).map_err(failed)?;
                fs::remove_file(&part).map_err(failed)?;
            }
        }
        sync_dir(dir).map_err(failed)?;
        Ok(size)
    });
    if copied.is_err() {
        // It may never have been made.
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Says why a file that was named cannot be written.
pub(super) fn cannot_write(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            refused(path, "there is no space left on its disk", "make room there, or name another place")
        }
        _ => refused(path, format!("cannot be written: {error}"), "name a file in a directory of yours"),
    }
}

/// Copies into a new file for our eyes only, and looks at the copy.
fn copy_into(conn: &Connection, path: &Path, part: &Path) -> Result<Bytes, StoreError> {
    let failed = |e| cannot_write(part, &e);
    // SQLite would make it by the umask.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
    let target = part.to_str().ok_or_else(|| refused(part, "is not UTF-8", "name another file"))?;
    conn.execute("VACUUM INTO ?1", [target]).map_err(|e| match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            refused(part, "there is no space left on its disk", "make room there, or name another place")
        }
        Some(rusqlite::ErrorCode::CannotOpen) => refused(part, "cannot be written", "name a file in a directory of yours"),
        _ => sql("copy", path, e),
    })?;
    let copy = open::connect_plain(part, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if let Some(found) = open::quick_check(&copy).map_err(|e| sql("check", part, e))? {
        return Err(refused(path, format!("gives a damaged copy: {found}"), CARE_HINT));
    }
    drop(copy);
    file.sync_all().map_err(failed)?;
    Ok(Bytes(file.metadata().map_err(failed)?.len()))
}

/// Returns a name beside a file.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

pub(super) fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

/// Refuses what is no file; SQLite would make an empty one.
///
/// # Errors
/// There is no file of this name.
pub fn present(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() => Ok(()),
        Ok(_) => Err(refused(path, "is no file", "move it away")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(refused(path, "there is no database here", "it is made by the first start; --state-dir names another place"))
        }
        Err(e) => Err(refused(path, format!("cannot be read: {e}"), "check its permissions")),
    }
}

/// Returns the number that marks a file as ours; what recovery writes into a head that is damaged.
pub(super) fn application_id() -> u32 {
    u32::try_from(APPLICATION_ID).unwrap_or_default()
}

/// Says what is wrong with the text of a column.
pub type Check = fn(&str) -> Result<(), String>;

/// Reads the schema of a file that may be damaged.
pub(super) fn schema(conn: &Connection) -> Option<i64> {
    schema_of(conn).ok()
}
