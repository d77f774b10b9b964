//! Changes of the configuration into the transaction of a batch. The lock that its first statement
//! took keeps all others out, so what is read here stays true until the commit.

use super::session::{Param, Session};
use crate::config::{Change, Endpoint};
use crate::error::ChangeError;
use crate::id::EndpointId;
use crate::json::{json, sealed};
use crate::secret::Sealer;
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

/// What a change touched, for the log that nodes follow.
pub struct Touched {
    pub kind: &'static str,
    pub id: Option<i64>,
    /// The environment of an event type, the application of an endpoint.
    pub scope: Option<i64>,
    pub name: Option<String>,
}

const APPLICATION_UID: &str = "SELECT 1 FROM applications WHERE env = $1 AND uid = $2 AND id <> $3";
const ENDPOINT_UID: &str = "SELECT 1 FROM endpoints WHERE app = $1 AND uid = $2 AND id <> $3";

type Result<T> = std::result::Result<std::result::Result<T, ChangeError>, Error>;

fn int(value: &i64) -> Param<'_> {
    (value, Type::INT8)
}

fn text<'a>(value: &'a (dyn ToSql + Sync)) -> Param<'a> {
    (value, Type::TEXT)
}

fn endpoint(id: EndpointId, app: i64) -> Touched {
    Touched { kind: "endpoint", id: Some(id.0), scope: Some(app), name: None }
}

fn by_id(kind: &'static str, id: i64) -> Touched {
    Touched { kind, id: Some(id), scope: None, name: None }
}

/// Writes one change. A conflict is found before anything is written.
pub async fn change(session: &Session, sealer: &Sealer, change: &Change) -> Result<Option<Touched>> {
    let (rows, touched) = match change {
        Change::CreateApplication(app) => {
            if uid_taken(session, APPLICATION_UID, app.env.0, app.uid.as_deref(), app.id.0).await? {
                return Ok(Err(ChangeError::Taken));
            }
            let sql = "INSERT INTO applications (id, env, uid, settings, created_ms, updated_ms, version, routing)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING 1";
            let settings = json(&app.settings);
            let rows = session
                .query(
                    sql,
                    &[
                        int(&app.id.0),
                        int(&app.env.0),
                        text(&app.uid),
                        text(&settings),
                        int(&app.created_ms),
                        int(&app.updated_ms),
                        int(&app.version),
                    ],
                )
                .await?;
            (rows, by_id("application", app.id.0))
        }
        Change::UpdateApplication { row, based_on } => {
            if uid_taken(session, APPLICATION_UID, row.env.0, row.uid.as_deref(), row.id.0).await? {
                return Ok(Err(ChangeError::Taken));
            }
            let sql = "UPDATE applications SET uid = $1, settings = $2, updated_ms = $3, version = $4, routing = $4
                       WHERE id = $5 AND version = $6 RETURNING 1";
            let settings = json(&row.settings);
            let rows = session
                .query(
                    sql,
                    &[
                        text(&row.uid),
                        text(&settings),
                        int(&row.updated_ms),
                        int(&row.version),
                        int(&row.id.0),
                        int(based_on),
                    ],
                )
                .await?;
            if rows.is_empty() {
                return Ok(Err(ChangeError::Outdated));
            }
            (rows, by_id("application", row.id.0))
        }
        Change::DeleteApplication { app, .. } => {
            session.query("DELETE FROM endpoints WHERE app = $1", &[int(&app.0)]).await?;
            let rows = session.query("DELETE FROM applications WHERE id = $1 RETURNING 1", &[int(&app.0)]).await?;
            (rows, by_id("application", app.0))
        }
        Change::CreateEndpoint(row) => {
            let found = session.query("SELECT 1 FROM applications WHERE id = $1", &[int(&row.app.0)]).await?;
            if found.is_empty() {
                return Ok(Err(ChangeError::NotFound));
            }
            if uid_taken(session, ENDPOINT_UID, row.app.0, row.uid.as_deref(), row.id.0).await? {
                return Ok(Err(ChangeError::Taken));
            }
            let sql = "INSERT INTO endpoints
                       (id, app, uid, settings, secrets, headers, failing_since_ms, created_ms, updated_ms, version)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING 1";
            let (settings, (secrets, headers)) = (json(&row.settings), sealed(sealer, row));
            let rows = session
                .query(
                    sql,
                    &[
                        int(&row.id.0),
                        int(&row.app.0),
                        text(&row.uid),
                        text(&settings),
                        (&secrets, Type::BYTEA),
                        (&headers, Type::BYTEA),
                        (&row.failing_since_ms, Type::INT8),
                        int(&row.created_ms),
                        int(&row.updated_ms),
                        int(&row.version),
                    ],
                )
                .await?;
            reroute(session, row.app.0, row.version).await?;
            (rows, endpoint(row.id, row.app.0))
        }
        Change::UpdateEndpoint { row, based_on } => match update_endpoint(session, sealer, row, *based_on).await? {
            Ok(()) => return Ok(Ok(Some(endpoint(row.id, row.app.0)))),
            Err(refused) => return Ok(Err(refused)),
        },
        Change::DeleteEndpoint { endpoint: id, version } => {
            let rows = session.query("DELETE FROM endpoints WHERE id = $1 RETURNING app", &[int(&id.0)]).await?;
            let app = rows.first().map_or(0, |row| row.get(0));
            reroute(session, app, *version).await?;
            (rows, endpoint(*id, app))
        }
        Change::SetFailing { endpoint: id, since_ms } => {
            let sql = "UPDATE endpoints SET failing_since_ms = $1 WHERE id = $2 RETURNING app";
            let rows = session.query(sql, &[(since_ms, Type::INT8), int(&id.0)]).await?;
            let app = rows.first().map_or(0, |row| row.get(0));
            (rows, endpoint(*id, app))
        }
        Change::PutEventType { row, based_on } => {
            let sql = "SELECT version FROM event_types WHERE env = $1 AND name = $2";
            let current = session.query(sql, &[int(&row.env.0), text(&row.name)]).await?;
            match (current.first().map(|row| row.get::<_, i64>(0)), based_on) {
                (Some(_), None) => return Ok(Err(ChangeError::Taken)),
                (current, based_on) if current != *based_on => return Ok(Err(ChangeError::Outdated)),
                _ => {}
            }
            let sql = "INSERT INTO event_types (env, name, settings, created_ms, updated_ms, version)
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (env, name) DO UPDATE SET
                       settings = excluded.settings, updated_ms = excluded.updated_ms, version = excluded.version
                       RETURNING 1";
            let settings = json(&row.settings);
            let rows = session
                .query(
                    sql,
                    &[
                        int(&row.env.0),
                        text(&row.name),
                        text(&settings),
                        int(&row.created_ms),
                        int(&row.updated_ms),
                        int(&row.version),
                    ],
                )
                .await?;
            (rows, event_type(row.env.0, &row.name))
        }
        Change::DeleteEventType { env, name } => {
            let sql = "DELETE FROM event_types WHERE env = $1 AND name = $2 RETURNING 1";
            (session.query(sql, &[int(&env.0), text(name)]).await?, event_type(env.0, name))
        }
        Change::CreateKey(key) => {
            let hash = &key.hash[..];
            let taken = session.query("SELECT 1 FROM api_keys WHERE hash = $1", &[(&hash, Type::BYTEA)]).await?;
            if !taken.is_empty() {
                return Ok(Err(ChangeError::Taken));
            }
            let sql = "INSERT INTO api_keys (id, env, name, hash, created_ms, revoked_ms)
                       VALUES ($1, $2, $3, $4, $5, $6) RETURNING 1";
            let rows = session
                .query(
                    sql,
                    &[
                        int(&key.id.0),
                        int(&key.env.0),
                        text(&key.name),
                        (&hash, Type::BYTEA),
                        int(&key.created_ms),
                        (&key.revoked_ms, Type::INT8),
                    ],
                )
                .await?;
            (rows, by_id("key", key.id.0))
        }
        Change::RevokeKey { key, at_ms } => {
            let sql = "UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, $1) WHERE id = $2 RETURNING 1";
            (session.query(sql, &[int(at_ms), int(&key.0)]).await?, by_id("key", key.0))
        }
        Change::Resend { message, endpoint, due_ms } => {
            let sql = "INSERT INTO schedule (endpoint, message, manual, due_ms, attempts) VALUES ($1, $2, true, $3, 0)
                       ON CONFLICT (endpoint, message, manual) DO UPDATE SET due_ms = excluded.due_ms, attempts = 0";
            session.query(sql, &[int(&endpoint.0), int(&message.0), int(due_ms)]).await?;
            return Ok(Ok(None));
        }
    };
    Ok(if rows.is_empty() { Err(ChangeError::NotFound) } else { Ok(Some(touched)) })
}

