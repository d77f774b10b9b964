//! Changes of the configuration into the transaction of a batch.

use super::passing;
use crate::access::LASTING;
use crate::config::{ApiKey, Change, Endpoint, Environment};
use crate::error::ChangeError;
use crate::id::EnvId;
use crate::json::{environment, json, sealed};
use crate::secret::Sealer;
use rusqlite::{Transaction, params};

type Result<T> = rusqlite::Result<std::result::Result<T, ChangeError>>;

/// Writes one change. A conflict is found before anything is written.
pub fn change(tx: &Transaction<'_>, sealer: &Sealer, change: &Change) -> Result<()> {
    if let Some(result) = passing::change(tx, change)? {
        return Ok(result);
    }
    let rows = match change {
        Change::PutEnvironment { row, based_on } => return put_environment(tx, sealer, row, *based_on),
        Change::DeleteEnvironment(env) => return delete_environment(tx, *env),
        Change::CreateApplication(app) => {
            if let Some(uid) = &app.uid
                && exists(tx, "SELECT 1 FROM applications WHERE env = ? AND uid = ?", params![app.env.0, uid])?
            {
                return Ok(Err(ChangeError::Taken));
            }
            tx.prepare_cached("INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
                app.id.0,
                app.env.0,
                app.uid,
                json(&app.settings),
                app.created_ms,
                app.updated_ms,
                app.version
            ])?
        }
        Change::UpdateApplication { row, based_on } => {
            if let Some(uid) = &row.uid
                && exists(
                    tx,
                    "SELECT 1 FROM applications WHERE env = ? AND uid = ? AND id <> ?",
                    params![row.env.0, uid, row.id.0],
                )?
            {
                return Ok(Err(ChangeError::Taken));
            }
            let updated = tx
                .prepare_cached(
                    "UPDATE applications SET uid = ?, settings = ?, updated_ms = ?, version = ? WHERE id = ? AND version = ?",
                )?
                .execute(params![row.uid, json(&row.settings), row.updated_ms, row.version, row.id.0, based_on])?;
            return Ok(if updated == 0 { Err(ChangeError::Outdated) } else { Ok(()) });
        }
        Change::DeleteApplication { app, .. } => {
            tx.execute("DELETE FROM variables WHERE app = ?", [app.0])?;
            tx.execute("DELETE FROM addresses WHERE app = ?", [app.0])?;
            tx.execute("DELETE FROM endpoints WHERE app = ?", [app.0])?;
            tx.execute("DELETE FROM api_keys WHERE app = ?", [app.0])?;
            tx.execute("DELETE FROM applications WHERE id = ?", [app.0])?
        }
        Change::CreateEndpoint(endpoint) => return create_endpoint(tx, sealer, endpoint),
        Change::UpdateEndpoint { row, based_on } => return update_endpoint(tx, sealer, row, *based_on),
        Change::DeleteEndpoint { endpoint, .. } => {
            tx.execute("DELETE FROM notices WHERE endpoint = ?", [endpoint.0])?;
            tx.execute("DELETE FROM consumers WHERE endpoint = ?", [endpoint.0])?;
            tx.execute(
                "DELETE FROM variables WHERE app = (SELECT app FROM endpoints WHERE id = ?1) AND endpoint = ?1",
                [endpoint.0],
            )?;
            tx.execute("DELETE FROM endpoints WHERE id = ?", [endpoint.0])?
        }
        Change::SetFailing { endpoint, since_ms } => tx
            .prepare_cached("UPDATE endpoints SET failing_since_ms = ? WHERE id = ?")?
            .execute(params![since_ms, endpoint.0])?,
        Change::PutEventType { row, based_on } => {
            let current: Option<i64> = tx
                .prepare_cached("SELECT version FROM event_types WHERE env = ? AND name = ?")?
                .query_row(params![row.env.0, row.name], |row| row.get(0))
                .map(Some)
                .or_else(none_if_absent)?;
            match (current, based_on) {
                (Some(_), None) => return Ok(Err(ChangeError::Taken)),
                (current, based_on) if current != *based_on => return Ok(Err(ChangeError::Outdated)),
                _ => {}
            }
            tx.prepare_cached("INSERT OR REPLACE INTO event_types VALUES (?, ?, ?, ?, ?, ?)")?.execute(params![
                row.env.0,
                row.name,
                json(&row.settings),
                row.created_ms,
                row.updated_ms,
                row.version
            ])?
        }
        Change::DeleteEventType { env, name } => {
            tx.execute("DELETE FROM event_types WHERE env = ? AND name = ?", params![env.0, name])?
        }
        Change::CreateKey(key) => return create_key(tx, key),
        Change::RevokeKey { key, at_ms } => {
            tx.execute("UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, ?) WHERE id = ?", params![at_ms, key.0])?
        }
        Change::ExpireTokens { app, sessions, at_ms } => {
            let named = json(sessions);
            tx.execute(
                "UPDATE api_keys SET expires_ms = min(coalesce(expires_ms, ?1), ?1) WHERE app = ?2
                 AND ((?3 = '[]' AND coalesce(session, '') NOT LIKE ?4 || '%') OR session IN (SELECT value FROM json_each(?3)))",
                params![at_ms, app.0, named, LASTING],
            )?;
            1
        }
        Change::ForgetTokens { before_ms } => {
            tx.execute(
                "DELETE FROM api_keys WHERE app IS NOT NULL AND (revoked_ms IS NOT NULL OR expires_ms <= ?)",
                [before_ms],
            )?;
            1
        }
        // The others are about what passes through.
        _ => 0,
    };
    Ok(if rows == 0 { Err(ChangeError::NotFound) } else { Ok(()) })
}

