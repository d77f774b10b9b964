//! `/api/v1/app/{app_id}/msg`: what is sent.

use crate::Api;
use crate::auth::{Auth, SenderAuth};
use crate::body::{Raw, parse};
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::page::{Asked, ListResponse};
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bytes::Bytes;
use postrider_accept::{Accepted, Caller, MessageDraft, Refusal};
use postrider_store::Ids;
use postrider_store::id::MessageId;
use postrider_store::message::Message;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::application::ApplicationIn;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get))
}

/// A message as it is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageIn<'a> {
    pub event_type: String,
    /// Any JSON; delivered byte for byte where the contract passes it through.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    pub payload: &'a RawValue,
    /// The provider's own id, unique in the application.
    #[serde(default)]
    pub event_id: Option<String>,
    #[serde(default)]
    pub channels: Option<Vec<String>>,
    /// Days to keep the payload, rounded up to a class of the server.
    #[serde(default)]
    pub payload_retention_period: Option<u16>,
    /// Made first when the path names no application yet.
    #[serde(default)]
    pub application: Option<ApplicationIn>,
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
    /// `{}` without `with_content`.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    pub timestamp: String,
}

pub fn shown(ids: &Ids, message: &Message, with_content: bool) -> MessageOut {
    MessageOut {
        id: ids.text(message.id),
        event_type: message.event_type.clone(),
        event_id: message.event_id.clone(),
        channels: (!message.channels.is_empty()).then(|| message.channels.clone()),
        payload: raw_payload(&message.payload, with_content),
        timestamp: timestamp::text(message.created_ms),
    }
}

/// The stored bytes were JSON when they were accepted; without content, an empty object.
fn raw_payload(payload: &Bytes, with_content: bool) -> Box<RawValue> {
    let stored = with_content.then(|| String::from_utf8(payload.to_vec()).ok()).flatten();
    let text = stored.unwrap_or_else(|| "{}".to_owned());
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// List Messages
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg", tag = "Message", operation_id = "v1.message.list",
    params(("app_id" = String, Path), ("limit" = Option<u64>, Query), ("iterator" = Option<String>, Query),
        ("channel" = Option<String>, Query), ("before" = Option<String>, Query), ("after" = Option<String>, Query),
        ("with_content" = Option<bool>, Query), ("event_types" = Option<Vec<String>>, Query)),
    responses((status = 200, body = ListResponse<MessageOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth,
    Path(app): Path<String>,
    query: Query,
) -> Result<Json<ListResponse<MessageOut>>, ApiError> {
    let entry = api.accept.application(auth.0, &app)?;
    let asked = Asked::from_query(&query, false)?;
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let store = api.accept.store();
    let page = asked.page::<MessageId>(store.ids())?;
    let messages = store.messages(entry.app.id, query.message_filter()?, page).await?;
    let messages = messages.iter().map(|message| shown(store.ids(), message, with_content)).collect();
    Ok(Json(asked.respond(messages, |message: &MessageOut| message.id.clone())))
}

/// Create Message
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg", tag = "Message", operation_id = "v1.message.create",
    params(("app_id" = String, Path), ("with_content" = Option<bool>, Query),
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
    let idempotency = idempotency.with(auth.0, &body.bytes)?;
    let given: MessageIn<'_> = parse(&body.bytes)?;
    let draft = MessageDraft {
        event_type: given.event_type,
        event_id: given.event_id,
        channels: given.channels.unwrap_or_default(),
        payload: body.bytes.slice_ref(given.payload.get().as_bytes()),
        retention_days: given.payload_retention_period,
    };
    if let Some(application) = given.application {
        ensure_application(&api, auth.0, &app, application).await?;
    }
    let accepted = api.accept.accept(auth.0, &app, &draft, idempotency).await?;
    let ids = api.accept.store().ids();
    let answer = match accepted {
        Accepted::Repeat(message) => shown(ids, &message, with_content),
        Accepted::New { id, created_ms } => MessageOut {
            id: ids.text(id),
            event_type: draft.event_type,
            event_id: draft.event_id,
            channels: (!draft.channels.is_empty()).then_some(draft.channels),
            payload: raw_payload(&draft.payload, with_content),
            timestamp: timestamp::text(created_ms),
        },
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Makes the application that comes with a message, unless it is there.
async fn ensure_application(api: &Api, caller: Caller, app: &str, given: ApplicationIn) -> Result<(), ApiError> {
    if api.accept.application(caller, app).is_ok() {
        return Ok(());
    }
    let mut draft: postrider_accept::ApplicationDraft = given.into();
    draft.uid = Some(app.to_owned());
    match api.accept.create_application(caller, draft, None, &|_| (201, Bytes::new())).await {
        // Someone else was faster: it is there now.
        Ok(_) | Err(Refusal::Conflict { code: "conflict", .. }) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

/// Get Message
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}", tag = "Message", operation_id = "v1.message.get",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("with_content" = Option<bool>, Query)),
    responses((status = 200, body = MessageOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth,
    Path((app, message)): Path<(String, String)>,
    query: Query,
) -> Result<Json<MessageOut>, ApiError> {
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let message = api.accept.message(auth.0, &app, &message).await?;
    Ok(Json(shown(api.accept.store().ids(), &message, with_content)))
}
