//! What a node that is gone had in memory goes back to the schedule, for the living to work on.

use crate::columns::{deliver_from, endpoints_from};
use crate::error::StoreError;
use deadpool_postgres::{Object, Pool, Transaction};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Messages looked at in one transaction.
pub const CHUNK: i64 = 5_000;

/// Gives up nodes whose lease has ended, and adopts what they had. Several nodes may do this at once:
/// each dead node is adopted by one, and taken over by another if that one dies too. Returns the
/// deliveries that were found open.
pub async fn adopt(pool: &Pool, now_ms: i64) -> Result<usize, StoreError> {
    let mut client = get(pool).await?;
    let given_up = client
        .query_typed(
            "UPDATE nodes SET dead = true WHERE id IN
             (SELECT id FROM nodes WHERE NOT dead AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED)
             RETURNING id, name",
            &[],
        )
        .await?;
    for row in given_up {
        tracing::warn!(
            node = row.get::<_, i64>(0),
            name = row.get::<_, &str>(1),
            "a node is gone; adopting its deliveries"
        );
    }
    let mut found = 0;
    while let Some(open) = adopt_chunk(&mut client, now_ms).await? {
        found += open;
    }
    Ok(found)
}

/// A connection, or [`StoreError::Unavailable`].
pub async fn get(pool: &Pool) -> Result<Object, StoreError> {
    pool.get().await.map_err(|_| StoreError::Unavailable)
}

/// One transaction. `None`: nobody is left to adopt.
async fn adopt_chunk(client: &mut Object, now_ms: i64) -> Result<Option<usize>, StoreError> {
    let tx = client.transaction().await?;
    let dead = tx
        .query_typed(
            "SELECT id, watermark FROM nodes WHERE dead AND NOT adopted ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
            &[],
        )
        .await?;
    let Some(dead) = dead.first() else { return Ok(None) };
    let (node, mut watermark): (i64, i64) = (dead.get(0), dead.get(1));
    let messages = tx
        .query_typed(
            "SELECT id, endpoints, deliver_ms FROM messages WHERE node = $1 AND id >= $2 ORDER BY id LIMIT $3",
            &[(&node, Type::INT8), (&watermark, Type::INT8), (&CHUNK, Type::INT8)],
        )
        .await?;
    let open = reschedule(&tx, &messages, now_ms).await?;
    if let Some(last) = messages.last() {
        watermark = last.get::<_, i64>(0) + 1;
    }
    let all = (messages.len() as i64) < CHUNK;
    tx.query_typed(
        "UPDATE nodes SET watermark = $2, adopted = $3 WHERE id = $1",
        &[(&node, Type::INT8), (&watermark, Type::INT8), (&all, Type::BOOL)],
    )
    .await?;
    if all {
        tx.query_typed("DELETE FROM lanes WHERE node = $1", &[(&node, Type::INT8)]).await?;
    }
    tx.commit().await?;
    Ok(Some(open))
}

/// Gives a row to every delivery of these messages (id, endpoints, when to deliver) that has neither an attempt nor
/// a row. Returns how many there were.
pub async fn reschedule(tx: &Transaction<'_>, messages: &[Row], now_ms: i64) -> Result<usize, StoreError> {
    let (mut message_ids, mut endpoint_ids, mut due) = (Vec::new(), Vec::new(), Vec::new());
    for row in messages {
        for endpoint in endpoints_from(row.get(1)) {
            message_ids.push(row.get::<_, i64>(0));
            endpoint_ids.push(endpoint.0);
            due.push(deliver_from(row.get(2)).due_ms(now_ms));
        }
    }
    let open = tx
        .query_typed(
            "INSERT INTO schedule (endpoint, message, manual, due_ms, attempts)
             SELECT endpoint, message, false, due_ms, 0
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS d (message, endpoint, due_ms)
             WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.message = d.message AND a.endpoint = d.endpoint)
               AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.message = d.message AND s.endpoint = d.endpoint)
             ON CONFLICT DO NOTHING RETURNING 1",
            &[(&message_ids, Type::INT8_ARRAY), (&endpoint_ids, Type::INT8_ARRAY), (&due, Type::INT8_ARRAY)],
        )
        .await?;
    Ok(open.len())
}
