//! Sealed values: each stands beside the row that refers to it, and goes with it. The members of an array refer to the same
//! values: the array's row has them while it is there, then one member has, and whoever goes hands them on.

use rusqlite::{CachedStatement, OptionalExtension as _, Transaction, params};
use serde::Deserialize;

use super::Sealed;
use super::fault::Trouble;
use super::rows::{from_json, int};
use crate::model::ids::JobId;
use crate::model::snapshot::RowKey;
use crate::model::state::{ArrayMember, Block};

/// How the table of sealed values names what may own some.
fn owner(key: RowKey) -> Option<(&'static str, i64)> {
    match key {
        RowKey::Job(id) => Some(("job", int(id.0))),
        RowKey::Cluster(id) => Some(("cluster", int(id.0))),
        RowKey::Sweep(id) => Some(("sweep", int(id.0))),
        RowKey::Group(_)
        | RowKey::FileServer(_)
        | RowKey::Workspace(_)
        | RowKey::Node(_)
        | RowKey::Experiment(_)
        | RowKey::Site(_) => None,
    }
}

/// Adds sealed values.
pub(super) fn keep(tx: &Transaction<'_>, sealed: &[Sealed]) -> Result<(), Trouble> {
    for Sealed { id, owner: of, bytes } in sealed {
        let Some((kind, of)) = owner(*of) else {
            return Err(Trouble::Row { table: "sealed", key: id.to_string(), why: format!("{of:?} owns no values") });
        };
        tx.prepare_cached("INSERT INTO sealed (id, kind, owner, body) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            id.to_string(),
            kind,
            of,
            bytes
        ])?;
    }
    Ok(())
}

/// Values whose owner goes, and who refers to them too.
pub(super) struct Left {
    kind: &'static str,
    owner: i64,
    /// The number of the array's first member, and how many there are; they have their numbers in a row.
    members: (JobId, u64),
}

/// What of a job's row says whose member it is.
#[derive(Deserialize)]
struct MemberRow {
    member: Option<ArrayMember>,
}

/// What of a sweep's row says which jobs its members are.
#[derive(Deserialize)]
struct ArrayRow {
    blocks: Vec<Block>,
}

/// Removes the values of a row that is about to go, but for those of an array, which [`hand_on`] is to be told of.
pub(super) fn leave(tx: &Transaction<'_>, key: RowKey) -> Result<Option<Left>, Trouble> {
    let Some((kind, owner)) = owner(key) else { return Ok(None) };
    let mut any = tx.prepare_cached("SELECT 1 FROM sealed WHERE kind = ?1 AND owner = ?2")?;
    if !any.exists(params![kind, owner])? {
        return Ok(None);
    }
    let body = |mut select: CachedStatement<'_>| select.query_row([owner], |row| row.get::<_, String>(0)).optional();
    let left = match key {
        RowKey::Job(_) => {
            let row = body(tx.prepare_cached("SELECT body FROM job WHERE id = ?1")?)?;
            let row = row.map(|body| from_json::<MemberRow>("job", owner, &body)).transpose()?;
            row.and_then(|row| row.member).map(|member| (member.of, u64::from(member.count)))
        }
        RowKey::Sweep(_) => {
            let row = body(tx.prepare_cached("SELECT body FROM sweep WHERE id = ?1 AND body ->> 'indexes' IS NOT NULL")?)?;
            let row = row.map(|body| from_json::<ArrayRow>("sweep", owner, &body)).transpose()?;
            let count = |row: &ArrayRow| row.blocks.iter().map(|block| u64::from(block.count)).sum();
            row.and_then(|row| Some((row.blocks.first()?.job, count(&row))))
        }
        _ => None,
    };
    let left = left.map(|members| Left { kind, owner, members });
    if left.is_none() {
        remove(tx, kind, owner)?;
    }
    Ok(left)
}

/// Gives the values to a member that is there; without one nobody refers to them any more, and they go.
pub(super) fn hand_on(tx: &Transaction<'_>, left: &Left) -> Result<(), Trouble> {
    let Left { kind, owner, members: (first, count) } = left;
    let last = int(first.0.saturating_add(*count).saturating_sub(1));
    let member = tx
        .prepare_cached("SELECT id FROM job WHERE id BETWEEN ?1 AND ?2 LIMIT 1")?
        .query_row([int(first.0), last], |row| row.get::<_, i64>(0))
        .optional()?;
    match member {
        Some(heir) => {
            tx.prepare_cached("UPDATE sealed SET kind = 'job', owner = ?1 WHERE kind = ?2 AND owner = ?3")?
                .execute(params![heir, kind, owner])?;
        }
        None => remove(tx, kind, *owner)?,
    }
    Ok(())
}

/// Removes the values of all jobs of an experiment.
pub(super) fn remove_with(tx: &Transaction<'_>, experiment: i64) -> Result<(), Trouble> {
    tx.prepare_cached("DELETE FROM sealed WHERE kind = 'job' AND owner IN (SELECT id FROM job WHERE experiment = ?1)")?
        .execute([experiment])?;
    Ok(())
}

fn remove(tx: &Transaction<'_>, kind: &str, owner: i64) -> Result<(), Trouble> {
    tx.prepare_cached("DELETE FROM sealed WHERE kind = ?1 AND owner = ?2")?.execute(params![kind, owner])?;
    Ok(())
}
