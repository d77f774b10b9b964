//! Opening the data directory: lock, schema, key, configuration, recovery, threads.

use super::checkpoint::Checkpointer;
use super::commit::Sqlite;
use super::connection::{open_checkpointer, open_writer};
use super::load::{load, recent_keys};
use super::readers::Readers;
use super::recover::recover;
use super::schema::{migrate, open_error};
use crate::Options;
use crate::batch::{Command, Report};
use crate::directory::Directory;
use crate::error::OpenError;
use crate::event::Event;
use crate::id::{IdSource, Ids};
use crate::secret::Sealer;
use crate::watermark::Watermark;
use crate::writer::Writer;
use crossbeam_channel::{Sender, bounded, unbounded};
use rand::Rng;
use rusqlite::{Connection, OptionalExtension};
use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Commands that may wait for the writer to take them.
const WAITING_COMMANDS: usize = 8_192;
/// Commits that delivery may be behind.
const WAITING_EVENTS: usize = 256;

/// A running store.
pub(crate) struct Opened {
    pub commands: Sender<Command>,
    pub reports: Sender<Report>,
    pub readers: Readers,
    pub directory: Arc<Directory>,
    pub ids: Ids,
    pub source: Arc<IdSource>,
    pub events: mpsc::Receiver<Event>,
    pub writer: JoinHandle<()>,
    pub recovered: usize,
    pub lock: File,
}

pub(crate) fn open(options: Options) -> Result<Opened, OpenError> {
    let io = |error: std::io::Error| OpenError::Database(format!("{}: {error}", options.dir.display()));
    std::fs::create_dir_all(&options.dir).map_err(io)?;
    let lock = File::create(options.dir.join("lock")).map_err(io)?;
    lock.try_lock().map_err(|_| OpenError::InUse)?;

    let path = options.dir.join("postrider.db");
    let mut conn = open_writer(&path)?;
    migrate(&mut conn)?;
    let sealer = Sealer::new(&options.secret_key);
    check_key(&conn, &sealer)?;
    let salt = salt(&conn).map_err(open_error)?;
    let directory = Arc::new(Directory::default());
    load(&conn, &sealer, &directory)?;
    let recovered = recover(&mut conn, options.clock.steady_ms()).map_err(open_error)?;
    let newest = newest(&conn).map_err(open_error)?;
    let recent = recent_keys(&conn).map_err(open_error)?;
    let readers = Readers::open(&path)?;
    let checkpointer = Checkpointer::start(open_checkpointer(&path)?).map_err(io)?;

    let (commands, command_queue) = bounded(WAITING_COMMANDS);
    let (reports, report_queue) = unbounded();
    let (event_sender, events) = mpsc::channel(WAITING_EVENTS);
    let source = Arc::new(IdSource::after(newest));
    let backend = Sqlite {
        conn,
        clock: options.clock.clone(),
        sealer,
        directory: directory.clone(),
        ids: source.clone(),
        recent,
        checkpointer,
    };
    let writer = Writer {
        backend,
        clock: options.clock,
        directory: directory.clone(),
        commands: command_queue,
        reports: report_queue,
        events: event_sender,
        watermark: Watermark::after(newest),
        metrics: options.metrics,
    };
    let writer = std::thread::Builder::new().name("writer".into()).spawn(|| writer.run()).map_err(io)?;
    Ok(Opened { commands, reports, readers, directory, ids: Ids::new(salt), source, events, writer, recovered, lock })
}

/// A known text, sealed when the database was made, tells whether this key is the one.
fn check_key(conn: &Connection, sealer: &Sealer) -> Result<(), OpenError> {
    const KNOWN: &[u8] = b"postrider";
    let check: Option<Vec<u8>> = conn
        .query_row("SELECT value FROM meta WHERE key = 'key_check'", [], |row| row.get(0))
        .optional()
        .map_err(open_error)?;
    match check {
        Some(sealed) if sealer.open(b"key_check", &sealed).as_deref() == Some(KNOWN) => Ok(()),
        Some(_) => Err(OpenError::WrongSecretKey),
        None => {
            let sealed = sealer.seal(rand::rng().random(), b"key_check", KNOWN);
            conn.execute("INSERT INTO meta VALUES ('key_check', ?)", [sealed]).map_err(open_error)?;
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
