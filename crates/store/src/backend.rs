//! What a database driver does for the writer.

use crate::batch::{Batch, Outcome};
use crate::config::Change;

/// A driver's end of the writer thread. Everything that needs no SQL is decided in [`crate::writer`].
pub trait Backend: Send + 'static {
    /// Commits all of the batch, or nothing of it. `watermark`: from where recovery is to read
    /// messages, when that is worth writing down.
    fn commit(&mut self, batch: &Batch, watermark: Option<i64>) -> Result<Committed, CommitError>;

    /// Called between two commits, and every second when there are none.
    fn rest(&mut self);
}

/// A batch that is on disk.
pub struct Committed {
    /// One for each item, in their order.
    pub outcomes: Vec<Outcome>,
    /// Changes that the directory and delivery are to be told of.
    pub changes: Vec<Change>,
}

/// Why nothing of a batch was committed.
#[derive(Debug)]
pub enum CommitError {
    /// No room; there may be some later.
    Full,
    /// The disk can't be trusted any more; the process must end.
    Broken(String),
    /// Something in it is not accepted; alone, the others would be.
    Rejected(String),
}
