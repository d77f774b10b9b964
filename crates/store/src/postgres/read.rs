//! What can be asked, on connections beside the writer's.

use super::adopt::get;
use super::lanes;
use super::record::storable;
use super::refresh::Refresh;
use super::skew::Skew;
use crate::columns::{deliver_from, endpoints_from, names_from};
use crate::error::StoreError;
use crate::id::{AppId, AttemptId, EndpointId, MessageId};
use crate::listing::{self, Dialect, Listing, REPLY_COLUMNS, Sql, Value, attempt_columns, message_columns};
use crate::message::MOST_VARIABLES;
use crate::message::{
    Attempt, AttemptOutcome, DeliveryKey, DeliveryState, Due, Message, Reply, Scheduled, Standing, UpTo, Variable,
};
use crate::query::{AttemptFilter, AttemptsOf, Found, MessageFilter, Page};
use bytes::Bytes;
use deadpool_postgres::Pool;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// The reading side. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Reads {
    pub pool: Pool,
    pub refresh: Refresh,
    /// The node that this process is at the moment.
    pub node: Arc<AtomicI64>,
    pub skew: Skew,
    /// Gone when the last handle is.
    pub alive: Arc<()>,
}

impl Reads {
    fn node(&self) -> i64 {
        self.node.load(Ordering::Relaxed)
    }

