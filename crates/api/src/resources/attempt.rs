//! Attempts: `…/attempt/…`, and resend.

use super::message::{self, MessageOut};
use super::status::Status;
use crate::Api;
use crate::auth::{Auth, LookIn, Resend};
use crate::error::{ApiError, Errors};
use crate::idempotency::IdempotencyHeader;
use crate::page::{Asked, ListResponse, Written};
use crate::params::{MessageParams, PageParams, StatusClassParams, StatusParams, numbers};
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_accept::{Caller, Refusal};
use postrider_store::Ids;
use postrider_store::config::PASSWORD_MASK;
use postrider_store::id::AttemptId;
use postrider_store::message::Attempt;
use postrider_store::query::{AttemptFilter, AttemptsOf, Page};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(by_message))
        .routes(routes!(by_endpoint))
        .routes(routes!(get))
        .routes(routes!(resend))
}

/// Why an attempt failed, or why not all of the response to a successful one came: a stable code, and words for people.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptErrorOut {
    /// `dns`, `refused_address`, `connect`, `tls`, `timeout`, `reset`, `protocol`, `status`, `proxy`, `oauth`, `template`, `query`
    /// or `cancelled`; of a success `incomplete_response`.
    pub code: String,
    pub message: String,
}

/// Why it was tried.
pub struct MessageAttemptTriggerType;

numbers!(MessageAttemptTriggerType, [0, 1]);

/// One try of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageAttemptOut {
    pub id: String,
    pub msg_id: String,
    pub endpoint_id: String,
    #[schema(format = "uri")]
    pub url: String,
    /// The response's body up to its cap, or why there was none.
    pub response: String,
    /// 0 when there was no response.
    #[schema(format = "int16")]
    pub response_status_code: u16,
    pub response_duration_ms: i64,
    #[serde(flatten)]
    pub status: Status,
    /// 0 scheduled, 1 by hand.
    #[schema(value_type = MessageAttemptTriggerType)]
    pub trigger_type: u8,
    #[schema(format = "date-time")]
    pub timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AttemptErrorOut>,
    /// With `with_msg`, in listings by endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<MessageOut>,
}

/// `expanded`: with the statuses that only newer clients know.
fn shown(ids: &Ids, attempt: Attempt, expanded: bool) -> MessageAttemptOut {
    let cancelled = attempt.outcome.error.as_ref().is_some_and(|(code, _)| code == "cancelled");
    let status = match attempt.outcome.success {
        true => Status::SUCCESS,
        false if expanded && cancelled => Status::CANCELED,
        false => Status::FAIL,
    };
    MessageAttemptOut {
        id: ids.text(attempt.id),
        msg_id: ids.text(attempt.message),
        endpoint_id: ids.text(attempt.endpoint),
        url: without_password(attempt.url),
        response: String::from_utf8_lossy(&attempt.response).into_owned(),
        response_status_code: attempt.outcome.status,
        response_duration_ms: attempt.duration_ms,
        status,
        trigger_type: u8::from(attempt.manual),
        timestamp: timestamp::text(attempt.started_ms),
        error: attempt.outcome.error.map(|(code, message)| AttemptErrorOut { code, message }),
        msg: None,
    }
}

fn attempt_filter(query: &Query) -> Result<AttemptFilter, ApiError> {
    let expanded = query.flag("expanded_statuses")?.unwrap_or(false);
    let (success, cancelled) = match query.number::<u8>("status")? {
        None => (None, None),
        Some(0) => (Some(true), None),
        Some(2) => (Some(false), expanded.then_some(false)),
        Some(4) => (Some(false), Some(true)),
        // Attempts are final; those that are to come are no attempts yet.
        Some(1 | 3) => return Ok(AttemptFilter { status_class: Some(600), ..AttemptFilter::default() }),
        Some(other) => return Err(ApiError::query("status", format!("{other} is no status; use 0, 1, 2, 3 or 4"))),
    };
    let status_class = query.number::<u16>("status_code_class")?;
    if status_class.is_some_and(|class| class % 100 != 0 || class > 500) {
        return Err(ApiError::query("status_code_class", "use 0, 100, 200, 300, 400 or 500"));
    }
    Ok(AttemptFilter {
        success,
        cancelled,
        uncleared: false,
        says_something: false,
        status_class,
        endpoint: None,
        messages: query.message_filter()?,
    })
}

