//! Effects that were issued and not answered: what a crash may have kept from being done.

use rusqlite::{Connection, Transaction, params};

use super::Batch;
use super::fault::Trouble;
use super::rows::{from_json, int, to_json};
use crate::sched::Effect;

/// Adds what the turn issued, then removes what it saw answered.
pub(super) fn apply(tx: &Transaction<'_>, batch: &Batch) -> Result<(), Trouble> {
    let mut insert = tx.prepare_cached("INSERT INTO outbox (id, body) VALUES (?1, ?2)")?;
    for effect in &batch.issued {
        insert.execute(params![int(effect.id.0), to_json("outbox", effect.id.0, effect)?])?;
    }
    let mut delete = tx.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
    for id in &batch.answered {
        delete.execute([int(id.0)])?;
    }
    Ok(())
}

/// Reads all of it, in the order of identity.
pub(super) fn load(conn: &Connection) -> Result<Vec<Effect>, Trouble> {
    let mut select = conn.prepare_cached("SELECT id, body FROM outbox ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut effects = Vec::new();
    while let Some(row) = rows.next()? {
        effects.push(from_json("outbox", row.get(0)?, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(effects)
}
