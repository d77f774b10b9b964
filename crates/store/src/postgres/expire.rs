//! What has been kept long enough goes: whole partitions at once, the rest in slices. Any node does it;
//! two at once are in nobody's way.

use super::adopt::get;
use super::partition::Partition;
use crate::error::StoreError;
use crate::retention::Retention;
use deadpool_postgres::{Object, Pool};
use tokio_postgres::types::Type;

/// Rows that one statement removes.
const SLICE: i64 = 5_000;

/// Removes everything that is expired at `now_ms`. Short transactions, one after another.
pub async fn expire(pool: &Pool, retention: &Retention, now_ms: i64) -> Result<(), StoreError> {
    let mut client = get(pool).await?;
    for partition in partitions(&client).await? {
        let first_kept = match partition {
            Partition::Messages { class, .. } => retention.first_message(class, now_ms),
            Partition::Attempts { .. } => retention.first_attempted(now_ms),
        };
        if partition.ids().1 <= first_kept && is_final(&client, partition).await? {
            drop_partition(&mut client, partition).await?;
        }
    }
    let first_key_ms = retention.first_key_ms(now_ms);
    let sql = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE created_ms < $1 LIMIT $2)";
    in_slices(&client, sql, &[first_key_ms]).await?;
    // A node that has been away for longer reads everything anew.
    client.batch_execute("DELETE FROM config_log WHERE logged_at < now() - interval '1 day'").await?;
    Ok(())
}

async fn partitions(client: &Object) -> Result<Vec<Partition>, StoreError> {
    let sql = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relispartition AND relnamespace = current_schema()::regnamespace";
    let rows = client.query_typed(sql, &[]).await?;
    Ok(rows.iter().filter_map(|row| Partition::named(row.get(0))).collect())
}

/// Whether no delivery of the messages in it is open any more. A living node has had in its schedule for
/// days what it has in memory; only what a dead one left may be nowhere else.
async fn is_final(client: &Object, partition: Partition) -> Result<bool, StoreError> {
    let (from, to) = partition.ids();
    let sql = "SELECT EXISTS (SELECT 1 FROM schedule WHERE message >= $1 AND message < $2)
                   OR EXISTS (SELECT 1 FROM nodes WHERE NOT adopted AND (dead OR lease_until < clock_timestamp()) AND watermark < $2)";
    let open = client.query_typed(sql, &[(&from, Type::INT8), (&to, Type::INT8)]).await?;
    Ok(open.first().is_some_and(|row| !row.get::<_, bool>(0)))
}

async fn drop_partition(client: &mut Object, partition: Partition) -> Result<(), StoreError> {
    let name = partition.name();
    let tx = client.transaction().await?;
    // Commits wait for this lock behind us, so we don't wait for it long; there is another time.
    tx.batch_execute("SET LOCAL lock_timeout = '500ms'").await?;
    if let Err(error) = tx.batch_execute(&format!("DROP TABLE IF EXISTS {name}")).await {
        tracing::debug!(%error, name, "could not drop a partition yet");
        return Ok(());
    }
    tx.commit().await?;
    tracing::info!(name, "dropped a partition that was kept long enough");
    let (from, to) = partition.ids();
    let sql = "DELETE FROM event_ids WHERE (app, event_id) IN (SELECT app, event_id FROM event_ids e
               WHERE e.message >= $1 AND e.message < $3 AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = e.message) LIMIT $2)";
    in_slices(client, sql, &[from, to]).await
}

/// Repeats a deletion of at most [`SLICE`] rows until it finds less. `$2` is the slice.
async fn in_slices(client: &Object, sql: &str, values: &[i64]) -> Result<(), StoreError> {
    loop {
        let mut params: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> =
            vec![(&values[0], Type::INT8), (&SLICE, Type::INT8)];
        params
            .extend(values[1..].iter().map(|value| (value as &(dyn tokio_postgres::types::ToSql + Sync), Type::INT8)));
        let removed = client.query_typed(&format!("{sql} RETURNING 1"), &params).await?;
        if (removed.len() as i64) < SLICE {
            return Ok(());
        }
    }
}
