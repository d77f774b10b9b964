//! The tables, and how an older database becomes a newer one.
//!
//! Each migration is one string, run once, in order; one that has landed is never edited. A database
//! may be one minor version ahead of a running node: so a migration only adds what an older node can
//! leave alone, and what it drops has not been used for a version.

use crate::error::OpenError;
use tokio_postgres::Client;

const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
];
/// The newest schema that this version knows.
pub const SCHEMA: i64 = MIGRATIONS.len() as i64;
/// How many migrations the database may have that this version doesn't know.
pub const MAY_BE_AHEAD: i64 = 10;

/// Brings the database to the newest schema. When several nodes start together, one does it and the
/// others wait.
pub async fn migrate(client: &mut Client) -> Result<(), OpenError> {
    let tx = client.transaction().await.map_err(OpenError::postgres)?;
    tx.batch_execute(
        "SELECT pg_advisory_xact_lock(80710002);
         CREATE TABLE IF NOT EXISTS postrider_schema (version bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());",
    )
    .await
    .map_err(OpenError::postgres)?;
    let found = tx
        .query_typed("SELECT coalesce(max(version), 0) FROM postrider_schema", &[])
        .await
        .map_err(OpenError::postgres)?;
    let found: i64 = found.first().map_or(0, |row| row.get(0));
    let known = MIGRATIONS.len() as i64;
    if found > known + MAY_BE_AHEAD {
        return Err(OpenError::TooNew { found, known });
    }
    for (version, sql) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        tx.batch_execute(sql).await.map_err(OpenError::postgres)?;
        let insert = format!("INSERT INTO postrider_schema (version) VALUES ({version})");
        tx.batch_execute(&insert).await.map_err(OpenError::postgres)?;
    }
    tx.commit().await.map_err(OpenError::postgres)
}
