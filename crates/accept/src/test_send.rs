//! Trying an endpoint out: with a payload that is given, or with the last message of a type.

use crate::message::disabled;
use crate::{Accept, Accepted, Caller, FieldProblem, Idempotency, MessageDraft, Refusal};
use bytes::Bytes;
use postrider_store::id::MessageId;
use postrider_store::query::{MessageFilter, Page};

/// What a caller gives of a test.
#[derive(Clone, Debug, Default)]
pub struct TestDraft {
    /// `None`: of those that the endpoint gets.
    pub event_type: Option<String>,
    /// Sent as a message of its own; `None`: the last message of the type is sent again. Valid JSON, as it came.
    pub payload: Option<Bytes>,
}

impl Accept {
    /// Sends a test to one endpoint, whatever it filters by; the message that was sent.
    pub async fn test_endpoint(
        &self,
        caller: Caller,
        (app, endpoint): (&str, &str),
        draft: TestDraft,
        idempotency: Option<Idempotency>,
    ) -> Result<MessageId, Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, endpoint)?;
        if endpoint.settings.disabled {
            return Err(disabled());
        }
        let Some(payload) = draft.payload else {
            let wanted = draft.event_type.map_or_else(|| endpoint.settings.event_types.clone(), |name| vec![name]);
            // Patterns are not names of messages: with one of them, the last message of any type will do.
            let names = if wanted.iter().any(|name| name.contains('*')) { vec![] } else { wanted };
            let filter = MessageFilter { event_types: names, ..MessageFilter::default() };
            let page = Page { limit: 1, after: None, ascending: false, content: false };
            let last = self.store.messages(entry.app.id, None, filter, page).await?.rows.pop();
            let last = last.ok_or_else(none_yet)?;
            let (message, endpoint) = (self.store.ids().text(last.id), self.store.ids().text(endpoint.id));
            self.resend(caller, app, &message, &endpoint, idempotency).await?;
            return Ok(last.id);
        };
        if caller.app.is_some() {
            let detail = "a token can't choose the payload of a test: the provider decides what is sent".into();
            return Err(Refusal::Forbidden { code: "not_allowed", detail });
        }
        let event_type =
            draft.event_type.ok_or_else(|| FieldProblem::value("eventType", "is needed with a payload"))?;
        let message = MessageDraft { event_type, payload, ..MessageDraft::default() };
        match self.accept_for(caller, app, &message, Some(endpoint.id), idempotency).await? {
            Accepted::New { id, .. } => Ok(id),
            Accepted::Repeat(message) => Ok(message.id),
        }
    }
}

fn none_yet() -> Refusal {
    let detail = "there is no message of that type yet; give an eventType and a payload".into();
    Refusal::Conflict { code: "no_message", detail }
}
