//! `/api/v1/app/{app_id}/msg`: what is sent.

use crate::Api;
use crate::auth::{Auth, LookIn, Manage, SenderAuth};
use crate::body::Raw;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::input::WarningOut;
use crate::page::{Asked, ListResponse, Written};
use crate::params::{MessageParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::text::{Channel, EventTypeName, Tag, Uid};
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use postrider_accept::{Accepted, ApplicationDraft, Caller, DeliverTo, Idempotency, MessageDraft};
use postrider_store::Ids;
use postrider_store::id::MessageId;
use postrider_store::message::{Deliver, Message};
use postrider_store::query::Page;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::application::ApplicationIn;
use super::reply::{self, ReplyOut};

/// In the place of a payload that was removed, as Svix shows it.
const EXPUNGED: &str = r#"{"expired":true}"#;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get)).routes(routes!(cancel))
}

/// A message as it is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageIn<'a> {
    #[schema(value_type = EventTypeName)]
    pub event_type: String,
    /// Any JSON; delivered byte for byte where the contract passes it through.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    pub payload: &'a RawValue,
    /// The provider's own id, unique in the application.
    #[serde(default)]
    #[schema(value_type = Option<Uid>)]
    pub event_id: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<Channel>>, max_items = 5)]
    pub channels: Option<Vec<String>>,
    /// Labels, for looking it up.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Tag>>, max_items = 8)]
    pub tags: Option<Vec<String>>,
    /// Days to keep the payload, rounded up to a class of the server.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub payload_retention_period: Option<u16>,
    /// The same in hours.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub payload_retention_hours: Option<u32>,
    /// When to deliver it, at most a year ahead; `null`, or a time that has passed: at once. The endpoints are
    /// those that want it now.
    #[serde(default)]
    #[schema(format = "date-time")]
    pub deliver_at: Option<String>,
    /// Where it goes, whatever endpoints filter by.
    #[serde(default)]
    pub deliver_to: Option<DeliverToIn>,
    /// Which version of its event type's schema the payload is to fit; `null`: the latest.
    #[serde(default)]
    pub schema_version: Option<String>,
    /// Not offered: there are no transformations.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub transformations_params: Option<IgnoredAny>,
    /// Made first when the path names no application yet.
    #[serde(default)]
    pub application: Option<ApplicationIn>,
}

/// Where a message goes: to one endpoint, or to an address of its own.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliverToIn {
    /// An address of its own, in the application's contract; later messages about the same object go there too,
    /// where the contract says what they are about.
    #[serde(default)]
    #[schema(format = "uri")]
    pub url: Option<String>,
    /// The secret of that address.
    #[serde(default)]
    pub secret: Option<String>,
    /// Instead: an endpoint of the application, by id or uid.
    #[serde(default)]
    pub endpoint_id: Option<String>,
}

impl TryFrom<DeliverToIn> for DeliverTo {
    type Error = ApiError;

    fn try_from(given: DeliverToIn) -> Result<DeliverTo, ApiError> {
        match (given.url, given.secret, given.endpoint_id) {
            (Some(url), secret, None) => Ok(DeliverTo::Address { url, secret }),
            (None, None, Some(endpoint)) => Ok(DeliverTo::Endpoint(endpoint)),
            _ => Err(ApiError::field("deliverTo", "give a url, with its secret if it has one, or an endpointId")),
        }
    }
}

/// A message as it was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageOut {
    pub id: String,
    pub event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// `{"expired": true}` when it was expunged, `{}` without `with_content`.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    #[schema(format = "date-time")]
    pub timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time")]
    pub deliver_at: Option<String>,
    /// The endpoints that it goes to one after the other, as far as those before let it pass on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<Vec<String>>,
    /// What was accepted and looks like a mistake; see the page about errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningOut>,
    /// With `wait`: what the endpoints answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<AwaitedOut>,
}

/// What came back while the sender waited.
#[derive(Debug, Serialize, ToSchema)]
pub struct AwaitedOut {
    /// Whether every endpoint has taken the message or will get it no more. If not, delivery goes on as usual,
    /// and what comes later is at `…/msg/{msg_id}/reply`.
    pub done: bool,
    pub data: Vec<ReplyOut>,
}

