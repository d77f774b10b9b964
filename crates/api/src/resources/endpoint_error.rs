//! `…/endpoint/{endpoint_id}/error`: what failed, for people who work through it.

use crate::Api;
use crate::auth::{Auth, LookIn, ManageEndpoints};
use crate::error::{ApiError, Errors};
use crate::page::{Asked, ListResponse, Written};
use crate::params::{MessageParams, PageParams};
use crate::path::Path;
use crate::query::Query;
use crate::timestamp;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postrider_store::Ids;
use postrider_store::id::AttemptId;
use postrider_store::message::Attempt;
use postrider_store::query::{AttemptFilter, Page};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, delete))
}

/// An attempt that failed. Its id is the attempt's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointErrorOut {
    pub id: String,
    pub endpoint_id: String,
    pub msg_id: String,
    /// A stable code, as of an attempt's error.
    pub code: String,
    pub message: String,
    #[schema(format = "uri")]
    pub url: String,
    /// 0 when there was no response.
    #[schema(format = "int16")]
    pub response_status_code: u16,
    /// The response's body up to its cap, or why there was none; empty without `with_content`.
    pub response: String,
    #[schema(format = "date-time")]
    pub timestamp: String,
}

fn shown(ids: &Ids, attempt: &Attempt) -> EndpointErrorOut {
    let (code, message) = attempt.outcome.error.clone().unwrap_or_default();
    EndpointErrorOut {
        id: ids.text(attempt.id),
        endpoint_id: ids.text(attempt.endpoint),
        msg_id: ids.text(attempt.message),
        code,
        message,
        url: attempt.url.clone(),
        response_status_code: attempt.outcome.status,
        response: String::from_utf8_lossy(&attempt.response).into_owned(),
        timestamp: timestamp::text(attempt.started_ms),
    }
}

/// List Endpoint Errors
///
/// The attempts at this endpoint that failed, the newest first, without those that were deleted from this list.
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/error", tag = "Endpoint",
    operation_id = "v1.endpoint.list-errors",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), PageParams, MessageParams),
    responses((status = 200, body = ListResponse<EndpointErrorOut>), Errors))]
async fn list(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Written>, ApiError> {
    let asked = Asked::from_query(&query, false)?;
    let content = query.flag("with_content")?.unwrap_or(true);
    let ids = api.accept.store().ids();
    let page = Page { content, ..asked.page::<AttemptId>(ids)? };
    let filter = AttemptFilter { messages: query.message_filter()?, ..AttemptFilter::default() };
    let _room = api.memory.room_for_page(auth.0).await?;
    let found = api.accept.failures(auth.0, (&app, &endpoint), filter, page).await?;
    let id = |attempt: &Attempt| ids.text(attempt.id);
    Ok(Json(asked.respond_found::<AttemptId, _, _>(ids, found, id, |attempt| shown(ids, &attempt))))
}

/// Get Endpoint Error
#[utoipa::path(get, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/error/{error_id}", tag = "Endpoint",
    operation_id = "v1.endpoint.get-error",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("error_id" = String, Path)),
    responses((status = 200, body = EndpointErrorOut), Errors))]
async fn get(
    State(api): State<Api>,
    auth: Auth<LookIn>,
    Path((app, endpoint, error)): Path<(String, String, String)>,
) -> Result<Json<EndpointErrorOut>, ApiError> {
    let attempt = api.accept.failure(auth.0, (&app, &endpoint), &error).await?;
    Ok(Json(shown(api.accept.store().ids(), &attempt)))
}

/// Delete Endpoint Error
///
/// Takes it off the list of errors. The attempt itself stays.
#[utoipa::path(delete, path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/error/{error_id}", tag = "Endpoint",
    operation_id = "v1.endpoint.delete-error",
    params(("app_id" = String, Path), ("endpoint_id" = String, Path), ("error_id" = String, Path)),
    responses((status = 204), Errors))]
async fn delete(
    State(api): State<Api>,
    auth: Auth<ManageEndpoints>,
    Path((app, endpoint, error)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    api.accept.clear_failure(auth.0, (&app, &endpoint), &error).await?;
    Ok(StatusCode::NO_CONTENT)
}
