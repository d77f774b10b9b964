//! The PostgreSQL database, as it is filled.
//!
//! While rows are missing, `key_check` holds what no secret key fits: a server that is started too
//! early refuses, and so does one that is started on a migration that was given up.

use super::MigrateError;
use super::mark::Mark;
use super::source::{Batch, Identity};
use super::table::Table;
use crate::error::OpenError;
use crate::postgres::{Connector, Param, Partitions, Session, migrate};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::types::Type;

/// Stands for the key check until all is there.
pub const UNFINISHED: &[u8] = b"a migration into this database has not ended";
const KEY_CHECK: &str = "key_check";
const FINGERPRINT: &str = "migration:source";

/// Things that a database which is not empty holds.
const HELD: &[(&str, &str)] = &[
    ("applications", "SELECT 1 FROM applications LIMIT 1"),
    ("messages", "SELECT 1 FROM messages LIMIT 1"),
    ("event types", "SELECT 1 FROM event_types LIMIT 1"),
    ("API keys", "SELECT 1 FROM api_keys LIMIT 1"),
    ("servers", "SELECT 1 FROM nodes LIMIT 1"),
];

/// An opened target.
pub struct Target {
    runtime: Runtime,
    session: Session,
    partitions: Partitions,
}

impl Target {
    /// Connects, and makes the tables.
    pub fn open(url: &str) -> Result<Target, MigrateError> {
        let failed = |error: std::io::Error| MigrateError::Target(OpenError::Database(error.to_string()));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let session = runtime.block_on(connect(&runtime, url)).map_err(MigrateError::Target)?;
        Ok(Target { runtime, session, partitions: Partitions::default() })
    }

    /// Makes sure that all that is here, if anything is, came from this source as it is now.
    pub fn begin(&mut self, source: &Identity) -> Result<(), MigrateError> {
        let Some(fingerprint) = self.meta(FINGERPRINT)? else { return self.begin_anew(source) };
        if self.is_any("SELECT 1 FROM nodes LIMIT 1")? {
            return Err(MigrateError::Used(source.dir.clone()));
        }
        if fingerprint != source.fingerprint {
            return Err(MigrateError::Changed(source.dir.clone()));
        }
        Ok(())
    }

    fn begin_anew(&mut self, source: &Identity) -> Result<(), MigrateError> {
        for (what, sql) in HELD {
            if self.is_any(sql)? {
                return Err(MigrateError::NotEmpty(what));
            }
        }
        let Target { runtime, session, .. } = self;
        runtime.block_on(async {
            session.batch("BEGIN").await?;
            put(session, KEY_CHECK, UNFINISHED).await?;
            put(session, "id_salt", &source.salt).await?;
            put(session, FINGERPRINT, &source.fingerprint).await?;
            session.batch("COMMIT").await
        })?;
        Ok(())
    }

    /// How far an earlier run came.
    pub fn mark(&mut self, table: &Table) -> Result<Mark, MigrateError> {
        let saved = self.meta(&key(table))?.and_then(|saved| serde_json::from_slice(&saved).ok());
        let first = || table.columns[..table.key].iter().map(|kind| kind.first()).collect();
        Ok(saved.unwrap_or_else(|| Mark { last: first(), rows: 0 }))
    }

    /// Adds rows, and moves the mark from `before` to `after`: both, or neither.
    pub fn add(&mut self, table: &Table, batch: &Batch, before: &Mark, after: &Mark) -> Result<(), MigrateError> {
        let Target { runtime, session, partitions } = self;
        let params: Vec<Param<'_>> = batch.columns.iter().map(|column| column.param()).collect();
        let types: Vec<Type> = table.columns.iter().map(|kind| kind.array()).collect();
        let moved = runtime.block_on(async {
            partitions.ensure(session, &(table.partitions)(&batch.columns)).await?;
            session.prepare(table.insert, &types).await?;
            // If the database crashes and takes a batch back, it takes its mark back too.
            session.batch("BEGIN; SET LOCAL synchronous_commit = off").await?;
            session.query(table.insert, &params).await?;
            let moved = move_mark(session, &key(table), before, after).await?;
            session.batch(if moved { "COMMIT" } else { "ROLLBACK" }).await?;
            Ok::<bool, tokio_postgres::Error>(moved)
        })?;
        if moved { Ok(()) } else { Err(MigrateError::Raced) }
    }

    pub fn count(&mut self, table: &Table) -> Result<i64, MigrateError> {
        let rows = self.runtime.block_on(self.session.query(table.count_copied, &[]))?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    /// Lets servers start, and tells those that run already to read everything anew. This commit
    /// waits for the disk, and with it all before it.
    pub fn finish(&mut self, key_check: &[u8]) -> Result<(), MigrateError> {
        let Target { runtime, session, .. } = self;
        runtime.block_on(async {
            session.batch("BEGIN; SET LOCAL synchronous_commit = on; UPDATE config SET version = version + 1").await?;
            put(session, KEY_CHECK, key_check).await?;
            session.batch("COMMIT").await
        })?;
        Ok(())
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, MigrateError> {
        let sql = "SELECT value FROM meta WHERE key = $1";
        let rows = self.runtime.block_on(self.session.query(sql, &[(&key, Type::TEXT)]))?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    fn is_any(&self, sql: &'static str) -> Result<bool, MigrateError> {
        Ok(!self.runtime.block_on(self.session.query(sql, &[]))?.is_empty())
    }
}

async fn connect(runtime: &Runtime, url: &str) -> Result<Session, OpenError> {
    let connector = Connector::new(url)?;
    let (mut client, connection) =
        connector.config.connect(connector.tls.clone()).await.map_err(OpenError::postgres)?;
    runtime.spawn(connection);
    migrate(&mut client).await?;
    Session::connect(runtime, &connector).await.map_err(OpenError::postgres)
}

fn key(table: &Table) -> String {
    format!("migration:{}", table.name)
}

async fn put(session: &Session, key: &str, value: &[u8]) -> Result<(), tokio_postgres::Error> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    session.query(sql, &[(&key, Type::TEXT), (&value, Type::BYTEA)]).await.map(|_| ())
}

/// False when the mark is not at `before`: a run that was killed may have had a commit under way.
async fn move_mark(session: &Session, key: &str, before: &Mark, after: &Mark) -> Result<bool, tokio_postgres::Error> {
    let sql = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value
               WHERE meta.value = $3 RETURNING 1";
    let json = |mark: &Mark| serde_json::to_vec(mark).unwrap_or_default();
    let (before, after) = (json(before), json(after));
    let rows = session.query(sql, &[(&key, Type::TEXT), (&after, Type::BYTEA), (&before, Type::BYTEA)]).await?;
    Ok(!rows.is_empty())
}
