//! Changes of the configuration into the transaction of a batch. The lock that its first statement
//! took keeps all others out, so what is read here stays true until the commit.

use super::passing;
use super::session::{Param, Session};
use crate::access::LASTING;
use crate::config::{ApiKey, Application, Change, Endpoint, Environment};
use crate::error::ChangeError;
use crate::id::{EndpointId, EnvId};
use crate::json::{environment, json, sealed};
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

pub type Result<T> = std::result::Result<std::result::Result<T, ChangeError>, Error>;

pub fn int(value: &i64) -> Param<'_> {
    (value, Type::INT8)
}

pub fn text<'a>(value: &'a (dyn ToSql + Sync)) -> Param<'a> {
    (value, Type::TEXT)
}

fn endpoint(id: EndpointId, app: i64) -> Touched {
    Touched { kind: "endpoint", id: Some(id.0), scope: Some(app), name: None }
}

pub fn by_id(kind: &'static str, id: i64) -> Touched {
    Touched { kind, id: Some(id), scope: None, name: None }
}

/// Writes one change of node `node`. A conflict is found before anything is written.
pub async fn change(session: &Session, node: i64, sealer: &Sealer, change: &Change) -> Result<Option<Touched>> {
    let (rows, touched) = match change {
        Change::PutEnvironment { row, based_on } => return put_environment(session, sealer, row, *based_on).await,
        Change::DeleteEnvironment(env) => return delete_environment(session, *env).await,
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
            share_lane(session, row).await?;
            (rows, by_id("application", row.id.0))
        }
        Change::DeleteApplication { app, .. } => {
            session.query("DELETE FROM variables WHERE app = $1", &[int(&app.0)]).await?;
            session.query("DELETE FROM addresses WHERE app = $1", &[int(&app.0)]).await?;
            session.query("DELETE FROM endpoints WHERE app = $1", &[int(&app.0)]).await?;
            session.query("DELETE FROM api_keys WHERE app = $1", &[int(&app.0)]).await?;
            let rows = session.query("DELETE FROM applications WHERE id = $1 RETURNING 1", &[int(&app.0)]).await?;
            (rows, by_id("application", app.0))
        }
        Change::CreateEndpoint(row) => {
            let sql = "SELECT (settings::json ->> 'throttle_rate') IS NOT NULL FROM applications WHERE id = $1";
            let found = session.query(sql, &[int(&row.app.0)]).await?;
            let Some(app) = found.first() else { return Ok(Err(ChangeError::NotFound)) };
            let lane = app.get::<_, bool>(0).then_some(row.app.0);
            if uid_taken(session, ENDPOINT_UID, row.app.0, row.uid.as_deref(), row.id.0).await? {
                return Ok(Err(ChangeError::Taken));
            }
            let sql = "INSERT INTO endpoints
                       (id, app, uid, settings, secrets, headers, failing_since_ms, created_ms, updated_ms, version, lane)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING 1";
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
                        (&lane, Type::INT8),
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
            session.query("DELETE FROM notices WHERE endpoint = $1", &[int(&id.0)]).await?;
            session.query("DELETE FROM consumers WHERE endpoint = $1", &[int(&id.0)]).await?;
            let sql = "DELETE FROM variables WHERE app = (SELECT app FROM endpoints WHERE id = $1) AND endpoint = $1";
            session.query(sql, &[int(&id.0)]).await?;
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
        Change::CreateKey(key) => return create_key(session, key).await,
        Change::RevokeKey { key, at_ms } => {
            let sql = "UPDATE api_keys SET revoked_ms = coalesce(revoked_ms, $1) WHERE id = $2 RETURNING 1";
            (session.query(sql, &[int(at_ms), int(&key.0)]).await?, by_id("key", key.0))
        }
        Change::ExpireTokens { app, sessions, at_ms } => {
            let sql = "UPDATE api_keys SET expires_ms = least(expires_ms, $1) WHERE app = $2
                       AND ((cardinality($3::text[]) = 0 AND coalesce(session, '') NOT LIKE $4 || '%') OR session = ANY($3))";
            session.query(sql, &[int(at_ms), int(&app.0), (sessions, Type::TEXT_ARRAY), text(&LASTING)]).await?;
            return Ok(Ok(Some(by_id("tokens", app.0))));
        }
        Change::ForgetTokens { before_ms } => {
            let sql = "DELETE FROM api_keys WHERE app IS NOT NULL AND (revoked_ms IS NOT NULL OR expires_ms <= $1)";
            session.query(sql, &[int(before_ms)]).await?;
            return Ok(Ok(Some(by_id("old_tokens", *before_ms))));
        }
        _ => return passing::change(session, node, change).await,
    };
    Ok(if rows.is_empty() { Err(ChangeError::NotFound) } else { Ok(Some(touched)) })
}

