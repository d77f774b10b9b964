//! Many messages in one request: each is checked and answered by itself, and all are committed together.

use crate::application::TRIES;
use crate::{Accept, Accepted, Caller, FieldProblem, Idempotency, MessageDraft, Refusal};
use postrider_store::config::Change;
use postrider_store::{AppendError, RememberedAnswer};

/// Messages of one batch.
pub const MOST_IN_BATCH: usize = 1_000;

impl Accept {
    /// Accepts messages for an application; what became of each, in their order. `idempotency` is for the whole: the
    /// same batch again is answered with the same messages. Errors that concern all of them come alone.
    pub async fn accept_many(
        &self,
        caller: Caller,
        app: &str,
        drafts: &[MessageDraft],
        idempotency: Option<Idempotency>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, Refusal> {
        if drafts.is_empty() || drafts.len() > MOST_IN_BATCH {
            let msg = format!("has {} messages; a batch has 1 to {MOST_IN_BATCH}", drafts.len());
            return Err(FieldProblem::value("messages", msg).into());
        }
        if let Some(key) = idempotency {
            // Of another batch with this key nothing is accepted, not even what the first one was refused.
            let app = self.application(caller, app)?.app.id;
            self.store.change(app, Change::ClaimKey, Some((key.0, RememberedAnswer::empty()))).await?;
        }
        let mut results: Vec<Option<Result<Accepted, Refusal>>> = Vec::new();
        for draft in drafts {
            results.push(self.checked(caller, draft).await.err().map(Err));
        }
        for _ in 0..TRIES {
            let entry = self.sending_application(caller, app).await?;
            let (mut places, mut messages) = (Vec::new(), Vec::new());
            for (n, draft) in drafts.iter().enumerate() {
                if results[n].is_some() {
                    continue;
                }
                let key = idempotency.map(|key| key.of_item(n));
                match self.to_store(caller, &entry, draft, None, key).await {
                    Ok(message) => match self.doubts(caller, &entry, &message) {
                        Ok(warnings) => {
                            places.push((n, (message.created_ms, warnings)));
                            messages.push(message);
                        }
                        Err(refusal) => results[n] = Some(Err(refusal)),
                    },
                    Err(refusal) => results[n] = Some(Err(refusal)),
                }
            }
            let appended = self.store.append_many(messages).await;
            for ((n, noted), appended) in places.into_iter().zip(appended) {
                // These are routed again, without the others.
                if !matches!(appended, Err(AppendError::StaleRouting)) {
                    results[n] = Some(self.accepted(&entry, &drafts[n], appended, noted).await);
                }
            }
            if results.iter().all(Option::is_some) {
                break;
            }
        }
        let overtaken = || Err(AppendError::StaleRouting.into());
        Ok(results.into_iter().map(|result| result.unwrap_or_else(overtaken)).collect())
    }
}