/// Writes down what a change touched, under the next version.
pub async fn log(session: &Session, touched: &Touched) -> std::result::Result<(), Error> {
    let sql = "WITH next AS (UPDATE config SET version = version + 1 RETURNING version)
               INSERT INTO config_log (version, kind, id, scope, name) SELECT version, $1, $2, $3, $4 FROM next";
    let params = [text(&touched.kind), (&touched.id, Type::INT8), (&touched.scope, Type::INT8), text(&touched.name)];
    session.query(sql, &params).await.map(|_| ())
}

async fn update_endpoint(session: &Session, sealer: &Sealer, row: &Endpoint, based_on: i64) -> Result<()> {
    if uid_taken(session, ENDPOINT_UID, row.app.0, row.uid.as_deref(), row.id.0).await? {
        return Ok(Err(ChangeError::Taken));
    }
    let sql = "UPDATE endpoints SET uid = $1, settings = $2, secrets = $3, headers = $4, updated_ms = $5, version = $6
               WHERE id = $7 AND version = $8 RETURNING 1";
    let (settings, (secrets, headers)) = (json(&row.settings), sealed(sealer, row));
    let rows = session
        .query(
            sql,
            &[
                text(&row.uid),
                text(&settings),
                (&secrets, Type::BYTEA),
                (&headers, Type::BYTEA),
                int(&row.updated_ms),
                int(&row.version),
                int(&row.id.0),
                int(&based_on),
            ],
        )
        .await?;
    if rows.is_empty() {
        return Ok(Err(ChangeError::Outdated));
    }
    reroute(session, row.app.0, row.version).await?;
    Ok(Ok(()))
}

/// Messages that were routed before this are not accepted any more.
async fn reroute(session: &Session, app: i64, version: i64) -> std::result::Result<(), Error> {
    session.query("UPDATE applications SET routing = $1 WHERE id = $2", &[int(&version), int(&app)]).await.map(|_| ())
}

async fn uid_taken(
    session: &Session,
    sql: &'static str,
    scope: i64,
    uid: Option<&str>,
    own: i64,
) -> std::result::Result<bool, Error> {
    match &uid {
        Some(uid) => Ok(!session.query(sql, &[int(&scope), text(uid), int(&own)]).await?.is_empty()),
        None => Ok(false),
    }
}

fn event_type(env: i64, name: &str) -> Touched {
    Touched { kind: "event_type", id: None, scope: Some(env), name: Some(name.to_owned()) }
}