pub fn shown(ids: &Ids, message: &Message, with_content: bool) -> MessageOut {
    MessageOut {
        id: ids.text(message.id),
        event_type: message.event_type.clone(),
        event_id: message.event_id.clone(),
        channels: some_names(&message.channels),
        tags: some_names(&message.tags),
        payload: raw_payload(&message.payload, with_content),
        timestamp: timestamp::text(message.created_ms),
        deliver_at: match message.deliver {
            Deliver::At(at_ms) => Some(timestamp::text(at_ms)),
            Deliver::AtOnce | Deliver::Cancelled => None,
        },
        chain: (!message.chain.is_empty()).then(|| message.chain.iter().map(|id| ids.text(*id)).collect()),
        warnings: vec![],
        reply: None,
    }
}

/// As [`shown`], for a payload that may be large.
pub async fn shown_whole(api: &Api, caller: Caller, message: Message) -> Result<MessageOut, ApiError> {
    let bytes = message.payload.len();
    let show = {
        let api = api.clone();
        move || shown(api.accept.store().ids(), &message, true)
    };
    Ok(api.accept.compute().run_if_heavy(bytes, caller.into(), show).await?)
}

fn some_names(names: &[String]) -> Option<Vec<String>> {
    (!names.is_empty()).then(|| names.to_vec())
}

/// The stored bytes were JSON when they were accepted; without content, an empty object.
fn raw_payload(payload: &Bytes, with_content: bool) -> Box<RawValue> {
    if with_content && payload.is_empty() {
        return RawValue::from_string(EXPUNGED.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned());
    }
    let stored = with_content.then(|| String::from_utf8(payload.to_vec()).ok()).flatten();
    let text = stored.unwrap_or_else(|| "{}".to_owned());
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// List Messages
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg", tag = "Message", operation_id = "v1.message.list",
    params(("app_id" = String, Path), PageParams, MessageParams),
    responses((status = 200, body = ListResponse<MessageOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path(app): Path<String>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let entry = api.accept.application(auth.0, &app)?;
    let asked = Asked::from_query(&query, false)?;
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let store = api.accept.store();
    let page = Page { content: with_content, ..asked.page::<MessageId>(store.ids())? };
    let _room = api.memory.room_for_page(auth.0).await?;
    let found = store.messages(entry.app.id, None, query.message_filter()?, page).await?;
    let bytes = found.rows.iter().map(|message| message.payload.len()).sum();
    let respond = {
        let api = api.clone();
        move || {
            let ids = api.accept.store().ids();
            let id = |message: &Message| ids.text(message.id);
            asked.respond_found::<MessageId, _, _>(ids, found, id, |message| shown(ids, &message, with_content))
        }
    };
    Ok(Json(api.accept.compute().run_if_heavy(bytes, auth.0.into(), respond).await?))
}

/// Create Message
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg", tag = "Message", operation_id = "v1.message.create",
    params(("app_id" = String, Path), ("with_content" = Option<bool>, Query),
        ("wait" = Option<u64>, Query, minimum = 1, maximum = 30, description = "Seconds to wait for the endpoints' answers, 1 to 30; they are in `reply`."),
        ("idempotency-key" = Option<String>, Header)),
    request_body = MessageIn, responses((status = 202, body = MessageOut), Errors))]
async fn create(
    State(api): State<Api>,
    auth: SenderAuth,
    Path(app): Path<String>,
    query: Query,
    idempotency: IdempotencyHeader,
    body: Raw,
) -> Result<(StatusCode, Json<MessageOut>), ApiError> {
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let wait = seconds_to_wait(&query)?;
    let (size, input) = (body.bytes.len(), body.input.clone());
    let read = move || read(auth.0, &idempotency, &body);
    let (idempotency, draft, application) = api.accept.compute().run_if_heavy(size, auth.0.into(), read).await??;
    if let Some(application) = application {
        api.accept.ensure_application(auth.0, &app, application).await?;
    }
    input.warn(api.accept.schema_warnings(auth.0, &draft).await?);
    let mut answer = api.accept.accept(auth.0, &app, &draft, idempotency).await?;
    input.warn(answer.take_warnings());
    let show = {
        let api = api.clone();
        move || accepted(api.accept.store().ids(), answer, draft, with_content)
    };
    let mut shown = api.accept.compute().run_if_heavy(size, auth.0.into(), show).await?;
    if let Some(wait) = wait {
        shown.reply = Some(awaited(&api, auth.0, (&app, &shown.id), wait).await?);
    }
    Ok((StatusCode::ACCEPTED, Json(shown)))
}

/// A message as it was given, with what its idempotency key stands for and the application to make for it.
type Given = (Option<Idempotency>, MessageDraft, Option<ApplicationDraft>);

