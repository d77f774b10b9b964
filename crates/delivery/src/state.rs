//! What responses set for the messages after them: read before a request is made, written with the attempt.

use crate::render::{Renderer, not_loaded};
use postrider_contract::{Contract, Kept, KeptFor, MessageView, Setting};
use postrider_store::config::Endpoint;
use postrider_store::message::{self, Message};
use postrider_store::{AppEntry, Store, StoreError};
use thiserror::Error;

/// A message as a contract sees it; `id` is its text.
pub fn view<'a>(id: &'a str, message: &'a Message) -> MessageView<'a> {
    MessageView {
        id,
        event_type: &message.event_type,
        event_id: message.event_id.as_deref(),
        payload: &message.payload,
        created_ms: message.created_ms,
    }
}

/// Why there is no telling what earlier responses set.
#[derive(Debug, Error)]
pub enum KeptError {
    #[error("{0}")]
    Contract(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Renderer {
    /// What earlier responses set for whoever a message is about.
    pub async fn kept(&self, app: &AppEntry, endpoint: &Endpoint, message: &Message) -> Result<Vec<Kept>, KeptError> {
        let not_loaded = || KeptError::Contract(not_loaded(&endpoint.settings.contract));
        let contract = self.contract(endpoint).ok_or_else(not_loaded)?;
        if !contract.has_state() {
            return Ok(vec![]);
        }
        let subject = subject(self.store(), contract, message).map_err(KeptError::Contract)?;
        let Some(subject) = subject else { return Ok(vec![]) };
        let variables = self.store().variables(app.app.id, Some(endpoint.id), subject).await?;
        let kept = variables.into_iter().map(|variable| Kept {
            name: variable.name,
            value: variable.value.into(),
            since_ms: variable.created_ms,
        });
        Ok(kept.collect())
    }
}

fn subject(store: &Store, contract: &Contract, message: &Message) -> Result<Option<String>, String> {
    let id = store.ids().text(message.id);
    contract.subject(&view(&id, message)).map_err(|error| error.to_string())
}

/// What a response sets, as the store keeps it; nothing where nobody knows for whom.
pub fn settings(
    store: &Store,
    contract: &Contract,
    (app, endpoint): (&AppEntry, &Endpoint),
    message: &Message,
    set: (Vec<Setting>, i64),
) -> Vec<message::Setting> {
    let (settings, set_ms) = set;
    let Ok(Some(subject)) = subject(store, contract, message) else { return vec![] };
    let stored = settings.into_iter().map(|setting| message::Setting {
        app: app.app.id,
        endpoint: (setting.kept_for == KeptFor::Endpoint).then_some(endpoint.id),
        subject: subject.clone(),
        name: setting.name,
        value: setting.value.map(|json| String::from_utf8_lossy(&json).into_owned()),
        set_ms,
    });
    stored.collect()
}
