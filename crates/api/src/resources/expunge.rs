//! `…/content`: removing payloads and responses for good.

use crate::Api;
use crate::auth::{Auth, Manage};
use crate::error::{ApiError, Errors};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(message)).routes(routes!(attempt))
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
