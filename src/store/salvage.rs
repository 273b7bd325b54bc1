//! What can still be read of a damaged database, in a new one; and taking on one that is older than its nodes.
//!
//! Decisions (2026-11):
//! - The damaged file is never written: all work is done on a copy, whose head is put right first and whose write-ahead log is then
//!   taken in as far as it is whole.
//! - Numbers are given out in a row and SQLite finds a row by its number without its neighbours. So a table that cannot be read
//!   through is asked for each number; what lies on other pages than the damaged ones comes back.
//! - What came back has to be a state that the core can go on from. What hangs on something lost is lost with it, or, when it is a
//!   job under way, has ended without a known code: nothing is guessed.
//! - Nobody knows how old the result is. So what waits is held, and nothing starts twice without a person's word.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params, params_from_iter};

use super::care::{
    CLASSES, Class, TOLD_MAX, application_id, beside, cannot_write, dir_of, present, schema, shown_key, sync_dir,
};
use super::fault::{Trouble, refused, sql};
use super::migrations::SCHEMA;
use super::rows::{from_json, int, to_json};
use super::witness::Witness;
use super::{Db, StoreError, open, place};
use crate::model::ids::{ClusterId, Counters, EffectId, ExperimentId, JobId, NodeId, WorkspaceId};
use crate::model::state::{
    Cluster, ExecutionState, Experiment, FileServer, Job, JobError, Node, Proof, RankState, Sweep, Tally,
};
use crate::model::units::UnixMillis;

/// How many numbers are tried when nothing says how many were given out.
const NUMBERS_TRIED: u64 = 200_000;
/// By how much counters go on when what was given out last is not known for sure: more than anybody submits unseen.
const NUMBERS_SKIPPED: u64 = 1_000;

/// What became of one class of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// What they are called.
    pub class: &'static str,
    /// How many are in the new file.
    pub saved: u64,
    /// How many are not.
    pub lost: u64,
    /// Which, and why; the first ones.
    pub words: Vec<String>,
}

impl Saved {
    fn lose(&mut self, words: String) {
        self.lost += 1;
        if self.words.len() < TOLD_MAX {
            self.words.push(words);
        }
    }
}

/// What a recovery came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Each class of rows.
    pub classes: Vec<Saved>,
    /// How many jobs are held now.
    pub held: u64,
    /// What was made of other parts of the file.
    pub notes: Vec<String>,
    /// Where the new database is.
    pub to: PathBuf,
    /// Where the damaged one is kept.
    pub kept: PathBuf,
}

type Rows = BTreeMap<&'static str, Vec<Vec<Value>>>;

/// Saves what can be read into a new file: into `to`, or into the place of the damaged one, which is kept beside it under another
/// name. Whoever calls holds the lock of the directory.
///
/// # Errors
/// There is nothing to read, a newer version made it, or the new file cannot be written. The damaged file is as it was.
pub fn recover(path: &Path, to: Option<&Path>, at: UnixMillis) -> Result<Recovered, StoreError> {
    present(path)?;
    if let Some(to) = to {
        if fs::symlink_metadata(to).is_ok() {
            return Err(refused(to, "is there already", "name another file"));
        }
        place::check_local(dir_of(to))?;
    }
    let target = to.unwrap_or(path);
    let copy = beside(target, ".recovering");
    let part = beside(target, ".recovered");
    let clear = || {
        for file in [&copy, &part] {
            for end in ["", "-wal", "-shm", "-journal"] {
                // Most of them are not there.
                let _ = fs::remove_file(beside(file, end));
            }
        }
    };
    clear();
    let made = read_copy(path, &copy).and_then(|found| write_new(path, &part, found, at));
    let recovered = made.and_then(|mut recovered| {
        (recovered.to, recovered.kept) = (target.to_owned(), path.to_owned());
        match to {
            Some(to) => give_name(&part, to)?,
            None => recovered.kept = put_in_place(path, &part)?,
        }
        Ok(recovered)
    });
    clear();
    recovered
}

