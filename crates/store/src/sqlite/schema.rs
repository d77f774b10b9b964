//! The tables, and how an older file becomes a newer one.
//!
//! Each migration is one string, run once, in order; one that has landed is never edited.

use crate::error::OpenError;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, ErrorCode};

const MIGRATIONS: &[&str] = &[
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
];
/// The newest schema that this version knows.
pub const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Brings the database to the newest schema.
pub fn migrate(conn: &mut Connection) -> Result<(), OpenError> {
    let known = MIGRATIONS.len() as i64;
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(open_error)?;
    if found > known {
        return Err(OpenError::TooNew { found, known });
    }
    for (version, sql) in (1..).zip(MIGRATIONS) {
        if version > found {
            let tx = conn.transaction().map_err(open_error)?;
            tx.execute_batch(sql).map_err(open_error)?;
            tx.pragma_update(None, "user_version", version).map_err(open_error)?;
            tx.commit().map_err(open_error)?;
        }
    }
    Ok(())
}

pub fn open_error(error: rusqlite::Error) -> OpenError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::InUse,
        Some(ErrorCode::DiskFull) => OpenError::DiskFull,
        // The index of the log is mapped into memory, and where there is no room its making fails like this.
        _ if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) => {
            OpenError::DiskFull
        }
        _ => OpenError::Database(error.to_string()),
    }
}
