//! Messages: checked, routed, committed, and only then answered.

use crate::address::{DeliverTo, Target};
use crate::application::TRIES;
use crate::check::{self, Problems};
use crate::payload;
use crate::route::{Route, Routed};
use crate::{Accept, Caller, FieldProblem, HEAVY_BYTES, Idempotency, Refusal, Warning, WarningCode};
use bytes::Bytes;
use postrider_store::config::Change;
use postrider_store::id::{EndpointId, MessageId};
use postrider_store::message::{Appended, Deliver, Message, NewMessage};
use postrider_store::{AppEntry, AppendError, RememberedAnswer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// How far ahead a message may be scheduled: a year.
const LATEST_MS: i64 = 366 * 86_400_000;

/// What acceptance measures of itself.
#[derive(Clone, Debug)]
pub struct AcceptMetrics {
    accepted: Counter,
}

impl AcceptMetrics {
    pub fn register(registry: &mut Registry) -> AcceptMetrics {
        let metrics = AcceptMetrics { accepted: Counter::default() };
        registry.register("accepted", "Messages that were committed", metrics.accepted.clone());
        metrics
    }
}

/// What a caller gives of a message.
#[derive(Clone, Debug, Default)]
pub struct MessageDraft {
    pub event_type: String,
    pub event_id: Option<String>,
    pub channels: Vec<String>,
    /// Labels for whoever looks for it.
    pub tags: Vec<String>,
    /// Valid JSON, as it came.
    pub payload: Bytes,
    /// Days to keep it; `None`: as its environment or the operator says.
    pub retention_days: Option<u16>,
    /// Not before then, epoch ms; `None`, or a time that has passed: at once.
    pub deliver_at_ms: Option<i64>,
    /// `None`: to the endpoints that want it, or where messages about the same object went before.
    pub deliver_to: Option<DeliverTo>,
    /// Which of its type's schemas the payload is to fit; `None`: the latest.
    pub schema_version: Option<String>,
}

/// A message that is on disk.
#[derive(Clone, Debug)]
pub enum Accepted {
    New {
        id: MessageId,
        created_ms: i64,
        warnings: Vec<Warning>,
    },
    /// The same request was answered with this message before.
    Repeat {
        message: Box<Message>,
        /// What would be said of it now.
        warnings: Vec<Warning>,
    },
}

impl Accepted {
    /// What of the message looks like a mistake.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        match self {
            Accepted::New { warnings, .. } | Accepted::Repeat { warnings, .. } => std::mem::take(warnings),
        }
    }
}

impl Accept {
    /// Accepts a message for an application. When this returns, it is on disk with the endpoints it
    /// goes to.
    pub async fn accept(
        &self,
        caller: Caller,
        app: &str,
        draft: &MessageDraft,
        idempotency: Option<Idempotency>,
    ) -> Result<Accepted, Refusal> {
        self.accept_for(caller, app, draft, None, idempotency).await
    }

    /// As [`Accept::accept`], for one endpoint alone, whatever it filters by, if one is given.
    pub(crate) async fn accept_for(
        &self,
        caller: Caller,
        app: &str,
        draft: &MessageDraft,
        only: Option<EndpointId>,
        idempotency: Option<Idempotency>,
    ) -> Result<Accepted, Refusal> {
        self.checked(caller, draft).await?;
        for _ in 0..TRIES {
            let entry = self.sending_application(caller, app).await?;
            let message = self.to_store(caller, &entry, draft, only, idempotency).await?;
            // Who names the endpoint knows where it goes.
            let warnings = if only.is_some() { vec![] } else { self.doubts(caller, &entry, &message)? };
            let created_ms = message.created_ms;
            match self.store.append(message).await {
                // An endpoint came, went or changed while the message was on its way: route again.
                Err(AppendError::StaleRouting) => continue,
                appended => return self.accepted(&entry, draft, appended, (created_ms, warnings)).await,
            }
        }
        Err(AppendError::StaleRouting.into())
    }

    /// The application that a message is for.
    pub(crate) async fn sending_application(&self, caller: Caller, app: &str) -> Result<Arc<AppEntry>, Refusal> {
        match self.application(caller, app) {
            // Another node may have made it a moment ago.
            Err(Refusal::NotFound(_)) => {
                self.store.fresh().await?;
                self.application(caller, app)
            }
            found => found,
        }
    }

