//! Reading what passed through.

use crate::columns::{deliver_from, endpoints_from, names_from};
use crate::id::{AppId, AttemptId, EndpointId, MessageId};
use crate::listing::{self, Dialect, Listing, REPLY_COLUMNS, Sql, Value, attempt_columns, message_columns};
use crate::message::MOST_VARIABLES;
use crate::message::{
    Attempt, AttemptOutcome, BY_HAND, DeliveryKey, DeliveryState, Due, Message, Reply, Scheduled, Standing, UpTo,
    Variable,
};
use crate::query::{AttemptFilter, AttemptsOf, Found, MessageFilter, PAGE_BYTES, Page};
use bytes::Bytes;
use rusqlite::types::{ToSql, ToSqlOutput, Value as Stored};
use rusqlite::{Connection, OptionalExtension, Result, Row, Rows, params, params_from_iter};
use std::iter::repeat_n;

impl ToSql for Value {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match self {
            Value::Int(value) => Stored::Integer(*value),
            Value::Text(value) => Stored::Text(value.clone()),
            Value::Bytes(value) => Stored::Blob(value.clone()),
        }))
    }
}

/// The rows of a query.
pub fn query<T>(conn: &Connection, sql: &Sql, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    conn.prepare_cached(&sql.text)?.query_map(params_from_iter(&sql.values), read)?.collect()
}

/// A page of a listing; `one_by_one`: its rows have to be looked at, and only so many are.
pub fn page<T>(
    conn: &Connection,
    (listing, one_by_one): (Listing, bool),
    limit: usize,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Found<T>> {
    let last = if one_by_one { query(conn, &listing.looked_to(), |row| row.get(0))?.pop() } else { None };
    let sql = listing.rows(last);
    let mut select = conn.prepare_cached(&sql.text)?;
    let bytes = select.column_count() - 1;
    let found = within_bytes(select.query(params_from_iter(&sql.values))?, bytes, |row| Ok((row.get(0)?, read(row)?)))?;
    let looked_to = found.looked_to.or(last.filter(|_| found.rows.len() < limit));
    Ok(Found { looked_to, rows: found.rows })
}

/// The rows that make up a page of [`PAGE_BYTES`], the size of each in the column `bytes`. `read` gives a row's place,
/// and the row.
pub fn within_bytes<T>(
    mut rows: Rows<'_>,
    bytes: usize,
    read: impl Fn(&Row<'_>) -> Result<(i64, T)>,
) -> Result<Found<T>> {
    let (mut found, mut total, mut last) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        total += usize::try_from(row.get::<_, i64>(bytes)?).unwrap_or(0);
        if total > PAGE_BYTES && last.is_some() {
            return Ok(Found { rows: found, looked_to: last });
        }
        let (place, row) = read(row)?;
        last = Some(place);
        found.push(row);
    }
    Ok(Found { rows: found, looked_to: None })
}

pub fn message(conn: &Connection, app: AppId, id: MessageId) -> Result<Option<Message>> {
    Ok(message_by_id(conn, id)?.filter(|message| message.app == app))
}

/// A message of whichever application, for a delivery that knows only its id.
pub fn message_by_id(conn: &Connection, id: MessageId) -> Result<Option<Message>> {
    let sql = format!("SELECT {} FROM messages m WHERE id = ?", message_columns(Dialect::Sqlite, true));
    conn.prepare_cached(&sql)?.query_row([id.0], message_row).optional()
}

/// The same where the payload has at most `most` bytes.
pub fn message_up_to(conn: &Connection, id: MessageId, most: usize) -> Result<Option<UpTo>> {
    // Of a payload's length SQLite reads no page of the payload.
    let bytes: Option<i64> = conn
        .prepare_cached("SELECT length(payload) FROM messages WHERE id = ?")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    match bytes.map(|bytes| usize::try_from(bytes).unwrap_or_default()) {
        Some(bytes) if bytes > most => Ok(Some(UpTo::Larger(bytes))),
        Some(_) => Ok(message_by_id(conn, id)?.map(|message| UpTo::Whole(Box::new(message)))),
        None => Ok(None),
    }
}

/// Messages of an application; those of one of its endpoints, if one is given.
pub fn messages(
    conn: &Connection,
    app: AppId,
    endpoint: Option<EndpointId>,
    filter: &MessageFilter,
    asked: Page,
) -> Result<Found<Message>> {
    page(conn, listing::messages(Dialect::Sqlite, app, endpoint, filter, asked), asked.limit, message_row)
}

pub fn attempts(conn: &Connection, of: AttemptsOf, filter: &AttemptFilter, asked: Page) -> Result<Found<Attempt>> {
    page(conn, listing::attempts(Dialect::Sqlite, of, filter, asked), asked.limit, attempt_row)
}

pub fn attempt(conn: &Connection, message: MessageId, id: AttemptId) -> Result<Option<Attempt>> {
    let columns = attempt_columns(Dialect::Sqlite, true);
    conn.prepare_cached(&format!("SELECT {columns} FROM attempts a WHERE a.id = ? AND a.message = ?"))?
        .query_row(params![id.0, message.0], attempt_row)
        .optional()
}

pub fn replies(conn: &Connection, message: MessageId) -> Result<Vec<Reply>> {
    let sql = format!(
        "SELECT {REPLY_COLUMNS} FROM attempts a JOIN messages m ON m.id = a.message
         WHERE a.message = ? AND a.reply IS NOT NULL ORDER BY a.id"
    );
    conn.prepare_cached(&sql)?.query_map([message.0], reply_row)?.collect()
}

/// What is kept of a subject for an endpoint, its own first; without one, all that is.
pub fn variables(conn: &Connection, app: AppId, endpoint: Option<EndpointId>, subject: &str) -> Result<Vec<Variable>> {
    let which = if endpoint.is_some() { "AND endpoint IN (0, ?3)" } else { "AND ?3 IS NULL" };
    let sql = format!(
        "SELECT endpoint, name, value, created_ms FROM variables
         WHERE app = ?1 AND subject = ?2 {which} ORDER BY endpoint DESC, name LIMIT {MOST_VARIABLES}"
    );
    let row = |row: &Row<'_>| {
        let endpoint = row.get::<_, i64>(0)?;
        Ok(Variable {
            endpoint: (endpoint != 0).then_some(EndpointId(endpoint)),
            name: row.get(1)?,
            value: row.get(2)?,
            created_ms: row.get(3)?,
        })
    };
    conn.prepare_cached(&sql)?.query_map(params![app.0, subject, endpoint.map(|id| id.0)], row)?.collect()
}