    /// The rows of a query.
    pub async fn rows(&self, sql: &Sql) -> Result<Vec<Row>, StoreError> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> = sql
            .values
            .iter()
            .map(|value| match value {
                Value::Int(value) => (value as _, Type::INT8),
                Value::Text(value) => (value as _, Type::TEXT),
                Value::Bytes(value) => (value as _, Type::BYTEA),
            })
            .collect();
        Ok(get(&self.pool).await?.query_typed(&sql.text, &params).await?)
    }

    /// A page of a listing; `one_by_one`: its rows have to be looked at, and only so many are.
    pub async fn page<T>(
        &self,
        (listing, one_by_one): (Listing, bool),
        limit: usize,
        read: impl Fn(&Row) -> T,
    ) -> Result<Found<T>, StoreError> {
        let last = if one_by_one { self.rows(&listing.looked_to()).await?.first().map(|row| row.get(0)) } else { None };
        let rows = self.rows(&listing.rows(last)).await?;
        // How many there are is the last column of each.
        let found = rows.first().map_or(0, |row| row.get::<_, i64>(row.len() - 1));
        let is_cut = found > rows.len() as i64;
        let looked_to = match rows.last().filter(|_| is_cut) {
            Some(row) => Some(row.get(0)),
            None => last.filter(|_| rows.len() < limit),
        };
        Ok(Found { rows: rows.iter().map(read).collect(), looked_to })
    }

    pub async fn message(&self, app: AppId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let message = self.message_by_id(id).await?;
        Ok(message.filter(|message| message.app == app))
    }

    pub async fn message_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let sql = format!("SELECT {} FROM messages m WHERE m.id = $1", message_columns(Dialect::Postgres, true));
        let rows = get(&self.pool).await?.query_typed(&sql, &[(&id.0, Type::INT8)]).await?;
        Ok(rows.first().map(message))
    }

    pub async fn message_up_to(&self, id: MessageId, most: usize) -> Result<Option<UpTo>, StoreError> {
        // The length is in the row, also of a payload that lies elsewhere.
        let sql = "SELECT octet_length(payload)::bigint FROM messages WHERE id = $1";
        let rows = get(&self.pool).await?.query_typed(sql, &[(&id.0, Type::INT8)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        match usize::try_from(row.get::<_, i64>(0)).unwrap_or_default() {
            bytes if bytes > most => Ok(Some(UpTo::Larger(bytes))),
            _ => Ok(self.message_by_id(id).await?.map(|message| UpTo::Whole(Box::new(message)))),
        }
    }

    pub async fn messages(
        &self,
        app: AppId,
        endpoint: Option<EndpointId>,
        filter: &MessageFilter,
        page: Page,
    ) -> Result<Found<Message>, StoreError> {
        self.page(listing::messages(Dialect::Postgres, app, endpoint, filter, page), page.limit, message).await
    }

    pub async fn attempts(
        &self,
        of: AttemptsOf,
        filter: &AttemptFilter,
        page: Page,
    ) -> Result<Found<Attempt>, StoreError> {
        self.page(listing::attempts(Dialect::Postgres, of, filter, page), page.limit, attempt).await
    }

    pub async fn attempt(&self, message: MessageId, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        let columns = attempt_columns(Dialect::Postgres, true);
        let sql = format!("SELECT {columns} FROM attempts a WHERE a.message = $1 AND a.id = $2");
        let params = [(&message.0 as _, Type::INT8), (&id.0 as _, Type::INT8)];
        Ok(get(&self.pool).await?.query_typed(&sql, &params).await?.first().map(attempt))
    }

    pub async fn replies(&self, message: MessageId) -> Result<Vec<Reply>, StoreError> {
        let sql = format!(
            "SELECT {REPLY_COLUMNS} FROM attempts a JOIN messages m ON m.id = a.message
             WHERE a.message = $1 AND a.reply IS NOT NULL ORDER BY a.id"
        );
        let rows = get(&self.pool).await?.query_typed(&sql, &[(&message.0, Type::INT8)]).await?;
        Ok(rows.iter().map(reply).collect())
    }

    /// What is kept of a subject for an endpoint, its own first; without one, all that is.
    pub async fn variables(
        &self,
        app: AppId,
        endpoint: Option<EndpointId>,
        subject: &str,
    ) -> Result<Vec<Variable>, StoreError> {
        let sql = format!(
            "SELECT endpoint, name, value, created_ms FROM variables WHERE app = $1 AND subject = $2
             AND ($3::bigint IS NULL OR endpoint IN (0, $3)) ORDER BY endpoint DESC, name LIMIT {MOST_VARIABLES}"
        );
        let endpoint = endpoint.map(|endpoint| endpoint.0);
        // As it was stored.
        let subject = storable(subject);
        let subject = subject.as_ref();
        let params = [(&app.0 as _, Type::INT8), (&subject as _, Type::TEXT), (&endpoint as _, Type::INT8)];
        let rows = get(&self.pool).await?.query_typed(&sql, &params).await?;
        let variable = |row: &Row| Variable {
            endpoint: Some(row.get::<_, i64>(0)).filter(|endpoint| *endpoint != 0).map(EndpointId),
            name: row.get(1),
            value: row.get(2),
            created_ms: row.get(3),
        };
        Ok(rows.iter().map(variable).collect())
    }

    /// Where messages about an object go, if anybody said so since then.
    pub async fn address(&self, app: AppId, object: &str, since_ms: i64) -> Result<Option<EndpointId>, StoreError> {
        let sql = "SELECT endpoint FROM addresses WHERE app = $1 AND object = $2 AND set_ms >= $3";
        let params = [(&app.0 as _, Type::INT8), (&object as _, Type::TEXT), (&since_ms as _, Type::INT8)];
        Ok(get(&self.pool).await?.query_typed(sql, &params).await?.first().map(|row| EndpointId(row.get(0))))
    }

    /// Whether an endpoint has nothing that waits for it.
    pub async fn has_nothing(&self, endpoint: EndpointId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM schedule WHERE endpoint = $1 LIMIT 1";
        Ok(get(&self.pool).await?.query_typed(sql, &[(&endpoint.0, Type::INT8)]).await?.is_empty())
    }

    /// The replies to tell of, and the attempts in the list that have none to tell of any more.
    pub async fn untold(&self, limit: usize) -> Result<(Vec<Reply>, Vec<AttemptId>), StoreError> {
        let sql = format!(
            "SELECT {REPLY_COLUMNS}, u.attempt FROM (SELECT * FROM untold ORDER BY attempt LIMIT $1) u
             LEFT JOIN attempts a ON a.id = u.attempt AND a.message = u.message
             LEFT JOIN messages m ON m.id = u.message ORDER BY u.attempt"
        );
        let rows = get(&self.pool).await?.query_typed(&sql, &[(&(limit as i64), Type::INT8)]).await?;
        let is_there = |row: &&Row| row.get::<_, Option<i64>>(0).is_some() && row.get::<_, Option<&str>>(4).is_some();
        let (there, gone): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(is_there);
        Ok((there.into_iter().map(reply).collect(), gone.iter().map(|row| AttemptId(row.get(5))).collect()))
    }

    /// How each of these deliveries stands: its last attempt, unless it is still to be tried.
    pub async fn states(&self, deliveries: &[(MessageId, EndpointId)]) -> Result<Vec<DeliveryState>, StoreError> {
        let (messages, endpoints): (Vec<i64>, Vec<i64>) =
            deliveries.iter().map(|(message, endpoint)| (message.0, endpoint.0)).unzip();
        let rows = get(&self.pool)
            .await?
            .query_typed(
                "SELECT (SELECT success FROM attempts a WHERE a.message = d.message AND a.endpoint = d.endpoint
                     ORDER BY a.id DESC LIMIT 1),
                   (SELECT min(due_ms) FROM schedule s WHERE s.message = d.message AND s.endpoint = d.endpoint)
                 FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS d (message, endpoint, n) ORDER BY n",
                &[(&messages, Type::INT8_ARRAY), (&endpoints, Type::INT8_ARRAY)],
            )
            .await?;
        let due = |row: &Row| row.get::<_, Option<i64>>(1).map(|due_ms| self.skew.to_local(due_ms));
        Ok(rows.iter().map(|row| DeliveryState::of(row.get(0), due(row))).collect())
    }

    /// How the deliveries stand that an endpoint got attempts of in this range of ids, and those that wait.
    pub async fn standing(&self, endpoint: EndpointId, (first, end): (i64, i64)) -> Result<Standing, StoreError> {
        let client = get(&self.pool).await?;
        let params = [&endpoint.0, &first, &end].map(|value| (value as _, Type::INT8));
        let tried = "
            SELECT success, waits, cancelled, count(*) FROM (
              SELECT DISTINCT ON (message) success, coalesce(error_code = 'cancelled', false) AS cancelled,
                NOT success AND EXISTS
                  (SELECT 1 FROM schedule s WHERE s.endpoint = a.endpoint AND s.message = a.message) AS waits
              FROM attempts a WHERE endpoint = $1 AND id >= $2 AND id < $3 ORDER BY message, id DESC
            ) d GROUP BY 1, 2, 3";
        let mut standing = Standing::default();
        for row in client.query_typed(tried, &params).await? {
            standing.add(row.get(0), row.get(1), row.get(2), row.get(3));
        }
        let waiting = "
            SELECT count(DISTINCT message) FROM schedule s WHERE endpoint = $1 AND message >= $2 AND message < $3
            AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.message = s.message AND a.endpoint = s.endpoint)";
        let rows = client.query_typed(waiting, &params).await?;
        standing.pending += rows.first().map_or(0, |row| row.get::<_, i64>(0));
        Ok(standing)
    }

    /// How an endpoint's attempts ended, in a range of ids.
    pub async fn attempted(&self, endpoint: EndpointId, (first, end): (i64, i64)) -> Result<Standing, StoreError> {
        let sql = "SELECT success, coalesce(error_code, '') = 'cancelled', count(*) FROM attempts
                   WHERE endpoint = $1 AND id >= $2 AND id < $3 GROUP BY 1, 2";
        let params = [&endpoint.0, &first, &end].map(|value| (value as _, Type::INT8));
        let mut counted = Standing::default();
        for row in get(&self.pool).await?.query_typed(sql, &params).await? {
            counted.add(row.get(0), false, row.get(1), row.get(2));
        }
        Ok(counted)
    }

    pub async fn due(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due, StoreError> {
        let until_ms = self.skew.to_database(until_ms);
        let due = lanes::due(&get(&self.pool).await?, self.node(), endpoint, until_ms, limit).await?;
        Ok(self.local(due))
    }

    pub async fn due_in_order(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due, StoreError> {
        let until_ms = self.skew.to_database(until_ms);
        let due = lanes::due_in_order(&get(&self.pool).await?, self.node(), endpoint, until_ms, limit).await?;
        Ok(self.local(due))
    }

    /// The same by this process's clock.
    fn local(&self, mut due: Due) -> Due {
        due.rows.iter_mut().for_each(|row| row.due_ms = self.skew.to_local(row.due_ms));
        due.next_ms = due.next_ms.map(|next_ms| self.skew.to_local(next_ms));
        due
    }

    pub async fn front(&self, endpoint: EndpointId, now_ms: i64) -> Result<Option<Scheduled>, StoreError> {
        let sql = "SELECT message, due_ms, attempts FROM schedule
                   WHERE endpoint = $1 AND NOT manual AND (due_ms <= $2 OR attempts > 0) ORDER BY seq LIMIT 1";
        let now_ms = self.skew.to_database(now_ms);
        let params = [(&endpoint.0 as _, Type::INT8), (&now_ms as _, Type::INT8)];
        let rows = get(&self.pool).await?.query_typed(sql, &params).await?;
        Ok(rows.first().map(|row| Scheduled {
            delivery: DeliveryKey { message: MessageId(row.get(0)), endpoint, manual: false },
            due_ms: self.skew.to_local(row.get(1)),
            attempts: row.get::<_, i32>(2).cast_unsigned(),
        }))
    }

    pub async fn with_payload(&self, mut messages: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
        let ids: Vec<i64> = messages.iter().map(|message| message.0).collect();
        let sql = "SELECT id FROM messages WHERE id = ANY($1) AND length(payload) > 0";
        let rows = get(&self.pool).await?.query_typed(sql, &[(&ids, Type::INT8_ARRAY)]).await?;
        let found: HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        messages.retain(|message| found.contains(&message.0));
        Ok(messages)
    }

    pub async fn next_due(&self, endpoint: EndpointId) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(due_ms) FROM schedule WHERE endpoint = $1";
        let rows = get(&self.pool).await?.query_typed(sql, &[(&endpoint.0, Type::INT8)]).await?;
        let due: Option<i64> = rows.first().and_then(|row| row.get(0));
        Ok(due.map(|due_ms| self.skew.to_local(due_ms)))
    }

    pub async fn waiting_for(&self, endpoint: EndpointId, most: usize) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM schedule WHERE endpoint = $1 LIMIT $2) AS found";
        let params = [(&endpoint.0 as _, Type::INT8), (&(most as i64) as _, Type::INT8)];
        let rows = get(&self.pool).await?.query_typed(sql, &params).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    pub async fn release(&self, endpoints: &[EndpointId]) -> Result<(), StoreError> {
        lanes::release(&get(&self.pool).await?, self.node(), endpoints).await
    }

    pub async fn waiting_count(&self) -> Result<i64, StoreError> {
        let rows = get(&self.pool).await?.query_typed("SELECT count(*) FROM schedule", &[]).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    pub async fn waiting_endpoints(&self) -> Result<Vec<(EndpointId, i64)>, StoreError> {
        let waiting = lanes::waiting_endpoints(&get(&self.pool).await?, self.node()).await?;
        Ok(waiting.into_iter().map(|(endpoint, due_ms)| (endpoint, self.skew.to_local(due_ms))).collect())
    }
}