async fn put_environment(
    session: &Session,
    sealer: &Sealer,
    row: &Environment,
    based_on: Option<i64>,
) -> Result<Option<Touched>> {
    let sql = "SELECT 1 FROM environments WHERE name = $1 AND id <> $2";
    if !session.query(sql, &[text(&row.name), int(&row.id.0)]).await?.is_empty() {
        return Ok(Err(ChangeError::Taken));
    }
    let settings = environment(sealer, row);
    let common = [int(&row.id.0), text(&row.name), text(&settings), int(&row.updated_ms), int(&row.version)];
    let rows = match &based_on {
        None => {
            let sql = "INSERT INTO environments (id, name, settings, updated_ms, version, created_ms)
                       VALUES ($1, $2, $3, $4, $5, $6) RETURNING 1";
            session.query(sql, &[&common[..], &[int(&row.created_ms)]].concat()).await?
        }
        Some(based_on) => {
            let sql = "UPDATE environments SET name = $2, settings = $3, updated_ms = $4, version = $5
                       WHERE id = $1 AND version = $6 RETURNING 1";
            session.query(sql, &[&common[..], &[int(based_on)]].concat()).await?
        }
    };
    Ok(if rows.is_empty() { Err(ChangeError::Outdated) } else { Ok(Some(by_id("environment", row.id.0))) })
}

async fn delete_environment(session: &Session, env: EnvId) -> Result<Option<Touched>> {
    let id = [int(&env.0)];
    if !session.query("SELECT 1 FROM applications WHERE env = $1 LIMIT 1", &id).await?.is_empty() {
        return Ok(Err(ChangeError::NotEmpty));
    }
    for sql in ["DELETE FROM api_keys WHERE env = $1", "DELETE FROM event_types WHERE env = $1"] {
        session.query(sql, &id).await?;
    }
    let rows = session.query("DELETE FROM environments WHERE id = $1 RETURNING 1", &id).await?;
    Ok(if rows.is_empty() { Err(ChangeError::NotFound) } else { Ok(Some(by_id("environment", env.0))) })
}

async fn create_key(session: &Session, key: &ApiKey) -> Result<Option<Touched>> {
    let hash = &key.hash[..];
    if !session.query("SELECT 1 FROM api_keys WHERE hash = $1", &[(&hash, Type::BYTEA)]).await?.is_empty() {
        return Ok(Err(ChangeError::Taken));
    }
    let sql = "INSERT INTO api_keys (id, env, name, hash, created_ms, revoked_ms, access, app, session, expires_ms)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (access, app) = (json(&key.access), key.app.map(|app| app.0));
    let params = [
        int(&key.id.0),
        int(&key.env.0),
        text(&key.name),
        (&hash, Type::BYTEA),
        int(&key.created_ms),
        (&key.revoked_ms, Type::INT8),
        text(&access),
        (&app, Type::INT8),
        text(&key.session),
        (&key.expires_ms, Type::INT8),
    ];
    session.query(sql, &params).await?;
    Ok(Ok(Some(by_id("key", key.id.0))))
}

/// The endpoints of an application that has a rate of its own share a lane, and with it the node that
/// sends to them.
async fn share_lane(session: &Session, row: &Application) -> std::result::Result<(), Error> {
    let lane = row.settings.throttle_rate.map(|_| row.id.0);
    let sql = "UPDATE endpoints SET lane = $1 WHERE app = $2 AND lane IS DISTINCT FROM $1";
    session.query(sql, &[(&lane, Type::INT8), int(&row.id.0)]).await.map(|_| ())
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
    let sql = "UPDATE endpoints SET uid = $1, settings = $2, secrets = $3, headers = $4, updated_ms = $5, version = $6,
                 failing_since_ms = CASE WHEN $9 THEN NULL ELSE failing_since_ms END
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
                (&row.settings.disabled, Type::BOOL),
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
