//! Opening the data directory: lock, schema, key, configuration, recovery, threads.

use super::checkpoint::Checkpointer;
use super::commit::Sqlite;
use super::connection::{open_checkpointer, open_writer};
use super::expire::Expiry;
use super::load::{load, recent_keys};
use super::readers::Threads;
use super::recover::recover;
use super::reserve::Reserve;
use super::schema::{migrate, open_error};
use super::time::{Retiming, restart};
use crate::backend::Opened;
use crate::directory::Directory;
use crate::error::OpenError;
use crate::id::{IdSource, Ids};
use crate::lease::Lease;
use crate::secret::Sealer;
use crate::{Options, Readers};
use rand::Rng;
use rusqlite::{Connection, OptionalExtension};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Opens the data directory. Blocks; a large recovery takes seconds.
pub(crate) fn open(options: &Options, dir: &Path) -> Result<Opened<Sqlite>, OpenError> {
    let io = |error: std::io::Error| OpenError::Database(format!("{}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(io)?;
    let lock = File::create(dir.join("lock")).map_err(io)?;
    lock.try_lock().map_err(|_| OpenError::InUse)?;
    let reserve = Reserve::of(dir);
    let opened = match open_locked(options, dir) {
        Err(OpenError::DiskFull) if reserve.give_up() => {
            tracing::warn!("the disk is full: starting in the room that was kept free for that");
            let opened = open_locked(options, dir)?;
            reserve.take_back();
            opened
        }
        opened => {
            reserve.take();
            opened?
        }
    };
    Ok(Opened { lock: Some(lock), ..opened })
}

/// The same with the directory's lock held.
fn open_locked(options: &Options, dir: &Path) -> Result<Opened<Sqlite>, OpenError> {
    let io = |error: std::io::Error| OpenError::Database(format!("{}: {error}", dir.display()));
    let path = dir.join("postrider.db");
    let mut conn = open_writer(&path)?;
    migrate(&mut conn)?;
    let sealer = Sealer::new(&options.secret_key);
    check_key(&conn, &sealer)?;
    let salt = salt(&conn).map_err(open_error)?;
    let directory = Arc::new(Directory::default());
    load(&conn, &sealer, &directory)?;
    let back_ms = restart(&mut conn, options.clock.steady_ms()).map_err(open_error)?;
    if back_ms > 0 {
        tracing::warn!(back_ms, "the clock is behind that of the last run; retries go by the time since then");
    }
    let retiming = Retiming::open(&conn).map_err(open_error)?;
    let recovered = recover(&mut conn, options.clock.steady_ms()).map_err(open_error)?;
    let newest = newest(&conn).map_err(open_error)?;
    let recent = recent_keys(&conn).map_err(open_error)?;
    let readers = Readers::Sqlite(Threads::open(&path)?);
    let checkpointer = Checkpointer::start(open_checkpointer(&path)?).map_err(io)?;
    let source = Arc::new(IdSource::after(newest));
    let (clock, ids) = (options.clock.clone(), source.clone());
    let (retention, expiry, directory_) = (options.retention.clone(), Expiry::default(), directory.clone());
    let backend =
        Sqlite { conn, clock, sealer, directory: directory_, ids, recent, checkpointer, retention, expiry, retiming };
    let (ids, lease, lock) = (Ids::new(salt), Arc::new(Lease::endless()), None);
    Ok(Opened { backend, readers, directory, ids, source, newest, recovered, lease, lock })
}

/// A known text, sealed when the database was made, tells whether this key is the one.
fn check_key(conn: &Connection, sealer: &Sealer) -> Result<(), OpenError> {
    let check: Option<Vec<u8>> = conn
        .query_row("SELECT value FROM meta WHERE key = 'key_check'", [], |row| row.get(0))
        .optional()
        .map_err(open_error)?;
    match check {
        Some(sealed) if sealer.is_checked_by(&sealed) => Ok(()),
        Some(_) => Err(OpenError::WrongSecretKey),
        None => {
            conn.execute("INSERT INTO meta VALUES ('key_check', ?)", [sealer.check()]).map_err(open_error)?;
            Ok(())
        }
    }
}

fn salt(conn: &Connection) -> rusqlite::Result<[u8; 16]> {
    let fresh: [u8; 16] = rand::rng().random();
    conn.execute("INSERT OR IGNORE INTO meta VALUES ('id_salt', ?)", [&fresh[..]])?;
    conn.query_row("SELECT value FROM meta WHERE key = 'id_salt'", [], |row| row.get(0))
}

/// The highest id that was given out.
fn newest(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row(
        "SELECT max(coalesce((SELECT max(id) FROM messages), 0), coalesce((SELECT max(id) FROM attempts), 0),
         coalesce((SELECT max(version) FROM applications), 0), coalesce((SELECT max(version) FROM endpoints), 0),
         coalesce((SELECT max(version) FROM event_types), 0), coalesce((SELECT max(id) FROM api_keys), 0))",
        [],
        |row| row.get(0),
    )
}
