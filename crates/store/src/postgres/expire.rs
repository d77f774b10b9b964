//! What has been kept long enough goes: whole partitions at once, the rest in slices. Any node does it;
//! two at once are in nobody's way.

use super::adopt::get;
use super::partition::Partition;
use crate::error::StoreError;
use crate::retention::{Retention, TASK_MS};
use deadpool_postgres::{Object, Pool};
use tokio_postgres::types::Type;

/// Rows that one statement removes.
const SLICE: i64 = 5_000;

/// A node that has been away for longer than the log reads everything anew; of nodes that are gone, the
/// newest of each slot says which ids were given out.
const OLD_LINES: &str = "
DELETE FROM config_log WHERE logged_at < now() - interval '1 day';
DELETE FROM nodes n WHERE adopted AND lease_until < now() - interval '7 days'
  AND EXISTS (SELECT 1 FROM nodes newer WHERE newer.slot = n.slot AND newer.last_id >= n.last_id AND newer.id > n.id);";

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
    in_slices(&client, "idempotency", &format!("created_ms < {first_key_ms}")).await?;
    in_slices(&client, "tasks", &format!("status <> 'running' AND updated_ms < {}", now_ms - TASK_MS)).await?;
    // What a node left behind that ended between dropping a partition and removing its names.
    let longest = retention.message_days.iter().max().copied().unwrap_or(retention.default_days);
    forget_names(&client, 0, retention.first_message(longest, now_ms)).await?;
    client.batch_execute(OLD_LINES).await?;
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
    match partition {
        Partition::Messages { .. } => forget_names(client, partition.ids().0, partition.ids().1).await,
        Partition::Attempts { .. } => Ok(()),
    }
}

/// An `eventId` may come again when its message is gone.
async fn forget_names(client: &Object, from: i64, to: i64) -> Result<(), StoreError> {
    let gone = "NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = message)";
    in_slices(client, "event_ids", &format!("message >= {from} AND message < {to} AND {gone}")).await
}

/// Deletes rows, [`SLICE`] with each statement.
async fn in_slices(client: &Object, table: &str, condition: &str) -> Result<(), StoreError> {
    let sql = format!(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {condition} LIMIT $1)) RETURNING 1"
    );
    while client.query_typed(&sql, &[(&SLICE, Type::INT8)]).await?.len() as i64 == SLICE {}
    Ok(())
}
