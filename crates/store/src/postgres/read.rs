//! What can be asked, on connections beside the writer's.

use super::adopt::get;
use super::lanes;
use super::refresh::Refresh;
use crate::columns::{channels_from, endpoints_from};
use crate::error::StoreError;
use crate::id::{AppId, AttemptId, EndpointId, MessageId};
use crate::message::{Attempt, AttemptOutcome, DeliveryState, Due, Message};
use crate::query::{AttemptFilter, AttemptsOf, MessageFilter, Page};
use bytes::Bytes;
use deadpool_postgres::Pool;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

const MESSAGE: &str =
    "SELECT m.id, m.app, m.event_type, m.event_id, m.channels, m.endpoints, m.created_ms, m.payload FROM messages m";
const ATTEMPT: &str = "SELECT a.id, a.message, a.endpoint, a.success, a.status, a.error_code, a.error, a.url,
    a.started_ms, a.duration_ms, a.manual, a.response FROM attempts a";

/// The reading side. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Reads {
    pub pool: Pool,
    pub refresh: Refresh,
    /// The node that this process is at the moment.
    pub node: Arc<AtomicI64>,
    /// Gone when the last handle is.
    pub alive: Arc<()>,
}

/// Conditions and their values, in one order.
struct Query {
    sql: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Query {
    fn new(sql: &str) -> Query {
        Query { sql: sql.to_owned(), values: vec![] }
    }

    /// Adds a condition; `?` in it becomes the value's number.
    fn and(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'static, of: Type) {
        self.values.push((Box::new(value), of));
        self.sql.push_str(if self.values.len() == 1 { " WHERE " } else { " AND " });
        self.sql.push_str(&condition.replace('?', &format!("${}", self.values.len())));
    }

    /// `time` is the column that the filter's time window is about.
    fn messages(&mut self, filter: &MessageFilter, time: &str) {
        if let Some(before) = filter.before_ms {
            self.and(&format!("{time} < ?"), before, Type::INT8);
        }
        if let Some(after) = filter.after_ms {
            self.and(&format!("{time} > ?"), after, Type::INT8);
        }
        if let Some(channel) = &filter.channel {
            self.and("? = ANY(string_to_array(m.channels, ','))", channel.clone(), Type::TEXT);
        }
        if !filter.event_types.is_empty() {
            self.and("m.event_type = ANY(?)", filter.event_types.clone(), Type::TEXT_ARRAY);
        }
    }

    fn page(&mut self, column: &str, page: Page) {
        if let Some(after) = page.after {
            self.and(&format!("{column} {} ?", if page.ascending { ">" } else { "<" }), after, Type::INT8);
        }
        let order = if page.ascending { "ASC" } else { "DESC" };
        self.sql.push_str(&format!(" ORDER BY {column} {order} LIMIT {}", page.limit));
    }

    async fn rows(self, pool: &Pool) -> Result<Vec<Row>, StoreError> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, of)| (value.as_ref() as &(dyn ToSql + Sync), of.clone())).collect();
        Ok(get(pool).await?.query_typed(&self.sql, &params).await?)
    }
}

impl Reads {
    fn node(&self) -> i64 {
        self.node.load(Ordering::Relaxed)
    }

    pub async fn message(&self, app: AppId, id: MessageId) -> Result<Option<Message>, StoreError> {
        let message = self.message_by_id(id).await?;
        Ok(message.filter(|message| message.app == app))
    }

    pub async fn message_by_id(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        let mut query = Query::new(MESSAGE);
        query.and("m.id = ?", id.0, Type::INT8);
        Ok(query.rows(&self.pool).await?.first().map(message))
    }

    pub async fn messages(&self, app: AppId, filter: &MessageFilter, page: Page) -> Result<Vec<Message>, StoreError> {
        let mut query = Query::new(MESSAGE);
        query.and("m.app = ?", app.0, Type::INT8);
        query.messages(filter, "m.created_ms");
        query.page("m.id", page);
        Ok(query.rows(&self.pool).await?.iter().map(message).collect())
    }

