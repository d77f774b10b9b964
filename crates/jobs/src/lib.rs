//! Durable jobs: recover what failed, replay what was missed or fits a filter, remove payloads, count what was sent.
//!
//! A job is a row ([`postrider_store::task`]). It goes on in slices, each one commit: the deliveries that
//! were found, in the schedule, and the place up to which was looked. Killed at any instant, it goes on
//! from its last slice at the next start, or on another node; what it has scheduled is delivered and retried
//! like everything else.
//!
//! [`Operations`] tells the provider's own endpoints of what happens, and of what responses asked for.
//!
//! It never sends anything itself, and holds nothing in memory but the slice it is at.

mod bulk;
mod operations;
mod purge;
mod recover;
mod replay;
mod replies;
mod runner;
mod usage;

pub use operations::Operations;
pub use runner::Jobs;

use postrider_accept::Accept;
use postrider_store::StoreError;
use postrider_store::config::Endpoint;
use postrider_store::task::{Task, TaskKind, TaskStatus, Work};
use std::sync::Arc;

/// What a slice found.
struct Slice {
    /// The job as it is after this slice.
    row: Task,
    work: Work,
}

/// Looks at the next slice of a job. Changes nothing.
async fn slice(accept: &Accept, task: &Task) -> Result<Slice, StoreError> {
    match task.kind {
        TaskKind::Purge => purge::slice(accept.store(), task).await,
        TaskKind::Usage => usage::counted(accept, task).await,
        TaskKind::Subscriptions => Ok(usage::subscriptions(accept, task)),
        TaskKind::Recover | TaskKind::Replay | TaskKind::BulkReplay => {
            match accept.store().directory().endpoint(task.input.endpoint) {
                None => Ok(stopped(task, "the endpoint was deleted")),
                Some((_, endpoint)) if endpoint.settings.disabled => Ok(stopped(task, "the endpoint was disabled")),
                Some((_, endpoint)) => look(accept, task, &endpoint).await,
            }
        }
    }
}

async fn look(accept: &Accept, task: &Task, endpoint: &Arc<Endpoint>) -> Result<Slice, StoreError> {
    let mut slice = match task.kind {
        TaskKind::Recover => recover::slice(accept.store(), task).await,
        TaskKind::BulkReplay => bulk::slice(accept, task).await,
        _ => replay::slice(accept, task, endpoint).await,
    }?;
    // Of one whose payload was removed there is nothing to send.
    if let Work::Send(messages) = &mut slice.work {
        let found = messages.len();
        *messages = accept.store().with_payload(std::mem::take(messages)).await?;
        slice.row.progress.done -= (found - messages.len()) as i64;
    }
    Ok(slice)
}

fn stopped(task: &Task, reason: &str) -> Slice {
    let mut row = task.clone();
    row.status = TaskStatus::Failed;
    row.progress.reason = Some(reason.to_owned());
    Slice { row, work: Work::Nothing }
}

/// How many messages a slice looks at: no more than the job may send in a second.
fn at_once(task: &Task, most: usize) -> usize {
    task.input.per_second.map_or(most, |rate| most.min(rate as usize)).max(1)
}

/// The job after it looked at so many more, up to `cursor`; `last`: there are no more.
fn advanced(task: &Task, looked_at: usize, cursor: i64, work: Work, last: bool) -> Slice {
    let mut row = task.clone();
    row.cursor = if task.input.newest_first { row.cursor.min(cursor) } else { row.cursor.max(cursor) };
    row.progress.done += work.messages().len() as i64;
    row.progress.looked_at += looked_at as i64;
    if last {
        row.status = TaskStatus::Finished;
        row.progress.total = Some(row.progress.looked_at);
    }
    Slice { row, work }
}
