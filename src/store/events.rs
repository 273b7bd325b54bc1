//! The history: every event of every committed turn, in order, never changed.

use rusqlite::{Transaction, params};

use super::Batch;
use super::fault::Trouble;
use super::rows::{int, to_json};

/// Appends the events of a turn.
pub(super) fn append(tx: &Transaction<'_>, batch: &Batch) -> Result<(), Trouble> {
    let mut insert = tx.prepare_cached("INSERT INTO event (seq, n, at, epoch, body) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (n, event) in (0i64..).zip(&batch.events) {
        let body = to_json("event", batch.seq.0, event)?;
        insert.execute(params![int(batch.seq.0), n, batch.at.0, int(batch.epoch.0), body])?;
    }
    Ok(())
}
