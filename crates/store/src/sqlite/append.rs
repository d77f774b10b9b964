//! Messages into the transaction of a batch.

use crate::error::AppendError;
use crate::id::{AppId, EndpointId, MessageId};
use crate::message::{Appended, IdempotencyKey, NewMessage};
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

/// Adds `message` under `id`. Conflicts are found by reading before the first insert, so a message
/// that is refused leaves nothing behind in the batch it shares with others.
pub fn append(
    tx: &Transaction<'_>,
    id: MessageId,
    message: &NewMessage,
) -> Result<std::result::Result<Appended, AppendError>> {
    if let Some(key) = &message.idempotency
        && let Some(earlier) = remembered(tx, key)?
    {
        return Ok(match (earlier.body == key.body, earlier.message) {
            (true, Some(message)) => Ok(Appended::Repeat(MessageId(message))),
            _ => Err(AppendError::IdempotencyMismatch),
        });
    }
    if let Some(event_id) = &message.event_id {
        if event_id_taken(tx, message.app, event_id)? {
            return Ok(Err(AppendError::EventIdTaken));
        }
        tx.prepare_cached("INSERT INTO event_ids VALUES (?, ?, ?)")?.execute(params![message.app.0, event_id, id.0])?;
    }
    if let Some(key) = &message.idempotency {
        tx.prepare_cached("INSERT INTO idempotency VALUES (?, ?, ?, ?, NULL, NULL)")?.execute(params![
            key.key,
            key.body,
            message.created_ms,
            id.0
        ])?;
    }
    tx.prepare_cached("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        id.0,
        message.app.0,
        message.event_type,
        message.event_id,
        channels_text(&message.channels),
        endpoint_bytes(&message.endpoints),
        message.created_ms,
        &message.payload[..],
    ])?;
    Ok(Ok(Appended::New(id)))
}

/// The earlier request with this idempotency key.
pub fn remembered(tx: &Transaction<'_>, key: &IdempotencyKey) -> Result<Option<Remembered>> {
    tx.prepare_cached("SELECT body, message, status, answer FROM idempotency WHERE key = ?")?
        .query_row([&key.key[..]], |row| {
            Ok(Remembered { body: row.get(0)?, message: row.get(1)?, status: row.get(2)?, answer: row.get(3)? })
        })
        .optional()
}

fn event_id_taken(tx: &Transaction<'_>, app: AppId, event_id: &str) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM event_ids WHERE app = ? AND event_id = ?")?.exists(params![app.0, event_id])
}

fn channels_text(channels: &[String]) -> Option<String> {
    (!channels.is_empty()).then(|| channels.join(","))
}

/// Eight bytes an id.
pub fn endpoint_bytes(endpoints: &[EndpointId]) -> Vec<u8> {
    endpoints.iter().flat_map(|endpoint| endpoint.0.to_be_bytes()).collect()
}

/// The ids that [`endpoint_bytes`] wrote.
pub fn endpoints_from(bytes: &[u8]) -> Vec<EndpointId> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| EndpointId(i64::from_be_bytes(*chunk))).collect()
}
