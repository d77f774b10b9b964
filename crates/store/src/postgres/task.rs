//! Jobs: reading them, and what they have to do.

use super::adopt::get;
use super::read::Reads;
use crate::error::StoreError;
use crate::id::{AppId, EndpointId, EnvId, MessageId, TaskId};
use crate::listing::{self, Dialect, TASK_COLUMNS};
use crate::query::{Found, Page, TaskFilter};
use crate::task::{Failed, Task, TaskInput, TaskKind, TaskStatus};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

impl Reads {
    pub async fn task(&self, env: EnvId, id: TaskId) -> Result<Option<Task>, StoreError> {
        let sql = format!("SELECT {TASK_COLUMNS} FROM tasks WHERE id = $1 AND env = $2");
        let params = [(&id.0 as _, Type::INT8), (&env.0 as _, Type::INT8)];
        get(&self.pool).await?.query_typed(&sql, &params).await?.first().map(task).transpose()
    }

    pub async fn tasks(&self, filter: &TaskFilter, page: Page) -> Result<Found<Task>, StoreError> {
        let found = self.page((listing::tasks(Dialect::Postgres, filter, page), false), page.limit, task).await?;
        Ok(Found { rows: found.rows.into_iter().collect::<Result<_, _>>()?, looked_to: found.looked_to })
    }

    pub async fn running_tasks(&self, app: Option<AppId>) -> Result<Vec<Task>, StoreError> {
        let sql = format!(
            "SELECT {TASK_COLUMNS} FROM tasks WHERE status = 'running' AND ($1::bigint IS NULL OR app = $1) ORDER BY id"
        );
        let app = app.map(|app| app.0);
        let rows = get(&self.pool).await?.query_typed(&sql, &[(&app, Type::INT8)]).await?;
        rows.iter().map(task).collect()
    }

    pub async fn failed(
        &self,
        input: &TaskInput,
        (cursor, end): (i64, i64),
        limit: usize,
    ) -> Result<Failed, StoreError> {
        let sql = "
            WITH next AS (
              SELECT id, message, endpoint FROM attempts
              WHERE endpoint = $1 AND NOT success AND id > $2 AND id < $3 ORDER BY id LIMIT $6
            )
            SELECT n.id, n.message, n.message >= $4 AND n.message < $5
              AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.message = n.message AND a.endpoint = n.endpoint AND a.id > n.id)
              AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.endpoint = n.endpoint AND s.message = n.message)
              AND EXISTS (SELECT 1 FROM messages m WHERE m.id = n.message AND length(m.payload) > 0)
            FROM next n ORDER BY n.id";
        let ((first, last), limit) = (input.messages(), limit as i64);
        let params = [&input.endpoint.0, &cursor, &end, &first, &last, &limit].map(|value| (value as _, Type::INT8));
        let rows = get(&self.pool).await?.query_typed(sql, &params).await?;
        let messages = rows.iter().filter(|row| row.get(2)).map(|row| MessageId(row.get(1)));
        Ok(Failed {
            messages: messages.collect(),
            looked_at: rows.len(),
            cursor: rows.last().map_or(0, |row| row.get(0)),
        })
    }

    pub async fn failures(&self, endpoint: EndpointId, range: (i64, i64)) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM attempts WHERE endpoint = $1 AND NOT success AND id > $2 AND id < $3";
        self.count(sql, endpoint.0, range).await
    }

    pub async fn messages_between(&self, app: AppId, range: (i64, i64)) -> Result<i64, StoreError> {
        self.count("SELECT count(*) FROM messages WHERE app = $1 AND id >= $2 AND id < $3", app.0, range).await
    }

    pub async fn destinations(&self, app: AppId, range: (i64, i64)) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(sum(length(endpoints) / 8), 0)::bigint FROM messages
                   WHERE app = $1 AND id >= $2 AND id < $3";
        self.count(sql, app.0, range).await
    }

    async fn count(&self, sql: &str, of: i64, (first, end): (i64, i64)) -> Result<i64, StoreError> {
        let params = [&of, &first, &end].map(|value| (value as _, Type::INT8));
        let rows = get(&self.pool).await?.query_typed(sql, &params).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }
}

fn task(row: &Row) -> Result<Task, StoreError> {
    let unknown = |name: &str| StoreError::Database(format!("{name:?} is not known"));
    let (kind, status): (&str, &str) = (row.get(3), row.get(4));
    Ok(Task {
        id: TaskId(row.get(0)),
        env: EnvId(row.get(1)),
        app: AppId(row.get(2)),
        kind: TaskKind::named(kind).ok_or_else(|| unknown(kind))?,
        status: TaskStatus::named(status).ok_or_else(|| unknown(status))?,
        input: json(row.get(5))?,
        progress: json(row.get(6))?,
        cursor: row.get(7),
        updated_ms: row.get(8),
    })
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Database(error.to_string()))
}
