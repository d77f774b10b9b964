//! Sends again what failed: each message of the time whose last attempt at the endpoint was a failure and
//! that waits for no other.

use crate::{Slice, advanced, at_once};
use postrider_store::task::{Task, Work};
use postrider_store::{Store, StoreError};

/// Failures that one slice looks at.
const SLICE: usize = 500;

/// The next slice. Only failures from before the job count, so that it ends.
pub async fn slice(store: &Store, task: &Task) -> Result<Slice, StoreError> {
    let between = (task.cursor, task.id.0);
    let mut task = task.clone();
    if task.progress.total.is_none() {
        task.progress.total = Some(store.failures(task.input.endpoint, between).await?);
    }
    let limit = at_once(&task, SLICE);
    let failed = store.failed(task.input.clone(), between, limit).await?;
    let last = failed.looked_at < limit;
    Ok(advanced(&task, failed.looked_at, failed.cursor, Work::Send(failed.messages), last))
}
