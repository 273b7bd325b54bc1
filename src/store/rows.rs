//! Rows as they are now: each has a JSON body and the columns it is found by.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fault::Trouble;
use super::sealed;
use crate::model::job_column::EndedJob;
use crate::model::snapshot::{Change, RowKey};
use crate::model::state::{Cluster, Experiment, FileServer, Job, Node, ResourceGroup, Sweep, Workspace};

/// Writes a value for a text column.
pub(super) fn to_json<T: Serialize>(table: &'static str, key: u64, value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value).map_err(|e| Trouble::Row { table, key: key.to_string(), why: e.to_string() })
}

/// Reads a body, and names the row when it does not hold what it should.
pub(super) fn from_json<T: DeserializeOwned>(table: &'static str, key: i64, body: &str) -> Result<T, Trouble> {
    serde_json::from_str(body).map_err(|e| Trouble::Row { table, key: key.to_string(), why: e.to_string() })
}

/// SQLite's integers are signed; our counters stay far below that bound.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// Brings the tables to what `changes` say. Only the last word on a row counts, and what goes goes first, so that its
/// name is free for what comes in the same turn.
pub(super) fn apply(tx: &Transaction<'_>, changes: &[Change]) -> Result<(), Trouble> {
    let last: BTreeMap<RowKey, &Change> = changes.iter().map(|change| (change.key(), change)).collect();
    let mut left = Vec::new();
    for change in last.values() {
        if let Change::Gone(key) = change {
            left.extend(sealed::leave(tx, *key)?);
            delete(tx, *key)?;
        }
    }
    for change in last.values() {
        match change {
            Change::Group(row) => put_group(tx, row)?,
            Change::Workspace(row) => put_workspace(tx, row)?,
            Change::FileServer(row) => put_file_server(tx, row)?,
            Change::Cluster(row) => put_cluster(tx, row)?,
            Change::Node(row) => put_node(tx, row)?,
            Change::Experiment(row) => put_experiment(tx, row)?,
            Change::Sweep(row) => put_sweep(tx, row)?,
            Change::Job(row) => put_job(tx, row)?,
            Change::Site(_) | Change::Gone(_) => {}
        }
    }
    left.iter().try_for_each(|left| sealed::hand_on(tx, left))
}

/// Removes a row. The ended jobs of an experiment are not in the core's memory, so they go with it here.
fn delete(tx: &Transaction<'_>, key: RowKey) -> Result<(), Trouble> {
    let (sql, id) = match key {
        RowKey::Group(id) => ("DELETE FROM resource_group WHERE id = ?1", id.0),
        RowKey::FileServer(id) => ("DELETE FROM file_server WHERE id = ?1", id.0),
        RowKey::Workspace(id) => ("DELETE FROM workspace WHERE id = ?1", id.0),
        RowKey::Cluster(id) => ("DELETE FROM cluster WHERE id = ?1", id.0),
        RowKey::Node(id) => ("DELETE FROM node WHERE id = ?1", id.0),
        RowKey::Experiment(id) => {
            sealed::remove_with(tx, int(id.0))?;
            tx.prepare_cached("DELETE FROM job WHERE experiment = ?1")?.execute([int(id.0)])?;
            ("DELETE FROM experiment WHERE id = ?1", id.0)
        }
        RowKey::Sweep(id) => ("DELETE FROM sweep WHERE id = ?1", id.0),
        RowKey::Job(id) => ("DELETE FROM job WHERE id = ?1", id.0),
        RowKey::Site(_) => return Ok(()),
    };
    tx.prepare_cached(sql)?.execute([int(id)])?;
    Ok(())
}

fn put_group(tx: &Transaction<'_>, row: &ResourceGroup) -> Result<(), Trouble> {
    let body = to_json("resource_group", row.id.0, row)?;
    tx.prepare_cached(
        "INSERT INTO resource_group (id, name, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, body = excluded.body",
    )?
    .execute(params![int(row.id.0), row.name, body])?;
    Ok(())
}