/// Where messages about an object go, if anybody said so since then.
pub fn address(conn: &Connection, app: AppId, object: &str, since_ms: i64) -> Result<Option<EndpointId>> {
    conn.prepare_cached("SELECT endpoint FROM addresses WHERE app = ? AND object = ? AND set_ms >= ?")?
        .query_row(params![app.0, object, since_ms], |row| row.get(0).map(EndpointId))
        .optional()
}

/// Whether an endpoint has nothing that waits for it.
pub fn has_nothing(conn: &Connection, endpoint: EndpointId) -> Result<bool> {
    Ok(!conn.prepare_cached("SELECT 1 FROM schedule WHERE endpoint = ? LIMIT 1")?.exists([endpoint.0])?)
}

/// The replies to tell of, and the attempts in the list that have none to tell of any more.
pub fn untold(conn: &Connection, limit: usize) -> Result<(Vec<Reply>, Vec<AttemptId>)> {
    let sql = format!(
        "SELECT {REPLY_COLUMNS}, u.attempt FROM untold u LEFT JOIN attempts a ON a.id = u.attempt
         LEFT JOIN messages m ON m.id = u.message ORDER BY u.attempt LIMIT ?"
    );
    let (mut replies, mut gone) = (Vec::new(), Vec::new());
    let mut query = conn.prepare_cached(&sql)?;
    let mut rows = query.query([limit as i64])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, Option<i64>>(0)?.is_some() && row.get::<_, Option<String>>(4)?.is_some() {
            replies.push(reply_row(row)?);
        } else {
            gone.push(AttemptId(row.get(5)?));
        }
    }
    Ok((replies, gone))
}

