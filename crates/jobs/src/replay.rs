//! Sends what was never sent: each message of the time that did not go to the endpoint (it was disabled, not
//! there yet, or wanted something else) and that it would get today.

use crate::{Slice, advanced, at_once, stopped};
use postrider_accept::{Accept, Refusal, Routed};
use postrider_store::StoreError;
use postrider_store::config::Endpoint;
use postrider_store::message::{Deliver, Message};
use postrider_store::query::{MessageFilter, Page};
use postrider_store::task::{Task, Work};
use std::sync::Arc;

/// Messages that one slice looks at.
const SLICE: usize = 500;
/// The same where payloads have to be looked into, and so are in memory.
const SLICE_WITH_PAYLOADS: usize = 20;

/// The next slice. Only messages from before the job count, so that it ends.
pub async fn slice(accept: &Accept, task: &Task, endpoint: &Arc<Endpoint>) -> Result<Slice, StoreError> {
    let store = accept.store();
    let end = task.input.messages().1.min(task.id.0);
    let mut task = task.clone();
    if task.progress.total.is_none() {
        task.progress.total = Some(store.messages_between(task.app, (task.cursor + 1, end)).await?);
    }
    let content = endpoint.settings.payload_filter.is_some();
    let limit = at_once(&task, if content { SLICE_WITH_PAYLOADS } else { SLICE });
    let page = Page { limit, after: Some(task.cursor), ascending: true, content };
    let found = store.messages(task.app, None, MessageFilter::default(), page).await?;
    let (is_cut, found) = (found.looked_to.is_some(), found.rows);
    let last = (found.len() < limit && !is_cut) || found.last().is_some_and(|message| message.id.0 >= end);
    let looked_at: Vec<&Message> = found.iter().filter(|message| message.id.0 < end).collect();
    let mut messages = Vec::new();
    for message in &looked_at {
        match is_missing(accept, endpoint, message).await {
            Ok(true) => messages.push(message.id),
            Ok(false) => {}
            Err(Refusal::Unavailable(error)) => return Err(error),
            Err(refusal) => return Ok(stopped(&task, &refusal.to_string())),
        }
    }
    let cursor = looked_at.last().map_or(task.cursor, |message| message.id.0);
    Ok(advanced(&task, looked_at.len(), cursor, Work::Send(messages), last))
}

/// One that was cancelled, or whose time has not come, is not sent by anybody.
async fn is_missing(accept: &Accept, endpoint: &Arc<Endpoint>, message: &Message) -> Result<bool, Refusal> {
    let now_ms = accept.clock().wall_ms();
    if message.deliver == Deliver::Cancelled || message.deliver.due_ms(now_ms) > now_ms {
        return Ok(false);
    }
    let routed = Routed { event_type: &message.event_type, channels: &message.channels, payload: &message.payload };
    // In a chain, those before it decided that it does not get the message.
    let is_known = message.endpoints.contains(&endpoint.id) || message.chain.contains(&endpoint.id);
    let Some(entry) = accept.store().directory().app(message.app).filter(|_| !is_known) else { return Ok(false) };
    accept.wants(&entry, endpoint, &routed).await
}
