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
        let none = || Refusal::none("attempt", attempt);
        let id = self.store.ids().parse::<AttemptId>(attempt).ok_or_else(none)?;
        let found = self.store.attempt(message.id, id).await?;
        if found.is_none() {
            return Err(none());
        }
        self.store.change(message.app, Change::ExpungeAttempt { message: message.id, attempt: id }, None).await?;
        Ok(())
    }
}