fn read(caller: Caller, key: &IdempotencyHeader, body: &Raw) -> Result<Given, ApiError> {
    let idempotency = key.with(caller, &body.bytes)?;
    let mut given: MessageIn<'_> = body.read()?;
    let application = given.application.take();
    let draft = draft(&body.bytes, given)?;
    Ok((idempotency, draft, application.map(TryInto::try_into).transpose()?))
}

/// What was given in `body`, checked as far as it is the API's own.
pub fn draft(body: &Bytes, given: MessageIn<'_>) -> Result<MessageDraft, ApiError> {
    not_offered(&given)?;
    let deliver_at = given.deliver_at.as_deref().map(timestamp::parse).transpose();
    let by_hours = given.payload_retention_hours.map(|hours| u16::try_from(hours.div_ceil(24)).unwrap_or(u16::MAX));
    Ok(MessageDraft {
        event_type: given.event_type,
        event_id: given.event_id,
        channels: given.channels.unwrap_or_default(),
        tags: given.tags.unwrap_or_default(),
        payload: body.slice_ref(given.payload.get().as_bytes()),
        retention_days: given.payload_retention_period.or(by_hours),
        deliver_at_ms: deliver_at.map_err(|msg| ApiError::field("deliverAt", msg))?,
        deliver_to: given.deliver_to.map(DeliverTo::try_from).transpose()?,
        schema_version: given.schema_version,
    })
}

fn seconds_to_wait(query: &Query) -> Result<Option<Duration>, ApiError> {
    match query.number::<u64>("wait")? {
        Some(seconds) if !(1..=30).contains(&seconds) => {
            Err(ApiError::query("wait", format!("is a number of seconds from 1 to 30, not {seconds}")))
        }
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// Waits for the endpoints. The message is accepted, whatever comes of this.
async fn awaited(
    api: &Api,
    caller: Caller,
    (app, message): (&str, &str),
    wait: Duration,
) -> Result<AwaitedOut, ApiError> {
    let found = api.accept.message(caller, app, message).await?;
    let done = api.accept.settled(&found, wait).await?;
    let replies = api.accept.replies(caller, app, message).await?;
    let ids = api.accept.store().ids();
    Ok(AwaitedOut { done, data: replies.iter().map(|reply| reply::shown(ids, reply)).collect() })
}

/// Refuses what would change how a message is delivered, and is not there: better than to deliver it otherwise.
fn not_offered(given: &MessageIn<'_>) -> Result<(), ApiError> {
    match given.transformations_params {
        None => Ok(()),
        Some(_) => Err(ApiError::field("transformationsParams", "is not offered here; leave it out")),
    }
}

/// The answer to a message that was given as `draft`.
pub fn accepted(ids: &Ids, accepted: Accepted, draft: MessageDraft, with_content: bool) -> MessageOut {
    match accepted {
        Accepted::Repeat { message, .. } => shown(ids, &message, with_content),
        Accepted::New { id, created_ms, .. } => MessageOut {
            id: ids.text(id),
            event_type: draft.event_type,
            event_id: draft.event_id,
            channels: some_names(&draft.channels),
            tags: some_names(&draft.tags),
            payload: raw_payload(&draft.payload, with_content),
            timestamp: timestamp::text(created_ms),
            deliver_at: draft.deliver_at_ms.map(timestamp::text),
            chain: None,
            warnings: vec![],
            reply: None,
        },
    }
}

/// Get Message
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}", tag = "Message", operation_id = "v1.message.get",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("with_content" = Option<bool>, Query)),
    responses((status = 200, body = MessageOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, message)): Path<(String, String)>,
    query: Query,
) -> Result<Json<MessageOut>, ApiError> {
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let _room = api.memory.room_for_page(auth.0).await?;
    let message = api.accept.message(auth.0, &app, &message).await?;
    match with_content {
        true => Ok(Json(shown_whole(&api, auth.0, message).await?)),
        false => Ok(Json(shown(api.accept.store().ids(), &message, false))),
    }
}

/// Cancel Message
///
/// What still waits of it, for its time or for another try, is not sent, and ends visibly. What was delivered
/// stays delivered.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/{msg_id}/cancel", tag = "Message",
    operation_id = "v1.message.cancel", params(("app_id" = String, Path), ("msg_id" = String, Path)),
    responses((status = 204), Errors))]
async fn cancel(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, message)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.cancel(auth.0, &app, &message).await?;
    Ok(StatusCode::NO_CONTENT)
}
