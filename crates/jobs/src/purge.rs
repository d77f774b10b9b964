//! Removes the payloads of an application's messages, for good.

use crate::{Slice, advanced};
use postrider_store::query::{MessageFilter, Page};
use postrider_store::task::{Task, Work};
use postrider_store::{Store, StoreError};

/// Messages that one slice empties.
const SLICE: usize = 200;

/// The next slice. Only messages from before the job count, so that it ends.
pub async fn slice(store: &Store, task: &Task) -> Result<Slice, StoreError> {
    let end = task.id.0;
    let mut task = task.clone();
    if task.progress.total.is_none() {
        task.progress.total = Some(store.messages_between(task.app, (task.cursor + 1, end)).await?);
    }
    let page = Page { limit: SLICE, after: Some(task.cursor), ascending: true, content: false };
    let found = store.messages(task.app, None, MessageFilter::default(), page).await?;
    let (is_cut, found) = (found.looked_to.is_some(), found.rows);
    let done = (found.len() < SLICE && !is_cut) || found.last().is_some_and(|message| message.id.0 >= end);
    let ids: Vec<_> = found.iter().map(|message| message.id).filter(|id| id.0 < end).collect();
    let cursor = ids.last().map_or(task.cursor, |id| id.0);
    Ok(advanced(&task, ids.len(), cursor, Work::Purge(ids), done))
}
