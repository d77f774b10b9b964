//! How connections to the file are opened.

use super::schema::open_error;
use crate::error::OpenError;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The one connection that writes. It takes the file for itself among processes.
pub fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open(path).map_err(open_error)?;
    // Checkpoints are ours to time, see `checkpoint`; without this the next line may copy a long log, for which a full
    // disk has no room.
    conn.pragma_update(None, "wal_autocheckpoint", 0).map_err(open_error)?;
    // Before the first table, or it has no effect: expired rows give their space back.
    conn.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(open_error)?;
    conn.pragma_update(None, "journal_mode", "WAL").map_err(open_error)?;
    // FULL: the log is on disk before a commit returns. 202 means committed.
    conn.pragma_update(None, "synchronous", "FULL").map_err(open_error)?;
    conn.pragma_update(None, "cache_size", -16_000).map_err(open_error)?;
    conn.pragma_update(None, "temp_store", "MEMORY").map_err(open_error)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// A connection that only reads, beside the writer.
pub fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(open_error)?;
    conn.pragma_update(None, "cache_size", -4_000).map_err(open_error)?;
    conn.set_prepared_statement_cache_capacity(32);
    Ok(conn)
}

/// A connection of its own for copying the log into the database.
pub fn open_checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open(path).map_err(open_error)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(open_error)?;
    conn.pragma_update(None, "wal_autocheckpoint", 0).map_err(open_error)?;
    conn.pragma_update(None, "cache_size", -200).map_err(open_error)?;
    Ok(conn)
}
