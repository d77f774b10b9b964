//! What endpoints' responses asked for.

use crate::{Accept, Caller, Refusal};
use postrider_store::config::Change;
use postrider_store::message::{DeliveryState, Message, Reply, Variable};
use std::time::Duration;

/// How often to look whether the endpoints have answered.
const LOOK: Duration = Duration::from_millis(20);

impl Accept {
    /// What responses to a message asked for, the oldest first.
    pub async fn replies(&self, caller: Caller, app: &str, message: &str) -> Result<Vec<Reply>, Refusal> {
        let message = self.message(caller, app, message).await?;
        Ok(self.store.replies(message.id).await?)
    }

    /// What responses set of a subject, of whichever endpoint.
    pub async fn variables(&self, caller: Caller, app: &str, subject: &str) -> Result<Vec<Variable>, Refusal> {
        let entry = self.application(caller, app)?;
        Ok(self.store.variables(entry.app.id, None, subject.to_owned()).await?)
    }

    /// Forgets all that was set of a subject.
    pub async fn forget_variables(&self, caller: Caller, app: &str, subject: &str) -> Result<(), Refusal> {
        let app = self.application(caller, app)?.app.id;
        self.store.change(app, Change::ForgetVariables { app, subject: subject.to_owned() }, None).await?;
        Ok(())
    }

    /// Waits until every endpoint that a message goes to has taken it, or will get it no more. False when that
    /// takes longer; nothing else changes by it.
    pub async fn settled(&self, message: &Message, patience: Duration) -> Result<bool, Refusal> {
        let mut endpoints = message.endpoints.clone();
        let until_ms = self.clock.steady_ms() + i64::try_from(patience.as_millis()).unwrap_or(i64::MAX / 2);
        loop {
            let deliveries = endpoints.iter().map(|endpoint| (message.id, *endpoint)).collect();
            let states = self.store.states(deliveries).await?;
            if !states.iter().any(|state| matches!(state, DeliveryState::Pending { .. })) {
                // A chain may have gone on when the last one ended.
                let known = endpoints.len();
                if !message.chain.is_empty() {
                    endpoints = self.store.message_by_id(message.id).await?.map_or(endpoints, |now| now.endpoints);
                }
                if endpoints.len() == known {
                    return Ok(true);
                }
                continue;
            }
            let now_ms = self.clock.steady_ms();
            if now_ms >= until_ms {
                return Ok(false);
            }
            tokio::time::sleep(LOOK.min(Duration::from_millis((until_ms - now_ms).unsigned_abs()))).await;
        }
    }
}
