//! Tells the provider's own endpoints what happens to deliveries and jobs.

use crate::replies;
use postrider_accept::Accept;
use postrider_delivery::{Happening, What};
use postrider_store::AppEntry;
use postrider_store::id::{EndpointId, MessageId};
use postrider_store::message::Attempt;
use postrider_store::query::{AttemptFilter, AttemptsOf, Page};
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often to look for replies that nobody was told of when they came: a crash was in between, or the
/// database was away.
const LOOK: Duration = Duration::from_secs(5);

/// The running task; it ends when nothing can happen any more.
#[derive(Debug)]
pub struct Operations(JoinHandle<()>);

impl Operations {
    pub fn start(accept: Accept, mut happenings: mpsc::Receiver<Happening>) -> Operations {
        Operations(tokio::spawn(async move {
            let mut looking = tokio::time::interval(LOOK);
            looking.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let happening = tokio::select! {
                    happening = happenings.recv() => match happening {
                        Some(happening) => happening,
                        None => break,
                    },
                    _ = looking.tick() => {
                        replies::tell(&accept).await;
                        continue;
                    }
                };
                if let What::Replied(_) = happening.what {
                    replies::tell(&accept).await;
                    continue;
                }
                if let Err(reason) = tell(&accept, happening).await {
                    tracing::warn!(reason, ?happening, "could not tell the provider");
                }
            }
        }))
    }

    /// Returns when everything that happened is told.
    pub async fn drain(self) {
        if self.0.await.is_err() {
            tracing::error!("the operational webhooks ended with a panic");
        }
    }
}

async fn tell(accept: &Accept, happening: Happening) -> Result<(), String> {
    let Some((app, endpoint)) = accept.store().directory().endpoint(happening.endpoint) else { return Ok(()) };
    if !accept.is_listened_to(&app) {
        return Ok(());
    }
    let ids = accept.store().ids();
    let mut data = json!({"endpointId": ids.text(endpoint.id)});
    let event = match happening.what {
        What::Disabled { since_ms } => {
            data["endpointUid"] = json!(endpoint.uid);
            data["failSince"] = json!(time(since_ms));
            "endpoint.disabled"
        }
        What::Replied(_) => return Ok(()),
        What::Failing(message) => {
            told(accept, &app, endpoint.id, message, &mut data, "message.attempt.failing").await?
        }
        What::Exhausted(message) => {
            told(accept, &app, endpoint.id, message, &mut data, "message.attempt.exhausted").await?
        }
        What::Recovered(message) => {
            told(accept, &app, endpoint.id, message, &mut data, "message.attempt.recovered").await?
        }
    };
    accept.tell(&app, event, data).await.map_err(|error| error.to_string())
}

/// Adds the message and its last attempt.
async fn told(
    accept: &Accept,
    app: &AppEntry,
    endpoint: EndpointId,
    message: MessageId,
    data: &mut Value,
    event: &'static str,
) -> Result<&'static str, String> {
    let store = accept.store();
    let text = |error: postrider_store::StoreError| error.to_string();
    let found = store.message(app.app.id, message).await.map_err(text)?;
    let filter = AttemptFilter { endpoint: Some(endpoint), ..AttemptFilter::default() };
    let page = Page { limit: 1, after: None, ascending: false, content: false };
    let last = store.attempts(AttemptsOf::Message(message), filter, page).await.map_err(text)?.rows.pop();
    data["msgId"] = json!(store.ids().text(message));
    if let Some(event_id) = found.and_then(|found| found.event_id) {
        data["msgEventId"] = json!(event_id);
    }
    data["lastAttempt"] = last.map_or(Value::Null, |last| attempt(accept, &last));
    Ok(event)
}

fn attempt(accept: &Accept, attempt: &Attempt) -> Value {
    json!({
        "id": accept.store().ids().text(attempt.id),
        "responseStatusCode": attempt.outcome.status,
        "timestamp": time(attempt.started_ms),
    })
}

fn time(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