fn put_environment(tx: &Transaction<'_>, sealer: &Sealer, row: &Environment, based_on: Option<i64>) -> Result<()> {
    let taken = exists(tx, "SELECT 1 FROM environments WHERE name = ? AND id <> ?", params![row.name, row.id.0])?;
    if taken {
        return Ok(Err(ChangeError::Taken));
    }
    let settings = environment(sealer, row);
    let written = match based_on {
        None => tx
            .prepare_cached(
                "INSERT INTO environments (id, name, created_ms, settings, updated_ms, version) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![row.id.0, row.name, row.created_ms, settings, row.updated_ms, row.version])?,
        Some(based_on) => tx
            .prepare_cached(
                "UPDATE environments SET name = ?, settings = ?, updated_ms = ?, version = ? WHERE id = ? AND version = ?",
            )?
            .execute(params![row.name, settings, row.updated_ms, row.version, row.id.0, based_on])?,
    };
    Ok(if written == 0 { Err(ChangeError::Outdated) } else { Ok(()) })
}

fn delete_environment(tx: &Transaction<'_>, env: EnvId) -> Result<()> {
    if exists(tx, "SELECT 1 FROM applications WHERE env = ?", [env.0])? {
        return Ok(Err(ChangeError::NotEmpty));
    }
    for sql in ["DELETE FROM api_keys WHERE env = ?", "DELETE FROM event_types WHERE env = ?"] {
        tx.execute(sql, [env.0])?;
    }
    let deleted = tx.execute("DELETE FROM environments WHERE id = ?", [env.0])?;
    Ok(if deleted == 0 { Err(ChangeError::NotFound) } else { Ok(()) })
}

fn create_key(tx: &Transaction<'_>, key: &ApiKey) -> Result<()> {
    if exists(tx, "SELECT 1 FROM api_keys WHERE hash = ?", [&key.hash[..]])? {
        return Ok(Err(ChangeError::Taken));
    }
    tx.prepare_cached(
        "INSERT INTO api_keys (id, env, name, hash, created_ms, revoked_ms, access, app, session, expires_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![
        key.id.0,
        key.env.0,
        key.name,
        &key.hash[..],
        key.created_ms,
        key.revoked_ms,
        json(&key.access),
        key.app.map(|app| app.0),
        key.session,
        key.expires_ms
    ])?;
    Ok(Ok(()))
}

fn create_endpoint(tx: &Transaction<'_>, sealer: &Sealer, row: &Endpoint) -> Result<()> {
    if !exists(tx, "SELECT 1 FROM applications WHERE id = ?", [row.app.0])? {
        return Ok(Err(ChangeError::NotFound));
    }
    if uid_taken(tx, row)? {
        return Ok(Err(ChangeError::Taken));
    }
    let (secrets, headers) = sealed(sealer, row);
    tx.prepare_cached("INSERT INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        row.id.0,
        row.app.0,
        row.uid,
        json(&row.settings),
        secrets,
        headers,
        row.failing_since_ms,
        row.created_ms,
        row.updated_ms,
        row.version
    ])?;
    Ok(Ok(()))
}

fn update_endpoint(tx: &Transaction<'_>, sealer: &Sealer, row: &Endpoint, based_on: i64) -> Result<()> {
    if uid_taken(tx, row)? {
        return Ok(Err(ChangeError::Taken));
    }
    let (secrets, headers) = sealed(sealer, row);
    // One that is disabled starts over when it is enabled.
    let updated = tx
        .prepare_cached(
            "UPDATE endpoints SET uid = ?, settings = ?, secrets = ?, headers = ?, updated_ms = ?, version = ?,
               failing_since_ms = CASE WHEN ? THEN NULL ELSE failing_since_ms END
             WHERE id = ? AND version = ?",
        )?
        .execute(params![
            row.uid,
            json(&row.settings),
            secrets,
            headers,
            row.updated_ms,
            row.version,
            row.settings.disabled,
            row.id.0,
            based_on
        ])?;
    Ok(if updated == 0 { Err(ChangeError::Outdated) } else { Ok(()) })
}

fn uid_taken(tx: &Transaction<'_>, row: &Endpoint) -> rusqlite::Result<bool> {
    match &row.uid {
        Some(uid) => exists(
            tx,
            "SELECT 1 FROM endpoints WHERE app = ? AND uid = ? AND id <> ?",
            params![row.app.0, uid, row.id.0],
        ),
        None => Ok(false),
    }
}

fn exists(tx: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<bool> {
    tx.prepare_cached(sql)?.exists(params)
}

fn none_if_absent<T>(error: rusqlite::Error) -> rusqlite::Result<Option<T>> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(None),
        error => Err(error),
    }
}
