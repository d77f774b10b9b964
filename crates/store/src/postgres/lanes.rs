//! Whose turn an endpoint's schedule is: one node's at a time, until it lets go or is gone.
//!
//! A lane goes by the id of its endpoint, or by the id of the application whose endpoints share one
//! (`endpoints.lane`).

use crate::error::StoreError;
use crate::id::{EndpointId, MessageId};
use crate::message::{BY_HAND, DeliveryKey, Due, Scheduled};
use deadpool_postgres::Object;
use std::iter::repeat_n;
use tokio_postgres::types::Type;

/// The lane of endpoint `$1`.
const LANE: &str = "coalesce((SELECT e.lane FROM endpoints e WHERE e.id = $1), $1)";

/// Whether `node` works on the endpoint's schedule; takes it when nobody living does.
async fn own(client: &Object, endpoint: EndpointId, node: i64) -> Result<bool, StoreError> {
    let params = [(&endpoint.0 as _, Type::INT8), (&node as _, Type::INT8)];
    let sql = format!("SELECT 1 FROM lanes WHERE endpoint = {LANE} AND node = $2");
    let mine = client.query_typed(&sql, &params).await?;
    if !mine.is_empty() {
        return Ok(true);
    }
    let sql = format!(
        "INSERT INTO lanes (endpoint, node) SELECT {LANE}, $2
         WHERE EXISTS (SELECT 1 FROM nodes WHERE id = $2 AND NOT dead)
         ON CONFLICT (endpoint) DO UPDATE SET node = excluded.node
         WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = lanes.node AND NOT n.dead AND n.lease_until > clock_timestamp())
         RETURNING 1"
    );
    Ok(!client.query_typed(&sql, &params).await?.is_empty())
}

/// What the node may work on of an endpoint's schedule: all but what another living node holds.
const FREE: &str = "(holder IS NULL OR holder = $2 OR NOT EXISTS
    (SELECT 1 FROM nodes n WHERE n.id = holder AND NOT n.dead AND n.lease_until > clock_timestamp()))";

/// A page of an endpoint's schedule, as it is asked for.
struct Page<'a> {
    client: &'a Object,
    node: i64,
    endpoint: EndpointId,
    until_ms: i64,
}

/// Deliveries of an endpoint that are due by `until_ms`, the oldest first.
pub async fn due(
    client: &Object,
    node: i64,
    endpoint: EndpointId,
    until_ms: i64,
    limit: usize,
) -> Result<Due, StoreError> {
    if !own(client, endpoint, node).await? {
        return Ok(Due::default());
    }
    let page = Page { client, node, endpoint, until_ms };
    let rows = page.rows("due_ms <= $3", "due_ms", limit as i64).await?;
    Ok(Due { rows, next_ms: page.next_ms().await?, owned: true })
}

/// What of an endpoint's deliveries is at the front: what was sent by hand and is due, then the others in the order in
/// which they were written, all that is due and those that are to be tried again, due or not.
pub async fn due_in_order(
    client: &Object,
    node: i64,
    endpoint: EndpointId,
    until_ms: i64,
    limit: usize,
) -> Result<Due, StoreError> {
    if !own(client, endpoint, node).await? {
        return Ok(Due::default());
    }
    let page = Page { client, node, endpoint, until_ms };
    let mut rows = page.rows("due_ms <= $3 AND manual", "due_ms", BY_HAND as i64).await?;
    rows.extend(page.rows("(due_ms <= $3 OR attempts > 0) AND NOT manual", "seq", limit as i64).await?);
    Ok(Due { rows, next_ms: page.next_ms().await?, owned: true })
}

impl Page<'_> {
    /// One of which more than one request is wanted is there as many times.
    async fn rows(&self, which: &str, order: &str, limit: i64) -> Result<Vec<Scheduled>, StoreError> {
        let sql = format!(
            "SELECT message, manual, due_ms, attempts, more FROM schedule
             WHERE endpoint = $1 AND {which} AND {FREE} ORDER BY {order} LIMIT $4"
        );
        let params = [&self.endpoint.0, &self.node, &self.until_ms, &limit].map(|value| (value as _, Type::INT8));
        let rows = self.client.query_typed(&sql, &params).await?;
        let scheduled = rows.iter().flat_map(|row| {
            let delivery = DeliveryKey { message: MessageId(row.get(0)), endpoint: self.endpoint, manual: row.get(1) };
            let attempts = row.get::<_, i32>(3).cast_unsigned();
            let more = usize::try_from(row.get::<_, i32>(4)).unwrap_or(0);
            repeat_n(Scheduled { delivery, due_ms: row.get(2), attempts }, 1 + more)
        });
        Ok(scheduled.collect())
    }

    /// When the first delivery is due that is not yet.
    async fn next_ms(&self) -> Result<Option<i64>, StoreError> {
        let sql = format!("SELECT min(due_ms) FROM schedule WHERE endpoint = $1 AND due_ms > $3 AND {FREE}");
        let params = [&self.endpoint.0, &self.node, &self.until_ms].map(|value| (value as _, Type::INT8));
        Ok(self.client.query_typed(&sql, &params).await?.first().and_then(|row| row.get(0)))
    }
}

/// Each endpoint with waiting deliveries that no other living node works on, and when the first is
/// due. Skips from endpoint to endpoint by index.
pub async fn waiting_endpoints(client: &Object, node: i64) -> Result<Vec<(EndpointId, i64)>, StoreError> {
    let rows = client
        .query_typed(
            "WITH RECURSIVE waiting AS (
               (SELECT endpoint FROM schedule ORDER BY endpoint LIMIT 1)
               UNION ALL
               SELECT (SELECT s.endpoint FROM schedule s WHERE s.endpoint > w.endpoint ORDER BY s.endpoint LIMIT 1)
               FROM waiting w WHERE w.endpoint IS NOT NULL
             )
             SELECT w.endpoint, (SELECT min(due_ms) FROM schedule s WHERE s.endpoint = w.endpoint)
             FROM waiting w LEFT JOIN endpoints e ON e.id = w.endpoint
               LEFT JOIN lanes l ON l.endpoint = coalesce(e.lane, w.endpoint)
             WHERE w.endpoint IS NOT NULL AND (l.node IS NULL OR l.node = $1 OR NOT EXISTS
               (SELECT 1 FROM nodes n WHERE n.id = l.node AND NOT n.dead AND n.lease_until > clock_timestamp()))",
            &[(&node, Type::INT8)],
        )
        .await?;
    // A row may have gone between the two looks at it.
    Ok(rows.iter().filter_map(|row| Some((EndpointId(row.get(0)), row.get::<_, Option<i64>>(1)?))).collect())
}

/// Lets go of endpoints that the node has nothing to do for.
pub async fn release(client: &Object, node: i64, endpoints: &[EndpointId]) -> Result<(), StoreError> {
    let ids: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.0).collect();
    let sql = "DELETE FROM lanes WHERE node = $1 AND endpoint = ANY($2)";
    client.query_typed(sql, &[(&node, Type::INT8), (&ids, Type::INT8_ARRAY)]).await?;
    Ok(())
}
