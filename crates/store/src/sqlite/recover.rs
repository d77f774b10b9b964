//! After a crash: what was accepted and has neither an attempt nor a row in the schedule gets a row.
//!
//! Nothing is matched again: the message holds the endpoints that matched when it was accepted.

use super::record::schedule;
use crate::columns::{deliver_from, endpoints_from};
use crate::id::MessageId;
use crate::message::{Deliver, DeliveryKey, Scheduled};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, params};

/// Messages looked at in one transaction.
const CHUNK: usize = 5_000;

/// Returns how many deliveries were found again, and the newest message id.
pub fn recover(conn: &mut Connection, now_ms: i64) -> Result<usize> {
    let mark: Option<i64> =
        conn.query_row("SELECT value FROM meta WHERE key = 'watermark'", [], |row| row.get(0)).optional()?;
    let mut from = mark.unwrap_or(0);
    let mut found = 0;
    loop {
        let tx = conn.transaction()?;
        let chunk = chunk(&tx, from)?;
        for Accepted { message, endpoints, deliver } in &chunk {
            for endpoint in endpoints_from(endpoints) {
                let delivery = DeliveryKey { message: *message, endpoint, manual: false };
                if !settled(&tx, delivery)? {
                    schedule(&tx, &Scheduled { delivery, due_ms: deliver.due_ms(now_ms), attempts: 0 })?;
                    found += 1;
                }
            }
        }
        if let Some(last) = chunk.last() {
            from = last.message.0 + 1;
            tx.execute("INSERT OR REPLACE INTO meta VALUES ('watermark', ?)", [from])?;
        }
        tx.commit()?;
        if chunk.len() < CHUNK {
            return Ok(found);
        }
    }
}

/// What of a message recovery needs.
struct Accepted {
    message: MessageId,
    endpoints: Vec<u8>,
    deliver: Deliver,
}

fn chunk(tx: &Transaction<'_>, from: i64) -> Result<Vec<Accepted>> {
    tx.prepare_cached("SELECT id, endpoints, deliver_ms FROM messages WHERE id >= ? ORDER BY id LIMIT ?")?
        .query_map(params![from, CHUNK as i64], |row| {
            let (message, deliver) = (MessageId(row.get(0)?), deliver_from(row.get(2)?));
            Ok(Accepted { message, endpoints: row.get(1)?, deliver })
        })?
        .collect()
}

fn settled(tx: &Transaction<'_>, delivery: DeliveryKey) -> Result<bool> {
    let key = params![delivery.message.0, delivery.endpoint.0];
    Ok(tx.prepare_cached("SELECT 1 FROM attempts WHERE message = ? AND endpoint = ?")?.exists(key)?
        || tx.prepare_cached("SELECT 1 FROM schedule WHERE message = ? AND endpoint = ?")?.exists(key)?)
}
