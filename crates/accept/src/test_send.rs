//! Trying an endpoint out: with a payload that is given, or with the last message of a type.

use crate::message::disabled;
use crate::{Accept, Accepted, Caller, FieldProblem, Idempotency, MessageDraft, Refusal};
use bytes::Bytes;
use postrider_store::AppEntry;
use postrider_store::config::Endpoint;
use postrider_store::id::MessageId;
use postrider_store::message::TEST_TAG;
use postrider_store::query::{MessageFilter, Page};

/// What a caller gives of a test.
#[derive(Clone, Debug, Default)]
pub struct TestDraft {
    /// `None`: of those that the endpoint gets.
    pub event_type: Option<String>,
    /// `None`: that of the last message of the type. Valid JSON, as it came.
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
        let (event_type, payload) = match (draft.event_type, draft.payload) {
            (Some(event_type), Some(payload)) if caller.app.is_none() => (event_type, payload),
            (_, Some(_)) if caller.app.is_some() => {
                let detail = "a token can't choose the payload of a test: the provider decides what is sent".into();
                return Err(Refusal::Forbidden { code: "not_allowed", detail });
            }
            (_, Some(_)) => return Err(FieldProblem::value("eventType", "is needed with a payload").into()),
            (event_type, None) => self.last_message(&entry, &endpoint, event_type).await?,
        };
        let tags = vec![TEST_TAG.to_owned()];
        let message = MessageDraft { event_type, payload, tags, ..MessageDraft::default() };
        match self.accept_for(caller, app, &message, Some(endpoint.id), idempotency).await? {
            Accepted::New { id, .. } => Ok(id),
            Accepted::Repeat { message, .. } => Ok(message.id),
        }
    }

    /// Type and payload of the last message of a type; `None`: of those that the endpoint gets.
    async fn last_message(
        &self,
        entry: &AppEntry,
        endpoint: &Endpoint,
        event_type: Option<String>,
    ) -> Result<(String, Bytes), Refusal> {
        let wanted = event_type.map_or_else(|| endpoint.settings.event_types.clone(), |name| vec![name]);
        // Patterns are not names of messages: with one of them, the last message of any type will do.
        let names = if wanted.iter().any(|name| name.contains('*')) { vec![] } else { wanted };
        let filter = MessageFilter { event_types: names, ..MessageFilter::default() };
        let page = Page { limit: 1, after: None, ascending: false, content: true };
        let last = self.store.messages(entry.app.id, None, filter, page).await?.rows.pop();
        let last = last.filter(|last| !last.payload.is_empty()).ok_or_else(none_yet)?;
        Ok((last.event_type, last.payload))
    }
}

fn none_yet() -> Refusal {
    let detail = "there is no message of that type yet; give an eventType and a payload".into();
    Refusal::Conflict { code: "no_message", detail }
}
