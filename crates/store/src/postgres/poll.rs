//! What consumers pull: whoever reads first gives the rows that are there their places.

use super::adopt::get;
use super::read::{Reads, message};
use crate::error::StoreError;
use crate::id::{EndpointId, MessageId};
use crate::listing::{Dialect, message_bytes, message_columns, within_bytes};
use crate::poll::Polled;
use crate::query::Found;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

/// Rows that get their places in one go.
const PLACED: i64 = 1_000;

/// Holds off others who would give places, until the commit.
const LOCK: &str = "
INSERT INTO pollers (endpoint, last) VALUES ($1, 0)
ON CONFLICT (endpoint) DO UPDATE SET last = pollers.last RETURNING last";

const PLACE: &str = "
WITH new AS (
  SELECT message, $2 + row_number() OVER (ORDER BY message) AS position FROM polled
  WHERE endpoint = $1 AND position IS NULL ORDER BY message LIMIT $3
), placed AS (
  UPDATE polled p SET position = new.position FROM new WHERE p.endpoint = $1 AND p.message = new.message
  RETURNING p.position
)
UPDATE pollers SET last = greatest(last, (SELECT max(position) FROM placed)) WHERE endpoint = $1";

impl Reads {
    pub async fn polled(&self, endpoint: EndpointId, after: i64, limit: usize) -> Result<Found<Polled>, StoreError> {
        self.place(endpoint).await?;
        let sql = format!(
            "SELECT {}, p.position, {} FROM polled p LEFT JOIN messages m ON m.id = p.message
             WHERE p.endpoint = $1 AND p.position > $2 ORDER BY p.position LIMIT $3",
            message_columns(Dialect::Postgres, true),
            message_bytes(true)
        );
        let sql = within_bytes(&sql, "position ASC");
        let limit = limit as i64;
        let params = [(&endpoint.0 as _, Type::INT8), (&after as _, Type::INT8), (&limit as _, Type::INT8)];
        let rows = get(&self.pool).await?.query_typed(&sql, &params).await?;
        let polled = |row: &Row| Polled {
            position: row.get(11),
            message: row.get::<_, Option<i64>>(0).is_some().then(|| message(row)),
        };
        let rows_found = rows.first().map_or(0, |row| row.get::<_, i64>(row.len() - 1));
        let found: Vec<Polled> = rows.iter().map(polled).collect();
        let is_cut = rows_found > found.len() as i64;
        Ok(Found { looked_to: found.last().filter(|_| is_cut).map(|last| last.position), rows: found })
    }

    /// Gives every row that is there a place; the next statement sees them.
    async fn place(&self, endpoint: EndpointId) -> Result<(), StoreError> {
        let mut client = get(&self.pool).await?;
        let new = "SELECT 1 FROM polled WHERE endpoint = $1 AND position IS NULL LIMIT 1";
        while !client.query_typed(new, &[(&endpoint.0, Type::INT8)]).await?.is_empty() {
            let tx = client.transaction().await?;
            let last = tx.query_typed(LOCK, &[(&endpoint.0, Type::INT8)]).await?;
            let last: i64 = last.first().map_or(0, |row| row.get(0));
            let params = [(&endpoint.0 as _, Type::INT8), (&last as _, Type::INT8), (&PLACED as _, Type::INT8)];
            tx.query_typed(PLACE, &params).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    pub async fn position_before(&self, endpoint: EndpointId, message: MessageId) -> Result<i64, StoreError> {
        self.place(endpoint).await?;
        let sql = "SELECT coalesce((SELECT min(position) - 1 FROM polled WHERE endpoint = $1 AND message >= $2),
                     (SELECT last FROM pollers WHERE endpoint = $1), 0)";
        let params = [(&endpoint.0 as _, Type::INT8), (&message.0 as _, Type::INT8)];
        let rows = get(&self.pool).await?.query_typed(sql, &params).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    pub async fn consumer(&self, endpoint: EndpointId, name: &str) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT position FROM consumers WHERE endpoint = $1 AND name = $2";
        let params = [(&endpoint.0 as _, Type::INT8), (&name as _, Type::TEXT)];
        Ok(get(&self.pool).await?.query_typed(sql, &params).await?.first().map(|row| row.get(0)))
    }
}
