//! The configuration, read once at start.

use crate::config::{ApiKey, Application, Change, Endpoint, EnvId, Environment, EventType};
use crate::directory::Directory;
use crate::error::OpenError;
use crate::id::{AppId, EndpointId, KeyId, MessageId};
use crate::json::{opened, opened_environment};
use crate::message::IdempotencyKey;
use crate::recent_keys::{RecentKey, RecentKeys};
use crate::secret::Sealer;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Result, Row};
use serde::de::DeserializeOwned;

/// Fills the directory.
pub fn load(conn: &Connection, sealer: &Sealer, directory: &Directory) -> std::result::Result<(), OpenError> {
    let changes = changes(conn, sealer).map_err(|error| OpenError::Database(error.to_string()))?;
    changes.iter().for_each(|change| directory.apply(change));
    Ok(())
}

/// The idempotency keys that are not in the index yet.
pub fn recent_keys(conn: &Connection) -> Result<RecentKeys> {
    let mark: i64 = conn
        .query_row("SELECT value FROM meta WHERE key = 'idempotency_mark'", [], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let mut keys = RecentKeys::default();
    let mut rows = conn.prepare(
        "SELECT idempotency_key, idempotency_body, id FROM messages
         WHERE id > ? AND idempotency_key IS NOT NULL ORDER BY id",
    )?;
    let recent = rows.query_map([mark], |row| {
        let key = IdempotencyKey { key: row.get(0)?, body: row.get(1)? };
        Ok(RecentKey { key, message: MessageId(row.get(2)?) })
    })?;
    for recent in recent {
        keys.add(recent?);
    }
    Ok(keys)
}

fn changes(conn: &Connection, sealer: &Sealer) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut all = |sql: &str, read: &dyn Fn(&Row<'_>) -> Result<Change>| -> Result<()> {
        for change in conn.prepare(sql)?.query_map([], |row| read(row))? {
            changes.push(change?);
        }
        Ok(())
    };
    all("SELECT id, name, settings, created_ms, updated_ms, version FROM environments", &|row| {
        let id = EnvId(row.get(0)?);
        let settings = opened_environment(sealer, id, row.get_ref(2)?.as_str()?)
            .map_err(|reason| FromSqlError::Other(reason.into()))?;
        let row = Environment {
            id,
            name: row.get(1)?,
            settings,
            created_ms: row.get(3)?,
            updated_ms: row.get(4)?,
            version: row.get(5)?,
        };
        Ok(Change::PutEnvironment { row, based_on: None })
    })?;
    all("SELECT id, env, uid, settings, created_ms, updated_ms, version FROM applications", &|row| {
        Ok(Change::CreateApplication(Application {
            id: AppId(row.get(0)?),
            env: EnvId(row.get(1)?),
            uid: row.get(2)?,
            settings: json(row, 3)?,
            created_ms: row.get(4)?,
            updated_ms: row.get(5)?,
            version: row.get(6)?,
        }))
    })?;
    all(
        "SELECT id, app, uid, settings, secrets, headers, failing_since_ms, created_ms, updated_ms, version FROM endpoints",
        &|row| Ok(Change::CreateEndpoint(endpoint(row, sealer)?)),
    )?;
    all("SELECT env, name, settings, created_ms, updated_ms, version FROM event_types", &|row| {
        let row = EventType {
            env: EnvId(row.get(0)?),
            name: row.get(1)?,
            settings: json(row, 2)?,
            created_ms: row.get(3)?,
            updated_ms: row.get(4)?,
            version: row.get(5)?,
        };
        Ok(Change::PutEventType { row, based_on: None })
    })?;
    let keys = "SELECT id, env, name, hash, created_ms, revoked_ms, access, app, session, expires_ms FROM api_keys";
    all(keys, &|row| {
        Ok(Change::CreateKey(ApiKey {
            id: KeyId(row.get(0)?),
            env: EnvId(row.get(1)?),
            name: row.get(2)?,
            hash: row.get(3)?,
            created_ms: row.get(4)?,
            revoked_ms: row.get(5)?,
            access: json(row, 6)?,
            app: row.get::<_, Option<i64>>(7)?.map(AppId),
            session: row.get(8)?,
            expires_ms: row.get(9)?,
        }))
    })?;
    Ok(changes)
}

fn endpoint(row: &Row<'_>, sealer: &Sealer) -> Result<Endpoint> {
    let id = EndpointId(row.get(0)?);
    let (secrets, headers) = opened(sealer, id, row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_blob()?)
        .map_err(|reason| FromSqlError::Other(reason.into()))?;
    let endpoint = Endpoint {
        id,
        app: AppId(row.get(1)?),
        uid: row.get(2)?,
        settings: json(row, 3)?,
        secrets,
        headers,
        failing_since_ms: row.get(6)?,
        created_ms: row.get(7)?,
        updated_ms: row.get(8)?,
        version: row.get(9)?,
    };
    Ok(endpoint.with_hidden_password())
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| FromSqlError::Other(Box::new(error)).into())
}