/// A page of attempts; `with_msg`: with the message of each.
async fn page_of(
    (api, caller): (&Api, Caller),
    of: AttemptsOf,
    filter: AttemptFilter,
    query: &Query,
    with_msg: bool,
) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(query, false)?;
    let content = query.flag("with_content")?.unwrap_or(true);
    let expanded = query.flag("expanded_statuses")?.unwrap_or(false);
    let store = api.accept.store();
    let page = Page { content, ..asked.page::<AttemptId>(store.ids())? };
    let _room = api.memory.room_for_page(caller).await?;
    let found = store.attempts(of, filter, page).await?;
    let mut page = asked.begin();
    for attempt in found.rows {
        let (id, message) = (store.ids().text(attempt.id), attempt.message);
        let mut row = shown(store.ids(), attempt, expanded);
        if with_msg && let Some(message) = store.message_by_id(message).await? {
            row.msg = Some(message::shown_whole(api, caller, message).await?);
        }
        if !page.push(id, &row) {
            break;
        }
    }
    let looked_to = found.looked_to.map(|to| store.ids().text(AttemptId(to)));
    Ok(Json(page.end(looked_to)))
}

/// List Attempts By Msg
#[utoipa::path(get, path = "/api/v1/app/{app_id}/attempt/msg/{msg_id}", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-by-msg",
    params(("app_id" = String, Path), ("msg_id" = String, Path), PageParams, StatusParams,
        StatusClassParams,
        MessageParams, ("endpoint_id" = Option<String>, Query)),
    responses((status = 200, body = ListResponse<MessageAttemptOut>), Errors))]
async fn by_message(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, message)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let message = api.accept.message(auth.0, &app, &message).await?;
    let mut filter = attempt_filter(&query)?;
    if let Some(endpoint) = query.text("endpoint_id") {
        filter.endpoint = Some(api.accept.endpoint(auth.0, &app, endpoint)?.1.id);
    }
    page_of((&api, auth.0), AttemptsOf::Message(message.id), filter, &query, false).await
}

/// List Attempts By Endpoint
#[utoipa::path(get, path = "/api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}", tag = "Message Attempt",
    operation_id = "v1.message-attempt.list-by-endpoint",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), PageParams, StatusParams,
        StatusClassParams,
        MessageParams, ("with_msg" = Option<bool>, Query)),
    responses((status = 200, body = ListResponse<MessageAttemptOut>), Errors))]
async fn by_endpoint(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let (_, endpoint) = api.accept.endpoint(auth.0, &app, &endpoint)?;
    let with_msg = query.flag("with_msg")?.unwrap_or(false);
    page_of((&api, auth.0), AttemptsOf::Endpoint(endpoint.id), attempt_filter(&query)?, &query, with_msg).await
}

/// Get Attempt
#[utoipa::path(get, path = "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}", tag = "Message Attempt",
    operation_id = "v1.message-attempt.get",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("attempt_id" = String, Path),
        ("expanded_statuses" = Option<bool>, Query)),
    responses((status = 200, body = MessageAttemptOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, message, attempt)): Path<(String, String, String)>,
    query: Query,
) -> Result<Json<MessageAttemptOut>, ApiError> {
    let expanded = query.flag("expanded_statuses")?.unwrap_or(false);
    let message = api.accept.message(auth.0, &app, &message).await?;
    let store = api.accept.store();
    let none = || Refusal::none("attempt", &attempt);
    let id = store.ids().parse(&attempt).ok_or_else(none)?;
    let attempt = store.attempt(message.id, id).await?.ok_or_else(none)?;
    Ok(Json(shown(store.ids(), attempt, expanded)))
}

/// Nothing to tell, as JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmptyResponse {}

/// Earlier versions stored URLs as they were called.
fn without_password(text: String) -> String {
    let parsed = text.contains('@').then(|| url::Url::parse(&text).ok()).flatten();
    let Some(mut url) = parsed.filter(|url| url.password().is_some()) else { return text };
    let _ = url.set_password(Some(PASSWORD_MASK));
    url.into()
}

/// Resend Webhook
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
    tag = "Message Attempt", operation_id = "v1.message-attempt.resend",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("endpoint_id" = String, Path),
        ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = EmptyResponse), Errors))]
async fn resend(
    State(api): State<Api>,
    auth: Auth<Resend>,
    Path((app, message, endpoint)): Path<(String, String, String)>,
    key: IdempotencyHeader,
) -> Result<(StatusCode, Json<EmptyResponse>), ApiError> {
    api.accept.resend(auth.0, &app, &message, &endpoint, key.with(auth.0, b"")?).await?;
    Ok((StatusCode::ACCEPTED, Json(EmptyResponse {})))
}
