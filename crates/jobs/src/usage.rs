//! What applications send, and what they subscribed to: counts and lists that a provider bills or plans by.

use crate::{Slice, advanced};
use postrider_accept::{Accept, is_operational};
use postrider_store::task::{Task, Work};
use postrider_store::{AppEntry, StoreError};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Applications that one slice looks at.
const SLICE: usize = 50;
/// Applications that one result lists.
const MOST: usize = 10_000;

/// The next applications of a job, and whether they are the last. Its cursor is the id of the last one.
fn applications(accept: &Accept, task: &Task) -> (Vec<Arc<AppEntry>>, bool) {
    let wanted: BTreeSet<i64> = task.input.apps.iter().copied().collect();
    let all = accept.store().directory().apps(task.env);
    let mut next = all
        .into_iter()
        .filter(|entry| !is_operational(entry) && entry.app.id.0 > task.cursor)
        .filter(|entry| wanted.is_empty() || wanted.contains(&entry.app.id.0));
    let slice: Vec<Arc<AppEntry>> = next.by_ref().take(SLICE).collect();
    let listed = usize::try_from(task.progress.looked_at).unwrap_or(0) + slice.len();
    (slice, next.next().is_none() || listed >= MOST)
}

fn found(task: &Task, slice: &[Arc<AppEntry>], (key, rows): (&str, Vec<Value>), done: bool) -> Slice {
    let mut task = task.clone();
    task.progress.total.get_or_insert(0);
    let result = task.progress.result.get_or_insert_with(|| json!({ key: [] }));
    if let Some(list) = result[key].as_array_mut() {
        list.extend(rows);
    }
    let cursor = slice.last().map_or(task.cursor, |entry| entry.app.id.0);
    advanced(&task, slice.len(), cursor, Work::Nothing, done)
}

/// How many messages went to how many endpoints, by application.
pub async fn counted(accept: &Accept, task: &Task) -> Result<Slice, StoreError> {
    let (slice, done) = applications(accept, task);
    let mut rows = Vec::new();
    for entry in &slice {
        let count = accept.store().destinations(entry.app.id, task.input.messages()).await?;
        rows.push(json!({
            "appId": accept.store().ids().text(entry.app.id),
            "appUid": entry.app.uid,
            "messageDestinations": count,
        }));
    }
    Ok(found(task, &slice, ("appStats", rows), done))
}

/// Which event types the endpoints of each application name, and whether one takes all.
pub fn subscriptions(accept: &Accept, task: &Task) -> Slice {
    let (slice, done) = applications(accept, task);
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
    found(task, &slice, ("event_types", rows), done)
}
