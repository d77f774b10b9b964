//! Sends again what failed: each message of the time whose last attempt at the endpoint was a failure and
//! that waits for no other.

use crate::{Slice, advanced};
use postrider_store::task::Task;
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
    let failed = store.failed(task.input.clone(), between, SLICE).await?;
    let last = failed.looked_at < SLICE;
    Ok(advanced(&task, failed.looked_at, failed.cursor, failed.messages, last))
}
