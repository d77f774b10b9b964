//! The configuration out of the database: all of it, or what some changes touched.

use crate::config::{ApiKey, Application, Change, Endpoint, EnvId, Environment, EventType};
use crate::error::StoreError;
use crate::id::{AppId, EndpointId, KeyId, MessageId};
use crate::json::{opened, opened_environment};
use crate::secret::Sealer;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, IsolationLevel, Row, Transaction};

/// What was found, as changes to the directory, and the routings in force.
#[derive(Debug, Default)]
pub struct Loaded {
    pub changes: Vec<Change>,
    pub routings: Vec<(AppId, i64)>,
}

/// What to read anew.
#[derive(Debug, Default)]
pub struct Wanted {
    pub applications: BTreeSet<i64>,
    pub endpoints: BTreeSet<i64>,
    pub keys: BTreeSet<i64>,
    pub event_types: BTreeSet<(i64, String)>,
    pub environments: BTreeSet<i64>,
    /// Applications whose tokens are wanted.
    pub tokens: BTreeSet<i64>,
    /// Tokens that ended before these times are gone.
    pub old_tokens: BTreeSet<i64>,
    /// Messages whose payload is gone.
    pub expunged: BTreeSet<i64>,
}

const APPLICATION: &str = "SELECT id, env, uid, settings, created_ms, updated_ms, version, routing FROM applications";
const ENDPOINT: &str = "SELECT e.id, e.app, e.uid, e.settings, e.secrets, e.headers, e.failing_since_ms, e.created_ms,
    e.updated_ms, e.version, a.routing FROM endpoints e JOIN applications a ON a.id = e.app";
const EVENT_TYPE: &str = "SELECT env, name, settings, created_ms, updated_ms, version FROM event_types";
const KEY: &str = "SELECT id, env, name, hash, created_ms, revoked_ms, access, app, session, expires_ms FROM api_keys";
const ENVIRONMENT: &str = "SELECT id, name, settings, created_ms, updated_ms, version FROM environments";

/// A look at the database as it is at one moment: a routing that is newer than the endpoints that were read would let
/// messages pass some of them.
pub async fn moment(client: &mut Client) -> Result<Transaction<'_>, Error> {
    client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await
}

/// Everything.
pub async fn all(client: &Client, sealer: &Sealer) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for row in client.query_typed(ENVIRONMENT, &[]).await? {
        loaded.environment(&row, sealer)?;
    }
    for row in client.query_typed(APPLICATION, &[]).await? {
        loaded.application(&row)?;
    }
    for row in client.query_typed(ENDPOINT, &[]).await? {
        loaded.endpoint(&row, sealer)?;
    }
    for row in client.query_typed(EVENT_TYPE, &[]).await? {
        loaded.event_type(&row)?;
    }
    for row in client.query_typed(KEY, &[]).await? {
        loaded.key(&row)?;
    }
    Ok(loaded)
}

/// What is wanted as it is now; what is no longer there as a deletion.
pub async fn some(client: &Client, sealer: &Sealer, wanted: Wanted) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for id in wanted.environments {
        let sql = format!("{ENVIRONMENT} WHERE id = $1");
        match client.query_typed(&sql, &[(&id, Type::INT8)]).await?.first() {
            Some(row) => loaded.environment(row, sealer)?,
            None => loaded.changes.push(Change::DeleteEnvironment(EnvId(id))),
        }
    }
    for id in wanted.applications {
        let sql = format!("{APPLICATION} WHERE id = $1");
        match client.query_typed(&sql, &[(&id, Type::INT8)]).await?.first() {
            Some(row) => loaded.application(row)?,
            None => loaded.changes.push(Change::DeleteApplication { app: AppId(id), version: 0 }),
        }
    }
    for id in wanted.endpoints {
        let sql = format!("{ENDPOINT} WHERE e.id = $1");
        match client.query_typed(&sql, &[(&id, Type::INT8)]).await?.first() {
            Some(row) => loaded.endpoint(row, sealer)?,
            None => loaded.changes.push(Change::DeleteEndpoint { endpoint: EndpointId(id), version: 0 }),
        }
    }
    for (env, name) in wanted.event_types {
        let sql = format!("{EVENT_TYPE} WHERE env = $1 AND name = $2");
        match client.query_typed(&sql, &[(&env, Type::INT8), (&name, Type::TEXT)]).await?.first() {
            Some(row) => loaded.event_type(row)?,
            None => loaded.changes.push(Change::DeleteEventType { env: EnvId(env), name }),
        }
    }
    for id in wanted.keys {
        let sql = format!("{KEY} WHERE id = $1");
        if let Some(row) = client.query_typed(&sql, &[(&id, Type::INT8)]).await?.first() {
            loaded.key(row)?;
        }
    }
    for app in wanted.tokens {
        let sql = format!("{KEY} WHERE app = $1");
        for row in client.query_typed(&sql, &[(&app, Type::INT8)]).await? {
            loaded.key(&row)?;
        }
    }
    let expunged = wanted.expunged.into_iter().map(|id| Change::ExpungeMessage { message: MessageId(id) });
    loaded.changes.extend(expunged);
    loaded.changes.extend(wanted.old_tokens.into_iter().map(|before_ms| Change::ForgetTokens { before_ms }));
    Ok(loaded)
}

