//! Jobs: reading them, and what they have to do.

use super::read;
use crate::id::{AppId, EndpointId, EnvId, MessageId, TaskId};
use crate::listing::{self, Dialect, TASK_COLUMNS};
use crate::query::{Found, Page, TaskFilter};
use crate::task::{Failed, Task, TaskInput, TaskKind, TaskStatus};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde::de::DeserializeOwned;

pub fn task(conn: &Connection, env: EnvId, id: TaskId) -> Result<Option<Task>> {
    conn.prepare_cached(&format!("SELECT {TASK_COLUMNS} FROM tasks WHERE id = ? AND env = ?"))?
        .query_row([id.0, env.0], task_row)
        .optional()
}

pub fn tasks(conn: &Connection, filter: &TaskFilter, page: Page) -> Result<Found<Task>> {
    read::page(conn, (listing::tasks(Dialect::Sqlite, filter, page), false), page.limit, task_row)
}

/// Jobs that are not done.
pub fn running(conn: &Connection, app: Option<AppId>) -> Result<Vec<Task>> {
    let sql =
        format!("SELECT {TASK_COLUMNS} FROM tasks WHERE status = 'running' AND (?1 IS NULL OR app = ?1) ORDER BY id");
    conn.prepare_cached(&sql)?.query_map([app.map(|app| app.0)], task_row)?.collect()
}

/// The endpoint's next failures after the attempt `cursor` and before the attempt `end`, at most `limit`
/// of them looked at. Of these, the messages whose last attempt it was and that wait for no other.
pub fn failed(conn: &Connection, input: &TaskInput, (cursor, end): (i64, i64), limit: usize) -> Result<Failed> {
    let mut select = conn.prepare_cached(
        "WITH next AS (
           SELECT id, message, endpoint FROM attempts
           WHERE endpoint = ?1 AND NOT success AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?6
         )
         SELECT n.id, n.message, n.message >= ?4 AND n.message < ?5
           AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.message = n.message AND a.endpoint = n.endpoint AND a.id > n.id)
           AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.endpoint = n.endpoint AND s.message = n.message)
           AND EXISTS (SELECT 1 FROM messages m WHERE m.id = n.message AND length(m.payload) > 0)
         FROM next n ORDER BY n.id",
    )?;
    let (first, last) = input.messages();
    let mut rows = select.query(params![input.endpoint.0, cursor, end, first, last, limit as i64])?;
    let mut failed = Failed::default();
    while let Some(row) = rows.next()? {
        failed.looked_at += 1;
        failed.cursor = row.get(0)?;
        if row.get(2)? {
            failed.messages.push(MessageId(row.get(1)?));
        }
    }
    Ok(failed)
}

/// How many failures [`failed`] will look at.
pub fn failures(conn: &Connection, endpoint: EndpointId, (cursor, end): (i64, i64)) -> Result<i64> {
    conn.prepare_cached("SELECT count(*) FROM attempts WHERE endpoint = ? AND NOT success AND id > ? AND id < ?")?
        .query_row([endpoint.0, cursor, end], |row| row.get(0))
}

/// How many messages of an application there are in a range of ids.
pub fn messages_between(conn: &Connection, app: AppId, (first, end): (i64, i64)) -> Result<i64> {
    conn.prepare_cached("SELECT count(*) FROM messages WHERE app = ? AND id >= ? AND id < ?")?
        .query_row([app.0, first, end], |row| row.get(0))
}

/// To how many endpoints messages of an application went, in a range of ids.
pub fn destinations(conn: &Connection, app: AppId, (first, end): (i64, i64)) -> Result<i64> {
    conn.prepare_cached(
        "SELECT coalesce(sum(length(endpoints) / 8), 0) FROM messages WHERE app = ? AND id >= ? AND id < ?",
    )?
    .query_row([app.0, first, end], |row| row.get(0))
}

fn task_row(row: &Row<'_>) -> Result<Task> {
    let name = |column: usize| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
    let unknown = |name: &str| FromSqlError::Other(format!("{name:?} is not known").into());
    let (kind, status) = (name(3)?, name(4)?);
    Ok(Task {
        id: TaskId(row.get(0)?),
        env: EnvId(row.get(1)?),
        app: AppId(row.get(2)?),
        kind: TaskKind::named(kind).ok_or_else(|| unknown(kind))?,
        status: TaskStatus::named(status).ok_or_else(|| unknown(status))?,
        input: json(name(5)?)?,
        progress: json(name(6)?)?,
        cursor: row.get(7)?,
        updated_ms: row.get(8)?,
    })
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| FromSqlError::Other(Box::new(error)).into())
}