/// What was read of the damaged file.
struct Found {
    rows: Rows,
    classes: Vec<Saved>,
    meta: Option<Meta>,
    notes: Vec<String>,
}

struct Meta {
    install: String,
    epoch: i64,
    seq: i64,
    counters: Counters,
}

fn read_copy(path: &Path, copy: &Path) -> Result<Found, StoreError> {
    let mut notes = Vec::new();
    copy_file(path, copy)?;
    if fs::metadata(beside(path, "-wal")).is_ok_and(|about| about.len() > 0) {
        copy_file(&beside(path, "-wal"), &beside(copy, "-wal"))?;
    }
    if mend_head(copy).map_err(|e| refused(copy, format!("cannot be written: {e}"), "make room on that disk"))? {
        notes.push("the head of the file was damaged and was put right".to_owned());
    }
    let unreadable = |e: rusqlite::Error| {
        refused(
            path,
            format!("nothing can be read of it: {e}"),
            "look for a copy of it (`ostler db backup` makes them, and a migration leaves `*.backup`)",
        )
    };
    let conn = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(unreadable)?;
    // Faults of single entries of the schema are passed over then.
    conn.pragma_update(None, "writable_schema", true).map_err(unreadable)?;
    // A log that is not whole is taken in up to its last whole commit.
    let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(unreadable)?;
    if let Some(newer) = schema(&conn).filter(|schema| *schema > SCHEMA && *schema < SCHEMA + 1000) {
        return Err(refused(
            path,
            format!("was made by a newer ostler (schema {newer}), this is schema {SCHEMA}; not opened"),
            "use the newer ostler, or another --state-dir",
        ));
    }
    let meta = read_meta(&conn).ok();
    let counters = meta.as_ref().map(|meta| meta.counters);
    let mut rows = Rows::new();
    let mut classes = Vec::new();
    for class in CLASSES {
        let mut saved = Saved { class: class.words, ..Saved::default() };
        rows.insert(
            class.table,
            read_class(&conn, class, counters.as_ref(), meta.as_ref().map(|meta| meta.seq), &mut saved),
        );
        classes.push(saved);
    }
    Ok(Found { rows, classes, meta, notes })
}

fn copy_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |e| cannot_write(to, &e);
    let mut source =
        fs::File::open(from).map_err(|e| refused(from, format!("cannot be read: {e}"), "check its permissions"))?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
    io::copy(&mut source, &mut target).and_then(|_| target.flush()).map_err(failed)
}

/// Writes what the head of every file of ours has (<https://www.sqlite.org/fileformat.html>, 1.3) where the copy has something else,
/// and says whether it had.
fn mend_head(copy: &Path) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).write(true).open(copy)?;
    let mut head = [0u8; 100];
    if file.read_exact_at(&mut head, 0).is_err() {
        return Ok(false);
    }
    let was = head;
    head[..16].copy_from_slice(b"SQLite format 3\0");
    // Pages of 4096 bytes without anything reserved, a write-ahead log, and the fractions that are fixed.
    head[16..24].copy_from_slice(&[0x10, 0, 2, 2, 0, 64, 32, 32]);
    // The fourth schema format, UTF-8, no vacuum by itself.
    head[44..48].copy_from_slice(&4u32.to_be_bytes());
    head[52..56].copy_from_slice(&[0; 4]);
    head[56..60].copy_from_slice(&1u32.to_be_bytes());
    head[64..68].copy_from_slice(&[0; 4]);
    head[68..72].copy_from_slice(&application_id().to_be_bytes());
    head[72..92].copy_from_slice(&[0; 20]);
    if head == was {
        return Ok(false);
    }
    // The size is then taken from the file.
    head[28..32].copy_from_slice(&[0; 4]);
    file.write_all_at(&head, 0)?;
    Ok(true)
}

