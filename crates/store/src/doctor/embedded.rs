//! The embedded database, looked at from outside.

use super::deliveries::{CHUNK, CONTRADICTIONS, Fault, MOST, Violation, contradiction};
use super::{KeyFit, Schema};
use crate::columns::endpoints_from;
use crate::error::OpenError;
use crate::id::MessageId;
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

/// Deliveries that are not accounted for; reads everything, at one moment.
pub fn embedded_deliveries(dir: &Path) -> std::result::Result<Vec<Violation>, OpenError> {
    let conn = open(&dir.join("postrider.db"))?;
    deliveries(&conn).map_err(|error| OpenError::Database(error.to_string()))
}

fn deliveries(conn: &Connection) -> Result<Vec<Violation>> {
    let moment = conn.unchecked_transaction()?;
    let mut found = lost(&moment)?;
    let mut select = moment.prepare(CONTRADICTIONS)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        found.push(contradiction(row.get(0)?, row.get(1)?, row.get(2)?));
    }
    Ok(found)
}

fn lost(conn: &Connection) -> Result<Vec<Violation>> {
    let mark: Option<i64> =
        conn.query_row("SELECT value FROM meta WHERE key = 'watermark'", [], |row| row.get(0)).optional()?;
    let mut select = conn.prepare("SELECT id, endpoints FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?")?;
    let mut attempted = conn.prepare("SELECT 1 FROM attempts WHERE message = ? AND endpoint = ?")?;
    let mut scheduled = conn.prepare("SELECT 1 FROM schedule WHERE message = ? AND endpoint = ?")?;
    let (mut found, mut from) = (Vec::new(), i64::MIN);
    loop {
        let mut seen = 0;
        let mut rows = select.query((from, mark.unwrap_or(0), CHUNK as i64))?;
        while let Some(row) = rows.next()? {
            let message: i64 = row.get(0)?;
            (seen, from) = (seen + 1, message + 1);
            for endpoint in endpoints_from(row.get_ref(1)?.as_blob()?) {
                let key = [message, endpoint.0];
                if found.len() < MOST && !attempted.exists(key)? && !scheduled.exists(key)? {
                    found.push(Violation { fault: Fault::Lost, message: MessageId(message), endpoint });
                }
            }
        }
        if seen < CHUNK {
            return Ok(found);
        }
    }
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
