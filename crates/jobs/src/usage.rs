//! What applications send, and what they subscribed to: counts and lists that a provider bills or plans by.

use crate::{Slice, advanced};
use postrider_accept::{Accept, is_operational};
use postrider_store::task::{Task, TaskStatus, Work};
use postrider_store::{AppEntry, StoreError};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Applications that one slice looks at.
const SLICE: usize = 50;
/// Applications that one result lists.
const MOST: usize = 10_000;

/// How a listing goes on after some applications.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    IsDone,
    /// There are more, and the result has all that it may have.
    IsFull,
}

/// The next applications of a job, and what comes then. Its cursor is the id of the last one.
fn applications(accept: &Accept, task: &Task) -> (Vec<Arc<AppEntry>>, Then) {
    let wanted: BTreeSet<i64> = task.input.apps.iter().copied().collect();
    let all = accept.store().directory().apps(task.env);
    let mut next = all
        .into_iter()
        .filter(|entry| !is_operational(entry) && entry.app.id.0 > task.cursor)
        .filter(|entry| wanted.is_empty() || wanted.contains(&entry.app.id.0));
    let slice: Vec<Arc<AppEntry>> = next.by_ref().take(SLICE).collect();
    let listed = usize::try_from(task.progress.looked_at).unwrap_or(0) + slice.len();
    let then = match next.next() {
        None => Then::IsDone,
        Some(_) if listed >= MOST => Then::IsFull,
        Some(_) => Then::GoesOn,
    };
    (slice, then)
}

fn found(task: &Task, slice: &[Arc<AppEntry>], (key, rows): (&str, Vec<Value>), then: Then) -> Slice {
    let mut task = task.clone();
    task.progress.total.get_or_insert(0);
    let result = task.progress.result.get_or_insert_with(|| json!({ key: [] }));
    if let Some(list) = result[key].as_array_mut() {
        list.extend(rows);
    }
    let cursor = slice.last().map_or(task.cursor, |entry| entry.app.id.0);
    let mut slice = advanced(&task, slice.len(), cursor, Work::Nothing, then != Then::GoesOn);
    if then == Then::IsFull {
        slice.row.status = TaskStatus::Failed;
        slice.row.progress.reason = Some(format!("a result lists {MOST} applications, and there are more; name them"));
    }
    slice
}

/// How many messages went to how many endpoints, by application.
pub async fn counted(accept: &Accept, task: &Task) -> Result<Slice, StoreError> {
    let (slice, then) = applications(accept, task);
    let mut rows = Vec::new();
    for entry in &slice {
        let count = accept.store().destinations(entry.app.id, task.input.messages()).await?;
        rows.push(json!({
            "appId": accept.store().ids().text(entry.app.id),
            "appUid": entry.app.uid,
            "messageDestinations": count,
        }));
    }
    Ok(found(task, &slice, ("appStats", rows), then))
}

/// Which event types the endpoints of each application name, and whether one takes all.
pub fn subscriptions(accept: &Accept, task: &Task) -> Slice {
    let (slice, then) = applications(accept, task);
    let row = |entry: &Arc<AppEntry>| {
        let settings =
            entry.endpoints.values().map(|endpoint| &endpoint.settings).filter(|settings| !settings.addressed);
        let named: BTreeSet<&String> = settings.clone().flat_map(|settings| &settings.event_types).collect();
        json!({
            "appId": accept.store().ids().text(entry.app.id),
            "appUid": entry.app.uid,
            "explicitlySubscribedEventTypes": named,
            "hasCatchAllEndpoint": settings.clone().any(|settings| settings.event_types.is_empty()),
        })
    };
    let rows = slice.iter().map(row).collect();
    found(task, &slice, ("event_types", rows), then)
}
