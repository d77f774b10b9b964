//! When the log is copied into the database.
//!
//! SQLite would do it inside a commit, and a message would wait for it. Here a thread of its own
//! copies most of it beside the writer; what came in the meantime is little, and the writer copies
//! that between two batches, so that the log starts over. A reader that holds the log back only
//! makes it longer until the next time.

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;

/// Bytes written, about, before a checkpoint is worth it.
const EVERY_BYTES: usize = 24 << 20;

/// The writer's side of checkpointing.
#[derive(Debug)]
pub struct Checkpointer {
    start: Sender<()>,
    done: Receiver<()>,
    written: usize,
    running: bool,
}

impl Checkpointer {
    /// Starts the thread that copies with `conn`.
    pub fn start(conn: Connection) -> std::io::Result<Checkpointer> {
        let (start, starts) = bounded::<()>(1);
        let (dones, done) = bounded(1);
        std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            while starts.recv().is_ok() {
                checkpoint(&conn, "PASSIVE");
                if dones.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Checkpointer { start, done, written: 0, running: false })
    }

    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
    }

    /// Called by the writer when no transaction is open.
    pub fn between_batches(&mut self, conn: &Connection) {
        if self.running && self.done.try_recv().is_ok() {
            self.running = false;
            checkpoint(conn, "PASSIVE");
        }
        if !self.running && self.written >= EVERY_BYTES && self.start.try_send(()).is_ok() {
            self.written = 0;
            self.running = true;
        }
    }
}

fn checkpoint(conn: &Connection, mode: &str) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    if let Err(error) = conn.query_row(&sql, [], |_| Ok(())) {
        tracing::warn!(%error, "could not checkpoint; the log grows until the next try");
    }
}
