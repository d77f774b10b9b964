//! When the log is copied into the database.
//!
//! SQLite would do it inside a commit, and a message would wait for it. Here a thread of its own
//! copies most of it beside the writer; what came in the meantime is little, and the writer copies
//! that between two batches, so that the log starts over. A reader that holds the log back only
//! makes it longer until the next time.

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::Connection;
use std::thread::JoinHandle;

/// Bytes written, about, before a checkpoint is worth it.
pub const EVERY_BYTES: usize = 24 << 20;

/// The writer's side of checkpointing.
#[derive(Debug)]
pub struct Checkpointer {
    /// `None` once it is to end.
    start: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    done: Receiver<()>,
    written: usize,
    running: bool,
}

impl Checkpointer {
    /// Starts the thread that copies with `conn`.
    pub fn start(conn: Connection) -> std::io::Result<Checkpointer> {
        let (start, starts) = bounded::<()>(1);
        let (dones, done) = bounded(1);
        let thread = std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            while starts.recv().is_ok() {
                checkpoint(&conn, "PASSIVE");
                if dones.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Checkpointer { start: Some(start), thread: Some(thread), done, written: 0, running: false })
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
        let start = || self.start.as_ref().is_some_and(|start| start.try_send(()).is_ok());
        if !self.running && self.written >= EVERY_BYTES && start() {
            self.written = 0;
            self.running = true;
        }
    }
}

impl Drop for Checkpointer {
    /// Waits for the thread, so that its connection is closed before anyone opens the file anew.
    fn drop(&mut self) {
        self.start = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the checkpoint thread ended with a panic");
        }
    }
}

fn checkpoint(conn: &Connection, mode: &str) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    if let Err(error) = conn.query_row(&sql, [], |_| Ok(())) {
        tracing::warn!(%error, "could not checkpoint; the log grows until the next try");
    }
}
