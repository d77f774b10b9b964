//! The slow sweep: what the store holds and nobody works on.
//!
//! Everything else makes sure that there is no such thing; this finds it if that was wrong. It reads
//! every message once, a minute after it was accepted, a chunk at a time. One node at a time does it.

use super::adopt::{CHUNK, get, reschedule};
use crate::error::StoreError;
use crate::id::first_of_ms;
use deadpool_postgres::Pool;
use tokio_postgres::types::Type;

/// Younger messages may be on their way.
const AFTER_MS: i64 = 60_000;
/// How far back a sweep begins that has never been, or not for long.
const BACK_MS: i64 = 3_600_000;

/// Sweeps one chunk. Returns the deliveries that were found and scheduled.
pub async fn sweep(pool: &Pool, now_ms: i64) -> Result<usize, StoreError> {
    let mut client = get(pool).await?;
    let tx = client.transaction().await?;
    let position = tx.query_typed("SELECT message FROM sweep FOR UPDATE SKIP LOCKED", &[]).await?;
    let Some(position) = position.first() else { return Ok(0) };
    let from = position.get::<_, i64>(0).max(first_of_ms(now_ms - BACK_MS));
    let until = first_of_ms(now_ms - AFTER_MS);
    // A living node works on what is above its mark; what is below it, it has written down.
    let messages = tx
        .query_typed(
            "SELECT m.id, m.endpoints, m.deliver_ms FROM messages m LEFT JOIN nodes n ON n.id = m.node
             WHERE m.id >= $1 AND m.id < $2 AND (n.id IS NULL OR n.adopted OR (NOT n.dead AND m.id < n.watermark))
             ORDER BY m.id LIMIT $3",
            &[(&from, Type::INT8), (&until, Type::INT8), (&CHUNK, Type::INT8)],
        )
        .await?;
    let found = reschedule(&tx, &messages, now_ms).await?;
    let next = match messages.last() {
        Some(last) if messages.len() as i64 >= CHUNK => last.get::<_, i64>(0) + 1,
        _ => until.max(from),
    };
    tx.query_typed("UPDATE sweep SET message = $1", &[(&next, Type::INT8)]).await?;
    tx.commit().await?;
    Ok(found)
}