const META: &str = "SELECT install, epoch, seq, counters FROM meta";

fn read_meta(conn: &Connection) -> Result<Meta, Trouble> {
    let (install, epoch, seq, counters): (String, i64, i64, String) =
        conn.query_row(META, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    if install.parse::<uuid::Uuid>().is_err() || epoch < 0 || seq < 0 {
        return Err(Trouble::Row { table: "meta", key: "1".to_owned(), why: "it holds no state of ours".to_owned() });
    }
    Ok(Meta { install, epoch, seq, counters: from_json("meta", 1, &counters)? })
}

fn values(row: &rusqlite::Row<'_>, class: &Class) -> rusqlite::Result<Vec<Value>> {
    (0..class.columns.len()).map(|at| row.get::<_, Value>(at)).collect()
}

/// Reads all rows of a class that can be used, and counts the others.
fn read_class(
    conn: &Connection,
    class: &Class,
    counters: Option<&Counters>,
    turns: Option<i64>,
    saved: &mut Saved,
) -> Vec<Vec<Value>> {
    let exists =
        conn.query_row("SELECT count(*) FROM sqlite_master WHERE name = ?1", [class.table], |row| row.get::<_, i64>(0));
    if exists.is_ok_and(|count| count == 0) {
        return Vec::new();
    }
    let mut rows = Vec::new();
    if read_through(conn, class, &mut rows, saved).is_ok() {
        return rows;
    }
    rows.clear();
    *saved = Saved { class: saved.class, ..Saved::default() };
    let keys: Vec<Value> = match class.table {
        "sealed" => keys_from_both_ends(conn, class),
        "event" => (1..=turns.unwrap_or(int(NUMBERS_TRIED))).map(Value::Integer).collect(),
        _ => (0..=numbers(conn, class, counters)).map(Value::Integer).collect(),
    };
    // What an index names was there; of other numbers whose page is damaged nobody knows whether they were in use.
    let named: Option<BTreeSet<String>> = class.index.and_then(|_| {
        let mut select = conn.prepare(&class.sql("SELECT :key FROM :table INDEXED BY :index")).ok()?;
        let keys = select.query_map([], |row| Ok(shown_key(row.get_ref(0)?))).ok()?;
        keys.collect::<Result<_, _>>().ok()
    });
    let sql = class.sql("SELECT :columns FROM :table NOT INDEXED WHERE :key = ?1 ORDER BY :keys");
    let Ok(mut select) = conn.prepare(&sql) else { return rows };
    for key in keys {
        let shown = shown_key(ValueRef::from(&key));
        let mut read = || -> rusqlite::Result<()> {
            let mut found = select.query([&key])?;
            while let Some(row) = found.next()? {
                match class.wrong(row) {
                    Ok(()) => rows.push(values(row, class)?),
                    Err(why) => saved.lose(format!("{} {shown}: {why}", class.one)),
                }
            }
            Ok(())
        };
        if let Err(e) = read()
            && named.as_ref().is_none_or(|named| named.contains(&shown))
        {
            saved.lose(format!("{} {shown}: {e}", class.one));
        }
    }
    rows
}

fn read_through(conn: &Connection, class: &Class, rows: &mut Vec<Vec<Value>>, saved: &mut Saved) -> rusqlite::Result<()> {
    let mut select = conn.prepare(&class.sql("SELECT :columns FROM :table NOT INDEXED ORDER BY :keys"))?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        match class.wrong(row) {
            Ok(()) => rows.push(values(row, class)?),
            Err(why) => saved.lose(format!("{} {}: {why}", class.one, shown_key(row.get_ref(0)?))),
        }
    }
    Ok(())
}

/// Returns up to which number rows of a class can be.
fn numbers(conn: &Connection, class: &Class, counters: Option<&Counters>) -> i64 {
    let given = counters.map(|counters| int((class.last)(counters)));
    let greatest = conn.query_row(&class.sql("SELECT max(:key) FROM :table"), [], |row| row.get(0)).ok();
    given.max(greatest).unwrap_or(int(NUMBERS_TRIED))
}