fn reply_row(row: &Row<'_>) -> Result<Reply> {
    Ok(Reply {
        app: AppId(row.get(0)?),
        message: MessageId(row.get(1)?),
        endpoint: EndpointId(row.get(2)?),
        attempt: AttemptId(row.get(3)?),
        json: row.get(4)?,
    })
}

/// How each of these deliveries stands: its last attempt, unless it is still to be tried.
pub fn states(conn: &Connection, deliveries: &[(MessageId, EndpointId)]) -> Result<Vec<DeliveryState>> {
    let mut due = conn.prepare_cached("SELECT min(due_ms) FROM schedule WHERE message = ? AND endpoint = ?")?;
    let mut last = conn
        .prepare_cached("SELECT success FROM attempts WHERE message = ? AND endpoint = ? ORDER BY id DESC LIMIT 1")?;
    deliveries
        .iter()
        .map(|(message, endpoint)| {
            let key = params![message.0, endpoint.0];
            let success: Option<bool> = last.query_row(key, |row| row.get(0)).optional()?;
            let next_ms: Option<i64> = due.query_row(key, |row| row.get(0))?;
            Ok(DeliveryState::of(success, next_ms))
        })
        .collect()
}

/// How the deliveries stand that an endpoint got attempts of in this range of ids, and those that wait.
pub fn standing(conn: &Connection, endpoint: EndpointId, (first, end): (i64, i64)) -> Result<Standing> {
    let mut standing = Standing::default();
    // Beside a maximum, SQLite takes the other columns from the row that has it.
    let mut tried = conn.prepare_cached(
        "SELECT success, waits, cancelled, count(*) FROM (
           SELECT a.success AS success, a.error_code IS 'cancelled' AS cancelled, max(a.id),
             NOT a.success AND EXISTS
               (SELECT 1 FROM schedule s WHERE s.endpoint = a.endpoint AND s.message = a.message) AS waits
           FROM attempts a WHERE a.endpoint = ? AND a.id >= ? AND a.id < ? GROUP BY a.message
         ) GROUP BY 1, 2, 3",
    )?;
    let rows = tried.query_map(params![endpoint.0, first, end], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?, row.get::<_, i64>(3)?))
    })?;
    for row in rows {
        let (success, waits, cancelled, count) = row?;
        standing.add(success, waits, cancelled, count);
    }
    standing.pending += conn
        .prepare_cached(
            "SELECT count(DISTINCT message) FROM schedule s WHERE endpoint = ? AND message >= ? AND message < ?
             AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.message = s.message AND a.endpoint = s.endpoint)",
        )?
        .query_row(params![endpoint.0, first, end], |row| row.get::<_, i64>(0))?;
    Ok(standing)
}

/// How an endpoint's attempts ended, in a range of ids.
pub fn attempted(conn: &Connection, endpoint: EndpointId, (first, end): (i64, i64)) -> Result<Standing> {
    let mut counted = Standing::default();
    let mut select = conn.prepare_cached(
        "SELECT success, error_code IS 'cancelled', count(*) FROM attempts
         WHERE endpoint = ? AND id >= ? AND id < ? GROUP BY 1, 2",
    )?;
    let mut rows = select.query(params![endpoint.0, first, end])?;
    while let Some(row) = rows.next()? {
        counted.add(row.get(0)?, false, row.get(1)?, row.get(2)?);
    }
    Ok(counted)
}

