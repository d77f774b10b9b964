//! The slow sweep: what the store holds and nobody works on.
//!
//! Nothing should ever be left for it to find; it covers faults in everything else. It reads every message once,
//! a chunk at a time, when the message is a minute old and below the mark of every node that has not been adopted. It
//! goes on from where it was however long nobody was there. One node at a time does it.

use super::adopt::{CHUNK, get, reschedule};
use crate::error::StoreError;
use crate::id::first_of_ms;
use deadpool_postgres::Pool;
use tokio_postgres::types::Type;

/// Younger messages may be on their way.
const AFTER_MS: i64 = 60_000;

/// Sweeps one chunk. Returns the deliveries that were found and scheduled.
pub async fn sweep(pool: &Pool, now_ms: i64) -> Result<usize, StoreError> {
    let mut client = get(pool).await?;
    let tx = client.transaction().await?;
    // Above its mark, a node's deliveries may be in its memory alone, or are yet to be adopted from it.
    let position = tx
        .query_typed(
            "SELECT message, coalesce((SELECT min(watermark) FROM nodes WHERE NOT adopted), $1) FROM sweep
             FOR UPDATE OF sweep SKIP LOCKED",
            &[(&i64::MAX, Type::INT8)],
        )
        .await?;
    let Some(position) = position.first() else { return Ok(0) };
    let (from, mark): (i64, i64) = (position.get(0), position.get(1));
    let until = first_of_ms(now_ms - AFTER_MS).min(mark);
    if until <= from {
        return Ok(0);
    }
    let messages = tx
        .query_typed(
            "SELECT id, endpoints, deliver_ms FROM messages WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3",
            &[(&from, Type::INT8), (&until, Type::INT8), (&CHUNK, Type::INT8)],
        )
        .await?;
    let found = reschedule(&tx, &messages, now_ms).await?;
    let next = match messages.last() {
        Some(last) if messages.len() as i64 >= CHUNK => last.get::<_, i64>(0) + 1,
        _ => until,
    };
    tx.query_typed("UPDATE sweep SET message = $1", &[(&next, Type::INT8)]).await?;
    tx.commit().await?;
    Ok(found)
}
