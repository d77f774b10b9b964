//! Endpoints that get their messages in order: what holds the others back, and leaving it out.

use crate::{Accept, Caller, Refusal};
use postrider_store::config::Change;
use postrider_store::id::MessageId;
use postrider_store::message::SKIPPED;
use postrider_store::query::{AttemptFilter, AttemptsOf, MessageFilter, Page};

/// Deliveries that are counted.
const COUNTED: usize = 10_000;

/// How an ordered endpoint stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub ordered: bool,
    /// Deliveries that wait, counted up to 10,000.
    pub waiting: i64,
    /// What all others wait for.
    pub held_by: Option<HeldBy>,
}

/// A message that failed and is tried again before any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    pub message: MessageId,
    /// Its first try, epoch ms.
    pub since_ms: Option<i64>,
    /// Tries so far.
    pub attempts: u32,
    /// Epoch ms.
    pub next_ms: i64,
}

impl Accept {
    /// How the endpoint's line stands.
    pub async fn order(&self, caller: Caller, app: &str, endpoint: &str) -> Result<Order, Refusal> {
        let (_, endpoint) = self.endpoint(caller, app, endpoint)?;
        let ordered = endpoint.settings.ordered;
        let waiting = self.store.waiting_for(endpoint.id, COUNTED).await?;
        let now_ms = self.clock.steady_ms();
        let front = match ordered {
            true => self.store.front(endpoint.id, now_ms).await?,
            false => None,
        };
        let Some(front) = front.filter(|row| row.attempts > 0 && row.attempts != SKIPPED) else {
            return Ok(Order { ordered, waiting, held_by: None });
        };
        let message = front.delivery.message;
        let filter = AttemptFilter {
            endpoint: Some(endpoint.id),
            messages: MessageFilter::default(),
            ..AttemptFilter::default()
        };
        let oldest = Page { limit: 1, after: None, ascending: true, content: false };
        let first = self.store.attempts(AttemptsOf::Message(message), filter, oldest).await?.rows.pop();
        let held_by = HeldBy {
            message,
            since_ms: first.map(|attempt| attempt.started_ms),
            attempts: front.attempts,
            next_ms: front.due_ms + self.clock.ahead_ms(),
        };
        Ok(Order { ordered, waiting, held_by: Some(held_by) })
    }

    /// Leaves a message out that waits for an endpoint: it ends there, visibly, and those behind it go on.
    pub async fn skip(&self, caller: Caller, (app, endpoint): (&str, &str), message: &str) -> Result<(), Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, endpoint)?;
        let message = self.message(caller, app, message).await?;
        let due_ms = self.clock.steady_ms();
        let change = Change::SkipDelivery { message: message.id, endpoint: endpoint.id, due_ms };
        match self.store.change(entry.app.id, change, None).await {
            Err(postrider_store::ChangeError::NotFound) => {
                let detail = "the message does not wait for this endpoint".into();
                Err(Refusal::Conflict { code: "not_waiting", detail })
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(()),
        }
    }
}