    pub async fn endpoint_messages(
        &self,
        app: AppId,
        endpoint: EndpointId,
        filter: &MessageFilter,
        page: Page,
    ) -> Result<Vec<Message>, StoreError> {
        let mut query = Query::new(MESSAGE);
        query.and("m.app = ?", app.0, Type::INT8);
        // Ids are eight bytes each, so a match must start at a multiple of eight.
        let bytes = endpoint.0.to_be_bytes().to_vec();
        query.and("(position(? IN m.endpoints) - 1) % 8 = 0", bytes, Type::BYTEA);
        query.messages(filter, "m.created_ms");
        query.page("m.id", page);
        Ok(query.rows(&self.pool).await?.iter().map(message).collect())
    }

    pub async fn attempts(
        &self,
        of: AttemptsOf,
        filter: &AttemptFilter,
        page: Page,
    ) -> Result<Vec<Attempt>, StoreError> {
        let mut query = Query::new(&format!("{ATTEMPT} LEFT JOIN messages m ON m.id = a.message"));
        match of {
            AttemptsOf::Message(message) => query.and("a.message = ?", message.0, Type::INT8),
            AttemptsOf::Endpoint(endpoint) => query.and("a.endpoint = ?", endpoint.0, Type::INT8),
        }
        if let Some(endpoint) = filter.endpoint {
            query.and("a.endpoint = ?", endpoint.0, Type::INT8);
        }
        if let Some(success) = filter.success {
            query.and("a.success = ?", success, Type::BOOL);
        }
        if let Some(class) = filter.status_class {
            query.and("a.status / 100 = ?", i32::from(class / 100), Type::INT4);
        }
        query.messages(&filter.messages, "a.started_ms");
        query.page("a.id", page);
        Ok(query.rows(&self.pool).await?.iter().map(attempt).collect())
    }

    pub async fn attempt(&self, message: MessageId, id: AttemptId) -> Result<Option<Attempt>, StoreError> {
        let mut query = Query::new(ATTEMPT);
        query.and("a.message = ?", message.0, Type::INT8);
        query.and("a.id = ?", id.0, Type::INT8);
        Ok(query.rows(&self.pool).await?.first().map(attempt))
    }

    /// How the message stands at each of `endpoints`: its last attempt, unless it is still to be tried.
    pub async fn states(&self, message: MessageId, endpoints: &[EndpointId]) -> Result<Vec<DeliveryState>, StoreError> {
        let ids: Vec<i64> = endpoints.iter().map(|endpoint| endpoint.0).collect();
        let rows = get(&self.pool)
            .await?
            .query_typed(
                "SELECT (SELECT success FROM attempts a WHERE a.message = $1 AND a.endpoint = e.id ORDER BY a.id DESC LIMIT 1),
                   (SELECT min(due_ms) FROM schedule s WHERE s.message = $1 AND s.endpoint = e.id)
                 FROM unnest($2::bigint[]) WITH ORDINALITY AS e (id, n) ORDER BY n",
                &[(&message.0, Type::INT8), (&ids, Type::INT8_ARRAY)],
            )
            .await?;
        Ok(rows.iter().map(|row| DeliveryState::of(row.get(0), row.get(1))).collect())
    }

    pub async fn due(&self, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due, StoreError> {
        lanes::due(&get(&self.pool).await?, self.node(), endpoint, until_ms, limit).await
    }

    pub async fn release(&self, endpoints: &[EndpointId]) -> Result<(), StoreError> {
        lanes::release(&get(&self.pool).await?, self.node(), endpoints).await
    }

    pub async fn waiting_count(&self) -> Result<i64, StoreError> {
        let rows = get(&self.pool).await?.query_typed("SELECT count(*) FROM schedule", &[]).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    pub async fn waiting_endpoints(&self) -> Result<Vec<(EndpointId, i64)>, StoreError> {
        lanes::waiting_endpoints(&get(&self.pool).await?, self.node()).await
    }
}

fn message(row: &Row) -> Message {
    Message {
        id: MessageId(row.get(0)),
        app: AppId(row.get(1)),
        event_type: row.get(2),
        event_id: row.get(3),
        channels: channels_from(row.get(4)),
        endpoints: endpoints_from(row.get(5)),
        created_ms: row.get(6),
        payload: Bytes::copy_from_slice(row.get(7)),
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
    }
}
