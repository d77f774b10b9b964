//! A PostgreSQL database, looked at from outside.

use super::deliveries::{CHUNK, CONTRADICTIONS, Fault, MOST, Violation, contradiction};
use super::{KeyFit, Schema};
use crate::columns::endpoints_from;
use crate::error::OpenError;
use crate::id::{EndpointId, MessageId};
use crate::postgres::{Connector, MAY_BE_AHEAD, SCHEMA};
use postrider_clock::Clock;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

/// What was found.
#[derive(Clone, Debug)]
pub struct Postgres {
    pub schema: Schema,
    pub key: KeyFit,
    pub settings: Settings,
    /// The database's clock minus ours.
    pub ahead_ms: i64,
    /// Servers whose deliveries nobody else has taken over.
    pub nodes: Vec<Node>,
}

/// How the database is set up.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub version: String,
    /// 150018 for 15.18.
    pub version_number: i32,
    /// What others may use of `max_connections`.
    pub connections: i32,
    /// How many are in use.
    pub connected: i64,
    pub synchronous_commit: String,
    pub fsync: String,
    /// It follows another and takes no writes.
    pub is_standby: bool,
    /// Whether this user may make tables, which a new version does at its first start.
    pub may_create: bool,
    /// What the database takes on its disk.
    pub bytes: i64,
}

/// A server on this database.
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub version: String,
    /// Whether its lease holds.
    pub is_alive: bool,
}

/// Connects and looks. Reads only.
pub async fn postgres(url: &str, key: Option<&[u8; 32]>, clock: &Clock) -> Result<Postgres, OpenError> {
    let connector = Connector::new(url)?;
    let (client, connection) = connector.config.connect(connector.tls.clone()).await.map_err(OpenError::postgres)?;
    tokio::spawn(connection);
    look(&client, key, clock).await.map_err(OpenError::postgres)
}

/// Deliveries that are not accounted for; reads everything, at one moment.
pub async fn postgres_deliveries(url: &str) -> Result<Vec<Violation>, OpenError> {
    let connector = Connector::new(url)?;
    let (client, connection) = connector.config.connect(connector.tls.clone()).await.map_err(OpenError::postgres)?;
    tokio::spawn(connection);
    deliveries(&client).await.map_err(OpenError::postgres)
}

async fn deliveries(client: &Client) -> Result<Vec<Violation>, Error> {
    client.batch_execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut found = lost(client).await?;
    for row in client.query_typed(CONTRADICTIONS, &[]).await? {
        found.push(contradiction(row.get(0), row.get(1), row.get(2)));
    }
    client.batch_execute("COMMIT").await?;
    Ok(found)
}

/// Above its mark, a node that nobody has adopted yet has deliveries in its memory, or had when it died.
async fn lost(client: &Client) -> Result<Vec<Violation>, Error> {
    let sql = "SELECT m.id, m.endpoints FROM messages m LEFT JOIN nodes n ON n.id = m.node AND NOT n.adopted
               WHERE m.id >= $1 AND (n.id IS NULL OR m.id < n.watermark) ORDER BY m.id LIMIT $2";
    let open = "SELECT message, endpoint FROM unnest($1::bigint[], $2::bigint[]) AS d (message, endpoint)
                WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.message = d.message AND a.endpoint = d.endpoint)
                  AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.message = d.message AND s.endpoint = d.endpoint)";
    let (mut found, mut from) = (Vec::new(), i64::MIN);
    loop {
        let rows = client.query_typed(sql, &[(&from, Type::INT8), (&(CHUNK as i64), Type::INT8)]).await?;
        let all =
            rows.iter().flat_map(|row| endpoints_from(row.get(1)).into_iter().map(|e| (row.get::<_, i64>(0), e.0)));
        let (messages, endpoints): (Vec<i64>, Vec<i64>) = all.unzip();
        let params = [(&messages as _, Type::INT8_ARRAY), (&endpoints as _, Type::INT8_ARRAY)];
        let lost = client.query_typed(open, &params).await?;
        found.extend(lost.iter().map(|row| Violation {
            fault: Fault::Lost,
            message: MessageId(row.get(0)),
            endpoint: EndpointId(row.get(1)),
        }));
        found.truncate(MOST);
        match rows.last() {
            Some(last) if rows.len() == CHUNK => from = last.get::<_, i64>(0) + 1,
            _ => return Ok(found),
        }
    }
}

async fn look(client: &Client, key: Option<&[u8; 32]>, clock: &Clock) -> Result<Postgres, Error> {
    let ahead_ms = ahead_ms(client, clock).await?;
    let settings = settings(client).await?;
    let found = schema(client).await?;
    let schema = Schema { found, known: SCHEMA, newest: SCHEMA + MAY_BE_AHEAD };
    if found == 0 {
        return Ok(Postgres { schema, key: KeyFit::Free, settings, ahead_ms, nodes: vec![] });
    }
    let check = client.query_typed("SELECT value FROM meta WHERE key = 'key_check'", &[]).await?;
    let key = KeyFit::of(check.first().map(|row| row.get(0)), key);
    Ok(Postgres { schema, key, settings, ahead_ms, nodes: nodes(client).await? })
}

/// Compared with the middle of the question's way to the database and back.
async fn ahead_ms(client: &Client, clock: &Clock) -> Result<i64, Error> {
    let asked = clock.wall_ms();
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let rows = client.query_typed(sql, &[]).await?;
    let answered = clock.wall_ms();
    let ours = asked + (answered - asked) / 2;
    Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0) - ours))
}

async fn settings(client: &Client) -> Result<Settings, Error> {
    let sql = "SELECT current_setting('server_version'), current_setting('server_version_num')::int,
                 current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
                 (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
                 current_setting('synchronous_commit'), current_setting('fsync'), pg_is_in_recovery(),
                 coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
                 pg_database_size(current_database())";
    let rows = client.query_typed(sql, &[]).await?;
    Ok(rows.first().map(read_settings).unwrap_or_default())
}

fn read_settings(row: &Row) -> Settings {
    Settings {
        // What follows is the packager's.
        version: row.get::<_, &str>(0).split(' ').take(1).collect(),
        version_number: row.get(1),
        connections: row.get(2),
        connected: row.get(3),
        synchronous_commit: row.get(4),
        fsync: row.get(5),
        is_standby: row.get(6),
        may_create: row.get(7),
        bytes: row.get(8),
    }
}

async fn schema(client: &Client) -> Result<i64, Error> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let made = client.query_typed(sql, &[(&"postrider_schema", Type::TEXT)]).await?;
    if !made.first().is_some_and(|row| row.get(0)) {
        return Ok(0);
    }
    let rows = client.query_typed("SELECT coalesce(max(version), 0) FROM postrider_schema", &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

async fn nodes(client: &Client) -> Result<Vec<Node>, Error> {
    let sql =
        "SELECT name, version, NOT dead AND lease_until >= clock_timestamp() FROM nodes WHERE NOT adopted ORDER BY id";
    let rows = client.query_typed(sql, &[]).await?;
    Ok(rows.iter().map(|row| Node { name: row.get(0), version: row.get(1), is_alive: row.get(2) }).collect())
}