fn put_file_server(tx: &Transaction<'_>, row: &FileServer) -> Result<(), Trouble> {
    let body = to_json("file_server", row.id.0, row)?;
    tx.prepare_cached(
        "INSERT INTO file_server (id, workspace, name, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET workspace = excluded.workspace, name = excluded.name, body = excluded.body",
    )?
    .execute(params![int(row.id.0), int(row.workspace.0), row.name, body])?;
    Ok(())
}

fn put_workspace(tx: &Transaction<'_>, row: &Workspace) -> Result<(), Trouble> {
    let body = to_json("workspace", row.id.0, row)?;
    tx.prepare_cached(
        "INSERT INTO workspace (id, name, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, body = excluded.body",
    )?
    .execute(params![int(row.id.0), row.name, body])?;
    Ok(())
}

fn put_cluster(tx: &Transaction<'_>, row: &Cluster) -> Result<(), Trouble> {
    let body = to_json("cluster", row.id.0, row)?;
    tx.prepare_cached(
        "INSERT INTO cluster (id, workspace, name, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET workspace = excluded.workspace, name = excluded.name, body = excluded.body",
    )?
    .execute(params![int(row.id.0), int(row.workspace.0), row.name, body])?;
    Ok(())
}

fn put_node(tx: &Transaction<'_>, row: &Node) -> Result<(), Trouble> {
    let body = to_json("node", row.id.0, row)?;
    let capacity = match &row.facts {
        Some(facts) => Some(to_json("node", row.id.0, &facts.capacity)?),
        None => None,
    };
    tx.prepare_cached(
        "INSERT INTO node (id, cluster, name, state, capacity, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET cluster = excluded.cluster, name = excluded.name, state = excluded.state,
           capacity = excluded.capacity, body = excluded.body",
    )?
    .execute(params![int(row.id.0), int(row.cluster.0), row.name, row.state.word(), capacity, body])?;
    Ok(())
}

fn put_experiment(tx: &Transaction<'_>, row: &Experiment) -> Result<(), Trouble> {
    let body = to_json("experiment", row.id.0, row)?;
    tx.prepare_cached(
        "INSERT INTO experiment (id, workspace, name, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET workspace = excluded.workspace, name = excluded.name, body = excluded.body",
    )?
    .execute(params![int(row.id.0), int(row.workspace.0), row.name, body])?;
    Ok(())
}

/// What was asked for is written when the sweep comes and when it is extended, not when its members come up.
fn put_sweep(tx: &Transaction<'_>, row: &Sweep) -> Result<(), Trouble> {
    let body = to_json("sweep", row.id.0, row)?;
    let known = tx.prepare_cached("UPDATE sweep SET body = ?1 WHERE id = ?2 AND parts = ?3")?.execute(params![
        body,
        int(row.id.0),
        row.parts
    ])?;
    if known == 0 {
        let spec = to_json("sweep", row.id.0, &*row.spec)?;
        tx.prepare_cached(
            "INSERT OR REPLACE INTO sweep (id, experiment, name, parts, spec, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![int(row.id.0), int(row.experiment.0), row.name, row.parts, spec, body])?;
    }
    Ok(())
}

/// A job's experiment, name, token and demand never change, so an update leaves their columns and indexes alone. The line is
/// written with the body, or it would say something else.
fn put_job(tx: &Transaction<'_>, row: &Arc<Job>) -> Result<(), Trouble> {
    let body = to_json("job", row.id.0, row)?;
    let demand = to_json("job", row.id.0, &row.spec.demand)?;
    let ended = row.state.ended().then(|| row.last.ended.unwrap_or(row.since).0);
    tx.prepare_cached(
        "INSERT INTO job (id, experiment, cluster, name, token, state, ended, demand, body, line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET cluster = excluded.cluster, state = excluded.state, ended = excluded.ended,
           body = excluded.body, line = excluded.line",
    )?
    .execute(params![
        int(row.id.0),
        int(row.experiment.0),
        int(row.cluster.0),
        row.name,
        row.token,
        row.state.word(),
        ended,
        demand,
        body,
        EndedJob::line_of(row)
    ])?;
    Ok(())
}
