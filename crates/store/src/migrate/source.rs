//! The embedded database, as it is read.

use super::column::Column;
use super::mark::{Mark, Part};
use super::table::Table;
use super::{MigrateError, Migration};
use crate::error::OpenError;
use crate::{Database, Options, Retention, StoreMetrics, sqlite};
use prometheus_client::registry::Registry;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Result, ToSql};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::PathBuf;

/// What one transaction carries: so many rows, or so many bytes, whichever comes first.
const MOST_ROWS: i64 = 5_000;
const MOST_BYTES: usize = 8 << 20;

/// What can change without a new row in the tables that only grow.
const CHANGEABLE: &[&str] = &[
    "SELECT * FROM environments ORDER BY id",
    "SELECT * FROM api_keys ORDER BY id",
    "SELECT * FROM applications ORDER BY id",
    "SELECT * FROM endpoints ORDER BY id",
    "SELECT * FROM event_types ORDER BY env, name",
    "SELECT * FROM schedule ORDER BY endpoint, message, manual",
    "SELECT (SELECT min(id) FROM messages), (SELECT min(id) FROM attempts)",
    "SELECT (SELECT max(id) FROM messages), (SELECT max(id) FROM attempts)",
    "SELECT value FROM meta WHERE key IN ('key_check', 'id_salt') ORDER BY key",
];

/// An opened source. The lock keeps servers off it.
pub struct Source {
    conn: Connection,
    _lock: Option<File>,
}

/// What the target must know of its source.
pub struct Identity {
    pub dir: PathBuf,
    /// Another, when anything has changed.
    pub fingerprint: Vec<u8>,
    pub salt: Vec<u8>,
}

/// Rows as columns.
pub struct Batch {
    pub columns: Vec<Column>,
    pub rows: usize,
    /// The key of the last row.
    pub last: Vec<Part>,
}

impl Source {
    /// Opens it as a server does, so that every delivery that is still open is in the schedule.
    pub fn open(migration: &Migration) -> std::result::Result<Source, MigrateError> {
        let dir = &migration.dir;
        let path = dir.join("postrider.db");
        if !path.is_file() {
            return Err(MigrateError::NoSource(dir.clone()));
        }
        let options = Options {
            database: Database::Embedded(dir.clone()),
            secret_key: migration.secret_key,
            clock: migration.clock.clone(),
            metrics: StoreMetrics::register(&mut Registry::default()),
            // Only a running writer removes what has expired.
            retention: Retention::default(),
        };
        let opened = sqlite::open(&options, dir).map_err(|error| match error {
            OpenError::InUse => MigrateError::Running(dir.clone()),
            error => MigrateError::Source(error),
        })?;
        // The writer's connection, which tidies up the log when it is closed, but from now on only reads.
        let conn = opened.backend.conn;
        conn.pragma_update(None, "query_only", true)?;
        // To count may need more room than memory has.
        conn.pragma_update(None, "temp_store", "FILE")?;
        Ok(Source { conn, _lock: opened.lock })
    }

    /// Tells this source, as it is now, from others.
    pub fn identity(&self, dir: PathBuf) -> Result<Identity> {
        let mut hash = Sha256::new();
        for sql in CHANGEABLE {
            let mut query = self.conn.prepare(sql)?;
            let columns = query.column_count();
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    add(&mut hash, row.get_ref(column)?);
                }
            }
            hash.update(b"end");
        }
        Ok(Identity { dir, fingerprint: hash.finalize().to_vec(), salt: self.meta("id_salt")? })
    }

    /// The known text that tells whether a secret key is the one.
    pub fn key_check(&self) -> Result<Vec<u8>> {
        self.meta("key_check")
    }

    fn meta(&self, key: &str) -> Result<Vec<u8>> {
        let value = self.conn.query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get(0));
        Ok(value.optional()?.unwrap_or_default())
    }

    pub fn count(&self, table: &Table) -> Result<i64> {
        self.conn.query_row(table.count, [], |row| row.get(0))
    }

    /// The rows that come after `mark`.
    pub fn batch(&self, table: &Table, mark: &Mark) -> Result<Batch> {
        let mut query = self.conn.prepare_cached(table.select)?;
        let params: Vec<&dyn ToSql> =
            mark.last.iter().map(|part| part as &dyn ToSql).chain([&MOST_ROWS as &dyn ToSql]).collect();
        let mut rows = query.query(&params[..])?;
        let columns = table.columns.iter().map(|kind| Column::new(*kind)).collect();
        let (mut batch, mut bytes) = (Batch { columns, rows: 0, last: vec![] }, 0);
        while bytes < MOST_BYTES
            && let Some(row) = rows.next()?
        {
            for (n, column) in batch.columns.iter_mut().enumerate() {
                bytes += column.push(row, n)?;
            }
            batch.last = (0..table.key).map(|column| Part::read(row, column)).collect::<Result<_>>()?;
            batch.rows += 1;
        }
        Ok(batch)
    }
}

/// With its type and length, so that two rows are never taken for each other.
fn add(hash: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(int) => return hash.update([&[1_u8][..], &int.to_be_bytes()].concat()),
        ValueRef::Real(real) => return hash.update([&[2_u8][..], &real.to_be_bytes()].concat()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    hash.update([kind]);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
