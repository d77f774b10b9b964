//! Reading what passed through.

use crate::columns::{channels_from, endpoints_from};
use crate::id::{AppId, AttemptId, EndpointId, MessageId};
use crate::message::{Attempt, AttemptOutcome, DeliveryKey, DeliveryState, Due, Message, Scheduled};
use crate::query::{AttemptFilter, AttemptsOf, MessageFilter, Page};
use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Result, Row, params, params_from_iter};

const MESSAGE: &str =
    "SELECT m.id, m.app, m.event_type, m.event_id, m.channels, m.endpoints, m.created_ms, m.payload FROM messages m";
const ATTEMPT: &str = "SELECT a.id, a.message, a.endpoint, a.success, a.status, a.error_code, a.error, a.url,
    a.started_ms, a.duration_ms, a.manual, a.response FROM attempts a";

/// Conditions and their values, in one order.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn new(sql: &str, value: i64) -> Conditions {
        Conditions { sql: format!(" WHERE {sql}"), values: vec![value.into()] }
    }

    fn and(&mut self, sql: &str, value: impl Into<Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.push(value.into());
    }

    /// `time` is the column that the filter's time window is about.
    fn messages(&mut self, filter: &MessageFilter, time: &str) {
        if let Some(before) = filter.before_ms {
            self.and(&format!("{time} < ?"), before);
        }
        if let Some(after) = filter.after_ms {
            self.and(&format!("{time} > ?"), after);
        }
        if let Some(channel) = &filter.channel {
            self.and("instr(',' || m.channels || ',', ?) > 0", format!(",{channel},"));
        }
        if !filter.event_types.is_empty() {
            let marks = vec!["?"; filter.event_types.len()].join(", ");
            self.sql.push_str(&format!(" AND m.event_type IN ({marks})"));
            self.values.extend(filter.event_types.iter().cloned().map(Value::from));
        }
    }

    fn page(&mut self, column: &str, page: Page) {
        if let Some(after) = page.after {
            self.and(&format!("{column} {} ?", if page.ascending { ">" } else { "<" }), after);
        }
        let order = if page.ascending { "ASC" } else { "DESC" };
        self.sql.push_str(&format!(" ORDER BY {column} {order} LIMIT {}", page.limit));
    }
}

pub fn message(conn: &Connection, app: AppId, id: MessageId) -> Result<Option<Message>> {
    conn.prepare_cached(&format!("{MESSAGE} WHERE id = ? AND app = ?"))?
        .query_row(params![id.0, app.0], message_row)
        .optional()
}

/// A message of whichever application, for a delivery that knows only its id.
pub fn message_by_id(conn: &Connection, id: MessageId) -> Result<Option<Message>> {
    conn.prepare_cached(&format!("{MESSAGE} WHERE id = ?"))?.query_row([id.0], message_row).optional()
}

pub fn messages(conn: &Connection, app: AppId, filter: &MessageFilter, page: Page) -> Result<Vec<Message>> {
    let mut conditions = Conditions::new("m.app = ?", app.0);
    conditions.messages(filter, "m.created_ms");
    conditions.page("m.id", page);
    let mut query = conn.prepare_cached(&format!("{MESSAGE}{}", conditions.sql))?;
    query.query_map(params_from_iter(conditions.values), message_row)?.collect()
}

pub fn attempts(conn: &Connection, of: AttemptsOf, filter: &AttemptFilter, page: Page) -> Result<Vec<Attempt>> {
    let mut conditions = match of {
        AttemptsOf::Message(message) => Conditions::new("a.message = ?", message.0),
        AttemptsOf::Endpoint(endpoint) => Conditions::new("a.endpoint = ?", endpoint.0),
    };
    if let Some(endpoint) = filter.endpoint {
        conditions.and("a.endpoint = ?", endpoint.0);
    }
    if let Some(success) = filter.success {
        conditions.and("a.success = ?", success);
    }
    if let Some(class) = filter.status_class {
        conditions.and("a.status / 100 = ?", i64::from(class / 100));
    }
    conditions.messages(&filter.messages, "a.started_ms");
    conditions.page("a.id", page);
    let join = " LEFT JOIN messages m ON m.id = a.message";
    let mut query = conn.prepare_cached(&format!("{ATTEMPT}{join}{}", conditions.sql))?;
    query.query_map(params_from_iter(conditions.values), attempt_row)?.collect()
}

pub fn attempt(conn: &Connection, message: MessageId, id: AttemptId) -> Result<Option<Attempt>> {
    conn.prepare_cached(&format!("{ATTEMPT} WHERE a.id = ? AND a.message = ?"))?
        .query_row(params![id.0, message.0], attempt_row)
        .optional()
}

