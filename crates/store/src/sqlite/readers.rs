//! Connections that read beside the writer, each on a thread of its own.

use super::connection::open_reader;
use crate::error::{OpenError, StoreError};
use crossbeam_channel::{Sender, TrySendError, bounded};
use rusqlite::Connection;
use std::path::Path;
use tokio::sync::oneshot;

const THREADS: usize = 3;
/// Reads that may wait; more are refused with `Busy`.
const WAITING: usize = 1_024;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The pool. Cloning shares it; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Threads(Sender<Job>);

impl Threads {
    pub fn open(path: &Path) -> Result<Threads, OpenError> {
        let (jobs, queue) = bounded::<Job>(WAITING);
        for n in 0..THREADS {
            let conn = open_reader(path)?;
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("reader-{n}"))
                .spawn(move || queue.iter().for_each(|job| job(&conn)))
                .map_err(|error| OpenError::Database(error.to_string()))?;
        }
        Ok(Threads(jobs))
    }

    /// Runs `query` on one of the connections.
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| drop(reply.send(query(conn))));
        self.0.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        match answer.await {
            Ok(result) => result.map_err(|error| StoreError::Database(error.to_string())),
            Err(_) => Err(StoreError::Closed),
        }
    }
}
