//! Attempts, and where deliveries stand: `…/attempt/…`, `…/msg/{msg_id}/endpoint`, resend.

use super::{endpoint, message};
use crate::Api;
use crate::auth::Auth;
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::page::{Asked, ListResponse};
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use postrider_accept::Refusal;
use postrider_store::Ids;
use postrider_store::id::{AttemptId, MessageId};
use postrider_store::message::{Attempt, DeliveryState};
use postrider_store::query::{AttemptFilter, AttemptsOf};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(by_message))
        .routes(routes!(by_endpoint))
        .routes(routes!(get))
        .routes(routes!(destinations))
        .routes(routes!(endpoint_messages))
        .routes(routes!(resend))
}

const SUCCESS: (u8, &str) = (0, "success");
const PENDING: (u8, &str) = (1, "pending");
const FAIL: (u8, &str) = (2, "fail");

/// Why an attempt failed: a stable code, and words for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptErrorOut {
    /// `dns`, `refused_address`, `connect`, `tls`, `timeout`, `reset`, `protocol`, `status`, `template`, `query`
    /// or `cancelled`.
    pub code: String,
    pub message: String,
}

/// One try of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageAttemptOut {
    pub id: String,
    pub msg_id: String,
    pub endpoint_id: String,
    pub url: String,
    /// The response's body up to its cap, or why there was none.
    pub response: String,
    /// 0 when there was no response.
    pub response_status_code: u16,
    pub response_duration_ms: i64,
    /// 0 success, 1 pending, 2 fail, 3 sending.
    pub status: u8,
    pub status_text: &'static str,
    /// 0 scheduled, 1 by hand.
    pub trigger_type: u8,
    pub timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptErrorOut>,
}

/// An endpoint with how a message stands there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageEndpointOut {
    #[serde(flatten)]
    pub endpoint: endpoint::EndpointOut,
    pub status: u8,
    pub status_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
}

/// A message with how it stands at an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMessageOut {
    #[serde(flatten)]
    pub message: message::MessageOut,
    pub status: u8,
    pub status_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
}

fn shown(ids: &Ids, attempt: Attempt, with_content: bool) -> MessageAttemptOut {
    let (status, status_text) = if attempt.outcome.success { SUCCESS } else { FAIL };
    let response = if with_content { String::from_utf8_lossy(&attempt.response).into_owned() } else { String::new() };
    MessageAttemptOut {
        id: ids.text(attempt.id),
        msg_id: ids.text(attempt.message),
        endpoint_id: ids.text(attempt.endpoint),
        url: attempt.url,
        response,
        response_status_code: attempt.outcome.status,
        response_duration_ms: attempt.duration_ms,
        status,
        status_text,
        trigger_type: u8::from(attempt.manual),
        timestamp: timestamp::text(attempt.started_ms),
        error: attempt.outcome.error.map(|(code, message)| AttemptErrorOut { code, message }),
    }
}

/// The status and the next attempt of a delivery.
fn state_shown(state: &DeliveryState) -> ((u8, &'static str), Option<String>) {
    match state {
        DeliveryState::Success => (SUCCESS, None),
        DeliveryState::Fail => (FAIL, None),
        DeliveryState::Pending { next_ms } => (PENDING, next_ms.map(timestamp::text)),
    }
}

fn attempt_filter(query: &Query) -> Result<AttemptFilter, ApiError> {
    let success = match query.number::<u8>("status")? {
        None => None,
        Some(0) => Some(true),
        Some(2) => Some(false),
        // Attempts are final; those that are to come are no attempts yet.
        Some(1 | 3) => return Ok(AttemptFilter { status_class: Some(600), ..AttemptFilter::default() }),
        Some(other) => return Err(ApiError::query("status", format!("{other} is no status; use 0, 1, 2 or 3"))),
    };
    let status_class = query.number::<u16>("status_code_class")?;
    if status_class.is_some_and(|class| class % 100 != 0 || class > 500) {
        return Err(ApiError::query("status_code_class", "use 0, 100, 200, 300, 400 or 500"));
    }
    Ok(AttemptFilter { success, status_class, endpoint: None, messages: query.message_filter()? })
}

async fn page_of(
    api: &Api,
    of: AttemptsOf,
    filter: AttemptFilter,
    query: &Query,
) -> Result<Json<ListResponse<MessageAttemptOut>>, ApiError> {
    let asked = Asked::from_query(query, false)?;
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let store = api.accept.store();
    let attempts = store.attempts(of, filter, asked.page::<AttemptId>(store.ids())?).await?;
    let attempts = attempts.into_iter().map(|attempt| shown(store.ids(), attempt, with_content)).collect();
    Ok(Json(asked.respond(attempts, |attempt: &MessageAttemptOut| attempt.id.clone())))
}

/// List Attempts By Msg
#[utoipa::path(get, path = "/api/v1/app/{app_id}/attempt/msg/{msg_id}", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-by-msg",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("limit" = Option<u64>, Query),
        ("iterator" = Option<String>, Query), ("status" = Option<u8>, Query),
        ("status_code_class" = Option<u16>, Query), ("channel" = Option<String>, Query),
        ("endpoint_id" = Option<String>, Query), ("before" = Option<String>, Query),
        ("after" = Option<String>, Query), ("with_content" = Option<bool>, Query),
        ("event_types" = Option<Vec<String>>, Query)),
    responses((status = 200, body = ListResponse<MessageAttemptOut>), Errors))]