/// How the message stands at each of `endpoints`: its last attempt, unless it is still to be tried.
pub fn states(conn: &Connection, message: MessageId, endpoints: &[EndpointId]) -> Result<Vec<DeliveryState>> {
    let mut due = conn.prepare_cached("SELECT min(due_ms) FROM schedule WHERE message = ? AND endpoint = ?")?;
    let mut last = conn
        .prepare_cached("SELECT success FROM attempts WHERE message = ? AND endpoint = ? ORDER BY id DESC LIMIT 1")?;
    endpoints
        .iter()
        .map(|endpoint| {
            let key = params![message.0, endpoint.0];
            let success: Option<bool> = last.query_row(key, |row| row.get(0)).optional()?;
            let next_ms: Option<i64> = due.query_row(key, |row| row.get(0))?;
            Ok(DeliveryState::of(success, next_ms))
        })
        .collect()
}

/// The messages that were or are to be sent to an endpoint, newest first.
pub fn endpoint_messages(
    conn: &Connection,
    app: AppId,
    endpoint: EndpointId,
    filter: &MessageFilter,
    page: Page,
) -> Result<Vec<Message>> {
    let mut conditions = Conditions::new("m.app = ?", app.0);
    // Ids are eight bytes each, so a match must start at a multiple of eight.
    conditions.and("(instr(m.endpoints, ?) - 1) % 8 = 0", Value::Blob(endpoint.0.to_be_bytes().to_vec()));
    conditions.messages(filter, "m.created_ms");
    conditions.page("m.id", page);
    let mut query = conn.prepare_cached(&format!("{MESSAGE}{}", conditions.sql))?;
    query.query_map(params_from_iter(conditions.values), message_row)?.collect()
}

/// Deliveries of an endpoint that are due by `until_ms`, the oldest first.
pub fn due(conn: &Connection, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due> {
    let rows = conn
        .prepare_cached(
            "SELECT message, manual, due_ms, attempts FROM schedule WHERE endpoint = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?",
        )?
        .query_map(params![endpoint.0, until_ms, limit as i64], |row| {
            let delivery = DeliveryKey { message: MessageId(row.get(0)?), endpoint, manual: row.get(1)? };
            Ok(Scheduled { delivery, due_ms: row.get(2)?, attempts: row.get(3)? })
        })?
        .collect::<Result<_>>()?;
    let next_ms = conn
        .prepare_cached("SELECT min(due_ms) FROM schedule WHERE endpoint = ? AND due_ms > ?")?
        .query_row(params![endpoint.0, until_ms], |row| row.get(0))?;
    Ok(Due { rows, next_ms, owned: true })
}

/// Each endpoint with waiting deliveries, and when the first is due. Skips from endpoint to
/// endpoint by index, so a million rows cost no more than one for each endpoint.
pub fn waiting_endpoints(conn: &Connection) -> Result<Vec<(EndpointId, i64)>> {
    let mut next = conn.prepare_cached(
        "SELECT endpoint, due_ms FROM schedule INDEXED BY schedule_due WHERE endpoint > ? ORDER BY endpoint, due_ms LIMIT 1",
    )?;
    let mut found: Vec<(EndpointId, i64)> = Vec::new();
    loop {
        let from = found.last().map_or(i64::MIN, |(endpoint, _)| endpoint.0);
        let row = next.query_row([from], |row| Ok((EndpointId(row.get(0)?), row.get(1)?))).optional()?;
        match row {
            Some(row) => found.push(row),
            None => return Ok(found),
        }
    }
}

/// Rows in the schedule.
pub fn waiting_count(conn: &Connection) -> Result<i64> {
    conn.query_row("SELECT count(*) FROM schedule", [], |row| row.get(0))
}

pub fn message_row(row: &Row<'_>) -> Result<Message> {
    let channels: Option<String> = row.get(4)?;
    Ok(Message {
        id: MessageId(row.get(0)?),
        app: AppId(row.get(1)?),
        event_type: row.get(2)?,
        event_id: row.get(3)?,
        channels: channels_from(channels.as_deref()),
        endpoints: endpoints_from(row.get_ref(5)?.as_blob()?),
        created_ms: row.get(6)?,
        payload: Bytes::from(row.get::<_, Vec<u8>>(7)?),
    })
}

fn attempt_row(row: &Row<'_>) -> Result<Attempt> {
    let code: Option<String> = row.get(5)?;
    let reason: Option<String> = row.get(6)?;
    Ok(Attempt {
        id: AttemptId(row.get(0)?),
        message: MessageId(row.get(1)?),
        endpoint: EndpointId(row.get(2)?),
        outcome: AttemptOutcome { success: row.get(3)?, status: row.get(4)?, error: code.zip(reason) },
        url: row.get(7)?,
        started_ms: row.get(8)?,
        duration_ms: row.get(9)?,
        manual: row.get(10)?,
        response: Bytes::from(row.get::<_, Vec<u8>>(11)?),
    })
}