/// Deliveries of an endpoint that are due by `until_ms`, the oldest first. One of which more than one request is wanted
/// is there as many times.
pub fn due(conn: &Connection, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due> {
    let mut select = conn.prepare_cached(
        "SELECT message, manual, due_ms, attempts, more FROM schedule
         WHERE endpoint = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?",
    )?;
    let mut rows = Vec::new();
    scheduled(&mut select.query(params![endpoint.0, until_ms, limit as i64])?, endpoint, &mut rows)?;
    let next_ms = next_due(conn, endpoint, until_ms)?;
    Ok(Due { rows, next_ms, owned: true })
}

/// What of an endpoint's deliveries is at the front: what was sent by hand and is due, then the others in the order of
/// their messages, all that is due and those that are to be tried again, due or not.
pub fn due_in_order(conn: &Connection, endpoint: EndpointId, until_ms: i64, limit: usize) -> Result<Due> {
    let mut rows = Vec::new();
    let mut by_hand = conn.prepare_cached(
        "SELECT message, manual, due_ms, attempts, more FROM schedule INDEXED BY schedule_manual
         WHERE endpoint = ? AND due_ms <= ? AND manual ORDER BY due_ms LIMIT ?",
    )?;
    scheduled(&mut by_hand.query(params![endpoint.0, until_ms, BY_HAND as i64])?, endpoint, &mut rows)?;
    let mut in_line = conn.prepare_cached(
        "SELECT message, manual, due_ms, attempts, more FROM schedule
         WHERE endpoint = ? AND (due_ms <= ? OR attempts > 0) AND NOT manual ORDER BY message LIMIT ?",
    )?;
    scheduled(&mut in_line.query(params![endpoint.0, until_ms, limit as i64])?, endpoint, &mut rows)?;
    let next_ms = next_due(conn, endpoint, until_ms)?;
    Ok(Due { rows, next_ms, owned: true })
}

fn scheduled(found: &mut Rows<'_>, endpoint: EndpointId, rows: &mut Vec<Scheduled>) -> Result<()> {
    while let Some(row) = found.next()? {
        let delivery = DeliveryKey { message: MessageId(row.get(0)?), endpoint, manual: row.get(1)? };
        let one = Scheduled { delivery, due_ms: row.get(2)?, attempts: row.get(3)? };
        let more = usize::try_from(row.get::<_, i64>(4)?).unwrap_or(0);
        rows.extend(repeat_n(one, 1 + more));
    }
    Ok(())
}

pub fn with_payload(conn: &Connection, messages: Vec<MessageId>) -> Result<Vec<MessageId>> {
    let mut has_payload = conn.prepare_cached("SELECT 1 FROM messages WHERE id = ? AND length(payload) > 0")?;
    let mut found = Vec::with_capacity(messages.len());
    for message in messages {
        if has_payload.exists([message.0])? {
            found.push(message);
        }
    }
    Ok(found)
}

/// When the first delivery after that is due.
pub fn next_due(conn: &Connection, endpoint: EndpointId, until_ms: i64) -> Result<Option<i64>> {
    conn.prepare_cached("SELECT min(due_ms) FROM schedule WHERE endpoint = ? AND due_ms > ?")?
        .query_row(params![endpoint.0, until_ms], |row| row.get(0))
}

/// How many deliveries of an endpoint wait, counted up to `most`.
pub fn waiting_for(conn: &Connection, endpoint: EndpointId, most: usize) -> Result<i64> {
    conn.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM schedule WHERE endpoint = ? LIMIT ?)")?
        .query_row(params![endpoint.0, most as i64], |row| row.get(0))
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
    let names = |column: usize| Ok::<_, rusqlite::Error>(names_from(row.get_ref(column)?.as_str_or_null()?));
    Ok(Message {
        id: MessageId(row.get(0)?),
        app: AppId(row.get(1)?),
        event_type: row.get(2)?,
        event_id: row.get(3)?,
        channels: names(4)?,
        tags: names(5)?,
        endpoints: endpoints_from(row.get_ref(6)?.as_blob()?),
        created_ms: row.get(7)?,
        payload: Bytes::from(row.get::<_, Vec<u8>>(8)?),
        deliver: deliver_from(row.get(9)?),
        ordered: vec![],
        chain: endpoints_from(row.get_ref(10)?.as_blob_or_null()?.unwrap_or_default()),
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
        reply: row.get(12)?,
    })
}