async fn by_message(
    State(api): State<Api>,
    auth: Auth,
    Path((app, message)): Path<(String, String)>,
    query: Query,
) -> Result<Json<ListResponse<MessageAttemptOut>>, ApiError> {
    let message = api.accept.message(auth.0, &app, &message).await?;
    let mut filter = attempt_filter(&query)?;
    if let Some(endpoint) = query.text("endpoint_id") {
        filter.endpoint = Some(api.accept.endpoint(auth.0, &app, endpoint)?.1.id);
    }
    page_of(&api, AttemptsOf::Message(message.id), filter, &query).await
}

/// List Attempts By Endpoint
#[utoipa::path(get, path = "/api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-by-endpoint",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("limit" = Option<u64>, Query),
        ("iterator" = Option<String>, Query), ("status" = Option<u8>, Query),
        ("status_code_class" = Option<u16>, Query), ("channel" = Option<String>, Query),
        ("before" = Option<String>, Query), ("after" = Option<String>, Query),
        ("with_content" = Option<bool>, Query), ("event_types" = Option<Vec<String>>, Query)),
    responses((status = 200, body = ListResponse<MessageAttemptOut>), Errors))]
async fn by_endpoint(
    State(api): State<Api>,
    auth: Auth,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<ListResponse<MessageAttemptOut>>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    page_of(&api, AttemptsOf::Endpoint(endpoint.id), attempt_filter(&query)?, &query).await
}

/// Get Attempt
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", tag = "Message Attempt",
    operation_id = "v1.message-attempt.get",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("attempt_id" = String, Path)),
    responses((status = 200, body = MessageAttemptOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth,
    Path((app, message, attempt)): Path<(String, String, String)>,
) -> Result<Json<MessageAttemptOut>, ApiError> {
    let message = api.accept.message(auth.0, &app, &message).await?;
    let store = api.accept.store();
    let id = store.ids().parse(&attempt).ok_or(Refusal::NotFound("attempt"))?;
    let attempt = store.attempt(message.id, id).await?.ok_or(Refusal::NotFound("attempt"))?;
    Ok(Json(shown(store.ids(), attempt, true)))
}

/// List Attempted Destinations
///
/// Every endpoint that the message goes to, and how it stands there.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}/endpoint", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-attempted-destinations",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("limit" = Option<u64>, Query),
        ("iterator" = Option<String>, Query)),
    responses((status = 200, body = ListResponse<MessageEndpointOut>), Errors))]
async fn destinations(
    State(api): State<Api>,
    auth: Auth,
    Path((app, message)): Path<(String, String)>,
    query: Query,
) -> Result<Json<ListResponse<MessageEndpointOut>>, ApiError> {
    let asked = Asked::from_query(&query, true)?;
    let message = api.accept.message(auth.0, &app, &message).await?;
    let store = api.accept.store();
    let states = store.states(message.id, message.endpoints.clone()).await?;
    let rows = message.endpoints.iter().zip(&states).filter_map(|(id, state)| {
        let (_, endpoint) = store.directory().endpoint(*id)?;
        let ((status, status_text), next_attempt) = state_shown(state);
        Some(MessageEndpointOut {
            endpoint: endpoint::shown(store.ids(), &endpoint),
            status,
            status_text,
            next_attempt,
        })
    });
    Ok(Json(asked.slice(rows.collect(), |row: &MessageEndpointOut| row.endpoint.id.clone())))
}

/// List Attempted Messages
///
/// The messages that go to an endpoint, and how they stand there.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/msg", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-attempted-messages",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("limit" = Option<u64>, Query),
        ("iterator" = Option<String>, Query), ("channel" = Option<String>, Query), ("before" = Option<String>, Query),
        ("after" = Option<String>, Query), ("with_content" = Option<bool>, Query),
        ("event_types" = Option<Vec<String>>, Query)),
    responses((status = 200, body = ListResponse<EndpointMessageOut>), Errors))]
async fn endpoint_messages(
    State(api): State<Api>,
    auth: Auth,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<ListResponse<EndpointMessageOut>>, ApiError> {
    let (entry, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    let asked = Asked::from_query(&query, false)?;
    let with_content = query.flag("with_content")?.unwrap_or(true);
    let store = api.accept.store();
    let page = asked.page::<MessageId>(store.ids())?;
    let messages = store.endpoint_messages(entry.app.id, endpoint.id, query.message_filter()?, page).await?;
    let mut rows = Vec::with_capacity(messages.len());
    for row in messages {
        let states = store.states(row.id, vec![endpoint.id]).await?;
        let ((status, status_text), next_attempt) = states.first().map_or((PENDING, None), state_shown);
        let message = message::shown(store.ids(), &row, with_content);
        rows.push(EndpointMessageOut { message, status, status_text, next_attempt });
    }
    Ok(Json(asked.respond(rows, |row: &EndpointMessageOut| row.message.id.clone())))
}

/// Resend Webhook
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
    tag = "Message Attempt", operation_id = "v1.message-attempt.resend",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("endpoint_id" = String, Path),
        ("idempotency-key" = Option<String>, Header)),
    responses((status = 202), Errors))]
async fn resend(
    State(api): State<Api>,
    auth: Auth,
    Path((app, message, endpoint)): Path<(String, String, String)>,
    key: IdempotencyHeader,
) -> Result<(StatusCode, Json<serde_json::Value>), ApiError> {
    api.accept.resend(auth.0, &app, &message, &endpoint, key.with(auth.0, b"")?).await?;
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({}))))
}