    /// A checked message, routed as the application is now.
    pub(crate) async fn to_store(
        &self,
        caller: Caller,
        entry: &AppEntry,
        draft: &MessageDraft,
        only: Option<EndpointId>,
        idempotency: Option<Idempotency>,
    ) -> Result<NewMessage, Refusal> {
        let target = match only {
            Some(_) => Target { only, object: None },
            None => self.target(caller, entry, draft).await?,
        };
        let mut message = self.routed(entry, draft, target).await?;
        message.created_ms = self.clock.wall_ms();
        message.due_ms = message.deliver.due_ms(self.clock.wall_ms()) - self.clock.ahead_ms();
        message.idempotency = idempotency.map(|idempotency| idempotency.0);
        message.credential = Some(caller.key);
        Ok(message)
    }

    /// What its caller is told.
    pub(crate) async fn accepted(
        &self,
        entry: &AppEntry,
        draft: &MessageDraft,
        appended: Result<Appended, AppendError>,
        (created_ms, warnings): (i64, Vec<Warning>),
    ) -> Result<Accepted, Refusal> {
        match appended.map_err(|error| refused(error, draft))? {
            Appended::New(id) => {
                self.metrics.accepted.inc();
                Ok(Accepted::New { id, created_ms, warnings })
            }
            Appended::Repeat(id) => {
                let earlier = self.store.message(entry.app.id, id).await?;
                let message = Box::new(earlier.ok_or_else(|| Refusal::none("message", ""))?);
                Ok(Accepted::Repeat { message, warnings })
            }
        }
    }

    /// What of a message looks like a mistake: nobody wants it, or nobody knows its type. Refused where the environment
    /// is strict.
    pub(crate) fn doubts(
        &self,
        caller: Caller,
        entry: &AppEntry,
        message: &NewMessage,
    ) -> Result<Vec<Warning>, Refusal> {
        let wanted = !message.endpoints.is_empty() || !message.polled.is_empty();
        let is_strict = self.is_strict(caller);
        // A provider that registers no types at all makes no mistake by it.
        let has_registry = is_strict || self.store.directory().event_type_count(entry.app.env) > 0;
        let unregistered = has_registry.then(|| self.unregistered(entry, &message.event_type)).flatten();
        let no_endpoint = (!wanted).then(|| no_endpoint(entry, &message.event_type));
        let warnings: Vec<Warning> = unregistered.into_iter().chain(no_endpoint).collect();
        if !warnings.is_empty() && is_strict {
            return Err(Refusal::Invalid(warnings.into_iter().map(FieldProblem::from).collect()));
        }
        Ok(warnings)
    }

    /// The message as it is to be stored, but when and for whom.
    async fn routed(&self, entry: &AppEntry, draft: &MessageDraft, target: Target) -> Result<NewMessage, Refusal> {
        let routed = Routed { event_type: &draft.event_type, channels: &draft.channels, payload: &draft.payload };
        let days = draft.retention_days.or_else(|| {
            let environment = self.store.directory().environment(entry.app.env)?;
            environment.settings.retention_days
        });
        let Route { endpoints, chain, ordered, polled } = match target.only {
            Some(endpoint) => Route::only(entry, endpoint),
            None => self.route(entry, &routed).await?,
        };
        Ok(NewMessage {
            app: entry.app.id,
            event_type: draft.event_type.clone(),
            event_id: draft.event_id.clone(),
            channels: draft.channels.clone(),
            tags: draft.tags.clone(),
            payload: draft.payload.clone(),
            endpoints,
            chain,
            ordered,
            polled,
            object: target.object,
            deliver: draft.deliver_at_ms.map_or(Deliver::AtOnce, Deliver::At),
            class: self.rules.retention.class(days),
            routing: entry.routing,
            created_ms: 0,
            due_ms: 0,
            idempotency: None,
            credential: None,
        })
    }

    /// Refuses what no message may be, and what does not fit its schema where that is enforced.
    pub(crate) async fn checked(&self, caller: Caller, draft: &MessageDraft) -> Result<(), Refusal> {
        let now_ms = self.clock.wall_ms();
        if draft.payload.len() < HEAVY_BYTES {
            check_message(draft, now_ms)?;
            return self.enforce_schema(caller, draft);
        }
        let (accept, draft) = (self.clone(), draft.clone());
        let check = move || check_message(&draft, now_ms).and_then(|()| accept.enforce_schema(caller, &draft));
        self.compute.run(caller.into(), check).await?
    }

    /// The message with this id in the caller's application.
    pub async fn message(&self, caller: Caller, app: &str, id: &str) -> Result<Message, Refusal> {
        let entry = self.application(caller, app)?;
        let none = || Refusal::none("message", id);
        let known = self.store.ids().parse(id).ok_or_else(none)?;
        self.store.message(entry.app.id, known).await?.ok_or_else(none)
    }

