//! Operational webhooks: what the provider itself is told of its applications' endpoints and messages.
//!
//! The provider's endpoints for them belong to an application of each environment that only this finds. Telling
//! is accepting a message for it; the rest is as for every other message.

use crate::application::TRIES;
use crate::route::{Route, Routed};
use crate::{Accept, ApplicationDraft, Caller, Refusal};
use bytes::Bytes;
use postrider_store::config::{ApplicationSettings, Endpoint, EnvId};
use postrider_store::message::{Deliver, NewMessage};
use postrider_store::task::{Task, TaskStatus};
use postrider_store::{AppEntry, AppendError};
use serde_json::{Value, json};

/// The application's uid: no other can have it, because of its colon.
pub const OPERATIONAL: &str = "postrider:operational";

/// What the provider can be told of.
pub const OPERATIONAL_EVENTS: [&str; 10] = [
    "background_task.finished",
    "endpoint.created",
    "endpoint.deleted",
    "endpoint.disabled",
    "endpoint.enabled",
    "endpoint.updated",
    "message.attempt.exhausted",
    "message.attempt.failing",
    "message.attempt.recovered",
    "message.reply",
];

/// Whether it is the hidden one.
pub fn is_operational(app: &AppEntry) -> bool {
    app.app.uid.as_deref() == Some(OPERATIONAL)
}

impl Accept {
    /// The caller as one who finds the hidden application, which is made if it isn't there yet.
    pub async fn operations(&self, caller: Caller) -> Result<Caller, Refusal> {
        let caller = caller.for_operations();
        // Endpoints of the provider's own are no customer's: they get the format that is everybody's.
        let contract = if self.rules.default_contract == "svix" { "svix" } else { "standard" };
        let settings = ApplicationSettings {
            name: "Operational webhooks".to_owned(),
            contract: Some(contract.to_owned()),
            ..ApplicationSettings::default()
        };
        self.ensure_application(caller, OPERATIONAL, ApplicationDraft { uid: None, settings }).await?;
        Ok(caller)
    }

    /// Whether anybody hears what is told of this application.
    pub fn is_listened_to(&self, about: &AppEntry) -> bool {
        !is_operational(about) && self.has_listeners(about.app.env)
    }

    fn has_listeners(&self, env: EnvId) -> bool {
        self.operational(env).is_some_and(|entry| !entry.endpoints.is_empty())
    }

    /// Tells the provider, if any of its endpoints wants to know. `data` gets the application's ids.
    pub async fn tell(&self, about: &AppEntry, event: &str, data: Value) -> Result<(), AppendError> {
        self.tell_once(about, event, data, None).await
    }

    /// As [`Accept::tell`]; what was told under this id is not told again.
    pub async fn tell_once(
        &self,
        about: &AppEntry,
        event: &str,
        mut data: Value,
        id: Option<String>,
    ) -> Result<(), AppendError> {
        if !self.is_listened_to(about) {
            return Ok(());
        }
        data["appId"] = json!(self.store.ids().text(about.app.id));
        if let Some(uid) = &about.app.uid {
            data["appUid"] = json!(uid);
        }
        self.tell_all(about.app.env, event, data, id).await
    }

    async fn tell_all(&self, env: EnvId, event: &str, data: Value, id: Option<String>) -> Result<(), AppendError> {
        let payload = Bytes::from(json!({"type": event, "data": data}).to_string());
        for _ in 0..TRIES {
            let Some(entry) = self.operational(env) else { return Ok(()) };
            let routed = Routed { event_type: event, channels: &[], payload: &payload };
            let Route { endpoints, chain, ordered, polled } = match self.route(&entry, &routed).await {
                Ok(route) => route,
                Err(Refusal::Unavailable(error)) => return Err(AppendError::Store(error)),
                Err(refusal) => {
                    tracing::error!(event, %refusal, "operational webhook not sent");
                    return Ok(());
                }
            };
            if endpoints.is_empty() && polled.is_empty() {
                return Ok(());
            }
            let message = NewMessage {
                app: entry.app.id,
                event_type: event.to_owned(),
                event_id: id.clone(),
                channels: vec![],
                tags: vec![],
                payload: payload.clone(),
                endpoints,
                chain,
                ordered,
                polled,
                object: None,
                deliver: Deliver::AtOnce,
                class: self.rules.retention.class(None),
                routing: entry.routing,
                created_ms: self.clock.wall_ms(),
                due_ms: self.clock.steady_ms(),
                idempotency: None,
                credential: None,
            };
            match self.store.append(message).await {
                Ok(_) | Err(AppendError::EventIdTaken) => return Ok(()),
                Err(AppendError::StaleRouting) => continue,
                Err(error) => return Err(error),
            }
        }
        Err(AppendError::StaleRouting)
    }

    /// As [`Accept::tell`], of a change to an endpoint that is committed already: what it was asked for is done,
    /// whatever becomes of this.
    pub(crate) async fn tell_of_endpoint(&self, app: &AppEntry, endpoint: &Endpoint, event: &str) {
        let mut data = json!({"endpointId": self.store.ids().text(endpoint.id)});
        if let Some(uid) = &endpoint.uid {
            data["endpointUid"] = json!(uid);
        }
        if let Err(error) = self.tell(app, event, data).await {
            tracing::warn!(%error, event, "could not tell the provider");
        }
    }

    /// Tells the provider of a job that came to its end.
    pub async fn tell_of_task(&self, task: &Task) {
        let app = self.store.directory().app(task.app);
        let hears = app.as_ref().map_or_else(|| self.has_listeners(task.env), |app| self.is_listened_to(app));
        if !hears {
            return;
        }
        let ids = self.store.ids();
        // Clients of Svix know no cancelled jobs; why it failed is shown with the job.
        let status = if task.status == TaskStatus::Finished { "finished" } else { "failed" };
        let mut data = json!({"taskId": ids.text(task.id), "task": task.kind.name(), "status": status});
        if task.kind.sends() {
            data["endpointId"] = json!(ids.text(task.input.endpoint));
        }
        let event = "background_task.finished";
        let told = match app {
            Some(app) => self.tell(&app, event, data).await,
            None => self.tell_all(task.env, event, data, None).await,
        };
        if let Err(error) = told {
            tracing::warn!(%error, event, "could not tell the provider");
        }
    }

    fn operational(&self, env: EnvId) -> Option<std::sync::Arc<AppEntry>> {
        self.store.directory().app_by_uid(env, OPERATIONAL)
    }
}
