//! Removing for good what should never have been sent or answered.

use crate::{Accept, Caller, Refusal};
use postrider_store::config::Change;
use postrider_store::id::AttemptId;

impl Accept {
    /// Removes a message's payload. What still waits to be sent of it ends visibly.
    pub async fn expunge_message(&self, caller: Caller, app: &str, message: &str) -> Result<(), Refusal> {
        let message = self.message(caller, app, message).await?;
        self.store.change(message.app, Change::ExpungeMessage { message: message.id }, None).await?;
        Ok(())
    }

    /// Removes an attempt's response.
    pub async fn expunge_attempt(
        &self,
        caller: Caller,
        app: &str,
        message: &str,
        attempt: &str,
    ) -> Result<(), Refusal> {
        let message = self.message(caller, app, message).await?;
        let none = Refusal::NotFound("attempt");
        let attempt = self.store.ids().parse::<AttemptId>(attempt).ok_or(none)?;
        let found = self.store.attempt(message.id, attempt).await?;
        if found.is_none() {
            return Err(Refusal::NotFound("attempt"));
        }
        self.store.change(message.app, Change::ExpungeAttempt { message: message.id, attempt }, None).await?;
        Ok(())
    }
}
