//! `…/content`: removing payloads and responses for good.

use super::task::{RecoverOut, brief};
use crate::Api;
use crate::auth::{Auth, Manage};
use crate::body::Json as Body;
use crate::error::{ApiError, Errors};
use crate::idempotency::{IdempotencyHeader, answer, respond};
use crate::path::Path;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postrider_accept::Refusal;
use postrider_store::task::Task;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Messages of one request.
const MOST: usize = 1_000;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(message)).routes(routes!(attempt)).routes(routes!(bulk)).routes(routes!(all))
}

/// Messages whose payloads are to go.
#[derive(Debug, Deserialize, ToSchema)]
pub struct BulkExpungeContentsIn {
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub ids: Option<Vec<String>>,
}

/// What became of each.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkExpungeContentsOut {
    pub results: BTreeMap<String, BulkExpungeStatus>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BulkExpungeStatus {
    Expunged,
    NotFound,
}

/// Bulk Expunge Contents
///
/// Removes the payloads of up to 1,000 messages.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/bulk-expunge", tag = "Message",
    operation_id = "v1.message.bulk-expunge-content",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = BulkExpungeContentsIn, responses((status = 200, body = BulkExpungeContentsOut), Errors))]
async fn bulk(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    body: Body<BulkExpungeContentsIn>,
) -> Result<Json<BulkExpungeContentsOut>, ApiError> {
    let ids = body.value.ids.unwrap_or_default();
    if ids.len() > MOST {
        return Err(ApiError::field("ids", format!("has {} entries; at most {MOST} are taken", ids.len())));
    }
    api.accept.application(auth.0, &app)?;
    let mut results = BTreeMap::new();
    for id in ids {
        // Each is the same when it is done again, so a caller that was cut off asks again.
        let status = match api.accept.expunge_message(auth.0, &app, &id).await {
            Ok(()) => BulkExpungeStatus::Expunged,
            Err(Refusal::NotFound(_)) => BulkExpungeStatus::NotFound,
            Err(refusal) => return Err(refusal.into()),
        };
        results.insert(id, status);
    }
    Ok(Json(BulkExpungeContentsOut { results }))
}

/// Expunge All Contents
///
/// Removes the payloads of all messages that the application has, as a job that survives a restart.
#[utoipa::path(post, path = "/api/v1/app/{app_id}/msg/expunge-all-contents", tag = "Message",
    operation_id = "v1.message.expunge-all-contents",
    params(("app_id" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 202, body = RecoverOut), Errors))]
async fn all(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path(app): Path<String>,
    key: IdempotencyHeader,
) -> Result<Response, ApiError> {
    let idempotency = key.with(auth.0, b"")?;
    let ids = api.accept.store().ids();
    let render = |task: &Task| answer(StatusCode::ACCEPTED, &brief(ids, task));
    let made = api.accept.purge(auth.0, &app, idempotency, &render).await?;
    Ok(respond(made, render))
}

/// Expunge Message Content
///
/// Removes a message's payload. It can't be sent any more; what waits of it ends visibly.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/msg/{msg_id}/content", tag = "Message",
    operation_id = "v1.message.expunge-content", params(("app_id" = String, Path), ("msg_id" = String, Path)),
    responses((status = 204), Errors))]
async fn message(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, message)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.expunge_message(auth.0, &app, &message).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Expunge Attempt Content
///
/// Removes an attempt's response.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content",
    tag = "Message Attempt", operation_id = "v1.message-attempt.expunge-content",
    params(("app_id" = String, Path), ("msg_id" = String, Path), ("attempt_id" = String, Path)),
    responses((status = 204), Errors))]
async fn attempt(
    State(api): State<Api>,
    auth: Auth<Manage>,
    Path((app, message, attempt)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.expunge_attempt(auth.0, &app, &message, &attempt).await?;
    Ok(StatusCode::NO_CONTENT)
}