impl Loaded {
    fn environment(&mut self, row: &Row, sealer: &Sealer) -> Result<(), StoreError> {
        let id = EnvId(row.get(0));
        let row = Environment {
            id,
            name: row.get(1),
            settings: opened_environment(sealer, id, row.get(2)).map_err(StoreError::Database)?,
            created_ms: row.get(3),
            updated_ms: row.get(4),
            version: row.get(5),
        };
        self.changes.push(Change::PutEnvironment { row, based_on: None });
        Ok(())
    }

    fn application(&mut self, row: &Row) -> Result<(), StoreError> {
        let app = Application {
            id: AppId(row.get(0)),
            env: EnvId(row.get(1)),
            uid: row.get(2),
            settings: json(row, 3)?,
            created_ms: row.get(4),
            updated_ms: row.get(5),
            version: row.get(6),
        };
        self.routings.push((app.id, row.get(7)));
        self.changes.push(Change::UpdateApplication { based_on: app.version, row: app });
        Ok(())
    }

    fn endpoint(&mut self, row: &Row, sealer: &Sealer) -> Result<(), StoreError> {
        let id = EndpointId(row.get(0));
        let (secrets, headers) = opened(sealer, id, row.get(4), row.get(5)).map_err(StoreError::Database)?;
        let endpoint = Endpoint {
            id,
            app: AppId(row.get(1)),
            uid: row.get(2),
            settings: json(row, 3)?,
            secrets,
            headers,
            failing_since_ms: row.get(6),
            created_ms: row.get(7),
            updated_ms: row.get(8),
            version: row.get(9),
        };
        let endpoint = endpoint.with_hidden_password();
        self.routings.push((endpoint.app, row.get(10)));
        self.changes.push(Change::SetFailing { endpoint: id, since_ms: endpoint.failing_since_ms });
        self.changes.push(Change::UpdateEndpoint { based_on: endpoint.version, row: endpoint });
        Ok(())
    }

    fn event_type(&mut self, row: &Row) -> Result<(), StoreError> {
        let event_type = EventType {
            env: EnvId(row.get(0)),
            name: row.get(1),
            settings: json(row, 2)?,
            created_ms: row.get(3),
            updated_ms: row.get(4),
            version: row.get(5),
        };
        self.changes.push(Change::PutEventType { row: event_type, based_on: None });
        Ok(())
    }

    fn key(&mut self, row: &Row) -> Result<(), StoreError> {
        let hash = <[u8; 32]>::try_from(row.get::<_, &[u8]>(3));
        let key = ApiKey {
            id: KeyId(row.get(0)),
            env: EnvId(row.get(1)),
            name: row.get(2),
            hash: hash.map_err(|error| StoreError::Database(error.to_string()))?,
            created_ms: row.get(4),
            revoked_ms: row.get(5),
            access: json(row, 6)?,
            app: row.get::<_, Option<i64>>(7).map(AppId),
            session: row.get(8),
            expires_ms: row.get(9),
        };
        self.changes.push(Change::CreateKey(key));
        Ok(())
    }
}

fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, StoreError> {
    serde_json::from_str(row.get(column)).map_err(|error| StoreError::Database(error.to_string()))
}
