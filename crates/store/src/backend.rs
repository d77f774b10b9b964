//! What a database driver does for the store.

use crate::Readers;
use crate::batch::{Batch, Outcome};
use crate::config::Change;
use crate::directory::Directory;
use crate::id::{IdSource, Ids};
use crate::lease::Lease;
use std::fs::File;
use std::sync::Arc;
use thiserror::Error;

/// A driver's end of the writer thread. Everything that needs no SQL is decided in [`crate::writer`].
pub trait Backend: Send + 'static {
    /// Commits all of the batch, or nothing of it. `watermark`: from where recovery is to read
    /// messages, when that is worth writing down.
    fn commit(&mut self, batch: &Batch, watermark: Option<i64>) -> Result<Committed, CommitError>;

    /// Called between two commits, and every second when there are none.
    fn rest(&mut self) -> Result<(), CommitError>;

    /// After [`CommitError::Unknown`]: what became of the batch. `None`: nothing, now and later. An
    /// error: still unknown.
    fn resolve(&mut self, _: &Batch) -> Result<Option<Committed>, CommitError> {
        Ok(None)
    }

    /// After [`CommitError::Lost`]: comes back as a new node, and says after which id it starts.
    fn rejoin(&mut self) -> Result<i64, CommitError> {
        Err(CommitError::Lost)
    }

    /// The last call.
    fn close(&mut self) {}
}

/// A batch that is on disk.
pub struct Committed {
    /// One for each item, in their order.
    pub outcomes: Vec<Outcome>,
    /// Changes that the directory and delivery are yet to be told of.
    pub changes: Vec<Change>,
}

/// Why a batch was not committed.
#[derive(Debug, Error)]
pub enum CommitError {
    /// There may be room later.
    #[error("no room")]
    Full,
    /// The process must end.
    #[error("the disk can't be trusted any more: {0}")]
    Broken(String),
    /// Something in the batch is not accepted; alone, the others would be.
    #[error("{0}")]
    Rejected(String),
    /// Again, it may work: another was in the way, or it took too long.
    #[error("it could not be done now")]
    Again,
    /// It may have been committed.
    #[error("the connection broke")]
    Unknown,
    /// Others have taken over from this node, and nothing that it does counts any more.
    #[error("this node was given up")]
    Lost,
}

/// A driver that is ready, with what the store needs beside the writer.
pub struct Opened<B> {
    pub backend: B,
    pub readers: Readers,
    pub directory: Arc<Directory>,
    pub ids: Ids,
    pub source: Arc<IdSource>,
    /// No id is greater.
    pub newest: i64,
    pub recovered: usize,
    pub lease: Arc<Lease>,
    /// Keeps other processes off the data.
    pub lock: Option<File>,
}