pub fn message(row: &Row) -> Message {
    Message {
        id: MessageId(row.get(0)),
        app: AppId(row.get(1)),
        event_type: row.get(2),
        event_id: row.get(3),
        channels: names_from(row.get(4)),
        tags: names_from(row.get(5)),
        endpoints: endpoints_from(row.get(6)),
        created_ms: row.get(7),
        payload: Bytes::copy_from_slice(row.get(8)),
        deliver: deliver_from(row.get(9)),
        ordered: vec![],
        chain: row.get::<_, Option<&[u8]>>(10).map(endpoints_from).unwrap_or_default(),
    }
}

fn attempt(row: &Row) -> Attempt {
    let (code, reason): (Option<String>, Option<String>) = (row.get(5), row.get(6));
    Attempt {
        id: AttemptId(row.get(0)),
        message: MessageId(row.get(1)),
        endpoint: EndpointId(row.get(2)),
        outcome: AttemptOutcome {
            success: row.get(3),
            status: row.get::<_, i16>(4).cast_unsigned(),
            error: code.zip(reason),
        },
        url: row.get(7),
        started_ms: row.get(8),
        duration_ms: row.get(9),
        manual: row.get(10),
        response: Bytes::copy_from_slice(row.get(11)),
        reply: row.get(12),
    }
}

fn reply(row: &Row) -> Reply {
    Reply {
        app: AppId(row.get(0)),
        message: MessageId(row.get(1)),
        endpoint: EndpointId(row.get(2)),
        attempt: AttemptId(row.get(3)),
        json: row.get(4),
    }
}
