//! What has been kept long enough goes, a slice between two commits, and its space comes back.

use super::checkpoint::EVERY_BYTES;
use crate::retention::{Retention, TASK_MS};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

/// Rows of a kind that one slice removes: few enough that no commit waits long for it.
const SLICE: usize = 200;
/// How long to rest when nothing is left to remove.
const EVERY_MS: i64 = 60_000;
/// Free pages are given back when they are more than this, and more than a tenth of all.
const FREE_PAGES: i64 = 1_000;
/// Pages that one slice gives back.
const PAGES: i64 = 500;
/// Bytes in the log of one removed row, about.
const ROW_BYTES: usize = 300;

/// When to look again.
#[derive(Debug, Default)]
pub struct Expiry {
    next_ms: i64,
    /// The last slice gave space back; the file is shorter only after a checkpoint.
    gave_back: bool,
}

impl Expiry {
    pub fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.next_ms
    }

    /// Removes one slice. Returns the bytes that this wrote to the log, about.
    pub fn slice(&mut self, conn: &mut Connection, retention: &Retention, now_ms: i64) -> Result<usize> {
        let tx = conn.transaction()?;
        let removed = [
            messages(&tx, retention, now_ms)?,
            tx.prepare_cached(
                "DELETE FROM attempts WHERE id IN (SELECT a.id FROM attempts a WHERE a.message < ?
                 AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.message = a.message) ORDER BY a.message LIMIT ?)",
            )?
            .execute(params![retention.first_attempted(now_ms), SLICE as i64])?,
            tx.prepare_cached(
                "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE created_ms < ? LIMIT ?)",
            )?
            .execute(params![retention.first_key_ms(now_ms), SLICE as i64])?,
            tx.prepare_cached(
                "DELETE FROM tasks WHERE id IN
                 (SELECT id FROM tasks WHERE status <> 'running' AND updated_ms < ? LIMIT ?)",
            )?
            .execute(params![now_ms - TASK_MS, SLICE as i64])?,
        ];
        tx.commit()?;
        let given_back = give_back(conn)?;
        if !given_back && removed.iter().all(|rows| *rows < SLICE) {
            self.next_ms = now_ms + EVERY_MS;
        }
        let all_given_back = std::mem::replace(&mut self.gave_back, given_back) && !given_back;
        Ok(if all_given_back { EVERY_BYTES } else { removed.iter().sum::<usize>() * ROW_BYTES })
    }
}

/// Messages of every class that there is, each with its own idempotency of names: an `eventId` may come
/// again when its message is gone.
fn messages(tx: &Transaction<'_>, retention: &Retention, now_ms: i64) -> Result<usize> {
    let mut removed = 0;
    let mut next = tx.prepare_cached("SELECT class FROM messages WHERE class > ? ORDER BY class LIMIT 1")?;
    let mut class: Option<u16> = next.query_row([0], |row| row.get(0)).optional()?;
    while let Some(days) = class {
        let mut delete = tx.prepare_cached(
            "DELETE FROM messages WHERE id IN (SELECT m.id FROM messages m WHERE m.class = ? AND m.id < ?
             AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.message = m.id) ORDER BY m.id LIMIT ?)
             RETURNING app, event_id",
        )?;
        let rows = delete.query_map(params![days, retention.first_message(days, now_ms), SLICE as i64], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        for (app, event_id) in rows.collect::<Result<Vec<_>>>()? {
            removed += 1;
            if let Some(event_id) = event_id {
                tx.prepare_cached("DELETE FROM event_ids WHERE app = ? AND event_id = ?")?
                    .execute(params![app, event_id])?;
            }
        }
        class = next.query_row([days], |row| row.get(0)).optional()?;
    }
    Ok(removed)
}

/// Shortens the file when much of it is free. False when it is not worth it.
fn give_back(conn: &Connection) -> Result<bool> {
    let count = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let free = count("freelist_count")?;
    if free < FREE_PAGES || free < count("page_count")? / 10 {
        return Ok(false);
    }
    // It gives back a page with each step, so it has to be stepped to its end.
    let mut vacuum = conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}