    /// Sends a message to an endpoint once more, now, once for each idempotency key. Durable when this
    /// returns.
    pub async fn resend(
        &self,
        caller: Caller,
        app: &str,
        message: &str,
        endpoint: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<(), Refusal> {
        let (entry, endpoint) = self.endpoint(caller, app, endpoint)?;
        let message = self.message(caller, app, message).await?;
        if endpoint.settings.disabled {
            return Err(disabled());
        }
        if endpoint.settings.poll {
            return Err(polled());
        }
        if message.deliver == Deliver::Cancelled {
            let detail = "the message was cancelled; send it as a new one".into();
            return Err(Refusal::Conflict { code: "cancelled", detail });
        }
        if message.payload.is_empty() {
            return Err(Refusal::Conflict {
                code: "expunged",
                detail: "the message's payload was removed, so there is nothing to send".into(),
            });
        }
        let due_ms = self.clock.steady_ms();
        let at_once = !endpoint.settings.ordered;
        let change = Change::Resend { message: message.id, endpoint: endpoint.id, due_ms, at_once };
        let remembered = idempotency.map(|key| (key.0, RememberedAnswer::empty()));
        self.store.change(entry.app.id, change, remembered).await?;
        Ok(())
    }

    /// Cancels a message: what still waits of it is not sent, and ends visibly.
    pub async fn cancel(&self, caller: Caller, app: &str, message: &str) -> Result<(), Refusal> {
        let message = self.message(caller, app, message).await?;
        let due_ms = self.clock.steady_ms();
        let change = Change::CancelMessage { message: message.id, endpoints: message.endpoints, due_ms };
        self.store.change(message.app, change, None).await?;
        Ok(())
    }
}

fn no_endpoint(entry: &AppEntry, event_type: &str) -> Warning {
    Warning {
        loc: vec!["body".to_owned(), "eventType".to_owned()],
        code: WarningCode::NoEndpoint,
        msg: match entry.endpoints.is_empty() {
            true => "the application has no endpoint, so the message is sent to nobody".to_owned(),
            false => format!(
                "no endpoint of the application takes the message: each is disabled or filters by other event types \
                 than {event_type:?}, other channels or other payloads"
            ),
        },
        nearest: None,
    }
}

/// Why a message was not stored, with what of it was in the way.
fn refused(error: AppendError, draft: &MessageDraft) -> Refusal {
    match (error, &draft.event_id) {
        (AppendError::EventIdTaken, Some(id)) => Refusal::Conflict {
            code: "event_exists",
            detail: format!(
                "a message with the eventId {id:?} was accepted before; an eventId is unique in its application"
            ),
        },
        (error, _) => error.into(),
    }
}

/// Nothing is sent to an endpoint that is pulled.
pub(crate) fn polled() -> Refusal {
    let detail = "messages are pulled from this endpoint; move its consumers instead (…/seek)".into();
    Refusal::Conflict { code: "polled", detail }
}

/// What is asked for needs an endpoint that gets messages.
pub(crate) fn disabled() -> Refusal {
    Refusal::Conflict { code: "endpoint_disabled", detail: "the endpoint is disabled; enable it first".into() }
}

pub(crate) fn check_message(draft: &MessageDraft, now_ms: i64) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    problems.check("eventType", check::event_type(&draft.event_type));
    if let Some(event_id) = &draft.event_id {
        problems.check("eventId", check::name(event_id, 256, ""));
    }
    if draft.retention_days == Some(0) {
        problems.add("payloadRetentionPeriod", "must be at least 1 day");
    }
    if draft.deliver_at_ms.is_some_and(|at_ms| at_ms - now_ms > LATEST_MS) {
        problems.add("deliverAt", "is more than a year away");
    }
    check_channels(&mut problems, &draft.channels);
    problems.check("tags", check::list(&draft.tags, 8));
    for (n, tag) in draft.tags.iter().enumerate() {
        problems.check(&format!("tags.{n}"), check::name(tag, 128, ":"));
    }
    problems.check("payload", payload::check(&draft.payload));
    problems.done()
}

/// Those of a message.
pub(crate) fn check_channels(problems: &mut Problems, channels: &[String]) {
    problems.check("channels", check::list(channels, 5));
    for (n, channel) in channels.iter().enumerate() {
        problems.check(&format!("channels.{n}"), check::name(channel, 128, ""));
    }
}
