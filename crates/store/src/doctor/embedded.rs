//! The embedded database, looked at from outside.

use super::{KeyFit, Schema};
use crate::error::OpenError;
use crate::sqlite::{SCHEMA, open_reader};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result};
use std::path::{Path, PathBuf};
use url::Url;

/// What was found.
#[derive(Clone, Debug)]
pub struct Embedded {
    pub schema: Schema,
    pub key: KeyFit,
}

/// Looks at the database in a data directory, which must be there.
pub fn embedded(dir: &Path, key: Option<&[u8; 32]>) -> std::result::Result<Embedded, OpenError> {
    let path = dir.join("postrider.db");
    let conn = open(&path)?;
    look(&conn, key).map_err(|error| OpenError::Database(error.to_string()))
}

/// The version of the SQLite library, as a text and as a number.
pub fn library() -> (&'static str, i32) {
    (rusqlite::version(), rusqlite::version_number())
}

/// Beside a server's log, as any reader. Where there is none, in a way that makes none: a file that
/// was made for root could not be written by the server.
fn open(path: &Path) -> std::result::Result<Connection, OpenError> {
    let log = PathBuf::from(format!("{}-wal", path.display()));
    if log.exists() {
        return open_reader(path);
    }
    let fail = |reason: String| OpenError::Database(format!("{}: {reason}", path.display()));
    let path = path.canonicalize().map_err(|error| fail(error.to_string()))?;
    let mut url = Url::from_file_path(&path).map_err(|()| fail("not a path".into()))?;
    url.set_query(Some("immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(url.as_str(), flags).map_err(|error| fail(error.to_string()))
}

fn look(conn: &Connection, key: Option<&[u8; 32]>) -> Result<Embedded> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let check: Option<Vec<u8>> = match found {
        0 => None,
        _ => conn.query_row("SELECT value FROM meta WHERE key = 'key_check'", [], |row| row.get(0)).optional()?,
    };
    let schema = Schema { found, known: SCHEMA, newest: SCHEMA };
    Ok(Embedded { schema, key: KeyFit::of(check.as_deref(), key) })
}
