//! Messages into the transaction of a batch.

use super::record::schedule;
use crate::columns::{chain_bytes, deliver_ms, endpoint_bytes, endpoints_from, names_text};
use crate::error::AppendError;
use crate::id::{AppId, EndpointId, MessageId, ms_of};
use crate::message::{Appended, DeliveryKey, IdempotencyKey, NewMessage, Scheduled};
use crate::recent_keys::RecentKey;
use rusqlite::{OptionalExtension, Transaction, params};

/// One message's result, or an error of the database that ends the batch.
type Result<T> = rusqlite::Result<T>;

/// What an idempotency key was answered with.
pub struct Remembered {
    pub body: Vec<u8>,
    pub message: Option<i64>,
    pub status: Option<u16>,
    pub answer: Option<Vec<u8>>,
}

/// Adds `message` under `id`; that its idempotency key is new has been looked up before. Conflicts
/// are found by reading before the first insert, so a message that is refused leaves nothing behind in
/// the batch it shares with others.
pub fn append(
    tx: &Transaction<'_>,
    id: MessageId,
    message: &NewMessage,
) -> Result<std::result::Result<Appended, AppendError>> {
    if let Some(event_id) = &message.event_id {
        if event_id_taken(tx, message.app, event_id)? {
            return Ok(Err(AppendError::EventIdTaken));
        }
        tx.prepare_cached("INSERT INTO event_ids VALUES (?, ?, ?)")?.execute(params![message.app.0, event_id, id.0])?;
    }
    let key = message.idempotency.as_ref();
    tx.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        id.0,
        message.app.0,
        message.event_type,
        message.event_id,
        names_text(&message.channels),
        endpoint_bytes(&message.endpoints),
        message.created_ms,
        key.map(|key| key.key),
        key.map(|key| key.body),
        &message.payload[..],
        message.class,
        names_text(&message.tags),
        deliver_ms(message.deliver),
        chain_bytes(&message.chain),
    ])?;
    for endpoint in &message.ordered {
        let delivery = DeliveryKey { message: id, endpoint: *endpoint, manual: false };
        schedule(tx, &Scheduled { delivery, due_ms: message.due_ms, attempts: 0 })?;
    }
    for endpoint in &message.polled {
        tx.prepare_cached("INSERT INTO polled VALUES (?, ?)")?.execute(params![endpoint.0, id.0])?;
    }
    if let (Some(object), Some(endpoint)) = (&message.object, message.endpoints.first()) {
        tx.prepare_cached("INSERT OR REPLACE INTO addresses VALUES (?, ?, ?, ?)")?.execute(params![
            message.app.0,
            object,
            endpoint.0,
            message.created_ms
        ])?;
    }
    Ok(Ok(Appended::New(id)))
}

/// The earlier request with this idempotency key, if it came at `since_ms` or later.
pub fn remembered(tx: &Transaction<'_>, key: &IdempotencyKey, since_ms: i64) -> Result<Option<Remembered>> {
    tx.prepare_cached("SELECT body, message, status, answer FROM idempotency WHERE key = ? AND created_ms >= ?")?
        .query_row(params![&key.key[..], since_ms], |row| {
            Ok(Remembered { body: row.get(0)?, message: row.get(1)?, status: row.get(2)?, answer: row.get(3)? })
        })
        .optional()
}

/// Moves keys from their messages' rows into the index, where memory no longer has to hold them.
/// They count from when they came.
pub fn move_keys(tx: &Transaction<'_>, keys: &[RecentKey]) -> Result<()> {
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO idempotency VALUES (?, ?, ?, ?, NULL, NULL)")?;
    for recent in keys {
        insert.execute(params![recent.key.key, recent.key.body, ms_of(recent.message.0), recent.message.0])?;
    }
    Ok(())
}

fn event_id_taken(tx: &Transaction<'_>, app: AppId, event_id: &str) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM event_ids WHERE app = ? AND event_id = ?")?.exists(params![app.0, event_id])
}

/// From now on the message goes to the endpoint too. False when there is no such message.
pub fn add_endpoint(tx: &Transaction<'_>, message: MessageId, endpoint: EndpointId) -> Result<bool> {
    let found: Option<Vec<u8>> = tx
        .prepare_cached("SELECT endpoints FROM messages WHERE id = ?")?
        .query_row([message.0], |row| row.get(0))
        .optional()?;
    let Some(bytes) = found else { return Ok(false) };
    let mut endpoints = endpoints_from(&bytes);
    if !endpoints.contains(&endpoint) {
        endpoints.push(endpoint);
        tx.prepare_cached("UPDATE messages SET endpoints = ? WHERE id = ?")?
            .execute(params![endpoint_bytes(&endpoints), message.0])?;
    }
    Ok(true)
}
