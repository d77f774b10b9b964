//! What consumers pull: one process writes, so the order of ids is that of commits.

use super::read::{message_row, within_bytes};
use crate::id::EndpointId;
use crate::listing::{Dialect, message_bytes, message_columns};
use crate::poll::Polled;
use crate::query::Found;
use rusqlite::{Connection, OptionalExtension, Result, params};

pub fn polled(conn: &Connection, endpoint: EndpointId, after: i64, limit: usize) -> Result<Found<Polled>> {
    let sql = format!(
        "SELECT {}, p.message, {} FROM polled p LEFT JOIN messages m ON m.id = p.message
         WHERE p.endpoint = ? AND p.message > ? ORDER BY p.message LIMIT ?",
        message_columns(Dialect::Sqlite, true),
        message_bytes(true)
    );
    let mut select = conn.prepare_cached(&sql)?;
    within_bytes(select.query(params![endpoint.0, after, limit as i64])?, 12, |row| {
        let is_kept = row.get::<_, Option<i64>>(0)?.is_some();
        let message = if is_kept { Some(message_row(row)?) } else { None };
        let position = row.get(11)?;
        Ok((position, Polled { position, message }))
    })
}

pub fn consumer(conn: &Connection, endpoint: EndpointId, name: &str) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT position FROM consumers WHERE endpoint = ? AND name = ?")?
        .query_row(params![endpoint.0, name], |row| row.get(0))
        .optional()
}