/// Returns the keys of a table whose keys are no numbers, up to the damage from either end, and what its index names.
fn keys_from_both_ends(conn: &Connection, class: &Class) -> Vec<Value> {
    let mut keys = BTreeMap::new();
    for sql in [
        "SELECT :key FROM :table INDEXED BY :index",
        "SELECT :key FROM :table NOT INDEXED ORDER BY :key ASC",
        "SELECT :key FROM :table NOT INDEXED ORDER BY :key DESC",
    ] {
        let Ok(mut select) = conn.prepare(&class.sql(sql)) else { continue };
        let Ok(mut rows) = select.query([]) else { continue };
        while let Ok(Some(row)) = rows.next() {
            if let Ok(value @ Value::Text(_)) = row.get::<_, Value>(0) {
                keys.insert(shown_key(ValueRef::from(&value)), value);
            }
        }
    }
    keys.into_values().collect()
}

/// Writes a new database with what was found.
fn write_new(path: &Path, part: &Path, found: Found, at: UnixMillis) -> Result<Recovered, StoreError> {
    let Found { mut rows, mut classes, meta, mut notes } = found;
    let witness = Witness::read(dir_of(path));
    let meta = match (meta, &witness) {
        (Some(meta), _) => meta,
        (None, Some(witness)) => {
            notes.push("whose it is could not be read in it, and was taken from what is kept beside it".to_owned());
            let turns = greatest(&rows, "event");
            Meta {
                install: witness.install.clone(),
                epoch: int(witness.epoch),
                seq: turns.max(int(witness.seq)),
                counters: Counters::default(),
            }
        }
        (None, None) => {
            return Err(refused(
                path,
                "whose it is cannot be read (table meta), so its nodes would not know it again",
                "put a copy of it back (`ostler db backup` makes them)",
            ));
        }
    };
    let mut held = 0;
    make_sound(&mut rows, &mut classes, &mut held, at).map_err(|trouble| trouble.at("read", path))?;
    for (class, saved) in CLASSES.iter().zip(&mut classes) {
        saved.saved = rows.get(class.table).map_or(0, |rows| rows.len() as u64);
    }
    // What is lost may still run: no number up to now is nobody's.
    let counters = counters_after(&rows, meta.counters, JobId(0));
    let seen = witness.as_ref().filter(|witness| witness.install == meta.install).map_or(0, |witness| int(witness.epoch));
    drop(Db::open(part)?);
    let mut conn = open::connect_plain(part, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut write = || -> Result<(), Trouble> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (class, saved) in CLASSES.iter().zip(&mut classes) {
            let marks = vec!["?"; class.columns.len()].join(", ");
            let sql = class.sql("INSERT INTO :table (:columns) VALUES (:marks)").replace(":marks", &marks);
            let mut insert = tx.prepare(&sql)?;
            for row in rows.get(class.table).into_iter().flatten() {
                match insert.execute(params_from_iter(row)) {
                    Ok(_) => {}
                    // Two rows of one name cannot be, so one of them is damage.
                    Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                        saved.saved -= 1;
                        saved.lose(format!("{} {}: {e}", class.one, shown_key(ValueRef::from(&row[0]))));
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        }
        tx.execute(
            "UPDATE meta SET install = ?1, version = ?2, epoch = ?3, epoch_at = ?4, seq = ?5, counters = ?6",
            params![
                meta.install,
                env!("CARGO_PKG_VERSION"),
                meta.epoch.max(seen),
                at.0,
                meta.seq,
                to_json("meta", 1, &counters)?
            ],
        )?;
        tx.commit()?;
        Ok(())
    };
    write().map_err(|trouble| trouble.at("write", part))?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(|e| sql("write", part, e))?;
    if let Some(found) = open::quick_check(&conn).map_err(|e| sql("check", part, e))? {
        return Err(refused(part, format!("came out damaged: {found}"), "check this disk"));
    }
    Ok(Recovered { classes, held, notes, ..Recovered::default() })
}

/// The greatest number of a class.
fn greatest(rows: &Rows, table: &str) -> i64 {
    let numbers = rows.get(table).into_iter().flatten().filter_map(|row| match row.first() {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    });
    numbers.max().unwrap_or(0)
}

/// Goes on counting where nothing was given out for sure; jobs above `known` that are not there are left alone.
fn counters_after(rows: &Rows, was: Counters, known: JobId) -> Counters {
    let next = |table: &str, was: u64| greatest(rows, table).cast_unsigned().max(was) + NUMBERS_SKIPPED;
    let mut now = was;
    now.group.0 = next("resource_group", was.group.0);
    now.workspace.0 = next("workspace", was.workspace.0);
    now.cluster.0 = next("cluster", was.cluster.0);
    now.file_server.0 = next("file_server", was.file_server.0);
    now.node.0 = next("node", was.node.0);
    now.experiment.0 = next("experiment", was.experiment.0);
    now = now.without(JobId(next("job", was.job.0)));
    now.left_out_above = now.left_out_above.min(known);
    now.sweep.0 = next("sweep", was.sweep.0);
    now.effect.0 = next("outbox", was.effect.0);
    now
}

/// The bodies of one class, each beside its row.
fn bodies<T: serde::de::DeserializeOwned>(
    rows: &mut Rows,
    table: &'static str,
    at: usize,
) -> Result<Vec<(Vec<Value>, T)>, Trouble> {
    let rows = std::mem::take(rows.entry(table).or_default());
    let read = |row: Vec<Value>| {
        let key = match row.first() {
            Some(Value::Integer(key)) => *key,
            _ => 0,
        };
        let Some(Value::Text(text)) = row.get(at) else {
            return Err(Trouble::Row { table, key: key.to_string(), why: "it has no body".to_owned() });
        };
        let body = from_json(table, key, text)?;
        Ok((row, body))
    };
    rows.into_iter().map(read).collect()
}

fn lose(classes: &mut [Saved], table: &str, words: String) {
    let at = CLASSES.iter().position(|class| class.table == table);
    if let Some(saved) = at.and_then(|at| classes.get_mut(at)) {
        saved.lose(words);
    }
}

/// Makes a state of it that the core can go on from, and holds what waits.
fn make_sound(rows: &mut Rows, classes: &mut [Saved], held: &mut u64, at: UnixMillis) -> Result<(), Trouble> {
    let ids = |rows: &Rows, table: &str| -> BTreeSet<u64> {
        let number = |row: &Vec<Value>| match row.first() {
            Some(Value::Integer(number)) => Some(number.cast_unsigned()),
            _ => None,
        };
        rows.get(table).into_iter().flatten().filter_map(number).collect()
    };
    let workspaces = ids(rows, "workspace");
    let within = |id: WorkspaceId| workspaces.contains(&id.0);
    let mut servers = bodies::<FileServer>(rows, "file_server", 3)?;
    servers
        .retain(|(_, server)| keep(within(server.workspace), classes, "file_server", &server.id, "its workspace is lost"));
    let mut clusters = bodies::<Cluster>(rows, "cluster", 3)?;
    clusters
        .retain(|(_, cluster)| keep(within(cluster.workspace), classes, "cluster", &cluster.id, "its workspace is lost"));
    let mut experiments = bodies::<Experiment>(rows, "experiment", 3)?;
    experiments.retain(|(_, of)| keep(within(of.workspace), classes, "experiment", &of.id, "its workspace is lost"));
    let has_cluster: BTreeSet<ClusterId> = clusters.iter().map(|(_, cluster)| cluster.id).collect();
    let has_experiment: BTreeSet<ExperimentId> = experiments.iter().map(|(_, experiment)| experiment.id).collect();
    let mut nodes = bodies::<Node>(rows, "node", 5)?;
    nodes.retain(|(_, node)| keep(has_cluster.contains(&node.cluster), classes, "node", &node.id, "its cluster is lost"));
    let has_node: BTreeSet<NodeId> = nodes.iter().map(|(_, node)| node.id).collect();
    let acts: BTreeSet<EffectId> = ids(rows, "outbox").into_iter().map(EffectId).collect();

    let mut jobs = bodies::<Job>(rows, "job", 8)?;
    jobs.retain(|(_, job)| {
        let experiment = has_experiment.contains(&job.experiment);
        // Of an ended job the cluster may have been deleted.
        let cluster = has_cluster.contains(&job.cluster) || job.state.ended();
        keep(experiment, classes, "job", &job.id, "its experiment is lost")
            && keep(cluster, classes, "job", &job.id, "its cluster is lost")
    });
    let mut sweeps = bodies::<Sweep>(rows, "sweep", 5)?;
    sweeps.retain(|(_, sweep)| {
        let cluster = has_cluster.contains(&sweep.cluster) || sweep.left.is_empty();
        keep(has_experiment.contains(&sweep.experiment), classes, "sweep", &sweep.id, "its experiment is lost")
            && keep(cluster, classes, "sweep", &sweep.id, "its cluster is lost")
    });
    let to_come =
        |job: JobId| sweeps.iter().any(|(_, sweep)| sweep.index_of(job).is_some_and(|index| sweep.left.contains(index)));
    end_cut_off(&mut jobs, &has_node, &acts, to_come, at);
    let live: BTreeSet<(JobId, crate::model::ids::Attempt)> =
        jobs.iter().filter(|(_, job)| !job.state.ended()).map(|(_, job)| (job.id, job.attempt)).collect();
    for (_, node) in &mut nodes {
        node.holders.retain(|holder| live.contains(holder));
        node.effect = node.effect.filter(|effect| acts.contains(effect));
    }
    for (_, server) in &mut servers {
        server.effect = server.effect.filter(|effect| acts.contains(effect));
    }
    let mut tallies: BTreeMap<ExperimentId, Tally> = BTreeMap::new();
    for (_, job) in &mut jobs {
        *held += u64::from(hold(job));
        *tallies.entry(job.experiment).or_default().of(job.state) += 1;
    }
    for (_, sweep) in &mut sweeps {
        *held += hold_members(sweep);
        tallies.entry(sweep.experiment).or_default().queued += u64::from(sweep.left.len());
        sweep.expanding = sweep.expanding.filter(|effect| acts.contains(effect));
    }
    for (_, experiment) in &mut experiments {
        experiment.tally = tallies.remove(&experiment.id).unwrap_or_default();
    }
    put_back(rows, "file_server", 3, servers)?;
    put_back(rows, "cluster", 3, clusters)?;
    put_back(rows, "experiment", 3, experiments)?;
    put_back(rows, "node", 5, nodes)?;
    put_back(rows, "sweep", 5, sweeps)?;
    for (row, job) in &mut jobs {
        row[5] = Value::Text(job.state.word().to_owned());
        row[6] = job.state.ended().then(|| job.last.ended.unwrap_or(job.since).0).map_or(Value::Null, Value::Integer);
    }
    put_back(rows, "job", 8, jobs)
}

fn keep(there: bool, classes: &mut [Saved], table: &str, id: &dyn std::fmt::Display, why: &str) -> bool {
    if !there {
        lose(classes, table, format!("{id}: {why}"));
    }
    there
}

fn put_back<T: serde::Serialize>(
    rows: &mut Rows,
    table: &'static str,
    at: usize,
    bodies: Vec<(Vec<Value>, T)>,
) -> Result<(), Trouble> {
    let write = |(mut row, body): (Vec<Value>, T)| {
        row[at] = Value::Text(to_json(table, 0, &body)?);
        Ok(row)
    };
    rows.insert(table, bodies.into_iter().map(write).collect::<Result<_, Trouble>>()?);
    Ok(())
}

/// Holds a job that has not ended, and says whether that is new. One under way is held when it comes back to wait.
fn hold(job: &mut Job) -> bool {
    let waits = !job.state.ended() && !job.held;
    job.held |= waits;
    waits
}

/// Holds the members of a sweep or an array that have not come up, and returns how many jobs that are which have no other row:
/// a sweep is released as one, members of an array are released as jobs.
fn hold_members(sweep: &mut Sweep) -> u64 {
    let held = std::mem::replace(&mut sweep.held, true);
    match sweep.is_array() && !held {
        true => u64::from(sweep.left.len()),
        false => 0,
    }
}

/// Ends jobs under way whose node or whose order is lost, and jobs that wait for one that is.
fn end_cut_off(
    jobs: &mut [(Vec<Value>, Job)],
    nodes: &BTreeSet<NodeId>,
    acts: &BTreeSet<EffectId>,
    to_come: impl Fn(JobId) -> bool,
    at: UnixMillis,
) {
    for (_, job) in jobs.iter_mut().filter(|(_, job)| !job.state.ended()) {
        let cut = job.live_ranks().any(|(_, run)| {
            let ordered = match &run.state {
                RankState::Starting { effect } | RankState::Stopping { effect, .. } => acts.contains(effect),
                RankState::Running | RankState::Gone(_) => true,
            };
            !ordered || !nodes.contains(&run.node)
        });
        if cut {
            end_lost(job, "What is known of its processes was lost with a damaged state; how it ended is not known", at);
        }
    }
    loop {
        let waiting: BTreeSet<JobId> = jobs.iter().filter(|(_, job)| !job.state.ended()).map(|(_, job)| job.id).collect();
        let mut more = false;
        for (_, job) in jobs.iter_mut().filter(|(_, job)| !job.state.ended()) {
            let there = |other: JobId| waiting.contains(&other) || to_come(other);
            if job.dependencies.iter().any(|other| !other.met && !there(other.job)) {
                end_lost(job, "A job that it comes after was lost with a damaged state", at);
                more = true;
            }
        }
        if !more {
            return;
        }
    }
}

fn end_lost(job: &mut Job, why: &str, at: UnixMillis) {
    for run in job.last.ranks.values_mut().filter(|run| !matches!(run.state, RankState::Gone(_))) {
        run.state = RankState::Gone(Proof::Lost { why: "the state was damaged".to_owned() });
    }
    job.state = ExecutionState::Failed;
    job.last.ended = Some(at);
    (job.last.stop_at, job.last.after_stop, job.pause, job.held, job.last.exit_code) = (None, None, None, false, None);
    job.last.errors = vec![JobError { code: "StateLost".to_owned(), message: why.to_owned(), details: Vec::new() }];
}

/// Gives a file a name that nobody has.
fn give_name(part: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |e: io::Error| refused(to, format!("cannot be written: {e}"), "name another file");
    fs::File::open(part).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::hard_link(part, to).map_err(failed)?;
    sync_dir(dir_of(to)).map_err(failed)
}

/// Puts the new file in the place of the damaged one, which gets another name first. The log of the damaged one goes before the
/// new file comes: SQLite would take it for its own.
fn put_in_place(path: &Path, part: &Path) -> Result<PathBuf, StoreError> {
    let failed = |e: io::Error| refused(path, format!("cannot be replaced: {e}"), "check the directory's permissions");
    fs::File::open(part).and_then(|file| file.sync_all()).map_err(failed)?;
    let free =
        (1..).map(|number| beside(path, &format!(".damaged-{number}"))).find(|name| fs::symlink_metadata(name).is_err());
    let kept = free.unwrap_or_else(|| beside(path, ".damaged"));
    fs::hard_link(path, &kept).map_err(failed)?;
    let wal = beside(path, "-wal");
    if wal.exists() {
        fs::rename(&wal, beside(&kept, "-wal")).map_err(failed)?;
    }
    // It only says where in the log things are.
    let _ = fs::remove_file(beside(path, "-shm"));
    sync_dir(dir_of(path)).map_err(failed)?;
    fs::rename(part, path).map_err(failed)?;
    sync_dir(dir_of(path)).map_err(failed)?;
    Ok(kept)
}

/// Takes on a database that is older than its nodes may be: counts on from what they have seen, and holds what waits. Returns how
/// many jobs are held now; `None` when there is nothing to take on. Whoever calls holds the lock of the directory.
///
/// # Errors
/// As [`Db::open`], or a row that cannot be read.
pub fn adopt(path: &Path, at: UnixMillis) -> Result<Option<u64>, StoreError> {
    present(path)?;
    let dir = dir_of(path);
    let Some(witness) = Witness::read(dir) else { return Ok(None) };
    drop(Db::open(path)?);
    let mut conn = open::connect_plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut take = || -> Result<Option<(u64, Witness)>, Trouble> {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let meta = read_meta(&tx)?;
        if witness.newer_than(&meta.install, meta.epoch.cast_unsigned(), meta.seq.cast_unsigned()).is_none() {
            return Ok(None);
        }
        let mut held = 0;
        let live = read_rows(&tx, "SELECT id, body FROM job WHERE state IN ('queued', 'running', 'terminating')")?;
        for (id, body) in live {
            let mut job: Job = from_json("job", id, &body)?;
            held += u64::from(hold(&mut job));
            tx.execute("UPDATE job SET body = ?1 WHERE id = ?2", params![to_json("job", job.id.0, &job)?, id])?;
        }
        let sweeps = read_rows(&tx, "SELECT id, body FROM sweep")?;
        for (id, body) in sweeps {
            let mut sweep: Sweep = from_json("sweep", id, &body)?;
            held += hold_members(&mut sweep);
            tx.execute("UPDATE sweep SET body = ?1 WHERE id = ?2", params![to_json("sweep", sweep.id.0, &sweep)?, id])?;
        }
        let counters = to_json("meta", 1, &counters_after(&Rows::new(), meta.counters, meta.counters.job))?;
        let epoch = meta.epoch.max(int(witness.epoch));
        tx.execute("UPDATE meta SET epoch = ?1, epoch_at = ?2, counters = ?3", params![epoch, at.0, counters])?;
        tx.commit()?;
        Ok(Some((held, Witness { install: meta.install, epoch: epoch.cast_unsigned(), seq: meta.seq.cast_unsigned() })))
    };
    let Some((held, now)) = take().map_err(|trouble| trouble.at("write", path))? else { return Ok(None) };
    let noted = Witness::file(dir).and_then(|file| now.write(&file).and_then(|()| file.sync_all()));
    noted.map_err(|e| refused(dir, format!("cannot be written: {e}"), "make room, or check its permissions"))?;
    Ok(Some(held))
}

/// Forgets that the database was ahead, after a recovery: what came back is all there is.
///
/// # Errors
/// The file beside it cannot be written.
pub fn settle(path: &Path) -> Result<(), StoreError> {
    let dir = dir_of(path);
    let conn = open::connect_plain(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let meta = read_meta(&conn).map_err(|trouble| trouble.at("read", path))?;
    let now = Witness { install: meta.install, epoch: meta.epoch.cast_unsigned(), seq: meta.seq.cast_unsigned() };
    Witness::file(dir)
        .and_then(|file| now.write(&file).and_then(|()| file.sync_all()))
        .map_err(|e| refused(dir, format!("cannot be written: {e}"), "make room, or check its permissions"))
}

fn read_rows(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut select = conn.prepare(sql)?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
