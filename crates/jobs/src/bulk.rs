//! Sends again what went to an endpoint and fits a filter, whether it succeeded or failed, from the oldest or from the
//! newest.

use crate::{Slice, advanced, at_once};
use postrider_accept::Accept;
use postrider_store::StoreError;
use postrider_store::id::MessageId;
use postrider_store::message::{Deliver, DeliveryState, Message};
use postrider_store::query::{AttemptFilter, AttemptsOf, MessageFilter, Page};
use postrider_store::task::{Only, OnlyState, Task, Work};

/// Messages that one slice looks at.
const SLICE: usize = 250;

/// The next slice. Only messages from before the job count, so that it ends.
pub async fn slice(accept: &Accept, task: &Task) -> Result<Slice, StoreError> {
    let store = accept.store();
    let (first, end) = task.input.messages();
    let end = end.min(task.id.0);
    let mut task = task.clone();
    if task.progress.total.is_none() {
        task.progress.total = Some(store.messages_between(task.app, (first, end)).await?);
    }
    let only = &task.input.only;
    let filter = MessageFilter {
        channel: only.channel.clone(),
        tag: only.tag.clone(),
        event_types: only.event_types.clone(),
        ..MessageFilter::default()
    };
    let limit = at_once(&task, SLICE);
    let ascending = !task.input.newest_first;
    let page = Page { limit, after: Some(task.cursor), ascending, content: false };
    let found = store.messages(task.app, Some(task.input.endpoint), filter, page).await?;
    let is_within = |id: i64| id >= first && id < end;
    let is_past = |id: i64| if ascending { id >= end } else { id < first };
    let last_seen = found.rows.last().map(|message| message.id.0).or(found.looked_to);
    let done = (found.rows.len() < limit && found.looked_to.is_none()) || last_seen.is_some_and(is_past);
    let within: Vec<&Message> = found.rows.iter().filter(|message| is_within(message.id.0)).collect();
    let messages = wanted(accept, &task, &within).await?;
    let cursor = found.looked_to.or(last_seen).unwrap_or(task.cursor);
    Ok(advanced(&task, within.len(), cursor, Work::Send(messages), done))
}

/// Those that stand as the job wants them, and can be sent.
async fn wanted(accept: &Accept, task: &Task, messages: &[&Message]) -> Result<Vec<MessageId>, StoreError> {
    let endpoint = task.input.endpoint;
    let deliveries = messages.iter().map(|message| (message.id, endpoint)).collect();
    let states = accept.store().states(deliveries).await?;
    let mut wanted = Vec::new();
    for (message, state) in messages.iter().zip(&states) {
        // What still waits is sent anyway.
        let stands = match (&task.input.only.state, state) {
            (_, DeliveryState::Pending { .. }) | (Some(OnlyState::Pending), _) => false,
            (Some(OnlyState::Success), state) => *state == DeliveryState::Success,
            (Some(OnlyState::Fail), state) => *state == DeliveryState::Fail,
            (None, _) => true,
        };
        if stands && message.deliver != Deliver::Cancelled && has_class(accept, task, message, &task.input.only).await?
        {
            wanted.push(message.id);
        }
    }
    Ok(wanted)
}

async fn has_class(accept: &Accept, task: &Task, message: &Message, only: &Only) -> Result<bool, StoreError> {
    let Some(class) = only.status_class else { return Ok(true) };
    let filter = AttemptFilter { endpoint: Some(task.input.endpoint), ..AttemptFilter::default() };
    let newest = Page { limit: 1, after: None, ascending: false, content: false };
    let last = accept.store().attempts(AttemptsOf::Message(message.id), filter, newest).await?.rows.pop();
    Ok(last.is_some_and(|attempt| attempt.outcome.status / 100 == class / 100))
}
